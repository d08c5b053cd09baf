/* SPDX-License-Identifier: Apache-2.0 */
#include "export/fbw.h"

#include <string.h>

static void put32(struct npi_bytes *b, size_t at, uint32_t v) {
    if (!b->failed) memcpy(b->p + at, &v, 4);
}

void npi_fbw_align(struct npi_bytes *b, size_t to) {
    static const uint8_t zero[16];
    npi_bytes_put(b, zero, (to - b->n % to) % to);
}

size_t npi_fbw_table(struct npi_bytes *b, const struct npi_fbw_field *f, int n, size_t *at) {
    uint16_t vt[2 + 32] = { 0 };
    unsigned fields = 0, size = 4;
    uint8_t body[4 + 32 * 8] = { 0 };
    size_t off[32] = { 0 };
    /* Largest fields first: then each is aligned when the first is. The table begins 4 before a multiple of 8 (its own offset takes 4). */
    for (unsigned bytes = 8; bytes; bytes >>= 1)
        for (int i = 0; i < n; i++) {
            if (f[i].size != bytes) continue;
            off[i] = size;
            memcpy(body + size, &f[i].value, bytes);
            size += bytes;
            vt[2 + f[i].id] = (uint16_t)off[i];
            if (f[i].id + 1 > fields) fields = f[i].id + 1;
        }
    const unsigned vt_bytes = 4 + 2 * fields;
    vt[0] = (uint16_t)vt_bytes;
    vt[1] = (uint16_t)size;
    npi_fbw_align(b, 2);
    while ((b->n + vt_bytes) % 8 != 4) npi_bytes_put(b, "\0", 1);
    npi_bytes_put(b, vt, vt_bytes);
    const size_t table = b->n;
    const uint32_t back = vt_bytes;
    memcpy(body, &back, 4);
    npi_bytes_put(b, body, size);
    for (int i = 0; at && i < n; i++) at[i] = off[i] ? table + off[i] : 0;
    return table;
}

void npi_fbw_point(struct npi_bytes *b, size_t ref, size_t target) { put32(b, ref, (uint32_t)(target - ref)); }

void npi_fbw_here(struct npi_bytes *b, size_t ref, size_t data_align) {
    npi_fbw_align(b, 4);
    while (data_align > 4 && (b->n + 4) % data_align) npi_bytes_put(b, "\0\0\0", 4);
    npi_fbw_point(b, ref, b->n);
}

static void vec(struct npi_bytes *b, const void *p, int n, size_t elem) {
    const uint32_t count = (uint32_t)n;
    npi_bytes_put(b, &count, 4);
    npi_bytes_put(b, p, (size_t)n * elem);
}

void npi_fbw_ints(struct npi_bytes *b, const int32_t *v, int n) { vec(b, v, n, 4); }
void npi_fbw_longs(struct npi_bytes *b, const int64_t *v, int n) { vec(b, v, n, 8); }
void npi_fbw_floats(struct npi_bytes *b, const float *v, int n) { vec(b, v, n, 4); }

uint8_t *npi_fbw_bytes(struct npi_bytes *b, const void *p, size_t n) {
    const uint32_t count = (uint32_t)n;
    npi_bytes_put(b, &count, 4);
    uint8_t *q = n ? npi_bytes_add(b, n) : NULL;
    if (q && p) memcpy(q, p, n);
    return q;
}

void npi_fbw_str(struct npi_bytes *b, const char *s) {
    const uint32_t n = (uint32_t)strlen(s);
    npi_bytes_put(b, &n, 4);
    npi_bytes_put(b, s, (size_t)n + 1);
}

size_t npi_fbw_refs(struct npi_bytes *b, int n) {
    const uint32_t count = (uint32_t)n;
    npi_bytes_put(b, &count, 4);
    const size_t at = b->n;
    uint8_t *p = n ? npi_bytes_add(b, (size_t)n * 4) : NULL;
    if (p) memset(p, 0, (size_t)n * 4);
    return at;
}
