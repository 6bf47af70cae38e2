/*
 * A connection is given back: it is lent again, reset, or closed.
 *
 * What is to be done with it is the decision of policy.c. Whoever gives back may come late, when
 * the pool ends and there are no workers any more; then it is closed here.
 */
#include "engine/giveback.h"

#include "base/sync.h"
#include "conn/conn.h"
#include "conn/trx.h"
#include "core/handover.h"
#include "core/policy.h"
#include "core/slots.h"
#include "engine/chores.h"
#include "engine/ended.h"
#include "engine/ending.h"
#include "engine/hooks.h"
#include "engine/pool.h"

/* There are no workers. The slot counts as not returned until it is empty, so the pool is
 * there until then. */
static void finish(struct pool *pool, unsigned slot)
{
    pool__ending_close(pool, pool__ending_take(pool, slot));
    pool__lock(&pool->end_lock);
    pool__slots_to_empty(&pool->core, slot);
    bool last = pool->detached && --pool->not_returned == 0;
    pool__unlock(&pool->end_lock);
    if (last)
        pool__ended_free(pool);
}

/* Under the lock, so that the workers are not told to stop before they have the order, and
 * detach() counts each slot either before or after its return. */
void pool__giveback_hand_in(struct pool *pool, unsigned slot, bool reset,
                            enum pool_close_reason reason)
{
    pool__lock(&pool->end_lock);
    const struct pool__conn *conn = pool->core.slots[slot].conn;
    bool stopping = pool->stopping;
    bool done = !conn || (pool->cut && conn->may_run);
    if (!stopping && done) {
        pool__ending_leave_locked(pool, slot);
        pool__slots_to_empty(&pool->core, slot);
    } else if (!stopping && reset) {
        pool__chores_order_reset(pool, slot);
    } else if (!stopping) {
        pool__chores_order_close(pool, slot, reason);
    }
    pool__unlock(&pool->end_lock);
    if (stopping)
        finish(pool, slot);
}

static void close_slot(struct pool *pool, unsigned slot, enum pool_close_reason reason)
{
    pool__slots_to_chore(&pool->core, slot);
    pool__giveback_hand_in(pool, slot, false, reason);
}

static enum pool_close_reason reason_of(struct pool *pool, unsigned slot)
{
    const struct pool__conn *conn = pool->core.slots[slot].conn;
    if (conn->may_run)
        return POOL_CLOSE_TIMEOUT;
    if (atomic_load(&pool->records[slot].evict_reason) == POOL_CLOSE_READ_ONLY)
        return POOL_CLOSE_READ_ONLY;
    return POOL_CLOSE_ERROR;
}

static void note_release(struct pool *pool, unsigned slot)
{
    if (pool->options.v.hooks.on_release)
        pool__hooks_tell_release(pool, pool__now_ns() - pool->records[slot].borrowed_ns);
}

static void settle(struct pool *pool, unsigned slot)
{
    struct pool__conn *conn = pool->core.slots[slot].conn;
    uint32_t generation = pool__slot_generation_of(atomic_load(&pool->core.slots[slot].word));
    if (conn->trx.guarded && pool__is_stopped(pool, slot, generation))
        conn->broken = true; /* given away by a transaction that is being stopped on the server */
    conn->trx = (struct pool__trx){.guarded = false}; /* the next holder believes nothing */
    switch (pool__policy_returned(pool->options.v.reset_policy, conn->broken, conn->dirty,
                                  conn->in_transaction)) {
    case POOL__FATE_CLOSE: close_slot(pool, slot, reason_of(pool, slot)); break;
    case POOL__FATE_RESET:
        pool__slots_to_chore(&pool->core, slot);
        pool__giveback_hand_in(pool, slot, true, POOL_CLOSE_RESET);
        break;
    case POOL__FATE_KEEP:
        if (!pool__handover_give(&pool->core, slot))
            pool__giveback_hand_in(
                pool, slot, false,
                (enum pool_close_reason)atomic_load(&pool->records[slot].evict_reason));
        break;
    }
}

/* The pool may have been freed with the return: its memory is kept (ended.c). */
void pool__giveback_tell(struct pool *pool, bool ending)
{
    if (ending) {
        atomic_fetch_add(&pool->returns, 1);
        pool__unpark(&pool->returns);
    } else if (atomic_load(&pool->draining)) {
        pool__loop_poke(&pool->loop);
    }
}

/* While the pool ends a connection is closed, unless callbacks that were accepted before, or
 * transactions, still want one: they wait for it, or have not come to that yet. */
static bool is_done_for(struct pool *pool)
{
    bool wanted = atomic_load(&pool->core.waiting) || atomic_load(&pool->loop.work) ||
                  atomic_load(&pool->transactions);
    return atomic_load(&pool->ending) && !(wanted && atomic_load(&pool->core.drains));
}

/* A thread that was cancelled ends here, too, only when nothing is left half done: to close
 * a file is a cancellation point. */
static void give_back(struct pool *pool, unsigned slot, bool destroy)
{
    int cancel_state = pool__uncancellable_begin();
    bool ending = atomic_load(&pool->ending);
    note_release(pool, slot);
    bool done = is_done_for(pool);
    if (done || destroy)
        close_slot(pool, slot, done ? POOL_CLOSE_END : POOL_CLOSE_DESTROYED);
    else
        settle(pool, slot);
    pool__giveback_tell(pool, ending);
    pool__uncancellable_end(cancel_state);
}

void pool__giveback(struct pool *pool, unsigned slot)
{
    give_back(pool, slot, false);
}

void pool__giveback_destroy(struct pool *pool, unsigned slot)
{
    give_back(pool, slot, true);
}
