/* SPDX-License-Identifier: Apache-2.0 */
/* See meter.h. */
#include "pipe/meter.h"

#include <string.h>

#include "base/clock.h"
#include "tune/controller.h"

void npi_meter_init(struct npi_meter *m, int n_lanes) {
    memset(m, 0, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_init(&m->probe_lock, NULL);
    m->open_ns = npi_now_ns();
    m->n_lanes = n_lanes;
    npi_probe_init(&m->probe);
}

void npi_meter_free(struct npi_meter *m) {
    if (m->gpu_open) npi_gpu_load_close(&m->gpu);
    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->probe_lock);
}

/* Under the lock: the bucket that now falls into. */
static struct npi_meter_bucket *bucket(struct npi_meter *m) {
    const int64_t now = npi_now_ns();
    struct npi_meter_bucket *b = &m->bucket[m->at];
    if (b->start_ns && now - b->start_ns < NPI_METER_BUCKET_NS) return b;
    if (b->start_ns) m->at = (m->at + 1) % NPI_METER_BUCKETS;
    b = &m->bucket[m->at];
    memset(b, 0, sizeof *b);
    b->start_ns = now;
    return b;
}

void npi_meter_stage(struct npi_meter *m, int stage, int64_t ns, int64_t max_ns, int64_t wait_ns, int runs) {
    pthread_mutex_lock(&m->lock);
    struct npi_meter_bucket *const b = bucket(m);
    b->stage[stage].ns += ns;
    b->stage[stage].wait_ns += wait_ns;
    b->stage[stage].runs += runs;
    if (max_ns > b->stage[stage].max_ns) b->stage[stage].max_ns = max_ns;
    m->runs[stage] += runs;
    m->total_ns[stage] += ns;
    if (stage == NP_STAGE_POSE) m->n_inferences += runs;
    pthread_mutex_unlock(&m->lock);
}

void npi_meter_busy(struct npi_meter *m, int64_t ns) {
    pthread_mutex_lock(&m->lock);
    bucket(m)->busy_ns += ns;
    pthread_mutex_unlock(&m->lock);
}

void npi_meter_sent(struct npi_meter *m) {
    pthread_mutex_lock(&m->lock);
    bucket(m)->read++;
    m->n_read++;
    pthread_mutex_unlock(&m->lock);
}

void npi_meter_dropped(struct npi_meter *m, int64_t n) {
    pthread_mutex_lock(&m->lock);
    m->n_dropped += n;
    pthread_mutex_unlock(&m->lock);
}

void npi_meter_left_out(struct npi_meter *m, int64_t n) {
    pthread_mutex_lock(&m->lock);
    m->n_left_out += n;
    pthread_mutex_unlock(&m->lock);
}

void npi_meter_lanes(struct npi_meter *m, int n_lanes) {
    pthread_mutex_lock(&m->lock);
    m->n_lanes = n_lanes;
    pthread_mutex_unlock(&m->lock);
}

void npi_meter_emitted(struct npi_meter *m, const struct npi_meter_frame *f) {
    const int64_t now = npi_now_ns();
    pthread_mutex_lock(&m->lock);
    if (f->delay_ms > m->delay_max_ms) m->delay_max_ms = f->delay_ms;
    m->n_late += f->max_delay_ms > 0 && f->delay_ms > f->max_delay_ms;
    if (f->passed_over) {
        m->n_dropped++;
        pthread_mutex_unlock(&m->lock);
        return;
    }
    struct npi_meter_bucket *const b = bucket(m);
    b->processed++;
    b->inferred += f->inferred;
    b->persons += f->persons;
    m->n_processed++;
    m->n_persons += f->persons;
    m->n_inferred += f->inferred;
    m->n_propagated += f->propagated;
    m->n_failed += f->failed;
    m->delay[m->n_delays % NPI_METER_DELAYS].t_ns = now;
    m->delay[m->n_delays++ % NPI_METER_DELAYS].ms = f->delay_ms;
    pthread_mutex_unlock(&m->lock);
}

