/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX's own single-node cases against us: through the importer and the C references, node by node, and then through real
 * sessions with all passes, at every ISA level of the machine and with threads. A case passes when all of them agree.
 *
 *   onnx_node                 all cases; fails unless the lists beside this file say exactly what happens:
 *                             onnx_claimed.txt    operators whose cases must pass, all of them
 *                             onnx_unclaimed.txt  "pattern reason": cases that don't, and why; one that passes is stale
 *   onnx_node --list          the claims, one operator a line, then the unclaimed cases with their reasons
 *   onnx_node --case NAME     one case, with the graph and the first difference
 *
 * The cases are unpacked from $NEXTPOSE_SHARED/conformance/onnx-node.tar.xz into a temporary folder (exit 77 without it).
 *
 * Tolerance: integers exact. Floats |a - b| <= 1e-3 |b| + 1e-5: ONNX's runner uses 1e-3 relative and 1e-7 absolute; sums of some
 * hundred values of about 1 that cancel leave errors of some 1e-7 times their count, hence 1e-5. bf16 results: two units
 * in the last of their 8 bits, 2^-6, because the expected ones were also rounded to bf16 between the steps of composed operators.
 * NonMaxSuppression: our result has room for the maximum and is filled with -1; the leading rows must agree. */
#include <dirent.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model.h"
#include "cases.h"
#include "import/onnx.h"
#include "ops/convert.h"
#include "refrun.h"

#define MAX_CASES 4096
#define MAX_VALUES 16
struct outcome { char name[160], op[64], why[300]; int passed; };
struct line { char key[160], reason[240]; int used; };
struct list { struct line *line; int n; };
static struct np_pool *pool_of_three;

/* ---- reading ---- */

static void first_op(const struct npi_file *model, char *op, size_t size) {
    const struct npi_pb graph = npi_pb_find(npi_pb(model->data, model->size), 7, NULL), node = npi_pb_find(graph, 1, NULL), type = npi_pb_find(node, 4, NULL);
    snprintf(op, size, "%.*s", (int)npi_pb_size(&type), (const char *)type.p);
}

/* test_data_set_0/{input,output}_k.pb as constants of a scratch graph. */
struct values { struct npi_arena mem; struct npi_graph g; int id[MAX_VALUES], n; char name[MAX_VALUES][96]; struct npi_file file[MAX_VALUES]; };

static int read_values(struct values *v, const char *dir, const char *kind, struct np_error *err) {
    static const struct npi_import_opts opt;
    npi_graph_init(&v->g, &v->mem, dir);
    for (v->n = 0; v->n < MAX_VALUES; v->n++) {
        char path[600];
        snprintf(path, sizeof path, "%s/test_data_set_0/%s_%d.pb", dir, kind, v->n);
        FILE *f = fopen(path, "rb"); /* an empty file is a tensor without anything: no mapping */
        if (!f) break;
        fseek(f, 0, SEEK_END);
        const long size = ftell(f);
        fclose(f);
        if (size > 0 && npi_file_map(&v->file[v->n], path, err) < 0) return -1;
        struct npi_ox o = { .g = &v->g, .opt = &opt, .err = err, .file = v->file[v->n].data, .file_size = v->file[v->n].size };
        struct npi_pb name;
        v->id[v->n] = npi_ox_read_tensor(&o, npi_pb(o.file, o.file_size), kind, &name);
        if (v->id[v->n] < 0) return -1;
        snprintf(v->name[v->n], sizeof v->name[0], "%.*s", (int)npi_pb_size(&name), (const char *)name.p);
    }
    return 0;
}

static void free_values(struct values *v) {
    for (int i = 0; i < MAX_VALUES; i++) npi_file_unmap(&v->file[i]);
    npi_arena_free(&v->mem);
}

static const struct npi_view *value_of(const struct values *v, const char *name) {
    for (int i = 0; i < v->n; i++)
        if (!strcmp(v->name[i], name)) return &v->g.tensor[v->id[i]].v;
    return NULL;
}

/* The importer asks for inputs that it must know: shapes, axes, scales. */
static int bind(void *opaque, const char *input, struct npi_view *v) {
    const struct npi_view *have = value_of(opaque, input);
    if (!have || have->dtype != v->dtype || !npi_view_same_shape(have, v)) return 0;
    v->data = have->data;
    return 1;
}

