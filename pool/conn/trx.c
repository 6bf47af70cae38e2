/*
 * The server's status comes with each reply but errors. So an error that may have ended the
 * transaction leaves a doubt, and the next statement has to wait until the server has been
 * asked: any statement does, because its reply has the status. Errors that are known to undo
 * their statement alone, which are nearly all, leave none, and neither does an answer to them
 * by ROLLBACK. Without an error nothing here costs anything.
 *
 * Whoever owns the connection runs this; there are no locks.
 */
#include "conn/trx.h"

#include "base/error.h"
#include "conn/conn.h"
#include "conn/keep.h"
#include "conn/query.h"
#include "core/classify.h"
#include "sql/sql.h"

#define INTERRUPTED 1317
#define HIDDEN                                                                                     \
    "the transaction was ended inside, by a routine, a block, several statements in one request, " \
    "the native handle, or a statement that failed; what ran before was committed or rolled back " \
    "by that"

static void forget(struct pool__trx *trx)
{
    trx->refused = false;
    trx->unsure = false;
    trx->over = false;
    trx->end = POOL__TRX_OPEN;
}

static void note_hidden_end(struct pool__conn *conn)
{
    struct pool__trx *trx = &conn->trx;
    /* Without autocommit the next statement begins another, which can be committed. */
    if (!trx->guarded && !pool__commits_by_itself(conn))
        return;
    trx->end = POOL__TRX_HIDDEN;
    trx->kept = true;
}

/* ---- before a statement ---- */

/* In a cluster the question itself may be answered with the bad news. */
static bool ask_server(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
{
    struct pool__trx *trx = &conn->trx;
    bool over = trx->over;
    trx->unsure = trx->over = false;
    if (!pool__say(conn, "SELECT 1", deadline_ns, err)) {
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
        note_hidden_end(conn);
    else if (!conn->in_transaction && !over)
        trx->end = POOL__TRX_LOST;
    pool__ok(err);
    return true;
}

static bool fail(struct pool__conn *conn, enum pool_code code, const char *text,
                 struct pool_error *err)
{
    conn->trx.refused = true;
    pool__fail(err, code, "%s", text);
    err->not_executed = true;
    return false;
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
        forget(trx);
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

bool pool__trx_allows(struct pool__conn *conn, const char *sql, size_t len, uint64_t deadline_ns,
                      struct pool_error *err)
{
    struct pool__trx *trx = &conn->trx;
    struct pool__sql_info info;
    if (!pool__sql_inspect(sql, len, &info, err)) {
        err->not_executed = true;
        return false;
    }
    if (trx->unsure && info.turn != POOL__TURN_ROLLBACK && !ask_server(conn, deadline_ns, err))
        return false;
    if (info.turn == POOL__TURN_BEGIN && conn->in_transaction)
        return fail(conn, POOL_ERR_INVALID, "a transaction is open already", err);
    if (info.turn == POOL__TURN_BEGIN || info.turn == POOL__TURN_ROLLBACK)
        return true; /* what was is forgotten when that has succeeded */
    if (trx->end == POOL__TRX_OPEN)
        return true;
    return info.turn == POOL__TURN_COMMIT ? allows_commit(conn, err) : allows_work(conn, err);
}

/* ---- after a statement ---- */

static void note_guarded_end(struct pool__trx *trx, enum pool__trx_end end)
{
    if (!trx->guarded)
        return;
    trx->end = end;
    trx->kept = trx->kept || end == POOL__TRX_COMMITTED;
}

static void note_gone(struct pool__conn *conn)
{
    struct pool__trx *trx = &conn->trx;
    switch (conn->turn) {
    case POOL__TURN_COMMIT: note_guarded_end(trx, POOL__TRX_COMMITTED); break;
    case POOL__TURN_ROLLBACK: note_guarded_end(trx, POOL__TRX_ROLLED_BACK); break;
    case POOL__TURN_HIDDEN: note_hidden_end(conn); break;
    case POOL__TURN_BEGIN:
    case POOL__TURN_NONE:
        if (conn->class_ == POOL__SQL_OTHER) /* such as CREATE TABLE */
            note_guarded_end(trx, POOL__TRX_COMMITTED);
        else
            trx->end = POOL__TRX_LOST;
        break;
    }
}

void pool__trx_note_end(struct pool__conn *conn, bool was)
{
    if (conn->turn == POOL__TURN_BEGIN || conn->turn == POOL__TURN_ROLLBACK)
        forget(&conn->trx);
    if (!conn->in_transaction && (was || conn->trx.end == POOL__TRX_OPEN))
        note_gone(conn);
    else if (was && (conn->turn == POOL__TURN_BEGIN || conn->turn == POOL__TURN_COMMIT))
        conn->trx.kept = true; /* one has ended, and the next has begun */
}

void pool__trx_note_unseen(struct pool__conn *conn)
{
    struct pool__trx *trx = &conn->trx;
    if (!conn->in_transaction)
        return;
    trx->unsure = true;
    trx->hidden = true;
    trx->over = false;
    trx->cause = 0;
}

void pool__trx_note_native(struct pool__conn *conn)
{
    bool open = conn->mysql->server_status & SERVER_STATUS_IN_TRANS;
    if (!conn->native_given || !conn->in_transaction || open || conn->trx.unsure)
        return; /* in doubt the server is asked */
    conn->in_transaction = false;
    note_hidden_end(conn);
}

/* ---- after an error ---- */

/* Of several results the first may have told that it is over. Without one the error leaves a
 * doubt, see pool__trx_note_error. */
void pool__trx_note_failure(struct pool__conn *conn, bool was)
{
    if (was && !conn->in_transaction)
        note_hidden_end(conn);
}

void pool__trx_resolve(struct pool__conn *conn, uint64_t deadline_ns)
{
    struct pool_error ignored;
    if (conn->trx.unsure && conn->trx.hidden && !conn->broken)
        ask_server(conn, deadline_ns, &ignored);
}

/* A statement that is no plain one may have committed before it failed. */
static bool may_have_ended(const struct pool__conn *conn, unsigned code,
                           const struct pool__error_facts *facts)
{
    if (conn->class_ != POOL__SQL_PLAIN && !facts->not_executed)
        return true;
    return facts->class_ == POOL__E_RETRY || facts->class_ == POOL__E_DIRTY ||
           facts->class_ == POOL__E_TIMEOUT || code == INTERRUPTED;
}

void pool__trx_note_error(struct pool__conn *conn, unsigned code,
                          const struct pool__error_facts *facts)
{
    struct pool__trx *trx = &conn->trx;
    if (!conn->in_transaction || !may_have_ended(conn, code, facts))
        return;
    trx->unsure = true;
    trx->hidden = conn->class_ == POOL__SQL_OTHER && facts->class_ != POOL__E_RETRY;
    trx->over =
        !trx->guarded && (conn->turn == POOL__TURN_COMMIT || conn->turn == POOL__TURN_ROLLBACK);
    trx->cause = code;
}
