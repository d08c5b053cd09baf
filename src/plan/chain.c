/* SPDX-License-Identifier: Apache-2.0 */
/* See chain.h. A product with a sink (sink.h): tiles of the result go through the ops behind it while they are in the cache. */
#include "plan/chain.h"

#include <string.h>

#include "ops/quantize.h"
#include "plan/bind_f32.h"
#include "plan/bind_q8.h"
#include "plan/conv_f32_step.h"
#include "plan/sink.h"

enum {
    PIECE = 96,                      /* columns of a tile: with 128 rows 48 KiB, which stay in L1 or just behind it */
    PAIR_WEIGHT_BYTES = 320 * 1024,  /* of two products in a row: more would leave L2 between one tile and the next */
    PAIR_WORTH_BYTES = 2 << 20       /* of what lies between them: less is no memory to speak of, and too few tiles to share out */
};

struct tail {
    struct npi_sink sink;
    const struct npi_elem_f32 *f32;
    const struct npi_elem_q8 *q8;
    npi_transpose_fn turn;
    size_t element;            /* bytes of an element of the tile */
    int to_f32, is_u8, zero;   /* 1: the tile is 8-bit and is dequantized first: (q - zero) * scale */
    float scale;
    int bins, joints;
    size_t channels, pixels;   /* of the product; pixels of a picture */
};

/* [m][n] floats of an 8-bit tile, in scratch; of a float tile, itself. */
static const float *real(const struct tail *t, const void *tile, size_t *ld, int m, int n, float *scratch) {
    if (!t->to_f32) return tile;
    for (int r = 0; r < m; r++) t->q8->to_f32(scratch + (size_t)r * (size_t)n, (const uint8_t *)tile + (size_t)r * *ld, (size_t)n, t->is_u8, t->zero, t->scale);
    *ld = (size_t)n;
    return scratch;
}

static size_t real_scratch(const struct npi_sink *s, int m, int n) { return ((const struct tail *)s)->to_f32 ? (size_t)m * (size_t)n * sizeof(float) : 0; }
static size_t byte_scratch(const struct npi_sink *s, int m, int n) { return ((const struct tail *)s)->to_f32 ? (size_t)m * (size_t)n : 0; }

static void put_bins(const struct npi_sink *s, const struct npi_exec *x, const void *tile, size_t ld, size_t m0, int m, int n0, int n, void *scratch) {
    const struct tail *const t = (const struct tail *)s;
    const float *const v = real(t, tile, &ld, m, n, scratch);
    float *y = (float *)x->ptr[s->y] + (m0 * (size_t)t->joints + (size_t)(n0 / t->bins)) * 3;
    for (int r = 0; r < m; r++, y += (size_t)t->joints * 3) t->f32->bins(y, v + (size_t)r * ld, (size_t)(n / t->bins), (size_t)t->bins);
}

/* Picture by picture: the rows of a tile may belong to two. */
static void put_turned(const struct npi_sink *s, const struct npi_exec *x, const void *tile, size_t ld, size_t m0, int m, int n0, int n, void *scratch) {
    const struct tail *const t = (const struct tail *)s;
    const char *v = tile;
    for (size_t at = m0, end = m0 + (size_t)m; at < end;) {
        const size_t picture = at / t->pixels, pixel = at % t->pixels, rows = t->pixels - pixel < end - at ? t->pixels - pixel : end - at;
        char *const y = (char *)x->ptr[s->y] + ((picture * t->channels + (size_t)n0) * t->pixels + pixel) * (t->to_f32 ? sizeof(float) : t->element);
        if (!t->to_f32) t->turn(y, (ptrdiff_t)(t->pixels * t->element), v, (ptrdiff_t)(ld * t->element), rows, (size_t)n);
        else { /* turned as bytes, which are fewer, and written in runs */
            t->turn(scratch, (ptrdiff_t)rows, v, (ptrdiff_t)ld, rows, (size_t)n);
            for (int c = 0; c < n; c++) t->q8->to_f32((float *)(void *)y + (size_t)c * t->pixels, (const uint8_t *)scratch + (size_t)c * rows, rows, t->is_u8, t->zero, t->scale);
        }
        v += rows * ld * t->element;
        at += rows;
    }
}

static int is_nchw(const struct npi_node *n) {
    static const int perm[4] = { 0, 3, 1, 2 };
    return !memcmp(n->a.transpose.perm, perm, sizeof perm);
}