/* ---- comparing ---- */

static int same_number(double a, double b, double rel) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= rel * fabs(b) + 1e-5;
}

static int compare(const struct npi_view *got, const struct npi_view *want, int k, int is_nms, char *why, size_t size) {
    int64_t count = npi_view_count(want);
    if (got->dtype != want->dtype) return snprintf(why, size, "output %d is %s, expected %s", k, np_dtype_name(got->dtype), np_dtype_name(want->dtype)), 0;
    if (is_nms && got->rank == 2 && want->rank == 2 && got->d[0] >= want->d[0] && got->d[1] == want->d[1]) {
        for (int64_t i = count; i < npi_view_count(got); i++)
            if (((const int64_t *)got->data)[i] != -1) return snprintf(why, size, "more boxes than the %lld expected", (long long)want->d[0]), 0;
    } else if (!npi_view_same_shape(got, want)) {
        size_t n = (size_t)snprintf(why, size, "output %d has another shape: [", k);
        for (int i = 0; i < got->rank && n < size; i++) n += (size_t)snprintf(why + n, size - n, "%s%lld", i ? "," : "", (long long)got->d[i]);
        return 0;
    }
    const int is_float = got->dtype == NP_F32 || got->dtype == NP_F64 || got->dtype == NP_F16 || got->dtype == NP_BF16;
    const size_t bytes = np_dtype_size(got->dtype);
    for (int64_t i = 0; i < count; i++) {
        if (!is_float) {
            if (!memcmp((const char *)got->data + (size_t)i * bytes, (const char *)want->data + (size_t)i * bytes, bytes)) continue;
            return snprintf(why, size, "output %d [%lld] is %lld, expected %lld", k, (long long)i, (long long)npi_get_i64(got->dtype, got->data,
                    i), (long long)npi_get_i64(want->dtype, want->data, i)), 0;
        }
        const double a = npi_get_f64(got->dtype, got->data, i), b = npi_get_f64(want->dtype, want->data, i);
        if (!same_number(a, b, got->dtype == NP_BF16 ? 0x1p-6 : 1e-3)) return snprintf(why, size, "output %d [%lld] is %.9g, expected %.9g", k,
                (long long)i, a, b), 0;
    }
    return 1;
}

static void print_line(void *opaque, const char *text) { (void)opaque, puts(text); }

/* What both runners share: data for the graph's inputs by name, results against the expected ones. */
struct job { const struct npi_file *model; const char *path, *op; struct values *in; const struct values *want; int verbose; char *why; size_t size; };

static const void *data_for(const struct job *j, const char *name, const struct npi_view *v, struct np_error *err) {
    const struct npi_view *have = value_of(j->in, name);
    if (have && npi_view_same_shape(have, v) && have->dtype == v->dtype) return have->data;
    npi_fail(err, NP_EFORMAT, "no data for input '%s' in the case", name);
    return NULL;
}

static int check_output(const struct job *j, int k, const struct npi_view *got) {
    return compare(got, &j->want->g.tensor[j->want->id[k]].v, k, !strcmp(j->op, "NonMaxSuppression"), j->why, j->size);
}

static int run_reference(const struct job *j) {
    struct npi_arena mem;
    struct npi_graph g;
    struct np_error err = { 0 };
    const struct npi_import_opts opt = { .path = j->path, .bind = bind, .opaque = j->in };
    const void *data[MAX_VALUES] = { 0 };
    int ok = 0;
    npi_arena_init(&mem, (size_t)1 << 30);
    if (npi_graph_init(&g, &mem, j->path) < 0 || npi_import(&g, j->model->data, j->model->size, &opt, &err) < 0) goto done;
    if (j->verbose) npi_graph_dump(&g, print_line, NULL);
    for (int i = 0; i < g.n_inputs && i < MAX_VALUES; i++)
        if (!(data[i] = data_for(j, g.tensor[g.input[i]].name, &g.tensor[g.input[i]].v, &err))) goto done;
    if (refrun(&g, &mem, data, &err) < 0) goto done;
    if (g.n_outputs != j->want->n) npi_fail(&err, NP_ESHAPE, "%d outputs, expected %d", g.n_outputs, j->want->n);
    else ok = 1;
    for (int i = 0; ok && i < g.n_outputs; i++) ok = check_output(j, i, &g.tensor[g.output[i]].v);
done:
    if (err.message[0]) snprintf(j->why, j->size, "%.280s", err.message);
    npi_arena_free(&mem);
    return ok;
}

