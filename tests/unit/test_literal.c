/*
 * Tests of pool/sql/literal.c: how values, names and lists are written; and of POOL_ARGS. No
 * server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <mypool.h>

/* ---- escape and format ---- */

static void assert_escapes_to(const char *text, size_t len, const char *literal)
{
    char *escaped = pool_escape(text, len);
    assert_string_equal(escaped, literal);
    free(escaped);
}

static void text_is_quoted_or_written_in_hexadecimal(void **state)
{
    (void)state;
    assert_escapes_to("", 0, "''");
    assert_escapes_to("abc", 3, "'abc'");
    assert_escapes_to("it's", 4, "'it''s'");
    assert_escapes_to("''", 2, "''''''");
    assert_escapes_to("\"`\n\xED\x95\x9C", 6, "'\"`\n\xED\x95\x9C'");
    assert_escapes_to("a\\", 2, "_utf8mb4 X'615c'");
    assert_escapes_to("a\0b", 3, "_utf8mb4 X'610062'");
    assert_escapes_to("\xFF'", 2, "X'ff27'");
    assert_escapes_to(NULL, 0, "NULL");
}

static void identifiers_are_quoted_as_one_name(void **state)
{
    (void)state;
    char *dotted = pool_escape_id("a.b"), *tick = pool_escape_id("a`b\\");
    assert_string_equal(dotted, "`a.b`");
    assert_string_equal(tick, "`a``b\\`");
    assert_null(pool_escape_id(""));
    assert_null(pool_escape_id(NULL));
    free(dotted);
    free(tick);
}

