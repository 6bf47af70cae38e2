/*
 * A prepared statement: made, executed, and made again when the server has forgotten it.
 *
 * First use of a statement on a MariaDB server is one round trip: prepare and
 * execute travel together. What the server cannot prepare goes as text, and is remembered as such.
 */
#include "conn/prepared.h"

#include "base/error.h"
#include "conn/bind.h"
#include "conn/outcome.h"
#include "conn/reply.h"
#include "conn/text.h"
#include "core/server_errors.h"

#include <mysql.h>
#include <stdio.h>
#include <string.h>

bool pool__prepared_is_forgotten(const struct pool__execution *exec, const struct pool__stmt *stmt)
{
    unsigned code = mysql_stmt_errno(stmt->native);
    return !pool__wait_was_ended(exec->wait) &&
           (code == POOL__ER_UNKNOWN_STATEMENT || code == POOL__ER_NEED_REPREPARE) &&
           stmt->info.class_ == POOL__SQL_PLAIN;
}

/* How an attempt with a prepared statement ended. */
enum attempt { DONE, FAILED, PREPARE_AGAIN, SEND_AS_TEXT };

/* The server refused to prepare, or had forgotten the statement. The numbers alone
 * do not prove it: the same error can come out of a procedure that has done half its
 * work, so only failures before the execution count. */
static enum attempt judge_error(struct pool__execution *exec, struct pool__stmt *stmt)
{
    unsigned code = mysql_stmt_errno(stmt->native);
    bool refused = stmt->native->state < MYSQL_STMT_PREPARED;
    if (pool__wait_was_ended(exec->wait))
        return FAILED;
    if (refused && code == POOL__ER_UNSUPPORTED_PREPARED) {
        stmt->text_only = true;
        return SEND_AS_TEXT;
    }
    if (refused && code == POOL_ER_MAX_PREPARED_STMT_COUNT_REACHED)
        return SEND_AS_TEXT;
    return pool__prepared_is_forgotten(exec, stmt) ? PREPARE_AGAIN : FAILED;
}

/* Prepare and execute in one round trip, the execution meaning "the statement prepared
 * last". Not if the server may count other placeholders than were bound. If the server has no
 * room for another statement (1461) it takes that for the one before and runs it again: so the
 * one before must not be one that writes, and once the server has been full the two are sent
 * apart. */
static bool may_go_together(const struct pool__execution *exec, const struct pool__stmt *stmt)
{
    const struct pool__stmt_cache *cache = &exec->conn->cache;
    return !stmt->info.uncertain &&
           (!cache->prepared ||
            (!cache->writes_last &&
             !atomic_load_explicit(&cache->budget->careful, memory_order_relaxed)));
}

/* There are other columns than when the statement was prepared; the reply is in
 * order. If there are more, the library's list of them may be too short for the reply. */
static bool has_fewer_columns(const MYSQL_STMT *native)
{
    const MYSQL *mysql = native->mysql;
    return native->last_errno == POOL__CR_NEW_STMT_METADATA && mysql->fields &&
           mysql->field_count < native->field_count;
}

static bool counts_agree(struct pool__execution *exec, const struct pool__stmt *stmt)
{
    unsigned long count = mysql_stmt_param_count(stmt->native);
    /* Binding would read as many values as the server counts. */
    if (count == exec->statement->count)
        return true;
    return pool__fail_unsent(exec->err, POOL_ERR_INVALID,
                             "the server counts %lu placeholders in the statement, not %zu", count,
                             exec->statement->count);
}

static bool execute_together(struct pool__execution *exec, struct pool__stmt *stmt)
{
    unsigned count = (unsigned)exec->statement->count;
    mysql_stmt_attr_set(stmt->native, STMT_ATTR_PREBIND_PARAMS, &count);
    if (count)
        mysql_stmt_bind_param(stmt->native, stmt->binds);
    return mariadb_stmt_execute_direct(stmt->native, stmt->sql, stmt->len) == 0;
}

/* False also if the counts do not agree; then there is an error in exec->err. The library is
 * not told a count, for it would fail without a word if the server has another. */
static bool execute_apart(struct pool__execution *exec, struct pool__stmt *stmt)
{
    MYSQL_STMT *native = stmt->native;
    return mysql_stmt_prepare(native, stmt->sql, stmt->len) == 0 && counts_agree(exec, stmt) &&
           (exec->statement->count == 0 || !mysql_stmt_bind_param(native, stmt->binds)) &&
           mysql_stmt_execute(native) == 0;
}

bool pool__prepared_note(struct pool__stmt_cache *cache, const struct pool__stmt *stmt, bool ok)
{
    bool no_room = !ok && stmt->native->state < MYSQL_STMT_PREPARED &&
                   mysql_stmt_errno(stmt->native) == POOL_ER_MAX_PREPARED_STMT_COUNT_REACHED;
    atomic_fetch_add_explicit(&cache->budget->prepares, 1, memory_order_relaxed);
    if (no_room)
        atomic_store(&cache->budget->careful, true);
    cache->prepared = true;
    cache->writes_last = !stmt->info.read_only;
    return no_room;
}

static bool prepare_and_execute(struct pool__execution *exec, struct pool__stmt *stmt)
{
    struct pool__stmt_cache *cache = &exec->conn->cache;
    bool together = may_go_together(exec, stmt);
    bool another_before = cache->prepared;
    exec->sent = true;
    stmt->refused = false;
    pool__outcome_note_send(exec->conn, &stmt->info);
    pool__stmt_note_types(stmt, pool__stmt_values_of(exec->statement));
    bool ok = together ? execute_together(exec, stmt) : execute_apart(exec, stmt);
    if (pool__prepared_note(cache, stmt, ok) && together && another_before)
        exec->conn->broken = true; /* the answer of the one before may be under way */
    return ok || has_fewer_columns(stmt->native);
}

