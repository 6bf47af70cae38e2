/*
 * The options for sessions: sql_mode, time_zone, isolation, collation and any variable.
 *
 * What they refuse is a table, as in test_options. What they do is asked of the server, after
 * the open and after a reset; on MySQL as well, where the names of some variables differ.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/options.h"
#include "pools.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define VARIABLES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define WITH(...) pool_with((struct pool_options){__VA_ARGS__})

/* ------------------------------------------------------------------------
 * Without a server
 */

static void assert_refused(struct pool_options options, const char *words)
{
    struct pool__options o;
    struct pool_error err;
    options.user = "app";
    if (pool__options_init(&o, &options, &err)) {
        pool__options_fini(&o);
        fail_msg("accepted, but expected a complaint about %s", words);
    }
    assert_int_equal(err.code, POOL_ERR_INVALID);
    if (!strstr(err.message, words))
        fail_msg("'%s' is not in: %s", words, err.message);
}

#define REFUSED(words, ...) assert_refused((struct pool_options){__VA_ARGS__}, words)

/* Asserts that the statement of a session has this in it. */
static void assert_writes(struct pool_options options, const char *piece)
{
    struct pool__options o;
    struct pool_error err;
    options.user = "app";
    if (!pool__options_init(&o, &options, &err))
        fail_msg("%s", err.message);
    const char *sql = pool__setup_text(&o.setup, true, 101100);
    if (!strstr(sql, piece))
        fail_msg("'%s' is not in: %s", piece, sql);
    pool__options_fini(&o);
}

#define WRITES(piece, ...) assert_writes((struct pool_options){__VA_ARGS__}, piece)

static void modes_are_names_with_commas(void **state)
{
    (void)state;
    WRITES("SESSION sql_mode = 'ANSI_QUOTES,no_zero_date'", .sql_mode = "ANSI_QUOTES,no_zero_date");
    WRITES("SESSION sql_mode = ''", .sql_mode = "");
    REFUSED("'sql_mode' is not a list", .sql_mode = "ANSI, STRICT_ALL_TABLES");
    REFUSED("'sql_mode' is not a list", .sql_mode = "CONCAT(@@sql_mode, ',ANSI')");
    REFUSED("'sql_mode' is not a list", .sql_mode = "ANSI'");
}

static void time_zones_are_offsets_or_names(void **state)
{
    (void)state;
    WRITES("SESSION time_zone = '+02:00'", .time_zone = "+02:00");
    WRITES("SESSION time_zone = '-5:30'", .time_zone = "-5:30");
    WRITES("SESSION time_zone = 'America/Port-au-Prince'", .time_zone = "America/Port-au-Prince");
    WRITES("SESSION time_zone = 'Etc/GMT+5'", .time_zone = "Etc/GMT+5");
    WRITES("SESSION time_zone = 'SYSTEM'", .time_zone = "SYSTEM");
    REFUSED("write '+00:00' for UTC", .time_zone = "Z");
    REFUSED("'SYSTEM' for the zone of the server", .time_zone = "local");
    REFUSED("'time_zone' is not like", .time_zone = "+2");
    REFUSED("'time_zone' is not like", .time_zone = "+02:000");
    REFUSED("'time_zone' is not like", .time_zone = "+02:00 DST");
    REFUSED("'time_zone' is not like", .time_zone = "Europe Berlin");
    REFUSED("'time_zone' is empty", .time_zone = "");
}

static void collations_are_those_of_utf8mb4(void **state)
{
    (void)state;
    WRITES("SET NAMES utf8mb4 COLLATE utf8mb4_bin,", .collation = "utf8mb4_bin");
    WRITES("SET NAMES utf8mb4, ", .collation = NULL);
    REFUSED("'collation' is not one of utf8mb4", .collation = "latin1_swedish_ci");
    REFUSED("'collation' is not one of utf8mb4", .collation = "utf8mb4_bin, x");
}

static void isolation_is_one_of_five(void **state)
{
    (void)state;
    WRITES("SESSION tx_isolation = 'READ-COMMITTED'", .isolation = POOL_ISOLATION_READ_COMMITTED);
    REFUSED("'isolation' is 5", .isolation = (enum pool_isolation)5);
}

