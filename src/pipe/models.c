/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a model and its card. In this order:
 *   file: x.json beside it, the card inside the ONNX metadata, a built-in card of that file name, one with its sha256, a guess
 *   card: the file it names, beside the card
 *   id:   the built-in card's file, in the model directories; else in the library itself (weights/) */
#include "pipe/models.h"
#include "backend/precision.h"
#include "base/log.h"
#include "base/sha256.h"
#include "card/weights.h"
#include "cpu/cpu.h"
#include "pipe/choose.h"
#include "pipe/selftest.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int has_suffix(const char *s, const char *suffix) {
    const size_t n = strlen(s), m = strlen(suffix);
    return n > m && !strcmp(s + n - m, suffix);
}

/* dir/file for each of the card's files in each colon-separated dir. */
static int find_in_dirs(char *path, size_t size, const struct npi_card *c, const char *dirs) {
    for (const char *d = dirs; d && *d;) {
        const char *end = strchr(d, ':');
        const int n = end ? (int)(end - d) : (int)strlen(d);
        for (int i = 0; i < c->n_files; i++)
            if (n > 0 && (size_t)snprintf(path, size, "%.*s/%s", n, d, c->files[i]) < size && exists(path)) return 1;
        d = end ? end + 1 : NULL;
    }
    return 0;
}

static void dir_of(char *out, size_t size, const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash) snprintf(out, size, "%.*s", (int)(slash - path), path);
    else snprintf(out, size, ".");
}

static int card_beside(struct npi_card *card, const char *model, int *found, struct np_error *err) {
    char json[512];
    const char *dot = strrchr(model, '.');
    *found = 0;
    if (!dot || strchr(dot, '/') || (size_t)snprintf(json, sizeof json, "%.*s.json", (int)(dot - model), model) >= sizeof json || !exists(json)) return 0;
    *found = 1;
    return npi_card_load(card, json, err);
}

int npi_net_guess(struct npi_card *card, const char *path, const struct npi_engine *e, const struct np_logger *log, struct np_error *err) {
    struct np_tensor_info in[4], out[NPI_MAX_OUTPUTS];
    struct npi_card_io io = { in, out, npi_engine_n_inputs(e), npi_engine_n_outputs(e) };
    char why[256] = "";
    if (io.n_in > 4) io.n_in = 4;
    if (io.n_out > NPI_MAX_OUTPUTS) io.n_out = NPI_MAX_OUTPUTS;
    for (int i = 0; i < io.n_in; i++) npi_engine_info(e, 0, i, &in[i]);
    for (int i = 0; i < io.n_out; i++) npi_engine_info(e, 1, i, &out[i]);
    const int sure = npi_card_guess(card, &io, why, sizeof why);
    if (sure < 50) return npi_fail(err, NP_EMODEL, "%s: no card says how to read this model; write one beside it (%s)", path, *why ? why : "its outputs look like no head that we know");
    npi_log(log, NP_LOG_WARN, "%s: no card; taken for %s (%s)", path, card->dec.name, why);
    return 0;
}

/* Hangs what the pipeline has to know on an engine of the net. */
int npi_face_make(struct npi_engine *e, const struct npi_card *card, int took_column, int took_bins, struct np_error *err) {
    struct np_tensor_info t;
    struct npi_face *const f = npi_alloc(sizeof *f);
    if (!f) return npi_fail(err, NP_ENOMEM, "out of memory");
    npi_engine_set_face(e, f, npi_free);
    f->card = *card;
    if (took_column) f->card.dec.class_index = 0;
    if (took_bins) f->card.dec.depth_bins = took_bins; /* the volume's shape said it, and is gone */
    f->n_out = npi_engine_n_outputs(e);
    if (f->n_out > NPI_MAX_OUTPUTS) f->n_out = NPI_MAX_OUTPUTS;
    for (int i = 0; i < f->n_out; i++) f->out[i] = *npi_engine_output(e, i);
    if (npi_engine_n_inputs(e) != 1 || npi_engine_info(e, 0, 0, &t) < 0)
        return npi_fail(err, NP_EMODEL, "has %d inputs; a picture is the only one that we could fill in", npi_engine_n_inputs(e));
    return npi_net_in_init(&f->in, &card->in, &t, err);
}

