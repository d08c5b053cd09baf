/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose bench pipeline: every preset and one axis of settings after the other on a real clip. The settings take turns, round by round, so that
 * a noisy neighbour or a hot processor hits each alike; every round also runs the plain setting, whose own drift is told.
 *
 *   presets    live mode at the clip's rate: what a user would see           others   file mode, every frame, as fast as it goes
 *
 * What each setting costs in accuracy is the distance of its joints from a run in which everything was inferred on every frame. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "nextpose/hardware.h"
#include "pipeline.h"

static const struct opt_def pipeline_opts[] = {
    { "input", 'i', OPT_STRING, NULL, 0, 0, NULL, "CLIP", "a real clip (default: the demo clip)", "Options" },
    { "duration", 0, OPT_FLOAT, "20", .2, 36000, NULL, "S", "seconds for each setting, over all rounds", NULL },
    { "rounds", 'r', OPT_INT, "5", 1, 100, NULL, "N", "rounds; 5 are enough to tell two settings apart", NULL },
    { "axes", 0, OPT_STRING, "preset,skip,detection,size,persons,batch,threads,precision,model,backend", 0, 0, NULL, "NAME,…", "what is varied", NULL },
    { "accuracy", 0, OPT_BOOL, "yes", 0, 0, NULL, NULL, "do not measure what settings cost in accuracy", NULL },
    { "output", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "results as JSON (docs/bench-result.schema.json)", NULL },
    { "html", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "a report with plots, in one file", NULL },
    { "svg", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "the plots of that report, a file each", NULL },
    { "markdown", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "the table in Markdown; - is standard output", NULL },
    { "csv", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "every value of every metric, a line each", NULL },
    { "detector", 0, OPT_STRING, NULL, 0, 0, NULL, "MODEL", "as in run", "Settings that stay" },
    { "model", 'm', OPT_STRING, NULL, 0, 0, NULL, "MODEL", "as in run", NULL },
    { "models-dir", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "as in run", NULL },
    { "backend", 0, OPT_CHOICE, "auto", 0, 0, "auto|native|onnx|tflite|openvino|torch:ort:litert:pytorch", "NAME", "as in run", NULL },
    { "threads", 't', OPT_INT, NULL, 1, 64, NULL, "N", "as in run", NULL },
    { "isa", 0, OPT_STRING, NULL, 0, 0, NULL, "LEVEL", "as in run", NULL },
    TOOL_RUNTIME_OPTS,
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

static struct bench_case *add(struct bench_suite *s, const char *axis, const char *name, const char *flags) {
    if (s->n == BENCH_MAX_CASES) return NULL;
    struct bench_case *const c = &s->cases[s->n++];
    memset(c, 0, sizeof *c);
    c->axis = axis;
    c->s = s->base;
    snprintf(c->name, sizeof c->name, "%s", name);
    snprintf(c->flags, sizeof c->flags, "%s", flags);
    return c;
}

/* One case a value, "--flag value"; `at` says which field. */
#define VARY(axis, flag, field, ...)                                                                      \
    do {                                                                                                  \
        static const int values[] = { __VA_ARGS__ };                                                      \
        for (size_t i = 0; bench_in_list(axes, axis) && i < sizeof values / sizeof *values; i++) {        \
            char name[64];                                                                                \
            snprintf(name, sizeof name, "%s %d", flag, values[i]);                                        \
            struct bench_case *const c = add(s, axis, name, name);                                        \
            if (c) c->s.field = values[i];                                                                \
        }                                                                                                 \
    } while (0)

static void add_presets(struct bench_suite *s) {
    for (int p = 0; np_preset_name(p); p++) {
        char name[64], flags[64];
        snprintf(name, sizeof name, "preset %s", np_preset_name(p));
        snprintf(flags, sizeof flags, "--live --preset %s", np_preset_name(p));
        struct bench_case *const c = add(s, "preset", name, flags);
        if (!c) return;
        c->s.preset = p;
        c->s.mode = NP_MODE_LIVE;
        c->s.adapt = -1;
        c->s.frame_skip = c->s.detection_freq = 0;
        c->s.smooth = NULL;
        c->live = 1;
    }
}

/* Models of the same head that are here; what is not here cannot be compared. */
static void add_models(struct bench_suite *s, const char *dirs) {
    static const char *const ids[] = { "blazepose_lite", "blazepose_full", "blazepose_heavy", "movenet_lightning", "movenet_lightning_int8", "movenet_thunder" };
    struct np_card_info card;
    for (size_t k = 0; k < sizeof ids / sizeof *ids; k++)
        for (int i = 0; np_card_at(i, &card) == 0; i++) {
            char path[4096], name[96];
            if (strcmp(card.id, ids[k]) || !tool_find_model(path, sizeof path, &card, dirs)) continue;
            snprintf(name, sizeof name, "--model %s", card.id);
            struct bench_case *const c = add(s, "model", name, name);
            if (!c) return;
            c->s.model = card.id;
            c->no_accuracy = 1; /* other joints than the reference's */
        }
}

/* "--AXIS NAME", exactly that or not at all: what cannot be had is left out with its reason. NULL: no room. */
static struct bench_case *add_strict(struct bench_suite *s, const char *axis, const char *value) {
    char name[64];
    snprintf(name, sizeof name, "--%s %s", axis, value);
    struct bench_case *const c = add(s, axis, name, name);
    if (c) c->s.strict = c->may_fail = 1;
    return c;
}

/* What nets compute in, and the nets that are quantized: the model's own siblings by name, "ID_int8". A precision that the runtime cannot give is left out
 * with its reason (strict). */
static void add_precisions(struct bench_suite *s, const char *dirs) {
    static const char *const names[] = { "fp32", "bf16", "fp16", "int8" };
    struct np_card_info card;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        struct bench_case *const c = add_strict(s, "precision", names[k]);
        if (!c) return;
        c->s.precision = names[k];
    }
    for (int i = 0; np_card_at(i, &card) == 0; i++) {
        char path[4096], name[96], sibling[64];
        const char *const given = s->base.model, *const model = given ? given : "blazepose_full";
        snprintf(sibling, sizeof sibling, "%.50s_int8", model);
        if (strcmp(card.id, sibling) || !tool_find_model(path, sizeof path, &card, dirs)) continue;
        snprintf(name, sizeof name, "--model %s", card.id);
        struct bench_case *const c = add(s, "precision", name, name);
        if (!c) return;
        c->s.model = card.id;
    }
}

