/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a model file, also when it cannot be run: every node that stands in the way is named, with the reason.
 *
 *   struct np_inspection *x; struct np_inspect_info info;
 *   if (np_inspect(&x, "pose.onnx", NULL, &err) == 0) { np_inspect_info(x, &info); … np_inspect_free(&x); }
 *
 * Strings and pointers live as long as the inspection. */
#ifndef NEXTPOSE_INSPECT_H
#define NEXTPOSE_INSPECT_H

#include "nextpose/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

struct np_inspection;
struct np_inspect_info {
    const char *format;          /* "ONNX", "TFLite" */
    size_t file_bytes;
    int n_nodes;                 /* in the file */
    int n_troubles, n_skipped;   /* nodes that cannot be read; nodes that only depend on such */
    int runs;                    /* 1: our engine can run it */
    const char *why_not;         /* when it cannot: the first reason */
    int64_t n_params;            /* numbers in the constants, without sizes and indices */
    int64_t params[NP_DTYPE_COUNT]; /* the same by the type in which they are stored */
    int64_t macs;                /* multiply-adds of one inference */
    int n_layers, n_steps;       /* nodes after import (np_inspect_layer); steps of the plan */
    size_t weights_bytes, arena_bytes; /* packed weights, activations */
    const char *card_id, *decoder, *keypoint_set, *task; /* what it is, or looks like; "": no idea */
    int sure;                    /* 100: it has a card; less: guessed from the shapes; 0: no idea */
    const char *card_why;        /* where the card came from, or what the guess is made of */
    uint64_t reserved[8];
};
NP_API int np_inspect(struct np_inspection **out, const char *path, const struct np_model_params *p, struct np_error *err);
NP_API void np_inspect_free(struct np_inspection **x);
NP_API void np_inspect_info(const struct np_inspection *x, struct np_inspect_info *out);
/* Each of the following: NP_EEND past the end. */
NP_API int np_inspect_tensor(const struct np_inspection *x, int is_output, int i, struct np_tensor_info *out);
NP_API int np_inspect_op(const struct np_inspection *x, int i, const char **op, int *count);        /* operators of the file, most frequent first */
NP_API int np_inspect_trouble(const struct np_inspection *x, int i, const char **op, const char **node, const char **why);

struct np_inspect_layer {
    const char *name, *op;
    const char *weights;         /* name of its weights; "": none */
    const char *precision;       /* "f32", "int8", "f32, int8 weights", … */
    int rank; int64_t dims[NP_MAX_RANK];   /* of its first output */
    int64_t macs, params;
    const int *from; int n_from; /* layers that it reads; -1 - i: input i of the model */
    int output;                  /* which output of the model it makes; -1: none */
};
NP_API int np_inspect_layer(const struct np_inspection *x, int i, struct np_inspect_layer *out);

/* A card for the model, as JSON: its own, or one guessed from its shapes. Returns the length without the NUL, as snprintf; NP_EMODEL when the
 * outputs look like nothing that we know. */
NP_API int np_inspect_card(const struct np_inspection *x, char *buf, size_t size, struct np_error *err);

#ifdef __cplusplus
}
#endif
#endif
