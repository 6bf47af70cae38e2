/*
 * What becomes of pools in a forked child. See fork.c.
 */
#ifndef POOL_API_FORK_H
#define POOL_API_FORK_H

struct pool;

/* Once per process, before the first pool. */
void pool__fork_watch(void);

/* Closes what the child has of a pool of its parent's. */
void pool__fork_close_copies(struct pool *pool);

#endif
