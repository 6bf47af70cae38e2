/*
 * Who gets a slot that is given back. See handover.c.
 */
#ifndef POOL_CORE_HANDOVER_H
#define POOL_CORE_HANDOVER_H

#include "base/sync.h"
#include "core/core.h"
#include "core/slots.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Lets scanners and waiters know of a slot that has just become idle, if they do
 * not: the long way. */
void pool__handover_announce(struct pool__core *core, unsigned slot);

/* Gives a clean borrowed slot back in one step, unless there is more to do. */
static inline bool pool__handover_release_quickly(struct pool__core *core, unsigned index,
                                                  uint32_t generation)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = ((uint64_t)generation << 32) + POOL__SLOT_BUSY;
    pool__explore_point();
    if (atomic_load(&core->owed) ||
        !pool__slot_move(slot, &word, word - POOL__SLOT_BUSY + POOL__SLOT_IDLE))
        return false;
    pool__explore_point();
    uint64_t bits = atomic_load(&core->idle[index / 64]);
    pool__explore_point();
    if (!(bits >> (index % 64) & 1) || atomic_load(&core->waiting))
        pool__handover_announce(core, index);
    return true;
}

/* Gives a clean borrowed slot back (RELEASED). If there is more to do, because it is
 * unclean, to be evicted, or a waiter is due, it is claimed instead. */
enum pool__claim pool__handover_release(struct pool__core *core, unsigned slot,
                                        uint32_t generation);

/* Makes the slot (BUSY, CHORE or OPENING) available: to the oldest waiter, or
 * idle. False, with the slot in CHORE for the caller to close, if it is to be
 * evicted. */
bool pool__handover_give(struct pool__core *core, unsigned slot);

/* What follows is for queue.c and followers.c. */

/* Those whom a caller of these functions has to wake once it holds no lock. */
struct pool__handover_wakes {
    struct {
        struct pool__waiter *waiter;
        void (*wake)(struct pool__waiter *waiter);
        uint32_t bench_place;
    } list[8];
    unsigned count;
};
bool pool__handover_wakes_full(const struct pool__handover_wakes *wakes);
void pool__handover_add_wake(struct pool__handover_wakes *wakes, struct pool__waiter *waiter);
void pool__handover_wake_all(struct pool__core *core, struct pool__handover_wakes *wakes);

/* NULL: nobody waits. */
struct pool__waiter *pool__handover_oldest_locked(struct pool__core *core);

/* Gives idle slots to waiters, oldest first, as long as there are both. */
void pool__handover_serve(struct pool__core *core);

/* Takes the waiter off the queue; the caller moves it on. True if the waiter had been
 * nudged: the slot that it should have looked for may still be idle, and unless the
 * caller has just looked itself it must serve others. */
bool pool__handover_remove_locked(struct pool__core *core, struct pool__waiter *waiter);

/* The same, and the waiter has ended. The caller wakes it after unlocking: from the store on the
 * waiter may be gone. */
bool pool__handover_end_locked(struct pool__core *core, struct pool__waiter *waiter,
                               enum pool__queue_result result);

#endif
