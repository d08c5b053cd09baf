/* SPDX-License-Identifier: Apache-2.0 */
/* The subjects of nextpose bench; each takes the arguments after its name and returns an exit code. */
#ifndef NPI_TOOLS_BENCH_H
#define NPI_TOOLS_BENCH_H
#include "tools/tool.h"

int bench_model(int argc, char **argv);
int bench_peak(int argc, char **argv);
int bench_quick(int argc, char **argv);
int bench_pipeline(int argc, char **argv);
int bench_runtimes(const struct opts *o); /* bench model with --backend */
int bench_compare(int argc, char **argv);
int bench_trend(int argc, char **argv);

/* 1 when `word` is one of "a,b,c". */
int bench_in_list(const char *list, const char *word);
#endif
