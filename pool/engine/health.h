/*
 * What the pool knows of the server: whether it lets the pool in, when to try again, how
 * many connections it may be asked for, and whether it takes writes.
 *
 * Workers report how connects went, callers report refused writes, the keeper asks before
 * it opens connections. Any thread.
 */
#ifndef POOL_ENGINE_HEALTH_H
#define POOL_ENGINE_HEALTH_H

#include "base/sync.h"
#include "core/classify.h"
#include "core/policy.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pool;

struct pool__health {
    struct pool__mutex lock; /* of everything below */
    enum pool_state state;
    enum pool_state told;   /* to on_state last */
    bool telling;           /* a thread is at it */
    unsigned failures;      /* failed connects in a row */
    unsigned interruptions; /* logins in a row whose connection was lost in its set-up */
    enum pool__connect_class class_;
    uint64_t next_try_ns;
    unsigned parallel;
    struct pool__pace pace;    /* of connects */
    unsigned ceiling;          /* connections at most while the server refuses more */
    uint64_t ceiling_until_ns; /* when to probe upward */
    unsigned refused_at;       /* connections that were open when it refused more */
    unsigned refusals;         /* of probes in a row */
    struct pool_error cause;   /* of the last failed connect */
    uint64_t random;
    /* See replica.c. */
    _Atomic bool read_only;   /* new connections come to a server that takes no writes, too; read
                                 without the lock by the keeper */
    uint64_t refused_ns;      /* the last refused write; 0: none */
    uint64_t evicted_ns;      /* older connections are replaced; 0: none */
    unsigned evictions;       /* since all was well */
    uint64_t next_evict_ns;   /* when all may be replaced again */
    unsigned replacements;    /* since all was well */
    uint64_t next_replace_ns; /* when one may be replaced again */
};

void pool__health_init(struct pool__health *health, unsigned limit);

/* The outcome of an attempt to open a connection; `failure` NULL: success. `logged_in`:
 * the server had let the pool in, and what failed came after. */
void pool__health_report(struct pool *pool, const struct pool_error *failure, bool logged_in);

/* The server has closed a connection: its successors are not to come all at once. */
void pool__health_note_loss(struct pool__health *health, uint64_t now);

/* Fills in what the state of the server allows. False while a pause lasts. *wake_ns: sooner, if
 * more will be allowed then. */
bool pool__health_ask(struct pool *pool, struct pool__demand *demand, uint64_t now,
                      uint64_t *wake_ns);

/* How many of `count` connects may begin now; they are counted as begun. *wake_ns: sooner, if the
 * others may begin then. */
unsigned pool__health_pace(struct pool__health *health, unsigned count, uint64_t now,
                           uint64_t *wake_ns);

/* Tells on_state what is so, after the state has changed. No lock held. */
void pool__health_tell(struct pool *pool);

#endif
