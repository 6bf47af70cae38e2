/*
 * The same statement prepared and as text: every value has to be the same, as text, as number, as
 * time and in type, because the pool may choose either way by itself. Columns of all types,
 * with and without decimals and ZEROFILL, and what servers compute of them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pools.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int set_up(void **state)
{
    static const char *const init_sql[] = {"SET sql_mode = ''", NULL};
    struct pool_options options = {.connection_limit = 1,
                                   .init_sql = init_sql,
                                   .auth_plugins = "mysql_native_password,caching_sha2_password"};
    *state = pool_of("MYPOOL_URL", options);
    return 0;
}

static int tear_down(void **state)
{
    return pool_end(*state, 5000, NULL) ? 0 : -1;
}

static struct pool_result *query(struct pool *pool, const char *sql, struct pool_args args,
                                 bool as_text, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args, .text = as_text};
    return pool_query_with(pool, &request, err);
}

static void run(struct pool *pool, const char *sql)
{
    struct pool_error err;
    struct pool_result *result = query(pool, sql, POOL_NO_ARGS, true, &err);
    if (!result)
        fail_msg("%s: %s", sql, err.message);
    pool_result_free(result);
}

/* ---- comparing ---- */

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_same_time(const struct pool_time *a, const struct pool_time *b)
{
    return a->type == b->type && a->year == b->year && a->month == b->month && a->day == b->day &&
           a->hour == b->hour && a->minute == b->minute && a->second == b->second &&
           a->microsecond == b->microsecond && a->negative == b->negative;
}

static void check_value(struct pool_result *prepared, struct pool_result *text, unsigned column,
                        const char *what)
{
    struct pool_time a = {.year = 0}, b = {.year = 0};
    const char *p = pool_get_text(prepared, column), *t = pool_get_text(text, column);
    bool p_time = pool_get_time(prepared, column, &a), t_time = pool_get_time(text, column, &b);
    if (pool_column_type(prepared, column) != pool_column_type(text, column))
        fail_msg("%s: %s is %s prepared, %s as text", what, p ? p : "NULL",
                 pool_type_name(pool_column_type(prepared, column)),
                 pool_type_name(pool_column_type(text, column)));
    if (!is_same_text(p, t))
        fail_msg("%s: '%s' prepared, '%s' as text", what, p ? p : "NULL", t ? t : "NULL");
    if (pool_get_double(prepared, column) != pool_get_double(text, column) ||
        pool_get_int(prepared, column) != pool_get_int(text, column) ||
        pool_get_uint(prepared, column) != pool_get_uint(text, column))
        fail_msg("%s: '%s' is %.17g prepared, %.17g as text", what, p,
                 pool_get_double(prepared, column), pool_get_double(text, column));
    if (p_time != t_time || !is_same_time(&a, &b))
        fail_msg("%s: '%s' is a %s prepared, a %s as text", what, p, pool_type_name(a.type),
                 pool_type_name(b.type));
}

/* What POOL_SCAN makes of the first column. */
static void check_scan(struct pool_result *prepared, struct pool_result *text, const char *what)
{
    double d[2] = {0, 0};
    float f[2] = {0, 0};
    int64_t i[2] = {0, 0};
    bool ok[2][3];
    struct pool_result *results[2] = {prepared, text};
    for (int way = 0; way < 2; way++) {
        ok[way][0] = POOL_SCAN(results[way], &d[way]);
        ok[way][1] = POOL_SCAN(results[way], &f[way]);
        ok[way][2] = POOL_SCAN(results[way], &i[way]);
    }
    if (memcmp(ok[0], ok[1], sizeof ok[0]) != 0 || d[0] != d[1] || f[0] != f[1] || i[0] != i[1])
        fail_msg("%s: scanned %.17g %.9g %lld prepared, %.17g %.9g %lld as text", what, d[0],
                 (double)f[0], (long long)i[0], d[1], (double)f[1], (long long)i[1]);
}

static void check_rows(struct pool_result *prepared, struct pool_result *text, const char *what)
{
    const struct pool_result *ends[2] = {prepared, text};
    assert_true(pool_row_count(ends[0]) == pool_row_count(ends[1]) && pool_row_count(ends[0]) > 0);
    for (uint64_t row = 0; row < pool_row_count(ends[0]); row++) {
        pool_rewind(prepared);
        pool_rewind(text);
        for (uint64_t i = 0; i <= row; i++)
            assert_true(pool_next(prepared) && pool_next(text));
        for (unsigned i = 0; i < pool_column_count(prepared); i++)
            check_value(prepared, text, i, what);
        check_scan(prepared, text, what);
    }
}

