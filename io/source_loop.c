/* SPDX-License-Identifier: Apache-2.0 */
/* "loop:SPEC": a file that begins anew at its end, for benchmarks and soak tests. Numbers and time stamps go on, one nominal
 * frame after the last. The end of a pass shows to a tracker as a cut: people are somewhere else. */
#include "source.h"

#include <stdlib.h>
#include <string.h>

struct loop {
    struct npi_source *inner;
    struct npi_source_params p;
    char *spec;
    int64_t index, pts_base, pts_last, step_ns; /* pts_base is added to what the file says in this pass */
    int n_in_pass;
};

static int probe(const char *spec) { return !strncmp(spec, "loop:", 5); }

static void close_loop(void *priv) {
    struct loop *const l = priv;
    npi_source_close(&l->inner);
    free(l->spec);
    free(l);
}

static int open_loop(void **priv, const char *spec, const struct npi_source_params *p, struct npi_source_info *info, struct np_error *err) {
    struct loop *const l = calloc(1, sizeof *l);
    int r = l && (l->spec = strdup(spec + 5)) ? 0 : npi_io_fail(err, NP_ENOMEM, "out of memory");
    if (r == 0) l->p = *p;
    if (r == 0 && (r = npi_source_open(&l->inner, l->spec, p, err)) == 0) {
        *info = l->inner->info;
        info->n_frames = -1;
        l->step_ns = info->rate_num > 0 ? (int64_t)1000000000 * info->rate_den / info->rate_num : 33333333;
        if (info->live) r = npi_io_fail(err, NP_EINVAL, "'%s' has no end that it could loop at", l->spec);
    }
    if (r < 0) {
        if (l) close_loop(l);
        return r;
    }
    *priv = l;
    return 0;
}

static int read_loop(void *priv, struct npi_pic **out, struct np_error *err) {
    struct loop *const l = priv;
    int r;
    while ((r = npi_source_read(l->inner, out, err)) == NP_EEND) {
        if (!l->n_in_pass) return npi_io_fail(err, NP_EFORMAT, "'%s' has no frame to loop over", l->spec);
        npi_source_close(&l->inner);
        if ((r = npi_source_open(&l->inner, l->spec, &l->p, err)) < 0) return r;
        l->n_in_pass = 0;
        l->pts_base = l->pts_last + l->step_ns;
    }
    if (r < 0) return r;
    struct np_frame *const f = &(*out)->f;
    l->n_in_pass++;
    f->index = l->index++;
    if (f->pts_ns >= 0) l->pts_last = f->pts_ns += l->pts_base;
    return 0;
}

const struct npi_source_ops npi_source_loop = { "loop", probe, open_loop, read_loop, close_loop };
