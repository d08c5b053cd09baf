/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose inspect: what is in a model file, who can run it, and what that takes. */
#include <stdio.h>
#include <string.h>

#include "inspect_draw.h"
#include "nextpose/runtimes.h"
#include "tool.h"

static const struct opt_def inspect_opts[] = {
    { "json", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "all of it as one JSON object", "Output" },
    { "layers", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "list the layers: precision, shape, multiply-adds, weights", NULL },
    { "dot", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "draw it for Graphviz; -: to stdout", NULL },
    { "svg", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "draw it as a picture; -: to stdout", NULL },
    { "plan", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "list the steps that run", NULL },
    { "graph", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "list the graph after the passes", NULL },
    { "ops", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "list the operators that the engine implements", NULL },
    { "optimize", 0, OPT_BOOL, "yes", 0, 0, NULL, NULL, "the model as in the file, without the passes", "Options" },
    { "isa", 0, OPT_STRING, NULL, 0, 0, NULL, "LEVEL", "highest instruction set", NULL },
    { "log-level", 0, OPT_CHOICE, "warn", 0, 0, "error|warn|info|debug", NULL, "what is told on stderr", NULL },
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

static void print_dims(int rank, const int64_t *d) {
    printf("[");
    for (int i = 0; i < rank; i++) printf("%s%lld", i ? "," : "", (long long)d[i]);
    printf("]");
}

static void print_tensor(const char *what, const struct np_tensor_info *t) {
    printf("%-8s %-32s %-5s ", what, t->name ? t->name : "", np_dtype_name(t->dtype));
    print_dims(t->rank, t->dims);
    if (t->scale != 0) printf("  scale %g zero point %d", (double)t->scale, t->zero_point);
    printf("\n");
}

static void print_line(void *opaque, const char *text) { puts(text); }

/* ---- text ---- */

/* Plug-ins that are here and take the file, and what the others say. */
struct takers {
    const struct np_runtime_search *search;
    const char *path;
    struct { char name[32], title[64], why[512]; int takes; } of[32];
    int n;
};

static void ask(void *opaque, const struct np_runtime_info *info) {
    struct takers *const t = opaque;
    struct np_error e = { 0 };
    if (!strcmp(info->name, "native") || t->n == (int)(sizeof t->of / sizeof *t->of)) return;
    const int r = np_runtime_takes(t->search, info->name, t->path, &e);
    snprintf(t->of[t->n].name, sizeof t->of->name, "%s", info->name);
    snprintf(t->of[t->n].title, sizeof t->of->title, "%s", info->title);
    snprintf(t->of[t->n].why, sizeof t->of->why, "%s", e.message);
    t->of[t->n++].takes = r == 0;
}

extern char **environ;

static const struct takers *takers(const char *path) {
    static struct np_runtime_search search;
    static struct takers t;
    np_runtime_search_env(&search, (const char *const *)environ);
    t = (struct takers){ .search = &search, .path = path };
    np_runtime_list(&search, 0, ask, &t);
    return &t;
}

static void print_layers(const struct np_inspection *x) {
    struct np_inspect_layer l;
    printf("%5s %-18s %-18s %-20s %10s %10s  %s\n", "layer", "op", "precision", "shape", "M macs", "numbers", "name (weights)");
    for (int i = 0; np_inspect_layer(x, i, &l) == 0; i++) {
        char d[96] = "[";
        size_t n = 1;
        for (int k = 0; k < l.rank && n < sizeof d; k++) n += (size_t)snprintf(d + n, sizeof d - n, "%s%lld", k ? "," : "", (long long)l.dims[k]);
        if (n < sizeof d) snprintf(d + n, sizeof d - n, "]");
        printf("%5d %-18s %-18s %-20s %10.3f %10lld  %s%s%s%s\n", i, l.op, l.precision, d, (double)l.macs * 1e-6, (long long)l.params, l.name, *l.weights ? " (" : "", l.weights, *l.weights ? ")" : "");
    }
}

static void print_all(const struct np_inspection *x, const char *path, const struct np_inspect_info *i) {
    struct np_tensor_info t;
    const char *op, *node, *why;
    int count, column = 0;
    printf("model    %s (%s, %.2f MB)\n", path, i->format, (double)i->file_bytes * 1e-6);
    for (int k = 0; np_inspect_tensor(x, 0, k, &t) == 0; k++) print_tensor("input", &t);
    for (int k = 0; np_inspect_tensor(x, 1, k, &t) == 0; k++) print_tensor("output", &t);
    printf("nodes    %d in the file", i->n_nodes);
    if (i->runs) printf(", %d steps in the plan", i->n_steps);
    printf("\n");
    for (int k = 0; np_inspect_op(x, k, &op, &count) == 0; k++) {
        if (column > 0 && column + (int)strlen(op) > 100) column = printf("\n") * 0;
        column += printf("%s%s %d", column ? ", " : k ? "         " : "ops      ", op, count);
    }
    printf("\nweights  %.3f M numbers:", (double)i->n_params * 1e-6);
    for (int k = 0, n = 0; k < NP_DTYPE_COUNT; k++)
        if (i->params[k]) printf("%s %.3f M %s", n++ ? "," : "", (double)i->params[k] * 1e-6, np_dtype_name(k));
    printf("\nwork     %.3f G multiply-adds\n", (double)i->macs * 1e-9);
    if (i->runs) printf("memory   weights %.2f MB, activations %.2f MB\n", (double)i->weights_bytes / 1048576, (double)i->arena_bytes / 1048576);
    for (int k = 0; np_inspect_trouble(x, k, &op, &node, &why) == 0; k++) printf("trouble  %s '%s': %s\n", op, node, why);
    if (i->n_skipped) printf("trouble  %d more nodes depend on these\n", i->n_skipped);
    const struct takers *const who = takers(path);
    int n = i->runs;
    printf("runs on  %s", i->runs ? "native" : "");
    for (int k = 0; k < who->n; k++)
        if (who->of[k].takes) printf("%s%s (%s)", n++ ? ", " : "", who->of[k].name, who->of[k].title);
    printf("%s\n", n ? "" : "nothing that is here");
    for (int k = 0; k < who->n; k++)
        if (!who->of[k].takes) printf("%-8s no: %s\n", who->of[k].name, who->of[k].why);
    if (!i->runs) printf("native   no: %s\n", i->why_not);
    if (i->sure >= 100) printf("head     %s, task %s, keypoints %s: %s\n", i->decoder, i->task, *i->keypoint_set ? i->keypoint_set : "none", i->card_why);
    else if (i->sure) printf("head     looks like %s, task %s, keypoints %s (%d %% sure: %s)\n", i->decoder, i->task, *i->keypoint_set ? i->keypoint_set : "none", i->sure, i->card_why);
    else printf("head     unknown: like no head that we know%s%s\n", *i->card_why ? "; " : "", i->card_why);
}

/* ---- JSON ---- */

static void json_text(const char *s) {
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') printf("\\%c", *s);
        else if ((unsigned char)*s < 32) printf("\\u%04x", *s);
        else putchar(*s);
    }
    putchar('"');
}

