/* SPDX-License-Identifier: Apache-2.0 */
/* The one function of a fuzz target: libFuzzer calls it, or replay.c for each file of a corpus. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H
#include <stddef.h>
#include <stdint.h>
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#endif
