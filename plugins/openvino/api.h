/* SPDX-License-Identifier: Apache-2.0 */
/* The part of OpenVINO's C API that we call, declared by ourselves after its public headers (openvino/c/ov_core.h, ov_model.h, ov_node.h,
 * ov_compiled_model.h, ov_infer_request.h, ov_tensor.h of 2024.0 to 2026.4: these calls have not changed;
 * run with the wheels of 2024.6, 2025.4 and 2026.4; that of 2023.3 has no C library) and looked up by name in the
 * library that the host found. So no header of OpenVINO is needed to build, and no library to start.
 *
 * One thing did change: the numbers of the element types (2025.0 dropped the first, "undefined"; 2024.2 put 2, 3 and 6 bit types in between).
 * ov_load() therefore reads them off the library: it asks for the size of tensors of type 0, 1, 2, … and knows them by their order. */
#ifndef NEXTPOSE_PLUGIN_OPENVINO_API_H
#define NEXTPOSE_PLUGIN_OPENVINO_API_H
#include "../common.h"

#include <stdbool.h>

/* ov_status_e: 0 or negative */
enum { OV_OK = 0, OV_NOT_FOUND = -5, OV_RESULT_NOT_READY = -9, OV_INFER_CANCELLED = -13 };

struct ov_version { const char *buildNumber, *description; };
struct ov_available_devices { char **devices; size_t size; };
struct ov_dimension { int64_t min, max; };             /* also of a rank; -1 max: no limit */
struct ov_partial_shape { struct ov_dimension rank, *dims; };
struct ov_shape { int64_t rank, *dims; };
struct ov_core;
struct ov_model;
struct ov_compiled_model;
struct ov_infer_request;
struct ov_tensor;
struct ov_output_const_port;

#define OV_API_LIST(X)                                                                                                                          \
    X(int, ov_get_openvino_version, (struct ov_version * version))                                                                              \
    X(void, ov_version_free, (struct ov_version * version))                                                                                     \
    X(void, ov_free, (const char *content))                                                                                                     \
    X(const char *, ov_get_error_info, (int status))                                                                                            \
    X(const char *, ov_get_last_err_msg, (void))                                                                                                \
    X(int, ov_core_create, (struct ov_core * *core))                                                                                            \
    X(int, ov_core_get_available_devices, (const struct ov_core *core, struct ov_available_devices *devices))                                   \
    X(int, ov_core_get_property, (const struct ov_core *core, const char *device, const char *key, char **value))                               \
    X(void, ov_available_devices_free, (struct ov_available_devices * devices))                                                                 \
    X(int, ov_core_read_model, (const struct ov_core *core, const char *path, const char *bin_path, struct ov_model **model))                   \
    X(int, ov_core_read_model_from_memory_buffer,                                                                                               \
      (const struct ov_core *core, const char *text, size_t size, const struct ov_tensor *weights, struct ov_model **model))                    \
    X(int, ov_core_compile_model,                                                                                                               \
      (const struct ov_core *core, const struct ov_model *model, const char *device, size_t n_args, struct ov_compiled_model **out, ...))       \
    X(void, ov_model_free, (struct ov_model * model))                                                                                           \
    X(int, ov_model_inputs_size, (const struct ov_model *model, size_t *n))                                                                     \
    X(int, ov_model_const_input_by_index, (const struct ov_model *model, size_t i, struct ov_output_const_port **port))                         \
    X(int, ov_model_reshape_by_port_indexes,                                                                                                    \
      (const struct ov_model *model, const size_t *ports, const struct ov_partial_shape *shapes, size_t n))                                     \
    X(int, ov_port_get_any_name, (const struct ov_output_const_port *port, char **name))                                                        \
    X(int, ov_port_get_partial_shape, (const struct ov_output_const_port *port, struct ov_partial_shape *shape))                                \
    X(int, ov_port_get_element_type, (const struct ov_output_const_port *port, unsigned *type))                                                 \
    X(void, ov_output_const_port_free, (struct ov_output_const_port * port))                                                                    \
    X(void, ov_partial_shape_free, (struct ov_partial_shape * shape))                                                                           \
    X(int, ov_compiled_model_inputs_size, (const struct ov_compiled_model *model, size_t *n))                                                   \
    X(int, ov_compiled_model_outputs_size, (const struct ov_compiled_model *model, size_t *n))                                                  \
    X(int, ov_compiled_model_input_by_index, (const struct ov_compiled_model *model, size_t i, struct ov_output_const_port **port))             \
    X(int, ov_compiled_model_output_by_index, (const struct ov_compiled_model *model, size_t i, struct ov_output_const_port **port))            \
    X(int, ov_compiled_model_get_property, (const struct ov_compiled_model *model, const char *key, char **value))                              \
    X(int, ov_compiled_model_create_infer_request, (const struct ov_compiled_model *model, struct ov_infer_request **request))                  \
    X(void, ov_compiled_model_free, (struct ov_compiled_model * model))                                                                         \
    X(int, ov_infer_request_set_input_tensor_by_index, (struct ov_infer_request * request, size_t i, const struct ov_tensor *tensor))           \
    X(int, ov_infer_request_set_output_tensor_by_index, (struct ov_infer_request * request, size_t i, const struct ov_tensor *tensor))          \
    X(int, ov_infer_request_start_async, (struct ov_infer_request * request))                                                                   \
    X(int, ov_infer_request_wait, (struct ov_infer_request * request))                                                                          \
    X(int, ov_infer_request_wait_for, (struct ov_infer_request * request, int64_t timeout_ms))                                                  \
    X(int, ov_infer_request_cancel, (struct ov_infer_request * request))                                                                        \
    X(void, ov_infer_request_free, (struct ov_infer_request * request))                                                                         \
    X(int, ov_tensor_create, (unsigned type, struct ov_shape shape, struct ov_tensor **tensor))                                                 \
    X(int, ov_tensor_create_from_host_ptr, (unsigned type, struct ov_shape shape, void *p, struct ov_tensor **tensor))                          \
    X(int, ov_tensor_get_byte_size, (const struct ov_tensor *tensor, size_t *bytes))                                                            \
    X(void, ov_tensor_free, (struct ov_tensor * tensor))

struct ov_api {
#define OV_MEMBER(ret, name, args) ret (*name) args;
    OV_API_LIST(OV_MEMBER)
#undef OV_MEMBER
    unsigned type_of[NP_DTYPE_COUNT]; /* ov_element_type_e of enum np_dtype; ~0u: none */
    int year, month;                  /* of the release */
    char version[64];
    char path[4096];
};

/* Loads the library once a process and gives the same table ever after; another path than the first is NP_EBACKEND. */
int ov_load(const struct ov_api **out, const char *path, struct np_error *err);
/* "openvino: WHAT: the library's own words", with the code that fits. Returns it. */
int ov_fail(const struct ov_api *api, struct np_error *err, int code, int status, const char *what);
int ov_dtype(const struct ov_api *api, unsigned type); /* enum np_dtype; -1: none of ours */
#endif
