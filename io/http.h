/* SPDX-License-Identifier: Apache-2.0 */
/* The web view and /metrics (libmicrohttpd). docs/views.md lists the addresses; who may ask for what is http_guard.h. */
#ifndef NPI_IO_HTTP_H
#define NPI_IO_HTTP_H
#include "hub.h"

struct npi_http;
struct npi_http_params {
    const char *bind;        /* address; NULL: 127.0.0.1 */
    int port;                /* 0: any free one */
    const char *token;       /* NULL: none on loopback, a made-up one elsewhere */
    int metrics_only;        /* 1: /metrics and nothing else */
    int header_timeout_s;    /* a request must have come within; 0: 10 */
    struct np_logger logger;
};
/* Listens when it returns 0. NP_EINVAL: the address is none, NP_EIO: it cannot be had, each with a line. */
int npi_http_open(struct npi_http **out, struct npi_hub *hub, const struct npi_http_params *p, struct np_error *err);
/* What to type into a browser, with the token where one is needed. Lives as long as the server. */
const char *npi_http_url(const struct npi_http *h);
int npi_http_port(const struct npi_http *h);
/* Viewers are cut off. Pointer to NULL is fine. */
void npi_http_close(struct npi_http **h);

/* The files of io/web/, built in. */
struct npi_web_file { const char *path, *type; const unsigned char *bytes; size_t size; };
extern const struct npi_web_file npi_web_files[]; /* ends with a NULL path */
#endif
