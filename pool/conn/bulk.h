/*
 * Many rows of one statement as one packet. The caller owns the connection.
 */
#ifndef POOL_CONN_BULK_H
#define POOL_CONN_BULK_H

#include "conn/bulk_packet.h"
#include "conn/conn.h"
#include "conn/stmt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool__bulk {
    struct pool__conn *conn;
    const struct pool__table *table;
    struct pool__stmt *stmt; /* NULL: the rows have to go one by one */
    struct pool__bulk_packet pack;
    size_t packed_at; /* the first row of the packet */
    bool sent;        /* the last packet may have reached the server */
};

enum pool__bulk_end {
    POOL__BULK_DONE,
    POOL__BULK_FAILED,
    POOL__BULK_FORGOTTEN, /* not executed: prepare it again */
    POOL__BULK_REFUSED    /* not executed: one by one */
};

/* Finds the text of the statement, or adds it to the cache. Free with pool__bulk_fini in any case.
 */
bool pool__bulk_init(struct pool__bulk *bulk, struct pool__conn *conn,
                     const struct pool__table *table, const struct pool__statement *statement,
                     uint64_t deadline_ns, struct pool_error *err);
void pool__bulk_fini(struct pool__bulk *bulk);

/* Prepares the statement unless it is prepared already. True with bulk->stmt NULL if the server
 * does not prepare it, or not in bulk. */
bool pool__bulk_prepare(struct pool__bulk *bulk, uint64_t deadline_ns, struct pool_error *err);

/* Makes the packet with the rows from `from` on, and tells how many they are. */
bool pool__bulk_pack(struct pool__bulk *bulk, size_t from, size_t *ret_count,
                     struct pool_error *err);

/* Executes the rows of the packet. */
enum pool__bulk_end pool__bulk_run(struct pool__bulk *bulk, uint64_t deadline_ns,
                                   struct pool_result **ret_result, struct pool_error *err);

#endif
