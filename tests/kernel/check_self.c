/* SPDX-License-Identifier: Apache-2.0 */
/* The rig tests itself, so that a green run means something: wrong values, writes outside and reads outside must be
 * noticed. Also the smallest example of a family. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check_priv.h"

/* Runs fn(c, y) where a failure is expected; complains when the rig was happy. */
static void must_notice(struct ck *c, const char *what, int noticed) {
    if (!noticed) ck_fail(c, "the rig did not notice %s", what);
}

static void good(float *y, const float *x, int n) {
    for (int i = 0; i < n; i++) y[i] = 2 * x[i];
}

static void check(struct ck *c) {
    struct ck_priv *p = ck_priv(c);
    if (!ck_fn(c, "self", good, good)) return;
    for (int n = 1; n < 40; n += 13) {
        ck_case(c, "n=%d", n);
        float *x = ck_in(c, (size_t)n * 4, 4), *y = ck_out(c, (size_t)n * 4, 4), *want = ck_out(c, (size_t)n * 4, 4);
        ck_fill_f32(c, x, (size_t)n, CK_ANY);
        good(y, x, n);
        good(want, x, n);
        ck_near_f32(c, y, want, (size_t)n, NULL, 0);
        /* the tail behind an input is readable, and zero */
        char tail[NPI_TAIL];
        memcpy(tail, x + n, sizeof tail);
        must_notice(c, "its own zero tail", !tail[0]);
        /* from here on failures are wanted: count them and take them back, without printing */
        const int before = p->fn_failures;
        p->fn_failures = 1000;
        y[n - 1] += 1;
        const int wrong = !ck_near_f32(c, y, want, (size_t)n, NULL, .5f);
        y[n - 1] = want[n - 1];
        y[n] = 0;
        const int behind = !ck_near_f32(c, y, want, (size_t)n, NULL, 0);
        y[-1] = 0;
        const int ahead = !ck_guards(c);
        want[0] = NAN;
        const int nan = !ck_ulp_f32(c, y, want, (size_t)n, 1000);
        p->fn_failures = before;
        must_notice(c, "a wrong value", wrong);
        must_notice(c, "a write behind the output", behind);
        must_notice(c, "a write before the output", ahead);
        must_notice(c, "a missing NaN", nan);
    }
}

const struct ck_family ck_self = { "self", check, NULL };
