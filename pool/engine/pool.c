/*
 * The pool as its callers see it: created, borrowed from, returned to, counted.
 *
 * A borrow that finds an idle connection is pool__core_try_borrow and nothing else:
 * no lock, no clock, no system call. Otherwise the caller queues, pokes the keeper
 * (which decides whether to open a connection) and sleeps until its own deadline; it
 * never connects itself. A return looks at the condition of the connection and gives
 * it to the core, or to the workers to be reset or closed.
 *
 * A handle is the slot's index and generation; every call on a handle claims the slot
 * word first, so a stale one is refused before anything of the slot is touched.
 */
#include "engine/pool.h"

#include "base/error.h"
#include "engine/hooks.h"
#include "engine/replica.h"
#include "result/result.h"
#include "core/hooked.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

/* Of libmariadb. Before the first, an answer to the login could make it overflow; before
 * the second, and in the first releases of 3.4, lesser weaknesses against a malicious
 * server are known. Some of the oldest call themselves by a server's number, 10 and up. */
#define OLDEST_LIBRARY 30314
#define GOOD_LIBRARY 30320
#define GOOD_LIBRARY_3_4 30410
#define NUMBER_OF_A_SERVER 100000

_Atomic unsigned pool__fork_count;

static void after_fork_in_child(void)
{
    pool__unlock_kept();
    atomic_fetch_add(&pool__fork_count, 1);
}

/* Once per process. libmariadb ignores SIGPIPE for the whole program when it is
 * first used; that decision is the program's, so it is put back. OpenSSL would free what
 * it is made of at exit, under the threads of a pool that has not been ended. */
static void start_process(void)
{
    struct sigaction before;
    sigaction(SIGPIPE, NULL, &before);
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    mysql_library_init(0, NULL, NULL);
    MYSQL *first = mysql_init(NULL);
    mysql_close(first);
    sigaction(SIGPIPE, &before, NULL);
    pthread_atfork(pool__lock_kept, pool__unlock_kept, after_fork_in_child);
}

static bool check_library(struct pool_error *err)
{
    unsigned long version = mysql_get_client_version();
    if (version >= OLDEST_LIBRARY && version < NUMBER_OF_A_SERVER)
        return true;
    return pool__fail(err, POOL_ERR_UNSUPPORTED,
                      "libmariadb %lu.%lu.%lu is too old, the pool needs 3.3.14 or newer",
                      version / 10000, version / 100 % 100, version % 100);
}

/* Before any thread can report the state of the server. */
static void warn_of_library(const struct pool *pool)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    unsigned long version = mysql_get_client_version();
    char text[128];
    bool good = version >= GOOD_LIBRARY && (version < 30400 || version >= GOOD_LIBRARY_3_4);
    if (good || !hooks->on_state)
        return;
    snprintf(
        text, sizeof text,
        "libmariadb %lu.%lu.%lu is weak against malicious servers: use 3.3.20, 3.4.10 or newer",
        version / 10000, version / 100 % 100, version % 100);
    hooks->on_state(POOL_STATE_UP, text, hooks->arg);
}

static bool init_places(struct pool *pool)
{
    unsigned limit = pool->core.limit;
    pool->places = calloc(limit, sizeof *pool->places);
    for (unsigned i = 0; pool->places && i < limit; i++) {
        pool->places[i].linger_fd = -1;
        pool->places[i].kill_fd = -1;
        pool->places[i].opened_ns = POOL__FOREVER;
    }
    return pool->places != NULL;
}

/* It makes the descriptor for the cut, which the loop needs, too. */
static bool start_keeper(struct pool *pool)
{
    bool ok = pool__keeper_start(pool);
    pool->loop.cut_fd = pool->cut_fd;
    return ok;
}

