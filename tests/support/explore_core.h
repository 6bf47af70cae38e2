/*
 * A scheduler that tries every interleaving of a few short threads.
 *
 * The threads are fibers on one real thread. At each step between threads that
 * pool/base/sync.h announces (POOL__EXPLORE) the scheduler chooses who goes on; it runs the
 * scenario again and again until all choices are spent, depth first. As in CHESS, the
 * number of times that it may interrupt a thread which could have gone on is bounded:
 * nearly all faults need two or three. A thread that is parked with a deadline may be
 * chosen too: then the clock, which nothing else moves, jumps to that deadline. It is not
 * chosen so twice in a row if somebody else can go on.
 *
 * A schedule fails if a thread calls explore_fail, if no thread can go on before all
 * have finished (a lost wake-up, or a deadlock), or if one never ends.
 */
#ifndef TESTS_EXPLORE_CORE_H
#define TESTS_EXPLORE_CORE_H

#ifndef POOL__EXPLORE
#define POOL__EXPLORE
#endif

#include "base/sync.h"

#define EXPLORE_THREADS 3

struct explore_scenario {
    unsigned threads;
    unsigned preemptions; /* at most, per schedule */
    void (*setup)(void);  /* before each schedule; nothing is interleaved */
    void (*thread)(unsigned self);
    const char *(*step)(void); /* between any two steps: what is wrong, or NULL */
    void (*check)(void);       /* after each schedule in which all threads finished */
    void (*teardown)(void);    /* after each schedule, whatever came of it */
};

struct explore_result {
    uint64_t schedules;
    bool passed;
    char text[1024]; /* what went wrong and in which schedule */
};

/* Runs every schedule of the scenario, or up to the first that fails. */
void explore(const struct explore_scenario *scenario, struct explore_result *ret_result);

/* From a thread or a check: the schedule has failed. Does not return to a thread. */
void explore_fail(const char *what);

/* Moves the clock; for a setup. */
void explore_set_clock(uint64_t now_ns);

/* From a thread: whether it holds a lock, which no callback may see. */
bool explore_holds_lock(void);

#endif
