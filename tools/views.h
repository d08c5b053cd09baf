/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that watches a run: the hub, the status line and file, the window, the web page, /metrics. */
#ifndef NPI_TOOLS_VIEWS_H
#define NPI_TOOLS_VIEWS_H
#include "io/hub.h"
#include "monitor.h"

enum view { VIEW_NONE = 0, VIEW_WINDOW, VIEW_WEB };

struct views_params {
    struct npi_hub_params hub;
    struct monitor_params monitor;
    enum view view;
    const char *web_bind, *web_token; /* NULL: the defaults of io/http.h */
    int web_port;
    int metrics_port;        /* -1: no server for /metrics alone */
    int quiet;
    int draw_boxes, draw_ids;
    void (*closed)(void *opaque); /* the window was closed by its user; on its thread */
    void *opaque;
    struct np_logger log;
};

struct npi_http;
struct npi_window;
struct views {
    struct npi_hub *hub;
    struct monitor *monitor;
    struct npi_http *web, *metrics;
    struct npi_window *window;
    int watched;             /* 1: somebody may look at pictures */
};
/* NULL, or why this build cannot show that. */
const char *views_missing(enum view view, int metrics);
/* NULL, or what a token must be; NULL is none. */
const char *views_token_wrong(const char *token);
/* 1: a window could be opened here. */
int views_window_possible(void);
/* Opens what was asked for. On failure everything is closed again. */
int views_open(struct views *v, const struct views_params *p, struct np_error *err);
void views_result(struct views *v, const struct np_result *r, struct npi_pic *pic);
/* Ends all of it; returns how many outputs (--stats-json) failed. Fine on one that was never opened. */
int views_close(struct views *v);
#endif
