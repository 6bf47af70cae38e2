/*
 * The core under many threads that do everything at once, in an order that nobody
 * foresees.
 *
 * Whoever has a slot writes its own number into the slot's cell, which is no atomic,
 * and expects it undisturbed until it gives the slot back: two owners would swap it, and
 * the thread sanitizer would see it. Borrowers try, wait, wait for a moment or for ever,
 * release, give, run calls, use old tickets, evict, ping and destroy; some lead, and take
 * those along who would wait and ride; a maintainer opens what was closed. Many times all come to
 * rest, and whoever still waited then would wait for ever: all must arrive, all slots must be idle,
 * the books must balance. At the end the core is shut while all run. Three rounds: strict
 * hand-over, the default, and none.
 *
 * MYPOOL_STRESS_OPS is the number of operations, by default 20 million, or 300 thousand
 * under a sanitizer. `make stress` does a hundred million, about 3 minutes on two busy
 * processors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sched.h>

#include "core/core.h"
#include "core/benches.h"
#include "core/followers.h"
#include "core/handover.h"
#include "core/queue.h"
#include "core/slots.h"
#include "core/waiter.h"
#include "core_check.h"

#define THREADS 6
#define SLOTS 3
#define MAINTAINER THREADS
#define RESTS 200 /* per round */
#define MS POOL__NS_PER_MS
#define REST_NS (60 * 1000 * MS)  /* to come to rest */
#define STALL_NS (60 * 1000 * MS) /* without any progress; the machine may be busy */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DEFAULT_OPS 300000
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define DEFAULT_OPS 300000
#endif
#endif
#ifndef DEFAULT_OPS
#define DEFAULT_OPS 20000000
#endif

/* Written by its own thread, read by the test when all rest, but for `ops`. */
struct stresser {
    _Alignas(128) pthread_t native;
    unsigned self;
    uint64_t random;
    uint64_t acquired;
    uint64_t returned;
    uint64_t outcomes[POOL__QUEUE_RESULTS];
    uint64_t closed;
    uint64_t carried; /* of others */
    _Atomic uint64_t ops;
};

enum phase { RUN, REST, STOP };

static struct {
    struct pool__core core;
    unsigned cells[SLOTS]; /* the owner's number; whose they are says the slot */
    struct stresser threads[THREADS + 1];
    _Atomic uint32_t phase;
    _Atomic uint32_t resting;
    _Atomic bool maintaining;    /* the maintainer may be inside the core */
    _Atomic uint32_t closures;   /* the maintainer parks on it */
    _Atomic(const char *) fault; /* the first that a thread found */
} the;

static void require(bool condition, const char *what)
{
    const char *none = NULL;
    if (!condition)
        atomic_compare_exchange_strong(&the.fault, &none, what);
}

static uint64_t draw(struct stresser *t, uint64_t below)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return (t->random >> 11) % below;
}

/* Having a slot */

static void own(struct stresser *t, unsigned slot)
{
    require(the.cells[slot] == 0, "a slot has two owners");
    the.cells[slot] = t->self + 1;
}

static void disown(struct stresser *t, unsigned slot)
{
    require(the.cells[slot] == t->self + 1, "a slot was taken from its owner");
    the.cells[slot] = 0;
}

static void use(struct stresser *t, unsigned slot)
{
    own(t, slot);
    for (volatile uint64_t i = draw(t, 40); i > 0; i--)
        ;
    if (draw(t, 4096) == 0)
        sched_yield();
    disown(t, slot);
}

/* Taking others along */

/* On the heap: it may outlive the patience of the one who waits. */
struct rider {
    struct pool__waiter waiter;
    _Atomic uint32_t holders;
    unsigned carried; /* by a leader, while the rider is aboard */
};

static void drop(struct rider *rider)
{
    if (atomic_fetch_sub(&rider->holders, 1) == 1)
        free(rider);
}

static bool by_chance(const struct pool__waiter *waiter, void *arg)
{
    (void)waiter;
    return draw(arg, 8) != 0;
}

static void carry(struct stresser *t, struct pool__waiter *waiter, struct pool__wakes *wakes)
{
    struct rider *rider = POOL__ENTRY(waiter, struct rider, waiter);
    t->carried++;
    if (draw(t, 4) == 0 && !pool__waiter_hold(waiter)) {
        require(!pool__followers_done(&the.core, waiter, wakes), "one who has left arrives");
        drop(rider);
        return;
    }
    rider->carried++;
    pool__followers_done(&the.core, waiter, wakes);
    drop(rider);
}

