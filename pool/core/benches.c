/*
 * Waiting threads park on benches, which are shared words, so that several are woken with one
 * system call.
 */
#include "core/benches.h"

void pool__benches_wake(struct pool__core *core, struct pool__wakes *wakes)
{
    if (wakes->bits)
        pool__unpark_all(&core->benches[wakes->bench], wakes->bits);
    wakes->bits = 0;
}

void pool__benches_add(struct pool__core *core, uint32_t place, struct pool__wakes *wakes)
{
    if (pool__benches_of(place) != wakes->bench)
        pool__benches_wake(core, wakes);
    wakes->bench = pool__benches_of(place);
    wakes->bits |= pool__benches_bit(place);
}
