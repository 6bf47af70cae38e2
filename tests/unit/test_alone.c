/*
 * Which statements let their values stand alone. What follows from it is in
 * test_batch_meaning and test_value_types. No server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "sql/alone.h"

#include <string.h>

static void assert_all(const char *const *statements, size_t count, bool expected)
{
    for (size_t i = 0; i < count; i++)
        if (pool__alone_is(statements[i], strlen(statements[i])) != expected)
            fail_msg("%s: %s", expected ? "stands alone" : "does not stand alone", statements[i]);
}

#define ALL(statements, expected)                                                                  \
    assert_all(statements, sizeof(statements) / sizeof *(statements), expected)

static void values_of_rows_stand_alone(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "INSERT INTO t VALUES (?)",
        "insert into t(a,b)values(?,?)",
        "INSERT INTO t (n, value) VALUES (?, ?)",
        "INSERT INTO value VALUES (?, 1, 'x', NULL, DEFAULT)",
        "INSERT LOW_PRIORITY IGNORE INTO d.t PARTITION (p0) (a) VALUES (?), (?) -- two",
        "INSERT INTO t VALUES (?, NOW(), UUID(), NOW() + INTERVAL 1 DAY) ;",
        "INSERT INTO t VALUES ROW(?, ?)",
        "INSERT INTO `t` (`a`, `b`) VALUE (?, \"?\") RETURNING a",
        "REPLACE t VALUES (?)",
    };
    ALL(statements, true);
}

static void what_a_column_is_set_to_or_compared_with_stands_alone(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "INSERT INTO t SET a = ?, `b` = ?",
        "INSERT t VALUES (?, ?) ON DUPLICATE KEY UPDATE a = ?, b = VALUES(b), c = c + 1",
        "UPDATE t SET d.t.a = ?, b = b + 1 WHERE (a = ? AND t.b = ?) OR c = ? LIMIT 1",
        "DELETE FROM t WHERE a = ? AND b = 2 ORDER BY a",
        "SELECT a FROM t WHERE a = ? AND b = ? LIMIT 3",
        "SELECT 1",
        "UPDATE t SET a = 1",
    };
    ALL(statements, true);
}

static void parts_of_expressions_do_not(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "INSERT INTO t VALUES (? + 1)",
        "INSERT INTO t VALUES (-?)",
        "INSERT INTO t VALUES ((?))",
        "INSERT INTO t VALUES (1 + ?, 2)",
        "INSERT INTO t VALUES (CONCAT(?, 'x'))",
        "INSERT INTO t VALUES (? COLLATE utf8mb4_bin)",
        "INSERT INTO t VALUES (a = ?)",
        "INSERT INTO t SET a = b = ?",
        "INSERT INTO t SET a = 1 AND b = ?",
        "INSERT INTO t SET a = ? IS NULL",
        "INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = IF(a = ?, 1, 2)",
        "INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = IF(b, c = ?, 2)",
        "INSERT INTO t VALUES (?) RETURNING a, ?",
        "INSERT INTO t SELECT ?",
        "UPDATE t SET a = a + ?",
        "UPDATE t SET a = ? WHERE b >= ?",
        "UPDATE t SET a = ? WHERE b <=> ?",
        "UPDATE t SET a = ? WHERE LOWER(b) = ?",
        "UPDATE t SET a = ? WHERE b IN (?, ?)",
        "DELETE FROM t LIMIT ?",
        "SELECT ?",
        "SELECT a FROM t WHERE a LIKE ?",
    };
    ALL(statements, false);
}

static void nor_do_values_beside_what_may_change_from_row_to_row(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "INSERT INTO t VALUES (?, (SELECT MAX(a) FROM u))",
        "INSERT INTO t VALUES (?, ROW_COUNT())",
        "INSERT INTO t VALUES (?, last_insert_id( ))",
        "INSERT INTO t VALUES (?, RAND(3))",
        "INSERT INTO t VALUES (?, own_function(1))",
        "INSERT INTO t VALUES (?, `own_function`(1))",
        "INSERT INTO t VALUES (?, @a)",
        "INSERT INTO t VALUES (?, @a := 1)",
        "INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = (SELECT 1)",
        "INSERT INTO t VALUES (?) /*! RETURNING a */",
        "UPDATE t SET a = ? WHERE b = (SELECT 1)",
    };
    ALL(statements, false);
}

static void other_statements_and_broken_ones_do_not_stand_alone(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const statements[] = {
        "", "CALL p(?)", "SET @a = ?", "WITH w AS (SELECT 1) SELECT ? FROM w", "(SELECT 1)",
        "INSERT INTO t VALUES (?, 'open", "INSERT INTO t VALUES (?, 'it\\'s')",
    };
    /* clang-format on */
    ALL(statements, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_rows_stand_alone),
        cmocka_unit_test(what_a_column_is_set_to_or_compared_with_stands_alone),
        cmocka_unit_test(parts_of_expressions_do_not),
        cmocka_unit_test(nor_do_values_beside_what_may_change_from_row_to_row),
        cmocka_unit_test(other_statements_and_broken_ones_do_not_stand_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
