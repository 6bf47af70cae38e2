/*
 * How a pool ends.
 *
 * pool_end shuts the queue, waits for running calls until the drain deadline, and then
 * cuts: every wait of every call is interrupted through one descriptor, and statements
 * that still run are killed, all at once. Connections that the program has borrowed and
 * keeps are closed under it; its handles then find a closed connection, and the last
 * release frees the pool.
 *
 * Under end_lock connections only change hands; they are killed and closed, and the
 * program's hooks called, without it.
 *
 * What outlives the pool is in ended.c, its end in a forked child in fork.c.
 */
#include "api/fork.h"
#include "async/dispatch.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/sync.h"
#include "conn/conn.h"
#include "core/callback.h"
#include "core/core.h"
#include "core/queue.h"
#include "core/slots.h"
#include "engine/chores.h"
#include "engine/control.h"
#include "engine/ended.h"
#include "engine/ending.h"
#include "engine/keeper.h"
#include "engine/pool.h"
#include "engine/watch.h"
#include "engine/workers.h"

#include <stdlib.h>
#include <sys/eventfd.h>

#define CUT_MS 90 /* of the 100 ms that pool_end may take beyond the drain */

static bool any_is_busy(struct pool *pool)
{
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&pool->core, counts);
    return counts[POOL__SLOT_BUSY] > 0;
}

/* In one look, since a connection goes from one to the other. */
static bool any_is_idle_or_about_to_be(struct pool *pool)
{
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&pool->core, counts);
    return counts[POOL__SLOT_IDLE] + counts[POOL__SLOT_CHORE] > 0;
}

/* Callbacks that were accepted, and transactions between two runs, are served by what was open, and
 * nothing new is opened. */
static bool serves_more(struct pool *pool)
{
    bool more = atomic_load(&pool->loop.work) > 0 || atomic_load(&pool->transactions) > 0;
    return more && atomic_load(&pool->core.drains) && pool__slots_open_count(&pool->core) > 0;
}

static bool wait_for_returns(struct pool *pool, uint64_t deadline_ns)
{
    for (;;) {
        uint32_t returns = atomic_load(&pool->returns);
        bool more = serves_more(pool);
        bool all_back = !any_is_busy(pool) && atomic_load(&pool->followers) == 0;
        uint64_t now = pool__now_ns();
        if ((all_back && !more) || now >= deadline_ns)
            return all_back;
        /* A returner that did not see yet that the pool ends wakes nobody: look again. */
        uint64_t look = now + 2 * POOL__NS_PER_MS;
        if (!pool__dispatch_run(pool, 1))
            pool__park(&pool->returns, returns, pool__earlier(look, deadline_ns));
    }
}

static bool call_runs(struct pool *pool, unsigned slot)
{
    uint64_t word = atomic_load(&pool->core.slots[slot].word);
    return pool__slot_state_of(word) == POOL__SLOT_BUSY && (word & POOL__SLOT_CLAIMED);
}

static bool calls_run(struct pool *pool)
{
    bool run = atomic_load(&pool->followers) > 0;
    for (unsigned slot = 0; slot < pool->core.limit && !run; slot++)
        run = call_runs(pool, slot);
    return run;
}

/* What is held without a call running is taken away. A release that comes upon the claim
 * asks again under the lock. */
static void take_held(struct pool *pool)
{
    pool__lock(&pool->end_lock);
    for (unsigned slot = 0; slot < pool->core.limit; slot++) {
        uint64_t word = atomic_load(&pool->core.slots[slot].word);
        if (pool__slots_claim(&pool->core, slot, pool__slot_generation_of(word)) !=
            POOL__CLAIM_MADE)
            continue;
        pool__ending_leave_locked(pool, slot);
        pool__slots_unclaim(&pool->core, slot, true);
    }
    pool__unlock(&pool->end_lock);
}

static unsigned add_left(struct pool *pool, unsigned long *ids, unsigned count)
{
    pool__lock(&pool->end_lock);
    for (const struct pool__conn *conn = pool->left_conns; conn; conn = conn->next)
        if (conn->may_run && conn->thread_id && count < pool->core.limit)
            ids[count++] = conn->thread_id;
    pool__unlock(&pool->end_lock);
    return count;
}

/* Calls that do not come back, although their waits were cut, are in a hook or a callback of
 * the program. Their sockets stay open as long as they are away, or left_conns. */
