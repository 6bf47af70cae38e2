/*
 * The slots: one atomic word each, and a map of those that may be idle. See slots.c.
 */
#ifndef POOL_CORE_SLOTS_H
#define POOL_CORE_SLOTS_H

#include "base/sync.h"
#include "core/core.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Takes the slot if it is idle. `flags`: POOL__SLOT_CLAIMED if the borrow is for one call
 * of the pool's own, 0 if it is for a handle. */
static inline bool pool__slots_take(struct pool__core *core, unsigned index, uint64_t flags,
                                    uint32_t *ret_generation)
{
    struct pool__slot *slot = &core->slots[index];
    pool__explore_point();
    uint64_t word = atomic_load(&slot->word);
    if (pool__slot_state_of(word) != POOL__SLOT_IDLE)
        return false;
    uint64_t next = pool__slot_word_borrowed(word, flags);
    if (!pool__slot_move(slot, &word, next))
        return false;
    pool__count_use(slot);
    *ret_generation = pool__slot_generation_of(next);
    return true;
}

/* The same for the slot that this thread had last. */
static inline bool pool__slots_take_hinted(struct pool__core *core, uint64_t flags,
                                           unsigned *ret_slot, uint32_t *ret_generation)
{
    struct pool__core_hint *hint = pool__core_hint_of(core);
    *ret_slot = hint->slot;
    return hint->serial == core->serial &&
           pool__slots_take(core, hint->slot, flags, ret_generation);
}

/* Takes an idle slot. Fails at once if there is none. */
bool pool__slots_try_borrow(struct pool__core *core, uint64_t flags, unsigned *ret_slot,
                            uint32_t *ret_generation);

/* The borrower's slot goes to the pool's own work. */
void pool__slots_to_chore(struct pool__core *core, unsigned slot);
/* From OPENING or CHORE to CLOSING; from any of those to EMPTY. */
void pool__slots_to_closing(struct pool__core *core, unsigned slot);
void pool__slots_to_empty(struct pool__core *core, unsigned slot);

/* Reserves an EMPTY slot for a new connection. One caller at a time (the keeper). */
bool pool__slots_reserve_empty(struct pool__core *core, unsigned *ret_slot);

/* Reserves the slot if it is idle: IDLE to CHORE. */
bool pool__slots_reserve_idle(struct pool__core *core, unsigned slot);

/* The connection is dead or too old. True if the slot was idle and is now in
 * CHORE, for the caller to close; otherwise whoever owns it will close it. */
bool pool__slots_evict(struct pool__core *core, unsigned slot);

/* Marks the borrowed slot as running a call, if the generation is current and no
 * other call runs; and back, remembering whether the connection is still clean. If that is
 * false the slot stays claimed: it was given up meanwhile, and the caller gives it back. */
enum pool__claim { POOL__CLAIM_MADE, POOL__CLAIM_STALE, POOL__CLAIM_IN_USE, POOL__CLAIM_RELEASED };
enum pool__claim pool__slots_claim(struct pool__core *core, unsigned slot, uint32_t generation);
bool pool__slots_unclaim(struct pool__core *core, unsigned slot, bool unclean);

/* Claims the slot; or, if a call of somebody else's runs on it (CLAIM_RUNNING), leaves it to
 * that to give the slot back. */
enum pool__claim pool__slots_give_up(struct pool__core *core, unsigned slot, uint32_t generation);

/* Slots per state, at about this moment. */
void pool__slots_count(struct pool__core *core, unsigned ret_counts[POOL__SLOT_STATES]);
/* Slots with an open connection, whatever it is doing. */
unsigned pool__slots_open_count(struct pool__core *core);

/* For queue.c. */

/* The word of a slot, and the same in another state. */
static inline uint64_t pool__slots_word(struct pool__slot *slot)
{
    pool__explore_point();
    return atomic_load(&slot->word);
}
static inline uint64_t pool__slots_with_state(uint64_t word, enum pool__slot_state state)
{
    return (word & ~POOL__SLOT_STATE_MASK) | (uint64_t)state;
}
/* Moves the slot and keeps the counts, and the map of what is idle, that are derived from its
 * state. The slot is counted where it arrives, and found there, before it leaves: whoever reads the
 * counts and then looks for an idle slot misses none that becomes idle in between. */
bool pool__slots_move(struct pool__core *core, struct pool__slot *slot, uint64_t *word,
                      uint64_t next);
void pool__slots_set_bit(struct pool__core *core, unsigned index);
/* Any idle slot, lowest first. */
bool pool__slots_take_any(struct pool__core *core, uint64_t flags, unsigned *ret_slot,
                          uint32_t *ret_generation);

#endif
