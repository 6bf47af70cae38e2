/*
 * Nobody starves and no wake-up is lost, with many threads and one connection.
 *
 * All threads call as fast as they can, until a number of them has queued. A wait is
 * measured in turns: how many calls of others were served meanwhile. That does not
 * depend on the speed of the machine, and a machine or server that stands still costs
 * nobody a turn. With a fair share everybody waits for as many turns as there are
 * threads; the promise is three times that. Added to it are the turns that fit into
 * BUSY_MS, in which a thread may be ready to run and not be run.
 *
 * A sampler looks at the statistics all the while: callers that wait beside an idle
 * connection, and nothing moves, are a lost wake-up.
 *
 * MYPOOL_FAIRNESS_CALLS is how often each thread queues on average, for a long run.
 * Needs a server: MYPOOL_URL.
 */
#include <mypool.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "suite.h"

#define THREADS 128
#define CALLS 250     /* that each thread has to queue for, on average */
#define BUSY_MS 500   /* that a thread may have to wait for a processor */
#define STUCK_MS 3000 /* beside an idle connection, and nothing moves */
#define PATIENCE_MS 120000

typedef bool turn_fn(struct pool_error *err);

struct caller {
    pthread_t id;
    uint64_t served;
    uint64_t most_turns; /* of others, while it waited */
    uint64_t longest_ns;
    struct pool_error err;
};

static struct fixture {
    struct pool *pool;
    turn_fn *turn;
    uint64_t waits; /* until the run is over */
    pthread_barrier_t start;
    _Atomic uint64_t done;
    _Atomic bool over;
    struct caller callers[THREADS];
    pthread_t sampler;
    _Atomic bool stop_sampler;
    uint64_t samples;
    uint64_t stuck_ms; /* at most; the sampler's until it was joined */
} f;

/* What a thread does in its turn */

static bool queries(struct pool_error *err)
{
    struct pool_result *result = pool_query(f.pool, "SELECT 1", POOL_NO_ARGS, err);
    pool_result_free(result);
    return result != NULL;
}

static bool borrows_and_queries(struct pool_error *err)
{
    struct pool_conn conn;
    if (!pool_get_connection(f.pool, &conn, err))
        return false;
    struct pool_result *result = pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, err);
    pool_result_free(result);
    return pool_conn_release(conn, result ? err : NULL) && result;
}

static bool borrows(struct pool_error *err)
{
    struct pool_conn conn;
    return pool_get_connection(f.pool, &conn, err) && pool_conn_release(conn, err);
}

/* The threads: they note, the test asserts */

static void note_turn(struct caller *caller, uint64_t turns, uint64_t took_ns)
{
    caller->served++;
    if (turns > caller->most_turns)
        caller->most_turns = turns;
    if (took_ns > caller->longest_ns)
        caller->longest_ns = took_ns;
}

static void *call(void *arg)
{
    struct caller *caller = arg;
    pthread_barrier_wait(&f.start);
    while (!atomic_load(&f.over)) {
        uint64_t before = atomic_load(&f.done);
        uint64_t began_ns = now_ns();
        if (f.turn(&caller->err))
            note_turn(caller, atomic_fetch_add(&f.done, 1) - before, now_ns() - began_ns);
        else
            atomic_store(&f.over, true);
    }
    return NULL;
}

static void *sample(void *arg)
{
    uint64_t since_ms = now_ms();
    uint64_t acquired = 0;
    struct pool_stats stats;
    for (; !atomic_load(&f.stop_sampler); pause_ms(1)) {
        pool_stats(f.pool, &stats);
        f.samples++;
        if (stats.acquired != acquired || !stats.waiting || !stats.idle)
            since_ms = now_ms();
        acquired = stats.acquired;
        if (stats.enqueued >= f.waits)
            atomic_store(&f.over, true);
        if (now_ms() - since_ms > f.stuck_ms)
            f.stuck_ms = now_ms() - since_ms;
    }
    return arg;
}

