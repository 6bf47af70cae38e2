/*
 * Every column type of the server, prepared and as text: what type it is reported as, and
 * that values at its bounds arrive. And the way back: what a program sends with each kind
 * of pool_value is what the server has.
 *
 * A group of samples is one table with one column per sample, written with literals and
 * read in both modes; what a program sees must not depend on the mode.
 */
#include "mypool.h"

#include <float.h>
#include <locale.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pools.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct sample {
    const char *type;    /* of the column */
    const char *literal; /* what is inserted, in SQL */
    enum pool_type is;
    const char *text; /* what pool_get_text gives */
};

/* ---- pools and rows ---- */

static struct pool *open_pool(const char *const *init_sql)
{
    return pool_of("MYPOOL_URL",
                   (struct pool_options){.connection_limit = 1, .init_sql = init_sql});
}

/* Zero dates are refused by the server's default mode. */
static int set_up(void **state)
{
    static const char *const init_sql[] = {"SET sql_mode = ''", NULL};
    *state = open_pool(init_sql);
    return 0;
}

static int tear_down(void **state)
{
    return pool_end(*state, 5000, NULL) ? 0 : -1;
}

/* At its first row, if it has any. */
static struct pool_result *query(struct pool *pool, const char *sql, struct pool_args args,
                                 bool as_text)
{
    struct pool_error err;
    struct pool_request request = {.sql = sql, .args = args, .text = as_text};
    struct pool_result *result = pool_query_with(pool, &request, &err);
    if (!result)
        fail_msg("%.200s: %s %u %s", sql, pool_code_name(err.code), err.server_errno, err.message);
    pool_next(result);
    return result;
}

static void run(struct pool *pool, const char *sql)
{
    pool_result_free(query(pool, sql, POOL_NO_ARGS, true));
}

static void make_table(struct pool *pool, const struct sample *samples, size_t count)
{
    char create[8000], insert[8000];
    char *c = stpcpy(create, "CREATE OR REPLACE TABLE types (");
    char *v = stpcpy(insert, "INSERT INTO types VALUES (");
    for (size_t i = 0; i < count; i++) {
        c += snprintf(c, 24, "%sc%zu ", i ? ", " : "", i);
        c = stpcpy(stpcpy(c, samples[i].type), " NULL");
        v = stpcpy(stpcpy(v, i ? ", " : ""), samples[i].literal);
    }
    stpcpy(c, ") CHARSET utf8mb4");
    stpcpy(v, ")");
    run(pool, create);
    run(pool, insert);
}

static void check_samples(struct pool *pool, const struct sample *samples, size_t count)
{
    make_table(pool, samples, count);
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row = query(pool, "SELECT * FROM types", POOL_NO_ARGS, mode);
        assert_int_equal(pool_column_count(row), count);
        for (unsigned i = 0; i < count; i++) {
            const struct sample *sample = &samples[i];
            const char *text = pool_get_text(row, i);
            if (pool_column_type(row, i) != sample->is)
                fail_msg("%s is type %d (mode %d)", sample->type, pool_column_type(row, i), mode);
            if (!text != !sample->text || (text && strcmp(text, sample->text) != 0))
                fail_msg("%s %s is '%s' (mode %d)", sample->type, sample->literal, text, mode);
        }
        pool_result_free(row);
    }
}

/* ---- numbers ---- */

static void integers_keep_their_bounds(void **state)
{
    static const struct sample samples[] = {
        {"TINYINT", "-128", POOL_TYPE_INT, "-128"},
        {"TINYINT", "127", POOL_TYPE_INT, "127"},
        {"TINYINT UNSIGNED", "255", POOL_TYPE_UINT, "255"},
        {"SMALLINT", "-32768", POOL_TYPE_INT, "-32768"},
        {"SMALLINT UNSIGNED", "65535", POOL_TYPE_UINT, "65535"},
        {"MEDIUMINT", "-8388608", POOL_TYPE_INT, "-8388608"},
        {"MEDIUMINT", "8388607", POOL_TYPE_INT, "8388607"},
        {"MEDIUMINT UNSIGNED", "16777215", POOL_TYPE_UINT, "16777215"},
        {"INT", "-2147483648", POOL_TYPE_INT, "-2147483648"},
        {"INT UNSIGNED", "4294967295", POOL_TYPE_UINT, "4294967295"},
        {"BIGINT", "-9223372036854775808", POOL_TYPE_INT, "-9223372036854775808"},
        {"BIGINT", "9223372036854775807", POOL_TYPE_INT, "9223372036854775807"},
        {"BIGINT UNSIGNED", "18446744073709551615", POOL_TYPE_UINT, "18446744073709551615"},
        {"BOOLEAN", "TRUE", POOL_TYPE_INT, "1"},
        {"INT", "0", POOL_TYPE_INT, "0"},
        {"INT", "NULL", POOL_TYPE_INT, NULL},
    };
    check_samples(*state, samples, COUNT(samples));
}

