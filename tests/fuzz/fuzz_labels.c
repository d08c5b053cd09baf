/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as labels, and any bytes as results to them (after a NUL byte): read or refused with one line; what was read gives figures
 * in 0..1, or -1. With clang's libFuzzer (-Dfuzz=true), or replayed over corpus/labels. */
#include <string.h>

#include "eval/eval.h"
#include "fuzz.h"

static void check(double v) {
    if (!(v >= 0 && v <= 1 + 1e-9) && v != -1) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct np_eval *e = npi_alloc(sizeof *e);
    struct np_error err = { 0 };
    const uint8_t *const nul = size ? memchr(data, 0, size) : NULL;
    const size_t n = nul ? (size_t)(nul - data) : size;
    if (!e) return 0;
    npi_arena_init(&e->mem, 64 << 20);
    npi_arena_init(&e->pred_mem, 64 << 20);
    int r = npi_eval_parse_labels(e, (const char *)data, n, "fuzz", &err);
    if (r == 0 && nul) r = npi_eval_parse_results(e, (const char *)nul + 1, size - n - 1, "fuzz", &err);
    if (r < 0 && (err.code != r || !err.message[0] || strchr(err.message, '\n'))) __builtin_trap();
    if (r == 0) {
        struct np_eval_score s;
        if (np_eval_score(e, &s, &err) == 0) {
            for (int i = 0; i < NP_EVAL_KEYPOINT_STATS; i++) check(s.keypoints[i]);
            for (int i = 0; i < NP_EVAL_BOX_STATS; i++) check(s.boxes[i]);
            check(s.pck);
            check(s.oks);
        }
    }
    np_eval_close(&e);
    return 0;
}
