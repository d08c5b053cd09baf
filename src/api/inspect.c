/* SPDX-License-Identifier: Apache-2.0 */
/* np_inspect: the importer in its go-on mode tells of every node; what it could read becomes the layers; if all of it, the model is planned. */
#include "nextpose/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/model.h"
#include "base/sha256.h"
#include "card/card.h"
#include "pass/pass.h"

#define MOST 4096              /* troubles and kinds that are kept */

struct kind { const char *op; int count; };
struct trouble { const char *op, *node, *why; };
struct layer { struct np_inspect_layer pub; };

struct np_inspection {
    struct npi_arena mem;
    struct np_inspect_info info;
    struct npi_graph g;
    struct kind *kind; int n_kinds;
    struct trouble *trouble; int n_troubles;
    struct layer *layer;
    struct npi_card card; int has_card;
    char why[512], why_not[512];
    int nomem;
};

static const char *keep(struct np_inspection *x, const char *s) {
    const char *t = npi_arena_strndup(&x->mem, s, strlen(s));
    if (!t) x->nomem = 1;
    return t ? t : "";
}

static void on_node(void *opaque, const char *op, const char *name) {
    struct np_inspection *x = opaque;
    x->info.n_nodes++;
    for (int i = 0; i < x->n_kinds; i++)
        if (!strcmp(x->kind[i].op, op)) {
            x->kind[i].count++;
            return;
        }
    if (x->n_kinds < MOST) x->kind[x->n_kinds++] = (struct kind){ keep(x, op), 1 };
}

static void on_trouble(void *opaque, const char *op, const char *name, const char *why) {
    struct np_inspection *x = opaque;
    x->info.n_troubles++;
    if (x->n_troubles < MOST) x->trouble[x->n_troubles++] = (struct trouble){ keep(x, op), keep(x, name), keep(x, why) };
}

static void on_skipped(void *opaque) { ((struct np_inspection *)opaque)->info.n_skipped++; }

static void on_constant(void *opaque, const struct npi_view *v) {
    struct np_inspection *x = opaque;
    const int64_t n = npi_view_count(v);
    if (v->dtype == NP_I64 || v->dtype == NP_BOOL || (v->dtype == NP_I32 && v->q.n == 0)) return; /* sizes, indices, masks */
    x->info.params[v->dtype] += n;
    x->info.n_params += n;
}

static int by_count(const void *a, const void *b) {
    const struct kind *p = a, *q = b;
    return p->count != q->count ? q->count - p->count : strcmp(p->op, q->op);
}

/* ---- layers ---- */

static int64_t macs_of(const struct npi_graph *g, const struct npi_node *n) {
    const struct npi_view *x = &g->tensor[n->in[0]].v, *y = &g->tensor[n->out[0]].v, *w = n->n_in > 1 && n->in[1] >= 0 ? &g->tensor[n->in[1]].v : NULL;
    switch (n->op) {
    case NPI_OP_CONV2D: case NPI_OP_FULLY_CONNECTED: return w && w->d[0] > 0 ? npi_view_count(y) * (npi_view_count(w) / w->d[0]) : 0;
    case NPI_OP_CONVT2D: return w && w->d[0] > 0 ? npi_view_count(x) / (x->d[3] > 0 ? x->d[3] : 1) * npi_view_count(w) : 0;
    case NPI_OP_DWCONV2D: return npi_view_count(y) * n->a.conv.win.kh * n->a.conv.win.kw;
    case NPI_OP_MATMUL: return npi_view_count(y) * (x->rank > 1 ? x->d[x->rank - 1 - (n->a.matmul.ta ? 1 : 0)] : 1);
    default: return 0;
    }
}

