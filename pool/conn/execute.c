/*
 * A statement is executed: found in the statement cache or added to it, its values bound, sent, and
 * its reply read (prepared.c, text.c, reply.c). The code is straight-line and blocking;
 * its only waits are inside libmariadb, in pool__wait_hook.
 *
 * Whoever owns the connection runs this; there are no locks.
 */
#include "conn/execute.h"

#include "base/error.h"
#include "base/sync.h"
#include "conn/bind.h"
#include "conn/execution.h"
#include "conn/prepared.h"
#include "conn/query.h"
#include "conn/stale.h"
#include "conn/text.h"

#include <string.h>

static bool find_and_run(struct pool__execution *exec)
{
    const struct pool__statement *statement = exec->statement;
    struct pool__stmt_cache *cache = &exec->conn->cache;
    struct pool__stmt_values values = pool__stmt_values_of(statement);
    struct pool__stmt *stmt =
        pool__stmt_find(cache, statement->sql, statement->len, statement->hash, values);
    if (stmt)
        cache->hits++;
    else
        stmt = pool__stmt_add(cache, statement->sql, statement->len, statement->hash, values,
                              exec->err);
    exec->info = stmt ? &stmt->info : NULL;
    return stmt && pool__execution_check_single(exec, &stmt->info, false) &&
           pool__statement_check_count(&stmt->info, statement->count, exec->err) &&
           pool__bind_values(stmt->binds, stmt->store, statement->values, statement->count,
                             exec->err) &&
           pool__execution_check_size(exec, statement->size) && pool__prepared_run(exec, stmt);
}

/* When the last reply was complete, and the shortest time in which there was one. */
static void note_trip(struct pool__conn *conn, const struct pool__execution *exec, bool ok)
{
    conn->heard_ns = !ok ? 0 : exec->ended_ns ? exec->ended_ns : pool__now_ns();
    if (ok && conn->heard_ns - exec->started_ns < conn->trip_ns)
        conn->trip_ns = conn->heard_ns - exec->started_ns;
}

static void note_transaction(struct pool__conn *conn, bool ok, bool was_in_transaction)
{
    if (ok && (was_in_transaction || conn->trx.guarded || pool__trx_is_doubtful(&conn->trx)))
        pool__trx_note_end(conn, was_in_transaction);
    else if (!ok)
        pool__trx_note_failure(conn, was_in_transaction);
}

static struct pool_result *conclude(struct pool__execution *exec, bool ok)
{
    if (ok || exec->stopped) {
        pool__ok(exec->err);
        return exec->result;
    }
    if (!exec->sent)
        exec->err->not_executed = true;
    pool_result_free(exec->result);
    return NULL;
}

struct pool_result *pool__execute(struct pool__conn *conn, const struct pool__statement *statement,
                                  const struct pool__sink *sink, uint64_t deadline_ns,
                                  struct pool_error *err)
{
    struct pool__wait wait;
    struct pool__execution exec = {
        .conn = conn, .statement = statement, .sink = sink, .wait = &wait, .err = err};
    bool was_in_transaction = conn->in_transaction;
    exec.started_ns = pool__now_ns();
    if (!(pool__conn_has_just_answered(conn, exec.started_ns) || pool__execution_look(&exec)) ||
        !pool__execution_begin(&exec))
        return NULL;
    pool__conn_enter(conn, &wait, deadline_ns);
    pool__stale_note_native(conn);
    bool ok = statement->as_text ? pool__text_run(&exec) : find_and_run(&exec);
    pool__stale_note_statement(conn);
    pool__conn_leave(conn, &wait);
    note_trip(conn, &exec, ok);
    note_transaction(conn, ok, was_in_transaction);
    return conclude(&exec, ok);
}

bool pool__execute_quietly(struct pool__conn *conn, const char *sql, uint64_t deadline_ns,
                           struct pool_error *err)
{
    struct pool__statement statement = {
        .text = sql, .text_len = strlen(sql), .as_text = true, .own = true};
    struct pool_result *result = NULL;
    pool__ok(err);
    if (conn->broken)
        return pool__conn_fail_broken(conn, err);
    result = pool__execute(conn, &statement, NULL, deadline_ns, err);
    pool_result_free(result);
    return result != NULL;
}
