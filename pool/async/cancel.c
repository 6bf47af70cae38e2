/*
 * What the handle of a call is for: cancelling it, and resuming a stream. What is to be done with
 * an op is posted to the loop, which may find that it has been delivered meanwhile.
 *
 * A running statement is stopped by a worker with KILL QUERY on the control connection. The
 * server may carry that out before the statement has reached it, and then it has no effect: so it
 * is repeated, after pauses that grow, until the statement is over. Or it may carry it out late: so
 * the connection is kept until the KILL has been answered, and then a statement that does nothing
 * takes the blow, if there is one left. Without an answer the connection is closed. A statement
 * that was sent along with others is never killed, for the blow could hit those.
 */
#include "async/cancel.h"

#include "async/handles.h"
#include "async/op.h"
#include "base/error.h"
#include "base/fiber.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/strands.h"
#include "base/sync.h"
#include "conn/conn.h"
#include "conn/query.h"
#include "engine/control.h"
#include "engine/pool.h"
#include "engine/queued.h"
#include "engine/workers.h"

#define LOOK_NS POOL__NS_PER_MS /* at whether a kill was answered */
#define MOST_PAUSE_MS 100       /* between two of them */

/* Each task of an op is posted once at a time, and holds the op until it has run. */
static void post(struct pool__op *op, struct pool__task *task, void (*run)(struct pool__task *),
                 _Atomic bool *posted)
{
    bool first = !atomic_exchange(posted, true);
    if (first)
        task->run = run;
    if (!first || !pool__loop_post(&op->queued.pool->loop, task))
        pool__queued_drop(&op->queued);
}

/* ---- cancelling ---- */

static unsigned long target(void *arg)
{
    const struct pool__op *op = arg;
    return atomic_load(&op->kill) == POOL__OP_KILL_ORDERED ? op->kill_thread_id : 0;
}

static void on_answer(struct pool__task *task);

/* A worker's. The server is through with the KILL, or never heard of it; or nobody knows. */
static void run_kill(struct pool *pool, struct pool__chore *chore)
{
    struct pool__op *op = POOL__ENTRY(chore, struct pool__op, kill_chore);
    bool known = !target(op) || pool__control_stop_statement(pool, target, op);
    uint32_t ordered = POOL__OP_KILL_ORDERED;
    uint32_t done = known ? POOL__OP_KILL_ANSWERED : POOL__OP_KILL_UNKNOWN;
    atomic_compare_exchange_strong(&op->kill, &ordered, done);
    post(op, &op->cancel_task, on_answer, &op->cancel_posted);
}

/* The session of a transaction, if a call runs in it. 0: none does. */
static unsigned long session_of_running_call(struct pool *pool, const struct pool__borrowed *at)
{
    const uint64_t flags = POOL__SLOT_EVICT | POOL__SLOT_UNCLEAN;
    uint64_t runs = (uint64_t)at->generation << 32 | POOL__SLOT_BUSY | POOL__SLOT_CLAIMED;
    bool running = (atomic_load(&pool->core.slots[at->slot].word) & ~flags) == runs;
    return running ? atomic_load(&pool->records[at->slot].thread_id) : 0;
}

/* The session whose statement is to be stopped: one that runs alone on its connection, and no
 * commit. 0: there is none. */
static unsigned long session_to_stop(const struct pool__op *op)
{
    if (op->job.pipelined || op->settled)
        return 0;
    if (op->kind->handle)
        return session_of_running_call(op->queued.pool, &op->borrowed);
    return op->borrowed.conn ? op->borrowed.conn->thread_id : 0;
}

static bool take_order(struct pool__op *op)
{
    uint32_t before = atomic_load(&op->kill);
    op->blow_may_come = op->blow_may_come || before == POOL__OP_KILL_UNKNOWN;
    return before < POOL__OP_KILL_GIVEN_UP && before != POOL__OP_KILL_ORDERED &&
           atomic_compare_exchange_strong(&op->kill, &before, POOL__OP_KILL_ORDERED);
}

static void stop_on_server(struct pool__op *op)
{
    unsigned long thread_id = session_to_stop(op);
    if (!thread_id || !take_order(op))
        return;
    atomic_fetch_add(&op->queued.holders, 1);
    op->kill_chore.run = run_kill;
    op->kill_thread_id = thread_id;
    pool__workers_order(op->queued.pool, &op->kill_chore);
}

/* The pause is over, and so may the statement be. */
static void stop_again(struct pool__alarm *alarm)
{
    struct pool__op *op = POOL__ENTRY(alarm, struct pool__op, alarm);
    if (op->fiber && !op->settled)
        stop_on_server(op);
}

