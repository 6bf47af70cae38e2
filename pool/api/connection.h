/*
 * What the other public functions need of the blocking calls of a connection.
 */
#ifndef POOL_API_CONNECTION_H
#define POOL_API_CONNECTION_H

#include "mypool.h"

struct pool__sink;
struct pool__batch;

/* For a begin that may be tried again elsewhere, which does not count as one that ended. */
struct pool__tries {
    bool (*again)(const struct pool *pool, const struct pool_error *err, unsigned tries);
    unsigned tries; /* this one included */
    uint64_t deadline_ns;
    bool more; /* set: this was not the last */
};
/* Of what is sent for a transaction. */
struct pool__limits {
    uint64_t deadline_ns;
    const char *label;
};
struct pool__begin {
    enum pool_isolation isolation;
    bool read_only;
    struct pool__limits limits;
};
/* `begin`: NULL, as the session has it. */
bool pool__connection_begin(struct pool_conn conn, const struct pool__begin *begin,
                            struct pool__tries *tries, struct pool_error *err);
/* `sql`: COMMIT or ROLLBACK. */
bool pool__connection_end(struct pool_conn conn, const char *sql, const struct pool__limits *limits,
                          struct pool_error *err);

/* What is left until the deadline, for a request; not 0, which would mean no limit. */
uint32_t pool__connection_ms_until(uint64_t deadline_ns);

/* pool_get_connection_with for what has begun: also while the pool drains. */
bool pool__connection_borrow(struct pool *pool, const struct pool_request *request,
                             struct pool_conn *ret_conn, struct pool_error *err);

/* Claims the handle, and runs the one statement, or the batch with its text; into a result, or a
 * sink. */
struct pool_result *pool__connection_query(struct pool_conn conn,
                                           const struct pool_request *request,
                                           const struct pool__sink *sink,
                                           const struct pool__batch *batch, struct pool_error *err);

#endif
