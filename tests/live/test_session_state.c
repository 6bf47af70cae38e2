/*
 * Nothing that one borrower does to a session reaches the next.
 *
 * The matrix: each kind of session state times each way in which a borrow can end. The
 * pool has one connection, so the next borrower would get the same one. A kind of state
 * comes with a query that shows it: its answer must change inside the borrow, or the
 * test proves nothing, and must be the first answer again for the next borrower.
 *
 * The other half of the bargain, that a clean borrow costs nothing, is read from the
 * server's own counters, with statements that are themselves clean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pools.h"
#include "suite.h"

#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "mypool.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define TEXT 256

static struct pool *pool_with(const char *variable, struct pool_options wish)
{
    wish.connection_limit = 1;
    return pool_of(variable, wish);
}

static struct pool *app_pool(void)
{
    return pool_with("MYPOOL_URL", (struct pool_options){0});
}

/* What a statement shows: the first row, "ok", "empty", or the number of an error. */
static void describe(struct pool_result *result, const struct pool_error *err, char ret_text[TEXT])
{
    snprintf(ret_text, TEXT, "error %u", err->server_errno);
    if (!result)
        return;
    snprintf(ret_text, TEXT, "%s", pool_column_count(result) ? "empty" : "ok");
    if (pool_next(result))
        ret_text[0] = '\0';
    for (unsigned i = 0; i < pool_column_count(result) && pool_row_count(result); i++) {
        const char *text = pool_get_text(result, i);
        size_t used = strlen(ret_text);
        snprintf(ret_text + used, TEXT - used, "%s|", text ? text : "NULL");
    }
    pool_result_free(result);
}

/* As text: a prepared statement would keep the database that it was prepared in. */
static void look(struct pool *pool, const char *sql, char ret_text[TEXT])
{
    struct pool_error err;
    struct pool_request request = {.sql = sql, .text = true};
    describe(pool_query_with(pool, &request, &err), &err, ret_text);
}

static void look_with(struct pool_conn conn, const char *sql, char ret_text[TEXT])
{
    struct pool_error err;
    struct pool_request request = {.sql = sql, .text = true};
    describe(pool_conn_query_with(conn, &request, &err), &err, ret_text);
}

static void run(struct pool *pool, const char *sql)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, sql, POOL_NO_ARGS, &err);
    if (!result)
        fail_msg("%s: %s", sql, err.message);
    pool_result_free(result);
}

static void assert_shows(struct pool *pool, const char *sql, const char *expected)
{
    char text[TEXT];
    look(pool, sql, text);
    assert_string_equal(text, expected);
}

static struct pool_conn borrow(struct pool *pool)
{
    struct pool_conn conn = {0};
    struct pool_error err;
    if (!pool_get_connection(pool, &conn, &err))
        fail_msg("%s", err.message);
    return conn;
}

/* ---- the matrix: what a borrower may do ---- */

struct item {
    const char *name;
    const char *changes[4]; /* NULL-terminated */
    const char *check;
    bool fails;    /* the last change is an error, by intent */
    bool consumed; /* looking at the state uses it up */
    bool admin;    /* needs more than the application's rights */
};

