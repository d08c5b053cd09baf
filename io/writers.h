/* SPDX-License-Identifier: Apache-2.0 */
/* Every writer, one a line: a new format adds its file and its name here and in write_util.c. */
#ifndef NPI_IO_WRITERS_H
#define NPI_IO_WRITERS_H
#include "writer.h"
extern const struct npi_writer_ops npi_writer_jsonl, npi_writer_csv, npi_writer_openpose, npi_writer_coco, npi_writer_alphapose,
    npi_writer_motchallenge;
#endif
