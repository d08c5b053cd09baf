/* SPDX-License-Identifier: Apache-2.0 */
/* See pace.h. */
#include "tune/pace.h"

#define STARVED_NS 200000000 /* the longest that a pose or a detection may be used (nextpose/settings.h) */
#define CREDIT_MAX 32        /* a pile of eight frames behind one slow inference */
#define CREDIT_START 16
#define COST 4               /* results in time that pay for one that is passed over */

void npi_pace_note(struct npi_pace *p, int64_t now_ns, int64_t took_ns) {
    p->ns[p->n++ % NPI_PACE_RUNS] = took_ns;
    p->done_ns = now_ns;
}

/* The second least of the last runs: one or two slow ones are not believed, a machine that became slow is. */
static int64_t expected(const struct npi_pace *p) {
    int64_t least = INT64_MAX, second = INT64_MAX;
    for (unsigned i = 0; i < p->n && i < NPI_PACE_RUNS; i++) {
        const int64_t v = p->ns[i];
        if (v < second) second = v;
        if (v < least) second = least, least = v;
    }
    return second < INT64_MAX ? second : least;
}

int npi_pace_fits(const struct npi_pace *p, int64_t now_ns, int64_t deadline_ns) {
    if (!deadline_ns || !p->n || now_ns + expected(p) <= deadline_ns) return 1;
    return now_ns - p->done_ns > STARVED_NS;
}

int64_t npi_pace_deadline(int64_t captured_ns, int64_t sent_ns, double max_delay_ms) {
    const int64_t bound = (int64_t)(max_delay_ms * 1e6);
    if (bound <= 0) return 0;
    return sent_ns - captured_ns > bound / 2 ? sent_ns + bound / 2 : captured_ns + bound;
}

int npi_credit_pass_over(struct npi_credit *c, int late) {
    if (!c->started) c->given = CREDIT_START;
    c->started = 1;
    if (!late) {
        if (c->given < CREDIT_MAX) c->given++;
        return 0;
    }
    if (c->given < COST) return 0;
    c->given -= COST;
    return 1;
}
