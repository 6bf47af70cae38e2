/*
 * How a program learns that it has not read what it believes: the error that stays with a result,
 * columns that are skipped or asked for by name, and calls of which no result remains.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pools.h"
#include "suite.h"
#include "waiting.h"

static int set_up(void **state)
{
    struct pool_options options = {.connection_limit = 1,
                                   .auth_plugins = "mysql_native_password,caching_sha2_password"};
    *state = pool_of("MYPOOL_URL", options);
    return 0;
}

static int tear_down(void **state)
{
    return pool_end(*state, 5000, NULL) ? 0 : -1;
}

static struct pool_result *rows_of(struct pool *pool, const char *sql)
{
    struct pool_error err;
    struct pool_result *rows = pool_query(pool, sql, POOL_NO_ARGS, &err);
    if (!rows)
        fail_msg("%s: %s", sql, err.message);
    return rows;
}

static void run(struct pool *pool, const char *sql)
{
    pool_result_free(rows_of(pool, sql));
}

static void assert_says(const struct pool_error *err, enum pool_code code, const char *part)
{
    assert_non_null(err);
    if (err->code != code || !strstr(err->message, part))
        fail_msg("%s: '%s', without '%s'", pool_code_name(err->code), err->message, part);
}

#define THREE "SELECT 1 AS id, '7' AS age UNION ALL SELECT 2, '300' UNION ALL SELECT 3, '8'"

/* ---- the error that stays ---- */

static void a_loop_that_ends_early_tells_where_and_why(void **state)
{
    struct pool_result *rows = rows_of(*state, THREE);
    int id, seen = 0;
    uint8_t age = 0;
    while (pool_next(rows) && POOL_SCAN(rows, &id, &age))
        seen++;
    assert_int_equal(seen, 1);
    assert_int_equal(age, 7);
    assert_says(pool_result_error(rows), POOL_ERR_INVALID,
                "row 2, column 2 'age': the value '300' does not fit a uint8_t");
    pool_result_free(rows);
}

static void a_loop_over_all_rows_leaves_no_error(void **state)
{
    struct pool_result *rows = rows_of(*state, THREE);
    int id, age, sum = 0;
    assert_null(pool_result_error(NULL));
    while (pool_next(rows) && POOL_SCAN(rows, &id, &age))
        sum += age;
    assert_int_equal(sum, 315);
    assert_null(pool_result_error(rows));
    assert_false(POOL_SCAN(rows, &id));
    assert_null(pool_result_error(rows)); /* no row more is no mistake */
    pool_result_free(rows);
}

static void after_a_mistake_there_is_no_next_row_until_a_rewind(void **state)
{
    struct pool_result *rows = rows_of(*state, THREE);
    int id, age;
    struct pool_time time;
    assert_true(pool_next(rows));
    assert_false(POOL_SCAN(rows, &time));
    assert_false(pool_next(rows) || pool_next_set(rows));
    assert_true(POOL_SCAN(rows, &id, &age)); /* the row is still there */
    assert_false(pool_next(rows));
    assert_says(pool_result_error(rows), POOL_ERR_INVALID, "'1' does not fit a struct pool_time");
    pool_rewind(rows);
    assert_null(pool_result_error(rows));
    for (int i = 0; i < 3; i++)
        assert_true(pool_next(rows));
    pool_result_free(rows);
}

static void the_first_mistake_is_the_one_that_is_told(void **state)
{
    struct pool_result *rows = rows_of(*state, "SELECT 'a', 'b'");
    int a, b;
    const char *text;
    assert_true(pool_next(rows));
    assert_false(POOL_SCAN(rows, &text, &b));
    assert_false(POOL_SCAN(rows, &a, &text));
    assert_says(pool_result_error(rows), POOL_ERR_INVALID, "column 2 'b'");
    pool_result_free(rows);
}

static void the_set_of_a_procedure_is_named(void **state)
{
    struct pool_result *rows;
    int n = 0;
    run(*state, "DROP PROCEDURE IF EXISTS two_sets");
    run(*state, "CREATE PROCEDURE two_sets() BEGIN SELECT 1; SELECT 2 AS a UNION ALL SELECT NULL; "
                "SELECT 'x' AS b; END");
    rows = rows_of(*state, "CALL two_sets()");
    do {
        while (pool_next(rows) && POOL_SCAN(rows, &n))
            ;
    } while (pool_next_set(rows));
    assert_says(pool_result_error(rows), POOL_ERR_INVALID, "row 1 of set 3, column 1 'b'");
    pool_result_free(rows);
}

