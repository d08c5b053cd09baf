/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise steps on 8-bit tensors: any unary op, a change of quantization, and arithmetic with one constant is a table of
 * 256 bytes that the C reference fills in while planning; Quantize and Dequantize between 8 bits and float are arithmetic. */
#include <string.h>

#include "ops/quantize.h"
#include "plan/bind_q8.h"

enum { CHUNK = 32768 };

struct params {
    struct npi_elem_q8 k;
    int x_id, y_id;
    size_t n;
    int kind;                  /* 0 table, 1 to float, 2 from float */
    int is_u8, zero;
    float scale;
    uint8_t table[256];
};

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const size_t at = (size_t)task * CHUNK, n = p->n - at < CHUNK ? p->n - at : CHUNK;
    const uint8_t *const x = e->ptr[p->x_id];
    uint8_t *const y = e->ptr[p->y_id];
    if (p->kind == 0) p->k.map(y + at, x + at, n, p->table);
    else if (p->kind == 1) p->k.to_f32((float *)(void *)y + at, x + at, n, p->is_u8, p->zero, p->scale);
    else p->k.from_f32(y + at, (const float *)(const void *)x + at, n, p->is_u8, p->zero, p->scale);
}

static int eight_bit(const struct npi_view *v) { return (v->dtype == NP_I8 || v->dtype == NP_U8) && v->q.n == 1; }

/* Ops that look at one element at a time. */
static int unary(enum npi_op op) { return (op >= NPI_OP_RELU && op <= NPI_OP_ATANH) || op == NPI_OP_QUANTIZE; }
static int binary(enum npi_op op) { return op >= NPI_OP_ADD && op <= NPI_OP_PRELU; }

/* The input that varies; -1 when this is not a function of one byte. */
static int variable(const struct npi_binder *b, const struct npi_node *n) {
    if (n->n_in == 1) return unary(n->op) || n->op == NPI_OP_DEQUANTIZE ? 0 : -1;
    if (n->n_in != 2 || !binary(n->op)) return -1;
    for (int i = 0; i < 2; i++) {
        const struct npi_view *const c = npi_bind_view(b, n->in[1 - i]);
        if (c->data && npi_view_count(c) == 1 && c->q.n == 1) return i;
    }
    return -1;
}

/* What the reference makes of each byte. */
static int fill_table(struct npi_binder *b, const struct npi_node *n, int var, const struct npi_view *x, const struct npi_view *y, uint8_t *table) {
    uint8_t in[256];
    for (int i = 0; i < 256; i++) in[i] = (uint8_t)i;
    struct npi_view vx = { .dtype = x->dtype, .rank = 1, .d = { 256 }, .q = x->q, .data = in }, other = { 0 };
    struct npi_view vy = { .dtype = y->dtype, .rank = 1, .d = { 256 }, .q = y->q, .data = table };
    const struct npi_view *inv[2] = { &vx, &vx };
    if (n->n_in == 2) {
        other = *npi_bind_view(b, n->in[1 - var]);
        other.rank = 0;
        inv[1 - var] = &other;
    }
    struct npi_op_args a = { .node = n, .in = { inv[0], n->n_in == 2 ? inv[1] : NULL }, .inv = inv, .n_in = n->n_in, .out = { &vy }, .n_out = 1 };
    const size_t bytes = npi_op_scratch(&a);
    a.scratch = bytes ? npi_alloc(bytes) : NULL;
    if (bytes && !a.scratch) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    npi_op_eval(&a);
    npi_free(a.scratch);
    return 0;
}

int npi_bind_map_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    const int var = variable(b, n);
    if (var < 0 || n->n_out != 1) return 0;
    const struct npi_view *const x = npi_bind_view(b, n->in[var]), *const y = npi_bind_view(b, n->out[0]);
    const int64_t count = npi_view_count(y);
    int kind;
    if (eight_bit(x) && eight_bit(y) && n->op != NPI_OP_DEQUANTIZE) kind = 0;
    else if (n->op == NPI_OP_DEQUANTIZE && eight_bit(x) && y->dtype == NP_F32 && !n->act.kind) kind = 1;
    else if (n->op == NPI_OP_QUANTIZE && eight_bit(y) && x->dtype == NP_F32 && !n->act.kind) kind = 2;
    else return 0;
    if (count < 1 || count != npi_view_count(x) || count / CHUNK > 1 << 30) return 0;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    const struct npi_view *const q = kind == 1 ? x : y;
    *p = (struct params){ .k = b->k->elem_q8, .x_id = n->in[var], .y_id = n->out[0], .n = (size_t)count, .kind = kind, .is_u8 = q->dtype == NP_U8, .zero = npi_q_zero(q, 0),
                          .scale = npi_q_scale(q, 0) };
    if (kind == 0 && fill_table(b, n, var, x, y, p->table) < 0) return NP_ENOMEM;
    s->kernel = kind == 0 ? "map_q8" : kind == 1 ? "dequantize_q8" : "quantize_q8";
    s->run = run;
    s->n_tasks = (int)((count + CHUNK - 1) / CHUNK);
    s->params = p;
    s->inplace_of = kind == 0 ? var : -1;
    return 1;
}
