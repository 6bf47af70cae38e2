/*
 * Before a statement of whoever may believe in a transaction that has ended: the server is asked,
 * if nobody knows, and what would run on its own is refused.
 *
 * Whoever owns the connection runs this; there are no locks.
 */
#include "conn/doubt.h"

#include "base/error.h"
#include "conn/execute.h"

#define HIDDEN                                                                                     \
    "the transaction was ended inside, by a routine, a block, several statements in one request, " \
    "the native handle, or a statement that failed; what ran before was committed or rolled back " \
    "by that"

/* In a cluster the question itself may be answered with the bad news. */
static bool ask_server(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
{
    struct pool__trx *trx = &conn->trx;
    bool over = trx->over;
    trx->unsure = trx->over = false;
    pool__trx_note_native(conn);
    if (!pool__execute_quietly(conn, "SELECT 1", deadline_ns, err)) {
        trx->over = over;
        trx->unsure = !err->retry_transaction && !conn->broken;
        err->not_executed = true; /* what was to follow */
        if (!err->retry_transaction)
            return false;
        conn->in_transaction = false;
    }
    trx->over = false;
    trx->end = POOL__TRX_OPEN; /* whatever the question itself has noted */
    if (!conn->in_transaction && !over && trx->hidden)
        pool__trx_note_hidden_end(conn);
    else if (!conn->in_transaction && !over)
        trx->end = POOL__TRX_LOST;
    pool__ok(err);
    return true;
}

static bool fail(struct pool__conn *conn, enum pool_code code, const char *text,
                 struct pool_error *err)
{
    conn->trx.refused = true;
    return pool__fail_unsent(err, code, "%s", text);
}

static bool fail_lost(struct pool__conn *conn, bool commit, struct pool_error *err)
{
    conn->trx.refused = true;
    pool__fail(err, POOL_ERR_SERVER, "%s: the server has undone the transaction (error %u); %s",
               commit ? "there is nothing to commit" : "the statement was not sent",
               conn->trx.cause, "roll it back, or begin anew, and run all of it again");
    err->server_errno = conn->trx.cause;
    err->not_executed = true;
    err->retry_transaction = true;
    return false;
}

static bool allows_commit(struct pool__conn *conn, struct pool_error *err)
{
    struct pool__trx *trx = &conn->trx;
    enum pool__trx_end end = trx->end;
    if (end == POOL__TRX_COMMITTED || end == POOL__TRX_ROLLED_BACK)
        return true; /* in vain, and no harm */
    if (end == POOL__TRX_LOST)
        fail_lost(conn, true, err);
    else
        fail(conn, POOL_ERR_INVALID, "there is nothing to commit: " HIDDEN, err);
    if (!trx->guarded)
        pool__trx_forget(trx);
    return false;
}

static const char *why_not(enum pool__trx_end end)
{
    switch (end) {
    case POOL__TRX_COMMITTED:
        return "the statement was not sent: the transaction has ended inside its function, by "
               "COMMIT or a statement that implies it; what ran before is committed";
    case POOL__TRX_ROLLED_BACK:
        return "the statement was not sent: the transaction was rolled back inside its function";
    default: return "the statement was not sent: " HIDDEN;
    }
}

/* Anything but BEGIN, COMMIT and ROLLBACK. */
static bool allows_work(struct pool__conn *conn, struct pool_error *err)
{
    const struct pool__trx *trx = &conn->trx;
    if (trx->end == POOL__TRX_LOST)
        return fail_lost(conn, false, err);
    if (!trx->guarded)
        return true; /* the program may go on without a transaction */
    return fail(conn, POOL_ERR_INVALID, why_not(trx->end), err);
}

bool pool__doubt_allows(struct pool__conn *conn, const char *sql, size_t len, uint64_t deadline_ns,
                        struct pool_error *err)
{
    struct pool__trx *trx = &conn->trx;
    struct pool__sql_info info;
    if (!pool__inspect(sql, len, &info, err)) {
        err->not_executed = true;
        return false;
    }
    if (trx->unsure && info.turn != POOL__SQL_TURN_ROLLBACK && !ask_server(conn, deadline_ns, err))
        return false;
    if (info.turn == POOL__SQL_TURN_BEGIN && conn->in_transaction)
        return fail(conn, POOL_ERR_INVALID, "a transaction is open already", err);
    if (info.turn == POOL__SQL_TURN_BEGIN || info.turn == POOL__SQL_TURN_ROLLBACK)
        return true; /* what was is forgotten when that has succeeded */
    if (trx->end == POOL__TRX_OPEN)
        return true;
    return info.turn == POOL__SQL_TURN_COMMIT ? allows_commit(conn, err) : allows_work(conn, err);
}

void pool__doubt_resolve(struct pool__conn *conn, uint64_t deadline_ns)
{
    struct pool_error ignored;
    if (conn->trx.unsure && conn->trx.hidden && !conn->broken)
        ask_server(conn, deadline_ns, &ignored);
}
