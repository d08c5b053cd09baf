/* SPDX-License-Identifier: Apache-2.0 */
/* np_convert: import, the passes that other formats understand, the writer with the weights as the strategy wants them, a look at the result.
 *
 *   attempt(strategy) = load ── export ── check;      auto makes up to two of them, and says why */
#include "api/convert_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "import/import.h"
#include "pass/pass.h"

#define LOAD_LIMIT_BYTES ((size_t)4 << 30)
#define F16_DIFFERENCE 5e-3    /* |y - y'| / |y| on a test picture: what `auto` takes for the halved size */
#define F16_WEIGHTS (1 << 16)  /* fewer numbers are not worth it */
#define SUSPICIOUS 1e-3        /* a float conversion that differs more is told */

static const char *const strategies[] = { "auto", "fp32", "fp16", "dynamic", "int8" };

const char *np_strategy_name(int s) { return s >= 0 && s < (int)(sizeof strategies / sizeof *strategies) ? strategies[s] : NULL; }

void np_convert_params_default(struct np_convert_params *p) { *p = (struct np_convert_params){ 0 }; }

static int ends(const char *s, const char *with) {
    const size_t n = strlen(s), k = strlen(with);
    return n > k && !strcmp(s + n - k, with);
}

static int format_of(const char *out, int asked, struct np_error *err) {
    if (asked == NP_FORMAT_ONNX || asked == NP_FORMAT_TFLITE) return asked;
    if (asked != NP_FORMAT_BY_NAME) return npi_fail(err, NP_EINVAL, "convert: %d is no output format", asked);
    if (ends(out, ".onnx")) return NP_FORMAT_ONNX;
    if (ends(out, ".tflite")) return NP_FORMAT_TFLITE;
    return npi_fail(err, NP_EINVAL, "%s: the name says no format: end it in .onnx or .tflite, or give the format", out);
}

struct job {
    const struct np_convert_params *p;
    const char *in, *out;
    int format;
    struct np_convert_report rep;
    struct np_error *err;
    struct npi_file file;
    struct npi_arena mem;      /* of the graph */
    struct npi_graph g;
    struct npi_arena bag;
    struct npi_luggage luggage;
    struct npi_export x;
};

static int stopped(const struct job *j) { return j->p->stop && j->p->stop(j->p->opaque) ? npi_fail(j->err, NP_EINTR, "%s: given up, nothing was written", j->out) : 0; }

static int load(struct job *j) {
    const struct np_convert_params *p = j->p;
    struct npi_import_opts o = { .path = j->in, .input_name = p->input_name, .rank = p->rank, .logger = &p->logger };
    memcpy(o.dims, p->dims, sizeof o.dims);
    npi_arena_free(&j->mem);
    npi_arena_init(&j->mem, LOAD_LIMIT_BYTES);
    if (npi_graph_init(&j->g, &j->mem, j->in) < 0) return npi_fail(j->err, NP_ENOMEM, "%s: out of memory", j->in);
    const int r = npi_import(&j->g, j->file.data, j->file.size, &o, j->err);
    return r < 0 ? r : npi_pass_for_files(&j->g, &p->logger, j->err);
}

static int is_layer(const struct npi_node *n) {
    return n->op == NPI_OP_CONV2D || n->op == NPI_OP_DWCONV2D || n->op == NPI_OP_CONVT2D || n->op == NPI_OP_FULLY_CONNECTED;
}

/* Layers whose weights and input are integers. */
static int n_integer_layers(const struct npi_graph *g) {
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) n += is_layer(&g->node[i]) && g->tensor[g->node[i].in[0]].v.q.n > 0 && g->tensor[g->node[i].in[1]].v.q.n > 0;
    return n;
}

