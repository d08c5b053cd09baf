/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned blocks and a bump arena. Long-lived memory is planned: load arena (scratch while importing, dropped whole),
 * model arena (packed weights + plan), session arena (activations, one block). */
#ifndef NPI_BASE_MEM_H
#define NPI_BASE_MEM_H
#include <stddef.h>
#include <stdint.h>

#define NPI_ALIGN 64 /* one cache line, one zmm */
/* Kernels may over-read (never over-write) this many bytes behind any arena tensor. */
#define NPI_TAIL 64

static inline size_t npi_align_up(size_t n, size_t a) { return (n + a - 1) / a * a; }
/* a * b and a + b, or 1 on overflow. */
static inline int npi_mul_overflow(size_t a, size_t b, size_t *out) { return __builtin_mul_overflow(a, b, out); }
static inline int npi_add_overflow(size_t a, size_t b, size_t *out) { return __builtin_add_overflow(a, b, out); }

/* 64-byte aligned, zeroed, with NPI_TAIL readable bytes behind; NULL when out of memory. */
void *npi_alloc(size_t bytes);
void npi_free(void *p);
/* Calls of npi_alloc, and blocks of pages that arenas took, so far: the zero-allocation tests read it. */
size_t npi_alloc_calls(void);

/* Bump arena: many small blocks, freed together. total_bytes: given out. Not thread-safe. */
struct npi_arena { struct npi_arena_block *head; size_t total_bytes, limit_bytes; };
/* limit_bytes 0: none. A hostile model cannot make the importer take more than the limit. */
void npi_arena_init(struct npi_arena *a, size_t limit_bytes);
void *npi_arena_alloc(struct npi_arena *a, size_t bytes); /* 64-byte aligned, zeroed; NULL: out of memory or limit */
char *npi_arena_strndup(struct npi_arena *a, const char *s, size_t n); /* NUL-terminated, control characters replaced by '?' */
/* Everything in it is gone, but one block stays for what comes next: an arena that is filled again and again does not zero 256 KiB each time. */
void npi_arena_reset(struct npi_arena *a);
void npi_arena_free(struct npi_arena *a);
int npi_arena_owns(const struct npi_arena *a, const void *p); /* 1: p lies in a block of it */
#define npi_arena_array(a, type, n) ((type *)npi_arena_calloc((a), (size_t)(n), sizeof(type)))
void *npi_arena_calloc(struct npi_arena *a, size_t n, size_t size);
#endif
