/* SPDX-License-Identifier: Apache-2.0 */
/* See result.h. */
#define _GNU_SOURCE
#include "result.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#ifdef NPI_HAVE_JANSSON
#include <jansson.h>
#endif

#include "io/outfile.h"
#include "tools/tool.h"

#define SCHEMA "nextpose-bench-1"
enum { MAX_RUNS = 4096, MAX_METRICS = 256, MAX_FILE_BYTES = 64 << 20 };

void bench_result_here(struct bench_result *r, const char *subject, const char *category) {
    memset(r, 0, sizeof *r);
    const char *isa = "scalar";
    for (int i = 0; np_isa_level(i); i++) isa = np_isa_level(i);
    snprintf(r->subject, sizeof r->subject, "%s", subject);
    snprintf(r->version, sizeof r->version, "%s", np_version());
    snprintf(r->cpu, sizeof r->cpu, "%s", tool_cpu_name());
    snprintf(r->isa, sizeof r->isa, "%s", isa);
    snprintf(r->category, sizeof r->category, "%s", category ? category : "");
    r->cores = np_cpu_count();
    struct utsname u;
    if (uname(&u) == 0) snprintf(r->os, sizeof r->os, "%.30s %.60s", u.sysname, u.release);
    const time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(r->date, sizeof r->date, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void bench_result_free(struct bench_result *r) {
    for (int i = 0; i < r->n_runs; i++) {
        for (int k = 0; k < r->run[i].n_metrics; k++) free(r->run[i].metric[k].value);
        free(r->run[i].metric);
        free(r->run[i].settings);
    }
    free(r->run);
    free(r->input);
    memset(r, 0, sizeof *r);
}

int bench_result_add_run(struct bench_result *r, const char *name, const char *settings_json) {
    struct bench_run *const more = realloc(r->run, sizeof *more * (size_t)(r->n_runs + 1));
    if (!more) return NP_ENOMEM;
    r->run = more;
    struct bench_run *const run = &r->run[r->n_runs];
    memset(run, 0, sizeof *run);
    snprintf(run->name, sizeof run->name, "%s", name);
    if (!(run->settings = strdup(settings_json ? settings_json : "{}"))) return NP_ENOMEM;
    r->n_runs++;
    return 0;
}

const struct bench_metric *bench_run_find(const struct bench_run *r, const char *metric) {
    for (int i = 0; i < r->n_metrics; i++)
        if (!strcmp(r->metric[i].name, metric)) return &r->metric[i];
    return NULL;
}

const struct bench_run *bench_result_find(const struct bench_result *r, const char *run) {
    for (int i = 0; i < r->n_runs; i++)
        if (!strcmp(r->run[i].name, run)) return &r->run[i];
    return NULL;
}

static int add_value(struct bench_run *run, const char *name, const char *unit, int better, double value) {
    struct bench_metric *m = (struct bench_metric *)(uintptr_t)bench_run_find(run, name);
    if (!m) {
        struct bench_metric *const more = realloc(run->metric, sizeof *more * (size_t)(run->n_metrics + 1));
        if (!more) return NP_ENOMEM;
        run->metric = more;
        m = &run->metric[run->n_metrics++];
        memset(m, 0, sizeof *m);
        snprintf(m->name, sizeof m->name, "%s", name);
        snprintf(m->unit, sizeof m->unit, "%s", unit);
        m->better = better;
    }
    if (!isfinite(value) || m->n == BENCH_MAX_SAMPLES) return 0;
    double *const more = realloc(m->value, sizeof *more * (size_t)(m->n + 1));
    if (!more) return NP_ENOMEM;
    m->value = more;
    m->value[m->n++] = value;
    return 0;
}

int bench_result_add(struct bench_result *r, const char *metric, const char *unit, int better, double value) {
    return add_value(&r->run[r->n_runs - 1], metric, unit, better, value);
}

#ifdef NPI_HAVE_JANSSON
static void text(const json_t *o, const char *key, char *to, size_t size) {
    const char *const s = json_string_value(json_object_get(o, key));
    snprintf(to, size, "%s", s ? s : "");
}

static int read_metric(struct bench_run *run, const char *name, const json_t *m, const char *path, struct np_error *err) {
    const json_t *const values = json_object_get(m, "values"), *v;
    char unit[24], better[16];
    size_t i;
    text(m, "unit", unit, sizeof unit);
    text(m, "better", better, sizeof better);
    if (!json_is_array(values) || json_array_size(values) > BENCH_MAX_SAMPLES)
        return npi_io_fail(err, NP_EFORMAT, "%s: run '%.60s', metric '%.40s': no list of at most %d values", path, run->name, name, BENCH_MAX_SAMPLES);
    if (strcmp(better, "higher") && strcmp(better, "lower") && strcmp(better, "neither"))
        return npi_io_fail(err, NP_EFORMAT, "%s: run '%.60s', metric '%.40s': better must be higher, lower or neither", path, run->name, name);
    json_array_foreach(values, i, v) {
        if (!json_is_number(v)) return npi_io_fail(err, NP_EFORMAT, "%s: run '%.60s', metric '%.40s': value %d is no number", path, run->name, name, (int)i);
        if (add_value(run, name, unit, *better == 'h' ? 1 : *better == 'l' ? -1 : 0, json_number_value(v)) < 0) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    }
    return 0;
}

static int read_run(struct bench_result *r, const json_t *run, const char *path, struct np_error *err) {
    const char *const name = json_string_value(json_object_get(run, "name"));
    json_t *const metrics = json_object_get(run, "metrics"), *const settings = json_object_get(run, "settings"), *m;
    const char *key;
    if (!name || !*name || !json_is_object(metrics) || json_object_size(metrics) > MAX_METRICS)
        return npi_io_fail(err, NP_EFORMAT, "%s: run %d has no name or no metrics", path, r->n_runs);
    if (bench_result_find(r, name)) return npi_io_fail(err, NP_EFORMAT, "%s: two runs are called '%.60s'", path, name);
    char *const kept = json_is_object(settings) ? json_dumps(settings, JSON_COMPACT) : strdup("{}");
    int e = kept ? bench_result_add_run(r, name, kept) : NP_ENOMEM;
    free(kept);
    if (e < 0) return npi_io_fail(err, e, "out of memory");
    json_object_foreach(metrics, key, m)
        if ((e = read_metric(&r->run[r->n_runs - 1], key, m, path, err)) < 0) return e;
    return 0;
}

static int read_all(struct bench_result *r, const json_t *top, const char *path, struct np_error *err) {
    char schema[32];
    text(top, "schema", schema, sizeof schema);
    if (strcmp(schema, SCHEMA)) return npi_io_fail(err, NP_EFORMAT, "%s is no result of 'nextpose bench' (schema '%s', not " SCHEMA ")", path, schema);
    const json_t *const runs = json_object_get(top, "runs"), *const machine = json_object_get(top, "machine"), *run;
    json_t *const input = json_object_get(top, "input");
    size_t i;
    if (!json_is_array(runs) || json_array_size(runs) > MAX_RUNS) return npi_io_fail(err, NP_EFORMAT, "%s: no list of at most %d runs", path, MAX_RUNS);
    text(top, "subject", r->subject, sizeof r->subject);
    text(top, "version", r->version, sizeof r->version);
    text(top, "date", r->date, sizeof r->date);
    text(machine, "cpu", r->cpu, sizeof r->cpu);
    text(machine, "isa", r->isa, sizeof r->isa);
    text(machine, "category", r->category, sizeof r->category);
    text(machine, "os", r->os, sizeof r->os);
    r->cores = (int)json_integer_value(json_object_get(machine, "cores"));
    text(input, "name", r->input_name, sizeof r->input_name);
    if (!(r->input = json_is_object(input) ? json_dumps(input, JSON_COMPACT) : strdup("{}"))) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    json_array_foreach(runs, i, run) {
        const int e = read_run(r, run, path, err);
        if (e < 0) return e;
    }
    return 0;
}

int bench_result_parse(struct bench_result *r, const char *data, size_t size, const char *path, struct np_error *err) {
    json_error_t je;
    memset(r, 0, sizeof *r);
    json_t *const top = json_loadb(data, size, JSON_REJECT_DUPLICATES, &je);
    if (!top) return npi_io_fail(err, NP_EFORMAT, "%s: line %d: %.120s", path, je.line, je.text);
    const int e = read_all(r, top, path, err);
    json_decref(top);
    if (e < 0) bench_result_free(r);
    return e;
}
#else
int bench_result_parse(struct bench_result *r, const char *data, size_t size, const char *path, struct np_error *err) {
    memset(r, 0, sizeof *r);
    return npi_io_fail(err, NP_EUNSUPPORTED, "%s: this build reads no JSON (jansson was missing)", path);
}
#endif

int bench_result_load(struct bench_result *r, const char *path, struct np_error *err) {
    void *data = NULL;
    size_t size = 0;
    memset(r, 0, sizeof *r);
    int e = npi_io_read_file(&data, &size, path, MAX_FILE_BYTES, err);
    if (e == 0) e = bench_result_parse(r, data, size, path, err);
    free(data);
    return e;
}

int bench_can_write(const char *path, struct np_error *err) {
    char beside[4096];
    if (!path || !strcmp(path, "-")) return 0;
    snprintf(beside, sizeof beside, "%.4090s.part", path);
    FILE *const f = fopen(beside, "wb");
    if (!f) return npi_io_fail(err, NP_EIO, "cannot write '%s': %s", path, strerror(errno));
    fclose(f);
    unlink(beside);
    return 0;
}

static void put(struct npi_outfile *o, const char *before, const char *value) {
    npi_out_str(o, before);
    npi_out_json_str(o, value);
}

static void put_run(struct npi_outfile *o, const struct bench_run *run) {
    put(o, "{\"name\": ", run->name);
    npi_out_str(o, ", \"settings\": ");
    npi_out_str(o, run->settings);
    npi_out_str(o, ",\n     \"metrics\": {");
    for (int i = 0; i < run->n_metrics; i++) {
        const struct bench_metric *const m = &run->metric[i];
        put(o, i ? ",\n       " : "\n       ", m->name);
        put(o, ": {\"unit\": ", m->unit);
        put(o, ", \"better\": ", m->better > 0 ? "higher" : m->better < 0 ? "lower" : "neither");
        npi_out_str(o, ", \"values\": [");
        for (int k = 0; k < m->n; k++) {
            if (k) npi_out_str(o, ", ");
            npi_out_fixed(o, m->value[k], 4, "null");
        }
        npi_out_str(o, "]}");
    }
    npi_out_str(o, "}}");
}

int bench_result_save(const struct bench_result *r, const char *path, struct np_error *err) {
    struct npi_outfile o;
    char beside[4096];
    const int std = !strcmp(path, "-");
    if (!std && snprintf(beside, sizeof beside, "%s.part", path) >= (int)sizeof beside) return npi_io_fail(err, NP_EINVAL, "the name of the result file is too long");
    int e = npi_out_open(&o, std ? "-" : beside, NULL, err);
    if (e < 0) return e;
    put(&o, "{\"schema\": ", SCHEMA);
    put(&o, ", \"subject\": ", r->subject);
    put(&o, ", \"version\": ", r->version);
    put(&o, ", \"date\": ", r->date);
    put(&o, ",\n \"machine\": {\"cpu\": ", r->cpu);
    npi_out_str(&o, ", \"cores\": ");
    npi_out_int(&o, r->cores);
    put(&o, ", \"isa\": ", r->isa);
    put(&o, ", \"category\": ", r->category);
    put(&o, ", \"os\": ", r->os);
    npi_out_str(&o, "},\n \"input\": ");
    npi_out_str(&o, r->input ? r->input : "{}");
    npi_out_str(&o, ",\n \"runs\": [");
    for (int i = 0; i < r->n_runs; i++) {
        npi_out_str(&o, i ? ",\n    " : "\n    ");
        put_run(&o, &r->run[i]);
    }
    npi_out_str(&o, "]}\n");
    e = npi_out_close(&o, err);
    if (!std && e == 0 && rename(beside, path) < 0) e = npi_io_fail(err, NP_EIO, "cannot write '%s'", path);
    if (!std && e < 0) unlink(beside);
    return e;
}
