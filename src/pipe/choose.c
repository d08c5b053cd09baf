/* SPDX-License-Identifier: Apache-2.0 */
/* See choose.h. The choice lives as long as the net: what failed in mid run is opened and tested again from here. */
#define _GNU_SOURCE
#include "pipe/choose.h"
#include "backend/isolate.h"
#include "base/log.h"
#include "cpu/cpu.h"
#include "pipe/selftest.h"
#include "pipe/timings.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_TIMEOUT_MS 120000
#define RUN_TIMEOUT_MIN_MS 2000
#define RUN_TIMEOUT_TIMES 30      /* of what the self-test took */
#define CLEARLY_FASTER 1.25       /* a runtime takes the place of the one before it in the order when that takes so many times as long */
#define MAX_OPTIONS 16

static const char *const order[] = { "tflite", "onnx", "openvino", "torch" };
#define N_ORDER (int)(sizeof order / sizeof order[0])

struct entry {
    char runtime[32];
    struct npi_plugin plugin;     /* of a foreign one */
    char path[NPI_PATH_MAX];      /* the file it reads */
    char format[32];
    int rank;
    int64_t dims[NP_MAX_RANK];
    int ready;                    /* plug-in loaded, library and file found; not yet asked for its score */
};

struct npi_choice {
    struct npi_card card;
    int known, side, strict, threads, open_ms, run_ms, isolate, isolate_memory_mb;
    char worker[NPI_PATH_MAX];    /* "": of the installation */
    char model[512], asked[64], device[64], precision[16], isa[32], cache_dir[NPI_PATH_MAX], options[512];
    struct np_backend_option option[MAX_OPTIONS];
    int n_options;
    uint64_t cpu_mask[16];        /* the opener's processors; all zero: all */
    unsigned cpu;
    struct np_runtime_search search;
    struct np_logger log;
    struct npi_strike *strike;
    struct npi_engine *native;    /* for self-tests; NULL: it cannot run the net */
    struct entry entry[NPI_LINEUP_MAX];
    int n;
};

/* --- wishes --- */

static int copy_text(char *out, size_t size, const char *s) { return !s || (size_t)snprintf(out, size, "%s", s) < size; }

/* "key=value,key=value" */
static int split_options(struct npi_choice *c, struct np_error *err) {
    char *save = NULL;
    for (char *word = strtok_r(c->options, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        char *const eq = strchr(word, '=');
        if (!eq || eq == word) return npi_fail(err, NP_EINVAL, "backend options: '%s' is not key=value", word);
        if (c->n_options == MAX_OPTIONS) return npi_fail(err, NP_EINVAL, "backend options: more than %d", MAX_OPTIONS);
        *eq = 0;
        c->option[c->n_options++] = (struct np_backend_option){ word, eq + 1 };
    }
    return 0;
}

static int make(struct npi_choice **out, const struct npi_net *n, const struct npi_wish *w, int known, int side, const char *isa,
                const struct np_logger *log, struct np_error *err) {
    struct npi_choice *c = npi_alloc(sizeof *c);
    if (!c) return npi_fail(err, NP_ENOMEM, "out of memory");
    c->card = n->card;
    c->known = known;
    c->side = side;
    c->strict = w->strict;
    c->strike = w->strike;
    c->isolate = w->isolate;
    c->isolate_memory_mb = w->isolate_memory_mb;
    c->threads = w->threads > 0 ? w->threads : 1;
    c->open_ms = w->open_timeout_ms > 0 ? w->open_timeout_ms : w->open_timeout_ms < 0 ? 0 : OPEN_TIMEOUT_MS;
    c->run_ms = w->run_timeout_ms;
    if (w->search) c->search = *w->search;
    if (log) c->log = *log;
    npi_cpu_limit(isa, npi_cpu_flags(), &c->cpu);
    int r = 0;
    if (!copy_text(c->model, sizeof c->model, n->path) || !copy_text(c->asked, sizeof c->asked,
                                                                     npi_runtime_name(w->backend && *w->backend ? w->backend : "auto")) ||
        !copy_text(c->device, sizeof c->device, w->device) || !copy_text(c->isa, sizeof c->isa, isa) ||
            !copy_text(c->options, sizeof c->options, w->options) ||
        !copy_text(c->cache_dir, sizeof c->cache_dir, w->cache_dir) || !copy_text(c->worker, sizeof c->worker, w->worker))
        r = npi_fail(err, NP_EINVAL, "a backend setting is too long");
    static const struct { const char *ours, *theirs; } precision[] = { { "fp32", "f32" }, { "fp16", "f16" }, { "bf16", "bf16" }, { "f32", "f32" },
                                                                       { "f16", "f16" } };
    for (size_t i = 0; w->precision && i < sizeof precision / sizeof *precision; i++)
        if (!strcmp(w->precision, precision[i].ours)) snprintf(c->precision, sizeof c->precision, "%s", precision[i].theirs);
    cpu_set_t set;
    const long all = sysconf(_SC_NPROCESSORS_ONLN);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) < all)
        for (int i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &set)) c->cpu_mask[i / 64] |= (uint64_t)1 << i % 64;
    if (r >= 0) r = split_options(c, err);
    if (r < 0) npi_choice_free(&c);
    else *out = c;
    return r;
}

