/*
 * Tests of pool/sql/lexer.c and pool/sql/inspect.c: where placeholders are, what a statement does
 * to its session, and what is refused. No server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "inspected.h"
#include "sql/inspect.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The statement must be refused with a message that contains `part`. */
static void assert_refused(const char *sql, size_t len, const char *part)
{
    struct pool__sql_info info;
    struct pool_error err = {0};
    if (pool__inspect(sql, len, &info, &err))
        fail_msg("accepted: %s", sql);
    assert_int_equal(err.code, POOL_ERR_INVALID);
    if (!strstr(err.message, part))
        fail_msg("%s: %s", sql, err.message);
}

static void assert_class(const char *const *statements, size_t count, enum pool__sql_class class_)
{
    for (size_t i = 0; i < count; i++)
        if (inspect(statements[i]).class_ != class_)
            fail_msg("wrong class: %s", statements[i]);
}

static void placeholders_are_counted_outside_quotes_and_comments(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *sql; unsigned count; } cases[] = {
        {"SELECT 1", 0}, {"SELECT ?", 1}, {"SELECT ?,?,?", 3}, {"SELECT '?', \"?\", `?`, ?", 1},
        {"SELECT 'a''?', ?", 1}, {"SELECT \"a\"\"?\", ?", 1}, {"SELECT `a``?`, ?", 1},
        {"SELECT 1 -- ?\n, ?", 1}, {"SELECT 1 --\t?", 0}, {"SELECT 1 --", 0}, {"SELECT 5--?", 1},
        {"SELECT 1 # ' ?\n, ?", 1}, {"SELECT /* ' ? */ ?", 1}, {"SELECT /**/ ?", 1},
        {"SELECT /* /* */ ?", 1}, {"SELECT 'a\\\\', ?", 1}, {"SELECT '\\n%\\%', ?", 1},
        {"SELECT ?, 'it\\'s ?'", 1}, {"SELECT /*!50000 ?, */ ?", 2}, {"SELECT /*M!100100 ? */", 1},
        {"SELECT @`a?`, @'b?', ?", 1}, {"SELECT '\"?', \"'?\", ?", 1}, {"SELECT '', ?, ''", 1},
        {"SELECT '한국?', ?", 1},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++)
        if (inspect(cases[i].sql).placeholders != cases[i].count || inspect(cases[i].sql).named)
            fail_msg("%s", cases[i].sql);
}

static void named_placeholders_are_told_from_other_colons(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        unsigned count;
    } cases[] = {
        {"SELECT :a", 1},
        {":a", 1},
        {"SELECT (:a_1+:b)", 2},
        {"SELECT :a,:a", 2},
        {"SELECT :이름", 1},
        {"SELECT ':a'", 0},
        {"SELECT @a:=1", 0},
        {"SELECT @a:=:b", 1},
        {"SELECT a::b", 0},
        {"lbl:LOOP", 0},
        {"SELECT @:x", 0},
        {"SELECT 1:a", 0},
        {"SELECT :1", 0},
        {"`l`:LOOP", 0},
        {"SELECT '12:30:00', :a", 1},
        {"SELECT /*:b*/ :a", 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pool__sql_info info = inspect(cases[i].sql);
        if (info.placeholders != cases[i].count || info.named != (cases[i].count > 0))
            fail_msg("%s", cases[i].sql);
    }
}

