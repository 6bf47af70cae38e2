/*
 * Statements against a real server: how they are prepared and cached, what becomes of
 * their values, several sets, limits, and streams.
 *
 * Most tests use a pool of one connection, so that statements follow each other on it.
 * Counters of the server are read from information_schema by a text statement: that
 * prepares nothing, and leaves the session clean, unlike SHOW.
 *
 * What changes the server for everybody (SET GLOBAL) is undone in the teardown.
 */
#include "mypool.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "suite.h"

/* ---- round trips: libmariadb's traffic passes through here ---- */

static atomic_int turns; /* how often the direction changed from sending to receiving */
static atomic_bool sent;

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    ssize_t (*real)(int, const void *, size_t, int);
    *(void **)&real = dlsym(RTLD_NEXT, "send");
    atomic_store(&sent, true);
    return real(fd, data, len, flags);
}

ssize_t recv(int fd, void *data, size_t len, int flags)
{
    ssize_t (*real)(int, void *, size_t, int);
    *(void **)&real = dlsym(RTLD_NEXT, "recv");
    ssize_t got = real(fd, data, len, flags);
    if (got > 0 && atomic_exchange(&sent, false))
        atomic_fetch_add(&turns, 1);
    return got;
}

/* ---- pools ---- */

#define MIB (1024u * 1024u)

static struct pool *pools[8]; /* of this test; closed after it */

static struct pool *open_url(const char *variable, const char *parameters)
{
    char url[512];
    struct pool_error err;
    unsigned i = 0;
    while (pools[i])
        assert_true(++i < 8);
    snprintf(url, sizeof url, "%s?connectionLimit=1&%s", getenv(variable), parameters);
    if (!parameters[0])
        url[strlen(url) - 1] = '\0';
    pools[i] = pool_create_url(url, &err);
    if (!pools[i])
        fail_msg("%s: %s", url, err.message);
    return pools[i];
}

static struct pool *open_pool(const char *parameters)
{
    return open_url("MYPOOL_URL", parameters);
}

static struct pool_result *query(struct pool *pool, const char *sql, struct pool_args args)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, sql, args, &err);
    if (!result)
        fail_msg("%.200s: %s %u %s", sql, pool_code_name(err.code), err.server_errno, err.message);
    return result;
}

static struct pool_result *query_as_text(struct pool *pool, const char *sql, struct pool_args args)
{
    struct pool_error err;
    struct pool_request request = {.sql = sql, .args = args, .flags = POOL_TEXT};
    struct pool_result *result = pool_query_with(pool, &request, &err);
    if (!result)
        fail_msg("%.200s: %s %u %s", sql, pool_code_name(err.code), err.server_errno, err.message);
    return result;
}

static void run(struct pool *pool, const char *sql)
{
    pool_result_free(query_as_text(pool, sql, POOL_NO_ARGS));
}

static void set_global(const char *assignment)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SET GLOBAL %s", assignment);
    run(open_url("MYPOOL_ADMIN_URL", ""), sql);
}

static int set_up(void **state)
{
    memset(pools, 0, sizeof pools);
    *state = open_pool("");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        if (pools[i])
            pool_end(pools[i], 5000, NULL);
    return 0;
}

static int tear_down_globals(void **state)
{
    struct pool_error err;
    tear_down(state);
    struct pool *admin = pool_create_url(getenv("MYPOOL_ADMIN_URL"), &err);
    pool_result_free(
        pool_query(admin, "SET GLOBAL max_prepared_stmt_count = DEFAULT", POOL_NO_ARGS, &err));
    pool_result_free(
        pool_query(admin, "SET GLOBAL max_allowed_packet = DEFAULT", POOL_NO_ARGS, &err));
    pool_end(admin, 5000, NULL);
    return err.code == POOL_OK ? 0 : -1;
}

/* ---- answers ---- */

static int64_t first_int(struct pool_result *result)
{
    assert_true(pool_next(result));
    int64_t value = pool_get_int(result, 0);
    pool_result_free(result);
    return value;
}

static int64_t int_of(struct pool *pool, const char *sql, struct pool_args args)
{
    return first_int(query(pool, sql, args));
}

static int64_t status_of(struct pool *pool, const char *scope, const char *name)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT variable_value FROM information_schema.%s_status WHERE variable_name = '%s'",
             scope, name);
    return first_int(query_as_text(pool, sql, POOL_NO_ARGS));
}

static int64_t prepares(struct pool *pool)
{
    return status_of(pool, "session", "Com_stmt_prepare");
}

static int64_t executes(struct pool *pool)
{
    return status_of(pool, "session", "Com_stmt_execute");
}

/* Statements of all kinds that the session has received, this question included. */
static int64_t questions(struct pool *pool)
{
    return status_of(pool, "session", "Questions");
}

static int64_t thread_of(struct pool *pool)
{
    return first_int(query_as_text(pool, "SELECT CONNECTION_ID()", POOL_NO_ARGS));
}

/* The statement must fail with this code; the rest is for the test to judge. */
static struct pool_error failure_of(struct pool *pool, const struct pool_request *request,
                                    enum pool_code code)
{
    struct pool_error err;
    struct pool_result *result = pool_query_with(pool, request, &err);
    if (result || err.code != code)
        fail_msg("%.200s: %s %u %s", request->sql ? request->sql : "NULL", pool_code_name(err.code),
                 err.server_errno, err.message);
    return err;
}

static void assert_refused(struct pool *pool, const char *sql, struct pool_args args,
                           const char *part_of_message)
{
    struct pool_request request = {.sql = sql, .args = args};
    struct pool_error err = failure_of(pool, &request, POOL_ERR_INVALID);
    assert_false(err.fatal);
    if (!strstr(err.message, part_of_message))
        fail_msg("\"%s\" lacks \"%s\"", err.message, part_of_message);
}

static void assert_works(struct pool *pool)
{
    assert_int_equal(int_of(pool, "SELECT ? + 1", POOL_ARGS(41)), 42);
}

static char *filled(size_t len, char with)
{
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, with, len);
    text[len] = '\0';
    return text;
}

/* ---- preparing ---- */

static void a_statement_is_prepared_on_its_first_use(void **state)
{
    struct pool *pool = *state;
    int64_t prepared = prepares(pool), executed = executes(pool);
    assert_int_equal(int_of(pool, "SELECT ? * 2", POOL_ARGS(21)), 42);
    assert_int_equal(prepares(pool) - prepared, 1);
    assert_int_equal(executes(pool) - executed, 1);
}

static void the_first_use_takes_one_round_trip(void **state)
{
    struct pool *pool = *state;
    thread_of(pool); /* connects */
    int before = atomic_load(&turns);
    assert_int_equal(int_of(pool, "SELECT ? * 2", POOL_ARGS(21)), 42);
    assert_int_equal(atomic_load(&turns) - before, 1);
}

static void later_uses_take_one_round_trip(void **state)
{
    struct pool *pool = *state;
    int_of(pool, "SELECT ? * 2", POOL_ARGS(0));
    int before = atomic_load(&turns);
    for (int i = 0; i < 10; i++)
        assert_int_equal(int_of(pool, "SELECT ? * 2", POOL_ARGS(i)), 2 * i);
    assert_int_equal(atomic_load(&turns) - before, 10);
}

static void later_uses_prepare_nothing(void **state)
{
    struct pool *pool = *state;
    int_of(pool, "SELECT ? * 2", POOL_ARGS(0));
    int64_t prepared = prepares(pool), executed = executes(pool);
    for (int i = 0; i < 10; i++)
        assert_int_equal(int_of(pool, "SELECT ? * 2", POOL_ARGS(i)), 2 * i);
    assert_int_equal(prepares(pool) - prepared, 0);
    assert_int_equal(executes(pool) - executed, 10);
}

static void a_cached_statement_takes_values_of_other_types(void **state)
{
    struct pool *pool = *state;
    int64_t prepared = prepares(pool);
    assert_int_equal(int_of(pool, "SELECT CONCAT(?, '') = '7'", POOL_ARGS(7)), 1);
    assert_int_equal(int_of(pool, "SELECT CONCAT(?, '') = '7'", POOL_ARGS("7")), 1);
    assert_int_equal(int_of(pool, "SELECT CONCAT(?, '') = '7'", POOL_ARGS(8.5)), 0);
    assert_int_equal(int_of(pool, "SELECT CONCAT(?, '') = '7'", POOL_ARGS(pool_bytes("7", 1))), 1);
    assert_int_equal(int_of(pool, "SELECT CONCAT(?, '') IS NULL", POOL_ARGS(NULL)), 1);
    assert_int_equal(int_of(pool, "SELECT CONCAT(?, '') = '7'", POOL_ARGS(pool_decimal("7"))), 1);
    assert_int_equal(prepares(pool) - prepared, 2);
}

static void the_pool_counts_prepares_and_hits(void **state)
{
    struct pool *pool = *state;
    struct pool_stats before, after;
    pool_stats(pool, &before);
    for (int i = 0; i < 10; i++)
        assert_int_equal(int_of(pool, "SELECT ? * 3", POOL_ARGS(i)), 3 * i);
    pool_stats(pool, &after);
    assert_int_equal(after.prepares - before.prepares, 1);
    assert_int_equal(after.statement_hits - before.statement_hits, 9);
}

static void a_text_request_is_not_prepared(void **state)
{
    struct pool *pool = *state;
    int64_t prepared = prepares(pool);
    assert_int_equal(first_int(query_as_text(pool, "SELECT ? * 2", POOL_ARGS(21))), 42);
    assert_int_equal(prepares(pool) - prepared, 0);
}