static void zerofill_pads_in_both_modes(void **state)
{
    static const struct sample samples[] = {
        {"TINYINT ZEROFILL", "5", POOL_TYPE_UINT, "005"},
        {"SMALLINT(3) ZEROFILL", "5", POOL_TYPE_UINT, "005"},
        {"INT(7) ZEROFILL", "42", POOL_TYPE_UINT, "0000042"},
        {"INT(2) ZEROFILL", "12345", POOL_TYPE_UINT, "12345"},
        {"BIGINT ZEROFILL", "1", POOL_TYPE_UINT, "00000000000000000001"},
        {"DECIMAL(8,2) ZEROFILL", "1.5", POOL_TYPE_DECIMAL, "000001.50"},
    };
    check_samples(*state, samples, COUNT(samples));
}

static void decimals_are_exact(void **state)
{
    static const struct sample samples[] = {
        {"DECIMAL(65,0)", "99999999999999999999999999999999999999999999999999999999999999999",
         POOL_TYPE_DECIMAL, "99999999999999999999999999999999999999999999999999999999999999999"},
        {"DECIMAL(38,38)", "-0.12345678901234567890123456789012345678", POOL_TYPE_DECIMAL,
         "-0.12345678901234567890123456789012345678"},
        {"DECIMAL(10,2)", "-12.5", POOL_TYPE_DECIMAL, "-12.50"},
        {"DECIMAL(10,2) UNSIGNED", "12.5", POOL_TYPE_DECIMAL, "12.50"},
        {"DECIMAL(3)", "0", POOL_TYPE_DECIMAL, "0"},
        {"NUMERIC(5,5)", "0", POOL_TYPE_DECIMAL, "0.00000"},
    };
    check_samples(*state, samples, COUNT(samples));
}

static void bits_are_unsigned_numbers(void **state)
{
    static const struct sample samples[] = {
        {"BIT(1)", "b'0'", POOL_TYPE_UINT, "0"},
        {"BIT(1)", "b'1'", POOL_TYPE_UINT, "1"},
        {"BIT(7)", "b'1100011'", POOL_TYPE_UINT, "99"},
        {"BIT(8)", "0xFF", POOL_TYPE_UINT, "255"},
        {"BIT(9)", "b'100000001'", POOL_TYPE_UINT, "257"},
        {"BIT(33)", "0x1FFFFFFFF", POOL_TYPE_UINT, "8589934591"},
        {"BIT(63)", "0x7FFFFFFFFFFFFFFF", POOL_TYPE_UINT, "9223372036854775807"},
        {"BIT(64)", "0xFFFFFFFFFFFFFFFF", POOL_TYPE_UINT, "18446744073709551615"},
        {"BIT(64)", "NULL", POOL_TYPE_UINT, NULL},
    };
    check_samples(*state, samples, COUNT(samples));
}

static void every_width_of_bit_keeps_its_highest_bit(void **state)
{
    struct sample samples[64];
    char types[64][12], literals[64][24];
    for (unsigned i = 0; i < 64; i++) {
        snprintf(types[i], sizeof types[i], "BIT(%u)", i + 1);
        snprintf(literals[i], sizeof literals[i], "%llu", 1ULL << i);
        samples[i] = (struct sample){types[i], literals[i], POOL_TYPE_UINT, literals[i]};
    }
    check_samples(*state, samples, 64);
}

static void years_have_four_digits(void **state)
{
    static const struct sample samples[] = {
        {"YEAR", "1901", POOL_TYPE_UINT, "1901"},
        {"YEAR", "2155", POOL_TYPE_UINT, "2155"},
        {"YEAR", "0", POOL_TYPE_UINT, "0000"},
        {"YEAR", "NULL", POOL_TYPE_UINT, NULL},
    };
    check_samples(*state, samples, COUNT(samples));
}

static void check_doubles(struct pool *pool, const char *type, const double *values, size_t count,
                          enum pool_type is)
{
    char sql[100];
    snprintf(sql, sizeof sql, "CREATE OR REPLACE TABLE reals (v %s)", type);
    run(pool, sql);
    for (size_t i = 0; i < count; i++) {
        run(pool, "DELETE FROM reals");
        pool_result_free(query(pool, "INSERT INTO reals VALUES (?)", POOL_ARGS(values[i]), i % 2));
        for (int mode = 0; mode < 2; mode++) {
            struct pool_result *row = query(pool, "SELECT v FROM reals", POOL_NO_ARGS, mode);
            assert_int_equal(pool_column_type(row, 0), is);
            if (pool_get_double(row, 0) != values[i])
                fail_msg("%s %.17g is %.17g (mode %d)", type, values[i], pool_get_double(row, 0),
                         mode);
            if (strtod(pool_get_text(row, 0), NULL) != values[i])
                fail_msg("%s %.17g is '%s' (mode %d)", type, values[i], pool_get_text(row, 0),
                         mode);
            pool_result_free(row);
        }
    }
}

