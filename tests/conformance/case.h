/* SPDX-License-Identifier: Apache-2.0 */
/* The files of one TFLite conformance case: see tflite_ops.c for their names. */
#ifndef NPI_TESTS_CASE_H
#define NPI_TESTS_CASE_H
#include <stddef.h>
#include <stdint.h>

enum { CASE_MAX_IO = 16 };
struct case_data {
    char stem[4096];                 /* path without ".tflite", or the folder with a slash */
    int csv;
    void *model; size_t model_bytes;
    int n_in, n_out;
    void *in[CASE_MAX_IO], *out[CASE_MAX_IO];
};

/* Whole file, zero-terminated; NULL when it can't be read. */
char *case_file(const char *path, size_t *bytes);
int case_load(struct case_data *c, const char *path, char *msg, size_t size);
void case_free(struct case_data *c);
/* Data of input or output k as `dtype` (enum np_dtype), exactly `bytes`; NULL with a message otherwise. Owned by c, which keeps 64 bytes
 * behind it readable. */
void *case_input(struct case_data *c, int k, int dtype, size_t bytes, char *msg, size_t size);
void *case_output(struct case_data *c, int k, int dtype, size_t bytes, char *msg, size_t size);
#endif
