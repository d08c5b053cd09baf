/* SPDX-License-Identifier: Apache-2.0 */
/* The int8 side of `nextpose convert`: the quantizer, fed with a clip or pictures, with the layer settings of the configuration file. */
#ifndef NPI_TOOLS_CONVERT_INT8_H
#define NPI_TOOLS_CONVERT_INT8_H
#include "convert_config.h"
#include "nextpose/quantize.h"
#include "nextpose/settings.h"

struct convert_int8 { struct np_calibration *calib; struct np_quantizer *q; struct np_quantize_report rep; char card[4096]; };
/* Opens, calibrates and measures; x->rep.error is that of the outputs on inputs held out. `stop`: asked a frame. */
int convert_int8_open(struct convert_int8 *x, const char *in, const char *clip, const struct convert_config *c, const struct np_settings *s, int (*stop)(void *opaque), struct np_error *err);
/* The model, and its card beside it: x->card, "" when a file of that name was there and left alone. */
int convert_int8_write(struct convert_int8 *x, const char *out, struct np_error *err);
void convert_int8_close(struct convert_int8 *x);
#endif
