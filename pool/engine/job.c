/*
 * A job is a statement, or a batch, that was given to a public call, with what has become of its
 * attempts: how long it may take, whether it may be tried again, how it is counted and told.
 *
 * Each function is called by the thread that owns the connection, or by the caller of the job when
 * there is none.
 */
#include "engine/job.h"

#include "base/error.h"
#include "conn/command.h"
#include "conn/conn.h"
#include "conn/keep.h"
#include "conn/pipeline.h"
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

/* ---- jobs ---- */

static bool may_ever_follow(const struct pool_options *options, const struct pool__job *job)
{
    return options->pipeline_depth > 1 && !job->sink && job->statement.hash &&
           !job->request->alone && job->statement.size <= POOL__PIPELINE_BYTES / 4 &&
           options->query_timeout_ms >= POOL__SHORTEST_PIPELINED_MS;
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
    job->pipelined = false;
    job->looped = false;
    job->may_have_run = false;
    job->attempts = 0;
    job->began_ns = pool->options.v.hooks.on_query ? pool__now_ns() : 0;
    job->told = NULL;
    if (!pool__statement_init(&job->statement, request, pool->options.v.no_prepare, err)) {
        err->not_executed = true;
        return false;
    }
    job->may_follow = may_ever_follow(&pool->options.v, job);
    return true;
}

void pool__job_fini(struct pool__job *job)
{
    pool__statement_fini(&job->statement);
}

/* ---- counting and telling ---- */

void pool__job_note_error(struct pool *pool, unsigned slot, const struct pool_error *err)
{
    if (err->code == POOL_ERR_LOST && !err->not_executed) {
        if (atomic_fetch_add(&pool->losses, 1) + 1 == POOL__LOSSES) {
            atomic_store(&pool->check_all, true);
            pool__watch_poke(pool);
        }
        return;
    }
    struct pool__error_facts facts = pool__classify(err->server_errno, err->message, true);
    if (err->code == POOL_ERR_SERVER && facts.class_ == POOL__ERROR_READ_ONLY)
        pool__replica_note_refusal(pool, slot, err);
}

void pool__job_add(_Atomic uint64_t *counter, uint64_t count)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + count, memory_order_relaxed);
}

static void count_hits(struct pool *pool, const struct pool__borrowed *borrowed)
{
    pool__job_add(&pool->core.slots[borrowed->slot].statement_hits, borrowed->conn->cache.hits);
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
    pool__trim_note(borrowed->conn);
    atomic_store_explicit(&pool->records[borrowed->slot].bulky, true, memory_order_relaxed);
}

void pool__job_ended(struct pool *pool, const struct pool__job *job, struct pool__slot *slot,
                     const struct pool_result *result, enum pool_code code)
{
    if (!result)
        pool__count(&pool->counters.failed_queries);
    else if (slot)
        pool__job_add(&slot->queries, 1);
    if (job->began_ns)
        tell_query(pool, job, result, code);
}

void pool__job_attempt_ended(struct pool *pool, struct pool__ask *ask, struct pool__job *job,
                             struct pool__slot *slot, const struct pool_result *result,
                             struct pool_error *err)
{
    job->attempts++;
    ask->again = !result && pool__job_may_try_again(pool, job, job->attempts, err) &&
                 (ask->deadline_ns == POOL__FOREVER || pool__now_ns() < ask->deadline_ns);
    if (ask->again) {
        job->may_have_run = job->may_have_run || !err->not_executed;
        return;
    }
    err->not_executed = err->not_executed && !job->may_have_run;
    pool__job_ended(pool, job, slot, result, err->code);
}

void pool__job_conclude(struct pool *pool, const struct pool__borrowed *borrowed,
                        const struct pool_result *result, const struct pool_error *err)
{
    count_hits(pool, borrowed);
    if (pool__trim_is_bulky(borrowed->conn))
        note_bulk(pool, borrowed);
    if (!result)
        pool__job_note_error(pool, borrowed->slot, err);
}

/* ---- one statement ---- */

uint64_t pool__job_deadline(const struct pool *pool, struct pool__job *job,
                            uint64_t call_deadline_ns, uint64_t waited_ns)
{
    uint32_t ms = pool->options.v.query_timeout_ms;
    if (ms == POOL_NEVER)
        return call_deadline_ns;
    if (!job->limit_ns)
        job->limit_ns = pool__deadline_in(ms) - waited_ns;
    uint64_t own = job->limit_ns + waited_ns;
    return pool__earlier(own, call_deadline_ns);
}

/* Of the transaction that the statement is a part of. */
static bool transaction_allows(struct pool *pool, const struct pool__borrowed *borrowed,
                               struct pool_error *err)
{
    const struct pool__trx *trx = &borrowed->conn->trx;
    if (!trx->guarded)
        return true;
    if (pool__is_stopped(pool, borrowed->slot, borrowed->generation))
        return pool__fail_unsent(err, POOL_ERR_CANCELLED, "the transaction was cancelled");
    return !trx->deadline_ns || pool__now_ns() < trx->deadline_ns ||
           pool__fail_unsent(err, POOL_ERR_QUERY_TIMEOUT, "the time of the transaction is up");
}

/* Of a batch each chunk is a statement with a deadline of its own. */
static struct pool_result *run(struct pool *pool, struct pool__conn *conn, struct pool__job *job,
                               uint64_t call_deadline_ns, uint64_t waited_ns,
                               struct pool_error *err)
{
    conn->handed_over = waited_ns != 0;
    if (conn->trx.deadline_ns)
        call_deadline_ns = pool__earlier(call_deadline_ns, conn->trx.deadline_ns);
    if (job->batch)
        return pool__batch_run(conn, job->batch, &job->statement, job->held, call_deadline_ns, err);
    uint64_t deadline_ns = pool__job_deadline(pool, job, call_deadline_ns, waited_ns);
    struct pool_result *result = pool__query(conn, &job->statement, job->sink, deadline_ns, err);
    if (!result || job->held || !pool__is_to_be_kept(conn))
        return result;
    return pool__keep_work(conn, result, deadline_ns, err);
}

struct pool_result *pool__job_run(struct pool *pool, const struct pool__borrowed *borrowed,
                                  struct pool__job *job, uint64_t call_deadline_ns,
                                  uint64_t waited_ns, struct pool_error *err)
{
    const struct pool *before = pool__callback_enter(job->sink ? pool : NULL);
    struct pool_result *result = NULL;
    if (transaction_allows(pool, borrowed, err))
        result = run(pool, borrowed->conn, job, call_deadline_ns, waited_ns, err);
    pool__callback_leave(before);
    pool__job_conclude(pool, borrowed, result, err);
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
    bool allowed = err->not_executed || job->request->idempotent;
    return allowed && !job->sink ? ATTEMPTS : 1;
}

bool pool__job_may_try_again(const struct pool *pool, const struct pool__job *job, unsigned attempt,
                             const struct pool_error *err)
{
    return attempt < most_attempts(pool, job, err);
}

bool pool__job_ping(struct pool *pool, const struct pool__borrowed *borrowed,
                    struct pool_error *err)
{
    uint64_t deadline_ns = pool__step_deadline_ns(pool);
    return pool__command_ping(borrowed->conn, deadline_ns, err);
}
