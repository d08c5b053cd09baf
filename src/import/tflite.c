/* SPDX-License-Identifier: Apache-2.0 */
/* TFLite models: subgraph 0 becomes the graph; composites are replaced by their decomposition subgraphs. Layouts are ours
 * already (channels last), so that most operators turn into one node. See tflite.h for the other files of the importer. */
#include "import/tflite.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { M_CODES = 1, M_SUBGRAPHS = 2, M_BUFFERS = 4 };
enum { G_TENSORS = 0, G_INPUTS = 1, G_OUTPUTS = 2, G_OPS = 3 };
enum { C_OLD_CODE = 0, C_CUSTOM = 1, C_CODE = 3 };
enum { O_CODE = 0, O_INPUTS = 1, O_OUTPUTS = 2, O_OPT_TYPE = 3, O_OPT = 4, O_CUSTOM = 5, O_OPT2_TYPE = 11, O_OPT2 = 12 };
enum { OP_CUSTOM = 32, OP_PLACEHOLDER = 127, OPTIONS2_COMPOSITE = 21, MAX_DEPTH = 8 };

int npi_tfl_fail(const struct npi_tfl_op *op, int code, const char *fmt, ...) {
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return npi_fail(op->m->err, code, "%s: operator %d %s '%.100s': %s", op->m->g->path, op->index, op->kind, op->name, text);
}

/* ---- inputs and outputs of operators ---- */

int npi_tfl_in_opt(const struct npi_tfl_op *op, int i, int *id) {
    *id = -1;
    if (i >= (int)op->in.n) return 0;
    const int64_t k = npi_fb_int(&op->in, (uint32_t)i);
    if (k == -1) return 0;
    struct npi_tfl_tensor *t = npi_tfl_tensor(op->m, op->s, k);
    if (!t) return npi_fail_prefix(op->m->err, NP_EFORMAT, "operator %d %s", op->index, op->kind);
    if (t->trouble) return npi_tfl_fail(op, NP_EUNSUPPORTED, "input %d ('%.60s') has %s", i, t->name, t->trouble);
    if (t->id < 0) {
        const int r = npi_tfl_constant(op->m, t);
        if (r < 0) return npi_fail_prefix(op->m->err, r, "operator %d %s", op->index, op->kind);
    }
    *id = t->id;
    return 0;
}

int npi_tfl_in(const struct npi_tfl_op *op, int i, int *id) {
    const int r = npi_tfl_in_opt(op, i, id);
    return r < 0 ? r : *id < 0 ? npi_tfl_fail(op, NP_EFORMAT, "input %d is missing", i) : 0;
}

const struct npi_view *npi_tfl_view(const struct npi_tfl_op *op, int id) { return &op->m->g->tensor[id].v; }

static struct npi_tfl_tensor *record(const struct npi_tfl_op *op, const struct npi_fb_vec *v, int i) {
    if (i < (int)v->n) return npi_tfl_tensor(op->m, op->s, npi_fb_int(v, (uint32_t)i));
    npi_tfl_fail(op, NP_EFORMAT, "input or output %d is missing", i);
    return NULL;
}
const struct npi_tfl_tensor *npi_tfl_in_record(const struct npi_tfl_op *op, int i) { return record(op, &op->in, i); }
const struct npi_tfl_tensor *npi_tfl_out_record(const struct npi_tfl_op *op, int i) { return record(op, &op->out, i); }

int npi_tfl_stored(const struct npi_tfl_op *op, int i) {
    const struct npi_tfl_tensor *t = i < (int)op->in.n ? npi_tfl_in_record(op, i) : NULL;
    return t && t->data;
}

