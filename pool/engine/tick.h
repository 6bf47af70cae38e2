/*
 * How often the keeper looks at the time.
 */
#ifndef POOL_ENGINE_TICK_H
#define POOL_ENGINE_TICK_H

#include <stdint.h>

struct pool;

void pool__tick_init(struct pool *pool);

/* The server has a limit of its own, which the tick must not miss. threads: any. */
void pool__tick_limit(struct pool *pool, uint64_t limit_ns);

#endif
