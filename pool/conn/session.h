/*
 * The session of a connection: set up after the login, brought back after a borrower has
 * changed it.
 *
 * Called by whoever owns the connection, one thread at a time.
 */
#ifndef POOL_CONN_SESSION_H
#define POOL_CONN_SESSION_H

#include "conn/conn.h"

#include <stdbool.h>
#include <stdint.h>

/* After the login: the pool's own settings, and the facts of the server. */
bool pool__session_start(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err);

/* Runs the init SQL and the init callback. */
bool pool__session_init(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err);

/* Brings the session back to what a new one is. After a failure the connection is to be closed. */
bool pool__session_reset(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err);

#endif