static void doubles_are_exact_in_both_modes(void **state)
{
    /* clang-format off */
    static const double values[] = {0,       0.1,      -0.1,     1.0 / 3,  DBL_MAX, -DBL_MAX,
                                    DBL_MIN, 5e-324,   1e22,     1e23,     123456789012345680.0,
                                    1e-7,    0.1 + 0.2, 4.35,    9007199254740993.0};
    /* clang-format on */
    check_doubles(*state, "DOUBLE", values, COUNT(values), POOL_TYPE_DOUBLE);
}

/* As text the server gives six digits. */
static void floats_of_six_digits_arrive_in_both_modes(void **state)
{
    static const double values[] = {0, 0.5, -0.25, 16384, 1e10, 0.0078125, -123456};
    check_doubles(*state, "FLOAT", values, COUNT(values), POOL_TYPE_FLOAT);
}

static void floats_are_exact_when_prepared(void **state)
{
    static const float values[] = {0.1f, 16777215.0f, FLT_MAX, -FLT_MAX, FLT_MIN, 3.1415927f};
    run(*state, "CREATE OR REPLACE TABLE reals (v FLOAT)");
    for (size_t i = 0; i < COUNT(values); i++) {
        run(*state, "DELETE FROM reals");
        pool_result_free(
            query(*state, "INSERT INTO reals VALUES (?)", POOL_ARGS(values[i]), false));
        struct pool_result *row = query(*state, "SELECT v FROM reals", POOL_NO_ARGS, false);
        float value;
        assert_true(POOL_SCAN(row, &value));
        assert_true(value == values[i]);
        assert_true(strtof(pool_get_text(row, 0), NULL) == values[i]);
        pool_result_free(row);
    }
}

static void floats_have_the_same_short_text_in_both_modes(void **state)
{
    static const struct sample samples[] = {
        {"FLOAT", "0.1", POOL_TYPE_FLOAT, "0.1"},
        {"FLOAT", "-2.5", POOL_TYPE_FLOAT, "-2.5"},
        {"FLOAT", "3", POOL_TYPE_FLOAT, "3"},
        {"DOUBLE", "0.1", POOL_TYPE_DOUBLE, "0.1"},
        {"DOUBLE", "-1234.5678", POOL_TYPE_DOUBLE, "-1234.5678"},
        {"DOUBLE", "100", POOL_TYPE_DOUBLE, "100"},
        {"DOUBLE", "NULL", POOL_TYPE_DOUBLE, NULL},
    };
    check_samples(*state, samples, COUNT(samples));
}

/* ---- dates and times ---- */

static void dates_keep_their_bounds_and_zeros(void **state)
{
    static const struct sample samples[] = {
        {"DATE", "'1000-01-01'", POOL_TYPE_DATE, "1000-01-01"},
        {"DATE", "'9999-12-31'", POOL_TYPE_DATE, "9999-12-31"},
        {"DATE", "'2024-02-29'", POOL_TYPE_DATE, "2024-02-29"},
        {"DATE", "'0000-00-00'", POOL_TYPE_DATE, "0000-00-00"},
        {"DATE", "'2024-00-00'", POOL_TYPE_DATE, "2024-00-00"},
        {"DATE", "'2024-05-00'", POOL_TYPE_DATE, "2024-05-00"},
        {"DATE", "NULL", POOL_TYPE_DATE, NULL},
    };
    check_samples(*state, samples, COUNT(samples));
}

static void datetimes_have_their_decimals(void **state)
{
    static const struct sample samples[] = {
        {"DATETIME", "'2024-02-29 23:59:59'", POOL_TYPE_DATETIME, "2024-02-29 23:59:59"},
        {"DATETIME(1)", "'2024-02-29 23:59:59.1'", POOL_TYPE_DATETIME, "2024-02-29 23:59:59.1"},
        {"DATETIME(2)", "'2024-02-29 23:59:59.12'", POOL_TYPE_DATETIME, "2024-02-29 23:59:59.12"},
        {"DATETIME(3)", "'2024-02-29 23:59:59.003'", POOL_TYPE_DATETIME, "2024-02-29 23:59:59.003"},
        {"DATETIME(4)", "'2024-02-29 00:00:00'", POOL_TYPE_DATETIME, "2024-02-29 00:00:00.0000"},
        {"DATETIME(5)", "'2024-02-29 12:00:00'", POOL_TYPE_DATETIME, "2024-02-29 12:00:00.00000"},
        {"DATETIME(6)", "'9999-12-31 23:59:59.999999'", POOL_TYPE_DATETIME,
         "9999-12-31 23:59:59.999999"},
        {"DATETIME", "'2024-02-29 00:00:00'", POOL_TYPE_DATETIME, "2024-02-29 00:00:00"},
        {"DATETIME", "'0000-00-00 00:00:00'", POOL_TYPE_DATETIME, "0000-00-00 00:00:00"},
        {"DATETIME(3)", "'0000-00-00'", POOL_TYPE_DATETIME, "0000-00-00 00:00:00.000"},
        {"DATETIME", "'2024-00-00 10:00:00'", POOL_TYPE_DATETIME, "2024-00-00 10:00:00"},
        {"DATETIME(6)", "NULL", POOL_TYPE_DATETIME, NULL},
    };
    check_samples(*state, samples, COUNT(samples));
}

