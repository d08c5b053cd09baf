/* SPDX-License-Identifier: Apache-2.0 */
/* Plain settings: np_settings_default(&s), change what you like, np_open(). */
#ifndef NEXTPOSE_SETTINGS_H
#define NEXTPOSE_SETTINGS_H

#include <stdint.h>

#include "nextpose/error.h"
#include "nextpose/runtimes.h"

#ifdef __cplusplus
extern "C" {
#endif

enum np_log_level { NP_LOG_ERROR = 0, NP_LOG_WARN = 1, NP_LOG_INFO = 2, NP_LOG_DEBUG = 3 };

struct np_logger {
    /* One line without newline; may be called from any thread of the context. NULL: silence. */
    void (*log)(void *opaque, int level, const char *line);
    void *opaque;
};

/* How frames are worked on. */
enum np_mode {
    NP_MODE_FILE = 0, /* every frame is handled; several frames in flight when threads > 1; results in order */
    NP_MODE_LIVE = 1, /* the newest frame wins: never blocks the source, all threads on one frame (on several from 6 threads up) */
    NP_MODE_SYNC = 2  /* one frame after another on all threads: same input, same bytes out */
};

struct np_settings {
    const char *detector;    /* card or model path, or the id of an installed model; NULL: default detector; "none": whole frame is one person */
    const char *model;       /* pose net, likewise; NULL: default pose net; "none": boxes only */
    const char *models_dir;  /* where ids are looked up first; NULL: see np_models_dirs() */
    int preset;              /* enum np_preset */
    const char *backend;     /* "auto", "native", "onnx" ("ort"), "tflite" ("litert"), "openvino", "torch" ("pytorch"), another plug-in's name, or the
                                path of a plug-in; NULL: auto */
    int strict;              /* 1: fail with NP_EBACKEND instead of falling back; in mid run: no more frames are taken, those inside come out, then the error */
    const char *isa;         /* upper limit: scalar, avx2, avx512, avx512_vnni, …; NULL: best of the machine */
    int threads;             /* 1..64; 0: as many as the process may use */
    int mode;                /* enum np_mode */
    int max_persons;         /* 1..64, largest and longest-tracked first; 0: from the preset */
    int detector_size;       /* longer side of the detector input, 256..640; 0: from the preset (default detector) or the file */
    float bbox_thr;          /* 0..1, detections below are dropped; < 0: from the card */
    float nms_thr;           /* 0..1, IoU above which the weaker box is dropped; < 0: from the card */
    float kpt_thr;           /* 0..1, joints below are not drawn; < 0: from the card */
    /* Real time. 0 or negative as said: from the preset, which may leave it to the controller. */
    int frame_skip;          /* pose net on every k-th frame, 1..5, between them poses are propagated; 0: preset */
    int detection_freq;      /* detector on every k-th frame, 1..30; 0: preset */
    int batch_size;          /* crops in one inference at most, 1..8; 0: preset */
    float detection_timeout_s; /* .05-.2: a detection older than this is not used; < 0: preset */
    float pose_timeout_s;    /* .05-.2: a propagated pose older than this is not shown; < 0: preset */
    float target_fps;        /* rate to hold in live mode; < 0: preset; 0: none */
    float max_delay_ms;      /* capture to result, live mode; < 0: preset; 0: none */
    int adapt;               /* 1: the controller moves what was left to it (live mode); 0: nothing moves; < 0: preset */
    const char *smooth;      /* "none", "one-euro[:min_cutoff,beta,d_cutoff]", "zero-lag[:cutoff]" (not live; the joints come out
                                unsmoothed, for smooth.h); NULL: preset */
    const char *preset_file; /* a preset of the user's own (docs/presets.md); NULL: the built-in one of `preset` */
    const char *precision;   /* what products are computed in; NULL: auto. Quantized nets run in int8 whatever it says. What cannot be had is told as a warning.
                                "fp32": f32, or on AMX its equal from three bf16 parts; "fp32-fast": on AMX from two parts, results off by about 1e-5;
                                "bf16": 8 bits, depthwise 5x5 and larger in IEEE halves; "int8": for nets that are quantized;
                                "auto": bf16 where the hardware is fast at it and the net is known
                                (by its card, or by a test on load) to tolerate it, else fp32; "fp16": other runtimes only.
                                With "-emulated" behind auto, fp32, fp32-fast and bf16: the same numbers without the hardware, slowly, to study them */
    const char *device;      /* of foreign runtimes: "cpu", "gpu", "auto", or what the runtime calls it ("cuda"); NULL: cpu */
    const char *backend_options; /* "key=value,key=value" by the runtime's own names; NULL: none */
    int backend_timeout_ms;  /* a run of a foreign runtime that takes longer has failed; 0: from its first run, at least 2 s; < 0: never */
    int isolate;             /* 1: foreign runtimes run in processes of their own, so that their crash, hang or leak is an error and not the end; 0: in this one */
    const char *worker;      /* nextpose-worker, the program of those processes; NULL: libexec/nextpose of the installation */
    int isolate_memory_mb;   /* that such a process may take; 0: three quarters of what there is */
    const char *cache_dir;   /* where measured times, converted and compiled models are kept; NULL: nowhere, and auto does not measure */
    const struct np_runtime_search *runtime_search; /* where plug-ins and runtimes are looked for (runtimes.h); NULL: install folder and system */
    int keep_frames;         /* 1: a frame's pixels stay valid until its result is released (np_result.frame); 0: it is released as soon as it was looked at */
    struct np_logger logger;
    uint64_t reserved[8];    /* zero */
};

enum np_preset { NP_PRESET_BALANCED = 0, NP_PRESET_HIGH_PERFORMANCE = 1, NP_PRESET_EFFICIENCY = 2, NP_PRESET_QUALITY = 3 };

/* Fills in the defaults. Never fails. Any thread. */
NP_API void np_settings_default(struct np_settings *s);
/* Name of a preset, or NULL; and back: -1 if unknown. Accepts the aliases ultra_fast, speed_balanced, quality_focused. */
NP_API const char *np_preset_name(int preset);
NP_API int np_preset_from_name(const char *name);

/* Every value that the preset decides, as it would be in force for `s` on this machine: its name as a preset file spells it, the value, the bounds
 * within which the controller may move it ("" when it may not), and where it came from; then the nets, the thresholds of their cards, what
 * holds for other runtimes (backend_timeout, isolate_memory, worker), device, isa and cache_dir. No model is opened. NP_EINVAL or NP_ENOENT when the preset cannot be read. */
NP_API int np_settings_explain(const struct np_settings *s, void (*line)(void *opaque, const char *name, const char *value, const char *bounds, const char *from),
                               void *opaque, struct np_error *err);

#ifdef __cplusplus
}
#endif
#endif
