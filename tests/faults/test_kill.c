/*
 * Connections that the server has ended: killed while they were idle or busy, closed for idleness,
 * and dead before the keeper knows it.
 *
 * Each test has a pool of its own and an administrator's connection beside it; see beside.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "beside.h"
#include "suite.h"

#include <stdatomic.h>

/* KILL */

static void a_killed_idle_connection_leaves_the_pool(void **state)
{
    unsigned long ids[4];
    (void)state;
    make_pool(app_options());
    open_at_once(4, ids);
    assert_true(kill_on_server(ids[0]) && kill_on_server(ids[1]));
    assert_within(GENEROUS, closed_by(POOL_CLOSE_SERVER) == 2);
    assert_within(GENEROUS, stats_now().open == 2);
    open_at_once(4, NULL);
    for (int i = 0; i < 8; i++)
        assert_works();
}

/* Dead, to the knowledge of the kernel, before anybody else can borrow it. False if
 * what we borrow has been killed by an earlier call. */
static bool kill_one_that_runs_nothing(void)
{
    struct pool_conn conn;
    struct pool_error err;
    if (!pool_get_connection(f.pool, &conn, &err))
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
    unsigned long id = pool_conn_thread_id(conn);
    bool killed = kill_on_server(id);
    assert_within(GENEROUS, is_gone(f.admin, id));
    assert_true(pool_conn_release(conn, NULL));
    return killed;
}

static void statements_notice_nothing_of_connections_killed_while_idle(void **state)
{
    unsigned killed = 0, dead = 0;
    (void)state;
    make_pool(app_options());
    start_load(6, 0);
    for (uint64_t end = now_ms() + 60000; killed < 120 && now_ms() < end;)
        if (kill_one_that_runs_nothing())
            killed++;
        else
            dead++;
    print_message("           %u kills; %u times a dead connection was lent out as a handle\n",
                  killed, dead);
    assert_true(killed >= 120);
    zero_successes();
    assert_within(GENEROUS, everybody_served());
    stop_load();
    assert_errors_only(0);
}

static unsigned long any_app_thread(void)
{
    return (unsigned long)admin_asks(f.admin,
                                     "SELECT id FROM information_schema.processlist WHERE user = "
                                     "'app' ORDER BY RAND() LIMIT 1");
}

static void kills_of_anybody_cost_one_call_each_at_most(void **state)
{
    struct pool_options options = app_options();
    unsigned killed = 0;
    (void)state;
    options.pipeline_depth = 1; /* else those who go together are lost together */
    make_pool(options);
    start_load(8, 0);
    for (uint64_t end = now_ms() + 60000; killed < 150 && now_ms() < end; pause_ms(3))
        killed += kill_on_server(any_app_thread());
    assert_int_equal(killed, 150);
    zero_successes();
    assert_within(GENEROUS, everybody_served());
    stop_load();
    print_message("           %u kills, %lu lost calls\n", killed,
                  atomic_load(&beside.load.errors[POOL_ERR_LOST]));
    assert_errors_only(BIT(POOL_ERR_LOST));
    assert_true(failures() <= killed);
}

static void a_killed_busy_connection_fails_its_call_as_lost(void **state)
{
    (void)state;
    make_pool(app_options());
    struct call *call = start_call("SELECT SLEEP(30)", 0);
    assert_within(GENEROUS, admin_asks(f.admin, RUNNING_SLEEPS) == 1);
    assert_true(kill_on_server(any_app_thread()));
    assert_within(GENEROUS, atomic_load(&call->done));
    assert_false(call->ok);
    assert_int_equal(call->err.code, POOL_ERR_LOST);
    assert_true(call->err.fatal);
    assert_false(call->err.not_executed);
    assert_true(call->err.server_errno != 0);
    assert_works();
    assert_int_equal(stats_now().in_use, 0);
}

static void a_killed_statement_leaves_its_connection_in_the_pool(void **state)
{
    (void)state;
    make_pool(app_options());
    struct call *call = start_call("SELECT SLEEP(30)", 0);
    assert_within(GENEROUS, admin_asks(f.admin, RUNNING_SLEEPS) == 1);
    admin_does(f.admin, "KILL QUERY %lu", any_app_thread());
    assert_within(GENEROUS, atomic_load(&call->done));
    assert_int_equal(call->err.code, POOL_ERR_SERVER);
    assert_int_equal(call->err.server_errno, 1317);
    assert_false(call->err.fatal);
    assert_works();
    assert_int_equal(stats_now().closed, 0);
}

