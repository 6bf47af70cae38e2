/*
 * Reading a reply: result sets, rows and the status at the end of each.
 *
 * Rows are read packet by packet, not with mysql_stmt_store_result: so limits hold
 * while reading, every row is copied once, and its true length is known, which the
 * library's own fetch functions do not tell.
 *
 * Whoever owns the connection runs this; there are no locks.
 */
#include "conn/reply.h"

#include "base/error.h"
#include "conn/outcome.h"
#include "result/result.h"
#include "result/sets.h"
#include "sql/chars.h"

#include <mysql.h>
#include <stdlib.h>
#include <string.h>

void pool__reply_await(const struct pool__conn *conn)
{
    if (!pool__conn_has_leftovers(conn))
        pool__wait_hook(mysql_get_socket(conn->mysql), 1, 0);
}

bool pool__reply_receive_text(struct pool__execution *exec)
{
    pool__reply_await(exec->conn);
    return mysql_read_query_result(exec->conn->mysql) == 0;
}

/* The reply cannot be read to its end: the connection is of no use any more. */
static bool abandon_reply(struct pool__execution *exec)
{
    exec->conn->broken = exec->conn->abandoned = true;
    exec->conn->may_run = true;
    if (exec->err && exec->err->code != POOL_OK)
        exec->err->fatal = true;
    return false;
}

static bool deliver_row(struct pool__execution *exec, const uint8_t *row, size_t len)
{
    if (!exec->sink || !exec->sink->fn)
        return pool__result_add_row(exec->result, row, len, exec->err) || abandon_reply(exec);
    if (!pool__result_stream_row(exec->result, row, len, exec->err))
        return abandon_reply(exec);
    bool more = exec->sink->fn(exec->result, exec->sink->arg);
    const struct pool_error *misread = pool_result_error(exec->result);
    if (misread)
        pool__fail_copy(exec->err, misread); /* whatever the callback says: the row was not read */
    else if (more)
        return true;
    exec->stopped = !misread;
    return abandon_reply(exec);
}

/* As long as the next packet is always there already, nobody ever waits, and the
 * deadline has to be looked at here. Row callbacks may take any time; rows that are
 * merely kept come at a microsecond each. */
#define ROWS_PER_LOOK 256

static bool time_is_up(struct pool__execution *exec, uint64_t rows)
{
    bool stream = exec->sink && exec->sink->fn;
    bool look = rows % ROWS_PER_LOOK == ROWS_PER_LOOK - 1;
    if ((!stream && !look) ||
        !pool__wait_is_over(exec->wait, mysql_get_socket(exec->conn->mysql), look))
        return false;
    pool__outcome_fail(exec->conn, exec->wait, NULL, true, exec->err);
    return true;
}

static bool is_eof(const uint8_t *packet, unsigned long len)
{
    return packet[0] == 0xfe && len < 8;
}

/* Packets with their headers; those that describe columns may be left out, and are here. */
#define AROUND_ROWS_BYTES                                                                          \
    (5 + 9 + 9) /* the number of columns, the end of them, the end of rows                         \
                 */
#define HEADER_BYTES 4

/* Reads the rows of one result set and the packet that ends it. */
static bool read_rows(struct pool__execution *exec)
{
    MYSQL *mysql = exec->conn->mysql;
    for (uint64_t rows = 0;; rows++) {
        if (time_is_up(exec, rows))
            return false;
        unsigned long len = mysql_net_read_packet(mysql);
        const uint8_t *packet = mysql->net.read_pos;
        if (len == packet_error) {
            mysql->status = MYSQL_STATUS_READY;
            pool__outcome_fail(exec->conn, exec->wait, NULL, true, exec->err);
            return false;
        }
        if (is_eof(packet, len)) {
            mysql->status = MYSQL_STATUS_READY;
            if (len >= 5) {
                mysql->warning_count = (unsigned)(packet[1] | packet[2] << 8);
                mysql->server_status = (unsigned)(packet[3] | packet[4] << 8);
            }
            return true;
        }
        exec->reply_bytes += HEADER_BYTES + len;
        if (!deliver_row(exec, packet, len))
            return false;
    }
}

static const char *read_number(const char *text, uint64_t *ret_number)
{
    uint64_t number = 0;
    text += strcspn(text, "0123456789");
    if (!*text)
        return NULL;
    for (; pool__is_digit(*text); text++)
        number = number * 10 + (uint64_t)(*text - '0');
    *ret_number = number;
    return text;
}

/* An UPDATE is answered with "Rows matched: 3  Changed: 1  Warnings: 0", in the language of the
 * server. In a request of several statements only the English words tell what was one. */
static void note_changed_rows(struct pool__execution *exec)
{
    const char *info = exec->conn->mysql->info;
    uint64_t matched, changed;
    exec->conn->mysql->info = NULL; /* or it might be taken for that of the next reply */
    if (!info || !(exec->info->updates || strncmp(info, "Rows matched: ", 14) == 0))
        return;
    info = read_number(info, &matched);
    if (info && read_number(info, &changed))
        pool__result_set_changed(exec->result, changed);
}

