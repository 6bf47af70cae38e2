/*
 * What becomes of the values of a statement, by place, by name and as lists; and what the text of a
 * statement may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "statements.h"
#include "suite.h"

#include <string.h>

/* ---- values ---- */

static void integers_of_every_c_type_arrive(void **state)
{
    struct pool_result *row = query(
        *state, "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?",
        POOL_ARGS((bool)true, (char)'A', (signed char)-128, (short)-32768, INT32_MIN,
                  (long)INT64_MIN, (long long)INT64_MAX, (unsigned char)255, (unsigned short)65535,
                  UINT32_MAX, (unsigned long)UINT64_MAX, (unsigned long long)UINT64_MAX));
    const int64_t expected[] = {1,         'A',       -128, -32768, INT32_MIN,
                                INT64_MIN, INT64_MAX, 255,  65535,  UINT32_MAX};
    assert_true(pool_next(row));
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(pool_get_int(row, i), expected[i]);
    assert_true(pool_get_uint(row, 10) == UINT64_MAX);
    assert_true(pool_get_uint(row, 11) == UINT64_MAX);
    pool_result_free(row);
}

static void other_values_of_every_c_type_arrive(void **state)
{
    char own[] = "own";
    const char *constant = "constant";
    struct pool_result *row = query(*state, "SELECT ?, ?, ?, ?, ?, ?",
                                    POOL_ARGS(0.1f, 0.1, own, constant, NULL, pool_text("value")));
    assert_true(pool_next(row));
    assert_true(pool_get_double(row, 0) == (double)0.1f);
    assert_true(pool_get_double(row, 1) == 0.1);
    assert_string_equal(pool_get_text(row, 2), "own");
    assert_string_equal(pool_get_text(row, 3), "constant");
    assert_true(pool_is_null(row, 4));
    assert_string_equal(pool_get_text(row, 5), "value");
    pool_result_free(row);
}

static void sixty_four_values_fit_into_pool_args(void **state)
{
    struct pool *pool = *state;
    char sql[400], *end = stpcpy(sql, "SELECT ?");
    for (int i = 1; i < 64; i++)
        end = stpcpy(end, " + ?");
#define EIGHT 1, 2, 3, 4, 5, 6, 7, 8
    assert_int_equal(
        int_of(pool, sql, POOL_ARGS(EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT)),
        8 * 36);
#undef EIGHT
}

static void hundreds_of_values_arrive_in_order(void **state)
{
    struct pool_value values[500];
    char sql[1100] = "SELECT ?";
    for (int i = 0; i < 500; i++)
        values[i] = pool_int(i);
    for (size_t at = strlen(sql), i = 1; i < 500; i++, at += 2)
        memcpy(sql + at, ",?", 3);
    struct pool_result *row = query(*state, sql, (struct pool_args){values, 500});
    assert_true(pool_next(row));
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(pool_get_int(row, i), i);
    pool_result_free(row);
}

static void text_with_every_byte_below_128_arrives(void **state)
{
    struct pool *pool = *state;
    char text[128];
    for (int i = 0; i < 128; i++)
        text[i] = (char)i;
    for (int mode = 0; mode < 2; mode++) {
        struct pool_args args = POOL_ARGS(pool_text_n(text, sizeof text));
        struct pool_result *row = (mode ? query_as_text : query)(pool, "SELECT ?", args);
        size_t len;
        assert_true(pool_next(row));
        const void *bytes = pool_get_bytes(row, 0, &len);
        assert_int_equal(len, sizeof text);
        assert_memory_equal(bytes, text, sizeof text);
        pool_result_free(row);
    }
}

static void empty_text_is_not_null(void **state)
{
    struct pool_args args = POOL_ARGS("", pool_bytes(NULL, 0), pool_text(NULL));
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row =
            (mode ? query_as_text : query)(*state, "SELECT ?, ?, ?, ''", args);
        size_t len = 1;
        assert_true(pool_next(row));
        assert_string_equal(pool_get_text(row, 0), "");
        assert_non_null(pool_get_bytes(row, 1, &len));
        assert_int_equal(len, 0);
        assert_true(pool_is_null(row, 2));
        pool_result_free(row);
    }
}