static void what_the_server_closes_for_idleness_is_never_handed_out(void **state)
{
    struct pool_options options = app_options();
    (void)state;
    admin_does(f.admin, "SET GLOBAL wait_timeout = 1");
    options.keepalive_ms = POOL_NEVER;
    make_pool(options);
    for (int round = 0; round < 2; round++) {
        open_at_once(3, NULL);
        uint64_t before = closed_by(POOL_CLOSE_SERVER) + stats_now().pings;
        assert_within(GENEROUS, closed_by(POOL_CLOSE_SERVER) + stats_now().pings >= before + 3);
        for (int i = 0; i < 6; i++)
            assert_works();
    }
}

/* Dead, and the keeper does not know it yet */

static void wait_at_gate(const char *label, uint32_t held_ms, void *arg)
{
    struct gate *gate = arg;
    (void)label;
    (void)held_ms;
    if (!atomic_load(&gate->armed))
        return;
    atomic_store(&gate->entered, true);
    while (!atomic_load(&gate->open))
        pause_ms(1);
}

/* A pool with one connection borrowed, the others idle and closed by the server, and the
 * keeper at the gate: the hook of the one that is reported as a leak. */
static struct pool_conn make_pool_of_dead(struct pool_options options)
{
    unsigned long ids[MOST];
    struct pool_conn alive;
    options.leak_after_ms = 40;
    options.hooks = (struct pool_hooks){.on_leak = wait_at_gate, .arg = &beside.gate};
    make_pool(options);
    open_at_once(options.connection_limit, ids);
    atomic_store(&beside.gate.armed, true);
    assert_true(pool_get_connection(f.pool, &alive, NULL));
    assert_within(GENEROUS, atomic_load(&beside.gate.entered));
    unsigned long spared = pool_conn_thread_id(alive);
    for (unsigned i = 0; i < options.connection_limit; i++) {
        if (ids[i] == spared)
            continue;
        assert_true(kill_on_server(ids[i]));
        assert_within(GENEROUS, is_gone(f.admin, ids[i]));
    }
    assert_int_equal(stats_now().open, options.connection_limit);
    return alive;
}

/* The call comes upon each of the dead, and then waits for the last one. Whatever it takes to
 * run `statements` of them, each is one, and none has failed. */
static void assert_passes_over_the_dead(bool (*how)(struct call *call), bool tls,
                                        uint64_t statements)
{
    struct pool_options options = app_options();
    options.connection_limit = 8;
    options.tls = tls ? POOL_TLS_VERIFY : POOL_TLS_OFF;
    options.tls_ca = tls ? getenv("MYPOOL_CA") : NULL;
    struct pool_conn alive = make_pool_of_dead(options);
    struct pool_stats before = stats_now();
    struct call *call = start_call_by(how, "SELECT 1", 0);
    assert_within(GENEROUS, stats_now().waiting == 1 || atomic_load(&call->done));
    assert_false(atomic_load(&call->done));
    assert_true(pool_conn_release(alive, NULL));
    assert_within(GENEROUS, atomic_load(&call->done));
    if (!call->ok)
        fail_msg("%s: %s", pool_code_name(call->err.code), call->err.message);
    assert_int_equal(call->err.code, POOL_OK);
    assert_int_equal(stats_now().acquired - before.acquired, 8);
    assert_int_equal(stats_now().queries - before.queries, statements);
    assert_int_equal(stats_now().query_errors, 0);
}

static void a_statement_passes_over_connections_that_died_unseen(void **state)
{
    (void)state;
    assert_passes_over_the_dead(query_by_call, false, 1);
}

static void a_statement_passes_over_tls_connections_that_died_unseen(void **state)
{
    (void)state;
    assert_passes_over_the_dead(query_by_call, true, 1);
}

static bool count_row(struct pool_result *row, void *arg)
{
    *(unsigned *)arg += 1;
    return pool_get_int(row, 0) == 1;
}

static bool stream_by_call(struct call *call)
{
    unsigned rows = 0;
    return pool_stream(call->pool, call->request.sql, POOL_NO_ARGS, count_row, &rows, &call->err) &&
           rows == 1;
}

static void a_stream_passes_over_connections_that_died_unseen(void **state)
{
    (void)state;
    assert_passes_over_the_dead(stream_by_call, false, 1);
}