static void long_values_and_bytes_are_told_in_short(void **state)
{
    struct pool_result *rows =
        rows_of(*state, "SELECT CONCAT('-', REPEAT('\xe2\x82\xac', 100)), X'00ff', 'a\nb'");
    int a, b, c;
    const char *skip;
    assert_true(pool_next(rows));
    assert_false(POOL_SCAN(rows, &a));
    assert_says(pool_result_error(rows), POOL_ERR_INVALID,
                "\xe2\x82\xac...' does not fit an int32_t");
    pool_rewind(rows);
    assert_true(pool_next(rows));
    assert_false(POOL_SCAN(rows, &skip, &b));
    assert_says(pool_result_error(rows), POOL_ERR_INVALID, "2 bytes do not fit an int32_t");
    pool_rewind(rows);
    assert_true(pool_next(rows));
    assert_false(POOL_SCAN(rows, &skip, &skip, &c));
    assert_says(pool_result_error(rows), POOL_ERR_INVALID, "'a?b'");
    pool_result_free(rows);
}

static void misuse_is_told_like_a_value_that_does_not_fit(void **state)
{
    struct pool_result *rows = rows_of(*state, THREE);
    int a, b, c;
    void *untyped = &a;
    assert_false(POOL_SCAN(rows, &a));
    assert_says(pool_result_error(rows), POOL_ERR_INVALID, "no row yet");
    pool_rewind(rows);
    assert_true(pool_next(rows));
    assert_false(POOL_SCAN(rows, &a, &b, &c));
    assert_says(pool_result_error(rows), POOL_ERR_INVALID, "3 variables were given for 2 columns");
    pool_rewind(rows);
    assert_true(pool_next(rows));
    assert_false(POOL_SCAN(rows, &a, untyped));
    assert_says(pool_result_error(rows), POOL_ERR_INVALID, "variable 2 is an untyped pointer");
    pool_rewind(rows);
    assert_true(pool_next(rows));
    assert_false(POOL_SCAN(rows, (int *)NULL));
    assert_says(pool_result_error(rows), POOL_ERR_INVALID, "variable 1 is a pointer to a variable");
    pool_result_free(rows);
}

static void null_in_place_of_a_variable_skips_a_column(void **state)
{
    struct pool_result *rows = rows_of(*state, "SELECT 'a text', 5, NULL, 6, 1, 2, 3, 4, 7, 8");
    int n = 0, other = 0, last = 0;
    assert_true(pool_next(rows));
    assert_true(POOL_SCAN(rows, NULL, &n, NULL, &other));
    assert_true(n == 5 && other == 6);
    assert_true(POOL_SCAN(rows, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &last));
    assert_int_equal(last, 8);
    assert_true(POOL_SCAN(rows, NULL));
    pool_result_free(rows);
}

/* ---- streams ---- */

struct reader {
    bool goes_on;
    unsigned rows;
};

static bool read_age(struct pool_result *row, void *arg)
{
    struct reader *reader = arg;
    uint8_t age;
    reader->rows++;
    return POOL_SCAN(row, NULL, &age) || reader->goes_on;
}

static void a_stream_fails_with_the_mistake_of_its_callback(void **state)
{
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        struct reader reader = {.goes_on = goes_on};
        struct pool_error err;
        assert_false(pool_stream(*state, THREE, POOL_NO_ARGS, read_age, &reader, &err));
        assert_says(&err, POOL_ERR_INVALID, "row 2, column 2 'age': the value '300'");
        assert_int_equal(reader.rows, 2);
        assert_true(pool_ping(*state, &err));
    }
}

static void a_stream_on_a_connection_costs_that_connection(void **state)
{
    struct reader reader = {.goes_on = true};
    struct pool_error err;
    struct pool_conn conn;
    assert_true(pool_get_connection(*state, &conn, &err));
    assert_false(pool_conn_stream(conn, THREE, POOL_NO_ARGS, read_age, &reader, &err));
    assert_says(&err, POOL_ERR_INVALID, "row 2");
    assert_true(err.fatal);
    assert_true(pool_conn_release(conn, &err));
}

