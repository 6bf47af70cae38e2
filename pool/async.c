/*
 * The calls with callbacks.
 *
 * A call that is accepted becomes an op: one block of memory with a copy of everything that
 * was passed in. From then on the op is the loop's. It is
 *
 *     posted -> queued for a connection, or riding on one -> run on a fiber -> delivered
 *
 * and it is at one of these places at a time: in the loop's tasks, in the core's queue (from
 * where it comes back as a task), aboard with a leader, or on a fiber. A queued op has no
 * stack. Ops on a borrowed connection skip the queue. Every accepted op is delivered exactly
 * once, on the loop, with no lock held and never inside the call that made it; pool_end
 * waits for that.
 *
 * The fields of an op are the loop's from the post on; what others touch is in its call
 * (lead.c, core.c).
 */
#include "pool.h"

#include "copy.h"
#include "error.h"
#include "lead.h"
#include "value.h"

#include <stdlib.h>
#include <string.h>

struct op;

/* What differs from one call to another. */
struct kind {
    bool queues;             /* for a connection; else it has one */
    void (*run)(struct op *op); /* on a fiber */
    void (*deliver)(struct op *op, const struct pool_error *err);
};

struct op {
    struct pool__call call; /* first: it is freed as one */
    struct pool__task task;
    struct pool__alarm alarm; /* while it is queued or rides */
    const struct kind *kind;
    struct pool__ask ask;
    struct pool__job job;
    struct pool_request request;
    struct pool__borrowed borrowed;
    struct pool_conn conn;
    unsigned attempt;
    bool ok; /* of a command without a result */
    union {
        pool_query_fn *query;
        pool_conn_fn *conn;
    } fn;
    void *arg;
    _Alignas(16) char copies[];
};

static struct op *op_of(struct pool__call *call)
{
    return POOL__ENTRY(call, struct op, call);
}

/* ---- the end of an op ---- */

static void drop(struct op *op)
{
    pool__job_fini(&op->job);
    pool__call_drop(&op->call);
}

static void deliver(struct op *op)
{
    struct pool *pool = op->call.pool;
    const struct pool *before = pool__enter_callback(pool);
    op->kind->deliver(op, op->call.err.code == POOL_OK ? NULL : &op->call.err);
    pool__leave_callback(before);
    drop(op);
    pool__loop_done(&pool->loop);
}

static void deliver_query(struct op *op, const struct pool_error *err)
{
    op->fn.query(err, op->call.result, op->arg);
}

static void deliver_conn(struct op *op, const struct pool_error *err)
{
    op->fn.conn(err, op->conn, op->arg);
}

/* ---- with a connection ---- */

static void run_query(struct op *op)
{
    struct pool *pool = op->call.pool;
    op->call.result = pool__lead(pool, &op->borrowed, &op->job, op->ask.deadline_ns,
                                 op->ask.waited_ns, &op->call.err);
    pool__return(pool, op->borrowed.slot);
}

static void run_conn_query(struct op *op)
{
    struct pool *pool = op->call.pool;
    op->call.result = pool__run_job(pool, &op->borrowed, &op->job, op->ask.deadline_ns, 0,
                                    &op->call.err);
    pool__unclaim_handle(pool, &op->borrowed);
}

static void run_conn_ping(struct op *op)
{
    struct pool *pool = op->call.pool;
    pool__conn_ping(op->borrowed.conn,
                    pool__after_ms(pool__now_ns(), pool->options.v.connect_timeout_ms),
                    &op->call.err);
    pool__unclaim_handle(pool, &op->borrowed);
}

static void queue_up(struct op *op);

static bool may_try_again(const struct op *op)
{
    return op->kind->queues && !op->call.result && op->call.err.code != POOL_OK &&
           pool__may_try_again(op->call.pool, &op->job, op->attempt, &op->call.err) &&
           (op->ask.deadline_ns == POOL__FOREVER || pool__now_ns() < op->ask.deadline_ns);
}

static void try_again_or_deliver(struct op *op)
{
    if (may_try_again(op))
        queue_up(op);
    else
        deliver(op);
}

