/* SPDX-License-Identifier: Apache-2.0 */
/* A checked reader of FlatBuffers, without generated code: the caller knows the field numbers.
 *
 *   u32 root offset | "TFL3" | …
 *   table:  i32 distance back to its vtable | fields
 *   vtable: u16 its size | u16 table size | u16 offset of field 0, 1, … (0: absent)
 *   vector: u32 count | elements (tables and strings inside: u32 offset forward from that place)
 *
 * Every offset is checked against the file. After the first violation `bad` stays set and every read gives the default
 * or an empty vector, so that a parser tests once at the end of a record. A hostile file may point many times at the same
 * bytes; `work` adds up what was handed out, and a file that asks for far more than it holds is bad too. */
#ifndef NPI_IMPORT_FB_H
#define NPI_IMPORT_FB_H
#include <stddef.h>
#include <stdint.h>

struct npi_fb { const uint8_t *p; size_t size, work; int bad; };
struct npi_fb_table { struct npi_fb *b; size_t pos, vt; unsigned vt_size; };  /* b NULL: absent, all fields default */
struct npi_fb_vec { struct npi_fb *b; const uint8_t *p; uint32_t n; unsigned elem; }; /* p NULL: absent or empty */

/* 0 and the root table, or -1 when the bytes are too short or `ident` is not at byte 4. */
int npi_fb_open(struct npi_fb *b, const void *data, size_t size, const char *ident, struct npi_fb_table *root);
int npi_fb_has(const struct npi_fb_table *t, unsigned field);
int8_t npi_fb_i8(const struct npi_fb_table *t, unsigned field, int8_t missing);
uint8_t npi_fb_u8(const struct npi_fb_table *t, unsigned field, uint8_t missing);
int32_t npi_fb_i32(const struct npi_fb_table *t, unsigned field, int32_t missing);
uint32_t npi_fb_u32(const struct npi_fb_table *t, unsigned field, uint32_t missing);
uint64_t npi_fb_u64(const struct npi_fb_table *t, unsigned field, uint64_t missing);
float npi_fb_f32(const struct npi_fb_table *t, unsigned field, float missing);
struct npi_fb_table npi_fb_sub(const struct npi_fb_table *t, unsigned field);
/* Vector of scalars of `elem` bytes (4 for tables). */
struct npi_fb_vec npi_fb_vec(const struct npi_fb_table *t, unsigned field, unsigned elem);
/* Bytes of a buffer: not counted as work, since weights may be shared. */
struct npi_fb_vec npi_fb_bytes(const struct npi_fb_table *t, unsigned field);
struct npi_fb_table npi_fb_at(const struct npi_fb_vec *v, uint32_t i);        /* table element */
int64_t npi_fb_int(const struct npi_fb_vec *v, uint32_t i);                   /* i32 (elem 4) or i64 (elem 8) element */
uint32_t npi_fb_uint(const struct npi_fb_vec *v, uint32_t i);                 /* u8, u16, u32 element by elem */
float npi_fb_float(const struct npi_fb_vec *v, uint32_t i);
/* Text without terminator; "" of length 0 when absent. */
const char *npi_fb_str(const struct npi_fb_table *t, unsigned field, size_t *len);
#endif
