/* SPDX-License-Identifier: Apache-2.0 */
/* Tensor records of a TFLite file: type, shape, quantization and the bytes of constants. Records are read on first use;
 * constants point into the file where their alignment allows it, packed 4-bit and 2-bit numbers are spread out to 8. */
#include "import/tflite.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { T_SHAPE = 0, T_TYPE = 1, T_BUFFER = 2, T_NAME = 3, T_QUANT = 4, T_SPARSITY = 6 };
enum { Q_SCALE = 2, Q_ZERO = 3, Q_DETAILS = 4, Q_AXIS = 6 };
enum { B_DATA = 0, B_OFFSET = 1, B_SIZE = 2 };

/* The format's type numbers. dtype -1: not supported; the name is for the message. */
static const struct { int dtype, bits; const char *name; } types[] = {
    { NP_F32, 0, "float32" }, { NP_F16, 0, "float16" }, { NP_I32, 0, "int32" }, { NP_U8, 0, "uint8" }, { NP_I64, 0, "int64" },
    { -1, 0, "string" }, { NP_BOOL, 0, "bool" }, { NP_I16, 0, "int16" }, { -1, 0, "complex64" }, { NP_I8, 0, "int8" },
    { NP_F64, 0, "float64" }, { -1, 0, "complex128" }, { NP_U64, 0, "uint64" }, { -1, 0, "resource" }, { -1, 0, "variant" },
    { NP_U32, 0, "uint32" }, { NP_U16, 0, "uint16" }, { NP_I8, 4, "int4" }, { NP_BF16, 0, "bfloat16" }, { NP_I8, 2, "int2" },
    { NP_U8, 4, "uint4" }, { -1, 0, "float8" }, { -1, 0, "float8" },
};

int npi_tfl_nomem(struct npi_tfl *m) { return npi_fail(m->err, NP_ENOMEM, "%s: out of memory", m->g->path); }

static int broken(struct npi_tfl *m, int64_t i, const char *what) {
    return npi_fail(m->err, NP_EFORMAT, "%s: tensor %lld: %s", m->g->path, (long long)i, what);
}

static int read_quant(struct npi_tfl *m, int64_t i, const struct npi_fb_table *rec, struct npi_tfl_tensor *t) {
    const struct npi_fb_table q = npi_fb_sub(rec, T_QUANT);
    if (!q.b) return 0;
    const struct npi_fb_vec scale = npi_fb_vec(&q, Q_SCALE, 4), zero = npi_fb_vec(&q, Q_ZERO, 8);
    const int details = npi_fb_u8(&q, Q_DETAILS, 0);
    if (details) t->trouble = "block-wise or multi-axis quantization";
    if (!scale.n || t->dtype == NP_F32 || t->dtype == NP_F16 || t->dtype == NP_F64 || t->dtype == NP_BF16 || t->dtype == NP_BOOL) return 0;
    int axis = npi_fb_i32(&q, Q_AXIS, 0);
    if (scale.n > 1 && t->rank == 1) axis = 0; /* biases repeat the axis of their weights */
    if (scale.n > 1 && (axis < 0 || axis >= t->rank || t->d[axis] != (int64_t)scale.n)) return broken(m, i, "number of scales does not fit the shape");
    if (zero.n > 1 && zero.n != scale.n) return broken(m, i, "number of zero points differs from number of scales");
    float *s = npi_arena_array(m->g->mem, float, scale.n);
    int32_t *z = npi_arena_array(m->g->mem, int32_t, scale.n);
    if (!s || !z) return npi_tfl_nomem(m);
    for (uint32_t k = 0; k < scale.n; k++) {
        s[k] = npi_fb_float(&scale, k);
        if (s[k] == 0 && scale.n == 1) return 0; /* written by converters for "none" */
        if (!isfinite(s[k]) || s[k] < 0) return broken(m, i, "a quantization scale is negative or not a number");
        if (s[k] < FLT_MIN) s[k] = FLT_MIN; /* a channel of zeros: stays zero, and nobody divides by 0 */
        const int64_t zp = zero.n == 0 ? 0 : npi_fb_int(&zero, zero.n == 1 ? 0 : k);
        /* Beyond 2^20 no type in use has values, and q - zero must not overflow. */
        if (zp < -(1 << 20) || zp > 1 << 20) return broken(m, i, "a zero point is out of range");
        z[k] = (int32_t)zp;
    }
    t->q = (struct npi_quant){ (int)scale.n, scale.n > 1 ? axis : 0, s, z };
    return 0;
}

static int read_buffer(struct npi_tfl *m, int64_t i, const struct npi_fb_table *rec, struct npi_tfl_tensor *t) {
    const uint32_t b = npi_fb_u32(rec, T_BUFFER, 0);
    if (b == 0) return 0; /* buffer 0 is empty by convention */
    if (b >= m->buffers.n) return broken(m, i, "its buffer does not exist");
    const struct npi_fb_table buf = npi_fb_at(&m->buffers, b);
    const struct npi_fb_vec data = npi_fb_bytes(&buf, B_DATA);
    const uint64_t off = npi_fb_u64(&buf, B_OFFSET, 0), size = npi_fb_u64(&buf, B_SIZE, 0);
    if (data.n) {
        t->data = data.p;
        t->bytes = data.n;
    } else if (off > 1) { /* behind the flatbuffer, in files over 2 GB; 1 marks a place not filled in */
        if (off > m->fb.size || size > m->fb.size - off) return broken(m, i, "its data lies outside the file");
        if (size) t->data = m->fb.p + off;
        t->bytes = size;
    }
    return 0;
}

