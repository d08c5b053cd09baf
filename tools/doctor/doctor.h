/* SPDX-License-Identifier: Apache-2.0 */
/* What nextpose doctor finds out, apart from how it is printed. Everything in here was looked at or measured, never assumed. */
#ifndef NPI_TOOLS_DOCTOR_H
#define NPI_TOOLS_DOCTOR_H
#include "nextpose/hardware.h"
#include "nextpose/runtimes.h"
#include "tools/tool.h"

enum { DOC_RUNTIMES = 12, DOC_MODELS = 32, DOC_CAMERAS = 8, DOC_MODES = 24, DOC_CODECS = 12, DOC_HW = 12, DOC_PRESETS = 4, DOC_ADVICE = 3 };

struct doc_camera { char path[64], name[64], problem[96]; char mode[DOC_MODES][40]; int n_modes; }; /* "MJPG 1280x720 30/s" */
struct doc_model { char id[64], path[1024], state[24]; }; /* "hash right", "hash unknown", "HASH WRONG", "cannot be read" */
struct doc_preset { const char *name; double target_fps, low, mid, high, delay_p99; int n; }; /* frames/s; n: measurements, 0: not measured */

struct doctor {
    struct np_hardware hw;
    char isa[24], caches[96], governor[32];
    double memory_available_mb;
    struct np_runtime_info runtime[DOC_RUNTIMES]; int n_runtimes;
    struct doc_model model[DOC_MODELS]; int n_models, defaults_here;
    char ffmpeg[64], reads[DOC_CODECS][16], encoder[32];
    int n_reads;
    char hw_decoder[DOC_HW][24]; int n_hw_decoders;   /* that could be opened here */
    struct doc_camera camera[DOC_CAMERAS]; int n_cameras;
    char display[64];                                 /* "" none; what a window would be shown on */
    char clip[1100];                                  /* that presets were measured with; "" none */
    double persons;                                   /* in it, a frame */
    struct doc_preset preset[DOC_PRESETS]; int n_presets;
    char measured_advice[160];                        /* of the slowest preset's run; "" none */
    char advice[DOC_ADVICE][200]; int n_advice;       /* what would help most, most important first */
    int ready;                                        /* the main job can run */
};

/* measure: also run each preset for a few seconds on the demo clip, when models and clip are here. */
void doctor_collect(struct doctor *d, const struct np_settings *base, const char *dirs, int measure, int isolate);
void doctor_print_text(const struct doctor *d, FILE *f);
int doctor_print_json(const struct doctor *d, const char *path, struct np_error *err);

/* Parts of doctor_collect. */
void doctor_cameras(struct doctor *d);
void doctor_video(struct doctor *d);
void doctor_measure(struct doctor *d, const struct np_settings *base);
void doctor_advise(struct doctor *d);
#endif
