/*
 * One waiter, as far as it concerns itself alone. See waiter.c.
 */
#ifndef POOL_CORE_WAITER_H
#define POOL_CORE_WAITER_H

#include "core/core.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The word of a waiter: its state in bits 0 to 7, its result, once it has ENDED, above. */
static inline enum pool__waiter_state pool__waiter_state_of(uint32_t word)
{
    return (enum pool__waiter_state)(word & 0xff);
}

static inline enum pool__queue_result pool__waiter_result_of(uint32_t word)
{
    return (enum pool__queue_result)(word >> 8);
}

static inline enum pool__waiter_state pool__waiter_state(const struct pool__waiter *waiter)
{
    return pool__waiter_state_of(atomic_load(&waiter->word));
}

/* PENDING: it has not ended. */
static inline enum pool__queue_result pool__waiter_result(const struct pool__waiter *waiter)
{
    return pool__waiter_result_of(atomic_load(&waiter->word));
}

/* Whether it is in the queue. */
static inline bool pool__waiter_is_queued(enum pool__waiter_state state)
{
    return state == POOL__WAITER_WAITING || state == POOL__WAITER_NUDGED;
}

void pool__waiter_init(struct pool__waiter *waiter);

/* Whether a waiter may go from the one state to the other. */
bool pool__waiter_may_move(enum pool__waiter_state from, enum pool__waiter_state to);

/* Moves a waiter that is in the queue, or that is being taken from it; the lock is held. */
void pool__waiter_move_locked(struct pool__waiter *waiter, enum pool__waiter_state to);
/* The same to ENDED. From then on the waiter may be gone. */
void pool__waiter_end_locked(struct pool__waiter *waiter, enum pool__queue_result result);

/* From TAKEN to SENT: from now on the waiter may give up. */
void pool__waiter_sent(struct pool__waiter *waiter);
/* Back to TAKEN; false if it has given up. */
bool pool__waiter_hold(struct pool__waiter *waiter);
/* From TAKEN or SENT to DONE; false if it has given up. The waiter may be gone then. */
bool pool__waiter_done(struct pool__waiter *waiter);

/* It gives up although it has been sent; false if it is too late, or too early. */
bool pool__waiter_abandon(struct pool__waiter *waiter);

/* When a waiter in this state has to look again whether its time is up. */
uint64_t pool__waiter_next_look(const struct pool__waiter *waiter, enum pool__waiter_state state,
                                uint64_t now);

uint64_t pool__waiter_later(uint64_t now, uint64_t ns);

#endif
