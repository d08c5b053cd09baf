/* SPDX-License-Identifier: Apache-2.0 */
/* See isolate.h. The functions of a plug-in's table get no pointer to the table they were called through, so each isolated plug-in has a slot with
 * functions of its own, made by a macro; all of them lead to the ones below. */
#define _GNU_SOURCE
#include "backend/isolate.h"
#include "backend/wire.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS 16
#define CANCEL_MS 200      /* a run that was cancelled and does not come back within this long is ended with its process */
#define CLOSE_MS 1000
#define OPEN_MS 120000     /* when the caller says nothing */
#define LATE_MS 300        /* the worker has this much longer than the plug-in's own time-out */

#ifndef NPI_LIBEXEC
#define NPI_LIBEXEC "/usr/local/libexec"
#endif

struct slot {
    struct np_backend table;
    const struct np_backend *inner;
    char path[1024], worker[1024];
    size_t memory_limit;
};

struct np_backend_net {
    struct npi_process *process;
    uint32_t id;
    int data, wake;                         /* our end of the data socket; written to by cancel() */
    atomic_int cancelled;
    int run_timeout_ms;
    struct np_logger logger;
    char device[160];
    struct np_tensor_info info[2][NPI_WIRE_TENSORS];
    char name[2][NPI_WIRE_TENSORS][64];
    size_t offset[2][NPI_WIRE_TENSORS];
    int n[2];
    char *shm; size_t shm_bytes;
    struct npi_wire wire;                   /* of the thread that opens, runs or closes */
};

/* --- talking --- */

static void pass_log(const struct np_backend_net *n, struct npi_buf *b) {
    const int level = (int)npi_buf_u32(b);
    const char *const line = npi_read_str(b);
    if (line && level >= NP_LOG_ERROR && level <= NP_LOG_DEBUG) npi_log(&n->logger, level, "%s", line);
}

/* Waits for a message of that kind; log lines before it are passed on. 0: ms are over (< 0: no limit). */
static int await(struct np_backend_net *n, uint32_t kind, struct npi_buf *b, int *fd, int ms) {
    const int64_t until = npi_now_ns() + (int64_t)ms * 1000000;
    for (;;) {
        int64_t left = ms < 0 ? -1 : (until - npi_now_ns() + 999999) / 1000000;
        if (ms >= 0 && left < 0) left = 0;
        struct pollfd p[2] = { { n->data, POLLIN, 0 }, { n->wake, POLLIN, 0 } };
        const int watched = atomic_load(&n->cancelled) ? 1 : 2;
        const int r = poll(p, (nfds_t)watched, (int)left);
        if (r == 0) return 0;
        if (watched == 2 && p[1].revents) { /* cancel(): the worker was told; it has a moment */
            atomic_store(&n->cancelled, 2);
            return await(n, kind, b, fd, CANCEL_MS);
        }
        if (!p[0].revents) continue;
        const int got = npi_wire_recv(n->data, &n->wire, b, fd, fd ? 1 : 0, MSG_DONTWAIT);
        if (got == NPI_WIRE_LOG) pass_log(n, b);
        else if (got < 0) return got;
        else if (got) return (uint32_t)got == kind ? got : NP_EFORMAT;
    }
}

/* What await() gave, as an error: nobody came, the process died, or it talks nonsense. */
static int await_failed(struct np_backend_net *n, int r, const char *what, int ms, struct np_error *err) {
    if (r == NP_EIO) return npi_process_obituary(n->process, err);
    npi_process_kill(n->process);
    if (r == NP_EFORMAT) return npi_fail(err, NP_EBACKEND, "its process sent a message that makes no sense, and was ended");
    if (atomic_load(&n->cancelled)) return npi_fail(err, NP_EINTR, "the %s was cancelled; its process did not come back and was ended", what);
    return npi_fail(err, NP_EBACKEND, "the %s did not end within %d ms; its process was ended", what, ms);
}

/* --- opening --- */

