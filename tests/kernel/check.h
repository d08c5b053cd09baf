/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel test rig. It walks the ISA levels upward, builds the kernel table of each, and calls every family's check with
 * that table and with the C table to compare against. A new family: write check_<name>.c, add a line in families.h and the
 * file in meson.build. The smallest example is check_self.c; the usual pattern is
 *
 *   static void check(struct ck *c) {
 *       if (!ck_fn(c, "add", c->k->elem.add, c->ref->elem.add)) return;   // absent, or seen at a lower level
 *       for (int n = 0; n < 70; n++) {
 *           ck_case(c, "n=%d", n);                                        // frees the buffers of the case before
 *           float *x = ck_in(c, n * 4, 4), *y = ck_out(c, n * 4, 4), *want = ck_out(c, n * 4, 4);
 *           ck_fill_f32(c, x, n, CK_ANY);
 *           c->k->elem.add(y, x, n);  c->ref->elem.add(want, x, n);
 *           ck_near_f32(c, y, want, n, NULL, 1e-6f);
 *       }
 *   }
 *
 * Every word of struct npi_kernels that points at code must go through ck_fn at its level, or the run fails; and ck_fn
 * must be followed by at least one comparison. Crashes (a read past the guard page) are caught and reported as failures. */
#ifndef NPI_TESTS_KERNEL_CHECK_H
#define NPI_TESTS_KERNEL_CHECK_H
#include <stddef.h>
#include <stdint.h>

#include "cpu/cpu.h"
#include "kernel/kernels.h"

struct ck {
    const struct npi_kernels *k;   /* table of the level under test */
    const struct npi_kernels *ref; /* the C table */
    const char *level;             /* its name */
    void *priv;
};

struct ck_family {
    const char *name;
    void (*check)(struct ck *c);
    void (*bench)(struct ck *c); /* may be NULL */
};

typedef void (*ck_any_fn)(void);
/* 1: test this function now. 0: NULL, or tested at a lower level. `name` is copied. */
int ck_fn_(struct ck *c, const char *name, ck_any_fn fn, ck_any_fn ref);
#define ck_fn(c, name, fn, ref) ck_fn_((c), (name), (ck_any_fn)(fn), (ck_any_fn)(ref))
/* Starts a case: text for messages; verifies the guards of the buffers so far and frees them. */
void ck_case(struct ck *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Buffers of one case. `align` is that of the first byte (1, 2, 4 … 64); the odd start addresses are deliberate.
 *   ck_in:     contents zero; NPI_TAIL bytes behind the end may be read, then comes a page without access.
 *   ck_in_end: not a byte behind the end may be read (the caller's frames, for example).
 *   ck_out:    filled with a pattern, as are 256 bytes before and behind it, which must stay as they are. */
void *ck_in(struct ck *c, size_t bytes, size_t align);
void *ck_in_end(struct ck *c, size_t bytes, size_t align);
void *ck_out(struct ck *c, size_t bytes, size_t align);

/* Random values, the same in each run for the same --seed. */
uint32_t ck_rand(struct ck *c);
int ck_range(struct ck *c, int lo, int hi); /* lo..hi, both included */
float ck_randf(struct ck *c);               /* -1..1 */
enum ck_values {
    CK_NORMAL,   /* -1..1 */
    CK_ZERO,
    CK_WIDE,     /* sign, exponent -20..20 */
    CK_DENORM,   /* mostly denormals */
    CK_SPECIAL,  /* one in eight is inf, -inf, NaN, -0, FLT_MAX */
    CK_ANY       /* one of NORMAL, ZERO, WIDE and DENORM: finite */
};
void ck_fill_f32(struct ck *c, float *p, size_t n, int values);
void ck_fill_bytes(struct ck *c, void *p, size_t n); /* all byte values */

/* Comparisons; each returns 1 when good. Guards are checked too. bound[i] + tol is the allowed distance (bound may be
 * NULL); NaN matches NaN, inf its like. Derive bounds: c * K * FLT_EPSILON * sum|a||b|, never by taste. */
int ck_near_f32(struct ck *c, const float *got, const float *want, size_t n, const float *bound, float tol);
int ck_ulp_f32(struct ck *c, const float *got, const float *want, size_t n, int ulps); /* denormals may be flushed to 0 */
int ck_equal_i8(struct ck *c, const int8_t *got, const int8_t *want, size_t n);
int ck_equal_u8(struct ck *c, const uint8_t *got, const uint8_t *want, size_t n);
int ck_equal_i32(struct ck *c, const int32_t *got, const int32_t *want, size_t n);
int ck_off_i8(struct ck *c, const int8_t *got, const int8_t *want, size_t n, int off); /* at most `off` apart */
int ck_equal_bytes(struct ck *c, const void *got, const void *want, size_t n);
void ck_fail(struct ck *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Benchmarks. Lines of tests/kernel/shapes.txt are "family name key=value …"; ck_shape walks those of one family (start with
 * *pos = 0). ck_bench times call(arg), prints, and relates it to what `fn` took for the same shape at level scalar.
 * ops: floating-point or integer operations of one call, 0 if meaningless. */
struct ck_shape { char name[48]; int n; struct { char key[12]; int value; } kv[24]; };
int ck_shape(struct ck *c, const char *family, struct ck_shape *out, int *pos);
int ck_get(const struct ck_shape *s, const char *key, int otherwise);
int ck_bench_fn_(struct ck *c, ck_any_fn fn); /* 1: not benched at a lower level; one per function, before ck_bench */
#define ck_bench_fn(c, fn) ck_bench_fn_((c), (ck_any_fn)(fn))
void ck_bench(struct ck *c, const char *fn, const char *shape, void (*call)(void *), void *arg, double ops);
#endif
