/*
 * The decisions of pool/core/policy.c, as tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/policy.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MOST UINT32_MAX /* of a random number */

/* What becomes of a connection that is given back */

static void a_broken_connection_is_closed_whatever_the_policy(void **state)
{
    (void)state;
    static const enum pool_reset_policy policies[] = {POOL_RESET_AUTO, POOL_RESET_ALWAYS,
                                                      POOL_RESET_NEVER};
    for (size_t i = 0; i < COUNT(policies); i++)
        for (unsigned bits = 0; bits < 4; bits++)
            assert_int_equal(pool__policy_returned(policies[i], true, bits & 1, bits & 2),
                             POOL__FATE_CLOSE);
}

static void a_sound_connection_is_kept_or_reset_by_policy(void **state)
{
    (void)state;
    static const struct {
        enum pool_reset_policy policy;
        bool dirty, in_transaction;
        enum pool__fate fate;
    } rows[] = {
        {POOL_RESET_AUTO, false, false, POOL__FATE_KEEP},
        {POOL_RESET_AUTO, true, false, POOL__FATE_RESET},
        {POOL_RESET_AUTO, false, true, POOL__FATE_RESET},
        {POOL_RESET_AUTO, true, true, POOL__FATE_RESET},
        {POOL_RESET_ALWAYS, false, false, POOL__FATE_RESET},
        {POOL_RESET_ALWAYS, true, true, POOL__FATE_RESET},
        {POOL_RESET_NEVER, false, false, POOL__FATE_KEEP},
        {POOL_RESET_NEVER, true, true, POOL__FATE_KEEP},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(
            pool__policy_returned(rows[i].policy, false, rows[i].dirty, rows[i].in_transaction),
            rows[i].fate);
}

/* How many connections to open */

static void connections_are_opened_for_waiters_and_spares_within_the_limits(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        const char *why;
        struct pool__demand demand;
        unsigned opens;
    } rows[] = {
        {"nobody wants any", {.limit = 10, .parallel = 64}, 0},
        {"one each for waiters", {.limit = 10, .waiting = 3, .parallel = 64}, 3},
        {"those under way count",
         {.limit = 10, .counted = 2, .opening = 2, .waiting = 3, .parallel = 64}, 1},
        {"more are under way than wanted",
         {.limit = 10, .counted = 5, .opening = 5, .waiting = 3, .parallel = 64}, 0},
        {"no more than the limit", {.limit = 10, .counted = 8, .waiting = 30, .parallel = 64}, 2},
        {"the limit is reached", {.limit = 10, .counted = 10, .waiting = 30, .parallel = 64}, 0},
        {"the server lowered the limit below what is open",
         {.limit = 4, .counted = 10, .waiting = 30, .parallel = 64}, 0},
        {"spares are missing", {.limit = 10, .min_idle = 4, .idle = 1, .counted = 1,
                                .parallel = 64}, 3},
        {"spares are there", {.limit = 10, .min_idle = 4, .idle = 5, .counted = 5,
                              .parallel = 64}, 0},
        {"waiters and spares",
         {.limit = 10, .min_idle = 2, .counted = 3, .waiting = 2, .parallel = 64}, 4},
        {"one at a time after a failure", {.limit = 10, .waiting = 5, .parallel = 1}, 1},
        {"and that one is under way",
         {.limit = 10, .counted = 1, .opening = 1, .waiting = 5, .parallel = 1}, 0},
        {"fewer at a time than are under way already",
         {.limit = 10, .counted = 4, .opening = 4, .waiting = 9, .parallel = 2}, 0},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(rows); i++)
        if (pool__policy_opens(&rows[i].demand) != rows[i].opens)
            fail_msg("%s: %u", rows[i].why, pool__policy_opens(&rows[i].demand));
}

/* Every small demand: the limit and the number in parallel are never passed. */
static void no_demand_passes_the_limits(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 6 * 6 * 6 * 6 * 6; n++) {
        struct pool__demand d = {.limit = 3,
                                 .counted = n % 6,
                                 .opening = n / 6 % 6,
                                 .waiting = n / 36 % 6,
                                 .min_idle = n / 216 % 6,
                                 .parallel = n / 1296};
        unsigned opens = pool__policy_opens(&d);
        assert_true(opens == 0 || opens + d.counted <= d.limit);
        assert_true(opens == 0 || opens + d.opening <= d.parallel);
        assert_true(opens <= d.waiting + d.min_idle);
    }
}

