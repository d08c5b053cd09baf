/* SPDX-License-Identifier: Apache-2.0 */
/* TFLite models of one or few operators against golden outputs: importer + C references, node by node, and then passes,
 * plan and kernels at every ISA level.
 *
 *   tflite_ops --lists DIR --list                prints what is claimed and what is not, with the reason
 *   tflite_ops --lists DIR [--only NAME] CASES   runs every .tflite under CASES
 *   tflite_ops --all CASES                       the same without lists: all must pass (tflite_made.py)
 *
 * A case is a folder with model.tflite, meta.json, input_K.bin and output_ref_K.bin, or NAME.tflite with NAME_inputK_TYPE.csv and
 * NAME_golden_TYPE.csv. Fails when a claimed case fails, an unclaimed one passes, or a case is in neither list.
 *
 * Bounds. Integers: exact where the model only moves data, else one quantization step (our arithmetic rounds once, the
 * oracle's fixed-point multipliers may round twice), see steps(). Floats: the graph runs again with noise of the size of rounding
 * errors on every node's output, see noise(); what that changes at the outputs, times 4, is allowed. */
#include "case.h"

#include <float.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/import.h"
#include "ops/ops.h"

enum { MAX_CASES = 1024 };
static char *found[MAX_CASES];
static int n_found;

static int visit(const char *path, const struct stat *st, int type, struct FTW *f) {
    const size_t n = strlen(path);
    (void)st;
    (void)f;
    if (type == FTW_F && n > 7 && strcmp(path + n - 7, ".tflite") == 0 && n_found < MAX_CASES) found[n_found++] = strdup(path);
    return 0;
}

/* "…/aeq_bmm/model.tflite" -> aeq_bmm, "…/conv/conv3.tflite" -> conv3 */
static void case_name(const char *path, char *out, size_t size) {
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    const char *from = base, *to = strrchr(path, '.');
    if (strcmp(base, "model.tflite") == 0 && base - path > 1) {
        to = base - 1;
        for (from = to; from > path && from[-1] != '/'; from--) {}
    }
    snprintf(out, size, "%.*s", (int)(to - from), from);
}

/* ---- the reference run ---- */

static int eval_node(struct npi_graph *g, const struct npi_node *n) {
    const struct npi_view *store[4096];
    struct npi_op_args a;
    if (n->n_in > 4096) return -1;
    for (int i = 0; i < n->n_out; i++) {
        struct npi_view *v = &g->tensor[n->out[i]].v;
        if (!v->data && !(v->data = npi_arena_alloc(g->mem, npi_view_bytes(v) + NPI_TAIL))) return -1;
    }
    npi_op_args_init(&a, g, n, store);
    const size_t bytes = npi_op_scratch(&a);
    void *const scratch = bytes ? npi_alloc(bytes) : NULL;
    if (bytes && !scratch) return -1;
    a.scratch = scratch;
    npi_op_eval(&a);
    npi_free(scratch);
    return 0;
}

static double largest(const struct npi_view *v) {
    double m = 0;
    const int64_t n = v->dtype == NP_F32 && v->data ? npi_view_count(v) : 0;
    for (int64_t i = 0; i < n; i++) {
        const double x = fabs((double)((const float *)v->data)[i]);
        if (isfinite(x) && x > m) m = x;
    }
    return m;
}

/* Weights: largest Euclidean norm of what makes one output, and how many there are. by_row: they lie together, else `outs` apart. */
static double weight_norm(const struct npi_view *w, int64_t outs, int by_row, int64_t *k) {
    const int64_t n = npi_view_count(w);
    double best = 0;
    *k = outs ? n / outs : 0;
    for (int64_t o = 0; o < outs; o++) {
        double s = 0;
        for (int64_t i = 0; i < *k; i++) {
            const double v = ((const float *)w->data)[by_row ? o * *k + i : i * outs + o];
            s += v * v;
        }
        if (s > best) best = s;
    }
    return sqrt(best);
}

static int hybrid(const struct npi_graph *g, const struct npi_node *n) {
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].op == NPI_OP_DEQUANTIZE && g->node[i].out[0] == n->in[1] && strcmp(g->node[i].name, n->name) == 0) return 1;
    return 0;
}

/* How far two float runs of a node may be apart, given equal inputs. A sum of k products in another order: the partial sums are of the size
 * |x| * norm of the weights, and k roundings of them add up like sqrt(k). Elementwise ops: a few units of the result (caller). */
