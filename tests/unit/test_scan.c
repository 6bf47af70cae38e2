/*
 * Tests of POOL_SCAN: which values go into which variables, and what is refused. Packets are made
 * by hand (packets.h). No server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "packets.h"

#include <math.h>
#include <mysql.h>

static void scan_reads_columns_by_the_type_of_the_variable(void **state)
{
    (void)state;
    MYSQL_FIELD fields[ALL];
    static struct packet p;
    all_fields(fields);
    put_all(&p);
    struct pool_result *r = row_of(fields, ALL, true, &p);
    bool b;
    short s;
    unsigned u;
    int64_t i;
    float f;
    double d;
    const char *year, *decimal;
    uint8_t bit_low = 9;
    uint16_t bit;
    struct pool_time date;
    assert_false(POOL_SCAN(r, &b, &s, &u, &i, &f, &d, &year, &bit_low)); /* 258 */
    assert_true(POOL_SCAN(r, &b, &s, &u, &i, &f, &d, &year, &bit, &decimal, &date));
    assert_true(b && s == 2 && u == 3 && i == 4 && f == 1.5f && d == 2.5 && bit == 258);
    assert_string_equal(year, "2024");
    assert_string_equal(decimal, "-12.50");
    assert_true(date.type == POOL_TYPE_DATE && date.day == 29 && bit_low == 9);
    pool_result_free(r);
}

static bool scans(struct pool_result *r, enum pool_target_type type)
{
    struct pool_time to;
    return pool_scan(r, &(struct pool_target){type, &to}, 1);
}

static void scan_checks_the_range_of_every_integer(void **state)
{
    (void)state;
    static const struct {
        enum pool_target_type type;
        const char *fits[2], *too_much[2];
    } cases[] = {
        {POOL_TO_I8, {"-128", "127"}, {"-129", "128"}},
        {POOL_TO_U8, {"0", "255"}, {"-1", "256"}},
        {POOL_TO_I16, {"-32768", "32767"}, {"-32769", "32768"}},
        {POOL_TO_U16, {"-0", "65535"}, {"-1", "65536"}},
        {POOL_TO_I32, {"-2147483648", "2147483647"}, {"-2147483649", "2147483648"}},
        {POOL_TO_U32, {"0", "4294967295"}, {"-1", "4294967296"}},
        {POOL_TO_I64,
         {"-9223372036854775808", "9223372036854775807"},
         {"-9223372036854775809", "9223372036854775808"}},
        {POOL_TO_U64, {"0", "18446744073709551615"}, {"-1", "18446744073709551616"}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t k = 0; k < 2; k++) {
            struct pool_result *r = text_value(MYSQL_TYPE_NEWDECIMAL, cases[i].fits[k]);
            assert_true(scans(r, cases[i].type));
            pool_result_free(r);
            r = text_value(MYSQL_TYPE_NEWDECIMAL, cases[i].too_much[k]);
            assert_false(scans(r, cases[i].type));
            pool_result_free(r);
        }
    }
}

static void scan_accepts_only_whole_numbers_in_integers(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        const char *text;
        bool integer, real;
    } cases[] = {
        {"3", true, true},     {"3.0", true, true},  {"+3", true, true},  {"3.", true, true},
        {"3e2", true, true},   {".0", true, true},   {"3.5", false, true}, {"35e-1", false, true},
        {"9007199254740993.5", false, true},         {"9007199254740993.0", true, true},
        {"", false, false},    {".", false, false},  {"-", false, false}, {"3x", false, false},
        {" 3", false, false},  {"3 ", false, false}, {"0x10", false, false}, {"e5", false, false},
        {"3e", false, false},  {"inf", false, false}, {"nan", false, false},
        {"1e999", false, false},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pool_result *r = text_value(MYSQL_TYPE_STRING, cases[i].text);
        assert_int_equal(scans(r, POOL_TO_I64), cases[i].integer);
        assert_int_equal(scans(r, POOL_TO_DOUBLE), cases[i].real);
        assert_int_equal(scans(r, POOL_TO_BOOL), cases[i].real);
        assert_true(scans(r, POOL_TO_TEXT) && scans(r, POOL_TO_BYTES));
        pool_result_free(r);
    }
}

static void scan_takes_doubles_into_integers_if_nothing_is_lost(void **state)
{
    (void)state;
    int64_t i = 77;
    struct pool_result *r = binary_double(-3.0);
    assert_true(POOL_SCAN(r, &i));
    assert_true(i == -3);
    pool_result_free(r);
    static const double refused[] = {3.5, 9223372036854775808.0, 1e300, (double)NAN,
                                     (double)INFINITY};
    for (size_t k = 0; k < COUNT(refused); k++) {
        r = binary_double(refused[k]);
        assert_false(POOL_SCAN(r, &i));
        assert_true(i == -3);
        pool_result_free(r);
    }
    r = binary_double(1e300);
    assert_false(scans(r, POOL_TO_FLOAT));
    pool_result_free(r);
    r = binary_double(0.1);
    assert_true(scans(r, POOL_TO_FLOAT));
    pool_result_free(r);
}

static void scan_takes_anything_but_zero_as_true(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_true;
    } cases[] = {{"0", false},  {"1", true},    {"-1", true},
                 {"256", true}, {"0.0", false}, {"0.5", true}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool b = !cases[i].is_true;
        struct pool_result *r = text_value(MYSQL_TYPE_NEWDECIMAL, cases[i].text);
        assert_true(POOL_SCAN(r, &b));
        assert_int_equal(b, cases[i].is_true);
        pool_result_free(r);
    }
}

