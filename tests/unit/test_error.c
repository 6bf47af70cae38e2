/*
 * Tests of pool/base/error.c and of the constructors and checks of pool/sql/value.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/error.h"
#include "sql/value.h"

static void a_failure_fills_in_code_and_message_and_clears_the_rest(void **state)
{
    (void)state;
    struct pool_error err;
    memset(&err, 0xAA, sizeof err);
    assert_false(pool__fail(&err, POOL_ERR_CLOSED, "pool '%s' is closed", "shop"));
    assert_int_equal(err.code, POOL_ERR_CLOSED);
    assert_string_equal(err.message, "pool 'shop' is closed");
    assert_int_equal(err.server_errno, 0);
    assert_string_equal(err.sqlstate, "");
    assert_false(err.fatal || err.not_executed || err.retry_transaction);
}

static void a_failure_without_an_error_struct_is_still_a_failure(void **state)
{
    (void)state;
    assert_false(pool__fail(NULL, POOL_ERR_CLOSED, "%d", 1));
    assert_false(pool__fail_copy(NULL, &(struct pool_error){0}));
    pool__ok(NULL);
}

static void a_message_may_quote_the_message_that_it_replaces(void **state)
{
    (void)state;
    struct pool_error err = {0};
    pool__fail(&err, POOL_ERR_CONNECT, "refused");
    pool__fail(&err, POOL_ERR_TIMEOUT, "no connection: %s", err.message);
    assert_string_equal(err.message, "no connection: refused");
}

/* The message is cut at every possible spot of a text of long characters. */
static void a_long_message_is_cut_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"x", "\xC3\xA9", "\xED\x95\x9C", "\xF0\x9F\x8C\x8A"};
    for (size_t c = 0; c < 4; c++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char text[1024];
            memset(text, 'a', shift);
            size_t len = shift;
            for (; len < 900; len += strlen(characters[c]))
                memcpy(text + len, characters[c], strlen(characters[c]));
            text[len] = '\0';
            struct pool_error err;
            pool__fail(&err, POOL_ERR_SERVER, "%s", text);
            size_t kept = strlen(err.message);
            assert_true(kept < sizeof err.message && kept + 4 >= sizeof err.message);
            assert_int_equal(pool__value_utf8_length(err.message, kept), kept);
        }
    }
}

static void success_leaves_no_trace_of_an_earlier_failure(void **state)
{
    (void)state;
    struct pool_error err;
    memset(&err, 0xAA, sizeof err);
    pool__ok(&err);
    assert_int_equal(err.code, POOL_OK);
    assert_int_equal(err.server_errno, 0);
    assert_string_equal(err.sqlstate, "");
    assert_string_equal(err.message, "");
    assert_false(err.fatal || err.not_executed || err.retry_transaction);
}

static void a_copied_failure_is_complete(void **state)
{
    (void)state;
    struct pool_error from = {
        .code = POOL_ERR_SERVER, .server_errno = 1213, .retry_transaction = true};
    strcpy(from.sqlstate, "40001");
    strcpy(from.message, "deadlock");
    struct pool_error to;
    assert_false(pool__fail_copy(&to, &from));
    assert_int_equal(to.server_errno, 1213);
    assert_string_equal(to.sqlstate, "40001");
    assert_string_equal(to.message, "deadlock");
    assert_true(to.retry_transaction);
    assert_false(pool__fail_copy(&to, &to));
}

static void every_code_has_a_name_and_a_text(void **state)
{
    (void)state;
    assert_string_equal(pool_code_name(POOL_OK), "POOL_OK");
    assert_string_equal(pool_code_name(POOL_ERR_QUEUE_LIMIT), "POOL_ENQUEUELIMIT");
    assert_string_equal(pool_code_name(POOL_ERR_UNSUPPORTED), "POOL_UNSUPPORTED");
    assert_string_equal(pool__code_text(POOL_ERR_NOMEM), "out of memory");
    assert_non_null(pool_code_name((enum pool_code)999));
    assert_non_null(pool__code_text((enum pool_code)999));
}

static void a_null_text_is_the_sql_null(void **state)
{
    (void)state;
    assert_int_equal(pool_text(NULL).type, POOL_TYPE_NULL);
    assert_int_equal(pool_text_n(NULL, 3).type, POOL_TYPE_NULL);
    assert_int_equal(pool_decimal(NULL).type, POOL_TYPE_NULL);
    assert_int_equal(pool_bytes(NULL, 0).type, POOL_TYPE_BYTES);
}

static void a_named_value_keeps_its_value(void **state)
{
    (void)state;
    struct pool_value value = pool_named("age", pool_int(30));
    assert_string_equal(value.name, "age");
    assert_int_equal(value.type, POOL_TYPE_INT);
    assert_int_equal(value.as.i, 30);
}

