/* SPDX-License-Identifier: Apache-2.0 */
/* See outputs.h. */
#include "outputs.h"

#include <stdlib.h>
#include <string.h>

#include "io/draw.h"
#include "queue.h"
#include "tool.h"
#ifdef NPI_HAVE_FFMPEG
#include "io/video_out.h"
#endif

struct text_output { const struct npi_writer_ops *ops; void *priv; int failed; };

/* A picture to be drawn on, with its own copy of what was found: the library's result is given back at once. */
struct job {
    struct npi_pic *pic;
    const struct np_keypoint_set *set;
    struct np_person *person;
    int n, cap;
    int64_t pts_ns, index;
    char text[80];
};

#define N_JOBS 1 /* each holds a decoded picture: 3 MB of a 1088x1920 clip; a second one made nothing faster */
struct outputs {
    struct text_output text[2];
    int n_text;
    int has_drawing, n_outputs;
    struct outputs_params p;
    char *images_dir, stem[200];
    struct queue todo, idle;
    struct job job[N_JOBS];
    pthread_t thread;
    int thread_runs;
    struct npi_picture picture;
#ifdef NPI_HAVE_FFMPEG
    struct npi_video_out *video;
#endif
    int video_failed, images_failed;
    atomic_int n_drawing_left;      /* video and images that still work */
    int64_t n_drawn;
};

#ifdef NPI_HAVE_FFMPEG
static void draw_job(struct outputs *o, struct job *j) {
    struct np_error e = { 0 };
    if (npi_picture_from_frame(&o->picture, &j->pic->f) < 0) {
        if (!o->video_failed && !o->images_failed) tool_say("out of memory for drawing");
        o->video_failed = o->images_failed = 1;
        atomic_store(&o->n_drawing_left, 0);
        return;
    }
    if (!o->images_dir) { /* the copy is what is drawn on: the decoder may have its picture back while we encode */
        npi_pic_unref(j->pic);
        j->pic = NULL;
    }
    const struct npi_draw_params d = { .kpt_thr = o->p.kpt_thr, .boxes = o->p.draw_boxes, .ids = o->p.draw_ids, .text = *j->text ? j->text : NULL };
    npi_draw_persons(&o->picture, j->set, j->person, j->n, &d);
    if (o->video && !o->video_failed && npi_video_write(o->video, &o->picture, j->pts_ns, &e) < 0) {
        tool_say("%s; what was written before stays readable", e.message);
        o->video_failed = 1;
        atomic_fetch_sub(&o->n_drawing_left, 1);
    }
    if (o->images_dir && !o->images_failed) {
        char path[4600], stem[200];
        if (j->pic->name) {
            npi_io_stem(stem, sizeof stem, j->pic->name);
            snprintf(path, sizeof path, "%s/%s.jpg", o->images_dir, stem);
        } else snprintf(path, sizeof path, "%s/%s_%012lld.jpg", o->images_dir, o->stem, (long long)j->index);
        if (npi_jpeg_write(path, &o->picture, &e) < 0) {
            tool_say("%s", e.message);
            o->images_failed = 1;
            atomic_fetch_sub(&o->n_drawing_left, 1);
        }
    }
    o->n_drawn++;
}

static void *draw_main(void *arg) {
    struct outputs *const o = arg;
    for (struct job *j; (j = queue_pop(&o->todo));) {
        if (atomic_load(&o->n_drawing_left) > 0) draw_job(o, j);
        npi_pic_unref(j->pic);
        j->pic = NULL;
        queue_push(&o->idle, j);
    }
    return NULL;
}

static int open_drawing(struct outputs *o, struct np_error *err) {
    int r = 0;
    if (o->p.video_path) {
        const struct npi_video_params vp = { o->p.meta.rate_num, o->p.meta.rate_den, o->p.encoder_threads };
        if ((r = npi_video_open(&o->video, o->p.video_path, &vp, err)) < 0) return r;
        atomic_fetch_add(&o->n_drawing_left, 1);
    }
    if (o->p.images_dir) {
        if ((r = npi_io_mkdirs(o->p.images_dir, err)) < 0) return r;
        if (!(o->images_dir = strdup(o->p.images_dir))) return npi_io_fail(err, NP_ENOMEM, "out of memory");
        npi_io_stem(o->stem, sizeof o->stem, *npi_io_basename(o->p.meta.input) ? o->p.meta.input : "frame");
        atomic_fetch_add(&o->n_drawing_left, 1);
    }
    if (!o->video && !o->images_dir) return 0;
    o->has_drawing = 1;
    queue_init(&o->todo, N_JOBS);
    queue_init(&o->idle, N_JOBS);
    for (int i = 0; i < N_JOBS; i++) queue_push(&o->idle, &o->job[i]);
    if (pthread_create(&o->thread, NULL, draw_main, o) != 0) return npi_io_fail(err, NP_ENOMEM, "cannot start a thread");
    o->thread_runs = 1;
    return 0;
}
#else
static int open_drawing(struct outputs *o, struct np_error *err) {
    if (!o->p.video_path && !o->p.images_dir) return 0;
    return npi_io_fail(err, NP_EUNSUPPORTED, "this build has no FFmpeg: it cannot write '%s'", o->p.video_path ? o->p.video_path : o->p.images_dir);
}
#endif

