/*
 * Callbacks in the program's own loop (pool_fd, pool_dispatch, manual_dispatch), and the end
 * of a pool with calls on their way, in both modes.
 *
 * Needs a server: MYPOOL_URL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

#include "calls.h"
#include "suite.h"

#include <poll.h>
#include <unistd.h>

#define QUEUED 50u

static void make_manual_pool(unsigned limit)
{
    struct pool_options options = app_options();
    options.connection_limit = limit;
    options.manual_dispatch = true;
    make_pool(options);
}

static void make_pool_of_mode(bool manual, unsigned limit)
{
    struct pool_options options = app_options();
    options.connection_limit = limit;
    options.manual_dispatch = manual;
    make_pool(options);
}

static bool readable(int timeout_ms)
{
    struct pollfd fd = {.fd = pool_fd(f.pool), .events = POLLIN};
    return poll(&fd, 1, timeout_ms) == 1;
}

static bool is_told(struct tally *tally, unsigned count)
{
    pool_dispatch(f.pool, 0);
    return told(tally) >= count;
}

/* ---- the descriptor ---- */

static void callbacks_run_inside_pool_dispatch_alone(void **state)
{
    (void)state;
    struct seen seen;
    make_manual_pool(1);
    must("SELECT 1");
    start("SELECT 1", POOL_NO_ARGS, &seen);
    must("SELECT SLEEP(0.05)"); /* time enough for anybody else */
    assert_int_equal(atomic_load(&seen.calls), 0);
    assert_int_equal(value_of(&seen), 1);
    assert_true(pthread_equal(seen.thread, pthread_self()));
}

static void the_descriptor_is_readable_when_there_is_something_to_do(void **state)
{
    (void)state;
    struct seen seen;
    make_manual_pool(1);
    must("SELECT 1");
    assert_false(readable(0));
    start("SELECT 1", POOL_NO_ARGS, &seen);
    while (atomic_load(&seen.calls) == 0) {
        assert_true(readable(GENEROUS));
        assert_true(pool_dispatch(f.pool, 0) >= 0);
    }
    assert_int_equal(value_of(&seen), 1);
    while (pool_dispatch(f.pool, 0) > 0)
        ;
    assert_false(readable(0));
}

/* The only thing to happen is the deadline. */
static void the_descriptor_is_readable_when_a_deadline_passes(void **state)
{
    (void)state;
    struct seen seen;
    make_manual_pool(1);
    struct pool_conn holder = borrow();
    uint64_t begin = now_ms();
    start_within("SELECT 1", 100, &seen);
    while (atomic_load(&seen.calls) == 0) {
        assert_true(readable(GENEROUS));
        assert_true(pool_dispatch(f.pool, 0) >= 0);
    }
    assert_seen_failed(&seen, POOL_ERR_TIMEOUT);
    assert_true(seen.at_ms - begin >= 99);
    assert_true(pool_conn_release(holder, NULL));
}

static void many_are_served_by_the_descriptor_alone(void **state)
{
    (void)state;
    static struct tally tally;
    memset(&tally, 0, sizeof tally);
    make_manual_pool(LIMIT);
    start_many(2000, "SELECT 1", &tally);
    while (told(&tally) < 2000) {
        assert_true(readable(GENEROUS));
        assert_true(pool_dispatch(f.pool, 0) >= 0);
    }
    assert_int_equal(atomic_load(&tally.ok), 2000);
}

static void a_round_is_bounded_and_leaves_the_descriptor_readable(void **state)
{
    (void)state;
    static struct tally tally;
    memset(&tally, 0, sizeof tally);
    struct pool_options options = app_options();
    options.manual_dispatch = options.no_waiting = true;
    options.connection_limit = 1;
    make_pool(options);
    struct pool_conn holder = borrow();
    start_many(10000, "SELECT 1", &tally);
    assert_true(pool_dispatch(f.pool, 0) > 0);
    assert_in_range(told(&tally), 1, 5000);
    assert_true(readable(0));
    assert_within(GENEROUS, is_told(&tally, 10000));
    assert_int_equal(atomic_load(&tally.by_code[POOL_ERR_NO_CONNECTION]), 10000);
    assert_true(pool_conn_release(holder, NULL));
}

/* ---- pool_dispatch ---- */

