/*
 * What a statement, or an error, leaves of a connection: whether it is broken, or its session
 * changed, and what the caller is told.
 */
#include "conn/outcome.h"

#include "base/error.h"
#include "conn/verdict.h"

#include <mysql.h>
#include <string.h>

void pool__outcome_note_send(struct pool__conn *conn, const struct pool__sql_info *info)
{
    conn->class_ = info->class_;
    conn->turn = info->turn;
    conn->read_only = info->read_only;
    conn->rereads = info->rereads;
    if (info->class_ != POOL__SQL_OTHER)
        return;
    conn->dirty = true; /* it may do its work and then fail, with no status to tell */
    conn->quotes_known = false;
}

static bool tells_of(const struct pool__conn *conn, enum enum_session_state_type type)
{
    const char *data;
    size_t len;
    return mysql_session_track_get_first(conn->mysql, type, &data, &len) == 0;
}

/* MySQL reports the begin and the end of each transaction as a change, also if it is not to.
 * What is reported comes with OK packets only. */
static bool session_has_changed(const struct pool__conn *conn, bool ok)
{
    if (!(conn->mysql->server_status & SERVER_SESSION_STATE_CHANGED))
        return false;
    if (conn->mariadb || !ok)
        return true;
    bool transaction =
        tells_of(conn, SESSION_TRACK_TRANSACTION_STATE) || tells_of(conn, SESSION_TRACK_GTIDS);
    return !transaction || tells_of(conn, SESSION_TRACK_SYSTEM_VARIABLES) ||
           tells_of(conn, SESSION_TRACK_SCHEMA) || tells_of(conn, SESSION_TRACK_STATE_CHANGE) ||
           tells_of(conn, SESSION_TRACK_TRANSACTION_CHARACTERISTICS);
}

void pool__outcome_note_status(struct pool__conn *conn, enum pool__sql_class class_, bool ok)
{
    unsigned status = conn->mysql->server_status;
    bool in_transaction = status & SERVER_STATUS_IN_TRANS;
    if (conn->in_transaction && !in_transaction && conn->turn == POOL__SQL_TURN_HIDDEN)
        conn->trx.kept = true; /* even if another one follows in the same request */
    conn->in_transaction = in_transaction;
    bool autocommit = status & SERVER_STATUS_AUTOCOMMIT;
    if (class_ == POOL__SQL_OTHER || session_has_changed(conn, ok) ||
        autocommit != conn->autocommit)
        conn->dirty = true;
}

static void mark(struct pool__conn *conn, const struct pool__verdict *verdict)
{
    conn->broken = conn->broken || verdict->breaks;
    if (!verdict->is_answer) {
        conn->may_run = verdict->may_run;
        return;
    }
    pool__trx_note_error(conn, verdict->number, &verdict->facts);
    conn->dirty = conn->dirty || verdict->dirties;
}

static void tell(const struct pool__conn *conn, const struct pool__verdict *verdict,
                 const char *sqlstate, struct pool_error *err)
{
    pool__fail(err, verdict->code, "%s", verdict->text);
    if (!err)
        return;
    err->fatal = conn->broken;
    err->not_executed = verdict->not_executed;
    if (!verdict->is_answer)
        return;
    err->server_errno = verdict->number;
    memcpy(err->sqlstate, sqlstate, 5);
    err->retry_transaction = verdict->facts.class_ == POOL__ERROR_RETRY;
}

void pool__outcome_fail(struct pool__conn *conn, const struct pool__wait *wait, MYSQL_STMT *stmt,
                        bool sent, struct pool_error *err)
{
    MYSQL *mysql = conn->mysql;
    struct pool__failure failure = {
        .timed_out = wait->timed_out,
        .cut = wait->cut,
        .unheard = wait->unheard,
        .sent = sent,
        .number = stmt ? mysql_stmt_errno(stmt) : mysql_errno(mysql),
        .text = stmt ? mysql_stmt_error(stmt) : mysql_error(mysql),
        .over_limit = mysql->net.error == 1,
        .mariadb = conn->mariadb,
        .in_transaction = conn->in_transaction,
        .class_ = conn->class_,
    };
    struct pool__verdict verdict = pool__verdict_of_statement(&failure);
    mark(conn, &verdict);
    tell(conn, &verdict, stmt ? mysql_stmt_sqlstate(stmt) : mysql_sqlstate(mysql), err);
}
