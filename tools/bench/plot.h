/* SPDX-License-Identifier: Apache-2.0 */
/* Small charts as SVG elements, for reports that must open anywhere without a script or a font of ours. */
#ifndef NPI_BENCH_PLOT_H
#define NPI_BENCH_PLOT_H
#include "io/outfile.h"

enum plot_style { PLOT_LINE, PLOT_POINTS, PLOT_STEPS };
struct plot_series {
    const char *name;
    int style;
    const double *x, *y;       /* [n] finite */
    const double *low, *high;  /* [n] error bars, or NULL */
    const char *const *label;  /* [n] text beside the points, or NULL */
    int n;
};
struct plot {
    const char *title, *x_label, *y_label;
    const struct plot_series *series; int n_series;
    const char *const *x_tick; int n_x_ticks;  /* names of x = 0, 1, 2, …; NULL: numbers */
    const double *mark; int n_marks;           /* vertical lines */
    int y_from_zero;
};
/* One <svg> element with a title, fit to be a file too; nothing when there are no points. */
void plot_svg(struct npi_outfile *o, const struct plot *p);

/* Horizontal bars, each the sum of parts: value[bar][part]. */
struct plot_bars {
    const char *title, *x_label;
    const char *const *bar; int n_bars;
    const char *const *part; int n_parts;
    const double *value;       /* [n_bars][n_parts], >= 0 */
};
void plot_bars_svg(struct npi_outfile *o, const struct plot_bars *p);

/* Text with &, <, > and quotes escaped, for HTML and SVG. */
void plot_text(struct npi_outfile *o, const char *s);
#endif
