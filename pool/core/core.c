/*
 * What slots, queue, benches and followers share: made and freed.
 */
#include "core/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Thread_local struct pool__core_hint pool__hints[POOL__HINTS];

bool pool__core_init(struct pool__core *core, unsigned limit, uint32_t queue_limit,
                     uint64_t fair_after_ns)
{
    static _Atomic uint64_t serials;
    memset(core, 0, sizeof *core);
    core->limit = limit;
    core->queue_limit = queue_limit;
    core->fair_after_ns = fair_after_ns;
    core->serial = atomic_fetch_add(&serials, 1) + 1;
    atomic_init(&core->absent, limit);
    core->idle_words = (limit + 63) / 64;
    pool__mutex_init(&core->lock);
    pool__list_init(&core->queue);
    core->slots = aligned_alloc(_Alignof(struct pool__slot), limit * sizeof *core->slots);
    core->idle = calloc(core->idle_words, sizeof *core->idle);
    if (!core->slots || !core->idle) {
        pool__core_fini(core);
        return false;
    }
    memset(core->slots, 0, limit * sizeof *core->slots);
    return true;
}

void pool__core_fini(struct pool__core *core)
{
    free(core->slots);
    free(core->idle);
    core->slots = NULL;
    core->idle = NULL;
    pool__mutex_fini(&core->lock);
}
