/* SPDX-License-Identifier: Apache-2.0 */
/* io/http_guard.c: any header texts. The bytes are lines: method, path, host, origin, fetch site, authorization, cookie, query token, mark, bound
 * address ('L': loopback), token asked for. An empty line is a header that was not sent. Whatever comes, these hold. */
#include <stdlib.h>
#include <string.h>

#include "io/http_guard.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *line[11] = { NULL };
    if (size > 1 << 14) return 0;
    char *const text = malloc(size + 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    char *at = text;
    for (int i = 0; i < 11 && at; i++) {
        char *const end = strchr(at, '\n');
        if (end) *end = '\0';
        line[i] = *at ? at : NULL;
        at = end ? end + 1 : NULL;
    }
    const struct npi_http_request q = { .method = line[0] ? line[0] : "", .path = line[1] ? line[1] : "", .host = line[2], .origin = line[3], .fetch_site = line[4],
                                        .authorization = line[5], .cookie_token = line[6], .query_token = line[7], .mark = line[8] };
    const struct npi_http_policy p = { .loopback = line[9] && *line[9] == 'L', .token = line[10] && npi_http_token_ok(line[10]) ? line[10] : NULL };
    const char *why = NULL;
    const int status = npi_http_allowed(&q, &p, &why);
    if (status != 200 && status != 401 && status != 403 && status != 405) abort();
    if (!why || (status != 200 && (!*why || strchr(why, '\n')))) abort();
    if (status == 200) {
        if (p.loopback && !npi_http_host_is_loopback(q.host)) abort();
        if (!strcmp(q.method, "POST") && (!p.loopback || !q.mark || (q.origin && !npi_http_origin_matches(q.origin, q.host)))) abort();
        if (q.origin && strcmp(q.path, "/") && !npi_http_origin_matches(q.origin, q.host)) abort();
        const char *const bearer = q.authorization && strlen(q.authorization) > 7 ? q.authorization + 7 : "";
        if (p.token && strcmp(bearer, p.token) && (!q.cookie_token || strcmp(q.cookie_token, p.token)) && (!q.query_token || strcmp(q.query_token, p.token))) abort();
    }
    free(text);
    return 0;
}
