/*
 * A server that stands still (SIGSTOP): every step ends at its deadline, what hangs holds up nobody
 * else, and late replies reach nobody.
 *
 * Bounds on time are generous upwards, so that a slow machine passes; a call that ends too early is
 * wrong on any machine. See beside.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "beside.h"
#include "suite.h"

#include <signal.h>
#include <stdatomic.h>

static void a_borrow_ends_at_its_deadline_although_the_server_is_frozen(void **state)
{
    struct pool_conn conn;
    struct pool_error err;
    struct pool_request request = {.acquire_timeout_ms = 300};
    (void)state;
    make_pool(app_options());
    signal_server(SIGSTOP);
    uint64_t begin = now_ms();
    assert_false(pool_get_connection_with(f.pool, &request, &conn, &err));
    assert_timely("the borrow", now_ms() - begin, 300);
    assert_int_equal(err.code, POOL_ERR_TIMEOUT);
    assert_true(err.not_executed);
    signal_server(SIGCONT);
    assert_works();
}

static void a_connect_ends_at_its_deadline_although_the_server_is_frozen(void **state)
{
    struct pool_options options = app_options();
    (void)state;
    options.connect_timeout_ms = 300;
    options.fail_fast_ms = 1;
    make_pool(options);
    signal_server(SIGSTOP);
    struct call call = run_here("SELECT 1", 0);
    assert_timely("the connect", call.took_ms, 300);
    assert_int_equal(call.err.code, POOL_ERR_CONNECT);
    signal_server(SIGCONT);
    assert_within(GENEROUS, works(NULL));
}

static void a_statement_ends_at_its_deadline_although_the_server_is_frozen(void **state)
{
    (void)state;
    make_pool(app_options());
    assert_works();
    signal_server(SIGSTOP);
    struct call call = run_here("SELECT 2", 200);
    assert_timely("the statement", call.took_ms, 200);
    assert_int_equal(call.err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_false(call.err.not_executed);
    signal_server(SIGCONT);
    assert_works();
}

static void late_replies_reach_nobody(void **state)
{
    (void)state;
    make_pool(app_options());
    start_load(8, 60);
    for (int round = 0; round < 8; round++) {
        uint64_t before = failures();
        signal_server(SIGSTOP);
        assert_within(GENEROUS, failures() >= before + 8);
        zero_successes();
        signal_server(SIGCONT);
        assert_within(GENEROUS, everybody_served());
    }
    stop_load();
    print_message("           longest call %lu ms of 60\n", atomic_load(&beside.load.longest));
    /* LOST: went along with a statement that passed its deadline. */
    assert_errors_only(BIT(POOL_ERR_QUERY_TIMEOUT) | BIT(POOL_ERR_TIMEOUT) | BIT(POOL_ERR_CONNECT) |
                       BIT(POOL_ERR_LOST));
    assert_true(atomic_load(&beside.load.longest) < 60 + LATE);
}

static void a_reset_ends_at_its_deadline_although_the_server_is_frozen(void **state)
{
    struct pool_options options = app_options();
    struct pool_conn conn;
    (void)state;
    options.connect_timeout_ms = 1000;
    make_pool(options);
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    pool_result_free(pool_conn_query(conn, "SET @mine = 1", POOL_NO_ARGS, NULL));
    signal_server(SIGSTOP);
    assert_true(pool_conn_release(conn, NULL));
    assert_within(GENEROUS, closed_by(POOL_CLOSE_RESET) == 1);
    signal_server(SIGCONT);
    assert_within(GENEROUS, works(NULL));
}

static void a_ping_ends_at_its_deadline_although_the_server_is_frozen(void **state)
{
    struct pool_options options = app_options();
    (void)state;
    options.connect_timeout_ms = 1000;
    options.keepalive_ms = 100;
    make_pool(options);
    open_at_once(2, NULL);
    signal_server(SIGSTOP);
    assert_within(GENEROUS, closed_by(POOL_CLOSE_SERVER) == 2);
    signal_server(SIGCONT);
    assert_within(GENEROUS, works(NULL));
}

/* After a call that was given up: its place is free again as soon as the server has seen
 * the goodbye. Were there none, a socket would be awaited for 30 s. */
static void assert_place_is_freed(void)
{
    assert_within(GENEROUS, stats_now().closing == 1);
    signal_server(SIGCONT);
    assert_within(GENEROUS, stats_now().closing == 0);
    assert_works();
}

static void a_reset_that_was_given_up_does_not_hold_its_place(void **state)
{
    struct pool_options options = app_options();
    struct pool_conn conn;
    (void)state;
    options.connect_timeout_ms = 1000;
    options.connection_limit = 1;
    make_pool(options);
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    pool_result_free(pool_conn_query(conn, "SET @mine = 1", POOL_NO_ARGS, NULL));
    signal_server(SIGSTOP);
    assert_true(pool_conn_release(conn, NULL));
    assert_place_is_freed();
}

