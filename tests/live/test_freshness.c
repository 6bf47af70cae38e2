/*
 * Keeping connections fresh: how many are idle and for how long, how old they become, and pings.
 * See life.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "life.h"
#include "suite.h"

#include <signal.h>
#include <stdio.h>

static void min_idle_connections_are_opened_without_being_asked_for(void **state)
{
    struct pool *admin = *state;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 8, .min_idle = 3});
    WAIT_UNTIL(stats_of(pool).idle == 3);
    assert_int_equal(number_of(admin, OURS), 3);
    assert_int_equal(stats_of(pool).acquired, 0);
    end_cleanly(pool);
}

static void a_killed_idle_connection_is_replaced_up_to_min_idle(void **state)
{
    struct pool *admin = *state;
    char kill[64];
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 4, .min_idle = 2});
    WAIT_UNTIL(stats_of(pool).idle == 2);
    struct pool_conn conn = borrow_from(pool);
    unsigned long id = pool_conn_thread_id(conn);
    assert_true(pool_conn_release(conn, NULL));
    snprintf(kill, sizeof kill, "KILL CONNECTION %lu", id);
    run_sql(admin, kill);
    WAIT_UNTIL(stats_of(pool).closed_by_reason[POOL_CLOSE_SERVER] == 1);
    WAIT_UNTIL(stats_of(pool).idle >= 2);
    WAIT_UNTIL(number_of(admin, OURS) == (int64_t)stats_of(pool).open);
    end_cleanly(pool);
}

static void idle_connections_are_closed_down_to_min_idle(void **state)
{
    struct pool *admin = *state;
    struct pool *pool = pool_of(
        "MYPOOL_URL",
        (struct pool_options){.connection_limit = 6, .min_idle = 2, .idle_timeout_ms = 100});
    use_many(pool, 6);
    WAIT_UNTIL(stats_of(pool).closed_by_reason[POOL_CLOSE_IDLE] >= 4);
    WAIT_UNTIL(number_of(admin, OURS) == 2);
    WAIT_UNTIL(stats_of(pool).open == 2);
    assert_int_equal(stats_of(pool).closed_by_reason[POOL_CLOSE_IDLE], stats_of(pool).closed);
    end_cleanly(pool);
}

static void all_idle_connections_are_closed_without_min_idle(void **state)
{
    struct pool *admin = *state;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 3, .idle_timeout_ms = 50});
    use_many(pool, 3);
    WAIT_UNTIL(number_of(admin, OURS) == 0);
    WAIT_UNTIL(stats_of(pool).open == 0);
    use_many(pool, 3); /* and come back when they are needed */
    assert_int_equal(stats_of(pool).opened, 6);
    end_cleanly(pool);
}

/* A connection that was out for long has not been idle. */
static void assert_idle_time_begins_now(struct pool *pool, struct pool_conn conn)
{
    uint64_t borrowed = now_ms();
    WAIT_UNTIL(now_ms() - borrowed > 600);
    uint64_t given_back = now_ms();
    assert_true(pool_conn_release(conn, NULL));
    WAIT_UNTIL(stats_of(pool).closed == 1);
    assert_in_range(now_ms() - given_back, 400, 400 + LATE_MS);
    end_cleanly(pool);
}

static void idle_time_begins_when_a_connection_is_given_back(void **state)
{
    (void)state;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1, .idle_timeout_ms = 400});
    assert_idle_time_begins_now(pool, borrow_from(pool));
}

/* The keeper looks several times while the reset lasts. */
static void idle_time_begins_after_a_long_reset(void **state)
{
    (void)state;
    static const char *const slow[] = {"DO SLEEP(0.2)", NULL};
    struct pool *pool = pool_of(
        "MYPOOL_URL",
        (struct pool_options){.connection_limit = 1, .idle_timeout_ms = 400, .init_sql = slow});
    struct pool_conn conn = borrow_from(pool);
    pool_result_free(pool_conn_query(conn, "SET @x = 1", POOL_NO_ARGS, NULL));
    assert_idle_time_begins_now(pool, conn);
}

