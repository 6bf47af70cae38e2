/*
 * A request is found in the statement cache or added to it, its values are bound,
 * it is executed, and its reply is read (reply.c). The code is straight-line and blocking;
 * its only waits are inside libmariadb, in pool__wait_hook.
 *
 * First use of a statement on a MariaDB server is one round trip: prepare and
 * execute travel together. What the server cannot prepare goes as text, with the
 * values written into it by pool__sql_format, and is remembered as such.
 *
 * Whoever owns the connection runs this; there are no locks.
 */
#include "conn/query.h"

#include "base/error.h"
#include "base/sync.h"
#include "conn/run.h"
#include "result/result.h"
#include "sql/several.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_PREPARABLE 1295
#define TOO_MANY_STATEMENTS 1461

/* A look at the socket shows a connection that the server has closed, or on which it is
 * out of step, before anything is sent on it. */
bool pool__run_look(struct pool__run *run)
{
    run->looked = run->looked || pool__conn_is_quiet(run->conn);
    if (run->looked)
        return true;
    run->conn->broken = true;
    pool__fail(run->err, POOL_ERR_LOST,
               "the server had closed the connection, or was out of step, before the statement "
               "was sent");
    run->err->not_executed = true;
    run->err->fatal = true;
    return false;
}

/* A look is a system call, and a connection that has answered just now needs none: nobody can
 * have decided to kill it since, and the keeper's watch could hardly be slower. One that goes
 * from caller to caller is as busy as during a statement, and waking a thread takes longer than
 * 50 microseconds on a busy processor. */
#define JUST_NOW_NS UINT64_C(50000)
#define HANDED_OVER_NS UINT64_C(250000)

bool pool__has_just_answered(const struct pool__conn *conn, uint64_t now)
{
    uint64_t just_now_ns = conn->handed_over ? HANDED_OVER_NS : JUST_NOW_NS;
    return now - conn->heard_ns < just_now_ns && !pool__conn_has_leftovers(conn);
}

#define OWN_BYTES ((size_t)1 << 16) /* the pool's own questions have one row */

bool pool__run_begin(struct pool__run *run)
{
    const struct pool_options *options = &run->conn->options->v;
    bool stream = run->sink && run->sink->fn; /* keeps no rows, so there is nothing to limit */
    bool own = run->form && run->form->own;
    uint64_t rows = stream || options->max_rows == POOL_UNLIMITED ? UINT64_MAX : options->max_rows;
    size_t bytes =
        own && options->max_result_bytes < OWN_BYTES ? OWN_BYTES : options->max_result_bytes;
    run->result = pool__result_new(rows, bytes);
    if (!run->result)
        return pool__fail(run->err, POOL_ERR_NOMEM, "out of memory for a result");
    return true;
}

/* The library alone would try to read first and find nothing, which is a system call for
 * nothing. */
static void await_reply(const struct pool__conn *conn)
{
    if (!pool__conn_has_leftovers(conn))
        pool__wait_hook(mysql_get_socket(conn->mysql), 1, 0);
}

bool pool__receive_text(struct pool__run *run)
{
    await_reply(run->conn);
    return mysql_read_query_result(run->conn->mysql) == 0;
}

static bool send_text(struct pool__run *run, const char *sql, size_t len)
{
    MYSQL *mysql = run->conn->mysql;
    run->sent = true;
    pool__conn_note_send(run->conn, run->info);
    if (mysql_send_query(mysql, sql, len) != 0) {
        pool__conn_error(run->conn, run->wait, NULL, run->wait->reading, run->err);
        return false;
    }
    if (!pool__receive_text(run)) {
        pool__conn_error(run->conn, run->wait, NULL, true, run->err);
        return false;
    }
    return pool__read_text(run);
}

/* The server would answer a packet over its limit with an error or by hanging up,
 * depending on timing: better not to send it. */
