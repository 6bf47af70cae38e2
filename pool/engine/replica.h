/*
 * What is done when a server refuses writes as read-only. See replica.c.
 */
#ifndef POOL_ENGINE_REPLICA_H
#define POOL_ENGINE_REPLICA_H

#include "mypool.h"

#include <stdbool.h>
#include <stdint.h>

struct pool__conn;

struct pool;

/* A write was refused on the connection of this slot, which the caller owns. */
void pool__replica_note_refusal(struct pool *pool, unsigned slot, const struct pool_error *refusal);

/* A connection has been opened and set up: does its server take writes? A round trip, but only
 * if one has refused them lately. False if the connection was lost over it. */
bool pool__replica_look(struct pool *pool, struct pool__conn *conn, uint64_t deadline_ns,
                        struct pool_error *err);

/* To be called now and then: forgets refusals if there were none for a while. */
void pool__replica_forget(struct pool *pool, uint64_t now);

#endif
