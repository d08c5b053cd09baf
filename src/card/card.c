/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing cards as JSON. One table says which keys there are, of what type and in which range; the reader, the
 * writer and the messages follow it. */
#include "card/card.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mmap.h"

#define MAX_JSON_BYTES (64u << 10)

void npi_card_default(struct npi_card *c) {
    *c = (struct npi_card){ .root = -2, .bbox_thr = .3f, .nms_thr = .5f, .kpt_thr = .3f,
                            .in = { .scale = 1.f / 255, .std = { 1, 1, 1 }, .pad = 114, .crop_factor = 1.25f } };
}

enum kind { STR, NAMES, HASHES, ENUM, INT, BOOL, F32, F32X3 };
struct field {
    const char *section, *key; /* section "": top level */
    enum kind kind;
    size_t offset, size;       /* size: of a STR buffer; for NAMES and HASHES the offset of the count */
    double lo, hi;
    const char *const *names;  /* ENUM: NULL-terminated */
};

static const char *const task_names[] = { "detect", "pose", "pose_multi", NULL };
static const char *const bf16_names[] = { "unknown", "yes", "no", NULL };
static const char *const layout_names[] = { "auto", "nhwc", "nchw", NULL };
static const char *const colour_names[] = { "rgb", "bgr", NULL };
static const char *const fit_names[] = { "letterbox_center", "letterbox_topleft", "stretch", NULL };

#define AT(m) offsetof(struct npi_card, m)
#define STRING(sec, key, m) { sec, key, STR, AT(m), sizeof((struct npi_card *)0)->m, 0, 0, NULL }
static const struct field fields[] = {
    STRING("", "id", id), STRING("", "name", name), STRING("", "licence", licence), STRING("", "source", source), STRING("", "note", note),
    { "", "sha256", HASHES, AT(sha256), AT(n_sha256), 0, 3, NULL },
    { "", "files", NAMES, AT(files), AT(n_files), 0, 4, NULL },
    { "", "task", ENUM, AT(task), 0, 0, 0, task_names },
    { "", "bf16", ENUM, AT(bf16), 0, 0, 0, bf16_names },
    STRING("", "keypoint_set", keypoint_set),
    { "", "root", INT, AT(root), 0, -2, NP_MAX_KEYPOINTS - 1, NULL },
    { "", "depth_range_mm", F32, AT(depth_range_mm), 0, 0, 100000, NULL },
    { "input", "layout", ENUM, AT(in.layout), 0, 0, 0, layout_names },
    { "input", "colour", ENUM, AT(in.colour), 0, 0, 0, colour_names },
    { "input", "fit", ENUM, AT(in.fit), 0, 0, 0, fit_names },
    { "input", "width", INT, AT(in.width), 0, 0, 4096, NULL },
    { "input", "height", INT, AT(in.height), 0, 0, 4096, NULL },
    { "input", "raw", BOOL, AT(in.raw), 0, 0, 1, NULL },
    { "input", "scale", F32, AT(in.scale), 0, 1e-6, 1e6, NULL },
    { "input", "mean", F32X3, AT(in.mean), 0, -1e6, 1e6, NULL },
    { "input", "std", F32X3, AT(in.std), 0, 1e-6, 1e6, NULL },
    { "input", "pad", F32, AT(in.pad), 0, 0, 255, NULL },
    { "input", "crop_factor", F32, AT(in.crop_factor), 0, .5, 4, NULL },
    STRING("decoder", "name", dec.name),
    { "decoder", "class_index", INT, AT(dec.class_index), 0, 0, 65535, NULL },
    { "decoder", "sigmoid", BOOL, AT(dec.sigmoid), 0, 0, 1, NULL },
    { "decoder", "depth_bins", INT, AT(dec.depth_bins), 0, 0, 1024, NULL },
    { "decoder", "split", F32, AT(dec.split), 0, 0, 64, NULL },
    { "decoder", "refine_thr", F32, AT(dec.refine_thr), 0, 0, 1, NULL },
    { "decoder", "conf_gain", F32, AT(dec.conf_gain), 0, 0, 100, NULL },
    { "decoder", "conf_bias", F32, AT(dec.conf_bias), 0, -100, 100, NULL },
    { "thresholds", "bbox", F32, AT(bbox_thr), 0, 0, 1, NULL },
    { "thresholds", "nms", F32, AT(nms_thr), 0, 0, 1, NULL },
    { "thresholds", "kpt", F32, AT(kpt_thr), 0, 0, 1, NULL },
};
#define N_FIELDS (sizeof fields / sizeof *fields)
static const char *const sections[] = { "", "input", "decoder", "thresholds" };
#define N_SECTIONS 4

