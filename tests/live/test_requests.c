/*
 * What a statement reports beside its rows; and requests that make no sense, or are odd and do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "statements.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

/* ---- what a statement reports ---- */

static void inserts_report_ids_and_rows(void **state)
{
    struct pool *pool = *state;
    run_as_text(
        pool,
        "CREATE OR REPLACE TABLE items (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, n INT)");
    run_as_text(pool, "ALTER TABLE items AUTO_INCREMENT = 10000000000");
    for (unsigned mode = 0; mode < 4; mode++) {
        struct pool_result *done = (mode % 2 ? query_as_text : query)(
            pool, "INSERT INTO items (n) VALUES (?), (?)", POOL_ARGS(1, 2));
        assert_int_equal(pool_insert_id(done), 10000000000 + 2 * mode);
        assert_int_equal(pool_affected_rows(done), 2);
        assert_int_equal(pool_column_count(done), 0);
        assert_false(pool_next(done));
        pool_result_free(done);
    }
    struct pool_result *done = query(pool, "DELETE FROM items WHERE n = ?", POOL_ARGS(1));
    assert_int_equal(pool_affected_rows(done), 4);
    assert_int_equal(pool_insert_id(done), 0);
    pool_result_free(done);
}

static void insert_returning_gives_rows(void **state)
{
    struct pool *pool = *state;
    run_as_text(pool, "CREATE OR REPLACE TABLE items (id INT AUTO_INCREMENT PRIMARY KEY, n INT)");
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *rows = (mode ? query_as_text : query)(
            pool, "INSERT INTO items (n) VALUES (?), (8) RETURNING id, n", POOL_ARGS(7));
        assert_int_equal(pool_row_count(rows), 2);
        assert_true(pool_next(rows));
        assert_int_equal(pool_get_int(rows, 1), 7);
        pool_result_free(rows);
    }
}

static void warnings_are_counted(void **state)
{
    for (int mode = 0; mode < 4; mode++) {
        struct pool_result *row = (mode % 2 ? query_as_text : query)(
            *state, "SELECT CAST(? AS SIGNED), CAST('2y' AS SIGNED)", POOL_ARGS("1x"));
        assert_int_equal(pool_warning_count(row), 2);
        pool_result_free(row);
        row = query(*state, "SELECT 1", POOL_NO_ARGS);
        assert_int_equal(pool_warning_count(row), 0);
        pool_result_free(row);
    }
}

static void warnings_of_a_write_are_counted(void **state)
{
    run_as_text(*state, "CREATE OR REPLACE TABLE narrow (a INT UNIQUE)");
    run_as_text(*state, "INSERT INTO narrow VALUES (1)");
    for (int mode = 0; mode < 4; mode++) {
        struct pool_result *done = (mode % 2 ? query_as_text : query)(
            *state, "INSERT IGNORE INTO narrow VALUES (?)", POOL_ARGS(1));
        assert_int_equal(pool_warning_count(done), 1);
        assert_int_equal(pool_affected_rows(done), 0);
        pool_result_free(done);
    }
}

static void an_empty_result_has_its_columns(void **state)
{
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *none = (mode ? query_as_text : query)(
            *state, "SELECT seq AS a, 'x' AS b FROM seq_1_to_3 WHERE seq > ?", POOL_ARGS(9));
        assert_int_equal(pool_row_count(none), 0);
        assert_string_equal(pool_column_name(none, 1), "b");
        assert_false(pool_next(none));
        pool_result_free(none);
    }
}

static void a_result_outlives_its_pool(void **state)
{
    struct pool_error err;
    struct pool *pool = pool_create_url(getenv("MYPOOL_URL"), &err);
    struct pool_result *rows = query(pool, "SELECT seq, 'text' FROM seq_1_to_1000", POOL_NO_ARGS);
    (void)state;
    assert_true(pool_end(pool, 5000, &err));
    for (int i = 1; i <= 1000; i++) {
        assert_true(pool_next(rows));
        assert_int_equal(pool_get_int(rows, 0), i);
        assert_string_equal(pool_get_text(rows, 1), "text");
    }
    pool_result_free(rows);
}

/* ---- odd requests ---- */

static bool stop_at_once(struct pool_result *row, void *arg)
{
    (void)row;
    (void)arg;
    return false;
}

static struct pool *open_without_database(void)
{
    struct pool_options options;
    struct pool_error err;
    void *memory;
    assert_true(pool_options_from_url(getenv("MYPOOL_URL"), &options, &memory, &err));
    options.database = NULL;
    options.connection_limit = 1;
    pools[1] = pool_create(&options, &err);
    free(memory);
    if (!pools[1])
        fail_msg("%s", err.message);
    return pools[1];
}

