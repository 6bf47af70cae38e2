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
#include "conn/execution.h"
#include "conn/prepared.h"
#include "conn/query.h"
#include "conn/stale.h"
#include "conn/text.h"

#include <string.h>

static bool find_and_run(struct pool__execution *run)
{
    const struct pool__statement *statement = run->statement;
    struct pool__stmt_cache *cache = &run->conn->cache;
    struct pool__stmt_values values = pool__stmt_values_of(statement);
    struct pool__stmt *stmt =
        pool__stmt_find(cache, statement->sql, statement->len, statement->hash, values);
    if (stmt)
        cache->hits++;
    else
        stmt = pool__stmt_add(cache, statement->sql, statement->len, statement->hash, values,
                              run->err);
    run->info = stmt ? &stmt->info : NULL;
    return stmt && pool__execution_check_single(run, &stmt->info, false) &&
           pool__statement_check_count(&stmt->info, statement->count, run->err) &&
           pool__bind_values(stmt->binds, stmt->store, statement->values, statement->count,
                             run->err) &&
           pool__execution_check_size(run, statement->size) && pool__prepared_run(run, stmt);
}

struct pool_result *pool__execute(struct pool__conn *conn, const struct pool__statement *statement,
                                  const struct pool__sink *sink, uint64_t deadline_ns,
                                  struct pool_error *err)
{
    struct pool__wait wait;
    struct pool__execution run = {
        .conn = conn, .statement = statement, .sink = sink, .wait = &wait, .err = err};
    bool was_in_transaction = conn->in_transaction;
    run.started_ns = pool__now_ns();
    if (!(pool__conn_has_just_answered(conn, run.started_ns) || pool__execution_look(&run)) ||
        !pool__execution_begin(&run))
        return NULL;
    pool__conn_enter(conn, &wait, deadline_ns);
    pool__stale_note_native(conn);
    bool ok = statement->as_text ? pool__text_run(&run) : find_and_run(&run);
    pool__stale_note_statement(conn);
    pool__conn_leave(conn, &wait);
    conn->heard_ns = !ok ? 0 : run.ended_ns ? run.ended_ns : pool__now_ns();
    if (ok && conn->heard_ns - run.started_ns < conn->trip_ns)
        conn->trip_ns = conn->heard_ns - run.started_ns;
    if (ok && (was_in_transaction || conn->trx.guarded || pool__trx_is_doubtful(&conn->trx)))
        pool__trx_note_end(conn, was_in_transaction);
    else if (!ok)
        pool__trx_note_failure(conn, was_in_transaction);
    if (ok || run.stopped) {
        pool__ok(run.err);
        return run.result;
    }
    if (!run.sent)
        run.err->not_executed = true;
    pool_result_free(run.result);
    return NULL;
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