static bool send_execution(struct pool__execution *exec, struct pool__stmt *stmt)
{
    MYSQL *mysql = exec->conn->mysql;
    my_bool on = 1;
    my_bool off = 0;
    exec->sent = true;
    pool__outcome_note_send(exec->conn, &stmt->info);
    if (stmt->info.placeholders)
        mysql_stmt_bind_param(stmt->native, stmt->binds);
    mysql_options(mysql, MARIADB_OPT_SKIP_READ_RESPONSE, &on);
    int failed = mysql_stmt_execute(stmt->native);
    mysql_options(mysql, MARIADB_OPT_SKIP_READ_RESPONSE, &off);
    return !failed;
}

bool pool__prepared_bind_and_send(struct pool__execution *exec, struct pool__stmt *stmt)
{
    const struct pool__statement *statement = exec->statement;
    if (pool__bind_values(stmt->binds, stmt->store, statement->values, statement->count, exec->err))
        return send_execution(exec, stmt);
    exec->err->not_executed = true;
    return false;
}

static void take_over_error(MYSQL_STMT *native, MYSQL *mysql)
{
    native->last_errno = mysql_errno(mysql);
    snprintf(native->last_error, sizeof native->last_error, "%s", mysql_error(mysql));
    memcpy(native->sqlstate, mysql_sqlstate(mysql), SQLSTATE_LENGTH + 1);
    native->state = MYSQL_STMT_PREPARED;
}

/* A plain statement has one set at most, whose columns reply.c knows. The library would make a
 * copy of them for each execution, as many as it believes there are and not as many as the
 * server says. */
bool pool__prepared_receive(struct pool__execution *exec, struct pool__stmt *stmt)
{
    MYSQL *mysql = exec->conn->mysql;
    pool__reply_await(exec->conn);
    if (stmt->info.class_ != POOL__SQL_PLAIN)
        return mysql->methods->db_read_execute_response(stmt->native) == 0 ||
               has_fewer_columns(stmt->native);
    if (mysql_read_query_result(mysql) == 0)
        return true;
    take_over_error(stmt->native, mysql);
    return false;
}

static enum attempt lost_before_execution(struct pool__execution *exec)
{
    pool__fail_lost(
        exec->err, POOL_ERR_LOST,
        "the server has no room for another prepared statement and the connection is in "
        "doubt");
    return FAILED;
}

static enum attempt read_reply(struct pool__execution *exec, struct pool__stmt *stmt,
                               bool prepared_now)
{
    if (!pool__reply_read_prepared(exec, stmt))
        return FAILED;
    pool__execution_note(exec, stmt,
                         !prepared_now); /* preparing says nothing about the statement */
    return DONE;
}

static enum attempt execute(struct pool__execution *exec, struct pool__stmt *stmt, bool first)
{
    MYSQL_STMT *native = stmt->native;
    bool prepare = native->state < MYSQL_STMT_PREPARED;
    /* A prepare that could not be sent looks like one whose answer was lost. */
    if (prepare ? !pool__execution_look(exec) : !counts_agree(exec, stmt))
        return FAILED;
    bool ok = prepare ? prepare_and_execute(exec, stmt)
                      : send_execution(exec, stmt) && pool__prepared_receive(exec, stmt);
    if (ok)
        return read_reply(exec, stmt, prepare);
    if (exec->err->code != POOL_OK) /* before anything was bound */
        return FAILED;
    if (exec->conn->broken && !pool__wait_was_ended(exec->wait))
        return lost_before_execution(exec);
    enum attempt attempt = first ? judge_error(exec, stmt) : FAILED;
    if (attempt == FAILED) {
        stmt->refused = native->state < MYSQL_STMT_PREPARED;
        pool__outcome_fail(exec->conn, exec->wait, native, exec->wait->reading, exec->err);
    }
    return attempt;
}

/* False with an error if memory is out. Without a handle it goes as text. */
static bool has_handle(struct pool__execution *exec, struct pool__stmt *stmt)
{
    return stmt->native || stmt->text_only ||
           pool__stmt_make_native(&exec->conn->cache, stmt, exec->conn->mysql, exec->err) ||
           exec->err->code == POOL_OK;
}

/* After an attempt: gives up the handle if it is of no use for the next one. */
static void tidy(struct pool__execution *exec, struct pool__stmt *stmt, enum attempt attempt)
{
    bool unprepared = stmt->native && stmt->native->state < MYSQL_STMT_PREPARED;
    bool useless =
        stmt->outdated || unprepared || attempt == PREPARE_AGAIN || attempt == SEND_AS_TEXT;
    if (useless && !exec->conn->broken)
        pool__stmt_close_native(&exec->conn->cache, stmt);
    stmt->outdated = false;
}

bool pool__prepared_run(struct pool__execution *exec, struct pool__stmt *stmt)
{
    for (bool first = true;; first = false) {
        if (!has_handle(exec, stmt))
            return false;
        enum attempt attempt = stmt->native ? execute(exec, stmt, first) : SEND_AS_TEXT;
        tidy(exec, stmt, attempt);
        switch (attempt) {
        case DONE: return true;
        case FAILED: return false;
        case SEND_AS_TEXT: stmt->refused = false; return pool__text_run(exec);
        case PREPARE_AGAIN: break;
        }
    }
}