/* clang-format off */
static const struct item items[] = {
    {.name = "an open transaction", .changes = {"START TRANSACTION", "INSERT INTO t VALUES (2)"},
     .check = "SELECT @@in_transaction, COUNT(*) FROM t"},
    {.name = "a transaction by BEGIN", .changes = {"BEGIN"}, .check = "SELECT @@in_transaction"},
    {.name = "a chained transaction", .changes = {"BEGIN", "COMMIT AND CHAIN"},
     .check = "SELECT @@in_transaction"},
    {.name = "autocommit off", .changes = {"SET autocommit = 0"}, .check = "SELECT @@autocommit"},
    {.name = "a transaction without autocommit",
     .changes = {"SET autocommit = 0", "INSERT INTO t VALUES (3)"},
     .check = "SELECT @@in_transaction, @@autocommit, COUNT(*) FROM t"},
    {.name = "an XA transaction", .changes = {"XA START 'mine'", "INSERT INTO t VALUES (4)"},
     .check = "SELECT @@in_transaction, COUNT(*) FROM t"},
    {.name = "an XA transaction that has ended",
     .changes = {"XA START 'mine'", "INSERT INTO t VALUES (4)", "XA END 'mine'"},
     .check = "SELECT 1 FROM t"},
    {.name = "the isolation level",
     .changes = {"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"},
     .check = "SELECT @@tx_isolation"},
    {.name = "the access mode", .changes = {"SET SESSION TRANSACTION READ ONLY"},
     .check = "SELECT @@tx_read_only"},
    {.name = "a one-shot SET TRANSACTION", .changes = {"SET TRANSACTION READ ONLY"},
     .check = "UPDATE t SET a = a",
     .consumed = true},
    {.name = "sql_mode", .changes = {"SET sql_mode = 'ANSI_QUOTES'"}, .check = "SELECT @@sql_mode"},
    {.name = "time_zone", .changes = {"SET time_zone = '+05:30'"}, .check = "SELECT @@time_zone"},
    {.name = "foreign_key_checks", .changes = {"SET foreign_key_checks = 0"},
     .check = "SELECT @@foreign_key_checks"},
    {.name = "several variables",
     .changes = {"SET unique_checks = 0, max_statement_time = 77, lc_time_names = 'de_DE'"},
     .check = "SELECT @@unique_checks, @@max_statement_time, @@lc_time_names"},
    {.name = "the pool's own tracking", .changes = {"SET session_track_state_change = 0"},
     .check = "SELECT @@session_track_state_change"},
    {.name = "a user variable by SET", .changes = {"SET @x = 1"}, .check = "SELECT @x"},
    {.name = "a user variable by :=", .changes = {"SELECT @x := 1"}, .check = "SELECT @x"},
    {.name = "a user variable by INTO", .changes = {"SELECT 1 INTO @x"}, .check = "SELECT @x"},
    {.name = "a user variable by UPDATE", .changes = {"UPDATE t SET a = (@x := a)"},
     .check = "SELECT @x"},
    {.name = "a user variable in a comment", .changes = {"SELECT /*!50000 @x := */ 1"},
     .check = "SELECT @x"},
    {.name = "a user variable by EXECUTE IMMEDIATE",
     .changes = {"EXECUTE IMMEDIATE 'SET @x = 1'"}, .check = "SELECT @x"},
    {.name = "a user variable by a block", .changes = {"BEGIN NOT ATOMIC SET @x = 1; END"},
     .check = "SELECT @x"},
    {.name = "a temporary table", .changes = {"CREATE TEMPORARY TABLE mine (a INT)"},
     .check = "SELECT COUNT(*) FROM mine"},
    {.name = "a temporary table that hides another",
     .changes = {"CREATE TEMPORARY TABLE t (b INT)"},
     .check = "SELECT COUNT(a) FROM t"},
    {.name = "the database", .changes = {"USE mypool_other"}, .check = "SELECT DATABASE()"},
    {.name = "LOCK TABLES", .changes = {"LOCK TABLES t READ"}, .check = "UPDATE t SET a = a"},
    {.name = "a named lock", .changes = {"SELECT GET_LOCK('mine', 0)"},
     .check = "SELECT IS_FREE_LOCK('mine')"},
    {.name = "the global read lock", .changes = {"FLUSH TABLES WITH READ LOCK"},
     .check = "UPDATE t SET a = a",
     .admin = true},
    {.name = "BACKUP LOCK", .changes = {"BACKUP LOCK t"},
     .check = "DROP TABLE IF EXISTS no_such_table"},
    {.name = "the last value of a sequence", .changes = {"SELECT NEXTVAL(counts)"},
     .check = "SELECT LASTVAL(counts)"},
    {.name = "the last value by NEXT VALUE FOR", .changes = {"SELECT NEXT VALUE FOR counts"},
     .check = "SELECT LASTVAL(counts)"},
    {.name = "the count of SQL_CALC_FOUND_ROWS",
     .changes = {"SELECT SQL_CALC_FOUND_ROWS 1 FROM seq_1_to_77 LIMIT 1"},
     .check = "SELECT FOUND_ROWS()"},
    {.name = "a statement prepared in SQL", .changes = {"PREPARE mine FROM 'SELECT 1'"},
     .check = "EXECUTE mine"},
    {.name = "an open HANDLER", .changes = {"HANDLER t OPEN"}, .check = "HANDLER t READ FIRST"},
    {.name = "LAST_INSERT_ID by value", .changes = {"SELECT LAST_INSERT_ID(42)"},
     .check = "SELECT LAST_INSERT_ID()"},
    {.name = "the character set", .changes = {"SET NAMES latin1"},
     .check = "SELECT @@character_set_client, @@character_set_results, @@collation_connection"},
    {.name = "a role", .changes = {"SET ROLE granted"}, .check = "SELECT CURRENT_ROLE()"},
    {.name = "a role without rights", .changes = {"SET ROLE NONE", "SET ROLE granted"},
     .check = "SELECT CURRENT_ROLE()"},
    {.name = "SET STATEMENT", .changes = {"SET STATEMENT sql_mode = 'ANSI' FOR SET @x = 1"},
     .check = "SELECT @x, @@sql_mode"},
    {.name = "what a procedure sets", .changes = {"CALL sets_x()"}, .check = "SELECT @x"},
    {.name = "what a function sets", .changes = {"SELECT f_sets_x()"}, .check = "SELECT @x"},
    {.name = "what a view's function sets", .changes = {"SELECT * FROM v_sets_x"},
     .check = "SELECT @x"},
    {.name = "what a trigger sets", .changes = {"INSERT INTO fires VALUES (1)"},
     .check = "SELECT @x"},
    {.name = "what a function locks", .changes = {"SELECT f_locks()"},
     .check = "SELECT IS_FREE_LOCK('mine')"},
    {.name = "what a function makes", .changes = {"SELECT f_makes_table()"},
     .check = "SELECT COUNT(*) FROM mine"},
    {.name = "what a failing procedure sets", .changes = {"CALL sets_x_and_fails()"},
     .check = "SELECT @x", .fails = true},
    {.name = "what a failing function sets", .changes = {"SELECT f_sets_x_and_fails()"},
     .check = "SELECT @x", .fails = true},
    {.name = "what a failing trigger sets", .changes = {"INSERT INTO fires VALUES (-1)"},
     .check = "SELECT @x", .fails = true},
    {.name = "what a failing SELECT assigns",
     .changes = {"SELECT @x := 1, (SELECT 1 UNION SELECT 2)"}, .check = "SELECT @x",
     .fails = true},
    {.name = "what a failing SELECT locks",
     .changes = {"SELECT GET_LOCK('mine', 0), (SELECT 1 UNION SELECT 2)"},
     .check = "SELECT IS_FREE_LOCK('mine')", .fails = true},
};
/* clang-format on */

