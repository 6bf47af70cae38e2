/*
 * What pool/core promises of those who go along with others, one promise per test, without a
 * server: who boards, who arrives, and who may leave. See cores.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/benches.h"
#include "core/core.h"
#include "core/followers.h"
#include "core/handover.h"
#include "core/queue.h"
#include "core/waiter.h"
#include "cores.h"

/* One that may be taken along. */
static enum pool__queue_result enqueue_rider(struct caller *caller, uint64_t deadline_ns,
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
        assert_int_equal(enqueue_rider(&callers[i], POOL__FOREVER, POOL__FOREVER),
                         POOL__QUEUE_PENDING);
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
    begin_core(1, 0, 0);
    struct caller callers[5];
    struct pool__waiter *aboard[8];
    enqueue_riders(callers, 5);
    assert_int_equal(board(3, aboard), 3);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(state_of(&callers[i]), i < 3 ? POOL__WAITER_TAKEN : POOL__WAITER_WAITING);
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
    begin_core(1, 0, 0);
    struct caller callers[3];
    struct pool__waiter *aboard[8];
    enqueue_riders(&callers[0], 1);
    enqueue(&callers[1]);
    enqueue_rider(&callers[2], POOL__FOREVER, POOL__FOREVER);
    assert_int_equal(board(8, aboard), 1);
    assert_int_equal(state_of(&callers[0]), POOL__WAITER_TAKEN);
    assert_int_equal(board(8, aboard), 0);
    assert_int_equal(state_of(&callers[2]), POOL__WAITER_WAITING);
    assert_int_equal(atomic_load(&core.waiting), 2);
}

static void nobody_boards_past_one_who_is_refused(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct caller callers[3];
    struct pool__waiter *aboard[8];
    enqueue_riders(callers, 3);
    assert_int_equal(pool__followers_take(&core, 8, anybody_but, &callers[1].waiter, aboard), 1);
    assert_int_equal(state_of(&callers[0]), POOL__WAITER_TAKEN);
    assert_int_equal(state_of(&callers[1]), POOL__WAITER_WAITING);
    assert_int_equal(state_of(&callers[2]), POOL__WAITER_WAITING);
}

static void those_whose_deadline_has_passed_do_not_board(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct caller callers[2];
    struct pool__waiter *aboard[2];
    enqueue_rider(&callers[0], 1, POOL__FOREVER);
    enqueue_rider(&callers[1], POOL__FOREVER, POOL__FOREVER);
    assert_int_equal(board(2, aboard), 1);
    assert_ptr_equal(aboard[0], &callers[1].waiter);
    assert_int_equal(pool__queue_leave(&core, &callers[0].waiter), POOL__QUEUE_TIMED_OUT);
}

/* It has been woken to look for a slot, and whoever returned that counts on it. */
static void nobody_boards_past_one_who_is_nudged(void **state)
{
    (void)state;
    begin_core(1, 0, FAIR_NEVER);
    struct caller callers[2];
    struct pool__waiter *aboard[2];
    enqueue_riders(callers, 2);
    pool__waiter_move_locked(&callers[0].waiter, POOL__WAITER_NUDGED);
    assert_int_equal(board(2, aboard), 0);
    assert_int_equal(state_of(&callers[0]), POOL__WAITER_NUDGED);
    assert_int_equal(state_of(&callers[1]), POOL__WAITER_WAITING);
}

static void one_who_boards_takes_its_debt_along(void **state)
{
    (void)state;
    begin_core(1, 0, FAIR_NEVER);
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
    begin_core(1, 0, 0);
    struct caller caller;
    struct pool__waiter *aboard[1];
    enqueue_riders(&caller, 1);
    assert_int_equal(board(1, aboard), 1);
    pool__queue_shut(&core);
    assert_int_equal(pool__queue_leave(&core, &caller.waiter), POOL__QUEUE_PENDING);
    assert_int_equal(state_of(&caller), POOL__WAITER_TAKEN);
    assert_int_equal(core.timeouts, 0);
    assert_int_equal(caller.woken, 0);
}

static void a_callback_that_arrives_is_woken_once_without_the_lock(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct caller callers[2];
    struct pool__waiter *aboard[2];
    enqueue_riders(callers, 2);
    assert_int_equal(board(2, aboard), 2);
    pool__waiter_sent(aboard[0]);
    for (unsigned i = 0; i < 2; i++) { /* the second has never set off */
        assert_true(arrive(aboard[i]));
        assert_int_equal(outcome_of(&callers[i]), POOL__QUEUE_DONE);
        assert_int_equal(callers[i].woken, 1);
        assert_false(callers[i].locked);
    }
}

