/*
 * What a session is made into, and made again by a reset.
 *
 * The set-up is two statements. The first switches on the server's report of changed
 * session state, which lets the pool skip the reset of a clean connection, and sets what the
 * options ask for (setup.c). The second reads the limits of the server and the facts that a
 * later reset must find again. A reset keeps the database, the role and the user, and forgets
 * what only a login sets: so the facts are compared, what can be is restored, and a connection
 * that cannot be brought back is closed.
 * Then comes what the program wants: init_sql and the init callback.
 *
 * The thread that owns the connection's slot runs it; there are no locks here.
 */
#include "conn/session.h"

#include "base/error.h"
#include "conn/command.h"
#include "conn/query.h"
#include "conn/quotes.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number_or(struct pool_result *row, unsigned column, uint64_t fallback)
{
    return pool_is_null(row, column) ? fallback : pool_get_uint(row, column);
}

#define FACTS                                                                                      \
    "SELECT CONNECTION_ID(), @@max_allowed_packet, @@max_prepared_stmt_count, @@wait_timeout, "    \
    "CURRENT_ROLE(), DATABASE(), CONCAT(USER(), ' ', CURRENT_USER()), @@GLOBAL.init_connect, "     \
    "@@sql_mode, @@character_set_client"
/* clang-format off */
enum fact {
    CONNECTION_ID, MAX_PACKET, MAX_PREPARED, WAIT_TIMEOUT, ROLE, DATABASE, IDENTITY, INIT_CONNECT,
    SQL_MODE, CHARSET,
    TIME_LIMIT, LIKE_GLOBAL /* after a login only; the second is the first of SAMPLES */
};
/* clang-format on */

/* A reset takes the global values. What differs from them after a login was set by that: by
 * init_connect, by what stands between, or by the options. These are looked at as a sample. */
/* clang-format off */
#define SAMPLE(X)                                                                                  \
    X("sql_mode") X("time_zone") X("foreign_key_checks") X("unique_checks")                        \
    X("lock_wait_timeout") X("innodb_lock_wait_timeout") X("wait_timeout")                         \
    X("group_concat_max_len") X("sql_select_limit") X("lc_time_names") X("default_storage_engine")
/* clang-format on */
#define NAME(name) name,
#define IS_GLOBAL(name) "@@SESSION." name " <=> @@GLOBAL." name
#define COLUMN(name) ", " IS_GLOBAL(name)
static const char *const sample[] = {SAMPLE(NAME) "tx_isolation", "tx_read_only"};
#define SAMPLES (sizeof sample / sizeof sample[0])

/* The flavours differ in the names of their variables. An account of MariaDB may have a limit
 * for the time of its statements, which the login sets and a reset forgets. */
#define MARIADB_LOGIN                                                                              \
    FACTS ", IF(" IS_GLOBAL("max_statement_time") ", NULL, @@SESSION.max_statement_time)" SAMPLE(  \
        COLUMN) COLUMN("tx_isolation") COLUMN("tx_read_only")
#define MYSQL_LOGIN                                                                                \
    FACTS ", NULL" SAMPLE(COLUMN) COLUMN("transaction_isolation") COLUMN("transaction_read_only")

#define UNKNOWN_VARIABLE 1193

/* Something else that speaks the protocol may not know all of the variables. */
static struct pool_result *ask_for_facts(struct pool__conn *conn, bool login, uint64_t deadline_ns,
                                         struct pool_error *err)
{
    const char *sql = conn->mariadb ? MARIADB_LOGIN : MYSQL_LOGIN;
    struct pool_result *facts = NULL;
    if (login)
        facts = pool__query_text(conn, sql, strlen(sql), deadline_ns, err);
    if (facts || (login && err->server_errno != UNKNOWN_VARIABLE))
        return facts;
    return pool__query_text(conn, FACTS, strlen(FACTS), deadline_ns, err);
}

