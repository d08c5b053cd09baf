/* SPDX-License-Identifier: Apache-2.0 */
/* TensorProto -> constant. Three places where the numbers may be: raw_data (little-endian, used in place when large and
 * aligned), the typed lists (decoded), or a file next to the model. */
#include "import/onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_PLACE_BYTES ((size_t)1 << 18) /* smaller constants are copied, so that kernels may read a little over their ends */

static const struct { int dtype; const char *name; } types[] = {
    { -1, "UNDEFINED" }, { NP_F32, "FLOAT" }, { NP_U8, "UINT8" }, { NP_I8, "INT8" }, { NP_U16, "UINT16" }, { NP_I16, "INT16" }, { NP_I32, "INT32" },
    { NP_I64, "INT64" }, { -1, "STRING" }, { NP_BOOL, "BOOL" }, { NP_F16, "FLOAT16" }, { NP_F64, "DOUBLE" }, { NP_U32, "UINT32" }, { NP_U64, "UINT64" },
    { -1, "COMPLEX64" }, { -1, "COMPLEX128" }, { NP_BF16, "BFLOAT16" }, { -1, "FLOAT8E4M3FN" }, { -1, "FLOAT8E4M3FNUZ" }, { -1, "FLOAT8E5M2" },
    { -1, "FLOAT8E5M2FNUZ" }, { -1, "UINT4" }, { -1, "INT4" }, { -1, "FLOAT4E2M1" }, { -1, "FLOAT8E8M0" }, { -1, "UINT2" }, { -1, "INT2" },
};
#define N_TYPES ((int64_t)(sizeof types / sizeof *types))

int npi_ox_dtype(int64_t t) { return t > 0 && t < N_TYPES ? types[t].dtype : -1; }
const char *npi_ox_type_name(int64_t t) { return t >= 0 && t < N_TYPES ? types[t].name : "of an unknown number"; }

/* What a TensorProto says, before its numbers are read. */
struct proto { struct npi_pb body, name, raw; struct npi_view v; int64_t type; int has_raw, external, bad; };

static void read_proto(struct npi_pb m, struct proto *t) {
    struct npi_pb_field f;
    size_t rank = 0;
    uint64_t d[NP_MAX_RANK];
    *t = (struct proto){ .body = m, .name = npi_pb(NULL, 0) };
    while (npi_pb_next(&m, &f)) {
        if (f.num == 1) npi_pb_numbers(&f, 0, d, NP_MAX_RANK, &rank, &t->bad);
        else if (f.num == 2) t->type = (int64_t)f.v;
        else if (f.num == 8) t->name = f.sub;
        else if (f.num == 9) t->raw = f.sub, t->has_raw = 1;
        else if (f.num == 14) t->external = f.v == 1;
    }
    t->bad |= m.bad || rank > NP_MAX_RANK;
    t->v.rank = rank > NP_MAX_RANK ? NP_MAX_RANK : (int)rank;
    for (int i = 0; i < t->v.rank; i++) {
        t->v.d[i] = (int64_t)d[i];
        if (t->v.d[i] < 0) t->bad = 1;
    }
}

/* The typed lists: field number and element wire type for a dtype. */
static uint32_t list_of(int dtype, int *wire) {
    *wire = 0;
    switch (dtype) {
    case NP_F32: *wire = 5; return 4;
    case NP_F64: *wire = 1; return 10;
    case NP_I64: return 7;
    case NP_U32: case NP_U64: return 11;
    default: return 5;
    }
}

static void store(void *out, size_t size, size_t i, uint64_t v) {
    char *p = (char *)out + i * size;
    const uint8_t b1 = (uint8_t)v;
    const uint16_t b2 = (uint16_t)v;
    const uint32_t b4 = (uint32_t)v;
    if (size == 1) memcpy(p, &b1, 1);
    else if (size == 2) memcpy(p, &b2, 2);
    else if (size == 4) memcpy(p, &b4, 4);
    else memcpy(p, &v, 8);
}

