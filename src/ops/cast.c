/* SPDX-License-Identifier: Apache-2.0 */
/* Cast between all dtypes (a.cast.to).
 *
 *   float -> integer   truncated towards zero, saturated, NaN gives 0; a.cast.round_saturate: rounded half to even instead of truncated
 *   float -> float     rounded once, to nearest even
 *   integer -> integer the low bits are kept, as a C cast does
 *   anything -> bool   != 0 (NaN is true);  bool -> 0 or 1
 *
 * Works on the stored integers of quantized tensors, as the formats do; the result is not quantized unless the file says so. */
#include <math.h>

#include "ops/convert.h"
#include "ops/walk.h"

static int infer_cast(const struct npi_op_args *a, struct np_error *err) {
    const int to = a->node->a.cast.to;
    const int r = npi_infer_dtype(a, 0, NPI_M_ANY, err);
    if (r < 0) return r;
    if (to < 0 || to >= NP_DTYPE_COUNT) return npi_fail(err, NP_EUNSUPPORTED, "the target type %d is not known", to);
    npi_infer_same(a->out[0], a->in[0]);
    a->out[0]->dtype = to;
    return npi_infer_check(a->out[0], err);
}

static void eval_cast(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    const int64_t n = npi_view_count(out);
    const int from_float = npi_dtype_kind(in->dtype) == NPI_KIND_FLOAT, to_float = npi_dtype_kind(out->dtype) == NPI_KIND_FLOAT;
    const int rounded = a->node->a.cast.round_saturate && from_float && !to_float && out->dtype != NP_BOOL;
    for (int64_t at = 0; at < n; at += NPI_BLOCK) {
        const size_t m = n - at < NPI_BLOCK ? (size_t)(n - at) : NPI_BLOCK;
        if (from_float || (in->dtype == NP_U64 && to_float)) {
            double v[NPI_BLOCK];
            npi_load_f64(v, in->dtype, in->data, at, 1, m);
            for (size_t i = 0; rounded && i < m; i++) v[i] = nearbyint(v[i]);
            npi_store_f64(out->dtype, out->data, at, v, m);
        } else {
            int64_t v[NPI_BLOCK];
            npi_load_i64(v, in->dtype, in->data, at, 1, m);
            npi_store_i64(out->dtype, out->data, at, v, m);
        }
    }
}

static const struct npi_op_def defs[] = { { NPI_OP_CAST, infer_cast, eval_cast, NULL, NPI_OPF_QUANT | NPI_OPF_INPLACE } };
const struct npi_op_family npi_ops_cast = { defs, sizeof defs / sizeof *defs };
