/* SPDX-License-Identifier: Apache-2.0 */
/* Peak loops of plain NEON, the reader, and the list of ARM. */
#include "cpu/cpu.h"
#include "kernel/arm/peak.h"

#define FMLA(c, a, b) vfmaq_f32(c, vreinterpretq_f32_u8(a), vreinterpretq_f32_u8(b))
/* Two instructions: both halves of the int16 operands. */
#define SMLAL(c, a, b) vmlal_high_s16(vmlal_s16(c, vget_low_s16(vreinterpretq_s16_u8(a)), vget_low_s16(vreinterpretq_s16_u8(b))), vreinterpretq_s16_u8(a), vreinterpretq_s16_u8(b))
static NPI_PEAK_LOOP(fmla, NPI_PEAK_STEPS, 6, 4, float32x4_t, FMLA)
static NPI_PEAK_LOOP(smlal, NPI_PEAK_STEPS, 6, 4, int32x4_t, SMLAL)

static uint64_t read_neon(const void *p, size_t bytes) {
    const uint8_t *const x = p;
    uint8x16_t s[8];
    for (int k = 0; k < 8; k++) s[k] = vdupq_n_u8(0);
    for (size_t i = 0; i < bytes; i += 128)
        for (int k = 0; k < 8; k++) s[k] = veorq_u8(s[k], vld1q_u8(x + i + k * 16));
    for (int k = 1; k < 8; k++) s[0] = veorq_u8(s[0], s[k]);
    return vgetq_lane_u64(vreinterpretq_u64_u8(s[0]), 0) ^ vgetq_lane_u64(vreinterpretq_u64_u8(s[0]), 1);
}

/* OPS: products of one instruction's result vector, times two. */
#define OPS(MR, NV, PRODUCTS) (2. * (MR) * (NV) * (PRODUCTS) * NPI_PEAK_STEPS)
static const struct npi_peak_kernel kernels[] = {
    { "neon", "fp32", "fmla 4s", NPI_CPU_NEON, NPI_PEAK_F32, OPS(6, 4, 4), fmla },
    { "neon", "int16", "smlal, smlal2 4s", NPI_CPU_NEON, NPI_PEAK_I16, OPS(6, 4, 8), smlal },
    { "dotprod", "int8", "sdot 4s", NPI_CPU_DOTPROD, NPI_PEAK_I8, OPS(NPI_PEAK_SDOT_MR, NPI_PEAK_SDOT_NV, 16), npi_peak_sdot },
    { "i8mm", "int8", "usmmla 4s", NPI_CPU_I8MM, NPI_PEAK_I8, OPS(NPI_PEAK_MMLA_MR, NPI_PEAK_MMLA_NV, 32), npi_peak_usmmla },
};
_Static_assert(NPI_PEAK_STEPS * (6 + 4) * 16 <= NPI_PEAK_BYTES && NPI_PEAK_STEPS * (NPI_PEAK_MMLA_MR + NPI_PEAK_MMLA_NV) * 16 <= NPI_PEAK_BYTES, "operands do not fit");

const struct npi_peak_kernel *npi_peak_kernel_arch(int i) { return i >= 0 && i < (int)(sizeof kernels / sizeof *kernels) ? &kernels[i] : NULL; }
npi_peak_read_fn npi_peak_read_arch(unsigned cpu) { return cpu & NPI_CPU_NEON ? read_neon : NULL; }