static const char *precision_of(const struct npi_graph *g, const struct npi_graph_index *ix, const struct npi_node *n) {
    const struct npi_view *x = n->n_in && n->in[0] >= 0 ? &g->tensor[n->in[0]].v : NULL, *y = &g->tensor[n->out[0]].v;
    const int layer = n->op == NPI_OP_CONV2D || n->op == NPI_OP_DWCONV2D || n->op == NPI_OP_CONVT2D || n->op == NPI_OP_FULLY_CONNECTED || n->op == NPI_OP_MATMUL;
    if (x && x->q.n > 0 && y->q.n > 0) return x->dtype == NP_U8 ? "uint8" : x->dtype == NP_I8 ? "int8" : np_dtype_name(x->dtype);
    if (layer && n->n_in > 1 && n->in[1] >= 0) {
        const int p = ix->producer[n->in[1]];
        if (p >= 0 && g->node[p].op == NPI_OP_DEQUANTIZE && g->tensor[g->node[p].in[0]].v.data) return "f32, int8 weights";
    }
    return np_dtype_name(y->dtype);
}

static int make_layers(struct np_inspection *x, struct np_error *err) {
    struct npi_graph *g = &x->g;
    struct npi_graph_index ix;
    x->layer = npi_arena_array(&x->mem, struct layer, g->n_nodes + 1);
    if (!x->layer || npi_graph_index(g, &x->mem, &ix) < 0) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
    for (int i = 0; i < g->n_nodes; i++) {
        const struct npi_node *n = &g->node[i];
        struct np_inspect_layer *l = &x->layer[i].pub;
        const struct npi_view *y = &g->tensor[n->out[0]].v;
        int *from = npi_arena_array(&x->mem, int, n->n_in + 1), k = 0;
        if (!from) return npi_fail(err, NP_ENOMEM, "%s: out of memory", g->path);
        *l = (struct np_inspect_layer){ .name = n->name, .op = npi_op_info[n->op].name, .weights = "", .rank = y->rank, .macs = macs_of(g, n), .from = from, .output = -1 };
        memcpy(l->dims, y->d, sizeof l->dims);
        l->precision = precision_of(g, &ix, n);
        for (int j = 0; j < n->n_in; j++) {
            const int t = n->in[j];
            if (t < 0) continue;
            if (g->tensor[t].v.data) {
                if (j == 1) l->weights = g->tensor[t].name;
                if (g->tensor[t].v.dtype != NP_I64) l->params += npi_view_count(&g->tensor[t].v);
            } else if (ix.producer[t] >= 0) from[k++] = ix.producer[t];
            else
                for (int m = 0; m < g->n_inputs; m++)
                    if (g->input[m] == t) from[k++] = -1 - m;
        }
        for (int m = 0; m < g->n_outputs; m++)
            for (int j = 0; j < n->n_out; j++)
                if (g->output[m] == n->out[j]) l->output = m;
        l->n_from = k;
        x->info.macs += l->macs;
    }
    x->info.n_layers = g->n_nodes;
    return 0;
}

/* ---- card ---- */

static void tensor_info(const struct npi_graph *g, int t, struct np_tensor_info *out) {
    const struct npi_tensor *p = &g->tensor[t];
    *out = (struct np_tensor_info){ .name = p->name, .dtype = p->v.dtype, .rank = p->v.rank, .bytes = npi_view_bytes(&p->v) };
    memcpy(out->dims, p->v.d, sizeof out->dims);
    if (p->v.q.n == 1) {
        out->scale = p->v.q.scale[0];
        out->zero_point = p->v.q.zero ? p->v.q.zero[0] : 0;
    }
}

static void find_card(struct np_inspection *x, const char *path, const struct npi_file *f) {
    char json[4096], hex[65];
    struct np_error e = { 0 };
    struct npi_metadata m;
    struct stat st;
    const char *dot = strrchr(path, '.');
    if (dot && !strchr(dot, '/') && (size_t)snprintf(json, sizeof json, "%.*s.json", (int)(dot - path), path) < sizeof json && stat(json, &st) == 0) {
        x->has_card = npi_card_load(&x->card, json, &e) == 0;
        snprintf(x->why, sizeof x->why, x->has_card ? "%s" : "%s cannot be used: %.300s", x->has_card ? json : json, e.message);
    } else if (npi_metadata_find(f->data, f->size, "nextpose_card", &m)) {
        x->has_card = npi_card_parse(&x->card, m.value ? m.value : "", m.size, path, &e) == 0;
        snprintf(x->why, sizeof x->why, "%s", x->has_card ? "the card in the file" : e.message);
    } else {
        const struct npi_card *c = npi_card_find_by_file(path);
        if (!c) {
            npi_sha256_hex(f->data, f->size, hex);
            c = npi_card_find_by_sha256(hex);
        }
        if (c) x->card = *c, x->has_card = 1;
        if (c) snprintf(x->why, sizeof x->why, "the built-in card '%s'", c->id);
    }
    if (x->has_card) x->info.sure = 100;
}

