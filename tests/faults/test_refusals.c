/*
 * A server that does not want this user any more, or takes no writes: new connections fail fast,
 * and all is well again once the server is. See beside.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "beside.h"
#include "suite.h"

static void make_changing_pool(void)
{
    struct pool_options options = app_options();
    admin_does(f.admin, "CREATE OR REPLACE USER changing@'%%' IDENTIFIED BY 'first'");
    admin_does(f.admin, "GRANT ALL ON mypool.* TO changing@'%%'");
    options.user = "changing";
    options.password = "first";
    make_pool(options);
}

static void close_changing_connections(void)
{
    uint64_t before = closed_by(POOL_CLOSE_SERVER);
    admin_does(f.admin, "KILL USER changing");
    assert_within(GENEROUS, closed_by(POOL_CLOSE_SERVER) > before);
}

static void assert_refused_fast(unsigned code)
{
    struct pool_error err;
    assert_false(works(&err));
    assert_int_equal(err.code, POOL_ERR_AUTH);
    assert_int_equal(err.server_errno, code);
    assert_true(err.not_executed);
    uint64_t begin = now_ms();
    for (int i = 0; i < 20; i++)
        assert_false(works(&err));
    assert_int_equal(err.code, POOL_ERR_AUTH);
    assert_true(now_ms() - begin < 5000);
    assert_true(stats_now().connect_failures <= 10); /* 20 calls hammer nobody */
}

static void a_changed_password_fails_new_connections_fast_and_heals(void **state)
{
    (void)state;
    make_changing_pool();
    assert_works();
    admin_does(f.admin, "ALTER USER changing@'%%' IDENTIFIED BY 'second'");
    assert_works(); /* what is open goes on */
    close_changing_connections();
    assert_refused_fast(1045);
    admin_does(f.admin, "ALTER USER changing@'%%' IDENTIFIED BY 'first'");
    assert_within(30000, works(NULL));
}

static void a_locked_user_fails_new_connections_fast_and_heals(void **state)
{
    (void)state;
    make_changing_pool();
    assert_works();
    admin_does(f.admin, "ALTER USER changing@'%%' ACCOUNT LOCK");
    close_changing_connections();
    assert_refused_fast(4151);
    admin_does(f.admin, "ALTER USER changing@'%%' ACCOUNT UNLOCK");
    assert_within(30000, works(NULL));
}

static void a_server_that_became_read_only_has_its_connections_replaced(void **state)
{
    (void)state;
    admin_does(f.admin, "CREATE TABLE mypool.written (n INT)");
    make_pool(app_options());
    open_at_once(3, NULL);
    assert_true(run_here("INSERT INTO written VALUES (1)", 0).ok);
    admin_does(f.admin, "SET GLOBAL read_only = 1");
    struct call refused = run_here("INSERT INTO written VALUES (2)", 0);
    assert_int_equal(refused.err.code, POOL_ERR_SERVER);
    assert_int_equal(refused.err.server_errno, 1290);
    assert_true(refused.err.not_executed);
    assert_within(GENEROUS, stats_now().closed == 3);
    assert_int_equal(closed_by(POOL_CLOSE_READ_ONLY), 3);
    admin_does(f.admin, "SET GLOBAL read_only = 0");
    assert_true(run_here("INSERT INTO written VALUES (3)", 0).ok);
    assert_int_equal(admin_asks(f.admin, "SELECT SUM(n) FROM mypool.written"), 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_beside, tear_down_beside)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_changed_password_fails_new_connections_fast_and_heals),
        TEST(a_locked_user_fails_new_connections_fast_and_heals),
        TEST(a_server_that_became_read_only_has_its_connections_replaced),
    };
    return server_suite_main(argc, argv, tests);
}
