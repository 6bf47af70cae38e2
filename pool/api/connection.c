/*
 * The blocking calls of a borrowed connection: each claims the handle for as long as it runs.
 *
 * Nothing is tried again here, because the session of a connection is lost with it: not even the
 * first statement on a new handle, whose thread id the caller may know already.
 */
#include "api/connection.h"

#include "api/query.h"
#include "base/error.h"
#include "base/fiber.h"
#include "base/loop.h"
#include "base/reserved.h"
#include "base/sync.h"
#include "conn/batch.h"
#include "conn/conn.h"
#include "conn/query.h"
#include "conn/trx.h"
#include "core/hooked.h"
#include "core/slots.h"
#include "engine/borrow.h"
#include "engine/handle.h"
#include "engine/job.h"
#include "engine/label.h"
#include "engine/pool.h"
#include "sql/request.h"

static const struct pool_request plain;

uint32_t pool__connection_ms_until(uint64_t deadline_ns)
{
    if (deadline_ns == POOL__FOREVER)
        return POOL_NEVER;
    uint64_t now = pool__now_ns();
    return deadline_ns > now ? (uint32_t)((deadline_ns - now) / POOL__NS_PER_MS) + 1 : 1;
}

bool pool__connection_borrow(struct pool *pool, const struct pool_request *request,
                             struct pool_conn *ret_conn, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    if (!pool__check_begun(pool, err))
        return false;
    struct pool__ask ask = pool__borrow_ask(pool, request, 0);
    ask.begun = true;
    if (!pool__borrow(pool, &ask, &borrowed, err))
        return false;
    *ret_conn = pool__handle_of(pool, borrowed.slot, borrowed.generation);
    return true;
}

bool pool_get_connection_with(struct pool *pool, const struct pool_request *request,
                              struct pool_conn *ret_conn, struct pool_error *err)
{
    pool__ok(err);
    if (!ret_conn || !request)
        return pool__fail(err, POOL_ERR_INVALID, "the %s is NULL", request ? "handle" : "request");
    return pool__reserved_check(request->reserved, sizeof request->reserved, "the request", err) &&
           pool__check_new_blocking(pool, err) &&
           pool__connection_borrow(pool, request, ret_conn, err);
}

bool pool_get_connection(struct pool *pool, struct pool_conn *ret_conn, struct pool_error *err)
{
    unsigned slot;
    uint32_t generation;
    /* The usual case, with nothing on the way to it: this thread's last connection is
     * idle. */
    if (!ret_conn || !pool__may_borrow_quickly(pool) ||
        !pool__slots_take_hinted(&pool->core, 0, &slot, &generation))
        return pool_get_connection_with(pool, &plain, ret_conn, err);
    pool__label_set(pool, slot, NULL);
    pool__ok(err);
    *ret_conn = pool__handle_of(pool, slot, generation);
    return true;
}

/* For a statement that is waited for. On a fiber others run meanwhile, but not in a hook. */
static bool claim_to_wait(struct pool_conn conn, struct pool__borrowed *ret_borrowed,
                          struct pool_error *err)
{
    if (!pool__handle_claim_open(conn, ret_borrowed, err))
        return false;
    if ((!pool__loop_is_here(&conn.pool->loop) || pool__fiber_current()) &&
        !pool__hooked_in(conn.pool))
        return true;
    pool__handle_unclaim(conn.pool, ret_borrowed);
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
    struct pool__job job;
    int cancel_state;
    POOL__OWN_ERROR(err);
    if (!pool__request_check(request, err) || !claim_to_wait(conn, &borrowed, err))
        return NULL;
    struct pool_result *result = NULL;
    cancel_state = pool__uncancellable_begin();
    if (pool__job_init(&job, conn.pool, request, sink, err)) {
        job.batch = batch;
        job.held = true;
        result = pool__job_run(conn.pool, &borrowed, &job,
                               pool__borrow_deadline(request->timeout_ms), 0, err);
        conn_query_ended(&borrowed, conn.pool, &job, tries, result, err);
        pool__job_fini(&job);
    }
    pool__handle_unclaim(conn.pool, &borrowed);
    pool__uncancellable_end(cancel_state);
    return result;
}

struct pool_result *pool__connection_query(struct pool_conn conn,
                                           const struct pool_request *request,
                                           const struct pool__sink *sink,
                                           const struct pool__batch *batch, struct pool_error *err)
{
    return conn_query(conn, request, sink, batch, NULL, err);
}

struct pool_result *pool_conn_query_with(struct pool_conn conn, const struct pool_request *request,
                                         struct pool_error *err)
{
    return pool__connection_query(conn, request, NULL, NULL, err);
}

struct pool_result *pool_conn_query(struct pool_conn conn, const char *sql, struct pool_args args,
                                    struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return pool__connection_query(conn, &request, NULL, NULL, err);
}

bool pool_conn_stream(struct pool_conn conn, const char *sql, struct pool_args args,
                      pool_row_fn *fn, void *arg, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .args = args};
    return pool_conn_stream_with(conn, &request, fn, arg, err);
}

