/*
 * Handles of calls with callbacks. See handles.c. threads: any.
 */
#ifndef POOL_ASYNC_HANDLES_H
#define POOL_ASYNC_HANDLES_H

#include "mypool.h"

struct pool__op;

/* Issues one: its ticket. 0: memory is out. */
uint64_t pool__handles_register(struct pool__op *op);
/* Ends it, if there is one. */
void pool__handles_unregister(struct pool__op *op);

/* The op, which is held for a task and has to be dropped; NULL with the error if it is over. */
struct pool__op *pool__handles_hold(struct pool_call call, struct pool_error *err);

#endif
