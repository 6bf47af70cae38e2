/*
 * The core: who holds which connection, and who waits for one.
 *
 * It knows nothing of MySQL, does no I/O and calls no user code. A slot is a place
 * for one connection; it is in one state at a time:
 *
 *      EMPTY -> OPENING -> IDLE <-> BUSY        borrowed
 *        ^         |         |        |
 *        |         |         v        v
 *        +-- CLOSING <---- CHORE <----+         reserved for the pool's own work
 *
 * Everything but EMPTY counts against the limit. Functions that take a slot index
 * may be called only by whoever brought the slot into its present state: the
 * borrower of a BUSY slot, the worker of an OPENING, CHORE or CLOSING one.
 */
#ifndef POOL_CORE_CORE_H
#define POOL_CORE_CORE_H

#include "base/list.h"
#include "base/sync.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum pool__state {
    POOL__EMPTY,
    POOL__OPENING,
    POOL__IDLE,
    POOL__BUSY,
    POOL__CHORE,
    POOL__CLOSING,
    POOL__STATES
};

/* The slot word: state in bits 0 to 2, flags in 3 to 7, generation in 32 to 63.
 * The generation grows with every borrow, so that an old handle is recognised. */
#define POOL__STATE_MASK UINT64_C(7)
#define POOL__EVICT UINT64_C(8)     /* must be closed when it is given back */
#define POOL__RUNNING UINT64_C(16)  /* a call is running on the borrowed connection */
#define POOL__UNCLEAN UINT64_C(32)  /* the return has work to do: reset, close or hand over */
#define POOL__GIVEN_UP UINT64_C(64) /* whoever ends the call that runs has to give it back */
#define POOL__FLAGS (POOL__EVICT | POOL__RUNNING | POOL__UNCLEAN | POOL__GIVEN_UP)
#define POOL__GENERATION UINT64_C(0x100000000)

/* One cache line pair per slot, so that borrowers of different slots do not meet. */
struct pool__slot {
    _Alignas(128) _Atomic uint64_t word;
    _Atomic uint64_t uses;           /* borrows so far; written by the borrower alone */
    _Atomic uint64_t queries;        /* the same for calls that ran a statement with success, */
    _Atomic uint64_t statement_hits; /* statements that were found prepared, */
    _Atomic uint64_t pipelined;      /* and those of others that were taken along */
    void *conn;                      /* the connection; owner: whoever owns the slot's state */
};

enum pool__outcome {
    POOL__WAITING,
    POOL__NUDGED, /* woken to look for an idle slot */
    POOL__GRANTED,
    POOL__TIMED_OUT,
    POOL__QUEUE_FULL,
    POOL__REFUSED,   /* waiting is off and nothing is idle */
    POOL__FAILED,    /* the pool cannot connect */
    POOL__SHUT,      /* the pool is ending */
    POOL__TAKEN,     /* a borrower has taken it along, and still needs what it points to */
    POOL__SENT,      /* what it wanted is under way */
    POOL__DONE,      /* and done */
    POOL__CANCELLED, /* it gave up in the queue before its time */
    POOL__ABANDONED  /* it gave up when it had been sent: the borrower has it to itself now */
};

/* Somebody who waits for a connection: a thread (`wake` is NULL, it parks on a
 * bench) or a callback. On a grant or a failure the waiter is off the queue
 * before `outcome` is stored, and `wake` runs without the lock.
 *
 * A waiter that `may_follow` may be taken along by a borrower instead, who does for it what it
 * wanted a connection for. It is off the queue then, and may leave at its own time; hence
 * it must not live on a stack. */
