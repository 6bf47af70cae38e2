/*
 * Statements past their deadlines, and what remains of them on the server: they are killed there,
 * late if need be, and count until the server has ended them. See beside.h.
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
#include <sys/time.h>

/* The client's own troubles */

static _Atomic unsigned alarms;

static void count_alarm(int number)
{
    (void)number;
    atomic_fetch_add(&alarms, 1);
}

static void signals_disturb_no_call_and_no_deadline(void **state)
{
    struct sigaction action = {.sa_handler = count_alarm}; /* calls are not restarted */
    struct itimerval storm = {{0, 500}, {0, 500}}, quiet = {{0, 0}, {0, 0}};
    (void)state;
    make_pool(app_options());
    atomic_store(&alarms, 0);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &storm, NULL);
    start_load(8, 0);
    struct call call = {0};
    for (int i = 0; i < 5 && (i == 0 || call.err.code == POOL_ERR_QUERY_TIMEOUT); i++)
        call = run_here("SELECT SLEEP(30)", 200);
    zero_successes();
    bool served = WITHIN(GENEROUS, everybody_served());
    stop_load();
    setitimer(ITIMER_REAL, &quiet, NULL);
    assert_true(served && atomic_load(&alarms) > 100);
    assert_int_equal(call.err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_timely("the statement", call.took_ms, 200);
    assert_errors_only(0);
}

/* Deadlines of statements, and what remains of them on the server */

static void a_statement_past_its_deadline_is_killed_on_the_server(void **state)
{
    (void)state;
    make_pool(app_options());
    assert_works();
    struct call call = run_here("SELECT SLEEP(30)", 200);
    assert_timely("the statement", call.took_ms, 200);
    assert_int_equal(call.err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_true(call.err.fatal);
    assert_false(call.err.not_executed);
    assert_within(GENEROUS, admin_asks(f.admin, RUNNING_SLEEPS) == 0);
    assert_within(GENEROUS, closed_by(POOL_CLOSE_TIMEOUT) == 1);
    assert_within(GENEROUS, stats_now().kills == 1 && stats_now().closing == 0);
}

static void a_ping_after_a_deadline_does_not_save_the_statement(void **state)
{
    struct pool_request request = {.sql = "SELECT SLEEP(30)", .timeout_ms = 200};
    struct pool_conn conn;
    struct pool_error err;
    (void)state;
    make_pool(app_options());
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    assert_null(pool_conn_query_with(conn, &request, &err));
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_false(pool_conn_ping(conn, &err));
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_true(err.fatal && err.not_executed);
    assert_true(pool_conn_release(conn, NULL));
    assert_within(GENEROUS, admin_asks(f.admin, RUNNING_SLEEPS) == 0);
    assert_within(GENEROUS, stats_now().kills == 1 && stats_now().closing == 0);
}

static void the_slot_of_a_timed_out_statement_counts_until_the_server_has_ended_it(void **state)
{
    struct pool_options options = app_options();
    (void)state;
    options.connection_limit = 1;
    make_pool(options);
    assert_works();
    start_sampler();
    for (int i = 0; i < 10; i++) {
        struct call call = run_here("SELECT SLEEP(30)", 30 + (uint32_t)i * 5);
        assert_int_equal(call.err.code, POOL_ERR_QUERY_TIMEOUT);
        assert_works();
    }
    assert_peak(1 + 1);
}

static void a_statement_is_killed_late_if_the_server_was_frozen(void **state)
{
    struct pool_options options = app_options();
    (void)state;
    options.connection_limit = 2;
    make_pool(options);
    struct call *calls[] = {start_call("SELECT SLEEP(30)", 4000),
                            start_call("SELECT SLEEP(30)", 4000)};
    assert_within(GENEROUS, admin_asks(f.admin, RUNNING_SLEEPS) == 2);
    signal_server(SIGSTOP);
    assert_within(GENEROUS, atomic_load(&calls[0]->done) && atomic_load(&calls[1]->done));
    assert_int_equal(calls[0]->err.code, POOL_ERR_QUERY_TIMEOUT);
    pause_ms(2500); /* the first try to kill must fail, which takes 2 s */
    signal_server(SIGCONT);
    assert_within(20000, admin_asks(f.admin, RUNNING_SLEEPS) == 0);
    assert_works();
}

/* The first KILL has no answer within its time, but is carried out when the server goes on;
 * the second finds nobody. */
static void a_statement_that_is_killed_twice_counts_once(void **state)
{
    (void)state;
    make_pool(app_options());
    run_here("SELECT SLEEP(30)", 100); /* opens the control connection */
    assert_within(GENEROUS, stats_now().kills == 1 && stats_now().closing == 0);
    struct call *call = start_call("SELECT SLEEP(30)", 1000);
    assert_within(GENEROUS, admin_asks(f.admin, RUNNING_SLEEPS) == 1);
    signal_server(SIGSTOP);
    assert_within(GENEROUS, atomic_load(&call->done));
    assert_within(GENEROUS, stats_now().kills == 2); /* after 5 s */
    signal_server(SIGCONT);
    assert_within(GENEROUS, stats_now().closing == 0);
    assert_int_equal(stats_now().kills, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_beside, tear_down_beside)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(signals_disturb_no_call_and_no_deadline),
        TEST(a_statement_past_its_deadline_is_killed_on_the_server),
        TEST(a_ping_after_a_deadline_does_not_save_the_statement),
        TEST(the_slot_of_a_timed_out_statement_counts_until_the_server_has_ended_it),
        TEST(a_statement_is_killed_late_if_the_server_was_frozen),
        TEST(a_statement_that_is_killed_twice_counts_once),
    };
    return server_suite_main(argc, argv, tests);
}