/* False if the server does not know such a thing. */
static bool compare(struct pool *pool, const char *what, const char *sql, struct pool_args args)
{
    struct pool_error err;
    struct pool_result *text = query(pool, sql, args, true, &err);
    struct pool_result *prepared = text ? query(pool, sql, args, 0, &err) : NULL;
    if (text && !prepared)
        fail_msg("%s: %s", sql, err.message);
    if (text)
        check_rows(prepared, text, what);
    pool_result_free(prepared);
    pool_result_free(text);
    return text != NULL;
}

/* ---- columns ---- */

static const char *const expressions[] = {"v",
                                          "v + 0",
                                          "-v",
                                          "v * 1e0",
                                          "v / 3",
                                          "ABS(v)",
                                          "ROUND(v)",
                                          "ROUND(v, 2)",
                                          "TRUNCATE(v, 1)",
                                          "FLOOR(v)",
                                          "COALESCE(v, v)",
                                          "IFNULL(v, v)",
                                          "IF(1, v, v)",
                                          "CASE WHEN 1 THEN v END",
                                          "NULLIF(v, 99)",
                                          "GREATEST(v, v)",
                                          "(SELECT v)",
                                          "CAST(v AS DECIMAL(20,3))",
                                          "CAST(v AS DOUBLE)",
                                          "CONCAT(v)"};
static const char *const aggregates[] = {
    "MAX(v)", "MIN(v)", "AVG(v)", "SUM(v)", "STDDEV(v)", "COUNT(v)", "GROUP_CONCAT(v ORDER BY id)"};

static void check_type(struct pool *pool, const char *type, const char *const *values, size_t count)
{
    char sql[300], what[300];
    run(pool, "DROP TABLE IF EXISTS both_ways");
    snprintf(sql, sizeof sql, "CREATE TABLE both_ways (id INT AUTO_INCREMENT PRIMARY KEY, v %s)",
             type);
    run(pool, sql);
    for (size_t i = 0; i < count; i++) {
        snprintf(sql, sizeof sql, "INSERT IGNORE INTO both_ways (v) VALUES (%s)", values[i]);
        run(pool, sql);
    }
    for (size_t i = 0; i < COUNT(expressions) + COUNT(aggregates); i++) {
        bool single = i < COUNT(expressions);
        const char *expression = single ? expressions[i] : aggregates[i - COUNT(expressions)];
        snprintf(what, sizeof what, "%s of a %s", expression, type);
        snprintf(sql, sizeof sql, "SELECT %s FROM both_ways%s", expression,
                 single ? " ORDER BY id" : "");
        compare(pool, what, sql, POOL_NO_ARGS);
    }
    snprintf(what, sizeof what, "a UNION of %s", type);
    compare(pool, what, "SELECT v u FROM both_ways UNION SELECT v FROM both_ways ORDER BY 1",
            POOL_NO_ARGS);
    snprintf(what, sizeof what, "a derived table of %s", type);
    compare(pool, what,
            "SELECT v, w FROM (SELECT v, MAX(v) w FROM both_ways GROUP BY v) x ORDER BY 1",
            POOL_NO_ARGS);
}

static void numbers_of_all_types_are_the_same_both_ways(void **state)
{
    static const char *const types[] = {"TINYINT",
                                        "TINYINT ZEROFILL",
                                        "SMALLINT ZEROFILL",
                                        "MEDIUMINT ZEROFILL",
                                        "INT",
                                        "INT ZEROFILL",
                                        "INT(3) ZEROFILL",
                                        "BIGINT",
                                        "BIGINT UNSIGNED",
                                        "BIGINT(30) ZEROFILL",
                                        "DECIMAL(20,5)",
                                        "DECIMAL(20,5) ZEROFILL",
                                        "YEAR",
                                        "BIT(1)",
                                        "BIT(12)",
                                        "BOOL"};
    static const char *const values[] = {"0", "1", "-1", "7", "123", "1.5", "1e9", "NULL"};
    for (size_t i = 0; i < COUNT(types); i++)
        check_type(*state, types[i], values, COUNT(values));
}

/* The first value is -0, of which MySQL makes 000-0 in a ZEROFILL column. */
static void check_reals(struct pool *pool, const char *type, const char *const *values,
                        size_t count)
{
    bool filled = strstr(type, "ZEROFILL");
    check_type(pool, type, values + filled, count - filled);
}

