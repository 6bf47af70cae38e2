/*
 * The public calls with callbacks: each checks what it is given, makes an op of it (op.c), and
 * hands that to the loop. threads: any; callback: yes.
 */
#include "async/accept.h"
#include "async/cancel.h"
#include "async/op.h"
#include "base/error.h"
#include "engine/borrow.h"
#include "engine/giveback.h"
#include "engine/handle.h"
#include "engine/job.h"
#include "engine/leader.h"
#include "engine/pool.h"
#include "sql/request.h"

/* ---- what runs, and what is told ---- */

static void deliver_conn(struct pool__op *op, const struct pool_error *err)
{
    op->fn.conn(err, err ? (struct pool_conn){NULL, 0} : op->conn, op->arg);
}

static void run_query(struct pool__op *op, struct pool_error *err)
{
    struct pool *pool = op->queued.pool;
    struct pool_result *result = pool__leader_run(pool, &op->borrowed, &op->job,
                                                  op->ask.deadline_ns, op->ask.waited_ns, err);
    pool__cancel_absorb_kill(op);
    pool__giveback(pool, op->borrowed.slot);
    if (op->early)
        return; /* its callback has the result, or will */
    op->queued.result = result;
    if (op->job.pipelined)
        pool__op_drop_result(op, err); /* it could not be stopped */
}

static void run_conn_query(struct pool__op *op, struct pool_error *err)
{
    struct pool *pool = op->queued.pool;
    if (pool__handle_is_wanted(pool, &op->borrowed, err))
        op->queued.result =
            pool__job_run(pool, &op->borrowed, &op->job, op->ask.deadline_ns, 0, err);
    pool__cancel_absorb_kill(op);
    pool__handle_unclaim(pool, &op->borrowed);
}

static void run_conn_ping(struct pool__op *op, struct pool_error *err)
{
    struct pool *pool = op->queued.pool;
    if (pool__handle_is_wanted(pool, &op->borrowed, err))
        pool__job_ping(pool, &op->borrowed, err);
    pool__cancel_absorb_kill(op);
    pool__handle_unclaim(pool, &op->borrowed);
}

/* ---- a pool ---- */

bool pool_query_async_with(struct pool *pool, const struct pool_request *request, pool_query_fn *fn,
                           void *arg, struct pool_call *ret_call, struct pool_error *err)
{
    static const struct pool__op_kind kind = {.queues = true,
                                              .statement = true,
                                              .checks = true,
                                              .run = run_query,
                                              .deliver = pool__op_tell};
    POOL__OWN_ERROR(err);
    const struct pool__op_start start = {&kind, request, {.query = fn}, arg};
    struct pool__op *op = pool__accept_new(pool, &start, err);
    return op && pool__accept(op, ret_call, err);
}

bool pool_query_async(struct pool *pool, const char *sql, struct pool_args args, pool_query_fn *fn,
                      void *arg, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return pool_query_async_with(pool, &request, fn, arg, NULL, err);
}

bool pool_get_connection_async_with(struct pool *pool, const struct pool_request *request,
                                    pool_conn_fn *fn, void *arg, struct pool_call *ret_call,
                                    struct pool_error *err)
{
    static const struct pool__op_kind kind = {
        .queues = true, .handle = true, .deliver = deliver_conn};
    POOL__OWN_ERROR(err);
    if (!request)
        return pool__fail(err, POOL_ERR_INVALID, "the request is NULL");
    struct pool_request borrow = *request;
    borrow.sql = "";
    borrow.sql_len = 0;
    borrow.args = POOL_NO_ARGS;
    borrow.alone = true;
    const struct pool__op_start start = {&kind, &borrow, {.conn = fn}, arg};
    if (!pool__request_check(&borrow, err))
        return false;
    struct pool__op *op = pool__accept_new(pool, &start, err);
    return op && pool__accept(op, ret_call, err);
}

bool pool_get_connection_async(struct pool *pool, pool_conn_fn *fn, void *arg,
                               struct pool_error *err)
{
    struct pool_request request = {.sql = NULL};
    return pool_get_connection_async_with(pool, &request, fn, arg, NULL, err);
}

/* ---- a borrowed connection ---- */

/* Claims the handle for as long as the op runs. */
static bool conn_op(struct pool_conn conn, const struct pool__op_start *start,
                    struct pool_call *ret_call, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    if (!pool__handle_claim_open(conn, &borrowed, err))
        return false;
    struct pool__op *op = pool__accept_new(conn.pool, start, err);
    if (op) {
        op->borrowed = borrowed;
        if (pool__accept(op, ret_call, err))
            return true;
    }
    pool__handle_unclaim(conn.pool, &borrowed);
    return false;
}

bool pool_conn_query_async_with(struct pool_conn conn, const struct pool_request *request,
                                pool_query_fn *fn, void *arg, struct pool_call *ret_call,
                                struct pool_error *err)
{
    static const struct pool__op_kind kind = {
        .statement = true, .run = run_conn_query, .deliver = pool__op_tell};
    POOL__OWN_ERROR(err);
    const struct pool__op_start start = {&kind, request, {.query = fn}, arg};
    return conn_op(conn, &start, ret_call, err);
}

bool pool_conn_query_async(struct pool_conn conn, const char *sql, struct pool_args args,
                           pool_query_fn *fn, void *arg, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return pool_conn_query_async_with(conn, &request, fn, arg, NULL, err);
}

static bool command(struct pool_conn conn, const char *sql, pool_query_fn *fn, void *arg,
                    struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .text = true};
    return pool_conn_query_async_with(conn, &request, fn, arg, NULL, err);
}

bool pool_conn_begin_async(struct pool_conn conn, pool_query_fn *fn, void *arg,
                           struct pool_error *err)
{
    pool__ok(err);
    return pool__handle_check_no_transaction(conn, err) &&
           command(conn, "START TRANSACTION", fn, arg, err);
}

bool pool_conn_commit_async(struct pool_conn conn, pool_query_fn *fn, void *arg,
                            struct pool_error *err)
{
    return command(conn, "COMMIT", fn, arg, err);
}

bool pool_conn_rollback_async(struct pool_conn conn, pool_query_fn *fn, void *arg,
                              struct pool_error *err)
{
    return command(conn, "ROLLBACK", fn, arg, err);
}

bool pool_conn_ping_async(struct pool_conn conn, pool_query_fn *fn, void *arg,
                          struct pool_error *err)
{
    static const struct pool__op_kind kind = {.run = run_conn_ping, .deliver = pool__op_tell};
    POOL__OWN_ERROR(err);
    const struct pool__op_start start = {&kind, NULL, {.query = fn}, arg};
    return conn_op(conn, &start, NULL, err);
}