static void add_backends(struct bench_suite *s) {
    static const char *const names[] = { "native", "tflite", "onnx", "openvino", "torch" };
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        struct bench_case *const c = add_strict(s, "backend", names[k]);
        if (!c) return;
        c->s.backend = names[k];
    }
}

static void make_cases(struct bench_suite *s, const char *axes, const char *dirs) {
    struct bench_case *const plain = add(s, "plain", "every frame", "");
    plain->plain = 1;
    if (bench_in_list(axes, "preset")) add_presets(s);
    VARY("skip", "--frame-skip", frame_skip, 2, 3, 4, 5);
    VARY("detection", "--detection-freq", detection_freq, 2, 3, 4, 8);
    VARY("size", "--yolo-size", detector_size, 256, 320, 416, 512);
    VARY("persons", "--max-persons", max_persons, 1, 2, 4, 8);
    VARY("batch", "--batch-size", batch_size, 1, 2, 4, 8);
    const int n = np_cpu_count();
    for (int t = 1; bench_in_list(axes, "threads") && t <= n; t = t * 2 > n && t < n ? n : t * 2) {
        char name[64];
        snprintf(name, sizeof name, "--threads %d", t);
        struct bench_case *const c = add(s, "threads", name, name);
        if (c) c->s.threads = t;
    }
    if (bench_in_list(axes, "precision")) add_precisions(s, dirs);
    if (bench_in_list(axes, "model")) add_models(s, dirs);
    if (bench_in_list(axes, "backend")) add_backends(s);
}

