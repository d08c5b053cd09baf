/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose-worker: a process that has one plug-in loaded and does what isolate.c asks for (wire.h). Not for people.
 *
 *   nextpose-worker PLUGIN.so PARENT-PID MEMORY-LIMIT       control socket: descriptor 3
 *
 * The main thread reads the control socket; each net has a thread that opens it, runs it and closes it, on the processors that were asked for. It ends
 * when the control socket does. It ends by _exit: static objects of a runtime have crashed in their destructors before. */
#define _GNU_SOURCE
#include "backend/wire.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sanitized.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_NETS 256

struct net {
    uint32_t id, share;
    int data, model;                /* descriptors */
    struct npi_wire wire;           /* the OPEN message, then ours */
    struct npi_buf body;
    struct np_backend_net *inner;
    int running;
};

static const struct np_backend *table;
static struct net *nets[MAX_NETS];
static int n_threads;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;    /* of the above */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;    /* one call of the plug-in at a time, but for run and cancel */
static pthread_cond_t fewer = PTHREAD_COND_INITIALIZER;

static void pass_log(void *opaque, int level, const char *line) {
    const struct net *const n = opaque;
    struct npi_wire *const w = npi_alloc(sizeof *w);
    if (!w) return;
    npi_wire_begin(w, NPI_WIRE_LOG);
    npi_wire_u32(w, (uint32_t)level);
    npi_wire_str(w, line);
    npi_wire_send(n->data, w, NULL, 0, MSG_DONTWAIT); /* nobody may be listening: then it is lost, and nobody waits */
    npi_free(w);
}

/* --- opening --- */

struct shm { char *p; size_t bytes; int fd; };

