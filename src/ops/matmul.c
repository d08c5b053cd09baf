/* SPDX-License-Identifier: Apache-2.0 */
/* MatMul (numpy: broadcast batches, rank-1 operands, alpha * op(a) op(b)) and FullyConnected.
 *
 *   FullyConnected   x [...][k]  w [n][k]  bias [n]?  residual? -> [...][n]    float or quantized, see ops/finish.h
 *   MatMul           f32 (sums in double), f64, i32, i64 (sums wrap) */
#include "ops/families.h"
#include "ops/finish.h"
#include "ops/quantize.h"

static int fc_infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0], *w = a->in[1];
    struct npi_view *y = a->out[0];
    if (x->rank < 1 || w->rank != 2) return npi_fail(err, NP_ESHAPE, "input of rank %d and weights of rank %d; they must be at least 1, and 2", x->rank, w->rank);
    if (x->d[x->rank - 1] != w->d[1] || w->d[0] < 1)
        return npi_fail(err, NP_ESHAPE, "input with %lld values a row, weights [%lld][%lld]", (long long)x->d[x->rank - 1], (long long)w->d[0], (long long)w->d[1]);
    y->rank = x->rank;
    for (int i = 0; i < x->rank - 1; i++) y->d[i] = x->d[i];
    y->d[x->rank - 1] = w->d[0];
    return npi_finish_infer(a, w->d[0], 0, err);
}

static size_t fc_scratch(const struct npi_op_args *a) { return npi_finish_scratch(a->in[1]->d[0]); }

static void fc_eval(const struct npi_op_args *a) {
    const struct npi_view *x = a->in[0], *w = a->in[1];
    const int64_t n = w->d[0], k = w->d[1], rows = npi_view_count(a->out[0]) / n;
    struct npi_finish f;
    npi_finish_init(&f, a, n);
    const npi_dot_fn dot = f.quant ? npi_dot_for(x->dtype, w->dtype) : NULL;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < n; c++) {
            if (dot) {
                f.iacc[c] = dot(x->data, r * k, npi_q_zero(x, 0), w->data, c * k, npi_q_zero(w, c), k);
                continue;
            }
            const float *xp = (const float *)x->data + r * k, *wp = (const float *)w->data + c * k;
            double s = 0;
            for (int64_t i = 0; i < k; i++) s += (double)xp[i] * wp[i];
            f.acc[c] = s;
        }
        npi_finish_pixel(&f, r);
    }
}

/* One operand of MatMul seen as batches of [rows][cols]. */
struct side {
    int64_t rows, cols, rs, cs;     /* size and element strides after ta / tb */
    int batch_rank;
    int64_t batch[NP_MAX_RANK];
};

static struct side side_of(const struct npi_view *v, int transpose, int right) {
    struct side s = { 0 };
    if (v->rank == 1) { /* a row on the left, a column on the right; never transposed */
        s = (struct side){ .rows = right ? v->d[0] : 1, .cols = right ? 1 : v->d[0], .rs = 1, .cs = 1 };
        return s;
    }
    const int64_t r = v->d[v->rank - 2], c = v->d[v->rank - 1];
    s = transpose ? (struct side){ .rows = c, .cols = r, .rs = 1, .cs = c } : (struct side){ .rows = r, .cols = c, .rs = c, .cs = 1 };
    s.batch_rank = v->rank - 2;
    for (int i = 0; i < s.batch_rank; i++) s.batch[i] = v->d[i];
    return s;
}
static int64_t batch_at(const struct side *s, int rank, int i) { return i < rank - s->batch_rank ? 1 : s->batch[i - (rank - s->batch_rank)]; }

