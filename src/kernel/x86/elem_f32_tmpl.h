/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise work on floats for any vector type. A template: the includer defines V (vector type), VN(op) (its operations,
 * simd_avx2.h), VL (lanes), and the few below that only this family needs:
 *
 *   KEEP_NAN(x, r)  x is NaN ? x : r       SQRT, FLOOR, CEIL, NEG, HMAX (largest lane), HSUM
 *
 * The last vector of a run is read whole (NPI_TAIL) and stored in part. */
#define K(x) VN(set1)(x)

#define OP_ADD VN(add)(x, z)
#define OP_SUB VN(sub)(x, z)
#define OP_RSUB VN(sub)(z, x)
#define OP_MUL VN(mul)(x, z)
#define OP_DIV VN(div)(x, z)
#define OP_RDIV VN(div)(z, x)
#define OP_MIN KEEP_NAN(x, VN(min)(x, z))
#define OP_MAX KEEP_NAN(x, VN(max)(x, z))
#define OP_PRELU VN(lt)(x, K(0), VN(mul)(x, z), x)
#define OP_SQUARED_DIFF VN(mul)(VN(sub)(x, z), VN(sub)(x, z))

/* Few channels that do not fill whole vectors (3 of an image): VL rows of them do. */
#define TILED_MAX 40
static void tile(float *t, const float *z, size_t n) {
    for (size_t r = 0; r < VL; r++)
        for (size_t i = 0; i < n; i++) t[r * n + i] = z[i];
    for (size_t i = 0; i < VL; i++) t[VL * n + i] = 0; /* read with the last vector, not used */
}