static int check_rules(const struct job *j) {
    for (int r = 0; r < j->p->n_rules; r++) {
        const struct np_convert_rule *rule = &j->p->rule[r];
        int hits = 0;
        if (!rule->pattern || rule->precision < 0 || rule->precision > NP_PRECISION_INT8) return npi_fail(j->err, NP_EINVAL, "convert: rule %d has no pattern, or no known precision", r);
        for (int i = 0; i < j->g.n_nodes; i++) {
            const struct npi_node *n = &j->g.node[i];
            hits += is_layer(n) && (npi_pattern_matches(rule->pattern, n->name) || npi_pattern_matches(rule->pattern, j->g.tensor[n->in[1]].name));
        }
        if (!hits) return npi_fail(j->err, NP_EINVAL, "%s: no layer is called '%s': see nextpose inspect %s --layers", j->in, rule->pattern, j->in);
    }
    return 0;
}

static int attempt(struct job *j, int strategy) {
    static const int precisions[] = { 0, NPI_PRECISION_F32, NPI_PRECISION_F16, NPI_PRECISION_I8, NPI_PRECISION_F32 };
    struct npi_weights_rule rules[64];
    const int was_tflite = npi_is_tflite(j->file.data, j->file.size), same = was_tflite == (j->format == NP_FORMAT_TFLITE);
    struct npi_export_opts o = { .format = j->format, .meta = j->luggage.meta, .n_meta = j->luggage.n_meta, .hybrid = strategy == NP_STRATEGY_DYNAMIC,
                                 .keep_io_layout = j->p->io_layout == NP_IO_LAYOUT_KEEP || (j->p->io_layout == NP_IO_LAYOUT_AUTO && same),
                                 .weights = { precisions[strategy], rules, j->p->n_rules } };
    npi_export_free(&j->x);
    if (j->p->n_rules > 64) return npi_fail(j->err, NP_ELIMIT, "convert: more than 64 rules");
    for (int i = 0; i < j->p->n_rules; i++) /* the enums of both headers agree */
        rules[i] = (struct npi_weights_rule){ j->p->rule[i].pattern, j->p->rule[i].precision, j->p->rule[i].per_tensor ? 1 : -1 };
    int r = npi_export_graph(&j->x, &j->g, &o, j->err);
    j->rep.difference = -1;
    if (r < 0 || (r = stopped(j)) < 0 || j->p->no_check) return r;
    if ((r = npi_export_join(&j->x)) < 0) return npi_fail(j->err, r, "%s: out of memory", j->in);
    npi_arena_free(&j->mem); /* the graph is not needed any more: room for two models */
    return npi_convert_check(&j->file, j->in, j->x.part[0].p, j->x.part[0].n, j->out, j->p, j->luggage.has_card ? &j->luggage.card : NULL, &j->rep.difference, j->err);
}

/* Which one, and why. On return the attempt that counts is in j->x. */
static int choose(struct job *j, int *strategy) {
    char *const why = j->rep.why;
    const size_t size = sizeof j->rep.why;
    const char *runtime = j->format == NP_FORMAT_TFLITE ? "LiteRT" : "ONNX Runtime";
    const int ints = n_integer_layers(&j->g);
    int exact, r;
    int64_t n;
    *strategy = NP_STRATEGY_FP32;
    if (ints) {
        *strategy = NP_STRATEGY_INT8;
        snprintf(why, size, "the model is quantized already (%d layers in 8 bits), and stays so", ints);
        return attempt(j, *strategy);
    }
    const double e = npi_weights_f16_error(&j->g, &exact, &n);
    if (n < F16_WEIGHTS) {
        snprintf(why, size, "%lld weights: too few for smaller ones to pay; int8 needs --calibrate", (long long)n);
        return attempt(j, *strategy);
    }
    *strategy = NP_STRATEGY_FP16;
    if ((r = attempt(j, *strategy)) < 0) return r;
    if (exact) {
        snprintf(why, size, "the weights are 16-bit numbers already: nothing is lost, and %s widens them when it loads", runtime);
        return 0;
    }
    if (j->rep.difference >= 0 && j->rep.difference <= F16_DIFFERENCE) {
        snprintf(why, size, "half the size for an output difference of %.1e on a test picture; %s widens the weights when it loads and computes in 32 bits.",
                 j->rep.difference, runtime);
        return 0;
    }
    if (j->p->no_check) snprintf(why, size, "16-bit weights (relative error up to %.1e) were not tried, since the check is off", e);
    else snprintf(why, size, "16-bit weights would change the outputs by %.1e on a test picture, more than %.0e", j->rep.difference, F16_DIFFERENCE);
    *strategy = NP_STRATEGY_FP32;
    return (r = load(j)) < 0 ? r : attempt(j, *strategy);
}

