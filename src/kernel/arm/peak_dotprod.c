/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/arm/peak.h"

#define SDOT(c, a, b) vdotq_s32(c, vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b))
NPI_PEAK_LOOP(npi_peak_sdot, NPI_PEAK_STEPS, NPI_PEAK_SDOT_MR, NPI_PEAK_SDOT_NV, int32x4_t, SDOT)
