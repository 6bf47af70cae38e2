/*
 * The set-up makes the first pool of the process, over TLS, and looks at SIGPIPE before and after
 * it: what libraries set up once is there before any test counts threads and descriptors.
 */
#include "life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>

/* ---- helpers ---- */

struct pool *small_pool(unsigned limit)
{
    return pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = limit});
}

void end_cleanly(struct pool *pool)
{
    assert_true(pool_end(pool, PATIENCE_MS, NULL));
}

int64_t number_of(struct pool *pool, const char *sql)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, sql, POOL_NO_ARGS, &err);
    if (!result || !pool_next(result))
        fail_msg("%s: %s", sql, err.message);
    int64_t value = pool_get_int(result, 0);
    pool_result_free(result);
    return value;
}

void run_sql(struct pool *pool, const char *sql)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, sql, POOL_NO_ARGS, &err);
    if (!result)
        fail_msg("%s: %s", sql, err.message);
    pool_result_free(result);
}

struct pool_conn borrow_from(struct pool *pool)
{
    struct pool_conn conn = {0};
    struct pool_error err;
    if (!pool_get_connection(pool, &conn, &err))
        fail_msg("%s", err.message);
    return conn;
}

void use_many(struct pool *pool, unsigned count)
{
    struct pool_conn conns[16];
    for (unsigned i = 0; i < count; i++)
        conns[i] = borrow_from(pool);
    for (unsigned i = 0; i < count; i++)
        assert_true(pool_conn_release(conns[i], NULL));
}

void *do_call(void *arg)
{
    struct call *call = arg;
    struct pool_conn conn;
    uint64_t started = now_ms();
    if (call->request.sql) {
        struct pool_result *result = pool_query_with(call->pool, &call->request, &call->err);
        call->ok = result != NULL;
        pool_result_free(result);
    } else {
        call->ok = pool_get_connection_with(call->pool, &call->request, &conn, &call->err);
    }
    call->took_ms = now_ms() - started;
    if (call->ok && !call->request.sql)
        pool_conn_release(conn, NULL);
    return NULL;
}

void start_calling(struct call *call)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 512 * 1024);
    assert_int_equal(pthread_create(&call->thread, &attributes, do_call, call), 0);
    pthread_attr_destroy(&attributes);
}

void join_call(struct call *call)
{
    assert_int_equal(pthread_join(call->thread, NULL), 0);
}

/* ---- the end ---- */

void live_fully(struct pool *pool)
{
    struct pool_request slow = {.sql = "SELECT SLEEP(600)", .timeout_ms = 30};
    use_many(pool, 4);
    assert_null(pool_query_with(pool, &slow, NULL));
    run_sql(pool, "SET @x = 1");
}

/* ---- signals ---- */

struct sigaction sigpipe_before;
struct sigaction sigpipe_after;

/* ---- before and after all tests ---- */

int set_up_life(void **state)
{
    sigaction(SIGPIPE, NULL, &sigpipe_before);
    struct pool *pool = pool_of("MYPOOL_TLS_URL", (struct pool_options){.connection_limit = 1});
    run_sql(pool, "DO 1");
    end_cleanly(pool);
    sigaction(SIGPIPE, NULL, &sigpipe_after);
    *state = pool_of("MYPOOL_ADMIN_URL", (struct pool_options){.connection_limit = 1});
    return 0;
}

int tear_down_life(void **state)
{
    return pool_end(*state, PATIENCE_MS, NULL) ? 0 : -1;
}
