/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise work on floats for AVX-512: elem_f32_tmpl.h with sixteen lanes. */
#include <math.h>

#include "kernel/x86/elem_f32.h"
#include "kernel/x86/simd_avx512.h"

#define V f32x16
#define VN(op) f32x16_##op
#define VL 16
#define KEEP_NAN(x, r) _mm512_mask_mov_ps(r, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x)
#define SQRT(x) _mm512_sqrt_ps(x)
#define FLOOR(x) _mm512_roundscale_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)
#define CEIL(x) _mm512_roundscale_ps(x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)
#define NEG(x) _mm512_xor_ps(x, _mm512_set1_ps(-0.f))
#define HMAX _mm512_reduce_max_ps
#define HSUM _mm512_reduce_add_ps
#include "kernel/x86/elem_f32_tmpl.h"

void npi_elem_f32_init_avx512(struct npi_elem_f32 *k) { *k = table; }