/* --- writing --- */

struct text { char *p; size_t size, n; };

static void NPI_PRINTF(2, 3) put(struct text *t, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(t->n < t->size ? t->p + t->n : NULL, t->n < t->size ? t->size - t->n : 0, fmt, ap);
    va_end(ap);
    if (n > 0) t->n += (size_t)n;
}

static void put_string(struct text *t, const char *s) {
    put(t, "\"");
    for (; *s; s++) put(t, (unsigned char)*s < 32 ? "?" : *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    put(t, "\"");
}

static int int_at(const struct npi_card *c, size_t offset) { int v; memcpy(&v, (const char *)c + offset, sizeof v); return v; }
static float f32_at(const struct npi_card *c, size_t offset) { float v; memcpy(&v, (const char *)c + offset, sizeof v); return v; }

/* The shortest digits that read back as the same float; a point whatever the locale. */
static void put_f32(struct text *t, float v) {
    char s[32];
    if (fabsf(v) < 1e6f && v == (float)(int)v) {
        put(t, "%d", (int)v);
        return;
    }
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, (double)v);
        if (strtof(s, NULL) == v) break;
    }
    for (char *p = s; *p; p++)
        if (*p == ',') *p = '.';
    put(t, "%s", s);
}

static void put_value(struct text *t, const struct npi_card *c, const struct field *f) {
    const char *p = (const char *)c + f->offset;
    const size_t each = f->kind == HASHES ? sizeof c->sha256[0] : sizeof c->files[0];
    switch (f->kind) {
    case STR: put_string(t, p); break;
    case NAMES: case HASHES:
        put(t, "[");
        for (int i = 0; i < int_at(c, f->size); i++) {
            put(t, i ? ", " : "");
            put_string(t, p + (size_t)i * each);
        }
        put(t, "]");
        break;
    case ENUM: put_string(t, f->names[int_at(c, f->offset)]); break;
    case INT: put(t, "%d", int_at(c, f->offset)); break;
    case BOOL: put(t, int_at(c, f->offset) ? "true" : "false"); break;
    case F32: put_f32(t, f32_at(c, f->offset)); break;
    case F32X3:
        for (size_t i = 0; i < 3; i++) {
            put(t, i ? ", " : "[");
            put_f32(t, f32_at(c, f->offset + i * sizeof(float)));
        }
        put(t, "]");
        break;
    }
}

size_t npi_card_write(const struct npi_card *c, char *buf, size_t size) {
    struct text t = { buf, size, 0 };
    if (size) buf[0] = 0;
    put(&t, "{\n");
    for (int s = 0; s < N_SECTIONS; s++) {
        const char *indent = s ? "    " : "  ";
        if (s) put(&t, ",\n  \"%s\": {\n", sections[s]);
        int first = 1;
        for (size_t i = 0; i < N_FIELDS; i++) {
            if (strcmp(fields[i].section, sections[s])) continue;
            put(&t, "%s%s\"%s\": ", first ? "" : ",\n", indent, fields[i].key);
            put_value(&t, c, &fields[i]);
            first = 0;
        }
        if (s) put(&t, "\n  }");
    }
    put(&t, "\n}\n");
    return t.n;
}

/* --- reading --- */

#ifdef NPI_HAVE_JANSSON
#include <jansson.h>

