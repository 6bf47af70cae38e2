/*
 * Opening the pool that is measured, and closing it.
 *
 * The pool keeps `connections` connections open from the start (min_idle), and
 * the measurement begins only when all of them are there. Every other option is
 * what the URL says, or the default.
 */
#include "warm.h"

#include <time.h>

#define OPENING_MS 20000 /* for all connections together */
#define CLOSING_MS 2000

void warm_problem(const struct pool_error *err, struct problem *problem)
{
    problem_set(problem, pool_code_name(err->code), "%s", err->message);
}

static bool all_open(struct pool *pool, unsigned connections, struct problem *problem)
{
    struct timespec pause = {0, 1000000};
    struct pool_stats stats;

    for (unsigned ms = 0; ms < OPENING_MS; ms++) {
        pool_stats(pool, &stats);
        if (stats.idle >= connections)
            return true;
        nanosleep(&pause, NULL);
    }
    problem_set(problem, "connections", "only %llu of %u connections could be opened in %d s",
                (unsigned long long)stats.open, connections, OPENING_MS / 1000);
    return false;
}

bool warm_open(const struct config *config, void **ret_pool, struct problem *problem)
{
    struct pool_options options = config->options;
    struct pool_error err;
    struct pool *pool;

    options.connection_limit = options.min_idle = config->connections;
    pool = pool_create(&options, &err);
    if (!pool) {
        warm_problem(&err, problem);
        return false;
    }
    /* The ping is here for its message: a server that refuses us is told at once. */
    if (!pool_ping(pool, &err)) {
        warm_problem(&err, problem);
    } else if (all_open(pool, config->connections, problem)) {
        *ret_pool = pool;
        return true;
    }
    warm_close(pool);
    return false;
}

void warm_close(void *pool)
{
    pool_end(pool, CLOSING_MS, NULL);
}

bool warm_check_row(struct pool_result *rows, int64_t key, struct problem *problem)
{
    const char *name;
    int64_t id;
    double v;

    if (pool_next(rows) && POOL_SCAN(rows, &id, &name, &v))
        return row_is_right(key, id, name, problem);
    problem_set(problem, WRONG_ROW, "no row with id %lld", (long long)key);
    return false;
}
