/*
 * Callbacks that run on a thread of the program's. See dispatch.c.
 */
#ifndef POOL_ASYNC_DISPATCH_H
#define POOL_ASYNC_DISPATCH_H

#include <stdbool.h>

struct pool;

/* With manual_dispatch, pool_end runs what callbacks are left itself: false if there is nothing to
 * run here. */
bool pool__dispatch_run(struct pool *pool, int timeout_ms);
void pool__dispatch_finish(struct pool *pool); /* when all queues are shut */

#endif