static unsigned add_absent(struct pool *pool, unsigned long *ids)
{
    unsigned count = 0;
    for (unsigned slot = 0; slot < pool->core.limit; slot++) {
        unsigned long id = atomic_load(&pool->records[slot].thread_id);
        if (call_runs(pool, slot) && id)
            ids[count++] = id;
    }
    return count;
}

/* At once, for the server may need longer for each of them than we have for all. */
static void kill_all(struct pool *pool, uint64_t deadline_ns)
{
    unsigned long *ids = calloc(pool->core.limit, sizeof *ids);
    if (!ids)
        return;
    unsigned count = add_left(pool, ids, add_absent(pool, ids));
    atomic_fetch_add(&pool->counters.kills, pool__control_kill_all(pool, ids, count, deadline_ns));
    free(ids);
}

static void close_left(struct pool *pool)
{
    pool__lock(&pool->end_lock);
    struct pool__conn *conn = pool->left_conns;
    pool->left_conns = NULL;
    pool__unlock(&pool->end_lock);
    while (conn) {
        struct pool__conn *next = conn->next;
        pool__ending_close(pool, conn);
        conn = next;
    }
}

/* Calls whose waits were cut come back within a moment. What runs in their sessions is
 * killed when all are back, or half of the time has passed; and not closed before. */
static void cut_borrowed(struct pool *pool, uint64_t deadline_ns)
{
    uint64_t now = pool__now_ns();
    uint64_t patience_ns = now + (deadline_ns - now) / 2;
    bool run = true;
    while (run) {
        uint32_t returns = atomic_load(&pool->returns);
        run = calls_run(pool) && pool__now_ns() < patience_ns;
        take_held(pool); /* also what a call has left since we looked */
        if (run && !pool__dispatch_run(pool, 1))
            pool__park(&pool->returns, returns, pool__now_ns() + POOL__NS_PER_MS);
    }
    kill_all(pool, deadline_ns);
    take_held(pool);
    close_left(pool);
}

/* Idle connections, and those that come idle while the pool ends, are closed by the
 * workers; the end waits for the goodbyes, not for the server's answers. */
static void close_idle(struct pool *pool)
{
    for (unsigned slot = 0; slot < pool->core.limit; slot++)
        if (pool__slots_reserve_idle(&pool->core, slot))
            pool__chores_order_close(pool, slot, POOL_CLOSE_END);
}

static bool chores_left(struct pool *pool)
{
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&pool->core, counts);
    /* Counted after the slots: a chore becomes a closings before it ceases to be one. */
    return counts[POOL__SLOT_OPENING] || counts[POOL__SLOT_CHORE] || counts[POOL__SLOT_IDLE] ||
           atomic_load(&pool->closings);
}

static void wait_for_chores(struct pool *pool, uint64_t deadline_ns)
{
    while (chores_left(pool) && pool__now_ns() < deadline_ns) {
        close_idle(pool);
        pool__sleep_until(pool__now_ns() + POOL__NS_PER_MS);
    }
}

/* When there are no other threads of the pool. What is idle may be borrowed this very
 * moment by a caller who does not know yet, so it is reserved first; what is borrowed comes
 * back through pool__giveback_hand_in from now on. */
static void close_the_rest(struct pool *pool)
{
    for (unsigned slot = 0; slot < pool->core.limit; slot++) {
        pool__close_fd(pool__watch_take_closing(pool, slot));
        bool ours = pool__slots_evict(&pool->core, slot);
        uint64_t word = atomic_load(&pool->core.slots[slot].word);
        if (ours)
            pool__ending_close(pool, pool__ending_take(pool, slot));
        if (ours || pool__slot_state_of(word) == POOL__SLOT_CLOSING)
            pool__slots_to_empty(&pool->core, slot);
    }
}

static void detach(struct pool *pool)
{
    unsigned counts[POOL__SLOT_STATES];
    pool__lock(&pool->end_lock);
    pool__slots_count(&pool->core, counts);
    /* Those in CHORE are on their way to pool__giveback_hand_in. */
    pool->not_returned = counts[POOL__SLOT_BUSY] + counts[POOL__SLOT_CHORE];
    pool->detached = true;
    bool last = pool->not_returned == 0;
    pool__unlock(&pool->end_lock);
    if (last)
        pool__ended_free(pool);
}

