/*
 * Tests of pool/result/result.c, pool/result/decode.c and pool/conn/bind.c: packets made by hand go
 * in, values come out. No server. A packet is written into memory of exactly its length, so that
 * AddressSanitizer sees every byte read beyond it.
 */
#include <mysql.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "conn/bind.h"
#include "result/result.h"
#include "result/sets.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define NO_LIMIT UINT64_MAX, SIZE_MAX

/* Counts allocations, and fails the one that is number `fail_at`, if the test is linked
 * with --wrap=malloc. */
static unsigned mallocs, fail_at;

void *__real_malloc(size_t size) __attribute__((weak));
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    mallocs++;
    return mallocs == fail_at ? NULL : __real_malloc(size);
}

/* ---- packets ---- */

struct packet {
    uint8_t bytes[70000];
    size_t len;
};

static void put(struct packet *p, const void *data, size_t len)
{
    assert_true(p->len + len <= sizeof p->bytes);
    memcpy(p->bytes + p->len, data, len);
    p->len += len;
}

static void put_int(struct packet *p, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        put(p, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static void put_text(struct packet *p, const char *text, size_t len)
{
    if (len < 0xfb) {
        put_int(p, len, 1);
    } else {
        put_int(p, 0xfc, 1);
        put_int(p, len, 2);
    }
    put(p, text, len);
}

/* The header of a binary row; bit i of `nulls` is column i. */
static void put_header(struct packet *p, unsigned count, uint64_t nulls)
{
    p->len = 0;
    put_int(p, 0, 1);
    put_int(p, nulls << 2, (count + 9) / 8);
}

static MYSQL_FIELD column(const char *name, enum enum_field_types type)
{
    MYSQL_FIELD field = {.name = (char *)(uintptr_t)name,
                         .name_length = (unsigned)strlen(name),
                         .type = type,
                         .charsetnr = 45};
    return field;
}

static MYSQL_FIELD column_with(enum enum_field_types type, unsigned flags, unsigned decimals,
                               unsigned long length)
{
    MYSQL_FIELD field = column("c", type);
    field.flags = flags;
    field.decimals = decimals;
    field.length = length;
    return field;
}

static bool add_exactly(struct pool_result *r, const uint8_t *bytes, size_t len,
                        struct pool_error *err)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    bool ok = pool__result_add_row(r, copy, len, err);
    free(copy);
    return ok;
}

static struct pool_result *begin(const MYSQL_FIELD *fields, unsigned count, bool binary)
{
    struct pool_result *r = pool__result_new(NO_LIMIT);
    assert_non_null(r);
    assert_true(pool__sets_begin(r, fields, count, binary, NULL));
    return r;
}

/* A result of one row, standing on it. */
static struct pool_result *row_of(const MYSQL_FIELD *fields, unsigned count, bool binary,
                                  const struct packet *p)
{
    struct pool_result *r = begin(fields, count, binary);
    struct pool_error err = {0};
    if (!add_exactly(r, p->bytes, p->len, &err))
        fail_msg("%s", err.message);
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool_next(r));
    return r;
}

/* One binary value that is given as bytes. */
static struct pool_result *binary_value(MYSQL_FIELD field, const void *data, size_t len)
{
    static struct packet p;
    put_header(&p, 1, 0);
    put(&p, data, len);
    return row_of(&field, 1, true, &p);
}

static struct pool_result *binary_int(MYSQL_FIELD field, uint64_t value, size_t size)
{
    static struct packet p;
    put_header(&p, 1, 0);
    put_int(&p, value, size);
    return row_of(&field, 1, true, &p);
}

/* One value of the text protocol. */
static struct pool_result *text_value(enum enum_field_types type, const char *text)
{
    static struct packet p;
    MYSQL_FIELD field = column("c", type);
    p.len = 0;
    put_text(&p, text, strlen(text));
    return row_of(&field, 1, false, &p);
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

static struct pool_result *binary_double(double value)
{
    return binary_value(column_with(MYSQL_TYPE_DOUBLE, 0, 31, 22), &value, sizeof value);
}

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
        struct pool_result *r = begin(&field, 1, true);
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
    put(&p,
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

/* ---- sets and positions ---- */

static void add_int(struct pool_result *r, int value)
{
    static struct packet p;
    put_header(&p, 1, 0);
    put_int(&p, (uint64_t)value, 4);
    assert_true(add_exactly(r, p.bytes, p.len, NULL));
}

static void rows_are_read_in_order_and_again_after_a_rewind(void **state)
{
    (void)state;
    MYSQL_FIELD field = column("n", MYSQL_TYPE_LONG);
    struct pool_result *r = begin(&field, 1, true);
    for (int i = 0; i < 10000; i++)
        add_int(r, i);
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool_is_null(r, 0)); /* no current row yet */
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 10000; i++) {
            assert_true(pool_next(r));
            assert_true(pool_get_int(r, 0) == i);
        }
        assert_false(pool_next(r));
        pool_rewind(r);
    }
    assert_true(pool_row_count(r) == 10000 && pool__result_rows(r) == 10000);
    pool_result_free(r);
}

