/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers with guards, random values and comparisons of the kernel test rig. A buffer is a mapping of its own:
 *
 *   [pattern 256][ out  ][pattern 256]|no access        [ in ][NPI_TAIL]|no access
 *
 * so that a read too far faults on the spot, and a write too far is seen by the pattern or faults. */
#define _GNU_SOURCE
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "check_priv.h"

enum { PAGE = 4096, PATTERN = 0xA5 };

static void *buf_new(struct ck *c, size_t bytes, size_t align, size_t behind, int is_out) {
    struct ck_priv *p = ck_priv(c);
    if (p->n_mem == CK_MAX_BUFS) {
        fprintf(stderr, "check: more than %d buffers in one case: call ck_case\n", CK_MAX_BUFS);
        exit(2);
    }
    const size_t before = is_out ? CK_GUARD : 0;
    const size_t inner = npi_align_up(before + bytes + behind + align, PAGE);
    char *map = mmap(NULL, inner + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map, PAGE, PROT_NONE) || mprotect(map + PAGE + inner, PAGE, PROT_NONE)) {
        fprintf(stderr, "check: out of memory for %zu bytes\n", bytes);
        exit(2);
    }
    /* as far back as the alignment lets us */
    char *data = (char *)((uintptr_t)(map + PAGE + inner - behind - bytes) / align * align);
    if (is_out) memset(map + PAGE, PATTERN, inner);
    p->mem[p->n_mem++] = (struct ck_mem){ map, inner + 2 * PAGE, (unsigned char *)data, bytes, is_out };
    return data;
}

void *ck_in(struct ck *c, size_t bytes, size_t align) { return buf_new(c, bytes, align, NPI_TAIL, 0); }
void *ck_in_end(struct ck *c, size_t bytes, size_t align) { return buf_new(c, bytes, align, 0, 0); }
void *ck_out(struct ck *c, size_t bytes, size_t align) { return buf_new(c, bytes, align, CK_GUARD, 1); }

int ck_guards(struct ck *c) {
    struct ck_priv *p = ck_priv(c);
    int good = 1;
    for (int i = 0; i < p->n_mem; i++) {
        const struct ck_mem *m = &p->mem[i];
        if (!m->is_out) continue;
        for (int k = 1; k <= CK_GUARD; k++) {
            const int before = m->p[-k] != PATTERN, behind = m->p[m->bytes + (size_t)k - 1] != PATTERN;
            if (!before && !behind) continue;
            ck_fail(c, "wrote %d bytes %s output buffer %d of %zu bytes", k, before ? "before" : "behind", i, m->bytes);
            memset(m->p - CK_GUARD, PATTERN, CK_GUARD);
            memset(m->p + m->bytes, PATTERN, CK_GUARD);
            good = 0;
            break;
        }
    }
    return good;
}

void ck_reset(struct ck *c) {
    struct ck_priv *p = ck_priv(c);
    ck_guards(c);
    for (int i = 0; i < p->n_mem; i++) munmap(p->mem[i].map, p->mem[i].map_bytes);
    p->n_mem = 0;
}

uint32_t ck_rand(struct ck *c) {
    struct ck_priv *p = ck_priv(c);
    p->rng = p->rng * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(p->rng >> 32);
}
int ck_range(struct ck *c, int lo, int hi) { return lo + (int)(ck_rand(c) % (uint32_t)(hi - lo + 1)); }
float ck_randf(struct ck *c) { return (float)(int32_t)ck_rand(c) / 2147483648.f; }

static float special(struct ck *c) {
    static const float list[] = { INFINITY, -INFINITY, NAN, -0.f, FLT_MAX, -FLT_MAX, 0.f, FLT_MIN };
    return list[ck_rand(c) % 8];
}

