/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file of `nextpose convert`:
 *
 *   [convert]                    what the flags say, for those that were not given
 *   strategy = fp16
 *   format = tflite
 *   io-layout = native
 *
 *   [layer backbone/stem*]       layers by name, '*' and '?' as in file names; later sections win
 *   precision = float            float, fp16, int8
 *   per-channel = no             8-bit weights: one scale for the layer
 *   range = -1:6                 of the layer's result, with strategy int8
 *
 * Unknown sections, keys and values are errors that name the line. */
#ifndef NPI_TOOLS_CONVERT_CONFIG_H
#define NPI_TOOLS_CONVERT_CONFIG_H
#include "nextpose/convert.h"

#define CONVERT_RULES 64
struct convert_layer { char pattern[256]; int precision, per_tensor, has_range; float lo, hi; };
struct convert_config {
    char strategy[16], format[16], io_layout[16];   /* "": not said */
    struct convert_layer layer[CONVERT_RULES]; int n_layers;
};
int convert_config_read(struct convert_config *c, const char *path, struct np_error *err);
int convert_config_string(struct convert_config *c, const char *text, const char *path, struct np_error *err);
#endif
