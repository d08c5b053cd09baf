/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask the web view for what. Pure functions over header texts, which come from anybody: the fuzz target http calls them with any bytes.
 *
 * Bound to loopback, everybody on this machine may look and change settings, but only through an address that means this machine: a page
 * of another site whose name was pointed at 127.0.0.1 (DNS rebinding) is told by its Host header, and one that sends requests from
 * the user's browser (CSRF) by Origin, Sec-Fetch-Site and a header that browsers do not let it set. Bound to another address, nobody changes
 * anything, and a token is asked for. */
#ifndef NPI_IO_HTTP_GUARD_H
#define NPI_IO_HTTP_GUARD_H

/* What of a request the decision needs; NULL: not sent. */
struct npi_http_request {
    const char *method, *path;
    const char *host, *origin, *fetch_site;
    const char *authorization, *cookie_token, *query_token;
    const char *mark;            /* X-NextPose */
};
struct npi_http_policy {
    int loopback;                /* 1: bound to this machine only */
    const char *token;           /* NULL: none asked for */
};

/* 200, or the status to refuse with and *why, one plain sentence. */
int npi_http_allowed(const struct npi_http_request *q, const struct npi_http_policy *p, const char **why);
/* "localhost", "127.1.2.3", "[::1]", with or without ":port". */
int npi_http_host_is_loopback(const char *host);
/* The origin is "http://" + host, or "https://" + host (a proxy in between). */
int npi_http_origin_matches(const char *origin, const char *host);
/* Without telling by its time how much of the guess was right. */
int npi_http_token_equal(const char *token, const char *guess);
/* At least 8 signs, none of which needs escaping in a URL or a cookie. */
int npi_http_token_ok(const char *token);
#define NPI_HTTP_TOKEN_RULE "the token must be 8 to 128 letters, digits or -_.~"
#endif
