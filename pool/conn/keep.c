/*
 * A session is without autocommit because of the option no_autocommit, or of the program's
 * init_sql or init callback; and a routine may leave a transaction open. On a handle that is the
 * program's affair. But pool_query, a stream or a batch borrow for one call, and nobody could
 * commit after it.
 *
 * Whoever owns the connection runs this; there are no locks.
 */
#include "conn/keep.h"

#include "base/error.h"
#include "conn/query.h"

#include <mysql.h>

#include <string.h>

/* The statement has run, whatever becomes of the commit. */
static void reword(struct pool_error *err)
{
    struct pool_error was = *err;
    pool__fail(err, was.code, "the statement was executed, but its commit failed: %.400s",
               was.message);
    err->server_errno = was.server_errno;
    memcpy(err->sqlstate, was.sqlstate, sizeof err->sqlstate);
    err->fatal = was.fatal;
    err->retry_transaction = was.retry_transaction;
}

/* A stream that was stopped is over with its connection. */
static void fail_stopped(struct pool_error *err)
{
    pool__fail_fatal(err, POOL_ERR_LOST,
                     "what the statement did is not committed, and lost with the connection of the "
                     "stopped stream");
}

struct pool_result *pool__keep_work(struct pool__conn *conn, struct pool_result *result,
                                    uint64_t deadline_ns, struct pool_error *err)
{
    bool read_only = conn->read_only;
    bool open = conn->broken || (conn->mysql->server_status & SERVER_STATUS_IN_TRANS);
    if (!open || (conn->broken && read_only))
        return result;
    if (conn->broken)
        fail_stopped(err);
    else if (pool__say(conn, "COMMIT", deadline_ns, err))
        return result;
    else if (!read_only)
        reword(err);
    if (!read_only) {
        pool_result_free(result);
        return NULL;
    }
    pool__ok(err); /* there was nothing to be kept */
    return result;
}
