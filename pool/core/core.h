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

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* An invariant that is asserted in builds for tests (POOL__CHECKED), and nowhere else. */
#ifdef POOL__CHECKED
#define POOL__CHECK(condition) assert(condition)
#else
#define POOL__CHECK(condition) ((void)0)
#endif

enum pool__slot_state {
    POOL__SLOT_EMPTY,
    POOL__SLOT_OPENING,
    POOL__SLOT_IDLE,
    POOL__SLOT_BUSY,
    POOL__SLOT_CHORE,
    POOL__SLOT_CLOSING,
    POOL__SLOT_STATES
};

/* The slot word: state in bits 0 to 2, flags in 3 to 7, generation in 32 to 63.
 * The generation grows with every borrow, so that an old handle is recognised. */
#define POOL__SLOT_STATE_MASK UINT64_C(7)
#define POOL__SLOT_EVICT UINT64_C(8)     /* must be closed when it is given back */
#define POOL__SLOT_CLAIMED UINT64_C(16)  /* a call is running on the borrowed connection */
#define POOL__SLOT_UNCLEAN UINT64_C(32)  /* the return has work to do: reset, close or hand over */
#define POOL__SLOT_GIVEN_UP UINT64_C(64) /* whoever ends the call that runs has to give it back */
#define POOL__SLOT_FLAGS                                                                           \
    (POOL__SLOT_EVICT | POOL__SLOT_CLAIMED | POOL__SLOT_UNCLEAN | POOL__SLOT_GIVEN_UP)
#define POOL__SLOT_GENERATION UINT64_C(0x100000000)

/* One cache line pair per slot, so that borrowers of different slots do not meet. */
struct pool__slot {
    _Alignas(128) _Atomic uint64_t word;
    _Atomic uint64_t uses;           /* borrows so far; written by the borrower alone */
    _Atomic uint64_t queries;        /* the same for calls that ran a statement with success, */
    _Atomic uint64_t statement_hits; /* statements that were found prepared, */
    _Atomic uint64_t pipelined;      /* and those of others that were taken along */
    void *conn;                      /* the connection; owner: whoever owns the slot's state */
};

/* Where a waiter is:
 *
 *      WAITING <-> NUDGED -------> ENDED
 *         |                          ^
 *         +------> TAKEN <-> SENT ---+
 */
enum pool__waiter_state {
    POOL__WAITER_WAITING, /* in the queue */
    POOL__WAITER_NUDGED,  /* in the queue, and woken to look for an idle slot */
    POOL__WAITER_TAKEN,   /* a borrower has taken it along, and still needs what it points to */
    POOL__WAITER_SENT,    /* what it wanted is under way */
    POOL__WAITER_ENDED,   /* with a result */
    POOL__WAITER_STATES
};

/* What came of waiting. */
enum pool__queue_result {
    POOL__QUEUE_PENDING, /* nothing yet: the waiter has not ended */
    POOL__QUEUE_GRANTED,
    POOL__QUEUE_DONE, /* a borrower did what it wanted a connection for */
    POOL__QUEUE_TIMED_OUT,
    POOL__QUEUE_FULL,
    POOL__QUEUE_REFUSED,   /* waiting is off and nothing is idle */
    POOL__QUEUE_FAILED,    /* the pool cannot connect */
    POOL__QUEUE_SHUT,      /* the pool is ending */
    POOL__QUEUE_CANCELLED, /* it gave up in the queue before its time */
    POOL__QUEUE_ABANDONED, /* it gave up when it had been sent: the borrower has it to itself now */
    POOL__QUEUE_RESULTS
};

/* Somebody who waits for a connection: a thread (`wake` is NULL, it parks on a
 * bench) or a callback. On a grant or a failure the waiter is off the queue
 * before ENDED is stored, and `wake` runs without the lock.
 *
 * A waiter that `may_follow` may be taken along by a borrower instead, who does for it what it
 * wanted a connection for. It is off the queue then, and may leave at its own time; hence
 * it must not live on a stack. */
