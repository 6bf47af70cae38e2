/*
 * Transactions with a request: isolation, read-only, the number of tries, one limit for the whole
 * call, a label, and cancelling, which leaves nothing of the transaction and hits nobody else.
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

#define INSERT "INSERT INTO held VALUES (1)"

/* What the function of a transaction does, and what became of it. */
struct deed {
    struct seen seen; /* first: the end */
    const char *sql[3];
    bool ask_again; /* as after a deadlock */
    bool swallow;   /* goes on after an error, and says true */
    void (*between)(struct deed *deed, struct pool_conn conn); /* after the first statement */
    struct pool_call call;
    _Atomic unsigned runs;
    _Atomic bool inside;
    _Atomic unsigned long thread_id;
    struct pool_error inner; /* the last error of a statement */
};

static void on_end(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct deed *deed = arg;
    on_result(err, result, &deed->seen);
}

static bool run_one(struct deed *deed, struct pool_conn conn, unsigned i, struct pool_error *err)
{
    if (did(conn, deed->sql[i], err))
        return true;
    deed->inner = *err;
    return deed->swallow;
}

static bool do_deed(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct deed *deed = arg;
    atomic_fetch_add(&deed->runs, 1);
    atomic_store(&deed->thread_id, pool_conn_thread_id(conn));
    for (unsigned i = 0; i < 3 && deed->sql[i]; i++) {
        if (!run_one(deed, conn, i, err))
            return false;
        atomic_store(&deed->inside, true);
        if (i == 0 && deed->between)
            deed->between(deed, conn);
    }
    if (!deed->ask_again)
        return true;
    pool_error_set(err, POOL_ERR_SERVER, "run %u of them", atomic_load(&deed->runs));
    err->retry_transaction = true;
    return false;
}

static void begin_deed(struct deed *deed, const struct pool_transaction_request *request)
{
    struct pool_error err;
    if (!pool_transaction_async_with(f.pool, request, do_deed, on_end, deed, &deed->call, &err))
        fail_with("transaction", &err);
}

static bool run_deed(struct deed *deed, const struct pool_transaction_request *request,
                     struct pool_error *err)
{
    return pool_transaction_with(f.pool, request, do_deed, deed, err);
}

static int64_t counted;

static bool count_rows(struct pool_conn conn, void *arg, struct pool_error *err)
{
    (void)arg, (void)err;
    counted = number(conn, "SELECT COUNT(*) FROM held");
    return true;
}

/* ---- how it begins ---- */

static void its_isolation_is_its_own_and_costs_no_reset(void **state)
{
    (void)state;
    struct pool_transaction_request dirty = {.isolation = POOL_ISOLATION_READ_UNCOMMITTED};
    struct pool_error err;
    make_table();
    make_pool_of(1, false);
    admin_does(f.admin, "BEGIN");
    admin_does(f.admin, "INSERT INTO mypool.held VALUES (1)");
    for (unsigned i = 0; i < 3; i++) {
        assert_true(pool_transaction_with(f.pool, &dirty, count_rows, NULL, &err));
        assert_int_equal(counted, 1);
        assert_true(pool_transaction(f.pool, count_rows, NULL, &err));
        assert_int_equal(counted, 0);
    }
    admin_does(f.admin, "ROLLBACK");
    assert_int_equal(stats_now().resets, 0);
    assert_int_equal(stats_now().opened, 1);
}

static void each_level_is_taken(void **state)
{
    (void)state;
    struct pool_error err;
    make_table();
    make_pool_of(1, false);
    for (unsigned level = 0; level <= POOL_ISOLATION_LAST; level++) {
        struct pool_transaction_request request = {.isolation = (enum pool_isolation)level};
        if (!pool_transaction_with(f.pool, &request, count_rows, NULL, &err))
            fail_with(pool_isolation_name(request.isolation), &err);
    }
}

static void one_that_only_reads_cannot_write(void **state)
{
    (void)state;
    struct deed deed = {.sql = {INSERT}};
    struct pool_transaction_request request = {.read_only = true};
    struct pool_error err;
    make_table();
    make_pool_of(1, false);
    assert_false(run_deed(&deed, &request, &err));
    assert_refused(&err, POOL_ERR_SERVER, POOL_ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION);
    assert_rows(0);
    deed.sql[0] = "SELECT * FROM held";
    assert_true(run_deed(&deed, &request, &err));
}

