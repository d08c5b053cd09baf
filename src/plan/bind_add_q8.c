/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized Add, Sub and Mul of 8-bit tensors per tensor: equal shapes, or a second operand that is one value. Works in place. */
#include <math.h>

#include "ops/quantize.h"
#include "plan/bind_q8.h"
#include "plan/gemm_q8_step.h"

enum { CHUNK = 32768 };

struct params {
    void (*fn)(const struct npi_add_q8_args *p);
    struct npi_add_q8_args args;  /* all but pointers and n */
    int a_id, b_id, y_id;
    size_t n;
};

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    struct npi_add_q8_args a = p->args;
    const size_t at = (size_t)task * CHUNK;
    a.a = (const uint8_t *)e->ptr[p->a_id] + at;
    a.b = (const uint8_t *)e->ptr[p->b_id] + (a.b_scalar ? 0 : at);
    a.y = (uint8_t *)e->ptr[p->y_id] + at;
    a.n = p->n - at < CHUNK ? p->n - at : CHUNK;
    p->fn(&a);
}

/* The larger ratio gets 21 bits; ratios out of the range of the shift are left to the reference. */
static int fixed_point(struct npi_add_q8_args *a, float ka, float kb, int negate_b) {
    const float larger = ka > kb ? ka : kb;
    int e;
    if (!(ka > 0 && kb > 0 && larger >= 0x1p-10f && larger < 0x1p7f)) return 0;
    frexpf(larger, &e); /* larger = f * 2^e, f in [.5, 1) */
    a->shift = 21 - e;
    a->am = (int32_t)lrintf(ldexpf(ka, a->shift));
    a->bm = (int32_t)lrintf(ldexpf(kb, a->shift)) * (negate_b ? -1 : 1);
    a->bias = (1 << (a->shift - 1)) - a->am * a->za - a->bm * a->zb;
    return 1;
}

static int eight_bit(const struct npi_view *v) { return v && (v->dtype == NP_I8 || v->dtype == NP_U8) && v->q.n == 1; }

int npi_bind_add_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (n->op != NPI_OP_ADD && n->op != NPI_OP_SUB && n->op != NPI_OP_MUL) return 0;
    int a_id = n->in[0], b_id = n->in[1];
    const struct npi_view *x = npi_bind_view(b, a_id), *z = npi_bind_view(b, b_id);
    const struct npi_view *const y = npi_bind_view(b, n->out[0]);
    if (!eight_bit(x) || !eight_bit(z) || !eight_bit(y) || (n->act.kind != NPI_ACT_NONE && n->act.kind != NPI_ACT_CLAMP)) return 0;
    const int64_t count = npi_view_count(y);
    if (npi_view_count(x) != count && n->op != NPI_OP_SUB) {
        const struct npi_view *const t = x;
        x = z, z = t;
        a_id = n->in[1], b_id = n->in[0];
    }
    /* with as many elements as the output, an operand is not broadcast, whatever ones are in its shape */
    const int scalar = npi_view_count(z) == 1;
    if (count < 1 || npi_view_count(x) != count || (!scalar && npi_view_count(z) != count) || count / CHUNK > 1 << 30) return 0;
    const float sx = npi_q_scale(x, 0), sz = npi_q_scale(z, 0), sy = npi_q_scale(y, 0);
    const int zx = npi_q_zero(x, 0) - (x->dtype == NP_U8 ? 128 : 0), zz = npi_q_zero(z, 0) - (z->dtype == NP_U8 ? 128 : 0);
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = (struct params){ .fn = n->op == NPI_OP_MUL ? b->k->add_q8.mul : b->k->add_q8.add, .a_id = a_id, .b_id = b_id, .y_id = n->out[0], .n = (size_t)count };
    p->args = (struct npi_add_q8_args){ .flip_a = x->dtype == NP_U8 ? 0x80 : 0, .flip_b = z->dtype == NP_U8 ? 0x80 : 0, .b_scalar = scalar, .za = zx, .zb = zz,
                                        .out = npi_q8_out_of(&n->act, y) };
    if (n->op == NPI_OP_MUL) {
        p->args.ka = sx * sz / sy;
        if (!(p->args.ka > 0 && p->args.ka < 1e30f)) return 0;
    } else if (!fixed_point(&p->args, sx / sy, sz / sy, n->op == NPI_OP_SUB)) return 0;
    s->kernel = n->op == NPI_OP_MUL ? "mul_q8" : "add_q8";
    s->run = run;
    s->n_tasks = (int)((count + CHUNK - 1) / CHUNK);
    s->params = p;
    s->inplace_of = a_id == n->in[0] ? 0 : 1;
    return 1;
}
