/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose bench compare A.json B.json: what B gained or lost against A, run by run and metric by metric. A and B may be two
 * versions, two machines, two settings, or us and a peer. A row is a regression when it is worse by more than --threshold and
 * the two sets of values would differ so much by chance in fewer than --alpha of all cases. Exit 1 when there is one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "io/outfile.h"
#include "result.h"

static const struct opt_def compare_opts[] = {
    { "metric", 0, OPT_STRING, NULL, 0, 0, NULL, "NAME,…", "only these metrics (default: all that are better one way)", "Options" },
    { "threshold", 0, OPT_FLOAT, "3", 0, 1000, NULL, "%", "smaller changes count as none", NULL },
    { "alpha", 0, OPT_FLOAT, "0.05", 0, 1, NULL, "P", "chance of taking noise for a change", NULL },
    { "all", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "also rows without a change", NULL },
    { "format", 0, OPT_CHOICE, "text", 0, 0, "text|markdown|json", NULL, "text, markdown or json (an object a line)", NULL },
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};

enum verdict { SAME, BETTER, WORSE, TOO_FEW, OTHER };
static const char *const verdict_name[] = { "same", "better", "WORSE", "too few values", "differs" };
struct row { const char *run; const struct bench_metric *a, *b; struct bench_interval ratio; double p; int verdict; };

int bench_in_list(const char *list, const char *word) {
    const size_t n = strlen(word);
    for (const char *p = list; p && *p;) {
        const size_t k = strcspn(p, ",");
        if (k == n && !strncmp(p, word, n)) return 1;
        p += k + (p[k] == ',');
    }
    return 0;
}

/* 1: fills in the row; 0: there is nothing to divide by. */
static int judge(struct row *r, double threshold, double alpha) {
    const struct bench_metric *const a = r->a, *const b = r->b;
    if (!a->n || !b->n || !(bench_median(a->value, a->n) > 0)) return 0;
    r->ratio = bench_ratio(a->value, a->n, b->value, b->n);
    r->p = bench_rank_test(a->value, a->n, b->value, b->n);
    const double change = r->ratio.mid - 1;
    double least[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }; /* could these counts show a change at all? The most extreme order decides */
    const int na = a->n < 4 ? a->n : 4, nb = b->n < 4 ? b->n : 4;
    if (bench_rank_test(least, na, least + na, nb) >= alpha && fabs(change) > threshold) r->verdict = TOO_FEW;
    else if (r->p >= alpha || fabs(change) <= threshold) r->verdict = SAME;
    else r->verdict = a->better == 0 ? OTHER : (change > 0) == (a->better > 0) ? BETTER : WORSE;
    return 1;
}

static void print_row(const struct row *r, const char *format) {
    const double ma = bench_median(r->a->value, r->a->n), mb = bench_median(r->b->value, r->b->n);
    if (*format == 'j') {
        struct npi_outfile o;
        if (npi_out_open(&o, "-", NULL, NULL) < 0) return;
        npi_out_str(&o, "{\"run\":");
        npi_out_json_str(&o, r->run);
        npi_out_str(&o, ",\"metric\":");
        npi_out_json_str(&o, r->a->name);
        const struct { const char *key; double v; } f[] = { { ",\"a\":", ma }, { ",\"b\":", mb }, { ",\"ratio\":", r->ratio.mid }, { ",\"ratio_low\":", r->ratio.low },
                                                            { ",\"ratio_high\":", r->ratio.high }, { ",\"p\":", r->p } };
        for (size_t i = 0; i < sizeof f / sizeof *f; i++) {
            npi_out_str(&o, f[i].key);
            npi_out_fixed(&o, f[i].v, 4, "null");
        }
        npi_out_str(&o, ",\"verdict\":");
        npi_out_json_str(&o, r->verdict == WORSE ? "worse" : verdict_name[r->verdict]);
        npi_out_str(&o, "}\n");
        npi_out_close(&o, NULL);
    } else if (*format == 'm')
        printf("| %s | %s | %.4g | %.4g | %s | %.3f | %.3f–%.3f | %.3f | %s |\n", r->run, r->a->name, ma, mb, r->a->unit, r->ratio.mid, r->ratio.low, r->ratio.high, r->p,
               verdict_name[r->verdict]);
    else
        printf("%-34.34s %-18.18s %10.4g %10.4g %-9.9s %7.3fx  %.3f..%.3f  p %.3f  %s\n", r->run, r->a->name, ma, mb, r->a->unit, r->ratio.mid, r->ratio.low, r->ratio.high,
               r->p, verdict_name[r->verdict]);
}

