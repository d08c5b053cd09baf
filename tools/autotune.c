/* SPDX-License-Identifier: Apache-2.0 */
/* See autotune.h. */
#define _GNU_SOURCE
#include "autotune.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/outfile.h"
#include "tool.h"

#define FIRST_NS 3000000000  /* rates mean something from here on */
#define LOOK_NS 2000000000
#define TRIAL_NS 5000000000  /* longer than the window that rates are taken over */
#define WORTH 1.05

/* What is tried; other advice (threads, another model, fewer people) is only told: nobody is dropped to gain a frame. */
static const char *const adjustable[] = { "frame-skip", "detection-freq", "batch-size" };

static int can_adjust(const char *name) {
    for (size_t i = 0; i < sizeof adjustable / sizeof *adjustable; i++)
        if (!strcmp(adjustable[i], name)) return 1;
    return 0;
}

void autotune_open(struct autotune *a, const struct autotune_params *p) {
    memset(a, 0, sizeof *a);
    a->p = *p;
}

__attribute__((format(printf, 2, 3)))
static void say(struct autotune *a, const char *fmt, ...) {
    char line[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    a->p.say(a->p.opaque, line);
}

static int was_tried(const struct autotune *a, const char *flag) {
    for (int i = 0; i < a->n_tried; i++)
        if (!strcmp(a->tried[i], flag)) return 1;
    return 0;
}

static void mark_tried(struct autotune *a, const char *flag) {
    if (a->n_tried < AUTOTUNE_MAX) snprintf(a->tried[a->n_tried++], sizeof a->tried[0], "%s", flag);
}

static void knob_text(char out[16], const struct np_stats *s, const char *name) {
    const int v = !strcmp(name, "frame-skip") ? s->knobs.frame_skip : !strcmp(name, "detection-freq") ? s->knobs.detection_freq
                : s->knobs.batch_size;
    snprintf(out, 16, "%d", v);
}

/* "--detection-freq 3" -> name and value; 0: not of that form, or nothing that can change while running. */
static int parse_flag(struct autotune *a, const char *flag) {
    if (sscanf(flag, "--%31[a-z-] %15s", a->name, a->value) != 2) return 0;
    return can_adjust(a->name);
}

static void look(struct autotune *a, const struct np_stats *s, int64_t now) {
    for (int i = 0; i < s->n_suggestions; i++) {
        const struct np_suggestion *const x = &s->suggestion[i];
        struct np_error e;
        if (!*x->flag || x->gain < WORTH || was_tried(a, x->flag) || a->n_tried == AUTOTUNE_MAX) continue;
        mark_tried(a, x->flag);
        if (a->p.mode == AUTOTUNE_PROPOSE || !parse_flag(a, x->flag)) {
            say(a, "auto-tune: %s", x->text);
            return;
        }
        knob_text(a->old, s, a->name);
        if (a->p.adjust(a->p.opaque, a->name, a->value, &e) < 0) {
            say(a, "auto-tune: %s cannot be followed: %s", x->flag, e.message);
            return;
        }
        say(a, "auto-tune: trying %s (it is %s): %s", x->flag, a->old, x->text);
        a->before_fps = s->processed_fps;
        a->trial = 1;
        a->next_ns = now + TRIAL_NS;
        return;
    }
}

static void remember(struct autotune *a) {
    int i = 0;
    while (i < a->n_kept && strcmp(a->kept[i].name, a->name)) i++;
    if (i == AUTOTUNE_MAX) return;
    if (i == a->n_kept) a->n_kept++;
    snprintf(a->kept[i].name, sizeof a->kept[i].name, "%s", a->name);
    snprintf(a->kept[i].value, sizeof a->kept[i].value, "%s", a->value);
}

static void judge(struct autotune *a, const struct np_stats *s) {
    struct np_error e;
    a->trial = 0;
    if (s->processed_fps >= a->before_fps * WORTH) {
        say(a, "auto-tune: kept --%s %s: %.1f -> %.1f frames/s", a->name, a->value, a->before_fps, s->processed_fps);
        remember(a);
    } else if (a->p.adjust(a->p.opaque, a->name, a->old, &e) == 0)
        say(a, "auto-tune: took --%s %s back: %.1f -> %.1f frames/s", a->name, a->value, a->before_fps, s->processed_fps);
    else say(a, "auto-tune: --%s %s gained nothing and cannot be taken back: %s", a->name, a->value, e.message);
}

void autotune_tick(struct autotune *a, int64_t now) {
    struct np_stats s;
    if (a->p.mode == AUTOTUNE_OFF || now < a->next_ns) return;
    const int first = a->next_ns == 0;
    a->next_ns = now + (first ? FIRST_NS : LOOK_NS);
    if (first) return;
    a->p.stats(a->p.opaque, &s);
    if (a->trial) judge(a, &s);
    else look(a, &s, now);
}

int autotune_close(struct autotune *a, struct np_error *err) {
    struct npi_outfile f;
    char beside[4200], line[120];
    if (!a->n_kept || !a->p.memory) return 0;
    snprintf(beside, sizeof beside, "%.*s", (int)(strrchr(a->p.memory, '/') - a->p.memory), a->p.memory);
    int r = npi_io_mkdirs(beside, err);
    snprintf(beside, sizeof beside, "%.4190s.part", a->p.memory);
    if (r < 0 || (r = npi_out_open(&f, beside, NULL, err)) < 0) return r;
    npi_out_str(&f, "# what run --auto-tune found to help on this machine; delete it to forget\n[run]\n");
    for (int i = 0; i < a->n_kept; i++) {
        snprintf(line, sizeof line, "%s = %s\n", a->kept[i].name, a->kept[i].value);
        npi_out_str(&f, line);
    }
    r = npi_out_close(&f, err);
    if (r == 0 && rename(beside, a->p.memory) < 0) r = npi_io_fail(err, NP_EIO, "cannot write '%s'", a->p.memory);
    if (r < 0) unlink(beside);
    return r;
}

void autotune_memory(char *path, size_t size, const char *cache_dir, const char *kind) {
    char cpu[64];
    snprintf(cpu, sizeof cpu, "%s", tool_cpu_name());
    for (char *p = cpu; *p; p++)
        if (!isalnum((unsigned char)*p)) *p = '-';
    snprintf(path, size, "%s/auto-tune/%s-%d-%s.conf", cache_dir, cpu, np_cpu_count(), kind);
}

int autotune_recall(struct opts *o, const char *path) {
    void *data = NULL;
    size_t size = 0;
    int n = 0;
    if (npi_io_read_file(&data, &size, path, 64 << 10, NULL) < 0) return 0;
    char *const text = strndup(data, size);
    free(data);
    char *rest = text;
    for (char *line; text && (line = strsep(&rest, "\n"));) {
        char name[32], value[16], where[160];
        struct np_error e;
        if (sscanf(line, "%31[a-z-] = %15[0-9]", name, value) != 2 || !can_adjust(name) || opt_origin(o, name) != FROM_DEFAULT) continue;
        snprintf(where, sizeof where, "%s of an earlier run, in %.70s", name, path);
        n += opts_set(o, name, value, FROM_CONFIG, where, &e) == 0;
    }
    free(text);
    return n;
}