static void timestamps_have_their_decimals(void **state)
{
    static const struct sample samples[] = {
        {"TIMESTAMP", "'1970-01-02 00:00:01'", POOL_TYPE_DATETIME, "1970-01-02 00:00:01"},
        {"TIMESTAMP(3)", "'2024-02-29 12:34:56.789'", POOL_TYPE_DATETIME,
         "2024-02-29 12:34:56.789"},
        {"TIMESTAMP(6)", "'2038-01-18 00:00:00.000001'", POOL_TYPE_DATETIME,
         "2038-01-18 00:00:00.000001"},
        {"TIMESTAMP", "'0000-00-00 00:00:00'", POOL_TYPE_DATETIME, "0000-00-00 00:00:00"},
        {"TIMESTAMP(6)", "'0000-00-00 00:00:00'", POOL_TYPE_DATETIME, "0000-00-00 00:00:00.000000"},
        {"TIMESTAMP", "NULL", POOL_TYPE_DATETIME, NULL},
    };
    check_samples(*state, samples, COUNT(samples));
}

static void times_may_be_negative_and_long(void **state)
{
    static const struct sample samples[] = {
        {"TIME", "'00:00:00'", POOL_TYPE_TIME, "00:00:00"},
        {"TIME", "'-00:00:01'", POOL_TYPE_TIME, "-00:00:01"},
        {"TIME", "'23:59:59'", POOL_TYPE_TIME, "23:59:59"},
        {"TIME", "'24:00:00'", POOL_TYPE_TIME, "24:00:00"},
        {"TIME", "'838:59:59'", POOL_TYPE_TIME, "838:59:59"},
        {"TIME", "'-838:59:59'", POOL_TYPE_TIME, "-838:59:59"},
        {"TIME(1)", "'-100:00:00.5'", POOL_TYPE_TIME, "-100:00:00.5"},
        {"TIME(3)", "'00:00:00'", POOL_TYPE_TIME, "00:00:00.000"},
        {"TIME(6)", "'-00:00:00.000001'", POOL_TYPE_TIME, "-00:00:00.000001"},
        {"TIME(6)", "'838:59:59.999999'", POOL_TYPE_TIME, "838:59:59.999999"},
        {"TIME(6)", "'-838:59:59.999999'", POOL_TYPE_TIME, "-838:59:59.999999"},
        {"TIME", "NULL", POOL_TYPE_TIME, NULL},
    };
    check_samples(*state, samples, COUNT(samples));
}

/* ---- characters and bytes ---- */

static void characters_are_text(void **state)
{
    static const struct sample samples[] = {
        {"CHAR(10)", "'a '", POOL_TYPE_TEXT, "a"},
        {"CHAR(0)", "''", POOL_TYPE_TEXT, ""},
        {"VARCHAR(10)", "'a '", POOL_TYPE_TEXT, "a "},
        {"VARCHAR(10) CHARACTER SET latin1", "'caf\xc3\xa9'", POOL_TYPE_TEXT, "caf\xc3\xa9"},
        {"VARCHAR(10) CHARACTER SET ucs2", "'caf\xc3\xa9'", POOL_TYPE_TEXT, "caf\xc3\xa9"},
        {"VARCHAR(10) COLLATE utf8mb4_bin", "'\xf0\x9f\x90\xac'", POOL_TYPE_TEXT,
         "\xf0\x9f\x90\xac"},
        {"TINYTEXT", "'tiny'", POOL_TYPE_TEXT, "tiny"},
        {"TEXT", "'text'", POOL_TYPE_TEXT, "text"},
        {"MEDIUMTEXT", "'medium'", POOL_TYPE_TEXT, "medium"},
        {"LONGTEXT", "'long'", POOL_TYPE_TEXT, "long"},
        {"TEXT", "NULL", POOL_TYPE_TEXT, NULL},
        {"ENUM('small','b''ig','')", "'b''ig'", POOL_TYPE_TEXT, "b'ig"},
        {"ENUM('a','b')", "'c'", POOL_TYPE_TEXT, ""},
        {"SET('x','y','z')", "'z,x'", POOL_TYPE_TEXT, "x,z"},
        {"SET('x','y')", "''", POOL_TYPE_TEXT, ""},
        {"JSON", "'{\"a\": [1, null]}'", POOL_TYPE_TEXT, "{\"a\": [1, null]}"},
    };
    check_samples(*state, samples, COUNT(samples));
}

