/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose recommend: the best settings for this machine, found by measuring, written as a config file for `run --config`.
 *
 *   a ladder of settings, most accurate first ── bisect for the first rung that is fast enough (half a dozen short runs)
 *     ── check it live, at the rate that was asked for ── one rung down when it does not hold ── write, with the evidence
 *
 * objectives   accuracy   the most accurate rung that holds the rate with room to spare
 *              speed      the fastest rung whose joints stay within 2 % of a person's height of the every-frame run
 *              power      of the rungs that hold the rate, the one that needs the least processor and stays within 3 %
 *
 * What was measured is kept (by machine, version, clip and nets) and used again for 30 days; --fresh measures anew. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bench/accuracy.h"
#include "bench/bench.h"
#include "bench/runner.h"
#include "io/outfile.h"
#include "verify.h"

static const struct opt_def recommend_opts[] = {
    { "target-fps", 0, OPT_FLOAT, "15", .1, 1000, NULL, "N", "the rate to hold", "Wishes" },
    { "max-delay", 0, OPT_FLOAT, NULL, 1, 10000, NULL, "MS", "capture to result, 99 of 100 frames", NULL },
    { "max-persons", 0, OPT_INT, "8", 1, 64, NULL, "N", "people to be served", NULL },
    { "objective", 0, OPT_CHOICE, "accuracy", 0, 0, "accuracy|speed|power", NULL, "what to make the most of", NULL },
    { "input", 'i', OPT_STRING, NULL, 0, 0, NULL, "CLIP", "a clip like what you will see (default: the demo clip)", "Measuring" },
    { "budget", 0, OPT_FLOAT, "60", 4, 3600, NULL, "S", "seconds to measure for, about", NULL },
    { "fresh", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "do not use what was measured before", NULL },
    { "output", 0, OPT_STRING, "nextpose-recommended.conf", 0, 0, NULL, "FILE", "the config file; - prints it", "Result" },
    { "json", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "what was measured, as a result of bench", NULL },
    { "verify", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "measures a config file that was written before: promised and measured; exit 1: not kept", NULL },
    { "detector", 0, OPT_STRING, NULL, 0, 0, NULL, "MODEL", "as in run", "Settings that stay" },
    { "model", 'm', OPT_STRING, NULL, 0, 0, NULL, "MODEL", "as in run", NULL },
    { "models-dir", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "as in run", NULL },
    { "backend", 0, OPT_CHOICE, "auto", 0, 0, "auto|native|onnx|tflite|openvino|torch:ort:litert:pytorch", "NAME", "as in run", NULL },
    { "threads", 't', OPT_INT, NULL, 1, 64, NULL, "N", "as in run", NULL },
    TOOL_RUNTIME_OPTS,
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

/* Most accurate first; each costs less than the one before (bench pipeline measures both). size 0: the detector's own. */
static const struct rung { int size, frame_skip, detection_freq; } ladder[] = {
    { 512, 1, 1 }, { 416, 1, 1 }, { 320, 1, 1 }, { 320, 1, 2 }, { 320, 1, 3 }, { 320, 2, 2 }, { 320, 2, 3 }, { 256, 2, 3 }, { 256, 3, 3 }, { 256, 4, 4 }, { 256, 5, 4 },
};
enum { N_RUNGS = sizeof ladder / sizeof *ladder };
#define SPEED_ERROR 2.0 /* % of height */
#define POWER_ERROR 3.0
#define HEADROOM 1.15   /* capacity over the target: people come, neighbours wake up */
#define KEPT_DAYS 30

struct evidence { int known, failed; double capacity, error, cpu; };

struct search {
    const struct opts *o;
    struct np_settings base;
    const char *input;
    int own_size;                   /* the detector has one size only */
    double slice_s, target;
    struct bench_reference *reference;
    struct bench_result result;     /* all that was measured, as it is kept */
    struct evidence e[N_RUNGS];
    char kept_at[4400];
    int n_measured;
    const atomic_int *stop;
};

static void rung_name(char name[96], const struct search *s, int k) {
    const struct rung *const r = &ladder[k];
    if (s->own_size) snprintf(name, 96, "--frame-skip %d --detection-freq %d", r->frame_skip, r->detection_freq);
    else snprintf(name, 96, "--yolo-size %d --frame-skip %d --detection-freq %d", r->size, r->frame_skip, r->detection_freq);
}

static void settings_of(struct np_settings *to, const struct search *s, int k) {
    *to = s->base;
    to->detector_size = s->own_size ? 0 : ladder[k].size;
    to->frame_skip = ladder[k].frame_skip;
    to->detection_freq = ladder[k].detection_freq;
}

/* --- what was measured before --- */

static uint64_t fnv(uint64_t h, const char *s) {
    for (; s && *s; s++) h = (h ^ (unsigned char)*s) * 1099511628211u;
    return (h ^ '|') * 1099511628211u;
}

static void key_file(struct search *s) {
    struct stat st = { 0 };
    char number[64];
    uint64_t h = fnv(fnv(fnv(14695981039346656037u, np_version()), tool_cpu_name()), s->input);
    stat(s->input, &st);
    snprintf(number, sizeof number, "%lld %d %d %d", (long long)st.st_size, np_cpu_count(), s->base.threads, s->base.max_persons);
    h = fnv(fnv(fnv(fnv(h, number), s->base.detector), s->base.model), s->base.backend);
    if (s->base.cache_dir) snprintf(s->kept_at, sizeof s->kept_at, "%s/recommend/%016llx.json", s->base.cache_dir, (unsigned long long)h);
}

static double value(const struct bench_run *r, const char *metric) {
    const struct bench_metric *const m = r ? bench_run_find(r, metric) : NULL;
    return m && m->n ? bench_median(m->value, m->n) : NAN;
}

static void recall(struct search *s) {
    struct stat st;
    struct np_error e;
    struct bench_result old;
    if (!*s->kept_at || opt_bool(s->o, "fresh") || stat(s->kept_at, &st) < 0 || time(NULL) - st.st_mtime > KEPT_DAYS * 86400L) return;
    if (bench_result_load(&old, s->kept_at, &e) < 0) return; /* damaged: measured anew and written over */
    bench_result_free(&s->result);
    s->result = old;
    for (int k = 0; k < N_RUNGS; k++) {
        char name[96];
        rung_name(name, s, k);
        const struct bench_run *const r = bench_result_find(&old, name);
        if (!r) continue;
        s->e[k] = (struct evidence){ 1, !isfinite(value(r, "processed_fps")), value(r, "processed_fps"), value(r, "joint_error_median"), value(r, "cpu") };
    }
}

static void keep(const struct search *s) {
    struct np_error e;
    char dir[4400];
    if (!*s->kept_at) return;
    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(s->kept_at, '/') - s->kept_at), s->kept_at);
    if (npi_io_mkdirs(dir, &e) < 0 || bench_result_save(&s->result, s->kept_at, &e) < 0) tool_say("what was measured is not kept: %s", e.message);
}

