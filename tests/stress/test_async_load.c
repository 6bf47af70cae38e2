/*
 * Many calls with callbacks at once: the queue and its limits, deadlines while the server
 * answers and while it is frozen, calls that go along with others, and a
 * everything fails that can, to count that each accepted call is told exactly once.
 *
 * Needs a server: MYPOOL_URL.
 */
#include <mysql.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

#include "calls.h"
#include "conn/conn.h"
#include "conn/stmt.h"
#include "engine/pool.h"
#include "server.h"
#include "suite.h"
#include "sql/hash.h"

#include <malloc.h>
#include <signal.h>

#define FLOOD 10000u
#define QUICK "SELECT 1 + 1"

static void make_wide_pool(unsigned limit, bool manual)
{
    struct pool_options options = app_options();
    options.connection_limit = limit;
    options.manual_dispatch = manual;
    make_pool(options);
}

static bool are_waiting(uint64_t count)
{
    pool_dispatch(f.pool, 0);
    return stats_now().waiting == count;
}

static bool is_told(struct tally *tally, unsigned count)
{
    pool_dispatch(f.pool, 0);
    return told(tally) >= count;
}

/* ---- the queue ---- */

static void who_waits_too_long_times_out(void **state)
{
    (void)state;
    struct seen seen;
    struct pool_options options = app_options();
    struct pool_request request = {.sql = "SELECT 1", .acquire_timeout_ms = 100};
    options.connection_limit = 1;
    make_pool(options);
    struct pool_conn holder = borrow();
    uint64_t begin = now_ms();
    start_with(&request, &seen);
    assert_seen_failed(&seen, POOL_ERR_TIMEOUT);
    assert_true(seen.err.not_executed);
    assert_in_range(seen.at_ms - begin, 99, GENEROUS);
    assert_true(pool_conn_release(holder, NULL));
}

static void the_queue_has_its_limit(void **state)
{
    (void)state;
    static struct tally tally;
    struct seen seen;
    struct pool_options options = app_options();
    memset(&tally, 0, sizeof tally);
    options.connection_limit = 1;
    options.queue_limit = 10;
    make_pool(options);
    struct pool_conn holder = borrow();
    start_many(10, "SELECT 1", &tally);
    assert_within(GENEROUS, are_waiting(10));
    start("SELECT 1", POOL_NO_ARGS, &seen);
    assert_seen_failed(&seen, POOL_ERR_QUEUE_LIMIT);
    assert_int_equal(told(&tally), 0);
    assert_true(pool_conn_release(holder, NULL));
    assert_within(GENEROUS, is_told(&tally, 10));
    assert_int_equal(atomic_load(&tally.ok), 10);
}

/* ---- deadlines ---- */

/* Its deadline passes before the loop comes to look at it. */
static void who_is_late_already_is_told_at_once(void **state)
{
    (void)state;
    struct seen seen;
    make_wide_pool(1, true);
    struct pool_conn holder = borrow();
    uint64_t begin = now_ms();
    start_within("SELECT 1", 1, &seen);
    pause_ms(20);
    assert_seen_failed(&seen, POOL_ERR_TIMEOUT);
    assert_in_range(seen.at_ms - begin, 20, GENEROUS);
    assert_true(pool_conn_release(holder, NULL));
}

struct timed {
    struct seen seen;
    uint64_t due_ms;
};

static void start_timed(struct timed *timed, unsigned count, uint32_t least_ms)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t timeout_ms = least_ms + i % 50 * 10;
        timed[i].due_ms = now_ms() + timeout_ms;
        start_within(QUICK, timeout_ms, &timed[i].seen);
    }
}

static void assert_told_in_time(struct timed *timed, unsigned count)
{
    uint64_t latest = 0;
    for (unsigned i = 0; i < count; i++) {
        assert_within(GENEROUS, is_seen(&timed[i].seen));
        assert_int_equal(atomic_load(&timed[i].seen.calls), 1);
        assert_false(timed[i].seen.ok);
        assert_null(timed[i].seen.result);
        uint64_t at_ms = timed[i].seen.at_ms + 1;
        assert_true(at_ms >= timed[i].due_ms);
        latest = at_ms - timed[i].due_ms > latest ? at_ms - timed[i].due_ms : latest;
    }
    print_message("%u deadlines, the latest by %u ms\n", count, (unsigned)latest);
    assert_true(latest < GENEROUS);
}

