/*
 * Every interleaving of a few borrows, returns and the like (pool/core/core.c compiled with
 * POOL__EXPLORE), up to a bounded number of interruptions; see explore_core.h.
 *
 * A scenario is a line per thread: what it does, one call after the other. Whoever holds
 * a slot writes its name into the slot's cell and expects to find it there until it
 * gives the slot back, so two owners of one slot are noticed, and a waiter that nobody
 * wakes leaves a schedule in which nobody can go on. The invariants of core_check.h are
 * looked at between any two steps at which nobody has the lock. After each schedule all slots must
 * be idle or empty, the queue empty and the counts in balance. Each test also says what
 * must have come up in some schedule, so that none is empty talk.
 *
 * The number of interruptions is the scenario's own; MYPOOL_EXPLORE_MORE=1 allows one
 * more everywhere (minutes); sanitizers get fewer. MYPOOL_EXPLORE_STOP=1 ends
 * the program at the first failure (tests/tools/mutants.sh).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "explore_core.h" /* first: it says that the core is explored */

#include "core/core.h"
#include "core/benches.h"
#include "core/followers.h"
#include "core/handover.h"
#include "core/queue.h"
#include "core/slots.h"
#include "core/waiter.h"
#include "core_check.h"

#define SLOTS 2
#define CLOCK_NS 100 /* when a schedule begins; waiters are entered with times before */

/* Interruptions fewer, because the sanitizers are slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FEWER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FEWER 1
#endif
#endif
#ifndef FEWER
#define FEWER 0
#endif

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

/* One schedule's world. */
static struct world {
    struct pool__core core;
    unsigned owner[SLOTS];             /* thread + 1 */
    struct held start[SLOTS];          /* held since before the schedule */
    struct held kept[EXPLORE_THREADS]; /* held at the end; slot + 1, 0 is none */
    unsigned borrows;
    unsigned returns;
    unsigned closes;
    unsigned woken;
    struct pool__waiter callback;
    bool seen_busy;       /* by the evictor */
    bool callback_is_due; /* somebody else settled the callback's waiter */
    struct rider {
        struct pool__waiter waiter;
        bool has_what_it_wanted; /* written by the leader while the rider is aboard */
        unsigned served;         /* by leaders */
    } riders[EXPLORE_THREADS];   /* they outlive their threads' patience */
} w;

/* The scenario. */
static struct {
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
} plan;
static uint64_t fair_after_ns;

static unsigned seen;

static void require(bool condition, const char *what)
{
    if (!condition)
        explore_fail(what);
}

/* Owning a slot */

static void own(unsigned self, unsigned slot)
{
    require(w.owner[slot] == 0, "two owners of one slot");
    w.owner[slot] = self + 1;
    pool__explore_point();
}

static void disown(unsigned self, unsigned slot)
{
    require(w.owner[slot] == self + 1, "another owner came");
    w.owner[slot] = 0;
}

static bool borrow_flagged(unsigned self, uint64_t flags, uint64_t deadline_ns,
                           struct held *ret_held)
{
    static const unsigned bits[] = {
        [POOL__GRANTED] = SEEN_GRANT, [POOL__TIMED_OUT] = SEEN_TIMEOUT,  [POOL__SHUT] = SEEN_SHUT,
        [POOL__FAILED] = SEEN_FAILED, [POOL__QUEUE_FULL] = SEEN_REFUSED,
    };
    if (pool__slots_try_borrow(&w.core, flags, &ret_held->slot, &ret_held->generation)) {
        seen |= SEEN_FIRST_TRY;
    } else {
        struct pool__waiter waiter = {
            .flags = flags, .enqueued_ns = self, .deadline_ns = deadline_ns};
        enum pool__outcome outcome = pool__queue_enter(&w.core, &waiter);
        if (outcome == POOL__WAITING)
            outcome = pool__queue_wait(&w.core, &waiter);
        seen |= bits[outcome];
        require(outcome != POOL__TIMED_OUT || pool__now_ns() >= deadline_ns, "timed out early");
        if (outcome != POOL__GRANTED)
            return false;
        *ret_held = (struct held){waiter.slot, (uint32_t)waiter.generation};
    }
    w.borrows++;
    own(self, ret_held->slot);
    return true;
}

static bool borrow_until(unsigned self, uint64_t deadline_ns, struct held *ret_held)
{
    return borrow_flagged(self, 0, deadline_ns, ret_held);
}

