/*
 * What a pool is made of, and what its parts ask of each other.
 *
 *   pool.c    create, borrow, return, statistics
 *   end.c     the end, fork, and what outlives the pool
 *   calls.c   the public calls that run statements
 *   keeper.c  the thread that watches sockets and time, and orders chores
 *   async.c   the public calls with callbacks
 *   loop.c    the thread that runs them
 *   worker.c  the threads that do the chores: open, reset, ping, close, kill
 *   kill.c    the connection from which statements are killed
 *
 * Locks, in this order, never two at a time unless said: `core.lock` (queue),
 * `workers.lock` (chores), `health.lock` (the state of the server), `control.lock`
 * (held during a kill), `linger_lock`.
 * `end_lock` comes before `workers.lock`. No hook or callback runs under any of them.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "sql/arity.h"
#include "base/barrier.h"
#include "conn/conn.h"
#include "core/core.h"
#include "engine/health.h"
#include "base/loop.h"

enum pool__chore_kind {
    POOL__OPEN,
    POOL__DO_RESET,
    POOL__DO_PING,
    POOL__DO_CLOSE,
    POOL__KILL,     /* the slot's connection is closed here, but lives on the server */
    POOL__DO_CANCEL /* of an op, not of a slot: its statement is to be stopped */
};

/* Work on one slot. A slot has at most one chore at a time. */
struct pool__chore {
    struct pool__link link; /* workers.lock */
    enum pool__chore_kind kind;
    enum pool_close_reason reason;
};

#define POOL__LABEL_WORDS 8
#define POOL__LOSSES 3 /* connections lost within a tick that make the others suspect */

/* What the pool keeps beside each slot of the core. */
struct pool__place {
    struct pool__chore chore;
    _Atomic uint64_t label[POOL__LABEL_WORDS]; /* the borrower's, 63 bytes; first word 0: none */
    _Atomic unsigned long thread_id;           /* of the connection that was opened last */
    _Atomic uint32_t serial;    /* of the connection, to recognise late socket events */
    _Atomic uint64_t opened_ns; /* when it was ready; POOL__FOREVER: it is not open */
    _Atomic uint64_t retire_ns; /* set by the worker before the slot is given */
    _Atomic uint64_t keepalive_ns;
    _Atomic bool bulky;            /* the connection may have memory to give back, see trim.c */
    _Atomic uint32_t evict_reason; /* enum pool_close_reason */
    uint64_t borrowed_ns;          /* owner: the borrower; kept only for on_release */
    /* After the close: the server's side is awaited. Set by the worker that closed,
     * then the keeper's. */
    int linger_fd; /* -1: none, or with a worker; linger_lock */
    int kill_fd;   /* the same while a worker has it, to kill or to ask; its own */
    uint64_t closing_since_ns;
    unsigned long closing_thread_id;
    enum pool__kill kill; /* GONE: only the goodbye is awaited; linger_lock */
    /* The keeper's own observations. */
    uint64_t seen_uses;
    bool seen_away; /* since it was last seen idle: borrowed, in the chore after that, or new */
    uint64_t since_ns;
    uint64_t pinged_ns;
    bool leak_reported;
};

/* There are never more threads than slots: with few connections each chore finds one,
 * whatever the others do. With many, resets leave some to everything else. */
#define POOL__MOST_WORKERS 32
#define POOL__NOT_FOR_RESETS 2

struct pool__workers {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct pool__link queue; /* struct pool__chore */
    unsigned most;           /* threads; constant */
    unsigned most_resets;    /* at a time; constant */
    unsigned threads;
    unsigned idle;
    unsigned resets; /* being done */
    bool stop;
    pthread_t ids[POOL__MOST_WORKERS];
};

struct pool__control {
    pthread_mutex_t lock;
    struct pool__conn *conn;
    uint64_t used_ns;
    _Atomic bool open; /* for the keeper, which does not take the lock to look */
};

/* The handles of calls with callbacks. */
struct pool__op;
struct pool__call_place {
    struct pool__op *op; /* NULL: free */
    uint32_t generation;
    uint32_t next_free; /* `room`: none */
};
struct pool__calls {
    struct pool__mutex lock;
    struct pool__call_place *places;
    uint32_t room;
    uint32_t first_free;
};