static int is_real(const struct npi_view *v) { return v->dtype == NP_F32 && !v->q.n; }
static int is_8bit(const struct npi_view *v) { return (v->dtype == NP_I8 || v->dtype == NP_U8) && v->q.n == 1; }

/* The nodes behind a convolution that a sink can do: SoftBins or Transpose (*op), and a Dequantize on either side of it. */
static int find_tail(const struct npi_binder *b, int first, const int *only_user, int *node, int *op, int *to_f32) {
    const struct npi_node *n = &b->g->node[first];
    if (n->op != NPI_OP_CONV2D || n->n_out != 1 || n->a.conv.groups != 1 || (n->n_in > 3 && n->in[3] >= 0)) return 0;
    const struct npi_view *v = npi_bind_view(b, n->out[0]);
    if (v->rank != 4 || v->data || npi_view_count(v) < 1 || (!is_real(v) && !is_8bit(v))) return 0;
    int count = 1, real = is_real(v), what = 0;
    node[0] = first;
    for (int user = only_user[n->out[0]]; user >= 0 && what != NPI_OP_SOFT_BINS; user = only_user[n->out[0]]) {
        n = &b->g->node[user];
        if (n->n_out != 1 || n->act.kind) break;
        if (n->op == NPI_OP_DEQUANTIZE && !real && n->n_in == 1 && is_real(npi_bind_view(b, n->out[0]))) real = 1;
        else if (!what && ((n->op == NPI_OP_SOFT_BINS && real) || (n->op == NPI_OP_TRANSPOSE && is_nchw(n)))) what = (int)n->op;
        else break;
        node[count++] = user;
    }
    *op = what;
    *to_f32 = real && !is_real(v);
    return what ? count : 0;
}

/* The second of two products: reads tiles of the first one from scratch. */
struct point {
    struct npi_sink sink;
    void (*gemm)(const struct npi_gemm_f32_job *j);
    const float *packed, *bias;
    int k, n, res, res_before_act;
    struct npi_kact_f32 act;
};

static size_t point_scratch(const struct npi_sink *s, int m, int n) {
    (void)s, (void)n;
    return (size_t)m * sizeof(float *);
}

static void put_point(const struct npi_sink *s, const struct npi_exec *x, const void *tile, size_t ld, size_t m0, int m, int n0, int n, void *scratch) {
    const struct point *const p = (const struct point *)s;
    const float **const rows = scratch;
    (void)n0, (void)n; /* all columns */
    for (int r = 0; r < m; r++) rows[r] = (const float *)tile + (size_t)r * ld;
    const struct npi_gemm_f32_job j = {
        .a = rows, .a_stride = (size_t)m, .m = m, .taps = 1, .k = p->k, .w = p->packed, .bias = p->bias, .n = p->n, .c = (float *)x->ptr[s->y] + m0 * (size_t)p->n, .ldc = (size_t)p->n,
        .res = p->res < 0 ? NULL : (const float *)x->ptr[p->res] + m0 * (size_t)p->n, .ldres = (size_t)p->n, .res_before_act = p->res_before_act, .act = p->act
    };
    p->gemm(&j);
}

/* The 1x1 convolution that alone reads the result of convolution n, when the pair is to be one step; -1: it is not. */
static int find_point(const struct npi_binder *b, const struct npi_node *n, const int *only_user) {
    int node[NPI_CHAIN_MAX], op, to_f32;
    if (b->k->product_parts || n->op != NPI_OP_CONV2D || n->n_out != 1 || n->a.conv.groups != 1 || (n->n_in > 3 && n->in[3] >= 0) || !npi_bind_is_product_f32(b, n)) return -1;
    const int user = only_user[n->out[0]];
    if (user < 0) return -1;
    const struct npi_node *const u = &b->g->node[user];
    if (u->op != NPI_OP_CONV2D || u->in[0] != n->out[0] || u->n_out != 1 || u->a.conv.groups != 1 || !npi_bind_is_product_f32(b, u)) return -1;
    if (!npi_window_is_pixel(&u->a.conv.win) || (u->n_in > 3 && u->in[3] >= 0 && npi_bind_view(b, u->in[3])->data)) return -1;
    const int64_t weights = npi_view_count(npi_bind_view(b, n->in[1])) + npi_view_count(npi_bind_view(b, u->in[1]));
    if (weights > PAIR_WEIGHT_BYTES / (int64_t)sizeof(float) || npi_view_count(npi_bind_view(b, n->out[0])) < PAIR_WORTH_BYTES / (int64_t)sizeof(float)) return -1;
    return find_tail(b, user, only_user, node, &op, &to_f32) ? -1 : user;
}

