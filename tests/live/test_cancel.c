/*
 * pool_cancel: what a cancel does to a call that waits, runs, or has ended; from where it may
 * come; and that it never holds anything up, not even the end of the pool.
 *
 * Needs a server: MYPOOL_URL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

#include "calls.h"
#include "handled.h"
#include "suite.h"

#include <sys/wait.h>
#include <unistd.h>

#define ENDS (SANITIZED ? 20u : 60u)
#define TOGETHER 8u

/* ---- what waits ---- */

static void a_call_in_the_queue_is_dropped(void **state)
{
    (void)state;
    struct handled call;
    make_table();
    make_pool_of(1, false);
    struct pool_conn conn = borrow();
    start_handled("INSERT INTO held VALUES (1)", &call);
    assert_within(GENEROUS, stats_now().waiting == 1);
    cancel(call.call);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
    assert_true(call.seen.err.not_executed);
    assert_int_equal(stats_now().waiting, 0);
    pool_conn_release(conn, NULL);
    must("SELECT 1");
    assert_rows(0);
    assert_stale(call.call);
}

static void a_call_that_the_loop_has_not_seen_yet_is_dropped(void **state)
{
    (void)state;
    struct handled call;
    make_table();
    make_pool_of(1, true);
    start_handled("INSERT INTO held VALUES (1)", &call);
    cancel(call.call);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
    assert_true(call.seen.err.not_executed);
    assert_rows(0);
}

static void one_call_of_several_in_the_queue_is_dropped(void **state)
{
    (void)state;
    struct handled calls[3];
    make_pool_of(1, false);
    struct pool_conn conn = borrow();
    for (unsigned i = 0; i < 3; i++)
        start_handled("SELECT 7", &calls[i]);
    assert_within(GENEROUS, stats_now().waiting == 3);
    cancel(calls[1].call);
    assert_seen_failed(&calls[1].seen, POOL_ERR_CANCELLED);
    pool_conn_release(conn, NULL);
    assert_int_equal(value_of(&calls[0].seen), 7);
    assert_int_equal(value_of(&calls[2].seen), 7);
}

static void waiting_for_a_connection_can_be_cancelled(void **state)
{
    (void)state;
    struct seen seen = {.calls = 0};
    struct pool_call call;
    struct pool_request request = {.sql = NULL};
    make_pool_of(1, false);
    struct pool_conn conn = borrow();
    assert_true(pool_get_connection_async_with(f.pool, &request, on_conn, &seen, &call, NULL));
    assert_within(GENEROUS, stats_now().waiting == 1);
    cancel(call);
    assert_seen_failed(&seen, POOL_ERR_CANCELLED);
    assert_null(seen.conn.pool);
    pool_conn_release(conn, NULL);
    must("SELECT 1");
}

/* ---- what runs ---- */

static void is_stopped_and_keeps_its_connection(bool manual)
{
    struct handled call;
    start_for_long(manual, &call);
    long id = admin_asks(
        f.admin, "SELECT id FROM information_schema.processlist WHERE info = '" FOR_LONG "'");
    uint64_t begin = now_ms();
    cancel(call.call);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
    assert_true(now_ms() - begin < SOON);
    assert_false(call.seen.err.not_executed);
    assert_false(call.seen.err.fatal);
    assert_int_equal(id_of_next(), id);
    assert_int_equal(stats_now().closed, 0);
    assert_true(pool_end(f.pool, GENEROUS, NULL));
    f.pool = NULL;
    assert_int_equal(atomic_load(&call.seen.calls), 1);
}

static void a_running_statement_is_stopped_and_its_connection_stays(void **state)
{
    (void)state;
    is_stopped_and_keeps_its_connection(false);
}

static void a_statement_is_stopped_in_the_programs_own_loop(void **state)
{
    (void)state;
    is_stopped_and_keeps_its_connection(true);
}

