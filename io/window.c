/* SPDX-License-Identifier: Apache-2.0 */
/* See window.h. The picture goes to the graphics side as it came from the decoder: YUV planes into a YUV texture, which is turned, scaled and
 * converted there. Formats that SDL does not know (4:2:2, 4:4:4, grey, bottom-up) are copied to I420 first. */
#define _GNU_SOURCE
#include "window.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "picture.h"
#include "window_draw.h"

#define MIN_FRAME_NS 8000000      /* 120 pictures a second at most */
#define STATS_EVERY_NS 250000000

struct npi_window {
    struct npi_hub *hub;
    struct npi_window_params p;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t begun;
    int state;                    /* 0: starting, 1: open, < 0: failed */
    struct np_error err;
    atomic_int quit;
    /* From here on of the thread alone. */
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture;
    uint32_t texture_format;
    int texture_w, texture_h, texture_mode;
    struct npi_picture copy;
    struct npi_shot *shot;
    int shown_once, paused, panel, fullscreen, redraw, said_texture;
    struct np_stats stats;
    struct npi_stats_extra extra;
    int64_t stats_ns, message_ns, drawn_ns;
    char message[200];
};

int npi_window_possible(void) {
    const char *const x = getenv("DISPLAY"), *const w = getenv("WAYLAND_DISPLAY"), *const driver = getenv("SDL_VIDEODRIVER");
    return (x && *x) || (w && *w) || (driver && *driver);
}

static void say(struct npi_window *w, const char *fmt, ...) NPI_IO_PRINTF(2, 3);
static void say(struct npi_window *w, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->message, sizeof w->message, fmt, ap);
    va_end(ap);
    w->message_ns = npi_io_now_ns();
    w->redraw = 1;
}

/* --- the picture --- */

static int yuv_mode(const struct np_frame *f) {
    if (f->full_range) return SDL_YUV_CONVERSION_JPEG;
    const int m = f->yuv_matrix != NP_YUV_AUTO ? f->yuv_matrix : f->height >= 720 ? NP_YUV_BT709 : NP_YUV_BT601;
    return m == NP_YUV_BT601 ? SDL_YUV_CONVERSION_BT601 : SDL_YUV_CONVERSION_BT709;
}

static uint32_t sdl_format(const struct np_frame *f) {
    if (f->stride_bytes[0] <= 0) return 0;
    return f->format == NP_PIX_I420 ? SDL_PIXELFORMAT_IYUV : f->format == NP_PIX_NV12 ? SDL_PIXELFORMAT_NV12 : f->format == NP_PIX_RGB24 ? SDL_PIXELFORMAT_RGB24
           : f->format == NP_PIX_BGR24 ? SDL_PIXELFORMAT_BGR24 : 0;
}

static int need_texture(struct npi_window *w, uint32_t format, int width, int height, int mode) {
    if (w->texture && w->texture_format == format && w->texture_w == width && w->texture_h == height && w->texture_mode == mode) return 0;
    if (w->texture) SDL_DestroyTexture(w->texture);
    SDL_SetYUVConversionMode((SDL_YUV_CONVERSION_MODE)mode); /* read when the texture is made, and by the software renderer at each copy */
    w->texture = SDL_CreateTexture(w->renderer, format, SDL_TEXTUREACCESS_STREAMING, width, height);
    if (!w->texture) {
        if (!w->said_texture++) say(w, "a picture of %dx%d cannot be shown: %s", width, height, SDL_GetError());
        return -1;
    }
    w->texture_format = format;
    w->texture_w = width;
    w->texture_h = height;
    w->texture_mode = mode;
    return 0;
}

