/* SPDX-License-Identifier: Apache-2.0 */
/* See engine.h. Native is a thin cover over model and session; foreign.c has the plug-in's runs. */
#include "backend/engine.h"
#include "base/log.h"
#include "base/mmap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define MAX_TENSORS 32
#define MAX_NETS 64

struct npi_engine {
    atomic_int refs;
    struct np_model *model;                /* native; NULL: foreign */
    void *face;
    void (*drop_face)(void *face);
    /* foreign */
    const struct np_backend *table;
    struct np_backend_params p;            /* its strings lie in mem */
    struct npi_arena mem;
    struct npi_file file;
    struct np_tensor_info info[2][MAX_TENSORS];
    struct npi_view view[2][MAX_TENSORS];
    float scale[2][MAX_TENSORS];
    int32_t zero[2][MAX_TENSORS];
    int n[2];
    char device[64], version[64];
    pthread_mutex_t lock;                  /* of the two lists and the logger */
    struct np_backend_net *net[MAX_NETS];  /* all that are open; [0] is what later ones share with */
    char idle[MAX_NETS];
    int n_nets;
    struct np_logger log;                  /* the caller's; silent once only an abandoned run is left */
};

struct npi_run {
    struct npi_engine *e;
    struct np_session *s;
    struct npi_foreign_run *f;
};

int npi_engine_native(struct npi_engine **out, struct np_model *m, struct np_error *err) {
    struct npi_engine *e = npi_alloc(sizeof *e);
    if (!e) return npi_fail(err, NP_ENOMEM, "out of memory");
    atomic_init(&e->refs, 1);
    pthread_mutex_init(&e->lock, NULL);
    e->model = m;
    *out = e;
    return 0;
}

/* Lines of a plug-in; it may outlive the context by an abandoned run. */
static void plugin_log(void *opaque, int level, const char *line) {
    struct npi_engine *const e = opaque;
    pthread_mutex_lock(&e->lock);
    npi_log(&e->log, level, "%s: %s", e->table->name, line);
    pthread_mutex_unlock(&e->lock);
}

static const char *dup_str(struct npi_engine *e, const char *s, int *bad) {
    if (!s) return NULL;
    const char *const d = npi_arena_strndup(&e->mem, s, strlen(s));
    if (!d) *bad = 1;
    return d;
}

static int copy_params(struct npi_engine *e, const struct np_backend_params *p) {
    int bad = 0;
    e->p = *p;
    e->p.size = sizeof e->p;
    e->p.library = dup_str(e, p->library, &bad);
    e->p.model_path = dup_str(e, p->model_path, &bad);
    e->p.format = dup_str(e, p->format, &bad);
    e->p.device = dup_str(e, p->device, &bad);
    e->p.precision = dup_str(e, p->precision, &bad);
    e->p.hint = dup_str(e, p->hint, &bad);
    e->p.input_name = dup_str(e, p->input_name, &bad);
    e->p.cache_dir = dup_str(e, p->cache_dir, &bad);
    struct np_backend_option *const o = npi_arena_array(&e->mem, struct np_backend_option, p->n_options + 1);
    uint64_t *const mask = npi_arena_array(&e->mem, uint64_t, p->n_cpu_mask + 1);
    if (!o || !mask) return NP_ENOMEM;
    for (int i = 0; i < p->n_options; i++) o[i] = (struct np_backend_option){ dup_str(e, p->options[i].key, &bad),
                                                                              dup_str(e, p->options[i].value, &bad) };
    for (int i = 0; i < p->n_cpu_mask; i++) mask[i] = p->cpu_mask[i];
    e->p.options = o;
    e->p.cpu_mask = p->cpu_mask ? mask : NULL;
    e->p.logger = (struct np_logger){ plugin_log, e };
    e->log = p->logger;
    return bad ? NP_ENOMEM : 0;
}

