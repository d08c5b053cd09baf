/* SPDX-License-Identifier: Apache-2.0 */
/* Packs panels for vpmaddubsw: see gemm_q8_pairs.h. Quads are laid out behind the panel with the sums of their lanes, coupled, and copied in order. */
#include "kernel/gemm_q8_pairs.h"

#include <string.h>

enum { LIMIT = 128, WINDOW = 64 }; /* largest sum of a lane's positive, or negative, weights; quads that are tried as a partner */

/* Quads before they are in order: at most two for four elements of k. */
struct quads {
    int8_t *w;      /* [n][width][4] */
    uint8_t *sum;   /* [n][width][4]: of both lanes of a channel, positive and negative */
    int32_t *at;    /* [n]; -1: taken */
    int n, width;
};

static int most(int k) { return 2 * ((k + 3) / 4); }
static size_t head_bytes(int width) { return NPI_PAIRS_HEAD + (size_t)width * 8; }

size_t npi_gemm_q8_pairs_room(int k, int width) {
    const size_t n = (size_t)most(k), bytes = n * (size_t)width * 4;
    return (head_bytes(width) + npi_gemm_q8_pairs_at_bytes((int)n) * 2 + 3 * bytes + 63) / 64 * 64;
}

int npi_gemm_q8_pairs_pay(const void *panel, int k) {
    /* Multiplications of a vector: a couple 3, a single 2; vpmaddwd 2 for four elements, at 3/4 of the speed (see gemm_q8_avx2_pairs.c). */
    const int32_t *const head = panel;
    return 4 * (3 * head[0] + 2 * head[1]) <= 5 * 2 * ((k + 3) / 4);
}

static void sums(struct quads *q, int i) {
    const int8_t *const w = q->w + (size_t)i * (size_t)q->width * 4;
    uint8_t *const s = q->sum + (size_t)i * (size_t)q->width * 4;
    for (int c = 0; c < q->width * 2; c++) {
        const int a = w[2 * c], b = w[2 * c + 1];
        const int pos = (a > 0 ? a : 0) + (b > 0 ? b : 0), neg = (a < 0 ? -a : 0) + (b < 0 ? -b : 0);
        s[2 * c] = (uint8_t)pos;
        s[2 * c + 1] = (uint8_t)(neg < 255 ? neg : 255); /* 256: twice -128 */
    }
}

/* Halves the pairs of quad i that are too large; the other halves are quad n. */
static void halve(struct quads *q, int i) {
    int8_t *const w = q->w + (size_t)i * (size_t)q->width * 4, *const rest = q->w + (size_t)q->n * (size_t)q->width * 4;
    memset(rest, 0, (size_t)q->width * 4);
    for (int c = 0; c < q->width * 2; c++) {
        const int a = w[2 * c], b = w[2 * c + 1];
        const int pos = (a > 0 ? a : 0) + (b > 0 ? b : 0), neg = (a < 0 ? -a : 0) + (b < 0 ? -b : 0);
        if (pos <= LIMIT && neg <= LIMIT) continue;
        rest[2 * c] = (int8_t)(a / 2);
        rest[2 * c + 1] = (int8_t)(b / 2);
        w[2 * c] = (int8_t)(a - a / 2);
        w[2 * c + 1] = (int8_t)(b - b / 2);
    }
    q->at[q->n] = q->at[i];
    sums(q, i);
    sums(q, q->n++);
}

static int too_large(const struct quads *q, int i) {
    const uint8_t *const s = q->sum + (size_t)i * (size_t)q->width * 4;
    int over = 0;
    for (int c = 0; c < q->width * 4; c++) over |= s[c] > LIMIT;
    return over;
}

static int together(const struct quads *q, int i, int j) {
    const uint8_t *const a = q->sum + (size_t)i * (size_t)q->width * 4, *const b = q->sum + (size_t)j * (size_t)q->width * 4;
    int over = 0;
    for (int c = 0; c < q->width * 4; c++) over |= a[c] + b[c] > LIMIT;
    return !over;
}

