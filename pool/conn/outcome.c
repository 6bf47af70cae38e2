/*
 * What a statement, or an error, leaves of a connection: whether it is broken, or its session
 * changed, and what the caller is told.
 */
#include "conn/outcome.h"

#include "base/error.h"
#include "core/classify.h"

#include <errmsg.h>
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

static void describe(struct pool__conn *conn, MYSQL_STMT *stmt, unsigned code,
                     struct pool_error *err)
{
    if (!err)
        return;
    err->server_errno = code;
    memcpy(err->sqlstate, stmt ? mysql_stmt_sqlstate(stmt) : mysql_sqlstate(conn->mysql), 5);
}

static enum pool_code code_of(enum pool__error_class class_)
{
    static const enum pool_code codes[] = {
        [POOL__ERROR_STATEMENT] = POOL_ERR_SERVER, [POOL__ERROR_DIRTY] = POOL_ERR_SERVER,
        [POOL__ERROR_RETRY] = POOL_ERR_SERVER,     [POOL__ERROR_TIMEOUT] = POOL_ERR_QUERY_TIMEOUT,
        [POOL__ERROR_READ_ONLY] = POOL_ERR_SERVER, [POOL__ERROR_TOO_BIG] = POOL_ERR_TOO_BIG,
        [POOL__ERROR_LOST] = POOL_ERR_LOST,        [POOL__ERROR_UNSENT] = POOL_ERR_LOST,
        [POOL__ERROR_NOMEM] = POOL_ERR_NOMEM,
    };
    return codes[class_];
}

static bool breaks(enum pool__error_class class_)
{
    return class_ == POOL__ERROR_LOST || class_ == POOL__ERROR_UNSENT ||
           class_ == POOL__ERROR_TOO_BIG || class_ == POOL__ERROR_NOMEM;
}

static void fail_by_wait(struct pool__conn *conn, const struct pool__wait *wait, bool sent,
                         struct pool_error *err)
{
    if (wait->cut)
        pool__fail(err, POOL_ERR_CLOSED, "the pool was closed while the statement ran");
    else
        pool__fail(err, POOL_ERR_QUERY_TIMEOUT, "the statement passed its deadline%s",
                   sent ? " and is being killed" : " before it was sent");
    conn->broken = true;
    conn->running = sent;
    if (err) {
        err->fatal = true;
        err->not_executed = !sent;
    }
}

void pool__outcome_fail(struct pool__conn *conn, const struct pool__wait *wait, MYSQL_STMT *stmt,
                        bool sent, struct pool_error *err)
{
    if (wait && (wait->timed_out || wait->cut)) {
        fail_by_wait(conn, wait, sent, err);
        return;
    }
    unsigned code = stmt ? mysql_stmt_errno(stmt) : mysql_errno(conn->mysql);
    /* libmariadb says "lost" for a packet over its limit, too; its error state differs. */
    if (code == CR_SERVER_LOST && conn->mysql->net.error == 1)
        code = CR_NET_PACKET_TOO_LARGE;
    const char *text = stmt ? mysql_stmt_error(stmt) : mysql_error(conn->mysql);
    struct pool__error_facts facts = pool__classify(code, text, conn->mariadb);
    if (code == CR_NET_PACKET_TOO_LARGE)
        text = "a packet from the server is over max_packet_bytes";
    if (wait && wait->unheard)
        text = "the network is silent: what was sent is not acknowledged";
    pool__fail(err, code_of(facts.class_), "%s", text);
    describe(conn, stmt, code, err);
    if (breaks(facts.class_))
        conn->broken = true;
    pool__trx_note_error(conn, code, &facts);
    /* An error carries no status, and a function or a trigger may have changed the
     * session before it: only refusals to even start leave it clean for certain. */
    if (!facts.before_start || conn->in_transaction)
        conn->dirty = true;
    if (!err)
        return;
    err->fatal = conn->broken;
    err->retry_transaction = facts.class_ == POOL__ERROR_RETRY;
    err->not_executed = facts.not_executed && conn->class_ != POOL__SQL_OTHER;
}
