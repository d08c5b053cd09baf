/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose recommend --verify FILE: does a config file that recommend wrote still hold what it promised? The file is read as `run --config` reads it, and
 * what it promises stands in its comments (promise_write). As fast as it goes the median of three runs is taken, live one run. */
#include "verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/runner.h"
#include "bench/samples.h"
#include "tool.h"

#define RUNS 3
#define WITHIN .1  /* of the rate that was promised */

static const char *const names[] = { "capacity", "target", "displayed", "delay_p99" };

static double *field(struct promise *p, int i) { return i == 0 ? &p->capacity : i == 1 ? &p->target : i == 2 ? &p->displayed : &p->delay_p99; }

void promise_write(struct npi_outfile *f, const struct promise *p) {
    struct promise copy = *p;
    for (int i = 0; i < 4; i++) {
        npi_out_str(f, "# promise ");
        npi_out_str(f, names[i]);
        npi_out_str(f, " ");
        npi_out_fixed(f, *field(&copy, i), 2, "0");
        npi_out_str(f, "\n");
    }
    npi_out_str(f, "# promise clip ");
    npi_out_str(f, p->clip);
    npi_out_str(f, "\n");
}

/* NP_EFORMAT: there is no promise in it. */
static int promise_read(struct promise *p, const char *path, struct np_error *err) {
    char line[4400], name[32], value[4200];
    int found = 0;
    memset(p, 0, sizeof *p);
    FILE *const f = fopen(path, "r");
    if (!f) return npi_io_fail(err, NP_ENOENT, "cannot open '%s'", path);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "# promise %31s %4199[^\n]", name, value) != 2) continue;
        if (!strcmp(name, "clip")) snprintf(p->clip, sizeof p->clip, "%s", value);
        for (int i = 0; i < 4; i++) {
            double v;
            char *end;
            if (strcmp(name, names[i])) continue;
            v = strtod(value, &end);
            if (*end || !isfinite(v)) continue;
            *field(p, i) = v;
            found |= 1 << i;
        }
    }
    fclose(f);
    if (found == 15 && p->capacity > 0 && p->target > 0 && *p->clip) return 0;
    return npi_io_fail(err, NP_EFORMAT, "'%s' promises nothing: nextpose recommend --output %s writes such a file", path, path);
}

static void row(const char *what, double promised, double measured, const char *unit) {
    printf("  %-28s %10.1f %10.1f %-9s", what, promised, measured, unit);
    if (promised > 0) printf(" %+5.0f %%", 100 * (measured / promised - 1));
    printf("\n");
}

static int measure(const struct promise *p, const char *input, const struct np_settings *s, double slice_s, int *holds, struct np_error *err) {
    struct bench_setup b = { .input = input, .s = *s, .stop = tool_stop_flag(), .seconds = slice_s, .warmup_s = fmin(.4, slice_s / 4) };
    struct bench_outcome o;
    double fps[RUNS];
    int r = 0;
    b.s.keep_frames = 0;
    b.s.mode = NP_MODE_FILE;
    for (int i = 0; i < RUNS; i++) {
        if ((r = bench_run(&o, &b, err)) < 0) return r;
        fps[i] = o.processed_fps;
        bench_outcome_free(&o);
    }
    b.s.mode = NP_MODE_LIVE;
    b.rate = p->target;
    b.seconds = 2 * slice_s;
    if ((r = bench_run(&o, &b, err)) < 0) return r;
    const double capacity = bench_median(fps, RUNS);
    printf("%-30s %10s %10s\n", "", "promised", "measured");
    row("as fast as it goes", p->capacity, capacity, "frames/s");
    row("live, displayed", p->displayed, o.displayed_fps, "frames/s");
    row("live, delay p99", p->delay_p99, o.delay_p99, "ms");
    *holds = capacity >= (1 - WITHIN) * p->capacity && o.displayed_fps >= (1 - WITHIN) * p->displayed;
    if (!*holds) printf("not kept: more than %.0f %% below what was promised; others work on this machine, or it is not the same any more: nextpose recommend --fresh\n", 100 * WITHIN);
    else if (capacity > (1 + WITHIN) * p->capacity) printf("kept, and more than that: nextpose recommend --fresh may find better settings\n");
    else printf("kept: within %.0f %% of what was promised\n", 100 * WITHIN);
    bench_outcome_free(&o);
    return 0;
}

int recommend_verify(const char *path, const char *input, const char *models_dir, double slice_s) {
    struct opts o;
    struct promise p;
    struct np_settings s;
    struct np_error e = { 0 };
    char *argv[4] = { (char *)(uintptr_t)"--config", (char *)(uintptr_t)path, (char *)(uintptr_t)"--models-dir", (char *)(uintptr_t)models_dir };
    int holds = 0, code = EXIT_OK, r = promise_read(&p, path, &e);
    if (r < 0) return tool_fail(EXIT_INPUT, &e);
    opts_init(&o, cmd_run_opts, "run");
    if (opts_parse(&o, models_dir ? 4 : 2, argv, &e) < 0 || run_settings(&s, &o, NP_MODE_FILE, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else {
        s.logger = tool_logger(NP_LOG_ERROR);
        r = measure(&p, input ? input : p.clip, &s, slice_s, &holds, &e);
        if (r < 0 && atomic_load(tool_stop_flag())) code = EXIT_INTERRUPTED;
        else if (r < 0) code = tool_fail(r == NP_ENOENT || r == NP_EIO || r == NP_EFORMAT ? EXIT_INPUT : tool_exit_code(r), &e);
        else code = holds ? EXIT_OK : EXIT_RUNTIME;
    }
    opts_free(&o);
    return code;
}
