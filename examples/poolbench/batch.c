/*
 * The modes `batch`, `rawbatch` and `onebyone`: many rows into a table.
 *
 * All three insert the same rows of four columns into the same table, which is made anew
 * for each run. An operation is a row, so that their figures per second compare; a latency
 * is that of a whole batch, or of a row in `onebyone`. The table has no key, and only grows
 * during a run. `rawbatch` hands libmariadb all rows in one array, which must fit the
 * server's max_allowed_packet.
 */
#include "server.h"
#include "warm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 4u
#define NAME_SIZE 24u

static const char create_sql[] =
    "CREATE OR REPLACE TABLE poolbench_rows (id BIGINT NOT NULL, name VARCHAR(64) NOT NULL,"
    " v DOUBLE NOT NULL, note VARCHAR(64)) COMMENT 'made by poolbench'";
static const char insert_sql[] =
    "INSERT INTO poolbench_rows (id, name, v, note) VALUES (?, ?, ?, ?)";

/* What is inserted, in both forms. Constant once it is filled. */
struct rows {
    struct pool *pool; /* NULL in `rawbatch` */
    unsigned count;
    struct pool_value *values;
    int64_t *ids;
    double *vs;
    char (*texts)[NAME_SIZE];
    const char **names;
    unsigned long *name_lengths;
    char *note_indicators;
};

/* ---- The rows and their table. ---- */

static void rows_free(struct rows *rows)
{
    free(rows->values);
    free(rows->ids);
    free(rows->vs);
    free(rows->texts);
    free(rows->names);
    free(rows->name_lengths);
    free(rows->note_indicators);
    free(rows);
}

static void fill_row(struct rows *rows, unsigned i)
{
    struct pool_value *row = &rows->values[(size_t)i * COLUMNS];
    int len = snprintf(rows->texts[i], NAME_SIZE, "name-%u", i);
    bool no_note = i % 3 == 0;

    rows->ids[i] = i;
    rows->vs[i] = i + 0.25;
    rows->names[i] = rows->texts[i];
    rows->name_lengths[i] = (unsigned long)len;
    rows->note_indicators[i] = no_note ? STMT_INDICATOR_NULL : STMT_INDICATOR_NONE;
    row[0] = pool_int(i);
    row[1] = pool_text_n(rows->texts[i], (size_t)len);
    row[2] = pool_double(i + 0.25);
    row[3] = no_note ? pool_null() : row[1];
}

static struct rows *rows_new(unsigned count)
{
    struct rows *rows = calloc(1, sizeof(*rows));

    if (!rows)
        return NULL;
    rows->count = count;
    rows->values = calloc((size_t)count * COLUMNS, sizeof(*rows->values));
    rows->ids = calloc(count, sizeof(*rows->ids));
    rows->vs = calloc(count, sizeof(*rows->vs));
    rows->texts = calloc(count, sizeof(*rows->texts));
    rows->names = calloc(count, sizeof(*rows->names));
    rows->name_lengths = calloc(count, sizeof(*rows->name_lengths));
    rows->note_indicators = calloc(count, 1);
    if (!rows->values || !rows->ids || !rows->vs || !rows->texts || !rows->names ||
        !rows->name_lengths || !rows->note_indicators) {
        rows_free(rows);
        return NULL;
    }
    for (unsigned i = 0; i < count; i++)
        fill_row(rows, i);
    return rows;
}

static bool make_table(const struct config *config, struct problem *problem)
{
    MYSQL *mysql = server_connect(&config->options, problem);
    bool ok;

    if (!mysql)
        return false;
    ok = mysql_query(mysql, create_sql) == 0;
    if (!ok)
        server_problem(mysql, problem);
    mysql_close(mysql);
    return ok;
}

static bool raw_open(const struct config *config, void **ret_shared, struct problem *problem)
{
    struct rows *rows;

    if (!make_table(config, problem))
        return false;
    rows = rows_new(config->rows);
    if (!rows)
        problem_set(problem, "memory", "out of memory for %u rows", config->rows);
    *ret_shared = rows;
    return rows != NULL;
}

static bool pool_open(const struct config *config, void **ret_shared, struct problem *problem)
{
    struct rows *rows;
    void *pool;

    if (!raw_open(config, ret_shared, problem))
        return false;
    rows = *ret_shared;
    if (!warm_open(config, &pool, problem)) {
        rows_free(rows);
        return false;
    }
    rows->pool = pool;
    return true;
}

static void close_all(void *shared)
{
    struct rows *rows = shared;

    if (rows->pool)
        warm_close(rows->pool);
    rows_free(rows);
}

