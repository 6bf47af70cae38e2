/*
 * Who waits for whom: for other callers, which is what no_waiting, queue_limit, on_enqueue and
 * pool_stats.enqueued are about, or for what the pool does itself; and what those are told who
 * got no connection.
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

static struct books {
    _Atomic unsigned enqueued, acquired, released;
} books;

static void on_enqueue(void *arg)
{
    (void)arg;
    atomic_fetch_add(&books.enqueued, 1);
}

static void on_acquire(uint64_t waited_ns, void *arg)
{
    (void)waited_ns;
    (void)arg;
    atomic_fetch_add(&books.acquired, 1);
}

static void on_release(uint64_t held_ns, void *arg)
{
    (void)held_ns;
    (void)arg;
    atomic_fetch_add(&books.released, 1);
}

static struct pool_options observed(unsigned limit)
{
    struct pool_options options = app_options();
    memset(&books, 0, sizeof books);
    options.connection_limit = limit;
    options.hooks = (struct pool_hooks){
        .on_enqueue = on_enqueue, .on_acquire = on_acquire, .on_release = on_release};
    return options;
}

static void assert_nobody_was_waited_for(void)
{
    assert_int_equal(stats_now().enqueued, 0);
    assert_int_equal(books.enqueued, 0);
    assert_int_equal(books.acquired, books.released);
}

/* Each makes the pool reset, close or kill before it can serve the next caller. */
static const char *const spoilers[] = {"SET @x = 1", "KILL CONNECTION_ID()", "SELECT SLEEP(9)"};

static void use_after_each_spoiler(void)
{
    for (int i = 0; i < 15; i++) {
        run_within(spoilers[i % 3], i % 3 == 2 ? 50 : 0);
        must("SELECT 1");
    }
}

static void a_lone_caller_waits_for_what_the_pool_does_itself(void **state)
{
    (void)state;
    struct pool_options options = observed(1);
    options.no_waiting = true;
    make_pool(options);
    use_after_each_spoiler();
    assert_nobody_was_waited_for();
}

static void a_lone_caller_has_not_waited_for_anybody(void **state)
{
    (void)state;
    make_pool(observed(1));
    use_after_each_spoiler();
    assert_nobody_was_waited_for();
}

static void a_reset_after_each_call_is_no_reason_to_refuse_the_next(void **state)
{
    (void)state;
    struct pool_options options = observed(1);
    options.no_waiting = true;
    options.reset_policy = POOL_RESET_ALWAYS;
    make_pool(options);
    for (int i = 0; i < 200; i++)
        must("SELECT 1");
    assert_nobody_was_waited_for();
}

static void a_lone_caller_with_a_callback_waits_for_a_reset_as_well(void **state)
{
    (void)state;
    struct pool_options options = observed(1);
    struct seen seen;
    options.no_waiting = true;
    make_pool(options);
    for (int i = 0; i < 30; i++) {
        must("SET @x = 1");
        start("SELECT 5", POOL_NO_ARGS, &seen);
        assert_int_equal(value_of(&seen), 5);
    }
    assert_nobody_was_waited_for();
}

/* As many at once as there are connections, none of which is open yet. */
static void *call_once(void *arg)
{
    struct outcome *outcome = arg;
    *outcome = run_within("SELECT SLEEP(0.2)", 0);
    return NULL;
}

static void as_many_callers_as_connections_find_room_in_any_queue(void **state)
{
    (void)state;
    struct pool_options options = observed(LIMIT);
    struct outcome outcomes[LIMIT];
    pthread_t threads[LIMIT];
    options.queue_limit = 1;
    make_pool(options);
    for (unsigned i = 0; i < LIMIT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_once, &outcomes[i]), 0);
    for (unsigned i = 0; i < LIMIT; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < LIMIT; i++)
        if (!outcomes[i].ok)
            fail_with("a caller", &outcomes[i].err);
}

static bool try_for_a_while(struct pool_error *err)
{
    struct pool_request request = {.acquire_timeout_ms = 30};
    struct pool_conn none;
    return pool_get_connection_with(f.pool, &request, &none, err);
}

