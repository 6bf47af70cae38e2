/*
 * Time, and waiting for something. cmocka.h comes before this header.
 */
#ifndef TESTS_CLOCK_H
#define TESTS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t now_ms(void)
{
    return now_ns() / 1000000;
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
            pause_ms(1);                                                                           \
        met_;                                                                                      \
    })

#define assert_within(ms, expression) assert_true(WITHIN(ms, expression))

/* Fails with the condition's text if it is not true within the PATIENCE_MS of the test. */
#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        if (!WITHIN(PATIENCE_MS, condition))                                                       \
            fail_msg("never true: %s", #condition);                                                \
    } while (0)

#endif
