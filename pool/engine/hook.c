/*
 * What a thread is inside of is a list on its own stack, because a hook may use another pool,
 * whose hooks run inside it. A fiber that waits inside one, for another pool, takes the list
 * along (wait.c). No locks.
 */
#include "engine/hook.h"

#include "engine/pool.h"

static _Thread_local struct pool__hooked *innermost;

/* Functions of their own, because between two uses a fiber may have changed threads. */
__attribute__((noinline)) static struct pool__hooked *get_innermost(void)
{
    return innermost;
}

__attribute__((noinline)) static void set_innermost(struct pool__hooked *hooked)
{
    innermost = hooked;
}

/* Field by field, and so without vector registers, which the first touch of thread-local data in a
 * thread may overwrite (C libraries before 2.40). */
static void copy_hint(struct pool__hint *to, const struct pool__hint *from)
{
    to->serial = from->serial;
    to->slot = from->slot;
}

/* Without its hint pool_get_connection takes the way on which it is refused. */
void pool__hook_push(struct pool__hooked *hooked, struct pool *pool)
{
    hooked->pool = pool;
    hooked->outer = get_innermost();
    hooked->core = &pool->core;
    copy_hint(&hooked->hint, pool__hint_of(&pool->core));
    pool__core_forget_hint(&pool->core);
    set_innermost(hooked);
}

void pool__hook_leave(struct pool__hooked *hooked)
{
    copy_hint(pool__hint_of(hooked->core), &hooked->hint);
    set_innermost(hooked->outer);
}

bool pool__in_hook(const struct pool *pool)
{
    const struct pool__hooked *hooked = get_innermost();
    while (hooked && hooked->pool != pool)
        hooked = hooked->outer;
    return hooked != NULL;
}

struct pool__hooked *pool__hook_swap(struct pool__hooked *hooked)
{
    struct pool__hooked *before = get_innermost();
    if (before != hooked)
        set_innermost(hooked);
    return before;
}

void pool__tell_enqueue(struct pool *pool)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    struct pool__hooked hooked;
    if (!hooks->on_enqueue)
        return;
    pool__hook_enter(&hooked, pool);
    hooks->on_enqueue(hooks->arg);
    pool__hook_leave(&hooked);
}

void pool__tell_acquire(struct pool *pool, uint64_t waited_ns)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    struct pool__hooked hooked;
    if (!hooks->on_acquire)
        return;
    pool__hook_enter(&hooked, pool);
    hooks->on_acquire(waited_ns, hooks->arg);
    pool__hook_leave(&hooked);
}

void pool__tell_release(struct pool *pool, uint64_t held_ns)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    struct pool__hooked hooked;
    if (!hooks->on_release)
        return;
    pool__hook_enter(&hooked, pool);
    hooks->on_release(held_ns, hooks->arg);
    pool__hook_leave(&hooked);
}

void pool__tell_close(struct pool *pool, enum pool_close_reason reason, unsigned long thread_id)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    struct pool__hooked hooked;
    if (!hooks->on_close)
        return;
    pool__hook_enter(&hooked, pool);
    hooks->on_close(reason, thread_id, hooks->arg);
    pool__hook_leave(&hooked);
}
