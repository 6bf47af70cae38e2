/*
 * What pool/core promises of its slots, one promise per test, without a server: who borrows which,
 * what a ticket is good for, how a slot is released and evicted. See cores.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/core.h"
#include "core/handover.h"
#include "core/slots.h"
#include "cores.h"

/* Helpers */

static bool nothing_to_borrow(void)
{
    unsigned slot;
    uint32_t generation;
    return !pool__slots_try_borrow(&core, 0, &slot, &generation);
}

/* Slots */

static void a_new_core_is_empty(void **state)
{
    (void)state;
    begin_core(3, 0, 0);
    assert_int_equal(count_of(POOL__SLOT_EMPTY), 3);
    assert_true(nothing_to_borrow());
}

static void no_more_slots_are_reserved_than_the_limit(void **state)
{
    (void)state;
    begin_core(2, 0, 0);
    unsigned slot;
    assert_true(pool__slots_reserve_empty(&core, &slot));
    assert_true(pool__slots_reserve_empty(&core, &slot));
    assert_false(pool__slots_reserve_empty(&core, &slot));
    assert_int_equal(count_of(POOL__SLOT_OPENING), 2);
}

static void slots_that_fail_to_open_are_empty_again(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    unsigned slot;
    assert_true(pool__slots_reserve_empty(&core, &slot));
    pool__slots_to_empty(&core, slot);
    assert_int_equal(count_of(POOL__SLOT_EMPTY), 1);
    assert_true(pool__slots_reserve_empty(&core, &slot));
}

static void a_slot_is_borrowed_by_one_at_a_time(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    borrow_slot(0);
    assert_true(nothing_to_borrow());
    assert_int_equal(count_of(POOL__SLOT_BUSY), 1);
}

static void the_lowest_idle_slot_is_borrowed_first(void **state)
{
    (void)state;
    begin_core(3, 3, 0);
    borrow_slot(0);
    borrow_slot(1);
    borrow_slot(2);
}

static void a_thread_gets_the_slot_back_that_it_had_last(void **state)
{
    (void)state;
    begin_core(3, 3, 0);
    uint32_t first = borrow_slot(0);
    uint32_t second = borrow_slot(1);
    pool__handover_release(&core, 0, first);
    pool__handover_release(&core, 1, second);
    borrow_slot(1);
}

static void slots_beyond_the_first_sixty_four_are_found(void **state)
{
    (void)state;
    begin_core(130, 130, 0);
    for (unsigned i = 0; i < 129; i++)
        borrow_slot(i);
    uint32_t last = borrow_slot(129);
    assert_true(nothing_to_borrow());
    assert_int_equal(pool__handover_release(&core, 129, last), POOL__CLAIM_RELEASED);
    borrow_slot(129);
}

static void a_slot_that_was_not_to_be_had_is_found_after_its_return(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
    assert_true(nothing_to_borrow()); /* clears the bit */
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
    borrow_slot(0);
}

static void each_borrow_counts_as_a_use(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    for (unsigned i = 0; i < 5; i++)
        pool__handover_release(&core, 0, borrow_slot(0));
    assert_int_equal(atomic_load(&core.slots[0].uses), 5);
}

static void only_idle_slots_are_reserved_for_chores(void **state)
{
    (void)state;
    begin_core(2, 1, 0);
    assert_true(pool__slots_reserve_idle(&core, 0));
    assert_false(pool__slots_reserve_idle(&core, 0));
    assert_false(pool__slots_reserve_idle(&core, 1));
    assert_true(nothing_to_borrow());
}

static void each_state_counts_once(void **state)
{
    (void)state;
    begin_core(6, 5, 0);
    unsigned slot;
    borrow_slot(0);
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
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_MADE);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_IN_USE);
    pool__slots_unclaim(&core, 0, false);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_MADE);
}

static void a_borrow_for_one_call_is_claimed_already(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
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
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
    pool__slots_claim(&core, 0, generation);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_IN_USE);
    assert_int_equal(count_of(POOL__SLOT_BUSY), 1);
}

static void releasing_twice_is_refused(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_STALE);
    assert_int_equal(count_of(POOL__SLOT_IDLE), 1);
}

static void an_old_ticket_does_not_touch_the_next_borrow(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    uint32_t old = borrow_slot(0);
    pool__handover_release(&core, 0, old);
    uint32_t current = borrow_slot(0);
    assert_int_not_equal(old, current);
    assert_int_equal(pool__slots_claim(&core, 0, old), POOL__CLAIM_STALE);
    assert_int_equal(pool__handover_release(&core, 0, old), POOL__CLAIM_STALE);
    assert_int_equal(pool__slots_claim(&core, 0, current), POOL__CLAIM_MADE);
}

static void a_ticket_is_stale_in_every_state_but_busy(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
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
    begin_core(1, 1, 0);
    unsigned slot;
    uint32_t old = borrow_slot(0);
    pool__slots_to_chore(&core, 0);
    pool__slots_to_closing(&core, 0);
    pool__slots_to_empty(&core, 0);
    assert_true(pool__slots_reserve_empty(&core, &slot));
    assert_true(pool__handover_give(&core, slot));
    borrow_slot(0);
    assert_int_equal(pool__slots_claim(&core, 0, old), POOL__CLAIM_STALE);
}

static void a_handed_over_slot_has_a_new_ticket(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct caller next;
    uint32_t old = borrow_slot(0);
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
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
    pool__slots_claim(&core, 0, generation);
    pool__slots_unclaim(&core, 0, false);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
    assert_int_equal(count_of(POOL__SLOT_IDLE), 1);
}

