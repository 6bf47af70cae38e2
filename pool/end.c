/*
 * How a pool ends, and what outlives it.
 *
 * pool_end shuts the queue, waits for running calls until the drain deadline, and then
 * cuts: every wait of every call is interrupted through one descriptor, and statements
 * that still run are killed. Connections that the program has borrowed and keeps are
 * closed under it; its handles then find a closed connection, and the last release
 * frees the pool.
 *
 * An ended pool's memory is kept for a while: the last KEPT pools stay allocated, so
 * that a call that was already on its way when pool_end returned, and a handle that is
 * used afterwards, meet a pool that says CLOSED or STALE and not freed memory.
 *
 * After a fork the child owns no thread and must not touch the shared sockets: all it
 * may do is close its copies of the descriptors.
 */
#include "pool.h"

#include "error.h"

#include <stdlib.h>
#include <sys/eventfd.h>

#define KEPT 64
#define CUT_MS 90 /* of the 100 ms that pool_end may take beyond the drain */

static struct {
    pthread_mutex_t lock;
    struct pool *oldest;
    struct pool *newest;
    unsigned count;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void free_memory(struct pool *pool)
{
    pool__core_fini(&pool->core);
    free(pool->places);
    free(pool->calls.places);
    free(pool);
}

static struct pool *keep_and_take_oldest(struct pool *pool)
{
    struct pool *oldest = NULL;
    pthread_mutex_lock(&kept.lock);
    pool->next_kept = NULL;
    if (kept.newest)
        kept.newest->next_kept = pool;
    else
        kept.oldest = pool;
    kept.newest = pool;
    if (++kept.count > KEPT) {
        oldest = kept.oldest;
        kept.oldest = oldest->next_kept;
        kept.count--;
    }
    pthread_mutex_unlock(&kept.lock);
    return oldest;
}

/* Everything but the memory that late callers may look at. */
static void release_resources(struct pool *pool)
{
    pool__loop_close(&pool->loop);
    pool__options_fini(&pool->options);
    pool__close_fd(pool->epoll_fd);
    pool__close_fd(pool->poke_fd);
    pool__close_fd(pool->cut_fd);
    pool__close_fd(pool->stop_fd);
    pool__control_close(pool);
}

void pool__free(struct pool *pool)
{
    bool complete = pool->core.slots && pool->places;
    if (!complete) { /* pool_create failed */
        release_resources(pool);
        free_memory(pool);
        return;
    }
    atomic_store(&pool->core.shut, true);
    release_resources(pool);
    struct pool *oldest = keep_and_take_oldest(pool);
    if (oldest)
        free_memory(oldest);
}

static void count_close(struct pool *pool, struct pool__conn *conn, enum pool_close_reason reason)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    atomic_fetch_add(&pool->counters.closed, 1);
    atomic_fetch_add(&pool->counters.closed_by_reason[reason], 1);
    if (hooks->on_close)
        hooks->on_close(reason, conn->thread_id, hooks->arg);
}

static void close_conn_of(struct pool *pool, unsigned slot)
{
    struct pool__conn *conn = pool->core.slots[slot].conn;
    pool->core.slots[slot].conn = NULL;
    if (!conn)
        return;
    count_close(pool, conn, POOL_CLOSE_END);
    pool__close_fd(pool__conn_close(conn));
}

/* A return while the pool ends: closes the connection, unless pool_end has cut it, by the
 * workers as long as they take orders. Under the lock, so that detach() counts each
 * borrowed slot either before or after its return. */
void pool__return_at_end(struct pool *pool, unsigned slot)
{
    pool__lock(&pool->end_lock);
    bool detached = pool->detached;
    bool done = pool->stopping || !pool->core.slots[slot].conn;
    if (done) {
        close_conn_of(pool, slot);
        pool__core_to_empty(&pool->core, slot);
    }
    bool last = detached && --pool->outstanding == 0;
    if (!done) /* the workers are not told to stop as long as we have the lock */
        pool__close_slot(pool, slot, POOL_CLOSE_END);
    pool__unlock(&pool->end_lock);
    if (last)
        pool__free(pool);
}

static unsigned count_state(struct pool *pool, enum pool__state state)
{
    unsigned counts[POOL__STATES];
    pool__core_count(&pool->core, counts);
    return counts[state];
}

static bool running(struct pool *pool, unsigned slot)
{
    uint64_t word = atomic_load(&pool->core.slots[slot].word);
    return pool__state_of(word) == POOL__BUSY;
}

static bool wait_for_returns(struct pool *pool, uint64_t deadline_ns)
{
    for (;;) {
        uint32_t returns = atomic_load(&pool->returns);
        if (count_state(pool, POOL__BUSY) == 0 && atomic_load(&pool->aboard) == 0)
            return true;
        uint64_t now = pool__now_ns();
        if (now >= deadline_ns)
            return false;
        /* A returner that did not see yet that the pool ends wakes nobody: look again. */
        uint64_t look = now + 2 * POOL__NS_PER_MS;
        if (!pool__run_callbacks(pool, 1))
            pool__park(&pool->returns, returns, look < deadline_ns ? look : deadline_ns);
    }
}

