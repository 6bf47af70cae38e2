/*
 * What pool/core/core.c promises, one promise per test, without a server.
 *
 * Most tests need one thread: a waiter may be queued and then looked at. Where somebody
 * has to sleep, a helper thread borrows and records what it got; the test waits for
 * that with a deadline and asserts on its own thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sched.h>

#include "core/core.h"
#include "core/benches.h"
#include "core/followers.h"
#include "core/handover.h"
#include "core/queue.h"
#include "core/slots.h"
#include "core/waiter.h"

#define MS POOL__NS_PER_MS
#define PATIENCE_NS (20 * 1000 * MS) /* for what has to come; a slow machine gets there */
#define FAIR_NEVER UINT64_MAX

/* Helpers */

static struct pool__core core;

static unsigned count_of(enum pool__slot_state state)
{
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&core, counts);
    return counts[state];
}

/* A core of `limit` slots, the first `open` of which are idle. */
static void begin(unsigned limit, unsigned open, uint64_t fair_after_ns)
{
    unsigned slot;
    assert_true(pool__core_init(&core, limit, 100, fair_after_ns));
    for (unsigned i = 0; i < open; i++) {
        assert_true(pool__slots_reserve_empty(&core, &slot));
        assert_true(pool__handover_give(&core, slot));
    }
}

static int end(void **state)
{
    (void)state;
    pool__core_fini(&core);
    return 0;
}

static uint32_t borrow(unsigned expected_slot)
{
    unsigned slot = 0;
    uint32_t generation = 0;
    assert_true(pool__slots_try_borrow(&core, 0, &slot, &generation));
    assert_int_equal(slot, expected_slot);
    return generation;
}

static bool nothing_to_borrow(void)
{
    unsigned slot;
    uint32_t generation;
    return !pool__slots_try_borrow(&core, 0, &slot, &generation);
}

/* A waiter that never sleeps: it would be woken through `woken`. */
struct caller {
    struct pool__waiter waiter;
    unsigned woken;
    bool locked; /* whether the lock was held at that moment */
};

static void note_wake(struct pool__waiter *waiter)
{
    struct caller *caller = POOL__ENTRY(waiter, struct caller, waiter);
    caller->woken++;
    caller->locked = pthread_mutex_trylock(&core.lock.native) != 0;
    if (!caller->locked)
        pthread_mutex_unlock(&core.lock.native);
}

static enum pool__outcome enqueue(struct caller *caller)
{
    *caller = (struct caller){
        .waiter = {.enqueued_ns = pool__now_ns(), .deadline_ns = POOL__FOREVER, .wake = note_wake}};
    return pool__queue_enter(&core, &caller->waiter);
}

static enum pool__outcome outcome_of(struct caller *caller)
{
    return (enum pool__outcome)atomic_load(&caller->waiter.outcome);
}

/* A thread that borrows once. */
struct borrower {
    pthread_t thread;
    struct pool__waiter waiter;
    unsigned place; /* in the queue */
    enum pool__outcome outcome;
    uint64_t returned_ns;
    _Atomic bool done;
};

static void *run_borrower(void *arg)
{
    struct borrower *b = arg;
    b->waiter.enqueued_ns = pool__now_ns();
    b->outcome = pool__queue_enter(&core, &b->waiter);
    if (b->outcome == POOL__WAITING)
        b->outcome = pool__queue_wait(&core, &b->waiter);
    b->returned_ns = pool__now_ns();
    atomic_store(&b->done, true);
    return NULL;
}

static bool passes(bool (*condition)(void *), void *arg)
{
    uint64_t deadline_ns = pool__now_ns() + PATIENCE_NS;
    while (!condition(arg)) {
        if (pool__now_ns() > deadline_ns)
            return false;
        sched_yield();
    }
    return true;
}

static bool is_done(void *borrower)
{
    return atomic_load(&((struct borrower *)borrower)->done);
}

static bool is_in_its_place(void *borrower)
{
    return atomic_load(&core.waiting) == ((struct borrower *)borrower)->place || is_done(borrower);
}

/* Starts a borrower and waits until it is the `place`th in the queue, or was: its deadline
 * may have passed before anybody could look. */
static void start(struct borrower *b, uint64_t deadline_ns, unsigned place)
{
    *b = (struct borrower){.waiter = {.deadline_ns = deadline_ns}, .place = place};
    assert_int_equal(pthread_create(&b->thread, NULL, run_borrower, b), 0);
    assert_true(passes(is_in_its_place, b));
}

static void finish(struct borrower *b)
{
    assert_true(passes(is_done, b));
    pthread_join(b->thread, NULL);
}

/* Slots */

static void a_new_core_is_empty(void **state)
{
    (void)state;
    begin(3, 0, 0);
    assert_int_equal(count_of(POOL__SLOT_EMPTY), 3);
    assert_true(nothing_to_borrow());
}

static void no_more_slots_are_reserved_than_the_limit(void **state)
{
    (void)state;
    begin(2, 0, 0);
    unsigned slot;
    assert_true(pool__slots_reserve_empty(&core, &slot));
    assert_true(pool__slots_reserve_empty(&core, &slot));
    assert_false(pool__slots_reserve_empty(&core, &slot));
    assert_int_equal(count_of(POOL__SLOT_OPENING), 2);
}

static void slots_that_fail_to_open_are_empty_again(void **state)
{
    (void)state;
    begin(1, 0, 0);
    unsigned slot;
    assert_true(pool__slots_reserve_empty(&core, &slot));
    pool__slots_to_empty(&core, slot);
    assert_int_equal(count_of(POOL__SLOT_EMPTY), 1);
    assert_true(pool__slots_reserve_empty(&core, &slot));
}

static void a_slot_is_borrowed_by_one_at_a_time(void **state)
{
    (void)state;
    begin(1, 1, 0);
    borrow(0);
    assert_true(nothing_to_borrow());
    assert_int_equal(count_of(POOL__SLOT_BUSY), 1);
}

static void the_lowest_idle_slot_is_borrowed_first(void **state)
{
    (void)state;
    begin(3, 3, 0);
    borrow(0);
    borrow(1);
    borrow(2);
}

static void a_thread_gets_the_slot_back_that_it_had_last(void **state)
{
    (void)state;
    begin(3, 3, 0);
    uint32_t first = borrow(0);
    uint32_t second = borrow(1);
    pool__handover_release(&core, 0, first);
    pool__handover_release(&core, 1, second);
    borrow(1);
}

static void slots_beyond_the_first_sixty_four_are_found(void **state)
{
    (void)state;
    begin(130, 130, 0);
    for (unsigned i = 0; i < 129; i++)
        borrow(i);
    uint32_t last = borrow(129);
    assert_true(nothing_to_borrow());
    assert_int_equal(pool__handover_release(&core, 129, last), POOL__CLAIM_RELEASED);
    borrow(129);
}

