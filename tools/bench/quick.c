/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose bench quick: does this machine keep up? Half of the time frames come at the target rate, as from a camera: what a user would
 * see. The other half they come as fast as they are taken: what there is to spare. One verdict, then what it rests on. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "nextpose/hardware.h"
#include "runner.h"

static const struct opt_def quick_opts[] = {
    { "target-fps", 0, OPT_FLOAT, NULL, .1, 1000, NULL, "N", "the rate to hold (default: the preset's)", "Options" },
    { "duration", 0, OPT_FLOAT, "10", .5, 3600, NULL, "S", "seconds in all", NULL },
    { "input", 'i', OPT_STRING, NULL, 0, 0, NULL, "CLIP", "clip or camera (default: the demo clip)", NULL },
    { "preset", 0, OPT_STRING, "balanced", 0, 0, NULL, "NAME|FILE", "as in run", NULL },
    { "backend", 0, OPT_CHOICE, "auto", 0, 0, "auto|native|onnx|tflite|openvino|torch:ort:litert:pytorch", "NAME", "as in run", NULL },
    { "strict", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "fail when the backend is not available, instead of falling back", NULL },
    { "detector", 0, OPT_STRING, NULL, 0, 0, NULL, "MODEL", "as in run", NULL },
    { "model", 'm', OPT_STRING, NULL, 0, 0, NULL, "MODEL", "as in run", NULL },
    { "models-dir", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "as in run", NULL },
    { "max-persons", 0, OPT_INT, NULL, 1, 64, NULL, "N", "as in run", NULL },
    { "threads", 't', OPT_INT, NULL, 1, 64, NULL, "N", "as in run", NULL },
    { "output", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "results as JSON, for bench compare and bench trend", NULL },
    TOOL_RUNTIME_OPTS,
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

/* "the pose net (61 % of the work)" */
static void limit_text(char *to, size_t size, const struct np_stats *s) {
    static const char *const names[NP_STAGE_COUNT] = { "reading", "the detector", "tracking", "cutting out people", "the pose net", "smoothing", "drawing", "writing" };
    if (s->bottleneck >= 0 && s->bottleneck < NP_STAGE_COUNT)
        snprintf(to, size, "%s (%.0f %% of the work)", names[s->bottleneck], 100 * s->stage[s->bottleneck].share);
    else snprintf(to, size, "%s", s->bottleneck == -1 ? "the source: nothing to gain" : "not known yet");
}

static void tell(const struct bench_outcome *real, const struct bench_outcome *most, double target, const struct opts *o) {
    char limit[120];
    const double capacity = most->processed_fps, margin = 100 * (capacity / target - 1);
    const int reached = real->displayed_fps >= target * .97 && capacity >= target;
    if (reached) printf("reached: %.1f frames/s wanted, %.1f shown, %.0f possible (%.0f %% to spare)\n", target, real->displayed_fps, capacity, margin);
    else printf("not reached: %.1f frames/s wanted, %.1f shown, %.1f possible (%.0f %% short)\n", target, real->displayed_fps, capacity, -fmin(margin, 0));
    limit_text(limit, sizeof limit, &most->stats);
    printf("\n  at %5.1f frames/s       %.1f displayed, %.1f processed, %.1f inferred a second; %lld of %lld frames dropped\n", target, real->displayed_fps, real->processed_fps,
           real->inferred_fps, (long long)real->n_dropped, (long long)real->n_offered);
    printf("  delay                  p50 %.1f, p95 %.1f, p99 %.1f ms from capture to result\n", real->delay_p50, real->delay_p95, real->delay_p99);
    printf("  as fast as it goes     %.1f frames/s, %.1f inferred\n", capacity, most->inferred_fps);
    printf("  persons a frame        %.2f\n", real->persons_per_frame);
    printf("  limited by             %s\n", limit);
    printf("  settings               preset %s, pose on every %d., detector on every %d. frame, detector side %d, backend %s, %d threads, %s\n", opt_str(o, "preset"),
           real->stats.knobs.frame_skip, real->stats.knobs.detection_freq, real->stats.knobs.detector_size, real->backend, real->info.threads, real->isa);
    const struct np_stats *const s = most->stats.n_suggestions ? &most->stats : &real->stats;
    for (int i = 0; i < s->n_suggestions; i++) printf("  %-22s %s\n", i ? "" : "what would help", s->suggestion[i].text);
}

static int quick(const struct opts *o) {
    static char dirs[8192], clip[4200];
    struct np_error e = { 0 };
    struct bench_outcome real = { 0 }, most = { 0 };
    struct bench_result result;
    const double seconds = opt_float(o, "duration");
    struct bench_setup b = { .input = opt_str(o, "input"), .warmup_s = fmin(1, seconds / 10), .stop = tool_stop_flag() };
    if (bench_can_write(opt_str(o, "output"), &e) < 0) return tool_fail(EXIT_RUNTIME, &e);
    if (!b.input && tool_demo_clip(clip, sizeof clip, &e) < 0) return tool_fail(EXIT_INPUT, &e);
    if (!b.input) b.input = clip;
    np_settings_default(&b.s);
    tool_models_dirs(dirs, sizeof dirs, opt_str(o, "models-dir"));
    b.s.models_dir = dirs;
    if (tool_runtimes(&b.s, o, &e) < 0) return tool_fail(EXIT_USAGE, &e);
    b.s.detector = opt_str(o, "detector");
    b.s.model = opt_str(o, "model");
    b.s.backend = opt_str(o, "backend");
    b.s.strict = opt_bool(o, "strict");
    b.s.max_persons = opt_str(o, "max-persons") ? opt_int(o, "max-persons") : 0;
    b.s.threads = opt_str(o, "threads") ? opt_int(o, "threads") : 0;
    b.s.logger = tool_logger(NP_LOG_ERROR);
    if (tool_preset(&b.s, opt_str(o, "preset"), &e) < 0) return tool_fail(EXIT_USAGE, &e);
    b.s.mode = NP_MODE_LIVE;
    double target = opt_str(o, "target-fps") ? opt_float(o, "target-fps") : 0;
    if (!(target > 0) && tool_preset_target(&b.s, &target, &e) < 0) return tool_fail(EXIT_USAGE, &e);
    if (!(target > 0)) target = 15; /* a preset without a target: what looks live */
    b.s.target_fps = (float)target;
    b.rate = target;
    b.seconds = seconds / 2 - b.warmup_s;
    int r = bench_run(&real, &b, &e);
    if (r == 0) { /* the settings that the controller came to, on every frame that there is */
        b.s.mode = NP_MODE_FILE;
        b.s.frame_skip = real.stats.knobs.frame_skip;
        b.s.detection_freq = real.stats.knobs.detection_freq;
        r = bench_run(&most, &b, &e);
    }
    int code = EXIT_OK;
    if (r < 0) code = atomic_load(b.stop) ? EXIT_INTERRUPTED : tool_fail(r == NP_ENOENT || r == NP_EIO || r == NP_EFORMAT ? EXIT_INPUT : tool_exit_code(r), &e);
    else {
        tell(&real, &most, target, o);
        if (opt_str(o, "output")) {
            struct np_hardware hw;
            np_hardware_info(&hw, NULL);
            bench_result_here(&result, "nextpose", np_hardware_category_name(hw.category));
            snprintf(result.input_name, sizeof result.input_name, "%s", npi_io_basename(b.input));
            r = bench_result_add_run(&result, "quick at the target rate", NULL);
            if (r == 0) r = bench_outcome_add(&result, &real);
            if (r == 0) r = bench_result_add_run(&result, "quick as fast as it goes", NULL);
            if (r == 0) r = bench_outcome_add(&result, &most);
            if (r < 0) npi_io_fail(&e, r, "out of memory");
            else r = bench_result_save(&result, opt_str(o, "output"), &e);
            if (r < 0) code = tool_fail(EXIT_RUNTIME, &e);
            bench_result_free(&result);
        }
    }
    bench_outcome_free(&real);
    bench_outcome_free(&most);
    return code;
}

int bench_quick(int argc, char **argv) {
    struct opts o;
    struct np_error e = { 0 };
    int code = EXIT_OK;
    opts_init(&o, quick_opts, "bench quick");
    if (opts_parse(&o, argc, argv, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (o.help) {
        printf("usage: nextpose bench quick [OPTIONS]\n\nSays in ten seconds whether this machine holds a rate, what limits it and what to change.\n");
        opts_print_help(&o, stdout);
    } else if (o.n_rest) {
        tool_say("unexpected argument '%s': the clip is given with --input", o.rest[0]);
        code = EXIT_USAGE;
    } else code = quick(&o);
    opts_free(&o);
    return code;
}
