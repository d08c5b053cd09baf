/* SPDX-License-Identifier: Apache-2.0 */
/* Unary ops on floats: a kernel of kernel/elem_f32.h over blocks that stay in the cache, in place where the plan can. */
#include <math.h>

#include "plan/bind_elem.h"

/* Elements a task: light functions are bound by memory, heavy ones take about a nanosecond an element. */
enum { BLOCK_LIGHT = 32768, BLOCK_HEAVY = 8192 };

struct params {
    struct npi_map_step map, act; /* act.fn may be NULL */
    int x, y;
    size_t n, block;
};

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const size_t at = (size_t)task * p->block, n = p->n - at < p->block ? p->n - at : p->block;
    const float *const x = (const float *)e->ptr[p->x] + at;
    float *const y = (float *)e->ptr[p->y] + at;
    p->map.fn(y, x, n, p->map.a, p->map.b);
    if (p->act.fn) p->act.fn(y, y, n, p->act.a, p->act.b);
}

static int set(const struct npi_kernels *k, struct npi_map_step *out, int map, float a, float b) {
    *out = (struct npi_map_step){ k->elem_f32.map[map], a, b, map >= NPI_MAP_EXP };
    return 1;
}

int npi_map_of_op(const struct npi_kernels *k, const struct npi_node *n, struct npi_map_step *out) {
    const float a = n->a.unary.a, b = n->a.unary.b;
    switch ((int)n->op) {
    case NPI_OP_RELU: return set(k, out, NPI_MAP_CLAMP, 0, INFINITY);
    case NPI_OP_CLAMP: return set(k, out, NPI_MAP_CLAMP, a, b);
    case NPI_OP_LEAKY_RELU: return set(k, out, NPI_MAP_LEAKY, a, 0);
    case NPI_OP_SILU: return (a == 0 || a == 1) && set(k, out, NPI_MAP_SILU, 0, 0);
    case NPI_OP_HARD_SIGMOID: return set(k, out, NPI_MAP_HARD_SIGMOID, a, b);
    case NPI_OP_ELU: return set(k, out, NPI_MAP_ELU, a, 0);
    case NPI_OP_GELU: return set(k, out, n->a.unary.tanh_approx ? NPI_MAP_GELU_TANH : NPI_MAP_GELU, 0, 0);
#define SAME(name) case NPI_OP_##name: return set(k, out, NPI_MAP_##name, 0, 0)
    SAME(SIGMOID); SAME(TANH); SAME(HARD_SWISH); SAME(ERF); SAME(EXP); SAME(SQRT); SAME(RSQRT); SAME(SQUARE); SAME(ABS);
    SAME(NEG); SAME(FLOOR); SAME(CEIL); SAME(ROUND); SAME(RECIPROCAL); SAME(MISH);
#undef SAME
    default: return 0;
    }
}

int npi_map_of_act(const struct npi_kernels *k, const struct npi_act *act, struct npi_map_step *out) {
    switch (act->kind) {
    case NPI_ACT_NONE: *out = (struct npi_map_step){ 0 }; return 1;
    case NPI_ACT_CLAMP: return set(k, out, NPI_MAP_CLAMP, act->lo, act->hi);
    case NPI_ACT_SILU: return set(k, out, NPI_MAP_SILU, 0, 0);
    case NPI_ACT_SIGMOID: return set(k, out, NPI_MAP_SIGMOID, 0, 0);
    case NPI_ACT_HARD_SWISH: return set(k, out, NPI_MAP_HARD_SWISH, 0, 0);
    case NPI_ACT_LEAKY: return set(k, out, NPI_MAP_LEAKY, act->lo, 0);
    case NPI_ACT_TANH: return set(k, out, NPI_MAP_TANH, 0, 0);
    case NPI_ACT_GELU: return set(k, out, NPI_MAP_GELU, 0, 0);
    default: return 0;
    }
}

/* Pow with one constant exponent that is a square, root or inverse. */
static int map_of_pow(const struct npi_binder *b, const struct npi_node *n, struct npi_map_step *out) {
    const struct npi_view *e = npi_bind_view(b, n->in[1]), *x = npi_bind_view(b, n->in[0]);
    if (!npi_plain_f32(e) || !e->data || npi_view_count(e) != 1 || npi_view_count(x) != npi_view_count(npi_bind_view(b, n->out[0]))) return 0;
    float v;
    __builtin_memcpy(&v, e->data, sizeof v);
    return v == 2 ? set(b->k, out, NPI_MAP_SQUARE, 0, 0) : v == .5f ? set(b->k, out, NPI_MAP_SQRT, 0, 0) : v == -1 ? set(b->k, out, NPI_MAP_RECIPROCAL, 0, 0)
           : v == -.5f ? set(b->k, out, NPI_MAP_RSQRT, 0, 0) : 0;
}

int npi_bind_unary_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    struct params q = { .x = n->in[0], .y = n->out[0] };
    if (!npi_plain_f32(npi_bind_view(b, q.x)) || !npi_plain_f32(npi_bind_view(b, q.y))) return 0;
    if (!(n->op == NPI_OP_POW ? map_of_pow(b, n, &q.map) : npi_map_of_op(b->k, n, &q.map)) || !npi_map_of_act(b->k, &n->act, &q.act)) return 0;
    const int64_t count = npi_view_count(npi_bind_view(b, q.y));
    q.block = q.map.heavy || q.act.heavy ? BLOCK_HEAVY : BLOCK_LIGHT;
    if (count < 1 || count / BLOCK_HEAVY > 1 << 30 || npi_bind_view(b, q.x)->data) return 0;
    q.n = (size_t)count;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = q;
    s->kernel = "map_f32";
    s->run = run;
    s->n_tasks = (int)((q.n + q.block - 1) / q.block);
    s->params = p;
    s->inplace_of = 0;
    return 1;
}
