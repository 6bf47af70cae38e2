/*
 * pool_transaction: begin, the caller's function, commit or roll back, and all of it
 * again if the server chose this transaction as the victim of a deadlock. Written on
 * the public calls; the caller's thread runs everything.
 *
 * A connection that proves to be dead at the begin is exchanged for another one: the
 * caller has not seen it, and whether or not the begin reached the server, it is gone
 * with its session. From then on nothing is repeated because of a lost connection.
 */
#include "api/transaction.h"

#include "api/connection.h"
#include "async/cancel.h"
#include "async/op.h"
#include "base/barrier.h"
#include "base/error.h"
#include "base/reserved.h"
#include "base/sync.h"
#include "conn/conn.h"
#include "conn/doubt.h"
#include "conn/trx.h"
#include "engine/borrow.h"
#include "engine/giveback.h"
#include "engine/handle.h"
#include "engine/pool.h"

#include <stdio.h>

#define RUNS 4           /* at most, unless the request says otherwise */
#define BEGINS 3         /* that are lost after they were sent */
#define MOST_DOUBLINGS 5 /* of the pause between two runs */

/* Run again after 1 to 16 ms, and up to 64 later, more each time, so that the two victims of one
 * deadlock do not meet again. The low bits of the clock are random enough for that. */
static uint64_t pause_ns(unsigned retry)
{
    unsigned doublings = retry < MOST_DOUBLINGS ? retry : MOST_DOUBLINGS;
    uint64_t bound_ns = (UINT64_C(4) << doublings) * POOL__NS_PER_MS / 2;
    uint64_t mixed = pool__now_ns() * UINT64_C(0x9E3779B97F4A7C15) >> 20;
    return POOL__NS_PER_MS + mixed % bound_ns;
}

bool pool__transaction_may_begin_again(const struct pool *pool, const struct pool_error *err,
                                       unsigned begins)
{
    bool sent = !err->not_executed || err->server_errno != 0;
    return err->code == POOL_ERR_LOST && begins < BEGINS + (sent ? 0 : pool->core.limit);
}

static struct pool__limits limits_of(const struct pool__transaction *trx)
{
    return (struct pool__limits){trx->deadline_ns, trx->request.label};
}

static bool has_time(const struct pool__limits *limits)
{
    return limits->deadline_ns == POOL__FOREVER || pool__now_ns() < limits->deadline_ns;
}

struct pool__begin pool__transaction_begin(const struct pool__transaction *trx)
{
    return (struct pool__begin){.isolation = trx->request.isolation,
                                .read_only = trx->request.read_only,
                                .limits = limits_of(trx)};
}

bool pool__transaction_is_in_time(const struct pool__begin *begin, struct pool_error *err)
{
    return has_time(&begin->limits) ||
           pool__fail_unsent(err, POOL_ERR_QUERY_TIMEOUT,
                             "the time of the transaction was up when it had begun");
}

/* Borrows a connection and begins. The wait for a connection has one limit, however many
 * of them prove to be dead. */
