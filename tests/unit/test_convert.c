/*
 * Tests of pool/result/decode.c and of the getters: what the bytes of a column are as a number, a
 * text and a time. Packets are made by hand (packets.h). No server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "packets.h"
#include "result/result.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <mysql.h>
#include <string.h>

/* ---- packets ---- */

static struct pool_result *binary_int(MYSQL_FIELD field, uint64_t value, size_t size)
{
    static struct packet p;
    put_header(&p, 1, 0);
    put_int(&p, value, size);
    return row_of(&field, 1, true, &p);
}

static void check_text(struct pool_result *r, const char *expected)
{
    assert_string_equal(pool_get_text(r, 0), expected);
    pool_result_free(r);
}

/* ---- integers ---- */

static const struct {
    enum enum_field_types type;
    size_t size;
    int64_t min, max;
    uint64_t umax;
} integer_sizes[] = {
    {MYSQL_TYPE_TINY, 1, INT8_MIN, INT8_MAX, UINT8_MAX},
    {MYSQL_TYPE_SHORT, 2, INT16_MIN, INT16_MAX, UINT16_MAX},
    {MYSQL_TYPE_INT24, 4, -8388608, 8388607, 16777215},
    {MYSQL_TYPE_LONG, 4, INT32_MIN, INT32_MAX, UINT32_MAX},
    {MYSQL_TYPE_LONGLONG, 8, INT64_MIN, INT64_MAX, UINT64_MAX},
};

static void integers_of_every_size_keep_their_boundaries(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(integer_sizes); i++) {
        MYSQL_FIELD field = column("c", integer_sizes[i].type);
        MYSQL_FIELD fields[4] = {field, field, field, field};
        fields[2].flags = UNSIGNED_FLAG;
        static struct packet p;
        put_header(&p, 4, 0);
        put_int(&p, (uint64_t)integer_sizes[i].min, integer_sizes[i].size);
        put_int(&p, (uint64_t)integer_sizes[i].max, integer_sizes[i].size);
        put_int(&p, integer_sizes[i].umax, integer_sizes[i].size);
        put_int(&p, UINT64_MAX, integer_sizes[i].size);
        struct pool_result *r = row_of(fields, 4, true, &p);
        assert_true(pool_get_int(r, 0) == integer_sizes[i].min);
        assert_true(pool_get_int(r, 1) == integer_sizes[i].max);
        assert_true(pool_get_uint(r, 2) == integer_sizes[i].umax && pool_get_int(r, 3) == -1);
        assert_int_equal(pool_column_type(r, 0), POOL_TYPE_INT);
        assert_int_equal(pool_column_type(r, 2), POOL_TYPE_UINT);
        pool_result_free(r);
    }
}

static void integers_have_a_text(void **state)
{
    (void)state;
    MYSQL_FIELD signed_ = column("c", MYSQL_TYPE_LONGLONG), unsigned_ = signed_;
    unsigned_.flags = UNSIGNED_FLAG;
    check_text(binary_int(signed_, (uint64_t)INT64_MIN, 8), "-9223372036854775808");
    check_text(binary_int(signed_, 0, 8), "0");
    check_text(binary_int(signed_, (uint64_t)-1, 8), "-1");
    check_text(binary_int(unsigned_, UINT64_MAX, 8), "18446744073709551615");
}

static void zero_filled_integers_are_padded_in_the_binary_protocol(void **state)
{
    (void)state;
    unsigned flags = ZEROFILL_FLAG | UNSIGNED_FLAG;
    check_text(binary_int(column_with(MYSQL_TYPE_LONG, flags, 0, 9), 7, 4), "000000007");
    check_text(binary_int(column_with(MYSQL_TYPE_LONG, flags, 0, 2), 12345, 4), "12345");
    check_text(binary_int(column_with(MYSQL_TYPE_YEAR, flags, 0, 4), 0, 2), "0000");
    struct pool_result *r = binary_int(column_with(MYSQL_TYPE_TINY, flags, 0, ULONG_MAX), 7, 1);
    assert_int_equal(strlen(pool_get_text(r, 0)), 255);
    pool_result_free(r);
}

