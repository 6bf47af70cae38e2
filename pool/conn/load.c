/*
 * A batch goes in chunks: each is one packet (bulk.c), or, where the server or the statement
 * does not take rows in bulk, or a column changes its type every few rows, some hundreds of
 * rows one by one (single.c).
 *
 * Each chunk is executed wholly or not at all, and so is the batch if it is `atomic`. The
 * server sees to that for rows that it inserts with one packet, which are one statement to
 * it; everything else gets a fence (savepoint.c) around the chunk, or around all chunks. Tables
 * without transactions know no such thing.
 *
 * Whoever owns the connection runs this; there are no locks. The progress function is the
 * program's, and runs between chunks.
 */
#include "conn/load.h"

#include "base/error.h"
#include "base/sync.h"
#include "conn/bulk.h"
#include "conn/doubt.h"
#include "conn/execution.h"
#include "conn/keep.h"
#include "conn/savepoint.h"
#include "conn/stale.h"
#include "core/callback.h"

#include <stdio.h>

#define CHUNK_BYTES ((size_t)1 << 20)
#define CHUNK_SINGLES 1000 /* rows, where they go one by one */
#define FEW_ROWS 16        /* in a packet: it is not worth the trip */
#define CHUNK_MIXED 256    /* rows, where types change so often */