static void several_sets_are_read_one_after_the_other(void **state)
{
    (void)state;
    MYSQL_FIELD a = column("a", MYSQL_TYPE_LONG), b = column("b", MYSQL_TYPE_LONG);
    struct pool_result *r = begin(&a, 1, true);
    add_int(r, 1);
    pool__result_end_set(r, 1, 0, 2);
    assert_true(pool__sets_begin(r, &b, 1, true, NULL));
    add_int(r, 2);
    add_int(r, 3);
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool__sets_begin(r, NULL, 0, true, NULL));
    pool__result_end_set(r, 7, 42, 0);
    assert_string_equal(pool_column_name(r, 0), "a");
    assert_true(pool_next(r) && pool_get_int(r, 0) == 1 && pool_warning_count(r) == 2);
    assert_true(pool_next_set(r) && pool_is_null(r, 0) && pool_row_count(r) == 2);
    assert_string_equal(pool_column_name(r, 0), "b");
    assert_true(pool_next(r) && pool_get_int(r, 0) == 2);
    assert_true(pool_next_set(r) && !pool_next(r) && pool_column_count(r) == 0);
    assert_true(pool_affected_rows(r) == 7 && pool_insert_id(r) == 42);
    assert_false(pool_next_set(r));
    pool_rewind(r);
    assert_true(pool_next(r) && pool_get_int(r, 0) == 1 && pool__result_rows(r) == 3);
    pool_result_free(r);
}

static void columns_are_found_by_name_in_any_case(void **state)
{
    (void)state;
    MYSQL_FIELD fields[5] = {column("id", MYSQL_TYPE_LONG), column("name", MYSQL_TYPE_STRING),
                             column("name", MYSQL_TYPE_STRING), column("NAME", MYSQL_TYPE_STRING),
                             column("gr\xc3\xb6\xc3\x9f"
                                    "e",
                                    MYSQL_TYPE_LONG)};
    struct pool_result *r = begin(fields, 5, true);
    assert_int_equal(pool_column_index(r, "id"), 0);
    assert_int_equal(pool_column_index(r, "name"), 1);
    assert_int_equal(pool_column_index(r, "ID"), 0);
    assert_int_equal(pool_column_index(r, "NAME"), 3);
    assert_int_equal(pool_column_index(r, "Name"), 1);
    assert_int_equal(pool_column_index(r, "Gr\xc3\xb6\xc3\x9f"
                                          "E"),
                     4);
    assert_int_equal(pool_column_index(r, "i"), -1);
    assert_int_equal(pool_column_index(r, "ids"), -1);
    assert_int_equal(pool_column_index(r, NULL), -1);
    assert_int_equal(pool_column_count(r), 5);
    pool_result_free(r);
}

static void names_are_bounded_and_never_read_beyond_their_end(void **state)
{
    (void)state;
    static char text[2000];
    memset(text, 'x', sizeof text - 1);
    memcpy(text + 1022, "\xF0\x9F\x8C\x8A", 4);
    MYSQL_FIELD fields[3] = {column(text, MYSQL_TYPE_LONG), column("", MYSQL_TYPE_LONG),
                             column("short", MYSQL_TYPE_LONG)};
    fields[1].name = NULL;
    fields[1].name_length = 5;
    fields[2].name_length = UINT_MAX;
    struct pool_result *r = begin(fields, 3, true);
    assert_int_equal(strlen(pool_column_name(r, 0)), 1022);
    assert_string_equal(pool_column_name(r, 1), "");
    assert_string_equal(pool_column_name(r, 2), "short");
    pool_result_free(r);
}

/* ---- streaming ---- */

