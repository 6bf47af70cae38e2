/*
 * A statement that is in the cache means what it would mean if it were read now: in the SQL mode,
 * with the collation and in the database that the session has, whoever has set them.
 *
 * Needs a server: MYPOOL_SERVER_PORT.
 */
#include <mysql.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"
#include "suite.h"

#define WHERE "SELECT t FROM place"
#define JOINED "SELECT 'a' || 'b'"
#define PIPES "SET sql_mode = 'PIPES_AS_CONCAT'"

static void assert_answer(struct pool_conn conn, const char *sql, const char *expected)
{
    struct pool_error err;
    struct pool_result *row = pool_conn_query(conn, sql, POOL_NO_ARGS, &err);
    if (!row || !pool_next(row))
        fail_with(sql, &err);
    assert_string_equal(pool_get_text(row, 0), expected);
    pool_result_free(row);
}

static void must_on(struct pool_conn conn, const char *sql)
{
    struct pool_error err;
    if (!did(conn, sql, &err))
        fail_with(sql, &err);
}

static void assert_changes(struct pool_conn conn, const char *sql, const char *before,
                           const char *change, const char *after)
{
    assert_answer(conn, sql, before);
    must_on(conn, change);
    assert_answer(conn, sql, after);
}

static void the_sql_mode_counts(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    assert_changes(conn, JOINED, "0", PIPES, "ab");
    assert_changes(conn, "SELECT \"t\" FROM place", "t", "SET @@SESSION.sql_mode = ANSI_QUOTES",
                   "here");
    assert_changes(conn, "SELECT 'a\\\\b'", "a\\b",
                   "EXECUTE IMMEDIATE 'SET sql_mode = ''NO_BACKSLASH_ESCAPES'''", "a\\\\b");
    assert_true(pool_conn_release(conn, NULL));
}

static void the_collation_counts(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    assert_changes(conn, "SELECT 'a' = 'A'", "1", "SET NAMES utf8mb4 COLLATE utf8mb4_bin", "0");
    assert_changes(conn, "SELECT 'a' = 'A'", "0", "SET collation_connection = utf8mb4_general_ci",
                   "1");
    assert_true(pool_conn_release(conn, NULL));
}

static void the_next_borrower_has_its_own(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    assert_changes(conn, JOINED, "0", PIPES, "ab");
    assert_true(pool_conn_release(conn, NULL));
    conn = borrow();
    assert_answer(conn, JOINED, "0");
    assert_true(pool_conn_release(conn, NULL));
}

static void other_variables_leave_the_cache_alone(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    assert_answer(conn, WHERE, "here");
    must_on(conn, "SET @x = 1, time_zone = '+00:00'");
    uint64_t before = stats_now().prepares;
    assert_answer(conn, WHERE, "here");
    assert_int_equal(stats_now().prepares - before, 0);
    assert_true(pool_conn_release(conn, NULL));
}

static void the_database_counts(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    assert_changes(conn, WHERE, "here", "USE mypool_other", "there");
    assert_true(pool_conn_release(conn, NULL));
}

static void also_if_the_server_would_not_tell(void **state)
{
    admin_does(f.admin, "SET GLOBAL session_track_schema = OFF");
    the_database_counts(state);
}

static void also_if_the_native_handle_has_chosen_it(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    assert_answer(conn, WHERE, "here");
    assert_int_equal(mysql_select_db(pool_conn_native(conn), "mypool_other"), 0);
    assert_answer(conn, WHERE, "there");
    assert_true(pool_conn_release(conn, NULL));
}

/* The batch, in three chunks, switches autocommit off and on while it uses its statement. */
static void a_batch_survives_that(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_value values[600];
    struct pool_batch_request request = {
        .sql = "UPDATE place SET t = ?", .values = values, .rows = 600, .columns = 1};
    for (int i = 0; i < 600; i++)
        values[i] = i % 2 ? pool_text("5") : pool_int(7);
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    assert_int_equal(mysql_select_db(pool_conn_native(conn), "mypool_other"), 0);
    struct pool_result *result = pool_conn_batch_with(conn, &request, &err);
    if (!result)
        fail_with("batch", &err);
    pool_result_free(result);
    assert_answer(conn, WHERE, "5");
    assert_true(pool_conn_release(conn, NULL));
    assert_int_equal(admin_asks(f.admin, "SELECT COUNT(*) FROM mypool.place WHERE t = 'here'"), 1);
}

static void a_login_or_reset_by_the_native_handle_is_survived(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    assert_answer(conn, WHERE, "here");
    assert_int_equal(mysql_reset_connection(pool_conn_native(conn)), 0);
    assert_answer(conn, WHERE, "here");
    assert_int_equal(mysql_change_user(pool_conn_native(conn), "app", "secret", "mypool_other"), 0);
    assert_answer(conn, WHERE, "there");
    assert_true(pool_conn_release(conn, NULL));
}

static int set_up(void **state)
{
    if (begin_fixture(state) != 0)
        return -1;
    admin_does(f.admin, "CREATE DATABASE mypool_other");
    admin_does(f.admin, "GRANT ALL ON mypool_other.* TO app@'%%'");
    admin_does(f.admin, "CREATE TABLE mypool.place AS SELECT 'here' AS t");
    admin_does(f.admin, "CREATE TABLE mypool_other.place AS SELECT 'there' AS t");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ask(f.admin, "SET GLOBAL session_track_schema = ON", NULL, 0);
    end_fixture();
    MYSQL *admin = connect_admin();
    ask(admin, "DROP TABLE IF EXISTS mypool.place", NULL, 0);
    ask(admin, "DROP DATABASE IF EXISTS mypool_other", NULL, 0);
    mysql_close(admin);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(the_sql_mode_counts),
        TEST(the_collation_counts),
        TEST(the_next_borrower_has_its_own),
        TEST(other_variables_leave_the_cache_alone),
        TEST(the_database_counts),
        TEST(also_if_the_server_would_not_tell),
        TEST(also_if_the_native_handle_has_chosen_it),
        TEST(a_batch_survives_that),
        TEST(a_login_or_reset_by_the_native_handle_is_survived),
    };
    return server_suite_main(argc, argv, tests);
}
