/*
 * Callers who wait: threads with one statement each, which queue up in a known order while
 * the test holds the pool's only connection, and go together when it is given back.
 *
 * Whether a statement is quick enough to ride is measured, and no test may depend on how
 * fast the machine is. So whoever holds the connection, and nobody else may, enters a short
 * mean time for whatever has been run on it, except q.slow, and a short way to the server.
 *
 * What went along is seen while the server is frozen: the leader has sent all it takes
 * along, and those who are still in the queue stayed behind.
 *
 * Assertions are made by the test's own thread. Include cmocka.h first.
 */
#ifndef TESTS_CALLERS_H
#define TESTS_CALLERS_H

#include <mypool.h>
#include <mysql.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn/conn.h"
#include "conn/stmt.h"
#include "engine/pool.h"
#include "server.h"
#include "waiting.h"
#include "sql/hash.h"

#define CALLERS 20 /* at most */
#define QUICK_MEAN_NS 1000

/* One call on a thread of its own. */
struct caller {
    pthread_t id;
    struct pool *pool;
    void (*how)(struct caller *caller);
    struct pool_request request;
    struct pool_value values[8];
    struct pool_result *result;
    struct pool_error err;
    bool ok;
    bool joined;
    uint64_t took_ms;
    _Atomic bool done;
};

static struct queue {
    struct pool *pool;
    MYSQL *admin;
    struct pool_conn held;
    bool holding;
    const char *slow; /* the statement that does not count as quick */
    struct caller callers[CALLERS];
    unsigned count;
} q;

/* The administrator, who goes to the server directly */

static inline MYSQL *connect_admin(void)
{
    unsigned port = (unsigned)strtoul(getenv("MYPOOL_SERVER_PORT"), NULL, 10);
    MYSQL *admin = mysql_init(NULL);
    if (mysql_real_connect(admin, "127.0.0.1", "admin", "adminsecret", "mypool", port, NULL, 0))
        return admin;
    mysql_close(admin);
    return NULL;
}

__attribute__((format(printf, 1, 2))) static inline void admin_does(const char *format, ...)
{
    char sql[512];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    if (mysql_query(q.admin, sql) != 0)
        fail_msg("admin: %s: %s", sql, mysql_error(q.admin));
    mysql_free_result(mysql_store_result(q.admin));
}

static inline long admin_asks(const char *sql)
{
    if (mysql_query(q.admin, sql) != 0)
        fail_msg("admin: %s: %s", sql, mysql_error(q.admin));
    MYSQL_RES *rows = mysql_store_result(q.admin);
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;
    long value = row && row[0] ? strtol(row[0], NULL, 10) : -1;
    mysql_free_result(rows);
    return value;
}

/* The pool */

static inline void make_pool(struct pool_options options)
{
    struct pool_error err;
    q.pool = pool_create(&options, &err);
    if (!q.pool)
        fail_msg("%s", err.message);
}

/* One connection to where a URL of the environment says. */
static inline struct pool_options options_by(const char *name, void **ret_memory)
{
    struct pool_options options;
    struct pool_error err;
    if (!pool_options_from_url(getenv(name), &options, ret_memory, &err))
        fail_msg("%s: %s", name, err.message);
    options.connection_limit = 1;
    return options;
}

static inline struct pool_options one_connection(void)
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

static inline struct pool_stats stats_now(void)
{
    struct pool_stats stats;
    pool_stats(q.pool, &stats);
    return stats;
}

static inline void run(const char *sql, struct pool_args args)
{
    struct pool_error err;
    struct pool_result *result = pool_query(q.pool, sql, args, &err);
    if (!result)
        fail_msg("%s: %s: %s", sql, pool_code_name(err.code), err.message);
    pool_result_free(result);
}

/* Prepared, and run since: it counts as quick. */
static inline void warm(const char *sql, struct pool_args args)
{
    run(sql, args);
    run(sql, args);
}

/* Holding the connection */

static inline struct pool__conn *conn_of(struct pool_conn handle)
{
    return handle.pool->core.slots[(handle.ticket & 0xffffffff) - 1].conn;
}

static inline struct pool__stmt *stmt_of(struct pool_conn handle, const char *sql)
{
    size_t len = strlen(sql);
    return pool__stmt_peek(&conn_of(handle)->cache, sql, len, pool__hash_text(sql, len),
                           (struct pool__stmt_values){NULL, 0});
}

