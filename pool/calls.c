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
#include "pool.h"

#include "error.h"
#include "query.h"
#include "result.h"

#define ATTEMPTS 3
#define KNOWN_FLAGS (POOL_TEXT | POOL_IDEMPOTENT | POOL_ALONE)

static bool check_request(const struct pool_request *request, struct pool_error *err)
{
    if (!request)
        return pool__fail(err, POOL_ERR_INVALID, "the request is NULL");
    if (!request->sql)
        return pool__fail(err, POOL_ERR_INVALID, "the SQL is NULL");
    if (request->args.count && !request->args.values)
        return pool__fail(err, POOL_ERR_INVALID, "%zu values were announced but the pointer is NULL",
                          request->args.count);
    if (request->flags & ~(unsigned)KNOWN_FLAGS)
        return pool__fail(err, POOL_ERR_INVALID, "unknown request flags 0x%x",
                          request->flags & ~(unsigned)KNOWN_FLAGS);
    return true;
}

static const struct pool_request plain;

static uint64_t call_deadline(const struct pool_request *request)
{
    return request->timeout_ms ? pool__after_ms(pool__now_ns(), request->timeout_ms)
                               : POOL__FOREVER;
}

static struct pool__ask ask_for(const struct pool *pool, const struct pool_request *request,
                                uint64_t flags)
{
    return (struct pool__ask){.flags = flags,
                              .label = request->label,
                              .deadline_ns = call_deadline(request),
                              .acquire_ms = request->acquire_timeout_ms
                                                ? request->acquire_timeout_ms
                                                : pool->options.v.acquire_timeout_ms};
}

static uint64_t statement_deadline(const struct pool *pool, uint64_t call_deadline_ns)
{
    uint32_t ms = pool->options.v.query_timeout_ms;
    if (ms == POOL_NEVER)
        return call_deadline_ns;
    uint64_t own = pool__after_ms(pool__now_ns(), ms);
    return own < call_deadline_ns ? own : call_deadline_ns;
}

/* One statement as a public call was given it. */
struct job {
    const struct pool_request *request;
    const struct pool__sink *sink; /* NULL: into a result */
    struct pool__form form;
};

/* What fails here has not been sent anywhere. */
static bool job_init(struct job *job, const struct pool *pool, const struct pool_request *request,
                     const struct pool__sink *sink, struct pool_error *err)
{
    job->request = request;
    job->sink = sink;
    if (pool__form_init(&job->form, request, pool->options.v.no_prepare, err))
        return true;
    err->not_executed = true;
    return false;
}

/* Written by the borrower alone. */
static void add(_Atomic uint64_t *counter, uint64_t count)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + count, memory_order_relaxed);
}

static void count_query(struct pool *pool, const struct pool__borrowed *borrowed, bool ok)
{
    struct pool__slot *slot = &pool->core.slots[borrowed->slot];
    add(&slot->queries, 1);
    add(&slot->query_errors, !ok);
    add(&slot->statement_hits, borrowed->conn->cache.hits);
    borrowed->conn->cache.hits = 0;
}

static void tell_hook(struct pool *pool, const struct job *job, uint64_t started_ns,
                      struct pool_result *result, const struct pool_error *err)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    const struct pool *before = pool__enter_callback(pool);
    hooks->on_query(job->request->label, pool__stmt_hash(job->form.text, job->form.text_len),
                    pool__now_ns() - started_ns, result ? pool__result_rows(result) : 0, err->code,
                    hooks->arg);
    pool__leave_callback(before);
}

/* Runs on a connection that this thread owns. */
static struct pool_result *run(struct pool *pool, const struct pool__borrowed *borrowed,
                               const struct job *job, uint64_t call_deadline_ns,
                               struct pool_error *err)
{
    bool hooked = pool->options.v.hooks.on_query;
    uint64_t started_ns = hooked ? pool__now_ns() : 0;
    int cancel_state; /* a thread that ended here would keep the connection */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    const struct pool *before = pool__enter_callback(job->sink ? pool : NULL);
    struct pool_result *result = pool__query(borrowed->conn, &job->form, job->sink,
                                             statement_deadline(pool, call_deadline_ns), err);
    pool__leave_callback(before);
    count_query(pool, borrowed, result != NULL);
    if (hooked)
        tell_hook(pool, job, started_ns, result, err);
    if (!result)
        pool__note_error(pool, err);
    pthread_setcancelstate(cancel_state, NULL);
    return result;
}

/* How often a statement may be tried, after this error. When a server dies, all its idle
 * connections are dead at once, and a statement may meet each of them before the keeper
 * does: those cost the server nothing. What has been sent is sent again a few times at
 * most, and never a stream: rows that the callback has seen cannot be taken back. */
static unsigned most_attempts(const struct pool *pool, const struct job *job,
                              const struct pool_error *err)
{
    if (err->code != POOL_ERR_LOST)
        return 1;
    if (err->not_executed && err->server_errno == 0)
        return ATTEMPTS + pool->core.limit;
    bool allowed = err->not_executed || (job->request->flags & POOL_IDEMPOTENT);
    return allowed && !job->sink ? ATTEMPTS : 1;
}

static struct pool_result *query(struct pool *pool, const struct job *job, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    struct pool__ask ask = ask_for(pool, job->request, POOL__RUNNING);
    for (unsigned attempt = 1;; attempt++) {
        if (!pool__borrow(pool, &ask, &borrowed, err)) {
            atomic_fetch_add_explicit(&pool->counters.unborrowed_queries, 1, memory_order_relaxed);
            return NULL;
        }
        struct pool_result *result = run(pool, &borrowed, job, ask.deadline_ns, err);
        pool__return(pool, borrowed.slot);
        if (result || attempt >= most_attempts(pool, job, err) ||
            (ask.deadline_ns != POOL__FOREVER && pool__now_ns() >= ask.deadline_ns))
            return result;
    }
}

