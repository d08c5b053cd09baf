/* SPDX-License-Identifier: Apache-2.0 */
/* See log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void npi_log(const struct np_logger *l, int level, const char *fmt, ...) {
    if (!l || !l->log) return;
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    l->log(l->opaque, level, line);
}