/* Card of a model file; *known = 0 when only the tensors can tell. */
static int card_of_file(struct npi_net *n, const struct npi_file *f, int *known, struct np_error *err) {
    int r = card_beside(&n->card, n->path, known, err);
    if (r < 0 || *known) return r;
    struct npi_arena tmp;
    npi_arena_init(&tmp, 1 << 20);
    const char *text = has_suffix(n->path, ".onnx") ? npi_onnx_metadata(f->data, f->size, "nextpose_card", &tmp) : NULL;
    if (text) {
        *known = 1;
        r = npi_card_parse(&n->card, text, strlen(text), n->path, err);
        npi_arena_free(&tmp);
        return r;
    }
    npi_arena_free(&tmp);
    /* The name first: hashing 11 MB of the default models is a sixth of the time to the first pose. */
    const struct npi_card *c = npi_card_find_by_file(n->path);
    char hex[65];
    if (!c) {
        npi_sha256_hex(f->data, f->size, hex);
        if (f->mapped) npi_pages_drop(f->data, f->size);
        c = npi_card_find_by_sha256(hex);
    }
    if (c) {
        n->card = *c;
        *known = 1;
    }
    return 0;
}

static int check_hash(const struct npi_net *n, const struct npi_file *f, struct np_error *err) {
    if (!n->card.n_sha256) return 0;
    char hex[65];
    npi_sha256_hex(f->data, f->size, hex);
    for (int i = 0; i < n->card.n_sha256; i++)
        if (!strcmp(n->card.sha256[i], hex)) return 0;
    return npi_fail(err, NP_EMODEL, "%s: sha256 is %s, its card says %s; get the file again", n->path, hex, n->card.sha256[0]);
}

int npi_scaled_size(int side, int64_t *height, int64_t *width) {
    const int64_t h = *height, w = *width, longer = h > w ? h : w;
    if (longer == side || longer < 1) return 0;
    *height = (h * side / longer + 16) / 32 * 32;
    *width = (w * side / longer + 16) / 32 * 32;
    return 1;
}

/* The input size to load with: side > 0 scales the file's size so that the longer side fits. */
static int resized(const struct np_model *m, int side, struct np_model_params *p) {
    struct np_tensor_info t;
    if (side <= 0 || np_model_input_info(m, 0, &t) < 0 || t.rank != 4) return 0;
    const int first = t.dims[1] <= 4 && t.dims[3] > 4; /* channels first */
    int64_t *d = p->dims;
    memcpy(d, t.dims, sizeof t.dims);
    p->rank = 4;
    return npi_scaled_size(side, &d[first ? 2 : 1], &d[first ? 3 : 2]);
}

struct native_load { const struct npi_card *card; const char *precision; int took_column, took_bins; };

/* Outputs that the head of a known card does not read are not computed. A card that does not fit is told later, with its message. */
static void prune(void *opaque, const struct npi_graph *g, struct npi_want *want) {
    struct native_load *const n = opaque;
    struct npi_view out[NPI_MAX_OUTPUTS];
    struct npi_decoder *d;
    if (g->n_outputs > NPI_MAX_OUTPUTS) return;
    for (int i = 0; i < g->n_outputs; i++) out[i] = g->tensor[g->output[i]].v;
    const struct npi_view *in = &g->tensor[g->input[0]].v;
    const int first = in->rank == 4 && in->d[1] <= 4 && in->d[3] > 4;
    if (in->rank != 4 || npi_decoder_open(&d, n->card, out, g->n_outputs, (int)in->d[first ? 3 : 2], (int)in->d[first ? 2 : 1], NULL) < 0) return;
    const unsigned used = npi_decoder_outputs(d);
    for (int i = 0; i < g->n_outputs; i++) {
        struct npi_want *const w = &want[i];
        w->keep = used >> i & 1;
        w->column = npi_decoder_column(d, i);
        if (out[i].q.n > 1 || out[i].rank < 1 || w->column >= out[i].d[out[i].rank - 1]) w->column = -1; /* what take_column would decline */
        if (w->column >= 0) n->took_column = 1;
        if ((w->bins = npi_decoder_bins(d, i, &w->channels_last))) n->took_bins = w->bins;
    }
    npi_decoder_free(&d);
}

static int load(struct np_model **out, const struct npi_net *n, struct native_load *how, const struct npi_file *f, const char *isa, int side, int must, const struct np_logger *log,
                struct np_error *err) {
    struct np_model_params p;
    np_model_params_default(&p);
    p.isa = isa;
    p.precision = how->precision;
    if (log) p.logger = *log;
    const struct npi_load_hooks hooks = { .prune = how->card ? prune : NULL, .mapped = f->mapped, .opaque = how };
    int r = npi_model_load(out, f->data, f->size, n->path, &p, &hooks, err);
    if (r < 0 || !resized(*out, side, &p)) return r;
    struct np_model *other = NULL;
    struct np_error e = { 0 };
    r = npi_model_load(&other, f->data, f->size, n->path, &p, &hooks, &e);
    if (r < 0 && must) {
        np_model_free(out);
        return npi_fail(err, NP_EINVAL, "%s cannot take a detector size of %d (%s)", n->path, side, e.message);
    }
    if (r < 0) {
        npi_log(log, NP_LOG_INFO, "%s: stays at its own input size, %d does not fit (%s)", n->path, side, e.message);
        return 0;
    }
    np_model_free(out);
    *out = other;
    return 0;
}

