/*
 * A prepared statement. See prepared.c.
 */
#ifndef POOL_CONN_PREPARED_H
#define POOL_CONN_PREPARED_H

#include "conn/execution.h"
#include "conn/stmt.h"

#include <stdbool.h>

/* Of a statement whose values are bound: prepares it if need be, executes it and reads its reply.
 */
bool pool__prepared_run(struct pool__execution *exec, struct pool__stmt *stmt);

/* Of one that is prepared: bind its values and send it; and wait for the reply up to its first set.
 */
bool pool__prepared_bind_and_send(struct pool__execution *exec, struct pool__stmt *stmt);
bool pool__prepared_receive(struct pool__execution *exec, struct pool__stmt *stmt);

/* One was prepared just now, or was not. True if the server has no room for another. */
bool pool__prepared_note(struct pool__stmt_cache *cache, const struct pool__stmt *stmt, bool ok);

/* After a failure: the server does not know the statement any more, and has not run it. */
bool pool__prepared_is_forgotten(const struct pool__execution *exec, const struct pool__stmt *stmt);

#endif