static void it_is_run_as_often_as_the_request_says(void **state)
{
    (void)state;
    static const unsigned runs[][2] = {{0, 4}, {1, 1}, {2, 2}, {6, 6}};
    make_table();
    make_pool_of(1, false);
    for (unsigned i = 0; i < 4; i++) {
        struct pool_transaction_request request = {.tries = runs[i][0]};
        struct deed deed = {.sql = {INSERT}, .ask_again = true}, later = deed;
        struct pool_error err;
        char text[32];
        assert_false(run_deed(&deed, &request, &err));
        assert_int_equal(atomic_load(&deed.runs), runs[i][1]);
        snprintf(text, sizeof text, "run %u of them", runs[i][1]);
        assert_string_equal(err.message, text);
        assert_int_equal(err.code, POOL_ERR_SERVER);
        begin_deed(&later, &request);
        assert_seen_failed(&later.seen, POOL_ERR_SERVER);
        assert_int_equal(atomic_load(&later.runs), runs[i][1]);
    }
    assert_rows(0);
}

static char labels[8][32];
static _Atomic unsigned label_count;

static void note_label(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                       enum pool_code code, void *arg)
{
    unsigned at = atomic_fetch_add(&label_count, 1);
    (void)digest, (void)elapsed_ns, (void)rows, (void)code, (void)arg;
    if (at < 8)
        snprintf(labels[at], sizeof labels[at], "%s", label);
}

static void its_label_is_on_its_begin_and_its_commit(void **state)
{
    (void)state;
    struct pool_options options = app_options();
    struct pool_transaction_request request = {.label = "orders",
                                               .isolation = POOL_ISOLATION_SERIALIZABLE};
    struct pool_error err;
    options.hooks.on_query = note_label;
    make_table();
    make_pool(options);
    atomic_store(&label_count, 0);
    assert_true(pool_transaction_with(f.pool, &request, count_rows, NULL, &err));
    static const char *const expected[] = {"orders", "orders", "", "orders"};
    assert_int_equal(atomic_load(&label_count), 4);
    for (unsigned i = 0; i < 4; i++)
        assert_string_equal(labels[i], expected[i]);
}

/* ---- its time ---- */

static void a_statement_lasts_no_longer_than_its_transaction(void **state)
{
    (void)state;
    struct deed deed = {.sql = {INSERT, "DO SLEEP(600)"}}, later = deed;
    struct pool_transaction_request request = {.timeout_ms = 200};
    struct pool_error err;
    make_table();
    make_pool_of(2, false);
    uint64_t begin = now_ms();
    assert_false(run_deed(&deed, &request, &err));
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    begin_deed(&later, &request);
    assert_seen_failed(&later.seen, POOL_ERR_QUERY_TIMEOUT);
    assert_true(now_ms() - begin >= 400);
    assert_true(now_ms() - begin < LATE);
    assert_rows(0);
}

static void let_time_pass(struct deed *deed, struct pool_conn conn)
{
    (void)deed, (void)conn;
    pause_ms(1100);
}

static void when_its_time_is_up_nothing_more_is_sent(void **state)
{
    (void)state;
    struct deed deed = {.sql = {INSERT, INSERT}, .between = let_time_pass, .swallow = true};
    struct pool_transaction_request request = {.timeout_ms = 1000};
    struct pool_error err;
    make_table();
    make_pool_of(1, false);
    warm_up(1);
    assert_false(run_deed(&deed, &request, &err));
    assert_int_equal(deed.inner.code, POOL_ERR_QUERY_TIMEOUT);
    assert_true(deed.inner.not_executed);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_rows(0);
    assert_true(works(&err));
}

static void no_run_begins_after_its_time(void **state)
{
    (void)state;
    struct deed deed = {.sql = {INSERT}, .between = let_time_pass, .ask_again = true};
    struct pool_transaction_request request = {.timeout_ms = 1000, .tries = 100};
    struct pool_error err;
    make_table();
    make_pool_of(1, false);
    assert_false(run_deed(&deed, &request, &err));
    assert_int_equal(atomic_load(&deed.runs), 1);
    assert_rows(0);
}