static void on_fiber(void *arg)
{
    struct op *op = arg;
    op->kind->run(op);
}

static void after_fiber(void *arg)
{
    try_again_or_deliver(arg);
}

static void give_back(struct op *op)
{
    if (op->kind->queues)
        pool__return(op->call.pool, op->borrowed.slot);
    else
        pool__unclaim_handle(op->call.pool, &op->borrowed);
}

static void fail_for_memory(struct op *op)
{
    pool__fail(&op->call.err, POOL_ERR_NOMEM, "out of memory for a call with a callback");
    op->call.err.not_executed = true;
    deliver(op);
}

static void launch(struct op *op)
{
    struct pool *pool = op->call.pool;
    op->attempt++;
    if (!op->kind->run) { /* the connection is what was asked for */
        op->conn = pool__handle(pool, op->borrowed.slot, op->borrowed.generation);
        deliver(op);
    } else if (!pool__loop_start(&pool->loop, on_fiber, after_fiber, op)) {
        give_back(op);
        fail_for_memory(op);
    }
}

/* ---- in the queue ---- */

static void on_outcome(struct op *op, enum pool__outcome outcome)
{
    struct pool *pool = op->call.pool;
    pool__alarm_clear(&pool->loop, &op->alarm);
    if (outcome == POOL__ARRIVED || outcome == POOL__LEFT) {
        op->ask.waited_ns += op->call.waiter.boarded_ns - op->call.waiter.enqueued_ns;
        op->attempt++;
        op->call.result = pool__call_end(&op->call, outcome, &op->call.err);
        try_again_or_deliver(op);
        return;
    }
    pool__end_wait(pool, &op->ask, &op->call.waiter, outcome, &op->borrowed, &op->call.err);
    if (outcome == POOL__GRANTED) {
        launch(op);
        return;
    }
    atomic_fetch_add_explicit(&pool->counters.unborrowed_queries, op->kind->run != NULL,
                              memory_order_relaxed);
    deliver(op);
}

/* Somebody has decided, and posted the op. */
static void on_woken(struct pool__task *task)
{
    struct op *op = POOL__ENTRY(task, struct op, task);
    on_outcome(op, (enum pool__outcome)atomic_load(&op->call.waiter.outcome));
}

static void wake(struct pool__waiter *waiter)
{
    struct op *op = op_of(POOL__ENTRY(waiter, struct pool__call, waiter));
    pool__loop_post(&op->call.pool->loop, &op->task);
}

/* It is late, or time to look. Any other outcome comes as a task, too. */
static void on_alarm(struct pool__alarm *alarm)
{
    struct op *op = POOL__ENTRY(alarm, struct op, alarm);
    struct pool *pool = op->call.pool;
    uint64_t next_ns = POOL__FOREVER;
    enum pool__outcome outcome =
        pool__core_look(&pool->core, &op->call.waiter, pool__now_ns(), &next_ns);
    if (outcome == POOL__TIMED_OUT || outcome == POOL__LEFT)
        on_outcome(op, outcome);
    else
        pool__alarm_set(&pool->loop, alarm, next_ns);
}

static void queue_up(struct op *op)
{
    struct pool *pool = op->call.pool;
    uint64_t next_ns;
    pool__ok(&op->call.err);
    if (pool__borrow_at_once(pool, &op->ask, &op->borrowed)) {
        launch(op);
        return;
    }
    op->task.run = on_woken;
    op->call.waiter.wake = wake;
    enum pool__outcome outcome = pool__join_queue(pool, &op->ask, &op->call.waiter);
    if (outcome != POOL__WAITING) {
        on_outcome(op, outcome);
        return;
    }
    pool__core_look(&pool->core, &op->call.waiter, op->call.waiter.enqueued_ns, &next_ns);
    pool__alarm_set(&pool->loop, &op->alarm, next_ns);
}

/* ---- accepting ---- */

