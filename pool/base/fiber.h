/*
 * A fiber: a stack of its own for straight-line code that has to wait, and the switch to it
 * and back. Whoever runs it goes on when it waits, and resumes it later, on the same thread
 * or another, one at a time.
 */
#ifndef POOL_BASE_FIBER_H
#define POOL_BASE_FIBER_H

#include <stdbool.h>
#include <stdint.h>

enum pool__wake { POOL__WAKE_READY, POOL__WAKE_LATE, POOL__WAKE_CUT };

struct pool__fiber;

/* How code on a fiber waits: until the descriptor (-1: none) can be read or written, or until the
 * deadline, or until everything has to stop. */
typedef enum pool__wake pool__await_fn(struct pool__fiber *fiber, int fd, bool for_read,
                                       uint64_t deadline_ns);

/* NULL if memory is out. `owner` is what pool__fiber_owner returns. */
struct pool__fiber *pool__fiber_new(pool__await_fn *await, void *owner);
void pool__fiber_free(struct pool__fiber *fiber); /* one that is not running; NULL is allowed */
void *pool__fiber_owner(const struct pool__fiber *fiber);

/* Runs the function on the fiber until it yields or returns; true if it has returned. */
bool pool__fiber_start(struct pool__fiber *fiber, void (*run)(void *arg), void *arg);
bool pool__fiber_resume(struct pool__fiber *fiber);

/* On the fiber: back to whoever runs it. */
void pool__fiber_yield(struct pool__fiber *fiber);

/* The fiber that this code runs on, or NULL. */
struct pool__fiber *pool__fiber_current(void);

/* Waits on the fiber, as its pool__await_fn does. */
enum pool__wake pool__fiber_await(struct pool__fiber *fiber, int fd, bool for_read,
                                  uint64_t deadline_ns);

#endif
