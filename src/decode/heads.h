/* SPDX-License-Identifier: Apache-2.0 */
/* All heads by symbol, for the table in head.c: a new head adds its line here and there. */
#ifndef NPI_DECODE_HEADS_H
#define NPI_DECODE_HEADS_H
#include "decode/decoder.h"
extern const struct npi_head npi_head_efficientdet, npi_head_blazepose, npi_head_yolox, npi_head_yolov8, npi_head_ssd_oidv4, npi_head_blazepose_det,
    npi_head_tflite_postprocess, npi_head_soft_argmax3d, npi_head_simcc, npi_head_heatmap, npi_head_movenet, npi_head_movenet_multi;
#endif