/* Some have been sent, the others wait for a connection. */
static void deadlines_hold_while_the_server_is_frozen(void **state)
{
    (void)state;
    static struct timed timed[1000];
    make_wide_pool(LIMIT, false);
    warm_up(LIMIT);
    freeze_server();
    start_timed(timed, 1000, 100);
    assert_told_in_time(timed, 1000);
    thaw_server();
    assert_within(GENEROUS, run_within("SELECT 1", 0).ok);
}

/* Borrows the only connection, on which QUICK counts as quick: how fast the machine is does
 * not matter. Nobody but its borrower may touch it. */
static struct pool_conn hold_quick(void)
{
    must(QUICK);
    must(QUICK);
    struct pool_conn holder = borrow();
    struct pool__conn *conn = f.pool->core.slots[0].conn;
    size_t len = strlen(QUICK);
    struct pool__stmt *stmt = pool__stmt_peek(&conn->cache, QUICK, len, pool__hash_text(QUICK, len),
                                              (struct pool__stmt_values){NULL, 0});
    assert_non_null(stmt);
    stmt->mean_ns = 1001;
    return holder;
}

static void count_code(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                       enum pool_code code, void *arg)
{
    struct tally *tally = arg;
    (void)label, (void)digest, (void)elapsed_ns, (void)rows;
    atomic_fetch_add(code == POOL_OK ? &tally->ok : &tally->failed, 1);
}

static void the_hook_is_told_of_success_when_it_came_by_riding(void **state)
{
    (void)state;
    struct tally hooked = {.ok = 0}, called = {.ok = 0};
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.hooks = (struct pool_hooks){.on_query = count_code, .arg = &hooked};
    make_pool(options);
    struct pool_conn holder = hold_quick();
    unsigned before = told(&hooked);
    for (unsigned i = 0; i < 8; i++) {
        struct pool_error err;
        assert_true(pool_query_async(f.pool, QUICK, POOL_NO_ARGS, on_many, &called, &err));
    }
    assert_within(GENEROUS, stats_now().waiting == 8);
    assert_true(pool_conn_release(holder, NULL));
    assert_within(GENEROUS, told(&called) == 8);
    assert_int_equal(stats_now().pipelined, 7);
    assert_int_equal(told(&hooked), before + 8);
    assert_int_equal(atomic_load(&hooked.failed), 0);
}

static void those_that_ride_are_told_in_time_while_the_server_is_frozen(void **state)
{
    (void)state;
    static struct timed timed[16];
    struct seen leader;
    make_wide_pool(1, false);
    struct pool_conn holder = hold_quick();
    start_within(QUICK, 2000, &leader);
    assert_within(GENEROUS, are_waiting(1));
    start_timed(timed, 16, 200);
    assert_within(GENEROUS, are_waiting(17));
    freeze_server();
    assert_true(pool_conn_release(holder, NULL));
    assert_told_in_time(timed, 16);
    assert_seen(&leader);
    assert_false(leader.ok);
    thaw_server();
    assert_within(GENEROUS, run_within("SELECT 1", 0).ok);
}

static void *ask_for_two_seconds(void *arg)
{
    struct outcome *outcome = arg;
    *outcome = run_within(QUICK, 2000);
    return NULL;
}

/* The leader, another thread, goes on long after they have left. */
static void those_that_ride_with_a_thread_are_told_in_time(void **state)
{
    (void)state;
    static struct timed timed[16];
    struct outcome leader;
    pthread_t thread;
    make_wide_pool(1, false);
    struct pool_conn holder = hold_quick();
    assert_int_equal(pthread_create(&thread, NULL, ask_for_two_seconds, &leader), 0);
    assert_within(GENEROUS, are_waiting(1));
    start_timed(timed, 16, 500);
    assert_within(GENEROUS, are_waiting(17));
    freeze_server();
    assert_true(pool_conn_release(holder, NULL));
    assert_told_in_time(timed, 16);
    pthread_join(thread, NULL);
    assert_false(leader.ok);
    thaw_server();
    assert_within(GENEROUS, run_within("SELECT 1", 0).ok);
}

/* Blocking callers and callbacks wait for the same connections. */
static void deadlines_hold_beside_blocking_callers(void **state)
{
    (void)state;
    static struct timed timed[200];
    struct pool_conn holders[LIMIT];
    make_wide_pool(LIMIT, false);
    for (unsigned i = 0; i < LIMIT; i++)
        holders[i] = borrow();
    start_timed(timed, 200, 100);
    struct outcome blocking = run_within(QUICK, 200);
    assert_refused(&blocking.err, POOL_ERR_TIMEOUT, 0);
    assert_in_range(blocking.took_ms, 199, GENEROUS);
    assert_told_in_time(timed, 200);
    for (unsigned i = 0; i < LIMIT; i++)
        assert_true(pool_conn_release(holders[i], NULL));
}

