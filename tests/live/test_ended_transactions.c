/*
 * Transactions that have ended inside: by DDL, a COMMIT, a routine, or an error that took them
 * along. Nothing that was meant to be part of one runs outside of it, and what the pool says of it
 * is true. See rival.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rival.h"
#include "suite.h"

#include <mysql.h>

/* ---- ended inside ---- */

/* Statements one after the other, whatever becomes of them. */
struct script {
    const char *sql[5]; /* NULL-terminated */
    bool refuse;
    bool want_retry;
    unsigned runs;
    unsigned failed;
    enum pool_code code; /* of the last that did */
};

static bool play(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct script *script = arg;
    script->runs++;
    for (const char *const *sql = script->sql; *sql; sql++) {
        struct pool_error own;
        if (did(conn, *sql, &own))
            continue;
        script->failed++;
        script->code = own.code;
    }
    if (script->want_retry)
        err->retry_transaction = true;
    return !script->refuse;
}

static bool plays(struct script *script, struct pool_error *err)
{
    make_plain_pool();
    return pool_transaction(f.pool, play, script, err);
}

#define DDL "CREATE OR REPLACE TABLE extra (a INT)"

static void nothing_runs_behind_ddl(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, DDL, AFTER}};
    assert_false(plays(&script, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_non_null(strstr(err.message, "was not undone"));
    assert_false(err.not_executed);
    assert_int_equal(script.failed, 1);
    assert_int_equal(script.code, POOL_ERR_INVALID);
    assert_journal(1, 0);
}

static void what_ends_with_ddl_is_a_success(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, AFTER, DDL}};
    assert_true(plays(&script, &err));
    assert_int_equal(err.code, POOL_OK);
    assert_journal(1, 1);
}

static void what_ddl_has_committed_is_told_and_not_run_again(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, DDL}, .refuse = true, .want_retry = true};
    assert_false(plays(&script, &err));
    assert_int_equal(err.code, POOL_ERR_ROLLED_BACK);
    assert_non_null(strstr(err.message, "was not undone"));
    assert_false(err.retry_transaction);
    assert_int_equal(script.runs, 1);
    assert_journal(1, 0);
}

static void ddl_that_fails_has_ended_the_transaction_too(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "CREATE TABLE account (a INT)", AFTER}};
    assert_false(plays(&script, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_false(err.retry_transaction);
    assert_int_equal(script.failed, 2);
    assert_journal(1, 0);
}

static void a_function_may_commit_as_the_last_it_does(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, AFTER, "COMMIT"}};
    assert_true(plays(&script, &err));
    assert_journal(1, 1);
}

static void nothing_runs_behind_its_commit(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "COMMIT", AFTER}};
    assert_false(plays(&script, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_journal(1, 0);
}

static void a_function_may_make_several_transactions(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "COMMIT", "BEGIN", AFTER}};
    assert_true(plays(&script, &err));
    assert_int_equal(script.failed, 0);
    assert_journal(1, 1);
}

static void the_first_of_several_is_told(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {
        .sql = {BEFORE, "COMMIT AND CHAIN", AFTER}, .refuse = true, .want_retry = true};
    assert_false(plays(&script, &err));
    assert_non_null(strstr(err.message, "was not undone"));
    assert_int_equal(script.runs, 1);
    assert_journal(1, 0);
}

static void a_function_that_rolls_back_and_says_true_has_not_succeeded(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "ROLLBACK", AFTER}};
    assert_false(plays(&script, &err));
    assert_int_equal(err.code, POOL_ERR_ROLLED_BACK);
    assert_int_equal(script.failed, 1);
    assert_journal(0, 0);
}

static void savepoints_end_nothing(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "SAVEPOINT s", AFTER, "ROLLBACK TO s"}};
    assert_true(plays(&script, &err));
    assert_int_equal(script.failed, 0);
    assert_journal(1, 0);
}

static void the_guard_ends_with_the_transaction(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE}};
    assert_true(plays(&script, &err));
    must(AFTER);
    struct pool_conn conn = borrow();
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(1, 2);
}

static void a_commit_behind_a_routine_that_ended_the_transaction_fails(void **state)
{
    (void)state;
    struct pool_error err;
    admin_does(f.admin, "CREATE OR REPLACE PROCEDURE undoes() ROLLBACK");
    make_plain_pool();
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, BEFORE, &err));
    assert_true(did(conn, "CALL undoes()", &err));
    assert_false(pool_conn_commit(conn, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 0);
}

static bool uses_native(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct pool_error ignored;
    (void)arg;
    did(conn, BEFORE, err);
    mysql_query(pool_conn_native(conn), "ROLLBACK");
    did(conn, AFTER, &ignored);
    return true;
}

