/*
 * How statements are prepared and cached: what goes to the server and how often, what cannot be
 * prepared, the cache and the server's limits, and tables that change under cached statements.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "statements.h"
#include "suite.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* ---- round trips: libmariadb's traffic passes through here ---- */

static atomic_int turns; /* how often the direction changed from sending to receiving */
static atomic_bool sent;

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    ssize_t (*real)(int, const void *, size_t, int);
    *(void **)&real = dlsym(RTLD_NEXT, "send");
    atomic_store(&sent, true);
    return real(fd, data, len, flags);
}

ssize_t recv(int fd, void *data, size_t len, int flags)
{
    ssize_t (*real)(int, void *, size_t, int);
    *(void **)&real = dlsym(RTLD_NEXT, "recv");
    ssize_t got = real(fd, data, len, flags);
    if (got > 0 && atomic_exchange(&sent, false))
        atomic_fetch_add(&turns, 1);
    return got;
}

/* ---- answers ---- */

static int64_t executes(struct pool *pool)
{
    return status_of(pool, "session", "Com_stmt_execute");
}

/* ---- preparing ---- */

static void a_statement_is_prepared_on_its_first_use(void **state)
{
    struct pool *pool = *state;
    int64_t prepared = prepares(pool), executed = executes(pool);
    assert_int_equal(int_of(pool, "SELECT ? * 2", POOL_ARGS(21)), 42);
    assert_int_equal(prepares(pool) - prepared, 1);
    assert_int_equal(executes(pool) - executed, 1);
}

static void the_first_use_takes_one_round_trip(void **state)
{
    struct pool *pool = *state;
    thread_of(pool); /* connects */
    int before = atomic_load(&turns);
    assert_int_equal(int_of(pool, "SELECT ? * 2", POOL_ARGS(21)), 42);
    assert_int_equal(atomic_load(&turns) - before, 1);
}

static void later_uses_take_one_round_trip(void **state)
{
    struct pool *pool = *state;
    int_of(pool, "SELECT ? * 2", POOL_ARGS(0));
    int before = atomic_load(&turns);
    for (int i = 0; i < 10; i++)
        assert_int_equal(int_of(pool, "SELECT ? * 2", POOL_ARGS(i)), 2 * i);
    assert_int_equal(atomic_load(&turns) - before, 10);
}

static void later_uses_prepare_nothing(void **state)
{
    struct pool *pool = *state;
    int_of(pool, "SELECT ? * 2", POOL_ARGS(0));
    int64_t prepared = prepares(pool), executed = executes(pool);
    for (int i = 0; i < 10; i++)
        assert_int_equal(int_of(pool, "SELECT ? * 2", POOL_ARGS(i)), 2 * i);
    assert_int_equal(prepares(pool) - prepared, 0);
    assert_int_equal(executes(pool) - executed, 10);
}

static void a_cached_statement_takes_values_of_other_types(void **state)
{
    struct pool *pool = *state;
    int64_t prepared = prepares(pool);
    assert_int_equal(int_of(pool, "SELECT CONCAT(?, '') = '7'", POOL_ARGS(7)), 1);
    assert_int_equal(int_of(pool, "SELECT CONCAT(?, '') = '7'", POOL_ARGS("7")), 1);
    assert_int_equal(int_of(pool, "SELECT CONCAT(?, '') = '7'", POOL_ARGS(8.5)), 0);
    assert_int_equal(int_of(pool, "SELECT CONCAT(?, '') = '7'", POOL_ARGS(pool_bytes("7", 1))), 1);
    assert_int_equal(int_of(pool, "SELECT CONCAT(?, '') IS NULL", POOL_ARGS(NULL)), 1);
    assert_int_equal(int_of(pool, "SELECT CONCAT(?, '') = '7'", POOL_ARGS(pool_decimal("7"))), 1);
    assert_int_equal(prepares(pool) - prepared, 2);
}

static void the_pool_counts_prepares_and_hits(void **state)
{
    struct pool *pool = *state;
    struct pool_stats before, after;
    pool_stats(pool, &before);
    for (int i = 0; i < 10; i++)
        assert_int_equal(int_of(pool, "SELECT ? * 3", POOL_ARGS(i)), 3 * i);
    pool_stats(pool, &after);
    assert_int_equal(after.prepares - before.prepares, 1);
    assert_int_equal(after.statement_hits - before.statement_hits, 9);
}

