/*
 * The life of a call with a callback.
 *
 * A call that is accepted becomes an op: one block of memory with a copy of everything that
 * was passed in. From then on the op is the loop's. It is
 *
 *     posted -> queued for a connection, or following on one -> run on a fiber -> delivered
 *
 * and it is at one of these places at a time: in the loop's tasks, in the core's queue (from
 * where it comes back as a task), taken along by a leader, or on a fiber. A queued op has no
 * stack. One that leads others on its connection is delivered as soon as its own result is
 * there, before those who came after it, while its fiber reads on for them. Ops on a borrowed
 * connection skip the queue. Every accepted op is delivered exactly once, on the loop, with no
 * lock held and never inside the call that made it; pool_end waits for that.
 *
 * The fields of an op are the loop's from the post on; what others touch is in its call
 * (lead.c, core.c), or atomic.
 */
#include "async/op.h"

#include "async/handles.h"
#include "base/error.h"
#include "core/callback.h"
#include "core/queue.h"
#include "core/waiter.h"
#include "engine/giveback.h"
#include "engine/handle.h"
#include "engine/pool.h"

#include <stdlib.h>
#include <string.h>

/* ---- the end ---- */

void pool__op_drop(struct pool__op *op)
{
    pool__job_fini(&op->job);
    pool__queued_drop(&op->queued);
}

void pool__op_tell(struct pool__op *op, const struct pool_error *err)
{
    op->fn.query(err, err ? NULL : op->queued.result, op->arg);
}

