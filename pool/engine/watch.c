/*
 * One epoll for all sockets of the pool, waited on by the keeper.
 *
 * Open connections are watched for EPOLLRDHUP, edge-triggered and never for input, so ordinary
 * replies do not wake the thread. Closed ones are watched until the server has closed its end, too:
 * until then their slot counts against the limit, and after a KILL that is not enough, for the
 * server closes the socket of a killed session long before its thread has ended.
 *
 * An event carries the serial of its connection, so that a late one is recognised. The socket of a
 * closed connection is in its record under closing_lock.
 */
#include "engine/watch.h"

#include "base/event.h"
#include "base/sync.h"
#include "core/slots.h"
#include "engine/pool.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define KILL_AGAIN_NS (1000 * POOL__NS_PER_MS)
#define CLOSING_MOST_NS (30000 * POOL__NS_PER_MS) /* then the server is taken for gone */

enum kind { ON_POKE, ON_CONN, ON_CLOSING };

/* Of the slot's next connection, or the end of its last. */
static bool watch_socket(struct pool *pool, unsigned slot, int fd, enum kind kind)
{
    uint32_t serial = atomic_fetch_add(&pool->records[slot].serial, 1) + 1;
    return pool__event_watch(pool->epoll_fd, EPOLL_CTL_ADD, fd, EPOLLRDHUP | EPOLLET,
                             (struct pool__event){kind, slot, serial});
}

void pool__watch_poke(struct pool *pool)
{
    if (!atomic_exchange(&pool->poked, true))
        eventfd_write(pool->poke_fd, 1);
}

bool pool__watch_open(struct pool *pool, unsigned slot, int fd)
{
    return watch_socket(pool, slot, fd, ON_CONN);
}

static void slot_is_empty(struct pool *pool, unsigned slot)
{
    pool__slots_to_empty(&pool->core, slot);
    pool__watch_poke(pool);
}

void pool__watch_closing(struct pool *pool, unsigned slot, int fd, enum pool__kill kill)
{
    struct pool__slot_record *record = &pool->records[slot];
    if (fd < 0) {
        slot_is_empty(pool, slot);
        return;
    }
    pthread_mutex_lock(&pool->closing_lock);
    record->kill = kill;
    bool watched = watch_socket(pool, slot, fd, ON_CLOSING);
    record->closing_fd = watched ? fd : -1;
    pthread_mutex_unlock(&pool->closing_lock);
    if (!watched) {
        close(fd);
        slot_is_empty(pool, slot);
    }
}

int pool__watch_take_closing(struct pool *pool, unsigned slot)
{
    struct pool__slot_record *record = &pool->records[slot];
    pthread_mutex_lock(&pool->closing_lock);
    int fd = record->closing_fd;
    record->closing_fd = -1;
    pthread_mutex_unlock(&pool->closing_lock);
    return fd;
}

/* The server has closed its end. After a KILL that says nothing: the thread may still
 * run, and the next KILL will tell. */
static bool proves_end(struct pool *pool, unsigned slot)
{
    pthread_mutex_lock(&pool->closing_lock);
    bool proof = pool->records[slot].kill != POOL__KILL_SENT;
    pthread_mutex_unlock(&pool->closing_lock);
    return proof;
}

static void end_closing(struct pool *pool, unsigned slot)
{
    int fd = pool__watch_take_closing(pool, slot);
    if (fd < 0)
        return;
    close(fd);
    slot_is_empty(pool, slot);
}

bool pool__watch_wants_kill(struct pool *pool, unsigned slot, uint64_t now)
{
    struct pool__slot_record *record = &pool->records[slot];
    pthread_mutex_lock(&pool->closing_lock);
    bool here = record->closing_fd >= 0;
    bool gone = record->kill == POOL__KILL_GONE;
    uint64_t age = here ? now - record->closing_since_ns : 0;
    pthread_mutex_unlock(&pool->closing_lock);
    if (here && age >= CLOSING_MOST_NS)
        end_closing(pool, slot);
    if (!here || gone || age < KILL_AGAIN_NS || age >= CLOSING_MOST_NS)
        return false;
    /* The worker has it alone until it calls pool__watch_closing again. */
    record->kill_fd = pool__watch_take_closing(pool, slot);
    epoll_ctl(pool->epoll_fd, EPOLL_CTL_DEL, record->kill_fd, NULL);
    return true;
}

static void on_event(struct pool *pool, struct pool__event event,
                     void (*lost)(struct pool *pool, unsigned slot))
{
    unsigned slot = event.number;
    if (event.kind == ON_POKE) {
        eventfd_t value;
        eventfd_read(pool->poke_fd, &value);
        /* After the read: a poke in between is answered by the look that follows. */
        atomic_store(&pool->poked, false);
        return;
    }
    if (event.serial != atomic_load(&pool->records[slot].serial))
        return; /* of a connection that has gone meanwhile */
    if (event.kind == ON_CONN)
        lost(pool, slot);
    else if (proves_end(pool, slot))
        end_closing(pool, slot);
}

void pool__watch_wait(struct pool *pool, int timeout_ms,
                      void (*lost)(struct pool *pool, unsigned slot))
{
    struct epoll_event events[POOL__EVENT_ROUND];
    int count = epoll_wait(pool->epoll_fd, events, POOL__EVENT_ROUND, timeout_ms);
    for (int i = 0; i < count; i++)
        on_event(pool, pool__event_unpack(events[i].data.u64), lost);
}

bool pool__watch_init(struct pool *pool)
{
    pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    pool->poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return pool->epoll_fd >= 0 && pool->poke_fd >= 0 &&
           pool__event_watch(pool->epoll_fd, EPOLL_CTL_ADD, pool->poke_fd, EPOLLIN,
                             (struct pool__event){.kind = ON_POKE});
}