static void the_option_prepare_false_prepares_nothing(void **state)
{
    struct pool *pool = open_pool("prepare=false");
    (void)state;
    int64_t prepared = prepares(pool);
    assert_int_equal(int_of(pool, "SELECT ? * 2", POOL_ARGS(21)), 42);
    assert_int_equal(prepares(pool) - prepared, 0);
}

static void a_statement_that_cannot_be_prepared_reports_the_servers_error(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "SELECT FROM WHERE"};
    struct pool_error err = failure_of(pool, &request, POOL_ERR_SERVER);
    assert_int_equal(err.server_errno, 1064);
    assert_string_equal(err.sqlstate, "42000");
    assert_true(err.not_executed);
    assert_works(pool);
}

static void a_failed_prepare_leaves_nothing_on_the_server(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "SELECT * FROM absent WHERE a = ?", .args = POOL_ARGS(1)};
    int64_t before = status_of(pool, "global", "Prepared_stmt_count");
    for (int i = 0; i < 20; i++)
        failure_of(pool, &request, POOL_ERR_SERVER);
    assert_int_equal(status_of(pool, "global", "Prepared_stmt_count"), before);
}

static void a_statement_can_be_used_once_its_table_exists(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "SELECT a FROM late WHERE a = ?", .args = POOL_ARGS(5)};
    run(pool, "DROP TABLE IF EXISTS late");
    assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, 1146);
    run(pool, "CREATE TABLE late (a INT)");
    run(pool, "INSERT INTO late VALUES (5)");
    assert_int_equal(int_of(pool, request.sql, request.args), 5);
}

/* MariaDB 10.11 prepares nearly everything, but not this. */
static void what_cannot_be_prepared_goes_as_text_and_is_remembered(void **state)
{
    struct pool *pool = open_pool("resetPolicy=never");
    const char *sql = "EXECUTE IMMEDIATE ?";
    struct pool_stats stats;
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(int_of(pool, sql, POOL_ARGS("SELECT 42")), 42);
    pool_stats(pool, &stats);
    assert_int_equal(stats.prepares, 1);
    assert_int_equal(int_of(pool, sql, POOL_ARGS("SELECT 'a' = \"a\"")), 1);
    assert_works(pool);
}

static void named_values_of_what_goes_as_text_arrive(void **state)
{
    struct pool *pool = open_pool("resetPolicy=never");
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            int_of(pool, "EXECUTE IMMEDIATE :sql", POOL_ARGS(POOL_NAMED("sql", "SELECT 42"))), 42);
}

static void an_error_1295_from_within_is_the_servers_error(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "EXECUTE IMMEDIATE 'EXECUTE IMMEDIATE ''SELECT 1'''"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, 1295);
    assert_works(pool);
}

/* Errors that speak of preparing, but come out of a procedure that has had its effect. */
static void assert_runs_once(struct pool *pool, unsigned error)
{
    struct pool_request request = {.sql = "CALL writes_and_fails(?)", .args = POOL_ARGS(error)};
    run(pool, "DROP PROCEDURE IF EXISTS writes_and_fails");
    run(pool, "CREATE OR REPLACE TABLE written (a INT)");
    run(pool, "CREATE PROCEDURE writes_and_fails(e INT) BEGIN INSERT INTO written VALUES (e); "
              "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = e; END");
    assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, error);
    assert_int_equal(int_of(pool, "SELECT COUNT(*) FROM written", POOL_NO_ARGS), 1);
}

static void a_procedure_that_fails_with_1295_runs_once(void **state)
{
    assert_runs_once(*state, 1295);
}

static void a_procedure_that_fails_with_1461_runs_once(void **state)
{
    assert_runs_once(*state, 1461);
}

static void a_procedure_that_fails_with_1615_runs_once(void **state)
{
    assert_runs_once(*state, 1615);
}

static void a_procedure_that_fails_with_1243_runs_once(void **state)
{
    assert_runs_once(*state, 1243);
}

static void a_procedure_that_failed_is_not_called_not_executed(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "CALL writes_and_reads()"};
    run(pool, "CREATE OR REPLACE TABLE written (a INT)");
    run(pool, "DROP PROCEDURE IF EXISTS writes_and_reads");
    run(pool, "CREATE PROCEDURE writes_and_reads() BEGIN INSERT INTO written VALUES (1); "
              "SELECT * FROM absent; END");
    struct pool_error err = failure_of(pool, &request, POOL_ERR_SERVER);
    assert_int_equal(err.server_errno, 1146);
    assert_int_equal(int_of(pool, "SELECT COUNT(*) FROM written", POOL_NO_ARGS), 1);
    assert_false(err.not_executed);
}

/* ---- values ---- */

static void integers_of_every_c_type_arrive(void **state)
{
    struct pool_result *row = query(
        *state, "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?",
        POOL_ARGS((bool)true, (char)'A', (signed char)-128, (short)-32768, INT32_MIN,
                  (long)INT64_MIN, (long long)INT64_MAX, (unsigned char)255, (unsigned short)65535,
                  UINT32_MAX, (unsigned long)UINT64_MAX, (unsigned long long)UINT64_MAX));
    const int64_t expected[] = {1,         'A',       -128, -32768, INT32_MIN,
                                INT64_MIN, INT64_MAX, 255,  65535,  UINT32_MAX};
    assert_true(pool_next(row));
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(pool_get_int(row, i), expected[i]);
    assert_true(pool_get_uint(row, 10) == UINT64_MAX);
    assert_true(pool_get_uint(row, 11) == UINT64_MAX);
    pool_result_free(row);
}

static void other_values_of_every_c_type_arrive(void **state)
{
    char own[] = "own";
    const char *constant = "constant";
    struct pool_result *row = query(*state, "SELECT ?, ?, ?, ?, ?, ?",
                                    POOL_ARGS(0.1f, 0.1, own, constant, NULL, pool_text("value")));
    assert_true(pool_next(row));
    assert_true(pool_get_double(row, 0) == (double)0.1f);
    assert_true(pool_get_double(row, 1) == 0.1);
    assert_string_equal(pool_get_text(row, 2), "own");
    assert_string_equal(pool_get_text(row, 3), "constant");
    assert_true(pool_is_null(row, 4));
    assert_string_equal(pool_get_text(row, 5), "value");
    pool_result_free(row);
}

static void sixty_four_values_fit_into_pool_args(void **state)
{
    struct pool *pool = *state;
    char sql[400], *end = stpcpy(sql, "SELECT ?");
    for (int i = 1; i < 64; i++)
        end = stpcpy(end, " + ?");
#define EIGHT 1, 2, 3, 4, 5, 6, 7, 8
    assert_int_equal(
        int_of(pool, sql, POOL_ARGS(EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT)),
        8 * 36);
#undef EIGHT
}

static void hundreds_of_values_arrive_in_order(void **state)
{
    struct pool_value values[500];
    char sql[1100] = "SELECT ?";
    for (int i = 0; i < 500; i++)
        values[i] = pool_int(i);
    for (size_t at = strlen(sql), i = 1; i < 500; i++, at += 2)
        memcpy(sql + at, ",?", 3);
    struct pool_result *row = query(*state, sql, (struct pool_args){values, 500});
    assert_true(pool_next(row));
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(pool_get_int(row, i), i);
    pool_result_free(row);
}

static void text_with_every_byte_below_128_arrives(void **state)
{
    struct pool *pool = *state;
    char text[128];
    for (int i = 0; i < 128; i++)
        text[i] = (char)i;
    for (int mode = 0; mode < 2; mode++) {
        struct pool_args args = POOL_ARGS(pool_text_n(text, sizeof text));
        struct pool_result *row = (mode ? query_as_text : query)(pool, "SELECT ?", args);
        size_t len;
        assert_true(pool_next(row));
        const void *bytes = pool_get_bytes(row, 0, &len);
        assert_int_equal(len, sizeof text);
        assert_memory_equal(bytes, text, sizeof text);
        pool_result_free(row);
    }
}

static void empty_text_is_not_null(void **state)
{
    struct pool_args args = POOL_ARGS("", pool_bytes(NULL, 0), pool_text(NULL));
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row =
            (mode ? query_as_text : query)(*state, "SELECT ?, ?, ?, ''", args);
        size_t len = 1;
        assert_true(pool_next(row));
        assert_string_equal(pool_get_text(row, 0), "");
        assert_non_null(pool_get_bytes(row, 1, &len));
        assert_int_equal(len, 0);
        assert_true(pool_is_null(row, 2));
        pool_result_free(row);
    }
}

static void invalid_utf8_is_refused_by_a_text_column(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "INSERT INTO names VALUES (?)",
                                   .args = POOL_ARGS("caf\xe9")};
    run(pool, "CREATE OR REPLACE TABLE names (name VARCHAR(20)) CHARSET utf8mb4");
    assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, 1366);
    request.flags = POOL_TEXT;
    assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, 1366);
    assert_int_equal(int_of(pool, "SELECT COUNT(*) FROM names", POOL_NO_ARGS), 0);
}

static void a_limit_can_be_a_placeholder(void **state)
{
    struct pool_args args = POOL_ARGS(3, 2);
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *rows = (mode ? query_as_text : query)(
            *state, "SELECT seq FROM seq_1_to_10 ORDER BY seq LIMIT ? OFFSET ?", args);
        assert_int_equal(pool_row_count(rows), 3);
        assert_int_equal(first_int(rows), 3);
    }
}

