/*
 * Callbacks run on threads of the pool, or inside pool_dispatch: on_result, on_conn and on_many
 * assert nothing, they write down. All that asserts runs on the thread of the test.
 */
#include "calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

void note(struct seen *seen, const struct pool_error *err)
{
    seen->ok = !err;
    if (err)
        seen->err = *err;
    seen->thread = pthread_self();
    seen->at_ms = now_ms();
    atomic_fetch_add(&seen->calls, 1);
}

void on_result(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct seen *seen = arg;
    seen->result = result;
    note(seen, err);
}

void on_conn(const struct pool_error *err, struct pool_conn conn, void *arg)
{
    struct seen *seen = arg;
    seen->conn = conn;
    note(seen, err);
}

void on_many(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct tally *tally = arg;
    pool_result_free(result);
    atomic_fetch_add(&tally->by_code[err ? err->code : POOL_OK], 1);
    atomic_fetch_add(err ? &tally->failed : &tally->ok, 1);
}

unsigned told(struct tally *tally)
{
    return atomic_load(&tally->ok) + atomic_load(&tally->failed);
}

bool is_seen(struct seen *seen)
{
    pool_dispatch(f.pool, 0); /* refused unless it is the program's affair */
    return atomic_load(&seen->calls) > 0;
}

void assert_seen(struct seen *seen)
{
    assert_within(GENEROUS, is_seen(seen));
    assert_int_equal(atomic_load(&seen->calls), 1);
}

void assert_seen_ok(struct seen *seen)
{
    assert_seen(seen);
    if (!seen->ok)
        fail_with("a call with a callback", &seen->err);
}

void assert_seen_failed(struct seen *seen, enum pool_code code)
{
    assert_seen(seen);
    assert_false(seen->ok);
    assert_null(seen->result);
    if (seen->err.code != code)
        fail_with("not the failure that was expected", &seen->err);
}

/* These must be accepted. */

void start(const char *sql, struct pool_args args, struct seen *seen)
{
    struct pool_error err;
    memset(seen, 0, sizeof *seen);
    if (!pool_query_async(f.pool, sql, args, on_result, seen, &err))
        fail_with(sql, &err);
}

void start_with(const struct pool_request *request, struct seen *seen)
{
    struct pool_error err;
    memset(seen, 0, sizeof *seen);
    if (!pool_query_async_with(f.pool, request, on_result, seen, NULL, &err))
        fail_with(request->sql, &err);
}

void start_within(const char *sql, uint32_t timeout_ms, struct seen *seen)
{
    start_with(&(struct pool_request){.sql = sql, .timeout_ms = timeout_ms}, seen);
}

void start_many(unsigned count, const char *sql, struct tally *tally)
{
    struct pool_error err;
    for (unsigned i = 0; i < count; i++)
        if (!pool_query_async(f.pool, sql, POOL_NO_ARGS, on_many, tally, &err))
            fail_with(sql, &err);
}

struct pool_conn borrow_async(void)
{
    struct seen seen = {.calls = 0};
    struct pool_error err;
    if (!pool_get_connection_async(f.pool, on_conn, &seen, &err))
        fail_with("borrow", &err);
    assert_seen_ok(&seen);
    return seen.conn;
}

void run_command(struct pool_conn conn, command_fn *command)
{
    struct seen seen = {.calls = 0};
    struct pool_error err;
    if (!command(conn, on_result, &seen, &err))
        fail_with("command", &err);
    assert_seen_ok(&seen);
    pool_result_free(seen.result);
}

static void run_on(struct pool_conn conn, const char *sql, struct seen *seen)
{
    struct pool_error err;
    memset(seen, 0, sizeof *seen);
    if (!pool_conn_query_async(conn, sql, POOL_NO_ARGS, on_result, seen, &err))
        fail_with(sql, &err);
    assert_seen(seen);
}

void must_on(struct pool_conn conn, const char *sql)
{
    struct seen seen;
    run_on(conn, sql, &seen);
    if (!seen.ok)
        fail_with(sql, &seen.err);
    pool_result_free(seen.result);
}

int64_t value_of(struct seen *seen)
{
    assert_seen_ok(seen);
    assert_true(pool_next(seen->result));
    int64_t value = pool_get_int(seen->result, 0);
    pool_result_free(seen->result);
    return value;
}
