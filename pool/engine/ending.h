/*
 * Connections that nobody has any more, while the pool ends. See ending.c.
 */
#ifndef POOL_ENGINE_ENDING_H
#define POOL_ENGINE_ENDING_H

struct pool__conn;

struct pool;

/* Takes the connection away from the slot, as its owner may; NULL if the slot has none. */
struct pool__conn *pool__ending_take(struct pool *pool, unsigned slot);
/* Closes a connection that was taken away; NULL is allowed. No lock held. */
void pool__ending_close(struct pool *pool, struct pool__conn *conn);
/* Leaves the slot's connection to pool_end, which kills what runs on it and closes it. Under
 * end_lock. */
void pool__ending_leave_locked(struct pool *pool, unsigned slot);

#endif