static void json_tensors(const struct np_inspection *x, int is_output) {
    struct np_tensor_info t;
    printf("  \"%s\": [", is_output ? "outputs" : "inputs");
    for (int k = 0; np_inspect_tensor(x, is_output, k, &t) == 0; k++) {
        printf("%s\n    { \"name\": ", k ? "," : "");
        json_text(t.name);
        printf(", \"type\": \"%s\", \"shape\": ", np_dtype_name(t.dtype));
        print_dims(t.rank, t.dims);
        if (t.scale != 0) printf(", \"scale\": %.9g, \"zero_point\": %d", (double)t.scale, t.zero_point);
        printf(" }");
    }
    printf("\n  ],\n");
}

static void json_all(const struct np_inspection *x, const char *path, const struct np_inspect_info *i) {
    const char *op, *node, *why;
    struct np_inspect_layer l;
    int count;
    printf("{\n  \"file\": ");
    json_text(path);
    printf(",\n  \"format\": \"%s\",\n  \"bytes\": %zu,\n", i->format, i->file_bytes);
    json_tensors(x, 0);
    json_tensors(x, 1);
    printf("  \"nodes\": %d,\n  \"ops\": {", i->n_nodes);
    for (int k = 0; np_inspect_op(x, k, &op, &count) == 0; k++) {
        printf("%s", k ? ", " : " ");
        json_text(op);
        printf(": %d", count);
    }
    printf(" },\n  \"parameters\": %lld,\n  \"parameters_by_type\": {", (long long)i->n_params);
    for (int k = 0, n = 0; k < NP_DTYPE_COUNT; k++)
        if (i->params[k]) printf("%s \"%s\": %lld", n++ ? "," : "", np_dtype_name(k), (long long)i->params[k]);
    printf(" },\n  \"macs\": %lld,\n  \"native\": { \"runs\": %s", (long long)i->macs, i->runs ? "true" : "false");
    if (i->runs) printf(", \"steps\": %d, \"weights_bytes\": %zu, \"activations_bytes\": %zu", i->n_steps, i->weights_bytes, i->arena_bytes);
    else printf(", \"why_not\": "), json_text(i->why_not);
    const struct takers *const t = takers(path);
    int n = i->runs;
    printf(" },\n  \"runtimes\": [%s", i->runs ? "\"native\"" : "");
    for (int k = 0; k < t->n; k++)
        if (t->of[k].takes) printf("%s\"%s\"", n++ ? ", " : "", t->of[k].name);
    printf("],\n  \"other_runtimes\": [");
    for (int k = 0, others = 0; k < t->n; k++) {
        if (t->of[k].takes) continue;
        printf("%s{ \"name\": \"%s\", \"why\": ", others++ ? ", " : "", t->of[k].name);
        json_text(t->of[k].why);
        printf(" }");
    }
    printf("],\n  \"troubles\": [");
    for (int k = 0; np_inspect_trouble(x, k, &op, &node, &why) == 0; k++) {
        printf("%s\n    { \"op\": ", k ? "," : "");
        json_text(op);
        printf(", \"node\": ");
        json_text(node);
        printf(", \"why\": ");
        json_text(why);
        printf(" }");
    }
    printf("%s],\n  \"skipped\": %d,\n  \"head\": { \"sure\": %d, \"card\": ", i->n_troubles ? "\n  " : "", i->n_skipped, i->sure);
    json_text(i->card_id);
    printf(", \"decoder\": \"%s\", \"task\": \"%s\", \"keypoint_set\": \"%s\", \"why\": ", i->decoder, i->task, i->keypoint_set);
    json_text(i->card_why);
    printf(" },\n  \"layers\": [");
    for (int k = 0; np_inspect_layer(x, k, &l) == 0; k++) {
        printf("%s\n    { \"name\": ", k ? "," : "");
        json_text(l.name);
        printf(", \"op\": \"%s\", \"precision\": \"%s\", \"shape\": ", l.op, l.precision);
        print_dims(l.rank, l.dims);
        printf(", \"macs\": %lld, \"parameters\": %lld, \"weights\": ", (long long)l.macs, (long long)l.params);
        json_text(l.weights);
        printf(" }");
    }
    printf("\n  ]\n}\n");
}