static void change(struct pool_conn conn, const struct item *item)
{
    for (const char *const *sql = item->changes; *sql; sql++) {
        struct pool_error err;
        struct pool_result *result = pool_conn_query(conn, *sql, POOL_NO_ARGS, &err);
        bool last = !sql[1];
        if (!result != (item->fails && last))
            fail_msg("%s: %s", *sql, result ? "should have failed" : err.message);
        pool_result_free(result);
    }
}

/* ---- the matrix: how a borrow may end ---- */

static void end_by_release(struct pool_conn conn)
{
    assert_true(pool_conn_release(conn, NULL));
}

static void end_by_error(struct pool_conn conn)
{
    assert_null(pool_conn_query(conn, "SELECT no_such_column", POOL_NO_ARGS, NULL));
    assert_true(pool_conn_release(conn, NULL));
}

static void end_by_timeout(struct pool_conn conn)
{
    struct pool_error err;
    struct pool_request slow = {.sql = "SELECT SLEEP(60)", .timeout_ms = 50};
    assert_null(pool_conn_query_with(conn, &slow, &err));
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_true(pool_conn_release(conn, NULL));
}

static void end_by_destroy(struct pool_conn conn)
{
    assert_true(pool_conn_destroy(conn, NULL));
}

static void end_after_native_use(struct pool_conn conn)
{
    MYSQL *native = pool_conn_native(conn);
    assert_non_null(native);
    assert_int_equal(mysql_query(native, "SET @native = 1"), 0);
    assert_true(pool_conn_release(conn, NULL));
}

static bool stop_at_once(struct pool_result *row, void *arg)
{
    (void)row;
    (void)arg;
    return false;
}

static void end_by_stopped_stream(struct pool_conn conn)
{
    pool_conn_stream(conn, "SELECT 1 UNION ALL SELECT 2", POOL_NO_ARGS, stop_at_once, NULL, NULL);
    assert_true(pool_conn_release(conn, NULL));
}

/* Unless the state forbids it. */
static void end_in_a_transaction(struct pool_conn conn)
{
    if (pool_conn_begin(conn, NULL))
        pool_result_free(pool_conn_query(conn, "INSERT INTO t VALUES (5)", POOL_NO_ARGS, NULL));
    assert_true(pool_conn_release(conn, NULL));
}

static void *sleep_on(void *handle)
{
    struct pool_conn *conn = handle;
    pool_result_free(pool_conn_query(*conn, "SELECT SLEEP(60)", POOL_NO_ARGS, NULL));
    return NULL;
}