static void one_who_is_held_cannot_leave_until_it_sets_off_again(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct caller caller;
    struct pool__waiter *aboard[1];
    uint64_t next_ns = 0, later = pool__now_ns() + 100 * MS;
    enqueue_rider(&caller, POOL__FOREVER, 1);
    assert_int_equal(board(1, aboard), 1);
    pool__waiter_sent(aboard[0]);
    assert_true(pool__waiter_hold(aboard[0]));
    assert_false(pool__queue_look(&core, aboard[0], later, &next_ns));
    assert_int_equal(pool__waiter_state(aboard[0]), POOL__WAITER_TAKEN);
    assert_true(next_ns > later);
    pool__waiter_sent(aboard[0]);
    assert_true(pool__queue_look(&core, aboard[0], later, &next_ns));
    assert_int_equal(pool__waiter_result(aboard[0]), POOL__QUEUE_ABANDONED);
    assert_false(pool__waiter_hold(aboard[0]));
    assert_false(arrive(aboard[0]));
    assert_int_equal(caller.woken, 0);
}

static void a_rider_leaves_at_the_earlier_of_its_limits_and_not_before(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct caller caller;
        struct pool__waiter *aboard[1];
        uint64_t next_ns = 0, far = pool__now_ns() + 3600 * 1000 * MS;
        enqueue_rider(&caller, i ? far : POOL__FOREVER, i ? POOL__FOREVER : 3600 * 1000 * MS);
        assert_int_equal(board(1, aboard), 1);
        pool__waiter_sent(aboard[0]);
        uint64_t abandon_ns = i ? far : caller.waiter.taken_ns + 3600 * 1000 * MS;
        assert_false(pool__queue_look(&core, aboard[0], abandon_ns - 1, &next_ns));
        assert_int_equal(pool__waiter_state(aboard[0]), POOL__WAITER_SENT);
        assert_true(next_ns == abandon_ns);
        assert_true(pool__queue_look(&core, aboard[0], abandon_ns, &next_ns));
        assert_int_equal(pool__waiter_result(aboard[0]), POOL__QUEUE_ABANDONED);
    }
}

/* Nobody wakes one who boards: it has to look often enough by itself. */
static void one_in_the_queue_looks_again_in_time_to_leave(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    struct caller caller;
    uint64_t next_ns = 0, now = pool__now_ns();
    enqueue_rider(&caller, now + 3600 * 1000 * MS, 5 * MS);
    assert_false(pool__queue_look(&core, &caller.waiter, now, &next_ns));
    assert_int_equal(pool__waiter_state(&caller.waiter), POOL__WAITER_WAITING);
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
    begin_core(1, 0, 0);
    start_rider(&b, 1, POOL__FOREVER);
    assert_int_equal(board(1, aboard), 1);
    pool__waiter_sent(aboard[0]);
    assert_true(arrive(aboard[0]));
    finish_borrower(&b);
    assert_int_equal(b.outcome, POOL__QUEUE_DONE);
}

/* From that place on; `wakes_0` and `wakes_1` are the system calls that it takes, per bench. */
static void assert_woken_together(uint32_t place, unsigned wakes_0, unsigned wakes_1)
{
    enum { RIDERS = 4 };
    static struct borrower riders[RIDERS];
    struct pool__waiter *aboard[RIDERS];
    struct pool__wakes wakes = {0};
    core.bench_places = place;
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
        finish_borrower(&riders[i]);
        assert_int_equal(riders[i].outcome, POOL__QUEUE_DONE);
    }
    assert_int_equal(core.benches[0], wakes_0);
    assert_int_equal(core.benches[1], wakes_1);
}

static void sleeping_riders_are_woken_together(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    assert_woken_together(0, 1, 0);
    assert_woken_together(POOL__BENCH_PLACES - 1, 1, 1);
    assert_woken_together(UINT32_MAX - 1, 1, 0); /* the last bench, and the first */
}

static void a_sleeping_rider_leaves_by_itself_and_never_early(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    for (unsigned i = 0; i < 10; i++) {
        static struct borrower b;
        struct pool__waiter *aboard[1];
        start_rider(&b, 1, i * MS / 2);
        assert_int_equal(board(1, aboard), 1);
        pool__waiter_sent(aboard[0]);
        finish_borrower(&b);
        assert_int_equal(b.outcome, POOL__QUEUE_ABANDONED);
        assert_true(b.returned_ns >= b.waiter.taken_ns + i * MS / 2);
        assert_false(arrive(aboard[0]));
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, end_core)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
