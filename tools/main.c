/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose: the table of sub-commands, and the spellings that the predecessor's users type. */
#include <stdio.h>
#include <string.h>
#ifdef __GLIBC__ /* known once a C header is in */
#include <malloc.h>
#endif

#include "bench/bench.h"

static const struct { const char *name; int (*run)(int, char **); const char *about; } commands[] = {
    { "run", cmd_run, "find people in a video, camera or pictures; write video, JSON, CSV …" },
    { "models", cmd_models, "list, get and verify models" },
    { "inspect", cmd_inspect, "what is in a model file, and whether we can run it" },
    { "quantize", cmd_quantize, "a float model becomes an int8 one that keeps its accuracy" },
    { "eval", cmd_eval, "how good nets are, on pictures with labels" },
    { "convert", cmd_convert, "ONNX to TFLite and back, and smaller weights" },
    { "bench", cmd_bench, "does this machine keep up, which settings are best, has it changed" },
    { "recommend", cmd_recommend, "measure, and write the best settings as a config file" },
    { "doctor", cmd_doctor, "what this machine and this build can do" },
};
#define N_COMMANDS ((int)(sizeof commands / sizeof commands[0]))

static const char *command_at(const void *arg, int i) { return i < N_COMMANDS ? commands[i].name : NULL; }

static void help(FILE *f) {
    fprintf(f, "NextPose %s: finds people in video and tells where their joints are\n\nusage: nextpose COMMAND [OPTIONS]\n\n", np_version());
    for (int i = 0; i < N_COMMANDS; i++) fprintf(f, "  %-10s%s\n", commands[i].name, commands[i].about);
    fprintf(f, "\n  --version  the version\n  --help     this text; after a command, that command's options\n\n"
               "first time:  nextpose models get && nextpose run -i clip.mp4 --save-video out.mp4 --save-json out.jsonl\n"
               "exit codes:  0 ok, 1 failed while running, 2 usage, 3 model missing or wrong, 4 input cannot be opened or was lost,\n"
               "             5 backend not available (--strict), 130 interrupted (outputs were completed)\n");
}

int main(int argc, char **argv) {
#ifdef __GLIBC__
    /* Loading frees blocks of many megabytes; glibc would then serve pictures from the heap and keep its holes. 3 MB less at the peak. */
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
#endif
    tool_since_exec_ns(); /* notes the start */
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        if (argc > 2) return cmd_help(argv[2]);
        help(stdout);
        return cmd_help(NULL);
    }
    if (!strcmp(name, "--version") || !strcmp(name, "-V") || !strcmp(name, "version")) {
        printf("nextpose %s (API %d)\n", np_version(), np_api_version());
        return fflush(stdout) == 0 ? EXIT_OK : EXIT_RUNTIME;
    }
    /* The predecessor was one program without commands: its options mean `run`. */
    if (name[0] == '-') return cmd_run(argc - 1, argv + 1);
    if (!strcmp(name, "quick_performance_test")) return bench_quick(argc - 2, argv + 2);
    if (!strcmp(name, "benchmark_performance")) return bench_pipeline(argc - 2, argv + 2);
    for (int i = 0; i < N_COMMANDS; i++) {
        if (!strcmp(name, commands[i].name)) return commands[i].run(argc - 2, argv + 2);
    }
    const char *const near = opts_nearest(name, command_at, NULL);
    if (near) tool_say("unknown command '%s': did you mean '%s'?", name, near);
    else tool_say("unknown command '%s': see 'nextpose --help'", name);
    return EXIT_USAGE;
}