static double noise(const struct npi_graph *g, const struct npi_node *n) {
    const struct npi_view *x = &g->tensor[n->in[0]].v, *w = n->n_in > 1 && n->in[1] >= 0 ? &g->tensor[n->in[1]].v : NULL, *y = &g->tensor[n->out[0]].v;
    int64_t k = 1;
    double size = 0;
    if (x->dtype != NP_F32) return 0;
    switch (n->op) {
    case NPI_OP_CONV2D: case NPI_OP_FULLY_CONNECTED: case NPI_OP_DWCONV2D: case NPI_OP_CONVT2D:
        size = largest(x) * weight_norm(w, n->op == NPI_OP_DWCONV2D ? w->d[2] : w->d[0], n->op != NPI_OP_DWCONV2D, &k);
        /* Quantized weights under float inputs: the oracle rounds the inputs to 8 bits while running, each by up to half a step. */
        if (hybrid(g, n)) return size / 127 / 2;
        break;
    case NPI_OP_MATMUL:
        k = x->d[x->rank - (n->a.matmul.ta ? 2 : 1)];
        size = largest(x) * largest(w) * sqrt((double)k);
        break;
    case NPI_OP_REDUCE:
        k = npi_view_count(x) / (npi_view_count(y) ? npi_view_count(y) : 1);
        size = largest(x) * (n->a.reduce.kind == NPI_REDUCE_SUM ? sqrt((double)k) : 1);
        break;
    case NPI_OP_LP_NORM: case NPI_OP_AVGPOOL2D: case NPI_OP_RESIZE: case NPI_OP_LOG_SOFTMAX: case NPI_OP_GELU: case NPI_OP_HARD_SWISH:
        size = largest(x);
        break;
    default: break;
    }
    return FLT_EPSILON * (sqrt((double)k) + 4) * size;
}

static unsigned rng;
static double sign(void) { return ((rng = rng * 1664525u + 1013904223u) >> 31) * 2. - 1; }

static int is_move(enum npi_op op) {
    switch (op) {
    case NPI_OP_RESHAPE: case NPI_OP_TRANSPOSE: case NPI_OP_CONCAT: case NPI_OP_SLICE: case NPI_OP_PAD: case NPI_OP_TILE: case NPI_OP_EXPAND:
    case NPI_OP_GATHER: case NPI_OP_GATHER_ND: case NPI_OP_DEPTH_TO_SPACE: case NPI_OP_SPACE_TO_DEPTH: case NPI_OP_REVERSE: case NPI_OP_WHERE: return 1;
    default: return 0;
    }
}

static int run_graph(struct npi_graph *g, int noisy) {
    for (int i = 0; i < g->n_nodes; i++) {
        const struct npi_node *n = &g->node[i];
        if (eval_node(g, n) < 0) return -1;
        const struct npi_view *y = &g->tensor[n->out[0]].v;
        if (!noisy || y->dtype != NP_F32 || is_move(n->op)) continue;
        float *p = y->data;
        const double level = noise(g, n);
        for (int64_t k = npi_view_count(y) - 1; k >= 0; k--) p[k] += (float)(sign() * (level + 4 * FLT_EPSILON * fabs((double)p[k])));
    }
    return 0;
}

static int only_moves(const struct npi_graph *g) {
    for (int i = 0; i < g->n_nodes; i++)
        if (!is_move(g->node[i].op)) return 0;
    return 1;
}

/* Steps that a quantized output may be off. One rounding of either side is one step; in a chain of n requantizing nodes, whose layers
 * keep the size of their inputs, independent steps add up like a random walk: sqrt(n). (The two kernels of the oracle are 2 steps
 * apart on a MobileNet of 31 nodes.) */
static double steps(const struct npi_graph *g) {
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) n += g->tensor[g->node[i].out[0]].v.q.n > 0 && g->node[i].op != NPI_OP_RESHAPE;
    return n > 1 ? floor(sqrt(n)) : 1;
}

/* ---- comparing ---- */

static double value_at(const void *p, int dtype, int64_t i) {
    switch (dtype) {
    case NP_F32: return ((const float *)p)[i];
    case NP_I8: return ((const int8_t *)p)[i];
    case NP_U8: case NP_BOOL: return ((const uint8_t *)p)[i];
    case NP_I16: return ((const int16_t *)p)[i];
    case NP_I32: return ((const int32_t *)p)[i];
    case NP_I64: return (double)((const int64_t *)p)[i];
    default: return NAN;
    }
}

static double distance(const struct npi_view *v, const void *other) {
    double worst = 0;
    for (int64_t i = npi_view_count(v) - 1; i >= 0; i--) {
        const double d = fabs(value_at(v->data, v->dtype, i) - value_at(other, v->dtype, i));
        if (d > worst) worst = d;
    }
    return worst;
}