static bool check_size(struct pool__run *run, size_t len)
{
    uint64_t limit = run->conn->options->v.max_packet_bytes;
    const char *whose = "max_packet_bytes";
    if (run->conn->max_packet && run->conn->max_packet < limit) {
        limit = run->conn->max_packet;
        whose = "the server's max_allowed_packet";
    }
    if (len < limit)
        return true;
    pool__fail(run->err, POOL_ERR_TOO_BIG,
               "a statement of %zu bytes is over the limit of %llu (%s)", len,
               (unsigned long long)limit, whose);
    if (run->err)
        run->err->not_executed = true;
    return false;
}

static bool check_single(struct pool__run *run, const struct pool__sql_info *info, bool text)
{
    if (!info->multiple || (text && run->conn->options->v.multi_statements))
        return true;
    return pool__fail(run->err, POOL_ERR_INVALID,
                      "several statements in one request need the option multi_statements and "
                      "the flag POOL_TEXT: there is no %s",
                      text ? "multi_statements" : "POOL_TEXT");
}

/* What is known about a text. Pools that never prepare remember it like a statement. */
static struct pool__stmt *find_text(struct pool__run *run)
{
    const struct pool__form *form = run->form;
    struct pool__stmt_cache *cache = &run->conn->cache;
    struct pool__stmt_values as_text = {NULL, 0};
    struct pool__stmt *stmt =
        pool__stmt_find(cache, form->text, form->text_len, form->hash, as_text);
    if (!stmt)
        stmt = pool__stmt_add(cache, form->text, form->text_len, form->hash, as_text, run->err);
    if (stmt)
        stmt->text_only = true;
    return stmt;
}

char *pool__run_format(struct pool__run *run, const struct pool__sql_info *info, size_t *ret_len)
{
    const struct pool__form *form = run->form;
    char *formatted = NULL;
    *ret_len = form->text_len;
    if (form->args.count || info->placeholders || info->named)
        pool__sql_format(form->text, form->text_len, form->args, run->quotes, &formatted, ret_len,
                         run->err);
    return formatted;
}

void pool__note_time(const struct pool__conn *conn, struct pool__stmt *stmt, uint64_t ns,
                     unsigned count)
{
    uint64_t way_ns = conn->trip_ns == UINT64_MAX ? 0 : conn->trip_ns;
    pool__stmt_note_time(stmt, ns > way_ns ? (ns - way_ns) / count : 0);
}

static void note_execution(struct pool__run *run, struct pool__stmt *stmt, bool typical)
{
    run->ended_ns = pool__now_ns();
    if (typical)
        pool__note_time(run->conn, stmt, run->ended_ns - run->started_ns, 1);
    if (run->conn->dirty || run->conn->in_transaction)
        stmt->leaves_traces = true;
}

static bool run_known_text(struct pool__run *run, struct pool__stmt *stmt)
{
    size_t len;
    const struct pool__sql_info *info = run->info;
    if (!check_single(run, info, true) || !pool__run_find_quotes(run, info))
        return false;
    char *formatted = pool__run_format(run, info, &len);
    bool ok = run->err->code == POOL_OK && check_size(run, len) &&
              send_text(run, formatted ? formatted : run->form->text, len);
    free(formatted);
    if (!ok && info->multiple && run->sent && run->err->code != POOL_OK)
        pool__several_tell(run->form->text, run->form->text_len, run->results, run->conn->broken,
                           run->err);
    if (ok && stmt)
        note_execution(run, stmt, true);
    return ok;
}

static bool run_text(struct pool__run *run)
{
    const struct pool__form *form = run->form;
    struct pool__sql_info own;
    struct pool__stmt *stmt = form->hash ? find_text(run) : NULL;
    bool known =
        form->hash ? stmt != NULL : pool__sql_inspect(form->text, form->text_len, &own, run->err);
    run->info = stmt ? &stmt->info : &own;
    bool ok = known && run_known_text(run, stmt);
    run->info = NULL; /* `own` ends here */
    return ok;
}

