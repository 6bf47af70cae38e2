/*
 * pool_transaction and the transaction calls on a handle, against a real server: what is
 * kept, what is undone, what is run again and what never is.
 *
 * Deadlocks and lock waits are provoked: the two sides meet at a flag before they take
 * their second lock. A lost COMMIT is one that the server holds back, because an
 * administrator has the global read lock, until its connection is killed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pools.h"
#include "suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "mypool.h"

#define PATIENCE_S 60

static struct pool *app_pool(void)
{
    return pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 4});
}

static void run(struct pool *pool, const char *sql)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, sql, POOL_NO_ARGS, &err);
    if (!result)
        fail_msg("%s: %s", sql, err.message);
    pool_result_free(result);
}

static int64_t number(struct pool *pool, const char *sql, struct pool_args args)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, sql, args, &err);
    if (!result || !pool_next(result))
        fail_msg("%s: %s", sql, err.message);
    int64_t value = pool_get_int(result, 0);
    pool_result_free(result);
    return value;
}

static struct pool_conn borrow(struct pool *pool)
{
    struct pool_conn conn = {0};
    struct pool_error err;
    if (!pool_get_connection(pool, &conn, &err))
        fail_msg("%s", err.message);
    return conn;
}

static bool did(struct pool_conn conn, const char *sql, struct pool_error *err)
{
    struct pool_result *result = pool_conn_query(conn, sql, POOL_NO_ARGS, err);
    pool_result_free(result);
    return result != NULL;
}

static bool before(time_t deadline)
{
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
    return time(NULL) < deadline;
}

/* Until the query gives a number other than 0. */
static void wait_until(struct pool *pool, const char *sql, struct pool_args args)
{
    time_t deadline = time(NULL) + PATIENCE_S;
    while (number(pool, sql, args) == 0)
        if (!before(deadline))
            fail_msg("has not come true: %s", sql);
}

/* One transaction: what it does, what it says, how often it ran. */
struct job {
    struct pool *pool;
    const char *sql[3];      /* NULL-terminated */
    bool refuse;             /* return false in the end */
    bool want_retry;         /* and claim that it may be run again */
    struct pool_conn holder; /* committed when the lock wait timed out */
    struct job *other;       /* met after the first statement of the first run */
    struct pool *killer;     /* of be_killed */
    _Atomic int runs;
    _Atomic bool met;
    _Atomic unsigned long thread_id;
    bool ok;
    struct pool_error err;   /* of pool_transaction */
    struct pool_error inner; /* of the last statement that failed */
};

static void meet(struct job *job)
{
    time_t deadline = time(NULL) + PATIENCE_S;
    atomic_store(&job->met, true);
    while (!atomic_load(&job->other->met) && before(deadline))
        ;
}

static bool do_job(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct job *job = arg;
    int runs = atomic_fetch_add(&job->runs, 1) + 1;
    atomic_store(&job->thread_id, pool_conn_thread_id(conn));
    for (int i = 0; job->sql[i]; i++) {
        if (!did(conn, job->sql[i], err)) {
            job->inner = *err;
            if (err->server_errno == 1205)
                pool_conn_commit(job->holder, NULL);
            return false;
        }
        if (job->other && i == 0 && runs == 1)
            meet(job);
    }
    if (job->want_retry)
        *err = (struct pool_error){.code = POOL_ERR_SERVER, .retry_transaction = true};
    return !job->refuse;
}

static void transact(struct job *job)
{
    job->ok = pool_transaction(job->pool, do_job, job, &job->err);
}

static void *transact_in_thread(void *arg)
{
    transact(arg);
    return NULL;
}

static pthread_t start(struct job *job)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, transact_in_thread, job), 0);
    return thread;
}

static int64_t sum(struct pool *pool)
{
    return number(pool, "SELECT SUM(n) FROM account", POOL_NO_ARGS);
}

static int make_tables(void **state)
{
    struct pool *pool = app_pool();
    run(pool, "CREATE OR REPLACE TABLE account (id INT PRIMARY KEY, n INT NOT NULL)");
    run(pool, "INSERT INTO account VALUES (1, 0), (2, 0)");
    *state = pool;
    return 0;
}

static int end_pool(void **state)
{
    struct pool_stats stats;
    pool_stats(*state, &stats);
    bool quiet = stats.in_use == 0;
    return pool_end(*state, 5000, NULL) && quiet ? 0 : -1;
}

/* ---- keep and undo ---- */

static void a_transaction_that_returns_true_is_committed(void **state)
{
    struct job job = {.pool = *state, .sql = {"UPDATE account SET n = n + 1"}};
    transact(&job);
    assert_true(job.ok);
    assert_int_equal(job.err.code, POOL_OK);
    assert_int_equal(sum(*state), 2);
}