static int mm_infer(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *x = a->in[0], *w = a->in[1];
    struct npi_view *y = a->out[0];
    if (x->rank < 1 || w->rank < 1) return npi_fail(err, NP_ESHAPE, "operands of rank %d and %d; at least 1 is needed", x->rank, w->rank);
    if (x->dtype != w->dtype || (x->dtype != NP_F32 && x->dtype != NP_F64 && x->dtype != NP_I32 && x->dtype != NP_I64))
        return npi_fail(err, NP_EUNSUPPORTED, "operands of type %s and %s", np_dtype_name(x->dtype), np_dtype_name(w->dtype));
    const struct side p = side_of(x, a->node->a.matmul.ta, 0), q = side_of(w, a->node->a.matmul.tb, 1);
    if (p.cols != q.rows) return npi_fail(err, NP_ESHAPE, "%lld columns on the left, %lld rows on the right", (long long)p.cols, (long long)q.rows);
    const int rank = p.batch_rank > q.batch_rank ? p.batch_rank : q.batch_rank;
    y->rank = 0;
    for (int i = 0; i < rank; i++) {
        const int64_t u = batch_at(&p, rank, i), v = batch_at(&q, rank, i);
        if (u != v && u != 1 && v != 1) return npi_fail(err, NP_ESHAPE, "batch dims %lld and %lld do not broadcast", (long long)u, (long long)v);
        y->d[y->rank++] = u == 1 ? v : u;
    }
    if (x->rank > 1) y->d[y->rank++] = p.rows;
    if (w->rank > 1) y->d[y->rank++] = q.cols;
    y->dtype = x->dtype;
    return 0;
}

static void mm_one(const struct npi_op_args *a, const struct side *p, const struct side *q, int64_t x0, int64_t w0, int64_t y0) {
    const void *x = a->in[0]->data, *w = a->in[1]->data;
    void *y = a->out[0]->data;
    const int t = a->in[0]->dtype;
    const float alpha = a->node->a.matmul.alpha;
    for (int64_t r = 0; r < p->rows; r++)
        for (int64_t c = 0; c < q->cols; c++) {
            const int64_t xi = x0 + r * p->rs, wi = w0 + c * q->cs, yi = y0 + r * q->cols + c;
            double s = 0;
            uint64_t n = 0;
            if (t == NP_F32)
                for (int64_t k = 0; k < p->cols; k++) s += (double)((const float *)x)[xi + k * p->cs] * ((const float *)w)[wi + k * q->rs];
            else if (t == NP_F64)
                for (int64_t k = 0; k < p->cols; k++) s += ((const double *)x)[xi + k * p->cs] * ((const double *)w)[wi + k * q->rs];
            else
                for (int64_t k = 0; k < p->cols; k++) n += (uint64_t)npi_get_int(x, t, xi + k * p->cs) * (uint64_t)npi_get_int(w, t, wi + k * q->rs);
            if (alpha != 0 && alpha != 1) s *= alpha;
            if (t == NP_F32) ((float *)y)[yi] = (float)s;
            else if (t == NP_F64) ((double *)y)[yi] = s;
            else npi_set_int(y, t, yi, (int64_t)n);
        }
}

static void mm_eval(const struct npi_op_args *a) {
    const struct side p = side_of(a->in[0], a->node->a.matmul.ta, 0), q = side_of(a->in[1], a->node->a.matmul.tb, 1);
    const int rank = p.batch_rank > q.batch_rank ? p.batch_rank : q.batch_rank;
    const int64_t size = p.rows * q.cols;
    if (!size) return;
    const int64_t batches = npi_view_count(a->out[0]) / size;
    for (int64_t b = 0; b < batches; b++) {
        int64_t rest = b, xi = 0, wi = 0, xs = p.rows * p.cols, ws = q.rows * q.cols;
        for (int i = rank - 1; i >= 0; i--) {
            const int64_t u = batch_at(&p, rank, i), v = batch_at(&q, rank, i), d = u == 1 ? v : u, at = rest % d;
            rest /= d;
            if (u != 1) xi += at * xs;
            if (v != 1) wi += at * ws;
            xs *= u;
            ws *= v;
        }
        mm_one(a, &p, &q, xi, wi, b * size);
    }
}

static const struct npi_op_def defs[] = {
    { NPI_OP_FULLY_CONNECTED, fc_infer, fc_eval, fc_scratch, NPI_OPF_QUANT | NPI_OPF_ACT },
    { NPI_OP_MATMUL, mm_infer, mm_eval, NULL, 0 },
};
const struct npi_op_family npi_ops_matmul = { defs, sizeof defs / sizeof *defs };