/* The same through passes, plan and kernels of one ISA level. */
static int run_session(const struct job *j, const char *isa, struct np_pool *pool) {
    struct np_model_params params;
    struct np_model *m = NULL;
    struct np_session *s = NULL;
    struct np_error err = { 0 };
    const struct npi_load_hooks hooks = { .bind = bind, .opaque = j->in };
    int ok = 0;
    np_model_params_default(&params);
    params.isa = isa;
    if (npi_model_load(&m, j->model->data, j->model->size, j->path, &params, &hooks, &err) < 0 || np_session_open(&s, m, pool, &err) < 0) goto done;
    if (j->verbose) np_model_dump(m, 0, print_line, NULL);
    for (int i = 0; i < np_model_n_inputs(m); i++) {
        struct np_tensor_info info;
        np_model_input_info(m, i, &info);
        const void *data = data_for(j, info.name, npi_model_input(m, i), &err);
        if (!data) goto done;
        if (info.bytes) memcpy(np_session_input(s, i), data, info.bytes);
    }
    if (np_session_run(s, &err) < 0) goto done;
    ok = 1;
    for (int i = 0; ok && i < np_model_n_outputs(m); i++) {
        struct npi_view got = *npi_model_output(m, i);
        got.data = (void *)(uintptr_t)np_session_output(s, i);
        ok = check_output(j, i, &got);
    }
done:
    if (err.message[0]) snprintf(j->why, j->size, "%.280s", err.message);
    np_session_free(&s);
    np_model_free(&m);
    if (!ok) {
        const size_t n = strlen(j->why);
        snprintf(j->why + n, j->size - n, " (session, %s%s)", isa, pool ? ", 3 threads" : "");
    }
    return ok;
}

/* References first; then every level of this machine, and the best one with threads. */
static int run_all(const struct job *j) {
    if (!run_reference(j)) return 0;
    const char *level = NULL;
    for (int i = 0; np_isa_level(i); i++)
        if (!run_session(j, level = np_isa_level(i), NULL)) return 0;
    return run_session(j, level, pool_of_three);
}

static void run_case(const char *root, struct outcome *o, int verbose) {
    char dir[400], path[440];
    static struct values in, want;
    struct npi_file model = { 0 };
    struct np_error err = { 0 };
    snprintf(dir, sizeof dir, "%.230s/%.159s", root, o->name);
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    memset(&in, 0, sizeof in);
    memset(&want, 0, sizeof want);
    npi_arena_init(&in.mem, 0);
    npi_arena_init(&want.mem, 0);
    if (npi_file_map(&model, path, &err) < 0) snprintf(o->why, sizeof o->why, "%.280s", err.message);
    else {
        first_op(&model, o->op, sizeof o->op);
        if (read_values(&in, dir, "input", &err) < 0 || read_values(&want, dir, "output", &err) < 0) snprintf(o->why, sizeof o->why, "%.280s", err.message);
        else o->passed = run_all(&(struct job){ &model, "model.onnx", o->op, &in, &want, verbose, o->why, sizeof o->why });
    }
    npi_file_unmap(&model);
    free_values(&in);
    free_values(&want);
}

/* ---- the lists ---- */

static int read_list(struct list *l, const char *file) {
    char path[600], text[500];
    const char *source = getenv("NEXTPOSE_SOURCE");
    snprintf(path, sizeof path, "%s/tests/conformance/%s", source ? source : ".", file);
    FILE *f = fopen(path, "r");
    if (!f) return fprintf(stderr, "%s: cannot be read\n", path), 0;
    l->line = calloc(MAX_CASES, sizeof *l->line);
    while (l->line && l->n < MAX_CASES && fgets(text, sizeof text, f)) {
        struct line *e = &l->line[l->n];
        if (text[0] == '#' || sscanf(text, "%159s %239[^\n]", e->key, e->reason) < 1) continue;
        l->n++;
    }
    fclose(f);
    return l->line != NULL;
}