static void a_slot_that_was_not_to_be_had_is_found_after_its_return(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    assert_true(nothing_to_borrow()); /* clears the bit */
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
    borrow(0);
}

static void each_borrow_counts_as_a_use(void **state)
{
    (void)state;
    begin(1, 1, 0);
    for (unsigned i = 0; i < 5; i++)
        pool__handover_release(&core, 0, borrow(0));
    assert_int_equal(atomic_load(&core.slots[0].uses), 5);
}

static void only_idle_slots_are_reserved_for_chores(void **state)
{
    (void)state;
    begin(2, 1, 0);
    assert_true(pool__slots_reserve_idle(&core, 0));
    assert_false(pool__slots_reserve_idle(&core, 0));
    assert_false(pool__slots_reserve_idle(&core, 1));
    assert_true(nothing_to_borrow());
}

static void each_state_counts_once(void **state)
{
    (void)state;
    begin(6, 5, 0);
    unsigned slot;
    borrow(0);
    pool__slots_reserve_idle(&core, 1);
    pool__slots_reserve_idle(&core, 2);
    pool__slots_to_closing(&core, 2);
    pool__slots_reserve_empty(&core, &slot);
    static const unsigned expected[POOL__SLOT_STATES] = {0, 1, 2, 1, 1, 1};
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&core, counts);
    assert_memory_equal(counts, expected, sizeof expected);
}

/* Tickets */

static void a_ticket_can_be_claimed_once_at_a_time(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_MADE);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_IN_USE);
    pool__slots_unclaim(&core, 0, false);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_MADE);
}

static void a_borrow_for_one_call_is_claimed_already(void **state)
{
    (void)state;
    begin(1, 1, 0);
    unsigned slot;
    uint32_t generation;
    assert_true(pool__slots_try_borrow(&core, POOL__SLOT_CLAIMED, &slot, &generation));
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_IN_USE);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_IN_USE);
    assert_true(pool__handover_give(&core, 0));
}

static void a_call_in_progress_prevents_the_release(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    pool__slots_claim(&core, 0, generation);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_IN_USE);
    assert_int_equal(count_of(POOL__SLOT_BUSY), 1);
}

static void releasing_twice_is_refused(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_STALE);
    assert_int_equal(count_of(POOL__SLOT_IDLE), 1);
}

static void an_old_ticket_does_not_touch_the_next_borrow(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t old = borrow(0);
    pool__handover_release(&core, 0, old);
    uint32_t current = borrow(0);
    assert_int_not_equal(old, current);
    assert_int_equal(pool__slots_claim(&core, 0, old), POOL__CLAIM_STALE);
    assert_int_equal(pool__handover_release(&core, 0, old), POOL__CLAIM_STALE);
    assert_int_equal(pool__slots_claim(&core, 0, current), POOL__CLAIM_MADE);
}

static void a_ticket_is_stale_in_every_state_but_busy(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    pool__slots_to_chore(&core, 0);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_STALE);
    pool__slots_to_closing(&core, 0);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_STALE);
    pool__slots_to_empty(&core, 0);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_STALE);
}

static void a_ticket_outlives_no_reconnect(void **state)
{
    (void)state;
    begin(1, 1, 0);
    unsigned slot;
    uint32_t old = borrow(0);
    pool__slots_to_closing(&core, 0);
    pool__slots_to_empty(&core, 0);
    assert_true(pool__slots_reserve_empty(&core, &slot));
    assert_true(pool__handover_give(&core, slot));
    borrow(0);
    assert_int_equal(pool__slots_claim(&core, 0, old), POOL__CLAIM_STALE);
}

static void a_handed_over_slot_has_a_new_ticket(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct caller next;
    uint32_t old = borrow(0);
    enqueue(&next);
    pool__slots_claim(&core, 0, old);
    assert_true(pool__handover_give(&core, 0));
    assert_int_equal(pool__slots_claim(&core, 0, old), POOL__CLAIM_STALE);
    assert_int_equal(pool__slots_claim(&core, 0, (uint32_t)next.waiter.generation),
                     POOL__CLAIM_MADE);
}

/* Release */

static void a_clean_slot_is_released_in_one_step(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    pool__slots_claim(&core, 0, generation);
    pool__slots_unclaim(&core, 0, false);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
    assert_int_equal(count_of(POOL__SLOT_IDLE), 1);
}

static void a_slot_that_is_given_up_is_left_to_the_call_that_runs(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    assert_int_equal(pool__slots_give_up(&core, 0, generation + 1), POOL__CLAIM_STALE);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_MADE);
    assert_int_equal(pool__slots_give_up(&core, 0, generation), POOL__CLAIM_IN_USE);
    assert_false(pool__slots_unclaim(&core, 0, false));
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_IN_USE);
    pool__slots_to_chore(&core, 0);
    assert_true(pool__handover_give(&core, 0));
    generation = borrow(0);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_MADE);
    assert_true(pool__slots_unclaim(&core, 0, false));
}

static void a_slot_that_is_given_up_while_nothing_runs_is_claimed(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    assert_int_equal(pool__slots_give_up(&core, 0, generation), POOL__CLAIM_MADE);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_IN_USE);
}

static void an_unclean_slot_is_claimed_by_its_release(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    pool__slots_claim(&core, 0, generation);
    pool__slots_unclaim(&core, 0, true);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_MADE);
    assert_int_equal(count_of(POOL__SLOT_BUSY), 1);
}

static void a_slot_is_unclean_only_until_a_call_says_otherwise(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    pool__slots_claim(&core, 0, generation);
    pool__slots_unclaim(&core, 0, true);
    pool__slots_claim(&core, 0, generation);
    pool__slots_unclaim(&core, 0, false);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
}

static void what_the_last_borrower_left_does_not_reach_the_next(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    pool__slots_claim(&core, 0, generation);
    pool__slots_unclaim(&core, 0, true);
    pool__slots_to_chore(&core, 0);
    assert_true(pool__handover_give(&core, 0));
    assert_int_equal(pool__handover_release(&core, 0, borrow(0)), POOL__CLAIM_RELEASED);
}

/* Eviction */

static void an_idle_slot_is_evicted_at_once(void **state)
{
    (void)state;
    begin(1, 1, 0);
    assert_true(pool__slots_evict(&core, 0));
    assert_int_equal(count_of(POOL__SLOT_CHORE), 1);
    assert_true(nothing_to_borrow());
}

static void a_busy_slot_is_evicted_when_it_is_given_back(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    assert_false(pool__slots_evict(&core, 0));
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_MADE);
    assert_false(pool__handover_give(&core, 0));
    assert_int_equal(count_of(POOL__SLOT_CHORE), 1);
}

