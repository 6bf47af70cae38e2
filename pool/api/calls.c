/*
 * The public calls that run statements: each borrows (or claims the handle it was
 * given), runs pool__query, and gives back. They hold no lock while they run, and
 * their one deadline covers queue, connect and statement.
 *
 * A statement is sent again only if it is proven not to have run, or if the caller
 * said that it may be (POOL_IDEMPOTENT); and never on a connection that the caller
 * holds, because its session is lost with it: not even the first one on a new handle,
 * whose thread id the caller may know already.
 */
#include "engine/pool.h"

#include "base/error.h"
#include "engine/lead.h"
#include "core/hooked.h"

#define PINGS 3 /* that are lost after they were sent */
#define KNOWN_FLAGS (POOL_TEXT | POOL_IDEMPOTENT | POOL_ALONE)

bool pool__check_request(const struct pool_request *request, struct pool_error *err)
{
    if (!request)
        return pool__fail(err, POOL_ERR_INVALID, "the request is NULL");
    if (!request->sql)
        return pool__fail(err, POOL_ERR_INVALID, "the SQL is NULL");
    if (request->args.count && !request->args.values)
        return pool__fail(err, POOL_ERR_INVALID,
                          "the number of values is %zu, but the pointer to them is NULL",
                          request->args.count);
    if (request->flags & ~(unsigned)KNOWN_FLAGS)
        return pool__fail(err, POOL_ERR_INVALID, "unknown request flags 0x%x",
                          request->flags & ~(unsigned)KNOWN_FLAGS);
    return true;
}

static const struct pool_request plain;

static uint64_t call_deadline(const struct pool_request *request)
{
    return request->timeout_ms ? pool__deadline_in(request->timeout_ms) : POOL__FOREVER;
}

struct pool__ask pool__ask_for(const struct pool *pool, const struct pool_request *request,
                               uint64_t flags)
{
    return (struct pool__ask){.flags = flags,
                              .label = request->label,
                              .deadline_ns = call_deadline(request),
                              .acquire_ms = request->acquire_timeout_ms
                                                ? request->acquire_timeout_ms
                                                : pool->options.v.acquire_timeout_ms};
}

static struct pool_result *lead(struct pool *pool, const struct pool__borrowed *borrowed,
                                struct pool__ask *ask, struct pool__job *job,
                                struct pool_error *err)
{
    struct pool_result *result =
        pool__lead(pool, borrowed, job, ask->deadline_ns, ask->waited_ns, err);
    pool__attempt_ended(pool, ask, job, &pool->core.slots[borrowed->slot], result, err);
    pool__return(pool, borrowed->slot);
    return result;
}

/* Waits for a connection, or rides on somebody else's. */
static struct pool_result *query_in_turn(struct pool *pool, struct pool__ask *ask,
                                         struct pool__job *job, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    struct pool__waiter own = {.wake = NULL};
    struct pool__call *call = pool__call_new(pool, job, ask->deadline_ns, ask->waited_ns);
    struct pool_result *result = NULL;
    enum pool__outcome outcome =
        pool__borrow_in_turn(pool, ask, call ? &call->waiter : &own, &borrowed, err);
    if (outcome == POOL__GRANTED)
        result = lead(pool, &borrowed, ask, job, err);
    else if (call && (outcome == POOL__ARRIVED || outcome == POOL__LEFT))
        result = pool__call_end(call, job, outcome, ask, err);
    else
        pool__attempt_ended(pool, ask, job, NULL, NULL, err);
    pool__call_drop(call);
    return result;
}

/* It would wait in vain with a wrong number of values. A batch has been looked at for that. */
static bool check_values(struct pool *pool, const struct pool__job *job, struct pool_error *err)
{
    if (job->batch || job->attempts || pool__arity_check(&pool->arities, &job->form, err))
        return true;
    err->not_executed = true;
    return false;
}

