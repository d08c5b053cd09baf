/* SPDX-License-Identifier: Apache-2.0 */
/* The float net on real inputs: every tensor an output, so that what flows through can be looked at. Two looks: extremes and channel means first, then
 * histograms between the extremes. Then what the net says on the samples that are held out, to measure errors against. */
#include "quant/priv.h"

#include "base/log.h"

#include <math.h>
#include <string.h>

#define MOST_HELD_OUT 24

static int is_watched(const struct npi_graph *g, int t) { return g->tensor[t].v.dtype == NP_F32 && !g->tensor[t].v.data && g->tensor[t].v.q.n == 0; }

/* The float net with all watched tensors behind its own outputs; watched[] gets them. */
static int open_all(const struct npi_quantizer *q, struct np_model **m, int *watched, int *n_watched, struct np_error *err) {
    struct npi_graph g = q->g;
    struct npi_arena tmp;
    npi_arena_init(&tmp, 0);
    int n = q->n_points;
    int *out = npi_arena_array(&tmp, int, n + g.n_tensors + 1), r = out ? 0 : NP_ENOMEM;
    if (r == 0) {
        memcpy(out, q->point, sizeof *out * (size_t)n);
        for (int t = 0; t < g.n_tensors; t++) {
            if (!is_watched(&g, t) || (q->ix.producer[t] < 0 && t != q->input)) continue;
            watched[n - q->n_points] = t;
            out[n++] = t;
        }
        *n_watched = n - q->n_points;
        g.output = out;
        g.n_outputs = n;
        r = npi_model_of_graph(m, &g, q->isa, 0, err);
    }
    npi_arena_free(&tmp);
    return r;
}

static int conv_reads(const struct npi_quantizer *q, int t) {
    for (int i = 0; i < q->g.n_nodes; i++)
        if (npi_is_conv(&q->g.node[i]) && q->g.node[i].in[0] == t) return 1;
    return 0;
}

/* Sums over all but the last axis; divided at the end. */
static void add_means(float *mean, const float *x, int64_t n, int64_t channels, double share) {
    for (int64_t i = 0; i < n; i += channels)
        for (int64_t c = 0; c < channels; c++) mean[c] += (float)(x[i + c] * share);
}

static void look(struct npi_quantizer *q, const struct np_session *s, const int *watched, int n_watched, int second, int n_samples) {
    for (int i = 0; i < n_watched; i++) {
        const int t = watched[i];
        const struct npi_view *v = &q->g.tensor[t].v;
        const float *x = np_session_output(s, q->n_points + i);
        const int64_t n = npi_view_count(v);
        if (!second) npi_seen_extremes(&q->seen[t], x, n);
        else npi_seen_count(&q->seen[t], x, n);
        const int64_t channels = v->rank ? v->d[v->rank - 1] : 1;
        if (!second && q->mean[t] && n) add_means(q->mean[t], x, n, channels, (double)channels / (double)n / n_samples);
    }
}

static int prepare(struct npi_quantizer *q, const int *watched, int n_watched) {
    for (int i = 0; i < n_watched; i++) {
        const int t = watched[i];
        const struct npi_view *v = &q->g.tensor[t].v;
        npi_seen_init(&q->seen[t]);
        if (!(q->seen[t].hist = npi_arena_array(&q->mem, uint32_t, NPI_QUANT_BINS))) return NP_ENOMEM;
        q->mean[t] = NULL;
        memset(q->range + (size_t)t * (NPI_RANGE_ENTROPY + 1), 0, sizeof *q->range * (NPI_RANGE_ENTROPY + 1));
        if (conv_reads(q, t) && v->rank && !(q->mean[t] = npi_arena_array(&q->mem, float, v->d[v->rank - 1]))) return NP_ENOMEM;
    }
    return 0;
}

static void put_sample(const struct npi_quantizer *q, struct np_session *s, const void *sample) {
    for (int i = 0; i < q->g.n_inputs; i++)
        if (q->g.input[i] == q->input) memcpy(np_session_input(s, i), sample, npi_view_bytes(&q->g.tensor[q->input].v));
}

/* Any output as real numbers. */
static void as_f32(const struct npi_view *v, const void *data, float *y) {
    const int64_t n = npi_view_count(v);
    for (int64_t i = 0; i < n; i++) {
        switch (v->dtype) {
        case NP_F32: y[i] = ((const float *)data)[i]; break;
        case NP_I32: y[i] = (float)((const int32_t *)data)[i]; break;
        case NP_I64: y[i] = (float)((const int64_t *)data)[i]; break;
        case NP_I8: y[i] = ((const int8_t *)data)[i]; break;
        case NP_U8: case NP_BOOL: y[i] = ((const uint8_t *)data)[i]; break;
        default: y[i] = 0; break;
        }
    }
}

static int hold_out(struct npi_quantizer *q, const void *sample, const struct np_session *s) {
    const size_t bytes = npi_view_bytes(&q->g.tensor[q->input].v);
    const int k = q->n_samples;
    if (!(q->sample[k] = npi_arena_alloc(&q->held, bytes))) return NP_ENOMEM;
    memcpy(q->sample[k], sample, bytes);
    for (int o = 0; o < q->n_points; o++) {
        float *y = npi_arena_array(&q->held, float, q->want_n[o] + 1);
        if (!y) return NP_ENOMEM;
        as_f32(&q->g.tensor[q->point[o]].v, np_session_output(s, o), y);
        q->want[k * q->n_points + o] = y;
    }
    q->n_samples++;
    return 0;
}