/* What makes the ratio say something else than "the code got faster". */
static void print_heads(const struct bench_result *a, const struct bench_result *b, FILE *f) {
    const struct bench_result *const r[2] = { a, b };
    for (int i = 0; i < 2; i++)
        fprintf(f, "%c: %s %s, %s, %s (%d processors, %s)%s%s\n", "AB"[i], r[i]->subject, r[i]->version, r[i]->date, r[i]->cpu, r[i]->cores, r[i]->isa,
                *r[i]->input_name ? ", input " : "", r[i]->input_name);
    if (strcmp(a->cpu, b->cpu) || a->cores != b->cores || strcmp(a->isa, b->isa)) fprintf(f, "note: the machines differ; ratios compare machines too\n");
    if (strcmp(a->input_name, b->input_name)) fprintf(f, "note: the inputs differ\n");
}

static int compare(const struct bench_result *a, const struct bench_result *b, const struct opts *o) {
    const char *const format = opt_str(o, "format"), *const only = opt_str(o, "metric");
    int n_rows = 0, n_verdict[5] = { 0 }, n_common = 0, n_other_settings = 0;
    print_heads(a, b, *format == 't' ? stdout : stderr);
    if (*format == 'm')
        printf("| run | metric | A | B | unit | B/A | 95 %% | p | |\n|---|---|---|---|---|---|---|---|---|\n");
    else if (*format == 't') printf("\n%-34s %-18s %10s %10s %-9s %8s\n", "run", "metric", "A", "B", "unit", "B/A");
    for (int i = 0; i < a->n_runs; i++) {
        const struct bench_run *const ra = &a->run[i], *const rb = bench_result_find(b, ra->name);
        if (!rb) continue;
        n_common++;
        n_other_settings += strcmp(ra->settings, rb->settings) != 0;
        for (int k = 0; k < ra->n_metrics; k++) {
            struct row r = { .run = ra->name, .a = &ra->metric[k], .b = bench_run_find(rb, ra->metric[k].name) };
            if (!r.b || (only ? !bench_in_list(only, r.a->name) : !r.a->better)) continue;
            if (!judge(&r, opt_float(o, "threshold") / 100, opt_float(o, "alpha"))) continue;
            n_rows++;
            n_verdict[r.verdict]++;
            if (r.verdict != SAME || opt_bool(o, "all") || only) print_row(&r, format);
        }
    }
    if (!n_rows) {
        tool_say("the two files have %s in common: A has '%.60s', B has '%.60s'", n_common ? "no metric" : "no run", a->n_runs ? a->run[0].name : "nothing",
                 b->n_runs ? b->run[0].name : "nothing");
        return EXIT_USAGE;
    }
    FILE *const f = *format == 't' ? stdout : stderr;
    fprintf(f, "\n%d comparisons: %d better, %d worse, %d same within %g %% or chance, %d with too few values to tell%s\n", n_rows, n_verdict[BETTER], n_verdict[WORSE],
            n_verdict[SAME], opt_float(o, "threshold"), n_verdict[TOO_FEW], n_verdict[OTHER] ? ", others differ" : "");
    if (n_other_settings) fprintf(f, "note: %d runs of one name had other settings\n", n_other_settings);
    return n_verdict[WORSE] ? EXIT_RUNTIME : EXIT_OK;
}

int bench_compare(int argc, char **argv) {
    struct opts o;
    struct np_error e = { 0 };
    struct bench_result a, b = { 0 };
    int code = EXIT_USAGE;
    opts_init(&o, compare_opts, "bench compare");
    if (opts_parse(&o, argc, argv, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (o.help) {
        printf("usage: nextpose bench compare A.json B.json [OPTIONS]\n\nRatios B / A with significance; exit code 1 when something got worse.\n");
        opts_print_help(&o, stdout);
        code = EXIT_OK;
    } else if (o.n_rest != 2) tool_say("usage: nextpose bench compare A.json B.json [OPTIONS]");
    else if (bench_result_load(&a, o.rest[0], &e) < 0) code = tool_fail(EXIT_INPUT, &e);
    else {
        code = bench_result_load(&b, o.rest[1], &e) < 0 ? tool_fail(EXIT_INPUT, &e) : compare(&a, &b, &o);
        bench_result_free(&a);
        bench_result_free(&b);
    }
    opts_free(&o);
    return code;
}
