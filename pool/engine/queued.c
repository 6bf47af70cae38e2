/*
 * A statement whose caller waits for a connection, or whose statement was taken along by another
 * borrower, the leader of a pipeline, who executes it together with his own. It is on the heap,
 * because the caller may give up while the leader still has it: it goes with the last of the two.
 */
#include "engine/queued.h"

#include "base/error.h"
#include "engine/hooks.h"
#include "engine/pool.h"

#include <stdlib.h>

/* Of the time that the statement's attempts have together. */
static uint64_t time_left(const struct pool *pool, const struct pool__job *job, uint64_t waited_ns)
{
    if (!job->limit_ns)
        return pool__after_ms(0, pool->options.v.query_timeout_ms);
    uint64_t now = pool__now_ns();
    uint64_t end = job->limit_ns + waited_ns;
    return end > now ? end - now : 0;
}

void pool__queued_init(struct pool__queued *queued, struct pool *pool, const struct pool__job *job,
                       uint64_t call_deadline_ns)
{
    queued->waiter = (struct pool__waiter){.follow_deadline_ns = call_deadline_ns};
    atomic_init(&queued->holders, 1);
    queued->pool = pool;
    queued->job = job;
    queued->result = NULL;
    queued->saved = (struct pool__saved_error){.code = POOL_OK};
}

void pool__queued_get_ready(struct pool__queued *queued, uint64_t waited_ns)
{
    struct pool__waiter *waiter = &queued->waiter;
    waiter->follow_ns = time_left(queued->pool, queued->job, waited_ns);
    waiter->may_follow = queued->job->may_follow &&
                         waiter->follow_ns >= POOL__SHORTEST_PIPELINED_MS * POOL__NS_PER_MS;
}

struct pool__queued *pool__queued_new(struct pool *pool, const struct pool__job *job,
                                      uint64_t call_deadline_ns, uint64_t waited_ns)
{
    struct pool__queued *queued = job->may_follow ? malloc(sizeof *queued) : NULL;
    if (!queued)
        return NULL;
    pool__queued_init(queued, pool, job, call_deadline_ns);
    pool__queued_get_ready(queued, waited_ns);
    return queued;
}

void pool__queued_drop(struct pool__queued *queued)
{
    if (!queued || atomic_fetch_sub(&queued->holders, 1) != 1)
        return;
    pool__saved_error_drop(&queued->saved);
    free(queued);
}

/* pool_end waits until everybody is off. */
static void follower_is_off(struct pool *pool)
{
    if (atomic_fetch_sub(&pool->followers, 1) == 1 && atomic_load(&pool->ending)) {
        atomic_fetch_add(&pool->returns, 1);
        pool__unpark(&pool->returns);
    }
}

struct pool_result *pool__queued_end(struct pool__queued *queued, struct pool__job *job,
                                     enum pool__queue_result outcome, struct pool__ask *ask,
                                     struct pool_error *err)
{
    struct pool *pool = queued->pool;
    const struct pool__waiter *waiter = &queued->waiter;
    uint64_t in_queue_ns = waiter->taken_ns - waiter->enqueued_ns;
    ask->waited_ns += in_queue_ns;
    if (!job->limit_ns && waiter->follow_ns != POOL__FOREVER)
        job->limit_ns = waiter->taken_ns + waiter->follow_ns - ask->waited_ns;
    struct pool_result *result = outcome == POOL__QUEUE_DONE ? queued->result : NULL;
    if (outcome == POOL__QUEUE_ABANDONED)
        pool__fail(err, POOL_ERR_QUERY_TIMEOUT,
                   "the statement passed its deadline; it had been sent, behind those of others");
    else
        pool__saved_error_tell(&queued->saved, err);
    atomic_fetch_add_explicit(&pool->counters.waited_ns, in_queue_ns, memory_order_relaxed);
    if (pool->options.v.hooks.on_acquire)
        pool__hooks_tell_acquire(pool, in_queue_ns);
    if (!job->looped)
        pool__job_attempt_ended(pool, ask, job, NULL, result, err);
    if (pool->options.v.hooks.on_release)
        pool__hooks_tell_release(pool, pool__now_ns() - waiter->taken_ns);
    follower_is_off(pool);
    return result;
}
