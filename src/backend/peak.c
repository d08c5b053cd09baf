/* SPDX-License-Identifier: Apache-2.0 */
/* Times the loops of kernel/peak.h on one or more threads. All threads run until a common deadline, several times; the best of them counts, since it
 * is what the machine does when nobody disturbs it:
 *
 *   rate = sum of the work of all threads / (last one's end - common start)
 *
 * Memory: each level is read in a block of half its size (DRAM: four times the last level), which the threads share where the level is shared. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/half.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cpu/cpu.h"
#include "kernel/peak.h"
#include "nextpose/engine.h"

enum { WINDOWS = 5, MAX_THREADS = 64, N_MEMORY = 4 };
#define DRAM_MAX ((size_t)512 << 20)

static uint64_t next_random(uint64_t *s) { /* xorshift64 */
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

static void fill(void *to, size_t bytes, int kind) {
    uint64_t seed = 0x9e3779b97f4a7c15ull;
    char *const p = to;
    for (size_t i = 0; i + 4 <= bytes; i += 4) {
        const uint32_t r = (uint32_t)(next_random(&seed) >> 32);
        const float f = (float)(int32_t)r * 0x1p-31f, g = (float)(int32_t)(r << 16) * 0x1p-31f;
        uint32_t v = r;
        if (kind == NPI_PEAK_F32) v = npi_f32_bits(f);
        else if (kind == NPI_PEAK_BF16) v = npi_f32_to_bf16(f) | (uint32_t)npi_f32_to_bf16(g) << 16;
        else if (kind == NPI_PEAK_F16) v = npi_f32_to_f16(f) | (uint32_t)npi_f32_to_f16(g) << 16;
        memcpy(p + i, &v, 4);
    }
}

/* --- one measurement --- */

struct job {
    const struct npi_peak_kernel *kernel;
    npi_peak_read_fn read;
    char *data[MAX_THREADS];   /* operands or block of each thread */
    char *sink;                /* [threads][4096] */
    size_t bytes;              /* of a thread's block */
    int64_t deadline_ns;
    double work[MAX_THREADS];
    int64_t end_ns[MAX_THREADS];
};

static void run_task(void *arg, int task, int worker) {
    struct job *const j = arg;
    char *const sink = j->sink + (size_t)task * 4096;
    double work = 0;
    int64_t now;
    do {
        if (j->kernel) {
            j->kernel->run(j->data[task], sink, 16);
            work += 16 * j->kernel->ops;
        } else {
            const size_t part = j->bytes < (1 << 20) ? j->bytes : 1 << 20; /* so that the deadline is not missed by much in a large block */
            const char *const at = j->data[task] + (j->bytes > part ? (size_t)work % j->bytes / part * part : 0);
            const size_t n = (size_t)(j->data[task] + j->bytes - at) < part ? (size_t)(j->data[task] + j->bytes - at) : part;
            int rounds = n < 65536 ? 16 : 1;
            for (; rounds > 0; rounds--, work += (double)n) sink[0] ^= (char)j->read(at, n);
        }
        now = npi_now_ns();
    } while (now < j->deadline_ns);
    j->work[task] = work;
    j->end_ns[task] = now;
}

/* Best rate of the windows, in 1e9 a second. */
static double best_rate(struct job *j, struct np_pool *pool, int threads, double seconds) {
    double best = 0;
    for (int w = 0; w < WINDOWS; w++) {
        const int64_t start = npi_now_ns();
        double work = 0;
        int64_t end = start;
        j->deadline_ns = start + (int64_t)(seconds / WINDOWS * 1e9);
        npi_pool_run(pool, run_task, j, threads);
        for (int t = 0; t < threads; t++) {
            work += j->work[t];
            if (j->end_ns[t] > end) end = j->end_ns[t];
        }
        if (end > start && work / (double)(end - start) > best) best = work / (double)(end - start);
    }
    return best;
}

/* --- what there is to measure --- */

/* Bytes of a data cache of this process's first processor, and how many threads share it; 0: not told. */
static size_t cache_bytes(int level, int *shared) {
    for (int i = 0; i < 8; i++) {
        char path[128], text[64] = "";
        int l = 0;
        long kb = 0;
        const char *const names[4] = { "level", "type", "size", "shared_cpu_list" };
        char value[4][64] = { "" };
        for (int k = 0; k < 4; k++) {
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", i, names[k]);
            FILE *const f = fopen(path, "re");
            if (!f) return 0;
            if (fgets(text, sizeof text, f)) memcpy(value[k], text, sizeof text);
            fclose(f);
        }
        char unit = 0;
        if (sscanf(value[0], "%d", &l) != 1 || l != level || !strncmp(value[1], "Instr", 5) || sscanf(value[2], "%ld%c", &kb, &unit) < 1 || kb < 1) continue;
        *shared = strpbrk(value[3], ",-") != NULL;
        return (size_t)kb << (unit == 'M' ? 20 : 10);
    }
    return 0;
}