static void doubles_are_the_same_both_ways(void **state)
{
    static const char *const types[] = {"DOUBLE",         "DOUBLE ZEROFILL",
                                        "DOUBLE(10,3)",   "DOUBLE(10,3) ZEROFILL",
                                        "DOUBLE(255,30)", "DOUBLE(20,0)"};
    static const char *const values[] = {"-0e0",
                                         "0",
                                         "1.5",
                                         "-1.5",
                                         "0.1",
                                         "2",
                                         "123.456",
                                         "1e20",
                                         "1e-7",
                                         "-1e-20",
                                         "5e-324",
                                         "1.7976931348623157e308",
                                         "-2.2250738585072014e-308",
                                         "0.1e0 + 0.2e0",
                                         "1e14",
                                         "1e15",
                                         "1e16",
                                         "1e17",
                                         "123456789012345680",
                                         "1234567890123456.5",
                                         "0.00001",
                                         "1e-15",
                                         "1e-16",
                                         "9007199254740993",
                                         "18446744073709551615",
                                         "9223372036854775808",
                                         "99999.9995",
                                         "NULL"};
    for (size_t i = 0; i < COUNT(types); i++)
        check_reals(*state, types[i], values, COUNT(values));
}

/* Of six digits, if the column has no decimals. */
static void floats_are_the_same_both_ways(void **state)
{
    static const char *const types[] = {"FLOAT",         "FLOAT ZEROFILL",
                                        "FLOAT(7,2)",    "FLOAT(7,2) ZEROFILL",
                                        "FLOAT(255,30)", "FLOAT(10,0)"};
    static const char *const values[] = {"-0e0",   "0",    "1.1",   "-1.5",   "0.1",
                                         "123456", "1e10", "1e15",  "1.5e16", "1e-15",
                                         "2e-20",  "1e38", "3e-39", "123.45", "NULL"};
    for (size_t i = 0; i < COUNT(types); i++)
        check_reals(*state, types[i], values, COUNT(values));
}

static void dates_and_times_are_the_same_both_ways(void **state)
{
    static const char *const types[] = {"DATE",        "TIME",           "TIME(3)",
                                        "TIME(6)",     "DATETIME",       "DATETIME(1)",
                                        "DATETIME(6)", "TIMESTAMP NULL", "TIMESTAMP(2) NULL"};
    static const char *const values[] = {"'2024-02-29 12:13:14.123456'",
                                         "'0000-00-00'",
                                         "'00:00:00'",
                                         "'-100:13:14.5'",
                                         "'2024-00-00'",
                                         "'9999-12-31 23:59:59'",
                                         "'838:59:59'",
                                         "NULL"};
    for (size_t i = 0; i < COUNT(types); i++)
        check_type(*state, types[i], values, COUNT(values));
}

static void characters_and_bytes_are_the_same_both_ways(void **state)
{
    static const char *const types[] = {"VARCHAR(40)", "VARBINARY(40)",     "TEXT",
                                        "BLOB",        "ENUM('1','7','x')", "SET('1','7','x')",
                                        "CHAR(3)",     "BINARY(3)"};
    static const char *const values[] = {"'1'", "'7'", "'1.5e3'", "'[1.0]'", "''", "NULL"};
    static const char *const documents[] = {"'1'", "'1.50'", "'[1.0, null]'", "'\"x\"'", "NULL"};
    for (size_t i = 0; i < COUNT(types); i++)
        check_type(*state, types[i], values, COUNT(values));
    check_type(*state, "JSON", documents, COUNT(documents));
}

static void a_geometry_is_the_same_both_ways(void **state)
{
    run(*state, "DROP TABLE IF EXISTS shapes");
    run(*state, "CREATE TABLE shapes (p POINT, g GEOMETRY)");
    run(*state, "INSERT INTO shapes VALUES (ST_GeomFromText('POINT(1 2)'), "
                "ST_GeomFromText('LINESTRING(0 0, 1 1)'))");
    assert_true(compare(*state, "shapes", "SELECT p, g, ST_AsText(p) FROM shapes", POOL_NO_ARGS));
}

/* ---- expressions ---- */

