/* SPDX-License-Identifier: Apache-2.0 */
/* See wire.h. */
#define _GNU_SOURCE
#include "backend/wire.h"
#include "base/err.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void put(struct npi_wire *w, const void *p, size_t n) {
    if (w->bad || n > NPI_WIRE_MAX - w->n) {
        w->bad = 1;
        return;
    }
    memcpy(w->b + w->n, p, n);
    w->n += n;
}

void npi_wire_begin(struct npi_wire *w, uint32_t kind) {
    w->n = 0;
    w->bad = 0;
    npi_wire_u32(w, kind);
}

void npi_wire_u32(struct npi_wire *w, uint32_t v) { put(w, &v, sizeof v); }
void npi_wire_u64(struct npi_wire *w, uint64_t v) { put(w, &v, sizeof v); }

void npi_wire_str(struct npi_wire *w, const char *s) {
    const size_t n = s ? strlen(s) + 1 : 0;
    npi_wire_u32(w, n > UINT32_MAX ? UINT32_MAX : (uint32_t)n);
    if (s) put(w, s, n);
}

void npi_wire_error(struct npi_wire *w, int code, const struct np_error *e) {
    npi_wire_u32(w, (uint32_t)code);
    npi_wire_str(w, code < 0 ? *e->message ? e->message : np_error_text(code) : "");
}

void npi_wire_params(struct npi_wire *w, const struct np_backend_params *p) {
    const char *const s[] = { p->library, p->model_path, p->format, p->device, p->precision, p->hint, p->input_name, p->cache_dir };
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) npi_wire_str(w, s[i]);
    npi_wire_u32(w, (uint32_t)p->threads);
    npi_wire_u32(w, (uint32_t)p->open_timeout_ms);
    npi_wire_u32(w, (uint32_t)p->run_timeout_ms);
    npi_wire_u32(w, (uint32_t)p->rank);
    for (int i = 0; i < NP_MAX_RANK; i++) npi_wire_u64(w, (uint64_t)p->dims[i]);
    npi_wire_u32(w, (uint32_t)p->n_options);
    for (int i = 0; i < p->n_options; i++) {
        npi_wire_str(w, p->options[i].key);
        npi_wire_str(w, p->options[i].value);
    }
    npi_wire_u32(w, p->cpu_mask ? (uint32_t)p->n_cpu_mask : 0);
    for (int i = 0; p->cpu_mask && i < p->n_cpu_mask; i++) npi_wire_u64(w, p->cpu_mask[i]);
}

const char *npi_read_str(struct npi_buf *b) {
    const uint32_t n = npi_buf_u32(b);
    if (!n) return NULL;
    const char *const s = (const char *)npi_buf_take(b, n);
    if (!s || memchr(s, 0, n) != s + n - 1) { /* one NUL, at its end */
        b->bad = 1;
        return NULL;
    }
    return s;
}

int npi_read_error(struct npi_buf *b, struct np_error *e) {
    const int code = (int)npi_buf_u32(b);
    const char *const text = npi_read_str(b);
    if (b->bad) return npi_fail(e, NP_EBACKEND, "its process sent a message that makes no sense");
    return code < 0 ? npi_fail(e, code, "%s", text ? text : np_error_text(code)) : 0;
}

int npi_read_params(struct npi_buf *b, struct np_backend_params *p, struct npi_wire_lists *lists) {
    const char **const s[] = { &p->library, &p->model_path, &p->format, &p->device, &p->precision, &p->hint, &p->input_name, &p->cache_dir };
    memset(p, 0, sizeof *p);
    p->size = sizeof *p;
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) *s[i] = npi_read_str(b);
    p->threads = (int)npi_buf_u32(b);
    p->open_timeout_ms = (int)npi_buf_u32(b);
    p->run_timeout_ms = (int)npi_buf_u32(b);
    p->rank = (int)npi_buf_u32(b);
    for (int i = 0; i < NP_MAX_RANK; i++) p->dims[i] = (int64_t)npi_buf_u64(b);
    const uint32_t n_options = npi_buf_u32(b);
    if (n_options > 64) return 0;
    for (uint32_t i = 0; i < n_options; i++) {
        lists->option[i].key = npi_read_str(b);
        lists->option[i].value = npi_read_str(b);
    }
    p->options = lists->option;
    p->n_options = (int)n_options;
    const uint32_t n_mask = npi_buf_u32(b);
    if (n_mask > 64) return 0;
    for (uint32_t i = 0; i < n_mask; i++) lists->cpu_mask[i] = npi_buf_u64(b);
    p->cpu_mask = n_mask ? lists->cpu_mask : NULL;
    p->n_cpu_mask = (int)n_mask;
    return !b->bad;
}

#define MAX_FDS 2

int npi_wire_send(int fd, const struct npi_wire *w, const int *fds, int n_fds, int flags) {
    if (w->bad || n_fds > MAX_FDS) return NP_ELIMIT;
    union { struct cmsghdr align; char b[CMSG_SPACE(sizeof(int) * MAX_FDS)]; } control;
    struct iovec v = { (void *)(uintptr_t)w->b, w->n };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
    if (n_fds) {
        memset(&control, 0, sizeof control);
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n_fds);
        struct cmsghdr *const c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n_fds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n_fds);
    }
    ssize_t r;
    do r = sendmsg(fd, &m, MSG_NOSIGNAL | flags);
    while (r < 0 && errno == EINTR);
    return r == (ssize_t)w->n ? 0 : NP_EIO;
}

int npi_wire_recv(int fd, struct npi_wire *w, struct npi_buf *body, int *fds, int n_fds, int flags) {
    union { struct cmsghdr align; char b[CMSG_SPACE(sizeof(int) * MAX_FDS)]; } control;
    struct iovec v = { w->b, sizeof w->b };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    ssize_t r;
    for (int i = 0; i < n_fds; i++) fds[i] = -1;
    do r = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | flags);
    while (r < 0 && errno == EINTR);
    if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
    if (r <= 0) return NP_EIO;
    int got = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const int n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int i = 0; i < n; i++) {
            int one;
            memcpy(&one, CMSG_DATA(c) + sizeof(int) * (size_t)i, sizeof one);
            if (got < n_fds) fds[got++] = one;
            else close(one); /* more than anybody asked for */
        }
    }
    w->n = (size_t)r;
    *body = npi_buf(w->b, w->n);
    const uint32_t kind = npi_buf_u32(body);
    if (!(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && !body->bad && kind >= NPI_WIRE_HELLO && kind <= NPI_WIRE_LOG) return (int)kind;
    for (int i = 0; i < n_fds; i++)
        if (fds[i] >= 0) {
            close(fds[i]);
            fds[i] = -1;
        }
    return NP_EFORMAT;
}
