/* SPDX-License-Identifier: Apache-2.0 */
/* SDL2, loaded when a window is opened: linking it costs every run 24 libraries more (X11, Wayland, PulseAudio …), 2.7 MB and a quarter of the
 * time to start, and a machine without them could not run the command at all. Whoever includes this calls SDL as usual. */
#ifndef NPI_IO_SDL_DL_H
#define NPI_IO_SDL_DL_H
#define SDL_MAIN_HANDLED
#include <SDL.h>

#include "io.h"

#define NPI_SDL_LIST(X) \
    X(SDL_CreateRenderer) X(SDL_CreateTexture) X(SDL_CreateWindow) X(SDL_DestroyRenderer) X(SDL_DestroyTexture) \
    X(SDL_DestroyWindow) X(SDL_GetDisplayUsableBounds) X(SDL_GetError) X(SDL_GetRendererOutputSize) X(SDL_GetWindowDisplayIndex) \
    X(SDL_Init) X(SDL_PollEvent) X(SDL_Quit) X(SDL_RenderClear) X(SDL_RenderCopyExF) X(SDL_RenderFillRect) X(SDL_RenderFillRects) \
    X(SDL_RenderGeometry) X(SDL_RenderPresent) X(SDL_SetHint) X(SDL_SetRenderDrawBlendMode) X(SDL_SetRenderDrawColor) \
    X(SDL_SetWindowFullscreen) X(SDL_SetWindowPosition) X(SDL_SetWindowSize) X(SDL_SetYUVConversionMode) X(SDL_UpdateNVTexture) \
    X(SDL_UpdateTexture) X(SDL_UpdateYUVTexture)

#define NPI_SDL_MEMBER(name) __typeof__(&name) name##_;
struct npi_sdl { NPI_SDL_LIST(NPI_SDL_MEMBER) };
extern struct npi_sdl npi_sdl;
/* Fills npi_sdl; once is enough. NP_EUNSUPPORTED with a line when there is no SDL2, or one that is too old. One thread at a time. */
int npi_sdl_load(struct np_error *err);

#ifndef NPI_SDL_DL_C
#define SDL_CreateRenderer npi_sdl.SDL_CreateRenderer_
#define SDL_CreateTexture npi_sdl.SDL_CreateTexture_
#define SDL_CreateWindow npi_sdl.SDL_CreateWindow_
#define SDL_DestroyRenderer npi_sdl.SDL_DestroyRenderer_
#define SDL_DestroyTexture npi_sdl.SDL_DestroyTexture_
#define SDL_DestroyWindow npi_sdl.SDL_DestroyWindow_
#define SDL_GetDisplayUsableBounds npi_sdl.SDL_GetDisplayUsableBounds_
#define SDL_GetError npi_sdl.SDL_GetError_
#define SDL_GetRendererOutputSize npi_sdl.SDL_GetRendererOutputSize_
#define SDL_GetWindowDisplayIndex npi_sdl.SDL_GetWindowDisplayIndex_
#define SDL_Init npi_sdl.SDL_Init_
#define SDL_PollEvent npi_sdl.SDL_PollEvent_
#define SDL_Quit npi_sdl.SDL_Quit_
#define SDL_RenderClear npi_sdl.SDL_RenderClear_
#define SDL_RenderCopyExF npi_sdl.SDL_RenderCopyExF_
#define SDL_RenderFillRect npi_sdl.SDL_RenderFillRect_
#define SDL_RenderFillRects npi_sdl.SDL_RenderFillRects_
#define SDL_RenderGeometry npi_sdl.SDL_RenderGeometry_
#define SDL_RenderPresent npi_sdl.SDL_RenderPresent_
#define SDL_SetHint npi_sdl.SDL_SetHint_
#define SDL_SetRenderDrawBlendMode npi_sdl.SDL_SetRenderDrawBlendMode_
#define SDL_SetRenderDrawColor npi_sdl.SDL_SetRenderDrawColor_
#define SDL_SetWindowFullscreen npi_sdl.SDL_SetWindowFullscreen_
#define SDL_SetWindowPosition npi_sdl.SDL_SetWindowPosition_
#define SDL_SetWindowSize npi_sdl.SDL_SetWindowSize_
#define SDL_SetYUVConversionMode npi_sdl.SDL_SetYUVConversionMode_
#define SDL_UpdateNVTexture npi_sdl.SDL_UpdateNVTexture_
#define SDL_UpdateTexture npi_sdl.SDL_UpdateTexture_
#define SDL_UpdateYUVTexture npi_sdl.SDL_UpdateYUVTexture_
#endif
#endif
