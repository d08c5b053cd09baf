/* SPDX-License-Identifier: Apache-2.0 */
/* One nextpose-worker process (isolate.h): start, end, what it died of.
 *
 * A keeper thread starts it and waits for it, so there are no zombies and no signal handlers. PR_SET_PDEATHSIG, which the worker sets, is about the
 * *thread* that started it: the keeper lives as long as the process, whatever thread asked for it. */
#define _GNU_SOURCE
#include "backend/isolate.h"
#include "backend/wire.h"
#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_BYTES 65536 /* of stdout and stderr that are kept; what comes after is dropped */
#define END_MS 2000       /* an orderly end may take so long */

extern char **environ;

struct npi_process {
    atomic_int refs;
    int control;                /* our end */
    int its_control, words;     /* the worker's ends: closed when it runs; a memory file with what it printed */
    char worker[1024], plugin[1024];
    size_t memory_limit;
    pthread_t keeper;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    pid_t pid;
    int started, start_errno;   /* started: spawn was tried */
    int exited, status, killed; /* exited: the pid may be of somebody else from now on */
};

static int spawn(struct npi_process *p) {
    char limit[32], parent[32];
    char *const argv[] = { p->worker, p->plugin, parent, limit, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t all, none;
    snprintf(limit, sizeof limit, "%zu", p->memory_limit);
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, p->words, 1); /* our stdout may be a file of joints */
    posix_spawn_file_actions_adddup2(&files, p->words, 2);
    posix_spawn_file_actions_adddup2(&files, p->its_control, NPI_WIRE_FD);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setpgroup(&attr, 0); /* Ctrl-C is for us: we still have frames to write */
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    const int r = posix_spawn(&p->pid, p->worker, &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return r;
}

static void *keeper_main(void *opaque) {
    struct npi_process *const p = opaque;
    const int r = spawn(p);
    pthread_mutex_lock(&p->lock);
    p->started = 1;
    p->start_errno = r;
    p->exited = r != 0;
    pthread_cond_broadcast(&p->cond);
    pthread_mutex_unlock(&p->lock);
    if (r) return NULL;
    siginfo_t info;
    int w;
    do w = waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOWAIT); /* still a zombie: nobody else can have its pid while `exited` is set */
    while (w < 0 && errno == EINTR);
    pthread_mutex_lock(&p->lock);
    p->exited = 1;
    pthread_mutex_unlock(&p->lock);
    int status = 0;
    do w = waitpid(p->pid, &status, 0);
    while (w < 0 && errno == EINTR);
    pthread_mutex_lock(&p->lock);
    p->status = w < 0 ? -1 : status; /* -1: the program that we are in reaps all children itself */
    pthread_cond_broadcast(&p->cond);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Under the lock: waits until the process is gone; 0: it is not. */
static int wait_exit(struct npi_process *p, int ms) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    while (!p->exited || p->status == -2)
        if (pthread_cond_timedwait(&p->cond, &p->lock, &t) == ETIMEDOUT) break;
    return p->exited && p->status != -2;
}

static void release(struct npi_process *p) {
    if (p->control >= 0) close(p->control);
    if (p->its_control >= 0) close(p->its_control);
    if (p->words >= 0) close(p->words);
    pthread_cond_destroy(&p->cond);
    pthread_mutex_destroy(&p->lock);
    npi_free(p);
}

