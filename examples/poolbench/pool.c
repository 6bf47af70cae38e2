/*
 * The mode `pool`: what a program that uses mypool does for each query.
 *
 * One pool, shared by all callers; each operation borrows, runs the prepared
 * statement, reads the row and returns, all in pool_query.
 */
#include "warm.h"

static struct pool_result *query(struct caller *caller, int64_t key, struct pool_error *err)
{
    const struct config *config = caller->config;

    if (config->takes_key)
        return pool_query(caller->shared, config->query, POOL_ARGS(key), err);
    return pool_query(caller->shared, config->query, POOL_NO_ARGS, err);
}

static unsigned pool_operation(struct caller *caller)
{
    int64_t key = caller_key(caller);
    struct pool_error err;
    struct pool_result *rows = query(caller, key, &err);
    struct problem problem;
    bool ok = rows != NULL;

    if (!rows)
        warm_problem(&err, &problem);
    else if (caller->config->default_query)
        ok = warm_check_row(rows, key, &problem);
    pool_result_free(rows);
    if (!ok)
        caller_failed(caller, &problem);
    return ok;
}

const struct mode mode_pool = {
    .name = "pool",
    .timed = true,
    .uses_query = true,
    .open = warm_open,
    .close = warm_close,
    .operation = pool_operation,
};
