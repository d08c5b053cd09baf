/* SPDX-License-Identifier: Apache-2.0 */
/* See precision.h. */
#include "backend/precision.h"
#include "base/log.h"
#include "cpu/cpu.h"
#include "kernel/selftest.h"

#include <stdio.h>
#include <string.h>

void npi_precision_describe(struct np_model *m, int emulated) {
    enum { INT8 = NPI_PARTS_F16 + 1, KINDS }; /* behind what npi_step.parts may be */
    static const char *const names[KINDS] = { "fp32", "bf16", "fp32-fast (bf16 x3)", "fp32 (bf16 x6)", [NPI_PARTS_F16] = "fp16", [INT8] = "int8" };
    double macs[KINDS] = { 0 }, all = 0;
    size_t n = 0;
    for (int i = 0; i < m->plan.n_steps; i++) {
        const struct npi_step *const s = &m->plan.step[i];
        const int x = npi_step_node(&m->graph, s, 0)->in[0], what = x >= 0 && m->graph.tensor[x].v.q.n ? INT8 : s->parts;
        macs[what] += (double)s->macs;
        all += (double)s->macs;
    }
    if (!(all > 0)) snprintf(m->precision, sizeof m->precision, "none");
    for (int k = 0; k < KINDS; k++) {
        int best = 0;
        for (int i = 1; i < KINDS; i++)
            if (macs[i] > macs[best]) best = i;
        if (!(macs[best] > 0.01 * all)) break; /* a hundredth is not worth a word */
        n += (size_t)snprintf(m->precision + n, sizeof m->precision - n, "%s%s%s", k ? " + " : "", names[best], emulated && best > 0 && best < INT8 ? ", emulated" : "");
        macs[best] = 0;
    }
}

const char *np_model_precision(const struct np_model *m) { return m->precision; }

int npi_precision_check(const char *precision, struct np_error *err) {
    struct npi_compute c;
    return npi_compute_parse(&c, precision, err);
}

int npi_precision_may_be_bf16(const char *precision, const char *isa, const char **want) {
    struct npi_compute c;
    struct npi_kernels k;
    unsigned cpu;
    if (npi_compute_parse(&c, precision, NULL) < 0 || c.kind != NPI_COMPUTE_AUTO || npi_cpu_limit(isa, npi_cpu_flags(), &cpu) < 0) return 0;
    npi_kernels_trusted(&k, cpu);
    *want = c.emulate ? "bf16-emulated" : "bf16";
    return npi_compute_bf16_pays(&c, &k);
}

/* Rule 2 of the project: what was asked for and cannot be had is said, once a model. */
void npi_precision_tell(const struct np_model *m, const struct npi_compute *c, const char *instead, const struct np_logger *log) {
    const int quantized = strstr(m->precision, "int8") != NULL;
    if (m->reference_only) return;
    if (c->kind == NPI_COMPUTE_INT8 && !quantized)
        npi_log(log, NP_LOG_WARN, "%s: int8: this net is not quantized: computes in %s (`nextpose quantize` makes an int8 one)", m->graph.path, m->precision);
    else if (quantized && (c->kind == NPI_COMPUTE_FP32 || c->kind == NPI_COMPUTE_FP32_FAST || c->kind == NPI_COMPUTE_BF16))
        npi_log(log, NP_LOG_WARN, "%s: this net is quantized: computes in %s", m->graph.path, m->precision);
    else if (instead) npi_log(log, NP_LOG_WARN, "%s: %s", m->graph.path, instead);
}

int np_precision_here(const char *isa, char *out, size_t size) {
    struct npi_kernels k;
    unsigned cpu;
    if (npi_cpu_limit(isa, npi_cpu_flags(), &cpu) < 0) return NP_EINVAL;
    const char *const wrong = npi_kernels_trusted(&k, cpu);
    cpu = k.cpu;
    const struct npi_compute any = { NPI_COMPUTE_AUTO, 0 };
    const char *instead;
    npi_compute_choose(&any, &k, &instead);
    const int tiles = k.gemm_bf16.fast && (cpu & NPI_CPU_AMX_BF16);
    snprintf(out, size, "float nets in fp32%s%s%s; quantized nets in int8%s%s%s", k.product_parts ? " (from bf16 parts on AMX)" : "",
             tiles ? ", fp32-fast or bf16" : k.gemm_bf16.fast ? " or bf16" : "",
             !k.gemm_bf16.fast ? "; no bf16 hardware" : npi_compute_bf16_pays(&any, &k) ? ", auto takes bf16 where a net tolerates it" : ", bf16 only when asked for",
             cpu & NPI_CPU_AMX_INT8 ? " on AMX" : cpu & (NPI_CPU_AVX_VNNI | NPI_CPU_AVX512_VNNI) ? " with VNNI" : "",
             wrong ? "; NOT USED, wrong in its self-test here: " : "", wrong ? wrong : "");
    return 0;
}