/* --- measuring --- */

static int reference(struct search *s, struct np_error *err) {
    struct bench_setup b = { .input = s->input, .stop = s->stop, .on_result = bench_reference_add };
    struct bench_outcome o;
    if (bench_reference_new(&s->reference) < 0) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    settings_of(&b.s, s, 2);
    b.s.frame_skip = b.s.detection_freq = 1;
    b.opaque = s->reference;
    int r = bench_run(&o, &b, err);
    if (r == NP_ESHAPE || r == NP_EMODEL || r == NP_EINVAL || r == NP_EUNSUPPORTED) { /* a detector of one size */
        s->own_size = 1;
        b.s.detector_size = 0;
        r = bench_run(&o, &b, err);
    }
    if (r == 0) bench_outcome_free(&o);
    return r;
}

static int measure(struct search *s, int k, struct np_error *err) {
    struct evidence *const e = &s->e[k];
    if (e->known) return 0;
    struct bench_setup b = { .input = s->input, .stop = s->stop, .seconds = s->slice_s, .warmup_s = fmin(.4, s->slice_s / 4) };
    struct bench_outcome o;
    struct bench_accuracy a;
    char name[96];
    settings_of(&b.s, s, k);
    rung_name(name, s, k);
    if (tool_is_terminal()) fprintf(stderr, "\r\033[Kmeasuring %s", name);
    int r = bench_run(&o, &b, err);
    if (r < 0) return r;
    s->n_measured++;
    *e = (struct evidence){ 1, 0, o.processed_fps, NAN, o.stats.cpu_share };
    if ((r = bench_result_add_run(&s->result, name, NULL)) == 0) r = bench_outcome_add(&s->result, &o);
    bench_outcome_free(&o);
    if (r < 0) return npi_io_fail(err, r, "out of memory");
    b.seconds = b.warmup_s = 0; /* one pass over the clip for the joints */
    b.on_result = bench_accuracy_add;
    b.opaque = s->reference;
    bench_accuracy_begin(s->reference);
    if ((r = bench_run(&o, &b, err)) < 0) return r;
    bench_outcome_free(&o);
    bench_accuracy_end(s->reference, &a);
    e->error = a.median;
    return bench_result_add(&s->result, "joint_error_median", "% of height", -1, a.median) < 0 ? npi_io_fail(err, NP_ENOMEM, "out of memory") : 0;
}

