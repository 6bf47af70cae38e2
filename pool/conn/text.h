/*
 * A statement that is sent as text. See text.c.
 */
#ifndef POOL_CONN_TEXT_H
#define POOL_CONN_TEXT_H

#include "conn/execution.h"
#include "sql/inspect.h"

#include <stdbool.h>
#include <stddef.h>

/* Sends the statement and reads its reply. */
bool pool__text_run(struct pool__execution *exec);

/* Sends the statement, of which exec->info is known, and does not wait for its reply. False: if
 * exec->err is not filled in, libmariadb has the error. */
bool pool__text_send(struct pool__execution *exec);

#endif