static void close_slot(unsigned self, unsigned slot)
{
    own(self, slot);
    w.closes++;
    pool__slots_to_closing(&w.core, slot);
    disown(self, slot);
    pool__slots_to_empty(&w.core, slot);
}

static void give(unsigned self, unsigned slot)
{
    disown(self, slot);
    w.returns++;
    if (pool__handover_give(&w.core, slot))
        return;
    seen |= SEEN_CLOSE;
    close_slot(self, slot);
}

/* As pool_conn_release does it. */
static void give_back(unsigned self, struct held held)
{
    disown(self, held.slot);
    enum pool__claim claim = pool__handover_release(&w.core, held.slot, held.generation);
    if (claim == POOL__CLAIM_RELEASED) {
        seen |= SEEN_QUICK;
        w.returns++;
        return;
    }
    require(claim == POOL__CLAIM_MADE, "a good ticket was refused");
    seen |= SEEN_LONG;
    own(self, held.slot);
    give(self, held.slot);
}

/* What threads do */

static void borrows_once(unsigned self)
{
    struct held held;
    if (borrow_until(self, POOL__FOREVER, &held))
        give_back(self, held);
}

/* Without it returning anything, nobody is woken by chance. */
static void borrows_and_keeps(unsigned self)
{
    struct held held;
    if (borrow_until(self, POOL__FOREVER, &held))
        w.kept[self] = (struct held){held.slot + 1, held.generation};
}

/* It has had its turn before. */
static void borrows_again_and_keeps(unsigned self)
{
    struct pool__waiter waiter = {.again = true, .enqueued_ns = self, .deadline_ns = POOL__FOREVER};
    enum pool__outcome outcome = pool__queue_enter(&w.core, &waiter);
    if (outcome == POOL__WAITING)
        outcome = pool__queue_wait(&w.core, &waiter);
    require(outcome == POOL__GRANTED, "no slot for one who was there before");
    w.borrows++;
    own(self, waiter.slot);
    w.kept[self] = (struct held){waiter.slot + 1, (uint32_t)waiter.generation};
}

static void borrows_twice(unsigned self)
{
    borrows_once(self);
    borrows_once(self);
}

/* As pool_query does it: claimed from the first moment, and handed over. */
static void borrows_for_a_call(unsigned self)
{
    struct held held;
    if (!borrow_flagged(self, POOL__SLOT_CLAIMED, POOL__FOREVER, &held))
        return;
    if (pool__slots_claim(&w.core, held.slot, held.generation) != POOL__CLAIM_IN_USE)
        explore_fail("a borrow for a call is not marked as running one");
    give(self, held.slot);
}

static void borrows_for_a_while(unsigned self)
{
    struct held held;
    if (borrow_until(self, 1000 + self, &held))
        give_back(self, held);
}

static void tries_once(unsigned self)
{
    struct held held;
    if (!pool__slots_try_borrow(&w.core, 0, &held.slot, &held.generation))
        return;
    seen |= SEEN_FIRST_TRY;
    w.borrows++;
    own(self, held.slot);
    give_back(self, held);
}

static void returns_slot_0(unsigned self)
{
    give_back(self, w.start[0]);
}

static void returns_slot_1(unsigned self)
{
    give_back(self, w.start[1]);
}

static void gives_slot_0(unsigned self)
{
    require(pool__slots_claim(&w.core, 0, w.start[0].generation) == POOL__CLAIM_MADE, "no claim");
    give(self, 0);
}

static void returns_both(unsigned self)
{
    give_back(self, w.start[0]);
    give_back(self, w.start[1]);
}

static void returns_one_gives_the_other(unsigned self)
{
    give_back(self, w.start[0]);
    require(pool__slots_claim(&w.core, 1, w.start[1].generation) == POOL__CLAIM_MADE, "no claim");
    give(self, 1);
}

static void runs_a_call_and_returns_slot_0(unsigned self)
{
    uint32_t generation = w.start[0].generation;
    require(pool__slots_claim(&w.core, 0, generation) == POOL__CLAIM_MADE, "no claim");
    pool__slots_unclaim(&w.core, 0, false);
    give_back(self, w.start[0]);
}

static void returns_through_a_chore(unsigned self)
{
    pool__slots_to_chore(&w.core, 0);
    give(self, 0);
}

static void evicts_slot_0(unsigned self)
{
    if (!pool__slots_evict(&w.core, 0))
        return;
    seen |= SEEN_EVICTED;
    close_slot(self, 0);
}

