/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in in a process of its own: the same table, but what a crash, a hang or a leak of the foreign runtime takes down is nextpose-worker and not us.
 *
 *   us                                     nextpose-worker PLUGIN.so
 *   run(): copy in ── RUN ──────────────>  table->run() on the same pages
 *          copy out <────────── RAN ──     tensors: one sealed memfd a net
 *
 * One process for all nets that share weights, a thread in it for each. Nobody polls: both sides sleep in recv or poll. What it costs: two copies
 * of the tensors and two wake-ups a run (see docs/runtimes.md), and the start of a process when a runtime is scored or opened.
 *
 * Death is seen at once (end of file on the sockets) and told with its reason: the signal, and the last line that the process wrote to stderr. The
 * process ends when we do, however we do (PR_SET_PDEATHSIG on a thread that lives as long as the process, and end of file). */
#ifndef NPI_BACKEND_ISOLATE_H
#define NPI_BACKEND_ISOLATE_H
#include "nextpose/backend.h"

struct npi_isolate_params {
    const char *worker;   /* path of nextpose-worker; NULL: npi_isolate_worker() */
    size_t memory_limit;  /* bytes of private memory that a process may take; 0: three quarters of what this process may use */
};

/* *out: the plug-in of module `path`, whose own table is `inner`, with nets in processes of their own. Lives for ever; the same one for the same arguments.
 * supports() is NULL: open() tells. */
int npi_isolate(const struct np_backend **out, const char *path, const struct np_backend *inner, const struct npi_isolate_params *p, struct np_error *err);
/* Where nextpose-worker lies: libexec/nextpose of the installation, or beside the library (a build folder). NP_ENOENT with what was tried. */
int npi_isolate_worker(char *out, size_t size, struct np_error *err);
/* memory_limit where it is 0: three quarters of the machine's or the container's memory, whichever is less. */
size_t npi_isolate_memory(void);

/* --- process.c: a worker process --- */
struct npi_process;
int npi_process_start(struct npi_process **out, const char *worker, const char *plugin, size_t memory_limit, struct np_error *err); /* with one reference */
void npi_process_ref(struct npi_process *p);
void npi_process_unref(struct npi_process **p); /* the last one ends it, in order if it listens, and waits for it */
int npi_process_control(const struct npi_process *p);
int npi_process_alive(struct npi_process *p);
void npi_process_kill(struct npi_process *p);
/* NP_EBACKEND and "its process died: …", after the process has had a moment to die. */
int npi_process_obituary(struct npi_process *p, struct np_error *err);
int npi_process_pid(const struct npi_process *p);
#endif
