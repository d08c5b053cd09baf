/* SPDX-License-Identifier: Apache-2.0 */
/* Binary ops on floats with broadcasting. npi_walk merges the dimensions into rows; a row of either operand is a vector
 * (step 1) or one value (step 0), which gives the kernel:
 *
 *   x vector, z vector   vv, or vc over many rows at once where all rows have the same z (a value a channel)
 *   x vector, z value    vs
 *   x value, z vector    the operands change places, and Sub becomes "from": z - x
 *
 * A task does some rows, or a piece of a long one. */
#include <math.h>

#include "ops/walk.h"
#include "plan/bind_elem.h"

enum { BLOCK = 16384 }; /* elements of a task: three times 64 KiB stay in the second-level cache */

struct params {
    void (*vec)(float *y, const float *x, const float *z, size_t n, float lo, float hi);
    void (*channels)(float *y, const float *x, const float *z, size_t rows, size_t n, float lo, float hi); /* or NULL */
    struct npi_map_step act;
    float lo, hi;
    int x, z, y;
    const float *xc, *zc;           /* constants, or NULL */
    int64_t len, pieces, rows, rows_per_task;
    int z_step, outer;              /* outer: dimensions in front of the row */
    int64_t d[NP_MAX_RANK], sx[NP_MAX_RANK], sz[NP_MAX_RANK];
};

static void finish(const struct params *p, float *y, size_t n) {
    if (p->act.fn) p->act.fn(y, y, n, p->act.a, p->act.b);
}

static void run_rows(const struct params *p, float *y, const float *x, const float *z, int64_t first, int64_t last) {
    int64_t at[NP_MAX_RANK], rest = first;
    for (int i = p->outer - 1; i >= 0; i--) {
        at[i] = rest % p->d[i];
        rest /= p->d[i];
        x += at[i] * p->sx[i];
        z += at[i] * p->sz[i];
    }
    const int k = p->outer - 1;
    for (int64_t r = first; r < last;) {
        int64_t m = 1;
        float *const out = y + r * p->len;
        if (p->channels) {
            m = p->d[k] - at[k] < last - r ? p->d[k] - at[k] : last - r;
            p->channels(out, x, z, (size_t)m, (size_t)p->len, p->lo, p->hi);
        } else {
            p->vec(out, x, z, (size_t)p->len, p->lo, p->hi);
        }
        finish(p, out, (size_t)(m * p->len));
        r += m;
        if (r >= last) return;
        at[k] += m;
        x += m * p->sx[k];
        z += m * p->sz[k];
        for (int i = k; i > 0 && at[i] == p->d[i]; i--) {
            x += p->sx[i - 1] - p->sx[i] * p->d[i];
            z += p->sz[i - 1] - p->sz[i] * p->d[i];
            at[i] = 0;
            at[i - 1]++;
        }
    }
}

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const float *x = p->xc ? p->xc : e->ptr[p->x], *z = p->zc ? p->zc : e->ptr[p->z];
    float *y = e->ptr[p->y];
    if (p->pieces == 1) {
        const int64_t first = task * p->rows_per_task, last = first + p->rows_per_task;
        run_rows(p, y, x, z, first, last < p->rows ? last : p->rows);
        return;
    }
    int64_t rest = task / p->pieces;
    const int64_t from = task % p->pieces * BLOCK, n = p->len - from < BLOCK ? p->len - from : BLOCK;
    y += rest * p->len + from;
    for (int i = p->outer - 1; i >= 0; i--) {
        x += rest % p->d[i] * p->sx[i];
        z += rest % p->d[i] * p->sz[i];
        rest /= p->d[i];
    }
    p->vec(y, x + from, z + (p->z_step ? from : 0), (size_t)n, p->lo, p->hi);
    finish(p, y, (size_t)n);
}