static void broken_statements_are_refused_with_their_place(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *sql, *part; } cases[] = {
        {"", "empty"}, {" \n\t", "empty"}, {"-- x", "empty"}, {"/* x */ # y", "empty"}, {";", "empty"},
        {"SELECT 'a", "string that starts at byte 7 has no closing '"},
        {"SELECT \"a", "string that starts at byte 7 has no closing \""},
        {"SELECT `a", "identifier that starts at byte 7 has no closing `"},
        {"SELECT 'a''", "byte 7"}, {"SELECT 'a\\", "byte 7"}, {"SELECT 'a\\' \"b", "byte 7"},
        {"SELECT 1 /* a", "comment that starts at byte 9 has no end"}, {"SELECT 1 /*/", "byte 9"},
        {"SELECT 1 /*! a", "comment that starts at byte 9 has no end"},
        {"SELECT 1 /*M!1 a", "byte 9"},
        {"SELECT ?, :a", "both ? and :name placeholders (at byte 10)"},
        {"SELECT :a, ?", "both ? and :name"},
        {"SELECT '\xFF'", "not valid UTF-8 at byte 8"}, {"SELECT \xC3(", "byte 7"},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_refused(cases[i].sql, strlen(cases[i].sql), cases[i].part);
    assert_refused(NULL, 0, "no statement");
}

static void a_nul_byte_is_refused_even_in_a_string(void **state)
{
    (void)state;
    assert_refused("SELECT 'a\0b'", 12, "NUL at byte 9");
    assert_refused("SELECT 1\0", 9, "NUL at byte 8");
}

static void no_more_placeholders_are_taken_than_the_protocol_can_count(void **state)
{
    (void)state;
    char *sql = malloc(65536 * 2 + 1);
    for (size_t i = 0; i < 65536; i++)
        memcpy(sql + 2 * i, "?,", 3);
    struct pool__sql_info info;
    assert_true(pool__inspect(sql, 65535 * 2, &info, NULL));
    assert_int_equal(info.placeholders, 65535);
    assert_refused(sql, 65536 * 2, "more than 65535 placeholders");
    free(sql);
}

static void placeholders_that_servers_may_read_differently_are_refused(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "/*!50000 '*/' */ SELECT ?", "/*! -- */ \n */ SELECT ?", "/*! /* x */ */ SELECT ?",
        "/*! # */ \n */ SELECT ?",   "/*! `/*` */ SELECT ?",     "/*! /*! */ ? */",
        "SELECT $$, ?, $$",          "SELECT $a$ ? $a$",
    };
    for (size_t i = 0; i < COUNT(statements); i++)
        assert_refused(statements[i], strlen(statements[i]), "pass such text as a value");
}

static void doubtful_statements_without_later_placeholders_are_accepted_as_other(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "/*! '*/' */ SELECT 1",           "SELECT ?, $a$",
        "SELECT 'x\\', @a:=1, \\'z'",     "SELECT 'x\\', GET_LOCK(1, 2), \\'z'",
        "SELECT \"x\\\", @a:=1, \\\"z\"",
    };
    assert_class(statements, COUNT(statements), POOL__SQL_OTHER);
    assert_false(inspect("SELECT 'x\\', @a:=1, \\'z'").read_only);
}

/* In the one way, in the other, or in both; where it breaks off it cannot do anything. */
static void a_backslash_before_a_quote_is_read_in_all_ways(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const plain[] = {
        "SELECT 'it\\'s'", "SELECT ?, 'it\\'s ?'", "SELECT \"\\\"\"", "SELECT 'it\\'s', ?",
        "SELECT 'C:\\', ?", "SELECT \"C:\\\", ?", "SELECT 'a\\'?', 'b\\'c', ?",
        "SELECT '\\\\\\'', ?",
    };
    /* clang-format on */
    assert_class(plain, COUNT(plain), POOL__SQL_PLAIN);
    assert_true(inspect("SELECT 'it\\'s'").read_only);
    assert_true(inspect("SELECT 'it\\'s'").escaped_quote);
    assert_false(inspect("SELECT 'a\\\\', '\\\"', \"\\'\"").escaped_quote);
    static const char *const other[] = {
        "SELECT 'a\\'; SET @a = 1; 'b'",
        "SELECT 'a\\'; SET @a = 1; SELECT 'b",
    };
    assert_class(other, COUNT(other), POOL__SQL_OTHER);
}