static void what_the_native_handle_ended_is_noticed(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    assert_false(pool_transaction(f.pool, uses_native, NULL, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_journal(0, 0);
}

static bool keeps_native(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct pool_error ignored;
    ++*(unsigned *)arg;
    MYSQL *native = pool_conn_native(conn);
    did(conn, BEFORE, err);
    mysql_query(native, "ROLLBACK");
    did(conn, AFTER, &ignored);
    return true;
}

static void also_what_it_ends_later(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct pool_error err;
    make_plain_pool();
    assert_false(pool_transaction(f.pool, keeps_native, &runs, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_int_equal(runs, 1);
    assert_journal(0, 0);
}

/* ---- and an error ---- */

static bool plays_until_it_fails(struct pool_conn conn, void *arg, struct pool_error *err)
{
    const struct script *script = arg;
    for (const char *const *sql = script->sql; *sql; sql++)
        if (!did(conn, *sql, err))
            return false;
    return true;
}

/* The function returns with the error, so that nothing else asks the server. */
static void what_a_failed_statement_has_committed_is_told(void **state)
{
    (void)state;
    static const char *const enders[] = {"CALL undoes()", "CREATE TABLE account (a INT)"};
    struct pool_error err;
    make_procedure("COMMIT");
    make_plain_pool();
    for (unsigned i = 0; i < 2; i++) {
        struct script script = {.sql = {BEFORE, enders[i]}};
        assert_false(pool_transaction(f.pool, plays_until_it_fails, &script, &err));
        assert_non_null(strstr(err.message, "was not undone"));
    }
    assert_journal(2, 0);
}

static void what_a_failed_statement_has_left_open_is_undone(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "CALL undoes()"}};
    make_procedure("DO 0");
    make_plain_pool();
    assert_false(pool_transaction(f.pool, plays_until_it_fails, &script, &err));
    assert_null(strstr(err.message, "was not undone"));
    assert_journal(0, 0);
}

static void a_swallowed_rollback_is_no_success_without_autocommit(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "CALL undoes()"}};
    make_procedure("ROLLBACK");
    make_small_pool((struct pool_options){.no_autocommit = true});
    assert_false(pool_transaction(f.pool, play, &script, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_journal(0, 0);
}

/* The results before the error have told that the transaction was over. */
static void nothing_runs_behind_results_and_an_error(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "CALL undoes()", AFTER}};
    make_procedure("SELECT 1; COMMIT; SELECT 2");
    assert_false(plays(&script, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_int_equal(script.runs, 1);
    assert_int_equal(script.failed, 2);
    assert_journal(1, 0);
}

static void nothing_runs_behind_a_begin_that_failed(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {
        .sql = {BEFORE, "COMMIT", "START TRANSACTION READ ONLY, READ WRITE", AFTER}};
    assert_false(plays(&script, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_int_equal(script.runs, 1);
    assert_int_equal(script.failed, 2);
    assert_journal(1, 0);
}

static void nor_on_a_handle_that_has_lost_one(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = lose("BEGIN");
    assert_false(did(conn, "START TRANSACTION READ ONLY, READ WRITE", &err));
    assert_false(did(conn, AFTER, &err));
    assert_lost(&err, 1213);
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 0);
}

static bool commits_and_begins(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct pool_request request = {.sql = BEFORE "; COMMIT; BEGIN", .text = true};
    ++*(unsigned *)arg;
    pool_result_free(pool_conn_query_with(conn, &request, err));
    err->retry_transaction = true;
    return false;
}

static void what_several_statements_have_committed_is_told(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct pool_error err;
    make_plain_pool();
    assert_false(pool_transaction(f.pool, commits_and_begins, &runs, &err));
    assert_non_null(strstr(err.message, "was not undone"));
    assert_int_equal(runs, 1);
    assert_journal(1, 0);
}

/* ---- on a handle ---- */

static void on_a_handle_ddl_commits_and_the_rest_goes_on(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, BEFORE, &err));
    assert_true(did(conn, DDL, &err));
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(1, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_rival, tear_down_rival)
#define TEST_OF(name, with)                                                                        \
    {                                                                                              \
#name, name, set_up_with_##with, tear_down_rival, NULL                                     \
    }

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_runs_behind_ddl),
        TEST(what_ends_with_ddl_is_a_success),
        TEST(what_ddl_has_committed_is_told_and_not_run_again),
        TEST(ddl_that_fails_has_ended_the_transaction_too),
        TEST(a_function_may_commit_as_the_last_it_does),
        TEST(nothing_runs_behind_its_commit),
        TEST(a_function_may_make_several_transactions),
        TEST(the_first_of_several_is_told),
        TEST(a_function_that_rolls_back_and_says_true_has_not_succeeded),
        TEST(savepoints_end_nothing),
        TEST(the_guard_ends_with_the_transaction),
        TEST(a_commit_behind_a_routine_that_ended_the_transaction_fails),
        TEST(what_the_native_handle_ended_is_noticed),
        TEST(also_what_it_ends_later),
        TEST(what_a_failed_statement_has_committed_is_told),
        TEST(what_a_failed_statement_has_left_open_is_undone),
        TEST(a_swallowed_rollback_is_no_success_without_autocommit),
        TEST(nothing_runs_behind_results_and_an_error),
        TEST(nothing_runs_behind_a_begin_that_failed),
        TEST(nor_on_a_handle_that_has_lost_one),
        TEST(what_several_statements_have_committed_is_told),
        TEST(on_a_handle_ddl_commits_and_the_rest_goes_on),
    };
    return server_suite_main(argc, argv, tests);
}
