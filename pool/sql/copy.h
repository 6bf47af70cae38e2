/*
 * A copy of a request: for calls that return before their statement has run.
 */
#ifndef POOL_COPY_H
#define POOL_COPY_H

#include "mypool.h"

/* The bytes that a copy of everything the request points to takes. */
size_t pool__copy_size(const struct pool_request *request);

/* Copies the request, with all that it points to in `memory`, which has that many bytes and is
 * aligned for anything. */
void pool__copy_request(struct pool_request *ret_request, const struct pool_request *request,
                        void *memory);

#endif
