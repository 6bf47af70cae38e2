/*
 * The statements of a fence are text and go one by one: beside a chunk of a batch they are
 * nothing. Whoever owns the connection runs this; there are no locks.
 */
#include "fence.h"

#include "error.h"
#include "query.h"

#include <string.h>

void pool__fence_init(struct pool__fence *fence, struct pool__conn *conn)
{
    unsigned status = conn->mysql->server_status;
    *fence = (struct pool__fence){.conn = conn};
    fence->inside = conn->in_transaction || !(status & SERVER_STATUS_AUTOCOMMIT);
}

static bool say(struct pool__fence *fence, const char *sql, uint64_t deadline_ns,
                struct pool_error *err)
{
    struct pool_result *result = pool__query_text(fence->conn, sql, strlen(sql), deadline_ns, err);
    pool_result_free(result);
    return result != NULL;
}

/* The server warns (1196) if the transaction has changed tables that know none. */
static bool take_back(struct pool__fence *fence, const char *sql, uint64_t deadline_ns)
{
    struct pool_error ignored;
    struct pool_result *result =
        pool__query_text(fence->conn, sql, strlen(sql), deadline_ns, &ignored);
    if (!result)
        return false;
    fence->undo = pool_warning_count(result) ? POOL__FENCE_UNDONE_IN_PART : POOL__FENCE_UNDONE;
    pool_result_free(result);
    return true;
}

bool pool__fence_open(struct pool__fence *fence, uint64_t deadline_ns, struct pool_error *err)
{
    const char *sql = fence->inside ? "SAVEPOINT mypool_batch" : "START TRANSACTION";
    if (!say(fence, sql, deadline_ns, err))
        return false;
    fence->kind = fence->inside ? POOL__FENCE_SAVEPOINT : POOL__FENCE_TRANSACTION;
    return true;
}

bool pool__fence_close(struct pool__fence *fence, uint64_t deadline_ns, struct pool_error *err)
{
    if (!fence->kind)
        return true;
    fence->committing = fence->kind == POOL__FENCE_TRANSACTION;
    if (!say(fence, fence->committing ? "COMMIT" : "RELEASE SAVEPOINT mypool_batch", deadline_ns,
             err))
        return false;
    fence->committing = false;
    fence->kind = POOL__FENCE_NONE;
    return true;
}

/* A savepoint that is gone went with its transaction, to a deadlock. */
static bool undo_savepoint(struct pool__fence *fence, uint64_t deadline_ns,
                           const struct pool_error *err)
{
    struct pool_error ignored;
    if (!take_back(fence, "ROLLBACK TO SAVEPOINT mypool_batch", deadline_ns))
        return err->retry_transaction && !fence->conn->broken;
    return say(fence, "RELEASE SAVEPOINT mypool_batch", deadline_ns, &ignored);
}

void pool__fence_undo(struct pool__fence *fence, uint64_t deadline_ns, struct pool_error *err)
{
    if (!fence->kind || fence->conn->broken)
        return;
    if (!(fence->kind == POOL__FENCE_SAVEPOINT ? undo_savepoint(fence, deadline_ns, err)
                                               : take_back(fence, "ROLLBACK", deadline_ns)))
        fence->conn->broken = true;
    fence->committing = false;
    fence->kind = POOL__FENCE_NONE;
    err->fatal = fence->conn->broken;
}
