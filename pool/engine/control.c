/*
 * The control connection: the pool's own, beside those that are lent. From it statements
 * that still run are killed, and the process list is read. It is opened when it is needed,
 * replaced when it has died, and closed by the keeper when nobody has needed it for a
 * while.
 *
 * Workers use it, and pool_end does for what is left; one at a time, under control.lock,
 * which is held while the server answers. Nobody waits for that lock beyond a deadline of
 * his own. Its waits are not cut with those of the callers, only when the pool has no time
 * left: it is needed most while the pool ends.
 */
#include "engine/control.h"

#include "base/sync.h"
#include "conn/conn.h"
#include "conn/connect.h"
#include "engine/hooks.h"
#include "engine/pool.h"

#include <poll.h>
#include <time.h>

#define GONE_DEADLINE_MS 1000
#define GONE_TRIES 3
#define KILL_DEADLINE_MS 5000 /* MariaDB itself may try for 2 s to reach the victim */
#define FAREWELL_MS 1000      /* for the end of a control connection that is replaced */

#ifdef __SANITIZE_THREAD__ /* It does not know clocklock, and takes the unlock for an error. */
static bool lock_until(pthread_mutex_t *lock, uint64_t deadline_ns)
{
    while (pthread_mutex_trylock(lock) != 0) {
        if (pool__now_ns() >= deadline_ns)
            return false;
        nanosleep(&(struct timespec){0, 100000}, NULL);
    }
    return true;
}
#else
static bool lock_until(pthread_mutex_t *lock, uint64_t deadline_ns)
{
    struct timespec until = pool__timespec(deadline_ns);
    return pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &until) == 0;
}
#endif

static bool is_usable(const struct pool__control *control)
{
    return control->conn && !control->conn->broken;
}

/* Until the server has closed its side, or there is no time left. */
static void await_end(const struct pool *pool, int fd, uint64_t deadline_ns)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLRDHUP},
                            {.fd = pool->stop_fd, .events = POLLIN}};
    uint64_t now = pool__now_ns();
    uint64_t left_ns = deadline_ns > now ? deadline_ns - now : 0;
    uint64_t left_ms = left_ns / POOL__NS_PER_MS;
    if (fd >= 0)
        poll(fds, 2, left_ms < FAREWELL_MS ? (int)left_ms : FAREWELL_MS);
}

/* The server was promised one control connection, not two at a time. */
static void close_old_locked(struct pool *pool, uint64_t deadline_ns)
{
    struct pool__conn *old = pool->control.conn;
    pool->control.conn = NULL;
    if (!old)
        return;
    old->may_run = false; /* no need to kill a KILL, so the goodbye can be said */
    int fd = pool__conn_close(old);
    await_end(pool, fd, deadline_ns);
    pool__close_fd(fd);
}

static void replace_locked(struct pool *pool, const struct pool_credentials *credentials,
                           uint64_t deadline_ns)
{
    struct pool__control *control = &pool->control;
    struct pool_error err;
    close_old_locked(pool, deadline_ns);
    if (!pool__connect(&pool->options, credentials, &pool->budget, pool->stop_fd, deadline_ns,
                       &control->conn, &err) &&
        control->conn) {
        pool__close_fd(pool__conn_close(control->conn));
        control->conn = NULL;
    }
}

/* True: it is there and locked. The program is asked for its credentials without a lock. */
static bool lock_control(struct pool *pool, uint64_t deadline_ns)
{
    struct pool__control *control = &pool->control;
    struct pool_credentials credentials;
    struct pool_error err;
    if (!lock_until(&control->lock, deadline_ns))
        return false;
    if (is_usable(control))
        return true;
    pthread_mutex_unlock(&control->lock);
    if (!pool__hooks_ask_credentials(pool, false, &credentials, &err) ||
        !lock_until(&control->lock, deadline_ns))
        return false;
    if (!is_usable(control))
        replace_locked(pool, &credentials, deadline_ns);
    atomic_store(&control->open, control->conn != NULL);
    if (control->conn)
        return true;
    pthread_mutex_unlock(&control->lock);
    return false;
}

static void unlock_control(struct pool *pool)
{
    pool->control.used_ns = pool__now_ns();
    pthread_mutex_unlock(&pool->control.lock);
}

