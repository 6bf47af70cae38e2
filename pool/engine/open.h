/*
 * The opening of connections. See open.c.
 */
#ifndef POOL_ENGINE_OPEN_H
#define POOL_ENGINE_OPEN_H

struct pool;

/* A worker opens a connection for the slot, which is in OPENING. threads: the keeper. */
void pool__open_order(struct pool *pool, unsigned slot);

#endif
