/*
 * How a call with a callback is accepted: made, with a copy of what it was given, and handed to the
 * loop. Until then it fails in its caller's face, and nobody is called back.
 */
#include "async/accept.h"

#include "async/handles.h"
#include "base/error.h"
#include "engine/pool.h"
#include "sql/arity.h"
#include "sql/request.h"
#include "sql/value.h"

#include <stdlib.h>
#include <string.h>

static struct pool__op *new_op(struct pool *pool, const struct pool__op_kind *kind,
                               const struct pool_request *request, struct pool_error *err)
{
    struct pool__op *op = malloc(sizeof *op + pool__request_size(request));
    if (!op) {
        pool__fail_unsent(err, POOL_ERR_NOMEM, "out of memory for a call with a callback");
        return NULL;
    }
    memset(op, 0, offsetof(struct pool__op, copies));
    pool__request_copy(&op->request, request, op->copies);
    if (!pool__job_init(&op->job, pool, &op->request, NULL, err)) {
        free(op);
        return NULL;
    }
    op->kind = kind;
    op->job.held = !kind->queues;
    op->job.looped = true;
    op->ask = pool__borrow_ask(pool, &op->request, kind->handle ? 0 : POOL__SLOT_CLAIMED);
    pool__queued_init(&op->queued, pool, &op->job, op->ask.deadline_ns);
    pool__op_init(op);
    return op;
}

/* A call on a borrowed connection has claimed it, and goes on while the pool drains. */
static bool check(struct pool *pool, const struct pool__op_start *start, struct pool_error *err)
{
    if (!start->fn.query)
        return pool__fail(err, POOL_ERR_INVALID, "the callback is NULL");
    return (!start->kind->statement || pool__request_check(start->request, err)) &&
           (!start->kind->queues || pool__check_new(pool, err));
}

static bool check_values(struct pool__op *op, struct pool_error *err)
{
    if (!op->kind->checks || pool__arity_check(&op->queued.pool->arities, &op->job.statement, err))
        return true;
    err->not_executed = true;
    return false;
}

struct pool__op *pool__accept_new(struct pool *pool, const struct pool__op_start *start,
                                  struct pool_error *err)
{
    static const struct pool_request nothing = {.sql = ""};
    const struct pool_request *request = start->request ? start->request : &nothing;
    if (!check(pool, start, err))
        return NULL;
    if (!pool__value_check_args(request->args, err)) {
        err->not_executed = true;
        return NULL;
    }
    struct pool__op *op = new_op(pool, start->kind, request, err);
    if (op && !check_values(op, err)) {
        pool__op_drop(op);
        return NULL;
    }
    if (op) {
        op->fn = start->fn;
        op->arg = start->arg;
    }
    return op;
}

static bool open_loop(struct pool__loop *loop, struct pool_error *err)
{
    if (!pool__loop_open(loop) && !atomic_load(&loop->stop))
        return pool__fail(err, POOL_ERR_NOMEM, "no descriptors or threads for callbacks");
    return pool__loop_accept(loop) || pool__fail(err, POOL_ERR_CLOSED, "the pool is closed");
}

bool pool__accept(struct pool__op *op, struct pool_call *ret_call, struct pool_error *err)
{
    struct pool *pool = op->queued.pool;
    if (!open_loop(&pool->loop, err)) {
        pool__op_drop(op);
        return false;
    }
    if (ret_call && !pool__handles_register(op)) {
        pool__op_drop(op);
        pool__loop_done(&pool->loop);
        return pool__fail(err, POOL_ERR_NOMEM, "out of memory for the handle of a call");
    }
    if (ret_call)
        *ret_call = (struct pool_call){pool, op->ticket};
    pool__loop_post(&pool->loop, &op->task); /* from here on it may be gone */
    return true;
}
