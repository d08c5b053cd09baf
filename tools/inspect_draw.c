/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "inspect_draw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/io.h"

enum { BOX_W = 250, BOX_H = 34, STEP_X = 280, STEP_Y = 54, MARGIN = 20 };

/* What an op does decides its colour. */
static const char *colour(const char *op) {
    static const struct { const char *part, *colour; } rows[] = {
        { "Conv", "#cfe2ff" }, { "FullyConnected", "#cfe2ff" }, { "MatMul", "#cfe2ff" }, { "Pool", "#d5f0d5" }, { "Resize", "#d5f0d5" }, { "Reduce", "#d5f0d5" },
        { "Reshape", "#fff3cd" }, { "Transpose", "#ffd9b3" }, { "Concat", "#fff3cd" }, { "Slice", "#fff3cd" }, { "Pad", "#fff3cd" }, { "Gather", "#fff3cd" },
        { "Quantize", "#ead7f7" }, { "Dequantize", "#ead7f7" }, { "Cast", "#ead7f7" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strstr(op, rows[i].part)) return rows[i].colour;
    return "#eeeeee";
}

static void dims(char *s, size_t size, int rank, const int64_t *d) {
    size_t n = (size_t)snprintf(s, size, "[");
    for (int i = 0; i < rank && n < size; i++) n += (size_t)snprintf(s + n, size - n, "%s%lld", i ? "," : "", (long long)d[i]);
    if (n < size) snprintf(s + n, size - n, "]");
}

/* At most `most` characters, the end of long names (that is where they differ), without what XML or dot would take for its own. */
static void text(FILE *f, const char *s, size_t most) {
    const size_t n = strlen(s);
    if (n > most) {
        fputs("…", f);
        s += n - most;
        while ((*s & 0xc0) == 0x80) s++;
    }
    for (; *s; s++)
        switch (*s) {
        case '&': fputs("&amp;", f); break;
        case '<': fputs("&lt;", f); break;
        case '>': fputs("&gt;", f); break;
        case '"': fputs("&quot;", f); break;
        case '\\': fputc('/', f); break;
        default: fputc(*s, f);
        }
}

static void work(char *s, size_t size, const struct np_inspect_layer *l) {
    if (l->macs >= 100000) snprintf(s, size, "%s · %.1f M", l->precision, (double)l->macs * 1e-6);
    else snprintf(s, size, "%s", l->precision);
}

/* ---- dot ---- */

static void dot(FILE *f, const struct np_inspection *x) {
    struct np_inspect_layer l;
    struct np_tensor_info t;
    char d[128], w[96];
    fprintf(f, "digraph model {\n  node [shape=box, style=filled, fontname=\"Helvetica\", fontsize=10];\n  edge [arrowsize=0.6];\n");
    for (int i = 0; np_inspect_tensor(x, 0, i, &t) == 0; i++) {
        dims(d, sizeof d, t.rank, t.dims);
        fprintf(f, "  i%d [shape=ellipse, fillcolor=white, label=<<b>", i);
        text(f, t.name, 60);
        fprintf(f, "</b><br/>%s %s>];\n", np_dtype_name(t.dtype), d);
    }
    for (int i = 0; np_inspect_layer(x, i, &l) == 0; i++) {
        dims(d, sizeof d, l.rank, l.dims);
        work(w, sizeof w, &l);
        fprintf(f, "  n%d [fillcolor=\"%s\", label=<<b>%s</b> %s<br/>", i, colour(l.op), l.op, d);
        text(f, l.name, 40);
        fprintf(f, "<br/>%s>];\n", w);
        for (int k = 0; k < l.n_from; k++) l.from[k] >= 0 ? fprintf(f, "  n%d -> n%d;\n", l.from[k], i) : fprintf(f, "  i%d -> n%d;\n", -1 - l.from[k], i);
        if (l.output < 0 || np_inspect_tensor(x, 1, l.output, &t) < 0) continue;
        fprintf(f, "  o%d [shape=ellipse, fillcolor=white, label=\"", l.output);
        text(f, t.name, 60);
        fprintf(f, "\"];\n  n%d -> o%d;\n", i, l.output);
    }
    fprintf(f, "}\n");
}

/* ---- svg ---- */

struct place { int lane, left; };    /* left: readers that are still to come */

/* Lanes: a layer goes on in that of its first operand, if that one is the last of its lane; else it takes the first free one. */
static int assign(const struct np_inspection *x, struct place *p, int n, int *lane_tail, int most) {
    struct np_inspect_layer l;
    int lanes = 1;
    for (int i = 0; i < n; i++) {
        np_inspect_layer(x, i, &l);
        for (int k = 0; k < l.n_from; k++)
            if (l.from[k] >= 0) p[l.from[k]].left++;
    }
    for (int i = 0; i < most; i++) lane_tail[i] = -1;
    for (int i = 0; i < n; i++) {
        int lane = -1;
        np_inspect_layer(x, i, &l);
        for (int k = 0; k < l.n_from && lane < 0; k++)
            if (l.from[k] >= 0 && lane_tail[p[l.from[k]].lane] == l.from[k]) lane = p[l.from[k]].lane;
        for (int k = 0; k < l.n_from; k++)
            if (l.from[k] >= 0) p[l.from[k]].left--;
        for (int k = 0; k < most && lane < 0; k++)
            if (lane_tail[k] < 0 || p[lane_tail[k]].left == 0) lane = k;
        if (lane < 0) lane = most - 1;
        p[i].lane = lane;
        lane_tail[lane] = i;
        if (lane + 1 > lanes) lanes = lane + 1;
    }
    return lanes;
}

static int centre(int lane) { return MARGIN + lane * STEP_X + BOX_W / 2; }
static int top(int row) { return MARGIN + row * STEP_Y; }

static void edge(FILE *f, int x0, int row0, int x1, int row1) {
    const int y0 = top(row0) + BOX_H, y1 = top(row1);
    if (x0 == x1 && row1 == row0 + 1) fprintf(f, "<path d=\"M%d %dV%d\"/>\n", x0, y0, y1);
    else if (x0 == x1) { /* past the boxes in between */
        const int side = x0 + BOX_W / 2 + 14;
        fprintf(f, "<path d=\"M%d %dC%d %d %d %d %d %dV%dC%d %d %d %d %d %d\"/>\n", x0 + 60, y0, x0 + 60, y0 + 12, side, y0, side, y0 + 20, y1 - 20, side, y1, x0 + 60, y1 - 12, x0 + 60, y1);
    } else if (x1 > x0 && row1 > row0 + 1) fprintf(f, "<path d=\"M%d %dC%d %d %d %d %d %dV%d\"/>\n", x0 + 60, y0, x0 + 60, y0 + 24, x1, y0, x1, y0 + 40, y1); /* down its own lane */
    else if (row1 > row0 + 1) fprintf(f, "<path d=\"M%d %dV%dC%d %d %d %d %d %d\"/>\n", x0, y0, y1 - 40, x0, y1, x1 + 60, y1 - 24, x1 + 60, y1); /* and back */
    else fprintf(f, "<path d=\"M%d %dC%d %d %d %d %d %d\"/>\n", x0, y0, x0, y0 + 16, x1, y1 - 16, x1, y1);
}

static int svg(FILE *f, const struct np_inspection *x) {
    struct np_inspect_info info;
    struct np_inspect_layer l;
    struct np_tensor_info t;
    enum { LANES = 64 };
    int tail[LANES], n_in = 0;
    char d[128], w[96];
    np_inspect_info(x, &info);
    const int n = info.n_layers;
    struct place *p = calloc((size_t)n + 1, sizeof *p);
    if (!p) return NP_ENOMEM;
    while (np_inspect_tensor(x, 0, n_in, &t) == 0) n_in++;
    int lanes = assign(x, p, n, tail, LANES);
    if (n_in > lanes) lanes = n_in;
    const int width = 2 * MARGIN + (lanes - 1) * STEP_X + BOX_W + 20, height = top(n + 2) + MARGIN;
    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"Helvetica,Arial,sans-serif\">\n"
               "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n<g fill=\"none\" stroke=\"#777\" stroke-width=\"1.2\">\n", width, height, width, height);
    for (int i = 0; i < n; i++) {
        np_inspect_layer(x, i, &l);
        for (int k = 0; k < l.n_from; k++) edge(f, l.from[k] >= 0 ? centre(p[l.from[k]].lane) : centre(-1 - l.from[k]), l.from[k] >= 0 ? l.from[k] + 1 : 0, centre(p[i].lane), i + 1);
    }
    fprintf(f, "</g>\n");
    for (int i = 0; np_inspect_tensor(x, 0, i, &t) == 0; i++) {
        dims(d, sizeof d, t.rank, t.dims);
        fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"17\" fill=\"white\" stroke=\"#333\"/><text x=\"%d\" y=\"%d\" font-size=\"12\" text-anchor=\"middle\"><tspan font-weight=\"bold\">", centre(i) - BOX_W / 2, top(0), BOX_W, BOX_H, centre(i), top(0) + 21);
        text(f, t.name, 20);
        fprintf(f, "</tspan> %s %s</text>\n", np_dtype_name(t.dtype), d);
    }
    for (int i = 0; i < n; i++) {
        np_inspect_layer(x, i, &l);
        dims(d, sizeof d, l.rank, l.dims);
        work(w, sizeof w, &l);
        const int cx = centre(p[i].lane), y = top(i + 1);
        fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\" fill=\"%s\" stroke=\"%s\" stroke-width=\"%s\"/>\n<text x=\"%d\" y=\"%d\" font-size=\"12\"><tspan font-weight=\"bold\">%s</tspan> %s</text>\n",
                cx - BOX_W / 2, y, BOX_W, BOX_H, colour(l.op), l.output >= 0 ? "#c00" : "#999", l.output >= 0 ? "2" : "1", cx - BOX_W / 2 + 8, y + 14, l.op, d);
        fprintf(f, "<text x=\"%d\" y=\"%d\" font-size=\"9\" fill=\"#444\">", cx - BOX_W / 2 + 8, y + 28);
        text(f, l.name, 30);
        fprintf(f, "</text><text x=\"%d\" y=\"%d\" font-size=\"9\" fill=\"#444\" text-anchor=\"end\">", cx + BOX_W / 2 - 8, y + 28);
        text(f, w, 60);
        fprintf(f, "</text>\n");
        if (l.output < 0 || np_inspect_tensor(x, 1, l.output, &t) < 0) continue;
        fprintf(f, "<text x=\"%d\" y=\"%d\" font-size=\"11\" fill=\"#c00\" text-anchor=\"middle\">output ", cx, y + BOX_H + 13);
        text(f, t.name, 36);
        fprintf(f, "</text>\n");
    }
    fprintf(f, "</svg>\n");
    free(p);
    return 0;
}

