/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures: one file, a folder (in natural order: img2 before img10) or a glob. Sizes may differ from one to the next.
 * Told by content, not by name; a picture that cannot be decoded is warned about and passed over, unless it is the only one. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "pnm.h"
#include "source.h"
#ifdef NPI_HAVE_FFMPEG
#include "av_pic.h"
#endif

#define MAX_PICTURE_BYTES ((size_t)512 << 20)

struct pictures {
    char **path;
    size_t n, next;
    int64_t n_given;
    struct npi_pic_pool *pnm_pool;
#ifdef NPI_HAVE_FFMPEG
    struct npi_pic_pool *av_pool;
    AVFrame *frame;
    struct SwsContext *sws;
#endif
    struct np_logger logger;
    const atomic_int *stop;
};

static int has_picture_name(const char *name) {
    static const char *const ext[] = { "jpg", "jpeg", "png", "bmp", "webp", "tif", "tiff", "ppm", "pgm", "pnm" };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof ext / sizeof ext[0]; i++) {
        if (!strcasecmp(dot + 1, ext[i])) return 1;
    }
    return 0;
}

static int has_picture_content(const char *path) {
    uint8_t b[16] = { 0 };
    FILE *f = fopen(path, "rb");
    if (!f) return 0;
    const size_t n = fread(b, 1, sizeof b, f);
    fclose(f);
    return npi_pnm_probe(b, n) || (n >= 3 && !memcmp(b, "\xff\xd8\xff", 3)) || (n >= 8 && !memcmp(b, "\x89PNG\r\n\x1a\n", 8)) ||
           (n >= 14 && !memcmp(b, "BM", 2) && !b[6] && !b[7] && !b[8] && !b[9]) || (n >= 12 && !memcmp(b, "RIFF", 4) && !memcmp(b + 8, "WEBP", 4)) ||
           (n >= 4 && (!memcmp(b, "II*\0", 4) || !memcmp(b, "MM\0*", 4)));
}

static int pictures_probe(const char *spec) {
    struct stat st;
    if (!strcmp(spec, "-") || strstr(spec, "://") || !strncmp(spec, "lavfi:", 6)) return 0;
    if (stat(spec, &st) == 0) {
        if (S_ISDIR(st.st_mode)) return 1;
        return S_ISREG(st.st_mode) && (has_picture_content(spec) || (st.st_size > 0 && has_picture_name(spec)));
    }
    return strpbrk(spec, "*?[") != NULL;
}

static void pictures_close(void *priv) {
    struct pictures *const s = priv;
    if (!s) return;
    for (size_t i = 0; i < s->n; i++) free(s->path[i]);
    free(s->path);
    npi_pic_pool_free(s->pnm_pool);
#ifdef NPI_HAVE_FFMPEG
    npi_pic_pool_free(s->av_pool);
    av_frame_free(&s->frame);
    sws_freeContext(s->sws);
#endif
    free(s);
}

static int add(struct pictures *s, const char *dir, const char *name) {
    if ((s->n & (s->n - 1)) == 0) { /* grows at 0, 1, 2, 4, 8 … */
        char **const p = realloc(s->path, (s->n ? s->n * 2 : 1) * sizeof *p);
        if (!p) return -1;
        s->path = p;
    }
    char *path = NULL;
    const size_t len = dir ? strlen(dir) : 0;
    if (asprintf(&path, "%s%s%s", dir ? dir : "", len && dir[len - 1] != '/' ? "/" : "", name) < 0) return -1;
    s->path[s->n++] = path;
    return 0;
}

static int by_name(const void *a, const void *b) { return strverscmp(*(char *const *)a, *(char *const *)b); }

static int list_folder(struct pictures *s, const char *spec, struct np_error *err) {
    DIR *const d = opendir(spec);
    if (!d) return npi_io_fail(err, NP_EIO, "cannot read the folder '%s': %s", spec, strerror(errno));
    int r = 0;
    for (const struct dirent *e; r == 0 && (e = readdir(d));) {
        if (e->d_name[0] != '.' && has_picture_name(e->d_name) && add(s, spec, e->d_name) < 0) r = NP_ENOMEM;
    }
    closedir(d);
    if (r < 0) return npi_io_fail(err, r, "'%s': out of memory", spec);
    if (s->n == 0) return npi_io_fail(err, NP_ENOENT, "the folder '%s' holds no pictures (jpg, png, bmp, webp, tif, ppm)", spec);
    return 0;
}

