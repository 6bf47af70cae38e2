/*
 * The mode `async`: one thread, and many calls with callbacks in flight.
 *
 * The only caller is the loop: it starts --in-flight calls and dispatches; each callback
 * checks its row and starts the next call. A latency is the time from the start of a call to
 * its callback, the wait for a connection included. What ends while the measurement runs
 * counts; as many calls are on their way at its end as at its start.
 */
#include "warm.h"

#include <stdlib.h>
#include <time.h>

#define DISPATCH_MS 100
#define PATIENCE_S 30 /* for the last calls */

struct flight;

/* One of the calls in flight. */
struct call {
    struct flight *flight;
    int64_t key;
    uint64_t start_ns;
    bool under_way;
};

/* All of them; belongs to the caller. */
struct flight {
    struct caller *caller;
    bool stopping;
    unsigned under_way;
    unsigned done; /* succeeded since the last look */
    struct call calls[];
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void start(struct call *call);

static void on_row(const struct pool_error *err, struct pool_result *rows, void *arg)
{
    struct call *call = arg;
    struct caller *caller = call->flight->caller;
    struct problem problem;
    bool ok = !err;

    if (err)
        warm_problem(err, &problem);
    else if (caller->config->default_query)
        ok = warm_check_row(rows, call->key, &problem);
    pool_result_free(rows);
    if (!ok)
        caller_failed(caller, &problem);
    else if (caller->measuring)
        histogram_add(&caller->latency, now_ns() - call->start_ns);
    call->flight->done += ok;
    call->flight->under_way--;
    call->under_way = false;
    if (!call->flight->stopping)
        start(call);
}

/* If it is refused it stays idle until the next operation. */
static void start(struct call *call)
{
    struct caller *caller = call->flight->caller;
    const struct config *config = caller->config;
    struct pool_args args = POOL_NO_ARGS;
    struct pool_value key;
    struct pool_error err;
    struct problem problem;

    call->key = caller_key(caller);
    call->start_ns = now_ns();
    if (config->takes_key) {
        key = pool_int(call->key);
        args = (struct pool_args){&key, 1};
    }
    call->under_way = pool_query_async(caller->shared, config->query, args, on_row, call, &err);
    if (call->under_way) {
        call->flight->under_way++;
        return;
    }
    warm_problem(&err, &problem);
    caller_failed(caller, &problem);
}

static bool async_open(const struct config *config, void **ret_pool, struct problem *problem)
{
    struct config own = *config;

    own.options.manual_dispatch = true;
    return warm_open(&own, ret_pool, problem);
}

static bool async_caller_open(struct caller *caller, struct problem *problem)
{
    unsigned count = caller->config->in_flight;
    struct flight *flight = calloc(1, sizeof(*flight) + count * sizeof(struct call));

    if (!flight) {
        problem_set(problem, "memory", "out of memory for %u calls", count);
        return false;
    }
    flight->caller = caller;
    for (unsigned i = 0; i < count; i++)
        flight->calls[i].flight = flight;
    caller->own = flight;
    return true;
}

static unsigned async_operation(struct caller *caller)
{
    struct flight *flight = caller->own;

    for (unsigned i = 0;
         flight->under_way < caller->config->in_flight && i < caller->config->in_flight; i++)
        if (!flight->calls[i].under_way)
            start(&flight->calls[i]);
    flight->done = 0;
    pool_dispatch(caller->shared, DISPATCH_MS);
    return flight->done;
}

/* Nothing counts any more. */
static void async_caller_close(struct caller *caller)
{
    struct flight *flight = caller->own;
    uint64_t until = now_ns() + PATIENCE_S * UINT64_C(1000000000);

    caller->measuring = false;
    flight->stopping = true;
    while (flight->under_way > 0 && now_ns() < until)
        pool_dispatch(caller->shared, DISPATCH_MS);
    if (flight->under_way == 0) /* else the end of the pool tells the rest */
        free(flight);
}

const struct mode mode_async = {
    .name = "async",
    .timed = true,
    .times_itself = true,
    .one_caller = true,
    .uses_query = true,
    .open = async_open,
    .close = warm_close,
    .caller_open = async_caller_open,
    .caller_close = async_caller_close,
    .operation = async_operation,
};
