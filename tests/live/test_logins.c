/*
 * A session that was reset is like one that has just logged in: with what the server does for
 * a login alone, with the limits of the account, as the same user. What a reset cannot bring
 * back is closed.
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

#define TEXT 64

static void ask_pool(const char *sql, char ret_text[TEXT])
{
    struct pool_error err;
    struct pool_result *result = pool_query(f.pool, sql, POOL_NO_ARGS, &err);
    if (!result || !pool_next(result))
        fail_with(sql, &err);
    snprintf(ret_text, TEXT, "%s", pool_get_text(result, 0));
    pool_result_free(result);
}

static void assert_says(const char *sql, const char *wanted)
{
    char text[TEXT];
    ask_pool(sql, text);
    assert_string_equal(text, wanted);
}

/* Something that nobody can see any more afterwards. */
static void change_session(void)
{
    must("SET @x = 1");
}

/* DOUBLE is written in more than one way. */
#define LIMIT_NOW "SELECT CAST(@@max_statement_time * 100 AS INT)"
#define ZONE "SELECT @@time_zone"

static void what_init_connect_sets_outlasts_a_change(void **state)
{
    (void)state;
    admin_does(f.admin, "SET GLOBAL init_connect = \"SET time_zone = '+05:00'\"");
    make_pool_of_one(NULL);
    assert_says(ZONE, "+05:00");
    for (int i = 0; i < 3; i++) {
        change_session();
        assert_says(ZONE, "+05:00");
    }
    assert_int_equal(closed_by(POOL_CLOSE_RESET), 3);
}

/* What the server would do by now does not matter. */
static void what_a_login_has_set_is_not_reset(void **state)
{
    (void)state;
    admin_does(f.admin, "SET GLOBAL init_connect = \"SET time_zone = '+05:00'\"");
    make_pool_of_one(NULL);
    assert_says(ZONE, "+05:00");
    admin_does(f.admin, "SET GLOBAL init_connect = ''");
    change_session();
    assert_says(ZONE, "SYSTEM");
    assert_int_equal(closed_by(POOL_CLOSE_RESET), 1);
}

static void with_init_connect_clean_borrows_cost_no_login(void **state)
{
    (void)state;
    admin_does(f.admin, "SET GLOBAL init_connect = \"SET time_zone = '+05:00'\"");
    make_table();
    make_pool_of_one(NULL);
    for (int i = 0; i < 10; i++)
        must("INSERT INTO held VALUES (1)");
    assert_int_equal(stats_now().opened, 1);
}

static void an_init_connect_that_comes_later_is_run(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    assert_says(ZONE, "SYSTEM");
    admin_does(f.admin, "SET GLOBAL init_connect = \"SET time_zone = '+05:00'\"");
    change_session();
    assert_says(ZONE, "+05:00");
}

/* What comes with a reset comes with a login, too. */
static void a_global_value_that_has_changed_is_taken(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    must("SELECT 1");
    admin_does(f.admin, "SET GLOBAL time_zone = '+03:00', GLOBAL lock_wait_timeout = 77");
    change_session();
    assert_says(ZONE, "+03:00");
    assert_says("SELECT @@lock_wait_timeout", "77");
    assert_int_equal(stats_now().closed, 0);
}

static void a_time_limit_of_the_account_outlasts_a_reset(void **state)
{
    (void)state;
    make_pool(changing_options("WITH MAX_STATEMENT_TIME 7.5"));
    assert_says(LIMIT_NOW, "750");
    unsigned long id = id_of_next();
    change_session();
    assert_says(LIMIT_NOW, "750");
    assert_int_equal(id_of_next(), id);
    assert_int_equal(stats_now().closed, 0);
}

static void init_sql_may_set_another_limit(void **state)
{
    (void)state;
    static const char *const init[] = {"SET max_statement_time = 3", NULL};
    struct pool_options options = changing_options("WITH MAX_STATEMENT_TIME 7.5");
    options.init_sql = init;
    make_pool(options);
    change_session();
    assert_says(LIMIT_NOW, "300");
    assert_int_equal(stats_now().closed, 0);
}

static void become_somebody_else(const char *user, const char *password)
{
    struct pool_conn conn = borrow();
    MYSQL *native = pool_conn_native(conn);
    assert_int_equal(mysql_change_user(native, user, password, "mypool"), 0);
    assert_true(pool_conn_release(conn, NULL));
}

static void a_changed_user_does_not_reach_the_next_borrower(void **state)
{
    (void)state;
    char before[TEXT];
    changing_options("");
    make_pool_of_one(NULL);
    ask_pool("SELECT CURRENT_USER()", before);
    become_somebody_else("changing", "first");
    assert_says("SELECT CURRENT_USER()", before);
    assert_int_equal(closed_by(POOL_CLOSE_RESET), 1);
}

static void who_changes_to_the_same_user_keeps_the_connection(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    unsigned long id = id_of_next();
    become_somebody_else("app", "secret");
    assert_int_equal(id_of_next(), id);
    assert_int_equal(stats_now().closed, 0);
}

static void a_transaction_costs_no_reset(void **state)
{
    (void)state;
    struct pool_error err;
    make_table();
    make_pool_of_one(NULL);
    for (int i = 0; i < 5; i++) {
        struct pool_conn conn = borrow();
        assert_true(pool_conn_begin(conn, &err));
        assert_true(did(conn, "INSERT INTO held VALUES (1)", &err));
        assert_int_equal(number(conn, "SELECT COUNT(*) FROM held"), i + 1);
        assert_true(pool_conn_commit(conn, &err));
        assert_true(pool_conn_release(conn, NULL));
    }
    assert_int_equal(stats_now().resets, 0);
}

static int tear_down(void **state)
{
    (void)state;
    ask(f.admin,
        "SET GLOBAL init_connect = '', GLOBAL time_zone = 'SYSTEM', "
        "GLOBAL lock_wait_timeout = DEFAULT",
        NULL, 0);
    end_fixture();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_fixture, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(what_init_connect_sets_outlasts_a_change),
        TEST(what_a_login_has_set_is_not_reset),
        TEST(with_init_connect_clean_borrows_cost_no_login),
        TEST(an_init_connect_that_comes_later_is_run),
        TEST(a_global_value_that_has_changed_is_taken),
        TEST(a_time_limit_of_the_account_outlasts_a_reset),
        TEST(init_sql_may_set_another_limit),
        TEST(a_changed_user_does_not_reach_the_next_borrower),
        TEST(who_changes_to_the_same_user_keeps_the_connection),
        TEST(a_transaction_costs_no_reset),
    };
    return server_suite_main(argc, argv, tests);
}