static struct pool_result *wait_and_query(struct pool *pool, struct pool__ask *ask,
                                          struct pool__job *job, struct pool_error *err)
{
    struct pool_result *result = NULL;
    bool held = job->began_ns && pool__hold_end(pool);
    job->began_ns = held ? job->began_ns : 0;
    if (check_values(pool, job, err))
        result = query_in_turn(pool, ask, job, err);
    else
        pool__attempt_ended(pool, ask, job, NULL, NULL, err);
    if (held)
        pool__let_end(pool);
    return result;
}

static struct pool_result *query(struct pool *pool, struct pool__job *job, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    struct pool__ask ask = pool__ask_for(pool, job->request, POOL__RUNNING);
    int cancel_state; /* a thread that ended on the way would keep the connection */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    struct pool_result *result;
    do
        result = pool__borrow_at_once(pool, &ask, &borrowed) ? lead(pool, &borrowed, &ask, job, err)
                                                             : wait_and_query(pool, &ask, job, err);
    while (ask.again);
    pthread_setcancelstate(cancel_state, NULL);
    return result;
}

struct pool_result *pool__query_as(struct pool *pool, const struct pool_request *request,
                                   const struct pool__sink *sink, const struct pool__batch *batch,
                                   struct pool_error *err)
{
    struct pool_error own;
    struct pool__job job;
    err = err ? err : &own;
    pool__ok(err);
    if (!pool__check_request(request, err) || !pool__check_blocking(pool, err) ||
        !pool__job_init(&job, pool, request, sink, err))
        return NULL;
    job.batch = batch;
    struct pool_result *result = query(pool, &job, err);
    pool__job_fini(&job);
    return result;
}

struct pool_result *pool_query_with(struct pool *pool, const struct pool_request *request,
                                    struct pool_error *err)
{
    return pool__query_as(pool, request, NULL, NULL, err);
}

struct pool_result *pool_query(struct pool *pool, const char *sql, struct pool_args args,
                               struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return pool__query_as(pool, &request, NULL, NULL, err);
}

static bool check_row_fn(pool_row_fn *fn, struct pool_error *err)
{
    return fn || pool__fail(err, POOL_ERR_INVALID, "the row callback is NULL");
}

bool pool_stream(struct pool *pool, const char *sql, struct pool_args args, pool_row_fn *fn,
                 void *arg, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    struct pool__sink sink = {fn, arg};
    if (!check_row_fn(fn, err))
        return false;
    struct pool_result *result = pool__query_as(pool, &request, &sink, NULL, err);
    pool_result_free(result);
    return result != NULL;
}

bool pool__ping(struct pool *pool, const struct pool__borrowed *borrowed, struct pool_error *err)
{
    uint64_t deadline_ns = pool__deadline_in(pool->options.v.connect_timeout_ms);
    return pool__conn_ping(borrowed->conn, deadline_ns, err);
}

static bool ping_and_return(struct pool *pool, const struct pool__borrowed *borrowed,
                            struct pool_error *err)
{
    int cancel_state; /* a thread that ended here would keep the connection */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    bool ok = pool__ping(pool, borrowed, err);
    pool__return(pool, borrowed->slot);
    pthread_setcancelstate(cancel_state, NULL);
    return ok;
}

/* A connection that died while it was idle says nothing about the service. */
bool pool_ping(struct pool *pool, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    struct pool_error own;
    bool ok = false;
    err = err ? err : &own;
    pool__ok(err);
    if (!pool__check_blocking(pool, err))
        return false;
    struct pool__ask ask = pool__ask_for(pool, &plain, POOL__RUNNING);
    for (unsigned attempt = 0; !ok && attempt < PINGS + pool->core.limit; attempt++) {
        if (!pool__borrow(pool, &ask, &borrowed, err))
            return false;
        pool__ok(err);
        ok = ping_and_return(pool, &borrowed, err);
        if (err->code != POOL_ERR_LOST)
            break;
    }
    return ok;
}

/* Handles */

