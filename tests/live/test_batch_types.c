/*
 * pool_batch: values of every type arrive, in columns of one type and of several. See batches.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "batches.h"
#include "suite.h"

#include <stdio.h>

/* ---- calls ---- */

static struct pool_result *all_rows(const char *sql)
{
    struct pool_error err;
    struct pool_result *rows = pool_query(f.pool, sql, POOL_NO_ARGS, &err);
    need(rows, &err);
    return rows;
}

static void assert_next_text(struct pool_result *rows, const char *text)
{
    assert_true(pool_next(rows));
    if (text)
        assert_string_equal(pool_get_text(rows, 0), text);
    else
        assert_true(pool_is_null(rows, 0));
}

/* The texts of a column of the table, in the order of its column `n`. */
static void assert_texts(const char *column, const char *const *texts, size_t count)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT %s FROM held ORDER BY n", column);
    struct pool_result *rows = all_rows(sql);
    for (size_t i = 0; i < count; i++)
        assert_next_text(rows, texts[i]);
    assert_false(pool_next(rows));
    pool_result_free(rows);
}

/* Puts the values into a column of that type, numbered. */
static void fill_column(const char *type, const struct pool_value *values, size_t count)
{
    make_pool_of_one(NULL);
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT PRIMARY KEY, v %s)", type);
    struct pool_value *rows = new_pairs(0, count);
    for (size_t i = 0; i < count; i++)
        rows[2 * i + 1] = values[i];
    assert_int_equal(batch(insert, rows, count, 2), count);
    free(rows);
}

/* ---- types ---- */

static struct pool_time time_of(enum pool_type type, unsigned microsecond)
{
    struct pool_time time = {.type = type, .hour = 23, .minute = 59, .second = 58};
    time.microsecond = microsecond;
    if (type != POOL_TYPE_TIME)
        time.year = 2024, time.month = 2, time.day = 29;
    return time;
}

static void integers_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_int(INT64_MIN), pool_null(), pool_int(INT64_MAX)};
    const char *texts[] = {"-9223372036854775808", NULL, "9223372036854775807"};
    fill_column("BIGINT", values, 3);
    assert_texts("v", texts, 3);
}

static void unsigned_integers_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_uint(UINT64_MAX), pool_null(), pool_int(5)};
    const char *texts[] = {"18446744073709551615", NULL, "5"};
    fill_column("BIGINT UNSIGNED", values, 3);
    assert_texts("v", texts, 3);
}

static void doubles_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_double(0.1), pool_null(), pool_double(-1.7e308)};
    const char *texts[] = {"0.1", NULL, "-1.7e308"};
    fill_column("DOUBLE", values, 3);
    assert_texts("v", texts, 3);
}

static void decimals_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_decimal("12345678901234567890.123456789"), pool_null(),
                                  pool_decimal("-.5")};
    const char *texts[] = {"12345678901234567890.123456789", NULL, "-0.500000000"};
    fill_column("DECIMAL(40,9)", values, 3);
    assert_texts("v", texts, 3);
}

static void texts_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_text("안녕 😀 '\\\""), pool_null(), pool_text("")};
    const char *texts[] = {"안녕 😀 '\\\"", NULL, ""};
    fill_column("VARCHAR(40)", values, 3);
    assert_texts("v", texts, 3);
}

static void bytes_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_bytes("\0\xff\x80", 3), pool_bytes(NULL, 0), pool_null()};
    const char *texts[] = {"00FF80", "", NULL};
    fill_column("VARBINARY(40)", values, 3);
    assert_texts("HEX(v)", texts, 3);
}

static void dates_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_time(time_of(POOL_TYPE_DATE, 0)), pool_null()};
    const char *texts[] = {"2024-02-29", NULL};
    fill_column("DATE", values, 2);
    assert_texts("v", texts, 2);
}

static void times_come_back(void **state)
{
    (void)state;
    struct pool_time longest = time_of(POOL_TYPE_TIME, 999999);
    longest.hour = 838;
    longest.negative = true;
    struct pool_value values[] = {pool_time(longest), pool_null(),
                                  pool_time(time_of(POOL_TYPE_TIME, 0))};
    const char *texts[] = {"-838:59:58.999999", NULL, "23:59:58.000000"};
    fill_column("TIME(6)", values, 3);
    assert_texts("v", texts, 3);
}

static void datetimes_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_time(time_of(POOL_TYPE_DATETIME, 1)), pool_null()};
    const char *texts[] = {"2024-02-29 23:59:58.000001", NULL};
    fill_column("DATETIME(6)", values, 2);
    assert_texts("v", texts, 2);
}

static void a_column_of_nulls_is_null(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_null(), pool_null()};
    const char *texts[] = {NULL, NULL};
    fill_column("DATETIME", values, 2);
    assert_texts("v", texts, 2);
}

static void integers_that_no_integer_type_holds_together_stay_exact(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_int(INT64_MIN), pool_uint(UINT64_MAX), pool_int(7)};
    const char *texts[] = {"-9223372036854775808", "18446744073709551615", "7"};
    fill_column("DECIMAL(30)", values, 3);
    assert_texts("v", texts, 3);
}