/* Unless the statement ends by that, which its fiber will notice, there is another KILL. */
static void look_again(struct pool__op *op)
{
    op->kill_pause =
        (uint8_t)(op->kill_pause < MOST_PAUSE_MS / 2 ? 2 * op->kill_pause + 1 : MOST_PAUSE_MS);
    op->alarm.ring = stop_again;
    pool__alarms_set(&op->queued.pool->loop.alarms, &op->alarm,
                     pool__now_ns() + op->kill_pause * POOL__NS_PER_MS);
}

/* On the loop. From now on nothing of it begins, nor in its transaction. */
static void note_cancelled(struct pool__op *op)
{
    op->cancelled = true;
    if (op->fiber && op->kind->handle && !op->settled)
        atomic_store(&op->queued.pool->records[op->borrowed.slot].stopped, op->borrowed.generation);
}

static void cancel_now(struct pool__op *op)
{
    note_cancelled(op);
    if (op->waits)
        pool__op_cancel_waiting(op);
    else if (op->fiber && op->paused)
        pool__strands_wake(&op->queued.pool->loop.strands, op->fiber);
    else if (op->fiber)
        stop_on_server(op);
    else if (op->pauses)
        pool__alarms_set(&op->queued.pool->loop.alarms, &op->alarm, pool__now_ns());
}

static void on_cancel(struct pool__task *task)
{
    struct pool__op *op = POOL__ENTRY(task, struct pool__op, cancel_task);
    atomic_store(&op->cancel_posted, false);
    if (!op->delivered)
        cancel_now(op);
    pool__queued_drop(&op->queued);
}

static void on_answer(struct pool__task *task)
{
    struct pool__op *op = POOL__ENTRY(task, struct pool__op, cancel_task);
    atomic_store(&op->cancel_posted, false);
    /* A batch ends by itself after its chunk, and what it says to end it must not be hit. */
    if (!op->delivered && op->fiber && !op->settled && !op->job.batch)
        look_again(op);
    pool__queued_drop(&op->queued);
}

bool pool_cancel(struct pool_call call, struct pool_error *err)
{
    pool__ok(err);
    struct pool__op *op = pool__handles_hold(call, err);
    if (!op)
        return false;
    atomic_store(&op->cancel_asked, true);
    if (pool__loop_is_here(&op->queued.pool->loop) && !op->delivered)
        note_cancelled(op); /* it is the one that runs, perhaps */
    post(op, &op->cancel_task, on_cancel, &op->cancel_posted);
    return true;
}

void pool__cancel_absorb_kill(struct pool__op *op)
{
    static const char nothing[] = "DO 0";
    struct pool__conn *conn = op->borrowed.conn;
    op->settled = true;
    if (atomic_load(&op->kill) == POOL__OP_KILL_NONE)
        return;
    pool__alarms_clear(&op->queued.pool->loop.alarms, &op->alarm);
    while (atomic_load(&op->kill) == POOL__OP_KILL_ORDERED && !conn->broken)
        if (pool__fiber_await(op->fiber, -1, true, pool__now_ns() + LOOK_NS) == POOL__WAKE_CUT)
            conn->broken = true;
    if (atomic_load(&op->kill) == POOL__OP_KILL_UNKNOWN || op->blow_may_come)
        conn->broken = true; /* it may come at any time */
    if (conn->broken) {      /* nobody will have it after this one */
        atomic_store(&op->kill, POOL__OP_KILL_GIVEN_UP);
        return;
    }
    /* It stays answered: a second cancel at this moment must not order another kill. */
    bool dirty = conn->dirty;
    uint64_t deadline_ns = pool__deadline_in(op->queued.pool->options.v.connect_timeout_ms);
    struct pool_result *result =
        pool__query_text(conn, nothing, sizeof nothing - 1, deadline_ns, NULL);
    pool_result_free(result);
    if (result)
        conn->dirty = dirty; /* DO of a constant leaves no trace */
}

/* ---- resuming ---- */

static void on_resume(struct pool__task *task)
{
    struct pool__op *op = POOL__ENTRY(task, struct pool__op, resume_task);
    atomic_store(&op->resume_posted, false);
    if (!op->delivered && op->paused)
        pool__strands_wake(&op->queued.pool->loop.strands, op->fiber);
    else
        op->resumed = true;
    pool__queued_drop(&op->queued);
}

bool pool_resume(struct pool_call call, struct pool_error *err)
{
    pool__ok(err);
    struct pool__op *op = pool__handles_hold(call, err);
    if (!op)
        return false;
    if (!op->job.sink) {
        pool__queued_drop(&op->queued);
        return pool__fail(err, POOL_ERR_INVALID, "the call is no stream");
    }
    post(op, &op->resume_task, on_resume, &op->resume_posted);
    return true;
}