/* The pause after a failure */

static void the_longest_pause_doubles_up_to_a_bound_by_kind(void **state)
{
    (void)state;
    static const struct {
        enum pool__connect_class class_;
        unsigned failures;
        uint32_t most_ms;
    } rows[] = {
        {POOL__CONNECT_TRANSIENT, 1, 50},     {POOL__CONNECT_TRANSIENT, 2, 100},
        {POOL__CONNECT_TRANSIENT, 3, 200},    {POOL__CONNECT_TRANSIENT, 5, 800},
        {POOL__CONNECT_TRANSIENT, 6, 800},    {POOL__CONNECT_TRANSIENT, UINT32_MAX, 800},
        {POOL__CONNECT_CAPACITY, 1, 50},      {POOL__CONNECT_CAPACITY, 5, 800},
        {POOL__CONNECT_CAPACITY, 9, 1000},    {POOL__CONNECT_PASSWORD, 20, 10000},
        {POOL__CONNECT_PERMANENT, 20, 10000}, {POOL__CONNECT_TLS, UINT32_MAX, 10000},
        {POOL__CONNECT_BLOCKED, 1, 60000},    {POOL__CONNECT_BLOCKED, 100, 60000},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(pool__policy_backoff_ms(rows[i].class_, rows[i].failures, MOST),
                         rows[i].most_ms);
}

static void a_pause_is_anything_from_one_millisecond_to_the_bound(void **state)
{
    (void)state;
    assert_int_equal(pool__policy_backoff_ms(POOL__CONNECT_TRANSIENT, 5, 0), 1);
    assert_int_equal(pool__policy_backoff_ms(POOL__CONNECT_TRANSIENT, 5, MOST / 4), 200);
    assert_int_equal(pool__policy_backoff_ms(POOL__CONNECT_TRANSIENT, 5, MOST / 2), 400);
}

static void a_full_server_is_asked_for_more_ever_more_rarely(void **state)
{
    (void)state;
    static const uint32_t pauses[] = {1000, 2000, 4000, 8000, 16000, 16000};
    for (unsigned i = 0; i < COUNT(pauses); i++)
        assert_int_equal(pool__policy_probe_ms(i + 1), pauses[i]);
    assert_int_equal(pool__policy_probe_ms(UINT32_MAX), 16000);
}

/* Connects are spread */

#define MS UINT64_C(1000000)
#define NOON (UINT64_C(12) * 3600 * 1000 * MS)

static void a_pool_may_be_full_within_a_second(void **state)
{
    (void)state;
    static const struct {
        unsigned limit;
        uint64_t quick_ns, slow_ns;
    } rows[] = {{1, 5 * MS, 50 * MS},  {10, 5 * MS, 50 * MS}, {50, 5 * MS, 20 * MS},
                {200, 5 * MS, 5 * MS}, {1000, MS, MS},        {4096, 244140, 244140}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct pool__pace pace = pool__policy_new_pace(rows[i].limit);
        assert_int_equal(pace.quick_ns, rows[i].quick_ns);
        assert_int_equal(pace.slow_ns, rows[i].slow_ns);
    }
}

static void assert_one_each(struct pool__pace *pace, uint64_t interval_ns, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        uint64_t next = pool__policy_next_pace_ns(pace, NOON);
        assert_int_equal(next, NOON + (n + 1) * interval_ns);
        assert_int_equal(pool__policy_pace(pace, next - 1), 0);
        assert_int_equal(pool__policy_pace(pace, next), 1);
        pool__policy_pace_opens(pace, next, 1);
    }
}

static void a_burst_may_begin_at_once_and_then_one_at_a_time(void **state)
{
    (void)state;
    struct pool__pace pace = pool__policy_new_pace(10);
    assert_int_equal(pool__policy_pace(&pace, NOON), POOL__BURST);
    pool__policy_pace_opens(&pace, NOON, POOL__BURST);
    assert_int_equal(pool__policy_pace(&pace, NOON), 0);
    assert_one_each(&pace, 5 * MS, 50);
}

static void a_quiet_pool_may_have_its_burst_again(void **state)
{
    (void)state;
    struct pool__pace pace = pool__policy_new_pace(10);
    pool__policy_pace_opens(&pace, NOON, POOL__BURST);
    assert_int_equal(pool__policy_pace(&pace, NOON + 20 * MS), 4);
    assert_int_equal(pool__policy_pace(&pace, NOON + 1000 * MS), POOL__BURST);
}

