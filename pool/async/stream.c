/*
 * Streams with callbacks. The rows are read on a fiber; a stream that pauses leaves it there,
 * with its connection, until it is resumed, cancelled, cut, or its deadline passes. Nothing
 * is read meanwhile, so the server stops sending when the buffers between are full.
 */
#include "async/accept.h"
#include "async/cancel.h"
#include "async/op.h"
#include "base/error.h"
#include "conn/query.h"
#include "conn/wait.h"
#include "engine/giveback.h"
#include "engine/job.h"
#include "engine/pool.h"
#include "sql/request.h"

static const char *misuse_of(const struct pool__op *op, enum pool_flow flow)
{
    if (flow != POOL_FLOW_STOP && flow != POOL_FLOW_CONTINUE && flow != POOL_FLOW_PAUSE)
        return "the row function returned what is no enum pool_flow";
    if (flow == POOL_FLOW_PAUSE && !op->ticket)
        return "the row function paused the stream, and nobody can resume it: the call has no "
               "handle";
    return NULL;
}

static bool deliver_row(struct pool_result *row, void *arg)
{
    struct pool__op *op = arg;
    enum pool_flow flow = op->with.stream.flow(row, op->arg);
    if (pool_result_error(row))
        return false;
    op->misuse = misuse_of(op, flow);
    if (op->misuse)
        return false;
    if (flow == POOL_FLOW_PAUSE && !op->resumed && !op->cancelled) {
        op->paused = true;
        pool__wait_pause(op->request.pause_stops_deadline);
        op->paused = false;
    }
    if (flow == POOL_FLOW_PAUSE)
        op->resumed = false;
    return flow != POOL_FLOW_STOP && !op->cancelled;
}

static void run_stream(struct pool__op *op, struct pool_error *err)
{
    struct pool *pool = op->queued.pool;
    op->queued.result =
        pool__job_run(pool, &op->borrowed, &op->job, op->ask.deadline_ns, op->ask.waited_ns, err);
    pool__cancel_absorb_kill(op);
    pool__giveback(pool, op->borrowed.slot);
    pool__op_drop_result(op, err); /* it was stopped, and not by its program */
    if (!op->misuse || !op->queued.result)
        return;
    pool_result_free(op->queued.result);
    op->queued.result = NULL;
    pool__fail(err, POOL_ERR_INVALID, "%s", op->misuse);
}

bool pool_stream_async_with(struct pool *pool, const struct pool_request *request,
                            pool_flow_fn *row_fn, pool_query_fn *fn, void *arg,
                            struct pool_call *ret_call, struct pool_error *err)
{
    static const struct pool__op_kind kind = {.queues = true,
                                              .statement = true,
                                              .checks = true,
                                              .run = run_stream,
                                              .deliver = pool__op_tell};
    POOL__OWN_ERROR(err);
    const struct pool__op_start start = {&kind, request, {.query = fn}, arg};
    if (!row_fn)
        return pool__fail(err, POOL_ERR_INVALID, "the callback for rows is NULL");
    struct pool__op *op = pool__accept_new(pool, &start, err);
    if (!op)
        return false;
    op->with.stream.sink = (struct pool__sink){deliver_row, op};
    op->job.sink = &op->with.stream.sink;
    op->job.may_follow = false;
    op->with.stream.flow = row_fn;
    return pool__accept(op, ret_call, err);
}

bool pool_stream_async(struct pool *pool, const char *sql, struct pool_args args,
                       pool_flow_fn *row_fn, pool_query_fn *fn, void *arg, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return pool_stream_async_with(pool, &request, row_fn, fn, arg, NULL, err);
}
