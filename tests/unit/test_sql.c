/*
 * Tests of pool/sql/lexer.c, pool/sql/inspect.c, pool/sql/expand.c and pool/sql/literal.c. No
 * server.
 *
 * The last tests check pool_format against a second, independent tokenizer, written here
 * for the purpose, on random statements and hostile values: whatever the server's reading
 * of backslashes and executable comments, the formatted text must have the tokens of the
 * template, and each value must come back out of exactly one literal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "sql/expand.h"
#include "sql/literal.h"
#include "sql/places.h"
#include "sql/inspect.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct pool__sql_info inspect(const char *sql)
{
    struct pool__sql_info info;
    struct pool_error err = {0};
    if (!pool__inspect(sql, strlen(sql), &info, &err))
        fail_msg("%s: %s", sql, err.message);
    return info;
}

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

/* ---- inspect ---- */

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

/* ---- expand ---- */

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

static void assert_expands_to(const char *sql, struct pool_args args, const char *text,
                              const struct pool_value *const *values, size_t count)
{
    struct pool__expanded expanded;
    struct pool_error err = {0};
    if (!pool__expand(sql, strlen(sql), args, &expanded, &err))
        fail_msg("%s: %s", sql, err.message);
    assert_string_equal(expanded.sql, text);
    assert_int_equal(expanded.len, strlen(text));
    assert_int_equal(expanded.count, count);
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(expanded.values[i], values[i]);
    pool__expand_free(&expanded);
}