static void a_transaction_that_returns_false_is_rolled_back(void **state)
{
    struct job job = {.pool = *state, .sql = {"UPDATE account SET n = n + 1"}, .refuse = true};
    transact(&job);
    assert_false(job.ok);
    assert_int_equal(job.err.code, POOL_ERR_ROLLED_BACK);
    assert_int_equal(atomic_load(&job.runs), 1);
    assert_int_equal(sum(*state), 0);
}

static void a_transaction_that_fails_is_rolled_back_with_its_own_error(void **state)
{
    struct job job = {.pool = *state,
                      .sql = {"UPDATE account SET n = n + 1", "INSERT INTO account VALUES (1, 0)"}};
    transact(&job);
    assert_false(job.ok);
    assert_int_equal(job.err.code, POOL_ERR_SERVER);
    assert_int_equal(job.err.server_errno, 1062);
    assert_string_equal(job.err.sqlstate, "23000");
    assert_false(job.err.fatal);
    assert_false(job.err.retry_transaction);
    assert_int_equal(atomic_load(&job.runs), 1);
    assert_int_equal(sum(*state), 0);
}

static void a_rolled_back_handle_goes_on(void **state)
{
    struct pool_conn conn = borrow(*state);
    assert_true(pool_conn_begin(conn, NULL));
    assert_true(did(conn, "UPDATE account SET n = 5", NULL));
    assert_true(pool_conn_rollback(conn, NULL));
    assert_true(pool_conn_begin(conn, NULL));
    assert_true(did(conn, "UPDATE account SET n = n + 1", NULL));
    assert_true(pool_conn_commit(conn, NULL));
    assert_true(pool_conn_release(conn, NULL));
    assert_int_equal(sum(*state), 2);
}

static void a_forgotten_transaction_is_rolled_back_on_release(void **state)
{
    struct pool_conn conn = borrow(*state);
    assert_true(pool_conn_begin(conn, NULL));
    assert_true(did(conn, "UPDATE account SET n = 5", NULL));
    assert_true(pool_conn_release(conn, NULL));
    /* Its locks are gone, too: this would wait for 50 s otherwise. */
    struct pool_request quick = {.sql = "UPDATE account SET n = n + 1", .timeout_ms = 30000};
    struct pool_result *result = pool_query_with(*state, &quick, NULL);
    assert_non_null(result);
    pool_result_free(result);
    assert_int_equal(sum(*state), 2);
}

