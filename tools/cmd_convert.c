/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose convert: .onnx <-> .tflite, or the same format with smaller weights. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert_config.h"
#include "convert_int8.h"
#include "tool.h"

static const struct opt_def convert_opts[] = {
    { "strategy", 0, OPT_CHOICE, "auto", 0, 0, "auto|fp32|fp16|dynamic|int8", NULL, "what the weights become", "What" },
    { "format", 0, OPT_CHOICE, NULL, 0, 0, "onnx|tflite", NULL, "of OUT (default: by its name)", NULL },
    { "io-layout", 0, OPT_CHOICE, "auto", 0, 0, "auto|native|keep", NULL, "images in and out: in the format's order, or as in the file", NULL },
    { "shape", 0, OPT_STRING, NULL, 0, 0, NULL, "N,…", "another shape of the (first) input; -1: as in the file", NULL },
    { "card", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "model card of OUT (default: that of IN)", NULL },
    { "config", 0, OPT_STRING, NULL, 0, 0, "own", "FILE", "settings of the net and of single layers: [convert], [layer NAME]", NULL },
    { "calibrate", 'c', OPT_STRING, NULL, 0, 0, NULL, "CLIP|DIR", "int8, auto: pictures that the net is run on to find its ranges (more of this: nextpose quantize)", "8 bits" },
    { "max-error", 0, OPT_FLOAT, "10", 0, 100, NULL, "X", "auto: int8 when it moves the outputs by at most X per cent, on inputs held out", NULL },
    { "detector", 'd', OPT_STRING, NULL, 0, 0, NULL, "NAME", "whose boxes a pose net's crops are cut by (default: the default detector); none: whole pictures", NULL },
    { "models-dir", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "where models are looked for first", NULL },
    { "check", 0, OPT_BOOL, "yes", 0, 0, NULL, NULL, "do not read OUT back and run it beside IN", "How" },
    { "log-level", 0, OPT_CHOICE, "warn", 0, 0, "error|warn|info|debug", NULL, "what is told on stderr", NULL },
    { "quiet", 'q', OPT_BOOL, NULL, 0, 0, NULL, NULL, "errors only", NULL },
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

static volatile sig_atomic_t interrupted;
static void on_signal(int sig) { interrupted = 1; }
static int stop(void *opaque) { return interrupted; }

static int strategy_of(const char *name) {
    for (int i = 0; np_strategy_name(i); i++)
        if (!strcmp(np_strategy_name(i), name)) return i;
    return NP_STRATEGY_AUTO;
}

static int shape_of(const char *text, struct np_convert_params *p, struct np_error *err) {
    const char *s = text;
    for (p->rank = 0; s && *s && p->rank < NP_MAX_RANK;) {
        char *end;
        p->dims[p->rank++] = strtoll(s, &end, 10);
        if (end == s || (*end && *end != ',') || p->dims[p->rank - 1] < -1) return npi_io_fail(err, NP_EINVAL, "--shape %s: must be numbers separated by commas", text);
        s = *end ? end + 1 : end;
    }
    return s && *s ? npi_io_fail(err, NP_EINVAL, "--shape %s: at most %d numbers", text, NP_MAX_RANK) : 0;
}

/* The file's [convert] section stands behind flags and environment, before defaults. */
static int apply_config(struct opts *o, const struct convert_config *c, const char *path, struct np_error *err) {
    const struct { const char *name, *value; } key[] = { { "strategy", c->strategy }, { "format", c->format }, { "io-layout", c->io_layout } };
    for (size_t i = 0; i < sizeof key / sizeof *key; i++) {
        const int r = *key[i].value ? opts_set(o, key[i].name, key[i].value, FROM_CONFIG, path, err) : 0;
        if (r < 0) return r;
    }
    return 0;
}

static void report(const char *out, const struct np_convert_report *rep) {
    printf("wrote    %s\n", out);
    printf("strategy %s%s%s\n", np_strategy_name(rep->strategy), *rep->why ? ": " : "", rep->why);
    if (rep->n_layers && rep->n_fp16 + rep->n_int8) printf("layers   %d with weights: %d float, %d fp16, %d int8\n", rep->n_layers, rep->n_float, rep->n_fp16, rep->n_int8);
    printf("size     %.2f MB, was %.2f MB\n", (double)rep->bytes_out * 1e-6, (double)rep->bytes_in * 1e-6);
    printf("nodes    %d, of which %d Transpose\n", rep->n_nodes, rep->n_transposes);
    if (rep->difference >= 0) printf("check    read back and run beside the original: outputs differ by %.1e\n", rep->difference);
    if (*rep->card) printf("card     %s\n", rep->card);
    for (const char *s = rep->notes; *s;) {
        const int n = (int)strcspn(s, "\n");
        printf("note     %.*s\n", n, s);
        s += n + (s[n] != 0);
    }
}

static int usage(const char *text, const char *arg) {
    tool_say(text, arg);
    return EXIT_USAGE;
}

/* With pictures: strategy int8, or auto if the error is small enough. Exit code when that was it; -1: go on without, `why` says why not. */
static int with_pictures(const struct opts *o, const struct convert_config *config, const struct np_convert_params *p, char *why, size_t size) {
    struct convert_int8 x = { 0 };
    struct np_error e = { 0 };
    struct np_settings s;
    char dirs[8192];
    const char *const clip = opt_str(o, "calibrate");
    const double most = opt_float(o, "max-error") / 100;
    if (p->strategy != NP_STRATEGY_INT8 && p->strategy != NP_STRATEGY_AUTO) return usage("--calibrate belongs to the strategies int8 and auto, and this is %s", opt_str(o, "strategy"));
    if (p->format != NP_FORMAT_BY_NAME || p->io_layout != NP_IO_LAYOUT_AUTO || p->rank || p->card)
        return usage("--format, --io-layout, --shape and --card do not go together with %s: convert first, then calibrate the result", "--calibrate");
    np_settings_default(&s);
    tool_models_dirs(dirs, sizeof dirs, opt_str(o, "models-dir"));
    s.models_dir = dirs;
    s.detector = opt_str(o, "detector");
    s.logger = p->logger;
    int code = -1, r = convert_int8_open(&x, o->rest[0], clip, config, &s, stop, &e);
    const int accept = r >= 0 && (p->strategy == NP_STRATEGY_INT8 || x.rep.error <= most);
    if (accept) r = convert_int8_write(&x, o->rest[1], &e);
    if (r < 0) code = r == NP_EINTR ? tool_fail(EXIT_INTERRUPTED, &e) : tool_fail(r == NP_EIO ? EXIT_RUNTIME : tool_exit_code(r), &e);
    else if (!accept) snprintf(why, size, "int8 would move the outputs by %.1f %% on inputs held out, more than %.1f %% (nextpose quantize can keep single layers in float). ", 100 * x.rep.error, 100 * most);
    else {
        code = EXIT_OK;
        if (!opt_bool(o, "quiet")) {
            printf("wrote    %s\nstrategy int8%s\n", o->rest[1], p->strategy == NP_STRATEGY_AUTO ? ": the smallest and fastest, and the error is small enough" : "");
            printf("error    %.2f %% of the worst output on inputs held out, cosine %.5f (%d samples)\n", 100 * x.rep.error, x.rep.cosine, x.rep.n_samples);
            printf("layers   %d of %d convolutions in int8\n", x.rep.n_int8_convs, x.rep.n_convs);
            printf("size     %.2f MB, was %.2f MB\n", (double)x.rep.bytes_out * 1e-6, (double)x.rep.bytes_in * 1e-6);
            printf("card     %s\n", *x.card ? x.card : "in the model file; a .json is there already and was left alone");
        }
    }
    convert_int8_close(&x);
    return code;
}

static int convert(struct opts *o) {
    static struct convert_config config;
    static struct np_convert_rule rule[CONVERT_RULES];
    struct np_convert_params p;
    struct np_convert_report rep;
    struct np_error e = { 0 };
    np_convert_params_default(&p);
    const char *const path = opt_str(o, "config");
    if (path && (convert_config_read(&config, path, &e) < 0 || apply_config(o, &config, path, &e) < 0)) return tool_fail(EXIT_USAGE, &e);
    if (opt_str(o, "shape") && shape_of(opt_str(o, "shape"), &p, &e) < 0) return tool_fail(EXIT_USAGE, &e);
    const char *const layout = opt_str(o, "io-layout"), *const format = opt_str(o, "format");
    p.strategy = strategy_of(opt_str(o, "strategy"));
    p.io_layout = !strcmp(layout, "keep") ? NP_IO_LAYOUT_KEEP : !strcmp(layout, "native") ? NP_IO_LAYOUT_NATIVE : NP_IO_LAYOUT_AUTO;
    p.format = !format ? NP_FORMAT_BY_NAME : !strcmp(format, "onnx") ? NP_FORMAT_ONNX : NP_FORMAT_TFLITE;
    p.card = opt_str(o, "card");
    p.no_check = !opt_bool(o, "check");
    p.logger = tool_logger(tool_log_level(opt_str(o, "log-level")));
    p.stop = stop;
    for (int i = 0; i < config.n_layers; i++) {
        const struct convert_layer *l = &config.layer[i];
        if (l->has_range && !opt_str(o, "calibrate")) {
            tool_say("%s: [layer %s] range: ranges belong to int8 with --calibrate, and this is strategy %s without", path, l->pattern, opt_str(o, "strategy"));
            return EXIT_USAGE;
        }
        rule[p.n_rules++] = (struct np_convert_rule){ .pattern = l->pattern, .precision = l->precision, .per_tensor = l->per_tensor };
    }
    p.rule = rule;
    const struct sigaction a = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    char why[300] = "";
    if (opt_str(o, "calibrate")) {
        const int code = with_pictures(o, &config, &p, why, sizeof why);
        if (code >= 0) return code;
    }
    const int r = np_convert(o->rest[0], o->rest[1], &p, &rep, &e);
    if (r == NP_EINTR) return tool_fail(EXIT_INTERRUPTED, &e);
    if (r < 0) return tool_fail(r == NP_EINVAL ? EXIT_USAGE : r == NP_EIO ? EXIT_RUNTIME : tool_exit_code(r), &e);
    if (!opt_bool(o, "quiet")) {
        if (*why) printf("int8     no: %s\n", why);
        report(o->rest[1], &rep);
    }
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
    } else if (!strcmp(o.rest[0], o.rest[1])) {
        tool_say("'%s' is the input: writing there would destroy it", o.rest[0]);
        code = EXIT_USAGE;
    } else code = convert(&o);
    opts_free(&o);
    return code;
}
