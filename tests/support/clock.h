/*
 * Time, and waiting for something. cmocka.h comes before this header.
 */
#ifndef TESTS_CLOCK_H
#define TESTS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

uint64_t now_ns(void);
uint64_t now_ms(void);
void pause_ms(unsigned ms);

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
