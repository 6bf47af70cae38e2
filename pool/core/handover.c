/*
 * Who gets a slot that is given back.
 *
 * A return is one compare-and-swap, and a look at the number of waiters.
 *
 * Fairness. A connection that has run a statement is handed over: to the oldest waiter
 * directly if that has waited for fair_after_ns, else by way of IDLE, where a thread
 * that is running anyway may overtake. A borrow without a statement is so short that
 * handing over each one would cost more than it gives: the returner publishes the
 * slot and wakes one waiter (`nudged`), which looks for a slot itself; once that has
 * waited for fair_after_ns in vain it is owed the next return (`owed`).
 *
 * The lock guards the queue and the state of waiters, nothing else; grants happen
 * under it, wake-ups after it. Any thread may call any function here.
 */
#include "core/handover.h"

#include "core/benches.h"
#include "core/waiter.h"

struct pool__waiter *pool__handover_oldest_locked(struct pool__core *core)
{
    struct pool__link *link = pool__list_first(&core->queue);
    return link ? POOL__ENTRY(link, struct pool__waiter, link) : NULL;
}

bool pool__handover_remove_locked(struct pool__core *core, struct pool__waiter *waiter)
{
    bool oldest = core->queue.next == &waiter->link;
    pool__list_remove(&waiter->link);
    pool__explore_point();
    atomic_fetch_sub(&core->waiting, 1);
    if (oldest) /* the debt, if any, was to this one */
        atomic_store(&core->owed, 0);
    bool nudged = pool__waiter_state(waiter) == POOL__WAITER_NUDGED;
    if (nudged)
        atomic_store(&core->nudged, 0);
    pool__explore_point();
    return nudged;
}

bool pool__handover_end_locked(struct pool__core *core, struct pool__waiter *waiter,
                               enum pool__queue_result result)
{
    bool nudged = pool__handover_remove_locked(core, waiter);
    pool__waiter_end_locked(waiter, result);
    return nudged;
}

bool pool__handover_wakes_full(const struct pool__handover_wakes *wakes)
{
    return wakes->count == sizeof wakes->list / sizeof wakes->list[0];
}

void pool__handover_add_wake(struct pool__handover_wakes *wakes, struct pool__waiter *waiter)
{
    wakes->list[wakes->count].waiter = waiter;
    wakes->list[wakes->count].wake = waiter->wake;
    wakes->list[wakes->count++].bench_place = waiter->bench_place;
}

void pool__handover_wake_all(struct pool__core *core, struct pool__handover_wakes *wakes)
{
    struct pool__wakes threads = {0};
    for (unsigned i = 0; i < wakes->count; i++)
        if (wakes->list[i].wake)
            wakes->list[i].wake(wakes->list[i].waiter);
        else
            pool__benches_add(core, wakes->list[i].bench_place, &threads);
    pool__benches_wake(core, &threads);
    wakes->count = 0;
}

static bool grant_locked(struct pool__core *core, struct pool__waiter *waiter, unsigned index,
                         uint32_t generation, struct pool__handover_wakes *wakes)
{
    waiter->slot = index;
    waiter->generation = generation;
    pool__handover_add_wake(wakes, waiter);
    return pool__handover_end_locked(core, waiter, POOL__QUEUE_GRANTED);
}

/* The oldest waiter whom a slot can still serve. Those before it whose deadline has
 * passed are settled here: they may never look themselves (a callback), and whoever has
 * given up gets no slot. NULL also if no more can be woken in this round. */
static struct pool__waiter *oldest_in_time_locked(struct pool__core *core,
                                                  struct pool__handover_wakes *wakes, bool *nudged)
{
    struct pool__waiter *waiter = NULL;
    while (!pool__handover_wakes_full(wakes) && (waiter = pool__handover_oldest_locked(core)) &&
           pool__now_ns() >= waiter->deadline_ns) {
        pool__handover_add_wake(wakes, waiter);
        *nudged |= pool__handover_end_locked(core, waiter, POOL__QUEUE_TIMED_OUT);
        core->timeouts++;
    }
    return pool__handover_wakes_full(wakes) ? NULL : waiter;
}