static void lead(struct stresser *t)
{
    struct pool__waiter *aboard[THREADS];
    struct pool__wakes wakes = {0};
    unsigned count =
        pool__followers_take(&the.core, (unsigned)draw(t, THREADS), by_chance, t, aboard);
    for (unsigned i = 0; i < count; i++)
        atomic_fetch_add(&POOL__ENTRY(aboard[i], struct rider, waiter)->holders, 1);
    for (unsigned i = 0; i < count; i++)
        pool__waiter_sent(aboard[i]);
    for (volatile uint64_t i = draw(t, 400); i > 0; i--)
        ;
    for (unsigned i = 0; i < count; i++)
        carry(t, aboard[i], &wakes);
    pool__benches_wake(&the.core, &wakes);
}

/* Giving it back */

static void close_slot(struct stresser *t, unsigned slot)
{
    use(t, slot);
    t->closed++;
    pool__slots_to_closing(&the.core, slot);
    pool__slots_to_empty(&the.core, slot);
    atomic_fetch_add(&the.closures, 1);
    pool__unpark(&the.closures);
}

static void give(struct stresser *t, unsigned slot)
{
    if (!pool__handover_give(&the.core, slot))
        close_slot(t, slot);
}

static void release(struct stresser *t, unsigned slot, uint32_t generation)
{
    enum pool__claim claim = pool__handover_release(&the.core, slot, generation);
    require(claim == POOL__CLAIM_RELEASED || claim == POOL__CLAIM_MADE,
            "a good ticket was refused");
    if (claim == POOL__CLAIM_MADE) {
        use(t, slot);
        give(t, slot);
    }
    if (draw(t, 16) == 0)
        require(pool__handover_release(&the.core, slot, generation) == POOL__CLAIM_STALE,
                "an old ticket was accepted");
}

static void run_call(struct stresser *t, unsigned slot, uint32_t generation)
{
    require(pool__slots_claim(&the.core, slot, generation) == POOL__CLAIM_MADE, "no claim");
    use(t, slot);
    pool__slots_unclaim(&the.core, slot, draw(t, 4) == 0);
}

static void give_back(struct stresser *t, unsigned slot, uint32_t generation, uint64_t flags)
{
    t->returned++;
    uint64_t way = draw(t, 128);
    if (way == 0) {
        pool__slots_to_chore(&the.core, slot);
        close_slot(t, slot);
    } else if (way < 4) {
        pool__slots_to_chore(&the.core, slot);
        use(t, slot);
        give(t, slot);
    } else if (flags & POOL__SLOT_CLAIMED) {
        give(t, slot);
    } else {
        if (way < 32)
            run_call(t, slot, generation);
        release(t, slot, generation);
    }
}

/* What a borrower does */

static uint64_t some_deadline(struct stresser *t)
{
    static const uint64_t most_us[] = {1, 20, 200};
    uint64_t kind = draw(t, 8);
    return kind < 3 ? pool__now_ns() + draw(t, most_us[kind] * 1000) : POOL__FOREVER;
}

static enum pool__queue_result wait_in_queue(struct pool__waiter *waiter)
{
    enum pool__queue_result outcome = pool__queue_enter(&the.core, waiter);
    return outcome == POOL__QUEUE_PENDING ? pool__queue_wait(&the.core, waiter) : outcome;
}

/* Waits for a slot, or rides on somebody else's. */
static enum pool__queue_result wait_or_ride(struct stresser *t, struct pool__waiter *ret_waiter)
{
    struct rider *rider = malloc(sizeof *rider);
    if (!rider)
        abort();
    *rider = (struct rider){.waiter = *ret_waiter};
    rider->waiter.may_follow = true;
    rider->waiter.follow_ns = draw(t, 2) ? draw(t, 50 * 1000) : POOL__FOREVER;
    rider->waiter.follow_deadline_ns = ret_waiter->deadline_ns;
    atomic_init(&rider->holders, 1);
    enum pool__queue_result outcome = wait_in_queue(&rider->waiter);
    require(outcome == POOL__QUEUE_DONE ? rider->carried == 1
                                        : outcome == POOL__QUEUE_ABANDONED || rider->carried == 0,
            "arrived without having been carried, or was carried and did not arrive");
    require(outcome != POOL__QUEUE_ABANDONED || pool__now_ns() >= rider->waiter.abandon_ns,
            "left early");
    ret_waiter->slot = rider->waiter.slot;
    ret_waiter->generation = rider->waiter.generation;
    drop(rider);
    return outcome;
}

