/* SPDX-License-Identifier: Apache-2.0 */
/* Once a second, on a thread of its own: the status line and the line of --stats-json. A disk that hangs stops this thread and nothing else. */
#ifndef NPI_TOOLS_MONITOR_H
#define NPI_TOOLS_MONITOR_H
#include "io/hub.h"

struct monitor;
struct monitor_params {
    const char *json_path;   /* --stats-json; NULL: none */
    int line;                /* 1: --stats */
    int tty;                 /* 1: stderr is a terminal: one line that is written over; 0: a line a second */
};
/* *out stays NULL when nothing was asked for. */
int monitor_start(struct monitor **out, struct npi_hub *hub, const struct monitor_params *p, struct np_error *err);
/* Writes the last numbers and closes the file. 1 when it failed (which was said). Fine on NULL. */
int monitor_stop(struct monitor **m);
#endif