static bool init_pool(struct pool *pool)
{
    const struct pool_options *v = &pool->options.v;
    pool->fork_count = atomic_load(&pool__fork_count);
    pool->hooked =
        v->hooks.on_acquire || v->hooks.on_release || v->reset_policy == POOL_RESET_ALWAYS;
    pool->epoll_fd = pool->poke_fd = pool->cut_fd = pool->stop_fd = -1;
    pool__health_init(&pool->health, v->connection_limit);
    pool__loop_init(&pool->loop, v->connection_limit, v->manual_dispatch);
    pool__mutex_init(&pool->end_lock);
    pool__mutex_init(&pool->calls.lock);
    pthread_mutex_init(&pool->control.lock, NULL);
    pthread_mutex_init(&pool->linger_lock, NULL);
    uint32_t queue_limit = v->no_waiting ? 0 : v->queue_limit;
    return pool__core_init(&pool->core, v->connection_limit, queue_limit,
                           v->fair_after_ms * POOL__NS_PER_MS) &&
           init_places(pool) && pool__workers_start(pool) && start_keeper(pool);
}

struct pool *pool_create_sized(const struct pool_options *options, size_t options_size,
                               struct pool_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct pool_error own;
    struct pool__options checked;
    err = err ? err : &own;
    pool__ok(err);
    if (!check_library(err) || !pool__options_init(&checked, options, options_size, err))
        return NULL;
    pthread_once(&once, start_process);
    struct pool *pool = aligned_alloc(_Alignof(struct pool), sizeof *pool);
    if (!pool) {
        pool__options_fini(&checked);
        pool__fail(err, POOL_ERR_NOMEM, "out of memory for a pool");
        return NULL;
    }
    memset(pool, 0, sizeof *pool);
    pool->options = checked;
    warn_of_library(pool);
    if (init_pool(pool))
        return pool;
    pool__fail(err, POOL_ERR_NOMEM,
               "no memory, descriptors or threads for a pool of %u connections: %s",
               checked.v.connection_limit, strerror(errno));
    pool__keeper_stop(pool);
    pool__workers_stop(pool);
    pool__free(pool);
    return NULL;
}

bool pool__check(struct pool *pool, struct pool_error *err)
{
    if (!pool)
        return pool__fail(err, POOL_ERR_INVALID, "the pool is NULL");
    if (pool->fork_count != atomic_load_explicit(&pool__fork_count, memory_order_relaxed))
        return pool__fail(err, POOL_ERR_STALE, "the pool belongs to the process before the fork");
    if (atomic_load_explicit(&pool->core.shut, memory_order_relaxed))
        return pool__fail(err, POOL_ERR_CLOSED, "the pool is closed");
    return true;
}

bool pool__check_blocking(struct pool *pool, struct pool_error *err)
{
    if (!pool__check(pool, err))
        return false;
    if (pool__loop_is_here(&pool->loop))
        return pool__fail(err, POOL_ERR_INVALID,
                          "a call that blocks, inside a callback; use the one with _async");
    return !pool__hooked_in(pool) ||
           pool__fail(err, POOL_ERR_INVALID, "a call that blocks, inside a hook of the same pool");
}

/* Labels are read by the keeper while a borrower may write: word by word. */
void pool__set_label(struct pool *pool, unsigned slot, const char *label)
{
    _Atomic uint64_t *words = pool->places[slot].label;
    char text[POOL__LABEL_WORDS * 8] = {0};
    if (!label) {
        if (atomic_load_explicit(&words[0], memory_order_relaxed))
            atomic_store_explicit(&words[0], 0, memory_order_relaxed);
        return;
    }
    memccpy(text, label, '\0', sizeof text - 1);
    for (unsigned i = 0; i < POOL__LABEL_WORDS; i++) {
        uint64_t word;
        memcpy(&word, text + i * 8, 8);
        atomic_store_explicit(&words[i], word, memory_order_relaxed);
    }
}

void pool__copy_label(struct pool *pool, unsigned slot, char ret_label[64])
{
    memset(ret_label, 0, 64);
    for (unsigned i = 0; i < POOL__LABEL_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&pool->places[slot].label[i], memory_order_relaxed);
        memcpy(ret_label + i * 8, &word, 8);
        if (i == 0 && word == 0)
            return;
    }
}

/* Waiting */

/* Of the last connect that failed. False if that is the past: since then one has succeeded, and
 * the server refuses no more than there are. */
static bool copy_cause(struct pool *pool, struct pool_error *ret_cause)
{
    pool__lock(&pool->health.lock);
    *ret_cause = pool->health.cause;
    bool failing = ret_cause->code != POOL_OK && (pool->health.failures || pool->health.ceiling);
    pool__unlock(&pool->health.lock);
    return failing;
}

