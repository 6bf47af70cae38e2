/*
 * The server's status comes with each reply but errors. So an error that may have ended the
 * transaction leaves a doubt, and the next statement has to wait until the server has been
 * asked (doubt.c): any statement does, because its reply has the status. Errors that are known to
 * undo their statement alone, which are nearly all, leave none, and neither does an answer to them
 * by ROLLBACK. Without an error nothing here costs anything.
 *
 * Whoever owns the connection runs this; there are no locks.
 */
#include "conn/trx.h"

#include "conn/conn.h"
#include "core/classify.h"
#include "sql/inspect.h"

#include <mysql.h>

void pool__trx_forget(struct pool__trx *trx)
{
    trx->refused = false;
    trx->unsure = false;
    trx->over = false;
    trx->end = POOL__TRX_OPEN;
}

void pool__trx_note_hidden_end(struct pool__conn *conn)
{
    struct pool__trx *trx = &conn->trx;
    /* Without autocommit the next statement begins another, which can be committed. */
    if (!trx->guarded && !pool__conn_commits_by_itself(conn))
        return;
    trx->end = POOL__TRX_HIDDEN;
    trx->kept = true;
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
    case POOL__SQL_TURN_COMMIT: note_guarded_end(trx, POOL__TRX_COMMITTED); break;
    case POOL__SQL_TURN_ROLLBACK: note_guarded_end(trx, POOL__TRX_ROLLED_BACK); break;
    case POOL__SQL_TURN_HIDDEN: pool__trx_note_hidden_end(conn); break;
    case POOL__SQL_TURN_BEGIN:
    case POOL__SQL_TURN_NONE:
        if (conn->class_ == POOL__SQL_OTHER) /* such as CREATE TABLE */
            note_guarded_end(trx, POOL__TRX_COMMITTED);
        else
            trx->end = POOL__TRX_LOST;
        break;
    }
}

void pool__trx_note_end(struct pool__conn *conn, bool was)
{
    if (conn->turn == POOL__SQL_TURN_BEGIN || conn->turn == POOL__SQL_TURN_ROLLBACK)
        pool__trx_forget(&conn->trx);
    if (!conn->in_transaction && (was || conn->trx.end == POOL__TRX_OPEN))
        note_gone(conn);
    else if (was && (conn->turn == POOL__SQL_TURN_BEGIN || conn->turn == POOL__SQL_TURN_COMMIT))
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
    pool__trx_note_hidden_end(conn);
}

/* ---- after an error ---- */

/* Of several results the first may have told that it is over. Without one the error leaves a
 * doubt, see pool__trx_note_error. */
void pool__trx_note_failure(struct pool__conn *conn, bool was)
{
    if (was && !conn->in_transaction)
        pool__trx_note_hidden_end(conn);
}

/* A statement that is no plain one may have committed before it failed. */
static bool may_have_ended(const struct pool__conn *conn, unsigned code,
                           const struct pool__error_facts *facts)
{
    if (conn->class_ != POOL__SQL_PLAIN && !facts->not_executed)
        return true;
    return facts->class_ == POOL__ERROR_RETRY || facts->class_ == POOL__ERROR_DIRTY ||
           facts->class_ == POOL__ERROR_TIMEOUT || code == POOL_ER_QUERY_INTERRUPTED;
}

void pool__trx_note_error(struct pool__conn *conn, unsigned code,
                          const struct pool__error_facts *facts)
{
    struct pool__trx *trx = &conn->trx;
    if (!conn->in_transaction || !may_have_ended(conn, code, facts))
        return;
    trx->unsure = true;
    trx->hidden = conn->class_ == POOL__SQL_OTHER && facts->class_ != POOL__ERROR_RETRY;
    trx->over = !trx->guarded &&
                (conn->turn == POOL__SQL_TURN_COMMIT || conn->turn == POOL__SQL_TURN_ROLLBACK);
    trx->cause = code;
}