void ck_fill_f32(struct ck *c, float *x, size_t n, int values) {
    if (values == CK_ANY) {
        static const int of[8] = { CK_NORMAL, CK_NORMAL, CK_NORMAL, CK_NORMAL, CK_WIDE, CK_WIDE, CK_ZERO, CK_DENORM };
        values = of[ck_rand(c) % 8];
    }
    for (size_t i = 0; i < n; i++) {
        const float v = ck_randf(c);
        switch (values) {
        case CK_ZERO: x[i] = 0; break;
        case CK_WIDE: x[i] = ldexpf(v, ck_range(c, -20, 20)); break;
        case CK_DENORM: x[i] = ck_rand(c) % 4 ? v * FLT_MIN : v; break;
        case CK_SPECIAL: x[i] = ck_rand(c) % 8 ? v : special(c); break;
        default: x[i] = v;
        }
    }
}

void ck_fill_bytes(struct ck *c, void *p, size_t n) {
    for (size_t i = 0; i < n; i++) ((unsigned char *)p)[i] = (unsigned char)(ck_rand(c) >> 8);
}

static void counted(struct ck *c) {
    ck_priv(c)->compared = 1;
    ck_priv(c)->n_compared++;
}

int ck_near_f32(struct ck *c, const float *got, const float *want, size_t n, const float *bound, float tol) {
    counted(c);
    for (size_t i = 0; i < n; i++) {
        const float g = got[i], w = want[i];
        if ((isnan(g) && isnan(w)) || g == w) continue;
        const double b = (bound ? (double)bound[i] : 0) + (double)tol;
        if (isfinite(g) && isfinite(w) && fabs((double)g - w) <= b) continue;
        ck_fail(c, "[%zu] is %.9g, want %.9g, off by %.3g, allowed %.3g", i, g, w, fabs((double)g - w), b);
        return 0;
    }
    return ck_guards(c);
}

static int64_t ordered(float f) { /* floats in order as integers, -0 = 0 */
    int32_t i;
    memcpy(&i, &f, 4);
    return i < 0 ? -(int64_t)(i & 0x7fffffff) : i;
}

int ck_ulp_f32(struct ck *c, const float *got, const float *want, size_t n, int ulps) {
    counted(c);
    for (size_t i = 0; i < n; i++) {
        const float g = got[i], w = want[i];
        if (isnan(g) && isnan(w)) continue;
        if (!isnan(g) && !isnan(w)) {
            if (llabs(ordered(g) - ordered(w)) <= ulps) continue;
            if (g == 0 && fabsf(w) < FLT_MIN) continue;
        }
        ck_fail(c, "[%zu] is %.9g, want %.9g, %lld ulp apart, allowed %d", i, g, w, (long long)llabs(ordered(g) - ordered(w)), ulps);
        return 0;
    }
    return ck_guards(c);
}

#define EQUAL(NAME, T)                                                                                            \
    int NAME(struct ck *c, const T *got, const T *want, size_t n) {                                               \
        counted(c);                                                                                               \
        for (size_t i = 0; i < n; i++)                                                                            \
            if (got[i] != want[i]) {                                                                              \
                ck_fail(c, "[%zu] is %lld, want %lld", i, (long long)got[i], (long long)want[i]);                 \
                return 0;                                                                                         \
            }                                                                                                     \
        return ck_guards(c);                                                                                      \
    }
EQUAL(ck_equal_i8, int8_t)
EQUAL(ck_equal_u8, uint8_t)
EQUAL(ck_equal_i32, int32_t)

int ck_off_i8(struct ck *c, const int8_t *got, const int8_t *want, size_t n, int off) {
    counted(c);
    for (size_t i = 0; i < n; i++)
        if (abs(got[i] - want[i]) > off) {
            ck_fail(c, "[%zu] is %d, want %d, allowed +-%d", i, got[i], want[i], off);
            return 0;
        }
    return ck_guards(c);
}

int ck_equal_bytes(struct ck *c, const void *got, const void *want, size_t n) {
    return ck_equal_u8(c, got, want, n);
}
