/* SPDX-License-Identifier: Apache-2.0 */
/* What `bench pipeline` found, as a table for people, as Markdown, CSV, and as one HTML file with plots. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "pipeline.h"
#include "plot.h"
#include "tools/tool.h"

static const struct column { const char *metric, *head, *html; int decimals, width; int interval; } columns[] = {
    { "processed_fps", "frames/s", "frames/s", 1, 8, 1 },  { "inferred_fps", "inferred/s", "inferred/s", 1, 10, 0 },
    { "delay_p50", "p50 ms", "delay p50 ms", 1, 8, 0 },     { "delay_p99", "p99 ms", "delay p99 ms", 1, 8, 0 },
    { "joint_error_median", "err %", "joint error, median % of height", 2, 6, 0 }, { "joint_error_p95", "p95 %", "joint error, p95", 2, 6, 0 },
    { "people_found", "found %", "people found %", 1, 7, 0 }, { "id_switches", "ids lost", "id switches", 0, 8, 0 },
};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

/* Locale-free "%.*f" into a field; "-" when there is no value. */
static void cell(char *to, size_t size, const struct bench_run *run, const struct column *c) {
    const struct bench_metric *const m = bench_run_find(run, c->metric);
    if (!m || !m->n) {
        snprintf(to, size, "-");
        return;
    }
    const double v = bench_median(m->value, m->n), scale = pow(10, c->decimals);
    const long long k = llround(fabs(v) * scale), one = llround(scale);
    if (c->decimals) snprintf(to, size, "%s%lld.%0*lld", v < 0 && k ? "-" : "", k / one, c->decimals, k % one);
    else snprintf(to, size, "%s%lld", v < 0 && k ? "-" : "", k);
}

static double median_of(const struct bench_run *run, const char *metric) {
    const struct bench_metric *const m = run ? bench_run_find(run, metric) : NULL;
    return m && m->n ? bench_median(m->value, m->n) : NAN;
}

/* Half the 95 % interval of the median, in percent of it; NaN below two values. */
static double spread(const struct bench_run *run, const char *metric) {
    const struct bench_metric *const m = bench_run_find(run, metric);
    if (!m || m->n < 2) return NAN;
    const struct bench_interval i = bench_median_interval(m->value, m->n);
    return 50 * (i.high - i.low) / i.mid;
}

void bench_report_text(const struct bench_result *r, FILE *f) {
    char b[64];
    fprintf(f, "%s %s on %s, %d processors, %s (%s)\ninput %s: %s\n\n%-34s", r->subject, r->version, r->cpu, r->cores, r->isa, r->category, r->input_name, r->input, "setting");
    for (int k = 0; k < N_COLUMNS; k++) fprintf(f, " %*s%s", columns[k].width, columns[k].head, columns[k].interval ? "      +-" : "");
    fprintf(f, "\n");
    for (int i = 0; i < r->n_runs; i++) {
        fprintf(f, "%-34.34s", r->run[i].name);
        for (int k = 0; k < N_COLUMNS; k++) {
            cell(b, sizeof b, &r->run[i], &columns[k]);
            fprintf(f, " %*s", columns[k].width, b);
            const double s = columns[k].interval ? spread(&r->run[i], columns[k].metric) : NAN;
            if (columns[k].interval) fprintf(f, isfinite(s) ? " %5.0f %%" : "       -", s);
        }
        fprintf(f, "\n");
    }
    fprintf(f, "\nmedians over the rounds; +-: half the 95 %% interval (below six rounds: half the range). err: distance of joints from the every-frame run, in %% of the\n"
               "person's height. presets: live at the clip's own rate; the others: every frame, as fast as it goes\n");
}