static void guess_card(struct np_inspection *x, const char *path) {
    struct np_tensor_info in[4], out[16];
    struct npi_card_io io = { in, out, x->g.n_inputs < 4 ? x->g.n_inputs : 4, x->g.n_outputs < 16 ? x->g.n_outputs : 16 };
    for (int i = 0; i < io.n_in; i++) tensor_info(&x->g, x->g.input[i], &in[i]);
    for (int i = 0; i < io.n_out; i++) tensor_info(&x->g, x->g.output[i], &out[i]);
    if (!io.n_in || !io.n_out) return;
    x->info.sure = npi_card_guess(&x->card, &io, x->why, sizeof x->why);
    if (!x->info.sure) return;
    const char *variant = npi_card_convnextpose_variant(&out[0], x->info.n_params), *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (variant && !strcmp(x->card.dec.name, "soft_argmax3d")) {
        char id[48];
        snprintf(id, sizeof id, "convnextpose_%s", variant);
        const struct npi_card *c = npi_card_builtin(id);
        if (c) snprintf(x->card.id, sizeof x->card.id, "%s", c->id), snprintf(x->card.name, sizeof x->card.name, "%s", c->name);
    }
    x->card.n_files = 1;
    snprintf(x->card.files[0], sizeof x->card.files[0], "%s", name);
    snprintf(x->card.note, sizeof x->card.note, "guessed from the shapes of the tensors, %d %% sure: check colour order, normalisation and thresholds", x->info.sure);
}

/* ---- the whole ---- */

static int load(struct np_inspection *x, const char *path, const struct npi_file *f, const struct np_model_params *p, struct np_error *err) {
    const struct npi_import_watch watch = { on_node, on_trouble, on_skipped, on_constant, x };
    struct npi_import_opts o = { .path = path, .input_name = p->input_name, .rank = p->rank, .logger = &p->logger, .watch = &watch };
    memcpy(o.dims, p->dims, sizeof o.dims);
    x->kind = npi_arena_array(&x->mem, struct kind, MOST);
    x->trouble = npi_arena_array(&x->mem, struct trouble, MOST);
    if (!x->kind || !x->trouble || npi_graph_init(&x->g, &x->mem, path) < 0) return npi_fail(err, NP_ENOMEM, "%s: out of memory", path);
    int r = npi_import(&x->g, f->data, f->size, &o, err);
    if (r < 0) return r;
    x->info.format = npi_is_tflite(f->data, f->size) ? "TFLite" : "ONNX";
    x->info.file_bytes = f->size;
    /* With troubles the outputs may be gone, and the passes would clear away all that leads to them. */
    if (!x->info.n_troubles && ((r = npi_pass_for_files(&x->g, &p->logger, err)) < 0 || (r = npi_pass_tidy(&x->g, err)) < 0)) return r;
    if ((r = make_layers(x, err)) < 0) return r;
    qsort(x->kind, (size_t)x->n_kinds, sizeof *x->kind, by_count);
    find_card(x, path, f);
    if (!x->has_card) guess_card(x, path);
    if (x->info.n_troubles) {
        snprintf(x->why_not, sizeof x->why_not, "%d nodes cannot be read, the first is %s '%s'", x->info.n_troubles, x->trouble[0].op, x->trouble[0].node);
        return 0;
    }
    struct np_model *m = NULL;
    struct np_error e = { 0 };
    if (npi_model_load(&m, f->data, f->size, path, p, NULL, &e) < 0) {
        snprintf(x->why_not, sizeof x->why_not, "%s", e.message);
        return 0;
    }
    struct np_model_stats s;
    np_model_stats(m, &s);
    x->info.runs = 1;
    x->info.n_steps = s.n_steps;
    x->info.weights_bytes = s.weights_bytes;
    x->info.arena_bytes = s.arena_bytes;
    np_model_free(&m);
    return 0;
}

