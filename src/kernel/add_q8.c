/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized Add and Mul: the C versions, and the choice of a level. */
#include "kernel/add_q8.h"

#include <math.h>

#include "cpu/cpu.h"
#include "kernel/arm/arm.h"
#include "kernel/x86/add_q8.h"

static uint8_t finish(const struct npi_q8_out *o, float v) {
    const float top = (float)(o->hi - o->zy), bottom = (float)(o->lo - o->zy);
    v = v > bottom ? v : bottom;
    v = v < top ? v : top;
    return (uint8_t)((uint32_t)((int)nearbyintf(v) + o->zy) ^ o->flip);
}

static void add_c(const struct npi_add_q8_args *p) {
    for (size_t i = 0; i < p->n; i++) {
        const int a = (int8_t)(p->a[i] ^ p->flip_a), b = (int8_t)(p->b[p->b_scalar ? 0 : i] ^ p->flip_b);
        const int v = ((p->bias + a * p->am + b * p->bm) >> p->shift) + p->out.zy;
        p->y[i] = (uint8_t)((uint32_t)(v < p->out.lo ? p->out.lo : v > p->out.hi ? p->out.hi : v) ^ p->out.flip);
    }
}

static void mul_c(const struct npi_add_q8_args *p) {
    for (size_t i = 0; i < p->n; i++) {
        const int a = (int8_t)(p->a[i] ^ p->flip_a) - p->za, b = (int8_t)(p->b[p->b_scalar ? 0 : i] ^ p->flip_b) - p->zb;
        p->y[i] = finish(&p->out, (float)(a * b) * p->ka);
    }
}

void npi_add_q8_init(struct npi_add_q8 *k, unsigned cpu) {
    *k = (struct npi_add_q8){ add_c, mul_c };
#if defined(__x86_64__)
    if (cpu & NPI_CPU_AVX2) npi_add_q8_init_avx2(k);
    if (cpu & NPI_CPU_AVX512) npi_add_q8_init_avx512(k);
#elif defined(__aarch64__)
    if (cpu & NPI_CPU_NEON) npi_add_q8_init_neon(k);
#endif
}
