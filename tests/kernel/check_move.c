/* SPDX-License-Identifier: Apache-2.0 */
/* Transposed copies: equal to C for every small size and for strided matrices, and not a byte beyond. */
#include <string.h>

#include "check.h"

static void sizes(struct ck *c, npi_transpose_fn fn, npi_transpose_fn ref, size_t size) {
    for (int i = 0; i < 300; i++) {
        size_t rows = (size_t)ck_range(c, 1, i < 200 ? 20 : 70), cols = (size_t)ck_range(c, 1, i < 200 ? 20 : 70);
        if (i % 10 == 0) *(i % 20 ? &rows : &cols) = 3;
        const size_t ss = (cols + (size_t)(i % 3)) * size, ds = (rows + (size_t)(i % 2)) * size;
        ck_case(c, "rows=%zu cols=%zu", rows, cols);
        char *x = ck_in_end(c, ss * (rows - 1) + cols * size, size), *got = ck_out(c, ds * (cols - 1) + rows * size, size);
        char *want = ck_out(c, ds * (cols - 1) + rows * size, size);
        ck_fill_bytes(c, x, ss * (rows - 1) + cols * size);
        ref(want, (ptrdiff_t)ds, x, (ptrdiff_t)ss, rows, cols);
        fn(got, (ptrdiff_t)ds, x, (ptrdiff_t)ss, rows, cols);
        ck_equal_bytes(c, got, want, ds * (cols - 1) + rows * size);
    }
}

static void check(struct ck *c) {
    const struct npi_move *k = &c->k->move, *ref = &c->ref->move;
    if (ck_fn(c, "t8", k->t8, ref->t8)) sizes(c, k->t8, ref->t8, 1);
    if (ck_fn(c, "t16", k->t16, ref->t16)) sizes(c, k->t16, ref->t16, 2);
    if (ck_fn(c, "t32", k->t32, ref->t32)) sizes(c, k->t32, ref->t32, 4);
    if (ck_fn(c, "t64", k->t64, ref->t64)) sizes(c, k->t64, ref->t64, 8);
}

struct job { npi_transpose_fn fn; void *y; const void *x; size_t rows, cols, size; };
static void call(void *p) {
    const struct job *j = p;
    j->fn(j->y, (ptrdiff_t)(j->rows * j->size), j->x, (ptrdiff_t)(j->cols * j->size), j->rows, j->cols);
}

static void bench(struct ck *c) {
    struct ck_shape s;
    int pos = 0;
    const int first8 = ck_bench_fn(c, c->k->move.t8), first32 = ck_bench_fn(c, c->k->move.t32);
    while (ck_shape(c, "move", &s, &pos)) {
        const int bytes = ck_get(&s, "size", 4);
        struct job j = { bytes == 1 ? c->k->move.t8 : c->k->move.t32, NULL, NULL, (size_t)ck_get(&s, "rows", 1), (size_t)ck_get(&s, "cols", 1), (size_t)bytes };
        if (!(bytes == 1 ? first8 : first32)) continue;
        ck_case(c, "%s", s.name);
        j.x = ck_in(c, j.rows * j.cols * j.size, 64);
        j.y = ck_out(c, j.rows * j.cols * j.size, 64);
        ck_bench(c, bytes == 1 ? "t8" : "t32", s.name, call, &j, (double)(j.rows * j.cols));
    }
}

const struct ck_family ck_move = { "move", check, bench };