static enum pool_flow read_age_and_pause(struct pool_result *row, void *arg)
{
    uint8_t age;
    (void)arg;
    return POOL_SCAN(row, NULL, &age) ? POOL_FLOW_CONTINUE : POOL_FLOW_PAUSE;
}

struct end {
    _Atomic unsigned calls;
    struct pool_error err;
    struct pool_result *result;
};

static void on_end(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct end *end = arg;
    if (err)
        end->err = *err;
    end->result = result;
    atomic_fetch_add(&end->calls, 1);
}

static void a_stream_with_callbacks_fails_and_does_not_pause(void **state)
{
    struct end end = {.calls = 0};
    struct pool_error err;
    struct pool_request request = {.sql = THREE};
    assert_true(
        pool_stream_async_with(*state, &request, read_age_and_pause, on_end, &end, NULL, &err));
    assert_within(GENEROUS, atomic_load(&end.calls) > 0);
    assert_says(&end.err, POOL_ERR_INVALID, "row 2, column 2 'age'");
    assert_null(end.result);
}

/* ---- names ---- */

static void columns_are_read_by_name_in_any_case(void **state)
{
    struct pool_result *rows =
        rows_of(*state, "SELECT -5 AS Number, 6 AS size, 1.5e0 AS part, 'x' AS word, "
                        "DATE'2024-02-29' AS day, NULL AS nothing");
    struct pool_time day;
    size_t len;
    assert_true(pool_next(rows));
    assert_true(pool_get_int_by(rows, "number") == -5 && pool_get_uint_by(rows, "SIZE") == 6);
    assert_true(pool_get_double_by(rows, "part") == 1.5);
    assert_string_equal(pool_get_text_by(rows, "Word"), "x");
    assert_memory_equal(pool_get_bytes_by(rows, "word", &len), "x", 1);
    assert_true(pool_get_time_by(rows, "day", &day) && day.day == 29 && len == 1);
    assert_true(pool_is_null_by(rows, "nothing") && !pool_is_null_by(rows, "word"));
    assert_null(pool_result_error(rows));
    pool_result_free(rows);
}

static void a_name_that_no_column_has_ends_the_loop_and_is_told(void **state)
{
    struct pool_result *rows = rows_of(*state, THREE);
    unsigned seen = 0;
    while (pool_next(rows)) {
        assert_int_equal(pool_get_int_by(rows, "nage"), 0);
        assert_null(pool_get_text_by(rows, NULL));
        seen++;
    }
    assert_int_equal(seen, 1);
    assert_says(pool_result_error(rows), POOL_ERR_INVALID,
                "no column has the name 'nage', of 'id', 'age'");
    pool_result_free(rows);
}

static void a_name_of_several_columns_is_told(void **state)
{
    struct pool_result *rows = rows_of(*state, "SELECT 1 AS id, 2 AS name, 3 AS id, 4 AS NAME");
    assert_true(pool_next(rows));
    assert_int_equal(pool_get_int_by(rows, "name"), 2);
    assert_int_equal(pool_get_int_by(rows, "NAME"), 4);
    assert_null(pool_result_error(rows));
    assert_true(pool_is_null_by(rows, "id"));
    assert_says(pool_result_error(rows), POOL_ERR_INVALID, "several columns have the name 'id'");
    pool_result_free(rows);
}

static void a_result_that_is_not_there_has_no_names(void **state)
{
    (void)state;
    assert_int_equal(pool_get_int_by(NULL, "id"), 0);
    assert_null(pool_get_text_by(NULL, "id"));
    assert_true(pool_is_null_by(NULL, "id"));
}

/* ---- without a result ---- */

