/* SPDX-License-Identifier: Apache-2.0 */
/* A runtime that goes wrong on demand: a test-only plug-in, "fault" (and "onnx" and "tflite", FAULT_NAME, for those that auto looks for). It computes with our own engine (so its numbers are right until told otherwise).
 *
 * What it shall do stands in a file beside the model, MODEL.fault (of those with another name: MODEL.NAME-fault), read at each open, or in the options of the open; one "key=value" a line:
 *   open=refuse | crash | hang        at open; score=refuse
 *   error_at=N  nan_at=N  crash_at=N  abort_at=N  exit_at=N     in the N-th run of this process (counted over all nets; 1 is the first)
 *   hang_at=N  hang_ms=M              the N-th run takes M ms; cancel=no: it cannot be stopped
 *   slow_ms=M                         every run takes M ms longer
 *   wrong=F                           every output is multiplied by F
 *   model=PATH                        the net that it runs in place of MODEL: so it can run what native cannot
 *   leak_mb=M                         every run takes M MB and keeps them
 *   heal=K                            from the K-th open of this process on it does nothing wrong any more
 *   print=1                           prints to stdout and stderr, as a plug-in must not
 * Runs of warm-up and self-test count, too: tests use numbers far enough behind them. */
#define _GNU_SOURCE
#include <nextpose/backend.h>
#include <nextpose/nextpose.h>

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef FAULT_NAME
#define FAULT_NAME "fault"
#define FAULT_FILE "%.1000s.fault"
#else
#define FAULT_FILE "%.1000s." FAULT_NAME "-fault"
#endif

struct faults {
    char open[16], score[16], cancel[16], model[1024];
    double error_at, nan_at, crash_at, abort_at, exit_at, hang_at, hang_ms, slow_ms, wrong, leak_mb, heal, print;
};

struct np_backend_net {
    struct np_model *model;
    struct np_session *session;
    struct faults f;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int cancelled;
};

static atomic_int runs, opens;

static int fail(struct np_error *err, int code, const char *text) {
    if (err) {
        err->code = code;
        snprintf(err->message, sizeof err->message, "fault: %s", text);
    }
    return code;
}

static void set(struct faults *f, const char *key, const char *value) {
    const struct { const char *key; double *number; } numbers[] = {
        { "error_at", &f->error_at }, { "nan_at", &f->nan_at }, { "crash_at", &f->crash_at }, { "abort_at", &f->abort_at },
                { "exit_at", &f->exit_at },
        { "hang_at", &f->hang_at }, { "hang_ms", &f->hang_ms }, { "slow_ms", &f->slow_ms }, { "wrong", &f->wrong }, { "leak_mb", &f->leak_mb },
        { "heal", &f->heal }, { "print", &f->print },
    };
    const struct { const char *key; char *text; } texts[] = { { "open", f->open }, { "score", f->score }, { "cancel", f->cancel } };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (!strcmp(key, numbers[i].key)) *numbers[i].number = atof(value);
    if (!strcmp(key, "model")) snprintf(f->model, sizeof f->model, "%s", value);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!strcmp(key, texts[i].key)) snprintf(texts[i].text, 16, "%.15s", value);
}

static void read_faults(struct faults *f, const struct np_backend_params *p) {
    char path[1100], line[1100];
    memset(f, 0, sizeof *f);
    snprintf(path, sizeof path, FAULT_FILE, p->model_path ? p->model_path : "");
    FILE *const in = p->model_path ? fopen(path, "r") : NULL;
    while (in && fgets(line, sizeof line, in)) {
        char *const eq = strchr(line, '=');
        line[strcspn(line, "\n")] = 0;
        if (!eq || line[0] == '#') continue;
        *eq = 0;
        set(f, line, eq + 1);
    }
    if (in) fclose(in);
    for (int i = 0; i < p->n_options; i++) set(f, p->options[i].key, p->options[i].value);
}

static void crash(void) {
    signal(SIGSEGV, SIG_DFL); /* sanitizers would make a report of it */
    volatile int *const nowhere = NULL;
    *nowhere = 1;
    raise(SIGSEGV);
}

static void sleep_ms(double ms) {
    const struct timespec t = { (time_t)(ms / 1000), (long)fmod(ms, 1000) * 1000000 };
    nanosleep(&t, NULL);
}

static int score(const struct np_backend_params *p, struct np_backend_info *out, struct np_error *why) {
    struct faults f;
    read_faults(&f, p);
    if (!strcmp(f.score, "refuse")) return fail(why, NP_EBACKEND, "told to refuse at score");
    if (!strcmp(f.score, "crash")) crash();
    snprintf(out->version, sizeof out->version, "1.0");
    snprintf(out->devices, sizeof out->devices, "cpu");
    return 90;
}

