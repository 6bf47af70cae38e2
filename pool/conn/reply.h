/*
 * The reply to a statement. See reply.c.
 */
#ifndef POOL_CONN_REPLY_H
#define POOL_CONN_REPLY_H

#include "conn/conn.h"
#include "conn/execution.h"
#include "conn/stmt.h"

#include <stdbool.h>

#define POOL__LEAST_REPLY 11 /* bytes of an OK packet with its header */

/* Sleeps until the reply begins. libmariadb alone would try to read first and find nothing, which
 * is a system call for nothing. */
void pool__reply_await(const struct pool__conn *conn);
/* Waits for the reply to a text up to its first set. */
bool pool__reply_receive_text(struct pool__execution *exec);

/* Read the reply to its end, into exec->result or through the sink. False with the error
 * filled in; the connection is marked broken if the reply was not read to its end. */
bool pool__reply_read_prepared(struct pool__execution *exec, struct pool__stmt *stmt);
bool pool__reply_read_text(struct pool__execution *exec);

#endif
