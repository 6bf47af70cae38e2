/*
 * What the pool makes of the outcome of its connects, and of refused writes: how long it
 * pauses, how many connections it asks for, and which ones it replaces. The outcomes are
 * made up; where connections have to be open, they are to the private server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/slots.h"
#include "clock.h"
#include "pools.h"
#include "suite.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "mypool.h"
#include "engine/pool.h"
#include "engine/replica.h"

#define PATIENCE_MS 60000
#define LIMIT 3

static struct pool *the_pool;

static void make_pool(unsigned limit)
{
    the_pool = pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = limit});
}

static int tear_down(void **state)
{
    (void)state;
    return pool_end(the_pool, PATIENCE_MS, NULL) ? 0 : -1;
}

/* A copy of what the pool knows. */
static struct pool__health health(void)
{
    pool__lock(&the_pool->health.lock);
    struct pool__health copy = the_pool->health;
    pool__unlock(&the_pool->health.lock);
    return copy;
}

static uint64_t ms_from_now(uint64_t at_ns)
{
    uint64_t now = pool__now_ns();
    return at_ns > now ? (at_ns - now) / POOL__NS_PER_MS : 0;
}

static void report(enum pool_code code, unsigned server_errno, bool logged_in)
{
    struct pool_error failure = {.code = code, .server_errno = server_errno};
    pool__health_report(the_pool, &failure, logged_in);
}

/* Opens them, and leaves them idle. */
static void open_connections(unsigned count)
{
    struct pool_conn conns[LIMIT];
    for (unsigned i = 0; i < count; i++)
        assert_true(pool_get_connection(the_pool, &conns[i], NULL));
    for (unsigned i = 0; i < count; i++)
        assert_true(pool_conn_release(conns[i], NULL));
}

/* ---- pauses ---- */

static void a_refused_set_up_pauses_like_a_refused_login(void **state)
{
    (void)state;
    uint64_t longest = 0;
    make_pool(LIMIT);
    for (unsigned i = 0; i < 40; i++) {
        report(POOL_ERR_AUTH, 1064, true);
        uint64_t pause = ms_from_now(health().next_try_ns);
        longest = pause > longest ? pause : longest;
    }
    assert_int_equal(health().class_, POOL__CONNECT_PERMANENT);
    assert_in_range(longest, 1000, 10000);
}

static void who_has_nothing_asks_a_full_server_each_second(void **state)
{
    (void)state;
    make_pool(LIMIT);
    for (unsigned i = 0; i < 40; i++) {
        report(POOL_ERR_CONNECT, 1040, false);
        assert_in_range(ms_from_now(health().next_try_ns), 0, 1000);
        assert_in_range(ms_from_now(health().ceiling_until_ns), 0, 1000);
    }
    assert_int_equal(health().state, POOL_STATE_DOWN);
}

static void who_has_something_asks_a_full_server_ever_more_rarely(void **state)
{
    (void)state;
    static const unsigned pauses[] = {1000, 2000, 4000, 8000, 16000, 16000};
    make_pool(LIMIT);
    open_connections(1);
    for (unsigned i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        uint64_t before = pool__now_ns();
        report(POOL_ERR_CONNECT, 1040, false);
        assert_true(health().ceiling_until_ns >= pool__after_ms(before, pauses[i]));
        assert_in_range(ms_from_now(health().ceiling_until_ns), 0, pauses[i]);
        assert_in_range(ms_from_now(health().next_try_ns), 0, 1000); /* should it lose that one */
        assert_int_equal(health().ceiling, 1);
    }
    assert_int_equal(health().state, POOL_STATE_RETRYING);
}

/* A connection in place of another says nothing of the room for more. */
static void only_a_connection_more_than_there_were_makes_a_full_server_worth_asking(void **state)
{
    (void)state;
    make_pool(LIMIT);
    open_connections(2);
    report(POOL_ERR_CONNECT, 1040, false);
    report(POOL_ERR_CONNECT, 1040, false);
    assert_int_equal(health().refusals, 2);
    pool__lock(&the_pool->health.lock);
    the_pool->health.refused_at = 3;
    pool__unlock(&the_pool->health.lock);
    pool__health_report(the_pool, NULL, true);
    assert_int_equal(health().refusals, 2);
    pool__lock(&the_pool->health.lock);
    the_pool->health.refused_at = 2;
    pool__unlock(&the_pool->health.lock);
    pool__health_report(the_pool, NULL, true);
    assert_int_equal(health().refusals, 0);
}

/* ---- how many at a time ---- */

