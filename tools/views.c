/* SPDX-License-Identifier: Apache-2.0 */
/* See views.h. */
#include "views.h"

#include <string.h>

#include "tool.h"
#ifdef NPI_HAVE_WEB
#include "io/http.h"
#include "io/http_guard.h"
#endif
#ifdef NPI_HAVE_WINDOW
#include "io/window.h"
#endif

const char *views_missing(enum view view, int metrics) {
#ifndef NPI_HAVE_WEB
    if (view == VIEW_WEB || metrics) return "this build has no web server: libmicrohttpd or FFmpeg was missing when it was made";
#endif
#ifndef NPI_HAVE_WINDOW
    if (view == VIEW_WINDOW) return "this build has no window: SDL2 was missing when it was made (--view web shows the run in a browser)";
#endif
    return NULL;
}

const char *views_token_wrong(const char *token) {
#ifdef NPI_HAVE_WEB
    if (token && !npi_http_token_ok(token)) return NPI_HTTP_TOKEN_RULE;
#endif
    return NULL;
}

int views_window_possible(void) {
#ifdef NPI_HAVE_WINDOW
    return npi_window_possible();
#else
    return 0;
#endif
}

#ifdef NPI_HAVE_WEB
/* The address is printed even with --quiet when it holds a token that nobody knows yet. */
static int open_server(struct npi_http **out, struct views *v, const struct views_params *p, int port, int metrics_only, struct np_error *err) {
    const struct npi_http_params hp = { .bind = p->web_bind, .port = port, .token = p->web_token, .metrics_only = metrics_only, .logger = p->log };
    const int r = npi_http_open(out, v->hub, &hp, err);
    if (r < 0) return r;
    if (!p->quiet || (!p->web_token && strstr(npi_http_url(*out), "token="))) tool_say("%s at %s", metrics_only ? "metrics" : "watch", npi_http_url(*out));
    return 0;
}
#endif

int views_open(struct views *v, const struct views_params *p, struct np_error *err) {
    memset(v, 0, sizeof *v);
    int r = npi_hub_open(&v->hub, &p->hub, err);
#ifdef NPI_HAVE_WEB
    if (r == 0 && p->view == VIEW_WEB) {
        r = open_server(&v->web, v, p, p->web_port, 0, err);
        v->watched = 1;
    }
    if (r == 0 && p->metrics_port >= 0) r = open_server(&v->metrics, v, p, p->metrics_port, 1, err);
#endif
#ifdef NPI_HAVE_WINDOW
    if (r == 0 && p->view == VIEW_WINDOW) {
        const struct npi_window_params wp = { .title = "NextPose", .boxes = p->draw_boxes, .ids = p->draw_ids, .closed = p->closed, .opaque = p->opaque };
        r = npi_window_open(&v->window, v->hub, &wp, err);
        v->watched = 1;
    }
#endif
    if (r == 0) r = monitor_start(&v->monitor, v->hub, &p->monitor, err);
    if (r < 0) views_close(v);
    return r;
}

void views_result(struct views *v, const struct np_result *r, struct npi_pic *pic) {
    if (v->watched) npi_hub_publish(v->hub, r, pic);
}

int views_close(struct views *v) {
    if (!v->hub) return 0;
    npi_hub_end(v->hub);
    const int n_failed = monitor_stop(&v->monitor);
#ifdef NPI_HAVE_WEB
    npi_http_close(&v->web);
    npi_http_close(&v->metrics);
#endif
#ifdef NPI_HAVE_WINDOW
    npi_window_close(&v->window);
#endif
    npi_hub_close(&v->hub);
    return n_failed;
}