struct pool__waiter {
    struct pool__link link; /* in core.queue; lock */
    _Atomic uint32_t
        outcome;         /* enum pool__outcome; stored under the lock, once taken along without */
    uint32_t place;      /* on the benches, while it waits */
    unsigned slot;       /* set before GRANTED is stored */
    uint64_t flags;      /* as in pool__core_take */
    uint64_t generation; /* of the grant */
    uint64_t enqueued_ns;
    uint64_t deadline_ns; /* in the queue */
    bool again;           /* it has had its turn before: it goes before those who have not */
    bool behind; /* set by pool__core_enqueue: it waits for other callers, not for the pool alone */
    bool may_follow;
    uint64_t follow_ns;          /* taken along for so long at most, and no longer than */
    uint64_t follow_deadline_ns; /* this */
    uint64_t taken_ns;           /* this and the next are set before TAKEN is stored */
    uint64_t abandon_ns;         /* what comes first of the two limits */
    void (*wake)(struct pool__waiter *waiter);
};

/* Waiting threads park on benches, in the order in which they come, each in a place of its
 * own (unless there are very many): so those who are taken along together can be woken with
 * one system call. */
#define POOL__BENCHES 64
#define POOL__BENCH_PLACES 32

/* Threads on one bench who are to be woken. */
struct pool__wakes {
    uint32_t bench;
    uint32_t bits; /* their places */
};

struct pool__core {
    struct pool__slot *slots;
    unsigned limit;
    uint32_t queue_limit; /* waiters behind others at most */
    uint64_t fair_after_ns;
    uint64_t serial; /* distinguishes pools in the thread-local hints */
    /* A set bit means that the slot may be idle: a hint, the slot word decides. */
    _Atomic uint64_t *idle;
    unsigned idle_words;
    _Alignas(128) _Atomic uint32_t waiting; /* length of the queue */
    _Atomic uint32_t nudged; /* 1: a waiter was woken to look for an idle slot itself */
    _Atomic uint32_t owed;   /* 1: the oldest waiter is due: the next return goes to it */
    /* A slot is counted before it enters these states and until it has left them. */
    _Atomic uint32_t absent; /* slots without an open connection: EMPTY, OPENING or CLOSING */
    _Atomic uint32_t chores; /* slots in CHORE */
    _Atomic bool shut;
    _Atomic bool drains; /* although it is shut, callbacks may queue up; lock to set */
    _Alignas(128) struct pool__mutex lock;
    struct pool__link queue; /* struct pool__waiter, oldest first; lock */
    uint32_t places;         /* given so far; lock */
    uint64_t enqueued;       /* counters; lock. This one: those who waited behind others */
    uint64_t timeouts;
    _Alignas(128) _Atomic uint32_t benches[POOL__BENCHES]; /* see pool__park_as */
};

static inline enum pool__state pool__state_of(uint64_t word)
{
    return (enum pool__state)(word & POOL__STATE_MASK);
}

static inline uint32_t pool__generation_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

bool pool__core_init(struct pool__core *core, unsigned limit, uint32_t queue_limit,
                     uint64_t fair_after_ns);
void pool__core_fini(struct pool__core *core); /* NULL slots are allowed */

/* The slot that this thread took last, for a few pools at once. */
#define POOL__HINTS 8
struct pool__core_hint {
    uint64_t serial;
    unsigned slot;
};
extern _Thread_local struct pool__core_hint pool__hints[POOL__HINTS];

static inline struct pool__core_hint *pool__core_hint_of(const struct pool__core *core)
{
    return &pool__hints[core->serial % POOL__HINTS];
}

/* The next borrow of this thread takes the long way. */
static inline void pool__core_forget_hint(const struct pool__core *core)
{
    struct pool__core_hint *hint = pool__core_hint_of(core);
    if (hint->serial == core->serial)
        hint->serial = 0;
}

/* The word of a slot that begins a new borrow. */
static inline uint64_t pool__word_borrowed(uint64_t word, uint64_t flags)
{
    return (word & ~(POOL__GENERATION - 1)) + POOL__GENERATION + POOL__BUSY + flags;
}

/* The one function that moves a slot between states. */
static inline bool pool__move(struct pool__slot *slot, uint64_t *from, uint64_t to)
{
    pool__explore_point();
    return atomic_compare_exchange_strong(&slot->word, from, to);
}

