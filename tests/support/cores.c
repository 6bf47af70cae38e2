/*
 * There is one core, `core`, which belongs to the test; threads that borrow write into their own
 * struct alone.
 */
#include "cores.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/benches.h"
#include "core/core.h"
#include "core/followers.h"
#include "core/handover.h"
#include "core/queue.h"
#include "core/slots.h"
#include "core/waiter.h"

#include <sched.h>

/* Helpers */

struct pool__core core;

unsigned count_of(enum pool__slot_state state)
{
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&core, counts);
    return counts[state];
}

void begin_core(unsigned limit, unsigned open, uint64_t fair_after_ns)
{
    unsigned slot;
    assert_true(pool__core_init(&core, limit, 100, fair_after_ns));
    for (unsigned i = 0; i < open; i++) {
        assert_true(pool__slots_reserve_empty(&core, &slot));
        assert_true(pool__handover_give(&core, slot));
    }
}

int end_core(void **state)
{
    (void)state;
    pool__core_fini(&core);
    return 0;
}

uint32_t borrow_slot(unsigned expected_slot)
{
    unsigned slot = 0;
    uint32_t generation = 0;
    assert_true(pool__slots_try_borrow(&core, 0, &slot, &generation));
    assert_int_equal(slot, expected_slot);
    return generation;
}

void note_wake(struct pool__waiter *waiter)
{
    struct caller *caller = POOL__ENTRY(waiter, struct caller, waiter);
    caller->woken++;
    caller->locked = pthread_mutex_trylock(&core.lock.native) != 0;
    if (!caller->locked)
        pthread_mutex_unlock(&core.lock.native);
}

enum pool__queue_result enqueue(struct caller *caller)
{
    *caller = (struct caller){
        .waiter = {.enqueued_ns = pool__now_ns(), .deadline_ns = POOL__FOREVER, .wake = note_wake}};
    return pool__queue_enter(&core, &caller->waiter);
}

enum pool__queue_result outcome_of(struct caller *caller)
{
    return pool__waiter_result(&caller->waiter);
}

enum pool__waiter_state state_of(struct caller *caller)
{
    return pool__waiter_state(&caller->waiter);
}

void *run_borrower(void *arg)
{
    struct borrower *b = arg;
    b->waiter.enqueued_ns = pool__now_ns();
    b->outcome = pool__queue_enter(&core, &b->waiter);
    if (b->outcome == POOL__QUEUE_PENDING)
        b->outcome = pool__queue_wait(&core, &b->waiter);
    b->returned_ns = pool__now_ns();
    atomic_store(&b->done, true);
    return NULL;
}

bool passes(bool (*condition)(void *), void *arg)
{
    uint64_t deadline_ns = pool__now_ns() + PATIENCE_NS;
    while (!condition(arg)) {
        if (pool__now_ns() > deadline_ns)
            return false;
        sched_yield();
    }
    return true;
}

bool is_done(void *borrower)
{
    return atomic_load(&((struct borrower *)borrower)->done);
}

bool is_in_its_place(void *borrower)
{
    return atomic_load(&core.waiting) == ((struct borrower *)borrower)->place || is_done(borrower);
}

void finish_borrower(struct borrower *b)
{
    assert_true(passes(is_done, b));
    pthread_join(b->thread, NULL);
}
