/*
 * The keeper: what it does at once and not at its next tick, and what it makes known of
 * the state of the server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "clock.h"
#include "pools.h"
#include "suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "mypool.h"
#include "engine/pool.h"

#define PATIENCE_MS 60000
#define LOST 3

/* ---- suspicion ---- */

/* The next tick is an hour away when this returns: a tick forgets the losses. */
static void postpone_ticks(struct pool *pool)
{
    atomic_store(&pool->tick_ns, 3600 * UINT64_C(1000000000));
    atomic_store(&pool->losses, 1);
    WAIT_UNTIL(atomic_load(&pool->losses) == 0);
}

static void *sleep_on(void *handle)
{
    pool_result_free(
        pool_conn_query(*(struct pool_conn *)handle, "SELECT SLEEP(3600)", POOL_NO_ARGS, NULL));
    return NULL;
}

static bool sleeps(struct pool *admin, unsigned long id)
{
    struct pool_result *row =
        pool_query(admin,
                   "SELECT 1 FROM information_schema.processlist WHERE id = ? AND info LIKE "
                   "'SELECT SLEEP%'",
                   POOL_ARGS(id), NULL);
    bool found = pool_row_count(row) == 1;
    pool_result_free(row);
    return found;
}

static void kill_statement(struct pool *admin, struct pool_conn conn, unsigned long id)
{
    pthread_t thread;
    char sql[64];
    snprintf(sql, sizeof sql, "KILL %lu", id);
    assert_int_equal(pthread_create(&thread, NULL, sleep_on, &conn), 0);
    WAIT_UNTIL(sleeps(admin, id));
    pool_result_free(pool_query(admin, sql, POOL_NO_ARGS, NULL));
    pthread_join(thread, NULL);
}

static void the_third_lost_connection_has_the_idle_ones_pinged_at_once(void **state)
{
    (void)state;
    struct pool_conn conns[LOST + 2];
    unsigned long ids[LOST + 2];
    struct pool *admin = pool_of("MYPOOL_ADMIN_URL", (struct pool_options){0});
    struct pool *pool = pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = LOST + 2});
    for (unsigned i = 0; i < LOST + 2; i++) {
        assert_true(pool_get_connection(pool, &conns[i], NULL));
        ids[i] = pool_conn_thread_id(conns[i]);
    }
    assert_true(pool_conn_release(conns[LOST], NULL));
    assert_true(pool_conn_release(conns[LOST + 1], NULL));
    postpone_ticks(pool);
    for (unsigned i = 0; i < LOST; i++) {
        assert_int_equal(stats_of(pool).pings, 0);
        kill_statement(admin, conns[i], ids[i]);
    }
    WAIT_UNTIL(stats_of(pool).pings == 2);
    for (unsigned i = 0; i < LOST; i++)
        assert_true(pool_conn_release(conns[i], NULL));
    assert_true(pool_end(pool, PATIENCE_MS, NULL));
    assert_true(pool_end(admin, PATIENCE_MS, NULL));
}

/* ---- the state of the server ---- */

/* What the connects meet, by their number: the first succeeds, the second is refused, from
 * the third on they hang until the gate is open. */
struct connects {
    _Atomic unsigned count;
    _Atomic bool open;
};

static bool succeed_fail_hang(struct pool_credentials *credentials, bool refresh, void *arg)
{
    (void)credentials;
    (void)refresh;
    struct connects *connects = arg;
    unsigned number = atomic_fetch_add(&connects->count, 1) + 1;
    while (number > 2 && !atomic_load(&connects->open))
        pause_ms(1);
    return number != 2;
}

struct waiter {
    pthread_t thread;
    struct pool *pool;
    struct pool_error err;
    bool ok;
    _Atomic bool done;
};

static void *borrow_once(void *arg)
{
    struct waiter *waiter = arg;
    struct pool_conn conn;
    waiter->ok = pool_get_connection(waiter->pool, &conn, &waiter->err);
    if (waiter->ok)
        pool_conn_release(conn, NULL);
    atomic_store(&waiter->done, true);
    return NULL;
}

/* A connect fails while a connection is open; then that one goes, and nothing else fails. */
static void callers_fail_fast_when_the_last_connection_goes_after_a_failed_connect(void **state)
{
    (void)state;
    struct connects connects = {0};
    struct pool_conn conn;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 2,
                                                    .acquire_timeout_ms = 600000,
                                                    .fail_fast_ms = 1,
                                                    .credentials = succeed_fail_hang,
                                                    .credentials_arg = &connects});
    struct waiter waiter = {.pool = pool};
    assert_true(pool_get_connection(pool, &conn, NULL));
    assert_int_equal(pthread_create(&waiter.thread, NULL, borrow_once, &waiter), 0);
    WAIT_UNTIL(atomic_load(&connects.count) == 3);
    assert_int_equal(stats_of(pool).state, POOL_STATE_RETRYING);
    assert_int_equal(stats_of(pool).waiting, 1);
    assert_true(pool_conn_destroy(conn, NULL));
    bool failed = WITHIN(20, atomic_load(&waiter.done));
    enum pool_state then = (enum pool_state)stats_of(pool).state;
    atomic_store(&connects.open, true);
    pthread_join(waiter.thread, NULL);
    assert_true(failed);
    assert_false(waiter.ok);
    assert_int_equal(waiter.err.code, POOL_ERR_AUTH);
    assert_int_equal(then, POOL_STATE_DOWN);
    WAIT_UNTIL(pool_get_connection(pool, &conn, NULL));
    assert_int_equal(stats_of(pool).state, POOL_STATE_UP);
    assert_true(pool_conn_release(conn, NULL));
    assert_true(pool_end(pool, PATIENCE_MS, NULL));
}

