/* SPDX-License-Identifier: Apache-2.0 */
/* np_quantizer: a model file, its card, and the quantizer of src/quant between the importer and the writers. */
#include "nextpose/quantize.h"

#include <stdio.h>
#include <string.h>

#include "api/calibration.h"
#include "api/convert_priv.h"
#include "base/mmap.h"
#include "export/export.h"
#include "import/import.h"
#include "pass/pass.h"
#include "pass/passes.h"
#include "quant/quant.h"

#define LOAD_LIMIT_BYTES ((size_t)4 << 30)
#define MOST_KEPT 256

struct np_quantizer {
    struct npi_arena mem;
    struct npi_file file;
    struct npi_graph g;
    struct npi_quantizer *q;
    struct np_quantize_params p;
    struct npi_quant_config cfg;
    const char *keep[MOST_KEPT];
    struct npi_quant_range range[MOST_KEPT];
    struct npi_card card;
    struct npi_quant_output_error *outs;
    struct npi_quant_layer *layers;
    int measured, n_equalized, n_samples;
};

const char *np_ranges_name(int r) { return npi_range_method_name(r); }
void np_quantize_params_default(struct np_quantize_params *p) { *p = (struct np_quantize_params){ 0 }; }

/* Which outputs the head reads: the others' errors do not matter. */
static unsigned outputs_read(const struct npi_graph *g, const struct np_calibration *c) {
    struct npi_view out[NPI_MAX_OUTPUTS];
    struct npi_decoder *d;
    if (g->n_outputs > NPI_MAX_OUTPUTS) return 0;
    for (int i = 0; i < g->n_outputs; i++) out[i] = g->tensor[g->output[i]].v;
    if (npi_decoder_open(&d, &c->target->card, out, g->n_outputs, c->target->in.width, c->target->in.height, NULL) < 0) return 0;
    const unsigned used = npi_decoder_outputs(d);
    npi_decoder_free(&d);
    return used;
}

static int load(struct np_quantizer *q, const char *path, struct np_error *err) {
    const struct npi_import_opts o = { .path = path, .logger = &q->p.logger };
    int r = npi_file_map(&q->file, path, err);
    if (r < 0) return r == NP_ENOENT ? NP_EMODEL : r;
    if (npi_graph_init(&q->g, &q->mem, path) < 0) return npi_fail(err, NP_ENOMEM, "%s: out of memory", path);
    if ((r = npi_import(&q->g, q->file.data, q->file.size, &o, err)) < 0) return r;
    return npi_pass_for_files(&q->g, &q->p.logger, err);
}

static int calibrate(struct np_quantizer *q, const struct np_calibration *c, struct np_error *err) {
    int r = npi_quantizer_open(&q->q, &q->g, q->p.isa, &q->p.logger, err);
    if (r < 0) return r;
    if (c->n_samples < 2) return npi_fail(err, NP_EINVAL, "%s: only %d inputs came out of %lld calibration frames: give a clip or pictures with people in them", q->g.path, c->n_samples, (long long)c->n_frames);
    if (npi_quantizer_input_bytes(q->q) != c->bytes)
        return npi_fail(err, NP_EINVAL, "%s: takes %zu bytes, the calibration has inputs of %zu: it is of another model", q->g.path, npi_quantizer_input_bytes(q->q), c->bytes);
    npi_quantizer_outputs(q->q, outputs_read(&q->g, c));
    if (!q->p.no_equalize && (r = npi_quantizer_equalize(q->q, c->sample[0], err)) < 0) return r;
    q->n_equalized = r;
    if ((r = npi_quantizer_calibrate(q->q, (const void *const *)c->sample, c->n_samples, err)) < 0) return r;
    q->n_samples = c->n_samples;
    q->cfg.method = q->p.ranges;
    return q->p.ranges == NP_RANGES_AUTO ? npi_quantizer_best_method(q->q, &q->cfg, &q->cfg.method, err) : 0;
}