static void take_over_numbers(struct pool_error *err, const struct pool_error *cause)
{
    if (!err)
        return;
    err->server_errno = cause->server_errno;
    memcpy(err->sqlstate, cause->sqlstate, sizeof err->sqlstate);
}

/* What the connections are doing, for the error of somebody who got none. */
static void describe_connections(struct pool *pool, char ret_text[192])
{
    unsigned counts[POOL__STATES];
    pool__core_count(&pool->core, counts);
    int len = snprintf(ret_text, 192, "%u of %u in use, %u connecting, ", counts[POOL__BUSY],
                       pool->core.limit, counts[POOL__OPENING]);
    if (counts[POOL__CHORE])
        len += snprintf(ret_text + len, 192 - (size_t)len, "%u being reset or looked at, ",
                        counts[POOL__CHORE]);
    snprintf(ret_text + len, 192 - (size_t)len, "%u closing or being killed, %u waiting",
             counts[POOL__CLOSING], atomic_load(&pool->core.waiting));
}

/* Who has a connection, for the error of somebody who got none. */
static void describe_holder(struct pool *pool, char ret_text[96])
{
    ret_text[0] = '\0';
    for (unsigned slot = 0; slot < pool->core.limit; slot++) {
        char label[64];
        uint64_t word = atomic_load(&pool->core.slots[slot].word);
        pool__copy_label(pool, slot, label);
        if (pool__state_of(word) == POOL__BUSY && label[0]) {
            snprintf(ret_text, 96, "; one is held by \"%s\"", label);
            return;
        }
    }
}

static bool fail_by_timeout(struct pool *pool, uint64_t waited_ns, struct pool_error *err)
{
    char connections[192];
    char holder[96];
    struct pool_error cause;
    describe_connections(pool, connections);
    describe_holder(pool, holder);
    bool failing = copy_cause(pool, &cause);
    pool__fail(err, POOL_ERR_TIMEOUT, "no connection became free within %llu ms: %s%s%s%.200s",
               (unsigned long long)(waited_ns / POOL__NS_PER_MS), connections, holder,
               failing ? "; last connect error: " : "", failing ? cause.message : "");
    if (failing)
        take_over_numbers(err, &cause);
    return false;
}

static bool fail_by_cause(struct pool *pool, struct pool_error *err)
{
    struct pool_error cause;
    copy_cause(pool, &cause);
    enum pool_code code = cause.code == POOL_OK ? POOL_ERR_CONNECT : cause.code;
    pool__fail(err, code, "no connection can be opened: %.480s", cause.message);
    take_over_numbers(err, &cause);
    return false;
}

static bool fail_by_refusal(struct pool *pool, struct pool_error *err)
{
    char connections[192];
    unsigned counts[POOL__STATES];
    pool__core_count(&pool->core, counts);
    if (counts[POOL__BUSY] == pool->core.limit)
        return pool__fail(err, POOL_ERR_NO_CONNECTION, "all %u connections are in use",
                          pool->core.limit);
    describe_connections(pool, connections);
    return pool__fail(err, POOL_ERR_NO_CONNECTION,
                      "no connection is to be had without waiting for other callers: %s",
                      connections);
}

static bool fail_borrow(struct pool *pool, enum pool__outcome outcome, uint64_t waited_ns,
                        struct pool_error *err)
{
    atomic_fetch_add_explicit(&pool->counters.acquire_failures, outcome != POOL__TIMED_OUT,
                              memory_order_relaxed);
    if (outcome == POOL__TIMED_OUT)
        fail_by_timeout(pool, waited_ns, err);
    else if (outcome == POOL__QUEUE_FULL)
        pool__fail(err, POOL_ERR_QUEUE_LIMIT, "%u callers are waiting already",
                   pool->core.queue_limit);
    else if (outcome == POOL__REFUSED)
        fail_by_refusal(pool, err);
    else if (outcome == POOL__CANCELLED)
        pool__fail(err, POOL_ERR_CANCELLED, "the call was cancelled while it waited");
    else if (outcome == POOL__SHUT)
        pool__fail(err, POOL_ERR_CLOSED, "the pool is closed");
    else
        fail_by_cause(pool, err);
    if (err)
        err->not_executed = true; /* nothing was sent to anybody */
    return false;
}

