/* SPDX-License-Identifier: Apache-2.0 */
/* FullyConnected in f32 with constant weights (a 1x1 convolution over its rows), and MatMul in f32. A right operand that
 * is only known at run time is packed by each task for the columns it does. */
#include "plan/bind_f32.h"
#include "plan/conv_f32_step.h"

#include <limits.h>
#include <string.h>

static int bind_fc(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    const struct npi_view *w = npi_bind_view(b, n->in[1]), *y = npi_bind_view(b, n->out[0]);
    const int bias = n->n_in > 2 ? n->in[2] : -1, res = n->n_in > 3 ? n->in[3] : -1;
    const float *const weights = npi_bind_const_f32(b, n->in[1]);
    if (!npi_bind_is_product_f32(b, n)) return 0;
    const int64_t m = npi_view_count(y) / w->d[0];
    if (m > INT_MAX / 8) return 0;
    struct npi_conv_f32 *c = npi_arena_alloc(b->mem, sizeof *c);
    if (!c) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *c = (struct npi_conv_f32){
        .x = n->in[0], .y = n->out[0], .res = res, .h = (int)m, .w = 1, .ci = (int)w->d[1], .oh = (int)m, .ow = 1, .co = (int)w->d[0], .groups = 1,
        .win = { .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1 }, .m = (size_t)m, .weights = weights, .bias_in = npi_bind_const_f32(b, bias),
        .res_before_act = n->res_before_act, .act = npi_bind_act(&n->act)
    };
    return npi_conv_f32_step(b, c, s);
}

/* MatMul: y[b] = x[b] * w[b] over broadcast batches. A task does one block of columns of one batch. */
struct matmul {
    struct npi_gemm_f32 g;
    int x, w, y, m, n, k;
    int x_trans;                     /* x is [k][m]: its rows are copied */
    size_t w_sk, w_sn;               /* element strides of w */
    int block, blocks;               /* columns a task, tasks a batch */
    int batch_rank;
    int64_t batch[NP_MAX_RANK], xs[NP_MAX_RANK], ws[NP_MAX_RANK]; /* output batches; element strides, 0 where broadcast */
};

static void run_matmul(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct matmul *const p = s->params;
    const int n0 = task % p->blocks * p->block, n = p->n - n0 < p->block ? p->n - n0 : p->block;
    int64_t rest = task / p->blocks, xo = 0, wo = 0;
    for (int i = p->batch_rank - 1; i >= 0; i--) {
        xo += rest % p->batch[i] * p->xs[i];
        wo += rest % p->batch[i] * p->ws[i];
        rest /= p->batch[i];
    }
    const float *x = (const float *)e->ptr[p->x] + xo, *w = (const float *)e->ptr[p->w] + wo;
    float *y = (float *)e->ptr[p->y] + (size_t)(task / p->blocks) * (size_t)p->m * (size_t)p->n + n0;
    const float **rows = npi_exec_scratch(e, worker);
    float *packed = (float *)(void *)((char *)rows + npi_align_up((size_t)p->m * sizeof *rows, NPI_ALIGN));
    float *xt = packed + npi_align_up((size_t)p->k * npi_gemm_f32_packed_cols(&p->g, p->block) + 16, 16);
    npi_gemm_f32_pack(&p->g, packed, w + (size_t)n0 * p->w_sn, p->k, n, p->w_sk, p->w_sn);
    for (int m = 0; m < p->m; m++) {
        rows[m] = x + (size_t)m * (size_t)p->k;
        if (!p->x_trans) continue;
        for (int k = 0; k < p->k; k++) xt[(size_t)m * (size_t)p->k + (size_t)k] = x[(size_t)k * (size_t)p->m + (size_t)m];
        rows[m] = xt + (size_t)m * (size_t)p->k;
    }
    const struct npi_gemm_f32_job j = { .a = rows, .a_stride = (size_t)p->m, .m = p->m, .taps = 1, .k = p->k, .w = packed, .n = n, .c = y, .ldc = (size_t)p->n };
    p->g.run(&j);
}

/* Batch strides of one operand against the output's batch dims. */
static void batch_strides(const struct npi_view *v, const struct matmul *p, int64_t *strides) {
    int64_t size = v->d[v->rank - 1] * v->d[v->rank - 2];
    const int lead = p->batch_rank - (v->rank - 2);
    for (int i = p->batch_rank - 1; i >= 0; i--) {
        const int64_t d = i < lead ? 1 : v->d[i - lead];
        strides[i] = d == 1 ? 0 : size;
        size *= d;
    }
}

static int bind_matmul(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    const struct npi_view *x = npi_bind_view(b, n->in[0]), *w = npi_bind_view(b, n->in[1]), *y = npi_bind_view(b, n->out[0]);
    if (x->dtype != NP_F32 || w->dtype != NP_F32 || y->dtype != NP_F32 || x->q.n || w->q.n || y->q.n || n->act.kind) return 0;
    if (x->rank < 2 || w->rank < 2 || (n->a.matmul.alpha != 0 && n->a.matmul.alpha != 1)) return 0;
    if (!npi_bind_dims_ok(x) || !npi_bind_dims_ok(w) || !npi_bind_dims_ok(y)) return 0;
    struct matmul *p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    const int ta = n->a.matmul.ta, tb = n->a.matmul.tb;
    *p = (struct matmul){ .g = b->k->gemm_f32, .x = n->in[0], .w = n->in[1], .y = n->out[0], .x_trans = ta, .batch_rank = y->rank - 2 };
    p->m = (int)y->d[y->rank - 2];
    p->n = (int)y->d[y->rank - 1];
    p->k = (int)x->d[x->rank - (ta ? 2 : 1)];
    p->w_sk = tb ? 1 : (size_t)p->n;
    p->w_sn = tb ? (size_t)p->k : 1;
    p->block = p->n < 96 ? p->n : 96;
    p->blocks = (p->n + p->block - 1) / p->block;
    int64_t tasks = p->blocks;
    for (int i = 0; i < p->batch_rank; i++) tasks *= p->batch[i] = y->d[i];
    batch_strides(x, p, p->xs);
    batch_strides(w, p, p->ws);
    size_t floats = npi_align_up((size_t)p->k * npi_gemm_f32_packed_cols(&p->g, p->block) + 16, 16);
    if (ta) floats += (size_t)p->m * (size_t)p->k;
    if (tasks > INT_MAX || floats > SIZE_MAX / 16) return 0;
    s->kernel = b->k->gemm_f32.name;
    s->run = run_matmul;
    s->params = p;
    s->n_tasks = (int)tasks;
    s->scratch_bytes = npi_align_up((size_t)p->m * sizeof(float *), NPI_ALIGN) + floats * sizeof(float);
    return 1;
}

int npi_bind_fc_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    return n->op == NPI_OP_FULLY_CONNECTED ? bind_fc(b, n, s) : n->op == NPI_OP_MATMUL ? bind_matmul(b, n, s) : 0;
}
