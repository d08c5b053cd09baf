/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that watches a run: the hub, the status line and file, the window, the web page, /metrics. */
#ifndef NPI_TOOLS_VIEWS_H
#define NPI_TOOLS_VIEWS_H
#include "io/hub.h"
#include "monitor.h"

struct views_params {
    struct npi_hub_params hub;
    struct monitor_params monitor;
    struct np_logger log;
};

struct views {
    struct npi_hub *hub;
    struct monitor *monitor;
    int watched;             /* 1: somebody may look at pictures */
};
/* Opens what was asked for. On failure everything is closed again. */
int views_open(struct views *v, const struct views_params *p, struct np_error *err);
void views_result(struct views *v, const struct np_result *r, struct npi_pic *pic);
/* Ends all of it; returns how many outputs (--stats-json) failed. Fine on one that was never opened. */
int views_close(struct views *v);
#endif