void npi_choice_free(struct npi_choice **c) {
    if (!*c) return;
    npi_engine_unref(&(*c)->native);
    npi_free(*c);
    *c = NULL;
}

static int any_gpu(const struct npi_choice *c) { return *c->device && strcmp(c->device, "cpu") && strcmp(c->device, "auto"); }

/* --- opening and testing --- */

/* Module, library, file: without loading the library. */
static int look(struct npi_choice *c, struct entry *x, const char *name, int make_it, struct np_error *err) {
    memset(x, 0, sizeof *x);
    snprintf(x->runtime, sizeof x->runtime, "%.31s", name);
    int r = npi_plugin_find_module(&x->plugin, name, &c->search, err);
    if (r < 0) return r;
    snprintf(x->runtime, sizeof x->runtime, "%s", x->plugin.table->name);
    if (c->isolate) {
        const struct npi_isolate_params p = { *c->worker ? c->worker : NULL, (size_t)c->isolate_memory_mb << 20 };
        if ((r = npi_isolate(&x->plugin.table, x->plugin.path, x->plugin.table, &p, err)) < 0) return r;
    }
    if ((r = npi_plugin_find_library(&x->plugin, &c->search, err)) < 0) return r;
    if (!npi_model_file(c->model, x->plugin.table->formats, make_it && *c->cache_dir ? c->cache_dir : NULL, &c->log, x->format, sizeof x->format,
                        x->path, sizeof x->path))
        return npi_fail(err, NP_EUNSUPPORTED, "model not supported: it reads %s files, and %s comes in none%s", x->plugin.table->formats, c->model,
                        make_it && !*c->cache_dir ? " (and there is no cache folder to convert it into)" : "");
    x->ready = 1;
    return 0;
}

static int open_engine(struct npi_choice *c, struct entry *x, struct npi_engine **out, struct np_error *err) {
    struct np_backend_params p = { .size = sizeof p, .library = *x->plugin.library ? x->plugin.library : NULL, .model_path = x->path,
                                   .format = x->format, .threads = c->threads,
                                   .device = *c->device ? c->device : NULL, .precision = *c->precision ? c->precision : NULL, .options = c->option,
                                       .n_options = c->n_options,
                                   .open_timeout_ms = c->open_ms, .run_timeout_ms = c->run_ms < 0 ? 0 : c->open_ms, .cache_dir = *c->cache_dir
                                       ? c->cache_dir : NULL,
                                   .rank = x->rank, .logger = c->log };
    memcpy(p.dims, x->dims, sizeof p.dims);
    for (int i = 0; i < 16; i++)
        if (c->cpu_mask[i]) {
            p.cpu_mask = c->cpu_mask;
            p.n_cpu_mask = i + 1;
        }
    return npi_engine_foreign(out, x->plugin.table, &p, x->plugin.info.version, err);
}

/* The input size of our own engine, or what was asked for, where the file's own differs: from `e`, which is open with that one. 1: set. */
static int other_size(struct npi_choice *c, struct entry *x, const struct npi_engine *e) {
    struct np_tensor_info t;
    if (npi_engine_info(e, 0, 0, &t) < 0 || t.rank != 4) return 0;
    const int first = t.dims[1] <= 4 && t.dims[3] > 4, y = first ? 2 : 1, w = first ? 3 : 2;
    int64_t height = t.dims[y], width = t.dims[w];
    if (c->native) {
        const struct npi_face *const f = npi_engine_face(c->native);
        height = f->in.height;
        width = f->in.width;
    } else if (c->side > 0) npi_scaled_size(c->side, &height, &width);
    else if (c->known && c->card.in.height > 0 && c->card.in.width > 0 && (height == 1 || width == 1)) { /* the file leaves it open */
        height = c->card.in.height;
        width = c->card.in.width;
    }
    if (height == t.dims[y] && width == t.dims[w]) return 0;
    x->rank = 4;
    memcpy(x->dims, t.dims, sizeof x->dims);
    x->dims[y] = height;
    x->dims[w] = width;
    return 1;
}