static int compare(const struct npi_view *v, const void *want, double tol, int k, char *msg, size_t size) {
    const int64_t n = npi_view_count(v);
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        const double a = value_at(v->data, v->dtype, i), b = value_at(want, v->dtype, i), d = fabs(a - b);
        if (a == b || (isnan(a) && isnan(b))) continue;
        if (!(d <= worst)) worst = d;
        if (!(d <= tol)) {
            snprintf(msg, size, "output %d [%lld] is %.9g, golden %.9g, allowed %.3g", k, (long long)i, a, b, tol);
            return -1;
        }
    }
    snprintf(msg, size, "largest difference %.3g, allowed %.3g", worst, tol);
    return 0;
}

/* The same model through passes, plan and the kernels of one ISA level. tol: of each output. */
static int run_session(struct case_data *c, const char *path, const char *isa, const double *tol, char *msg, size_t size) {
    struct np_error err = { 0 };
    struct np_model_params p;
    struct np_model *m = NULL;
    struct np_session *s = NULL;
    struct np_tensor_info t;
    int r = -1;
    np_model_params_default(&p);
    p.isa = isa;
    if (np_model_load(&m, path, &p, &err) < 0 || np_session_open(&s, m, NULL, &err) < 0) goto done;
    for (int i = 0; i < c->n_in; i++) {
        np_model_input_info(m, i, &t);
        const void *x = case_input(c, i, t.dtype, t.bytes, msg, size);
        if (!x) goto done;
        memcpy(np_session_input(s, i), x, t.bytes);
    }
    if (np_session_run(s, &err) < 0) goto done;
    for (int i = 0; i < c->n_out; i++) {
        np_model_output_info(m, i, &t);
        struct npi_view v = { .dtype = t.dtype, .rank = t.rank };
        memcpy(v.d, t.dims, sizeof v.d);
        v.data = (void *)(uintptr_t)np_session_output(s, i);
        const void *want = case_output(c, i, t.dtype, t.bytes, msg, size);
        char text[400];
        if (!want) goto done;
        if (compare(&v, want, tol[i], i, text, sizeof text) < 0) {
            snprintf(msg, size, "isa %s: %s", isa, text);
            goto done;
        }
    }
    r = 0;
done:
    if (err.code) snprintf(msg, size, "isa %s: %s", isa, err.message);
    np_session_free(&s);
    np_model_free(&m);
    return r;
}

static int run_case(const char *path, char *msg, size_t size) {
    struct np_error err = { 0 };
    struct npi_arena mem;
    struct npi_graph g;
    struct case_data c = { 0 };
    const struct npi_import_opts o = { .path = path };
    npi_arena_init(&mem, (size_t)2 << 30);
    int r = case_load(&c, path, msg, size);
    if (r < 0) goto done;
    if ((r = npi_graph_init(&g, &mem, path)) < 0 || (r = npi_import_tflite(&g, c.model, c.model_bytes, &o, &err)) < 0 || (r = npi_graph_verify(&g, &err)) < 0) {
        const char *text = strstr(err.message, "operator");
        snprintf(msg, size, "%s: %s", np_error_name(r), text ? text : err.message);
        goto done;
    }
    r = -1;
    if (g.n_inputs != c.n_in || g.n_outputs != c.n_out) {
        snprintf(msg, size, "%d inputs and %d outputs, golden has %d and %d", g.n_inputs, g.n_outputs, c.n_in, c.n_out);
        goto done;
    }
    for (int i = 0; i < g.n_inputs; i++) {
        struct npi_view *v = &g.tensor[g.input[i]].v;
        if (!(v->data = case_input(&c, i, v->dtype, npi_view_bytes(v), msg, size))) goto done;
    }
    const int moves = only_moves(&g);
    double *const tol = npi_arena_array(&mem, double, g.n_outputs + 1);
    void **const first = npi_arena_array(&mem, void *, g.n_outputs + 1);
    if (run_graph(&g, 0) < 0) goto done;
    for (int i = 0; i < g.n_outputs; i++) {
        const struct npi_view *v = &g.tensor[g.output[i]].v;
        if (!(first[i] = npi_arena_alloc(&mem, npi_view_bytes(v) + 1))) goto done;
        memcpy(first[i], v->data, npi_view_bytes(v));
        if (v->dtype != NP_F32 && v->q.n && !moves) tol[i] = steps(&g);
    }
    for (rng = 1; rng < 4; rng++) {
        const unsigned seed = rng;
        if (run_graph(&g, 1) < 0) goto done;
        for (int i = 0; i < g.n_outputs; i++) {
            const struct npi_view *v = &g.tensor[g.output[i]].v;
            const double d = v->dtype == NP_F32 ? 4 * distance(v, first[i]) : 0;
            if (d > tol[i]) tol[i] = d;
        }
        rng = seed;
    }
    for (int i = 0; i < g.n_outputs; i++) {
        struct npi_view v = g.tensor[g.output[i]].v;
        const void *want = case_output(&c, i, v.dtype, npi_view_bytes(&v), msg, size);
        v.data = first[i];
        if (!want || compare(&v, want, tol[i], i, msg, size) < 0) goto done;
    }
    for (int i = 0; np_isa_level(i); i++)
        if (run_session(&c, path, np_isa_level(i), tol, msg, size) < 0) goto done;
    r = 0;
done:
    case_free(&c);
    npi_arena_free(&mem);
    return r;
}

