/*
 * One call that has ended is one: in pool_stats.queries and query_errors, and for on_query, which
 * hears of it once, with the time of all of it and its last word; however it was run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

#include "calls.h"
#include "suite.h"

static struct {
    _Atomic unsigned told;
    _Atomic unsigned failed;
    _Atomic uint64_t elapsed_ms; /* of the last */
    _Atomic uint64_t rows;
    _Atomic unsigned code;
} heard;

static void on_query(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                     enum pool_code code, void *arg)
{
    (void)digest;
    (void)arg;
    atomic_store(&heard.elapsed_ms, elapsed_ns / 1000000);
    atomic_store(&heard.rows, rows);
    atomic_store(&heard.code, code);
    atomic_fetch_add(&heard.failed, code != POOL_OK);
    atomic_fetch_add(&heard.told, label && !*label); /* none of these calls has one */
}

static struct pool_options observed(void)
{
    struct pool_options options = app_options();
    memset(&heard, 0, sizeof heard);
    options.connection_limit = 1;
    options.hooks.on_query = on_query;
    return options;
}

/* So many since the pool was made. */
static void assert_ended(unsigned calls, unsigned failed)
{
    struct pool_stats stats = stats_now();
    assert_int_equal(stats.queries, calls);
    assert_int_equal(stats.query_errors, failed);
    assert_int_equal(heard.told, calls);
    assert_int_equal(heard.failed, failed);
}

static bool take_row(struct pool_result *row, void *arg)
{
    (void)row;
    (void)arg;
    return true;
}

static void each_kind_of_call_counts_as_one(void **state)
{
    struct pool_value values[] = {pool_int(1), pool_int(2)};
    struct pool_error err;
    (void)state;
    make_table();
    make_pool(observed());
    must("SELECT 1");
    assert_ended(1, 0);
    assert_int_equal(heard.rows, 1);
    assert_true(pool_stream(f.pool, "SELECT 1", POOL_NO_ARGS, take_row, NULL, &err));
    assert_ended(2, 0);
    pool_result_free(pool_batch(f.pool, "INSERT INTO held VALUES (?)", values, 2, 1, &err));
    assert_ended(3, 0);
    struct pool_conn conn = borrow();
    assert_true(pool_conn_ping(conn, &err));
    assert_ended(3, 0);
    assert_true(pool_conn_begin(conn, &err) && did(conn, "SELECT 2", &err));
    assert_true(pool_conn_rollback(conn, &err));
    assert_ended(6, 0);
    assert_false(did(conn, "SELECT nothing", &err));
    assert_ended(7, 1);
    assert_int_equal(heard.code, POOL_ERR_SERVER);
    pool_conn_release(conn, NULL);
}

static bool select_two(struct pool_conn conn, void *arg, struct pool_error *err)
{
    (void)arg;
    return did(conn, "SELECT 2", err);
}

static void a_transaction_is_a_begin_its_statements_and_a_commit(void **state)
{
    struct pool_error err;
    struct seen seen = {.calls = 0};
    (void)state;
    make_pool(observed());
    assert_true(pool_transaction(f.pool, select_two, NULL, &err));
    assert_ended(3, 0);
    assert_true(pool_transaction_async(f.pool, select_two, on_result, &seen, &err));
    assert_seen_ok(&seen);
    assert_ended(6, 0);
}

static void each_kind_of_call_with_a_callback_counts_as_one(void **state)
{
    struct seen seen;
    (void)state;
    make_pool(observed());
    start("SELECT 7", POOL_NO_ARGS, &seen);
    assert_int_equal(value_of(&seen), 7);
    assert_ended(1, 0);
    start("SELECT nothing", POOL_NO_ARGS, &seen);
    assert_seen_failed(&seen, POOL_ERR_SERVER);
    assert_ended(2, 1);
    struct pool_conn conn = borrow_async();
    assert_ended(2, 1);
    run_command(conn, pool_conn_begin_async);
    must_on(conn, "SELECT 1");
    run_command(conn, pool_conn_rollback_async);
    run_command(conn, pool_conn_ping_async);
    assert_ended(5, 1);
    pool_conn_release(conn, NULL);
}

