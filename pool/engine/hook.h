/*
 * The program's hooks, as the rest of the pool calls them: under no lock, and known to be inside
 * one for as long as they last, so that calls which would block there can be refused. Each
 * function does nothing if there is no such hook. threads: any.
 */
#ifndef POOL_HOOK_H
#define POOL_HOOK_H

#include "base/barrier.h"
#include "core/core.h"
#include "mypool.h"

/* A thread is inside a hook of this pool, and perhaps of others around it. On the stack of
 * whoever calls the hook. */
struct pool__hooked {
    const struct pool *pool;
    struct pool__hooked *outer;
    struct pool__core *core;
    struct pool__hint hint; /* of this thread and pool: forgotten meanwhile */
};
void pool__hook_push(struct pool__hooked *hooked, struct pool *pool);
/* No exception gets past it. */
static inline __attribute__((always_inline)) void pool__hook_enter(struct pool__hooked *hooked,
                                                                   struct pool *pool)
{
    POOL__BARRIER();
    pool__hook_push(hooked, pool);
}
void pool__hook_leave(struct pool__hooked *hooked);
bool pool__in_hook(const struct pool *pool);

/* Sets what this thread is inside of aside, or puts it back; returns what was before. */
struct pool__hooked *pool__hook_swap(struct pool__hooked *hooked);

void pool__tell_enqueue(struct pool *pool);
void pool__tell_acquire(struct pool *pool, uint64_t waited_ns);
void pool__tell_release(struct pool *pool, uint64_t held_ns);
void pool__tell_close(struct pool *pool, enum pool_close_reason reason, unsigned long thread_id);

#endif
