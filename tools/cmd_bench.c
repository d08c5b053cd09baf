/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose bench WHAT: one file a subject in tools/bench/. */
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"

static const struct { const char *name, *usage, *about; int (*run)(int argc, char **argv); } subjects[] = {
    { "model", "MODEL", "how fast one net runs here, by level and thread count", bench_model },
    { "peak", "", "what the machine can do at most: multiply-adds by precision and level, memory bandwidth", bench_peak },
    { "quick", "", "does this machine hold a rate? A verdict in ten seconds", bench_quick },
    { "pipeline", "", "every preset and axis of settings: speed, delay, accuracy; report", bench_pipeline },
    { "compare", "A.json B.json", "ratios of two results with significance; exit 1 when something got worse", bench_compare },
    { "trend", "DIR", "history of a folder of results, with the versions at which something changed", bench_trend },
};
enum { N_SUBJECTS = sizeof subjects / sizeof *subjects };

static const char *subject_at(const void *arg, int i) { return i < N_SUBJECTS ? subjects[i].name : NULL; }

static void help(FILE *f) {
    fprintf(f, "usage: nextpose bench SUBJECT ... [OPTIONS]    (nextpose bench SUBJECT --help)\n\n");
    for (int i = 0; i < N_SUBJECTS; i++) fprintf(f, "  %-10s %-22s %s\n", subjects[i].name, subjects[i].usage, subjects[i].about);
}

int cmd_bench(int argc, char **argv) {
    if (argc > 0 && (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))) {
        help(stdout);
        return EXIT_OK;
    }
    for (int i = 0; argc > 0 && i < N_SUBJECTS; i++)
        if (!strcmp(argv[0], subjects[i].name)) return subjects[i].run(argc - 1, argv + 1);
    if (!argc) {
        help(stderr);
        return EXIT_USAGE;
    }
    const char *const near = opts_nearest(argv[0], subject_at, NULL);
    if (near) tool_say("bench: there is no '%s': did you mean '%s'?", argv[0], near);
    else tool_say("bench: there is no '%s': see 'nextpose bench --help'", argv[0]);
    return EXIT_USAGE;
}