/* Below 0: it cannot be shown. */
static int upload(struct npi_window *w, const struct np_frame *f) {
    const uint32_t format = sdl_format(f);
    if (format == SDL_PIXELFORMAT_IYUV || format == SDL_PIXELFORMAT_NV12) {
        if (need_texture(w, format, f->width, f->height, yuv_mode(f)) < 0) return -1;
        if (format == SDL_PIXELFORMAT_NV12)
            return SDL_UpdateNVTexture(w->texture, NULL, f->plane[0], (int)f->stride_bytes[0], f->plane[1], (int)f->stride_bytes[1]);
        return SDL_UpdateYUVTexture(w->texture, NULL, f->plane[0], (int)f->stride_bytes[0], f->plane[1], (int)f->stride_bytes[1], f->plane[2], (int)f->stride_bytes[2]);
    }
    if (format) {
        if (need_texture(w, format, f->width, f->height, SDL_YUV_CONVERSION_AUTOMATIC) < 0) return -1;
        return SDL_UpdateTexture(w->texture, NULL, f->plane[0], (int)f->stride_bytes[0]);
    }
    struct npi_picture *const p = &w->copy;
    if (npi_picture_from_frame(p, f) < 0) return -1;
    const struct np_frame like = { .height = p->shown_height, .yuv_matrix = p->yuv_matrix, .full_range = p->full_range };
    if (need_texture(w, SDL_PIXELFORMAT_IYUV, p->shown_width, p->shown_height, yuv_mode(&like)) < 0) return -1;
    return SDL_UpdateYUVTexture(w->texture, NULL, p->plane[0], p->stride[0], p->plane[1], p->stride[1], p->plane[2], p->stride[2]);
}

/* How the texture is turned when it is drawn: a copy is upright. */
static int rotation_now(const struct npi_window *w) { return sdl_format(&w->shot->pic->f) ? w->shot->pic->f.rotation : 0; }

static void draw_picture(struct npi_window *w, const struct npi_place *at) {
    const int rotation = rotation_now(w), turned = rotation == 90 || rotation == 270;
    const float pw = (float)w->shot->width * at->scale, ph = (float)w->shot->height * at->scale;
    const float sw = turned ? ph : pw, sh = turned ? pw : ph; /* before it is turned about its middle */
    const SDL_FRect dst = { at->left + (pw - sw) / 2, at->top + (ph - sh) / 2, sw, sh };
    if (w->texture) SDL_RenderCopyExF(w->renderer, w->texture, NULL, &dst, rotation, NULL, SDL_FLIP_NONE);
}

static void draw(struct npi_window *w) {
    int out_w = 0, out_h = 0;
    SDL_GetRendererOutputSize(w->renderer, &out_w, &out_h);
    SDL_SetRenderDrawBlendMode(w->renderer, SDL_BLENDMODE_NONE);
    SDL_SetRenderDrawColor(w->renderer, 0, 0, 0, 255);
    SDL_RenderClear(w->renderer);
    SDL_SetRenderDrawBlendMode(w->renderer, SDL_BLENDMODE_BLEND);
    if (w->shot) {
        const float fx = (float)out_w / (float)w->shot->width, fy = (float)out_h / (float)w->shot->height, scale = fx < fy ? fx : fy;
        const struct npi_place at = { ((float)out_w - (float)w->shot->width * scale) / 2, ((float)out_h - (float)w->shot->height * scale) / 2, scale };
        draw_picture(w, &at);
        npi_sdl_persons(w->renderer, w->shot, &at, npi_hub_about(w->hub)->kpt_thr, w->p.boxes, w->p.ids);
    }
    const int by_height = out_h >= 1400 ? 4 : out_h >= 1000 ? 3 : out_h >= 560 ? 2 : 1, by_width = out_w / 300; /* the panel is 284 wide at 1 */
    const int s = by_width < 1 ? 1 : by_width < by_height ? by_width : by_height;
    npi_sdl_rates(w->renderer, 4 * s, 4 * s, s, &w->stats, &w->extra);
    if (w->panel) npi_sdl_panel(w->renderer, 4 * s, 20 * s, s, &w->stats, &w->extra);
    if (npi_io_now_ns() - w->message_ns < 3000000000 && *w->message) {
        npi_sdl_fill(w->renderer, 0, out_h - 14 * s, out_w, 14 * s, (const uint8_t[3]){ 13, 16, 20 }, 220);
        npi_sdl_text(w->renderer, 4 * s, out_h - 11 * s, s, w->message, (const uint8_t[3]){ 255, 255, 255 });
    }
    SDL_RenderPresent(w->renderer);
    w->drawn_ns = npi_io_now_ns();
    w->redraw = 0;
}

