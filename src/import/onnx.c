/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX model file -> graph: the model, its inputs and outputs, and the walk over the nodes. See onnx.h. */
#include "import/onnx.h"

#include <stdio.h>
#include <string.h>

#define MAX_PORTS 4096

/* ---- names -> tensors ---- */

static size_t slot_of(const struct npi_ox *o, const struct npi_pb *key) {
    uint64_t h = 1469598103934665603u;
    for (const uint8_t *p = key->p; p < key->end; p++) h = (h ^ *p) * 1099511628211u;
    size_t i = (size_t)(h ^ h >> 32) & (o->map_cap - 1);
    while (o->map[i].tensor && (npi_pb_size(&o->map[i].key) != npi_pb_size(key) || memcmp(o->map[i].key.p, key->p,
            npi_pb_size(key)))) i = (i + 1) & (o->map_cap - 1);
    return i;
}

static int bind_name(struct npi_ox *o, struct npi_pb key, int tensor) {
    if (o->map_n * 2 >= o->map_cap) {
        const struct npi_ox_name *old = o->map;
        const size_t old_cap = o->map_cap;
        o->map_cap = old_cap ? old_cap * 2 : 1024;
        o->map = npi_arena_array(&o->tmp, struct npi_ox_name, o->map_cap);
        if (!o->map) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path);
        for (size_t i = 0; i < old_cap; i++)
            if (old[i].tensor) o->map[slot_of(o, &old[i].key)] = old[i];
    }
    const size_t i = slot_of(o, &key);
    if (!o->map[i].tensor) o->map_n++;
    o->map[i] = (struct npi_ox_name){ key, tensor + 1 };
    return 0;
}

static int tensor_of(const struct npi_ox *o, const struct npi_pb *key) { return o->map_cap ? o->map[slot_of(o, key)].tensor - 1 : -1; }

static char *text(struct npi_arena *mem, const struct npi_pb *s) { return npi_arena_strndup(mem, (const char *)s->p, npi_pb_size(s)); }

/* ---- inputs ---- */

struct value_info { struct npi_pb name; int64_t elem_type; int rank; int64_t d[NP_MAX_RANK]; int has_shape, too_deep, is_tensor; };

/* ValueInfoProto: 1 name, 2 type { 1 tensor { 1 elem_type, 2 shape { 1 dim { 1 value, 2 param } } } } */
static void read_value_info(struct npi_pb m, struct value_info *v) {
    *v = (struct value_info){ .name = npi_pb_find(m, 1, NULL) };
    const struct npi_pb type = npi_pb_find(m, 2, NULL);
    struct npi_pb tensor = npi_pb_find(type, 1, &v->is_tensor);
    struct npi_pb_field f, d;
    while (npi_pb_next(&tensor, &f)) {
        if (f.num == 1) v->elem_type = (int64_t)f.v;
        if (f.num != 2) continue;
        v->has_shape = 1;
        while (npi_pb_next(&f.sub, &d)) {
            if (d.num != 1) continue;
            if (v->rank == NP_MAX_RANK) {
                v->too_deep = 1;
                break;
            }
            struct npi_pb dim = d.sub;
            int64_t value = -1;
            struct npi_pb_field e;
            while (npi_pb_next(&dim, &e))
                if (e.num == 1) value = (int64_t)e.v;
            v->d[v->rank++] = value;
        }
    }
}

static void shape_text(const struct value_info *v, char *s, size_t size) {
    size_t n = (size_t)snprintf(s, size, "[");
    for (int i = 0; i < v->rank && n < size; i++)
        n += (size_t)(v->d[i] < 0 ? snprintf(s + n, size - n, "%s?", i ? "," : "") : snprintf(s + n, size - n, "%s%lld", i ? "," : "", (long long)v->d[i]));
    if (n < size) snprintf(s + n, size - n, "]");
}