static void who_waits_for_another_caller_is_told_to_the_hook_and_counted(void **state)
{
    (void)state;
    struct pool_error err;
    make_pool(observed(1));
    struct pool_conn conn = borrow();
    assert_int_equal(books.enqueued, 0);
    assert_false(try_for_a_while(&err));
    assert_refused(&err, POOL_ERR_TIMEOUT, 0);
    assert_int_equal(books.enqueued, 1);
    assert_int_equal(stats_now().enqueued, 1);
    pool_conn_release(conn, NULL);
}

/* What is said */

static void a_refusal_says_in_use_when_all_are(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_options options = observed(2);
    options.no_waiting = true;
    make_pool(options);
    struct pool_conn one = borrow();
    struct pool_conn two = borrow();
    assert_false(try_for_a_while(&err));
    assert_refused(&err, POOL_ERR_NO_CONNECTION, 0);
    assert_string_equal(err.message, "all 2 connections are in use");
    pool_conn_release(one, NULL);
    pool_conn_release(two, NULL);
}

/* One connection of two, and no more for this user. */
static struct pool_conn fill_server(bool no_waiting)
{
    struct pool_options options = changing_options("WITH MAX_USER_CONNECTIONS 1");
    options.connection_limit = 2;
    options.no_waiting = no_waiting;
    make_pool(options);
    return borrow();
}

static void *wait_for_the_second(void *arg)
{
    struct pool_conn conn;
    if (pool_get_connection(f.pool, &conn, arg))
        pool_conn_release(conn, NULL);
    return NULL;
}

static void a_refusal_says_what_the_connections_are_doing_otherwise(void **state)
{
    (void)state;
    struct pool_error err, ignored;
    pthread_t other;
    struct pool_conn conn = fill_server(true);
    assert_int_equal(pthread_create(&other, NULL, wait_for_the_second, &ignored), 0);
    bool there = WITHIN(GENEROUS, stats_now().waiting == 1);
    bool had = try_for_a_while(&err);
    pool_conn_release(conn, NULL);
    pthread_join(other, NULL);
    assert_true(there && !had);
    assert_int_equal(err.code, POOL_ERR_NO_CONNECTION);
    assert_null(strstr(err.message, "connections are in use"));
    assert_non_null(strstr(err.message, "1 of 2 in use"));
    assert_non_null(strstr(err.message, "1 waiting"));
}

static void a_timeout_beside_a_full_server_has_its_number(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_request request = {.acquire_timeout_ms = 300};
    struct pool_conn none;
    struct pool_conn conn = fill_server(false);
    assert_false(pool_get_connection_with(f.pool, &request, &none, &err));
    pool_conn_release(conn, NULL);
    assert_refused(&err, POOL_ERR_TIMEOUT, 1226);
    assert_string_equal(err.sqlstate, "42000");
    assert_true(err.not_executed);
    assert_non_null(strstr(err.message, "last connect error"));
}

/* The error of the past is not that of a wait for other callers. */
static void a_timeout_has_no_number_once_connects_succeed_again(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_options options = changing_options("ACCOUNT LOCK");
    options.connection_limit = 1;
    make_pool(options);
    assert_false(works(&err));
    assert_int_equal(err.server_errno, 4151);
    admin_does(f.admin, "ALTER USER changing@'%%' ACCOUNT UNLOCK");
    assert_within(GENEROUS, works(&err));
    struct pool_conn conn = borrow();
    assert_false(try_for_a_while(&err));
    pool_conn_release(conn, NULL);
    assert_refused(&err, POOL_ERR_TIMEOUT, 0);
    assert_null(strstr(err.message, "last connect error"));
}

static int end_queue(void **state)
{
    (void)state;
    end_fixture();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_fixture, end_queue)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lone_caller_waits_for_what_the_pool_does_itself),
        TEST(a_lone_caller_has_not_waited_for_anybody),
        TEST(a_reset_after_each_call_is_no_reason_to_refuse_the_next),
        TEST(a_lone_caller_with_a_callback_waits_for_a_reset_as_well),
        TEST(as_many_callers_as_connections_find_room_in_any_queue),
        TEST(who_waits_for_another_caller_is_told_to_the_hook_and_counted),
        TEST(a_refusal_says_in_use_when_all_are),
        TEST(a_refusal_says_what_the_connections_are_doing_otherwise),
        TEST(a_timeout_beside_a_full_server_has_its_number),
        TEST(a_timeout_has_no_number_once_connects_succeed_again),
    };
    return server_suite_main(argc, argv, tests);
}