/* A plug-in is the world, too: what it says of its tensors is checked. */
static int describe(struct npi_engine *e, struct np_backend_net *net, struct np_error *err) {
    const char *const name = e->table->name;
    for (int o = 0; o < 2; o++) {
        struct np_tensor_info t = { 0 };
        int r = 0;
        for (; e->n[o] < MAX_TENSORS && (r = e->table->tensor(net, o, e->n[o], &t)) == 0; t = (struct np_tensor_info){ 0 }) {
            const int i = e->n[o]++;
            struct npi_view *const v = &e->view[o][i];
            size_t bytes = np_dtype_size(t.dtype);
            if (!bytes || t.rank < 0 || t.rank > NP_MAX_RANK) return npi_fail(err, NP_EBACKEND, "%s: tensor %d has type %d and rank %d", name, i,
                                                                              t.dtype, t.rank);
            v->dtype = t.dtype;
            v->rank = t.rank;
            for (int k = 0; k < t.rank; k++) {
                v->d[k] = t.dims[k];
                if (t.dims[k] < 1 || npi_mul_overflow(bytes, (size_t)t.dims[k], &bytes) || bytes > (size_t)1 << 32)
                    return npi_fail(err, NP_EUNSUPPORTED, "%s: %s '%s' has no fixed shape", name, o ? "output" : "input", t.name ? t.name : "?");
            }
            t.bytes = bytes;
            t.name = npi_arena_strndup(&e->mem, t.name ? t.name : "", t.name ? strlen(t.name) : 0);
            if (!t.name) return npi_fail(err, NP_ENOMEM, "out of memory");
            if (t.scale > 0) {
                e->scale[o][i] = t.scale;
                e->zero[o][i] = t.zero_point;
                v->q.n = 1;
                v->q.scale = &e->scale[o][i];
                v->q.zero = &e->zero[o][i];
            }
            e->info[o][i] = t;
        }
        if (r < 0 && r != NP_EEND) return npi_fail(err, r, "%s: cannot describe its tensors", name);
        if (!r || !e->n[o]) return npi_fail(err, NP_EUNSUPPORTED, "%s: %s %s", name, r ? "no" : "too many", o ? "outputs" : "inputs");
    }
    return 0;
}

int npi_engine_foreign(struct npi_engine **out, const struct np_backend *table, const struct np_backend_params *p, const char *version,
                       struct np_error *err) {
    struct npi_engine *e = npi_alloc(sizeof *e);
    if (!e) return npi_fail(err, NP_ENOMEM, "out of memory");
    atomic_init(&e->refs, 1);
    pthread_mutex_init(&e->lock, NULL);
    npi_arena_init(&e->mem, 0);
    e->table = table;
    if (version) memcpy(e->version, version, strnlen(version, sizeof e->version - 1));
    int r = copy_params(e, p);
    if (r < 0) npi_fail(err, r, "out of memory");
    if (r >= 0 && !e->p.model && (r = npi_file_map(&e->file, p->model_path, err)) >= 0) {
        e->p.model = e->file.data;
        e->p.model_size = e->file.size;
    }
    struct np_backend_net *net = NULL;
    if (r >= 0 && (r = npi_plugin_open(&net, e, NULL, err)) >= 0) {
        npi_engine_give_net(e, net);
        if ((r = describe(e, net, err)) >= 0) {
            const char *const used = table->device ? table->device(net) : NULL;
            const char *const dev = used ? used : p->device ? p->device : "cpu";
            memcpy(e->device, dev, strnlen(dev, sizeof e->device - 1));
        }
    }
    if (r < 0) npi_engine_unref(&e);
    else *out = e;
    return r;
}

