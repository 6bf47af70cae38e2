/*
 * The statements of a fence are text and go one by one: beside a chunk of a batch they are
 * nothing. Whoever owns the connection runs this; there are no locks.
 */
#include "conn/fence.h"

#include "conn/keep.h"
#include "conn/query.h"

#include <string.h>

void pool__fence_init(struct pool__fence *fence, struct pool__conn *conn, bool held)
{
    *fence = (struct pool__fence){.conn = conn};
    fence->inside = conn->in_transaction || (held && !pool__commits_by_itself(conn));
}

/* That is no change of the session which anybody will see. To switch it on commits. */
static bool switch_autocommit(struct pool__fence *fence, bool on, uint64_t deadline_ns,
                              struct pool_error *err)
{
    struct pool__conn *conn = fence->conn;
    bool dirty = conn->dirty;
    if (!pool__say(conn, on ? "SET autocommit = 1" : "SET autocommit = 0", deadline_ns, err))
        return false;
    conn->dirty = dirty;
    conn->autocommit = on;
    return true;
}

static bool begin(struct pool__fence *fence, bool ahead, uint64_t deadline_ns,
                  struct pool_error *err)
{
    if (ahead && pool__commits_by_itself(fence->conn)) {
        fence->kind = POOL__FENCE_NO_AUTOCOMMIT;
        return switch_autocommit(fence, false, deadline_ns, err);
    }
    fence->kind = POOL__FENCE_TRANSACTION;
    return pool__say(fence->conn, "START TRANSACTION", deadline_ns, err);
}

bool pool__fence_open(struct pool__fence *fence, bool ahead, uint64_t deadline_ns,
                      struct pool_error *err)
{
    fence->undo = POOL__FENCE_NOT_UNDONE;
    if (fence->inside)
        fence->kind = POOL__FENCE_SAVEPOINT;
    bool ok = fence->inside ? pool__say(fence->conn, "SAVEPOINT mypool_batch", deadline_ns, err)
                            : begin(fence, ahead, deadline_ns, err);
    if (!ok)
        fence->kind = POOL__FENCE_NONE;
    return ok;
}

static bool commit(struct pool__fence *fence, uint64_t deadline_ns, struct pool_error *err)
{
    fence->committing = true;
    return fence->kind == POOL__FENCE_NO_AUTOCOMMIT
               ? switch_autocommit(fence, true, deadline_ns, err)
               : pool__say(fence->conn, "COMMIT", deadline_ns, err);
}

bool pool__fence_close(struct pool__fence *fence, uint64_t deadline_ns, struct pool_error *err)
{
    if (!fence->kind)
        return true;
    bool ok = fence->kind == POOL__FENCE_SAVEPOINT
                  ? pool__say(fence->conn, "RELEASE SAVEPOINT mypool_batch", deadline_ns, err)
                  : commit(fence, deadline_ns, err);
    if (!ok)
        return false;
    fence->committing = false;
    fence->kind = POOL__FENCE_NONE;
    return true;
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

/* A savepoint that is gone went with its transaction, to a deadlock. */
static bool undo_savepoint(struct pool__fence *fence, uint64_t deadline_ns,
                           const struct pool_error *err)
{
    struct pool_error ignored;
    if (!take_back(fence, "ROLLBACK TO SAVEPOINT mypool_batch", deadline_ns))
        return err->retry_transaction && !fence->conn->broken;
    return pool__say(fence->conn, "RELEASE SAVEPOINT mypool_batch", deadline_ns, &ignored);
}

static bool undo_transaction(struct pool__fence *fence, uint64_t deadline_ns)
{
    struct pool_error ignored;
    return take_back(fence, "ROLLBACK", deadline_ns) &&
           (fence->kind == POOL__FENCE_TRANSACTION ||
            switch_autocommit(fence, true, deadline_ns, &ignored));
}

void pool__fence_undo(struct pool__fence *fence, uint64_t deadline_ns, struct pool_error *err)
{
    if (!fence->kind || fence->conn->broken)
        return;
    bool undone = fence->kind == POOL__FENCE_SAVEPOINT ? undo_savepoint(fence, deadline_ns, err)
                                                       : undo_transaction(fence, deadline_ns);
    if (!undone)
        fence->conn->broken = true;
    fence->committing = false;
    fence->kind = POOL__FENCE_NONE;
    err->fatal = fence->conn->broken;
}
