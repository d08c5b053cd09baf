/* SPDX-License-Identifier: Apache-2.0 */
/* The window (SDL2): live picture, skeletons, ids, rates; a panel of numbers. All of SDL lives on the window's own thread, so that nothing that a user or a
 * window system does there holds up anybody else. Keys: docs/views.md. */
#ifndef NPI_IO_WINDOW_H
#define NPI_IO_WINDOW_H
#include "hub.h"

struct npi_window;
struct npi_window_params {
    const char *title;
    int boxes, ids;                    /* 1: drawn */
    void (*closed)(void *opaque);      /* the user closed it; called once, on the window's thread, which ends then */
    void *opaque;
};
/* 1: there is a display that a window could be opened on. */
int npi_window_possible(void);
/* The window is there when it returns 0. NP_EUNSUPPORTED with a line: no display, or none that SDL can use. */
int npi_window_open(struct npi_window **out, struct npi_hub *hub, const struct npi_window_params *p, struct np_error *err);
/* Pointer to NULL is fine. */
void npi_window_close(struct npi_window **w);
#endif
