/*
 * One waiter, as far as it concerns itself alone: where it is, what came of it, and what a leader
 * and its caller may do when it has been taken along.
 *
 * While it is in the queue its word is stored under the lock of the core; once it has been taken
 * along, by compare-and-swap. All moves are made here.
 */
#include "core/waiter.h"

static uint32_t word_of(enum pool__waiter_state state, enum pool__queue_result result)
{
    return (uint32_t)state | (uint32_t)result << 8;
}

uint64_t pool__waiter_later(uint64_t now, uint64_t ns)
{
    return ns > POOL__FOREVER - now ? POOL__FOREVER : now + ns;
}

/* Nobody wakes a waiter that is taken along: it has to look often enough to leave in time. */
uint64_t pool__waiter_next_look(const struct pool__waiter *waiter, enum pool__waiter_state state,
                                uint64_t now)
{
    if (state == POOL__WAITER_TAKEN && now >= waiter->abandon_ns)
        return now + POOL__NS_PER_MS; /* it cannot leave yet, but that is short */
    if (state == POOL__WAITER_TAKEN || state == POOL__WAITER_SENT)
        return waiter->abandon_ns;
    uint64_t follow_ns =
        waiter->may_follow ? pool__waiter_later(now, waiter->follow_ns) : POOL__FOREVER;
    return pool__earlier(waiter->deadline_ns, follow_ns);
}

bool pool__waiter_may_move(enum pool__waiter_state from, enum pool__waiter_state to)
{
#define BIT(state) (1U << POOL__WAITER_##state)
    static const uint8_t successors[POOL__WAITER_STATES] = {
        [POOL__WAITER_WAITING] = BIT(NUDGED) | BIT(TAKEN) | BIT(ENDED),
        [POOL__WAITER_NUDGED] = BIT(WAITING) | BIT(ENDED),
        [POOL__WAITER_TAKEN] = BIT(SENT) | BIT(ENDED),
        [POOL__WAITER_SENT] = BIT(TAKEN) | BIT(ENDED),
    };
#undef BIT
    return successors[from] >> to & 1;
}

void pool__waiter_init(struct pool__waiter *waiter)
{
    atomic_init(&waiter->word, word_of(POOL__WAITER_WAITING, POOL__QUEUE_PENDING));
}

void pool__waiter_move_locked(struct pool__waiter *waiter, enum pool__waiter_state to)
{
    POOL__CHECK(pool__waiter_may_move(pool__waiter_state(waiter), to));
    atomic_store(&waiter->word, word_of(to, POOL__QUEUE_PENDING));
}

void pool__waiter_end_locked(struct pool__waiter *waiter, enum pool__queue_result result)
{
    POOL__CHECK(pool__waiter_may_move(pool__waiter_state(waiter), POOL__WAITER_ENDED));
    atomic_store(&waiter->word, word_of(POOL__WAITER_ENDED, result));
}

/* By compare-and-swap; false if it is in another state than `from`, which *from then is. */
static bool move(struct pool__waiter *waiter, uint32_t *from, enum pool__waiter_state to,
                 enum pool__queue_result result)
{
    POOL__CHECK(pool__waiter_may_move(pool__waiter_state_of(*from), to));
    pool__explore_point();
    return atomic_compare_exchange_strong(&waiter->word, from, word_of(to, result));
}

void pool__waiter_sent(struct pool__waiter *waiter)
{
    POOL__CHECK(pool__waiter_state(waiter) == POOL__WAITER_TAKEN);
    pool__explore_point();
    atomic_store(&waiter->word, word_of(POOL__WAITER_SENT, POOL__QUEUE_PENDING));
}

bool pool__waiter_hold(struct pool__waiter *waiter)
{
    uint32_t sent = word_of(POOL__WAITER_SENT, POOL__QUEUE_PENDING);
    return move(waiter, &sent, POOL__WAITER_TAKEN, POOL__QUEUE_PENDING);
}

bool pool__waiter_done(struct pool__waiter *waiter)
{
    uint32_t from = word_of(POOL__WAITER_SENT, POOL__QUEUE_PENDING);
    while (!move(waiter, &from, POOL__WAITER_ENDED, POOL__QUEUE_DONE))
        if (pool__waiter_result_of(from) == POOL__QUEUE_ABANDONED)
            return false;
    return true;
}

bool pool__waiter_abandon(struct pool__waiter *waiter)
{
    uint32_t sent = word_of(POOL__WAITER_SENT, POOL__QUEUE_PENDING);
    return move(waiter, &sent, POOL__WAITER_ENDED, POOL__QUEUE_ABANDONED);
}