static bool wait_for_slot(struct stresser *t, uint64_t flags, unsigned *ret_slot,
                          uint32_t *ret_generation)
{
    struct pool__waiter waiter = {
        .flags = flags, .enqueued_ns = pool__now_ns(), .deadline_ns = some_deadline(t)};
    enum pool__queue_result outcome =
        draw(t, 2) ? wait_or_ride(t, &waiter) : wait_in_queue(&waiter);
    t->outcomes[outcome]++;
    require(outcome == POOL__QUEUE_GRANTED || outcome == POOL__QUEUE_TIMED_OUT ||
                outcome == POOL__QUEUE_SHUT || outcome == POOL__QUEUE_FAILED ||
                outcome == POOL__QUEUE_DONE || outcome == POOL__QUEUE_ABANDONED,
            "a strange outcome");
    *ret_slot = waiter.slot;
    *ret_generation = (uint32_t)waiter.generation;
    return outcome == POOL__QUEUE_GRANTED;
}

static void borrow_and_return(struct stresser *t)
{
    unsigned slot;
    uint32_t generation;
    uint64_t flags = draw(t, 2) ? POOL__SLOT_CLAIMED : 0;
    if (!pool__slots_try_borrow(&the.core, flags, &slot, &generation) &&
        (draw(t, 4) == 0 || !wait_for_slot(t, flags, &slot, &generation)))
        return;
    t->acquired++;
    use(t, slot);
    if (draw(t, 3) == 0)
        lead(t);
    give_back(t, slot, generation, flags);
}

static void operate(struct stresser *t)
{
    unsigned slot = (unsigned)draw(t, SLOTS);
    uint64_t kind = draw(t, 256);
    if (kind == 0 && pool__slots_evict(&the.core, slot)) {
        close_slot(t, slot);
    } else if (kind == 1 && pool__slots_reserve_idle(&the.core, slot)) {
        use(t, slot);
        give(t, slot);
    } else if (kind == 2 && draw(t, 8) == 0) {
        pool__queue_fail_waiters(&the.core, POOL__QUEUE_FAILED, pool__now_ns() - draw(t, MS));
    } else {
        borrow_and_return(t);
    }
    uint64_t ops = atomic_load_explicit(&t->ops, memory_order_relaxed);
    atomic_store_explicit(&t->ops, ops + 1, memory_order_relaxed);
}

/* Threads */

static void rest(void)
{
    atomic_fetch_add(&the.resting, 1);
    while (atomic_load(&the.phase) == REST)
        pool__park(&the.phase, REST, pool__now_ns() + 100 * MS);
    atomic_fetch_sub(&the.resting, 1);
}

static void *run_borrower(void *arg)
{
    struct stresser *t = arg;
    uint32_t phase;
    while ((phase = atomic_load(&the.phase)) != STOP)
        if (phase == REST)
            rest();
        else
            operate(t);
    return NULL;
}

static void *run_maintainer(void *arg)
{
    struct stresser *t = arg;
    unsigned slot;
    while (atomic_load(&the.phase) != STOP) {
        uint32_t closures = atomic_load(&the.closures);
        atomic_store(&the.maintaining, true);
        while (pool__slots_reserve_empty(&the.core, &slot)) {
            use(t, slot);
            give(t, slot);
        }
        atomic_store(&the.maintaining, false);
        pool__park(&the.closures, closures, pool__now_ns() + 5 * MS);
    }
    return NULL;
}

static void start(uint64_t fair_after_ns)
{
    assert_true(pool__core_init(&the.core, SLOTS, 1000, fair_after_ns));
    atomic_store(&the.phase, RUN);
    for (unsigned i = 0; i <= THREADS; i++) {
        struct stresser *t = &the.threads[i];
        *t = (struct stresser){.self = i, .random = (i + 1) * UINT64_C(0x9e3779b97f4a7c15)};
        assert_int_equal(
            pthread_create(&t->native, NULL, i == MAINTAINER ? run_maintainer : run_borrower, t),
            0);
    }
}

static void stop(void)
{
    atomic_store(&the.phase, STOP);
    for (unsigned i = 0; i <= THREADS; i++)
        pthread_join(the.threads[i].native, NULL);
}

/* What the test looks at */

static uint64_t ops_done(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < THREADS; i++)
        sum += atomic_load_explicit(&the.threads[i].ops, memory_order_relaxed);
    return sum;
}

/* Waits until so many operations are done, as long as there is progress. */
static void await_ops(uint64_t goal)
{
    uint64_t last = 0, done;
    uint64_t since_ns = pool__now_ns();
    while ((done = ops_done()) < goal && !atomic_load(&the.fault)) {
        if (done != last)
            since_ns = pool__now_ns();
        last = done;
        require(pool__now_ns() - since_ns < STALL_NS, "everybody waits");
        sched_yield();
    }
}

