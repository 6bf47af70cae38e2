/*
 * One measurement: threads that call, and the thread that holds the watch.
 *
 * Each caller is a closed loop: the next operation begins when the last one has
 * ended. The phases are set by the measuring thread and only read by callers:
 *
 *     WAIT     callers open what they need and wait at the gate
 *     WARM_UP  they work, nothing is counted
 *     MEASURE  operations that begin in this phase count
 *     STOP     each ends the operation it is in and leaves
 *
 * What counts is measured from the start of the first operation that counts to
 * the end of the last one, which matters if an operation takes long. The CPU
 * clock of the process is read at the start of MEASURE and when nobody works any
 * more, so the work of `open` and of the threads' start is not in the figures.
 * Callers write only to their own struct caller; results are added up after they
 * have been joined.
 *
 * The lock guards the gate: how many callers are ready or gone, and the first
 * problem. No caller takes it while measuring.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP_NS 300000000u
#define PATIENCE_S 60 /* for callers that do not come back */

enum phase { PHASE_WAIT, PHASE_WARM_UP, PHASE_MEASURE, PHASE_STOP };

struct run {
    const struct mode *mode;
    _Atomic enum phase phase;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned ready;          /* lock: callers at the gate, or failed before it */
    unsigned idle;           /* lock: callers that have worked and do no more */
    unsigned gone;           /* lock: callers that have ended */
    bool failed;             /* lock: some caller could not open */
    struct problem *problem; /* lock: its problem */
};

/* What a thread gets. Each begins a cache line of its own: counters of
 * neighbours must not slow each other down. */
