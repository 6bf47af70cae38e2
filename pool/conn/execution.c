/*
 * What the executions of all kinds of statements have in common: the look at the socket before
 * anything is sent, the limits, and what is noted afterwards.
 */
#include "conn/execution.h"

#include "base/error.h"
#include "base/sync.h"
#include "result/result.h"

bool pool__execution_look(struct pool__execution *exec)
{
    exec->looked = exec->looked || pool__conn_is_quiet(exec->conn);
    if (exec->looked)
        return true;
    exec->conn->broken = true;
    return pool__fail_lost(
        exec->err, POOL_ERR_LOST,
        "the server had closed the connection, or was out of step, before the statement "
        "was sent");
}

#define OWN_BYTES ((size_t)1 << 16) /* the pool's own questions have one row */

bool pool__execution_begin(struct pool__execution *exec)
{
    const struct pool_options *options = &exec->conn->options->v;
    bool stream = exec->sink && exec->sink->fn; /* keeps no rows, so there is nothing to limit */
    bool own = exec->statement && exec->statement->own;
    uint64_t rows = stream || options->max_rows == POOL_UNLIMITED ? UINT64_MAX : options->max_rows;
    size_t bytes =
        own && options->max_result_bytes < OWN_BYTES ? OWN_BYTES : options->max_result_bytes;
    exec->result = pool__result_new(rows, bytes);
    if (!exec->result)
        return pool__fail(exec->err, POOL_ERR_NOMEM, "out of memory for a result");
    return true;
}

/* The server would answer a packet over its limit with an error or by hanging up,
 * depending on timing: better not to send it. */
bool pool__execution_check_size(struct pool__execution *exec, size_t len)
{
    size_t limit = pool__conn_packet_limit(exec->conn);
    if (len < limit)
        return true;
    return pool__fail_unsent(exec->err, POOL_ERR_TOO_BIG,
                             "a statement of %zu bytes is over the limit of %zu (%s)", len, limit,
                             limit == exec->conn->options->v.max_packet_bytes
                                 ? "max_packet_bytes"
                                 : "the server's max_allowed_packet");
}

bool pool__execution_check_single(struct pool__execution *exec, const struct pool__sql_info *info,
                                  bool text)
{
    if (!info->multiple || (text && exec->conn->options->v.multi_statements))
        return true;
    return pool__fail(exec->err, POOL_ERR_INVALID,
                      "several statements in one request need the option multi_statements and "
                      "a request with `text`: there is no %s",
                      text ? "multi_statements" : "`text`");
}

void pool__execution_note_time(const struct pool__conn *conn, struct pool__stmt *stmt, uint64_t ns,
                               unsigned count)
{
    uint64_t way_ns = conn->trip_ns == UINT64_MAX ? 0 : conn->trip_ns;
    pool__stmt_note_time(stmt, ns > way_ns ? (ns - way_ns) / count : 0);
}

void pool__execution_note(struct pool__execution *exec, struct pool__stmt *stmt, bool typical)
{
    exec->ended_ns = pool__now_ns();
    if (typical)
        pool__execution_note_time(exec->conn, stmt, exec->ended_ns - exec->started_ns, 1);
    if (exec->conn->dirty || exec->conn->in_transaction)
        stmt->leaves_traces = true;
}
