/*
 * Leaders and riders. When callers outnumber connections, handing a connection from thread
 * to thread costs more than most statements do. So a thread that has borrowed one for a
 * statement takes others along that wait for the same: their statements are sent behind
 * its own, and each caller is woken when its result is there. A leader leads once and then
 * hands the connection to the oldest waiter, who leads next; so nobody works for others for
 * long. Whom it takes along are the oldest, up to the first that cannot go along: nobody is
 * overtaken by those behind.
 *
 * How many come along is the share of this connection: the waiters divided by the open
 * connections; and some more if the server is far away, see sooner_here. With fewer waiters
 * than connections there are none, because one of those will be free as soon.
 *
 * A rider waits with its own deadline. If that passes, it leaves: its statement has been
 * sent and may run, its reply is read and dropped by the leader. What belongs to the
 * caller (text, values) is not touched then.
 */
#include "engine/lead.h"

#include "base/error.h"
#include "base/fiber.h"
#include "conn/command.h"
#include "conn/keep.h"
#include "conn/ride.h"
#include "conn/trim.h"
#include "core/callback.h"
#include "core/classify.h"
#include "engine/hooks.h"
#include "engine/pool.h"
#include "engine/replica.h"
#include "engine/watch.h"
#include "result/result.h"
#include "sql/hash.h"

#include <stdlib.h>

#define ATTEMPTS 3
#define LEAST_MEAN_NS 50000 /* no statement is taken to be quicker on a server with others */
#define SHORTEST_RIDE_MS 20 /* a statement with less time than this goes, or leads, alone */

/* ---- jobs ---- */

static bool may_ever_ride(const struct pool_options *options, const struct pool__job *job)
{
    return options->pipeline_depth > 1 && !job->sink && job->statement.hash &&
           !(job->request->flags & POOL_ALONE) && job->statement.size <= POOL__RIDE_BYTES / 4 &&
           options->query_timeout_ms >= SHORTEST_RIDE_MS;
}

bool pool__job_init(struct pool__job *job, const struct pool *pool,
                    const struct pool_request *request, const struct pool__sink *sink,
                    struct pool_error *err)
{
    job->request = request;
    job->sink = sink;
    job->batch = NULL;
    job->limit_ns = 0;
    job->held = false;
    job->company = false;
    job->looped = false;
    job->may_have_run = false;
    job->attempts = 0;
    job->began_ns = pool->options.v.hooks.on_query ? pool__now_ns() : 0;
    job->told = NULL;
    if (!pool__statement_init(&job->statement, request, pool->options.v.no_prepare, err)) {
        err->not_executed = true;
        return false;
    }
    job->rides = may_ever_ride(&pool->options.v, job);
    return true;
}

void pool__job_fini(struct pool__job *job)
{
    pool__statement_fini(&job->statement);
}

/* ---- counting and telling ---- */

/* Written by the borrower alone. */
/* What an error says about the server as a whole. */
static void note_error(struct pool *pool, unsigned slot, const struct pool_error *err)
{
    if (err->code == POOL_ERR_LOST && !err->not_executed) {
        if (atomic_fetch_add(&pool->losses, 1) + 1 == POOL__LOSSES) {
            atomic_store(&pool->check_all, true);
            pool__watch_poke(pool);
        }
        return;
    }
    struct pool__error_facts facts = pool__classify(err->server_errno, err->message, true);
    if (err->code == POOL_ERR_SERVER && facts.class_ == POOL__E_READ_ONLY)
        pool__replica_note_refusal(pool, slot, err);
}

static void add(_Atomic uint64_t *counter, uint64_t count)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + count, memory_order_relaxed);
}

static void count_hits(struct pool *pool, const struct pool__borrowed *borrowed)
{
    add(&pool->core.slots[borrowed->slot].statement_hits, borrowed->conn->cache.hits);
    borrowed->conn->cache.hits = 0;
}