static void invalid_utf8_is_refused_by_a_text_column(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "INSERT INTO names VALUES (?)",
                                   .args = POOL_ARGS("caf\xe9")};
    run_as_text(pool, "CREATE OR REPLACE TABLE names (name VARCHAR(20)) CHARSET utf8mb4");
    assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, 1366);
    request.text = true;
    assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, 1366);
    assert_int_equal(int_of(pool, "SELECT COUNT(*) FROM names", POOL_NO_ARGS), 0);
}

static void a_limit_can_be_a_placeholder(void **state)
{
    struct pool_args args = POOL_ARGS(3, 2);
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *rows = (mode ? query_as_text : query)(
            *state, "SELECT seq FROM seq_1_to_10 ORDER BY seq LIMIT ? OFFSET ?", args);
        assert_int_equal(pool_row_count(rows), 3);
        assert_int_equal(first_int(rows), 3);
    }
}

static void a_wrong_number_of_values_is_refused_unsent(void **state)
{
    struct pool *pool = *state;
    int64_t before = questions(pool);
    assert_statement_refused(pool, "SELECT ?, ?", POOL_ARGS(1), "2 placeholders but 1 value");
    assert_statement_refused(pool, "SELECT ?", POOL_ARGS(1, 2), "1 placeholder but 2 values");
    assert_statement_refused(pool, "SELECT 1", POOL_ARGS(1), "0 placeholders but 1 value");
    assert_statement_refused(pool, "SELECT ?", POOL_NO_ARGS, "1 placeholder but 0 values");
    assert_int_equal(questions(pool) - before, 1);
}

static void impossible_values_are_refused_unsent(void **state)
{
    struct pool *pool = *state;
    struct pool_time no_type = {.year = 2024};
    struct pool_time late = {.type = POOL_TYPE_DATETIME, .hour = 24};
    struct pool_value nested = pool_list(NULL, 0);
    int64_t before = questions(pool);
    assert_statement_refused(pool, "SELECT ?", POOL_ARGS(1.0 / 0.0), "infinite");
    assert_statement_refused(pool, "SELECT ?", POOL_ARGS(pool_decimal("1e5")), "decimal");
    assert_statement_refused(pool, "SELECT ?", POOL_ARGS(pool_time(no_type)), "type");
    assert_statement_refused(pool, "SELECT ?", POOL_ARGS(pool_time(late)), "hour");
    assert_statement_refused(pool, "SELECT ?", POOL_ARGS(pool_text_n("x", 0), 1), "placeholder");
    assert_statement_refused(pool, "SELECT 1 IN (?)", POOL_ARGS(pool_list(&nested, 1)), "list");
    assert_int_equal(questions(pool) - before, 1);
}

/* ---- named values ---- */

static void named_values_may_come_in_any_order(void **state)
{
    struct pool_args args = POOL_ARGS(POOL_NAMED("b", 2), POOL_NAMED("a", "one"));
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row = (mode ? query_as_text : query)(*state, "SELECT :a, :b, :a", args);
        assert_true(pool_next(row));
        assert_string_equal(pool_get_text(row, 0), "one");
        assert_int_equal(pool_get_int(row, 1), 2);
        assert_string_equal(pool_get_text(row, 2), "one");
        pool_result_free(row);
    }
}

static void named_statements_are_cached(void **state)
{
    struct pool *pool = *state;
    int64_t prepared = prepares(pool);
    for (int i = 0; i < 10; i++)
        assert_int_equal(int_of(pool, "SELECT :n + 1", POOL_ARGS(POOL_NAMED("n", i))), i + 1);
    assert_int_equal(prepares(pool) - prepared, 1);
}

static void named_values_must_match_the_statement(void **state)
{
    struct pool *pool = *state;
    assert_statement_refused(pool, "SELECT :a", POOL_ARGS(POOL_NAMED("b", 1)), ":a");
    assert_statement_refused(pool, "SELECT :a", POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("b", 2)),
                             ":b");
    assert_statement_refused(pool, "SELECT :a", POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("a", 2)),
                             ":a");
    assert_statement_refused(pool, "SELECT :a", POOL_ARGS(1), "");
    assert_statement_refused(pool, "SELECT :a", POOL_NO_ARGS, "named");
    assert_statement_refused(pool, "SELECT ?", POOL_ARGS(POOL_NAMED("a", 1)), ":a");
    assert_statement_refused(pool, "SELECT ?, :a", POOL_ARGS(1, POOL_NAMED("a", 1)), "");
    assert_pool_works(pool);
}

