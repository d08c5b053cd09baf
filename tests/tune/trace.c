/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what the controller does in a scenario, as text or as an SVG picture: trace SCENARIO [--svg]. docs/presets.md has its pictures from here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"

static struct sim s;

static void text(const struct scenario *x) {
    printf("%s: %s\n", x->name, x->what);
    for (int i = 0; i < s.n_moves; i++) printf("  %6.1f s  %s\n", s.move[i].t, s.move[i].reason);
    for (double t = 0; t + 2 <= x->seconds + .01; t += 2) {
        const struct np_knobs *const k = sim_at(&s, t + 1.99);
        printf("  %4.0f-%-4.0f s  %5.1f frames/s  %5.1f ms  skip %d  detection %d  detector %d  budget %d  people %d  net %d  draw %d  batch %d\n", t,
               t + 2, sim_fps(&s, t, t + 2), sim_delay(&s, t, t + 2),
               k->frame_skip, k->detection_freq, k->detector_size, k->pose_budget, k->max_persons, k->variant, k->draw_every, k->batch_size);
    }
}

/* Two rows of curves over time: rate and delay; the knobs as steps; moves as vertical lines. */
static void svg(const struct scenario *x) {
    const double W = 770, L = 72, T = x->seconds;
    const double px = (W - L - 20) / T;
    printf("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %g 470' font-family='sans-serif' font-size='11'>\n<rect width='%g' height='470' fill='white'/>\n", W, W);
    printf("<text x='%g' y='16' font-size='13'>%s: %s</text>\n", L, x->name, x->what);
    for (int i = 0; i < s.n_moves; i++)
        if (s.move[i].kind != BOUND) printf("<path d='M%.1f 26V440' stroke='#ccc'/>\n", L + s.move[i].t * px);
    const double top[2] = { 30, 150 }, h = 100, high[2] = { x->params.target_fps * 2.2, x->params.max_delay_ms * 1.4 }, want[2] =
        { x->params.target_fps, x->params.max_delay_ms };
    static const char *const name[2] = { "frames/s", "delay, ms" }, *const colour[2] = { "#06c", "#c30" };
    for (int r = 0; r < 2; r++) {
        const double y = top[r] + h - want[r] / high[r] * h;
        printf("<rect x='%g' y='%g' width='%g' height='%g' fill='none' stroke='#888'/><text x='4' y='%g'>%s</text>\n", L, top[r], W - L - 20, h,
               top[r] + 12, name[r]);
        printf("<path d='M%g %.1fH%g' stroke='#888' stroke-dasharray='4 3'/><text x='%g' y='%.1f' text-anchor='end'>%g</text>\n", L, y, W - 20, L - 4,
               y + 4, want[r]);
        printf("<path fill='none' stroke='%s' d='", colour[r]);
        for (double t = 0; t + .5 <= T; t += .25) {
            double v = r ? sim_delay(&s, t, t + .5) : sim_fps(&s, t, t + .5);
            if (v > high[r]) v = high[r];
            printf("%s%.1f %.1f", t > 0 ? "L" : "M", L + (t + .25) * px, top[r] + h - v / high[r] * h);
        }
        printf("'/>\n");
    }
    static const char *const knob[] = { "people", "frame skip", "detection", "detector" };
    for (int r = 0; r < 4; r++) {
        const double y0 = 270 + r * 46, hh = 34;
        printf("<rect x='%g' y='%g' width='%g' height='%g' fill='none' stroke='#ccc'/><text x='4' y='%g'>%s</text>\n<path fill='none' stroke='#060' d='", L, y0, W - L - 20, hh, y0 + 20, knob[r]);
        int last = -1;
        double at[64], y[64];
        int vv[64], n = 0;
        for (int i = 0; i < s.n_ticks; i++) {
            const struct np_knobs *const k = &s.tick[i].k;
            const int people = (int)(x->sim.persons ? x->sim.persons(s.tick[i].t) : 1);
            const int v = r == 0 ? people : r == 1 ? k->frame_skip : r == 2 ? k->detection_freq : k->detector_size;
            const double max = r == 0 ? 13 : r == 1 ? 5 : r == 2 ? 6 : 480;
            const double yy = y0 + hh - (v / max > 1 ? 1 : v / max) * hh, X = L + s.tick[i].t * px;
            if (!i) printf("M%.1f %.1f", X, yy);
            else if (v != last) printf("H%.1fV%.1f", X, yy);
            if (v != last && n < 64) {
                at[n] = X;
                y[n] = yy;
                vv[n++] = v;
            }
            last = v;
        }
        printf("H%g'/>\n", W - 20);
        for (int i = 0; i < n; i++) printf("<text x='%.1f' y='%.1f' fill='#060'>%d</text>\n", at[i] + 3, y[i] < y0 + 14 ? y[i] + 12 : y[i] - 3,
                                           vv[i]);
    }
    for (int t = 0; t <= (int)T; t += 5) printf("<text x='%.1f' y='460' text-anchor='middle'>%d s</text>\n", L + t * px, t);
    printf("</svg>\n");
}

int main(int argc, char **argv) {
    const struct scenario *x;
    const char *const name = argc > 1 ? argv[1] : NULL;
    int n = 0;
    for (int i = 0; (x = scenario_at(i)); i++) {
        if (name && strcmp(name, "all") && strcmp(name, x->name)) continue;
        s = x->sim;
        sim_run(&s, &x->params, x->seconds);
        if (argc > 2 && !strcmp(argv[2], "--svg")) svg(x);
        else text(x);
        n++;
    }
    if (!n) fprintf(stderr, "trace: no scenario '%s'\n", name);
    return n ? 0 : 2;
}
