/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded little-endian reader over bytes that come from outside. Every read is checked; after the first failure
 * `bad` stays set and all reads give zero, so a parser may test once at the end of a record. */
#ifndef NPI_BASE_BUF_H
#define NPI_BASE_BUF_H
#include <stdint.h>
#include <stddef.h>
#include <string.h>

struct npi_buf { const uint8_t *p; size_t size, pos; int bad; };

static inline struct npi_buf npi_buf(const void *p, size_t size) { return (struct npi_buf){ (const uint8_t *)p, size, 0, 0 }; }
static inline size_t npi_buf_left(const struct npi_buf *b) { return b->bad ? 0 : b->size - b->pos; }
static inline const uint8_t *npi_buf_take(struct npi_buf *b, size_t n) {
    if (b->bad || n > b->size - b->pos) { b->bad = 1; return NULL; }
    const uint8_t *q = b->p + b->pos;
    b->pos += n;
    return q;
}
static inline uint8_t npi_buf_u8(struct npi_buf *b) { const uint8_t *q = npi_buf_take(b, 1); return q ? q[0] : 0; }
static inline uint16_t npi_buf_u16(struct npi_buf *b) { const uint8_t *q = npi_buf_take(b, 2); uint16_t v = 0; if (q) memcpy(&v, q, 2); return v; }
static inline uint32_t npi_buf_u32(struct npi_buf *b) { const uint8_t *q = npi_buf_take(b, 4); uint32_t v = 0; if (q) memcpy(&v, q, 4); return v; }
static inline uint64_t npi_buf_u64(struct npi_buf *b) { const uint8_t *q = npi_buf_take(b, 8); uint64_t v = 0; if (q) memcpy(&v, q, 8); return v; }
/* A window [pos, pos+n) of another buffer; bad if it does not fit. */
static inline struct npi_buf npi_buf_sub(const struct npi_buf *b, size_t pos, size_t n) {
    if (b->bad || pos > b->size || n > b->size - pos) return (struct npi_buf){ NULL, 0, 0, 1 };
    return npi_buf(b->p + pos, n);
}
#endif
