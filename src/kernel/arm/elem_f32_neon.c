/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise work on floats for NEON: elem_f32_tmpl.h with four lanes. */
#include <math.h>

#include "kernel/arm/arm.h"
#include "kernel/arm/simd_neon.h"

#define V f32x4
#define VN(op) f32x4_##op
#define VL 4
#define KEEP_NAN(x, r) vbslq_f32(vceqq_f32(x, x), r, x)
#define SQRT(x) vsqrtq_f32(x)
#define FLOOR(x) vrndmq_f32(x)
#define CEIL(x) vrndpq_f32(x)
#define NEG(x) vnegq_f32(x)
#define HMAX vmaxvq_f32
#define HSUM vaddvq_f32
#include "kernel/x86/elem_f32_tmpl.h"

void npi_elem_f32_init_neon(struct npi_elem_f32 *k) { *k = table; }
