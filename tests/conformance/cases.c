/* SPDX-License-Identifier: Apache-2.0 */
/* See cases.h. tar and xz do the unpacking. */
#include "cases.h"

#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int case_dir_open(struct case_dir *d, const char *archive, const char *inside) {
    const char *shared = getenv("NEXTPOSE_SHARED"), *tmp = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof path, "%s/conformance/%s", shared ? shared : "", archive);
    if (!shared || access(path, R_OK)) {
        printf("skipped: %s is not here (set NEXTPOSE_SHARED)\n", archive);
        return 77;
    }
    snprintf(d->top, sizeof d->top, "%.200s/nextpose-cases-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(d->top)) return perror(d->top), 1;
    snprintf(d->path, sizeof d->path, "%s/%.60s", d->top, inside);
    char *const argv[] = { "tar", "-xJf", path, "-C", d->top, NULL };
    pid_t pid;
    int status = 1;
    if (posix_spawnp(&pid, "tar", NULL, NULL, argv, environ) || waitpid(pid, &status, 0) < 0 || status) {
        case_dir_close(d);
        printf("%s cannot be unpacked with tar and xz\n", path);
        return 1;
    }
    return 0;
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *at) { return (void)st, (void)kind, (void)at, remove(path); }
void case_dir_close(struct case_dir *d) { nftw(d->top, drop, 16, FTW_DEPTH | FTW_PHYS); }
