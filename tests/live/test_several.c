/*
 * Several statements in one text: which of them failed, and what is known of the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "meaning.h"
#include "suite.h"
#include "sql/several.h"

static struct pool *pool;

static struct pool_error failure_of(const char *sql, struct pool_args args)
{
    struct pool_error err;
    struct pool_request request = {.sql = sql, .args = args, .text = true};
    struct pool_result *result = pool_query_with(pool, &request, &err);
    assert_null(result);
    return err;
}

static void assert_message(const struct pool_error *err, const char *before, const char *behind)
{
    size_t len = strlen(err->message);
    if (strncmp(err->message, before, strlen(before)) != 0 || len < strlen(behind) ||
        strcmp(err->message + len - strlen(behind), behind) != 0)
        fail_msg("not '%s...%s': %s", before, behind, err->message);
}

static void assert_count(const char *sql, const char *count)
{
    static struct text text;
    clear(&text);
    put_table(&text, pool, sql);
    assert_string_equal(text.data, count);
}

static void the_statement_that_failed_is_told_by_its_number(void **state)
{
    (void)state;
    struct pool_error err = failure_of("INSERT INTO held VALUES (1); INSERT INTO held VALUES (2); "
                                       "INSERT INTO held VALUES (1); INSERT INTO held VALUES (3)",
                                       POOL_NO_ARGS);
    assert_int_equal(err.server_errno, 1062);
    assert_message(&err, "statement 3 of 4: Duplicate", "; statements 1 to 2 were executed");
    assert_false(err.not_executed || err.fatal);
    assert_count("SELECT COUNT(*) FROM held", "(2)");
}

static void one_statement_before_it_is_one(void **state)
{
    (void)state;
    struct pool_error err = failure_of(
        "INSERT INTO held VALUES (?); SELECT a FROM held WHERE n = ? ;", POOL_ARGS(1, "a;b"));
    assert_int_equal(err.server_errno, 1054);
    assert_message(&err, "statement 2 of 2: Unknown column", "; statement 1 was executed");
    assert_false(err.not_executed);
}

static void nothing_is_said_to_be_executed_before_the_first(void **state)
{
    (void)state;
    struct pool_error err =
        failure_of("SELECT a FROM held; INSERT INTO held VALUES (1)", POOL_NO_ARGS);
    assert_int_equal(err.server_errno, 1054);
    assert_message(&err, "statement 1 of 2: Unknown column", "");
    assert_null(strstr(err.message, "executed"));
    assert_count("SELECT COUNT(*) FROM held", "(0)");
}

static void behind_a_call_results_are_counted(void **state)
{
    (void)state;
    struct pool_error err = failure_of("CALL two(); SELECT a FROM held", POOL_NO_ARGS);
    assert_int_equal(err.server_errno, 1054);
    assert_message(&err, "after 3 results: Unknown column", "");
}

static void a_text_that_works_says_nothing(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_request request = {.sql = "SELECT 1; SELECT 2", .text = true};
    struct pool_result *result = pool_query_with(pool, &request, &err);
    assert_non_null(result);
    assert_string_equal(err.message, "");
    pool_result_free(result);
}

static void a_single_statement_has_no_number(void **state)
{
    (void)state;
    struct pool_error err = failure_of("SELECT a FROM held;", POOL_NO_ARGS);
    assert_message(&err, "Unknown column", "");
}

/* What the text alone tells, of a failure that the server says it has not executed. */
static void assert_told(const char *sql, unsigned results, bool broken, const char *message)
{
    struct pool_error err = {.code = POOL_ERR_SERVER, .message = "cause", .not_executed = true};
    pool__several_tell(sql, strlen(sql), results, broken, &err);
    assert_string_equal(err.message, message);
    assert_int_equal(err.not_executed, results == 0);
}

static void empty_statements_do_not_count(void **state)
{
    (void)state;
    assert_told("DO 1;; ;DO 2; -- three", 1, false,
                "statement 2 of 2: cause; statement 1 was executed");
    assert_told(";DO 1;DO 2", 0, false, "statement 1 of 2: cause");
}

static void what_may_have_many_results_or_none_leaves_no_number(void **state)
{
    static const char *const texts[] = {"CALL p(); DO 1; DO 2; DO 3", "EXECUTE s; DO 1; DO 2; DO 3",
                                        "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END; DO 3",
                                        "DO 1; /*!50000 DO 2; */ DO 3; DO 4"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_told(texts[i], 1, false, "after 1 result: cause");
        assert_told(texts[i], 2, true, "after 2 results: cause");
    }
    assert_told("DO 1; DO 2", 2, false, "after 2 results: cause; statements 1 to 2 were executed");
}

static void a_lost_reply_is_no_failed_statement(void **state)
{
    (void)state;
    assert_told("DO 1; DO 2", 1, true,
                "reply to statement 2 of 2: cause; statement 1 was executed");
}

static int begin(void **state)
{
    (void)state;
    pool = pool_of_one("&multipleStatements=true");
    must_run(pool, "DROP TABLE IF EXISTS held");
    must_run(pool, "CREATE TABLE held (n INT PRIMARY KEY)");
    must_run(pool, "DROP PROCEDURE IF EXISTS two");
    must_run(pool, "CREATE PROCEDURE two() BEGIN SELECT 1; SELECT 2; END");
    return 0;
}

static int end(void **state)
{
    (void)state;
    runs(pool, "DROP PROCEDURE IF EXISTS two", NULL);
    runs(pool, "DROP TABLE IF EXISTS held", NULL);
    pool_end(pool, 1000, NULL);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(the_statement_that_failed_is_told_by_its_number),
        TEST(one_statement_before_it_is_one),
        TEST(nothing_is_said_to_be_executed_before_the_first),
        TEST(behind_a_call_results_are_counted),
        TEST(a_text_that_works_says_nothing),
        TEST(a_single_statement_has_no_number),
        cmocka_unit_test(empty_statements_do_not_count),
        cmocka_unit_test(what_may_have_many_results_or_none_leaves_no_number),
        cmocka_unit_test(a_lost_reply_is_no_failed_statement),
    };
    return server_suite_main(argc, argv, tests);
}