/* The weights as int8 in quads, elements of k behind the last zero; what the kernel's unsigned A adds goes into the bias. */
static void take(const struct npi_gemm_q8 *g, struct quads *q, const struct npi_gemm_q8_layer *l, int c0, int32_t *bias, float *scale) {
    const int zx_u8 = l->x_u8 ? l->zx : l->zx + 128, flip = l->w_u8 ? 0x80 : 0;
    const size_t step = (size_t)q->width * 4;
    q->n = (l->k + 3) / 4;
    memset(q->w, 0, (size_t)q->n * step);
    for (int c = 0; c < q->width && c0 + c < l->n; c++) {
        const int slot = npi_gemm_q8_slot(g, q->width, c);
        const uint8_t *const w = (const uint8_t *)l->w + (size_t)(c0 + c) * (size_t)l->k;
        int8_t *to = q->w + slot * 4;
        int32_t sum = 0;
        for (int k = 0; k < l->k; k++) sum += (int8_t)(w[k] ^ flip);
        for (int k = 0; k < l->k; k += 4, to += step)
            for (int i = 0; i < 4 && k + i < l->k; i++) to[i] = (int8_t)(w[k + i] ^ flip);
        bias[slot] = (int32_t)((l->bias ? (uint32_t)l->bias[c0 + c] : 0) - (uint32_t)sum * (uint32_t)zx_u8);
        scale[slot] = l->scale[c0 + c];
    }
    const int n = q->n;
    for (int i = 0; i < n; i++) q->at[i] = i * 4;
    for (int i = 0; i < n; i++) {
        sums(q, i);
        if (too_large(q, i)) halve(q, i);
    }
}

size_t npi_gemm_q8_pairs_pack(const struct npi_gemm_q8 *g, void *dst, const struct npi_gemm_q8_layer *l, int c0, int width) {
    const size_t step = (size_t)width * 4, n = (size_t)most(l->k), at_room = npi_gemm_q8_pairs_at_bytes((int)n);
    char *const at_begin = (char *)dst + head_bytes(width), *const work = at_begin + at_room + n * step;
    int32_t *const head = dst;
    struct quads q = { .w = (int8_t *)work, .sum = (uint8_t *)work + n * step, .at = (int32_t *)(void *)(work + 2 * n * step), .width = width };
    memset(dst, 0, head_bytes(width));
    take(g, &q, l, c0, (int32_t *)(void *)((char *)dst + NPI_PAIRS_HEAD), (float *)(void *)((char *)dst + NPI_PAIRS_HEAD) + width);
    int32_t *const at = (int32_t *)(void *)at_begin;
    char *const out = at_begin + npi_gemm_q8_pairs_at_bytes(q.n);
    int placed = 0;
    memset(at, 0, npi_gemm_q8_pairs_at_bytes(q.n));
    for (int i = 0; i < q.n; i++) {
        if (q.at[i] < 0) continue;
        for (int j = i + 1; j < q.n && j <= i + WINDOW; j++) {
            if (q.at[j] < 0 || !together(&q, i, j)) continue;
            memcpy(out + (size_t)placed * step, q.w + (size_t)i * step, step);
            memcpy(out + ((size_t)placed + 1) * step, q.w + (size_t)j * step, step);
            at[placed++] = q.at[i];
            at[placed++] = q.at[j];
            q.at[i] = q.at[j] = -1;
            head[0]++;
            break;
        }
    }
    for (int i = 0; i < q.n; i++) {
        if (q.at[i] < 0) continue;
        memcpy(out + (size_t)placed * step, q.w + (size_t)i * step, step);
        at[placed++] = q.at[i];
        head[1]++;
    }
    return (size_t)(out + (size_t)placed * step - (char *)dst + 63) / 64 * 64;
}
