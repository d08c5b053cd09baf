/* SPDX-License-Identifier: Apache-2.0 */
/* See sdl_dl.h. */
#define _GNU_SOURCE
#define NPI_SDL_DL_C
#include "sdl_dl.h"

#include <dlfcn.h>
#include <string.h>

struct npi_sdl npi_sdl;

int npi_sdl_load(struct np_error *err) {
    static const char lib[] = "libSDL2-2.0.so.0";
    void *const h = dlopen(lib, RTLD_NOW | RTLD_LOCAL);
    if (!h) return npi_io_fail(err, NP_EUNSUPPORTED, "a window needs %s, which is not installed (Debian: libsdl2-2.0-0); --view web needs none", lib);
    void *f;
#define LOAD(name)                                                                                                                   \
    if (!(f = dlsym(h, #name))) return npi_io_fail(err, NP_EUNSUPPORTED, "%s is too old for the window: it lacks %s", lib, #name);    \
    memcpy(&npi_sdl.name##_, &f, sizeof f);
    NPI_SDL_LIST(LOAD)
    return 0;
}
