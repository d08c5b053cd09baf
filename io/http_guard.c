/* SPDX-License-Identifier: Apache-2.0 */
/* See http_guard.h. */
#include "http_guard.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* The text after a host name is nothing, or ':' and 1 to 5 digits. */
static int is_port(const char *s) {
    if (!*s) return 1;
    if (*s++ != ':') return 0;
    const size_t n = strspn(s, "0123456789");
    return n >= 1 && n <= 5 && !s[n];
}

static int is_127(const char *s, const char **end) {
    for (int part = 0; part < 4; part++) {
        int v = 0, digits = 0;
        for (; *s >= '0' && *s <= '9' && digits < 4; s++, digits++) v = v * 10 + (*s - '0');
        if (digits < 1 || digits > 3 || v > 255 || (part == 0 && v != 127)) return 0;
        if (part < 3 && *s++ != '.') return 0;
    }
    *end = s;
    return 1;
}

int npi_http_host_is_loopback(const char *host) {
    const char *end = NULL;
    if (!host) return 0;
    if (!strncasecmp(host, "localhost", 9)) return is_port(host + 9);
    if (!strncmp(host, "[::1]", 5)) return is_port(host + 5);
    return is_127(host, &end) && is_port(end);
}

int npi_http_origin_matches(const char *origin, const char *host) {
    if (!origin || !host) return 0;
    const size_t n = !strncasecmp(origin, "http://", 7) ? 7 : !strncasecmp(origin, "https://", 8) ? 8 : 0;
    return n > 0 && *host && !strcasecmp(origin + n, host);
}

int npi_http_token_equal(const char *token, const char *guess) {
    if (!guess) return 0;
    const size_t n = strlen(token), m = strlen(guess);
    unsigned char differ = n != m;
    for (size_t i = 0; i < m; i++) differ |= (unsigned char)(guess[i] ^ token[n ? i % n : 0]);
    return !differ;
}

int npi_http_token_ok(const char *token) {
    size_t n = 0;
    for (; token[n]; n++) {
        if (!isalnum((unsigned char)token[n]) && !strchr("-_.~", token[n])) return 0;
    }
    return n >= 8 && n <= 128;
}

int npi_http_allowed(const struct npi_http_request *q, const struct npi_http_policy *p, const char **why) {
    const int get = !strcmp(q->method, "GET") || !strcmp(q->method, "HEAD"), post = !strcmp(q->method, "POST");
    *why = "";
    if (!get && !post) return *why = "only GET, HEAD and POST are known here", 405;
    if (p->loopback && !npi_http_host_is_loopback(q->host))
        return *why = "this view is for this machine only: ask for it as localhost or 127.0.0.1", 403;
    if (p->token) {
        const char *const bearer = q->authorization && !strncasecmp(q->authorization, "Bearer ", 7) ? q->authorization + 7 : NULL;
        if (!npi_http_token_equal(p->token, bearer) && !npi_http_token_equal(p->token, q->cookie_token) && !npi_http_token_equal(p->token, q->query_token))
            return *why = "a token is needed: open the address that nextpose printed, or send 'Authorization: Bearer TOKEN'", 401;
    }
    /* Links to the page from elsewhere are fine; pictures and data are for the page itself. A missing header is no browser, or an old one. */
    if (q->fetch_site && strcmp(q->path, "/") && strcasecmp(q->fetch_site, "same-origin") && strcasecmp(q->fetch_site, "none"))
        return *why = "this is not for pages of other sites", 403;
    if (q->origin && (post || strcmp(q->path, "/")) && !npi_http_origin_matches(q->origin, q->host))
        return *why = "this is not for pages of other sites", 403;
    if (get) return 200;
    if (!p->loopback) return *why = "read only: settings can be changed only when the view is bound to this machine", 403;
    if (!q->mark) return *why = "changes need the header X-NextPose", 403;
    return 200;
}
