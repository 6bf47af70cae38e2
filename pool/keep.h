/*
 * What a call of the pool's own has done on a session without autocommit is committed before
 * the call reports success: the reset behind it would undo it.
 */
#ifndef POOL_KEEP_H
#define POOL_KEEP_H

#include "conn.h"

static inline bool pool__commits_by_itself(const struct pool__conn *conn)
{
    return conn->mysql->server_status & SERVER_STATUS_AUTOCOMMIT;
}

/* After a statement that has succeeded, where commits do not come by themselves: `result`, or
 * NULL with the reason why it could not be committed; then `result` is freed. */
struct pool_result *pool__keep_work(struct pool__conn *conn, struct pool_result *result,
                                    uint64_t deadline_ns, struct pool_error *err);

#endif