static void an_eviction_survives_calls_and_chores(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    pool__slots_claim(&core, 0, generation);
    assert_false(pool__slots_evict(&core, 0));
    pool__slots_unclaim(&core, 0, false);
    pool__slots_to_chore(&core, 0);
    assert_false(pool__handover_give(&core, 0));
}

static void an_evicted_slot_is_not_handed_over(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct caller next;
    pool__slots_claim(&core, 0, borrow(0));
    enqueue(&next);
    pool__slots_evict(&core, 0);
    assert_false(pool__handover_give(&core, 0));
    assert_int_equal(outcome_of(&next), POOL__WAITING);
}

static void a_slot_that_is_being_opened_is_evicted_when_it_is_open(void **state)
{
    (void)state;
    begin(1, 0, 0);
    unsigned slot;
    pool__slots_reserve_empty(&core, &slot);
    assert_false(pool__slots_evict(&core, slot));
    assert_false(pool__handover_give(&core, slot));
}

static void what_is_closed_already_is_not_evicted(void **state)
{
    (void)state;
    begin(1, 1, 0);
    assert_true(pool__slots_evict(&core, 0));
    pool__slots_to_closing(&core, 0);
    assert_false(pool__slots_evict(&core, 0));
    pool__slots_to_empty(&core, 0);
    assert_false(pool__slots_evict(&core, 0));
}

static void a_new_connection_does_not_inherit_an_eviction(void **state)
{
    (void)state;
    begin(1, 1, 0);
    unsigned slot;
    borrow(0);
    pool__slots_evict(&core, 0);
    pool__slots_to_closing(&core, 0);
    pool__slots_to_empty(&core, 0);
    pool__slots_reserve_empty(&core, &slot);
    assert_true(pool__handover_give(&core, slot));
    assert_int_equal(pool__handover_release(&core, 0, borrow(0)), POOL__CLAIM_RELEASED);
}

/* The queue */

static void whoever_joins_the_queue_gets_an_idle_slot_first(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct caller caller;
    assert_int_equal(enqueue(&caller), POOL__GRANTED);
    assert_int_equal(atomic_load(&core.waiting), 0);
    assert_int_equal(caller.woken, 0);
    uint32_t generation = (uint32_t)caller.waiter.generation;
    assert_int_equal(pool__handover_release(&core, caller.waiter.slot, generation),
                     POOL__CLAIM_RELEASED);
}

static void slots_go_to_waiters_in_the_order_of_their_coming(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct caller callers[20];
    pool__slots_claim(&core, 0, borrow(0));
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(enqueue(&callers[i]), POOL__WAITING);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(pool__handover_give(&core, 0));
        for (unsigned k = 0; k < 20; k++)
            assert_int_equal(outcome_of(&callers[k]), k <= i ? POOL__GRANTED : POOL__WAITING);
    }
}

static void a_new_connection_goes_to_the_oldest_waiter(void **state)
{
    (void)state;
    begin(1, 0, FAIR_NEVER);
    struct caller callers[2];
    unsigned slot;
    enqueue(&callers[0]);
    enqueue(&callers[1]);
    pool__slots_reserve_empty(&core, &slot);
    assert_true(pool__handover_give(&core, slot));
    assert_int_equal(outcome_of(&callers[0]), POOL__GRANTED);
    assert_int_equal(outcome_of(&callers[1]), POOL__WAITING);
}

static void a_release_serves_a_waiter_whatever_the_fairness(void **state)
{
    (void)state;
    static const uint64_t fairness[] = {0, 1, MS, FAIR_NEVER};
    for (unsigned i = 0; i < 4; i++) {
        struct caller caller;
        begin(1, 1, fairness[i]);
        uint32_t generation = borrow(0);
        enqueue(&caller);
        if (pool__handover_release(&core, 0, generation) == POOL__CLAIM_MADE)
            assert_true(pool__handover_give(&core, 0));
        assert_int_equal(outcome_of(&caller), POOL__GRANTED);
        assert_int_equal(caller.woken, 1);
        if (i < 3)
            end(NULL);
    }
}

static void a_hand_over_wakes_without_the_lock(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct caller caller;
    pool__slots_claim(&core, 0, borrow(0));
    enqueue(&caller);
    pool__handover_give(&core, 0);
    assert_int_equal(caller.woken, 1);
    assert_false(caller.locked);
}

/* More waiters than one round of wake-ups holds. */
static void many_waiters_are_failed_and_woken_once_each(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller callers[50];
    for (unsigned i = 0; i < 50; i++)
        enqueue(&callers[i]);
    pool__queue_fail_waiters(&core, POOL__FAILED, POOL__FOREVER);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(outcome_of(&callers[i]), POOL__FAILED);
        assert_int_equal(callers[i].woken, 1);
        assert_false(callers[i].locked);
    }
    assert_int_equal(atomic_load(&core.waiting), 0);
}

static void only_those_who_waited_long_enough_are_failed(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller older, younger;
    enqueue(&older);
    enqueue(&younger);
    younger.waiter.enqueued_ns = older.waiter.enqueued_ns + 1;
    pool__queue_fail_waiters(&core, POOL__FAILED, older.waiter.enqueued_ns);
    assert_int_equal(outcome_of(&older), POOL__FAILED);
    assert_int_equal(outcome_of(&younger), POOL__WAITING);
    assert_int_equal(pool__queue_oldest_ns(&core), younger.waiter.enqueued_ns);
}

static void nobody_waits_in_a_new_queue(void **state)
{
    (void)state;
    begin(1, 0, 0);
    assert_true(pool__queue_oldest_ns(&core) == POOL__FOREVER);
}

static void a_full_queue_refuses_until_somebody_leaves(void **state)
{
    (void)state;
    begin(1, 1, 0);
    borrow(0);
    core.queue_limit = 2;
    struct caller callers[3];
    assert_int_equal(enqueue(&callers[0]), POOL__WAITING);
    assert_int_equal(enqueue(&callers[1]), POOL__WAITING);
    assert_int_equal(enqueue(&callers[2]), POOL__QUEUE_FULL);
    assert_int_equal(pool__queue_leave(&core, &callers[0].waiter), POOL__TIMED_OUT);
    assert_int_equal(enqueue(&callers[2]), POOL__WAITING);
}

static void one_waits_for_the_pool_alone_as_long_as_there_is_a_slot_for_it(void **state)
{
    (void)state;
    begin(4, 2, 0); /* two are empty */
    struct caller callers[4];
    borrow(0);
    borrow(1);
    pool__slots_to_chore(&core, 1);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(enqueue(&callers[i]), POOL__WAITING);
        assert_int_equal(callers[i].waiter.behind, i == 3);
    }
    assert_int_equal(core.enqueued, 1);
}