struct load {
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

static void say_where(const struct load *load, char *text, size_t size)
{
    size_t first = load->done + 1;
    size_t rows = load->batch->table.rows;
    if (load->one_failed || load->count == 1)
        snprintf(text, size, "row %zu of %zu: ", first + load->row, rows);
    else if (load->count > 1)
        snprintf(text, size, "rows %zu to %zu of %zu: ", first, load->done + load->count, rows);
    else
        text[0] = '\0';
}

/* Nothing of them is left; as far as that is known. */
static const char *undone(const struct load *load)
{
    if (!load->sent || load->savepoint.undo == POOL__SAVEPOINT_UNDONE)
        return "none was executed";
    return load->savepoint.undo == POOL__SAVEPOINT_UNDONE_IN_PART
               ? "undone, but not in tables without transactions"
               : "undone, if the tables have transactions";
}

static void say_fate(const struct load *load, char *text, size_t size)
{
    bool in_part = load->savepoint.undo == POOL__SAVEPOINT_UNDONE_IN_PART;
    if (load->savepoint.inside && (load->conn->broken || load->err->retry_transaction))
        snprintf(text, size, "; the transaction may be undone");
    else if (load->batch->atomic && load->open_outcome)
        snprintf(text, size, "; all rows were executed, or none, if the tables have transactions");
    else if (load->batch->atomic || (load->done == 0 && !load->open_outcome))
        snprintf(text, size, "; %s", undone(load));
    else if (load->done == 0)
        snprintf(text, size, "; they may have been executed");
    else
        snprintf(text, size, "; rows 1 to %zu were executed%s", load->done,
                 load->open_outcome ? ", and perhaps these"
                 : in_part          ? ", and some of these in tables without transactions"
                                    : "");
}

static void describe_failure(struct load *load)
{
    char where[96];
    char fate[160];
    say_where(load, where, sizeof where);
    say_fate(load, fate, sizeof fate);
    pool__error_reword(load->err, where, fate);
    load->err->not_executed = !load->sent;
}

/* ---- a chunk ---- */

static uint64_t statement_deadline(const struct load *load)
{
    uint64_t own = pool__deadline_in(load->conn->options->v.query_timeout_ms);
    return own < load->deadline_ns ? own : load->deadline_ns;
}

static bool needs_fence(const struct load *load)
{
    bool keeps_itself = load->savepoint.inside || pool__commits_by_itself(load->conn);
    bool all = load->count == load->batch->table.rows;
    bool one_statement = load->count == 1 || (!load->singly && load->batch->inserts);
    return !load->savepoint.kind &&
           (!one_statement || !keeps_itself || (load->batch->atomic && !all));
}

/* As many rows as a packet would have bytes, but one at least. */
static void go_singly(struct load *load, size_t most)
{
    const struct pool__table *table = &load->batch->table;
    const struct pool_value *row = table->values + load->done * table->columns;
    size_t left = table->rows - load->done;
    size_t bytes = pool__bulk_packet_size(row, table->columns);
    load->singly = true;
    load->count = 1;
    while (load->count < left && load->count < most && bytes < CHUNK_BYTES) {
        row += table->columns;
        bytes += pool__bulk_packet_size(row, table->columns);
        load->count++;
    }
}

static bool choose_rows(struct load *load)
{
    load->singly = false;
    if (load->bulk.stmt && !pool__bulk_prepare(&load->bulk, statement_deadline(load), load->err))
        return false;
    if (!load->bulk.stmt)
        go_singly(load, CHUNK_SINGLES);
    else if (!pool__bulk_pack(&load->bulk, load->done, &load->count, load->err))
        return false;
    else if (load->count < FEW_ROWS && load->bulk.pack.types_change)
        go_singly(load, CHUNK_MIXED);
    return true;
}

static bool begin_chunk(struct load *load)
{
    if (!choose_rows(load))
        return false;
    bool ahead = load->conn->pipelines && (load->singly || load->bulk.pack.types_change);
    return !needs_fence(load) ||
           pool__savepoint_open(&load->savepoint, ahead, statement_deadline(load), load->err);
}

/* The rows have been executed, also if it fails. */
static bool add(struct load *load, struct pool_result *part)
{
    if (pool__load_add(&load->result, part, load->err))
        return true;
    load->open_outcome = !load->savepoint.kind;
    return false;
}

/* True with count 0 if it was not executed and is to be tried again. */
static bool run_in_bulk(struct load *load)
{
    struct pool_result *part;
    enum pool__bulk_end end =
        pool__bulk_run(&load->bulk, statement_deadline(load), &part, load->err);
    load->sent = load->sent || load->bulk.sent;
    if (end == POOL__BULK_DONE)
        return add(load, part);
    if (end == POOL__BULK_FAILED) {
        load->open_outcome = load->bulk.sent && load->conn->broken && !load->savepoint.kind;
        return false;
    }
    if (end == POOL__BULK_FORGOTTEN && load->forgotten)
        return pool__fail(load->err, POOL_ERR_SERVER, "the server keeps forgetting the statement");
    load->forgotten = end == POOL__BULK_FORGOTTEN;
    load->count = 0;
    /* Nothing has been executed: rows that go one by one get a fence of their own kind. */
    if (end == POOL__BULK_REFUSED && load->done == 0) {
        pool__savepoint_undo(&load->savepoint, statement_deadline(load), load->err);
        load->savepoint.undo = POOL__SAVEPOINT_NOT_UNDONE;
    }
    return true;
}

static bool run_singly(struct load *load)
{
    struct pool__table rows = load->batch->table;
    rows.values += load->done * rows.columns;
    rows.rows = load->count;
    bool sent;
    bool ok = pool__load_singly(
        load->conn, load->statement, &rows, pool__savepoint_lets_ahead(&load->savepoint),
        statement_deadline(load), &load->result, &load->row, &sent, load->err);
    load->sent = load->sent || sent;
    if (ok)
        return true;
    load->one_failed = true;
    /* What the server itself refuses is not executed. Of anything else nobody knows: the row may
     * have been one too many for the result. */
    bool refused = load->err->not_executed || (load->err->server_errno && !load->conn->broken);
    load->open_outcome = sent && !refused && !load->savepoint.kind;
    return false;
}

static bool end_chunk(struct load *load)
{
    bool last = load->done + load->count == load->batch->table.rows;
    if ((last || !load->batch->atomic) &&
        !pool__savepoint_close(&load->savepoint, statement_deadline(load), load->err)) {
        load->open_outcome = load->savepoint.committing;
        return false;
    }
    load->done += load->count;
    load->count = 0;
    load->forgotten = false;
    return true;
}

static bool run_chunk(struct load *load)
{
    if (!begin_chunk(load) || !(load->singly ? run_singly(load) : run_in_bulk(load)))
        return false;
    return load->count == 0 || end_chunk(load);
}

/* ---- a batch ---- */

static bool may_go_on(struct load *load)
{
    const struct pool__batch *batch = load->batch;
    if (batch->stop && *batch->stop)
        return pool__fail(load->err, POOL_ERR_CANCELLED, "the batch was cancelled");
    if (!batch->progress)
        return true;
    const struct pool *before = pool__callback_enter(batch->pool);
    bool go_on = batch->progress(load->done, batch->table.rows, batch->progress_arg);
    pool__callback_leave(before);
    return go_on || pool__fail(load->err, POOL_ERR_CANCELLED,
                               "the progress function stopped the batch after %zu of %zu rows",
                               load->done, batch->table.rows);
}

static bool run_all(struct load *load)
{
    size_t rows = load->batch->table.rows;
    bool ok = true;
    while (ok && load->done < rows) {
        size_t before = load->done;
        ok = run_chunk(load);
        if (ok && load->done > before && load->done < rows)
            ok = may_go_on(load);
    }
    if (!ok) {
        bool committing = load->savepoint.committing;
        pool__savepoint_undo(&load->savepoint, statement_deadline(load), load->err);
        load->open_outcome = load->open_outcome && !(committing && !load->conn->broken);
        describe_failure(load);
    }
    return ok;
}

/* Before anything is sent. */
static bool check_biggest(const struct load *load)
{
    const struct pool__table *table = &load->batch->table;
    const struct pool_value *row = table->values + load->batch->biggest * table->columns;
    size_t size = 1 + pool__bulk_packet_size(row, table->columns);
    size_t limit = pool__bulk_limit(load->conn);
    return size < limit ||
           pool__fail(load->err, POOL_ERR_TOO_BIG,
                      "row %zu takes %zu bytes, which is over the limit of a packet, %zu "
                      "(max_packet_bytes, or the server's max_allowed_packet)",
                      load->batch->biggest + 1, size, limit);
}

static bool look(struct load *load)
{
    struct pool__execution exec = {.conn = load->conn, .err = load->err};
    if (load->conn->broken)
        return pool__conn_fail_broken(load->conn, load->err);
    return pool__conn_has_just_answered(load->conn, pool__now_ns()) || pool__execution_look(&exec);
}

/* Later the statement is in use. */
static void note_native(const struct load *load)
{
    struct pool__wait wait;
    pool__conn_enter(load->conn, &wait, statement_deadline(load));
    pool__stale_note_native(load->conn);
    pool__conn_leave(load->conn, &wait);
}

static bool begin(struct load *load)
{
    if (!look(load))
        return false;
    note_native(load);
    return check_biggest(load) &&
           pool__bulk_init(&load->bulk, load->conn, &load->batch->table, load->statement->text,
                           load->statement->text_len, statement_deadline(load), load->err);
}

struct pool_result *pool__load(struct pool__conn *conn, const struct pool__batch *batch,
                               const struct pool__statement *statement, bool held,
                               uint64_t deadline_ns, struct pool_error *err)
{
    struct load load = {.conn = conn,
                        .batch = batch,
                        .statement = statement,
                        .deadline_ns = deadline_ns,
                        .err = err};
    pool__ok(err);
    pool__trx_note_native(conn);
    bool ok = !pool__trx_is_doubtful(&conn->trx) ||
              pool__doubt_allows(conn, statement->text, statement->text_len,
                                 statement_deadline(&load), err);
    pool__savepoint_init(&load.savepoint, conn, held);
    ok = ok && begin(&load);
    if (!ok)
        err->not_executed = true;
    else
        ok = run_all(&load);
    pool__bulk_fini(&load.bulk);
    conn->heard_ns = ok ? pool__now_ns() : 0;
    if (ok) {
        pool__ok(err);
        return load.result;
    }
    pool_result_free(load.result);
    return NULL;
}