/* ---- lists ---- */

static void assert_list_selects(struct pool *pool, unsigned count)
{
    struct pool_value values[128];
    for (unsigned i = 0; i < count; i++)
        values[i] = pool_uint(2 * i + 2);
    assert_int_equal(int_of(pool, "SELECT COUNT(*) FROM seq_1_to_1000 WHERE seq > ? AND seq IN (?)",
                            POOL_ARGS(0, pool_list(values, count))),
                     count);
}

static void lists_of_every_length_select_their_rows(void **state)
{
    for (unsigned count = 0; count <= 100; count++)
        assert_list_selects(*state, count);
}

static void lists_of_all_lengths_share_few_statements(void **state)
{
    struct pool *pool = *state;
    int64_t prepared = prepares(pool);
    for (unsigned count = 0; count <= 128; count++)
        assert_list_selects(pool, count);
    assert_int_equal(prepares(pool) - prepared, 9); /* 0, 1, 2, 4 ... 128 */
}

static void an_empty_list_matches_nothing(void **state)
{
    struct pool_args args = POOL_ARGS(pool_list(NULL, 0));
    const char *sql = "SELECT COUNT(*) FROM seq_1_to_10 WHERE seq IN (?)";
    assert_int_equal(int_of(*state, sql, args), 0);
    assert_int_equal(first_int(query_as_text(*state, sql, args)), 0);
}

static void lists_of_texts_and_nulls_work_in_both_modes(void **state)
{
    struct pool_value values[] = {pool_text("a'b"), pool_null(), pool_text("\\")};
    struct pool_args args = POOL_ARGS("a'b", pool_list(values, 3), "c", pool_list(values, 3));
    const char *sql = "SELECT ? IN (?) AND (? IN (?)) IS NULL";
    assert_int_equal(int_of(*state, sql, args), 1);
    assert_int_equal(first_int(query_as_text(*state, sql, args)), 1);
}

static void a_list_can_have_a_name(void **state)
{
    struct pool_value values[] = {pool_int(3), pool_int(5), pool_int(7)};
    struct pool_args args = POOL_ARGS(POOL_NAMED("ids", pool_list(values, 3)), POOL_NAMED("n", 5));
    assert_int_equal(
        int_of(*state, "SELECT COUNT(*) FROM seq_1_to_9 WHERE seq IN (:ids) AND seq <> :n", args),
        2);
}

static void a_list_may_have_ten_thousand_values(void **state)
{
    struct pool_value *values = calloc(10000, sizeof *values);
    for (int i = 0; i < 10000; i++)
        values[i] = pool_int(i + 1);
    assert_int_equal(int_of(*state, "SELECT COUNT(*) FROM seq_1_to_20000 WHERE seq IN (?)",
                            POOL_ARGS(pool_list(values, 10000))),
                     10000);
    free(values);
}

static void more_placeholders_than_the_protocol_has_are_refused(void **state)
{
    struct pool_value *values = calloc(70000, sizeof *values);
    assert_statement_refused(*state, "SELECT 1 IN (?)", POOL_ARGS(pool_list(values, 70000)),
                             "65535");
    free(values);
    assert_pool_works(*state);
}

/* ---- SQL text ---- */

static void wrong_sql_text_is_refused_unsent(void **state)
{
    struct pool *pool = *state;
    int64_t before = questions(pool);
    assert_statement_refused(pool, NULL, POOL_NO_ARGS, "NULL");
    assert_statement_refused(pool, "", POOL_NO_ARGS, "empty");
    assert_statement_refused(pool, " \n -- nothing\n /* here */ ", POOL_NO_ARGS, "empty");
    assert_statement_refused(pool, ";", POOL_NO_ARGS, "empty");
    assert_statement_refused(pool, "SELECT 'caf\xe9'", POOL_NO_ARGS, "UTF-8");
    assert_statement_refused(pool, "SELECT 'open", POOL_NO_ARGS, "byte 7");
    assert_statement_refused(pool, "SELECT \"open", POOL_NO_ARGS, "byte 7");
    assert_statement_refused(pool, "SELECT `open", POOL_NO_ARGS, "byte 7");
    assert_statement_refused(pool, "SELECT 1 /* open", POOL_NO_ARGS, "byte 9");
    assert_int_equal(questions(pool) - before, 1);
}