static void a_text_request_is_not_prepared(void **state)
{
    struct pool *pool = *state;
    int64_t prepared = prepares(pool);
    assert_int_equal(first_int(query_as_text(pool, "SELECT ? * 2", POOL_ARGS(21))), 42);
    assert_int_equal(prepares(pool) - prepared, 0);
}

static void the_option_prepare_false_prepares_nothing(void **state)
{
    struct pool *pool = open_pool("prepare=false");
    (void)state;
    int64_t prepared = prepares(pool);
    assert_int_equal(int_of(pool, "SELECT ? * 2", POOL_ARGS(21)), 42);
    assert_int_equal(prepares(pool) - prepared, 0);
}

static void a_statement_that_cannot_be_prepared_reports_the_servers_error(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "SELECT FROM WHERE"};
    struct pool_error err = failure_of(pool, &request, POOL_ERR_SERVER);
    assert_int_equal(err.server_errno, 1064);
    assert_string_equal(err.sqlstate, "42000");
    assert_true(err.not_executed);
    assert_pool_works(pool);
}

static void a_failed_prepare_leaves_nothing_on_the_server(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "SELECT * FROM absent WHERE a = ?", .args = POOL_ARGS(1)};
    int64_t before = status_of(pool, "global", "Prepared_stmt_count");
    for (int i = 0; i < 20; i++)
        failure_of(pool, &request, POOL_ERR_SERVER);
    assert_int_equal(status_of(pool, "global", "Prepared_stmt_count"), before);
}

static void a_statement_can_be_used_once_its_table_exists(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "SELECT a FROM late WHERE a = ?", .args = POOL_ARGS(5)};
    run_as_text(pool, "DROP TABLE IF EXISTS late");
    assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, 1146);
    run_as_text(pool, "CREATE TABLE late (a INT)");
    run_as_text(pool, "INSERT INTO late VALUES (5)");
    assert_int_equal(int_of(pool, request.sql, request.args), 5);
}

/* MariaDB 10.11 prepares nearly everything, but not this. */
static void what_cannot_be_prepared_goes_as_text_and_is_remembered(void **state)
{
    struct pool *pool = open_pool("resetPolicy=never");
    const char *sql = "EXECUTE IMMEDIATE ?";
    struct pool_stats stats;
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(int_of(pool, sql, POOL_ARGS("SELECT 42")), 42);
    pool_stats(pool, &stats);
    assert_int_equal(stats.prepares, 1);
    assert_int_equal(int_of(pool, sql, POOL_ARGS("SELECT 'a' = \"a\"")), 1);
    assert_pool_works(pool);
}

static void named_values_of_what_goes_as_text_arrive(void **state)
{
    struct pool *pool = open_pool("resetPolicy=never");
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            int_of(pool, "EXECUTE IMMEDIATE :sql", POOL_ARGS(POOL_NAMED("sql", "SELECT 42"))), 42);
}

static void an_error_1295_from_within_is_the_servers_error(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "EXECUTE IMMEDIATE 'EXECUTE IMMEDIATE ''SELECT 1'''"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, 1295);
    assert_pool_works(pool);
}

/* Errors that speak of preparing, but come out of a procedure that has had its effect. */
static void assert_runs_once(struct pool *pool, unsigned error)
{
    struct pool_request request = {.sql = "CALL writes_and_fails(?)", .args = POOL_ARGS(error)};
    run_as_text(pool, "DROP PROCEDURE IF EXISTS writes_and_fails");
    run_as_text(pool, "CREATE OR REPLACE TABLE written (a INT)");
    run_as_text(pool,
                "CREATE PROCEDURE writes_and_fails(e INT) BEGIN INSERT INTO written VALUES (e); "
                "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = e; END");
    assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, error);
    assert_int_equal(int_of(pool, "SELECT COUNT(*) FROM written", POOL_NO_ARGS), 1);
}

