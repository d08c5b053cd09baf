/* SPDX-License-Identifier: Apache-2.0 */
/* Names and texts of the error list, and the one place where error lines are formatted. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *np_error_name(int code) {
    switch (code) {
#define CASE(name, value, text) case value: return #name;
        NP_ERROR_LIST(CASE)
#undef CASE
    default: return "NP_E?";
    }
}

const char *np_error_text(int code) {
    switch (code) {
#define CASE(name, value, text) case value: return text;
        NP_ERROR_LIST(CASE)
#undef CASE
    default: return "unknown error";
    }
}

static void one_line(char *s) {
    for (; *s; s++)
        if (*s == '\n' || *s == '\r') *s = ' ';
}

int npi_fail(struct np_error *err, int code, const char *fmt, ...) {
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(err->message, sizeof err->message, fmt, ap);
        va_end(ap);
        one_line(err->message);
        err->code = code;
    }
    return code;
}

int npi_fail_prefix(struct np_error *err, int code, const char *fmt, ...) {
    if (!err) return code;
    char head[256], tail[sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    memcpy(tail, err->message, sizeof tail);
    const size_t n = strlen(head);
    snprintf(err->message, sizeof err->message, "%s: %.*s", head, (int)(sizeof err->message - n - 3), tail);
    one_line(err->message);
    return err->code ? err->code : code;
}