enum pool__outcome pool__join_queue(struct pool *pool, const struct pool__ask *ask,
                                    struct pool__waiter *waiter)
{
    uint64_t now = pool__now_ns();
    uint64_t own = pool__after_ms(now - ask->waited_ns, ask->acquire_ms);
    waiter->flags = ask->flags;
    waiter->enqueued_ns = now;
    waiter->deadline_ns = own < ask->deadline_ns ? own : ask->deadline_ns;
    waiter->again = ask->again;
    enum pool__outcome outcome = pool__core_enqueue(&pool->core, waiter);
    if (outcome == POOL__QUEUE_FULL && pool->options.v.no_waiting)
        return POOL__REFUSED;
    if (outcome != POOL__WAITING)
        return outcome;
    if (waiter->behind)
        pool__hooks_tell_enqueue(pool);
    /* With every connection open there is nothing that the keeper could do. */
    if (atomic_load(&pool->core.absent))
        pool__poke(pool);
    return POOL__WAITING;
}

static void note_acquire(struct pool *pool, unsigned slot, uint64_t waited_ns)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    if (hooks->on_release)
        pool->places[slot].borrowed_ns = pool__now_ns();
    if (hooks->on_acquire) /* on the way of every borrow: not even a call */
        pool__hooks_tell_acquire(pool, waited_ns);
}

static void take_over(struct pool *pool, const struct pool__ask *ask, unsigned slot,
                      uint32_t generation, uint64_t waited_ns, struct pool__borrowed *ret_borrowed)
{
    pool__set_label(pool, slot, ask->label);
    note_acquire(pool, slot, waited_ns);
    /* Of a handle pool_end may be closing the connection this very moment. */
    ret_borrowed->conn = ask->flags & POOL__RUNNING ? pool->core.slots[slot].conn : NULL;
    ret_borrowed->slot = slot;
    ret_borrowed->generation = generation;
}

bool pool__borrow_at_once(struct pool *pool, const struct pool__ask *ask,
                          struct pool__borrowed *ret_borrowed)
{
    unsigned slot;
    uint32_t generation;
    if (!pool__core_try_borrow(&pool->core, ask->flags, &slot, &generation))
        return false;
    take_over(pool, ask, slot, generation, 0, ret_borrowed);
    return true;
}

void pool__end_wait(struct pool *pool, struct pool__ask *ask, const struct pool__waiter *waiter,
                    enum pool__outcome outcome, struct pool__borrowed *ret_borrowed,
                    struct pool_error *err)
{
    uint64_t waited_ns = pool__now_ns() - waiter->enqueued_ns;
    ask->waited_ns += waited_ns;
    if (outcome != POOL__GRANTED) {
        fail_borrow(pool, outcome, ask->waited_ns, err);
        return;
    }
    atomic_fetch_add_explicit(&pool->counters.waited_ns, waited_ns, memory_order_relaxed);
    take_over(pool, ask, waiter->slot, (uint32_t)waiter->generation, waited_ns, ret_borrowed);
}

bool pool__hold_end(struct pool *pool)
{
    atomic_fetch_add(&pool->telling, 1);
    if (!atomic_load(&pool->core.shut))
        return true;
    pool__let_end(pool);
    return false;
}

void pool__let_end(struct pool *pool)
{
    atomic_fetch_sub(&pool->telling, 1);
}

enum pool__outcome pool__borrow_in_turn(struct pool *pool, struct pool__ask *ask,
                                        struct pool__waiter *waiter,
                                        struct pool__borrowed *ret_borrowed, struct pool_error *err)
{
    int cancel_state; /* the queue knows a place on this thread's stack */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    bool held = pool->options.v.hooks.on_enqueue && pool__hold_end(pool);
    enum pool__outcome outcome = pool__join_queue(pool, ask, waiter);
    if (outcome == POOL__WAITING)
        outcome = pool__core_wait(&pool->core, waiter);
    if (held)
        pool__let_end(pool);
    pthread_setcancelstate(cancel_state, NULL);
    if (outcome != POOL__ARRIVED && outcome != POOL__LEFT)
        pool__end_wait(pool, ask, waiter, outcome, ret_borrowed, err);
    return outcome;
}