/* As the keeper does it with a borrowed connection that is too old. */
static void evicts_slot_0_once_seen_busy(unsigned self)
{
    pool__explore_point();
    uint64_t word = atomic_load(&w.core.slots[0].word);
    if (pool__slot_state_of(word) != POOL__SLOT_BUSY)
        return;
    w.seen_busy = true;
    seen |= SEEN_BUSY;
    evicts_slot_0(self);
}

static void pings_slot_0_if_idle(unsigned self)
{
    if (!pool__slots_reserve_idle(&w.core, 0))
        return;
    own(self, 0);
    w.borrows++; /* for the balance; the core does not count it */
    give(self, 0);
}

static void opens_all_that_is_empty(unsigned self)
{
    unsigned slot;
    while (pool__slots_reserve_empty(&w.core, &slot)) {
        own(self, slot);
        w.borrows++;
        give(self, slot);
    }
}

static void replaces_slot_0(unsigned self)
{
    disown(self, 0);
    w.returns++;
    pool__slots_to_chore(&w.core, 0);
    close_slot(self, 0);
    opens_all_that_is_empty(self);
}

static void evicts_slot_0_and_opens(unsigned self)
{
    evicts_slot_0(self);
    opens_all_that_is_empty(self);
}

static void returns_slot_0_and_opens(unsigned self)
{
    give_back(self, w.start[0]);
    opens_all_that_is_empty(self);
}

static void shuts(unsigned self)
{
    (void)self;
    pool__queue_shut(&w.core);
}

static void shuts_and_closes_idle(unsigned self)
{
    shuts(self);
    for (unsigned slot = 0; slot < w.core.limit; slot++)
        if (pool__slots_reserve_idle(&w.core, slot))
            close_slot(self, slot);
}

static void fails_waiters(unsigned self)
{
    (void)self;
    pool__queue_fail_waiters(&w.core, POOL__FAILED, POOL__FOREVER);
}

/* Thread 1 is entered with time 1 and is to fail, thread 2 is to stay. */
static void returns_slot_0_and_fails_the_older(unsigned self)
{
    give_back(self, w.start[0]);
    pool__queue_fail_waiters(&w.core, POOL__FAILED, 1);
}

/* Two threads do this with one ticket: only one of them may have it. */
static void releases_the_shared_ticket(unsigned self)
{
    struct held held = w.start[0];
    enum pool__claim claim = pool__handover_release(&w.core, held.slot, held.generation);
    seen |= claim == POOL__CLAIM_STALE ? SEEN_STALE : 0;
    seen |= claim == POOL__CLAIM_IN_USE ? SEEN_RUNNING : 0;
    w.returns += claim == POOL__CLAIM_RELEASED;
    if (claim != POOL__CLAIM_MADE)
        return;
    own(self, held.slot);
    give(self, held.slot);
}

static void gives_by_the_shared_ticket(unsigned self)
{
    if (pool__slots_claim(&w.core, 0, w.start[0].generation) != POOL__CLAIM_MADE)
        return;
    own(self, 0);
    give(self, 0);
}

/* Uses a connection after having given it back. */
static void claims_with_an_old_ticket(unsigned self)
{
    struct held held = w.start[0];
    give_back(self, held);
    if (pool__slots_claim(&w.core, held.slot, held.generation) != POOL__CLAIM_STALE)
        explore_fail("a ticket that was given back still works");
    seen |= SEEN_STALE;
}

static void count_wake(struct pool__waiter *waiter)
{
    require(!explore_holds_lock(), "woken under the lock");
    require(atomic_load(&waiter->outcome) != POOL__WAITING, "woken for nothing");
    w.woken++;
}

static void waits_by_callback_then_abandons(unsigned self)
{
    w.callback = (struct pool__waiter){.deadline_ns = POOL__FOREVER, .wake = count_wake};
    enum pool__outcome outcome = pool__queue_enter(&w.core, &w.callback);
    bool queued = outcome == POOL__WAITING;
    if (queued)
        outcome = pool__queue_leave(&w.core, &w.callback);
    seen |= outcome == POOL__GRANTED ? SEEN_GRANT : SEEN_TIMEOUT;
    w.callback_is_due = queued && outcome != POOL__TIMED_OUT;
    if (outcome != POOL__GRANTED)
        return;
    w.borrows++;
    own(self, w.callback.slot);
    give_back(self, (struct held){w.callback.slot, (uint32_t)w.callback.generation});
}

/* Leading and riding */

static bool anybody(const struct pool__waiter *waiter, void *arg)
{
    (void)arg;
    require(explore_holds_lock(), "asked without the lock");
    require(atomic_load(&waiter->outcome) == POOL__WAITING, "somebody else's waiter was offered");
    return true;
}