/* Our own engine on the mapped file, with its face. */
static int open_in(struct npi_engine **out, struct npi_net *n, int known, const struct npi_file *f, const char *isa, const char *precision, int side, int must,
                   const struct np_logger *log, struct np_error *err) {
    struct native_load how = { .card = known ? &n->card : NULL, .precision = precision };
    struct np_model *m = NULL;
    int r = load(&m, n, &how, f, isa, side, must, log, err);
    if (r >= 0 && (r = npi_engine_native(out, m, err)) < 0) np_model_free(&m);
    if (r < 0) return r;
    if (!known) r = npi_net_guess(&n->card, n->path, *out, log, err);
    if (r >= 0 && (r = npi_face_make(*out, &n->card, how.took_column, how.took_bins, err)) < 0) npi_fail_prefix(err, r, "%s", n->path);
    if (r < 0) npi_engine_unref(out);
    return r;
}

/* Likewise; auto becomes bf16 where that pays and the card says that the net tolerates it or, when it does not say, a test on a picture does. */
static int open_native(struct npi_engine **out, struct npi_net *n, int known, const struct npi_file *f, const char *isa, const char *precision, int side, int must,
                       const struct np_logger *log, struct np_error *err) {
    const char *bf16 = NULL;
    char why[160];
    const int pays = npi_precision_may_be_bf16(precision, isa, &bf16), told = known ? n->card.bf16 : NPI_BF16_UNKNOWN;
    int r = open_in(out, n, known, f, isa, pays && told == NPI_BF16_YES ? bf16 : precision, side, must, log, err);
    if (r < 0 || !pays || told != NPI_BF16_UNKNOWN || n->card.bf16 == NPI_BF16_NO || !strstr(np_model_precision(npi_engine_model(*out)), "fp32")) return r;
    struct npi_engine *e = NULL;
    struct np_error no = { 0 };
    unsigned cpu = 0;
    npi_cpu_limit(isa, npi_cpu_flags(), &cpu);
    const int ok = open_in(&e, n, 1, f, isa, bf16, side, must, NULL, &no) >= 0 && npi_trial_tolerates(e, *out, cpu, why, sizeof why);
    if (!e) snprintf(why, sizeof why, "%.150s", no.message);
    npi_log(log, NP_LOG_INFO, "%s: precision auto computes in %s: %s", n->path, ok ? "bf16" : "fp32", why);
    if (ok) {
        npi_engine_unref(out);
        *out = e;
    } else npi_engine_unref(&e);
    return 0;
}

/* The file that our own engine reads: the net's, or its twin in a format that we know. */
static int native_file(const struct npi_net *n, char *out, size_t size) {
    return npi_model_sibling(n->path, "tflite", out, size) || npi_model_sibling(n->path, "onnx", out, size);
}

/* Our engine on the net's file or on a twin of it. r < 0 with the reason in `why`. */
static int try_native(struct npi_engine **out, struct npi_net *n, int *known, const struct npi_file *f, const char *isa, const char *precision, int side, int must,
                      const struct np_logger *log, struct np_error *why) {
    const char *const format = npi_model_format(n->path);
    if (!strcmp(format, "onnx") || !strcmp(format, "tflite")) {
        const int r = open_native(out, n, *known, f, isa, precision, side, must, log, why);
        if (r >= 0) *known = 1;
        return r;
    }
    struct npi_net twin = *n;
    struct npi_file g = { 0 };
    if (!native_file(n, twin.path, sizeof twin.path)) return npi_fail(why, NP_EUNSUPPORTED, "%s: our own engine reads .onnx and .tflite", n->path);
    int r = npi_file_map(&g, twin.path, why);
    if (r >= 0 && !*known) r = card_of_file(&twin, &g, known, why);
    if (r >= 0 && (r = open_native(out, &twin, *known, &g, isa, precision, side, must, log, why)) >= 0) {
        n->card = twin.card;
        *known = 1;
    }
    npi_file_unmap(&g);
    return r;
}

int npi_net_open(struct npi_net *out, const char *name, const char *dirs, const char *isa, int side, int must, const struct np_logger *log, struct np_error *err) {
    return npi_net_open_on(out, name, dirs, isa, side, must, NULL, log, err);
}