static void the_count_of_placeholders_is_uncertain_if_readings_differ(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *sql; unsigned one, two, other; bool uncertain; } cases[] = {
        {"SELECT 'it\\'s', ?", 1, 1, 2, false}, {"SELECT 'C:\\', ?", 1, 1, 0, false},
        {"SELECT 'a\\'?', 'b\\'c', ?", 1, 2, 3, true},
        {"SELECT \"a\\\"?\", \"b\\\"c\", ?", 1, 2, 0, true},
        {"SELECT 'a\\'b', 'b\\'c', ?", 1, 1, 2, false},
        {"SELECT /*!50000 ?, */ ?", 2, 2, 1, true}, {"SELECT /*!50000 1, */ ?", 1, 1, 2, false},
        {"SELECT ?, ?", 2, 2, 1, false}, {"SELECT 1 /*! '*/ ? /*' */", 0, 0, 1, true},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pool__sql_info info = inspect(cases[i].sql);
        if (!pool__inspect_takes(&info, cases[i].one) ||
            !pool__inspect_takes(&info, cases[i].two) ||
            pool__inspect_takes(&info, cases[i].other) || info.uncertain != cases[i].uncertain ||
            info.placeholders != cases[i].two)
            fail_msg("%s", cases[i].sql);
    }
}

static void plain_statements_are_recognised(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const statements[] = {
        "SELECT 1", "select 1;", " /* c */ -- d\n SELECT 1 ; -- e", "(SELECT 1) UNION (SELECT 2)",
        "((SELECT 1))", "INSERT INTO t VALUES (?)", "insert into t select * from u",
        "UPDATE t SET a = 1", "DELETE FROM t", "REPLACE INTO t VALUES (1)", "VALUES (1),(2)",
        "WITH a AS (SELECT 1) SELECT * FROM a", "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT 1 INTO DUMPFILE '/tmp/x'", "SELECT LAST_INSERT_ID()", "SELECT LAST_INSERT_ID ( )",
        "SELECT @@autocommit, @a", "SELECT SLEEP(1)", "SELECT MASTER_GTID_WAIT('0-1-1')",
        "SELECT ':=', ';', 'INTO @a'", "SELECT 1 FOR UPDATE", "SELECT next, value FROM t",
        "SELECT PREVIOUS VALUE FOR s", "SELECT last_insert_id FROM t", "SELECT/**/1",
    };
    /* clang-format on */
    assert_class(statements, COUNT(statements), POOL__SQL_PLAIN);
}

static void statements_that_may_touch_the_session_are_other(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const statements[] = {
        "SET @a = 1", "SELECT @a := 1", "SELECT @a:=1", "SELECT 1 INTO @a", "SELECT 1 INTO/**/@a",
        "SELECT 1 INTO a", "SELECT get_lock('a', 1)", "SELECT GET_LOCK ('a', 1)",
        "SELECT `get_lock`('a', 1)", "SELECT \"Get_Lock\"('a', 1)", "DO RELEASE_LOCK('a')",
        "SELECT RELEASE_LOCK('a')", "SELECT RELEASE_ALL_LOCKS()", "SELECT NEXTVAL(s)",
        "SELECT SETVAL(s, 1)", "SELECT NEXT VALUE FOR s", "INSERT INTO t VALUES (NEXT VALUE FOR s)",
        "UPDATE t SET a = LAST_INSERT_ID(a + 1)", "SELECT LAST_INSERT_ID(?)",
        "SELECT `last_insert_id`(5)", "SELECT SQL_CALC_FOUND_ROWS 1", "SELECT /*! 1 */",
        "SELECT 1 /*M! + 1 */", "SELECT 1; SELECT 2", "SELECT 1;;SELECT 2", "; SELECT 1",
        "SET STATEMENT max_statement_time=1 FOR SELECT 1", "LOCK TABLES t READ", "UNLOCK TABLES",
        "SET TRANSACTION READ ONLY", "USE x", "CALL p()", "CREATE TEMPORARY TABLE t (a int)",
        "SHOW TABLES", "EXPLAIN SELECT 1", "(INSERT INTO t VALUES (1))", "`SELECT` 1", "'SELECT'",
        "SELECTED", "SEL", "XA START 'a'", "PREPARE s FROM 'SELECT 1'", "HANDLER t OPEN", "(",
    };
    /* clang-format on */
    assert_class(statements, COUNT(statements), POOL__SQL_OTHER);
}