static void carry(struct pool__waiter *waiter, bool again, struct pool__wakes *wakes)
{
    struct rider *rider = POOL__ENTRY(waiter, struct rider, waiter);
    pool__waiter_sent(waiter);
    pool__explore_point();
    if (again && pool__waiter_hold(waiter)) {
        require(atomic_load(&waiter->outcome) == POOL__TAKEN, "one who is held has left");
        pool__waiter_sent(waiter);
    }
    rider->served++;
    rider->has_what_it_wanted = true;
    pool__followers_done(&w.core, waiter, wakes);
}

/* Takes everybody along who waits, before slot 0 is given back. */
static void lead_on_slot_0(bool again)
{
    struct pool__waiter *aboard[EXPLORE_THREADS];
    struct pool__wakes wakes = {0};
    unsigned count = pool__followers_take(&w.core, EXPLORE_THREADS, anybody, NULL, aboard);
    seen |= count ? 0 : SEEN_ALONE;
    for (unsigned i = 0; i < count; i++)
        carry(aboard[i], again, &wakes);
    pool__benches_wake(&w.core, &wakes);
}

static void leads_and_gives_slot_0(unsigned self)
{
    require(pool__slots_claim(&w.core, 0, w.start[0].generation) == POOL__CLAIM_MADE, "no claim");
    lead_on_slot_0(false);
    give(self, 0);
}

static void leads_twice_and_gives_slot_0(unsigned self)
{
    require(pool__slots_claim(&w.core, 0, w.start[0].generation) == POOL__CLAIM_MADE, "no claim");
    lead_on_slot_0(true);
    lead_on_slot_0(false);
    give(self, 0);
}

static void ride_or_borrow(unsigned self, uint64_t deadline_ns, uint64_t follow_ns)
{
    struct rider *rider = &w.riders[self];
    rider->waiter = (struct pool__waiter){.enqueued_ns = self,
                                          .deadline_ns = deadline_ns,
                                          .may_follow = true,
                                          .follow_ns = follow_ns,
                                          .follow_deadline_ns = deadline_ns};
    enum pool__outcome outcome = pool__queue_enter(&w.core, &rider->waiter);
    if (outcome == POOL__WAITING)
        outcome = pool__queue_wait(&w.core, &rider->waiter);
    seen |= outcome == POOL__DONE ? SEEN_ARRIVED : outcome == POOL__ABANDONED ? SEEN_LEFT : 0;
    seen |= outcome == POOL__GRANTED ? SEEN_GRANT : outcome == POOL__TIMED_OUT ? SEEN_TIMEOUT : 0;
    seen |= outcome == POOL__SHUT ? SEEN_SHUT : 0;
    require(outcome != POOL__DONE || rider->has_what_it_wanted, "arrived with nothing");
    require(outcome == POOL__DONE || outcome == POOL__ABANDONED || !rider->served,
            "served twice, or although it had gone");
    require(outcome != POOL__ABANDONED || pool__now_ns() >= rider->waiter.abandon_ns, "left early");
    if (outcome != POOL__GRANTED)
        return;
    w.borrows++;
    own(self, rider->waiter.slot);
    give_back(self, (struct held){rider->waiter.slot, (uint32_t)rider->waiter.generation});
}

static void rides_or_borrows(unsigned self)
{
    ride_or_borrow(self, POOL__FOREVER, POOL__FOREVER);
}

static void rides_or_borrows_for_a_while(unsigned self)
{
    ride_or_borrow(self, 1000 + self, POOL__FOREVER);
}

static void rides_for_a_while(unsigned self)
{
    ride_or_borrow(self, POOL__FOREVER, 1000 + self);
}

/* A schedule's beginning and end */

static void run_thread(unsigned self)
{
    plan.threads[self](self);
}

static unsigned open_slot(void)
{
    unsigned slot = 0;
    require(pool__slots_reserve_empty(&w.core, &slot), "no empty slot");
    pool__handover_give(&w.core, slot);
    return slot;
}

static void set_up(void)
{
    w = (struct world){0};
    explore_set_clock(CLOCK_NS);
    if (!pool__core_init(&w.core, plan.limit, 8, fair_after_ns))
        abort();
    if (plan.no_queue)
        w.core.queue_limit = 0;
    for (unsigned i = 0; i < plan.held; i++) {
        struct held *held = &w.start[open_slot()];
        require(pool__slots_try_borrow(&w.core, 0, &held->slot, &held->generation), "nothing idle");
        w.owner[held->slot] = plan.shared ? 0 : (plan.hoarded ? 0 : held->slot) + 1;
        w.borrows++;
    }
    for (unsigned i = 0; i < plan.idle; i++)
        open_slot();
}

