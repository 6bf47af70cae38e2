/*
 * Transactions that the server has undone after a deadlock or a timeout: nothing that was meant to
 * be part of one runs outside of it, and what the pool says of it is true. See rival.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rival.h"
#include "server.h"
#include "suite.h"

#include <mysql.h>

/* ---- undone by the server: a handle ---- */

static void statements_after_a_deadlock_are_refused(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = lose("START TRANSACTION");
    for (int i = 0; i < 2; i++) {
        assert_false(did(conn, AFTER, &err));
        assert_lost(&err, 1213);
    }
    assert_true(pool_conn_rollback(conn, &err));
    assert_journal(0, 0);
    assert_true(did(conn, AFTER, &err)); /* on its own now, as its holder knows */
    assert_journal(0, 1);
    assert_true(pool_conn_release(conn, NULL));
}

static void a_commit_after_a_deadlock_fails(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = lose("BEGIN");
    assert_false(pool_conn_commit(conn, &err));
    assert_lost(&err, 1213);
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 1);
}

static void who_begins_anew_need_not_roll_back(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = lose("BEGIN");
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_rollback(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 0);
}

static void without_autocommit_it_is_the_same(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_pool((struct pool_options){.no_autocommit = true});
    struct pool_conn conn = lose(NULL);
    assert_false(did(conn, AFTER, &err));
    assert_lost(&err, 1213);
    assert_true(pool_conn_rollback(conn, &err));
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 1);
}

static void calls_with_callbacks_are_refused_too(void **state)
{
    (void)state;
    struct seen seen = {.calls = 0};
    make_plain_pool();
    struct pool_conn conn = lose("BEGIN");
    assert_true(pool_conn_query_async(conn, AFTER, POOL_NO_ARGS, on_result, &seen, NULL));
    assert_seen_failed(&seen, POOL_ERR_SERVER);
    assert_true(seen.err.retry_transaction);
    memset(&seen, 0, sizeof seen);
    assert_true(pool_conn_commit_async(conn, on_result, &seen, NULL));
    assert_seen_failed(&seen, POOL_ERR_SERVER);
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 0);
}

static void the_next_borrower_is_not_concerned(void **state)
{
    (void)state;
    make_plain_pool();
    pool_conn_release(lose("BEGIN"), NULL);
    must(AFTER);
    assert_journal(0, 1);
}

/* The number alone proves nothing: a routine may raise it. */
static void a_transaction_that_is_still_open_goes_on(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, BEFORE, &err));
    assert_false(did(conn, "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213", &err));
    assert_false(pool_conn_begin(conn, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(1, 1);
}

#define QUESTIONS                                                                                  \
    "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = "          \
    "'QUESTIONS'"

static void an_ordinary_error_costs_no_question(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    int64_t before = number(conn, QUESTIONS);
    assert_false(did(conn, "INSERT INTO account VALUES (1, 1)", &err));
    assert_int_equal(number(conn, QUESTIONS) - before, 2);
    assert_true(pool_conn_rollback(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
}

/* ---- a lock wait timeout ---- */

static struct pool_conn time_out(void)
{
    static const char *const init[] = {"SET innodb_lock_wait_timeout = 1", NULL};
    struct pool_error err;
    admin_does(f.admin, "START TRANSACTION");
    admin_does(f.admin, "UPDATE account SET v = v + 100 WHERE id = 2");
    make_small_pool((struct pool_options){.init_sql = init});
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, BEFORE, &err));
    assert_false(did(conn, THEIRS, &err));
    assert_int_equal(err.server_errno, 1205);
    admin_does(f.admin, "ROLLBACK");
    return conn;
}

static void a_lock_wait_timeout_leaves_the_transaction_open(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_conn conn = time_out();
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(1, 1);
}

static void restart_server(const char *options)
{
    char arguments[256];
    snprintf(arguments, sizeof arguments, "wait %s", options);
    mysql_close(f.admin);
    bool restarted = run_restart(arguments);
    f.admin = connect_admin();
    assert_true(restarted);
    assert_non_null(f.admin);
}

static void a_lock_wait_timeout_that_rolls_back_is_noticed(void **state)
{
    (void)state;
    struct pool_error err;
    restart_server("--innodb-rollback-on-timeout=ON");
    struct pool_conn conn = time_out();
    assert_false(did(conn, AFTER, &err));
    assert_lost(&err, 1205);
    assert_false(pool_conn_commit(conn, &err));
    assert_lost(&err, 1205);
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 0);
}

