/* SPDX-License-Identifier: Apache-2.0 */
/* What every plug-in of ours says its errors with: one line, whatever the foreign library puts into its own. The example does without this header, so
 * that it can be copied by itself. */
#ifndef NEXTPOSE_PLUGIN_COMMON_H
#define NEXTPOSE_PLUGIN_COMMON_H
#include <nextpose/backend.h>

#include <stdarg.h>
#include <stdio.h>

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
#endif
