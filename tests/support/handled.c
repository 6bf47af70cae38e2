/*
 * Looks at the server through the administrator of the fixture.
 */
#include "handled.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

void start_request(struct pool_request request, struct handled *handled)
{
    struct pool_error err;
    memset(handled, 0, sizeof *handled);
    if (!pool_query_async_with(f.pool, &request, on_result, &handled->seen, &handled->call, &err))
        fail_with(request.sql, &err);
}

void start_handled(const char *sql, struct handled *handled)
{
    start_request((struct pool_request){.sql = sql}, handled);
}

void cancel(struct pool_call call)
{
    struct pool_error err;
    if (!pool_cancel(call, &err))
        fail_with("cancel", &err);
}

void assert_stale(struct pool_call call)
{
    struct pool_error err;
    assert_false(pool_cancel(call, &err));
    assert_refused(&err, POOL_ERR_STALE, 0);
    assert_false(pool_resume(call, &err));
    assert_refused(&err, POOL_ERR_STALE, 0);
}

bool server_runs(const char *like, long count)
{
    char sql[256];
    pool_dispatch(f.pool, 0);
    snprintf(
        sql, sizeof sql,
        "SELECT COUNT(*) FROM information_schema.processlist "
        "WHERE user IN ('app', 'changing') AND command IN ('Query', 'Execute') AND info LIKE '%s'",
        like);
    return admin_asks(f.admin, sql) == count;
}

void make_pool_of(unsigned limit, bool manual)
{
    struct pool_options options = app_options();
    options.connection_limit = limit;
    options.manual_dispatch = manual;
    make_pool(options);
}

void start_for_long(bool manual, struct handled *handled)
{
    make_pool_of(1, manual);
    start_handled(FOR_LONG, handled);
    assert_within(GENEROUS, server_runs(FOR_LONG, 1));
}

uint64_t end_at_once(void)
{
    uint64_t begin = now_ms();
    pool_end(f.pool, 0, NULL);
    f.pool = NULL;
    return now_ms() - begin;
}

int set_up_handled(void **state)
{
    return begin_fixture(state);
}

int tear_down_handled(void **state)
{
    (void)state;
    thaw_server();
    end_fixture();
    return 0;
}