static void a_pool_that_dispatches_itself_refuses(void **state)
{
    (void)state;
    struct seen seen;
    make_pool(app_options());
    start("SELECT 1", POOL_NO_ARGS, &seen);
    assert_int_equal(pool_dispatch(f.pool, 0), -1);
    assert_int_equal(value_of(&seen), 1);
    assert_int_equal(pool_dispatch(NULL, 0), -1);
    assert_int_equal(pool_fd(NULL), -1);
}

static void dispatch_waits_for_as_long_as_it_may(void **state)
{
    (void)state;
    make_manual_pool(1);
    uint64_t begin = now_ms();
    assert_int_equal(pool_dispatch(f.pool, 100), 0);
    assert_in_range(now_ms() - begin, 99, GENEROUS);
    begin = now_ms();
    assert_int_equal(pool_dispatch(f.pool, 0), 0);
    assert_true(now_ms() - begin < 5000);
}

static void *dispatch_until_told(void *arg)
{
    struct tally *tally = arg;
    unsigned before = told(tally);
    while (told(tally) == before && pool_dispatch(f.pool, POOL_NEVER) >= 0)
        ;
    return NULL;
}

static void threads_may_dispatch_in_turn(void **state)
{
    (void)state;
    static struct tally tally;
    memset(&tally, 0, sizeof tally);
    make_manual_pool(LIMIT);
    start_many(300, "SELECT REPEAT('x', 100000)", &tally);
    for (unsigned turn = 0; told(&tally) < 300; turn++) {
        pthread_t thread;
        assert_true(turn < 300);
        assert_int_equal(pthread_create(&thread, NULL, dispatch_until_told, &tally), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_int_equal(atomic_load(&tally.ok), 300);
}

static void *dispatch_once(void *arg)
{
    int *done = arg;
    *done = pool_dispatch(f.pool, POOL_NEVER);
    return NULL;
}

static bool is_refused(void)
{
    return pool_dispatch(f.pool, 0) == -1;
}

static void a_second_thread_is_refused_meanwhile(void **state)
{
    (void)state;
    struct seen seen;
    pthread_t thread;
    int done = -2;
    make_manual_pool(1);
    assert_true(pool_fd(f.pool) >= 0);
    assert_int_equal(pthread_create(&thread, NULL, dispatch_once, &done), 0);
    bool refused = WITHIN(GENEROUS, is_refused());
    start("SELECT 1", POOL_NO_ARGS, &seen);
    pthread_join(thread, NULL);
    assert_true(refused);
    assert_true(done > 0);
    assert_int_equal(value_of(&seen), 1);
}

static void *dispatch_for_ever(void *arg)
{
    _Atomic bool *started = arg;
    atomic_store(started, true);
    while (pool_dispatch(f.pool, POOL_NEVER) >= 0)
        pthread_testcancel();
    return NULL;
}

/* With a call on its way: another thread takes over where it was. */
static void a_dispatching_thread_may_be_cancelled(void **state)
{
    (void)state;
    struct seen first, second;
    _Atomic bool started = false;
    pthread_t thread;
    void *how;
    make_manual_pool(1);
    start("SELECT SLEEP(0.2) + 1", POOL_NO_ARGS, &first);
    assert_int_equal(pthread_create(&thread, NULL, dispatch_for_ever, &started), 0);
    assert_within(GENEROUS, atomic_load(&started));
    pthread_cancel(thread);
    pthread_join(thread, &how);
    assert_ptr_equal(how, PTHREAD_CANCELED);
    assert_int_equal(value_of(&first), 1);
    start("SELECT 2", POOL_NO_ARGS, &second);
    assert_int_equal(value_of(&second), 2);
}

/* Its own calls hold all connections, and it never looks after them. */
static void who_never_dispatches_delays_nobody_elses_deadline(void **state)
{
    (void)state;
    static struct tally tally;
    memset(&tally, 0, sizeof tally);
    make_manual_pool(2);
    for (int i = 0; i < 50; i++)
        must("SELECT 1 + 1"); /* likely known to be quick: it would ride */
    start_many(QUEUED, "SELECT 1 + 1", &tally);
    assert_true(pool_dispatch(f.pool, 0) >= 0);
    struct outcome outcome = run_within("SELECT 1 + 1", 300);
    assert_false(outcome.ok);
    assert_refused(&outcome.err, POOL_ERR_TIMEOUT, 0);
    assert_in_range(outcome.took_ms, 299, GENEROUS);
    assert_within(GENEROUS, is_told(&tally, QUEUED));
    assert_int_equal(atomic_load(&tally.ok), QUEUED);
}

/* ---- the end ---- */

static struct tally left;

/* One runs, the others wait for its connection. For a moment after its answer the server still
 * says of a session that it runs the statement before: hence the text. */
static void fill(bool manual, const char *running, struct seen *first)
{
    memset(&left, 0, sizeof left);
    make_pool_of_mode(manual, 1);
    must("SELECT 1");
    start(running, POOL_NO_ARGS, first);
    uint64_t until = now_ms() + GENEROUS;
    while (admin_asks(f.admin,
                      "SELECT COUNT(*) FROM information_schema.processlist WHERE user = "
                      "'app' AND command IN ('Execute', 'Query') AND info LIKE '%SLEEP%'") == 0) {
        pool_dispatch(f.pool, 0);
        assert_true(now_ms() < until);
    }
    start_many(QUEUED, "SELECT 1", &left);
}

static bool end_pool(unsigned drain_ms)
{
    struct pool *pool = f.pool;
    f.pool = NULL;
    return pool_end(pool, drain_ms, NULL);
}

static void end_lets_the_running_call_finish(bool manual)
{
    struct seen running;
    fill(manual, "SELECT SLEEP(0.3) + 1", &running);
    assert_true(end_pool(GENEROUS));
    assert_int_equal(atomic_load(&running.calls), 1);
    assert_int_equal(value_of(&running), 1);
    assert_int_equal(told(&left), QUEUED);
    assert_int_equal(atomic_load(&left.by_code[POOL_ERR_CLOSED]), QUEUED);
}

static void the_end_delivers_all_calls(void **state)
{
    (void)state;
    end_lets_the_running_call_finish(false);
}

static void the_end_delivers_all_calls_itself_in_manual_mode(void **state)
{
    (void)state;
    end_lets_the_running_call_finish(true);
}

static void end_cuts_the_running_call(bool manual)
{
    struct seen running;
    fill(manual, "SELECT SLEEP(600) + 1", &running);
    assert_false(end_pool(50));
    assert_int_equal(atomic_load(&running.calls), 1);
    assert_false(running.ok);
    assert_int_equal(told(&left), QUEUED);
    assert_int_equal(atomic_load(&left.by_code[POOL_ERR_CLOSED]), QUEUED);
}

static void the_end_cuts_and_delivers_what_still_runs(void **state)
{
    (void)state;
    end_cuts_the_running_call(false);
}

static void the_end_cuts_and_delivers_what_still_runs_in_manual_mode(void **state)
{
    (void)state;
    end_cuts_the_running_call(true);
}

/* Accepted, and not begun: nobody has dispatched. */
static void accept_many(unsigned limit, bool open_one)
{
    memset(&left, 0, sizeof left);
    make_manual_pool(limit);
    if (open_one)
        must("SELECT 1");
    start_many(QUEUED, "SELECT 1", &left);
}

static void the_end_serves_what_was_accepted_with_idle_connections(void **state)
{
    (void)state;
    accept_many(2, true);
    assert_true(end_pool(GENEROUS));
    assert_int_equal(atomic_load(&left.ok), QUEUED);
    assert_int_equal(told(&left), QUEUED);
}

static void a_call_that_was_accepted_right_before_the_end_is_served(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        struct seen seen;
        make_pool_of_mode(false, 1);
        must("SELECT 1");
        start("SELECT 42", POOL_NO_ARGS, &seen);
        assert_true(end_pool(GENEROUS));
        assert_int_equal(atomic_load(&seen.calls), 1);
        assert_int_equal(value_of(&seen), 42);
    }
}

static void the_end_serves_after_a_reset_what_was_accepted(void **state)
{
    (void)state;
    memset(&left, 0, sizeof left);
    make_manual_pool(1);
    must("SET @mine = 1");
    start_many(QUEUED, "SELECT ISNULL(@mine) + SLEEP(0) * (@mine := 1)", &left);
    assert_true(end_pool(GENEROUS));
    assert_int_equal(atomic_load(&left.ok), QUEUED);
}

/* The first call gives its connection back before the others have come to the queue. */
static void the_end_serves_what_was_accepted_behind_a_call_that_fails_at_once(void **state)
{
    static char long_text[8192];
    struct seen first;
    (void)state;
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.manual_dispatch = true;
    options.max_packet_bytes = sizeof long_text / 2;
    memset(&left, 0, sizeof left);
    make_pool(options);
    must("SELECT 1");
    memset(long_text, ' ', sizeof long_text - 1);
    memcpy(long_text, "SELECT 1", 8);
    start(long_text, POOL_NO_ARGS, &first);
    start_many(QUEUED, "SELECT 1", &left);
    assert_true(end_pool(GENEROUS));
    assert_seen_failed(&first, POOL_ERR_TOO_BIG);
    assert_int_equal(atomic_load(&left.ok), QUEUED);
}

static void the_end_opens_no_connection_for_what_was_accepted(void **state)
{
    (void)state;
    accept_many(2, false);
    assert_true(end_pool(GENEROUS));
    assert_int_equal(atomic_load(&left.by_code[POOL_ERR_CLOSED]), QUEUED);
}

static void an_end_without_a_drain_serves_nothing_more(void **state)
{
    (void)state;
    accept_many(2, true);
    assert_true(end_pool(0));
    assert_int_equal(atomic_load(&left.by_code[POOL_ERR_CLOSED]), QUEUED);
}

/* They are served one after the other, until the drain is over. */
static void what_the_drain_has_no_time_for_is_refused_or_cut(void **state)
{
    (void)state;
    memset(&left, 0, sizeof left);
    make_manual_pool(1);
    must("SELECT 1");
    start_many(2, "SELECT SLEEP(600)", &left);
    assert_false(end_pool(50));
    assert_int_equal(atomic_load(&left.ok), 0);
    assert_int_equal(told(&left), 2);
}

static void the_end_needs_no_dispatch_before(void **state)
{
    (void)state;
    memset(&left, 0, sizeof left);
    make_manual_pool(LIMIT);
    start_many(QUEUED, "SELECT 1", &left);
    assert_true(end_pool(GENEROUS));
    assert_int_equal(told(&left), QUEUED);
}

/* The thread is woken and gone before the pool is. */
static void the_end_wakes_who_dispatches(void **state)
{
    (void)state;
    _Atomic bool started = false;
    pthread_t thread;
    for (int i = 0; i < 20; i++) {
        memset(&left, 0, sizeof left);
        atomic_store(&started, false);
        make_manual_pool(2);
        start_many(QUEUED, "SELECT 1", &left);
        struct pool *pool = f.pool;
        assert_int_equal(pthread_create(&thread, NULL, dispatch_for_ever, &started), 0);
        assert_within(GENEROUS, atomic_load(&started));
        if (i % 2)
            assert_within(GENEROUS, told(&left) == QUEUED);
        pool_end(pool, GENEROUS, NULL);
        pthread_join(thread, NULL);
        f.pool = NULL;
        assert_int_equal(told(&left), QUEUED);
    }
}

static struct pool_conn kept;
static _Atomic unsigned again;

static void start_again(const struct pool_error *err, struct pool_result *result, void *arg)
{
    (void)err;
    pool_result_free(result);
    atomic_fetch_add(&again, 1);
    if (!pool_conn_query_async(kept, "SELECT 1", POOL_NO_ARGS, start_again, arg, NULL))
        note(arg, NULL);
}

static void end_with_a_chain(bool manual)
{
    struct seen seen = {.calls = 0};
    make_pool_of_mode(manual, 2);
    kept = borrow();
    atomic_store(&again, 0);
    assert_true(pool_conn_query_async(kept, "SELECT 1", POOL_NO_ARGS, start_again, &seen, NULL));
    uint64_t until = now_ms() + GENEROUS;
    while (atomic_load(&again) < 10 && now_ms() < until)
        pool_dispatch(f.pool, 0);
    assert_false(end_pool(50)); /* the handle was kept */
    assert_int_equal(atomic_load(&seen.calls), 1);
    assert_true(pool_conn_release(kept, NULL));
}

static void callbacks_that_start_calls_do_not_keep_the_pool_from_ending(void **state)
{
    (void)state;
    end_with_a_chain(false);
    end_with_a_chain(true);
}

/* From many threads, while the pool ends: each accepted call is told, each refused one not. */
struct race {
    struct pool *pool;
    _Atomic bool go;
    _Atomic unsigned accepted;
    struct tally tally;
};

static void *call_until_refused(void *arg)
{
    struct race *race = arg;
    while (!atomic_load(&race->go))
        ;
    while (pool_query_async(race->pool, "SELECT 1", POOL_NO_ARGS, on_many, &race->tally, NULL))
        atomic_fetch_add(&race->accepted, 1);
    return NULL;
}

static void race_the_end(bool manual)
{
    static struct race race;
    pthread_t threads[LIMIT];
    memset(&race, 0, sizeof race);
    make_pool_of_mode(manual, 2);
    race.pool = f.pool;
    for (int i = 0; i < LIMIT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_until_refused, &race), 0);
    atomic_store(&race.go, true);
    bool some = WITHIN(GENEROUS, atomic_load(&race.accepted) > 20);
    end_pool(GENEROUS);
    for (int i = 0; i < LIMIT; i++)
        pthread_join(threads[i], NULL);
    assert_true(some);
    assert_int_equal(told(&race.tally), atomic_load(&race.accepted));
}

