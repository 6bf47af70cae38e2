/*
 * Threads are fibers on one real thread, so nothing here is atomic but the core. `seen` collects
 * over all schedules of a scenario what has come up in any of them.
 */
#include "explore_world.h"

#include "core_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

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

struct plan plan;

static uint64_t fair_after_ns;

unsigned seen;

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
        [POOL__QUEUE_GRANTED] = SEEN_GRANT, [POOL__QUEUE_TIMED_OUT] = SEEN_TIMEOUT,
        [POOL__QUEUE_SHUT] = SEEN_SHUT,     [POOL__QUEUE_FAILED] = SEEN_FAILED,
        [POOL__QUEUE_FULL] = SEEN_REFUSED,
    };
    if (pool__slots_try_borrow(&w.core, flags, &ret_held->slot, &ret_held->generation)) {
        seen |= SEEN_FIRST_TRY;
    } else {
        struct pool__waiter waiter = {
            .flags = flags, .enqueued_ns = self, .deadline_ns = deadline_ns};
        enum pool__queue_result outcome = pool__queue_enter(&w.core, &waiter);
        if (outcome == POOL__QUEUE_PENDING)
            outcome = pool__queue_wait(&w.core, &waiter);
        seen |= bits[outcome];
        require(outcome != POOL__QUEUE_TIMED_OUT || pool__now_ns() >= deadline_ns,
                "timed out early");
        if (outcome != POOL__QUEUE_GRANTED)
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

void borrows_once(unsigned self)
{
    struct held held;
    if (borrow_until(self, POOL__FOREVER, &held))
        give_back(self, held);
}

void borrows_and_keeps(unsigned self)
{
    struct held held;
    if (borrow_until(self, POOL__FOREVER, &held))
        w.kept[self] = (struct held){held.slot + 1, held.generation};
}

void borrows_again_and_keeps(unsigned self)
{
    struct pool__waiter waiter = {.again = true, .enqueued_ns = self, .deadline_ns = POOL__FOREVER};
    enum pool__queue_result outcome = pool__queue_enter(&w.core, &waiter);
    if (outcome == POOL__QUEUE_PENDING)
        outcome = pool__queue_wait(&w.core, &waiter);
    require(outcome == POOL__QUEUE_GRANTED, "no slot for one who was there before");
    w.borrows++;
    own(self, waiter.slot);
    w.kept[self] = (struct held){waiter.slot + 1, (uint32_t)waiter.generation};
}

void borrows_twice(unsigned self)
{
    borrows_once(self);
    borrows_once(self);
}

void borrows_for_a_call(unsigned self)
{
    struct held held;
    if (!borrow_flagged(self, POOL__SLOT_CLAIMED, POOL__FOREVER, &held))
        return;
    if (pool__slots_claim(&w.core, held.slot, held.generation) != POOL__CLAIM_IN_USE)
        explore_fail("a borrow for a call is not marked as running one");
    give(self, held.slot);
}

void borrows_for_a_while(unsigned self)
{
    struct held held;
    if (borrow_until(self, 1000 + self, &held))
        give_back(self, held);
}

void tries_once(unsigned self)
{
    struct held held;
    if (!pool__slots_try_borrow(&w.core, 0, &held.slot, &held.generation))
        return;
    seen |= SEEN_FIRST_TRY;
    w.borrows++;
    own(self, held.slot);
    give_back(self, held);
}

void returns_slot_0(unsigned self)
{
    give_back(self, w.start[0]);
}

void returns_slot_1(unsigned self)
{
    give_back(self, w.start[1]);
}

void gives_slot_0(unsigned self)
{
    require(pool__slots_claim(&w.core, 0, w.start[0].generation) == POOL__CLAIM_MADE, "no claim");
    give(self, 0);
}

void returns_both(unsigned self)
{
    give_back(self, w.start[0]);
    give_back(self, w.start[1]);
}

void returns_one_gives_the_other(unsigned self)
{
    give_back(self, w.start[0]);
    require(pool__slots_claim(&w.core, 1, w.start[1].generation) == POOL__CLAIM_MADE, "no claim");
    give(self, 1);
}

void runs_a_call_and_returns_slot_0(unsigned self)
{
    uint32_t generation = w.start[0].generation;
    require(pool__slots_claim(&w.core, 0, generation) == POOL__CLAIM_MADE, "no claim");
    pool__slots_unclaim(&w.core, 0, false);
    give_back(self, w.start[0]);
}

void returns_through_a_chore(unsigned self)
{
    pool__slots_to_chore(&w.core, 0);
    give(self, 0);
}

void evicts_slot_0(unsigned self)
{
    if (!pool__slots_evict(&w.core, 0))
        return;
    seen |= SEEN_EVICTED;
    close_slot(self, 0);
}

void evicts_slot_0_once_seen_busy(unsigned self)
{
    pool__explore_point();
    uint64_t word = atomic_load(&w.core.slots[0].word);
    if (pool__slot_state_of(word) != POOL__SLOT_BUSY)
        return;
    w.seen_busy = true;
    seen |= SEEN_BUSY;
    evicts_slot_0(self);
}

void pings_slot_0_if_idle(unsigned self)
{
    if (!pool__slots_reserve_idle(&w.core, 0))
        return;
    own(self, 0);
    w.borrows++; /* for the balance; the core does not count it */
    give(self, 0);
}

void opens_all_that_is_empty(unsigned self)
{
    unsigned slot;
    while (pool__slots_reserve_empty(&w.core, &slot)) {
        own(self, slot);
        w.borrows++;
        give(self, slot);
    }
}

void replaces_slot_0(unsigned self)
{
    disown(self, 0);
    w.returns++;
    pool__slots_to_chore(&w.core, 0);
    close_slot(self, 0);
    opens_all_that_is_empty(self);
}

void evicts_slot_0_and_opens(unsigned self)
{
    evicts_slot_0(self);
    opens_all_that_is_empty(self);
}

void returns_slot_0_and_opens(unsigned self)
{
    give_back(self, w.start[0]);
    opens_all_that_is_empty(self);
}

void shuts(unsigned self)
{
    (void)self;
    pool__queue_shut(&w.core);
}

void shuts_and_closes_idle(unsigned self)
{
    shuts(self);
    for (unsigned slot = 0; slot < w.core.limit; slot++)
        if (pool__slots_reserve_idle(&w.core, slot))
            close_slot(self, slot);
}

void fails_waiters(unsigned self)
{
    (void)self;
    pool__queue_fail_waiters(&w.core, POOL__QUEUE_FAILED, POOL__FOREVER);
}

void returns_slot_0_and_fails_the_older(unsigned self)
{
    give_back(self, w.start[0]);
    pool__queue_fail_waiters(&w.core, POOL__QUEUE_FAILED, 1);
}

void releases_the_shared_ticket(unsigned self)
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

void gives_by_the_shared_ticket(unsigned self)
{
    if (pool__slots_claim(&w.core, 0, w.start[0].generation) != POOL__CLAIM_MADE)
        return;
    own(self, 0);
    give(self, 0);
}

void claims_with_an_old_ticket(unsigned self)
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
    require(pool__waiter_state(waiter) != POOL__WAITER_WAITING, "woken for nothing");
    w.woken++;
}

