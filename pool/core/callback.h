/*
 * What this thread runs of the program's: callbacks, and on the pool's own threads everything.
 * So pool_end can tell when it would wait for itself. threads: any; each sees its own.
 */
#ifndef POOL_CORE_CALLBACK_H
#define POOL_CORE_CALLBACK_H

#include "base/barrier.h"

#include <stdbool.h>

struct pool;

/* Around every callback. Returns what was set before, to be put back. */
const struct pool *pool__callback_set(const struct pool *pool);
/* The same, and no exception gets past it. */
static inline __attribute__((always_inline)) const struct pool *
pool__callback_enter(const struct pool *pool)
{
    POOL__BARRIER();
    return pool__callback_set(pool);
}
void pool__callback_leave(const struct pool *before);

/* Whether this thread is inside a callback or a hook of the pool. */
bool pool__callback_in(const struct pool *pool);

#endif
