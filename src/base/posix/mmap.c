/* SPDX-License-Identifier: Apache-2.0 */
/* See mmap.h. A pipe or a device can't be mapped: what is not a regular file is refused. */
#include "base/mmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int npi_file_map(struct npi_file *out, const char *path, struct np_error *err) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return npi_fail(err, errno == ENOENT || errno == ENOTDIR ? NP_ENOENT : NP_EIO, "%s: %s", path, strerror(errno));
    struct stat st;
    int r = 0;
    void *p = MAP_FAILED;
    if (fstat(fd, &st) < 0) r = npi_fail(err, NP_EIO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode)) r = npi_fail(err, NP_EIO, "%s: not a regular file", path);
    else if (st.st_size == 0) r = npi_fail(err, NP_EFORMAT, "%s: the file is empty", path);
    else if ((p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        r = npi_fail(err, NP_EIO, "%s: %s", path, strerror(errno));
    close(fd);
    if (r < 0) return r;
    *out = (struct npi_file){ p, (size_t)st.st_size, 1 };
    return 0;
}

void *npi_pages_alloc(size_t bytes) {
    void *const p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void npi_pages_free(void *p, size_t bytes) { munmap(p, bytes); }

/* The whole pages inside [p, p + bytes). */
static void advise(const void *p, size_t bytes, int advice) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)p + page - 1) / page * page, to = ((uintptr_t)p + bytes) / page * page;
    if (to > from) madvise((void *)from, to - from, advice);
}

void npi_pages_ready(void *p, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
    advise(p, bytes, MADV_POPULATE_WRITE); /* an older system declines: the pages come one by one then */
#endif
}

void npi_pages_drop(const void *p, size_t bytes) { advise(p, bytes, MADV_DONTNEED); }

void npi_file_unmap(struct npi_file *f) {
    if (f->mapped && f->data) munmap((void *)(uintptr_t)f->data, f->size);
    *f = (struct npi_file){ 0 };
}
