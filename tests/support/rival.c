/*
 * While the rival's thread runs nobody else may touch the administrator's connection; join_rival
 * gives it back.
 */
#include "rival.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <mysql.h>

static pthread_t rival;
static _Atomic bool rival_runs;

/* ---- the rival ---- */

static bool somebody_waits_for_a_lock(void)
{
    char count[16] = "0";
    return ask(f.admin,
               "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
               "WHERE VARIABLE_NAME = 'INNODB_ROW_LOCK_CURRENT_WAITS'",
               count, sizeof count) &&
           strcmp(count, "1") == 0;
}

static void *be_rival(void *arg)
{
    (void)arg;
    if (WITHIN(GENEROUS, somebody_waits_for_a_lock()))
        ask(f.admin, "UPDATE account SET v = v + 100 WHERE id = 1", NULL, 0);
    ask(f.admin, "ROLLBACK", NULL, 0);
    return NULL;
}

void start_rival(void)
{
    admin_does(f.admin, "START TRANSACTION");
    admin_does(f.admin, "INSERT INTO ballast SELECT seq FROM seq_1_to_50");
    admin_does(f.admin, "UPDATE account SET v = v + 100 WHERE id = 2");
    assert_int_equal(pthread_create(&rival, NULL, be_rival, NULL), 0);
    atomic_store(&rival_runs, true);
}

void join_rival(void)
{
    if (atomic_exchange(&rival_runs, false))
        pthread_join(rival, NULL);
}

static long rows_of(const char *word)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM journal WHERE t LIKE '%s'", word);
    return admin_asks(f.admin, sql);
}

void assert_journal(long before, long after)
{
    join_rival();
    assert_int_equal(rows_of("before"), before);
    assert_int_equal(rows_of("after"), after);
}

void make_small_pool(struct pool_options wish)
{
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.no_autocommit = wish.no_autocommit;
    options.no_prepare = wish.no_prepare;
    options.init_sql = wish.init_sql;
    options.multi_statements = true;
    make_pool(options);
}

void make_plain_pool(void)
{
    make_small_pool((struct pool_options){0});
}

struct pool_conn lose(const char *begin)
{
    struct pool_error err;
    struct pool_conn conn = borrow();
    start_rival();
    assert_true(!begin || did(conn, begin, &err));
    assert_true(did(conn, BEFORE, &err));
    assert_true(did(conn, MINE, &err));
    assert_false(did(conn, THEIRS, &err));
    assert_int_equal(err.server_errno, 1213);
    assert_true(err.retry_transaction);
    join_rival();
    return conn;
}

void assert_lost(const struct pool_error *err, unsigned number)
{
    assert_refused(err, POOL_ERR_SERVER, number);
    assert_true(err->retry_transaction);
    assert_true(err->not_executed);
    assert_false(err->fatal);
}

/* ---- and an error ---- */

void make_procedure(const char *body)
{
    admin_does(f.admin,
               "CREATE OR REPLACE PROCEDURE undoes() BEGIN %s; SIGNAL SQLSTATE '45000'; END", body);
}

/* ---- around each test ---- */

int set_up_rival(void **state)
{
    if (begin_fixture(state) != 0)
        return -1;
    admin_does(f.admin, "CREATE OR REPLACE TABLE account (id INT PRIMARY KEY, v INT)");
    admin_does(f.admin, "INSERT INTO account VALUES (1, 0), (2, 0), (3, 0), (4, 0)");
    admin_does(f.admin, "CREATE OR REPLACE TABLE journal (t VARCHAR(10))");
    admin_does(f.admin, "CREATE OR REPLACE TABLE ballast (a INT)");
    return 0;
}

int tear_down_rival(void **state)
{
    (void)state;
    join_rival();
    ask(f.admin, "ROLLBACK", NULL, 0);
    end_fixture();
    MYSQL *admin = connect_admin();
    ask(admin, "DROP TABLE IF EXISTS account, journal, ballast, extra", NULL, 0);
    ask(admin, "DROP PROCEDURE IF EXISTS undoes", NULL, 0);
    mysql_close(admin);
    return 0;
}
