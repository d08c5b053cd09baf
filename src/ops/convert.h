/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of any dtype to and from the two types the references compute in, a block at a time.
 *
 *   f32 f16 bf16 f64        -> double    (exact)
 *   integers and bool       -> int64_t   (exact; u64 as its bits, see npi_kind)
 *
 * So each op is written once for double and once for integers instead of once a dtype. Pointers need no alignment:
 * constants may lie anywhere in a mapped file. */
#ifndef NPI_OPS_CONVERT_H
#define NPI_OPS_CONVERT_H
#include <stddef.h>
#include <stdint.h>

#define NPI_BLOCK 256 /* elements in one block: three blocks of doubles stay in the first-level cache */

enum npi_kind { NPI_KIND_FLOAT, NPI_KIND_INT, NPI_KIND_UINT }; /* UINT: u64 only, all narrower integers fit INT */
int npi_dtype_kind(int dtype);
int npi_dtype_bits(int dtype);

typedef float npi_f32u __attribute__((aligned(1), may_alias));
typedef double npi_f64u __attribute__((aligned(1), may_alias));
typedef int16_t npi_i16u __attribute__((aligned(1), may_alias));
typedef int32_t npi_i32u __attribute__((aligned(1), may_alias));
typedef int64_t npi_i64u __attribute__((aligned(1), may_alias));
typedef uint16_t npi_u16u __attribute__((aligned(1), may_alias));
typedef uint32_t npi_u32u __attribute__((aligned(1), may_alias));
typedef uint64_t npi_u64u __attribute__((aligned(1), may_alias));

/* d[i] = element off + i * step of base. To integers: floats are truncated and saturated, NaN gives 0. */
void npi_load_f64(double *d, int dtype, const void *base, int64_t off, int64_t step, size_t n);
void npi_load_i64(int64_t *d, int dtype, const void *base, int64_t off, int64_t step, size_t n);
/* Element off + i of base = s[i]. Doubles into integers: truncated, saturated, NaN gives 0; into bool: != 0.
 * Integers into narrower ones wrap. */
void npi_store_f64(int dtype, void *base, int64_t off, const double *s, size_t n);
void npi_store_i64(int dtype, void *base, int64_t off, const int64_t *s, size_t n);
int64_t npi_f64_to_i64(double v); /* truncated, saturated, NaN: 0 */

static inline double npi_get_f64(int dtype, const void *base, int64_t i) { double v; npi_load_f64(&v, dtype, base, i, 1, 1); return v; }
static inline int64_t npi_get_i64(int dtype, const void *base, int64_t i) { int64_t v; npi_load_i64(&v, dtype, base, i, 1, 1); return v; }
static inline void npi_put_f64(int dtype, void *base, int64_t i, double v) { npi_store_f64(dtype, base, i, &v, 1); }
static inline void npi_put_i64(int dtype, void *base, int64_t i, int64_t v) { npi_store_i64(dtype, base, i, &v, 1); }

/* A key that orders as the values do, for any dtype; -0 equals 0; NaN above all (nan_high) or below all. */
int64_t npi_order_key(int dtype, const void *base, int64_t i, int nan_high);
#endif
