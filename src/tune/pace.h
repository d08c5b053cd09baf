/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps live mode's delay bound while the controller does not know yet that the machine became slower. Pure, like the controller.
 *
 *   before a detection, before each batch of poses: would the frame come out in time?   no: left out; boxes are carried, poses propagated
 *   when a frame comes out after all too late (an inference that had begun took longer): passed over, as long as most results are in time
 *
 * A machine that can never hold the bound must show something all the same: what was left out for STARVED_NS is done, and of the results
 * one in five is passed over at most. */
#ifndef NPI_TUNE_PACE_H
#define NPI_TUNE_PACE_H
#include <stdint.h>

#define NPI_PACE_RUNS 4

/* Of one kind of work (a detection, a batch of poses): the last runs on the clock. */
struct npi_pace { int64_t ns[NPI_PACE_RUNS], done_ns; unsigned n; };
void npi_pace_note(struct npi_pace *p, int64_t now_ns, int64_t took_ns);
/* 1: work that begins now is ready before deadline_ns (0: there is none), or nothing of its kind was done for too long. */
int npi_pace_fits(const struct npi_pace *p, int64_t now_ns, int64_t deadline_ns);
/* When a frame has to be ready: max_delay_ms after it was captured; a source that takes more than half of that for itself leaves us half. 0: no bound. */
int64_t npi_pace_deadline(int64_t captured_ns, int64_t sent_ns, double max_delay_ms);

/* Results that came too late; zero it. */
struct npi_credit { int given, started; };
/* 1: this one is to be passed over. */
int npi_credit_pass_over(struct npi_credit *c, int late);
#endif
