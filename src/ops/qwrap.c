/* SPDX-License-Identifier: Apache-2.0 */
/* Runs an op that knows only real numbers on quantized operands: dequantize each, run in f32, apply the activation,
 * quantize the outputs. Exact to one quantization step by construction.
 *
 *   scratch: | shadow views of inputs | pointers to them | shadow views of outputs | f32 inputs | f32 outputs | the op's own |
 *
 * An output whose hint carries an integer type and parameters keeps them; any other f32 output becomes f32. */
#include <stdio.h>

#include "ops/quantize.h"

#define MAX_OUT 4

/* Views and argument block of the inner run, laid out in one block of memory. */
struct shadow {
    struct npi_op_args a;
    struct npi_view *in, *out;
    const struct npi_view **inv;
};

static size_t head_bytes(const struct npi_op_args *a) {
    return npi_align_up((size_t)a->n_in * (sizeof(struct npi_view) + sizeof(void *)) + MAX_OUT * sizeof(struct npi_view), NPI_ALIGN);
}
static size_t f32_bytes(const struct npi_view *v) { return npi_align_up((size_t)npi_view_count(v) * sizeof(float), NPI_ALIGN); }

/* `block` has head_bytes(). Quantized inputs turn into f32 views without data, quantized outputs too. */
static void shadow_init(struct shadow *s, const struct npi_op_args *a, void *block) {
    s->a = *a;
    s->in = block;
    s->out = s->in + a->n_in;
    s->inv = (const struct npi_view **)(void *)(s->out + MAX_OUT);
    for (int i = 0; i < a->n_in; i++) {
        s->inv[i] = NULL;
        if (a->inv[i]) {
            s->in[i] = *a->inv[i];
            s->in[i].q = (struct npi_quant){ 0 };
            if (npi_q_is(a->inv[i])) s->in[i].dtype = NP_F32, s->in[i].data = NULL;
            s->inv[i] = &s->in[i];
        }
        if (i < 8) s->a.in[i] = s->inv[i];
    }
    s->a.inv = s->inv;
    for (int i = 0; i < a->n_out && i < MAX_OUT; i++) {
        if (!a->out[i]) continue;
        s->out[i] = *a->out[i];
        s->out[i].q = (struct npi_quant){ 0 };
        if (npi_q_is(a->out[i])) s->out[i].dtype = NP_F32, s->out[i].data = NULL;
        s->a.out[i] = &s->out[i];
    }
    s->a.scratch = NULL;
}

int npi_qwrap_infer(const struct npi_op_def *d, const struct npi_op_args *a, struct np_error *err) {
    for (int i = 0; i < a->n_in; i++) {
        if (!npi_q_is(a->inv[i])) continue;
        char what[32];
        snprintf(what, sizeof what, "input %d", i);
        const int r = npi_q_check(a->inv[i], 1, what, err);
        if (r < 0) return r;
        /* Shapes would depend on values that do not exist yet. The boxes' anchors are the exception: they are only used when running. */
        if (i < 32 && npi_op_info[d->op].const_in >> i & 1 && d->op != NPI_OP_DETECTION_POSTPROCESS)
            return npi_fail(err, NP_EUNSUPPORTED, "input %d is quantized", i);
    }
    void *block = npi_alloc(head_bytes(a));
    if (!block) return npi_fail(err, NP_ENOMEM, "out of memory");
    struct shadow s;
    shadow_init(&s, a, block);
    int r = d->infer(&s.a, err);
    for (int i = 0; i < a->n_out && i < MAX_OUT && r >= 0; i++) {
        struct npi_view *y = a->out[i];
        if (!y) continue;
        y->rank = s.out[i].rank;
        memcpy(y->d, s.out[i].d, sizeof y->d);
        if (s.out[i].dtype == NP_F32 && npi_q_is(y)) r = npi_q_check(y, 1, "output", err);
        else y->dtype = s.out[i].dtype, y->q = (struct npi_quant){ 0 };
    }
    npi_free(block);
    return r;
}

size_t npi_qwrap_scratch(const struct npi_op_def *d, const struct npi_op_args *a) {
    size_t n = head_bytes(a);
    for (int i = 0; i < a->n_in; i++)
        if (npi_q_is(a->inv[i])) n += f32_bytes(a->inv[i]);
    for (int i = 0; i < a->n_out && i < MAX_OUT; i++)
        if (npi_q_is(a->out[i])) n += f32_bytes(a->out[i]);
    if (!d->scratch) return n;
    void *block = npi_alloc(head_bytes(a));
    if (!block) return SIZE_MAX / 4; /* the caller's allocation fails, which says it */
    struct shadow s;
    shadow_init(&s, a, block);
    n += d->scratch(&s.a);
    npi_free(block);
    return n;
}

