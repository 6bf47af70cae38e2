/*
 * A batch on one connection, start to finish: in chunks, each of them wholly or not at all.
 */
#ifndef POOL_CONN_BATCH_H
#define POOL_CONN_BATCH_H

#include "conn/bulk_packet.h"
#include "sql/statement.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool__conn;

struct pool;

/* What pool_batch was given, checked. It points to what the caller passed. */
struct pool__batch {
    struct pool *pool;
    struct pool__table table; /* at least one row */
    bool atomic;
    bool inserts;               /* INSERT or REPLACE: many rows are one statement to the server */
    pool_progress_fn *progress; /* NULL: none */
    void *progress_arg;
    const bool *stop; /* between chunks: whether it has been cancelled; NULL: cannot be */
    size_t biggest;   /* the row with most bytes */
};

/* `statement` has the text of the statement. `held`: the connection is a handle of the program's;
 * else what was executed is committed, chunk by chunk or all at once, also without autocommit.
 * NULL on failure; conn->broken and conn->dirty say
 * what has become of the connection. */
struct pool_result *pool__batch_run(struct pool__conn *conn, const struct pool__batch *batch,
                                    const struct pool__statement *statement, bool held,
                                    uint64_t deadline_ns, struct pool_error *err);

#endif
