/* SPDX-License-Identifier: Apache-2.0 */
/* The result is read back by our own importer, and both models see the same made-up picture. Not a measure of accuracy: it finds files that
 * cannot be read or that mean something else. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/convert_priv.h"
#include "backend/model.h"
#include "ops/convert.h"

static const int to_first[4] = { 0, 3, 1, 2 }, to_last[4] = { 0, 2, 3, 1 };

static uint32_t mix(uint32_t x) {
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

/* A pixel of a made-up picture, 0..255: patches of 16 by 16 and some grain. White noise would leave most of a net asleep. */
static double pixel(int64_t y, int64_t x, int64_t c) {
    const uint32_t patch = mix((uint32_t)(y / 16 * 977 + x / 16 * 31 + c + 1)) >> 24, grain = mix((uint32_t)(y * 65537 + x * 3 + c)) >> 27;
    return (double)(patch * 7 / 8 + grain);
}

/* Fills an input: images by the card (pixels as they are where it wants them raw), anything else with small numbers. */
static void fill(void *p, const struct np_tensor_info *t, const struct npi_card *card) {
    const size_t n = t->bytes / np_dtype_size(t->dtype);
    const int image = t->rank == 4 && (t->dims[1] <= 4 || t->dims[3] <= 4), first = image && t->dims[1] <= 4 && t->dims[3] > 4;
    const int real = t->dtype == NP_F32 || t->dtype == NP_F64 || t->dtype == NP_F16 || t->dtype == NP_BF16;
    for (size_t i = 0; i < n; i++) {
        const int64_t k = (int64_t)i;
        int64_t y = 0, x = k, c = 0;
        if (image && first) x = k % t->dims[3], y = k / t->dims[3] % t->dims[2], c = k / (t->dims[3] * t->dims[2]) % t->dims[1];
        else if (image) c = k % t->dims[3], x = k / t->dims[3] % t->dims[2], y = k / (t->dims[3] * t->dims[2]) % t->dims[1];
        double v = pixel(y, x, c);
        if (real && card && card->in.raw == 0) v = (v * (double)card->in.scale - (double)card->in.mean[c % 3]) / (double)card->in.std[c % 3];
        else if (real && !card) v /= 255;
        else if (t->dtype == NP_I8) v -= 128;
        else if (t->dtype == NP_BOOL) v = v > 127;
        npi_put_f64(t->dtype, p, k, v);
    }
}

/* Index in b of element i of a, when b is a with the channels elsewhere; perm: file axis k of b is axis perm[k] of a. */
static int64_t twin(const struct np_tensor_info *a, const int *perm, int64_t i) {
    int64_t at[4], j = 0;
    for (int k = 3; k >= 0; k--) {
        at[k] = i % a->dims[k];
        i /= a->dims[k];
    }
    for (int k = 0; k < 4; k++) j = j * a->dims[perm[k]] + at[perm[k]];
    return j;
}

/* NULL: same shape; a permutation when b is a turned; *fits 0: neither. */
static const int *turned(const struct np_tensor_info *a, const struct np_tensor_info *b, int *fits) {
    *fits = a->rank == b->rank && !memcmp(a->dims, b->dims, sizeof *a->dims * (size_t)a->rank);
    if (*fits || a->rank != 4 || b->rank != 4) return NULL;
    const int *perms[2] = { to_first, to_last };
    for (int p = 0; p < 2; p++) {
        int same = 1;
        for (int k = 0; k < 4; k++) same &= b->dims[k] == a->dims[perms[p][k]];
        if (same) {
            *fits = 1;
            return perms[p];
        }
    }
    return NULL;
}

static size_t elem(const struct np_tensor_info *t) { return np_dtype_size(t->dtype); }

/* Inputs of the second session: the first one's, turned where shapes are. 0: they do not correspond. */
static int feed(struct np_session *a, struct np_session *b, const struct np_model *ma, const struct np_model *mb, const struct npi_card *card) {
    if (np_model_n_inputs(ma) != np_model_n_inputs(mb)) return 0;
    for (int i = 0; i < np_model_n_inputs(ma); i++) {
        struct np_tensor_info ta, tb;
        int fits;
        np_model_input_info(ma, i, &ta);
        np_model_input_info(mb, i, &tb);
        const int *perm = turned(&ta, &tb, &fits);
        char *pa = np_session_input(a, i), *pb = np_session_input(b, i);
        if (!fits || ta.dtype != tb.dtype || ta.bytes != tb.bytes || !pa || !pb) return 0;
        fill(pa, &ta, card);
        for (int64_t k = 0; perm && k < (int64_t)(ta.bytes / elem(&ta)); k++) memcpy(pb + (size_t)twin(&ta, perm, k) * elem(&ta), pa + (size_t)k * elem(&ta), elem(&ta));
        if (!perm) memcpy(pb, pa, ta.bytes);
    }
    return 1;
}

