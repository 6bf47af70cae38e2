/*
 * Statements of whoever may believe in a transaction that has ended. See doubt.c.
 */
#ifndef POOL_CONN_DOUBT_H
#define POOL_CONN_DOUBT_H

#include "conn/conn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False with the reason, and not_executed, if the statement must not be sent. May ask the
 * server. */
bool pool__doubt_allows(struct pool__conn *conn, const char *sql, size_t len, uint64_t deadline_ns,
                        struct pool_error *err);

/* Asks the server what has become of the transaction, if a statement that failed may have ended it,
 * and perhaps committed it. */
void pool__doubt_resolve(struct pool__conn *conn, uint64_t deadline_ns);

#endif
