/* SPDX-License-Identifier: Apache-2.0 */
/* The C depthwise convolution, the packing, and the choice of the level. */
#include "kernel/dwconv_f32.h"
#include "cpu/cpu.h"
#include "kernel/arm/arm.h"

enum { VL = 8 };

static void pixel(const struct npi_dwconv_f32_job *j, int oy, int ox, int c) {
    const float *w = j->wgt + (size_t)(c / VL) * (size_t)(j->kh * j->kw) * VL + c % VL;
    const size_t o = ((size_t)oy * (size_t)j->ow + (size_t)ox) * (size_t)j->c + (size_t)c;
    float s = j->bias[c];
    for (int ky = 0; ky < j->kh; ky++)
        for (int kx = 0; kx < j->kw; kx++) {
            const int y = oy * j->sh - j->pt + ky * j->dh, x = ox * j->sw - j->pl + kx * j->dw;
            if (y < 0 || y >= j->h || x < 0 || x >= j->w) continue;
            s += j->x[((size_t)y * (size_t)j->w + (size_t)x) * (size_t)j->ldx + (size_t)c] * w[(ky * j->kw + kx) * VL];
        }
    const float v = npi_kact_c(&j->act, j->res && j->res_before_act ? s + j->res[o] : s);
    j->y[o] = j->res && !j->res_before_act ? v + j->res[o] : v;
}

static void run_c(const struct npi_dwconv_f32_job *j) {
    for (int oy = j->y0; oy < j->y1; oy++)
        for (int ox = 0; ox < j->ow; ox++)
            for (int c = j->c0; c < j->c1; c++) pixel(j, oy, ox, c);
}

void npi_dwconv_f32_pack(const struct npi_dwconv_f32 *d, float *dst, const float *w, int taps, int c) {
    for (int c0 = 0; c0 < c; c0 += d->vl)
        for (int t = 0; t < taps; t++)
            for (int i = 0; i < d->vl; i++) *dst++ = c0 + i < c ? w[(size_t)t * (size_t)c + (size_t)(c0 + i)] : 0;
}

void npi_dwconv_f32_init(struct npi_dwconv_f32 *d, unsigned cpu) {
    *d = (struct npi_dwconv_f32){ "dwconv_f32_c", VL, run_c };
#if defined(__x86_64__)
    if (cpu & NPI_CPU_AVX2) npi_dwconv_f32_init_avx2(d);
    if (cpu & NPI_CPU_AVX512) npi_dwconv_f32_init_avx512(d);
#elif defined(__aarch64__)
    if (cpu & NPI_CPU_NEON) npi_dwconv_f32_init_neon(d);
#endif
}
