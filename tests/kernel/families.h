/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel families under test, one line each: X(name) stands for `const struct ck_family ck_name` in check_name.c. */
#ifndef NPI_TESTS_KERNEL_FAMILIES_H
#define NPI_TESTS_KERNEL_FAMILIES_H

#define CK_FAMILIES(X) \
    X(self)            \
    X(add_q8)          \
    X(elem_q8)         \
    X(elem_f32)        \
    X(move)            \
    X(gemm_f32)        \
    X(gemm_bf16)       \
    X(dwconv_f16)      \
    X(dwconv_f32)      \
    X(gemm_q8)         \
    X(dwconv_q8)       \
    X(pool)            \
    X(resize)          \
    X(pixel)           \
    /* end */

#endif
