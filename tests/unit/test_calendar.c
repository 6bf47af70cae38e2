/*
 * Tests of pool/sql/calendar.c, as tables. No server is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/calendar.h"

static void times_are_written_as_the_server_writes_them(void **state)
{
    (void)state;
    static const struct {
        struct pool_time time;
        unsigned decimals;
        const char *text;
    } cases[] = {
        {{.type = POOL_TYPE_DATE, .year = 2024, .month = 2, .day = 29}, 6, "2024-02-29"},
        {{.type = POOL_TYPE_DATE}, 0, "0000-00-00"},
        {{.type = POOL_TYPE_DATETIME, .year = 1, .month = 2, .day = 3}, 0, "0001-02-03 00:00:00"},
        {{.type = POOL_TYPE_TIME, .hour = 838, .minute = 59, .second = 59}, 1, "838:59:59.0"},
        {{.type = POOL_TYPE_TIME, .negative = true, .microsecond = 120000}, 2, "-00:00:00.12"},
        {{.type = POOL_TYPE_TIME, .microsecond = 5}, 7, "00:00:00.000005"},
        {{.type = POOL_TYPE_TIME, .hour = 7}, 7, "07:00:00"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[POOL__CALENDAR_SIZE];
        assert_int_equal(pool__calendar_text(&cases[i].time, cases[i].decimals, text),
                         strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

/* Whatever is in the struct. */
static void no_time_is_too_long_to_be_written(void **state)
{
    (void)state;
    char text[POOL__CALENDAR_SIZE];
    struct pool_time time = {.type = POOL_TYPE_DATETIME, .negative = true};
    time.year = time.month = time.day = time.hour = UINT32_MAX;
    time.minute = time.second = time.microsecond = UINT32_MAX;
    assert_true(pool__calendar_text(&time, 7, text) < sizeof text);
}

static void days_of_the_calendar_are_known(void **state)
{
    (void)state;
    static const struct {
        unsigned year, month, day;
        bool is_day;
    } cases[] = {{2024, 2, 29, true},  {2023, 2, 29, false}, {2000, 2, 29, true},
                 {1900, 2, 29, false}, {2024, 4, 31, false}, {2024, 12, 31, true},
                 {0, 1, 1, false},     {2024, 0, 1, false},  {2024, 1, 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pool_time time = {.type = POOL_TYPE_DATE,
                                 .year = cases[i].year,
                                 .month = cases[i].month,
                                 .day = cases[i].day};
        assert_int_equal(pool__calendar_is_day(&time), cases[i].is_day);
    }
}

static void only_a_time_has_more_hours_than_a_day(void **state)
{
    (void)state;
    struct pool_time time = {.type = POOL_TYPE_TIME, .hour = 838};
    assert_true(pool__calendar_has_clock(&time));
    time.hour = 839;
    assert_false(pool__calendar_has_hour(&time));
    time.type = POOL_TYPE_DATETIME;
    time.hour = 24;
    assert_false(pool__calendar_has_clock(&time));
    time.hour = 23;
    assert_true(pool__calendar_has_clock(&time));
    time.microsecond = 1000000;
    assert_false(pool__calendar_has_clock(&time));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_as_the_server_writes_them),
        cmocka_unit_test(no_time_is_too_long_to_be_written),
        cmocka_unit_test(days_of_the_calendar_are_known),
        cmocka_unit_test(only_a_time_has_more_hours_than_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
