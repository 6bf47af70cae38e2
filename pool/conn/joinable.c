/*
 * Whose statements may go together in a pipeline: plain ones that are prepared on the connection
 * (or, in a pool that never prepares, run as text), leave no traces in the session, are known to be
 * quick and fit into a packet; and a connection whose server is known to answer in order.
 */
#include "conn/joinable.h"

#include "base/sync.h"
#include "conn/quotes.h"

#include <mysql.h>

#define QUICK_NS POOL__NS_PER_MS /* on average */

bool pool__joinable_conn(const struct pool__conn *conn)
{
    unsigned status = conn->mysql->server_status;
    return conn->pipelines && !conn->broken && !conn->dirty && !conn->in_transaction &&
           (status & SERVER_STATUS_AUTOCOMMIT) && !(status & SERVER_MORE_RESULTS_EXIST);
}

static bool is_quick(const struct pool__stmt *stmt)
{
    return stmt->mean_ns && stmt->mean_ns < QUICK_NS;
}

static bool is_prepared(const struct pool__stmt *stmt, const struct pool__statement *statement)
{
    return stmt->native && stmt->native->state >= MYSQL_STMT_PREPARED &&
           stmt->info.placeholders == statement->count &&
           mysql_stmt_param_count(stmt->native) == statement->count;
}

const struct pool__stmt *pool__joinable_statement(const struct pool__conn *conn,
                                                  const struct pool__statement *statement)
{
    const struct pool__stmt *stmt =
        pool__stmt_peek(&conn->cache, statement->sql, statement->len, statement->hash,
                        pool__stmt_values_of(statement));
    bool may = stmt && stmt->info.class_ == POOL__SQL_PLAIN && !stmt->leaves_traces &&
               !stmt->info.multiple && is_quick(stmt) && statement->size < conn->max_packet &&
               (statement->as_text ? stmt->info.placeholders == statement->args.count &&
                                         pool__quotes_known(conn, statement, &stmt->info)
                                   : is_prepared(stmt, statement));
    return may ? stmt : NULL;
}
