/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose convert: .onnx <-> .tflite, or the same format with smaller weights. */
#include <stdio.h>
#include <string.h>

#include "nextpose/convert.h"
#include "tool.h"

static const struct opt_def convert_opts[] = {
    { "strategy", 0, OPT_CHOICE, "auto", 0, 0, "auto|fp32|fp16|dynamic|int8", NULL, "what the weights become", "Options" },
    { "io-layout", 0, OPT_CHOICE, "auto", 0, 0, "auto|native|keep", NULL, "images in and out: in the format's order, or as in the file", NULL },
    { "log-level", 0, OPT_CHOICE, "warn", 0, 0, "error|warn|info|debug", NULL, "what is told on stderr", NULL },
    { "quiet", 'q', OPT_BOOL, NULL, 0, 0, NULL, NULL, "errors only", NULL },
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

static int strategy_of(const char *name) {
    for (int i = 0; np_strategy_name(i); i++)
        if (!strcmp(np_strategy_name(i), name)) return i;
    return -1;
}

static int convert(const struct opts *o) {
    struct np_convert_params p;
    struct np_convert_report rep;
    struct np_error e = { 0 };
    np_convert_params_default(&p);
    p.strategy = strategy_of(opt_str(o, "strategy"));
    const char *const layout = opt_str(o, "io-layout");
    p.io_layout = !strcmp(layout, "keep") ? NP_IO_LAYOUT_KEEP : !strcmp(layout, "native") ? NP_IO_LAYOUT_NATIVE : NP_IO_LAYOUT_AUTO;
    p.logger = tool_logger(tool_log_level(opt_str(o, "log-level")));
    const int r = np_convert(o->rest[0], o->rest[1], &p, &rep, &e);
    if (r < 0) return tool_fail(tool_exit_code(r), &e);
    if (opt_bool(o, "quiet")) return EXIT_OK;
    printf("wrote    %s\n", o->rest[1]);
    printf("strategy %s%s%s\n", np_strategy_name(rep.strategy), *rep.why ? ": " : "", rep.why);
    printf("size     %.2f MB, was %.2f MB\n", (double)rep.bytes_out * 1e-6, (double)rep.bytes_in * 1e-6);
    printf("nodes    %d, of which %d Transpose\n", rep.n_nodes, rep.n_transposes);
    if (rep.difference >= 0) printf("check    read back and run beside the original: outputs differ by %.1e\n", rep.difference);
    if (*rep.notes) printf("note     %s\n", rep.notes);
    return EXIT_OK;
}

int cmd_convert(int argc, char **argv) {
    struct opts o;
    struct np_error e = { 0 };
    int code = EXIT_OK;
    opts_init(&o, convert_opts, "convert");
    if (opts_parse(&o, argc, argv, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (o.help) {
        printf("usage: nextpose convert IN OUT [OPTIONS]      IN and OUT: .onnx or .tflite\n");
        opts_print_help(&o, stdout);
    } else if (o.n_rest != 2) {
        tool_say("usage: nextpose convert IN OUT, each .onnx or .tflite");
        code = EXIT_USAGE;
    } else code = convert(&o);
    opts_free(&o);
    return code;
}