/* First rung of [from, N_RUNGS) for which `good`; good is monotone along the ladder but for noise. N_RUNGS: none. */
static int bisect(struct search *s, int from, int (*good)(const struct search *, int), struct np_error *err) {
    int lo = from, hi = N_RUNGS;
    while (lo < hi) {
        const int mid = (lo + hi) / 2, r = measure(s, mid, err);
        if (r < 0) return r;
        if (good(s, mid)) hi = mid;
        else lo = mid + 1;
    }
    return lo;
}

static int fast_enough(const struct search *s, int k) { return s->e[k].capacity >= s->target * HEADROOM; }
static int too_rough_for_speed(const struct search *s, int k) { return s->e[k].error > SPEED_ERROR; }
static int too_rough_for_power(const struct search *s, int k) { return s->e[k].error > POWER_ERROR; }

static int choose(struct search *s, struct np_error *err) {
    const char *const objective = opt_str(s->o, "objective");
    const int first = s->own_size ? 2 : 0;
    if (*objective == 'a') {
        const int k = bisect(s, first, fast_enough, err);
        return k == N_RUNGS ? N_RUNGS - 1 : k;
    }
    const int k = bisect(s, first, *objective == 's' ? too_rough_for_speed : too_rough_for_power, err);
    if (k < 0) return k;
    const int best = k > first ? k - 1 : first, r = measure(s, best, err);
    return r < 0 ? r : best;
}

/* The chosen rung as a user would see it: live, at the rate. */
static int check_live(struct search *s, int k, struct bench_outcome *o, struct np_error *err) {
    struct bench_setup b = { .input = s->input, .stop = s->stop, .seconds = s->slice_s * 2, .warmup_s = fmin(.5, s->slice_s / 2), .rate = s->target };
    settings_of(&b.s, s, k);
    b.s.mode = NP_MODE_LIVE;
    if (tool_is_terminal()) fprintf(stderr, "\r\033[Kchecking the choice live");
    return bench_run(o, &b, err);
}

static int holds(const struct search *s, const struct bench_outcome *o) {
    return o->displayed_fps >= .97 * s->target && (!opt_str(s->o, "max-delay") || o->delay_p99 <= opt_float(s->o, "max-delay"));
}

/* --- telling --- */

