/*
 * A prepared statement. See prepared.c.
 */
#ifndef POOL_CONN_PREPARED_H
#define POOL_CONN_PREPARED_H

#include "conn/execution.h"
#include "conn/stmt.h"

#include <stdbool.h>

/* Executes a statement whose values are bound: prepares it if need be, sends it and reads its
 * reply. */
bool pool__prepared_run(struct pool__execution *exec, struct pool__stmt *stmt);

/* The same in steps for a statement that is prepared: binds its values and sends it; and waits for
 * the reply up to its first set. */
bool pool__prepared_bind_and_send(struct pool__execution *exec, struct pool__stmt *stmt);
bool pool__prepared_receive(struct pool__execution *exec, struct pool__stmt *stmt);

/* Notes that the statement was prepared, or that the server has refused to. True if the server has
 * no room for another one. */
bool pool__prepared_note(struct pool__stmt_cache *cache, const struct pool__stmt *stmt, bool ok);

/* Whether an execution has failed because the server does not know the statement any more: then it
 * has not run. */
bool pool__prepared_is_forgotten(const struct pool__execution *exec, const struct pool__stmt *stmt);

#endif