/* The rest of a set, whose columns have been dealt with. */
static bool read_rest_of_set(struct pool__execution *exec, unsigned count, bool binary)
{
    MYSQL *mysql = exec->conn->mysql;
    bool out_values = mysql->server_status & SERVER_PS_OUT_PARAMS;
    uint64_t rows_before = pool__result_rows(exec->result);
    if (count && !read_rows(exec))
        return false;
    exec->reply_bytes += count ? AROUND_ROWS_BYTES : POOL__LEAST_REPLY;
    /* After the set of OUT values an OK packet follows, announced or not. */
    if (count && binary && out_values)
        mysql->server_status |= SERVER_MORE_RESULTS_EXIST;
    uint64_t rows = pool__result_rows(exec->result) - rows_before;
    pool__result_end_set(exec->result, count ? rows : mysql->affected_rows,
                         count ? 0 : mysql->insert_id, mysql->warning_count);
    if (!count)
        note_changed_rows(exec);
    return true;
}

static bool read_set(struct pool__execution *exec, const MYSQL_FIELD *fields, unsigned count,
                     bool binary)
{
    if (!pool__sets_begin(exec->result, fields, count, binary, exec->err))
        return abandon_reply(exec);
    return read_rest_of_set(exec, count, binary);
}

static bool more_sets(const struct pool__execution *exec)
{
    return exec->conn->mysql->server_status & SERVER_MORE_RESULTS_EXIST;
}

/* A session change anywhere in a chain of results counts. */
static void note_status(struct pool__execution *exec)
{
    unsigned columns;
    pool__sets_columns(exec->result, &columns);
    pool__outcome_note_status(exec->conn, exec->info->class_, columns == 0);
}

static bool has_columns_of_preparation(const struct pool__column *columns, unsigned count,
                                       const MYSQL_STMT *native)
{
    if (count != native->field_count)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (strcmp(columns[i].name, native->fields[i].name) != 0)
            return false;
    return true;
}

/* The reply had a description of its columns. Without memory for it the next one had better
 * have one, too. */
static void learn_columns(struct pool__execution *exec, struct pool__stmt *stmt)
{
    unsigned count;
    const struct pool__column *now = pool__sets_columns(exec->result, &count);
    if (pool__known_columns_are_same(stmt->columns, now, count))
        return;
    if (stmt->columns ? !pool__known_columns_have_same_names(stmt->columns, now, count)
                      : !has_columns_of_preparation(now, count, stmt->native))
        stmt->outdated = true;
    free(stmt->columns);
    stmt->columns = pool__known_columns_new(now, count);
    if (!stmt->columns)
        stmt->outdated = true;
}

static bool begin_described_set(struct pool__execution *exec, struct pool__stmt *stmt)
{
    const MYSQL *mysql = exec->conn->mysql;
    if (!pool__sets_begin(exec->result, mysql->fields, mysql->field_count, true, exec->err))
        return false;
    learn_columns(exec, stmt);
    return true;
}

/* The server leaves out the description if nothing has changed: since the last one, or, if the
 * executions so far have failed, since that of the preparation. */
static bool begin_first_set(struct pool__execution *exec, struct pool__stmt *stmt)
{
    const MYSQL *mysql = exec->conn->mysql;
    unsigned count = mysql->field_count;
    if (count && mysql->fields)
        return begin_described_set(exec, stmt);
    if (count && stmt->columns && stmt->columns->count == count)
        return pool__sets_begin_known(exec->result, stmt->columns, exec->err);
    const MYSQL_STMT *native = stmt->native;
    bool prepared = count && !stmt->columns && native->field_count == count;
    return pool__sets_begin(exec->result, prepared ? native->fields : NULL, count, true, exec->err);
}

static bool read_first_set(struct pool__execution *exec, struct pool__stmt *stmt)
{
    if (!begin_first_set(exec, stmt))
        return abandon_reply(exec);
    return read_rest_of_set(exec, exec->conn->mysql->field_count, true);
}

/* A further set comes of procedures only, for which the library keeps the books; with a server
 * that sends one after a plain statement it had better not. */
static bool read_next_set(struct pool__execution *exec, const struct pool__stmt *stmt)
{
    MYSQL *mysql = exec->conn->mysql;
    MYSQL_STMT *native = stmt->info.class_ == POOL__SQL_PLAIN ? NULL : stmt->native;
    if ((native ? mysql_stmt_next_result(native) : mysql_next_result(mysql)) > 0) {
        pool__outcome_fail(exec->conn, exec->wait, native, true, exec->err);
        return false;
    }
    return native ? read_set(exec, native->fields, mysql_stmt_field_count(native), true)
                  : read_set(exec, mysql->fields, mysql->field_count, true);
}

bool pool__reply_read_prepared(struct pool__execution *exec, struct pool__stmt *stmt)
{
    MYSQL_STMT *native = stmt->native;
    for (bool ok = read_first_set(exec, stmt); ok; ok = read_next_set(exec, stmt)) {
        native->state = MYSQL_STMT_FETCH_DONE;
        native->upsert_status.server_status = exec->conn->mysql->server_status;
        note_status(exec);
        if (!more_sets(exec))
            return true;
        if (time_is_up(exec, ROWS_PER_LOOK - 1))
            return false;
    }
    return false;
}

bool pool__reply_read_text(struct pool__execution *exec)
{
    MYSQL *mysql = exec->conn->mysql;
    for (;;) {
        if (!read_set(exec, mysql->fields, mysql->field_count, false))
            return false;
        exec->results++;
        note_status(exec);
        if (!more_sets(exec))
            return true;
        if (time_is_up(exec, ROWS_PER_LOOK - 1))
            return false;
        if (mysql_next_result(mysql) > 0) {
            pool__outcome_fail(exec->conn, exec->wait, NULL, true, exec->err);
            return false;
        }
    }
}
