/*
 * The types of earlier values do not stick to a statement: whoever asks gets the answer that
 * a statement of his own would get, also where the server (MySQL) keeps the types of the
 * first execution of a prepared statement.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "meaning.h"
#include "suite.h"

#define TYPES 10

static struct pool *pool;

/* What a value may meet. A statement that writes is followed by a look at `held`. */
static const char *const statements[] = {
    "SELECT ?",
    "SELECT COALESCE(?, 'x')",
    "SELECT COALESCE(?, 1.10)",
    "SELECT CONCAT(?, 'a')",
    "SELECT IF(1, ?, 7)",
    "SELECT ? + 1",
    "SELECT ? / 3",
    "SELECT ? = '1'",
    "SELECT ? IS NULL",
    "SELECT ROUND(?, 1)",
    "SELECT LENGTH(?)",
    "SELECT JSON_OBJECT('a', ?)",
    "SELECT HEX(?)",
    "SELECT CASE ? WHEN 1 THEN 'one' WHEN 'abc' THEN 'abc' ELSE 'other' END",
    "SELECT GREATEST(?, 5)",
    "SELECT CAST(? AS CHAR)",
    "SELECT 'abc' LIKE ?",
    "SELECT GROUP_CONCAT(n) FROM asked WHERE i = ?",
    "SELECT GROUP_CONCAT(n) FROM asked WHERE v = ?",
    "SELECT GROUP_CONCAT(n) FROM asked WHERE d = ?",
    "SELECT GROUP_CONCAT(n) FROM asked WHERE t = ?",
    "SELECT GROUP_CONCAT(n) FROM asked WHERE v > ?",
    "SELECT GROUP_CONCAT(n) FROM asked WHERE v IN ('a', ?)",
    "SELECT GROUP_CONCAT(n) FROM asked WHERE i + ? > 3",
    "SELECT n FROM asked ORDER BY n LIMIT ?",
    "SELECT n, ? FROM asked ORDER BY n LIMIT 2",
    "SELECT COUNT(*) FROM asked GROUP BY ?",
    "SELECT 1 UNION SELECT ?",
    "SELECT SUM(?) FROM asked",
    "INSERT INTO held (n, i) VALUES (1, ?)",
    "INSERT INTO held (n, v) VALUES (1, ?)",
    "INSERT INTO held (n, d) VALUES (1, ?)",
    "INSERT INTO held (n, b) VALUES (1, ?)",
    "INSERT INTO held (n, e) VALUES (1, ?)",
    "INSERT INTO held (n, y) VALUES (1, ?)",
    "INSERT INTO held (n, t) VALUES (1, ?)",
    "INSERT INTO held (n, v) VALUES (1, CONCAT(?, '!'))",
    "INSERT INTO held (n) VALUES (0) ON DUPLICATE KEY UPDATE v = ?",
    "UPDATE held SET b = ? WHERE n = 0",
    "INSERT INTO held (n, v) SELECT 1, ?",
};
#define STATEMENTS (sizeof statements / sizeof statements[0])

static void make_values(struct pool_value *values)
{
    const struct pool_value all[TYPES] = {
        pool_null(),
        pool_int(5),
        pool_uint(7),
        pool_double(2.5),
        pool_decimal("1.10"),
        pool_text("abc"),
        pool_bytes("\xff\x01", 2),
        moment(POOL_TYPE_DATE, 0, false),
        moment(POOL_TYPE_TIME, 0, false),
        moment(POOL_TYPE_DATETIME, 123456, false),
    };
    memcpy(values, all, sizeof all);
}

static void put_answer(struct text *text, const char *sql, const struct pool_value *values,
                       size_t count)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, sql, (struct pool_args){values, count}, &err);
    if (!result && !err.server_errno)
        fail_msg("%s: %s", sql, err.message);
    if (!result) {
        put(text, "error %u", err.server_errno);
        return;
    }
    for (unsigned i = 0; i < pool_column_count(result); i++)
        put(text, "<%d>", (int)pool_column_type(result, i));
    put_rows(text, result);
    pool_result_free(result);
}

/* `mark` makes a statement that nobody has used yet, or one that somebody has. */
static void run_marked(struct text *text, const char *statement, unsigned mark,
                       const struct pool_value *values, size_t count)
{
    char sql[300];
    bool writes = statement[0] != 'S';
    clear(text);
    if (writes) {
        must_run(pool, "DELETE FROM held");
        must_run(pool, "INSERT INTO held (n) VALUES (0)");
    }
    snprintf(sql, sizeof sql, "%s /* %u */", statement, mark);
    put_answer(text, sql, values, count);
    if (writes)
        put_table(text, pool, "SELECT n, i, v, d, b + 0, e, y, t FROM held ORDER BY n");
}