static void addresses_and_uuids_are_text(void **state)
{
    static const struct sample samples[] = {
        {"UUID", "'123e4567-e89b-12d3-a456-426655440000'", POOL_TYPE_TEXT,
         "123e4567-e89b-12d3-a456-426655440000"},
        {"UUID", "NULL", POOL_TYPE_TEXT, NULL},
        {"INET4", "'255.255.255.255'", POOL_TYPE_TEXT, "255.255.255.255"},
        {"INET4", "'0.0.0.0'", POOL_TYPE_TEXT, "0.0.0.0"},
        {"INET6", "'2001:db8::ff00:42:8329'", POOL_TYPE_TEXT, "2001:db8::ff00:42:8329"},
        {"INET6", "'::'", POOL_TYPE_TEXT, "::"},
        {"INET6", "'::ffff:192.0.2.1'", POOL_TYPE_TEXT, "::ffff:192.0.2.1"},
    };
    check_samples(*state, samples, COUNT(samples));
}

static void binary_types_are_bytes(void **state)
{
    static const struct sample samples[] = {
        {"BINARY(3)", "'abc'", POOL_TYPE_BYTES, "abc"},
        {"VARBINARY(10)", "'a '", POOL_TYPE_BYTES, "a "},
        {"TINYBLOB", "'tiny'", POOL_TYPE_BYTES, "tiny"},
        {"BLOB", "''", POOL_TYPE_BYTES, ""},
        {"MEDIUMBLOB", "'medium'", POOL_TYPE_BYTES, "medium"},
        {"LONGBLOB", "'long'", POOL_TYPE_BYTES, "long"},
        {"BLOB", "NULL", POOL_TYPE_BYTES, NULL},
        {"POINT", "NULL", POOL_TYPE_BYTES, NULL},
    };
    check_samples(*state, samples, COUNT(samples));
}

static void a_binary_column_is_padded_with_zero_bytes(void **state)
{
    static const struct sample sample = {"BINARY(4)", "'a'", POOL_TYPE_BYTES, "a"};
    check_samples(*state, &sample, 1);
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row = query(*state, "SELECT c0 FROM types", POOL_NO_ARGS, mode);
        size_t len;
        const void *bytes = pool_get_bytes(row, 0, &len);
        assert_int_equal(len, 4);
        assert_memory_equal(bytes, "a\0\0\0", 4);
        pool_result_free(row);
    }
}

static void a_geometry_is_its_bytes(void **state)
{
    run(*state, "CREATE OR REPLACE TABLE shapes (p POINT, g GEOMETRY)");
    run(*state, "INSERT INTO shapes VALUES (ST_GeomFromText('POINT(1 2)', 7), "
                "ST_GeomFromText('LINESTRING(0 0, 1 1)'))");
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row = query(*state, "SELECT p, g FROM shapes", POOL_NO_ARGS, mode);
        size_t len;
        const unsigned char *bytes = pool_get_bytes(row, 0, &len);
        assert_int_equal(pool_column_type(row, 0), POOL_TYPE_BYTES);
        assert_int_equal(pool_column_type(row, 1), POOL_TYPE_BYTES);
        assert_int_equal(len, 25);
        assert_memory_equal(bytes, "\7\0\0\0\1\1\0\0\0", 9);
        pool_result_free(row);
    }
}

static void check_size(struct pool *pool, const char *type, size_t len)
{
    char sql[100];
    char *data = malloc(len);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)('a' + i % 26);
    snprintf(sql, sizeof sql, "CREATE OR REPLACE TABLE sizes (v %s)", type);
    run(pool, sql);
    pool_result_free(
        query(pool, "INSERT INTO sizes VALUES (?)", POOL_ARGS(pool_bytes(data, len)), false));
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row = query(pool, "SELECT v FROM sizes", POOL_NO_ARGS, mode);
        size_t got;
        const char *back = pool_get_bytes(row, 0, &got);
        assert_int_equal(got, len);
        assert_true(memcmp(back, data, len) == 0);
        assert_int_equal(back[len], '\0');
        pool_result_free(row);
    }
    free(data);
}

static void blobs_and_texts_of_all_sizes_arrive(void **state)
{
    check_size(*state, "VARCHAR(16000)", 16000);
    check_size(*state, "VARBINARY(60000)", 60000);
    check_size(*state, "TINYTEXT", 255);
    check_size(*state, "TINYBLOB", 255);
    check_size(*state, "TEXT", 65535);
    check_size(*state, "BLOB", 65535);
    check_size(*state, "MEDIUMTEXT", 1000000);
    check_size(*state, "MEDIUMBLOB", 1000000);
    check_size(*state, "LONGTEXT", 8000000);
    check_size(*state, "LONGBLOB", 8000000);
}

/* ---- expressions ---- */

struct expression {
    const char *sql;
    enum pool_type is;
    const char *text;
};

