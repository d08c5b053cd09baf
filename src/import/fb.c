/* SPDX-License-Identifier: Apache-2.0 */
/* See fb.h. Numbers are copied out with memcpy: nothing in a file needs to be aligned. */
#include "import/fb.h"

#include <string.h>

/* n bytes at pos, or NULL and bad. */
static const uint8_t *at(struct npi_fb *b, size_t pos, size_t n) {
    if (b->bad || pos > b->size || n > b->size - pos) {
        b->bad = 1;
        return NULL;
    }
    return b->p + pos;
}

static uint32_t u32_at(struct npi_fb *b, size_t pos) {
    uint32_t v = 0;
    const uint8_t *p = at(b, pos, 4);
    if (p) memcpy(&v, p, 4);
    return v;
}

static unsigned u16_at(struct npi_fb *b, size_t pos) {
    uint16_t v = 0;
    const uint8_t *p = at(b, pos, 2);
    if (p) memcpy(&v, p, 2);
    return v;
}

static void count_work(struct npi_fb *b, size_t bytes) {
    b->work += bytes;
    if (b->work / 64 > b->size + ((size_t)1 << 14)) b->bad = 1;
}

/* Where a u32 offset stored at pos points to; 0 and bad when outside (0 is never a target). */
static size_t follow(struct npi_fb *b, size_t pos) {
    const size_t off = u32_at(b, pos);
    if (b->bad || off == 0 || off > b->size - pos) {
        b->bad = 1;
        return 0;
    }
    return pos + off;
}

static struct npi_fb_table table_at(struct npi_fb *b, size_t pos) {
    struct npi_fb_table t = { b, pos, 0, 0 };
    const int32_t back = (int32_t)u32_at(b, pos);
    const int64_t vt = (int64_t)pos - back;
    if (b->bad || vt < 0 || (uint64_t)vt > b->size) {
        b->bad = 1;
        return (struct npi_fb_table){ 0 };
    }
    t.vt = (size_t)vt;
    t.vt_size = u16_at(b, t.vt);
    if (t.vt_size < 4 || !at(b, t.vt, t.vt_size)) b->bad = 1;
    count_work(b, 16);
    return b->bad ? (struct npi_fb_table){ 0 } : t;
}

/* Byte position of a field, 0: absent. */
static size_t field_pos(const struct npi_fb_table *t, unsigned field) {
    const size_t slot = 4 + 2 * (size_t)field;
    if (!t->b || t->b->bad || slot + 2 > t->vt_size) return 0;
    const unsigned off = u16_at(t->b, t->vt + slot);
    return off ? t->pos + off : 0;
}

int npi_fb_open(struct npi_fb *b, const void *data, size_t size, const char *ident, struct npi_fb_table *root) {
    *b = (struct npi_fb){ data, size, 0, 0 };
    if (size < 8 || memcmp((const char *)data + 4, ident, 4) != 0) return -1;
    const size_t pos = follow(b, 0);
    if (b->bad) return -1;
    *root = table_at(b, pos);
    return b->bad ? -1 : 0;
}

int npi_fb_has(const struct npi_fb_table *t, unsigned field) { return field_pos(t, field) != 0; }

static int scalar(const struct npi_fb_table *t, unsigned field, void *out, size_t n) {
    const size_t pos = field_pos(t, field);
    const uint8_t *p = pos ? at(t->b, pos, n) : NULL;
    if (!p) return 0;
    memcpy(out, p, n);
    return 1;
}

int8_t npi_fb_i8(const struct npi_fb_table *t, unsigned field, int8_t v) { scalar(t, field, &v, 1); return v; }
uint8_t npi_fb_u8(const struct npi_fb_table *t, unsigned field, uint8_t v) { scalar(t, field, &v, 1); return v; }
int32_t npi_fb_i32(const struct npi_fb_table *t, unsigned field, int32_t v) { scalar(t, field, &v, 4); return v; }
uint32_t npi_fb_u32(const struct npi_fb_table *t, unsigned field, uint32_t v) { scalar(t, field, &v, 4); return v; }
uint64_t npi_fb_u64(const struct npi_fb_table *t, unsigned field, uint64_t v) { scalar(t, field, &v, 8); return v; }
float npi_fb_f32(const struct npi_fb_table *t, unsigned field, float v) { scalar(t, field, &v, 4); return v; }

struct npi_fb_table npi_fb_sub(const struct npi_fb_table *t, unsigned field) {
    const size_t pos = field_pos(t, field), to = pos ? follow(t->b, pos) : 0;
    return to ? table_at(t->b, to) : (struct npi_fb_table){ 0 };
}

static struct npi_fb_vec vec_field(const struct npi_fb_table *t, unsigned field, unsigned elem, int counts) {
    const size_t pos = field_pos(t, field), to = pos ? follow(t->b, pos) : 0;
    struct npi_fb_vec v = { .b = t->b, .elem = elem };
    if (!to) return v;
    const uint32_t n = u32_at(t->b, to);
    if (t->b->bad || n > (t->b->size - to - 4) / elem) {
        t->b->bad = 1;
        return v;
    }
    if (counts) count_work(t->b, (size_t)n * elem);
    if (n && !t->b->bad) {
        v.n = n;
        v.p = t->b->p + to + 4;
    }
    return v;
}

struct npi_fb_vec npi_fb_vec(const struct npi_fb_table *t, unsigned field, unsigned elem) { return vec_field(t, field, elem, 1); }
struct npi_fb_vec npi_fb_bytes(const struct npi_fb_table *t, unsigned field) { return vec_field(t, field, 1, 0); }

struct npi_fb_table npi_fb_at(const struct npi_fb_vec *v, uint32_t i) {
    if (i >= v->n || v->b->bad) return (struct npi_fb_table){ 0 };
    const size_t to = follow(v->b, (size_t)(v->p - v->b->p) + (size_t)i * 4);
    return to ? table_at(v->b, to) : (struct npi_fb_table){ 0 };
}

int64_t npi_fb_int(const struct npi_fb_vec *v, uint32_t i) {
    if (i >= v->n) return 0;
    if (v->elem == 8) {
        int64_t x;
        memcpy(&x, v->p + (size_t)i * 8, 8);
        return x;
    }
    int32_t x;
    memcpy(&x, v->p + (size_t)i * 4, 4);
    return x;
}

uint32_t npi_fb_uint(const struct npi_fb_vec *v, uint32_t i) {
    if (i >= v->n) return 0;
    uint32_t x = 0; /* little-endian: the low bytes come first */
    memcpy(&x, v->p + (size_t)i * v->elem, v->elem > 4 ? 4 : v->elem);
    return x;
}

float npi_fb_float(const struct npi_fb_vec *v, uint32_t i) {
    float x = 0;
    if (i < v->n) memcpy(&x, v->p + (size_t)i * 4, 4);
    return x;
}

const char *npi_fb_str(const struct npi_fb_table *t, unsigned field, size_t *len) {
    const struct npi_fb_vec v = vec_field(t, field, 1, 1);
    *len = v.n;
    return v.p ? (const char *)v.p : "";
}