static void a_statement_on_a_borrowed_connection_is_stopped(void **state)
{
    (void)state;
    struct handled call;
    struct pool_request request = {.sql = FOR_LONG};
    memset(&call, 0, sizeof call);
    make_pool_of(1, false);
    struct pool_conn conn = borrow_async();
    must_on(conn, "SET @mine = 7");
    assert_true(
        pool_conn_query_async_with(conn, &request, on_result, &call.seen, &call.call, NULL));
    assert_within(GENEROUS, server_runs(FOR_LONG, 1));
    cancel(call.call);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
    assert_int_equal(number(conn, "SELECT @mine"), 7);
    assert_true(pool_conn_release(conn, NULL));
}

static void a_commit_can_be_cancelled(void **state)
{
    (void)state;
    struct handled call;
    struct pool_request request = {.sql = "COMMIT", .text = true};
    memset(&call, 0, sizeof call);
    make_table();
    make_pool_of(1, false);
    struct pool_conn conn = borrow_async();
    run_command(conn, pool_conn_begin_async);
    must_on(conn, "INSERT INTO held VALUES (1)");
    admin_does(f.admin, "FLUSH TABLES WITH READ LOCK");
    assert_true(
        pool_conn_query_async_with(conn, &request, on_result, &call.seen, &call.call, NULL));
    assert_within(GENEROUS, server_runs("COMMIT", 1));
    cancel(call.call);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
    assert_false(call.seen.err.not_executed);
    admin_does(f.admin, "UNLOCK TABLES");
    assert_true(pool_conn_release(conn, NULL));
    must("SELECT 1");
}

static void a_cancel_that_meets_the_reply_spoils_nothing(void **state)
{
    (void)state;
    struct handled call;
    make_pool_of(1, true);
    must("SELECT 1");
    for (unsigned i = 0; i < ENDS; i++) {
        start_handled("SELECT 5", &call);
        while (pool_dispatch(f.pool, 0) == 0) /* until it is sent */
            ;
        pool_cancel(call.call, NULL); /* it may have ended already */
        assert_seen(&call.seen);
        assert_true(call.seen.ok || call.seen.err.code == POOL_ERR_CANCELLED);
        pool_result_free(call.seen.result);
        must("SELECT 1");
    }
    assert_int_equal(stats_now().closed, 0);
}

/* ---- again, and too late ---- */

static void a_cancel_after_the_end_is_stale(void **state)
{
    (void)state;
    struct handled call;
    make_pool_of(1, false);
    start_handled("SELECT 5", &call);
    assert_int_equal(value_of(&call.seen), 5);
    assert_stale(call.call);
}

static void a_second_cancel_changes_nothing(void **state)
{
    (void)state;
    struct handled call;
    start_for_long(false, &call);
    cancel(call.call);
    pool_cancel(call.call, NULL);
    pool_cancel(call.call, NULL);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
    assert_stale(call.call);
    must("SELECT 1");
    assert_int_equal(stats_now().closed, 0);
}

/* ---- from where ---- */

static void *cancel_until_stale(void *arg)
{
    struct handled *call = arg;
    while (pool_cancel(call->call, NULL))
        ;
    return NULL;
}

static void many_threads_may_cancel_one_call(void **state)
{
    (void)state;
    struct handled call;
    pthread_t threads[4];
    start_for_long(false, &call);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, cancel_until_stale, &call), 0);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    must("SELECT 1");
    assert_int_equal(atomic_load(&call.seen.calls), 1);
}

struct one_cancels {
    struct seen seen;
    struct pool_call other;
    struct pool_call own;
    bool other_ok;
    struct pool_error own_err;
};

static void cancel_both(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct one_cancels *one = arg;
    one->other_ok = pool_cancel(one->other, NULL);
    pool_cancel(one->own, &one->own_err);
    on_result(err, result, &one->seen);
}

static void a_callback_cancels_others_and_is_over_itself(void **state)
{
    (void)state;
    struct handled call;
    struct one_cancels one = {.other_ok = false};
    struct pool_request request = {.sql = "SELECT 5"};
    make_pool_of(2, false);
    start_handled(FOR_LONG, &call);
    assert_within(GENEROUS, server_runs(FOR_LONG, 1));
    one.other = call.call;
    assert_true(pool_query_async_with(f.pool, &request, cancel_both, &one, &one.own, NULL));
    assert_int_equal(value_of(&one.seen), 5);
    assert_true(one.other_ok);
    assert_int_equal(one.own_err.code, POOL_ERR_STALE);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
}

