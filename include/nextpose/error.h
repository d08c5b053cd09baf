/* SPDX-License-Identifier: Apache-2.0 */
/* One error list for the whole library: the X-macro gives the enum, the names and the texts.
 *
 * Every call that can fail returns `int`: 0 on success, a negative NP_E… otherwise. Calls that read the outside world
 * also take a `struct np_error *` (may be NULL) that receives one line saying what is wrong, where, and what to do. */
#ifndef NEXTPOSE_ERROR_H
#define NEXTPOSE_ERROR_H

#include "nextpose/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/*        name           value  text */
#define NP_ERROR_LIST(X)                                                            \
    X(NP_OK,              0, "success")                                             \
    X(NP_ENOMEM,         -1, "out of memory")                                       \
    X(NP_EINVAL,         -2, "invalid argument or setting")                         \
    X(NP_EIO,            -3, "reading or writing failed")                           \
    X(NP_ENOENT,         -4, "file, camera or stream not found")                    \
    X(NP_EFORMAT,        -5, "data is truncated, corrupt or not of this format")    \
    X(NP_EUNSUPPORTED,   -6, "valid, but not supported by this build")              \
    X(NP_ESHAPE,         -7, "tensor shapes do not fit together")                   \
    X(NP_EMODEL,         -8, "model missing, or its hash or card is wrong")         \
    X(NP_EBACKEND,       -9, "backend not available")                               \
    X(NP_EAGAIN,        -10, "call the other function first")                       \
    X(NP_EEND,          -11, "end of stream")                                       \
    X(NP_EINTR,         -12, "interrupted")                                         \
    X(NP_ELIMIT,        -13, "a limit of this library was exceeded")                \
    X(NP_EINTERNAL,     -14, "internal error: please report it")

enum np_error_code {
#define NP_ERROR_ENUM(name, value, text) name = value,
    NP_ERROR_LIST(NP_ERROR_ENUM)
#undef NP_ERROR_ENUM
    NP_ERROR_FORCE_INT = 0x7fffffff
};

/* Filled on failure, untouched on success. `message` is one line, NUL-terminated, without a newline. */
struct np_error {
    int code;
    char message[508];
};

/* Name ("NP_EIO") and text ("reading or writing failed") of a code. Never NULL; unknown codes give "NP_E?".
 * The strings are static. Any thread. */
NP_API const char *np_error_name(int code);
NP_API const char *np_error_text(int code);

#ifdef __cplusplus
}
#endif
#endif
