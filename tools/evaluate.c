/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/source.h"
#include "tool.h"

static int path_of(char *out, size_t size, const struct evaluation *j, const struct np_eval_image *im, struct np_error *err) {
    if ((size_t)snprintf(out, size, "%s/%s", j->images, im->file) >= size) return npi_io_fail(err, NP_ENOENT, "'%.200s…': the name is too long", im->file);
    return 0;
}

/* Before minutes of work, not after: is every picture there? */
int evaluation_check(const struct evaluation *j, struct np_error *err) {
    struct np_eval_image im;
    char path[4096];
    int missing = 0, first = -1;
    for (int i = 0; np_eval_image(j->eval, i, &im) == 0; i++) {
        const int r = path_of(path, sizeof path, j, &im, err);
        if (r < 0) return r;
        if (access(path, R_OK) == 0) continue;
        if (!missing++) first = i;
    }
    if (!missing) return 0;
    np_eval_image(j->eval, first, &im);
    return npi_io_fail(err, NP_ENOENT, "%d of the labels' %d pictures are not in '%s', the first is '%s'", missing, j->info.n_images, j->images, im.file);
}

/* The picture as stored: labels do not know of a camera's turn. */
static int read_picture(const struct evaluation *j, const struct np_eval_image *im, struct npi_source **src, struct npi_pic **pic, struct np_error *err) {
    char path[4096];
    const struct npi_source_params sp = { .logger = j->log };
    int r = path_of(path, sizeof path, j, im, err);
    if (r < 0 || (r = npi_source_open(src, path, &sp, err)) < 0) return r;
    if ((r = npi_source_read(*src, pic, err)) < 0) return r == NP_EEND ? npi_io_fail(err, NP_EFORMAT, "'%s' is no picture that can be decoded", path) : r;
    (*pic)->f.rotation = 0;
    if (im->width && im->height && (im->width != (*pic)->f.width || im->height != (*pic)->f.height))
        return npi_io_fail(err, NP_EFORMAT, "'%s' is %dx%d, the labels say %dx%d: they are of another file", path, (*pic)->f.width, (*pic)->f.height, im->width, im->height);
    return 0;
}

static int one_picture(struct evaluation *j, struct np_context *ctx, int i, struct np_box *box, int64_t *label, int cap, struct np_error *err) {
    struct np_eval_image im;
    struct npi_source *src = NULL;
    struct npi_pic *pic = NULL;
    const struct np_result *res;
    np_eval_image(j->eval, i, &im);
    const int n = j->given ? np_eval_boxes(j->eval, i, box, label, cap) : 0;
    if (j->given && !n) return 0; /* nobody is labelled: nothing to ask for */
    int r = read_picture(j, &im, &src, &pic, err);
    if (r == 0) {
        struct np_frame f = pic->f;
        f.release = NULL; /* the reference stays ours */
        r = np_process_still(ctx, &f, j->given ? box : NULL, n, &res, err);
        if (r == 0) j->nets_s += (double)res->total_ms * 1e-3;
        for (int k = 0; r == 0 && k < res->n_persons; k++) {
            r = np_eval_add(j->eval, i, j->given ? label[k] : -1, &res->persons[k], res->set, err);
            j->n_persons++;
        }
    }
    npi_pic_unref(pic);
    npi_source_close(&src);
    return r;
}

int evaluation_run(struct evaluation *j, struct np_context *ctx, struct np_error *err) {
    const int tty = j->progress && isatty(STDERR_FILENO);
    int r = 0, cap = 1;
    j->n_persons = 0;
    j->nets_s = 0;
    for (int i = 0; i < j->info.n_images; i++) {
        const int n = np_eval_boxes(j->eval, i, NULL, NULL, 0);
        if (n > cap) cap = n;
    }
    struct np_box *box = calloc((size_t)cap, sizeof *box);
    int64_t *label = calloc((size_t)cap, sizeof *label);
    if (!box || !label) r = npi_io_fail(err, NP_ENOMEM, "out of memory");
    const int64_t t0 = npi_io_now_ns();
    for (int i = 0; i < j->info.n_images && r == 0; i++) {
        r = one_picture(j, ctx, i, box, label, cap, err);
        if (tty && (i % 16 == 0 || r < 0)) fprintf(stderr, "\r\033[K%d of %d pictures", i, j->info.n_images);
    }
    j->wall_s = (double)(npi_io_now_ns() - t0) * 1e-9;
    if (tty) fputs("\r\033[K", stderr);
    free(box);
    free(label);
    return r;
}
