/* SPDX-License-Identifier: Apache-2.0 */
#include "convert_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"

#ifdef NPI_HAVE_INIH
#include <ini.h>

struct reading { struct convert_config *c; const char *path; struct np_error *err; int r; };

static int bad(struct reading *rd, const char *section, const char *key, const char *value, const char *want) {
    rd->r = npi_io_fail(rd->err, NP_EINVAL, "%s: [%s] %s = %s: %s", rd->path, section, key, value, want);
    return 0;
}

static int is(const char *a, const char *b) { /* hyphens and underscores are the same */
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_'))) return 0;
    return !*a && !*b;
}

static int keep(struct reading *rd, char *out, size_t size, const char *key, const char *value, const char *const *choices, const char *want) {
    for (int i = 0; choices[i]; i++)
        if (!strcmp(choices[i], value)) {
            snprintf(out, size, "%s", value);
            return 1;
        }
    return bad(rd, "convert", key, value, want);
}

static int yes_no(const char *v) { return !strcmp(v, "yes") || !strcmp(v, "on") || !strcmp(v, "true") || !strcmp(v, "1") ? 1 : !strcmp(v, "no") || !strcmp(v, "off") || !strcmp(v, "false") || !strcmp(v, "0") ? 0 : -1; }

static int layer_key(struct reading *rd, struct convert_layer *l, const char *section, const char *key, const char *value) {
    if (is(key, "precision")) {
        l->precision = !strcmp(value, "float") ? NP_PRECISION_FLOAT : !strcmp(value, "fp16") ? NP_PRECISION_FP16 : !strcmp(value, "int8") ? NP_PRECISION_INT8 : -1;
        return l->precision < 0 ? bad(rd, section, key, value, "must be float, fp16 or int8") : 1;
    }
    if (is(key, "per-channel")) {
        const int y = yes_no(value);
        l->per_tensor = !y;
        return y < 0 ? bad(rd, section, key, value, "must be yes or no") : 1;
    }
    if (is(key, "range")) {
        char *end;
        l->lo = strtof(value, &end);
        if (end == value || *end != ':') return bad(rd, section, key, value, "must be LOW:HIGH");
        const char *second = end + 1;
        l->hi = strtof(second, &end);
        if (end == second || *end || !isfinite(l->lo) || !isfinite(l->hi) || !(l->lo < l->hi)) return bad(rd, section, key, value, "must be LOW:HIGH, the first the smaller");
        return l->has_range = 1;
    }
    return bad(rd, section, key, value, "no such key; there are precision, per-channel and range");
}

static int on_key(void *opaque, const char *section, const char *key, const char *value) {
    static const char *const strategies[] = { "auto", "fp32", "fp16", "dynamic", "int8", NULL }, *const formats[] = { "onnx", "tflite", NULL }, *const layouts[] = { "auto", "native", "keep", NULL };
    struct reading *rd = opaque;
    struct convert_config *c = rd->c;
    if (rd->r < 0) return 0;
    if (!strcmp(section, "convert")) {
        if (is(key, "strategy")) return keep(rd, c->strategy, sizeof c->strategy, key, value, strategies, "must be auto, fp32, fp16, dynamic or int8");
        if (is(key, "format")) return keep(rd, c->format, sizeof c->format, key, value, formats, "must be onnx or tflite");
        if (is(key, "io-layout")) return keep(rd, c->io_layout, sizeof c->io_layout, key, value, layouts, "must be auto, native or keep");
        return bad(rd, section, key, value, "no such key; there are strategy, format and io-layout");
    }
    if (strncmp(section, "layer ", 6) || !section[6]) return bad(rd, section, key, value, "no such section; there are [convert] and [layer NAME]");
    const char *pattern = section + 6 + strspn(section + 6, " ");
    struct convert_layer *l = c->n_layers ? &c->layer[c->n_layers - 1] : NULL;
    if (!l || strcmp(l->pattern, pattern)) {
        if (c->n_layers == CONVERT_RULES) return bad(rd, section, key, value, "more than 64 layer sections");
        if (strlen(pattern) >= sizeof l->pattern) return bad(rd, section, key, value, "the name is too long");
        l = &c->layer[c->n_layers++];
        *l = (struct convert_layer){ .precision = NP_PRECISION_DEFAULT };
        snprintf(l->pattern, sizeof l->pattern, "%s", pattern);
    }
    return layer_key(rd, l, section, key, value);
}

int convert_config_string(struct convert_config *c, const char *text, const char *path, struct np_error *err) {
    struct reading rd = { c, path, err, 0 };
    const int line = ini_parse_string(text, on_key, &rd);
    if (rd.r < 0) return rd.r;
    return line ? npi_io_fail(err, NP_EINVAL, "%s: line %d is neither '[section]' nor 'key = value'", path, line) : 0;
}
#else
int convert_config_string(struct convert_config *c, const char *text, const char *path, struct np_error *err) {
    return npi_io_fail(err, NP_EUNSUPPORTED, "%s: this build has no config files (inih was missing)", path);
}
#endif

int convert_config_read(struct convert_config *c, const char *path, struct np_error *err) {
    char *text = NULL;
    int r = npi_io_read_text(&text, path, 1 << 20, err);
    if (r >= 0) r = convert_config_string(c, text, path, err);
    free(text);
    return r;
}