static void a_slot_that_is_given_up_is_left_to_the_call_that_runs(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
    assert_int_equal(pool__slots_give_up(&core, 0, generation + 1), POOL__CLAIM_STALE);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_MADE);
    assert_int_equal(pool__slots_give_up(&core, 0, generation), POOL__CLAIM_IN_USE);
    assert_false(pool__slots_unclaim(&core, 0, false));
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_IN_USE);
    pool__slots_to_chore(&core, 0);
    assert_true(pool__handover_give(&core, 0));
    generation = borrow_slot(0);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_MADE);
    assert_true(pool__slots_unclaim(&core, 0, false));
}

static void a_slot_that_is_given_up_while_nothing_runs_is_claimed(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
    assert_int_equal(pool__slots_give_up(&core, 0, generation), POOL__CLAIM_MADE);
    assert_int_equal(pool__slots_claim(&core, 0, generation), POOL__CLAIM_IN_USE);
}

static void an_unclean_slot_is_claimed_by_its_release(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
    pool__slots_claim(&core, 0, generation);
    pool__slots_unclaim(&core, 0, true);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_MADE);
    assert_int_equal(count_of(POOL__SLOT_BUSY), 1);
}

static void a_slot_is_unclean_only_until_a_call_says_otherwise(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
    pool__slots_claim(&core, 0, generation);
    pool__slots_unclaim(&core, 0, true);
    pool__slots_claim(&core, 0, generation);
    pool__slots_unclaim(&core, 0, false);
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_RELEASED);
}

static void what_the_last_borrower_left_does_not_reach_the_next(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
    pool__slots_claim(&core, 0, generation);
    pool__slots_unclaim(&core, 0, true);
    pool__slots_to_chore(&core, 0);
    assert_true(pool__handover_give(&core, 0));
    assert_int_equal(pool__handover_release(&core, 0, borrow_slot(0)), POOL__CLAIM_RELEASED);
}

/* Eviction */

static void an_idle_slot_is_evicted_at_once(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    assert_true(pool__slots_evict(&core, 0));
    assert_int_equal(count_of(POOL__SLOT_CHORE), 1);
    assert_true(nothing_to_borrow());
}

static void a_busy_slot_is_evicted_when_it_is_given_back(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
    assert_false(pool__slots_evict(&core, 0));
    assert_int_equal(pool__handover_release(&core, 0, generation), POOL__CLAIM_MADE);
    assert_false(pool__handover_give(&core, 0));
    assert_int_equal(count_of(POOL__SLOT_CHORE), 1);
}

static void an_eviction_survives_calls_and_chores(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    uint32_t generation = borrow_slot(0);
    pool__slots_claim(&core, 0, generation);
    assert_false(pool__slots_evict(&core, 0));
    pool__slots_unclaim(&core, 0, false);
    pool__slots_to_chore(&core, 0);
    assert_false(pool__handover_give(&core, 0));
}

static void an_evicted_slot_is_not_handed_over(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    struct caller next;
    pool__slots_claim(&core, 0, borrow_slot(0));
    enqueue(&next);
    pool__slots_evict(&core, 0);
    assert_false(pool__handover_give(&core, 0));
    assert_int_equal(state_of(&next), POOL__WAITER_WAITING);
}

static void a_slot_that_is_being_opened_is_evicted_when_it_is_open(void **state)
{
    (void)state;
    begin_core(1, 0, 0);
    unsigned slot;
    pool__slots_reserve_empty(&core, &slot);
    assert_false(pool__slots_evict(&core, slot));
    assert_false(pool__handover_give(&core, slot));
}

static void what_is_closed_already_is_not_evicted(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    assert_true(pool__slots_evict(&core, 0));
    pool__slots_to_closing(&core, 0);
    assert_false(pool__slots_evict(&core, 0));
    pool__slots_to_empty(&core, 0);
    assert_false(pool__slots_evict(&core, 0));
}

static void a_new_connection_does_not_inherit_an_eviction(void **state)
{
    (void)state;
    begin_core(1, 1, 0);
    unsigned slot;
    borrow_slot(0);
    pool__slots_evict(&core, 0);
    pool__slots_to_chore(&core, 0);
    pool__slots_to_closing(&core, 0);
    pool__slots_to_empty(&core, 0);
    pool__slots_reserve_empty(&core, &slot);
    assert_true(pool__handover_give(&core, slot));
    assert_int_equal(pool__handover_release(&core, 0, borrow_slot(0)), POOL__CLAIM_RELEASED);
}

#define TEST(name) cmocka_unit_test_teardown(name, end_core)

/* The table of legal moves: a row for each state that is left, a column for each that is
 * entered. */
static void a_slot_moves_only_as_its_table_says(void **unused)
{
    (void)unused;
    static const char *const legal[POOL__SLOT_STATES] = {
        [POOL__SLOT_EMPTY] = ".x....", [POOL__SLOT_OPENING] = "xxxxxx",
        [POOL__SLOT_IDLE] = "...xx.",  [POOL__SLOT_BUSY] = "..xxx.",
        [POOL__SLOT_CHORE] = "x.xxxx", [POOL__SLOT_CLOSING] = "x.....",
    };
    for (unsigned from = 0; from < POOL__SLOT_STATES; from++)
        for (unsigned to = 0; to < POOL__SLOT_STATES; to++)
            assert_int_equal(pool__slot_may_move(POOL__SLOT_GENERATION + from,
                                                 POOL__SLOT_GENERATION + POOL__SLOT_EVICT + to),
                             legal[from][to] == 'x');
}

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
        cmocka_unit_test(a_slot_moves_only_as_its_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
