/* SPDX-License-Identifier: Apache-2.0 */
/* From what the user named ("yolox_nano", a path, a card) to a loaded model with its card. */
#ifndef NPI_PIPE_MODELS_H
#define NPI_PIPE_MODELS_H
#include "backend/lineup.h"
#include "card/card.h"
#include "decode/head.h"
#include "vision/vision.h"

#define NPI_DEFAULT_DETECTOR "efficientdet_lite0_int8"
#define NPI_DEFAULT_POSE "blazepose_full"

/* What the pipeline knows of a net on one runtime: it hangs on the engine. Runtimes may read different files of one net, and ours does not
 * compute what the head does not read, so layout and outputs can differ; the size of the input cannot. */
struct npi_face {
    struct npi_card card;          /* as the net's, but class_index is 0 where only the person's column is computed, and depth_bins is
                                    * set where of a volume only its bins' sums are */
    struct npi_net_in in;
    struct npi_view out[NPI_MAX_OUTPUTS];
    int n_out;
};

struct npi_net {
    struct npi_card card;
    struct npi_net_in in;          /* of the runtime that was chosen first; width and height hold for all */
    struct npi_lineup *lineup;     /* who runs it */
    struct npi_choice *choice;     /* how that was decided; NULL: only our own engine was wanted */
    char path[512];
};

/* name: card (.json), model file, or the id of a card whose file lies in one of `dirs` (colon-separated; may be NULL).
 * side > 0: longer side of the input wanted, the shorter in proportion; `must` 1: an error when the model cannot, 0: the
 * file's own size then, with a line in the log. NP_EMODEL when there is no such model, with what to do. */
int npi_net_open(struct npi_net *out, const char *name, const char *dirs, const char *isa, int side, int must, const struct np_logger *log, struct np_error *err);
struct npi_wish;
/* Likewise, on the runtime that `w` wishes for (choose.h); NULL: our own engine. */
int npi_net_open_on(struct npi_net *out, const char *name, const char *dirs, const char *isa, int side, int must, const struct npi_wish *w, const struct np_logger *log,
                    struct np_error *err);
void npi_net_close(struct npi_net *n);
/* The card of what npi_net_open would take by that name, as far as it can be told without opening the model; 0: it cannot. */
int npi_net_card(struct npi_card *out, const char *name);
/* 1: the file of the built-in card `id` lies in one of `dirs`. */
int npi_net_there(const char *id, const char *dirs);
/* The quantized sibling of a net: the built-in card ID_int8 whose file is there, or STEM_int8.onnx / .tflite beside the net's own file (as docs/quantize.md
 * calls them). 1: its name is in out, as npi_net_open takes it. path: of the net's file; NULL: where one of `dirs` has it. */
int npi_net_quantized(const char *id, const char *path, const char *dirs, char *out, size_t size);
/* Weights of our own engine, packed; 0: another runtime has them. */
size_t npi_net_weights(const struct npi_net *n);
/* Of models.c, for choose.c: the card from the tensors; the face of an engine; a size of which the longer side is `side`, in proportion. */
int npi_net_guess(struct npi_card *card, const char *path, const struct npi_engine *e, const struct np_logger *log, struct np_error *err);
int npi_face_make(struct npi_engine *e, const struct npi_card *card, int took_column, int took_bins, struct np_error *err);
int npi_scaled_size(int side, int64_t *height, int64_t *width);
#endif