/* One after the other, a slot is in each state but IDLE. */
static void
whatever_the_pool_does_with_a_slot_one_waits_for_the_pool_and_not_for_a_borrower(void **state)
{
    (void)state;
    static const enum pool__slot_state states[] = {POOL__SLOT_EMPTY, POOL__SLOT_OPENING,
                                                   POOL__SLOT_BUSY, POOL__SLOT_CHORE,
                                                   POOL__SLOT_CLOSING};
    unsigned slot;
    begin(1, 0, 0);
    core.queue_limit = 0;
    for (unsigned i = 0; i < 5; i++) {
        struct caller caller;
        bool busy = states[i] == POOL__SLOT_BUSY;
        assert_int_equal(count_of(states[i]), 1);
        assert_int_equal(enqueue(&caller), busy ? POOL__QUEUE_FULL : POOL__WAITING);
        assert_int_equal(caller.waiter.behind, busy);
        if (!busy)
            pool__queue_leave(&core, &caller.waiter);
        if (i == 0)
            assert_true(pool__slots_reserve_empty(&core, &slot));
        else if (i == 1)
            assert_true(pool__handover_give(&core, 0) && borrow(0));
        else if (busy)
            pool__slots_to_chore(&core, 0);
        else
            pool__slots_to_closing(&core, 0);
    }
    assert_int_equal(atomic_load(&core.waiting), 0);
}

static void one_who_is_there_again_goes_before_those_who_have_not_had_their_turn(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct caller callers[4];
    pool__slots_claim(&core, 0, borrow(0));
    enqueue(&callers[0]);
    for (unsigned i = 1; i < 4; i++) {
        callers[i] = (struct caller){.waiter = {.enqueued_ns = pool__now_ns(),
                                                .again = i < 3,
                                                .deadline_ns = POOL__FOREVER,
                                                .wake = note_wake}};
        assert_int_equal(pool__queue_enter(&core, &callers[i].waiter), POOL__WAITING);
    }
    static const unsigned order[] = {1, 2, 0, 3};
    for (unsigned i = 0; i < 4; i++) {
        assert_true(pool__handover_give(&core, 0));
        assert_int_equal(outcome_of(&callers[order[i]]), POOL__GRANTED);
        pool__slots_claim(&core, 0, (uint32_t)callers[order[i]].waiter.generation);
    }
}

/* The slot for which one was nudged is for the oldest: that must be the one who looks. */
static void one_who_is_there_again_does_not_go_before_one_who_is_nudged(void **state)
{
    (void)state;
    begin(1, 1, FAIR_NEVER);
    struct caller nudged;
    struct caller again = {
        .waiter = {.again = true, .deadline_ns = POOL__FOREVER, .wake = note_wake}};
    borrow(0);
    enqueue(&nudged);
    atomic_store(&nudged.waiter.outcome, POOL__NUDGED);
    atomic_store(&core.nudged, 1);
    assert_int_equal(pool__queue_enter(&core, &again.waiter), POOL__WAITING);
    assert_ptr_equal(core.queue.next, &nudged.waiter.link);
    pool__queue_leave(&core, &nudged.waiter);
}

/* Who is there again has come later than those behind it. */
static void those_who_waited_long_enough_are_failed_behind_one_who_is_there_again(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller old, young;
    struct caller again = {
        .waiter = {.again = true, .deadline_ns = POOL__FOREVER, .wake = note_wake}};
    enqueue(&old);
    enqueue(&young);
    young.waiter.enqueued_ns = old.waiter.enqueued_ns + 1;
    again.waiter.enqueued_ns = old.waiter.enqueued_ns + 2;
    pool__queue_enter(&core, &again.waiter);
    assert_true(pool__queue_oldest_ns(&core) == old.waiter.enqueued_ns);
    pool__queue_fail_waiters(&core, POOL__FAILED, old.waiter.enqueued_ns);
    assert_int_equal(outcome_of(&old), POOL__FAILED);
    assert_int_equal(outcome_of(&young), POOL__WAITING);
    assert_int_equal(outcome_of(&again), POOL__WAITING);
}

static void one_who_gives_up_is_skipped(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct caller callers[3];
    pool__slots_claim(&core, 0, borrow(0));
    for (unsigned i = 0; i < 3; i++)
        enqueue(&callers[i]);
    pool__queue_leave(&core, &callers[0].waiter);
    pool__handover_give(&core, 0);
    assert_int_equal(outcome_of(&callers[0]), POOL__TIMED_OUT);
    assert_int_equal(callers[0].woken, 0);
    assert_int_equal(outcome_of(&callers[1]), POOL__GRANTED);
    assert_int_equal(outcome_of(&callers[2]), POOL__WAITING);
    assert_int_equal(core.timeouts, 1);
}

/* Twenty: more than one round of wake-ups holds. */
static void nobody_is_served_after_its_deadline(void **state)
{
    (void)state;
    static const uint64_t fairness[] = {0, MS, FAIR_NEVER};
    for (unsigned i = 0; i < 3; i++) {
        struct caller late[20], last;
        begin(1, 1, fairness[i]);
        pool__slots_claim(&core, 0, borrow(0));
        for (unsigned k = 0; k < 20; k++) {
            assert_int_equal(enqueue(&late[k]), POOL__WAITING);
            late[k].waiter.deadline_ns = late[k].waiter.enqueued_ns;
        }
        assert_int_equal(enqueue(&last), POOL__WAITING);
        assert_true(pool__handover_give(&core, 0));
        for (unsigned k = 0; k < 20; k++) {
            assert_int_equal(outcome_of(&late[k]), POOL__TIMED_OUT);
            assert_int_equal(late[k].woken, 1);
            assert_false(late[k].locked);
        }
        assert_int_equal(outcome_of(&last), POOL__GRANTED);
        assert_int_equal(core.timeouts, 20);
        if (i < 2)
            end(NULL);
    }
}

static void a_slot_for_which_all_came_too_late_is_idle(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct caller late;
    uint32_t generation = borrow(0);
    enqueue(&late);
    late.waiter.deadline_ns = late.waiter.enqueued_ns;
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
    assert_int_equal(outcome_of(&late), POOL__TIMED_OUT);
    assert_int_equal(late.woken, 1);
    assert_int_equal(atomic_load(&core.waiting), 0);
    assert_int_equal(count_of(POOL__SLOT_IDLE), 1);
}

