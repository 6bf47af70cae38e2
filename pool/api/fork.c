/*
 * What becomes of pools in a forked child. It owns no thread and must not touch the shared sockets:
 * all it may do is close its copies of the descriptors, perhaps more than once: a number that was
 * closed may be another file's.
 */
#include "api/fork.h"

#include "base/loop.h"
#include "base/sync.h"
#include "conn/conn.h"
#include "engine/ended.h"
#include "engine/ending.h"
#include "engine/pool.h"

static void after_fork_in_child(void)
{
    pool__ended_unlock();
    atomic_fetch_add(&pool__fork_count, 1);
}

void pool__fork_watch(void)
{
    pthread_atfork(pool__ended_lock, pool__ended_unlock, after_fork_in_child);
}

static void close_copy(int *fd)
{
    pool__close_fd(*fd);
    *fd = -1;
}

static void abandon(struct pool__conn *conn)
{
    if (conn)
        pool__conn_abandon(conn);
}

/* Without locks: a thread that held one at the fork is not here to give it back. */
void pool__fork_close_copies(struct pool *pool)
{
    close_copy(&pool->epoll_fd);
    close_copy(&pool->poke_fd);
    close_copy(&pool->cut_fd);
    close_copy(&pool->stop_fd);
    pool__loop_abandon(&pool->loop);
    abandon(pool->control.conn);
    pool->control.conn = NULL;
    for (unsigned slot = 0; slot < pool->core.limit; slot++) {
        close_copy(&pool->records[slot].closing_fd);
        close_copy(&pool->records[slot].kill_fd);
        abandon(pool__ending_take(pool, slot));
    }
}