static void tell_query(struct pool *pool, const struct pool__job *job,
                       const struct pool_result *result, enum pool_code code)
{
    uint64_t digest = pool__hash_text(job->statement.text, job->statement.text_len);
    const char *label = job->request->label;
    pool__hooks_tell_query(pool, label ? label : "", digest, pool__now_ns() - job->began_ns,
                           result ? pool__result_rows(result) : 0, code);
}

static void note_bulk(struct pool *pool, const struct pool__borrowed *borrowed)
{
    pool__conn_note_bulk(borrowed->conn);
    atomic_store_explicit(&pool->places[borrowed->slot].bulky, true, memory_order_relaxed);
}

void pool__job_ended(struct pool *pool, const struct pool__job *job, struct pool__slot *slot,
                     const struct pool_result *result, enum pool_code code)
{
    if (!result)
        atomic_fetch_add_explicit(&pool->counters.failed_queries, 1, memory_order_relaxed);
    else if (slot)
        add(&slot->queries, 1);
    if (job->began_ns)
        tell_query(pool, job, result, code);
}

void pool__attempt_ended(struct pool *pool, struct pool__ask *ask, struct pool__job *job,
                         struct pool__slot *slot, const struct pool_result *result,
                         struct pool_error *err)
{
    job->attempts++;
    ask->again = !result && pool__may_try_again(pool, job, job->attempts, err) &&
                 (ask->deadline_ns == POOL__FOREVER || pool__now_ns() < ask->deadline_ns);
    if (ask->again) {
        job->may_have_run = job->may_have_run || !err->not_executed;
        return;
    }
    err->not_executed = err->not_executed && !job->may_have_run;
    pool__job_ended(pool, job, slot, result, err->code);
}

/* What a statement leaves behind that this thread has run for itself. */
static void conclude(struct pool *pool, const struct pool__borrowed *borrowed,
                     const struct pool_result *result, const struct pool_error *err)
{
    count_hits(pool, borrowed);
    if (pool__conn_is_bulky(borrowed->conn))
        note_bulk(pool, borrowed);
    if (!result)
        note_error(pool, borrowed->slot, err);
}

/* ---- one statement ---- */

static uint64_t statement_deadline(const struct pool *pool, struct pool__job *job,
                                   uint64_t call_deadline_ns, uint64_t waited_ns)
{
    uint32_t ms = pool->options.v.query_timeout_ms;
    if (ms == POOL_NEVER)
        return call_deadline_ns;
    if (!job->limit_ns)
        job->limit_ns = pool__deadline_in(ms) - waited_ns;
    uint64_t own = job->limit_ns + waited_ns;
    return own < call_deadline_ns ? own : call_deadline_ns;
}

/* Of a batch each chunk is a statement with a deadline of its own. */
static struct pool_result *run(struct pool *pool, struct pool__conn *conn, struct pool__job *job,
                               uint64_t call_deadline_ns, uint64_t waited_ns,
                               struct pool_error *err)
{
    conn->handed_over = waited_ns != 0;
    if (job->batch)
        return pool__load(conn, job->batch, &job->statement, job->held, call_deadline_ns, err);
    uint64_t deadline_ns = statement_deadline(pool, job, call_deadline_ns, waited_ns);
    struct pool_result *result = pool__query(conn, &job->statement, job->sink, deadline_ns, err);
    if (!result || job->held || !pool__is_to_be_kept(conn))
        return result;
    return pool__keep_work(conn, result, deadline_ns, err);
}

struct pool_result *pool__run_job(struct pool *pool, const struct pool__borrowed *borrowed,
                                  struct pool__job *job, uint64_t call_deadline_ns,
                                  uint64_t waited_ns, struct pool_error *err)
{
    const struct pool *before = pool__callback_enter(job->sink ? pool : NULL);
    struct pool_result *result = run(pool, borrowed->conn, job, call_deadline_ns, waited_ns, err);
    pool__callback_leave(before);
    conclude(pool, borrowed, result, err);
    return result;
}

