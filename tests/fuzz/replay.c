/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over every file of the given folders (or the given files): the corpus as an ordinary test, with any
 * compiler. Each file is also tried cut off at 16 places and with single bytes changed, which costs little and finds much.
 * The bytes lie in a block of exactly their size, so that a sanitizer sees the first one read too many. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static int n_files;

static void try_bytes(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) return;
    if (size) memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static int try_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) return perror(path), 1;
    static uint8_t data[1 << 20];
    const size_t size = fread(data, 1, sizeof data, f);
    fclose(f);
    n_files++;
    try_bytes(data, size);
    for (size_t i = 0; i < 16; i++) try_bytes(data, size * i / 16);
    for (size_t i = 0, step = size / 64 + 1; i < size; i += step) {
        const uint8_t was = data[i];
        data[i] = (uint8_t)(was ^ (1u << i % 8));
        try_bytes(data, size);
        data[i] = 0xff;
        try_bytes(data, size);
        data[i] = was;
    }
    return 0;
}

int main(int argc, char **argv) {
    int bad = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st)) return perror(argv[i]), 1;
        if (!S_ISDIR(st.st_mode)) {
            bad |= try_file(argv[i]);
            continue;
        }
        DIR *d = opendir(argv[i]);
        for (const struct dirent *e; d && (e = readdir(d));) {
            char path[1024];
            if (e->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            bad |= try_file(path);
        }
        if (d) closedir(d);
    }
    printf("%d files replayed\n", n_files);
    return bad || !n_files;
}