static int write_config(const struct search *s, int k, double promised, const struct bench_outcome *live, struct np_error *err) {
    struct npi_outfile f;
    char line[512];
    struct np_settings c;
    settings_of(&c, s, k);
    const int r = npi_out_open(&f, opt_str(s->o, "output"), NULL, err);
    if (r < 0) return r;
    snprintf(line, sizeof line, "# nextpose recommend --objective %s --target-fps %.4g, NextPose %s on %s, %d processors\n# measured with %.200s:\n", opt_str(s->o, "objective"),
             s->target, np_version(), tool_cpu_name(), np_cpu_count(), npi_io_basename(s->input));
    npi_out_str(&f, line);
    snprintf(line, sizeof line, "# %.1f frames/s as fast as it goes; live at %.4g frames/s: %.1f displayed, %.1f inferred, delay p99 %.0f ms\n# joints %.2f %% of a person's "
             "height away from the every-frame run (median)\n", promised, s->target, live->displayed_fps, live->inferred_fps, live->delay_p99, s->e[k].error);
    npi_out_str(&f, line);
    struct promise p = { .capacity = promised, .target = s->target, .displayed = live->displayed_fps, .delay_p99 = live->delay_p99 };
    char *const whole = realpath(s->input, NULL); /* a file is found again from anywhere */
    snprintf(p.clip, sizeof p.clip, "%s", whole ? whole : s->input);
    free(whole);
    promise_write(&f, &p);
    snprintf(line, sizeof line, "[run]\nframe_skip = %d\ndetection_freq = %d\nmax_persons = %d\nadapt = no\n", c.frame_skip, c.detection_freq, c.max_persons);
    npi_out_str(&f, line);
    if (c.detector_size) {
        snprintf(line, sizeof line, "yolo_size = %d\n", c.detector_size);
        npi_out_str(&f, line);
    }
    if (c.threads) {
        snprintf(line, sizeof line, "threads = %d\n", c.threads);
        npi_out_str(&f, line);
    }
    static const char *const names[] = { "detector", "model", "backend" };
    for (int i = 0; i < 3; i++)
        if (opt_str(s->o, names[i]) && opt_origin(s->o, names[i]) != FROM_DEFAULT) {
            snprintf(line, sizeof line, "%s = %.400s\n", names[i], opt_str(s->o, names[i]));
            npi_out_str(&f, line);
        }
    return npi_out_close(&f, err);
}

static void table(const struct search *s, int chosen, FILE *f) {
    fprintf(f, "%-58s %10s %16s\n", "settings, most accurate first", "frames/s", "joint error %");
    for (int k = 0; k < N_RUNGS; k++) {
        char name[96];
        if (!s->e[k].known) continue;
        rung_name(name, s, k);
        fprintf(f, "%c %-56s %10.1f %16.2f\n", k == chosen ? '*' : ' ', name, s->e[k].capacity, s->e[k].error);
    }
}

static int search_and_tell(struct search *s, struct np_error *err) {
    struct bench_outcome live = { 0 }, again = { 0 };
    int r = reference(s, err);
    if (r < 0) return r;
    recall(s);
    int k = choose(s, err), steps = 0;
    while (k >= 0) {
        bench_outcome_free(&live);
        if ((r = check_live(s, k, &live, err)) < 0) return r;
        if (holds(s, &live) || k == N_RUNGS - 1 || *opt_str(s->o, "objective") == 's' || steps == 3) break;
        steps++;
        if ((r = measure(s, ++k, err)) < 0) return r;
    }
    if (k < 0) return k;
    /* What is promised is checked with a run that had no part in the choice. */
    struct bench_setup b = { .input = s->input, .stop = s->stop, .seconds = s->slice_s * 2, .warmup_s = fmin(.4, s->slice_s / 4) };
    settings_of(&b.s, s, k);
    if ((r = bench_run(&again, &b, err)) < 0) {
        bench_outcome_free(&live);
        return r;
    }
    if (tool_is_terminal()) fprintf(stderr, "\r\033[K");
    FILE *const f = strcmp(opt_str(s->o, "output"), "-") ? stdout : stderr;
    const double promised = (s->e[k].capacity + again.processed_fps) / 2;
    char name[96];
    rung_name(name, s, k);
    table(s, k, f);
    fprintf(f, "\n%s: %s\n", holds(s, &live) ? "recommended" : "the best there is, though it does not hold what was asked for", name);
    fprintf(f, "  live at %.4g frames/s     %.1f displayed, %.1f inferred, delay p99 %.0f ms", s->target, live.displayed_fps, live.inferred_fps, live.delay_p99);
    fprintf(f, live.stats.cpu_share >= 0 ? ", %.0f %% of the processors\n" : "\n", 100 * live.stats.cpu_share);
    fprintf(f, "  as fast as it goes       %.1f frames/s promised; checked: %.1f (%+.0f %%)\n", promised, again.processed_fps, 100 * (again.processed_fps / promised - 1));
    if (fabs(again.processed_fps / s->e[k].capacity - 1) > .1)
        fprintf(f, "  note: two runs of it differed by more than 10 %%: others work on this machine too, or it was measured in another state (--fresh)\n");
    keep(s);
    r = write_config(s, k, promised, &live, err);
    if (r == 0 && f == stdout) fprintf(f, "  written to %s: nextpose run --config %s -i …\n", opt_str(s->o, "output"), opt_str(s->o, "output"));
    if (r == 0 && opt_str(s->o, "json")) r = bench_result_save(&s->result, opt_str(s->o, "json"), err);
    bench_outcome_free(&live);
    bench_outcome_free(&again);
    return r;
}