static void a_procedure_that_fails_with_1295_runs_once(void **state)
{
    assert_runs_once(*state, 1295);
}

static void a_procedure_that_fails_with_1461_runs_once(void **state)
{
    assert_runs_once(*state, 1461);
}

static void a_procedure_that_fails_with_1615_runs_once(void **state)
{
    assert_runs_once(*state, 1615);
}

static void a_procedure_that_fails_with_1243_runs_once(void **state)
{
    assert_runs_once(*state, 1243);
}

static void a_procedure_that_failed_is_not_called_not_executed(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "CALL writes_and_reads()"};
    run_as_text(pool, "CREATE OR REPLACE TABLE written (a INT)");
    run_as_text(pool, "DROP PROCEDURE IF EXISTS writes_and_reads");
    run_as_text(pool, "CREATE PROCEDURE writes_and_reads() BEGIN INSERT INTO written VALUES (1); "
                      "SELECT * FROM absent; END");
    struct pool_error err = failure_of(pool, &request, POOL_ERR_SERVER);
    assert_int_equal(err.server_errno, 1146);
    assert_int_equal(int_of(pool, "SELECT COUNT(*) FROM written", POOL_NO_ARGS), 1);
    assert_false(err.not_executed);
}

/* ---- limits on statements ---- */

static void a_small_cache_serves_many_statements(void **state)
{
    struct pool *pool = open_pool("statementCache=4");
    char sql[64];
    (void)state;
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 100; i++) {
            snprintf(sql, sizeof sql, "SELECT %d + ?", i);
            assert_int_equal(int_of(pool, sql, POOL_ARGS(1)), i + 1);
        }
    assert_in_range(status_of(pool, "global", "Prepared_stmt_count"), 1, 4);
}

static void the_cache_keeps_what_was_used_last(void **state)
{
    struct pool *pool = open_pool("statementCache=2");
    (void)state;
    int_of(pool, "SELECT 1", POOL_NO_ARGS);
    int_of(pool, "SELECT 2", POOL_NO_ARGS);
    int_of(pool, "SELECT 1", POOL_NO_ARGS);
    int_of(pool, "SELECT 3", POOL_NO_ARGS); /* in place of SELECT 2 */
    int64_t prepared = prepares(pool);
    int_of(pool, "SELECT 1", POOL_NO_ARGS);
    int_of(pool, "SELECT 3", POOL_NO_ARGS);
    assert_int_equal(prepares(pool) - prepared, 0);
    int_of(pool, "SELECT 2", POOL_NO_ARGS);
    assert_int_equal(prepares(pool) - prepared, 1);
}

static void run_many_texts(struct pool *pool)
{
    char sql[64];
    for (int i = 0; i < 100; i++) {
        snprintf(sql, sizeof sql, "SELECT %d + ?", i);
        assert_int_equal(int_of(pool, sql, POOL_ARGS(1)), i + 1);
    }
}

static void a_pool_stays_under_a_low_limit_of_the_server(void **state)
{
    (void)state;
    set_global("max_prepared_stmt_count = 20");
    struct pool *pool = open_pool("");
    run_many_texts(pool);
    run_many_texts(pool);
    assert_in_range(status_of(pool, "global", "Prepared_stmt_count"), 1, 19);
}

static void a_limit_that_is_lowered_later_turns_statements_into_text(void **state)
{
    struct pool *pool = *state;
    assert_pool_works(pool);
    set_global("max_prepared_stmt_count = 5");
    run_many_texts(pool);
    run_many_texts(pool);
    assert_in_range(status_of(pool, "global", "Prepared_stmt_count"), 1, 5);
}

/* A server that refuses a prepare for its limit has not forgotten the one before. */
static void a_prepare_over_the_limit_does_not_repeat_the_statement_before(void **state)
{
    struct pool *pool = *state;
    run_as_text(pool, "CREATE OR REPLACE TABLE written (a INT)");
    pool_result_free(query(pool, "INSERT INTO written VALUES (?)", POOL_ARGS(1)));
    set_global("max_prepared_stmt_count = 1");
    assert_int_equal(int_of(pool, "SELECT ? + 100", POOL_ARGS(1)), 101);
    assert_int_equal(first_int(query_as_text(pool, "SELECT COUNT(*) FROM written", POOL_NO_ARGS)),
                     1);
}