static void make_tables(void)
{
    static const char *const tables[] = {
        "DROP TABLE IF EXISTS asked, held",
        "CREATE TABLE asked (n INT PRIMARY KEY, i INT, v VARCHAR(40), d DECIMAL(10,2), t "
        "DATETIME(6))",
        "INSERT INTO asked VALUES (1, 5, 'abc', 1.10, '2024-02-29 13:04:05.123456'), (2, 7, '5', "
        "5, '2024-02-29'), (3, 0, '2.5', 2.5, NULL), (4, NULL, NULL, NULL, '2025-01-01')",
        "CREATE TABLE held (n INT PRIMARY KEY, i INT, v VARCHAR(60), d DECIMAL(20,3), b BIT(32), "
        "e ENUM('a', 'b', 'abc', '12', '5'), y YEAR, t DATETIME(6)) ENGINE = MyISAM",
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        must_run(pool, tables[i]);
}

/* Of a statement that others may have asked before. */
static void ask_again(const char *statement, unsigned mark, const struct pool_value *value,
                      const struct text *expected)
{
    static struct text text;
    run_marked(&text, statement, mark, value, 1);
    if (strcmp(text.data, expected->data) != 0)
        fail_msg("%s, a value of type %d: %s, not %s", statement, (int)value->type, text.data,
                 expected->data);
}

/* Each type behind each other, and the first one once more. */
static void compare_pairs(const char *statement, unsigned *mark)
{
    static struct text fresh[TYPES];
    struct pool_value values[TYPES];
    make_values(values);
    for (int second = 0; second < TYPES; second++)
        run_marked(&fresh[second], statement, ++*mark, &values[second], 1);
    for (int first = 0; first < TYPES; first++) {
        for (int second = 0; second < TYPES; second++) {
            const int order[] = {first, second, second, first};
            ++*mark;
            for (int i = 0; i < 4; i++)
                ask_again(statement, *mark, &values[order[i]], &fresh[order[i]]);
        }
    }
}

/* Every so many of them. */
static void compare_every(size_t step, const char *options)
{
    unsigned mark = 0;
    pool = pool_of_one(options);
    make_tables();
    for (size_t i = 0; i < STATEMENTS; i += step)
        compare_pairs(statements[i], &mark);
}

static void the_types_of_the_first_caller_do_not_stick(void **state)
{
    (void)state;
    compare_every(1, "");
}

static void nor_do_they_without_room_for_a_second_statement(void **state)
{
    (void)state;
    compare_every(3, "&statementCache=1");
}

static void nor_do_they_without_preparing(void **state)
{
    (void)state;
    compare_every(4, "&prepare=false");
}

/* ---- what is shared nevertheless ---- */

static uint64_t prepares(void)
{
    struct pool_stats stats;
    pool_stats(pool, &stats);
    return stats.prepares;
}

static void insert(int number, struct pool_value v, struct pool_value i)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, "INSERT INTO held (n, v, i) VALUES (?, ?, ?)",
                                            POOL_ARGS(number, v, i), &err);
    if (!result)
        fail_msg("%s", err.message);
    pool_result_free(result);
}

static void null_needs_no_statement_of_its_own_where_values_stand_alone(void **state)
{
    (void)state;
    pool = pool_of_one("");
    make_tables();
    insert(1, pool_text("a"), pool_int(1));
    uint64_t before = prepares();
    insert(2, pool_null(), pool_int(2));
    insert(3, pool_text("b"), pool_null());
    insert(4, pool_null(), pool_null());
    assert_int_equal(prepares(), before);
}

static void types_that_alternate_are_prepared_once_each(void **state)
{
    (void)state;
    static struct text text;
    pool = pool_of_one("");
    uint64_t before = prepares();
    for (int i = 0; i < 20; i++) {
        struct pool_value value = i % 2 ? pool_text("abc") : pool_int(5);
        run_marked(&text, "SELECT CONCAT(?, '')", 0, &value, 1);
        assert_non_null(strstr(text.data, i % 2 ? "(abc)" : "(5)"));
    }
    assert_in_range(prepares() - before, 1, 2);
}

/* More combinations of types than a text may have statements for. */
static void many_combinations_of_types_leave_room_for_others(void **state)
{
    (void)state;
    static struct text text;
    struct pool_value types[TYPES];
    make_values(types);
    pool = pool_of_one("&statementCache=16");
    run_marked(&text, "SELECT 1", 1, NULL, 0);
    for (int i = 0; i < 64; i++) {
        struct pool_value values[] = {types[i % 8], types[i / 8]};
        run_marked(&text, "SELECT COALESCE(?, ?, 'none')", 2, values, 2);
    }
    uint64_t before = prepares();
    run_marked(&text, "SELECT 1", 1, NULL, 0);
    assert_int_equal(prepares(), before);
}

/* The server leaves out the description of the columns, which the first one would have had. */
static void a_first_execution_that_fails_does_not_spoil_the_second(void **state)
{
    (void)state;
    static struct text text;
    struct pool_value number = pool_int(5);
    struct pool_value name = pool_text("a");
    pool = pool_of_one("");
    make_tables();
    run_marked(&text, "SELECT n FROM asked WHERE n < 2 GROUP BY ?", 1, &number, 1);
    run_marked(&text, "SELECT n FROM asked WHERE n < 2 GROUP BY ?", 1, &name, 1);
    assert_non_null(strstr(text.data, "(1)"));
}

static int end(void **state)
{
    (void)state;
    runs(pool, "DROP TABLE IF EXISTS asked, held", NULL);
    pool_end(pool, 1000, NULL);
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(the_types_of_the_first_caller_do_not_stick),
        TEST(nor_do_they_without_room_for_a_second_statement),
        TEST(nor_do_they_without_preparing),
        TEST(null_needs_no_statement_of_its_own_where_values_stand_alone),
        TEST(types_that_alternate_are_prepared_once_each),
        TEST(many_combinations_of_types_leave_room_for_others),
        TEST(a_first_execution_that_fails_does_not_spoil_the_second),
    };
    return server_suite_main(argc, argv, tests);
}
