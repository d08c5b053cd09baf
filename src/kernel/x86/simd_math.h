/* SPDX-License-Identifier: Apache-2.0 */
/* exp, sigmoid, tanh, erf and the fused activations, written once for any vector type. Included by simd_avx2.h (V =
 * f32x8) and simd_avx512.h (V = f32x16); VN(op) pastes the prefix. No include guard: it is a template.
 *
 * Polynomials: our own minimax fits (Lawson iteration, relative weights). Largest error measured against libm in double:
 * exp 1.1 ulp over the whole range, tanh and erf 2 ulp, sigmoid 2 ulp. */

/* e^x; inf above 88.7, 0 below -104, NaN stays. n = round(x / ln 2), r = x - n ln 2 in two pieces, then degree 6. */
NPI_INLINE V VN(exp)(V x) {
    x = VN(max)(VN(set1)(-104.f), VN(min)(VN(set1)(89.f), x));
    const V n = VN(round)(VN(mul)(x, VN(set1)(1.44269504f)));
    V r = VN(fma)(n, VN(set1)(-0.693145752f), x);
    r = VN(fma)(n, VN(set1)(-1.42860677e-6f), r);
    V p = VN(fma)(VN(set1)(1.38368e-3f), r, VN(set1)(8.374817e-3f));
    p = VN(fma)(p, r, VN(set1)(4.1668229e-2f));
    p = VN(fma)(p, r, VN(set1)(1.66664198e-1f));
    p = VN(fma)(p, r, VN(set1)(4.99999916e-1f));
    p = VN(fma)(p, VN(mul)(r, r), r);
    return VN(scale2)(VN(add)(p, VN(set1)(1.f)), n);
}

NPI_INLINE V VN(sigmoid)(V x) {
    const V one = VN(set1)(1.f);
    return VN(div)(one, VN(add)(one, VN(exp)(VN(sub)(VN(set1)(0.f), x))));
}
NPI_INLINE V VN(silu)(V x) {
    return VN(div)(x, VN(add)(VN(set1)(1.f), VN(exp)(VN(sub)(VN(set1)(0.f), x))));
}

/* The cheaper pair for fused activations: a short 2^u. The argument stops at -80, so that the reciprocal stays
 * a normal number: below that sigmoid is 1.8e-35. Rounding x / ln 2 costs 1e-7 |x| where sigmoid is e^-|x|: not seen. */
NPI_INLINE V VN(exp_minus_fast)(V x) { return VN(exp2_fast)(VN(mul)(VN(clamp_exp)(x, VN(set1)(-80.f)), VN(set1)(-1.44269504f))); }
NPI_INLINE V VN(sigmoid_fast)(V x) { return VN(ratio)(VN(set1)(1.f), VN(add)(VN(set1)(1.f), VN(exp_minus_fast)(x))); }
NPI_INLINE V VN(silu_fast)(V x) { return VN(ratio)(x, VN(add)(VN(set1)(1.f), VN(exp_minus_fast)(x))); }

/* |x| < 0.625: x + x^3 P(x^2); else 1 - 2 / (e^2|x| + 1). */
NPI_INLINE V VN(tanh)(V x) {
    const V one = VN(set1)(1.f), a = VN(abs)(x), u = VN(mul)(x, x);
    V p = VN(fma)(VN(set1)(-5.71704e-3f), u, VN(set1)(2.065058e-2f));
    p = VN(fma)(p, u, VN(set1)(-5.37435e-2f));
    p = VN(fma)(p, u, VN(set1)(1.3331491e-1f));
    p = VN(fma)(p, u, VN(set1)(-3.3333284e-1f));
    const V small = VN(fma)(VN(mul)(p, u), x, x);
    const V big = VN(sub)(one, VN(div)(VN(set1)(2.f), VN(add)(VN(exp)(VN(add)(a, a)), one)));
    return VN(lt)(a, VN(set1)(.625f), small, VN(copysign)(big, x));
}

/* |x| < 1: x P(x^2); else 1 - e^Q(|x|), Q fitted to ln erfc on 1..3.95, beyond which erf is 1 in float. */
NPI_INLINE V VN(erf)(V x) {
    const V a = VN(abs)(x), u = VN(mul)(x, x);
    V p = VN(fma)(VN(set1)(7.85385760e-5f), u, VN(set1)(-8.01019249e-4f));
    p = VN(fma)(p, u, VN(set1)(5.18832756e-3f));
    p = VN(fma)(p, u, VN(set1)(-2.68538119e-2f));
    p = VN(fma)(p, u, VN(set1)(1.12835851e-1f));
    p = VN(fma)(p, u, VN(set1)(-3.76126258e-1f));
    p = VN(fma)(p, u, VN(set1)(1.12837917f));
    const V small = VN(mul)(p, x);
    const V t = VN(min)(VN(set1)(3.95f), a);
    V q = VN(fma)(VN(set1)(-2.16868509e-5f), t, VN(set1)(4.41336391e-4f));
    q = VN(fma)(q, t, VN(set1)(-4.20456196e-3f));
    q = VN(fma)(q, t, VN(set1)(2.5208257e-2f));
    q = VN(fma)(q, t, VN(set1)(-1.08418578e-1f));
    q = VN(fma)(q, t, VN(set1)(-6.33219892e-1f));
    q = VN(fma)(q, t, VN(set1)(-1.12957842f));
    q = VN(fma)(q, t, VN(set1)(1.88040323e-4f));
    return VN(lt)(a, VN(set1)(1.f), small, VN(copysign)(VN(sub)(VN(set1)(1.f), VN(exp)(q)), x));
}
NPI_INLINE V VN(gelu)(V x) {
    const V e = VN(erf)(VN(mul)(x, VN(set1)(.70710678f)));
    return VN(mul)(VN(mul)(VN(set1)(.5f), x), VN(add)(VN(set1)(1.f), e));
}
NPI_INLINE V VN(hard_swish)(V x) {
    const V t = VN(max)(VN(set1)(0.f), VN(min)(VN(set1)(6.f), VN(add)(x, VN(set1)(3.f))));
    return VN(mul)(VN(mul)(x, t), VN(set1)(1.f / 6));
}
NPI_INLINE V VN(leaky)(V x, V slope) { return VN(lt)(x, VN(set1)(0.f), VN(mul)(x, slope), x); }

NPI_INLINE V VN(act)(const struct npi_kact_f32 *a, V x) {
    switch (a->kind) {
    case NPI_KACT_CLAMP: return VN(max)(VN(set1)(a->lo), VN(min)(VN(set1)(a->hi), x));
    case NPI_KACT_SILU: return VN(silu_fast)(x);
    case NPI_KACT_SIGMOID: return VN(sigmoid_fast)(x);
    case NPI_KACT_HARD_SWISH: return VN(hard_swish)(x);
    case NPI_KACT_LEAKY: return VN(leaky)(x, VN(set1)(a->lo));
    case NPI_KACT_TANH: return VN(tanh)(x);
    case NPI_KACT_GELU: return VN(gelu)(x);
    default: return x;
    }
}
