/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "export/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint8_t *npi_bytes_add(struct npi_bytes *b, size_t n) {
    if (b->failed) return NULL;
    if (n > b->cap - b->n) {
        size_t cap = b->cap < 4096 ? 4096 : b->cap;
        while (cap - b->n < n) cap += cap / 2; /* not doubled: a net of 30 MB is written within 300 */
        void *p = cap < SIZE_MAX / 4 ? realloc(b->p, cap) : NULL;
        if (!p) {
            b->failed = 1;
            return NULL;
        }
        b->p = p;
        b->cap = cap;
    }
    b->n += n;
    return b->p + b->n - n;
}

void npi_bytes_put(struct npi_bytes *b, const void *p, size_t n) {
    uint8_t *q = n ? npi_bytes_add(b, n) : NULL;
    if (q) memcpy(q, p, n);
}

void npi_bytes_free(struct npi_bytes *b) {
    free(b->p);
    *b = (struct npi_bytes){ 0 };
}

static int write_all(int fd, const struct npi_piece *piece, int n_pieces) {
    for (int i = 0; i < n_pieces; i++)
        for (size_t at = 0; at < piece[i].n;) {
            const ssize_t k = write(fd, (const char *)piece[i].p + at, piece[i].n - at);
            if (k < 0 && errno == EINTR) continue;
            if (k <= 0) return k < 0 ? errno : ENOSPC;
            at += (size_t)k;
        }
    return fsync(fd) < 0 && errno != EINVAL && errno != EROFS ? errno : 0; /* EINVAL: a pipe or a device */
}

/* The folder of `path` into dir; 0, or ENAMETOOLONG. */
static int folder(const char *path, char *dir, size_t size) {
    const char *slash = strrchr(path, '/');
    const int n = slash == path ? 1 : slash ? (int)(slash - path) : 0;
    return (size_t)snprintf(dir, size, "%.*s", n, n ? path : ".") >= size || (!n && (size_t)snprintf(dir, size, ".") >= size) ? ENAMETOOLONG : 0;
}

/* A file without a name leaves nothing behind whatever ends the process. Some file systems have none: then a temporary name. */
static int open_hidden(const char *dir, char *temp, size_t size) {
    *temp = '\0';
#ifdef O_TMPFILE
    const int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (fd >= 0) return fd;
#endif
    if ((size_t)snprintf(temp, size, "%s/.nextpose-XXXXXX", dir) >= size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    const int t = mkostemp(temp, O_CLOEXEC);
    const mode_t mask = umask(0);
    umask(mask);
    if (t >= 0) fchmod(t, 0666 & ~mask);
    return t;
}

/* Gives a file without a name one beside the target: linking cannot replace, renaming can. */
static int name_it(int fd, const char *dir, char *temp, size_t size) {
    char from[64];
    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    for (int i = 0; i < 100; i++) {
        if ((size_t)snprintf(temp, size, "%s/.nextpose-%ld-%d", dir, (long)getpid(), i) >= size) return ENAMETOOLONG;
        if (linkat(AT_FDCWD, from, AT_FDCWD, temp, AT_SYMLINK_FOLLOW) == 0) return 0;
        if (errno != EEXIST) break;
    }
    *temp = '\0';
    return errno;
}

int npi_save(const char *path, const struct npi_piece *piece, int n_pieces, struct np_error *err) {
    char dir[4096], temp[4200] = "";
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a device or a pipe cannot be replaced: write into it */
        if (S_ISDIR(st.st_mode)) return npi_fail(err, NP_EIO, "%s is a folder: name a file in it", path);
        const int fd = open(path, O_WRONLY | O_CLOEXEC);
        const int e = fd < 0 ? errno : write_all(fd, piece, n_pieces);
        if (fd >= 0) close(fd);
        return e ? npi_fail(err, NP_EIO, "%s: cannot be written: %s", path, strerror(e)) : 0;
    }
    int e = folder(path, dir, sizeof dir);
    if (e) return npi_fail(err, NP_EIO, "%.200s: %s", path, strerror(e));
    const int fd = open_hidden(dir, temp, sizeof temp);
    if (fd < 0) return npi_fail(err, NP_EIO, "%s: cannot be written: %s", path, strerror(errno));
    e = write_all(fd, piece, n_pieces);
    if (!e && !*temp) e = name_it(fd, dir, temp, sizeof temp);
    if (close(fd) < 0 && !e) e = errno;
    if (!e && rename(temp, path) < 0) e = errno;
    if (e && *temp) unlink(temp);
    return e ? npi_fail(err, NP_EIO, "%s: cannot be written: %s; nothing was left behind", path, strerror(e)) : 0;
}
