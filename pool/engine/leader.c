/*
 * A leader and those who follow. When callers outnumber connections, handing a connection from
 * thread to thread costs more than most statements do. So a thread that has borrowed one for a
 * statement takes others along that wait for the same: their statements are sent behind
 * its own, in a pipeline, and each caller is woken when its result is there. A leader leads once
 * and then hands the connection to the oldest waiter, who leads next; so nobody works for others
 * for long. Whom it takes along are the oldest, up to the first that cannot go along: nobody is
 * overtaken by those behind.
 *
 * How many follow is the share of this connection: the waiters divided by the open
 * connections; and some more if the server is far away, see sooner_here. With fewer waiters
 * than connections there are none, because one of those will be free as soon.
 *
 * A follower waits with its own deadline. If that passes, it gives up: its statement has been
 * sent and may run, its reply is read and dropped by the leader. What belongs to the
 * caller (text, values) is not touched then.
 */
#include "engine/leader.h"

#include "base/fiber.h"
#include "base/saved_error.h"
#include "conn/conn.h"
#include "conn/joinable.h"
#include "conn/pipeline.h"
#include "conn/stmt.h"
#include "core/benches.h"
#include "core/followers.h"
#include "core/waiter.h"
#include "engine/pool.h"
#include "engine/queued.h"

#define LEAST_MEAN_NS 50000 /* no statement is taken to be quicker on a server with others */

/* A member of the pipeline as the leader knows it. */
struct follower {
    struct pool *pool;
    unsigned slot;
    struct pool__queued *queued; /* NULL for the leader's own, */
    struct pool__job *job;       /* which has these */
    const struct pool_error *err;
};

static void note_failure(const struct follower *follower, const struct pool__saved_error *saved)
{
    struct pool_error err;
    pool__saved_error_tell(saved, &err);
    pool__job_note_error(follower->pool, follower->slot, &err);
}

static void tell(struct pool__pipeline_member *member, struct pool__wakes *wakes)
{
    struct follower *follower = member->owner;
    struct pool__queued *queued = follower->queued;
    if (!queued) {
        if (follower->job->told)
            follower->job->told(follower->job, member->result, follower->err);
        return;
    }
    queued->result = member->result;
    struct pool__slot *slot = &follower->pool->core.slots[follower->slot];
    bool counts = member->result && !queued->waiter.wake; /* callbacks are counted by the loop */
    pool__job_add(&slot->queries, counts);
    pool__job_add(&slot->pipelined, 1);
    if (!member->result)
        note_failure(follower, &queued->saved);
    if (!pool__followers_done(&follower->pool->core, &queued->waiter, wakes)) {
        pool__job_add(&slot->queries,
                      -(uint64_t)counts); /* its caller has left, and counts as failed */
        pool_result_free(member->result);
    }
    pool__queued_drop(queued);
}

static void tell_all(struct pool__pipeline_member **members, unsigned count)
{
    const struct follower *first = members[0]->owner;
    struct pool__core *core = &first->pool->core;
    struct pool__wakes wakes = {0};
    for (unsigned i = 0; i < count; i++)
        tell(members[i], &wakes);
    pool__benches_wake(core, &wakes);
}

static bool on_progress(struct pool__pipeline_member **members, unsigned count,
                        enum pool__pipeline_progress progress)
{
    const struct follower *first = members[0]->owner;
    switch (progress) {
    case POOL__PIPELINE_SENT: pool__waiter_sent(&first->queued->waiter); return true;
    case POOL__PIPELINE_HOLD:
        if (pool__waiter_hold(&first->queued->waiter))
            return true;
        tell_all(members, 1);
        return false;
    case POOL__PIPELINE_DONE: tell_all(members, count); return true;
    }
    return false;
}

struct limits {
    const struct pool__conn *conn;
    size_t room; /* in bytes */
    bool callbacks_only;
};

static bool may_follow(const struct pool__waiter *waiter, void *arg)
{
    struct limits *limits = arg;
    const struct pool__queued *queued = POOL__ENTRY(waiter, const struct pool__queued, waiter);
    const struct pool__statement *statement = &queued->job->statement;
    if ((limits->callbacks_only && !waiter->wake) || statement->size > limits->room ||
        !pool__joinable_statement(limits->conn, statement))
        return false;
    limits->room -= statement->size;
    return true;
}

/* This connection's share of those who wait. */
static unsigned share(const struct pool *pool, unsigned open)
{
    return open ? atomic_load(&pool->core.waiting) / open : 0;
}

/* The others wait for the next connection, which is on its way for as long as the server is
 * away, divided by their number. For so long others may go before one on this. */
