/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol-buffer wire format, written: the twin of import/pb.h.
 *
 *   const size_t m = npi_pbw_begin(&b, 7);    a message in field 7 …
 *   npi_pbw_int(&b, 1, 42);
 *   npi_pbw_end(&b, m);                       … whose length is filled in now
 *
 * The length of a message is not known when it begins; its varint is written with five bytes, which every reader takes. */
#ifndef NPI_EXPORT_PBW_H
#define NPI_EXPORT_PBW_H
#include "export/bytes.h"

void npi_pbw_varint(struct npi_bytes *b, uint64_t v);
void npi_pbw_int(struct npi_bytes *b, uint32_t field, int64_t v);
void npi_pbw_float(struct npi_bytes *b, uint32_t field, float v);
void npi_pbw_bytes(struct npi_bytes *b, uint32_t field, const void *p, size_t n);
void npi_pbw_str(struct npi_bytes *b, uint32_t field, const char *s);
size_t npi_pbw_begin(struct npi_bytes *b, uint32_t field);
void npi_pbw_end(struct npi_bytes *b, size_t mark);
/* Tag and length of a message of n bytes that follow from elsewhere. */
void npi_pbw_head(struct npi_bytes *b, uint32_t field, size_t n);
#endif
