/* SPDX-License-Identifier: Apache-2.0 */
/* SDL draws hard-edged triangles only: soft edges are made here from a border, one pixel wide, whose outer corners are transparent. */
#include "window_draw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "draw.h"
#include "font5x7.h"

static const uint8_t white[3] = { 255, 255, 255 }, grey[3] = { 150, 160, 172 }, ground[3] = { 13, 16, 20 }, blue[3] = { 60, 180, 255 }, orange[3] = { 255, 150, 40 };

static SDL_Vertex vertex(float x, float y, const uint8_t rgb[3], uint8_t a) {
    return (SDL_Vertex){ .position = { x, y }, .color = { rgb[0], rgb[1], rgb[2], a } };
}

/* A joint may be anything: what is far outside or no number is not drawn. */
static int sane(float x, float y) { return isfinite(x) && isfinite(y) && fabsf(x) < 60000 && fabsf(y) < 60000; }

void npi_sdl_line(SDL_Renderer *r, float x0, float y0, float x1, float y1, float thickness, const uint8_t rgb[3]) {
    const float dx = x1 - x0, dy = y1 - y0, len = sqrtf(dx * dx + dy * dy);
    if (!sane(x0, y0) || !sane(x1, y1) || !(len > 0.01f)) return;
    const float nx = -dy / len, ny = dx / len, core = fmaxf(thickness / 2 - 0.5f, 0), rim = core + 1;
    const float off[4] = { -rim, -core, core, rim };
    SDL_Vertex v[8];
    for (int i = 0; i < 4; i++) {
        const uint8_t a = i == 1 || i == 2 ? 255 : 0;
        v[2 * i] = vertex(x0 + nx * off[i], y0 + ny * off[i], rgb, a);
        v[2 * i + 1] = vertex(x1 + nx * off[i], y1 + ny * off[i], rgb, a);
    }
    static const int order[18] = { 0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6, 5, 6, 7 };
    SDL_RenderGeometry(r, NULL, v, 8, order, 18);
}

#define N_ARC 20
void npi_sdl_disc(SDL_Renderer *r, float x, float y, float radius, const uint8_t rgb[3]) {
    SDL_Vertex v[1 + 2 * N_ARC];
    int order[N_ARC * 9], n = 0;
    if (!sane(x, y)) return;
    v[0] = vertex(x, y, rgb, 255);
    for (int i = 0; i < N_ARC; i++) {
        const float a = (float)i * (6.2831853f / N_ARC), c = cosf(a), s = sinf(a);
        v[1 + 2 * i] = vertex(x + c * radius, y + s * radius, rgb, 255);
        v[2 + 2 * i] = vertex(x + c * (radius + 1), y + s * (radius + 1), rgb, 0);
        const int next = (i + 1) % N_ARC, tri[9] = { 0, 1 + 2 * i, 1 + 2 * next, 1 + 2 * i, 2 + 2 * i, 1 + 2 * next, 2 + 2 * i, 2 + 2 * next, 1 + 2 * next };
        memcpy(order + n, tri, sizeof tri);
        n += 9;
    }
    SDL_RenderGeometry(r, NULL, v, 1 + 2 * N_ARC, order, n);
}

void npi_sdl_fill(SDL_Renderer *r, int x, int y, int w, int h, const uint8_t rgb[3], int alpha) {
    const SDL_Rect q = { x, y, w, h };
    SDL_SetRenderDrawColor(r, rgb[0], rgb[1], rgb[2], (uint8_t)alpha);
    SDL_RenderFillRect(r, &q);
}

static const uint8_t *glyph(char c) {
    if (c >= 'a' && c <= 'z') c = (char)(c - 'a' + 'A');
    for (size_t i = 0; i < sizeof font / sizeof font[0]; i++) {
        if (font[i].c == c) return font[i].row;
    }
    return NULL;
}

int npi_sdl_text(SDL_Renderer *r, int x, int y, int scale, const char *text, const uint8_t rgb[3]) {
    SDL_Rect dot[512];
    int n = 0, at = x;
    SDL_SetRenderDrawColor(r, rgb[0], rgb[1], rgb[2], 255);
    for (const char *p = text; *p; p++) {
        if (((unsigned char)*p & 0xc0) == 0x80) continue; /* a sign of several bytes is one that we lack */
        const uint8_t *const g = glyph(*p);
        if (n > 512 - 35) {
            SDL_RenderFillRects(r, dot, n);
            n = 0;
        }
        for (int row = 0; g && row < 7; row++) {
            for (int b = 0; b < 5; b++) {
                if (g[row] & (0x10 >> b)) dot[n++] = (SDL_Rect){ at + b * scale, y + row * scale, scale, scale };
            }
        }
        at += 6 * scale;
    }
    if (n) SDL_RenderFillRects(r, dot, n);
    return at - x;
}

