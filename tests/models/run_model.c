/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a model through the public engine, for tests/models/run_models.py.
 *
 *   run_model --levels                                            ISA levels of this machine, one a line
 *   run_model [--isa L] [--threads N] [--precision P] [--reference] [--shape H,W] MODEL OUT IN…   inputs from files IN…, output k into file OUT.k
 *
 * Prints "input|output NAME DTYPE SCALE ZERO DIMS…" for every input and output. Without IN nothing is run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nextpose/engine.h"

static void print_info(const char *what, const struct np_tensor_info *t) {
    printf("%s %s %s %.9g %d", what, *t->name ? t->name : "-", np_dtype_name(t->dtype), (double)t->scale, (int)t->zero_point);
    for (int i = 0; i < t->rank; i++) printf(" %lld", (long long)t->dims[i]);
    printf("\n");
}

static int fill(void *to, size_t bytes, const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "%s cannot be opened\n", path);
        return -1;
    }
    const size_t got = fread(to, 1, bytes, f);
    const int more = fgetc(f) != EOF;
    fclose(f);
    if (got == bytes && !more) return 0;
    fprintf(stderr, "%s does not have %zu bytes\n", path, bytes);
    return -1;
}

static int save(const void *from, size_t bytes, const char *prefix, int k) {
    char path[4200];
    snprintf(path, sizeof path, "%s.%d", prefix, k);
    FILE *f = fopen(path, "wb");
    const int ok = f && fwrite(from, 1, bytes, f) == bytes;
    if ((f && fclose(f) != 0) || !ok) {
        fprintf(stderr, "%s cannot be written\n", path);
        return -1;
    }
    return 0;
}

static int run(const struct np_model *m, int threads, const char *out, char **in, int n_in) {
    struct np_error err = { 0 };
    struct np_pool *pool = NULL;
    struct np_session *s = NULL;
    struct np_tensor_info t;
    int r = -1;
    if (threads > 1 && np_pool_create(&pool, threads, &err) < 0) goto done;
    if (np_session_open(&s, m, pool, &err) < 0) goto done;
    if (n_in != np_model_n_inputs(m)) {
        fprintf(stderr, "%d input files for %d inputs\n", n_in, np_model_n_inputs(m));
        goto done;
    }
    for (int round = 0; round < 2; round++) { /* the second run finds the arena dirty: it must not matter */
        for (int i = 0; i < n_in; i++) {
            np_model_input_info(m, i, &t);
            if (fill(np_session_input(s, i), t.bytes, in[i]) < 0) goto done;
        }
        if (np_session_run(s, &err) < 0) goto done;
    }
    for (int i = 0; i < np_model_n_outputs(m); i++) {
        np_model_output_info(m, i, &t);
        if (save(np_session_output(s, i), t.bytes, out, i) < 0) goto done;
    }
    r = 0;
done:
    if (err.code) fprintf(stderr, "%s: %s\n", np_error_name(err.code), err.message);
    np_session_free(&s);
    np_pool_free(&pool);
    return r;
}

int main(int argc, char **argv) {
    struct np_model_params p;
    struct np_error err = { 0 };
    struct np_model *m = NULL;
    struct np_tensor_info t;
    int threads = 1, a = 1;
    np_model_params_default(&p);
    for (; a < argc && strncmp(argv[a], "--", 2) == 0; a++) {
        if (strcmp(argv[a], "--levels") == 0) {
            for (int i = 0; np_isa_level(i); i++) puts(np_isa_level(i));
            return 0;
        }
        if (strcmp(argv[a], "--reference") == 0) {
            p.no_optimize = 1;
        } else if (strcmp(argv[a], "--isa") == 0 && a + 1 < argc) {
            p.isa = argv[++a];
        } else if (strcmp(argv[a], "--precision") == 0 && a + 1 < argc) {
            p.precision = argv[++a];
        } else if (strcmp(argv[a], "--threads") == 0 && a + 1 < argc) {
            threads = atoi(argv[++a]);
        } else if (strcmp(argv[a], "--shape") == 0 && a + 1 < argc) { /* height and width of an image input [n][h][w][c] */
            p.rank = 4;
            p.dims[0] = p.dims[3] = -1;
            char *end;
            p.dims[1] = strtol(argv[++a], &end, 10);
            p.dims[2] = *end == ',' ? strtol(end + 1, NULL, 10) : p.dims[1];
        }
    }
    if (argc - a < 2) {
        fprintf(stderr, "usage: run_model [--isa L] [--threads N] [--precision P] [--reference] [--shape H,W] MODEL OUT [IN...]\n");
        return 2;
    }
    if (np_model_load(&m, argv[a], &p, &err) < 0) {
        fprintf(stderr, "%s: %s\n", np_error_name(err.code), err.message);
        return 1;
    }
    for (int i = 0; i < np_model_n_inputs(m); i++)
        if (np_model_input_info(m, i, &t) == 0) print_info("input", &t);
    for (int i = 0; i < np_model_n_outputs(m); i++)
        if (np_model_output_info(m, i, &t) == 0) print_info("output", &t);
    const int r = argc - a > 2 ? run(m, threads, argv[a + 1], argv + a + 2, argc - a - 2) : 0;
    np_model_free(&m);
    return r < 0;
}
