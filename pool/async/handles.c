/*
 * Handles of calls with callbacks.
 *
 * A handle is an entry in a table and the generation of that entry, so one that is over is
 * recognised. Only calls that asked for a handle have an entry. The table is under a lock of
 * its own (`calls.lock`).
 */
#include "async/handles.h"

#include "async/op.h"
#include "base/error.h"
#include "base/sync.h"
#include "engine/pool.h"

#include <stdlib.h>

#define FIRST_ROOM 16

static bool grow_locked(struct pool__calls *calls)
{
    uint32_t room = calls->room ? calls->room * 2 : FIRST_ROOM;
    struct pool__call_entry *entries = realloc(calls->entries, room * sizeof *entries);
    if (!entries)
        return false;
    for (uint32_t i = calls->room; i < room; i++)
        entries[i] = (struct pool__call_entry){.next_free = i + 1};
    calls->entries = entries;
    calls->first_free = calls->room;
    calls->room = room;
    return true;
}

uint64_t pool__handles_register(struct pool__op *op)
{
    struct pool__calls *calls = &op->queued.pool->calls;
    pool__lock(&calls->lock);
    if (calls->first_free < calls->room || grow_locked(calls)) {
        uint32_t index = calls->first_free;
        struct pool__call_entry *entry = &calls->entries[index];
        calls->first_free = entry->next_free;
        entry->op = op;
        op->ticket = (uint64_t)++entry->generation << 32 | (index + 1);
    }
    pool__unlock(&calls->lock);
    return op->ticket;
}

void pool__handles_unregister(struct pool__op *op)
{
    struct pool__calls *calls = &op->queued.pool->calls;
    if (!op->ticket)
        return;
    uint32_t index = (uint32_t)op->ticket - 1;
    pool__lock(&calls->lock);
    calls->entries[index].op = NULL;
    calls->entries[index].next_free = calls->first_free;
    calls->first_free = index;
    pool__unlock(&calls->lock);
    op->ticket = 0;
}

/* Holds the op for a task. */
static struct pool__op *hold_locked(struct pool__calls *calls, uint64_t ticket)
{
    uint32_t index = (uint32_t)ticket - 1;
    if (index >= calls->room || calls->entries[index].generation != ticket >> 32 ||
        !calls->entries[index].op)
        return NULL;
    atomic_fetch_add(&calls->entries[index].op->queued.holders, 1);
    return calls->entries[index].op;
}

struct pool__op *pool__handles_hold(struct pool_call call, struct pool_error *err)
{
    if (!call.pool || !call.ticket ||
        call.pool->fork_count != atomic_load_explicit(&pool__fork_count, memory_order_relaxed)) {
        pool__fail(err, POOL_ERR_STALE, "the handle is no call of this process");
        return NULL;
    }
    struct pool__calls *calls = &call.pool->calls;
    pool__lock(&calls->lock);
    struct pool__op *op = hold_locked(calls, call.ticket);
    pool__unlock(&calls->lock);
    if (!op)
        pool__fail(err, POOL_ERR_STALE, "the call is over");
    return op;
}