static void check_expressions(struct pool *pool, const struct expression *list, size_t count)
{
    char sql[200];
    for (size_t i = 0; i < count; i++)
        for (int mode = 0; mode < 2; mode++) {
            snprintf(sql, sizeof sql, "SELECT %s", list[i].sql);
            struct pool_result *row = query(pool, sql, POOL_NO_ARGS, mode);
            const char *text = pool_get_text(row, 0);
            if (pool_column_type(row, 0) != list[i].is)
                fail_msg("%s is type %d (mode %d)", sql, pool_column_type(row, 0), mode);
            if (!text != !list[i].text || (text && strcmp(text, list[i].text) != 0))
                fail_msg("%s is '%s' (mode %d)", sql, text, mode);
            pool_result_free(row);
        }
}

static void expressions_have_the_types_of_their_values(void **state)
{
    static const struct expression list[] = {
        {"NULL", POOL_TYPE_NULL, NULL},
        {"1", POOL_TYPE_INT, "1"},
        {"1 = 1", POOL_TYPE_INT, "1"},
        {"COUNT(*)", POOL_TYPE_INT, "1"},
        {"18446744073709551615", POOL_TYPE_UINT, "18446744073709551615"},
        {"CAST(-1 AS UNSIGNED)", POOL_TYPE_UINT, "18446744073709551615"},
        {"1.50", POOL_TYPE_DECIMAL, "1.50"},
        {"SUM(1)", POOL_TYPE_DECIMAL, "1"},
        {"1e0", POOL_TYPE_DOUBLE, "1"},
        {"'text'", POOL_TYPE_TEXT, "text"},
        {"X'6162'", POOL_TYPE_BYTES, "ab"},
        {"CAST('ab' AS BINARY)", POOL_TYPE_BYTES, "ab"},
        {"DATE'2024-02-29'", POOL_TYPE_DATE, "2024-02-29"},
        {"TIME'-12:00:00.5'", POOL_TYPE_TIME, "-12:00:00.5"},
        {"TIMESTAMP'2024-02-29 00:00:00'", POOL_TYPE_DATETIME, "2024-02-29 00:00:00"},
        {"CAST('2024-02-29' AS DATETIME(2))", POOL_TYPE_DATETIME, "2024-02-29 00:00:00.00"},
        {"ADDTIME('23:00:00', '02:00:00.25')", POOL_TYPE_TEXT, "25:00:00.250000"},
        {"IF(TRUE, NULL, 5)", POOL_TYPE_INT, NULL},
        {"JSON_OBJECT('a', 1)", POOL_TYPE_TEXT, "{\"a\": 1}"},
    };
    check_expressions(*state, list, COUNT(list));
}

/* ---- values that are sent ---- */

static struct pool_result *there_and_back(struct pool *pool, const char *type,
                                          struct pool_value value, int mode)
{
    char sql[100];
    snprintf(sql, sizeof sql, "CREATE OR REPLACE TABLE sent (v %s)", type);
    run(pool, sql);
    pool_result_free(query(pool, "INSERT INTO sent VALUES (?)", POOL_ARGS(value), mode % 2));
    return query(pool, "SELECT v, v <=> ? FROM sent", POOL_ARGS(value), mode / 2);
}

static void integers_come_back(void **state)
{
    static const int64_t values[] = {0, 1, -1, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < COUNT(values); i++)
        for (int mode = 0; mode < 4; mode++) {
            struct pool_result *row = there_and_back(*state, "BIGINT", pool_int(values[i]), mode);
            assert_true(pool_get_int(row, 0) == values[i]);
            assert_int_equal(pool_get_int(row, 1), 1);
            pool_result_free(row);
        }
}

static void unsigned_integers_come_back(void **state)
{
    static const uint64_t values[] = {0, UINT32_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1,
                                      UINT64_MAX};
    for (size_t i = 0; i < COUNT(values); i++)
        for (int mode = 0; mode < 4; mode++) {
            struct pool_result *row =
                there_and_back(*state, "BIGINT UNSIGNED", pool_uint(values[i]), mode);
            assert_true(pool_get_uint(row, 0) == values[i]);
            assert_int_equal(pool_get_int(row, 1), 1);
            pool_result_free(row);
        }
}

static void decimals_come_back(void **state)
{
    static const char *const values[] = {"0.00000", "-12.50000",
                                         "12345678901234567890123456789012345.12345",
                                         "-99999999999999999999999999999999999.99999"};
    for (size_t i = 0; i < COUNT(values); i++)
        for (int mode = 0; mode < 4; mode++) {
            struct pool_result *row =
                there_and_back(*state, "DECIMAL(40,5)", pool_decimal(values[i]), mode);
            assert_string_equal(pool_get_text(row, 0), values[i]);
            assert_int_equal(pool_get_int(row, 1), 1);
            pool_result_free(row);
        }
}

static void texts_come_back(void **state)
{
    static const char *const values[] = {"",
                                         "plain",
                                         "it's",
                                         "back\\slash",
                                         "\\'; --",
                                         "\x1a\n\r\t",
                                         "\xf0\x9f\x90\xac \xe2\x82\xac",
                                         "100%_",
                                         "trailing "};
    for (size_t i = 0; i < COUNT(values); i++)
        for (int mode = 0; mode < 4; mode++) {
            struct pool_result *row = there_and_back(
                *state, "VARCHAR(50) COLLATE utf8mb4_nopad_bin", pool_text(values[i]), mode);
            assert_string_equal(pool_get_text(row, 0), values[i]);
            assert_int_equal(pool_get_int(row, 1), 1);
            pool_result_free(row);
        }
}

