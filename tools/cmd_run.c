/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose run: the main job.
 *
 *   reader thread ─ queue ─> main loop: send, get ─> text outputs                    files
 *        (decode)              (library's workers)  └─ queue ─> drawing thread ─> encoder
 *   reader thread: send      main loop: wait, get ─> …                                live
 *
 * A picture comes back with its result: the library keeps the reference that it was given until the result is released. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "autotune.h"
#include "hindsight.h"
#include "outputs.h"
#include "progress.h"
#include "reader.h"
#include "tool.h"
#include "views.h"

enum { SILENCE_MS = 20 };

struct run {
    struct opts o;
    struct np_logger log;
    const atomic_int *stop;                /* tool_stop_flag */
    struct npi_source *source;
    struct np_context *ctx;
    struct np_context_info info;
    struct reader reader;
    struct outputs *outputs;
    struct hindsight *hindsight;           /* --smooth zero-lag: results are written a little later; NULL: at once */
    struct stats stats;
    struct np_stats now;                   /* of the library, at the end; in live mode looked at now and then */
    struct views views;
    struct autotune tuner;
    char tuned_at[4200];                   /* where auto-tune remembers; "" nowhere */
    int inside;                            /* file mode: frames whose results are to come */
    int live, async, tty, quiet, preset, reconnect;
    enum view view;
    const struct npi_writer_ops *format;
    const char *out_path;
};

static int usage(const char *fmt, const char *a) {
    tool_say(fmt, a);
    return EXIT_USAGE;
}

static int same_file(const char *a, const char *b) {
    struct stat x, y;
    return a && b && stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* What was asked for; "auto" is settled when the input is open. */
static enum view view_of(const struct opts *o) {
    const char *const v = opt_str(o, "view");
    return !strcmp(v, "window") ? VIEW_WINDOW : !strcmp(v, "web") ? VIEW_WEB : VIEW_NONE;
}

/* Combinations that the table cannot know. 0 or an exit code. */
static int check_options(struct run *run) {
    const struct opts *const o = &run->o;
    const char *const input = opt_str(o, "input"), *const format = opt_str(o, "format"), *const out = opt_str(o, "out"),
        *const json = opt_str(o, "save-json");
    if (o->n_rest) return usage(input ? "unexpected argument '%s'" : "unexpected argument '%s': the input is given with -i", o->rest[0]);
    if (!input) return usage("no input: use -i with a %s", "file, folder, camera number or URL (nextpose run --help)");
    struct np_settings s = { 0 };
    struct np_error e = { 0 };
    if (tool_preset(&s, opt_str(o, "preset"), &e) < 0) return tool_fail(EXIT_USAGE, &e);
    if (views_missing(view_of(o), opt_str(o, "metrics-port") != NULL)) return usage("%s", views_missing(view_of(o), opt_str(o, "metrics-port") != NULL));
    if (views_token_wrong(opt_str(o, "web-token"))) return usage("--web-token: %s", views_token_wrong(opt_str(o, "web-token")));
    if ((run->reconnect = run_reconnect(o)) == -2) return usage("--reconnect: '%s' is neither a number of tries nor yes, no or auto", opt_str(o, "reconnect"));
    int bad = tool_runtimes(&s, o, &e);
    if (bad < 0 || (bad = np_runtime_check(s.runtime_search, opt_str(o, "backend"), &e)) < 0) return tool_fail(tool_exit_code(bad), &e);
    if (opt_bool(o, "live") && opt_bool(o, "every-frame")) return usage("--live and --every-frame %s", "exclude each other");
    if (format || out) {
        if (!format) {
            const char *const dot = strrchr(out, '.');
            run->format = npi_writer_find(dot && !strcmp(dot, ".csv") ? "csv" : "jsonl");
        } else run->format = npi_writer_find(format);
        run->out_path = out;
        if (!out && run->format->is_folder) return usage("--format %s writes one file a frame: say where with --out DIR", format);
        if (!out) run->out_path = "-";
        if (out && !strcmp(out, "-") && run->format->is_folder) return usage("--format %s writes one file a frame: --out must be a folder", format);
    }
    if (json && run->out_path && !strcmp(json, "-") && !strcmp(run->out_path, "-"))
        return usage("--save-json - and --out - %s", "would mix on standard output");
    const char *const outs[] = { json, run->out_path, opt_str(o, "stats-json"), opt_str(o, "save-video") };
    for (int i = 0; i < 4; i++) {
        if (same_file(input, outs[i])) return usage("'%s' is the input: writing there would destroy it", outs[i]);
        for (int k = 0; k < i; k++) {
            if (outs[i] && outs[k] && !strcmp(outs[i], outs[k]) && (strcmp(outs[i], "-") || i == 2)) return usage("'%s' is named for two outputs", outs[i]);
        }
    }
    return 0;
}

/* What somebody asked for, and this run has no use for: no flag is without a word. The environment is no request, it is there for all runs. */
static int asked(const struct opts *o, const char *name) { return opt_origin(o, name) == FROM_FLAG || opt_origin(o, name) == FROM_CONFIG; }

static void tell_unused(const struct run *run) {
    static const char *const of_live[] = { "target-fps", "max-delay" }, *const of_web[] = { "web-port", "web-bind", "web-token" };
    const struct opts *const o = &run->o;
    const struct npi_source_info *const si = &run->source->info;
    const int metrics = opt_str(o, "metrics-port") != NULL;
    char line[160];
#define UNUSED(...) (snprintf(line, sizeof line, __VA_ARGS__), run->log.log(run->log.opaque, NP_LOG_WARN, line))
    for (size_t i = 0; i < 2; i++)
        if (!run->live && asked(o, of_live[i]) && opt_float(o, of_live[i]) > 0) UNUSED("--%s: only in live mode (--live)", of_live[i]);
    if (!run->live && asked(o, "adapt") && opt_bool(o, "adapt")) UNUSED("--adapt: only in live mode (--live)");
    if (!si->live && asked(o, "reconnect") && run->reconnect) UNUSED("--reconnect: only for cameras and streams, '%.60s' is none", opt_str(o, "input"));
    for (size_t i = 0; i < 3; i++)
        if (run->view != VIEW_WEB && asked(o, of_web[i]) && (!metrics || !i))
            UNUSED("--%s: only with --view web%s", of_web[i], i ? " or --metrics-port" : "");
#undef UNUSED
}

static int open_context(struct run *run, struct np_error *err) {
    struct np_settings s;
    int r = run_settings(&s, &run->o, run->live ? NP_MODE_LIVE : run->async ? NP_MODE_FILE : NP_MODE_SYNC, err);
    if (r < 0) return r;
    s.logger = run->log;
    run->preset = s.preset_file ? -1 : s.preset;
    if ((r = np_open(&run->ctx, &s, err)) == 0) np_context_info(run->ctx, &run->info);
    return r;
}

static int open_outputs(struct run *run, struct np_error *err) {
    const struct opts *const o = &run->o;
    const struct npi_source_info *const si = &run->source->info;
    const struct outputs_params p = {
        .json_path = opt_str(o, "save-json"), .format = run->format, .out_path = run->out_path,
        .video_path = opt_str(o, "save-video"), .images_dir = opt_str(o, "save-images"),
        .meta = { .input = opt_str(o, "input"), .detector = run->info.detector_id, .model = run->info.model_id, .set = run->info.set,
                  .backend_asked = run->info.backend_asked, .backend_used = run->info.backend_used, .backend_reason = run->info.backend_reason,
                  .rate_num = si->rate_num, .rate_den = si->rate_den, .may_gap = si->live && run->reconnect },
        .kpt_thr = run->info.kpt_thr, .draw_boxes = opt_bool(o, "draw-boxes"), .draw_ids = opt_bool(o, "draw-ids"),
        .encoder_threads = np_cpu_count() > 4 ? 2 : 1, .live = run->live, .verbose = !run->quiet, .ctx = run->ctx,
    };
    return outputs_open(&run->outputs, &p, err);
}

static void run_numbers(void *run, struct np_stats *out) { np_context_stats(((struct run *)run)->ctx, out); }
static void window_closed(void *opaque) {
    tool_stop_ourselves(); /* as if the input had ended */
}
static int run_adjust(void *run, const char *name, const char *value, struct np_error *err) { return np_context_adjust(((struct run *)run)->ctx, name, value, err); }
static void run_extra(void *opaque, struct npi_stats_extra *x) {
    struct run *const run = opaque;
    x->source_lost = atomic_load(&run->source->lost);
    x->n_reconnects = atomic_load(&run->source->n_reconnects);
    x->n_out_dropped = outputs_dropped(run->outputs);
}

static void run_say(void *run, const char *line) { tool_say("%s", line); }

/* Before the settings are read: what worked here before takes the place of defaults. */
static void open_tuner(struct run *run) {
    const char *const how = opt_str(&run->o, "auto-tune");
    struct np_settings s;
    const int mode = !strcmp(how, "apply") ? AUTOTUNE_APPLY : !strcmp(how, "propose") ? AUTOTUNE_PROPOSE : AUTOTUNE_OFF;
    np_settings_default(&s);
    if (mode == AUTOTUNE_APPLY && tool_runtimes(&s, &run->o, NULL) == 0 && s.cache_dir) {
        autotune_memory(run->tuned_at, sizeof run->tuned_at, s.cache_dir, run->live ? "live" : run->source->info.kind);
        const int n = autotune_recall(&run->o, run->tuned_at);
        if (n && !run->quiet) tool_say("auto-tune: %d setting%s of an earlier run, from %s", n, n == 1 ? "" : "s", run->tuned_at);
    }
    autotune_open(&run->tuner, &(struct autotune_params){ .mode = mode, .memory = *run->tuned_at ? run->tuned_at : NULL, .stats = run_numbers, .adjust = run_adjust,
                                                          .say = run_say, .opaque = run });
}

static int open_views(struct run *run, struct np_error *err) {
    const struct opts *const o = &run->o;
    const struct views_params p = {
        .hub = { .input = opt_str(o, "input"), .detector = run->info.detector_id, .model = run->info.model_id,
                 .preset = run->preset, .preset_file = run->preset < 0 ? opt_str(o, "preset") : NULL, .kpt_thr = run->info.kpt_thr, .set = run->info.set,
                 .stats = run_numbers, .adjust = run_adjust, .extra = run_extra, .opaque = run },
        .monitor = { .json_path = opt_str(o, "stats-json"), .line = opt_bool(o, "stats"), .tty = isatty(STDERR_FILENO) },
        .view = run->view, .draw_boxes = opt_bool(o, "draw-boxes"), .draw_ids = opt_bool(o, "draw-ids"), .closed = window_closed, .web_bind = opt_str(o, "web-bind"), .web_token = opt_str(o, "web-token"), .web_port = opt_int(o, "web-port"),
        .metrics_port = opt_str(o, "metrics-port") ? opt_int(o, "metrics-port") : -1, .quiet = run->quiet, .log = run->log,
    };
    return views_open(&run->views, &p, err);
}

static void write_out(struct run *run, const struct np_result *r, struct npi_pic *pic) {
    char text[64];
    struct stats *const s = &run->stats;
    const int show = opt_bool(&run->o, "show-fps");
    if (show) snprintf(text, sizeof text, "%.1f FPS", stats_fps(s, s->n_processed, npi_io_now_ns()));
    struct npi_gap gap;
    if (npi_source_gap(run->source, r->index, &gap)) outputs_gap(run->outputs, &gap);
    /* Nothing left that could be written: going on would only burn time. */
    if (outputs_frame(run->outputs, r, pic, show ? text : NULL) == 0) tool_stop_ourselves();
    views_result(&run->views, r, pic);
}

/* Writes what has waited long enough; flush: all. 0 or an error. */
static int write_smoothed(struct run *run, int flush, struct np_error *err) {
    const struct np_result *r;
    struct npi_pic *pic;
    int e;
    while ((e = hindsight_take(run->hindsight, flush, &r, &pic, err)) == 0) {
        write_out(run, r, pic);
        npi_pic_unref(pic);
    }
    return e == NP_EAGAIN || e == NP_EEND ? 0 : e;
}

static int handle(struct run *run, const struct np_result *r, struct npi_pic *pic, struct np_error *err) {
    int e = 0;
    stats_result(&run->stats, r);
    if (!run->hindsight) write_out(run, r, pic);
    else if ((e = hindsight_keep(run->hindsight, r, pic, err)) == 0) e = write_smoothed(run, 0, err);
    autotune_tick(&run->tuner, npi_io_now_ns());
    if (run->tty) progress_line(&run->stats, stderr);
    return e;
}

/* One result, if there is one: 0, NP_EAGAIN, NP_EEND or an error. */
static int get_one(struct run *run, int timeout_ms, struct np_error *err) {
    const struct np_result *r = NULL;
    int e = np_wait_result(run->ctx, timeout_ms, &r, err);
    if (e < 0) return e;
    run->inside--;
    e = handle(run, r, r->frame->opaque, err);
    np_result_release(run->ctx, &r);
    return e;
}

/* What is ready. 0 or an error of the library. */
static int take_ready(struct run *run, struct np_error *err) {
    int r;
    while ((r = get_one(run, 0, err)) == 0) {}
    return r == NP_EAGAIN ? 0 : r;
}

/* File mode: as many frames in flight as the library takes. */
static int send_async(struct run *run, struct npi_pic *pic, struct np_error *err) {
    int r;
    while ((r = np_send_frame(run->ctx, &pic->f, err)) == NP_EAGAIN) {
        if ((r = get_one(run, 0, err)) < 0 && r != NP_EAGAIN) break;
    }
    if (r < 0) {
        npi_pic_unref(pic);
        return r;
    }
    run->inside++;
    return take_ready(run, err);
}

static int send_sync(struct run *run, struct npi_pic *pic, struct np_error *err) {
    const struct np_result *r = NULL;
    int e = np_process(run->ctx, &pic->f, &r, err);
    if (e < 0) return e;
    e = handle(run, r, pic, err);
    np_result_release(run->ctx, &r);
    return e;
}

/* Live mode, on the reader's thread: the library takes every frame at once. */
static int send_live(void *opaque, struct npi_pic *pic, int64_t read_ns, struct np_error *err) {
    struct run *const run = opaque;
    if (!pic) return np_send_frame(run->ctx, NULL, err);
    np_context_report(run->ctx, NP_STAGE_READ, (double)read_ns * 1e-6, 0);
    const int r = np_send_frame(run->ctx, &pic->f, err);
    if (r < 0) npi_pic_unref(pic);
    return r;
}

static int loop_live(struct run *run, struct np_error *err) {
    int r = 0;
    while ((r == 0 || r == NP_EAGAIN) && atomic_load(run->stop) == 0) r = get_one(run, 100, err);
    return r == NP_EEND || r == NP_EAGAIN ? 0 : r;
}

/* Until the source ends, is lost, or somebody stops us. 0 or an error of the library. */
static int loop(struct run *run, struct np_error *err) {
    int r = 0;
    if (run->live) return loop_live(run, err);
    while (r == 0 && atomic_load(run->stop) == 0) {
        int64_t read_ns = 0;
        int late = 0;
        struct npi_pic *const pic = reader_next(&run->reader, run->inside > 0 ? SILENCE_MS : -1, &read_ns, &late);
        if (late) r = take_ready(run, err); /* a pipe that pauses does not hold back what is finished */
        if (late) continue;
        if (!pic) break;
        np_context_report(run->ctx, NP_STAGE_READ, (double)read_ns * 1e-6, 0);
        r = run->async ? send_async(run, pic, err) : send_sync(run, pic, err);
    }
    struct np_error e;
    int last;
    np_send_frame(run->ctx, NULL, NULL); /* what is inside comes out, also after Ctrl-C or an error */
    while ((last = get_one(run, 0, &e)) == 0) {}
    if (run->hindsight && (last == NP_EEND || last == NP_EAGAIN)) last = write_smoothed(run, 1, &e);
    if (r == 0 && last < 0 && last != NP_EEND && last != NP_EAGAIN) { /* --strict, and a runtime failed on the last frames; memory ran out */
        *err = e;
        r = last;
    }
    return r;
}

static void summarize(struct run *run, int interrupted, int n_failed) {
    const struct opts *const o = &run->o;
    const char *const json = opt_str(o, "save-json");
    const int stdout_taken = (json && !strcmp(json, "-")) || (run->out_path && !strcmp(run->out_path, "-")) ||
                             (opt_str(o, "stats-json") && !strcmp(opt_str(o, "stats-json"), "-"));
    np_context_info(run->ctx, &run->info); /* a runtime may have been changed under way */
    const struct summary s = {
        .stats = &run->stats, .now = &run->now, .live = run->live, .info = &run->info, .backend_asked = run->info.backend_asked, .backend_reason = run->info.backend_reason,
        .input = opt_str(o, "input"), .kind = run->source->info.kind, .mode = run->live ? "live" : run->async ? "file" : "sync",
        .preset = run->preset < 0 ? opt_str(o, "preset") : np_preset_name(run->preset), .video = opt_str(o, "save-video"), .json = json,
        .out = run->out_path, .images = opt_str(o, "save-images"), .interrupted = interrupted, .n_failed = n_failed,
    };
    struct np_error e;
    if (opt_bool(o, "json-summary")) {
        if (summary_json(&s, stdout_taken ? "/dev/stderr" : "-", &e) < 0) tool_say("%s", e.message);
    } else if (!run->quiet) {
        summary_text(&s, stdout_taken ? stderr : stdout);
        fflush(stdout);
    }
}

static int work(struct run *run) {
    struct np_error e = { 0 };
    const struct reader_sink sink = { .send = send_live, .opaque = run };
    int r = reader_start(&run->reader, run->source, run->live ? &sink : NULL, run->stop, &e);
    if (r < 0) return tool_fail(EXIT_RUNTIME, &e);
    run->stats.start_ns = npi_io_now_ns();
    run->stats.n_total = run->source->info.n_frames;
    r = loop(run, &e);
    if (run->tty) progress_clear(stderr);
    const int interrupted = atomic_load(run->stop) > 0;
    if (!interrupted) tool_stop_ourselves(); /* ends a blocking read; nothing when the source is at its end */
    reader_stop(&run->reader);
    np_context_stats(run->ctx, &run->now);
    run->stats.n_dropped = run->now.n_dropped;
    const int n_views_failed = views_close(&run->views); /* first: it counts what the outputs left out */
    const int64_t n_left_out = outputs_dropped(run->outputs);
    const int n_failed = outputs_close(&run->outputs, &run->stats.n_drawn) + n_views_failed;
    if (n_left_out && !run->quiet) tool_say("%lld results or pictures were left out because an output was too slow", (long long)n_left_out);
    run->stats.end_ns = npi_io_now_ns();
    struct np_error forgot;
    if (autotune_close(&run->tuner, &forgot) < 0) tool_say("auto-tune: what worked is not remembered: %s", forgot.message);
    if (r < 0) return tool_fail(r == NP_EINVAL || r == NP_EFORMAT ? EXIT_INPUT : r == NP_EBACKEND ? EXIT_BACKEND : EXIT_RUNTIME, &e);
    const int end = run->reader.end;
    const int lost = !interrupted && end != NP_EEND && end != NP_EINTR;
    if (lost) tool_say("%s", run->reader.err.message);
    if (!lost || run->stats.n_processed > 0) summarize(run, interrupted, n_failed);
    if (interrupted) return EXIT_INTERRUPTED;
    return lost ? EXIT_INPUT : n_failed ? EXIT_RUNTIME : EXIT_OK;
}

static void catch_signals(struct run *run) {
    run->stop = tool_stop_flag();
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error line, not a sudden death with half a video */
}

static int run_it(struct run *run) {
    struct np_error e = { 0 };
    const struct opts *const o = &run->o;
    int r = check_options(run);
    if (r) return r;
    const int level = opt_bool(o, "quiet") && !opt_origin(o, "log-level") ? NP_LOG_ERROR : tool_log_level(opt_str(o, "log-level"));
    run->log = tool_logger(level);
    run->quiet = opt_bool(o, "quiet");
    run->tty = !run->quiet && !opt_bool(o, "stats") && isatty(STDERR_FILENO);
    catch_signals(run);
    const struct npi_source_params sp = { .logger = run->log, .stop = run->stop, .decoder_threads = np_cpu_count() > 4 ? 2 : 1,
                                           .reconnect = run->reconnect, .wait_for_it = opt_origin(o, "reconnect") != 0 };
    if ((r = npi_source_open(&run->source, opt_str(o, "input"), &sp, &e)) < 0) return tool_fail(r == NP_EINTR ? EXIT_INTERRUPTED : EXIT_INPUT, &e);
    run->live = opt_bool(o, "live") || (run->source->info.live && !opt_bool(o, "every-frame"));
    run->async = opt_bool(o, "async");
    run->view = view_of(o);
    /* Who points a camera at himself wants to see himself; a clip that is worked through for its outputs needs no window. */
    if (!strcmp(opt_str(o, "view"), "auto") && run->live && run->source->info.live && !run->quiet && views_window_possible()) run->view = VIEW_WINDOW;
    tell_unused(run);
    open_tuner(run);
    if ((r = open_context(run, &e)) < 0) return tool_fail(tool_exit_code(r), &e);
    const int pictures = opt_str(o, "save-video") || opt_str(o, "save-images") || run->view != VIEW_NONE;
    if ((r = hindsight_open(&run->hindsight, run->info.smooth, &run->source->info, pictures, &e)) < 0) return tool_fail(tool_exit_code(r), &e);
    if ((r = open_outputs(run, &e)) < 0 || (r = open_views(run, &e)) < 0) return tool_fail(r == NP_EINTR ? EXIT_INTERRUPTED : r == NP_EINVAL ? EXIT_USAGE : EXIT_RUNTIME, &e);
    return work(run);
}

int cmd_run(int argc, char **argv) {
    struct run *const run = calloc(1, sizeof *run);
    struct np_error e = { 0 };
    if (!run) {
        tool_say("out of memory");
        return EXIT_RUNTIME;
    }
    opts_init(&run->o, cmd_run_opts, "run");
    int code = EXIT_OK;
    if (opts_parse(&run->o, argc, argv, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (run->o.help) {
        printf("usage: nextpose run -i INPUT [OPTIONS]\n\nFinds people in a video, camera or pictures and writes their joints.\n");
        opts_print_help(&run->o, stdout);
        printf("\nEvery option is also an environment variable (NEXTPOSE_MAX_PERSONS) and a key of the config file (max_persons = 4).\n"
               "Thresholds that are not given come from the model's card. '_' and '-' in names are the same.\n");
    } else if (opt_bool(&run->o, "print-config")) code = run_print_config(&run->o);
    else code = run_it(run);
    views_close(&run->views);
    outputs_close(&run->outputs, NULL);
    hindsight_close(&run->hindsight);
    np_close(&run->ctx);
    npi_source_close(&run->source);
    stats_free(&run->stats);
    opts_free(&run->o);
    free(run);
    return code;
}