int np_quantizer_open(struct np_quantizer **out, const char *model, const struct np_quantize_params *p, const struct np_calibration *c, struct np_error *err) {
    struct np_quantize_params def;
    if (!out || !model || !c) return npi_fail(err, NP_EINVAL, "np_quantizer_open: NULL argument");
    np_quantize_params_default(&def);
    if (!p) p = &def;
    if (p->weight_bits && p->weight_bits != 7 && p->weight_bits != 8) return npi_fail(err, NP_EINVAL, "weight_bits: %d is neither 7 nor 8", p->weight_bits);
    if (!npi_range_method_name(p->ranges)) return npi_fail(err, NP_EINVAL, "ranges: %d is no method", p->ranges);
    struct np_quantizer *q = npi_alloc(sizeof *q);
    if (!q) return npi_fail(err, NP_ENOMEM, "out of memory");
    npi_arena_init(&q->mem, LOAD_LIMIT_BYTES);
    q->p = *p;
    q->cfg = (struct npi_quant_config){ .percentile = p->percentile, .weight_bits = p->weight_bits, .no_bias_correction = p->no_bias_correction, .keep = q->keep, .range = q->range, .u8 = 1 };
    q->card = c->target->card;
    q->card.n_sha256 = q->card.n_files = 0; /* of the float file */
    q->card.in.layout = NPI_LAYOUT_AUTO;    /* the format's */
    int r = load(q, c->target->path, err);
    if (r >= 0) r = calibrate(q, c, err);
    if (r >= 0 && (!(q->outs = npi_arena_array(&q->mem, struct npi_quant_output_error, q->g.n_outputs + 1)) ||
                   !(q->layers = npi_arena_array(&q->mem, struct npi_quant_layer, 2 * npi_quantizer_n_layers(q->q) + 1))))
        r = npi_fail(err, NP_ENOMEM, "out of memory");
    if (r < 0) np_quantizer_close(&q);
    else *out = q;
    return r < 0 ? r : 0;
}

void np_quantizer_close(struct np_quantizer **q) {
    if (!q || !*q) return;
    npi_quantizer_close(&(*q)->q);
    npi_file_unmap(&(*q)->file);
    npi_arena_free(&(*q)->mem);
    npi_free(*q);
    *q = NULL;
}

int np_quantizer_keep(struct np_quantizer *q, const char *pattern, struct np_error *err) {
    if (!q || !pattern || !*pattern) return npi_fail(err, NP_EINVAL, "np_quantizer_keep: no pattern");
    if (q->cfg.n_keep == MOST_KEPT) return npi_fail(err, NP_ELIMIT, "more than %d layers are to stay in float", MOST_KEPT);
    if (!(q->keep[q->cfg.n_keep] = npi_arena_strndup(&q->mem, pattern, strlen(pattern)))) return npi_fail(err, NP_ENOMEM, "out of memory");
    q->cfg.n_keep++;
    return npi_quantizer_matches(q->q, pattern, 1);
}

void np_quantizer_unkeep(struct np_quantizer *q) {
    if (q && q->cfg.n_keep) q->cfg.n_keep--;
}

int np_quantizer_range(struct np_quantizer *q, const char *pattern, float lo, float hi, struct np_error *err) {
    if (!q || !pattern || !*pattern) return npi_fail(err, NP_EINVAL, "np_quantizer_range: no pattern");
    if (!(lo < hi && lo >= -1e9f && hi <= 1e9f)) return npi_fail(err, NP_EINVAL, "range of '%s': %g to %g is none", pattern, (double)lo, (double)hi);
    if (q->cfg.n_ranges == MOST_KEPT) return npi_fail(err, NP_ELIMIT, "more than %d ranges are given", MOST_KEPT);
    const char *name = npi_arena_strndup(&q->mem, pattern, strlen(pattern));
    if (!name) return npi_fail(err, NP_ENOMEM, "out of memory");
    q->range[q->cfg.n_ranges++] = (struct npi_quant_range){ name, lo, hi };
    return npi_quantizer_matches(q->q, pattern, 0);
}

/* Convolutions of a model as it runs, and how many of them on integers. */
static void count_convs(const struct np_model *m, struct np_quantize_report *rep) {
    for (int i = 0; i < m->graph.n_nodes; i++) {
        const struct npi_node *n = &m->graph.node[i];
        if (n->op != NPI_OP_CONV2D && n->op != NPI_OP_DWCONV2D && n->op != NPI_OP_FULLY_CONNECTED) continue;
        rep->n_convs++;
        rep->n_int8_convs += m->graph.tensor[n->in[0]].v.q.n > 0 && m->graph.tensor[n->out[0]].v.q.n > 0;
    }
}

/* On one line: the reader of ONNX metadata has no line ends in it. */
static void flatten(char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 32) *s = ' ';
}

static int build(struct np_quantizer *q, struct npi_graph *g, struct npi_arena *mem, struct np_quantize_report *rep, struct np_error *err) {
    struct npi_quant_counts n;
    struct np_model *m = NULL;
    int r = npi_quantizer_build(q->q, &q->cfg, g, mem, &n, err);
    if (r == 0) r = npi_model_of_graph(&m, g, q->p.isa, 1, err);
    if (r < 0) return r;
    *rep = (struct np_quantize_report){ .n_int8_tensors = n.pairs, .n_equalized = q->n_equalized, .n_samples = q->n_samples, .ranges = q->cfg.method, .bytes_in = q->file.size };
    count_convs(m, rep);
    np_model_free(&m);
    return 0;
}