/* The first thing that the loop does with an op. */
static void begin(struct pool__task *task)
{
    struct op *op = POOL__ENTRY(task, struct op, task);
    struct pool *pool = op->call.pool;
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

static struct op *new_op(struct pool *pool, const struct kind *kind,
                         const struct pool_request *request, struct pool_error *err)
{
    static const struct pool_request nothing = {.sql = ""};
    request = request ? request : &nothing;
    if (!pool__args_check(request->args, err))
        return NULL;
    struct op *op = malloc(sizeof *op + pool__copy_size(request));
    if (!op) {
        pool__fail(err, POOL_ERR_NOMEM, "out of memory for a call with a callback");
        return NULL;
    }
    memset(op, 0, offsetof(struct op, copies));
    pool__copy_request(&op->request, request, op->copies);
    if (!pool__job_init(&op->job, pool, &op->request, NULL, err)) {
        free(op);
        return NULL;
    }
    op->kind = kind;
    op->ask = pool__ask_for(pool, &op->request, kind->run ? POOL__RUNNING : 0);
    pool__call_init(&op->call, pool, &op->job, op->ask.deadline_ns);
    op->task.run = begin;
    op->alarm.ring = on_alarm;
    return op;
}

/* True: the op is the loop's. */
static bool accept(struct op *op, struct pool_error *err)
{
    struct pool__loop *loop = &op->call.pool->loop;
    if (!pool__loop_open(loop) && !atomic_load(&loop->stop))
        return pool__fail(err, POOL_ERR_NOMEM, "no descriptors or threads for callbacks");
    if (!pool__loop_accept(loop))
        return pool__fail(err, POOL_ERR_CLOSED, "the pool is closed");
    pool__loop_post(loop, &op->task);
    return true;
}

static bool accept_or_drop(struct op *op, struct pool_error *err)
{
    if (accept(op, err))
        return true;
    drop(op);
    return false;
}

static bool check_fn(bool there, struct pool_error *err)
{
    return there || pool__fail(err, POOL_ERR_INVALID, "the callback is NULL");
}

/* ---- the public calls ---- */

bool pool_query_async_with(struct pool *pool, const struct pool_request *request,
                           pool_query_fn *fn, void *arg, struct pool_error *err)
{
    static const struct kind kind = {true, run_query, deliver_query};
    struct pool_error own;
    err = err ? err : &own;
    pool__ok(err);
    if (!check_fn(fn, err) || !pool__check_request(request, err) || !pool__check(pool, err))
        return false;
    struct op *op = new_op(pool, &kind, request, err);
    if (!op)
        return false;
    op->fn.query = fn;
    op->arg = arg;
    return accept_or_drop(op, err);
}

bool pool_query_async(struct pool *pool, const char *sql, struct pool_args args,
                      pool_query_fn *fn, void *arg, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return pool_query_async_with(pool, &request, fn, arg, err);
}

bool pool_get_connection_async_with(struct pool *pool, const struct pool_request *request,
                                    pool_conn_fn *fn, void *arg, struct pool_error *err)
{
    static const struct kind kind = {true, NULL, deliver_conn};
    struct pool_error own;
    err = err ? err : &own;
    pool__ok(err);
    if (!request)
        return pool__fail(err, POOL_ERR_INVALID, "the request is NULL");
    struct pool_request borrow = *request;
    borrow.sql = "";
    borrow.sql_len = 0;
    borrow.args = POOL_NO_ARGS;
    borrow.flags = POOL_ALONE;
    if (!check_fn(fn, err) || !pool__check(pool, err))
        return false;
    struct op *op = new_op(pool, &kind, &borrow, err);
    if (!op)
        return false;
    op->fn.conn = fn;
    op->arg = arg;
    return accept_or_drop(op, err);
}

bool pool_get_connection_async(struct pool *pool, pool_conn_fn *fn, void *arg,
                               struct pool_error *err)
{
    struct pool_request request = {.sql = NULL};
    return pool_get_connection_async_with(pool, &request, fn, arg, err);
}

/* Claims the handle for as long as the op runs. */
static bool conn_op(struct pool_conn conn, const struct kind *kind,
                    const struct pool_request *request, pool_query_fn *fn, void *arg,
                    struct pool_error *err)
{
    struct pool__borrowed borrowed;
    if (!check_fn(fn, err) || !pool__claim_open(conn, &borrowed, err))
        return false;
    struct op *op = new_op(conn.pool, kind, request, err);
    if (op) {
        op->borrowed = borrowed;
        op->fn.query = fn;
        op->arg = arg;
        if (accept_or_drop(op, err))
            return true;
    }
    pool__unclaim_handle(conn.pool, &borrowed);
    return false;
}

bool pool_conn_query_async_with(struct pool_conn conn, const struct pool_request *request,
                                pool_query_fn *fn, void *arg, struct pool_error *err)
{
    static const struct kind kind = {false, run_conn_query, deliver_query};
    struct pool_error own;
    err = err ? err : &own;
    pool__ok(err);
    return pool__check_request(request, err) && conn_op(conn, &kind, request, fn, arg, err);
}

bool pool_conn_query_async(struct pool_conn conn, const char *sql, struct pool_args args,
                           pool_query_fn *fn, void *arg, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return pool_conn_query_async_with(conn, &request, fn, arg, err);
}

static bool command(struct pool_conn conn, const char *sql, pool_query_fn *fn, void *arg,
                    struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .flags = POOL_TEXT};
    return pool_conn_query_async_with(conn, &request, fn, arg, err);
}

