/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a model -> TFLite; see convert.h. */
#include "fuzz.h"

#include "convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_convert(data, size, NPI_FORMAT_TFLITE, (int)(size % 3)); }