static int bin_of(enum npi_op op, int swapped) {
    switch ((int)op) {
    case NPI_OP_ADD: return NPI_BIN_ADD;
    case NPI_OP_SUB: return swapped ? NPI_BIN_RSUB : NPI_BIN_SUB;
    case NPI_OP_MUL: return NPI_BIN_MUL;
    case NPI_OP_DIV: return swapped ? NPI_BIN_RDIV : NPI_BIN_DIV;
    case NPI_OP_MIN: return NPI_BIN_MIN;
    case NPI_OP_MAX: return NPI_BIN_MAX;
    case NPI_OP_PRELU: return swapped ? -1 : NPI_BIN_PRELU;
    case NPI_OP_SQUARED_DIFF: return NPI_BIN_SQUARED_DIFF;
    default: return -1;
    }
}

const float *npi_padded_const(struct npi_binder *b, int tensor) {
    const struct npi_view *v = npi_bind_view(b, tensor);
    const size_t bytes = npi_view_bytes(v);
    float *p = npi_arena_alloc(b->mem, bytes + NPI_TAIL);
    if (p) __builtin_memcpy(p, v->data, bytes);
    return p;
}

int npi_bind_binary_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (n->n_in != 2 || bin_of(n->op, 0) < 0) return 0;
    const struct npi_view *in[2] = { npi_bind_view(b, n->in[0]), npi_bind_view(b, n->in[1]) }, *const y = npi_bind_view(b, n->out[0]);
    if (!npi_plain_f32(in[0]) || !npi_plain_f32(in[1]) || !npi_plain_f32(y)) return 0;
    struct npi_walk w;
    if (!npi_walk_init(&w, y, in, 2)) return 0;
    const int k = w.rank - 2; /* the dimension in front of the row */
    /* The first operand of the kernel is the one that varies most. */
    const int swapped = w.step[0] != w.step[1] ? w.step[0] < w.step[1] : k >= 0 && w.s[0][k] == 0 && w.s[1][k] != 0;
    const int bin = bin_of(n->op, swapped), ix = swapped, iz = !swapped;
    if (bin < 0) return 0;
    struct params q = { .x = n->in[ix], .z = n->in[iz], .y = n->out[0], .len = w.len, .rows = 1, .lo = -INFINITY, .hi = INFINITY, .z_step = (int)w.step[iz] };
    q.outer = w.rank ? w.rank - 1 : 0;
    for (int i = 0; i < q.outer; i++) {
        q.d[i] = w.d[i];
        q.sx[i] = w.s[ix][i];
        q.sz[i] = w.s[iz][i];
        q.rows *= w.d[i];
    }
    const int same = k >= 0 && q.z_step && q.sz[k] == 0 && q.sx[k] == q.len;
    q.vec = q.z_step ? b->k->elem_f32.bin[bin].vv : b->k->elem_f32.bin[bin].vs;
    q.channels = same ? b->k->elem_f32.bin[bin].vc : NULL;
    if (n->act.kind == NPI_ACT_CLAMP) q.lo = n->act.lo, q.hi = n->act.hi;
    else if (!npi_map_of_act(b->k, &n->act, &q.act)) return 0;
    q.pieces = q.len > BLOCK ? (q.len + BLOCK - 1) / BLOCK : 1;
    q.rows_per_task = q.len > BLOCK ? 1 : BLOCK / q.len;
    const int64_t tasks = q.pieces > 1 ? q.rows * q.pieces : (q.rows + q.rows_per_task - 1) / q.rows_per_task;
    if (tasks > 1 << 30) return 0;
    if ((in[ix]->data && !(q.xc = npi_padded_const(b, q.x))) || (in[iz]->data && !(q.zc = npi_padded_const(b, q.z)))) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = q;
    s->kernel = same ? "binary_f32_vc" : q.z_step ? "binary_f32_vv" : "binary_f32_vs";
    s->run = run;
    s->n_tasks = (int)tasks;
    s->params = p;
    s->inplace_of = !in[ix]->data && npi_view_count(in[ix]) == npi_view_count(y) ? ix : -1;
    return 1;
}