static void the_wait_for_a_connection_is_part_of_its_time(void **state)
{
    (void)state;
    struct deed deed = {.sql = {INSERT}};
    struct pool_transaction_request whole = {.timeout_ms = 50};
    struct pool_transaction_request wait = {.acquire_timeout_ms = 50};
    struct pool_error err;
    make_pool_of(1, false);
    struct pool_conn conn = borrow();
    uint64_t begin = now_ms();
    assert_false(run_deed(&deed, &whole, &err));
    assert_refused(&err, POOL_ERR_TIMEOUT, 0);
    assert_false(run_deed(&deed, &wait, &err));
    assert_refused(&err, POOL_ERR_TIMEOUT, 0);
    assert_true(now_ms() - begin < LATE);
    assert_int_equal(atomic_load(&deed.runs), 0);
    pool_conn_release(conn, NULL);
}

/* ---- cancelling ---- */

static const struct pool_transaction_request plain;

static void one_that_waits_is_cancelled_before_it_begins(void **state)
{
    (void)state;
    struct deed deed = {.sql = {INSERT}};
    make_pool_of(1, false);
    struct pool_conn conn = borrow();
    begin_deed(&deed, &plain);
    cancel(deed.call);
    assert_seen_failed(&deed.seen, POOL_ERR_CANCELLED);
    assert_true(deed.seen.err.not_executed);
    assert_int_equal(atomic_load(&deed.runs), 0);
    assert_stale(deed.call);
    pool_conn_release(conn, NULL);
}

static void its_statement_is_stopped_and_nothing_is_left(void **state)
{
    (void)state;
    struct deed deed = {.sql = {INSERT, "DO SLEEP(600)", INSERT}, .swallow = true};
    make_table();
    make_pool_of(1, false);
    begin_deed(&deed, &plain);
    assert_within(GENEROUS, server_runs("DO SLEEP(600)", 1));
    cancel(deed.call);
    assert_seen_failed(&deed.seen, POOL_ERR_CANCELLED);
    assert_true(deed.seen.err.not_executed);
    assert_int_equal(deed.inner.code, POOL_ERR_CANCELLED); /* the third was refused */
    assert_rows(0);
    assert_int_equal(id_of_next(), atomic_load(&deed.thread_id));
    assert_int_equal(stats_now().closed, 0);
}

/* Without a word to the server: whoever is dispatching is this fiber, so it has to wait. */
static void wait_for_the_cancel(struct deed *deed, struct pool_conn conn)
{
    struct pool_error err;
    cancel(deed->call);
    while (did(conn, "DO 1", &err) && now_ms() < deed->seen.at_ms + GENEROUS)
        ;
    deed->inner = err;
}

static void between_statements_it_is_stopped_too(void **state)
{
    (void)state;
    struct deed deed = {.sql = {INSERT, INSERT}, .between = wait_for_the_cancel, .swallow = true};
    make_table();
    make_pool_of(1, false);
    deed.seen.at_ms = now_ms();
    begin_deed(&deed, &plain);
    assert_seen_failed(&deed.seen, POOL_ERR_CANCELLED);
    assert_rows(0);
    assert_within(GENEROUS, stats_now().idle == 1);
    assert_int_equal(stats_now().closed, 0);
}

static void cancel_without_waiting(struct deed *deed, struct pool_conn conn)
{
    (void)conn;
    cancel(deed->call);
}

static void a_function_that_cancels_its_own_call_runs_nothing_more(void **state)
{
    (void)state;
    struct deed deed = {
        .sql = {INSERT, INSERT}, .between = cancel_without_waiting, .swallow = true};
    make_table();
    make_pool_of(1, false);
    begin_deed(&deed, &plain);
    assert_seen_failed(&deed.seen, POOL_ERR_CANCELLED);
    assert_int_equal(deed.inner.code, POOL_ERR_CANCELLED);
    assert_true(deed.inner.not_executed);
    assert_rows(0);
    assert_int_equal(stats_now().kills, 0);
}

