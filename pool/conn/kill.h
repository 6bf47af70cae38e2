/*
 * Statements that end others, sent on a connection of the pool's own. threads: the owner of that
 * connection.
 */
#ifndef POOL_CONN_KILL_H
#define POOL_CONN_KILL_H

#include <stdbool.h>
#include <stdint.h>

struct pool__conn;

/* Kills the session `thread_id` from this (control) connection. A session that is being
 * killed may go on for a while: GONE comes with a later call, when the server does not
 * know it any more. */
enum pool__kill { POOL__KILL_FAILED, POOL__KILL_SENT, POOL__KILL_GONE };
enum pool__kill pool__kill_session(struct pool__conn *conn, unsigned long thread_id,
                                   uint64_t deadline_ns);

/* Kills many sessions with one statement, where the server knows such: it goes on killing although
 * nobody waits for the answer any more. Returns how many sessions the server was told of. */
unsigned pool__kill_sessions(struct pool__conn *conn, const unsigned long *thread_ids,
                             unsigned count, uint64_t deadline_ns);

/* Stops the statement that the session runs, if any. False if the KILL was sent and not
 * answered. */
bool pool__kill_statement(struct pool__conn *conn, unsigned long thread_id, uint64_t deadline_ns);

/* Whether the server still has a thread for the session; false in *ret_known if it did
 * not say. The session must be of the same user. */
bool pool__kill_sees_thread(struct pool__conn *conn, unsigned long thread_id, uint64_t deadline_ns,
                            bool *ret_known);

#endif