static void getters_clamp_what_does_not_fit(void **state)
{
    (void)state;
    MYSQL_FIELD unsigned_ = column("c", MYSQL_TYPE_LONGLONG);
    struct pool_result *r = binary_int(unsigned_, (uint64_t)-5, 8);
    assert_true(pool_get_uint(r, 0) == 0);
    assert_true(pool_get_double(r, 0) == -5.0);
    pool_result_free(r);
    unsigned_.flags = UNSIGNED_FLAG;
    r = binary_int(unsigned_, UINT64_MAX, 8);
    assert_true(pool_get_int(r, 0) == INT64_MAX);
    assert_true(pool_get_double(r, 0) == 18446744073709551616.0);
    pool_result_free(r);
}

static void years_are_unsigned_numbers(void **state)
{
    (void)state;
    struct pool_result *r = binary_int(column("c", MYSQL_TYPE_YEAR), 2155, 2);
    assert_int_equal(pool_column_type(r, 0), POOL_TYPE_UINT);
    assert_true(pool_get_uint(r, 0) == 2155);
    check_text(r, "2155");
}

static void bits_are_unsigned_numbers_in_both_protocols(void **state)
{
    (void)state;
    MYSQL_FIELD field = column("c", MYSQL_TYPE_BIT);
    struct pool_result *r = binary_value(field, "\x02\x01\x05", 3);
    assert_int_equal(pool_column_type(r, 0), POOL_TYPE_UINT);
    assert_true(pool_get_int(r, 0) == 261);
    check_text(r, "261");
    r = binary_value(field, "\x08\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    assert_true(pool_get_uint(r, 0) == UINT64_MAX);
    pool_result_free(r);
    r = text_value(MYSQL_TYPE_BIT, "\x01\x02\x03");
    assert_true(pool_get_uint(r, 0) == 0x010203);
    check_text(r, "66051");
    r = text_value(MYSQL_TYPE_BIT, "");
    assert_true(pool_get_uint(r, 0) == 0 && !pool_is_null(r, 0));
    pool_result_free(r);
}

/* ---- floating point ---- */

static struct pool_result *binary_float(float value)
{
    return binary_value(column_with(MYSQL_TYPE_FLOAT, 0, 31, 12), &value, sizeof value);
}

static void doubles_have_the_shortest_text_that_reads_back(void **state)
{
    (void)state;
    check_text(binary_double(0.1), "0.1");
    check_text(binary_double(-2.5), "-2.5");
    check_text(binary_double(0.1 + 0.2), "0.30000000000000004");
    check_text(binary_double(1e20), "1e20");
    check_text(binary_double(3), "3");
    check_text(binary_double(0), "0");
    check_text(binary_double(4.9406564584124654e-324), "5e-324");
    check_text(binary_double(DBL_MAX), "1.7976931348623157e308");
    check_text(binary_float(0.1f), "0.1");
    check_text(binary_float(16777216.0f), "16777216");
    check_text(binary_float(FLT_MAX), "3.4028235e38");
    check_text(binary_float(1e-45f), "1e-45");
}

static void doubles_become_integers_by_truncation_and_clamping(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        double value;
        int64_t i;
        uint64_t u;
    } cases[] = {
        {2.9, 2, 2},           {-2.9, -2, 0},
        {1e300, INT64_MAX, UINT64_MAX}, {-1e300, INT64_MIN, 0},
        {(double)NAN, 0, 0},   {(double)INFINITY, INT64_MAX, UINT64_MAX},
        {9223372036854775808.0, INT64_MAX, UINT64_C(1) << 63},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pool_result *r = binary_double(cases[i].value);
        assert_true(pool_get_int(r, 0) == cases[i].i);
        assert_true(pool_get_uint(r, 0) == cases[i].u);
        pool_result_free(r);
    }
}

static void floats_are_read_as_they_are(void **state)
{
    (void)state;
    struct pool_result *r = binary_float(-1.5f);
    assert_int_equal(pool_column_type(r, 0), POOL_TYPE_FLOAT);
    assert_true(pool_get_double(r, 0) == -1.5);
    assert_true(pool_get_int(r, 0) == -1);
    pool_result_free(r);
}

/* ---- text ---- */