static int bind_point(struct npi_binder *b, int first, const int *only_user, int node[NPI_CHAIN_MAX], int *n, struct npi_step *s) {
    const struct npi_node *const wide = &b->g->node[first];
    const int second = find_point(b, wide, only_user);
    if (second < 0) return 0;
    const struct npi_node *const u = &b->g->node[second];
    const struct npi_gemm_f32 *const g = &b->k->gemm_f32;
    const struct npi_view *const w = npi_bind_view(b, u->in[1]);
    const float *const bias = npi_bind_const_f32(b, u->n_in > 2 ? u->in[2] : -1);
    const int k = (int)w->d[3], co = (int)w->d[0];
    struct point *const p = npi_arena_alloc(b->mem, sizeof *p);
    int *const also = npi_arena_array(b->mem, int, 1);
    float *const packed = npi_arena_array(b->mem, float, (size_t)k * npi_gemm_f32_packed_cols(g, co)), *const pb = npi_arena_array(b->mem, float, (size_t)co + 16);
    if (!p || !also || !packed || !pb) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    npi_gemm_f32_pack(g, packed, w->data, k, co, 1, (size_t)k);
    if (bias) memcpy(pb, bias, (size_t)co * sizeof *pb);
    *p = (struct point){ .sink = { .put = put_point, .scratch = point_scratch, .granule = k, .y = u->out[0] }, .gemm = g->run, .packed = packed, .bias = pb, .k = k, .n = co,
                         .res = u->n_in > 3 ? u->in[3] : -1, .res_before_act = u->res_before_act, .act = npi_bind_act(&u->act) };
    b->sink = &p->sink;
    *s = (struct npi_step){ .inplace_of = -1 };
    const int r = npi_bind_conv_f32(b, wide, s);
    b->sink = NULL;
    if (r != 1) return r;
    also[0] = node[0] = first;
    node[1] = second;
    s->also = also;
    s->n_also = 1;
    s->packed_in = bias ? 6 : 2;
    if (p->res >= 0 && npi_conv_f32_over_residual(b, &p->act, p->res_before_act, p->res, wide->in[0])) s->inplace_of = 3;
    *n = 2;
    return 1;
}

int npi_chain_bind(struct npi_binder *b, int first, const int *only_user, int node[NPI_CHAIN_MAX], int *n, struct npi_step *s) {
    int op, to_f32;
    const int pair = bind_point(b, first, only_user, node, n, s);
    if (pair) return pair;
    const int count = find_tail(b, first, only_user, node, &op, &to_f32);
    if (!count) return 0;
    const struct npi_node *const conv = &b->g->node[first], *const last = &b->g->node[node[count - 1]];
    const struct npi_view *const v = npi_bind_view(b, conv->out[0]);
    struct tail *const t = npi_arena_alloc(b->mem, sizeof *t);
    int *const also = npi_arena_array(b->mem, int, count);
    if (!t || !also) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    const int bins = op == NPI_OP_SOFT_BINS, q = is_8bit(v);
    *t = (struct tail){ .f32 = &b->k->elem_f32, .q8 = &b->k->elem_q8, .is_u8 = v->dtype == NP_U8, .zero = q ? npi_q_zero(v, 0) : 0, .scale = q ? npi_q_scale(v, 0) : 1,
                        .to_f32 = to_f32, .channels = (size_t)v->d[3], .pixels = (size_t)(v->d[1] * v->d[2]) };
    t->element = q ? 1 : sizeof(float);
    t->turn = t->element == 1 ? b->k->move.t8 : b->k->move.t32;
    t->bins = bins ? last->a.bins.bins : 1;
    t->joints = (int)v->d[3] / t->bins;
    t->sink = (struct npi_sink){ .put = bins ? put_bins : put_turned, .scratch = bins ? real_scratch : byte_scratch, .granule = t->bins, .piece = PIECE, .y = last->out[0] };
    b->sink = &t->sink;
    *s = (struct npi_step){ .inplace_of = -1 };
    const int r = q ? npi_bind_conv_q8(b, conv, s) : npi_bind_conv_f32(b, conv, s);
    b->sink = NULL;
    if (r != 1) return r;
    for (int i = 0; i + 1 < count; i++) also[i] = node[i];
    s->also = also;
    s->n_also = count - 1;
    s->packed_in = 0; /* of the last node */
    *n = count;
    return 1;
}