/* Somebody else cancels the statement, and the session lives on. */
static void end_by_cancelled_statement(struct pool_conn conn)
{
    char sql[64], sleeping[TEXT] = "";
    pthread_t thread;
    struct pool *admin = pool_with("MYPOOL_ADMIN_URL", (struct pool_options){0});
    unsigned long id = pool_conn_thread_id(conn);
    assert_int_equal(pthread_create(&thread, NULL, sleep_on, &conn), 0);
    snprintf(sql, sizeof sql, "KILL QUERY %lu", id);
    while (strcmp(sleeping, "1|") != 0) {
        char look_for[160];
        snprintf(look_for, sizeof look_for,
                 "SELECT COUNT(*) FROM information_schema.processlist WHERE id = %lu AND state = "
                 "'User sleep'",
                 id);
        look(admin, look_for, sleeping);
    }
    run(admin, sql);
    pthread_join(thread, NULL);
    pool_end(admin, 1000, NULL);
    assert_true(pool_conn_release(conn, NULL));
}

static const struct {
    const char *name;
    void (*end)(struct pool_conn conn);
    /* clang-format off */
} ends[] = {
    {"a release", end_by_release},           {"an error", end_by_error},
    {"a query timeout", end_by_timeout},     {"a destroy", end_by_destroy},
    {"native use", end_after_native_use},    {"a stopped stream", end_by_stopped_stream},
    {"an open transaction", end_in_a_transaction},
    {"a cancelled statement", end_by_cancelled_statement},
};
/* clang-format on */

/* ---- the matrix: the test ---- */

struct cell {
    const struct item *item;
    void (*end)(struct pool_conn conn);
    char name[128];
};

static void state_does_not_reach_the_next_borrower(void **state)
{
    const struct cell *cell = *state;
    const struct item *item = cell->item;
    char fresh[TEXT], changed[TEXT], after[TEXT];
    struct pool *pool =
        pool_with(item->admin ? "MYPOOL_ADMIN_URL" : "MYPOOL_URL", (struct pool_options){0});
    look(pool, item->check, fresh);
    struct pool_conn conn = borrow(pool);
    change(conn, item);
    look_with(conn, item->check, changed);
    if (item->consumed)
        change(conn, item);
    cell->end(conn);
    look(pool, item->check, after);
    pool_end(pool, 1000, NULL);
    assert_string_not_equal(changed, fresh);
    assert_string_equal(after, fresh);
}

/* The same through pool_query, where borrow and return are one call. */
static void state_does_not_outlive_a_pool_query(void **state)
{
    const struct item *item = ((const struct cell *)*state)->item;
    char fresh[TEXT], after[TEXT];
    struct pool_error err;
    struct pool *pool =
        pool_with(item->admin ? "MYPOOL_ADMIN_URL" : "MYPOOL_URL", (struct pool_options){0});
    look(pool, item->check, fresh);
    struct pool_result *result = pool_query(pool, item->changes[0], POOL_NO_ARGS, &err);
    assert_int_equal(!result, item->fails);
    pool_result_free(result);
    look(pool, item->check, after);
    pool_end(pool, 1000, NULL);
    assert_string_equal(after, fresh);
}

/* ---- a clean borrow costs nothing ---- */

#define COUNTER(name)                                                                              \
    "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = '" name "'"

static int64_t counter(struct pool *pool, const char *sql)
{
    struct pool_error err;
    struct pool_request request = {.sql = sql, .text = true};
    struct pool_result *result = pool_query_with(pool, &request, &err);
    if (!result || !pool_next(result))
        fail_msg("%s", err.message);
    int64_t value = pool_get_int(result, 0);
    pool_result_free(result);
    return value;
}

/* What one counter says about `count` borrows, apart from the reading itself. */
static int64_t cost(struct pool *pool, const char *status, const char *sql, int count)
{
    int64_t first = counter(pool, status);
    int64_t reading = counter(pool, status) - first;
    int64_t before = counter(pool, status);
    for (int i = 0; i < count; i++) {
        struct pool_conn conn = borrow(pool);
        struct pool_request request = {.sql = sql, .text = true};
        pool_result_free(pool_conn_query_with(conn, &request, NULL));
        pool_conn_release(conn, NULL);
    }
    return counter(pool, status) - before - reading;
}

static void a_clean_select_is_one_command(void **state)
{
    (void)state;
    struct pool *pool = app_pool();
    assert_int_equal(cost(pool, COUNTER("QUESTIONS"), "SELECT 1", 20), 20);
    assert_int_equal(cost(pool, COUNTER("COM_SELECT"), "SELECT 1", 20), 20);
    assert_int_equal(cost(pool, COUNTER("COM_ADMIN_COMMANDS"), "SELECT 1", 20), 0);
    assert_int_equal(stats_of(pool).resets, 0);
    pool_end(pool, 1000, NULL);
}