static void integers_and_doubles_stay_exact_together(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_int(9007199254740993), pool_double(0.1),
                                  pool_decimal("0.3333333333333333333"), pool_double(1e300)};
    const char *texts[] = {"9007199254740993", "0.1", "0.3333333333333333333", "1e300"};
    fill_column("VARCHAR(40)", values, 4);
    assert_texts("v", texts, 4);
}

static void a_double_among_decimals_is_the_same_double(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_double(0.1 + 0.2), pool_int(1), pool_double(1.0 / 3)};
    const char *texts[] = {"1", "1", "1"};
    fill_column("DOUBLE", values, 3);
    assert_texts("n IN (0, 2) AND v IN (0.30000000000000004e0, 0.3333333333333333e0) OR v = 1",
                 texts, 3);
}

static void each_value_among_texts_becomes_its_own_text(void **state)
{
    (void)state;
    /* clang-format off */
    struct pool_value values[] = {
        pool_text("x"),   pool_int(-5),        pool_uint(UINT64_MAX),
        pool_double(2.5), pool_decimal("1.10"), pool_time(time_of(POOL_TYPE_DATE, 0)),
        pool_null(),      pool_time(time_of(POOL_TYPE_TIME, 0)),
        pool_time(time_of(POOL_TYPE_DATETIME, 20))};
    const char *texts[] = {"x",    "-5",       "18446744073709551615",      "2.5", "1.10", "2024-02-29",
                           NULL, "23:59:58", "2024-02-29 23:59:58.000020"};
    /* clang-format on */
    fill_column("VARCHAR(40)", values, 9);
    assert_texts("v", texts, 9);
}

static void bytes_and_text_in_one_column_are_each_what_they_are(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_text("\xc3\xa9"), pool_bytes("\xe9", 1), pool_text("b")};
    const char *texts[] = {"E9", "E9", "62"};
    fill_column("VARCHAR(40) CHARACTER SET latin1", values, 3);
    assert_texts("HEX(v)", texts, 3);
}

static void a_value_of_a_mebibyte_arrives(void **state)
{
    (void)state;
    size_t len = 1 << 20;
    char *big = malloc(len);
    memset(big, 'x', len);
    struct pool_value values[] = {pool_text_n(big, len), pool_text("small"), pool_text_n(big, len)};
    const char *texts[] = {"1048576", "5", "1048576"};
    fill_column("LONGTEXT", values, 3);
    free(big);
    assert_texts("LENGTH(v)", texts, 3);
}

/* ---- columns of several types ---- */

static void fill_mixed(struct pool_value *values, size_t rows, bool (*is_text)(size_t row))
{
    for (size_t i = 0; i < rows; i++)
        values[2 * i + 1] = i % 5 == 4 ? pool_null() : is_text(i) ? pool_text("7") : pool_int(7);
}

/* How many chunks so many rows take. */
static unsigned chunks_of(bool (*is_text)(size_t row))
{
    struct progress progress = {0};
    struct pool_value *values = new_pairs(0, 1000);
    struct pool_batch_request request = pairs_request(values, 1000);
    struct pool_error err;
    fill_mixed(values, 1000, is_text);
    make_pool_of_one(NULL);
    make_pairs_table();
    request.progress = on_progress;
    request.progress_arg = &progress;
    struct pool_result *result = pool_batch_with(f.pool, &request, &err);
    free(values);
    need(result, &err);
    pool_result_free(result);
    assert_sum("SELECT SUM(v) FROM mypool.held", 800 * 7);
    return progress.calls + 1;
}

static bool never(size_t row)
{
    (void)row;
    return false;
}

static bool from_the_middle_on(size_t row)
{
    return row >= 500;
}

static bool in_turn(size_t row)
{
    return row % 2;
}

static void a_column_of_one_type_and_null_goes_in_one_packet(void **state)
{
    (void)state;
    assert_int_equal(chunks_of(never), 1);
}

static void a_packet_ends_where_a_column_changes_its_type(void **state)
{
    (void)state;
    assert_int_equal(chunks_of(from_the_middle_on), 2);
}

static void rows_go_one_by_one_where_types_change_all_the_time(void **state)
{
    (void)state;
    assert_in_range(chunks_of(in_turn), 2, 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_batch, tear_down_batch)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(integers_come_back),
        TEST(unsigned_integers_come_back),
        TEST(doubles_come_back),
        TEST(decimals_come_back),
        TEST(texts_come_back),
        TEST(bytes_come_back),
        TEST(dates_come_back),
        TEST(times_come_back),
        TEST(datetimes_come_back),
        TEST(a_column_of_nulls_is_null),
        TEST(integers_that_no_integer_type_holds_together_stay_exact),
        TEST(integers_and_doubles_stay_exact_together),
        TEST(a_double_among_decimals_is_the_same_double),
        TEST(each_value_among_texts_becomes_its_own_text),
        TEST(bytes_and_text_in_one_column_are_each_what_they_are),
        TEST(a_value_of_a_mebibyte_arrives),
        TEST(a_column_of_one_type_and_null_goes_in_one_packet),
        TEST(a_packet_ends_where_a_column_changes_its_type),
        TEST(rows_go_one_by_one_where_types_change_all_the_time),
    };
    return server_suite_main(argc, argv, tests);
}
