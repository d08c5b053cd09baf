/* SPDX-License-Identifier: Apache-2.0 */
/* See case.h. */
#include "case.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nextpose/engine.h"

char *case_file(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *p = NULL;
    size_t n = 0, cap = 0, got;
    do {
        if (n + 4096 + 64 > cap) {
            char *q = realloc(p, cap = cap * 2 + 65536);
            if (!q) break;
            p = q;
        }
        got = fread(p + n, 1, cap - n - 64, f);
        n += got;
    } while (got);
    fclose(f);
    if (p) memset(p + n, 0, 64);
    if (bytes) *bytes = n;
    return p;
}

static int count_meta(struct case_data *c, char *msg, size_t size) {
    char path[4200];
    snprintf(path, sizeof path, "%smeta.json", c->stem);
    json_error_t e;
    json_t *j = json_load_file(path, 0, &e);
    if (!j) {
        snprintf(msg, size, "meta.json: %s", e.text);
        return -1;
    }
    c->n_in = (int)json_array_size(json_object_get(j, "inputs"));
    c->n_out = (int)json_array_size(json_object_get(j, "outputs"));
    json_decref(j);
    return 0;
}

static const char *const csv_types[] = { "int8", "int16", "int32", "int64", "float32" };
static const int csv_dtypes[] = { NP_I8, NP_I16, NP_I32, NP_I64, NP_F32 };
enum { N_CSV = 5 };

static char *csv_file(const struct case_data *c, const char *what, int *dtype) {
    char path[4200];
    for (int i = 0; i < N_CSV; i++) {
        snprintf(path, sizeof path, "%s_%s_%s.csv", c->stem, what, csv_types[i]);
        char *text = case_file(path, NULL);
        if (text) {
            *dtype = csv_dtypes[i];
            return text;
        }
    }
    return NULL;
}

int case_load(struct case_data *c, const char *path, char *msg, size_t size) {
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    c->csv = strcmp(base, "model.tflite") != 0;
    snprintf(c->stem, sizeof c->stem, "%.*s", (int)(c->csv ? strlen(path) - 7 : (size_t)(base - path)), path);
    if (!(c->model = case_file(path, &c->model_bytes))) {
        snprintf(msg, size, "cannot be read");
        return -1;
    }
    if (!c->csv) return count_meta(c, msg, size);
    c->n_out = 1;
    for (c->n_in = 0; c->n_in < CASE_MAX_IO; c->n_in++) {
        char what[32];
        int dtype;
        snprintf(what, sizeof what, "input%d", c->n_in);
        char *text = csv_file(c, what, &dtype);
        if (!text) break;
        free(text);
    }
    return 0;
}

/* Numbers between commas into `bytes` of dtype. */
static void *parse_csv(const char *text, int dtype, size_t bytes, size_t *count) {
    char *out = calloc(1, bytes + 64);
    const size_t elem = np_dtype_size(dtype), max = bytes / elem;
    size_t n = 0;
    for (const char *s = text; out && *s;) {
        char *end;
        const float f = strtof(s, &end);
        const long long i = strtoll(s, NULL, 10);
        if (end == s) {
            s++;
            continue;
        }
        /* little-endian: the low bytes of an integer come first */
        if (n < max) memcpy(out + n * elem, dtype == NP_F32 ? (const void *)&f : (const void *)&i, elem);
        n++;
        s = end;
    }
    *count = n;
    return out;
}

static void *load(struct case_data *c, const char *csv_what, const char *bin_what, int k, int dtype, size_t bytes, void **slot, char *msg, size_t size) {
    size_t got = 0;
    if (*slot) return *slot;
    if (c->csv) {
        int stored = -1;
        char *text = csv_file(c, csv_what, &stored);
        if (text && stored == dtype) *slot = parse_csv(text, dtype, bytes, &got);
        free(text);
        got *= np_dtype_size(dtype);
    } else {
        char path[4200];
        snprintf(path, sizeof path, "%s%s_%d.bin", c->stem, bin_what, k);
        *slot = case_file(path, &got);
    }
    if (!*slot || got != bytes) {
        snprintf(msg, size, "%s %d: %zu bytes of golden data, the graph has %zu of %s", bin_what, k, got, bytes, np_dtype_name(dtype));
        return NULL;
    }
    return *slot;
}

void *case_input(struct case_data *c, int k, int dtype, size_t bytes, char *msg, size_t size) {
    char what[32];
    snprintf(what, sizeof what, "input%d", k);
    return k < CASE_MAX_IO ? load(c, what, "input", k, dtype, bytes, &c->in[k], msg, size) : NULL;
}

void *case_output(struct case_data *c, int k, int dtype, size_t bytes, char *msg, size_t size) {
    return k < CASE_MAX_IO ? load(c, "golden", "output_ref", k, dtype, bytes, &c->out[k], msg, size) : NULL;
}

void case_free(struct case_data *c) {
    free(c->model);
    for (int i = 0; i < CASE_MAX_IO; i++) {
        free(c->in[i]);
        free(c->out[i]);
    }
}