/* ---- together ---- */

static void a_slow_statement_delays_no_others(void **state)
{
    (void)state;
    static struct tally tally;
    struct seen slow;
    memset(&tally, 0, sizeof tally);
    make_table();
    make_wide_pool(2, false);
    admin_does(f.admin, "LOCK TABLES mypool.held WRITE");
    start("SELECT COUNT(*) FROM held", POOL_NO_ARGS, &slow);
    start_many(1000, QUICK, &tally);
    assert_within(GENEROUS, is_told(&tally, 1000));
    assert_int_equal(atomic_load(&tally.ok), 1000);
    assert_int_equal(atomic_load(&slow.calls), 0);
    admin_does(f.admin, "UNLOCK TABLES");
    assert_int_equal(value_of(&slow), 0);
}

static void *ask_once(void *arg)
{
    bool *ok = arg;
    *ok = run_within(QUICK, 0).ok;
    return NULL;
}

static void a_blocking_caller_takes_callbacks_along(void **state)
{
    (void)state;
    static struct tally tally;
    pthread_t thread;
    bool ok = false;
    memset(&tally, 0, sizeof tally);
    make_wide_pool(1, true); /* who leads is not the loop, which stands still */
    struct pool_conn holder = hold_quick();
    assert_int_equal(pthread_create(&thread, NULL, ask_once, &ok), 0);
    assert_within(GENEROUS, are_waiting(1));
    start_many(10, QUICK, &tally);
    assert_within(GENEROUS, are_waiting(11));
    assert_true(pool_conn_release(holder, NULL));
    pthread_join(thread, NULL);
    assert_true(ok);
    assert_int_equal(stats_now().pipelined, 10);
    assert_int_equal(told(&tally), 0);
    assert_within(GENEROUS, is_told(&tally, 10));
    assert_int_equal(atomic_load(&tally.ok), 10);
}

static void a_callback_takes_blocking_callers_along(void **state)
{
    (void)state;
    struct seen leader;
    pthread_t threads[LIMIT];
    bool ok[LIMIT] = {false};
    make_wide_pool(1, false);
    struct pool_conn holder = hold_quick();
    start(QUICK, POOL_NO_ARGS, &leader);
    assert_within(GENEROUS, are_waiting(1));
    for (unsigned i = 0; i < LIMIT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_once, &ok[i]), 0);
    bool waiting = WITHIN(GENEROUS, are_waiting(1 + LIMIT));
    pool_conn_release(holder, NULL);
    for (unsigned i = 0; i < LIMIT; i++) {
        pthread_join(threads[i], NULL);
        assert_true(ok[i]);
    }
    assert_true(waiting);
    assert_int_equal(value_of(&leader), 2);
    assert_int_equal(stats_now().pipelined, LIMIT);
}

static void *ask_impatiently(void *arg)
{
    struct outcome *outcome = arg;
    *outcome = run_within(QUICK, 300);
    return NULL;
}

/* It sends its own statement, and looks after nothing. */
static void a_loop_that_stands_still_takes_no_blocking_callers_along(void **state)
{
    (void)state;
    struct seen leader;
    struct outcome outcome;
    pthread_t thread;
    make_wide_pool(1, true);
    struct pool_conn holder = hold_quick();
    start(QUICK, POOL_NO_ARGS, &leader);
    assert_within(GENEROUS, are_waiting(1));
    assert_int_equal(pthread_create(&thread, NULL, ask_impatiently, &outcome), 0);
    bool both = WITHIN(GENEROUS, stats_now().waiting == 2);
    pool_conn_release(holder, NULL);
    pool_dispatch(f.pool, 0);
    pthread_join(thread, NULL);
    assert_true(both);
    assert_int_equal(stats_now().pipelined, 0);
    assert_false(outcome.ok);
    assert_refused(&outcome.err, POOL_ERR_TIMEOUT, 0);
    assert_int_equal(value_of(&leader), 2);
}

static void calls_survive_a_restart_of_the_server(void **state)
{
    (void)state;
    static struct tally tally;
    memset(&tally, 0, sizeof tally);
    make_wide_pool(LIMIT, false);
    for (int i = 0; i < 200; i++)
        start_many(1, "SELECT SLEEP(0.01)", &tally);
    assert_within(GENEROUS, is_told(&tally, 4));
    mysql_close(f.admin);
    f.admin = NULL;
    bool restarted = run_restart("wait");
    f.admin = connect_admin();
    assert_true(restarted);
    assert_within(2 * GENEROUS, is_told(&tally, 200));
    assert_int_equal(told(&tally), 200);
    assert_within(GENEROUS, run_within("SELECT 1", 0).ok);
}

