/* SPDX-License-Identifier: Apache-2.0 */
/* See outputs.h.
 *
 * File mode: texts are written at once by the caller, pictures are drawn by one thread, and both make the caller wait when they are slow:
 * nothing is lost. Live mode: each text output has a thread and a queue too, and who finds the queue full goes on without; what was left out is
 * counted, said once, and summed up at the end. */
#define _GNU_SOURCE
#include "outputs.h"

#include <stdlib.h>
#include <string.h>

#include "io/draw.h"
#include "queue.h"
#include "tool.h"
#ifdef NPI_HAVE_FFMPEG
#include "io/video_out.h"
#endif

/* A picture to be drawn on, with its own copy of what was found: the library's result is given back at once. */
struct job {
    struct npi_pic *pic;
    const struct np_keypoint_set *set;
    struct np_person *person;
    int n, cap;
    int64_t pts_ns, index;
    int64_t queued_ns;
    char text[80];
};

/* A text output. The queues, the jobs and the thread are for live mode only. */
#define N_LINES QUEUE_MAX
struct line { struct np_result r; struct np_person *person; int cap; int is_gap; struct npi_gap gap; int has_name; char name[256]; int64_t queued_ns; };
struct text_output {
    const struct npi_writer_ops *ops;
    void *priv;
    const char *path;
    struct outputs *o;
    atomic_int failed;
    atomic_llong n_dropped;
    struct queue todo, idle;
    struct line *line;           /* [N_LINES] */
    pthread_t thread;
    int thread_runs;
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
    atomic_int give_up;             /* live mode, at the end: nobody waits any longer for a reader */
    atomic_llong n_undrawn;         /* live mode: pictures left out */
    int video_failed, images_failed;
    atomic_int n_drawing_left;      /* video and images that still work */
    int64_t n_drawn;
    struct npi_gap gap;             /* the last one, drawn for GAP_SHOWN_NS; seconds 0: there was none */
    int draw_every; int64_t asked_ns, n_offered; /* live mode: of the library's knobs, looked at now and then */
};

static void report(const struct outputs *o, int stage, int64_t from_ns, int64_t wait_ns) {
    if (o->p.ctx) np_context_report(o->p.ctx, stage, (double)(npi_io_now_ns() - from_ns) * 1e-6, (double)wait_ns * 1e-6);
}

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
        const int64_t from = npi_io_now_ns();
        if (atomic_load(&o->n_drawing_left) > 0) {
            draw_job(o, j);
            report(o, NP_STAGE_DRAW, from, from - j->queued_ns);
        }
        npi_pic_unref(j->pic);
        j->pic = NULL;
        queue_push(&o->idle, j);
    }
    return NULL;
}