static void a_wrong_number_of_values_is_refused_unsent(void **state)
{
    struct pool *pool = *state;
    int64_t before = questions(pool);
    assert_refused(pool, "SELECT ?, ?", POOL_ARGS(1), "2 placeholders but 1 value");
    assert_refused(pool, "SELECT ?", POOL_ARGS(1, 2), "1 placeholder but 2 values");
    assert_refused(pool, "SELECT 1", POOL_ARGS(1), "0 placeholders but 1 value");
    assert_refused(pool, "SELECT ?", POOL_NO_ARGS, "1 placeholder but 0 values");
    assert_int_equal(questions(pool) - before, 1);
}

static void impossible_values_are_refused_unsent(void **state)
{
    struct pool *pool = *state;
    struct pool_time no_type = {.year = 2024};
    struct pool_time late = {.type = POOL_TYPE_DATETIME, .hour = 24};
    struct pool_value nested = pool_list(NULL, 0);
    int64_t before = questions(pool);
    assert_refused(pool, "SELECT ?", POOL_ARGS(1.0 / 0.0), "infinite");
    assert_refused(pool, "SELECT ?", POOL_ARGS(pool_decimal("1e5")), "decimal");
    assert_refused(pool, "SELECT ?", POOL_ARGS(pool_time(no_type)), "type");
    assert_refused(pool, "SELECT ?", POOL_ARGS(pool_time(late)), "hour");
    assert_refused(pool, "SELECT ?", POOL_ARGS(pool_text_n("x", 0), 1), "placeholder");
    assert_refused(pool, "SELECT 1 IN (?)", POOL_ARGS(pool_list(&nested, 1)), "list");
    assert_int_equal(questions(pool) - before, 1);
}

/* ---- named values ---- */

static void named_values_may_come_in_any_order(void **state)
{
    struct pool_args args = POOL_ARGS(POOL_NAMED("b", 2), POOL_NAMED("a", "one"));
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row = (mode ? query_as_text : query)(*state, "SELECT :a, :b, :a", args);
        assert_true(pool_next(row));
        assert_string_equal(pool_get_text(row, 0), "one");
        assert_int_equal(pool_get_int(row, 1), 2);
        assert_string_equal(pool_get_text(row, 2), "one");
        pool_result_free(row);
    }
}

static void named_statements_are_cached(void **state)
{
    struct pool *pool = *state;
    int64_t prepared = prepares(pool);
    for (int i = 0; i < 10; i++)
        assert_int_equal(int_of(pool, "SELECT :n + 1", POOL_ARGS(POOL_NAMED("n", i))), i + 1);
    assert_int_equal(prepares(pool) - prepared, 1);
}

static void named_values_must_match_the_statement(void **state)
{
    struct pool *pool = *state;
    assert_refused(pool, "SELECT :a", POOL_ARGS(POOL_NAMED("b", 1)), ":a");
    assert_refused(pool, "SELECT :a", POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("b", 2)), ":b");
    assert_refused(pool, "SELECT :a", POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("a", 2)), ":a");
    assert_refused(pool, "SELECT :a", POOL_ARGS(1), "");
    assert_refused(pool, "SELECT :a", POOL_NO_ARGS, "named");
    assert_refused(pool, "SELECT ?", POOL_ARGS(POOL_NAMED("a", 1)), ":a");
    assert_refused(pool, "SELECT ?, :a", POOL_ARGS(1, POOL_NAMED("a", 1)), "");
    assert_works(pool);
}

/* ---- lists ---- */

static void assert_list_selects(struct pool *pool, unsigned count)
{
    struct pool_value values[128];
    for (unsigned i = 0; i < count; i++)
        values[i] = pool_uint(2 * i + 2);
    assert_int_equal(int_of(pool, "SELECT COUNT(*) FROM seq_1_to_1000 WHERE seq > ? AND seq IN (?)",
                            POOL_ARGS(0, pool_list(values, count))),
                     count);
}

static void lists_of_every_length_select_their_rows(void **state)
{
    for (unsigned count = 0; count <= 100; count++)
        assert_list_selects(*state, count);
}

static void lists_of_all_lengths_share_few_statements(void **state)
{
    struct pool *pool = *state;
    int64_t prepared = prepares(pool);
    for (unsigned count = 0; count <= 128; count++)
        assert_list_selects(pool, count);
    assert_int_equal(prepares(pool) - prepared, 9); /* 0, 1, 2, 4 ... 128 */
}

static void an_empty_list_matches_nothing(void **state)
{
    struct pool_args args = POOL_ARGS(pool_list(NULL, 0));
    const char *sql = "SELECT COUNT(*) FROM seq_1_to_10 WHERE seq IN (?)";
    assert_int_equal(int_of(*state, sql, args), 0);
    assert_int_equal(first_int(query_as_text(*state, sql, args)), 0);
}

static void lists_of_texts_and_nulls_work_in_both_modes(void **state)
{
    struct pool_value values[] = {pool_text("a'b"), pool_null(), pool_text("\\")};
    struct pool_args args = POOL_ARGS("a'b", pool_list(values, 3), "c", pool_list(values, 3));
    const char *sql = "SELECT ? IN (?) AND (? IN (?)) IS NULL";
    assert_int_equal(int_of(*state, sql, args), 1);
    assert_int_equal(first_int(query_as_text(*state, sql, args)), 1);
}

static void a_list_can_have_a_name(void **state)
{
    struct pool_value values[] = {pool_int(3), pool_int(5), pool_int(7)};
    struct pool_args args = POOL_ARGS(POOL_NAMED("ids", pool_list(values, 3)), POOL_NAMED("n", 5));
    assert_int_equal(
        int_of(*state, "SELECT COUNT(*) FROM seq_1_to_9 WHERE seq IN (:ids) AND seq <> :n", args),
        2);
}

static void a_list_may_have_ten_thousand_values(void **state)
{
    struct pool_value *values = calloc(10000, sizeof *values);
    for (int i = 0; i < 10000; i++)
        values[i] = pool_int(i + 1);
    assert_int_equal(int_of(*state, "SELECT COUNT(*) FROM seq_1_to_20000 WHERE seq IN (?)",
                            POOL_ARGS(pool_list(values, 10000))),
                     10000);
    free(values);
}

static void more_placeholders_than_the_protocol_has_are_refused(void **state)
{
    struct pool_value *values = calloc(70000, sizeof *values);
    assert_refused(*state, "SELECT 1 IN (?)", POOL_ARGS(pool_list(values, 70000)), "65535");
    free(values);
    assert_works(*state);
}

/* ---- SQL text ---- */

static void wrong_sql_text_is_refused_unsent(void **state)
{
    struct pool *pool = *state;
    int64_t before = questions(pool);
    assert_refused(pool, NULL, POOL_NO_ARGS, "NULL");
    assert_refused(pool, "", POOL_NO_ARGS, "empty");
    assert_refused(pool, " \n -- nothing\n /* here */ ", POOL_NO_ARGS, "empty");
    assert_refused(pool, ";", POOL_NO_ARGS, "empty");
    assert_refused(pool, "SELECT 'caf\xe9'", POOL_NO_ARGS, "UTF-8");
    assert_refused(pool, "SELECT 'open", POOL_NO_ARGS, "byte 7");
    assert_refused(pool, "SELECT \"open", POOL_NO_ARGS, "byte 7");
    assert_refused(pool, "SELECT `open", POOL_NO_ARGS, "byte 7");
    assert_refused(pool, "SELECT 1 /* open", POOL_NO_ARGS, "byte 9");
    assert_int_equal(questions(pool) - before, 1);
}

static void a_nul_in_the_sql_is_refused(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "SELECT 1\0, 2", .sql_len = 12};
    struct pool_error err = failure_of(pool, &request, POOL_ERR_INVALID);
    assert_non_null(strstr(err.message, "NUL at byte 8"));
    request.flags = POOL_TEXT;
    failure_of(pool, &request, POOL_ERR_INVALID);
}

static void sql_may_be_given_by_length(void **state)
{
    struct pool_request request = {.sql = "SELECT 7 garbage(", .sql_len = 8};
    struct pool_error err;
    for (unsigned flags = 0; flags < 2; flags++) {
        request.flags = flags ? POOL_TEXT : 0;
        assert_int_equal(first_int(pool_query_with(*state, &request, &err)), 7);
    }
}

static void question_marks_in_strings_and_comments_are_no_placeholders(void **state)
{
    const char *sql =
        "SELECT '?', \"?\", 'it''s ?', /* ? */ ? -- ? \n, `?` # ?\n FROM (SELECT 5 AS `?`) t";
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row = (mode ? query_as_text : query)(*state, sql, POOL_ARGS(42));
        assert_true(pool_next(row));
        assert_string_equal(pool_get_text(row, 0), "?");
        assert_string_equal(pool_get_text(row, 2), "it's ?");
        assert_int_equal(pool_get_int(row, 3), 42);
        assert_int_equal(pool_get_int(row, 4), 5);
        pool_result_free(row);
    }
}

static void a_placeholder_in_an_executable_comment_counts(void **state)
{
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *row = (mode ? query_as_text : query)(
            *state, "SELECT 1 /*!50000 + ? */ /*M! + ? */", POOL_ARGS(2, 3));
        assert_int_equal(first_int(row), 6);
    }
}

static void a_trailing_semicolon_is_no_second_statement(void **state)
{
    assert_int_equal(int_of(*state, "SELECT 3;", POOL_NO_ARGS), 3);
    assert_int_equal(int_of(*state, "SELECT 3 ; -- done", POOL_NO_ARGS), 3);
    assert_int_equal(first_int(query_as_text(*state, "SELECT 3;", POOL_NO_ARGS)), 3);
}