static int make_shm(struct shm *s, const struct np_tensor_info *info[2], const int n[2], size_t (*offset)[NPI_WIRE_TENSORS], struct np_error *err) {
    s->bytes = 0;
    for (int o = 0; o < 2; o++)
        for (int i = 0; i < n[o]; i++) {
            offset[o][i] = s->bytes;
            if (npi_add_overflow(s->bytes, info[o][i].bytes, &s->bytes) || npi_add_overflow(s->bytes, 64 + 63, &s->bytes)) return npi_fail(err,
                    NP_ELIMIT, "tensors too large");
            s->bytes = s->bytes / 64 * 64;
        }
    s->fd = memfd_create("nextpose-tensors", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (s->fd < 0 || ftruncate(s->fd, (off_t)s->bytes) != 0 || fcntl(s->fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        return npi_fail(err, NP_ENOMEM, "no shared memory of %zu KiB", s->bytes >> 10);
    s->p = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    return s->p == MAP_FAILED ? npi_fail(err, NP_ENOMEM, "no shared memory of %zu KiB", s->bytes >> 10) : 0;
}

static int describe(struct np_backend_net *inner, struct np_tensor_info *info[2], int n[2], struct np_error *err) {
    for (int o = 0; o < 2; o++) {
        int r = 0;
        for (n[o] = 0; n[o] < NPI_WIRE_TENSORS && (r = table->tensor(inner, o, n[o], &info[o][n[o]])) == 0; n[o]++) {
            struct np_tensor_info *const t = &info[o][n[o]];
            size_t bytes = np_dtype_size(t->dtype);
            if (!bytes || t->rank < 0 || t->rank > NP_MAX_RANK) return npi_fail(err, NP_EBACKEND, "tensor %d has type %d and rank %d", n[o],
                    t->dtype, t->rank);
            for (int k = 0; k < t->rank; k++)
                if (t->dims[k] < 1 || npi_mul_overflow(bytes, (size_t)t->dims[k], &bytes)) return npi_fail(err, NP_EUNSUPPORTED,
                        "tensor %d has no fixed shape", n[o]);
            t->bytes = bytes;
        }
        if (!n[o]) return npi_fail(err, NP_EUNSUPPORTED, "the model has no %s", o ? "outputs" : "inputs");
    }
    return 0;
}

static void processors(const struct np_backend_params *p) {
    cpu_set_t mine;
    CPU_ZERO(&mine);
    for (int i = 0; i < p->n_cpu_mask * 64 && i < CPU_SETSIZE; i++)
        if (p->cpu_mask[i / 64] >> (i % 64) & 1) CPU_SET(i, &mine);
    if (p->cpu_mask) sched_setaffinity(0, sizeof mine, &mine);
}

static struct np_backend_net *find(uint32_t id) {
    for (int i = 0; i < MAX_NETS; i++)
        if (nets[i] && nets[i]->id == id) return nets[i]->inner;
    return NULL;
}

/* Opens, and leaves the answer in n->wire. */
static int open_net(struct net *n, struct shm *s, struct np_tensor_info *info[2], int count[2], size_t (*offset)[NPI_WIRE_TENSORS], void **model,
                    size_t *model_bytes) {
    struct np_backend_params p;
    struct np_error e = { 0 };
    struct stat st;
    static _Thread_local struct npi_wire_lists lists; /* too large for a stack; its options are read by open() only */
    int r = npi_read_params(&n->body, &p, &lists) ? 0 : npi_fail(&e, NP_EINTERNAL, "the library sent a message that makes no sense");
    if (r >= 0 && (fstat(n->model, &st) != 0 || (*model = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, n->model, 0)) == MAP_FAILED)) {
        *model = NULL;
        r = npi_fail(&e, NP_ENOMEM, "no memory for the model");
    }
    if (r >= 0) {
        p.model = *model;
        p.model_size = *model_bytes = (size_t)st.st_size;
        p.logger = (struct np_logger){ pass_log, n };
        processors(&p);
        pthread_mutex_lock(&gate);
        pthread_mutex_lock(&lock);
        p.share = n->share ? find(n->share) : NULL;
        pthread_mutex_unlock(&lock);
        if (table->supports) r = table->supports(&p, &e);
        if (r >= 0) r = table->open(&n->inner, &p, &e);
        pthread_mutex_unlock(&gate);
    }
    if (r >= 0) r = describe(n->inner, info, count, &e);
    if (r >= 0) r = make_shm(s, (const struct np_tensor_info **)info, count, offset, &e);
    npi_wire_begin(&n->wire, NPI_WIRE_OPENED);
    npi_wire_error(&n->wire, r, &e);
    if (r < 0) return r;
    const char *const device = table->device ? table->device(n->inner) : NULL;
    npi_wire_str(&n->wire, device ? device : "cpu");
    npi_wire_u64(&n->wire, s->bytes);
    for (int o = 0; o < 2; o++) {
        npi_wire_u32(&n->wire, (uint32_t)count[o]);
        for (int i = 0; i < count[o]; i++) {
            const struct np_tensor_info *const t = &info[o][i];
            char name[64];
            uint32_t scale;
            snprintf(name, sizeof name, "%s", t->name ? t->name : "");
            npi_wire_str(&n->wire, name);
            npi_wire_u32(&n->wire, (uint32_t)t->dtype);
            npi_wire_u32(&n->wire, (uint32_t)t->rank);
            for (int k = 0; k < NP_MAX_RANK; k++) npi_wire_u64(&n->wire, (uint64_t)t->dims[k]);
            memcpy(&scale, &t->scale, sizeof scale);
            npi_wire_u32(&n->wire, scale);
            npi_wire_u32(&n->wire, (uint32_t)t->zero_point);
            npi_wire_u64(&n->wire, offset[o][i]);
        }
    }
    return 0;
}

/* --- a net's thread --- */

static void serve(struct net *n, const struct shm *s, const int count[2], size_t (*offset)[NPI_WIRE_TENSORS]) {
    const void *in[NPI_WIRE_TENSORS];
    void *out[NPI_WIRE_TENSORS];
    struct npi_buf b;
    for (int i = 0; i < count[0]; i++) in[i] = s->p + offset[0][i];
    for (int i = 0; i < count[1]; i++) out[i] = s->p + offset[1][i];
    int kind;
    while ((kind = npi_wire_recv(n->data, &n->wire, &b, NULL, 0, 0)) == NPI_WIRE_RUN) {
        struct np_error e = { 0 };
        pthread_mutex_lock(&lock);
        n->running = 1;
        pthread_mutex_unlock(&lock);
        const int r = table->run(n->inner, in, out, &e);
        pthread_mutex_lock(&lock);
        n->running = 0;
        pthread_mutex_unlock(&lock);
        npi_wire_begin(&n->wire, NPI_WIRE_RAN);
        npi_wire_error(&n->wire, r, &e);
        if (npi_wire_send(n->data, &n->wire, NULL, 0, 0) < 0) break;
    }
}

static void *net_main(void *opaque) {
    struct net *const n = opaque;
    struct shm s = { NULL, 0, -1 };
    struct np_tensor_info info0[NPI_WIRE_TENSORS] = { 0 }, info1[NPI_WIRE_TENSORS] = { 0 }, *info[2] = { info0, info1 };
    size_t offset[2][NPI_WIRE_TENSORS], model_bytes = 0;
    int count[2] = { 0, 0 };
    void *model = NULL;
    const int r = open_net(n, &s, info, count, offset, &model, &model_bytes);
    const int sent = npi_wire_send(n->data, &n->wire, &s.fd, s.fd >= 0 ? 1 : 0, 0);
    if (s.fd >= 0) close(s.fd);
    if (r >= 0 && sent >= 0) serve(n, &s, count, offset);
    pthread_mutex_lock(&gate);
    pthread_mutex_lock(&lock); /* from now on nobody cancels it or shares with it */
    for (int i = 0; i < MAX_NETS; i++)
        if (nets[i] == n) nets[i] = NULL;
    pthread_mutex_unlock(&lock);
    if (n->inner) table->close(n->inner);
    pthread_mutex_unlock(&gate);
    npi_wire_begin(&n->wire, NPI_WIRE_CLOSED);
    npi_wire_send(n->data, &n->wire, NULL, 0, MSG_DONTWAIT);
    close(n->data);
    close(n->model);
    if (s.p && s.p != MAP_FAILED) munmap(s.p, s.bytes);
    if (model) munmap(model, model_bytes);
    npi_free(n);
    pthread_mutex_lock(&lock);
    n_threads--;
    pthread_cond_broadcast(&fewer);
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* --- control --- */

static void start_net(const struct npi_wire *w, const struct npi_buf *body, int model, int data) {
    struct net *const n = npi_alloc(sizeof *n);
    pthread_attr_t attr;
    pthread_t thread;
    int at = 0;
    if (!n) _exit(3);
    n->model = model;
    n->data = data;
    n->wire = *w;
    n->body = npi_buf(n->wire.b, n->wire.n);
    n->body.pos = body->pos;
    n->id = npi_buf_u32(&n->body);
    n->share = npi_buf_u32(&n->body);
    pthread_mutex_lock(&lock);
    while (at < MAX_NETS && nets[at]) at++;
    if (at == MAX_NETS) _exit(3);
    nets[at] = n;
    n_threads++;
    pthread_mutex_unlock(&lock);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 16 << 20); /* compilers inside runtimes are hungry */
    if (pthread_create(&thread, &attr, net_main, n)) _exit(3);
    pthread_attr_destroy(&attr);
}

static void answer_score(struct npi_wire *w, struct npi_buf *b) {
    static struct npi_wire_lists lists;
    struct np_backend_params p;
    struct np_backend_info info = { .size = sizeof info };
    struct np_error e = { 0 };
    int r = npi_read_params(b, &p, &lists) ? 0 : npi_fail(&e, NP_EINTERNAL, "the library sent a message that makes no sense");
    if (r >= 0) {
        processors(&p);
        pthread_mutex_lock(&gate);
        r = table->score(&p, &info, &e);
        pthread_mutex_unlock(&gate);
    }
    npi_wire_begin(w, NPI_WIRE_SCORED);
    npi_wire_error(w, r, &e);
    npi_wire_u32(w, (uint32_t)r);
    npi_wire_str(w, info.version);
    npi_wire_str(w, info.devices);
    npi_wire_str(w, info.missing);
    npi_wire_send(NPI_WIRE_FD, w, NULL, 0, 0);
}

static void cancel(uint32_t id) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_NETS; i++)
        if (nets[i] && nets[i]->id == id && nets[i]->inner && nets[i]->running && table->cancel) table->cancel(nets[i]->inner);
    pthread_mutex_unlock(&lock);
}