struct pool__counters {
    _Atomic uint64_t acquire_failures;
    _Atomic uint64_t waited_ns; /* by those who were served */
    _Atomic uint64_t opened;
    _Atomic uint64_t connect_failures;
    _Atomic uint64_t closed;
    _Atomic uint64_t closed_by_reason[9];
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
    unsigned fork_count; /* of the process that made the pool */
    bool hooked;         /* acquire or release are observed, or every return resets */
    struct pool__place *places;
    struct pool__stmt_budget budget;
    struct pool__health health;
    struct pool__workers workers;
    struct pool__control control;
    struct pool__counters counters;
    struct pool__calls calls;
    struct pool__arities arities;
    struct pool__loop loop; /* for callbacks; opened when the first is wanted */
    pthread_mutex_t linger_lock;
    _Atomic uint64_t tick_ns;
    _Atomic unsigned parting; /* slots that a worker closes or will close: no goodbye yet */
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
    _Atomic uint32_t aboard;  /* callers whose statement was taken along, until they know */
    _Atomic uint32_t telling; /* callers in a hook, or about to be, whom nothing else keeps */
    _Atomic uint32_t returns; /* bumped by returns while the pool ends; parked on */
    struct pool__mutex end_lock;
    bool cut;                     /* running statements are to be killed by pool_end; end_lock */
    bool stopping;                /* the workers take no orders any more; end_lock */
    struct pool__conn *condemned; /* taken away or given back since the cut; end_lock */
    bool detached;                /* threads are gone; end_lock */
    unsigned outstanding;         /* slots still to be given back then; end_lock */
    struct pool *next_kept;       /* in the list of ended pools, see end.c */
};

/* pool.c */
extern _Atomic unsigned pool__fork_count;

static inline bool pool__may_borrow_quickly(struct pool *pool)
{
    return pool && !pool->hooked &&
           pool->fork_count == atomic_load_explicit(&pool__fork_count, memory_order_relaxed) &&
           !atomic_load_explicit(&pool->core.shut, memory_order_relaxed);
}

struct pool__borrowed {
    struct pool__conn *conn;
    unsigned slot;
    uint32_t generation;
};
/* What a call asks for when it borrows, perhaps several times. */
struct pool__ask {
    uint64_t flags; /* POOL__RUNNING for a call of the pool's own, which then owns the
                       connection; 0 for a handle, which has to be claimed first */
    const char *label;
    uint64_t deadline_ns; /* of the whole call */
    uint32_t acquire_ms;  /* to wait at most, in all its borrows together */
    uint64_t waited_ns;   /* so far */
    bool again;           /* it has had a connection, and needs another one */
};
bool pool__check(struct pool *pool, struct pool_error *err);
/* The same for a call that waits: not inside a callback, where it would hold up the loop that
 * it waits for, nor inside a hook, where others wait for the thread. */
bool pool__check_blocking(struct pool *pool, struct pool_error *err);
/* Without waiting. */
bool pool__borrow_at_once(struct pool *pool, const struct pool__ask *ask,
                          struct pool__borrowed *ret_borrowed);
/* By way of the queue. The waiter is zero but for what concerns riding. GRANTED fills in
 * *ret_borrowed; ARRIVED and LEFT are those of a ride; everything else is a failure, with the
 * error filled in. */
enum pool__outcome pool__borrow_in_turn(struct pool *pool, struct pool__ask *ask,
                                        struct pool__waiter *waiter,
                                        struct pool__borrowed *ret_borrowed,
                                        struct pool_error *err);
/* The same in two steps, for those who must not sleep: WAITING, or an outcome at once; and
 * what to do with an outcome but ARRIVED and LEFT. */
enum pool__outcome pool__join_queue(struct pool *pool, const struct pool__ask *ask,
                                    struct pool__waiter *waiter);
void pool__end_wait(struct pool *pool, struct pool__ask *ask, const struct pool__waiter *waiter,
                    enum pool__outcome outcome, struct pool__borrowed *ret_borrowed,
                    struct pool_error *err);
/* Around a hook of a caller without a connection: pool_end waits for it. False: it is too late
 * for a hook, and there is nothing to let go. */
bool pool__hold_end(struct pool *pool);
void pool__let_end(struct pool *pool);
/* At once or in turn. */
bool pool__borrow(struct pool *pool, struct pool__ask *ask, struct pool__borrowed *ret_borrowed,
                  struct pool_error *err);
/* The owner of a BUSY slot gives it back, whatever its condition. */
void pool__return(struct pool *pool, unsigned slot);
void pool__close_slot(struct pool *pool, unsigned slot, enum pool_close_reason reason);
/* `slot`: of the connection that it came from. */
void pool__note_error(struct pool *pool, unsigned slot, const struct pool_error *err);
static inline struct pool_conn pool__handle(struct pool *pool, unsigned slot, uint32_t generation)
{
    struct pool_conn conn = {pool, (uint64_t)generation << 32 | (slot + 1)};
    return conn;
}
bool pool__claim_handle(struct pool_conn conn, struct pool__borrowed *ret_borrowed,
                        struct pool_error *err);
