/* SPDX-License-Identifier: Apache-2.0 */
/* Hungarian method with potentials (shortest augmenting paths), O(n^3): 8 people take about a microsecond. Greedy matching would be
 * simpler, but when two people cross it gives the wrong one away first. The problem is padded to a square with pairs of cost 1,
 * the cost of a pair without similarity, so that the sum of similarities is what is optimised. */
#include "track/assign.h"

#include <float.h>
#include <math.h>
#include <string.h>

static double cost(const struct npi_assign *a, int r, int c, int rows, int cols) {
    const float s = r < rows && c < cols ? a->sim[r][c] : 0;
    return s > 0 ? 1 - (double)s : 1;
}

/* Columns and rows count from 1 inside; 0 is the free one that a path starts from. */
static void add_row(struct npi_assign *a, int row, int n, int rows, int cols) {
    int c0 = 0;
    a->match[0] = row;
    for (int c = 0; c <= n; c++) { a->least[c] = DBL_MAX; a->used[c] = 0; }
    do {
        const int r0 = a->match[c0];
        double delta = DBL_MAX;
        int next = 0;
        a->used[c0] = 1;
        for (int c = 1; c <= n; c++) {
            if (a->used[c]) continue;
            const double d = cost(a, r0 - 1, c - 1, rows, cols) - a->u[r0] - a->v[c];
            if (d < a->least[c]) { a->least[c] = d; a->way[c] = c0; }
            if (a->least[c] < delta) { delta = a->least[c]; next = c; }
        }
        for (int c = 0; c <= n; c++) {
            if (a->used[c]) { a->u[a->match[c]] += delta; a->v[c] -= delta; }
            else a->least[c] -= delta;
        }
        c0 = next;
    } while (a->match[c0]);
    for (; c0; c0 = a->way[c0]) a->match[c0] = a->match[a->way[c0]];
}

void npi_assign(struct npi_assign *a, int rows, int cols) {
    const int n = rows > cols ? rows : cols;
    for (int r = 0; r < rows; r++) a->row_to_col[r] = -1;
    if (rows < 1 || cols < 1) return;
    for (int i = 0; i <= n; i++) { a->u[i] = a->v[i] = 0; a->match[i] = a->way[i] = 0; }
    for (int r = 1; r <= n; r++) add_row(a, r, n, rows, cols);
    for (int c = 1; c <= cols; c++) {
        const int r = a->match[c] - 1;
        if (r >= 0 && r < rows && a->sim[r][c - 1] > 0) a->row_to_col[r] = c - 1;
    }
}
