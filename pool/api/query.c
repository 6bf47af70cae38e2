/*
 * The blocking calls of a pool: each borrows, runs its statement, and gives back. They hold no
 * lock while they run, and their one deadline covers queue, connect and statement.
 *
 * A statement is sent again only if it is proven not to have run, or if the caller
 * said that it may be (`idempotent`).
 */
#include "api/query.h"

#include "base/error.h"
#include "base/sync.h"
#include "conn/batch.h"
#include "conn/conn.h"
#include "conn/query.h"
#include "core/core.h"
#include "engine/borrow.h"
#include "engine/giveback.h"
#include "engine/hooks.h"
#include "engine/job.h"
#include "engine/leader.h"
#include "engine/pool.h"
#include "engine/queued.h"
#include "sql/arity.h"
#include "sql/request.h"
#include "sql/statement.h"

#define PINGS 3 /* that are lost after they were sent */

static const struct pool_request plain;

static struct pool_result *lead(struct pool *pool, const struct pool__borrowed *borrowed,
                                struct pool__ask *ask, struct pool__job *job,
                                struct pool_error *err)
{
    struct pool_result *result =
        pool__leader_run(pool, borrowed, job, ask->deadline_ns, ask->waited_ns, err);
    pool__job_attempt_ended(pool, ask, job, &pool->core.slots[borrowed->slot], result, err);
    pool__giveback(pool, borrowed->slot);
    return result;
}

/* Waits for a connection, or follows on somebody else's. */
static struct pool_result *query_in_turn(struct pool *pool, struct pool__ask *ask,
                                         struct pool__job *job, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    struct pool__waiter own = {.wake = NULL};
    struct pool__queued *queued = pool__queued_new(pool, job, ask->deadline_ns, ask->waited_ns);
    struct pool_result *result = NULL;
    enum pool__queue_result outcome =
        pool__borrow_in_turn(pool, ask, queued ? &queued->waiter : &own, &borrowed, err);
    if (outcome == POOL__QUEUE_GRANTED)
        result = lead(pool, &borrowed, ask, job, err);
    else if (queued && (outcome == POOL__QUEUE_DONE || outcome == POOL__QUEUE_ABANDONED))
        result = pool__queued_end(queued, job, outcome, ask, err);
    else
        pool__job_attempt_ended(pool, ask, job, NULL, NULL, err);
    pool__queued_drop(queued);
    return result;
}

/* It would wait in vain with a wrong number of values. A batch has been looked at for that. */
static bool check_values(struct pool *pool, const struct pool__job *job, struct pool_error *err)
{
    if (job->batch || job->attempts || pool__arity_check(&pool->arities, &job->statement, err))
        return true;
    err->not_executed = true;
    return false;
}

static struct pool_result *wait_and_query(struct pool *pool, struct pool__ask *ask,
                                          struct pool__job *job, struct pool_error *err)
{
    struct pool_result *result = NULL;
    bool held = job->began_ns && pool__hooks_hold_end(pool);
    job->began_ns = held ? job->began_ns : 0;
    if (check_values(pool, job, err))
        result = query_in_turn(pool, ask, job, err);
    else
        pool__job_attempt_ended(pool, ask, job, NULL, NULL, err);
    if (held)
        pool__hooks_let_end(pool);
    return result;
}

static struct pool_result *query(struct pool *pool, struct pool__job *job, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    struct pool__ask ask = pool__borrow_ask(pool, job->request, POOL__SLOT_CLAIMED);
    /* A thread that ended on the way would keep the connection. */
    int cancel_state = pool__uncancellable_begin();
    struct pool_result *result;
    do
        result = pool__borrow_at_once(pool, &ask, &borrowed) ? lead(pool, &borrowed, &ask, job, err)
                                                             : wait_and_query(pool, &ask, job, err);
    while (ask.again);
    pool__uncancellable_end(cancel_state);
    return result;
}

struct pool_result *pool__query_as(struct pool *pool, const struct pool_request *request,
                                   const struct pool__sink *sink, const struct pool__batch *batch,
                                   struct pool_error *err)
{
    struct pool__job job;
    POOL__OWN_ERROR(err);
    if (!pool__request_check(request, err) || !pool__check_new_blocking(pool, err) ||
        !pool__job_init(&job, pool, request, sink, err))
        return NULL;
    job.batch = batch;
    struct pool_result *result = query(pool, &job, err);
    pool__job_fini(&job);
    return result;
}

struct pool_result *pool_query_with(struct pool *pool, const struct pool_request *request,
                                    struct pool_error *err)
{
    return pool__query_as(pool, request, NULL, NULL, err);
}

struct pool_result *pool_query(struct pool *pool, const char *sql, struct pool_args args,
                               struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return pool__query_as(pool, &request, NULL, NULL, err);
}

bool pool__query_check_row_fn(pool_row_fn *fn, struct pool_error *err)
{
    return fn || pool__fail(err, POOL_ERR_INVALID, "the row callback is NULL");
}

bool pool_stream(struct pool *pool, const char *sql, struct pool_args args, pool_row_fn *fn,
                 void *arg, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return pool_stream_with(pool, &request, fn, arg, err);
}

bool pool_stream_with(struct pool *pool, const struct pool_request *request, pool_row_fn *fn,
                      void *arg, struct pool_error *err)
{
    struct pool__sink sink = {fn, arg};
    if (!pool__query_check_row_fn(fn, err))
        return false;
    struct pool_result *result = pool__query_as(pool, request, &sink, NULL, err);
    pool_result_free(result);
    return result != NULL;
}

static bool ping_and_return(struct pool *pool, const struct pool__borrowed *borrowed,
                            struct pool_error *err)
{
    /* A thread that ended here would keep the connection. */
    int cancel_state = pool__uncancellable_begin();
    bool ok = pool__job_ping(pool, borrowed, err);
    pool__giveback(pool, borrowed->slot);
    pool__uncancellable_end(cancel_state);
    return ok;
}

/* A connection that died while it was idle says nothing about the service. */
bool pool_ping(struct pool *pool, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    bool ok = false;
    POOL__OWN_ERROR(err);
    if (!pool__check_new_blocking(pool, err))
        return false;
    struct pool__ask ask = pool__borrow_ask(pool, &plain, POOL__SLOT_CLAIMED);
    for (unsigned attempt = 0; !ok && attempt < PINGS + pool->core.limit; attempt++) {
        if (!pool__borrow(pool, &ask, &borrowed, err))
            return false;
        pool__ok(err);
        ok = ping_and_return(pool, &borrowed, err);
        if (err->code != POOL_ERR_LOST)
            break;
    }
    return ok;
}

struct pool_result *pool_setup_query(struct pool_setup *setup, const char *sql,
                                     struct pool_args args, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args, .text = true};
    pool__ok(err);
    if (!setup) {
        pool__fail(err, POOL_ERR_INVALID, "the set-up is NULL");
        return NULL;
    }
    struct pool__statement statement;
    if (!pool__request_check(&request, err) ||
        !pool__statement_init(&statement, &request, true, err))
        return NULL;
    struct pool_result *result =
        pool__query(setup->conn, &statement, NULL, setup->deadline_ns, err);
    pool__statement_fini(&statement);
    return result;
}
