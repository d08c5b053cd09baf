/* SPDX-License-Identifier: Apache-2.0 */
/* printf obeys the locale of the program that we are in ("3,14" is not JSON), so numbers are put together here. */
#define _GNU_SOURCE
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- a stream over a descriptor that may have to wait --- */

struct slow { int fd; const atomic_int *give_up; };

/* How much of it went out. A pipe that poll calls writable takes PIPE_BUF bytes at once, so that this never sleeps in write() where nobody can
 * wake it. */
static size_t write_some(int fd, const atomic_int *give_up, const char *p, size_t n) {
    size_t done = 0;
    while (done < n) {
        struct pollfd f = { .fd = fd, .events = POLLOUT };
        const int ready = poll(&f, 1, 100);
        if (ready == 0 && give_up && atomic_load(give_up)) {
            errno = ETIMEDOUT;
            break;
        }
        if (ready <= 0) continue;
        const ssize_t k = write(fd, p + done, n - done < PIPE_BUF ? n - done : PIPE_BUF);
        if (k > 0) done += (size_t)k;
        else if (k < 0 && errno != EINTR && errno != EAGAIN) break;
    }
    return done;
}

int npi_fd_write(int fd, const atomic_int *give_up, const void *bytes, size_t n) { return write_some(fd, give_up, bytes, n) == n ? 0 : -1; }

static ssize_t slow_write(void *cookie, const char *p, size_t n) {
    struct slow *const s = cookie;
    return (ssize_t)write_some(s->fd, s->give_up, p, n); /* short: stdio takes it for an error and errno for its reason */
}

static int slow_close(void *cookie) {
    struct slow *const s = cookie;
    const int r = s->fd == STDOUT_FILENO ? 0 : close(s->fd);
    free(s);
    return r;
}

int npi_fd_open(const char *path, const atomic_int *give_up, int *waits) {
    struct stat st;
    int fd = STDOUT_FILENO;
    if (strcmp(path, "-")) {
        /* Linux opens a named pipe for both at once without waiting for the other side. */
        const int both = give_up && stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
        fd = both ? open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC) : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    if (fd >= 0) *waits = fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(fd));
    return fd;
}

int npi_out_open(struct npi_outfile *o, const char *path, const atomic_int *give_up, struct np_error *err) {
    memset(o, 0, sizeof *o);
    const int std = !strcmp(path, "-");
    int waits = 0;
    const int fd = npi_fd_open(path, give_up, &waits);
    if (fd < 0) return npi_io_fail(err, errno == EINTR ? NP_EINTR : NP_EIO, "cannot write '%s': %s", path, strerror(errno));
    if (waits) {
        struct slow *const s = malloc(sizeof *s);
        if (s) {
            *s = (struct slow){ fd, give_up };
            o->f = fopencookie(s, "w", (cookie_io_functions_t){ .write = slow_write, .close = slow_close });
            if (!o->f) free(s);
        }
    } else o->f = std ? stdout : fdopen(fd, "w");
    if (!o->f || !(o->path = strdup(std ? "standard output" : path))) {
        if (o->f && o->f != stdout) fclose(o->f);
        else if (!o->f && !std) close(fd);
        o->f = NULL;
        return npi_io_fail(err, NP_ENOMEM, "out of memory");
    }
    return 0;
}

int npi_out_open_memory(struct npi_outfile *o, char **bytes, size_t *size, struct np_error *err) {
    memset(o, 0, sizeof *o);
    *bytes = NULL;
    *size = 0;
    if (!(o->f = open_memstream(bytes, size))) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    return 0;
}

void npi_out_rewind(struct npi_outfile *o) {
    if (fseeko(o->f, 0, SEEK_SET) < 0) o->error = errno;
}

static void note(struct npi_outfile *o) {
    if (!o->error) o->error = errno ? errno : EIO;
}

void npi_out_str(struct npi_outfile *o, const char *s) {
    if (fputs(s, o->f) == EOF) note(o);
}

void npi_out_int(struct npi_outfile *o, int64_t v) {
    char b[24], *p = b + sizeof b;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    *--p = '\0';
    do *--p = (char)('0' + u % 10);
    while (u /= 10);
    if (v < 0) *--p = '-';
    npi_out_str(o, p);
}

void npi_out_fixed(struct npi_outfile *o, double v, int decimals, const char *none) {
    static const double ten[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };
    if (!isfinite(v) || fabs(v) > 1e12) {
        npi_out_str(o, none);
        return;
    }
    /* Whole and broken part apart: their product with 10^6 would not fit a double's 53 bits. */
    const uint64_t one = (uint64_t)ten[decimals];
    uint64_t whole = (uint64_t)fabs(v), u = (uint64_t)nearbyint((fabs(v) - (double)whole) * ten[decimals]);
    if (u == one) {
        u = 0;
        whole++;
    }
    const int negative = v < 0 && (whole || u);
    char b[40], *p = b + sizeof b;
    *--p = '\0';
    for (int i = 0; i < decimals; i++, u /= 10) *--p = (char)('0' + u % 10);
    if (decimals) *--p = '.';
    do *--p = (char)('0' + whole % 10);
    while (whole /= 10);
    if (negative) *--p = '-';
    npi_out_str(o, p);
}

/* Length of the valid UTF-8 sequence at s, 0 if it is none. */
static int utf8_len(const unsigned char *s) {
    const int n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0;
    return n;
}

void npi_out_json_str(struct npi_outfile *o, const char *str) {
    const unsigned char *s = (const unsigned char *)str;
    if (!s) {
        npi_out_str(o, "null");
        return;
    }
    npi_out_str(o, "\"");
    while (*s) {
        char b[8] = { 0 };
        const int n = utf8_len(s);
        if (n == 0) b[0] = '?';
        else if (*s == '"' || *s == '\\') b[0] = '\\', b[1] = (char)*s;
        else if (*s < 0x20) snprintf(b, sizeof b, "\\u%04x", *s);
        else memcpy(b, s, (size_t)n);
        npi_out_str(o, b);
        s += n ? n : 1;
    }
    npi_out_str(o, "\"");
}

int npi_out_flush(struct npi_outfile *o, struct np_error *err) {
    errno = 0;
    if (!o->error && fflush(o->f) == EOF) note(o);
    if (o->error == ETIMEDOUT) return npi_io_fail(err, NP_EIO, "'%s' was given up: nobody takes what is written there", o->path ? o->path : "output");
    if (o->error) return npi_io_fail(err, NP_EIO, "writing '%s' failed: %s", o->path ? o->path : "output", strerror(o->error));
    return 0;
}

int npi_out_close(struct npi_outfile *o, struct np_error *err) {
    if (!o->f) return 0;
    int r = npi_out_flush(o, err);
    errno = 0;
    if (o->f != stdout && fclose(o->f) == EOF && r == 0)
        r = npi_io_fail(err, NP_EIO, "writing '%s' failed: %s", o->path ? o->path : "output", strerror(errno ? errno : EIO));
    o->f = NULL;
    free(o->path);
    o->path = NULL;
    return r;
}