static inline void pool__count_use(struct pool__slot *slot)
{
    uint64_t uses = atomic_load_explicit(&slot->uses, memory_order_relaxed);
    atomic_store_explicit(&slot->uses, uses + 1, memory_order_relaxed);
}

/* Takes the slot if it is idle. `flags`: POOL__RUNNING if the borrow is for one call
 * of the pool's own, 0 if it is for a handle. */
static inline bool pool__core_take(struct pool__core *core, unsigned index, uint64_t flags,
                                   uint32_t *ret_generation)
{
    struct pool__slot *slot = &core->slots[index];
    pool__explore_point();
    uint64_t word = atomic_load(&slot->word);
    if (pool__state_of(word) != POOL__IDLE)
        return false;
    uint64_t next = pool__word_borrowed(word, flags);
    if (!pool__move(slot, &word, next))
        return false;
    pool__count_use(slot);
    *ret_generation = pool__generation_of(next);
    return true;
}

/* The same for the slot that this thread had last. */
static inline bool pool__core_take_hinted(struct pool__core *core, uint64_t flags,
                                          unsigned *ret_slot, uint32_t *ret_generation)
{
    struct pool__core_hint *hint = pool__core_hint_of(core);
    *ret_slot = hint->slot;
    return hint->serial == core->serial && pool__core_take(core, hint->slot, flags, ret_generation);
}

/* Lets scanners and waiters know of a slot that has just become idle, if they do
 * not: the long way. */
void pool__core_announce(struct pool__core *core, unsigned slot);

/* Gives a clean borrowed slot back in one step, unless there is more to do. */
static inline bool pool__core_release_quickly(struct pool__core *core, unsigned index,
                                              uint32_t generation)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = ((uint64_t)generation << 32) + POOL__BUSY;
    pool__explore_point();
    if (atomic_load(&core->owed) || !pool__move(slot, &word, word - POOL__BUSY + POOL__IDLE))
        return false;
    pool__explore_point();
    uint64_t bits = atomic_load(&core->idle[index / 64]);
    pool__explore_point();
    if (!(bits >> (index % 64) & 1) || atomic_load(&core->waiting))
        pool__core_announce(core, index);
    return true;
}

/* Takes an idle slot. Fails at once if there is none. */
bool pool__core_try_borrow(struct pool__core *core, uint64_t flags, unsigned *ret_slot,
                           uint32_t *ret_generation);

/* Joins the queue, unless a slot is idle after all. Returns WAITING (the waiter is
 * queued), GRANTED, QUEUE_FULL or SHUT. For each slot that the pool itself has, to open,
 * to look after or to close, one waiter waits for the pool alone; only those beyond are
 * `behind` others and count against queue_limit. What becomes of that slot afterwards does
 * not matter. */
enum pool__outcome pool__core_enqueue(struct pool__core *core, struct pool__waiter *waiter);

/* Parks until the waiter has an outcome (of those taken along: DONE or ABANDONED) or its deadline
 * passes. */
enum pool__outcome pool__core_wait(struct pool__core *core, struct pool__waiter *waiter);

/* If its time is up the waiter gives up (TIMED_OUT) or leaves (LEFT). True if it was this call
 * that decided so; else, should it still be waiting, *ret_next_ns is when to look again at the
 * latest. */
bool pool__core_look(struct pool__core *core, struct pool__waiter *waiter, uint64_t now,
                     uint64_t *ret_next_ns);

/* Gives up (CANCELLED) or leaves (LEFT) at once. True if it was this call that decided so. */
bool pool__core_cancel(struct pool__core *core, struct pool__waiter *waiter);

/* Gives up waiting; returns the outcome if one came first. */
enum pool__outcome pool__core_abandon(struct pool__core *core, struct pool__waiter *waiter);

/* Takes up to `most` waiters that may follow and that the function allows (it is called under
 * the lock) along, oldest first; they are TAKEN then. Ends at the first that does not,
 * so nobody is overtaken; a few whose time is up do not count. */