int bench_report_markdown(const struct bench_result *r, const char *path, struct np_error *err) {
    struct npi_outfile o;
    char b[64];
    const int e = npi_out_open(&o, path, NULL, err);
    if (e < 0) return e;
    const char *const head[] = { r->subject, " ", r->version, ", ", r->date, ", ", r->cpu, ", input ", r->input_name, "\n\n| setting |" };
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) npi_out_str(&o, head[i]);
    for (int k = 0; k < N_COLUMNS; k++) {
        npi_out_str(&o, " ");
        npi_out_str(&o, columns[k].html);
        npi_out_str(&o, " |");
    }
    npi_out_str(&o, "\n|---|");
    for (int k = 0; k < N_COLUMNS; k++) npi_out_str(&o, "---:|");
    for (int i = 0; i < r->n_runs; i++) {
        npi_out_str(&o, "\n| ");
        npi_out_str(&o, r->run[i].name);
        for (int k = 0; k < N_COLUMNS; k++) {
            cell(b, sizeof b, &r->run[i], &columns[k]);
            npi_out_str(&o, " | ");
            npi_out_str(&o, b);
        }
        npi_out_str(&o, " |");
    }
    npi_out_str(&o, "\n");
    return npi_out_close(&o, err);
}

static void csv_text(struct npi_outfile *o, const char *s) {
    npi_out_str(o, "\"");
    for (char b[3] = { 0 }; *s; s++) {
        b[0] = *s;
        b[1] = *s == '"' ? '"' : '\0';
        npi_out_str(o, b);
    }
    npi_out_str(o, "\"");
}

int bench_report_csv(const struct bench_result *r, const char *path, struct np_error *err) {
    struct npi_outfile o;
    const int e = npi_out_open(&o, path, NULL, err);
    if (e < 0) return e;
    npi_out_str(&o, "run,metric,unit,round,value\n");
    for (int i = 0; i < r->n_runs; i++)
        for (int k = 0; k < r->run[i].n_metrics; k++)
            for (int v = 0; v < r->run[i].metric[k].n; v++) {
                const struct bench_metric *const m = &r->run[i].metric[k];
                csv_text(&o, r->run[i].name);
                npi_out_str(&o, ",");
                csv_text(&o, m->name);
                npi_out_str(&o, ",");
                csv_text(&o, m->unit);
                npi_out_str(&o, ",");
                npi_out_int(&o, v);
                npi_out_str(&o, ",");
                npi_out_fixed(&o, m->value[v], 4, "");
                npi_out_str(&o, "\n");
            }
    return npi_out_close(&o, err);
}

/* --- HTML --- */

/* Speed against what it costs: a point a setting. Up and left is good. */
static void front(struct npi_outfile *o, const struct bench_suite *s, const struct bench_result *r) {
    double x[2][BENCH_MAX_CASES], y[2][BENCH_MAX_CASES];
    const char *label[2][BENCH_MAX_CASES];
    int n[2] = { 0, 0 };
    for (int i = 0; i < s->n; i++) {
        const struct bench_run *const run = bench_result_find(r, s->cases[i].name);
        const double fps = median_of(run, "processed_fps"), e = s->cases[i].plain ? 0 : median_of(run, "joint_error_median");
        const int live = s->cases[i].live;
        if (!isfinite(fps) || !isfinite(e) || bench_in_list("threads,batch,backend", s->cases[i].axis)) continue; /* those cost nothing */
        x[live][n[live]] = e;
        y[live][n[live]] = fps;
        label[live][n[live]++] = s->cases[i].name;
    }
    const struct plot_series series[] = { { .name = "every frame, as fast as it goes", .style = PLOT_POINTS, .x = x[0], .y = y[0], .label = label[0], .n = n[0] },
                                          { .name = "live at the clip's rate", .style = PLOT_POINTS, .x = x[1], .y = y[1], .label = label[1], .n = n[1] } };
    plot_svg(o, &(struct plot){ .title = "Speed and what it costs", .x_label = "joint error against the every-frame run, median, % of the person's height", .y_label = "frames/s",
                                .series = series, .n_series = 2, .y_from_zero = 1 });
}