static void assert_args_refused(const char *sql, struct pool_args args, const char *part)
{
    struct pool__expanded expanded;
    struct pool_error err = {0};
    assert_false(pool__expand(sql, strlen(sql), args, &expanded, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    if (!strstr(err.message, part))
        fail_msg("%s: %s", sql, err.message);
    err.message[0] = '\0';
    assert_null(pool_format(sql, args, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
}

static void a_list_is_padded_with_its_last_value_to_a_power_of_two(void **state)
{
    (void)state;
    struct pool_value l[] = {pool_int(1), pool_int(2), pool_int(3), pool_int(4), pool_int(5)};
    struct pool_value v[] = {pool_text("x"), pool_list(l, 5), pool_list(l, 1), pool_list(l, 2)};
    const struct pool_value *const expected[] = {&v[0], &l[0], &l[1], &l[2], &l[3], &l[4],
                                                 &l[4], &l[4], &l[4], &l[0], &l[0], &l[1]};
    assert_expands_to("SELECT ? IN (?) AND (?), (?)", (struct pool_args){v, 4},
                      "SELECT ? IN (?,?,?,?,?,?,?,?) AND (?), (?,?)", expected, COUNT(expected));
}

static void names_take_their_values_as_often_as_they_occur(void **state)
{
    (void)state;
    struct pool_value l[] = {pool_int(1), pool_int(2)};
    struct pool_value v[] = {pool_named("id", pool_int(7)), pool_named("ids", pool_list(l, 2))};
    const struct pool_value *const expected[] = {&l[0], &l[1], &v[0], &v[0]};
    assert_expands_to("x IN (:ids) OR y=:id OR ':id' = z OR w=:id", (struct pool_args){v, 2},
                      "x IN (?,?) OR y=? OR ':id' = z OR w=?", expected, COUNT(expected));
}

static void a_statement_without_values_stays_as_it_is(void **state)
{
    (void)state;
    assert_expands_to("SELECT 1", POOL_NO_ARGS, "SELECT 1", NULL, 0);
    assert_expands_to("", POOL_NO_ARGS, "", NULL, 0);
}

static void only_lists_and_names_need_expansion(void **state)
{
    (void)state;
    assert_false(pool__expand_is_needed(POOL_NO_ARGS));
    assert_false(pool__expand_is_needed(POOL_ARGS(1, "a", NULL)));
    assert_true(pool__expand_is_needed(POOL_ARGS(1, pool_list(NULL, 0))));
    assert_true(pool__expand_is_needed(POOL_ARGS(POOL_NAMED("a", 1))));
}

static void values_that_do_not_match_the_placeholders_are_refused(void **state)
{
    (void)state;
    assert_args_refused("SELECT ?, ?", POOL_ARGS(1, 2, 3),
                        "statement has 2 placeholders but 3 values were given");
    assert_args_refused("SELECT ?", POOL_NO_ARGS, "1 placeholder but 0 values were given");
    assert_args_refused("SELECT 1", POOL_ARGS(1), "0 placeholders but 1 value was given");
    assert_args_refused("SELECT ?", POOL_ARGS(POOL_NAMED("a", 1)), "value ':a' has a name");
    assert_args_refused("SELECT :a", POOL_ARGS(1), "value 1 has no name");
    assert_args_refused("SELECT :a, :b", POOL_ARGS(POOL_NAMED("a", 1)), "placeholder ':b'");
    assert_args_refused("SELECT :a", POOL_ARGS(POOL_NAMED("aa", 1)), "placeholder ':a'");
    assert_args_refused("SELECT :aa", POOL_ARGS(POOL_NAMED("a", 1)), "placeholder ':aa'");
    assert_args_refused("SELECT :a", POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("b", 1)),
                        "value ':b' is not used");
    assert_args_refused("SELECT :a", POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("a", 2)),
                        "value ':a' was given twice");
    struct pool_value inner = pool_list(NULL, 0);
    assert_args_refused("SELECT ?", POOL_ARGS(pool_list(&inner, 1)), "list inside a list");
    assert_args_refused("SELECT ?", POOL_ARGS((double)INFINITY), "infinite");
    assert_args_refused("SELECT /*! '*/' */ ?", POOL_ARGS(1), "pass such text as a value");
}

static void expand_count(struct pool_args args, const char *sql, size_t count)
{
    struct pool__expanded expanded;
    assert_true(pool__expand(sql, strlen(sql), args, &expanded, NULL));
    assert_int_equal(expanded.count, count);
    pool__expand_free(&expanded);
}

static void lists_are_not_padded_beyond_the_limit_nor_taken(void **state)
{
    (void)state;
    size_t size = 70000;
    struct pool_value *l = calloc(size, sizeof *l);
    expand_count(POOL_ARGS(pool_list(l, 32768)), "(?)", 32768);
    expand_count(POOL_ARGS(pool_list(l, 32769)), "(?)", 32769);
    expand_count(POOL_ARGS(pool_list(l, 65535)), "(?)", 65535);
    expand_count(POOL_ARGS(pool_list(l, 20000), pool_list(l, 33000)), "?,?", 53000);
    struct pool__expanded expanded;
    struct pool_error err;
    assert_false(pool__expand("(?)", 3, POOL_ARGS(pool_list(l, 65536)), &expanded, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_false(pool__expand("?,?", 3, POOL_ARGS(1, pool_list(l, 65535)), &expanded, &err));
    free(l);
}

/* ---- escape and format ---- */

static void assert_escapes_to(const char *text, size_t len, const char *literal)
{
    char *escaped = pool_escape(text, len);
    assert_string_equal(escaped, literal);
    free(escaped);
}

static void text_is_quoted_or_written_in_hexadecimal(void **state)
{
    (void)state;
    assert_escapes_to("", 0, "''");
    assert_escapes_to("abc", 3, "'abc'");
    assert_escapes_to("it's", 4, "'it''s'");
    assert_escapes_to("''", 2, "''''''");
    assert_escapes_to("\"`\n\xED\x95\x9C", 6, "'\"`\n\xED\x95\x9C'");
    assert_escapes_to("a\\", 2, "_utf8mb4 X'615c'");
    assert_escapes_to("a\0b", 3, "_utf8mb4 X'610062'");
    assert_escapes_to("\xFF'", 2, "X'ff27'");
    assert_escapes_to(NULL, 0, "NULL");
}

static void identifiers_are_quoted_as_one_name(void **state)
{
    (void)state;
    char *dotted = pool_escape_id("a.b"), *tick = pool_escape_id("a`b\\");
    assert_string_equal(dotted, "`a.b`");
    assert_string_equal(tick, "`a``b\\`");
    assert_null(pool_escape_id(""));
    assert_null(pool_escape_id(NULL));
    free(dotted);
    free(tick);
}

static void no_statement_cannot_be_formatted(void **state)
{
    (void)state;
    struct pool_error err;
    assert_null(pool_format(NULL, POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_string_equal(err.message, "no statement was given");
}

static void assert_formats_to(const char *sql, struct pool_args args, const char *text)
{
    struct pool_error err = {.code = POOL_ERR_LOST};
    char *formatted = pool_format(sql, args, &err);
    if (!formatted)
        fail_msg("%s: %s", sql, err.message);
    assert_int_equal(err.code, POOL_OK);
    assert_string_equal(formatted, text);
    free(formatted);
}

static void every_type_has_its_literal(void **state)
{
    (void)state;
    struct pool_time t = {.year = 2024, .month = 2, .day = 3, .hour = 4, .minute = 5, .second = 6};
    struct pool_time date = t, time = t, datetime = t;
    date.type = POOL_TYPE_DATE;
    time.type = POOL_TYPE_TIME;
    time.hour = 838;
    time.negative = true;
    datetime.type = POOL_TYPE_DATETIME;
    datetime.microsecond = 7;
    assert_formats_to("?,?,?,?", POOL_ARGS(NULL, INT64_MIN, UINT64_MAX, true),
                      "NULL,-9223372036854775808,18446744073709551615,1");
    assert_formats_to("?,?", POOL_ARGS(0.1, -2.0), "0.1e0,-2e0");
    assert_formats_to("?,?,?", POOL_ARGS(1e20, 5e-324, -0.0), "1e20,5e-324,-0e0");
    assert_formats_to("?,?", POOL_ARGS(0.1 + 0.2, 1234567.5), "0.30000000000000004e0,1234567.5e0");
    assert_formats_to("?,?", POOL_ARGS(pool_decimal("-12.50"), pool_decimal("7")), "-12.50,7");
    assert_formats_to("?,?", POOL_ARGS("a'b", pool_bytes("\x01\xAB", 2)), "'a''b',X'01ab'");
    assert_formats_to("?,?,?", POOL_ARGS(pool_time(date), pool_time(time), pool_time(datetime)),
                      "DATE'2024-02-03',TIME'-838:05:06',TIMESTAMP'2024-02-03 04:05:06.000007'");
    assert_formats_to("?", POOL_ARGS(pool_bytes(NULL, 0)), "X''");
}

/* A typed literal would be refused, by some servers or in some modes. */
static void dates_and_times_that_no_literal_holds_are_text(void **state)
{
    (void)state;
    struct pool_time zero = {.type = POOL_TYPE_DATE}, last = {.type = POOL_TYPE_TIME};
    struct pool_time no_day = {.type = POOL_TYPE_DATETIME, .year = 2023, .month = 2, .day = 29};
    struct pool_time no_month = {.type = POOL_TYPE_DATE, .year = 2024, .day = 1};
    struct pool_time leap = {.type = POOL_TYPE_DATE, .year = 2000, .month = 2, .day = 29};
    last.hour = 838, last.minute = 59, last.second = 59, last.microsecond = 1;
    assert_formats_to("?,?", POOL_ARGS(pool_time(zero), pool_time(no_month)),
                      "'0000-00-00','2024-00-01'");
    assert_formats_to("?,?", POOL_ARGS(pool_time(no_day), pool_time(last)),
                      "'2023-02-29 00:00:00','838:59:59.000001'");
    leap.year = 1900;
    assert_formats_to("?", POOL_ARGS(pool_time(leap)), "'1900-02-29'");
    leap.year = 2000;
    assert_formats_to("?", POOL_ARGS(pool_time(leap)), "DATE'2000-02-29'");
}

static void lists_and_names_are_formatted(void **state)
{
    (void)state;
    struct pool_value l[] = {pool_int(1), pool_text("b"), pool_null()};
    assert_formats_to("a IN (?)", POOL_ARGS(pool_list(l, 3)), "a IN (1, 'b', NULL)");
    assert_formats_to("a IN (?)", POOL_ARGS(pool_list(l, 0)),
                      "a IN (SELECT NULL FROM DUAL WHERE FALSE)");
    assert_formats_to("a=:x OR b=:y OR c=:x", POOL_ARGS(POOL_NAMED("y", 2), POOL_NAMED("x", 1)),
                      "a=1 OR b=2 OR c=1");
}

static void literals_never_touch_their_neighbours(void **state)
{
    (void)state;
    assert_formats_to("'a'?'b'", POOL_ARGS("x"), "'a' 'x' 'b'");
    assert_formats_to("??", POOL_ARGS(1, 2), "1 2");
    assert_formats_to("a?b", POOL_ARGS(1), "a 1 b");
    assert_formats_to("@?", POOL_ARGS("x"), "@ 'x'");
    assert_formats_to("5--?", POOL_ARGS(-1), "5---1");
    assert_formats_to("a/?*b", POOL_ARGS(2), "a/ 2 *b");
    assert_formats_to("f(?)+?;", POOL_ARGS(1, 2), "f(1)+2;");
}

static void text_in_an_executable_comment_cannot_end_it(void **state)
{
    (void)state;
    assert_formats_to("SELECT /*!50000 ? */, ?", POOL_ARGS("*/", "*/"),
                      "SELECT /*!50000 _utf8mb4 X'2a2f' */, '*/'");
}

/* ---- the property: a second tokenizer agrees ---- */

/* One reading of the text: how a server with these settings sees it. */
struct mode {
    bool no_backslash_escapes;
    bool ansi_quotes;
    bool skips_executable_comments;
};

/* 's' string (content decoded), 'w' word, '?' placeholder, 'u' unterminated rest, or the
 * sign itself. */
struct piece {
    char kind;
    char text[256];
    size_t len;
};

struct pieces {
    struct piece at[256];
    size_t count;
};

static const char *read_string(const char *s, const char *end, struct mode mode,
                               struct piece *piece)
{
    char quote = *s++;
    bool escapes =
        !mode.no_backslash_escapes && quote != '`' && !(quote == '"' && mode.ansi_quotes);
    piece->kind = quote == '\'' ? 's' : quote;
    while (s < end) {
        if (*s == '\\' && escapes && s + 1 < end) {
            s++;
            if (*s == '0') {
                piece->text[piece->len++] = '\0';
                s++;
                continue;
            }
        } else if (*s == quote) {
            if (s + 1 >= end || s[1] != quote)
                return s + 1;
            s++;
        }
        piece->text[piece->len++] = *s++;
    }
    piece->kind = 'u';
    return end;
}

/* Behind the comment at `s`, or NULL if there is none. */
static const char *after_comment(const char *s, const char *end)
{
    const char *stop = NULL;
    if (*s == '#' || (strncmp(s, "--", 2) == 0 && (s + 2 >= end || isspace((unsigned char)s[2]))))
        stop = strchr(s, '\n');
    else if (strncmp(s, "/*", 2) == 0)
        return (stop = strstr(s + 2, "*/")) ? stop + 2 : end;
    else
        return NULL;
    return stop ? stop + 1 : end;
}

static const char *read_piece(const char *s, const char *end, struct mode mode, struct piece *piece)
{
    if (*s == '\'' || *s == '"' || *s == '`')
        return read_string(s, end, mode, piece);
    piece->kind = *s;
    if (!isalnum((unsigned char)*s) && *s != '_')
        return s + 1;
    piece->kind = 'w';
    while (s < end && (isalnum((unsigned char)*s) || *s == '_'))
        piece->text[piece->len++] = *s++;
    return s;
}

static void read_pieces(const char *s, struct mode mode, struct pieces *pieces)
{
    const char *end = s + strlen(s), *after;
    bool inside = false;
    pieces->count = 0;
    while (s < end) {
        if (isspace((unsigned char)*s)) {
            s++;
        } else if (!mode.skips_executable_comments && strncmp(s, "/*!", 3) == 0) {
            inside = true;
            s += 3;
        } else if (inside && strncmp(s, "*/", 2) == 0) {
            inside = false;
            s += 2;
        } else if ((after = after_comment(s, end))) {
            s = after;
        } else {
            struct piece *piece = &pieces->at[pieces->count++];
            memset(piece, 0, sizeof *piece);
            s = read_piece(s, end, mode, piece);
        }
    }
}

static size_t from_hex(const char *hex, size_t len, char *to)
{
    for (size_t i = 0; i + 1 < len; i += 2) {
        char pair[3] = {hex[i], hex[i + 1], '\0'};
        to[i / 2] = (char)strtoul(pair, NULL, 16);
    }
    return len / 2;
}

static bool is_word(const struct piece *piece, const char *word)
{
    return piece->kind == 'w' && strcmp(piece->text, word) == 0;
}

/* Takes the pieces of one literal and compares what they mean with the value. */
static bool take_text(const struct pieces *pieces, size_t *at, const struct pool_value *value)
{
    const struct piece *piece = &pieces->at[*at];
    char text[256];
    size_t len = piece->len;
    memcpy(text, piece->text, len);
    bool introducer = is_word(piece, "_utf8mb4");
    piece += introducer;
    if (introducer || is_word(piece, "X")) {
        piece += 1;
        len = from_hex(piece->text, piece->len, text);
    }
    *at = (size_t)(piece - pieces->at) + 1;
    return piece->kind == 's' && len == value->as.bytes.len &&
           memcmp(text, value->as.bytes.data, len) == 0;
}

static bool take_literal(const struct pieces *pieces, size_t *at, const struct pool_value *value)
{
    char number[32];
    switch ((int)value->type) {
    case POOL_TYPE_NULL: return is_word(&pieces->at[(*at)++], "NULL");
    case POOL_TYPE_INT:
        if (value->as.i < 0 && pieces->at[(*at)++].kind != '-')
            return false;
        snprintf(number, sizeof number, "%llu", (unsigned long long)llabs(value->as.i));
        return is_word(&pieces->at[(*at)++], number);
    case POOL_TYPE_LIST:
        for (size_t i = 0; i < value->as.list.count; i++)
            if ((i > 0 && pieces->at[(*at)++].kind != ',') ||
                !take_literal(pieces, at, &value->as.list.values[i]))
                return false;
        return true;
    default: return take_text(pieces, at, value);
    }
}

/* Where a reading skips a placeholder, its value is skipped, too: in the order of the
 * text, `skipped` values belong to comments. The pieces tell by their markers. */
static bool same_structure(const struct pieces *template, const struct pieces *output,
                           const struct pool_value *const *values)
{
    size_t at = 0;
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *want = &template->at[i], *got = &output->at[at];
        if (want->kind == '?') {
            if (!take_literal(output, &at, *values++))
                return false;
            continue;
        }
        if (at >= output->count || want->kind != got->kind || want->len != got->len ||
            memcmp(want->text, got->text, want->len) != 0)
            return false;
        at++;
    }
    return at == output->count;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static struct pool_value random_text(uint32_t *seed, char *text)
{
    static const char *const parts[] = {"'",    "\"", "\\", "`",   "*/", "/*",      "-- ",
                                        "#",    ";",  "?",  "\n",  "a",  " OR 1=1", "\xED\x95\x9C",
                                        "\xBF", "%",  ":x", "\x1A"};
    size_t len = 0;
    for (uint32_t n = next_random(seed) % 5; n > 0; n--) {
        const char *part = parts[next_random(seed) % COUNT(parts)];
        memcpy(text + len, part, strlen(part));
        len += strlen(part);
        if (next_random(seed) % 16 == 0)
            text[len++] = '\0';
    }
    return next_random(seed) % 4 ? pool_text_n(text, len) : pool_bytes(text, len);
}

struct random_values {
    char texts[64][64];
    struct pool_value values[64]; /* the first half are arguments, the rest list members */
};

static void make_values(struct random_values *random, uint32_t *seed)
{
    for (size_t i = 0; i < 64; i++) {
        uint32_t kind = next_random(seed) % 8;
        struct pool_value value = random_text(seed, random->texts[i]);
        if (kind == 0)
            value = pool_null();
        else if (kind == 1)
            value = pool_int((int)(next_random(seed) % 2000) - 1000);
        else if (kind == 2 && i < 32)
            value = pool_list(&random->values[32 + i % 16], 1 + i % 7);
        random->values[i] = value;
    }
}

/* The number of placeholders as that reading counts them, or SIZE_MAX if it is none, or if
 * they are named. */
static size_t count_placeholders(const char *sql, enum pool__quotes quotes)
{
    struct pool__places places;
    bool ok = pool__places_find(&places, sql, strlen(sql), quotes, POOL__DEPTH_PLACES, NULL);
    size_t count = ok && !places.named ? places.count : SIZE_MAX;
    pool__places_free(&places);
    return count;
}

static void make_statement(char *sql, uint32_t *seed)
{
    static const char *const parts[] = {
        "?",     "?",          "?",     "?",    " ",      " ",         ",",       "(",
        ")",     "-",          "--",    "-- ",  "\n",     "a",         "1",       "@",
        "/",     "*",          "'b'",   "''",   "'c''d'", "'\\\\'",    "'e\\'f'", "'\\\"'",
        "\"?\"", "\"g\\\"h\"", "\"'\"", "`i?`", "`j\\`",  "/* ? ' */", "# '\n",   "/*!",
        "/*!",   "*/",         "'*/'",  ";",    "_x",     "N",         ":",       "'"};
    char *end = sql;
    for (uint32_t n = 1 + next_random(seed) % 20; n > 0; n--)
        end = stpcpy(end, parts[next_random(seed) % COUNT(parts)]);
}

/* NULL if it is refused. */
static char *format_for(enum pool__quotes quotes, const char *sql, const struct pool_value *values,
                        size_t count)
{
    char *output = NULL;
    size_t len;
    pool__literal_format(sql, strlen(sql), (struct pool_args){values, count}, quotes, &output, &len,
                         NULL);
    return output;
}

/* Which values a reading sees: in *ret_seen those of its ? in order, without those ? that have
 * stayed, which become ! in the template. What has stayed is found by writing markers: word N
 * for value N. */
static bool values_seen(struct pieces *template, const char *sql, struct mode mode,
                        enum pool__quotes quotes, const struct pool_value *values, size_t count,
                        const struct pool_value **ret_seen)
{
    struct pool_value markers[32];
    for (size_t i = 0; i < count; i++)
        markers[i] = pool_int((int64_t)(7000000 + i));
    char *marked = format_for(quotes, sql, markers, count);
    static struct pieces pieces;
    read_pieces(marked, mode, &pieces);
    free(marked);
    for (size_t i = 0; i < template->count && template->count == pieces.count; i++) {
        struct piece *piece = &template->at[i];
        if (piece->kind != '?')
            continue;
        unsigned long number = strtoul(pieces.at[i].text, NULL, 10);
        if (pieces.at[i].kind == 'w' && number >= 7000000 && number < 7000000 + count)
            *ret_seen++ = &values[number - 7000000];
        else
            piece->kind = '!';
    }
    return template->count == pieces.count;
}

static void check_reading(const char *sql, const char *output, struct mode mode,
                          enum pool__quotes quotes, const struct pool_value *values, size_t count)
{
    static struct pieces before, after;
    const struct pool_value *seen[256] = {0};
    read_pieces(sql, mode, &before);
    read_pieces(output, mode, &after);
    bool same = values_seen(&before, sql, mode, quotes, values, count, seen);
    for (size_t i = 0; i < after.count; i++)
        if (after.at[i].kind == '?')
            after.at[i].kind = '!';
    if (!same || !same_structure(&before, &after, seen))
        fail_msg("mode %d%d%d: {%s} became {%s}", mode.no_backslash_escapes, mode.ansi_quotes,
                 mode.skips_executable_comments, sql, output);
}

static bool is_read_so(struct mode mode, enum pool__quotes quotes)
{
    switch (quotes) {
    case POOL__QUOTES_UNKNOWN: return true;
    case POOL__QUOTES_ESCAPED: return !mode.no_backslash_escapes && !mode.ansi_quotes;
    case POOL__QUOTES_ANSI: return !mode.no_backslash_escapes && mode.ansi_quotes;
    case POOL__QUOTES_BARE: return mode.no_backslash_escapes;
    }
    return false;
}

/* Texts written for a session of this kind must be read so by such a session. */
static size_t check_random_statements(enum pool__quotes quotes, uint32_t rounds)
{
    static struct random_values random;
    char sql[512];
    size_t checked = 0;
    for (uint32_t round = 1; round <= rounds; round++) {
        uint32_t seed = round * 2654435761u;
        make_statement(sql, &seed);
        size_t count = count_placeholders(sql, quotes);
        if (count == SIZE_MAX || count == 0 || count > 31)
            continue;
        make_values(&random, &seed);
        char *output = format_for(quotes, sql, random.values, count);
        if (!output) { /* what is a placeholder depends on the mode */
            assert_true(quotes == POOL__QUOTES_UNKNOWN && inspect(sql).escaped_quote);
            continue;
        }
        for (unsigned m = 0; m < 8; m++)
            if (is_read_so((struct mode){m & 1, m & 2, m & 4}, quotes))
                check_reading(sql, output, (struct mode){m & 1, m & 2, m & 4}, quotes,
                              random.values, count);
        free(output);
        checked++;
    }
    return checked;
}

static void formatted_statements_keep_their_structure_in_every_mode(void **state)
{
    (void)state;
    assert_true(check_random_statements(POOL__QUOTES_UNKNOWN, 60000) > 10000);
}

static void statements_for_a_known_session_keep_their_structure_in_it(void **state)
{
    (void)state;
    assert_true(check_random_statements(POOL__QUOTES_ESCAPED, 30000) > 5000);
    assert_true(check_random_statements(POOL__QUOTES_ANSI, 30000) > 5000);
    assert_true(check_random_statements(POOL__QUOTES_BARE, 30000) > 5000);
}

static void random_bytes_never_confuse_the_scanner(void **state)
{
    (void)state;
    static const char alphabet[] = "'\"`\\/*!M-#\n ?:=a@$;(\xC3\xA9";
    uint32_t seed = 42;
    for (int round = 0; round < 200000; round++) {
        size_t len = next_random(&seed) % 16;
        char *sql = malloc(len + 1); /* exactly as long, so that asan sees any overrun */
        for (size_t i = 0; i < len; i++)
            sql[i] = alphabet[next_random(&seed) % (sizeof alphabet - 1)];
        struct pool__sql_info info = {0};
        struct pool__expanded expanded;
        bool valid = pool__inspect(sql, len, &info, NULL);
        if (valid && info.placeholders == 0) {
            assert_true(pool__expand(sql, len, POOL_NO_ARGS, &expanded, NULL));
            assert_memory_equal(expanded.sql, sql, len);
            pool__expand_free(&expanded);
        }
        free(sql);
    }
}

/* ---- POOL_ARGS ---- */

#define EIGHT 0, 1, 2, 3, 4, 5, 6, 7

static void pool_args_takes_none_to_sixty_four_values(void **state)
{
    (void)state;
    int n = 7;
    struct pool_args none = POOL_ARGS();
    assert_int_equal(none.count, 0);
    assert_non_null(none.values);
    assert_int_equal(POOL_ARGS(n).count, 1);
    assert_int_equal(POOL_ARGS((n)).count, 1);
    assert_int_equal(POOL_ARGS(-n).count, 1);
    assert_int_equal(POOL_ARGS((int)n).count, 1);
    assert_int_equal(POOL_ARGS("text").count, 1);
    assert_int_equal(POOL_ARGS(pool_int(n)).count, 1);
    assert_int_equal(POOL_ARGS(POOL_NAMED("n", n)).count, 1);
    assert_int_equal(POOL_ARGS(NULL).values[0].type, POOL_TYPE_NULL);
    assert_int_equal(POOL_ARGS(n, "text").count, 2);
    assert_int_equal(
        POOL_ARGS(EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, 0, 1, 2, 3, 4, 5, 6).count, 63);
    struct pool_args most = POOL_ARGS(EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT);
    assert_int_equal(most.count, 64);
    assert_int_equal(most.values[63].as.i, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_args_takes_none_to_sixty_four_values),
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
        cmocka_unit_test(a_list_is_padded_with_its_last_value_to_a_power_of_two),
        cmocka_unit_test(names_take_their_values_as_often_as_they_occur),
        cmocka_unit_test(a_statement_without_values_stays_as_it_is),
        cmocka_unit_test(only_lists_and_names_need_expansion),
        cmocka_unit_test(values_that_do_not_match_the_placeholders_are_refused),
        cmocka_unit_test(lists_are_not_padded_beyond_the_limit_nor_taken),
        cmocka_unit_test(text_is_quoted_or_written_in_hexadecimal),
        cmocka_unit_test(identifiers_are_quoted_as_one_name),
        cmocka_unit_test(every_type_has_its_literal),
        cmocka_unit_test(dates_and_times_that_no_literal_holds_are_text),
        cmocka_unit_test(lists_and_names_are_formatted),
        cmocka_unit_test(literals_never_touch_their_neighbours),
        cmocka_unit_test(text_in_an_executable_comment_cannot_end_it),
        cmocka_unit_test(formatted_statements_keep_their_structure_in_every_mode),
        cmocka_unit_test(statements_for_a_known_session_keep_their_structure_in_it),
        cmocka_unit_test(random_bytes_never_confuse_the_scanner),
        cmocka_unit_test(no_statement_cannot_be_formatted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
