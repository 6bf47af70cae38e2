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

/* Executes rows one by one, with `ahead` several on their way at once. Puts
 * what came of them into *total (NULL before the first). On failure *ret_row is the row that
 * failed; those after it may have been executed, too. *ret_sent is false if the server has
 * refused the statement before any row. */
bool pool__batch_rows_run(struct pool__conn *conn, const struct pool__statement *statement,
                          const struct pool__table *rows, bool ahead, uint64_t deadline_ns,
                          struct pool_result **total, size_t *ret_row, bool *ret_sent,
                          struct pool_error *err);

/* Takes `part` over. */
bool pool__batch_rows_add(struct pool_result **total, struct pool_result *part,
                          struct pool_error *err);

#endif
