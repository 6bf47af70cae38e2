/*
 * A statement that waits for a connection, or follows in a pipeline. See queued.c.
 */
#ifndef POOL_ENGINE_QUEUED_H
#define POOL_ENGINE_QUEUED_H

#include "base/saved_error.h"
#include "core/core.h"
#include "engine/borrow.h"
#include "engine/job.h"

#include <stdatomic.h>
#include <stdint.h>

struct pool__queued {
    struct pool__waiter waiter;
    _Atomic uint32_t holders; /* the caller, and the leader while it follows */
    struct pool *pool;
    const struct pool__job *job;    /* not to be touched while the caller may leave */
    struct pool_result *result;     /* on DONE; NULL: see saved */
    struct pool__saved_error saved; /* why it failed */
};

/* Makes the job ready to be queued. `waited_ns`: in the queue so far. NULL if the job may not
 * follow, or memory is out: then the caller waits alone. */
struct pool__queued *pool__queued_new(struct pool *pool, const struct pool__job *job,
                                      uint64_t call_deadline_ns, uint64_t waited_ns);
/* The same in two steps for a struct pool__queued at the start of something else on the heap: the
 * first once, the second each time before it is queued. */
void pool__queued_init(struct pool__queued *queued, struct pool *pool, const struct pool__job *job,
                       uint64_t call_deadline_ns);
void pool__queued_get_ready(struct pool__queued *queued, uint64_t waited_ns);

void pool__queued_drop(struct pool__queued *queued);

/* After DONE or ABANDONED, by the caller, once: returns what came of the job. Adds to
 * ask->waited_ns, and ends the attempt of a blocking call. */
struct pool_result *pool__queued_end(struct pool__queued *queued, struct pool__job *job,
                                     enum pool__queue_result outcome, struct pool__ask *ask,
                                     struct pool_error *err);

#endif
