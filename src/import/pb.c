/* SPDX-License-Identifier: Apache-2.0 */
/* See pb.h. Groups (wire types 3 and 4) are long gone from every writer we read; they count as malformed. */
#include "import/pb.h"

#include <string.h>

static const uint8_t nothing[1];

struct npi_pb npi_pb(const void *data, size_t size) {
    const uint8_t *p = size ? data : nothing;
    return (struct npi_pb){ p, p + size, 0 };
}

uint64_t npi_pb_varint(struct npi_pb *m) {
    uint64_t v = 0;
    for (unsigned shift = 0; m->p < m->end && shift < 64; shift += 7) {
        const uint8_t b = *m->p++;
        v |= (uint64_t)(b & 127) << shift;
        if (!(b & 128)) return v;
    }
    m->bad = 1;
    m->p = m->end;
    return 0;
}

static uint64_t fixed(struct npi_pb *m, size_t n) {
    uint64_t v = 0;
    if (npi_pb_size(m) < n) {
        m->bad = 1;
        m->p = m->end;
        return 0;
    }
    for (size_t i = 0; i < n; i++) v |= (uint64_t)m->p[i] << (8 * i);
    m->p += n;
    return v;
}

int npi_pb_next(struct npi_pb *m, struct npi_pb_field *f) {
    if (m->bad || m->p == m->end) return 0;
    const uint64_t key = npi_pb_varint(m);
    *f = (struct npi_pb_field){ .num = (uint32_t)(key >> 3), .wire = (int)(key & 7), .sub = npi_pb(NULL, 0) };
    if (key >> 35 || !f->num) m->bad = 1;
    switch (f->wire) {
    case 0: f->v = npi_pb_varint(m); break;
    case 1: f->v = fixed(m, 8); break;
    case 5: f->v = fixed(m, 4); break;
    case 2: {
        const uint64_t n = npi_pb_varint(m);
        if (m->bad || n > npi_pb_size(m)) m->bad = 1;
        else {
            f->sub = npi_pb(m->p, (size_t)n);
            m->p += n;
        }
        break;
    }
    default: m->bad = 1;
    }
    return !m->bad;
}

struct npi_pb npi_pb_find(struct npi_pb m, uint32_t num, int *found) {
    struct npi_pb_field f;
    while (npi_pb_next(&m, &f))
        if (f.num == num && f.wire == 2) {
            if (found) *found = 1;
            return f.sub;
        }
    if (found) *found = 0;
    return npi_pb(NULL, 0);
}

void npi_pb_numbers(const struct npi_pb_field *f, int wire, uint64_t *out, size_t max, size_t *n, int *bad) {
    if (f->wire == wire) {
        if (*n < max) out[*n] = f->v;
        ++*n;
        return;
    }
    struct npi_pb m = f->sub;
    while (!m.bad && m.p < m.end) {
        const uint64_t v = wire == 0 ? npi_pb_varint(&m) : fixed(&m, wire == 1 ? 8 : 4);
        if (m.bad) break;
        if (*n < max) out[*n] = v;
        ++*n;
    }
    if (m.bad || f->wire != 2) *bad = 1;
}

int npi_pb_is(const struct npi_pb *m, const char *s) {
    const size_t n = strlen(s);
    return npi_pb_size(m) == n && !memcmp(m->p, s, n);
}
