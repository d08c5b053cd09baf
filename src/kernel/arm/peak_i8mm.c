/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/arm/peak.h"

#define USMMLA(c, a, b) vusmmlaq_s32(c, a, vreinterpretq_s8_u8(b))
NPI_PEAK_LOOP(npi_peak_usmmla, NPI_PEAK_STEPS, NPI_PEAK_MMLA_MR, NPI_PEAK_MMLA_NV, int32x4_t, USMMLA)
