/* SPDX-License-Identifier: Apache-2.0 */
/* 2-D heat maps (HRNet, SimpleBaseline): [b][J][h][w] or [b][h][w][J]. The peak's cell plus, on each axis, the vertex of the parabola
 * through the logarithms of the peak and its two neighbours: exact for a Gaussian (the idea of DARK, without its blur). A cell is a
 * pixel number of the small picture, so place = (cell + shift) * stride + .5. */
#include "decode/heads.h"

enum { CHW, HWC };

static int init(struct npi_decoder *d, struct np_error *err) {
    d->pick[0] = npi_pick(d, 0, 3, d->n_joints, -1, -1);
    d->form = CHW;
    if (d->pick[0] < 0) {
        d->pick[0] = npi_pick(d, 0, 3, -1, -1, d->n_joints);
        d->form = HWC;
    }
    if (d->pick[0] < 0 || npi_view_count(&d->out[d->pick[0]]) == 0) return npi_pick_fail(d, "[b,joints,h,w] or [b,h,w,joints]", err);
    return 0;
}

struct map { const struct npi_view *v; const void *data; size_t base, step_y, step_x; int w, h; };

static float at(const struct map *m, int x, int y) { return npi_out_at(m->v, m->data, m->base + (size_t)y * m->step_y + (size_t)x * m->step_x); }

/* Vertex of the parabola through (-1, ln a), (0, ln b), (1, ln c), b the largest: within half a cell. */
static float vertex(float a, float b, float c) {
    const float la = logf(fmaxf(a, 1e-10f)), lb = logf(fmaxf(b, 1e-10f)), lc = logf(fmaxf(c, 1e-10f));
    const float curve = la - 2 * lb + lc;
    if (!(curve < -1e-6f)) return 0;
    return fminf(fmaxf((la - lc) / (2 * curve), -.5f), .5f);
}

static void pose(struct npi_decoder *d, const void *const *out, int item, struct npi_pose *p) {
    struct map m = { .v = &d->out[d->pick[0]], .data = out[d->pick[0]] };
    const size_t n = (size_t)p->n;
    m.h = (int)m.v->d[d->form == CHW ? 2 : 1];
    m.w = (int)m.v->d[d->form == CHW ? 3 : 2];
    m.step_x = d->form == CHW ? 1 : n;
    m.step_y = m.step_x * (size_t)m.w;
    const size_t cells = (size_t)m.h * (size_t)m.w;
    float sum = 0;
    for (size_t k = 0; k < n; k++) {
        m.base = (size_t)item * n * cells + (d->form == CHW ? k * cells : k);
        int bx = 0, by = 0;
        float best = -INFINITY;
        for (int y = 0; y < m.h; y++)
            for (int x = 0; x < m.w; x++)
                if (at(&m, x, y) > best) { best = at(&m, x, y); bx = x; by = y; }
        const float dx = bx > 0 && bx + 1 < m.w ? vertex(at(&m, bx - 1, by), best, at(&m, bx + 1, by)) : 0;
        const float dy = by > 0 && by + 1 < m.h ? vertex(at(&m, bx, by - 1), best, at(&m, bx, by + 1)) : 0;
        p->joint[k].x = ((float)bx + dx) * (float)d->net_w / (float)m.w + .5f;
        p->joint[k].y = ((float)by + dy) * (float)d->net_h / (float)m.h + .5f;
        p->joint[k].conf = npi_clamp01(best);
        sum += p->joint[k].conf;
    }
    p->score = sum / (float)n;
}

const struct npi_head npi_head_heatmap = { "heatmap", NPI_TASK_POSE, init, NULL, pose };