static void control(void) {
    static struct npi_wire w;
    struct npi_buf b;
    int fds[2], kind;
    while ((kind = npi_wire_recv(NPI_WIRE_FD, &w, &b, fds, 2, 0)) > 0) {
        if (kind == NPI_WIRE_OPEN && fds[1] >= 0) {
            start_net(&w, &b, fds[0], fds[1]);
            continue;
        }
        for (int i = 0; i < 2; i++)
            if (fds[i] >= 0) close(fds[i]);
        if (kind == NPI_WIRE_SCORE) answer_score(&w, &b);
        else if (kind == NPI_WIRE_CANCEL) cancel(npi_buf_u32(&b));
    }
}

/* The library has gone or has closed: what runs is cancelled, what is open is closed, for a second at most. */
static void finish(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_NETS; i++)
        if (nets[i]) {
            if (nets[i]->inner && nets[i]->running && table->cancel) table->cancel(nets[i]->inner);
            shutdown(nets[i]->data, SHUT_RDWR);
        }
    while (n_threads > 0)
        if (pthread_cond_timedwait(&fewer, &lock, &until)) break;
    pthread_mutex_unlock(&lock);
}

static void set_limits(const char *memory) {
    const unsigned long long bytes = strtoull(memory, NULL, 10);
    const struct rlimit none = { 0, 0 }, data = { bytes, bytes };
    setrlimit(RLIMIT_CORE, &none);
    if (bytes && !NPI_SANITIZED) setrlimit(RLIMIT_DATA, &data); /* shadow memory of sanitizers counts as data */
    const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); /* when memory runs out all the same, it is we who go */
    if (fd >= 0) {
        const ssize_t ignored = write(fd, "500", 3); /* where /proc is read-only there is nothing to do about it */
        (void)ignored;
        close(fd);
    }
}

