/*
 * How often the keeper looks at the time: an eighth of the shortest limit, at most one second.
 */
#include "engine/tick.h"

#include "base/sync.h"
#include "engine/pool.h"

static uint64_t eighth(uint64_t ns)
{
    return ns / 8 < 5 * POOL__NS_PER_MS ? 5 * POOL__NS_PER_MS : ns / 8;
}

static uint64_t from_options(const struct pool *pool)
{
    const struct pool_options *v = &pool->options.v;
    uint32_t shortest = 8000;
    const uint32_t limits[] = {v->idle_timeout_ms, v->max_lifetime_ms, v->keepalive_ms,
                               v->leak_after_ms};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i] < shortest)
            shortest = limits[i];
    return eighth(shortest * POOL__NS_PER_MS);
}

void pool__tick_limit(struct pool *pool, uint64_t limit_ns)
{
    if (eighth(limit_ns) < atomic_load(&pool->tick_ns))
        atomic_store(&pool->tick_ns, eighth(limit_ns));
}

void pool__tick_init(struct pool *pool)
{
    atomic_store(&pool->tick_ns, from_options(pool));
}
