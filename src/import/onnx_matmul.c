/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX handlers: products of matrices. With weights known at load they become FullyConnected, whose rows are the
 * columns of the ONNX matrix. */
#include "import/onnx.h"

#include <string.h>

/* Constant, also behind a Dequantize? */
static int is_weight(const struct npi_ox_node *n, int t) {
    const struct npi_ox_side *s = npi_ox_side_of(n->o, t);
    return npi_ox_view(n, t)->data != NULL || (s && s->dq_of);
}

static int fully_connected(const struct npi_ox_node *n, int x, int w, int transposed, int bias) {
    if (!transposed) w = npi_ox_repack(n, w, 2, npi_ox_view(n, w)->d, (const int[]){ 1, 0 });
    return w < 0 ? w : npi_ox_build(n, NPI_OP_FULLY_CONNECTED, NULL, (int[]){ x, w, bias }, bias < 0 ? 2 : 3);
}

/* numpy.matmul; vectors become matrices of one row or column and lose that dimension again. */
int npi_ox_matmul(const struct npi_ox_node *n, int a, int b) {
    if (a < 0 || b < 0) return a < 0 ? a : b;
    const int row = npi_ox_view(n, a)->rank == 1, column = npi_ox_view(n, b)->rank == 1;
    if (npi_ox_view(n, a)->rank < 1 || npi_ox_view(n, b)->rank < 1) return npi_ox_fail(n, NP_ESHAPE, "a factor is a single number");
    if (row) a = npi_ox_reshape(n, a, 2, (const int64_t[]){ 1, npi_ox_view(n, a)->d[0] });
    if (a < 0) return a;
    if (column) b = npi_ox_reshape(n, b, 2, (const int64_t[]){ npi_ox_view(n, b)->d[0], 1 });
    if (b < 0) return b;
    int y;
    if (!npi_ox_view(n, a)->data && npi_ox_view(n, b)->rank == 2 && is_weight(n, b) && npi_ox_view(n, b)->dtype == NP_F32) y = fully_connected(n, a, b, 0, -1);
    else y = npi_ox_bin(n, NPI_OP_MATMUL, a, b);
    if (y < 0 || (!row && !column)) return y;
    const struct npi_view *v = npi_ox_view(n, y);
    int64_t d[NP_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < v->rank; i++)
        if (!(row && i == v->rank - 2) && !(column && i == v->rank - 1)) d[rank++] = v->d[i];
    return npi_ox_reshape(n, y, rank, d);
}

int npi_ox_do_matmul(struct npi_ox_node *n) { return n->out[0] = npi_ox_matmul(n, n->in[0], n->in[1]); }

/* alpha * A B + beta * C */
int npi_ox_do_gemm(struct npi_ox_node *n) {
    int a = n->in[0], b = n->in[1], c = npi_ox_in(n, 2);
    const int ta = npi_ox_int(n, "transA", 0) != 0, tb = npi_ox_int(n, "transB", 0) != 0;
    const float alpha = npi_ox_float(n, "alpha", 1), beta = npi_ox_float(n, "beta", 1);
    const struct npi_view *va = npi_ox_view(n, a), *vb = npi_ox_view(n, b);
    if (va->rank != 2 || vb->rank != 2) return npi_ox_fail(n, NP_ESHAPE, "factors of rank %d and %d, expected 2", va->rank, vb->rank);
    const int dtype = va->dtype;
    const int64_t columns = vb->d[!tb];
    if (c >= 0 && beta != 1) c = npi_ox_bin(n, NPI_OP_MUL, c, npi_ox_scalar(n, dtype, (double)beta));
    if (npi_ox_in(n, 2) >= 0 && c < 0) return c;
    int y;
    if (dtype == NP_F32 && !va->data && is_weight(n, b) && alpha == 1) {
        if (ta && (a = npi_ox_transpose(n, a, (const int[]){ 1, 0 })) < 0) return a;
        const struct npi_view *vc = c < 0 ? NULL : npi_ox_view(n, c);
        const int vector = vc && npi_view_count(vc) == columns && (vc->rank == 1 || (vc->rank == 2 && vc->d[0] == 1));
        if (vector && (c = npi_ox_reshape(n, c, 1, &columns)) < 0) return c;
        y = fully_connected(n, a, b, tb, vector ? c : -1);
        if (vector) c = -1;
    } else {
        const union npi_attr m = { .matmul = { .ta = ta, .tb = tb, .alpha = alpha } };
        y = alpha == 0 ? npi_ox_fail(n, NP_EUNSUPPORTED, "alpha is 0") : npi_ox_build(n, NPI_OP_MATMUL, &m, (int[]){ a, b }, 2);
    }
    return n->out[0] = c < 0 ? y : npi_ox_bin(n, NPI_OP_ADD, y, c);
}