static int load(const char *path, struct np_error *e) {
    void *const lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    np_backend_entry_fn entry;
    if (!lib) return npi_fail(e, NP_EBACKEND, "cannot load the plug-in: %s", dlerror());
    *(void **)&entry = dlsym(lib, NP_BACKEND_ENTRY);
    const struct np_backend *const t = entry ? entry() : NULL;
    if (!t) return npi_fail(e, NP_EBACKEND, "%s: exports no %s", path, NP_BACKEND_ENTRY);
    if (t->abi != NP_BACKEND_ABI) return npi_fail(e, NP_EBACKEND, "%s: has ABI %d, this build has ABI %d", path, t->abi, NP_BACKEND_ABI);
    table = t;
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4 || fcntl(NPI_WIRE_FD, F_GETFD) < 0) {
        fprintf(stderr, "nextpose-worker: runs a plug-in for nextpose --isolate; it is not started by hand\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != atoi(argv[2])) _exit(0); /* it died before that line */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    fcntl(NPI_WIRE_FD, F_SETFD, FD_CLOEXEC);
#ifdef SYS_close_range
    syscall(SYS_close_range, NPI_WIRE_FD + 1, ~0u, 0); /* descriptors of a program that does not say O_CLOEXEC */
#endif
    set_limits(argv[3]);
    static struct npi_wire w;
    struct np_error e = { 0 };
    const int r = load(argv[1], &e);
    npi_wire_begin(&w, NPI_WIRE_HELLO);
    npi_wire_u32(&w, NPI_WIRE_PROTOCOL);
    npi_wire_error(&w, r, &e);
    if (npi_wire_send(NPI_WIRE_FD, &w, NULL, 0, 0) >= 0 && r >= 0) control();
    if (table) finish();
    _exit(0);
}