static int open_net(struct np_backend_net **out, const struct np_backend_params *p, struct np_error *err) {
    struct np_model_params mp;
    const int nth = atomic_fetch_add(&opens, 1) + 1;
    struct np_backend_net *const n = calloc(1, sizeof *n);
    if (!n) return fail(err, NP_ENOMEM, "out of memory");
    read_faults(&n->f, p);
    if (n->f.heal > 0 && nth >= n->f.heal) memset(&n->f, 0, sizeof n->f);
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->cond, NULL);
    if (!strcmp(n->f.open, "crash")) crash();
    if (!strcmp(n->f.open, "hang")) sleep_ms(n->f.hang_ms);
    int r = !strcmp(n->f.open, "refuse") ? fail(err, NP_EUNSUPPORTED, "told to refuse at open") : 0;
    np_model_params_default(&mp);
    mp.input_name = p->input_name;
    mp.rank = p->rank;
    memcpy(mp.dims, p->dims, sizeof mp.dims);
    if (r >= 0) r = *n->f.model ? np_model_load(&n->model, n->f.model, &mp, err) : np_model_load_memory(&n->model, p->model, p->model_size, &mp, err);
    if (r >= 0) r = np_session_open(&n->session, n->model, NULL, err);
    if (r < 0) {
        np_model_free(&n->model);
        free(n);
        return r;
    }
    if (p->logger.log) p->logger.log(p->logger.opaque, NP_LOG_DEBUG, "the fault plug-in opened a net");
    *out = n;
    return 0;
}

static int tensor(const struct np_backend_net *n, int output, int i, struct np_tensor_info *out) {
    if (i >= (output ? np_model_n_outputs(n->model) : np_model_n_inputs(n->model))) return NP_EEND;
    return output ? np_model_output_info(n->model, i, out) : np_model_input_info(n->model, i, out);
}

static int hang(struct np_backend_net *n, struct np_error *err) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(n->f.hang_ms / 1000);
    until.tv_nsec += (long)fmod(n->f.hang_ms, 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&n->lock);
    int late = 0;
    while (!late && !(n->cancelled && strcmp(n->f.cancel, "no"))) late = pthread_cond_timedwait(&n->cond, &n->lock, &until) != 0;
    const int cancelled = n->cancelled;
    n->cancelled = 0;
    pthread_mutex_unlock(&n->lock);
    return cancelled ? fail(err, NP_EINTR, "the run was cancelled") : 0;
}

static int run(struct np_backend_net *n, const void *const *in, void *const *out, struct np_error *err) {
    const struct faults *const f = &n->f;
    const int nth = atomic_fetch_add(&runs, 1) + 1;
    struct np_tensor_info t;
    if (f->print > 0) {
        printf("fault: a line on stdout\n");
        fflush(stdout);
        fprintf(stderr, "fault: run %d\n", nth);
    }
    if (f->leak_mb > 0) {
        const size_t bytes = (size_t)(f->leak_mb * 1048576);
        char *volatile const kept = malloc(bytes);
        if (!kept) return fail(err, NP_ENOMEM, "no more memory to leak");
        memset(kept, 1, bytes);
    }
    if (f->slow_ms > 0) sleep_ms(f->slow_ms);
    if (f->crash_at == nth) crash();
    if (f->abort_at == nth) {
        fprintf(stderr, "fault: terminate called after throwing an instance of 'std::bad_idea'\n");
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    if (f->exit_at == nth) _exit(7);
    if (f->error_at == nth) return fail(err, NP_EBACKEND, "told to fail");
    if (f->hang_at == nth) {
        const int r = hang(n, err);
        if (r < 0) return r;
    }
    for (int i = 0; np_model_input_info(n->model, i, &t) == 0; i++) memcpy(np_session_input(n->session, i), in[i], t.bytes);
    const int r = np_session_run(n->session, err);
    if (r < 0) return r;
    for (int i = 0; np_model_output_info(n->model, i, &t) == 0; i++) {
        memcpy(out[i], np_session_output(n->session, i), t.bytes);
        float *const y = out[i];
        if (t.dtype != NP_F32) continue;
        if (f->nan_at == nth) y[0] = NAN;
        for (size_t k = 0; f->wrong != 0 && k < t.bytes / sizeof *y; k++) y[k] *= (float)f->wrong;
    }
    return 0;
}

static void cancel(struct np_backend_net *n) {
    pthread_mutex_lock(&n->lock);
    n->cancelled = 1;
    pthread_cond_broadcast(&n->cond);
    pthread_mutex_unlock(&n->lock);
}

static void close_net(struct np_backend_net *n) {
    np_session_free(&n->session);
    np_model_free(&n->model);
    pthread_cond_destroy(&n->cond);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

static const struct np_backend fault = {
    .abi = NP_BACKEND_ABI,
    .size = sizeof fault,
    .name = FAULT_NAME,
    .title = "the fault plug-in of the tests",
    .formats = "onnx,tflite",
    .capabilities = NP_BACKEND_BATCH | NP_BACKEND_RESHAPE | NP_BACKEND_HEAVY,
    .score = score,
    .open = open_net,
    .tensor = tensor,
    .run = run,
    .cancel = cancel,
    .close = close_net,
};

const struct np_backend *np_backend_entry(void) { return &fault; }