/* ---- limits on statements ---- */

static void a_small_cache_serves_many_statements(void **state)
{
    struct pool *pool = open_pool("statementCache=4");
    char sql[64];
    (void)state;
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 100; i++) {
            snprintf(sql, sizeof sql, "SELECT %d + ?", i);
            assert_int_equal(int_of(pool, sql, POOL_ARGS(1)), i + 1);
        }
    assert_in_range(status_of(pool, "global", "Prepared_stmt_count"), 1, 4);
}

static void the_cache_keeps_what_was_used_last(void **state)
{
    struct pool *pool = open_pool("statementCache=2");
    (void)state;
    int_of(pool, "SELECT 1", POOL_NO_ARGS);
    int_of(pool, "SELECT 2", POOL_NO_ARGS);
    int_of(pool, "SELECT 1", POOL_NO_ARGS);
    int_of(pool, "SELECT 3", POOL_NO_ARGS); /* in place of SELECT 2 */
    int64_t prepared = prepares(pool);
    int_of(pool, "SELECT 1", POOL_NO_ARGS);
    int_of(pool, "SELECT 3", POOL_NO_ARGS);
    assert_int_equal(prepares(pool) - prepared, 0);
    int_of(pool, "SELECT 2", POOL_NO_ARGS);
    assert_int_equal(prepares(pool) - prepared, 1);
}

static void run_many_texts(struct pool *pool)
{
    char sql[64];
    for (int i = 0; i < 100; i++) {
        snprintf(sql, sizeof sql, "SELECT %d + ?", i);
        assert_int_equal(int_of(pool, sql, POOL_ARGS(1)), i + 1);
    }
}

static void a_pool_stays_under_a_low_limit_of_the_server(void **state)
{
    (void)state;
    set_global("max_prepared_stmt_count = 20");
    struct pool *pool = open_pool("");
    run_many_texts(pool);
    run_many_texts(pool);
    assert_in_range(status_of(pool, "global", "Prepared_stmt_count"), 1, 19);
}

static void a_limit_that_is_lowered_later_turns_statements_into_text(void **state)
{
    struct pool *pool = *state;
    assert_works(pool);
    set_global("max_prepared_stmt_count = 5");
    run_many_texts(pool);
    run_many_texts(pool);
    assert_in_range(status_of(pool, "global", "Prepared_stmt_count"), 1, 5);
}

/* A server that refuses a prepare for its limit has not forgotten the one before. */
static void a_prepare_over_the_limit_does_not_repeat_the_statement_before(void **state)
{
    struct pool *pool = *state;
    run(pool, "CREATE OR REPLACE TABLE written (a INT)");
    pool_result_free(query(pool, "INSERT INTO written VALUES (?)", POOL_ARGS(1)));
    set_global("max_prepared_stmt_count = 1");
    assert_int_equal(int_of(pool, "SELECT ? + 100", POOL_ARGS(1)), 101);
    assert_int_equal(first_int(query_as_text(pool, "SELECT COUNT(*) FROM written", POOL_NO_ARGS)),
                     1);
}

static void without_any_prepared_statements_everything_is_text(void **state)
{
    (void)state;
    set_global("max_prepared_stmt_count = 0");
    struct pool *pool = open_pool("");
    struct pool_value values[] = {pool_int(1), pool_int(3), pool_int(5)};
    run_many_texts(pool);
    assert_int_equal(int_of(pool, "SELECT COUNT(*) FROM seq_1_to_9 WHERE seq IN (?)",
                            POOL_ARGS(pool_list(values, 3))),
                     3);
    assert_int_equal(int_of(pool, "SELECT :a + :a", POOL_ARGS(POOL_NAMED("a", 4))), 8);
    assert_int_equal(status_of(pool, "global", "Prepared_stmt_count"), 0);
}

/* ---- changes of tables under cached statements ---- */

/* Runs the same statement on the same connection before and after a change. */
static struct pool_result *after_change(struct pool *pool, const char *change)
{
    const char *sql = "SELECT * FROM changing WHERE a = ?";
    struct pool *other = open_pool("");
    run(other, "CREATE OR REPLACE TABLE changing (a INT, b INT)");
    run(other, "INSERT INTO changing VALUES (1, 2)");
    int64_t thread = thread_of(pool);
    for (int i = 0; i < 2; i++)
        pool_result_free(query(pool, sql, POOL_ARGS(1)));
    run(other, change);
    struct pool_result *row = query(pool, sql, POOL_ARGS(1));
    assert_int_equal(thread_of(pool), thread);
    assert_true(pool_next(row));
    assert_int_equal(pool_get_int(row, 0), 1);
    return row;
}

static void an_added_column_is_seen_by_a_cached_statement(void **state)
{
    struct pool_result *row =
        after_change(*state, "ALTER TABLE changing ADD COLUMN c VARCHAR(10) DEFAULT 'new'");
    assert_int_equal(pool_column_count(row), 3);
    assert_string_equal(pool_column_name(row, 2), "c");
    assert_string_equal(pool_get_text(row, 2), "new");
    pool_result_free(row);
    assert_works(*state);
}

static void a_removed_column_is_missed_by_a_cached_statement(void **state)
{
    struct pool_result *row = after_change(*state, "ALTER TABLE changing DROP COLUMN b");
    assert_int_equal(pool_column_count(row), 1);
    pool_result_free(row);
    assert_works(*state);
}

static void a_changed_type_is_seen_by_a_cached_statement(void **state)
{
    struct pool_result *row =
        after_change(*state, "ALTER TABLE changing MODIFY b VARCHAR(300) NOT NULL DEFAULT ''");
    assert_int_equal(pool_column_type(row, 1), POOL_TYPE_TEXT);
    assert_string_equal(pool_get_text(row, 1), "2");
    pool_result_free(row);
}

static void a_renamed_column_is_seen_by_a_cached_statement(void **state)
{
    struct pool_result *row = after_change(*state, "ALTER TABLE changing RENAME COLUMN b TO z");
    assert_string_equal(pool_column_name(row, 1), "z");
    assert_int_equal(pool_get_int(row, 1), 2);
    pool_result_free(row);
}

static void a_table_that_grows_to_hundreds_of_columns_is_seen(void **state)
{
    char change[8000] = "ALTER TABLE changing ADD COLUMN x0 INT DEFAULT 0";
    char *end = change + strlen(change);
    for (int i = 1; i < 300; i++)
        end += snprintf(end, 30, ", ADD x%d INT DEFAULT %d", i, i);
    struct pool_result *row = after_change(*state, change);
    assert_int_equal(pool_column_count(row), 302);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(pool_get_int(row, i + 2), i);
    pool_result_free(row);
}

static void a_table_that_was_dropped_is_an_error_until_it_is_back(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "SELECT * FROM changing WHERE a = ?",
                                   .args = POOL_ARGS(1)};
    pool_result_free(after_change(pool, "DO 0"));
    run(open_pool(""), "DROP TABLE changing");
    assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, 1146);
    pool_result_free(after_change(pool, "DO 0"));
}

/* Without a limit on its time the call might wait for rows for ever. */
static void a_cached_statement_may_have_rows_or_not(void **state)
{
    struct pool *pool = open_pool("resetPolicy=never");
    struct pool_request request = {.sql = "EXECUTE either", .timeout_ms = 20000};
    struct pool_error err;
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        run(pool, i % 2 ? "PREPARE either FROM 'DO 1'" : "PREPARE either FROM 'SELECT 1, 2'");
        struct pool_result *result = pool_query_with(pool, &request, &err);
        if (!result)
            fail_msg("%s", err.message);
        assert_int_equal(pool_column_count(result), i % 2 ? 0 : 2);
        pool_result_free(result);
    }
}

static void columns_may_change_during_every_execute(void **state)
{
    struct pool *pool = *state, *other = open_pool("");
    for (unsigned i = 0; i < 30; i++) {
        run(other, i % 2 ? "CREATE OR REPLACE TABLE swings (a VARCHAR(9), b DATETIME, c DOUBLE)"
                         : "CREATE OR REPLACE TABLE swings (a BIGINT)");
        run(other, i % 2 ? "INSERT INTO swings VALUES ('x', NOW(), 1.5)"
                         : "INSERT INTO swings VALUES (-1)");
        struct pool_result *row = query(pool, "SELECT * FROM swings", POOL_NO_ARGS);
        assert_true(pool_next(row));
        assert_int_equal(pool_column_count(row), i % 2 ? 3 : 1);
        assert_string_equal(pool_get_text(row, 0), i % 2 ? "x" : "-1");
        pool_result_free(row);
    }
}

/* ---- several statements, several sets ---- */

static void several_statements_are_refused_by_default(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "SELECT 1; SELECT 2", .flags = POOL_TEXT};
    int64_t before = questions(pool);
    assert_refused(pool, "SELECT 1; SELECT 2", POOL_NO_ARGS, "multi_statements");
    struct pool_error err = failure_of(pool, &request, POOL_ERR_INVALID);
    assert_non_null(strstr(err.message, "multi_statements"));
    assert_int_equal(questions(pool) - before, 1);
}

/* With `prepare` the option alone is not enough. */
static void several_statements_need_the_text_flag_too(void **state)
{
    (void)state;
    assert_refused(open_pool("multipleStatements=true"), "SELECT 1; SELECT 2", POOL_NO_ARGS,
                   "POOL_TEXT");
}

