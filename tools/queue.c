/* SPDX-License-Identifier: Apache-2.0 */
/* See queue.h. One lock and one condition: at a few hundred frames a second nobody is woken in vain often enough to matter. */
#include "queue.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

void queue_init(struct queue *q, int cap) {
    memset(q, 0, sizeof *q);
    q->cap = cap < 1 ? 1 : cap > QUEUE_MAX ? QUEUE_MAX : cap;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC); /* of queue_pop_within */
    pthread_cond_init(&q->changed, &clock);
    pthread_condattr_destroy(&clock);
}

void queue_destroy(struct queue *q) {
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->changed);
}

static void put(struct queue *q, void *item) {
    q->item[(q->head + q->n++) % q->cap] = item;
    pthread_cond_broadcast(&q->changed);
}

static void *take(struct queue *q) {
    void *const item = q->item[q->head];
    q->head = (q->head + 1) % q->cap;
    q->n--;
    pthread_cond_broadcast(&q->changed);
    return item;
}

int queue_push(struct queue *q, void *item) {
    pthread_mutex_lock(&q->lock);
    while (q->n == q->cap && !q->closed) pthread_cond_wait(&q->changed, &q->lock);
    const int r = q->closed ? -1 : 0;
    if (r == 0) put(q, item);
    pthread_mutex_unlock(&q->lock);
    return r;
}

void *queue_pop_within(struct queue *q, int ms, int *late) {
    struct timespec until = { 0 };
    if (ms >= 0) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += ms / 1000;
        until.tv_nsec += ms % 1000 * 1000000L;
        if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
    }
    int r = 0;
    pthread_mutex_lock(&q->lock);
    while (q->n == 0 && !q->closed && r == 0) r = ms < 0 ? pthread_cond_wait(&q->changed, &q->lock) : pthread_cond_timedwait(&q->changed, &q->lock, &until);
    *late = q->n == 0 && !q->closed;
    void *const item = q->n ? take(q) : NULL;
    pthread_mutex_unlock(&q->lock);
    return item;
}

void *queue_pop(struct queue *q) {
    int late;
    return queue_pop_within(q, -1, &late);
}

void *queue_try_pop(struct queue *q) {
    pthread_mutex_lock(&q->lock);
    void *const item = q->n ? take(q) : NULL;
    pthread_mutex_unlock(&q->lock);
    return item;
}

void queue_close(struct queue *q) {
    pthread_mutex_lock(&q->lock);
    q->closed = 1;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}
