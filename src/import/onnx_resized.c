/* SPDX-License-Identifier: Apache-2.0 */
/* A file read for another input shape than its own (--shape). Most sizes in it follow by themselves: they are scales, or come from Shape. Constants
 * do not: a Resize to [1,256,16,16] would squeeze a batch of four pictures into one, a Reshape to [1,85,-1] would lay them end to end, and nobody
 * would notice.
 *
 *   first import, own shape     notes of each Resize with sizes and each Reshape:  its node in the file, dims of its input, what it asks for
 *   this import, shape given    asked for the same although the input's dims are others: those were constants. Of a Resize every axis keeps its scale
 *                               where that is a whole number; else it grows as the net's input does (size * given dim / own dim) where that is one,
 *                               and is an error where it isn't. Of a Reshape only the batch in front: its other dims have to fit the number of elements
 *
 * Comparing two imports tells constants from what was computed, however it was computed. The first one is made when a node asks. */
#include "import/onnx.h"

#include <string.h>

struct npi_ox_note { const uint8_t *node; int rank, n_want; int64_t d[NP_MAX_RANK], want[NP_MAX_RANK]; };

static int take_note(struct npi_ox_node *n, const int64_t *want, int n_want) {
    struct npi_ox *const o = n->o;
    const struct npi_view *const v = npi_ox_view(n, n->in[0]);
    if (o->n_notes == o->cap_notes) {
        const int cap = o->cap_notes ? 2 * o->cap_notes : 16;
        struct npi_ox_note *const more = npi_arena_array(o->note_mem, struct npi_ox_note, cap);
        if (!more) return npi_fail(o->err, NP_ENOMEM, "%s: out of memory", o->g->path);
        if (o->n_notes) memcpy(more, o->note, sizeof *more * (size_t)o->n_notes);
        o->note = more;
        o->cap_notes = cap;
    }
    struct npi_ox_note *const s = &o->note[o->n_notes++];
    *s = (struct npi_ox_note){ .node = n->body.p, .rank = v->rank, .n_want = n_want };
    memcpy(s->d, v->d, sizeof s->d);
    memcpy(s->want, want, sizeof *want * (size_t)n_want);
    return 0;
}

/* The import with the shape of the file; where the file leaves a dim open, it is as given. */
static int look(struct npi_ox *o) {
    struct npi_import_opts opt = *o->opt;
    struct npi_arena mem;
    struct npi_graph g;
    struct npi_ox first = { .g = &g, .opt = &opt, .err = o->err, .file = o->file, .file_size = o->file_size, .poison = -1, .note_mem = &o->tmp };
    opt.watch = NULL;
    memcpy(opt.dims, o->own_dims, sizeof opt.dims);
    npi_arena_init(&mem, o->g->mem->limit_bytes);
    npi_arena_init(&first.tmp, o->g->mem->limit_bytes);
    int r = npi_graph_init(&g, &mem, o->g->path);
    r = r < 0 ? npi_fail(o->err, r, "%s: out of memory", o->g->path) : npi_ox_read_model(&first);
    o->note = first.note;
    o->n_notes = first.n_notes;
    o->looked = 1;
    npi_file_unmap(&first.ext);
    npi_arena_free(&first.tmp);
    npi_arena_free(&mem);
    return r;
}

/* What the first import noted of this node, if it asked for the same there. NULL and *r: nothing to refit, or an error. */
static const struct npi_ox_note *noted(struct npi_ox_node *n, const int64_t *want, int n_want, int *r) {
    struct npi_ox *const o = n->o;
    *r = 0;
    if (o->note_mem) *r = take_note(n, want, n_want);
    if (o->note_mem || !o->other_shape || (!o->looked && (*r = look(o)) < 0)) return NULL;
    for (int i = 0; i < o->n_notes; i++) {
        const struct npi_ox_note *const s = &o->note[i];
        if (s->node == n->body.p && s->rank == npi_ox_view(n, n->in[0])->rank && s->n_want == n_want) return s;
    }
    return NULL;
}

/* Which axis of the net's input stands behind axis k of a Resize: pictures may be channels-last on one side. -1: none (channels), -2: cannot be told. */
static int input_axis(const struct npi_ox *o, const struct npi_ox_note *s, const int64_t *size, int k) {
    if (k == 0) return 0;
    if (s->rank != o->opt->rank) return -2;
    if (s->rank != 4) return k;
    const int input_last = o->own_dims[3] <= 4 && o->own_dims[1] > 4, last = size[1] != s->d[1] && size[3] == s->d[3];
    const int spatial = last ? k - 1 : k - 2; /* 0 height, 1 width */
    return spatial < 0 || spatial > 1 ? -1 : spatial + (input_last ? 1 : 2);
}

int npi_ox_refit_resize(struct npi_ox_node *n, int64_t *size) {
    const struct npi_ox *const o = n->o;
    const struct npi_view *const v = npi_ox_view(n, n->in[0]);
    int64_t was[NP_MAX_RANK];
    int r;
    const struct npi_ox_note *const s = noted(n, size, v->rank, &r);
    memcpy(was, size, sizeof *was * (size_t)v->rank);
    for (int k = 0; s && k < v->rank; k++) {
        const int from = input_axis(o, s, was, k);
        if (was[k] != s->want[k] || v->d[k] == s->d[k] || from == -1) continue;
        if (s->d[k] > 0 && was[k] % s->d[k] == 0) { /* a whole scale, which the exporter has multiplied out */
            if (__builtin_mul_overflow(v->d[k], was[k] / s->d[k], &size[k])) return npi_ox_fail(n, NP_ESHAPE, "axis %d of %lld is too long", k, (long long)v->d[k]);
            continue;
        }
        const int64_t own = from >= 0 ? o->own_dims[from] : 0, given = from >= 0 ? o->given_dims[from] : 0;
        if (own < 1 || given < 1 || __builtin_mul_overflow(was[k], given, &size[k]) || size[k] % own)
            return npi_ox_fail(n, NP_ESHAPE, "axis %d is always made %lld long (from %lld in the file, now from %lld), which does not scale to the shape given: "
                               "take one that divides evenly, or export the model with scales", k, (long long)was[k], (long long)s->d[k], (long long)v->d[k]);
        size[k] /= own;
    }
    return r;
}

int npi_ox_refit_reshape(struct npi_ox_node *n, int64_t *d, int rank) {
    const struct npi_ox *const o = n->o;
    const struct npi_view *const v = npi_ox_view(n, n->in[0]);
    int r;
    const struct npi_ox_note *const s = noted(n, d, rank, &r);
    if (!s || rank < 1 || v->rank < 1 || memcmp(d, s->want, sizeof *d * (size_t)rank)) return r;
    if (d[0] == o->own_dims[0] && s->d[0] == o->own_dims[0] && v->d[0] == o->given_dims[0]) d[0] = o->given_dims[0];
    return r;
}
