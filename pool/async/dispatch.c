/*
 * Callbacks that run on a thread of the program's: its own loop, and pool_end.
 */
#include "async/dispatch.h"

#include "base/loop.h"
#include "base/sync.h"
#include "conn/wait.h"
#include "core/callback.h"
#include "core/hooked.h"
#include "engine/pool.h"

#include <limits.h>

int pool_fd(struct pool *pool)
{
    struct pool_error ignored;
    return pool__check(pool, &ignored) && pool__loop_open(&pool->loop) ? pool->loop.epoll_fd : -1;
}

/* All of it is one callback to pool_end. */
static int dispatch(struct pool *pool, int timeout_ms)
{
    struct pool__sigpipe sigpipe = {false, false};
    bool tls = pool->options.v.tls != POOL_TLS_OFF;
    int cancel_state = pool__uncancellable_begin();
    if (tls)
        pool__sigpipe_block(&sigpipe);
    const struct pool *before = pool__callback_enter(pool);
    struct pool__wait *outer = pool__wait_swap(NULL); /* of another pool's row callback */
    int done = pool__loop_dispatch(&pool->loop, timeout_ms);
    pool__wait_swap(outer);
    pool__callback_leave(before);
    pool__sigpipe_unblock(&sigpipe);
    pool__uncancellable_end(cancel_state);
    return done;
}

int pool_dispatch(struct pool *pool, uint32_t timeout_ms)
{
    struct pool_error ignored;
    int most_ms = timeout_ms == POOL_NEVER ? -1 : timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX;
    if (!pool__check(pool, &ignored) || !pool->loop.manual || pool__loop_is_here(&pool->loop) ||
        pool__hooked_in(pool) || !pool__loop_open(&pool->loop))
        return -1;
    return dispatch(pool, most_ms);
}

bool pool__dispatch_run(struct pool *pool, int timeout_ms)
{
    return pool->loop.manual && pool__loop_is_open(&pool->loop) && dispatch(pool, timeout_ms) >= 0;
}

/* Nothing new is accepted first: otherwise a call could come between the last look and the
 * close, and callbacks that start calls would keep this going. */
void pool__dispatch_finish(struct pool *pool)
{
    pool__loop_stop(&pool->loop);
    while (pool->loop.manual && atomic_load(&pool->loop.work))
        if (!pool__dispatch_run(pool, 1)) /* a thread of the program's is at it */
            pool__sleep_until(pool__now_ns() + POOL__NS_PER_MS);
    pool__loop_close(&pool->loop);
}
