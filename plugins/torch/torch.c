/* SPDX-License-Identifier: Apache-2.0 */
/* LibTorch behind our plug-in interface: TorchScript (.pt, .ts).
 *
 *   np_backend_torch.so (this, C, always built) ── dlopen ─> libtorch_cpu.so of the wheel ── dlopen ─> np_torch_shim.so (C++, beside this file)
 *
 * LibTorch's only way in is C++, whose binary interface changes with each minor version: so the shim is built for one version (meson setup
 * -Dtorch_dir=…) and refused with both numbers when the library is another one. A build without it has this plug-in all the same, to say why not.
 *
 * A TorchScript file holds code that LibTorch's interpreter runs. It is no Python and has no import, but it can call any operator that is
 * registered and use all memory and time it likes. Load files from people you trust only; --isolate keeps a crash out, not an attacker.
 *
 * Exported programs (.pt2) are refused: the wheels' C++ has nothing that runs one (in 2.15 nativert/ModelRunnerHandle.h is there, its code is in
 * no library), and one that AOTInductor compiled reads past its input when the shape is not the one it was compiled for. */
#define _GNU_SOURCE
#include "../narrow.h"
#include "shim.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef NP_TORCH_MAJOR /* set by plugins/meson.build from LibTorch's version.h when the shim is built */
#define NP_TORCH_MAJOR 0
#define NP_TORCH_MINOR 0
#endif

static struct { const struct np_torch_shim *shim; char path[4096], version[32]; int cuda; } lib;

static int shim_path(char *out, size_t size) {
    Dl_info self;
    if (!dladdr((void *)(uintptr_t)&shim_path, &self) || !self.dli_fname) return 0;
    const char *const slash = strrchr(self.dli_fname, '/');
    return (size_t)snprintf(out, size, "%.*snp_torch_shim.so", slash ? (int)(slash - self.dli_fname + 1) : 0, self.dli_fname) < size;
}

/* Never unloaded: LibTorch registers operators and threads. */
static int load(const char *path, struct np_error *err) {
    char shim[4096];
    if (!NP_TORCH_MAJOR) return fail(err, NP_EBACKEND, "torch: this build of nextpose has no LibTorch shim; build it with -Dtorch_dir=DIR (docs/runtimes.md)");
    if (!path) return fail(err, NP_EBACKEND, "torch: libtorch_cpu.so was not found; pip install torch==%d.%d.*, or say where it is", NP_TORCH_MAJOR,
                           NP_TORCH_MINOR);
    if (lib.shim) return strcmp(path, lib.path) ? fail(err, NP_EBACKEND, "torch: %s is loaded in this process, %s cannot be as well", lib.path,
                                                       path) : 0;
    if (strlen(path) >= sizeof lib.path || !shim_path(shim, sizeof shim)) return fail(err, NP_EINVAL, "torch: the path of the library is too long");
    void *const torch = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!torch) return fail(err, NP_EBACKEND, "torch: cannot load the library: %s", dlerror());
    uint64_t (*version)(void); /* torch/csrc/inductor/aoti_torch/c/shim.h, since 2.9: a byte each for major, minor, patch from the top */
    *(void **)&version = dlsym(torch, "aoti_torch_abi_version");
    if (!version) return fail(err, NP_EBACKEND, "torch: %s does not tell its version; LibTorch 2.9 or newer is needed", path);
    const uint64_t v = version();
    const int major = (int)(v >> 56), minor = (int)(v >> 48 & 255), patch = (int)(v >> 40 & 255);
    if (major != NP_TORCH_MAJOR || minor != NP_TORCH_MINOR)
        return fail(err, NP_EBACKEND, "torch: %s is version %d.%d, this build of nextpose is for %d.%d; pip install torch==%d.%d.*", path, major,
                    minor,
                    NP_TORCH_MAJOR, NP_TORCH_MINOR, NP_TORCH_MAJOR, NP_TORCH_MINOR);
    void *const module = dlopen(shim, RTLD_NOW | RTLD_LOCAL);
    if (!module) return fail(err, NP_EBACKEND, "torch: cannot load the shim: %s", dlerror());
    const struct np_torch_shim *(*entry)(void);
    *(void **)&entry = dlsym(module, NP_TORCH_SHIM_ENTRY);
    if (!entry) return fail(err, NP_EBACKEND, "torch: %s has no %s", shim, NP_TORCH_SHIM_ENTRY);
    snprintf(lib.version, sizeof lib.version, "%d.%d.%d", major, minor, patch);
    memcpy(lib.path, path, strlen(path) + 1);
    lib.shim = entry();
    return 0;
}

