/*
 * What a pool is made of. Only the engine, and what stands above it, sees inside.
 *
 * Locks, in this order, never two at a time unless said: `core.lock` (queue),
 * `workers.lock` (chores), `health.lock` (the state of the server), `control.lock`
 * (held during a kill), `closing_lock`.
 * `end_lock` comes before `workers.lock`. No hook or callback runs under any of them.
 */
#ifndef POOL_ENGINE_POOL_H
#define POOL_ENGINE_POOL_H

#include "base/loop.h"
#include "base/sync.h"
#include "config/options.h"
#include "conn/budget.h"
#include "conn/kill.h"
#include "core/core.h"
#include "engine/control.h"
#include "engine/health.h"
#include "engine/seen.h"
#include "engine/workers.h"
#include "sql/arity.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pool__conn;

#define POOL__LABEL_WORDS 8
#define POOL__LOSSES 3 /* connections lost within a tick that make the others suspect */

/* What the pool keeps beside each slot of the core. */
struct pool__slot_record {
    struct pool__chore chore;
    _Atomic uint64_t label[POOL__LABEL_WORDS]; /* the borrower's, 63 bytes; first word 0: none */
    _Atomic unsigned long thread_id;           /* of the connection that was opened last */
    _Atomic uint32_t serial;    /* of the connection, to recognise late socket events */
    _Atomic uint64_t opened_ns; /* when it was ready; POOL__FOREVER: it is not open */
    _Atomic uint64_t retire_ns; /* set by the worker before the slot is given */
    _Atomic uint64_t keepalive_ns;
    _Atomic uint32_t stopped;      /* the generation of a borrow whose transaction is cancelled */
    _Atomic bool bulky;            /* the connection may have memory to give back, see trim.c */
    _Atomic uint32_t evict_reason; /* enum pool_close_reason */
    enum pool_close_reason close_reason; /* of the chore */
    uint64_t borrowed_ns;                /* owner: the borrower; kept only for on_release */
    /* After the close: the server's side is awaited. Set by the worker that closed,
     * then the keeper's. */
    int closing_fd; /* -1: none, or with a worker; closing_lock */
    int kill_fd;    /* the same while a worker has it, to kill or to ask; its own */
    uint64_t closing_since_ns;
    unsigned long closing_thread_id;
    enum pool__kill kill;   /* GONE: only the goodbye is awaited; closing_lock */
    struct pool__seen seen; /* the keeper's */
};

/* The handles of calls with callbacks. */
struct pool__op;
struct pool__call_entry {
    struct pool__op *op; /* NULL: free */
    uint32_t generation;
    uint32_t next_free; /* `room`: none */
};
struct pool__calls {
    struct pool__mutex lock;
    struct pool__call_entry *entries;
    uint32_t room;
    uint32_t first_free;
};

struct pool__counters {
    _Atomic uint64_t acquire_failures;
    _Atomic uint64_t waited_ns; /* by those who were served */
    _Atomic uint64_t opened;
    _Atomic uint64_t connect_failures;
    _Atomic uint64_t closed;
    _Atomic uint64_t closed_by_reason[POOL_CLOSE_LAST + 1];
    _Atomic uint64_t resets;
    _Atomic uint64_t pings;
    _Atomic uint64_t kills;
    _Atomic uint64_t leaks;
    _Atomic uint64_t failed_queries; /* calls for a statement, whatever they came to */
    _Atomic uint64_t looped_queries; /* the others of those with callbacks; whoever dispatches */
};

struct pool {
    struct pool__core core;
    struct pool__options options;
    unsigned fork_count;   /* of the process that made the pool */
    bool hooked;           /* acquire or release are observed, or every return resets */
    _Atomic bool draining; /* new calls are refused, and all else goes on */
    _Atomic bool leaving;  /* it drains or ends: there are no short cuts any more */
    struct pool__slot_record *records;
    struct pool__stmt_budget budget;
    struct pool__health health;
    struct pool__workers workers;
    struct pool__control control;
    struct pool__counters counters;
    struct pool__calls calls;
    struct pool__arities arities;
    struct pool__loop loop; /* for callbacks; opened when the first is wanted */
    pthread_mutex_t closing_lock;
    _Atomic uint64_t tick_ns;
    _Atomic unsigned closings; /* slots that a worker closes or will close: no goodbye yet */
    pthread_t keeper;
    bool keeper_started;
    int epoll_fd;
    int poke_fd; /* eventfd: the keeper has something to look at */
    int cut_fd;  /* eventfd: everything has to stop */
    int stop_fd; /* eventfd: kills have to stop, too */
    _Atomic bool poked;
    _Atomic bool stop_keeper;
    _Atomic bool check_all;  /* the keeper is to ping every idle connection */
    _Atomic uint32_t losses; /* connections lost by borrowers since the last tick */
    _Atomic bool ending;
    _Atomic uint32_t followers;    /* callers whose statement was taken along, until they know */
    _Atomic uint32_t transactions; /* blocking ones that have begun and not ended */
    _Atomic uint32_t telling;      /* callers in a hook, or about to be, whom nothing else keeps */
    _Atomic uint32_t returns;      /* bumped by returns while the pool ends; parked on */
    struct pool__mutex end_lock;
    bool cut;                      /* running statements are to be killed by pool_end; end_lock */
    bool stopping;                 /* the workers take no orders any more; end_lock */
    struct pool__conn *left_conns; /* taken away or given back since the cut; end_lock */
    bool detached;                 /* threads are gone; end_lock */
    unsigned not_returned;         /* slots still to be given back then; end_lock */
    struct pool *next_kept;        /* in the list of ended pools, see ended.c */
};

/* Forks so far, in this process and those it comes from. */
extern _Atomic unsigned pool__fork_count;

static inline bool pool__may_borrow_quickly(struct pool *pool)
{
    return pool && !pool->hooked &&
           pool->fork_count == atomic_load_explicit(&pool__fork_count, memory_order_relaxed) &&
           !atomic_load_explicit(&pool->leaving, memory_order_relaxed);
}

/* One more, of whatever it counts; orders nothing. */
static inline void pool__count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Whether the transaction that has this connection was cancelled. */
static inline bool pool__is_stopped(struct pool *pool, unsigned slot, uint32_t generation)
{
    return atomic_load_explicit(&pool->records[slot].stopped, memory_order_relaxed) == generation;
}

/* For what the pool asks of a server on its own account: a login, a ping, a reset. */
static inline uint64_t pool__step_deadline_ns(const struct pool *pool)
{
    return pool__deadline_in(pool->options.v.connect_timeout_ms);
}

bool pool__check(struct pool *pool, struct pool_error *err);
/* The same for a call that waits: not inside a callback, where it would hold up the loop that
 * it waits for, nor inside a hook, where others wait for the thread. */
bool pool__check_blocking(struct pool *pool, struct pool_error *err);
/* The same for what has begun and needs a connection once more: a pool that ends may still serve
 * it. */
bool pool__check_begun(struct pool *pool, struct pool_error *err);
/* The same two for what begins: while the pool drains, only what has begun goes on. */
bool pool__check_new(struct pool *pool, struct pool_error *err);
bool pool__check_new_blocking(struct pool *pool, struct pool_error *err);

#endif