/* The processors of the calling thread are part of what is asked for: the worker's threads are not its children. */
static void own_processors(struct np_backend_params *p, uint64_t mask[CPU_SETSIZE / 64]) {
    cpu_set_t now;
    if (p->cpu_mask || sched_getaffinity(0, sizeof now, &now) != 0) return;
    memset(mask, 0, CPU_SETSIZE / 8);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &now)) mask[i / 64] |= 1ull << (i % 64);
    p->cpu_mask = mask;
    p->n_cpu_mask = CPU_SETSIZE / 64;
}

static int model_memory(const struct np_backend_params *p, struct np_error *err) {
    const int fd = memfd_create("nextpose-model", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    size_t done = 0;
    while (fd >= 0 && done < p->model_size) {
        const ssize_t r = write(fd, (const char *)p->model + done, p->model_size - done);
        if (r <= 0) break;
        done += (size_t)r;
    }
    if (fd >= 0 && done == p->model_size && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL) == 0) return fd;
    if (fd >= 0) close(fd);
    return npi_fail(err, NP_ENOMEM, "no shared memory for a model of %zu KiB", p->model_size >> 10);
}

/* One tensor of the OPENED message: believed as far as it holds together. */
static int read_tensor(struct np_backend_net *n, int o, int i, struct npi_buf *b) {
    struct np_tensor_info *const t = &n->info[o][i];
    const char *const name = npi_read_str(b);
    snprintf(n->name[o][i], sizeof n->name[o][i], "%s", name ? name : "");
    *t = (struct np_tensor_info){ .name = n->name[o][i], .dtype = (int)npi_buf_u32(b), .rank = (int)npi_buf_u32(b) };
    if (t->rank < 0 || t->rank > NP_MAX_RANK) return 0;
    size_t bytes = np_dtype_size(t->dtype);
    for (int k = 0; k < NP_MAX_RANK; k++) {
        const int64_t d = (int64_t)npi_buf_u64(b);
        if (k >= t->rank) continue;
        if (d < 1 || npi_mul_overflow(bytes, (size_t)d, &bytes)) return 0;
        t->dims[k] = d;
    }
    const uint32_t scale = npi_buf_u32(b);
    memcpy(&t->scale, &scale, sizeof t->scale);
    t->zero_point = (int32_t)npi_buf_u32(b);
    t->bytes = bytes;
    n->offset[o][i] = (size_t)npi_buf_u64(b);
    return bytes && !b->bad && n->offset[o][i] % 64 == 0 && n->offset[o][i] <= n->shm_bytes && bytes + 64 <= n->shm_bytes - n->offset[o][i];
}

/* Sealed, so that no page can vanish under us. */
static int map_tensors(struct np_backend_net *n, int fd) {
    struct stat st;
    const int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW)) return 0;
    if (fstat(fd, &st) != 0 || (uint64_t)st.st_size < n->shm_bytes || !n->shm_bytes) return 0;
    void *const p = mmap(NULL, n->shm_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) return 0;
    n->shm = p;
    return 1;
}

static int opened(struct np_backend_net *n, struct npi_buf *b, int fd, struct np_error *err) {
    const int code = npi_read_error(b, err);
    if (code < 0) return code;
    const char *const device = npi_read_str(b);
    snprintf(n->device, sizeof n->device, "%.120s, own process", device ? device : "?");
    n->shm_bytes = (size_t)npi_buf_u64(b);
    for (int o = 0; o < 2; o++) {
        const uint32_t count = npi_buf_u32(b);
        if (count < 1 || count > NPI_WIRE_TENSORS) b->bad = 1;
        for (uint32_t i = 0; !b->bad && i < count; i++)
            if (!read_tensor(n, o, (int)i, b)) b->bad = 1;
        n->n[o] = (int)count;
    }
    if (b->bad || !map_tensors(n, fd)) return npi_fail(err, NP_EBACKEND, "its process describes tensors that do not hold together");
    return 0;
}

static void drop(struct np_backend_net *n) {
    if (n->shm) munmap(n->shm, n->shm_bytes);
    if (n->data >= 0) close(n->data);
    if (n->wake >= 0) close(n->wake);
    npi_process_unref(&n->process);
    npi_free(n);
}

