/*
 * The public calls that take a batch. Everything is checked before a connection is
 * borrowed, and what is wrong is named by row and column, from 1. From there on a batch is
 * a job like a single statement: calls.c and async.c borrow for it, lead.c runs it.
 *
 * Runs on the caller's thread. No locks.
 */
#include "api/connection.h"
#include "api/query.h"
#include "async/accept.h"
#include "async/cancel.h"
#include "async/op.h"
#include "base/error.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/reserved.h"
#include "conn/batch.h"
#include "conn/bulk_packet.h"
#include "engine/borrow.h"
#include "engine/giveback.h"
#include "engine/handle.h"
#include "engine/job.h"
#include "engine/pool.h"
#include "result/result.h"
#include "result/sets.h"
#include "sql/inspect.h"
#include "sql/lexer.h"
#include "sql/value.h"
#include "sql/words.h"

#include <string.h>

/* ---- the statement ---- */

static bool check_verb(const char *sql, size_t len, bool *ret_inserts, struct pool_error *err)
{
    struct pool__lexer lexer;
    struct pool__token first;
    if (!pool__lexer_init(&lexer, sql, len, err) || !pool__lexer_next(&lexer, &first, err))
        return false;
    *ret_inserts = pool__words_is(&first, "INSERT") || pool__words_is(&first, "REPLACE");
    return *ret_inserts || pool__words_is(&first, "UPDATE") || pool__words_is(&first, "DELETE") ||
           pool__fail(err, POOL_ERR_INVALID,
                      "a batch takes an INSERT, REPLACE, UPDATE or DELETE, not '%.*s'",
                      (int)(first.len < 20 ? first.len : 20), first.text);
}

static bool check_statement(const struct pool_batch_request *request, size_t len, bool *ret_inserts,
                            struct pool_error *err)
{
    struct pool__sql_info info;
    if (!pool__inspect(request->sql, len, &info, err) ||
        !check_verb(request->sql, len, ret_inserts, err))
        return false;
    if (info.multiple)
        return pool__fail(err, POOL_ERR_INVALID, "a batch takes a single statement");
    if (info.named)
        return pool__fail(err, POOL_ERR_INVALID, "a batch takes ? placeholders, not :name");
    return pool__inspect_takes(&info, request->columns) ||
           pool__fail(err, POOL_ERR_INVALID,
                      "the statement has %u placeholder%s but the rows have %zu column%s",
                      info.placeholders, info.placeholders == 1 ? "" : "s", request->columns,
                      request->columns == 1 ? "" : "s");
}

/* ---- the values ---- */

static const char *wrong_with(const struct pool_value *value, struct pool_error *err)
{
    if (value->type == POOL_TYPE_LIST)
        return "is a list, which has no place in a batch";
    if (value->name)
        return "has a name; a batch takes ? placeholders";
    if (!pool__value_check(value, err))
        return strncmp(err->message, "the value ", 10) == 0 ? err->message + 10 : err->message;
    return NULL;
}

static bool check_value(const struct pool_value *value, size_t row, size_t column,
                        struct pool_error *err)
{
    const char *wrong = wrong_with(value, err);
    if (wrong)
        return pool__fail(err, POOL_ERR_INVALID, "row %zu, column %zu %s", row + 1, column + 1,
                          wrong);
    if (value->type != POOL_TYPE_TEXT)
        return true;
    size_t valid = pool__value_utf8_length(value->as.bytes.data, value->as.bytes.len);
    return valid == value->as.bytes.len ||
           pool__fail(err, POOL_ERR_INVALID,
                      "row %zu, column %zu is not UTF-8 from byte %zu on; pool_bytes takes "
                      "anything",
                      row + 1, column + 1, valid);
}

static bool check_values(const struct pool__table *table, size_t *ret_biggest,
                         struct pool_error *err)
{
    const struct pool_value *value = table->values;
    size_t most = 0;
    for (size_t row = 0; row < table->rows; row++) {
        const struct pool_value *first = value;
        for (size_t column = 0; column < table->columns; column++)
            if (!check_value(value++, row, column, err))
                return false;
        size_t size = pool__bulk_packet_size(first, table->columns);
        if (size > most) {
            most = size;
            *ret_biggest = row;
        }
    }
    return true;
}

/* ---- the batch ---- */

static bool check_request(const struct pool_batch_request *request, struct pool_error *err)
{
    if (!request)
        return pool__fail(err, POOL_ERR_INVALID, "the request is NULL");
    if (!request->sql)
        return pool__fail(err, POOL_ERR_INVALID, "the SQL is NULL");
    if (!pool__reserved_check(request->reserved, sizeof request->reserved, "the request", err))
        return false;
    if (request->columns == 0)
        return pool__fail(err, POOL_ERR_INVALID, "the rows of a batch need at least one column");
    if (request->rows > SIZE_MAX / sizeof(struct pool_value) / request->columns)
        return pool__fail(err, POOL_ERR_INVALID, "%zu rows of %zu columns are more than memory has",
                          request->rows, request->columns);
    if (request->rows == 0 || request->values)
        return true;
    pool__fail(err, POOL_ERR_INVALID, "the number of rows is %zu, but the pointer to them is NULL",
               request->rows);
    return false;
}

