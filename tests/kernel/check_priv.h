/* SPDX-License-Identifier: Apache-2.0 */
/* What the three files of the rig share (check.c, check_buf.c, check_bench.c). */
#ifndef NPI_TESTS_KERNEL_CHECK_PRIV_H
#define NPI_TESTS_KERNEL_CHECK_PRIV_H
#include "check.h"

enum { CK_GUARD = 256, CK_MAX_BUFS = 64, CK_MAX_FNS = 4096 };

struct ck_mem { char *map; size_t map_bytes; unsigned char *p; size_t bytes; int is_out; };

struct ck_priv {
    uint64_t rng;
    struct ck_mem mem[CK_MAX_BUFS];
    int n_mem;
    ck_any_fn seen[CK_MAX_FNS];
    int n_seen;
    const char *family;
    char fn[64], text[160];
    int compared, fn_failures; /* since the last ck_fn */
    int n_fns, n_failed;       /* functions tested, functions that failed */
    long n_compared;
    /* bench */
    int csv, budget_ms;
    const char *shapes_path;
    ck_any_fn benched[CK_MAX_FNS];
    int n_benched;
};
static inline struct ck_priv *ck_priv(struct ck *c) { return c->priv; }

void ck_fn_end(struct ck *c);   /* closes the function under test */
void ck_reset(struct ck *c);    /* verifies guards, frees the buffers */
int ck_guards(struct ck *c);    /* 1: all guards intact */
void ck_bench_header(struct ck *c);
#endif