/* Of callers that got no connection, and are in a hook of the program; and transactions that are
 * about to find that the pool is closed. */
static void wait_for_callers(struct pool *pool, uint64_t deadline_ns)
{
    while ((atomic_load(&pool->telling) || atomic_load(&pool->transactions)) &&
           pool__now_ns() < deadline_ns)
        pool__sleep_until(pool__now_ns() + POOL__NS_PER_MS);
}

static void cut(struct pool *pool)
{
    pool__lock(&pool->end_lock);
    pool->cut = true;
    pool__unlock(&pool->end_lock);
    eventfd_write(pool->cut_fd, 1);
}

/* From here on there are no threads of the pool's. */
static void stop(struct pool *pool)
{
    pool__lock(&pool->end_lock);
    pool->stopping = true;
    pool__unlock(&pool->end_lock);
    take_held(pool); /* borrowed at the last moment */
    close_left(pool);
    eventfd_write(pool->stop_fd, 1);
    pool__keeper_stop(pool);
    pool__workers_stop(pool);
    pool__control_close(pool);
}

/* Who waits in the queue needs a connection that is in use, and is refused. What callbacks were
 * promised before they got there is kept, as long as connections are idle or about to be. */
static bool drain(struct pool *pool, uint64_t deadline_ns)
{
    bool serves = any_is_idle_or_about_to_be(pool) || atomic_load(&pool->transactions) > 0;
    pool__queue_set_drains(&pool->core, serves && pool__now_ns() < deadline_ns);
    pool__queue_shut(&pool->core);
    bool clean = wait_for_returns(pool, deadline_ns);
    pool__queue_set_drains(&pool->core, false);
    pool__queue_shut(&pool->core);
    return clean;
}

bool pool_drain(struct pool *pool, struct pool_error *err)
{
    pool__ok(err);
    if (!pool__check(pool, err))
        return false;
    atomic_store(&pool->draining, true);
    atomic_store(&pool->leaving, true);
    return true;
}

/* Who waits gets a connection before it leaves the queue: so the connections are looked at last. */
bool pool_drained(struct pool *pool)
{
    if (!pool || pool->fork_count != atomic_load(&pool__fork_count))
        return pool != NULL;
    bool calls = atomic_load(&pool->core.waiting) || atomic_load(&pool->followers) ||
                 atomic_load(&pool->loop.work) || atomic_load(&pool->transactions);
    return !calls && !any_is_busy(pool);
}

bool pool_end(struct pool *pool, uint32_t drain_ms, struct pool_error *err)
{
    pool__ok(err);
    if (!pool)
        return pool__fail(err, POOL_ERR_INVALID, "the pool is NULL");
    if (pool->fork_count != atomic_load(&pool__fork_count)) {
        pool__fork_close_copies(pool);
        return pool__fail(err, POOL_ERR_STALE,
                          "the pool belongs to the process before the fork; its descriptors are "
                          "closed here");
    }
    if (pool__callback_in(pool) || pool__loop_is_here(&pool->loop))
        return pool__fail(err, POOL_ERR_INVALID,
                          "pool_end inside a callback would wait for itself");
    if (atomic_exchange(&pool->ending, true))
        return pool__fail(err, POOL_ERR_CLOSED, "the pool is being closed already");
    atomic_store(&pool->leaving, true);
    uint64_t drained_ns = pool__deadline_in(drain_ms);
    bool clean = drain(pool, drained_ns);
    uint64_t last_ns = pool__now_ns() + CUT_MS * POOL__NS_PER_MS;
    if (clean)
        /* A goodbye takes no time; a connect that is under way is not waited for. */
        wait_for_chores(pool, pool__now_ns() + CUT_MS / 2 * POOL__NS_PER_MS);
    cut(pool);
    if (!clean)
        cut_borrowed(pool, last_ns - CUT_MS / 4 * POOL__NS_PER_MS);
    pool__dispatch_finish(pool);
    wait_for_chores(pool, last_ns);
    wait_for_callers(pool, last_ns);
    stop(pool);
    close_the_rest(pool);
    detach(pool);
    if (!clean)
        pool__fail(err, POOL_ERR_TIMEOUT, "connections were still in use after %u ms and were cut",
                   drain_ms);
    return clean;
}
