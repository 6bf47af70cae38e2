/*
 * One request on one connection, start to finish: refused if the connection is broken, or its
 * holder believes in a transaction that has ended; else executed.
 *
 * Whoever owns the connection runs this; there are no locks.
 */
#include "conn/query.h"

#include "base/error.h"
#include "conn/conn.h"
#include "conn/doubt.h"
#include "conn/execute.h"
#include "conn/trx.h"

#include <string.h>

struct pool_result *pool__query(struct pool__conn *conn, const struct pool__statement *statement,
                                const struct pool__sink *sink, uint64_t deadline_ns,
                                struct pool_error *err)
{
    POOL__OWN_ERROR(err);
    if (conn->broken) {
        pool__conn_fail_broken(conn, err);
        return NULL;
    }
    pool__trx_note_native(conn);
    if (pool__trx_is_doubtful(&conn->trx) &&
        !pool__doubt_allows(conn, statement->text, statement->text_len, deadline_ns, err))
        return NULL;
    return pool__execute(conn, statement, sink, deadline_ns, err);
}

struct pool_result *pool__query_text(struct pool__conn *conn, const char *sql, size_t len,
                                     uint64_t deadline_ns, struct pool_error *err)
{
    struct pool__statement statement = {.text = sql, .text_len = len, .as_text = true, .own = true};
    return pool__query(conn, &statement, NULL, deadline_ns, err);
}

bool pool__say(struct pool__conn *conn, const char *sql, uint64_t deadline_ns,
               struct pool_error *err)
{
    struct pool_result *result = pool__query_text(conn, sql, strlen(sql), deadline_ns, err);
    pool_result_free(result);
    return result != NULL;
}