static int ask_open(struct np_backend_net *n, const struct np_backend_params *params, uint32_t share, struct np_error *err) {
    struct np_backend_params p = *params;
    uint64_t mask[CPU_SETSIZE / 64];
    int ends[2], fd = -1;
    struct npi_buf b;
    own_processors(&p, mask);
    npi_wire_begin(&n->wire, NPI_WIRE_OPEN);
    npi_wire_u32(&n->wire, n->id);
    npi_wire_u32(&n->wire, share);
    npi_wire_params(&n->wire, &p);
    if (n->wire.bad) return npi_fail(err, NP_ELIMIT, "the options are too long");
    const int model = model_memory(&p, err);
    if (model < 0) return model;
    int r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
    if (r == 0) {
        n->data = ends[0];
        r = npi_wire_send(npi_process_control(n->process), &n->wire, (int[]){ model, ends[1] }, 2, 0);
        close(ends[1]);
    }
    close(model);
    if (r == NP_EIO) return npi_process_obituary(n->process, err);
    if (r < 0) return npi_fail(err, NP_ENOMEM, "cannot make the sockets of a net");
    const int ms = p.open_timeout_ms > 0 ? p.open_timeout_ms + LATE_MS : OPEN_MS;
    r = await(n, NPI_WIRE_OPENED, &b, &fd, ms);
    r = r <= 0 ? await_failed(n, r, "opening of the model", ms, err) : opened(n, &b, fd, err);
    if (fd >= 0) close(fd);
    return r;
}

static int open_net(const struct slot *s, struct np_backend_net **out, const struct np_backend_params *p, struct np_error *err) {
    static atomic_uint ids;
    if (p->share && !npi_process_alive(p->share->process)) return npi_process_obituary(p->share->process, err);
    struct np_backend_net *n = npi_alloc(sizeof *n);
    if (!n) return npi_fail(err, NP_ENOMEM, "out of memory");
    n->id = atomic_fetch_add(&ids, 1) + 1;
    n->data = -1;
    n->run_timeout_ms = p->run_timeout_ms;
    n->logger = p->logger;
    n->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = n->wake < 0 ? npi_fail(err, NP_ENOMEM, "no more file descriptors") : 0;
    if (r >= 0 && p->share) {
        n->process = p->share->process;
        npi_process_ref(n->process);
    } else if (r >= 0) r = npi_process_start(&n->process, s->worker, s->path, s->memory_limit, err);
    if (r >= 0) r = ask_open(n, p, p->share ? p->share->id : 0, err);
    if (r < 0) drop(n);
    else *out = n;
    return r;
}

static int score(const struct slot *s, const struct np_backend_params *params, struct np_backend_info *out, struct np_error *why) {
    struct np_backend_params p = *params;
    struct npi_process *process = NULL;
    uint64_t mask[CPU_SETSIZE / 64];
    struct npi_buf b;
    struct npi_wire *const w = npi_alloc(sizeof *w);
    if (!w) return npi_fail(why, NP_ENOMEM, "out of memory");
    own_processors(&p, mask);
    int r = npi_process_start(&process, s->worker, s->path, s->memory_limit, why);
    if (r >= 0) {
        npi_wire_begin(w, NPI_WIRE_SCORE);
        npi_wire_params(w, &p);
        struct pollfd f = { npi_process_control(process), POLLIN, 0 };
        const int ms = p.open_timeout_ms > 0 ? p.open_timeout_ms + LATE_MS : OPEN_MS;
        r = npi_wire_send(f.fd, w, NULL, 0, 0);
        if (r >= 0 && poll(&f, 1, ms) == 0) {
            npi_process_kill(process);
            r = npi_fail(why, NP_EBACKEND, "loading the library did not end within %d ms; its process was ended", ms);
        } else {
            r = r < 0 ? r : npi_wire_recv(f.fd, w, &b, NULL, 0, 0);
            if (r != NPI_WIRE_SCORED) r = npi_process_obituary(process, why);
            else if ((r = npi_read_error(&b, why)) >= 0) {
                const int value = (int)npi_buf_u32(&b);
                const char *const version = npi_read_str(&b), *const devices = npi_read_str(&b), *const missing = npi_read_str(&b);
                snprintf(out->version, sizeof out->version, "%s", version ? version : "");
                snprintf(out->devices, sizeof out->devices, "%s", devices ? devices : "");
                snprintf(out->missing, sizeof out->missing, "%s", missing ? missing : "");
                r = b.bad || value < 1 || value > 100 ? npi_fail(why, NP_EBACKEND, "its process sent a message that makes no sense") : value;
            }
        }
    }
    npi_process_unref(&process);
    npi_free(w);
    return r;
}

