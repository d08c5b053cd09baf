/* SPDX-License-Identifier: Apache-2.0 */
/* See pixel.h. The C versions are the specification. */
#include "kernel/pixel.h"

#include "cpu/cpu.h"
#include "kernel/arm/arm.h"
#include "kernel/x86/pixel.h"

/* Blocks of 32 columns keep their sums in registers over all rows. */
static void vsum_u8_c(uint16_t *acc, const uint8_t *src, ptrdiff_t stride, const uint16_t *w, int n_rows, int n) {
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        uint16_t a[32] = { 0 };
        for (int r = 0; r < n_rows; r++) {
            const uint8_t *s = src + r * stride + i;
            for (int k = 0; k < 32; k++) a[k] = (uint16_t)(a[k] + w[r] * s[k]);
        }
        for (int k = 0; k < 32; k++) acc[i + k] = a[k];
    }
    for (; i < n; i++) {
        unsigned a = 0;
        for (int r = 0; r < n_rows; r++) a += (unsigned)w[r] * src[r * stride + i];
        acc[i] = (uint16_t)a;
    }
}

static void hpair_u16_c(float *out, const uint16_t *acc, const int32_t *at, const uint16_t *w, int step, int n) {
    for (int i = 0; i < n; i++) {
        const uint16_t *p = acc + (ptrdiff_t)at[i] * step;
        out[i] = (float)((uint32_t)p[0] * (256u - w[i]) + (uint32_t)p[step] * w[i]) * (1.f / 65536);
    }
}

static void line_u8_c(float *out, const uint8_t *src, ptrdiff_t stride, int step, ptrdiff_t last, int32_t u, int32_t v, int32_t du, int32_t dv,
                      int n) {
    for (int i = 0; i < n; i++, u += du, v += dv) {
        const uint8_t *p = src + (v >> 16) * stride + (u >> 16) * step, *q = p + stride;
        const unsigned fx = (unsigned)u >> 8 & 255, fy = (unsigned)v >> 8 & 255;
        const unsigned top = p[0] * (256 - fx) + p[step] * fx, low = q[0] * (256 - fx) + q[step] * fx;
        out[i] = (float)(top * (256 - fy) + low * fy) * (1.f / 65536);
    }
}

void npi_pixel_init(struct npi_pixel *k, unsigned cpu) {
    *k = (struct npi_pixel){ vsum_u8_c, hpair_u16_c, line_u8_c };
#if defined(__x86_64__)
    if (cpu & NPI_CPU_AVX2) npi_pixel_init_avx2(k);
#elif defined(__aarch64__)
    if (cpu & NPI_CPU_NEON) npi_pixel_init_neon(k);
#endif
}
