/*
 * The slots: one atomic word each, and a map of those that may be idle.
 *
 * A borrow is one compare-and-swap on the word of a slot, tried first on the slot
 * this thread had last (its cache lines and prepared statements are warm), then on
 * those whose bit is set in the idle map, lowest first, so that a quiet pool uses
 * few connections and the others age out. Nothing that several threads write is touched on
 * the way: the idle map is written only when its hint was wrong. A returner stores IDLE, then
 * reads the bit and sets it if it is clear; whoever clears a bit then reads the slot word, and
 * if that is IDLE takes the slot itself. No locks; any thread.
 */
#include "core/slots.h"

#include <string.h>

/* Which of the two counts a slot in this state is in. */
static _Atomic uint32_t *count_of(struct pool__core *core, enum pool__slot_state state)
{
    switch (state) {
    case POOL__SLOT_EMPTY:
    case POOL__SLOT_OPENING:
    case POOL__SLOT_CLOSING: return &core->absent;
    case POOL__SLOT_CHORE: return &core->chores;
    default: return NULL;
    }
}

bool pool__slots_move(struct pool__core *core, struct pool__slot *slot, uint64_t *word,
                      uint64_t next)
{
    _Atomic uint32_t *before = count_of(core, pool__slot_state_of(*word));
    _Atomic uint32_t *after = count_of(core, pool__slot_state_of(next));
    bool counts = before != after;
    if (counts && after)
        atomic_fetch_add(after, 1);
    bool moved = pool__slot_move(slot, word, next);
    if (moved && pool__slot_state_of(next) == POOL__SLOT_IDLE)
        pool__slots_set_bit(core, (unsigned)(slot - core->slots));
    _Atomic uint32_t *left = moved ? before : after;
    if (counts && left) {
        pool__explore_point();
        atomic_fetch_sub(left, 1);
    }
    return moved;
}

static _Atomic uint64_t *map_of(struct pool__core *core, unsigned index)
{
    return &core->idle[index / 64];
}

static uint64_t bit_of(unsigned index)
{
    return UINT64_C(1) << (index % 64);
}

void pool__slots_set_bit(struct pool__core *core, unsigned index)
{
    pool__explore_point();
    if (!(atomic_load(map_of(core, index)) & bit_of(index))) {
        pool__explore_point();
        atomic_fetch_or(map_of(core, index), bit_of(index));
    }
}

/* The bit was wrong. Clearing it may race with a return that has just seen it set:
 * hence the second look at the slot. */
static bool clear_bit_or_take(struct pool__core *core, unsigned index, uint64_t flags,
                              uint32_t *ret_generation)
{
    pool__explore_point();
    atomic_fetch_and(map_of(core, index), ~bit_of(index));
    if (pool__slot_state_of(pool__slots_word(&core->slots[index])) != POOL__SLOT_IDLE)
        return false;
    pool__slots_set_bit(core, index);
    return pool__slots_take(core, index, flags, ret_generation);
}

bool pool__slots_take_any(struct pool__core *core, uint64_t flags, unsigned *ret_slot,
                          uint32_t *ret_generation)
{
    for (unsigned i = 0; i < core->idle_words; i++) {
        pool__explore_point();
        uint64_t bits = atomic_load(&core->idle[i]);
        for (; bits; bits &= bits - 1) {
            unsigned index = i * 64 + (unsigned)__builtin_ctzll(bits);
            if (pool__slots_take(core, index, flags, ret_generation) ||
                clear_bit_or_take(core, index, flags, ret_generation)) {
                *ret_slot = index;
                return true;
            }
        }
    }
    return false;
}

bool pool__slots_try_borrow(struct pool__core *core, uint64_t flags, unsigned *ret_slot,
                            uint32_t *ret_generation)
{
    if (pool__slots_take_hinted(core, flags, ret_slot, ret_generation))
        return true;
    if (!pool__slots_take_any(core, flags, ret_slot, ret_generation))
        return false;
    *pool__core_hint_of(core) = (struct pool__core_hint){core->serial, *ret_slot};
    return true;
}

static void force(struct pool__core *core, unsigned index, enum pool__slot_state state)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = pool__slots_word(slot);
    uint64_t next;
    do
        next = pool__slots_with_state(word & ~POOL__SLOT_FLAGS, state);
    while (!pool__slots_move(core, slot, &word, next));
}