int np_quantizer_measure(struct np_quantizer *q, struct np_quantize_report *out, struct np_error *err) {
    struct npi_arena mem;
    struct npi_graph g;
    struct np_quantize_report rep;
    struct npi_quant_error e;
    if (!q || !out) return npi_fail(err, NP_EINVAL, "np_quantizer_measure: NULL argument");
    npi_arena_init(&mem, LOAD_LIMIT_BYTES);
    int r = build(q, &g, &mem, &rep, err);
    if (r == 0) r = npi_quantizer_error(q->q, &q->cfg, &e, q->outs, err);
    npi_arena_free(&mem);
    if (r < 0) return r;
    rep.error = e.relative;
    rep.cosine = e.cosine;
    q->measured = 1;
    *out = rep;
    return 0;
}

int np_quantizer_output(const struct np_quantizer *q, int i, const char **name, double *error, double *cosine, double *snr_db) {
    if (!q || !q->measured || i < 0 || i >= q->g.n_outputs) return NP_EEND;
    *name = q->outs[i].name;
    *error = q->outs[i].relative;
    *cosine = q->outs[i].cosine;
    *snr_db = q->outs[i].snr_db;
    return 0;
}

int np_quantizer_scan(struct np_quantizer *q, struct np_quantize_layer *layer, int most, int (*progress)(void *opaque, int done, int all), void *opaque, struct np_error *err) {
    if (!q || (most > 0 && !layer)) return npi_fail(err, NP_EINVAL, "np_quantizer_scan: NULL argument");
    int n = 0;
    const int r = npi_quantizer_scan(q->q, &q->cfg, q->layers, &n, progress, opaque, err);
    if (r < 0) return r;
    for (int i = 0; i < n && i < most; i++) layer[i] = (struct np_quantize_layer){ q->layers[i].name, q->layers[i].with, npi_op_info[q->layers[i].op].name, q->layers[i].macs, q->layers[i].gain };
    return n;
}

static const struct npi_pass integers[] = { { "qdq", npi_pass_qdq }, { NULL, NULL } };

static int has_suffix(const char *s, const char *with) {
    const size_t n = strlen(s), k = strlen(with);
    return n > k && !strcmp(s + n - k, with);
}

int np_quantizer_write(struct np_quantizer *q, const char *path, struct np_quantize_report *report, struct np_error *err) {
    struct npi_arena mem;
    struct npi_graph g;
    struct npi_export x = { 0 };
    struct np_quantize_report rep;
    char json[16384];
    if (!q || !path) return npi_fail(err, NP_EINVAL, "np_quantizer_write: NULL argument");
    const int tflite = has_suffix(path, ".tflite");
    if (!tflite && !has_suffix(path, ".onnx")) return npi_fail(err, NP_EINVAL, "%s: the name says no format: end it in .onnx or .tflite", path);
    npi_arena_init(&mem, LOAD_LIMIT_BYTES);
    q->cfg.u8 = !tflite;
    int r = build(q, &g, &mem, &rep, err);
    const size_t n = npi_card_write(&q->card, json, sizeof json);
    flatten(json);
    const struct npi_meta meta = { "nextpose_card", json, n };
    const int was_tflite = q->file.size > 8 && !memcmp((const char *)q->file.data + 4, "TFL3", 4);
    const struct npi_export_opts o = { .format = tflite ? NPI_FORMAT_TFLITE : NPI_FORMAT_ONNX, .keep_io_layout = was_tflite == tflite, .meta = &meta, .n_meta = n < sizeof json, .graph_name = "int8" };
    /* TFLite's integer ops have quantized operands, not Quantize and Dequantize around them as ONNX has. */
    if (r == 0 && tflite) r = npi_pass_run(&g, integers, &q->p.logger, err);
    if (r >= 0) r = npi_export_graph(&x, &g, &o, err);
    if (r >= 0 && (r = npi_export_join(&x)) < 0) r = npi_fail(err, r, "%s: out of memory", path);
    if (r >= 0) r = npi_convert_runs(x.part[0].p, x.part[0].n, path, &q->card, err);
    if (r >= 0) r = npi_export_save(&x, path, err);
    if (r >= 0) {
        rep.bytes_out = npi_export_bytes(&x);
        if (report) *report = rep;
    }
    npi_export_free(&x);
    npi_arena_free(&mem);
    return r < 0 ? r : 0;
}

int np_quantizer_card(const struct np_quantizer *q, const char *model, char *written, size_t size, struct np_error *err) {
    char note[256] = "";
    if (!q || !model || !written || !size) return npi_fail(err, NP_EINVAL, "np_quantizer_card: NULL argument");
    struct npi_luggage l = { .card = q->card, .has_card = 1 };
    const char *slash = strrchr(model, '/');
    l.card.n_files = 1;
    snprintf(l.card.files[0], sizeof l.card.files[0], "%s", slash ? slash + 1 : model);
    return npi_luggage_card(&l, model, written, size, note, sizeof note, err);
}
