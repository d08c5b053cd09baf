/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NPI_BASE_CLOCK_H
#define NPI_BASE_CLOCK_H
#include <stdint.h>
int64_t npi_now_ns(void); /* monotonic */
#endif