static void all_bytes_come_back(void **state)
{
    unsigned char data[256];
    for (unsigned i = 0; i < 256; i++)
        data[i] = (unsigned char)(255 - i);
    for (int mode = 0; mode < 4; mode++) {
        struct pool_result *row =
            there_and_back(*state, "BLOB", pool_bytes(data, sizeof data), mode);
        size_t len;
        const void *back = pool_get_bytes(row, 0, &len);
        assert_int_equal(len, sizeof data);
        assert_memory_equal(back, data, sizeof data);
        assert_int_equal(pool_get_int(row, 1), 1);
        pool_result_free(row);
    }
}

static void check_time(struct pool *pool, const char *type, struct pool_time time)
{
    for (int mode = 0; mode < 4; mode++) {
        struct pool_time back;
        struct pool_result *row = there_and_back(pool, type, pool_time(time), mode);
        assert_true(pool_get_time(row, 0, &back));
        if (back.type != time.type || back.year != time.year || back.month != time.month ||
            back.day != time.day || back.hour != time.hour || back.minute != time.minute ||
            back.second != time.second || back.microsecond != time.microsecond ||
            back.negative != time.negative)
            fail_msg("%s came back as '%s' (mode %d)", type, pool_get_text(row, 0), mode);
        assert_int_equal(pool_get_int(row, 1), 1);
        pool_result_free(row);
    }
}

static void dates_come_back(void **state)
{
    struct pool_time date = {.type = POOL_TYPE_DATE};
    check_time(*state, "DATE", date);
    date.year = 2024;
    check_time(*state, "DATE", date);
    date.month = 2, date.day = 29;
    check_time(*state, "DATE", date);
    date.year = 9999, date.month = 12, date.day = 31;
    check_time(*state, "DATE", date);
}

static void datetimes_come_back(void **state)
{
    struct pool_time time = {.type = POOL_TYPE_DATETIME, .year = 2024, .month = 2, .day = 29};
    check_time(*state, "DATETIME(6)", time);
    check_time(*state, "DATETIME(6)", (struct pool_time){.type = POOL_TYPE_DATETIME});
    time.microsecond = 1;
    check_time(*state, "DATETIME(6)", time);
    time.hour = 23, time.minute = 59, time.second = 59, time.microsecond = 999999;
    check_time(*state, "DATETIME(6)", time);
    check_time(*state, "TIMESTAMP(6)", time);
    time.microsecond = 0;
    check_time(*state, "DATETIME", time);
}

static void times_come_back(void **state)
{
    struct pool_time time = {.type = POOL_TYPE_TIME};
    check_time(*state, "TIME(6)", time);
    time.microsecond = 1, time.negative = true;
    check_time(*state, "TIME(6)", time);
    time.hour = 23, time.minute = 59, time.second = 59;
    check_time(*state, "TIME(6)", time);
    time.hour = 24;
    check_time(*state, "TIME(6)", time);
    time.hour = 300;
    check_time(*state, "TIME(6)", time);
    time.hour = 838, time.microsecond = 999999;
    check_time(*state, "TIME(6)", time);
    time.negative = false;
    check_time(*state, "TIME(6)", time);
    time.microsecond = 0;
    check_time(*state, "TIME", time);
}

static void nulls_come_back(void **state)
{
    static const char *const types[] = {"INT",  "DOUBLE",  "DECIMAL(5,2)", "VARCHAR(5)", "BLOB",
                                        "DATE", "TIME(6)", "DATETIME",     "BIT(9)",     "JSON"};
    for (size_t i = 0; i < COUNT(types); i++)
        for (int mode = 0; mode < 4; mode++) {
            struct pool_result *row = there_and_back(*state, types[i], pool_null(), mode);
            assert_true(pool_is_null(row, 0));
            assert_null(pool_get_text(row, 0));
            assert_int_equal(pool_get_int(row, 1), 1);
            pool_result_free(row);
        }
}

static void texts_become_other_types(void **state)
{
    static const struct {
        const char *type, *text;
    } samples[] = {
        {"UUID", "123e4567-e89b-12d3-a456-426655440000"},
        {"INET4", "192.0.2.1"},
        {"INET6", "2001:db8::1"},
        {"JSON", "[1,2,{\"a\":\"\\\\\"}]"},
        {"ENUM('a','b')", "b"},
        {"SET('x','y','z')", "x,z"},
        {"INT", "-42"},
        {"DATETIME(3)", "2024-02-29 01:02:03.456"},
    };
    for (size_t i = 0; i < COUNT(samples); i++)
        for (int mode = 0; mode < 4; mode++) {
            struct pool_result *row =
                there_and_back(*state, samples[i].type, pool_text(samples[i].text), mode);
            assert_string_equal(pool_get_text(row, 0), samples[i].text);
            assert_int_equal(pool_get_int(row, 1), 1);
            pool_result_free(row);
        }
}

