/* SPDX-License-Identifier: Apache-2.0 */
/* Binary ops on 8-bit tensors that have no kernel of their own (broadcasting, division, minima): blocks go to float, through the
 * kernels of floats, and back, as the reference does with whole tensors. An operand that is not as large as the output is
 * converted as a whole, by each task or, if it is constant, while planning; so it has to be small. */
#include <math.h>

#include "ops/quantize.h"
#include "plan/binary.h"

struct operand { const float *constant; int id, is_u8, zero, full; float scale; size_t count; };
struct params {
    struct npi_binary bin;
    void (*to_f32)(float *y, const uint8_t *x, size_t n, int is_u8, int zero, float scale);
    void (*from_f32)(uint8_t *y, const float *x, size_t n, int is_u8, int zero, float scale);
    struct operand x, z, y;
};
#define SLOT ((size_t)NPI_BINARY_BLOCK + NPI_TAIL / sizeof(float))

/* Elements at..at+n-1 of a full operand, or all of a small one, as floats; *from = the element that is first there. */
static const float *load(const struct params *p, const struct operand *o, const struct npi_exec *e, float *to, int64_t at, size_t n, int64_t *from) {
    *from = 0;
    if (o->constant) return o->constant;
    const uint8_t *const x = e->ptr[o->id];
    if (o->full) *from = at;
    p->to_f32(to, x + *from, o->full ? n : o->count, o->is_u8, o->zero, o->scale);
    return to;
}

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const struct npi_binary *const q = &p->bin;
    float *const fx = npi_exec_scratch(e, worker), *const fz = fx + SLOT, *const fy = fz + SLOT;
    int64_t ox = 0, oz = 0, oy = 0, x_at, z_at, first = 0, last = 0;
    size_t n;
    if (q->pieces == 1) {
        first = task * q->rows_per_task;
        last = first + q->rows_per_task < q->rows ? first + q->rows_per_task : q->rows;
        n = (size_t)((last - first) * q->len);
        ox = oz = oy = first * q->len;
    } else {
        n = npi_binary_piece(q, task, &ox, &oz, &oy);
    }
    const float *const x = load(p, &p->x, e, fx, ox, n, &x_at), *const z = load(p, &p->z, e, fz, oz, n, &z_at);
    if (q->pieces == 1) {
        npi_binary_rows(q, fy, x, x_at, z, z_at, first, last);
    } else {
        q->vec(fy, x + (ox - x_at), z + (oz - z_at), n, q->lo, q->hi);
        npi_binary_finish(q, fy, n);
    }
    p->from_f32((uint8_t *)e->ptr[q->y] + oy, fy, n, p->y.is_u8, p->y.zero, p->y.scale);
}

static int operand(struct npi_binder *b, struct params *p, struct operand *o, int id, int full) {
    const struct npi_view *const v = npi_bind_view(b, id);
    *o = (struct operand){ .id = id, .is_u8 = v->dtype == NP_U8, .zero = npi_q_zero(v, 0), .scale = npi_q_scale(v, 0), .full = full, .count = (size_t)npi_view_count(v) };
    if (!v->data) return full || o->count <= NPI_BINARY_BLOCK;
    float *const f = npi_arena_alloc(b->mem, o->count * sizeof *f + NPI_TAIL);
    uint8_t *const padded = npi_arena_alloc(b->mem, o->count + NPI_TAIL); /* kernels may read behind */
    if (!f || !padded) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    memcpy(padded, v->data, o->count);
    p->to_f32(f, padded, o->count, o->is_u8, o->zero, o->scale);
    o->constant = f;
    return 1;
}

int npi_bind_binary_q8(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    if (n->n_in != 2) return 0;
    const int ids[3] = { n->in[0], n->in[1], n->out[0] };
    for (int i = 0; i < 3; i++) {
        const struct npi_view *const v = npi_bind_view(b, ids[i]);
        if (!v || (v->dtype != NP_I8 && v->dtype != NP_U8) || v->q.n != 1) return 0;
    }
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p) return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = (struct params){ .to_f32 = b->k->elem_q8.to_f32, .from_f32 = b->k->elem_q8.from_f32 };
    if (!npi_binary_init(&p->bin, b, n, s)) return 0;
    int r = operand(b, p, &p->x, p->bin.x, p->bin.x_full);
    if (r > 0) r = operand(b, p, &p->z, p->bin.z, p->bin.z_full);
    if (r > 0) r = operand(b, p, &p->y, p->bin.y, 1);
    if (r <= 0) return r;
    s->kernel = "binary_q8";
    s->run = run;
    s->params = p;
    s->scratch_bytes = 3 * SLOT * sizeof(float);
    return 1;
}
