/*
 * Fibers that wait. See strands.c.
 */
#ifndef POOL_BASE_STRANDS_H
#define POOL_BASE_STRANDS_H

#include "base/alarms.h"
#include "base/event.h"
#include "base/fiber.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct pool__strand; /* a fiber with what is known of its wait */

struct pool__strands {
    struct pool__alarms *alarms;
    int epoll_fd;              /* where they arm their descriptors */
    unsigned kind;             /* of their events */
    bool cut;                  /* nobody waits any more */
    struct pool__link waiting; /* struct pool__strand */
    struct pool__link ready;
    struct pool__link spare; /* finished ones, to be used again */
    struct pool__strand **all;
    unsigned count;
    unsigned limit;
};

/* `limit`: fibers at most. epoll_fd is set before the first one waits for a descriptor. */
void pool__strands_init(struct pool__strands *strands, struct pool__alarms *alarms, unsigned limit,
                        unsigned kind);

/* Calls `run` on a fiber, and `after` on the loop itself when `run` has returned, perhaps before
 * this call returns. False if there is no fiber. */
bool pool__strands_start(struct pool__strands *strands, void (*run)(void *arg),
                         void (*after)(void *arg), void *arg);

/* Ends the wait of a fiber, if it waits. */
void pool__strands_wake(struct pool__strands *strands, struct pool__fiber *fiber);

/* Lets the fibers go on that are ready, each once; returns how many. */
int pool__strands_run(struct pool__strands *strands);
/* Ends all waits, now and from now on. */
void pool__strands_cut(struct pool__strands *strands);
/* An event of the kind of strands->kind has come. */
void pool__strands_on_event(struct pool__strands *strands, struct pool__event event);
/* Frees all fibers, none of which is running. */
void pool__strands_free(struct pool__strands *strands);

#endif
