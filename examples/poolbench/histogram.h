/*
 * A histogram of latencies in constant memory, in the manner of HdrHistogram.
 *
 * Values are nanoseconds. Each power of two is cut into 128 buckets of the same
 * width, so a percentile is wrong by less than 1 %, whether it is a microsecond
 * or a minute. One thread at a time.
 */
#ifndef POOLBENCH_HISTOGRAM_H
#define POOLBENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 128u  /* buckets per power of two */
#define HISTOGRAM_OCTAVES 34u /* up to 2^40 ns, 18 minutes; what is longer counts as that */

/* All zero is an empty histogram. */
struct histogram {
    uint64_t count;
    uint64_t max; /* exact */
    uint64_t buckets[HISTOGRAM_STEPS * HISTOGRAM_OCTAVES];
};

void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value that `share` (0 to 1) of all values do not exceed; 0 if there are none. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);

#endif
