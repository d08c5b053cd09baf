/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a model -> ONNX; see convert.h. The size chooses the strategy. */
#include "fuzz.h"

#include "convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_convert(data, size, NPI_FORMAT_ONNX, (int)(size % 3)); }
