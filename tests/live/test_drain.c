/*
 * pool_drain: what is new is refused, what has begun goes on to its own end, and pool_drained and
 * the gauge of pending calls say when that is; for a program that has to go on meanwhile.
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

static const struct pool_request plain = {.sql = "SELECT 1"};
static const struct pool_value one_value = {.type = POOL_TYPE_INT, .as.i = 1};

static bool do_nothing(struct pool_conn conn, void *arg, struct pool_error *err)
{
    (void)conn, (void)arg, (void)err;
    return true;
}

static bool take_row(struct pool_result *row, void *arg)
{
    (void)row, (void)arg;
    return true;
}

static enum pool_flow take_flow(struct pool_result *row, void *arg)
{
    (void)row, (void)arg;
    return POOL_FLOW_CONTINUE;
}

static void expect_closed(bool done, const struct pool_error *err)
{
    assert_false(done);
    assert_refused(err, POOL_ERR_CLOSED, 0);
    assert_non_null(strstr(err->message, "drains"));
    assert_true(err->not_executed);
}

static void whatever_blocks_and_is_new_is_refused(void **state)
{
    (void)state;
    struct pool_conn conn;
    struct pool_error err;
    make_pool_of(1, false);
    assert_true(pool_drain(f.pool, &err));
    assert_true(pool_drain(f.pool, &err));
    expect_closed(pool_query(f.pool, "SELECT 1", POOL_NO_ARGS, &err), &err);
    expect_closed(pool_exec(f.pool, "DO 1", POOL_NO_ARGS, NULL, &err), &err);
    expect_closed(pool_stream_with(f.pool, &plain, take_row, NULL, &err), &err);
    expect_closed(pool_batch(f.pool, "DELETE FROM t WHERE n = ?", &one_value, 1, 1, &err), &err);
    expect_closed(pool_get_connection(f.pool, &conn, &err), &err);
    expect_closed(pool_get_connection_with(f.pool, &plain, &conn, &err), &err);
    expect_closed(pool_transaction(f.pool, do_nothing, NULL, &err), &err);
    expect_closed(pool_ping(f.pool, &err), &err);
}

static void whatever_calls_back_and_is_new_is_refused(void **state)
{
    (void)state;
    struct seen seen = {.calls = 0};
    struct pool_error err;
    make_pool_of(1, false);
    assert_true(pool_drain(f.pool, &err));
    expect_closed(pool_query_async(f.pool, "SELECT 1", POOL_NO_ARGS, on_result, &seen, &err), &err);
    expect_closed(
        pool_stream_async(f.pool, "SELECT 1", POOL_NO_ARGS, take_flow, on_result, &seen, &err),
        &err);
    expect_closed(pool_batch_async(f.pool, "DELETE FROM t WHERE n = ?", &one_value, 1, 1, on_result,
                                   &seen, &err),
                  &err);
    expect_closed(pool_get_connection_async(f.pool, on_conn, &seen, &err), &err);
    expect_closed(pool_transaction_async(f.pool, do_nothing, on_result, &seen, &err), &err);
    assert_true(pool_drained(f.pool));
    assert_int_equal(atomic_load(&seen.calls), 0);
}

static void what_is_borrowed_goes_on(void **state)
{
    (void)state;
    struct pool_error err;
    make_table();
    make_pool_of(1, false);
    struct pool_conn conn = borrow();
    assert_true(pool_drain(f.pool, &err));
    assert_false(pool_drained(f.pool));
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, "INSERT INTO held VALUES (1)", &err));
    must_on(conn, "INSERT INTO held VALUES (2)");
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, &err));
    assert_true(pool_drained(f.pool));
    assert_rows(2);
}

/* Who waits already is served, and is counted until then. */
static void what_was_accepted_is_served(void **state)
{
    (void)state;
    struct tally tally = {.ok = 0};
    struct pool_error err;
    make_pool_of(1, false);
    struct pool_conn conn = borrow();
    start_many(20, "SELECT 1", &tally);
    assert_int_equal(stats_now().pending, 20);
    assert_true(pool_drain(f.pool, &err));
    assert_false(pool_drained(f.pool));
    pool_conn_release(conn, NULL);
    assert_within(GENEROUS, told(&tally) == 20);
    assert_int_equal(atomic_load(&tally.ok), 20);
    assert_within(GENEROUS, pool_drained(f.pool));
    assert_int_equal(stats_now().pending, 0);
}

/* A transaction that is run again borrows again. */
struct again {
    struct seen seen; /* first: the end */
    unsigned runs;
};

static bool drain_and_ask_again(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct again *again = arg;
    (void)conn;
    pool_drain(f.pool, NULL);
    pool_error_set(err, POOL_ERR_SERVER, "once more");
    err->retry_transaction = true;
    return ++again->runs == 3;
}

