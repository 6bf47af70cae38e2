/*
 * What the workers do with slots. See chores.c.
 */
#ifndef POOL_ENGINE_CHORES_H
#define POOL_ENGINE_CHORES_H

#include "engine/workers.h"
#include "mypool.h"

#include <stdbool.h>

struct pool__conn;

/* Each orders work on a slot that is in CHORE, which the worker then owns. threads: any, while the
 * workers run; see giveback.h for those who may come later. */
void pool__chores_order_reset(struct pool *pool, unsigned slot);
void pool__chores_order_ping(struct pool *pool, unsigned slot);
void pool__chores_order_close(struct pool *pool, unsigned slot, enum pool_close_reason reason);
/* The slot's connection is closed here, but lives on the server. */
void pool__chores_order_kill(struct pool *pool, unsigned slot);
/* Any other work. `slow`: see workers.h. */
void pool__chores_order(struct pool *pool, unsigned slot, pool__chore_fn *run, bool slow);

/* What follows is for the workers themselves, and for the owner of the slot. */
unsigned pool__chores_slot(const struct pool *pool, const struct pool__chore *chore);
/* The slot in CHORE, or OPENING, is available again, or closed if it is to be. */
void pool__chores_give_or_close(struct pool *pool, unsigned slot);
void pool__chores_close(struct pool *pool, unsigned slot, enum pool_close_reason reason);
/* The same for a connection that never was the slot's. */
void pool__chores_part(struct pool *pool, unsigned slot, struct pool__conn *conn);
/* After how long an idle connection is pinged. */
void pool__chores_set_keepalive(struct pool *pool, unsigned slot, const struct pool__conn *conn);

#endif