struct reader { struct npi_card *c; const char *where; struct np_error *err; };

static int bad(const struct reader *r, const struct field *f, const char *what) {
    return npi_fail(r->err, NP_EMODEL, "%s: \"%s%s%s\" %s", r->where, f->section, *f->section ? "." : "", f->key, what);
}

static int read_string(const struct reader *r, const struct field *f, const json_t *v, char *out, size_t size) {
    if (!json_is_string(v)) return bad(r, f, "must be a string");
    const char *s = json_string_value(v);
    const size_t n = json_string_length(v);
    if (n >= size) return bad(r, f, "is too long");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 32) return bad(r, f, "holds a control character");
    memset(out, 0, size);
    memcpy(out, s, n);
    return 0;
}

static int read_hash(const struct reader *r, const struct field *f, const json_t *v, char *out) {
    const int e = read_string(r, f, v, out, 65);
    if (e < 0) return e;
    if (strlen(out) != 64 || strspn(out, "0123456789abcdef") != 64) return bad(r, f, "must be 64 lower-case hex digits");
    return 0;
}

/* An array of strings, or one string. */
static int read_list(const struct reader *r, const struct field *f, const json_t *v) {
    char *out = (char *)r->c + f->offset;
    const size_t each = f->kind == HASHES ? sizeof r->c->sha256[0] : sizeof r->c->files[0];
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n > (size_t)f->hi) return bad(r, f, "has too many entries");
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(v) ? json_array_get(v, i) : v;
        const int e = f->kind == HASHES ? read_hash(r, f, item, out + i * each) : read_string(r, f, item, out + i * each, each);
        if (e < 0) return e;
    }
    const int count = (int)n;
    memcpy((char *)r->c + f->size, &count, sizeof count);
    return 0;
}

static int read_enum(const struct reader *r, const struct field *f, const json_t *v, int *out) {
    char what[128] = "must be one of";
    for (int i = 0; f->names[i]; i++) {
        if (json_is_string(v) && !strcmp(f->names[i], json_string_value(v))) { *out = i; return 0; }
        const size_t n = strlen(what);
        snprintf(what + n, sizeof what - n, "%s %s", i ? "," : "", f->names[i]);
    }
    return bad(r, f, what);
}

static int read_number(const struct reader *r, const struct field *f, const json_t *v, float *out) {
    char what[96];
    if (!json_is_number(v)) return bad(r, f, "must be a number");
    const double x = json_number_value(v);
    if (!(x >= f->lo && x <= f->hi)) {
        snprintf(what, sizeof what, "is out of range %g to %g", f->lo, f->hi);
        return bad(r, f, what);
    }
    *out = (float)x;
    return 0;
}

static int read_field(const struct reader *r, const struct field *f, const json_t *v) {
    char *p = (char *)r->c + f->offset;
    float x[3];
    int k = 0, e;
    switch (f->kind) {
    case STR: return read_string(r, f, v, p, f->size);
    case NAMES: case HASHES: return read_list(r, f, v);
    case ENUM:
        if ((e = read_enum(r, f, v, &k)) < 0) return e;
        break;
    case INT:
        if (!json_is_integer(v)) return bad(r, f, "must be a whole number");
        if ((e = read_number(r, f, v, x)) < 0) return e;
        k = (int)json_integer_value(v);
        break;
    case BOOL:
        if (!json_is_boolean(v)) return bad(r, f, "must be true or false");
        k = json_is_true(v);
        break;
    case F32:
        if ((e = read_number(r, f, v, x)) < 0) return e;
        memcpy(p, x, sizeof *x);
        return 0;
    case F32X3:
        if (!json_is_array(v) || json_array_size(v) != 3) return bad(r, f, "must be three numbers");
        for (size_t i = 0; i < 3; i++)
            if ((e = read_number(r, f, json_array_get(v, i), x + i)) < 0) return e;
        memcpy(p, x, sizeof x);
        return 0;
    }
    memcpy(p, &k, sizeof k);
    return 0;
}

