/*
 * One thread-local pointer. It is read and written by functions, because between two uses a
 * fiber may have changed threads. No locks.
 */
#include "core/callback.h"

#include "core/hooked.h"

static _Thread_local const struct pool *calling_pool;

const struct pool *pool__callback_set(const struct pool *pool)
{
    const struct pool *before = calling_pool;
    calling_pool = pool;
    return before;
}

void pool__callback_leave(const struct pool *before)
{
    calling_pool = before;
}

bool pool__callback_in(const struct pool *pool)
{
    return calling_pool == pool || pool__hooked_in(pool);
}
