/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX handler: Attention (opset 23 on), written out in products, a softmax and an additive bias:
 *
 *   softmax(cap(scale * Q K^T) + bias) V         bias: 0 where a query may look, -inf elsewhere, or the mask of the file
 *
 * Query i stands at position p = i + offset of the keys, offset = how many came before this block: the length of the past, or
 * with nonpad_kv_seqlen that count minus the queries. Causal: key j is seen when j <= p; window: p - left <= j <= p + right.
 * A query that may see nothing gives 0. All of it folds when it depends on shapes only. */
#include "import/onnx.h"

#include <math.h>
#include <string.h>

struct attention { int q, k, v, mask, valid; int64_t batch, q_heads, kv_heads, q_len, kv_len, past; };

/* [b][s][h*d] -> [b][h][s][d] */
static int split_heads(const struct npi_ox_node *n, int x, int64_t heads) {
    const struct npi_view *v = npi_ox_view(n, x);
    if (heads < 1 || v->d[2] % heads) return npi_ox_fail(n, NP_ESHAPE, "%lld values for %lld heads", (long long)v->d[2], (long long)heads);
    x = npi_ox_reshape(n, x, 4, (const int64_t[]){ v->d[0], v->d[1], heads, v->d[2] / heads });
    return npi_ox_transpose(n, x, (const int[]){ 0, 2, 1, 3 });
}

/* One key head serves several query heads. */
static int repeat_heads(const struct npi_ox_node *n, int x, int64_t times) {
    if (x < 0 || times == 1) return x;
    const struct npi_view v = *npi_ox_view(n, x);
    const union npi_attr a = { .shape = { .rank = 5, .dims = { v.d[0], v.d[1], times, v.d[2], v.d[3] } } };
    x = npi_ox_un(n, NPI_OP_EXPAND, &a, npi_ox_reshape(n, x, 5, (const int64_t[]){ v.d[0], v.d[1], 1, v.d[2], v.d[3] }));
    return npi_ox_reshape(n, x, 4, (const int64_t[]){ v.d[0], v.d[1] * times, v.d[2], v.d[3] });
}

static int append(const struct npi_ox_node *n, int past, int x) {
    if (past < 0 || x < 0) return x;
    const union npi_attr a = { .concat = { .axis = 2 } };
    return npi_ox_build(n, NPI_OP_CONCAT, &a, (int[]){ past, x }, 2);
}

static int zero_or_minus_inf(const struct npi_ox_node *n, int allowed) {
    const int zero = npi_ox_scalar(n, NP_F32, 0), inf = npi_ox_scalar(n, NP_F32, -INFINITY);
    if (allowed < 0 || zero < 0 || inf < 0) return allowed < 0 ? allowed : NP_ENOMEM;
    return npi_ox_build(n, NPI_OP_WHERE, NULL, (int[]){ allowed, zero, inf }, 3);
}

/* The file's mask as a bias; keys that it doesn't cover are not seen. */
static int mask_bias(const struct npi_ox_node *n, const struct attention *t) {
    const struct npi_view v = *npi_ox_view(n, t->mask);
    if (v.rank < 1 || v.rank > 4 || v.d[v.rank - 1] > t->kv_len) return npi_ox_fail(n, NP_ESHAPE, "a mask of rank %d for %lld keys", v.rank,
            (long long)t->kv_len);
    const int bias = v.dtype == NP_BOOL ? zero_or_minus_inf(n, t->mask) : npi_ox_cast(n, t->mask, NP_F32);
    union npi_attr a = { .pad = { .mode = NPI_PAD_CONSTANT, .value = -INFINITY } };
    a.pad.after[v.rank - 1] = t->kv_len - v.d[v.rank - 1];
    return a.pad.after[v.rank - 1] ? npi_ox_un(n, NPI_OP_PAD, &a, bias) : bias;
}

static int and_also(const struct npi_ox_node *n, int a, int b) { return a == -1 ? b : npi_ox_bin(n, NPI_OP_AND, a, b); }