static void calls_of_built_in_functions_are_plain(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "SELECT ABS(1), abs (1), Abs/**/(1), YEARWEEK(d), ST_Y(p), st_astext(POINT(1, 2))",
        "SELECT COUNT(*), count(DISTINCT a), SUM(a+(b)), GROUP_CONCAT(a ORDER BY (b) SEPARATOR "
        "',')",
        "SELECT NOW(6), CURRENT_TIMESTAMP(), DATE_ADD(NOW(), INTERVAL (1) DAY), UTC_DATE()",
        "SELECT IF(a, LEFT(b, 1), REPLACE(c, 'x', 'y')), INSERT(a, 1, 2, 'z'), MOD(7, 2), CHAR(65)",
        "SELECT CAST(a AS CHAR(10)), CAST(a AS DECIMAL(10,2)), CAST(a AS DATETIME(6)), BINARY(a)",
        "SELECT CONVERT(a, DECIMAL(3)), CONVERT(a USING utf8mb4), a COLLATE utf8mb4_bin",
        "SELECT JSON_EXTRACT(a, '$.b'), JSON_ARRAYAGG(a), REGEXP_REPLACE(a, 'b', 'c'), UUID()",
        "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b), RANK() OVER w FROM t WINDOW w AS "
        "(ORDER BY c)",
        "SELECT 1 WHERE (a) AND (b) OR (c) XOR (d) AND NOT (e) AND a IN (1) AND b NOT IN (2)",
        "SELECT 1 FROM t WHERE a = ANY (SELECT 1) OR b > ALL (SELECT 2) OR EXISTS (SELECT 3)",
        "SELECT CASE WHEN (a) THEN (b) ELSE (c) END FROM (t) JOIN (u) USING (a) GROUP BY (a) "
        "HAVING (b)",
        "SELECT * FROM t USE INDEX (a) IGNORE KEY FOR ORDER BY (b) FORCE INDEX FOR JOIN (c)",
        "SELECT * FROM t PARTITION (p0, p1) WHERE ROW(a, b) = (1, 2) AND a LIKE ('x') AND b DIV "
        "(2)",
        "SELECT * FROM t, LATERAL (SELECT f FROM u) AS v WHERE 'x' MEMBER OF (t.a)",
        "SELECT MATCH (a, b) AGAINST ('c' IN BOOLEAN MODE) FROM t",
        "SELECT 1 UNION (SELECT 2)",
        "SELECT 1 UNION ALL (SELECT 2) EXCEPT (SELECT 3) INTERSECT (SELECT 4)",
        "VALUES ROW(1, 2), ROW(3, 4)",
        "SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY a) OVER ()",
    };
    assert_class(statements, COUNT(statements), POOL__SQL_PLAIN);
}

static void lists_of_columns_are_no_calls(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const statements[] = {
        "INSERT INTO t (a, b) VALUES (?, ?)", "insert into db.t(a) value (1)", "INSERT t(a) VALUES (1)",
        "INSERT IGNORE INTO `db` . `t` (a) SELECT 1", "INSERT IGNORE t (a) VALUES (1)",
        "INSERT INTO \"t\" (\"a\") VALUES (1)", "REPLACE INTO t(a) VALUES (1)", "REPLACE t (a) VALUES (1)",
        "INSERT LOW_PRIORITY `t`(a) VALUES (1)", "INSERT INTO t PARTITION (p0) (a) VALUES (1)",
        "INSERT INTO t () VALUES ()", "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a) + 1",
        "INSERT INTO t (a) VALUES (1) AS new(b) ON DUPLICATE KEY UPDATE a = b",
        "INSERT INTO t(a) WITH x(a) AS (SELECT 1) SELECT a FROM x", "WITH x (a) AS (SELECT 1) SELECT 1",
        "WITH RECURSIVE x(a) AS (SELECT 1 UNION SELECT a+1 FROM x), y (b, c) AS (SELECT 2, ABS(3)), `z`(d)"
        " AS (SELECT 1) SELECT * FROM x, y", "WITH x AS (SELECT 1), y(b) AS (SELECT 2) (SELECT 1)",
        "SELECT * FROM (SELECT 1, 2) AS d (a, b)", "SELECT * FROM (SELECT 1) `d` (a)",
        "SELECT * FROM t AS x (a)", "SELECT * FROM (VALUES (1), (2)) d(a)",
        "SELECT * FROM JSON_TABLE(?, '$[*]' COLUMNS(a INT PATH '$.a', b VARCHAR(10) PATH '$.b', c DECIMAL(4,2)"
        " PATH '$.c', NESTED PATH '$.d[*]' COLUMNS (e CHAR(3) PATH '$'))) AS j",
    };
    /* clang-format on */
    assert_class(statements, COUNT(statements), POOL__SQL_PLAIN);
}

