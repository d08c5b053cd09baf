/* SPDX-License-Identifier: Apache-2.0 */
/* What the library and nextpose-worker say to each other (isolate.c, worker.c). Both are of one build; the number below is checked all the same.
 *
 *   control socket, one a process          worker: HELLO protocol abi name | error
 *     SCORE params          ─> SCORED
 *     OPEN id share params + [model memory, data socket]          answered on the data socket
 *     CANCEL id             (no answer)
 *     end of file           the worker closes what is open and ends
 *   data socket, one a net
 *     <─ OPENED code error tensors device size + [tensor memory]
 *     RUN                   ─> RAN code error        inputs and outputs lie in the tensor memory
 *     CLOSE                 ─> CLOSED
 *     <─ LOG level line     at any time
 *
 * Sockets are SEQPACKET: a message comes whole or not at all. A message is bytes written one after the other; the reader is bounded (base/buf.h). The
 * library believes nothing that a worker says: a runtime that wrote over its memory may say anything. */
#ifndef NPI_BACKEND_WIRE_H
#define NPI_BACKEND_WIRE_H
#include "base/buf.h"
#include "nextpose/backend.h"

#define NPI_WIRE_PROTOCOL 1
#define NPI_WIRE_MAX 32768
#define NPI_WIRE_TENSORS 32
#define NPI_WIRE_FD 3 /* the worker's end of the control socket */

enum npi_wire_kind {
    NPI_WIRE_HELLO = 1, NPI_WIRE_SCORE, NPI_WIRE_SCORED, NPI_WIRE_OPEN, NPI_WIRE_OPENED, NPI_WIRE_RUN, NPI_WIRE_RAN, NPI_WIRE_CANCEL, NPI_WIRE_CLOSE,
    NPI_WIRE_CLOSED, NPI_WIRE_LOG
};

struct npi_wire { size_t n; int bad; uint8_t b[NPI_WIRE_MAX]; };

void npi_wire_begin(struct npi_wire *w, uint32_t kind);
void npi_wire_u32(struct npi_wire *w, uint32_t v);
void npi_wire_u64(struct npi_wire *w, uint64_t v);
void npi_wire_str(struct npi_wire *w, const char *s); /* NULL stays NULL */
void npi_wire_error(struct npi_wire *w, int code, const struct np_error *e);
/* All of the params but model, share and logger. */
void npi_wire_params(struct npi_wire *w, const struct np_backend_params *p);

/* A string that lies in the message, or NULL; a message that is wrong sets bad. */
const char *npi_read_str(struct npi_buf *b);
int npi_read_error(struct npi_buf *b, struct np_error *e); /* the code */
struct npi_wire_lists { struct np_backend_option option[64]; uint64_t cpu_mask[64]; };
/* Pointers go into the message and into `lists`. 0: a message that is wrong. */
int npi_read_params(struct npi_buf *b, struct np_backend_params *p, struct npi_wire_lists *lists);

/* 0, or NP_EIO (the other side is gone, or the message was too long: bad). flags: of sendmsg. */
int npi_wire_send(int fd, const struct npi_wire *w, const int *fds, int n_fds, int flags);
/* One message into `w`; *body begins behind its kind, which is returned; 0: nothing there (flags MSG_DONTWAIT); NP_EIO: the other side is gone, NP_EFORMAT.
 * fds[n_fds]: -1 or descriptors that belong to the caller now. */
int npi_wire_recv(int fd, struct npi_wire *w, struct npi_buf *body, int *fds, int n_fds, int flags);
#endif
