/*
 * pool_transaction_async: the same as transaction.c on a fiber, which waits for a connection and
 * pauses between two runs without one. Runs on the loop.
 */
#include "api/connection.h"
#include "api/transaction.h"
#include "async/accept.h"
#include "async/op.h"
#include "base/error.h"
#include "engine/borrow.h"
#include "engine/handle.h"
#include "engine/pool.h"

static struct pool__transaction transaction_of(struct pool__op *op)
{
    return (struct pool__transaction){
        .fn = op->with.transaction.fn,
        .arg = op->arg,
        .request = {.isolation = (enum pool_isolation)op->with.transaction.isolation,
                    .read_only = op->with.transaction.read_only,
                    .tries = op->with.transaction.tries,
                    .label = op->request.label},
        .deadline_ns = op->ask.deadline_ns,
        .op = op,
    };
}

/* One that was cancelled at its begin. */
static void settle_begin(struct pool__op *op, const struct pool__transaction *trx)
{
    struct pool__borrowed borrowed;
    if (atomic_load(&op->kill) == POOL__OP_KILL_NONE ||
        !pool__handle_claim_open(op->conn, &borrowed, NULL))
        return;
    pool__transaction_settle(trx, borrowed.conn, false);
    pool__handle_unclaim(op->queued.pool, &borrowed);
}

static void run_transaction(struct pool__op *op, struct pool_error *err)
{
    struct pool__transaction trx = transaction_of(op);
    struct pool__begin begin = pool__transaction_begin(&trx);
    struct pool__tries tries = {pool__transaction_may_begin_again, op->attempt, trx.deadline_ns,
                                false};
    op->began = pool__connection_begin(op->conn, &begin, &tries, err);
    if (!op->began)
        settle_begin(op, &trx);
    bool in_time = op->began && pool__transaction_is_in_time(&begin, err);
    bool done = in_time && pool__transaction_attempt(op->conn, &trx, err);
    pool__handle_give_up(op->conn);
    if (!op->began && err->fatal) /* the begin is gone with its session */
        err->not_executed = true;
    bool again = err->retry_transaction; /* the function may say so without another reason */
    if (!done && err->code == POOL_OK)
        pool__fail(err, POOL_ERR_ROLLED_BACK, POOL__ASKED_FOR_A_ROLLBACK);
    err->retry_transaction = again;
    if (op->cancelled && !op->commits)
        err->not_executed = !trx.kept;
}

static bool may_run_again(struct pool__op *op, const struct pool_error *err, uint64_t *ret_pause_ns)
{
    struct pool__transaction trx = transaction_of(op);
    if (!op->began)
        return pool__transaction_may_begin_again(op->queued.pool, err, op->attempt);
    if (!pool__transaction_may_run_again(&trx, op->retries + 1, err, ret_pause_ns))
        return false;
    op->retries++;
    op->ask.waited_ns = 0; /* the wait for a connection is a new one, */
    op->attempt = 0;       /* and so are the dead ones that it may meet */
    return true;
}

bool pool_transaction_async_with(struct pool *pool, const struct pool_transaction_request *request,
                                 pool_transaction_fn *transaction, pool_query_fn *fn, void *arg,
                                 struct pool_call *ret_call, struct pool_error *err)
{
    static const struct pool__op_kind kind = {.queues = true,
                                              .handle = true,
                                              .run = run_transaction,
                                              .deliver = pool__op_tell,
                                              .again = may_run_again};
    POOL__OWN_ERROR(err);
    if (!transaction)
        return pool__fail(err, POOL_ERR_INVALID, "the transaction function is NULL");
    if (!pool__transaction_check(request, err))
        return false;
    const struct pool_request borrow = {.sql = "",
                                        .alone = true,
                                        .timeout_ms = request->timeout_ms,
                                        .acquire_timeout_ms = request->acquire_timeout_ms,
                                        .label = request->label};
    const struct pool__op_start start = {&kind, &borrow, {.query = fn}, arg};
    struct pool__op *op = pool__accept_new(pool, &start, err);
    if (!op)
        return false;
    op->with.transaction.fn = transaction;
    op->with.transaction.isolation = (uint8_t)request->isolation;
    op->with.transaction.read_only = request->read_only;
    op->with.transaction.tries = request->tries;
    return pool__accept(op, ret_call, err);
}

bool pool_transaction_async(struct pool *pool, pool_transaction_fn *transaction, pool_query_fn *fn,
                            void *arg, struct pool_error *err)
{
    static const struct pool_transaction_request plain;
    return pool_transaction_async_with(pool, &plain, transaction, fn, arg, NULL, err);
}
