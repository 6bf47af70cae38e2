/*
 * Prepared statements that mean something else by now. See stale.c.
 */
#ifndef POOL_CONN_STALE_H
#define POOL_CONN_STALE_H

#include "conn/conn.h"

/* After a statement: statements that were prepared in another database, or that would mean
 * something else by now, are of no use any more. Within a wait. */
void pool__stale_note_statement(struct pool__conn *conn);

/* Before a statement: what the program may have done with the native handle. Within a wait. */
void pool__stale_note_native(struct pool__conn *conn);

#endif
