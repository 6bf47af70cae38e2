/*
 * What a session is made into, and made again by a reset.
 *
 * The set-up is two statements. The first switches on the server's report of changed
 * session state, which lets the pool skip the reset of a clean connection. The second reads
 * the limits of the server and the facts that a later reset must find again: a reset keeps
 * the database and the role, so those are compared, and a connection that cannot be brought
 * back is closed. Then comes what the program wants: init_sql and the init callback.
 *
 * The thread that owns the connection's slot runs it; there are no locks here.
 */
#include "session.h"

#include "error.h"
#include "query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number_or(struct pool_result *row, unsigned column, uint64_t fallback)
{
    return pool_is_null(row, column) ? fallback : pool_get_uint(row, column);
}

/* Both flavours; MySQL needs its charset set again after a reset, and setting it is
 * harmless elsewhere. A server or its init_connect may switch autocommit off; then a session
 * that is lent for one statement would lose it. */
#define SET_UP                                                                                     \
    "SET NAMES utf8mb4, SESSION session_track_state_change = 1, "                                  \
    "SESSION session_track_system_variables = '', SESSION autocommit = "
#define READ_FACTS                                                                                 \
    "SELECT CONNECTION_ID(), @@max_allowed_packet, @@max_prepared_stmt_count, @@wait_timeout, "    \
    "CURRENT_ROLE(), DATABASE()"

static struct pool_result *read_facts(struct pool__conn *conn, uint64_t deadline_ns,
                                      struct pool_error *err)
{
    const char *set_up = conn->options->v.no_autocommit ? SET_UP "0" : SET_UP "1";
    if (!pool__say(conn, set_up, deadline_ns, err))
        return NULL;
    struct pool_result *facts =
        pool__query_text(conn, READ_FACTS, strlen(READ_FACTS), deadline_ns, err);
    if (facts && !pool_next(facts)) {
        pool_result_free(facts);
        pool__fail(err, POOL_ERR_CONNECT, "the server gave no answer to the session set-up");
        return NULL;
    }
    return facts;
}

static bool copy_text(char **to, const char *text)
{
    free(*to);
    *to = text ? strdup(text) : NULL;
    return *to || !text;
}

/* What a reset does not touch, and must therefore be found again after one. */
static bool remember_names(struct pool__conn *conn, const char *role, const char *database,
                           struct pool_error *err)
{
    if (copy_text(&conn->role, role) && copy_text(&conn->database, database))
        return true;
    return pool__fail(err, POOL_ERR_NOMEM, "out of memory for a connection");
}

static void remember_limits(struct pool__conn *conn, struct pool_result *facts)
{
    conn->max_packet = number_or(facts, 1, UINT64_MAX);
    conn->max_prepared = number_or(facts, 2, 16382);
    conn->wait_timeout_s = (uint32_t)number_or(facts, 3, 28800);
}

static bool remember_facts(struct pool__conn *conn, struct pool_result *facts,
                           struct pool_error *err)
{
    conn->thread_id = (unsigned long)number_or(facts, 0, 0);
    remember_limits(conn, facts);
    return remember_names(conn, pool_get_text(facts, 4), pool_get_text(facts, 5), err);
}

/* MySQL says NONE where MariaDB says NULL; the texts are only compared. */
static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void session_is_fresh(struct pool__conn *conn)
{
    conn->dirty = false;
    conn->in_transaction = false;
    conn->autocommit = conn->mysql->server_status & SERVER_STATUS_AUTOCOMMIT;
}

