// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution, stride 1, "same" padding, channels-last float: forward (and with turned weights the gradient of the input) and the gradient
// of the weights. PyTorch's backward of it takes as long as all of the net's matrix products on a CPU without AVX-512; this is about 4 times faster.
//
//   x, y, g [n][h][w][c]    weight [k * k][c]    c a multiple of 8, k = 3 or 7
//
// Plain GCC vectors of 8 floats: whatever the compiler makes of them with -march=native. A strip of TW outputs stays in registers while a row of the
// kernel passes over it; each input is loaded once a row.
#include <cstddef>
#include <cstring>
#include <vector>
#include <algorithm>
#include <omp.h>

typedef float v8 __attribute__((vector_size(32), aligned(4)));
static inline v8 load(const float *p) { return *(const v8 *)p; }
static inline void store(float *p, v8 v) { *(v8 *)p = v; }
static const int TW = 6;

template <int K, int N>
static inline void strip(const float *x, const float *weight, v8 bias, float *y, int h, int w, int c, int oy, int ox) {
    const int P = K / 2, k0 = std::max(0, P - oy), k1 = std::min(K, h + P - oy);
    v8 acc[N];
    for (int i = 0; i < N; i++) acc[i] = bias;
    for (int k = k0; k < k1; k++) {
        const float *row = x + (size_t)(oy + k - P) * w * c;
        v8 wv[K];
        for (int q = 0; q < K; q++) wv[q] = load(weight + (k * K + q) * c);
#pragma GCC unroll 16
        for (int s = 0; s < N + K - 1; s++) {
            const int ix = ox + s - P;
            if (ix < 0 || ix >= w) continue;
            const v8 v = load(row + (size_t)ix * c);
#pragma GCC unroll 16
            for (int i = 0; i < N; i++)
                if (s - i >= 0 && s - i < K) acc[i] += v * wv[s - i];
        }
    }
    for (int i = 0; i < N; i++) store(y + ((size_t)oy * w + ox + i) * c, acc[i]);
}

template <int K>
static void forward(const float *x, const float *weight, const float *bias, float *y, int n, int h, int w, int c) {
#pragma omp parallel for schedule(static)
    for (int b = 0; b < n; b++)
        for (int ch = 0; ch < c; ch += 8) {
            const float *in = x + (size_t)b * h * w * c + ch;
            float *out = y + (size_t)b * h * w * c + ch;
            const v8 first = bias ? load(bias + ch) : v8{};
            for (int oy = 0; oy < h; oy++) {
                int ox = 0;
                for (; ox + TW <= w; ox += TW) strip<K, TW>(in, weight + ch, first, out, h, w, c, oy, ox);
                for (; ox + 2 <= w; ox += 2) strip<K, 2>(in, weight + ch, first, out, h, w, c, oy, ox);
                for (; ox < w; ox++) strip<K, 1>(in, weight + ch, first, out, h, w, c, oy, ox);
            }
        }
}

/* One row of the kernel against one row of gradients, M outputs at a time: acc[q] += x[ox + q - P] * g[ox]. */
template <int K, int M>
static inline void row_gradient(const float *row, const float *grow, v8 *acc, int w, int c, int ox) {
    const int P = K / 2;
    v8 gv[M];
    for (int i = 0; i < M; i++) gv[i] = load(grow + (size_t)(ox + i) * c);
#pragma GCC unroll 16
    for (int s = 0; s < K + M - 1; s++) {
        const int ix = ox + s - P;
        if (ix < 0 || ix >= w) continue;
        const v8 v = load(row + (size_t)ix * c);
#pragma GCC unroll 8
        for (int i = 0; i < M; i++)
            if (s - i >= 0 && s - i < K) acc[s - i] += v * gv[i];
    }
}

template <int K>
static void gradient(const float *x, const float *g, float *gw, float *gb, int n, int h, int w, int c) {
    const int P = K / 2, threads = omp_get_max_threads();
    const size_t part = (size_t)(K * K + 1) * c;
    std::vector<float> sums(threads * part, 0.f);
#pragma omp parallel
    {
        float *mine = sums.data() + omp_get_thread_num() * part;
#pragma omp for schedule(static)
        for (int b = 0; b < n; b++)
            for (int ch = 0; ch < c; ch += 8) {
                const float *in = x + (size_t)b * h * w * c + ch, *out = g + (size_t)b * h * w * c + ch;
                v8 total = {};
                for (int i = 0; i < h * w; i++) total += load(out + (size_t)i * c);
                store(mine + K * K * c + ch, total + load(mine + K * K * c + ch));
                for (int k = 0; k < K; k++) {
                    v8 acc[K] = {};
                    for (int oy = std::max(0, P - k); oy < std::min(h, h + P - k); oy++) {
                        const float *row = in + (size_t)(oy + k - P) * w * c, *grow = out + (size_t)oy * w * c;
                        int ox = 0;
                        for (; ox + 4 <= w; ox += 4) row_gradient<K, 4>(row, grow, acc, w, c, ox);
                        for (; ox < w; ox++) row_gradient<K, 1>(row, grow, acc, w, c, ox);
                    }
                    for (int q = 0; q < K; q++) {
                        float *p = mine + (size_t)(k * K + q) * c + ch;
                        store(p, acc[q] + load(p));
                    }
                }
            }
    }
    for (size_t i = 0; i < part; i++) {
        float s = 0;
        for (int t = 0; t < threads; t++) s += sums[t * part + i];
        (i < (size_t)K * K * c ? gw[i] : gb[i - (size_t)K * K * c]) = s;
    }
}

extern "C" void depthwise_forward(const float *x, const float *weight, const float *bias, float *y, int n, int h, int w, int c, int k) {
    if (k == 7) forward<7>(x, weight, bias, y, n, h, w, c);
    else forward<3>(x, weight, bias, y, n, h, w, c);
}

extern "C" void depthwise_gradient(const float *x, const float *g, float *gw, float *gb, int n, int h, int w, int c, int k) {
    if (k == 7) gradient<7>(x, g, gw, gb, n, h, w, c);
    else gradient<3>(x, g, gw, gb, n, h, w, c);
}
