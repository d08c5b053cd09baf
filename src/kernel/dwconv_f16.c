/* SPDX-License-Identifier: Apache-2.0 */
/* The C depthwise convolution in halves, which is the specification, the packing, and the choice of the level. */
#include "kernel/dwconv_f16.h"
#include "base/half.h"
#include "cpu/cpu.h"

enum { VL = 8 };

static float half(float x) { return npi_f16_to_f32(npi_f32_to_f16(x > 65504 ? 65504 : x < -65504 ? -65504 : x)); }

static void pixel(const struct npi_dwconv_f16_job *p, int oy, int ox, int c) {
    const struct npi_dwconv_f32_job *const j = &p->f;
    const uint16_t *w = p->wgt + (size_t)(c / VL) * (size_t)(j->kh * j->kw) * VL + c % VL;
    const size_t o = ((size_t)oy * (size_t)j->ow + (size_t)ox) * (size_t)j->c + (size_t)c;
    float s = 0;
    for (int ky = 0; ky < j->kh; ky++)
        for (int kx = 0; kx < j->kw; kx++) {
            const int y = oy * j->sh - j->pt + ky, x = ox * j->sw - j->pl + kx;
            if (y < 0 || y >= j->h || x < 0 || x >= j->w) continue;
            const float in = half(j->x[((size_t)y * (size_t)j->w + (size_t)x) * (size_t)j->ldx + (size_t)c]);
            s = npi_f16_to_f32(npi_f64_to_f16((double)in * (double)npi_f16_to_f32(w[(ky * j->kw + kx) * VL]) + (double)s));
        }
    s = s * p->scale[c] + j->bias[c];
    const float v = npi_kact_c(&j->act, j->res && j->res_before_act ? s + j->res[o] : s);
    j->y[o] = j->res && !j->res_before_act ? v + j->res[o] : v;
}

static void run_c(const struct npi_dwconv_f16_job *j) {
    for (int oy = j->f.y0; oy < j->f.y1; oy++)
        for (int ox = 0; ox < j->f.ow; ox++)
            for (int c = j->f.c0; c < j->f.c1; c++) pixel(j, oy, ox, c);
}

int npi_dwconv_f16_pack(const struct npi_dwconv_f16 *d, uint16_t *dst, float *scale, const float *w, int taps, int c) {
    for (int c0 = 0; c0 < c; c0 += d->vl)
        for (int i = 0; i < d->vl; i++) {
            const int at = c0 + i;
            double sum = 0;
            int e = -1; /* of a channel of zeros: scale 1 */
            for (int t = 0; t < taps && at < c; t++) sum += fabs((double)w[(size_t)t * (size_t)c + (size_t)at]);
            if (!(sum < 0x1p126)) return 0;
            if (sum > 0) frexp(sum, &e);
            if (e < -126) e = -126; /* the scale stays a normal number */
            scale[at] = (float)ldexp(1, e + 1);
            for (int t = 0; t < taps; t++)
                dst[(size_t)(c0 * taps + t * d->vl + i)] = at < c ? npi_f64_to_f16(ldexp((double)w[(size_t)t * (size_t)c + (size_t)at], -e - 1)) : 0;
        }
    return 1;
}

void npi_dwconv_f16_init(struct npi_dwconv_f16 *d, unsigned cpu) {
    *d = (struct npi_dwconv_f16){ "dwconv_f16_c", VL, 0, run_c, 0 };
#if defined(__x86_64__)
    if (cpu & NPI_CPU_AVX2) npi_dwconv_f16_init_avx2(d);
    if (cpu & NPI_CPU_AVX512_FP16) npi_dwconv_f16_init_avx512_fp16(d);
#endif
}
