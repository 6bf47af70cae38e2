/*
 * A batch goes in chunks: each is one packet (bulk.c), or, where the server or the statement
 * does not take rows in bulk, or a column changes its type every few rows, some hundreds of
 * rows one by one (batch_rows.c).
 *
 * Each chunk is executed wholly or not at all, and so is the batch if it is `atomic`. The
 * server sees to that for rows that it inserts with one packet, which are one statement to
 * it; everything else gets a savepoint, or a transaction of its own (savepoint.c), around the
 * chunk, or around all chunks. Tables without transactions know no such thing.
 *
 * Whoever owns the connection runs this; there are no locks. The progress function is the
 * program's, and runs between chunks.
 */
#include "conn/batch.h"

#include "base/error.h"
#include "base/sync.h"
#include "conn/batch_rows.h"
#include "conn/bulk.h"
#include "conn/conn.h"
#include "conn/doubt.h"
#include "conn/execution.h"
#include "conn/savepoint.h"
#include "conn/stale.h"
#include "conn/trx.h"
#include "conn/wait.h"
#include "core/callback.h"

#include <stdio.h>

#define CHUNK_BYTES ((size_t)1 << 20)
#define CHUNK_SINGLES 1000 /* rows, where they go one by one */
#define FEW_ROWS 16        /* in a packet: it is not worth the trip */
#define CHUNK_MIXED 256    /* rows, where types change so often */

struct run {
    struct pool__conn *conn;
    const struct pool__batch *batch;
    const struct pool__statement *statement;
    uint64_t deadline_ns; /* of the call */
    struct pool__bulk bulk;
    struct pool__savepoint savepoint;
    size_t done;       /* rows of finished chunks */
    size_t count;      /* rows of the current chunk; 0 between chunks */
    bool singly;       /* they go one by one */
    bool forgotten;    /* the statement has to be prepared again */
    bool sent;         /* rows may have reached the server */
    bool open_outcome; /* of the current chunk, or of all: it may or may not have been executed */
    bool one_failed;   /* the row `done` + `row` has */
    size_t row;
    struct pool_result *result;
    struct pool_error *err;
};

/* ---- what is said of a failure ---- */

static void say_where(const struct run *run, char *text, size_t size)
{
    size_t first = run->done + 1;
    size_t rows = run->batch->table.rows;
    if (run->one_failed || run->count == 1)
        snprintf(text, size, "row %zu of %zu: ", first + run->row, rows);
    else if (run->count > 1)
        snprintf(text, size, "rows %zu to %zu of %zu: ", first, run->done + run->count, rows);
    else
        text[0] = '\0';
}

/* Nothing of them is left; as far as that is known. */
static const char *undone(const struct run *run)
{
    if (!run->sent || run->savepoint.undo == POOL__SAVEPOINT_UNDONE)
        return "none was executed";
    return run->savepoint.undo == POOL__SAVEPOINT_UNDONE_IN_PART
               ? "undone, but not in tables without transactions"
               : "undone, if the tables have transactions";
}

static void say_fate(const struct run *run, char *text, size_t size)
{
    bool in_part = run->savepoint.undo == POOL__SAVEPOINT_UNDONE_IN_PART;
    if (run->savepoint.inside && (run->conn->broken || run->err->retry_transaction))
        snprintf(text, size, "; the transaction may be undone");
    else if (run->batch->atomic && run->open_outcome)
        snprintf(text, size, "; all rows were executed, or none, if the tables have transactions");
    else if (run->batch->atomic || (run->done == 0 && !run->open_outcome))
        snprintf(text, size, "; %s", undone(run));
    else if (run->done == 0)
        snprintf(text, size, "; they may have been executed");
    else
        snprintf(text, size, "; rows 1 to %zu were executed%s", run->done,
                 run->open_outcome ? ", and perhaps these"
                 : in_part         ? ", and some of these in tables without transactions"
                                   : "");
}

static void describe_failure(struct run *run)
{
    char where[96];
    char fate[160];
    say_where(run, where, sizeof where);
    say_fate(run, fate, sizeof fate);
    pool__error_reword(run->err, where, fate);
    run->err->not_executed = !run->sent;
}

/* ---- a chunk ---- */

static uint64_t statement_deadline(const struct run *run)
{
    uint64_t own = pool__deadline_in(run->conn->options->v.query_timeout_ms);
    return pool__earlier(own, run->deadline_ns);
}