void pool__slots_to_chore(struct pool__core *core, unsigned index)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = pool__slots_word(slot);
    /* Eviction still counts: the chore's end will look at it. */
    while (!pool__slots_move(
        core, slot, &word,
        pool__slots_with_state(word & (~POOL__SLOT_FLAGS | POOL__SLOT_EVICT), POOL__SLOT_CHORE)))
        ;
}

void pool__slots_to_closing(struct pool__core *core, unsigned index)
{
    force(core, index, POOL__SLOT_CLOSING);
}

void pool__slots_to_empty(struct pool__core *core, unsigned index)
{
    force(core, index, POOL__SLOT_EMPTY);
}

bool pool__slots_reserve_empty(struct pool__core *core, unsigned *ret_slot)
{
    for (unsigned i = 0; i < core->limit; i++) {
        uint64_t word = pool__slots_word(&core->slots[i]);
        uint64_t next = pool__slots_with_state(word, POOL__SLOT_OPENING);
        if (pool__slot_state_of(word) == POOL__SLOT_EMPTY &&
            pool__slots_move(core, &core->slots[i], &word, next)) {
            *ret_slot = i;
            return true;
        }
    }
    return false;
}

bool pool__slots_reserve_idle(struct pool__core *core, unsigned index)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = pool__slots_word(slot);
    return pool__slot_state_of(word) == POOL__SLOT_IDLE &&
           pool__slots_move(core, slot, &word, pool__slots_with_state(word, POOL__SLOT_CHORE));
}

bool pool__slots_evict(struct pool__core *core, unsigned index)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = pool__slots_word(slot);
    for (;;) {
        enum pool__slot_state state = pool__slot_state_of(word);
        if (state == POOL__SLOT_EMPTY || state == POOL__SLOT_CLOSING)
            return false;
        bool idle = state == POOL__SLOT_IDLE;
        uint64_t next =
            idle ? pool__slots_with_state(word, POOL__SLOT_CHORE) : word | POOL__SLOT_EVICT;
        if (pool__slots_move(core, slot, &word, next))
            return idle;
    }
}

static enum pool__claim check_ticket(uint64_t word, uint32_t generation)
{
    bool current = pool__slot_generation_of(word) == generation;
    if (pool__slot_state_of(word) != POOL__SLOT_BUSY || !current)
        return POOL__CLAIM_STALE;
    return word & POOL__SLOT_CLAIMED ? POOL__CLAIM_IN_USE : POOL__CLAIM_MADE;
}

enum pool__claim pool__slots_claim(struct pool__core *core, unsigned index, uint32_t generation)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = pool__slots_word(slot);
    enum pool__claim claim;
    do
        claim = check_ticket(word, generation);
    while (claim == POOL__CLAIM_MADE && !pool__slot_move(slot, &word, word | POOL__SLOT_CLAIMED));
    return claim;
}

bool pool__slots_unclaim(struct pool__core *core, unsigned index, bool unclean)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = pool__slots_word(slot);
    uint64_t flag = unclean ? POOL__SLOT_UNCLEAN : 0;
    while (!(word & POOL__SLOT_GIVEN_UP))
        if (pool__slot_move(slot, &word,
                            (word & ~(POOL__SLOT_CLAIMED | POOL__SLOT_UNCLEAN)) | flag))
            return true;
    return false;
}

enum pool__claim pool__slots_give_up(struct pool__core *core, unsigned index, uint32_t generation)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = pool__slots_word(slot);
    enum pool__claim claim;
    do
        claim = check_ticket(word, generation);
    while (claim != POOL__CLAIM_STALE &&
           !pool__slot_move(
               slot, &word,
               word | (claim == POOL__CLAIM_MADE ? POOL__SLOT_CLAIMED : POOL__SLOT_GIVEN_UP)));
    return claim;
}

void pool__slots_count(struct pool__core *core, unsigned ret_counts[POOL__SLOT_STATES])
{
    memset(ret_counts, 0, POOL__SLOT_STATES * sizeof *ret_counts);
    for (unsigned i = 0; i < core->limit; i++)
        ret_counts[pool__slot_state_of(
            atomic_load_explicit(&core->slots[i].word, memory_order_relaxed))]++;
}

unsigned pool__slots_open_count(struct pool__core *core)
{
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(core, counts);
    return counts[POOL__SLOT_IDLE] + counts[POOL__SLOT_BUSY] + counts[POOL__SLOT_CHORE];
}