static bool ping_by_call(struct call *call)
{
    return pool_ping(call->pool, &call->err);
}

static void a_ping_passes_over_connections_that_died_unseen(void **state)
{
    (void)state;
    assert_passes_over_the_dead(ping_by_call, false, 0);
}

static bool do_in_transaction(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct call *call = arg;
    struct pool_result *result = pool_conn_query_with(conn, &call->request, err);
    pool_result_free(result);
    return result != NULL;
}

static bool transact_by_call(struct call *call)
{
    return pool_transaction(call->pool, do_in_transaction, call, &call->err);
}

static void a_transaction_passes_over_connections_that_died_unseen(void **state)
{
    (void)state;
    assert_passes_over_the_dead(transact_by_call, false, 3);
}

static void a_transaction_waits_for_a_connection_no_longer_than_allowed(void **state)
{
    struct pool_options options = app_options();
    (void)state;
    options.connection_limit = 2;
    options.acquire_timeout_ms = 300;
    struct pool_conn alive = make_pool_of_dead(options);
    struct call *call = start_call_by(transact_by_call, "SELECT 1", 0);
    assert_within(GENEROUS, atomic_load(&call->done));
    assert_timely("the transaction", call->took_ms, 300);
    assert_int_equal(call->err.code, POOL_ERR_TIMEOUT);
    assert_true(call->err.not_executed);
    assert_true(pool_conn_release(alive, NULL));
}

/* It waits twice: until it gets the dead one, and then for another. */
static void a_statement_waits_for_a_connection_no_longer_than_allowed(void **state)
{
    struct pool_options options = app_options();
    struct pool_conn dead;
    (void)state;
    options.connection_limit = 2;
    options.acquire_timeout_ms = 4000;
    struct pool_conn alive = make_pool_of_dead(options);
    assert_true(pool_get_connection(f.pool, &dead, NULL));
    uint64_t start_ms = now_ms();
    struct call *call = start_call_by(query_by_call, "SELECT 1", 0);
    assert_within(GENEROUS, now_ms() - start_ms >= 3500 && stats_now().waiting == 1);
    uint64_t first_ms = now_ms() - start_ms;
    assert_true(pool_conn_release(dead, NULL));
    assert_within(GENEROUS, atomic_load(&call->done));
    assert_int_equal(call->err.code, POOL_ERR_TIMEOUT);
    assert_true(call->err.not_executed);
    assert_true(call->took_ms >= 4000 && call->took_ms < first_ms + 4000);
    assert_true(pool_conn_release(alive, NULL));
}

static void a_handle_on_a_connection_that_died_unseen_says_not_executed(void **state)
{
    struct pool_options options = app_options();
    struct pool_conn conn;
    struct pool_error err;
    (void)state;
    options.connection_limit = 2;
    struct pool_conn alive = make_pool_of_dead(options);
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    for (int i = 0; i < 2; i++) {
        assert_null(pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, &err));
        assert_int_equal(err.code, POOL_ERR_LOST);
        assert_true(err.not_executed && err.fatal);
    }
    assert_true(pool_conn_release(conn, NULL));
    assert_true(pool_conn_release(alive, NULL));
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    struct pool_result *one = pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, &err);
    assert_non_null(one);
    pool_result_free(one);
    assert_true(pool_conn_release(conn, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_beside, tear_down_beside)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_killed_idle_connection_leaves_the_pool),
        TEST(statements_notice_nothing_of_connections_killed_while_idle),
        TEST(kills_of_anybody_cost_one_call_each_at_most),
        TEST(a_killed_busy_connection_fails_its_call_as_lost),
        TEST(a_killed_statement_leaves_its_connection_in_the_pool),
        TEST(what_the_server_closes_for_idleness_is_never_handed_out),
        TEST(a_statement_passes_over_connections_that_died_unseen),
        TEST(a_statement_passes_over_tls_connections_that_died_unseen),
        TEST(a_stream_passes_over_connections_that_died_unseen),
        TEST(a_ping_passes_over_connections_that_died_unseen),
        TEST(a_transaction_passes_over_connections_that_died_unseen),
        TEST(a_transaction_waits_for_a_connection_no_longer_than_allowed),
        TEST(a_statement_waits_for_a_connection_no_longer_than_allowed),
        TEST(a_handle_on_a_connection_that_died_unseen_says_not_executed),
    };
    return server_suite_main(argc, argv, tests);
}
