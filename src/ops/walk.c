/* SPDX-License-Identifier: Apache-2.0 */
/* See walk.h. */
#include "ops/walk.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ops/convert.h"

int npi_walk_init(struct npi_walk *w, const struct npi_view *out, const struct npi_view *const *in, int n) {
    memset(w, 0, sizeof *w);
    w->n = n;
    for (int i = 0; i < out->rank; i++)
        if (out->d[i] == 0) return 0;
    int64_t full[3][NP_MAX_RANK]; /* element strides aligned to out's dimensions, 0 where broadcast */
    for (int k = 0; k < n; k++) {
        int64_t s = 1;
        for (int i = out->rank - 1; i >= 0; i--) {
            const int j = i - (out->rank - in[k]->rank);
            const int64_t d = j >= 0 ? in[k]->d[j] : 1;
            full[k][i] = d == 1 ? 0 : s;
            s *= d;
        }
    }
    for (int i = 0; i < out->rank; i++) {
        if (out->d[i] == 1) continue;
        int merge = w->rank > 0;
        for (int k = 0; k < n && merge; k++) merge = w->s[k][w->rank - 1] == full[k][i] * out->d[i];
        if (merge) w->rank--;
        w->d[w->rank] = (merge ? w->d[w->rank] : 1) * out->d[i];
        for (int k = 0; k < n; k++) w->s[k][w->rank] = full[k][i];
        w->rank++;
    }
    w->len = w->rank ? w->d[w->rank - 1] : 1;
    for (int k = 0; k < n; k++) w->step[k] = w->rank ? w->s[k][w->rank - 1] : 0;
    return 1;
}

int npi_walk_next(struct npi_walk *w) {
    w->off_out += w->len;
    for (int i = w->rank - 2; i >= 0; i--) {
        for (int k = 0; k < w->n; k++) w->off[k] += w->s[k][i];
        if (++w->at[i] < w->d[i]) return 1;
        for (int k = 0; k < w->n; k++) w->off[k] -= w->s[k][i] * w->d[i];
        w->at[i] = 0;
    }
    return 0;
}

static void copy_run(char *d, int64_t ds, const char *s, int64_t ss, int64_t n, size_t size) {
    if (ds == (int64_t)size && ss == (int64_t)size) {
        memcpy(d, s, (size_t)n * size);
        return;
    }
#define RUN(N) case N: for (int64_t i = 0; i < n; i++) memcpy(d + i * ds, s + i * ss, N); break
    switch (size) {
    RUN(1);
    RUN(2);
    RUN(4);
    RUN(8);
    default: for (int64_t i = 0; i < n; i++) memcpy(d + i * ds, s + i * ss, size);
    }
#undef RUN
}

int npi_copy_merge(int64_t *d, int64_t *ds, int64_t *ss, int rank) {
    int r = 0;
    for (int i = 0; i < rank; i++) {
        if (d[i] == 1) continue;
        const int merge = r && ds[r - 1] == ds[i] * d[i] && ss[r - 1] == ss[i] * d[i];
        if (merge) r--;
        d[r] = (merge ? d[r] : 1) * d[i];
        ds[r] = ds[i];
        ss[r] = ss[i];
        r++;
    }
    return r;
}

void npi_copy_nd(void *dst, const int64_t *dst_stride, const void *src, const int64_t *src_stride, const int64_t *d, int rank, size_t size) {
    int64_t n[NPI_COPY_RANK], ds[NPI_COPY_RANK], ss[NPI_COPY_RANK], at[NPI_COPY_RANK] = { 0 };
    for (int i = 0; i < rank; i++) {
        if (d[i] == 0) return;
        n[i] = d[i];
        ds[i] = dst_stride[i];
        ss[i] = src_stride[i];
    }
    const int r = npi_copy_merge(n, ds, ss, rank);
    if (r == 0) {
        memcpy(dst, src, size);
        return;
    }
    char *p = dst;
    const char *q = src;
    for (;;) {
        copy_run(p, ds[r - 1], q, ss[r - 1], n[r - 1], size);
        int i = r - 2;
        for (; i >= 0; i--) {
            p += ds[i];
            q += ss[i];
            if (++at[i] < n[i]) break;
            p -= ds[i] * n[i];
            q -= ss[i] * n[i];
            at[i] = 0;
        }
        if (i < 0) return;
    }
}

void npi_view_strides(const struct npi_view *v, int64_t *s) {
    int64_t k = (int64_t)np_dtype_size(v->dtype);
    for (int i = v->rank - 1; i >= 0; i--) {
        s[i] = k;
        k *= v->d[i];
    }
}

