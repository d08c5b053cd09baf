/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers of the ONNX importer are written with: messages, attributes, known values, node building. */
#include "import/onnx.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int npi_ox_fail(const struct npi_ox_node *n, int code, const char *fmt, ...) {
    char text[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return npi_fail(n->o->err, code, "op '%s' (node '%.80s') in %.100s: %s", n->type, n->name, n->g->path, text);
}

struct npi_ox_quote npi_ox_quote(const struct npi_pb *s) {
    struct npi_ox_quote q = { "" };
    for (size_t i = 0; i < npi_pb_size(s) && i + 1 < sizeof q.s; i++) q.s[i] = s->p[i] < 32 || s->p[i] == 127 ? '?' : (char)s->p[i];
    return q;
}

/* AttributeProto: 1 name, 2 f, 3 i, 4 s, 5 t, 6 g, 7 floats, 8 ints. Nodes have few attributes: a linear walk will do. */
int npi_ox_attr(const struct npi_ox_node *n, const char *name, struct npi_pb *attr) {
    struct npi_pb m = n->body;
    struct npi_pb_field f;
    while (npi_pb_next(&m, &f)) {
        if (f.num != 5) continue;
        const struct npi_pb key = npi_pb_find(f.sub, 1, NULL);
        if (!npi_pb_is(&key, name)) continue;
        *attr = f.sub;
        return 1;
    }
    return 0;
}

int64_t npi_ox_int(const struct npi_ox_node *n, const char *name, int64_t def) {
    struct npi_pb m;
    struct npi_pb_field f;
    if (!npi_ox_attr(n, name, &m)) return def;
    int64_t v = 0; /* a writer may leave out a zero */
    while (npi_pb_next(&m, &f))
        if (f.num == 3) v = (int64_t)f.v;
    return v;
}

float npi_ox_float(const struct npi_ox_node *n, const char *name, float def) {
    struct npi_pb m;
    struct npi_pb_field f;
    if (!npi_ox_attr(n, name, &m)) return def;
    float v = 0;
    while (npi_pb_next(&m, &f))
        if (f.num == 2) {
            const uint32_t bits = (uint32_t)f.v;
            memcpy(&v, &bits, sizeof v);
        }
    return v;
}

int npi_ox_ints(const struct npi_ox_node *n, const char *name, int64_t *out, int max) {
    struct npi_pb m;
    struct npi_pb_field f;
    size_t count = 0;
    int bad = 0;
    if (!npi_ox_attr(n, name, &m)) return -1;
    while (npi_pb_next(&m, &f))
        if (f.num == 8) npi_pb_numbers(&f, 0, (uint64_t *)out, (size_t)max, &count, &bad);
    return count > 1 << 20 ? 1 << 20 : (int)count;
}

int npi_ox_is(const struct npi_ox_node *n, const char *name, const char *def, const char *value) {
    struct npi_pb m;
    if (!npi_ox_attr(n, name, &m)) return !strcmp(def, value);
    m = npi_pb_find(m, 4, NULL);
    return npi_pb_is(&m, value);
}

const struct npi_view *npi_ox_view(const struct npi_ox_node *n, int tensor) { return &n->g->tensor[tensor].v; }

struct npi_ox_side *npi_ox_side_of(struct npi_ox *o, int tensor) {
    if (tensor >= o->side_cap) {
        int cap = o->side_cap ? o->side_cap : 256;
        while (cap <= tensor) cap *= 2;
        struct npi_ox_side *s = npi_arena_array(&o->tmp, struct npi_ox_side, cap);
        if (!s) {
            npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path);
            return NULL;
        }
        if (o->side_cap) memcpy(s, o->side, sizeof *s * (size_t)o->side_cap);
        o->side = s;
        o->side_cap = cap;
    }
    return &o->side[tensor];
}

/* ---- values that must be known ---- */

static int bind_input(const struct npi_ox_node *n, int tensor) {
    struct npi_ox *o = n->o;
    struct npi_tensor *t = &n->g->tensor[tensor];
    for (int i = 0; i < o->n_input; i++) {
        if (o->input[i] != tensor) continue;
        if (!o->opt->bind || o->opt->bind(o->opt->opaque, t->name, &t->v) != 1 || !t->v.data) break;
        memmove(o->input + i, o->input + i + 1, sizeof *o->input * (size_t)(o->n_input - i - 1));
        o->n_input--;
        return 0;
    }
    return npi_ox_fail(n, NP_EUNSUPPORTED, "'%s' must be known when the model is loaded", t->name);
}