/* Which keys a query sees by its position: *seen is a bool tensor, -1: all. */
static int seen_keys(const struct npi_ox_node *n, const struct attention *t, int *seen) {
    const int64_t left = npi_ox_int(n, "left_window_size", -1), right = npi_ox_int(n, "right_window_size", -1);
    const int causal = npi_ox_int(n, "is_causal", 0) != 0;
    int all = -1, valid = -1;
    if (t->valid >= 0) { /* keys beyond the valid ones */
        const int keys = npi_graph_const(n->g, NULL, &(struct npi_view){ .dtype = NP_I64, .rank = 4, .d = { 1, 1, 1, t->kv_len } });
        if (keys < 0) return npi_ox_fail(n, NP_ENOMEM, "out of memory");
        for (int64_t j = 0; j < t->kv_len; j++) ((int64_t *)n->g->tensor[keys].v.data)[j] = j;
        valid = npi_ox_reshape(n, npi_ox_cast(n, t->valid, NP_I64), 4, (const int64_t[]){ t->batch, 1, 1, 1 });
        if ((all = npi_ox_bin(n, NPI_OP_LESS, keys, valid)) < 0) return all;
    }
    *seen = all;
    if (!causal && left < 0 && right < 0) return 0;
    const struct npi_view grid = { .dtype = NP_I64, .rank = 2, .d = { t->q_len, t->kv_len } };
    if (npi_view_bytes(&grid) > (size_t)1 << 28) return npi_ox_fail(n, NP_ELIMIT, "%lld queries and %lld keys", (long long)t->q_len, (long long)t->kv_len);
    const int ahead = npi_graph_const(n->g, NULL, &grid); /* j - i */
    if (ahead < 0) return npi_ox_fail(n, NP_ENOMEM, "out of memory");
    for (int64_t i = 0; i < t->q_len; i++)
        for (int64_t j = 0; j < t->kv_len; j++) ((int64_t *)n->g->tensor[ahead].v.data)[i * t->kv_len + j] = j - i;
    const int offset = valid >= 0 ? npi_ox_bin(n, NPI_OP_SUB, valid, npi_ox_scalar(n, NP_I64, (double)t->q_len)) : npi_ox_scalar(n, NP_I64, (double)t->past);
    const int from = npi_ox_bin(n, NPI_OP_SUB, ahead, offset); /* j - p */
    if (from < 0) return from;
    const int64_t far = causal && (right < 0 || right > 0) ? 0 : right;
    if (far >= 0 && (all = and_also(n, all, npi_ox_bin(n, NPI_OP_LESS_EQUAL, from, npi_ox_scalar(n, NP_I64, (double)far)))) < 0) return all;
    if (left >= 0 && (all = and_also(n, all, npi_ox_bin(n, NPI_OP_GREATER_EQUAL, from, npi_ox_scalar(n, NP_I64, -(double)left)))) < 0) return all;
    *seen = all;
    return 0;
}

/* *bias: tensor, or -1 when there is nothing to add. */
static int bias_of(const struct npi_ox_node *n, const struct attention *t, int *bias) {
    int seen = -1;
    const int r = seen_keys(n, t, &seen);
    *bias = -1;
    if (r < 0) return r;
    if (seen >= 0 && (*bias = zero_or_minus_inf(n, seen)) < 0) return *bias;
    if (t->mask < 0) return 0;
    const int mask = mask_bias(n, t);
    *bias = mask < 0 || *bias < 0 ? mask : npi_ox_bin(n, NPI_OP_ADD, *bias, mask);
    return *bias < 0 ? *bias : 0;
}

/* Rows of p whose bias is -inf throughout become 0; nothing to do when it is known that there are none. */
static int clear_blind_rows(const struct npi_ox_node *n, int p, int bias) {
    const struct npi_view *b = npi_ox_view(n, bias);
    const int top = npi_ox_reduce(n, bias, NPI_REDUCE_MAX, 1u << (b->rank - 1), 1);
    const int blind = npi_ox_bin(n, NPI_OP_EQUAL, top, npi_ox_scalar(n, NP_F32, -INFINITY));
    if (blind < 0 || p < 0) return blind < 0 ? blind : p;
    const struct npi_view *v = npi_ox_view(n, blind);
    int any = !v->data;
    for (int64_t i = 0; !any && i < npi_view_count(v); i++) any = ((const uint8_t *)v->data)[i];
    if (!any) return p;
    const int zero = npi_ox_scalar(n, NP_F32, 0);
    return zero < 0 ? zero : npi_ox_build(n, NPI_OP_WHERE, NULL, (int[]){ blind, zero, p }, 3);
}