/* What is called may be a stored function, which may take a lock. */
static void calls_of_unknown_functions_are_other(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const statements[] = {
        "SELECT my_function(1)", "SELECT my_function (1)", "SELECT my_function/**/()", "SELECT 1, f(1)",
        "SELECT `f`(1)", "SELECT `abs`(1)", "SELECT \"f\"(1)", "SELECT db.f(1)", "SELECT db . `f` (1)",
        "SELECT db.abs(1)", "SELECT `db`.count(1)", "SELECT .f(1)", "SELECT `in`(1)", "SELECT db.in(1)",
        "SELECT count (1)", "SELECT now/**/()", "SELECT absx(1)", "SELECT ab(1)", "SELECT abs_(1)",
        "SELECT a(1)", "SELECT zz(1)", "SELECT _(1)", "SELECT 1f(2)", "SELECT \xED\x95\x9C(1)",
        "SELECT f((SELECT 1))", "SELECT ABS(f(1))", "SELECT (f(1))", "SELECT -f(1)", "SELECT DISTINCT f(1)",
        "SELECT 1 WHERE f(1)", "SELECT 1 ORDER BY f(1)", "SELECT 1 FROM t GROUP BY a, f(1)",
        "SELECT CASE f(1) WHEN f(2) THEN 1 END", "SELECT a AS b, f(1) AS c FROM t AS d",
        "SELECT * FROM t JOIN u ON f(t.a)", "SELECT * FROM t AS x (a) WHERE f(a)",
        "INSERT INTO t VALUES (f(1))", "INSERT INTO t (a) VALUES (1), (f(2))", "INSERT INTO t SET a = f(1)",
        "INSERT INTO t (a) SELECT HIGH_PRIORITY f(1)", "REPLACE INTO t (a) SELECT db.f(1)",
        "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = f(a)", "DELETE FROM t WHERE f(a)",
        "DELETE FROM t RETURNING f(a)", "UPDATE t SET a = f(1)", "UPDATE t SET a = 1, b = f(1) LIMIT 1",
        "WITH x(a) AS (SELECT f(1)) SELECT 1", "WITH x(a) AS (SELECT 1), y(b) AS (SELECT 1, f(2)) SELECT 1",
        "WITH x(a) AS (SELECT 1) SELECT 1, f(1)", "WITH x AS (SELECT 1) (SELECT 1) ORDER BY 1, f(1)",
        "WITH x AS (SELECT 1) CYCLE a RESTRICT (SELECT 1) ORDER BY 1, f(1)",
        "WITH x AS (SELECT 1) UPDATE t SET a = 1, b = f(1)", "VALUES (1), (f(2))",
        "SELECT RANK() OVER (ORDER BY a, f(b))", "SELECT 1 LIKE 'a' ESCAPE f(1)", "SELECT escape(1)",
        "SELECT lateral(1)", "SELECT of(1)", "SELECT columns(1)", "SELECT datetime(1)", "SELECT offset(1)",
        "SELECT * FROM t FOR SYSTEM_TIME AS OF f(1)", "SELECT * FROM t PROCEDURE f(1)",
        "SELECT * FROM JSON_TABLE(f(1), '$' COLUMNS(a INT PATH '$')) AS j",
    };
    /* clang-format on */
    assert_class(statements, COUNT(statements), POOL__SQL_OTHER);
}

