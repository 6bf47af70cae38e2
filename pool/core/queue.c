/*
 * The queue of those who wait.
 *
 * Why no wake-up is lost. A returner stores IDLE and then reads `waiting`; a waiter
 * adds itself to `waiting` and then looks at the slots once more. Both use
 * sequentially consistent order, so at least one sees the other. The idle map obeys
 * the same rule (slots.c).
 *
 * The lock guards the queue and the state of waiters, nothing else; grants happen
 * under it, wake-ups after it. Any thread may call any function here.
 */
#include "core/queue.h"

#include "core/benches.h"
#include "core/handover.h"
#include "core/slots.h"
#include "core/waiter.h"

/* At the end; or, if it has had its turn before, in front of those who have not, but not of
 * one who has been nudged and counts on being the oldest. */
static void join_locked(struct pool__core *core, struct pool__waiter *waiter)
{
    struct pool__link *next = waiter->again ? core->queue.next : &core->queue;
    for (; next != &core->queue; next = next->next) {
        struct pool__waiter *other = POOL__ENTRY(next, struct pool__waiter, link);
        if (!other->again && pool__waiter_state(other) != POOL__WAITER_NUDGED)
            break;
    }
    waiter->bench_place = core->bench_places++;
    pool__list_append(next, &waiter->link); /* before it */
    pool__explore_point();
    atomic_fetch_add(&core->waiting, 1);
}

static void unjoin_locked(struct pool__core *core, struct pool__waiter *waiter)
{
    pool__list_remove(&waiter->link);
    atomic_fetch_sub(&core->waiting, 1);
}

/* Of those ahead each has a slot coming that the pool has at present, as far as there are any;
 * so has this one if there is another. */
static enum pool__queue_result take_place_locked(struct pool__core *core,
                                                 struct pool__waiter *waiter)
{
    unsigned index;
    uint32_t generation;
    /* Read before the slots: one that comes idle meanwhile is found there. */
    uint32_t ahead = atomic_load(&core->waiting);
    pool__explore_point();
    uint32_t coming = atomic_load(&core->absent) + atomic_load(&core->chores);
    join_locked(core, waiter);
    /* A slot that was returned before the returner could see us is ours, or
     * rather the oldest waiter's; we can only take it if that is us. */
    bool oldest = core->queue.next == &waiter->link;
    if (oldest && pool__slots_take_any(core, waiter->flags, &index, &generation)) {
        unjoin_locked(core, waiter);
        waiter->slot = index;
        waiter->generation = generation;
        return POOL__QUEUE_GRANTED;
    }
    waiter->behind = ahead >= coming;
    if (waiter->behind && ahead - coming >= core->queue_limit) {
        unjoin_locked(core, waiter);
        return POOL__QUEUE_FULL;
    }
    core->enqueued += waiter->behind;
    return POOL__QUEUE_PENDING;
}

enum pool__queue_result pool__queue_enter(struct pool__core *core, struct pool__waiter *waiter)
{
    pool__waiter_init(waiter);
    pool__lock(&core->lock);
    bool served = (waiter->wake || waiter->begun) && atomic_load(&core->drains);
    bool refused = atomic_load(&core->shut) && !served;
    enum pool__queue_result result = refused ? POOL__QUEUE_SHUT : take_place_locked(core, waiter);
    pool__unlock(&core->lock);
    return result;
}

/* A nudged waiter looks for a slot. If others were quicker, and it has waited long
 * enough, the next return is its own. */
static void look_for_slot(struct pool__core *core, struct pool__waiter *waiter)
{
    unsigned index;
    uint32_t generation;
    bool granted = false;
    pool__lock(&core->lock);
    if (pool__waiter_state(waiter) == POOL__WAITER_NUDGED) {
        pool__waiter_move_locked(waiter, POOL__WAITER_WAITING);
        if (pool__now_ns() - waiter->enqueued_ns >= core->fair_after_ns)
            atomic_store(&core->owed, 1);
        /* From here on returners nudge again; what was returned before, we see. */
        pool__explore_point();
        atomic_store(&core->nudged, 0);
        if (pool__handover_oldest_locked(core) == waiter &&
            pool__slots_take_any(core, waiter->flags, &index, &generation)) {
            waiter->slot = index;
            waiter->generation = generation;
            pool__handover_end_locked(core, waiter, POOL__QUEUE_GRANTED);
            granted = true;
        }
    }
    pool__unlock(&core->lock);
    /* Those who returned while we were on our way here nudged nobody else. */
    if (granted)
        pool__handover_serve(core);
}