static void run(uint64_t calls)
{
    f.waits = calls * THREADS;
    pthread_barrier_init(&f.start, NULL, THREADS);
    assert_int_equal(pthread_create(&f.sampler, NULL, sample, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&f.callers[i].id, NULL, call, &f.callers[i]), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(f.callers[i].id, NULL);
    atomic_store(&f.stop_sampler, true);
    pthread_join(f.sampler, NULL);
    pthread_barrier_destroy(&f.start);
}

/* What became of it */

static void assert_nobody_failed(void)
{
    for (unsigned i = 0; i < THREADS; i++)
        if (f.callers[i].err.code != POOL_OK)
            fail_msg("thread %u: %s", i, f.callers[i].err.message);
}

static struct caller extremes(uint64_t *ret_fewest)
{
    struct caller most = {0};
    *ret_fewest = UINT64_MAX;
    for (unsigned i = 0; i < THREADS; i++) {
        const struct caller *one = &f.callers[i];
        note_turn(&most, one->most_turns, one->longest_ns);
        most.served = one->served > most.served ? one->served : most.served;
        *ret_fewest = one->served < *ret_fewest ? one->served : *ret_fewest;
    }
    return most;
}

static uint64_t calls_of_each(void)
{
    const char *wanted = getenv("MYPOOL_FAIRNESS_CALLS");
    uint64_t calls = wanted ? strtoull(wanted, NULL, 10) : 0;
    return calls ? calls : CALLS;
}

/* `per_wait`: how many turns there are for each caller that was queued; it is one unless
 * callers may be overtaken. */
static void assert_fair(turn_fn *turn, uint64_t calls, bool overtaken)
{
    uint64_t fewest;
    f.turn = turn;
    uint64_t began_ns = now_ns();
    run(calls);
    uint64_t elapsed_ms = (now_ns() - began_ns) / 1000000 + 1;
    assert_nobody_failed();
    struct caller most = extremes(&fewest);
    uint64_t turns = atomic_load(&f.done);
    uint64_t per_wait = overtaken ? turns / f.waits + 1 : 1;
    print_message("           %lu turns in %lu ms; of a thread %lu to %lu, waited for %lu turns, "
                  "%lu ms; stuck %lu ms in %lu samples\n",
                  turns, elapsed_ms, fewest, most.served, most.most_turns,
                  most.longest_ns / 1000000, f.stuck_ms, f.samples);
    assert_in_range(most.most_turns, 0, 3 * THREADS * per_wait + turns * BUSY_MS / elapsed_ms);
    assert_in_range(fewest, calls / 3, UINT64_MAX);
    assert_in_range(f.stuck_ms, 0, STUCK_MS);
}

static void statements_are_served_in_fair_turns(void **state)
{
    (void)state;
    assert_fair(queries, calls_of_each(), false);
}

static void borrowers_that_run_a_statement_are_served_in_fair_turns(void **state)
{
    (void)state;
    assert_fair(borrows_and_queries, calls_of_each(), false);
}

/* A turn takes next to no time here, and a waiter may be overtaken for fair_after_ms. */
static void borrowers_that_do_nothing_are_served_in_fair_turns(void **state)
{
    (void)state;
    assert_fair(borrows, calls_of_each() / 10 + 1, true);
}

static int set_up(void **state)
{
    struct pool_options options;
    struct pool_error err;
    void *memory;
    (void)state;
    memset(&f, 0, sizeof f);
    if (!pool_options_from_url(getenv("MYPOOL_URL"), &options, &memory, &err))
        return -1;
    options.connection_limit = 1;
    options.acquire_timeout_ms = PATIENCE_MS;
    f.pool = pool_create(&options, &err);
    free(memory);
    return f.pool && pool_ping(f.pool, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return pool_end(f.pool, PATIENCE_MS, NULL) ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(statements_are_served_in_fair_turns),
        TEST(borrowers_that_run_a_statement_are_served_in_fair_turns),
        TEST(borrowers_that_do_nothing_are_served_in_fair_turns),
    };
    return server_suite_main(argc, argv, tests);
}
