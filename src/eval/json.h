/* SPDX-License-Identifier: Apache-2.0 */
/* Reading checked numbers out of JSON: what labels.c and results.c share. Messages: "labels.json: annotations[7]: "bbox" must be 4 numbers". */
#ifndef NPI_EVAL_JSON_H
#define NPI_EVAL_JSON_H
#ifdef NPI_HAVE_JANSSON
#include <jansson.h>

#include "base/err.h"

struct npi_eval_reader { const char *where, *list; size_t i; struct np_error *err; };

int npi_eval_bad(const struct npi_eval_reader *r, const char *what);
int npi_eval_load_json(json_t **out, const char *text, size_t size, const char *where, struct np_error *err);
/* A missing key leaves *out when it is not `must`. Booleans count as 0 and 1. */
int npi_eval_get_int(const struct npi_eval_reader *r, const json_t *o, const char *key, int64_t *out, int must);
int npi_eval_get_number(const struct npi_eval_reader *r, const json_t *o, const char *key, double *out, int *found);
/* Exactly n numbers. found may be NULL: must be there. */
int npi_eval_get_numbers(const struct npi_eval_reader *r, const json_t *o, const char *key, double *out, size_t n, int *found);
#endif
#endif