int npi_ox_known(const struct npi_ox_node *n, int tensor) {
    if (tensor < 0) return tensor;
    struct npi_graph *g = n->g;
    if (g->tensor[tensor].v.data) return 0;
    /* Widened from an f16 input: bind that one and turn the cast into a constant. */
    for (int k = 0; k < g->n_nodes; k++) {
        struct npi_node *c = &g->node[k];
        if (c->dead || c->op != NPI_OP_CAST || c->out[0] != tensor) continue;
        if (bind_input(n, c->in[0]) < 0) return NP_EUNSUPPORTED;
        const struct npi_view *store[1];
        struct npi_op_args a;
        if (!(g->tensor[tensor].v.data = npi_arena_alloc(g->mem, npi_view_bytes(&g->tensor[tensor].v)))) return npi_ox_fail(n, NP_ENOMEM, "out of memory");
        npi_op_args_init(&a, g, c, store);
        npi_op_eval(&a);
        c->dead = 1;
        return 0;
    }
    return bind_input(n, tensor);
}

static int present_or_fail(const struct npi_ox_node *n, int i, int *present) {
    const int t = npi_ox_in(n, i);
    if (present) *present = t >= 0;
    if (t >= 0) return npi_ox_known(n, t);
    return present ? 1 : npi_ox_fail(n, NP_EFORMAT, "input %d is missing", i);
}

int npi_ox_known_ints(const struct npi_ox_node *n, int i, int64_t *out, int max, int *present) {
    const int r = present_or_fail(n, i, present);
    if (r) return r < 0 ? r : 0;
    const struct npi_view *v = npi_ox_view(n, n->in[i]);
    const int64_t count = npi_view_count(v);
    if (v->dtype != NP_I64 && v->dtype != NP_I32) return npi_ox_fail(n, NP_EUNSUPPORTED, "input %d has type %s, expected i64 or i32", i,
            np_dtype_name(v->dtype));
    if (count > max) return npi_ox_fail(n, NP_ELIMIT, "input %d has %lld values, at most %d are possible", i, (long long)count, max);
    for (int k = 0; k < count; k++) out[k] = v->dtype == NP_I64 ? ((const int64_t *)v->data)[k] : ((const int32_t *)v->data)[k];
    return (int)count;
}

int npi_ox_known_floats(const struct npi_ox_node *n, int i, float *out, int max, int *present) {
    const int r = present_or_fail(n, i, present);
    if (r) return r < 0 ? r : 0;
    const struct npi_view *v = npi_ox_view(n, n->in[i]);
    const int64_t count = npi_view_count(v);
    if (v->dtype != NP_F32 && v->dtype != NP_F64) return npi_ox_fail(n, NP_EUNSUPPORTED, "input %d has type %s, expected f32", i, np_dtype_name(v->dtype));
    if (count > max) return npi_ox_fail(n, NP_ELIMIT, "input %d has %lld values, at most %d are possible", i, (long long)count, max);
    for (int k = 0; k < count; k++) out[k] = v->dtype == NP_F32 ? ((const float *)v->data)[k] : (float)((const double *)v->data)[k];
    return (int)count;
}

int npi_ox_axis(const struct npi_ox_node *n, int64_t axis, int rank) {
    if (axis < -rank || axis >= rank) return npi_ox_fail(n, NP_ESHAPE, "axis %lld is outside of rank %d", (long long)axis, rank);
    return (int)(axis < 0 ? axis + rank : axis);
}

/* ---- building ---- */

int npi_ox_build(const struct npi_ox_node *n, enum npi_op op, const union npi_attr *a, const int *in, int n_in) {
    struct npi_node p = { .op = op, .name = n->name };
    if (a) p.a = *a;
    return npi_build1(n->g, &p, in, n_in, n->o->err);
}

int npi_ox_un(const struct npi_ox_node *n, enum npi_op op, const union npi_attr *a, int x) { return x < 0 ? x : npi_ox_build(n, op, a, &x, 1); }