static void an_execution_has_an_outcome(void **state)
{
    struct pool_outcome outcome;
    struct pool_error err;
    run(*state, "DROP TABLE IF EXISTS outcomes");
    run(*state, "CREATE TABLE outcomes (id INT AUTO_INCREMENT PRIMARY KEY, v INT)");
    assert_true(pool_exec(*state, "INSERT INTO outcomes (v) VALUES (?), (?)", POOL_ARGS(5, 6),
                          &outcome, &err));
    assert_true(outcome.affected_rows == 2 && outcome.insert_id == 1 && outcome.warnings == 0);
    assert_true(pool_exec(*state, "DELETE FROM outcomes WHERE v = ?", POOL_ARGS(5), NULL, &err));
    assert_true(pool_exec(*state, "DROP TABLE IF EXISTS not_there", POOL_NO_ARGS, &outcome, NULL));
    assert_int_equal(outcome.warnings, 1);
    assert_true(pool_exec(*state, "SELECT v FROM outcomes", POOL_NO_ARGS, NULL, &err));
}

static void of_several_results_the_last_is_the_outcome(void **state)
{
    struct pool_outcome outcome;
    struct pool_error err;
    run(*state, "DROP TABLE IF EXISTS outcomes");
    run(*state, "CREATE TABLE outcomes (v INT)");
    run(*state, "DROP PROCEDURE IF EXISTS two_outcomes");
    run(*state, "CREATE PROCEDURE two_outcomes() BEGIN SELECT 1; "
                "INSERT INTO outcomes VALUES (1), (2), (3); END");
    assert_true(pool_exec(*state, "CALL two_outcomes()", POOL_NO_ARGS, &outcome, &err));
    assert_int_equal(outcome.affected_rows, 3);
    run(*state, "DROP PROCEDURE two_outcomes");
}

static void a_failed_execution_leaves_the_outcome_alone(void **state)
{
    struct pool_outcome outcome = {.affected_rows = 99};
    struct pool_error err;
    assert_false(
        pool_exec(*state, "INSERT INTO not_there VALUES (1)", POOL_NO_ARGS, &outcome, &err));
    assert_int_equal(err.server_errno, POOL_ER_NO_SUCH_TABLE);
    assert_int_equal(outcome.affected_rows, 99);
}

static void a_connection_executes_within_its_transaction(void **state)
{
    struct pool_outcome outcome;
    struct pool_error err;
    struct pool_conn conn;
    int64_t count = -1;
    run(*state, "DROP TABLE IF EXISTS outcomes");
    run(*state, "CREATE TABLE outcomes (v INT) ENGINE = InnoDB");
    assert_true(pool_get_connection(*state, &conn, &err) && pool_conn_begin(conn, &err));
    assert_true(
        pool_conn_exec(conn, "INSERT INTO outcomes VALUES (?)", POOL_ARGS(1), &outcome, &err));
    assert_int_equal(outcome.affected_rows, 1);
    assert_true(
        POOL_CONN_QUERY_ONE(conn, "SELECT COUNT(*) FROM outcomes", POOL_NO_ARGS, &err, &count));
    assert_int_equal(count, 1);
    assert_true(pool_conn_rollback(conn, &err) && pool_conn_release(conn, &err));
    assert_true(
        POOL_QUERY_ONE(*state, "SELECT COUNT(*) FROM outcomes", POOL_NO_ARGS, &err, &count));
    assert_int_equal(count, 0);
}

/* ---- one row ---- */

static void one_row_is_read_into_variables(void **state)
{
    struct pool_error err;
    int64_t id = 0;
    double part = 0;
    char *name = NULL, *nothing = "was";
    struct pool_time day;
    assert_true(POOL_QUERY_ONE(*state,
                               "SELECT ?, 1.5e0, 'a name', NULL, 'skipped', DATE'2024-02-29'",
                               POOL_ARGS(7), &err, &id, &part, &name, &nothing, NULL, &day));
    assert_true(id == 7 && part == 1.5 && day.month == 2 && err.code == POOL_OK);
    assert_string_equal(name, "a name");
    assert_null(nothing);
    free(name);
}

static void no_row_is_an_error_of_its_own(void **state)
{
    struct pool_error err;
    int n = 5;
    assert_false(POOL_QUERY_ONE(*state, "SELECT 1 FROM DUAL WHERE 1 = ?", POOL_ARGS(2), &err, &n));
    assert_says(&err, POOL_ERR_NO_ROW, "no row");
    assert_string_equal(pool_code_name(err.code), "POOL_NO_ROW");
    assert_false(POOL_QUERY_ONE(*state, "DO 1", POOL_NO_ARGS, &err, &n));
    assert_int_equal(err.code, POOL_ERR_NO_ROW);
    assert_int_equal(n, 5);
}

