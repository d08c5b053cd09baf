/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest model of a format, made on the spot: y = sigmoid(x), float [1][4]. To see whether a runtime works. */
#ifndef NPI_BACKEND_TINY_H
#define NPI_BACKEND_TINY_H
#include <stddef.h>
#define NPI_TINY_N 4
/* Writes it into buf (512 bytes are enough) and returns its length; 0: no such model for this format ("onnx", "tflite"). */
size_t npi_tiny_model(const char *format, unsigned char *buf, size_t size);
#endif