/* --- people --- */

static void draw_pose(SDL_Renderer *r, const struct np_keypoint_set *set, const struct np_person *p, const struct npi_place *at, float thr, float thick) {
    const int n = p->n_keypoints < set->n ? p->n_keypoints : set->n;
    uint8_t rgb[3];
    for (int i = 0; i < set->n_edges; i++) {
        const int a = set->edges[i][0], b = set->edges[i][1];
        if (a >= n || b >= n || !(p->keypoint[a].conf >= thr) || !(p->keypoint[b].conf >= thr)) continue;
        npi_draw_limb_color(p->id, set, a, b, rgb);
        npi_sdl_line(r, at->left + p->keypoint[a].x * at->scale, at->top + p->keypoint[a].y * at->scale, at->left + p->keypoint[b].x * at->scale,
                     at->top + p->keypoint[b].y * at->scale, thick, rgb);
    }
    for (int k = 0; k < n; k++) {
        if (!(p->keypoint[k].conf >= thr)) continue;
        const float x = at->left + p->keypoint[k].x * at->scale, y = at->top + p->keypoint[k].y * at->scale;
        npi_draw_limb_color(p->id, set, k, k, rgb);
        npi_sdl_disc(r, x, y, thick * 0.9f, white);
        npi_sdl_disc(r, x, y, fmaxf(thick * 0.9f - 1.2f, 0.5f), rgb);
    }
}

void npi_sdl_persons(SDL_Renderer *r, const struct npi_shot *s, const struct npi_place *at, float kpt_thr, int boxes, int ids) {
    const float longer = (float)(s->width > s->height ? s->width : s->height) * at->scale, base = fmaxf(1.5f, longer / 400);
    const int scale = longer >= 2000 ? 4 : longer >= 1100 ? 3 : longer >= 480 ? 2 : 1;
    for (int i = 0; i < s->n; i++) {
        const struct np_person *const p = &s->person[i];
        const int fresh = p->pose_source == NP_POSE_INFERRED;
        const float x0 = at->left + p->box.x * at->scale, y0 = at->top + p->box.y * at->scale, x1 = x0 + p->box.w * at->scale, y1 = y0 + p->box.h * at->scale;
        uint8_t rgb[3];
        char text[32];
        npi_draw_person_color(p->id, rgb);
        if (boxes) {
            const float corner[5][2] = { { x0, y0 }, { x1, y0 }, { x1, y1 }, { x0, y1 }, { x0, y0 } };
            for (int k = 0; k < 4; k++) npi_sdl_line(r, corner[k][0], corner[k][1], corner[k + 1][0], corner[k + 1][1], base * 0.6f, rgb);
        }
        if (s->set && p->pose_source != NP_POSE_NONE) draw_pose(r, s->set, p, at, kpt_thr, fresh ? base : base * 0.6f);
        if (!ids || !sane(x0, y0)) continue;
        if (p->pose_source == NP_POSE_PROPAGATED) snprintf(text, sizeof text, "%d -%d", p->id, p->age_frames); /* so many frames old */
        else snprintf(text, sizeof text, "%d", p->id);
        const int h = 9 * scale, y = (int)fmaxf(y0 - (float)h, 0);
        npi_sdl_fill(r, (int)x0, y, (int)strlen(text) * 6 * scale + scale, h, rgb, 255);
        npi_sdl_text(r, (int)x0 + scale, y + scale, scale, text, ground);
    }
}

/* --- numbers --- */

void npi_sdl_rates(SDL_Renderer *r, int x, int y, int scale, const struct np_stats *s, const struct npi_stats_extra *extra) {
    char text[120];
    snprintf(text, sizeof text, "%.1f inferred  %.1f processed  %.1f displayed%s", s->inferred_fps, s->processed_fps, s->displayed_fps,
             extra->source_lost ? "  SOURCE LOST" : "");
    npi_sdl_fill(r, x, y, ((int)strlen(text) * 6 + 5) * scale, 13 * scale, ground, 200);
    npi_sdl_text(r, x + 3 * scale, y + 3 * scale, scale, text, extra->source_lost ? orange : white);
}

#define COLUMNS 46
struct panel { SDL_Renderer *r; int x, y, scale; };

