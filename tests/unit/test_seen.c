/*
 * Tests of pool/engine/seen.c. No server is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/seen.h"

/* One look after the other, at a slot that has just been made. */
static void a_slot_is_seen_to_be_out_or_idle_since_a_known_time(void **state)
{
    (void)state;
    static const struct {
        uint64_t now, uses;
        enum pool__slot_state slot;
        uint64_t for_ns;
    } looks[] = {
        {100, 0, POOL__SLOT_EMPTY, 0},   /* an empty slot is always new */
        {200, 0, POOL__SLOT_OPENING, 0}, /* and so is one that opens */
        {300, 0, POOL__SLOT_IDLE, 0},    /* idle from here on */
        {400, 0, POOL__SLOT_IDLE, 100},
        {500, 1, POOL__SLOT_BUSY, 0},     /* borrowed meanwhile */
        {600, 1, POOL__SLOT_BUSY, 100},   /* by the same caller still */
        {700, 2, POOL__SLOT_BUSY, 0},     /* by another one */
        {800, 2, POOL__SLOT_CHORE, 100},  /* given back to be reset: not idle yet */
        {900, 2, POOL__SLOT_IDLE, 0},     /* idle from here on */
        {1000, 2, POOL__SLOT_CHORE, 100}, /* a ping is no use */
        {1100, 2, POOL__SLOT_IDLE, 200},
        {1200, 9, POOL__SLOT_IDLE, 0}, /* used, and back already */
        {1300, 9, POOL__SLOT_CLOSING, 100},
        {1400, 9, POOL__SLOT_EMPTY, 0},
    };
    struct pool__seen seen = {.uses = 0};
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        pool__seen_note(&seen, looks[i].uses, looks[i].slot, looks[i].now);
        print_message("at %u\n", (unsigned)looks[i].now);
        assert_int_equal(pool__seen_for_ns(&seen, looks[i].now), looks[i].for_ns);
    }
}

static void a_ping_ends_a_silence_but_no_idleness(void **state)
{
    (void)state;
    struct pool__seen seen = {.since_ns = 100, .pinged_ns = 50};
    assert_int_equal(pool__seen_silent_ns(&seen, 400), 300);
    seen.pinged_ns = 300;
    assert_int_equal(pool__seen_silent_ns(&seen, 400), 100);
    assert_int_equal(pool__seen_for_ns(&seen, 400), 300);
}

static void each_borrow_may_leak_once(void **state)
{
    (void)state;
    struct pool__seen seen = {.uses = 4, .leak_reported = true};
    pool__seen_note(&seen, 4, POOL__SLOT_BUSY, 10);
    assert_true(seen.leak_reported);
    pool__seen_note(&seen, 5, POOL__SLOT_BUSY, 20);
    assert_false(seen.leak_reported);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_is_seen_to_be_out_or_idle_since_a_known_time),
        cmocka_unit_test(a_ping_ends_a_silence_but_no_idleness),
        cmocka_unit_test(each_borrow_may_leak_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
