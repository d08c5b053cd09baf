/* SPDX-License-Identifier: Apache-2.0 */
/* The two questions of the tracker: does this box continue that track, and is this somebody who was lost?
 *
 * Continuing is IoU of boxes that are both padded, by more the longer nothing was seen: a small or fast person's next box need not
 * overlap the predicted one. Returning is judged by distance from the way that the person may have gone: the line from where
 * they were last seen to where they would be had they walked on, because both stopping and walking on behind a pillar happen. */
#include <math.h>

#include "track/tracker_priv.h"

#define SEEN .3f          /* confidence from which a joint counts */
#define PAD .05f          /* of the body's height */
#define PAD_S .5f         /* and so much more for each second unseen, up to PAD_MOST */
#define PAD_MOST .35f
#define LOST_LESS .2f     /* who is lost gives way to who is in view */
#define REACH .4f         /* a returner may be off by so many heights, */
#define REACH_S .6f       /* and so many more for each second */
#define WALK_MOST 3.f     /* heights that the line is long at most */
#define RESIZE .4f        /* log of the ratio of heights at which a return is 1/e as likely */
#define INSIDE .7f       /* share of a box in another one */
#define HALF_ALIGN .1f    /* tops or bottoms so near, in heights, */
#define HALF_ASIDE .2f    /* and middles, in widths: an upper or lower half */

float npi_track_gap_s(const struct npi_tracker *t, const struct npi_track_slot *s) { return (float)((double)(t->now_ns - s->t.seen_ns) * 1e-9); }

float npi_track_continues(const struct npi_tracker *t, const struct npi_track_slot *s, const struct npi_track_det *d) {
    const float gap = npi_track_gap_s(t, s), pad = fminf(PAD + PAD_S * gap, PAD_MOST) * fmaxf(s->t.box.h, s->t.box.w);
    float sim = npi_iou_padded(&s->t.box, &d->box, pad);
    if (t->set && s->n_kpt && d->kpt && d->n_kpt == s->n_kpt && s->n_kpt == t->set->n && t->p.oks_weight > 0) {
        struct np_keypoint here[NP_MAX_KEYPOINTS]; /* the last pose, moved along with the box */
        const float cx = s->t.box.x + s->t.box.w / 2, cy = s->t.box.y + s->t.box.h / 2;
        for (int i = 0; i < s->n_kpt; i++) {
            here[i] = s->kpt[i];
            here[i].x += cx;
            here[i].y += cy;
        }
        const float oks = npi_oks(here, d->kpt, s->n_kpt, t->set->sigma, s->t.box.w * s->t.box.h, SEEN);
        if (oks >= 0) sim += t->p.oks_weight * (oks - sim);
    }
    return s->t.missing && !s->crowded ? sim * (1 - LOST_LESS) : sim;
}

float npi_track_returns(const struct npi_tracker *t, const struct npi_track_slot *s, const struct np_box *box, const struct npi_shape *shape) {
    const float gap = npi_track_gap_s(t, s), h = fmaxf(s->seen_h, 1.f), most = WALK_MOST * h;
    float wx = s->slow_vx * gap, wy = s->slow_vy * gap; /* the way */
    const float way = hypotf(wx, wy);
    if (way > most) { wx *= most / way; wy *= most / way; }
    const float dx = box->x + box->w / 2 - s->seen_x, dy = box->y + box->h / 2 - s->seen_y;
    const float w2 = wx * wx + wy * wy, u = w2 > 0 ? fminf(fmaxf((dx * wx + dy * wy) / w2, 0.f), 1.f) : 0;
    const float off = hypotf(dx - u * wx, dy - u * wy) / (h * (REACH + REACH_S * gap)), size = logf(fmaxf(box->h, 1.f) / h) / RESIZE;
    const float like = shape ? npi_shape_like(&s->shape, shape) : .5f;
    const float p = expf(-off * off - size * size) * (.7f + .6f * (like - .5f));
    return p >= 0 ? p : 0;
}

int npi_track_inside_other(const struct npi_tracker *t, const struct npi_track_slot *self, const struct np_box *box) {
    int worst = 0;
    for (int i = 0; i < t->n; i++) {
        const struct npi_track_slot *s = t->slot[i];
        const struct np_box *const o = &s->t.box;
        if (s == self || !s->t.id || s->t.missing || npi_inside(o, box) <= INSIDE) continue;
        const float same = HALF_ALIGN * o->h, aside = fabsf(box->x + box->w / 2 - o->x - o->w / 2);
        const int half = aside < HALF_ASIDE * o->w && (fabsf(box->y - o->y) < same || fabsf(box->y + box->h - o->y - o->h) < same);
        worst = half ? 2 : worst > 1 ? worst : 1;
    }
    return worst;
}
