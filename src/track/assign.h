/* SPDX-License-Identifier: Apache-2.0 */
/* Who goes with whom: the pairs of largest total similarity. */
#ifndef NPI_TRACK_ASSIGN_H
#define NPI_TRACK_ASSIGN_H
#define NPI_ASSIGN_MAX 128
struct npi_assign { /* scratch, made once */
    float sim[NPI_ASSIGN_MAX][NPI_ASSIGN_MAX]; /* input: row r with column c; what may not pair is 0 */
    int row_to_col[NPI_ASSIGN_MAX];            /* result, -1: none */
    double u[NPI_ASSIGN_MAX + 1], v[NPI_ASSIGN_MAX + 1], least[NPI_ASSIGN_MAX + 1];
    int match[NPI_ASSIGN_MAX + 1], way[NPI_ASSIGN_MAX + 1];
    unsigned char used[NPI_ASSIGN_MAX + 1];
};
/* Pairs with a similarity of 0 or less are left apart. */
void npi_assign(struct npi_assign *a, int rows, int cols);
#endif
