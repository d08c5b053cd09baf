/* SPDX-License-Identifier: Apache-2.0 */
/* What plug-ins of ours share: errors in one line, whatever the foreign library puts into its own, and what is looked at before shapes are settled. The
 * example does without this header, so that it can be copied by itself. */
#ifndef NEXTPOSE_PLUGIN_COMMON_H
#define NEXTPOSE_PLUGIN_COMMON_H
#include <nextpose/backend.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Returns code. */
static inline int fail(struct np_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static inline int fail(struct np_error *err, int code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    if (err) {
        err->code = code;
        vsnprintf(err->message, sizeof err->message, fmt, ap);
        for (char *s = err->message; *s; s++)
            if (*s == '\n' || *s == '\r') *s = ' ';
    }
    va_end(ap);
    return code;
}

/* The bytes of a tensor whose dims are all known. */
static inline size_t bytes_of(const struct np_tensor_info *t) {
    static const unsigned char size[NP_DTYPE_COUNT] = { 4, 2, 8, 1, 1, 2, 2, 4, 4, 8, 8, 1, 2 };
    size_t n = size[t->dtype];
    for (int i = 0; i < t->rank; i++) n *= (size_t)t->dims[i];
    return n;
}

/* 1: the shape that was asked for is that of in[i]. */
static inline int is_asked(const struct np_backend_params *p, const struct np_tensor_info *in, int i) {
    return p->rank > 0 && (p->input_name ? !strcmp(p->input_name, in[i].name) : i == 0);
}

/* Before shapes are settled: is there an input of the name that was asked for, and is its rank the one that was asked for? */
static inline int check_asked(const struct np_backend_params *p, const struct np_tensor_info *in, int n, struct np_error *err) {
    int named = !p->input_name;
    for (int i = 0; i < n; i++) {
        named |= !named && !strcmp(p->input_name, in[i].name);
        if (is_asked(p, in, i) && p->rank != in[i].rank)
            return fail(err, NP_ESHAPE, "%s: '%s' has rank %d, %d was asked for", p->model_path, in[i].name, in[i].rank, p->rank);
    }
    return named ? 0 : fail(err, NP_EINVAL, "%s: has no input '%s'", p->model_path, p->input_name);
}
#endif
