/*
 * One waiter, as far as it concerns itself alone: whether it is decided, and what a leader and its
 * caller may do when it has been taken along. No locks: its outcome is moved by compare-and-swap.
 */
#include "core/waiter.h"

uint64_t pool__waiter_later(uint64_t now, uint64_t ns)
{
    return ns > POOL__FOREVER - now ? POOL__FOREVER : now + ns;
}

/* Not decided: in the queue, or taken along. */
bool pool__waiter_is_open(uint32_t outcome)
{
    return outcome == POOL__WAITING || outcome == POOL__NUDGED || outcome == POOL__TAKEN ||
           outcome == POOL__SENT;
}

/* Nobody wakes a waiter that is taken along: it has to look often enough to leave in time. */
uint64_t pool__waiter_next_look(const struct pool__waiter *waiter, uint32_t outcome, uint64_t now)
{
    if (outcome == POOL__TAKEN && now >= waiter->abandon_ns)
        return now + POOL__NS_PER_MS; /* it cannot leave yet, but that is short */
    if (outcome == POOL__TAKEN || outcome == POOL__SENT)
        return waiter->abandon_ns;
    uint64_t aboard_ns =
        waiter->may_follow ? pool__waiter_later(now, waiter->follow_ns) : POOL__FOREVER;
    return pool__earlier(waiter->deadline_ns, aboard_ns);
}

void pool__waiter_sent(struct pool__waiter *waiter)
{
    pool__explore_point();
    atomic_store(&waiter->outcome, POOL__SENT);
}

bool pool__waiter_hold(struct pool__waiter *waiter)
{
    uint32_t sent = POOL__SENT;
    pool__explore_point();
    return atomic_compare_exchange_strong(&waiter->outcome, &sent, POOL__TAKEN);
}

bool pool__waiter_abandon(struct pool__waiter *waiter)
{
    uint32_t sent = POOL__SENT;
    pool__explore_point();
    return atomic_compare_exchange_strong(&waiter->outcome, &sent, POOL__ABANDONED);
}