/* --- running --- */

/* 1: the pose net (the only net, where there is one) computes in this precision. "detector int8, model fp32", or "fp32" for both. */
static int ran_in(const char *told, const char *precision) {
    const char *const model = strstr(told, "model ");
    return !strncmp(model ? model + 6 : told, precision, strlen(precision));
}

/* What ran in another precision than its row says is left out. */
static int run_case(struct bench_suite *s, struct bench_case *c, struct bench_outcome *o, double seconds, void (*on_result)(void *, const struct np_result *), void *opaque,
                    struct np_error *err) {
    const struct bench_setup setup = { .input = s->input, .s = c->s, .seconds = seconds, .warmup_s = seconds > 0 ? fmin(.5, seconds / 4) : 0,
                                       .on_result = on_result, .opaque = opaque, .stop = s->stop };
    const int r = bench_run(o, &setup, err);
    if (r < 0 || !c->s.precision || ran_in(o->precision, c->s.precision)) return r;
    const int code = npi_io_fail(err, NP_EUNSUPPORTED, "it ran in %s", o->precision);
    bench_outcome_free(o);
    return code;
}

static void drop(struct bench_case *c, const struct np_error *e) {
    c->failed = 1;
    tool_say("left out: %s: %s", c->name, e->message);
}

static int reference(struct bench_suite *s, struct np_error *err) {
    struct bench_outcome o;
    if (bench_reference_new(&s->reference) < 0) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    const int r = run_case(s, &s->cases[0], &o, 0, bench_reference_add, s->reference, err);
    if (r < 0) return r;
    s->source = o.source;
    s->persons = o.persons_per_frame;
    bench_outcome_free(&o);
    return bench_reference_frames(s->reference) ? 0 : npi_io_fail(err, NP_ENOMEM, "out of memory for the reference");
}

static int accuracies(struct bench_suite *s, struct np_error *err) {
    for (int i = 0; i < s->n; i++) {
        struct bench_case *const c = &s->cases[i];
        struct bench_outcome o;
        if (c->failed || c->no_accuracy || c->plain) continue;
        bench_accuracy_begin(s->reference);
        const int r = run_case(s, c, &o, 0, bench_accuracy_add, s->reference, err);
        if (r == NP_EINTR || (r < 0 && !c->may_fail && c->s.detector_size == 0)) return r;
        if (r < 0) {
            drop(c, err);
            continue;
        }
        bench_accuracy_end(s->reference, &c->accuracy);
        c->has_accuracy = c->accuracy.n_joints > 0;
        bench_outcome_free(&o);
    }
    return 0;
}

int bench_suite_run(struct bench_suite *s, int rounds, double seconds, int with_accuracy, struct np_error *err) {
    int r = reference(s, err);
    if (r == 0 && with_accuracy) r = accuracies(s, err);
    for (int k = 0; r == 0 && k < rounds; k++)
        for (int i = 0; i < s->n; i++) {
            struct bench_case *const c = &s->cases[i];
            struct bench_outcome o;
            if (c->failed) continue;
            if (s->progress) s->progress(s, k, i);
            if ((r = run_case(s, c, &o, seconds / rounds, NULL, NULL, err)) < 0) {
                if (s->stop && atomic_load(s->stop)) return NP_EINTR;
                if (i == 0 || k > 0) return r; /* it went before: something is wrong */
                drop(c, err);
                r = 0;
                continue;
            }
            bench_case_take(c, &o);
        }
    return r;
}

/* Values of a run go into the case; the result file is put together at the end, in the order of the cases. */
void bench_case_take(struct bench_case *c, struct bench_outcome *o) {
    free(c->last.delay);
    c->last = *o;
    if (c->n_taken < BENCH_MAX_ROUNDS) c->taken[c->n_taken++] = *o;
    c->taken[c->n_taken - 1].delay = NULL; /* one copy, the newest, for the histogram */
}

