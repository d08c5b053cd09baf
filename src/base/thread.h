/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of threads with one verb: run fn for each task number, and wait. Each thread begins with a run of neighbouring
 * tasks and then takes what the others have left; the caller works too. Sleeping threads wait on a
 * condition variable after a short spin: an idle pool costs no CPU. */
#ifndef NPI_BASE_THREAD_H
#define NPI_BASE_THREAD_H
#include "base/err.h"
struct np_pool;
typedef void (*npi_task_fn)(void *arg, int task, int worker); /* worker: 0..threads-1, 0 is the caller */
int npi_pool_threads(const struct np_pool *p); /* NULL: 1 */
/* From the next run on, at most so many of its threads work (1..threads); the others sleep. By the caller of npi_pool_run. NULL: nothing. */
void npi_pool_limit(struct np_pool *p, int threads);
/* One caller at a time. NULL pool: runs all tasks on the caller as worker 0. */
void npi_pool_run(struct np_pool *p, npi_task_fn fn, void *arg, int n_tasks);
#endif
