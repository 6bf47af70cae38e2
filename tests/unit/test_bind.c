/*
 * Tests of pool/conn/bind.c: what libmariadb is given for each kind of value. No server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "conn/bind.h"

#include <mysql.h>
#include <string.h>

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
        cmocka_unit_test(numbers_are_bound_from_the_store),
        cmocka_unit_test(text_and_bytes_are_bound_where_they_are),
        cmocka_unit_test(times_are_bound_with_days_for_many_hours),
        cmocka_unit_test(values_that_cannot_be_bound_are_refused_by_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