static bool begin(struct pool *pool, const struct pool__transaction *trx,
                  struct pool_conn *ret_conn, struct pool_error *err)
{
    struct pool_request request = {.label = trx->request.label};
    struct pool__begin begin = pool__transaction_begin(trx);
    uint32_t acquire_ms = trx->request.acquire_timeout_ms;
    acquire_ms = acquire_ms ? acquire_ms : pool->options.v.acquire_timeout_ms;
    uint64_t deadline_ns = pool__earlier(pool__deadline_in(acquire_ms), trx->deadline_ns);
    for (unsigned begins = 1;; begins++) {
        request.acquire_timeout_ms = pool__connection_ms_until(deadline_ns);
        if (!pool__connection_borrow(pool, &request, ret_conn, err))
            return false;
        struct pool__tries tries = {pool__transaction_may_begin_again, begins, deadline_ns, false};
        if (pool__connection_begin(*ret_conn, &begin, &tries, err) &&
            pool__transaction_is_in_time(&begin, err))
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
static void guard(struct pool_conn conn, const struct pool__transaction *trx)
{
    struct pool__borrowed borrowed;
    if (!pool__handle_claim_open(conn, &borrowed, NULL))
        return; /* then nothing runs at all */
    borrowed.conn->trx = (struct pool__trx){
        .guarded = true,
        .deadline_ns = trx->deadline_ns == POOL__FOREVER ? 0 : trx->deadline_ns,
    };
    pool__handle_unclaim(conn.pool, &borrowed);
}

bool pool__transaction_settle(const struct pool__transaction *trx, struct pool__conn *conn, bool ok)
{
    struct pool__op *op = trx->op;
    if (!op)
        return true;
    op->borrowed.conn = conn;
    pool__cancel_absorb_kill(op);
    op->borrowed.conn = NULL;
    op->cancelled = op->cancelled || atomic_load(&op->cancel_asked);
    op->commits = ok && !op->cancelled;
    return !op->cancelled;
}

/* The function may not have run anything since a statement failed that may have ended the
 * transaction. */
static void resolve(const struct pool *pool, struct pool__conn *conn, uint64_t deadline_ns)
{
    /* A thread that ended here would leave it claimed. */
    int cancel_state = pool__uncancellable_begin();
    uint64_t own_ns = pool__deadline_in(pool->options.v.query_timeout_ms);
    pool__doubt_resolve(conn, pool__earlier(own_ns, deadline_ns));
    pool__uncancellable_end(cancel_state);
}

/* Ends that, and tells what has become of the transaction. False if the handle is stale, or
 * busy, which the function should not have left it. */
static bool unguard(struct pool_conn conn, const struct pool__transaction *of, bool ok,
                    struct pool__trx *ret_trx, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    if (!pool__handle_claim_open(conn, &borrowed, err))
        return false;
    struct pool__trx *trx = &borrowed.conn->trx;
    bool goes_on = pool__transaction_settle(of, borrowed.conn, ok);
    resolve(conn.pool, borrowed.conn, of->deadline_ns);
    *ret_trx = *trx;
    trx->guarded = false;
    trx->deadline_ns = 0;
    if (trx->end == POOL__TRX_COMMITTED || trx->end == POOL__TRX_ROLLED_BACK)
        trx->end = POOL__TRX_OPEN;
    pool__handle_unclaim(conn.pool, &borrowed);
    return goes_on || pool__fail(err, POOL_ERR_CANCELLED, "the transaction was cancelled");
}

/* Of what failed, part cannot be undone, or may not be: to run it again would do that twice. */
static void tell(struct pool_error *err, const char *what)
{
    struct pool_error told = *err;
    bool reason = err->code != POOL_OK;
    told.code = reason ? err->code : POOL_ERR_ROLLED_BACK;
    snprintf(told.message, sizeof told.message, "%.320s; %s",
             reason ? err->message : POOL__ASKED_FOR_A_ROLLBACK, what);
    told.not_executed = false;
    told.retry_transaction = false;
    *err = told;
}

/* What was refused because the time was up, the function may have overlooked. */
static bool commit(struct pool_conn conn, const struct pool__trx *trx,
                   const struct pool__limits *limits, struct pool_error *err)
{
    if (trx->end == POOL__TRX_ROLLED_BACK)
        return pool__fail(err, POOL_ERR_ROLLED_BACK,
                          "the transaction function has rolled the transaction back itself");
    if (trx->end == POOL__TRX_COMMITTED && trx->refused)
        return pool__fail(err, POOL_ERR_INVALID,
                          "the transaction function has ended the transaction itself, and "
                          "statements after that were refused");
    if (trx->end != POOL__TRX_COMMITTED)
        return has_time(limits)
                   ? pool__connection_end(conn, "COMMIT", limits, err)
                   : pool__fail_unsent(err, POOL_ERR_QUERY_TIMEOUT,
                                       "the time of the transaction was up before its commit");
    pool__ok(err); /* it has done that, too */
    return true;
}

/* If it fails, or there is no time left for it, the release finds the transaction open and
 * resets. */
static void roll_back(struct pool_conn conn, const struct pool__limits *limits)
{
    struct pool_error ignored;
    if (has_time(limits))
        pool__connection_end(conn, "ROLLBACK", limits, &ignored);
}

bool pool__transaction_attempt(struct pool_conn conn, struct pool__transaction *of,
                               struct pool_error *err)
{
    struct pool__trx trx = {.guarded = false};
    struct pool__limits limits = limits_of(of);
    struct pool_error ignored;
    guard(conn, of);
    POOL__BARRIER();
    bool ok = of->fn(conn, of->arg, err);
    bool here = unguard(conn, of, ok, &trx, ok ? err : &ignored);
    bool left_running = !here && (ok ? err : &ignored)->code == POOL_ERR_INVALID;
    if (ok && !here && err->code == POOL_ERR_STALE)
        pool__fail(err, POOL_ERR_STALE, "the transaction function has released its connection");
    if (ok && here && commit(conn, &trx, &limits, err))
        return true;
    if (!ok || err->code == POOL_ERR_CANCELLED)
        roll_back(conn, &limits);
    of->kept = trx.kept || left_running;
    if (trx.kept)
        tell(err, "the function had ended the transaction itself, and what it did before that was "
                  "not undone");
    else if (left_running)
        tell(err, "a call that the function had left running on its connection may have ended the "
                  "transaction");
    return false;
}

bool pool__transaction_check(const struct pool_transaction_request *request, struct pool_error *err)
{
    if (!request)
        return pool__fail(err, POOL_ERR_INVALID, "the request is NULL");
    if ((unsigned)request->isolation > POOL_ISOLATION_LAST)
        return pool__fail(err, POOL_ERR_INVALID, "the isolation of the request is no level: %u",
                          (unsigned)request->isolation);
    return pool__reserved_check(request->reserved, sizeof request->reserved, "the request", err);
}

bool pool__transaction_may_run_again(const struct pool__transaction *trx, unsigned runs,
                                     const struct pool_error *err, uint64_t *ret_pause_ns)
{
    unsigned most = trx->request.tries ? trx->request.tries : RUNS;
    if (!err->retry_transaction || runs >= most)
        return false;
    *ret_pause_ns = pause_ns(runs - 1);
    return trx->deadline_ns == POOL__FOREVER || pool__now_ns() + *ret_pause_ns < trx->deadline_ns;
}

static bool run_all(struct pool *pool, struct pool__transaction *trx, struct pool_error *err)
{
    struct pool_conn conn;
    for (unsigned runs = 1;; runs++) {
        if (begin(pool, trx, &conn, err)) {
            bool done = pool__transaction_attempt(conn, trx, err);
            pool__handle_give_up(conn);
            if (done)
                return true;
        }
        uint64_t pause_ns;
        if (!pool__transaction_may_run_again(trx, runs, err, &pause_ns))
            break;
        pool__sleep_until(pool__now_ns() + pause_ns);
        pool__ok(err);
    }
    if (err->code == POOL_OK)
        pool__fail(err, POOL_ERR_ROLLED_BACK, POOL__ASKED_FOR_A_ROLLBACK);
    return false;
}

bool pool_transaction_with(struct pool *pool, const struct pool_transaction_request *request,
                           pool_transaction_fn *fn, void *arg, struct pool_error *err)
{
    POOL__OWN_ERROR(err);
    if (!fn)
        return pool__fail(err, POOL_ERR_INVALID, "the transaction function is NULL");
    if (!pool__transaction_check(request, err) || !pool__check_new_blocking(pool, err))
        return false;
    uint64_t deadline_ns = pool__borrow_deadline(request->timeout_ms);
    struct pool__transaction trx = {fn, arg, *request, deadline_ns, NULL, false};
    atomic_fetch_add(&pool->transactions, 1);
    bool done = run_all(pool, &trx, err);
    bool ending = atomic_load(&pool->ending);
    atomic_fetch_sub(&pool->transactions, 1);
    pool__giveback_tell(pool, ending);
    return done;
}

bool pool_transaction(struct pool *pool, pool_transaction_fn *fn, void *arg, struct pool_error *err)
{
    static const struct pool_transaction_request plain;
    return pool_transaction_with(pool, &plain, fn, arg, err);
}
