/*
 * Several statements on one connection at once: sent back to back, answered in order.
 *
 * The first is the leader's, whose thread runs this and whose deadline holds; the others
 * belong to callers who would have had to wait for a connection.
 */
#ifndef POOL_CONN_PIPELINE_H
#define POOL_CONN_PIPELINE_H

#include "base/saved_error.h"
#include "conn/conn.h"
#include "sql/statement.h"

#include <stdbool.h>
#include <stdint.h>

#define POOL__PIPELINE_MOST 64          /* statements; the range of pipeline_depth */
#define POOL__PIPELINE_BYTES (8 * 1024) /* of all their packets: less than any socket buffer */

/* One statement of a pipeline. */
struct pool__pipeline_member {
    const struct pool__statement *statement; /* must stay until POOL__PIPELINE_SENT */
    struct pool__saved_error *saved;         /* filled in on failure; not the leader's */
    struct pool_result *result;              /* NULL on failure */
    uint64_t deadline_ns; /* of the statement's caller, should the pool have to run it alone */
    void *owner;          /* for the progress function */
};

/* How far a member has come. */
enum pool__pipeline_progress {
    POOL__PIPELINE_SENT, /* the member's statement is not read any more, for now */
    POOL__PIPELINE_HOLD, /* the statement is read once more; false: its caller has given up, and the
                            member is dropped */
    POOL__PIPELINE_DONE  /* result or error are there; the member is not touched again */
};
typedef bool pool__pipeline_progress_fn(struct pool__pipeline_member **members, unsigned count,
                                        enum pool__pipeline_progress progress);

/* Runs the statements of all members, each of which pool__joinable_statement has allowed.
 * `progress` is called for each follower in turn, or for several that are done. The first member is
 * the leader's, and so is `err`: for it POOL__PIPELINE_DONE alone is told, perhaps long before this
 * function returns, and before all others. */
void pool__pipeline_run(struct pool__conn *conn, struct pool__pipeline_member *members,
                        unsigned count, uint64_t deadline_ns, struct pool_error *err,
                        pool__pipeline_progress_fn *progress);

#endif
