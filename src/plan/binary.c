/* SPDX-License-Identifier: Apache-2.0 */
/* See binary.h. */
#include "plan/binary.h"

#include <math.h>

#include "ops/walk.h"

void npi_binary_finish(const struct npi_binary *p, float *y, size_t n) {
    if (p->act.fn) p->act.fn(y, y, n, p->act.a, p->act.b);
}

void npi_binary_rows(const struct npi_binary *p, float *y, const float *x, int64_t x_at, const float *z, int64_t z_at, int64_t first, int64_t last) {
    int64_t at[NP_MAX_RANK], rest = first, ox = -x_at, oz = -z_at;
    for (int i = p->outer - 1; i >= 0; i--) {
        at[i] = rest % p->d[i];
        rest /= p->d[i];
        ox += at[i] * p->sx[i];
        oz += at[i] * p->sz[i];
    }
    const int k = p->outer - 1;
    for (int64_t r = first; r < last;) {
        int64_t m = 1;
        if (p->channels) {
            m = p->d[k] - at[k] < last - r ? p->d[k] - at[k] : last - r;
            p->channels(y, x + ox, z + oz, (size_t)m, (size_t)p->len, p->lo, p->hi);
        } else {
            p->vec(y, x + ox, z + oz, (size_t)p->len, p->lo, p->hi);
        }
        npi_binary_finish(p, y, (size_t)(m * p->len));
        y += m * p->len;
        r += m;
        if (r >= last) return;
        at[k] += m;
        ox += m * p->sx[k];
        oz += m * p->sz[k];
        for (int i = k; i > 0 && at[i] == p->d[i]; i--) {
            ox += p->sx[i - 1] - p->sx[i] * p->d[i];
            oz += p->sz[i - 1] - p->sz[i] * p->d[i];
            at[i] = 0;
            at[i - 1]++;
        }
    }
}

size_t npi_binary_piece(const struct npi_binary *p, int task, int64_t *x, int64_t *z, int64_t *y) {
    int64_t rest = task / p->pieces;
    const int64_t from = task % p->pieces * NPI_BINARY_BLOCK;
    *y = rest * p->len + from;
    *x = from;
    *z = p->z_step ? from : 0;
    for (int i = p->outer - 1; i >= 0; i--) {
        *x += rest % p->d[i] * p->sx[i];
        *z += rest % p->d[i] * p->sz[i];
        rest /= p->d[i];
    }
    return (size_t)(p->len - from < NPI_BINARY_BLOCK ? p->len - from : NPI_BINARY_BLOCK);
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

int npi_binary_init(struct npi_binary *p, const struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (n->n_in != 2 || bin_of(n->op, 0) < 0) return 0;
    const struct npi_view *in[2] = { npi_bind_view(b, n->in[0]), npi_bind_view(b, n->in[1]) }, *const y = npi_bind_view(b, n->out[0]);
    struct npi_walk w;
    if (!npi_walk_init(&w, y, in, 2)) return 0;
    const int k = w.rank - 2; /* the dimension in front of the row */
    const int swapped = w.step[0] != w.step[1] ? w.step[0] < w.step[1] : k >= 0 && w.s[0][k] == 0 && w.s[1][k] != 0;
    const int bin = bin_of(n->op, swapped), ix = swapped, iz = !swapped;
    if (bin < 0) return 0;
    const int64_t count = npi_view_count(y);
    *p = (struct npi_binary){ .x = n->in[ix], .z = n->in[iz], .y = n->out[0], .x_input = ix,
                              .x_full = npi_view_count(in[ix]) == count, .z_full = npi_view_count(in[iz]) == count,
                              .len = w.len, .rows = 1, .lo = -INFINITY, .hi = INFINITY, .z_step = (int)w.step[iz], .outer = w.rank ? w.rank - 1 : 0 };
    for (int i = 0; i < p->outer; i++) {
        p->d[i] = w.d[i];
        p->sx[i] = w.s[ix][i];
        p->sz[i] = w.s[iz][i];
        p->rows *= w.d[i];
    }
    p->vec = p->z_step ? b->k->elem_f32.bin[bin].vv : b->k->elem_f32.bin[bin].vs;
    if (k >= 0 && p->z_step && p->sz[k] == 0 && p->sx[k] == p->len) p->channels = b->k->elem_f32.bin[bin].vc;
    if (n->act.kind == NPI_ACT_CLAMP) p->lo = n->act.lo, p->hi = n->act.hi;
    else if (!npi_map_of_act(b->k, &n->act, &p->act)) return 0;
    p->pieces = p->len > NPI_BINARY_BLOCK ? (p->len + NPI_BINARY_BLOCK - 1) / NPI_BINARY_BLOCK : 1;
    p->rows_per_task = p->len > NPI_BINARY_BLOCK ? 1 : NPI_BINARY_BLOCK / p->len;
    const int64_t tasks = p->pieces > 1 ? p->rows * p->pieces : (p->rows + p->rows_per_task - 1) / p->rows_per_task;
    if (tasks > 1 << 30) return 0;
    s->n_tasks = (int)tasks;
    return 1;
}