static void text_is_terminated_whatever_follows_it(void **state)
{
    (void)state;
    MYSQL_FIELD fields[4] = {column("a", MYSQL_TYPE_VAR_STRING), column("b", MYSQL_TYPE_LONG),
                             column("c", MYSQL_TYPE_STRING), column("d", MYSQL_TYPE_BLOB)};
    static struct packet p;
    put_header(&p, 4, 0);
    put_text(&p, "Seoul", 5);
    put_int(&p, 0x41414141, 4);
    put_text(&p, "", 0);
    put_text(&p, "end", 3);
    struct pool_result *r = row_of(fields, 4, true, &p);
    assert_string_equal(pool_get_text(r, 0), "Seoul");
    assert_true(pool_get_int(r, 1) == 0x41414141);
    assert_string_equal(pool_get_text(r, 2), "");
    assert_string_equal(pool_get_text(r, 3), "end");
    pool_result_free(r);
}

static void long_texts_and_their_length_are_kept(void **state)
{
    (void)state;
    static struct packet p;
    static char text[65535];
    memset(text, 'x', sizeof text);
    MYSQL_FIELD field = column("c", MYSQL_TYPE_BLOB);
    static const size_t lengths[] = {250, 251, 65535};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        size_t len;
        p.len = 0;
        put_text(&p, text, lengths[i]);
        struct pool_result *r = row_of(&field, 1, false, &p);
        assert_memory_equal(pool_get_bytes(r, 0, &len), text, lengths[i]);
        assert_int_equal(len, lengths[i]);
        assert_int_equal(strlen(pool_get_text(r, 0)), lengths[i]);
        pool_result_free(r);
    }
}

static void every_column_type_has_its_pool_type(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        unsigned wire, charset;
        enum pool_type type;
    } cases[] = {
        {MYSQL_TYPE_DECIMAL, 63, POOL_TYPE_DECIMAL},
        {MYSQL_TYPE_NEWDECIMAL, 63, POOL_TYPE_DECIMAL},
        {MYSQL_TYPE_FLOAT, 63, POOL_TYPE_FLOAT},      {MYSQL_TYPE_DOUBLE, 63, POOL_TYPE_DOUBLE},
        {MYSQL_TYPE_NULL, 63, POOL_TYPE_NULL},        {MYSQL_TYPE_DATE, 63, POOL_TYPE_DATE},
        {MYSQL_TYPE_TIMESTAMP, 63, POOL_TYPE_DATETIME}, {MYSQL_TYPE_TIME, 63, POOL_TYPE_TIME},
        {MYSQL_TYPE_DATETIME, 63, POOL_TYPE_DATETIME}, {MYSQL_TYPE_NEWDATE, 63, POOL_TYPE_DATE},
        {MYSQL_TYPE_VARCHAR, 45, POOL_TYPE_TEXT},     {MYSQL_TYPE_VARCHAR, 63, POOL_TYPE_BYTES},
        {MYSQL_TYPE_STRING, 45, POOL_TYPE_TEXT},      {MYSQL_TYPE_STRING, 63, POOL_TYPE_BYTES},
        {MYSQL_TYPE_BLOB, 45, POOL_TYPE_TEXT},        {MYSQL_TYPE_LONG_BLOB, 63, POOL_TYPE_BYTES},
        {MYSQL_TYPE_ENUM, 45, POOL_TYPE_TEXT},        {MYSQL_TYPE_SET, 45, POOL_TYPE_TEXT},
        {MYSQL_TYPE_JSON, 63, POOL_TYPE_TEXT},        {MYSQL_TYPE_GEOMETRY, 45, POOL_TYPE_BYTES},
        {242, 63, POOL_TYPE_BYTES},                   {200, 45, POOL_TYPE_TEXT},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++) {
        MYSQL_FIELD field = column("c", (enum enum_field_types)cases[i].wire);
        field.charsetnr = cases[i].charset;
        struct pool_result *r = begin_result(&field, 1, true);
        assert_int_equal(pool_column_type(r, 0), cases[i].type);
        pool_result_free(r);
    }
}

static void numbers_in_text_are_read_like_strtoll_and_strtod(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        const char *text;
        int64_t i;
        uint64_t u;
        double d;
    } cases[] = {
        {"12.7", 12, 12, 12.7},   {"-12.7", -12, 0, -12.7}, {" \t+7x", 7, 7, 7},
        {"", 0, 0, 0},            {"x", 0, 0, 0},           {"-", 0, 0, 0},
        {"1e3", 1, 1, 1000},      {"-0", 0, 0, 0},          {"007", 7, 7, 7},
        {"9223372036854775808", INT64_MAX, UINT64_C(1) << 63, 9223372036854775808.0},
        {"-9223372036854775808", INT64_MIN, 0, -9223372036854775808.0},
        {"99999999999999999999", INT64_MAX, UINT64_MAX, 1e20},
        {"-99999999999999999999", INT64_MIN, 0, -1e20},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pool_result *r = text_value(MYSQL_TYPE_NEWDECIMAL, cases[i].text);
        assert_true(pool_get_int(r, 0) == cases[i].i);
        assert_true(pool_get_uint(r, 0) == cases[i].u);
        assert_true(pool_get_double(r, 0) == cases[i].d);
        check_text(r, cases[i].text);
    }
}

