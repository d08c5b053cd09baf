/* SPDX-License-Identifier: Apache-2.0 */
/* What struct np_stats says, in the three shapes in which people and programs read it: a JSON object (--stats-json, the web page), Prometheus
 * text (/metrics) and one line for a terminal (--stats). All three read the same snapshot; nothing is measured here. */
#ifndef NPI_IO_STATS_H
#define NPI_IO_STATS_H
#include "outfile.h"

/* What the library cannot know: the names of the run, and what happened on our side of its face. Strings are borrowed; NULL: unknown. */
struct npi_stats_extra {
    const char *input, *detector, *model;
    char preset[256];         /* in force: it can be changed while running. A file's path for an own one */
    int64_t n_reconnects;     /* times that a lost source came back */
    int source_lost;          /* 1: gone at the moment */
    int64_t n_out_dropped;    /* results and pictures that a slow output made us leave out, live mode */
    int n_viewers;            /* of the web view, now */
    int ended;                /* 1: no more frames come */
};

/* One object without a newline; docs/monitoring.md is its schema. */
void npi_stats_json(struct npi_outfile *o, const struct np_stats *s, const struct npi_stats_extra *x);
/* Text format 0.0.4 of Prometheus, with HELP and TYPE of each family. */
void npi_stats_prometheus(struct npi_outfile *o, const struct np_stats *s, const struct npi_stats_extra *x);
/* One line of at most `width` columns (0: no limit), no newline: the most useful first, so that a narrow terminal loses the least. */
void npi_stats_line(char *out, size_t size, const struct np_stats *s, const struct npi_stats_extra *x, int width);

/* What all three derive in the same way. */
double npi_stats_detection_fps(const struct np_stats *s);  /* detector runs a second */
double npi_stats_skipped_fps(const struct np_stats *s);    /* frames offered but not handled a second */
double npi_stats_memory_percent(const struct np_stats *s); /* of what the machine, or the cgroup, has; NaN unknown */
const char *npi_stats_bottleneck(const struct np_stats *s); /* stage name, "source", or NULL: not known yet */
#endif
