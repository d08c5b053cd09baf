/* SPDX-License-Identifier: Apache-2.0 */
/* See progress.h. Three rates, never mixed, as in nextpose/stats.h: displayed (results given out), processed (frames handled), inferred (a
 * pose net ran for every person in view). Pictures drawn into a video or folder have a name of their own: drawn. */
#include "progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/outfile.h"
#include "tool.h"

static void note_id(struct stats *s, int id) {
    if (id < 1 || id > 1 << 24) return;
    const int word = id / 64;
    if (word >= s->id_words) {
        const int n = word * 2 + 16;
        uint64_t *const p = realloc(s->id_bits, (size_t)n * sizeof *p);
        if (!p) return;
        memset(p + s->id_words, 0, (size_t)(n - s->id_words) * sizeof *p);
        s->id_bits = p;
        s->id_words = n;
    }
    const uint64_t bit = (uint64_t)1 << (id % 64);
    s->n_ids += !(s->id_bits[word] & bit);
    s->id_bits[word] |= bit;
}

void stats_result(struct stats *s, const struct np_result *r) {
    s->n_processed++;
    s->n_inferred += r->inferred != 0;
    s->persons_now = r->n_persons;
    s->persons_sum += r->n_persons;
    if (r->n_persons > s->persons_max) s->persons_max = r->n_persons;
    s->detect_ms_sum += r->detect_ms;
    s->pose_ms_sum += r->pose_ms;
    s->n_detected += r->detected != 0;
    const double step = (double)r->delay_ms * 2;
    s->delay[step >= 0 && step < STATS_DELAYS - 1 ? (int)step : STATS_DELAYS - 1]++;
    int propagated = 0;
    for (int i = 0; i < r->n_persons; i++) {
        note_id(s, r->persons[i].id);
        propagated |= r->persons[i].pose_source == NP_POSE_PROPAGATED;
        if (!s->first_pose_ns && r->persons[i].pose_source == NP_POSE_INFERRED) s->first_pose_ns = tool_since_exec_ns();
    }
    s->n_propagated += propagated;
}

double stats_delay_ms(const struct stats *s, double share) {
    double seen = 0;
    for (int i = 0; i < STATS_DELAYS; i++)
        if ((seen += s->delay[i]) >= share * (double)s->n_processed) return (i + 1) * .5;
    return 0;
}

void stats_free(struct stats *s) { free(s->id_bits); }

double stats_fps(const struct stats *s, int64_t n, int64_t now_ns) {
    return now_ns > s->start_ns ? (double)n * 1e9 / (double)(now_ns - s->start_ns) : 0;
}

void progress_line(struct stats *s, FILE *f) {
    const int64_t now = npi_io_now_ns();
    if (now - s->last_line_ns < 200000000) return;
    s->last_line_ns = now;
    const double fps = stats_fps(s, s->n_processed, now);
    fprintf(f, "\r\033[Kframe %lld", (long long)s->n_processed);
    if (s->n_total > 0) fprintf(f, " of %lld", (long long)s->n_total);
    fprintf(f, "  %.1f frames/s  %d %s", fps, s->persons_now, s->persons_now == 1 ? "person" : "people");
    if (s->n_total > s->n_processed && fps > 0) {
        const long left = (long)((double)(s->n_total - s->n_processed) / fps + 0.5);
        fprintf(f, "  %ld:%02ld left", left / 60, left % 60);
    }
    fflush(f);
}

void progress_clear(FILE *f) {
    fputs("\r\033[K", f);
    fflush(f);
}

static double mean_persons(const struct stats *t) { return t->n_processed ? (double)t->persons_sum / (double)t->n_processed : 0; }

