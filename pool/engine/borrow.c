/*
 * How a caller comes by a connection.
 *
 * A borrow that finds an idle connection is pool__slots_try_borrow and nothing else:
 * no lock, no clock, no system call. Otherwise the caller queues, pokes the keeper
 * (which decides whether to open a connection) and sleeps until its own deadline; it
 * never connects itself.
 */
#include "engine/borrow.h"

#include "base/error.h"
#include "core/queue.h"
#include "core/slots.h"
#include "engine/hooks.h"
#include "engine/label.h"
#include "engine/pool.h"
#include "engine/watch.h"

#include <stdio.h>
#include <string.h>

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
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&pool->core, counts);
    int len = snprintf(ret_text, 192, "%u of %u in use, %u connecting, ", counts[POOL__SLOT_BUSY],
                       pool->core.limit, counts[POOL__SLOT_OPENING]);
    if (counts[POOL__SLOT_CHORE])
        len += snprintf(ret_text + len, 192 - (size_t)len, "%u being reset or looked at, ",
                        counts[POOL__SLOT_CHORE]);
    snprintf(ret_text + len, 192 - (size_t)len, "%u closing or being killed, %u waiting",
             counts[POOL__SLOT_CLOSING], atomic_load(&pool->core.waiting));
}

/* Who has a connection, for the error of somebody who got none. */
static void describe_holder(struct pool *pool, char ret_text[96])
{
    ret_text[0] = '\0';
    for (unsigned slot = 0; slot < pool->core.limit; slot++) {
        char label[64];
        uint64_t word = atomic_load(&pool->core.slots[slot].word);
        pool__label_copy(pool, slot, label);
        if (pool__slot_state_of(word) == POOL__SLOT_BUSY && label[0]) {
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
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&pool->core, counts);
    if (counts[POOL__SLOT_BUSY] == pool->core.limit)
        return pool__fail(err, POOL_ERR_NO_CONNECTION, "all %u connections are in use",
                          pool->core.limit);
    describe_connections(pool, connections);
    return pool__fail(err, POOL_ERR_NO_CONNECTION,
                      "no connection is to be had without waiting for other callers: %s",
                      connections);
}

static bool fail_borrow(struct pool *pool, enum pool__queue_result outcome, uint64_t waited_ns,
                        struct pool_error *err)
{
    atomic_fetch_add_explicit(&pool->counters.acquire_failures, outcome != POOL__QUEUE_TIMED_OUT,
                              memory_order_relaxed);
    if (outcome == POOL__QUEUE_TIMED_OUT)
        fail_by_timeout(pool, waited_ns, err);
    else if (outcome == POOL__QUEUE_FULL)
        pool__fail(err, POOL_ERR_QUEUE_LIMIT, "%u callers are waiting already",
                   pool->core.queue_limit);
    else if (outcome == POOL__QUEUE_REFUSED)
        fail_by_refusal(pool, err);
    else if (outcome == POOL__QUEUE_CANCELLED)
        pool__fail(err, POOL_ERR_CANCELLED, "the call was cancelled while it waited");
    else if (outcome == POOL__QUEUE_SHUT)
        pool__fail(err, POOL_ERR_CLOSED, "the pool is closed");
    else
        fail_by_cause(pool, err);
    if (err)
        err->not_executed = true; /* nothing was sent to anybody */
    return false;
}

enum pool__queue_result pool__borrow_queue(struct pool *pool, const struct pool__ask *ask,
                                           struct pool__waiter *waiter)
{
    uint64_t now = pool__now_ns();
    uint64_t own = pool__after_ms(now - ask->waited_ns, ask->acquire_ms);
    waiter->flags = ask->flags;
    waiter->enqueued_ns = now;
    waiter->deadline_ns = pool__earlier(own, ask->deadline_ns);
    waiter->again = ask->again;
    waiter->begun = ask->begun;
    enum pool__queue_result outcome = pool__queue_enter(&pool->core, waiter);
    if (outcome == POOL__QUEUE_FULL && pool->options.v.no_waiting)
        return POOL__QUEUE_REFUSED;
    if (outcome != POOL__QUEUE_PENDING)
        return outcome;
    if (waiter->behind)
        pool__hooks_tell_enqueue(pool);
    /* With every connection open there is nothing that the keeper could do. */
    if (atomic_load(&pool->core.absent))
        pool__watch_poke(pool);
    return POOL__QUEUE_PENDING;
}

static void note_acquire(struct pool *pool, unsigned slot, uint64_t waited_ns)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    if (hooks->on_release)
        pool->records[slot].borrowed_ns = pool__now_ns();
    if (hooks->on_acquire) /* on the way of every borrow: not even a call */
        pool__hooks_tell_acquire(pool, waited_ns);
}