static int read_record(struct npi_tfl *m, const struct npi_tfl_graph *s, int64_t i, struct npi_tfl_tensor *t) {
    const struct npi_fb_table rec = npi_fb_at(&s->tensors, (uint32_t)i);
    const struct npi_fb_vec shape = npi_fb_vec(&rec, T_SHAPE, 4);
    size_t len;
    const char *name = npi_fb_str(&rec, T_NAME, &len);
    const int type = npi_fb_i8(&rec, T_TYPE, 0);
    if (m->fb.bad) return broken(m, i, "the record is broken");
    *t = (struct npi_tfl_tensor){ .state = 1, .id = -1 };
    if (!(t->name = npi_arena_strndup(m->g->mem, name, len > 1000 ? 1000 : len))) return npi_tfl_nomem(m);
    if (type < 0 || type >= (int)(sizeof types / sizeof *types)) return broken(m, i, "unknown type number");
    t->dtype = types[type].dtype;
    t->bits = types[type].bits;
    if (t->dtype < 0) {
        t->trouble = types[type].name;
        t->dtype = NP_U8;
    }
    if (shape.n > NP_MAX_RANK) {
        t->trouble = "more than 8 dimensions";
        return 0;
    }
    t->rank = (int)shape.n;
    for (uint32_t k = 0; k < shape.n; k++) {
        const int64_t d = npi_fb_int(&shape, k);
        if (d < -1) return broken(m, i, "negative dimension");
        t->d[k] = d == -1 ? 1 : d;
    }
    int r;
    if ((r = read_quant(m, i, &rec, t)) < 0 || (r = read_buffer(m, i, &rec, t)) < 0) return r;
    t->sparsity = npi_fb_sub(&rec, T_SPARSITY);
    return m->fb.bad ? broken(m, i, "the record is broken") : 0;
}

struct npi_tfl_tensor *npi_tfl_tensor(struct npi_tfl *m, struct npi_tfl_graph *s, int64_t i) {
    if (i < 0 || i >= (int64_t)s->tensors.n) {
        broken(m, i, "there is no such tensor in the file");
        return NULL;
    }
    struct npi_tfl_tensor *t = &s->t[i];
    return t->state || read_record(m, s, i, t) == 0 ? t : NULL;
}

/* Packed little-endian, low bits first; signed types are sign-extended. */
static void unpack(uint8_t *out, const uint8_t *in, size_t n, int bits, int sign) {
    const int per = 8 / bits, mask = (1 << bits) - 1, top = 1 << (bits - 1);
    for (size_t k = 0; k < n; k++) {
        const int v = in[k / (size_t)per] >> (k % (size_t)per * (size_t)bits) & mask;
        out[k] = (uint8_t)(sign && v & top ? v - (1 << bits) : v);
    }
}

static int fill_view(struct npi_tfl *m, struct npi_tfl_tensor *t, struct npi_view *v) {
    static uint64_t nothing;
    const size_t need = npi_view_bytes(v), elem = np_dtype_size(t->dtype);
    if (need == 0) {
        v->data = &nothing;
        return 0;
    }
    if (t->sparsity.b) return npi_tfl_unfold(m, t, v);
    const size_t packed = t->bits ? need / (8 / (size_t)t->bits) + (need % (8 / (size_t)t->bits) != 0) : need;
    if (t->bytes < packed)
        return npi_fail(m->err, NP_EFORMAT, "%s: constant '%s' has %zu bytes, its shape needs %zu", m->g->path, t->name, t->bytes, packed);
    if (!t->bits && (uintptr_t)t->data % elem == 0) {
        v->data = (void *)(uintptr_t)t->data;
        return 0;
    }
    if (!(v->data = npi_arena_alloc(m->g->mem, need))) return npi_tfl_nomem(m);
    if (t->bits) unpack(v->data, t->data, need, t->bits, t->dtype == NP_I8);
    else memcpy(v->data, t->data, need);
    return 0;
}

int npi_tfl_constant(struct npi_tfl *m, struct npi_tfl_tensor *t) {
    struct npi_view v = { .dtype = t->dtype, .rank = t->rank, .q = t->q };
    size_t count = 1;
    for (int k = 0; k < t->rank; k++) {
        v.d[k] = t->d[k];
        if (npi_mul_overflow(count, (size_t)t->d[k], &count)) return npi_fail(m->err, NP_EFORMAT, "%s: constant '%s' is too large", m->g->path, t->name);
    }
    if (!t->data && count) return npi_fail(m->err, NP_EFORMAT, "%s: tensor '%s' is read before any operator makes it", m->g->path, t->name);
    const int r = fill_view(m, t, &v);
    if (r < 0) return r;
    if (m->o->watch && m->o->watch->constant) m->o->watch->constant(m->o->watch->opaque, &v);
    if ((t->id = npi_graph_tensor(m->g, t->name, &v)) < 0) {
        t->id = -1;
        return npi_tfl_nomem(m);
    }
    return 0;
}