struct seat {
    _Alignas(128) struct caller caller;
    struct run *run;
    pthread_t thread;
};

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t at_ns)
{
    struct timespec at = {(time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
        continue;
}

/* ---- On the callers' threads. ---- */

/* SplitMix64: good enough for keys, and the same keys in every run. */
int64_t caller_key(struct caller *caller)
{
    uint64_t mixed = caller->random += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (int64_t)((mixed ^ (mixed >> 31)) % BENCH_ROWS) + 1;
}

void caller_failed(struct caller *caller, const struct problem *problem)
{
    if (caller->measuring)
        failures_add(&caller->failures, problem, 1);
}

bool row_is_right(int64_t key, int64_t id, const char *name, struct problem *problem)
{
    if (id == key && name && strncmp(name, "name-", 5) == 0)
        return true;
    problem_set(problem, WRONG_ROW, "asked for id %lld, got id %lld with name '%s'", (long long)key,
                (long long)id, name ? name : "NULL");
    return false;
}

static void note_time(const struct mode *mode, struct caller *caller, uint64_t start, bool ok)
{
    caller->last_ns = now_ns(CLOCK_MONOTONIC);
    if (!caller->first_ns)
        caller->first_ns = start;
    if (!mode->times_itself && ok)
        histogram_add(&caller->latency, caller->last_ns - start);
}

static void work(struct run *run, struct caller *caller)
{
    enum phase phase;

    while ((phase = atomic_load_explicit(&run->phase, memory_order_relaxed)) != PHASE_STOP) {
        uint64_t start = run->mode->timed ? now_ns(CLOCK_MONOTONIC) : 0;
        unsigned done;

        caller->measuring = phase == PHASE_MEASURE;
        done = run->mode->operation(caller);
        if (!caller->measuring)
            continue;
        caller->operations += done;
        if (run->mode->timed)
            note_time(run->mode, caller, start, done > 0);
    }
}

/* Returns when the measuring thread opens the gate. */
static void arrive(struct run *run, const struct problem *problem)
{
    pthread_mutex_lock(&run->lock);
    if (problem && !run->failed) {
        run->failed = true;
        *run->problem = *problem;
    }
    run->ready++;
    pthread_cond_broadcast(&run->changed);
    while (atomic_load(&run->phase) == PHASE_WAIT)
        pthread_cond_wait(&run->changed, &run->lock);
    pthread_mutex_unlock(&run->lock);
}

static void count_one(struct run *run, unsigned *counter)
{
    pthread_mutex_lock(&run->lock);
    ++*counter;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

static void *caller_main(void *arg)
{
    struct seat *seat = arg;
    struct run *run = seat->run;
    struct problem problem;

    if (run->mode->caller_open && !run->mode->caller_open(&seat->caller, &problem)) {
        arrive(run, &problem);
    } else {
        arrive(run, NULL);
        work(run, &seat->caller);
        count_one(run, &run->idle);
        if (run->mode->caller_close)
            run->mode->caller_close(&seat->caller);
    }
    count_one(run, &run->gone);
    return NULL;
}

/* ---- On the measuring thread. ---- */

static void set_phase(struct run *run, enum phase phase)
{
    pthread_mutex_lock(&run->lock);
    atomic_store(&run->phase, phase);
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

static bool wait_until_ready(struct run *run, unsigned callers)
{
    bool failed;

    pthread_mutex_lock(&run->lock);
    while (run->ready < callers)
        pthread_cond_wait(&run->changed, &run->lock);
    failed = run->failed;
    pthread_mutex_unlock(&run->lock);
    return !failed;
}

/* A caller may hang in a network read without a deadline, in `raw` for example if
 * the server stops. Nothing can end such a thread, so the program ends instead. */
static void wait_until(struct run *run, const unsigned *counter, unsigned callers)
{
    struct timespec deadline;
    int status = 0;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&run->lock);
    while (*counter < callers && status == 0)
        status = pthread_cond_timedwait(&run->changed, &run->lock, &deadline);
    if (*counter < callers) {
        fprintf(stderr, "poolbench: %s: %u of %u callers still wait for the server after %d s\n",
                run->mode->name, callers - *counter, callers, PATIENCE_S);
        _exit(1);
    }
    pthread_mutex_unlock(&run->lock);
}

static unsigned start_callers(struct seat *seats, unsigned callers, struct problem *problem)
{
    unsigned started;

    for (started = 0; started < callers; started++) {
        int error = pthread_create(&seats[started].thread, NULL, caller_main, &seats[started]);
        if (error != 0) {
            problem_set(problem, "thread", "cannot start thread %u of %u: %s", started + 1, callers,
                        strerror(error));
            break;
        }
    }
    return started;
}

static void stop_callers(struct run *run, struct seat *seats, unsigned callers)
{
    set_phase(run, PHASE_STOP);
    wait_until(run, &run->gone, callers);
    for (unsigned i = 0; i < callers; i++)
        pthread_join(seats[i].thread, NULL);
}

/* Times of the measured part, in nanoseconds. */
struct span {
    uint64_t wall;
    uint64_t cpu;
};

static struct span measure(struct run *run, unsigned callers, double seconds)
{
    uint64_t wall, cpu;
    struct span span;

    set_phase(run, PHASE_WARM_UP);
    sleep_until(now_ns(CLOCK_MONOTONIC) + WARM_UP_NS);
    wall = now_ns(CLOCK_MONOTONIC);
    cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    set_phase(run, PHASE_MEASURE);
    sleep_until(wall + (uint64_t)(seconds * 1e9));
    set_phase(run, PHASE_STOP);
    wait_until(run, &run->idle, callers);
    span.wall = now_ns(CLOCK_MONOTONIC) - wall;
    span.cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    return span;
}

static void fill_percentiles(struct outcome *outcome, const struct histogram *latency)
{
    outcome->p50 = (double)histogram_percentile(latency, 0.50) / 1e3;
    outcome->p90 = (double)histogram_percentile(latency, 0.90) / 1e3;
    outcome->p99 = (double)histogram_percentile(latency, 0.99) / 1e3;
    outcome->p999 = (double)histogram_percentile(latency, 0.999) / 1e3;
    outcome->max = (double)latency->max / 1e3;
}

/* By the callers' own clocks, if they have read any. */
static double seconds_of(const struct seat *seats, unsigned callers, struct span span)
{
    uint64_t first = UINT64_MAX;
    uint64_t last = 0;

    for (unsigned i = 0; i < callers; i++) {
        const struct caller *caller = &seats[i].caller;
        if (caller->first_ns && caller->first_ns < first)
            first = caller->first_ns;
        if (caller->last_ns > last)
            last = caller->last_ns;
    }
    return (double)(last > first ? last - first : span.wall) / 1e9;
}

/* The first seat's histogram collects the others'. */
static void add_up(struct outcome *outcome, struct seat *seats, unsigned callers, struct span span)
{
    uint64_t operations = 0;

    for (unsigned i = 0; i < callers; i++) {
        operations += seats[i].caller.operations;
        failures_merge(&outcome->failures, &seats[i].caller.failures);
        if (i > 0)
            histogram_merge(&seats[0].caller.latency, &seats[i].caller.latency);
    }
    fill_percentiles(outcome, &seats[0].caller.latency);
    outcome->callers = callers;
    outcome->seconds = seconds_of(seats, callers, span);
    outcome->operations = (double)operations;
    outcome->per_second = (double)operations / outcome->seconds;
    if (operations > 0)
        outcome->cpu_per_operation = (double)span.cpu / 1e3 / (double)operations;
    outcome->ratio = 1;
    outcome->slowest = outcome->fastest = outcome->per_second;
}

static struct seat *make_seats(struct run *run, const struct config *config, void *shared,
                               unsigned callers)
{
    struct seat *seats = aligned_alloc(_Alignof(struct seat), callers * sizeof(*seats));

    if (!seats)
        return NULL;
    memset(seats, 0, callers * sizeof(*seats));
    for (unsigned i = 0; i < callers; i++) {
        seats[i].run = run;
        seats[i].caller.config = config;
        seats[i].caller.shared = shared;
        seats[i].caller.random = i;
    }
    return seats;
}

static void run_init(struct run *run, const struct mode *mode, struct problem *problem)
{
    pthread_condattr_t monotonic;

    memset(run, 0, sizeof(*run));
    run->mode = mode;
    run->problem = problem;
    atomic_init(&run->phase, PHASE_WAIT);
    pthread_mutex_init(&run->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&run->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void run_fini(struct run *run)
{
    pthread_cond_destroy(&run->changed);
    pthread_mutex_destroy(&run->lock);
}

static bool run_callers(struct run *run, struct seat *seats, unsigned callers, double seconds,
                        struct span *ret_span)
{
    struct problem no_thread;
    unsigned started = start_callers(seats, callers, &no_thread);
    bool ready = wait_until_ready(run, started);

    if (ready && started == callers)
        *ret_span = measure(run, started, seconds);
    stop_callers(run, seats, started);
    if (ready && started < callers)
        *run->problem = no_thread;
    return ready && started == callers;
}

static bool run_with(const struct config *config, const struct mode *mode, void *shared,
                     struct outcome *ret_outcome, struct problem *problem)
{
    unsigned callers = mode->one_caller                  ? 1
                       : mode->one_caller_per_connection ? config->connections
                                                         : config->callers;
    unsigned connections = mode->one_connection_per_caller ? config->callers : config->connections;
    struct outcome outcome = {.mode = mode, .connections = connections};
    struct run run;
    struct seat *seats;
    struct span span = {0};
    bool ok = false;

    run_init(&run, mode, problem);
    seats = make_seats(&run, config, shared, callers);
    if (!seats)
        problem_set(problem, "memory", "out of memory for %u callers", callers);
    else
        ok = run_callers(&run, seats, callers, config->seconds, &span);
    if (ok) {
        add_up(&outcome, seats, callers, span);
        if (mode->one_caller)
            outcome.callers = config->in_flight;
        *ret_outcome = outcome;
    }
    free(seats);
    run_fini(&run);
    return ok;
}

bool run_mode(const struct config *config, const struct mode *mode, struct outcome *ret_outcome,
              struct problem *problem)
{
    void *shared = NULL;
    bool ok;

    if (mode->open && !mode->open(config, &shared, problem))
        return false;
    ok = run_with(config, mode, shared, ret_outcome, problem);
    if (mode->close)
        mode->close(shared);
    return ok;
}