struct rows {
    struct seen seen;
    struct pool_call call;
    unsigned count;
};

static enum pool_flow cancel_at_ten(struct pool_result *row, void *arg)
{
    struct rows *rows = arg;
    (void)row;
    if (++rows->count == 10)
        pool_cancel(rows->call, NULL);
    return POOL_FLOW_CONTINUE;
}

static void on_rows_end(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct rows *rows = arg;
    on_result(err, result, &rows->seen);
}

static void a_row_callback_may_cancel_its_own_stream(void **state)
{
    (void)state;
    struct rows rows = {.count = 0};
    struct pool_request request = {.sql = "SELECT REPEAT('x', 1000) FROM seq_1_to_1000000"};
    make_pool_of(1, false);
    assert_true(pool_stream_async_with(f.pool, &request, cancel_at_ten, on_rows_end, &rows,
                                       &rows.call, NULL));
    assert_seen_failed(&rows.seen, POOL_ERR_CANCELLED);
    assert_true(rows.count >= 10 && rows.count < 1000000);
    must("SELECT 1");
}

/* ---- handles that are none ---- */

static void a_made_up_handle_is_stale(void **state)
{
    (void)state;
    struct handled call;
    start_for_long(false, &call);
    assert_stale((struct pool_call){NULL, 0});
    assert_stale((struct pool_call){NULL, call.call.ticket});
    assert_stale((struct pool_call){f.pool, 0});
    assert_stale((struct pool_call){f.pool, UINT64_MAX});
    assert_stale((struct pool_call){f.pool, call.call.ticket + 1});
    assert_stale((struct pool_call){f.pool, call.call.ticket + (UINT64_C(1) << 32)});
    assert_stale((struct pool_call){f.pool, call.call.ticket & ~UINT64_C(0xffffffff)});
    assert_int_equal(atomic_load(&call.seen.calls), 0);
    cancel(call.call);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
}

static void a_handle_of_an_ended_pool_is_stale(void **state)
{
    (void)state;
    struct handled call;
    start_for_long(false, &call);
    end_at_once();
    assert_seen(&call.seen);
    assert_false(call.seen.ok);
    assert_stale(call.call);
}

static void a_handle_is_stale_after_a_fork(void **state)
{
    (void)state;
    struct handled call;
    struct pool_error err;
    int status = 0;
    start_for_long(false, &call);
    pid_t child = fork();
    if (child == 0)
        _exit(!pool_cancel(call.call, &err) && err.code == POOL_ERR_STALE ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(atomic_load(&call.seen.calls), 0);
    cancel(call.call);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
}

/* ---- nothing hangs ---- */

static void *cancel_all(void *arg)
{
    struct handled *calls = arg;
    for (unsigned i = 0; i < TOGETHER; i++)
        pool_cancel(calls[i].call, NULL);
    return NULL;
}

static void end_while_cancelled(bool manual)
{
    static struct handled calls[TOGETHER];
    pthread_t thread;
    make_pool_of(2, manual);
    for (unsigned i = 0; i < TOGETHER; i++)
        start_handled(i % 2 ? "SELECT 1" : FOR_LONG, &calls[i]);
    pool_dispatch(f.pool, 20);
    assert_int_equal(pthread_create(&thread, NULL, cancel_all, calls), 0);
    assert_true(end_at_once() < SOON);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < TOGETHER; i++) {
        assert_int_equal(atomic_load(&calls[i].seen.calls), 1);
        pool_result_free(calls[i].seen.result);
    }
}

static void cancels_and_the_end_meet(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ENDS; i++)
        end_while_cancelled(i % 2);
}

/* Or tries to: a worker is at the control connection. */
static bool somebody_kills(void)
{
    if (pthread_mutex_trylock(&f.pool->control.lock) != 0)
        return true;
    pthread_mutex_unlock(&f.pool->control.lock);
    return false;
}

