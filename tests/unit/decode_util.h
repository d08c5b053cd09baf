/* SPDX-License-Identifier: Apache-2.0 */
/* What the decode tests share: outputs of given shapes, a decoder on them, and comparisons that print both values. */
#ifndef NPI_TESTS_DECODE_UTIL_H
#define NPI_TESTS_DECODE_UTIL_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "decode/head.h"

#define NEAR(got, want, tol)                                                                               \
    do {                                                                                                   \
        const double g_ = (double)(got), w_ = (double)(want);                                              \
        if (!(fabs(g_ - w_) <= (tol))) fail_msg("%s: got %.7g, want %.7g +- %g", #got, g_, w_, (double)(tol)); \
    } while (0)

struct outs { int n; struct npi_view v[4]; const void *data[4]; };

static inline float *out_add(struct outs *o, int rank, int64_t a, int64_t b, int64_t c, int64_t d) {
    struct npi_view *v = &o->v[o->n];
    const int64_t dims[4] = { a, b, c, d };
    memset(v, 0, sizeof *v);
    v->dtype = NP_F32;
    v->rank = rank;
    memcpy(v->d, dims, sizeof dims);
    float *p = calloc((size_t)npi_view_count(v), sizeof *p);
    assert_non_null(p);
    o->data[o->n++] = p;
    return p;
}

static inline void outs_free(struct outs *o) {
    for (int i = 0; i < o->n; i++) free((void *)(uintptr_t)o->data[i]);
    o->n = 0;
}

static inline struct npi_decoder *open_card(const struct npi_card *c, const struct outs *o, int w, int h) {
    struct npi_decoder *d = NULL;
    struct np_error e = { 0 };
    if (npi_decoder_open(&d, c, o->v, o->n, w, h, &e) < 0) fail_msg("%s", e.message);
    return d;
}

static inline void expect_box(const struct npi_det *d, double x0, double y0, double x1, double y1, double score) {
    NEAR(d->x0, x0, 1e-3); NEAR(d->y0, y0, 1e-3); NEAR(d->x1, x1, 1e-3); NEAR(d->y1, y1, 1e-3);
    NEAR(d->score, score, 1e-5);
}
#endif
