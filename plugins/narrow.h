/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the threads that a runtime makes on the processors of np_backend_params.cpu_mask: threads inherit the processors of the thread that makes
 * them, so the calling thread is narrowed while it is inside score() and open(), and is as before afterwards.
 *
 * NARROW_BACKEND at the end of a plug-in makes its table and its entry from the functions look, supports, open_here, tensor, run, close_net and device,
 * and from wheels and sonames. */
#ifndef NEXTPOSE_PLUGIN_NARROW_H
#define NEXTPOSE_PLUGIN_NARROW_H
#include "common.h"

#include <sched.h> /* needs _GNU_SOURCE */

struct narrow { cpu_set_t before; int on; };

static inline int narrow_begin(struct narrow *w, const struct np_backend_params *p, struct np_error *err) {
    cpu_set_t mine;
    w->on = p->cpu_mask && sched_getaffinity(0, sizeof w->before, &w->before) == 0;
    if (!w->on) return 0;
    CPU_ZERO(&mine);
    for (int i = 0; i < p->n_cpu_mask * 64 && i < CPU_SETSIZE; i++)
        if (p->cpu_mask[i / 64] >> (i % 64) & 1) CPU_SET(i, &mine);
    if (sched_setaffinity(0, sizeof mine, &mine) == 0) return 0;
    w->on = 0;
    return fail(err, NP_EINVAL, "none of the processors that were asked for may be used");
}

static inline void narrow_end(const struct narrow *w) {
    if (w->on) sched_setaffinity(0, sizeof w->before, &w->before);
}

static inline int narrow_score(int (*look)(const struct np_backend_params *, struct np_backend_info *, struct np_error *),
                               const struct np_backend_params *p, struct np_backend_info *out, struct np_error *why) {
    struct narrow w;
    int r = narrow_begin(&w, p, why);
    if (r >= 0) r = look(p, out, why);
    narrow_end(&w);
    return r;
}

static inline int narrow_open(int (*open_here)(struct np_backend_net **, const struct np_backend_params *, struct np_error *),
                              struct np_backend_net **out, const struct np_backend_params *p, struct np_error *err) {
    struct narrow w;
    int r = narrow_begin(&w, p, err);
    if (r >= 0) r = open_here(out, p, err);
    narrow_end(&w);
    return r;
}

/* ...: what is not alike in all of them: title, formats, cancel. */
#define NARROW_BACKEND(id, ...)                                                                                                                   \
    static int score(const struct np_backend_params *p, struct np_backend_info *out, struct np_error *why) {                                      \
        return narrow_score(look, p, out, why);                                                                                                   \
    }                                                                                                                                             \
    static int open_net(struct np_backend_net **out, const struct np_backend_params *p, struct np_error *err) {                                   \
        return narrow_open(open_here, out, p, err);                                                                                               \
    }                                                                                                                                             \
    static const struct np_backend id = {                                                                                                         \
        .abi = NP_BACKEND_ABI, .size = sizeof id, .name = #id, .wheels = wheels, .sonames = sonames,                                              \
        .capabilities = NP_BACKEND_BATCH | NP_BACKEND_RESHAPE | NP_BACKEND_SHARE | NP_BACKEND_THREADS | NP_BACKEND_HEAVY,                         \
        .score = score, .supports = supports, .open = open_net, .tensor = tensor, .run = run, .close = close_net, .device = device, __VA_ARGS__   \
    };                                                                                                                                            \
    const struct np_backend *np_backend_entry(void) { return &id; }
#endif
