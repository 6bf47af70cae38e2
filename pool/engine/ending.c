/*
 * Connections that nobody has any more, while the pool ends. They change hands under end_lock, and
 * are closed, and the program's hook is called, without it.
 */
#include "engine/ending.h"

#include "base/sync.h"
#include "conn/conn.h"
#include "engine/hooks.h"
#include "engine/pool.h"

static void count_close(struct pool *pool, const struct pool__conn *conn)
{
    atomic_fetch_add(&pool->counters.closed, 1);
    atomic_fetch_add(&pool->counters.closed_by_reason[POOL_CLOSE_END], 1);
    pool__hooks_tell_close(pool, POOL_CLOSE_END, conn->thread_id);
}

void pool__ending_close(struct pool *pool, struct pool__conn *conn)
{
    if (!conn)
        return;
    count_close(pool, conn);
    pool__close_fd(pool__conn_close(conn));
}

struct pool__conn *pool__ending_take(struct pool *pool, unsigned slot)
{
    struct pool__conn *conn = pool->core.slots[slot].conn;
    pool->core.slots[slot].conn = NULL;
    return conn;
}

void pool__ending_leave_locked(struct pool *pool, unsigned slot)
{
    struct pool__conn *conn = pool__ending_take(pool, slot);
    if (!conn)
        return;
    conn->next = pool->left_conns;
    pool->left_conns = conn;
}