/* Every fifth, the last one always. */
static int is_held_out(int i, int n) { return (i + 1) % (n <= 5 * MOST_HELD_OUT ? 5 : n / MOST_HELD_OUT) == 0 || (n < 5 && i == n - 1); }

int npi_quantizer_calibrate(struct npi_quantizer *q, const void *const *samples, int n, struct np_error *err) {
    struct np_model *m = NULL;
    struct np_session *s = NULL;
    int n_watched = 0, n_seen = 0;
    if (n < 2) return npi_fail(err, NP_EINVAL, "%s: %d calibration inputs are too few: give a clip or pictures with people in them", q->g.path, n);
    int *watched = npi_arena_array(&q->mem, int, q->g.n_tensors + 1), r = NP_ENOMEM;
    npi_arena_free(&q->held);
    npi_arena_init(&q->held, 0);
    q->n_samples = 0;
    q->sample = npi_arena_array(&q->held, void *, n);
    q->want = npi_arena_array(&q->held, float *, (size_t)n * (size_t)q->n_points + 1);
    if (!watched || !q->sample || !q->want) goto done;
    if ((r = open_all(q, &m, watched, &n_watched, err)) < 0 || (r = np_session_open(&s, m, NULL, err)) < 0) goto done;
    r = prepare(q, watched, n_watched);
    for (int i = 0; i < n; i++) n_seen += !is_held_out(i, n);
    for (int second = 0; second < 2 && r == 0; second++)
        for (int i = 0; i < n && r == 0; i++) {
            const int held = is_held_out(i, n);
            if (held && second) continue;
            put_sample(q, s, samples[i]);
            if ((r = np_session_run(s, err)) < 0) break;
            if (held) r = hold_out(q, samples[i], s);
            else look(q, s, watched, n_watched, second, n_seen);
        }
    if (r == 0) q->n_calibrated = n_seen;
done:
    np_session_free(&s);
    np_model_free(&m);
    return r == NP_ENOMEM ? npi_fail(err, r, "%s: out of memory while calibrating", q->g.path) : r;
}

/* --- errors --- */

struct sums { double d2, y2, z2, yz; };

static void compare(const struct npi_quantizer *q, const struct np_session *s, int k, float *y, struct sums *sum) {
    for (int o = 0; o < q->n_points; o++) {
        const float *want = q->want[k * q->n_points + o];
        as_f32(&q->g.tensor[q->point[o]].v, np_session_output(s, o), y);
        for (int64_t i = 0; i < q->want_n[o]; i++) {
            const double a = want[i], b = y[i];
            if (!isfinite(a)) continue;
            const double d = isfinite(b) ? a - b : 1e6;
            sum[o].d2 += d * d;
            sum[o].y2 += a * a;
            sum[o].z2 += isfinite(b) ? b * b : 0;
            sum[o].yz += isfinite(b) ? a * b : 0;
        }
    }
}

static int measure(struct npi_quantizer *q, const struct npi_graph *g, struct sums *sum, struct np_error *err) {
    struct np_model *m = NULL;
    struct np_session *s = NULL;
    int64_t most = 1;
    for (int o = 0; o < q->n_points; o++) most = q->want_n[o] > most ? q->want_n[o] : most;
    float *y = npi_alloc((size_t)most * sizeof *y);
    int r = y ? npi_model_of_graph(&m, g, q->isa, 1, err) : npi_fail(err, NP_ENOMEM, "%s: out of memory", q->g.path);
    if (r == 0) r = np_session_open(&s, m, NULL, err);
    const int n = q->use_samples && q->use_samples < q->n_samples ? q->use_samples : q->n_samples;
    for (int k = 0; k < n && r == 0; k++) {
        put_sample(q, s, q->sample[k]);
        if ((r = np_session_run(s, err)) == 0) compare(q, s, k, y, sum);
    }
    np_session_free(&s);
    np_model_free(&m);
    npi_free(y);
    return r;
}

int npi_quantizer_error(struct npi_quantizer *q, const struct npi_quant_config *c, struct npi_quant_error *out, struct npi_quant_output_error *outs, struct np_error *err) {
    struct npi_arena mem;
    struct npi_graph g;
    npi_arena_init(&mem, 0);
    struct sums *sum = npi_arena_array(&mem, struct sums, q->n_points + 1);
    const int jumps = q->n_points > q->g.n_outputs;
    int r = sum ? npi_quant_build(q, c, 1, &g, &mem, NULL, err) : npi_fail(err, NP_ENOMEM, "%s: out of memory", q->g.path);
    if (r == 0) r = measure(q, &g, sum, err);
    if (r == 0) *out = (struct npi_quant_error){ 0, 1 };
    for (int o = 0; o < q->n_points && r == 0; o++) {
        const struct sums *s = &sum[o];
        const double rel = s->y2 > 0 ? sqrt(s->d2 / s->y2) : sqrt(s->d2), cosine = s->y2 > 0 && s->z2 > 0 ? s->yz / sqrt(s->y2 * s->z2) : s->d2 == 0;
        if (outs && o < q->g.n_outputs) outs[o] = (struct npi_quant_output_error){ q->g.tensor[q->g.output[o]].name, rel, cosine, rel > 0 ? -20 * log10(rel) : 200 };
        if (jumps ? o < q->g.n_outputs : o < 32 && !(q->out_mask >> o & 1)) continue;
        out->relative = fmax(out->relative, rel);
        out->cosine = fmin(out->cosine, cosine);
    }
    npi_arena_free(&mem);
    return r;
}