static int tear_down_and_restart(void **state)
{
    int failed = tear_down_rival(state);
    f.admin = connect_admin();
    restart_server("");
    mysql_close(f.admin);
    return failed;
}

/* ---- undone by the server: pool_transaction ---- */

static bool careless(struct pool_conn conn, void *arg, struct pool_error *err)
{
    unsigned *runs = arg;
    struct pool_error ignored;
    (void)err;
    ++*runs;
    did(conn, BEFORE, &ignored);
    did(conn, MINE, &ignored);
    did(conn, THEIRS, &ignored);
    did(conn, AFTER, &ignored);
    return true;
}

static void a_swallowed_deadlock_runs_the_transaction_again(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct pool_error err;
    make_plain_pool();
    start_rival();
    assert_true(pool_transaction(f.pool, careless, &runs, &err));
    assert_int_equal(err.code, POOL_OK);
    assert_int_equal(runs, 2);
    assert_journal(1, 1);
}

static void on_end(const struct pool_error *err, struct pool_result *result, void *arg)
{
    on_result(err, result, arg);
}

struct counted {
    struct seen seen;
    unsigned runs;
};

static bool careless_one(struct pool_conn conn, void *arg, struct pool_error *err)
{
    return careless(conn, &((struct counted *)arg)->runs, err);
}

static void with_a_callback_too(void **state)
{
    (void)state;
    struct counted counted = {.runs = 0};
    make_plain_pool();
    start_rival();
    assert_true(pool_transaction_async(f.pool, careless_one, on_end, &counted, NULL));
    assert_seen_ok(&counted.seen);
    assert_int_equal(counted.runs, 2);
    assert_journal(1, 1);
}

static bool stubborn(struct pool_conn conn, void *arg, struct pool_error *err)
{
    careless(conn, arg, err);
    return false;
}

static void after_a_swallowed_deadlock_false_leaves_nothing(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct pool_error err;
    make_plain_pool();
    start_rival();
    assert_false(pool_transaction(f.pool, stubborn, &runs, &err));
    assert_int_equal(err.code, POOL_ERR_ROLLED_BACK);
    assert_int_equal(runs, 1);
    assert_journal(0, 0);
}

static bool careful(struct pool_conn conn, void *arg, struct pool_error *err)
{
    careless(conn, arg, err);
    return pool_conn_rollback(conn, err) && pool_conn_begin(conn, err) && did(conn, BEFORE, err) &&
           did(conn, AFTER, err);
}

static void a_function_may_begin_anew_by_itself(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct pool_error err;
    make_plain_pool();
    start_rival();
    assert_true(pool_transaction(f.pool, careful, &runs, &err));
    assert_int_equal(runs, 1);
    assert_journal(1, 1);
}

static bool rolls_back_and_goes_on(struct pool_conn conn, void *arg, struct pool_error *err)
{
    careless(conn, arg, err);
    pool_conn_rollback(conn, err);
    did(conn, AFTER, err);
    return true;
}

static void after_a_rollback_nothing_runs_on_its_own(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct pool_error err;
    make_plain_pool();
    start_rival();
    assert_false(pool_transaction(f.pool, rolls_back_and_goes_on, &runs, &err));
    assert_int_equal(err.code, POOL_ERR_ROLLED_BACK);
    assert_journal(0, 0);
}

/* ---- in the set-up ---- */

static bool init_that_loses_its_transaction(struct pool_setup *setup, void *arg,
                                            struct pool_error *err)
{
    static const char *const sql[] = {"BEGIN", BEFORE, "CALL undoes()"};
    struct pool_error ignored;
    (void)arg;
    (void)err;
    for (unsigned i = 0; i < 3; i++)
        pool_result_free(pool_setup_query(setup, sql[i], POOL_NO_ARGS, &ignored));
    return true;
}

static void what_an_init_has_lost_is_nothing_to_the_borrower(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_options options = app_options();
    make_procedure("COMMIT");
    options.connection_limit = 1;
    options.init = init_that_loses_its_transaction;
    make_pool(options);
    struct pool_conn conn = borrow();
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(1, 0);
}

/* ---- batches ---- */