/* Two connects are under way at once; one of them fails, and the hook that is told so
 * takes its time. Meanwhile the other one succeeds. */
struct news {
    struct pool *_Atomic pool;
    _Atomic unsigned connects;
    _Atomic unsigned told; /* one digit per state, the latest last */
    _Atomic unsigned inside;
    _Atomic bool overlapped;
};

static bool fail_one_of_two(struct pool_credentials *credentials, bool refresh, void *arg)
{
    (void)credentials;
    (void)refresh;
    struct news *news = arg;
    bool fails = atomic_fetch_add(&news->connects, 1) == 0;
    if (fails)
        WITHIN(PATIENCE_MS, atomic_load(&news->connects) >= 2);
    else
        WITHIN(PATIENCE_MS, atomic_load(&news->inside) > 0 || atomic_load(&news->told) > 0);
    return !fails;
}

static void take_in(enum pool_state state, const char *cause, void *arg)
{
    (void)cause;
    struct news *news = arg;
    if (atomic_fetch_add(&news->inside, 1) > 0)
        atomic_store(&news->overlapped, true);
    if (state == POOL_STATE_DOWN) {
        WITHIN(PATIENCE_MS, stats_of(atomic_load(&news->pool)).state == POOL_STATE_UP);
        WITHIN(1, atomic_load(&news->inside) > 1);
    }
    atomic_store(&news->told, atomic_load(&news->told) * 10 + state + 1);
    atomic_fetch_sub(&news->inside, 1);
}

static void the_last_state_that_is_told_is_the_present_one(void **state)
{
    (void)state;
    struct news news = {.pool = NULL};
    struct waiter waiters[2];
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 2,
                                                    .acquire_timeout_ms = PATIENCE_MS,
                                                    .fail_fast_ms = POOL_NEVER,
                                                    .credentials = fail_one_of_two,
                                                    .credentials_arg = &news,
                                                    .hooks = {.on_state = take_in, .arg = &news}});
    atomic_store(&news.pool, pool);
    for (unsigned i = 0; i < 2; i++) {
        waiters[i] = (struct waiter){.pool = pool};
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, borrow_once, &waiters[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(waiters[i].thread, NULL);
    WAIT_UNTIL(atomic_load(&news.told) > 9 && atomic_load(&news.inside) == 0);
    assert_true(pool_end(pool, PATIENCE_MS, NULL));
    assert_false(atomic_load(&news.overlapped));
    assert_int_equal(atomic_load(&news.told), 10 * (POOL_STATE_DOWN + 1) + POOL_STATE_UP + 1);
}

/* ---- pauses between connects ---- */

/* The longest pause after so many connects that were lost. */
static uint64_t longest_pause_ns(struct pool *pool, unsigned count, bool logged_in)
{
    struct pool_error lost = {.code = POOL_ERR_LOST, .server_errno = 2013};
    uint64_t longest = 0;
    for (unsigned i = 0; i < count; i++) {
        pool__health_report(pool, &lost, logged_in);
        pool__lock(&pool->health.lock);
        uint64_t until = pool->health.next_try_ns;
        pool__unlock(&pool->health.lock);
        uint64_t now = pool__now_ns();
        if (until > now && until - now > longest)
            longest = until - now;
    }
    return longest;
}

static void a_server_that_lets_in_is_tried_again_soon(void **state)
{
    (void)state;
    struct pool *pool = pool_of("MYPOOL_URL", (struct pool_options){0});
    assert_int_equal(longest_pause_ns(pool, 16, true), 0);
    assert_in_range(longest_pause_ns(pool, 100, true), 1, 100 * POOL__NS_PER_MS);
    assert_true(longest_pause_ns(pool, 100, false) > 100 * POOL__NS_PER_MS);
    assert_true(pool_end(pool, PATIENCE_MS, NULL));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_lets_in_is_tried_again_soon),
        cmocka_unit_test(the_third_lost_connection_has_the_idle_ones_pinged_at_once),
        cmocka_unit_test(callers_fail_fast_when_the_last_connection_goes_after_a_failed_connect),
        cmocka_unit_test(the_last_state_that_is_told_is_the_present_one),
    };
    return server_suite_main(argc, argv, tests);
}
