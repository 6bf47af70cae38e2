/*
 * Time, and waiting for something with a deadline, for tests that must not sleep and hope.
 */
#ifndef TESTS_WAITING_H
#define TESTS_WAITING_H

#include <stdint.h>
#include <time.h>

#define GENEROUS 15000 /* ms until something must have happened */

static inline uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void pause_ms(unsigned ms)
{
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

/* True once the expression is; false when it was not for `ms`. */
#define WITHIN(ms, expression)                                                                     \
    ({                                                                                             \
        uint64_t end_ = now_ms() + (ms);                                                           \
        bool met_;                                                                                 \
        while (!(met_ = (expression)) && now_ms() < end_)                                          \
            pause_ms(2);                                                                           \
        met_;                                                                                      \
    })

#define assert_within(ms, expression) assert_true(WITHIN(ms, expression))

#endif