/* By another thread, while the function computes. */
static void *cancel_meanwhile(void *arg)
{
    pool_cancel(((struct deed *)arg)->call, NULL);
    return NULL;
}

static void have_it_cancelled(struct deed *deed, struct pool_conn conn)
{
    pthread_t thread;
    (void)conn;
    if (pthread_create(&thread, NULL, cancel_meanwhile, deed) == 0)
        pthread_join(thread, NULL);
}

static void what_was_cancelled_before_its_commit_is_not_committed(void **state)
{
    (void)state;
    make_table();
    make_pool_of(1, false);
    for (unsigned i = 0; i < 20; i++) {
        struct deed deed = {.sql = {INSERT}, .between = have_it_cancelled};
        begin_deed(&deed, &plain);
        assert_seen_failed(&deed.seen, POOL_ERR_CANCELLED);
        assert_true(deed.seen.err.not_executed);
    }
    assert_rows(0);
    assert_int_equal(stats_now().closed, 0);
}

/* Whatever came first is the truth. */
static void one_that_is_about_to_end_has_one_end(void **state)
{
    (void)state;
    make_table();
    make_pool_of(2, false);
    long kept = 0;
    for (unsigned i = 0; i < 50; i++) {
        struct deed deed = {.sql = {INSERT, "DO 1"}};
        begin_deed(&deed, &plain);
        uint64_t at = now_ns() + i * 20000;
        while (now_ns() < at)
            ;
        pool_cancel(deed.call, NULL);
        assert_seen(&deed.seen);
        kept += deed.seen.ok;
        assert_true(deed.seen.ok || deed.seen.err.code == POOL_ERR_CANCELLED);
        assert_rows(kept);
    }
    struct pool_error err;
    assert_true(works(&err));
}

static void release_and_wait(struct deed *deed, struct pool_conn conn)
{
    (void)deed;
    pool_conn_release(conn, NULL);
}

static void a_connection_that_is_given_away_while_it_is_cancelled_hits_nobody(void **state)
{
    (void)state;
    make_table();
    make_pool_of(1, false);
    for (unsigned i = 0; i < 20; i++) { /* the KILL is answered before its statement, or after it */
        struct deed deed = {
            .sql = {"DO SLEEP(600)", INSERT}, .between = release_and_wait, .swallow = true};
        begin_deed(&deed, &plain);
        assert_within(GENEROUS, server_runs("DO SLEEP(600)", 1));
        cancel(deed.call);
        assert_seen_failed(&deed.seen, POOL_ERR_CANCELLED);
        struct pool_error err;
        assert_true(works(&err));
        assert_true(id_of_next() != atomic_load(&deed.thread_id));
    }
}

static void in_the_pause_before_another_run_it_is_cancelled_at_once(void **state)
{
    (void)state;
    make_table();
    make_pool_of(1, false);
    for (unsigned i = 1; i <= 8; i++) {
        struct pool_transaction_request request = {.tries = 1000};
        struct deed deed = {.sql = {INSERT}, .ask_again = true};
        begin_deed(&deed, &request);
        assert_within(GENEROUS, atomic_load(&deed.runs) >= i);
        cancel(deed.call);
        assert_seen_failed(&deed.seen, POOL_ERR_CANCELLED);
        assert_true(deed.seen.err.not_executed);
    }
    assert_rows(0);
}

/* ---- many runs ---- */

/* The pauses between them grow, but not beyond all measure. */
static void it_may_be_run_very_often(void **state)
{
    (void)state;
    struct pool_transaction_request request = {.tries = 80};
    struct deed deed = {.sql = {"DO 1"}, .ask_again = true};
    struct pool_error err;
    make_pool_of(1, false);
    assert_false(run_deed(&deed, &request, &err));
    assert_int_equal(atomic_load(&deed.runs), 80);
}

/* No run is begun, and no pause, that would not end in time. */
static void the_pauses_are_part_of_its_time(void **state)
{
    (void)state;
    struct pool_transaction_request request = {.tries = UINT32_MAX, .timeout_ms = 300};
    struct deed deed = {.sql = {"DO 1"}, .ask_again = true}, later = deed;
    struct pool_error err;
    make_pool_of(2, false);
    uint64_t begin = now_ms();
    assert_false(run_deed(&deed, &request, &err));
    begin_deed(&later, &request);
    assert_seen(&later.seen);
    assert_false(later.seen.ok);
    assert_true(now_ms() - begin < LATE);
    assert_in_range(atomic_load(&deed.runs), 1, 200);
    assert_in_range(atomic_load(&later.runs), 1, 200);
}

