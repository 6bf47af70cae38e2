/*
 * What epoll is told with a descriptor, and says again with each of its events. threads: any.
 */
#ifndef POOL_BASE_EVENT_H
#define POOL_BASE_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define POOL__EVENT_ROUND 64 /* taken from epoll at a time */

struct pool__event {
    unsigned kind;   /* an enum of the owner's, of at most four */
    unsigned number; /* which of that kind; below 2^30 */
    uint32_t serial; /* of its present use: by an older one a late event is known */
};

static inline uint64_t pool__event_pack(struct pool__event event)
{
    return (uint64_t)event.serial << 32 | (uint64_t)event.number << 2 | event.kind;
}

static inline struct pool__event pool__event_unpack(uint64_t data)
{
    return (struct pool__event){.kind = (unsigned)(data & 3),
                                .number = (unsigned)(data & 0xffffffff) >> 2,
                                .serial = (uint32_t)(data >> 32)};
}

/* `operation`: EPOLL_CTL_ADD or EPOLL_CTL_MOD. `when`: EPOLLIN and its like. False with errno. */
static inline bool pool__event_watch(int epoll_fd, int operation, int fd, uint32_t when,
                                     struct pool__event event)
{
    struct epoll_event native = {.events = when, .data.u64 = pool__event_pack(event)};
    return epoll_ctl(epoll_fd, operation, fd, &native) == 0;
}

#endif