static bool at_rest(void)
{
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&the.core, counts);
    /* In this order: when all are idle the maintainer may still be on its way out. */
    return atomic_load(&the.resting) == THREADS && counts[POOL__SLOT_IDLE] == SLOTS &&
           !atomic_load(&the.maintaining);
}

static void await_rest(void)
{
    uint64_t deadline_ns = pool__now_ns() + REST_NS;
    bool rests = at_rest();
    for (; !rests && pool__now_ns() < deadline_ns; rests = at_rest())
        sched_yield();
    require(atomic_load(&the.resting) == THREADS, "somebody waits while slots are idle");
    require(rests, "a slot was lost");
}

static void check_books(void)
{
    uint64_t acquired = 0, returned = 0, used = 0, carried = 0, rode = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        carried += the.threads[i].carried;
        rode += the.threads[i].outcomes[POOL__QUEUE_DONE] +
                the.threads[i].outcomes[POOL__QUEUE_ABANDONED];
        acquired += the.threads[i].acquired;
        returned += the.threads[i].returned;
    }
    for (unsigned i = 0; i < SLOTS; i++)
        used += atomic_load(&the.core.slots[i].uses);
    require(carried == rode, "riders are lost, or were carried twice");
    require(acquired == returned, "borrows and returns differ");
    require(acquired == used, "the core counts other borrows");
    require(atomic_load(&the.core.waiting) == 0, "waiters are counted that have gone");
    require(pool__queue_oldest_ns(&the.core) == POOL__FOREVER, "the queue is not empty");
    const char *wrong = core_check_at_rest(&the.core);
    require(!wrong, wrong);
}

static void come_to_rest(void)
{
    atomic_store(&the.phase, REST);
    await_rest();
    if (!atomic_load(&the.fault))
        check_books();
    atomic_store(&the.phase, RUN);
    for (unsigned i = 0; i < THREADS; i++)
        pool__unpark(&the.phase);
    while (atomic_load(&the.resting) > 0 && !atomic_load(&the.fault))
        sched_yield();
}

static void report(uint64_t started_ns)
{
    uint64_t outcomes[POOL__QUEUE_RESULTS] = {0}, acquired = 0, closed = 0;
    for (unsigned i = 0; i <= THREADS; i++) {
        for (unsigned k = 0; k < POOL__QUEUE_RESULTS; k++)
            outcomes[k] += the.threads[i].outcomes[k];
        acquired += the.threads[i].acquired;
        closed += the.threads[i].closed;
    }
    print_message("%llu operations in %.1f s: %llu borrows, %llu after waiting; %llu timeouts, "
                  "%llu rides, %llu left, %llu closed, %llu shut\n",
                  (unsigned long long)ops_done(), (double)(pool__now_ns() - started_ns) / 1e9,
                  (unsigned long long)acquired, (unsigned long long)outcomes[POOL__QUEUE_GRANTED],
                  (unsigned long long)outcomes[POOL__QUEUE_TIMED_OUT],
                  (unsigned long long)outcomes[POOL__QUEUE_DONE],
                  (unsigned long long)outcomes[POOL__QUEUE_ABANDONED], (unsigned long long)closed,
                  (unsigned long long)outcomes[POOL__QUEUE_SHUT]);
}

static uint64_t ops_wanted(void)
{
    const char *text = getenv("MYPOOL_STRESS_OPS");
    uint64_t ops = text ? strtoull(text, NULL, 10) : 0;
    return ops ? ops : DEFAULT_OPS;
}

static void stress(uint64_t fair_after_ns)
{
    uint64_t share = ops_wanted() / 3;
    uint64_t started_ns = pool__now_ns();
    start(fair_after_ns);
    for (unsigned i = 1; i <= RESTS && !atomic_load(&the.fault); i++) {
        await_ops(share / RESTS * i);
        come_to_rest();
    }
    pool__queue_shut(&the.core);
    await_ops(share + share / 100);
    stop();
    check_books();
    report(started_ns);
    pool__core_fini(&the.core);
    const char *fault = atomic_load(&the.fault);
    if (fault)
        fail_msg("%s", fault);
}

static void strict_hand_over_loses_nothing(void **state)
{
    (void)state;
    stress(0);
}

static void fair_hand_over_loses_nothing(void **state)
{
    (void)state;
    stress(MS);
}

static void free_overtaking_loses_nothing(void **state)
{
    (void)state;
    stress(UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_hand_over_loses_nothing),
        cmocka_unit_test(fair_hand_over_loses_nothing),
        cmocka_unit_test(free_overtaking_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