/* How often a statement may be tried, after this error. When a server dies, all its idle
 * connections are dead at once, and a statement may meet each of them before the keeper
 * does: those cost the server nothing. What has been sent is sent again a few times at
 * most, and never a stream: rows that the callback has seen cannot be taken back. */
static unsigned most_attempts(const struct pool *pool, const struct pool__job *job,
                              const struct pool_error *err)
{
    if (err->code != POOL_ERR_LOST)
        return 1;
    if (err->not_executed && err->server_errno == 0)
        return ATTEMPTS + pool->core.limit;
    bool allowed = err->not_executed || (job->request->flags & POOL_IDEMPOTENT);
    return allowed && !job->sink ? ATTEMPTS : 1;
}

bool pool__may_try_again(const struct pool *pool, const struct pool__job *job, unsigned attempt,
                         const struct pool_error *err)
{
    return attempt < most_attempts(pool, job, err);
}

/* ---- riders ---- */

void pool__call_init(struct pool__call *call, struct pool *pool, const struct pool__job *job,
                     uint64_t call_deadline_ns)
{
    call->waiter = (struct pool__waiter){.ride_deadline_ns = call_deadline_ns};
    atomic_init(&call->holders, 1);
    call->pool = pool;
    call->job = job;
    call->result = NULL;
    call->saved = (struct pool__saved_error){.code = POOL_OK};
}

/* Of the time that the statement's attempts have together. */
static uint64_t time_left(const struct pool *pool, const struct pool__job *job, uint64_t waited_ns)
{
    if (!job->limit_ns)
        return pool__after_ms(0, pool->options.v.query_timeout_ms);
    uint64_t now = pool__now_ns();
    uint64_t end = job->limit_ns + waited_ns;
    return end > now ? end - now : 0;
}

void pool__call_get_ready(struct pool__call *call, uint64_t waited_ns)
{
    struct pool__waiter *waiter = &call->waiter;
    waiter->ride_ns = time_left(call->pool, call->job, waited_ns);
    waiter->rides = call->job->rides && waiter->ride_ns >= SHORTEST_RIDE_MS * POOL__NS_PER_MS;
}

struct pool__call *pool__call_new(struct pool *pool, const struct pool__job *job,
                                  uint64_t call_deadline_ns, uint64_t waited_ns)
{
    struct pool__call *call = job->rides ? malloc(sizeof *call) : NULL;
    if (!call)
        return NULL;
    pool__call_init(call, pool, job, call_deadline_ns);
    pool__call_get_ready(call, waited_ns);
    return call;
}

void pool__call_drop(struct pool__call *call)
{
    if (!call || atomic_fetch_sub(&call->holders, 1) != 1)
        return;
    pool__saved_error_drop(&call->saved);
    free(call);
}

/* pool_end waits until everybody is off. */
static void get_off(struct pool *pool)
{
    if (atomic_fetch_sub(&pool->aboard, 1) == 1 && atomic_load(&pool->ending)) {
        atomic_fetch_add(&pool->returns, 1);
        pool__unpark(&pool->returns);
    }
}

struct pool_result *pool__call_end(struct pool__call *call, struct pool__job *job,
                                   enum pool__outcome outcome, struct pool__ask *ask,
                                   struct pool_error *err)
{
    struct pool *pool = call->pool;
    const struct pool__waiter *waiter = &call->waiter;
    uint64_t in_queue_ns = waiter->boarded_ns - waiter->enqueued_ns;
    ask->waited_ns += in_queue_ns;
    if (!job->limit_ns && waiter->ride_ns != POOL__FOREVER)
        job->limit_ns = waiter->boarded_ns + waiter->ride_ns - ask->waited_ns;
    struct pool_result *result = outcome == POOL__ARRIVED ? call->result : NULL;
    if (outcome == POOL__LEFT)
        pool__fail(err, POOL_ERR_QUERY_TIMEOUT,
                   "the statement passed its deadline; it had been sent, behind those of others");
    else
        pool__saved_error_tell(&call->saved, err);
    atomic_fetch_add_explicit(&pool->counters.waited_ns, in_queue_ns, memory_order_relaxed);
    if (pool->options.v.hooks.on_acquire)
        pool__hooks_tell_acquire(pool, in_queue_ns);
    if (!job->looped)
        pool__attempt_ended(pool, ask, job, NULL, result, err);
    if (pool->options.v.hooks.on_release)
        pool__hooks_tell_release(pool, pool__now_ns() - waiter->boarded_ns);
    get_off(pool);
    return result;
}

