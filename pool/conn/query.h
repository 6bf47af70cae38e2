/*
 * One request on one connection, start to finish. The caller owns the connection.
 */
#ifndef POOL_CONN_QUERY_H
#define POOL_CONN_QUERY_H

#include "sql/statement.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool__conn;

/* Where rows go: into the result, or one by one to a callback. */
struct pool__sink {
    pool_row_fn *fn; /* NULL: into the result */
    void *arg;
};

/* Prepares (or finds) and executes, or sends as text. NULL on failure; conn->broken
 * and conn->dirty say what has become of the connection. */
struct pool_result *pool__query(struct pool__conn *conn, const struct pool__statement *statement,
                                const struct pool__sink *sink, uint64_t deadline_ns,
                                struct pool_error *err);

/* A text statement without values: the pool's own session work. */
struct pool_result *pool__query_text(struct pool__conn *conn, const char *sql, size_t len,
                                     uint64_t deadline_ns, struct pool_error *err);
/* The same for a text that ends with a NUL, and whose result nobody wants. */
bool pool__say(struct pool__conn *conn, const char *sql, uint64_t deadline_ns,
               struct pool_error *err);

#endif