/* --- a net --- */

static int tensor(const struct np_backend_net *n, int output, int i, struct np_tensor_info *out) {
    if (i < 0 || i >= n->n[!!output]) return NP_EEND;
    *out = n->info[!!output][i];
    return 0;
}

static int run(struct np_backend_net *n, const void *const *in, void *const *out, struct np_error *err) {
    struct npi_buf b;
    uint64_t drained;
    if (read(n->wake, &drained, sizeof drained) < 0) drained = 0; /* a cancel that came too late for the last run is not for this one */
    atomic_store(&n->cancelled, 0);
    for (int i = 0; i < n->n[0]; i++) memcpy(n->shm + n->offset[0][i], in[i], n->info[0][i].bytes);
    npi_wire_begin(&n->wire, NPI_WIRE_RUN);
    if (npi_wire_send(n->data, &n->wire, NULL, 0, 0) < 0) return npi_process_obituary(n->process, err);
    const int ms = n->run_timeout_ms > 0 ? n->run_timeout_ms + LATE_MS : -1;
    int r = await(n, NPI_WIRE_RAN, &b, NULL, ms);
    if (r <= 0) return await_failed(n, r, "run", ms, err);
    if ((r = npi_read_error(&b, err)) < 0) return r;
    for (int i = 0; i < n->n[1]; i++) memcpy(out[i], n->shm + n->offset[1][i], n->info[1][i].bytes);
    return 0;
}

static void cancel(struct np_backend_net *n) {
    struct npi_wire *const w = npi_alloc(sizeof *w);
    const uint64_t one = 1;
    if (w) {
        npi_wire_begin(w, NPI_WIRE_CANCEL);
        npi_wire_u32(w, n->id);
        npi_wire_send(npi_process_control(n->process), w, NULL, 0, MSG_DONTWAIT);
        npi_free(w);
    }
    if (write(n->wake, &one, sizeof one) < 0) npi_process_kill(n->process);
}

static void close_net(struct np_backend_net *n) {
    struct npi_buf b;
    atomic_store(&n->cancelled, 1); /* await() looks at the socket only */
    npi_wire_begin(&n->wire, NPI_WIRE_CLOSE);
    if (npi_process_alive(n->process) && npi_wire_send(n->data, &n->wire, NULL, 0, 0) >= 0
        && await(n, NPI_WIRE_CLOSED, &b, NULL, CLOSE_MS) != NPI_WIRE_CLOSED)
        npi_process_kill(n->process);
    drop(n);
}

static const char *device(const struct np_backend_net *n) { return n->device; }

/* --- slots --- */

static struct slot slots[SLOTS];
static int n_slots;
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;

#define EACH_SLOT(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define SLOT_FUNCTIONS(i)                                                                                                                       \
    static int score_##i(const struct np_backend_params *p, struct np_backend_info *o, struct np_error *e) { return score(&slots[i], p, o, e); } \
    static int open_##i(struct np_backend_net **o, const struct np_backend_params *p, struct np_error *e) { return open_net(&slots[i], o, p, e); }