enum { BINS = 60 };
static void histogram(struct npi_outfile *o, const struct bench_suite *s, const struct bench_result *r) {
    (void)r; /* every delay of the last round is in the suite only */
    static double x[BENCH_MAX_CASES][BINS], y[BENCH_MAX_CASES][BINS];
    struct plot_series series[BENCH_MAX_CASES];
    double most = 0;
    int n = 0;
    for (int i = 0; i < s->n; i++)
        if (s->cases[i].live && s->cases[i].last.n_delay) most = fmax(most, s->cases[i].last.delay_p99 * 1.3);
    if (!(most > 0)) return;
    for (int i = 0; i < s->n; i++) {
        const struct bench_case *const c = &s->cases[i];
        if (!c->live || !c->last.n_delay) continue;
        for (int b = 0; b < BINS; b++) {
            x[n][b] = most * b / BINS;
            y[n][b] = 0;
        }
        for (int k = 0; k < c->last.n_delay; k++) {
            const int b = (int)(c->last.delay[k] / most * BINS);
            y[n][b < 0 ? 0 : b >= BINS ? BINS - 1 : b] += 100. / c->last.n_delay;
        }
        series[n] = (struct plot_series){ .name = c->name, .style = PLOT_STEPS, .x = x[n], .y = y[n], .n = BINS };
        n++;
    }
    plot_svg(o, &(struct plot){ .title = "Delay from capture to result", .x_label = "ms", .y_label = "% of the frames", .series = series, .n_series = n, .y_from_zero = 1 });
}

static void stages(struct npi_outfile *o, const struct bench_suite *s, const struct bench_result *r) {
    const char *bar[BENCH_MAX_CASES], *part[NP_STAGE_COUNT];
    double value[BENCH_MAX_CASES * NP_STAGE_COUNT];
    int n = 0;
    for (int k = 0; k < NP_STAGE_COUNT; k++) part[k] = np_stage_name(k);
    for (int i = 0; i < s->n; i++) {
        const struct bench_run *const run = bench_result_find(r, s->cases[i].name);
        double sum = 0;
        for (int k = 0; k < NP_STAGE_COUNT; k++) {
            char metric[40];
            snprintf(metric, sizeof metric, "stage_%s", part[k]);
            const double v = median_of(run, metric);
            value[n * NP_STAGE_COUNT + k] = isfinite(v) ? v : 0;
            sum += value[n * NP_STAGE_COUNT + k];
        }
        if (sum > 0) bar[n++] = s->cases[i].name;
    }
    plot_bars_svg(o, &(struct plot_bars){ .title = "Where the time goes", .x_label = "ms of work a frame, over all threads", .bar = bar, .n_bars = n, .part = part,
                                          .n_parts = NP_STAGE_COUNT, .value = value });
}

/* Speed over the value of one flag. */
static void scaling(struct npi_outfile *o, const struct bench_suite *s, const struct bench_result *r, const char *axis, const char *title, const char *x_label) {
    double x[BENCH_MAX_CASES], y[BENCH_MAX_CASES], low[BENCH_MAX_CASES], high[BENCH_MAX_CASES];
    int n = 0;
    for (int i = 0; i < s->n; i++) {
        const struct bench_run *const run = bench_result_find(r, s->cases[i].name);
        const struct bench_metric *const m = run ? bench_run_find(run, "processed_fps") : NULL;
        const char *const number = strrchr(s->cases[i].flags, ' ');
        if (strcmp(s->cases[i].axis, axis) || !m || !m->n || !number) continue;
        const struct bench_interval iv = bench_median_interval(m->value, m->n);
        x[n] = atof(number);
        y[n] = iv.mid;
        low[n] = iv.low;
        high[n++] = iv.high;
    }
    const struct plot_series line = { .style = PLOT_LINE, .x = x, .y = y, .low = low, .high = high, .n = n };
    plot_svg(o, &(struct plot){ .title = title, .x_label = x_label, .y_label = "frames/s", .series = &line, .n_series = 1, .y_from_zero = 1 });
}

