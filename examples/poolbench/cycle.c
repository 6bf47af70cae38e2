/*
 * The mode `cycle`: borrow a connection and give it back, nothing else.
 *
 * This is the pool's own cost. It is some ten nanoseconds, less than reading the
 * clock, so one operation here is a batch and no latency is measured.
 */
#include "warm.h"

#define BATCH 64u

static bool borrow_and_return(struct pool *pool, struct pool_error *err)
{
    struct pool_conn conn;

    return pool_get_connection(pool, &conn, err) && pool_conn_release(conn, err);
}

/* The batch ends at the first failure, which may have taken its whole deadline. */
static unsigned cycle_operation(struct caller *caller)
{
    struct pool_error err;
    struct problem problem;

    for (unsigned done = 0; done < BATCH; done++) {
        if (borrow_and_return(caller->shared, &err))
            continue;
        warm_problem(&err, &problem);
        caller_failed(caller, &problem);
        return done;
    }
    return BATCH;
}

const struct mode mode_cycle = {
    .name = "cycle",
    .open = warm_open,
    .close = warm_close,
    .operation = cycle_operation,
};