static int run(struct job *j) {
    int strategy = j->p->strategy;
    int r = load(j);
    if (r < 0 || (r = stopped(j)) < 0 || (r = check_rules(j)) < 0) return r;
    if ((r = npi_luggage_pack(&j->luggage, &j->bag, j->in, &j->file, j->p, j->format, j->out, j->err)) < 0) return r;
    if (strategy == NP_STRATEGY_INT8 && !n_integer_layers(&j->g))
        return npi_fail(j->err, NP_EUNSUPPORTED, "%s: int8 needs pictures to calibrate with: nextpose convert %s %s --strategy int8 --calibrate CLIP|FOLDER", j->in, j->in, j->out);
    if (strategy == NP_STRATEGY_AUTO) r = choose(j, &strategy);
    else r = attempt(j, strategy);
    if (r < 0 || (r = stopped(j)) < 0) return r;
    j->rep.strategy = strategy;
    const struct npi_weights_report *w = &j->x.weights;
    if (strategy == NP_STRATEGY_FP32 && j->rep.difference > SUSPICIOUS)
        npi_note(j->rep.notes, sizeof j->rep.notes, "the outputs differ by %.1e on a test picture; a net that picks places may jump, others should not", j->rep.difference);
    if (w->n_too_large) npi_note(j->rep.notes, sizeof j->rep.notes, "%d constants are too large for 16 bits and stayed in 32", w->n_too_large);
    if (j->rep.difference == (double)INFINITY) return npi_fail(j->err, NP_EINTERNAL, "%s: not written, its outputs have another form than those of %s: please report", j->out, j->in);
    return npi_export_save(&j->x, j->out, j->err);
}

int np_convert(const char *in, const char *out, const struct np_convert_params *params, struct np_convert_report *report, struct np_error *err) {
    struct np_convert_params def;
    if (!in || !out) return npi_fail(err, NP_EINVAL, "np_convert: NULL argument");
    np_convert_params_default(&def);
    struct job j = { .p = params ? params : &def, .in = in, .out = out, .err = err };
    if ((j.format = format_of(out, j.p->format, err)) < 0) return j.format;
    if (!np_strategy_name(j.p->strategy)) return npi_fail(err, NP_EINVAL, "convert: %d is no strategy", j.p->strategy);
    npi_arena_init(&j.mem, LOAD_LIMIT_BYTES);
    npi_arena_init(&j.bag, 0);
    int r = npi_file_map(&j.file, in, err);
    if (r >= 0) r = run(&j);
    if (r >= 0) r = npi_luggage_card(&j.luggage, out, j.rep.card, sizeof j.rep.card, j.rep.notes, sizeof j.rep.notes, err);
    if (r >= 0 && report) {
        struct np_convert_report *rep = &j.rep;
        const struct npi_weights_report *w = &j.x.weights;
        rep->format = j.format;
        rep->n_nodes = j.x.n_nodes;
        rep->n_transposes = j.x.n_transposes;
        rep->n_layers = w->n_layers;
        rep->n_float = w->n_f32;
        rep->n_fp16 = w->n_f16;
        rep->n_int8 = w->n_i8;
        rep->bytes_in = j.file.size;
        rep->bytes_out = npi_export_bytes(&j.x);
        if (*j.x.io_note) npi_note(rep->notes, sizeof rep->notes, "%s", j.x.io_note);
        if (*j.luggage.note) npi_note(rep->notes, sizeof rep->notes, "%s", j.luggage.note);
        *report = *rep;
    }
    npi_export_free(&j.x);
    npi_file_unmap(&j.file);
    npi_arena_free(&j.mem);
    npi_arena_free(&j.bag);
    return r < 0 ? r : 0;
}