static void calls_that_meet_the_end_are_refused_or_told(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        race_the_end(false);
        race_the_end(true);
    }
}

/* ---- two pools ---- */

struct two_pools {
    struct pool *other;
    struct seen slow, quick;
    unsigned rows;
};

/* Leaves one call of the other pool on its way. */
static bool dispatch_the_other(struct pool_result *row, void *arg)
{
    struct two_pools *two = arg;
    (void)row;
    if (two->rows++ > 0)
        return true;
    if (!pool_query_async(two->other, "SELECT SLEEP(1)", POOL_NO_ARGS, on_result, &two->slow,
                          NULL) ||
        !pool_query_async(two->other, "SELECT SLEEP(0.01)", POOL_NO_ARGS, on_result, &two->quick,
                          NULL))
        return false;
    while (atomic_load(&two->quick.calls) == 0)
        pool_dispatch(two->other, POOL_NEVER);
    return true;
}

/* The first row comes at once, because it fills the server's buffer. */
static void a_row_callback_may_dispatch_another_pool(void **state)
{
    (void)state;
    static struct two_pools two;
    struct pool_options options = app_options();
    struct pool_error err;
    memset(&two, 0, sizeof two);
    options.query_timeout_ms = 1000;
    struct pool *streaming = pool_create(&options, &err);
    assert_non_null(streaming);
    make_manual_pool(2);
    warm_up(2);
    two.other = f.pool;
    bool ok = pool_stream(streaming, "SELECT REPEAT('x', 1000000) UNION ALL SELECT SLEEP(4)",
                          POOL_NO_ARGS, dispatch_the_other, &two, &err);
    pool_end(streaming, 0, NULL);
    assert_int_equal(two.rows, 1);
    assert_false(ok); /* its own deadline is still that of its statement */
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_seen_ok(&two.slow);
    pool_result_free(two.slow.result);
    pool_result_free(two.quick.result);
}

