/*
 * Not enough of something: a full server, a user's limit, no descriptors left; and that a pool
 * never has more threads of the server than its limit, whatever befalls them.
 *
 * Where the number of server threads matters a sampler reads the process list. See beside.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "beside.h"
#include "suite.h"

#include <mysql.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

/* Load */

/* For a load whose successes are all that there are. */
static void assert_each_call_is_in_the_books(void)
{
    struct pool_stats stats = stats_now();
    assert_int_equal(stats.queries - stats.query_errors, successes());
    assert_in_range(stats.query_errors, failures(), UINT64_MAX);
}

/* The administrator's doings */

static void a_full_server_leaves_callers_with_what_is_open(void **state)
{
    struct pool_options options = app_options();
    (void)state;
    options.connection_limit = 16;
    make_pool(options);
    open_at_once(2, NULL);
    admin_does(f.admin, "SET GLOBAL max_connections = 10");
    start_load(16, 0);
    assert_within(GENEROUS, stats_now().connect_failures > 0);
    uint64_t begin = now_ms(), tries = stats_now().connect_failures;
    zero_successes();
    assert_within(GENEROUS, everybody_served() && now_ms() - begin > 2000);
    tries = stats_now().connect_failures - tries;
    print_message("           %lu refused connects in %lu ms\n", tries, now_ms() - begin);
    assert_true(tries <= 100 * (now_ms() - begin) / 1000); /* no busy loop */
    stop_load();
    assert_errors_only(0);
    assert_true(stats_now().open <= 10);
}

static void a_server_that_was_full_is_used_up_to_the_limit_again(void **state)
{
    struct pool_options options = app_options();
    struct pool_conn conns[14];
    (void)state;
    options.connection_limit = 14;
    make_pool(options);
    admin_does(f.admin, "SET GLOBAL max_connections = 10");
    start_load(14, 0);
    assert_within(GENEROUS, stats_now().connect_failures > 0);
    stop_load();
    admin_does(f.admin, "SET GLOBAL max_connections = 151");
    struct pool_request patient = {.acquire_timeout_ms = 60000};
    unsigned held = 0;
    while (held < 14 && pool_get_connection_with(f.pool, &patient, &conns[held], NULL))
        held++;
    for (unsigned i = 0; i < held; i++)
        pool_conn_release(conns[i], NULL);
    assert_int_equal(held, 14);
}

static void a_full_server_and_nothing_open_is_reported_as_such(void **state)
{
    MYSQL *others[16];
    unsigned count = 0;
    (void)state;
    admin_does(f.admin, "SET GLOBAL max_connections = 10");
    while (count < 16 && (others[count] = connect_admin()))
        count++;
    make_pool(app_options());
    struct call call = run_here("SELECT 1", 0);
    while (count-- > 0)
        mysql_close(others[count]);
    assert_false(call.ok);
    assert_int_equal(call.err.code, POOL_ERR_CONNECT);
    assert_int_equal(call.err.server_errno, 1040);
    assert_true(call.took_ms < 5000);
    assert_within(GENEROUS, works(NULL));
}

static void a_users_limit_leaves_callers_with_what_is_open(void **state)
{
    struct pool_options options = app_options();
    (void)state;
    admin_does(f.admin, "CREATE OR REPLACE USER changing@'%%' IDENTIFIED BY 'first' WITH "
                        "MAX_USER_CONNECTIONS 2");
    admin_does(f.admin, "GRANT ALL ON mypool.* TO changing@'%%'");
    options.user = "changing";
    options.password = "first";
    make_pool(options);
    start_load(8, 0);
    assert_within(GENEROUS, stats_now().connect_failures > 0);
    zero_successes();
    assert_within(GENEROUS, everybody_served());
    stop_load();
    assert_errors_only(0);
    assert_true(stats_now().open <= 2);
}

/* The client's own troubles */

static void limit_descriptors(rlim_t most)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = most ? most : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* No descriptor below the limit is free. */
static void no_more_descriptors(void)
{
    int fd = dup(0);
    rlim_t most = (rlim_t)fd;
    close(fd);
    limit_descriptors(most);
}

static void without_descriptors_callers_share_what_is_open(void **state)
{
    (void)state;
    make_pool(app_options());
    assert_works();
    no_more_descriptors();
    start_load(8, 0);
    bool refused = WITHIN(GENEROUS, stats_now().connect_failures > 1);
    zero_successes();
    bool served = WITHIN(GENEROUS, everybody_served());
    struct pool_stats stats = stats_now();
    limit_descriptors(0);
    stop_load();
    assert_true(refused && served);
    assert_errors_only(0);
    assert_int_equal(stats.open, 1);
    assert_true(stats.connect_failures < 200); /* no busy loop */
    open_at_once(4, NULL);
}

