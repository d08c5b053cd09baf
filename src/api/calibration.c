/* SPDX-License-Identifier: Apache-2.0 */
/* np_calibration: frames through detector and crop, as when they are judged one by one; what the net is about to get is copied on the way.
 *
 * Which ones are kept of a long clip: reservoir sampling (Vitter's algorithm R) with a fixed seed, so that the same clip gives the same model. */
#include "api/calibration.h"

#include <stdio.h>
#include <string.h>

#include "cpu/cpu.h"

static uint64_t next_random(struct np_calibration *c) { /* xorshift64* */
    c->random ^= c->random >> 12;
    c->random ^= c->random << 25;
    c->random ^= c->random >> 27;
    return c->random * 0x2545f4914f6cdd1dull;
}

static void take(void *opaque, const struct npi_seat *seat, const void *input) {
    struct np_calibration *const c = opaque;
    if (seat->net != c->target || c->failed) return;
    c->bytes = seat->face->in.item_bytes;
    int64_t at = c->n_seen++;
    if (at >= c->most) at = (int64_t)(next_random(c) % (uint64_t)c->n_seen);
    if (at >= c->most) return;
    if (!c->sample[at] && !(c->sample[at] = npi_alloc(c->bytes))) {
        c->failed = 1;
        return;
    }
    memcpy(c->sample[at], input, c->bytes);
    if (at >= c->n_samples) c->n_samples = (int)at + 1;
}

int np_calibration_open(struct np_calibration **out, const char *model, const struct np_settings *s, int most, struct np_error *err) {
    if (!out || !model || !s) return npi_fail(err, NP_EINVAL, "np_calibration_open: NULL argument");
    if (most < 2 || most > 4096) return npi_fail(err, NP_EINVAL, "calibration: %d samples is not in 2..4096", most);
    unsigned cpu;
    if (npi_cpu_limit(s->isa, npi_cpu_flags(), &cpu) < 0) return npi_fail(err, NP_EINVAL, "isa: '%s' is not a level that we know", s->isa);
    struct np_calibration *c = npi_alloc(sizeof *c);
    if (!c) return npi_fail(err, NP_ENOMEM, "out of memory");
    c->most = most;
    c->random = 0x9e3779b97f4a7c15ull;
    struct npi_pipe_params p = { .cpu = cpu, .threads = s->threads ? s->threads : np_cpu_count() };
    p.tuning.pose_passes = 2;
    p.tuning.c.start.max_persons = s->max_persons ? s->max_persons : 16;
    int r = (c->sample = npi_alloc((size_t)most * sizeof *c->sample)) ? 0 : npi_fail(err, NP_ENOMEM, "out of memory");
    if (r == 0) r = npi_net_open(&c->pose, model, s->models_dir, s->isa, 0, 0, &s->logger, err);
    if (r == 0 && c->pose.card.task == NPI_TASK_POSE) {
        const char *det = s->detector ? s->detector : NPI_DEFAULT_DETECTOR;
        c->target = p.pose = &c->pose;
        if (strcmp(det, "none") && (r = npi_net_open(&c->det, det, s->models_dir, s->isa, s->detector_size, s->detector_size != 0, &s->logger, err)) == 0) p.det = &c->det;
        if (r == 0 && p.det && c->det.card.task == NPI_TASK_POSE) r = npi_fail(err, NP_EINVAL, "detector: %s is a pose net that needs a box", det);
    } else c->target = p.det = &c->pose;
    if (r == 0) {
        const struct npi_card *card = p.det ? &p.det->card : &c->pose.card;
        p.bbox_thr = s->bbox_thr >= 0 ? s->bbox_thr : card->bbox_thr;
        p.nms_thr = s->nms_thr >= 0 ? s->nms_thr : card->nms_thr;
        r = npi_still_open(&c->still, &p, err);
    }
    if (r < 0) {
        np_calibration_close(&c);
        return r;
    }
    npi_still_tap(c->still, take, c);
    *out = c;
    return 0;
}

void np_calibration_close(struct np_calibration **c) {
    if (!c || !*c) return;
    npi_still_close(&(*c)->still);
    npi_net_close(&(*c)->det);
    npi_net_close(&(*c)->pose);
    for (int i = 0; (*c)->sample && i < (*c)->most; i++) npi_free((*c)->sample[i]);
    npi_free((*c)->sample);
    npi_free(*c);
    *c = NULL;
}

int np_calibration_add(struct np_calibration *c, const struct np_frame *f, struct np_error *err) {
    const struct np_result *res;
    if (!c || !f) return npi_fail(err, NP_EINVAL, "np_calibration_add: NULL argument");
    const int r = npi_still_run(c->still, f, NULL, 0, &res, err);
    if (f->release) f->release(f->opaque);
    c->n_frames++;
    return r < 0 ? r : c->failed ? npi_fail(err, NP_ENOMEM, "out of memory for %d calibration inputs of %zu KiB", c->most, c->bytes >> 10) : 0;
}

void np_calibration_info(const struct np_calibration *c, struct np_calibration_info *out) {
    *out = (struct np_calibration_info){ .n_samples = c->n_samples, .n_seen = c->n_seen, .n_frames = c->n_frames, .is_detector = c->target->card.task != NPI_TASK_POSE,
                                         .model_id = c->target->card.id, .detector_id = c->target == &c->pose && c->pose.card.task == NPI_TASK_POSE && c->det.lineup ? c->det.card.id : "none" };
}