void summary_text(const struct summary *s, FILE *f) {
    const struct stats *const t = s->stats;
    const struct np_context_info *const i = s->info;
    const double secs = (double)(t->end_ns - t->start_ns) * 1e-9;
    const char *const plural = t->n_processed == 1 ? "" : "s";
    fprintf(f, "%-12s %lld frame%s in %.2f s\n", s->interrupted ? "interrupted" : "done", (long long)t->n_processed, plural, secs);
    if (t->n_dropped) fprintf(f, "skipped      %lld frames (the newest frame wins in live mode)\n", (long long)t->n_dropped);
    fprintf(f, "people       %d at most, %.2f a frame, %lld ids\n", t->persons_max, mean_persons(t), (long long)t->n_ids);
    fprintf(f, "frames/s     processed %.1f, inferred %.1f, displayed %.1f\n", stats_fps(t, t->n_processed, t->end_ns),
            stats_fps(t, t->n_inferred, t->end_ns), stats_fps(t, s->now->n_displayed, t->end_ns));
    if (s->video || s->images) fprintf(f, "drawn        %lld pictures, %.1f a second\n", (long long)t->n_drawn, stats_fps(t, t->n_drawn, t->end_ns));
    if (s->live && t->n_processed)
        fprintf(f, "delay        p50 %.0f ms, p95 %.0f, p99 %.0f, capture to result; %lld late\n", stats_delay_ms(t, .5), stats_delay_ms(t, .95),
              stats_delay_ms(t, .99),
                (long long)s->now->n_late);
    if (s->now->detection_hits || s->now->pose_hits)
        fprintf(f, "caches       detector ran on %lld frames, pose net for %lld of %lld poses; %lld entries expired\n",
              (long long)s->now->detection_misses,
                (long long)s->now->pose_misses, (long long)(s->now->pose_hits + s->now->pose_misses), (long long)s->now->cache_expired);
    if (s->now->n_failed) fprintf(f, "failures     %lld frames with a failed inference, see above\n", (long long)s->now->n_failed);
    if (*s->now->last_move) fprintf(f, "last move    %s\n", s->now->last_move);
    if (t->first_pose_ns) fprintf(f, "first pose   %.0f ms after the start\n", (double)t->first_pose_ns * 1e-6);
    else fprintf(f, "first pose   none\n");
    fprintf(f, "ran          detector %s", i->detector_id);
    if (i->detector_width > 0) fprintf(f, " %dx%d", i->detector_width, i->detector_height);
    fprintf(f, ", pose %s\n", i->model_id);
    fprintf(f, "on           %s (asked: %s; %s), in %s, isa %s, %d thread%s, mode %s, preset %s, %s\n", i->backend_used, s->backend_asked,
            s->backend_reason, i->precision, i->isa, i->threads,
            i->threads == 1 ? "" : "s", s->mode, s->preset, tool_cpu_name());
    fprintf(f, "memory       %.0f MB at most (weights %.1f, activations %.1f)\n", (double)tool_peak_memory_kb() / 1024,
            (double)i->weights_bytes / 1048576, (double)i->arena_bytes / 1048576);
    if (s->video) fprintf(f, "video        %s\n", s->video);
    if (s->json) fprintf(f, "joints       %s\n", s->json);
    if (s->out) fprintf(f, "joints       %s\n", s->out);
    if (s->images) fprintf(f, "pictures     %s\n", s->images);
    if (s->n_failed) fprintf(f, "failed       %d output%s, see above\n", s->n_failed, s->n_failed == 1 ? "" : "s");
}

static void key(struct npi_outfile *o, const char *name) {
    npi_out_str(o, ",");
    npi_out_json_str(o, name);
    npi_out_str(o, ":");
}
static void put_str(struct npi_outfile *o, const char *name, const char *v) {
    key(o, name);
    npi_out_json_str(o, v);
}
static void put_int(struct npi_outfile *o, const char *name, int64_t v) {
    key(o, name);
    npi_out_int(o, v);
}
static void put_num(struct npi_outfile *o, const char *name, double v, int decimals) {
    key(o, name);
    npi_out_fixed(o, v, decimals, "null");
}