/* CUDA is half a gigabyte more of code: loaded when it is asked for. */
static int load_cuda(struct np_error *err) {
    char path[4200];
    if (lib.cuda) return 0;
    const char *const slash = strrchr(lib.path, '/');
    snprintf(path, sizeof path, "%.*slibtorch_cuda.so", slash ? (int)(slash - lib.path + 1) : 0, lib.path);
    if (access(path, R_OK) != 0) return fail(err, NP_EBACKEND, "torch: this LibTorch has no CUDA (no %s)", path);
    if (!dlopen(path, RTLD_NOW | RTLD_GLOBAL)) return fail(err, NP_EBACKEND, "torch: CUDA cannot be loaded: %s", dlerror());
    if (lib.shim->has_cuda() <= 0) return fail(err, NP_EBACKEND, "torch: CUDA is loaded, but there is no device that it can use");
    lib.cuda = 1;
    return 0;
}

static int look(const struct np_backend_params *p, struct np_backend_info *out, struct np_error *why) {
    int r = load(p->library, why);
    if (r < 0) return r;
    const int gpu = access("/dev/nvidiactl", F_OK) == 0 && load_cuda(NULL) >= 0;
    snprintf(out->version, sizeof out->version, "%s", lib.version);
    snprintf(out->devices, sizeof out->devices, "%scpu", gpu ? "cuda," : "");
    snprintf(out->missing, sizeof out->missing, "%s", gpu ? "" : "cuda");
    return 30;
}

/* 1: the archive has an entry whose name ends so. Names stand in clear text in a ZIP's directory, which is at its end. */
static int has_entry(const struct np_backend_params *p, const char *name) {
    const char *const m = p->model;
    const size_t tail = p->model_size < 1 << 20 ? p->model_size : 1 << 20;
    return memmem(m + p->model_size - tail, tail, name, strlen(name)) != NULL;
}

static int supports(const struct np_backend_params *p, struct np_error *why) {
    const char *const path = p->model_path ? p->model_path : "model";
    if (!p->model) return 0;
    if (p->model_size < 22 || memcmp(p->model, "PK\3\4", 4))
        return fail(why, NP_EUNSUPPORTED, "%s: is no TorchScript file (no ZIP archive); save the net with torch.jit.trace(net, input).save(path)",
                    path);
    if (has_entry(p, "/constants.pkl")) return 0;
    return fail(why, NP_EUNSUPPORTED, "%s: holds %s; save the net with torch.jit.trace(net, input).save(path)", path,
                has_entry(p, "/archive_format") ? "an exported program, which LibTorch's C++ cannot run" : "weights (torch.save) and no program");
}

static int open_here(struct np_backend_net **out, const struct np_backend_params *p, struct np_error *err) {
    char device[32] = "cpu";
    int r = load(p->library, err);
    if (r < 0 || (r = supports(p, err)) < 0) return r;
    if (p->device && strcmp(p->device, "cpu") && strcmp(p->device, "auto")) {
        const int gpu = !strcmp(p->device, "gpu");
        if (!gpu && strncmp(p->device, "cuda", 4)) return fail(err, NP_EBACKEND, "torch: has no device '%.60s', only cpu and cuda", p->device);
        if ((r = load_cuda(err)) < 0) return r;
        snprintf(device, sizeof device, "%.31s", gpu ? "cuda" : p->device);
    }
    if (p->n_options) return fail(err, NP_EINVAL, "torch: has no option '%.60s'", p->options[0].key);
    if (p->precision && strcmp(p->precision, "f32")) return fail(err, NP_EUNSUPPORTED, "torch: computes in the types of the file, not in %.20s",
                                                                 p->precision);
    if (p->rank < 1 || p->rank > NP_MAX_RANK)
        return fail(err, NP_ESHAPE, "torch: a TorchScript file does not say the shape of its input; its card must (input.shape), or an .onnx of the same net beside it");
    return lib.shim->open(out, p, device, err);
}

static int tensor(const struct np_backend_net *n, int output, int i, struct np_tensor_info *out) { return lib.shim->tensor(n, output, i, out); }

static int run(struct np_backend_net *n, const void *const *in, void *const *out, struct np_error *err) { return lib.shim->run(n, in, out, err); }

static void close_net(struct np_backend_net *n) { lib.shim->close(n); }

static const char *device(const struct np_backend_net *n) { return lib.shim->device(n); }

static const char *const wheels[] = { "torch/lib/libtorch_cpu.so", NULL };
static const char *const sonames[] = { "libtorch_cpu.so", "libtorch_cpu.so.*", NULL };
NARROW_BACKEND(torch, .title = "LibTorch", .formats = "torch")
