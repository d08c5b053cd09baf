/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers of io/ that do not depend on FFmpeg. */
#define _GNU_SOURCE
#include "io.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* File names come from outside: a newline in one must not make two lines of a message, nor an escape colour the terminal. */
static void one_line(char *s) {
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) *s = ' ';
    }
}

int npi_io_fail(struct np_error *err, int code, const char *fmt, ...) {
    if (!err) return code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    one_line(err->message);
    err->code = code;
    return code;
}

void npi_io_log(const struct np_logger *l, int level, const char *fmt, ...) {
    char line[512];
    if (!l || !l->log) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    one_line(line);
    l->log(l->opaque, level, line);
}

int64_t npi_io_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

const char *npi_io_basename(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void npi_io_stem(char *out, size_t size, const char *path) {
    snprintf(out, size, "%s", npi_io_basename(path));
    char *dot = strrchr(out, '.');
    if (dot && dot != out) *dot = '\0';
}

int npi_io_mkdirs(const char *path, struct np_error *err) {
    char buf[4096];
    struct stat st;
    const size_t n = strlen(path);
    if (n == 0 || n >= sizeof buf) return npi_io_fail(err, NP_EINVAL, "folder name is empty or too long");
    memcpy(buf, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (buf[i] != '/' && buf[i] != '\0') continue;
        const char c = buf[i];
        buf[i] = '\0';
        if (mkdir(buf, 0777) < 0 && errno != EEXIST) {
            const int e = errno;
            if (!(stat(buf, &st) == 0 && S_ISDIR(st.st_mode)))
                return npi_io_fail(err, NP_EIO, "cannot make the folder '%s': %s", buf, strerror(e));
        }
        buf[i] = c;
    }
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) return npi_io_fail(err, NP_EIO, "'%s' is in the way: it is not a folder", path);
    return 0;
}

int npi_io_read_file(void **out, size_t *size, const char *path, size_t limit, struct np_error *err) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        const int e = errno;
        return npi_io_fail(err, e == ENOENT || e == ENOTDIR ? NP_ENOENT : NP_EIO, "cannot open '%s': %s", path, strerror(e));
    }
    size_t cap = 1 << 16, n = 0;
    struct stat st;
    if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0 && (uint64_t)st.st_size < limit) cap = (size_t)st.st_size + 1;
    char *p = malloc(cap);
    int r = p ? 0 : npi_io_fail(err, NP_ENOMEM, "'%s': out of memory", path);
    while (r == 0) {
        const size_t got = fread(p + n, 1, cap - n, f);
        n += got;
        if (n > limit) r = npi_io_fail(err, NP_ELIMIT, "'%s' is larger than %zu MB", path, limit >> 20);
        else if (got == 0 || n < cap) {
            if (ferror(f)) r = npi_io_fail(err, NP_EIO, "reading '%s' failed: %s", path, strerror(errno));
            break;
        } else {
            char *q = realloc(p, cap *= 2);
            if (q) p = q;
            else r = npi_io_fail(err, NP_ENOMEM, "'%s': out of memory", path);
        }
    }
    fclose(f);
    if (r < 0) {
        free(p);
        return r;
    }
    *out = p;
    *size = n;
    return 0;
}

int npi_io_read_text(char **out, const char *path, size_t limit, struct np_error *err) {
    void *data = NULL;
    size_t size = 0;
    int r = npi_io_read_file(&data, &size, path, limit, err);
    if (r < 0) return r;
    char *const text = realloc(data, size + 1);
    if (!text) r = npi_io_fail(err, NP_ENOMEM, "out of memory");
    else if (memchr(text, 0, size)) r = npi_io_fail(err, NP_EINVAL, "%s is not a text file", path);
    if (r < 0) {
        free(text ? text : data);
        return r;
    }
    text[size] = '\0';
    *out = text;
    return 0;
}