static void without_any_prepared_statements_everything_is_text(void **state)
{
    (void)state;
    set_global("max_prepared_stmt_count = 0");
    struct pool *pool = open_pool("");
    struct pool_value values[] = {pool_int(1), pool_int(3), pool_int(5)};
    run_many_texts(pool);
    assert_int_equal(int_of(pool, "SELECT COUNT(*) FROM seq_1_to_9 WHERE seq IN (?)",
                            POOL_ARGS(pool_list(values, 3))),
                     3);
    assert_int_equal(int_of(pool, "SELECT :a + :a", POOL_ARGS(POOL_NAMED("a", 4))), 8);
    assert_int_equal(status_of(pool, "global", "Prepared_stmt_count"), 0);
}

/* ---- changes of tables under cached statements ---- */

/* Runs the same statement on the same connection before and after a change. */
static struct pool_result *after_change(struct pool *pool, const char *change)
{
    const char *sql = "SELECT * FROM changing WHERE a = ?";
    struct pool *other = open_pool("");
    run_as_text(other, "CREATE OR REPLACE TABLE changing (a INT, b INT)");
    run_as_text(other, "INSERT INTO changing VALUES (1, 2)");
    int64_t thread = thread_of(pool);
    for (int i = 0; i < 2; i++)
        pool_result_free(query(pool, sql, POOL_ARGS(1)));
    run_as_text(other, change);
    struct pool_result *row = query(pool, sql, POOL_ARGS(1));
    assert_int_equal(thread_of(pool), thread);
    assert_true(pool_next(row));
    assert_int_equal(pool_get_int(row, 0), 1);
    return row;
}

static void an_added_column_is_seen_by_a_cached_statement(void **state)
{
    struct pool_result *row =
        after_change(*state, "ALTER TABLE changing ADD COLUMN c VARCHAR(10) DEFAULT 'new'");
    assert_int_equal(pool_column_count(row), 3);
    assert_string_equal(pool_column_name(row, 2), "c");
    assert_string_equal(pool_get_text(row, 2), "new");
    pool_result_free(row);
    assert_pool_works(*state);
}

static void a_removed_column_is_missed_by_a_cached_statement(void **state)
{
    struct pool_result *row = after_change(*state, "ALTER TABLE changing DROP COLUMN b");
    assert_int_equal(pool_column_count(row), 1);
    pool_result_free(row);
    assert_pool_works(*state);
}

static void a_changed_type_is_seen_by_a_cached_statement(void **state)
{
    struct pool_result *row =
        after_change(*state, "ALTER TABLE changing MODIFY b VARCHAR(300) NOT NULL DEFAULT ''");
    assert_int_equal(pool_column_type(row, 1), POOL_TYPE_TEXT);
    assert_string_equal(pool_get_text(row, 1), "2");
    pool_result_free(row);
}

static void a_renamed_column_is_seen_by_a_cached_statement(void **state)
{
    struct pool_result *row = after_change(*state, "ALTER TABLE changing RENAME COLUMN b TO z");
    assert_string_equal(pool_column_name(row, 1), "z");
    assert_int_equal(pool_get_int(row, 1), 2);
    pool_result_free(row);
}

static void a_table_that_grows_to_hundreds_of_columns_is_seen(void **state)
{
    char change[8000] = "ALTER TABLE changing ADD COLUMN x0 INT DEFAULT 0";
    char *end = change + strlen(change);
    for (int i = 1; i < 300; i++)
        end += snprintf(end, 30, ", ADD x%d INT DEFAULT %d", i, i);
    struct pool_result *row = after_change(*state, change);
    assert_int_equal(pool_column_count(row), 302);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(pool_get_int(row, i + 2), i);
    pool_result_free(row);
}

static void a_table_that_was_dropped_is_an_error_until_it_is_back(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "SELECT * FROM changing WHERE a = ?",
                                   .args = POOL_ARGS(1)};
    pool_result_free(after_change(pool, "DO 0"));
    run_as_text(open_pool(""), "DROP TABLE changing");
    assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, 1146);
    pool_result_free(after_change(pool, "DO 0"));
}

