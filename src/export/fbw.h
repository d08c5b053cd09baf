/* SPDX-License-Identifier: Apache-2.0 */
/* FlatBuffers, written front to back: the twin of import/fb.h. Offsets point forward, so a table is written first, with room for them,
 * and each is filled in when what it points at comes:
 *
 *   size_t at[3];
 *   npi_fbw_table(b, (struct npi_fbw_field[]){ { 0, 4 }, { 1, 4 }, { 3, 1, 7 } }, 3, at);    field number, bytes, value
 *   npi_fbw_here(b, at[0], 4);  npi_fbw_ints(b, …)                                         field 0 points at the vector here
 *
 * A field left out has its default. */
#ifndef NPI_EXPORT_FBW_H
#define NPI_EXPORT_FBW_H
#include "export/bytes.h"

struct npi_fbw_field { unsigned id, size; uint64_t value; }; /* size 1, 2, 4, 8; 0: left out */

/* Vtable and table; at[i] gets the place of field i (may be NULL). Returns the place of the table. */
size_t npi_fbw_table(struct npi_bytes *b, const struct npi_fbw_field *f, int n, size_t *at);
void npi_fbw_align(struct npi_bytes *b, size_t to);
/* The offset at `ref` points at the end of what is written, aligned to 4; `data_align`: what follows the vector's count must be aligned so. */
void npi_fbw_here(struct npi_bytes *b, size_t ref, size_t data_align);
void npi_fbw_point(struct npi_bytes *b, size_t ref, size_t target);
/* Vectors and strings, where they stand. npi_fbw_refs: n offsets to be filled in; returns the place of the first. */
void npi_fbw_ints(struct npi_bytes *b, const int32_t *v, int n);
void npi_fbw_longs(struct npi_bytes *b, const int64_t *v, int n);
void npi_fbw_floats(struct npi_bytes *b, const float *v, int n);
uint8_t *npi_fbw_bytes(struct npi_bytes *b, const void *p, size_t n); /* p NULL: room only */
void npi_fbw_str(struct npi_bytes *b, const char *s);
size_t npi_fbw_refs(struct npi_bytes *b, int n);
static inline uint64_t npi_fbw_f32(float v) { uint32_t u; __builtin_memcpy(&u, &v, 4); return u; }
#endif