/* ---- Einsum of one or two operands ----
 * "..." stands for as many leading dimensions as its operand has beyond its letters, named here with digits from the right.
 * Letters are sorted into batch (both operands and result), summed (both, not in the result), and free ones; each operand
 * is brought to [batch..., free, summed] by Transpose and Reshape, multiplied, and the result is put in order. */

struct term { char letter[NP_MAX_RANK]; int n, dots; }; /* dots: where "..." is, -1 nowhere */
struct einsum { struct term in[2], out; int n_in; int64_t size[128]; };

/* Puts `extra` digits, the last one '0', in the place of the dots; too many are left out and found by the rank check. */
static void spell_dots(struct term *t, int extra, int *count) {
    const int at = t->dots < 0 ? 0 : t->dots;
    if (extra <= 0 || t->n + extra > NP_MAX_RANK) return;
    memmove(t->letter + at + extra, t->letter + at, (size_t)(t->n - at));
    for (int i = 0; i < extra; i++) {
        t->letter[at + i] = (char)('0' + extra - 1 - i);
        if (count) count[(int)t->letter[at + i]]++;
    }
    t->n += extra;
}

static int parse(const struct npi_ox_node *n, struct einsum *e) {
    struct npi_pb m, s = npi_pb(NULL, 0);
    if (npi_ox_attr(n, "equation", &m)) s = npi_pb_find(m, 4, NULL);
    struct term *t = &e->in[0];
    e->in[0].dots = e->in[1].dots = e->out.dots = -1;
    int arrow = 0, count[128] = { 0 };
    e->n_in = 1;
    for (; s.p < s.end; s.p++) {
        const uint8_t c = *s.p;
        if (c == ' ') continue;
        if (c == '.' && s.p + 2 < s.end && s.p[1] == '.' && s.p[2] == '.' && t->dots < 0) {
            t->dots = t->n;
            s.p += 2;
            continue;
        }
        if (c == ',' && !arrow && e->n_in < 2) t = &e->in[e->n_in++];
        else if (c == '-' && s.p + 1 < s.end && s.p[1] == '>' && !arrow) {
            arrow = 1;
            s.p++;
            t = &e->out;
        } else if (((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) && t->n < NP_MAX_RANK) {
            t->letter[t->n++] = (char)c;
            if (!arrow) count[c]++;
        } else return npi_ox_fail(n, NP_EUNSUPPORTED, "its equation has '%c' where only letters, one ',' and one '->' are supported", c >= 32 &&
                c < 127 ? c : '?');
    }
    for (int c = 0; c < 128 && !arrow; c++) /* implicit result: the letters that appear once, sorted */
        if (count[c] == 1 && e->out.n < NP_MAX_RANK) e->out.letter[e->out.n++] = (char)c;
    if (e->n_in != n->n_in) return npi_ox_fail(n, NP_ESHAPE, "its equation has %d operands, the node %d", e->n_in, n->n_in);
    int widest = 0;
    for (int i = 0; i < e->n_in; i++) {
        const int extra = npi_ox_view(n, n->in[i])->rank - e->in[i].n;
        if (e->in[i].dots < 0) continue;
        spell_dots(&e->in[i], extra, count);
        if (extra > widest) widest = extra;
    }
    if (e->out.dots >= 0 || !arrow) spell_dots(&e->out, widest, NULL);
    for (int i = 0; i < e->n_in; i++) {
        const struct npi_view *v = npi_ox_view(n, n->in[i]);
        if (v->rank != e->in[i].n) return npi_ox_fail(n, NP_ESHAPE, "operand %d has rank %d, its term %d letters", i, v->rank, e->in[i].n);
        for (int k = 0; k < v->rank; k++) {
            int64_t *const size = &e->size[(int)e->in[i].letter[k]];
            if (*size && *size != v->d[k] && *size != 1 && v->d[k] != 1) return npi_ox_fail(n, NP_ESHAPE, "'%c' is %lld and %lld",
                    e->in[i].letter[k], (long long)*size, (long long)v->d[k]);
            if (v->d[k] > *size) *size = v->d[k];
        }
    }
    for (int i = 0; i < e->out.n; i++)
        if (!count[(int)e->out.letter[i]] || memchr(e->out.letter, e->out.letter[i], (size_t)i))
            return npi_ox_fail(n, NP_EUNSUPPORTED, "'%c' of the result is not in an operand, or twice in the result", e->out.letter[i]);
    return 0;
}

static int where_is(const struct term *t, char c) {
    for (int i = 0; i < t->n; i++)
        if (t->letter[i] == c) return i;
    return -1;
}

/* Sums out letters that nobody else wants, and takes the diagonal of a letter that appears twice. */
static int reduce_term(const struct npi_ox_node *n, int x, struct term *t, const struct term *other, const struct term *out) {
    for (int i = 0; i < t->n && x >= 0; i++) {
        const int twin = where_is(t, t->letter[i]);
        if (twin == i) continue;
        /* x[..., i, ..., i, ...]: keep where the two indices agree by a product with the identity, then sum one of them */
        const int64_t d = npi_ox_view(n, x)->d[i];
        struct npi_view eye = { .dtype = NP_U8, .rank = npi_ox_view(n, x)->rank };
        for (int k = 0; k < eye.rank; k++) eye.d[k] = k == i || k == twin ? d : 1;
        if (npi_ox_view(n, x)->d[twin] != d || d > 4096) return npi_ox_fail(n, NP_EUNSUPPORTED, "a diagonal of %lld", (long long)d);
        const int one = npi_graph_const(n->g, NULL, &eye);
        if (one < 0) return npi_ox_fail(n, NP_ENOMEM, "out of memory");
        for (int64_t k = 0; k < d; k++) ((uint8_t *)n->g->tensor[one].v.data)[k * d + k] = 1;
        x = npi_ox_bin(n, NPI_OP_MUL, x, npi_ox_cast(n, one, npi_ox_view(n, x)->dtype));
        x = npi_ox_reduce(n, x, NPI_REDUCE_SUM, 1u << i, 0);
        memmove(t->letter + i, t->letter + i + 1, (size_t)(t->n - i - 1));
        t->n--;
        i--;
    }
    unsigned axes = 0;
    int kept = 0;
    for (int i = 0; i < t->n; i++) {
        const char c = t->letter[i];
        if (where_is(out, c) < 0 && (!other || where_is(other, c) < 0)) axes |= 1u << i;
        else t->letter[kept++] = c;
    }
    t->n = kept;
    return x < 0 || !axes ? x : npi_ox_reduce(n, x, NPI_REDUCE_SUM, axes, 0);
}

/* Brings x (letters t) to the order of `to`; letters it lacks get dimension 1. */
static int arrange(const struct npi_ox_node *n, int x, const struct term *t, const struct term *to) {
    int perm[NP_MAX_RANK], k = 0;
    int64_t d[NP_MAX_RANK];
    for (int i = 0; i < to->n; i++)
        if (where_is(t, to->letter[i]) >= 0) perm[k++] = where_is(t, to->letter[i]);
    if (x < 0 || (x = npi_ox_transpose(n, x, perm)) < 0) return x;
    k = 0;
    for (int i = 0; i < to->n; i++) d[i] = where_is(t, to->letter[i]) >= 0 ? npi_ox_view(n, x)->d[k++] : 1;
    return npi_ox_reshape(n, x, to->n, d);
}

static int grow_term(struct term *t, char c) {
    if (t->n == NP_MAX_RANK) return 0;
    t->letter[t->n++] = c;
    return 1;
}

/* As one matrix product: [batch][M][K] x [batch][K][N]. */
static int product(const struct npi_ox_node *n, struct einsum *e, const int *x) {
    struct term batch = { .n = 0 }, m = { .n = 0 }, nn = { .n = 0 }, k = { .n = 0 }, full;
    int64_t size[4] = { 1, 1, 1, 1 };
    for (int i = 0; i < e->in[0].n; i++) {
        const char c = e->in[0].letter[i];
        const int shared = where_is(&e->in[1], c) >= 0, kept = where_is(&e->out, c) >= 0, kind = shared ? (kept ? 0 : 3) : 1;
        grow_term(kind == 0 ? &batch : kind == 3 ? &k : &m, c);
        size[kind] *= e->size[(int)c];
        if (shared && npi_ox_view(n, x[0])->d[i] != npi_ox_view(n, x[1])->d[where_is(&e->in[1], c)]) return npi_ox_fail(n, NP_EUNSUPPORTED,
                "'%c' is broadcast", c);
    }
    for (int i = 0; i < e->in[1].n; i++)
        if (where_is(&e->in[0], e->in[1].letter[i]) < 0) {
            grow_term(&nn, e->in[1].letter[i]);
            size[2] *= e->size[(int)e->in[1].letter[i]];
        }
    int side[2];
    for (int s = 0; s < 2; s++) {
        full = batch;
        const struct term *order[2] = { s ? &k : &m, s ? &nn : &k };
        for (int j = 0; j < 2; j++)
            for (int i = 0; i < order[j]->n; i++) grow_term(&full, order[j]->letter[i]);
        side[s] = npi_ox_reshape(n, arrange(n, x[s], &e->in[s], &full), 3, (const int64_t[]){ size[0], size[s ? 3 : 1], size[s ? 2 : 3] });
        if (side[s] < 0) return side[s];
    }
    const int y = npi_ox_bin(n, NPI_OP_MATMUL, side[0], side[1]);
    int64_t d[NP_MAX_RANK];
    full = batch;
    for (int i = 0; i < m.n; i++) grow_term(&full, m.letter[i]);
    for (int i = 0; i < nn.n; i++) grow_term(&full, nn.letter[i]);
    if (full.n != e->out.n) return npi_ox_fail(n, NP_ELIMIT, "more than %d dimensions", NP_MAX_RANK);
    for (int i = 0; i < full.n; i++) d[i] = e->size[(int)full.letter[i]];
    return arrange(n, npi_ox_reshape(n, y, full.n, d), &full, &e->out);
}

int npi_ox_do_einsum(struct npi_ox_node *n) {
    struct einsum e = { .n_in = 0 };
    const int r = parse(n, &e);
    if (r < 0) return r;
    int x[2];
    for (int i = 0; i < e.n_in; i++) {
        x[i] = reduce_term(n, n->in[i], &e.in[i], e.n_in == 2 ? &e.in[!i] : NULL, &e.out);
        if (x[i] < 0) return x[i];
    }
    return n->out[0] = e.n_in == 1 ? arrange(n, x[0], &e.in[0], &e.out) : product(n, &e, x);
}