/* ---- leaders ---- */

/* A passenger as the leader knows it. */
struct rider {
    struct pool *pool;
    unsigned slot;
    struct pool__call *call; /* NULL for the leader's own, */
    struct pool__job *job;   /* which has these */
    const struct pool_error *err;
};

static void note_failure(const struct rider *rider, const struct pool__saved_error *saved)
{
    struct pool_error err;
    pool__saved_error_tell(saved, &err);
    note_error(rider->pool, rider->slot, &err);
}

static void arrive(struct pool__passenger *passenger, struct pool__wakes *wakes)
{
    struct rider *rider = passenger->owner;
    struct pool__call *call = rider->call;
    if (!call) {
        if (rider->job->told)
            rider->job->told(rider->job, passenger->result, rider->err);
        return;
    }
    call->result = passenger->result;
    struct pool__slot *slot = &rider->pool->core.slots[rider->slot];
    bool counts = passenger->result && !call->waiter.wake; /* callbacks are counted by the loop */
    add(&slot->queries, counts);
    add(&slot->rides, 1);
    if (!passenger->result)
        note_failure(rider, &call->saved);
    if (!pool__core_arrive(&rider->pool->core, &call->waiter, wakes)) {
        add(&slot->queries, -(uint64_t)counts); /* its caller has left, and counts as failed */
        pool_result_free(passenger->result);
    }
    pool__call_drop(call);
}

static void arrive_all(struct pool__passenger **passengers, unsigned count)
{
    const struct rider *first = passengers[0]->owner;
    struct pool__core *core = &first->pool->core;
    struct pool__wakes wakes = {0};
    for (unsigned i = 0; i < count; i++)
        arrive(passengers[i], &wakes);
    pool__core_wake(core, &wakes);
}

static bool on_progress(struct pool__passenger **passengers, unsigned count,
                        enum pool__progress progress)
{
    const struct rider *first = passengers[0]->owner;
    switch (progress) {
    case POOL__RODE_SENT: pool__core_set_off(&first->call->waiter); return true;
    case POOL__RODE_HOLD:
        if (pool__core_hold(&first->call->waiter))
            return true;
        arrive_all(passengers, 1);
        return false;
    case POOL__RODE_DONE: arrive_all(passengers, count); return true;
    }
    return false;
}

struct boarding {
    const struct pool__conn *conn;
    size_t room; /* in bytes */
    bool callbacks_only;
};

static bool may_board(const struct pool__waiter *waiter, void *arg)
{
    struct boarding *boarding = arg;
    const struct pool__call *call = POOL__ENTRY(waiter, const struct pool__call, waiter);
    const struct pool__statement *statement = &call->job->statement;
    if ((boarding->callbacks_only && !waiter->wake) || statement->size > boarding->room ||
        !pool__may_ride(boarding->conn, statement))
        return false;
    boarding->room -= statement->size;
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
    return count < POOL__RIDE_MOST ? (unsigned)count : POOL__RIDE_MOST;
}

/* If the leader's time runs out the connection is given up, with the riders' replies. Under
 * load many come to lead with hardly any time left. */
static bool has_time_for_others(uint64_t deadline_ns)
{
    return deadline_ns == POOL__FOREVER ||
           deadline_ns > pool__now_ns() + SHORTEST_RIDE_MS * POOL__NS_PER_MS;
}