/* Puts in the caller's dims and decides what the unknown ones are. */
static int settle_shape(struct npi_ox *o, struct value_info *v, const char *name, int index) {
    const struct npi_import_opts *q = o->opt;
    const int mine = q->rank && (q->input_name ? !strcmp(q->input_name, name) : index == 0);
    char s[128];
    shape_text(v, s, sizeof s);
    if (mine) {
        if (v->has_shape && v->rank != q->rank)
            return npi_fail(o->err, NP_EINVAL, "input '%.80s' of %s has shape %s, but %d dimensions were given", name, o->g->path, s, q->rank);
        v->rank = q->rank;
        for (int i = 0; i < q->rank; i++) {
            const int64_t own = v->has_shape ? v->d[i] : -1;
            if (q->dims[i] >= 0 || !v->has_shape) v->d[i] = q->dims[i];
            o->given_dims[i] = v->d[i] >= 0 ? v->d[i] : 1;
            o->own_dims[i] = own >= 0 ? own : i == 0 ? 1 : o->given_dims[i];
            o->other_shape |= o->own_dims[i] != o->given_dims[i];
        }
        v->has_shape = 1;
    }
    if (!v->has_shape) return npi_fail(o->err, NP_EUNSUPPORTED, "input '%.80s' of %s has no shape in the file: give one", name, o->g->path);
    for (int i = 0; i < v->rank; i++) {
        if (v->d[i] >= 0) continue;
        if (i > 0 && !mine) return npi_fail(o->err, NP_EINVAL,
                "input '%.80s' of %s has shape %s: dimension %d is not fixed in the file, give a shape", name, o->g->path, s, i);
        v->d[i] = 1;
    }
    return 0;
}

static int add_input(struct npi_ox *o, struct npi_pb m, int index) {
    struct value_info v;
    read_value_info(m, &v);
    char *name = text(&o->tmp, &v.name);
    if (!name) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path);
    if (!v.is_tensor) return npi_fail(o->err, NP_EUNSUPPORTED, "input '%.80s' of %s is a sequence, map or optional, which is not supported", name, o->g->path);
    if (v.too_deep) return npi_fail(o->err, NP_ELIMIT, "input '%.80s' of %s has more than %d dimensions", name, o->g->path, NP_MAX_RANK);
    struct npi_view w = { .dtype = npi_ox_dtype(v.elem_type) };
    if (w.dtype < 0) return npi_fail(o->err, NP_EUNSUPPORTED, "input '%.80s' of %s has type %s, which is not supported", name, o->g->path,
            npi_ox_type_name(v.elem_type));
    const int r = settle_shape(o, &v, name, index);
    if (r < 0) return r;
    w.rank = v.rank;
    for (int i = 0; i < v.rank; i++) w.d[i] = v.d[i];
    if (npi_view_bytes(&w) > (size_t)1 << 34) return npi_fail(o->err, NP_ELIMIT, "input '%.80s' of %s is larger than 16 GiB", name, o->g->path);
    const int t = npi_graph_tensor(o->g, name, &w);
    if (t < 0) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path);
    o->input[o->n_input++] = t;
    const int wide = npi_ox_widen(o, t);
    return wide < 0 ? wide : bind_name(o, v.name, wide);
}

