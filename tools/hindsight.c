/* SPDX-License-Identifier: Apache-2.0 */
/* See hindsight.h. */
#include "hindsight.h"

#include <stdlib.h>
#include <string.h>

#define MAX_PICTURE_BYTES 1073741824. /* of pictures that wait; more is refused at the start */
#define USUAL_RATE 30                 /* of a source that does not tell */

struct hindsight { struct np_track_smoother *smoother; int pictures; struct npi_pic none; };

static int check_memory(const struct hindsight *h, const char *smooth, const struct npi_source_info *s, struct np_error *err) {
    const double told = s->rate_num > 0 && s->rate_den > 0 ? (double)s->rate_num / s->rate_den : USUAL_RATE, rate = told < 240 ? told : USUAL_RATE;
    const double seconds = np_track_smoother_delay_s(h->smoother), bytes = seconds * rate * s->width * s->height * 1.5;
    if (!h->pictures || bytes < MAX_PICTURE_BYTES) return 0;
    return npi_io_fail(err, NP_EINVAL, "--smooth %s looks %.1f s ahead, which is %.0f MB of pictures: use a higher cut-off, or neither --save-video, --save-images nor --view",
                       smooth, seconds, bytes / 1048576);
}

int hindsight_open(struct hindsight **out, const char *smooth, const struct npi_source_info *source, int pictures, struct np_error *err) {
    float hz;
    int r = np_smooth_kind(smooth, &hz, err);
    if (r < 0 || r != 2) return r < 0 ? r : 0;
    if (source->live) return npi_io_fail(err, NP_EINVAL, "--smooth zero-lag looks ahead: not with a live input, where one-euro is for");
    if (!strcmp(source->kind, "pictures")) return npi_io_fail(err, NP_EINVAL, "--smooth zero-lag needs times, and pictures have none: use none");
    struct hindsight *h = calloc(1, sizeof *h);
    if (!h) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    h->pictures = pictures;
    atomic_store(&h->none.refs, 1); /* ours: it is never given back to a pool */
    r = np_track_smoother_create(&h->smoother, smooth, err);
    if (r == 0) r = check_memory(h, smooth, source, err);
    if (r == 0) *out = h;
    else hindsight_close(&h);
    return r;
}

int hindsight_keep(struct hindsight *h, const struct np_result *r, struct npi_pic *pic, struct np_error *err) {
    const int e = np_track_smoother_add(h->smoother, r, h->pictures ? pic : NULL, err);
    if (e == 0 && h->pictures) npi_pic_ref(pic);
    return e;
}

int hindsight_take(struct hindsight *h, int flush, const struct np_result **r, struct npi_pic **pic, struct np_error *err) {
    void *p = NULL;
    const int e = np_track_smoother_get(h->smoother, flush, r, &p, err);
    if (e < 0) return e;
    if (!p) npi_pic_ref(&h->none); /* frames of a video have no names: a picture that nobody looks at, and that lives as long as we do */
    *pic = p ? p : &h->none;
    return 0;
}

void hindsight_close(struct hindsight **ph) {
    struct hindsight *const h = *ph;
    if (!h) return;
    void *pic;
    while (h->smoother && np_track_smoother_get(h->smoother, 1, NULL, &pic, NULL) == 0) npi_pic_unref(pic);
    np_track_smoother_free(&h->smoother);
    free(h);
    *ph = NULL;
}
