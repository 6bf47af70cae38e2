/*
 * The statements of a fence are text and go one by one: beside a chunk of a batch they are
 * nothing. Whoever owns the connection runs this; there are no locks.
 */
#include "fence.h"

#include "error.h"
#include "keep.h"
#include "query.h"

void pool__fence_init(struct pool__fence *fence, struct pool__conn *conn, bool held)
{
    *fence = (struct pool__fence){.conn = conn};
    fence->inside = conn->in_transaction || (held && !pool__commits_by_itself(conn));
}

bool pool__fence_open(struct pool__fence *fence, uint64_t deadline_ns, struct pool_error *err)
{
    const char *sql = fence->inside ? "SAVEPOINT mypool_batch" : "START TRANSACTION";
    if (!pool__say(fence->conn, sql, deadline_ns, err))
        return false;
    fence->kind = fence->inside ? POOL__FENCE_SAVEPOINT : POOL__FENCE_TRANSACTION;
    return true;
}

bool pool__fence_close(struct pool__fence *fence, uint64_t deadline_ns, struct pool_error *err)
{
    if (!fence->kind)
        return true;
    fence->committing = fence->kind == POOL__FENCE_TRANSACTION;
    const char *sql = fence->committing ? "COMMIT" : "RELEASE SAVEPOINT mypool_batch";
    if (!pool__say(fence->conn, sql, deadline_ns, err))
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
    if (!pool__say(fence->conn, "ROLLBACK TO SAVEPOINT mypool_batch", deadline_ns, &ignored))
        return err->retry_transaction && !ignored.fatal;
    return pool__say(fence->conn, "RELEASE SAVEPOINT mypool_batch", deadline_ns, &ignored);
}

void pool__fence_undo(struct pool__fence *fence, uint64_t deadline_ns, struct pool_error *err)
{
    struct pool_error ignored;
    if (!fence->kind || fence->conn->broken)
        return;
    bool undone = fence->kind == POOL__FENCE_SAVEPOINT
                      ? undo_savepoint(fence, deadline_ns, err)
                      : pool__say(fence->conn, "ROLLBACK", deadline_ns, &ignored);
    if (!undone)
        fence->conn->broken = true;
    fence->committing = false;
    fence->kind = POOL__FENCE_NONE;
    err->fatal = fence->conn->broken;
}