/* ---- mistakes ---- */

/* What runs on behind the function, and may be a commit. */
static void leave_a_call_running(struct deed *deed, struct pool_conn conn)
{
    static struct tally left;
    (void)deed;
    assert_true(pool_conn_query_async(conn, "COMMIT", POOL_NO_ARGS, on_many, &left, NULL));
}

static void a_call_that_is_left_running_is_told_of(void **state)
{
    (void)state;
    make_table();
    make_pool_of(2, false);
    for (unsigned i = 0; i < 20; i++) {
        struct deed deed = {.sql = {INSERT}, .between = leave_a_call_running, .ask_again = i % 2};
        struct pool_error err;
        if (i % 4 < 2) {
            assert_false(run_deed(&deed, &plain, &err));
        } else {
            begin_deed(&deed, &plain);
            assert_seen(&deed.seen);
            assert_false(deed.seen.ok);
            err = deed.seen.err;
        }
        assert_false(err.not_executed || err.retry_transaction);
        assert_non_null(strstr(err.message, "left running on its connection"));
        assert_int_equal(atomic_load(&deed.runs), 1);
        assert_within(GENEROUS, stats_now().in_use == 0 && stats_now().pending == 0);
    }
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    static const struct pool_transaction_request wrong[] = {{.isolation = (enum pool_isolation)5},
                                                            {.reserved = {0, 0, 0, 1}}};
    struct deed deed = {.sql = {INSERT}};
    struct pool_error err;
    make_pool_of(1, false);
    for (unsigned i = 0; i < 3; i++) {
        const struct pool_transaction_request *request = i < 2 ? &wrong[i] : NULL;
        assert_false(run_deed(&deed, request, &err));
        assert_refused(&err, POOL_ERR_INVALID, 0);
        assert_false(
            pool_transaction_async_with(f.pool, request, do_deed, on_end, &deed, NULL, &err));
        assert_refused(&err, POOL_ERR_INVALID, 0);
    }
    assert_int_equal(atomic_load(&deed.runs) + atomic_load(&deed.seen.calls), 0);
    assert_int_equal(stats_now().opened + stats_now().connecting, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        HANDLED_TEST(its_isolation_is_its_own_and_costs_no_reset),
        HANDLED_TEST(each_level_is_taken),
        HANDLED_TEST(one_that_only_reads_cannot_write),
        HANDLED_TEST(it_is_run_as_often_as_the_request_says),
        HANDLED_TEST(its_label_is_on_its_begin_and_its_commit),
        HANDLED_TEST(a_statement_lasts_no_longer_than_its_transaction),
        HANDLED_TEST(when_its_time_is_up_nothing_more_is_sent),
        HANDLED_TEST(no_run_begins_after_its_time),
        HANDLED_TEST(the_wait_for_a_connection_is_part_of_its_time),
        HANDLED_TEST(one_that_waits_is_cancelled_before_it_begins),
        HANDLED_TEST(its_statement_is_stopped_and_nothing_is_left),
        HANDLED_TEST(between_statements_it_is_stopped_too),
        HANDLED_TEST(what_was_cancelled_before_its_commit_is_not_committed),
        HANDLED_TEST(one_that_is_about_to_end_has_one_end),
        HANDLED_TEST(a_connection_that_is_given_away_while_it_is_cancelled_hits_nobody),
        HANDLED_TEST(a_function_that_cancels_its_own_call_runs_nothing_more),
        HANDLED_TEST(in_the_pause_before_another_run_it_is_cancelled_at_once),
        HANDLED_TEST(it_may_be_run_very_often),
        HANDLED_TEST(the_pauses_are_part_of_its_time),
        HANDLED_TEST(a_call_that_is_left_running_is_told_of),
        HANDLED_TEST(wrong_requests_are_refused),
    };
    return server_suite_main(argc, argv, tests);
}