/* What the worker has to say first: that it could load the plug-in. */
static int hello(struct npi_process *p, struct np_error *err) {
    struct npi_wire *const w = npi_alloc(sizeof *w);
    struct npi_buf b;
    struct timeval limit = { 20, 0 };
    if (!w) return npi_fail(err, NP_ENOMEM, "out of memory");
    setsockopt(p->control, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int r = npi_wire_recv(p->control, w, &b, NULL, 0, 0);
    if (r != NPI_WIRE_HELLO) r = r == NP_EIO ? npi_process_obituary(p, err) : npi_fail(err, NP_EBACKEND, "%s does not answer", p->worker);
    else {
        const uint32_t protocol = npi_buf_u32(&b);
        if (protocol != NPI_WIRE_PROTOCOL)
            r = npi_fail(err, NP_EBACKEND, "%s speaks protocol %u, this library %d: they are of different versions", p->worker, protocol,
                         NPI_WIRE_PROTOCOL);
        else r = npi_read_error(&b, err);
    }
    limit.tv_sec = 0;
    setsockopt(p->control, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    npi_free(w);
    return r;
}

int npi_process_start(struct npi_process **out, const char *worker, const char *plugin, size_t memory_limit, struct np_error *err) {
    struct npi_process *p = npi_alloc(sizeof *p);
    int ends[2] = { -1, -1 };
    if (!p) return npi_fail(err, NP_ENOMEM, "out of memory");
    atomic_init(&p->refs, 1);
    p->status = -2;
    p->memory_limit = memory_limit;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&p->cond, &a);
    pthread_condattr_destroy(&a);
    p->words = memfd_create("nextpose-worker-words", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* Its size is fixed: a runtime that prints for ever fills no memory. */
    const int ok = p->words >= 0 && ftruncate(p->words, WORDS_BYTES) == 0 && fcntl(p->words, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) == 0 &&
                   socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0;
    p->control = ends[0];
    p->its_control = ends[1];
    if (!ok || (size_t)snprintf(p->worker, sizeof p->worker, "%s", worker) >= sizeof p->worker ||
        (size_t)snprintf(p->plugin, sizeof p->plugin, "%s", plugin) >= sizeof p->plugin) {
        release(p);
        return npi_fail(err, NP_ENOMEM, "cannot make the sockets of a worker process");
    }
    if (pthread_create(&p->keeper, NULL, keeper_main, p)) {
        release(p);
        return npi_fail(err, NP_ENOMEM, "cannot start a thread");
    }
    pthread_mutex_lock(&p->lock);
    while (!p->started) pthread_cond_wait(&p->cond, &p->lock);
    pthread_mutex_unlock(&p->lock);
    close(p->its_control); /* its end of file must reach us */
    p->its_control = -1;
    int r = p->start_errno ? npi_fail(err, NP_EBACKEND, "cannot start %s: %s", p->worker, strerror(p->start_errno)) : hello(p, err);
    if (r < 0) npi_process_unref(&p);
    else *out = p;
    return r;
}

void npi_process_ref(struct npi_process *p) { atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed); }

void npi_process_unref(struct npi_process **pp) {
    struct npi_process *const p = *pp;
    *pp = NULL;
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
    shutdown(p->control, SHUT_RDWR);
    pthread_mutex_lock(&p->lock);
    const int gone = p->start_errno || wait_exit(p, END_MS);
    pthread_mutex_unlock(&p->lock);
    if (!gone) npi_process_kill(p);
    pthread_join(p->keeper, NULL);
    release(p);
}

int npi_process_control(const struct npi_process *p) { return p->control; }
int npi_process_pid(const struct npi_process *p) { return (int)p->pid; }

int npi_process_alive(struct npi_process *p) {
    pthread_mutex_lock(&p->lock);
    const int alive = !p->exited;
    pthread_mutex_unlock(&p->lock);
    return alive;
}

void npi_process_kill(struct npi_process *p) {
    pthread_mutex_lock(&p->lock);
    if (!p->exited) {
        p->killed = 1;
        kill(p->pid, SIGKILL);
    }
    pthread_mutex_unlock(&p->lock);
}

/* The last line that is not empty. */
static void last_words(const struct npi_process *p, char *out, size_t size) {
    const char *const text = mmap(NULL, WORDS_BYTES, PROT_READ, MAP_SHARED, p->words, 0);
    out[0] = 0;
    if (text == MAP_FAILED) return;
    size_t end = strnlen(text, WORDS_BYTES);
    while (end && (text[end - 1] == '\n' || text[end - 1] == ' ')) end--;
    size_t begin = end;
    while (begin && text[begin - 1] != '\n') begin--;
    const size_t n = end - begin < size - 1 ? end - begin : size - 1;
    for (size_t i = 0; i < n; i++) out[i] = (unsigned char)text[begin + i] < 32 ? ' ' : text[begin + i];
    out[n] = 0;
    munmap((void *)(uintptr_t)text, WORDS_BYTES);
}

int npi_process_obituary(struct npi_process *p, struct np_error *err) {
    char words[200];
    pthread_mutex_lock(&p->lock);
    const int gone = wait_exit(p, 1000);
    const int status = p->status, killed = p->killed;
    pthread_mutex_unlock(&p->lock);
    last_words(p, words, sizeof words);
    const char *const colon = words[0] ? ": " : "";
    if (!gone) return npi_fail(err, NP_EBACKEND, "its process closed the connection%s%s", colon, words);
    if (killed) return npi_fail(err, NP_EBACKEND, "its process did not answer and was ended");
    if (status == -1) return npi_fail(err, NP_EBACKEND, "its process died%s%s", colon, words);
    if (WIFSIGNALED(status)) return npi_fail(err, NP_EBACKEND, "its process died of signal %d (%s)%s%s", WTERMSIG(status),
                                             strsignal(WTERMSIG(status)), colon, words);
    return npi_fail(err, NP_EBACKEND, "its process ended with code %d%s%s", WEXITSTATUS(status), colon, words);
}
