/* SPDX-License-Identifier: Apache-2.0 */
/* Which runtime runs a net: what was asked for, what is here, what passes the self-test, what is faster on this machine.
 *
 *   named    that one; then our own engine; then, where ours cannot run the net, the others in the order of auto
 *   auto     ours, unless another one is clearly faster; where ours cannot run the net: tflite, onnx, openvino, torch, the first that passes
 *
 * Speed is measured once for a model, machine and set of libraries and kept in the cache folder; only where more than one runtime is in play (docs/runtimes.md
 * has the rule). A net comes in one or more files of the same stem; each runtime takes the one it can read, a missing format is converted. */
#ifndef NPI_PIPE_CHOOSE_H
#define NPI_PIPE_CHOOSE_H
#include "backend/dl.h"
#include "pipe/models.h"

/* What the caller wants; strings are copied. */
struct npi_wish {
    const char *backend, *device, *precision, *options; /* NULL: auto, cpu, as the model says, none */
    int strict, threads;                   /* threads of a run */
    struct npi_strike *strike;             /* with strict: gets a failure in mid run; NULL: none. Must outlive the net */
    int open_timeout_ms, run_timeout_ms;   /* 0: defaults (two minutes; from the self-test's time); < 0: none */
    int isolate, isolate_memory_mb;        /* foreign runtimes in processes of their own (backend/isolate.h) */
    const char *worker;                    /* NULL: of the installation */
    const char *cache_dir;                 /* NULL: nothing is kept, and auto does not measure */
    const struct np_runtime_search *search;
};

struct npi_choice;
/* Fills n->lineup. native: our own engine on the net with its face, taken over; NULL: it cannot, for the reason in `native_why`. known: n->card is the
 * net's; else it is guessed from the first runtime that opens. side: as npi_net_open. */
int npi_choose_runtime(struct npi_net *n, const struct npi_wish *w, struct npi_engine **native, const char *native_why, int known, int side, const char *isa,
               const struct np_logger *log, struct np_error *err);
void npi_choice_free(struct npi_choice **c);
/* "onnx", "tflite", "torch", "openvino": by the name, else by the first bytes. */
const char *npi_model_format(const char *path);
/* The file of the same net in another format: same folder, same stem. 1: there is one. */
int npi_model_sibling(const char *path, const char *format, char *out, size_t size);
/* The file of the net at `path` in one of `formats` ("onnx,tflite", best first): itself, a sibling, or, with a cache_dir, a converted one that is kept there
 * (.onnx and .tflite, either way). 1: out and format are set. */
int npi_model_file(const char *path, const char *formats, const char *cache_dir, const struct np_logger *log, char *format, size_t format_size, char *out, size_t size);
int npi_model_hash(const char *path, char hex[65]); /* SHA-256; 0: cannot be read */
#endif