static void the_isolation_level_has_the_name_that_the_server_knows(void **state)
{
    static const struct {
        bool mariadb;
        unsigned long version;
        const char *name;
    } servers[] = {
        {true, 100500, " tx_isolation"},          {true, 110100, " tx_isolation"},
        {true, 110101, " transaction_isolation"}, {true, 110800, " transaction_isolation"},
        {false, 80000, " transaction_isolation"}, {false, 90700, " transaction_isolation"}};
    struct pool_options options = {.user = "app", .isolation = POOL_ISOLATION_SERIALIZABLE};
    struct pool__options o;
    (void)state;
    assert_true(pool__options_init(&o, &options, NULL));
    for (size_t i = 0; i < COUNT(servers); i++)
        assert_non_null(strstr(pool__setup_text(&o.setup, servers[i].mariadb, servers[i].version),
                               servers[i].name));
    pool__options_fini(&o);
}

static void a_value_goes_as_what_it_looks_like(void **state)
{
    static const char *const numbers[] = {"5",      "-5",      "0",       "1.5",  "2e3",
                                          "2.5E-3", "DEFAULT", "default", "TRUE", "false"};
    /* clang-format off */
    static const struct {
        const char *value, *written;
    } texts[] = {{"ON", "'ON'"},     {"", "''"},         {"'5'", "'5'"},
                 {"a,b=c", "'a,b=c'"}, {"it's", "'it''s'"}, {"a\\", "_utf8mb4 X'615c'"},
                 {"5x", "'5x'"},     {"1.", "'1.'"},     {"-", "'-'"},
                 {"1e", "'1e'"},     {"'", "''''"},      {"@@sql_mode", "'@@sql_mode'"},
                 {"1, x = 2", "'1, x = 2'"}};
    /* clang-format on */
    char variable[64], piece[80];
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        snprintf(variable, sizeof variable, "some_name=%s", numbers[i]);
        snprintf(piece, sizeof piece, ", SESSION some_name = %s", numbers[i]);
        WRITES(piece, .session_variables = VARIABLES(variable));
    }
    for (size_t i = 0; i < COUNT(texts); i++) {
        snprintf(variable, sizeof variable, "some_name=%s", texts[i].value);
        snprintf(piece, sizeof piece, ", SESSION some_name = %s", texts[i].written);
        WRITES(piece, .session_variables = VARIABLES(variable));
    }
}

static void a_variable_has_a_plain_name_and_a_value(void **state)
{
    (void)state;
    REFUSED("not name=value: 'max_statement_time'",
            .session_variables = VARIABLES("max_statement_time"));
    REFUSED("letters, digits and '_': '@x'", .session_variables = VARIABLES("@x=1"));
    REFUSED("letters, digits and '_': 'a b'", .session_variables = VARIABLES("a b=1"));
    REFUSED("letters, digits and '_': ''", .session_variables = VARIABLES("=1"));
    REFUSED("control character in 'a'", .session_variables = VARIABLES("a=1\n"));
    REFUSED("letters, digits",
            .session_variables =
                VARIABLES("a1234567890123456789012345678901234567890123456789012345678901234=1"));
}

static void a_variable_is_given_once(void **state)
{
    (void)state;
    REFUSED("'A', which is given twice", .session_variables = VARIABLES("a=1", "b=1", "A=2"));
    REFUSED("'sql_mode', which is given twice", .sql_mode = "",
            .session_variables = VARIABLES("sql_mode=ANSI"));
    REFUSED("'time_zone', which is given twice", .time_zone = "SYSTEM",
            .session_variables = VARIABLES("time_zone=SYSTEM"));
    WRITES("SESSION lock_wait = 1, SESSION lock_wait_timeout = 2",
           .session_variables = VARIABLES("lock_wait=1", "lock_wait_timeout=2"));
}