static void a_transaction_is_run_again_all_the_same(void **state)
{
    (void)state;
    struct pool_error err;
    struct again here = {.runs = 0}, later = here;
    make_pool_of(1, false);
    assert_true(pool_transaction(f.pool, drain_and_ask_again, &here, &err));
    assert_int_equal(here.runs, 3);
    pool_end(f.pool, 0, NULL);
    make_pool_of(1, false);
    assert_true(pool_transaction_async(f.pool, drain_and_ask_again, on_result, &later, &err));
    assert_seen_ok(&later.seen);
    assert_int_equal(later.runs, 3);
}

/* A blocking one, which holds nothing while it pauses before its next run. */
struct blocking {
    pthread_t thread;
    _Atomic unsigned runs;
    _Atomic bool over;
    bool ok;
};

static bool ask_ten_times(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct blocking *blocking = arg;
    (void)conn;
    err->retry_transaction = true;
    return atomic_fetch_add(&blocking->runs, 1) + 1 == 10;
}

static void *transact(void *arg)
{
    struct blocking *blocking = arg;
    struct pool_transaction_request request = {.tries = 10};
    blocking->ok = pool_transaction_with(f.pool, &request, ask_ten_times, blocking, NULL);
    atomic_store(&blocking->over, true);
    return NULL;
}

static void start_transaction(struct blocking *blocking)
{
    memset(blocking, 0, sizeof *blocking);
    make_pool_of(1, false);
    assert_int_equal(pthread_create(&blocking->thread, NULL, transact, blocking), 0);
    WITHIN(GENEROUS, atomic_load(&blocking->runs) > 0);
}

static void between_two_runs_nothing_is_drained(void **state)
{
    (void)state;
    struct blocking blocking;
    bool early = false;
    start_transaction(&blocking);
    pool_drain(f.pool, NULL);
    while (!atomic_load(&blocking.over))
        early = early || (pool_drained(f.pool) && atomic_load(&blocking.runs) < 10);
    pthread_join(blocking.thread, NULL);
    assert_true(blocking.ok);
    assert_false(early);
    assert_int_equal(atomic_load(&blocking.runs), 10);
    assert_true(pool_drained(f.pool));
}

static void the_end_waits_for_all_runs_of_a_transaction(void **state)
{
    (void)state;
    struct blocking blocking;
    struct pool_error err;
    start_transaction(&blocking);
    bool clean = pool_end(f.pool, GENEROUS, &err);
    f.pool = NULL;
    pthread_join(blocking.thread, NULL);
    assert_true(clean);
    assert_true(blocking.ok);
    assert_int_equal(atomic_load(&blocking.runs), 10);
}

/* The last return is made by a thread, while the loop waits without a limit. */
static void *release_later(void *arg)
{
    pause_ms(50);
    pool_conn_release(*(struct pool_conn *)arg, NULL);
    return NULL;
}

static void the_last_return_wakes_the_loop(void **state)
{
    (void)state;
    pthread_t thread;
    struct pool_error err;
    make_pool_of(1, true);
    assert_true(pool_fd(f.pool) >= 0);
    struct pool_conn conn = borrow();
    assert_true(pool_drain(f.pool, &err));
    uint64_t begin = now_ms();
    assert_int_equal(pthread_create(&thread, NULL, release_later, &conn), 0);
    while (!pool_drained(f.pool) && now_ms() < begin + GENEROUS)
        pool_dispatch(f.pool, GENEROUS);
    pthread_join(thread, NULL);
    assert_true(pool_drained(f.pool));
    assert_true(now_ms() - begin < LATE);
}

/* The loop of the program: it never stands still, and the end has nothing left to do. */
static void a_loop_of_the_programs_goes_on_until_all_is_done(void **state)
{
    (void)state;
    struct tally tally = {.ok = 0};
    struct pool_error err;
    make_pool_of(2, true);
    start_many(50, "SELECT SLEEP(0.002)", &tally);
    assert_true(pool_drain(f.pool, &err));
    uint64_t end = now_ms() + GENEROUS;
    while (!pool_drained(f.pool) && now_ms() < end)
        pool_dispatch(f.pool, 10);
    assert_int_equal(atomic_load(&tally.ok), 50);
    assert_true(pool_end(f.pool, 0, &err));
    f.pool = NULL;
}

static void of_no_pool_nothing_is_drained(void **state)
{
    (void)state;
    struct pool_error err;
    assert_false(pool_drain(NULL, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_false(pool_drained(NULL));
    make_pool_of(1, false);
    assert_true(pool_drained(f.pool));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        HANDLED_TEST(whatever_blocks_and_is_new_is_refused),
        HANDLED_TEST(whatever_calls_back_and_is_new_is_refused),
        HANDLED_TEST(what_is_borrowed_goes_on),
        HANDLED_TEST(what_was_accepted_is_served),
        HANDLED_TEST(a_transaction_is_run_again_all_the_same),
        HANDLED_TEST(between_two_runs_nothing_is_drained),
        HANDLED_TEST(the_end_waits_for_all_runs_of_a_transaction),
        HANDLED_TEST(the_last_return_wakes_the_loop),
        HANDLED_TEST(a_loop_of_the_programs_goes_on_until_all_is_done),
        HANDLED_TEST(of_no_pool_nothing_is_drained),
    };
    return server_suite_main(argc, argv, tests);
}