static void several_rows_are_not_one(void **state)
{
    struct pool_error err;
    int n = 5;
    assert_false(POOL_QUERY_ONE(*state, THREE, POOL_NO_ARGS, &err, &n));
    assert_says(&err, POOL_ERR_INVALID, "3 rows, not one");
    assert_int_equal(n, 5);
}

static void one_row_that_does_not_fit_leaves_all_variables_alone(void **state)
{
    struct pool_error err;
    uint8_t small = 5;
    char *text = NULL;
    int a = 1, b = 2, c = 3;
    assert_false(POOL_QUERY_ONE(*state, "SELECT 'text', 300", POOL_NO_ARGS, &err, &text, &small));
    assert_says(&err, POOL_ERR_INVALID, "row 1, column 2 '300'");
    assert_true(!text && small == 5);
    assert_false(POOL_QUERY_ONE(*state, "SELECT 1, 2", POOL_NO_ARGS, &err, &a, &b, &c));
    assert_says(&err, POOL_ERR_INVALID, "3 variables were given for 2 columns");
    assert_false(
        POOL_QUERY_ONE(*state, "SELECT CONCAT('a', CHAR(0), 'b')", POOL_NO_ARGS, &err, &text));
    assert_says(&err, POOL_ERR_INVALID, "NUL");
    assert_false(POOL_QUERY_ONE(*state, "SELECT nonsense", POOL_NO_ARGS, &err, &a));
    assert_int_equal(err.server_errno, POOL_ER_BAD_FIELD_ERROR);
}