static void variables_of_the_pool_are_refused_with_a_reason(void **state)
{
    static const char *const owned[][2] = {
        {"autocommit=0", "no_autocommit"},
        {"names=latin1", "always utf8mb4"},
        {"CHARACTER_SET_CLIENT=latin1", "always utf8mb4"},
        {"character_set_results=NULL", "always utf8mb4"},
        {"collation_connection=utf8mb4_bin", "option 'collation'"},
        {"session_track_state_change=0", "whether a session has changed"},
        {"tx_isolation=SERIALIZABLE", "option 'isolation'"},
        {"transaction_isolation=SERIALIZABLE", "option 'isolation'"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(owned); i++)
        REFUSED(owned[i][1], .session_variables = VARIABLES(owned[i][0]));
    WRITES("SESSION autocommits = 1, SESSION names_only = 2",
           .session_variables = VARIABLES("autocommits=1", "names_only=2"));
}

static struct pool_error explained(const char *message, struct pool_options v)
{
    struct pool_error err = {.code = POOL_ERR_SERVER, .server_errno = 1193, .sqlstate = "HY000"};
    snprintf(err.message, sizeof err.message, "%s", message);
    pool__setup_explain(&v, &err);
    assert_int_equal(err.code, POOL_ERR_SERVER);
    assert_int_equal(err.server_errno, 1193);
    assert_string_equal(err.sqlstate, "HY000");
    return err;
}

#define EXPLAINED(text, ...) explained(text, (struct pool_options){__VA_ARGS__}).message

static void only_what_the_server_names_is_blamed(void **state)
{
    (void)state;
    assert_string_equal(EXPLAINED("unknown 'sql_mode'", .sql_mode = "ANSI", .time_zone = "SYSTEM"),
                        "option 'sql_mode': unknown 'sql_mode'");
    assert_string_equal(EXPLAINED("unknown 'sql_mode_x'", .sql_mode = "ANSI",
                                  .session_variables = VARIABLES("a=1", "sql_mode_x=1")),
                        "option 'session_variables', 'sql_mode_x': unknown 'sql_mode_x'");
    assert_string_equal(EXPLAINED("no room", .session_variables = VARIABLES("a=1")),
                        "option 'session_variables', 'a': no room");
    assert_string_equal(EXPLAINED("no room", .sql_mode = "", .session_variables = VARIABLES("a=1")),
                        "options for the session: no room");
    assert_string_equal(EXPLAINED("no room", .sql_mode = NULL), "no room");
}

/* Or the pool would take what it set for the work of the login, which a reset cannot repeat. */
static void a_variable_may_be_set_by_its_other_name(void **state)
{
    struct pool_options v = {.session_variables =
                                 VARIABLES("transaction_read_only=1", "Storage_Engine=Aria")};
    (void)state;
    assert_true(pool__setup_sets(&v, "tx_read_only"));
    assert_true(pool__setup_sets(&v, "default_storage_engine"));
    assert_false(pool__setup_sets(&v, "tx_isolation"));
}

static void the_variables_are_copied(void **state)
{
    char first[] = "lock_wait_timeout=7";
    const char *variables[] = {first, "sql_mode=ANSI", NULL};
    struct pool_options options = {.user = "app", .session_variables = variables};
    struct pool__options o;
    (void)state;
    assert_true(pool__options_init(&o, &options, NULL));
    first[0] = 'X';
    assert_string_equal(o.v.session_variables[0], "lock_wait_timeout=7");
    assert_string_equal(o.v.session_variables[1], "sql_mode=ANSI");
    assert_null(o.v.session_variables[2]);
    pool__options_fini(&o);
}

/* ------------------------------------------------------------------------
 * With a server
 */

static struct pool *pool_with(struct pool_options wish)
{
    struct pool_error err;
    wish.connection_limit = 1;
    wish.fail_fast_ms = 1;
    wish.auth_plugins = "mysql_native_password,caching_sha2_password";
    struct pool *pool = pool_create_url_with(getenv("MYPOOL_URL"), &wish, &err);
    if (!pool)
        fail_msg("%s", err.message);
    return pool;
}

/* The columns of the first row, each with a bar behind it. */
static void assert_shows(struct pool *pool, const char *sql, const char *expected)
{
    struct pool_error err;
    char text[256] = "";
    struct pool_result *result = pool_query(pool, sql, POOL_NO_ARGS, &err);
    if (!result)
        fail_msg("%s: %s", sql, err.message);
    assert_true(pool_next(result));
    for (unsigned i = 0; i < pool_column_count(result); i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s|",
                 pool_is_null(result, i) ? "NULL" : pool_get_text(result, i));
    pool_result_free(result);
    assert_string_equal(text, expected);
}

static void run(struct pool *pool, const char *sql)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, sql, POOL_NO_ARGS, &err);
    if (!result)
        fail_msg("%s: %s", sql, err.message);
    pool_result_free(result);
}