void npi_meter_displayed(struct npi_meter *m) {
    pthread_mutex_lock(&m->lock);
    bucket(m)->displayed++;
    m->n_displayed++;
    pthread_mutex_unlock(&m->lock);
}

void npi_meter_caches(struct npi_meter *m, int detection_hit, int detection_miss, int pose_hits, int pose_misses, int expired) {
    pthread_mutex_lock(&m->lock);
    m->detection_hits += detection_hit;
    m->detection_misses += detection_miss;
    m->pose_hits += pose_hits;
    m->pose_misses += pose_misses;
    m->cache_expired += expired;
    pthread_mutex_unlock(&m->lock);
}

void npi_meter_inside(struct npi_meter *m, int64_t ns) {
    pthread_mutex_lock(&m->lock);
    m->inside_ns += ns;
    pthread_mutex_unlock(&m->lock);
}

void npi_meter_load(struct npi_meter *m, struct npi_load *out) {
    pthread_mutex_lock(&m->lock);
    *out = (struct npi_load){ .n_offered = m->n_read, .n_processed = m->n_processed, .n_inferences = m->n_inferences, .n_persons = m->n_persons,
                              .busy_ms = (double)m->inside_ns * 1e-6, .delay_max_ms = (double)m->delay_max_ms };
    for (int k = 0; k < NP_STAGE_COUNT; k++) {
        out->stage_ms[k] = (double)m->total_ns[k] * 1e-6;
        out->stage_runs[k] = m->runs[k];
    }
    m->delay_max_ms = 0;
    pthread_mutex_unlock(&m->lock);
}

