/*
 * A world for explore_core.h: a core of few slots, and what threads do with it.
 *
 * A scenario is a line per thread: what it does, one call after the other. Whoever holds
 * a slot writes its name into the slot's cell and expects to find it there until it
 * gives the slot back, so two owners of one slot are noticed, and a waiter that nobody
 * wakes leaves a schedule in which nobody can go on. The invariants of core_check.h are
 * looked at between any two steps at which nobody has the lock. After each schedule all slots must
 * be idle or empty, the queue empty and the counts in balance. Include cmocka.h first.
 */
#ifndef TESTS_EXPLORE_WORLD_H
#define TESTS_EXPLORE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "explore_core.h" /* first: it says that the core is explored */

#include "core/benches.h"
#include "core/core.h"
#include "core/followers.h"
#include "core/handover.h"
#include "core/queue.h"
#include "core/slots.h"
#include "core/waiter.h"

#define SLOTS 2
#define CLOCK_NS 100 /* when a schedule begins; waiters are entered with times before */

/* What can have happened in a schedule, collected over all of them. */
enum {
    SEEN_GRANT = 1,
    SEEN_TIMEOUT = 2,
    SEEN_SHUT = 4,
    SEEN_FAILED = 8,
    SEEN_QUICK = 16, /* a return in one step */
    SEEN_LONG = 32,  /* a return that was claimed first */
    SEEN_STALE = 64,
    SEEN_RUNNING = 128,
    SEEN_CLOSE = 256,   /* by the borrower, because evicted */
    SEEN_EVICTED = 512, /* by the evictor, because idle */
    SEEN_REFUSED = 1024,
    SEEN_FIRST_TRY = 2048,
    SEEN_BUSY = 4096,
    SEEN_ARRIVED = 8192,
    SEEN_LEFT = 16384,
    SEEN_ALONE = 32768 /* a leader found nobody to take along */
};

struct held {
    unsigned slot;
    uint32_t generation;
};

typedef void thread_fn(unsigned self);

/* The scenario. */
struct plan {
    unsigned limit;
    unsigned idle;        /* slots that are idle at the start */
    unsigned held;        /* and before those: slot n by thread n; the others are empty */
    bool shared;          /* nobody in particular holds them */
    bool hoarded;         /* thread 0 holds them all */
    bool evicted;         /* one connection is to be closed, exactly once */
    bool evicted_if_seen; /* the same, in schedules in which it was seen busy */
    bool may_end_closed;
    bool no_queue; /* behind others nobody may wait */
    thread_fn *threads[EXPLORE_THREADS];
};
extern struct plan plan;

extern unsigned seen;

/* What threads do */

void borrows_once(unsigned self);

/* Without it returning anything, nobody is woken by chance. */
void borrows_and_keeps(unsigned self);

/* It has had its turn before. */
void borrows_again_and_keeps(unsigned self);

void borrows_twice(unsigned self);

/* As pool_query does it: claimed from the first moment, and handed over. */
void borrows_for_a_call(unsigned self);

void borrows_for_a_while(unsigned self);
void tries_once(unsigned self);
void returns_slot_0(unsigned self);
void returns_slot_1(unsigned self);
void gives_slot_0(unsigned self);
void returns_both(unsigned self);
void returns_one_gives_the_other(unsigned self);
void runs_a_call_and_returns_slot_0(unsigned self);
void returns_through_a_chore(unsigned self);
void evicts_slot_0(unsigned self);

/* As the keeper does it with a borrowed connection that is too old. */
void evicts_slot_0_once_seen_busy(unsigned self);

void pings_slot_0_if_idle(unsigned self);
void opens_all_that_is_empty(unsigned self);
void replaces_slot_0(unsigned self);
void evicts_slot_0_and_opens(unsigned self);
void returns_slot_0_and_opens(unsigned self);
void shuts(unsigned self);
void shuts_and_closes_idle(unsigned self);
void fails_waiters(unsigned self);

/* Thread 1 is entered with time 1 and is to fail, thread 2 is to stay. */
void returns_slot_0_and_fails_the_older(unsigned self);

/* Two threads do this with one ticket: only one of them may have it. */
void releases_the_shared_ticket(unsigned self);

void gives_by_the_shared_ticket(unsigned self);

/* Uses a connection after having given it back. */
void claims_with_an_old_ticket(unsigned self);

void waits_by_callback_then_abandons(unsigned self);

/* Leading and riding */

void leads_and_gives_slot_0(unsigned self);
void leads_twice_and_gives_slot_0(unsigned self);
void rides_or_borrows(unsigned self);
void rides_or_borrows_for_a_while(unsigned self);
void rides_for_a_while(unsigned self);

/* A schedule's beginning and end */

/* Runs the plan with strict hand-over, with waiters who have waited long enough, and
 * with waiters who have not; `must_see` has to come up. */
void explore_plan(const char *name, unsigned interruptions, unsigned must_see);

#define EXPLORE(interruptions, must_see, ...)                                                      \
    do {                                                                                           \
        plan = (__typeof__(plan)){__VA_ARGS__};                                                    \
        explore_plan(__func__, interruptions, must_see);                                           \
    } while (0)

#endif