static void one_who_gives_up_after_the_grant_has_the_slot(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct caller caller;
    pool__slots_claim(&core, 0, borrow(0));
    enqueue(&caller);
    pool__handover_give(&core, 0);
    assert_int_equal(pool__queue_leave(&core, &caller.waiter), POOL__GRANTED);
    assert_int_equal(core.timeouts, 0);
    assert_int_equal(pool__slots_claim(&core, 0, (uint32_t)caller.waiter.generation),
                     POOL__CLAIM_MADE);
}

static void a_hand_over_counts_as_a_use(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct caller caller;
    pool__slots_claim(&core, 0, borrow(0));
    enqueue(&caller);
    pool__handover_give(&core, 0);
    assert_int_equal(atomic_load(&core.slots[0].uses), 2);
}

static void a_granted_waiter_gets_the_flags_it_asked_for(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct caller caller = {.waiter = {.enqueued_ns = pool__now_ns(),
                                       .flags = POOL__SLOT_CLAIMED,
                                       .deadline_ns = POOL__FOREVER,
                                       .wake = note_wake}};
    pool__slots_claim(&core, 0, borrow(0));
    assert_int_equal(pool__queue_enter(&core, &caller.waiter), POOL__WAITING);
    pool__handover_give(&core, 0);
    assert_int_equal(pool__slots_claim(&core, 0, (uint32_t)caller.waiter.generation),
                     POOL__CLAIM_IN_USE);
}

/* The end */

static void a_shut_core_takes_no_waiters(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller caller;
    pool__queue_shut(&core);
    assert_int_equal(enqueue(&caller), POOL__SHUT);
    assert_int_equal(atomic_load(&core.waiting), 0);
}

static void shutting_fails_everybody_who_waits(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller callers[10];
    for (unsigned i = 0; i < 10; i++)
        enqueue(&callers[i]);
    pool__queue_shut(&core);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(outcome_of(&callers[i]), POOL__SHUT);
    assert_int_equal(atomic_load(&core.waiting), 0);
}

static void while_it_drains_callbacks_may_queue_up_and_threads_may_not(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct caller callback;
    struct pool__waiter thread = {.deadline_ns = POOL__FOREVER};
    uint32_t generation = borrow(0);
    pool__queue_set_drains(&core, true);
    pool__queue_shut(&core);
    assert_int_equal(pool__queue_enter(&core, &thread), POOL__SHUT);
    assert_int_equal(enqueue(&callback), POOL__WAITING);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
    assert_int_equal(outcome_of(&callback), POOL__GRANTED);
}

static void when_the_drain_is_over_callbacks_are_failed_and_refused(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller early, late;
    pool__queue_set_drains(&core, true);
    pool__queue_shut(&core);
    assert_int_equal(enqueue(&early), POOL__WAITING);
    pool__queue_set_drains(&core, false);
    pool__queue_shut(&core);
    assert_int_equal(outcome_of(&early), POOL__SHUT);
    assert_int_equal(enqueue(&late), POOL__SHUT);
}

static void a_borrower_can_return_after_the_shutting(void **state)
{
    (void)state;
    begin(1, 1, 0);
    uint32_t generation = borrow(0);
    pool__queue_shut(&core);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
    assert_int_equal(count_of(POOL__SLOT_IDLE), 1);
}

/* Threads */

static void a_sleeping_waiter_is_woken_by_a_return(void **state)
{
    (void)state;
    static const uint64_t fairness[] = {0, MS, FAIR_NEVER};
    for (unsigned i = 0; i < 3; i++) {
        struct borrower b;
        begin(1, 1, fairness[i]);
        uint32_t generation = borrow(0);
        start(&b, POOL__FOREVER, 1);
        if (pool__handover_release(&core, 0, generation) == POOL__CLAIM_MADE)
            pool__handover_give(&core, 0);
        finish(&b);
        assert_int_equal(b.outcome, POOL__GRANTED);
        if (i < 2)
            end(NULL);
    }
}

static void sleeping_waiters_are_served_in_order(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct borrower b[5];
    pool__slots_claim(&core, 0, borrow(0));
    for (unsigned i = 0; i < 5; i++)
        start(&b[i], POOL__FOREVER, i + 1);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(pool__handover_give(&core, 0));
        finish(&b[i]);
        assert_int_equal(b[i].outcome, POOL__GRANTED);
        assert_int_equal(atomic_load(&core.waiting), 4 - i);
    }
}

/* Two returns come before the first waiter has woken. */
static void each_of_two_returns_wakes_a_waiter(void **state)
{
    (void)state;
    begin(2, 2, FAIR_NEVER);
    struct borrower b[2];
    uint32_t generations[2] = {borrow(0), borrow(1)};
    start(&b[0], POOL__FOREVER, 1);
    start(&b[1], POOL__FOREVER, 2);
    pool__handover_release(&core, 0, generations[0]);
    pool__handover_release(&core, 1, generations[1]);
    bool served = passes(is_done, &b[0]) && passes(is_done, &b[1]);
    pool__queue_shut(&core); /* so that this test ends in any case */
    finish(&b[0]);
    finish(&b[1]);
    assert_true(served);
    assert_int_equal(b[0].outcome, POOL__GRANTED);
    assert_int_equal(b[1].outcome, POOL__GRANTED);
}

static void a_waiter_is_never_timed_out_early(void **state)
{
    (void)state;
    begin(1, 0, 0);
    for (unsigned i = 0; i < 20; i++) {
        struct pool__waiter waiter = {.enqueued_ns = pool__now_ns()};
        waiter.deadline_ns = waiter.enqueued_ns + i * MS / 4;
        assert_int_equal(pool__queue_enter(&core, &waiter), POOL__WAITING);
        assert_int_equal(pool__queue_wait(&core, &waiter), POOL__TIMED_OUT);
        assert_true(pool__now_ns() >= waiter.deadline_ns);
    }
    assert_int_equal(atomic_load(&core.waiting), 0);
}

static void a_deadline_in_the_past_is_a_timeout_at_once(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct pool__waiter waiter = {.enqueued_ns = pool__now_ns(), .deadline_ns = 1};
    assert_int_equal(pool__queue_enter(&core, &waiter), POOL__WAITING);
    assert_int_equal(pool__queue_wait(&core, &waiter), POOL__TIMED_OUT);
}

static void a_wake_up_for_nothing_does_not_end_the_wait(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct borrower b;
    uint64_t deadline_ns = pool__now_ns() + 20 * MS;
    start(&b, deadline_ns, 1);
    while (!is_done(&b))
        pool__unpark_all(&core.benches[0], UINT32_MAX);
    finish(&b);
    assert_int_equal(b.outcome, POOL__TIMED_OUT);
    assert_true(b.returned_ns >= deadline_ns);
}

