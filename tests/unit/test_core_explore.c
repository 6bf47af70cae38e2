/*
 * Every interleaving of a few borrows, returns and the like (pool/core compiled with
 * POOL__EXPLORE), up to a bounded number of interruptions; see explore_core.h and explore_world.h.
 * Each test also says what must have come up in some schedule, so that none is empty talk.
 *
 * The number of interruptions is the scenario's own; MYPOOL_EXPLORE_MORE=1 allows one
 * more everywhere (minutes); sanitizers get fewer. MYPOOL_EXPLORE_STOP=1 ends
 * the program at the first failure (tests/tools/mutants.sh).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "explore_world.h"

/* Borrow and return */

static void two_threads_share_one_slot(void **state)
{
    (void)state;
    EXPLORE(4, SEEN_GRANT | SEEN_FIRST_TRY | SEEN_QUICK | SEEN_LONG, .limit = 1, .idle = 1,
            .threads = {borrows_twice, borrows_twice});
}

static void three_threads_share_one_slot(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_LONG, .limit = 1, .idle = 1,
            .threads = {borrows_once, borrows_once, borrows_once});
}

static void calls_and_borrows_share_one_slot(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT, .limit = 1, .idle = 1,
            .threads = {borrows_for_a_call, borrows_once, borrows_for_a_call});
}

static void three_threads_share_two_slots(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT | SEEN_QUICK, .limit = 2, .idle = 2,
            .threads = {borrows_twice, borrows_twice, borrows_once});
}

static void two_returns_serve_a_waiter(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_FIRST_TRY, .limit = 2, .held = 2,
            .threads = {returns_slot_0, returns_slot_1, borrows_once});
}

static void two_returns_by_one_thread_serve_two_waiters(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT, .limit = 2, .held = 2, .hoarded = true,
            .threads = {returns_both, borrows_and_keeps, borrows_and_keeps});
}

static void a_return_and_a_hand_over_serve_two_waiters(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT, .limit = 2, .held = 2, .hoarded = true,
            .threads = {returns_one_gives_the_other, borrows_and_keeps, borrows_and_keeps});
}

static void one_who_is_there_again_takes_no_slot_from_one_who_was_nudged(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT, .limit = 2, .held = 2, .hoarded = true,
            .threads = {returns_both, borrows_and_keeps, borrows_again_and_keeps});
}

/* Each of them has the only slot for a moment, and is no caller. */
static void a_lone_caller_is_not_refused_for_what_the_pool_does(void **state)
{
    (void)state;
    EXPLORE(5, SEEN_GRANT | SEEN_FIRST_TRY, .limit = 1, .idle = 1, .no_queue = true,
            .threads = {pings_slot_0_if_idle, borrows_once});
    assert_false(seen & SEEN_REFUSED);
    EXPLORE(5, SEEN_GRANT, .limit = 1, .no_queue = true,
            .threads = {opens_all_that_is_empty, borrows_once});
    assert_false(seen & SEEN_REFUSED);
    EXPLORE(5, SEEN_GRANT | SEEN_EVICTED, .limit = 1, .idle = 1, .no_queue = true, .evicted = true,
            .may_end_closed = true, .threads = {evicts_slot_0_and_opens, borrows_once});
    assert_false(seen & SEEN_REFUSED);
}

static void a_timeout_leaves_the_slot_to_one_who_keeps_it(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_TIMEOUT, .limit = 1, .held = 1,
            .threads = {returns_slot_0, borrows_for_a_while, borrows_and_keeps});
}

static void failing_the_older_leaves_the_slot_to_the_younger(void **state)
{
    (void)state;
    EXPLORE(
        3, SEEN_GRANT | SEEN_FAILED, .limit = 1, .held = 1,
        .threads = {returns_slot_0_and_fails_the_older, borrows_for_a_while, borrows_and_keeps});
}

/* The map says idle and is wrong, while the return that makes it right is under way. */
static void clearing_a_wrong_bit_hides_no_return(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_QUICK, .limit = 1, .held = 1,
            .threads = {returns_slot_0, borrows_once, tries_once});
}

/* The bit stays wrong between clearing and second look: whoever comes then must not wait. */
static void a_failed_try_hides_no_return(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_FIRST_TRY | SEEN_QUICK, .limit = 1, .held = 1,
            .threads = {returns_slot_0, tries_once, tries_once});
}

/* Timeouts */

static void a_grant_and_a_timeout_have_one_winner(void **state)
{
    (void)state;
    EXPLORE(5, SEEN_GRANT | SEEN_TIMEOUT, .limit = 1, .held = 1,
            .threads = {returns_slot_0, borrows_for_a_while});
}

static void a_timeout_passes_the_slot_to_the_next(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_TIMEOUT, .limit = 1, .held = 1,
            .threads = {returns_slot_0, borrows_for_a_while, borrows_once});
}

