/*
 * One waiter, as far as it concerns itself alone. See waiter.c.
 */
#ifndef POOL_CORE_WAITER_H
#define POOL_CORE_WAITER_H

#include "core/core.h"

#include <stdbool.h>
#include <stdint.h>

/* From TAKEN to SENT: from now on the waiter may give up. */
void pool__waiter_sent(struct pool__waiter *waiter);
/* Back to TAKEN; false if it has given up. */
bool pool__waiter_hold(struct pool__waiter *waiter);

/* It gives up although it has been sent; false if it is too late, or too early. */
bool pool__waiter_abandon(struct pool__waiter *waiter);

/* Not decided: in the queue, or taken along. */
bool pool__waiter_is_open(uint32_t outcome);

/* When it has to look again whether its time is up. */
uint64_t pool__waiter_next_look(const struct pool__waiter *waiter, uint32_t outcome, uint64_t now);

uint64_t pool__waiter_later(uint64_t now, uint64_t ns);

#endif
