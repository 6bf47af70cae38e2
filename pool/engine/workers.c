/*
 * The threads that talk to the server on the pool's own account, and the queue of what they do.
 * A chore carries its function; what it does is the business of whoever orders it.
 *
 * Threads are started when a chore finds none idle, up to one per slot and a small
 * number in all, and live until the pool ends. All signals are blocked in them. The
 * queue is under workers.lock, and no chore is run under it.
 */
#include "engine/workers.h"

#include "base/sync.h"
#include "core/hooked.h"
#include "engine/pool.h"

/* The oldest chore that may begin now. A slow one may take long, as when much has to
 * be rolled back; whoever ends one looks here again for those that were passed over. */
static struct pool__chore *first_chore_locked(struct pool__workers *workers)
{
    for (struct pool__link *link = workers->queue.next; link != &workers->queue;
         link = link->next) {
        struct pool__chore *chore = POOL__ENTRY(link, struct pool__chore, link);
        if (!chore->slow || workers->slow < workers->most_slow)
            return chore;
    }
    return NULL;
}

static struct pool__chore *next_chore(struct pool__workers *workers)
{
    struct pool__chore *chore;
    pthread_mutex_lock(&workers->lock);
    workers->idle++;
    while (!(chore = first_chore_locked(workers)) && !workers->stop)
        pthread_cond_wait(&workers->wanted, &workers->lock);
    workers->idle--;
    if (chore) {
        pool__list_remove(&chore->link);
        workers->slow += chore->slow;
    }
    pthread_mutex_unlock(&workers->lock);
    return chore;
}

static void end_slow(struct pool__workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->slow--;
    pthread_mutex_unlock(&workers->lock);
}

static void *work(void *arg)
{
    struct pool *pool = arg;
    struct pool__chore *chore;
    struct pool__hooked hooked;
    pool__hooked_enter(&hooked, pool, &pool->core);
    pthread_setname_np(pthread_self(), "mypool-worker");
    while ((chore = next_chore(&pool->workers))) {
        /* Read before: afterwards the slot may have another chore. */
        bool slow = chore->slow;
        chore->run(pool, chore);
        if (slow)
            end_slow(&pool->workers);
    }
    return NULL;
}

static bool spawn_locked(struct pool *pool)
{
    struct pool__workers *workers = &pool->workers;
    if (workers->stop || workers->threads >= workers->most)
        return false; /* who stops them waits for those that are there */
    if (!pool__thread_start(&workers->ids[workers->threads], work, pool))
        return false;
    workers->threads++;
    return true;
}

bool pool__workers_start(struct pool *pool)
{
    struct pool__workers *workers = &pool->workers;
    unsigned limit = pool->core.limit;
    bool one_each = limit <= POOL__WORKERS_MOST;
    workers->most = one_each ? limit : POOL__WORKERS_MOST;
    workers->most_slow = one_each ? limit : POOL__WORKERS_MOST - POOL__WORKERS_NOT_SLOW;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wanted, NULL);
    pool__list_init(&workers->queue);
    pthread_mutex_lock(&workers->lock);
    bool ok = spawn_locked(pool); /* later ones may fail: one is enough to go on */
    pthread_mutex_unlock(&workers->lock);
    return ok;
}

void pool__workers_stop(struct pool *pool)
{
    struct pool__workers *workers = &pool->workers;
    pthread_mutex_lock(&workers->lock);
    workers->stop = true;
    pthread_cond_broadcast(&workers->wanted);
    unsigned threads = workers->threads;
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(workers->ids[i], NULL);
    workers->threads = 0;
}

static unsigned queued_locked(const struct pool__workers *workers)
{
    unsigned count_queued = 0;
    for (struct pool__link *link = workers->queue.next; link != &workers->queue; link = link->next)
        if (++count_queued > workers->idle)
            break;
    return count_queued;
}

void pool__workers_order(struct pool *pool, struct pool__chore *chore)
{
    struct pool__workers *workers = &pool->workers;
    pthread_mutex_lock(&workers->lock);
    pool__list_append(&workers->queue, &chore->link);
    if (queued_locked(workers) > workers->idle)
        spawn_locked(pool);
    pthread_cond_signal(&workers->wanted);
    pthread_mutex_unlock(&workers->lock);
}