static int add_inputs(struct npi_ox *o, struct npi_pb graph) {
    struct npi_pb m = graph;
    struct npi_pb_field f;
    int n = 0, index = 0;
    while (npi_pb_next(&m, &f)) n += f.num == 11;
    o->input = npi_arena_array(&o->tmp, int, n + 1);
    if (!o->input) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path);
    for (m = graph; npi_pb_next(&m, &f);) {
        if (f.num != 11) continue;
        const struct npi_pb name = npi_pb_find(f.sub, 1, NULL);
        if (tensor_of(o, &name) >= 0) continue; /* old files list the initializers as inputs, too */
        const int r = add_input(o, f.sub, index++);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- nodes ---- */

static int known_domain(const struct npi_pb *node) {
    const struct npi_pb d = npi_pb_find(*node, 7, NULL);
    return npi_pb_size(&d) == 0 || npi_pb_is(&d, "ai.onnx");
}

static int go_on(const struct npi_ox *o) { return o->opt->watch && o->opt->watch->trouble; }

/* One message with every op type that is missing, before any work is done. */
static int check_ops(struct npi_ox *o, struct npi_pb graph) {
    struct npi_pb_field f;
    char list[256] = "";
    size_t used = 0;
    int kinds = 0;
    while (!go_on(o) && npi_pb_next(&graph, &f)) {
        if (f.num != 1) continue;
        const struct npi_pb type = npi_pb_find(f.sub, 4, NULL), name = npi_pb_find(f.sub, 3, NULL), domain = npi_pb_find(f.sub, 7, NULL);
        if (known_domain(&f.sub) && npi_ox_row(&type)) continue;
        char one[80];
        snprintf(one, sizeof one, "%.24s%s%.48s", npi_ox_quote(&domain).s, npi_pb_size(&domain) ? "." : "", npi_ox_quote(&type).s);
        if (!kinds++) {
            npi_fail(o->err, NP_EUNSUPPORTED, "op '%s' (node '%s') in %.120s is not supported", one, npi_ox_quote(&name).s, o->g->path);
            used = (size_t)snprintf(list, sizeof list, " '%s'", one);
            continue;
        }
        char quoted[84];
        snprintf(quoted, sizeof quoted, " '%s'", one);
        if (!strstr(list, quoted) && used + strlen(quoted) < sizeof list) used += (size_t)snprintf(list + used, sizeof list - used, "%s", quoted);
    }
    if (!kinds) return 0;
    const char *more = strchr(list + 2, '\'');
    if (o->err && more && more[1]) {
        const size_t n = strlen(o->err->message);
        snprintf(o->err->message + n, sizeof o->err->message - n, "; also missing:%s", more + 1);
    }
    return NP_EUNSUPPORTED;
}

static int read_ports(struct npi_ox *o, struct npi_ox_node *n) {
    struct npi_pb m = n->body;
    struct npi_pb_field f;
    while (npi_pb_next(&m, &f)) n->n_in += f.num == 1, n->n_out += f.num == 2;
    if (n->n_in > MAX_PORTS || n->n_out > MAX_PORTS) return npi_ox_fail(n, NP_ELIMIT, "more than %d inputs or outputs", MAX_PORTS);
    n->in = npi_arena_array(&o->tmp, int, n->n_in + 1);
    n->out = npi_arena_array(&o->tmp, int, n->n_out + 1);
    n->wanted = npi_arena_array(&o->tmp, char, n->n_out + 1);
    if (!n->in || !n->out || !n->wanted) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path);
    int i = 0, k = 0;
    for (m = n->body; npi_pb_next(&m, &f);) {
        if (f.num == 2) {
            n->out[k] = -1;
            n->wanted[k++] = npi_pb_size(&f.sub) > 0;
        }
        if (f.num != 1) continue;
        n->in[i] = npi_pb_size(&f.sub) ? tensor_of(o, &f.sub) : -1;
        if (npi_pb_size(&f.sub) && n->in[i] < 0)
            return npi_ox_fail(n, NP_EFORMAT, "input %d ('%s') is not made by any earlier node", i, npi_ox_quote(&f.sub).s);
        i++;
    }
    while (n->n_in > 0 && n->in[n->n_in - 1] < 0) n->n_in--;
    if (n->n_in < n->row->min_in || n->n_in > n->row->max_in) return npi_ox_fail(n, NP_EFORMAT, "it has %d inputs, expected %d to %d", n->n_in,
            n->row->min_in, n->row->max_in);
    for (i = 0; i < n->row->min_in; i++)
        if (n->in[i] < 0) return npi_ox_fail(n, NP_EFORMAT, "input %d is missing", i);
    return 0;
}

/* The outputs of a node that cannot be read, or that needs one of such. */
static int poison_outputs(struct npi_ox *o, struct npi_pb body) {
    struct npi_pb_field f;
    if (o->poison < 0) {
        const struct npi_view v = { .dtype = NP_F32 };
        if ((o->poison = npi_graph_tensor(o->g, NULL, &v)) < 0) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path);
    }
    while (npi_pb_next(&body, &f))
        if (f.num == 2 && npi_pb_size(&f.sub)) {
            const int r = bind_name(o, f.sub, o->poison);
            if (r < 0) return r;
        }
    return 0;
}

static int is_poisoned(const struct npi_ox *o, struct npi_pb body) {
    struct npi_pb_field f;
    while (o->poison >= 0 && npi_pb_next(&body, &f))
        if (f.num == 1 && npi_pb_size(&f.sub) && tensor_of(o, &f.sub) == o->poison) return 1;
    return 0;
}

static int read_node(struct npi_ox *o, struct npi_pb body);

static int run_node(struct npi_ox *o, struct npi_pb body) {
    const struct npi_import_watch *const w = o->opt->watch;
    char op[96], name[96];
    if (!w || o->depth) return read_node(o, body);
    const struct npi_pb n = npi_pb_find(body, 3, NULL), type = npi_pb_find(body, 4, NULL), domain = npi_pb_find(body, 7, NULL);
    snprintf(op, sizeof op, "%.40s%s%.48s", npi_pb_size(&domain) ? npi_ox_quote(&domain).s : "", npi_pb_size(&domain) ? "." : "", npi_ox_quote(&type).s);
    snprintf(name, sizeof name, "%s", npi_ox_quote(&n).s);
    if (w->node) w->node(w->opaque, op, name);
    if (is_poisoned(o, body)) {
        if (w->skipped) w->skipped(w->opaque);
        return poison_outputs(o, body);
    }
    const int r = read_node(o, body);
    if (r >= 0 || r == NP_ENOMEM || r == NP_ELIMIT || !w->trouble) return r;
    w->trouble(w->opaque, op, name, o->err->message);
    return poison_outputs(o, body);
}

