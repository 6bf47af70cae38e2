/*
 * The scheduler of explore_core.h: locks, parking and the clock of pool/base/sync.h as
 * scheduling choices, and the depth-first walk over them.
 *
 * A schedule is the list of choices made where there was more than one. The next one
 * has the same list up to the last choice that has an alternative left, takes that, and
 * from there on the first alternative everywhere: to go on with the running thread. So
 * nothing is stored but one list, and a failing schedule can be printed.
 *
 * All state is of one real thread. The sanitizers are told about each switch of stacks.
 */
#include "explore_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif

#ifdef ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define STACK_SIZE (256 * 1024)
#define STEPS 20000 /* of one schedule; more is a livelock */
#define CHOICES 4096
#define NOBODY EXPLORE_THREADS /* the scheduler's own context, after the threads' */

enum status { NEW, READY, LOCKING, PARKED, FINISHED };

struct fiber {
    enum status status;
    ucontext_t context;
    char *stack;
    const struct pool__mutex *mutex; /* LOCKING: that is wanted */
    const void *word;                /* PARKED: on this, */
    uint32_t bits;                   /* under these names */
    uint64_t deadline_ns;
    unsigned locks;  /* held */
    void *sanitizer; /* its fake stack or fiber */
};

struct choice {
    unsigned char taken;
    unsigned char count;
};

static struct {
    const struct explore_scenario *scenario;
    struct explore_result *result;
    struct fiber fibers[EXPLORE_THREADS + 1];
    unsigned running;
    uint64_t clock_ns;
    unsigned preemptions;
    unsigned steps;
    unsigned expired; /* whose deadline passed last, while nobody else has gone on since */
    struct choice choices[CHOICES];
    unsigned made;              /* choices of this schedule so far */
    unsigned replay;            /* of which the first ones are given */
    unsigned char trace[STEPS]; /* who ran at each step */
} the;

/* Switching stacks */

#ifdef ASAN
static const void *main_stack;
static size_t main_stack_size;

static void before_switch(unsigned to)
{
    struct fiber *from = &the.fibers[the.running];
    bool home = to == NOBODY;
    __sanitizer_start_switch_fiber(&from->sanitizer, home ? main_stack : the.fibers[to].stack,
                                   home ? main_stack_size : STACK_SIZE);
}

static void after_switch(unsigned self)
{
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(the.fibers[self].sanitizer, &bottom, &size);
    if (!main_stack) { /* the first switch ever came from there */
        main_stack = bottom;
        main_stack_size = size;
    }
}

static void fresh_fiber(struct fiber *fiber)
{
    fiber->sanitizer = NULL;
}
#elif defined(TSAN)
/* Inlined, because the thread sanitizer counts calls and returns per fiber. */
static inline __attribute__((always_inline)) void before_switch(unsigned to)
{
    __tsan_switch_to_fiber(the.fibers[to].sanitizer, 0);
}

static void after_switch(unsigned self)
{
    (void)self;
}

static void fresh_fiber(struct fiber *fiber)
{
    the.fibers[NOBODY].sanitizer = __tsan_get_current_fiber();
    if (fiber->sanitizer)
        __tsan_destroy_fiber(fiber->sanitizer);
    fiber->sanitizer = __tsan_create_fiber(0);
}
#else
static void before_switch(unsigned to)
{
    (void)to;
}

static void after_switch(unsigned self)
{
    (void)self;
}

static void fresh_fiber(struct fiber *fiber)
{
    (void)fiber;
}
#endif

static void switch_to(unsigned to)
{
    unsigned self = the.running;
    if (to == self)
        return;
    before_switch(to);
    the.running = to;
    swapcontext(&the.fibers[self].context, &the.fibers[to].context);
    after_switch(self);
}

/* Choosing */