/* Shell's sort: qsort may allocate. */
static void sort(float *v, int n) {
    for (int gap = n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
        for (int i = gap; i < n; i++) {
            const float x = v[i];
            int k = i;
            for (; k >= gap && v[k - gap] > x; k -= gap) v[k] = v[k - gap];
            v[k] = x;
        }
}

/* Nearest rank: the smallest value that at least share of all are not above. */
static double rank(const float *sorted, int n, double share) {
    int k = (int)(share * n);
    if ((double)k < share * n) k++;
    return n ? (double)sorted[k < 1 ? 0 : k - 1] : 0;
}

/* The stage that the most work goes into, unless the lanes had time to spare: then it is the caller's, or the source. */
static int bottleneck(const struct np_stats *s, const int64_t ns[NP_STAGE_COUNT], int64_t busy_ns, int64_t window_ns, int n_lanes) {
    if (s->processed_fps <= 0 || s->window_s < .5) return -2;
    const int callers[] = { NP_STAGE_READ, NP_STAGE_DRAW, NP_STAGE_EMIT };
    for (int i = 0; i < 3; i++)
        if (ns[callers[i]] > window_ns / 100 * 85) return callers[i];
    if (busy_ns < window_ns / 100 * 85 * n_lanes) return -1;
    int best = NP_STAGE_DETECT;
    for (int i = NP_STAGE_DETECT; i <= NP_STAGE_SMOOTH; i++)
        if (ns[i] > ns[best]) best = i;
    return best;
}

void npi_meter_read(struct npi_meter *m, struct np_stats *out) {
    float ms[NPI_METER_DELAYS];
    int n = 0;
    int64_t ns[NP_STAGE_COUNT] = { 0 }, wait[NP_STAGE_COUNT] = { 0 }, max[NP_STAGE_COUNT] = { 0 }, runs[NP_STAGE_COUNT] = { 0 };
    int64_t read = 0, processed = 0, inferred = 0, displayed = 0, persons = 0, all = 0, busy = 0;
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&m->lock);
    const int64_t now = npi_now_ns();
    const int64_t from = now - (int64_t)NPI_METER_BUCKETS * NPI_METER_BUCKET_NS;
    int64_t first = now;
    for (int i = 0; i < NPI_METER_BUCKETS; i++) {
        const struct npi_meter_bucket *const b = &m->bucket[i];
        if (!b->start_ns || b->start_ns < from) continue;
        if (b->start_ns < first) first = b->start_ns;
        read += b->read;
        processed += b->processed;
        inferred += b->inferred;
        displayed += b->displayed;
        persons += b->persons;
        busy += b->busy_ns;
        for (int k = 0; k < NP_STAGE_COUNT; k++) {
            ns[k] += b->stage[k].ns;
            wait[k] += b->stage[k].wait_ns;
            runs[k] += b->stage[k].runs;
            if (b->stage[k].max_ns > max[k]) max[k] = b->stage[k].max_ns;
        }
    }
    for (unsigned i = 0; i < NPI_METER_DELAYS && i < m->n_delays; i++)
        if (m->delay[i].t_ns >= from) ms[n++] = m->delay[i].ms;
    const double window_s = (double)(now - first) * 1e-9;
    out->uptime_s = (double)(now - m->open_ns) * 1e-9;
    out->window_s = window_s;
    if (window_s > 0) {
        out->source_fps = (double)read / window_s;
        out->processed_fps = (double)processed / window_s;
        out->inferred_fps = (double)inferred / window_s;
        out->displayed_fps = (double)displayed / window_s;
    }
    out->n_read = m->n_read;
    out->n_dropped = m->n_dropped;
    out->n_displayed = m->n_displayed;
    out->n_processed = m->n_processed;
    out->n_inferred = m->n_inferred;
    out->n_propagated = m->n_propagated;
    out->n_late = m->n_late;
    out->n_failed = m->n_failed;
    out->n_inferences = m->n_inferences;
    out->n_left_out = m->n_left_out;
    out->persons_per_frame = processed ? (double)persons / (double)processed : 0;
    for (int k = 0; k < NP_STAGE_COUNT; k++) all += ns[k];
    for (int k = 0; k < NP_STAGE_COUNT; k++) {
        struct np_stage_stats *const s = &out->stage[k];
        s->runs = m->runs[k];
        s->max_ms = (double)max[k] * 1e-6;
        if (runs[k]) {
            s->mean_ms = (double)ns[k] * 1e-6 / (double)runs[k];
            s->wait_ms = (double)wait[k] * 1e-6 / (double)runs[k];
        }
        if (processed) s->per_frame_ms = (double)ns[k] * 1e-6 / (double)processed;
        if (all) s->share = (double)ns[k] / (double)all;
    }
    out->detection_hits = m->detection_hits;
    out->detection_misses = m->detection_misses;
    out->pose_hits = m->pose_hits;
    out->pose_misses = m->pose_misses;
    out->cache_expired = m->cache_expired;
    const int n_lanes = m->n_lanes; /* changes with the threads */
    pthread_mutex_unlock(&m->lock);

    pthread_mutex_lock(&m->probe_lock); /* not the workers' lock: this one reads files */
    npi_probe_look(&m->probe, now);
    out->cpu_share = m->probe.share;
    memcpy(out->cpu_core, m->probe.core, sizeof out->cpu_core);
    out->n_cores = m->probe.n_cores;
    out->memory_mb = m->probe.memory_mb;
    if (!m->gpu_open) npi_gpu_load_open(&m->gpu, "", "libnvidia-ml.so.1");
    m->gpu_open = 1;
    npi_gpu_load_look(&m->gpu, now);
    out->gpu_share = m->gpu.share;
    out->gpu_memory_mb = m->gpu.memory_mb;
    pthread_mutex_unlock(&m->probe_lock);

    sort(ms, n);
    out->delay_p50_ms = rank(ms, n, .5);
    out->delay_p95_ms = rank(ms, n, .95);
    out->delay_p99_ms = rank(ms, n, .99);
    out->delay_max_ms = n ? (double)ms[n - 1] : 0;
    out->bottleneck = bottleneck(out, ns, busy, now - first, n_lanes);
}
