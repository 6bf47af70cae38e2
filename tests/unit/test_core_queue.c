/*
 * What pool/core promises of its queue, one promise per test, without a server: who is served,
 * when, and by whom somebody who sleeps is woken. See cores.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/core.h"
#include "core/followers.h"
#include "core/handover.h"
#include "core/queue.h"
#include "core/slots.h"
#include "core/waiter.h"
#include "cores.h"

/* Helpers */

/* Starts a borrower and waits until it is the `place`th in the queue, or was: its deadline
 * may have passed before anybody could look. */
static void start_borrower(struct borrower *b, uint64_t deadline_ns, unsigned place)
{
    *b = (struct borrower){.waiter = {.deadline_ns = deadline_ns}, .place = place};
    assert_int_equal(pthread_create(&b->thread, NULL, run_borrower, b), 0);
    assert_true(passes(is_in_its_place, b));
}

/* The queue */

static void whoever_joins_the_queue_gets_an_idle_slot_first(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct caller caller;
    assert_int_equal(enqueue(&caller), POOL__QUEUE_GRANTED);
    assert_int_equal(atomic_load(&core.waiting), 0);
    assert_int_equal(caller.woken, 0);
    uint32_t generation = (uint32_t)caller.waiter.generation;
    assert_int_equal(pool__handover_release(&core, caller.waiter.slot, generation),
                     POOL__CLAIM_RELEASED);
}

static void slots_go_to_waiters_in_the_order_of_their_coming(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct caller callers[20];
    pool__slots_claim(&core, 0, borrow_slot(0));
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(enqueue(&callers[i]), POOL__QUEUE_PENDING);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(pool__handover_give(&core, 0));
        for (unsigned k = 0; k < 20; k++)
            assert_int_equal(outcome_of(&callers[k]),
                             k <= i ? POOL__QUEUE_GRANTED : POOL__QUEUE_PENDING);
    }
}

static void a_new_connection_goes_to_the_oldest_waiter(void **state)
{
    (void)state;
    begin_core(1, 0, FAIR_NEVER);
    struct caller callers[2];
    unsigned slot;
    enqueue(&callers[0]);
    enqueue(&callers[1]);
    pool__slots_reserve_empty(&core, &slot);
    assert_true(pool__handover_give(&core, slot));
    assert_int_equal(outcome_of(&callers[0]), POOL__QUEUE_GRANTED);
    assert_int_equal(state_of(&callers[1]), POOL__WAITER_WAITING);
}

static void a_release_serves_a_waiter_whatever_the_fairness(void **state)
{
    (void)state;
    static const uint64_t fairness[] = {0, 1, MS, FAIR_NEVER};
    for (unsigned i = 0; i < 4; i++) {
        struct caller caller;
        begin_core(1, 1, fairness[i]);
        uint32_t generation = borrow_slot(0);
        enqueue(&caller);
        if (pool__handover_release(&core, 0, generation) == POOL__CLAIM_MADE)
            assert_true(pool__handover_give(&core, 0));
        assert_int_equal(outcome_of(&caller), POOL__QUEUE_GRANTED);
        assert_int_equal(caller.woken, 1);
        if (i < 3)
            end_core(NULL);
    }
}

static void a_hand_over_wakes_without_the_lock(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct caller caller;
    pool__slots_claim(&core, 0, borrow_slot(0));
    enqueue(&caller);
    pool__handover_give(&core, 0);
    assert_int_equal(caller.woken, 1);
    assert_false(caller.locked);
}

/* More waiters than one round of wake-ups holds. */
static void many_waiters_are_failed_and_woken_once_each(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct caller callers[50];
    for (unsigned i = 0; i < 50; i++)
        enqueue(&callers[i]);
    pool__queue_fail_waiters(&core, POOL__QUEUE_FAILED, POOL__FOREVER);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(outcome_of(&callers[i]), POOL__QUEUE_FAILED);
        assert_int_equal(callers[i].woken, 1);
        assert_false(callers[i].locked);
    }
    assert_int_equal(atomic_load(&core.waiting), 0);
}

static void only_those_who_waited_long_enough_are_failed(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct caller older, younger;
    enqueue(&older);
    enqueue(&younger);
    younger.waiter.enqueued_ns = older.waiter.enqueued_ns + 1;
    pool__queue_fail_waiters(&core, POOL__QUEUE_FAILED, older.waiter.enqueued_ns);
    assert_int_equal(outcome_of(&older), POOL__QUEUE_FAILED);
    assert_int_equal(state_of(&younger), POOL__WAITER_WAITING);
    assert_int_equal(pool__queue_oldest_ns(&core), younger.waiter.enqueued_ns);
}

