/*
 * The thread that watches sockets and time. See keeper.c.
 */
#ifndef POOL_ENGINE_KEEPER_H
#define POOL_ENGINE_KEEPER_H

#include <stdbool.h>

struct pool;

bool pool__keeper_start(struct pool *pool);
void pool__keeper_stop(struct pool *pool); /* if it was started */

#endif