static int read_object(const struct reader *r, json_t *o, int section) {
    const char *key;
    json_t *v;
    json_object_foreach(o, key, v) {
        const struct field *f = NULL;
        for (size_t i = 0; i < N_FIELDS && !f; i++)
            if (!strcmp(fields[i].section, sections[section]) && !strcmp(fields[i].key, key)) f = &fields[i];
        int e = 0, sub = 0;
        if (f) e = read_field(r, f, v);
        else {
            for (int s = 1; s < N_SECTIONS && section == 0; s++)
                if (!strcmp(sections[s], key)) sub = s;
            if (!sub) return npi_fail(r->err, NP_EMODEL, "%s: unknown key \"%s%s%.64s\"", r->where, sections[section], section ? "." : "", key);
            if (!json_is_object(v)) return npi_fail(r->err, NP_EMODEL, "%s: \"%s\" must be an object", r->where, sections[sub]);
            e = read_object(r, v, sub);
        }
        if (e < 0) return e;
    }
    return 0;
}

/* What no single key can tell. */
static int check_card(const struct npi_card *c, const char *where, struct np_error *err) {
    if (!c->id[0]) return npi_fail(err, NP_EMODEL, "%s: \"id\" is missing", where);
    for (const char *p = c->id; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *p))
            return npi_fail(err, NP_EMODEL, "%s: \"id\" may hold letters, digits, '.', '_' and '-' only", where);
    if (!c->dec.name[0]) return npi_fail(err, NP_EMODEL, "%s: \"decoder.name\" is missing", where);
    const struct np_keypoint_set *set = c->keypoint_set[0] ? npi_keypoint_set_find(c->keypoint_set) : NULL;
    if (c->keypoint_set[0] && !set) return npi_fail(err, NP_EMODEL, "%s: \"keypoint_set\" \"%s\" is not known", where, c->keypoint_set);
    if (c->task != NPI_TASK_DETECT && !set) return npi_fail(err, NP_EMODEL, "%s: \"keypoint_set\" is missing, a pose net needs one", where);
    if (set && c->root >= set->n) return npi_fail(err, NP_EMODEL, "%s: \"root\" %d is not a joint of %s", where, c->root, set->name);
    for (int i = 0; i < c->n_files; i++)
        if (!c->files[i][0] || strchr(c->files[i], '/')) return npi_fail(err, NP_EMODEL, "%s: \"files\" holds plain file names, no folders", where);
    return 0;
}

int npi_card_parse(struct npi_card *out, const char *json, size_t size, const char *where, struct np_error *err) {
    if (size > MAX_JSON_BYTES) return npi_fail(err, NP_ELIMIT, "%s: a card may have %u bytes, this has %zu", where, MAX_JSON_BYTES, size);
    json_error_t je;
    json_t *root = size ? json_loadb(json, size, JSON_REJECT_DUPLICATES, &je) : NULL;
    if (!root) return npi_fail(err, NP_EFORMAT, "%s: not JSON: %s", where, size ? je.text : "empty");
    struct npi_card c;
    npi_card_default(&c);
    const struct reader r = { &c, where, err };
    int e = json_is_object(root) ? read_object(&r, root, 0) : npi_fail(err, NP_EFORMAT, "%s: a card must be a JSON object", where);
    if (e == 0) e = check_card(&c, where, err);
    if (e == 0) *out = c;
    json_decref(root);
    return e;
}
#else
int npi_card_parse(struct npi_card *out, const char *json, size_t size, const char *where, struct np_error *err) {
    return npi_fail(err, NP_EUNSUPPORTED, "%s: this build cannot read JSON cards (made without jansson)", where);
}
#endif

int npi_card_load(struct npi_card *out, const char *path, struct np_error *err) {
    struct npi_file f;
    int r = npi_file_map(&f, path, err);
    if (r < 0) return r;
    r = npi_card_parse(out, f.data, f.size, path, err);
    npi_file_unmap(&f);
    return r;
}