bool pool_get_connection_with(struct pool *pool, const struct pool_request *request,
                              struct pool_conn *ret_conn, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    pool__ok(err);
    if (!ret_conn || !request)
        return pool__fail(err, POOL_ERR_INVALID, "the %s is NULL", request ? "handle" : "request");
    if (!pool__check_blocking(pool, err))
        return false;
    struct pool__ask ask = pool__ask_for(pool, request, 0);
    if (!pool__borrow(pool, &ask, &borrowed, err))
        return false;
    *ret_conn = pool__handle(pool, borrowed.slot, borrowed.generation);
    return true;
}

bool pool_get_connection(struct pool *pool, struct pool_conn *ret_conn, struct pool_error *err)
{
    unsigned slot;
    uint32_t generation;
    /* The usual case, with nothing on the way to it: this thread's last connection is
     * idle. */
    if (!ret_conn || !pool__may_borrow_quickly(pool) ||
        !pool__core_take_hinted(&pool->core, 0, &slot, &generation))
        return pool_get_connection_with(pool, &plain, ret_conn, err);
    pool__set_label(pool, slot, NULL);
    pool__ok(err);
    *ret_conn = pool__handle(pool, slot, generation);
    return true;
}

bool pool__claim_open(struct pool_conn conn, struct pool__borrowed *ret_borrowed,
                      struct pool_error *err)
{
    if (!pool__claim_handle(conn, ret_borrowed, err))
        return false;
    if (ret_borrowed->conn)
        return true;
    pool__unclaim_handle(conn.pool, ret_borrowed);
    return pool__fail(err, POOL_ERR_CLOSED, "the pool was closed; release the connection");
}

/* For a statement that is waited for. On a fiber others run meanwhile, but not in a hook. */
static bool claim_to_wait(struct pool_conn conn, struct pool__borrowed *ret_borrowed,
                          struct pool_error *err)
{
    if (!pool__claim_open(conn, ret_borrowed, err))
        return false;
    if ((!pool__loop_is_here(&conn.pool->loop) || pool__fiber_current()) &&
        !pool__hooked_in(conn.pool))
        return true;
    pool__unclaim_handle(conn.pool, ret_borrowed);
    return pool__check_blocking(conn.pool, err);
}

/* Nothing is tried again here; but a begin may be, on another connection. */
static void conn_query_ended(const struct pool__borrowed *borrowed, struct pool *pool,
                             struct pool__job *job, struct pool__tries *tries,
                             const struct pool_result *result, const struct pool_error *err)
{
    bool more = tries && !result && tries->again(pool, err, tries->tries) &&
                pool__now_ns() < tries->deadline_ns;
    if (tries)
        tries->more = more;
    if (!more)
        pool__job_ended(pool, job, &pool->core.slots[borrowed->slot], result, err->code);
}

static struct pool_result *conn_query(struct pool_conn conn, const struct pool_request *request,
                                      const struct pool__sink *sink,
                                      const struct pool__batch *batch, struct pool__tries *tries,
                                      struct pool_error *err)
{
    struct pool__borrowed borrowed;
    struct pool_error own;
    struct pool__job job;
    int cancel_state;
    err = err ? err : &own;
    pool__ok(err);
    if (!pool__check_request(request, err) || !claim_to_wait(conn, &borrowed, err))
        return NULL;
    struct pool_result *result = NULL;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    if (pool__job_init(&job, conn.pool, request, sink, err)) {
        job.batch = batch;
        job.held = true;
        result = pool__run_job(conn.pool, &borrowed, &job, call_deadline(request), 0, err);
        conn_query_ended(&borrowed, conn.pool, &job, tries, result, err);
        pool__job_fini(&job);
    }
    pool__unclaim_handle(conn.pool, &borrowed);
    pthread_setcancelstate(cancel_state, NULL);
    return result;
}

struct pool_result *pool__conn_query_as(struct pool_conn conn, const struct pool_request *request,
                                        const struct pool__sink *sink,
                                        const struct pool__batch *batch, struct pool_error *err)
{
    return conn_query(conn, request, sink, batch, NULL, err);
}

struct pool_result *pool_conn_query_with(struct pool_conn conn, const struct pool_request *request,
                                         struct pool_error *err)
{
    return pool__conn_query_as(conn, request, NULL, NULL, err);
}

