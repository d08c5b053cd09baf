/* SPDX-License-Identifier: Apache-2.0 */
/* The part of ONNX Runtime's C API that we call. Its table (OrtApi) is a struct of function pointers that only grows: we declare the
 * slots that we need by their number, as in onnxruntime_c_api.h of 1.12 (API 12; its sources assert 101, 118, 126, 149, 157, 161, 169 for ReleaseCustomOpDomain,
 * ReleaseModelMetadata, ReleaseAvailableProviders, SetGlobalSpinControl, ReleaseArenaCfg, GetCurrentGpuDeviceId,
 * CreateSessionFromArrayWithPrepackedWeightsContainer). tests/backend runs them against the pinned wheel. */
#ifndef NPI_PLUGIN_ORT_H
#define NPI_PLUGIN_ORT_H
#include "../common.h"

#define ORT_MINOR_MIN 12      /* 1.12, July 2022: the generic AppendExecutionProvider */
#define ORT_API_WANTED 17     /* the table asked for, when the library is as new; older ones are asked for their own */

struct OrtStatus; struct OrtEnv; struct OrtSession; struct OrtSessionOptions; struct OrtValue; struct OrtRunOptions; struct OrtTypeInfo;
struct OrtTensorInfo; struct OrtMemoryInfo; struct OrtAllocator; struct OrtProviderOptions;
typedef void (*ort_fn)(void);
struct OrtApiBase { const ort_fn *(*GetApi)(uint32_t version); const char *(*GetVersionString)(void); };

enum ort_slot {
    GetErrorMessage = 2, CreateEnvWithCustomLogger = 4, CreateSessionFromArray = 8, Run = 9, CreateSessionOptions = 10, SetSessionExecutionMode = 13,
    SetSessionLogSeverityLevel = 22, SetSessionGraphOptimizationLevel = 23, SetIntraOpNumThreads = 24, SetInterOpNumThreads = 25, SessionGetInputCount = 30,
    SessionGetOutputCount = 31, SessionGetInputTypeInfo = 33, SessionGetOutputTypeInfo = 34, SessionGetInputName = 36, SessionGetOutputName = 37,
    CreateRunOptions = 39, RunOptionsSetTerminate = 46, RunOptionsUnsetTerminate = 47, CreateTensorWithDataAsOrtValue = 49, CastTypeInfoToTensorInfo = 55,
    GetTensorElementType = 60, GetDimensionsCount = 61, GetDimensions = 62, GetTensorTypeAndShape = 65, CreateCpuMemoryInfo = 69, AllocatorFree = 76,
    GetAllocatorWithDefaultOptions = 78, ReleaseStatus = 93, ReleaseMemoryInfo = 94, ReleaseSession = 95, ReleaseValue = 96, ReleaseRunOptions = 97,
    ReleaseTypeInfo = 98, ReleaseTensorTypeAndShapeInfo = 99, ReleaseSessionOptions = 100, GetAvailableProviders = 125, ReleaseAvailableProviders = 126,
    AddSessionConfigEntry = 130, AppendTensorRT_V2 = 170, CreateTensorRTProviderOptions = 171, UpdateTensorRTProviderOptions = 172,
    ReleaseTensorRTProviderOptions = 174, AppendCUDA_V2 = 204, CreateCUDAProviderOptions = 205, UpdateCUDAProviderOptions = 206,
    ReleaseCUDAProviderOptions = 208, AppendExecutionProvider = 216
};

/* CALL(api, CreateRunOptions, (struct OrtRunOptions **), &o) : status, NULL is success.  VOID(…) : the Release functions. */
#define CALL(api, slot, types, ...) (((struct OrtStatus *(*)types)(api)[slot])(__VA_ARGS__))
#define VOID(api, slot, p) (((void (*)(void *))(api)[slot])(p))

/* 0, or `code` with the status's message; the status is released. */
int ort_check(const ort_fn *api, struct OrtStatus *s, struct np_error *err, int code, const char *what);

/* Puts the devices of `p` into the options. NP_EBACKEND with the reason when the library or the machine has not got them. */
int ort_append_device(const ort_fn *api, struct OrtSessionOptions *o, const struct np_backend_params *p, const char **provider, struct np_error *err);
/* "cuda,cpu" and what the library was built without. */
void ort_devices(const ort_fn *api, char *have, size_t have_size, char *missing, size_t missing_size);
#endif
