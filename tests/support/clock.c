/*
 * Two clocks in one: nanoseconds and milliseconds of CLOCK_MONOTONIC, and sleep by nanosleep.
 */
#include "clock.h"

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t now_ms(void)
{
    return now_ns() / 1000000;
}

void pause_ms(unsigned ms)
{
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}
