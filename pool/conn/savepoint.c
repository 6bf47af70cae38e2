/*
 * The statements of a savepoint are text and go one by one: beside a chunk of a batch they are
 * nothing. Whoever owns the connection runs this; there are no locks.
 */
#include "conn/savepoint.h"

#include "conn/query.h"

#include <string.h>

void pool__savepoint_init(struct pool__savepoint *savepoint, struct pool__conn *conn, bool held)
{
    *savepoint = (struct pool__savepoint){.conn = conn};
    savepoint->inside = conn->in_transaction || (held && !pool__conn_commits_by_itself(conn));
}

/* That is no change of the session which anybody will see. To switch it on commits. */
static bool switch_autocommit(struct pool__savepoint *savepoint, bool on, uint64_t deadline_ns,
                              struct pool_error *err)
{
    struct pool__conn *conn = savepoint->conn;
    bool dirty = conn->dirty;
    if (!pool__say(conn, on ? "SET autocommit = 1" : "SET autocommit = 0", deadline_ns, err))
        return false;
    conn->dirty = dirty;
    conn->autocommit = on;
    return true;
}

static bool begin(struct pool__savepoint *savepoint, bool ahead, uint64_t deadline_ns,
                  struct pool_error *err)
{
    if (ahead && pool__conn_commits_by_itself(savepoint->conn)) {
        savepoint->kind = POOL__SAVEPOINT_NO_AUTOCOMMIT;
        return switch_autocommit(savepoint, false, deadline_ns, err);
    }
    savepoint->kind = POOL__SAVEPOINT_TRANSACTION;
    return pool__say(savepoint->conn, "START TRANSACTION", deadline_ns, err);
}

bool pool__savepoint_open(struct pool__savepoint *savepoint, bool ahead, uint64_t deadline_ns,
                          struct pool_error *err)
{
    savepoint->undo = POOL__SAVEPOINT_NOT_UNDONE;
    if (savepoint->inside)
        savepoint->kind = POOL__SAVEPOINT_INSIDE;
    bool ok = savepoint->inside
                  ? pool__say(savepoint->conn, "SAVEPOINT mypool_batch", deadline_ns, err)
                  : begin(savepoint, ahead, deadline_ns, err);
    if (!ok)
        savepoint->kind = POOL__SAVEPOINT_NONE;
    return ok;
}

static bool commit(struct pool__savepoint *savepoint, uint64_t deadline_ns, struct pool_error *err)
{
    savepoint->committing = true;
    return savepoint->kind == POOL__SAVEPOINT_NO_AUTOCOMMIT
               ? switch_autocommit(savepoint, true, deadline_ns, err)
               : pool__say(savepoint->conn, "COMMIT", deadline_ns, err);
}

bool pool__savepoint_close(struct pool__savepoint *savepoint, uint64_t deadline_ns,
                           struct pool_error *err)
{
    if (!savepoint->kind)
        return true;
    bool ok = savepoint->kind == POOL__SAVEPOINT_INSIDE
                  ? pool__say(savepoint->conn, "RELEASE SAVEPOINT mypool_batch", deadline_ns, err)
                  : commit(savepoint, deadline_ns, err);
    if (!ok)
        return false;
    savepoint->committing = false;
    savepoint->kind = POOL__SAVEPOINT_NONE;
    return true;
}

/* The server warns (1196) if the transaction has changed tables that know none. */
static bool take_back(struct pool__savepoint *savepoint, const char *sql, uint64_t deadline_ns)
{
    struct pool_error ignored;
    struct pool_result *result =
        pool__query_text(savepoint->conn, sql, strlen(sql), deadline_ns, &ignored);
    if (!result)
        return false;
    savepoint->undo =
        pool_warning_count(result) ? POOL__SAVEPOINT_UNDONE_IN_PART : POOL__SAVEPOINT_UNDONE;
    pool_result_free(result);
    return true;
}

/* A savepoint that is gone went with its transaction, to a deadlock. */
static bool undo_savepoint(struct pool__savepoint *savepoint, uint64_t deadline_ns,
                           const struct pool_error *err)
{
    struct pool_error ignored;
    if (!take_back(savepoint, "ROLLBACK TO SAVEPOINT mypool_batch", deadline_ns))
        return err->retry_transaction && !savepoint->conn->broken;
    return pool__say(savepoint->conn, "RELEASE SAVEPOINT mypool_batch", deadline_ns, &ignored);
}

static bool undo_transaction(struct pool__savepoint *savepoint, uint64_t deadline_ns)
{
    struct pool_error ignored;
    return take_back(savepoint, "ROLLBACK", deadline_ns) &&
           (savepoint->kind == POOL__SAVEPOINT_TRANSACTION ||
            switch_autocommit(savepoint, true, deadline_ns, &ignored));
}

void pool__savepoint_undo(struct pool__savepoint *savepoint, uint64_t deadline_ns,
                          struct pool_error *err)
{
    if (!savepoint->kind || savepoint->conn->broken)
        return;
    bool undone = savepoint->kind == POOL__SAVEPOINT_INSIDE
                      ? undo_savepoint(savepoint, deadline_ns, err)
                      : undo_transaction(savepoint, deadline_ns);
    if (!undone)
        savepoint->conn->broken = true;
    savepoint->committing = false;
    savepoint->kind = POOL__SAVEPOINT_NONE;
    err->fatal = savepoint->conn->broken;
}
