/* SPDX-License-Identifier: Apache-2.0 */
/* Tap lists of one axis: two taps up to a scale of 2, a box average above (the rule of vision.h). */
#include <math.h>
#include <string.h>

#include "vision/warp_priv.h"

/* A box of s pixels has at most s + 2 taps and there are at most src / s + 1 inside: below 3 src; pairs need 2 net. */
static size_t max_weights(int src, int net) { return 3 * (size_t)src + 2 * (size_t)net + 64; }

size_t npi_axis_bytes(int src, int net) {
    const size_t lists = (size_t)net * (sizeof(int32_t) + sizeof(uint32_t) + 2 * sizeof(uint16_t));
    return npi_align_up(lists + max_weights(src, net) * sizeof(uint16_t), NPI_ALIGN) + NPI_ALIGN;
}

static uint32_t add_pair(struct npi_axis *a, int i, int src, double u, uint32_t nw) {
    const double pos = u - .5;
    int at = (int)floor(pos), w = (int)lrint((pos - floor(pos)) * 256);
    if (at < 0) { at = 0; w = 0; }
    if (at > src - 2) { at = src - 2; w = 256; } /* the last pixel alone */
    if (src == 1) { at = 0; w = 0; }
    a->start[i] = at;
    a->n[i] = src > 1 ? 2 : 1;
    a->pair_w[i] = (uint16_t)w;
    a->first_w[i] = nw;
    a->w[nw] = (uint16_t)(256 - w);
    if (src > 1) a->w[nw + 1] = (uint16_t)w;
    return nw + 2;
}

/* Weights are differences of the rounded running share, so that they sum to 256; what hangs over the border counts for the border pixel. */
static uint32_t add_box(struct npi_axis *a, int i, int src, double u, double s, uint32_t nw) {
    const double lo = u - s / 2, hi = u + s / 2;
    const int first = lo > 0 ? (int)floor(lo) : 0, last = hi < src ? (int)ceil(hi) - 1 : src - 1;
    int before = 0;
    a->start[i] = first;
    a->first_w[i] = nw;
    for (int k = first; k <= last; k++) {
        const int upto = k == last ? 256 : (int)lrint(256 * (k + 1 - lo) / s);
        a->w[nw++] = (uint16_t)(upto - before);
        before = upto;
    }
    a->n[i] = (uint16_t)(last - first + 1);
    return nw;
}

size_t npi_axis_build(struct npi_axis *a, char *mem, int src, double inside, int net, double scale, double shift) {
    a->start = (int32_t *)mem;
    a->first_w = (uint32_t *)(a->start + net);
    a->n = (uint16_t *)(a->first_w + net);
    a->pair_w = a->n + net;
    a->w = a->pair_w + net;
    a->out0 = a->out1 = 0;
    const double s = fabs(scale);
    a->pair = s <= 2 && src > 1;
    uint32_t nw = 0;
    int found = 0;
    for (int i = 0; i < net; i++) {
        const double u = scale * (i + .5) + shift;
        if (!(u >= 0 && u < inside)) continue;
        if (!found) a->out0 = i;
        found = 1;
        a->out1 = i + 1;
        nw = s <= 2 ? add_pair(a, i, src, u, nw) : add_box(a, i, src, u, s, nw);
    }
    return npi_axis_bytes(src, net);
}