static void a_streamed_row_is_the_current_row(void **state)
{
    (void)state;
    MYSQL_FIELD fields[2] = {column("n", MYSQL_TYPE_LONG), column("t", MYSQL_TYPE_STRING)};
    struct pool_result *r = begin(fields, 2, true);
    static struct packet p;
    for (unsigned i = 0; i < 1000; i++) {
        put_header(&p, 2, 0);
        put_int(&p, i, 4);
        put_text(&p, "abc", 3);
        int number = -1;
        const char *text;
        assert_true(pool__result_stream_row(r, p.bytes, p.len, NULL));
        assert_true(POOL_SCAN(r, &number, &text));
        assert_int_equal(number, i);
        assert_string_equal(text, "abc");
        assert_ptr_not_equal(text, pool_get_text(r, 0));
        assert_ptr_equal(text, pool_get_text(r, 1));
    }
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool_row_count(r) == 1000 && !pool_next(r) && pool_is_null(r, 0));
    pool_result_free(r);
}

static void streaming_needs_constant_memory(void **state)
{
    (void)state;
    if (!__real_malloc)
        skip();
    MYSQL_FIELD field = column("t", MYSQL_TYPE_STRING);
    struct pool_result *r = begin(&field, 1, true);
    static struct packet p;
    static char text[60000];
    memset(text, 'x', sizeof text);
    unsigned before = 0;
    for (unsigned i = 0; i < 300; i++) {
        if (i == 2)
            before = mallocs;
        put_header(&p, 1, 0);
        put_text(&p, text, sizeof text - i * 100);
        assert_true(pool__result_stream_row(r, p.bytes, p.len, NULL));
        assert_int_equal(strlen(pool_get_text(r, 0)), sizeof text - i * 100);
    }
    assert_int_equal(mallocs, before);
    pool_result_free(r);
}

static void streamed_rows_may_grow(void **state)
{
    (void)state;
    MYSQL_FIELD field = column("t", MYSQL_TYPE_STRING);
    struct pool_result *r = begin(&field, 1, true);
    static struct packet p;
    static char text[60000];
    memset(text, 'x', sizeof text);
    for (size_t len = 1; len < sizeof text; len = len * 3 / 2 + 1) {
        put_header(&p, 1, 0);
        put_text(&p, text, len);
        assert_true(pool__result_stream_row(r, p.bytes, p.len, NULL));
        assert_int_equal(strlen(pool_get_text(r, 0)), len);
    }
    pool_result_free(r);
}

static void several_sets_can_be_streamed(void **state)
{
    (void)state;
    MYSQL_FIELD a = column("a", MYSQL_TYPE_LONG), b = column("b", MYSQL_TYPE_SHORT);
    struct pool_result *r = begin(&a, 1, true);
    assert_true(pool__result_stream_row(r, (const uint8_t *)"\0\0\x05\0\0\0", 6, NULL));
    assert_true(pool_get_int(r, 0) == 5);
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool__sets_begin(r, &b, 1, true, NULL));
    assert_true(pool__result_stream_row(r, (const uint8_t *)"\0\0\x06\0", 4, NULL));
    assert_true(pool_get_int(r, 0) == 6);
    assert_string_equal(pool_column_name(r, 0), "b");
    assert_string_equal(pool_get_text(r, 0), "6");
    assert_false(pool_next(r));
    pool__result_end_set(r, 0, 0, 0);
    assert_string_equal(pool_column_name(r, 0), "a");
    assert_true(pool_next_set(r) && pool_row_count(r) == 1);
    pool_result_free(r);
}

static void dropped_rows_are_gone_and_columns_stay(void **state)
{
    (void)state;
    MYSQL_FIELD field = column("n", MYSQL_TYPE_LONG);
    struct pool_result *r = begin(&field, 1, true);
    for (int i = 0; i < 5000; i++)
        add_int(r, i);
    pool__result_drop_rows(r);
    add_int(r, 77);
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool_next(r) && pool_get_int(r, 0) == 77 && !pool_next(r));
    assert_string_equal(pool_column_name(r, 0), "n");
    assert_true(pool__result_rows(r) == 5001);
    pool_result_free(r);
}

/* ---- limits and memory ---- */

