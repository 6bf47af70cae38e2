/*
 * What went wrong, counted by class.
 *
 * A class is what two failures have in common, such as "POOL_TIMEOUT" or
 * "1045"; of each class the first message is kept. Not locked: one thread at a
 * time.
 */
#ifndef POOLBENCH_FAILURES_H
#define POOLBENCH_FAILURES_H

#include <stdbool.h>
#include <stdint.h>

/* One failure. */
struct problem {
    char class[32];
    char message[512];
};

#define FAILURE_CLASSES 16u

/* All zero is an empty list. The last class is for what has no room elsewhere. */
struct failures {
    unsigned used;
    struct failure_class {
        struct problem first;
        uint64_t count;
    } classes[FAILURE_CLASSES];
};

/* The class of a row that is not the one that was asked for. */
#define WRONG_ROW "wrong row"

/* Fills in a problem; what is too long is cut. */
void problem_set(struct problem *problem, const char *class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void failures_add(struct failures *failures, const struct problem *problem, uint64_t count);
void failures_merge(struct failures *into, const struct failures *from);
uint64_t failures_total(const struct failures *failures);
bool failures_have(const struct failures *failures, const char *class);

#endif
