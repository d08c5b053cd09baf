/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose bench peak: what this machine can do at most, so that a percentage of it means something. One row a precision and level, one column a
 * thread count; what the machine lacks is named and not measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "io/outfile.h"

static const struct opt_def peak_opts[] = {
    { "threads", 't', OPT_STRING, NULL, 0, 0, NULL, "N,…", "thread counts (default: 1 and all processors of this process)", "Options" },
    { "duration", 0, OPT_FLOAT, ".1", .005, 60, NULL, "S", "seconds a figure", NULL },
    { "json", 0, OPT_BOOL, NULL, 0, 0, NULL, NULL, "one JSON object a line instead of the table", NULL },
    { NULL, 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
enum { MAX_COUNTS = 8 };

/* "1,2,4" into counts; how many, NP_EINVAL. */
static int read_counts(int *counts, const char *text, struct np_error *err) {
    int n = 0;
    if (!text) {
        const int all = np_cpu_count();
        counts[n++] = 1;
        if (all > 1) counts[n++] = all < 64 ? all : 64;
        return n;
    }
    for (const char *p = text;;) {
        char *end;
        const long k = strtol(p, &end, 10);
        if (end == p || (*end && *end != ',') || k < 1 || k > 64) return npi_io_fail(err, NP_EINVAL, "--threads: '%s' is not a list of counts from 1 to 64", text);
        if (n == MAX_COUNTS) return npi_io_fail(err, NP_EINVAL, "--threads: more than %d counts", MAX_COUNTS);
        counts[n++] = (int)k;
        if (!*end) return n;
        p = end + 1;
    }
}

static void print_json(const struct np_peak *p, const int *counts, const double *value, int n) {
    struct npi_outfile o;
    if (npi_out_open(&o, "-", NULL, NULL) < 0) return;
    const struct { const char *key, *text; } words[] = { { "{\"what\":", p->memory ? "memory" : "arithmetic" }, { p->memory ? ",\"level\":" : ",\"precision\":", p->precision },
                                                         { ",\"isa\":", p->isa }, { ",\"how\":", p->how }, { ",\"unit\":", p->unit }, { ",\"cpu\":", tool_cpu_name() } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        npi_out_str(&o, words[i].key);
        npi_out_json_str(&o, words[i].text);
    }
    if (*p->skipped) {
        npi_out_str(&o, ",\"skipped\":");
        npi_out_json_str(&o, p->skipped);
    }
    npi_out_str(&o, ",\"threads\":{");
    for (int k = 0; !*p->skipped && k < n; k++) {
        char key[16];
        snprintf(key, sizeof key, "%s\"%d\":", k ? "," : "", counts[k]);
        npi_out_str(&o, key);
        npi_out_fixed(&o, value[k], 2, "null");
    }
    npi_out_str(&o, "}}\n");
    npi_out_close(&o, NULL);
}

static void print_text(const struct np_peak *p, const double *value, int n) {
    printf("%-7s %-12s %-34s", p->precision, p->memory ? "" : p->isa, p->how);
    if (*p->skipped) printf(" skipped: %s\n", p->skipped);
    else {
        for (int k = 0; k < n; k++) printf(" %10.1f", value[k]);
        printf("  %s\n", p->unit);
    }
}

static int run_peak(const struct opts *o) {
    struct np_error e = { 0 };
    int counts[MAX_COUNTS], r = 0;
    const int n = read_counts(counts, opt_str(o, "threads"), &e), json = opt_bool(o, "json");
    if (n < 0) return tool_fail(EXIT_USAGE, &e);
    if (!json) {
        printf("%s, %d processors for this process; best of 5 windows, dense random numbers\n\n%-7s %-12s %-34s", tool_cpu_name(), np_cpu_count(), "what", "level", "how");
        for (int k = 0; k < n; k++) printf("  %3d thr.%s", counts[k], "");
        printf("\n");
    }
    for (int i = 0; r == 0; i++) {
        struct np_peak p;
        double value[MAX_COUNTS];
        for (int k = 0; k < n && r == 0; k++) {
            r = np_peak_measure(&p, i, counts[k], opt_float(o, "duration"), &e);
            value[k] = r == 0 ? p.value : 0;
        }
        if (r < 0) break;
        if (json) print_json(&p, counts, value, n);
        else print_text(&p, value, n);
        fflush(stdout);
    }
    return r == NP_EEND ? EXIT_OK : tool_fail(tool_exit_code(r), &e);
}

int bench_peak(int argc, char **argv) {
    struct opts o;
    struct np_error e = { 0 };
    int code = EXIT_USAGE;
    opts_init(&o, peak_opts, "bench peak");
    if (opts_parse(&o, argc, argv, &e) < 0) code = tool_fail(EXIT_USAGE, &e);
    else if (o.help) {
        printf("usage: nextpose bench peak [OPTIONS]\n\nWhat this machine can do at most. Nothing else should run meanwhile.\n");
        opts_print_help(&o, stdout);
        code = EXIT_OK;
    } else if (o.n_rest) tool_say("usage: nextpose bench peak [OPTIONS]");
    else code = run_peak(&o);
    opts_free(&o);
    return code;
}
