/*
 * One function for each hook of the program. Around it the thread is known to be inside a hook of
 * this pool (hooked.c), and no exception gets past it. No locks.
 */
#include "engine/hooks.h"

#include "base/error.h"
#include "core/hooked.h"
#include "engine/pool.h"

void pool__hooks_tell_connection(struct pool *pool, unsigned long thread_id)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    struct pool__hooked hooked;
    if (!hooks->on_connection)
        return;
    pool__hooked_enter(&hooked, pool, &pool->core);
    hooks->on_connection(thread_id, hooks->arg);
    pool__hooked_leave(&hooked);
}

void pool__hooks_tell_enqueue(struct pool *pool)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    struct pool__hooked hooked;
    if (!hooks->on_enqueue)
        return;
    pool__hooked_enter(&hooked, pool, &pool->core);
    hooks->on_enqueue(hooks->arg);
    pool__hooked_leave(&hooked);
}

void pool__hooks_tell_acquire(struct pool *pool, uint64_t waited_ns)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    struct pool__hooked hooked;
    if (!hooks->on_acquire)
        return;
    pool__hooked_enter(&hooked, pool, &pool->core);
    hooks->on_acquire(waited_ns, hooks->arg);
    pool__hooked_leave(&hooked);
}

void pool__hooks_tell_release(struct pool *pool, uint64_t held_ns)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    struct pool__hooked hooked;
    if (!hooks->on_release)
        return;
    pool__hooked_enter(&hooked, pool, &pool->core);
    hooks->on_release(held_ns, hooks->arg);
    pool__hooked_leave(&hooked);
}

void pool__hooks_tell_close(struct pool *pool, enum pool_close_reason reason,
                            unsigned long thread_id)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    struct pool__hooked hooked;
    if (!hooks->on_close)
        return;
    pool__hooked_enter(&hooked, pool, &pool->core);
    hooks->on_close(reason, thread_id, hooks->arg);
    pool__hooked_leave(&hooked);
}

void pool__hooks_tell_query(struct pool *pool, const char *label, uint64_t digest,
                            uint64_t elapsed_ns, uint64_t rows, enum pool_code code)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    struct pool__hooked hooked;
    if (!hooks->on_query)
        return;
    pool__hooked_enter(&hooked, pool, &pool->core);
    hooks->on_query(label, digest, elapsed_ns, rows, code, hooks->arg);
    pool__hooked_leave(&hooked);
}

void pool__hooks_tell_state(struct pool *pool, enum pool_state state, const char *cause)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    struct pool__hooked hooked;
    if (!hooks->on_state)
        return;
    pool__hooked_enter(&hooked, pool, &pool->core);
    hooks->on_state(state, cause, hooks->arg);
    pool__hooked_leave(&hooked);
}

void pool__hooks_tell_leak(struct pool *pool, const char *label, uint32_t held_ms)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    struct pool__hooked hooked;
    if (!hooks->on_leak)
        return;
    pool__hooked_enter(&hooked, pool, &pool->core);
    hooks->on_leak(label, held_ms, hooks->arg);
    pool__hooked_leave(&hooked);
}

bool pool__hooks_ask_credentials(struct pool *pool, bool refresh, struct pool_credentials *ret,
                                 struct pool_error *err)
{
    const struct pool_options *v = &pool->options.v;
    *ret = (struct pool_credentials){v->user, v->password};
    if (!v->credentials)
        return true;
    struct pool__hooked hooked;
    pool__hooked_enter(&hooked, pool, &pool->core);
    bool given = v->credentials(ret, refresh, v->credentials_arg);
    pool__hooked_leave(&hooked);
    if (!given || !ret->user || !ret->password)
        return pool__fail(err, POOL_ERR_AUTH, "the credentials callback gave no user and password");
    return true;
}

bool pool__hooks_hold_end(struct pool *pool)
{
    atomic_fetch_add(&pool->telling, 1);
    if (!atomic_load(&pool->core.shut))
        return true;
    pool__hooks_let_end(pool);
    return false;
}

void pool__hooks_let_end(struct pool *pool)
{
    atomic_fetch_sub(&pool->telling, 1);
}