static void nothing_is_borrowed_from_a_result_that_is_gone(void **state)
{
    struct pool_error err;
    const char *text = NULL;
    struct pool_target target = {POOL_TO_TEXT, &text};
    assert_false(pool_query_one(*state, "SELECT 'x'", POOL_NO_ARGS, &target, 1, &err));
    assert_says(&err, POOL_ERR_INVALID, "variable 1 would borrow");
    assert_false(pool_query_one(*state, "SELECT 'x'", POOL_NO_ARGS, NULL, 1, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_null(text);
}

/* ---- names of numbers ---- */

static void what_is_numbered_has_names(void **state)
{
    (void)state;
    assert_string_equal(pool_type_name(POOL_TYPE_DATETIME), "DATETIME");
    assert_string_equal(pool_state_name(POOL_STATE_RETRYING), "retrying");
    assert_string_equal(pool_close_reason_name(POOL_CLOSE_READ_ONLY), "read_only");
    assert_string_equal(pool_server_error_name(1062), "ER_DUP_ENTRY");
    assert_string_equal(pool_server_error_name(POOL_WARN_DATA_TRUNCATED), "WARN_DATA_TRUNCATED");
    assert_null(pool_server_error_name(1));
    assert_string_equal(pool_type_name((enum pool_type)99), "unknown");
    assert_string_equal(pool_state_name((enum pool_state)99), "unknown");
    assert_string_equal(pool_close_reason_name((enum pool_close_reason)99), "unknown");
    for (int i = 0; i <= POOL_TYPE_LIST; i++)
        assert_string_not_equal(pool_type_name((enum pool_type)i), "unknown");
    for (size_t i = 0; i <= POOL_CLOSE_LAST; i++)
        assert_string_not_equal(pool_close_reason_name((enum pool_close_reason)i), "unknown");
}

/* What a server really says, by its symbol. */
static void errors_of_the_server_have_their_symbols(void **state)
{
    static const struct {
        const char *sql;
        unsigned number, other;
    } cases[] = {
        {"INSERT INTO children VALUES (1, 1, 'x', 5)", POOL_ER_DUP_ENTRY, 0},
        {"INSERT INTO children VALUES (2, 9, 'x', 5)", POOL_ER_NO_REFERENCED_ROW_2, 0},
        {"DELETE FROM parents", POOL_ER_ROW_IS_REFERENCED_2, 0},
        {"INSERT INTO children VALUES (3, 1, NULL, 5)", POOL_ER_BAD_NULL_ERROR, 0},
        {"INSERT INTO children VALUES (3, 1, 'too long', 5)", POOL_ER_DATA_TOO_LONG, 0},
        {"INSERT INTO children VALUES (3, 1, 'x', 300)", POOL_ER_WARN_DATA_OUT_OF_RANGE, 0},
        {"INSERT INTO children VALUES (3, 1, 'x', 'y')", POOL_ER_TRUNCATED_WRONG_VALUE_FOR_FIELD,
         0},
        {"INSERT INTO children VALUES (3, 1, 'x', 0)", POOL_ER_CONSTRAINT_FAILED,
         POOL_ER_CHECK_CONSTRAINT_VIOLATED},
        {"INSERT INTO children VALUES (3)", POOL_ER_WRONG_VALUE_COUNT_ON_ROW, 0},
        {"INSERT INTO children (id) VALUES (3)", POOL_ER_NO_DEFAULT_FOR_FIELD, 0},
        {"SELECT nonsense FROM parents", POOL_ER_BAD_FIELD_ERROR, 0},
        {"SELECT * FROM not_there", POOL_ER_NO_SUCH_TABLE, 0},
        {"DROP TABLE not_there", POOL_ER_BAD_TABLE_ERROR, 0},
        {"CREATE TABLE parents (id INT)", POOL_ER_TABLE_EXISTS_ERROR, 0},
        {"SELEC 1", POOL_ER_PARSE_ERROR, 0},
        {"CALL not_there()", POOL_ER_SP_DOES_NOT_EXIST, 0},
        {"SELECT 18446744073709551615 + 1", POOL_ER_DATA_OUT_OF_RANGE, 0},
    };
    struct pool_error err;
    run(*state, "DROP TABLE IF EXISTS children, parents");
    run(*state, "CREATE TABLE parents (id INT PRIMARY KEY) ENGINE = InnoDB");
    run(*state,
        "CREATE TABLE children (id INT PRIMARY KEY, parent INT, name VARCHAR(3) NOT NULL, "
        "age TINYINT NOT NULL CHECK (age > 0), FOREIGN KEY (parent) REFERENCES parents (id)) "
        "ENGINE = InnoDB");
    run(*state, "INSERT INTO parents VALUES (1)");
    run(*state, "INSERT INTO children VALUES (1, 1, 'x', 5)");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(pool_exec(*state, cases[i].sql, POOL_NO_ARGS, NULL, &err));
        if (err.server_errno != cases[i].number && err.server_errno != cases[i].other)
            fail_msg("%s: %u %s", cases[i].sql, err.server_errno, err.message);
        assert_non_null(pool_server_error_name(err.server_errno));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_loop_that_ends_early_tells_where_and_why),
        TEST(a_loop_over_all_rows_leaves_no_error),
        TEST(after_a_mistake_there_is_no_next_row_until_a_rewind),
        TEST(the_first_mistake_is_the_one_that_is_told),
        TEST(the_set_of_a_procedure_is_named),
        TEST(long_values_and_bytes_are_told_in_short),
        TEST(misuse_is_told_like_a_value_that_does_not_fit),
        TEST(null_in_place_of_a_variable_skips_a_column),
        TEST(a_stream_fails_with_the_mistake_of_its_callback),
        TEST(a_stream_on_a_connection_costs_that_connection),
        TEST(a_stream_with_callbacks_fails_and_does_not_pause),
        TEST(columns_are_read_by_name_in_any_case),
        TEST(a_name_that_no_column_has_ends_the_loop_and_is_told),
        TEST(a_name_of_several_columns_is_told),
        TEST(a_result_that_is_not_there_has_no_names),
        TEST(an_execution_has_an_outcome),
        TEST(of_several_results_the_last_is_the_outcome),
        TEST(a_failed_execution_leaves_the_outcome_alone),
        TEST(a_connection_executes_within_its_transaction),
        TEST(one_row_is_read_into_variables),
        TEST(no_row_is_an_error_of_its_own),
        TEST(several_rows_are_not_one),
        TEST(one_row_that_does_not_fit_leaves_all_variables_alone),
        TEST(nothing_is_borrowed_from_a_result_that_is_gone),
        TEST(what_is_numbered_has_names),
        TEST(errors_of_the_server_have_their_symbols),
    };
    return server_suite_main(argc, argv, tests);
}