struct npi_dims_text npi_dims_text(const struct npi_view *v) {
    struct npi_dims_text t;
    size_t n = (size_t)snprintf(t.s, sizeof t.s, "[");
    for (int i = 0; i < v->rank && i < NP_MAX_RANK && n < sizeof t.s - 1; i++)
        n += (size_t)snprintf(t.s + n, sizeof t.s - n, i ? ",%lld" : "%lld", (long long)v->d[i]);
    if (n < sizeof t.s - 1) snprintf(t.s + n, sizeof t.s - n, "]");
    return t;
}

int npi_infer_broadcast(struct npi_view *out, const struct npi_view *const *in, int n, struct np_error *err) {
    int rank = 0;
    for (int k = 0; k < n; k++)
        if (in[k]->rank > rank) rank = in[k]->rank;
    int64_t d[NP_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        d[i] = 1;
        for (int k = 0; k < n; k++) {
            const int j = i - (rank - in[k]->rank);
            const int64_t e = j >= 0 ? in[k]->d[j] : 1;
            if (e == 1 || e == d[i]) continue;
            if (d[i] != 1)
                return npi_fail(err, NP_ESHAPE, "shapes %s and %s do not broadcast: %lld against %lld", npi_dims_text(in[0]).s, npi_dims_text(in[k]).s,
                                (long long)d[i], (long long)e);
            d[i] = e;
        }
    }
    out->rank = rank;
    memcpy(out->d, d, sizeof *d * (size_t)rank);
    return npi_infer_check(out, err);
}

void npi_infer_same(struct npi_view *out, const struct npi_view *in) {
    out->dtype = in->dtype;
    out->rank = in->rank;
    memcpy(out->d, in->d, sizeof in->d);
}

int npi_infer_check(const struct npi_view *out, struct np_error *err) {
    if (out->rank < 0 || out->rank > NP_MAX_RANK) return npi_fail(err, NP_EUNSUPPORTED, "the output would have %d dimensions; at most %d", out->rank, NP_MAX_RANK);
    for (int i = 0; i < out->rank; i++)
        if (out->d[i] < 0) return npi_fail(err, NP_ESHAPE, "dimension %d of the output %s is negative", i, npi_dims_text(out).s);
    if (npi_view_bytes(out) >= SIZE_MAX / 4) return npi_fail(err, NP_ELIMIT, "the output %s is too large", npi_dims_text(out).s);
    return 0;
}

int npi_infer_axis(int axis, int rank, int *out, struct np_error *err) {
    if (axis < -rank || axis >= rank) return npi_fail(err, NP_ESHAPE, "axis %d does not exist: the tensor has %d dimensions", axis, rank);
    *out = npi_axis(axis, rank);
    return 0;
}

int npi_infer_dtype(const struct npi_op_args *a, int input, unsigned mask, struct np_error *err) {
    const int t = a->inv[input]->dtype;
    if (t >= 0 && t < NP_DTYPE_COUNT && mask >> t & 1) return 0;
    return npi_fail(err, NP_EUNSUPPORTED, "%s does not take %s (input %d)", npi_op_info[a->node->op].name, np_dtype_name(t), input);
}

int npi_infer_move_q(struct npi_view *out, const struct npi_view *in, int axis_in_out, struct np_error *err) {
    if (in->q.n == 0 || out->q.n > 0) return 0;
    if (in->q.n > 1 && axis_in_out < 0) return npi_fail(err, NP_EUNSUPPORTED, "the input is quantized along axis %d, which this op does not keep", in->q.axis);
    out->q = in->q;
    out->q.axis = in->q.n > 1 ? axis_in_out : 0;
    return 0;
}

int npi_same_q(const struct npi_quant *a, const struct npi_quant *b) {
    if (a->n != b->n || (a->n > 1 && a->axis != b->axis)) return 0;
    for (int i = 0; i < a->n; i++)
        if (a->scale[i] != b->scale[i] || (a->zero ? a->zero[i] : 0) != (b->zero ? b->zero[i] : 0)) return 0;
    return 1;
}

void npi_requant(int dtype, void *p, int64_t off, int64_t n, const struct npi_quant *from, const struct npi_quant *to) {
    const double scale = (double)from->scale[0] / to->scale[0];
    const double z0 = from->zero ? from->zero[0] : 0, z1 = to->zero ? to->zero[0] : 0;
    double b[NPI_BLOCK];
    for (int64_t at = 0; at < n;) {
        const size_t m = n - at < NPI_BLOCK ? (size_t)(n - at) : NPI_BLOCK;
        npi_load_f64(b, dtype, p, off + at, 1, m);
        for (size_t i = 0; i < m; i++) b[i] = round((b[i] - z0) * scale) + z1;
        npi_store_f64(dtype, p, off + at, b, m);
        at += (int64_t)m;
    }
}

void npi_requant_moved(const struct npi_view *out, const struct npi_view *in) {
    if (in->q.n == 1 && out->q.n == 1 && !npi_same_q(&in->q, &out->q)) npi_requant(out->dtype, out->data, 0, npi_view_count(out), &in->q, &out->q);
}
