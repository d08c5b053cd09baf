/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX handlers: normalisations and softmax. */
#include "import/onnx.h"

#include <string.h>

/* [C] -> [1,C,1,1…] for a tensor of rank `rank`. */
static int per_channel(const struct npi_ox_node *n, int t, int rank, int64_t c) {
    int64_t d[NP_MAX_RANK] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    if (npi_view_count(npi_ox_view(n, t)) != c) return npi_ox_fail(n, NP_ESHAPE, "a parameter has %lld values for %lld channels",
            (long long)npi_view_count(npi_ox_view(n, t)), (long long)c);
    d[rank > 1] = c;
    return npi_ox_reshape(n, t, rank, d);
}

/* Mean and variance over the batch, and their running versions, as the training graph has them. */
static int batch_statistics(struct npi_ox_node *n, int rank, int64_t c, int *mean, int *var) {
    const unsigned axes = ((1u << rank) - 1) & ~2u;
    const float momentum = npi_ox_float(n, "momentum", .9f);
    const int x = n->in[0], old[2] = { *mean, *var };
    int stat[2];
    stat[0] = npi_ox_reduce(n, x, NPI_REDUCE_MEAN, axes, 1);
    stat[1] = npi_ox_reduce(n, npi_ox_bin(n, NPI_OP_SQUARED_DIFF, x, stat[0]), NPI_REDUCE_MEAN, axes, 1);
    for (int i = 0; i < 2; i++) {
        if (stat[i] < 0) return stat[i];
        if (n->n_out <= 1 + i || !n->wanted[1 + i]) continue;
        const int keep = npi_ox_bin(n, NPI_OP_MUL, old[i], npi_ox_scalar(n, NP_F32, (double)momentum));
        const int add = npi_ox_bin(n, NPI_OP_MUL, npi_ox_reshape(n, stat[i], rank, npi_ox_view(n, old[i])->d), npi_ox_scalar(n, NP_F32, 1 - (double)momentum));
        n->out[1 + i] = npi_ox_reshape(n, npi_ox_bin(n, NPI_OP_ADD, keep, add), 1, &c);
        if (n->out[1 + i] < 0) return n->out[1 + i];
    }
    *mean = stat[0];
    *var = stat[1];
    return 0;
}

/* y = x * s + (bias - mean * s), s = scale / sqrt(var + eps); with known parameters two constants remain. */
int npi_ox_do_batchnorm(struct npi_ox_node *n) {
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    const int rank = v->rank, x = n->in[0], dtype = v->dtype;
    if (rank < 2) return npi_ox_fail(n, NP_ESHAPE, "input of rank %d", rank);
    const int64_t c = v->d[1];
    const float eps = npi_ox_float(n, "epsilon", 1e-5f);
    int p[4];
    for (int i = 0; i < 4; i++)
        if ((p[i] = per_channel(n, n->in[1 + i], rank, c)) < 0) return p[i];
    if (npi_ox_int(n, "training_mode", 0)) {
        const int r = batch_statistics(n, rank, c, &p[2], &p[3]);
        if (r < 0) return r;
    }
    int s = npi_ox_bin(n, NPI_OP_ADD, p[3], npi_ox_scalar(n, dtype, (double)eps));
    s = npi_ox_bin(n, NPI_OP_DIV, p[0], npi_ox_un(n, NPI_OP_SQRT, NULL, s));
    const int b = npi_ox_bin(n, NPI_OP_SUB, p[1], npi_ox_bin(n, NPI_OP_MUL, p[2], s));
    return n->out[0] = npi_ox_bin(n, NPI_OP_ADD, npi_ox_bin(n, NPI_OP_MUL, x, s), b);
}