/* ---- lists ---- */

struct list { char *text; const char *name[MAX_CASES], *reason[MAX_CASES]; int n; char seen[MAX_CASES]; };

/* Lines "name" or "name: reason"; # starts a comment. */
static int read_list(struct list *l, const char *dir, const char *file) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    if (!(l->text = case_file(path, NULL))) {
        fprintf(stderr, "%s cannot be read\n", path);
        return -1;
    }
    char *save = NULL;
    for (char *s = strtok_r(l->text, "\n", &save); s && l->n < MAX_CASES; s = strtok_r(NULL, "\n", &save)) {
        if (*s == '#' || !*s) continue;
        char *colon = strchr(s, ':');
        l->name[l->n] = s;
        l->reason[l->n] = "";
        if (colon) {
            *colon = 0;
            l->reason[l->n] = colon + 1;
        }
        l->n++;
    }
    return 0;
}

static int in_list(struct list *l, const char *name) {
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->name[i], name) == 0) return l->seen[i] = 1;
    return 0;
}

static int run_all(struct list *yes, struct list *no, const char *only, int verbose) {
    int bad = 0, passed = 0, unclaimed = 0;
    for (int i = 0; i < n_found; i++) {
        char name[256], msg[600] = "";
        case_name(found[i], name, sizeof name);
        if (only && strcmp(only, name) != 0) continue;
        const int claimed = !yes || in_list(yes, name), refused = no && in_list(no, name), ok = run_case(found[i], msg, sizeof msg) == 0;
        const char *what = claimed == refused ? (claimed ? "is in both lists" : "is in neither list") : claimed && !ok ? "claimed, but fails"
                         : refused && ok ? "unclaimed, but passes" : NULL;
        if (what || verbose) printf("%-40s %s%s%s\n", name, what ? what : ok ? "ok" : "unclaimed", *msg ? ": " : "", msg);
        bad += what != NULL;
        passed += claimed && ok;
        unclaimed += refused && !ok;
    }
    for (int i = 0; yes && i < yes->n && !only; i++)
        if (!yes->seen[i]) bad += printf("%-40s claimed, but there is no such case\n", yes->name[i]) > 0;
    for (int i = 0; no && i < no->n && !only; i++)
        if (!no->seen[i]) bad += printf("%-40s unclaimed, but there is no such case\n", no->name[i]) > 0;
    printf("%d cases: %d claimed and passed, %d unclaimed, %d wrong\n", n_found, passed, unclaimed, bad);
    return bad || !n_found;
}

int main(int argc, char **argv) {
    struct list yes = { 0 }, no = { 0 };
    const char *dir = NULL, *lists = ".", *only = NULL;
    int list = 0, verbose = 0, all = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) list = 1;
        else if (strcmp(argv[i], "--verbose") == 0) verbose = 1;
        else if (strcmp(argv[i], "--all") == 0) all = 1;
        else if (strcmp(argv[i], "--lists") == 0 && i + 1 < argc) lists = argv[++i];
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) only = argv[++i];
        else dir = argv[i];
    }
    if (!all && (read_list(&yes, lists, "tflite_claimed.txt") < 0 || read_list(&no, lists, "tflite_unclaimed.txt") < 0)) return 2;
    if (list) {
        for (int i = 0; i < yes.n; i++) printf("claimed    %s\n", yes.name[i]);
        for (int i = 0; i < no.n; i++) printf("unclaimed  %s:%s\n", no.name[i], no.reason[i]);
    } else if (!dir || nftw(dir, visit, 16, FTW_PHYS) != 0) {
        fprintf(stderr, "no folder with cases\n");
        return 2;
    }
    const int r = list ? 0 : run_all(all ? NULL : &yes, all ? NULL : &no, only, verbose);
    for (int i = 0; i < n_found; i++) free(found[i]);
    free(yes.text);
    free(no.text);
    return r;
}
