/*
 * What is done when a server refuses writes as read-only. See replica.c.
 */
#ifndef POOL_REPLICA_H
#define POOL_REPLICA_H

#include "conn/conn.h"

struct pool;

/* A write was refused on the connection of this slot, which the caller owns. */
void pool__note_refused_write(struct pool *pool, unsigned slot, const struct pool_error *refusal);

/* A connection has been opened and set up: does its server take writes? A round trip, but only
 * if one has refused them lately. False if the connection was lost over it. */
bool pool__look_for_primary(struct pool *pool, struct pool__conn *conn, uint64_t deadline_ns,
                            struct pool_error *err);

/* Now and then: nothing was refused for a while. */
void pool__forget_refused_writes(struct pool *pool, uint64_t now);

#endif
