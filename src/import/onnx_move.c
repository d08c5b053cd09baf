/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX handlers: gathering, scattering, padding, repeating, and tensors made from nothing. */
#include "import/onnx.h"

#include <string.h>

int npi_ox_do_gather(struct npi_ox_node *n) {
    const int axis = npi_ox_axis(n, npi_ox_int(n, "axis", 0), npi_ox_view(n, n->in[0])->rank);
    if (axis < 0) return axis;
    union npi_attr a = { .gather = { .axis = axis } };
    return n->out[0] = npi_ox_build(n, (enum npi_op)n->row->arg, &a, n->in, 2);
}

int npi_ox_do_gather_nd(struct npi_ox_node *n) {
    const int64_t dims = npi_ox_int(n, "batch_dims", 0);
    if (dims < 0 || dims > NP_MAX_RANK) return npi_ox_fail(n, NP_ESHAPE, "batch_dims is %lld", (long long)dims);
    union npi_attr a = { .gather = { .batch_dims = (int)dims } };
    return n->out[0] = npi_ox_build(n, NPI_OP_GATHER_ND, &a, n->in, 2);
}

/* ScatterElements, ScatterND: what happens where two updates meet is numbered as in NPI_SCATTER order none, add, mul, max, min. */
int npi_ox_do_scatter(struct npi_ox_node *n) {
    static const char *const names[] = { "none", "add", "mul", "max", "min" };
    union npi_attr a = { .gather = { .reduction = -1 } };
    for (int i = 0; i < 5; i++)
        if (npi_ox_is(n, "reduction", "none", names[i])) a.gather.reduction = i;
    if (a.gather.reduction < 0) return npi_ox_fail(n, NP_EUNSUPPORTED, "unknown reduction");
    if (n->row->arg == NPI_OP_SCATTER_ELEMENTS) {
        a.gather.axis = npi_ox_axis(n, npi_ox_int(n, "axis", 0), npi_ox_view(n, n->in[0])->rank);
        if (a.gather.axis < 0) return a.gather.axis;
    }
    return n->out[0] = npi_ox_build(n, (enum npi_op)n->row->arg, &a, n->in, 3);
}

int npi_ox_do_pad(struct npi_ox_node *n) {
    static const struct { const char *name; int mode; } modes[] = { { "constant", NPI_PAD_CONSTANT }, { "reflect", NPI_PAD_REFLECT }, { "edge",
            NPI_PAD_EDGE }, { "wrap", NPI_PAD_WRAP } };
    const int x = n->in[0], rank = npi_ox_view(n, x)->rank;
    int64_t pads[2 * NP_MAX_RANK], axes[NP_MAX_RANK];
    int present, count, n_axes = rank;
    union npi_attr a = { .pad = { .mode = -1 } };
    for (int i = 0; i < 4; i++)
        if (npi_ox_is(n, "mode", "constant", modes[i].name)) a.pad.mode = modes[i].mode;
    if (a.pad.mode < 0) return npi_ox_fail(n, NP_EUNSUPPORTED, "unknown mode");
    for (int i = 0; i < rank; i++) axes[i] = i;
    if (n->n_in > 1) count = npi_ox_known_ints(n, 1, pads, 2 * NP_MAX_RANK, NULL);
    else if ((count = npi_ox_ints(n, "pads", pads, 2 * NP_MAX_RANK)) < 0) return npi_ox_fail(n, NP_EFORMAT, "it has no pads");
    if (count < 0) return count;
    if (n->n_in > 3) {
        const int k = npi_ox_known_ints(n, 3, axes, NP_MAX_RANK, &present);
        if (k < 0) return k;
        if (present) n_axes = k;
    }
    if (count != 2 * n_axes) return npi_ox_fail(n, NP_ESHAPE, "%d pads for %d axes", count, n_axes);
    for (int i = 0; i < n_axes; i++) {
        const int k = npi_ox_axis(n, axes[i], rank);
        if (k < 0) return k;
        a.pad.before[k] = pads[i];
        a.pad.after[k] = pads[n_axes + i];
    }
    int in[2] = { x, npi_ox_in(n, 2) };
    a.pad.value = (double)npi_ox_float(n, "value", 0);
    if (in[1] >= 0 && npi_view_count(npi_ox_view(n, in[1])) != 1) return npi_ox_fail(n, NP_ESHAPE, "the pad value must be one number");
    if (in[1] >= 0 && npi_ox_view(n, in[1])->data && npi_ox_view(n, in[1])->dtype == NP_F32) {
        a.pad.value = (double)*(const float *)npi_ox_view(n, in[1])->data;
        in[1] = -1;
    }
    if (in[1] >= 0 && (in[1] = npi_ox_reshape(n, in[1], 0, NULL)) < 0) return in[1];
    return n->out[0] = npi_ox_build(n, NPI_OP_PAD, &a, in, in[1] >= 0 ? 2 : 1);
}