struct pool__waiter {
    struct pool__link link; /* in core.queue; lock */
    _Atomic uint32_t word;  /* state and result, see waiter.h; stored under the lock, once taken
                             * along without */
    uint32_t bench_place;   /* on the benches, while it waits */
    unsigned slot;          /* set before GRANTED is stored */
    uint64_t flags;         /* as in pool__slots_take */
    uint64_t generation;    /* of the grant */
    uint64_t enqueued_ns;
    uint64_t deadline_ns; /* in the queue */
    bool again;           /* it has had its turn before: it goes before those who have not */
    bool behind; /* set by pool__queue_enter: it waits for other callers, not for the pool alone */
    bool begun;  /* it is part of something that has begun: it may wait while the core drains */
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
    /* Kept by pool__slots_move alone: a slot is counted before it enters these states and until it
     * has left them. */
    _Atomic uint32_t absent; /* slots without an open connection: EMPTY, OPENING or CLOSING */
    _Atomic uint32_t chores; /* slots in CHORE */
    _Atomic bool shut;
    _Atomic bool
        drains; /* although it is shut, callbacks and what has begun may queue up; lock to set */
    _Alignas(128) struct pool__mutex lock;
    struct pool__link queue; /* struct pool__waiter, oldest first; lock */
    uint32_t bench_places;   /* given so far; lock */
    uint64_t enqueued;       /* counters; lock. This one: those who waited behind others */
    uint64_t timeouts;
    _Alignas(128) _Atomic uint32_t benches[POOL__BENCHES]; /* see pool__park_as */
};

static inline enum pool__slot_state pool__slot_state_of(uint64_t word)
{
    return (enum pool__slot_state)(word & POOL__SLOT_STATE_MASK);
}

static inline uint32_t pool__slot_generation_of(uint64_t word)
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
static inline uint64_t pool__slot_word_borrowed(uint64_t word, uint64_t flags)
{
    return (word & ~(POOL__SLOT_GENERATION - 1)) + POOL__SLOT_GENERATION + POOL__SLOT_BUSY + flags;
}

/* Into which states a slot may go from each; into the same: a flag changes. */
#define POOL__SLOT_BIT(state) (1U << POOL__SLOT_##state)
static inline unsigned pool__slot_successors(enum pool__slot_state state)
{
    static const uint8_t successors[POOL__SLOT_STATES] = {
        [POOL__SLOT_EMPTY] = POOL__SLOT_BIT(OPENING),
        [POOL__SLOT_OPENING] = POOL__SLOT_BIT(OPENING) | POOL__SLOT_BIT(IDLE) |
                               POOL__SLOT_BIT(BUSY) | POOL__SLOT_BIT(CHORE) |
                               POOL__SLOT_BIT(CLOSING) | POOL__SLOT_BIT(EMPTY),
        [POOL__SLOT_IDLE] = POOL__SLOT_BIT(BUSY) | POOL__SLOT_BIT(CHORE),
        [POOL__SLOT_BUSY] = POOL__SLOT_BIT(BUSY) | POOL__SLOT_BIT(IDLE) | POOL__SLOT_BIT(CHORE),
        [POOL__SLOT_CHORE] = POOL__SLOT_BIT(CHORE) | POOL__SLOT_BIT(IDLE) | POOL__SLOT_BIT(BUSY) |
                             POOL__SLOT_BIT(CLOSING) | POOL__SLOT_BIT(EMPTY),
        [POOL__SLOT_CLOSING] = POOL__SLOT_BIT(EMPTY),
    };
    return successors[state];
}

/* Whether a slot may go from the one word to the other. */
static inline bool pool__slot_may_move(uint64_t from, uint64_t to)
{
    unsigned state = (unsigned)(to & POOL__SLOT_STATE_MASK);
    return pool__slot_successors(pool__slot_state_of(from)) >> state & 1;
}

/* The one function that moves a slot between states. Test builds assert that the move is legal. */
static inline bool pool__slot_move(struct pool__slot *slot, uint64_t *from, uint64_t to)
{
    POOL__CHECK(pool__slot_may_move(*from, to));
    pool__explore_point();
    return atomic_compare_exchange_strong(&slot->word, from, to);
}

static inline void pool__count_use(struct pool__slot *slot)
{
    uint64_t uses = atomic_load_explicit(&slot->uses, memory_order_relaxed);
    atomic_store_explicit(&slot->uses, uses + 1, memory_order_relaxed);
}

#endif
