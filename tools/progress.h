/* SPDX-License-Identifier: Apache-2.0 */
/* What a run counted: the line on the terminal while it goes on, and the summary at the end, for people or as JSON. */
#ifndef NPI_TOOLS_PROGRESS_H
#define NPI_TOOLS_PROGRESS_H
#include <stdio.h>

#include "io/io.h"

#define STATS_DELAYS 4096
struct stats {
    int64_t start_ns;            /* first read */
    int64_t n_total;             /* frames to come, -1 unknown */
    int64_t n_processed, n_inferred, n_drawn, n_dropped;
    int64_t persons_sum;
    int persons_max, persons_now;
    int64_t first_pose_ns;       /* since the process started; 0: none yet */
    int64_t end_ns;
    uint64_t *id_bits; int id_words; int64_t n_ids;
    int64_t last_line_ns;
    double detect_ms_sum, pose_ms_sum;
    int64_t n_detected, n_propagated;   /* frames that the detector ran on; that show a propagated pose */
    uint32_t delay[STATS_DELAYS];       /* results by delay, in steps of half a millisecond; the last: more than that */
};
void stats_result(struct stats *s, const struct np_result *r);
void stats_free(struct stats *s);
/* The delay that `share` of the results were not above, in milliseconds. */
double stats_delay_ms(const struct stats *s, double share);
double stats_fps(const struct stats *s, int64_t n, int64_t now_ns);

/* A terminal line, at most five times a second. */
void progress_line(struct stats *s, FILE *f);
void progress_clear(FILE *f);

struct summary {
    const struct stats *stats;
    const struct np_stats *now;              /* the library's, at the end */
    int live;
    const struct np_context_info *info;
    const char *backend_asked, *backend_reason;
    const char *input, *kind;
    const char *mode, *preset;
    const char *video, *json, *out, *images; /* paths, NULL: none */
    int interrupted, n_failed;
};
void summary_text(const struct summary *s, FILE *f);
int summary_json(const struct summary *s, const char *path, struct np_error *err);
#endif