static struct line *find(struct list *l, const char *s) {
    for (int i = 0; i < l->n; i++)
        if (!fnmatch(l->line[i].key, s, 0)) return &l->line[i];
    return NULL;
}

static int check(struct outcome *o, struct list *claimed, struct list *unclaimed) {
    struct line *no = find(unclaimed, o->name), *yes = find(claimed, o->op);
    if (no) {
        no->used = 1;
        if (!o->passed) return 1;
        printf("STALE %s passes, but is listed as unclaimed (%s)\n", o->name, no->reason);
        return 0;
    }
    if (!yes) printf("UNLISTED %s (%s): neither its operator is claimed nor the case unclaimed; it %s%s\n", o->name, o->op,
            o->passed ? "passes" : "fails: ", o->why);
    else {
        yes->used = 1;
        if (o->passed) return 1;
        printf("FAILED %s (%s): %s\n", o->name, o->op, o->why);
    }
    return 0;
}

static void print_claims(const struct outcome *o, int n, struct list *claimed, struct list *unclaimed) {
    int total = 0;
    for (int k = 0; k < claimed->n; k++) {
        int all = 0, ours = 0;
        for (int i = 0; i < n; i++)
            if (!strcmp(o[i].op, claimed->line[k].key)) all++, ours += !find(unclaimed, o[i].name);
        printf("claimed %-24s %d of %d cases\n", claimed->line[k].key, ours, all);
        total += ours;
    }
    for (int i = 0; i < n; i++) {
        const struct line *no = find(unclaimed, o[i].name);
        if (no) printf("unclaimed %-16s %s: %s\n", o[i].op, o[i].name, no->reason);
    }
    printf("%d of %d cases claimed\n", total, n);
}

static int by_name(const void *a, const void *b) { return strcmp(((const struct outcome *)a)->name, ((const struct outcome *)b)->name); }

int main(int argc, char **argv) {
    static struct outcome all[MAX_CASES];
    struct list claimed = { 0 }, unclaimed = { 0 };
    const char *one = NULL;
    int list = 0, n = 0, bad = 0, passed = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--list")) list = 1;
        else if (!strcmp(argv[i], "--case") && i + 1 < argc) one = argv[++i];
        else return fprintf(stderr, "usage: onnx_node [--list | --case NAME]\n"), 2;
    }
    struct case_dir root;
    struct np_error err = { 0 };
    if (np_pool_create(&pool_of_three, 3, &err) < 0) return fprintf(stderr, "%s\n", err.message), 1;
    const int r = case_dir_open(&root, "onnx-node.tar.xz", "onnx_node");
    if (r) return r;
    DIR *d = opendir(root.path);
    for (const struct dirent *e; d && n < MAX_CASES && (e = readdir(d));)
        if (e->d_name[0] != '.' && (!one || !strcmp(one, e->d_name))) snprintf(all[n++].name, sizeof all[0].name, "%.159s", e->d_name);
    if (d) closedir(d);
    qsort(all, (size_t)n, sizeof *all, by_name);
    for (int i = 0; i < n; i++) {
        run_case(root.path, &all[i], one != NULL);
        passed += all[i].passed;
        if (one) printf("%s: %s\n", all[i].name, all[i].passed ? "passed" : all[i].why);
    }
    case_dir_close(&root);
    np_pool_free(&pool_of_three);
    if (one) return n == 1 && all[0].passed ? 0 : 1;
    if (!n || !read_list(&claimed, "onnx_claimed.txt") || !read_list(&unclaimed, "onnx_unclaimed.txt")) return 1;
    for (int i = 0; i < n; i++) bad += !check(&all[i], &claimed, &unclaimed);
    for (int i = 0; i < unclaimed.n; i++)
        if (!unclaimed.line[i].used) bad++, printf("STALE pattern %s matches no case\n", unclaimed.line[i].key);
    for (int i = 0; i < claimed.n; i++)
        if (!claimed.line[i].used) bad++, printf("STALE claim %s has no case\n", claimed.line[i].key);
    if (list) print_claims(all, n, &claimed, &unclaimed);
    printf("%d of %d cases pass; %d disagree with the lists\n", passed, n, bad);
    free(claimed.line);
    free(unclaimed.line);
    return bad ? 1 : 0;
}