static void nobody_waits_in_a_new_queue(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    assert_true(pool__queue_oldest_ns(&core) == POOL__FOREVER);
}

static void a_full_queue_refuses_until_somebody_leaves(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    borrow_slot(0);
    core.queue_limit = 2;
    struct caller callers[3];
    assert_int_equal(enqueue(&callers[0]), POOL__QUEUE_PENDING);
    assert_int_equal(enqueue(&callers[1]), POOL__QUEUE_PENDING);
    assert_int_equal(enqueue(&callers[2]), POOL__QUEUE_FULL);
    assert_int_equal(pool__queue_leave(&core, &callers[0].waiter), POOL__QUEUE_TIMED_OUT);
    assert_int_equal(enqueue(&callers[2]), POOL__QUEUE_PENDING);
}

static void one_waits_for_the_pool_alone_as_long_as_there_is_a_slot_for_it(void **state)
{
    (void)state;
    begin_core(4, 2, 0); /* two are empty */
    struct caller callers[4];
    borrow_slot(0);
    borrow_slot(1);
    pool__slots_to_chore(&core, 1);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(enqueue(&callers[i]), POOL__QUEUE_PENDING);
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
    begin_core(1, 0, 0);
    core.queue_limit = 0;
    for (unsigned i = 0; i < 5; i++) {
        struct caller caller;
        bool busy = states[i] == POOL__SLOT_BUSY;
        assert_int_equal(count_of(states[i]), 1);
        assert_int_equal(enqueue(&caller), busy ? POOL__QUEUE_FULL : POOL__QUEUE_PENDING);
        assert_int_equal(caller.waiter.behind, busy);
        if (!busy)
            pool__queue_leave(&core, &caller.waiter);
        if (i == 0)
            assert_true(pool__slots_reserve_empty(&core, &slot));
        else if (i == 1)
            assert_true(pool__handover_give(&core, 0) && borrow_slot(0));
        else if (busy)
            pool__slots_to_chore(&core, 0);
        else if (i == 3)
            pool__slots_to_closing(&core, 0);
    }
    assert_int_equal(atomic_load(&core.waiting), 0);
}

static void one_who_is_there_again_goes_before_those_who_have_not_had_their_turn(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct caller callers[4];
    pool__slots_claim(&core, 0, borrow_slot(0));
    enqueue(&callers[0]);
    for (unsigned i = 1; i < 4; i++) {
        callers[i] = (struct caller){.waiter = {.enqueued_ns = pool__now_ns(),
                                                .again = i < 3,
                                                .deadline_ns = POOL__FOREVER,
                                                .wake = note_wake}};
        assert_int_equal(pool__queue_enter(&core, &callers[i].waiter), POOL__QUEUE_PENDING);
    }
    static const unsigned order[] = {1, 2, 0, 3};
    for (unsigned i = 0; i < 4; i++) {
        assert_true(pool__handover_give(&core, 0));
        assert_int_equal(outcome_of(&callers[order[i]]), POOL__QUEUE_GRANTED);
        pool__slots_claim(&core, 0, (uint32_t)callers[order[i]].waiter.generation);
    }
}

/* The slot for which one was nudged is for the oldest: that must be the one who looks. */
static void one_who_is_there_again_does_not_go_before_one_who_is_nudged(void **state)
{
    (void)state;
    begin_core(1, 1, FAIR_NEVER);
    struct caller nudged;
    struct caller again = {
        .waiter = {.again = true, .deadline_ns = POOL__FOREVER, .wake = note_wake}};
    borrow_slot(0);
    enqueue(&nudged);
    pool__waiter_move_locked(&nudged.waiter, POOL__WAITER_NUDGED);
    atomic_store(&core.nudged, 1);
    assert_int_equal(pool__queue_enter(&core, &again.waiter), POOL__QUEUE_PENDING);
    assert_ptr_equal(core.queue.next, &nudged.waiter.link);
    pool__queue_leave(&core, &nudged.waiter);
}

