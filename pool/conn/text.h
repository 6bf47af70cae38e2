/*
 * A statement that is sent as text. See text.c.
 */
#ifndef POOL_CONN_TEXT_H
#define POOL_CONN_TEXT_H

#include "conn/execution.h"
#include "sql/inspect.h"

#include <stdbool.h>
#include <stddef.h>

/* Sends it and reads its reply. */
bool pool__text_run(struct pool__execution *exec);

/* Sends one whose exec->info is known, and does not wait for its reply. If the error is not filled
 * in, libmariadb has it. */
bool pool__text_send(struct pool__execution *exec);

#endif