static int open_drawing(struct outputs *o, struct np_error *err) {
    int r = 0;
    if (o->p.video_path) {
        const struct npi_video_params vp = { o->p.meta.rate_num, o->p.meta.rate_den, o->p.encoder_threads, o->p.meta.give_up };
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

static void text_result(struct text_output *t, int e, const struct np_error *err) {
    if (e < 0 && !atomic_exchange(&t->failed, 1)) tool_say("%s; what was written before stays readable", err->message);
}

static void *text_main(void *arg) {
    struct text_output *const t = arg;
    struct np_error e = { 0 };
    for (struct line *l; (l = queue_pop(&t->todo)); queue_push(&t->idle, l)) {
        if (atomic_load(&t->failed)) continue;
        const int64_t from = npi_io_now_ns();
        if (l->is_gap) text_result(t, t->ops->gap(t->priv, &l->gap, &e), &e);
        else {
            text_result(t, t->ops->frame(t->priv, &l->r, l->has_name ? l->name : NULL, &e), &e);
            report(t->o, NP_STAGE_EMIT, from, from - l->queued_ns);
        }
    }
    return NULL;
}

static int open_text(struct outputs *o, const struct npi_writer_ops *ops, const char *path, struct np_error *err) {
    struct text_output *const t = &o->text[o->n_text];
    t->ops = ops;
    t->path = path;
    t->o = o;
    int r = ops->open(&t->priv, path, &o->p.meta, err);
    if (r < 0) return r;
    o->n_text++;
    if (!o->p.live) return 0;
    if (!(t->line = calloc(N_LINES, sizeof *t->line))) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    queue_init(&t->todo, N_LINES);
    queue_init(&t->idle, N_LINES);
    for (int i = 0; i < N_LINES; i++) queue_push(&t->idle, &t->line[i]);
    if (pthread_create(&t->thread, NULL, text_main, t) == 0) {
        t->thread_runs = 1;
        return 0;
    }
    queue_destroy(&t->todo);
    queue_destroy(&t->idle);
    return npi_io_fail(err, NP_ENOMEM, "cannot start a thread");
}

int outputs_open(struct outputs **out, const struct outputs_params *p, struct np_error *err) {
    struct outputs *o = calloc(1, sizeof *o);
    if (!o) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    o->p = *p;
    o->p.meta.give_up = p->live ? &o->give_up : NULL;
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

/* Room for n people; as many as there is room for when memory is short. */
static int take_persons(struct np_person **room, int *cap, const struct np_result *r) {
    if (*cap < r->n_persons) {
        struct np_person *const q = realloc(*room, (size_t)r->n_persons * sizeof *q);
        if (q) {
            *room = q;
            *cap = r->n_persons;
        }
    }
    const int n = r->n_persons < *cap ? r->n_persons : *cap;
    if (n) memcpy(*room, r->persons, (size_t)n * sizeof **room);
    return n;
}

#define GAP_SHOWN_NS 1000000000
/* The line at the top left: what the caller wants there, and for a second after a gap how long it was. */
static void put_text(const struct outputs *o, const struct np_result *r, const char *text, char *to, size_t size) {
    const struct npi_gap *const g = &o->gap;
    const int shown = g->seconds > 0 && (r->pts_ns < 0 || g->pts_ns < 0 ? r->index == g->index : r->pts_ns - g->pts_ns < GAP_SHOWN_NS);
    if (shown) snprintf(to, size, "gap %.1f s%s%s", g->seconds, text ? "  " : "", text ? text : "");
    else snprintf(to, size, "%s", text ? text : "");
}

static void queue_drawing(struct outputs *o, const struct np_result *r, struct npi_pic *pic, const char *text) {
    struct job *const j = o->p.live ? queue_try_pop(&o->idle) : queue_pop(&o->idle);
    if (!j) {
        if (atomic_fetch_add(&o->n_undrawn, 1) == 0 && o->p.verbose) tool_say("drawing and encoding are too slow: pictures are left out (live mode)");
        return;
    }
    j->n = take_persons(&j->person, &j->cap, r);
    j->set = r->set;
    j->pts_ns = r->pts_ns;
    j->index = r->index;
    j->queued_ns = npi_io_now_ns();
    put_text(o, r, text, j->text, sizeof j->text);
    npi_pic_ref(pic);
    j->pic = pic;
    queue_push(&o->todo, j);
}

/* Live mode: the next free line of a text output, or NULL when it is too slow. */
static struct line *next_line(struct text_output *t) {
    struct line *const l = queue_try_pop(&t->idle);
    if (!l && atomic_fetch_add(&t->n_dropped, 1) == 0 && t->o->p.verbose)
        tool_say("'%s' is too slow: results are left out there (live mode)", strcmp(t->path, "-") ? t->path : "standard output");
    if (l) l->queued_ns = npi_io_now_ns();
    return l;
}

static void queue_text(struct text_output *t, const struct np_result *r, const char *name) {
    struct line *const l = next_line(t);
    if (!l) return;
    l->is_gap = 0;
    l->r = *r;
    l->r.n_persons = take_persons(&l->person, &l->cap, r);
    l->r.persons = l->person;
    l->has_name = name != NULL;
    snprintf(l->name, sizeof l->name, "%s", name ? name : "");
    queue_push(&t->todo, l);
}

void outputs_gap(struct outputs *o, const struct npi_gap *g) {
    struct np_error e = { 0 };
    o->gap = *g;
    for (int i = 0; i < o->n_text; i++) {
        struct text_output *const t = &o->text[i];
        struct line *l = NULL;
        if (!t->ops->gap || atomic_load(&t->failed)) continue;
        if (!t->thread_runs) text_result(t, t->ops->gap(t->priv, g, &e), &e);
        else if ((l = next_line(t))) {
            l->is_gap = 1;
            l->gap = *g;
            queue_push(&t->todo, l);
        }
    }
}

/* Live mode: the controller may ask for fewer pictures. */
static int draws_this(struct outputs *o) {
    const int64_t now = npi_io_now_ns();
    if (!o->p.live || !o->p.ctx) return 1;
    if (now - o->asked_ns > 250000000) {
        struct np_stats s;
        np_context_stats(o->p.ctx, &s);
        o->draw_every = s.knobs.draw_every;
        o->asked_ns = now;
    }
    return o->draw_every < 2 || o->n_offered++ % o->draw_every == 0;
}

int outputs_frame(struct outputs *o, const struct np_result *r, struct npi_pic *pic, const char *text) {
    struct np_error e = { 0 };
    int left = 0;
    const int64_t from = npi_io_now_ns();
    for (int i = 0; i < o->n_text; i++) {
        struct text_output *const t = &o->text[i];
        if (atomic_load(&t->failed)) continue;
        if (t->thread_runs) queue_text(t, r, pic->name);
        else text_result(t, t->ops->frame(t->priv, r, pic->name, &e), &e);
        left += !atomic_load(&t->failed);
    }
    if (o->n_text && !o->p.live) report(o, NP_STAGE_EMIT, from, 0);
    const int drawing = o->has_drawing ? atomic_load(&o->n_drawing_left) : 0;
    if (drawing > 0 && draws_this(o)) queue_drawing(o, r, pic, text);
    return o->n_outputs ? left + drawing : -1;
}

int64_t outputs_dropped(const struct outputs *o) {
    int64_t n = 0;
    for (int i = 0; o && i < o->n_text; i++) n += atomic_load(&o->text[i].n_dropped);
    return o ? n + atomic_load(&o->n_undrawn) : 0;
}

#define PATIENCE_S 2
/* What is queued goes out. File mode waits for that as long as it takes; live mode as long as somebody takes it: a reader that hangs is given up
 * after PATIENCE_S, once for all. */
static void end_threads(struct outputs *o) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_t thread[3];
    int n = 0;
    for (int i = 0; i < o->n_text; i++) {
        if (!o->text[i].thread_runs) continue;
        queue_close(&o->text[i].todo);
        thread[n++] = o->text[i].thread;
    }
    if (o->thread_runs) {
        queue_close(&o->todo);
        thread[n++] = o->thread;
    }
    for (int i = 0; i < n; i++) {
        if (o->p.live && pthread_timedjoin_np(thread[i], NULL, &until) == 0) continue;
        if (o->p.live) atomic_store(&o->give_up, 1);
        pthread_join(thread[i], NULL);
    }
    atomic_store(&o->give_up, 1); /* nor does closing wait; in file mode nobody looks at it */
    for (int i = 0; i < o->n_text; i++) {
        if (!o->text[i].thread_runs) continue;
        queue_destroy(&o->text[i].todo);
        queue_destroy(&o->text[i].idle);
    }
}

int outputs_close(struct outputs **po, int64_t *n_drawn) {
    struct outputs *const o = *po;
    struct np_error e = { 0 };
    int n_failed = 0;
    if (!o) return 0;
    *po = NULL;
    end_threads(o);
    if (o->has_drawing) {
        queue_destroy(&o->todo);
        queue_destroy(&o->idle);
    }
    for (int i = 0; i < o->n_text; i++) {
        struct text_output *const t = &o->text[i];
        const int r = t->ops->close(t->priv, &e), had = atomic_load(&t->failed);
        if (r < 0 && !had) tool_say("%s", e.message);
        n_failed += r < 0 || had;
        for (int k = 0; t->line && k < N_LINES; k++) free(t->line[k].person);
        free(t->line);
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