int bench_suite_result(const struct bench_suite *s, struct bench_result *r) {
    struct np_hardware hw;
    char input[512];
    np_hardware_info(&hw, NULL);
    bench_result_here(r, "nextpose", np_hardware_category_name(hw.category));
    snprintf(r->input_name, sizeof r->input_name, "%s", npi_io_basename(s->input));
    snprintf(input, sizeof input, "{\"name\": \"%.150s\", \"width\": %d, \"height\": %d, \"frames\": %lld, \"persons_per_frame\": %d.%02d}", r->input_name, s->source.width,
             s->source.height, (long long)bench_reference_frames(s->reference), (int)(s->persons * 100 + .5) / 100, (int)(s->persons * 100 + .5) % 100);
    for (char *p = input; *p; p++)
        if ((unsigned char)*p < 32 || *p == '\\') *p = '?';
    if (!(r->input = strdup(input))) return NP_ENOMEM;
    for (int i = 0; i < s->n; i++) {
        const struct bench_case *const c = &s->cases[i];
        char settings[200];
        snprintf(settings, sizeof settings, "{\"axis\": \"%s\", \"flags\": \"%s\"}", c->axis, c->flags);
        if (!c->n_taken) continue;
        int e = bench_result_add_run(r, c->name, settings);
        for (int k = 0; e == 0 && k < c->n_taken; k++) e = bench_outcome_add(r, &c->taken[k]);
        if (e == 0 && c->has_accuracy) {
            const struct bench_accuracy *const a = &c->accuracy;
            e = bench_result_add(r, "joint_error_median", "% of height", -1, a->median);
            if (e == 0) e = bench_result_add(r, "joint_error_p95", "% of height", -1, a->p95);
            if (e == 0) e = bench_result_add(r, "people_found", "%", 1, a->n_people ? 100. * (double)a->n_found / (double)a->n_people : NAN);
            if (e == 0) e = bench_result_add(r, "people_extra", "people", 0, (double)a->n_extra);
            if (e == 0) e = bench_result_add(r, "id_switches", "", 0, (double)a->id_switches);
        }
        if (e < 0) return e;
    }
    return 0;
}

void bench_suite_free(struct bench_suite *s) {
    for (int i = 0; i < s->n; i++) free(s->cases[i].last.delay);
    bench_reference_free(&s->reference);
}

/* --- the command --- */

static void progress(const struct bench_suite *s, int round, int i) {
    fprintf(stderr, "\r\033[Kround %d, %d of %d: %s", round + 1, i + 1, s->n, s->cases[i].name);
    fflush(stderr);
}

/* The plain setting of the first against the last rounds: a processor that got hot, or a neighbour that came. */
static void tell_drift(const struct bench_suite *s) {
    const struct bench_case *const c = &s->cases[0];
    if (c->n_taken < 2) return;
    const double first = c->taken[0].processed_fps, last = c->taken[c->n_taken - 1].processed_fps;
    if (fabs(last / first - 1) > .05)
        printf("note: the plain setting went from %.1f to %.1f frames/s over the rounds: the processor got %s, or others worked here too\n", first, last,
               last < first ? "slower (hot?)" : "faster");
}

static int write_all(const struct bench_suite *s, const struct bench_result *r, const struct opts *o, struct np_error *err) {
    int e = 0;
    bench_report_text(r, stdout);
    tell_drift(s);
    if (opt_str(o, "output") && (e = bench_result_save(r, opt_str(o, "output"), err)) < 0) return e;
    if (opt_str(o, "markdown") && (e = bench_report_markdown(r, opt_str(o, "markdown"), err)) < 0) return e;
    if (opt_str(o, "csv") && (e = bench_report_csv(r, opt_str(o, "csv"), err)) < 0) return e;
    if (opt_str(o, "svg") && (e = bench_report_svg(s, r, opt_str(o, "svg"), err)) < 0) return e;
    return opt_str(o, "html") ? bench_report_html(s, r, opt_str(o, "html"), err) : 0;
}