/* ---- ten thousand ---- */

#define SESSIONS 64 /* at most */
#define TOGETHER 16 /* the default of pipeline_depth */

/* Who was told last on a session. */
struct session {
    int64_t id; /* 0: not used yet */
    unsigned numbers[TOGETHER];
    unsigned told;
};

static struct flood {
    struct tally tally;
    struct session sessions[SESSIONS];
    unsigned out_of_turn;
    unsigned numbers[FLOOD];
} flood;

static struct session *session_of(int64_t id)
{
    for (unsigned i = 0; i < SESSIONS; i++)
        if (flood.sessions[i].id == id || flood.sessions[i].id == 0) {
            flood.sessions[i].id = id;
            return &flood.sessions[i];
        }
    return NULL;
}

/* A session may take any time, but who goes on it is who has waited longest: so only those
 * who went together with one may be told before it although they have come later. */
static void check_turn(int64_t id, unsigned number)
{
    struct session *session = session_of(id);
    unsigned *before = session ? &session->numbers[session->told % TOGETHER] : NULL;
    if (!session || (session->told >= TOGETHER && *before > number))
        flood.out_of_turn++;
    if (!session)
        return;
    *before = number;
    session->told++;
}

static void on_flood(const struct pool_error *err, struct pool_result *result, void *arg)
{
    if (result && pool_next(result))
        check_turn(pool_get_int(result, 0), (unsigned)((unsigned *)arg - flood.numbers));
    on_many(err, result, &flood.tally);
}

/* Ten thousand calls that wait for a connection, and the bytes that each takes. */
static size_t queue_flood(void)
{
    struct pool_error err;
    size_t before = mallinfo2().uordblks;
    for (unsigned i = 0; i < FLOOD; i++)
        if (!pool_query_async(f.pool, "SELECT CONNECTION_ID()", POOL_NO_ARGS, on_flood,
                              &flood.numbers[i], &err))
            fail_with("flood", &err);
    assert_within(GENEROUS, are_waiting(FLOOD));
    return (mallinfo2().uordblks - before) / FLOOD;
}

static void ten_thousand_in_flight_are_served_in_turn(void **state)
{
    (void)state;
    struct pool_conn holders[8];
    struct pool_options options = app_options();
    memset(&flood, 0, sizeof flood);
    options.connection_limit = 8;
    options.manual_dispatch = true;
    options.acquire_timeout_ms = POOL_NEVER;
    make_pool(options);
    for (unsigned i = 0; i < 8; i++)
        holders[i] = borrow();
    size_t bytes = queue_flood();
    for (unsigned i = 0; i < 8; i++)
        assert_true(pool_conn_release(holders[i], NULL));
    uint64_t until = now_ms() + 4 * GENEROUS;
    while (told(&flood.tally) < FLOOD && now_ms() < until)
        pool_dispatch(f.pool, 100);
    assert_int_equal(atomic_load(&flood.tally.ok), FLOOD);
    print_message("%zu bytes for each call in the queue\n", bytes);
    assert_int_equal(flood.out_of_turn, 0);
    if (!SANITIZED) /* whose memory is not malloc's */
        assert_in_range(bytes, 1, 1023);
}

static int clean_up(void **state)
{
    (void)state;
    thaw_server();
    end_fixture();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_fixture, clean_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(who_waits_too_long_times_out),
        TEST(the_queue_has_its_limit),
        TEST(who_is_late_already_is_told_at_once),
        TEST(deadlines_hold_while_the_server_is_frozen),
        TEST(those_that_ride_are_told_in_time_while_the_server_is_frozen),
        TEST(those_that_ride_with_a_thread_are_told_in_time),
        TEST(deadlines_hold_beside_blocking_callers),
        TEST(a_slow_statement_delays_no_others),
        TEST(a_blocking_caller_takes_callbacks_along),
        TEST(a_callback_takes_blocking_callers_along),
        TEST(the_hook_is_told_of_success_when_it_came_by_riding),
        TEST(a_loop_that_stands_still_takes_no_blocking_callers_along),
        TEST(calls_survive_a_restart_of_the_server),
        TEST(ten_thousand_in_flight_are_served_in_turn),
    };
    return server_suite_main(argc, argv, tests);
}
