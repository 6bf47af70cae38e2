/*
 * What outlives a pool: its memory, for a while.
 *
 * The last KEPT pools stay allocated when they have ended, so that a call that was already on its
 * way when pool_end returned, and a handle that is used afterwards, meet a pool that says CLOSED or
 * STALE and not freed memory. The list is under its lock, which a fork holds.
 */
#include "engine/ended.h"

#include "base/loop.h"
#include "base/sync.h"
#include "config/options.h"
#include "core/core.h"
#include "engine/control.h"
#include "engine/pool.h"

#include <stdlib.h>

#define KEPT 64

static struct {
    pthread_mutex_t lock;
    struct pool *oldest;
    struct pool *newest;
    unsigned count;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void free_memory(struct pool *pool)
{
    pool__core_fini(&pool->core);
    free(pool->records);
    free(pool->calls.entries);
    free(pool);
}

/* Around a fork, so that the child finds the lock free and the list in order. */
void pool__ended_lock(void)
{
    pthread_mutex_lock(&kept.lock);
}

void pool__ended_unlock(void)
{
    pthread_mutex_unlock(&kept.lock);
}

static struct pool *keep_and_take_oldest(struct pool *pool)
{
    struct pool *oldest = NULL;
    pthread_mutex_lock(&kept.lock);
    pool->next_kept = NULL;
    if (kept.newest)
        kept.newest->next_kept = pool;
    else
        kept.oldest = pool;
    kept.newest = pool;
    if (++kept.count > KEPT) {
        oldest = kept.oldest;
        kept.oldest = oldest->next_kept;
        kept.count--;
    }
    pthread_mutex_unlock(&kept.lock);
    return oldest;
}

/* Everything but the memory that late callers may look at. */
static void release_resources(struct pool *pool)
{
    pool__loop_close(&pool->loop);
    pool__options_fini(&pool->options);
    pool__close_fd(pool->epoll_fd);
    pool__close_fd(pool->poke_fd);
    pool__close_fd(pool->cut_fd);
    pool__close_fd(pool->stop_fd);
    pool__control_close(pool);
}

void pool__ended_free(struct pool *pool)
{
    bool complete = pool->core.slots && pool->records;
    if (!complete) { /* pool_create failed */
        release_resources(pool);
        free_memory(pool);
        return;
    }
    atomic_store(&pool->core.shut, true);
    release_resources(pool);
    struct pool *oldest = keep_and_take_oldest(pool);
    if (oldest)
        free_memory(oldest);
}