static void a_begin_inside_a_transaction_is_refused(void **state)
{
    struct pool_error err;
    struct pool_conn conn = borrow(*state);
    assert_true(pool_conn_begin(conn, NULL));
    assert_true(did(conn, "UPDATE account SET n = n + 1", NULL));
    assert_false(pool_conn_begin(conn, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_true(pool_conn_rollback(conn, NULL)); /* nothing was committed behind our back */
    assert_true(pool_conn_release(conn, NULL));
    assert_int_equal(sum(*state), 0);
}

static void a_begin_after_one_in_sql_is_refused(void **state)
{
    struct pool_error err;
    struct pool_conn conn = borrow(*state);
    assert_true(did(conn, "START TRANSACTION READ WRITE", NULL));
    assert_false(pool_conn_begin(conn, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_true(pool_conn_release(conn, NULL));
}

static bool begin_again(struct pool_conn conn, void *arg, struct pool_error *err)
{
    *(enum pool_code *)arg = pool_conn_begin(conn, err) ? POOL_OK : err->code;
    return did(conn, "UPDATE account SET n = n + 1", err);
}

static void a_refused_begin_does_not_spoil_the_transaction(void **state)
{
    enum pool_code code = POOL_OK;
    assert_true(pool_transaction(*state, begin_again, &code, NULL));
    assert_int_equal(code, POOL_ERR_INVALID);
    assert_int_equal(sum(*state), 2);
}

static bool release_it(struct pool_conn conn, void *arg, struct pool_error *err)
{
    (void)arg;
    return did(conn, "UPDATE account SET n = n + 1", err) && pool_conn_release(conn, err);
}

static void a_function_that_releases_the_connection_commits_nothing(void **state)
{
    struct pool_error err;
    assert_false(pool_transaction(*state, release_it, NULL, &err));
    assert_int_equal(err.code, POOL_ERR_STALE);
    assert_int_equal(sum(*state), 0);
}

static void a_missing_function_or_pool_is_invalid(void **state)
{
    struct pool_error err;
    assert_false(pool_transaction(*state, NULL, NULL, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_false(pool_transaction(NULL, do_job, NULL, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
}

/* ---- run again ---- */

static void two_deadlocked_transactions_are_both_committed(void **state)
{
    struct job one = {.pool = *state,
                      .sql = {"UPDATE account SET n = n + 1 WHERE id = 1",
                              "UPDATE account SET n = n + 1 WHERE id = 2"}};
    struct job two = {.pool = *state,
                      .sql = {"UPDATE account SET n = n + 1 WHERE id = 2",
                              "UPDATE account SET n = n + 1 WHERE id = 1"}};
    one.other = &two;
    two.other = &one;
    pthread_t thread = start(&one);
    transact(&two);
    pthread_join(thread, NULL);
    assert_true(one.ok);
    assert_true(two.ok);
    assert_in_range(atomic_load(&one.runs) + atomic_load(&two.runs), 3, 8);
    assert_true(one.inner.server_errno == 1213 || two.inner.server_errno == 1213);
    assert_true(one.inner.retry_transaction || two.inner.retry_transaction);
    assert_int_equal(sum(*state), 4);
}

static void a_lock_wait_timeout_is_run_again(void **state)
{
    static const char *const init[] = {"SET innodb_lock_wait_timeout = 1", NULL};
    struct pool *impatient =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 2, .init_sql = init});
    struct job job = {.pool = impatient, .sql = {"UPDATE account SET n = n + 1"}};
    job.holder = borrow(*state);
    assert_true(pool_conn_begin(job.holder, NULL));
    assert_true(did(job.holder, "UPDATE account SET n = n + 10 WHERE id = 2", NULL));
    transact(&job);
    pool_conn_release(job.holder, NULL);
    pool_end(impatient, 1000, NULL);
    assert_true(job.ok);
    assert_int_equal(job.inner.server_errno, 1205);
    assert_true(job.inner.retry_transaction);
    assert_false(job.inner.fatal);
    assert_int_equal(atomic_load(&job.runs), 2);
    assert_int_equal(sum(*state), 12);
}

static void a_transaction_is_run_four_times_at_most(void **state)
{
    struct job job = {.pool = *state,
                      .sql = {"UPDATE account SET n = n + 1"},
                      .refuse = true,
                      .want_retry = true};
    transact(&job);
    assert_false(job.ok);
    assert_true(job.err.retry_transaction);
    assert_int_equal(atomic_load(&job.runs), 4);
    assert_int_equal(sum(*state), 0);
}

/* ---- never run again ---- */

#define WHERE_IS "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE "

static void kill_connection(struct pool *admin, unsigned long id)
{
    struct pool_error err;
    struct pool_result *result = pool_query(admin, "KILL CONNECTION ?", POOL_ARGS(id), &err);
    if (!result)
        fail_msg("%s", err.message);
    pool_result_free(result);
}

/* Runs the job up to a COMMIT that cannot go on, then kills its connection. The job's last
 * statement waits at a gate, so that the global lock comes after the update. */
static void lose_the_commit(struct pool *admin, struct job *job)
{
    struct pool_conn lock = borrow(admin);
    assert_true(did(lock, "DO GET_LOCK('gate', 0)", NULL));
    pthread_t thread = start(job);
    wait_until(admin, WHERE_IS "STATE = 'User lock'", POOL_NO_ARGS);
    assert_true(did(lock, "FLUSH TABLES WITH READ LOCK", NULL));
    assert_true(did(lock, "DO RELEASE_LOCK('gate')", NULL));
    unsigned long id = atomic_load(&job->thread_id);
    wait_until(admin, WHERE_IS "ID = ? AND INFO = 'COMMIT' AND STATE LIKE 'Waiting%'",
               POOL_ARGS(id));
    kill_connection(admin, id);
    /* Before the lock is given up, lest the COMMIT still gets through. */
    wait_until(admin, "SELECT COUNT(*) = 0 FROM information_schema.PROCESSLIST WHERE ID = ?",
               POOL_ARGS(id));
    pthread_join(thread, NULL);
    pool_conn_release(lock, NULL);
}

static void a_commit_that_is_lost_on_the_way_is_never_repeated(void **state)
{
    struct job job = {.pool = *state,
                      .sql = {"UPDATE account SET n = n + 1", "SELECT GET_LOCK('gate', 60)"}};
    struct pool *admin = pool_of("MYPOOL_ADMIN_URL", (struct pool_options){.connection_limit = 2});
    lose_the_commit(admin, &job);
    pool_end(admin, 5000, NULL);
    assert_false(job.ok);
    assert_int_equal(job.err.code, POOL_ERR_LOST);
    assert_false(job.err.not_executed);
    assert_false(job.err.retry_transaction);
    assert_true(job.err.fatal);
    assert_int_equal(atomic_load(&job.runs), 1);
    assert_int_equal(sum(*state), 0);
}

static bool be_killed(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct job *job = arg;
    unsigned long id = pool_conn_thread_id(conn);
    atomic_fetch_add(&job->runs, 1);
    bool ok = did(conn, "UPDATE account SET n = n + 1", err);
    kill_connection(job->killer, id);
    wait_until(job->killer, "SELECT COUNT(*) = 0 FROM information_schema.PROCESSLIST WHERE ID = ?",
               POOL_ARGS(id));
    return ok && (!job->refuse || did(conn, "SELECT 1", err));
}

static void lose_the_connection(struct pool *pool, bool before_the_last_statement)
{
    struct pool_error err;
    struct job job = {.refuse = before_the_last_statement};
    job.killer = pool_of("MYPOOL_ADMIN_URL", (struct pool_options){.connection_limit = 1});
    bool ok = pool_transaction(pool, be_killed, &job, &err);
    pool_end(job.killer, 1000, NULL);
    assert_false(ok);
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_true(err.fatal);
    assert_false(err.retry_transaction);
    assert_int_equal(atomic_load(&job.runs), 1);
    assert_int_equal(sum(pool), 0);
}

static void a_connection_killed_before_the_commit_loses_the_transaction_once(void **state)
{
    lose_the_connection(*state, false);
}

static void a_connection_killed_inside_loses_the_transaction_once(void **state)
{
    lose_the_connection(*state, true);
}

/* ---- a handle in the hands of another thread ---- */

static struct {
    struct pool_conn conn;
    pthread_t thread;
    struct pool_error err;
    bool ok;
} stranger;

static void *sleep_on_it(void *arg)
{
    stranger.ok = did(stranger.conn, "SELECT SLEEP(600)", &stranger.err);
    return arg;
}

/* Returns while the other thread's statement runs. */
static bool let_another_in(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct pool *admin = arg;
    unsigned long id = pool_conn_thread_id(conn);
    stranger.conn = conn;
    if (pthread_create(&stranger.thread, NULL, sleep_on_it, NULL) != 0)
        return false;
    wait_until(admin,
               "SELECT COUNT(*) FROM information_schema.processlist WHERE id = ? AND info LIKE "
               "'SELECT SLEEP%'",
               POOL_ARGS(id));
    (void)err;
    return true;
}

static void a_connection_that_another_thread_still_uses_comes_back_when_it_is_through(void **state)
{
    (void)state;
    struct pool *pool = pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1});
    struct pool *admin = pool_of("MYPOOL_ADMIN_URL", (struct pool_options){.connection_limit = 1});
    struct pool_error err;
    struct pool_stats stats;
    assert_false(pool_transaction(pool, let_another_in, admin, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID); /* the commit found a call on it */
    char kill[48];
    unsigned long id = (unsigned long)number(
        admin, "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'",
        POOL_NO_ARGS);
    snprintf(kill, sizeof kill, "KILL QUERY %lu", id);
    run(admin, kill);
    pthread_join(stranger.thread, NULL);
    assert_false(stranger.ok);
    assert_false(pool_conn_release(stranger.conn, &err));
    assert_int_equal(err.code, POOL_ERR_STALE);
    assert_int_equal(number(pool, "SELECT 7", POOL_NO_ARGS), 7); /* on the only connection */
    pool_stats(pool, &stats);
    assert_int_equal(stats.in_use, 0);
    assert_int_equal(stats.acquired, stats.released);
    pool_end(pool, 0, NULL);
    pool_end(admin, 0, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tables, end_pool)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_transaction_that_returns_true_is_committed),
        TEST(a_transaction_that_returns_false_is_rolled_back),
        TEST(a_transaction_that_fails_is_rolled_back_with_its_own_error),
        TEST(a_rolled_back_handle_goes_on),
        TEST(a_forgotten_transaction_is_rolled_back_on_release),
        TEST(a_begin_inside_a_transaction_is_refused),
        TEST(a_begin_after_one_in_sql_is_refused),
        TEST(a_refused_begin_does_not_spoil_the_transaction),
        TEST(a_function_that_releases_the_connection_commits_nothing),
        TEST(a_missing_function_or_pool_is_invalid),
        TEST(two_deadlocked_transactions_are_both_committed),
        TEST(a_lock_wait_timeout_is_run_again),
        TEST(a_transaction_is_run_four_times_at_most),
        TEST(a_commit_that_is_lost_on_the_way_is_never_repeated),
        TEST(a_connection_killed_before_the_commit_loses_the_transaction_once),
        TEST(a_connection_killed_inside_loses_the_transaction_once),
        TEST(a_connection_that_another_thread_still_uses_comes_back_when_it_is_through),
    };
    return server_suite_main(argc, argv, tests);
}