/* How many numbers the lists have; with `out` they are written. */
static size_t decode_list(const struct proto *t, void *out, size_t max, int *bad) {
    struct npi_pb m = t->body;
    struct npi_pb_field f;
    int wire;
    const uint32_t num = list_of(t->v.dtype, &wire);
    const size_t size = np_dtype_size(t->v.dtype);
    size_t n = 0;
    while (npi_pb_next(&m, &f)) {
        if (f.num != num) continue;
        struct npi_pb one = f.sub;
        if (f.wire == wire) {
            if (out && n < max) store(out, size, n, f.v);
            n++;
            continue;
        }
        while (one.p < one.end && !one.bad) {
            struct npi_pb_field e = { .num = num, .wire = 2, .sub = one };
            uint64_t v = 0;
            size_t k = 0;
            const size_t step = wire == 1 ? 8 : wire == 5 ? 4 : 0;
            if (step) { /* fixed-size elements are handed over one by one */
                if (npi_pb_size(&one) < step) {
                    *bad = 1;
                    break;
                }
                e.sub = npi_pb(one.p, step);
                one.p += step;
                npi_pb_numbers(&e, wire, &v, 1, &k, bad);
            } else {
                v = npi_pb_varint(&one);
                if (one.bad) {
                    *bad = 1;
                    break;
                }
            }
            if (out && n < max) store(out, size, n, v);
            n++;
        }
    }
    *bad |= m.bad;
    return n;
}

static int fail(struct npi_ox *o, const struct proto *t, const char *what, int code, const char *why) {
    return npi_fail(o->err, code, "%s '%s' in %s: %s", what, npi_ox_quote(&t->name).s, o->g->path, why);
}

/* ---- numbers in a file of their own ---- */

static int safe_location(const struct npi_pb *loc) {
    const char *s = (const char *)loc->p;
    const size_t n = npi_pb_size(loc);
    if (!n || n > 1024 || s[0] == '/' || s[0] == '\\' || memchr(s, 0, n) || memchr(s, ':', n)) return 0;
    for (size_t i = 0; i + 1 < n; i++)
        if (s[i] == '.' && s[i + 1] == '.') return 0;
    return 1;
}

static int map_external(struct npi_ox *o, const struct npi_pb *loc) {
    const char *path = o->opt->path, *slash = path ? strrchr(path, '/') : NULL;
    const size_t dir = slash ? (size_t)(slash - path) + 1 : 0, n = npi_pb_size(loc);
    char *full = npi_arena_alloc(&o->tmp, dir + n + 1);
    if (!full) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path);
    if (dir) memcpy(full, path, dir);
    memcpy(full + dir, loc->p, n);
    if (o->ext_name && !strcmp(o->ext_name, full)) return 0;
    npi_file_unmap(&o->ext);
    o->ext_name = NULL;
    const int r = npi_file_map(&o->ext, full, o->err);
    if (r < 0) return npi_fail_prefix(o->err, r, "%s: external data", o->g->path);
    o->ext_name = full;
    return 0;
}

static int read_external(struct npi_ox *o, const struct proto *t, const char *what, void *out, size_t bytes) {
    struct npi_pb m = t->body, loc = npi_pb(NULL, 0);
    struct npi_pb_field f;
    unsigned long long offset = 0, length = bytes;
    while (npi_pb_next(&m, &f)) {
        if (f.num != 13) continue;
        const struct npi_pb key = npi_pb_find(f.sub, 1, NULL), value = npi_pb_find(f.sub, 2, NULL);
        char num[24] = "";
        if (npi_pb_size(&value) < sizeof num) memcpy(num, value.p, npi_pb_size(&value));
        if (npi_pb_is(&key, "location")) loc = value;
        else if (npi_pb_is(&key, "offset")) offset = strtoull(num, NULL, 10);
        else if (npi_pb_is(&key, "length")) length = strtoull(num, NULL, 10);
    }
    if (!o->opt->path) return fail(o, t, what, NP_EUNSUPPORTED, "its data is in another file, but the model was given as memory");
    if (!safe_location(&loc)) return fail(o, t, what, NP_EUNSUPPORTED, "its data must be in the folder of the model, without '..' in the name");
    const int r = map_external(o, &loc);
    if (r < 0) return r;
    if (length != bytes || offset > o->ext.size || bytes > o->ext.size - offset) return fail(o, t, what, NP_EFORMAT,
            "the file with its data is too short, or the sizes disagree");
    memcpy(out, (const char *)o->ext.data + offset, bytes);
    npi_pages_drop((const char *)o->ext.data + offset, bytes);
    return 0;
}

