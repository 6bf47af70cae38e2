/*
 * A binary heap in an array: the parent of place n is n/2. Deadlines mostly come in rising
 * order, for which an insertion costs one comparison.
 */
#include "base/timers.h"

#include <stdlib.h>

void pool__timers_fini(struct pool__timers *timers)
{
    free(timers->heap);
    *timers = (struct pool__timers){0};
}

static void put(struct pool__timers *timers, struct pool__timer *timer, size_t place)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void rise(struct pool__timers *timers, struct pool__timer *timer)
{
    size_t place = timer->place;
    while (place > 1 && timers->heap[place / 2]->at_ns > timer->at_ns) {
        put(timers, timers->heap[place / 2], place);
        place /= 2;
    }
    put(timers, timer, place);
}

static void sink(struct pool__timers *timers, struct pool__timer *timer)
{
    size_t place = timer->place;
    for (;;) {
        size_t child = place * 2;
        if (child < timers->count && timers->heap[child + 1]->at_ns < timers->heap[child]->at_ns)
            child++;
        if (child > timers->count || timers->heap[child]->at_ns >= timer->at_ns)
            break;
        put(timers, timers->heap[child], place);
        place = child;
    }
    put(timers, timer, place);
}

bool pool__timers_reserve(struct pool__timers *timers, size_t count)
{
    if (count < timers->room)
        return true;
    size_t room = timers->room ? timers->room * 2 : 64;
    while (room <= count)
        room *= 2;
    void *heap = realloc(timers->heap, room * sizeof(struct pool__timer *));
    if (!heap)
        return false;
    timers->heap = heap;
    timers->room = room;
    return true;
}

void pool__timer_set(struct pool__timers *timers, struct pool__timer *timer, uint64_t at_ns)
{
    if (!timer->place)
        put(timers, timer, ++timers->count);
    timer->at_ns = at_ns;
    rise(timers, timer);
    sink(timers, timer);
}

void pool__timer_clear(struct pool__timers *timers, struct pool__timer *timer)
{
    if (!timer->place)
        return;
    struct pool__timer *last = timers->heap[timers->count--];
    if (last != timer) {
        put(timers, last, timer->place);
        rise(timers, last);
        sink(timers, last);
    }
    timer->place = 0;
}

struct pool__timer *pool__timers_first(const struct pool__timers *timers)
{
    return timers->count ? timers->heap[1] : NULL;
}

uint64_t pool__timers_next_ns(const struct pool__timers *timers)
{
    return timers->count ? timers->heap[1]->at_ns : UINT64_MAX;
}
