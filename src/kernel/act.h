/* SPDX-License-Identifier: Apache-2.0 */
/* Activations as kernels know them. The values are those of enum npi_act_kind (ir/op.h), which kernels may not include;
 * plan/bind_conv_f32.c asserts that the two agree. */
#ifndef NPI_KERNEL_ACT_H
#define NPI_KERNEL_ACT_H
#include <stddef.h>

enum npi_kact { NPI_KACT_NONE = 0, NPI_KACT_CLAMP, NPI_KACT_SILU, NPI_KACT_SIGMOID, NPI_KACT_HARD_SWISH, NPI_KACT_LEAKY, NPI_KACT_TANH, NPI_KACT_GELU };
struct npi_kact_f32 { int kind; float lo, hi; }; /* lo, hi: clamp bounds; lo: slope of LEAKY */

float npi_kact_c(const struct npi_kact_f32 *a, float x); /* one value, with libm */
#endif