static int open_text(struct outputs *o, const struct npi_writer_ops *ops, const char *path, struct np_error *err) {
    struct text_output *const t = &o->text[o->n_text];
    t->ops = ops;
    const int r = ops->open(&t->priv, path, &o->p.meta, err);
    if (r == 0) o->n_text++;
    return r;
}

int outputs_open(struct outputs **out, const struct outputs_params *p, struct np_error *err) {
    struct outputs *o = calloc(1, sizeof *o);
    if (!o) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    o->p = *p;
    int r = 0;
    if (p->json_path) r = open_text(o, npi_writer_find("jsonl"), p->json_path, err);
    if (r == 0 && p->format) r = open_text(o, p->format, p->out_path, err);
    if (r == 0) r = open_drawing(o, err);
    if (r < 0) {
        outputs_close(&o, NULL);
        return r;
    }
    o->n_outputs = o->n_text + (p->video_path != NULL) + (p->images_dir != NULL);
    *out = o;
    return 0;
}

static void queue_drawing(struct outputs *o, const struct np_result *r, struct npi_pic *pic, const char *text) {
    struct job *const j = queue_pop(&o->idle);
    if (!j) return;
    if (j->cap < r->n_persons) {
        struct np_person *const q = realloc(j->person, (size_t)r->n_persons * sizeof *q);
        if (q) {
            j->person = q;
            j->cap = r->n_persons;
        }
    }
    j->n = r->n_persons < j->cap ? r->n_persons : j->cap;
    if (j->n) memcpy(j->person, r->persons, (size_t)j->n * sizeof *j->person);
    j->set = r->set;
    j->pts_ns = r->pts_ns;
    j->index = r->index;
    snprintf(j->text, sizeof j->text, "%s", text ? text : "");
    npi_pic_ref(pic);
    j->pic = pic;
    queue_push(&o->todo, j);
}

int outputs_frame(struct outputs *o, const struct np_result *r, struct npi_pic *pic, const char *text) {
    struct np_error e = { 0 };
    int left = 0;
    for (int i = 0; i < o->n_text; i++) {
        struct text_output *const t = &o->text[i];
        if (!t->failed && t->ops->frame(t->priv, r, pic->name, &e) < 0) {
            tool_say("%s; what was written before stays readable", e.message);
            t->failed = 1;
        }
        left += !t->failed;
    }
    const int drawing = o->has_drawing ? atomic_load(&o->n_drawing_left) : 0;
    if (drawing > 0) queue_drawing(o, r, pic, text);
    return o->n_outputs ? left + drawing : -1;
}

int outputs_close(struct outputs **po, int64_t *n_drawn) {
    struct outputs *const o = *po;
    struct np_error e = { 0 };
    int n_failed = 0;
    if (!o) return 0;
    *po = NULL;
    if (o->thread_runs) {
        queue_close(&o->todo);
        pthread_join(o->thread, NULL);
    }
    if (o->has_drawing) {
        queue_destroy(&o->todo);
        queue_destroy(&o->idle);
    }
    for (int i = 0; i < o->n_text; i++) {
        const int r = o->text[i].ops->close(o->text[i].priv, &e);
        if (r < 0 && !o->text[i].failed) tool_say("%s", e.message);
        n_failed += r < 0 || o->text[i].failed;
    }
#ifdef NPI_HAVE_FFMPEG
    const int r = npi_video_close(&o->video, &e);
    if (r < 0 && !o->video_failed) tool_say("%s", e.message);
    n_failed += r < 0 || o->video_failed;
#endif
    n_failed += o->images_failed;
    if (n_drawn) *n_drawn = o->n_drawn;
    for (int i = 0; i < N_JOBS; i++) free(o->job[i].person);
    npi_picture_free(&o->picture);
    free(o->images_dir);
    free(o);
    return n_failed;
}
