/*
 * Waiters that a borrower takes along. See followers.c.
 */
#ifndef POOL_CORE_FOLLOWERS_H
#define POOL_CORE_FOLLOWERS_H

#include "core/core.h"

#include <stdbool.h>

/* Takes up to `most` waiters that may follow and that the function allows (it is called under
 * the lock) along, oldest first; they are TAKEN then. Ends at the first that does not,
 * so nobody is overtaken; a few whose time is up do not count. */
typedef bool pool__followers_may_fn(const struct pool__waiter *waiter, void *arg);
unsigned pool__followers_take(struct pool__core *core, unsigned most, pool__followers_may_fn *may,
                              void *arg, struct pool__waiter **ret_waiters);

/* The waiter has what it wanted; false if it has left. A callback is told at once, a thread
 * is woken with `wakes`, which are {0} at first. */
bool pool__followers_done(struct pool__core *core, struct pool__waiter *waiter,
                          struct pool__wakes *wakes);

#endif