static void row(struct panel *p, const char *left, const char *right, const uint8_t rgb[3]) {
    npi_sdl_text(p->r, p->x, p->y, p->scale, left, grey);
    npi_sdl_text(p->r, p->x + (COLUMNS - (int)strlen(right)) * 6 * p->scale, p->y, p->scale, right, rgb);
    p->y += 10 * p->scale;
}

static void stage_row(struct panel *p, const struct np_stats *s, int i) {
    const struct np_stage_stats *const t = &s->stage[i];
    char text[40];
    const int bar = 18 * 6 * p->scale, share = (int)(t->share * bar);
    npi_sdl_text(p->r, p->x, p->y, p->scale, np_stage_name(i), s->bottleneck == i ? orange : grey);
    npi_sdl_fill(p->r, p->x + 8 * 6 * p->scale, p->y + p->scale, bar, 5 * p->scale, (const uint8_t[3]){ 32, 38, 47 }, 255);
    npi_sdl_fill(p->r, p->x + 8 * 6 * p->scale, p->y + p->scale, share > bar ? bar : share, 5 * p->scale, s->bottleneck == i ? orange : blue, 255);
    snprintf(text, sizeof text, "%.1f ms %3.0f %%", t->per_frame_ms, 100 * t->share);
    npi_sdl_text(p->r, p->x + (COLUMNS - (int)strlen(text)) * 6 * p->scale, p->y, p->scale, text, t->runs ? white : grey);
    p->y += 10 * p->scale;
}

/* Broken at spaces where there are some. */
static void wrapped(struct panel *p, const char *text, const uint8_t rgb[3]) {
    while (*text) {
        char line[COLUMNS + 1];
        size_t n = strlen(text);
        if (n > COLUMNS) {
            n = COLUMNS;
            for (size_t k = n; k > COLUMNS / 2; k--) {
                if (text[k] == ' ') {
                    n = k;
                    break;
                }
            }
        }
        memcpy(line, text, n);
        line[n] = '\0';
        npi_sdl_text(p->r, p->x, p->y, p->scale, line, rgb);
        p->y += 10 * p->scale;
        text += n;
        while (*text == ' ') text++;
    }
}

void npi_sdl_panel(SDL_Renderer *r, int x, int y, int scale, const struct np_stats *s, const struct npi_stats_extra *extra) {
    const int n_hint = s->n_suggestions > 0 ? ((int)strlen(s->suggestion[0].text) + COLUMNS / 2 - 1) / (COLUMNS / 2) : 0; /* lines at most */
    struct panel p = { r, x + 4 * scale, y + 4 * scale, scale };
    char text[120];
    npi_sdl_fill(r, x, y, (COLUMNS * 6 + 8) * scale, (10 * (16 + n_hint) + 6) * scale, ground, 215);
    snprintf(text, sizeof text, "%.0f  %.0f  %.0f ms", s->delay_p50_ms, s->delay_p95_ms, s->delay_p99_ms);
    row(&p, "delay p50 p95 p99", text, white);
    snprintf(text, sizeof text, "%.1f", s->persons_per_frame);
    row(&p, "people", text, white);
    for (int i = 0; i < NP_STAGE_COUNT; i++) stage_row(&p, s, i);
    const char *const slow = npi_stats_bottleneck(s);
    row(&p, "limited by", !slow ? "not known yet" : s->bottleneck == -1 ? "the source" : slow, slow && s->bottleneck >= 0 ? orange : white);
    snprintf(text, sizeof text, "%.0f %%  %.0f MB", 100 * s->cpu_share, s->memory_mb);
    row(&p, "processors, memory", text, white);
    snprintf(text, sizeof text, "%lld  %lld  %lld", (long long)s->n_dropped, (long long)s->n_late, (long long)s->n_failed);
    row(&p, "skipped late failed", text, white);
    snprintf(text, sizeof text, "%.15s  %.15s", s->backend_detector, s->backend_pose);
    row(&p, "runs on", text, white);
    const char *const name = strrchr(extra->preset, '/'); /* a file's */
    snprintf(text, sizeof text, "%.40s  at most %d", name ? name + 1 : extra->preset, s->knobs.max_persons);
    row(&p, "preset, people", text, white);
    snprintf(text, sizeof text, "%d  %d", s->knobs.detection_freq, s->knobs.frame_skip);
    row(&p, "detector, pose every", text, white);
    if (s->n_suggestions > 0) wrapped(&p, s->suggestion[0].text, blue);
}