/* ---- */

static int dump(const struct opts *o, const struct np_model_params *p) {
    struct np_model *m = NULL;
    struct np_error e = { 0 };
    const int r = np_model_load(&m, o->rest[0], p, &e);
    if (r < 0) return tool_fail(tool_exit_code(r), &e);
    if (opt_bool(o, "graph")) np_model_dump(m, 1, print_line, NULL);
    if (opt_bool(o, "plan")) np_model_dump(m, 0, print_line, NULL);
    np_model_free(&m);
    return EXIT_OK;
}

static int inspect(const struct opts *o) {
    struct np_model_params p;
    struct np_inspection *x = NULL;
    struct np_inspect_info info;
    struct np_error e = { 0 };
    const char *const dot = opt_str(o, "dot"), *const svg = opt_str(o, "svg");
    np_model_params_default(&p);
    p.isa = opt_str(o, "isa");
    p.no_optimize = !opt_bool(o, "optimize");
    p.logger = tool_logger(tool_log_level(opt_str(o, "log-level")));
    int r = np_inspect(&x, o->rest[0], &p, &e);
    if (r < 0) return tool_fail(tool_exit_code(r), &e);
    np_inspect_info(x, &info);
    const int to_stdout = (dot && !strcmp(dot, "-")) || (svg && !strcmp(svg, "-"));
    if (opt_bool(o, "json")) json_all(x, o->rest[0], &info);
    else if (!to_stdout) print_all(x, o->rest[0], &info);
    if (opt_bool(o, "layers") && !opt_bool(o, "json")) print_layers(x);
    if (dot) r = inspect_dot(x, dot, &e);
    if (r >= 0 && svg) r = inspect_svg(x, svg, &e);
    np_inspect_free(&x);
    if (r < 0) return tool_fail(EXIT_RUNTIME, &e);
    if (info.runs && (opt_bool(o, "graph") || opt_bool(o, "plan"))) return dump(o, &p);
    return info.runs ? EXIT_OK : EXIT_MODEL;
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