static void a_timeout_lets_the_next_one_have_the_slot(void **state)
{
    (void)state;
    begin(1, 1, 0);
    struct borrower first, second;
    pool__slots_claim(&core, 0, borrow(0));
    start(&second, pool__now_ns() + 5 * MS, 1);
    finish(&second);
    start(&first, POOL__FOREVER, 1);
    assert_true(pool__handover_give(&core, 0));
    finish(&first);
    assert_int_equal(second.outcome, POOL__TIMED_OUT);
    assert_int_equal(first.outcome, POOL__GRANTED);
}

static void shutting_wakes_a_sleeping_waiter(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct borrower b;
    start(&b, POOL__FOREVER, 1);
    pool__queue_shut(&core);
    finish(&b);
    assert_int_equal(b.outcome, POOL__SHUT);
}

#define SERVINGS 201

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Usually well within a millisecond; the bound is for a machine that is busy otherwise. */
static void a_waiter_is_served_soon_after_a_return(void **state)
{
    (void)state;
    static const uint64_t fairness[] = {0, MS, FAIR_NEVER};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t took_ns[SERVINGS];
        begin(1, 1, fairness[i]);
        for (unsigned k = 0; k < SERVINGS; k++) {
            struct borrower b;
            uint32_t generation = borrow(0);
            start(&b, POOL__FOREVER, 1);
            uint64_t returned_ns = pool__now_ns();
            if (pool__handover_release(&core, 0, generation) == POOL__CLAIM_MADE)
                pool__handover_give(&core, 0);
            finish(&b);
            took_ns[k] = b.returned_ns - returned_ns;
            pool__handover_release(&core, 0, (uint32_t)b.waiter.generation);
        }
        qsort(took_ns, SERVINGS, sizeof took_ns[0], by_size);
        print_message("           median of %u: %.3f ms; the longest: %.3f ms\n", SERVINGS,
                      (double)took_ns[SERVINGS / 2] / 1e6, (double)took_ns[SERVINGS - 1] / 1e6);
        assert_in_range(took_ns[SERVINGS / 2], 0, 20 * MS);
        if (i < 2)
            end(NULL);
    }
}

/* Riding */

/* One that may be taken along. */
static enum pool__outcome enqueue_rider(struct caller *caller, uint64_t deadline_ns,
                                        uint64_t follow_ns)
{
    *caller = (struct caller){.waiter = {.enqueued_ns = pool__now_ns(),
                                         .may_follow = true,
                                         .deadline_ns = deadline_ns,
                                         .follow_ns = follow_ns,
                                         .follow_deadline_ns = deadline_ns,
                                         .wake = note_wake}};
    return pool__queue_enter(&core, &caller->waiter);
}

static void enqueue_riders(struct caller *callers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(enqueue_rider(&callers[i], POOL__FOREVER, POOL__FOREVER), POOL__WAITING);
}

static bool anybody(const struct pool__waiter *waiter, void *arg)
{
    (void)waiter;
    (void)arg;
    return true;
}

static bool anybody_but(const struct pool__waiter *waiter, void *arg)
{
    return waiter != arg;
}

static unsigned board(unsigned most, struct pool__waiter **ret_waiters)
{
    return pool__followers_take(&core, most, anybody, NULL, ret_waiters);
}

static bool arrive(struct pool__waiter *waiter)
{
    struct pool__wakes wakes = {0};
    bool arrived = pool__followers_done(&core, waiter, &wakes);
    pool__benches_wake(&core, &wakes);
    return arrived;
}

static void the_oldest_board_first_and_no_more_than_asked_for(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller callers[5];
    struct pool__waiter *aboard[8];
    enqueue_riders(callers, 5);
    assert_int_equal(board(3, aboard), 3);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(outcome_of(&callers[i]), i < 3 ? POOL__TAKEN : POOL__WAITING);
    for (unsigned i = 0; i < 3; i++)
        assert_ptr_equal(aboard[i], &callers[i].waiter);
    assert_int_equal(atomic_load(&core.waiting), 2);
    assert_int_equal(board(8, aboard), 2);
    assert_int_equal(board(8, aboard), 0);
    assert_true(pool__queue_oldest_ns(&core) == POOL__FOREVER);
}

static void nobody_boards_past_one_who_does_not_ride(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller callers[3];
    struct pool__waiter *aboard[8];
    enqueue_riders(&callers[0], 1);
    enqueue(&callers[1]);
    enqueue_rider(&callers[2], POOL__FOREVER, POOL__FOREVER);
    assert_int_equal(board(8, aboard), 1);
    assert_int_equal(outcome_of(&callers[0]), POOL__TAKEN);
    assert_int_equal(board(8, aboard), 0);
    assert_int_equal(outcome_of(&callers[2]), POOL__WAITING);
    assert_int_equal(atomic_load(&core.waiting), 2);
}

static void nobody_boards_past_one_who_is_refused(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller callers[3];
    struct pool__waiter *aboard[8];
    enqueue_riders(callers, 3);
    assert_int_equal(pool__followers_take(&core, 8, anybody_but, &callers[1].waiter, aboard), 1);
    assert_int_equal(outcome_of(&callers[0]), POOL__TAKEN);
    assert_int_equal(outcome_of(&callers[1]), POOL__WAITING);
    assert_int_equal(outcome_of(&callers[2]), POOL__WAITING);
}

static void those_whose_deadline_has_passed_do_not_board(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller callers[2];
    struct pool__waiter *aboard[2];
    enqueue_rider(&callers[0], 1, POOL__FOREVER);
    enqueue_rider(&callers[1], POOL__FOREVER, POOL__FOREVER);
    assert_int_equal(board(2, aboard), 1);
    assert_ptr_equal(aboard[0], &callers[1].waiter);
    assert_int_equal(pool__queue_leave(&core, &callers[0].waiter), POOL__TIMED_OUT);
}

/* It has been woken to look for a slot, and whoever returned that counts on it. */
static void nobody_boards_past_one_who_is_nudged(void **state)
{
    (void)state;
    begin(1, 0, FAIR_NEVER);
    struct caller callers[2];
    struct pool__waiter *aboard[2];
    enqueue_riders(callers, 2);
    atomic_store(&callers[0].waiter.outcome, POOL__NUDGED);
    assert_int_equal(board(2, aboard), 0);
    assert_int_equal(outcome_of(&callers[0]), POOL__NUDGED);
    assert_int_equal(outcome_of(&callers[1]), POOL__WAITING);
}

static void one_who_boards_takes_its_debt_along(void **state)
{
    (void)state;
    begin(1, 0, FAIR_NEVER);
    struct caller callers[2];
    struct pool__waiter *aboard[1];
    enqueue_riders(callers, 2);
    atomic_store(&core.owed, 1);
    assert_int_equal(board(1, aboard), 1);
    assert_int_equal(atomic_load(&core.owed), 0);
}