static void transaction_statements_are_recognised(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const statements[] = {
        "BEGIN", "begin work;", "START TRANSACTION", "START TRANSACTION READ ONLY",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", "COMMIT", "COMMIT WORK",
        "ROLLBACK", "ROLLBACK WORK ;", "ROLLBACK TO a", "ROLLBACK TO SAVEPOINT a",
        "ROLLBACK WORK TO SAVEPOINT `a b`", "ROLLBACK WORK TO a", "SAVEPOINT a",
        "RELEASE SAVEPOINT a", "/* x */ COMMIT -- y",
    };
    /* clang-format on */
    assert_class(statements, COUNT(statements), POOL__SQL_TRANSACTION);
}

static void near_transactions_are_other(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const statements[] = {
        "COMMIT AND CHAIN", "COMMIT RELEASE", "COMMIT WORK AND CHAIN", "ROLLBACK AND CHAIN",
        "ROLLBACK RELEASE", "ROLLBACK TO SAVEPOINT a b", "BEGIN NOT ATOMIC SELECT 1; END",
        "BEGIN; COMMIT", "COMMIT; SELECT 1", "START SLAVE", "SAVEPOINT", "RELEASE LOCK a",
        "START", "BEGIN /*! WORK */", "START TRANSACTION; SET @a = 1",
    };
    /* clang-format on */
    assert_class(statements, COUNT(statements), POOL__SQL_OTHER);
}

static void several_statements_are_told_from_one_with_a_body(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *sql; bool multiple; } cases[] = {
        {"SELECT 1;", false}, {"SELECT 1; -- x", false}, {"SELECT ';'", false},
        {"SELECT 1; SELECT 2", true}, {"SET @a=1; SELECT @a;", true}, {"CREATE TABLE t (a int); DROP TABLE t", true},
        {"CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END", false},
        {"CREATE OR REPLACE DEFINER=a@b FUNCTION f() RETURNS int BEGIN RETURN 1; END", false},
        {"CREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW BEGIN SET @a=1; END", false},
        {"ALTER EVENT e DO BEGIN SELECT 1; END", false}, {"BEGIN NOT ATOMIC SELECT 1; END", false},
        {"IF 1 THEN SELECT 1; END IF", false}, {"l: LOOP LEAVE l; END LOOP", false},
        {"BEGIN; SELECT 1; COMMIT", true},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++)
        if (inspect(cases[i].sql).multiple != cases[i].multiple)
            fail_msg("%s", cases[i].sql);
}

static void only_selects_without_locks_and_files_are_read_only(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *sql; bool read_only; } cases[] = {
        {"SELECT 1", true}, {"(SELECT 1)", true}, {"VALUES (1)", true}, {"SELECT 'FOR UPDATE'", true},
        {"SELECT * FROM t USE INDEX FOR JOIN (a)", true}, {"SELECT 1 FOR UPDATE", false},
        {"select 1 for  /**/ update", false}, {"SELECT 1 FOR SHARE", false},
        {"SELECT 1 LOCK IN SHARE MODE", false}, {"SELECT 1 INTO OUTFILE 'a'", false},
        {"SELECT @a:=1", false}, {"INSERT INTO t VALUES (1)", false}, {"COMMIT", false},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++)
        if (inspect(cases[i].sql).read_only != cases[i].read_only)
            fail_msg("%s", cases[i].sql);
}