static void after_an_outage_it_is_one_at_a_time_for_a_second(void **state)
{
    (void)state;
    struct pool__pace pace = pool__policy_new_pace(10);
    pool__policy_pace_opens(&pace, NOON, POOL__BURST);
    pool__policy_pace_return(&pace, NOON);
    assert_int_equal(pool__policy_pace(&pace, NOON), 1);
    pool__policy_pace_opens(&pace, NOON, 1);
    assert_int_equal(pool__policy_pace(&pace, NOON), 0);
    assert_int_equal(pool__policy_pace(&pace, NOON + 999 * MS), 1);
    assert_int_equal(pool__policy_pace(&pace, NOON + 1000 * MS), POOL__BURST);
}

static void a_few_lost_connections_take_as_many_from_the_burst(void **state)
{
    (void)state;
    struct pool__pace pace = pool__policy_new_pace(10);
    for (unsigned n = 1; n < POOL__BURST; n++) {
        pool__policy_pace_loss(&pace, NOON);
        assert_int_equal(pool__policy_pace(&pace, NOON), POOL__BURST - n);
    }
    assert_int_equal(pool__policy_pace(&pace, NOON + 50 * MS), POOL__BURST);
}

static void many_lost_connections_are_replaced_one_at_a_time(void **state)
{
    (void)state;
    struct pool__pace pace = pool__policy_new_pace(10);
    for (unsigned n = 0; n < 50; n++)
        pool__policy_pace_loss(&pace, NOON);
    assert_int_equal(pool__policy_pace(&pace, NOON + 500 * MS), 1);
    pool__policy_pace_opens(&pace, NOON, 1);
    for (unsigned n = 0; n < 50; n++) /* more of them do not make it more */
        pool__policy_pace_loss(&pace, NOON);
    assert_one_each(&pace, 50 * MS, 19); /* within the second */
    assert_int_equal(pool__policy_pace(&pace, NOON + 1000 * MS), POOL__BURST);
}

static void a_blocked_host_pauses_without_jitter(void **state)
{
    (void)state;
    assert_int_equal(pool__policy_backoff_ms(POOL__CONNECT_BLOCKED, 1, 0), 60000);
}

/* Lifetime */

static void a_lifetime_is_shortened_by_up_to_a_quarter(void **state)
{
    (void)state;
    assert_int_equal(pool__policy_lifetime_ms(1000000, 0), 1000000);
    assert_int_equal(pool__policy_lifetime_ms(1000000, MOST / 2), 875001);
    assert_int_equal(pool__policy_lifetime_ms(1000000, MOST), 750001);
    assert_true(pool__policy_lifetime_ms(POOL_NEVER - 1, MOST) > (POOL_NEVER - 1) / 4 * 3);
}

static void an_endless_lifetime_stays(void **state)
{
    (void)state;
    assert_int_equal(pool__policy_lifetime_ms(POOL_NEVER, 0), POOL_NEVER);
    assert_int_equal(pool__policy_lifetime_ms(POOL_NEVER, MOST), POOL_NEVER);
}

static void the_shortest_lifetimes_are_not_lost(void **state)
{
    (void)state;
    for (uint32_t ms = 1; ms < 10; ms++)
        assert_in_range(pool__policy_lifetime_ms(ms, MOST), ms - ms / 4, ms);
}

/* Connects at a time */

static void a_failure_leaves_one_connect_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(pool__policy_ramp(64, false), 1);
    assert_int_equal(pool__policy_ramp(1, false), 1);
}

static void successes_double_the_connects_at_a_time_up_to_many(void **state)
{
    (void)state;
    static const unsigned steps[] = {1, 2, 4, 8, 16, 32, 64, 64, 64};
    for (size_t i = 0; i + 1 < COUNT(steps); i++)
        assert_int_equal(pool__policy_ramp(steps[i], true), steps[i + 1]);
    assert_int_equal(pool__policy_ramp(48, true), POOL__MANY_CONNECTS);
}

/* Connections that nobody uses */