/* What ended well is counted by whoever dispatches, one thread at a time. */
static void count(struct pool__op *op, enum pool_code code)
{
    struct pool *pool = op->queued.pool;
    _Atomic uint64_t *queries = &pool->counters.looped_queries;
    if (code == POOL_OK)
        atomic_store_explicit(queries, atomic_load_explicit(queries, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    pool__job_ended(pool, &op->job, NULL, code == POOL_OK ? op->queued.result : NULL, code);
}

static void finish(struct pool__op *op)
{
    struct pool__loop *loop = &op->queued.pool->loop;
    pool__op_drop(op);
    pool__loop_done(loop);
}

void pool__op_drop_result(struct pool__op *op, struct pool_error *err)
{
    if (!op->cancelled || !op->queued.result)
        return;
    pool_result_free(op->queued.result);
    op->queued.result = NULL;
    pool__fail(err, POOL_ERR_CANCELLED, "cancelled");
}

static const char *when_cancelled(const struct pool__op *op, bool not_executed)
{
    if (!op->kind->statement && op->kind->run && op->kind->queues)
        return not_executed ? ", and nothing of its transaction is left"
                            : "; part of its transaction may be left";
    return not_executed ? " before its statement was sent" : "; it may have run";
}

void pool__op_deliver(struct pool__op *op, struct pool_error *err)
{
    struct pool *pool = op->queued.pool;
    pool__handles_unregister(op);
    op->delivered = true;
    pool__alarms_clear(&pool->loop.alarms, &op->alarm); /* whatever it was still set for */
    err->not_executed = err->not_executed && !op->job.may_have_run;
    bool told = op->job.batch && err->code == POOL_ERR_CANCELLED && !err->not_executed;
    if (op->cancelled && err->code != POOL_OK && !told) {
        struct pool_error was = *err;
        pool__fail(err, POOL_ERR_CANCELLED, "the call was cancelled%s",
                   when_cancelled(op, was.not_executed));
        err->not_executed = was.not_executed;
        err->fatal = was.fatal;
    }
    if (op->kind->statement)
        count(op, err->code);
    const struct pool *before = pool__callback_enter(pool);
    pool__core_forget_hint(&pool->core); /* so that pool_get_connection finds out where it is */
    op->kind->deliver(op, err->code == POOL_OK ? NULL : err);
    pool__callback_leave(before);
    if (!op->fiber)
        finish(op);
}

/* ---- with a connection ---- */

static void queue_up(struct pool__op *op);
static void begin(struct pool__task *task);
static void on_alarm(struct pool__alarm *alarm);

static bool in_time(const struct pool__op *op)
{
    return op->ask.deadline_ns == POOL__FOREVER || pool__now_ns() < op->ask.deadline_ns;
}

static bool may_repeat_statement(const struct pool__op *op, const struct pool_error *err)
{
    return err->code != POOL_OK && !op->cancelled && in_time(op) &&
           pool__job_may_try_again(op->queued.pool, &op->job, op->attempt, err);
}

static bool may_try_again(struct pool__op *op, const struct pool_error *err, uint64_t *ret_pause_ns)
{
    *ret_pause_ns = 0;
    if (!op->kind->queues || op->cancelled || err->code == POOL_OK || !in_time(op))
        return false;
    if (op->kind->again)
        return op->kind->again(op, err, ret_pause_ns);
    if (!may_repeat_statement(op, err))
        return false;
    op->job.may_have_run = op->job.may_have_run || !err->not_executed;
    return true;
}

/* In a later round: many dead connections in a row must not become a deep stack. */
static void try_again_or_deliver(struct pool__op *op, struct pool_error *err)
{
    struct pool__loop *loop = &op->queued.pool->loop;
    uint64_t pause_ns;
    if (!may_try_again(op, err, &pause_ns)) {
        pool__op_deliver(op, err);
        return;
    }
    op->ask.again = !pause_ns; /* it has had its turn, unless it is a new transaction */
    op->pauses = pause_ns > 0;
    op->alarm.ring = on_alarm;
    if (pause_ns) {
        pool__alarms_set(&loop->alarms, &op->alarm, pool__now_ns() + pause_ns);
    } else {
        op->task.run = begin;
        pool__loop_post(loop, &op->task);
    }
}

/* Those that it leads come as tasks, too, and after this one. */
static void deliver_early(struct pool__task *task)
{
    struct pool__op *op = POOL__ENTRY(task, struct pool__op, task);
    struct pool_error err;
    pool__saved_error_tell(&op->queued.saved, &err);
    pool__op_drop_result(op, &err);
    pool__op_deliver(op, &err);
}

/* On its fiber, which goes on. */
static void on_told(struct pool__job *job, struct pool_result *result, const struct pool_error *err)
{
    struct pool__op *op = POOL__ENTRY(job, struct pool__op, job);
    if (may_repeat_statement(op, err))
        return; /* that is not the end of it */
    op->early = true;
    op->queued.result = result;
    pool__saved_error_set(&op->queued.saved, err);
    op->task.run = deliver_early;
    pool__loop_post(&op->queued.pool->loop, &op->task);
}

static void on_fiber(void *arg)
{
    struct pool__op *op = arg;
    struct pool_error err;
    pool__ok(&err);
    op->fiber = pool__fiber_current();
    op->kind->run(op, &err);
    op->fiber = NULL;
    if (!op->early)
        pool__saved_error_set(&op->queued.saved, &err);
}

static void after_fiber(void *arg)
{
    struct pool__op *op = arg;
    struct pool_error err;
    if (op->early) {
        if (op->delivered)
            finish(op);
        return;
    }
    pool__saved_error_tell(&op->queued.saved, &err);
    try_again_or_deliver(op, &err);
}

static void give_back(struct pool__op *op)
{
    struct pool *pool = op->queued.pool;
    if (!op->kind->queues)
        pool__handle_unclaim(pool, &op->borrowed);
    else if (op->kind->handle)
        pool_conn_release(pool__handle_of(pool, op->borrowed.slot, op->borrowed.generation), NULL);
    else
        pool__giveback(pool, op->borrowed.slot);
}

static void fail_before(struct pool__op *op, enum pool_code code, const char *text)
{
    struct pool_error err;
    pool__fail(&err, code, "%s", text);
    err.not_executed = true;
    pool__op_deliver(op, &err);
}

static void fail_for_memory(struct pool__op *op)
{
    fail_before(op, POOL_ERR_NOMEM, "out of memory for a call with a callback");
}

static void launch(struct pool__op *op)
{
    struct pool *pool = op->queued.pool;
    op->attempt++;
    op->settled = false;
    if (op->cancelled || atomic_load(&op->cancel_asked)) {
        op->cancelled = true;
        give_back(op);
        fail_before(op, POOL_ERR_CANCELLED, "cancelled");
        return;
    }
    if (op->kind->handle)
        op->conn = pool__handle_of(pool, op->borrowed.slot, op->borrowed.generation);
    if (!op->kind->run) {
        struct pool_error err;
        pool__ok(&err);
        pool__op_deliver(op, &err);
    } else if (!pool__strands_start(&pool->loop.strands, on_fiber, after_fiber, op)) {
        give_back(op);
        fail_for_memory(op);
    }
}

/* ---- in the queue ---- */

/* The leader goes on writing to the call's own result and error. */
static void abandon(struct pool__op *op)
{
    struct pool_error err;
    pool__queued_end(&op->queued, &op->job, POOL__QUEUE_ABANDONED, &op->ask, &err);
    pool__op_deliver(op, &err);
}

static void end_following(struct pool__op *op)
{
    struct pool_error err;
    op->attempt++;
    op->queued.result = pool__queued_end(&op->queued, &op->job, POOL__QUEUE_DONE, &op->ask, &err);
    try_again_or_deliver(op, &err);
}

static void decided(struct pool__op *op, enum pool__queue_result outcome)
{
    struct pool *pool = op->queued.pool;
    pool__alarms_clear(&pool->loop.alarms, &op->alarm);
    op->waits = false;
    if (outcome == POOL__QUEUE_ABANDONED) {
        abandon(op);
        return;
    }
    if (outcome == POOL__QUEUE_DONE) {
        end_following(op);
        return;
    }
    struct pool_error err;
    pool__ok(&err);
    pool__borrow_waited(pool, &op->ask, &op->queued.waiter, outcome, &op->borrowed, &err);
    if (outcome == POOL__QUEUE_GRANTED) {
        launch(op);
        return;
    }
    pool__op_deliver(op, &err);
}

void pool__op_decided(struct pool__op *op)
{
    decided(op, pool__waiter_result(&op->queued.waiter));
}

void pool__op_cancel_waiting(struct pool__op *op)
{
    struct pool *pool = op->queued.pool;
    struct pool__waiter *waiter = &op->queued.waiter;
    if (pool__queue_cancel(&pool->core, waiter)) {
        pool__op_decided(op);
    } else if (pool__waiter_state(waiter) == POOL__WAITER_TAKEN) {
        /* It cannot leave yet, but soon. */
        pool__alarms_set(&pool->loop.alarms, &op->alarm, pool__now_ns() + POOL__NS_PER_MS);
    } /* else its outcome is on its way as a task */
}

/* Somebody has decided, and posted the op. */
static void on_woken(struct pool__task *task)
{
    struct pool__op *op = POOL__ENTRY(task, struct pool__op, task);
    pool__op_decided(op);
}

static void wake(struct pool__waiter *waiter)
{
    struct pool__op *op = pool__op_of(POOL__ENTRY(waiter, struct pool__queued, waiter));
    pool__loop_post(&op->queued.pool->loop, &op->task);
}

/* It is late, or time to look. What others have decided comes as a task. */
static void on_alarm(struct pool__alarm *alarm)
{
    struct pool__op *op = POOL__ENTRY(alarm, struct pool__op, alarm);
    struct pool *pool = op->queued.pool;
    uint64_t next_ns = POOL__FOREVER;
    if (!op->waits) { /* it has paused */
        op->pauses = false;
        queue_up(op);
        return;
    }
    if (op->cancelled) {
        pool__op_cancel_waiting(op);
        return;
    }
    if (pool__queue_look(&pool->core, &op->queued.waiter, pool__now_ns(), &next_ns))
        pool__op_decided(op);
    else
        pool__alarms_set(&pool->loop.alarms, alarm, next_ns);
}

static void queue_up(struct pool__op *op)
{
    struct pool *pool = op->queued.pool;
    pool__saved_error_drop(&op->queued.saved);
    if (op->cancelled) {
        fail_before(op, POOL_ERR_CANCELLED, "cancelled");
        return;
    }
    /* After the drain what is begun would be cut: pool_end has seen the connections idle. Those
     * who wait came first. */
    if ((!atomic_load(&pool->core.shut) || atomic_load(&pool->core.drains)) &&
        !atomic_load(&pool->core.waiting) && pool__borrow_at_once(pool, &op->ask, &op->borrowed)) {
        launch(op);
        return;
    }
    op->task.run = on_woken;
    pool__queued_get_ready(&op->queued, op->ask.waited_ns);
    op->queued.waiter.wake = wake;
    op->waits = true;
    op->alarm.ring = on_alarm;
    enum pool__queue_result outcome = pool__borrow_queue(pool, &op->ask, &op->queued.waiter);
    if (outcome != POOL__QUEUE_PENDING)
        decided(op, outcome);
    else
        on_alarm(&op->alarm);
}

/* ---- accepting ---- */

/* The first thing that the loop does with an op. */
static void begin(struct pool__task *task)
{
    struct pool__op *op = POOL__ENTRY(task, struct pool__op, task);
    struct pool *pool = op->queued.pool;
    /* One alarm for each op, be it in the queue or on a fiber. */
    if (!pool__loop_reserve(&pool->loop, atomic_load(&pool->loop.work))) {
        if (!op->kind->queues)
            give_back(op);
        fail_for_memory(op);
    } else if (op->kind->queues) {
        queue_up(op);
    } else {
        launch(op);
    }
}

void pool__op_init(struct pool__op *op)
{
    op->job.told = on_told;
    op->task.run = begin;
    op->alarm.ring = on_alarm;
}