static void several_statements_give_several_sets(void **state)
{
    struct pool *pool = open_pool("multipleStatements=true");
    (void)state;
    run(pool, "CREATE OR REPLACE TABLE many (a INT)");
    struct pool_result *sets = query_as_text(
        pool,
        "INSERT INTO many VALUES (1), (2), (?); SELECT a FROM many WHERE a > ?; SELECT 'x', ?",
        POOL_ARGS(3, 1, "a;b"));
    assert_int_equal(pool_column_count(sets), 0);
    assert_int_equal(pool_affected_rows(sets), 3);
    assert_true(pool_next_set(sets));
    assert_int_equal(pool_row_count(sets), 2);
    assert_true(pool_next_set(sets));
    assert_true(pool_next(sets));
    assert_string_equal(pool_get_text(sets, 1), "a;b");
    assert_false(pool_next_set(sets));
    pool_result_free(sets);
    assert_works(pool);
}

static void an_error_in_a_later_statement_fails_the_request(void **state)
{
    struct pool *pool = open_pool("multipleStatements=true");
    struct pool_request request = {.sql = "INSERT INTO many VALUES (9); SELECT * FROM absent",
                                   .flags = POOL_TEXT};
    (void)state;
    run(pool, "CREATE OR REPLACE TABLE many (a INT)");
    struct pool_error err = failure_of(pool, &request, POOL_ERR_SERVER);
    assert_int_equal(err.server_errno, 1146);
    assert_false(err.not_executed);
    assert_int_equal(int_of(pool, "SELECT COUNT(*) FROM many", POOL_NO_ARGS), 1);
}

static void create_procedure(struct pool *pool, const char *name, const char *rest)
{
    char sql[1000];
    snprintf(sql, sizeof sql, "CREATE OR REPLACE PROCEDURE %s %s", name, rest);
    run(pool, sql);
}

static void a_procedure_gives_its_sets_in_order(void **state)
{
    create_procedure(*state, "sets",
                     "(n INT) BEGIN SELECT n; SELECT seq, 'x' FROM seq_1_to_3; "
                     "SELECT 1 FROM dual WHERE FALSE; END");
    for (int mode = 0; mode < 4; mode++) {
        struct pool_result *sets =
            (mode % 2 ? query_as_text : query)(*state, "CALL sets(?)", POOL_ARGS(mode));
        assert_int_equal(pool_row_count(sets), 1);
        assert_true(pool_next(sets));
        assert_int_equal(pool_get_int(sets, 0), mode);
        assert_true(pool_next_set(sets));
        assert_int_equal(pool_row_count(sets), 3);
        assert_int_equal(pool_column_count(sets), 2);
        assert_true(pool_next_set(sets));
        assert_int_equal(pool_row_count(sets), 0);
        assert_true(pool_next_set(sets)); /* the end of the CALL itself */
        assert_int_equal(pool_column_count(sets), 0);
        assert_false(pool_next_set(sets));
        pool_result_free(sets);
    }
}

static void out_parameters_come_as_a_set(void **state)
{
    create_procedure(*state, "outs",
                     "(IN a INT, OUT b INT, INOUT c VARCHAR(20)) "
                     "BEGIN SELECT 'rows'; SET b = a * 2; SET c = CONCAT(c, '!'); END");
    for (int round = 0; round < 3; round++) {
        struct pool_result *sets =
            query(*state, "CALL outs(?, ?, ?)", POOL_ARGS(21, NULL, "hello"));
        assert_string_equal(pool_next(sets) ? pool_get_text(sets, 0) : "none", "rows");
        assert_true(pool_next_set(sets));
        assert_true(pool_next(sets));
        assert_int_equal(pool_column_count(sets), 2);
        assert_int_equal(pool_get_int(sets, 0), 42);
        assert_string_equal(pool_get_text(sets, 1), "hello!");
        pool_result_free(sets);
        assert_works(*state);
    }
}

static void out_parameters_alone_are_a_set(void **state)
{
    create_procedure(*state, "outs_only",
                     "(OUT a BIGINT, OUT b DATETIME(6)) "
                     "BEGIN SET a = -5; SET b = '2024-02-29 12:34:56.789'; END");
    for (int round = 0; round < 3; round++) {
        struct pool_result *sets = query(*state, "CALL outs_only(?, ?)", POOL_ARGS(NULL, NULL));
        assert_true(pool_next(sets));
        assert_int_equal(pool_get_int(sets, 0), -5);
        assert_string_equal(pool_get_text(sets, 1), "2024-02-29 12:34:56.789000");
        pool_result_free(sets);
        assert_works(*state);
    }
}

static void an_error_after_the_first_set_fails_the_call(void **state)
{
    struct pool_request request = {.sql = "CALL breaks()"};
    create_procedure(*state, "breaks",
                     "() BEGIN SELECT seq FROM seq_1_to_100; "
                     "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'enough'; END");
    for (int mode = 0; mode < 4; mode++) {
        request.flags = mode % 2 ? POOL_TEXT : 0;
        struct pool_error err = failure_of(*state, &request, POOL_ERR_SERVER);
        assert_string_equal(err.message, "enough");
        assert_string_equal(err.sqlstate, "45000");
        assert_false(err.fatal);
        assert_false(err.not_executed);
        assert_works(*state);
    }
}

static void a_procedure_may_give_hundreds_of_sets(void **state)
{
    create_procedure(*state, "hundreds",
                     "(n INT) BEGIN DECLARE i INT DEFAULT 0; "
                     "WHILE i < n DO SELECT i; SET i = i + 1; END WHILE; END");
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *sets =
            (mode ? query_as_text : query)(*state, "CALL hundreds(?)", POOL_ARGS(500));
        for (int i = 0; i < 500; i++) {
            assert_true(pool_next(sets));
            assert_int_equal(pool_get_int(sets, 0), i);
            assert_true(pool_next_set(sets));
        }
        assert_false(pool_next_set(sets));
        pool_result_free(sets);
    }
}

/* ---- size limits ---- */

static void assert_too_big(struct pool *pool, unsigned flags, size_t size)
{
    char *text = filled(size, 'x');
    struct pool_request request = {
        .sql = "SELECT LENGTH(?)", .args = POOL_ARGS(text), .flags = flags};
    int64_t thread = thread_of(pool);
    struct pool_error err = failure_of(pool, &request, POOL_ERR_TOO_BIG);
    assert_true(err.not_executed);
    assert_false(err.fatal);
    assert_non_null(strstr(err.message, "max_allowed_packet"));
    assert_int_equal(thread_of(pool), thread);
    assert_works(pool);
    free(text);
}

static void a_packet_over_the_servers_limit_is_not_sent(void **state)
{
    (void)state;
    set_global("max_allowed_packet = 1048576");
    struct pool *pool = open_pool("");
    assert_too_big(pool, 0, 2 * MIB);
    assert_too_big(pool, POOL_TEXT, 2 * MIB);
    assert_too_big(pool, 0, MIB);
    assert_too_big(pool, POOL_TEXT, MIB);
}

/* Whatever the pool lets through near the limit, the server must take. */
static void every_size_around_the_servers_limit_ends_well(void **state)
{
    (void)state;
    set_global("max_allowed_packet = 1048576");
    struct pool *pool = open_pool("");
    char *text = filled(MIB, 'x');
    int64_t thread = thread_of(pool);
    for (size_t less = 0; less < 80; less++) {
        struct pool_request request = {.sql = "SELECT LENGTH(?)",
                                       .flags = less % 2 ? POOL_TEXT : 0};
        struct pool_error err;
        struct pool_value value = pool_text_n(text, MIB - less);
        request.args = (struct pool_args){&value, 1};
        struct pool_result *result = pool_query_with(pool, &request, &err);
        if (!result)
            assert_int_equal(err.code, POOL_ERR_TOO_BIG);
        pool_result_free(result);
        assert_int_equal(thread_of(pool), thread);
    }
    free(text);
}

static void a_row_over_the_clients_packet_limit_is_an_error(void **state)
{
    struct pool *pool = open_pool("maxPacketBytes=65536");
    (void)state;
    for (unsigned mode = 0; mode < 2; mode++) {
        struct pool_request request = {.sql = "SELECT REPEAT('x', 100000)",
                                       .flags = mode ? POOL_TEXT : 0};
        failure_of(pool, &request, POOL_ERR_TOO_BIG);
        assert_works(pool);
    }
}

static void assert_round_trip(struct pool *pool, size_t size, unsigned flags)
{
    char *text = filled(size, 'x');
    memcpy(text + size - 4, "\0end", 4);
    struct pool_error err;
    struct pool_request request = {
        .sql = "SELECT ?", .args = POOL_ARGS(pool_bytes(text, size)), .flags = flags};
    struct pool_result *row = pool_query_with(pool, &request, &err);
    if (!row)
        fail_msg("%s", err.message);
    size_t len;
    assert_true(pool_next(row));
    const void *back = pool_get_bytes(row, 0, &len);
    assert_int_equal(len, size);
    assert_true(memcmp(back, text, size) == 0);
    pool_result_free(row);
    free(text);
}

static void values_around_every_length_prefix_come_back(void **state)
{
    static const size_t sizes[] = {249,   250,   251,   252,   255,      256,    65534,
                                   65535, 65536, 65537, 65800, MIB - 30, 4 * MIB};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_round_trip(*state, sizes[i], 0);
        assert_round_trip(*state, sizes[i], POOL_TEXT);
    }
}

