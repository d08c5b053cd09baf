/* SPDX-License-Identifier: Apache-2.0 */
/* See runner.h. The reader thread of `run` decodes; this thread sends and gets. */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/reader.h"
#include "tools/tool.h"

struct running {
    const struct bench_setup *setup;
    struct bench_outcome *out;
    struct np_context *ctx;
    struct npi_source *source;
    struct reader reader;
    atomic_int stop;
    atomic_llong n_sent;
    int64_t t0_ns, last_ns;     /* the counted part begins; newest result */
    double persons;
    int cap_delay;
};

static int count(struct running *w, const struct np_result *r, struct np_error *err) {
    struct bench_outcome *const o = w->out;
    const int64_t now = npi_io_now_ns();
    if (!w->t0_ns) w->t0_ns = now + (int64_t)(w->setup->warmup_s * 1e9); /* loading and the first frame are not the steady state */
    if (now < w->t0_ns) return 0;
    if (o->n_delay == w->cap_delay) {
        const int cap = w->cap_delay ? 2 * w->cap_delay : 1024;
        double *const more = realloc(o->delay, sizeof *more * (size_t)cap);
        if (!more) return npi_io_fail(err, NP_ENOMEM, "out of memory");
        o->delay = more;
        w->cap_delay = cap;
    }
    o->delay[o->n_delay++] = r->delay_ms;
    o->n_displayed++;
    o->n_inferred += r->inferred != 0;
    o->n_propagated_only += !r->inferred;
    w->persons += r->n_persons;
    w->last_ns = now;
    if (w->setup->on_result) w->setup->on_result(w->setup->opaque, r);
    return 0;
}

/* One result, waited for: 0, NP_EAGAIN, NP_EEND, or an error. */
static int get_one(struct running *w, int timeout_ms, struct np_error *err) {
    const struct np_result *r = NULL;
    int e = np_wait_result(w->ctx, timeout_ms, &r, err);
    if (e < 0) return e;
    e = count(w, r, err);
    np_result_release(w->ctx, &r);
    return e;
}

static int over(const struct running *w) {
    if (w->setup->stop && atomic_load(w->setup->stop)) return 1;
    if (!(w->setup->seconds > 0) || !w->t0_ns) return 0;
    const double late = (double)(npi_io_now_ns() - w->t0_ns) / 1e9 - w->setup->seconds;
    return late >= 0 && (w->out->n_displayed >= 3 || late > 5 + 9 * w->setup->seconds); /* a rate needs a few frames, however slow the machine */
}

static int send(struct running *w, struct npi_pic *pic, int64_t read_ns, struct np_error *err) {
    int r;
    np_context_report(w->ctx, NP_STAGE_READ, (double)read_ns * 1e-6, 0);
    while ((r = np_send_frame(w->ctx, &pic->f, err)) == NP_EAGAIN)
        if ((r = get_one(w, 0, err)) < 0 && r != NP_EAGAIN) break;
    if (r < 0) npi_pic_unref(pic);
    else atomic_fetch_add(&w->n_sent, 1);
    return r;
}

/* Live mode, on the reader's thread. */
static int send_live(void *opaque, struct npi_pic *pic, int64_t read_ns, struct np_error *err) {
    struct running *const w = opaque;
    return pic ? send(w, pic, read_ns, err) : np_send_frame(w->ctx, NULL, err);
}

static int loop(struct running *w, struct np_error *err) {
    int r = 0;
    if (w->setup->s.mode == NP_MODE_LIVE) {
        while ((r == 0 || r == NP_EAGAIN) && !over(w)) r = get_one(w, 100, err);
    } else {
        while (r == 0 && !over(w)) {
            int64_t read_ns = 0;
            int late;
            struct npi_pic *const pic = reader_next(&w->reader, -1, &read_ns, &late);
            if (!pic) break;
            if ((r = send(w, pic, read_ns, err)) < 0) break;
            while ((r = get_one(w, 0, err)) == 0) {}
            if (r == NP_EAGAIN) r = 0;
        }
        if (r == 0 && w->setup->seconds <= 0) { /* one pass: all of it */
            np_send_frame(w->ctx, NULL, NULL);
            while ((r = get_one(w, -1, err)) == 0) {}
        }
    }
    np_context_stats(w->ctx, &w->out->stats);
    return r == NP_EEND || r == NP_EAGAIN ? 0 : r;
}