/* Against our engine where that runs the net. 0: passed; the time of a run is set as the base of the time-out. */
static int test(struct npi_choice *c, struct npi_engine *e, struct np_error *err) {
    struct npi_trial t, own;
    int r = npi_trial_open(&t, e, NULL, c->cpu, err);
    if (r < 0) return r;
    if (c->native && (r = npi_trial_open(&own, c->native, NULL, c->cpu, err)) >= 0) {
        r = npi_trial_compare(&t, &own, c->card.dec.class_index, err);
        if (r >= 0) r = npi_trial_compare_joints(&t, &own, err);
        npi_trial_close(&own);
    } else if (r >= 0) r = npi_trial_compare(&t, NULL, 0, err);
    if (r >= 0 && c->native && t.error < 0) npi_log(&c->log, NP_LOG_INFO,
                                                    "%s: %s has other outputs than our own engine; only looked at for NaN and steadiness", c->model,
                                                        npi_engine_runtime(e));
    if (r >= 0 && t.error >= 0) npi_log(&c->log, NP_LOG_DEBUG, "%s: %s differs from our own engine by %.2g", c->model, npi_engine_runtime(e),
                                        t.error);
    const int ms = (int)(t.first_ms * RUN_TIMEOUT_TIMES);
    npi_engine_set_timeout(e, c->run_ms > 0 ? c->run_ms : c->run_ms < 0 ? 0 : ms > RUN_TIMEOUT_MIN_MS ? ms : RUN_TIMEOUT_MIN_MS);
    npi_trial_close(&t);
    return r;
}

/* TorchScript says nothing of its input: NCHW RGB is what nets that are traced take; its size is our own engine's, or the card's. */
static void torch_shape(const struct npi_choice *c, struct entry *x) {
    const struct npi_face *const own = c->native ? npi_engine_face(c->native) : NULL;
    const int width = own ? own->in.width : c->known ? c->card.in.width : 0, height = own ? own->in.height : c->known ? c->card.in.height : 0;
    if (strcmp(x->format, "torch") || x->rank || width < 1 || height < 1) return;
    x->rank = 4;
    memcpy(x->dims, (int64_t[]){ 1, 3, height, width }, 4 * sizeof(int64_t));
}

/* Score, open, face, self-test. */
static int open_tested(struct npi_choice *c, struct entry *x, struct npi_engine **out, struct np_error *err) {
    struct npi_engine *e = NULL;
    int r = npi_plugin_ask(&x->plugin, &c->log);
    if (r < 0) return npi_fail(err, NP_EBACKEND, "%s", x->plugin.why.message);
    torch_shape(c, x);
    if ((r = open_engine(c, x, &e, err)) < 0) return r;
    if (!x->rank && other_size(c, x, e)) {
        npi_engine_unref(&e);
        if ((r = open_engine(c, x, &e, err)) < 0) return r;
    }
    if (!c->known && (r = npi_net_guess(&c->card, c->model, e, &c->log, err)) >= 0) c->known = 1;
    if (r >= 0) r = npi_face_make(e, &c->card, 0, 0, err);
    const struct npi_face *const f = npi_engine_face(e), *const own = c->native ? npi_engine_face(c->native) : NULL;
    if (r >= 0 && own && (f->in.width != own->in.width || f->in.height != own->in.height))
        r = npi_fail(err, NP_EUNSUPPORTED, "model not supported: its input is %dx%d here, ours is %dx%d", f->in.width, f->in.height, own->in.width,
                     own->in.height);
    struct npi_decoder *d = NULL; /* can the head read what comes out? */
    if (r >= 0 && (r = npi_decoder_open(&d, &f->card, f->out, f->n_out, f->in.width, f->in.height, err)) >= 0) npi_decoder_free(&d);
    if (r >= 0) r = test(c, e, err);
    if (r < 0) npi_engine_unref(&e);
    else *out = e;
    return r;
}

