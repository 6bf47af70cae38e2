/*
 * How often the keeper looks at the time.
 */
#ifndef POOL_ENGINE_TICK_H
#define POOL_ENGINE_TICK_H

#include <stdint.h>

struct pool;

void pool__tick_init(struct pool *pool);

/* A limit of the server's that is shorter than the pool's own. threads: any. */
void pool__tick_limit(struct pool *pool, uint64_t limit_ns);

#endif