static int read_node(struct npi_ox *o, struct npi_pb body) {
    const struct npi_pb name = npi_pb_find(body, 3, NULL), type = npi_pb_find(body, 4, NULL);
    struct npi_ox_node n = { .o = o, .g = o->g, .row = known_domain(&body) ? npi_ox_row(&type) : NULL, .body = body };
    n.type = text(&o->tmp, &type);
    n.name = text(&o->tmp, &name);
    if (!n.name || !n.type) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path);
    if (!n.row) return npi_fail(o->err, NP_EUNSUPPORTED, "op '%.80s' (node '%.80s') in %.120s is not supported", n.type, n.name, o->g->path);
    int r = read_ports(o, &n);
    if (r < 0) return r;
    r = n.row->fn(&n);
    if (r < 0) return r;
    struct npi_pb m = body;
    struct npi_pb_field f;
    for (int k = 0; npi_pb_next(&m, &f);) {
        if (f.num != 2) continue;
        const int t = n.out[k];
        if (n.wanted[k] && t < 0) return npi_ox_fail(&n, NP_EUNSUPPORTED, "its output %d is not supported", k);
        k++;
        if (t < 0) continue;
        struct npi_tensor *made = &o->g->tensor[t];
        if (!*made->name && !(made->name = text(o->g->mem, &f.sub))) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path);
        if ((r = bind_name(o, f.sub, t)) < 0) return r;
    }
    return 0;
}

static int load_constants(struct npi_ox *o, struct npi_pb graph) {
    struct npi_pb_field f;
    while (npi_pb_next(&graph, &f)) {
        if (f.num == 15) return npi_fail(o->err, NP_EUNSUPPORTED, "%s has sparse initializers, which are not supported", o->g->path);
        if (f.num != 5) continue;
        struct npi_pb name;
        const int t = npi_ox_tensor(o, f.sub, "initializer", &name);
        if (t < 0) return t;
        const int r = bind_name(o, name, t);
        if (r < 0) return r;
    }
    return 0;
}

static int run_nodes(struct npi_ox *o, struct npi_pb graph) {
    struct npi_pb_field f;
    while (npi_pb_next(&graph, &f)) {
        if (f.num != 1) continue;
        const int r = run_node(o, f.sub);
        if (r < 0) return r;
    }
    return graph.bad ? npi_fail(o->err, NP_EFORMAT, "%s: truncated or corrupt ONNX file", o->g->path) : 0;
}

int npi_ox_run_graph(struct npi_ox *o, struct npi_pb graph, int *out, int max_out) {
    struct npi_pb_field f;
    int n = 0, r = check_ops(o, graph);
    if (r < 0 || (r = load_constants(o, graph)) < 0 || (r = run_nodes(o, graph)) < 0) return r;
    while (npi_pb_next(&graph, &f)) {
        if (f.num != 12) continue;
        const struct npi_pb name = npi_pb_find(f.sub, 1, NULL);
        if (n == max_out) return npi_fail(o->err, NP_EFORMAT, "%s: a branch has more outputs than its node", o->g->path);
        out[n] = tensor_of(o, &name);
        if (out[n++] < 0) return npi_fail(o->err, NP_EFORMAT, "%s: output '%s' is made by no node", o->g->path, npi_ox_quote(&name).s);
    }
    return n;
}

/* ---- outputs ---- */

/* Outputs are tensors of their own under the file's name: what passes an input through, or appears twice, gets a Reshape. */
static int finish_output(struct npi_ox *o, const struct value_info *v, int t, const int *before, int n_before) {
    struct npi_graph *g = o->g;
    const int want = npi_ox_dtype(v->elem_type), have = g->tensor[t].v.dtype;
    char *name = text(g->mem, &v->name);
    if (!name) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", g->path);
    if ((want == NP_F16 || want == NP_BF16) && have == NP_F32) {
        const struct npi_node p = { .op = NPI_OP_CAST, .name = name, .a.cast.to = want };
        t = npi_build1(g, &p, &t, 1, o->err);
    } else {
        int shared = 0;
        for (int i = 0; i < o->n_input; i++) shared |= o->input[i] == t;
        for (int i = 0; i < n_before; i++) shared |= before[i] == t;
        if (shared) t = npi_build_reshape(g, name, t, g->tensor[t].v.rank, g->tensor[t].v.d, o->err);
    }
    if (t >= 0) g->tensor[t].name = name;
    return t;
}

