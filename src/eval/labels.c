/* SPDX-License-Identifier: Apache-2.0 */
/* COCO's label file: { "images": [...], "annotations": [...], "categories": [...] } -> flat arrays. The file is from outside: every
 * field is checked, and a message says which entry of which list is wrong. */
#include "eval/eval.h"
#include "eval/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#ifdef NPI_HAVE_JANSSON
#include "card/card.h"

/* The category to judge: "person", or the only one there is. */
static int choose_category(struct np_eval *e, const json_t *list, const struct npi_eval_reader *r, const json_t **out) {
    *out = NULL;
    const size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++) {
        const json_t *c = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(c, "name"));
        if (!*out && (n == 1 || (name && !strcasecmp(name, "person")))) *out = c;
    }
    if (!*out) return npi_fail(r->err, NP_EFORMAT, "%s: none of the %zu categories is called \"person\"", r->where, n);
    const json_t *id = json_object_get(*out, "id");
    if (!json_is_integer(id)) return npi_fail(r->err, NP_EFORMAT, "%s: the category has no whole number \"id\"", r->where);
    e->category = json_integer_value(id);
    return 0;
}

/* Are these the joints of a set that we know? Names decide; without names their number. */
static const struct np_keypoint_set *find_set(const json_t *names) {
    const struct np_keypoint_set *s;
    for (int i = 0; (s = npi_keypoint_set_at(i)); i++) {
        int same = json_array_size(names) == (size_t)s->n;
        for (int k = 0; k < s->n && same; k++) {
            const char *name = json_string_value(json_array_get(names, (size_t)k));
            same = name && !strcasecmp(name, s->names[k]);
        }
        if (same) return s;
    }
    return NULL;
}

static int choose_set(struct np_eval *e, const json_t *category, const json_t *annotations, const struct npi_eval_reader *r) {
    const json_t *names = json_object_get(category, "keypoints");
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(annotations) && !n; i++) n = json_array_size(json_object_get(json_array_get(annotations, i), "keypoints")) / 3;
    if (!n) return 0; /* boxes only */
    e->set = json_is_array(names) ? find_set(names) : n == 17 ? npi_keypoint_set_find("coco17") : NULL;
    if (!e->set) return npi_fail(r->err, NP_EUNSUPPORTED, "%s: its %zu joints are no set that we know; the category's \"keypoints\" must name those of one (coco17, halpe26 …), in order", r->where, n);
    e->n_joints = e->set->n;
    return 0;
}