static void return_what_is_kept(void)
{
    for (unsigned i = 0; i < EXPLORE_THREADS; i++)
        if (w.kept[i].slot)
            give_back(i, (struct held){w.kept[i].slot - 1, w.kept[i].generation});
}

static const char *check_step(void)
{
    return w.core.lock.held ? NULL : core_check(&w.core);
}

static void check(void)
{
    const char *wrong = core_check_at_rest(&w.core);
    require(!wrong, wrong);
    return_what_is_kept();
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&w.core, counts);
    require(counts[POOL__SLOT_IDLE] + counts[POOL__SLOT_EMPTY] == plan.limit, "a slot was lost");
    bool evicted = plan.evicted || (plan.evicted_if_seen && w.seen_busy);
    require(counts[POOL__SLOT_IDLE] == plan.limit || plan.may_end_closed || evicted,
            "a slot was closed");
    require(!evicted || w.closes == 1, "not closed exactly once");
    require(atomic_load(&w.core.waiting) == 0, "waiters are counted that have gone");
    require(pool__queue_oldest_ns(&w.core) == POOL__FOREVER, "a waiter was left in the queue");
    require(w.borrows == w.returns, "borrows and returns differ");
    require(w.woken == w.callback_is_due, "a callback ran too often or not at all");
    for (unsigned i = 0; i < EXPLORE_THREADS; i++)
        require(w.riders[i].served <= 1, "somebody was served twice");
    unsigned slot;
    uint32_t generation;
    for (unsigned i = 0; i < counts[POOL__SLOT_IDLE]; i++)
        require(pool__slots_try_borrow(&w.core, 0, &slot, &generation),
                "an idle slot is not found");
}

static void tear_down(void)
{
    pool__core_fini(&w.core);
}

static unsigned preemptions(unsigned wanted)
{
    const char *more = getenv("MYPOOL_EXPLORE_MORE");
    return wanted + (more && *more == '1') - FEWER;
}

/* Runs the plan with strict hand-over, with waiters who have waited long enough, and
 * with waiters who have not; `must_see` has to come up. */
static void explore_plan(const char *name, unsigned interruptions, unsigned must_see)
{
    static const uint64_t fairness[] = {0, CLOCK_NS / 2, UINT64_MAX};
    struct explore_scenario scenario = {.preemptions = preemptions(interruptions),
                                        .setup = set_up,
                                        .thread = run_thread,
                                        .step = check_step,
                                        .check = check,
                                        .teardown = tear_down};
    struct explore_result result;
    while (scenario.threads < EXPLORE_THREADS && plan.threads[scenario.threads])
        scenario.threads++;
    seen = 0;
    for (unsigned i = 0; i < sizeof fairness / sizeof fairness[0]; i++) {
        fair_after_ns = fairness[i];
        explore(&scenario, &result);
        print_message("%9llu schedules, fair after %s: %s\n", (unsigned long long)result.schedules,
                      i == 0   ? "nothing"
                      : i == 1 ? "a while"
                               : "ever  ",
                      name);
        if (!result.passed && getenv("MYPOOL_EXPLORE_STOP"))
            exit(1);
        if (!result.passed)
            fail_msg("%s", result.text);
    }
    if (FEWER == 0)
        assert_int_equal(seen & must_see, must_see);
}

#define EXPLORE(interruptions, must_see, ...)                                                      \
    do {                                                                                           \
        plan = (__typeof__(plan)){__VA_ARGS__};                                                    \
        explore_plan(__func__, interruptions, must_see);                                           \
    } while (0)

/* Borrow and return */

static void two_threads_share_one_slot(void **state)
{
    (void)state;
    EXPLORE(4, SEEN_GRANT | SEEN_FIRST_TRY | SEEN_QUICK | SEEN_LONG, .limit = 1, .idle = 1,
            .threads = {borrows_twice, borrows_twice});
}

static void three_threads_share_one_slot(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_LONG, .limit = 1, .idle = 1,
            .threads = {borrows_once, borrows_once, borrows_once});
}

static void calls_and_borrows_share_one_slot(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT, .limit = 1, .idle = 1,
            .threads = {borrows_for_a_call, borrows_once, borrows_for_a_call});
}