/* Holds after the open, and after a reset that had to undo `change`. */
static void assert_lasts(struct pool *pool, const char *change, const char *sql,
                         const char *expected)
{
    assert_shows(pool, sql, expected);
    run(pool, change);
    assert_shows(pool, sql, expected);
    assert_int_equal(stats_of(pool).opened, 1);
    assert_in_range(stats_of(pool).resets, 1, 2); /* the reading may cost one as well */
    pool_end(pool, 1000, NULL);
}

static void sessions_have_the_sql_mode(void **state)
{
    (void)state;
    assert_lasts(WITH(.sql_mode = "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"), "SET sql_mode = ''",
                 "SELECT @@sql_mode", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES|");
    assert_lasts(WITH(.sql_mode = ""), "SET sql_mode = 'ANSI'", "SELECT @@sql_mode", "|");
}

static void sessions_have_the_time_zone(void **state)
{
    (void)state;
    assert_lasts(WITH(.time_zone = "+05:45"), "SET time_zone = '+01:00'",
                 "SELECT @@time_zone, FROM_UNIXTIME(86400)", "+05:45|1970-01-02 05:45:00|");
}

static void sessions_have_the_isolation_level(void **state)
{
    static const char *const names[] = {[1] = "READ-UNCOMMITTED",
                                        [2] = "READ-COMMITTED",
                                        [3] = "REPEATABLE-READ",
                                        [4] = "SERIALIZABLE"};
    (void)state;
    for (unsigned i = 1; i < COUNT(names); i++) {
        struct pool *pool = WITH(.isolation = (enum pool_isolation)i);
        for (int round = 0; round < 2; round++) {
            struct pool_error err;
            struct pool_result *result =
                pool_query(pool, "SHOW VARIABLES LIKE 't%isolation'", POOL_NO_ARGS, &err);
            assert_non_null(result);
            assert_true(pool_next(result));
            assert_string_equal(pool_get_text(result, 1), names[i]);
            pool_result_free(result);
            run(pool, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
        }
        pool_end(pool, 1000, NULL);
    }
}

static void sessions_have_the_collation(void **state)
{
    (void)state;
    assert_lasts(WITH(.collation = "utf8mb4_unicode_ci"), "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
                 "SELECT @@collation_connection, 'A' = 'a'", "utf8mb4_unicode_ci|1|");
    assert_lasts(WITH(.collation = "utf8mb4_bin"), "SET NAMES utf8mb4",
                 "SELECT @@collation_connection, 'A' = 'a'", "utf8mb4_bin|0|");
}

static void sessions_have_any_variable(void **state)
{
    (void)state;
    assert_lasts(
        WITH(.session_variables = VARIABLES("lock_wait_timeout=77", "innodb_lock_wait_timeout=3",
                                            "foreign_key_checks=OFF", "sql_safe_updates=TRUE",
                                            "div_precision_increment=7")),
        "SET lock_wait_timeout = 5, innodb_lock_wait_timeout = 5, foreign_key_checks = 1, "
        "sql_safe_updates = 0",
        "SELECT @@lock_wait_timeout, @@innodb_lock_wait_timeout, @@foreign_key_checks, "
        "@@sql_safe_updates, @@div_precision_increment",
        "77|3|0|1|7|");
}

static void variables_of_a_url_keep_their_commas(void **state)
{
    struct pool_error err;
    char url[512];
    (void)state;
    snprintf(url, sizeof url,
             "%s%cvar.sql_mode=ANSI_QUOTES,NO_ZERO_DATE&var.lock_wait_timeout=77"
             "&timeZone=%%2B02:00&isolation=serializable&collation=utf8mb4_bin"
             "&authPlugins=mysql_native_password,caching_sha2_password",
             getenv("MYPOOL_URL"), strchr(getenv("MYPOOL_URL"), '?') ? '&' : '?');
    struct pool *pool = pool_create_url(url, &err);
    if (!pool)
        fail_msg("%s", err.message);
    assert_shows(pool,
                 "SELECT @@sql_mode, @@lock_wait_timeout, @@time_zone, @@collation_connection",
                 "ANSI_QUOTES,NO_ZERO_DATE|77|+02:00|utf8mb4_bin|");
    pool_end(pool, 1000, NULL);
}

/* Of a fresh connection, counted by the server. */
static uint64_t statements_until_ready(struct pool_options wish)
{
    struct pool_error err;
    struct pool *pool = pool_with(wish);
    struct pool_result *result =
        pool_query(pool, "SHOW SESSION STATUS LIKE 'Questions'", POOL_NO_ARGS, &err);
    if (!result)
        fail_msg("%s", err.message);
    assert_true(pool_next(result));
    uint64_t count = pool_get_uint(result, 1);
    pool_result_free(result);
    pool_end(pool, 1000, NULL);
    return count;
}

static void they_cost_no_statement_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(statements_until_ready((struct pool_options){
                         .sql_mode = "ANSI",
                         .time_zone = "+00:00",
                         .collation = "utf8mb4_bin",
                         .isolation = POOL_ISOLATION_SERIALIZABLE,
                         .session_variables = VARIABLES("lock_wait_timeout=5")}),
                     statements_until_ready((struct pool_options){0}));
}

static void assert_blamed(struct pool_options wish, const char *words)
{
    struct pool_error err;
    struct pool *pool = pool_with(wish);
    assert_false(pool_ping(pool, &err));
    if (!strstr(err.message, words))
        fail_msg("'%s' is not in: %s", words, err.message);
    assert_int_equal(stats_of(pool).open, 0);
    pool_end(pool, 1000, NULL);
}

#define BLAMED(words, ...) assert_blamed((struct pool_options){__VA_ARGS__}, words)

static void what_the_server_refuses_is_named(void **state)
{
    (void)state;
    BLAMED("option 'sql_mode': ", .sql_mode = "NO_SUCH_MODE");
    BLAMED("option 'time_zone': ", .time_zone = "Mars/Olympus");
    BLAMED("option 'time_zone': ", .time_zone = "+99:00");
    BLAMED("option 'collation': ", .collation = "utf8mb4_klingon_ci");
    BLAMED("option 'session_variables', 'no_such_variable': ", .sql_mode = "ANSI",
           .session_variables = VARIABLES("lock_wait_timeout=1", "no_such_variable=1"));
    BLAMED("option 'session_variables', 'lock_wait_timeout': ",
           .session_variables = VARIABLES("sql_safe_updates=1", "lock_wait_timeout=soon"));
    BLAMED("option 'session_variables', 'max_connections': ", .sql_mode = "ANSI",
           .session_variables = VARIABLES("max_connections=1"));
    BLAMED("option 'session_variables', 'time_zone': ", .sql_mode = "",
           .session_variables = VARIABLES("time_zone=Mars/Olympus"));
}

static void values_cannot_leave_their_literal(void **state)
{
    (void)state;
    BLAMED("option 'session_variables', 'lc_time_names': ",
           .session_variables = VARIABLES("lc_time_names=x', autocommit = '0"));
    BLAMED("option 'session_variables', 'lc_time_names': ",
           .session_variables = VARIABLES("lc_time_names=x\\', autocommit = 0 -- "));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_are_names_with_commas),
        cmocka_unit_test(time_zones_are_offsets_or_names),
        cmocka_unit_test(collations_are_those_of_utf8mb4),
        cmocka_unit_test(isolation_is_one_of_five),
        cmocka_unit_test(the_isolation_level_has_the_name_that_the_server_knows),
        cmocka_unit_test(a_value_goes_as_what_it_looks_like),
        cmocka_unit_test(a_variable_has_a_plain_name_and_a_value),
        cmocka_unit_test(a_variable_is_given_once),
        cmocka_unit_test(variables_of_the_pool_are_refused_with_a_reason),
        cmocka_unit_test(only_what_the_server_names_is_blamed),
        cmocka_unit_test(a_variable_may_be_set_by_its_other_name),
        cmocka_unit_test(the_variables_are_copied),
        cmocka_unit_test(sessions_have_the_sql_mode),
        cmocka_unit_test(sessions_have_the_time_zone),
        cmocka_unit_test(sessions_have_the_isolation_level),
        cmocka_unit_test(sessions_have_the_collation),
        cmocka_unit_test(sessions_have_any_variable),
        cmocka_unit_test(variables_of_a_url_keep_their_commas),
        cmocka_unit_test(they_cost_no_statement_of_their_own),
        cmocka_unit_test(what_the_server_refuses_is_named),
        cmocka_unit_test(values_cannot_leave_their_literal),
    };
    return server_suite_main(argc, argv, tests);
}
