/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NEXTPOSE_PLUGIN_OPENVINO_COMPILE_H
#define NEXTPOSE_PLUGIN_OPENVINO_COMPILE_H
#include "api.h"

#define MAX_TENSORS 16

/* One compiled model and the nets on it. */
struct compiled { struct ov_compiled_model *model; int streams, nets; struct compiled *next; };

/* Loads the library and makes the core, once a process. */
int ov_start(const struct ov_api **ov, const char *library, struct np_error *err);
/* "gpu.1" -> "GPU.1"; NULL: "CPU". 0: too long. */
int ov_device_name(char *out, size_t size, const char *asked);
/* here: comma-separated, "CPU,GPU.0". 1 if `want` (may be NULL) is among them; "GPU" is when "GPU.0" is. */
int ov_devices(const struct ov_api *ov, char *here, size_t size, const char *want);
int ov_check_device(const struct ov_api *ov, const char *device, struct np_error *err); /* NP_EBACKEND: not here, and which are */
/* Reads p->model, fixes its shapes and compiles it. *out: calloc'ed. */
int ov_compile(const struct ov_api *ov, struct compiled **out, const char *device, const struct np_backend_params *p, struct np_error *err);
#endif