static void three_threads_share_two_slots(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT | SEEN_QUICK, .limit = 2, .idle = 2,
            .threads = {borrows_twice, borrows_twice, borrows_once});
}

static void two_returns_serve_a_waiter(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_FIRST_TRY, .limit = 2, .held = 2,
            .threads = {returns_slot_0, returns_slot_1, borrows_once});
}

static void two_returns_by_one_thread_serve_two_waiters(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT, .limit = 2, .held = 2, .hoarded = true,
            .threads = {returns_both, borrows_and_keeps, borrows_and_keeps});
}

static void a_return_and_a_hand_over_serve_two_waiters(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT, .limit = 2, .held = 2, .hoarded = true,
            .threads = {returns_one_gives_the_other, borrows_and_keeps, borrows_and_keeps});
}

static void one_who_is_there_again_takes_no_slot_from_one_who_was_nudged(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT, .limit = 2, .held = 2, .hoarded = true,
            .threads = {returns_both, borrows_and_keeps, borrows_again_and_keeps});
}

/* Each of them has the only slot for a moment, and is no caller. */
static void a_lone_caller_is_not_refused_for_what_the_pool_does(void **state)
{
    (void)state;
    EXPLORE(5, SEEN_GRANT | SEEN_FIRST_TRY, .limit = 1, .idle = 1, .no_queue = true,
            .threads = {pings_slot_0_if_idle, borrows_once});
    assert_false(seen & SEEN_REFUSED);
    EXPLORE(5, SEEN_GRANT, .limit = 1, .no_queue = true,
            .threads = {opens_all_that_is_empty, borrows_once});
    assert_false(seen & SEEN_REFUSED);
    EXPLORE(5, SEEN_GRANT | SEEN_EVICTED, .limit = 1, .idle = 1, .no_queue = true, .evicted = true,
            .may_end_closed = true, .threads = {evicts_slot_0_and_opens, borrows_once});
    assert_false(seen & SEEN_REFUSED);
}

static void a_timeout_leaves_the_slot_to_one_who_keeps_it(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_TIMEOUT, .limit = 1, .held = 1,
            .threads = {returns_slot_0, borrows_for_a_while, borrows_and_keeps});
}

static void failing_the_older_leaves_the_slot_to_the_younger(void **state)
{
    (void)state;
    EXPLORE(
        3, SEEN_GRANT | SEEN_FAILED, .limit = 1, .held = 1,
        .threads = {returns_slot_0_and_fails_the_older, borrows_for_a_while, borrows_and_keeps});
}

/* The map says idle and is wrong, while the return that makes it right is under way. */
static void clearing_a_wrong_bit_hides_no_return(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_QUICK, .limit = 1, .held = 1,
            .threads = {returns_slot_0, borrows_once, tries_once});
}

/* The bit stays wrong between clearing and second look: whoever comes then must not wait. */
static void a_failed_try_hides_no_return(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_FIRST_TRY | SEEN_QUICK, .limit = 1, .held = 1,
            .threads = {returns_slot_0, tries_once, tries_once});
}

/* Timeouts */

static void a_grant_and_a_timeout_have_one_winner(void **state)
{
    (void)state;
    EXPLORE(5, SEEN_GRANT | SEEN_TIMEOUT, .limit = 1, .held = 1,
            .threads = {returns_slot_0, borrows_for_a_while});
}

static void a_timeout_passes_the_slot_to_the_next(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_TIMEOUT, .limit = 1, .held = 1,
            .threads = {returns_slot_0, borrows_for_a_while, borrows_once});
}

static void two_timeouts_lose_no_slot(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT | SEEN_TIMEOUT, .limit = 1, .held = 1,
            .threads = {gives_slot_0, borrows_for_a_while, borrows_for_a_while});
}

static void a_callback_runs_once_without_the_lock_or_not_at_all(void **state)
{
    (void)state;
    EXPLORE(4, SEEN_GRANT | SEEN_TIMEOUT, .limit = 1, .held = 1,
            .threads = {returns_slot_0, waits_by_callback_then_abandons});
}

static void failing_the_waiters_races_with_a_return_and_a_timeout(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_TIMEOUT | SEEN_FAILED, .limit = 1, .held = 1,
            .threads = {returns_slot_0, borrows_for_a_while, fails_waiters});
}

/* Eviction */

static void an_evicted_slot_is_closed_once_by_returner_or_evictor(void **state)
{
    (void)state;
    EXPLORE(6, SEEN_CLOSE | SEEN_EVICTED, .limit = 1, .held = 1, .evicted = true,
            .threads = {returns_slot_0, evicts_slot_0});
}

