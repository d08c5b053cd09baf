/* SPDX-License-Identifier: Apache-2.0 */
/* The archives of conformance cases, unpacked into a temporary folder for one run. */
#ifndef TESTS_CASES_H
#define TESTS_CASES_H

struct case_dir { char top[256], path[320]; };
/* 0: `inside` of the archive is at d->path. 77: there is no archive here (why is printed). 1: could not be unpacked. */
int case_dir_open(struct case_dir *d, const char *archive, const char *inside);
void case_dir_close(struct case_dir *d);
#endif
