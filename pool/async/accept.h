/*
 * How a call with a callback is accepted. See accept.c.
 */
#ifndef POOL_ASYNC_ACCEPT_H
#define POOL_ASYNC_ACCEPT_H

#include "async/op.h"

#include <stdbool.h>

/* What a call with a callback is made of. */
struct pool__op_start {
    const struct pool__op_kind *kind;
    const struct pool_request *request; /* copied; NULL: none, if the kind is no statement */
    union pool__op_fn fn;
    void *arg;
};

/* Checks what it is given, copies it, and makes everything ready. NULL on failure. */
struct pool__op *pool__accept_new(struct pool *pool, const struct pool__op_start *start,
                                  struct pool_error *err);
/* Hands the op to the loop, or frees it. `ret_call`: NULL, or where its handle goes. */
bool pool__accept(struct pool__op *op, struct pool_call *ret_call, struct pool_error *err);

#endif