/* 1243: it is not known. 1615: it would have to be prepared again. */
bool pool__is_forgotten(const struct pool__run *run, const struct pool__stmt *stmt)
{
    unsigned code = mysql_stmt_errno(stmt->native);
    return !pool__wait_was_ended(run->wait) && (code == 1243 || code == 1615) &&
           stmt->info.class_ == POOL__SQL_PLAIN;
}

/* How an attempt with a prepared statement ended. */
enum attempt { DONE, FAILED, PREPARE_AGAIN, SEND_AS_TEXT };

/* The server refused to prepare, or had forgotten the statement. The numbers alone
 * do not prove it: the same error can come out of a procedure that has done half its
 * work, so only failures before the execution count. */
static enum attempt judge_error(struct pool__run *run, struct pool__stmt *stmt)
{
    unsigned code = mysql_stmt_errno(stmt->native);
    bool refused = stmt->native->state < MYSQL_STMT_PREPARED;
    if (pool__wait_was_ended(run->wait))
        return FAILED;
    if (refused && code == NOT_PREPARABLE) {
        stmt->text_only = true;
        return SEND_AS_TEXT;
    }
    if (refused && code == TOO_MANY_STATEMENTS)
        return SEND_AS_TEXT;
    return pool__is_forgotten(run, stmt) ? PREPARE_AGAIN : FAILED;
}

/* Prepare and execute in one round trip, the execution meaning "the statement prepared
 * last". Not if the server may count other placeholders than were bound. If the server has no
 * room for another statement (1461) it takes that for the one before and runs it again: so the
 * one before must not be one that writes, and once the server has been full the two are sent
 * apart. */
static bool may_go_together(const struct pool__run *run, const struct pool__stmt *stmt)
{
    const struct pool__stmt_cache *cache = &run->conn->cache;
    return !stmt->info.uncertain &&
           (!cache->prepared ||
            (!cache->writes_last &&
             !atomic_load_explicit(&cache->budget->careful, memory_order_relaxed)));
}

/* 2057 says that there are other columns than when the statement was prepared; the reply is in
 * order. If there are more, the library's list of them may be too short for the reply. */
static bool has_fewer_columns(const MYSQL_STMT *native)
{
    const MYSQL *mysql = native->mysql;
    return native->last_errno == 2057 && mysql->fields && mysql->field_count < native->field_count;
}

static bool counts_agree(struct pool__run *run, const struct pool__stmt *stmt)
{
    unsigned long count = mysql_stmt_param_count(stmt->native);
    /* Binding would read as many values as the server counts. */
    if (count == run->form->count)
        return true;
    pool__fail(run->err, POOL_ERR_INVALID,
               "the server counts %lu placeholders in the statement, not %zu", count,
               run->form->count);
    run->err->not_executed = true;
    return false;
}

static bool execute_together(struct pool__run *run, struct pool__stmt *stmt)
{
    unsigned count = (unsigned)run->form->count;
    mysql_stmt_attr_set(stmt->native, STMT_ATTR_PREBIND_PARAMS, &count);
    if (count)
        mysql_stmt_bind_param(stmt->native, stmt->binds);
    return mariadb_stmt_execute_direct(stmt->native, stmt->sql, stmt->len) == 0;
}

/* False also if the counts do not agree; then there is an error in run->err. The library is
 * not told a count, for it would fail without a word if the server has another. */
static bool execute_apart(struct pool__run *run, struct pool__stmt *stmt)
{
    MYSQL_STMT *native = stmt->native;
    return mysql_stmt_prepare(native, stmt->sql, stmt->len) == 0 && counts_agree(run, stmt) &&
           (run->form->count == 0 || !mysql_stmt_bind_param(native, stmt->binds)) &&
           mysql_stmt_execute(native) == 0;
}

