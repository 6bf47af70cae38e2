/*
 * A heap of deadlines. A timer is part of what waits for it and is in one heap at a time.
 * No locks, no clock: the owner says what time it is.
 */
#ifndef POOL_BASE_TIMERS_H
#define POOL_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool__timer {
    uint64_t at_ns;
    size_t place; /* in the heap, from 1; 0: in none */
};

struct pool__timers {
    struct pool__timer **heap; /* from 1 */
    size_t count;
    size_t room;
};

/* Zero is an empty heap. */
void pool__timers_fini(struct pool__timers *timers);

/* Makes room for so many timers. False if memory is out. */
bool pool__timers_reserve(struct pool__timers *timers, size_t count);

/* Sets the timer, or moves it. There must be room for it. */
void pool__timer_set(struct pool__timers *timers, struct pool__timer *timer, uint64_t at_ns);
void pool__timer_clear(struct pool__timers *timers, struct pool__timer *timer);

/* The earliest timer, or NULL; and its time, or UINT64_MAX. */
struct pool__timer *pool__timers_first(const struct pool__timers *timers);
uint64_t pool__timers_next_ns(const struct pool__timers *timers);

#endif