struct pool_result *pool_conn_query(struct pool_conn conn, const char *sql, struct pool_args args,
                                    struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return pool__conn_query_as(conn, &request, NULL, NULL, err);
}

bool pool_conn_stream(struct pool_conn conn, const char *sql, struct pool_args args,
                      pool_row_fn *fn, void *arg, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    struct pool__sink sink = {fn, arg};
    if (!check_row_fn(fn, err))
        return false;
    struct pool_result *result = pool__conn_query_as(conn, &request, &sink, NULL, err);
    pool_result_free(result);
    return result != NULL;
}

static bool conn_command(struct pool_conn conn, const char *sql, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .flags = POOL_TEXT};
    struct pool_result *result = pool__conn_query_as(conn, &request, NULL, NULL, err);
    pool_result_free(result);
    return result != NULL;
}

bool pool__check_no_transaction(struct pool_conn conn, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    if (!pool__claim_open(conn, &borrowed, err))
        return false;
    /* In doubt the statement itself finds out, see trx.c. */
    bool open = borrowed.conn->in_transaction && !pool__trx_is_doubtful(&borrowed.conn->trx);
    pool__unclaim_handle(conn.pool, &borrowed);
    /* The server would commit it silently. */
    return !open || pool__fail(err, POOL_ERR_INVALID, "a transaction is open already");
}

bool pool__conn_begin(struct pool_conn conn, struct pool__tries *tries, struct pool_error *err)
{
    static const struct pool_request request = {.sql = "START TRANSACTION", .flags = POOL_TEXT};
    pool__ok(err);
    if (!pool__check_no_transaction(conn, err))
        return false;
    struct pool_result *result = conn_query(conn, &request, NULL, NULL, tries, err);
    pool_result_free(result);
    return result != NULL;
}

bool pool_conn_begin(struct pool_conn conn, struct pool_error *err)
{
    return pool__conn_begin(conn, NULL, err);
}

bool pool_conn_commit(struct pool_conn conn, struct pool_error *err)
{
    return conn_command(conn, "COMMIT", err);
}

bool pool_conn_rollback(struct pool_conn conn, struct pool_error *err)
{
    return conn_command(conn, "ROLLBACK", err);
}

bool pool_conn_ping(struct pool_conn conn, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    pool__ok(err);
    if (!claim_to_wait(conn, &borrowed, err))
        return false;
    int cancel_state; /* a thread that ended here would leave it claimed */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    bool ok = pool__ping(conn.pool, &borrowed, err);
    pool__unclaim_handle(conn.pool, &borrowed);
    pthread_setcancelstate(cancel_state, NULL);
    return ok;
}

unsigned long pool_conn_thread_id(struct pool_conn conn)
{
    struct pool__borrowed borrowed;
    if (!pool__claim_open(conn, &borrowed, NULL))
        return 0;
    unsigned long id = borrowed.conn->thread_id;
    pool__unclaim_handle(conn.pool, &borrowed);
    return id;
}

void *pool_conn_native(struct pool_conn conn)
{
    struct pool__borrowed borrowed;
    if (!pool__claim_open(conn, &borrowed, NULL))
        return NULL;
    /* Whatever the program does with it goes unseen. */
    borrowed.conn->dirty = true;
    borrowed.conn->native_given = true;
    borrowed.conn->quotes_known = false;
    pool__trx_note_unseen(borrowed.conn);
    MYSQL *native = borrowed.conn->mysql;
    pool__unclaim_handle(conn.pool, &borrowed);
    return native;
}

struct pool_result *pool_setup_query(struct pool_setup *setup, const char *sql,
                                     struct pool_args args, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args, .flags = POOL_TEXT};
    pool__ok(err);
    if (!setup) {
        pool__fail(err, POOL_ERR_INVALID, "the set-up is NULL");
        return NULL;
    }
    struct pool__form form;
    if (!pool__check_request(&request, err) || !pool__form_init(&form, &request, true, err))
        return NULL;
    struct pool_result *result = pool__query(setup->conn, &form, NULL, setup->deadline_ns, err);
    pool__form_fini(&form);
    return result;
}