bool pool__borrow(struct pool *pool, struct pool__ask *ask, struct pool__borrowed *ret_borrowed,
                  struct pool_error *err)
{
    struct pool__waiter waiter = {.wake = NULL};
    return pool__borrow_at_once(pool, ask, ret_borrowed) ||
           pool__borrow_in_turn(pool, ask, &waiter, ret_borrowed, err) == POOL__GRANTED;
}

/* Returning */

void pool__close_slot(struct pool *pool, unsigned slot, enum pool_close_reason reason)
{
    pool__core_to_chore(&pool->core, slot);
    pool__hand_in(pool, slot, POOL__DO_CLOSE, reason);
}

static enum pool_close_reason reason_of(struct pool *pool, unsigned slot)
{
    const struct pool__conn *conn = pool->core.slots[slot].conn;
    if (conn->running)
        return POOL_CLOSE_TIMEOUT;
    if (atomic_load(&pool->places[slot].evict_reason) == POOL_CLOSE_READ_ONLY)
        return POOL_CLOSE_READ_ONLY;
    return POOL_CLOSE_ERROR;
}

static void note_release(struct pool *pool, unsigned slot)
{
    if (pool->options.v.hooks.on_release)
        pool__hooks_tell_release(pool, pool__now_ns() - pool->places[slot].borrowed_ns);
}

static void settle(struct pool *pool, unsigned slot)
{
    struct pool__conn *conn = pool->core.slots[slot].conn;
    conn->trx = (struct pool__trx){.guarded = false}; /* the next holder believes nothing */
    switch (pool__policy_returned(pool->options.v.reset_policy, conn->broken, conn->dirty,
                                  conn->in_transaction)) {
    case POOL__CLOSE: pool__close_slot(pool, slot, reason_of(pool, slot)); break;
    case POOL__RESET:
        pool__core_to_chore(&pool->core, slot);
        pool__hand_in(pool, slot, POOL__DO_RESET, POOL_CLOSE_RESET);
        break;
    case POOL__KEEP:
        if (!pool__core_give(&pool->core, slot))
            pool__hand_in(pool, slot, POOL__DO_CLOSE,
                          (enum pool_close_reason)atomic_load(&pool->places[slot].evict_reason));
        break;
    }
}

/* Somebody in pool_end may be waiting for a return. The pool may have been freed with
 * it: its memory is kept (end.c). */
static void tell_of_return(struct pool *pool)
{
    atomic_fetch_add(&pool->returns, 1);
    pool__unpark(&pool->returns);
}

/* While the pool ends a connection is closed, unless callbacks that were accepted before still
 * want one: they wait for it, or have not come to that yet. */
static bool is_done_for(struct pool *pool)
{
    return atomic_load(&pool->ending) &&
           !(atomic_load(&pool->core.drains) &&
             (atomic_load(&pool->core.waiting) || atomic_load(&pool->loop.work)));
}

/* A thread that was cancelled ends here, too, only when nothing is left half done: to close
 * a file is a cancellation point. */
static void give_back(struct pool *pool, unsigned slot, bool destroy)
{
    int cancel_state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    bool ending = atomic_load(&pool->ending);
    note_release(pool, slot);
    bool done = is_done_for(pool);
    if (done || destroy)
        pool__close_slot(pool, slot, done ? POOL_CLOSE_END : POOL_CLOSE_DESTROYED);
    else
        settle(pool, slot);
    if (ending)
        tell_of_return(pool);
    pthread_setcancelstate(cancel_state, NULL);
}

void pool__return(struct pool *pool, unsigned slot)
{
    give_back(pool, slot, false);
}

/* What an error says about the server as a whole. */
void pool__note_error(struct pool *pool, unsigned slot, const struct pool_error *err)
{
    if (err->code == POOL_ERR_LOST && !err->not_executed) {
        if (atomic_fetch_add(&pool->losses, 1) + 1 == POOL__LOSSES) {
            atomic_store(&pool->check_all, true);
            pool__poke(pool);
        }
        return;
    }
    struct pool__error_facts facts = pool__classify(err->server_errno, err->message, true);
    if (err->code == POOL_ERR_SERVER && facts.class_ == POOL__E_READ_ONLY)
        pool__note_refused_write(pool, slot, err);
}

