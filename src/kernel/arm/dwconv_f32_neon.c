/* SPDX-License-Identifier: Apache-2.0 */
/* f32 depthwise convolution for NEON: 8 pixels x 4 channels and one row of weights in registers, 16 pixels where the row is long. */
#include "kernel/arm/arm.h"
#include "kernel/arm/simd_neon.h"

#define V f32x4
#define VN(op) f32x4_##op
#define VL 4
#define WS 4
#define DW_16
#define TN(name) name##_4
#include "kernel/x86/dwconv_f32_tmpl.h"

static void dwconv_f32_neon(const struct npi_dwconv_f32_job *j) {
    const size_t taps = (size_t)(j->kh * j->kw);
    const int group = dw_group_4(j);
    for (int c = j->c0; c < j->c1; c += group) dw_blocks_4(j, c, j->c1 - c < group ? j->c1 : c + group, j->wgt + (size_t)c * taps, j->bias + c);
}

void npi_dwconv_f32_init_neon(struct npi_dwconv_f32 *d) { *d = (struct npi_dwconv_f32){ "dwconv_f32_16x4_neon", 4, dwconv_f32_neon }; }