static void what_ends_or_begins_a_transaction_is_told(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *sql; enum pool__sql_turn turn; } cases[] = {
        {"BEGIN", POOL__SQL_TURN_BEGIN}, {"begin work", POOL__SQL_TURN_BEGIN},
        {"/* hint */ START TRANSACTION READ ONLY", POOL__SQL_TURN_BEGIN},
        {"COMMIT", POOL__SQL_TURN_COMMIT}, {"COMMIT AND CHAIN", POOL__SQL_TURN_COMMIT},
        {"ROLLBACK", POOL__SQL_TURN_ROLLBACK}, {"ROLLBACK WORK AND NO CHAIN", POOL__SQL_TURN_ROLLBACK},
        {"ROLLBACK TO s", POOL__SQL_TURN_NONE}, {"ROLLBACK WORK TO SAVEPOINT s", POOL__SQL_TURN_NONE},
        {"SAVEPOINT s", POOL__SQL_TURN_NONE}, {"START SLAVE", POOL__SQL_TURN_NONE},
        {"CREATE TABLE t (a INT)", POOL__SQL_TURN_NONE}, {"UPDATE t SET a = 1", POOL__SQL_TURN_NONE},
        {"CREATE PROCEDURE p() BEGIN COMMIT; END", POOL__SQL_TURN_NONE},
        {"CALL p()", POOL__SQL_TURN_HIDDEN}, {"EXECUTE s", POOL__SQL_TURN_HIDDEN},
        {"BEGIN NOT ATOMIC COMMIT; END", POOL__SQL_TURN_HIDDEN}, {"SELECT 1; COMMIT", POOL__SQL_TURN_HIDDEN},
        {"/*!50000 COMMIT */", POOL__SQL_TURN_HIDDEN}, {"XA END 'x'", POOL__SQL_TURN_HIDDEN},
        {"XA START 'x'", POOL__SQL_TURN_BEGIN}, {"XA START 'x'; SELECT 1", POOL__SQL_TURN_HIDDEN},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++)
        if (inspect(cases[i].sql).turn != cases[i].turn)
            fail_msg("wrong turn: %s", cases[i].sql);
}

static void updates_are_told_from_the_rest(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *sql; bool updates; } cases[] = {
        {"UPDATE t SET a = 1", true}, {"update t, u set t.a = u.a", true},
        {"WITH c (x) AS (SELECT 1) UPDATE t, c SET t.a = c.x", true},
        {"WITH c AS (SELECT 1) SELECT * FROM c FOR UPDATE", false},
        {"INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1", false},
        {"SELECT 1 FOR UPDATE", false}, {"UPDATE t SET a = 1; DELETE FROM t", false},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++)
        if (inspect(cases[i].sql).updates != cases[i].updates)
            fail_msg("wrong: %s", cases[i].sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placeholders_are_counted_outside_quotes_and_comments),
        cmocka_unit_test(named_placeholders_are_told_from_other_colons),
        cmocka_unit_test(broken_statements_are_refused_with_their_place),
        cmocka_unit_test(a_nul_byte_is_refused_even_in_a_string),
        cmocka_unit_test(no_more_placeholders_are_taken_than_the_protocol_can_count),
        cmocka_unit_test(placeholders_that_servers_may_read_differently_are_refused),
        cmocka_unit_test(doubtful_statements_without_later_placeholders_are_accepted_as_other),
        cmocka_unit_test(a_backslash_before_a_quote_is_read_in_all_ways),
        cmocka_unit_test(the_count_of_placeholders_is_uncertain_if_readings_differ),
        cmocka_unit_test(plain_statements_are_recognised),
        cmocka_unit_test(statements_that_may_touch_the_session_are_other),
        cmocka_unit_test(calls_of_built_in_functions_are_plain),
        cmocka_unit_test(lists_of_columns_are_no_calls),
        cmocka_unit_test(calls_of_unknown_functions_are_other),
        cmocka_unit_test(transaction_statements_are_recognised),
        cmocka_unit_test(near_transactions_are_other),
        cmocka_unit_test(several_statements_are_told_from_one_with_a_body),
        cmocka_unit_test(only_selects_without_locks_and_files_are_read_only),
        cmocka_unit_test(what_ends_or_begins_a_transaction_is_told),
        cmocka_unit_test(updates_are_told_from_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