static int recommend(const struct opts *o) {
    static struct search s;
    static char dirs[8192], clip[4200];
    struct np_error e = { 0 };
    if (opt_str(o, "verify")) return recommend_verify(opt_str(o, "verify"), opt_str(o, "input"), opt_str(o, "models-dir"), opt_float(o, "budget") / 12);
    s.o = o;
    if (bench_can_write(opt_str(o, "output"), &e) < 0 || bench_can_write(opt_str(o, "json"), &e) < 0) return tool_fail(EXIT_RUNTIME, &e);
    s.input = opt_str(o, "input");
    if (!s.input && tool_demo_clip(clip, sizeof clip, &e) < 0) return tool_fail(EXIT_INPUT, &e);
    if (!s.input) s.input = clip;
    np_settings_default(&s.base);
    if (tool_runtimes(&s.base, o, &e) < 0) return tool_fail(EXIT_USAGE, &e);
    tool_models_dirs(dirs, sizeof dirs, opt_str(o, "models-dir"));
    s.base.models_dir = dirs;
    s.base.detector = opt_str(o, "detector");
    s.base.model = opt_str(o, "model");
    s.base.backend = opt_str(o, "backend");
    s.base.threads = opt_str(o, "threads") ? opt_int(o, "threads") : 0;
    s.base.max_persons = opt_int(o, "max-persons");
    s.base.adapt = 0;
    s.base.logger = tool_logger(NP_LOG_ERROR);
    s.own_size = s.base.detector != NULL && !strcmp(s.base.detector, "none");
    s.target = opt_float(o, "target-fps");
    s.slice_s = opt_float(o, "budget") / 12; /* a reference, four or five rungs twice, the check */
    s.stop = tool_stop_flag();
    bench_result_here(&s.result, "nextpose", NULL);
    key_file(&s);
    const int r = search_and_tell(&s, &e);
    bench_reference_free(&s.reference);
    bench_result_free(&s.result);
    if (r < 0 && atomic_load(s.stop)) return EXIT_INTERRUPTED;
    return r < 0 ? tool_fail(r == NP_ENOENT || r == NP_EIO || r == NP_EFORMAT ? EXIT_INPUT : tool_exit_code(r), &e) : EXIT_OK;
}

int cmd_recommend(int argc, char **argv) {
    struct opts o;
    struct np_error e = { 0 };
    int code = EXIT_OK;
    opts_init(&o, recommend_opts, "recommend");
    if (opts_parse(&o, argc, argv, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (o.help) {
        printf("usage: nextpose recommend [OPTIONS]\n\nMeasures on this machine and writes the best settings as a config file.\n");
        opts_print_help(&o, stdout);
    } else if (o.n_rest) {
        tool_say("unexpected argument '%s': the clip is given with --input", o.rest[0]);
        code = EXIT_USAGE;
    } else code = recommend(&o);
    opts_free(&o);
    return code;
}