/* Packets are cut at 16 MiB - 1 on their way. */
static void values_around_the_size_of_a_packet_come_back(void **state)
{
    (void)state;
    set_global("max_allowed_packet = 134217728");
    struct pool *pool = open_pool("maxPacketBytes=134217728");
    for (size_t size = 16 * MIB - 20; size < 16 * MIB + 4; size++)
        assert_round_trip(pool, size, 0);
}

static void a_value_of_64_mib_comes_back(void **state)
{
    (void)state;
    set_global("max_allowed_packet = 134217728");
    struct pool *pool = open_pool("maxPacketBytes=134217728&maxResultBytes=100000000");
    assert_round_trip(pool, 64 * MIB, 0);
    assert_works(pool);
}

static void a_row_may_have_4096_columns(void **state)
{
    char *sql = malloc(4096 * 12), *end = stpcpy(sql, "SELECT 0 c0");
    for (unsigned i = 1; i < 4096; i++)
        end += snprintf(end, 12, ",%u c%u", i, i);
    for (int mode = 0; mode < 3; mode++) {
        struct pool_result *row = (mode == 1 ? query_as_text : query)(*state, sql, POOL_NO_ARGS);
        assert_int_equal(pool_column_count(row), 4096);
        assert_true(pool_next(row));
        for (unsigned i = 0; i < 4096; i++)
            assert_int_equal(pool_get_int(row, i), i);
        assert_int_equal(pool_column_index(row, "c4095"), 4095);
        pool_result_free(row);
    }
    free(sql);
}

static void more_rows_than_max_rows_are_an_error(void **state)
{
    struct pool *pool = open_pool("maxRows=10");
    struct pool_request request = {.sql = "SELECT seq FROM seq_1_to_11"};
    (void)state;
    for (unsigned mode = 0; mode < 4; mode++) {
        request.flags = mode % 2 ? POOL_TEXT : 0;
        struct pool_error err = failure_of(pool, &request, POOL_ERR_TOO_BIG);
        assert_non_null(strstr(err.message, "max_rows"));
        assert_works(pool);
    }
    pool_result_free(query(pool, "SELECT seq FROM seq_1_to_10", POOL_NO_ARGS));
}

static void a_result_over_max_result_bytes_is_an_error(void **state)
{
    struct pool *pool = open_pool("maxResultBytes=100000");
    struct pool_request request = {.sql = "SELECT REPEAT('x', 1000) FROM seq_1_to_1000000"};
    (void)state;
    for (unsigned mode = 0; mode < 4; mode++) {
        request.flags = mode % 2 ? POOL_TEXT : 0;
        struct pool_error err = failure_of(pool, &request, POOL_ERR_TOO_BIG);
        assert_non_null(strstr(err.message, "max_result_bytes"));
        assert_works(pool);
    }
}

/* The pool's own questions, at the login and about backslashes, have longer answers. */
static void the_smallest_results_are_enough_for_the_pool(void **state)
{
    struct pool *pool = open_pool("maxResultBytes=256&maxRows=1");
    struct pool_request request = {.sql = "SELECT ?", .args = POOL_ARGS("\\"), .flags = POOL_TEXT};
    struct pool_error err;
    (void)state;
    pool_result_free(query(pool, "SET @x = 1", POOL_NO_ARGS));
    struct pool_result *result = pool_query_with(pool, &request, &err);
    if (!result)
        fail_msg("%s", err.message);
    pool_result_free(result);
}

/* ---- what a statement reports ---- */

static void inserts_report_ids_and_rows(void **state)
{
    struct pool *pool = *state;
    run(pool,
        "CREATE OR REPLACE TABLE items (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, n INT)");
    run(pool, "ALTER TABLE items AUTO_INCREMENT = 10000000000");
    for (unsigned mode = 0; mode < 4; mode++) {
        struct pool_result *done = (mode % 2 ? query_as_text : query)(
            pool, "INSERT INTO items (n) VALUES (?), (?)", POOL_ARGS(1, 2));
        assert_int_equal(pool_insert_id(done), 10000000000 + 2 * mode);
        assert_int_equal(pool_affected_rows(done), 2);
        assert_int_equal(pool_column_count(done), 0);
        assert_false(pool_next(done));
        pool_result_free(done);
    }
    struct pool_result *done = query(pool, "DELETE FROM items WHERE n = ?", POOL_ARGS(1));
    assert_int_equal(pool_affected_rows(done), 4);
    assert_int_equal(pool_insert_id(done), 0);
    pool_result_free(done);
}

static void insert_returning_gives_rows(void **state)
{
    struct pool *pool = *state;
    run(pool, "CREATE OR REPLACE TABLE items (id INT AUTO_INCREMENT PRIMARY KEY, n INT)");
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *rows = (mode ? query_as_text : query)(
            pool, "INSERT INTO items (n) VALUES (?), (8) RETURNING id, n", POOL_ARGS(7));
        assert_int_equal(pool_row_count(rows), 2);
        assert_true(pool_next(rows));
        assert_int_equal(pool_get_int(rows, 1), 7);
        pool_result_free(rows);
    }
}

static void warnings_are_counted(void **state)
{
    for (int mode = 0; mode < 4; mode++) {
        struct pool_result *row = (mode % 2 ? query_as_text : query)(
            *state, "SELECT CAST(? AS SIGNED), CAST('2y' AS SIGNED)", POOL_ARGS("1x"));
        assert_int_equal(pool_warning_count(row), 2);
        pool_result_free(row);
        row = query(*state, "SELECT 1", POOL_NO_ARGS);
        assert_int_equal(pool_warning_count(row), 0);
        pool_result_free(row);
    }
}

static void warnings_of_a_write_are_counted(void **state)
{
    run(*state, "CREATE OR REPLACE TABLE narrow (a INT UNIQUE)");
    run(*state, "INSERT INTO narrow VALUES (1)");
    for (int mode = 0; mode < 4; mode++) {
        struct pool_result *done = (mode % 2 ? query_as_text : query)(
            *state, "INSERT IGNORE INTO narrow VALUES (?)", POOL_ARGS(1));
        assert_int_equal(pool_warning_count(done), 1);
        assert_int_equal(pool_affected_rows(done), 0);
        pool_result_free(done);
    }
}

static void an_empty_result_has_its_columns(void **state)
{
    for (int mode = 0; mode < 2; mode++) {
        struct pool_result *none = (mode ? query_as_text : query)(
            *state, "SELECT seq AS a, 'x' AS b FROM seq_1_to_3 WHERE seq > ?", POOL_ARGS(9));
        assert_int_equal(pool_row_count(none), 0);
        assert_string_equal(pool_column_name(none, 1), "b");
        assert_false(pool_next(none));
        pool_result_free(none);
    }
}

static void a_result_outlives_its_pool(void **state)
{
    struct pool_error err;
    struct pool *pool = pool_create_url(getenv("MYPOOL_URL"), &err);
    struct pool_result *rows = query(pool, "SELECT seq, 'text' FROM seq_1_to_1000", POOL_NO_ARGS);
    (void)state;
    assert_true(pool_end(pool, 5000, &err));
    for (int i = 1; i <= 1000; i++) {
        assert_true(pool_next(rows));
        assert_int_equal(pool_get_int(rows, 0), i);
        assert_string_equal(pool_get_text(rows, 1), "text");
    }
    pool_result_free(rows);
}

/* ---- streams ---- */

struct stream {
    uint64_t rows;
    uint64_t sum;
    uint64_t stop_after; /* 0: never */
    uint64_t bytes;
};

static bool take_row(struct pool_result *row, void *arg)
{
    struct stream *stream = arg;
    size_t len;
    pool_get_bytes(row, 1, &len);
    stream->rows++;
    stream->sum += pool_get_uint(row, 0);
    stream->bytes += len;
    return stream->rows != stream->stop_after;
}

static long peak_kib(void)
{
    char line[128];
    long peak = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file))
        sscanf(line, "VmHWM: %ld kB", &peak);
    fclose(file);
    return peak;
}

/* 200 MB pass; a tenth of it in memory would be a leak. */
static void a_stream_takes_constant_memory(void **state)
{
    struct stream stream = {0};
    struct pool_error err;
    assert_works(*state);
    long before = peak_kib();
    assert_true(pool_stream(*state, "SELECT seq, REPEAT('x', ?) FROM seq_1_to_200000",
                            POOL_ARGS(1000), take_row, &stream, &err));
    assert_int_equal(stream.rows, 200000);
    assert_int_equal(stream.sum, UINT64_C(200000) * 200001 / 2);
    assert_int_equal(stream.bytes, 200000 * 1000);
    assert_in_range(peak_kib() - before, 0, 20 * 1024);
    assert_works(*state);
}

static void a_stream_of_text_takes_constant_memory(void **state)
{
    struct stream stream = {0};
    struct pool *pool = open_pool("prepare=false");
    (void)state;
    assert_works(pool);
    long before = peak_kib();
    assert_true(pool_stream(pool, "SELECT seq, REPEAT('x', ?) FROM seq_1_to_200000",
                            POOL_ARGS(1000), take_row, &stream, NULL));
    assert_int_equal(stream.rows, 200000);
    assert_in_range(peak_kib() - before, 0, 20 * 1024);
    assert_works(pool);
}

static bool read_everything(struct pool_result *row, void *arg)
{
    char expected[32];
    int64_t id;
    const char *text, *number;
    struct stream *stream = arg;
    snprintf(expected, sizeof expected, "row %llu", (unsigned long long)++stream->rows);
    bool good = POOL_SCAN(row, &id, &text) && (uint64_t)id == stream->rows &&
                strcmp(text, expected) == 0 && (number = pool_get_text(row, 0)) &&
                strtoull(number, NULL, 10) == stream->rows && pool_is_null(row, 2);
    stream->bytes += good;
    return true;
}