static int list_glob(struct pictures *s, const char *spec, struct np_error *err) {
    glob_t g;
    struct stat st;
    int r = 0;
    if (glob(spec, GLOB_NOSORT, NULL, &g) != 0) return npi_io_fail(err, NP_ENOENT, "no file matches '%s'", spec);
    for (size_t i = 0; r == 0 && i < g.gl_pathc; i++) {
        if (stat(g.gl_pathv[i], &st) == 0 && S_ISREG(st.st_mode) && add(s, NULL, g.gl_pathv[i]) < 0) r = NP_ENOMEM;
    }
    globfree(&g);
    if (r < 0) return npi_io_fail(err, r, "'%s': out of memory", spec);
    if (s->n == 0) return npi_io_fail(err, NP_ENOENT, "no file matches '%s'", spec);
    return 0;
}

static int pictures_open(void **priv, const char *spec, const struct npi_source_params *p, struct npi_source_info *info, struct np_error *err) {
    struct stat st;
    struct pictures *const s = calloc(1, sizeof *s);
    if (!s || !(s->pnm_pool = npi_pnm_pool_new())) {
        free(s);
        return npi_io_fail(err, NP_ENOMEM, "out of memory");
    }
    s->logger = p->logger;
    s->stop = p->stop;
    int r = 0;
    if (stat(spec, &st) < 0) r = list_glob(s, spec, err);
    else if (S_ISDIR(st.st_mode)) r = list_folder(s, spec, err);
    else if (add(s, NULL, spec) < 0) r = npi_io_fail(err, NP_ENOMEM, "out of memory");
#ifdef NPI_HAVE_FFMPEG
    npi_av_quiet();
    if (r == 0 && (!(s->av_pool = npi_av_pool_new()) || !(s->frame = av_frame_alloc()))) r = npi_io_fail(err, NP_ENOMEM, "out of memory");
#endif
    if (r < 0) {
        pictures_close(s);
        return r;
    }
    qsort(s->path, s->n, sizeof *s->path, by_name);
    info->kind = "pictures";
    info->n_frames = (int64_t)s->n;
    *priv = s;
    return 0;
}

static int decode(struct pictures *s, const char *path, struct npi_pic **out, struct np_error *err) {
    void *data = NULL;
    size_t size = 0;
    int r = npi_io_read_file(&data, &size, path, MAX_PICTURE_BYTES, err);
    if (r < 0) return r;
    if (size == 0) r = npi_io_fail(err, NP_EFORMAT, "'%s' is empty: no picture in it", path);
    else if (npi_pnm_probe(data, size)) r = npi_pnm_decode(out, s->pnm_pool, data, size, path, err);
#ifdef NPI_HAVE_FFMPEG
    else if ((r = npi_av_decode_picture(s->frame, data, size, path, err)) == 0) r = npi_av_take(out, s->av_pool, s->frame, &s->sws, 0, err);
#else
    else r = npi_io_fail(err, NP_EUNSUPPORTED, "cannot read '%s': this build has no FFmpeg and reads only PPM and PGM pictures", path);
#endif
    free(data);
    return r;
}

static int pictures_read(void *priv, struct npi_pic **out, struct np_error *err) {
    struct pictures *const s = priv;
    struct np_error e = { 0 };
    while (s->next < s->n) {
        if (s->stop && atomic_load(s->stop)) return npi_io_fail(err, NP_EINTR, "interrupted");
        const char *const path = s->path[s->next++];
        const int r = decode(s, path, out, &e);
        if (r == 0) {
            struct npi_pic *const pic = *out;
            const char *const base = npi_io_basename(path);
            free(pic->name_buf);
            pic->name = pic->name_buf = strdup(base);
            pic->f.index = s->n_given++;
            return 0;
        }
        if (s->n > 1) npi_io_log(&s->logger, NP_LOG_WARN, "%s: left out", e.message);
    }
    if (s->n_given > 0) return NP_EEND;
    if (s->n == 1) return npi_io_fail(err, e.code, "%s", e.message);
    return npi_io_fail(err, NP_EFORMAT, "none of the %zu pictures could be read", s->n);
}

const struct npi_source_ops npi_source_pictures = { "pictures", pictures_probe, pictures_open, pictures_read, pictures_close };
