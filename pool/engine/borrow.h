/*
 * How a caller comes by a connection. See borrow.c.
 */
#ifndef POOL_ENGINE_BORROW_H
#define POOL_ENGINE_BORROW_H

#include "core/core.h"
#include "mypool.h"

#include <stdbool.h>
#include <stdint.h>

struct pool__conn;

struct pool;

struct pool__borrowed {
    struct pool__conn *conn;
    unsigned slot;
    uint32_t generation;
};
/* What a call asks for when it borrows, perhaps several times. */
struct pool__ask {
    uint64_t flags; /* POOL__SLOT_CLAIMED for a call of the pool's own, which then owns the
                       connection; 0 for a handle, which has to be claimed first */
    const char *label;
    uint64_t deadline_ns; /* of the whole call */
    uint32_t acquire_ms;  /* to wait at most, in all its borrows together */
    uint64_t waited_ns;   /* so far */
    bool begun;           /* it is part of something that has begun, see core.h */
    bool again;           /* it has had a connection, and needs another one */
};
/* What a call with this request asks for. */
struct pool__ask pool__borrow_ask(const struct pool *pool, const struct pool_request *request,
                                  uint64_t flags);
/* When the whole call has to end, by the timeout_ms of its request: 0 is without a limit. */
uint64_t pool__borrow_deadline(uint32_t timeout_ms);

/* Borrows an idle connection. False if there is none. */
bool pool__borrow_at_once(struct pool *pool, const struct pool__ask *ask,
                          struct pool__borrowed *ret_borrowed);
/* Borrows by way of the queue. The waiter is zero but for what concerns following. GRANTED fills in
 * *ret_borrowed; DONE and ABANDONED are outcomes of a follower; every other outcome is a failure,
 * with the error filled in. */
enum pool__queue_result pool__borrow_in_turn(struct pool *pool, struct pool__ask *ask,
                                             struct pool__waiter *waiter,
                                             struct pool__borrowed *ret_borrowed,
                                             struct pool_error *err);
/* The same in two steps, for those who must not sleep. The first queues the waiter: PENDING, or a
 * result at once. The second takes any outcome but DONE and ABANDONED. */
enum pool__queue_result pool__borrow_queue(struct pool *pool, const struct pool__ask *ask,
                                           struct pool__waiter *waiter);
void pool__borrow_waited(struct pool *pool, struct pool__ask *ask,
                         const struct pool__waiter *waiter, enum pool__queue_result outcome,
                         struct pool__borrowed *ret_borrowed, struct pool_error *err);
/* At once or in turn. */
bool pool__borrow(struct pool *pool, struct pool__ask *ask, struct pool__borrowed *ret_borrowed,
                  struct pool_error *err);

#endif
