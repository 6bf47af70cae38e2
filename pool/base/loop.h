/*
 * The loop: one thread at a time that waits for many things at once, and on it fibers, on
 * which ordinary statement code runs and waits for its own.
 *
 * Work comes as tasks (from any thread), alarms (at their time) and fibers (when what they
 * wait for is there). All of it runs inside pool__loop_dispatch: on the loop's own thread, or
 * on whichever thread of the program calls pool_dispatch.
 */
#ifndef POOL_BASE_LOOP_H
#define POOL_BASE_LOOP_H

#include "base/alarms.h"
#include "base/list.h"
#include "base/strands.h"
#include "base/sync.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Something to be done on the loop, once per post. */
struct pool__task {
    struct pool__link link; /* loop.arrivals; lock */
    void (*run)(struct pool__task *task);
};

struct pool__loop {
    struct pool__mutex lock;
    struct pool__link arrivals; /* struct pool__task; lock */
    bool open;                  /* lock */
    bool manual;                /* dispatched by the program; set before it is opened */
    _Atomic bool asleep;        /* needs a poke to notice an arrival */
    _Atomic bool stop;
    _Atomic bool busy;     /* somebody is dispatching */
    _Atomic uint64_t work; /* accepted and not done */
    int epoll_fd;
    int event_fd; /* the poke */
    int cut_fd;   /* the pool's: everything has to stop; set before it is opened */
    pthread_t thread;
    bool threaded;
    /* Whoever dispatches: */
    struct pool__alarms alarms;
    struct pool__strands strands;
};

/* Before anything else. `strand_limit`: fibers at most. */
void pool__loop_init(struct pool__loop *loop, unsigned strand_limit, bool manual);

/* Once, when it is first needed. False with errno if there are no descriptors, threads or
 * memory; it may be tried again. Any thread. */
bool pool__loop_open(struct pool__loop *loop);

bool pool__loop_is_open(struct pool__loop *loop);

/* Accepts no more work. */
void pool__loop_stop(struct pool__loop *loop);

/* The same; ends the thread when there is no work left (in manual mode there must be none, and
 * who is dispatching is woken and waited for), and frees everything. */
void pool__loop_close(struct pool__loop *loop);

/* In a forked child, which has no such thread: closes its copies of the descriptors. */
void pool__loop_abandon(struct pool__loop *loop);

/* Whoever brings work asks first, and says when it is done. Any thread. */
bool pool__loop_accept(struct pool__loop *loop);
void pool__loop_done(struct pool__loop *loop);

/* False if the loop is closed. Any thread. A task must not be posted again before it has run. */
bool pool__loop_post(struct pool__loop *loop, struct pool__task *task);

/* Wakes whoever waits in it, if it is open. Any thread. */
void pool__loop_poke(struct pool__loop *loop);

/* Waits for something to do, does a bounded amount of it, and returns how many things that
 * was; -1 if another thread is at it. `timeout_ms` -1: without a limit. */
int pool__loop_dispatch(struct pool__loop *loop, int timeout_ms);

/* This thread is dispatching this loop. */
bool pool__loop_is_here(const struct pool__loop *loop);

/* The rest is for code that the loop runs. */

/* So that setting that many alarms, or waiting on that many fibers, cannot fail. */
bool pool__loop_reserve(struct pool__loop *loop, uint64_t count);

#endif