static void note_failure(const char *what)
{
    struct explore_result *result = the.result;
    if (!result->passed)
        return;
    result->passed = false;
    int used = snprintf(result->text, sizeof result->text, "%s in schedule %llu:", what,
                        (unsigned long long)result->schedules);
    unsigned run = 0;
    for (unsigned i = 0; i < the.steps && used < (int)sizeof result->text - 16; i++) {
        run++;
        if (i + 1 == the.steps || the.trace[i + 1] != the.trace[i]) {
            used += snprintf(result->text + used, sizeof result->text - (size_t)used, " %ux%u",
                             the.trace[i], run);
            run = 0;
        }
    }
}

void explore_fail(const char *what)
{
    note_failure(what);
    if (the.running != NOBODY)
        switch_to(NOBODY);
}

static bool can_run(const struct fiber *fiber)
{
    switch (fiber->status) {
    case READY: return true;
    case LOCKING: return !fiber->mutex->held;
    case PARKED: return fiber->deadline_ns != POOL__FOREVER;
    case NEW:
    case FINISHED: break;
    }
    return false;
}

/* One that looks again and again, a while later each time, would never let the others end. */
static bool looks_again(unsigned thread)
{
    if (thread != the.expired || the.fibers[thread].status != PARKED)
        return false;
    for (unsigned i = 0; i < the.scenario->threads; i++)
        if (i != thread && can_run(&the.fibers[i]))
            return true;
    return false;
}

/* Who may go on: the running thread first, if it can; the others only if it cannot, or
 * may be interrupted. */
static unsigned candidates(unsigned ret_threads[EXPLORE_THREADS])
{
    unsigned count = 0;
    bool goes_on = the.running != NOBODY && the.fibers[the.running].status == READY;
    if (goes_on)
        ret_threads[count++] = the.running;
    if (goes_on && the.preemptions == the.scenario->preemptions)
        return count;
    for (unsigned i = 0; i < the.scenario->threads; i++)
        if (!(goes_on && i == the.running) && can_run(&the.fibers[i]) && !looks_again(i))
            ret_threads[count++] = i;
    if (goes_on && count > 1)
        the.preemptions++; /* taken back if it is not used */
    return count;
}

static unsigned choose(void)
{
    unsigned threads[EXPLORE_THREADS] = {0};
    unsigned before = the.preemptions;
    unsigned count = candidates(threads);
    unsigned taken = 0;
    if (count == 0)
        return NOBODY;
    if (count > 1) {
        if (the.made == CHOICES)
            abort();
        struct choice *choice = &the.choices[the.made];
        if (the.made++ >= the.replay)
            *choice = (struct choice){0, (unsigned char)count};
        else if (choice->count != count)
            abort(); /* the scenario depends on something else than the schedule */
        taken = choice->taken;
    }
    if (taken == 0)
        the.preemptions = before;
    return threads[taken];
}

static bool all_finished(void)
{
    for (unsigned i = 0; i < the.scenario->threads; i++)
        if (the.fibers[i].status != FINISHED)
            return false;
    return true;
}

/* Who goes on; NOBODY ends the schedule. */
static unsigned next_thread(void)
{
    const char *wrong = the.scenario->step ? the.scenario->step() : NULL;
    if (wrong) {
        note_failure(wrong);
        return NOBODY;
    }
    unsigned next = choose();
    if (next == NOBODY && !all_finished())
        note_failure("nobody can go on");
    if (next != NOBODY && the.steps == STEPS) {
        note_failure("no end");
        next = NOBODY;
    }
    if (next != NOBODY)
        the.trace[the.steps++] = (unsigned char)next;
    if (next != the.expired)
        the.expired = NOBODY;
    return next;
}

/* One step: somebody goes on. Returns when that is the caller again. */
static void step(void)
{
    switch_to(next_thread());
}

/* The walk */

/* A fiber runs its thread once per schedule, and is used again by the next. */
static void run_thread(void)
{
    unsigned self = the.running;
    after_switch(self);
    for (;;) {
        the.scenario->thread(self);
        the.fibers[self].status = FINISHED;
        switch_to(next_thread());
    }
}