typedef bool pool__may_follow_fn(const struct pool__waiter *waiter, void *arg);
unsigned pool__core_take_followers(struct pool__core *core, unsigned most, pool__may_follow_fn *may,
                                   void *arg, struct pool__waiter **ret_waiters);

/* From TAKEN to SENT: from now on the waiter may give up. */
void pool__core_follower_sent(struct pool__waiter *waiter);
/* Back to TAKEN; false if it has given up. */
bool pool__core_follower_hold(struct pool__waiter *waiter);
/* The waiter has what it wanted; false if it has left. A callback is told at once, a thread
 * is woken with `wakes`, which are {0} at first. */
bool pool__core_follower_done(struct pool__core *core, struct pool__waiter *waiter,
                              struct pool__wakes *wakes);
/* Wakes them; they are {0} again. */
void pool__core_wake(struct pool__core *core, struct pool__wakes *wakes);

/* Makes the slot (BUSY, CHORE or OPENING) available: to the oldest waiter, or
 * idle. False, with the slot in CHORE for the caller to close, if it is to be
 * evicted. */
bool pool__core_give(struct pool__core *core, unsigned slot);

/* The borrower's slot goes to the pool's own work. */
void pool__core_to_chore(struct pool__core *core, unsigned slot);
/* From OPENING or CHORE to CLOSING; from any of those to EMPTY. */
void pool__core_to_closing(struct pool__core *core, unsigned slot);
void pool__core_to_empty(struct pool__core *core, unsigned slot);

/* Reserves an EMPTY slot for a new connection. One caller at a time (the keeper). */
bool pool__core_reserve_empty(struct pool__core *core, unsigned *ret_slot);

/* Reserves the slot if it is idle: IDLE to CHORE. */
bool pool__core_reserve_idle(struct pool__core *core, unsigned slot);

/* The connection is dead or too old. True if the slot was idle and is now in
 * CHORE, for the caller to close; otherwise whoever owns it will close it. */
bool pool__core_evict(struct pool__core *core, unsigned slot);

/* Marks the borrowed slot as running a call, if the generation is current and no
 * other call runs; and back, remembering whether the connection is still clean. If that is
 * false the slot stays claimed: it was given up meanwhile, and the caller gives it back. */
enum pool__claim { POOL__CLAIMED, POOL__CLAIM_STALE, POOL__CLAIM_RUNNING, POOL__RELEASED };
enum pool__claim pool__core_claim(struct pool__core *core, unsigned slot, uint32_t generation);
bool pool__core_unclaim(struct pool__core *core, unsigned slot, bool unclean);

/* Claims the slot; or, if a call of somebody else's runs on it (CLAIM_RUNNING), leaves it to
 * that to give the slot back. */
enum pool__claim pool__core_give_up(struct pool__core *core, unsigned slot, uint32_t generation);

/* Gives a clean borrowed slot back (RELEASED). If there is more to do, because it is
 * unclean, to be evicted, or a waiter is due, it is claimed instead. */
enum pool__claim pool__core_release(struct pool__core *core, unsigned slot, uint32_t generation);

/* Fails everybody who has waited since before `enqueued_before_ns`. */
void pool__core_fail_waiters(struct pool__core *core, enum pool__outcome outcome,
                             uint64_t enqueued_before_ns);

/* Refuses new waiters and fails the queued ones. */
void pool__core_shut(struct pool__core *core);
/* Whether callbacks may queue up although it is shut. */
void pool__core_set_drains(struct pool__core *core, bool drains);

/* Slots per state, at about this moment. */
void pool__core_count(struct pool__core *core, unsigned ret_counts[POOL__STATES]);
/* Slots with an open connection, whatever it is doing. */
unsigned pool__core_open_count(struct pool__core *core);

/* When the oldest waiter came; POOL__FOREVER if nobody waits. */
uint64_t pool__core_oldest_ns(struct pool__core *core);

#endif
