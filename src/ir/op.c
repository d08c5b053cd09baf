/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/op.h"

#include <stddef.h>

const struct npi_op_info npi_op_info[NPI_OP_COUNT] = {
#define ROW(id, name, i0, i1, o0, o1, cmask) [NPI_OP_##id] = { name, i0, i1, o0, o1, cmask },
    NPI_OP_LIST(ROW)
#undef ROW
};

const char *np_op_name(int i) { return i >= 0 && i < NPI_OP_COUNT ? npi_op_info[i].name : NULL; }

static const struct { const char *name; size_t size; } dtypes[NP_DTYPE_COUNT] = {
    [NP_F32] = { "f32", 4 }, [NP_F16] = { "f16", 2 }, [NP_F64] = { "f64", 8 }, [NP_I8] = { "i8", 1 },   [NP_U8] = { "u8", 1 },
    [NP_I16] = { "i16", 2 }, [NP_U16] = { "u16", 2 }, [NP_I32] = { "i32", 4 }, [NP_U32] = { "u32", 4 }, [NP_I64] = { "i64", 8 },
    [NP_U64] = { "u64", 8 }, [NP_BOOL] = { "bool", 1 }, [NP_BF16] = { "bf16", 2 },
};

const char *np_dtype_name(int t) { return t >= 0 && t < NP_DTYPE_COUNT ? dtypes[t].name : "?"; }
size_t np_dtype_size(int t) { return t >= 0 && t < NP_DTYPE_COUNT ? dtypes[t].size : 0; }