static unsigned sooner_here(const struct pool__conn *conn, const struct pool__stmt *stmt,
                            unsigned open)
{
    uint64_t each_ns = stmt->mean_ns > LEAST_MEAN_NS ? stmt->mean_ns : LEAST_MEAN_NS;
    uint64_t count = conn->trip_ns / open / each_ns;
    return count < POOL__PIPELINE_MOST ? (unsigned)count : POOL__PIPELINE_MOST;
}

/* If the leader's time runs out the connection is given up, with the followers' replies. Under
 * load many come to lead with hardly any time left. */
static bool has_time_for_others(uint64_t deadline_ns)
{
    return deadline_ns == POOL__FOREVER ||
           deadline_ns > pool__now_ns() + POOL__SHORTEST_PIPELINED_MS * POOL__NS_PER_MS;
}

/* Those who were taken along. */
struct taken {
    struct pool__waiter *waiters[POOL__PIPELINE_MOST];
    unsigned count;
};

static void take_along(struct pool *pool, const struct pool__borrowed *borrowed,
                       const struct pool__job *job, struct taken *ret_taken)
{
    /* A program that does not dispatch would keep blocking callers waiting for its replies. */
    bool callbacks_only = pool->loop.manual && pool__fiber_current();
    struct limits limits = {borrowed->conn, POOL__PIPELINE_BYTES - job->statement.size,
                            callbacks_only};
    unsigned open = pool->core.limit - atomic_load(&pool->core.absent);
    unsigned wanted = share(pool, open);
    if (!wanted || !pool__joinable_conn(borrowed->conn))
        return;
    const struct pool__stmt *own = pool__joinable_statement(borrowed->conn, &job->statement);
    if (!own)
        return;
    wanted += sooner_here(borrowed->conn, own, open);
    unsigned most = pool->options.v.pipeline_depth - 1;
    ret_taken->count = pool__followers_take(&pool->core, wanted < most ? wanted : most, may_follow,
                                            &limits, ret_taken->waiters);
    atomic_fetch_add(&pool->followers, ret_taken->count);
}

struct group {
    struct pool__pipeline_member members[POOL__PIPELINE_MOST];
    struct follower followers[POOL__PIPELINE_MOST];
};

static void add_member(struct group *group, unsigned index, struct pool *pool, unsigned slot,
                       struct pool__queued *queued)
{
    group->followers[index] = (struct follower){.pool = pool, .slot = slot, .queued = queued};
    group->members[index] = (struct pool__pipeline_member){.owner = &group->followers[index]};
    if (!queued)
        return;
    atomic_fetch_add(&queued->holders, 1);
    group->members[index].statement = &queued->job->statement;
    group->members[index].saved = &queued->saved;
    group->members[index].deadline_ns = queued->waiter.abandon_ns;
}

static struct pool_result *lead(struct pool *pool, const struct pool__borrowed *borrowed,
                                struct pool__job *job, const struct taken *taken,
                                uint64_t deadline_ns, struct pool_error *err)
{
    struct group group;
    add_member(&group, 0, pool, borrowed->slot, NULL);
    group.followers[0].job = job;
    group.followers[0].err = err;
    group.members[0].statement = &job->statement;
    group.members[0].deadline_ns = deadline_ns;
    for (unsigned i = 0; i < taken->count; i++)
        add_member(&group, i + 1, pool, borrowed->slot,
                   POOL__ENTRY(taken->waiters[i], struct pool__queued, waiter));
    pool__pipeline_run(borrowed->conn, group.members, taken->count + 1, deadline_ns, err,
                       on_progress);
    struct pool_result *result = group.members[0].result;
    pool__job_conclude(pool, borrowed, result, err);
    return result;
}

struct pool_result *pool__leader_run(struct pool *pool, const struct pool__borrowed *borrowed,
                                     struct pool__job *job, uint64_t call_deadline_ns,
                                     uint64_t waited_ns, struct pool_error *err)
{
    struct taken taken;
    uint64_t deadline_ns = 0;
    taken.count = 0;
    job->pipelined = false;
    if (job->may_follow && atomic_load(&pool->core.waiting)) {
        deadline_ns = pool__job_deadline(pool, job, call_deadline_ns, waited_ns);
        if (has_time_for_others(deadline_ns))
            take_along(pool, borrowed, job, &taken);
    }
    if (taken.count == 0)
        return pool__job_run(pool, borrowed, job, call_deadline_ns, waited_ns, err);
    job->pipelined = true;
    borrowed->conn->handed_over = waited_ns != 0;
    return lead(pool, borrowed, job, &taken, deadline_ns, err);
}
