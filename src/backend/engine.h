/* SPDX-License-Identifier: Apache-2.0 */
/* A net on a runtime: our own engine or a plug-in, the same to whoever runs it.
 *
 *   npi_engine   the net, opened: tensors, weights. Counted: every run holds it. Any thread.
 *     npi_run    one inference at a time, a worker's own. Native: a session in the worker's block. Plug-in: a np_backend_net and
 *                its buffers, and a thread of its own when there is a time-out, so that a runtime that hangs is left behind.
 *
 * What only the pipeline knows of a net on this runtime (layout of the input, which outputs the head reads) hangs on it as its `face`. */
#ifndef NPI_BACKEND_ENGINE_H
#define NPI_BACKEND_ENGINE_H
#include "backend/model.h"
#include "nextpose/backend.h"

struct npi_engine;
struct npi_run;

/* Takes the model. */
int npi_engine_native(struct npi_engine **out, struct np_model *m, struct np_error *err);
/* Opens `p->model_path` (mapped when p->model is NULL; else the bytes must outlive the engine) with a plug-in. Strings are copied. p->threads: of each run.
 * NP_EBACKEND when open() does not come back within p->open_timeout_ms. */
int npi_engine_foreign(struct npi_engine **out, const struct np_backend *table, const struct np_backend_params *p, const char *version, struct np_error *err);
struct npi_engine *npi_engine_ref(struct npi_engine *e);
void npi_engine_unref(struct npi_engine **e);

const char *npi_engine_runtime(const struct npi_engine *e);  /* "native", or the plug-in's name */
const char *npi_engine_device(const struct npi_engine *e);   /* "cpu", or what the plug-in says */
const char *npi_engine_version(const struct npi_engine *e);  /* of the foreign library; "" for native */
struct np_model *npi_engine_model(const struct npi_engine *e); /* NULL: a plug-in's */
int npi_engine_n_inputs(const struct npi_engine *e);
int npi_engine_n_outputs(const struct npi_engine *e);
/* Shape, type, quantization (data NULL); NULL past the end. They live as long as the engine. */
const struct npi_view *npi_engine_input(const struct npi_engine *e, int i);
const struct npi_view *npi_engine_output(const struct npi_engine *e, int i);
int npi_engine_info(const struct npi_engine *e, int output, int i, struct np_tensor_info *out);
void npi_engine_set_face(struct npi_engine *e, void *face, void (*drop)(void *face));
void *npi_engine_face(const struct npi_engine *e);
void npi_engine_set_timeout(struct npi_engine *e, int run_timeout_ms); /* for runs that are opened later; 0: none */
void npi_engine_mute(struct npi_engine *e);                  /* the logger goes away; an abandoned run may still be inside */

/* Memory that runs may share which never run at the same time (see npi_session_open_in); 0: this runtime has its own. */
size_t npi_run_bytes(const struct npi_engine *e, const struct np_pool *pool);
/* block: npi_run_bytes long or more, or NULL. */
int npi_run_open(struct npi_run **out, struct npi_engine *e, struct np_pool *pool, void *block, size_t block_bytes, struct np_error *err);
void npi_run_close(struct npi_run **r);
void *npi_run_input(struct npi_run *r, int i);
const void *npi_run_output(const struct npi_run *r, int i);
/* pool: the native engine's threads (NULL: alone). Native never fails. After NP_EBACKEND for a time-out the run is dead: only close it. */
int npi_run_go(struct npi_run *r, struct np_pool *pool, struct np_error *err);
/* 0 and the name of the output when a float output of the last run holds a NaN. */
int npi_run_finite(const struct npi_run *r, const char **output);

/* --- foreign.c, called by the above --- */
struct npi_foreign_run;
int npi_foreign_run_open(struct npi_foreign_run **out, struct npi_engine *e, struct np_error *err);
void npi_foreign_run_close(struct npi_foreign_run **f);
void *npi_foreign_buffer(const struct npi_foreign_run *f, int output, int i);
int npi_foreign_go(struct npi_foreign_run *f, struct np_error *err);
/* Calls of a plug-in come one at a time, but for run() and cancel(). NP_EBACKEND when it is still inside after ms (0: waits). */
int npi_plugin_enter(const struct np_backend *table, int ms, struct np_error *err);
void npi_plugin_leave(const struct np_backend *table);
/* table->open, given up after p->open_timeout_ms. */
int npi_plugin_open(struct np_backend_net **out, struct npi_engine *e, struct np_backend_net *share, struct np_error *err);
/* What foreign.c needs of an engine. */
const struct np_backend *npi_engine_table(const struct npi_engine *e);
const struct np_backend_params *npi_engine_params(const struct npi_engine *e);
struct np_backend_net *npi_engine_take_net(struct npi_engine *e); /* an idle one, or NULL; any thread */
void npi_engine_give_net(struct npi_engine *e, struct np_backend_net *n);
void npi_engine_forget_net(struct npi_engine *e, struct np_backend_net *n); /* takes it out, without closing it */
struct np_backend_net *npi_engine_share(struct npi_engine *e);
#endif