bool pool_conn_begin_async(struct pool_conn conn, pool_query_fn *fn, void *arg,
                           struct pool_error *err)
{
    pool__ok(err);
    return pool__check_no_transaction(conn, err) &&
           command(conn, "START TRANSACTION", fn, arg, err);
}

bool pool_conn_commit_async(struct pool_conn conn, pool_query_fn *fn, void *arg,
                            struct pool_error *err)
{
    return command(conn, "COMMIT", fn, arg, err);
}

bool pool_conn_rollback_async(struct pool_conn conn, pool_query_fn *fn, void *arg,
                              struct pool_error *err)
{
    return command(conn, "ROLLBACK", fn, arg, err);
}

bool pool_conn_ping_async(struct pool_conn conn, pool_query_fn *fn, void *arg,
                          struct pool_error *err)
{
    static const struct kind kind = {false, run_conn_ping, deliver_query};
    struct pool_error own;
    err = err ? err : &own;
    pool__ok(err);
    return conn_op(conn, &kind, NULL, fn, arg, err);
}

/* ---- the program's own loop ---- */

int pool_fd(struct pool *pool)
{
    struct pool_error ignored;
    return pool__check(pool, &ignored) && pool__loop_open(&pool->loop) ? pool->loop.epoll_fd : -1;
}

/* All of it is one callback to pool_end. */
static int dispatch(struct pool *pool, int timeout_ms)
{
    struct pool__sigpipe sigpipe = {false, false};
    bool tls = pool->options.tls != POOL_TLS_OFF;
    int cancel_state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    if (tls)
        pool__sigpipe_block(&sigpipe);
    const struct pool *before = pool__enter_callback(pool);
    int done = pool__loop_dispatch(&pool->loop, timeout_ms);
    pool__leave_callback(before);
    pool__sigpipe_unblock(&sigpipe);
    pthread_setcancelstate(cancel_state, NULL);
    return done;
}

int pool_dispatch(struct pool *pool, int timeout_ms)
{
    struct pool_error ignored;
    if (!pool__check(pool, &ignored) || !pool->loop.manual || pool__loop_is_here(&pool->loop) ||
        !pool__loop_open(&pool->loop))
        return -1;
    return dispatch(pool, timeout_ms);
}

bool pool__run_callbacks(struct pool *pool, int timeout_ms)
{
    if (!pool->loop.manual || pool->loop.epoll_fd < 0)
        return false;
    dispatch(pool, timeout_ms);
    return true;
}

void pool__finish_callbacks(struct pool *pool)
{
    while (atomic_load(&pool->loop.work) && pool__run_callbacks(pool, 1))
        ;
    pool__loop_close(&pool->loop);
}