static void too_many_rows_are_refused(void **state)
{
    (void)state;
    MYSQL_FIELD field = column("n", MYSQL_TYPE_LONG);
    struct pool_error err = {0};
    struct pool_result *r = pool__result_new(2, SIZE_MAX);
    assert_true(pool__sets_begin(r, &field, 1, true, NULL));
    add_int(r, 1);
    add_int(r, 2);
    assert_false(add_exactly(r, (const uint8_t *)"\0\0\x05\0\0\0", 6, &err));
    assert_int_equal(err.code, POOL_ERR_TOO_BIG);
    assert_non_null(strstr(err.message, "max_rows (2)"));
    pool_result_free(r);
}

static void too_many_bytes_are_refused(void **state)
{
    (void)state;
    MYSQL_FIELD field = column("n", MYSQL_TYPE_LONG);
    struct pool_error err = {0};
    struct pool_result *r = pool__result_new(UINT64_MAX, 10000);
    unsigned rows = 0;
    assert_true(pool__sets_begin(r, &field, 1, true, NULL));
    while (add_exactly(r, (const uint8_t *)"\0\0\x05\0\0\0", 6, &err))
        rows++;
    assert_in_range(rows, 100, 10000 / 6);
    assert_int_equal(err.code, POOL_ERR_TOO_BIG);
    assert_non_null(strstr(err.message, "max_result_bytes (10000 bytes)"));
    pool_result_free(r);
}

static void too_many_columns_are_refused(void **state)
{
    (void)state;
    struct pool_error err = {0};
    MYSQL_FIELD *fields = calloc(20000, sizeof *fields);
    struct pool_result *r = pool__result_new(UINT64_MAX, 10000);
    assert_false(pool__sets_begin(r, fields, 20000, true, &err));
    assert_int_equal(err.code, POOL_ERR_TOO_BIG);
    pool_result_free(r);
    r = pool__result_new(NO_LIMIT);
    assert_false(pool__sets_begin(r, fields, UINT_MAX, true, &err));
    assert_true(err.code == POOL_ERR_LOST && err.fatal);
    assert_false(pool_next(r));
    assert_int_equal(pool_column_count(r), 0);
    pool_result_free(r);
    free(fields);
}

static void a_small_result_is_one_allocation(void **state)
{
    (void)state;
    if (!__real_malloc)
        skip();
    MYSQL_FIELD fields[3] = {column("id", MYSQL_TYPE_LONGLONG), column("name", MYSQL_TYPE_STRING),
                             column("created", MYSQL_TYPE_DATETIME)};
    static struct packet p;
    put_header(&p, 3, 0);
    put_int(&p, 12, 8);
    put_text(&p, "a name of ordinary length", 25);
    put_text(&p, "\xe8\x07\x02\x1d", 4);
    mallocs = 0;
    struct pool_result *r = begin(fields, 3, true);
    assert_true(pool__result_add_row(r, p.bytes, p.len, NULL));
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool_next(r));
    assert_string_equal(pool_get_text(r, 0), "12");
    assert_string_equal(pool_get_text(r, 2), "2024-02-29 00:00:00");
    assert_int_equal(mallocs, 1);
    pool_result_free(r);
}

/* Builds and reads a big result; any step may fail for want of memory. */
static bool build_and_read(struct pool_error *err)
{
    static char text[3000];
    static struct packet p;
    MYSQL_FIELD fields[2] = {column("n", MYSQL_TYPE_LONG), column("t", MYSQL_TYPE_STRING)};
    struct pool_result *r = pool__result_new(NO_LIMIT);
    memset(text, 'x', sizeof text);
    put_header(&p, 2, 0);
    put_int(&p, 5, 4);
    put_text(&p, text, sizeof text);
    bool ok = r && pool__sets_begin(r, fields, 2, true, err);
    for (unsigned i = 0; ok && i < 20; i++)
        ok = pool__result_add_row(r, p.bytes, p.len, err);
    if (ok)
        pool__result_end_set(r, 0, 0, 0);
    for (unsigned i = 0; ok && i < 20; i++) {
        const char *number = NULL, *before = "untouched", *long_text = before;
        ok = pool_next(r) && POOL_SCAN(r, &number, &long_text);
        assert_true(ok ? number != NULL : long_text == before);
    }
    pool_result_free(r);
    return ok;
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    struct pool_error err;
    if (!__real_malloc)
        skip();
    for (unsigned i = 1; i < 100; i++) {
        err.code = POOL_ERR_NOMEM;
        mallocs = 0;
        fail_at = i;
        bool ok = build_and_read(&err);
        fail_at = 0;
        if (ok) {
            assert_in_range(i, 5, 99);
            return;
        }
        assert_int_equal(err.code, POOL_ERR_NOMEM);
    }
    fail_msg("it never succeeded");
}

