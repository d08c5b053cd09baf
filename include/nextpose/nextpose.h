/* SPDX-License-Identifier: Apache-2.0 */
/* NextPose: finds people in pictures and tells where their joints are. This program is compiled and run as a test
 * (tests/build/example.c is cut from here):
 *
 *   #include <nextpose/nextpose.h>
 *   #include <stdio.h>
 *   int main(void) {
 *       static uint8_t rgb[480 * 640 * 3];                       // your picture
 *       struct np_settings s; np_settings_default(&s);
 *       struct np_error e; struct np_context *c; const struct np_result *r;
 *       if (np_open(&c, &s, &e) < 0) { fprintf(stderr, "%s\n", e.message); return 3; }
 *       struct np_frame f = { .format = NP_PIX_RGB24, .width = 640, .height = 480,
 *                             .plane = { rgb }, .stride_bytes = { 640 * 3 }, .pts_ns = -1 };
 *       if (np_process(c, &f, &r, &e) < 0) { fprintf(stderr, "%s\n", e.message); return 1; }
 *       for (int i = 0; i < r->n_persons; i++)
 *           printf("person %d: %s at %.0f %.0f\n", r->persons[i].id, r->set->names[0],
 *                  r->persons[i].keypoint[0].x, r->persons[i].keypoint[0].y);
 *       np_result_release(c, &r); np_close(&c); return 0;
 *   }
 */
#ifndef NEXTPOSE_NEXTPOSE_H
#define NEXTPOSE_NEXTPOSE_H

#include "nextpose/engine.h"
#include "nextpose/error.h"
#include "nextpose/hardware.h"
#include "nextpose/runtimes.h"
#include "nextpose/settings.h"
#include "nextpose/smooth.h"
#include "nextpose/stats.h"
#include "nextpose/types.h"
#include "nextpose/version.h"

#ifdef __cplusplus
extern "C" {
#endif

struct np_context;

/* Loads the models and makes the workers. *out is written only on success and belongs to the caller (np_close).
 * The strings in `s` are copied. Any thread; two contexts never disturb each other. */
NP_API int np_open(struct np_context **out, const struct np_settings *s, struct np_error *err);
/* Frees everything and writes NULL to *c. Frames still inside are released, results not yet released become invalid.
 * NULL and pointer to NULL are fine. No other call on this context may be running. */
NP_API void np_close(struct np_context **c);

/* One frame in, its result out, before it returns. Borrows `f` until it returns (and calls f->release if set).
 * *out is valid until np_result_release. One thread at a time a context. */
NP_API int np_process(struct np_context *c, const struct np_frame *f, const struct np_result **out, struct np_error *err);

/* One picture by itself: nothing is carried over from other pictures, persons have no ids (0). boxes NULL: those of the detector; else the pose net is run
 * on exactly these n_boxes, and persons come out in their order; one on which the net sees nobody has no joints. Borrows `f` until it returns (and
 * calls f->release if set). *out belongs to the context, is valid until the next call and is not released. Makes sessions of its own at
 * the first call. One thread at a time a context, apart from the other calls. */
NP_API int np_process_still(struct np_context *c, const struct np_frame *f, const struct np_box *boxes, int n_boxes, const struct np_result **out,
                            struct np_error *err);

/* The asynchronous pair. np_send_frame takes the frame when it returns 0 (its pixels are used until f->release is
 * called) and does not when it returns NP_EAGAIN: fetch a result first. np_send_frame(c, NULL) says that no more
 * frames come. np_get_result gives results in the order of the frames; NP_EAGAIN: none is due, send a frame; NP_EEND: all are out.
 * In NP_MODE_FILE np_get_result waits for the oldest frame when the queue is full or the end was announced; otherwise it does
 * not block. In NP_MODE_LIVE np_send_frame takes every frame at once and never returns NP_EAGAIN: a frame that still waits when a newer one
 * comes is dropped (released and counted, np_context_stats), and so are results that nobody fetches but for the last few. One thread may send while another one gets. */
NP_API int np_send_frame(struct np_context *c, const struct np_frame *f, struct np_error *err);
NP_API int np_get_result(struct np_context *c, const struct np_result **out, struct np_error *err);
/* np_get_result that waits for at most timeout_ms (below 0: for as long as it takes) while a frame is inside; in NP_MODE_LIVE also for
 * a frame that another thread may send. NP_EAGAIN: nothing came; NP_EEND: the end was announced and all are out. */
NP_API int np_wait_result(struct np_context *c, int timeout_ms, const struct np_result **out, struct np_error *err);
/* Gives a result back for reuse and writes NULL. Any thread. */
NP_API void np_result_release(struct np_context *c, const struct np_result **r);

/* What really runs, for summaries and bug reports: rule 2, no silent fallback. Pointers live as long as the context. */
struct np_context_info {
    const char *detector_id, *model_id;    /* of the cards */
    const char *backend_asked, *backend_used, *backend_reason; /* used: "native", "onnx", …; "detector native, model onnx" where they differ. As of this call: a runtime
                                              that fails in mid run changes them, and backend_switches grows */
    const char *backend_device;            /* "cpu", "CUDAExecutionProvider", …, likewise */
    int backend_switches;
    const char *precision;                 /* what the products are computed in: "fp32", "detector int8, model bf16", … (np_model_precision) */
    const char *isa;                       /* level in use */
    int threads;
    int max_persons;
    int detector_width, detector_height;   /* of the net input; 0 without detector */
    float bbox_thr, nms_thr, kpt_thr;      /* in force */
    const char *smooth;                    /* likewise, as np_settings.smooth; "zero-lag…" is left to the caller: smooth.h */
    const struct np_keypoint_set *set;
    size_t weights_bytes, arena_bytes;     /* packed weights (shared), activations (all sessions) */
};
NP_API void np_context_info(const struct np_context *c, struct np_context_info *out);

/* Keypoint sets known by name, in order of i; NULL past the end. */
NP_API const struct np_keypoint_set *np_keypoint_set_at(int i);
NP_API const struct np_keypoint_set *np_keypoint_set_find(const char *name);

/* Models that are known by id: what their built-in cards say. Static strings; unused entries of the lists are NULL. */
struct np_card_info {
    const char *id, *name, *licence, *source, *note;
    const char *task;         /* "detect", "pose", "pose_multi" */
    const char *files[4];     /* names it is looked up by in a models directory, the first is preferred */
    const char *sha256[3];    /* of the files known to be this model; may be none */
};
/* Card i; NP_EEND past the end. */
NP_API int np_card_at(int i, struct np_card_info *out);
/* The model file of a card where it is part of the library (our own nets): its bytes, or NULL. */
NP_API const void *np_card_weights(const char *id, size_t *size);
/* SHA-256 of a file as 64 lower-case hex digits and a NUL. */
NP_API int np_sha256_file(const char *path, char hex[65], struct np_error *err);

#ifdef __cplusplus
}
#endif
#endif