/* Gives idle slots to waiters, oldest first, as long as there are both. */
void pool__handover_serve(struct pool__core *core)
{
    struct pool__handover_wakes wakes = {.count = 0};
    bool nudged = false; /* of no interest: this looks for idle slots itself */
    bool more = true;
    while (more) {
        pool__lock(&core->lock);
        struct pool__waiter *waiter;
        unsigned index;
        uint32_t generation;
        while ((waiter = oldest_in_time_locked(core, &wakes, &nudged)) &&
               pool__slots_take_any(core, waiter->flags, &index, &generation))
            grant_locked(core, waiter, index, generation, &wakes);
        more = pool__handover_wakes_full(&wakes);
        pool__unlock(&core->lock);
        pool__handover_wake_all(core, &wakes);
    }
}

/* Hands the slot to the oldest waiter, if it has waited long enough to have a
 * right to it. `word` is the slot's present word. */
static bool hand_over(struct pool__core *core, unsigned index, uint64_t word)
{
    struct pool__handover_wakes wakes = {.count = 0};
    struct pool__slot *slot = &core->slots[index];
    bool given = false;
    bool nudged = false;
    pool__lock(&core->lock);
    struct pool__waiter *waiter = oldest_in_time_locked(core, &wakes, &nudged);
    if (waiter && (core->fair_after_ns == 0 || atomic_load(&core->owed) ||
                   pool__now_ns() - waiter->enqueued_ns >= core->fair_after_ns)) {
        uint64_t next = pool__slot_word_borrowed(word, waiter->flags);
        given = pool__slots_move(core, slot, &word, next);
        if (given) {
            pool__count_use(slot);
            nudged |= grant_locked(core, waiter, index, pool__slot_generation_of(next), &wakes);
        }
    }
    pool__unlock(&core->lock);
    pool__handover_wake_all(core, &wakes);
    if (nudged)
        pool__handover_serve(core);
    return given;
}

/* Wakes the oldest waiter to look for an idle slot itself, unless one is looking
 * already. The returner's thread is running and may well take the slot again before
 * the waiter is on a processor; that is the point. */
static void nudge(struct pool__core *core)
{
    pool__explore_point();
    if (atomic_load(&core->nudged))
        return;
    pool__explore_point();
    if (atomic_exchange(&core->nudged, 1))
        return;
    pool__lock(&core->lock);
    struct pool__waiter *waiter = pool__handover_oldest_locked(core);
    void (*wake)(struct pool__waiter *) = waiter ? waiter->wake : NULL;
    if (waiter && !wake) {
        /* Stored under the lock, so the waiter cannot be gone before it is woken. */
        pool__waiter_move_locked(waiter, POOL__WAITER_NUDGED);
        pool__unpark_all(&core->benches[pool__benches_of(waiter->bench_place)],
                         pool__benches_bit(waiter->bench_place));
    } else {
        atomic_store(&core->nudged, 0);
    }
    pool__unlock(&core->lock);
    if (wake)
        pool__handover_serve(core); /* a callback cannot look for itself */
}

void pool__handover_announce(struct pool__core *core, unsigned index)
{
    pool__slots_set_bit(core, index);
    pool__explore_point();
    if (!atomic_load(&core->waiting))
        return;
    if (core->fair_after_ns)
        nudge(core);
    else
        pool__handover_serve(core);
}

bool pool__handover_give(struct pool__core *core, unsigned index)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = pool__slots_word(slot);
    pool__explore_point();
    if (atomic_load(&core->waiting) && !(word & POOL__SLOT_EVICT) && hand_over(core, index, word))
        return true;
    word = pool__slots_word(slot);
    for (;;) {
        /* The evict flag may come at any moment, so it is part of the swap. */
        uint64_t plain = word & ~POOL__SLOT_FLAGS;
        if (word & POOL__SLOT_EVICT) {
            if (pool__slots_move(core, slot, &word,
                                 pool__slots_with_state(plain, POOL__SLOT_CHORE)))
                return false;
        } else if (pool__slots_move(core, slot, &word,
                                    pool__slots_with_state(plain, POOL__SLOT_IDLE))) {
            pool__explore_point();
            if (atomic_load(&core->waiting))
                pool__handover_serve(core);
            return true;
        }
    }
}

enum pool__claim pool__handover_release(struct pool__core *core, unsigned index,
                                        uint32_t generation)
{
    if (pool__handover_release_quickly(core, index, generation))
        return POOL__CLAIM_RELEASED;
    return pool__slots_claim(core, index, generation);
}
