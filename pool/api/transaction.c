/*
 * pool_transaction: begin, the caller's function, commit or roll back, and all of it
 * again if the server chose this transaction as the victim of a deadlock. Written on
 * the public calls; the caller's thread runs everything.
 *
 * A connection that proves to be dead at the begin is exchanged for another one: the
 * caller has not seen it, and whether or not the begin reached the server, it is gone
 * with its session. From then on nothing is repeated because of a lost connection.
 */
#include "api/connection.h"
#include "async/accept.h"
#include "async/op.h"
#include "base/barrier.h"
#include "base/error.h"
#include "base/sync.h"
#include "conn/conn.h"
#include "conn/doubt.h"
#include "conn/trx.h"
#include "engine/borrow.h"
#include "engine/handle.h"
#include "engine/pool.h"

#include <stdio.h>
#include <time.h>

#define RETRIES 3
#define BEGINS 3 /* that are lost after they were sent */

/* Run again after 1 to 16 ms, more each time, so that the two victims of one deadlock
 * do not meet again. The low bits of the clock are random enough for that. */
static uint64_t pause_ns(unsigned retry)
{
    uint64_t bound_ns = (UINT64_C(4) << retry) * POOL__NS_PER_MS / 2;
    uint64_t mixed = pool__now_ns() * UINT64_C(0x9E3779B97F4A7C15) >> 20;
    return POOL__NS_PER_MS + mixed % bound_ns;
}

static void pause_before(unsigned retry)
{
    struct timespec pause = {0, (long)pause_ns(retry)};
    nanosleep(&pause, NULL);
}

/* What is left until the deadline, for a request; not 0, which would mean no limit. */
static uint32_t ms_until(uint64_t deadline_ns)
{
    if (deadline_ns == POOL__FOREVER)
        return POOL_NEVER;
    uint64_t now = pool__now_ns();
    return deadline_ns > now ? (uint32_t)((deadline_ns - now) / POOL__NS_PER_MS) + 1 : 1;
}

/* After a begin that failed: another one? No more connections can have died while they
 * were idle than the pool has places. */
static bool may_begin_again(const struct pool *pool, const struct pool_error *err, unsigned begins)
{
    bool sent = !err->not_executed || err->server_errno != 0;
    return err->code == POOL_ERR_LOST && begins < BEGINS + (sent ? 0 : pool->core.limit);
}

/* Borrows a connection and begins. The wait for a connection has one limit, however many
 * of them prove to be dead. */
static bool begin(struct pool *pool, struct pool_conn *ret_conn, struct pool_error *err)
{
    struct pool_request request = {0};
    if (!pool__check_blocking(pool, err))
        return false;
    uint64_t deadline_ns = pool__deadline_in(pool->options.v.acquire_timeout_ms);
    for (unsigned begins = 1;; begins++) {
        request.acquire_timeout_ms = ms_until(deadline_ns);
        if (!pool_get_connection_with(pool, &request, ret_conn, err))
            return false;
        struct pool__tries tries = {may_begin_again, begins, deadline_ns, false};
        if (pool__connection_begin(*ret_conn, &tries, err))
            return true;
        pool__handle_give_up(*ret_conn);
        if (err->fatal) /* the begin is gone with its session */
            err->not_executed = true;
        if (!tries.more)
            return false;
    }
}

/* ---- what the function may do to the transaction ---- */

/* From now on nothing runs outside of a transaction. */
static void guard(struct pool_conn conn)
{
    struct pool__borrowed borrowed;
    if (!pool__handle_claim_open(conn, &borrowed, NULL))
        return; /* then nothing runs at all */
    borrowed.conn->trx = (struct pool__trx){.guarded = true};
    pool__handle_unclaim(conn.pool, &borrowed);
}

/* The function may not have run anything since a statement failed that may have ended the
 * transaction. */
static void resolve(const struct pool *pool, struct pool__conn *conn)
{
    /* A thread that ended here would leave it claimed. */
    int cancel_state = pool__uncancellable_begin();
    pool__doubt_resolve(conn, pool__deadline_in(pool->options.v.query_timeout_ms));
    pool__uncancellable_end(cancel_state);
}

/* Ends that, and tells what has become of the transaction. False if the handle is stale, or
 * busy, which the function should not have left it. */
static bool unguard(struct pool_conn conn, struct pool__trx *ret_trx, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    if (!pool__handle_claim_open(conn, &borrowed, err))
        return false;
    struct pool__trx *trx = &borrowed.conn->trx;
    resolve(conn.pool, borrowed.conn);
    *ret_trx = *trx;
    trx->guarded = false;
    if (trx->end == POOL__TRX_COMMITTED || trx->end == POOL__TRX_ROLLED_BACK)
        trx->end = POOL__TRX_OPEN;
    pool__handle_unclaim(conn.pool, &borrowed);
    return true;
}

#define ASKED_FOR_A_ROLLBACK "the transaction function asked for a rollback"

