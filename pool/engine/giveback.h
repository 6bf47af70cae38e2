/*
 * Connections that are given back. See giveback.c.
 */
#ifndef POOL_ENGINE_GIVEBACK_H
#define POOL_ENGINE_GIVEBACK_H

#include "mypool.h"

#include <stdbool.h>

struct pool;

/* The owner of a BUSY slot gives it back, whatever its condition; or gives it back to be closed. */
void pool__giveback(struct pool *pool, unsigned slot);
void pool__giveback_destroy(struct pool *pool, unsigned slot);
/* Tells whoever waits for the last return, in pool_end or, while the pool drains, in its loop.
 * `ending`: as it was before the return. */
void pool__giveback_tell(struct pool *pool, bool ending);
/* A caller orders work on a slot in CHORE, to reset or else to close its connection; the only way
 * to do so that is right at any time. */
void pool__giveback_hand_in(struct pool *pool, unsigned slot, bool reset,
                            enum pool_close_reason reason);

#endif