/* Who is there again has come later than those behind it. */
static void those_who_waited_long_enough_are_failed_behind_one_who_is_there_again(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct caller old, young;
    struct caller again = {
        .waiter = {.again = true, .deadline_ns = POOL__FOREVER, .wake = note_wake}};
    enqueue(&old);
    enqueue(&young);
    young.waiter.enqueued_ns = old.waiter.enqueued_ns + 1;
    again.waiter.enqueued_ns = old.waiter.enqueued_ns + 2;
    pool__queue_enter(&core, &again.waiter);
    assert_true(pool__queue_oldest_ns(&core) == old.waiter.enqueued_ns);
    pool__queue_fail_waiters(&core, POOL__QUEUE_FAILED, old.waiter.enqueued_ns);
    assert_int_equal(outcome_of(&old), POOL__QUEUE_FAILED);
    assert_int_equal(state_of(&young), POOL__WAITER_WAITING);
    assert_int_equal(state_of(&again), POOL__WAITER_WAITING);
}

static void one_who_gives_up_is_skipped(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct caller callers[3];
    pool__slots_claim(&core, 0, borrow_slot(0));
    for (unsigned i = 0; i < 3; i++)
        enqueue(&callers[i]);
    pool__queue_leave(&core, &callers[0].waiter);
    pool__handover_give(&core, 0);
    assert_int_equal(outcome_of(&callers[0]), POOL__QUEUE_TIMED_OUT);
    assert_int_equal(callers[0].woken, 0);
    assert_int_equal(outcome_of(&callers[1]), POOL__QUEUE_GRANTED);
    assert_int_equal(state_of(&callers[2]), POOL__WAITER_WAITING);
    assert_int_equal(core.timeouts, 1);
}

/* Twenty: more than one round of wake-ups holds. */
static void nobody_is_served_after_its_deadline(void **state)
{
    (void)state;
    static const uint64_t fairness[] = {0, MS, FAIR_NEVER};
    for (unsigned i = 0; i < 3; i++) {
        struct caller late[20], last;
        begin_core(1, 1, fairness[i]);
        pool__slots_claim(&core, 0, borrow_slot(0));
        for (unsigned k = 0; k < 20; k++) {
            assert_int_equal(enqueue(&late[k]), POOL__QUEUE_PENDING);
            late[k].waiter.deadline_ns = late[k].waiter.enqueued_ns;
        }
        assert_int_equal(enqueue(&last), POOL__QUEUE_PENDING);
        assert_true(pool__handover_give(&core, 0));
        for (unsigned k = 0; k < 20; k++) {
            assert_int_equal(outcome_of(&late[k]), POOL__QUEUE_TIMED_OUT);
            assert_int_equal(late[k].woken, 1);
            assert_false(late[k].locked);
        }
        assert_int_equal(outcome_of(&last), POOL__QUEUE_GRANTED);
        assert_int_equal(core.timeouts, 20);
        if (i < 2)
            end_core(NULL);
    }
}

static void a_slot_for_which_all_came_too_late_is_idle(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct caller late;
    uint32_t generation = borrow_slot(0);
    enqueue(&late);
    late.waiter.deadline_ns = late.waiter.enqueued_ns;
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
    assert_int_equal(outcome_of(&late), POOL__QUEUE_TIMED_OUT);
    assert_int_equal(late.woken, 1);
    assert_int_equal(atomic_load(&core.waiting), 0);
    assert_int_equal(count_of(POOL__SLOT_IDLE), 1);
}

static void one_who_gives_up_after_the_grant_has_the_slot(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct caller caller;
    pool__slots_claim(&core, 0, borrow_slot(0));
    enqueue(&caller);
    pool__handover_give(&core, 0);
    assert_int_equal(pool__queue_leave(&core, &caller.waiter), POOL__QUEUE_GRANTED);
    assert_int_equal(core.timeouts, 0);
    assert_int_equal(pool__slots_claim(&core, 0, (uint32_t)caller.waiter.generation),
                     POOL__CLAIM_MADE);
}

static void a_hand_over_counts_as_a_use(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct caller caller;
    pool__slots_claim(&core, 0, borrow_slot(0));
    enqueue(&caller);
    pool__handover_give(&core, 0);
    assert_int_equal(atomic_load(&core.slots[0].uses), 2);
}

static void a_granted_waiter_gets_the_flags_it_asked_for(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct caller caller = {.waiter = {.enqueued_ns = pool__now_ns(),
                                       .flags = POOL__SLOT_CLAIMED,
                                       .deadline_ns = POOL__FOREVER,
                                       .wake = note_wake}};
    pool__slots_claim(&core, 0, borrow_slot(0));
    assert_int_equal(pool__queue_enter(&core, &caller.waiter), POOL__QUEUE_PENDING);
    pool__handover_give(&core, 0);
    assert_int_equal(pool__slots_claim(&core, 0, (uint32_t)caller.waiter.generation),
                     POOL__CLAIM_IN_USE);
}

/* The end */

