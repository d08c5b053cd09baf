/* SPDX-License-Identifier: Apache-2.0 */
/* Lines, discs, text and people on an SDL renderer; pixels of the renderer's output. */
#ifndef NPI_IO_WINDOW_DRAW_H
#define NPI_IO_WINDOW_DRAW_H
#include "hub.h"
#include "sdl_dl.h"

/* Where the picture lies: shown pixel (x, y) is at (left + x * scale, top + y * scale). */
struct npi_place { float left, top, scale; };

void npi_sdl_line(SDL_Renderer *r, float x0, float y0, float x1, float y1, float thickness, const uint8_t rgb[3]);
void npi_sdl_disc(SDL_Renderer *r, float x, float y, float radius, const uint8_t rgb[3]);
void npi_sdl_fill(SDL_Renderer *r, int x, int y, int w, int h, const uint8_t rgb[3], int alpha);
/* The dot font of draw.c: 6 * scale pixels a sign, 8 * scale a line. Returns the width. */
int npi_sdl_text(SDL_Renderer *r, int x, int y, int scale, const char *text, const uint8_t rgb[3]);
void npi_sdl_persons(SDL_Renderer *r, const struct npi_shot *s, const struct npi_place *at, float kpt_thr, int boxes, int ids);
/* Everything that is known, as a panel at (x, y); and the line of rates that is always there. */
void npi_sdl_panel(SDL_Renderer *r, int x, int y, int scale, const struct np_stats *s, const struct npi_stats_extra *extra);
void npi_sdl_rates(SDL_Renderer *r, int x, int y, int scale, const struct np_stats *s, const struct npi_stats_extra *extra);
#endif
