/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest plug-in: a "runtime" for models that are one line of text, y = scale * x + shift over a tensor of a given shape:
 *
 *   nextpose-example 1; shape 1 4 4 3; scale 2; shift 0.5
 *
 * docs/how-to-add-a-backend.md goes through it piece by piece. tests/backend loads it. It needs nothing but the public headers. */
#include <nextpose/backend.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "nextpose-example 1;"
#define MAX_ELEMENTS (1 << 24)

struct np_backend_net {
    int rank;
    int64_t dims[NP_MAX_RANK], n;
    float scale, shift;
};

static int fail(struct np_error *err, int code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    if (err) {
        err->code = code;
        vsnprintf(err->message, sizeof err->message, fmt, ap);
    }
    va_end(ap);
    return code;
}

/* No foreign library: always there. */
static int score(const struct np_backend_params *p, struct np_backend_info *out, struct np_error *why) {
    (void)p;
    (void)why;
    snprintf(out->version, sizeof out->version, "1.0");
    snprintf(out->devices, sizeof out->devices, "cpu");
    return 1;
}

static int supports(const struct np_backend_params *p, struct np_error *why) {
    const size_t n = strlen(MAGIC);
    if (p->model_size >= n && !memcmp(p->model, MAGIC, n)) return 0;
    return fail(why, NP_EUNSUPPORTED, "%s: does not begin with '%s'", p->model_path, MAGIC);
}

/* A model is the world: nothing in it is believed. */
static int parse(struct np_backend_net *n, const struct np_backend_params *p, struct np_error *err) {
    char text[256], *save = NULL;
    const size_t len = p->model_size < sizeof text - 1 ? p->model_size : sizeof text - 1;
    memcpy(text, p->model, len);
    text[len] = 0;
    n->n = 1;
    for (char *word = strtok_r(text + strlen(MAGIC), " ;\n", &save); word; word = strtok_r(NULL, " ;\n", &save)) {
        if (!strcmp(word, "shape")) {
            while (n->rank < NP_MAX_RANK && save[strspn(save, " ")] >= '0' && save[strspn(save, " ")] <= '9')
                n->dims[n->rank++] = strtol(strtok_r(NULL, " ;\n", &save), NULL, 10);
        } else {
            const char *const value = strtok_r(NULL, " ;\n", &save);
            float *const to = !strcmp(word, "scale") ? &n->scale : !strcmp(word, "shift") ? &n->shift : NULL;
            if (!to || !value) return fail(err, NP_EFORMAT, "%s: '%s' is none of shape, scale, shift", p->model_path, word);
            *to = strtof(value, NULL);
        }
    }
    if (p->rank && p->rank != n->rank) return fail(err, NP_ESHAPE, "%s: has rank %d, %d was asked for", p->model_path, n->rank, p->rank);
    for (int i = 0; i < n->rank; i++) {
        if (p->rank && p->dims[i] > 0) n->dims[i] = p->dims[i];
        if (n->dims[i] < 1 || n->dims[i] > MAX_ELEMENTS / n->n) return fail(err, NP_EFORMAT, "%s: a dimension is out of range", p->model_path);
        n->n *= n->dims[i];
    }
    return isfinite(n->scale) && isfinite(n->shift) ? 0 : fail(err, NP_EFORMAT, "%s: a number is not finite", p->model_path);
}

static int open_net(struct np_backend_net **out, const struct np_backend_params *p, struct np_error *err) {
    /* Never another device than the one that was asked for: the host falls back, and says so. */
    if (p->device && strcmp(p->device, "cpu") && strcmp(p->device, "auto")) return fail(err, NP_EBACKEND, "example: has no device '%s', only cpu",
                                                                                        p->device);
    if (p->n_options) return fail(err, NP_EINVAL, "example: has no option '%s'", p->options[0].key);
    int r = supports(p, err);
    if (r < 0) return r;
    struct np_backend_net *n = calloc(1, sizeof *n);
    if (!n) return fail(err, NP_ENOMEM, "out of memory");
    n->scale = 1;
    if ((r = parse(n, p, err)) < 0) {
        free(n);
        return r;
    }
    *out = n;
    return 0;
}

static int tensor(const struct np_backend_net *n, int output, int i, struct np_tensor_info *out) {
    if (i) return NP_EEND;
    *out = (struct np_tensor_info){ .name = output ? "y" : "x", .dtype = NP_F32, .rank = n->rank, .bytes = (size_t)n->n * sizeof(float) };
    memcpy(out->dims, n->dims, sizeof out->dims);
    return 0;
}

static int run(struct np_backend_net *n, const void *const *in, void *const *out, struct np_error *err) {
    const float *const x = in[0];
    float *const y = out[0];
    (void)err;
    for (int64_t i = 0; i < n->n; i++) y[i] = n->scale * x[i] + n->shift;
    return 0;
}

static void close_net(struct np_backend_net *n) { free(n); }

static const struct np_backend example = {
    .abi = NP_BACKEND_ABI,
    .size = sizeof example,
    .name = "example",
    .title = "the example of docs/how-to-add-a-backend.md",
    .formats = "example",
    .capabilities = NP_BACKEND_BATCH | NP_BACKEND_RESHAPE,
    .score = score,
    .supports = supports,
    .open = open_net,
    .tensor = tensor,
    .run = run,
    .close = close_net,
};

const struct np_backend *np_backend_entry(void) { return &example; }
