/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose inspect: what is in a model file, whether the engine can run it, and what that takes. */
#include <stdio.h>

#include "tool.h"

static const struct opt_def inspect_opts[] = {
    { "ops", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "list the operators that the engine implements", "Options" },
    { "plan", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "list the steps that run", NULL },
    { "graph", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "list the graph after the passes", NULL },
    { "optimize", 0, OPT_BOOL, "yes", 0, 0, NULL, NULL, "the model as in the file, without the passes", NULL },
    { "isa", 0, OPT_STRING, NULL, 0, 0, NULL, "LEVEL", "highest instruction set", NULL },
    { "log-level", 0, OPT_CHOICE, "warn", 0, 0, "error|warn|info|debug", NULL, "what is told on stderr", NULL },
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

static void print_tensor(const char *what, const struct np_tensor_info *t) {
    printf("%-8s %-32s %-5s [", what, t->name ? t->name : "", np_dtype_name(t->dtype));
    for (int i = 0; i < t->rank; i++) printf("%s%lld", i ? "," : "", (long long)t->dims[i]);
    printf("]");
    if (t->scale != 0) printf("  scale %g zero point %d", (double)t->scale, t->zero_point);
    printf("\n");
}

static void print_line(void *opaque, const char *text) { puts(text); }

static int inspect(const struct opts *o) {
    struct np_model_params p;
    struct np_model *m = NULL;
    struct np_error e = { 0 };
    struct np_tensor_info t;
    struct np_model_stats s;
    np_model_params_default(&p);
    p.isa = opt_str(o, "isa");
    p.no_optimize = !opt_bool(o, "optimize");
    p.logger = tool_logger(tool_log_level(opt_str(o, "log-level")));
    const int r = np_model_load(&m, o->rest[0], &p, &e);
    if (r < 0) return tool_fail(tool_exit_code(r), &e);
    printf("model    %s\n", o->rest[0]);
    for (int i = 0; i < np_model_n_inputs(m); i++) {
        if (np_model_input_info(m, i, &t) == 0) print_tensor("input", &t);
    }
    for (int i = 0; i < np_model_n_outputs(m); i++) {
        if (np_model_output_info(m, i, &t) == 0) print_tensor("output", &t);
    }
    np_model_stats(m, &s);
    printf("nodes    %d in the file's graph, %d steps in the plan\n", s.n_nodes, s.n_steps);
    printf("work     %.3f G multiply-adds\n", (double)s.macs * 1e-9);
    printf("memory   weights %.2f MB, activations %.2f MB\n", (double)s.weights_bytes / 1048576, (double)s.arena_bytes / 1048576);
    if (opt_bool(o, "graph")) np_model_dump(m, 1, print_line, NULL);
    if (opt_bool(o, "plan")) np_model_dump(m, 0, print_line, NULL);
    np_model_free(&m);
    return EXIT_OK;
}

int cmd_inspect(int argc, char **argv) {
    struct opts o;
    struct np_error e = { 0 };
    int code = EXIT_OK;
    opts_init(&o, inspect_opts, "inspect");
    if (opts_parse(&o, argc, argv, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (o.help) {
        printf("usage: nextpose inspect MODEL [OPTIONS]\n       nextpose inspect --ops\n");
        opts_print_help(&o, stdout);
    } else if (opt_bool(&o, "ops")) {
        for (int i = 0; np_op_name(i); i++) puts(np_op_name(i));
    } else if (o.n_rest != 1) {
        tool_say("usage: nextpose inspect MODEL, or nextpose inspect --ops");
        code = EXIT_USAGE;
    } else code = inspect(&o);
    opts_free(&o);
    return code;
}