static int read_operands(struct npi_ox_node *n, struct attention *t) {
    const int rank = npi_ox_view(n, n->in[0])->rank, past_k = npi_ox_in(n, 4), past_v = npi_ox_in(n, 5);
    *t = (struct attention){ .q = n->in[0], .k = n->in[1], .v = n->in[2], .mask = npi_ox_in(n, 3), .valid = npi_ox_in(n, 6) };
    if ((rank != 3 && rank != 4) || npi_ox_view(n, t->k)->rank != rank || npi_ox_view(n, t->v)->rank != rank) return npi_ox_fail(n, NP_ESHAPE,
            "operands of rank %d", rank);
    if (rank == 3) {
        const int64_t qh = npi_ox_int(n, "q_num_heads", 0), kh = npi_ox_int(n, "kv_num_heads", 0);
        if ((t->q = split_heads(n, t->q, qh)) < 0 || (t->k = split_heads(n, t->k, kh)) < 0 || (t->v = split_heads(n, t->v, kh)) < 0) return NP_ESHAPE;
    }
    if ((past_k < 0) != (past_v < 0)) return npi_ox_fail(n, NP_EFORMAT, "past keys without past values, or the other way round");
    if (past_k >= 0 && (npi_ox_view(n, past_k)->rank != 4 || npi_ox_view(n, past_v)->rank != 4)) return npi_ox_fail(n, NP_ESHAPE,
            "past keys or values are not of rank 4");
    t->past = past_k >= 0 ? npi_ox_view(n, past_k)->d[2] : 0;
    if ((t->k = append(n, past_k, t->k)) < 0 || (t->v = append(n, past_v, t->v)) < 0) return NP_ESHAPE;
    const struct npi_view *q = npi_ox_view(n, t->q), *k = npi_ox_view(n, t->k), *v = npi_ox_view(n, t->v);
    t->batch = q->d[0];
    t->q_heads = q->d[1];
    t->kv_heads = k->d[1];
    t->q_len = q->d[2];
    t->kv_len = k->d[2];
    if (t->kv_heads < 1 || t->q_heads % t->kv_heads || v->d[1] != t->kv_heads || v->d[2] != t->kv_len || q->d[3] != k->d[3] || q->d[3] < 1)
        return npi_ox_fail(n, NP_ESHAPE, "queries, keys and values do not fit together");
    return t->valid >= 0 && npi_view_count(npi_ox_view(n, t->valid)) != t->batch ? npi_ox_fail(n, NP_ESHAPE, "nonpad_kv_seqlen has another batch") : 0;
}

int npi_ox_do_attention(struct npi_ox_node *n) {
    struct attention t;
    int r = read_operands(n, &t), bias;
    if (r < 0 || (r = bias_of(n, &t, &bias)) < 0) return r;
    const float scale = npi_ox_float(n, "scale", 1 / sqrtf((float)npi_ox_view(n, t.q)->d[3])), cap = npi_ox_float(n, "softcap", 0);
    const int64_t mode = npi_ox_int(n, "qk_matmul_output_mode", 0), times = t.q_heads / t.kv_heads;
    if (scale == 0) return npi_ox_fail(n, NP_EUNSUPPORTED, "scale is 0");
    const int k = repeat_heads(n, t.k, times), v = repeat_heads(n, t.v, times);
    if (k < 0 || v < 0) return k < 0 ? k : v;
    const union npi_attr m = { .matmul = { .tb = 1, .alpha = scale } };
    int qk = npi_ox_build(n, NPI_OP_MATMUL, &m, (int[]){ t.q, k }, 2);
    if (cap > 0) {
        const int c = npi_ox_scalar(n, NP_F32, (double)cap);
        qk = npi_ox_bin(n, NPI_OP_MUL, npi_ox_un(n, NPI_OP_TANH, NULL, npi_ox_bin(n, NPI_OP_DIV, qk, c)), c);
    }
    const int biased = bias < 0 ? qk : npi_ox_bin(n, NPI_OP_ADD, qk, bias);
    const union npi_attr last = { .norm = { .axis = 3 } };
    int p = npi_ox_un(n, NPI_OP_SOFTMAX, &last, biased);
    if (bias >= 0) p = clear_blind_rows(n, p, bias);
    int y = npi_ox_bin(n, NPI_OP_MATMUL, p, v);
    if (y >= 0 && npi_ox_view(n, n->in[0])->rank == 3) {
        const int64_t width = t.q_heads * npi_ox_view(n, y)->d[3];
        y = npi_ox_reshape(n, npi_ox_transpose(n, y, (const int[]){ 0, 2, 1, 3 }), 3, (const int64_t[]){ t.batch, t.q_len, width });
    }
    const int result[4] = { y, t.k, t.v, mode == 3 ? p : mode == 2 ? biased : qk };
    for (int i = 0; i < 4 && i < n->n_out; i++)
        if (n->wanted[i] && (n->out[i] = result[i]) < 0) return result[i];
    return 0;
}