static void a_clean_insert_is_one_command(void **state)
{
    (void)state;
    struct pool *pool = app_pool();
    const char *insert = "INSERT INTO numbered (a) VALUES (1)";
    assert_int_equal(cost(pool, COUNTER("QUESTIONS"), insert, 20), 20);
    assert_int_equal(cost(pool, COUNTER("COM_ADMIN_COMMANDS"), insert, 20), 0);
    assert_int_equal(stats_of(pool).resets, 0);
    pool_end(pool, 1000, NULL);
}

/* Pings and resets are no questions, but they are bytes: five of framing per command. */
static void a_clean_borrow_sends_no_other_bytes(void **state)
{
    (void)state;
    struct pool *pool = app_pool();
    const char *sql = "SELECT 1";
    int64_t each = (int64_t)strlen(sql) + 5;
    assert_int_equal(cost(pool, COUNTER("BYTES_RECEIVED"), sql, 1), each);
    assert_int_equal(cost(pool, COUNTER("BYTES_RECEIVED"), sql, 20), 20 * each);
    pool_end(pool, 1000, NULL);
}

static void an_unused_borrow_sends_nothing(void **state)
{
    (void)state;
    struct pool *pool = app_pool();
    const char *status = COUNTER("BYTES_RECEIVED");
    int64_t first = counter(pool, status);
    int64_t second = counter(pool, status);
    for (int i = 0; i < 20; i++)
        pool_conn_release(borrow(pool), NULL);
    int64_t third = counter(pool, status);
    assert_int_equal(third - second, second - first);
    pool_end(pool, 1000, NULL);
}

static void a_committed_transaction_costs_no_reset(void **state)
{
    (void)state;
    struct pool *pool = app_pool();
    const char *status = COUNTER("QUESTIONS");
    int64_t before = counter(pool, status);
    struct pool_conn conn = borrow(pool);
    assert_true(pool_conn_begin(conn, NULL));
    pool_result_free(pool_conn_query(conn, "UPDATE t SET a = a", POOL_NO_ARGS, NULL));
    assert_true(pool_conn_commit(conn, NULL));
    assert_true(pool_conn_release(conn, NULL));
    /* The UPDATE is prepared and executed; the server counts both, then the reading. */
    assert_in_range(counter(pool, status) - before, 4, 5);
    assert_int_equal(stats_of(pool).resets, 0);
    pool_end(pool, 1000, NULL);
}

static void a_prepared_statement_stays_prepared_across_clean_borrows(void **state)
{
    (void)state;
    struct pool *pool = app_pool();
    for (int i = 0; i < 20; i++) {
        struct pool_result *result = pool_query(pool, "SELECT ?", POOL_ARGS(i), NULL);
        assert_non_null(result);
        pool_result_free(result);
    }
    assert_int_equal(stats_of(pool).prepares, 1);
    assert_int_equal(stats_of(pool).resets, 0);
    pool_end(pool, 1000, NULL);
}

static void a_changed_session_costs_one_reset_and_no_connection(void **state)
{
    (void)state;
    struct pool *pool = app_pool();
    for (int i = 0; i < 5; i++)
        run(pool, "SET @x = 1");
    assert_shows(pool, "SELECT @x", "NULL|");
    assert_int_equal(stats_of(pool).resets, 5);
    assert_int_equal(stats_of(pool).opened, 1);
    pool_end(pool, 1000, NULL);
}

/* The server runs a prepared statement in the database in which it was prepared. */
static void use_applies_to_statements_that_are_prepared_already(void **state)
{
    (void)state;
    char text[TEXT];
    struct pool_error err;
    struct pool *pool = app_pool();
    struct pool_conn conn = borrow(pool);
    const char *sql = "SELECT DATABASE(), COUNT(*) FROM t WHERE a = 1";
    describe(pool_conn_query(conn, sql, POOL_NO_ARGS, &err), &err, text);
    assert_string_equal(text, "mypool|1|");
    pool_result_free(pool_conn_query(conn, "USE mypool_other", POOL_NO_ARGS, NULL));
    describe(pool_conn_query(conn, sql, POOL_NO_ARGS, &err), &err, text);
    pool_conn_release(conn, NULL);
    pool_end(pool, 1000, NULL);
    assert_string_equal(text, "mypool_other|0|");
}

/* What docs/connections.md says of the diagnostics of a plain statement, and no more: they
 * cost no reset, and last until the next borrower has some of its own. */