/* The scale of element i: q.n > 1 follows q.axis. */
static int64_t channel(const struct npi_view *v, int64_t inner, int64_t i) { return v->q.n > 1 ? i / inner % v->q.n : 0; }
static int64_t inner_of(const struct npi_view *v) {
    int64_t n = 1;
    for (int i = v->q.axis + 1; v->q.n > 1 && i < v->rank; i++) n *= v->d[i];
    return n;
}

/* The common case, one scale and 8 or 16 bits, in loops that compilers turn into vectors: a division, a clamp, and rounding by
 * adding 1.5 * 2^23, which is rint for numbers this small. The results are those of npi_dequantize and npi_quantize. */
#define PLAIN(type, name)                                                                                                \
    static void to_##name(const type *x, float *y, int64_t n, float scale, int32_t zero) {                               \
        for (int64_t i = 0; i < n; i++) y[i] = (float)(x[i] - zero) * scale;                                             \
    }                                                                                                                    \
    static void from_##name(type *y, const float *x, int64_t n, float scale, int32_t zero, int32_t lo, int32_t hi) {     \
        const float a = (float)(lo - zero), b = (float)(hi - zero), magic = 12582912.f;                                  \
        for (int64_t i = 0; i < n; i++) {                                                                                \
            float v = x[i] / scale;                                                                                      \
            v = v > a ? v : a;                                                                                           \
            v = v < b ? v : b;                                                                                           \
            y[i] = (type)((int32_t)((v + magic) - magic) + zero);                                                        \
        }                                                                                                                \
    }
PLAIN(int8_t, i8)
PLAIN(uint8_t, u8)
PLAIN(int16_t, i16)

static void to_f32(const struct npi_view *v, float *y) {
    const int64_t n = npi_view_count(v), inner = inner_of(v);
    const float scale = npi_q_scale(v, 0);
    const int32_t zero = npi_q_zero(v, 0);
    if (v->q.n == 1 && v->dtype == NP_I8) to_i8(v->data, y, n, scale, zero);
    else if (v->q.n == 1 && v->dtype == NP_U8) to_u8(v->data, y, n, scale, zero);
    else if (v->q.n == 1 && v->dtype == NP_I16) to_i16(v->data, y, n, scale, zero);
    else
        for (int64_t i = 0; i < n; i++) {
            const int64_t c = channel(v, inner, i);
            y[i] = npi_dequantize(npi_get_int(v->data, v->dtype, i), npi_q_scale(v, c), npi_q_zero(v, c));
        }
}

static void from_f32(const struct npi_view *v, const float *x) {
    const int64_t n = npi_view_count(v), inner = inner_of(v);
    const float scale = npi_q_scale(v, 0);
    const int32_t zero = npi_q_zero(v, 0);
    int32_t lo, hi;
    npi_q_range(v->dtype, &lo, &hi);
    if (v->q.n == 1 && v->dtype == NP_I8) from_i8(v->data, x, n, scale, zero, lo, hi);
    else if (v->q.n == 1 && v->dtype == NP_U8) from_u8(v->data, x, n, scale, zero, lo, hi);
    else if (v->q.n == 1 && v->dtype == NP_I16) from_i16(v->data, x, n, scale, zero, lo, hi);
    else
        for (int64_t i = 0; i < n; i++) {
            const int64_t c = channel(v, inner, i);
            npi_set_int(v->data, v->dtype, i, npi_quantize(x[i], npi_q_scale(v, c), npi_q_zero(v, c), lo, hi));
        }
}

void npi_qwrap_eval(const struct npi_op_def *d, const struct npi_op_args *a) {
    char *p = a->scratch;
    struct shadow s;
    shadow_init(&s, a, p);
    p += head_bytes(a);
    for (int i = 0; i < a->n_in; i++) {
        if (!npi_q_is(a->inv[i])) continue;
        s.in[i].data = p;
        to_f32(a->inv[i], s.in[i].data);
        p += f32_bytes(a->inv[i]);
    }
    for (int i = 0; i < a->n_out && i < MAX_OUT; i++) {
        if (!npi_q_is(a->out[i])) continue;
        s.out[i].data = p;
        p += f32_bytes(a->out[i]);
    }
    s.a.scratch = p;
    d->eval(&s.a);
    if (a->node->act.kind && !(d->flags & NPI_OPF_ACT) && s.out[0].dtype == NP_F32)
        npi_act_apply_f32(&a->node->act, s.out[0].data, (size_t)npi_view_count(&s.out[0]));
    for (int i = 0; i < a->n_out && i < MAX_OUT; i++)
        if (npi_q_is(a->out[i])) from_f32(a->out[i], s.out[i].data);
}