/* Back before the eviction comes, and perhaps lent again. */
static void a_slot_that_was_seen_busy_is_closed_once_wherever_it_is(void **state)
{
    (void)state;
    EXPLORE(4, SEEN_BUSY | SEEN_CLOSE | SEEN_EVICTED, .limit = 1, .held = 1,
            .evicted_if_seen = true,
            .threads = {returns_slot_0, evicts_slot_0_once_seen_busy, tries_once});
}

static void an_eviction_during_a_call_is_remembered(void **state)
{
    (void)state;
    EXPLORE(6, SEEN_CLOSE | SEEN_EVICTED, .limit = 1, .held = 1, .evicted = true,
            .threads = {runs_a_call_and_returns_slot_0, evicts_slot_0});
}

static void an_eviction_before_a_chore_is_remembered(void **state)
{
    (void)state;
    EXPLORE(6, SEEN_CLOSE | SEEN_EVICTED, .limit = 1, .held = 1, .evicted = true,
            .threads = {returns_through_a_chore, evicts_slot_0});
}

static void an_eviction_during_a_ping_is_remembered(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_CLOSE | SEEN_EVICTED, .limit = 1, .idle = 1, .evicted = true,
            .threads = {pings_slot_0_if_idle, evicts_slot_0, tries_once});
}

static void an_eviction_leaves_no_waiter_behind(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_CLOSE | SEEN_EVICTED | SEEN_GRANT, .limit = 1, .held = 1, .evicted = true,
            .threads = {returns_slot_0_and_opens, evicts_slot_0_and_opens, borrows_once});
}

static void a_replaced_connection_serves_the_waiters(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT, .limit = 1, .held = 1,
            .threads = {replaces_slot_0, borrows_once, borrows_once});
}

static void two_openers_share_the_empty_slots(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT, .limit = 2,
            .threads = {opens_all_that_is_empty, opens_all_that_is_empty, borrows_once});
}

static void a_ping_leaves_no_waiter_behind(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT, .limit = 1, .idle = 1,
            .threads = {pings_slot_0_if_idle, borrows_once, borrows_once});
}

/* Tickets */

static void one_of_two_releases_of_a_ticket_succeeds(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_STALE | SEEN_GRANT, .limit = 1, .held = 1, .shared = true,
            .threads = {releases_the_shared_ticket, releases_the_shared_ticket, borrows_once});
}

static void a_release_and_a_call_exclude_each_other(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_STALE | SEEN_RUNNING, .limit = 1, .held = 1, .shared = true,
            .threads = {releases_the_shared_ticket, gives_by_the_shared_ticket, borrows_once});
}

static void an_old_ticket_never_works_on_a_later_borrow(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_STALE | SEEN_GRANT | SEEN_FIRST_TRY, .limit = 1, .held = 1,
            .threads = {claims_with_an_old_ticket, borrows_once, borrows_once});
}

/* Riders */

static void a_waiter_is_taken_along_or_served_and_never_both(void **state)
{
    (void)state;
    EXPLORE(4, SEEN_GRANT | SEEN_ARRIVED | SEEN_ALONE, .limit = 1, .held = 1,
            .threads = {leads_and_gives_slot_0, rides_or_borrows});
}

static void boarding_and_a_timeout_have_one_winner(void **state)
{
    (void)state;
    EXPLORE(4, SEEN_GRANT | SEEN_ARRIVED | SEEN_TIMEOUT | SEEN_LEFT, .limit = 1, .held = 1,
            .threads = {leads_and_gives_slot_0, rides_or_borrows_for_a_while});
}

static void a_rider_arrives_or_leaves_whether_it_is_held_or_not(void **state)
{
    (void)state;
    EXPLORE(4, SEEN_GRANT | SEEN_ARRIVED | SEEN_LEFT, .limit = 1, .held = 1,
            .threads = {leads_twice_and_gives_slot_0, rides_for_a_while});
}

static void boarding_takes_no_wake_up_from_who_waits_behind(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT | SEEN_ARRIVED, .limit = 1, .held = 1,
            .threads = {leads_and_gives_slot_0, rides_or_borrows_for_a_while, borrows_and_keeps});
}

static void boarding_and_a_return_serve_two_waiters(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT | SEEN_ARRIVED, .limit = 2, .held = 2,
            .threads = {leads_and_gives_slot_0, returns_slot_1, rides_or_borrows});
}

