/*
 * Whose statements may go together in a pipeline. See joinable.c.
 */
#ifndef POOL_CONN_JOINABLE_H
#define POOL_CONN_JOINABLE_H

#include "conn/conn.h"
#include "conn/stmt.h"
#include "sql/statement.h"

#include <stdbool.h>

/* Whether statements can go together on this connection, as far as its server and its
 * session are concerned. */
bool pool__joinable_conn(const struct pool__conn *conn);

/* Returns what the connection knows of the statement, if it may go together with others: prepared
 * here, plain, and known to be quick. Else NULL. */
const struct pool__stmt *pool__joinable_statement(const struct pool__conn *conn,
                                                  const struct pool__statement *statement);

#endif