static void the_bytes_of_a_number_are_its_text(void **state)
{
    (void)state;
    size_t len = 99;
    struct pool_result *r = binary_double(2.5);
    assert_memory_equal(pool_get_bytes(r, 0, &len), "2.5", 3);
    assert_int_equal(len, 3);
    pool_result_free(r);
    r = text_value(MYSQL_TYPE_STRING, "");
    assert_non_null(pool_get_bytes(r, 0, &len));
    assert_int_equal(len, 0);
    assert_non_null(pool_get_bytes(r, 0, NULL));
    pool_result_free(r);
}

static void a_converted_text_is_made_once(void **state)
{
    (void)state;
    struct pool_result *r = binary_double(2.5);
    const char *text = pool_get_text(r, 0);
    pool_rewind(r);
    assert_true(pool_next(r));
    assert_ptr_equal(pool_get_text(r, 0), text);
    pool_result_free(r);
}

/* ---- dates and times ---- */

static void check_time(struct pool_result *r, struct pool_time expected, const char *text)
{
    struct pool_time time;
    memset(&time, 0xAA, sizeof time);
    assert_true(pool_get_time(r, 0, &time));
    assert_int_equal(time.type, expected.type);
    assert_true(time.year == expected.year && time.month == expected.month &&
                time.day == expected.day && time.hour == expected.hour);
    assert_true(time.minute == expected.minute && time.second == expected.second &&
                time.microsecond == expected.microsecond && time.negative == expected.negative);
    assert_true(pool_get_int(r, 0) == 0 && pool_get_double(r, 0) == 0);
    check_text(r, text);
}

static void binary_dates_of_every_length_are_read(void **state)
{
    (void)state;
    MYSQL_FIELD moment = column_with(MYSQL_TYPE_DATETIME, 0, 6, 26);
    MYSQL_FIELD date = column("c", MYSQL_TYPE_DATE);
    struct pool_time t = {.type = POOL_TYPE_DATETIME};
    check_time(binary_value(moment, "\0", 1), t, "0000-00-00 00:00:00.000000");
    t.year = 2024, t.month = 2, t.day = 29;
    check_time(binary_value(moment, "\x04\xe8\x07\x02\x1d", 5), t, "2024-02-29 00:00:00.000000");
    t.hour = 23, t.minute = 59, t.second = 58;
    check_time(binary_value(moment, "\x07\xe8\x07\x02\x1d\x17\x3b\x3a", 8), t,
               "2024-02-29 23:59:58.000000");
    t.microsecond = 999999;
    check_time(binary_value(moment, "\x0b\xe8\x07\x02\x1d\x17\x3b\x3a\x3f\x42\x0f\0", 12), t,
               "2024-02-29 23:59:58.999999");
    t = (struct pool_time){.type = POOL_TYPE_DATE, .year = 2024};
    check_time(binary_value(date, "\x04\xe8\x07\0\0", 5), t, "2024-00-00");
    t.year = 0;
    check_time(binary_value(date, "\0", 1), t, "0000-00-00");
}

static void binary_times_count_days_as_hours(void **state)
{
    (void)state;
    MYSQL_FIELD field = column_with(MYSQL_TYPE_TIME, 0, 2, 13);
    struct pool_time t = {.type = POOL_TYPE_TIME};
    check_time(binary_value(field, "\0", 1), t, "00:00:00.00");
    t.negative = true, t.hour = 838, t.minute = 59, t.second = 59;
    check_time(binary_value(field, "\x08\x01\x22\0\0\0\x16\x3b\x3b", 9), t, "-838:59:59.00");
    t = (struct pool_time){.type = POOL_TYPE_TIME, .second = 1, .microsecond = 500000};
    check_time(binary_value(field, "\x0c\0\0\0\0\0\0\0\x01\x20\xa1\x07\0", 13), t, "00:00:01.50");
}

