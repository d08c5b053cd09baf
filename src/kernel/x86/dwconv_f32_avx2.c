/* SPDX-License-Identifier: Apache-2.0 */
/* f32 depthwise convolution for AVX2 + FMA: 8 pixels x 8 channels and one row of weights in the 16 registers. */
#include "kernel/dwconv_f32.h"
#include "kernel/x86/simd_avx2.h"

#define V f32x8
#define VN(op) f32x8_##op
#define VL 8
#define WS 8
#define TN(name) name##_8
#include "kernel/x86/dwconv_f32_tmpl.h"

static void dwconv_f32_avx2(const struct npi_dwconv_f32_job *j) {
    const size_t taps = (size_t)(j->kh * j->kw);
    const int group = dw_group_8(j);
    for (int c = j->c0; c < j->c1; c += group) dw_blocks_8(j, c, j->c1 - c < group ? j->c1 : c + group, j->wgt + (size_t)c * taps, j->bias + c);
}

void npi_dwconv_f32_init_avx2(struct npi_dwconv_f32 *d) {
    *d = (struct npi_dwconv_f32){ "dwconv_f32_8x8_avx2", 8, dwconv_f32_avx2 };
}