int npi_ox_do_tile(struct npi_ox_node *n) {
    const int rank = npi_ox_view(n, n->in[0])->rank;
    union npi_attr a = { .shape = { .rank = rank } };
    const int count = npi_ox_known_ints(n, 1, a.shape.dims, NP_MAX_RANK, NULL);
    if (count < 0) return count;
    if (count != rank) return npi_ox_fail(n, NP_ESHAPE, "%d repeats for rank %d", count, rank);
    return n->out[0] = npi_ox_un(n, NPI_OP_TILE, &a, n->in[0]);
}

/* The asked shape and the tensor's broadcast each other. */
int npi_ox_do_expand(struct npi_ox_node *n) {
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    int64_t want[NP_MAX_RANK];
    const int count = npi_ox_known_ints(n, 1, want, NP_MAX_RANK, NULL);
    if (count < 0) return count;
    union npi_attr a = { .shape = { .rank = count > v->rank ? count : v->rank } };
    for (int i = 0; i < a.shape.rank; i++) {
        const int iv = v->rank - 1 - i, iw = count - 1 - i, k = a.shape.rank - 1 - i;
        const int64_t dv = iv >= 0 ? v->d[iv] : 1, dw = iw >= 0 ? want[iw] : 1;
        if (dw < 0 || (dv != dw && dv != 1 && dw != 1)) return npi_ox_fail(n, NP_ESHAPE, "dimension %d: %lld cannot become %lld", k,
                (long long)dv, (long long)dw);
        a.shape.dims[k] = dv == 1 ? dw : dv;
    }
    return n->out[0] = npi_ox_un(n, NPI_OP_EXPAND, &a, n->in[0]);
}

int npi_ox_do_onehot(struct npi_ox_node *n) {
    int r = npi_ox_known(n, n->in[1]);
    if (r < 0) return r;
    int depth = npi_ox_cast(n, n->in[1], NP_I64);
    depth = npi_ox_reshape(n, depth, 0, NULL);
    if (depth < 0) return depth;
    const int axis = npi_ox_axis(n, npi_ox_int(n, "axis", -1), npi_ox_view(n, n->in[0])->rank + 1);
    if (axis < 0) return axis;
    union npi_attr a = { .gather = { .axis = axis } };
    return n->out[0] = npi_ox_build(n, NPI_OP_ONE_HOT, &a, (int[]){ n->in[0], depth, n->in[2] }, 3);
}

int npi_ox_do_range(struct npi_ox_node *n) {
    int in[3];
    for (int i = 0; i < 3; i++) {
        const int r = npi_ox_known(n, n->in[i]);
        if (r < 0) return r;
        if (npi_view_count(npi_ox_view(n, n->in[i])) != 1) return npi_ox_fail(n, NP_ESHAPE, "input %d must be one number", i);
        in[i] = npi_ox_reshape(n, n->in[i], 0, NULL);
        if (in[i] < 0) return in[i];
    }
    return n->out[0] = npi_ox_build(n, NPI_OP_RANGE, NULL, in, 3);
}

int npi_ox_do_trilu(struct npi_ox_node *n) {
    int64_t k = 0;
    int present;
    const int r = npi_ox_known_ints(n, 1, &k, 1, &present);
    if (r < 0) return r;
    if (k > INT32_MAX || k < -INT32_MAX) k = k > 0 ? INT32_MAX : -INT32_MAX;
    union npi_attr a = { .gather = { .axis = (int)k, .upper = npi_ox_int(n, "upper", 1) != 0 } };
    return n->out[0] = npi_ox_un(n, NPI_OP_TRILU, &a, n->in[0]);
}

