/*
 * A caller writes into its own struct alone, and says so by `done`; all other functions belong to
 * the thread of the test, which alone has `q`. It looks into connections and their statements only
 * while it holds them.
 */
#include "callers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

struct queue q;

/* The pool */

struct pool_options options_by(const char *name, void **ret_memory)
{
    struct pool_options options;
    struct pool_error err;
    if (!pool_options_from_url(getenv(name), &options, ret_memory, &err))
        fail_msg("%s: %s", name, err.message);
    options.connection_limit = 1;
    return options;
}

struct pool_options one_connection(void)
{
    return (struct pool_options){
        .host = "127.0.0.1",
        .port = (unsigned)strtoul(getenv("MYPOOL_SERVER_PORT"), NULL, 10),
        .user = "app",
        .password = "secret",
        .database = "mypool",
        .connection_limit = 1,
        .acquire_timeout_ms = 60000,
        .fail_fast_ms = POOL_NEVER,
    };
}

void run(const char *sql, struct pool_args args)
{
    struct pool_error err;
    struct pool_result *result = pool_query(f.pool, sql, args, &err);
    if (!result)
        fail_msg("%s: %s: %s", sql, pool_code_name(err.code), err.message);
    pool_result_free(result);
}

void warm(const char *sql, struct pool_args args)
{
    run(sql, args);
    run(sql, args);
}

/* Holding the connection */

struct pool__conn *conn_of(struct pool_conn handle)
{
    return handle.pool->core.slots[(handle.ticket & 0xffffffff) - 1].conn;
}

struct pool__stmt *stmt_of(struct pool_conn handle, const char *sql)
{
    size_t len = strlen(sql);
    return pool__stmt_peek(&conn_of(handle)->cache, sql, len, pool__hash_text(sql, len),
                           (struct pool__stmt_values){NULL, 0});
}

void call_quick(struct pool_conn handle)
{
    struct pool__link *recent = &conn_of(handle)->cache.recent;
    for (struct pool__link *link = recent->next; link != recent; link = link->next) {
        struct pool__stmt *stmt = POOL__ENTRY(link, struct pool__stmt, link);
        if (stmt->mean_ns && (!q.slow || strcmp(stmt->sql, q.slow) != 0))
            stmt->mean_ns = QUICK_MEAN_NS;
    }
    conn_of(handle)->trip_ns = QUICK_MEAN_NS;
}

void hold(void)
{
    struct pool_error err;
    if (!pool_get_connection(f.pool, &q.held, &err))
        fail_msg("%s", err.message);
    q.holding = true;
    call_quick(q.held);
}

void let_go(void)
{
    q.holding = false;
    assert_true(pool_conn_release(q.held, NULL));
}

/* Callers */

void call_query(struct caller *caller)
{
    caller->result = pool_query_with(caller->pool, &caller->request, &caller->err);
    caller->ok = caller->result != NULL;
}

static void *run_caller(void *arg)
{
    struct caller *caller = arg;
    uint64_t begin = now_ms();
    caller->how(caller);
    caller->took_ms = now_ms() - begin;
    atomic_store(&caller->done, true);
    return NULL;
}

static void start_caller(struct caller *caller)
{
    uint64_t before = stats_now().waiting;
    caller->pool = f.pool;
    q.count++;
    assert_int_equal(pthread_create(&caller->id, NULL, run_caller, caller), 0);
    assert_within(GENEROUS, stats_now().waiting == before + 1);
}

struct caller *queue_up_with(struct pool_request request, void (*how)(struct caller *caller))
{
    struct caller *caller = &q.callers[q.count];
    memset(caller, 0, sizeof *caller);
    assert_true(request.args.count <= 8);
    if (request.args.count)
        memcpy(caller->values, request.args.values, request.args.count * sizeof caller->values[0]);
    caller->request = request;
    caller->request.args.values = caller->values;
    caller->how = how;
    start_caller(caller);
    return caller;
}

struct caller *queue_up(const char *sql, struct pool_args args)
{
    return queue_up_with((struct pool_request){.sql = sql, .args = args}, call_query);
}

bool all_done(void)
{
    for (unsigned i = 0; i < q.count; i++)
        if (!atomic_load(&q.callers[i].done))
            return false;
    return true;
}

void join(struct caller *caller)
{
    if (!caller->joined)
        pthread_join(caller->id, NULL);
    caller->joined = true;
}

void join_callers(void)
{
    assert_within(4 * GENEROUS, all_done());
    for (unsigned i = 0; i < q.count; i++)
        join(&q.callers[i]);
}

void forget_callers(void)
{
    for (unsigned i = 0; i < q.count; i++)
        pool_result_free(q.callers[i].result);
    q.count = 0;
}

static void assert_ok(const struct caller *caller)
{
    if (!caller->ok)
        fail_msg("%s: %s (%u): %s", caller->request.sql, pool_code_name(caller->err.code),
                 caller->err.server_errno, caller->err.message);
}

void assert_all_ok(void)
{
    for (unsigned i = 0; i < q.count; i++)
        assert_ok(&q.callers[i]);
}

int64_t answer_of(struct caller *caller)
{
    assert_ok(caller);
    pool_rewind(caller->result);
    assert_int_equal(pool_row_count(caller->result), 1);
    assert_true(pool_next(caller->result));
    return pool_get_int(caller->result, 0);
}

/* Before and after each test */

int set_up_queue(void **state)
{
    (void)state;
    memset(&q, 0, sizeof q);
    memset(&f, 0, sizeof f);
    f.admin = connect_admin();
    return f.admin ? 0 : -1;
}

void end_pool(void)
{
    if (q.holding)
        pool_conn_release(q.held, NULL);
    q.holding = false;
    if (f.pool)
        pool_end(f.pool, 0, NULL);
    f.pool = NULL;
    if (WITHIN(GENEROUS, all_done()))
        for (unsigned i = 0; i < q.count; i++)
            join(&q.callers[i]);
    forget_callers();
    q.slow = NULL;
}

int tear_down_queue(void **state)
{
    (void)state;
    thaw_server();
    end_pool();
    mysql_query(f.admin, "SET GLOBAL read_only = 0, GLOBAL max_prepared_stmt_count = 16382");
    mysql_query(f.admin, "DROP TABLE IF EXISTS mypool.t");
    mysql_query(f.admin, "DROP PROCEDURE IF EXISTS mypool.p");
    mysql_close(f.admin);
    return 0;
}