static bool run_setup(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
{
    const struct pool__options *options = conn->options;
    const char *sql =
        pool__setup_text(&options->setup, conn->mariadb, mysql_get_server_version(conn->mysql));
    if (pool__say(conn, sql, deadline_ns, err))
        return true;
    pool__setup_explain(&options->v, err);
    return false;
}

static struct pool_result *read_facts(struct pool__conn *conn, bool login, uint64_t deadline_ns,
                                      struct pool_error *err)
{
    if (!run_setup(conn, deadline_ns, err))
        return NULL;
    struct pool_result *facts = ask_for_facts(conn, login, deadline_ns, err);
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

static void remember_settings(struct pool__conn *conn, struct pool_result *facts)
{
    conn->max_packet = number_or(facts, MAX_PACKET, UINT64_MAX);
    conn->max_prepared = number_or(facts, MAX_PREPARED, 16382);
    conn->wait_timeout_s = (uint32_t)number_or(facts, WAIT_TIMEOUT, 28800);
    pool__quotes_note(conn, pool_get_text(facts, SQL_MODE), pool_get_text(facts, CHARSET));
}

static bool has_init_connect(struct pool_result *facts)
{
    const char *sql = pool_get_text(facts, INIT_CONNECT);
    return sql && *sql;
}

/* As after a reset; but for what the options set, which they will set again. */
static bool is_like_global(const struct pool__conn *conn, struct pool_result *facts)
{
    if (pool_column_count(facts) < LIKE_GLOBAL + SAMPLES)
        return true; /* not known */
    for (unsigned i = 0; i < SAMPLES; i++)
        if (pool_get_int(facts, LIKE_GLOBAL + i) != 1 &&
            !pool__setup_sets(&conn->options->v, sample[i]))
            return false;
    return true;
}

/* What a login has that a reset has not. */
static bool remember_login(struct pool__conn *conn, struct pool_result *facts,
                           struct pool_error *err)
{
    bool own_limit = pool__setup_sets(&conn->options->v, "max_statement_time");
    const char *limit = own_limit ? NULL : pool_get_text(facts, TIME_LIMIT);
    conn->login_is_more = has_init_connect(facts) || !is_like_global(conn, facts);
    if (copy_text(&conn->identity, pool_get_text(facts, IDENTITY)) &&
        copy_text(&conn->time_limit, limit))
        return true;
    return pool__fail(err, POOL_ERR_NOMEM, "out of memory for a connection");
}

static bool remember_facts(struct pool__conn *conn, struct pool_result *facts,
                           struct pool_error *err)
{
    conn->thread_id = (unsigned long)number_or(facts, CONNECTION_ID, 0);
    remember_settings(conn, facts);
    return remember_names(conn, pool_get_text(facts, ROLE), pool_get_text(facts, DATABASE), err) &&
           remember_login(conn, facts, err);
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
    conn->trx = (struct pool__trx){.guarded = false};
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
    static const char sql[] =
        "SELECT CURRENT_ROLE(), DATABASE(), @@sql_mode, @@character_set_client";
    struct pool_result *row = pool__query_text(conn, sql, strlen(sql), deadline_ns, err);
    bool ok = row && pool_next(row) &&
              remember_names(conn, pool_get_text(row, 0), pool_get_text(row, 1), err);
    if (ok)
        pool__quotes_note(conn, pool_get_text(row, 2), pool_get_text(row, 3));
    pool_result_free(row);
    return ok;
}

/* What the init did without autocommit, or behind a BEGIN of its own. Nobody after it could
 * tell that from the work of a borrower. */
static bool keep_work_of_init(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
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
    conn->cache.by_types = !conn->mariadb;
    struct pool_result *facts = read_facts(conn, true, deadline_ns, err);
    bool ok = facts && remember_facts(conn, facts, err);
    pool_result_free(facts);
    session_is_fresh(conn);
    conn->pipelines = ok && conn->mariadb && !is_behind_proxy(conn);
    if (!ok)
        conn->may_run = false; /* nothing of the program's runs: a plain goodbye will do */
    return ok;
}

static bool restore_database(struct pool__conn *conn, struct pool_result *facts,
                             uint64_t deadline_ns, struct pool_error *err)
{
    const char *base = conn->database;
    const char *now = pool_get_text(facts, DATABASE);
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

/* What a reset cannot bring back: what the server does at a login alone, and another user. */
static bool is_like_after_login(const struct pool__conn *conn, struct pool_result *facts,
                                struct pool_error *err)
{
    if (!same_text(conn->identity, pool_get_text(facts, IDENTITY)))
        return pool__fail(err, POOL_ERR_LOST, "the user was changed, which a reset cannot undo");
    if (!same_text(conn->role, pool_get_text(facts, ROLE)))
        return pool__fail(err, POOL_ERR_LOST, "the role was changed, which a reset cannot undo");
    return !has_init_connect(facts) ||
           pool__fail(err, POOL_ERR_LOST, "the server has an init_connect by now");
}

static bool restore_time_limit(struct pool__conn *conn, uint64_t deadline_ns,
                               struct pool_error *err)
{
    const char *limit = conn->time_limit;
    char sql[96];
    if (!limit)
        return true;
    /* It comes from the server, and goes back as SQL. */
    if (limit[strspn(limit, "0123456789.e-")])
        return pool__fail(err, POOL_ERR_LOST, "the time limit of the account is no number");
    snprintf(sql, sizeof sql, "SET SESSION max_statement_time = %.40s", limit);
    return pool__say(conn, sql, deadline_ns, err);
}

/* A reset does not run init_connect, and neither can the pool: it may be several statements, and
 * do anything. */
static bool may_be_reset(const struct pool__conn *conn, struct pool_error *err)
{
    return !conn->login_is_more ||
           pool__fail(err, POOL_ERR_LOST,
                      "the login did more (init_connect) than a reset could bring back");
}

/* In a cluster the first answer may be that the transaction was undone; then nothing was reset. */
static bool send_reset(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
{
    return pool__command(conn, mysql_reset_connection, deadline_ns, err) ||
           (err->retry_transaction &&
            pool__command(conn, mysql_reset_connection, deadline_ns, err));
}

bool pool__session_reset(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
{
    struct pool_error own;
    err = err ? err : &own;
    /* With an unread result the library's reset can spin or shift replies. */
    if (conn->mysql->status != MYSQL_STATUS_READY ||
        (conn->mysql->server_status & SERVER_MORE_RESULTS_EXIST))
        return pool__fail(err, POOL_ERR_LOST, "a result was left unread");
    if (!pool__conn_is_ours(conn))
        return pool__fail(err, POOL_ERR_LOST, "the program has closed the connection's descriptor");
    if (!may_be_reset(conn, err) || !send_reset(conn, deadline_ns, err))
        return false;
    conn->in_transaction = false;
    conn->trx = (struct pool__trx){.guarded = false};
    /* The reset has closed all prepared statements, here and on the server. */
    pool__stmt_cache_fini(&conn->cache);
    struct pool_result *facts = read_facts(conn, false, deadline_ns, err);
    bool ok = facts && is_like_after_login(conn, facts, err) &&
              restore_database(conn, facts, deadline_ns, err) &&
              restore_time_limit(conn, deadline_ns, err);
    if (ok)
        remember_settings(conn, facts);
    pool_result_free(facts);
    return ok && pool__session_init(conn, deadline_ns, err);
}
