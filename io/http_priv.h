/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the web server share. */
#ifndef NPI_IO_HTTP_PRIV_H
#define NPI_IO_HTTP_PRIV_H
#include <stdio.h>

#include "http.h"

struct npi_http_listening { int fd, port, loopback; char name[256]; };
int npi_http_listen(const char *bind_to, int port, struct npi_http_listening *l, struct np_error *err);
/* 32 hex digits from the system's random numbers. */
int npi_http_make_token(char *out, size_t size, struct np_error *err);

/* Connections and how long each has been silent about what it wants (http_watch.c): a thread shuts those that take too long. Timeouts of
 * libmicrohttpd start anew with each byte, which a client that sends one every few seconds never meets. */
struct npi_http_watch;
int npi_http_watch_open(struct npi_http_watch **out, int limit_s, struct np_error *err);
void npi_http_watch_close(struct npi_http_watch **w);
void *npi_http_watch_add(struct npi_http_watch *w, int fd);         /* NULL: no room */
void npi_http_watch_busy(struct npi_http_watch *w, void *who, int busy); /* busy: its request is being answered */
void npi_http_watch_remove(struct npi_http_watch *w, void *who);
#endif