static void a_shut_core_takes_no_waiters(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct caller caller;
    pool__queue_shut(&core);
    assert_int_equal(enqueue(&caller), POOL__QUEUE_SHUT);
    assert_int_equal(atomic_load(&core.waiting), 0);
}

static void shutting_fails_everybody_who_waits(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct caller callers[10];
    for (unsigned i = 0; i < 10; i++)
        enqueue(&callers[i]);
    pool__queue_shut(&core);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(outcome_of(&callers[i]), POOL__QUEUE_SHUT);
    assert_int_equal(atomic_load(&core.waiting), 0);
}

static void while_it_drains_callbacks_may_queue_up_and_threads_may_not(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct caller callback;
    struct pool__waiter thread = {.deadline_ns = POOL__FOREVER};
    uint32_t generation = borrow_slot(0);
    pool__queue_set_drains(&core, true);
    pool__queue_shut(&core);
    assert_int_equal(pool__queue_enter(&core, &thread), POOL__QUEUE_SHUT);
    assert_int_equal(enqueue(&callback), POOL__QUEUE_PENDING);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
    assert_int_equal(outcome_of(&callback), POOL__QUEUE_GRANTED);
}

static void when_the_drain_is_over_callbacks_are_failed_and_refused(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct caller early, late;
    pool__queue_set_drains(&core, true);
    pool__queue_shut(&core);
    assert_int_equal(enqueue(&early), POOL__QUEUE_PENDING);
    pool__queue_set_drains(&core, false);
    pool__queue_shut(&core);
    assert_int_equal(outcome_of(&early), POOL__QUEUE_SHUT);
    assert_int_equal(enqueue(&late), POOL__QUEUE_SHUT);
}

static void a_borrower_can_return_after_the_shutting(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
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
        begin_core(1, 1, fairness[i]);
        uint32_t generation = borrow_slot(0);
        start_borrower(&b, POOL__FOREVER, 1);
        if (pool__handover_release(&core, 0, generation) == POOL__CLAIM_MADE)
            pool__handover_give(&core, 0);
        finish_borrower(&b);
        assert_int_equal(b.outcome, POOL__QUEUE_GRANTED);
        if (i < 2)
            end_core(NULL);
    }
}

static void sleeping_waiters_are_served_in_order(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct borrower b[5];
    pool__slots_claim(&core, 0, borrow_slot(0));
    for (unsigned i = 0; i < 5; i++)
        start_borrower(&b[i], POOL__FOREVER, i + 1);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(pool__handover_give(&core, 0));
        finish_borrower(&b[i]);
        assert_int_equal(b[i].outcome, POOL__QUEUE_GRANTED);
        assert_int_equal(atomic_load(&core.waiting), 4 - i);
    }
}

/* Two returns come before the first waiter has woken. */
static void each_of_two_returns_wakes_a_waiter(void **state)
{
    (void)state;
    begin_core(2, 2, FAIR_NEVER);
    struct borrower b[2];
    uint32_t generations[2] = {borrow_slot(0), borrow_slot(1)};
    start_borrower(&b[0], POOL__FOREVER, 1);
    start_borrower(&b[1], POOL__FOREVER, 2);
    pool__handover_release(&core, 0, generations[0]);
    pool__handover_release(&core, 1, generations[1]);
    bool served = passes(is_done, &b[0]) && passes(is_done, &b[1]);
    pool__queue_shut(&core); /* so that this test ends in any case */
    finish_borrower(&b[0]);
    finish_borrower(&b[1]);
    assert_true(served);
    assert_int_equal(b[0].outcome, POOL__QUEUE_GRANTED);
    assert_int_equal(b[1].outcome, POOL__QUEUE_GRANTED);
}

static void a_waiter_is_never_timed_out_early(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    for (unsigned i = 0; i < 20; i++) {
        struct pool__waiter waiter = {.enqueued_ns = pool__now_ns()};
        waiter.deadline_ns = waiter.enqueued_ns + i * MS / 4;
        assert_int_equal(pool__queue_enter(&core, &waiter), POOL__QUEUE_PENDING);
        assert_int_equal(pool__queue_wait(&core, &waiter), POOL__QUEUE_TIMED_OUT);
        assert_true(pool__now_ns() >= waiter.deadline_ns);
    }
    assert_int_equal(atomic_load(&core.waiting), 0);
}

static void a_deadline_in_the_past_is_a_timeout_at_once(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct pool__waiter waiter = {.enqueued_ns = pool__now_ns(), .deadline_ns = 1};
    assert_int_equal(pool__queue_enter(&core, &waiter), POOL__QUEUE_PENDING);
    assert_int_equal(pool__queue_wait(&core, &waiter), POOL__QUEUE_TIMED_OUT);
}