static void scan_keeps_times_and_numbers_apart(void **state)
{
    (void)state;
    struct pool_result *r = text_value(MYSQL_TYPE_DATE, "2024-02-29");
    for (int type = POOL_TO_BOOL; type <= POOL_TO_DOUBLE; type++)
        assert_false(scans(r, (enum pool_target_type)type));
    assert_true(scans(r, POOL_TO_TIME) && scans(r, POOL_TO_TEXT));
    pool_result_free(r);
    r = binary_double(1);
    assert_false(scans(r, POOL_TO_TIME));
    pool_result_free(r);
}

static void scan_writes_everything_or_nothing(void **state)
{
    (void)state;
    MYSQL_FIELD fields[12];
    static struct packet p;
    long to[12];
    struct pool_target targets[12];
    put_header(&p, 12, 0);
    for (size_t i = 0; i < COUNT(fields); i++) {
        fields[i] = column("c", MYSQL_TYPE_LONG);
        targets[i] = (struct pool_target){POOL_TO_I64, &to[i]};
        to[i] = -1;
        put_int(&p, i + 250, 4);
    }
    struct pool_result *r = row_of(fields, 12, true, &p);
    targets[11].type = POOL_TO_I8;
    assert_false(pool_scan(r, targets, 12));
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(to[i], -1);
    targets[11].type = POOL_TO_I64;
    assert_true(pool_scan(r, targets, 12));
    for (int i = 0; i < 12; i++)
        assert_int_equal(to[i], i + 250);
    pool_result_free(r);
}

static void a_value_that_does_not_fit_is_told_without_memory_as_well(void **state)
{
    (void)state;
    struct pool_result *r = binary_double(1.5);
    int whole = 9;
    if (!mallocs_are_counted())
        skip();
    mallocs = 0;
    fail_at = 1;
    bool ok = POOL_SCAN(r, &whole);
    fail_at = 0;
    assert_true(!ok && whole == 9 && !pool_next(r));
    assert_int_equal(pool_result_error(r)->code, POOL_ERR_NOMEM);
    pool_rewind(r);
    assert_true(pool_next(r) && !POOL_SCAN(r, &whole));
    assert_int_equal(pool_result_error(r)->code, POOL_ERR_INVALID);
    assert_string_equal(pool_result_error(r)->message,
                        "row 1, column 1 'c': the value '1.5' does not fit an int32_t");
    pool_result_free(r);
}

static void a_text_that_is_no_utf8_is_told_by_its_length(void **state)
{
    (void)state;
    struct pool_result *r = text_value(MYSQL_TYPE_STRING, "12\xe9 and so on");
    int whole = 9;
    assert_false(POOL_SCAN(r, &whole));
    assert_string_equal(pool_result_error(r)->message,
                        "row 1, column 1 'c': 13 bytes do not fit an int32_t");
    pool_result_free(r);
}

static void scan_gives_zero_for_null(void **state)
{
    (void)state;
    MYSQL_FIELD fields[4] = {column("a", MYSQL_TYPE_LONG), column("b", MYSQL_TYPE_STRING),
                             column("c", MYSQL_TYPE_BLOB), column("d", MYSQL_TYPE_DATE)};
    static struct packet p;
    put_header(&p, 4, 0xf);
    struct pool_result *r = row_of(fields, 4, true, &p);
    int a = 5;
    const char *b = "x";
    struct pool_bytes c = {"x", 1};
    struct pool_time d = {.type = POOL_TYPE_TIME, .hour = 5};
    assert_true(POOL_SCAN(r, &a, &b, &c, &d));
    assert_true(a == 0 && !b && !c.data && c.len == 0 && d.type == POOL_TYPE_NULL && d.hour == 0);
    pool_result_free(r);
}

static void scan_needs_a_row_and_enough_columns(void **state)
{
    (void)state;
    int a = 5, b = 6;
    struct pool_result *r = binary_double(1);
    assert_false(POOL_SCAN(r, &a, &b));
    assert_false(POOL_SCAN(r, (int *)NULL));
    assert_false(pool_scan(r, NULL, 1));
    assert_true(pool_scan(r, NULL, 0));
    assert_false(scans(r, (enum pool_target_type)99));
    pool_rewind(r);
    assert_false(POOL_SCAN(r, &a));
    assert_true(a == 5 && b == 6);
    pool_result_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_reads_columns_by_the_type_of_the_variable),
        cmocka_unit_test(scan_checks_the_range_of_every_integer),
        cmocka_unit_test(scan_accepts_only_whole_numbers_in_integers),
        cmocka_unit_test(scan_takes_doubles_into_integers_if_nothing_is_lost),
        cmocka_unit_test(scan_takes_anything_but_zero_as_true),
        cmocka_unit_test(scan_keeps_times_and_numbers_apart),
        cmocka_unit_test(scan_writes_everything_or_nothing),
        cmocka_unit_test(a_value_that_does_not_fit_is_told_without_memory_as_well),
        cmocka_unit_test(a_text_that_is_no_utf8_is_told_by_its_length),
        cmocka_unit_test(scan_gives_zero_for_null),
        cmocka_unit_test(scan_needs_a_row_and_enough_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