static const struct pool_value ids[] = {
    {.type = POOL_TYPE_INT, .as.i = 1},
    {.type = POOL_TYPE_INT, .as.i = 2},
    {.type = POOL_TYPE_INT, .as.i = 3},
    {.type = POOL_TYPE_INT, .as.i = 4},
};

static struct pool_batch_request updates(bool atomic)
{
    return (struct pool_batch_request){.sql = "UPDATE account SET v = v + 1 WHERE id = ?",
                                       .values = ids,
                                       .rows = 4,
                                       .columns = 1,
                                       .atomic = atomic};
}

static void assert_nothing_is_updated(void)
{
    join_rival();
    assert_int_equal(admin_asks(f.admin, "SELECT SUM(v) FROM account"), 0);
}

static void lose_a_batch(const bool *atomic, bool no_prepare)
{
    struct pool_error err;
    struct pool_batch_request request = updates(*atomic);
    make_small_pool((struct pool_options){.no_prepare = no_prepare});
    start_rival();
    assert_null(pool_batch_with(f.pool, &request, &err));
    assert_int_equal(err.server_errno, 1213);
    assert_nothing_is_updated();
    must("UPDATE account SET v = 0");
    assert_int_equal(stats_now().closed, 0);
}

/* Rows three and four are on their way when the second one is the victim. */
static void rows_behind_a_deadlock_in_a_batch_are_not_kept(void **state)
{
    lose_a_batch(*state, true);
}

static void nor_are_they_in_bulk(void **state)
{
    lose_a_batch(*state, false);
}

static void nor_are_they_inside_a_transaction(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_batch_request request = updates(*(const bool *)*state);
    make_small_pool((struct pool_options){.no_prepare = true});
    struct pool_conn conn = borrow();
    start_rival();
    assert_true(pool_conn_begin(conn, &err));
    assert_null(pool_conn_batch_with(conn, &request, &err));
    assert_int_equal(err.server_errno, 1213);
    join_rival();
    assert_null(pool_conn_batch_with(conn, &request, &err));
    assert_true(err.retry_transaction && err.not_executed);
    assert_false(pool_conn_commit(conn, &err));
    assert_true(err.retry_transaction);
    assert_true(pool_conn_release(conn, NULL));
    assert_nothing_is_updated();
}

/* ---- around each test ---- */

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_rival, tear_down_rival)
#define TEST_OF(name, with)                                                                        \
    {                                                                                              \
#name, name, set_up_with_##with, tear_down_rival, NULL                                     \
    }

static bool atomic_batch = true;
static bool plain_batch = false;

static int set_up_with_atomic(void **state)
{
    *state = &atomic_batch;
    void *none = NULL;
    return set_up_rival(&none);
}

static int set_up_with_chunks(void **state)
{
    *state = &plain_batch;
    void *none = NULL;
    return set_up_rival(&none);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(statements_after_a_deadlock_are_refused),
        TEST(a_commit_after_a_deadlock_fails),
        TEST(who_begins_anew_need_not_roll_back),
        TEST(without_autocommit_it_is_the_same),
        TEST(calls_with_callbacks_are_refused_too),
        TEST(the_next_borrower_is_not_concerned),
        TEST(a_transaction_that_is_still_open_goes_on),
        TEST(an_ordinary_error_costs_no_question),
        TEST(a_lock_wait_timeout_leaves_the_transaction_open),
        cmocka_unit_test_setup_teardown(a_lock_wait_timeout_that_rolls_back_is_noticed,
                                        set_up_rival, tear_down_and_restart),
        TEST(a_swallowed_deadlock_runs_the_transaction_again),
        TEST(with_a_callback_too),
        TEST(after_a_swallowed_deadlock_false_leaves_nothing),
        TEST(a_function_may_begin_anew_by_itself),
        TEST(after_a_rollback_nothing_runs_on_its_own),
        TEST(what_an_init_has_lost_is_nothing_to_the_borrower),
        TEST_OF(rows_behind_a_deadlock_in_a_batch_are_not_kept, atomic),
        TEST_OF(rows_behind_a_deadlock_in_a_batch_are_not_kept, chunks),
        TEST_OF(nor_are_they_in_bulk, atomic),
        TEST_OF(nor_are_they_in_bulk, chunks),
        TEST_OF(nor_are_they_inside_a_transaction, atomic),
        TEST_OF(nor_are_they_inside_a_transaction, chunks),
    };
    return server_suite_main(argc, argv, tests);
}