static int work(struct running *w, struct np_error *err) {
    char spec[4096];
    const struct bench_setup *const s = w->setup;
    int r;
    const int repeat = s->seconds > 0 && strncmp(s->input, "loop:", 5) != 0;
    const struct npi_source_params sp = { .logger = s->s.logger, .stop = &w->stop, .decoder_threads = 1 };
    snprintf(spec, sizeof spec, "loop:%s", s->input);
    r = npi_source_open(&w->source, repeat ? spec : s->input, &sp, err);
    if (r < 0 && repeat) r = npi_source_open(&w->source, s->input, &sp, err); /* a camera needs no loop */
    if (r < 0) return r;
    w->out->source = w->source->info;
    const int64_t t = npi_io_now_ns();
    if ((r = np_open(&w->ctx, &s->s, err)) < 0) return r;
    w->out->open_ms = (double)(npi_io_now_ns() - t) / 1e6;
    np_context_info(w->ctx, &w->out->info);
    snprintf(w->out->isa, sizeof w->out->isa, "%s", w->out->info.isa);
    snprintf(w->out->backend, sizeof w->out->backend, "%s", w->out->info.backend_used);
    snprintf(w->out->precision, sizeof w->out->precision, "%s", w->out->info.precision ? w->out->info.precision : "");
    snprintf(w->out->detector, sizeof w->out->detector, "%s", w->out->info.detector_id);
    snprintf(w->out->model, sizeof w->out->model, "%s", w->out->info.model_id);
    const struct reader_sink sink = { .send = send_live, .opaque = w, .rate = s->rate };
    if ((r = reader_start(&w->reader, w->source, s->s.mode == NP_MODE_LIVE ? &sink : NULL, &w->stop, err)) < 0) return r;
    r = loop(w, err);
    atomic_store(&w->stop, 1);
    reader_stop(&w->reader);
    const int end = w->reader.end;
    if (r == 0 && end != NP_EEND && end != NP_EINTR && end < 0) r = npi_io_fail(err, end, "%s", w->reader.err.message);
    w->out->n_offered = atomic_load(&w->n_sent);
    w->out->n_dropped = w->out->stats.n_dropped;
    return r;
}

int bench_run(struct bench_outcome *out, const struct bench_setup *setup, struct np_error *err) {
    struct running w = { .setup = setup, .out = out };
    memset(out, 0, sizeof *out);
    int r = work(&w, err);
    np_close(&w.ctx);
    npi_source_close(&w.source);
    if (r == 0 && !out->n_displayed) r = npi_io_fail(err, NP_EFORMAT, "'%s': no result within the measured time; use a longer --duration", setup->input);
    if (r < 0) {
        bench_outcome_free(out);
        return r;
    }
    out->seconds = (double)(w.last_ns - w.t0_ns) / 1e9;
    if (out->seconds <= 0) out->seconds = 1e-9;
    const double n = (double)out->n_displayed;
    out->displayed_fps = out->processed_fps = n / out->seconds;
    out->inferred_fps = (double)out->n_inferred / out->seconds;
    out->persons_per_frame = w.persons / n;
    const int k = out->n_delay < BENCH_MAX_SAMPLES ? out->n_delay : BENCH_MAX_SAMPLES;
    const double *const newest = out->delay + (out->n_delay - k);
    out->delay_p50 = bench_quantile(newest, k, .5);
    out->delay_p95 = bench_quantile(newest, k, .95);
    out->delay_p99 = bench_quantile(newest, k, .99);
    return 0;
}

void bench_outcome_free(struct bench_outcome *o) {
    free(o->delay);
    o->delay = NULL;
    o->n_delay = 0;
}

int bench_outcome_add(struct bench_result *r, const struct bench_outcome *o) {
    const struct { const char *name, *unit; int better; double v; } m[] = {
        { "processed_fps", "frames/s", 1, o->processed_fps },     { "inferred_fps", "frames/s", 1, o->inferred_fps },
        { "displayed_fps", "frames/s", 1, o->displayed_fps },     { "delay_p50", "ms", -1, o->delay_p50 },
        { "delay_p95", "ms", -1, o->delay_p95 },                  { "delay_p99", "ms", -1, o->delay_p99 },
        { "persons_per_frame", "", 0, o->persons_per_frame },     { "dropped", "frames", 0, (double)o->n_dropped },
        { "memory", "MB", -1, o->stats.memory_mb },               { "cpu", "share", 0, o->stats.cpu_share },
        { "open", "ms", -1, o->open_ms },
    };
    for (size_t i = 0; i < sizeof m / sizeof *m; i++)
        if (bench_result_add(r, m[i].name, m[i].unit, m[i].better, m[i].v) < 0) return NP_ENOMEM;
    for (int i = 0; i < NP_STAGE_COUNT; i++) {
        char name[40];
        snprintf(name, sizeof name, "stage_%s", np_stage_name(i));
        if (o->stats.stage[i].runs && bench_result_add(r, name, "ms/frame", 0, o->stats.stage[i].per_frame_ms) < 0) return NP_ENOMEM;
    }
    return 0;
}