/* Handles */

static bool read_ticket(struct pool_conn conn, unsigned *ret_slot, uint32_t *ret_generation,
                        struct pool_error *err)
{
    if (!conn.pool || !conn.ticket)
        return pool__fail(err, POOL_ERR_STALE, "the handle is no connection");
    if (conn.pool->fork_count != atomic_load_explicit(&pool__fork_count, memory_order_relaxed))
        return pool__fail(err, POOL_ERR_STALE, "the handle belongs to the process before the fork");
    unsigned slot = (unsigned)(conn.ticket & 0xffffffff) - 1;
    if (slot >= conn.pool->core.limit)
        return pool__fail(err, POOL_ERR_STALE, "the handle is not of this pool");
    *ret_slot = slot;
    *ret_generation = (uint32_t)(conn.ticket >> 32);
    return true;
}

static bool check_claim(enum pool__claim claim, struct pool_error *err)
{
    if (claim == POOL__CLAIM_STALE)
        return pool__fail(err, POOL_ERR_STALE, "the connection was released already");
    if (claim == POOL__CLAIM_RUNNING)
        return pool__fail(err, POOL_ERR_INVALID, "another call is running on the connection");
    return true;
}

/* pool_end claims what is held for a moment, to take it away; under the lock nobody else
 * does. */
static enum pool__claim claim(struct pool *pool, unsigned slot, uint32_t generation)
{
    enum pool__claim claimed = pool__core_claim(&pool->core, slot, generation);
    if (claimed != POOL__CLAIM_RUNNING || !atomic_load(&pool->ending))
        return claimed;
    pool__lock(&pool->end_lock);
    claimed = pool__core_claim(&pool->core, slot, generation);
    pool__unlock(&pool->end_lock);
    return claimed;
}

bool pool__claim_handle(struct pool_conn conn, struct pool__borrowed *ret_borrowed,
                        struct pool_error *err)
{
    unsigned slot;
    uint32_t generation;
    if (!read_ticket(conn, &slot, &generation, err) ||
        !check_claim(claim(conn.pool, slot, generation), err))
        return false;
    ret_borrowed->conn = conn.pool->core.slots[slot].conn;
    ret_borrowed->slot = slot;
    ret_borrowed->generation = generation;
    return true;
}

/* After a statement the return takes the long way if somebody waits, too: that way hands
 * the connection over, while the quick one lets the fastest have it. Whoever held the handle
 * may have given it up while the call ran. */
void pool__unclaim_handle(struct pool *pool, const struct pool__borrowed *borrowed)
{
    const struct pool__conn *conn = borrowed->conn;
    bool unclean = !conn || conn->broken || conn->dirty || conn->in_transaction ||
                   conn->trx.guarded || pool__trx_is_doubtful(&conn->trx) ||
                   atomic_load_explicit(&pool->core.waiting, memory_order_relaxed);
    if (!pool__core_unclaim(&pool->core, borrowed->slot, unclean))
        pool__return(pool, borrowed->slot);
}

/* Under the lock pool_end holds nothing for a moment, so what runs is a call. */
void pool__give_up_handle(struct pool_conn conn)
{
    unsigned slot;
    uint32_t generation;
    if (pool_conn_release(conn, NULL) || !read_ticket(conn, &slot, &generation, NULL))
        return;
    struct pool *pool = conn.pool;
    pool__lock(&pool->end_lock);
    enum pool__claim claimed = pool__core_give_up(&pool->core, slot, generation);
    pool__unlock(&pool->end_lock);
    if (claimed == POOL__CLAIMED)
        pool__return(pool, slot);
}

bool pool_conn_release(struct pool_conn conn, struct pool_error *err)
{
    unsigned slot;
    uint32_t generation;
    pool__ok(err);
    if (!read_ticket(conn, &slot, &generation, err))
        return false;
    struct pool *pool = conn.pool;
    /* The quick way is for the usual case; anything to do besides goes the long way. */
    bool quick = !pool->hooked && !atomic_load_explicit(&pool->ending, memory_order_relaxed);
    if (quick && pool__core_release_quickly(&pool->core, slot, generation))
        return true;
    if (!check_claim(claim(pool, slot, generation), err))
        return false;
    pool__return(pool, slot);
    return true;
}