struct npi_engine *npi_engine_ref(struct npi_engine *e) {
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void npi_engine_unref(struct npi_engine **ep) {
    struct npi_engine *const e = *ep;
    *ep = NULL;
    if (!e || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1) return;
    for (int i = e->n_nets - 1; i >= 0; i--) {
        npi_plugin_enter(e->table, 0, NULL);
        e->table->close(e->net[i]);
        npi_plugin_leave(e->table);
    }
    if (e->drop_face) e->drop_face(e->face);
    np_model_free(&e->model);
    npi_arena_free(&e->mem);
    npi_file_unmap(&e->file);
    pthread_mutex_destroy(&e->lock);
    npi_free(e);
}

const struct np_backend *npi_engine_table(const struct npi_engine *e) { return e->table; }
const struct np_backend_params *npi_engine_params(const struct npi_engine *e) { return &e->p; }
const char *npi_engine_runtime(const struct npi_engine *e) { return e->model ? "native" : e->table->name; }
const char *npi_engine_device(const struct npi_engine *e) { return e->model ? "cpu" : e->device; }
const char *npi_engine_version(const struct npi_engine *e) { return e->version; }
struct np_model *npi_engine_model(const struct npi_engine *e) { return e->model; }
int npi_engine_n_inputs(const struct npi_engine *e) { return e->model ? np_model_n_inputs(e->model) : e->n[0]; }
int npi_engine_n_outputs(const struct npi_engine *e) { return e->model ? np_model_n_outputs(e->model) : e->n[1]; }
const struct npi_view *npi_engine_input(const struct npi_engine *e, int i) { return e->model ? npi_model_input(e->model, i) : i >= 0 && i < e->n[0]
                                                                             ? &e->view[0][i] : NULL; }
const struct npi_view *npi_engine_output(const struct npi_engine *e, int i) { return e->model ? npi_model_output(e->model, i) : i >= 0 && i < e->n[1]
                                                                              ? &e->view[1][i] : NULL; }

int npi_engine_info(const struct npi_engine *e, int output, int i, struct np_tensor_info *out) {
    if (e->model) return output ? np_model_output_info(e->model, i, out) : np_model_input_info(e->model, i, out);
    if (i < 0 || i >= e->n[output]) return NP_EINVAL;
    *out = e->info[output][i];
    return 0;
}

void npi_engine_set_face(struct npi_engine *e, void *face, void (*drop)(void *face)) {
    if (e->drop_face) e->drop_face(e->face);
    e->face = face;
    e->drop_face = drop;
}
void *npi_engine_face(const struct npi_engine *e) { return e->face; }
void npi_engine_set_timeout(struct npi_engine *e, int run_timeout_ms) { e->p.run_timeout_ms = run_timeout_ms; }

void npi_engine_mute(struct npi_engine *e) {
    pthread_mutex_lock(&e->lock);
    e->log = (struct np_logger){ 0 };
    pthread_mutex_unlock(&e->lock);
}

/* --- the nets of a plug-in: a run takes an idle one before it opens another --- */

struct np_backend_net *npi_engine_take_net(struct npi_engine *e) {
    struct np_backend_net *n = NULL;
    pthread_mutex_lock(&e->lock);
    for (int i = 0; i < e->n_nets && !n; i++)
        if (e->idle[i]) {
            e->idle[i] = 0;
            n = e->net[i];
        }
    pthread_mutex_unlock(&e->lock);
    return n;
}

/* Takes over a net that was opened for this engine, or marks one of its own as idle again. Beyond MAX_NETS it is closed. */
void npi_engine_give_net(struct npi_engine *e, struct np_backend_net *n) {
    pthread_mutex_lock(&e->lock);
    int i = 0;
    while (i < e->n_nets && e->net[i] != n) i++;
    const int full = i == MAX_NETS;
    if (!full) {
        e->net[i] = n;
        e->idle[i] = 1;
        if (i == e->n_nets) e->n_nets++;
    }
    pthread_mutex_unlock(&e->lock);
    if (full) {
        npi_plugin_enter(e->table, 0, NULL);
        e->table->close(n);
        npi_plugin_leave(e->table);
    }
}

void npi_engine_forget_net(struct npi_engine *e, struct np_backend_net *n) {
    pthread_mutex_lock(&e->lock);
    for (int i = 0; i < e->n_nets; i++)
        if (e->net[i] == n) {
            e->n_nets--;
            e->net[i] = e->net[e->n_nets];
            e->idle[i] = e->idle[e->n_nets];
        }
    pthread_mutex_unlock(&e->lock);
}

struct np_backend_net *npi_engine_share(struct npi_engine *e) {
    pthread_mutex_lock(&e->lock);
    struct np_backend_net *const n = e->n_nets ? e->net[0] : NULL;
    pthread_mutex_unlock(&e->lock);
    return n;
}

/* --- runs --- */

size_t npi_run_bytes(const struct npi_engine *e, const struct np_pool *pool) { return e->model ? npi_session_bytes(e->model, pool) : 0; }

int npi_run_open(struct npi_run **out, struct npi_engine *e, struct np_pool *pool, void *block, size_t block_bytes, struct np_error *err) {
    struct npi_run *r = npi_alloc(sizeof *r);
    if (!r) return npi_fail(err, NP_ENOMEM, "out of memory");
    r->e = npi_engine_ref(e);
    const int code = e->model ? npi_session_open_in(&r->s, e->model, pool, block_bytes >= npi_run_bytes(e, pool) ? block : NULL, err)
        : npi_foreign_run_open(&r->f, e, err);
    if (code < 0) npi_run_close(&r);
    else *out = r;
    return code;
}

void npi_run_close(struct npi_run **rp) {
    struct npi_run *const r = *rp;
    if (!r) return;
    np_session_free(&r->s);
    npi_foreign_run_close(&r->f);
    npi_engine_unref(&r->e);
    npi_free(r);
    *rp = NULL;
}

void *npi_run_input(struct npi_run *r, int i) { return r->s ? np_session_input(r->s, i) : npi_foreign_buffer(r->f, 0, i); }
const void *npi_run_output(const struct npi_run *r, int i) { return r->s ? np_session_output(r->s, i) : npi_foreign_buffer(r->f, 1, i); }
int npi_run_go(struct npi_run *r, struct np_pool *pool, struct np_error *err) { return r->s ? npi_session_run_on(r->s, pool)
                                                                                : npi_foreign_go(r->f, err); }

/* OR of comparisons instead of a sum: the compiler makes vectors of it. */
static int has_nan(const uint32_t *bits, size_t n) {
    uint32_t any = 0;
    for (size_t i = 0; i < n; i++) any |= (bits[i] & 0x7fffffffu) > 0x7f800000u;
    return any != 0;
}

int npi_run_finite(const struct npi_run *r, const char **output) {
    for (int i = 0; i < npi_engine_n_outputs(r->e); i++) {
        const struct npi_view *const v = npi_engine_output(r->e, i);
        const void *const data = npi_run_output(r, i);
        struct np_tensor_info t;
        if (v->dtype != NP_F32 || !data || !has_nan(data, (size_t)npi_view_count(v))) continue;
        if (output) *output = npi_engine_info(r->e, 1, i, &t) == 0 ? t.name : "?";
        return 0;
    }
    return 1;
}
