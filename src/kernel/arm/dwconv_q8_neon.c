/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized depthwise convolution for NEON: 16 channels, differences in int16, smlal. Weights in the order of the C kernel, so any of them fit. */
#include "kernel/arm/arm.h"
#include "kernel/arm/q8_neon.h"

enum { BLOCK = 16 };

INLINE void row(const struct npi_dwconv_q8_row *r, int u8) {
    int off[NPI_DW_Q8_TAPS + 3];
    const int taps = npi_dwconv_q8_offsets(r, off), step = r->sw * r->kh;
    const struct q8_put o = q8_put_init(&r->out);
    const int16x8_t z = vdupq_n_s16((int16_t)r->zx);
    for (int c = 0; c < r->c; c += BLOCK) {
        const char *const block = (const char *)r->w + (size_t)(c / BLOCK) * r->w_block;
        const int32_t *const bias = (const void *)block;
        const int nc = r->c - c < BLOCK ? r->c - c : BLOCK;
        const uint8_t *const *px = r->px;
        for (int i = 0; i < r->n; i++, px += step) {
            const int16_t *w = (const void *)(block + BLOCK * 8);
            int32x4_t acc[4] = { vld1q_s32(bias), vld1q_s32(bias + 4), vld1q_s32(bias + 8), vld1q_s32(bias + 12) };
            for (int t = 0; t < taps; t++, w += BLOCK) {
                const uint8x16_t b = vld1q_u8(px[off[t]] + c);
                const int8x16_t s = vreinterpretq_s8_u8(b);
                const int16x8_t x0 = vsubq_s16(u8 ? vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(b))) : vmovl_s8(vget_low_s8(s)), z);
                const int16x8_t x1 = vsubq_s16(u8 ? vreinterpretq_s16_u16(vmovl_high_u8(b)) : vmovl_high_s8(s), z);
                const int16x8_t w0 = vld1q_s16(w), w1 = vld1q_s16(w + 8);
                acc[0] = vmlal_s16(acc[0], vget_low_s16(x0), vget_low_s16(w0));
                acc[1] = vmlal_high_s16(acc[1], x0, w0);
                acc[2] = vmlal_s16(acc[2], vget_low_s16(x1), vget_low_s16(w1));
                acc[3] = vmlal_high_s16(acc[3], x1, w1);
            }
            q8_put(&o, acc, (const float *)(bias + BLOCK), nc, r->y + (size_t)i * (size_t)r->c + (size_t)c);
        }
    }
}

static void row_neon(const struct npi_dwconv_q8_row *r) {
    if (r->x_u8) row(r, 1);
    else row(r, 0);
}

void npi_dwconv_q8_init_neon(struct npi_dwconv_q8 *d) {
    *d = (struct npi_dwconv_q8){ .name = "dwconv_q8_neon", .row = row_neon, .block = BLOCK, .order = NPI_DW_Q8_C };
}