static void a_streamed_row_can_be_read_in_every_way(void **state)
{
    struct stream stream = {0};
    for (int mode = 0; mode < 2; mode++) {
        struct pool *pool = open_pool(mode ? "prepare=false" : "");
        stream = (struct stream){0};
        assert_true(pool_stream(pool, "SELECT seq, CONCAT('row ', seq), NULL FROM seq_1_to_20000",
                                POOL_NO_ARGS, read_everything, &stream, NULL));
        assert_int_equal(stream.rows, 20000);
        assert_int_equal(stream.bytes, 20000);
    }
    (void)state;
}

static void a_stream_that_is_stopped_early_succeeds(void **state)
{
    struct pool_error err;
    for (unsigned stop = 1; stop < 1000; stop *= 3) {
        struct stream stream = {.stop_after = stop};
        assert_true(pool_stream(*state, "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_100000000",
                                POOL_NO_ARGS, take_row, &stream, &err));
        assert_int_equal(err.code, POOL_OK);
        assert_int_equal(stream.rows, stop);
        assert_works(*state);
    }
}

static void a_stream_stopped_at_its_last_row_succeeds(void **state)
{
    struct stream stream = {.stop_after = 3};
    assert_true(pool_stream(*state, "SELECT seq, 'x' FROM seq_1_to_3", POOL_NO_ARGS, take_row,
                            &stream, NULL));
    assert_int_equal(stream.rows, 3);
    assert_works(*state);
}

static void a_stream_of_a_statement_without_rows_succeeds(void **state)
{
    struct stream stream = {0};
    run(*state, "CREATE OR REPLACE TABLE sink (a INT)");
    assert_true(
        pool_stream(*state, "INSERT INTO sink VALUES (?)", POOL_ARGS(1), take_row, &stream, NULL));
    assert_int_equal(stream.rows, 0);
    assert_works(*state);
}

static void a_stream_without_a_callback_is_refused(void **state)
{
    struct pool_error err;
    assert_false(pool_stream(*state, "SELECT 1", POOL_NO_ARGS, NULL, NULL, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
}

static void a_stream_on_a_connection_can_be_stopped(void **state)
{
    struct pool_conn conn;
    struct pool_error err;
    struct stream stream = {.stop_after = 5};
    assert_true(pool_get_connection(*state, &conn, &err));
    assert_true(pool_conn_stream(conn, "SELECT seq, 'x' FROM seq_1_to_100000000", POOL_NO_ARGS,
                                 take_row, &stream, &err));
    assert_int_equal(stream.rows, 5);
    assert_null(pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_string_equal(err.message,
                        "an earlier call left rows unread, which costs the connection");
    assert_true(err.fatal);
    assert_true(err.not_executed);
    assert_true(pool_conn_release(conn, &err));
    assert_works(*state);
}

/* A limit on a result is for results that are kept: a stream has only its rows. */
static void a_stream_may_be_longer_than_max_result_bytes(void **state)
{
    struct pool *pool = open_pool("maxResultBytes=100000");
    struct stream stream = {0};
    (void)state;
    assert_true(pool_stream(pool, "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_5000", POOL_NO_ARGS,
                            take_row, &stream, NULL));
    assert_int_equal(stream.rows, 5000);
}

/* Sets with other columns, none, or more of them than before. */
static void a_procedure_may_be_replaced_under_a_cached_call(void **state)
{
    static const char *const bodies[] = {"SELECT 1, 2", "DO 0", "SELECT 'x'; SELECT 1, 2, 3",
                                         "SELECT 'y'", "SET @a = 1"};
    static const unsigned columns[] = {2, 0, 1, 1, 0};
    struct pool *pool = open_pool("resetPolicy=never"), *other = open_pool("");
    char sql[100];
    (void)state;
    for (unsigned i = 0; i < 25; i++) {
        unsigned body = i * 7 % 5;
        snprintf(sql, sizeof sql, "CREATE OR REPLACE PROCEDURE replaced() BEGIN %s; END",
                 bodies[body]);
        run(other, sql);
        for (int again = 0; again < 2; again++) {
            struct pool_result *result = query(pool, "CALL replaced()", POOL_NO_ARGS);
            assert_int_equal(pool_column_count(result), columns[body]);
            pool_result_free(result);
        }
    }
}

static void a_stream_sees_changed_columns(void **state)
{
    struct stream stream = {0};
    struct pool *pool = *state, *other = open_pool("");
    for (unsigned i = 0; i < 6; i++) {
        run(other, i % 2 ? "CREATE OR REPLACE VIEW shape AS SELECT 5 AS a, 'text' AS b, 1 AS c"
                         : "CREATE OR REPLACE VIEW shape AS SELECT 5 AS a, 'b' AS b");
        stream = (struct stream){0};
        assert_true(
            pool_stream(pool, "SELECT * FROM shape", POOL_NO_ARGS, take_row, &stream, NULL));
        assert_int_equal(stream.rows, 1);
        assert_int_equal(stream.sum, 5);
        assert_int_equal(stream.bytes, i % 2 ? 4 : 1);
    }
}

/* ---- errors in the middle ---- */

/* The subquery has one row but for row 1000, where it has two. */
#define FAILS_IN_ROW_1000                                                                          \
    "SELECT s.seq, (SELECT t.seq FROM seq_1_to_2 t WHERE t.seq = 1 OR s.seq = 1000) "              \
    "FROM seq_1_to_2000 s"

static void an_error_in_the_middle_of_rows_fails_the_query(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = FAILS_IN_ROW_1000};
    int64_t thread = thread_of(pool);
    for (unsigned mode = 0; mode < 4; mode++) {
        request.flags = mode % 2 ? POOL_TEXT : 0;
        struct pool_error err = failure_of(pool, &request, POOL_ERR_SERVER);
        assert_int_equal(err.server_errno, 1242);
        assert_string_equal(err.sqlstate, "21000");
        assert_false(err.fatal);
        assert_works(pool);
    }
    assert_int_equal(thread_of(pool), thread);
}

static void an_error_in_the_middle_of_rows_fails_the_stream(void **state)
{
    struct pool_error err;
    for (int round = 0; round < 3; round++) {
        struct stream stream = {0};
        assert_false(pool_stream(*state, FAILS_IN_ROW_1000, POOL_NO_ARGS, take_row, &stream, &err));
        assert_int_equal(err.code, POOL_ERR_SERVER);
        assert_int_equal(err.server_errno, 1242);
        assert_int_equal(stream.rows, 999);
        assert_works(*state);
    }
}

static void an_error_of_the_values_is_the_servers(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "INSERT INTO small VALUES (?)", .args = POOL_ARGS(128)};
    run(pool, "CREATE OR REPLACE TABLE small (a TINYINT UNIQUE)");
    assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, 1264);
    request.args = POOL_ARGS(127);
    pool_result_free(query(pool, request.sql, request.args));
    struct pool_error err = failure_of(pool, &request, POOL_ERR_SERVER);
    assert_int_equal(err.server_errno, 1062);
    assert_string_equal(err.sqlstate, "23000");
    assert_works(pool);
}

/* ---- odd requests ---- */

static bool stop_at_once(struct pool_result *row, void *arg)
{
    (void)row;
    (void)arg;
    return false;
}

static struct pool *open_without_database(void)
{
    struct pool_options options;
    struct pool_error err;
    void *memory;
    assert_true(pool_options_from_url(getenv("MYPOOL_URL"), &options, &memory, &err));
    options.database = NULL;
    options.connection_limit = 1;
    pools[1] = pool_create(&options, &err);
    free(memory);
    if (!pools[1])
        fail_msg("%s", err.message);
    return pools[1];
}

