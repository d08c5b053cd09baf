/* SPDX-License-Identifier: Apache-2.0 */
#include "convert_int8.h"

#include "io/source.h"

enum { SAMPLES = 96, FRAMES = 400 };

static int calibrate(struct convert_int8 *x, const char *clip, const struct np_settings *s, int (*stop)(void *opaque), struct np_error *err) {
    const struct npi_source_params sp = { .logger = s->logger };
    struct npi_source *src = NULL;
    struct np_calibration_info info;
    int r = npi_source_open(&src, clip, &sp, err);
    if (r < 0) return r;
    const int64_t n = src->info.n_frames, every = n > FRAMES ? n / FRAMES : 1;
    int64_t i = 0, used = 0;
    struct npi_pic *pic;
    while (used < FRAMES && (r = npi_source_read(src, &pic, err)) == 0) {
        if (i++ % every == 0) {
            struct np_frame f = pic->f;
            f.release = NULL;
            r = np_calibration_add(x->calib, &f, err);
            used++;
        }
        npi_pic_unref(pic);
        if (r >= 0 && stop(NULL)) r = npi_io_fail(err, NP_EINTR, "given up while calibrating, nothing was written");
        if (r < 0) break;
    }
    npi_source_close(&src);
    if (r < 0 && r != NP_EEND) return r;
    np_calibration_info(x->calib, &info);
    if (info.n_samples < 2)
        return npi_io_fail(err, NP_EINVAL, "'%s': %lld frames, but only %d inputs for the net came of them: give a clip or pictures with people in them", clip, (long long)info.n_frames, info.n_samples);
    return 0;
}

static int settings_of_layers(struct convert_int8 *x, const struct convert_config *c, struct np_error *err) {
    for (int i = 0; i < c->n_layers; i++) {
        const struct convert_layer *l = &c->layer[i];
        int r = 1;
        if (l->per_tensor) return npi_io_fail(err, NP_EINVAL, "[layer %s] per-channel = no: strategy int8 always has a scale a channel", l->pattern);
        if (l->precision == NP_PRECISION_FP16) return npi_io_fail(err, NP_EINVAL, "[layer %s] precision = fp16: with strategy int8 a layer is float or int8", l->pattern);
        if (l->precision == NP_PRECISION_FLOAT) r = np_quantizer_keep(x->q, l->pattern, err);
        if (r > 0 && l->has_range) r = np_quantizer_range(x->q, l->pattern, l->lo, l->hi, err);
        if (r == 0) return npi_io_fail(err, NP_EINVAL, "[layer %s]: no layer is called so: see nextpose inspect --layers", l->pattern);
        if (r < 0) return r;
    }
    return 0;
}

int convert_int8_open(struct convert_int8 *x, const char *in, const char *clip, const struct convert_config *c, const struct np_settings *s, int (*stop)(void *opaque), struct np_error *err) {
    struct np_quantize_params p;
    np_quantize_params_default(&p);
    p.logger = s->logger;
    int r = np_calibration_open(&x->calib, in, s, SAMPLES, err);
    if (r < 0 || (r = calibrate(x, clip, s, stop, err)) < 0 || (r = np_quantizer_open(&x->q, in, &p, x->calib, err)) < 0 || (r = settings_of_layers(x, c, err)) < 0) return r;
    return np_quantizer_measure(x->q, &x->rep, err);
}

int convert_int8_write(struct convert_int8 *x, const char *out, struct np_error *err) {
    const double error = x->rep.error, cosine = x->rep.cosine; /* writing measures nothing */
    int r = np_quantizer_write(x->q, out, &x->rep, err);
    if (r >= 0) r = np_quantizer_card(x->q, out, x->card, sizeof x->card, err);
    x->rep.error = error;
    x->rep.cosine = cosine;
    return r;
}

void convert_int8_close(struct convert_int8 *x) {
    np_quantizer_close(&x->q);
    np_calibration_close(&x->calib);
}
