/* SPDX-License-Identifier: Apache-2.0 */
/* The library never prints: lines go to the logger of the settings. */
#ifndef NPI_BASE_LOG_H
#define NPI_BASE_LOG_H
#include "base/err.h"
#include "nextpose/settings.h"
void npi_log(const struct np_logger *l, int level, const char *fmt, ...) NPI_PRINTF(3, 4);
#endif
