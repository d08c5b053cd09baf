/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of np_convert. */
#ifndef NPI_API_CONVERT_PRIV_H
#define NPI_API_CONVERT_PRIV_H
#include "base/mem.h"
#include "base/mmap.h"
#include "card/card.h"
#include "export/export.h"
#include "nextpose/convert.h"

/* convert_card.c: what goes along with the net */
struct npi_luggage { struct npi_meta *meta; int n_meta; struct npi_card card; int has_card; char note[512]; };
int npi_luggage_pack(struct npi_luggage *l, struct npi_arena *mem, const char *in, const struct npi_file *f, const struct np_convert_params *p, int format, const char *out,
                     struct np_error *err);
/* The card beside the output, unless there is a file of that name; `written` gets its path, or "". */
int npi_luggage_card(const struct npi_luggage *l, const char *out, char *written, size_t size, char *note, size_t note_size, struct np_error *err);

/* convert_check.c: both models on a made-up picture, as the card (may be NULL) says that the input wants it. *difference: |y - y'| / |y| of the worst output. */
int npi_convert_check(const struct npi_file *in, const char *in_path, const void *out, size_t out_size, const char *out_path, const struct np_convert_params *p, const struct npi_card *card, double *difference,
                      struct np_error *err);
/* Can it be read back, and does it give finite outputs on the made-up picture? */
int npi_convert_runs(const void *out, size_t out_size, const char *out_path, const struct npi_card *card, struct np_error *err);
void npi_note(char *notes, size_t size, const char *fmt, ...) NPI_PRINTF(3, 4);
#endif
