/*
 * How the session of a connection reads quotes. See quotes.c.
 */
#ifndef POOL_CONN_QUOTES_H
#define POOL_CONN_QUOTES_H

#include "conn/conn.h"
#include "conn/execution.h"
#include "sql/inspect.h"
#include "sql/statement.h"

#include <stdbool.h>

/* Whether the session's way of reading quotes is known as far as the statement, with
 * its values written into it, depends on that. */
bool pool__quotes_known(const struct pool__conn *conn, const struct pool__statement *statement,
                        const struct pool__sql_info *info);
/* Sets exec->quotes: to unknown, unless the quotes matter and are known. */
void pool__quotes_use(struct pool__execution *exec, const struct pool__sql_info *info);
/* The same, but first asks the server if need be; it must have answered everything before. False if
 * the question fails. */
bool pool__quotes_find(struct pool__execution *exec, const struct pool__sql_info *info);

/* Notes how the session reads quotes from now on, as its @@sql_mode and @@character_set_client say,
 * either of which may be NULL. */
void pool__quotes_note(struct pool__conn *conn, const char *sql_mode, const char *charset);

#endif
