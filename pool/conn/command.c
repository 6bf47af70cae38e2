/*
 * Commands of the protocol that are no statements.
 */
#include "conn/command.h"

#include "conn/outcome.h"

#include <mysql.h>

bool pool__command(struct pool__conn *conn, int (*command)(MYSQL *), uint64_t deadline_ns,
                   struct pool_error *err)
{
    struct pool__wait wait;
    struct pool_error own;
    err = err ? err : &own;
    pool__conn_enter(conn, &wait, deadline_ns);
    conn->turn = POOL__SQL_TURN_NONE;
    bool ok = command(conn->mysql) == 0;
    pool__conn_leave(conn, &wait);
    if (!ok) {
        pool__outcome_fail(conn, &wait, NULL, true, err);
        /* In a cluster whatever comes next is told that the transaction was undone. */
        conn->broken = conn->broken || !err->retry_transaction;
        conn->may_run = false; /* neither a ping nor a reset occupies the server */
    }
    return ok;
}

bool pool__command_ping(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
{
    if (conn->broken) /* what may still run on it remains to be killed */
        return pool__conn_fail_broken(conn, err);
    return pool__command(conn, mysql_ping, deadline_ns, err);
}
