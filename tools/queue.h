/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of pointers between two threads. */
#ifndef NPI_TOOLS_QUEUE_H
#define NPI_TOOLS_QUEUE_H
#include <pthread.h>

#define QUEUE_MAX 16
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void *item[QUEUE_MAX];
    int cap, n, head, closed;
};
void queue_init(struct queue *q, int cap); /* cap <= QUEUE_MAX */
void queue_destroy(struct queue *q);
/* Waits for room. -1 when the queue was closed: the item was not taken. */
int queue_push(struct queue *q, void *item);
/* Waits for an item; NULL when the queue is closed and empty. */
void *queue_pop(struct queue *q);
/* The same for so many milliseconds (below 0: for ever); *late 1 and NULL: nothing came. */
void *queue_pop_within(struct queue *q, int ms, int *late);
/* Never waits: NULL when there is nothing. */
void *queue_try_pop(struct queue *q);
/* No more pushes; what is inside can still be popped. */
void queue_close(struct queue *q);
#endif
