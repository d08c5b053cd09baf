/* SPDX-License-Identifier: Apache-2.0 */
/* Does a runtime compute what it should, and how fast? One synthetic picture goes through it twice: the outputs must have no NaN, be the
 * same both times, and those of our own engine where that can run the net.
 *
 * Bound: the root mean square of the difference is at most 2 % of that of our output (8-bit nets: 15 %, their roundings differ by design
 * and add up). Runtimes that agree differ by 1e-6 to 1e-3; a wrong layout, colour order or operator by 30 % and more. */
#ifndef NPI_PIPE_SELFTEST_H
#define NPI_PIPE_SELFTEST_H
#include "pipe/models.h"

struct npi_trial {
    struct npi_run *run;      /* after npi_trial_open: with the outputs of the synthetic picture */
    const struct npi_face *face;
    struct npi_engine *engine; /* borrowed */
    double first_ms;          /* of the second run: warm, once */
    double error;             /* of npi_trial_compare: largest of the outputs, relative; < 0: nothing could be compared */
};
/* Opens a run, with `threads` threads for the native engine (pool of the trial's own), and passes the picture through it twice. */
int npi_trial_open(struct npi_trial *t, struct npi_engine *e, struct np_pool *pool, unsigned cpu, struct np_error *err);
void npi_trial_close(struct npi_trial *t);
/* Against our own engine; its outputs may be fewer (and one column of) the runtime's: matched by name, else by shape. NP_EBACKEND: wrong numbers. */
int npi_trial_compare(struct npi_trial *t, const struct npi_trial *native, int class_index, struct np_error *err);
/* The joints that the head reads from both, for pose nets: files of one net may hold an output in an order that the head takes for another one. NP_EBACKEND: half of
 * them lie further apart than a twentieth of the net's input. */
int npi_trial_compare_joints(struct npi_trial *t, const struct npi_trial *native, struct np_error *err);
/* Is `coarse` (the same net in a lower precision) near enough to `fine`? Both run on the picture: no output may differ by more than 3 % (root mean square), and no joint by
 * more than a hundredth of the net's input. why: what was measured. */
int npi_trial_tolerates(struct npi_engine *coarse, struct npi_engine *fine, unsigned cpu, char *why, size_t size);
/* Median milliseconds of each of n trials, runs taken in turn so that a busy moment hits all alike. Stops early after about a second. */
void npi_trial_time(struct npi_trial *const *t, int n, struct np_pool *pool, double *ms);
#endif