static void a_ping_that_was_given_up_does_not_hold_its_place(void **state)
{
    struct pool_options options = app_options();
    struct pool_conn conn;
    (void)state;
    options.connect_timeout_ms = 1000;
    options.connection_limit = 1;
    make_pool(options);
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    signal_server(SIGSTOP);
    assert_false(pool_conn_ping(conn, NULL));
    assert_true(pool_conn_release(conn, NULL));
    assert_place_is_freed();
}

/* More than what the sockets hold, so that it cannot be sent to its end. */
static void a_statement_that_was_not_sent_does_not_hold_its_place(void **state)
{
    struct pool_options options = app_options();
    static char text[8 * 1024 * 1024];
    struct pool_value value = pool_bytes(text, sizeof text);
    struct pool_request request = {
        .sql = "SELECT LENGTH(?)", .args = {&value, 1}, .timeout_ms = 1000};
    struct pool_error err;
    (void)state;
    options.connection_limit = 1;
    make_pool(options);
    assert_works();
    signal_server(SIGSTOP);
    assert_null(pool_query_with(f.pool, &request, &err));
    assert_true(err.not_executed);
    assert_place_is_freed();
}

static void the_end_is_timely_although_the_server_is_frozen(void **state)
{
    struct pool_error err;
    (void)state;
    make_pool(app_options());
    open_at_once(4, NULL);
    struct call *call = start_call("SELECT SLEEP(30)", 0);
    assert_within(GENEROUS, admin_asks(f.admin, RUNNING_SLEEPS) == 1);
    signal_server(SIGSTOP);
    uint64_t begin = now_ms();
    assert_false(pool_end(f.pool, 200, &err));
    f.pool = NULL;
    assert_timely("pool_end", now_ms() - begin, 200);
    assert_within(GENEROUS, atomic_load(&call->done));
    assert_int_equal(call->err.code, POOL_ERR_CLOSED);
}

/* What hangs must not hold up anything else: no deadline of the pool's own comes to its
 * help here. */
static struct pool_options patient_options(void)
{
    struct pool_options options = app_options();
    options.connect_timeout_ms = 600000;
    options.connection_limit = 2;
    return options;
}

static void count_leak(const char *label, uint32_t held_ms, void *arg)
{
    (void)label;
    (void)held_ms;
    atomic_fetch_add((_Atomic unsigned *)arg, 1);
}

/* The keeper is at work as long as it reports leaks. */
static void assert_keeper_works(struct pool_conn conn, const _Atomic unsigned *leaks)
{
    unsigned before = atomic_load(leaks);
    assert_true(pool_conn_release(conn, NULL));
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    assert_within(GENEROUS, atomic_load(leaks) > before);
    assert_true(pool_conn_release(conn, NULL));
}

static void a_connect_that_hangs_holds_up_nobody(void **state)
{
    struct pool_conn conn;
    struct pool_error err;
    struct pool_request request = {.sql = "SELECT 1", .timeout_ms = 200, .acquire_timeout_ms = 200};
    (void)state;
    make_pool(patient_options());
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    signal_server(SIGSTOP);
    struct call *waiter = start_call("SELECT 1", 0);
    assert_within(GENEROUS, stats_now().connecting == 1);
    uint64_t begin = now_ms();
    assert_null(pool_conn_query_with(conn, &request, &err));
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_true(pool_conn_release(conn, NULL));
    assert_timely("statement and return", now_ms() - begin, 200);
    begin = now_ms();
    assert_false(pool_get_connection_with(f.pool, &request, &conn, &err));
    assert_timely("the borrow", now_ms() - begin, 200);
    signal_server(SIGCONT);
    assert_within(GENEROUS, atomic_load(&waiter->done));
}

static void a_connect_that_hangs_does_not_hold_up_the_keeper(void **state)
{
    static _Atomic unsigned leaks;
    struct pool_options options = patient_options();
    struct pool_conn conn;
    (void)state;
    options.min_idle = 1;
    options.leak_after_ms = 100;
    options.hooks = (struct pool_hooks){.on_leak = count_leak, .arg = (void *)&leaks};
    make_pool(options);
    assert_within(GENEROUS, stats_now().idle == 1);
    signal_server(SIGSTOP);
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    assert_within(GENEROUS, stats_now().connecting == 1);
    assert_keeper_works(conn, &leaks);
    signal_server(SIGCONT);
}