static int reopen(void *opaque, int i, struct npi_engine **out, struct np_error *err) {
    struct npi_choice *const c = opaque;
    return i < c->n && c->entry[i].ready ? open_tested(c, &c->entry[i], out, err) : npi_fail(err, NP_EBACKEND, "cannot be opened again");
}

/* --- measuring --- */

static void timing_key(struct npi_choice *c, const struct entry *x, int n, const char *model_hash, char *out, size_t size) {
    char cpu[128];
    npi_machine_name(cpu, sizeof cpu);
    int k = snprintf(out, size, "%s %s nextpose " NP_VERSION_STRING " isa %s threads %d size %d device %s precision %s", model_hash, cpu,
                     npi_cpu_level_name(c->cpu), c->threads, c->side,
                     *c->device ? c->device : "cpu", *c->precision ? c->precision : "model");
    for (int i = 0; i < n && k > 0 && (size_t)k < size; i++) {
        struct stat st = { 0 };
        const char *const library = *x[i].plugin.library ? x[i].plugin.library : x[i].plugin.path; /* a plug-in may be all there is of it */
        stat(library, &st);
        k += snprintf(out + k, size - (size_t)k, " %s %s %lld %lld", x[i].runtime, library, (long long)st.st_size,
                      (long long)st.st_mtime);
    }
}

/* Who wins: each takes the place of the best so far only when that one takes clearly longer. */
static int winner(const struct npi_timings *t) {
    int best = -1;
    for (int i = 0; i < t->n; i++)
        if (t->ms[i] > 0 && (best < 0 || t->ms[best] > CLEARLY_FASTER * t->ms[i])) best = i;
    return best;
}

/* Opens and times our own engine (where that runs the net) and each of x[n]. e[i]: those that passed, open. */
static void measure(struct npi_choice *c, struct entry *x, int n, struct npi_engine **e, struct npi_timings *t) {
    struct npi_trial trial[NPI_TIMINGS_MAX], *turn[NPI_TIMINGS_MAX];
    int who[NPI_TIMINGS_MAX], n_turn = 0;
    struct np_pool *pool = NULL;
    double ms[NPI_TIMINGS_MAX];
    if (c->threads > 1) np_pool_create(&pool, c->threads, NULL);
    for (int i = -1; i < n && t->n < NPI_TIMINGS_MAX; i++) {
        struct np_error err = { 0 };
        struct npi_engine *const one = i < 0 ? c->native : open_tested(c, &x[i], &e[i], &err) >= 0 ? e[i] : NULL;
        const int ok = one && npi_trial_open(&trial[n_turn], one, i < 0 ? pool : NULL, c->cpu, &err) >= 0;
        snprintf(t->runtime[t->n], sizeof t->runtime[0], "%s", i < 0 ? "native" : x[i].runtime);
        t->ms[t->n] = -1;
        if (!ok && (i >= 0 || one)) npi_log(&c->log, NP_LOG_INFO, "%s: %s is not in play: %s", c->model, t->runtime[t->n], err.message);
        if (ok) {
            turn[n_turn] = &trial[n_turn];
            who[n_turn++] = t->n;
        }
        t->n++;
    }
    npi_trial_time(turn, n_turn, pool, ms);
    for (int i = 0; i < n_turn; i++) {
        t->ms[who[i]] = ms[i];
        npi_trial_close(&trial[i]);
    }
    np_pool_free(&pool);
}

/* --- the choice --- */

struct verdict { struct npi_engine *engine; int entry; char reason[256]; }; /* entry -1: native */

/* "native 1.2 ms, onnx 70.0 ms" */
static void tell_times(const struct npi_timings *t, char *out, size_t size) {
    size_t n = 0;
    out[0] = '\0';
    for (int i = 0; i < t->n && n < size; i++)
        if (t->ms[i] > 0) n += (size_t)snprintf(out + n, size - n, "%s%s %.1f ms", n ? ", " : "", t->runtime[i], t->ms[i]);
}

/* auto: is another one clearly faster than ours, or, where ours cannot run the net, than those before it in the order? Nothing is chosen when nothing can be measured or
 * kept: then the order decides. make_it: also with files that have to be converted first. */
