/* SPDX-License-Identifier: Apache-2.0 */
/* Between torch.c and shim.cc: what the C side of the plug-in calls in the C++ side. Plain C; no exception and no C++ type crosses. Both are built
 * together, so there is no version; the version of LibTorch that the shim was compiled for is checked before it is loaded. */
#ifndef NEXTPOSE_PLUGIN_TORCH_SHIM_H
#define NEXTPOSE_PLUGIN_TORCH_SHIM_H
#include <nextpose/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

struct np_torch_shim {
    int (*has_cuda)(void);
    int (*open)(struct np_backend_net **out, const struct np_backend_params *p, const char *device, struct np_error *err);
    int (*tensor)(const struct np_backend_net *n, int output, int i, struct np_tensor_info *out);
    int (*run)(struct np_backend_net *n, const void *const *in, void *const *out, struct np_error *err);
    void (*close)(struct np_backend_net *n);
    const char *(*device)(const struct np_backend_net *n);
};
#define NP_TORCH_SHIM_ENTRY "np_torch_shim_entry"
NP_API const struct np_torch_shim *np_torch_shim_entry(void);

#ifdef __cplusplus
}
#endif
#endif