int npi_net_open_on(struct npi_net *out, const char *name, const char *dirs, const char *isa, int side, int must, const struct npi_wish *w, const struct np_logger *log,
                    struct np_error *err) {
    struct npi_net *const n = out;
    memset(n, 0, sizeof *n);
    struct npi_file f = { 0 };
    const struct npi_weights *own_file = NULL;
    int known = 0, by_id = 0, r = 0;
    if (has_suffix(name, ".json")) {
        char dir[512];
        if ((r = npi_card_load(&n->card, name, err)) < 0) return r;
        dir_of(dir, sizeof dir, name);
        if (!find_in_dirs(n->path, sizeof n->path, &n->card, dir)) return npi_fail(err, NP_EMODEL, "%s: none of the files that this card names lies beside it", name);
        known = 1;
    } else if (exists(name)) {
        snprintf(n->path, sizeof n->path, "%s", name);
    } else if (strchr(name, '/') || has_suffix(name, ".onnx") || has_suffix(name, ".tflite")) {
        return npi_fail(err, NP_EMODEL, "%s: no such model file", name);
    } else {
        const struct npi_card *c = npi_card_builtin(name);
        if (!c) return npi_fail(err, NP_EMODEL, "no model is called '%s'; `nextpose models list` shows those there are", name);
        n->card = *c;
        known = by_id = 1;
        const int here = find_in_dirs(n->path, sizeof n->path, c, dirs);
        if (!here && (own_file = npi_weights_of(c))) {
            snprintf(n->path, sizeof n->path, "%s", own_file->file);
            if (w && w->backend && strcmp(w->backend, "native") && strcmp(w->backend, "auto"))
                return npi_fail(err, NP_EMODEL, "model '%s' is part of the library; for another runtime it must be a file: `nextpose models get %s` writes it", name, name);
        } else if (!here) return npi_fail(err, NP_EMODEL, "model '%s' (%s) is not in %s; run `nextpose models get %s`", name, c->n_files ? c->files[0] : "?", dirs && *dirs ? dirs : "any directory", name);
    }
    if (own_file) f = (struct npi_file){ own_file->data, own_file->size, 0 };
    else if ((r = npi_file_map(&f, n->path, err)) < 0) return r == NP_ENOENT ? NP_EMODEL : r;
    if (!known) r = card_of_file(n, &f, &known, err);
    else if (!by_id) r = check_hash(n, &f, err); /* installed models are checked by `models get` and `models verify`: hashing costs start-up time */
    struct npi_engine *e = NULL;
    const struct npi_wish native_only = { .backend = "native", .strict = 1 };
    struct np_error why = { 0 };
    int own = r;
    if (r >= 0) own = try_native(&e, n, &known, &f, isa, w ? w->precision : NULL, side, must, log, &why);
    if (r >= 0 && own < 0 && (!w || own == NP_EINVAL || own == NP_ENOMEM || own == NP_EMODEL)) r = npi_fail(err, own, "%s", why.message); /* no other runtime would help */
    if (r >= 0) r = npi_choose_runtime(n, w ? w : &native_only, &e, why.message, known, side, isa, log, err);
    npi_engine_unref(&e);
    npi_file_unmap(&f);
    if (r < 0) npi_net_close(n);
    return r;
}

void npi_net_close(struct npi_net *n) {
    npi_lineup_close(&n->lineup);
    npi_choice_free(&n->choice);
}

int npi_net_card(struct npi_card *out, const char *name) {
    const struct npi_card *c = NULL;
    int found = 0;
    if (has_suffix(name, ".json")) return npi_card_load(out, name, NULL) == 0;
    const int r = exists(name) ? card_beside(out, name, &found, NULL) : 0;
    if (found || r < 0) return r >= 0;
    if (!(c = npi_card_builtin(name))) c = npi_card_find_by_file(name);
    if (c) *out = *c;
    return c != NULL;
}

int npi_net_there(const char *id, const char *dirs) {
    const struct npi_card *const c = npi_card_builtin(id);
    char path[512];
    return c && (find_in_dirs(path, sizeof path, c, dirs) || npi_weights_of(c));
}

int npi_net_quantized(const char *id, const char *path, const char *dirs, char *out, size_t size) {
    static const char *const suffix[] = { ".onnx", ".tflite" };
    const struct npi_card *const c = npi_card_builtin(id);
    char found[512];
    if ((size_t)snprintf(out, size, "%s_int8", id) < size && npi_net_there(out, dirs)) return 1;
    if (!path && c && find_in_dirs(found, sizeof found, c, dirs)) path = found;
    const char *const dot = path ? strrchr(path, '.') : NULL;
    if (!dot || strchr(dot, '/')) return 0;
    for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++)
        if ((size_t)snprintf(out, size, "%.*s_int8%s", (int)(dot - path), path, suffix[i]) < size && exists(out)) return 1;
    return 0;
}

size_t npi_net_weights(const struct npi_net *n) {
    size_t bytes = 0;
    for (int i = 0; i < NPI_LINEUP_MAX; i++) {
        struct npi_engine *e = npi_lineup_at(n->lineup, i);
        struct np_model_stats st;
        if (e && npi_engine_model(e)) {
            np_model_stats(npi_engine_model(e), &st);
            bytes += st.weights_bytes;
        }
        npi_engine_unref(&e);
    }
    return bytes;
}