static int clean_up(void **state)
{
    (void)state;
    end_fixture();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_fixture, clean_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(callbacks_run_inside_pool_dispatch_alone),
        TEST(the_descriptor_is_readable_when_there_is_something_to_do),
        TEST(the_descriptor_is_readable_when_a_deadline_passes),
        TEST(many_are_served_by_the_descriptor_alone),
        TEST(a_round_is_bounded_and_leaves_the_descriptor_readable),
        TEST(a_pool_that_dispatches_itself_refuses),
        TEST(dispatch_waits_for_as_long_as_it_may),
        TEST(threads_may_dispatch_in_turn),
        TEST(a_second_thread_is_refused_meanwhile),
        TEST(a_dispatching_thread_may_be_cancelled),
        TEST(who_never_dispatches_delays_nobody_elses_deadline),
        TEST(the_end_delivers_all_calls),
        TEST(the_end_delivers_all_calls_itself_in_manual_mode),
        TEST(the_end_cuts_and_delivers_what_still_runs),
        TEST(the_end_cuts_and_delivers_what_still_runs_in_manual_mode),
        TEST(the_end_needs_no_dispatch_before),
        TEST(the_end_serves_what_was_accepted_with_idle_connections),
        TEST(a_call_that_was_accepted_right_before_the_end_is_served),
        TEST(the_end_serves_after_a_reset_what_was_accepted),
        TEST(the_end_serves_what_was_accepted_behind_a_call_that_fails_at_once),
        TEST(the_end_opens_no_connection_for_what_was_accepted),
        TEST(an_end_without_a_drain_serves_nothing_more),
        TEST(what_the_drain_has_no_time_for_is_refused_or_cut),
        TEST(the_end_wakes_who_dispatches),
        TEST(callbacks_that_start_calls_do_not_keep_the_pool_from_ending),
        TEST(calls_that_meet_the_end_are_refused_or_told),
        TEST(a_row_callback_may_dispatch_another_pool),
    };
    return server_suite_main(argc, argv, tests);
}