static void one_aboard_is_neither_failed_nor_abandoned(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller caller;
    struct pool__waiter *aboard[1];
    enqueue_riders(&caller, 1);
    assert_int_equal(board(1, aboard), 1);
    pool__queue_shut(&core);
    assert_int_equal(pool__queue_leave(&core, &caller.waiter), POOL__TAKEN);
    assert_int_equal(core.timeouts, 0);
    assert_int_equal(caller.woken, 0);
}

static void a_callback_that_arrives_is_woken_once_without_the_lock(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller callers[2];
    struct pool__waiter *aboard[2];
    enqueue_riders(callers, 2);
    assert_int_equal(board(2, aboard), 2);
    pool__waiter_sent(aboard[0]);
    for (unsigned i = 0; i < 2; i++) { /* the second has never set off */
        assert_true(arrive(aboard[i]));
        assert_int_equal(outcome_of(&callers[i]), POOL__DONE);
        assert_int_equal(callers[i].woken, 1);
        assert_false(callers[i].locked);
    }
}

static void one_who_is_held_cannot_leave_until_it_sets_off_again(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller caller;
    struct pool__waiter *aboard[1];
    uint64_t next_ns = 0, later = pool__now_ns() + 100 * MS;
    enqueue_rider(&caller, POOL__FOREVER, 1);
    assert_int_equal(board(1, aboard), 1);
    pool__waiter_sent(aboard[0]);
    assert_true(pool__waiter_hold(aboard[0]));
    assert_false(pool__queue_look(&core, aboard[0], later, &next_ns));
    assert_int_equal(aboard[0]->outcome, POOL__TAKEN);
    assert_true(next_ns > later);
    pool__waiter_sent(aboard[0]);
    assert_true(pool__queue_look(&core, aboard[0], later, &next_ns));
    assert_int_equal(aboard[0]->outcome, POOL__ABANDONED);
    assert_false(pool__waiter_hold(aboard[0]));
    assert_false(arrive(aboard[0]));
    assert_int_equal(caller.woken, 0);
}

static void a_rider_leaves_at_the_earlier_of_its_limits_and_not_before(void **state)
{
    (void)state;
    begin(1, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct caller caller;
        struct pool__waiter *aboard[1];
        uint64_t next_ns = 0, far = pool__now_ns() + 3600 * 1000 * MS;
        enqueue_rider(&caller, i ? far : POOL__FOREVER, i ? POOL__FOREVER : 3600 * 1000 * MS);
        assert_int_equal(board(1, aboard), 1);
        pool__waiter_sent(aboard[0]);
        uint64_t abandon_ns = i ? far : caller.waiter.taken_ns + 3600 * 1000 * MS;
        assert_false(pool__queue_look(&core, aboard[0], abandon_ns - 1, &next_ns));
        assert_int_equal(aboard[0]->outcome, POOL__SENT);
        assert_true(next_ns == abandon_ns);
        assert_true(pool__queue_look(&core, aboard[0], abandon_ns, &next_ns));
        assert_int_equal(aboard[0]->outcome, POOL__ABANDONED);
    }
}

/* Nobody wakes one who boards: it has to look often enough by itself. */
static void one_in_the_queue_looks_again_in_time_to_leave(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct caller caller;
    uint64_t next_ns = 0, now = pool__now_ns();
    enqueue_rider(&caller, now + 3600 * 1000 * MS, 5 * MS);
    assert_false(pool__queue_look(&core, &caller.waiter, now, &next_ns));
    assert_int_equal(caller.waiter.outcome, POOL__WAITING);
    assert_true(next_ns == now + 5 * MS);
}

/* A thread that rides, on the heap as it must be. */
static void *run_rider(void *arg)
{
    struct borrower *b = arg;
    b->waiter.may_follow = true;
    b->waiter.follow_deadline_ns = POOL__FOREVER;
    return run_borrower(b);
}

static void start_rider(struct borrower *b, unsigned place, uint64_t follow_ns)
{
    *b = (struct borrower){.waiter = {.deadline_ns = POOL__FOREVER, .follow_ns = follow_ns},
                           .place = place};
    assert_int_equal(pthread_create(&b->thread, NULL, run_rider, b), 0);
    assert_true(passes(is_in_its_place, b));
}

static void a_sleeping_rider_is_woken_when_it_arrives(void **state)
{
    (void)state;
    static struct borrower b;
    struct pool__waiter *aboard[1];
    begin(1, 0, 0);
    start_rider(&b, 1, POOL__FOREVER);
    assert_int_equal(board(1, aboard), 1);
    pool__waiter_sent(aboard[0]);
    assert_true(arrive(aboard[0]));
    finish(&b);
    assert_int_equal(b.outcome, POOL__DONE);
}

/* From that place on; `wakes_0` and `wakes_1` are the system calls that it takes, per bench. */
static void assert_woken_together(uint32_t place, unsigned wakes_0, unsigned wakes_1)
{
    enum { RIDERS = 4 };
    static struct borrower riders[RIDERS];
    struct pool__waiter *aboard[RIDERS];
    struct pool__wakes wakes = {0};
    core.places = place;
    atomic_store(&core.benches[0], 0);
    atomic_store(&core.benches[1], 0);
    for (unsigned i = 0; i < RIDERS; i++)
        start_rider(&riders[i], i + 1, POOL__FOREVER);
    assert_int_equal(board(RIDERS, aboard), RIDERS);
    for (unsigned i = 0; i < RIDERS; i++) {
        pool__waiter_sent(aboard[i]);
        assert_true(pool__followers_done(&core, aboard[i], &wakes));
    }
    pool__benches_wake(&core, &wakes);
    for (unsigned i = 0; i < RIDERS; i++) {
        finish(&riders[i]);
        assert_int_equal(riders[i].outcome, POOL__DONE);
    }
    assert_int_equal(core.benches[0], wakes_0);
    assert_int_equal(core.benches[1], wakes_1);
}

static void sleeping_riders_are_woken_together(void **state)
{
    (void)state;
    begin(1, 0, 0);
    assert_woken_together(0, 1, 0);
    assert_woken_together(POOL__BENCH_PLACES - 1, 1, 1);
    assert_woken_together(UINT32_MAX - 1, 1, 0); /* the last bench, and the first */
}

static void a_sleeping_rider_leaves_by_itself_and_never_early(void **state)
{
    (void)state;
    begin(1, 0, 0);
    for (unsigned i = 0; i < 10; i++) {
        static struct borrower b;
        struct pool__waiter *aboard[1];
        start_rider(&b, 1, i * MS / 2);
        assert_int_equal(board(1, aboard), 1);
        pool__waiter_sent(aboard[0]);
        finish(&b);
        assert_int_equal(b.outcome, POOL__ABANDONED);
        assert_true(b.returned_ns >= b.waiter.taken_ns + i * MS / 2);
        assert_false(arrive(aboard[0]));
    }
}