static double distance(const struct np_session *a, const struct np_session *b, const struct np_model *ma, const struct np_model *mb) {
    double worst = 0;
    if (np_model_n_outputs(ma) != np_model_n_outputs(mb)) return INFINITY;
    for (int i = 0; i < np_model_n_outputs(ma); i++) {
        struct np_tensor_info ta, tb;
        int fits;
        np_model_output_info(ma, i, &ta);
        np_model_output_info(mb, i, &tb);
        const int *perm = turned(&ta, &tb, &fits);
        const void *pa = np_session_output(a, i), *pb = np_session_output(b, i);
        if (!fits || !pa || !pb) return INFINITY;
        double norm = 0, off = 0;
        for (int64_t k = 0; k < (int64_t)(ta.bytes / elem(&ta)); k++) {
            const double x = npi_get_f64(ta.dtype, pa, k), y = npi_get_f64(tb.dtype, pb, perm ? twin(&ta, perm, k) : k);
            if (isnan(x) && isnan(y)) continue;
            norm += x * x;
            off += x == y ? 0 : (x - y) * (x - y);
        }
        const double rel = off == 0 ? 0 : norm > 0 ? sqrt(off / norm) : INFINITY;
        if (!(rel <= worst)) worst = rel;
    }
    return worst;
}

int npi_convert_runs(const void *out, size_t out_size, const char *out_path, const struct npi_card *card, struct np_error *err) {
    struct np_model *m = NULL;
    struct np_session *s = NULL;
    struct np_model_params lp;
    struct np_tensor_info t;
    struct np_error e = { 0 };
    np_model_params_default(&lp);
    int r = npi_model_load(&m, out, out_size, out_path, &lp, NULL, &e);
    if (r < 0) return npi_fail(err, NP_EINTERNAL, "%s: not written, because it could not be read back (%s): please report", out_path, e.message);
    r = np_session_open(&s, m, NULL, err);
    for (int i = 0; r >= 0 && np_model_input_info(m, i, &t) >= 0; i++) fill(np_session_input(s, i), &t, card);
    if (r >= 0) r = np_session_run(s, err);
    for (int i = 0; r >= 0 && np_model_output_info(m, i, &t) >= 0; i++)
        for (int64_t k = 0; r >= 0 && k < (int64_t)(t.bytes / elem(&t)); k++)
            if (!isfinite(npi_get_f64(t.dtype, np_session_output(s, i), k)))
                r = npi_fail(err, NP_EINTERNAL, "%s: not written, because its output '%s' is not finite on a made-up picture: a range given or measured does not fit the net", out_path, t.name);
    np_session_free(&s);
    np_model_free(&m);
    return r < 0 ? r : 0;
}

int npi_convert_check(const struct npi_file *in, const char *in_path, const void *out, size_t out_size, const char *out_path, const struct np_convert_params *p, const struct npi_card *card, double *difference,
                      struct np_error *err) {
    struct np_model *ma = NULL, *mb = NULL;
    struct np_session *a = NULL, *b = NULL;
    struct np_model_params lp;
    struct np_error e = { 0 };
    np_model_params_default(&lp);
    lp.input_name = p->input_name;
    lp.rank = p->rank;
    memcpy(lp.dims, p->dims, sizeof lp.dims);
    *difference = -1;
    int r = npi_model_load(&ma, in->data, in->size, in_path, &lp, NULL, err);
    if (r >= 0) {
        np_model_params_default(&lp);
        if ((r = npi_model_load(&mb, out, out_size, out_path, &lp, NULL, &e)) < 0) r = npi_fail(err, NP_EINTERNAL, "%s: not written, because it could not be read back (%s): please report", out_path, e.message);
    }
    if (r >= 0 && (r = np_session_open(&a, ma, NULL, err)) >= 0) r = np_session_open(&b, mb, NULL, err);
    if (r >= 0 && !feed(a, b, ma, mb, card)) r = npi_fail(err, NP_EINTERNAL, "%s: not written, because its inputs are not those of %s: please report", out_path, in_path);
    if (r >= 0 && (r = np_session_run(a, err)) >= 0) r = np_session_run(b, err);
    if (r >= 0) *difference = distance(a, b, ma, mb);
    np_session_free(&a);
    np_session_free(&b);
    np_model_free(&ma);
    np_model_free(&mb);
    return r < 0 ? r : 0;
}