void waits_by_callback_then_abandons(unsigned self)
{
    w.callback = (struct pool__waiter){.deadline_ns = POOL__FOREVER, .wake = count_wake};
    enum pool__queue_result outcome = pool__queue_enter(&w.core, &w.callback);
    bool queued = outcome == POOL__QUEUE_PENDING;
    if (queued)
        outcome = pool__queue_leave(&w.core, &w.callback);
    seen |= outcome == POOL__QUEUE_GRANTED ? SEEN_GRANT : SEEN_TIMEOUT;
    w.callback_is_due = queued && outcome != POOL__QUEUE_TIMED_OUT;
    if (outcome != POOL__QUEUE_GRANTED)
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
    require(pool__waiter_state(waiter) == POOL__WAITER_WAITING,
            "somebody else's waiter was offered");
    return true;
}

static void carry(struct pool__waiter *waiter, bool again, struct pool__wakes *wakes)
{
    struct rider *rider = POOL__ENTRY(waiter, struct rider, waiter);
    pool__waiter_sent(waiter);
    pool__explore_point();
    if (again && pool__waiter_hold(waiter)) {
        require(pool__waiter_state(waiter) == POOL__WAITER_TAKEN, "one who is held has left");
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

void leads_and_gives_slot_0(unsigned self)
{
    require(pool__slots_claim(&w.core, 0, w.start[0].generation) == POOL__CLAIM_MADE, "no claim");
    lead_on_slot_0(false);
    give(self, 0);
}

void leads_twice_and_gives_slot_0(unsigned self)
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
    enum pool__queue_result outcome = pool__queue_enter(&w.core, &rider->waiter);
    if (outcome == POOL__QUEUE_PENDING)
        outcome = pool__queue_wait(&w.core, &rider->waiter);
    seen |= outcome == POOL__QUEUE_DONE        ? SEEN_ARRIVED
            : outcome == POOL__QUEUE_ABANDONED ? SEEN_LEFT
                                               : 0;
    seen |= outcome == POOL__QUEUE_GRANTED     ? SEEN_GRANT
            : outcome == POOL__QUEUE_TIMED_OUT ? SEEN_TIMEOUT
                                               : 0;
    seen |= outcome == POOL__QUEUE_SHUT ? SEEN_SHUT : 0;
    require(outcome != POOL__QUEUE_DONE || rider->has_what_it_wanted, "arrived with nothing");
    require(outcome == POOL__QUEUE_DONE || outcome == POOL__QUEUE_ABANDONED || !rider->served,
            "served twice, or although it had gone");
    require(outcome != POOL__QUEUE_ABANDONED || pool__now_ns() >= rider->waiter.abandon_ns,
            "left early");
    if (outcome != POOL__QUEUE_GRANTED)
        return;
    w.borrows++;
    own(self, rider->waiter.slot);
    give_back(self, (struct held){rider->waiter.slot, (uint32_t)rider->waiter.generation});
}

void rides_or_borrows(unsigned self)
{
    ride_or_borrow(self, POOL__FOREVER, POOL__FOREVER);
}

void rides_or_borrows_for_a_while(unsigned self)
{
    ride_or_borrow(self, 1000 + self, POOL__FOREVER);
}

void rides_for_a_while(unsigned self)
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

void explore_plan(const char *name, unsigned interruptions, unsigned must_see)
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
