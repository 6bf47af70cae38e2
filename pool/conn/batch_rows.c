/*
 * The rows of a batch one by one, for servers and statements that do not take them together.
 *
 * The first goes like any statement: prepared, or as text if it has to be. Once the statement
 * is known to the connection the others follow in windows, sent back to back like the members
 * of pipeline.c, and as small, so that sending never waits for replies to be read. If one of a
 * window fails those behind it have been sent already: whoever calls this has a savepoint around
 * it, and one that holds also if the server undoes the transaction.
 *
 * Whoever owns the connection runs this; there are no locks.
 */
#include "conn/batch_rows.h"

#include "base/error.h"
#include "base/saved_error.h"
#include "base/sync.h"
#include "conn/pipeline.h"
#include "conn/query.h"
#include "conn/quotes.h"
#include "result/merge.h"

#include <mysql.h>
#include <stdlib.h>

struct window {
    struct pool__statement statements[POOL__PIPELINE_MOST];
    struct pool__pipeline_member members[POOL__PIPELINE_MOST];
    struct pool_error err; /* of the first; and of the others */
    struct pool__saved_error saved[POOL__PIPELINE_MOST];
};

bool pool__batch_rows_add(struct pool_result **total, struct pool_result *part,
                          struct pool_error *err)
{
    if (*total)
        return pool__merge_results(*total, part, err);
    *total = part;
    return true;
}

static bool make_single(struct pool__statement *single, const struct pool__batch_rows *rows,
                        size_t row, struct pool_error *err)
{
    const struct pool__table *table = &rows->table;
    struct pool_request request = {
        .sql = rows->statement->text,
        .sql_len = rows->statement->text_len,
        .args = {table->values + row * table->columns, table->columns},
    };
    return pool__statement_init(single, &request, rows->conn->options->v.no_prepare, err);
}

/* How many can be on their way at once: executed here before, so that its columns are known, and
 * answered in order. */
static unsigned depth_of(const struct pool__conn *conn, const struct pool__statement *statement)
{
    const struct pool__stmt *stmt =
        pool__stmt_peek(&conn->cache, statement->sql, statement->len, statement->hash,
                        pool__stmt_values_of(statement));
    bool known = stmt && stmt->info.class_ == POOL__SQL_PLAIN;
    bool ready = known && !statement->as_text && stmt->native &&
                 stmt->native->state > MYSQL_STMT_PREPARED &&
                 mysql_stmt_param_count(stmt->native) == statement->count;
    bool as_text = known && statement->as_text && pool__quotes_known(conn, statement, &stmt->info);
    return conn->pipelines && (ready || as_text) ? conn->options->v.pipeline_depth : 1;
}

/* Whether a row may follow others in a window: a row with values of other types may be
 * another statement. */
static bool may_follow(const struct pool__conn *conn, const struct pool__statement *statement,
                       size_t bytes)
{
    return bytes <= POOL__PIPELINE_BYTES && statement->size < conn->max_packet &&
           (!conn->cache.by_types || depth_of(conn, statement) > 1);
}

static bool on_progress(struct pool__pipeline_member **members, unsigned count,
                        enum pool__pipeline_progress progress)
{
    (void)members;
    (void)count;
    (void)progress;
    return true; /* all of them are here until the end */
}

static void run_window(struct window *window, const struct pool__batch_rows *rows, unsigned count)
{
    struct pool_error *err = &window->err;
    if (count > 1) {
        pool__pipeline_run(rows->conn, window->members, count, rows->deadline_ns, err, on_progress);
        return;
    }
    struct pool__pipeline_member *only = &window->members[0];
    only->result = pool__query(rows->conn, only->statement, NULL, rows->deadline_ns, err);
}

/* Fills the window with the rows from `from` on; 0 with the error if there is no first. */
static unsigned fill_window(struct window *window, const struct pool__batch_rows *rows, size_t from,
                            struct pool_error *err)
{
    const struct pool__conn *conn = rows->conn;
    unsigned count = 0;
    unsigned depth = 1;
    size_t bytes = 0;
    while (count < depth && from + count < rows->table.rows) {
        struct pool__statement *single = &window->statements[count];
        if (!make_single(single, rows, from + count, err))
            break;
        bytes += single->size;
        if (count > 0 && !may_follow(conn, single, bytes)) {
            pool__statement_fini(single);
            break;
        }
        window->saved[count] = (struct pool__saved_error){.code = POOL_OK};
        window->members[count] = (struct pool__pipeline_member){
            .statement = single, .saved = &window->saved[count], .deadline_ns = POOL__FOREVER};
        if (count == 0 && rows->ahead && single->size < conn->max_packet)
            depth = depth_of(conn, single);
        count++;
    }
    return count;
}

/* After a failure: it was one of the statement, which could not even be prepared. */
static bool is_refused(const struct pool__conn *conn, const struct pool__statement *statement)
{
    const struct pool__stmt *stmt =
        pool__stmt_peek(&conn->cache, statement->sql, statement->len, statement->hash,
                        pool__stmt_values_of(statement));
    return !conn->broken && !statement->as_text && stmt && stmt->refused;
}

/* Returns how many came before the first that failed. */
static unsigned empty_window(struct window *window, unsigned count, struct pool_result **total,
                             struct pool_error *err)
{
    unsigned good = 0;
    bool failed = false;
    for (unsigned i = 0; i < count; i++) {
        struct pool_result *result = window->members[i].result;
        pool__statement_fini(&window->statements[i]);
        if (!failed && !result && i == 0)
            pool__fail_copy(err, &window->err);
        else if (!failed && !result)
            pool__saved_error_tell(&window->saved[i], err);
        pool__saved_error_drop(&window->saved[i]);
        if (failed)
            pool_result_free(result);
        else if (!result || !pool__batch_rows_add(total, result, err))
            failed = true;
        good += !failed;
    }
    return good;
}

/* As many rows as fit one window; rows->row is behind those that were executed. */
static bool run_some(struct window *window, struct pool__batch_rows *rows, struct pool_error *err)
{
    unsigned count = fill_window(window, rows, rows->row, err);
    if (count == 0)
        return false;
    run_window(window, rows, count);
    rows->sent = rows->row > 0 || window->members[0].result ||
                 !is_refused(rows->conn, &window->statements[0]);
    unsigned good = empty_window(window, count, &rows->result, err);
    rows->row += good;
    return good == count;
}

bool pool__batch_rows_run(struct pool__batch_rows *rows, struct pool_error *err)
{
    struct window *window = malloc(sizeof *window);
    bool ok = true;
    rows->row = 0;
    rows->sent = false;
    if (!window)
        return pool__fail(err, POOL_ERR_NOMEM, "out of memory for a batch");
    while (ok && rows->row < rows->table.rows)
        ok = run_some(window, rows, err);
    free(window);
    return ok;
}
