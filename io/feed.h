/* SPDX-License-Identifier: Apache-2.0 */
/* The newest shot of a hub as text and JPEG, made once for all viewers, on a thread of its own, and only while somebody watches.
 *
 *   hub ── newest shot ──> encoder thread ── packet (poses as JSON + JPEG) ──> viewer, viewer, viewer
 *
 * A viewer takes the newest packet when it has sent the one before: a slow line skips pictures and delays nobody. */
#ifndef NPI_IO_FEED_H
#define NPI_IO_FEED_H
#include "hub.h"

struct npi_feed;
/* Read-only for viewers. */
struct npi_packet {
    uint64_t seq;                 /* of the shot */
    const char *json; size_t n_json;      /* one object, no newline */
    const uint8_t *jpeg; size_t n_jpeg;   /* 0: nobody wanted pictures when it was made */
};

int npi_feed_open(struct npi_feed **out, struct npi_hub *hub, struct np_error *err);
/* Wakes everybody who waits; from then on npi_feed_wait returns at once. */
void npi_feed_stop(struct npi_feed *f);
/* All packets must be back. Pointer to NULL is fine. */
void npi_feed_close(struct npi_feed **f);
/* A viewer comes (+1) or goes (-1); `pictures`: it wants JPEGs. */
void npi_feed_watch(struct npi_feed *f, int delta, int pictures);
/* The newest packet if newer than `after` (with a JPEG where `pictures`), else waits. NULL: none in time. *over: 1 when none will come any more. */
struct npi_packet *npi_feed_wait(struct npi_feed *f, uint64_t after, int pictures, int timeout_ms, int *over);
void npi_packet_unref(struct npi_feed *f, struct npi_packet *p);
#endif
