/* SPDX-License-Identifier: Apache-2.0 */
/* Binary ops on floats: rows by binary.h, in place where the plan can. */
#include <string.h>

#include "plan/binary.h"

struct params {
    struct npi_binary bin;
    const float *xc, *zc; /* constants, or NULL */
};

static void run(const struct npi_step *s, const struct npi_exec *e, int task, int worker) {
    const struct params *const p = s->params;
    const struct npi_binary *const q = &p->bin;
    const float *const x = p->xc ? p->xc : e->ptr[q->x], *const z = p->zc ? p->zc : e->ptr[q->z];
    float *const y = e->ptr[q->y];
    if (q->pieces == 1) {
        const int64_t first = task * q->rows_per_task, last = first + q->rows_per_task;
        npi_binary_rows(q, y + first * q->len, x, 0, z, 0, first, last < q->rows ? last : q->rows);
    } else {
        int64_t ox, oz, oy;
        const size_t n = npi_binary_piece(q, task, &ox, &oz, &oy);
        q->vec(y + oy, x + ox, z + oz, n, q->lo, q->hi);
        npi_binary_finish(q, y + oy, n);
    }
}

const float *npi_padded_const(struct npi_binder *b, int tensor) {
    const struct npi_view *v = npi_bind_view(b, tensor);
    const size_t bytes = npi_view_bytes(v);
    float *p = npi_arena_alloc(b->mem, bytes + NPI_TAIL);
    if (p) memcpy(p, v->data, bytes);
    return p;
}

int npi_bind_binary_f32(struct npi_binder *b, const struct npi_node *n, struct npi_step *s) {
    struct params q = { .xc = NULL };
    for (int i = 0; i < n->n_in; i++)
        if (!npi_plain_f32(npi_bind_view(b, n->in[i]))) return 0;
    if (!npi_plain_f32(npi_bind_view(b, n->out[0])) || !npi_binary_init(&q.bin, b, n, s)) return 0;
    const int x_const = npi_bind_view(b, q.bin.x)->data != NULL, z_const = npi_bind_view(b, q.bin.z)->data != NULL;
    struct params *const p = npi_arena_alloc(b->mem, sizeof *p);
    if (!p || (x_const && !(q.xc = npi_padded_const(b, q.bin.x))) || (z_const && !(q.zc = npi_padded_const(b, q.bin.z))))
        return npi_fail(b->err, NP_ENOMEM, "out of memory while planning");
    *p = q;
    s->kernel = q.bin.channels ? "binary_f32_vc" : q.bin.z_step ? "binary_f32_vv" : "binary_f32_vs";
    s->run = run;
    s->params = p;
    s->inplace_of = !x_const && q.bin.x_full ? q.bin.x_input : -1;
    return 1;
}