/* The first picture gives the window its size: as it is, unless the screen is smaller. */
static void fit_window(struct npi_window *w) {
    SDL_Rect screen = { 0, 0, 1280, 720 };
    SDL_GetDisplayUsableBounds(SDL_GetWindowDisplayIndex(w->window), &screen);
    const double f = fmin(1, fmin(0.9 * screen.w / w->shot->width, 0.9 * screen.h / w->shot->height));
    int width = (int)(w->shot->width * f), height = (int)(w->shot->height * f);
    if (width < 320) height = height * 320 / (width < 1 ? 1 : width), width = 320;
    SDL_SetWindowSize(w->window, width, height > screen.h ? screen.h : height);
    SDL_SetWindowPosition(w->window, SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED);
    w->shown_once = 1;
}

/* --- keys --- */

static void change(struct npi_window *w, const char *name, const char *value) {
    struct np_error e = { 0 };
    if (npi_hub_adjust(w->hub, name, value, &e) < 0) say(w, "%.190s", e.message);
    else if (*e.message) say(w, "%s %s; %.150s", name, value, e.message);
    else say(w, "%s %s", name, value);
    w->stats_ns = 0;
}

static void next_preset(struct npi_window *w) {
    const int now = np_preset_from_name(w->extra.preset); /* -1: the user's own file, which comes last */
    const char *const next = np_preset_name(now + 1), *const own = npi_hub_about(w->hub)->preset_file;
    change(w, "preset", next ? next : own ? own : np_preset_name(0));
}

static void more_people(struct npi_window *w, int by) {
    char text[16];
    snprintf(text, sizeof text, "%d", w->stats.knobs.max_persons + by);
    change(w, "max-persons", text);
}

/* 1: the user wants it closed. */
static int on_key(struct npi_window *w, SDL_Keycode key) {
    switch (key) {
    case SDLK_q: case SDLK_ESCAPE: return 1;
    case SDLK_s: w->panel = !w->panel; break;
    case SDLK_p: next_preset(w); break;
    case SDLK_PLUS: case SDLK_EQUALS: case SDLK_KP_PLUS: more_people(w, 1); break;
    case SDLK_MINUS: case SDLK_KP_MINUS: more_people(w, -1); break;
    case SDLK_b: w->p.boxes = !w->p.boxes; break;
    case SDLK_i: w->p.ids = !w->p.ids; break;
    case SDLK_f:
        w->fullscreen = !w->fullscreen;
        SDL_SetWindowFullscreen(w->window, w->fullscreen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
        break;
    case SDLK_SPACE:
        w->paused = !w->paused;
        say(w, w->paused ? "the picture is held; the run goes on" : "live");
        break;
    case SDLK_h: case SDLK_F1: say(w, "q close  s numbers  p preset  + - people  b boxes  i ids  f full screen  space hold"); break;
    default: return 0;
    }
    w->redraw = 1;
    return 0;
}

static int events(struct npi_window *w) {
    SDL_Event e;
    while (SDL_PollEvent(&e)) {
        if (e.type == SDL_QUIT || (e.type == SDL_WINDOWEVENT && e.window.event == SDL_WINDOWEVENT_CLOSE)) return 1;
        if (e.type == SDL_WINDOWEVENT) w->redraw = 1;
        if (e.type == SDL_RENDER_TARGETS_RESET || e.type == SDL_RENDER_DEVICE_RESET) { /* the graphics side forgot our texture */
            if (w->texture) SDL_DestroyTexture(w->texture);
            w->texture = NULL;
        }
        if (e.type == SDL_KEYDOWN && !e.key.repeat && on_key(w, e.key.keysym.sym)) return 1;
    }
    return 0;
}

/* --- the thread --- */

static int begin(struct npi_window *w) {
    /* SDL would draw on a screen that nobody sees. */
    if (!npi_window_possible()) return npi_io_fail(&w->err, NP_EUNSUPPORTED, "no window can be opened: there is no display (--view web needs none)");
    const int r = npi_sdl_load(&w->err);
    if (r < 0) return r;
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
    SDL_SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "1");
    SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "0");
    if (SDL_Init(SDL_INIT_VIDEO) < 0) return npi_io_fail(&w->err, NP_EUNSUPPORTED, "no window can be opened: %s (--view web needs no display)", SDL_GetError());
    w->window = SDL_CreateWindow(w->p.title, SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED, 960, 540, SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI);
    w->renderer = w->window ? SDL_CreateRenderer(w->window, -1, 0) : NULL;
    if (!w->renderer) return npi_io_fail(&w->err, NP_EUNSUPPORTED, "no window can be opened: %s (--view web needs no display)", SDL_GetError());
    return 0;
}

