/* SPDX-License-Identifier: Apache-2.0 */
/* A model as a picture: Graphviz text, or an SVG that needs nothing else. Layers go down the page in the order in which they run; a branch gets
 * a lane of its own to the right, until it joins again. */
#ifndef NPI_TOOLS_INSPECT_DRAW_H
#define NPI_TOOLS_INSPECT_DRAW_H
#include "nextpose/inspect.h"
int inspect_dot(const struct np_inspection *x, const char *path, struct np_error *err);
int inspect_svg(const struct np_inspection *x, const char *path, struct np_error *err);
#endif
