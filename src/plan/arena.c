/* SPDX-License-Identifier: Apache-2.0 */
/* The arena planner: largest block first, each into the lowest gap among those already placed that live at the same time
 * (greedy by size: Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020; XNNPACK does the same).
 *
 *   offset ^   +-----------+        steps to the right, one rectangle a tensor;
 *          |   |  B  |+--+          no two rectangles overlap
 *          |   +-----+|C |
 *          |  +------+|  |
 *          +--|  A   |+--+--> step
 */
#include "plan/arena.h"

#include <stdlib.h>

struct key { size_t bytes; int first, index; };

static int larger_first(const void *a, const void *b) {
    const struct key *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x->index - y->index;
}

static int by_offset(const void *a, const void *b) {
    const struct npi_life *x = *(const struct npi_life *const *)a, *y = *(const struct npi_life *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

size_t npi_arena_plan(struct npi_life *life, int n) {
    struct key *order = malloc(sizeof *order * (size_t)(n + 1));
    const struct npi_life **busy = malloc(sizeof *busy * (size_t)(n + 1));
    size_t total = 0;
    if (!order || !busy) {
        free(order);
        free(busy);
        return SIZE_MAX;
    }
    int m = 0;
    for (int i = 0; i < n; i++)
        if (life[i].bytes) order[m++] = (struct key){ life[i].bytes, life[i].first, i };
    qsort(order, (size_t)m, sizeof *order, larger_first);
    for (int i = 0; i < m; i++) {
        struct npi_life *l = &life[order[i].index];
        int nb = 0;
        for (int k = 0; k < i; k++) {
            const struct npi_life *o = &life[order[k].index];
            if (o->first <= l->last && l->first <= o->last) busy[nb++] = o;
        }
        qsort(busy, (size_t)nb, sizeof *busy, by_offset);
        size_t at = 0;
        for (int k = 0; k < nb; k++) {
            if ((size_t)busy[k]->offset >= at + l->bytes) break;
            const size_t end = (size_t)busy[k]->offset + busy[k]->bytes;
            if (end > at) at = (end + 63) / 64 * 64;
        }
        l->offset = (int64_t)at;
        if (at + l->bytes > total) total = at + l->bytes;
    }
    free(order);
    free(busy);
    return total;
}