int npi_tfl_ints(const struct npi_tfl_op *op, int i, const char *what, int64_t *v, int max, int *n) {
    int id;
    const int r = npi_tfl_in(op, i, &id);
    if (r < 0) return r;
    const struct npi_view *c = npi_tfl_view(op, id);
    if (!c->data) return npi_tfl_fail(op, NP_EUNSUPPORTED, "%s is computed while running; it must be a constant", what);
    const int64_t count = npi_view_count(c);
    if (c->dtype != NP_I32 && c->dtype != NP_I64) return npi_tfl_fail(op, NP_EFORMAT, "%s is %s, not int32 or int64", what, np_dtype_name(c->dtype));
    if (count > max) return npi_tfl_fail(op, NP_EFORMAT, "%s has %lld values, at most %d make sense", what, (long long)count, max);
    *n = (int)count;
    for (int k = 0; k < *n; k++) {
        if (c->dtype == NP_I32) {
            v[k] = ((const int32_t *)c->data)[k];
        } else {
            const int64_t x = ((const int64_t *)c->data)[k]; /* no dimension is larger; arithmetic on them can't overflow */
            v[k] = x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : x;
        }
    }
    return 0;
}

int npi_tfl_axis(const struct npi_tfl_op *op, int64_t axis, int rank, int *out) {
    if (axis < -rank || axis >= rank) return npi_tfl_fail(op, NP_EFORMAT, "axis %lld is outside of %d dimensions", (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return 0;
}

int npi_tfl_act(const struct npi_tfl_op *op, int code, struct npi_act *act) {
    *act = (struct npi_act){ .kind = code == 0 ? NPI_ACT_NONE : NPI_ACT_CLAMP };
    switch (code) {
    case 0: return 0;
    case 1: act->hi = __builtin_inff(); return 0;
    case 2: act->lo = -1; act->hi = 1; return 0;
    case 3: act->hi = 6; return 0;
    case 4: act->kind = NPI_ACT_TANH; return 0;
    default: return npi_tfl_fail(op, NP_EUNSUPPORTED, "fused activation %d", code);
    }
}

/* ---- emitting nodes ---- */

struct npi_node npi_tfl_node(const struct npi_tfl_op *op, enum npi_op ir) { return (struct npi_node){ .op = ir, .name = op->name }; }

static int set_output(struct npi_tfl_op *op, struct npi_tfl_tensor *t, int i, int id) {
    if (t->id >= 0) return npi_tfl_fail(op, NP_EFORMAT, "output %d ('%.60s') was made before", i, t->name);
    t->id = id;
    return 0;
}

int npi_tfl_same(struct npi_tfl_op *op, int i, int id) {
    struct npi_tfl_tensor *t = record(op, &op->out, i);
    return t ? set_output(op, t, i, id) : NP_EFORMAT;
}

/* The op's own type rule may differ from the file's (index outputs): a Cast makes up for it. */
static int check_type(struct npi_tfl_op *op, const struct npi_tfl_tensor *t, int i, int *id) {
    const struct npi_view *v = npi_tfl_view(op, *id);
    if (v->q.n > 1 && (v->q.axis >= v->rank || v->d[v->q.axis] != v->q.n))
        return npi_tfl_fail(op, NP_EFORMAT, "output %d: number of scales does not fit the shape", i);
    if (v->dtype == t->dtype) return 0;
    if (v->q.n || t->q.n)
        return npi_tfl_fail(op, NP_EUNSUPPORTED, "output %d is %s in the file, the inputs give %s", i, np_dtype_name(t->dtype), np_dtype_name(v->dtype));
    struct npi_node n = npi_tfl_node(op, NPI_OP_CAST);
    n.a.cast.to = t->dtype;
    const int r = npi_build1(op->m->g, &n, id, 1, op->m->err);
    if (r < 0) return r;
    *id = r;
    return 0;
}

int npi_tfl_emit_to(struct npi_tfl_op *op, const struct npi_node *n, const int *in, int n_in, int first, int n_out) {
    struct npi_tfl_tensor *t[4] = { NULL };
    struct npi_view hint[4];
    const char *name[4];
    int id[4];
    if (n_out < 1 || n_out > 4 || first + n_out > (int)op->out.n) return npi_tfl_fail(op, NP_EFORMAT, "has %u outputs, needs %d", op->out.n, first + n_out);
    for (int i = 0; i < n_out; i++) {
        if (!(t[i] = record(op, &op->out, first + i))) return NP_EFORMAT;
        if (t[i]->trouble) return npi_tfl_fail(op, NP_EUNSUPPORTED, "output %d ('%.60s') has %s", i, t[i]->name, t[i]->trouble);
        hint[i] = (struct npi_view){ .dtype = t[i]->dtype, .q = t[i]->q };
        name[i] = t[i]->name;
    }
    int r = npi_build(op->m->g, n, in, n_in, id, n_out, name, hint, op->m->err);
    for (int i = 0; i < n_out && r == 0; i++)
        if ((r = check_type(op, t[i], first + i, &id[i])) == 0) r = set_output(op, t[i], first + i, id[i]);
    return r;
}

int npi_tfl_emit(struct npi_tfl_op *op, const struct npi_node *n, const int *in, int n_in) { return npi_tfl_emit_to(op, n, in, n_in, 0, (int)op->out.n); }

int npi_tfl_mid(struct npi_tfl_op *op, const struct npi_node *n, const int *in, int n_in, int *id) {
    const int r = npi_build1(op->m->g, n, in, n_in, op->m->err);
    if (r < 0) return r;
    *id = r;
    return 0;
}

static struct npi_node reshape_node(const struct npi_tfl_op *op, int rank, const int64_t *d) {
    struct npi_node n = npi_tfl_node(op, NPI_OP_RESHAPE);
    n.a.shape.rank = rank;
    for (int k = 0; k < rank; k++) n.a.shape.dims[k] = d[k];
    return n;
}

int npi_tfl_mid_reshape(struct npi_tfl_op *op, int x, int rank, const int64_t *d, int *id) {
    const struct npi_node n = reshape_node(op, rank, d);
    return npi_tfl_mid(op, &n, &x, 1, id);
}

int npi_tfl_emit_reshape(struct npi_tfl_op *op, int x, int rank, const int64_t *d, int out) {
    const struct npi_node n = reshape_node(op, rank, d);
    return npi_tfl_emit_to(op, &n, &x, 1, out, 1);
}

/* ---- operators and subgraphs ---- */

static int custom(struct npi_tfl_op *op, const struct npi_fb_table *code) {
    size_t len;
    const char *name = npi_fb_str(code, C_CUSTOM, &len);
    char *copy = npi_arena_strndup(op->m->g->mem, name, len > 100 ? 100 : len);
    if (!copy) return npi_tfl_nomem(op->m);
    if (strcmp(copy, "TFLite_Detection_PostProcess") == 0) {
        const struct npi_fb_vec o = npi_fb_bytes(&op->self, O_CUSTOM);
        op->kind = copy;
        return npi_tfl_detection(op, o.p, o.n);
    }
    return npi_tfl_fail(op, NP_EUNSUPPORTED, "the custom operator '%s' is not supported", copy);
}

static int read_op(struct npi_tfl *m, struct npi_tfl_graph *s, uint32_t i) {
    struct npi_tfl_op op = { .m = m, .s = s, .index = (int)i, .name = "", .kind = "?" };
    op.self = npi_fb_at(&s->ops, i);
    op.in = npi_fb_vec(&op.self, O_INPUTS, 4);
    op.out = npi_fb_vec(&op.self, O_OUTPUTS, 4);
    const uint32_t which = npi_fb_u32(&op.self, O_CODE, 0);
    const struct npi_fb_table code = npi_fb_at(&m->codes, which);
    /* Codes above 126 did not fit the old byte: the new field has them, the old one a placeholder. */
    const int old_code = npi_fb_i8(&code, C_OLD_CODE, 0), new_code = npi_fb_i32(&code, C_CODE, 0);
    op.code = new_code > old_code ? new_code : old_code;
    if (m->fb.bad || !code.b) return npi_fail(m->err, NP_EFORMAT, "%s: operator %u is broken", m->g->path, i);
    op.kind = npi_tfl_name(op.code);
    if (op.out.n) {
        const struct npi_tfl_tensor *t = npi_tfl_out_record(&op, 0);
        if (!t) return NP_EFORMAT;
        op.name = t->name;
    }
    if (op.code == OP_CUSTOM) return custom(&op, &code);
    op.h = npi_tfl_handler(op.code);
    if (!op.h) return npi_tfl_fail(&op, NP_EUNSUPPORTED, "this operator is not supported");
    const int second = op.h->options < 0; /* options in the second union */
    const int type = npi_fb_u8(&op.self, second ? O_OPT2_TYPE : O_OPT_TYPE, 0), want = second ? -op.h->options : op.h->options;
    /* Ops without fields often come without options; a table of another type must not be read as this one. */
    if (type == want) op.opt = npi_fb_sub(&op.self, second ? O_OPT2 : O_OPT);
    else if (type && want) return npi_tfl_fail(&op, NP_EFORMAT, "has options of another operator");
    if (m->fb.bad) return npi_tfl_fail(&op, NP_EFORMAT, "the record is broken");
    const int r = op.h->run(&op, op.h->arg);
    return r < 0 ? r : m->fb.bad ? npi_tfl_fail(&op, NP_EFORMAT, "the record is broken") : 0;
}

int npi_tfl_subgraph(struct npi_tfl *m, struct npi_tfl_graph *s, int64_t index, int depth, struct npi_fb_vec *in, struct npi_fb_vec *out) {
    if (index < 0 || index >= (int64_t)m->subgraphs.n) return npi_fail(m->err, NP_EFORMAT, "%s: there is no subgraph %lld", m->g->path, (long long)index);
    if (depth > MAX_DEPTH) return npi_fail(m->err, NP_ELIMIT, "%s: composites are nested more than %d deep", m->g->path, MAX_DEPTH);
    const struct npi_fb_table t = npi_fb_at(&m->subgraphs, (uint32_t)index);
    *s = (struct npi_tfl_graph){ .tensors = npi_fb_vec(&t, G_TENSORS, 4), .ops = npi_fb_vec(&t, G_OPS, 4), .depth = depth };
    *in = npi_fb_vec(&t, G_INPUTS, 4);
    *out = npi_fb_vec(&t, G_OUTPUTS, 4);
    if (m->fb.bad) return npi_fail(m->err, NP_EFORMAT, "%s: subgraph %lld is broken", m->g->path, (long long)index);
    s->t = npi_arena_array(m->g->mem, struct npi_tfl_tensor, (size_t)s->tensors.n + 1);
    return s->t ? 0 : npi_tfl_nomem(m);
}

/* Any of the vector's tensors poisoned? With `set` they become so. */
static int poisoned(struct npi_tfl *m, struct npi_tfl_graph *s, const struct npi_fb_vec *v, int set) {
    int any = 0;
    for (uint32_t i = 0; i < v->n; i++) {
        const int64_t k = npi_fb_int(v, i);
        struct npi_tfl_tensor *t = k < 0 ? NULL : npi_tfl_tensor(m, s, k);
        if (t && set) t->poison = 1;
        any |= t && t->poison;
    }
    return any;
}

/* Like read_op; tells the watcher, and goes on behind what cannot be read if it wants that. */
static int watch_op(struct npi_tfl *m, struct npi_tfl_graph *s, uint32_t i) {
    const struct npi_import_watch *const w = m->o->watch;
    if (!w || s->depth) return read_op(m, s, i);
    const struct npi_fb_table self = npi_fb_at(&s->ops, i);
    const struct npi_fb_vec in = npi_fb_vec(&self, O_INPUTS, 4), out = npi_fb_vec(&self, O_OUTPUTS, 4);
    const struct npi_fb_table code = npi_fb_at(&m->codes, npi_fb_u32(&self, O_CODE, 0));
    const int old_code = npi_fb_i8(&code, C_OLD_CODE, 0), new_code = npi_fb_i32(&code, C_CODE, 0), kind = new_code > old_code ? new_code : old_code;
    const struct npi_tfl_tensor *first = out.n ? npi_tfl_tensor(m, s, npi_fb_int(&out, 0)) : NULL;
    char op[96];
    size_t len = 0;
    const char *own = kind == OP_CUSTOM ? npi_fb_str(&code, C_CUSTOM, &len) : "";
    if (m->fb.bad) return npi_fail(m->err, NP_EFORMAT, "%s: operator %u is broken", m->g->path, i);
    snprintf(op, sizeof op, "%s%s%.*s", npi_tfl_name(kind), len ? " " : "", (int)(len < 60 ? len : 60), own);
    for (char *p = op; *p; p++)
        if ((unsigned char)*p < 32 || (unsigned char)*p > 126) *p = '?';
    if (w->node) w->node(w->opaque, op, first ? first->name : "");
    if (w->trouble && poisoned(m, s, &in, 0)) {
        if (w->skipped) w->skipped(w->opaque);
        poisoned(m, s, &out, 1);
        return 0;
    }
    const int r = read_op(m, s, i);
    if (r >= 0 || r == NP_ENOMEM || r == NP_ELIMIT || !w->trouble || m->fb.bad) return r;
    w->trouble(w->opaque, op, first ? first->name : "", m->err->message);
    poisoned(m, s, &out, 1);
    return 0;
}

int npi_tfl_run(struct npi_tfl *m, struct npi_tfl_graph *s) {
    for (uint32_t i = 0; i < s->ops.n; i++) {
        const int r = watch_op(m, s, i);
        if (r < 0) return r;
    }
    return 0;
}

/* A composite is a call: its inputs stand for those of the decomposition subgraph, whose outputs become its own. */
int npi_tfl_composite(struct npi_tfl_op *op, int arg) {
    struct npi_tfl_graph s;
    struct npi_fb_vec in, out;
    int r = npi_tfl_subgraph(op->m, &s, npi_fb_i32(&op->opt, 1, 0), op->s->depth + 1, &in, &out);
    if (r < 0) return r;
    if (in.n != op->in.n || out.n != op->out.n)
        return npi_tfl_fail(op, NP_EFORMAT, "has %u inputs and %u outputs, its subgraph %u and %u", op->in.n, op->out.n, in.n, out.n);
    for (uint32_t i = 0; i < in.n; i++) {
        struct npi_tfl_tensor *t = npi_tfl_tensor(op->m, &s, npi_fb_int(&in, i));
        int id;
        if (!t) return NP_EFORMAT;
        if ((r = npi_tfl_in(op, (int)i, &id)) < 0) return r;
        t->id = id;
    }
    if ((r = npi_tfl_run(op->m, &s)) < 0) return npi_fail_prefix(op->m->err, r, "inside of %s '%.60s'", op->kind, op->name);
    for (uint32_t i = 0; i < out.n; i++) {
        struct npi_tfl_tensor *t = npi_tfl_tensor(op->m, &s, npi_fb_int(&out, i));
        if (!t) return NP_EFORMAT;
        if (t->id < 0 && (r = npi_tfl_constant(op->m, t)) < 0) return r;
        if ((r = npi_tfl_same(op, (int)i, t->id)) < 0) return r;
    }
    return 0;
}

/* ---- inputs of the model ---- */

static int override_shape(struct npi_tfl *m, const struct npi_tfl_tensor *t, struct npi_view *v) {
    const struct npi_import_opts *o = m->o;
    if (o->rank != t->rank)
        return npi_fail(m->err, NP_ESHAPE, "%s: input '%s' has %d dimensions, the wanted shape has %d", m->g->path, t->name, t->rank, o->rank);
    for (int k = 0; k < t->rank; k++) {
        if (o->dims[k] < -1 || o->dims[k] > INT32_MAX) return npi_fail(m->err, NP_EINVAL, "%s: dimension %d of the wanted shape is out of range", m->g->path, k);
        if (o->dims[k] >= 0 && o->dims[k] != v->d[k]) {
            v->d[k] = o->dims[k];
            m->resized = 1;
        }
    }
    for (int k = 0; k < 2; k++) {
        m->old_size[k] = t->rank == 4 ? t->d[1 + k] : 1;
        m->new_size[k] = t->rank == 4 ? v->d[1 + k] : 1;
    }
    return 0;
}

static int make_input(struct npi_tfl *m, struct npi_tfl_tensor *t, int first, int *id) {
    if (t->trouble) return npi_fail(m->err, NP_EUNSUPPORTED, "%s: input '%s' has %s", m->g->path, t->name, t->trouble);
    if (t->bits) return npi_fail(m->err, NP_EUNSUPPORTED, "%s: input '%s' holds packed %d-bit numbers", m->g->path, t->name, t->bits);
    if (t->id >= 0) return npi_fail(m->err, NP_EFORMAT, "%s: input '%s' is listed twice", m->g->path, t->name);
    struct npi_view v = { .dtype = t->dtype, .rank = t->rank, .q = t->q };
    for (int k = 0; k < t->rank; k++) v.d[k] = t->d[k];
    const struct npi_import_opts *o = m->o;
    int r = 0;
    if (o->rank && (o->input_name ? strcmp(o->input_name, t->name) == 0 : first)) {
        m->named = 1;
        r = override_shape(m, t, &v);
    }
    if (r < 0) return r;
    if (npi_view_bytes(&v) > (size_t)1 << 34) return npi_fail(m->err, NP_ELIMIT, "%s: input '%s' is larger than 16 GiB", m->g->path, t->name);
    if (o->bind) (void)o->bind(o->opaque, t->name, &v);
    if ((*id = npi_graph_tensor(m->g, t->name, &v)) < 0) return npi_tfl_nomem(m);
    t->id = *id;
    return 0;
}

static int read_model(struct npi_tfl *m, const void *data, size_t size) {
    struct npi_fb_table root;
    if (npi_fb_open(&m->fb, data, size, "TFL3", &root) < 0) return npi_fail(m->err, NP_EFORMAT, "%s: this is no TFLite model, or it is cut short", m->g->path);
    m->codes = npi_fb_vec(&root, M_CODES, 4);
    m->subgraphs = npi_fb_vec(&root, M_SUBGRAPHS, 4);
    m->buffers = npi_fb_vec(&root, M_BUFFERS, 4);
    struct npi_tfl_graph s;
    struct npi_fb_vec in, out;
    int r;
    if ((r = npi_tfl_subgraph(m, &s, 0, 0, &in, &out)) < 0) return r;
    int *const ids = npi_arena_array(m->g->mem, int, (size_t)in.n + out.n + 1);
    if (!ids) return npi_tfl_nomem(m);
    int n_in = 0, n_out = 0;
    for (uint32_t i = 0; i < in.n; i++) {
        struct npi_tfl_tensor *t = npi_tfl_tensor(m, &s, npi_fb_int(&in, i));
        if (!t) return NP_EFORMAT;
        if ((r = make_input(m, t, i == 0, &ids[n_in])) < 0) return r;
        if (!m->g->tensor[ids[n_in]].v.data) n_in++; /* a bound input is a constant from here on */
    }
    if (m->o->rank && !m->named)
        return npi_fail(m->err, NP_EINVAL, "%s: there is no input '%s' to set the shape of", m->g->path, m->o->input_name ? m->o->input_name : "");
    if ((r = npi_tfl_run(m, &s)) < 0) return r;
    for (uint32_t i = 0; i < out.n; i++) {
        struct npi_tfl_tensor *t = npi_tfl_tensor(m, &s, npi_fb_int(&out, i));
        if (!t) return NP_EFORMAT;
        if (t->poison) continue;
        if (t->trouble) return npi_fail(m->err, NP_EUNSUPPORTED, "%s: output '%s' has %s", m->g->path, t->name, t->trouble);
        if (t->id < 0 && (r = npi_tfl_constant(m, t)) < 0) return r;
        ids[n_in + n_out++] = t->id;
    }
    return npi_graph_set_io(m->g, ids, n_in, ids + n_in, n_out) < 0 ? npi_tfl_nomem(m) : 0;
}

int npi_import_tflite(struct npi_graph *g, const void *data, size_t size, const struct npi_import_opts *o, struct np_error *err) {
    static const struct npi_import_opts none;
    struct np_error own = { 0 }; /* prefixes need a message even when the caller wants none */
    struct npi_tfl m = { .g = g, .o = o ? o : &none, .err = err ? err : &own };
    return read_model(&m, data, size);
}
