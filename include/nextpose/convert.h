/* SPDX-License-Identifier: Apache-2.0 */
/* From one model file to another: .onnx and .tflite, either way, or the same format with smaller weights.
 *
 *   struct np_convert_params p;
 *   np_convert_params_default(&p);
 *   if (np_convert("pose.onnx", "pose.tflite", &p, &report, &err) < 0) …
 *
 * Nothing is approximated behind your back: what the target cannot say exactly is written out in ops that it has, or refused with the
 * name of the node. The result is read back and run beside the original before it gets its name: it appears whole, or not at all. */
#ifndef NEXTPOSE_CONVERT_H
#define NEXTPOSE_CONVERT_H

#include "nextpose/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

enum np_format { NP_FORMAT_BY_NAME = 0, NP_FORMAT_ONNX = 1, NP_FORMAT_TFLITE = 2 };
/* What the numbers of the weights become.
 *   fp32     as they are (16-bit ones are widened); quantized tensors stay quantized
 *   fp16     weights in 16 bits, arithmetic in 32: half the size
 *   dynamic  weights of convolutions and matrix products in 8 bits, a scale a channel; arithmetic as the runtime does it: a quarter of the size
 *   int8     weights and activations in 8 bits: the fastest; needs a quantized model, or pictures to calibrate with
 *   auto     chooses among them and says why */
enum np_strategy { NP_STRATEGY_AUTO = 0, NP_STRATEGY_FP32, NP_STRATEGY_FP16, NP_STRATEGY_DYNAMIC, NP_STRATEGY_INT8 };
NP_API const char *np_strategy_name(int strategy); /* "auto", …; NULL: no such strategy */

/* Image inputs and outputs: in the order of the output's format (ONNX channels first, TFLite channels last), or with the shapes of the
 * input file. By default they turn only where the format changes. */
enum np_io_layout { NP_IO_LAYOUT_AUTO = 0, NP_IO_LAYOUT_NATIVE, NP_IO_LAYOUT_KEEP };

/* Weights of single layers. pattern: the layer's name or that of its weights, as `nextpose inspect --layers` lists them; '*' any text, '?' any
 * letter; the last rule that matches counts. A rule that matches nothing is an error. */
enum np_precision { NP_PRECISION_DEFAULT = 0, NP_PRECISION_FLOAT, NP_PRECISION_FP16, NP_PRECISION_INT8 };
struct np_convert_rule {
    const char *pattern;
    int precision;               /* enum np_precision; default: as the strategy says. float: stays as it is */
    int per_tensor;              /* 1: 8-bit weights with one scale for all channels */
    uint64_t reserved[2];
};

struct np_convert_params {
    int format;                  /* enum np_format of the output; by name: .onnx or .tflite */
    int strategy;                /* enum np_strategy, default auto */
    int io_layout;               /* enum np_io_layout */
    const char *input_name;      /* shape override as in np_model_params */
    int rank;
    int64_t dims[NP_MAX_RANK];
    const struct np_convert_rule *rule; int n_rules;
    const char *card;            /* model card (JSON) for the output; NULL: the one of the input, if any */
    int no_check;                /* 1: do not read the result back and compare it with the input model on a made-up picture */
    int (*stop)(void *opaque);   /* asked now and then; not 0: give up with NP_EINTR, leaving nothing. May be NULL */
    void *opaque;
    struct np_logger logger;
    uint64_t reserved[16];
};
NP_API void np_convert_params_default(struct np_convert_params *p);

struct np_convert_report {
    int strategy;                /* what was done */
    int format;
    int n_nodes;                 /* operators in the output */
    int n_transposes;            /* of which turn images round */
    int n_layers;                /* convolutions and fully connected layers with float weights, and what those became: */
    int n_float, n_fp16, n_int8;
    size_t bytes_in, bytes_out;
    double difference;           /* of the two models' outputs on a made-up picture: |y - y'| / |y| of the worst one; -1: not checked */
    char why[512];               /* the reasons of `auto`, one line */
    char notes[1024];            /* what the user must know, one line a note: inputs that turned, metadata left behind; "" when nothing */
    char card[512];              /* card that was written beside the output; "": none */
    uint64_t reserved[8];
};

/* Reads `in`, writes `out`. report may be NULL. Any thread; blocks. */
NP_API int np_convert(const char *in, const char *out, const struct np_convert_params *p, struct np_convert_report *report, struct np_error *err);

#ifdef __cplusplus
}
#endif
#endif