static bool prepare_and_execute(struct pool__run *run, struct pool__stmt *stmt)
{
    struct pool__stmt_cache *cache = &run->conn->cache;
    MYSQL_STMT *native = stmt->native;
    bool together = may_go_together(run, stmt);
    run->sent = true;
    stmt->refused = false;
    pool__conn_note_send(run->conn, &stmt->info);
    atomic_fetch_add_explicit(&cache->budget->prepares, 1, memory_order_relaxed);
    pool__stmt_note_types(stmt, pool__stmt_values_of(run->form));
    bool ok = together ? execute_together(run, stmt) : execute_apart(run, stmt);
    if (!ok && mysql_stmt_errno(native) == TOO_MANY_STATEMENTS &&
        native->state < MYSQL_STMT_PREPARED) {
        atomic_store(&cache->budget->careful, true);
        if (together && cache->prepared) /* the answer of the one before may be under way */
            run->conn->broken = true;
    }
    cache->prepared = true;
    cache->writes_last = !stmt->info.read_only;
    return ok || has_fewer_columns(native);
}

bool pool__send_prepared(struct pool__run *run, struct pool__stmt *stmt)
{
    MYSQL *mysql = run->conn->mysql;
    my_bool on = 1;
    my_bool off = 0;
    run->sent = true;
    pool__conn_note_send(run->conn, &stmt->info);
    if (stmt->info.placeholders)
        mysql_stmt_bind_param(stmt->native, stmt->binds);
    mysql_options(mysql, MARIADB_OPT_SKIP_READ_RESPONSE, &on);
    int failed = mysql_stmt_execute(stmt->native);
    mysql_options(mysql, MARIADB_OPT_SKIP_READ_RESPONSE, &off);
    return !failed;
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
bool pool__receive_prepared(struct pool__run *run, struct pool__stmt *stmt)
{
    MYSQL *mysql = run->conn->mysql;
    await_reply(run->conn);
    if (stmt->info.class_ != POOL__SQL_PLAIN)
        return mysql->methods->db_read_execute_response(stmt->native) == 0 ||
               has_fewer_columns(stmt->native);
    if (mysql_read_query_result(mysql) == 0)
        return true;
    take_over_error(stmt->native, mysql);
    return false;
}

static enum attempt lost_before_execution(struct pool__run *run)
{
    pool__fail(run->err, POOL_ERR_LOST,
               "the server has no room for another prepared statement and the connection is in "
               "doubt");
    run->err->fatal = true;
    run->err->not_executed = true;
    return FAILED;
}

static enum attempt read_reply(struct pool__run *run, struct pool__stmt *stmt, bool prepared_now)
{
    if (!pool__read_prepared(run, stmt))
        return FAILED;
    note_execution(run, stmt, !prepared_now); /* preparing says nothing about the statement */
    return DONE;
}

static enum attempt execute(struct pool__run *run, struct pool__stmt *stmt, bool first)
{
    MYSQL_STMT *native = stmt->native;
    bool prepare = native->state < MYSQL_STMT_PREPARED;
    /* A prepare that could not be sent looks like one whose answer was lost. */
    if (prepare ? !pool__run_look(run) : !counts_agree(run, stmt))
        return FAILED;
    bool ok = prepare ? prepare_and_execute(run, stmt)
                      : pool__send_prepared(run, stmt) && pool__receive_prepared(run, stmt);
    if (ok)
        return read_reply(run, stmt, prepare);
    if (run->err->code != POOL_OK) /* before anything was bound */
        return FAILED;
    if (run->conn->broken && !pool__wait_was_ended(run->wait))
        return lost_before_execution(run);
    enum attempt attempt = first ? judge_error(run, stmt) : FAILED;
    if (attempt == FAILED) {
        stmt->refused = native->state < MYSQL_STMT_PREPARED;
        pool__conn_error(run->conn, run->wait, native, run->wait->reading, run->err);
    }
    return attempt;
}

static bool run_prepared(struct pool__run *run, struct pool__stmt *stmt)
{
    struct pool__stmt_cache *cache = &run->conn->cache;
    for (bool first = true;; first = false) {
        if (!stmt->native && !stmt->text_only &&
            !pool__stmt_make_native(cache, stmt, run->conn->mysql, run->err) && run->err->code)
            return false;
        enum attempt attempt = stmt->native ? execute(run, stmt, first) : SEND_AS_TEXT;
        bool useless = stmt->outdated || attempt == PREPARE_AGAIN || attempt == SEND_AS_TEXT ||
                       (stmt->native && stmt->native->state < MYSQL_STMT_PREPARED);
        if (useless && !run->conn->broken)
            pool__stmt_close_native(cache, stmt);
        stmt->outdated = false;
        if (attempt == SEND_AS_TEXT) {
            stmt->refused = false;
            return run_text(run);
        }
        if (attempt != PREPARE_AGAIN)
            return attempt == DONE;
    }
}

static bool find_and_run(struct pool__run *run)
{
    const struct pool__form *form = run->form;
    struct pool__stmt_cache *cache = &run->conn->cache;
    struct pool__stmt_values values = pool__stmt_values_of(form);
    struct pool__stmt *stmt = pool__stmt_find(cache, form->sql, form->len, form->hash, values);
    if (stmt)
        cache->hits++;
    else
        stmt = pool__stmt_add(cache, form->sql, form->len, form->hash, values, run->err);
    run->info = stmt ? &stmt->info : NULL;
    return stmt && check_single(run, &stmt->info, false) &&
           pool__form_check_count(&stmt->info, form->count, run->err) &&
           pool__bind_values(stmt->binds, stmt->store, form->values, form->count, run->err) &&
           check_size(run, form->size) && run_prepared(run, stmt);
}

struct pool_result *pool__query(struct pool__conn *conn, const struct pool__form *form,
                                const struct pool__sink *sink, uint64_t deadline_ns,
                                struct pool_error *err)
{
    struct pool_error own;
    struct pool__wait wait;
    struct pool__run run = {
        .conn = conn, .form = form, .sink = sink, .wait = &wait, .err = err ? err : &own};
    pool__ok(run.err);
    if (conn->broken) {
        pool__conn_fail_broken(conn, run.err);
        return NULL;
    }
    pool__trx_note_native(conn);
    if (pool__trx_is_doubtful(&conn->trx) &&
        !pool__trx_allows(conn, form->text, form->text_len, deadline_ns, run.err))
        return NULL;
    bool was_in_transaction = conn->in_transaction;
    run.started_ns = pool__now_ns();
    if (!(pool__has_just_answered(conn, run.started_ns) || pool__run_look(&run)) ||
        !pool__run_begin(&run))
        return NULL;
    pool__conn_enter(conn, &wait, deadline_ns);
    pool__conn_note_native(conn);
    bool ok = form->as_text ? run_text(&run) : find_and_run(&run);
    pool__conn_note_reading(conn);
    pool__conn_leave(conn, &wait);
    conn->heard_ns = !ok ? 0 : run.ended_ns ? run.ended_ns : pool__now_ns();
    if (ok && conn->heard_ns - run.started_ns < conn->trip_ns)
        conn->trip_ns = conn->heard_ns - run.started_ns;
    if (ok && (was_in_transaction || conn->trx.guarded || pool__trx_is_doubtful(&conn->trx)))
        pool__trx_note_end(conn, was_in_transaction);
    else if (!ok)
        pool__trx_note_failure(conn, was_in_transaction);
    if (ok || run.stopped) {
        pool__ok(run.err);
        return run.result;
    }
    if (!run.sent)
        run.err->not_executed = true;
    pool_result_free(run.result);
    return NULL;
}

struct pool_result *pool__query_text(struct pool__conn *conn, const char *sql, size_t len,
                                     uint64_t deadline_ns, struct pool_error *err)
{
    struct pool__form form = {.text = sql, .text_len = len, .as_text = true, .own = true};
    return pool__query(conn, &form, NULL, deadline_ns, err);
}

bool pool__say(struct pool__conn *conn, const char *sql, uint64_t deadline_ns,
               struct pool_error *err)
{
    struct pool_result *result = pool__query_text(conn, sql, strlen(sql), deadline_ns, err);
    pool_result_free(result);
    return result != NULL;
}