/* ---- hostile rows ---- */

static const enum enum_field_types all_types[] = {
    MYSQL_TYPE_TINY,     MYSQL_TYPE_SHORT,    MYSQL_TYPE_INT24,
    MYSQL_TYPE_LONGLONG, MYSQL_TYPE_FLOAT,    MYSQL_TYPE_DOUBLE,
    MYSQL_TYPE_YEAR,     MYSQL_TYPE_BIT,      MYSQL_TYPE_NEWDECIMAL,
    MYSQL_TYPE_DATE,     MYSQL_TYPE_DATETIME, MYSQL_TYPE_TIME,
    MYSQL_TYPE_STRING,   MYSQL_TYPE_BLOB,     MYSQL_TYPE_NULL,
    MYSQL_TYPE_GEOMETRY, MYSQL_TYPE_LONG,     (enum enum_field_types)242,
};
#define ALL COUNT(all_types)

static void all_fields(MYSQL_FIELD fields[ALL])
{
    for (size_t i = 0; i < ALL; i++) {
        fields[i] = column("a column", all_types[i]);
        bool real = all_types[i] == MYSQL_TYPE_FLOAT || all_types[i] == MYSQL_TYPE_DOUBLE;
        fields[i].decimals = real ? 31 : 6;
    }
}

/* A binary row with a value in every column. */
static void put_all(struct packet *p)
{
    double d = 2.5;
    float f = 1.5f;
    put_header(p, ALL, 0);
    put_int(p, 1, 1);
    put_int(p, 2, 2);
    put_int(p, 3, 4);
    put_int(p, 4, 8);
    put(p, &f, sizeof f);
    put(p, &d, sizeof d);
    put_int(p, 2024, 2);
    put_text(p, "\x01\x02", 2);
    put_text(p, "-12.50", 6);
    put_text(p, "\xe8\x07\x02\x1d", 4);
    put_text(p, "\xe8\x07\x02\x1d\x17\x3b\x3a\x3f\x42\x0f\0", 11);
    put_text(p, "\x01\x22\0\0\0\x16\x3b\x3b\x3f\x42\x0f\0", 12);
    put_text(p, "text", 4);
    put(p, "\xfc\x03\0abc", 6); /* a long form of a short length is allowed */
    put(p, "\xfd\x01\0\0g", 5);
    put_int(p, 17, 4);
    put(p, "\xfe\x01\0\0\0\0\0\0\0v", 10);
}

/* The same in the text protocol. */
static void put_all_as_text(struct packet *p)
{
    /* clang-format off */
    static const char *const texts[ALL] = {
        "1", "2", "3", "4", "1.5", "2.5", "2024", "\x01\x02", "-12.50", "2024-02-29",
        "2024-02-29 23:59:58.999999", "-838:59:59.999999", "text", "abc", NULL, "g", "17", "v",
    };
    /* clang-format on */
    p->len = 0;
    for (size_t i = 0; i < ALL; i++) {
        if (texts[i])
            put_text(p, texts[i], strlen(texts[i]));
        else
            put_int(p, 0xfb, 1);
    }
}

/* Keeps the compiler from leaving out reads. */
static volatile size_t seen;

/* Calls every getter and POOL_SCAN with every target on every column. */
static void read_everything(struct pool_result *r)
{
    for (unsigned i = 0; i <= pool_column_count(r); i++) {
        size_t len;
        struct pool_time time;
        const char *text = pool_get_text(r, i);
        const uint8_t *bytes = pool_get_bytes(r, i, &len);
        size_t sum = text ? strlen(text) : 0;
        for (size_t k = 0; k < len; k++)
            sum += bytes[k];
        sum += (size_t)pool_get_int(r, i) + (size_t)pool_get_uint(r, i);
        sum += pool_get_double(r, i) > 0;
        sum += pool_get_time(r, i, &time);
        seen = seen + sum;
    }
    for (int type = POOL_TO_BOOL; type <= POOL_TO_TIME; type++) {
        struct pool_time to[ALL];
        struct pool_target targets[ALL];
        for (size_t i = 0; i < ALL; i++)
            targets[i] = (struct pool_target){(enum pool_target_type)type, &to[i]};
        for (size_t count = 0; count <= ALL; count++)
            pool_scan(r, targets, count);
    }
}