/* How many of fifty connects may begin. */
static unsigned begin_many(uint64_t now, uint64_t *ret_wake_ns)
{
    *ret_wake_ns = POOL__FOREVER;
    return pool__health_pace(&the_pool->health, 50, now, ret_wake_ns);
}

static void a_crowd_has_its_connections_opened_bit_by_bit(void **state)
{
    (void)state;
    uint64_t wake_ns;
    make_pool(LIMIT);
    uint64_t now = pool__now_ns();
    assert_int_equal(begin_many(now, &wake_ns), POOL__BURST);
    for (unsigned begun = POOL__BURST; begun < 50; begun++) {
        assert_true(wake_ns > now && wake_ns <= now + 5 * POOL__NS_PER_MS);
        assert_int_equal(begin_many(now, &wake_ns), 0);
        now = wake_ns;
        assert_int_equal(begin_many(now, &wake_ns), 1);
    }
}

static void who_may_begin_all_it_wants_is_not_woken_for_more(void **state)
{
    (void)state;
    uint64_t wake_ns = POOL__FOREVER;
    make_pool(LIMIT);
    assert_int_equal(pool__health_pace(&the_pool->health, 0, pool__now_ns(), &wake_ns), 0);
    assert_int_equal(pool__health_pace(&the_pool->health, POOL__BURST, pool__now_ns(), &wake_ns),
                     POOL__BURST);
    assert_int_equal(pool__health_pace(&the_pool->health, 0, pool__now_ns(), &wake_ns), 0);
    assert_true(wake_ns == POOL__FOREVER);
}