static void two_timeouts_lose_no_slot(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT | SEEN_TIMEOUT, .limit = 1, .held = 1,
            .threads = {gives_slot_0, borrows_for_a_while, borrows_for_a_while});
}

static void a_callback_runs_once_without_the_lock_or_not_at_all(void **state)
{
    (void)state;
    EXPLORE(4, SEEN_GRANT | SEEN_TIMEOUT, .limit = 1, .held = 1,
            .threads = {returns_slot_0, waits_by_callback_then_abandons});
}

static void failing_the_waiters_races_with_a_return_and_a_timeout(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_TIMEOUT | SEEN_FAILED, .limit = 1, .held = 1,
            .threads = {returns_slot_0, borrows_for_a_while, fails_waiters});
}

/* Eviction */

static void an_evicted_slot_is_closed_once_by_returner_or_evictor(void **state)
{
    (void)state;
    EXPLORE(6, SEEN_CLOSE | SEEN_EVICTED, .limit = 1, .held = 1, .evicted = true,
            .threads = {returns_slot_0, evicts_slot_0});
}

/* Back before the eviction comes, and perhaps lent again. */
static void a_slot_that_was_seen_busy_is_closed_once_wherever_it_is(void **state)
{
    (void)state;
    EXPLORE(4, SEEN_BUSY | SEEN_CLOSE | SEEN_EVICTED, .limit = 1, .held = 1,
            .evicted_if_seen = true,
            .threads = {returns_slot_0, evicts_slot_0_once_seen_busy, tries_once});
}

static void an_eviction_during_a_call_is_remembered(void **state)
{
    (void)state;
    EXPLORE(6, SEEN_CLOSE | SEEN_EVICTED, .limit = 1, .held = 1, .evicted = true,
            .threads = {runs_a_call_and_returns_slot_0, evicts_slot_0});
}

static void an_eviction_before_a_chore_is_remembered(void **state)
{
    (void)state;
    EXPLORE(6, SEEN_CLOSE | SEEN_EVICTED, .limit = 1, .held = 1, .evicted = true,
            .threads = {returns_through_a_chore, evicts_slot_0});
}

static void an_eviction_during_a_ping_is_remembered(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_CLOSE | SEEN_EVICTED, .limit = 1, .idle = 1, .evicted = true,
            .threads = {pings_slot_0_if_idle, evicts_slot_0, tries_once});
}

static void an_eviction_leaves_no_waiter_behind(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_CLOSE | SEEN_EVICTED | SEEN_GRANT, .limit = 1, .held = 1, .evicted = true,
            .threads = {returns_slot_0_and_opens, evicts_slot_0_and_opens, borrows_once});
}

static void a_replaced_connection_serves_the_waiters(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT, .limit = 1, .held = 1,
            .threads = {replaces_slot_0, borrows_once, borrows_once});
}

static void two_openers_share_the_empty_slots(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT, .limit = 2,
            .threads = {opens_all_that_is_empty, opens_all_that_is_empty, borrows_once});
}

static void a_ping_leaves_no_waiter_behind(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT, .limit = 1, .idle = 1,
            .threads = {pings_slot_0_if_idle, borrows_once, borrows_once});
}

/* Tickets */

static void one_of_two_releases_of_a_ticket_succeeds(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_STALE | SEEN_GRANT, .limit = 1, .held = 1, .shared = true,
            .threads = {releases_the_shared_ticket, releases_the_shared_ticket, borrows_once});
}

static void a_release_and_a_call_exclude_each_other(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_STALE | SEEN_RUNNING, .limit = 1, .held = 1, .shared = true,
            .threads = {releases_the_shared_ticket, gives_by_the_shared_ticket, borrows_once});
}

static void an_old_ticket_never_works_on_a_later_borrow(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_STALE | SEEN_GRANT | SEEN_FIRST_TRY, .limit = 1, .held = 1,
            .threads = {claims_with_an_old_ticket, borrows_once, borrows_once});
}

/* Riders */

static void a_waiter_is_taken_along_or_served_and_never_both(void **state)
{
    (void)state;
    EXPLORE(4, SEEN_GRANT | SEEN_ARRIVED | SEEN_ALONE, .limit = 1, .held = 1,
            .threads = {leads_and_gives_slot_0, rides_or_borrows});
}

static void boarding_and_a_timeout_have_one_winner(void **state)
{
    (void)state;
    EXPLORE(4, SEEN_GRANT | SEEN_ARRIVED | SEEN_TIMEOUT | SEEN_LEFT, .limit = 1, .held = 1,
            .threads = {leads_and_gives_slot_0, rides_or_borrows_for_a_while});
}

static void a_rider_arrives_or_leaves_whether_it_is_held_or_not(void **state)
{
    (void)state;
    EXPLORE(4, SEEN_GRANT | SEEN_ARRIVED | SEEN_LEFT, .limit = 1, .held = 1,
            .threads = {leads_twice_and_gives_slot_0, rides_for_a_while});
}

