/* SPDX-License-Identifier: Apache-2.0 */
/* "P6 width height maxval" then the bytes; comments run from # to the end of the line. */
#include "pnm.h"

#include <stdlib.h>
#include <string.h>

struct pnm_pixels { uint8_t *p; };

static void clear(void *v) {
    struct pnm_pixels *const px = v;
    free(px->p);
    px->p = NULL;
}
static void destroy(void *v) {
    clear(v);
    free(v);
}
struct npi_pic_pool *npi_pnm_pool_new(void) { return npi_pic_pool_new(clear, destroy); }

int npi_pnm_probe(const void *data, size_t size) {
    const uint8_t *p = data;
    return size >= 3 && p[0] == 'P' && (p[1] == '5' || p[1] == '6') && (p[2] == ' ' || p[2] == '\n' || p[2] == '\r' || p[2] == '\t' || p[2] == '#');
}

/* The next number of the header, or -1. */
static long number(const uint8_t *p, size_t size, size_t *pos) {
    long v = -1;
    while (*pos < size) {
        const uint8_t c = p[*pos];
        if (c == '#') {
            while (*pos < size && p[*pos] != '\n') ++*pos;
        } else if (c == ' ' || c == '\n' || c == '\r' || c == '\t') ++*pos;
        else break;
    }
    for (; *pos < size && p[*pos] >= '0' && p[*pos] <= '9'; ++*pos) {
        v = (v < 0 ? 0 : v) * 10 + (p[*pos] - '0');
        if (v > 1000000) return -1;
    }
    return v;
}

int npi_pnm_decode(struct npi_pic **out, struct npi_pic_pool *pool, const void *data, size_t size, const char *path, struct np_error *err) {
    const uint8_t *p = data;
    size_t pos = 2;
    const int channels = p[1] == '6' ? 3 : 1;
    const long w = number(p, size, &pos), h = number(p, size, &pos), max = number(p, size, &pos);
    if (w < 1 || h < 1 || max < 1) return npi_io_fail(err, NP_EFORMAT, "'%s': the PPM header is damaged", path);
    if (w > 16384 || h > 16384) return npi_io_fail(err, NP_ELIMIT, "'%s': %ldx%ld is more than 16384 pixels a side", path, w, h);
    if (max != 255) return npi_io_fail(err, NP_EUNSUPPORTED, "'%s': PPM with %ld levels; only 255 is supported", path, max);
    const size_t bytes = (size_t)w * (size_t)h * (size_t)channels;
    if (pos >= size || bytes > size - pos - 1) return npi_io_fail(err, NP_EFORMAT, "'%s' is truncated: %ldx%ld promised", path, w, h);
    struct npi_pic *const pic = npi_pic_get(pool);
    struct pnm_pixels *px = pic ? pic->pixels : NULL;
    if (pic && !px) px = pic->pixels = calloc(1, sizeof *px);
    if (!px || !(px->p = malloc(bytes))) {
        npi_pic_unref(pic);
        return npi_io_fail(err, NP_ENOMEM, "'%s': out of memory", path);
    }
    memcpy(px->p, p + pos + 1, bytes);
    pic->f.format = channels == 3 ? NP_PIX_RGB24 : NP_PIX_GRAY8;
    pic->f.width = (int)w;
    pic->f.height = (int)h;
    pic->f.plane[0] = px->p;
    pic->f.stride_bytes[0] = w * channels;
    pic->f.full_range = 1;
    *out = pic;
    return 0;
}