static void the_end_is_in_time_although_the_server_does_not_answer(void **state)
{
    (void)state;
    struct handled call;
    start_for_long(false, &call);
    freeze_server();
    cancel(call.call);
    assert_within(GENEROUS, somebody_kills());
    assert_true(end_at_once() < SOON);
    assert_int_equal(atomic_load(&call.seen.calls), 1);
    assert_int_equal(call.seen.err.code, POOL_ERR_CANCELLED);
    thaw_server();
}

static void without_a_connection_to_kill_from_the_statement_ends_by_itself(void **state)
{
    (void)state;
    struct handled call;
    struct pool_options options = changing_options("WITH MAX_USER_CONNECTIONS 1");
    options.connection_limit = 1;
    make_pool(options);
    unsigned long id = id_of_next();
    start_handled("SELECT SLEEP(1)", &call);
    assert_within(GENEROUS, server_runs("SELECT SLEEP(1)", 1));
    cancel(call.call);
    assert_int_equal(value_of(&call.seen), 0);
    assert_int_equal(id_of_next(), id);
}

/* A SLEEP that is stopped at its very begin may say so by its value, 1, instead of an error. */
static void assert_stopped(struct seen *seen)
{
    assert_seen(seen);
    if (seen->ok)
        assert_int_equal(value_of(seen), 1);
    else
        assert_int_equal(seen->err.code, POOL_ERR_CANCELLED);
}

/* The KILL may reach the server before the statement does, and then it has no effect. */
static void however_early_a_cancel_comes_the_statement_is_stopped(void **state)
{
    (void)state;
    struct handled call;
    make_pool_of(1, false);
    start_handled("SELECT 1", &call);
    assert_seen_ok(&call.seen);
    pool_result_free(call.seen.result);
    for (unsigned i = 0; i < 300; i++) {
        start_handled(FOR_LONG, &call);
        uint64_t at = now_ns() + i * 1000;
        while (now_ns() < at)
            ;
        cancel(call.call);
        assert_stopped(&call.seen);
    }
    assert_int_equal(stats_now().closed, 0);
}

static void a_call_that_is_no_stream_is_not_resumed(void **state)
{
    (void)state;
    struct handled call;
    struct pool_error err;
    start_for_long(false, &call);
    assert_false(pool_resume(call.call, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    cancel(call.call);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        HANDLED_TEST(a_call_in_the_queue_is_dropped),
        HANDLED_TEST(a_call_that_the_loop_has_not_seen_yet_is_dropped),
        HANDLED_TEST(one_call_of_several_in_the_queue_is_dropped),
        HANDLED_TEST(waiting_for_a_connection_can_be_cancelled),
        HANDLED_TEST(a_running_statement_is_stopped_and_its_connection_stays),
        HANDLED_TEST(a_statement_is_stopped_in_the_programs_own_loop),
        HANDLED_TEST(a_statement_on_a_borrowed_connection_is_stopped),
        HANDLED_TEST(a_commit_can_be_cancelled),
        HANDLED_TEST(a_cancel_that_meets_the_reply_spoils_nothing),
        HANDLED_TEST(a_cancel_after_the_end_is_stale),
        HANDLED_TEST(a_second_cancel_changes_nothing),
        HANDLED_TEST(many_threads_may_cancel_one_call),
        HANDLED_TEST(a_callback_cancels_others_and_is_over_itself),
        HANDLED_TEST(a_row_callback_may_cancel_its_own_stream),
        HANDLED_TEST(a_made_up_handle_is_stale),
        HANDLED_TEST(a_handle_of_an_ended_pool_is_stale),
        HANDLED_TEST(a_handle_is_stale_after_a_fork),
        HANDLED_TEST(cancels_and_the_end_meet),
        HANDLED_TEST(the_end_is_in_time_although_the_server_does_not_answer),
        HANDLED_TEST(without_a_connection_to_kill_from_the_statement_ends_by_itself),
        HANDLED_TEST(however_early_a_cancel_comes_the_statement_is_stopped),
        HANDLED_TEST(a_call_that_is_no_stream_is_not_resumed),
    };
    return server_suite_main(argc, argv, tests);
}
