/*
 * Which hooks of the program this thread is inside of, so that calls which would block there
 * can be refused. threads: any; each sees its own.
 */
#ifndef POOL_CORE_HOOKED_H
#define POOL_CORE_HOOKED_H

#include "base/barrier.h"
#include "core/core.h"

#include <stdbool.h>

struct pool;

/* A thread is inside a hook of this pool, and perhaps of others around it. On the stack of
 * whoever calls the hook. */
struct pool__hooked {
    const struct pool *pool;
    struct pool__hooked *outer;
    struct pool__core *core;
    struct pool__core_hint hint; /* of this thread and pool: forgotten meanwhile */
};
/* `core`: the pool's. */
void pool__hooked_push(struct pool__hooked *hooked, const struct pool *pool,
                       struct pool__core *core);
/* The same around a hook. No exception gets past it. */
static inline __attribute__((always_inline)) void
pool__hooked_enter(struct pool__hooked *hooked, const struct pool *pool, struct pool__core *core)
{
    POOL__BARRIER();
    pool__hooked_push(hooked, pool, core);
}
void pool__hooked_leave(struct pool__hooked *hooked);

/* Whether this thread is inside a hook of the pool. */
bool pool__hooked_in(const struct pool *pool);

/* Sets what this thread is inside of aside, or puts it back; returns what was before. */
struct pool__hooked *pool__hooked_swap(struct pool__hooked *hooked);

#endif