/* ---- the program's own types ---- */

static void a_row_is_scanned_the_same_in_both_modes(void **state)
{
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row =
            query(*state,
                  "SELECT TRUE, -7, 200, 1.5, 2.25e0, 'x', X'00ff', DATE'2024-02-29', "
                  "CAST(NULL AS SIGNED), CAST(5 AS UNSIGNED)",
                  POOL_NO_ARGS, mode);
        bool yes;
        signed char small;
        unsigned char byte;
        float real;
        double precise;
        const char *text;
        struct pool_bytes bytes;
        struct pool_time date;
        long null = 5;
        unsigned bits;
        assert_true(POOL_SCAN(row, &yes, &small, &byte, &real, &precise, &text, &bytes, &date,
                              &null, &bits));
        assert_true(yes && small == -7 && byte == 200 && real == 1.5f && precise == 2.25);
        assert_string_equal(text, "x");
        assert_int_equal(bytes.len, 2);
        assert_true(date.type == POOL_TYPE_DATE && date.year == 2024 && date.day == 29);
        assert_true(null == 0 && bits == 5);
        pool_result_free(row);
    }
}

static void what_does_not_fit_is_not_scanned(void **state)
{
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row = query(*state, "SELECT 300, -1, 'abc'", POOL_NO_ARGS, mode);
        unsigned char byte = 9;
        signed char small = 9;
        int number = 9;
        unsigned other = 9;
        assert_false(POOL_SCAN(row, &byte));
        assert_false(POOL_SCAN(row, &small));
        assert_false(POOL_SCAN(row, &number, &other));
        assert_false(POOL_SCAN(row, &number, &small, &other));
        assert_true(byte == 9 && small == 9 && number == 9 && other == 9);
        pool_result_free(row);
    }
}

/* A language with a decimal comma, made in the server's folder. */
static void speak_german(void)
{
    char path[512];
    pid_t child;
    int status;
    snprintf(path, sizeof path, "%s/de_DE.UTF-8", getenv("MYPOOL_SERVER_DIR"));
    char *const args[] = {"localedef", "-i", "de_DE", "-f", "UTF-8", path, NULL};
    assert_int_equal(posix_spawnp(&child, args[0], NULL, NULL, args, environ), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(setenv("LOCPATH", getenv("MYPOOL_SERVER_DIR"), 1), 0);
    assert_non_null(setlocale(LC_ALL, "de_DE.UTF-8"));
}

static void numbers_have_a_point_in_every_language(void **state)
{
    speak_german();
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row = query(*state, "SELECT ?, 0.25e0, 1.5", POOL_ARGS(2.5), mode);
        char text[50];
        snprintf(text, sizeof text, "%s %s", pool_get_text(row, 0), pool_get_text(row, 1));
        double sum = pool_get_double(row, 0) + pool_get_double(row, 1) + pool_get_double(row, 2);
        pool_result_free(row);
        if (strcmp(text, "2.5 0.25") != 0 || sum != 4.25)
            fail_msg("%s, sum %g", text, sum);
    }
    setlocale(LC_ALL, "C");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(integers_keep_their_bounds),
        TEST(zerofill_pads_in_both_modes),
        TEST(decimals_are_exact),
        TEST(bits_are_unsigned_numbers),
        TEST(every_width_of_bit_keeps_its_highest_bit),
        TEST(years_have_four_digits),
        TEST(doubles_are_exact_in_both_modes),
        TEST(floats_of_six_digits_arrive_in_both_modes),
        TEST(floats_are_exact_when_prepared),
        TEST(floats_have_the_same_short_text_in_both_modes),
        TEST(dates_keep_their_bounds_and_zeros),
        TEST(datetimes_have_their_decimals),
        TEST(timestamps_have_their_decimals),
        TEST(times_may_be_negative_and_long),
        TEST(characters_are_text),
        TEST(addresses_and_uuids_are_text),
        TEST(binary_types_are_bytes),
        TEST(a_binary_column_is_padded_with_zero_bytes),
        TEST(a_geometry_is_its_bytes),
        TEST(blobs_and_texts_of_all_sizes_arrive),
        TEST(expressions_have_the_types_of_their_values),
        TEST(integers_come_back),
        TEST(unsigned_integers_come_back),
        TEST(decimals_come_back),
        TEST(texts_come_back),
        TEST(all_bytes_come_back),
        TEST(dates_come_back),
        TEST(datetimes_come_back),
        TEST(times_come_back),
        TEST(nulls_come_back),
        TEST(texts_become_other_types),
        TEST(a_row_is_scanned_the_same_in_both_modes),
        TEST(what_does_not_fit_is_not_scanned),
        TEST(numbers_have_a_point_in_every_language),
    };
    return server_suite_main(argc, argv, tests);
}
