/* SPDX-License-Identifier: Apache-2.0 */
/* See plot.h. Colours: Okabe and Ito's eight, told apart by colour-blind readers too. */
#include "plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { W = 720, H = 360, LEFT = 70, RIGHT = 20, TOP = 34, BOTTOM = 56, N_COLOURS = 8 };
static const char *const colour[N_COLOURS] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a7d00", "#555555" };

void plot_text(struct npi_outfile *o, const char *s) {
    for (char b[2] = { 0 }; *s; s++) {
        b[0] = *s;
        npi_out_str(o, *s == '&' ? "&amp;" : *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : *s == '"' ? "&quot;" : b);
    }
}

static void num(struct npi_outfile *o, const char *before, double v) {
    npi_out_str(o, before);
    npi_out_fixed(o, v, 1, "0");
}

static void label(struct npi_outfile *o, double x, double y, const char *anchor, const char *cls, const char *s) {
    num(o, "<text x=\"", x);
    num(o, "\" y=\"", y);
    npi_out_str(o, "\" text-anchor=\"");
    npi_out_str(o, anchor);
    npi_out_str(o, "\" class=\"");
    npi_out_str(o, cls);
    npi_out_str(o, "\">");
    plot_text(o, s);
    npi_out_str(o, "</text>");
}

static void line(struct npi_outfile *o, double x0, double y0, double x1, double y1, const char *stroke, const char *rest) {
    num(o, "<line x1=\"", x0);
    num(o, "\" y1=\"", y0);
    num(o, "\" x2=\"", x1);
    num(o, "\" y2=\"", y1);
    npi_out_str(o, "\" stroke=\"");
    npi_out_str(o, stroke);
    npi_out_str(o, "\" ");
    npi_out_str(o, rest);
    npi_out_str(o, "/>");
}

