/* SPDX-License-Identifier: Apache-2.0 */
/* The list of sources, and the pool that recycles their pictures. Opening and reading: source_retry.c. */
#include "source.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct npi_pic_pool {
    pthread_mutex_t lock;
    struct npi_pic *free_list;
    int n_out;                  /* pictures in use */
    int closed;                 /* the owner is gone: the last picture frees the pool */
    void (*clear)(void *pixels);
    void (*destroy)(void *pixels);
};

static void pool_destroy(struct npi_pic_pool *p) {
    while (p->free_list) {
        struct npi_pic *const pic = p->free_list;
        p->free_list = pic->next;
        if (pic->pixels) p->destroy(pic->pixels);
        free(pic->name_buf);
        free(pic);
    }
    pthread_mutex_destroy(&p->lock);
    free(p);
}

struct npi_pic_pool *npi_pic_pool_new(void (*clear)(void *), void (*destroy)(void *)) {
    struct npi_pic_pool *const p = calloc(1, sizeof *p);
    if (!p) return NULL;
    if (pthread_mutex_init(&p->lock, NULL) != 0) {
        free(p);
        return NULL;
    }
    p->clear = clear;
    p->destroy = destroy;
    return p;
}

void npi_pic_pool_free(struct npi_pic_pool *p) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->closed = 1;
    const int last = p->n_out == 0;
    pthread_mutex_unlock(&p->lock);
    if (last) pool_destroy(p);
}

static void frame_release(void *opaque) { npi_pic_unref(opaque); }

struct npi_pic *npi_pic_get(struct npi_pic_pool *p) {
    pthread_mutex_lock(&p->lock);
    struct npi_pic *pic = p->free_list;
    if (pic) p->free_list = pic->next;
    p->n_out++;
    pthread_mutex_unlock(&p->lock);
    if (!pic && !(pic = calloc(1, sizeof *pic))) {
        pthread_mutex_lock(&p->lock);
        p->n_out--;
        pthread_mutex_unlock(&p->lock);
        return NULL;
    }
    memset(&pic->f, 0, sizeof pic->f);
    pic->f.pts_ns = -1;
    pic->f.release = frame_release;
    pic->f.opaque = pic;
    pic->name = NULL;
    pic->pool = p;
    pic->next = NULL;
    atomic_store(&pic->refs, 1);
    return pic;
}

void npi_pic_ref(struct npi_pic *p) { atomic_fetch_add(&p->refs, 1); }

void npi_pic_unref(struct npi_pic *pic) {
    if (!pic || atomic_fetch_sub(&pic->refs, 1) != 1) return;
    struct npi_pic_pool *const p = pic->pool;
    if (pic->pixels) p->clear(pic->pixels);
    pthread_mutex_lock(&p->lock);
    pic->next = p->free_list;
    p->free_list = pic;
    const int last = --p->n_out == 0 && p->closed;
    pthread_mutex_unlock(&p->lock);
    if (last) pool_destroy(p);
}

static const struct npi_source_ops *const sources[] = {
    &npi_source_loop,
    &npi_source_pictures,
#ifdef NPI_HAVE_FFMPEG
    &npi_source_av,
#endif
};

static const struct npi_source_ops *ops_of(const char *spec) {
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
        if (sources[i]->probe(spec)) return sources[i];
    return NULL;
}

int npi_source_is_live(const char *spec) {
    const struct npi_source_ops *const ops = ops_of(spec);
    return ops && ops->is_live && ops->is_live(spec);
}

int npi_source_open(struct npi_source **out, const char *spec, const struct npi_source_params *p, struct np_error *err) {
    if (!spec || !*spec) return npi_io_fail(err, NP_EINVAL, "no input given: use -i with a file, folder, camera number or URL");
    const struct npi_source_ops *const ops = ops_of(spec);
    if (ops) return npi_source_open_as(out, ops, spec, p, err);
    return npi_io_fail(err, NP_EUNSUPPORTED, "cannot open '%s': this build has no FFmpeg and reads only PPM and PGM pictures", spec);
}