static bool needs_savepoint(const struct run *run)
{
    bool keeps_itself = run->savepoint.inside || pool__conn_commits_by_itself(run->conn);
    bool all = run->count == run->batch->table.rows;
    bool one_statement = run->count == 1 || (!run->singly && run->batch->inserts);
    return !run->savepoint.kind &&
           (!one_statement || !keeps_itself || (run->batch->atomic && !all));
}

/* As many rows as a packet would have bytes, but one at least. */
static void go_singly(struct run *run, size_t most)
{
    const struct pool__table *table = &run->batch->table;
    const struct pool_value *row = table->values + run->done * table->columns;
    size_t left = table->rows - run->done;
    size_t bytes = pool__bulk_packet_size(row, table->columns);
    run->singly = true;
    run->count = 1;
    while (run->count < left && run->count < most && bytes < CHUNK_BYTES) {
        row += table->columns;
        bytes += pool__bulk_packet_size(row, table->columns);
        run->count++;
    }
}

static bool choose_rows(struct run *run)
{
    run->singly = false;
    if (run->bulk.stmt && !pool__bulk_prepare(&run->bulk, statement_deadline(run), run->err))
        return false;
    if (!run->bulk.stmt)
        go_singly(run, CHUNK_SINGLES);
    else if (!pool__bulk_pack(&run->bulk, run->done, &run->count, run->err))
        return false;
    else if (run->count < FEW_ROWS && run->bulk.pack.types_change)
        go_singly(run, CHUNK_MIXED);
    return true;
}

static bool begin_chunk(struct run *run)
{
    if (!choose_rows(run))
        return false;
    bool ahead = run->conn->pipelines && (run->singly || run->bulk.pack.types_change);
    return !needs_savepoint(run) ||
           pool__savepoint_open(&run->savepoint, ahead, statement_deadline(run), run->err);
}

/* The rows have been executed, also if it fails. */
static bool add(struct run *run, struct pool_result *part)
{
    if (pool__batch_rows_add(&run->result, part, run->err))
        return true;
    run->open_outcome = !run->savepoint.kind;
    return false;
}

/* True with count 0 if it was not executed and is to be tried again. */
static bool run_in_bulk(struct run *run)
{
    struct pool_result *part;
    enum pool__bulk_end end = pool__bulk_run(&run->bulk, statement_deadline(run), &part, run->err);
    run->sent = run->sent || run->bulk.sent;
    if (end == POOL__BULK_DONE)
        return add(run, part);
    if (end == POOL__BULK_FAILED) {
        run->open_outcome = run->bulk.sent && run->conn->broken && !run->savepoint.kind;
        return false;
    }
    if (end == POOL__BULK_FORGOTTEN && run->forgotten)
        return pool__fail(run->err, POOL_ERR_SERVER, "the server keeps forgetting the statement");
    run->forgotten = end == POOL__BULK_FORGOTTEN;
    run->count = 0;
    /* Nothing has been executed: rows that go one by one get a savepoint of their own kind. */
    if (end == POOL__BULK_REFUSED && run->done == 0) {
        pool__savepoint_undo(&run->savepoint, statement_deadline(run), run->err);
        run->savepoint.undo = POOL__SAVEPOINT_NOT_UNDONE;
    }
    return true;
}

static bool run_singly(struct run *run)
{
    const struct pool__table *all = &run->batch->table;
    struct pool__batch_rows rows = {
        .conn = run->conn,
        .statement = run->statement,
        .table = {all->values + run->done * all->columns, run->count, all->columns},
        .ahead = pool__savepoint_lets_ahead(&run->savepoint),
        .deadline_ns = statement_deadline(run),
        .result = run->result};
    bool ok = pool__batch_rows_run(&rows, run->err);
    run->result = rows.result;
    run->row = rows.row;
    run->sent = run->sent || rows.sent;
    if (ok)
        return true;
    run->one_failed = true;
    /* What the server itself refuses is not executed. Of anything else nobody knows: the row may
     * have been one too many for the result. */
    bool refused = run->err->not_executed || (run->err->server_errno && !run->conn->broken);
    run->open_outcome = rows.sent && !refused && !run->savepoint.kind;
    return false;
}