static void skip(struct np_peak *p, const char *why) {
    p->value = 0;
    snprintf(p->skipped, sizeof p->skipped, "%s", why);
}

static int measure_kernel(struct np_peak *p, const struct npi_peak_kernel *k, struct np_pool *pool, int threads, double seconds) {
    static const struct { const char *precision, *unit; } units[] = { { "fp32", "GFLOP/s" }, { "fp16", "GFLOP/s" }, { "bf16", "GFLOP/s" } };
    snprintf(p->precision, sizeof p->precision, "%s", k->precision);
    snprintf(p->isa, sizeof p->isa, "%s", k->level);
    snprintf(p->how, sizeof p->how, "%s", k->how);
    snprintf(p->unit, sizeof p->unit, "GOP/s");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(k->precision, units[i].precision)) snprintf(p->unit, sizeof p->unit, "%s", units[i].unit);
    if ((npi_cpu_flags() & k->needs) != k->needs) return skip(p, "this processor or its OS does not have it"), 0;
    if (k->needs & (NPI_CPU_AMX_BF16 | NPI_CPU_AMX_INT8) && !npi_cpu_amx_permit()) return skip(p, "the OS refuses the state of AMX (arch_prctl)"), 0;
    struct job j = { .kernel = k };
    char *const data = npi_alloc(NPI_PEAK_BYTES), *const sink = npi_alloc((size_t)threads * 4096);
    if (data && sink) {
        fill(data, NPI_PEAK_BYTES, k->data);
        for (int t = 0; t < threads; t++) j.data[t] = data;
        j.sink = sink;
        p->value = best_rate(&j, pool, threads, seconds);
    }
    npi_free(data);
    npi_free(sink);
    return data && sink ? 0 : NP_ENOMEM;
}

static int measure_memory(struct np_peak *p, int level, struct np_pool *pool, int threads, double seconds) {
    static const char *const names[N_MEMORY] = { "L1", "L2", "L3", "DRAM" };
    int shared = 0, any;
    size_t size = level < 3 ? cache_bytes(level + 1, &shared) : 0;
    snprintf(p->precision, sizeof p->precision, "%s", names[level]);
    snprintf(p->isa, sizeof p->isa, "%s", npi_cpu_level_name(npi_cpu_flags()));
    snprintf(p->unit, sizeof p->unit, "GB/s");
    if (level < 3 && !size) return skip(p, "the system does not tell its size"), 0;
    if (level == 3) {
        for (int l = 3; l > 0 && !size; l--) size = cache_bytes(l, &any);
        size = size ? size * 4 : (size_t)256 << 20;
        if (size > DRAM_MAX) size = DRAM_MAX;
        shared = 1;
    } else size /= 2;
    size = (shared ? size / (size_t)threads : size) / 4096 * 4096;
    if (!size) return skip(p, "too many threads for its size"), 0;
    const size_t told = shared ? size * (size_t)threads : size;
    snprintf(p->how, sizeof p->how, "read, %zu %s %s", told < 1 << 20 ? told >> 10 : told >> 20, told < 1 << 20 ? "KiB" : "MiB", shared ? "in all" : "a thread");
    struct job j = { .read = npi_peak_read(npi_cpu_flags()), .bytes = size };
    char *const data = npi_alloc(size * (size_t)threads), *const sink = npi_alloc((size_t)threads * 4096);
    if (data && sink) {
        fill(data, size * (size_t)threads, NPI_PEAK_I8);
        for (int t = 0; t < threads; t++) j.data[t] = data + (size_t)t * size;
        j.sink = sink;
        p->value = best_rate(&j, pool, threads, seconds);
    }
    npi_free(data);
    npi_free(sink);
    return data && sink ? 0 : NP_ENOMEM;
}

int np_peak_measure(struct np_peak *out, int i, int threads, double seconds, struct np_error *err) {
    struct np_peak p = { .memory = 0 };
    struct np_pool *pool = NULL;
    int n = 0, r;
    while (npi_peak_kernel(n)) n++;
    if (i < 0 || i >= n + N_MEMORY) return NP_EEND;
    if (threads < 1 || threads > MAX_THREADS) return npi_fail(err, NP_EINVAL, "%d threads: 1 to %d are possible", threads, MAX_THREADS);
    if (!(seconds > 0 && seconds <= 60)) return npi_fail(err, NP_EINVAL, "%g seconds: more than 0, at most 60", seconds);
    if (threads > 1 && (r = np_pool_create(&pool, threads, err)) < 0) return r;
    p.memory = i >= n;
    r = i < n ? measure_kernel(&p, npi_peak_kernel(i), pool, threads, seconds) : measure_memory(&p, i - n, pool, threads, seconds);
    np_pool_free(&pool);
    if (r < 0) return npi_fail(err, r, "no memory to measure with");
    *out = p;
    return 0;
}
