/* SPDX-License-Identifier: Apache-2.0 */
/* Library version (what changed) and API version (what you may call): two numbers, as in dav1d and SQLite. */
#ifndef NEXTPOSE_VERSION_H
#define NEXTPOSE_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define NP_API
#elif defined(__GNUC__)
#define NP_API __attribute__((visibility("default")))
#else
#define NP_API
#endif

#define NP_VERSION_MAJOR 0
#define NP_VERSION_MINOR 1
#define NP_VERSION_PATCH 0
#define NP_VERSION_STRING "0.1.0"
/* Grows by one with each incompatible change; the soname follows it. */
#define NP_API_VERSION 1

/* The version of the library that is running, to compare with the header it was compiled against. Any thread. */
NP_API const char *np_version(void);
NP_API int np_api_version(void);

#ifdef __cplusplus
}
#endif
#endif