static void microseconds_are_shown_as_the_column_declares(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        unsigned decimals;
        const char *with, *without;
    } cases[] = {
        {0, "00:00:01", "00:00:01"},        {1, "00:00:01.5", "00:00:01.0"},
        {3, "00:00:01.500", "00:00:01.000"}, {6, "00:00:01.500000", "00:00:01.000000"},
        {31, "00:00:01.500000", "00:00:01"}, {39, "00:00:01.500000", "00:00:01"},
        {UINT_MAX, "00:00:01.500000", "00:00:01"},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++) {
        MYSQL_FIELD field = column_with(MYSQL_TYPE_TIME, 0, cases[i].decimals, 10);
        check_text(binary_value(field, "\x0c\0\0\0\0\0\0\0\x01\x20\xa1\x07\0", 13), cases[i].with);
        check_text(binary_value(field, "\x08\0\0\0\0\0\0\0\x01", 9), cases[i].without);
    }
}

static void times_in_text_are_parsed(void **state)
{
    (void)state;
    struct pool_time t = {.type = POOL_TYPE_DATE, .year = 2024, .month = 2, .day = 29};
    check_time(text_value(MYSQL_TYPE_DATE, "2024-02-29"), t, "2024-02-29");
    t.type = POOL_TYPE_DATETIME;
    check_time(text_value(MYSQL_TYPE_DATETIME, "2024-02-29"), t, "2024-02-29");
    t.hour = 1, t.minute = 2, t.second = 3;
    check_time(text_value(MYSQL_TYPE_TIMESTAMP, "2024-02-29 01:02:03"), t, "2024-02-29 01:02:03");
    t.microsecond = 120000;
    check_time(text_value(MYSQL_TYPE_DATETIME, "2024-02-29 01:02:03.12"), t,
               "2024-02-29 01:02:03.12");
    t = (struct pool_time){.type = POOL_TYPE_TIME, .hour = 838, .minute = 59, .second = 59};
    t.negative = true, t.microsecond = 999999;
    check_time(text_value(MYSQL_TYPE_TIME, "-838:59:59.999999"), t, "-838:59:59.999999");
    t = (struct pool_time){.type = POOL_TYPE_TIME, .hour = 1};
    check_time(text_value(MYSQL_TYPE_TIME, "01:00:00"), t, "01:00:00");
}

static void text_that_is_no_time_is_refused(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const cases[] = {
        "", "x", "-", "2024", "2024-02", "2024-02-2", "2024-02-29 ", "2024-02-29 1:02:03",
        "2024-02-29 24:00:00", "2024-13-01", "2024-01-32", "2024-02-29x01:02:03", "01:02",
        "01:02:03.", "01:02:03.1234567", "839:00:00", "1000:00:00", "01:60:00", "01:02:60",
        "--01:02:03", "-2024-02-29", "2024-02-29 01:02:03.5Z", "12345-01-01", "-12:00:0",
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pool_time time = {.year = 77};
        struct pool_result *r = text_value(MYSQL_TYPE_STRING, cases[i]);
        assert_false(pool_get_time(r, 0, &time));
        assert_int_equal(time.year, 77);
        pool_result_free(r);
    }
    struct pool_result *r = text_value(MYSQL_TYPE_STRING, "2024-02-29T01:02:03");
    assert_true(pool_get_time(r, 0, &(struct pool_time){0}));
    pool_result_free(r);
}

static void numbers_are_no_times(void **state)
{
    (void)state;
    struct pool_time time;
    struct pool_result *r = binary_double(20240229);
    assert_false(pool_get_time(r, 0, &time));
    pool_result_free(r);
}

/* ---- NULL, and what does not exist ---- */

static void nulls_are_read_as_nothing(struct pool_result *r, unsigned column_)
{
    size_t len = 99;
    assert_true(pool_is_null(r, column_));
    assert_true(pool_get_int(r, column_) == 0 && pool_get_uint(r, column_) == 0);
    assert_true(pool_get_double(r, column_) == 0);
    assert_null(pool_get_text(r, column_));
    assert_null(pool_get_bytes(r, column_, &len));
    assert_int_equal(len, 0);
    assert_false(pool_get_time(r, column_, &(struct pool_time){0}));
}

