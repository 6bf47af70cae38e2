/*
 * How a call with a callback is accepted. See accept.c.
 */
#ifndef POOL_ASYNC_ACCEPT_H
#define POOL_ASYNC_ACCEPT_H

#include "async/op.h"

#include <stdbool.h>

/* Copies the request (NULL: none) and makes everything ready. */
struct pool__op *pool__accept_new(struct pool *pool, const struct pool__op_kind *kind,
                                  const struct pool_request *request, struct pool_error *err);
/* Before it is accepted: whether it has as many values as placeholders; else it is freed. */
bool pool__accept_check_values(struct pool__op *op, struct pool_error *err);
/* Hands the op to the loop, or frees it. `ret_call`: NULL, or where its handle goes. */
bool pool__accept(struct pool__op *op, struct pool_call *ret_call, struct pool_error *err);

#endif