static void what_a_server_computes_is_the_same_both_ways(void **state)
{
    static const char *const list[] = {"1e0",
                                       "1.50e0",
                                       "1e20",
                                       "-1e-20",
                                       "0.1e0 + 0.2e0",
                                       "PI()",
                                       "RAND(1)",
                                       "SQRT(2)",
                                       "EXP(1)",
                                       "1/3",
                                       "1e-7",
                                       "1e15",
                                       "-0e0",
                                       "DEGREES(1)",
                                       "POW(2, 0.5)",
                                       "ROUND(2.5e0)",
                                       "ROUND(1e20, 2)",
                                       "ROUND(1e300, 2)",
                                       "ROUND(1.2345e0, 2)",
                                       "TRUNCATE(1.999e0, 2)",
                                       "LEAST(1, 2.5e0)",
                                       "5 % 2.5e0",
                                       "5 DIV 2",
                                       "CAST(1.1 AS FLOAT)",
                                       "CAST('1e400' AS DOUBLE)",
                                       "TRUE",
                                       "NULL",
                                       "b'101'",
                                       "X'41'",
                                       "1 = 1",
                                       "BIT_COUNT(5)",
                                       "FORMAT(1.5, 3)",
                                       "CAST(2024 AS YEAR)",
                                       "YEAR('2024-01-01')",
                                       "TIMEDIFF('10:00:00', '09:59:59.5')",
                                       "SEC_TO_TIME(1.5)",
                                       "MAKETIME(1, 2, 3.25)",
                                       "ADDTIME(TIME'01:00:00', '02:00:00.25')",
                                       "DATE_ADD(DATE'2024-01-01', INTERVAL 1 HOUR)",
                                       "DATE_ADD('2024-01-01', INTERVAL 1 SECOND)",
                                       "FROM_UNIXTIME(0)",
                                       "FROM_UNIXTIME(0.5)",
                                       "CAST('10:00' AS TIME)",
                                       "CAST('2024-01-01' AS DATE)",
                                       "CAST('2024-01-01' AS DATETIME(2))",
                                       "TIMESTAMP('2024-01-01')",
                                       "LAST_DAY('2024-02-01')",
                                       "STR_TO_DATE('10', '%H')",
                                       "STR_TO_DATE('2024 10.5', '%Y %H.%f')",
                                       "UNIX_TIMESTAMP('2024-01-01 00:00:00.5')",
                                       "JSON_EXTRACT('{\"a\":1.10}', '$.a')",
                                       "JSON_OBJECT('a', 1.5e0)",
                                       "INET_ATON('1.2.3.4')",
                                       "POINT(1, 2)",
                                       "@a := 1.5e0",
                                       "@a"};
    for (size_t i = 0; i < COUNT(list); i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "SELECT %s", list[i]);
        compare(*state, sql, sql, POOL_NO_ARGS);
    }
}

/* A statement of its own for each: MySQL gives a placeholder a type once. */
static void dates_and_times_are_sent_with_one_type(void **state)
{
    struct pool_time date = {.type = POOL_TYPE_DATE, .year = 2024, .month = 2, .day = 29};
    struct pool_time datetime = date,
                     time = {.type = POOL_TYPE_TIME, .hour = 100, .negative = true};
    datetime.type = POOL_TYPE_DATETIME;
    datetime.microsecond = 123456;
    time.microsecond = 500000;
    assert_true(compare(*state, "a DATE", "SELECT ? AS a", POOL_ARGS(pool_time(date))));
    assert_true(compare(*state, "a DATETIME", "SELECT ? AS b", POOL_ARGS(pool_time(datetime))));
    assert_true(compare(*state, "a TIME", "SELECT ? AS c", POOL_ARGS(pool_time(time))));
}

static void doubles_are_sent_as_doubles(void **state)
{
    assert_true(compare(*state, "1.1", "SELECT ? AS a", POOL_ARGS(1.1)));
    assert_true(compare(*state, "1e20", "SELECT ? AS b", POOL_ARGS(1e20)));
    assert_true(compare(*state, "-0.0", "SELECT ? AS c", POOL_ARGS(-0.0)));
    assert_true(compare(*state, "3", "SELECT ? AS d", POOL_ARGS(3.0)));
    assert_true(compare(*state, "1e-300", "SELECT ? * 2 AS e", POOL_ARGS(1e-300)));
}

/* ---- at random ---- */

#define ROWS 500

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void fill_table(struct pool *pool, const char *type, const struct pool_value *values)
{
    char sql[100];
    struct pool_error err;
    run(pool, "DROP TABLE IF EXISTS random_numbers");
    snprintf(sql, sizeof sql,
             "CREATE TABLE random_numbers (id INT AUTO_INCREMENT PRIMARY KEY, v %s)", type);
    run(pool, sql);
    struct pool_result *done =
        pool_batch(pool, "INSERT INTO random_numbers (v) VALUES (?)", values, ROWS, 1, &err);
    if (!done)
        fail_msg("%s", err.message);
    pool_result_free(done);
}