static int set_outputs(struct npi_ox *o, struct npi_pb graph) {
    struct npi_pb m = graph;
    struct npi_pb_field f;
    int n = 0, k = 0;
    while (npi_pb_next(&m, &f)) n += f.num == 12;
    if (!n || n > MAX_PORTS) return npi_fail(o->err, NP_EFORMAT, "%s: the graph has %d outputs", o->g->path, n);
    int *out = npi_arena_array(&o->tmp, int, n);
    if (!out) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path);
    for (m = graph; npi_pb_next(&m, &f);) {
        if (f.num != 12) continue;
        struct value_info v;
        read_value_info(f.sub, &v);
        const int t = tensor_of(o, &v.name);
        if (t < 0) return npi_fail(o->err, NP_EFORMAT, "%s: output '%s' is made by no node", o->g->path, npi_ox_quote(&v.name).s);
        if (t == o->poison) continue;
        out[k] = finish_output(o, &v, t, out, k);
        if (out[k] < 0) return out[k];
        k++;
    }
    return npi_graph_set_io(o->g, o->input, o->n_input, out, k) < 0 ? npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path) : 0;
}

static int drop_unused(struct npi_ox *o) {
    struct npi_graph *g = o->g;
    char *live = npi_arena_array(&o->tmp, char, g->n_tensors + 1);
    if (!live) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", g->path);
    for (int i = 0; i < g->n_outputs; i++) live[g->output[i]] = 1;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        struct npi_node *n = &g->node[i];
        int used = 0;
        for (int k = 0; k < n->n_out; k++) used |= n->out[k] >= 0 && live[n->out[k]];
        if (!used) n->dead = 1;
        for (int k = 0; !n->dead && k < n->n_in; k++)
            if (n->in[k] >= 0) live[n->in[k]] = 1;
    }
    npi_graph_compact(g);
    return 0;
}

/* ---- the model ---- */

/* ModelProto: 7 graph, 8 opset_import { 1 domain, 2 version }. */
int npi_ox_read_model(struct npi_ox *o) {
    struct npi_pb m = npi_pb(o->file, o->file_size), graph = npi_pb(NULL, 0);
    struct npi_pb_field f, e;
    int have = 0;
    while (npi_pb_next(&m, &f)) {
        if (f.num == 7 && f.wire == 2) graph = f.sub, have = 1;
        if (f.num != 8) continue;
        const struct npi_pb domain = npi_pb_find(f.sub, 1, NULL);
        int64_t version = 0;
        while (npi_pb_next(&f.sub, &e))
            if (e.num == 2) version = (int64_t)e.v;
        if (npi_pb_size(&domain) == 0 || npi_pb_is(&domain, "ai.onnx")) o->opset = version;
    }
    if (m.bad || !have) return npi_fail(o->err, NP_EFORMAT, "%s: truncated or corrupt ONNX file", o->g->path);
    struct npi_pb probe = graph;
    while (npi_pb_next(&probe, &f)) continue;
    if (probe.bad) return npi_fail(o->err, NP_EFORMAT, "%s: truncated or corrupt ONNX file", o->g->path);
    if (!o->opset) o->opset = 1;
    int r = check_ops(o, graph);
    if (r < 0 || (r = load_constants(o, graph)) < 0 || (r = add_inputs(o, graph)) < 0 || (r = run_nodes(o, graph)) < 0 || (r = set_outputs(o,
            graph)) < 0) return r;
    return drop_unused(o);
}

int npi_import_onnx(struct npi_graph *g, const void *data, size_t size, const struct npi_import_opts *opt, struct np_error *err) {
    static const struct npi_import_opts defaults;
    struct np_error local; /* helpers read the message back */
    struct npi_ox o = { .g = g, .opt = opt ? opt : &defaults, .err = err ? err : &local, .file = data, .file_size = size, .poison = -1 };
    npi_arena_init(&o.tmp, g->mem->limit_bytes);
    int r = npi_ox_read_model(&o);
    if (r >= 0) r = npi_graph_verify(g, o.err);
    npi_file_unmap(&o.ext);
    npi_arena_free(&o.tmp);
    return r < 0 ? r : 0;
}

/* StringStringEntryProto of ModelProto.metadata_props (14): 1 key, 2 value. The last one of a key counts. */
const char *npi_onnx_metadata(const void *data, size_t size, const char *key, struct npi_arena *mem) {
    struct npi_pb m = npi_pb(data, size), value = npi_pb(NULL, 0);
    struct npi_pb_field f;
    int found = 0;
    while (npi_pb_next(&m, &f)) {
        if (f.num != 14) continue;
        const struct npi_pb k = npi_pb_find(f.sub, 1, NULL);
        if (!npi_pb_is(&k, key)) continue;
        value = npi_pb_find(f.sub, 2, NULL);
        found = 1;
    }
    return found && !m.bad ? text(mem, &value) : NULL;
}