static void boarding_takes_no_wake_up_from_who_waits_behind(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT | SEEN_ARRIVED, .limit = 1, .held = 1,
            .threads = {leads_and_gives_slot_0, rides_or_borrows_for_a_while, borrows_and_keeps});
}

static void boarding_and_a_return_serve_two_waiters(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT | SEEN_ARRIVED, .limit = 2, .held = 2,
            .threads = {leads_and_gives_slot_0, returns_slot_1, rides_or_borrows});
}

static void two_riders_are_served_once_each(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT | SEEN_ARRIVED | SEEN_LEFT, .limit = 1, .held = 1,
            .threads = {leads_twice_and_gives_slot_0, rides_or_borrows, rides_for_a_while});
}

static void shutting_leaves_those_aboard_alone(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT | SEEN_ARRIVED | SEEN_SHUT, .limit = 1, .held = 1,
            .threads = {leads_and_gives_slot_0, rides_or_borrows, shuts});
}

/* The end */

static void shutting_grants_or_fails_every_waiter(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_SHUT | SEEN_FIRST_TRY, .limit = 1, .held = 1,
            .threads = {returns_slot_0, borrows_once, shuts});
}

static void shutting_fails_many_waiters_beside_a_timeout(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_SHUT | SEEN_TIMEOUT, .limit = 1, .may_end_closed = true,
            .threads = {shuts, borrows_once, borrows_for_a_while});
}

static void the_end_closes_what_no_borrower_has(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_SHUT, .limit = 1, .held = 1, .may_end_closed = true,
            .threads = {returns_slot_0, borrows_once, shuts_and_closes_idle});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_share_one_slot),
        cmocka_unit_test(three_threads_share_one_slot),
        cmocka_unit_test(calls_and_borrows_share_one_slot),
        cmocka_unit_test(three_threads_share_two_slots),
        cmocka_unit_test(two_returns_serve_a_waiter),
        cmocka_unit_test(two_returns_by_one_thread_serve_two_waiters),
        cmocka_unit_test(a_return_and_a_hand_over_serve_two_waiters),
        cmocka_unit_test(one_who_is_there_again_takes_no_slot_from_one_who_was_nudged),
        cmocka_unit_test(a_lone_caller_is_not_refused_for_what_the_pool_does),
        cmocka_unit_test(a_timeout_leaves_the_slot_to_one_who_keeps_it),
        cmocka_unit_test(failing_the_older_leaves_the_slot_to_the_younger),
        cmocka_unit_test(clearing_a_wrong_bit_hides_no_return),
        cmocka_unit_test(a_failed_try_hides_no_return),
        cmocka_unit_test(a_grant_and_a_timeout_have_one_winner),
        cmocka_unit_test(a_timeout_passes_the_slot_to_the_next),
        cmocka_unit_test(two_timeouts_lose_no_slot),
        cmocka_unit_test(a_callback_runs_once_without_the_lock_or_not_at_all),
        cmocka_unit_test(failing_the_waiters_races_with_a_return_and_a_timeout),
        cmocka_unit_test(an_evicted_slot_is_closed_once_by_returner_or_evictor),
        cmocka_unit_test(a_slot_that_was_seen_busy_is_closed_once_wherever_it_is),
        cmocka_unit_test(an_eviction_during_a_call_is_remembered),
        cmocka_unit_test(an_eviction_before_a_chore_is_remembered),
        cmocka_unit_test(an_eviction_during_a_ping_is_remembered),
        cmocka_unit_test(an_eviction_leaves_no_waiter_behind),
        cmocka_unit_test(a_replaced_connection_serves_the_waiters),
        cmocka_unit_test(two_openers_share_the_empty_slots),
        cmocka_unit_test(a_ping_leaves_no_waiter_behind),
        cmocka_unit_test(one_of_two_releases_of_a_ticket_succeeds),
        cmocka_unit_test(a_release_and_a_call_exclude_each_other),
        cmocka_unit_test(an_old_ticket_never_works_on_a_later_borrow),
        cmocka_unit_test(a_waiter_is_taken_along_or_served_and_never_both),
        cmocka_unit_test(boarding_and_a_timeout_have_one_winner),
        cmocka_unit_test(a_rider_arrives_or_leaves_whether_it_is_held_or_not),
        cmocka_unit_test(boarding_takes_no_wake_up_from_who_waits_behind),
        cmocka_unit_test(boarding_and_a_return_serve_two_waiters),
        cmocka_unit_test(two_riders_are_served_once_each),
        cmocka_unit_test(shutting_leaves_those_aboard_alone),
        cmocka_unit_test(shutting_grants_or_fails_every_waiter),
        cmocka_unit_test(shutting_fails_many_waiters_beside_a_timeout),
        cmocka_unit_test(the_end_closes_what_no_borrower_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
