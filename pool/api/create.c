/*
 * How a pool comes to be.
 */
#include "api/fork.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/sync.h"
#include "config/options.h"
#include "config/url.h"
#include "core/core.h"
#include "engine/ended.h"
#include "engine/health.h"
#include "engine/keeper.h"
#include "engine/pool.h"
#include "engine/workers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* Of libmariadb. Before the first, an answer to the login could make it overflow; before
 * the second, and in the first releases of 3.4, lesser weaknesses against a malicious
 * server are known. Some of the oldest call themselves by a server's number, 10 and up. */
#define OLDEST_LIBRARY 30314
#define GOOD_LIBRARY 30320
#define GOOD_LIBRARY_3_4 30410
#define NUMBER_OF_A_SERVER 100000

/* Once per process. libmariadb ignores SIGPIPE for the whole program when it is
 * first used; that decision is the program's, so it is put back. OpenSSL would free what
 * it is made of at exit, under the threads of a pool that has not been ended. */
static void start_process(void)
{
    struct sigaction before;
    sigaction(SIGPIPE, NULL, &before);
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    mysql_library_init(0, NULL, NULL);
    MYSQL *first = mysql_init(NULL);
    mysql_close(first);
    sigaction(SIGPIPE, &before, NULL);
    pool__fork_watch();
}

static bool check_library(struct pool_error *err)
{
    unsigned long version = mysql_get_client_version();
    if (version >= OLDEST_LIBRARY && version < NUMBER_OF_A_SERVER)
        return true;
    return pool__fail(err, POOL_ERR_UNSUPPORTED,
                      "libmariadb %lu.%lu.%lu is too old, the pool needs 3.3.14 or newer",
                      version / 10000, version / 100 % 100, version % 100);
}

/* Before any thread can report the state of the server. */
static void warn_of_library(const struct pool *pool)
{
    const struct pool_hooks *hooks = &pool->options.v.hooks;
    unsigned long version = mysql_get_client_version();
    char text[128];
    bool good = version >= GOOD_LIBRARY && (version < 30400 || version >= GOOD_LIBRARY_3_4);
    if (good || !hooks->on_state)
        return;
    snprintf(
        text, sizeof text,
        "libmariadb %lu.%lu.%lu is weak against malicious servers: use 3.3.20, 3.4.10 or newer",
        version / 10000, version / 100 % 100, version % 100);
    hooks->on_state(POOL_STATE_UP, text, hooks->arg);
}

static bool init_places(struct pool *pool)
{
    unsigned limit = pool->core.limit;
    pool->places = calloc(limit, sizeof *pool->places);
    for (unsigned i = 0; pool->places && i < limit; i++) {
        pool->places[i].closing_fd = -1;
        pool->places[i].kill_fd = -1;
        pool->places[i].opened_ns = POOL__FOREVER;
    }
    return pool->places != NULL;
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
    pool->hooked =
        v->hooks.on_acquire || v->hooks.on_release || v->reset_policy == POOL_RESET_ALWAYS;
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
           init_places(pool) && pool__workers_start(pool) && start_keeper(pool);
}

struct pool *pool_create_sized(const struct pool_options *options, size_t options_size,
                               struct pool_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct pool__options checked;
    POOL__OWN_ERROR(err);
    if (!check_library(err) || !pool__options_init(&checked, options, options_size, err))
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

struct pool *pool_create_url_with_sized(const char *url, const struct pool_options *base,
                                        size_t base_size, struct pool_error *err)
{
    struct pool_options options;
    void *memory = NULL;
    if (!pool__url_read(url, base, base_size, &options, &memory, err))
        return NULL;
    struct pool *pool = pool_create(&options, err);
    pool__url_free(memory);
    return pool;
}

struct pool *pool_create_url(const char *url, struct pool_error *err)
{
    return pool_create_url_with(url, &(struct pool_options){0}, err);
}