static inline void call_quick(struct pool_conn handle)
{
    struct pool__link *recent = &conn_of(handle)->cache.recent;
    for (struct pool__link *link = recent->next; link != recent; link = link->next) {
        struct pool__stmt *stmt = POOL__ENTRY(link, struct pool__stmt, link);
        if (stmt->mean_ns && (!q.slow || strcmp(stmt->sql, q.slow) != 0))
            stmt->mean_ns = QUICK_MEAN_NS;
    }
    conn_of(handle)->trip_ns = QUICK_MEAN_NS;
}

static inline void hold(void)
{
    struct pool_error err;
    if (!pool_get_connection(q.pool, &q.held, &err))
        fail_msg("%s", err.message);
    q.holding = true;
    call_quick(q.held);
}

static inline void let_go(void)
{
    q.holding = false;
    assert_true(pool_conn_release(q.held, NULL));
}

/* Callers */

static inline void call_query(struct caller *caller)
{
    caller->result = pool_query_with(caller->pool, &caller->request, &caller->err);
    caller->ok = caller->result != NULL;
}

static inline void *run_caller(void *arg)
{
    struct caller *caller = arg;
    uint64_t begin = now_ms();
    caller->how(caller);
    caller->took_ms = now_ms() - begin;
    atomic_store(&caller->done, true);
    return NULL;
}

static inline void start_caller(struct caller *caller)
{
    uint64_t before = stats_now().waiting;
    caller->pool = q.pool;
    q.count++;
    assert_int_equal(pthread_create(&caller->id, NULL, run_caller, caller), 0);
    assert_within(GENEROUS, stats_now().waiting == before + 1);
}

/* The next in the queue. The text of values has to stay. */
static inline struct caller *queue_up_with(struct pool_request request,
                                           void (*how)(struct caller *caller))
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

static inline struct caller *queue_up(const char *sql, struct pool_args args)
{
    return queue_up_with((struct pool_request){.sql = sql, .args = args}, call_query);
}

static inline bool all_done(void)
{
    for (unsigned i = 0; i < q.count; i++)
        if (!atomic_load(&q.callers[i].done))
            return false;
    return true;
}

static inline void join(struct caller *caller)
{
    if (!caller->joined)
        pthread_join(caller->id, NULL);
    caller->joined = true;
}

/* Waits for everybody; their results stay. */
static inline void join_callers(void)
{
    assert_within(4 * GENEROUS, all_done());
    for (unsigned i = 0; i < q.count; i++)
        join(&q.callers[i]);
}

static inline void forget_callers(void)
{
    for (unsigned i = 0; i < q.count; i++)
        pool_result_free(q.callers[i].result);
    q.count = 0;
}

static inline void assert_ok(const struct caller *caller)
{
    if (!caller->ok)
        fail_msg("%s: %s (%u): %s", caller->request.sql, pool_code_name(caller->err.code),
                 caller->err.server_errno, caller->err.message);
}

static inline void assert_all_ok(void)
{
    for (unsigned i = 0; i < q.count; i++)
        assert_ok(&q.callers[i]);
}

/* The first value of the only row. */
static inline int64_t answer_of(struct caller *caller)
{
    assert_ok(caller);
    pool_rewind(caller->result);
    assert_int_equal(pool_row_count(caller->result), 1);
    assert_true(pool_next(caller->result));
    return pool_get_int(caller->result, 0);
}

/* Before and after each test */

static inline int set_up_queue(void **state)
{
    (void)state;
    memset(&q, 0, sizeof q);
    q.admin = connect_admin();
    return q.admin ? 0 : -1;
}

static inline void end_pool(void)
{
    if (q.holding)
        pool_conn_release(q.held, NULL);
    q.holding = false;
    if (q.pool)
        pool_end(q.pool, 0, NULL);
    q.pool = NULL;
    if (WITHIN(GENEROUS, all_done()))
        for (unsigned i = 0; i < q.count; i++)
            join(&q.callers[i]);
    forget_callers();
    q.slow = NULL;
}

static inline int tear_down_queue(void **state)
{
    (void)state;
    thaw_server();
    end_pool();
    mysql_query(q.admin, "SET GLOBAL read_only = 0, GLOBAL max_prepared_stmt_count = 16382");
    mysql_query(q.admin, "DROP TABLE IF EXISTS mypool.t");
    mysql_query(q.admin, "DROP PROCEDURE IF EXISTS mypool.p");
    mysql_close(q.admin);
    return 0;
}

#endif