/* Of its thread, in all. */
static uint64_t cpu_ns_of_keeper(void)
{
    clockid_t clock;
    struct timespec used;
    assert_int_equal(pthread_getcpuclockid(the_pool->keeper, &clock), 0);
    assert_int_equal(clock_gettime(clock, &used), 0);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static void the_keeper_sleeps_while_callers_wait_for_what_is_in_use(void **state)
{
    (void)state;
    struct pool_conn conn;
    struct pool_error err;
    struct pool_request request = {.sql = "SELECT 1", .acquire_timeout_ms = 500};
    make_pool(1);
    assert_true(pool_get_connection(the_pool, &conn, NULL));
    uint64_t before = cpu_ns_of_keeper();
    assert_null(pool_query_with(the_pool, &request, &err));
    assert_int_equal(err.code, POOL_ERR_TIMEOUT);
    assert_in_range(cpu_ns_of_keeper() - before, 0, 20 * POOL__NS_PER_MS);
    assert_true(pool_conn_release(conn, NULL));
}

static void after_an_outage_the_first_connection_is_not_followed_by_a_crowd(void **state)
{
    (void)state;
    uint64_t wake_ns;
    make_pool(LIMIT);
    report(POOL_ERR_CONNECT, 2003, false);
    uint64_t before = pool__now_ns();
    for (unsigned i = 0; i < 5; i++) /* as many as it takes to allow any number in parallel */
        pool__health_report(the_pool, NULL, true);
    assert_in_range(begin_many(before, &wake_ns), 0, 1);
}

static void when_many_connections_are_lost_their_successors_do_not_come_at_once(void **state)
{
    (void)state;
    uint64_t wake_ns;
    make_pool(LIMIT);
    uint64_t now = pool__now_ns();
    for (unsigned i = 0; i < 50; i++)
        pool__health_note_loss(&the_pool->health, now);
    assert_int_equal(begin_many(now, &wake_ns), 1);
}

/* ---- refused writes ---- */

static const struct pool_error refusal = {
    .code = POOL_ERR_SERVER, .server_errno = 1290, .message = "running with --read-only"};

/* A write is refused on a connection that is borrowed for it. */
static unsigned long refuse_a_write(void)
{
    struct pool_conn conn;
    assert_true(pool_get_connection(the_pool, &conn, NULL));
    unsigned long id = pool_conn_thread_id(conn);
    pool__replica_note_refusal(the_pool, (unsigned)(conn.ticket & 0xffffffff) - 1, &refusal);
    assert_true(pool_conn_release(conn, NULL));
    return id;
}

/* Of `count` connections at once, so that none is opened in between. */
static void refuse_at_once(unsigned count)
{
    struct pool_conn conns[LIMIT];
    for (unsigned i = 0; i < count; i++)
        assert_true(pool_get_connection(the_pool, &conns[i], NULL));
    for (unsigned i = 0; i < count; i++)
        pool__replica_note_refusal(the_pool, (unsigned)(conns[i].ticket & 0xffffffff) - 1,
                                   &refusal);
    for (unsigned i = 0; i < count; i++)
        assert_true(pool_conn_release(conns[i], NULL));
}

static uint64_t closed_as_read_only(void)
{
    return stats_of(the_pool).closed_by_reason[POOL_CLOSE_READ_ONLY];
}

static void the_first_refused_write_has_all_connections_replaced(void **state)
{
    (void)state;
    make_pool(LIMIT);
    open_connections(LIMIT);
    refuse_a_write();
    WAIT_UNTIL(stats_of(the_pool).closed == LIMIT);
    assert_int_equal(closed_as_read_only(), LIMIT);
    assert_int_equal(stats_of(the_pool).state, POOL_STATE_UP);
}

static void a_write_that_new_connections_refuse_too_costs_one_of_them_now_and_then(void **state)
{
    (void)state;
    make_pool(LIMIT);
    refuse_a_write();
    open_connections(LIMIT);
    uint64_t begin = now_ms();
    uint64_t before = stats_of(the_pool).closed;
    refuse_at_once(LIMIT);
    /* Pauses of 1 to 50 ms at first, and on average of more than that later. */
    uint64_t most = 1 + (now_ms() - begin) / 2;
    WAIT_UNTIL(stats_of(the_pool).closing == 0);
    assert_in_range(stats_of(the_pool).closed - before, 0, most);
    for (unsigned i = 0; i < 200; i++)
        refuse_a_write();
    assert_in_range(stats_of(the_pool).closed - before, 0, 6 + (now_ms() - begin) / 10);
    assert_int_equal(stats_of(the_pool).state, POOL_STATE_RETRYING);
    assert_int_equal(stats_of(the_pool).closed, closed_as_read_only());
}

static void connections_follow_when_a_new_one_finds_a_server_that_takes_writes(void **state)
{
    (void)state;
    make_pool(LIMIT);
    refuse_a_write();
    open_connections(LIMIT);
    uint64_t before = stats_of(the_pool).closed;
    /* The server takes writes, as each new connection learns. */
    WAIT_UNTIL((refuse_a_write(), stats_of(the_pool).closed >= before + LIMIT));
    WAIT_UNTIL((open_connections(1), stats_of(the_pool).closing == 0));
    assert_int_equal(stats_of(the_pool).closed, closed_as_read_only());
}

static void a_server_that_refuses_nothing_any_more_is_up(void **state)
{
    (void)state;
    make_pool(1);
    refuse_a_write();
    refuse_a_write();
    assert_int_equal(stats_of(the_pool).state, POOL_STATE_RETRYING);
    WAIT_UNTIL((refuse_a_write(), stats_of(the_pool).closed >= 2)); /* and none is open */
    WAIT_UNTIL(stats_of(the_pool).state == POOL_STATE_UP);
}

static void what_is_being_opened_is_not_replaced(void **state)
{
    (void)state;
    unsigned slot = 1;
    make_pool(LIMIT);
    open_connections(1);
    assert_true(pool__slots_reserve_empty(&the_pool->core, &slot));
    refuse_a_write();
    WAIT_UNTIL(stats_of(the_pool).closed == 1);
    assert_false(atomic_load(&the_pool->core.slots[slot].word) & POOL__SLOT_EVICT);
    pool__slots_to_empty(&the_pool->core, slot);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_refused_set_up_pauses_like_a_refused_login),
        TEST(who_has_nothing_asks_a_full_server_each_second),
        TEST(who_has_something_asks_a_full_server_ever_more_rarely),
        TEST(only_a_connection_more_than_there_were_makes_a_full_server_worth_asking),
        TEST(a_crowd_has_its_connections_opened_bit_by_bit),
        TEST(who_may_begin_all_it_wants_is_not_woken_for_more),
        TEST(the_keeper_sleeps_while_callers_wait_for_what_is_in_use),
        TEST(after_an_outage_the_first_connection_is_not_followed_by_a_crowd),
        TEST(when_many_connections_are_lost_their_successors_do_not_come_at_once),
        TEST(the_first_refused_write_has_all_connections_replaced),
        TEST(a_write_that_new_connections_refuse_too_costs_one_of_them_now_and_then),
        TEST(connections_follow_when_a_new_one_finds_a_server_that_takes_writes),
        TEST(a_server_that_refuses_nothing_any_more_is_up),
        TEST(what_is_being_opened_is_not_replaced),
    };
    return server_suite_main(argc, argv, tests);
}