static bool run_init(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
{
    const struct pool_options *v = &conn->options->v;
    struct pool_setup setup = {conn, deadline_ns};
    for (const char *const *sql = v->init_sql; sql && *sql; sql++)
        if (!pool__say(conn, *sql, deadline_ns, err))
            return false;
    pool__ok(err);
    if (!v->init || v->init(&setup, v->init_arg, err))
        return true;
    if (err && err->code == POOL_OK)
        pool__fail(err, POOL_ERR_CONNECT, "the init callback refused the connection");
    return false;
}

/* The init may have set a role or chosen a database: those are then the base. */
static bool remember_after_init(struct pool__conn *conn, uint64_t deadline_ns,
                                struct pool_error *err)
{
    static const char sql[] = "SELECT CURRENT_ROLE(), DATABASE()";
    struct pool_result *row = pool__query_text(conn, sql, strlen(sql), deadline_ns, err);
    bool ok = row && pool_next(row) &&
              remember_names(conn, pool_get_text(row, 0), pool_get_text(row, 1), err);
    pool_result_free(row);
    return ok;
}

/* What the init did without autocommit, or behind a BEGIN of its own. Nobody after it could
 * tell that from the work of a borrower. */
static bool keep_work_of_init(struct pool__conn *conn, uint64_t deadline_ns,
                              struct pool_error *err)
{
    bool open = conn->mysql->server_status & SERVER_STATUS_IN_TRANS;
    return !open || pool__say(conn, "COMMIT", deadline_ns, err);
}

bool pool__session_init(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
{
    const struct pool_options *v = &conn->options->v;
    if ((v->init_sql || v->init) &&
        (!run_init(conn, deadline_ns, err) || !remember_after_init(conn, deadline_ns, err) ||
         !keep_work_of_init(conn, deadline_ns, err)))
        return false;
    session_is_fresh(conn);
    return !conn->broken || pool__fail(err, POOL_ERR_LOST, "the connection was lost in its set-up");
}
/* One that speaks the protocol itself gives out numbers of its own. */
static bool is_behind_proxy(const struct pool__conn *conn)
{
    return mysql_thread_id(conn->mysql) != conn->thread_id;
}

bool pool__session_start(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
{
    conn->mariadb = mariadb_connection(conn->mysql) != 0;
    struct pool_result *facts = read_facts(conn, deadline_ns, err);
    bool ok = facts && remember_facts(conn, facts, err);
    pool_result_free(facts);
    session_is_fresh(conn);
    conn->pipelines = ok && conn->mariadb && !is_behind_proxy(conn);
    return ok;
}

static bool restore_database(struct pool__conn *conn, struct pool_result *facts,
                             uint64_t deadline_ns, struct pool_error *err)
{
    const char *base = conn->database;
    const char *now = pool_get_text(facts, 5);
    if (same_text(base, now))
        return true;
    if (!base)
        return pool__fail(err, POOL_ERR_LOST, "a chosen database cannot be un-chosen");
    char *name = pool_escape_id(base);
    size_t size = name ? strlen(name) + sizeof "USE " : 0;
    char *use = name ? malloc(size) : NULL;
    bool ok = false;
    if (use) {
        snprintf(use, size, "USE %s", name);
        ok = pool__say(conn, use, deadline_ns, err);
    } else {
        pool__fail(err, POOL_ERR_NOMEM, "out of memory");
    }
    free(name);
    free(use);
    return ok;
}

bool pool__session_reset(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
{
    /* With an unread result the library's reset can spin or shift replies. */
    if (conn->mysql->status != MYSQL_STATUS_READY ||
        (conn->mysql->server_status & SERVER_MORE_RESULTS_EXIST))
        return pool__fail(err, POOL_ERR_LOST, "a result was left unread");
    if (!pool__conn_is_ours(conn))
        return pool__fail(err, POOL_ERR_LOST, "the program has closed the connection's descriptor");
    if (!pool__conn_command(conn, mysql_reset_connection, deadline_ns, err))
        return false;
    /* The reset has closed all prepared statements, here and on the server. */
    pool__stmt_cache_fini(&conn->cache);
    struct pool_result *facts = read_facts(conn, deadline_ns, err);
    bool ok = facts && restore_database(conn, facts, deadline_ns, err);
    if (ok && !same_text(conn->role, pool_get_text(facts, 4)))
        ok = pool__fail(err, POOL_ERR_LOST, "the role was changed, which a reset cannot undo");
    if (ok)
        remember_limits(conn, facts);
    pool_result_free(facts);
    return ok && pool__session_init(conn, deadline_ns, err);
}
