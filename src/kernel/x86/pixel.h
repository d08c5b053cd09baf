/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NPI_KERNEL_X86_PIXEL_H
#define NPI_KERNEL_X86_PIXEL_H
#include "kernel/pixel.h"
void npi_pixel_init_avx2(struct npi_pixel *k);
#endif
