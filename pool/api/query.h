/*
 * What the other public functions need of the blocking calls of a pool.
 */
#ifndef POOL_API_QUERY_H
#define POOL_API_QUERY_H

#include "mypool.h"

struct pool__sink;
struct pool__batch;

/* Borrows, and runs the one statement, or the batch with its text; into a result, or a sink. */
struct pool_result *pool__query_as(struct pool *pool, const struct pool_request *request,
                                   const struct pool__sink *sink, const struct pool__batch *batch,
                                   struct pool_error *err);
bool pool__query_check_row_fn(pool_row_fn *fn, struct pool_error *err);

#endif
