/*
 * Calls of which no result remains: pool_exec, of which an outcome does, and pool_query_one, which
 * reads the only row. Its texts are copied before anything is written, so that a failure leaves
 * the caller's variables as they were.
 */
#include "base/error.h"
#include "result/layout.h"

#include <stdlib.h>
#include <string.h>

/* ---- an outcome ---- */

static bool take_outcome(struct pool_result *result, struct pool_outcome *ret_outcome)
{
    if (!result)
        return false;
    while (pool_next_set(result))
        ;
    if (ret_outcome)
        *ret_outcome = (struct pool_outcome){.affected_rows = pool_affected_rows(result),
                                             .insert_id = pool_insert_id(result),
                                             .warnings = pool_warning_count(result)};
    pool_result_free(result);
    return true;
}

bool pool_exec(struct pool *pool, const char *sql, struct pool_args args,
               struct pool_outcome *ret_outcome, struct pool_error *err)
{
    return take_outcome(pool_query(pool, sql, args, err), ret_outcome);
}

bool pool_conn_exec(struct pool_conn conn, const char *sql, struct pool_args args,
                    struct pool_outcome *ret_outcome, struct pool_error *err)
{
    return take_outcome(pool_conn_query(conn, sql, args, err), ret_outcome);
}

bool pool_exec_with(struct pool *pool, const struct pool_request *request,
                    struct pool_outcome *ret_outcome, struct pool_error *err)
{
    return take_outcome(pool_query_with(pool, request, err), ret_outcome);
}

bool pool_conn_exec_with(struct pool_conn conn, const struct pool_request *request,
                         struct pool_outcome *ret_outcome, struct pool_error *err)
{
    return take_outcome(pool_conn_query_with(conn, request, err), ret_outcome);
}

/* ---- one row ---- */

static bool check_targets(const struct pool_target *targets, size_t count, struct pool_error *err)
{
    if (count > 0 && !targets)
        return pool__fail(err, POOL_ERR_INVALID, "the variables are NULL");
    for (size_t i = 0; i < count; i++) {
        enum pool_target_type type = targets[i].type;
        bool text = type == POOL_TO_NEW_TEXT && targets[i].to;
        if (type == POOL_TO_TEXT || type == POOL_TO_BYTES)
            return pool__fail(err, POOL_ERR_INVALID,
                              "variable %zu would borrow from a result that is gone: take a char *",
                              i + 1);
        if (!text && !pool__target_is_valid(&targets[i]))
            return pool__fail(err, POOL_ERR_INVALID, "variable %zu is NULL or of no type", i + 1);
    }
    return true;
}

static bool go_to_only_row(struct pool_result *result, struct pool_error *err)
{
    uint64_t rows = pool_row_count(result);
    if (rows == 0)
        return pool__fail(err, POOL_ERR_NO_ROW,
                          pool_column_count(result) ? "the statement returned no row"
                                                    : "the statement returns no rows at all");
    if (rows > 1)
        return pool__fail(err, POOL_ERR_INVALID, "the statement returned %llu rows, not one",
                          (unsigned long long)rows);
    return pool_next(result);
}

/* A copy of a text that is not NULL. */
static char *copy_text(struct pool_result *row, unsigned column, struct pool_error *err)
{
    size_t len;
    const char *text = pool_get_bytes(row, column, &len);
    if (text && memchr(text, '\0', len)) {
        pool__fail(err, POOL_ERR_INVALID,
                   "column %u (%.60s) has a NUL within its text, which a char * would cut short",
                   column + 1, pool_column_name(row, column));
        return NULL;
    }
    char *copy = text ? malloc(len + 1) : NULL;
    if (!copy) {
        pool__fail(err, POOL_ERR_NOMEM, "out of memory for the text of column %u", column + 1);
        return NULL;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

/* What a row is read into first: texts are skipped and copied, the rest is the caller's. */
struct reading {
    size_t count;
    struct pool_target *targets;
    char **copies;
};

static void free_reading(struct reading *reading)
{
    for (size_t i = 0; reading->copies && i < reading->count; i++)
        free(reading->copies[i]);
    free(reading->copies);
    free(reading->targets);
}

static bool copy_texts(struct reading *reading, const struct pool_target *targets,
                       struct pool_result *row, struct pool_error *err)
{
    size_t size = reading->count ? reading->count : 1;
    reading->targets = calloc(size, sizeof *reading->targets);
    reading->copies = calloc(size, sizeof *reading->copies);
    if (!reading->targets || !reading->copies)
        return pool__fail(err, POOL_ERR_NOMEM, "out of memory for %zu variables", reading->count);
    for (unsigned i = 0; i < reading->count; i++) {
        bool text = targets[i].type == POOL_TO_NEW_TEXT;
        reading->targets[i] = text ? (struct pool_target){POOL_TO_SKIP, NULL} : targets[i];
        if (text && !pool_is_null(row, i) && !(reading->copies[i] = copy_text(row, i, err)))
            return false;
    }
    return true;
}

static void hand_over_texts(struct reading *reading, const struct pool_target *targets)
{
    for (size_t i = 0; i < reading->count; i++)
        if (targets[i].type == POOL_TO_NEW_TEXT) {
            memcpy(targets[i].to, &reading->copies[i], sizeof reading->copies[i]);
            reading->copies[i] = NULL;
        }
}

static bool read_row(struct pool_result *row, const struct pool_target *targets, size_t count,
                     struct pool_error *err)
{
    struct reading reading = {.count = count};
    bool ok = copy_texts(&reading, targets, row, err);
    if (ok && !pool_scan(row, reading.targets, count))
        ok = pool__fail_copy(err, pool_result_error(row));
    if (ok)
        hand_over_texts(&reading, targets);
    free_reading(&reading);
    return ok;
}

static bool take_row(struct pool_result *result, const struct pool_target *targets, size_t count,
                     struct pool_error *err)
{
    bool ok = result && go_to_only_row(result, err) && read_row(result, targets, count, err);
    pool_result_free(result);
    return ok;
}

bool pool_query_one(struct pool *pool, const char *sql, struct pool_args args,
                    const struct pool_target *targets, size_t count, struct pool_error *err)
{
    return check_targets(targets, count, err) &&
           take_row(pool_query(pool, sql, args, err), targets, count, err);
}

bool pool_conn_query_one(struct pool_conn conn, const char *sql, struct pool_args args,
                         const struct pool_target *targets, size_t count, struct pool_error *err)
{
    return check_targets(targets, count, err) &&
           take_row(pool_conn_query(conn, sql, args, err), targets, count, err);
}

bool pool_query_one_with(struct pool *pool, const struct pool_request *request,
                         const struct pool_target *targets, size_t count, struct pool_error *err)
{
    return check_targets(targets, count, err) &&
           take_row(pool_query_with(pool, request, err), targets, count, err);
}

bool pool_conn_query_one_with(struct pool_conn conn, const struct pool_request *request,
                              const struct pool_target *targets, size_t count,
                              struct pool_error *err)
{
    return check_targets(targets, count, err) &&
           take_row(pool_conn_query_with(conn, request, err), targets, count, err);
}
