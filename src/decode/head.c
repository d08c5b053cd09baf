/* SPDX-License-Identifier: Apache-2.0 */
/* The list of heads and the frame around them: choose by name, check the outputs, hand out memory, run. */
#include "decode/heads.h"

#include <stdio.h>

static const struct npi_head *const heads[] = {
    &npi_head_efficientdet, &npi_head_blazepose, &npi_head_yolox, &npi_head_yolov8, &npi_head_ssd_oidv4, &npi_head_blazepose_det,
    &npi_head_tflite_postprocess, &npi_head_soft_argmax3d, &npi_head_simcc, &npi_head_heatmap, &npi_head_movenet, &npi_head_movenet_multi,
};

const struct npi_head *npi_head_at(int i) { return i >= 0 && i < (int)(sizeof heads / sizeof *heads) ? heads[i] : NULL; }

const struct npi_head *npi_head_find(const char *name) {
    const struct npi_head *h;
    for (int i = 0; (h = npi_head_at(i)); i++)
        if (!strcmp(h->name, name)) return h;
    return NULL;
}

int npi_pick(const struct npi_decoder *d, int from, int rank, int64_t a, int64_t b, int64_t c) {
    const int64_t want[3] = { a, b, c };
    for (int i = from; i < d->n_out; i++) {
        const struct npi_view *v = &d->out[i];
        if (v->rank < 1 || (rank >= 0 && v->rank != rank + 1)) continue;
        int fits = 1;
        for (int k = 0; k < 3 && k + 1 < v->rank; k++) fits &= want[k] < 0 || v->d[k + 1] == want[k];
        if (fits) return i;
    }
    return -1;
}

int npi_pick_fail(const struct npi_decoder *d, const char *wanted, struct np_error *err) {
    char list[256] = "";
    size_t n = 0;
    for (int i = 0; i < d->n_out && n + 1 < sizeof list; i++) {
        n += (size_t)snprintf(list + n, sizeof list - n, " [");
        for (int k = 0; k < d->out[i].rank && n + 1 < sizeof list; k++)
            n += (size_t)snprintf(list + n, sizeof list - n, k ? ",%lld" : "%lld", (long long)d->out[i].d[k]);
        if (n + 1 < sizeof list) n += (size_t)snprintf(list + n, sizeof list - n, "]");
    }
    return npi_fail(err, NP_EMODEL, "%s: the %s head needs %s among the outputs, there is%s", d->card.id, d->head->name, wanted, list);
}

/* Shapes come from a model file: everything a head multiplies later must fit. */
static int check_outputs(const struct npi_decoder *d, struct np_error *err) {
    for (int i = 0; i < d->n_out; i++) {
        const struct npi_view *v = &d->out[i];
        int64_t n = 1;
        if (v->rank < 0 || v->rank > NP_MAX_RANK) return npi_fail(err, NP_ESHAPE, "%s: output %d has rank %d", d->card.id, i, v->rank);
        for (int k = 0; k < v->rank; k++) {
            if (v->d[k] < 0 || __builtin_mul_overflow(n, v->d[k], &n) || n > INT32_MAX)
                return npi_fail(err, NP_ELIMIT, "%s: output %d is too large to decode", d->card.id, i);
        }
        const int ok = v->dtype == NP_F32 || v->dtype == NP_F16 || v->dtype == NP_U8 || v->dtype == NP_I8 || v->dtype == NP_I32 || v->dtype == NP_I64;
        if (!ok) return npi_fail(err, NP_EUNSUPPORTED, "%s: output %d is %s, which no head reads", d->card.id, i, np_dtype_name(v->dtype));
    }
    return 0;
}

static int detects(const struct npi_decoder *d) { return d->head->detect != NULL; }

static int open_memory(struct npi_decoder *d) {
    if (!detects(d)) return 0;
    d->cand = npi_arena_array(&d->mem, struct npi_cand, NPI_MAX_CANDIDATES);
    d->taken = npi_arena_array(&d->mem, uint8_t, NPI_MAX_CANDIDATES);
    if (!d->cand || !d->taken) return NP_ENOMEM;
    if (!d->n_joints) return 0;
    d->joint = npi_arena_array(&d->mem, struct npi_joint, (size_t)NPI_MAX_DETS * (size_t)d->n_joints);
    return d->joint ? 0 : NP_ENOMEM;
}