/* Of what failed, part cannot be undone: to run it again would do that twice. */
static void tell_what_is_kept(struct pool_error *err)
{
    struct pool_error told = *err;
    bool reason = err->code != POOL_OK;
    told.code = reason ? err->code : POOL_ERR_CANCELLED;
    snprintf(told.message, sizeof told.message,
             "%.320s; the function had ended the transaction itself, and what it did before that "
             "was not undone",
             reason ? err->message : ASKED_FOR_A_ROLLBACK);
    told.not_executed = false;
    told.retry_transaction = false;
    *err = told;
}

static bool commit(struct pool_conn conn, const struct pool__trx *trx, struct pool_error *err)
{
    if (trx->end == POOL__TRX_ROLLED_BACK)
        return pool__fail(err, POOL_ERR_CANCELLED,
                          "the transaction function has rolled the transaction back itself");
    if (trx->end == POOL__TRX_COMMITTED && trx->refused)
        return pool__fail(err, POOL_ERR_INVALID,
                          "the transaction function has ended the transaction itself, and "
                          "statements after that were refused");
    if (trx->end != POOL__TRX_COMMITTED)
        return pool_conn_commit(conn, err);
    pool__ok(err); /* it has done that, too */
    return true;
}

/* One run on a borrowed connection with a transaction. False with code POOL_OK: the
 * function said no and gave no reason. */
static bool attempt(struct pool_conn conn, pool_transaction_fn *fn, void *arg,
                    struct pool_error *err)
{
    struct pool__trx trx = {.guarded = false};
    struct pool_error ignored;
    guard(conn);
    POOL__BARRIER();
    bool ok = fn(conn, arg, err);
    bool here = unguard(conn, &trx, ok ? err : &ignored);
    if (ok && !here && err->code == POOL_ERR_STALE)
        pool__fail(err, POOL_ERR_STALE, "the transaction function has released its connection");
    if (ok && here && commit(conn, &trx, err))
        return true;
    if (!ok) /* if this fails too, the release finds the transaction open and resets */
        pool_conn_rollback(conn, &ignored);
    if (trx.kept)
        tell_what_is_kept(err);
    return false;
}

bool pool_transaction(struct pool *pool, pool_transaction_fn *fn, void *arg, struct pool_error *err)
{
    struct pool_conn conn;
    POOL__OWN_ERROR(err);
    if (!fn)
        return pool__fail(err, POOL_ERR_INVALID, "the transaction function is NULL");
    for (unsigned retry = 0;; retry++) {
        if (begin(pool, &conn, err)) {
            bool done = attempt(conn, fn, arg, err);
            pool__handle_give_up(conn);
            if (done)
                return true;
        }
        if (!err->retry_transaction || retry == RETRIES)
            break;
        pause_before(retry);
        pool__ok(err);
    }
    if (err->code == POOL_OK)
        pool__fail(err, POOL_ERR_CANCELLED, ASKED_FOR_A_ROLLBACK);
    return false;
}

/* ---- with a callback: the same on a fiber ---- */

static void run_transaction(struct pool__op *op, struct pool_error *err)
{
    struct pool__tries tries = {may_begin_again, op->attempt, POOL__FOREVER, false};
    op->began = pool__connection_begin(op->conn, &tries, err);
    bool done = op->began && attempt(op->conn, op->with.transaction, op->arg, err);
    pool__handle_give_up(op->conn);
    if (!op->began && err->fatal) /* the begin is gone with its session */
        err->not_executed = true;
    bool again = err->retry_transaction; /* the function may say so without another reason */
    if (!done && err->code == POOL_OK)
        pool__fail(err, POOL_ERR_CANCELLED, ASKED_FOR_A_ROLLBACK);
    err->retry_transaction = again;
}

static bool may_run_again(struct pool__op *op, const struct pool_error *err, uint64_t *ret_pause_ns)
{
    if (!op->began)
        return may_begin_again(op->queued.pool, err, op->attempt);
    if (!err->retry_transaction || op->retries == RETRIES)
        return false;
    *ret_pause_ns = pause_ns(op->retries++);
    op->ask.waited_ns = 0; /* the wait for a connection is a new one, */
    op->attempt = 0;       /* and so are the dead ones that it may meet */
    return true;
}

bool pool_transaction_async(struct pool *pool, pool_transaction_fn *transaction, pool_query_fn *fn,
                            void *arg, struct pool_error *err)
{
    static const struct pool__op_kind kind = {.queues = true,
                                              .handle = true,
                                              .run = run_transaction,
                                              .deliver = pool__op_tell,
                                              .again = may_run_again};
    POOL__OWN_ERROR(err);
    if (!transaction || !fn)
        return pool__fail(err, POOL_ERR_INVALID, "the %s is NULL",
                          fn ? "transaction function" : "callback");
    if (!pool__check(pool, err))
        return false;
    struct pool__op *op = pool__accept_new(pool, &kind, NULL, err);
    if (!op)
        return false;
    op->job.may_follow = false;
    op->with.transaction = transaction;
    op->fn.query = fn;
    op->arg = arg;
    return pool__accept(op, NULL, err);
}
