/*
 * What a thread is inside of is a list on its own stack, because a hook may use another pool,
 * whose hooks run inside it. A fiber that waits inside one, for another pool, takes the list
 * along (wait.c). No locks.
 */
#include "core/hooked.h"

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
static void copy_hint(struct pool__core_hint *to, const struct pool__core_hint *from)
{
    to->serial = from->serial;
    to->slot = from->slot;
}

/* Without its hint pool_get_connection takes the way on which it is refused. */
void pool__hooked_push(struct pool__hooked *hooked, const struct pool *pool,
                       struct pool__core *core)
{
    hooked->pool = pool;
    hooked->outer = get_innermost();
    hooked->core = core;
    copy_hint(&hooked->hint, pool__core_hint_of(core));
    pool__core_forget_hint(core);
    set_innermost(hooked);
}

void pool__hooked_leave(struct pool__hooked *hooked)
{
    copy_hint(pool__core_hint_of(hooked->core), &hooked->hint);
    set_innermost(hooked->outer);
}

bool pool__hooked_in(const struct pool *pool)
{
    const struct pool__hooked *hooked = get_innermost();
    while (hooked && hooked->pool != pool)
        hooked = hooked->outer;
    return hooked != NULL;
}

struct pool__hooked *pool__hooked_swap(struct pool__hooked *hooked)
{
    struct pool__hooked *before = get_innermost();
    if (before != hooked)
        set_innermost(hooked);
    return before;
}
