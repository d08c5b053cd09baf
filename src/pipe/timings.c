/* SPDX-License-Identifier: Apache-2.0 */
/* See timings.h. The file is named by a hash of the key and has the key in it, so that a person can read what it is about:
 *
 *   nextpose-timings 1
 *   key …
 *   native 10.213
 *   tflite 11.020 */
#include "pipe/timings.h"
#include "base/sha256.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "nextpose-timings 1\n"

static int path_of(char *out, size_t size, const char *dir, const char *key, const char *tail) {
    char hex[65];
    npi_sha256_hex(key, strlen(key), hex);
    return (size_t)snprintf(out, size, "%s/timings/%.24s%s", dir, hex, tail) < size;
}

int npi_timings_load(struct npi_timings *out, const char *cache_dir, const char *key) {
    char path[1200], line[4096];
    memset(out, 0, sizeof *out);
    if (!cache_dir || !path_of(path, sizeof path, cache_dir, key, ".txt")) return 0;
    FILE *const f = fopen(path, "r");
    if (!f) return 0;
    int ok = fgets(line, sizeof line, f) && !strcmp(line, HEAD) && fgets(line, sizeof line, f) && !strncmp(line, "key ", 4);
    while (ok && out->n < NPI_TIMINGS_MAX && fscanf(f, "%31s %lf", out->runtime[out->n], &out->ms[out->n]) == 2) out->n++;
    fclose(f);
    return ok && out->n > 0;
}

void npi_timings_save(const struct npi_timings *t, const char *cache_dir, const char *key) {
    char path[1200], part[1200], tail[32];
    if (!cache_dir || (size_t)snprintf(path, sizeof path, "%s/timings", cache_dir) >= sizeof path) return;
    mkdir(cache_dir, 0777);
    mkdir(path, 0777);
    snprintf(tail, sizeof tail, ".%ld", (long)getpid());
    if (!path_of(path, sizeof path, cache_dir, key, ".txt") || !path_of(part, sizeof part, cache_dir, key, tail)) return;
    FILE *const f = fopen(part, "w");
    if (!f) return;
    int ok = fprintf(f, HEAD "key ") > 0;
    for (const char *k = key; *k; k++) fputc(*k == '\n' ? ' ' : *k, f);
    fputc('\n', f);
    for (int i = 0; i < t->n; i++) ok &= fprintf(f, "%s %.3f\n", t->runtime[i], t->ms[i]) > 0;
    ok &= fclose(f) == 0;
    if (!ok || rename(part, path) != 0) unlink(part);
}

void npi_machine_name(char *out, size_t size) {
    char line[256];
    FILE *const f = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "?");
    while (f && fgets(line, sizeof line, f)) {
        const char *const colon = strchr(line, ':');
        if (!colon || (strncmp(line, "model name", 10) && strncmp(line, "CPU part", 8))) continue;
        snprintf(out, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    if (f) fclose(f);
}