/* Without a limit on its time the call might wait for rows for ever. */
static void a_cached_statement_may_have_rows_or_not(void **state)
{
    struct pool *pool = open_pool("resetPolicy=never");
    struct pool_request request = {.sql = "EXECUTE either", .timeout_ms = 20000};
    struct pool_error err;
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        run_as_text(pool,
                    i % 2 ? "PREPARE either FROM 'DO 1'" : "PREPARE either FROM 'SELECT 1, 2'");
        struct pool_result *result = pool_query_with(pool, &request, &err);
        if (!result)
            fail_msg("%s", err.message);
        assert_int_equal(pool_column_count(result), i % 2 ? 0 : 2);
        pool_result_free(result);
    }
}

static void columns_may_change_during_every_execute(void **state)
{
    struct pool *pool = *state, *other = open_pool("");
    for (unsigned i = 0; i < 30; i++) {
        run_as_text(other,
                    i % 2 ? "CREATE OR REPLACE TABLE swings (a VARCHAR(9), b DATETIME, c DOUBLE)"
                          : "CREATE OR REPLACE TABLE swings (a BIGINT)");
        run_as_text(other, i % 2 ? "INSERT INTO swings VALUES ('x', NOW(), 1.5)"
                                 : "INSERT INTO swings VALUES (-1)");
        struct pool_result *row = query(pool, "SELECT * FROM swings", POOL_NO_ARGS);
        assert_true(pool_next(row));
        assert_int_equal(pool_column_count(row), i % 2 ? 3 : 1);
        assert_string_equal(pool_get_text(row, 0), i % 2 ? "x" : "-1");
        pool_result_free(row);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_statements, tear_down_statements)
#define GLOBAL_TEST(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, set_up_statements, tear_down_server_globals)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_statement_is_prepared_on_its_first_use),
        TEST(the_first_use_takes_one_round_trip),
        TEST(later_uses_take_one_round_trip),
        TEST(later_uses_prepare_nothing),
        TEST(a_cached_statement_takes_values_of_other_types),
        TEST(the_pool_counts_prepares_and_hits),
        TEST(a_text_request_is_not_prepared),
        TEST(the_option_prepare_false_prepares_nothing),
        TEST(a_statement_that_cannot_be_prepared_reports_the_servers_error),
        TEST(a_failed_prepare_leaves_nothing_on_the_server),
        TEST(a_statement_can_be_used_once_its_table_exists),
        TEST(what_cannot_be_prepared_goes_as_text_and_is_remembered),
        TEST(named_values_of_what_goes_as_text_arrive),
        TEST(an_error_1295_from_within_is_the_servers_error),
        TEST(a_procedure_that_fails_with_1295_runs_once),
        TEST(a_procedure_that_fails_with_1461_runs_once),
        TEST(a_procedure_that_fails_with_1615_runs_once),
        TEST(a_procedure_that_fails_with_1243_runs_once),
        TEST(a_procedure_that_failed_is_not_called_not_executed),
        TEST(a_small_cache_serves_many_statements),
        TEST(the_cache_keeps_what_was_used_last),
        GLOBAL_TEST(a_pool_stays_under_a_low_limit_of_the_server),
        GLOBAL_TEST(a_limit_that_is_lowered_later_turns_statements_into_text),
        GLOBAL_TEST(a_prepare_over_the_limit_does_not_repeat_the_statement_before),
        GLOBAL_TEST(without_any_prepared_statements_everything_is_text),
        TEST(an_added_column_is_seen_by_a_cached_statement),
        TEST(a_removed_column_is_missed_by_a_cached_statement),
        TEST(a_changed_type_is_seen_by_a_cached_statement),
        TEST(a_renamed_column_is_seen_by_a_cached_statement),
        TEST(a_table_that_grows_to_hundreds_of_columns_is_seen),
        TEST(a_table_that_was_dropped_is_an_error_until_it_is_back),
        TEST(a_cached_statement_may_have_rows_or_not),
        TEST(columns_may_change_during_every_execute),
    };
    return server_suite_main(argc, argv, tests);
}
