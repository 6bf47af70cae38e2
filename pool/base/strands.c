/*
 * Fibers that wait: for a descriptor, for a time, or for somebody to wake them. Sockets are armed
 * for one event at a time (EPOLLONESHOT), by the fiber that waits: so a connection that a blocking
 * caller uses never wakes the loop, and a late event is known by its serial. Descriptors are not
 * taken out again: what is not armed is silent, and leaves epoll with its socket.
 *
 * One thread at a time.
 */
#include "base/strands.h"

#include <errno.h>
#include <stdlib.h>

struct pool__strand {
    struct pool__link link; /* in waiting, ready or spare */
    struct pool__strands *strands;
    struct pool__fiber *fiber;
    struct pool__alarm alarm;
    unsigned number;
    uint32_t serial; /* of its present wait */
    bool is_waiting;
    enum pool__wake wake;
    void (*after)(void *arg);
    void *arg;
};

void pool__strands_init(struct pool__strands *strands, struct pool__alarms *alarms, unsigned limit,
                        unsigned kind)
{
    *strands =
        (struct pool__strands){.alarms = alarms, .epoll_fd = -1, .kind = kind, .limit = limit};
    pool__list_init(&strands->waiting);
    pool__list_init(&strands->ready);
    pool__list_init(&strands->spare);
}

void pool__strands_free(struct pool__strands *strands)
{
    for (unsigned i = 0; i < strands->count; i++) {
        pool__fiber_free(strands->all[i]->fiber);
        free(strands->all[i]);
    }
    free(strands->all);
    strands->all = NULL;
    strands->count = 0;
}

static void wake(struct pool__strand *strand, enum pool__wake how)
{
    if (!strand->is_waiting)
        return;
    strand->is_waiting = false;
    strand->wake = how;
    pool__alarms_clear(strand->strands->alarms, &strand->alarm);
    pool__list_remove(&strand->link);
    pool__list_append(&strand->strands->ready, &strand->link);
}

static void ring_strand(struct pool__alarm *alarm)
{
    wake(POOL__ENTRY(alarm, struct pool__strand, alarm), POOL__WAKE_LATE);
}

static bool arm(struct pool__strand *strand, int fd, bool for_read)
{
    struct pool__event event = {strand->strands->kind, strand->number, strand->serial};
    uint32_t when = (for_read ? EPOLLIN : EPOLLOUT) | EPOLLONESHOT;
    int epoll_fd = strand->strands->epoll_fd;
    return pool__event_watch(epoll_fd, EPOLL_CTL_MOD, fd, when, event) ||
           (errno == ENOENT && pool__event_watch(epoll_fd, EPOLL_CTL_ADD, fd, when, event));
}

static enum pool__wake await(struct pool__fiber *fiber, int fd, bool for_read, uint64_t deadline_ns)
{
    struct pool__strand *strand = pool__fiber_owner(fiber);
    struct pool__strands *strands = strand->strands;
    if (strands->cut)
        return POOL__WAKE_CUT;
    if (fd < 0 && deadline_ns == 0) { /* others first */
        strand->wake = POOL__WAKE_LATE;
        pool__list_append(&strands->ready, &strand->link);
        pool__fiber_yield(fiber);
        return strand->wake;
    }
    strand->serial++;
    if (fd >= 0 && !arm(strand, fd, for_read))
        return POOL__WAKE_READY; /* using it will tell what is wrong with it */
    strand->is_waiting = true;
    pool__list_append(&strands->waiting, &strand->link);
    pool__alarms_set(strands->alarms, &strand->alarm, deadline_ns);
    pool__fiber_yield(fiber);
    return strand->wake;
}

static struct pool__strand *make_strand(struct pool__strands *strands)
{
    if (!strands->all)
        strands->all = calloc(strands->limit, sizeof(struct pool__strand *));
    if (!strands->all || strands->count == strands->limit)
        return NULL;
    struct pool__strand *strand = calloc(1, sizeof *strand);
    if (!strand)
        return NULL;
    strand->strands = strands;
    strand->alarm.ring = ring_strand;
    strand->fiber = pool__fiber_new(await, strand);
    if (!strand->fiber) {
        free(strand);
        return NULL;
    }
    strand->number = strands->count;
    strands->all[strands->count++] = strand;
    return strand;
}

static void finish(struct pool__strand *strand)
{
    void (*after)(void *) = strand->after;
    pool__list_append(&strand->strands->spare, &strand->link);
    after(strand->arg);
}

bool pool__strands_start(struct pool__strands *strands, void (*run)(void *arg),
                         void (*after)(void *arg), void *arg)
{
    struct pool__link *link = pool__list_first(&strands->spare);
    struct pool__strand *strand =
        link ? POOL__ENTRY(link, struct pool__strand, link) : make_strand(strands);
    if (!strand)
        return false;
    if (link)
        pool__list_remove(link);
    strand->after = after;
    strand->arg = arg;
    if (pool__fiber_start(strand->fiber, run, arg))
        finish(strand);
    return true;
}

void pool__strands_wake(struct pool__strands *strands, struct pool__fiber *fiber)
{
    (void)strands;
    wake(pool__fiber_owner(fiber), POOL__WAKE_READY);
}

int pool__strands_run(struct pool__strands *strands)
{
    int done = 0;
    struct pool__link *link;
    /* Those that become ready again have their turn in the next round. */
    unsigned most = strands->count;
    while (most-- > 0 && (link = pool__list_first(&strands->ready))) {
        struct pool__strand *strand = POOL__ENTRY(link, struct pool__strand, link);
        pool__list_remove(link);
        if (pool__fiber_resume(strand->fiber))
            finish(strand);
        done++;
    }
    return done;
}

void pool__strands_cut(struct pool__strands *strands)
{
    struct pool__link *link;
    strands->cut = true;
    while ((link = pool__list_first(&strands->waiting)))
        wake(POOL__ENTRY(link, struct pool__strand, link), POOL__WAKE_CUT);
}

void pool__strands_on_event(struct pool__strands *strands, struct pool__event event)
{
    struct pool__strand *strand = strands->all[event.number];
    if (strand->serial == event.serial)
        wake(strand, POOL__WAKE_READY);
}