static void an_idle_connection_stays_is_pinged_or_goes(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        struct pool__idleness idleness;
        enum pool__idle_action action;
    } rows[] = {
        {"fresh", {.idle_ns = 1, .silent_ns = 1, .idle_count = 5}, POOL__IDLE_STAY},
        {"too old, even if just used",
         {.too_old = true, .idle_count = 1, .min_idle = 1},
         POOL__IDLE_RETIRE},
        {"too old comes before all else",
         {.too_old = true, .idle_ns = 200, .silent_ns = 200, .idle_count = 5},
         POOL__IDLE_RETIRE},
        {"just before its time", {.idle_ns = 99, .silent_ns = 9, .idle_count = 5}, POOL__IDLE_STAY},
        {"idle for its time", {.idle_ns = 100, .silent_ns = 9, .idle_count = 5}, POOL__IDLE_SHRINK},
        {"one of the spares",
         {.idle_ns = 100, .silent_ns = 9, .idle_count = 2, .min_idle = 2},
         POOL__IDLE_STAY},
        {"one more than the spares",
         {.idle_ns = 100, .silent_ns = 9, .idle_count = 3, .min_idle = 2},
         POOL__IDLE_SHRINK},
        {"silent for long", {.idle_ns = 50, .silent_ns = 10, .idle_count = 5}, POOL__IDLE_PING},
        {"a spare is kept alive",
         {.idle_ns = 500, .silent_ns = 10, .idle_count = 2, .min_idle = 2},
         POOL__IDLE_PING},
        {"no ping before closing",
         {.idle_ns = 100, .silent_ns = 100, .idle_count = 5},
         POOL__IDLE_SHRINK},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct pool__idleness idleness = rows[i].idleness;
        idleness.idle_timeout_ns = 100;
        idleness.keepalive_ns = 10;
        if (pool__policy_idle(&idleness) != rows[i].action)
            fail_msg("%s: %d", rows[i].why, (int)pool__policy_idle(&idleness));
    }
}

static void without_timeout_and_keepalive_a_connection_stays(void **state)
{
    (void)state;
    struct pool__idleness idleness = {.idle_ns = UINT64_MAX - 1,
                                      .silent_ns = UINT64_MAX - 1,
                                      .idle_count = 9,
                                      .idle_timeout_ns = UINT64_MAX,
                                      .keepalive_ns = UINT64_MAX};
    assert_int_equal(pool__policy_idle(&idleness), POOL__IDLE_STAY);
}

/* Statements */

static void the_pool_takes_half_of_the_servers_statements(void **state)
{
    (void)state;
    assert_int_equal(pool__policy_statement_budget(16382), 8192);
    assert_int_equal(pool__policy_statement_budget(1048576), 524289);
}

/* 0 would mean "no limit" to the cache. */
static void the_budget_is_never_nothing(void **state)
{
    (void)state;
    assert_int_equal(pool__policy_statement_budget(0), 1);
    assert_int_equal(pool__policy_statement_budget(1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_connection_is_closed_whatever_the_policy),
        cmocka_unit_test(a_sound_connection_is_kept_or_reset_by_policy),
        cmocka_unit_test(connections_are_opened_for_waiters_and_spares_within_the_limits),
        cmocka_unit_test(no_demand_passes_the_limits),
        cmocka_unit_test(the_longest_pause_doubles_up_to_a_bound_by_kind),
        cmocka_unit_test(a_pause_is_anything_from_one_millisecond_to_the_bound),
        cmocka_unit_test(a_blocked_host_pauses_without_jitter),
        cmocka_unit_test(a_full_server_is_asked_for_more_ever_more_rarely),
        cmocka_unit_test(a_pool_may_be_full_within_a_second),
        cmocka_unit_test(a_burst_may_begin_at_once_and_then_one_at_a_time),
        cmocka_unit_test(a_quiet_pool_may_have_its_burst_again),
        cmocka_unit_test(after_an_outage_it_is_one_at_a_time_for_a_second),
        cmocka_unit_test(a_few_lost_connections_take_as_many_from_the_burst),
        cmocka_unit_test(many_lost_connections_are_replaced_one_at_a_time),
        cmocka_unit_test(a_lifetime_is_shortened_by_up_to_a_quarter),
        cmocka_unit_test(an_endless_lifetime_stays),
        cmocka_unit_test(the_shortest_lifetimes_are_not_lost),
        cmocka_unit_test(a_failure_leaves_one_connect_at_a_time),
        cmocka_unit_test(successes_double_the_connects_at_a_time_up_to_many),
        cmocka_unit_test(an_idle_connection_stays_is_pinged_or_goes),
        cmocka_unit_test(without_timeout_and_keepalive_a_connection_stays),
        cmocka_unit_test(the_pool_takes_half_of_the_servers_statements),
        cmocka_unit_test(the_budget_is_never_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