/* ---- */

int npi_ox_widen(struct npi_ox *o, int t) {
    if (t < 0) return t;
    const int d = o->g->tensor[t].v.dtype;
    if (d != NP_F16 && d != NP_BF16) return t;
    const struct npi_node p = { .op = NPI_OP_CAST, .name = o->g->tensor[t].name, .a.cast.to = NP_F32 };
    return npi_build1(o->g, &p, &t, 1, o->err);
}

static int fill(struct npi_ox *o, const struct proto *t, const char *what, void *out, size_t count, size_t bytes) {
    if (t->external) return read_external(o, t, what, out, bytes);
    if (t->has_raw) {
        if (bytes) memcpy(out, t->raw.p, bytes);
        return 0;
    }
    int bad = 0;
    if (decode_list(t, NULL, 0, &bad) != count || bad) return fail(o, t, what, NP_EFORMAT, "it has more or fewer numbers than its shape says");
    decode_list(t, out, count, &bad);
    return 0;
}

int npi_ox_read_tensor(struct npi_ox *o, struct npi_pb m, const char *what, struct npi_pb *name) {
    struct proto t;
    read_proto(m, &t);
    if (name) *name = t.name;
    if (t.bad) return fail(o, &t, what, NP_EFORMAT, "it is malformed or has more than 8 dimensions");
    t.v.dtype = npi_ox_dtype(t.type);
    if (t.v.dtype < 0) {
        char why[80];
        snprintf(why, sizeof why, "type %s is not supported", npi_ox_type_name(t.type));
        return fail(o, &t, what, NP_EUNSUPPORTED, why);
    }
    const size_t bytes = npi_view_bytes(&t.v);
    if (bytes > (size_t)1 << 40) return fail(o, &t, what, NP_ELIMIT, "it is absurdly large");
    const size_t count = bytes / np_dtype_size(t.v.dtype);
    if (t.has_raw && !t.external && npi_pb_size(&t.raw) != bytes) return fail(o, &t, what, NP_EFORMAT, "its data is larger or smaller than its shape says");
    if (!t.has_raw && !t.external && count > npi_pb_size(&t.body)) return fail(o, &t, what, NP_EFORMAT, "it has fewer numbers than its shape says");
    char label[128];
    snprintf(label, sizeof label, "%.*s", (int)(npi_pb_size(&t.name) < 127 ? npi_pb_size(&t.name) : 127), (const char *)t.name.p);
    int r;
    const size_t left = t.has_raw ? (size_t)(o->file + o->file_size - t.raw.p) - bytes : 0;
    if (t.has_raw && !t.external && bytes >= IN_PLACE_BYTES && left >= NPI_TAIL && (uintptr_t)t.raw.p % np_dtype_size(t.v.dtype) == 0 && t.v.dtype != NP_BOOL) {
        t.v.data = (void *)(uintptr_t)t.raw.p;
        r = npi_graph_tensor(o->g, label, &t.v);
    } else {
        r = npi_graph_const(o->g, label, &t.v);
        if (r >= 0) {
            void *data = o->g->tensor[r].v.data;
            const int e = fill(o, &t, what, data, count, bytes);
            if (e < 0) return e;
            if (o->opt->mapped && t.has_raw && !t.external) npi_pages_drop(t.raw.p, bytes);
            for (size_t i = 0; t.v.dtype == NP_BOOL && i < count; i++) ((uint8_t *)data)[i] = ((uint8_t *)data)[i] != 0;
        }
    }
    if (r >= 0 && o->opt->watch && o->opt->watch->constant) o->opt->watch->constant(o->opt->watch->opaque, &t.v);
    return r < 0 ? fail(o, &t, what, NP_ENOMEM, "out of memory") : r;
}

int npi_ox_tensor(struct npi_ox *o, struct npi_pb m, const char *what, struct npi_pb *name) { return npi_ox_widen(o, npi_ox_read_tensor(o, m, what, name)); }