static int pipeline(const struct opts *o) {
    static struct bench_suite s;
    static char dirs[8192], clip[4200];
    struct np_error e = { 0 };
    struct bench_result result = { 0 };
    static const char *const files[] = { "output", "html", "markdown", "csv" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (bench_can_write(opt_str(o, files[i]), &e) < 0) return tool_fail(EXIT_RUNTIME, &e);
    s.input = opt_str(o, "input");
    if (!s.input && tool_demo_clip(clip, sizeof clip, &e) < 0) return tool_fail(EXIT_INPUT, &e);
    if (!s.input) s.input = clip;
    s.stop = tool_stop_flag();
    tool_models_dirs(dirs, sizeof dirs, opt_str(o, "models-dir"));
    np_settings_default(&s.base);
    s.base.models_dir = dirs;
    if (tool_runtimes(&s.base, o, &e) < 0) return tool_fail(EXIT_USAGE, &e);
    s.base.detector = opt_str(o, "detector");
    s.base.model = opt_str(o, "model");
    s.base.backend = opt_str(o, "backend");
    s.base.isa = opt_str(o, "isa");
    s.base.threads = opt_str(o, "threads") ? opt_int(o, "threads") : 0;
    s.base.mode = NP_MODE_FILE;
    s.base.adapt = 0;
    s.base.frame_skip = s.base.detection_freq = 1;
    s.base.smooth = "none";
    s.base.logger = tool_logger(NP_LOG_ERROR);
    make_cases(&s, opt_str(o, "axes"), dirs);
    if (s.n == 1) {
        tool_say("--axes: none of '%s' is an axis", opt_str(o, "axes"));
        return EXIT_USAGE;
    }
    const double minutes = s.n * (opt_float(o, "duration") + (opt_bool(o, "accuracy") ? 3 : 0)) / 60;
    if (tool_is_terminal()) s.progress = progress;
    if (s.progress) fprintf(stderr, "%d settings, %g s each in %d rounds: about %.0f minutes (Ctrl-C stops and writes what there is)\n", s.n, opt_float(o, "duration"), opt_int(o, "rounds"),
            ceil(minutes));
    int r = bench_suite_run(&s, opt_int(o, "rounds"), opt_float(o, "duration"), opt_bool(o, "accuracy"), &e);
    if (s.progress) fprintf(stderr, "\r\033[K");
    const int stopped = atomic_load(s.stop) > 0;
    int code = r < 0 && !stopped ? tool_fail(tool_exit_code(r) == EXIT_MODEL && s.cases[0].n_taken == 0 && r != NP_EMODEL ? EXIT_INPUT : tool_exit_code(r), &e) : EXIT_OK;
    if ((code == EXIT_OK || stopped) && s.cases[0].n_taken) {
        if ((r = bench_suite_result(&s, &result)) < 0) npi_io_fail(&e, r, "out of memory");
        else r = write_all(&s, &result, o, &e);
        if (r < 0) code = tool_fail(EXIT_RUNTIME, &e);
    }
    bench_result_free(&result);
    bench_suite_free(&s);
    return stopped ? EXIT_INTERRUPTED : code;
}

int bench_pipeline(int argc, char **argv) {
    struct opts o;
    struct np_error e = { 0 };
    int code = EXIT_OK;
    opts_init(&o, pipeline_opts, "bench pipeline");
    if (opts_parse(&o, argc, argv, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (o.help) {
        printf("usage: nextpose bench pipeline [OPTIONS]\n\nEvery preset and every axis of settings on a real clip: speed, delay, and what each costs in accuracy.\n");
        opts_print_help(&o, stdout);
    } else if (o.n_rest) {
        tool_say("unexpected argument '%s': the clip is given with --input", o.rest[0]);
        code = EXIT_USAGE;
    } else code = pipeline(&o);
    opts_free(&o);
    return code;
}
