/* SPDX-License-Identifier: Apache-2.0 */
/* See chain.h. A product with a sink (sink.h): tiles of the result go through the ops behind it while they are in the cache. */
#include "plan/chain.h"

#include <string.h>

#include "ops/quantize.h"
#include "plan/bind_f32.h"
#include "plan/bind_q8.h"
#include "plan/sink.h"

enum { PIECE = 96 }; /* columns of a tile: with 128 rows 48 KiB, which stay in L1 or just behind it */

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

int npi_chain_bind(struct npi_binder *b, int first, const int *only_user, int node[NPI_CHAIN_MAX], int *n, struct npi_step *s) {
    int op, to_f32;
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