bool pool_conn_destroy(struct pool_conn conn, struct pool_error *err)
{
    unsigned slot;
    uint32_t generation;
    pool__ok(err);
    if (!read_ticket(conn, &slot, &generation, err) ||
        !check_claim(claim(conn.pool, slot, generation), err))
        return false;
    give_back(conn.pool, slot, true);
    return true;
}

/* Statistics */

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* All from one look at each slot's word: the generation in it is the number of borrows,
 * modulo 2^32, so that borrows, returns and what is out agree although `uses` is written
 * a moment later. */
static void add_slots(struct pool *pool, struct pool_stats *stats)
{
    unsigned counts[POOL__STATES] = {0};
    for (unsigned i = 0; i < pool->core.limit; i++) {
        struct pool__slot *slot = &pool->core.slots[i];
        uint64_t word = atomic_load(&slot->word);
        uint64_t uses = read_counter(&slot->uses);
        uses += (uint64_t)(int32_t)(pool__generation_of(word) - (uint32_t)uses);
        counts[pool__state_of(word)]++;
        stats->acquired += uses;
        stats->released += uses - (pool__state_of(word) == POOL__BUSY);
        stats->queries += read_counter(&slot->queries);
        stats->statement_hits += read_counter(&slot->statement_hits);
        stats->pipelined += read_counter(&slot->rides);
    }
    stats->idle = counts[POOL__IDLE];
    stats->in_use = counts[POOL__BUSY];
    stats->open = counts[POOL__IDLE] + counts[POOL__BUSY] + counts[POOL__CHORE];
    stats->connecting = counts[POOL__OPENING];
    stats->closing = counts[POOL__CLOSING];
    stats->waiting = atomic_load(&pool->core.waiting);
    /* Who goes along on somebody's connection has been lent it, too. */
    stats->acquired += stats->pipelined;
    stats->released += stats->pipelined;
}

static void add_counters(struct pool *pool, struct pool_stats *stats)
{
    struct pool__counters *counters = &pool->counters;
    uint64_t failed = read_counter(&counters->failed_queries);
    stats->acquire_failures = read_counter(&counters->acquire_failures);
    stats->waited_ns = read_counter(&counters->waited_ns);
    stats->opened = read_counter(&counters->opened);
    stats->connect_failures = read_counter(&counters->connect_failures);
    stats->closed = read_counter(&counters->closed);
    for (unsigned i = 0; i < 9; i++)
        stats->closed_by_reason[i] = read_counter(&counters->closed_by_reason[i]);
    stats->resets = read_counter(&counters->resets);
    stats->pings = read_counter(&counters->pings);
    stats->kills = read_counter(&counters->kills);
    stats->leaks = read_counter(&counters->leaks);
    stats->queries += failed + read_counter(&counters->looped_queries);
    stats->query_errors = failed;
    stats->prepares = read_counter(&pool->budget.prepares);
}

static void add_queue(struct pool *pool, struct pool_stats *stats)
{
    pool__lock(&pool->core.lock);
    stats->enqueued = pool->core.enqueued;
    stats->acquire_timeouts = pool->core.timeouts;
    pool__unlock(&pool->core.lock);
    pool__lock(&pool->health.lock);
    stats->state = pool->health.state;
    pool__unlock(&pool->health.lock);
}

void pool_stats_sized(struct pool *pool, struct pool_stats *ret_stats, size_t stats_size)
{
    struct pool_stats stats;
    memset(&stats, 0, sizeof stats);
    if (pool && pool->core.slots && pool->fork_count == atomic_load(&pool__fork_count)) {
        add_slots(pool, &stats);
        add_counters(pool, &stats);
        add_queue(pool, &stats);
    }
    if (stats_size > sizeof stats)
        memset(ret_stats, 0, stats_size);
    memcpy(ret_stats, &stats, stats_size < sizeof stats ? stats_size : sizeof stats);
}