/* The plots of a report, in their order. */
static void more_people(struct npi_outfile *o, const struct bench_suite *s, const struct bench_result *r) {
    scaling(o, s, r, "persons", "More people in view", "people at most (--max-persons)");
}
static void more_threads(struct npi_outfile *o, const struct bench_suite *s, const struct bench_result *r) {
    scaling(o, s, r, "threads", "More threads", "--threads");
}
static const struct { const char *name; void (*draw)(struct npi_outfile *, const struct bench_suite *, const struct bench_result *); } plots[] = {
    { "front", front }, { "delay", histogram }, { "stages", stages }, { "people", more_people }, { "threads", more_threads },
};
enum { N_PLOTS = sizeof plots / sizeof *plots };

int bench_report_svg(const struct bench_suite *s, const struct bench_result *r, const char *folder, struct np_error *err) {
    int e = npi_io_mkdirs(folder, err);
    for (int i = 0; e >= 0 && i < N_PLOTS; i++) {
        struct npi_outfile memory, file;
        char path[4300], *text = NULL;
        size_t size = 0;
        if ((e = npi_out_open_memory(&memory, &text, &size, err)) < 0) return e;
        plots[i].draw(&memory, s, r);
        e = npi_out_close(&memory, err);
        snprintf(path, sizeof path, "%s/%s.svg", folder, plots[i].name);
        if (e >= 0 && size && (e = npi_out_open(&file, path, NULL, err)) >= 0) { /* a plot without points is no file */
            npi_out_str(&file, text);
            e = npi_out_close(&file, err);
        }
        free(text);
    }
    return e;
}

static void table(struct npi_outfile *o, const struct bench_result *r) {
    char b[64];
    npi_out_str(o, "<table><tr><th>setting</th>");
    for (int k = 0; k < N_COLUMNS; k++) {
        npi_out_str(o, "<th>");
        plot_text(o, columns[k].html);
        npi_out_str(o, "</th>");
    }
    for (int i = 0; i < r->n_runs; i++) {
        npi_out_str(o, "</tr>\n<tr><td>");
        plot_text(o, r->run[i].name);
        for (int k = 0; k < N_COLUMNS; k++) {
            cell(b, sizeof b, &r->run[i], &columns[k]);
            npi_out_str(o, "</td><td>");
            npi_out_str(o, b);
        }
        npi_out_str(o, "</td>");
    }
    npi_out_str(o, "</tr></table>\n");
}

int bench_report_html(const struct bench_suite *s, const struct bench_result *r, const char *path, struct np_error *err) {
    struct npi_outfile o;
    const int e = npi_out_open(&o, path, NULL, err);
    if (e < 0) return e;
    npi_out_str(&o, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>NextPose: bench pipeline</title>\n"
                    "<style>body{font-family:sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#222}table{border-collapse:collapse;font-size:13px}"
                    "td,th{padding:3px 9px;border-bottom:1px solid #ddd;text-align:right}td:first-child,th:first-child{text-align:left}svg{width:100%;display:block;margin:1.5em 0}"
                    "</style>\n<h1>NextPose on this machine</h1>\n<p>");
    const char *const about[] = { r->subject, " ", r->version, ", ", r->date, "; ", r->cpu, ", best level ", r->isa, ", category ", r->category, "; ", r->os, "; input ",
                                  r->input_name };
    for (size_t i = 0; i < sizeof about / sizeof *about; i++) plot_text(&o, about[i]);
    npi_out_str(&o, "</p>\n");
    table(&o, r);
    npi_out_str(&o, "<p>Medians over the rounds, settings measured in turns. Presets run live at the clip's own rate, the others take every frame as fast as it goes. Joint errors "
                    "are distances from a run that inferred everything on every frame.</p>\n");
    for (int i = 0; i < N_PLOTS; i++) plots[i].draw(&o, s, r);
    npi_out_str(&o, "</html>\n");
    return npi_out_close(&o, err);
}