/* GroupNormalization, and InstanceNormalization as one group a channel. Until opset 20 the scales were per group. */
int npi_ox_do_groupnorm(struct npi_ox_node *n) {
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    if (v->rank < 2) return npi_ox_fail(n, NP_ESHAPE, "input of rank %d", v->rank);
    const int64_t c = v->d[1], groups = !strcmp(n->row->name, "InstanceNormalization") ? c : npi_ox_int(n, "num_groups", 0);
    if (groups < 1 || groups > INT32_MAX || c % groups) return npi_ox_fail(n, NP_ESHAPE, "%lld channels in %lld groups", (long long)c, (long long)groups);
    int in[3] = { n->in[0], n->in[1], n->in[2] };
    for (int i = 1; i < 3; i++) {
        if (npi_view_count(npi_ox_view(n, in[i])) == c || npi_view_count(npi_ox_view(n, in[i])) != groups) continue;
        const union npi_attr a = { .shape = { .rank = 2, .dims = { groups, c / groups } } };
        in[i] = npi_ox_reshape(n, npi_ox_un(n, NPI_OP_EXPAND, &a, npi_ox_reshape(n, in[i], 2, (const int64_t[]){ groups, 1 })), 1, &c);
        if (in[i] < 0) return in[i];
    }
    const union npi_attr a = { .norm = { .axis = 1, .eps = npi_ox_float(n, "epsilon", 1e-5f), .groups = (int)groups } };
    return n->out[0] = npi_ox_build(n, NPI_OP_GROUP_NORM, &a, in, 3);
}

/* LayerNormalization and RMSNormalization: over the axes from `axis` on. */
int npi_ox_do_layernorm(struct npi_ox_node *n) {
    const int rank = npi_ox_view(n, n->in[0])->rank, axis = npi_ox_axis(n, npi_ox_int(n, "axis", -1), rank);
    if (axis < 0) return axis;
    const struct npi_node p = { .op = (enum npi_op)n->row->arg, .name = n->name, .a.norm = { .axis = axis, .eps = npi_ox_float(n, "epsilon", 1e-5f) } };
    int out[3], count = 1;
    for (int i = 1; i < 3 && i < n->n_out && p.op == NPI_OP_LAYER_NORM; i++)
        if (n->wanted[i]) count = i + 1;
    const int r = npi_build(n->g, &p, n->in, n->n_in, out, count, NULL, NULL, n->o->err);
    for (int i = 0; r >= 0 && i < count; i++) n->out[i] = out[i];
    return r;
}

int npi_ox_do_lpnorm(struct npi_ox_node *n) {
    const int axis = npi_ox_axis(n, npi_ox_int(n, "axis", -1), npi_ox_view(n, n->in[0])->rank);
    const int64_t p = npi_ox_int(n, "p", 2);
    if (axis < 0) return axis;
    if (p != 1 && p != 2) return npi_ox_fail(n, NP_EUNSUPPORTED, "p %lld", (long long)p);
    const union npi_attr a = { .norm = { .axis = axis, .groups = (int)p } };
    return n->out[0] = npi_ox_un(n, NPI_OP_LP_NORM, &a, n->in[0]);
}

int npi_ox_do_lrn(struct npi_ox_node *n) {
    const int64_t size = npi_ox_int(n, "size", 0);
    if (size < 1 || size > 1 << 20) return npi_ox_fail(n, NP_ESHAPE, "size %lld", (long long)size);
    const union npi_attr a = { .norm = { .axis = 1, .groups = (int)size, .alpha = npi_ox_float(n, "alpha", 1e-4f), .beta = npi_ox_float(n, "beta",
            .75f), .bias = npi_ox_float(n, "bias", 1) } };
    return n->out[0] = npi_ox_un(n, NPI_OP_LRN, &a, n->in[0]);
}

/* Until opset 12 the tensor was seen as a matrix, cut at `axis` (default 1), with one softmax a row. */
int npi_ox_do_softmax(struct npi_ox_node *n) {
    const struct npi_view *v = npi_ox_view(n, n->in[0]);
    const int rank = v->rank, old = n->o->opset < 13, axis = npi_ox_axis(n, npi_ox_int(n, "axis", old ? 1 : -1), rank);
    if (axis < 0) return axis;
    union npi_attr a = { .norm = { .axis = axis } };
    if (!old || axis == rank - 1) return n->out[0] = npi_ox_un(n, (enum npi_op)n->row->arg, &a, n->in[0]);
    int64_t d[2] = { 1, 1 }, whole[NP_MAX_RANK];
    for (int i = 0; i < rank; i++) d[i >= axis] *= whole[i] = v->d[i];
    a.norm.axis = 1;
    return n->out[0] = npi_ox_reshape(n, npi_ox_un(n, (enum npi_op)n->row->arg, &a, npi_ox_reshape(n, n->in[0], 2, d)), rank, whole);
}
