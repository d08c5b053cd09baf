/* SPDX-License-Identifier: Apache-2.0 */
/* The loads that the controller is held against; the test asserts on them, the trace tool draws them. */
#ifndef TESTS_TUNE_SCENARIOS_H
#define TESTS_TUNE_SCENARIOS_H
#include "sim.h"

struct scenario {
    const char *name, *what;
    struct npi_controller_params params;
    struct sim sim;
    double seconds;
};
/* NULL past the end. The object is reused by the next call. */
const struct scenario *scenario_at(int i);
const struct scenario *scenario_find(const char *name);
/* Parameters of a built-in preset on a machine with the usual choice of sizes and two pose nets. */
struct npi_controller_params scenario_params(int preset, int threads);
#endif