static void rows_with_every_type_are_read_in_both_protocols(void **state)
{
    (void)state;
    MYSQL_FIELD fields[ALL];
    static struct packet p;
    all_fields(fields);
    for (int binary = 0; binary <= 1; binary++) {
        /* clang-format off */
        static const char *const texts[ALL] = {
            "1", "2", "3", "4", "1.5", "2.5", "2024", "258", "-12.50", "2024-02-29",
            "2024-02-29 23:59:58.999999", "-838:59:59.999999", "text", "abc", NULL, "g", "17", "v",
        };
        /* clang-format on */
        binary ? put_all(&p) : put_all_as_text(&p);
        struct pool_result *r = row_of(fields, ALL, binary, &p);
        for (unsigned i = 0; i < ALL; i++) {
            if (texts[i])
                assert_string_equal(pool_get_text(r, i), texts[i]);
            else
                assert_true(pool_is_null(r, i));
        }
        read_everything(r);
        pool_result_free(r);
    }
}

static void check_malformed(const struct pool_error *err)
{
    assert_int_equal(err->code, POOL_ERR_LOST);
    assert_true(err->fatal);
    assert_memory_equal(err->message, "malformed row 1", 15);
}

static void every_truncation_of_a_row_is_malformed(void **state)
{
    (void)state;
    MYSQL_FIELD fields[ALL];
    static struct packet p;
    all_fields(fields);
    for (int binary = 0; binary <= 1; binary++) {
        binary ? put_all(&p) : put_all_as_text(&p);
        for (size_t len = 0; len < p.len; len++) {
            struct pool_error err = {0};
            struct pool_result *r = begin(fields, ALL, binary);
            assert_false(add_exactly(r, p.bytes, len, &err));
            check_malformed(&err);
            assert_false(pool_next(r));
            pool_result_free(r);
        }
    }
}

/* clang-format off */
static const struct {
    enum enum_field_types type;
    bool binary;
    const char *bytes;
    size_t len;
} malformed[] = {
    {MYSQL_TYPE_LONG, true, "\0\0\0\0\0\0\0", 7},            /* a byte too many */
    {MYSQL_TYPE_LONG, true, "\x01\0\0\0\0\0", 6},            /* no row header */
    {MYSQL_TYPE_STRING, true, "\0\0\xfb", 3},                /* NULL as a length */
    {MYSQL_TYPE_STRING, true, "\0\0\xff", 3},
    {MYSQL_TYPE_STRING, true, "\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 11},
    {MYSQL_TYPE_STRING, false, "\xff", 1},
    {MYSQL_TYPE_STRING, false, "\xfd\xff\xff\xff", 4},
    {MYSQL_TYPE_STRING, false, "\xfb\xfb", 2},
    {MYSQL_TYPE_BIT, false, "\x09" "123456789", 10},
    {MYSQL_TYPE_DATE, true, "\0\0\x05\0\0\0\0\0", 8},        /* no such length */
    {MYSQL_TYPE_DATETIME, true, "\0\0\x04\xe8\x07\x0d\x01", 7}, /* month 13 */
    {MYSQL_TYPE_DATETIME, true, "\0\0\x04\x10\x27\x01\x01", 7}, /* year 10000 */
    {MYSQL_TYPE_TIME, true, "\0\0\x08\0\xff\xff\xff\xff\0\0\0", 11},
    {MYSQL_TYPE_TIME, true, "\0\0\x08\0\x22\0\0\0\x17\0\0", 11}, /* 839 hours */
    {MYSQL_TYPE_TIME, true, "\0\0\x0c\0\0\0\0\0\0\0\0\x40\x42\x0f\0", 15},
};
/* clang-format on */

static void malformed_rows_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(malformed); i++) {
        MYSQL_FIELD field = column("c", malformed[i].type);
        struct pool_error err = {0};
        struct pool_result *r = begin(&field, 1, malformed[i].binary);
        assert_false(add_exactly(r, (const uint8_t *)malformed[i].bytes, malformed[i].len, &err));
        check_malformed(&err);
        assert_false(add_exactly(r, (const uint8_t *)malformed[i].bytes, malformed[i].len, NULL));
        pool_result_free(r);
    }
}

