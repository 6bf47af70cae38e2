/*
 * The execution of one statement on a connection that is not broken, whatever its holder believes
 * of his transaction. See execute.c; to the outside it is query.h.
 */
#ifndef POOL_CONN_EXECUTE_H
#define POOL_CONN_EXECUTE_H

#include "conn/conn.h"
#include "sql/statement.h"

#include <stdbool.h>
#include <stdint.h>

struct pool__sink;

/* `err` says that nothing has failed yet. NULL on failure; conn->broken and conn->dirty say what
 * has become of the connection. */
struct pool_result *pool__execute(struct pool__conn *conn, const struct pool__statement *statement,
                                  const struct pool__sink *sink, uint64_t deadline_ns,
                                  struct pool_error *err);

/* Executes a text of the pool's own, whose result nobody wants. */
bool pool__execute_quietly(struct pool__conn *conn, const char *sql, uint64_t deadline_ns,
                           struct pool_error *err);

#endif
