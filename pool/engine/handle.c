/*
 * Handles of borrowed connections: the slot's index and generation. Every call on a handle claims
 * the slot word first, so a stale one is refused before anything of the slot is touched.
 */
#include "engine/handle.h"

#include "base/error.h"
#include "conn/conn.h"
#include "conn/trx.h"
#include "core/handover.h"
#include "core/slots.h"
#include "engine/giveback.h"
#include "engine/pool.h"

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
    if (claim == POOL__CLAIM_IN_USE)
        return pool__fail(err, POOL_ERR_INVALID, "another call is running on the connection");
    return true;
}

/* pool_end claims what is held for a moment, to take it away; under the lock nobody else
 * does. */
static enum pool__claim claim(struct pool *pool, unsigned slot, uint32_t generation)
{
    enum pool__claim claimed = pool__slots_claim(&pool->core, slot, generation);
    if (claimed != POOL__CLAIM_IN_USE || !atomic_load(&pool->ending))
        return claimed;
    pool__lock(&pool->end_lock);
    claimed = pool__slots_claim(&pool->core, slot, generation);
    pool__unlock(&pool->end_lock);
    return claimed;
}

static bool claim_handle(struct pool_conn conn, struct pool__borrowed *ret_borrowed,
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
void pool__handle_unclaim(struct pool *pool, const struct pool__borrowed *borrowed)
{
    const struct pool__conn *conn = borrowed->conn;
    bool unclean = !conn || conn->broken || conn->dirty || conn->in_transaction ||
                   conn->trx.guarded || pool__trx_is_doubtful(&conn->trx) ||
                   atomic_load_explicit(&pool->core.waiting, memory_order_relaxed);
    if (!pool__slots_unclaim(&pool->core, borrowed->slot, unclean))
        pool__giveback(pool, borrowed->slot);
}

/* Under the lock pool_end holds nothing for a moment, so what runs is a call. */
void pool__handle_give_up(struct pool_conn conn)
{
    unsigned slot;
    uint32_t generation;
    if (pool_conn_release(conn, NULL) || !read_ticket(conn, &slot, &generation, NULL))
        return;
    struct pool *pool = conn.pool;
    pool__lock(&pool->end_lock);
    enum pool__claim claimed = pool__slots_give_up(&pool->core, slot, generation);
    pool__unlock(&pool->end_lock);
    if (claimed == POOL__CLAIM_MADE)
        pool__giveback(pool, slot);
}

bool pool__handle_is_wanted(struct pool *pool, const struct pool__borrowed *borrowed,
                            struct pool_error *err)
{
    uint64_t word = atomic_load(&pool->core.slots[borrowed->slot].word);
    return !(word & POOL__SLOT_GIVEN_UP) ||
           pool__fail_unsent(err, POOL_ERR_STALE, "the connection was given back meanwhile");
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
    bool quick = !pool->hooked && !atomic_load_explicit(&pool->leaving, memory_order_relaxed);
    if (quick && pool__handover_release_quickly(&pool->core, slot, generation))
        return true;
    if (!check_claim(claim(pool, slot, generation), err))
        return false;
    pool__giveback(pool, slot);
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
    pool__giveback_destroy(conn.pool, slot);
    return true;
}

bool pool__handle_claim_open(struct pool_conn conn, struct pool__borrowed *ret_borrowed,
                             struct pool_error *err)
{
    if (!claim_handle(conn, ret_borrowed, err))
        return false;
    if (ret_borrowed->conn)
        return true;
    pool__handle_unclaim(conn.pool, ret_borrowed);
    return pool__fail(err, POOL_ERR_CLOSED, "the pool was closed; release the connection");
}

bool pool__handle_check_no_transaction(struct pool_conn conn, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    if (!pool__handle_claim_open(conn, &borrowed, err))
        return false;
    /* In doubt the statement itself finds out, see trx.c. */
    bool open = borrowed.conn->in_transaction && !pool__trx_is_doubtful(&borrowed.conn->trx);
    pool__handle_unclaim(conn.pool, &borrowed);
    /* The server would commit it silently. */
    return !open || pool__fail(err, POOL_ERR_INVALID, "a transaction is open already");
}