#define CLAMPED(v) VN(max)(vlo, VN(min)(vhi, v))
#define BIN(name, expr)                                                                                                                      \
    NPI_INLINE V one_##name(V x, V z) { return OP_##name; }                                                                                  \
    static void vv_##name(float *y, const float *px, const float *pz, size_t n, float lo, float hi) {                                        \
        const V vlo = K(lo), vhi = K(hi);                                                                                                    \
        size_t i = 0;                                                                                                                        \
        for (; i + VL <= n; i += VL) VN(store)(y + i, CLAMPED(one_##name(VN(load)(px + i), VN(load)(pz + i))));                              \
        if (i < n) VN(store_n)(y + i, CLAMPED(one_##name(VN(load)(px + i), VN(load)(pz + i))), (int)(n - i));                                \
    }                                                                                                                                        \
    static void vs_##name(float *y, const float *px, const float *pz, size_t n, float lo, float hi) {                                        \
        const V vlo = K(lo), vhi = K(hi), z = K(pz[0]);                                                                                      \
        size_t i = 0;                                                                                                                        \
        for (; i + VL <= n; i += VL) VN(store)(y + i, CLAMPED(one_##name(VN(load)(px + i), z)));                                             \
        if (i < n) VN(store_n)(y + i, CLAMPED(one_##name(VN(load)(px + i), z)), (int)(n - i));                                               \
    }                                                                                                                                        \
    static void vc_##name(float *y, const float *px, const float *pz, size_t rows, size_t n, float lo, float hi) {                           \
        float tiled[VL * TILED_MAX + VL];                                                                                                    \
        if (n % VL && n < TILED_MAX && rows >= 2 * VL) {                                                                                     \
            const size_t all = rows * n, period = n * VL;                                                                                    \
            tile(tiled, pz, n);                                                                                                              \
            for (size_t i = 0; i < all; i += period) vv_##name(y + i, px + i, tiled, all - i < period ? all - i : period, lo, hi);           \
            return;                                                                                                                          \
        }                                                                                                                                    \
        for (; rows--; px += n, y += n) vv_##name(y, px, pz, n, lo, hi);                                                                     \
    }
NPI_BIN_F32_LIST(BIN)

/* tanh form of Gelu: x/2 (1 + tanh u) = x / (1 + e^-2u). */
NPI_INLINE V gelu_tanh(V x) {
    const V u = VN(mul)(x, VN(fma)(VN(mul)(x, x), K(2 * .79788456080286536f * .044715f), K(2 * .79788456080286536f)));
    return VN(div)(x, VN(add)(K(1), VN(exp)(NEG(u))));
}
/* tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2), e = e^x; from x = 20 on that is 1. */
NPI_INLINE V mish(V x) {
    const V e = VN(exp)(VN(min)(K(20), x)), n = VN(mul)(e, VN(add)(e, K(2)));
    return VN(mul)(x, VN(div)(n, VN(add)(n, K(2))));
}
/* a (e^x - 1): near 0 by the first terms, where e^x - 1 would cancel. */
NPI_INLINE V elu(V x, V a) {
    V p = VN(fma)(x, K(1.98412698e-4f), K(1.38888889e-3f));
    p = VN(fma)(p, x, K(8.3333333e-3f));
    p = VN(fma)(p, x, K(4.1666667e-2f));
    p = VN(fma)(p, x, K(1.6666667e-1f));
    p = VN(fma)(p, x, K(.5f));
    const V small = VN(fma)(VN(mul)(p, x), x, x), far = VN(sub)(VN(exp)(x), K(1));
    return VN(lt)(x, K(0), VN(mul)(a, VN(lt)(x, K(-.5f), far, small)), x);
}

#define F_CLAMP VN(max)(a, VN(min)(b, x))
#define F_LEAKY VN(leaky)(x, a)
#define F_HARD_SIGMOID VN(max)(K(0), VN(min)(K(1), VN(add)(VN(mul)(x, a), b)))
#define F_HARD_SWISH VN(hard_swish)(x)
#define F_SQUARE VN(mul)(x, x)
#define F_ABS VN(abs)(x)
#define F_NEG NEG(x)
#define F_SQRT SQRT(x)
#define F_RSQRT VN(div)(K(1), SQRT(x))
#define F_RECIPROCAL VN(div)(K(1), x)
#define F_FLOOR FLOOR(x)
#define F_CEIL CEIL(x)
#define F_ROUND VN(round)(x)
#define F_EXP VN(exp)(x)
#define F_SIGMOID VN(sigmoid)(x)
#define F_SILU VN(silu)(x)
#define F_TANH VN(tanh)(x)
#define F_ERF VN(erf)(x)
#define F_GELU VN(gelu)(x)
#define F_GELU_TANH gelu_tanh(x)
#define F_MISH mish(x)
#define F_ELU elu(x, a)

#define MAP(name, expr)                                                                                                                      \
    NPI_INLINE V f_##name(V x, V a, V b) { return F_##name; }                                                                                \
    static void map_##name(float *y, const float *px, size_t n, float fa, float fb) {                                                        \
        const V a = K(fa), b = K(fb);                                                                                                        \
        size_t i = 0;                                                                                                                        \
        for (; i + VL <= n; i += VL) VN(store)(y + i, f_##name(VN(load)(px + i), a, b));                                                     \
        if (i < n) VN(store_n)(y + i, f_##name(VN(load)(px + i), a, b), (int)(n - i));                                                       \
    }
NPI_MAP_F32_LIST(MAP)

/* The first n lanes of what is at p, `other` in the rest; n may be 0. */
NPI_INLINE V part(const float *p, size_t n, float other) {
    static const float lane[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    return n ? VN(lt)(VN(load)(lane), K((float)n), VN(load)(p), K(other)) : K(other);
}

/* The lanes behind the end take part as -inf: they change neither the maximum nor the sum. */
static void softmax(float *y, const float *x, size_t rows, size_t n) {
    const size_t whole = n / VL * VL;
    for (; rows--; x += n, y += n) {
        const V rest = part(x + whole, n - whole, -INFINITY);
        V top = rest, sum = K(0), last = sum;
        for (size_t i = 0; i < whole; i += VL) top = VN(max)(top, VN(load)(x + i));
        const float t = HMAX(top);
        for (size_t i = 0; i < whole; i += VL) {
            const V e = VN(exp)(VN(sub)(VN(load)(x + i), K(t)));
            VN(store)(y + i, e);
            sum = VN(add)(sum, e);
        }
        if (whole < n) last = VN(exp)(VN(sub)(rest, K(t)));
        const V k = K(1 / HSUM(VN(add)(sum, last)));
        for (size_t i = 0; i < whole; i += VL) VN(store)(y + i, VN(mul)(VN(load)(y + i), k));
        if (whole < n) VN(store_n)(y + whole, VN(mul)(last, k), (int)(n - whole));
    }
}

/* The lanes behind the end are -inf: e is 0 there. */
static void bins(float *y, const float *x, size_t rows, size_t n) {
    static const float lane[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    const size_t whole = n / VL * VL;
    for (; rows--; x += n, y += 3) {
        const V rest = part(x + whole, n - whole, -INFINITY);
        V top = rest, sum = K(0), sum_i = sum, at = VN(load)(lane);
        for (size_t i = 0; i < whole; i += VL) top = VN(max)(top, VN(load)(x + i));
        const V t = K(HMAX(top));
        for (size_t i = 0; i < whole; i += VL) {
            const V e = VN(exp)(VN(sub)(VN(load)(x + i), t));
            sum = VN(add)(sum, e);
            sum_i = VN(fma)(at, e, sum_i);
            at = VN(add)(at, K(VL));
        }
        if (whole < n) {
            const V e = VN(exp)(VN(sub)(rest, t));
            sum = VN(add)(sum, e);
            sum_i = VN(fma)(at, e, sum_i);
        }
        y[0] = HMAX(top);
        y[1] = HSUM(sum);
        y[2] = HSUM(sum_i);
    }
}

static void layer_norm(float *y, const float *x, size_t rows, size_t n, const float *scale, const float *bias, float eps, int rms) {
    const size_t whole = n / VL * VL;
    for (; rows--; x += n, y += n) {
        V sum = K(0), mean = sum, var = sum;
        if (!rms) {
            sum = part(x + whole, n - whole, 0);
            for (size_t i = 0; i < whole; i += VL) sum = VN(add)(sum, VN(load)(x + i));
            mean = K(HSUM(sum) / (float)n);
        }
        for (size_t i = 0; i < whole; i += VL) {
            const V d = VN(sub)(VN(load)(x + i), mean);
            var = VN(fma)(d, d, var);
        }
        if (whole < n) {
            float t[VL];
            VN(store)(t, VN(sub)(VN(load)(x + whole), mean));
            const V d = part(t, n - whole, 0);
            var = VN(fma)(d, d, var);
        }
        const V inv = K(1 / sqrtf(HSUM(var) / (float)n + eps));
        for (size_t i = 0; i < n; i += VL) {
            const V v = VN(fma)(VN(mul)(VN(sub)(VN(load)(x + i), mean), inv), VN(load)(scale + i), VN(load)(bias + i));
            if (i < whole) VN(store)(y + i, v);
            else VN(store_n)(y + i, v, (int)(n - i));
        }
    }
}

static const struct npi_elem_f32 table = {
#define ROW(name, expr) .bin[NPI_BIN_##name] = { vv_##name, vs_##name, vc_##name },
    NPI_BIN_F32_LIST(ROW)
#undef ROW
#define ROW(name, expr) .map[NPI_MAP_##name] = map_##name,
    NPI_MAP_F32_LIST(ROW)
#undef ROW
    .softmax = softmax,
    .bins = bins,
    .layer_norm = layer_norm,
};
