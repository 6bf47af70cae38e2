/*
 * A kill that was ordered for the statement of a call. See cancel.c.
 */
#ifndef POOL_ASYNC_CANCEL_H
#define POOL_ASYNC_CANCEL_H

struct pool__op;

/* On the op's fiber, when its statement is over and before the connection is given back: a
 * kill that is under way must not hit the next one. */
void pool__cancel_absorb_kill(struct pool__op *op);

#endif
