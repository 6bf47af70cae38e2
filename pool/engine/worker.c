/*
 * The threads that talk to the server on the pool's own account: they open, set up,
 * reset, ping, close and kill. Each chore is about one slot, which the worker owns
 * until it gives it back, closes it or empties it; each step has a deadline. Workers
 * decide nothing: the keeper and the callers order, policy.c says what.
 *
 * Threads are started when a chore finds none idle, up to one per slot and a small
 * number in all, and live until the pool ends. All signals are blocked in them.
 *
 * Closing. A slot counts against the limit until the server's side is gone. The
 * socket is kept (a duplicate, since libmariadb closes its own) until the server
 * closes its end, which the keeper watches. If a statement may still be running, it
 * is killed first (kill.c): as long as the kept socket is open on the server's side the
 * thread id cannot belong to anybody else.
 */
#include "engine/pool.h"

#include "base/error.h"
#include "engine/hooks.h"
#include "engine/replica.h"
#include "conn/session.h"
#include "core/hooked.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct pool__conn *conn_of(struct pool *pool, unsigned slot)
{
    return pool->core.slots[slot].conn;
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static uint32_t step_ms(const struct pool *pool)
{
    return pool->options.v.connect_timeout_ms;
}

/* Opening */

/* What the server says after the login, in the set-up of the session, is as much a refusal of
 * the connect as what it says to the login. A session that ended there stays LOST. */
static void blame_setup(const struct pool__conn *conn, struct pool_error *err)
{
    struct pool_error was = *err;
    if (was.code == POOL_ERR_QUERY_TIMEOUT && !was.server_errno)
        pool__fail(err, POOL_ERR_CONNECT, "connect timed out in the set-up of the session");
    if (!was.server_errno)
        return;
    enum pool__setup_class class_ =
        pool__classify_setup(was.server_errno, was.message, conn->mariadb);
    if (class_ == POOL__S_ENDED)
        return;
    pool__fail(err, class_ == POOL__S_REFUSED ? POOL_ERR_AUTH : POOL_ERR_CONNECT,
               "the set-up of the session was refused: %.400s", was.message);
    err->server_errno = was.server_errno;
    memcpy(err->sqlstate, was.sqlstate, sizeof err->sqlstate);
}

/* On failure *ret_conn may hold a connection that is to be closed. */
static bool open_once(struct pool *pool, bool refresh, uint64_t deadline_ns,
                      struct pool__conn **ret_conn, struct pool_error *err)
{
    struct pool_credentials credentials;
    *ret_conn = NULL;
    return pool__hooks_ask_credentials(pool, refresh, &credentials, err) &&
           pool__conn_open(&pool->options, &credentials, &pool->budget, pool->cut_fd, deadline_ns,
                           ret_conn, err) &&
           pool__session_init(*ret_conn, deadline_ns, err) &&
           pool__look_for_primary(pool, *ret_conn, deadline_ns, err);
}

static bool open_conn(struct pool *pool, struct pool__conn **ret_conn, struct pool_error *err)
{
    uint64_t deadline_ns = pool__deadline_in(step_ms(pool));
    if (open_once(pool, false, deadline_ns, ret_conn, err))
        return true;
    /* A rotated password: ask once more before believing the refusal. */
    return !*ret_conn && pool->options.v.credentials &&
           pool__classify_connect(err->server_errno) == POOL__C_PASSWORD &&
           open_once(pool, true, deadline_ns, ret_conn, err);
}

static uint32_t random32(struct pool *pool)
{
    pool__lock(&pool->health.lock);
    uint64_t x = pool->health.random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    pool->health.random = x;
    pool__unlock(&pool->health.lock);
    return (uint32_t)(x >> 32);
}

/* The server's own idle limit comes first. A reset may change it. */
static void set_keepalive(struct pool *pool, unsigned slot, const struct pool__conn *conn)
{
    uint64_t keepalive = pool__after_ms(0, pool->options.v.keepalive_ms);
    uint64_t limit = (uint64_t)conn->wait_timeout_s * UINT64_C(500000000);
    keepalive = limit && limit < keepalive ? limit : keepalive;
    atomic_store(&pool->places[slot].keepalive_ns, keepalive);
    pool__limit_tick(pool, keepalive);
}

static void set_ages(struct pool *pool, unsigned slot, const struct pool__conn *conn)
{
    uint32_t lifetime = pool__policy_lifetime_ms(pool->options.v.max_lifetime_ms, random32(pool));
    atomic_store(&pool->places[slot].retire_ns, pool__after_ms(conn->opened_ns, lifetime));
    set_keepalive(pool, slot, conn);
    atomic_store(&pool->budget.limit, pool__policy_statement_budget(conn->max_prepared));
}

void pool__give_or_close(struct pool *pool, unsigned slot)
{
    if (!pool__core_give(&pool->core, slot)) {
        uint32_t reason = atomic_load(&pool->places[slot].evict_reason);
        pool__order(pool, slot, POOL__DO_CLOSE, (enum pool_close_reason)reason);
    }
    pool__poke(pool);
}

/* Closing */

/* The session's thread is gone, or the keeper awaits that the server closes its side. */
static void linger_unless_gone(struct pool *pool, unsigned slot, int fd, enum pool__kill kill)
{
    /* Its socket may yet say nothing: replies that nobody reads hold up the FIN. */
    if (kill == POOL__KILL_GONE) {
        pool__close_fd(fd);
        fd = -1;
    }
    pool__linger(pool, slot, fd, kill);
}

/* From here on the connection counts as closing, however long the goodbye and a kill
 * take: nobody is to wait for it as for one that is open. The end waits for `parting`. */
static void begin_parting(struct pool *pool, unsigned slot)
{
    atomic_store(&pool->places[slot].opened_ns, POOL__FOREVER);
    atomic_store(&pool->places[slot].bulky, false);
    atomic_fetch_add(&pool->parting, 1);
    pool__core_to_closing(&pool->core, slot);
}

/* Says goodbye, kills what still runs, and leaves the slot to the keeper until the
 * server has closed its side. */
static void part_from(struct pool *pool, unsigned slot, struct pool__conn *conn)
{
    struct pool__place *place = &pool->places[slot];
    unsigned long thread_id = conn->thread_id;
    bool running = conn->running && thread_id != 0;
    bool closed_by_server = !running && thread_id != 0 && !pool__conn_is_open(conn);
    int fd = pool__conn_close(conn);
    place->kill_fd = fd; /* where a forked child finds it */
    place->closing_since_ns = pool__now_ns();
    place->closing_thread_id = thread_id;
    /* Without a descriptor for the duplicate there is no proof whose number that is, but a
     * server does not use one again so soon. */
    enum pool__kill kill = running ? pool__kill_until_gone(pool, thread_id) : POOL__KILL_GONE;
    if (running && kill != POOL__KILL_FAILED)
        count(&pool->counters.kills);
    if (closed_by_server)
        pool__wait_until_gone(pool, thread_id);
    place->kill_fd = -1;
    if (running)
        linger_unless_gone(pool, slot, fd, kill);
    else
        pool__linger(pool, slot, fd, kill);
    atomic_fetch_sub(&pool->parting, 1);
}

/* The parting has begun. */
static void do_close(struct pool *pool, unsigned slot, enum pool_close_reason reason)
{
    struct pool__conn *conn = conn_of(pool, slot);
    pool->core.slots[slot].conn = NULL;
    count(&pool->counters.closed);
    count(&pool->counters.closed_by_reason[reason]);
    pool__hooks_tell_close(pool, reason, conn->thread_id);
    part_from(pool, slot, conn);
}

static void begin_and_close(struct pool *pool, unsigned slot, enum pool_close_reason reason)
{
    begin_parting(pool, slot);
    do_close(pool, slot, reason);
}

static void do_kill(struct pool *pool, unsigned slot)
{
    struct pool__place *place = &pool->places[slot];
    int fd = place->kill_fd;
    bool first = place->kill == POOL__KILL_FAILED; /* that reaches the server */
    enum pool__kill kill = pool__kill_until_gone(pool, place->closing_thread_id);
    if (first && kill != POOL__KILL_FAILED)
        count(&pool->counters.kills);
    place->kill_fd = -1;
    linger_unless_gone(pool, slot, fd, kill);
}

static void open_failed(struct pool *pool, unsigned slot, struct pool__conn *conn,
                        const struct pool_error *err)
{
    count(&pool->counters.connect_failures);
    pool__report_connect(pool, err, conn != NULL);
    if (conn) {
        begin_parting(pool, slot);
        part_from(pool, slot, conn);
    } else {
        pool__core_to_empty(&pool->core, slot);
    }
    pool__poke(pool);
}

static void do_open(struct pool *pool, unsigned slot)
{
    struct pool_error err;
    struct pool__conn *conn;
    pool__ok(&err);
    atomic_store(&pool->places[slot].evict_reason, POOL_CLOSE_SERVER);
    if (!open_conn(pool, &conn, &err)) {
        if (conn)
            blame_setup(conn, &err);
        open_failed(pool, slot, conn, &err);
        return;
    }
    pool->core.slots[slot].conn = conn;
    atomic_store(&pool->places[slot].thread_id, conn->thread_id);
    set_ages(pool, slot, conn);
    count(&pool->counters.opened);
    pool__hooks_tell_connection(pool, conn->thread_id);
    pool__report_connect(pool, NULL, true);
    atomic_store(&pool->places[slot].opened_ns, pool__now_ns());
    if (pool__watch(pool, slot, mysql_get_socket(conn->mysql)))
        pool__give_or_close(pool, slot);
    else
        begin_and_close(pool, slot, POOL_CLOSE_ERROR);
}

/* Reset and ping */

static void do_reset(struct pool *pool, unsigned slot)
{
    struct pool__conn *conn = conn_of(pool, slot);
    count(&pool->counters.resets);
    if (!pool__session_reset(conn, pool__deadline_in(step_ms(pool)), NULL)) {
        begin_and_close(pool, slot, POOL_CLOSE_RESET);
        return;
    }
    set_keepalive(pool, slot, conn);
    pool__give_or_close(pool, slot);
}

static void do_ping(struct pool *pool, unsigned slot)
{
    struct pool__conn *conn = conn_of(pool, slot);
    count(&pool->counters.pings);
    if (pool__conn_is_quiet(conn) && pool__conn_ping(conn, pool__deadline_in(step_ms(pool)), NULL))
        pool__give_or_close(pool, slot);
    else
        begin_and_close(pool, slot, POOL_CLOSE_SERVER);
}

static void do_cancel(struct pool *pool, struct pool__chore *chore)
{
    bool wanted = pool__cancel_target(chore);
    pool__cancel_done(chore, !wanted || pool__stop_statement(pool, chore));
}

static void do_chore(struct pool *pool, struct pool__chore *chore)
{
    if (chore->kind == POOL__DO_CANCEL) {
        do_cancel(pool, chore);
        return;
    }
    struct pool__place *place = POOL__ENTRY(chore, struct pool__place, chore);
    unsigned slot = (unsigned)(place - pool->places);
    switch (chore->kind) {
    case POOL__OPEN: do_open(pool, slot); break;
    case POOL__DO_RESET: do_reset(pool, slot); break;
    case POOL__DO_PING: do_ping(pool, slot); break;
    case POOL__DO_CLOSE: do_close(pool, slot, chore->reason); break;
    case POOL__KILL: do_kill(pool, slot); break;
    case POOL__DO_CANCEL: /* see above */ break;
    }
}

/* Threads */

/* The oldest chore that may begin now. A reset may take long, if much has to be rolled
 * back; whoever ends one looks here again for those that were passed over. */
static struct pool__chore *first_chore_locked(struct pool__workers *workers)
{
    for (struct pool__link *link = workers->queue.next; link != &workers->queue;
         link = link->next) {
        struct pool__chore *chore = POOL__ENTRY(link, struct pool__chore, link);
        if (chore->kind != POOL__DO_RESET || workers->resets < workers->most_resets)
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
        workers->resets += chore->kind == POOL__DO_RESET;
    }
    pthread_mutex_unlock(&workers->lock);
    return chore;
}

static void end_reset(struct pool__workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->resets--;
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
        bool reset = chore->kind == POOL__DO_RESET;
        do_chore(pool, chore);
        if (reset)
            end_reset(&pool->workers);
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
    bool one_each = limit <= POOL__MOST_WORKERS;
    workers->most = one_each ? limit : POOL__MOST_WORKERS;
    workers->most_resets = one_each ? limit : POOL__MOST_WORKERS - POOL__NOT_FOR_RESETS;
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

void pool__order_chore(struct pool *pool, struct pool__chore *chore)
{
    struct pool__workers *workers = &pool->workers;
    pthread_mutex_lock(&workers->lock);
    pool__list_append(&workers->queue, &chore->link);
    if (queued_locked(workers) > workers->idle)
        spawn_locked(pool);
    pthread_cond_signal(&workers->wanted);
    pthread_mutex_unlock(&workers->lock);
}

void pool__order(struct pool *pool, unsigned slot, enum pool__chore_kind kind,
                 enum pool_close_reason reason)
{
    struct pool__chore *chore = &pool->places[slot].chore;
    if (kind == POOL__DO_CLOSE) {
        begin_parting(pool, slot);
        pool__poke(pool); /* there may be nothing left that could be waited for */
    }
    chore->kind = kind;
    chore->reason = reason;
    pool__order_chore(pool, chore);
}