/* One that has died unseen, since it was used last, is replaced and used at once. */
static enum pool__kill kill_once(struct pool *pool, unsigned long thread_id, uint64_t deadline_ns)
{
    enum pool__kill kill = POOL__KILL_FAILED;
    bool dead = true;
    for (int attempt = 0; attempt < 2 && dead && lock_control(pool, deadline_ns); attempt++) {
        struct pool__conn *conn = pool->control.conn;
        kill = pool__kill_session(conn, thread_id, deadline_ns);
        dead = conn->broken && kill == POOL__KILL_FAILED;
        unlock_control(pool);
    }
    return kill;
}

unsigned pool__control_kill_all(struct pool *pool, const unsigned long *thread_ids, unsigned count,
                                uint64_t deadline_ns)
{
    unsigned sent = 0;
    bool dead = count > 0;
    for (int attempt = 0; attempt < 2 && dead && lock_control(pool, deadline_ns); attempt++) {
        struct pool__conn *conn = pool->control.conn;
        sent = pool__kill_sessions(conn, thread_ids, count, deadline_ns);
        dead = conn->broken && sent == 0;
        unlock_control(pool);
    }
    return sent;
}

/* Between two questions to the server: each time twice as long, up to 16 ms. */
#define FIRST_PAUSE_NS (POOL__NS_PER_MS / 4)

static void pause_longer(uint64_t *pause_ns)
{
    pool__sleep_until(pool__now_ns() + *pause_ns);
    if (*pause_ns < 16 * POOL__NS_PER_MS)
        *pause_ns *= 2;
}

/* The server closes the socket of a killed session at once, long before its thread has
 * noticed: only a KILL that finds nobody proves that it is gone. */
enum pool__kill pool__control_kill_until_gone(struct pool *pool, unsigned long thread_id)
{
    uint64_t deadline_ns = pool__deadline_in(KILL_DEADLINE_MS);
    uint64_t pause_ns = FIRST_PAUSE_NS;
    enum pool__kill kill = kill_once(pool, thread_id, deadline_ns);
    while (kill == POOL__KILL_SENT && pool__now_ns() < deadline_ns && !atomic_load(&pool->ending)) {
        pause_longer(&pause_ns);
        enum pool__kill again = kill_once(pool, thread_id, deadline_ns);
        if (again == POOL__KILL_FAILED)
            break; /* the first was sent, all the same */
        kill = again;
    }
    return kill;
}

/* Whose statement it is is asked last: on the way here the server may have been restarted, and
 * the number may be that of another session, but then the statement is over. The time that the
 * server has for its answer begins with the KILL: without one a connection is lost, and others
 * may have waited 2 s for theirs. */
bool pool__control_stop_statement(struct pool *pool, pool__control_target_fn *target, void *arg)
{
    uint64_t deadline_ns = pool__deadline_in(KILL_DEADLINE_MS);
    bool known = true;
    bool dead = true;
    for (int attempt = 0; attempt < 2 && dead && lock_control(pool, deadline_ns); attempt++) {
        struct pool__conn *conn = pool->control.conn;
        unsigned long thread_id = target(arg);
        known = !thread_id ||
                pool__kill_statement(conn, thread_id, pool__deadline_in(KILL_DEADLINE_MS));
        dead = conn->broken && known;
        unlock_control(pool);
    }
    return known;
}

static bool is_thread_alive(struct pool *pool, unsigned long thread_id, uint64_t deadline_ns,
                            bool *ret_known)
{
    *ret_known = false;
    if (!lock_control(pool, deadline_ns))
        return false;
    bool alive = pool__kill_sees_thread(pool->control.conn, thread_id, deadline_ns, ret_known);
    unlock_control(pool);
    return alive;
}

/* The session was closed by the server, so somebody killed it, or the server is going
 * down. In the first case its thread may be there a little longer than its socket. That
 * is looked up and not killed: after a restart the number may be that of another. */
void pool__control_wait_until_gone(struct pool *pool, unsigned long thread_id)
{
    uint64_t deadline_ns = pool__deadline_in(GONE_DEADLINE_MS);
    uint64_t pause_ns = FIRST_PAUSE_NS;
    unsigned unknown = 0;
    while (!atomic_load(&pool->ending) && pool__now_ns() < deadline_ns) {
        bool known;
        bool alive = is_thread_alive(pool, thread_id, deadline_ns, &known);
        if ((known && !alive) || (!known && ++unknown == GONE_TRIES))
            return;
        pause_longer(&pause_ns);
    }
}

void pool__control_close(struct pool *pool)
{
    if (pool->control.conn)
        pool__close_fd(pool__conn_close(pool->control.conn));
    pool->control.conn = NULL;
}
