/*
 * How a pool comes to be.
 */
#include "api/fork.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/sync.h"
#include "config/options.h"
#include "config/url.h"
#include "conn/library.h"
#include "core/core.h"
#include "engine/ended.h"
#include "engine/health.h"
#include "engine/keeper.h"
#include "engine/pool.h"
#include "engine/workers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Once per process. */
static void start_process(void)
{
    pool__library_start();
    pool__fork_watch();
}

/* Before any thread can report the state of the server. */
static void warn_of_library(const struct pool *pool)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    char text[128];
    if (pool__library_warns(text, sizeof text) && hooks->on_state)
        hooks->on_state(POOL_STATE_UP, text, hooks->arg);
}

static bool init_records(struct pool *pool)
{
    unsigned limit = pool->core.limit;
    pool->records = calloc(limit, sizeof *pool->records);
    for (unsigned i = 0; pool->records && i < limit; i++) {
        pool->records[i].closing_fd = -1;
        pool->records[i].kill_fd = -1;
        pool->records[i].opened_ns = POOL__FOREVER;
    }
    return pool->records != NULL;
}

/* It makes the descriptor for the cut, which the loop needs, too. */
static bool start_keeper(struct pool *pool)
{
    bool ok = pool__keeper_start(pool);
    pool->loop.cut_fd = pool->cut_fd;
    return ok;
}

static bool init_pool(struct pool *pool)
{
    const struct pool_options *v = &pool->options.v;
    pool->fork_count = atomic_load(&pool__fork_count);
    pool->hooked = pool->options.v.hooks.on_acquire || pool->options.v.hooks.on_release ||
                   v->reset_policy == POOL_RESET_ALWAYS;
    pool->epoll_fd = pool->poke_fd = pool->cut_fd = pool->stop_fd = -1;
    pool__health_init(&pool->health, v->connection_limit);
    pool__loop_init(&pool->loop, v->connection_limit, v->manual_dispatch);
    pool__mutex_init(&pool->end_lock);
    pool__mutex_init(&pool->calls.lock);
    pthread_mutex_init(&pool->control.lock, NULL);
    pthread_mutex_init(&pool->closing_lock, NULL);
    uint32_t queue_limit = v->no_waiting ? 0 : v->queue_limit;
    return pool__core_init(&pool->core, v->connection_limit, queue_limit,
                           v->fair_after_ms * POOL__NS_PER_MS) &&
           init_records(pool) && pool__workers_start(pool) && start_keeper(pool);
}

struct pool *pool_create(const struct pool_options *options, struct pool_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct pool__options checked;
    POOL__OWN_ERROR(err);
    if (!pool__library_check(err) || !pool__options_init(&checked, options, err))
        return NULL;
    pthread_once(&once, start_process);
    struct pool *pool = aligned_alloc(_Alignof(struct pool), sizeof *pool);
    if (!pool) {
        pool__options_fini(&checked);
        pool__fail(err, POOL_ERR_NOMEM, "out of memory for a pool");
        return NULL;
    }
    memset(pool, 0, sizeof *pool);
    pool->options = checked;
    warn_of_library(pool);
    if (init_pool(pool))
        return pool;
    pool__fail(err, POOL_ERR_NOMEM,
               "no memory, descriptors or threads for a pool of %u connections: %s",
               checked.v.connection_limit, strerror(errno));
    pool__keeper_stop(pool);
    pool__workers_stop(pool);
    pool__ended_free(pool);
    return NULL;
}

struct pool *pool_create_url_with(const char *url, const struct pool_options *base,
                                  struct pool_error *err)
{
    struct pool_options options;
    void *memory = NULL;
    if (!pool__url_read(url, base, &options, &memory, err))
        return NULL;
    struct pool *pool = pool_create(&options, err);
    pool__url_free(memory);
    return pool;
}

struct pool *pool_create_url(const char *url, struct pool_error *err)
{
    return pool_create_url_with(url, &(struct pool_options){0}, err);
}
