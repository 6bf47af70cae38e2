/*
 * What a statement leaves of a connection. See outcome.c.
 */
#ifndef POOL_CONN_OUTCOME_H
#define POOL_CONN_OUTCOME_H

#include "conn/conn.h"
#include "conn/wait.h"
#include "sql/inspect.h"

#include <stdbool.h>

struct st_mysql_stmt; /* libmariadb's MYSQL_STMT */

/* Before a statement is sent: what it may leave behind if it fails. */
void pool__outcome_note_send(struct pool__conn *conn, const struct pool__sql_info *info);

/* After any statement: takes over the status that came with the reply. `ok`: with an OK packet,
 * not behind rows. */
void pool__outcome_note_status(struct pool__conn *conn, enum pool__sql_class class_, bool ok);

/* Fills err from the handle's (or the statement's) error. `sent`: the statement may
 * have reached the server, should the deadline have passed. Marks the connection
 * broken or dirty as the code asks. */
void pool__outcome_fail(struct pool__conn *conn, const struct pool__wait *wait,
                        struct st_mysql_stmt *stmt, bool sent, struct pool_error *err);

#endif