static void what_is_refused_for_its_arguments_does_not_count(void **state)
{
    struct seen seen = {.calls = 0};
    struct pool_error err;
    (void)state;
    make_pool(observed());
    assert_null(pool_query(f.pool, NULL, POOL_NO_ARGS, &err));
    assert_null(pool_query(f.pool, "SELECT 1", POOL_ARGS(POOL_NAMED("x", 1)), &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_false(pool_query_async(f.pool, "SELECT ?", POOL_NO_ARGS, on_result, &seen, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_ended(0, 0);
}

/* Somebody else has the only connection: the call waits in vain, and that is its time. */
static void a_call_that_gets_no_connection_counts_and_is_told(void **state)
{
    struct pool_request request = {.sql = "SELECT 1", .acquire_timeout_ms = 50};
    struct seen seen;
    struct pool_error err;
    (void)state;
    make_pool(observed());
    struct pool_conn conn = borrow();
    assert_null(pool_query_with(f.pool, &request, &err));
    assert_ended(1, 1);
    assert_int_equal(heard.code, POOL_ERR_TIMEOUT);
    assert_in_range(heard.elapsed_ms, 49, GENEROUS);
    start_with(&request, &seen);
    assert_seen_failed(&seen, POOL_ERR_TIMEOUT);
    assert_ended(2, 2);
    assert_in_range(heard.elapsed_ms, 49, GENEROUS);
    pool_conn_release(conn, NULL);
}

static void *query_for_long(void *arg)
{
    struct pool_error *err = arg;
    pool_result_free(pool_query(f.pool, "SELECT 1", POOL_NO_ARGS, err));
    return NULL;
}

static void one_who_waits_when_the_pool_ends_is_told_before_that_returns(void **state)
{
    struct pool_error err;
    pthread_t caller;
    (void)state;
    make_pool(observed());
    struct pool_conn conn = borrow();
    assert_int_equal(pthread_create(&caller, NULL, query_for_long, &err), 0);
    assert_within(GENEROUS, stats_now().waiting == 1);
    pool_end(f.pool, 0, NULL);
    f.pool = NULL;
    unsigned told = heard.told;
    pthread_join(caller, NULL);
    pool_conn_release(conn, NULL);
    assert_int_equal(told, 1);
    assert_int_equal(heard.code, POOL_ERR_CLOSED);
}

/* Each attempt is lost on the way, and the session with it. */
static void attempts_are_not_calls(void **state)
{
    struct pool_options options = observed();
    struct pool_error err;
    struct seen seen;
    struct pool_request request = {.sql = "KILL CONNECTION_ID()", .idempotent = true};
    (void)state;
    make_pool(options);
    assert_null(pool_query_with(f.pool, &request, &err));
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_int_equal(stats_now().acquired, 3); /* it was tried three times */
    assert_ended(1, 1);
    start_with(&request, &seen);
    assert_seen_failed(&seen, POOL_ERR_LOST);
    assert_int_equal(stats_now().acquired, 6);
    assert_ended(2, 2);
}

static bool lost_once(struct pool_conn conn, void *arg, struct pool_error *err)
{
    unsigned *runs = arg;
    if ((*runs)++ > 0)
        return did(conn, "SELECT 2", err);
    did(conn, "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1213", err);
    return false;
}

static void a_transaction_that_is_run_again_is_another_one(void **state)
{
    struct pool_error err;
    unsigned runs = 0;
    (void)state;
    make_pool(observed());
    assert_true(pool_transaction(f.pool, lost_once, &runs, &err));
    assert_ended(6, 1); /* begin, SIGNAL, rollback; begin, SELECT, commit */
}

static void a_cancelled_call_counts_as_failed(void **state)
{
    struct pool_call handle;
    struct seen seen = {.calls = 0};
    (void)state;
    make_pool(observed());
    struct pool_request request = {.sql = "SELECT SLEEP(60)"};
    assert_true(pool_query_async_with(f.pool, &request, on_result, &seen, &handle, NULL));
    assert_within(GENEROUS, stats_now().in_use == 1);
    assert_true(pool_cancel(handle, NULL));
    assert_seen_failed(&seen, POOL_ERR_CANCELLED);
    assert_ended(1, 1);
    assert_int_equal(heard.code, POOL_ERR_CANCELLED);
}

static int end_counting(void **state)
{
    (void)state;
    end_fixture();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_fixture, end_counting)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(each_kind_of_call_counts_as_one),
        TEST(a_transaction_is_a_begin_its_statements_and_a_commit),
        TEST(each_kind_of_call_with_a_callback_counts_as_one),
        TEST(what_is_refused_for_its_arguments_does_not_count),
        TEST(a_call_that_gets_no_connection_counts_and_is_told),
        TEST(one_who_waits_when_the_pool_ends_is_told_before_that_returns),
        TEST(attempts_are_not_calls),
        TEST(a_transaction_that_is_run_again_is_another_one),
        TEST(a_cancelled_call_counts_as_failed),
    };
    return server_suite_main(argc, argv, tests);
}