static void fastest(struct npi_choice *c, struct verdict *v, int make_it) {
    struct entry x[N_ORDER];
    struct npi_engine *e[N_ORDER] = { 0 };
    struct npi_timings t;
    char key[6000], hex[65], times[160];
    int n = 0;
    if (!*c->cache_dir) return;
    for (int i = 0; i < N_ORDER; i++)
        if (look(c, &x[n], order[i], make_it, NULL) >= 0) n++;
    if (n < (c->native ? 1 : 2) || !npi_model_hash(c->model, hex)) return; /* one alone has nobody to be measured against */
    timing_key(c, x, n, hex, key, sizeof key);
    const int kept = npi_timings_load(&t, c->cache_dir, key);
    if (!kept) {
        measure(c, x, n, e, &t);
        npi_timings_save(&t, c->cache_dir, key);
    }
    const int best = winner(&t);
    const char *const when = kept ? "measured earlier" : "just measured";
    tell_times(&t, times, sizeof times);
    if (best > 0) { /* 0 is native, x[best - 1] the others, in the same order */
        struct np_error err = { 0 };
        c->entry[0] = x[best - 1];
        int r = 0;
        if (!e[best - 1]) r = open_tested(c, &c->entry[0], &e[best - 1], &err);
        if (r >= 0) {
            v->engine = e[best - 1];
            v->entry = 0;
            c->n = 1;
            e[best - 1] = NULL;
            if (c->native) snprintf(v->reason, sizeof v->reason, "auto: clearly faster here than native (%.1f against %.1f ms a run, %s)", t.ms[best], t.ms[0], when);
            else snprintf(v->reason, sizeof v->reason, "auto: the best here (%s a run, %s)", times, when);
        } else npi_log(&c->log, NP_LOG_WARN, "%s: %s was the fastest when it was measured, but: %s", c->model, x[best - 1].runtime, err.message);
    } else if (best == 0) {
        int others = 0;
        for (int i = 1; i < t.n; i++) others += t.ms[i] > 0;
        if (others) snprintf(v->reason, sizeof v->reason, "auto: no other is clearly faster here than native (%s a run, %s)", times, when);
    }
    for (int i = 0; i < N_ORDER; i++) npi_engine_unref(&e[i]);
}

static void faster_than_native(struct npi_choice *c, struct verdict *v) {
    snprintf(v->reason, sizeof v->reason, "auto takes native first");
    if (*c->isa) return; /* who names a level wants our kernels */
    if (npi_card_builtin(c->card.id) && c->cpu) return; /* a model that we know, on a processor that our kernels know: nobody else is in play */
    fastest(c, v, 0);
}

/* The first in the order of auto that passes; why the others did not goes into `why`. skip: was tried already. */
static int first_in_order(struct npi_choice *c, struct verdict *v, const char *skip, char *why, size_t why_size) {
    for (int i = 0; i < N_ORDER; i++) {
        struct np_error err = { 0 };
        struct entry *const x = &c->entry[c->n];
        if (skip && !strcmp(skip, order[i])) continue;
        if (look(c, x, order[i], 1, &err) >= 0) {
            if (v->engine) { /* one that can take over later; opened when it must */
                if (c->n < NPI_LINEUP_MAX - 1) c->n++;
                continue;
            }
            if (open_tested(c, x, &v->engine, &err) >= 0) {
                v->entry = c->n++;
                continue;
            }
        }
        const size_t n = strlen(why);
        if (!v->engine && n + 8 < why_size) snprintf(why + n, why_size - n, "%s%s: %.200s", n ? "; " : "", order[i], err.message);
    }
    return v->engine != NULL;
}

/* A runtime that was named (or a device that only others have). */
static int named(struct npi_choice *c, struct verdict *v, struct np_error *err) {
    struct entry *const x = &c->entry[0];
    struct np_error e = { 0 };
    int r = look(c, x, c->asked, 1, &e);
    if (r >= 0) r = open_tested(c, x, &v->engine, &e);
    if (r >= 0) {
        v->entry = 0;
        c->n = 1;
        snprintf(v->reason, sizeof v->reason, "asked for");
        return 0;
    }
    snprintf(v->reason, sizeof v->reason, "%.255s", e.message);
    return c->strict ? npi_fail(err, NP_EBACKEND, "backend '%s' for %s: %s; drop --strict to fall back", c->asked, c->model, e.message) : r;
}