static void assert_request_refused(struct pool *pool, const struct pool_request *request,
                                   const char *why)
{
    struct pool_error err;
    assert_null(pool_query_with(pool, request, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_non_null(strstr(err.message, why));
}

static void a_request_that_makes_no_sense_is_refused(void **state)
{
    assert_request_refused(*state, NULL, "the request is NULL");
    assert_request_refused(*state, &(struct pool_request){0}, "the SQL is NULL");
    assert_request_refused(*state, &(struct pool_request){.sql = "SELECT ?", .args = {NULL, 1}},
                           "the number of values is 1");
    assert_request_refused(*state, &(struct pool_request){.sql = "SELECT 1", .flags = 1u << 30},
                           "unknown request flags 0x40000000");
    assert_works(*state);
}

static void what_a_call_needs_must_not_be_null(void **state)
{
    struct pool *pool = *state;
    struct pool_conn conn;
    struct pool_error err;
    assert_false(pool_get_connection_with(pool, NULL, &conn, &err));
    assert_string_equal(err.message, "the request is NULL");
    assert_false(pool_get_connection(pool, NULL, &err));
    assert_string_equal(err.message, "the handle is NULL");
    assert_false(pool_stream(pool, "SELECT 1", POOL_NO_ARGS, NULL, NULL, &err));
    assert_string_equal(err.message, "the row callback is NULL");
    assert_true(pool_get_connection(pool, &conn, &err));
    assert_false(pool_conn_stream(conn, "SELECT 1", POOL_NO_ARGS, NULL, NULL, &err));
    assert_string_equal(err.message, "the row callback is NULL");
    assert_true(pool_conn_release(conn, &err));
    assert_null(pool_setup_query(NULL, "SELECT 1", POOL_NO_ARGS, &err));
    assert_string_equal(err.message, "the set-up is NULL");
    assert_works(pool);
}

/* Longer than any number of the server, but text may be. */
static void a_text_of_a_thousand_digits_is_no_number(void **state)
{
    double number = 7;
    struct pool_result *row = query(*state, "SELECT REPEAT('1', 1100)", POOL_NO_ARGS);
    assert_true(pool_next(row));
    assert_false(POOL_SCAN(row, &number));
    assert_true(number == 7);
    pool_result_free(row);
}

/* The statistics of a program that was compiled with another header. */
static void statistics_of_another_size_are_cut_or_end_in_zeros(void **state)
{
    struct {
        struct pool_stats known;
        unsigned char later[64];
    } stats;
    memset(&stats, 0xAA, sizeof stats);
    pool_stats_sized(*state, (struct pool_stats *)&stats, sizeof stats);
    assert_int_equal(stats.known.queries, 0);
    for (size_t i = 0; i < sizeof stats.later; i++)
        assert_int_equal(stats.later[i], 0);
    memset(&stats, 0xAA, sizeof stats);
    pool_stats_sized(*state, (struct pool_stats *)&stats, sizeof(uint64_t));
    for (size_t i = sizeof(uint64_t); i < sizeof stats; i++)
        assert_int_equal(((unsigned char *)&stats)[i], 0xAA);
}

static void a_program_that_gives_its_name_connects(void **state)
{
    (void)state;
    assert_works(open_pool("applicationName=shop"));
}

/* There is no way back to no database, so another connection takes the place. */
static void a_database_chosen_where_none_was_is_gone_after_the_release(void **state)
{
    (void)state;
    struct pool *pool = open_without_database();
    struct pool_conn conn;
    assert_true(pool_get_connection(pool, &conn, NULL));
    struct pool_result *used = pool_conn_query(conn, "USE mypool", POOL_NO_ARGS, NULL);
    assert_non_null(used);
    pool_result_free(used);
    assert_true(pool_conn_release(conn, NULL));
    struct pool_result *row = query(pool, "SELECT DATABASE()", POOL_NO_ARGS);
    assert_true(pool_next(row));
    assert_true(pool_is_null(row, 0));
    pool_result_free(row);
}

/* If all of it fits into the buffers of the sockets, the server's close is stuck behind
 * rows that nobody reads. */
static void a_slot_is_soon_free_after_a_large_reply_was_given_up(void **state)
{
    struct pool_error err;
    char sql[80];
    for (int rows = 125; rows <= 128000; rows *= 2) {
        snprintf(sql, sizeof sql, "SELECT REPEAT('x', 500) FROM seq_1_to_%d", rows);
        pool_stream(*state, sql, POOL_NO_ARGS, stop_at_once, NULL, &err);
        assert_works(*state);
    }
}

/* ---- all tests ---- */

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define GLOBAL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_globals)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_statement_is_prepared_on_its_first_use),
        TEST(the_first_use_takes_one_round_trip),
        TEST(later_uses_take_one_round_trip),
        TEST(later_uses_prepare_nothing),
        TEST(a_cached_statement_takes_values_of_other_types),
        TEST(the_pool_counts_prepares_and_hits),
        TEST(a_text_request_is_not_prepared),
        TEST(the_option_prepare_false_prepares_nothing),
        TEST(a_statement_that_cannot_be_prepared_reports_the_servers_error),
        TEST(a_failed_prepare_leaves_nothing_on_the_server),
        TEST(a_statement_can_be_used_once_its_table_exists),
        TEST(what_cannot_be_prepared_goes_as_text_and_is_remembered),
        TEST(named_values_of_what_goes_as_text_arrive),
        TEST(an_error_1295_from_within_is_the_servers_error),
        TEST(a_procedure_that_fails_with_1295_runs_once),
        TEST(a_procedure_that_fails_with_1461_runs_once),
        TEST(a_procedure_that_fails_with_1615_runs_once),
        TEST(a_procedure_that_fails_with_1243_runs_once),
        TEST(a_procedure_that_failed_is_not_called_not_executed),
        TEST(integers_of_every_c_type_arrive),
        TEST(other_values_of_every_c_type_arrive),
        TEST(sixty_four_values_fit_into_pool_args),
        TEST(hundreds_of_values_arrive_in_order),
        TEST(text_with_every_byte_below_128_arrives),
        TEST(empty_text_is_not_null),
        TEST(invalid_utf8_is_refused_by_a_text_column),
        TEST(a_limit_can_be_a_placeholder),
        TEST(a_wrong_number_of_values_is_refused_unsent),
        TEST(impossible_values_are_refused_unsent),
        TEST(named_values_may_come_in_any_order),
        TEST(named_statements_are_cached),
        TEST(named_values_must_match_the_statement),
        TEST(lists_of_every_length_select_their_rows),
        TEST(lists_of_all_lengths_share_few_statements),
        TEST(an_empty_list_matches_nothing),
        TEST(lists_of_texts_and_nulls_work_in_both_modes),
        TEST(a_list_can_have_a_name),
        TEST(a_list_may_have_ten_thousand_values),
        TEST(more_placeholders_than_the_protocol_has_are_refused),
        TEST(wrong_sql_text_is_refused_unsent),
        TEST(a_nul_in_the_sql_is_refused),
        TEST(sql_may_be_given_by_length),
        TEST(question_marks_in_strings_and_comments_are_no_placeholders),
        TEST(a_placeholder_in_an_executable_comment_counts),
        TEST(a_trailing_semicolon_is_no_second_statement),
        TEST(a_small_cache_serves_many_statements),
        TEST(the_cache_keeps_what_was_used_last),
        GLOBAL_TEST(a_pool_stays_under_a_low_limit_of_the_server),
        GLOBAL_TEST(a_limit_that_is_lowered_later_turns_statements_into_text),
        GLOBAL_TEST(a_prepare_over_the_limit_does_not_repeat_the_statement_before),
        GLOBAL_TEST(without_any_prepared_statements_everything_is_text),
        TEST(an_added_column_is_seen_by_a_cached_statement),
        TEST(a_removed_column_is_missed_by_a_cached_statement),
        TEST(a_changed_type_is_seen_by_a_cached_statement),
        TEST(a_renamed_column_is_seen_by_a_cached_statement),
        TEST(a_table_that_grows_to_hundreds_of_columns_is_seen),
        TEST(a_table_that_was_dropped_is_an_error_until_it_is_back),
        TEST(a_cached_statement_may_have_rows_or_not),
        TEST(columns_may_change_during_every_execute),
        TEST(several_statements_are_refused_by_default),
        TEST(several_statements_need_the_text_flag_too),
        TEST(several_statements_give_several_sets),
        TEST(an_error_in_a_later_statement_fails_the_request),
        TEST(a_procedure_gives_its_sets_in_order),
        TEST(out_parameters_come_as_a_set),
        TEST(out_parameters_alone_are_a_set),
        TEST(an_error_after_the_first_set_fails_the_call),
        TEST(a_procedure_may_give_hundreds_of_sets),
        GLOBAL_TEST(a_packet_over_the_servers_limit_is_not_sent),
        GLOBAL_TEST(every_size_around_the_servers_limit_ends_well),
        TEST(a_row_over_the_clients_packet_limit_is_an_error),
        TEST(values_around_every_length_prefix_come_back),
        GLOBAL_TEST(values_around_the_size_of_a_packet_come_back),
        GLOBAL_TEST(a_value_of_64_mib_comes_back),
        TEST(a_row_may_have_4096_columns),
        TEST(more_rows_than_max_rows_are_an_error),
        TEST(a_result_over_max_result_bytes_is_an_error),
        TEST(the_smallest_results_are_enough_for_the_pool),
        TEST(inserts_report_ids_and_rows),
        TEST(insert_returning_gives_rows),
        TEST(warnings_are_counted),
        TEST(warnings_of_a_write_are_counted),
        TEST(an_empty_result_has_its_columns),
        TEST(a_result_outlives_its_pool),
        TEST(a_stream_takes_constant_memory),
        TEST(a_stream_of_text_takes_constant_memory),
        TEST(a_streamed_row_can_be_read_in_every_way),
        TEST(a_stream_that_is_stopped_early_succeeds),
        TEST(a_stream_stopped_at_its_last_row_succeeds),
        TEST(a_stream_of_a_statement_without_rows_succeeds),
        TEST(a_stream_without_a_callback_is_refused),
        TEST(a_stream_on_a_connection_can_be_stopped),
        TEST(a_stream_may_be_longer_than_max_result_bytes),
        TEST(a_procedure_may_be_replaced_under_a_cached_call),
        TEST(a_stream_sees_changed_columns),
        TEST(an_error_in_the_middle_of_rows_fails_the_query),
        TEST(an_error_in_the_middle_of_rows_fails_the_stream),
        TEST(an_error_of_the_values_is_the_servers),
        TEST(a_request_that_makes_no_sense_is_refused),
        TEST(what_a_call_needs_must_not_be_null),
        TEST(a_text_of_a_thousand_digits_is_no_number),
        TEST(statistics_of_another_size_are_cut_or_end_in_zeros),
        TEST(a_program_that_gives_its_name_connects),
        TEST(a_database_chosen_where_none_was_is_gone_after_the_release),
        TEST(a_slot_is_soon_free_after_a_large_reply_was_given_up),
    };
    return server_suite_main(argc, argv, tests);
}
