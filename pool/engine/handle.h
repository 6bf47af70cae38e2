/*
 * Handles of borrowed connections. See handle.c, which has pool_conn_release and pool_conn_destroy
 * as well. threads: any, but one call at a time on a handle.
 */
#ifndef POOL_ENGINE_HANDLE_H
#define POOL_ENGINE_HANDLE_H

#include "engine/borrow.h"

#include <stdbool.h>
#include <stdint.h>

static inline struct pool_conn pool__handle_of(struct pool *pool, unsigned slot,
                                               uint32_t generation)
{
    struct pool_conn conn = {pool, (uint64_t)generation << 32 | (slot + 1)};
    return conn;
}

/* For a call that has claimed the handle and begins only now: whether that was not given up
 * meanwhile. */
bool pool__handle_is_wanted(struct pool *pool, const struct pool__borrowed *borrowed,
                            struct pool_error *err);
/* Claims the handle and makes sure that there still is a connection behind it. */
bool pool__handle_claim_open(struct pool_conn conn, struct pool__borrowed *ret_borrowed,
                             struct pool_error *err);
void pool__handle_unclaim(struct pool *pool, const struct pool__borrowed *borrowed);
/* Releases the handle in any case: if another thread was given it and runs a call on it, that call
 * gives the connection back when it is over. */
void pool__handle_give_up(struct pool_conn conn);
bool pool__handle_check_no_transaction(struct pool_conn conn, struct pool_error *err);

#endif