static void head(struct npi_outfile *o, const char *title, int height) {
    char b[64];
    snprintf(b, sizeof b, "%d %d\" role=\"img\" ", W, height);
    npi_out_str(o, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ");
    npi_out_str(o, b);
    npi_out_str(o, "font-family=\"sans-serif\"><style>.t{font-size:15px;font-weight:600}.l{font-size:12px;fill:#444}.s{font-size:11px;fill:#333}</style>"
                   "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/><title>");
    plot_text(o, title);
    npi_out_str(o, "</title>");
    label(o, LEFT, 20, "start", "t", title);
}

/* 1, 2 or 5 times a power of ten, about `want` of them in the range. */
static double tick_step(double range, int want) {
    const double raw = range / want, p = pow(10, floor(log10(raw)));
    return raw / p < 1.5 ? p : raw / p < 3.5 ? 2 * p : raw / p < 7.5 ? 5 * p : 10 * p;
}

static void number_text(char *b, size_t size, double v, double step) {
    int decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
    if (decimals > 6) decimals = 6;
    const double u = fabs(v) * pow(10, decimals);
    long long k = llround(u), one = llround(pow(10, decimals)); /* not printf's %f: the locale has no say here */
    if (decimals) snprintf(b, size, "%s%lld.%0*lld", v < 0 && k ? "-" : "", k / one, decimals, k % one);
    else snprintf(b, size, "%s%lld", v < 0 && k ? "-" : "", k);
}

struct frame { double x0, x1, y0, y1; };
static double px(const struct frame *f, double x) { return LEFT + (x - f->x0) / (f->x1 - f->x0) * (W - LEFT - RIGHT); }
static double py(const struct frame *f, double y) { return H - BOTTOM - (y - f->y0) / (f->y1 - f->y0) * (H - TOP - BOTTOM); }

/* Not fmin and fmax: gcc 12 for aarch64 ends with an internal error on a loop with both. NaN is passed over. */
static double lesser(double a, double b) { return b < a ? b : a; }
static double greater(double a, double b) { return b > a ? b : a; }

static int bounds(const struct plot *p, struct frame *f) {
    *f = (struct frame){ HUGE_VAL, -HUGE_VAL, HUGE_VAL, -HUGE_VAL };
    for (int s = 0; s < p->n_series; s++)
        for (int i = 0; i < p->series[s].n; i++) {
            const struct plot_series *const q = &p->series[s];
            f->x0 = lesser(f->x0, q->x[i]);
            f->x1 = greater(f->x1, q->x[i]);
            f->y0 = lesser(f->y0, q->low ? q->low[i] : q->y[i]);
            f->y1 = greater(f->y1, q->high ? q->high[i] : q->y[i]);
        }
    if (!(f->x0 <= f->x1)) return 0;
    if (p->y_from_zero && f->y0 > 0) f->y0 = 0;
    if (p->x_tick) {
        f->x0 = -.5;
        f->x1 = p->n_x_ticks - .5;
    }
    const double dx = f->x1 > f->x0 ? (f->x1 - f->x0) * .04 : 1, dy = f->y1 > f->y0 ? (f->y1 - f->y0) * .08 : fabs(f->y1) * .1 + 1e-3;
    if (!p->x_tick) {
        f->x0 -= dx;
        f->x1 += dx;
    }
    if (!p->y_from_zero || f->y0 < 0) f->y0 -= dy;
    f->y1 += dy;
    return 1;
}

static void axes(struct npi_outfile *o, const struct plot *p, const struct frame *f) {
    char b[40];
    const double sy = tick_step(f->y1 - f->y0, 6), sx = tick_step(f->x1 - f->x0, 8);
    for (double y = ceil(f->y0 / sy) * sy; y <= f->y1; y += sy) {
        line(o, LEFT, py(f, y), W - RIGHT, py(f, y), "#ddd", "");
        number_text(b, sizeof b, y, sy);
        label(o, LEFT - 6, py(f, y) + 4, "end", "l", b);
    }
    if (p->x_tick) {
        const int every = (p->n_x_ticks + 9) / 10;
        for (int i = 0; i < p->n_x_ticks; i += every) label(o, px(f, i), H - BOTTOM + 16, "middle", "l", p->x_tick[i]);
    } else
        for (double x = ceil(f->x0 / sx) * sx; x <= f->x1; x += sx) {
            number_text(b, sizeof b, x, sx);
            label(o, px(f, x), H - BOTTOM + 16, "middle", "l", b);
        }
    line(o, LEFT, H - BOTTOM, W - RIGHT, H - BOTTOM, "#444", "");
    line(o, LEFT, TOP, LEFT, H - BOTTOM, "#444", "");
    label(o, (LEFT + W - RIGHT) / 2., H - BOTTOM + 34, "middle", "l", p->x_label);
    npi_out_str(o, "<g transform=\"translate(16,");
    num(o, "", (TOP + H - BOTTOM) / 2.);
    npi_out_str(o, ") rotate(-90)\">");
    label(o, 0, 0, "middle", "l", p->y_label);
    npi_out_str(o, "</g>");
    for (int i = 0; i < p->n_marks; i++) line(o, px(f, p->mark[i]), TOP, px(f, p->mark[i]), H - BOTTOM, "#c00", "stroke-dasharray=\"4 3\"");
}

/* Where labels stand already; a name that would cover another one is left to the tooltip of its point. */
struct placed { double x0, x1, y; };
struct labels { struct placed box[128]; int n; };

static void point_label(struct npi_outfile *o, struct labels *l, double x, double y, const char *text) {
    static const int dy[] = { -5, 13, 4, -16, 24 };
    const double width = 6 * (double)strlen(text);
    const int to_left = x + 6 + width > W - RIGHT;
    const struct placed at = { to_left ? x - 6 - width : x + 6, to_left ? x - 6 : x + 6 + width, 0 };
    for (size_t k = 0; k < sizeof dy / sizeof *dy; k++) {
        int hit = y + dy[k] < TOP || l->n == 128;
        for (int i = 0; i < l->n && !hit; i++) hit = at.x0 < l->box[i].x1 && l->box[i].x0 < at.x1 && fabs(l->box[i].y - y - dy[k]) < 11;
        if (hit) continue;
        l->box[l->n] = at;
        l->box[l->n++].y = y + dy[k];
        label(o, to_left ? at.x1 : at.x0, y + dy[k], to_left ? "end" : "start", "s", text);
        return;
    }
}

static void draw_series(struct npi_outfile *o, const struct plot_series *s, const struct frame *f, const char *c, struct labels *names) {
    if (s->style != PLOT_POINTS && s->n > 1) {
        npi_out_str(o, "<polyline fill=\"none\" stroke-width=\"1.8\" stroke=\"");
        npi_out_str(o, c);
        npi_out_str(o, "\" points=\"");
        for (int i = 0; i < s->n; i++) {
            if (i && s->style == PLOT_STEPS) {
                num(o, " ", px(f, s->x[i]));
                num(o, ",", py(f, s->y[i - 1]));
            }
            num(o, " ", px(f, s->x[i]));
            num(o, ",", py(f, s->y[i]));
        }
        npi_out_str(o, "\"/>");
    }
    for (int i = 0; i < s->n && s->style != PLOT_STEPS; i++) {
        const double x = px(f, s->x[i]), y = py(f, s->y[i]);
        if (s->low && s->high) line(o, x, py(f, s->low[i]), x, py(f, s->high[i]), c, "stroke-width=\"1\"");
        num(o, "<circle r=\"3.2\" cx=\"", x);
        num(o, "\" cy=\"", y);
        npi_out_str(o, "\" fill=\"");
        npi_out_str(o, c);
        npi_out_str(o, "\">");
        if (s->label && s->label[i]) {
            npi_out_str(o, "<title>");
            plot_text(o, s->label[i]);
            npi_out_str(o, "</title>");
        }
        npi_out_str(o, "</circle>");
        if (s->label && s->label[i]) point_label(o, names, x, y, s->label[i]);
    }
}

/* The names of the colours in a row at the foot, as many as there is room for. */
static void legend(struct npi_outfile *o, const char *const *name, int n, double y) {
    double x = LEFT;
    for (int i = 0; i < n; i++) {
        const double width = 24 + 6.6 * (double)strlen(name[i]);
        if (x + width > W - RIGHT) return;
        num(o, "<rect width=\"10\" height=\"10\" x=\"", x);
        num(o, "\" y=\"", y - 9);
        npi_out_str(o, "\" fill=\"");
        npi_out_str(o, colour[i % N_COLOURS]);
        npi_out_str(o, "\"/>");
        label(o, x + 14, y, "start", "l", name[i]);
        x += width;
    }
}

void plot_svg(struct npi_outfile *o, const struct plot *p) {
    struct frame f;
    struct labels names = { .n = 0 };
    const char *name[N_COLOURS];
    int n = 0;
    if (!bounds(p, &f)) return;
    head(o, p->title, H);
    axes(o, p, &f);
    for (int s = 0; s < p->n_series; s++) draw_series(o, &p->series[s], &f, colour[s % N_COLOURS], &names);
    for (int s = 0; s < p->n_series && n < N_COLOURS; s++)
        if (p->series[s].name) name[n++] = p->series[s].name;
    if (n == p->n_series) legend(o, name, n, H - 6);
    npi_out_str(o, "</svg>\n");
}

void plot_bars_svg(struct npi_outfile *o, const struct plot_bars *p) {
    enum { ROW = 24, NAMES = 200 };
    double most = 0;
    for (int b = 0; b < p->n_bars; b++) {
        double sum = 0;
        for (int k = 0; k < p->n_parts; k++) sum += p->value[b * p->n_parts + k];
        most = fmax(most, sum);
    }
    if (!(most > 0)) return;
    const int height = TOP + ROW * p->n_bars + BOTTOM;
    const double scale = (W - NAMES - RIGHT - 50) / most;
    char text[40];
    head(o, p->title, height);
    for (int b = 0; b < p->n_bars; b++) {
        const double y = TOP + ROW * b;
        double x = NAMES, sum = 0;
        label(o, NAMES - 6, y + 15, "end", "l", p->bar[b]);
        for (int k = 0; k < p->n_parts; k++) {
            const double v = p->value[b * p->n_parts + k];
            num(o, "<rect height=\"16\" x=\"", x);
            num(o, "\" y=\"", y + 3);
            num(o, "\" width=\"", v * scale);
            npi_out_str(o, "\" fill=\"");
            npi_out_str(o, colour[k % N_COLOURS]);
            npi_out_str(o, "\"><title>");
            plot_text(o, p->part[k]);
            num(o, ": ", v);
            npi_out_str(o, "</title></rect>");
            x += v * scale;
            sum += v;
        }
        number_text(text, sizeof text, sum, tick_step(most, 100));
        label(o, x + 6, y + 15, "start", "l", text);
    }
    label(o, (NAMES + W - RIGHT) / 2., height - BOTTOM + 22, "middle", "l", p->x_label);
    legend(o, p->part, p->n_parts, height - 8);
    npi_out_str(o, "</svg>\n");
}
