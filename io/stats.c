/* SPDX-License-Identifier: Apache-2.0 */
/* Derived numbers, and the status line. */
#define _GNU_SOURCE
#include "stats.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

double npi_stats_detection_fps(const struct np_stats *s) {
    const struct np_stage_stats *const d = &s->stage[NP_STAGE_DETECT];
    return d->mean_ms > 0 ? s->processed_fps * d->per_frame_ms / d->mean_ms : 0; /* runs a frame, times frames */
}

double npi_stats_skipped_fps(const struct np_stats *s) { return s->source_fps > s->processed_fps ? s->source_fps - s->processed_fps : 0; }

/* The cgroup's limit where there is one, else the machine's memory. Read once: it does not move in practice. */
static double memory_limit_mb(void) {
    static _Thread_local double known = -1;
    if (known >= 0) return known;
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    known = pages > 0 && size > 0 ? (double)pages * (double)size / 1048576 : 0;
    static const char *const files[] = { "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes" };
    for (size_t i = 0; i < 2; i++) {
        char text[40] = "";
        FILE *const f = fopen(files[i], "r");
        if (!f) continue;
        const size_t n = fread(text, 1, sizeof text - 1, f);
        fclose(f);
        text[n] = '\0';
        const double mb = (double)strtoull(text, NULL, 10) / 1048576; /* "max" gives 0 */
        if (mb > 0 && (known == 0 || mb < known)) known = mb;
    }
    return known;
}

double npi_stats_memory_percent(const struct np_stats *s) {
    const double all = memory_limit_mb();
    return all > 0 && s->memory_mb > 0 ? 100 * s->memory_mb / all : NAN;
}

const char *npi_stats_bottleneck(const struct np_stats *s) { return s->bottleneck == -1 ? "source" : np_stage_name(s->bottleneck); }

/* Adds a piece, with two spaces before it unless it is the first. */
static void add(char *out, size_t size, const char *fmt, ...) NPI_IO_PRINTF(3, 4);
static void add(char *out, size_t size, const char *fmt, ...) {
    size_t n = strlen(out);
    if (n && n + 2 < size) n += (size_t)snprintf(out + n, size - n, "  ");
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out + n, size - n, fmt, ap);
    va_end(ap);
}

/* Cuts to `width` columns; a byte of UTF-8 that goes on is no column. */
static void cut(char *s, int width) {
    int col = 0;
    for (; *s; s++) {
        if (((unsigned char)*s & 0xc0) != 0x80 && col++ == width) break;
    }
    *s = '\0';
}

void npi_stats_line(char *out, size_t size, const struct np_stats *s, const struct npi_stats_extra *x, int width) {
    const char *const slow = npi_stats_bottleneck(s);
    *out = '\0';
    if (x->source_lost) add(out, size, "SOURCE LOST, reconnecting");
    add(out, size, "fps shown %.1f processed %.1f inferred %.1f", s->displayed_fps, s->processed_fps, s->inferred_fps);
    add(out, size, "people %.1f", s->persons_per_frame);
    if (s->delay_p50_ms > 0) add(out, size, "delay %.0f/%.0f ms", s->delay_p50_ms, s->delay_p99_ms);
    if (slow && s->bottleneck == -1) add(out, size, "waits for the source");
    else if (slow) add(out, size, "%s %.0f %%", slow, 100 * s->stage[s->bottleneck].share);
    if (s->cpu_share > 0) add(out, size, "cpu %.0f %%", 100 * s->cpu_share);
    if (s->memory_mb > 0) add(out, size, "%.0f MB", s->memory_mb);
    if (s->n_dropped) add(out, size, "skipped %lld", (long long)s->n_dropped);
    if (s->n_late) add(out, size, "late %lld", (long long)s->n_late);
    if (s->n_failed) add(out, size, "failed %lld", (long long)s->n_failed);
    if (x->n_out_dropped) add(out, size, "not written %lld", (long long)x->n_out_dropped);
    if (x->n_reconnects) add(out, size, "reconnects %lld", (long long)x->n_reconnects);
    if (x->n_viewers) add(out, size, "viewers %d", x->n_viewers);
    if (s->n_suggestions > 0) add(out, size, "hint: %s", s->suggestion[0].text);
    if (width > 0) cut(out, width);
}