static int by_id(const void *a, const void *b) {
    const struct np_eval_image *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

int npi_eval_find_image(const struct np_eval *e, int64_t id) {
    const struct np_eval_image key = { .id = id }, *hit = e->n_images ? bsearch(&key, e->image, (size_t)e->n_images, sizeof key, by_id) : NULL;
    return hit ? (int)(hit - e->image) : -1;
}

/* A name below the folder of pictures: labels must not make us open other files. */
static int safe_name(const char *s) {
    if (!*s || *s == '/') return 0;
    for (const char *p = s; *p; p++) {
        if ((unsigned char)*p < 32) return 0;
        if ((p == s || p[-1] == '/') && p[0] == '.' && p[1] == '.' && (!p[2] || p[2] == '/')) return 0;
    }
    return 1;
}

static int read_images(struct np_eval *e, const json_t *list, struct npi_eval_reader *r) {
    r->list = "images";
    if (!(e->image = npi_arena_array(&e->mem, struct np_eval_image, json_array_size(list) + 1))) return NP_ENOMEM;
    for (r->i = 0; r->i < json_array_size(list); r->i++) {
        const json_t *o = json_array_get(list, r->i);
        struct np_eval_image *im = &e->image[e->n_images];
        int64_t side[2] = { 0, 0 };
        int q = npi_eval_get_int(r, o, "id", &im->id, 1);
        if (q < 0 || (q = npi_eval_get_int(r, o, "width", &side[0], 0)) < 0 || (q = npi_eval_get_int(r, o, "height", &side[1], 0)) < 0) return q;
        const char *name = json_string_value(json_object_get(o, "file_name"));
        if (!name || !safe_name(name)) return npi_eval_bad(r, "\"file_name\" must be the name of a file below the folder of pictures");
        if (side[0] < 0 || side[0] > 1 << 20 || side[1] < 0 || side[1] > 1 << 20) return npi_eval_bad(r, "the size is out of range");
        im->width = (int)side[0];
        im->height = (int)side[1];
        if (!(im->file = npi_arena_strndup(&e->mem, name, strlen(name)))) return NP_ENOMEM;
        e->n_images++;
    }
    if (!e->n_images) return npi_fail(r->err, NP_EFORMAT, "%s: there are no images in it", r->where);
    qsort(e->image, (size_t)e->n_images, sizeof *e->image, by_id);
    for (int i = 1; i < e->n_images; i++)
        if (e->image[i].id == e->image[i - 1].id) return npi_fail(r->err, NP_EFORMAT, "%s: two images have the id %lld", r->where, (long long)e->image[i].id);
    return 0;
}

static int read_label(struct np_eval *e, const json_t *o, struct npi_eval_label *l, struct npi_eval_reader *r) {
    int64_t crowd = 0, visible = -1;
    int has_box, has_area;
    int q = npi_eval_get_int(r, o, "id", &l->id, 0);
    if (q < 0 || (q = npi_eval_get_int(r, o, "iscrowd", &crowd, 0)) < 0 || (q = npi_eval_get_int(r, o, "num_keypoints", &visible, 0)) < 0) return q;
    if ((q = npi_eval_get_numbers(r, o, "bbox", l->box, 4, &has_box)) < 0 || (q = npi_eval_get_number(r, o, "area", &l->area, &has_area)) < 0) return q;
    l->crowd = crowd != 0;
    const json_t *k = json_object_get(o, "keypoints");
    if (k && e->n_joints) {
        double *kpt = npi_arena_array(&e->mem, double, 3 * e->n_joints);
        if (!kpt) return NP_ENOMEM;
        if ((q = npi_eval_get_numbers(r, o, "keypoints", kpt, 3 * (size_t)e->n_joints, NULL)) < 0) return q;
        l->kpt = kpt;
        for (int i = 0; i < e->n_joints; i++) l->n_visible += kpt[3 * i + 2] > 0;
    }
    if (visible >= 0) l->n_visible = visible > 0;
    if (!has_box && l->n_visible) return npi_eval_bad(r, "\"bbox\" is missing");
    if (l->box[2] < 0 || l->box[3] < 0) return npi_eval_bad(r, "\"bbox\" has a negative size");
    if (!has_area) l->area = l->box[2] * l->box[3];
    return l->area < 0 ? npi_eval_bad(r, "\"area\" is negative") : 0;
}

/* By picture, in each in the order of the file. */
static int group(struct np_eval *e, const struct npi_eval_reader *r) {
    struct npi_eval_label *sorted = npi_arena_array(&e->mem, struct npi_eval_label, e->n_labels + 1);
    int *first = npi_arena_array(&e->mem, int, e->n_images + 2);
    if (!sorted || !first) return NP_ENOMEM;
    for (int i = 0; i < e->n_labels; i++) first[e->label[i].image + 2]++;
    for (int i = 1; i <= e->n_images + 1; i++) {
        if (first[i] > NPI_EVAL_MOST) return npi_fail(r->err, NP_ELIMIT, "%s: more than %d labels on one picture", r->where, NPI_EVAL_MOST);
        first[i] += first[i - 1];
    }
    for (int i = 0; i < e->n_labels; i++) sorted[first[e->label[i].image + 1]++] = e->label[i];
    e->label = sorted;
    e->first_label = first;
    return 0;
}

static int read_labels(struct np_eval *e, const json_t *list, struct npi_eval_reader *r) {
    r->list = "annotations";
    if (!(e->label = npi_arena_array(&e->mem, struct npi_eval_label, json_array_size(list) + 1))) return NP_ENOMEM;
    for (r->i = 0; r->i < json_array_size(list); r->i++) {
        const json_t *o = json_array_get(list, r->i);
        int64_t image, category;
        int q = npi_eval_get_int(r, o, "image_id", &image, 1);
        if (q < 0 || (q = npi_eval_get_int(r, o, "category_id", &category, 1)) < 0) return q;
        if (category != e->category) continue;
        struct npi_eval_label *l = &e->label[e->n_labels];
        *l = (struct npi_eval_label){ .image = npi_eval_find_image(e, image), .id = (int64_t)r->i };
        if (l->image < 0) {
            e->n_orphans++;
            continue;
        }
        if ((q = read_label(e, o, l, r)) < 0) return q;
        e->n_people += !l->crowd && l->n_visible && l->kpt;
        e->n_labels++;
    }
    return group(e, r);
}

int npi_eval_parse_labels(struct np_eval *e, const char *json, size_t size, const char *where, struct np_error *err) {
    struct npi_eval_reader r = { .where = where, .err = err };
    json_t *root = NULL;
    const json_t *category;
    int q = npi_eval_load_json(&root, json, size, where, err);
    if (q < 0) return q;
    const json_t *images = json_object_get(root, "images"), *labels = json_object_get(root, "annotations"), *cats = json_object_get(root, "categories");
    if (!json_is_array(images) || !json_is_array(labels) || !json_is_array(cats))
        q = npi_fail(err, NP_EFORMAT, "%s: no COCO labels: it must be an object with the lists \"images\", \"annotations\" and \"categories\"", where);
    else if (json_array_size(images) > 1 << 24 || json_array_size(labels) > 1 << 24) q = npi_fail(err, NP_ELIMIT, "%s: more than %d entries", where, 1 << 24);
    else if ((q = choose_category(e, cats, &r, &category)) == 0 && (q = choose_set(e, category, labels, &r)) == 0 && (q = read_images(e, images, &r)) == 0)
        q = read_labels(e, labels, &r);
    json_decref(root);
    return q == NP_ENOMEM ? npi_fail(err, q, "%s: out of memory", where) : q;
}
#else
int npi_eval_find_image(const struct np_eval *e, int64_t id) { return -1; }
int npi_eval_parse_labels(struct np_eval *e, const char *json, size_t size, const char *where, struct np_error *err) {
    return npi_fail(err, NP_EUNSUPPORTED, "%s: this build cannot read JSON labels (made without jansson)", where);
}
#endif