static void tell(struct npi_window *w, int state) {
    pthread_mutex_lock(&w->lock);
    w->state = state;
    pthread_cond_signal(&w->begun);
    pthread_mutex_unlock(&w->lock);
}

static void show_newest(struct npi_window *w) {
    struct npi_shot *const s = npi_hub_wait(w->hub, w->shot ? w->shot->seq : 0, 15);
    if (!s) {
        if (npi_hub_ended(w->hub)) nanosleep(&(struct timespec){ 0, 15000000 }, NULL); /* the wait does not wait any more */
        return;
    }
    if (w->paused && w->shot) { /* seen and let go: the decoder wants its picture back */
        npi_shot_unref(w->hub, s);
        nanosleep(&(struct timespec){ 0, 15000000 }, NULL);
        return;
    }
    npi_shot_unref(w->hub, w->shot);
    w->shot = s;
    upload(w, &s->pic->f);
    if (!w->shown_once) fit_window(w);
    w->redraw = 1;
}

static void *window_main(void *arg) {
    struct npi_window *const w = arg;
    const int r = begin(w);
    tell(w, r < 0 ? r : 1);
    int closed = 0;
    while (r == 0 && !closed && !atomic_load(&w->quit)) {
        closed = events(w);
        show_newest(w);
        if (npi_io_now_ns() - w->stats_ns > STATS_EVERY_NS) {
            npi_hub_stats(w->hub, &w->stats, &w->extra);
            w->stats_ns = npi_io_now_ns();
            w->redraw = 1;
        }
        if (w->redraw && npi_io_now_ns() - w->drawn_ns >= MIN_FRAME_NS) draw(w);
    }
    npi_shot_unref(w->hub, w->shot);
    if (w->texture) SDL_DestroyTexture(w->texture);
    if (w->renderer) SDL_DestroyRenderer(w->renderer);
    if (w->window) SDL_DestroyWindow(w->window);
    npi_picture_free(&w->copy);
    if (npi_sdl.SDL_Quit_) SDL_Quit();
    if (closed && w->p.closed) w->p.closed(w->p.opaque);
    return NULL;
}

int npi_window_open(struct npi_window **out, struct npi_hub *hub, const struct npi_window_params *p, struct np_error *err) {
    struct npi_window *w = calloc(1, sizeof *w);
    if (!w) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    w->hub = hub;
    w->p = *p;
    w->stats.bottleneck = -2;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->begun, NULL);
    if (pthread_create(&w->thread, NULL, window_main, w) != 0) {
        pthread_cond_destroy(&w->begun);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return npi_io_fail(err, NP_ENOMEM, "cannot start a thread");
    }
    pthread_mutex_lock(&w->lock);
    while (w->state == 0) pthread_cond_wait(&w->begun, &w->lock);
    const int state = w->state;
    pthread_mutex_unlock(&w->lock);
    if (state < 0) {
        if (err) *err = w->err;
        npi_window_close(&w);
        return state;
    }
    *out = w;
    return 0;
}

void npi_window_close(struct npi_window **pw) {
    struct npi_window *const w = *pw;
    if (!w) return;
    *pw = NULL;
    atomic_store(&w->quit, 1);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->begun);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
