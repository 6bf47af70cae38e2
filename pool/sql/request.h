/*
 * A request: whether it is one, and a copy of it for calls that return before their statement has
 * run.
 */
#ifndef POOL_SQL_REQUEST_H
#define POOL_SQL_REQUEST_H

#include "mypool.h"

bool pool__request_check(const struct pool_request *request, struct pool_error *err);

/* The bytes that a copy of everything the request points to takes. */
size_t pool__request_size(const struct pool_request *request);

/* Copies the request, with all that it points to in `memory`, which has that many bytes and is
 * aligned for anything. */
void pool__request_copy(struct pool_request *ret_request, const struct pool_request *request,
                        void *memory);

#endif
