/* SPDX-License-Identifier: Apache-2.0 */
/* DepthToSpace and SpaceToDepth on [n][h][w][c], b = a.block.block:
 *
 *   DepthToSpace, dcr 1: out[y*b + i][x*b + j][k] = in[y][x][(i*b + j) * C + k],  C = c / (b*b)
 *                 dcr 0: out[y*b + i][x*b + j][k] = in[y][x][k * b*b + i*b + j]   (ONNX CRD)
 *   SpaceToDepth: the inverse of the first; both formats have only that order, a.block.dcr is not read */
#include "ops/walk.h"

static int infer_block(const struct npi_op_args *a, struct np_error *err) {
    const struct npi_view *in = a->in[0];
    struct npi_view *out = a->out[0];
    const int64_t b = a->node->a.block.block;
    int r = npi_infer_dtype(a, 0, NPI_M_ANY, err);
    if (r < 0) return r;
    if (in->rank != 4) return npi_fail(err, NP_ESHAPE, "the input %s must have 4 dimensions", npi_dims_text(in).s);
    if (b < 1 || b > 4096) return npi_fail(err, NP_EINVAL, "the block size %lld is out of range", (long long)b);
    npi_infer_same(out, in);
    if (a->node->op == NPI_OP_DEPTH_TO_SPACE) {
        if (in->d[3] % (b * b))
            return npi_fail(err, NP_ESHAPE, "%lld channels cannot be split in blocks of %lld x %lld", (long long)in->d[3], (long long)b, (long long)b);
        out->d[3] = in->d[3] / (b * b);
        if (__builtin_mul_overflow(in->d[1], b, &out->d[1]) || __builtin_mul_overflow(in->d[2], b, &out->d[2]))
            return npi_fail(err, NP_ELIMIT, "the output is too large");
    } else {
        if (in->d[1] % b || in->d[2] % b)
            return npi_fail(err, NP_ESHAPE, "the image %s cannot be split in blocks of %lld x %lld", npi_dims_text(in).s, (long long)b, (long long)b);
        out->d[1] = in->d[1] / b;
        out->d[2] = in->d[2] / b;
        if (__builtin_mul_overflow(in->d[3], b * b, &out->d[3])) return npi_fail(err, NP_ELIMIT, "the output is too large");
    }
    if ((r = npi_infer_move_q(out, in, in->q.axis == 0 ? 0 : -1, err)) < 0) return r;
    return npi_infer_check(out, err);
}

/* Both as one copy over [n][y][x][i][j][k], with the strides of either side. */
static void eval_block(const struct npi_op_args *a) {
    const struct npi_view *in = a->in[0], *out = a->out[0];
    const int to_space = a->node->op == NPI_OP_DEPTH_TO_SPACE;
    const struct npi_view *space = to_space ? out : in, *depth = to_space ? in : out;
    const int64_t b = a->node->a.block.block, c = space->d[3], size = (int64_t)np_dtype_size(in->dtype);
    int64_t s[4], p[4];
    npi_view_strides(space, s);
    npi_view_strides(depth, p);
    const int crd = to_space && !a->node->a.block.dcr;
    const int64_t d[6] = { depth->d[0], depth->d[1], depth->d[2], b, b, c };
    const int64_t ss[6] = { s[0], s[1] * b, s[2] * b, s[1], s[2], s[3] };
    const int64_t ps[6] = { p[0], p[1], p[2], (crd ? b : b * c) * size, (crd ? 1 : c) * size, (crd ? b * b : 1) * size };
    npi_copy_nd(out->data, to_space ? ss : ps, in->data, to_space ? ps : ss, d, 6, (size_t)size);
    npi_requant_moved(out, in);
}

static const struct npi_op_def defs[] = {
    { NPI_OP_DEPTH_TO_SPACE, infer_block, eval_block, NULL, NPI_OPF_QUANT },
    { NPI_OP_SPACE_TO_DEPTH, infer_block, eval_block, NULL, NPI_OPF_QUANT },
};
const struct npi_op_family npi_ops_block = { defs, sizeof defs / sizeof *defs };