int np_inspect(struct np_inspection **out, const char *path, const struct np_model_params *p, struct np_error *err) {
    struct np_model_params def;
    struct npi_file f;
    if (!out || !path) return npi_fail(err, NP_EINVAL, "np_inspect: NULL argument");
    np_model_params_default(&def);
    int r = npi_file_map(&f, path, err);
    if (r < 0) return r;
    struct np_inspection *x = npi_alloc(sizeof *x);
    if (!x) r = npi_fail(err, NP_ENOMEM, "%s: out of memory", path);
    else {
        npi_arena_init(&x->mem, (size_t)4 << 30);
        r = load(x, path, &f, p ? p : &def, err);
        if (r >= 0 && x->nomem) r = npi_fail(err, NP_ENOMEM, "%s: out of memory", path);
        /* Constants may lie in the file, which goes now; nobody looks at their values. */
        for (int t = 0; t < x->g.n_tensors; t++) x->g.tensor[t].v.data = NULL;
    }
    npi_file_unmap(&f);
    if (r < 0) np_inspect_free(&x);
    else *out = x;
    return r < 0 ? r : 0;
}

void np_inspect_free(struct np_inspection **x) {
    if (!x || !*x) return;
    npi_arena_free(&(*x)->mem);
    npi_free(*x);
    *x = NULL;
}

void np_inspect_info(const struct np_inspection *x, struct np_inspect_info *out) {
    static const char *const tasks[] = { "detect", "pose", "pose_multi" };
    *out = x->info;
    out->why_not = x->why_not;
    out->card_why = x->why;
    out->card_id = x->info.sure ? x->card.id : "";
    out->decoder = x->info.sure ? x->card.dec.name : "";
    out->keypoint_set = x->info.sure ? x->card.keypoint_set : "";
    out->task = x->info.sure && x->card.task >= 0 && x->card.task < 3 ? tasks[x->card.task] : "";
}

int np_inspect_tensor(const struct np_inspection *x, int is_output, int i, struct np_tensor_info *out) {
    if (i < 0 || i >= (is_output ? x->g.n_outputs : x->g.n_inputs)) return NP_EEND;
    tensor_info(&x->g, is_output ? x->g.output[i] : x->g.input[i], out);
    return 0;
}

int np_inspect_op(const struct np_inspection *x, int i, const char **op, int *count) {
    if (i < 0 || i >= x->n_kinds) return NP_EEND;
    *op = x->kind[i].op;
    *count = x->kind[i].count;
    return 0;
}

int np_inspect_trouble(const struct np_inspection *x, int i, const char **op, const char **node, const char **why) {
    if (i < 0 || i >= x->n_troubles) return NP_EEND;
    *op = x->trouble[i].op;
    *node = x->trouble[i].node;
    *why = x->trouble[i].why;
    return 0;
}

int np_inspect_layer(const struct np_inspection *x, int i, struct np_inspect_layer *out) {
    if (i < 0 || i >= x->info.n_layers) return NP_EEND;
    *out = x->layer[i].pub;
    return 0;
}

int np_inspect_card(const struct np_inspection *x, char *buf, size_t size, struct np_error *err) {
    if (x->info.sure < 50)
        return npi_fail(err, NP_EMODEL, "%s: its outputs look like no head that we know (%s); write a card by hand, beginning with one of 'nextpose models list'", x->g.path,
                        *x->why ? x->why : "no guess");
    return (int)npi_card_write(&x->card, buf, size);
}
