/*
 * Lists and backslashes, judged by the server, in sessions of every SQL mode: what is prepared
 * and what goes as text must mean the same, and values must come back as they went.
 *
 * Each mode has a pool of one connection, so that a statement meets the session that the one
 * before has left. By the socket, and not MYPOOL_URL, because MySQL 9 logs in there without
 * being asked for TLS.
 */
#include "mypool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mysql.h>

#include "pools.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define MODES 4

static const char *const modes[MODES] = {"", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES",
                                         "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"};

/* ---- pools ---- */

static struct pool *open_pool(const char *sql_mode, struct pool_options options)
{
    char set[100];
    const char *const init_sql[] = {set, NULL};
    snprintf(set, sizeof set, "SET sql_mode = '%s'", sql_mode);
    options.connection_limit = 1;
    options.init_sql = init_sql;
    return pool_of("MYPOOL_SOCKET_URL", options);
}

static int set_up(void **state)
{
    static struct pool *pools[MODES];
    for (int i = 0; i < MODES; i++)
        pools[i] = open_pool(modes[i], (struct pool_options){0});
    *state = pools;
    return 0;
}

static int tear_down(void **state)
{
    struct pool **pools = *state;
    bool ok = true;
    for (int i = 0; i < MODES; i++)
        ok = pool_end(pools[i], 5000, NULL) && ok;
    return ok ? 0 : -1;
}

static struct pool_result *ask(struct pool *pool, const char *sql, struct pool_args args,
                               bool as_text, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args, .text = as_text};
    return pool_query_with(pool, &request, err);
}

static void fail_with(const char *sql, const struct pool_error *err)
{
    fail_msg("%s: %s %u %s", sql, pool_code_name(err->code), err->server_errno, err->message);
}

/* At its row, if it has one. */
static struct pool_result *must(struct pool *pool, const char *sql, struct pool_args args,
                                bool as_text)
{
    struct pool_error err;
    struct pool_result *result = ask(pool, sql, args, as_text, &err);
    if (!result)
        fail_with(sql, &err);
    pool_next(result);
    return result;
}

static void run(struct pool *pool, const char *sql)
{
    pool_result_free(must(pool, sql, POOL_NO_ARGS, true));
}

static void assert_answer(struct pool *pool, const char *sql, struct pool_args args, bool as_text,
                          const char *expected)
{
    struct pool_result *row = must(pool, sql, args, as_text);
    const char *text = pool_is_null(row, 0) ? "NULL" : pool_get_text(row, 0);
    if (strcmp(text, expected) != 0)
        fail_msg("%s, %s: %s instead of %s", sql, as_text ? "text" : "prepared", text, expected);
    pool_result_free(row);
}

static void assert_both_answer(struct pool *pool, const char *sql, struct pool_args args,
                               const char *expected)
{
    assert_answer(pool, sql, args, 0, expected);
    assert_answer(pool, sql, args, true, expected);
}