static void a_reset_that_hangs_holds_up_nobody(void **state)
{
    struct pool_conn conns[2];
    (void)state;
    make_pool(patient_options());
    for (int i = 0; i < 2; i++)
        assert_true(pool_get_connection(f.pool, &conns[i], NULL));
    pool_result_free(pool_conn_query(conns[0], "SET @mine = 1", POOL_NO_ARGS, NULL));
    signal_server(SIGSTOP);
    uint64_t begin = now_ms();
    assert_true(pool_conn_release(conns[0], NULL));
    assert_true(pool_conn_release(conns[1], NULL));
    assert_true(pool_get_connection(f.pool, &conns[1], NULL));
    assert_timely("returns and a borrow", now_ms() - begin, 1);
    assert_true(pool_conn_release(conns[1], NULL));
    signal_server(SIGCONT);
    assert_works();
}

static void a_ping_that_hangs_does_not_hold_up_the_keeper(void **state)
{
    static _Atomic unsigned leaks;
    struct pool_options options = patient_options();
    struct pool_conn conns[2];
    (void)state;
    options.keepalive_ms = 1000;
    options.leak_after_ms = 100;
    options.hooks = (struct pool_hooks){.on_leak = count_leak, .arg = (void *)&leaks};
    make_pool(options);
    for (int i = 0; i < 2; i++)
        assert_true(pool_get_connection(f.pool, &conns[i], NULL));
    signal_server(SIGSTOP);
    uint64_t before = stats_now().pings;
    assert_true(pool_conn_release(conns[0], NULL));
    assert_within(GENEROUS, stats_now().pings > before);
    assert_keeper_works(conns[1], &leaks);
    signal_server(SIGCONT);
}

/* Asked once per connect, that of the control connection included. */
static bool count_connect(struct pool_credentials *credentials, bool refresh, void *arg)
{
    (void)credentials;
    (void)refresh;
    atomic_fetch_add((_Atomic unsigned *)arg, 1);
    return true;
}

static void a_kill_is_given_up_although_the_server_is_frozen(void **state)
{
    static _Atomic unsigned connects;
    struct pool_options options = patient_options();
    (void)state;
    options.credentials = count_connect;
    options.credentials_arg = (void *)&connects;
    make_pool(options);
    struct call *call = start_call("SELECT SLEEP(30)", 3000);
    assert_within(GENEROUS, admin_asks(f.admin, RUNNING_SLEEPS) == 1);
    signal_server(SIGSTOP);
    assert_within(GENEROUS, atomic_load(&call->done));
    assert_int_equal(call->err.code, POOL_ERR_QUERY_TIMEOUT);
    /* The third connect is for the second kill, so the first has been given up. */
    assert_within(GENEROUS, atomic_load(&connects) == 3);
    signal_server(SIGCONT);
    assert_within(GENEROUS, admin_asks(f.admin, RUNNING_SLEEPS) == 0);
    assert_works();
}

/* What is being killed is of no use to those who wait: they learn soon that there is no
 * other connection to be had. */
static void a_kill_that_hangs_leaves_nobody_waiting_for_its_connection(void **state)
{
    struct pool_options options = app_options();
    (void)state;
    options.connection_limit = 2;
    options.connect_timeout_ms = 200;
    options.fail_fast_ms = 300;
    options.acquire_timeout_ms = 600000;
    make_pool(options);
    assert_works();
    signal_server(SIGSTOP);
    struct call call = run_here("SELECT 1", 200);
    assert_int_equal(call.err.code, POOL_ERR_QUERY_TIMEOUT);
    struct pool_stats stats = stats_now();
    assert_int_equal(stats.open, 0);
    assert_int_equal(stats.closing, 1);
    call = run_here("SELECT 1", 0);
    assert_int_equal(call.err.code, POOL_ERR_CONNECT);
    assert_timely("the wait", call.took_ms, 300);
    signal_server(SIGCONT);
    assert_within(GENEROUS, works(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_beside, tear_down_beside)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_borrow_ends_at_its_deadline_although_the_server_is_frozen),
        TEST(a_connect_ends_at_its_deadline_although_the_server_is_frozen),
        TEST(a_statement_ends_at_its_deadline_although_the_server_is_frozen),
        TEST(late_replies_reach_nobody),
        TEST(a_reset_ends_at_its_deadline_although_the_server_is_frozen),
        TEST(a_ping_ends_at_its_deadline_although_the_server_is_frozen),
        TEST(a_reset_that_was_given_up_does_not_hold_its_place),
        TEST(a_ping_that_was_given_up_does_not_hold_its_place),
        TEST(a_statement_that_was_not_sent_does_not_hold_its_place),
        TEST(the_end_is_timely_although_the_server_is_frozen),
        TEST(a_connect_that_hangs_holds_up_nobody),
        TEST(a_connect_that_hangs_does_not_hold_up_the_keeper),
        TEST(a_reset_that_hangs_holds_up_nobody),
        TEST(a_ping_that_hangs_does_not_hold_up_the_keeper),
        TEST(a_kill_that_hangs_leaves_nobody_waiting_for_its_connection),
        TEST(a_kill_is_given_up_although_the_server_is_frozen),
    };
    return server_suite_main(argc, argv, tests);
}