static void nulls_are_found_in_both_protocols(void **state)
{
    (void)state;
    MYSQL_FIELD fields[9];
    static struct packet p;
    for (size_t i = 0; i < COUNT(fields); i++)
        fields[i] = column("c", MYSQL_TYPE_LONG);
    put_header(&p, 9, 0x155);
    for (unsigned i = 0; i < 4; i++)
        put_int(&p, i, 4);
    struct pool_result *r = row_of(fields, 9, true, &p);
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(pool_is_null(r, i), i % 2 == 0);
    nulls_are_read_as_nothing(r, 8);
    assert_true(pool_get_int(r, 7) == 3);
    pool_result_free(r);
    p.len = 0;
    put_bytes(&p,
              "\xfb\x01"
              "5\xfb",
              4);
    r = row_of(fields, 3, false, &p);
    nulls_are_read_as_nothing(r, 0);
    assert_true(pool_get_int(r, 1) == 5);
    nulls_are_read_as_nothing(r, 2);
    pool_result_free(r);
}

static void a_column_of_the_null_type_is_null(void **state)
{
    (void)state;
    struct pool_result *r = binary_value(column("c", MYSQL_TYPE_NULL), "", 0);
    nulls_are_read_as_nothing(r, 0);
    pool_result_free(r);
}

static void what_does_not_exist_is_read_as_nothing(void **state)
{
    (void)state;
    struct pool_result *r = binary_double(1);
    nulls_are_read_as_nothing(r, 1);
    nulls_are_read_as_nothing(r, UINT_MAX);
    assert_null(pool_column_name(r, 1));
    assert_int_equal(pool_column_type(r, 1), POOL_TYPE_NULL);
    assert_false(pool_next(r));
    nulls_are_read_as_nothing(r, 0);
    assert_false(pool_next(r));
    pool_result_free(r);
}

static void no_result_is_read_as_nothing(void **state)
{
    (void)state;
    nulls_are_read_as_nothing(NULL, 0);
    pool_result_free(NULL);
    pool_rewind(NULL);
    assert_false(pool_next(NULL) || pool_next_set(NULL));
    assert_int_equal(pool_column_count(NULL), 0);
    assert_null(pool_column_name(NULL, 0));
    assert_int_equal(pool_column_index(NULL, "a"), -1);
    assert_true(pool_row_count(NULL) == 0 && pool_affected_rows(NULL) == 0);
    assert_true(pool_insert_id(NULL) == 0 && pool_warning_count(NULL) == 0);
    assert_false(pool_scan(NULL, NULL, 0));
    assert_true(pool__result_rows(NULL) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_every_size_keep_their_boundaries),
        cmocka_unit_test(integers_have_a_text),
        cmocka_unit_test(zero_filled_integers_are_padded_in_the_binary_protocol),
        cmocka_unit_test(getters_clamp_what_does_not_fit),
        cmocka_unit_test(years_are_unsigned_numbers),
        cmocka_unit_test(bits_are_unsigned_numbers_in_both_protocols),
        cmocka_unit_test(doubles_have_the_shortest_text_that_reads_back),
        cmocka_unit_test(doubles_become_integers_by_truncation_and_clamping),
        cmocka_unit_test(floats_are_read_as_they_are),
        cmocka_unit_test(text_is_terminated_whatever_follows_it),
        cmocka_unit_test(long_texts_and_their_length_are_kept),
        cmocka_unit_test(every_column_type_has_its_pool_type),
        cmocka_unit_test(numbers_in_text_are_read_like_strtoll_and_strtod),
        cmocka_unit_test(the_bytes_of_a_number_are_its_text),
        cmocka_unit_test(a_converted_text_is_made_once),
        cmocka_unit_test(binary_dates_of_every_length_are_read),
        cmocka_unit_test(binary_times_count_days_as_hours),
        cmocka_unit_test(microseconds_are_shown_as_the_column_declares),
        cmocka_unit_test(times_in_text_are_parsed),
        cmocka_unit_test(text_that_is_no_time_is_refused),
        cmocka_unit_test(numbers_are_no_times),
        cmocka_unit_test(nulls_are_found_in_both_protocols),
        cmocka_unit_test(a_column_of_the_null_type_is_null),
        cmocka_unit_test(what_does_not_exist_is_read_as_nothing),
        cmocka_unit_test(no_result_is_read_as_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