static struct pool_error assert_fails(struct pool *pool, const char *sql, struct pool_args args,
                                      bool as_text)
{
    struct pool_error err;
    struct pool_result *result = ask(pool, sql, args, as_text, &err);
    if (result)
        fail_msg("%s was accepted", sql);
    return err;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* ---- lists ---- */

static void lists_outside_of_in_take_exactly_their_values(void **state)
{
    struct pool *pool = ((struct pool **)*state)[0];
    struct pool_value l[] = {pool_text("a"), pool_text("b"), pool_text("c")};
    struct pool_args args = POOL_ARGS(pool_list(l, 3));
    assert_both_answer(pool, "SELECT CONCAT_WS(',', ?)", args, "a,b,c");
    assert_both_answer(pool, "SELECT JSON_LENGTH(JSON_ARRAY(?))", args, "3");
    assert_both_answer(pool, "SELECT FIELD('c', ?)", args, "3");
    assert_both_answer(pool, "SELECT ('a', 'b', 'c') IN ((?), ('x', 'y', 'z'))", args, "1");
    assert_both_answer(pool, "SELECT ('d' IN (?, 'd')) + ('c' IN ('x', ?)) * 2",
                       POOL_ARGS(pool_list(l, 3), pool_list(l, 3)), "3");
    run(pool, "CREATE TABLE four (a TEXT, b TEXT, c TEXT, d VARCHAR(9) DEFAULT 'D')");
    for (unsigned as_text = 0; as_text < 2; as_text++) {
        struct pool_error err = assert_fails(pool, "INSERT INTO four VALUES (?)", args, as_text);
        assert_int_equal(err.server_errno, 1136);
        pool_result_free(must(pool, "INSERT INTO four (a, b, c) VALUES (?)", args, as_text));
    }
    assert_both_answer(pool, "SELECT COUNT(*) FROM four WHERE CONCAT(a, b, c, d) = 'abcD'",
                       POOL_NO_ARGS, "2");
    run(pool, "DROP TABLE four");
}

static void nothing_is_in_an_empty_list_and_everything_is_not_in_it(void **state)
{
    static const char *const columns[] = {"i", "s", "d", "j", "b", "e", "n", "f", "y", "NULL", "5"};
    struct pool *pool = ((struct pool **)*state)[0];
    struct pool_args none = POOL_ARGS(pool_list(NULL, 0)),
                     twice = POOL_ARGS(pool_list(NULL, 0), pool_list(NULL, 0));
    run(pool, "CREATE TABLE kinds (i INT, s VARCHAR(10), d DATETIME(6), j JSON, b BIT(3),"
              " e ENUM('a', 'b'), n DECIMAL(5,2), f DOUBLE, y BLOB)");
    run(pool, "INSERT INTO kinds VALUES (1, 'a', '2026-01-01', '{}', 1, 'a', 1.5, 2.5, 'x'), (NULL,"
              " NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)");
    for (size_t i = 0; i < COUNT(columns); i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM kinds WHERE %s NOT IN (?)", columns[i]);
        assert_both_answer(pool, sql, none, "2");
        snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM kinds WHERE %s IN (?)", columns[i]);
        assert_both_answer(pool, sql, none, "0");
        snprintf(sql, sizeof sql,
                 "SELECT SUM(NOT (%s IN (?))) + SUM(%s IN (?) IS FALSE) FROM kinds", columns[i],
                 columns[i]);
        assert_both_answer(pool, sql, twice, "4");
    }
    for (unsigned as_text = 0; as_text < 2; as_text++) {
        struct pool_result *result = must(pool, "DELETE FROM kinds WHERE i IN (?)", none, as_text);
        assert_int_equal(pool_affected_rows(result), 0);
        pool_result_free(result);
        result =
            must(pool, "UPDATE kinds SET f = f + 1 WHERE i NOT IN (?) AND i = 1", none, as_text);
        assert_int_equal(pool_affected_rows(result), 1);
        pool_result_free(result);
    }
    run(pool, "DROP TABLE kinds");
}

static void an_empty_list_outside_of_in_is_refused_unsent(void **state)
{
    struct pool *pool = ((struct pool **)*state)[0];
    for (unsigned as_text = 0; as_text < 2; as_text++) {
        struct pool_error err = assert_fails(pool, "SELECT JSON_ARRAY(?, ?)",
                                             POOL_ARGS(1, pool_list(NULL, 0)), as_text);
        assert_int_equal(err.code, POOL_ERR_INVALID);
        assert_true(err.not_executed);
        assert_non_null(strstr(err.message, "value 2 is an empty list"));
    }
}

/* 0, 1, or 2 for NULL, as a number or a list of them is in (...). */
static int add_element(char **sql, struct pool_value *ret_value, const struct pool_value *l,
                       uint32_t *seed, int x, int so_far)
{
    uint32_t count = next_random(seed) % 4;
    bool listed = next_random(seed) % 4;
    *ret_value = listed ? pool_list(l, count) : l[0];
    *sql = stpcpy(*sql, next_random(seed) % 3 ? "?" : "/*a*/ ? -- b\n");
    for (uint32_t i = 0; i < (listed ? count : 1); i++) {
        bool null = x < 0 || l[i].type == POOL_TYPE_NULL;
        if (!null && l[i].as.i == x)
            return 1;
        so_far = null && so_far == 0 ? 2 : so_far;
    }
    return so_far;
}

static void random_lists_hold_what_logic_says(void **state)
{
    struct pool *pool = ((struct pool **)*state)[0];
    static const char *const answers[2][3] = {{"0", "1", "NULL"}, {"1", "0", "NULL"}};
    uint32_t seed = 20261127;
    for (int round = 0; round < 1500; round++) {
        char sql[400], *end;
        struct pool_value values[6], l[6][4];
        int x = (int)(next_random(&seed) % 5) - 1, answer = 0; /* -1: NULL */
        bool not = next_random(&seed) % 2;
        size_t count = 1 + next_random(&seed) % 5;
        values[0] = x < 0 ? pool_null() : pool_int(x);
        end = stpcpy(sql, not ? "SELECT ? NOT IN (" : "SELECT ? IN (");
        for (size_t i = 1; i <= count; i++) {
            for (size_t k = 0; k < 4; k++)
                l[i][k] = next_random(&seed) % 8 ? pool_int(next_random(&seed) % 6) : pool_null();
            end = i > 1 ? stpcpy(end, ", ") : end;
            int now = add_element(&end, &values[i], l[i], &seed, x, answer);
            answer = answer == 1 ? 1 : now;
        }
        stpcpy(end, ")");
        assert_both_answer(pool, sql, (struct pool_args){values, count + 1}, answers[not ][answer]);
    }
}

/* ---- backslashes in values ---- */

/* clang-format off */
static const char *const hostile[] = {
    "\\", "'", "\\'", "a\\", "\\' OR 1=1 -- ", "', (SELECT 1), '", "\\', (SELECT 1), '", "\\\\'", "x' -- ",
    "\\\" OR \"", "?", "\\?", ":a", "\n\\n", "\\0", "%\\_%", "\xc3\xa9\\'", "*/ \\", "", "b",
};
/* clang-format on */

static void assert_values_return(struct pool *pool, const char *sql, struct pool_args args,
                                 bool as_text)
{
    struct pool_result *row = must(pool, sql, args, as_text);
    assert_int_equal(pool_column_count(row), args.count);
    for (unsigned i = 0; i < args.count; i++) {
        size_t len;
        const void *data = pool_get_bytes(row, i, &len);
        if (!data || len != args.values[i].as.bytes.len ||
            memcmp(data, args.values[i].as.bytes.data, len) != 0)
            fail_msg("%s: value %u came back as %.*s", sql, i, (int)len, (const char *)data);
    }
    pool_result_free(row);
}

static void values_with_backslashes_return_from_every_session(void **state)
{
    struct pool **pools = *state;
    for (int mode = 0; mode < MODES; mode++)
        for (size_t i = 0; i < COUNT(hostile); i++)
            for (size_t k = 0; k < COUNT(hostile); k++) {
                struct pool_args args = POOL_ARGS(hostile[i], hostile[k], pool_text_n("\\\0'", 3));
                assert_values_return(pools[mode], "SELECT ?, ?, ?", args, true);
            }
}

/* Where the grammar wants a string and takes nothing else. */
static void text_with_a_backslash_is_a_string_to_the_grammar(void **state)
{
    struct pool **pools = *state;
    for (int mode = 0; mode < MODES; mode++) {
        struct pool *pool = pools[mode];
        pool_result_free(must(pool, "CREATE TABLE my_t (a INT COMMENT ?, e ENUM(?, ?)) COMMENT ?",
                              POOL_ARGS("C:\\", "x", "y\\'z", "\\"), true));
        struct pool_result *tables = must(pool, "SHOW TABLES LIKE ?", POOL_ARGS("my\\_t"), true);
        if (mode % 2 == 0) /* to MySQL the backslash means nothing in the other modes */
            assert_string_equal(pool_get_text(tables, 0), "my_t");
        pool_result_free(tables);
        assert_answer(pool, "SELECT GROUP_CONCAT(x SEPARATOR ?) FROM (SELECT 1 x UNION SELECT 2) t",
                      POOL_ARGS("\\'"), true, "1\\'2");
        assert_answer(pool,
                      "SELECT column_comment FROM information_schema.columns"
                      " WHERE table_name = 'my_t' AND column_name = ?",
                      POOL_ARGS("a"), true, "C:\\");
        pool_result_free(must(pool, "INSERT INTO my_t VALUES (1, ?)", POOL_ARGS("y\\'z"), true));
        assert_both_answer(pool, "SELECT a FROM my_t WHERE e = ?", POOL_ARGS("y\\'z"), "1");
        run(pool, "DROP TABLE my_t");
    }
}

/* ---- backslashes in statements ---- */

static void a_string_with_a_quote_needs_no_value(void **state)
{
    struct pool **pools = *state;
    assert_both_answer(pools[0], "SELECT CONCAT('it\\'s ', ?)", POOL_ARGS("me\\"), "it's me\\");
    assert_both_answer(pools[0], "SELECT CONCAT(\"it\\\"s \", ?)", POOL_ARGS("me"), "it\"s me");
    assert_both_answer(pools[2], "SELECT CONCAT('it\\'s ', :a)", POOL_ARGS(POOL_NAMED("a", "me")),
                       "it's me");
    assert_both_answer(pools[1], "SELECT 'C:\\'", POOL_NO_ARGS, "C:\\");
    assert_both_answer(pools[1], "SELECT CONCAT('C:\\', ?)", POOL_ARGS("x\\"), "C:\\x\\");
    assert_both_answer(pools[3], "SELECT CONCAT('C:\\', :a)", POOL_ARGS(POOL_NAMED("a", "x")),
                       "C:\\x");
    assert_both_answer(pools[2], "SELECT ? AS \"C:\\\"", POOL_ARGS("x"), "x");
    struct pool_value l[] = {pool_text("b"), pool_text("c'\\"), pool_text("d")};
    assert_both_answer(pools[0], "SELECT ? IN ('it\\'s', ?)", POOL_ARGS("c'\\", pool_list(l, 3)),
                       "1");
}

static void a_reading_that_the_session_has_not_is_refused(void **state)
{
    struct pool **pools = *state;
    for (unsigned as_text = 0; as_text < 2; as_text++) {
        assert_fails(pools[1], "SELECT 'it\\'s', ?", POOL_ARGS("a"), as_text);
        assert_fails(pools[0], "SELECT 'C:\\', ?", POOL_ARGS(", 1 -- "), as_text);
        assert_fails(pools[0], "SELECT ? AS \"C:\\\"", POOL_ARGS("x"), as_text);
    }
}

/* One placeholder for those who escape, two for the others, to whom the rest of the line is a
 * comment. */
static void the_server_counts_the_placeholders_before_anything_is_bound(void **state)
{
    struct pool **pools = *state;
    const char *sql = "INSERT INTO counted VALUES (CONCAT('a\\', ? -- '\n, ?))";
    struct pool_args one = POOL_ARGS("x"), two = POOL_ARGS("y", "z");
    run(pools[0], "CREATE TABLE counted (a TEXT)");
    for (int mode = 0; mode < MODES; mode++) {
        bool bare = mode % 2;
        for (int again = 0; again < 2; again++) {
            struct pool_error err = assert_fails(pools[mode], sql, bare ? one : two, 0);
            assert_int_equal(err.code, POOL_ERR_INVALID);
            assert_true(err.not_executed);
            assert_non_null(strstr(err.message, bare ? "counts 2" : "counts 1"));
        }
        assert_int_equal(assert_fails(pools[mode], sql, bare ? one : two, true).code,
                         POOL_ERR_INVALID);
        pool_result_free(must(pools[mode], sql, bare ? two : one, 0));
        pool_result_free(must(pools[mode], sql, bare ? two : one, true));
    }
    assert_both_answer(pools[0], "SELECT GROUP_CONCAT(DISTINCT a ORDER BY a) FROM counted",
                       POOL_NO_ARGS, "a', ? -- x,a\\yz");
    assert_both_answer(pools[0], "SELECT COUNT(*) FROM counted", POOL_NO_ARGS, "8");
    run(pools[0], "DROP TABLE counted");
}

static void names_that_depend_on_the_session_are_refused(void **state)
{
    struct pool **pools = *state;
    const char *sql = "SELECT CONCAT('a\\', :a -- '\n, :a)";
    struct pool_args args = POOL_ARGS(POOL_NAMED("a", "x"));
    struct pool_error err = assert_fails(pools[0], sql, args, 0);
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_non_null(strstr(err.message, "the SQL mode of the session decides"));
    assert_answer(pools[0], sql, args, true, "a', :a -- x");
    assert_answer(pools[1], sql, args, true, "a\\xx");
}

static void placeholders_in_a_comment_for_others_are_counted_by_the_server(void **state)
{
    struct pool **pools = *state;
    struct pool_error err = assert_fails(
        pools[0], "SELECT 1 /*!50000 + ? */ /*M! + ? */ /*!999999 + ? */", POOL_ARGS(1, 2, 3), 0);
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_true(err.not_executed);
    assert_non_null(strstr(err.message, "placeholders in the statement, not 3"));
}

static void assert_batch_arrives(struct pool *pool, const char *sql, const char *begin)
{
    struct pool_error err;
    struct pool_value values[COUNT(hostile)];
    for (size_t i = 0; i < COUNT(hostile); i++)
        values[i] = pool_text(hostile[i]);
    run(pool, "CREATE TABLE batched (a TEXT, b TEXT)");
    struct pool_result *result = pool_batch(pool, sql, values, COUNT(hostile), 1, &err);
    if (!result)
        fail_with(sql, &err);
    pool_result_free(result);
    for (size_t i = 0; i < COUNT(hostile); i++)
        assert_answer(pool, "SELECT COUNT(*) FROM batched WHERE a = ? AND BINARY b = ?",
                      POOL_ARGS(begin, hostile[i]), 0, "1");
    run(pool, "DROP TABLE batched");
}

static void batches_are_read_as_their_session_does(void **state)
{
    struct pool **pools = *state;
    for (int mode = 0; mode < MODES; mode++) {
        bool bare = mode % 2;
        const char *sql = bare ? "INSERT INTO batched VALUES ('C:\\', ?)"
                               : "INSERT INTO batched VALUES ('it\\'s', ?)";
        struct pool *text = open_pool(modes[mode], (struct pool_options){.no_prepare = true});
        assert_batch_arrives(pools[mode], sql, bare ? "C:\\" : "it's");
        assert_batch_arrives(text, sql, bare ? "C:\\" : "it's");
        assert_true(pool_end(text, 5000, NULL));
    }
}

/* ---- the property: prepared and as text are the same ---- */

static void make_statement(char *sql, size_t *ret_count, uint32_t *seed)
{
    static const char *const parts[] = {"a",       "\\'",     "\\\\",  "\\", "''", "\\\"",
                                        "\"\"",    "?",       "' , '", "'",  "\"", " ",
                                        "', ?, '", "\" , \"", "-- ",   "#",  "/*", "b"};
    char *end = stpcpy(sql, "SELECT ");
    *ret_count = 1;
    for (uint32_t n = 1 + next_random(seed) % 3; n > 0; n--) {
        const char *quote = next_random(seed) % 3 ? "'" : "\"";
        end = stpcpy(end, quote);
        for (uint32_t k = next_random(seed) % 5; k > 0; k--)
            end = stpcpy(end, parts[next_random(seed) % COUNT(parts)]);
        end = stpcpy(stpcpy(end, quote), ", ");
        if (next_random(seed) % 3 == 0) {
            end = stpcpy(end, "?, ");
            ++*ret_count;
        }
    }
    stpcpy(end, "?");
    *ret_count += next_random(seed) % 4 == 0;
}

static bool same_rows(struct pool_result *a, struct pool_result *b)
{
    if (pool_column_count(a) != pool_column_count(b))
        return false;
    pool_next(a);
    pool_next(b);
    for (unsigned i = 0; i < pool_column_count(a); i++)
        if (pool_is_null(a, i) != pool_is_null(b, i) ||
            (!pool_is_null(a, i) && strcmp(pool_get_text(a, i), pool_get_text(b, i)) != 0))
            return false;
    return true;
}

/* The server reads what is prepared without any values in it, so it is right. */
static bool agree_on(struct pool *pool, const char *sql, struct pool_args args)
{
    struct pool_error as_text, prepared;
    struct pool_result *text = ask(pool, sql, args, true, &as_text);
    struct pool_result *other = ask(pool, sql, args, 0, &prepared);
    bool both = text && other;
    if (!text != !other)
        fail_msg("%s: as text %s %s, prepared %s %s", sql, pool_code_name(as_text.code),
                 as_text.message, pool_code_name(prepared.code), prepared.message);
    if (both && !same_rows(text, other))
        fail_msg("%s: text and prepared differ", sql);
    pool_result_free(text);
    pool_result_free(other);
    return both;
}

static void random_statements_mean_the_same_as_text(void **state)
{
    struct pool **pools = *state;
    unsigned taken[MODES] = {0};
    for (uint32_t round = 1; round <= 3000; round++) {
        char sql[600];
        struct pool_value values[8];
        uint32_t seed = round * 2654435761u;
        size_t count;
        int mode = (int)(round % MODES);
        make_statement(sql, &count, &seed);
        for (size_t i = 0; i < count; i++)
            values[i] = pool_text(hostile[next_random(&seed) % COUNT(hostile)]);
        taken[mode] += agree_on(pools[mode], sql, (struct pool_args){values, count});
    }
    for (int mode = 0; mode < MODES; mode++)
        assert_in_range(taken[mode], 50, 3000);
}

/* ---- what the pool knows of a session ---- */

static struct pool_conn borrow(struct pool *pool)
{
    struct pool_conn conn;
    struct pool_error err;
    if (!pool_get_connection(pool, &conn, &err))
        fail_msg("%s", err.message);
    return conn;
}

static void run_on(struct pool_conn conn, const char *sql)
{
    struct pool_error err;
    struct pool_request request = {.sql = sql, .text = true};
    struct pool_result *result = pool_conn_query_with(conn, &request, &err);
    if (!result)
        fail_with(sql, &err);
    pool_result_free(result);
}

/* If the mode were believed to be another it would come back as something else, or not. */
static void assert_is_understood(struct pool_conn conn)
{
    static const char injection[] = "\\', 'other') -- ";
    struct pool_error err;
    struct pool_request request = {
        .sql = "SELECT CONCAT(?, '')", .args = POOL_ARGS(injection), .text = true};
    struct pool_result *row = pool_conn_query_with(conn, &request, &err);
    if (!row)
        fail_with("on the connection", &err);
    assert_true(pool_next(row));
    assert_string_equal(pool_get_text(row, 0), injection);
    pool_result_free(row);
}

static void a_change_of_the_mode_is_noticed(void **state)
{
    struct pool **pools = *state;
    for (int mode = 0; mode < MODES; mode++) {
        struct pool_conn conn = borrow(pools[mode]);
        for (int next = 0; next < MODES; next++) {
            char sql[100];
            assert_is_understood(conn);
            snprintf(sql, sizeof sql, "SET sql_mode = '%s'", modes[(mode + next) % MODES]);
            run_on(conn, sql);
            assert_is_understood(conn);
        }
        assert_true(pool_conn_release(conn, NULL));
        assert_values_return(pools[mode], "SELECT ?", POOL_ARGS("\\', 'other' -- "), true);
    }
}

/* The server takes the mode back at the end of the routine, but not its status flag. */
static void a_routine_with_a_mode_of_its_own_misleads_nobody(void **state)
{
    struct pool **pools = *state;
    run(pools[0], "CREATE PROCEDURE to_bare() SET sql_mode = 'NO_BACKSLASH_ESCAPES'");
    run(pools[0], "CREATE PROCEDURE to_escaped() SET sql_mode = ''");
    for (int mode = 0; mode < MODES; mode++) {
        struct pool_conn conn = borrow(pools[mode]);
        run_on(conn, "CALL to_bare()");
        assert_is_understood(conn);
        run_on(conn, "CALL to_escaped()");
        assert_is_understood(conn);
        assert_true(pool_conn_release(conn, NULL));
    }
    run(pools[0], "DROP PROCEDURE to_bare");
    run(pools[0], "DROP PROCEDURE to_escaped");
}

static void a_function_in_a_plain_statement_misleads_nobody(void **state)
{
    struct pool **pools = *state;
    run(pools[0], "CREATE FUNCTION sets_mode() RETURNS INT NO SQL BEGIN SET sql_mode ="
                  " 'NO_BACKSLASH_ESCAPES'; RETURN 1; END");
    run(pools[0], "CREATE VIEW with_mode AS SELECT sets_mode() AS a");
    struct pool_conn conn = borrow(pools[0]);
    assert_is_understood(conn);
    run_on(conn, "SELECT a FROM with_mode");
    assert_is_understood(conn);
    assert_true(pool_conn_release(conn, NULL));
    run(pools[0], "DROP VIEW with_mode");
    run(pools[0], "DROP FUNCTION sets_mode");
}

static void what_the_program_does_by_itself_is_noticed(void **state)
{
    struct pool **pools = *state;
    struct pool_conn conn = borrow(pools[0]);
    MYSQL *native = pool_conn_native(conn);
    for (int mode = 0; mode < MODES; mode++) {
        char sql[100];
        snprintf(sql, sizeof sql, "SET sql_mode = '%s'", modes[mode]);
        assert_int_equal(mysql_query(native, sql), 0);
        assert_is_understood(conn);
    }
    assert_true(pool_conn_release(conn, NULL));
}

/* In GBK the last of these three bytes and the backslash are one character. */
static void in_other_charsets_a_backslash_stays_out_of_sight(void **state)
{
    struct pool **pools = *state;
    struct pool_conn conn = borrow(pools[0]);
    struct pool_error err;
    struct pool_request request = {
        .sql = "SELECT HEX(?), 'end'", .args = POOL_ARGS("\xed\x95\x9c\\', 1 -- "), .text = true};
    run_on(conn, "SET NAMES gbk");
    struct pool_result *row = pool_conn_query_with(conn, &request, &err);
    if (!row)
        fail_with(request.sql, &err);
    assert_true(pool_next(row));
    assert_string_equal(pool_get_text(row, 0), "ED959C5C272C2031202D2D20");
    pool_result_free(row);
    assert_true(pool_conn_release(conn, NULL));
}

static void several_statements_may_change_the_mode_between_them(void **state)
{
    (void)state;
    struct pool *pool = open_pool("", (struct pool_options){.multi_statements = true});
    struct pool_result *result = must(
        pool, "SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT ?, ?; SET sql_mode = ''; SELECT ?, ?",
        POOL_ARGS("\\', 1 -- ", "\\", "\\', 2 -- ", "\\"), true);
    assert_true(pool_next_set(result) && pool_next(result));
    assert_string_equal(pool_get_text(result, 0), "\\', 1 -- ");
    assert_true(pool_next_set(result) && pool_next_set(result) && pool_next(result));
    assert_string_equal(pool_get_text(result, 0), "\\', 2 -- ");
    pool_result_free(result);
    struct pool_error err = assert_fails(pool, "SELECT 'it\\'s'; SELECT ?", POOL_ARGS(1), true);
    assert_non_null(strstr(err.message, "pass such text as a value"));
    assert_true(pool_end(pool, 5000, NULL));
}

static bool is_mariadb(struct pool *pool)
{
    struct pool_result *row = must(pool, "SELECT VERSION()", POOL_NO_ARGS, true);
    bool mariadb = strstr(pool_get_text(row, 0), "MariaDB");
    pool_result_free(row);
    return mariadb;
}

static int64_t questions(struct pool_conn conn, bool mariadb)
{
    char sql[200];
    struct pool_error err;
    snprintf(sql, sizeof sql, "SELECT VARIABLE_VALUE FROM %s WHERE VARIABLE_NAME = 'Questions'",
             mariadb ? "information_schema.SESSION_STATUS" : "performance_schema.session_status");
    struct pool_result *row = pool_conn_query(conn, sql, POOL_NO_ARGS, &err);
    if (!row)
        fail_with(sql, &err);
    assert_true(pool_next(row));
    int64_t count = pool_get_int(row, 0);
    pool_result_free(row);
    return count;
}

/* What a fresh session is like is known from its set-up; afterwards it is asked once. */
static void a_session_is_asked_only_if_it_may_have_changed(void **state)
{
    (void)state;
    struct pool *pool = open_pool("", (struct pool_options){0});
    bool mariadb = is_mariadb(pool);
    run(pool, "DO 1"); /* a reset is due */
    struct pool_conn conn = borrow(pool);
    int64_t before = questions(conn, mariadb), own = questions(conn, mariadb) - before;
    before = questions(conn, mariadb);
    for (int i = 0; i < 10; i++)
        assert_is_understood(conn);
    assert_int_equal(questions(conn, mariadb) - before, 10 + own);
    run_on(conn, "SET @a = 1");
    before = questions(conn, mariadb);
    for (int i = 0; i < 10; i++)
        assert_is_understood(conn);
    assert_int_equal(questions(conn, mariadb) - before, 1 + 10 + own);
    assert_true(pool_conn_release(conn, NULL));
    assert_true(pool_end(pool, 5000, NULL));
}

#define TEST(name) cmocka_unit_test(name)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(lists_outside_of_in_take_exactly_their_values),
        TEST(nothing_is_in_an_empty_list_and_everything_is_not_in_it),
        TEST(an_empty_list_outside_of_in_is_refused_unsent),
        TEST(random_lists_hold_what_logic_says),
        TEST(values_with_backslashes_return_from_every_session),
        TEST(text_with_a_backslash_is_a_string_to_the_grammar),
        TEST(a_string_with_a_quote_needs_no_value),
        TEST(a_reading_that_the_session_has_not_is_refused),
        TEST(the_server_counts_the_placeholders_before_anything_is_bound),
        TEST(names_that_depend_on_the_session_are_refused),
        TEST(placeholders_in_a_comment_for_others_are_counted_by_the_server),
        TEST(batches_are_read_as_their_session_does),
        TEST(random_statements_mean_the_same_as_text),
        TEST(a_change_of_the_mode_is_noticed),
        TEST(a_routine_with_a_mode_of_its_own_misleads_nobody),
        TEST(a_function_in_a_plain_statement_misleads_nobody),
        TEST(what_the_program_does_by_itself_is_noticed),
        TEST(in_other_charsets_a_backslash_stays_out_of_sight),
        TEST(several_statements_may_change_the_mode_between_them),
        TEST(a_session_is_asked_only_if_it_may_have_changed),
    };
    return server_suite_main_with(argc, argv, tests, set_up, tear_down);
}