static bool end_chunk(struct run *run)
{
    bool last = run->done + run->count == run->batch->table.rows;
    if ((last || !run->batch->atomic) &&
        !pool__savepoint_close(&run->savepoint, statement_deadline(run), run->err)) {
        run->open_outcome = run->savepoint.committing;
        return false;
    }
    run->done += run->count;
    run->count = 0;
    run->forgotten = false;
    return true;
}

static bool run_chunk(struct run *run)
{
    if (!begin_chunk(run) || !(run->singly ? run_singly(run) : run_in_bulk(run)))
        return false;
    return run->count == 0 || end_chunk(run);
}

/* ---- a batch ---- */

static bool may_go_on(struct run *run)
{
    const struct pool__batch *batch = run->batch;
    if (batch->stop && *batch->stop)
        return pool__fail(run->err, POOL_ERR_CANCELLED, "the batch was cancelled");
    if (!batch->progress)
        return true;
    const struct pool *before = pool__callback_enter(batch->pool);
    bool go_on = batch->progress(run->done, batch->table.rows, batch->progress_arg);
    pool__callback_leave(before);
    return go_on || pool__fail(run->err, POOL_ERR_CANCELLED,
                               "the progress function stopped the batch after %zu of %zu rows",
                               run->done, batch->table.rows);
}

static bool run_all(struct run *run)
{
    size_t rows = run->batch->table.rows;
    bool ok = true;
    while (ok && run->done < rows) {
        size_t before = run->done;
        ok = run_chunk(run);
        if (ok && run->done > before && run->done < rows)
            ok = may_go_on(run);
    }
    if (!ok) {
        bool committing = run->savepoint.committing;
        pool__savepoint_undo(&run->savepoint, statement_deadline(run), run->err);
        run->open_outcome = run->open_outcome && !(committing && !run->conn->broken);
        describe_failure(run);
    }
    return ok;
}

/* Before anything is sent. */
static bool check_biggest(const struct run *run)
{
    const struct pool__table *table = &run->batch->table;
    const struct pool_value *row = table->values + run->batch->biggest * table->columns;
    size_t size = 1 + pool__bulk_packet_size(row, table->columns);
    size_t limit = pool__conn_packet_limit(run->conn);
    return size < limit ||
           pool__fail(run->err, POOL_ERR_TOO_BIG,
                      "row %zu takes %zu bytes, which is over the limit of a packet, %zu "
                      "(max_packet_bytes, or the server's max_allowed_packet)",
                      run->batch->biggest + 1, size, limit);
}

static bool look(struct run *run)
{
    struct pool__execution exec = {.conn = run->conn, .err = run->err};
    if (run->conn->broken)
        return pool__conn_fail_broken(run->conn, run->err);
    return pool__conn_has_just_answered(run->conn, pool__now_ns()) || pool__execution_look(&exec);
}

/* Later the statement is in use. */
static void note_native(const struct run *run)
{
    struct pool__wait wait;
    pool__conn_enter(run->conn, &wait, statement_deadline(run));
    pool__stale_note_native(run->conn);
    pool__conn_leave(run->conn, &wait);
}

static bool begin(struct run *run)
{
    if (!look(run))
        return false;
    note_native(run);
    return check_biggest(run) && pool__bulk_init(&run->bulk, run->conn, &run->batch->table,
                                                 run->statement, statement_deadline(run), run->err);
}

struct pool_result *pool__batch_run(struct pool__conn *conn, const struct pool__batch *batch,
                                    const struct pool__statement *statement, bool held,
                                    uint64_t deadline_ns, struct pool_error *err)
{
    struct run run = {.conn = conn,
                      .batch = batch,
                      .statement = statement,
                      .deadline_ns = deadline_ns,
                      .err = err};
    pool__ok(err);
    pool__trx_note_native(conn);
    bool ok = !pool__trx_is_doubtful(&conn->trx) ||
              pool__doubt_allows(conn, statement->text, statement->text_len,
                                 statement_deadline(&run), err);
    pool__savepoint_init(&run.savepoint, conn, held);
    ok = ok && begin(&run);
    if (!ok)
        err->not_executed = true;
    else
        ok = run_all(&run);
    pool__bulk_fini(&run.bulk);
    conn->heard_ns = ok ? pool__now_ns() : 0;
    if (ok) {
        pool__ok(err);
        return run.result;
    }
    pool_result_free(run.result);
    return NULL;
}
