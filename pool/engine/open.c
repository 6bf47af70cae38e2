/*
 * How a worker opens a connection: log in, set the session up, ask for the primary if writes were
 * refused lately, and have its socket watched. What comes of it is reported to health.c, which
 * decides when the next one may be opened.
 */
#include "engine/open.h"

#include "base/error.h"
#include "base/sync.h"
#include "conn/conn.h"
#include "conn/connect.h"
#include "conn/session.h"
#include "core/classify.h"
#include "core/policy.h"
#include "core/slots.h"
#include "engine/chores.h"
#include "engine/health.h"
#include "engine/hooks.h"
#include "engine/pool.h"
#include "engine/replica.h"
#include "engine/watch.h"
#include "engine/workers.h"

#include <string.h>

/* What the server says after the login, in the set-up of the session, is as much a refusal of
 * the connect as what it says to the login. A session that ended there stays LOST. */
static void blame_setup(const struct pool__conn *conn, struct pool_error *err)
{
    struct pool_error was = *err;
    if (was.code == POOL_ERR_QUERY_TIMEOUT && !was.server_errno)
        pool__fail(err, POOL_ERR_CONNECT, "connect timed out in the set-up of the session");
    if (!was.server_errno)
        return;
    enum pool__setup_class class_ =
        pool__classify_setup(was.server_errno, was.message, conn->mariadb);
    if (class_ == POOL__SETUP_ENDED)
        return;
    pool__fail(err, class_ == POOL__SETUP_REFUSED ? POOL_ERR_AUTH : POOL_ERR_CONNECT,
               "the set-up of the session was refused: %.400s", was.message);
    err->server_errno = was.server_errno;
    memcpy(err->sqlstate, was.sqlstate, sizeof err->sqlstate);
}

/* On failure *ret_conn may hold a connection that is to be closed. */
static bool open_once(struct pool *pool, bool refresh, uint64_t deadline_ns,
                      struct pool__conn **ret_conn, struct pool_error *err)
{
    struct pool_credentials credentials;
    *ret_conn = NULL;
    return pool__hooks_ask_credentials(pool, refresh, &credentials, err) &&
           pool__connect(&pool->options, &credentials, &pool->budget, pool->cut_fd, deadline_ns,
                         ret_conn, err) &&
           pool__session_init(*ret_conn, deadline_ns, err) &&
           pool__replica_look(pool, *ret_conn, deadline_ns, err);
}

static bool open_conn(struct pool *pool, struct pool__conn **ret_conn, struct pool_error *err)
{
    uint64_t deadline_ns = pool__step_deadline_ns(pool);
    if (open_once(pool, false, deadline_ns, ret_conn, err))
        return true;
    /* A rotated password: ask once more before believing the refusal. */
    return !*ret_conn && pool->options.v.credentials &&
           pool__classify_connect(err->server_errno) == POOL__CONNECT_PASSWORD &&
           open_once(pool, true, deadline_ns, ret_conn, err);
}

static uint32_t random32(struct pool *pool)
{
    pool__lock(&pool->health.lock);
    uint64_t x = pool->health.random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    pool->health.random = x;
    pool__unlock(&pool->health.lock);
    return (uint32_t)(x >> 32);
}

static void set_ages(struct pool *pool, unsigned slot, const struct pool__conn *conn)
{
    uint32_t lifetime = pool__policy_lifetime_ms(pool->options.v.max_lifetime_ms, random32(pool));
    atomic_store(&pool->records[slot].retire_ns, pool__after_ms(conn->opened_ns, lifetime));
    pool__chores_set_keepalive(pool, slot, conn);
    atomic_store(&pool->budget.limit, pool__policy_statement_budget(conn->max_prepared));
}

static void open_failed(struct pool *pool, unsigned slot, struct pool__conn *conn,
                        const struct pool_error *err)
{
    pool__count(&pool->counters.connect_failures);
    pool__health_report(pool, err, conn != NULL);
    if (conn) {
        pool__chores_part(pool, slot, conn);
    } else {
        pool__slots_to_empty(&pool->core, slot);
    }
    pool__watch_poke(pool);
}

static void do_open(struct pool *pool, unsigned slot)
{
    struct pool_error err;
    struct pool__conn *conn;
    pool__ok(&err);
    atomic_store(&pool->records[slot].evict_reason, POOL_CLOSE_SERVER);
    if (!open_conn(pool, &conn, &err)) {
        if (conn)
            blame_setup(conn, &err);
        open_failed(pool, slot, conn, &err);
        return;
    }
    pool->core.slots[slot].conn = conn;
    atomic_store(&pool->records[slot].thread_id, conn->thread_id);
    set_ages(pool, slot, conn);
    pool__count(&pool->counters.opened);
    pool__hooks_tell_connection(pool, conn->thread_id);
    pool__health_report(pool, NULL, true);
    atomic_store(&pool->records[slot].opened_ns, pool__now_ns());
    if (pool__watch_open(pool, slot, pool__conn_socket(conn)))
        pool__chores_give_or_close(pool, slot);
    else
        pool__chores_close(pool, slot, POOL_CLOSE_ERROR);
}

static void run_open(struct pool *pool, struct pool__chore *chore)
{
    do_open(pool, pool__chores_slot(pool, chore));
}

void pool__open_order(struct pool *pool, unsigned slot)
{
    pool__chores_order(pool, slot, run_open, false);
}
