/* SPDX-License-Identifier: Apache-2.0 */
/* f32 depthwise convolution for AVX-512: 16 pixels x 16 channels and one row of weights in the 32 registers. A last
 * block of 8 channels or fewer uses ymm registers: half the time on Zen 4, where a 512-bit FMA takes two cycles. */
#include "kernel/dwconv_f32.h"
#include "kernel/x86/simd_avx512.h"

#define DW_16
#define WS 16
#define V f32x16
#define VN(op) f32x16_##op
#define VL 16
#define TN(name) name##_16
#include "kernel/x86/dwconv_f32_tmpl.h"
#undef V
#undef VN
#undef VL
#undef TN
#undef TILE
#undef TILES
#undef DW_ENTRY
#define V f32x8
#undef DW_16 /* 8 pixels are enough for ymm; 40 KiB less code */
#define VN(op) f32x8_##op
#define VL 8
#define TN(name) name##_8
#define DW_NO_GROUP
#include "kernel/x86/dwconv_f32_tmpl.h"

static void dwconv_f32_avx512(const struct npi_dwconv_f32_job *j) {
    const size_t taps = (size_t)(j->kh * j->kw);
    const int tail = (j->c1 - j->c0) % 16, zmm_end = tail && tail <= 8 ? j->c1 - tail : j->c1, group = dw_group_16(j);
    for (int c = j->c0; c < zmm_end; c += group) dw_blocks_16(j, c, zmm_end - c < group ? zmm_end : c + group, j->wgt + (size_t)c * taps, j->bias + c);
    if (zmm_end < j->c1) dw_blocks_8(j, zmm_end, j->c1, j->wgt + (size_t)zmm_end * taps, j->bias + zmm_end);
}

void npi_dwconv_f32_init_avx512(struct npi_dwconv_f32 *d) {
    *d = (struct npi_dwconv_f32){ "dwconv_f32_16x16_avx512", 16, dwconv_f32_avx512 };
}
