/*
 * Threads and a queue of chores, nothing else. See workers.c.
 */
#ifndef POOL_ENGINE_WORKERS_H
#define POOL_ENGINE_WORKERS_H

#include "base/list.h"

#include <pthread.h>
#include <stdbool.h>

struct pool;
struct pool__chore;

/* Runs on a worker, without a lock. The chore may be ordered again, or be gone, before it
 * returns. */
typedef void pool__chore_fn(struct pool *pool, struct pool__chore *chore);

/* Work for a worker; part of what it is about, and in the queue at most once. */
struct pool__chore {
    struct pool__link link; /* workers.lock */
    pool__chore_fn *run;
    bool slow; /* it may take long: some workers are kept from such */
};

/* There are never more threads than slots: with few connections each chore finds one,
 * whatever the others do. With many, slow chores leave some to everything else. */
#define POOL__WORKERS_MOST 32
#define POOL__WORKERS_NOT_SLOW 2

struct pool__workers {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct pool__link queue; /* struct pool__chore */
    unsigned most;           /* threads; constant */
    unsigned most_slow;      /* chores at a time; constant */
    unsigned threads;
    unsigned idle;
    unsigned slow; /* chores being done */
    bool stop;
    pthread_t ids[POOL__WORKERS_MOST];
};

/* Starts the first thread; later ones may fail, one is enough to go on. */
bool pool__workers_start(struct pool *pool);
/* Does what is queued, and waits for the threads. */
void pool__workers_stop(struct pool *pool);
void pool__workers_order(struct pool *pool, struct pool__chore *chore);

#endif
