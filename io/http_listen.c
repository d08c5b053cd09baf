/* SPDX-License-Identifier: Apache-2.0 */
/* Where the server listens: address, socket, token, and the line that a user types into the browser. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_priv.h"

static int is_loopback(const struct sockaddr *a) {
    if (a->sa_family == AF_INET) return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    if (a->sa_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
    return 0;
}

static int is_any(const struct sockaddr *a) {
    if (a->sa_family == AF_INET) return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr == htonl(INADDR_ANY);
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

int npi_http_make_token(char *out, size_t size, struct np_error *err) {
    uint8_t r[16];
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r) return npi_io_fail(err, NP_EIO, "no random numbers for a token: give one with --web-token");
    for (size_t i = 0; i < sizeof r && 2 * i + 2 < size; i++) snprintf(out + 2 * i, 3, "%02x", r[i]);
    return 0;
}

int npi_http_listen(const char *bind_to, int port, struct npi_http_listening *l, struct np_error *err) {
    char number[16];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_ADDRCONFIG }, *list = NULL;
    snprintf(number, sizeof number, "%d", port);
    int r = getaddrinfo(bind_to, number, &hints, &list);
    if (r != 0) {
        hints.ai_flags &= ~AI_ADDRCONFIG; /* hides ::1 on a machine without IPv6 addresses */
        r = getaddrinfo(bind_to, number, &hints, &list);
    }
    if (r != 0) return npi_io_fail(err, NP_EINVAL, "'%s' is no address of this machine: %s", bind_to, gai_strerror(r));
    const int one = 1;
    const int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int bad = fd < 0;
    if (!bad) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        bad = bind(fd, list->ai_addr, list->ai_addrlen) < 0 || listen(fd, 32) < 0;
    }
    const int e = errno;
    struct sockaddr_storage a = { 0 };
    socklen_t n = sizeof a;
    if (!bad) bad = getsockname(fd, (struct sockaddr *)&a, &n) < 0;
    freeaddrinfo(list);
    if (bad) {
        if (fd >= 0) close(fd);
        return npi_io_fail(err, NP_EIO, e == EADDRINUSE ? "port %d of %s is taken: choose another one (--web-port, 0: any that is free)"
                                                       : "cannot listen on port %d of %s", port, bind_to);
    }
    l->fd = fd;
    l->loopback = is_loopback((struct sockaddr *)&a);
    l->port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&a)->sin6_port : ((struct sockaddr_in *)(void *)&a)->sin_port);
    if (is_any((struct sockaddr *)&a)) {
        if (gethostname(l->name, sizeof l->name - 1) < 0 || !*l->name) snprintf(l->name, sizeof l->name, "localhost");
    } else {
        char host[NI_MAXHOST];
        if (getnameinfo((struct sockaddr *)&a, n, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0) snprintf(host, sizeof host, "%s", bind_to);
        snprintf(l->name, sizeof l->name, a.ss_family == AF_INET6 ? "[%.200s]" : "%.200s", host);
    }
    return 0;
}