static void a_plain_statement_leaves_its_diagnostics_until_the_next(void **state)
{
    (void)state;
    struct pool *pool = app_pool();
    run(pool, "INSERT INTO numbered (id, a) VALUES (NULL, 1), (NULL, 2)");
    assert_shows(pool, "SELECT ROW_COUNT(), LAST_INSERT_ID() > 0", "2|1|");
    assert_shows(pool, "SELECT ROW_COUNT()", "-1|");
    run(pool, "SELECT 1 FROM seq_1_to_5");
    assert_shows(pool, "SELECT FOUND_ROWS()", "5|");
    assert_shows(pool, "SELECT FOUND_ROWS()", "1|");
    run(pool, "SELECT 1 + 'no number'");
    struct pool_conn conn = borrow(pool);
    struct pool_result *warnings = pool_conn_query(conn, "SHOW WARNINGS", POOL_NO_ARGS, NULL);
    assert_int_equal(pool_row_count(warnings), 1);
    pool_result_free(warnings);
    pool_result_free(pool_conn_query(conn, "SELECT a FROM t", POOL_NO_ARGS, NULL));
    warnings = pool_conn_query(conn, "SHOW WARNINGS", POOL_NO_ARGS, NULL);
    assert_int_equal(pool_row_count(warnings), 0);
    pool_result_free(warnings);
    struct pool_stats stats = stats_of(pool);
    pool_conn_release(conn, NULL);
    pool_end(pool, 1000, NULL);
    assert_int_equal(stats.resets, 0);
    assert_int_equal(stats.opened, 1);
}

static void reset_always_clears_the_diagnostics_too(void **state)
{
    (void)state;
    struct pool *pool =
        pool_with("MYPOOL_URL", (struct pool_options){.reset_policy = POOL_RESET_ALWAYS});
    const char *sql = "SELECT LAST_INSERT_ID(), ROW_COUNT(), FOUND_ROWS(), @@warning_count";
    char fresh[TEXT];
    look(pool, sql, fresh);
    run(pool, "INSERT INTO numbered (a) SELECT 1 FROM seq_1_to_3");
    assert_shows(pool, sql, fresh);
    run(pool, "SELECT 1 + 'no number' FROM seq_1_to_3");
    assert_shows(pool, sql, fresh);
    pool_end(pool, 1000, NULL);
}

/* ---- policies ---- */

static void reset_always_resets_after_a_clean_borrow(void **state)
{
    (void)state;
    struct pool *pool =
        pool_with("MYPOOL_URL", (struct pool_options){.reset_policy = POOL_RESET_ALWAYS});
    for (int i = 0; i < 5; i++)
        run(pool, "SELECT 1");
    pool_conn_release(borrow(pool), NULL);
    pool_conn_release(borrow(pool), NULL); /* has waited for the last reset */
    assert_in_range(stats_of(pool).resets, 6, 7);
    assert_int_equal(stats_of(pool).opened, 1);
    pool_end(pool, 1000, NULL);
}

static void reset_never_leaves_the_session_alone(void **state)
{
    (void)state;
    struct pool *pool =
        pool_with("MYPOOL_URL", (struct pool_options){.reset_policy = POOL_RESET_NEVER});
    run(pool, "SET @x = 5");
    assert_shows(pool, "SELECT @x", "5|");
    assert_int_equal(stats_of(pool).resets, 0);
    assert_int_equal(stats_of(pool).opened, 1);
    pool_end(pool, 1000, NULL);
}

static void reset_never_still_closes_what_is_broken(void **state)
{
    (void)state;
    struct pool *pool =
        pool_with("MYPOOL_URL", (struct pool_options){.reset_policy = POOL_RESET_NEVER});
    run(pool, "SET @x = 5");
    struct pool_request slow = {.sql = "SELECT SLEEP(60)", .timeout_ms = 50};
    assert_null(pool_query_with(pool, &slow, NULL));
    assert_shows(pool, "SELECT @x", "NULL|");
    assert_int_equal(stats_of(pool).closed_by_reason[POOL_CLOSE_TIMEOUT], 1);
    pool_end(pool, 1000, NULL);
}

/* ---- set-up ---- */

static const char *const three_settings[] = {"SET @a = 1", "SET sql_mode = 'ANSI_QUOTES'",
                                             "SET @b = @a + 1", NULL};

static void init_sql_runs_before_the_first_hand_out(void **state)
{
    (void)state;
    struct pool *pool = pool_with("MYPOOL_URL", (struct pool_options){.init_sql = three_settings});
    assert_shows(pool, "SELECT @a, @b, @@sql_mode", "1|2|ANSI_QUOTES|");
    assert_int_equal(stats_of(pool).resets, 0);
    pool_end(pool, 1000, NULL);
}

