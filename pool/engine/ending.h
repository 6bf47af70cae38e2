/*
 * Connections that nobody has any more, while the pool ends. See ending.c.
 */
#ifndef POOL_ENGINE_ENDING_H
#define POOL_ENGINE_ENDING_H

struct pool__conn;

struct pool;

/* The slot's, whose owner takes it away; NULL if it has none. */
struct pool__conn *pool__ending_take(struct pool *pool, unsigned slot);
/* The last thing that is done with it; NULL is allowed. No lock held. */
void pool__ending_close(struct pool *pool, struct pool__conn *conn);
/* For pool_end, which kills what runs on it and closes it. Under end_lock. */
void pool__ending_leave_locked(struct pool *pool, unsigned slot);

#endif