int npi_ox_bin(const struct npi_ox_node *n, enum npi_op op, int x, int y) {
    return x < 0 ? x : y < 0 ? y : npi_ox_build(n, op, NULL, (int[]){ x, y }, 2);
}

int npi_ox_cast(const struct npi_ox_node *n, int x, int dtype) {
    if (x < 0 || npi_ox_view(n, x)->dtype == dtype) return x;
    return npi_ox_un(n, NPI_OP_CAST, &(union npi_attr){ .cast.to = dtype }, x);
}

int npi_ox_reshape(const struct npi_ox_node *n, int x, int rank, const int64_t *d) {
    if (x < 0) return x;
    const struct npi_view *v = npi_ox_view(n, x);
    int same = v->rank == rank;
    for (int i = 0; same && i < rank; i++) same = v->d[i] == d[i];
    return same ? x : npi_build_reshape(n->g, n->name, x, rank, d, n->o->err);
}

int npi_ox_transpose(const struct npi_ox_node *n, int x, const int *perm) {
    if (x < 0) return x;
    int same = 1;
    for (int i = 0; i < npi_ox_view(n, x)->rank; i++) same &= perm[i] == i;
    return same ? x : npi_build_transpose(n->g, n->name, x, perm, n->o->err);
}

int npi_ox_scalar(const struct npi_ox_node *n, int dtype, double v) {
    const struct npi_view s = { .dtype = dtype };
    const int t = npi_graph_const(n->g, NULL, &s);
    if (t < 0) return npi_ox_fail(n, NP_ENOMEM, "out of memory");
    void *p = n->g->tensor[t].v.data;
    switch (dtype) {
    case NP_F32: *(float *)p = (float)v; break;
    case NP_F64: *(double *)p = v; break;
    case NP_I64: *(int64_t *)p = (int64_t)v; break;
    case NP_U64: *(uint64_t *)p = (uint64_t)v; break;
    case NP_I32: *(int32_t *)p = (int32_t)v; break;
    case NP_U32: *(uint32_t *)p = (uint32_t)v; break;
    case NP_I16: *(int16_t *)p = (int16_t)v; break;
    case NP_U16: *(uint16_t *)p = (uint16_t)v; break;
    case NP_I8: *(int8_t *)p = (int8_t)v; break;
    case NP_U8: case NP_BOOL: *(uint8_t *)p = (uint8_t)v; break;
    default: return npi_ox_fail(n, NP_EUNSUPPORTED, "type %s is not supported here", np_dtype_name(dtype));
    }
    return t;
}

int npi_ox_reduce(const struct npi_ox_node *n, int x, int kind, unsigned axes, int keepdims) {
    return npi_ox_un(n, NPI_OP_REDUCE, &(union npi_attr){ .reduce = { .kind = kind, .axes = axes, .keepdims = keepdims } }, x);
}

int npi_ox_slice(const struct npi_ox_node *n, int x, int axis, int64_t start, int64_t size) {
    if (x < 0) return x;
    const struct npi_view *v = npi_ox_view(n, x);
    union npi_attr a = { .slice = { .start = { 0 } } };
    for (int i = 0; i < v->rank; i++) {
        a.slice.step[i] = 1;
        a.slice.size[i] = v->d[i];
    }
    a.slice.start[axis] = start;
    a.slice.size[axis] = size;
    return npi_ox_un(n, NPI_OP_SLICE, &a, x);
}

int npi_ox_nhwc(const struct npi_ox_node *n, int x) {
    if (x < 0) return x;
    const struct npi_ox_side *s = npi_ox_side_of(n->o, x);
    if (!s) return NP_ENOMEM;
    if (s->nhwc) return s->nhwc - 1;
    const int y = npi_ox_transpose(n, x, (const int[]){ 0, 2, 3, 1 });
    struct npi_ox_side *w = y < 0 ? NULL : npi_ox_side_of(n->o, x);
    if (w) w->nhwc = y + 1;
    return y;
}

int npi_ox_nchw(const struct npi_ox_node *n, int y) {
    const int x = npi_ox_transpose(n, y, (const int[]){ 0, 3, 1, 2 });
    struct npi_ox_side *w = x < 0 ? NULL : npi_ox_side_of(n->o, x);
    if (w) w->nhwc = y + 1;
    return x;
}