/* auto with --device gpu and the like: the first runtime that has it. */
static int by_device(struct npi_choice *c, struct verdict *v, struct np_error *err) {
    char why[700] = "";
    if (first_in_order(c, v, NULL, why, sizeof why)) {
        snprintf(v->reason, sizeof v->reason, "auto: the first that has the device '%s'", c->device);
        return 0;
    }
    snprintf(v->reason, sizeof v->reason, "no runtime has the device '%.40s' (%.150s)", c->device, why);
    return c->strict ? npi_fail(err, NP_EBACKEND, "device '%s' for %s: %s; drop --strict to fall back", c->device, c->model, why) : NP_EBACKEND;
}

static int decide(struct npi_choice *c, struct verdict *v, const char *native_why, struct np_error *err) {
    const int want_auto = !strcmp(c->asked, "auto"), want_native = !strcmp(c->asked, "native");
    char why[900] = "";
    int r = 0;
    v->entry = -1;
    if (want_native) {
        snprintf(v->reason, sizeof v->reason, "asked for");
        if (any_gpu(c)) snprintf(v->reason, sizeof v->reason, "asked for; it has no device '%s', only cpu", c->device);
        if (any_gpu(c) && c->strict) return npi_fail(err, NP_EBACKEND, "backend native has no device '%s'; drop --strict to run on the cpu",
                                                     c->device);
    } else if (!want_auto) r = named(c, v, err);
    else if (any_gpu(c)) r = by_device(c, v, err);
    else if (c->native) faster_than_native(c, v);
    if (c->strict && r < 0) return r;
    if (v->engine || c->native) return 0;
    if (want_native && c->strict) return npi_fail(err, NP_EUNSUPPORTED, "%s", native_why);
    if (any_gpu(c) && want_auto) c->device[0] = 0; /* the device was looked for above; now anybody who can run it */
    char first[300] = "";
    if (!want_auto && !want_native) snprintf(first, sizeof first, "%.120s; ", v->reason);
    if (want_auto && !any_gpu(c)) fastest(c, v, 1);
    if (v->engine) {
        char best[200];
        snprintf(best, sizeof best, "%.190s", v->reason);
        snprintf(v->reason, sizeof v->reason, "%s; native cannot run it (%.50s)", best, native_why);
    }
    const int chosen = v->engine != NULL; /* then the others are those that can take over */
    if (!first_in_order(c, v, chosen ? c->entry[0].runtime : want_auto ? NULL : c->asked, why, sizeof why))
        return npi_fail(err, NP_EUNSUPPORTED, "%.200s (and no other runtime could take it: %s%.220s)", native_why, first, why);
    if (!chosen) snprintf(v->reason, sizeof v->reason, "%s%snative cannot run it (%.140s)", first, want_auto ? "auto: " : "", native_why);
    return 0;
}

int npi_choose_runtime(struct npi_net *n, const struct npi_wish *w, struct npi_engine **native, const char *native_why, int known, int side,
                       const char *isa, const struct np_logger *log,
               struct np_error *err) {
    struct npi_choice *c = NULL;
    struct verdict v = { 0 };
    int r = make(&c, n, w, known, side, isa, log, err);
    if (r < 0) return r;
    if (*native) c->native = npi_engine_ref(*native);
    if ((r = decide(c, &v, native_why ? native_why : "", err)) >= 0) {
        const struct npi_lineup_params lp = { .asked = c->asked, .reason = v.reason, .what = c->card.task == NPI_TASK_DETECT ? "detector" : "model",
                                              .strict = c->strict, .strike = c->strike,
                                              .reopen = reopen, .opaque = c, .logger = c->log };
        r = npi_lineup_open(&n->lineup, &lp, err);
    }
    if (r >= 0) {
        n->card = c->card;
        n->in = ((const struct npi_face *)npi_engine_face(v.engine ? v.engine : c->native))->in;
        /* Entries of the choice and of the line have the same numbers: those of the choice first, native after the one in use. */
        if (v.engine) npi_lineup_add(n->lineup, c->entry[0].runtime, &v.engine);
        if (*native) npi_lineup_add(n->lineup, "native", native);
        else for (int i = 1; i < c->n; i++) npi_lineup_add(n->lineup, c->entry[i].runtime, &(struct npi_engine *){ NULL });
        n->choice = c;
    } else npi_choice_free(&c);
    npi_engine_unref(&v.engine);
    return r;
}