void pool__unclaim_handle(struct pool *pool, const struct pool__borrowed *borrowed);
/* Releases it in any case: if another thread has been let in and runs a call on it, that gives
 * the connection back when it is over. */
void pool__give_up_handle(struct pool_conn conn);
void pool__set_label(struct pool *pool, unsigned slot, const char *label);
void pool__copy_label(struct pool *pool, unsigned slot, char ret_label[64]);

/* cancel.c: the worker's part. 0 if the statement need not be stopped any more. `known`: the
 * server is through with the KILL, or never heard of it. */
unsigned long pool__cancel_target(struct pool__chore *chore);
void pool__cancel_done(struct pool__chore *chore, bool known);

/* async.c. With manual_dispatch, pool_end runs what callbacks are left itself: false if there
 * is nothing to run here. */
bool pool__run_callbacks(struct pool *pool, int timeout_ms);
void pool__finish_callbacks(struct pool *pool); /* when all queues are shut */

/* calls.c, for async.c and batch.c */
/* Whether the server answers on a connection that the caller owns. */
bool pool__ping(struct pool *pool, const struct pool__borrowed *borrowed, struct pool_error *err);
struct pool__sink;
struct pool__batch;
/* Borrow, or claim the handle, and run the one statement, or the batch. */
/* For a begin that may be tried again elsewhere, which does not count as one that ended. */
struct pool__tries {
    bool (*again)(const struct pool *pool, const struct pool_error *err, unsigned tries);
    unsigned tries; /* this one included */
    uint64_t deadline_ns;
    bool more; /* set: this was not the last */
};
bool pool__conn_begin(struct pool_conn conn, struct pool__tries *tries, struct pool_error *err);
struct pool_result *pool__query_as(struct pool *pool, const struct pool_request *request,
                                   const struct pool__sink *sink, const struct pool__batch *batch,
                                   struct pool_error *err);
struct pool_result *pool__conn_query_as(struct pool_conn conn, const struct pool_request *request,
                                        const struct pool__sink *sink,
                                        const struct pool__batch *batch, struct pool_error *err);
bool pool__check_request(const struct pool_request *request, struct pool_error *err);
struct pool__ask pool__ask_for(const struct pool *pool, const struct pool_request *request,
                               uint64_t flags);
/* Claims the handle and makes sure that there still is a connection behind it. */
bool pool__claim_open(struct pool_conn conn, struct pool__borrowed *ret_borrowed,
                      struct pool_error *err);
bool pool__check_no_transaction(struct pool_conn conn, struct pool_error *err);

/* end.c */
void pool__free(struct pool *pool);
void pool__lock_kept(void);
void pool__unlock_kept(void);
/* A caller orders work on a slot in CHORE; the only way to do so that is right at any time. */
void pool__hand_in(struct pool *pool, unsigned slot, enum pool__chore_kind kind,
                   enum pool_close_reason reason);

/* keeper.c */
bool pool__keeper_start(struct pool *pool);
void pool__keeper_stop(struct pool *pool);
void pool__poke(struct pool *pool);
bool pool__watch(struct pool *pool, unsigned slot, int fd);
void pool__linger(struct pool *pool, unsigned slot, int fd, enum pool__kill kill);
void pool__limit_tick(struct pool *pool, uint64_t limit_ns);
int pool__take_linger_fd(struct pool *pool, unsigned slot);

/* worker.c */
bool pool__workers_start(struct pool *pool);
void pool__workers_stop(struct pool *pool);
void pool__order(struct pool *pool, unsigned slot, enum pool__chore_kind kind,
                 enum pool_close_reason reason);
void pool__order_chore(struct pool *pool, struct pool__chore *chore);
/* The slot in CHORE, or OPENING, is available again, or closed if it is to be. */
void pool__give_or_close(struct pool *pool, unsigned slot);

/* kill.c */
/* Kills what runs in these sessions, without waiting for them to end; how many the server
 * was told of. The caller keeps their sockets open. */
unsigned pool__kill_all(struct pool *pool, const unsigned long *thread_ids, unsigned count,
                        uint64_t deadline_ns);
/* Again and again, until the server does not know the session any more; unless the pool
 * ends, or it takes too long. */
enum pool__kill pool__kill_until_gone(struct pool *pool, unsigned long thread_id);
/* Stops the statement of pool__cancel_target; its session stays. False if the server may yet do
 * so, because it did not answer. */
bool pool__stop_statement(struct pool *pool, struct pool__chore *chore);
void pool__wait_until_gone(struct pool *pool, unsigned long thread_id);
void pool__control_close(struct pool *pool); /* when the workers have stopped */

#endif