/* A slot that its borrower holds without a call running is closed under it. */
static void cut_held(struct pool *pool)
{
    atomic_store(&pool->cutting, true);
    for (unsigned slot = 0; slot < pool->core.limit; slot++) {
        uint64_t word = atomic_load(&pool->core.slots[slot].word);
        if (!running(pool, slot) ||
            pool__core_claim(&pool->core, slot, pool__generation_of(word)) != POOL__CLAIMED)
            continue;
        close_conn_of(pool, slot);
        pool__core_unclaim(&pool->core, slot, true);
    }
    atomic_store(&pool->cutting, false);
}

/* Idle connections, and those that come idle while the pool ends, are closed by the
 * workers; the end waits for the goodbyes, not for the server's answers. */
static void close_idle(struct pool *pool)
{
    for (unsigned slot = 0; slot < pool->core.limit; slot++)
        if (pool__core_reserve_idle(&pool->core, slot))
            pool__order(pool, slot, POOL__DO_CLOSE, POOL_CLOSE_END);
}

static bool chores_left(struct pool *pool)
{
    unsigned counts[POOL__STATES];
    pool__core_count(&pool->core, counts);
    /* Counted after the slots: a chore becomes a parting before it ceases to be one. */
    return counts[POOL__OPENING] || counts[POOL__CHORE] || counts[POOL__IDLE] ||
           atomic_load(&pool->parting);
}

static void wait_for_chores(struct pool *pool, uint64_t deadline_ns)
{
    _Atomic uint32_t never = 0;
    while (chores_left(pool) && pool__now_ns() < deadline_ns) {
        close_idle(pool);
        pool__park(&never, 0, pool__now_ns() + POOL__NS_PER_MS);
    }
}

static void close_the_rest(struct pool *pool)
{
    for (unsigned slot = 0; slot < pool->core.limit; slot++) {
        pool__close_fd(pool__take_linger_fd(pool, slot));
        if (!running(pool, slot)) {
            close_conn_of(pool, slot);
            pool__core_to_empty(&pool->core, slot);
        }
    }
}

static void detach(struct pool *pool)
{
    pool__lock(&pool->end_lock);
    pool->outstanding = count_state(pool, POOL__BUSY);
    pool->detached = true;
    bool last = pool->outstanding == 0;
    pool__unlock(&pool->end_lock);
    if (last)
        pool__free(pool);
}

static void close_copies(struct pool *pool)
{
    pool__close_fd(pool->epoll_fd);
    pool__close_fd(pool->poke_fd);
    pool__close_fd(pool->cut_fd);
    pool__close_fd(pool->stop_fd);
    pool->epoll_fd = pool->poke_fd = pool->cut_fd = pool->stop_fd = -1;
    pool__loop_abandon(&pool->loop);
    for (unsigned slot = 0; slot < pool->core.limit; slot++) {
        pool__close_fd(pool->places[slot].linger_fd);
        struct pool__conn *conn = pool->core.slots[slot].conn;
        pool->core.slots[slot].conn = NULL;
        if (conn)
            pool__conn_abandon(conn);
    }
}

bool pool_end(struct pool *pool, unsigned drain_ms, struct pool_error *err)
{
    pool__ok(err);
    if (!pool)
        return pool__fail(err, POOL_ERR_INVALID, "the pool is NULL");
    if (pool->fork_count != atomic_load(&pool__fork_count)) {
        close_copies(pool);
        return pool__fail(err, POOL_ERR_STALE,
                          "the pool belongs to the process before the fork; its descriptors are "
                          "closed here");
    }
    if (pool__in_callback(pool) || pool__loop_is_here(&pool->loop))
        return pool__fail(err, POOL_ERR_INVALID, "pool_end inside a callback would wait for itself");
    if (atomic_exchange(&pool->ending, true))
        return pool__fail(err, POOL_ERR_CLOSED, "the pool is being closed already");
    uint64_t drained_ns = pool__after_ms(pool__now_ns(), drain_ms);
    pool__core_shut(&pool->core);
    bool clean = wait_for_returns(pool, drained_ns);
    uint64_t last_ns = pool__now_ns() + CUT_MS * POOL__NS_PER_MS;
    if (clean)
        /* A goodbye takes no time; a connect that is under way is not waited for. */
        wait_for_chores(pool, pool__now_ns() + CUT_MS / 2 * POOL__NS_PER_MS);
    eventfd_write(pool->cut_fd, 1);
    if (!clean) {
        cut_held(pool);
        wait_for_returns(pool, last_ns - CUT_MS / 3 * POOL__NS_PER_MS);
    }
    pool__finish_callbacks(pool);
    wait_for_chores(pool, last_ns);
    pool__lock(&pool->end_lock);
    pool->stopping = true;
    pool__unlock(&pool->end_lock);
    eventfd_write(pool->stop_fd, 1);
    pool__keeper_stop(pool);
    pool__workers_stop(pool);
    pool__control_close(pool);
    close_the_rest(pool);
    detach(pool);
    if (!clean)
        pool__fail(err, POOL_ERR_TIMEOUT, "connections were still in use after %u ms and were cut",
                   drain_ms);
    return clean;
}
