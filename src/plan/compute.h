/* SPDX-License-Identifier: Apache-2.0 */
/* What the float products of a net are computed in: what was asked for, what the processor has, what runs.
 *
 *   asked        with AMX                    with AVX-512 BF16                  with neither
 *   fp32         split in three, 6 products  f32                                f32
 *   fp32-fast    split in two, 3 products    f32, and says so                   f32, and says so
 *   bf16         bf16                        bf16                               f32, and says so
 *   int8         as auto, and says so when the net is not quantized
 *   auto         as fp32; who knows that a net tolerates it asks for bf16 (pipe/precision.c)
 *
 * bf16 also takes depthwise convolutions of 5x5 and more in IEEE halves where there is AVX-512 FP16 (kernel/dwconv_f16.h).
 * What the hardware has is what passed kernel/selftest.h on it.
 * "-emulated" behind a name: as on a processor that has it, by C or AVX2. A quantized graph has no float products to choose for: it runs in int8 always. */
#ifndef NPI_PLAN_COMPUTE_H
#define NPI_PLAN_COMPUTE_H
#include "base/err.h"
#include "kernel/kernels.h"

enum npi_compute_kind { NPI_COMPUTE_AUTO = 0, NPI_COMPUTE_FP32, NPI_COMPUTE_FP32_FAST, NPI_COMPUTE_BF16, NPI_COMPUTE_INT8, NPI_COMPUTE_FP16 };
struct npi_compute { int kind, emulate; };

/* text as np_settings.precision; NULL: auto. NP_EINVAL with the list of names. */
int npi_compute_parse(struct npi_compute *c, const char *text, struct np_error *err);
/* Sets k->product_parts and k->half_depthwise. instead: NULL, or what to tell the user because it is not what was asked for ("bf16: this processor has …: computes in fp32"); static. */
void npi_compute_choose(const struct npi_compute *c, struct npi_kernels *k, const char **instead);
/* Does bf16 pay here (and does the table have it)? Then auto may take it. */
int npi_compute_bf16_pays(const struct npi_compute *c, const struct npi_kernels *k);
#endif
