/*
 * What outlives a pool. See ended.c.
 */
#ifndef POOL_ENGINE_ENDED_H
#define POOL_ENGINE_ENDED_H

struct pool;

/* Gives back everything but the memory that late callers may look at; all of it if the pool never
 * came to be. There are no threads of the pool's any more. */
void pool__ended_free(struct pool *pool);

/* Around a fork, so that the child finds the list in order. */
void pool__ended_lock(void);
void pool__ended_unlock(void);

#endif
