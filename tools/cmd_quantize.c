/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose quantize: a float model becomes an int8 one that keeps its accuracy.
 *
 *   clip or pictures ── detector, crops ── calibration ── all layers in int8 ── loss within --max-loss? ── yes ── done
 *                                                           └── no: scan, the most harmful layer back to float ──┘  (at most --keep-max of them)
 *
 * Loss: with labels, how much of the float net's accuracy is gone; without, the error of the outputs on inputs that were held out. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evaluate.h"
#include "io/source.h"
#include "nextpose/quantize.h"
#include "tool.h"

static const struct opt_def quantize_opts[] = {
    { "calibrate", 'c', OPT_STRING, NULL, 0, 0, NULL, "CLIP|DIR", "pictures to calibrate with: what the pipeline cuts out of them is what the net is run on", "Calibration" },
    { "samples", 0, OPT_INT, "96", 2, 4096, NULL, "N", "net inputs to keep, chosen evenly", NULL },
    { "frames", 0, OPT_INT, "400", 1, 1000000, NULL, "N", "frames to read at most, spread over the clip where its length is known", NULL },
    { "detector", 'd', OPT_STRING, NULL, 0, 0, NULL, "NAME", "whose boxes a pose net's crops are cut by (default: the default detector); none: whole pictures", NULL },
    { "models-dir", 0, OPT_STRING, NULL, 0, 0, NULL, "DIR", "where models are looked for first", NULL },
    { "ranges", 0, OPT_CHOICE, "auto", 0, 0, "auto|minmax|percentile|mse|entropy", NULL, "how ranges are chosen; auto: what errs least on inputs held out", "Quantization" },
    { "percentile", 0, OPT_FLOAT, "99.99", 50, 100, NULL, "X", "share of the values that a range holds, of --ranges percentile", NULL },
    { "weight-bits", 0, OPT_INT, "8", 7, 8, NULL, "N", "7 for runtimes whose 8-bit products saturate (x86 without VNNI); our engine needs no such care", NULL },
    { "equalize", 0, OPT_BOOL, "yes", 0, 0, NULL, NULL, "leave the channels of neighbouring layers as they are", NULL },
    { "bias-correction", 0, OPT_BOOL, "yes", 0, 0, NULL, NULL, "leave the biases as they are", NULL },
    { "keep-float", 0, OPT_STRING, NULL, 0, 0, NULL, "NAMES", "layers that stay in float: names or patterns with '*', separated by commas", NULL },
    { "range", 0, OPT_STRING, NULL, 0, 0, NULL, "NAME=LO:HI", "ranges that are known better, separated by commas", NULL },
    { "max-loss", 0, OPT_FLOAT, NULL, 0, 100, NULL, "X", "per cent of accuracy (with labels, default 1) or of output error (without, default 10) that may be lost", "Loss" },
    { "keep-max", 0, OPT_INT, "3", 0, 200, NULL, "N", "layers that may go back to float to stay within", NULL },
    { "labels", 'l', OPT_STRING, NULL, 0, 0, NULL, "FILE", "COCO labels: the loss is measured by accuracy, as nextpose eval does", NULL },
    { "images", 'i', OPT_STRING, NULL, 0, 0, NULL, "DIR", "folder with the labels' pictures", NULL },
    { "limit", 'n', OPT_INT, NULL, 1, 1000000, NULL, "N", "the first N labelled pictures only", NULL },
    { "metric", 0, OPT_CHOICE, "auto", 0, 0, "auto|ap|ap50|oks|pck", NULL, "figure that may not fall; auto: AP of joints for a pose net, of boxes for a detector", NULL },
    { "scan", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "print what each layer's int8 costs, also when nothing must be kept", "Output" },
    { "threads", 't', OPT_INT, NULL, 1, 64, NULL, "N", "threads (default: as many as this process may use)", NULL },
    { "isa", 0, OPT_STRING, NULL, 0, 0, NULL, "LEVEL", "highest instruction set", NULL },
    { "config", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "these options as 'key = value' lines", NULL },
    { "quiet", 'q', OPT_BOOL, NULL, 0, 0, NULL, NULL, "errors only", NULL },
    { "log-level", 0, OPT_CHOICE, "warn", 0, 0, "error|warn|info|debug", NULL, "what is told on stderr", NULL },
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

#define MOST_ROWS 12

struct job {
    struct opts o;
    const char *in, *out;
    char candidate[4096];          /* the model as it is tried, beside OUT; renamed at the end */
    char dirs[8192];
    struct np_settings s;
    struct np_logger log;
    struct np_calibration *calib;
    struct np_calibration_info ci;
    struct np_quantizer *q;
    struct np_quantize_report rep;
    struct evaluation ev;
    double before, after;          /* accuracy; NAN: no labels */
    double max_loss;               /* a share */
    struct np_quantize_layer row[MOST_ROWS];
    int n_rows, n_layers, n_kept;
    int tty;
};

static int usage(const char *fmt, const char *a) {
    tool_say(fmt, a);
    return EXIT_USAGE;
}

static int has_suffix(const char *s, const char *with) {
    const size_t n = strlen(s), k = strlen(with);
    return n > k && !strcmp(s + n - k, with);
}

static int check_options(struct job *j) {
    const struct opts *const o = &j->o;
    if (o->n_rest != 2) return usage("usage: nextpose quantize IN OUT --calibrate %s", "CLIP|DIR (nextpose quantize --help)");
    j->in = o->rest[0];
    j->out = o->rest[1];
    if (!opt_str(o, "calibrate")) return usage("no pictures to calibrate with: --calibrate %s", "CLIP|DIR");
    if (!has_suffix(j->out, ".onnx") && !has_suffix(j->out, ".tflite")) return usage("'%s': end its name in .onnx or .tflite, that is the format", j->out);
    if (!strcmp(j->in, j->out)) return usage("'%s' is the input: writing there would destroy it", j->out);
    if (!opt_str(o, "labels") != !opt_str(o, "images")) return usage("--labels and --images %s", "go together");
    j->max_loss = (opt_str(o, "max-loss") ? opt_float(o, "max-loss") : opt_str(o, "labels") ? 1 : 10) / 100;
    const char *slash = strrchr(j->out, '/');
    const int dir = slash ? (int)(slash + 1 - j->out) : 0;
    if ((size_t)snprintf(j->candidate, sizeof j->candidate, "%.*s.np-%ld-%s", dir, j->out, (long)getpid(), j->out + dir) >= sizeof j->candidate) return usage("'%.100s…': the name is too long", j->out);
    return 0;
}

static void say(const struct job *j, const char *what, int64_t done, int64_t all) {
    if (!j->tty) return;
    if (all > 0) fprintf(stderr, "\r\033[K%s %lld of %lld", what, (long long)done, (long long)all);
    else fprintf(stderr, "\r\033[K%s %lld", what, (long long)done);
}
static void clear(const struct job *j) {
    if (j->tty) fputs("\r\033[K", stderr);
}

/* Frames spread over the clip. Exit code. */
static int calibrate(struct job *j) {
    struct np_error e = { 0 };
    struct npi_source *src = NULL;
    const struct npi_source_params sp = { .logger = j->log };
    const int64_t most = opt_int(&j->o, "frames");
    int r = np_calibration_open(&j->calib, j->in, &j->s, opt_int(&j->o, "samples"), &e);
    if (r < 0) return tool_fail(tool_exit_code(r), &e);
    if ((r = npi_source_open(&src, opt_str(&j->o, "calibrate"), &sp, &e)) < 0) return tool_fail(EXIT_INPUT, &e);
    const int64_t n = src->info.n_frames, every = n > most ? n / most : 1;
    int64_t i = 0, used = 0;
    struct npi_pic *pic;
    while (used < most && (r = npi_source_read(src, &pic, &e)) == 0) {
        if (i++ % every == 0) {
            struct np_frame f = pic->f;
            f.release = NULL;
            r = np_calibration_add(j->calib, &f, &e);
            say(j, "calibration: frame", ++used, n > 0 ? (n < most ? n : most) : 0);
        }
        npi_pic_unref(pic);
        if (r < 0) break;
    }
    clear(j);
    npi_source_close(&src);
    if (r < 0 && r != NP_EEND) return tool_fail(r == NP_ENOMEM ? EXIT_RUNTIME : EXIT_INPUT, &e);
    np_calibration_info(j->calib, &j->ci);
    if (j->ci.n_samples < 2) {
        tool_say("'%s': %lld frames, but only %d inputs for the net came of them: give a clip or pictures with people in them", opt_str(&j->o, "calibrate"), (long long)j->ci.n_frames, j->ci.n_samples);
        return EXIT_INPUT;
    }
    return 0;
}

/* Commas, then `one` for each. */
static int each(const char *list, int (*one)(struct job *j, char *item, struct np_error *err), struct job *j, struct np_error *err) {
    char *const copy = list ? strdup(list) : NULL;
    int r = list && !copy ? npi_io_fail(err, NP_ENOMEM, "out of memory") : 0;
    char *rest = NULL;
    for (char *p = copy ? strtok_r(copy, ",", &rest) : NULL; p && r >= 0; p = strtok_r(NULL, ",", &rest)) {
        while (*p == ' ') p++;
        r = one(j, p, err);
    }
    free(copy);
    return r < 0 ? r : 0;
}

static int keep_one(struct job *j, char *item, struct np_error *err) {
    const int n = np_quantizer_keep(j->q, item, err);
    return n == 0 ? npi_io_fail(err, NP_EINVAL, "--keep-float '%s': no layer is called so; --scan lists their names", item) : n;
}

static int range_one(struct job *j, char *item, struct np_error *err) {
    char *eq = strrchr(item, '=');
    float lo, hi;
    if (!eq || sscanf(eq + 1, "%f:%f", &lo, &hi) != 2) return npi_io_fail(err, NP_EINVAL, "--range '%s': must be NAME=LO:HI", item);
    *eq = '\0';
    const int n = np_quantizer_range(j->q, item, lo, hi, err);
    return n == 0 ? npi_io_fail(err, NP_EINVAL, "--range '%s': no tensor is called so", item) : n;
}

static int open_quantizer(struct job *j) {
    struct np_quantize_params p;
    struct np_error e = { 0 };
    const struct opts *const o = &j->o;
    np_quantize_params_default(&p);
    for (int i = 0; np_ranges_name(i); i++)
        if (!strcmp(np_ranges_name(i), opt_str(o, "ranges"))) p.ranges = i;
    p.percentile = opt_float(o, "percentile");
    p.weight_bits = opt_int(o, "weight-bits");
    p.no_equalize = !opt_bool(o, "equalize");
    p.no_bias_correction = !opt_bool(o, "bias-correction");
    p.isa = opt_str(o, "isa");
    p.logger = j->log;
    if (j->tty) fputs("\r\033[Kcalibration: ranges", stderr);
    int r = np_quantizer_open(&j->q, j->in, &p, j->calib, &e);
    clear(j);
    if (r < 0) return tool_fail(tool_exit_code(r), &e);
    if ((r = each(opt_str(o, "keep-float"), keep_one, j, &e)) < 0 || (r = each(opt_str(o, "range"), range_one, j, &e)) < 0) return tool_fail(r == NP_EINVAL ? EXIT_USAGE : EXIT_RUNTIME, &e);
    return 0;
}

static double figure(const struct job *j, const struct np_eval_score *s) {
    const char *const m = opt_str(&j->o, "metric");
    if (!strcmp(m, "oks")) return s->oks;
    if (!strcmp(m, "pck")) return s->pck;
    return (j->ci.is_detector ? s->boxes : s->keypoints)[!strcmp(m, "ap50")];
}

/* The accuracy of a model file on the labels. */
static int accuracy(struct job *j, const char *model, double *out, struct np_error *err) {
    struct np_context *ctx = NULL;
    struct np_settings s = j->s;
    struct np_eval_score score;
    s.detector = j->ci.is_detector ? model : "none";
    s.model = j->ci.is_detector ? "none" : model;
    s.mode = NP_MODE_SYNC;
    s.max_persons = 64;
    s.bbox_thr = .05f;
    np_eval_clear(j->ev.eval);
    int r = np_open(&ctx, &s, err);
    if (r == 0) r = evaluation_run(&j->ev, ctx, err);
    if (r == 0) r = np_eval_score(j->ev.eval, &score, err);
    if (r == 0) *out = figure(j, &score);
    np_close(&ctx);
    return r;
}

static int open_labels(struct job *j) {
    struct np_error e = { 0 };
    const struct opts *const o = &j->o;
    j->before = j->after = NAN;
    if (!opt_str(o, "labels")) return 0;
    j->ev.images = opt_str(o, "images");
    j->ev.log = j->log;
    j->ev.progress = !opt_bool(o, "quiet");
    j->ev.given = !j->ci.is_detector;
    int r = np_eval_open(&j->ev.eval, opt_str(o, "labels"), &e);
    if (r < 0) return tool_fail(EXIT_INPUT, &e);
    if (opt_str(o, "limit")) np_eval_limit(j->ev.eval, opt_int(o, "limit"));
    np_eval_info(j->ev.eval, &j->ev.info);
    if (j->ev.given && !j->ev.info.n_people) return usage("nobody in '%s' has labelled joints", opt_str(o, "labels"));
    if ((r = evaluation_check(&j->ev, &e)) < 0) return tool_fail(EXIT_INPUT, &e);
    if ((r = accuracy(j, j->in, &j->before, &e)) < 0) return tool_fail(tool_exit_code(r), &e);
    if (!(j->before > 0)) return usage("the float net has no accuracy on these labels (%s), so none can be lost: are they of these pictures?", opt_str(o, "metric"));
    return 0;
}

static int progress(void *opaque, int done, int all) {
    say(opaque, "scan: layer", done, all);
    return 0;
}

/* Writes the candidate and says what is lost. */
static int attempt(struct job *j, double *loss, struct np_error *err) {
    const size_t size = j->rep.bytes_out;
    int r = np_quantizer_measure(j->q, &j->rep, err);
    if (r < 0) return r;
    struct np_quantize_report w;
    j->rep.bytes_out = size;
    if ((r = np_quantizer_write(j->q, j->candidate, &w, err)) < 0) return r;
    j->rep.bytes_out = w.bytes_out;
    if (isnan(j->before)) {
        *loss = j->rep.error;
        return 0;
    }
    if ((r = accuracy(j, j->candidate, &j->after, err)) < 0) return r;
    *loss = (j->before - j->after) / j->before;
    return 0;
}

/* All in int8, then back to float what hurts most, until the loss is within. */
static int search(struct job *j, double *loss, struct np_error *err) {
    const int most = opt_int(&j->o, "keep-max");
    int r = attempt(j, loss, err);
    while (r == 0 && (*loss > j->max_loss || (opt_bool(&j->o, "scan") && !j->n_layers))) {
        if (j->n_kept >= most && j->n_layers) break;
        struct np_quantize_layer row[MOST_ROWS];
        const int n = np_quantizer_scan(j->q, row, MOST_ROWS, progress, j, err);
        clear(j);
        if (n < 0) return n;
        if (!j->n_layers) {
            memcpy(j->row, row, sizeof row);
            j->n_layers = n;
            j->n_rows = n < MOST_ROWS ? n : MOST_ROWS;
        }
        if (!(*loss > j->max_loss) || j->n_kept >= most) break;
        int best = 0; /* the best that there is room for */
        while (best < n && best < MOST_ROWS && row[best].with && j->n_kept + 2 > most) best++;
        if (best >= n || best >= MOST_ROWS || !(row[best].gain > 0)) break;
        const struct np_quantize_layer *const k = &row[best];
        if ((r = np_quantizer_keep(j->q, k->name, err)) < 0 || (k->with && (r = np_quantizer_keep(j->q, k->with, err)) < 0)) return r;
        j->n_kept += k->with ? 2 : 1;
        if (!opt_bool(&j->o, "quiet")) printf("kept     %s%s%s in float: the loss was %.2f %%\n", k->name, k->with ? " and " : "", k->with ? k->with : "", 100 * *loss);
        r = attempt(j, loss, err);
    }
    return r;
}

static int by_time(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Median milliseconds a run of both, in turns, so that what else the machine does falls on both. */
static int latency(struct job *j, double ms[2], struct np_error *err) {
    enum { RUNS = 31 };
    static int64_t t[2][RUNS];
    struct np_model *m[2] = { 0 };
    struct np_session *s[2] = { 0 };
    struct np_model_params p;
    np_model_params_default(&p);
    p.isa = opt_str(&j->o, "isa");
    const char *const path[2] = { j->in, j->candidate };
    int r = 0;
    for (int i = 0; i < 2 && r == 0; i++)
        if ((r = np_model_load(&m[i], path[i], &p, err)) == 0 && (r = np_session_open(&s[i], m[i], NULL, err)) == 0) r = np_session_run(s[i], err);
    for (int k = 0; k < RUNS && r == 0; k++)
        for (int i = 0; i < 2 && r == 0; i++) {
            const int64_t t0 = npi_io_now_ns();
            r = np_session_run(s[i], err);
            t[i][k] = npi_io_now_ns() - t0;
        }
    for (int i = 0; i < 2; i++) {
        qsort(t[i], RUNS, sizeof t[i][0], by_time);
        ms[i] = (double)t[i][RUNS / 2] * 1e-6;
        np_session_free(&s[i]);
        np_model_free(&m[i]);
    }
    return r;
}

static void print_report(const struct job *j, double loss, const double ms[2]) {
    const char *name;
    double error, cosine, snr;
    printf("inputs   %d of %lld that the net got on %lld frames of %s (boxes: %s)\n", j->ci.n_samples, (long long)j->ci.n_seen, (long long)j->ci.n_frames, opt_str(&j->o, "calibrate"),
           j->ci.is_detector ? "whole frames" : j->ci.detector_id);
    printf("ranges   %s%s; %d pairs of layers equalized; bias correction %s\n", np_ranges_name(j->rep.ranges), strcmp(opt_str(&j->o, "ranges"), "auto") ? "" : " (auto)", j->rep.n_equalized,
           opt_bool(&j->o, "bias-correction") ? "on" : "off");
    printf("layers   %d of %d convolutions in int8, %d tensors\n", j->rep.n_int8_convs, j->rep.n_convs, j->rep.n_int8_tensors);
    for (int i = 0; np_quantizer_output(j->q, i, &name, &error, &cosine, &snr) == 0; i++)
        printf("output   %-24s error %.4f  cosine %.6f  SNR %.1f dB\n", name, error, cosine, snr);
    if (!isnan(j->before))
        printf("accuracy %s %.4f float, %.4f int8: %+.2f %% (%d pictures of %s)\n", opt_str(&j->o, "metric"), j->before, j->after, -100 * loss, j->ev.info.n_images, opt_str(&j->o, "labels"));
    printf("size     %.2f MB, was %.2f MB\n", (double)j->rep.bytes_out * 1e-6, (double)j->rep.bytes_in * 1e-6);
    printf("speed    %.2f ms float, %.2f ms int8: x%.2f (our engine, one thread, in turns)\n", ms[0], ms[1], ms[0] / ms[1]);
    for (int i = 0; i < j->n_rows; i++)
        printf("%s%8.2f MMAC  error falls by %.5f with %s%s%s in float\n", i ? "         " : "scan     ", (double)j->row[i].macs * 1e-6, j->row[i].gain, j->row[i].name, j->row[i].with ? " and " : "",
               j->row[i].with ? j->row[i].with : "");
    if (j->n_layers > j->n_rows) printf("         and %d more that gain less a layer\n", j->n_layers - j->n_rows);
}

static int quantize(struct job *j) {
    struct np_error e = { 0 };
    const struct opts *const o = &j->o;
    double loss = 0, ms[2] = { 0 };
    int r = check_options(j);
    if (r) return r;
    j->log = tool_logger(opt_bool(o, "quiet") ? NP_LOG_ERROR : tool_log_level(opt_str(o, "log-level")));
    j->tty = !opt_bool(o, "quiet") && isatty(STDERR_FILENO);
    np_settings_default(&j->s);
    tool_models_dirs(j->dirs, sizeof j->dirs, opt_str(o, "models-dir"));
    j->s.models_dir = j->dirs;
    j->s.detector = opt_str(o, "detector");
    j->s.isa = opt_str(o, "isa");
    j->s.threads = opt_str(o, "threads") ? opt_int(o, "threads") : 0;
    j->s.logger = j->log;
    if ((r = calibrate(j)) || (r = open_quantizer(j)) || (r = open_labels(j))) return r;
    if ((r = search(j, &loss, &e)) < 0 || (r = latency(j, ms, &e)) < 0) return tool_fail(r == NP_EIO ? EXIT_RUNTIME : tool_exit_code(r), &e);
    if (rename(j->candidate, j->out)) {
        tool_say("cannot write '%s'", j->out);
        return EXIT_RUNTIME;
    }
    char card[4096];
    if ((r = np_quantizer_card(j->q, j->out, card, sizeof card, &e)) < 0) return tool_fail(EXIT_RUNTIME, &e);
    if (!opt_bool(o, "quiet")) {
        printf("wrote    %s\ncard     %s\n", j->out, *card ? card : "in the model file; a .json is there already and was left alone");
        print_report(j, loss, ms);
    }
    if (loss > j->max_loss) {
        tool_say("warning: %.2f %% are lost, more than the %.2f %% of --max-loss, with %d layers kept in float; more may be with --keep-max, better pictures to calibrate with may help",
                 100 * loss, 100 * j->max_loss, j->n_kept);
    }
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_RUNTIME;
}

int cmd_quantize(int argc, char **argv) {
    struct job *const j = calloc(1, sizeof *j);
    struct np_error e = { 0 };
    if (!j) return EXIT_RUNTIME;
    int code = EXIT_OK;
    opts_init(&j->o, quantize_opts, "quantize");
    if (opts_parse(&j->o, argc, argv, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (j->o.help) {
        printf("usage: nextpose quantize IN OUT.onnx|OUT.tflite --calibrate CLIP|DIR [OPTIONS]\n\n"
               "Makes an int8 model of a float one: int8 weights and activations, ranges from what the net really gets.\n");
        opts_print_help(&j->o, stdout);
    } else code = quantize(j);
    if (*j->candidate) unlink(j->candidate);
    np_quantizer_close(&j->q);
    np_calibration_close(&j->calib);
    np_eval_close(&j->ev.eval);
    opts_free(&j->o);
    free(j);
    return code;
}