static void a_nul_in_the_sql_is_refused(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "SELECT 1\0, 2", .sql_len = 12};
    struct pool_error err = failure_of(pool, &request, POOL_ERR_INVALID);
    assert_non_null(strstr(err.message, "NUL at byte 8"));
    request.text = true;
    failure_of(pool, &request, POOL_ERR_INVALID);
}

static void sql_may_be_given_by_length(void **state)
{
    struct pool_request request = {.sql = "SELECT 7 garbage(", .sql_len = 8};
    struct pool_error err;
    for (unsigned as_text = 0; as_text < 2; as_text++) {
        request.text = as_text;
        assert_int_equal(first_int(pool_query_with(*state, &request, &err)), 7);
    }
}

static void question_marks_in_strings_and_comments_are_no_placeholders(void **state)
{
    const char *sql =
        "SELECT '?', \"?\", 'it''s ?', /* ? */ ? -- ? \n, `?` # ?\n FROM (SELECT 5 AS `?`) t";
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row = (mode ? query_as_text : query)(*state, sql, POOL_ARGS(42));
        assert_true(pool_next(row));
        assert_string_equal(pool_get_text(row, 0), "?");
        assert_string_equal(pool_get_text(row, 2), "it's ?");
        assert_int_equal(pool_get_int(row, 3), 42);
        assert_int_equal(pool_get_int(row, 4), 5);
        pool_result_free(row);
    }
}

static void a_placeholder_in_an_executable_comment_counts(void **state)
{
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row = (mode ? query_as_text : query)(
            *state, "SELECT 1 /*!50000 + ? */ /*M! + ? */", POOL_ARGS(2, 3));
        assert_int_equal(first_int(row), 6);
    }
}

static void a_trailing_semicolon_is_no_second_statement(void **state)
{
    assert_int_equal(int_of(*state, "SELECT 3;", POOL_NO_ARGS), 3);
    assert_int_equal(int_of(*state, "SELECT 3 ; -- done", POOL_NO_ARGS), 3);
    assert_int_equal(first_int(query_as_text(*state, "SELECT 3;", POOL_NO_ARGS)), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_statements, tear_down_statements)
#define GLOBAL_TEST(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, set_up_statements, tear_down_server_globals)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(integers_of_every_c_type_arrive),
        TEST(other_values_of_every_c_type_arrive),
        TEST(sixty_four_values_fit_into_pool_args),
        TEST(hundreds_of_values_arrive_in_order),
        TEST(text_with_every_byte_below_128_arrives),
        TEST(empty_text_is_not_null),
        TEST(invalid_utf8_is_refused_by_a_text_column),
        TEST(a_limit_can_be_a_placeholder),
        TEST(a_wrong_number_of_values_is_refused_unsent),
        TEST(impossible_values_are_refused_unsent),
        TEST(named_values_may_come_in_any_order),
        TEST(named_statements_are_cached),
        TEST(named_values_must_match_the_statement),
        TEST(lists_of_every_length_select_their_rows),
        TEST(lists_of_all_lengths_share_few_statements),
        TEST(an_empty_list_matches_nothing),
        TEST(lists_of_texts_and_nulls_work_in_both_modes),
        TEST(a_list_can_have_a_name),
        TEST(a_list_may_have_ten_thousand_values),
        TEST(more_placeholders_than_the_protocol_has_are_refused),
        TEST(wrong_sql_text_is_refused_unsent),
        TEST(a_nul_in_the_sql_is_refused),
        TEST(sql_may_be_given_by_length),
        TEST(question_marks_in_strings_and_comments_are_no_placeholders),
        TEST(a_placeholder_in_an_executable_comment_counts),
        TEST(a_trailing_semicolon_is_no_second_statement),
    };
    return server_suite_main(argc, argv, tests);
}