static void no_statement_cannot_be_formatted(void **state)
{
    (void)state;
    struct pool_error err;
    assert_null(pool_format(NULL, POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_string_equal(err.message, "no statement was given");
}

static void assert_formats_to(const char *sql, struct pool_args args, const char *text)
{
    struct pool_error err = {.code = POOL_ERR_LOST};
    char *formatted = pool_format(sql, args, &err);
    if (!formatted)
        fail_msg("%s: %s", sql, err.message);
    assert_int_equal(err.code, POOL_OK);
    assert_string_equal(formatted, text);
    free(formatted);
}

static void every_type_has_its_literal(void **state)
{
    (void)state;
    struct pool_time t = {.year = 2024, .month = 2, .day = 3, .hour = 4, .minute = 5, .second = 6};
    struct pool_time date = t, time = t, datetime = t;
    date.type = POOL_TYPE_DATE;
    time.type = POOL_TYPE_TIME;
    time.hour = 838;
    time.negative = true;
    datetime.type = POOL_TYPE_DATETIME;
    datetime.microsecond = 7;
    assert_formats_to("?,?,?,?", POOL_ARGS(NULL, INT64_MIN, UINT64_MAX, true),
                      "NULL,-9223372036854775808,18446744073709551615,1");
    assert_formats_to("?,?", POOL_ARGS(0.1, -2.0), "0.1e0,-2e0");
    assert_formats_to("?,?,?", POOL_ARGS(1e20, 5e-324, -0.0), "1e20,5e-324,-0e0");
    assert_formats_to("?,?", POOL_ARGS(0.1 + 0.2, 1234567.5), "0.30000000000000004e0,1234567.5e0");
    assert_formats_to("?,?", POOL_ARGS(pool_decimal("-12.50"), pool_decimal("7")), "-12.50,7");
    assert_formats_to("?,?", POOL_ARGS("a'b", pool_bytes("\x01\xAB", 2)), "'a''b',X'01ab'");
    assert_formats_to("?,?,?", POOL_ARGS(pool_time(date), pool_time(time), pool_time(datetime)),
                      "DATE'2024-02-03',TIME'-838:05:06',TIMESTAMP'2024-02-03 04:05:06.000007'");
    assert_formats_to("?", POOL_ARGS(pool_bytes(NULL, 0)), "X''");
}

/* A typed literal would be refused, by some servers or in some modes. */
static void dates_and_times_that_no_literal_holds_are_text(void **state)
{
    (void)state;
    struct pool_time zero = {.type = POOL_TYPE_DATE}, last = {.type = POOL_TYPE_TIME};
    struct pool_time no_day = {.type = POOL_TYPE_DATETIME, .year = 2023, .month = 2, .day = 29};
    struct pool_time no_month = {.type = POOL_TYPE_DATE, .year = 2024, .day = 1};
    struct pool_time leap = {.type = POOL_TYPE_DATE, .year = 2000, .month = 2, .day = 29};
    last.hour = 838, last.minute = 59, last.second = 59, last.microsecond = 1;
    assert_formats_to("?,?", POOL_ARGS(pool_time(zero), pool_time(no_month)),
                      "'0000-00-00','2024-00-01'");
    assert_formats_to("?,?", POOL_ARGS(pool_time(no_day), pool_time(last)),
                      "'2023-02-29 00:00:00','838:59:59.000001'");
    leap.year = 1900;
    assert_formats_to("?", POOL_ARGS(pool_time(leap)), "'1900-02-29'");
    leap.year = 2000;
    assert_formats_to("?", POOL_ARGS(pool_time(leap)), "DATE'2000-02-29'");
}

static void lists_and_names_are_formatted(void **state)
{
    (void)state;
    struct pool_value l[] = {pool_int(1), pool_text("b"), pool_null()};
    assert_formats_to("a IN (?)", POOL_ARGS(pool_list(l, 3)), "a IN (1, 'b', NULL)");
    assert_formats_to("a IN (?)", POOL_ARGS(pool_list(l, 0)),
                      "a IN (SELECT NULL FROM DUAL WHERE FALSE)");
    assert_formats_to("a=:x OR b=:y OR c=:x", POOL_ARGS(POOL_NAMED("y", 2), POOL_NAMED("x", 1)),
                      "a=1 OR b=2 OR c=1");
}

static void literals_never_touch_their_neighbours(void **state)
{
    (void)state;
    assert_formats_to("'a'?'b'", POOL_ARGS("x"), "'a' 'x' 'b'");
    assert_formats_to("??", POOL_ARGS(1, 2), "1 2");
    assert_formats_to("a?b", POOL_ARGS(1), "a 1 b");
    assert_formats_to("@?", POOL_ARGS("x"), "@ 'x'");
    assert_formats_to("5--?", POOL_ARGS(-1), "5---1");
    assert_formats_to("a/?*b", POOL_ARGS(2), "a/ 2 *b");
    assert_formats_to("f(?)+?;", POOL_ARGS(1, 2), "f(1)+2;");
}

static void text_in_an_executable_comment_cannot_end_it(void **state)
{
    (void)state;
    assert_formats_to("SELECT /*!50000 ? */, ?", POOL_ARGS("*/", "*/"),
                      "SELECT /*!50000 _utf8mb4 X'2a2f' */, '*/'");
}

/* ---- POOL_ARGS ---- */

#define EIGHT 0, 1, 2, 3, 4, 5, 6, 7

static void pool_args_takes_none_to_sixty_four_values(void **state)
{
    (void)state;
    int n = 7;
    struct pool_args none = POOL_ARGS();
    assert_int_equal(none.count, 0);
    assert_non_null(none.values);
    assert_int_equal(POOL_ARGS(n).count, 1);
    assert_int_equal(POOL_ARGS((n)).count, 1);
    assert_int_equal(POOL_ARGS(-n).count, 1);
    assert_int_equal(POOL_ARGS((int)n).count, 1);
    assert_int_equal(POOL_ARGS("text").count, 1);
    assert_int_equal(POOL_ARGS(pool_int(n)).count, 1);
    assert_int_equal(POOL_ARGS(POOL_NAMED("n", n)).count, 1);
    assert_int_equal(POOL_ARGS(NULL).values[0].type, POOL_TYPE_NULL);
    assert_int_equal(POOL_ARGS(n, "text").count, 2);
    assert_int_equal(
        POOL_ARGS(EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, 0, 1, 2, 3, 4, 5, 6).count, 63);
    struct pool_args most = POOL_ARGS(EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT);
    assert_int_equal(most.count, 64);
    assert_int_equal(most.values[63].as.i, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_args_takes_none_to_sixty_four_values),
        cmocka_unit_test(text_is_quoted_or_written_in_hexadecimal),
        cmocka_unit_test(identifiers_are_quoted_as_one_name),
        cmocka_unit_test(every_type_has_its_literal),
        cmocka_unit_test(dates_and_times_that_no_literal_holds_are_text),
        cmocka_unit_test(lists_and_names_are_formatted),
        cmocka_unit_test(literals_never_touch_their_neighbours),
        cmocka_unit_test(text_in_an_executable_comment_cannot_end_it),
        cmocka_unit_test(no_statement_cannot_be_formatted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