/* The request with the text, for those who run it; all values are in it to be copied. */
static bool make(struct pool *pool, const struct pool_batch_request *from,
                 struct pool_request *ret_request, struct pool__batch *ret_batch,
                 struct pool_error *err)
{
    if (!check_request(from, err))
        return false;
    size_t len = from->sql_len ? from->sql_len : strlen(from->sql);
    struct pool__batch batch = {
        .pool = pool,
        .table = {from->values, from->rows, from->columns},
        .atomic = from->atomic,
        .progress = from->progress,
        .progress_arg = from->progress_arg,
    };
    if (!check_statement(from, len, &batch.inserts, err) ||
        !check_values(&batch.table, &batch.biggest, err))
        return false;
    *ret_batch = batch;
    *ret_request = (struct pool_request){
        .sql = from->sql,
        .sql_len = len,
        .args = {from->values, from->rows * from->columns},
        .timeout_ms = from->timeout_ms,
        .acquire_timeout_ms = from->acquire_timeout_ms,
        .label = from->label,
        .text = true, /* as it is; the rows are the batch's affair */
        .alone = true,
    };
    return true;
}

/* What fails here was not executed. */
static bool prepare(struct pool *pool, const struct pool_batch_request *from,
                    struct pool_request *ret_request, struct pool__batch *ret_batch,
                    struct pool_error *err)
{
    if (make(pool, from, ret_request, ret_batch, err)) {
        pool__ok(err);
        return true;
    }
    err->not_executed = true;
    return false;
}

static struct pool_result *result_of_nothing(struct pool_error *err)
{
    struct pool_result *result = pool__result_new(0, SIZE_MAX);
    if (result && pool__sets_begin(result, NULL, 0, false, err)) {
        pool__result_end_set(result, 0, 0, 0);
        return result;
    }
    pool_result_free(result);
    pool__fail_unsent(err, POOL_ERR_NOMEM, "out of memory for a result");
    return NULL;
}

/* ---- the public calls ---- */

struct pool_result *pool_batch_with(struct pool *pool, const struct pool_batch_request *request,
                                    struct pool_error *err)
{
    struct pool_request text;
    struct pool__batch batch;
    POOL__OWN_ERROR(err);
    if (!pool__check_new_blocking(pool, err) || !prepare(pool, request, &text, &batch, err))
        return NULL;
    return batch.table.rows ? pool__query_as(pool, &text, NULL, &batch, err)
                            : result_of_nothing(err);
}

struct pool_result *pool_batch(struct pool *pool, const char *sql, const struct pool_value *values,
                               size_t rows, size_t columns, struct pool_error *err)
{
    struct pool_batch_request request = {
        .sql = sql, .values = values, .rows = rows, .columns = columns};
    return pool_batch_with(pool, &request, err);
}

struct pool_result *pool_conn_batch_with(struct pool_conn conn,
                                         const struct pool_batch_request *request,
                                         struct pool_error *err)
{
    struct pool_request text;
    struct pool__batch batch;
    struct pool__borrowed borrowed;
    POOL__OWN_ERROR(err);
    if (!prepare(conn.pool, request, &text, &batch, err))
        return NULL;
    if (batch.table.rows)
        return pool__connection_query(conn, &text, NULL, &batch, err);
    if (!pool__handle_claim_open(conn, &borrowed, err))
        return NULL;
    pool__handle_unclaim(conn.pool, &borrowed);
    return result_of_nothing(err);
}

struct pool_result *pool_conn_batch(struct pool_conn conn, const char *sql,
                                    const struct pool_value *values, size_t rows, size_t columns,
                                    struct pool_error *err)
{
    struct pool_batch_request request = {
        .sql = sql, .values = values, .rows = rows, .columns = columns};
    return pool_conn_batch_with(conn, &request, err);
}

/* ---- with a callback ---- */

static void run_batch(struct pool__op *op, struct pool_error *err)
{
    struct pool *pool = op->queued.pool;
    op->queued.result =
        pool__job_run(pool, &op->borrowed, &op->job, op->ask.deadline_ns, op->ask.waited_ns, err);
    pool__cancel_absorb_kill(op);
    pool__giveback(pool, op->borrowed.slot);
}

/* Instead of what an op begins with: there is nothing to run. */
static void begin_and_end(struct pool__task *task)
{
    struct pool__op *op = POOL__ENTRY(task, struct pool__op, task);
    struct pool_error err;
    pool__ok(&err);
    op->queued.result = result_of_nothing(&err);
    pool__op_deliver(op, &err);
}

bool pool_batch_async_with(struct pool *pool, const struct pool_batch_request *request,
                           pool_query_fn *fn, void *arg, struct pool_call *ret_call,
                           struct pool_error *err)
{
    static const struct pool__op_kind kind = {
        .queues = true, .statement = true, .run = run_batch, .deliver = pool__op_tell};
    struct pool_request text;
    struct pool__batch batch;
    POOL__OWN_ERROR(err);
    if (!pool__check_new(pool, err) || !prepare(pool, request, &text, &batch, err))
        return false;
    const struct pool__op_start start = {&kind, &text, {.query = fn}, arg};
    struct pool__op *op = pool__accept_new(pool, &start, err);
    if (!op)
        return false;
    op->batch = batch;
    op->batch.table.values = op->request.args.values; /* the copies */
    op->batch.stop = &op->cancelled;
    op->job.batch = &op->batch;
    if (batch.table.rows == 0)
        op->task.run = begin_and_end;
    return pool__accept(op, ret_call, err);
}

bool pool_batch_async(struct pool *pool, const char *sql, const struct pool_value *values,
                      size_t rows, size_t columns, pool_query_fn *fn, void *arg,
                      struct pool_error *err)
{
    struct pool_batch_request request = {
        .sql = sql, .values = values, .rows = rows, .columns = columns};
    return pool_batch_async_with(pool, &request, fn, arg, NULL, err);
}
