/* SPDX-License-Identifier: Apache-2.0 */
/* See views.h. */
#include "views.h"

#include <string.h>

int views_open(struct views *v, const struct views_params *p, struct np_error *err) {
    memset(v, 0, sizeof *v);
    int r = npi_hub_open(&v->hub, &p->hub, err);
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
    npi_hub_close(&v->hub);
    return n_failed;
}
