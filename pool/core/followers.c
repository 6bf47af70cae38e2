/*
 * Waiters that a borrower takes along: off the queue under its lock, oldest first, and told when
 * what they wanted is done.
 */
#include "core/followers.h"

#include "core/benches.h"
#include "core/handover.h"
#include "core/waiter.h"

unsigned pool__followers_take(struct pool__core *core, unsigned most, pool__followers_may_fn *may,
                              void *arg, struct pool__waiter **ret_waiters)
{
    unsigned count = 0;
    unsigned looks = 2 * most;
    pool__lock(&core->lock);
    uint64_t now = pool__now_ns();
    struct pool__link *next = core->queue.next;
    while (next != &core->queue && count < most && looks-- > 0) {
        struct pool__waiter *waiter = POOL__ENTRY(next, struct pool__waiter, link);
        next = next->next;
        if (now >= waiter->deadline_ns)
            continue; /* it gets nothing any more */
        if (!waiter->may_follow || pool__waiter_state(waiter) != POOL__WAITER_WAITING ||
            !may(waiter, arg))
            break;
        waiter->taken_ns = now;
        waiter->abandon_ns =
            pool__earlier(waiter->follow_deadline_ns, pool__waiter_later(now, waiter->follow_ns));
        pool__handover_remove_locked(core, waiter);
        pool__waiter_move_locked(waiter, POOL__WAITER_TAKEN);
        ret_waiters[count++] = waiter;
    }
    pool__unlock(&core->lock);
    return count;
}

bool pool__followers_done(struct pool__core *core, struct pool__waiter *waiter,
                          struct pool__wakes *wakes)
{
    void (*wake)(struct pool__waiter *) = waiter->wake;
    uint32_t place = waiter->bench_place; /* the waiter may be gone as soon as it is done */
    if (!pool__waiter_done(waiter))
        return false;
    if (wake)
        wake(waiter);
    else
        pool__benches_add(core, place, wakes);
    return true;
}