/* ---- mypool ---- */

/* Returns how many rows were inserted. */
static unsigned inserted(struct caller *caller, struct pool_result *result, unsigned rows,
                         const struct pool_error *err)
{
    struct problem problem;
    bool ok = result && pool_affected_rows(result) == rows;

    if (!result)
        warm_problem(err, &problem);
    else if (!ok)
        problem_set(&problem, WRONG_ROW, "inserted %llu rows instead of %u",
                    (unsigned long long)pool_affected_rows(result), rows);
    pool_result_free(result);
    if (!ok)
        caller_failed(caller, &problem);
    return ok ? rows : 0;
}

static unsigned batch_operation(struct caller *caller)
{
    const struct rows *rows = caller->shared;
    struct pool_error err;
    struct pool_result *result =
        pool_batch(rows->pool, insert_sql, rows->values, rows->count, COLUMNS, &err);

    return inserted(caller, result, rows->count, &err);
}

static unsigned onebyone_operation(struct caller *caller)
{
    const struct rows *rows = caller->shared;
    size_t row = (size_t)caller_key(caller) % rows->count;
    struct pool_args args = {&rows->values[row * COLUMNS], COLUMNS};
    struct pool_error err;
    struct pool_result *result = pool_query(rows->pool, insert_sql, args, &err);

    return inserted(caller, result, 1, &err);
}

/* ---- libmariadb ---- */

struct own {
    MYSQL *mysql;
    MYSQL_STMT *stmt;
};

static void raw_caller_close(struct caller *caller)
{
    struct own *own = caller->own;

    if (own->stmt)
        mysql_stmt_close(own->stmt);
    mysql_close(own->mysql);
    free(own);
}

static bool bind_rows(MYSQL_STMT *stmt, const struct rows *rows)
{
    MYSQL_BIND binds[COLUMNS];
    unsigned count = rows->count;

    memset(binds, 0, sizeof(binds));
    binds[0].buffer_type = MYSQL_TYPE_LONGLONG;
    binds[0].buffer = rows->ids;
    binds[1].buffer_type = MYSQL_TYPE_STRING;
    binds[1].buffer = (void *)rows->names;
    binds[1].length = rows->name_lengths;
    binds[2].buffer_type = MYSQL_TYPE_DOUBLE;
    binds[2].buffer = rows->vs;
    binds[3] = binds[1];
    binds[3].u.indicator = rows->note_indicators;
    mysql_stmt_attr_set(stmt, STMT_ATTR_ARRAY_SIZE, &count);
    return mysql_stmt_bind_param(stmt, binds) == 0;
}

static bool raw_caller_open(struct caller *caller, struct problem *problem)
{
    struct own *own = calloc(1, sizeof(*own));

    if (!own) {
        problem_set(problem, "memory", "out of memory for a caller");
        return false;
    }
    own->mysql = server_connect(&caller->config->options, problem);
    if (!own->mysql) {
        free(own);
        return false;
    }
    caller->own = own;
    own->stmt = mysql_stmt_init(own->mysql);
    if (own->stmt && mysql_stmt_prepare(own->stmt, insert_sql, sizeof(insert_sql) - 1) == 0 &&
        bind_rows(own->stmt, caller->shared))
        return true;
    if (own->stmt)
        server_statement_problem(own->stmt, problem);
    else
        server_problem(own->mysql, problem);
    raw_caller_close(caller);
    return false;
}

static unsigned raw_operation(struct caller *caller)
{
    const struct rows *rows = caller->shared;
    struct own *own = caller->own;
    struct problem problem;

    if (mysql_stmt_execute(own->stmt) != 0)
        server_statement_problem(own->stmt, &problem);
    else if (mysql_stmt_affected_rows(own->stmt) != rows->count)
        problem_set(&problem, WRONG_ROW, "inserted %llu rows instead of %u",
                    (unsigned long long)mysql_stmt_affected_rows(own->stmt), rows->count);
    else
        return rows->count;
    caller_failed(caller, &problem);
    return 0;
}

const struct mode mode_batch = {
    .name = "batch",
    .timed = true,
    .open = pool_open,
    .close = close_all,
    .operation = batch_operation,
};

const struct mode mode_onebyone = {
    .name = "onebyone",
    .timed = true,
    .open = pool_open,
    .close = close_all,
    .operation = onebyone_operation,
};

const struct mode mode_rawbatch = {
    .name = "rawbatch",
    .timed = true,
    .one_caller_per_connection = true,
    .open = raw_open,
    .close = close_all,
    .caller_open = raw_caller_open,
    .caller_close = raw_caller_close,
    .operation = raw_operation,
};