/* A constant of the input's shape with ones on diagonal k. */
int npi_ox_do_eyelike(struct npi_ox_node *n) {
    const struct npi_view *x = npi_ox_view(n, n->in[0]);
    const int64_t type = npi_ox_int(n, "dtype", 0), k = npi_ox_int(n, "k", 0);
    int dtype = type ? npi_ox_dtype(type) : x->dtype;
    if (dtype == NP_F16 || dtype == NP_BF16) dtype = NP_F32;
    if (dtype < 0 || x->rank != 2) return npi_ox_fail(n, NP_EUNSUPPORTED, "rank %d and type %s", x->rank, npi_ox_type_name(type));
    struct npi_view v = { .dtype = NP_U8, .rank = 2, .d = { x->d[0], x->d[1] } };
    if (npi_view_bytes(&v) > (size_t)1 << 24) return npi_ox_fail(n, NP_ELIMIT, "more than 16 M elements");
    const int t = npi_graph_const(n->g, NULL, &v);
    if (t < 0) return npi_ox_fail(n, NP_ENOMEM, "out of memory");
    uint8_t *p = n->g->tensor[t].v.data;
    for (int64_t i = 0; i < v.d[0]; i++)
        if (k < v.d[1] && k > -v.d[0] && i + k >= 0 && i + k < v.d[1]) p[i * v.d[1] + i + k] = 1;
    return n->out[0] = npi_ox_cast(n, t, dtype);
}

int npi_ox_do_constant(struct npi_ox_node *n) {
    struct npi_pb m, t;
    int found = 0;
    if (npi_ox_attr(n, "value", &m)) {
        t = npi_pb_find(m, 5, &found);
        if (!found) return npi_ox_fail(n, NP_EFORMAT, "its value is missing");
        return n->out[0] = npi_ox_tensor(n->o, t, "constant", NULL);
    }
    if (npi_ox_attr(n, "value_float", &m)) return n->out[0] = npi_ox_scalar(n, NP_F32, (double)npi_ox_float(n, "value_float", 0));
    if (npi_ox_attr(n, "value_int", &m)) {
        const int64_t v = npi_ox_int(n, "value_int", 0);
        const int r = npi_graph_const_i64(n->g, NULL, 0, NULL, &v);
        return n->out[0] = r < 0 ? npi_ox_fail(n, NP_ENOMEM, "out of memory") : r;
    }
    const int floats = npi_ox_attr(n, "value_floats", &m);
    if (!floats && !npi_ox_attr(n, "value_ints", &m)) return npi_ox_fail(n, NP_EUNSUPPORTED, "its value is a string or sparse");
    size_t count = 0;
    uint64_t *v = NULL;
    for (int pass = 0; pass < 2; pass++) {
        struct npi_pb_field f;
        int bad = 0;
        const size_t max = count;
        struct npi_pb walk = m;
        count = 0;
        while (npi_pb_next(&walk, &f))
            if (f.num == (floats ? 7u : 8u)) npi_pb_numbers(&f, floats ? 5 : 0, v, max, &count, &bad);
        if (bad || walk.bad) return npi_ox_fail(n, NP_EFORMAT, "its value is malformed");
        if (!pass && !(v = npi_arena_array(&n->o->tmp, uint64_t, count + 1))) return npi_ox_fail(n, NP_ENOMEM, "out of memory");
    }
    float *w = (float *)v; /* narrowed in place, front to back */
    for (size_t i = 0; floats && i < count; i++) {
        const uint32_t bits = (uint32_t)v[i];
        memcpy((char *)w + 4 * i, &bits, 4);
    }
    const int64_t d = (int64_t)count;
    const int r = floats ? npi_graph_const_f32(n->g, NULL, 1, &d, w) : npi_graph_const_i64(n->g, NULL, 1, &d, (const int64_t *)v);
    return n->out[0] = r < 0 ? npi_ox_fail(n, NP_ENOMEM, "out of memory") : r;
}

int npi_ox_do_constant_of_shape(struct npi_ox_node *n) {
    union npi_attr a = { .shape = { .rank = 0 } };
    const int rank = npi_ox_known_ints(n, 0, a.shape.dims, NP_MAX_RANK, NULL);
    struct npi_pb m;
    if (rank < 0) return rank;
    a.shape.rank = rank;
    for (int i = 0; i < rank; i++)
        if (a.shape.dims[i] < 0) return npi_ox_fail(n, NP_ESHAPE, "dimension %d is %lld", i, (long long)a.shape.dims[i]);
    int one;
    if (npi_ox_attr(n, "value", &m)) one = npi_ox_tensor(n->o, npi_pb_find(m, 5, NULL), "value", NULL);
    else one = npi_ox_scalar(n, NP_F32, 0);
    if (one < 0) return one;
    if (npi_view_count(npi_ox_view(n, one)) != 1) return npi_ox_fail(n, NP_ESHAPE, "its value must be one number");
    one = npi_ox_reshape(n, one, 0, NULL);
    return n->out[0] = rank ? npi_ox_un(n, NPI_OP_EXPAND, &a, one) : one;
}
