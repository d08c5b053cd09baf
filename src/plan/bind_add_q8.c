/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized Add, Sub and Mul of 8-bit tensors with one scale each. One operand (a) varies with every output of a row, the other (b) is
 *
 *   FULL     of the same size                          REPEAT   a constant of the last dims, tiled to a chunk while planning
 *   SCALAR   one value                                 OUTER    one value a row: [h,w,1] with [c] gives [h,w,c]; a is the [c]
 *
 * Works in place on a, but for OUTER. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "ops/quantize.h"
#include "plan/bind_q8.h"
#include "plan/gemm_q8_step.h"

enum { CHUNK = 32768 };
enum mode { FULL, SCALAR, REPEAT, OUTER, NONE };

struct params {
    void (*fn)(const struct npi_add_q8_args *p);
    struct npi_add_q8_args args;  /* all but pointers and n */
    int a_id, b_id, y_id, mode;
    size_t n, chunk, row;         /* outputs, of a task, and of a row (OUTER) */
    const uint8_t *tiled;         /* REPEAT: [chunk] */
};

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    struct npi_add_q8_args a = p->args;
    const size_t at = (size_t)task * p->chunk, end = p->n - at < p->chunk ? p->n : at + p->chunk;
    const uint8_t *const xa = e->ptr[p->a_id], *const xb = e->ptr[p->b_id];
    uint8_t *const y = e->ptr[p->y_id];
    if (p->mode == OUTER) {
        a.a = xa;
        a.n = p->row;
        for (size_t i = at; i < end; i += p->row) {
            a.b = xb + i / p->row;
            a.y = y + i;
            p->fn(&a);
        }
        return;
    }
    a.a = xa + at;
    a.b = p->mode == REPEAT ? p->tiled : p->mode == SCALAR ? xb : xb + at;
    a.y = y + at;
    a.n = end - at;
    p->fn(&a);
}

/* The larger ratio gets 21 bits; ratios out of the range of the shift are left to the reference. negative: the operand that is subtracted, 0 a,
 * 1 b, -1 none. */
static int fixed_point(struct npi_add_q8_args *p, float ka, float kb, int negative) {
    const float larger = ka > kb ? ka : kb;
    int e;
    if (!(ka > 0 && kb > 0 && larger >= 0x1p-10f && larger < 0x1p7f)) return 0;
    frexpf(larger, &e); /* larger = f * 2^e, f in [.5, 1) */
    p->shift = 21 - e;
    p->am = (int32_t)lrintf(ldexpf(ka, p->shift)) * (negative == 0 ? -1 : 1);
    p->bm = (int32_t)lrintf(ldexpf(kb, p->shift)) * (negative == 1 ? -1 : 1);
    p->bias = (1 << (p->shift - 1)) - p->am * p->za - p->bm * p->zb;
    return 1;
}

static int eight_bit(const struct npi_view *v) { return (v->dtype == NP_I8 || v->dtype == NP_U8) && v->q.n == 1; }

/* Is v, ones in front aside, the last dims of y? */
static int suffix(const struct npi_view *v, const struct npi_view *y) {
    int first = 0;
    while (first < v->rank && v->d[first] == 1) first++;
    for (int i = first; i < v->rank; i++)
        if (y->rank < v->rank - i || v->d[i] != y->d[y->rank - (v->rank - i)]) return 0;
    return 1;
}

/* How b goes with a. */
static enum mode mode_of(const struct npi_view *a, const struct npi_view *b, const struct npi_view *y) {
    const int64_t n = npi_view_count(y), na = npi_view_count(a), nb = npi_view_count(b);
    if (na == n && nb == n) return FULL;
    if (na == n && nb == 1) return SCALAR;
    if (na == n && b->data && nb <= CHUNK && suffix(b, y)) return REPEAT;
    if (y->rank < 2 || b->rank != y->rank || b->d[b->rank - 1] != 1 || na != y->d[y->rank - 1] || !suffix(a, y) || nb * na != n) return NONE;
    return OUTER; /* as many values as rows, and not broadcast along any other dim */
}

static int tile(struct npi_binder *b, struct params *p, const struct npi_view *v) {
    const size_t n = (size_t)npi_view_count(v);
    uint8_t *const t = npi_arena_alloc(b->mem, CHUNK + NPI_TAIL);
    if (!t) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    p->chunk = CHUNK / n * n;
    for (size_t i = 0; i < p->chunk; i += n) memcpy(t + i, v->data, n);
    p->tiled = t;
    return 0;
}

int npi_bind_add_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if ((n->op != NPI_OP_ADD && n->op != NPI_OP_SUB && n->op != NPI_OP_MUL) || (n->act.kind != NPI_ACT_NONE && n->act.kind != NPI_ACT_CLAMP)) return 0;
    const struct npi_view *const in[] = { npi_bind_view(b, n->in[0]), npi_bind_view(b, n->in[1]) }, *const y = npi_bind_view(b, n->out[0]);
    if (!eight_bit(in[0]) || !eight_bit(in[1]) || !eight_bit(y)) return 0;
    const int64_t count = npi_view_count(y);
    enum mode mode = NONE;
    int a = 0;
    if (count >= 1) mode = mode_of(in[0], in[1], y);
    if (count >= 1 && mode == NONE) mode = mode_of(in[a = 1], in[0], y);
    if (mode == NONE || count > INT_MAX) return 0;
    const struct npi_view *const va = in[a], *const vb = in[1 - a];
    const int za = npi_q_zero(va, 0) - (va->dtype == NP_U8 ? 128 : 0), zb = npi_q_zero(vb, 0) - (vb->dtype == NP_U8 ? 128 : 0);
    const float sa = npi_q_scale(va, 0), sb = npi_q_scale(vb, 0), sy = npi_q_scale(y, 0);
    struct npi_add_q8_args args = { .flip_a = va->dtype == NP_U8 ? 0x80 : 0, .flip_b = vb->dtype == NP_U8 ? 0x80 : 0, .b_scalar = mode == SCALAR || mode == OUTER,
                                    .za = za, .zb = zb, .out = npi_q8_out_of(&n->act, y) };
    if (n->op == NPI_OP_MUL) {
        args.ka = sa * sb / sy;
        if (!(args.ka > 0 && args.ka < 1e30f)) return 0;
    } else if (!fixed_point(&args, sa / sy, sb / sy, n->op == NPI_OP_SUB ? 1 - a : -1)) return 0;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = (struct params){ .fn = n->op == NPI_OP_MUL ? b->k->add_q8.mul : b->k->add_q8.add, .args = args, .a_id = n->in[a], .b_id = n->in[1 - a], .y_id = n->out[0],
                          .mode = (int)mode, .n = (size_t)count, .chunk = CHUNK };
    if (mode == REPEAT && tile(b, p, vb) < 0) return NP_ENOMEM;
    if (mode == OUTER) {
        p->row = (size_t)npi_view_count(va);
        p->chunk = p->row > CHUNK / 8 ? p->row : CHUNK / 8 / p->row * p->row;
    }
    s->kernel = n->op == NPI_OP_MUL ? "mul_q8" : "add_q8";
    s->run = run;
    s->n_tasks = (int)((p->n + p->chunk - 1) / p->chunk);
    s->params = p;
    s->inplace_of = mode == OUTER ? -1 : a;
    return 1;
}