static unsigned take_along(struct pool *pool, const struct pool__borrowed *borrowed,
                           const struct pool__job *job, struct pool__waiter **ret_waiters)
{
    /* A program that does not dispatch would keep blocking callers waiting for its replies. */
    bool callbacks_only = pool->loop.manual && pool__fiber_current();
    struct boarding boarding = {borrowed->conn, POOL__RIDE_BYTES - job->statement.size,
                                callbacks_only};
    unsigned open = pool->core.limit - atomic_load(&pool->core.absent);
    unsigned wanted = share(pool, open);
    if (!wanted || !pool__may_pipeline(borrowed->conn))
        return 0;
    const struct pool__stmt *own = pool__may_ride(borrowed->conn, &job->statement);
    if (!own)
        return 0;
    wanted += sooner_here(borrowed->conn, own, open);
    unsigned most = pool->options.v.pipeline_depth - 1;
    unsigned count = pool__core_board(&pool->core, wanted < most ? wanted : most, may_board,
                                      &boarding, ret_waiters);
    atomic_fetch_add(&pool->aboard, count);
    return count;
}

struct party {
    struct pool__passenger passengers[POOL__RIDE_MOST];
    struct rider riders[POOL__RIDE_MOST];
};

static void seat(struct party *party, unsigned index, struct pool *pool, unsigned slot,
                 struct pool__call *call)
{
    party->riders[index] = (struct rider){.pool = pool, .slot = slot, .call = call};
    party->passengers[index] = (struct pool__passenger){.owner = &party->riders[index]};
    if (!call)
        return;
    atomic_fetch_add(&call->holders, 1);
    party->passengers[index].statement = &call->job->statement;
    party->passengers[index].saved = &call->saved;
    party->passengers[index].deadline_ns = call->waiter.leave_ns;
}

static struct pool_result *ride(struct pool *pool, const struct pool__borrowed *borrowed,
                                struct pool__job *job, struct pool__waiter **waiters,
                                unsigned count, uint64_t deadline_ns, struct pool_error *err)
{
    struct party party;
    seat(&party, 0, pool, borrowed->slot, NULL);
    party.riders[0].job = job;
    party.riders[0].err = err;
    party.passengers[0].statement = &job->statement;
    party.passengers[0].deadline_ns = deadline_ns;
    for (unsigned i = 0; i < count; i++)
        seat(&party, i + 1, pool, borrowed->slot,
             POOL__ENTRY(waiters[i], struct pool__call, waiter));
    pool__ride(borrowed->conn, party.passengers, count + 1, deadline_ns, err, on_progress);
    struct pool_result *result = party.passengers[0].result;
    conclude(pool, borrowed, result, err);
    return result;
}

struct pool_result *pool__lead(struct pool *pool, const struct pool__borrowed *borrowed,
                               struct pool__job *job, uint64_t call_deadline_ns, uint64_t waited_ns,
                               struct pool_error *err)
{
    struct pool__waiter *waiters[POOL__RIDE_MOST];
    unsigned count = 0;
    uint64_t deadline_ns = 0;
    job->company = false;
    if (job->rides && atomic_load(&pool->core.waiting)) {
        deadline_ns = statement_deadline(pool, job, call_deadline_ns, waited_ns);
        if (has_time_for_others(deadline_ns))
            count = take_along(pool, borrowed, job, waiters);
    }
    if (count == 0)
        return pool__run_job(pool, borrowed, job, call_deadline_ns, waited_ns, err);
    job->company = true;
    borrowed->conn->handed_over = waited_ns != 0;
    return ride(pool, borrowed, job, waiters, count, deadline_ns, err);
}

bool pool__job_ping(struct pool *pool, const struct pool__borrowed *borrowed,
                    struct pool_error *err)
{
    uint64_t deadline_ns = pool__deadline_in(pool->options.v.connect_timeout_ms);
    return pool__command_ping(borrowed->conn, deadline_ns, err);
}
