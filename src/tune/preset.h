/* SPDX-License-Identifier: Apache-2.0 */
/* Presets: what a run starts from and how far the controller may go. Text files (presets/, docs/presets.md), built in.
 *
 *   presets/NAME.preset ── or the user's file, over its base ──┐
 *   presets/hardware.conf: the category's shifts (live) ───────┼──> struct npi_preset: every value, its bounds, whence
 *   struct np_settings: what was asked for; pins ──────────────┘
 *
 * Bytes of a preset are hostile: lines, names, numbers and ranges are checked, and a refusal names the line. */
#ifndef NPI_TUNE_PRESET_H
#define NPI_TUNE_PRESET_H
#include <stddef.h>

#include "base/err.h"
#include "nextpose/hardware.h"
#include "nextpose/settings.h"

enum npi_key {
    NPI_KEY_TARGET_FPS = 0, NPI_KEY_COMFORT_FPS, NPI_KEY_MAX_DELAY_MS, NPI_KEY_ADAPT, NPI_KEY_FRAME_SKIP, NPI_KEY_DETECTION_FREQ,
        NPI_KEY_DETECTOR_SIZE,
    NPI_KEY_BATCH_SIZE, NPI_KEY_MAX_PERSONS, NPI_KEY_DRAW_EVERY, NPI_KEY_VARIANT, NPI_KEY_THREADS, NPI_KEY_POSE_PASSES, NPI_KEY_DETECTION_TIMEOUT_S,
    NPI_KEY_POSE_TIMEOUT_S, NPI_KEY_SMOOTH, NPI_KEY_COUNT
};

enum npi_from { NPI_FROM_NOWHERE = 0, NPI_FROM_BASE, NPI_FROM_PRESET, NPI_FROM_HARDWARE, NPI_FROM_SETTINGS };

/* start == lo == hi: nothing moves it. `threads` is a share, 0..1, until npi_preset_resolve makes it a number. */
struct npi_value { double start, lo, hi; int from; };

struct npi_preset {
    char name[96], base[96];             /* "balanced", or the path of a file and the preset that it builds on */
    char hardware[24];                   /* category that moved starts; "" none */
    struct npi_value v[NPI_KEY_COUNT];   /* by enum npi_key; NPI_KEY_SMOOTH has its value in `smooth` */
    char smooth[64];
};

/* `text` (size bytes, at most 64 KiB, no NUL needed) -> preset. `live`: 1 takes [live], 0 [file]; both are checked. `where` names the
 * source in messages. With `must_be_whole` every key has to be there (the built-in ones); otherwise `base = NAME`, balanced when there
 * is none, gives the rest. NP_EINVAL with one line. */
int npi_preset_parse(struct npi_preset *out, const char *text, size_t size, const char *where, int live, int must_be_whole, struct np_error *err);
int npi_preset_builtin(struct npi_preset *out, int preset, int live, struct np_error *err); /* enum np_preset */
int npi_preset_load(struct npi_preset *out, const char *path, int live, struct np_error *err);

/* All values in force for these settings on this machine (hw NULL: no shifts, np_cpu_count() processors): the preset, shifted by the
 * hardware category in live mode, then what the settings ask for, which is pinned. NPI_KEY_THREADS holds a number of threads. */
int npi_preset_resolve(struct npi_preset *out, const struct np_settings *s, const struct np_hardware *hw, struct np_error *err);

/* For people: name and value as a preset file spells them ("frame_skip", "2"), bounds ("1..4", "" when pinned), whence ("preset balanced"). */
const char *npi_preset_key_name(int key);
void npi_preset_value_text(const struct npi_preset *p, int key, char value[64]);
void npi_preset_bounds_text(const struct npi_preset *p, int key, char bounds[64]);
void npi_preset_from_text(const struct npi_preset *p, int key, char from[256]);
static inline int npi_preset_int(const struct npi_preset *p, int key) { return (int)(p->v[key].start + .5); }

/* The files of presets/, made part of the library at build time (scripts/embed.sh); ends with a NULL name. */
struct npi_embedded { const char *name, *text; };
extern const struct npi_embedded npi_embedded[];
const char *npi_embedded_find(const char *name);

/* Reader of `key = value` lines with [sections]; `#` and `;` start a comment. Used for presets and presets/hardware.conf. */
struct npi_lines { const char *p, *end, *where; int line, tell_sections; char section[32], key[48], value[96]; };
/* 1: a line is in key and value; 2, with tell_sections: a section begins; 0: the end; NP_EINVAL. */
int npi_lines_next(struct npi_lines *l, struct np_error *err);
/* "3", "3.5", "-2", "+1": all of it, without the locale's say. 0 or -1. */
int npi_lines_number(const char *s, double *out);

/* From presets/hardware.conf: what the category adds to the start of a key (0: nothing), and its expected rates. */
double npi_hardware_shift(int category, int key);
void npi_hardware_floor(int category, double *lo_fps, double *hi_fps);
#endif
