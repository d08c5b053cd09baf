/* SPDX-License-Identifier: Apache-2.0 */
/* 8-bit GEMM: the C kernel, which is what all levels must equal, and the packing of weights for any of them. */
#include "kernel/gemm_q8.h"

#include <string.h>

#include "cpu/cpu.h"
#include "kernel/arm/arm.h"
#include "kernel/gemm_q8_pairs.h"

enum { C_NR = 16 };

static void copy_a_c(const struct npi_gemm_q8_copy *c) {
    for (int i = 0; i < c->pixels; i++)
        for (int r = 0; r < c->rows; r++) {
            const uint8_t *const s = c->src + (size_t)i * c->pixel_step + (size_t)r * c->row_step;
            int16_t *const d = (int16_t *)(void *)((char *)c->dst + (size_t)i * c->lda) + (size_t)r * c->n;
            if (c->is_u8)
                for (size_t j = 0; j < c->n; j++) d[j] = (int16_t)(s[j] - c->zx);
            else
                for (size_t j = 0; j < c->n; j++) d[j] = (int16_t)((int8_t)s[j] - c->zx);
        }
}

static void tile_c(const struct npi_gemm_q8_tile *t) {
    const int32_t *const bias = t->panel;
    const float *const scale = (const float *)(bias + C_NR);
    const int16_t *const w = (const int16_t *)(scale + C_NR);
    for (int r = 0; r < t->rows; r++) {
        const int16_t *const a = (const int16_t *)(const void *)((const char *)t->a + (size_t)r * t->lda);
        uint32_t acc[C_NR]; /* wraps as the vector levels do; in range for any layer the binder takes */
        for (int c = 0; c < C_NR; c++) acc[c] = (uint32_t)bias[c] + (t->row ? (uint32_t)t->row[r] : 0);
        for (int k = 0; k < t->groups; k++)
            for (int c = 0; c < C_NR; c++) acc[c] += (uint32_t)(a[k] * w[k * C_NR + c]);
        for (int c = 0; c < t->nc; c++) {
            t->y[(size_t)r * t->ldy + (size_t)c] = npi_q8_byte(&t->out, (int32_t)acc[c], scale[c]);
        }
    }
}

void npi_gemm_q8_init(struct npi_gemm_q8 *g, struct npi_gemm_q8 *wide, unsigned cpu) {
    *g = *wide = (struct npi_gemm_q8){ .name = "gemm_q8_1x16_c", .tile = tile_c, .copy_a = copy_a_c, .nr = C_NR, .granule = C_NR, .kr = 1, .a_bytes = 2 };
#if defined(__x86_64__)
    npi_gemm_q8_init_x86(g, wide, cpu);
#elif defined(__aarch64__)
    if (cpu & NPI_CPU_NEON) npi_gemm_q8_init_neon(g);
    if (cpu & NPI_CPU_DOTPROD) npi_gemm_q8_init_dotprod(g);
    if (cpu & NPI_CPU_I8MM) npi_gemm_q8_init_i8mm(g);
    *wide = *g;
#endif
}

int npi_gemm_q8_width(const struct npi_gemm_q8 *g, int n, int panel) {
    const int left = n - panel * g->nr;
    return left >= g->nr ? g->nr : (left + g->granule - 1) / g->granule * g->granule;
}

static size_t weight_bytes(const struct npi_gemm_q8 *g, int k, int width) {
    return (size_t)npi_gemm_q8_groups(g, k) * (size_t)g->kr * (size_t)width * (size_t)g->a_bytes;
}

size_t npi_gemm_q8_panel_room(const struct npi_gemm_q8 *g, int n, int k, int panel) {
    const int width = npi_gemm_q8_width(g, n, panel);
    if (g->pairs) return npi_gemm_q8_pairs_room(k, width);
    return (weight_bytes(g, k, width) + (size_t)width * 8 + 63) / 64 * 64;
}

int npi_gemm_q8_slot(const struct npi_gemm_q8 *g, int width, int c) {
    if (g->nr == g->granule) return c;
    const int lanes = g->granule / 4;                 /* 128-bit lanes of a vector */
    const int odd = width == 3 * g->granule;          /* three vectors: two together, one by itself */
    const int base = odd ? c / (2 * g->granule) * 2 * g->granule : 0;
    const int span = !odd ? width : base ? g->granule : 2 * g->granule;
    const int i = c - base, in_lane = span / lanes;   /* channels of the result that come from one lane */
    return base + i % in_lane / 4 * g->granule + i / in_lane * 4 + i % 4;
}

int npi_gemm_q8_row_factor(const struct npi_gemm_q8 *g, const struct npi_gemm_q8_layer *l) {
    return g->a_bytes == 1 ? (l->w_u8 ? 128 - l->zw : -l->zw) : 0;
}

void npi_gemm_q8_row_sums(int32_t *row, const void *a, size_t lda, int rows, int k, int factor, int zx_u8) {
    for (int r = 0; r < rows; r++) {
        const uint8_t *const p = (const uint8_t *)a + (size_t)r * lda;
        uint32_t s = 0;
        for (int i = 0; i < k; i++) s += p[i];
        row[r] = (int32_t)((uint32_t)factor * (s - (uint32_t)k * (uint32_t)zx_u8));
    }
}

int npi_gemm_q8_fits(const struct npi_gemm_q8 *g, const struct npi_gemm_q8_layer *l, void *room) {
    if (!g->pairs) return 1;
    const int at[] = { 0, npi_gemm_q8_panels(g, l->n) / 2 }; /* two panels speak for all */
    for (int i = 0; i < 2; i++) {
        npi_gemm_q8_pack(g, room, l, at[i]);
        if (!npi_gemm_q8_pairs_pay(room, l->k)) return 0;
    }
    return 1;
}

size_t npi_gemm_q8_pack(const struct npi_gemm_q8 *g, void *dst, const struct npi_gemm_q8_layer *l, int panel) {
    const int width = npi_gemm_q8_width(g, l->n, panel), c0 = panel * g->nr;
    const int zx_u8 = l->x_u8 ? l->zx : l->zx + 128, zx = g->a_signed ? zx_u8 - 128 : zx_u8;
    if (g->pairs) return npi_gemm_q8_pairs_pack(g, dst, l, c0, width);
    const size_t bytes = npi_gemm_q8_panel_room(g, l->n, l->k, panel);
    memset(dst, 0, bytes);
    int32_t *const bias = dst;
    float *const scale = (float *)(bias + width);
    char *const out = (char *)(scale + width);
    for (int c = 0; c < width && c0 + c < l->n; c++) {
        const int slot = npi_gemm_q8_slot(g, width, c);
        const uint8_t *const w = (const uint8_t *)l->w + (size_t)(c0 + c) * (size_t)l->k;
        uint32_t sum = 0;
        for (int k = 0; k < l->k; k++) {
            const int v = l->w_u8 ? w[k] : (int8_t)w[k];
            const size_t at = ((size_t)(k / g->kr) * (size_t)width + (size_t)slot) * (size_t)g->kr + (size_t)(k % g->kr);
            if (g->a_bytes == 1) {
                const int8_t s = (int8_t)(l->w_u8 ? v - 128 : v);
                sum += (uint32_t)s;
                memcpy(out + at, &s, 1);
            } else {
                const int16_t s = (int16_t)(v - l->zw);
                memcpy(out + at * 2, &s, 2);
            }
        }
        bias[slot] = (int32_t)((l->bias ? (uint32_t)l->bias[c0 + c] : 0) - sum * (uint32_t)zx);
        scale[slot] = l->scale[c0 + c];
    }
    return bytes;
}
