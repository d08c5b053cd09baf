/* SPDX-License-Identifier: Apache-2.0 */
/* Post-training quantization: a float model file becomes an int8 one (QDQ ONNX, TFLite) that keeps its accuracy.
 *
 *   np_calibration_open(&c, "pose.onnx", &settings, 96, &err);          which inputs the net really gets: frames in …
 *   for each picture: np_calibration_add(c, &frame, &err);              … detector, crop: the very crops of the pipeline
 *   np_quantizer_open(&q, "pose.onnx", &params, c, &err);               the float net on them: ranges
 *   np_quantizer_write(q, "pose_int8.onnx", &report, &err);             as often as you like, with other layers kept in float:
 *   np_quantizer_scan(q, …); np_quantizer_keep(q, layer[0].name, &err);
 *
 * One thread at a time an object; blocking. */
#ifndef NEXTPOSE_QUANTIZE_H
#define NEXTPOSE_QUANTIZE_H

#include "nextpose/engine.h"
#include "nextpose/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct np_calibration;
/* model: as settings->model or ->detector; a pose net gets crops about the boxes of settings->detector (NULL: the default, "none": whole pictures), a
 * detector gets whole frames as it would. Of all the inputs that come by, at most `most` are kept, chosen evenly. */
NP_API int np_calibration_open(struct np_calibration **out, const char *model, const struct np_settings *s, int most, struct np_error *err);
NP_API void np_calibration_close(struct np_calibration **c);
/* Borrows f until it returns (and calls f->release if set). */
NP_API int np_calibration_add(struct np_calibration *c, const struct np_frame *f, struct np_error *err);
struct np_calibration_info {
    int n_samples;              /* kept */
    int64_t n_seen, n_frames;   /* inputs that came by, frames */
    int is_detector;
    const char *detector_id, *model_id;
};
NP_API void np_calibration_info(const struct np_calibration *c, struct np_calibration_info *out);

enum np_ranges { NP_RANGES_AUTO = 0, NP_RANGES_MINMAX, NP_RANGES_PERCENTILE, NP_RANGES_MSE, NP_RANGES_ENTROPY };
NP_API const char *np_ranges_name(int ranges); /* "auto", …; NULL past the end */

struct np_quantize_params {
    int ranges;                 /* enum np_ranges; auto: what errs least on inputs held out */
    double percentile;          /* of NP_RANGES_PERCENTILE; 0: 99.99 */
    int weight_bits;            /* 8; 7 for runtimes whose 8-bit products saturate (x86 without VNNI); 0: 8 */
    int no_equalize, no_bias_correction;
    const char *isa;            /* as in np_settings */
    struct np_logger logger;
    uint64_t reserved[8];
};
NP_API void np_quantize_params_default(struct np_quantize_params *p);

struct np_quantizer;
/* Reads the float model, equalizes, runs it on the calibration inputs. Borrows `c` until it returns. */
NP_API int np_quantizer_open(struct np_quantizer **out, const char *model, const struct np_quantize_params *p, const struct np_calibration *c, struct np_error *err);
NP_API void np_quantizer_close(struct np_quantizer **q);
/* Layers (convolutions) that stay in float: a name, or a pattern with '*'. Returns how many it matches. */
NP_API int np_quantizer_keep(struct np_quantizer *q, const char *pattern, struct np_error *err);
/* The pattern kept last is given up again. */
NP_API void np_quantizer_unkeep(struct np_quantizer *q);
/* A range that is known better than measured, for the tensors (or nodes) of that name. */
NP_API int np_quantizer_range(struct np_quantizer *q, const char *pattern, float lo, float hi, struct np_error *err);

struct np_quantize_report {
    int n_convs, n_int8_convs;  /* as our engine runs the result */
    int n_int8_tensors, n_equalized, n_samples;
    int ranges;                 /* enum np_ranges: what was used */
    double error, cosine;       /* worst output that the head reads, on inputs held out: |y - y'| / |y|, and their cosine */
    size_t bytes_in, bytes_out; /* bytes_out: of np_quantizer_write */
};
/* Error of the net as it would be written. */
NP_API int np_quantizer_measure(struct np_quantizer *q, struct np_quantize_report *out, struct np_error *err);
/* Per output: its name, |y - y'| / |y|, cosine, signal to noise in dB. NP_EEND past the end. After a measure. */
NP_API int np_quantizer_output(const struct np_quantizer *q, int i, const char **name, double *error, double *cosine, double *snr_db);

struct np_quantize_layer {
    const char *name;
    const char *with;           /* together with the layer that reads it: between the two nothing is rounded then; NULL: alone */
    const char *op;
    int64_t macs;
    double gain;                /* how far the error falls when it stays in float */
};
/* Each convolution, and each with its reader, in turn in float; the most harmful first, by gain a layer. Returns how many rows there are, of which `most` were written. progress may be NULL; it
 * returns 0 to go on. Names live as long as q. */
NP_API int np_quantizer_scan(struct np_quantizer *q, struct np_quantize_layer *layer, int most, int (*progress)(void *opaque, int done, int all), void *opaque, struct np_error *err);

/* The int8 model; .onnx or .tflite by name. The model's card goes into its metadata. What is written was read back and gave finite outputs on a made-up picture; the
 * file appears when it is complete, or not at all. report may be NULL. */
NP_API int np_quantizer_write(struct np_quantizer *q, const char *path, struct np_quantize_report *report, struct np_error *err);
/* The card as JSON beside the written model (x.onnx: x.json); `written` gets its path, or "" when a file of that name is there, which is left alone. */
NP_API int np_quantizer_card(const struct np_quantizer *q, const char *model, char *written, size_t size, struct np_error *err);

#ifdef __cplusplus
}
#endif
#endif
