/*
 * A core under test, without a server and without a pool: waiters that never sleep, which are
 * queued and then looked at, and threads that borrow once.
 *
 * Where somebody has to sleep, such a thread borrows and records what it got; the test waits for
 * that with a deadline and asserts on its own thread. Include cmocka.h first.
 */
#ifndef TESTS_CORES_H
#define TESTS_CORES_H

#include <mypool.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/benches.h"
#include "core/core.h"
#include "core/followers.h"
#include "core/handover.h"
#include "core/queue.h"
#include "core/slots.h"
#include "core/waiter.h"

#define MS POOL__NS_PER_MS
#define PATIENCE_NS (20 * 1000 * MS) /* for what has to come; a slow machine gets there */
#define FAIR_NEVER UINT64_MAX

/* Helpers */

extern struct pool__core core;

unsigned count_of(enum pool__slot_state state);

/* A core of `limit` slots, the first `open` of which are idle. */
void begin_core(unsigned limit, unsigned open, uint64_t fair_after_ns);

int end_core(void **state);
uint32_t borrow_slot(unsigned expected_slot);

/* A waiter that never sleeps: it would be woken through `woken`. */
struct caller {
    struct pool__waiter waiter;
    unsigned woken;
    bool locked; /* whether the lock was held at that moment */
};

void note_wake(struct pool__waiter *waiter);
enum pool__queue_result enqueue(struct caller *caller);
enum pool__queue_result outcome_of(struct caller *caller);
enum pool__waiter_state state_of(struct caller *caller);

/* A thread that borrows once. */
struct borrower {
    pthread_t thread;
    struct pool__waiter waiter;
    unsigned place; /* in the queue */
    enum pool__queue_result outcome;
    uint64_t returned_ns;
    _Atomic bool done;
};

void *run_borrower(void *arg);
bool passes(bool (*condition)(void *), void *arg);
bool is_done(void *borrower);
bool is_in_its_place(void *borrower);
void finish_borrower(struct borrower *b);

#endif
