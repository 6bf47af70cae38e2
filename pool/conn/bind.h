/*
 * Values for the placeholders of a prepared statement, in the form that libmariadb's
 * mysql_stmt_bind_param takes. Nothing is allocated: numbers and times go into the
 * store, text and bytes stay where the caller has them, until the statement was sent.
 * threads: one at a time per store.
 */
#ifndef POOL_CONN_BIND_H
#define POOL_CONN_BIND_H

#include "mypool.h"

#include <mysql.h>

struct st_mysql_bind; /* libmariadb's MYSQL_BIND */

/* What one MYSQL_BIND points to. It must not move while the bind is in use. */
struct pool__bind_store {
    union {
        int64_t i;
        uint64_t u;
        double d;
        MYSQL_TIME time;
    } as;
    unsigned long length; /* bytes of text, bytes and decimals */
    my_bool is_null;
};

/* Fills in `count` binds and stores. The values are expected to have passed
 * pool__value_check; a list, or a type that only columns have, is POOL_ERR_INVALID. */
bool pool__bind_values(struct st_mysql_bind *binds, struct pool__bind_store *stores,
                       const struct pool_value *const *values, size_t count,
                       struct pool_error *err);

#endif