int summary_json(const struct summary *s, const char *path, struct np_error *err) {
    const struct stats *const t = s->stats;
    const struct np_context_info *const i = s->info;
    struct npi_outfile o;
    const int r = npi_out_open(&o, path, NULL, err);
    if (r < 0) return r;
    npi_out_str(&o, "{\"nextpose\":");
    npi_out_json_str(&o, np_version());
    put_str(&o, "input", s->input);
    put_str(&o, "input_kind", s->kind);
    put_int(&o, "frames", t->n_processed);
    put_int(&o, "skipped", t->n_dropped);
    put_num(&o, "seconds", (double)(t->end_ns - t->start_ns) * 1e-9, 4);
    put_num(&o, "fps_processed", stats_fps(t, t->n_processed, t->end_ns), 3);
    put_num(&o, "fps_inferred", stats_fps(t, t->n_inferred, t->end_ns), 3);
    put_num(&o, "fps_displayed", stats_fps(t, s->now->n_displayed, t->end_ns), 3);
    put_num(&o, "fps_drawn", s->video || s->images ? stats_fps(t, t->n_drawn, t->end_ns) : NAN, 3);
    put_int(&o, "persons_max", t->persons_max);
    put_num(&o, "persons_mean", mean_persons(t), 4);
    put_int(&o, "ids", t->n_ids);
    put_num(&o, "first_pose_ms", t->first_pose_ns ? (double)t->first_pose_ns * 1e-6 : NAN, 1);
    put_num(&o, "detect_ms_mean", t->n_processed ? t->detect_ms_sum / (double)t->n_processed : NAN, 3);
    put_num(&o, "pose_ms_mean", t->n_processed ? t->pose_ms_sum / (double)t->n_processed : NAN, 3);
    put_num(&o, "delay_p50_ms", t->n_processed ? stats_delay_ms(t, .5) : NAN, 1);
    put_num(&o, "delay_p95_ms", t->n_processed ? stats_delay_ms(t, .95) : NAN, 1);
    put_num(&o, "delay_p99_ms", t->n_processed ? stats_delay_ms(t, .99) : NAN, 1);
    put_int(&o, "late", s->now->n_late);
    put_int(&o, "frames_propagated", t->n_propagated);
    put_int(&o, "frames_detected", t->n_detected);
    put_int(&o, "frames_failed", s->now->n_failed);
    put_int(&o, "inferences", s->now->n_inferences);
    put_int(&o, "pose_hits", s->now->pose_hits);
    put_int(&o, "pose_misses", s->now->pose_misses);
    put_int(&o, "detection_hits", s->now->detection_hits);
    put_int(&o, "detection_misses", s->now->detection_misses);
    put_int(&o, "cache_expired", s->now->cache_expired);
    put_int(&o, "frame_skip", s->now->knobs.frame_skip);
    put_int(&o, "detection_freq", s->now->knobs.detection_freq);
    put_int(&o, "batch_size", s->now->knobs.batch_size);
    put_int(&o, "switches", s->now->n_switches);
    put_str(&o, "detector", i->detector_id);
    put_int(&o, "detector_width", i->detector_width);
    put_int(&o, "detector_height", i->detector_height);
    put_str(&o, "model", i->model_id);
    put_str(&o, "backend_asked", s->backend_asked);
    put_str(&o, "backend_used", i->backend_used);
    put_str(&o, "backend_reason", s->backend_reason);
    put_str(&o, "backend_device", i->backend_device);
    put_int(&o, "backend_switches", i->backend_switches);
    put_str(&o, "precision", i->precision);
    put_str(&o, "isa", i->isa);
    put_int(&o, "threads", i->threads);
    put_str(&o, "mode", s->mode);
    put_str(&o, "preset", s->preset);
    put_str(&o, "cpu", tool_cpu_name());
    put_int(&o, "max_persons", i->max_persons);
    put_num(&o, "bbox_thr", i->bbox_thr, 4);
    put_num(&o, "nms_thr", i->nms_thr, 4);
    put_num(&o, "kpt_thr", i->kpt_thr, 4);
    put_int(&o, "peak_memory_kb", tool_peak_memory_kb());
    put_int(&o, "weights_bytes", (int64_t)i->weights_bytes);
    put_int(&o, "arena_bytes", (int64_t)i->arena_bytes);
    put_str(&o, "video", s->video);
    put_str(&o, "json", s->json);
    put_str(&o, "out", s->out);
    put_str(&o, "images", s->images);
    put_int(&o, "outputs_failed", s->n_failed);
    key(&o, "interrupted");
    npi_out_str(&o, s->interrupted ? "true}\n" : "false}\n");
    return npi_out_close(&o, err);
}