int npi_decoder_open(struct npi_decoder **out, const struct npi_card *card, const struct npi_view *outputs, int n_outputs, int net_w, int net_h,
                     struct np_error *err) {
    const struct npi_head *h = npi_head_find(card->dec.name);
    if (!h) return npi_fail(err, NP_EMODEL, "%s: no decoder is called \"%s\"", card->id, card->dec.name);
    if (n_outputs < 1 || net_w < 1 || net_h < 1 || net_w > 8192 || net_h > 8192)
        return npi_fail(err, NP_ESHAPE, "%s: %d outputs and an input of %dx%d cannot be decoded", card->id, n_outputs, net_w, net_h);
    if (h->task >= 0 && h->task != card->task) return npi_fail(err, NP_EMODEL, "%s: the %s head does not do the task of the card", card->id, h->name);
    struct npi_decoder *d = npi_alloc(sizeof *d);
    if (!d) return npi_fail(err, NP_ENOMEM, "%s: out of memory", card->id);
    npi_arena_init(&d->mem, 0);
    d->head = h;
    d->card = *card;
    d->net_w = net_w;
    d->net_h = net_h;
    d->n_out = n_outputs < NPI_MAX_OUTPUTS ? n_outputs : NPI_MAX_OUTPUTS;
    memcpy(d->out, outputs, (size_t)d->n_out * sizeof *d->out);
    d->scores = -1;
    d->pick[0] = d->pick[1] = d->pick[2] = d->pick[3] = -1;
    if (card->keypoint_set[0]) {
        d->set = npi_keypoint_set_find(card->keypoint_set);
        if (!d->set) { npi_decoder_free(&d); return npi_fail(err, NP_EMODEL, "%s: keypoint set \"%s\" is not known", card->id, card->keypoint_set); }
        d->n_joints = d->set->n;
    }
    if (h->task != NPI_TASK_DETECT && card->task != NPI_TASK_DETECT && !d->set) {
        npi_decoder_free(&d);
        return npi_fail(err, NP_EMODEL, "%s: the card names no keypoint set", card->id);
    }
    int r = check_outputs(d, err);
    if (r == 0) r = h->init(d, err);
    if (r == 0 && (r = open_memory(d)) < 0) npi_fail(err, r, "%s: out of memory", card->id);
    if (r < 0) { npi_decoder_free(&d); return r; }
    *out = d;
    return 0;
}

void npi_decoder_free(struct npi_decoder **d) {
    if (!d || !*d) return;
    npi_arena_free(&(*d)->mem);
    npi_free(*d);
    *d = NULL;
}

unsigned npi_decoder_outputs(const struct npi_decoder *d) {
    unsigned mask = 0;
    for (int i = 0; i < (int)(sizeof d->pick / sizeof *d->pick); i++)
        if (d->pick[i] >= 0 && d->pick[i] < d->n_out) mask |= 1u << d->pick[i];
    return mask;
}

int npi_decoder_column(const struct npi_decoder *d, int output) { return d->scores >= 0 && output == d->scores ? d->card.dec.class_index : -1; }
int npi_decoder_bins(const struct npi_decoder *d, int output, int *channels_last) {
    *channels_last = d->volume == NPI_VOLUME_HWC;
    return d->volume && output == d->pick[0] ? d->bins : 0;
}
int npi_decoder_n_joints(const struct npi_decoder *d) { return d->n_joints; }
const struct np_keypoint_set *npi_decoder_set(const struct npi_decoder *d) { return d->set; }

void npi_decode_detect(struct npi_decoder *d, const void *const *out, float thr, float iou, struct npi_dets *dets) {
    dets->n = 0;
    d->n_cand = 0;
    if (!d->head->detect) return;
    d->head->detect(d, out, thr);
    npi_nms(d, out, iou, dets);
}

void npi_decode_pose(struct npi_decoder *d, const void *const *out, int item, struct npi_pose *p) {
    p->score = 0;
    p->n = d->n_joints;
    p->z_metres = p->has_roi = 0;
    p->roi_cx = p->roi_cy = p->roi_px = p->roi_py = 0;
    for (int i = 0; i < p->n; i++) p->joint[i] = (struct npi_joint){ 0, 0, NAN, 0, NAN, NAN, NAN };
    if (d->head->pose) d->head->pose(d, out, item, p);
}
