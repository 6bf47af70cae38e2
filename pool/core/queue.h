/*
 * The queue of those who wait, and the returns that serve it. See queue.c.
 */
#ifndef POOL_CORE_QUEUE_H
#define POOL_CORE_QUEUE_H

#include "core/core.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Joins the queue, unless a slot is idle after all. Returns PENDING (the waiter is
 * queued), GRANTED, FULL or SHUT. For each slot that the pool itself has, to open,
 * to look after or to close, one waiter waits for the pool alone; only those beyond are
 * `behind` others and count against queue_limit. What becomes of that slot afterwards does
 * not matter. */
enum pool__queue_result pool__queue_enter(struct pool__core *core, struct pool__waiter *waiter);

/* Parks until the waiter has ended (if it is taken along: DONE or ABANDONED) or its deadline
 * passes. */
enum pool__queue_result pool__queue_wait(struct pool__core *core, struct pool__waiter *waiter);

/* If its time is up the waiter gives up (TIMED_OUT) or leaves (ABANDONED). True if it was this call
 * that decided so; else, should it still be waiting, *ret_next_ns is when to look again at the
 * latest. */
bool pool__queue_look(struct pool__core *core, struct pool__waiter *waiter, uint64_t now,
                      uint64_t *ret_next_ns);

/* Gives up (CANCELLED) or leaves (ABANDONED) at once. True if it was this call that decided so. */
bool pool__queue_cancel(struct pool__core *core, struct pool__waiter *waiter);

/* Gives up waiting; returns the result if one came first. */
enum pool__queue_result pool__queue_leave(struct pool__core *core, struct pool__waiter *waiter);

/* Fails everybody who has waited since before `enqueued_before_ns`. */
void pool__queue_fail_waiters(struct pool__core *core, enum pool__queue_result result,
                              uint64_t enqueued_before_ns);

/* Refuses new waiters and fails the queued ones. */
void pool__queue_shut(struct pool__core *core);
/* Whether callbacks may queue up although it is shut. */
void pool__queue_set_drains(struct pool__core *core, bool drains);

/* When the oldest waiter came; POOL__FOREVER if nobody waits. */
uint64_t pool__queue_oldest_ns(struct pool__core *core);

#endif