static void a_wake_up_for_nothing_does_not_end_the_wait(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct borrower b;
    uint64_t deadline_ns = pool__now_ns() + 20 * MS;
    start_borrower(&b, deadline_ns, 1);
    while (!is_done(&b))
        pool__unpark_all(&core.benches[0], UINT32_MAX);
    finish_borrower(&b);
    assert_int_equal(b.outcome, POOL__QUEUE_TIMED_OUT);
    assert_true(b.returned_ns >= deadline_ns);
}

static void a_timeout_lets_the_next_one_have_the_slot(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct borrower first, second;
    pool__slots_claim(&core, 0, borrow_slot(0));
    start_borrower(&second, pool__now_ns() + 5 * MS, 1);
    finish_borrower(&second);
    start_borrower(&first, POOL__FOREVER, 1);
    assert_true(pool__handover_give(&core, 0));
    finish_borrower(&first);
    assert_int_equal(second.outcome, POOL__QUEUE_TIMED_OUT);
    assert_int_equal(first.outcome, POOL__QUEUE_GRANTED);
}

static void shutting_wakes_a_sleeping_waiter(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct borrower b;
    start_borrower(&b, POOL__FOREVER, 1);
    pool__queue_shut(&core);
    finish_borrower(&b);
    assert_int_equal(b.outcome, POOL__QUEUE_SHUT);
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
        begin_core(1, 1, fairness[i]);
        for (unsigned k = 0; k < SERVINGS; k++) {
            struct borrower b;
            uint32_t generation = borrow_slot(0);
            start_borrower(&b, POOL__FOREVER, 1);
            uint64_t returned_ns = pool__now_ns();
            if (pool__handover_release(&core, 0, generation) == POOL__CLAIM_MADE)
                pool__handover_give(&core, 0);
            finish_borrower(&b);
            took_ns[k] = b.returned_ns - returned_ns;
            pool__handover_release(&core, 0, (uint32_t)b.waiter.generation);
        }
        qsort(took_ns, SERVINGS, sizeof took_ns[0], by_size);
        print_message("           median of %u: %.3f ms; the longest: %.3f ms\n", SERVINGS,
                      (double)took_ns[SERVINGS / 2] / 1e6, (double)took_ns[SERVINGS - 1] / 1e6);
        assert_in_range(took_ns[SERVINGS / 2], 0, 20 * MS);
        if (i < 2)
            end_core(NULL);
    }
}

/* Overtaking */

/* Somebody returns and takes the slot again, as fast as a thread can. */
static void a_newcomer_cannot_overtake_for_ever(void **state)
{
    (void)state;
    begin_core(1, 1, MS);
    struct borrower b;
    unsigned slot;
    uint32_t generation = borrow_slot(0);
    uint64_t deadline_ns = pool__now_ns() + PATIENCE_NS;
    start_borrower(&b, POOL__FOREVER, 1);
    bool ours = true;
    while (!is_done(&b) && pool__now_ns() < deadline_ns) {
        if (ours && pool__handover_release(&core, 0, generation) == POOL__CLAIM_MADE)
            pool__handover_give(&core, 0);
        ours = pool__slots_try_borrow(&core, 0, &slot, &generation);
    }
    bool served = is_done(&b);
    pool__queue_shut(&core);
    finish_borrower(&b);
    assert_true(served);
    assert_int_equal(b.outcome, POOL__QUEUE_GRANTED);
}

#define TEST(name) cmocka_unit_test_teardown(name, end_core)

/* The table of legal moves: a row for each state that is left, a column for each that is entered.
 */
static void a_waiter_moves_only_as_its_table_says(void **unused)
{
    (void)unused;
    static const char *const legal[POOL__WAITER_STATES] = {
        [POOL__WAITER_WAITING] = ".xx.x", [POOL__WAITER_NUDGED] = "x...x",
        [POOL__WAITER_TAKEN] = "...xx",   [POOL__WAITER_SENT] = "..x.x",
        [POOL__WAITER_ENDED] = ".....",
    };
    for (unsigned from = 0; from < POOL__WAITER_STATES; from++)
        for (unsigned to = 0; to < POOL__WAITER_STATES; to++)
            assert_int_equal(pool__waiter_may_move(from, to), legal[from][to] == 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        TEST(a_newcomer_cannot_overtake_for_ever),
        cmocka_unit_test(a_waiter_moves_only_as_its_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
