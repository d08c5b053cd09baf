/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pbw.h"

#include <string.h>

enum { VARINT = 0, BYTES = 2, FIXED32 = 5, LENGTH_BYTES = 5 };

void npi_pbw_varint(struct npi_bytes *b, uint64_t v) {
    uint8_t s[10];
    size_t n = 0;
    for (; v > 127; v >>= 7) s[n++] = (uint8_t)(v | 128);
    s[n++] = (uint8_t)v;
    npi_bytes_put(b, s, n);
}

static void tag(struct npi_bytes *b, uint32_t field, int wire) { npi_pbw_varint(b, (uint64_t)field << 3 | (unsigned)wire); }

void npi_pbw_int(struct npi_bytes *b, uint32_t field, int64_t v) {
    tag(b, field, VARINT);
    npi_pbw_varint(b, (uint64_t)v);
}

void npi_pbw_float(struct npi_bytes *b, uint32_t field, float v) {
    tag(b, field, FIXED32);
    npi_bytes_put(b, &v, 4);
}

void npi_pbw_head(struct npi_bytes *b, uint32_t field, size_t n) {
    tag(b, field, BYTES);
    npi_pbw_varint(b, n);
}

void npi_pbw_bytes(struct npi_bytes *b, uint32_t field, const void *p, size_t n) {
    npi_pbw_head(b, field, n);
    npi_bytes_put(b, p, n);
}

void npi_pbw_str(struct npi_bytes *b, uint32_t field, const char *s) { npi_pbw_bytes(b, field, s, strlen(s)); }

size_t npi_pbw_begin(struct npi_bytes *b, uint32_t field) {
    tag(b, field, BYTES);
    npi_bytes_add(b, LENGTH_BYTES);
    return b->n;
}

void npi_pbw_end(struct npi_bytes *b, size_t mark) {
    if (b->failed) return;
    uint64_t n = b->n - mark;
    if (n >= (uint64_t)1 << 35) {
        b->failed = 1;
        return;
    }
    for (size_t i = 0; i < LENGTH_BYTES; i++, n >>= 7) b->p[mark - LENGTH_BYTES + i] = (uint8_t)((n & 127) | (i + 1 < LENGTH_BYTES ? 128 : 0));
}