static void two_riders_are_served_once_each(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT | SEEN_ARRIVED | SEEN_LEFT, .limit = 1, .held = 1,
            .threads = {leads_twice_and_gives_slot_0, rides_or_borrows, rides_for_a_while});
}

static void shutting_leaves_those_aboard_alone(void **state)
{
    (void)state;
    EXPLORE(2, SEEN_GRANT | SEEN_ARRIVED | SEEN_SHUT, .limit = 1, .held = 1,
            .threads = {leads_and_gives_slot_0, rides_or_borrows, shuts});
}

/* The end */

static void shutting_grants_or_fails_every_waiter(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_SHUT | SEEN_FIRST_TRY, .limit = 1, .held = 1,
            .threads = {returns_slot_0, borrows_once, shuts});
}

static void shutting_fails_many_waiters_beside_a_timeout(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_SHUT | SEEN_TIMEOUT, .limit = 1, .may_end_closed = true,
            .threads = {shuts, borrows_once, borrows_for_a_while});
}

static void the_end_closes_what_no_borrower_has(void **state)
{
    (void)state;
    EXPLORE(3, SEEN_GRANT | SEEN_SHUT, .limit = 1, .held = 1, .may_end_closed = true,
            .threads = {returns_slot_0, borrows_once, shuts_and_closes_idle});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_share_one_slot),
        cmocka_unit_test(three_threads_share_one_slot),
        cmocka_unit_test(calls_and_borrows_share_one_slot),
        cmocka_unit_test(three_threads_share_two_slots),
        cmocka_unit_test(two_returns_serve_a_waiter),
        cmocka_unit_test(two_returns_by_one_thread_serve_two_waiters),
        cmocka_unit_test(a_return_and_a_hand_over_serve_two_waiters),
        cmocka_unit_test(one_who_is_there_again_takes_no_slot_from_one_who_was_nudged),
        cmocka_unit_test(a_lone_caller_is_not_refused_for_what_the_pool_does),
        cmocka_unit_test(a_timeout_leaves_the_slot_to_one_who_keeps_it),
        cmocka_unit_test(failing_the_older_leaves_the_slot_to_the_younger),
        cmocka_unit_test(clearing_a_wrong_bit_hides_no_return),
        cmocka_unit_test(a_failed_try_hides_no_return),
        cmocka_unit_test(a_grant_and_a_timeout_have_one_winner),
        cmocka_unit_test(a_timeout_passes_the_slot_to_the_next),
        cmocka_unit_test(two_timeouts_lose_no_slot),
        cmocka_unit_test(a_callback_runs_once_without_the_lock_or_not_at_all),
        cmocka_unit_test(failing_the_waiters_races_with_a_return_and_a_timeout),
        cmocka_unit_test(an_evicted_slot_is_closed_once_by_returner_or_evictor),
        cmocka_unit_test(a_slot_that_was_seen_busy_is_closed_once_wherever_it_is),
        cmocka_unit_test(an_eviction_during_a_call_is_remembered),
        cmocka_unit_test(an_eviction_before_a_chore_is_remembered),
        cmocka_unit_test(an_eviction_during_a_ping_is_remembered),
        cmocka_unit_test(an_eviction_leaves_no_waiter_behind),
        cmocka_unit_test(a_replaced_connection_serves_the_waiters),
        cmocka_unit_test(two_openers_share_the_empty_slots),
        cmocka_unit_test(a_ping_leaves_no_waiter_behind),
        cmocka_unit_test(one_of_two_releases_of_a_ticket_succeeds),
        cmocka_unit_test(a_release_and_a_call_exclude_each_other),
        cmocka_unit_test(an_old_ticket_never_works_on_a_later_borrow),
        cmocka_unit_test(a_waiter_is_taken_along_or_served_and_never_both),
        cmocka_unit_test(boarding_and_a_timeout_have_one_winner),
        cmocka_unit_test(a_rider_arrives_or_leaves_whether_it_is_held_or_not),
        cmocka_unit_test(boarding_takes_no_wake_up_from_who_waits_behind),
        cmocka_unit_test(boarding_and_a_return_serve_two_waiters),
        cmocka_unit_test(two_riders_are_served_once_each),
        cmocka_unit_test(shutting_leaves_those_aboard_alone),
        cmocka_unit_test(shutting_grants_or_fails_every_waiter),
        cmocka_unit_test(shutting_fails_many_waiters_beside_a_timeout),
        cmocka_unit_test(the_end_closes_what_no_borrower_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
