/*
 * The rows of a batch one by one. See batch_rows.c.
 */
#ifndef POOL_CONN_BATCH_ROWS_H
#define POOL_CONN_BATCH_ROWS_H

#include "conn/bulk_packet.h"
#include "conn/conn.h"
#include "sql/statement.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The rows, and what has come of them. */
struct pool__batch_rows {
    struct pool__conn *conn;
    const struct pool__statement *statement; /* it has the text, and no values */
    struct pool__table table;
    bool ahead; /* several may be on their way at once */
    uint64_t deadline_ns;
    struct pool_result *result; /* of all rows so far; NULL before the first */
    size_t row;                 /* after a failure: the row that failed; those behind it may have
                                   been executed, too */
    bool sent;                  /* false: the server has refused the statement before any row */
};

/* Executes the rows one by one. */
bool pool__batch_rows_run(struct pool__batch_rows *rows, struct pool_error *err);

/* Takes `part` over. */
bool pool__batch_rows_add(struct pool_result **total, struct pool_result *part,
                          struct pool_error *err);

#endif
