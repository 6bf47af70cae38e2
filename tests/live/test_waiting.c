/*
 * Waiting for a connection: a thousand waiters, their deadlines, the limit of the queue, and pools
 * in which nobody waits. See life.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "life.h"
#include "suite.h"

/* ---- waiting for a connection ---- */

#define WAITERS 1000

static struct call waiters[WAITERS];

static void run_waiters(struct pool *pool)
{
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct call){.pool = pool, .request.acquire_timeout_ms = 300};
        start_calling(&waiters[i]);
    }
    for (int i = 0; i < WAITERS; i++)
        join_call(&waiters[i]);
}

static void assert_waiters_timed_out(struct pool *pool)
{
    uint64_t latest = 0;
    for (int i = 0; i < WAITERS; i++) {
        assert_false(waiters[i].ok);
        assert_int_equal(waiters[i].err.code, POOL_ERR_TIMEOUT);
        assert_in_range(waiters[i].took_ms, 300, 300 + LATE_MS);
        latest = waiters[i].took_ms > latest ? waiters[i].took_ms : latest;
    }
    print_message("the latest of %d waiters: %d ms after its deadline\n", WAITERS,
                  (int)latest - 300);
    assert_int_equal(stats_of(pool).acquire_timeouts, WAITERS);
    assert_int_equal(stats_of(pool).waiting, 0);
}

static void a_thousand_waiters_time_out_at_their_deadline(void **state)
{
    (void)state;
    struct pool *pool = small_pool(1);
    struct pool_conn conn = borrow_from(pool);
    run_waiters(pool);
    assert_waiters_timed_out(pool);
    assert_true(pool_conn_release(conn, NULL));
    end_cleanly(pool);
}

static void a_thousand_waiters_are_served_one_after_another(void **state)
{
    (void)state;
    static struct call calls[WAITERS];
    struct pool *pool = small_pool(1);
    struct pool_conn conn = borrow_from(pool);
    for (int i = 0; i < WAITERS; i++) {
        calls[i] = (struct call){.pool = pool, .request.acquire_timeout_ms = PATIENCE_MS};
        start_calling(&calls[i]);
    }
    WAIT_UNTIL(stats_of(pool).waiting == WAITERS);
    assert_true(pool_conn_release(conn, NULL));
    for (int i = 0; i < WAITERS; i++) {
        join_call(&calls[i]);
        assert_true(calls[i].ok);
    }
    assert_int_equal(stats_of(pool).opened, 1);
    end_cleanly(pool);
}

static void callers_over_the_queue_limit_are_refused_at_once(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_conn none;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1, .queue_limit = 2});
    struct pool_conn conn = borrow_from(pool);
    struct call calls[2] = {{.pool = pool}, {.pool = pool}};
    start_calling(&calls[0]);
    start_calling(&calls[1]);
    WAIT_UNTIL(stats_of(pool).waiting == 2);
    assert_false(pool_get_connection(pool, &none, &err));
    assert_int_equal(err.code, POOL_ERR_QUEUE_LIMIT);
    assert_true(err.not_executed);
    assert_true(pool_conn_release(conn, NULL));
    join_call(&calls[0]);
    join_call(&calls[1]);
    assert_true(calls[0].ok && calls[1].ok);
    end_cleanly(pool);
}

static void without_waiting_a_busy_pool_refuses_at_once(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_conn none;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1,
                                                    .no_waiting = true,
                                                    .acquire_timeout_ms = PATIENCE_MS});
    struct pool_conn conn = borrow_from(pool); /* a connection is opened all the same */
    assert_int_equal(stats_of(pool).enqueued, 0);
    assert_false(pool_get_connection(pool, &none, &err));
    assert_int_equal(err.code, POOL_ERR_NO_CONNECTION);
    assert_string_equal(err.message, "all 1 connections are in use");
    assert_true(err.not_executed);
    assert_int_equal(stats_of(pool).enqueued, 0);
    assert_true(pool_conn_release(conn, NULL));
    end_cleanly(pool);
}

static void the_deadline_of_a_request_covers_the_wait(void **state)
{
    (void)state;
    struct pool *pool = small_pool(1);
    struct pool_conn conn = borrow_from(pool);
    struct call call = {.pool = pool, .request = {.sql = "SELECT 1", .timeout_ms = 30}};
    do_call(&call);
    assert_false(call.ok);
    assert_int_equal(call.err.code, POOL_ERR_TIMEOUT);
    assert_true(call.err.not_executed);
    assert_in_range(call.took_ms, 30, 30 + LATE_MS);
    assert_true(pool_conn_release(conn, NULL));
    end_cleanly(pool);
}

static void a_thousand_waiters_time_out_although_the_server_is_frozen(void **state)
{
    (void)state;
    struct pool *pool = pool_of(
        "MYPOOL_URL", (struct pool_options){.connection_limit = 4, .fail_fast_ms = POOL_NEVER});
    freeze_server();
    run_waiters(pool);
    thaw_server();
    assert_waiters_timed_out(pool);
    run_sql(pool, "DO 1");
    end_cleanly(pool);
}

/* ---- credentials ---- */

static bool stop_at_once(struct pool_result *row, void *unused)
{
    (void)row;
    (void)unused;
    return false;
}

/* The server's goodbye is stuck behind rows that nobody reads. */
static void a_large_reply_left_unread_does_not_hold_its_place(void **state)
{
    struct pool *pool = pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1});
    struct pool_error err;
    (void)state;
    assert_true(pool_stream(pool, "SELECT REPEAT('x', 1000) FROM seq_1_to_200000", POOL_NO_ARGS,
                            stop_at_once, NULL, &err));
    run_sql(pool, "DO 1"); /* within acquire_timeout_ms, 10 s; a socket is awaited for 30 s */
    end_cleanly(pool);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_waiters_time_out_at_their_deadline),
        cmocka_unit_test(a_thousand_waiters_time_out_although_the_server_is_frozen),
        cmocka_unit_test(a_thousand_waiters_are_served_one_after_another),
        cmocka_unit_test(callers_over_the_queue_limit_are_refused_at_once),
        cmocka_unit_test(without_waiting_a_busy_pool_refuses_at_once),
        cmocka_unit_test(a_large_reply_left_unread_does_not_hold_its_place),
        cmocka_unit_test(the_deadline_of_a_request_covers_the_wait),
    };
    return server_suite_main_with(argc, argv, tests, set_up_life, tear_down_life);
}