static void a_connection_that_is_used_is_not_idle(void **state)
{
    (void)state;
    struct pool *pool = pool_of(
        "MYPOOL_URL", (struct pool_options){.connection_limit = 1, .idle_timeout_ms = 2000});
    uint64_t pauses = 0; /* ours, on a machine that stands still */
    uint64_t started = now_ms();
    for (uint64_t last = started, now; last - started < 3000; last = now) {
        run_sql(pool, "DO 1");
        now = now_ms();
        pauses += now - last >= 1000;
    }
    assert_in_range(stats_of(pool).closed_by_reason[POOL_CLOSE_IDLE], 0, pauses);
    end_cleanly(pool);
}

static void a_connection_past_its_lifetime_is_replaced(void **state)
{
    (void)state;
    struct pool *pool = pool_of(
        "MYPOOL_URL",
        (struct pool_options){.connection_limit = 1, .min_idle = 1, .max_lifetime_ms = 200});
    int64_t first = number_of(pool, "SELECT CONNECTION_ID()");
    WAIT_UNTIL(stats_of(pool).closed_by_reason[POOL_CLOSE_LIFETIME] >= 1);
    assert_int_not_equal(number_of(pool, "SELECT CONNECTION_ID()"), first);
    end_cleanly(pool);
}

static void a_borrowed_connection_past_its_lifetime_is_closed_on_return(void **state)
{
    (void)state;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1, .max_lifetime_ms = 100});
    struct pool_conn conn = borrow_from(pool);
    uint64_t borrowed = now_ms();
    WAIT_UNTIL(now_ms() - borrowed > 300);
    assert_int_not_equal(pool_conn_thread_id(conn), 0);
    assert_true(pool_conn_ping(conn, NULL)); /* not while it is in use */
    assert_int_equal(stats_of(pool).closed, 0);
    assert_true(pool_conn_release(conn, NULL));
    WAIT_UNTIL(stats_of(pool).closed_by_reason[POOL_CLOSE_LIFETIME] == 1);
    end_cleanly(pool);
}

static void a_silent_connection_is_pinged(void **state)
{
    (void)state;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1, .keepalive_ms = 50});
    int64_t id = number_of(pool, "SELECT CONNECTION_ID()");
    WAIT_UNTIL(stats_of(pool).pings >= 3);
    assert_int_equal(number_of(pool, "SELECT CONNECTION_ID()"), id);
    assert_int_equal(stats_of(pool).opened, 1);
    end_cleanly(pool);
}

/* No option says so: the server's own limit does, which a session gets when it begins and
 * again when it is reset. */
static void a_servers_short_wait_timeout_is_kept_away_by_pings(void **state)
{
    struct pool *admin = *state;
    struct pool *older = small_pool(1);
    number_of(older, "SELECT 1");
    run_sql(admin, "SET GLOBAL wait_timeout = 3");
    run_sql(older, "SET @x = 1"); /* is followed by a reset */
    struct pool *pool = small_pool(2);
    use_many(pool, 2);
    uint64_t started = now_ms();
    WAIT_UNTIL(now_ms() - started > 7000);
    struct pool_stats of_older = stats_of(older);
    struct pool_stats stats = stats_of(pool);
    run_sql(admin, "SET GLOBAL wait_timeout = DEFAULT");
    end_cleanly(older);
    end_cleanly(pool);
    assert_int_equal(of_older.resets, 1);
    assert_in_range(of_older.pings, 2, 1000);
    assert_int_equal(of_older.closed, 0);
    assert_in_range(stats.pings, 4, 1000);
    assert_int_equal(stats.closed, 0);
    assert_int_equal(stats.opened, 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(min_idle_connections_are_opened_without_being_asked_for),
        cmocka_unit_test(a_killed_idle_connection_is_replaced_up_to_min_idle),
        cmocka_unit_test(idle_connections_are_closed_down_to_min_idle),
        cmocka_unit_test(all_idle_connections_are_closed_without_min_idle),
        cmocka_unit_test(idle_time_begins_when_a_connection_is_given_back),
        cmocka_unit_test(idle_time_begins_after_a_long_reset),
        cmocka_unit_test(a_connection_that_is_used_is_not_idle),
        cmocka_unit_test(a_connection_past_its_lifetime_is_replaced),
        cmocka_unit_test(a_borrowed_connection_past_its_lifetime_is_closed_on_return),
        cmocka_unit_test(a_silent_connection_is_pinged),
        cmocka_unit_test(a_servers_short_wait_timeout_is_kept_away_by_pings),
    };
    return server_suite_main_with(argc, argv, tests, set_up_life, tear_down_life);
}
