/*
 * Whether a call may be made on a pool at all.
 */
#include "engine/pool.h"

#include "base/error.h"
#include "core/hooked.h"

_Atomic unsigned pool__fork_count;

static bool check_process(const struct pool *pool, struct pool_error *err)
{
    if (!pool)
        return pool__fail(err, POOL_ERR_INVALID, "the pool is NULL");
    return pool->fork_count == atomic_load_explicit(&pool__fork_count, memory_order_relaxed) ||
           pool__fail(err, POOL_ERR_STALE, "the pool belongs to the process before the fork");
}

static bool is_shut(struct pool *pool)
{
    return atomic_load_explicit(&pool->core.shut, memory_order_relaxed);
}

bool pool__check(struct pool *pool, struct pool_error *err)
{
    return check_process(pool, err) &&
           (!is_shut(pool) || pool__fail(err, POOL_ERR_CLOSED, "the pool is closed"));
}

static bool check_may_block(struct pool *pool, struct pool_error *err)
{
    if (pool__loop_is_here(&pool->loop))
        return pool__fail(err, POOL_ERR_INVALID,
                          "a call that blocks, inside a callback; use the one with _async");
    return !pool__hooked_in(pool) ||
           pool__fail(err, POOL_ERR_INVALID, "a call that blocks, inside a hook of the same pool");
}

bool pool__check_blocking(struct pool *pool, struct pool_error *err)
{
    return pool__check(pool, err) && check_may_block(pool, err);
}

bool pool__check_begun(struct pool *pool, struct pool_error *err)
{
    if (!check_process(pool, err))
        return false;
    if (is_shut(pool) && !atomic_load(&pool->core.drains))
        return pool__fail_unsent(err, POOL_ERR_CLOSED, "the pool is closed");
    return check_may_block(pool, err);
}

static bool check_drain(const struct pool *pool, struct pool_error *err)
{
    return !atomic_load_explicit(&pool->draining, memory_order_relaxed) ||
           pool__fail_unsent(err, POOL_ERR_CLOSED, "the pool drains: no new calls are taken");
}

bool pool__check_new(struct pool *pool, struct pool_error *err)
{
    return pool__check(pool, err) && check_drain(pool, err);
}

bool pool__check_new_blocking(struct pool *pool, struct pool_error *err)
{
    return pool__check_blocking(pool, err) && check_drain(pool, err);
}
