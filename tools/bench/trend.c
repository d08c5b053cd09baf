/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose bench trend DIR: the history of every metric over the result files of a folder, sorted by date; where a series
 * changed for good is named with the version at which it did. Series of different machines are kept apart. */
#define _GNU_SOURCE
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "plot.h"
#include "result.h"

static const struct opt_def trend_opts[] = {
    { "metric", 0, OPT_STRING, NULL, 0, 0, NULL, "NAME,…", "only these metrics (default: all that are better one way)", "Options" },
    { "run", 0, OPT_STRING, NULL, 0, 0, NULL, "NAME,…", "only these runs", NULL },
    { "threshold", 0, OPT_FLOAT, "3", 0, 1000, NULL, "%", "smaller changes count as none", NULL },
    { "alpha", 0, OPT_FLOAT, "0.05", 0, 1, NULL, "P", "chance of taking noise for a change", NULL },
    { "html", 0, OPT_STRING, NULL, 0, 0, NULL, "FILE", "the same with a plot a series", NULL },
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

enum { MAX_FILES = 1024, MAX_CHANGES = 16 };
struct history { struct bench_result *file; int n; };

static int by_date(const void *a, const void *b) { return strcmp(((const struct bench_result *)a)->date, ((const struct bench_result *)b)->date); }

/* Files that are no results are passed over with a line; other JSON may lie there too. */
static int load_all(struct history *h, const char *dir, struct np_error *err) {
    char pattern[4096];
    glob_t g;
    snprintf(pattern, sizeof pattern, "%s/*.json", dir);
    if (glob(pattern, 0, NULL, &g) != 0) return npi_io_fail(err, NP_ENOENT, "no .json file in '%s': give the folder that 'bench pipeline --output' writes to", dir);
    h->file = calloc(g.gl_pathc, sizeof *h->file);
    for (size_t i = 0; h->file && i < g.gl_pathc && h->n < MAX_FILES; i++) {
        struct np_error e;
        if (bench_result_load(&h->file[h->n], g.gl_pathv[i], &e) < 0) tool_say("passed over: %s", e.message);
        else h->n++;
    }
    globfree(&g);
    if (!h->file) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    if (!h->n) return npi_io_fail(err, NP_ENOENT, "no result of 'nextpose bench' in '%s'", dir);
    qsort(h->file, (size_t)h->n, sizeof *h->file, by_date);
    return 0;
}

static int same_machine(const struct bench_result *a, const struct bench_result *b) {
    return !strcmp(a->subject, b->subject) && !strcmp(a->cpu, b->cpu) && a->cores == b->cores && !strcmp(a->isa, b->isa);
}

struct series { double x[MAX_FILES], median[MAX_FILES], low[MAX_FILES], high[MAX_FILES]; const struct bench_result *file[MAX_FILES]; const char *tick[MAX_FILES]; int n; };

static void collect(struct series *s, const struct history *h, const struct bench_result *like, const char *run, const char *metric) {
    s->n = 0;
    for (int i = 0; i < h->n; i++) {
        const struct bench_run *const r = same_machine(&h->file[i], like) ? bench_result_find(&h->file[i], run) : NULL;
        const struct bench_metric *const m = r ? bench_run_find(r, metric) : NULL;
        if (!m || !m->n) continue;
        const struct bench_interval iv = bench_median_interval(m->value, m->n);
        s->x[s->n] = s->n;
        s->median[s->n] = iv.mid;
        s->low[s->n] = iv.low;
        s->high[s->n] = iv.high;
        s->tick[s->n] = h->file[i].version;
        s->file[s->n++] = &h->file[i];
    }
}

static void plot_series(struct npi_outfile *o, const struct series *s, const char *title, const struct bench_metric *m, const int *change, int n_changes) {
    double mark[MAX_CHANGES];
    for (int i = 0; i < n_changes; i++) mark[i] = change[i] - .5;
    const struct plot_series line = { .style = PLOT_LINE, .x = s->x, .y = s->median, .low = s->low, .high = s->high, .n = s->n };
    plot_svg(o, &(struct plot){ .title = title, .x_label = "version, in order of date", .y_label = m->unit, .series = &line, .n_series = 1, .x_tick = s->tick, .n_x_ticks = s->n,
                                .mark = mark, .n_marks = n_changes });
}

/* One row of the table, its change points below, its plot into the report. */
static void tell(const struct series *s, const struct bench_run *run, const struct bench_metric *m, const struct opts *o, struct npi_outfile *html) {
    int change[MAX_CHANGES];
    char title[240];
    const int n = bench_change_points(s->median, s->n, opt_float(o, "alpha"), opt_float(o, "threshold") / 100, change, MAX_CHANGES);
    const double first = s->median[0], last = s->median[s->n - 1];
    printf("%-34.34s %-18.18s %4d %10.4g %10.4g %-9.9s %7.3fx%s\n", run->name, m->name, s->n, first, last, m->unit, first > 0 ? last / first : NAN,
           s->n < 8 ? "  (fewer than 8: changes are not judged)" : "");
    for (int i = 0; i < n; i++) {
        const int from = i ? change[i - 1] : 0, to = i + 1 < n ? change[i + 1] : s->n;
        const double before = bench_median(s->median + from, change[i] - from), after = bench_median(s->median + change[i], to - change[i]);
        const int good = m->better == 0 ? 0 : (after > before) == (m->better > 0) ? 1 : -1;
        printf("    changed at version %s (%s): %.4g -> %.4g %s, %.3fx%s\n", s->file[change[i]]->version, s->file[change[i]]->date, before, after, m->unit, after / before,
               good > 0 ? ", better" : good < 0 ? ", WORSE" : "");
    }
    if (!html) return;
    snprintf(title, sizeof title, "%.120s: %s", run->name, m->name);
    plot_series(html, s, title, m, change, n);
}

static void trend(const struct history *h, const struct opts *o, struct npi_outfile *html) {
    const char *const metrics = opt_str(o, "metric"), *const runs = opt_str(o, "run");
    static struct series s;
    for (int f = h->n - 1; f >= 0; f--) { /* the newest file of each machine names the series */
        const struct bench_result *const like = &h->file[f];
        int seen = 0;
        for (int i = f + 1; i < h->n; i++) seen |= same_machine(like, &h->file[i]);
        if (seen) continue;
        printf("\n%s on %s, %d processors, %s\n%-34s %-18s %4s %10s %10s %-9s %8s\n", like->subject, like->cpu, like->cores, like->isa, "run", "metric", "n", "first", "last",
               "unit", "last/first");
        for (int i = 0; i < like->n_runs; i++)
            for (int k = 0; k < like->run[i].n_metrics; k++) {
                const struct bench_metric *const m = &like->run[i].metric[k];
                if ((runs && !bench_in_list(runs, like->run[i].name)) || (metrics ? !bench_in_list(metrics, m->name) : !m->better)) continue;
                collect(&s, h, like, like->run[i].name, m->name);
                if (s.n) tell(&s, &like->run[i], m, o, html);
            }
    }
}

int bench_trend(int argc, char **argv) {
    struct opts o;
    struct np_error e = { 0 };
    struct history h = { 0 };
    struct npi_outfile html = { 0 };
    int code = EXIT_OK;
    opts_init(&o, trend_opts, "bench trend");
    const int r = opts_parse(&o, argc, argv, &e);
    const char *const path = r == 0 ? opt_str(&o, "html") : NULL;
    if (r < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (o.help) {
        printf("usage: nextpose bench trend DIR [OPTIONS]\n\nHistory of the result files in a folder, with the versions at which something changed.\n");
        opts_print_help(&o, stdout);
    } else if (o.n_rest != 1) {
        tool_say("usage: nextpose bench trend DIR [OPTIONS]");
        code = EXIT_USAGE;
    } else if (load_all(&h, o.rest[0], &e) < 0 || (path && npi_out_open(&html, path, NULL, &e) < 0)) code = tool_fail(EXIT_INPUT, &e);
    else {
        if (path) npi_out_str(&html, "<!doctype html><meta charset=\"utf-8\"><title>NextPose: trend</title><style>svg{max-width:760px;display:block;margin:1em auto}</style>\n");
        trend(&h, &o, path ? &html : NULL);
        if (path && npi_out_close(&html, &e) < 0) code = tool_fail(EXIT_RUNTIME, &e);
    }
    for (int i = 0; i < h.n; i++) bench_result_free(&h.file[i]);
    free(h.file);
    opts_free(&o);
    return code;
}
