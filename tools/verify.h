/* SPDX-License-Identifier: Apache-2.0 */
/* What nextpose recommend promises, as comments of the config file that it writes, and the command that holds it to it. */
#ifndef NPI_TOOLS_VERIFY_H
#define NPI_TOOLS_VERIFY_H
#include "io/outfile.h"

struct promise {
    double capacity;             /* frames a second, as fast as it goes */
    double target, displayed, delay_p99; /* live: frames offered and shown a second, ms */
    char clip[4200];
};
void promise_write(struct npi_outfile *f, const struct promise *p);
/* Measures with the settings of the file, prints promised and measured, returns an exit code: EXIT_RUNTIME when it is not kept. input NULL: the clip of
 * the promise. */
int recommend_verify(const char *path, const char *input, const char *models_dir, double slice_s);
#endif
