/* SPDX-License-Identifier: Apache-2.0 */
/* Where: out = cond ? x : y, three-way numpy broadcasting, any dtype by element size. */
#include <string.h>

#include "ops/convert.h"
#include "ops/walk.h"

static int infer_where(const struct npi_op_args *a, struct np_error *err) {
    const int r = npi_infer_dtype(a, 0, NPI_M_BOOL, err);
    if (r < 0) return r;
    if (a->in[1]->dtype != a->in[2]->dtype)
        return npi_fail(err, NP_EUNSUPPORTED, "the inputs 1 and 2 have different types, %s and %s", np_dtype_name(a->in[1]->dtype), np_dtype_name(a->in[2]->dtype));
    a->out[0]->dtype = a->in[1]->dtype;
    return npi_infer_broadcast(a->out[0], a->in, 3, err);
}

static void eval_where(const struct npi_op_args *a) {
    const struct npi_view *out = a->out[0];
    const size_t size = np_dtype_size(out->dtype);
    const uint8_t *cond = a->in[0]->data;
    const char *x = a->in[1]->data, *y = a->in[2]->data;
    char *o = out->data;
    struct npi_walk w;
    for (int more = npi_walk_init(&w, out, a->in, 3); more; more = npi_walk_next(&w))
        for (int64_t i = 0; i < w.len; i++) {
            const char *src = cond[w.off[0] + i * w.step[0]] ? x + (w.off[1] + i * w.step[1]) * (int64_t)size : y + (w.off[2] + i * w.step[2]) * (int64_t)size;
            memcpy(o + (w.off_out + i) * (int64_t)size, src, size);
        }
}

static const struct npi_op_def defs[] = { { NPI_OP_WHERE, infer_where, eval_where, NULL, 0 } };
const struct npi_op_family npi_ops_where = { defs, sizeof defs / sizeof *defs };
