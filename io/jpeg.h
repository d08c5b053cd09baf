/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to JPEG, one after another, for the web view: scaled down and turned upright. Nothing is allocated while the size stays. */
#ifndef NPI_IO_JPEG_H
#define NPI_IO_JPEG_H
#include "io.h"

struct npi_jpeg;
/* `max_side`: pictures with a longer one are scaled down to it. `quality`: 2 (best) to 31. */
int npi_jpeg_open(struct npi_jpeg **out, int max_side, int quality, struct np_error *err);
/* *bytes belong to the encoder until the next call. */
int npi_jpeg_encode(struct npi_jpeg *j, const struct np_frame *f, const uint8_t **bytes, size_t *size, struct np_error *err);
void npi_jpeg_close(struct npi_jpeg **j);
#endif
