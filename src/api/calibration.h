/* SPDX-License-Identifier: Apache-2.0 */
/* A calibration's samples, for the quantizer. */
#ifndef NPI_API_CALIBRATION_H
#define NPI_API_CALIBRATION_H
#include "nextpose/quantize.h"
#include "pipe/still.h"

struct np_calibration {
    struct npi_net det, pose;
    struct npi_still *still;
    const struct npi_net *target;
    void **sample; int n_samples, most;
    size_t bytes;                 /* of a sample; 0: none seen yet */
    int64_t n_seen, n_frames;
    uint64_t random;
    int failed;                   /* out of memory in the tap */
};
#endif