static void valid_values_are_accepted(void **state)
{
    (void)state;
    struct pool_value two[] = {pool_int(1), pool_null()};
    /* clang-format off */
    const struct pool_value values[] = {
        pool_null(), pool_int(INT64_MIN), pool_uint(UINT64_MAX), pool_double(-0.0), pool_text(""),
        pool_bytes(NULL, 0), pool_decimal("0"), pool_decimal("-12.50"), pool_decimal("+.5"),
        pool_decimal("7."), pool_list(two, 2), pool_list(NULL, 0),
        pool_time((struct pool_time){.type = POOL_TYPE_DATE}),
        pool_time((struct pool_time){.type = POOL_TYPE_TIME, .hour = 838, .minute = 59, .negative = true}),
        pool_time((struct pool_time){.type = POOL_TYPE_DATETIME, .year = 9999, .month = 12, .hour = 23}),
    };
    /* clang-format on */
    struct pool_error err = {0};
    if (!pool__value_check_args((struct pool_args){values, sizeof values / sizeof values[0]}, &err))
        fail_msg("%s", err.message);
}

static void invalid_values_are_refused(void **state)
{
    (void)state;
    struct pool_value one = pool_int(1), list = pool_list(&one, 1);
    /* clang-format off */
    const struct pool_value values[] = {
        pool_double(NAN), pool_double(INFINITY), pool_bytes(NULL, 1), pool_decimal(""),
        pool_decimal("."), pool_decimal("1e5"), pool_decimal("1 "), pool_decimal("--1"),
        pool_decimal("0x10"), pool_decimal("1.2.3"), pool_list(NULL, 1), pool_list(&list, 1),
        {.type = POOL_TYPE_FLOAT}, {.type = (enum pool_type)77}, {.type = POOL_TYPE_TEXT, .as.bytes = {NULL, 2}},
        pool_time((struct pool_time){.year = 2024, .month = 1, .day = 1}),
        pool_time((struct pool_time){.type = POOL_TYPE_DATE, .month = 13}),
        pool_time((struct pool_time){.type = POOL_TYPE_DATE, .day = 1, .negative = true}),
        pool_time((struct pool_time){.type = POOL_TYPE_TIME, .hour = 839}),
        pool_time((struct pool_time){.type = POOL_TYPE_DATETIME, .hour = 24}),
        pool_time((struct pool_time){.type = POOL_TYPE_DATETIME, .microsecond = 1000000}),
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct pool_error err = {0};
        if (pool__value_check(&values[i], &err) || err.code != POOL_ERR_INVALID)
            fail_msg("value %zu was accepted", i);
    }
}

static void a_refused_value_is_named(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_value values[] = {pool_int(1), pool_named("price", pool_decimal("x")),
                                  pool_double(NAN)};
    pool__value_check_args((struct pool_args){values, 3}, &err);
    assert_string_equal(err.message, "value ':price' is not a decimal number such as -12.50");
    values[1] = pool_list(values + 2, 1);
    pool__value_check_args((struct pool_args){values, 2}, &err);
    assert_non_null(strstr(err.message, "value 2: number 1 of the list is infinite"));
    assert_false(pool__value_check_args((struct pool_args){NULL, 2}, &err));
}

static void invalid_utf8_is_found_at_its_first_byte(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *text; size_t len, valid; } cases[] = {
        {"", 0, 0}, {"abc", 3, 3}, {"a\xC3\xA9", 3, 3}, {"a\xC3", 2, 1}, {"\x80", 1, 0},
        {"\xC0\x80", 2, 0}, {"\xE0\x80\x80", 3, 0}, {"\xED\xA0\x80", 3, 0}, {"\xED\x9F\xBF", 3, 3},
        {"\xF0\x9F\x8C\x8A", 4, 4}, {"\xF0\x80\x80\x80", 4, 0}, {"\xF4\x90\x80\x80", 4, 0},
        {"\xF5\x80\x80\x80", 4, 0}, {"ab\xE2\x82", 4, 2}, {"\xE2\x82\x28", 3, 0},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(pool__value_utf8_length(cases[i].text, cases[i].len), cases[i].valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_fills_in_code_and_message_and_clears_the_rest),
        cmocka_unit_test(a_failure_without_an_error_struct_is_still_a_failure),
        cmocka_unit_test(a_message_may_quote_the_message_that_it_replaces),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(success_leaves_no_trace_of_an_earlier_failure),
        cmocka_unit_test(a_copied_failure_is_complete),
        cmocka_unit_test(every_code_has_a_name_and_a_text),
        cmocka_unit_test(a_null_text_is_the_sql_null),
        cmocka_unit_test(a_named_value_keeps_its_value),
        cmocka_unit_test(valid_values_are_accepted),
        cmocka_unit_test(invalid_values_are_refused),
        cmocka_unit_test(a_refused_value_is_named),
        cmocka_unit_test(invalid_utf8_is_found_at_its_first_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
