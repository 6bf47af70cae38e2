/*
 * Where waiting threads park. See benches.c.
 */
#ifndef POOL_CORE_BENCHES_H
#define POOL_CORE_BENCHES_H

#include "core/core.h"

#include <stdint.h>

static inline uint32_t pool__benches_of(uint32_t place)
{
    return place / POOL__BENCH_PLACES % POOL__BENCHES;
}
static inline uint32_t pool__benches_bit(uint32_t place)
{
    return UINT32_C(1) << place % POOL__BENCH_PLACES;
}

/* One more to be woken. */
void pool__benches_add(struct pool__core *core, uint32_t place, struct pool__wakes *wakes);
/* Wakes them; they are {0} again. */
void pool__benches_wake(struct pool__core *core, struct pool__wakes *wakes);

#endif
