/*
 * The histogram of latencies: which bucket a value falls into, and back.
 *
 * Values below 128 have a bucket each. Above, a value is shifted right until
 * eight bits are left: the number of shifts names the power of two, the lower
 * seven bits the step in it. A bucket stands for the middle of its range, so the
 * error is at most half a step, 0.4 %.
 */
#include "histogram.h"

#include <math.h>

#define LARGEST ((UINT64_C(1) << (HISTOGRAM_OCTAVES + 6)) - 1)

static unsigned bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    if (value > LARGEST)
        value = LARGEST;
    shift = 56 - (unsigned)__builtin_clzll(value);
    return (shift + 1) * HISTOGRAM_STEPS + (unsigned)(value >> shift) - HISTOGRAM_STEPS;
}

static uint64_t middle_of(unsigned bucket)
{
    uint64_t lowest;
    unsigned shift;

    if (bucket < HISTOGRAM_STEPS)
        return bucket;
    shift = bucket / HISTOGRAM_STEPS - 1;
    lowest = (uint64_t)(bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
    return lowest + (UINT64_C(1) << shift) / 2;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->count++;
    if (value > histogram->max)
        histogram->max = value;
    histogram->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
    for (unsigned i = 0; i < HISTOGRAM_STEPS * HISTOGRAM_OCTAVES; i++)
        into->buckets[i] += from->buckets[i];
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)histogram->count);
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_STEPS * HISTOGRAM_OCTAVES; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && seen >= wanted)
            return middle_of(i) < histogram->max ? middle_of(i) : histogram->max;
    }
    return histogram->max;
}