bool pool_conn_stream_with(struct pool_conn conn, const struct pool_request *request,
                           pool_row_fn *fn, void *arg, struct pool_error *err)
{
    struct pool__sink sink = {fn, arg};
    if (!pool__query_check_row_fn(fn, err))
        return false;
    struct pool_result *result = pool__connection_query(conn, request, &sink, NULL, err);
    pool_result_free(result);
    return result != NULL;
}

/* Runs a command that returns no rows. `tries` and the other limits: NULL, none. */
static bool command(struct pool_conn conn, const char *sql, const struct pool__limits *limits,
                    struct pool__tries *tries, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .text = true};
    if (limits) {
        request.timeout_ms = pool__connection_ms_until(limits->deadline_ns);
        request.label = limits->label;
    }
    struct pool_result *result = conn_query(conn, &request, NULL, NULL, tries, err);
    pool_result_free(result);
    return result != NULL;
}

/* For the next transaction alone: once that has begun, nothing of it is left in the session. */
static const char *set_isolation(enum pool_isolation isolation)
{
    switch (isolation) {
    case POOL_ISOLATION_READ_UNCOMMITTED: return "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED";
    case POOL_ISOLATION_READ_COMMITTED: return "SET TRANSACTION ISOLATION LEVEL READ COMMITTED";
    case POOL_ISOLATION_REPEATABLE_READ: return "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    case POOL_ISOLATION_SERIALIZABLE: return "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";
    case POOL_ISOLATION_DEFAULT: break;
    }
    return NULL;
}

static const char *start_of(const struct pool__begin *begin)
{
    return begin && begin->read_only ? "START TRANSACTION READ ONLY" : "START TRANSACTION";
}

static bool is_dirty(struct pool_conn conn)
{
    struct pool__borrowed borrowed;
    if (!pool__handle_claim_open(conn, &borrowed, NULL))
        return true;
    bool dirty = borrowed.conn->dirty;
    pool__handle_unclaim(conn.pool, &borrowed);
    return dirty;
}

/* After the isolation was set: once the transaction has begun nothing of that is left. If it has
 * not, the next one of whoever comes would have it; a reset takes it away, if there are resets. */
static void settle_isolation(struct pool_conn conn, bool began)
{
    struct pool__borrowed borrowed;
    if (!pool__handle_claim_open(conn, &borrowed, NULL))
        return;
    if (began)
        borrowed.conn->dirty = false;
    else if (conn.pool->options.v.reset_policy == POOL_RESET_NEVER)
        borrowed.conn->broken = true;
    pool__handle_unclaim(conn.pool, &borrowed);
}

bool pool__connection_begin(struct pool_conn conn, const struct pool__begin *begin,
                            struct pool__tries *tries, struct pool_error *err)
{
    pool__ok(err);
    if (!pool__handle_check_no_transaction(conn, err))
        return false;
    const char *set = begin ? set_isolation(begin->isolation) : NULL;
    const struct pool__limits *limits = begin ? &begin->limits : NULL;
    bool dirty = set && is_dirty(conn);
    bool began = (!set || command(conn, set, limits, tries, err)) &&
                 command(conn, start_of(begin), limits, tries, err);
    if (set && (!began || !dirty))
        settle_isolation(conn, began);
    return began;
}

bool pool__connection_end(struct pool_conn conn, const char *sql, const struct pool__limits *limits,
                          struct pool_error *err)
{
    return command(conn, sql, limits, NULL, err);
}

bool pool_conn_begin(struct pool_conn conn, struct pool_error *err)
{
    return pool__connection_begin(conn, NULL, NULL, err);
}

bool pool_conn_commit(struct pool_conn conn, struct pool_error *err)
{
    return command(conn, "COMMIT", NULL, NULL, err);
}

bool pool_conn_rollback(struct pool_conn conn, struct pool_error *err)
{
    return command(conn, "ROLLBACK", NULL, NULL, err);
}

bool pool_conn_ping(struct pool_conn conn, struct pool_error *err)
{
    struct pool__borrowed borrowed;
    pool__ok(err);
    if (!claim_to_wait(conn, &borrowed, err))
        return false;
    /* A thread that ended here would leave it claimed. */
    int cancel_state = pool__uncancellable_begin();
    bool ok = pool__job_ping(conn.pool, &borrowed, err);
    pool__handle_unclaim(conn.pool, &borrowed);
    pool__uncancellable_end(cancel_state);
    return ok;
}

unsigned long pool_conn_thread_id(struct pool_conn conn)
{
    struct pool__borrowed borrowed;
    if (!pool__handle_claim_open(conn, &borrowed, NULL))
        return 0;
    unsigned long id = borrowed.conn->thread_id;
    pool__handle_unclaim(conn.pool, &borrowed);
    return id;
}

void *pool_conn_native(struct pool_conn conn)
{
    struct pool__borrowed borrowed;
    if (!pool__handle_claim_open(conn, &borrowed, NULL))
        return NULL;
    /* Whatever the program does with it goes unseen. */
    borrowed.conn->dirty = true;
    borrowed.conn->native_given = true;
    borrowed.conn->quotes_known = false;
    pool__trx_note_unseen(borrowed.conn);
    void *native = borrowed.conn->mysql;
    pool__handle_unclaim(conn.pool, &borrowed);
    return native;
}
