/* SPDX-License-Identifier: Apache-2.0 */
/* run --auto-tune: follows the advice of np_stats while running. "propose" says what would help; "apply" does it, measures for a few
 * seconds, keeps what gained and takes back what did not, and remembers per machine and kind of input what worked, so that the next
 * run starts there.
 *
 *   IDLE ── advice that can be followed while running ──> TRIAL (settle, measure) ──> kept and remembered | taken back, not tried again */
#ifndef NPI_TOOLS_AUTOTUNE_H
#define NPI_TOOLS_AUTOTUNE_H
#include "opts.h"

enum autotune_mode { AUTOTUNE_OFF, AUTOTUNE_PROPOSE, AUTOTUNE_APPLY };

struct autotune_params {
    int mode;
    const char *memory;          /* file of what worked; NULL: nothing is remembered */
    void (*stats)(void *opaque, struct np_stats *out);
    int (*adjust)(void *opaque, const char *name, const char *value, struct np_error *err);
    void (*say)(void *opaque, const char *line);
    void *opaque;
};

enum { AUTOTUNE_MAX = 16 };
struct autotune {
    struct autotune_params p;
    int64_t next_ns;             /* nothing to do before */
    int trial;                   /* 1: a change is being measured */
    double before_fps;
    char name[32], value[16], old[16];
    char tried[AUTOTUNE_MAX][48]; int n_tried; /* flags that were told, kept or taken back */
    struct { char name[32], value[16]; } kept[AUTOTUNE_MAX]; int n_kept;
};
void autotune_open(struct autotune *a, const struct autotune_params *p);
/* Cheap when nothing is due: call it with every result. */
void autotune_tick(struct autotune *a, int64_t now_ns);
/* Writes what was kept (not when nothing was). */
int autotune_close(struct autotune *a, struct np_error *err);

/* The file of this machine for a kind of input ("camera", "video" …) below the cache folder. */
void autotune_memory(char *path, size_t size, const char *cache_dir, const char *kind);
/* What worked before becomes the value of options that nobody set. Number of options; 0 without a file. */
int autotune_recall(struct opts *o, const char *path);
#endif