/* Written to a temporary name and renamed: a half picture never stays. */
static int whole_file(const struct np_inspection *x, const char *path, int is_svg, struct np_error *err) {
    char temp[4200];
    if (!strcmp(path, "-")) {
        if (is_svg) return svg(stdout, x);
        dot(stdout, x);
        return 0;
    }
    if ((size_t)snprintf(temp, sizeof temp, "%s.part-%ld", path, (long)getpid()) >= sizeof temp) return npi_io_fail(err, NP_EIO, "%.100s…: the name is too long", path);
    FILE *f = fopen(temp, "w");
    if (!f) return npi_io_fail(err, NP_EIO, "%s: cannot be written: %s", path, strerror(errno));
    int r = 0;
    if (is_svg) r = svg(f, x);
    else dot(f, x);
    const int bad = ferror(f), e = errno;
    if (fclose(f) != 0 || bad || r < 0 || rename(temp, path) != 0) {
        unlink(temp);
        return npi_io_fail(err, NP_EIO, "%s: cannot be written: %s", path, strerror(bad ? e : errno));
    }
    return 0;
}

int inspect_dot(const struct np_inspection *x, const char *path, struct np_error *err) { return whole_file(x, path, 0, err); }
int inspect_svg(const struct np_inspection *x, const char *path, struct np_error *err) { return whole_file(x, path, 1, err); }
