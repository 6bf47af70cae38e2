/*
 * Several statements in one text, and procedures: each set in its order, and which error fails
 * what.
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

static void several_statements_are_refused_by_default(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "SELECT 1; SELECT 2", .text = true};
    int64_t before = questions(pool);
    assert_statement_refused(pool, "SELECT 1; SELECT 2", POOL_NO_ARGS, "multi_statements");
    struct pool_error err = failure_of(pool, &request, POOL_ERR_INVALID);
    assert_non_null(strstr(err.message, "multi_statements"));
    assert_int_equal(questions(pool) - before, 1);
}

/* With `prepare` the option alone is not enough. */
static void several_statements_need_a_request_for_text_too(void **state)
{
    (void)state;
    assert_statement_refused(open_pool("multipleStatements=true"), "SELECT 1; SELECT 2",
                             POOL_NO_ARGS, "there is no `text`");
}

static void several_statements_give_several_sets(void **state)
{
    struct pool *pool = open_pool("multipleStatements=true");
    (void)state;
    run_as_text(pool, "CREATE OR REPLACE TABLE many (a INT)");
    struct pool_result *sets = query_as_text(
        pool,
        "INSERT INTO many VALUES (1), (2), (?); SELECT a FROM many WHERE a > ?; SELECT 'x', ?",
        POOL_ARGS(3, 1, "a;b"));
    assert_int_equal(pool_column_count(sets), 0);
    assert_int_equal(pool_affected_rows(sets), 3);
    assert_true(pool_next_set(sets));
    assert_int_equal(pool_row_count(sets), 2);
    assert_true(pool_next_set(sets));
    assert_true(pool_next(sets));
    assert_string_equal(pool_get_text(sets, 1), "a;b");
    assert_false(pool_next_set(sets));
    pool_result_free(sets);
    assert_pool_works(pool);
}

static void an_error_in_a_later_statement_fails_the_request(void **state)
{
    struct pool *pool = open_pool("multipleStatements=true");
    struct pool_request request = {.sql = "INSERT INTO many VALUES (9); SELECT * FROM absent",
                                   .text = true};
    (void)state;
    run_as_text(pool, "CREATE OR REPLACE TABLE many (a INT)");
    struct pool_error err = failure_of(pool, &request, POOL_ERR_SERVER);
    assert_int_equal(err.server_errno, 1146);
    assert_false(err.not_executed);
    assert_int_equal(int_of(pool, "SELECT COUNT(*) FROM many", POOL_NO_ARGS), 1);
}

static void create_procedure(struct pool *pool, const char *name, const char *rest)
{
    char sql[1000];
    snprintf(sql, sizeof sql, "CREATE OR REPLACE PROCEDURE %s %s", name, rest);
    run_as_text(pool, sql);
}

static void a_procedure_gives_its_sets_in_order(void **state)
{
    create_procedure(*state, "sets",
                     "(n INT) BEGIN SELECT n; SELECT seq, 'x' FROM seq_1_to_3; "
                     "SELECT 1 FROM dual WHERE FALSE; END");
    for (int mode = 0; mode < 4; mode++) {
        struct pool_result *sets =
            (mode % 2 ? query_as_text : query)(*state, "CALL sets(?)", POOL_ARGS(mode));
        assert_int_equal(pool_row_count(sets), 1);
        assert_true(pool_next(sets));
        assert_int_equal(pool_get_int(sets, 0), mode);
        assert_true(pool_next_set(sets));
        assert_int_equal(pool_row_count(sets), 3);
        assert_int_equal(pool_column_count(sets), 2);
        assert_true(pool_next_set(sets));
        assert_int_equal(pool_row_count(sets), 0);
        assert_true(pool_next_set(sets)); /* the end of the CALL itself */
        assert_int_equal(pool_column_count(sets), 0);
        assert_false(pool_next_set(sets));
        pool_result_free(sets);
    }
}

static void out_parameters_come_as_a_set(void **state)
{
    create_procedure(*state, "outs",
                     "(IN a INT, OUT b INT, INOUT c VARCHAR(20)) "
                     "BEGIN SELECT 'rows'; SET b = a * 2; SET c = CONCAT(c, '!'); END");
    for (int round = 0; round < 3; round++) {
        struct pool_result *sets =
            query(*state, "CALL outs(?, ?, ?)", POOL_ARGS(21, NULL, "hello"));
        assert_string_equal(pool_next(sets) ? pool_get_text(sets, 0) : "none", "rows");
        assert_true(pool_next_set(sets));
        assert_true(pool_next(sets));
        assert_int_equal(pool_column_count(sets), 2);
        assert_int_equal(pool_get_int(sets, 0), 42);
        assert_string_equal(pool_get_text(sets, 1), "hello!");
        pool_result_free(sets);
        assert_pool_works(*state);
    }
}

static void out_parameters_alone_are_a_set(void **state)
{
    create_procedure(*state, "outs_only",
                     "(OUT a BIGINT, OUT b DATETIME(6)) "
                     "BEGIN SET a = -5; SET b = '2024-02-29 12:34:56.789'; END");
    for (int round = 0; round < 3; round++) {
        struct pool_result *sets = query(*state, "CALL outs_only(?, ?)", POOL_ARGS(NULL, NULL));
        assert_true(pool_next(sets));
        assert_int_equal(pool_get_int(sets, 0), -5);
        assert_string_equal(pool_get_text(sets, 1), "2024-02-29 12:34:56.789000");
        pool_result_free(sets);
        assert_pool_works(*state);
    }
}

static void an_error_after_the_first_set_fails_the_call(void **state)
{
    struct pool_request request = {.sql = "CALL breaks()"};
    create_procedure(*state, "breaks",
                     "() BEGIN SELECT seq FROM seq_1_to_100; "
                     "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'enough'; END");
    for (int mode = 0; mode < 4; mode++) {
        request.text = mode % 2;
        struct pool_error err = failure_of(*state, &request, POOL_ERR_SERVER);
        assert_string_equal(err.message, "enough");
        assert_string_equal(err.sqlstate, "45000");
        assert_false(err.fatal);
        assert_false(err.not_executed);
        assert_pool_works(*state);
    }
}

static void a_procedure_may_give_hundreds_of_sets(void **state)
{
    create_procedure(*state, "hundreds",
                     "(n INT) BEGIN DECLARE i INT DEFAULT 0; "
                     "WHILE i < n DO SELECT i; SET i = i + 1; END WHILE; END");
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *sets =
            (mode ? query_as_text : query)(*state, "CALL hundreds(?)", POOL_ARGS(500));
        for (int i = 0; i < 500; i++) {
            assert_true(pool_next(sets));
            assert_int_equal(pool_get_int(sets, 0), i);
            assert_true(pool_next_set(sets));
        }
        assert_false(pool_next_set(sets));
        pool_result_free(sets);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_statements, tear_down_statements)
#define GLOBAL_TEST(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, set_up_statements, tear_down_server_globals)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(several_statements_are_refused_by_default),
        TEST(several_statements_need_a_request_for_text_too),
        TEST(several_statements_give_several_sets),
        TEST(an_error_in_a_later_statement_fails_the_request),
        TEST(a_procedure_gives_its_sets_in_order),
        TEST(out_parameters_come_as_a_set),
        TEST(out_parameters_alone_are_a_set),
        TEST(an_error_after_the_first_set_fails_the_call),
        TEST(a_procedure_may_give_hundreds_of_sets),
    };
    return server_suite_main(argc, argv, tests);
}