static void init_sql_runs_again_after_each_reset(void **state)
{
    (void)state;
    struct pool *pool = pool_with("MYPOOL_URL", (struct pool_options){.init_sql = three_settings});
    for (int i = 0; i < 3; i++) {
        run(pool, "SET @a = 100, @b = 100, @c = 100, sql_mode = ''");
        assert_shows(pool, "SELECT @a, @b, @c, @@sql_mode", "1|2|NULL|ANSI_QUOTES|");
    }
    assert_int_equal(stats_of(pool).opened, 1);
    pool_end(pool, 1000, NULL);
}

static void a_failing_init_sql_fails_the_borrow_with_its_reason(void **state)
{
    (void)state;
    static const char *const wrong[] = {"SET no_such_variable = 1", NULL};
    struct pool_error err;
    struct pool *pool =
        pool_with("MYPOOL_URL", (struct pool_options){.init_sql = wrong, .fail_fast_ms = 1});
    assert_null(pool_query(pool, "SELECT 1", POOL_NO_ARGS, &err));
    assert_int_not_equal(err.code, POOL_ERR_TIMEOUT);
    assert_non_null(strstr(err.message, "no_such_variable"));
    assert_int_equal(stats_of(pool).open, 0);
    pool_end(pool, 1000, NULL);
}

struct counted {
    _Atomic int calls;
    _Atomic bool refuse;
};

static bool count_and_set(struct pool_setup *setup, void *arg, struct pool_error *err)
{
    struct counted *counted = arg;
    int call = atomic_fetch_add(&counted->calls, 1) + 1;
    struct pool_result *result = pool_setup_query(setup, "SET @call = ?", POOL_ARGS(call), err);
    pool_result_free(result);
    return result && !atomic_load(&counted->refuse);
}

static void the_init_callback_runs_before_hand_out_and_after_each_reset(void **state)
{
    (void)state;
    struct counted counted = {0};
    struct pool *pool =
        pool_with("MYPOOL_URL", (struct pool_options){.init = count_and_set, .init_arg = &counted});
    assert_shows(pool, "SELECT @call", "1|");
    assert_shows(pool, "SELECT @call", "1|");
    run(pool, "SET @call = 100");
    assert_shows(pool, "SELECT @call", "2|");
    assert_int_equal(atomic_load(&counted.calls), 2);
    pool_end(pool, 1000, NULL);
}

static void the_init_callback_sees_what_init_sql_did(void **state)
{
    (void)state;
    struct counted counted = {0};
    static const char *const first[] = {"SET @call = 50, @a = 7", NULL};
    struct pool *pool = pool_with(
        "MYPOOL_URL",
        (struct pool_options){.init_sql = first, .init = count_and_set, .init_arg = &counted});
    assert_shows(pool, "SELECT @call, @a", "1|7|");
    pool_end(pool, 1000, NULL);
}

static void a_refusing_init_callback_closes_the_connection(void **state)
{
    (void)state;
    struct counted counted = {.refuse = true};
    struct pool_error err;
    struct pool *pool = pool_with(
        "MYPOOL_URL",
        (struct pool_options){.init = count_and_set, .init_arg = &counted, .fail_fast_ms = 1});
    assert_null(pool_query(pool, "SELECT 1", POOL_NO_ARGS, &err));
    assert_int_equal(stats_of(pool).open, 0);
    assert_int_equal(stats_of(pool).opened, stats_of(pool).closed);
    atomic_store(&counted.refuse, false);
    for (int i = 0; i < 1000 && err.code != POOL_OK; i++)
        pool_ping(pool, &err);
    assert_int_equal(err.code, POOL_OK);
    pool_end(pool, 1000, NULL);
}

static void init_sql_may_choose_the_role(void **state)
{
    (void)state;
    static const char *const role[] = {"SET ROLE granted", NULL};
    struct pool *pool = pool_with("MYPOOL_URL", (struct pool_options){.init_sql = role});
    assert_shows(pool, "SELECT CURRENT_ROLE()", "granted|");
    run(pool, "SET @x = 1");
    assert_shows(pool, "SELECT CURRENT_ROLE(), @x", "granted|NULL|");
    assert_int_equal(stats_of(pool).opened, 1);
    run(pool, "SET ROLE NONE");
    assert_shows(pool, "SELECT CURRENT_ROLE()", "granted|");
    pool_end(pool, 1000, NULL);
}

/* ---- */