/* Overtaking */

/* Somebody returns and takes the slot again, as fast as a thread can. */
static void a_newcomer_cannot_overtake_for_ever(void **state)
{
    (void)state;
    begin(1, 1, MS);
    struct borrower b;
    unsigned slot;
    uint32_t generation = borrow(0);
    uint64_t deadline_ns = pool__now_ns() + PATIENCE_NS;
    start(&b, POOL__FOREVER, 1);
    bool ours = true;
    while (!is_done(&b) && pool__now_ns() < deadline_ns) {
        if (ours && pool__handover_release(&core, 0, generation) == POOL__CLAIM_MADE)
            pool__handover_give(&core, 0);
        ours = pool__slots_try_borrow(&core, 0, &slot, &generation);
    }
    bool served = is_done(&b);
    pool__queue_shut(&core);
    finish(&b);
    assert_true(served);
    assert_int_equal(b.outcome, POOL__GRANTED);
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_core_is_empty),
        TEST(no_more_slots_are_reserved_than_the_limit),
        TEST(slots_that_fail_to_open_are_empty_again),
        TEST(a_slot_is_borrowed_by_one_at_a_time),
        TEST(the_lowest_idle_slot_is_borrowed_first),
        TEST(a_thread_gets_the_slot_back_that_it_had_last),
        TEST(slots_beyond_the_first_sixty_four_are_found),
        TEST(a_slot_that_was_not_to_be_had_is_found_after_its_return),
        TEST(each_borrow_counts_as_a_use),
        TEST(only_idle_slots_are_reserved_for_chores),
        TEST(each_state_counts_once),
        TEST(a_ticket_can_be_claimed_once_at_a_time),
        TEST(a_slot_that_is_given_up_is_left_to_the_call_that_runs),
        TEST(a_slot_that_is_given_up_while_nothing_runs_is_claimed),
        TEST(a_borrow_for_one_call_is_claimed_already),
        TEST(a_call_in_progress_prevents_the_release),
        TEST(releasing_twice_is_refused),
        TEST(an_old_ticket_does_not_touch_the_next_borrow),
        TEST(a_ticket_is_stale_in_every_state_but_busy),
        TEST(a_ticket_outlives_no_reconnect),
        TEST(a_handed_over_slot_has_a_new_ticket),
        TEST(a_clean_slot_is_released_in_one_step),
        TEST(an_unclean_slot_is_claimed_by_its_release),
        TEST(a_slot_is_unclean_only_until_a_call_says_otherwise),
        TEST(what_the_last_borrower_left_does_not_reach_the_next),
        TEST(an_idle_slot_is_evicted_at_once),
        TEST(a_busy_slot_is_evicted_when_it_is_given_back),
        TEST(an_eviction_survives_calls_and_chores),
        TEST(an_evicted_slot_is_not_handed_over),
        TEST(a_slot_that_is_being_opened_is_evicted_when_it_is_open),
        TEST(what_is_closed_already_is_not_evicted),
        TEST(a_new_connection_does_not_inherit_an_eviction),
        TEST(whoever_joins_the_queue_gets_an_idle_slot_first),
        TEST(slots_go_to_waiters_in_the_order_of_their_coming),
        TEST(a_new_connection_goes_to_the_oldest_waiter),
        TEST(a_release_serves_a_waiter_whatever_the_fairness),
        TEST(a_hand_over_wakes_without_the_lock),
        TEST(many_waiters_are_failed_and_woken_once_each),
        TEST(only_those_who_waited_long_enough_are_failed),
        TEST(nobody_waits_in_a_new_queue),
        TEST(a_full_queue_refuses_until_somebody_leaves),
        TEST(one_waits_for_the_pool_alone_as_long_as_there_is_a_slot_for_it),
        TEST(whatever_the_pool_does_with_a_slot_one_waits_for_the_pool_and_not_for_a_borrower),
        TEST(one_who_is_there_again_goes_before_those_who_have_not_had_their_turn),
        TEST(one_who_is_there_again_does_not_go_before_one_who_is_nudged),
        TEST(those_who_waited_long_enough_are_failed_behind_one_who_is_there_again),
        TEST(one_who_gives_up_is_skipped),
        TEST(nobody_is_served_after_its_deadline),
        TEST(a_slot_for_which_all_came_too_late_is_idle),
        TEST(one_who_gives_up_after_the_grant_has_the_slot),
        TEST(a_hand_over_counts_as_a_use),
        TEST(a_granted_waiter_gets_the_flags_it_asked_for),
        TEST(a_shut_core_takes_no_waiters),
        TEST(shutting_fails_everybody_who_waits),
        TEST(while_it_drains_callbacks_may_queue_up_and_threads_may_not),
        TEST(when_the_drain_is_over_callbacks_are_failed_and_refused),
        TEST(a_borrower_can_return_after_the_shutting),
        TEST(a_sleeping_waiter_is_woken_by_a_return),
        TEST(sleeping_waiters_are_served_in_order),
        TEST(each_of_two_returns_wakes_a_waiter),
        TEST(a_waiter_is_never_timed_out_early),
        TEST(a_deadline_in_the_past_is_a_timeout_at_once),
        TEST(a_wake_up_for_nothing_does_not_end_the_wait),
        TEST(a_timeout_lets_the_next_one_have_the_slot),
        TEST(shutting_wakes_a_sleeping_waiter),
        TEST(a_waiter_is_served_soon_after_a_return),
        TEST(the_oldest_board_first_and_no_more_than_asked_for),
        TEST(nobody_boards_past_one_who_does_not_ride),
        TEST(nobody_boards_past_one_who_is_refused),
        TEST(those_whose_deadline_has_passed_do_not_board),
        TEST(nobody_boards_past_one_who_is_nudged),
        TEST(one_who_boards_takes_its_debt_along),
        TEST(one_aboard_is_neither_failed_nor_abandoned),
        TEST(a_callback_that_arrives_is_woken_once_without_the_lock),
        TEST(one_who_is_held_cannot_leave_until_it_sets_off_again),
        TEST(a_rider_leaves_at_the_earlier_of_its_limits_and_not_before),
        TEST(one_in_the_queue_looks_again_in_time_to_leave),
        TEST(a_sleeping_rider_is_woken_when_it_arrives),
        TEST(sleeping_riders_are_woken_together),
        TEST(a_sleeping_rider_leaves_by_itself_and_never_early),
        TEST(a_newcomer_cannot_overtake_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