/* True if it was this call that decided. */
static bool leave_queue(struct pool__core *core, struct pool__waiter *waiter,
                        enum pool__queue_result as)
{
    pool__lock(&core->lock);
    enum pool__waiter_state state = pool__waiter_state(waiter);
    bool nudged = state == POOL__WAITER_NUDGED;
    bool own = pool__waiter_is_queued(state);
    if (own) {
        pool__handover_end_locked(core, waiter, as);
        core->timeouts += as == POOL__QUEUE_TIMED_OUT;
    }
    pool__unlock(&core->lock);
    if (nudged)
        pool__handover_serve(core); /* the slot that it was nudged for is for the next one */
    return own;
}

bool pool__queue_look(struct pool__core *core, struct pool__waiter *waiter, uint64_t now,
                      uint64_t *ret_next_ns)
{
    if (pool__waiter_is_queued(pool__waiter_state(waiter)) && now >= waiter->deadline_ns &&
        leave_queue(core, waiter, POOL__QUEUE_TIMED_OUT))
        return true;
    enum pool__waiter_state state = pool__waiter_state(waiter);
    if (state == POOL__WAITER_SENT && now >= waiter->abandon_ns && pool__waiter_abandon(waiter))
        return true;
    *ret_next_ns = pool__waiter_next_look(waiter, state, now);
    return false;
}

enum pool__queue_result pool__queue_wait(struct pool__core *core, struct pool__waiter *waiter)
{
    _Atomic uint32_t *bench = &core->benches[pool__benches_of(waiter->bench_place)];
    for (;;) {
        uint64_t next_ns;
        uint32_t turn = atomic_load(bench); /* before the word: who stores that changes it */
        pool__explore_point();
        uint32_t word = atomic_load(&waiter->word);
        enum pool__waiter_state state = pool__waiter_state_of(word);
        if (state == POOL__WAITER_ENDED)
            return pool__waiter_result_of(word);
        if (state == POOL__WAITER_NUDGED)
            look_for_slot(core, waiter);
        else if (!pool__queue_look(core, waiter, pool__now_ns(), &next_ns))
            pool__park_as(bench, turn, pool__benches_bit(waiter->bench_place), next_ns);
    }
}

enum pool__queue_result pool__queue_leave(struct pool__core *core, struct pool__waiter *waiter)
{
    leave_queue(core, waiter, POOL__QUEUE_TIMED_OUT);
    return pool__waiter_result(waiter);
}

bool pool__queue_cancel(struct pool__core *core, struct pool__waiter *waiter)
{
    return leave_queue(core, waiter, POOL__QUEUE_CANCELLED) || pool__waiter_abandon(waiter);
}

/* In the order of the queue times grow, but for those at its head who are there again. */
static struct pool__waiter *first_before_locked(struct pool__core *core, uint64_t before_ns)
{
    struct pool__link *link = core->queue.next;
    for (; link != &core->queue; link = link->next) {
        struct pool__waiter *waiter = POOL__ENTRY(link, struct pool__waiter, link);
        if (waiter->enqueued_ns <= before_ns)
            return waiter;
        if (!waiter->again)
            break;
    }
    return NULL;
}

void pool__queue_fail_waiters(struct pool__core *core, enum pool__queue_result result,
                              uint64_t enqueued_before_ns)
{
    struct pool__handover_wakes wakes = {.count = 0};
    bool more = true;
    bool nudged = false;
    while (more) {
        pool__lock(&core->lock);
        struct pool__waiter *waiter;
        while (!pool__handover_wakes_full(&wakes) &&
               (waiter = first_before_locked(core, enqueued_before_ns))) {
            pool__handover_add_wake(&wakes, waiter);
            nudged |= pool__handover_end_locked(core, waiter, result);
        }
        more = pool__handover_wakes_full(&wakes);
        pool__unlock(&core->lock);
        pool__handover_wake_all(core, &wakes);
    }
    if (nudged)
        pool__handover_serve(core);
}

void pool__queue_shut(struct pool__core *core)
{
    pool__lock(&core->lock);
    atomic_store(&core->shut, true);
    pool__unlock(&core->lock);
    pool__queue_fail_waiters(core, POOL__QUEUE_SHUT, POOL__FOREVER);
}

void pool__queue_set_drains(struct pool__core *core, bool drains)
{
    pool__lock(&core->lock);
    atomic_store(&core->drains, drains);
    pool__unlock(&core->lock);
}

uint64_t pool__queue_oldest_ns(struct pool__core *core)
{
    uint64_t oldest = POOL__FOREVER;
    pool__lock(&core->lock);
    for (struct pool__link *link = core->queue.next; link != &core->queue; link = link->next) {
        const struct pool__waiter *waiter = POOL__ENTRY(link, struct pool__waiter, link);
        oldest = pool__earlier(oldest, waiter->enqueued_ns);
        if (!waiter->again)
            break;
    }
    pool__unlock(&core->lock);
    return oldest;
}
