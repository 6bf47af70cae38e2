/*
 * What the keeper has seen of a slot. See seen.c. threads: the keeper.
 */
#ifndef POOL_ENGINE_SEEN_H
#define POOL_ENGINE_SEEN_H

#include "core/core.h"

#include <stdbool.h>
#include <stdint.h>

struct pool__seen {
    uint64_t uses;      /* the slot's counter of uses */
    bool away;          /* since it was seen idle: borrowed, in the chore after that, or new */
    uint64_t since_ns;  /* when its present use, or idleness, was first seen */
    uint64_t pinged_ns; /* when a ping was ordered last */
    bool leak_reported; /* of the present borrow */
};

/* At a tick: the slot has this counter and this state, and it is `now`. */
void pool__seen_note(struct pool__seen *seen, uint64_t uses, enum pool__slot_state state,
                     uint64_t now);

/* How long its connection has been idle, or is out; and without a use or a ping. */
uint64_t pool__seen_for_ns(const struct pool__seen *seen, uint64_t now);
uint64_t pool__seen_silent_ns(const struct pool__seen *seen, uint64_t now);

#endif
