/*
 * Credentials that are asked for at each connect: passwords that rotate, are wrong, or are not to
 * be had. See life.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "life.h"
#include "suite.h"

#include <stdatomic.h>
#include <string.h>

struct vault {
    const char *passwords[2]; /* without and with refresh; NULL: there is none */
    _Atomic int calls;
    _Atomic int refreshes;
};

static bool ask_vault(struct pool_credentials *credentials, bool refresh, void *arg)
{
    struct vault *vault = arg;
    atomic_fetch_add(&vault->calls, 1);
    atomic_fetch_add(&vault->refreshes, refresh);
    if (refresh) /* what is new now will be the usual one */
        vault->passwords[0] = vault->passwords[1];
    credentials->user = "rotating";
    credentials->password = vault->passwords[0];
    return credentials->password != NULL;
}

static struct pool *vault_pool(struct vault *vault)
{
    return pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 2,
                                                       .fail_fast_ms = 20,
                                                       .credentials = ask_vault,
                                                       .credentials_arg = vault});
}

static void make_rotating_user(struct pool *admin)
{
    run_sql(admin, "CREATE OR REPLACE USER rotating@'%' IDENTIFIED BY 'spring'");
    run_sql(admin, "GRANT ALL ON mypool.* TO rotating@'%'");
}

static void credentials_are_asked_for_each_connect(void **state)
{
    make_rotating_user(*state);
    struct vault vault = {.passwords = {"spring", NULL}};
    struct pool *pool = vault_pool(&vault);
    assert_int_equal(number_of(pool, "SELECT USER() LIKE 'rotating@%'"), 1);
    assert_int_equal(atomic_load(&vault.calls), 1);
    use_many(pool, 2);
    assert_int_equal(atomic_load(&vault.calls), 2);
    assert_int_equal(atomic_load(&vault.refreshes), 0);
    end_cleanly(pool);
}

static void a_rotated_password_is_asked_for_anew_without_an_error(void **state)
{
    make_rotating_user(*state);
    struct vault vault = {.passwords = {"spring", "summer"}};
    struct pool *pool = vault_pool(&vault);
    number_of(pool, "SELECT 1");
    run_sql(*state, "ALTER USER rotating@'%' IDENTIFIED BY 'summer'");
    number_of(pool, "SELECT 1"); /* the connection that is open goes on */
    assert_int_equal(atomic_load(&vault.calls), 1);
    use_many(pool, 2);
    assert_int_equal(atomic_load(&vault.calls), 3);
    assert_int_equal(atomic_load(&vault.refreshes), 1);
    assert_int_equal(stats_of(pool).connect_failures, 0);
    end_cleanly(pool);
}

static void a_password_that_stays_wrong_is_an_authentication_error(void **state)
{
    make_rotating_user(*state);
    struct pool_error err;
    struct vault vault = {.passwords = {"winter", "autumn"}};
    struct pool *pool = vault_pool(&vault);
    assert_null(pool_query(pool, "DO 1", POOL_NO_ARGS, &err));
    end_cleanly(pool);
    assert_int_equal(err.code, POOL_ERR_AUTH);
    assert_int_equal(err.server_errno, 1045);
    assert_null(strstr(err.message, "winter"));
    assert_null(strstr(err.message, "autumn"));
    assert_in_range(atomic_load(&vault.refreshes), 1, 1000);
}

static void a_vault_without_credentials_is_an_authentication_error(void **state)
{
    (void)state;
    struct pool_error err;
    struct vault vault = {.passwords = {NULL, NULL}};
    struct pool *pool = vault_pool(&vault);
    assert_null(pool_query(pool, "DO 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_AUTH);
    assert_true(err.not_executed);
    end_cleanly(pool);
}

static void a_vault_that_recovers_serves_the_pool_again(void **state)
{
    make_rotating_user(*state);
    struct pool_error err;
    struct vault vault = {.passwords = {"winter", "spring"}};
    run_sql(*state, "ALTER USER rotating@'%' IDENTIFIED BY 'late'");
    struct pool *pool = vault_pool(&vault);
    assert_null(pool_query(pool, "DO 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_AUTH);
    run_sql(*state, "ALTER USER rotating@'%' IDENTIFIED BY 'spring'");
    WAIT_UNTIL(pool_ping(pool, &err));
    assert_int_equal(stats_of(pool).state, POOL_STATE_UP);
    end_cleanly(pool);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_are_asked_for_each_connect),
        cmocka_unit_test(a_rotated_password_is_asked_for_anew_without_an_error),
        cmocka_unit_test(a_password_that_stays_wrong_is_an_authentication_error),
        cmocka_unit_test(a_vault_without_credentials_is_an_authentication_error),
        cmocka_unit_test(a_vault_that_recovers_serves_the_pool_again),
    };
    return server_suite_main_with(argc, argv, tests, set_up_life, tear_down_life);
}
