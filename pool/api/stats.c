/*
 * The statistics of a pool. Counters are read without a lock, each for itself; what has to agree is
 * taken from one look at each slot.
 */
#include "base/sync.h"
#include "core/core.h"
#include "engine/pool.h"

#include <string.h>

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* All from one look at each slot's word: the generation in it is the number of borrows,
 * modulo 2^32, so that borrows, returns and what is out agree although `uses` is written
 * a moment later. */
static void add_slots(struct pool *pool, struct pool_stats *stats)
{
    unsigned counts[POOL__SLOT_STATES] = {0};
    for (unsigned i = 0; i < pool->core.limit; i++) {
        struct pool__slot *slot = &pool->core.slots[i];
        uint64_t word = atomic_load(&slot->word);
        uint64_t uses = read_counter(&slot->uses);
        uses += (uint64_t)(int32_t)(pool__slot_generation_of(word) - (uint32_t)uses);
        counts[pool__slot_state_of(word)]++;
        stats->acquired += uses;
        stats->released += uses - (pool__slot_state_of(word) == POOL__SLOT_BUSY);
        stats->queries += read_counter(&slot->queries);
        stats->statement_hits += read_counter(&slot->statement_hits);
        stats->pipelined += read_counter(&slot->pipelined);
    }
    stats->idle = counts[POOL__SLOT_IDLE];
    stats->in_use = counts[POOL__SLOT_BUSY];
    stats->open = counts[POOL__SLOT_IDLE] + counts[POOL__SLOT_BUSY] + counts[POOL__SLOT_CHORE];
    stats->connecting = counts[POOL__SLOT_OPENING];
    stats->closing = counts[POOL__SLOT_CLOSING];
    stats->waiting = atomic_load(&pool->core.waiting);
    /* Who goes along on somebody's connection has been lent it, too. */
    stats->acquired += stats->pipelined;
    stats->released += stats->pipelined;
}

static void add_counters(struct pool *pool, struct pool_stats *stats)
{
    struct pool__counters *counters = &pool->counters;
    uint64_t failed = read_counter(&counters->failed_queries);
    stats->acquire_failures = read_counter(&counters->acquire_failures);
    stats->waited_ns = read_counter(&counters->waited_ns);
    stats->opened = read_counter(&counters->opened);
    stats->connect_failures = read_counter(&counters->connect_failures);
    stats->closed = read_counter(&counters->closed);
    for (unsigned i = 0; i <= POOL_CLOSE_LAST; i++)
        stats->closed_by_reason[i] = read_counter(&counters->closed_by_reason[i]);
    stats->resets = read_counter(&counters->resets);
    stats->pings = read_counter(&counters->pings);
    stats->kills = read_counter(&counters->kills);
    stats->leaks = read_counter(&counters->leaks);
    stats->queries += failed + read_counter(&counters->looped_queries);
    stats->query_errors = failed;
    stats->prepares = read_counter(&pool->budget.prepares);
}

static void add_queue(struct pool *pool, struct pool_stats *stats)
{
    pool__lock(&pool->core.lock);
    stats->pending = atomic_load(&pool->loop.work);
    stats->enqueued = pool->core.enqueued;
    stats->acquire_timeouts = pool->core.timeouts;
    pool__unlock(&pool->core.lock);
    pool__lock(&pool->health.lock);
    stats->state = pool->health.state;
    pool__unlock(&pool->health.lock);
}

void pool_stats(struct pool *pool, struct pool_stats *ret_stats)
{
    memset(ret_stats, 0, sizeof *ret_stats);
    if (pool && pool->core.slots && pool->fork_count == atomic_load(&pool__fork_count)) {
        add_slots(pool, ret_stats);
        add_counters(pool, ret_stats);
        add_queue(pool, ret_stats);
    }
}