static void assert_request_refused(struct pool *pool, const struct pool_request *request,
                                   const char *why)
{
    struct pool_error err;
    assert_null(pool_query_with(pool, request, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_non_null(strstr(err.message, why));
}

static void a_request_that_makes_no_sense_is_refused(void **state)
{
    assert_request_refused(*state, NULL, "the request is NULL");
    assert_request_refused(*state, &(struct pool_request){0}, "the SQL is NULL");
    assert_request_refused(*state, &(struct pool_request){.sql = "SELECT ?", .args = {NULL, 1}},
                           "the number of values is 1");
    assert_request_refused(
        *state, &(struct pool_request){.sql = "SELECT 1", .reserved = {1}},
        "byte 0 of the reserved ones of the request is not zero: it asks for what is "
        "newer than this library, or was never zeroed");
    assert_pool_works(*state);
}

static void what_a_call_needs_must_not_be_null(void **state)
{
    struct pool *pool = *state;
    struct pool_conn conn;
    struct pool_error err;
    assert_false(pool_get_connection_with(pool, NULL, &conn, &err));
    assert_string_equal(err.message, "the request is NULL");
    assert_false(pool_get_connection(pool, NULL, &err));
    assert_string_equal(err.message, "the handle is NULL");
    assert_false(pool_stream(pool, "SELECT 1", POOL_NO_ARGS, NULL, NULL, &err));
    assert_string_equal(err.message, "the row callback is NULL");
    assert_true(pool_get_connection(pool, &conn, &err));
    assert_false(pool_conn_stream(conn, "SELECT 1", POOL_NO_ARGS, NULL, NULL, &err));
    assert_string_equal(err.message, "the row callback is NULL");
    assert_true(pool_conn_release(conn, &err));
    assert_null(pool_setup_query(NULL, "SELECT 1", POOL_NO_ARGS, &err));
    assert_string_equal(err.message, "the set-up is NULL");
    assert_pool_works(pool);
}

/* Longer than any number of the server, but text may be. */
static void a_text_of_a_thousand_digits_is_no_number(void **state)
{
    double number = 7;
    struct pool_result *row = query(*state, "SELECT REPEAT('1', 1100)", POOL_NO_ARGS);
    assert_true(pool_next(row));
    assert_false(POOL_SCAN(row, &number));
    assert_true(number == 7);
    pool_result_free(row);
}

/* The statistics of a program that was compiled with another header. */
static void statistics_end_in_zeros(void **state)
{
    struct pool_stats stats;
    memset(&stats, 0xAA, sizeof stats);
    pool_stats(*state, &stats);
    assert_int_equal(stats.queries, 0);
    for (size_t i = 0; i < sizeof stats.reserved / sizeof stats.reserved[0]; i++)
        assert_int_equal(stats.reserved[i], 0);
}

static void a_program_that_gives_its_name_connects(void **state)
{
    (void)state;
    assert_pool_works(open_pool("applicationName=shop"));
}

/* There is no way back to no database, so another connection takes the place. */
static void a_database_chosen_where_none_was_is_gone_after_the_release(void **state)
{
    (void)state;
    struct pool *pool = open_without_database();
    struct pool_conn conn;
    assert_true(pool_get_connection(pool, &conn, NULL));
    struct pool_result *used = pool_conn_query(conn, "USE mypool", POOL_NO_ARGS, NULL);
    assert_non_null(used);
    pool_result_free(used);
    assert_true(pool_conn_release(conn, NULL));
    struct pool_result *row = query(pool, "SELECT DATABASE()", POOL_NO_ARGS);
    assert_true(pool_next(row));
    assert_true(pool_is_null(row, 0));
    pool_result_free(row);
}

/* If all of it fits into the buffers of the sockets, the server's close is stuck behind
 * rows that nobody reads. */
static void a_slot_is_soon_free_after_a_large_reply_was_given_up(void **state)
{
    struct pool_error err;
    char sql[80];
    for (int rows = 125; rows <= 128000; rows *= 2) {
        snprintf(sql, sizeof sql, "SELECT REPEAT('x', 500) FROM seq_1_to_%d", rows);
        pool_stream(*state, sql, POOL_NO_ARGS, stop_at_once, NULL, &err);
        assert_pool_works(*state);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_statements, tear_down_statements)
#define GLOBAL_TEST(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, set_up_statements, tear_down_server_globals)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(inserts_report_ids_and_rows),
        TEST(insert_returning_gives_rows),
        TEST(warnings_are_counted),
        TEST(warnings_of_a_write_are_counted),
        TEST(an_empty_result_has_its_columns),
        TEST(a_result_outlives_its_pool),
        TEST(a_request_that_makes_no_sense_is_refused),
        TEST(what_a_call_needs_must_not_be_null),
        TEST(a_text_of_a_thousand_digits_is_no_number),
        TEST(statistics_end_in_zeros),
        TEST(a_program_that_gives_its_name_connects),
        TEST(a_database_chosen_where_none_was_is_gone_after_the_release),
        TEST(a_slot_is_soon_free_after_a_large_reply_was_given_up),
    };
    return server_suite_main(argc, argv, tests);
}