static void a_row_without_columns_is_refused(void **state)
{
    (void)state;
    struct pool_error err = {0};
    struct pool_result *r = pool__result_new(NO_LIMIT);
    assert_false(add_exactly(r, (const uint8_t *)"\0", 1, &err));
    check_malformed(&err);
    assert_true(pool__sets_begin(r, NULL, 0, false, NULL));
    assert_false(add_exactly(r, (const uint8_t *)"", 0, &err));
    check_malformed(&err);
    assert_false(pool__result_stream_row(r, (const uint8_t *)"", 0, &err));
    pool_result_free(r);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Changes some bytes, and sometimes the length. */
static size_t mutate(uint8_t *bytes, size_t len, uint32_t *seed)
{
    unsigned changes = 1 + next_random(seed) % 4;
    for (unsigned i = 0; i < changes; i++)
        bytes[next_random(seed) % len] = (uint8_t)next_random(seed);
    return next_random(seed) % 4 ? len : next_random(seed) % (len + 1);
}

static void feed_mutation(const struct packet *p, const MYSQL_FIELD *fields, bool binary,
                          uint32_t *seed)
{
    struct pool_result *r = begin(fields, ALL, binary);
    struct packet changed = *p;
    size_t len = mutate(changed.bytes, p->len, seed);
    uint8_t *bytes = malloc(len ? len : 1);
    assert_non_null(bytes);
    memcpy(bytes, changed.bytes, len);
    struct pool_error err = {0};
    if (add_exactly(r, bytes, len, &err)) {
        pool__result_end_set(r, 0, 0, 0);
        assert_true(pool_next(r));
        read_everything(r);
    } else {
        check_malformed(&err);
    }
    if (pool__result_stream_row(r, bytes, len, NULL))
        read_everything(r);
    free(bytes);
    pool_result_free(r);
}

static void mutated_rows_do_no_harm(void **state)
{
    (void)state;
    uint32_t seed = 20240229;
    MYSQL_FIELD fields[ALL];
    static struct packet p;
    all_fields(fields);
    for (unsigned i = 0; i < 4000; i++) {
        bool binary = i % 2;
        binary ? put_all(&p) : put_all_as_text(&p);
        for (size_t k = 0; i % 8 > 5 && k < ALL; k++) /* wrong types for the row, too */
            fields[k].type = (enum enum_field_types)(next_random(&seed) % 256);
        feed_mutation(&p, fields, binary, &seed);
        all_fields(fields);
    }
}

/* ---- POOL_SCAN ---- */

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
    if (!__real_malloc)
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

/* ---- binding ---- */

static MYSQL_BIND bind_one(struct pool_value value, struct pool__bind_store *store)
{
    MYSQL_BIND bind;
    const struct pool_value *values[1] = {&value};
    memset(&bind, 0xAA, sizeof bind);
    memset(store, 0xAA, sizeof *store);
    assert_true(pool__bind_values(&bind, store, values, 1, NULL));
    assert_ptr_equal(bind.length, &store->length);
    assert_ptr_equal(bind.is_null, &store->is_null);
    return bind;
}

static void numbers_are_bound_from_the_store(void **state)
{
    (void)state;
    struct pool__bind_store store;
    MYSQL_BIND bind = bind_one(pool_int(-5), &store);
    assert_int_equal(bind.buffer_type, MYSQL_TYPE_LONGLONG);
    assert_true(*(int64_t *)bind.buffer == -5 && !bind.is_unsigned && !store.is_null);
    bind = bind_one(pool_uint(UINT64_MAX), &store);
    assert_int_equal(bind.buffer_type, MYSQL_TYPE_LONGLONG);
    assert_true(*(uint64_t *)bind.buffer == UINT64_MAX && bind.is_unsigned);
    bind = bind_one(pool_double(2.5), &store);
    assert_int_equal(bind.buffer_type, MYSQL_TYPE_DOUBLE);
    assert_true(*(double *)bind.buffer == 2.5);
    bind = bind_one(pool_null(), &store);
    assert_int_equal(bind.buffer_type, MYSQL_TYPE_NULL);
    assert_true(store.is_null);
}

static void text_and_bytes_are_bound_where_they_are(void **state)
{
    (void)state;
    struct pool__bind_store store;
    const char *text = "Seoul";
    MYSQL_BIND bind = bind_one(pool_text(text), &store);
    assert_int_equal(bind.buffer_type, MYSQL_TYPE_STRING);
    assert_true(bind.buffer == text && store.length == 5 && bind.buffer_length == 5);
    bind = bind_one(pool_bytes(text, 2), &store);
    assert_int_equal(bind.buffer_type, MYSQL_TYPE_BLOB);
    assert_true(bind.buffer == text && store.length == 2);
    bind = bind_one(pool_bytes(NULL, 0), &store);
    assert_true(bind.buffer && store.length == 0 && !store.is_null);
    bind = bind_one(pool_decimal("-1.50"), &store);
    assert_int_equal(bind.buffer_type, MYSQL_TYPE_NEWDECIMAL);
    assert_int_equal(store.length, 5);
}

static void times_are_bound_with_days_for_many_hours(void **state)
{
    (void)state;
    struct pool__bind_store store;
    struct pool_time t = {.type = POOL_TYPE_TIME, .hour = 838, .minute = 59, .second = 58};
    t.negative = true, t.microsecond = 7;
    MYSQL_BIND bind = bind_one(pool_time(t), &store);
    MYSQL_TIME *time = bind.buffer;
    assert_int_equal(bind.buffer_type, MYSQL_TYPE_TIME);
    assert_true(time->day == 34 && time->hour == 22 && time->minute == 59 && time->second == 58);
    assert_true(time->neg && time->second_part == 7);
    t = (struct pool_time){.type = POOL_TYPE_DATETIME, .year = 2024, .month = 2, .day = 29};
    t.hour = 5;
    bind = bind_one(pool_time(t), &store);
    time = bind.buffer;
    assert_int_equal(bind.buffer_type, MYSQL_TYPE_DATETIME);
    assert_true(time->year == 2024 && time->month == 2 && time->day == 29 && time->hour == 5);
    t.type = POOL_TYPE_DATE;
    bind = bind_one(pool_time(t), &store);
    time = bind.buffer;
    assert_int_equal(bind.buffer_type, MYSQL_TYPE_DATE);
    assert_true(time->year == 2024 && time->hour == 0);
}

static void values_that_cannot_be_bound_are_refused_by_number(void **state)
{
    (void)state;
    MYSQL_BIND binds[2];
    struct pool__bind_store stores[2];
    struct pool_value good = pool_int(1), list = pool_list(&good, 1), wrong = good;
    wrong.type = POOL_TYPE_FLOAT;
    struct pool_error err = {0};
    const struct pool_value *values[2] = {&good, &list};
    assert_false(pool__bind_values(binds, stores, values, 2, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_non_null(strstr(err.message, "value 2"));
    values[0] = &wrong;
    assert_false(pool__bind_values(binds, stores, values, 2, &err));
    assert_non_null(strstr(err.message, "value 1"));
    values[0] = NULL;
    assert_false(pool__bind_values(binds, stores, values, 1, &err));
    assert_true(pool__bind_values(NULL, NULL, NULL, 0, &err));
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
        cmocka_unit_test(rows_are_read_in_order_and_again_after_a_rewind),
        cmocka_unit_test(several_sets_are_read_one_after_the_other),
        cmocka_unit_test(columns_are_found_by_name_in_any_case),
        cmocka_unit_test(names_are_bounded_and_never_read_beyond_their_end),
        cmocka_unit_test(a_streamed_row_is_the_current_row),
        cmocka_unit_test(streaming_needs_constant_memory),
        cmocka_unit_test(streamed_rows_may_grow),
        cmocka_unit_test(several_sets_can_be_streamed),
        cmocka_unit_test(dropped_rows_are_gone_and_columns_stay),
        cmocka_unit_test(too_many_rows_are_refused),
        cmocka_unit_test(too_many_bytes_are_refused),
        cmocka_unit_test(too_many_columns_are_refused),
        cmocka_unit_test(a_small_result_is_one_allocation),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(rows_with_every_type_are_read_in_both_protocols),
        cmocka_unit_test(every_truncation_of_a_row_is_malformed),
        cmocka_unit_test(malformed_rows_are_refused),
        cmocka_unit_test(a_row_without_columns_is_refused),
        cmocka_unit_test(mutated_rows_do_no_harm),
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
        cmocka_unit_test(numbers_are_bound_from_the_store),
        cmocka_unit_test(text_and_bytes_are_bound_where_they_are),
        cmocka_unit_test(times_are_bound_with_days_for_many_hours),
        cmocka_unit_test(values_that_cannot_be_bound_are_refused_by_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
