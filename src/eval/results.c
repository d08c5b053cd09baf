/* SPDX-License-Identifier: Apache-2.0 */
/* COCO's results file: [ { "image_id", "category_id", "keypoints", "bbox", "score" }, … ] in and out, and the JSON helpers.
 *
 * Two keys of our own, which other readers pass over: "label_id", the label whose box was given, and "box_score", the detector's
 * score where "score" is that of the pose. */
#include "eval/eval.h"
#include "eval/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_JSON_BYTES ((size_t)1 << 30)

struct npi_eval_pred *npi_eval_new_pred(struct np_eval *e, int image) {
    if (e->n_preds == e->cap_preds) {
        const int want = e->cap_preds ? e->cap_preds * 2 : 1024;
        struct npi_eval_pred *p = npi_arena_array(&e->pred_mem, struct npi_eval_pred, want);
        if (!p) return NULL;
        if (e->n_preds) memcpy(p, e->pred, sizeof *p * (size_t)e->n_preds);
        e->pred = p;
        e->cap_preds = want;
    }
    struct npi_eval_pred *p = &e->pred[e->n_preds++];
    *p = (struct npi_eval_pred){ .image = image, .label_id = -1 };
    return p;
}

#ifdef NPI_HAVE_JANSSON
int npi_eval_bad(const struct npi_eval_reader *r, const char *what) { return npi_fail(r->err, NP_EFORMAT, "%s: %s[%zu]: %s", r->where, r->list, r->i, what); }

int npi_eval_load_json(json_t **out, const char *text, size_t size, const char *where, struct np_error *err) {
    json_error_t je;
    if (size > MAX_JSON_BYTES) return npi_fail(err, NP_ELIMIT, "%s: larger than %zu MiB", where, MAX_JSON_BYTES >> 20);
    if (!(*out = size ? json_loadb(text, size, 0, &je) : NULL)) return npi_fail(err, NP_EFORMAT, "%s: not JSON: %s (line %d)", where, size ? je.text : "empty", size ? je.line : 1);
    return 0;
}

int npi_eval_get_int(const struct npi_eval_reader *r, const json_t *o, const char *key, int64_t *out, int must) {
    char what[96];
    const json_t *v = json_object_get(o, key);
    const double d = json_number_value(v);
    if (!v && !must) return 0;
    if (json_is_integer(v)) *out = json_integer_value(v);
    else if (json_is_boolean(v)) *out = json_is_true(v);
    else if (json_is_real(v) && d == floor(d) && fabs(d) < 1e15) *out = (int64_t)d; /* Python writes 7.0 where numpy had a float */
    else {
        snprintf(what, sizeof what, "\"%s\" %s", key, v ? "must be a whole number" : "is missing");
        return npi_eval_bad(r, what);
    }
    return 0;
}

static int is_fine(double v) { return fabs(v) <= 1e9; } /* also no NaN */

int npi_eval_get_number(const struct npi_eval_reader *r, const json_t *o, const char *key, double *out, int *found) {
    char what[96];
    const json_t *v = json_object_get(o, key);
    if (found) *found = v != NULL;
    if (!v && found) return 0;
    if (!json_is_number(v) || !is_fine(json_number_value(v))) {
        snprintf(what, sizeof what, "\"%s\" must be a number", key);
        return npi_eval_bad(r, what);
    }
    *out = json_number_value(v);
    return 0;
}

int npi_eval_get_numbers(const struct npi_eval_reader *r, const json_t *o, const char *key, double *out, size_t n, int *found) {
    char what[96];
    const json_t *v = json_object_get(o, key);
    int ok = json_is_array(v) && json_array_size(v) == n;
    if (found) *found = v != NULL && !(json_is_array(v) && json_array_size(v) == 0);
    if (found && !*found) return 0;
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *x = json_array_get(v, i);
        ok = json_is_number(x) && is_fine(json_number_value(x));
        if (ok) out[i] = json_number_value(x);
    }
    if (ok) return 0;
    snprintf(what, sizeof what, "\"%s\" must be %zu numbers", key, n);
    return npi_eval_bad(r, what);
}

/* COCO's loader takes the area from the box where there is one, else from the joints' extent. */
static void area_of(struct npi_eval_pred *p, int n_joints) {
    if (!p->has_box && p->kpt) {
        double x0 = p->kpt[0], x1 = x0, y0 = p->kpt[1], y1 = y0;
        for (int i = 1; i < n_joints; i++) {
            x0 = fmin(x0, p->kpt[3 * i]);
            x1 = fmax(x1, p->kpt[3 * i]);
            y0 = fmin(y0, p->kpt[3 * i + 1]);
            y1 = fmax(y1, p->kpt[3 * i + 1]);
        }
        p->box[0] = x0;
        p->box[1] = y0;
        p->box[2] = x1 - x0;
        p->box[3] = y1 - y0;
    }
    p->area = p->box[2] * p->box[3];
}