static void a_statement_is_killed_although_no_descriptor_is_left(void **state)
{
    (void)state;
    make_pool(app_options());
    run_here("SELECT SLEEP(30)", 100); /* opens the control connection */
    assert_within(GENEROUS, stats_now().kills == 1 && stats_now().closing == 0);
    struct call *call = start_call("SELECT SLEEP(30)", 1000);
    assert_within(GENEROUS, admin_asks(f.admin, RUNNING_SLEEPS) == 1);
    no_more_descriptors(); /* none to keep the socket with */
    bool done = WITHIN(GENEROUS, atomic_load(&call->done));
    bool killed = WITHIN(GENEROUS, stats_now().kills == 2);
    bool freed = WITHIN(GENEROUS, stats_now().closing == 0 && stats_now().open == 0);
    limit_descriptors(0);
    assert_true(done && killed && freed);
    assert_int_equal(call->err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_within(GENEROUS, admin_asks(f.admin, RUNNING_SLEEPS) == 0);
}

/* Deadlines of statements, and what remains of them on the server */

/* The sessions that were opened last. */
struct sessions {
    atomic_ulong ids[4];
    atomic_uint count;
};

static void note_session(unsigned long id, void *arg)
{
    struct sessions *sessions = arg;
    atomic_store(&sessions->ids[atomic_fetch_add(&sessions->count, 1) % 4], id);
}

/* The control connection is spared: were it killed itself, the pool could not ask
 * whether its thread has ended before it opens the next. */
static void server_threads_stay_within_the_limit_during_kills(void **state)
{
    static struct sessions sessions;
    struct pool_options options = app_options();
    unsigned killed = 0;
    (void)state;
    options.hooks = (struct pool_hooks){.on_connection = note_session, .arg = &sessions};
    make_pool(options);
    start_load(12, 0);
    start_sampler();
    for (uint64_t end = now_ms() + 60000; killed < 200 && now_ms() < end; pause_ms(3)) {
        unsigned long id = atomic_load(&sessions.ids[killed % 4]);
        killed += id && kill_on_server(id);
    }
    assert_int_equal(killed, 200);
    assert_peak(4 + 1);
    stop_load();
    assert_each_call_is_in_the_books();
}

static void server_threads_stay_within_the_limit_during_timeouts(void **state)
{
    (void)state;
    make_pool(app_options());
    start_load(4, 0);
    start_sampler();
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 6; i++)
            start_call("SELECT SLEEP(30)", 100);
        join_calls();
    }
    stop_load();
    assert_each_call_is_in_the_books(); /* no SLEEP was a success */
    assert_peak(4 + 1);
    assert_within(GENEROUS, admin_asks(f.admin, RUNNING_SLEEPS) == 0);
}

static void server_threads_stay_within_the_limit_during_restarts(void **state)
{
    (void)state;
    make_pool(app_options());
    start_load(12, 0);
    start_sampler();
    for (int round = 0; round < 3; round++) {
        kill_server();
        restart_server();
        zero_successes();
        assert_within(GENEROUS, everybody_served());
    }
    assert_peak(4 + 1);
}

static void server_threads_stay_within_the_limit_after_a_freeze(void **state)
{
    struct pool_options options = app_options();
    (void)state;
    options.connect_timeout_ms = 500;
    make_pool(options);
    start_load(12, 300);
    start_sampler();
    for (int round = 0; round < 3; round++) {
        uint64_t before = failures();
        signal_server(SIGSTOP);
        assert_within(GENEROUS, failures() >= before + 60);
        signal_server(SIGCONT);
        zero_successes();
        /* On a busy machine many connects and statements pass these limits. */
        assert_within(4 * GENEROUS, everybody_served());
    }
    stop_load();
    assert_peak(4 + 1);
}

static void server_threads_stay_within_the_limit_when_destroyed_in_a_storm(void **state)
{
    struct pool_conn conns[4];
    (void)state;
    make_pool(app_options());
    start_sampler();
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 4; i++)
            assert_true(pool_get_connection(f.pool, &conns[i], NULL));
        for (int i = 0; i < 4; i++)
            pool_conn_destroy(conns[i], NULL);
    }
    assert_peak(4 + 1);
}

static void server_threads_stay_within_the_limit_if_the_set_up_hangs(void **state)
{
    static const char *const init_sql[] = {"DO SLEEP(30)", NULL};
    struct pool_options options = app_options();
    (void)state;
    options.connection_limit = 2;
    options.connect_timeout_ms = 200;
    options.init_sql = init_sql;
    options.fail_fast_ms = POOL_NEVER;
    make_pool(options);
    start_sampler();
    start_call("SELECT 1", 4000);
    start_call("SELECT 1", 4000);
    join_calls();
    assert_true(stats_now().connect_failures >= 2);
    assert_peak(2 + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_beside, tear_down_beside)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_server_leaves_callers_with_what_is_open),
        TEST(a_server_that_was_full_is_used_up_to_the_limit_again),
        TEST(a_full_server_and_nothing_open_is_reported_as_such),
        TEST(a_users_limit_leaves_callers_with_what_is_open),
        TEST(without_descriptors_callers_share_what_is_open),
        TEST(a_statement_is_killed_although_no_descriptor_is_left),
        TEST(server_threads_stay_within_the_limit_during_kills),
        TEST(server_threads_stay_within_the_limit_during_timeouts),
        TEST(server_threads_stay_within_the_limit_during_restarts),
        TEST(server_threads_stay_within_the_limit_after_a_freeze),
        TEST(server_threads_stay_within_the_limit_when_destroyed_in_a_storm),
        TEST(server_threads_stay_within_the_limit_if_the_set_up_hangs),
    };
    return server_suite_main(argc, argv, tests);
}
