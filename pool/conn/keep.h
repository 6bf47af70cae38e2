/*
 * What a call of the pool's own has done, and is not committed by itself, is committed before
 * the call reports success: the reset behind it would undo it.
 */
#ifndef POOL_CONN_KEEP_H
#define POOL_CONN_KEEP_H

#include "conn/conn.h"
#include "sql/inspect.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether the work of a call is not committed yet: without autocommit, or because a routine or one
 * of several statements has begun a transaction and left it open. */
static inline bool pool__is_to_be_kept(const struct pool__conn *conn)
{
    return !pool__conn_commits_by_itself(conn) ||
           (conn->in_transaction && conn->turn == POOL__SQL_TURN_HIDDEN);
}

/* Commits the work of a statement that has succeeded with this `result`, which is returned; NULL
 * with the reason, and `result` freed, if the work could not be committed. */
struct pool_result *pool__keep_work(struct pool__conn *conn, struct pool_result *result,
                                    uint64_t deadline_ns, struct pool_error *err);

#endif