static void take_over(struct pool *pool, const struct pool__ask *ask, unsigned slot,
                      uint32_t generation, uint64_t waited_ns, struct pool__borrowed *ret_borrowed)
{
    pool__label_set(pool, slot, ask->label);
    note_acquire(pool, slot, waited_ns);
    /* Of a handle pool_end may be closing the connection this very moment. */
    ret_borrowed->conn = ask->flags & POOL__SLOT_CLAIMED ? pool->core.slots[slot].conn : NULL;
    ret_borrowed->slot = slot;
    ret_borrowed->generation = generation;
}

bool pool__borrow_at_once(struct pool *pool, const struct pool__ask *ask,
                          struct pool__borrowed *ret_borrowed)
{
    unsigned slot;
    uint32_t generation;
    if (!pool__slots_try_borrow(&pool->core, ask->flags, &slot, &generation))
        return false;
    take_over(pool, ask, slot, generation, 0, ret_borrowed);
    return true;
}

void pool__borrow_waited(struct pool *pool, struct pool__ask *ask,
                         const struct pool__waiter *waiter, enum pool__queue_result outcome,
                         struct pool__borrowed *ret_borrowed, struct pool_error *err)
{
    uint64_t waited_ns = pool__now_ns() - waiter->enqueued_ns;
    ask->waited_ns += waited_ns;
    if (outcome != POOL__QUEUE_GRANTED) {
        fail_borrow(pool, outcome, ask->waited_ns, err);
        return;
    }
    atomic_fetch_add_explicit(&pool->counters.waited_ns, waited_ns, memory_order_relaxed);
    take_over(pool, ask, waiter->slot, (uint32_t)waiter->generation, waited_ns, ret_borrowed);
}

enum pool__queue_result pool__borrow_in_turn(struct pool *pool, struct pool__ask *ask,
                                             struct pool__waiter *waiter,
                                             struct pool__borrowed *ret_borrowed,
                                             struct pool_error *err)
{
    /* The queue knows a place on this thread's stack. */
    int cancel_state = pool__uncancellable_begin();
    bool held = pool->options.v.hooks.on_enqueue && pool__hooks_hold_end(pool);
    enum pool__queue_result outcome = pool__borrow_queue(pool, ask, waiter);
    if (outcome == POOL__QUEUE_PENDING)
        outcome = pool__queue_wait(&pool->core, waiter);
    if (held)
        pool__hooks_let_end(pool);
    pool__uncancellable_end(cancel_state);
    if (outcome != POOL__QUEUE_DONE && outcome != POOL__QUEUE_ABANDONED)
        pool__borrow_waited(pool, ask, waiter, outcome, ret_borrowed, err);
    return outcome;
}

bool pool__borrow(struct pool *pool, struct pool__ask *ask, struct pool__borrowed *ret_borrowed,
                  struct pool_error *err)
{
    struct pool__waiter waiter = {.wake = NULL};
    return pool__borrow_at_once(pool, ask, ret_borrowed) ||
           pool__borrow_in_turn(pool, ask, &waiter, ret_borrowed, err) == POOL__QUEUE_GRANTED;
}

uint64_t pool__borrow_deadline(uint32_t timeout_ms)
{
    return timeout_ms ? pool__deadline_in(timeout_ms) : POOL__FOREVER;
}

struct pool__ask pool__borrow_ask(const struct pool *pool, const struct pool_request *request,
                                  uint64_t flags)
{
    return (struct pool__ask){.flags = flags,
                              .label = request->label,
                              .deadline_ns = pool__borrow_deadline(request->timeout_ms),
                              .acquire_ms = request->acquire_timeout_ms
                                                ? request->acquire_timeout_ms
                                                : pool->options.v.acquire_timeout_ms};
}
