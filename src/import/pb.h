/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol-buffer wire format, read in place: a message is a run of (field number, wire type, payload).
 *
 *   struct npi_pb m = npi_pb(data, size);  struct npi_pb_field f;
 *   while (npi_pb_next(&m, &f)) if (f.num == 7) … f.sub …
 *   if (m.bad) …                                            truncated or malformed somewhere
 *
 * Nothing is copied. A field of the wrong wire type reads as 0 or as an empty message. */
#ifndef NPI_IMPORT_PB_H
#define NPI_IMPORT_PB_H
#include <stddef.h>
#include <stdint.h>

struct npi_pb { const uint8_t *p, *end; int bad; };
struct npi_pb_field {
    uint32_t num;
    int wire;                  /* 0 varint, 1 fixed64, 2 bytes, 5 fixed32 */
    uint64_t v;                /* wires 0, 1, 5 */
    struct npi_pb sub;         /* wire 2: string, bytes, message or packed numbers; else empty */
};

struct npi_pb npi_pb(const void *data, size_t size);
static inline size_t npi_pb_size(const struct npi_pb *m) { return (size_t)(m->end - m->p); }
/* 1: next field is in *f. 0: the end, or the message is broken (then m->bad is set). */
int npi_pb_next(struct npi_pb *m, struct npi_pb_field *f);
/* A bare varint, for packed fields; 0 and bad when cut off. */
uint64_t npi_pb_varint(struct npi_pb *m);
/* First field `num` of wire type 2, or an empty message. *found (may be NULL) says whether it was there. */
struct npi_pb npi_pb_find(struct npi_pb m, uint32_t num, int *found);
/* Walks numbers of a repeated field, packed or not: call with each field of that number; returns how many were written (at
 * most max - n, the count goes on in *n even when they no longer fit). `wire` is the element's wire type: 0, 1 or 5. */
void npi_pb_numbers(const struct npi_pb_field *f, int wire, uint64_t *out, size_t max, size_t *n, int *bad);
/* Same text? */
int npi_pb_is(const struct npi_pb *m, const char *s);
#endif
