/*
 * Everything here is about `f`. Neighbours run on threads of their own and touch their own counters
 * alone; all other functions belong to the thread of the test.
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

struct fixture f;

/* Pools */

static struct pool_options options_of(const char *user, const char *password)
{
    struct pool_options options = {
        .host = "127.0.0.1",
        .port = (unsigned)strtoul(getenv("MYPOOL_SERVER_PORT"), NULL, 10),
        .user = user,
        .password = password,
        .database = "mypool",
        .connection_limit = LIMIT,
    };
    return options;
}

struct pool_options app_options(void)
{
    return options_of("app", "secret");
}

void make_pool(struct pool_options options)
{
    struct pool_error err;
    f.pool = pool_create(&options, &err);
    if (!f.pool)
        fail_msg("%s", err.message);
}

void make_pool_of_one(const char *const *init_sql)
{
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.init_sql = init_sql;
    make_pool(options);
}

struct pool_options changing_options(const char *with)
{
    admin_does(f.admin, "CREATE OR REPLACE USER changing@'%%' IDENTIFIED BY 'first' %s", with);
    admin_does(f.admin, "GRANT ALL ON mypool.* TO changing@'%%'");
    return options_of("changing", "first");
}

struct pool_stats stats_now(void)
{
    struct pool_stats stats;
    pool_stats(f.pool, &stats);
    return stats;
}

uint64_t closed_by(enum pool_close_reason reason)
{
    return stats_now().closed_by_reason[reason];
}

void fail_with(const char *what, const struct pool_error *err)
{
    fail_msg("%s: %s (%u): %s", what, pool_code_name(err->code), err->server_errno, err->message);
}

/* Calls */

struct outcome run_within(const char *sql, uint32_t timeout_ms)
{
    struct outcome outcome;
    struct pool_request request = {.sql = sql, .timeout_ms = timeout_ms};
    uint64_t begin = now_ms();
    struct pool_result *result = pool_query_with(f.pool, &request, &outcome.err);
    outcome.took_ms = now_ms() - begin;
    outcome.ok = result != NULL;
    pool_result_free(result);
    return outcome;
}

bool works(struct pool_error *ret_err)
{
    struct outcome outcome = run_within("SELECT 1", 0);
    if (ret_err)
        *ret_err = outcome.err;
    return outcome.ok;
}

void must(const char *sql)
{
    struct outcome outcome = run_within(sql, 0);
    if (!outcome.ok)
        fail_with(sql, &outcome.err);
}

struct pool_conn borrow(void)
{
    struct pool_conn conn = {0};
    struct pool_error err;
    if (!pool_get_connection(f.pool, &conn, &err))
        fail_with("borrow", &err);
    return conn;
}

bool did(struct pool_conn conn, const char *sql, struct pool_error *err)
{
    struct pool_result *result = pool_conn_query(conn, sql, POOL_NO_ARGS, err);
    pool_result_free(result);
    return result != NULL;
}

int64_t number(struct pool_conn conn, const char *sql)
{
    struct pool_error err;
    struct pool_result *result = pool_conn_query(conn, sql, POOL_NO_ARGS, &err);
    if (!result || !pool_next(result))
        fail_with(sql, &err);
    int64_t value = pool_is_null(result, 0) ? -1 : pool_get_int(result, 0);
    pool_result_free(result);
    return value;
}

unsigned long id_of_next(void)
{
    struct pool_conn conn = borrow();
    unsigned long id = pool_conn_thread_id(conn);
    pool_conn_release(conn, NULL);
    return id;
}

void warm_up(unsigned count)
{
    struct pool_conn conns[LIMIT];
    for (unsigned i = 0; i < count; i++)
        conns[i] = borrow();
    while (count-- > 0)
        pool_conn_release(conns[count], NULL);
}

void assert_refused(const struct pool_error *err, enum pool_code code, unsigned server_errno)
{
    if (err->code != code || err->server_errno != server_errno)
        fail_with("not what was expected", err);
}

/* A table, dropped in the end */

void make_table(void)
{
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT) ENGINE = InnoDB");
}

void assert_rows(long count)
{
    assert_int_equal(admin_asks(f.admin, "SELECT COUNT(*) FROM mypool.held"), count);
}

/* Neighbours */

static void *be_neighbour(void *arg)
{
    struct neighbours *neighbours = arg;
    unsigned me = atomic_fetch_add(&neighbours->numbers, 1);
    struct pool_error err;
    for (int i = 0; !atomic_load(&neighbours->stop); i++) {
        struct pool_result *answer =
            pool_query(neighbours->pool, "SELECT ? + 1", POOL_ARGS(i), &err);
        if (answer && pool_next(answer) && pool_get_int(answer, 0) == i + 1)
            atomic_fetch_add(&neighbours->served[me], 1);
        else if (atomic_fetch_add(&neighbours->failed, 1) == 0)
            neighbours->err = err;
        pool_result_free(answer);
        pause_ms(1);
    }
    return NULL;
}

void start_neighbours(unsigned count)
{
    f.neighbours.pool = f.pool;
    for (unsigned i = 0; i < count; i++, f.neighbours.count++)
        assert_int_equal(pthread_create(&f.neighbours.ids[i], NULL, be_neighbour, &f.neighbours),
                         0);
}

static void stop_neighbours(void)
{
    atomic_store(&f.neighbours.stop, true);
    while (f.neighbours.count > 0)
        pthread_join(f.neighbours.ids[--f.neighbours.count], NULL);
}

static bool each_served_since(const uint64_t *before)
{
    for (unsigned i = 0; i < f.neighbours.count; i++)
        if (atomic_load(&f.neighbours.served[i]) < before[i] + 5)
            return false;
    return true;
}

void assert_neighbours_go_on(void)
{
    uint64_t before[LIMIT];
    for (unsigned i = 0; i < LIMIT; i++)
        before[i] = atomic_load(&f.neighbours.served[i]);
    assert_within(GENEROUS, each_served_since(before));
}

void assert_neighbours_were_fine(void)
{
    stop_neighbours();
    if (atomic_load(&f.neighbours.failed))
        fail_with("a neighbour", &f.neighbours.err);
}

/* Before and after each test */

static bool nobody_is_there(void)
{
    char count[16] = "";
    return ask(f.admin, "KILL USER app", NULL, 0) && ask(f.admin, "KILL USER changing", NULL, 0) &&
           ask(f.admin,
               "SELECT COUNT(*) FROM information_schema.processlist WHERE user IN ('app', "
               "'changing')",
               count, sizeof count) &&
           strcmp(count, "0") == 0;
}

int begin_fixture(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.admin = connect_admin();
    return f.admin && WITHIN(GENEROUS, nobody_is_there()) ? 0 : -1;
}

void end_fixture(void)
{
    ask(f.admin, "UNLOCK TABLES", NULL, 0);
    ask(f.admin, "ROLLBACK", NULL, 0);
    stop_neighbours();
    if (f.pool)
        pool_end(f.pool, 0, NULL);
    mysql_close(f.admin);
    MYSQL *admin = connect_admin();
    ask(admin, "DROP TABLE IF EXISTS mypool.held", NULL, 0);
    ask(admin, "DROP USER IF EXISTS changing@'%'", NULL, 0);
    mysql_close(admin);
}