static int read_pred(struct np_eval *e, const json_t *o, const struct npi_eval_reader *r) {
    int64_t image, category, label = -1;
    int q = npi_eval_get_int(r, o, "image_id", &image, 1), has_box_score;
    if (q < 0 || (q = npi_eval_get_int(r, o, "category_id", &category, 1)) < 0 || (q = npi_eval_get_int(r, o, "label_id", &label, 0)) < 0) return q;
    if (category != e->category) return 0;
    const int i = npi_eval_find_image(e, image);
    if (i < 0) return npi_fail(r->err, NP_EFORMAT, "%s: [%zu]: \"image_id\" %lld is not among the labels' images: are these results of other pictures?", r->where, r->i, (long long)image);
    struct npi_eval_pred *p = npi_eval_new_pred(e, i);
    if (!p) return NP_ENOMEM;
    p->label_id = label;
    if ((q = npi_eval_get_numbers(r, o, "bbox", p->box, 4, &p->has_box)) < 0) return q;
    if ((q = npi_eval_get_number(r, o, "score", &p->score, NULL)) < 0 || (q = npi_eval_get_number(r, o, "box_score", &p->box_score, &has_box_score)) < 0) return q;
    if (!has_box_score) p->box_score = p->score;
    if (json_object_get(o, "keypoints") && e->n_joints) {
        double *kpt = npi_arena_array(&e->pred_mem, double, 3 * e->n_joints);
        if (!kpt) return NP_ENOMEM;
        if ((q = npi_eval_get_numbers(r, o, "keypoints", kpt, 3 * (size_t)e->n_joints, NULL)) < 0) return q;
        p->kpt = kpt;
    }
    if (!p->kpt && !p->has_box) return npi_eval_bad(r, "has neither \"keypoints\" nor \"bbox\"");
    area_of(p, e->n_joints);
    return 0;
}

static int too_many(const struct np_eval *e, const char *where, struct np_error *err) {
    struct npi_arena mem;
    npi_arena_init(&mem, 0);
    int *n = npi_arena_array(&mem, int, e->n_images + 1), r = n ? 0 : NP_ENOMEM;
    for (int i = 0; n && i < e->n_preds && r == 0; i++)
        if (++n[e->pred[i].image] > NPI_EVAL_MOST) r = npi_fail(err, NP_ELIMIT, "%s: more than %d predictions on one picture", where, NPI_EVAL_MOST);
    npi_arena_free(&mem);
    return r;
}

int npi_eval_parse_results(struct np_eval *e, const char *json, size_t size, const char *where, struct np_error *err) {
    struct npi_eval_reader r = { .where = where, .list = "", .err = err };
    json_t *root = NULL;
    const int before = e->n_preds;
    int q = npi_eval_load_json(&root, json, size, where, err);
    if (q < 0) return q;
    if (!json_is_array(root)) q = npi_fail(err, NP_EFORMAT, "%s: no COCO results: it must be a list of predictions", where);
    else if (json_array_size(root) > 1 << 24) q = npi_fail(err, NP_ELIMIT, "%s: more than %d predictions", where, 1 << 24);
    for (r.i = 0; q == 0 && r.i < json_array_size(root); r.i++) q = read_pred(e, json_array_get(root, r.i), &r);
    if (q == 0) q = too_many(e, where, err);
    if (q < 0) e->n_preds = before;
    json_decref(root);
    return q == NP_ENOMEM ? npi_fail(err, q, "%s: out of memory", where) : q;
}
#else
int npi_eval_parse_results(struct np_eval *e, const char *json, size_t size, const char *where, struct np_error *err) {
    return npi_fail(err, NP_EUNSUPPORTED, "%s: this build cannot read JSON results (made without jansson)", where);
}
#endif

/* Digits enough that the same double is read again, a point whatever the locale. */
static void put_number(FILE *f, double v) {
    char s[40];
    snprintf(s, sizeof s, "%.9g", v);
    if (strtod(s, NULL) != v) snprintf(s, sizeof s, "%.17g", v);
    for (char *p = s; *p; p++)
        if (*p == ',') *p = '.';
    fputs(s, f);
}

static void put_numbers(FILE *f, const double *v, int n) {
    fputc('[', f);
    for (int i = 0; i < n; i++) {
        if (i) fputc(',', f);
        put_number(f, v[i]);
    }
    fputc(']', f);
}

static void put_pred(FILE *f, const struct np_eval *e, const struct npi_eval_pred *p) {
    fprintf(f, "{\"image_id\":%lld,\"category_id\":%lld", (long long)e->image[p->image].id, (long long)e->category);
    if (p->kpt) {
        fputs(",\"keypoints\":", f);
        put_numbers(f, p->kpt, 3 * e->n_joints);
    }
    if (p->has_box) {
        fputs(",\"bbox\":", f);
        put_numbers(f, p->box, 4);
    }
    fputs(",\"score\":", f);
    put_number(f, p->score);
    if (p->box_score != p->score) {
        fputs(",\"box_score\":", f);
        put_number(f, p->box_score);
    }
    if (p->label_id >= 0) fprintf(f, ",\"label_id\":%lld", (long long)p->label_id);
    fputc('}', f);
}

int np_eval_save(const struct np_eval *e, const char *path, struct np_error *err) {
    char tmp[4096];
    if (!e || !path) return npi_fail(err, NP_EINVAL, "np_eval_save: NULL argument");
    if ((size_t)snprintf(tmp, sizeof tmp, "%s.%ld.part", path, (long)getpid()) >= sizeof tmp) return npi_fail(err, NP_EINVAL, "%.200s…: the name is too long", path);
    FILE *const f = fopen(tmp, "w");
    if (!f) return npi_fail(err, NP_EIO, "cannot write '%s': %s", path, strerror(errno));
    fputs("[", f);
    for (int i = 0; i < e->n_preds; i++) {
        fputs(i ? ",\n" : "\n", f);
        put_pred(f, e, &e->pred[i]);
    }
    fputs("\n]\n", f);
    const int bad = ferror(f), closed = fclose(f);
    if (bad || closed || rename(tmp, path)) {
        const int why = errno;
        unlink(tmp);
        return npi_fail(err, NP_EIO, "writing '%s' failed: %s", path, strerror(why));
    }
    return 0;
}
