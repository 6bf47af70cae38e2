/*
 * A borrower that executes the statements of others with its own. See leader.c.
 */
#ifndef POOL_ENGINE_LEADER_H
#define POOL_ENGINE_LEADER_H

#include "engine/borrow.h"
#include "engine/job.h"

#include <stdint.h>

/* Does what pool__job_run does, and takes along those who wait and may follow. The connection was
 * borrowed for this one statement. */
struct pool_result *pool__leader_run(struct pool *pool, const struct pool__borrowed *borrowed,
                                     struct pool__job *job, uint64_t call_deadline_ns,
                                     uint64_t waited_ns, struct pool_error *err);

#endif