EACH_SLOT(SLOT_FUNCTIONS)
#define SLOT_ENTRY(i) { score_##i, open_##i },
static const struct {
    int (*score)(const struct np_backend_params *, struct np_backend_info *, struct np_error *);
    int (*open)(struct np_backend_net **, const struct np_backend_params *, struct np_error *);
} entry[SLOTS] = { EACH_SLOT(SLOT_ENTRY) };

int npi_isolate_worker(char *out, size_t size, struct np_error *err) {
    static const char *const places[] = { "nextpose-worker", "../libexec/nextpose/nextpose-worker", "../../libexec/nextpose/nextpose-worker" };
    Dl_info self;
    if (dladdr((void *)(uintptr_t)&npi_isolate_worker, &self) && self.dli_fname) {
        const char *const slash = strrchr(self.dli_fname, '/');
        for (size_t i = 0; slash && i < sizeof places / sizeof places[0]; i++)
            if ((size_t)snprintf(out, size, "%.*s%s", (int)(slash - self.dli_fname + 1), self.dli_fname, places[i]) < size
                && access(out, X_OK) == 0) return 0;
    }
    if ((size_t)snprintf(out, size, "%s/nextpose/nextpose-worker", NPI_LIBEXEC) < size && access(out, X_OK) == 0) return 0;
    return npi_fail(err, NP_ENOENT, "nextpose-worker, which runs isolated plug-ins, is neither in libexec/nextpose of this installation nor in %s/nextpose", NPI_LIBEXEC);
}

/* Of the machine or the container, whichever is less. */
static size_t usable_memory(void) {
    size_t n = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    static const char *const files[] = { "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes" };
    for (size_t i = 0; i < 2; i++) {
        char text[32] = "";
        FILE *const f = fopen(files[i], "re");
        if (f && fgets(text, sizeof text, f)) {
            const unsigned long long v = strtoull(text, NULL, 10);
            if (v && v < n) n = (size_t)v;
        }
        if (f) fclose(f);
    }
    return n;
}

size_t npi_isolate_memory(void) { return usable_memory() / 4 * 3; }

int npi_isolate(const struct np_backend **out, const char *path, const struct np_backend *inner, const struct npi_isolate_params *p,
                struct np_error *err) {
    char worker[1024];
    const size_t limit = p->memory_limit ? p->memory_limit : npi_isolate_memory();
    int r = 0;
    if (!p->worker) r = npi_isolate_worker(worker, sizeof worker, err);
    else if ((size_t)snprintf(worker, sizeof worker, "%s", p->worker) >= sizeof worker || access(worker, X_OK) != 0)
        r = npi_fail(err, NP_ENOENT, "%s: there is no such worker program", p->worker);
    if (r < 0) return r;
    pthread_mutex_lock(&slots_lock);
    struct slot *s = NULL;
    for (int i = 0; i < n_slots && !s; i++)
        if (!strcmp(slots[i].path, path) && !strcmp(slots[i].worker, worker) && slots[i].memory_limit == limit) s = &slots[i];
    if (!s && n_slots == SLOTS) r = npi_fail(err, NP_ELIMIT, "more than %d isolated plug-ins in one program", SLOTS);
    else if (!s && strlen(path) >= sizeof s->path) r = npi_fail(err, NP_EINVAL, "the path of the plug-in is too long");
    else if (!s) {
        s = &slots[n_slots];
        s->inner = inner;
        s->memory_limit = limit;
        snprintf(s->path, sizeof s->path, "%s", path);
        memcpy(s->worker, worker, sizeof worker);
        s->table = (struct np_backend){
            .abi = NP_BACKEND_ABI, .size = sizeof s->table, .name = inner->name, .title = inner->title, .formats = inner->formats,
            .capabilities = inner->capabilities & ~(unsigned)NP_BACKEND_HEAVY, .wheels = inner->wheels, .sonames = inner->sonames,
            .score = entry[n_slots].score, .open = entry[n_slots].open, .tensor = tensor, .run = run, .cancel = cancel, .close = close_net,
                    .device = device,
        };
        n_slots++;
    }
    if (s) *out = &s->table;
    pthread_mutex_unlock(&slots_lock);
    return r;
}
