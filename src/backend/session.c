/* SPDX-License-Identifier: Apache-2.0 */
/* One inference at a time: a block of memory laid out by the plan, and a loop over its steps. Nothing here allocates
 * after np_session_open. */
#include "backend/model.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

struct job { const struct npi_step *step; const struct npi_exec *exec; };

/* Denormals cost a hundred cycles each on many CPUs and mean nothing in a net: flushed while fast steps run, on whatever
 * thread runs them, and the caller's mode is put back. */
#if defined(__x86_64__)
static inline unsigned fp_enter(void) {
    const unsigned old = _mm_getcsr();
    _mm_setcsr(old | 0x8040);
    return old;
}
static inline void fp_leave(unsigned old) { _mm_setcsr(old); }
#elif defined(__aarch64__)
static inline uint64_t fp_enter(void) { /* flush to zero */
    uint64_t old;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    __asm__ volatile("msr fpcr, %0" : : "r"(old | 1u << 24));
    return old;
}
static inline void fp_leave(uint64_t old) { __asm__ volatile("msr fpcr, %0" : : "r"(old)); }
#else
static inline unsigned fp_enter(void) { return 0; }
static inline void fp_leave(unsigned old) { (void)old; }
#endif

static void run_task(void *arg, int task, int worker) {
    const struct job *const j = arg;
    const __typeof__(fp_enter()) fp = fp_enter();
    j->step->run(j->step, j->exec, task, worker);
    fp_leave(fp);
}

static size_t arena_of(const struct np_model *m) { return npi_align_up(m->plan.arena_bytes, 4096); }
static size_t stride_of(const struct np_model *m) { return npi_align_up(m->plan.scratch_bytes, NPI_ALIGN) + NPI_TAIL; }
size_t npi_session_bytes(const struct np_model *m, const struct np_pool *pool) { return arena_of(m) + stride_of(m) * (size_t)npi_pool_threads(pool); }

int npi_session_open_in(struct np_session **out, const struct np_model *m, struct np_pool *pool, void *block, struct np_error *err) {
    const struct npi_plan *const p = &m->plan;
    struct np_session *s = npi_alloc(sizeof *s);
    if (s) {
        s->ptr = npi_alloc(sizeof *s->ptr * ((size_t)m->graph.n_tensors + 1));
        s->step_ns = npi_alloc(sizeof *s->step_ns * ((size_t)p->n_steps + 1));
        s->borrowed = block != NULL;
        s->block = block ? block : npi_alloc(npi_session_bytes(m, pool));
    }
    if (!s || !s->ptr || !s->step_ns || !s->block) {
        np_session_free(&s);
        return npi_fail(err, NP_ENOMEM, "%s: out of memory for a session of %zu KiB", m->graph.path, npi_session_bytes(m, pool) >> 10);
    }
    s->model = m;
    s->pool = pool;
    for (int t = 0; t < m->graph.n_tensors; t++) {
        if (m->graph.tensor[t].v.data) s->ptr[t] = m->graph.tensor[t].v.data;
        else if (p->offset[t] >= 0) s->ptr[t] = s->block + p->offset[t];
    }
    s->exec = (struct npi_exec){ .ptr = s->ptr, .scratch = s->block + arena_of(m), .scratch_stride = stride_of(m), .n_workers = npi_pool_threads(pool) };
    *out = s;
    return 0;
}

int np_session_open(struct np_session **out, const struct np_model *m, struct np_pool *pool, struct np_error *err) {
    return out && m ? npi_session_open_in(out, m, pool, NULL, err) : npi_fail(err, NP_EINVAL, "np_session_open: NULL argument");
}

void np_session_free(struct np_session **s) {
    if (!s || !*s) return;
    npi_free((*s)->ptr);
    npi_free((*s)->step_ns);
    if (!(*s)->borrowed) npi_free((*s)->block);
    npi_free(*s);
    *s = NULL;
}

void *np_session_input(struct np_session *s, int i) {
    return i < 0 || i >= s->model->graph.n_inputs ? NULL : s->ptr[s->model->graph.input[i]];
}

const void *np_session_output(const struct np_session *s, int i) {
    return i < 0 || i >= s->model->graph.n_outputs ? NULL : s->ptr[s->model->graph.output[i]];
}

int npi_session_run_on(struct np_session *s, struct np_pool *pool) {
    const struct npi_plan *const p = &s->model->plan;
    int64_t t0 = s->profile ? npi_now_ns() : 0;
    for (int i = 0; i < p->n_steps; i++) {
        const struct npi_step *const st = &p->step[i];
        struct job j = { st, &s->exec };
        npi_pool_run(pool, run_task, &j, st->n_tasks);
        if (s->profile) {
            const int64_t t1 = npi_now_ns();
            s->step_ns[i] = t1 - t0;
            t0 = t1;
        }
    }
    return 0;
}

int np_session_run(struct np_session *s, struct np_error *err) {
    return s ? npi_session_run_on(s, s->pool) : npi_fail(err, NP_EINVAL, "np_session_run: NULL session");
}

void np_session_profile(struct np_session *s, int on) { s->profile = on; }

static void shape_text(const struct npi_view *v, char *buf, size_t size) {
    size_t n = 0;
    buf[0] = 0;
    for (int i = 0; i < v->rank && n + 24 < size; i++) n += (size_t)snprintf(buf + n, size - n, "%s%lld", i ? "x" : "", (long long)v->d[i]);
}

static void step_line(const struct np_model *m, int i, int64_t ns, char *buf, size_t size) {
    const struct npi_step *const st = &m->plan.step[i];
    const struct npi_node *const n = &m->graph.node[st->node], *const first = npi_step_node(&m->graph, st, 0);
    char in[96] = "", w[96] = "", out[96] = "";
    if (first->n_in > 0 && first->in[0] >= 0) shape_text(&m->graph.tensor[first->in[0]].v, in, sizeof in);
    if (first->n_in > 1 && first->in[1] >= 0) shape_text(&m->graph.tensor[first->in[1]].v, w, sizeof w);
    shape_text(&m->graph.tensor[n->out[0]].v, out, sizeof out);
    char rate[48] = "";
    if (ns > 0 && st->macs) snprintf(rate, sizeof rate, " %.1f G%s/s", 2.0 * (double)st->macs / (double)ns, m->graph.tensor[first->in[0]].v.q.n ? "OP" : "FLOP");
    snprintf(buf, size, "%8.1f us%s  %-28s %-18s %s%s%s -> %s  x%d  %s", (double)ns / 1e3, rate, st->kernel, npi_op_info[n->op].name, in, *w ? " * " : "", w, out, st->n_tasks, n->name);
}

void np_session_profile_dump(const struct np_session *s, void (*line)(void *opaque, const char *text), void *opaque) {
    char buf[512];
    for (int i = 0; i < s->model->plan.n_steps; i++) {
        step_line(s->model, i, s->step_ns[i], buf, sizeof buf);
        line(opaque, buf);
    }
    npi_memory_dump(s->model, line, opaque);
}

void np_model_dump(const struct np_model *m, int graph, void (*line)(void *opaque, const char *text), void *opaque) {
    if (graph) {
        npi_graph_dump(&m->graph, line, opaque);
        return;
    }
    char buf[512];
    for (int i = 0; i < m->plan.n_steps; i++) {
        step_line(m, i, 0, buf, sizeof buf);
        line(opaque, buf);
    }
}