static void doubles_at_random_come_back_both_ways(void **state)
{
    static struct pool_value values[ROWS];
    uint64_t seed = 88172645463325252u;
    struct pool_error err;
    for (size_t i = 0; i < ROWS; i++) {
        double value =
            ldexp((double)(int64_t)next_random(&seed), (int)(next_random(&seed) % 1900) - 1000);
        values[i] = pool_double(value);
    }
    fill_table(*state, "DOUBLE", values);
    for (unsigned as_text = 0; as_text < 2; as_text++) {
        struct pool_result *rows =
            query(*state, "SELECT v FROM random_numbers ORDER BY id", POOL_NO_ARGS, as_text, &err);
        for (size_t i = 0; i < ROWS; i++)
            if (!pool_next(rows) || pool_get_double(rows, 0) != values[i].as.d)
                fail_msg("%a came back as %a", values[i].as.d, pool_get_double(rows, 0));
        pool_result_free(rows);
    }
    compare(*state, "random doubles", "SELECT v, v / 3 FROM random_numbers ORDER BY id LIMIT 50",
            POOL_NO_ARGS);
}

/* A server writes six digits of a FLOAT into a text. */
static void floats_at_random_come_back_prepared_and_with_six_digits_as_text(void **state)
{
    static struct pool_value values[ROWS];
    uint64_t seed = 1181783497276652981u;
    struct pool_error err;
    for (size_t i = 0; i < ROWS; i++)
        values[i] = pool_double((double)ldexpf((float)(int32_t)next_random(&seed),
                                               (int)(next_random(&seed) % 150) - 90));
    fill_table(*state, "FLOAT", values);
    struct pool_result *prepared =
        query(*state, "SELECT v FROM random_numbers ORDER BY id", POOL_NO_ARGS, 0, &err);
    struct pool_result *text =
        query(*state, "SELECT v FROM random_numbers ORDER BY id", POOL_NO_ARGS, true, &err);
    for (size_t i = 0; i < ROWS; i++) {
        float exact = 0;
        char six[30];
        assert_true(pool_next(prepared) && pool_next(text) && POOL_SCAN(prepared, &exact));
        snprintf(six, sizeof six, "%.5e", values[i].as.d);
        if ((double)exact != values[i].as.d || pool_get_double(text, 0) != strtod(six, NULL))
            fail_msg("%a came back as %a and %a", values[i].as.d, (double)exact,
                     pool_get_double(text, 0));
        assert_true(strtof(pool_get_text(prepared, 0), NULL) == exact);
    }
    pool_result_free(prepared);
    pool_result_free(text);
}

/* What docs/queries.md advises. */
static void all_digits_can_be_had_both_ways(void **state)
{
    struct pool_error err;
    run(*state, "DROP TABLE IF EXISTS both_ways");
    run(*state, "CREATE TABLE both_ways (v FLOAT)");
    run(*state, "INSERT INTO both_ways VALUES (16777215)");
    for (unsigned as_text = 0; as_text < 2; as_text++) {
        struct pool_result *row =
            query(*state, "SELECT v + 0e0, PI() + 0e0 FROM both_ways", POOL_NO_ARGS, as_text, &err);
        assert_true(pool_next(row) && pool_get_double(row, 0) == 16777215);
        assert_string_equal(pool_get_text(row, 1), "3.141592653589793");
        pool_result_free(row);
    }
}

/* ---- what decides between the two ways ---- */

static void a_number_of_digits_is_truncated_as_a_number(void **state)
{
    struct pool_error err;
    for (unsigned as_text = 0; as_text < 2; as_text++) {
        struct pool_result *row =
            query(*state, "SELECT 1e20, 2.5e16, '2.5e16', -1e300", POOL_NO_ARGS, as_text, &err);
        assert_true(pool_next(row));
        assert_true(pool_get_int(row, 0) == INT64_MAX && pool_get_int(row, 1) == 25000000000000000);
        assert_true(pool_get_int(row, 2) == 2); /* text, of which a number begins */
        assert_true(pool_get_int(row, 3) == INT64_MIN && pool_get_uint(row, 3) == 0);
        pool_result_free(row);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_of_all_types_are_the_same_both_ways),
        TEST(doubles_are_the_same_both_ways),
        TEST(floats_are_the_same_both_ways),
        TEST(dates_and_times_are_the_same_both_ways),
        TEST(characters_and_bytes_are_the_same_both_ways),
        TEST(a_geometry_is_the_same_both_ways),
        TEST(what_a_server_computes_is_the_same_both_ways),
        TEST(dates_and_times_are_sent_with_one_type),
        TEST(doubles_are_sent_as_doubles),
        TEST(doubles_at_random_come_back_both_ways),
        TEST(floats_at_random_come_back_prepared_and_with_six_digits_as_text),
        TEST(all_digits_can_be_had_both_ways),
        TEST(a_number_of_digits_is_truncated_as_a_number),
    };
    return server_suite_main(argc, argv, tests);
}