static void make(struct fiber *fiber)
{
    if (!fiber->stack && !(fiber->stack = malloc(STACK_SIZE)))
        abort();
    fresh_fiber(fiber);
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_SIZE;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, run_thread, 0);
}

/* A fiber that a failed schedule left in the middle begins anew. */
static void prepare(struct fiber *fiber)
{
    if (fiber->status != FINISHED)
        make(fiber);
    fiber->status = READY;
    fiber->locks = 0;
}

static void run_schedule(void)
{
    const struct explore_scenario *scenario = the.scenario;
    the.running = the.expired = NOBODY;
    the.clock_ns = 0;
    the.preemptions = the.steps = the.made = 0;
    the.result->schedules++;
    scenario->setup();
    for (unsigned i = 0; i < scenario->threads; i++)
        prepare(&the.fibers[i]);
    step();
    if (the.result->passed && scenario->check)
        scenario->check();
    scenario->teardown();
}

/* Makes the list the beginning of the next schedule; false if there is none. */
static bool advance(void)
{
    while (the.made > 0) {
        struct choice *last = &the.choices[the.made - 1];
        if (last->taken + 1 < last->count) {
            last->taken++;
            the.replay = the.made;
            return true;
        }
        the.made--;
    }
    return false;
}

void explore(const struct explore_scenario *scenario, struct explore_result *ret_result)
{
    *ret_result = (struct explore_result){.passed = true};
    the.scenario = scenario;
    the.result = ret_result;
    the.replay = 0;
    do
        run_schedule();
    while (ret_result->passed && advance());
}

void explore_set_clock(uint64_t now_ns)
{
    the.clock_ns = now_ns;
}

bool explore_holds_lock(void)
{
    return the.fibers[the.running].locks > 0;
}

/* What pool/base/sync.h wants. Outside a schedule there is one thread only. */

void pool__explore_point(void)
{
    if (the.running != NOBODY)
        step();
}

void pool__mutex_init(struct pool__mutex *mutex)
{
    mutex->held = 0;
}

void pool__mutex_fini(struct pool__mutex *mutex)
{
    (void)mutex;
}

void pool__lock(struct pool__mutex *mutex)
{
    struct fiber *fiber = &the.fibers[the.running];
    pool__explore_point();
    while (mutex->held) {
        fiber->status = LOCKING;
        fiber->mutex = mutex;
        step();
        fiber->status = READY;
    }
    fiber->locks++;
    mutex->held = 1;
}

void pool__unlock(struct pool__mutex *mutex)
{
    the.fibers[the.running].locks--;
    mutex->held = 0; /* the next step of this thread is a choice again */
}

bool pool__park_as(_Atomic uint32_t *word, uint32_t expected, uint32_t bits, uint64_t deadline_ns)
{
    struct fiber *fiber = &the.fibers[the.running];
    pool__explore_point();
    if (atomic_load(word) == expected && the.clock_ns < deadline_ns) {
        fiber->status = PARKED;
        fiber->word = word;
        fiber->bits = bits;
        fiber->deadline_ns = deadline_ns;
        step();
        if (fiber->status == PARKED && the.clock_ns < deadline_ns)
            the.clock_ns = deadline_ns; /* nobody woke it: chosen to time out */
        if (fiber->status == PARKED)
            the.expired = the.running;
        fiber->status = READY;
    }
    return the.clock_ns < deadline_ns;
}

void pool__unpark_all(_Atomic uint32_t *word, uint32_t bits)
{
    pool__explore_point();
    atomic_fetch_add(word, 1);
    pool__explore_point();
    for (unsigned i = 0; i < the.scenario->threads; i++)
        if (the.fibers[i].status == PARKED && the.fibers[i].word == word &&
            the.fibers[i].bits & bits)
            the.fibers[i].status = READY;
}

uint64_t pool__now_ns(void)
{
    return the.clock_ns;
}