static struct pool_result *checked_query(struct pool *pool, const struct pool_request *request,
                                         const struct pool__sink *sink, struct pool_error *err)
{
    struct pool_error own;
    struct job job;
    err = err ? err : &own;
    pool__ok(err);
    if (!check_request(request, err) || !pool__check(pool, err) ||
        !job_init(&job, pool, request, sink, err))
        return NULL;
    struct pool_result *result = query(pool, &job, err);
    pool__form_fini(&job.form);
    return result;
}

struct pool_result *pool_query_with(struct pool *pool, const struct pool_request *request,
                                    struct pool_error *err)
{
    return checked_query(pool, request, NULL, err);
}

struct pool_result *pool_query(struct pool *pool, const char *sql, struct pool_args args,
                               struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return checked_query(pool, &request, NULL, err);
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
    struct pool_result *result = checked_query(pool, &request, &sink, err);
    pool_result_free(result);
    return result != NULL;
}

/* A connection that died while it was idle says nothing about the service. */
bool pool_ping(struct pool *pool, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    struct pool_error own;
    bool ok = false;
    err = err ? err : &own;
    pool__ok(err);
    if (!pool__check(pool, err))
        return false;
    struct pool__ask ask = ask_for(pool, &plain, POOL__RUNNING);
    for (unsigned attempt = 0; !ok && attempt < ATTEMPTS + pool->core.limit; attempt++) {
        if (!pool__borrow(pool, &ask, &borrowed, err))
            return false;
        pool__ok(err);
        ok = pool__conn_ping(borrowed.conn,
                             pool__after_ms(pool__now_ns(), pool->options.v.connect_timeout_ms),
                             err);
        pool__return(pool, borrowed.slot);
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
    if (!pool__check(pool, err))
        return false;
    struct pool__ask ask = ask_for(pool, request, 0);
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

/* Claims the handle and makes sure that there still is a connection behind it. */
static bool claim_open(struct pool_conn conn, struct pool__borrowed *ret_borrowed,
                       struct pool_error *err)
{
    if (!pool__claim_handle(conn, ret_borrowed, err))
        return false;
    if (ret_borrowed->conn)
        return true;
    pool__unclaim_handle(conn.pool, ret_borrowed);
    return pool__fail(err, POOL_ERR_CLOSED, "the pool was closed; release the connection");
}

static struct pool_result *conn_query(struct pool_conn conn, const struct pool_request *request,
                                      const struct pool__sink *sink, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    struct pool_error own;
    struct job job;
    err = err ? err : &own;
    pool__ok(err);
    if (!check_request(request, err) || !claim_open(conn, &borrowed, err))
        return NULL;
    struct pool_result *result = NULL;
    if (job_init(&job, conn.pool, request, sink, err)) {
        result = run(conn.pool, &borrowed, &job, call_deadline(request), err);
        pool__form_fini(&job.form);
    }
    pool__unclaim_handle(conn.pool, &borrowed);
    return result;
}

struct pool_result *pool_conn_query_with(struct pool_conn conn, const struct pool_request *request,
                                         struct pool_error *err)
{
    return conn_query(conn, request, NULL, err);
}

struct pool_result *pool_conn_query(struct pool_conn conn, const char *sql, struct pool_args args,
                                    struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return conn_query(conn, &request, NULL, err);
}

bool pool_conn_stream(struct pool_conn conn, const char *sql, struct pool_args args,
                      pool_row_fn *fn, void *arg, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    struct pool__sink sink = {fn, arg};
    if (!check_row_fn(fn, err))
        return false;
    struct pool_result *result = conn_query(conn, &request, &sink, err);
    pool_result_free(result);
    return result != NULL;
}

static bool conn_command(struct pool_conn conn, const char *sql, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .flags = POOL_TEXT};
    struct pool_result *result = conn_query(conn, &request, NULL, err);
    pool_result_free(result);
    return result != NULL;
}

bool pool_conn_begin(struct pool_conn conn, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    pool__ok(err);
    if (!claim_open(conn, &borrowed, err))
        return false;
    bool open = borrowed.conn->in_transaction;
    pool__unclaim_handle(conn.pool, &borrowed);
    if (open) /* the server would commit it silently */
        return pool__fail(err, POOL_ERR_INVALID, "a transaction is open already");
    return conn_command(conn, "START TRANSACTION", err);
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
    if (!claim_open(conn, &borrowed, err))
        return false;
    uint64_t deadline_ns =
        pool__after_ms(pool__now_ns(), conn.pool->options.v.connect_timeout_ms);
    bool ok = pool__conn_ping(borrowed.conn, deadline_ns, err);
    pool__unclaim_handle(conn.pool, &borrowed);
    return ok;
}

unsigned long pool_conn_thread_id(struct pool_conn conn)
{
    struct pool__borrowed borrowed;
    if (!claim_open(conn, &borrowed, NULL))
        return 0;
    unsigned long id = borrowed.conn->thread_id;
    pool__unclaim_handle(conn.pool, &borrowed);
    return id;
}

void *pool_conn_native(struct pool_conn conn)
{
    struct pool__borrowed borrowed;
    if (!claim_open(conn, &borrowed, NULL))
        return NULL;
    borrowed.conn->dirty = true; /* whatever the program does with it goes unseen */
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
    if (!check_request(&request, err) || !pool__form_init(&form, &request, true, err))
        return NULL;
    struct pool_result *result = pool__query(setup->conn, &form, NULL, setup->deadline_ns, err);
    pool__form_fini(&form);
    return result;
}