static int make_schema(void **state)
{
    static const char *const statements[] = {
        "CREATE DATABASE mypool_other",
        "CREATE TABLE mypool_other.t (a INT)",
        "CREATE TABLE t (a INT)",
        "INSERT INTO t VALUES (1)",
        "CREATE TABLE numbered (id INT PRIMARY KEY AUTO_INCREMENT, a INT)",
        "CREATE SEQUENCE counts",
        "CREATE TABLE fires (a INT)",
        "CREATE ROLE granted",
        "GRANT granted TO app@'%'",
        "CREATE PROCEDURE sets_x() SET @x = 1",
        "CREATE PROCEDURE sets_x_and_fails() BEGIN SET @x = 1; SIGNAL SQLSTATE '45000'; END",
        "CREATE FUNCTION f_sets_x() RETURNS INT BEGIN SET @x = 1; RETURN 1; END",
        "CREATE FUNCTION f_sets_x_and_fails() RETURNS INT "
        "BEGIN SET @x = 1; SIGNAL SQLSTATE '45000'; RETURN 1; END",
        "CREATE FUNCTION f_locks() RETURNS INT RETURN GET_LOCK('mine', 0)",
        "CREATE FUNCTION f_makes_table() RETURNS INT "
        "BEGIN CREATE TEMPORARY TABLE mine (a INT); RETURN 1; END",
        "CREATE VIEW v_sets_x AS SELECT f_sets_x()",
        "CREATE TRIGGER fire BEFORE INSERT ON fires FOR EACH ROW "
        "BEGIN SET @x = 1; IF NEW.a < 0 THEN SIGNAL SQLSTATE '45000'; END IF; END",
        NULL};
    (void)state;
    struct pool *admin = pool_with("MYPOOL_ADMIN_URL", (struct pool_options){0});
    for (const char *const *sql = statements; *sql; sql++)
        run(admin, *sql);
    pool_end(admin, 1000, NULL);
    return 0;
}

#define CELLS (COUNT(items) * (COUNT(ends) + 1))

/* Fills in the tests of the matrix, named "STATE does not survive END". */
static void fill_matrix(struct cell cells[CELLS], struct CMUnitTest tests[CELLS])
{
    for (size_t i = 0; i < CELLS; i++) {
        size_t end = i / COUNT(items);
        bool by_handle = end < COUNT(ends);
        cells[i].item = &items[i % COUNT(items)];
        cells[i].end = by_handle ? ends[end].end : NULL;
        snprintf(cells[i].name, sizeof cells[i].name, "%s does not survive %s", cells[i].item->name,
                 by_handle ? ends[end].name : "a pool_query");
        tests[i] = (struct CMUnitTest){
            .name = cells[i].name,
            .test_func = by_handle ? state_does_not_reach_the_next_borrower
                                   : state_does_not_outlive_a_pool_query,
            .initial_state = &cells[i],
        };
    }
}

int main(int argc, char **argv)
{
    static struct cell cells[CELLS];
    static struct CMUnitTest matrix[CELLS];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_select_is_one_command),
        cmocka_unit_test(a_clean_insert_is_one_command),
        cmocka_unit_test(a_clean_borrow_sends_no_other_bytes),
        cmocka_unit_test(an_unused_borrow_sends_nothing),
        cmocka_unit_test(a_committed_transaction_costs_no_reset),
        cmocka_unit_test(a_prepared_statement_stays_prepared_across_clean_borrows),
        cmocka_unit_test(a_changed_session_costs_one_reset_and_no_connection),
        cmocka_unit_test(use_applies_to_statements_that_are_prepared_already),
        cmocka_unit_test(a_plain_statement_leaves_its_diagnostics_until_the_next),
        cmocka_unit_test(reset_always_clears_the_diagnostics_too),
        cmocka_unit_test(reset_always_resets_after_a_clean_borrow),
        cmocka_unit_test(reset_never_leaves_the_session_alone),
        cmocka_unit_test(reset_never_still_closes_what_is_broken),
        cmocka_unit_test(init_sql_runs_before_the_first_hand_out),
        cmocka_unit_test(init_sql_runs_again_after_each_reset),
        cmocka_unit_test(a_failing_init_sql_fails_the_borrow_with_its_reason),
        cmocka_unit_test(the_init_callback_runs_before_hand_out_and_after_each_reset),
        cmocka_unit_test(the_init_callback_sees_what_init_sql_did),
        cmocka_unit_test(a_refusing_init_callback_closes_the_connection),
        cmocka_unit_test(init_sql_may_choose_the_role),
    };
    fill_matrix(cells, matrix);
    int failed = server_suite_main_with(argc, argv, matrix, make_schema, NULL);
    return failed + server_suite_main(argc, argv, tests);
}
