/*
 * Handles: a copy that outlives its borrow is refused and touches nothing; what is not
 * given back is reported by name.
 *
 * Most pools here have one connection, so that a handle and its successor are about the
 * same slot and the same session: the case in which a mistake would do harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "mypool.h"
#include "engine/pool.h"
#include "pools.h"
#include "suite.h"

#define PATIENCE_S 60

static struct pool *pool_with(struct pool_options wish)
{
    if (!wish.connection_limit)
        wish.connection_limit = 1;
    return pool_of("MYPOOL_URL", wish);
}

static struct pool *small_pool(void)
{
    return pool_with((struct pool_options){0});
}

static void end(struct pool *pool)
{
    assert_true(pool_end(pool, PATIENCE_S * 1000, NULL));
}

static struct pool_conn borrow(struct pool *pool, const char *label)
{
    struct pool_conn conn = {0};
    struct pool_error err;
    struct pool_request request = {.label = label, .acquire_timeout_ms = PATIENCE_S * 1000};
    if (!pool_get_connection_with(pool, &request, &conn, &err))
        fail_msg("%s", err.message);
    return conn;
}

static int64_t number(struct pool_conn conn, const char *sql)
{
    struct pool_error err;
    struct pool_result *result = pool_conn_query(conn, sql, POOL_NO_ARGS, &err);
    if (!result || !pool_next(result))
        fail_msg("%s: %s", sql, err.message);
    int64_t value = pool_get_int(result, 0);
    pool_result_free(result);
    return value;
}

static bool never_called(struct pool_result *row, void *arg)
{
    (void)row;
    *(bool *)arg = true;
    return true;
}

/* What each call on the handle answers; `code` must be the answer of all. */
static void assert_refused(struct pool_conn conn, enum pool_code code)
{
    struct pool_error err;
    bool called = false;
    assert_null(pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, code);
    assert_false(pool_conn_stream(conn, "SELECT 1", POOL_NO_ARGS, never_called, &called, &err));
    assert_int_equal(err.code, code);
    assert_false(called);
    bool (*const calls[])(struct pool_conn, struct pool_error *) = {
        pool_conn_begin, pool_conn_commit, pool_conn_rollback, pool_conn_ping};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        assert_false(calls[i](conn, &err));
        assert_int_equal(err.code, code);
    }
    assert_int_equal(pool_conn_thread_id(conn), 0);
    assert_null(pool_conn_native(conn));
}

/* The same, and it cannot be given back either. */
static void assert_all_refused(struct pool_conn conn, enum pool_code code)
{
    struct pool_error err;
    assert_refused(conn, code);
    assert_false(pool_conn_release(conn, &err));
    assert_int_equal(err.code, code);
    assert_false(pool_conn_destroy(conn, &err));
    assert_int_equal(err.code, code);
}

static void assert_stale(struct pool_conn conn)
{
    assert_all_refused(conn, POOL_ERR_STALE);
}

static bool before(time_t deadline)
{
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
    return time(NULL) < deadline;
}

/* ---- stale handles ---- */

static void releasing_twice_is_refused(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    assert_true(pool_conn_release(conn, &err));
    assert_int_equal(err.code, POOL_OK);
    assert_false(pool_conn_release(conn, &err));
    assert_int_equal(err.code, POOL_ERR_STALE);
    end(pool);
}

static void a_released_handle_is_stale_for_every_call(void **state)
{
    (void)state;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    assert_true(pool_conn_release(conn, NULL));
    assert_stale(conn);
    end(pool);
}

static void a_destroyed_handle_is_stale_for_every_call(void **state)
{
    (void)state;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    assert_true(pool_conn_destroy(conn, NULL));
    assert_stale(conn);
    end(pool);
}

static void a_destroyed_connection_is_not_lent_again(void **state)
{
    (void)state;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    unsigned long id = pool_conn_thread_id(conn);
    assert_true(pool_conn_destroy(conn, NULL));
    conn = borrow(pool, NULL);
    assert_int_not_equal(pool_conn_thread_id(conn), id);
    assert_true(pool_conn_release(conn, NULL));
    assert_int_equal(stats_of(pool).closed_by_reason[POOL_CLOSE_DESTROYED], 1);
    end(pool);
}

static void an_empty_handle_is_stale(void **state)
{
    (void)state;
    assert_stale((struct pool_conn){0});
}

static void a_made_up_handle_is_stale(void **state)
{
    (void)state;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    assert_stale((struct pool_conn){pool, 0});
    assert_stale((struct pool_conn){pool, UINT64_MAX});
    assert_stale((struct pool_conn){pool, conn.ticket + 1});
    assert_stale((struct pool_conn){pool, conn.ticket + (UINT64_C(1) << 32)});
    assert_stale((struct pool_conn){NULL, conn.ticket});
    assert_true(pool_conn_release(conn, NULL));
    end(pool);
}

static void a_handle_of_an_ended_pool_is_stale(void **state)
{
    (void)state;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    assert_true(pool_conn_release(conn, NULL));
    end(pool);
    assert_stale(conn);
}

static void an_ended_pool_is_closed_for_newcomers(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_conn conn = {0};
    struct pool *pool = small_pool();
    end(pool);
    assert_false(pool_get_connection(pool, &conn, &err));
    assert_int_equal(err.code, POOL_ERR_CLOSED);
    assert_null(conn.pool);
    assert_null(pool_query(pool, "SELECT 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_CLOSED);
    assert_false(pool_ping(pool, &err));
    assert_int_equal(err.code, POOL_ERR_CLOSED);
}

/* Its connection was cut: calls say that the pool is closed, the release works once. */
static void a_handle_that_outlives_its_pool_can_be_released(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    assert_false(pool_end(pool, 0, &err));
    assert_int_equal(err.code, POOL_ERR_TIMEOUT);
    assert_refused(conn, POOL_ERR_CLOSED);
    assert_true(pool_conn_release(conn, &err));
    assert_stale(conn);
}

static void a_handle_that_outlives_its_pool_can_be_destroyed(void **state)
{
    (void)state;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    assert_false(pool_end(pool, 0, NULL));
    assert_true(pool_conn_destroy(conn, NULL));
    assert_stale(conn);
}

static void a_stale_handle_does_not_touch_its_successor(void **state)
{
    (void)state;
    struct pool *pool = small_pool();
    struct pool_conn old = borrow(pool, NULL);
    assert_true(pool_conn_release(old, NULL));
    struct pool_conn conn = borrow(pool, NULL);
    assert_int_equal(pool_conn_begin(conn, NULL), true);
    assert_stale(old);
    assert_int_equal(number(conn, "SELECT @@in_transaction"), 1);
    assert_true(pool_conn_rollback(conn, NULL));
    assert_true(pool_conn_release(conn, NULL));
    assert_int_equal(stats_of(pool).closed, 0);
    end(pool);
}

static void a_failed_borrow_leaves_the_handle_alone(void **state)
{
    (void)state;
    struct pool *pool = pool_with((struct pool_options){.acquire_timeout_ms = 10});
    struct pool_conn conn = borrow(pool, NULL);
    struct pool_conn other = {(struct pool *)&conn, 77};
    assert_false(pool_get_connection(pool, &other, NULL));
    assert_ptr_equal(other.pool, &conn);
    assert_int_equal(other.ticket, 77);
    assert_true(pool_conn_release(conn, NULL));
    end(pool);
}

/* ---- several threads ---- */

struct slow_call {
    struct pool_conn conn;
    bool ok;
};

static void *sleep_on_server(void *arg)
{
    struct slow_call *call = arg;
    struct pool_result *result =
        pool_conn_query(call->conn, "SELECT GET_LOCK('handles', 60)", POOL_NO_ARGS, NULL);
    call->ok = result && pool_next(result) && pool_get_int(result, 0) == 1;
    pool_result_free(result);
    return NULL;
}

static void wait_for_running_call(struct pool_conn watcher)
{
    time_t deadline = time(NULL) + PATIENCE_S;
    const char *sql =
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User lock'";
    while (number(watcher, sql) == 0)
        if (!before(deadline))
            fail_msg("the other thread's call does not run");
}

static void two_threads_on_one_handle_are_refused(void **state)
{
    (void)state;
    pthread_t thread;
    struct pool *pool = pool_with((struct pool_options){.connection_limit = 2});
    struct pool_conn lock = borrow(pool, NULL);
    struct slow_call call = {.conn = borrow(pool, NULL)};
    assert_int_equal(number(lock, "SELECT GET_LOCK('handles', 0)"), 1);
    assert_int_equal(pthread_create(&thread, NULL, sleep_on_server, &call), 0);
    wait_for_running_call(lock);
    assert_all_refused(call.conn, POOL_ERR_INVALID);
    assert_int_equal(number(lock, "SELECT RELEASE_LOCK('handles')"), 1);
    pthread_join(thread, NULL);
    assert_true(call.ok); /* the intruder did no harm */
    assert_true(pool_conn_release(call.conn, NULL));
    assert_true(pool_conn_release(lock, NULL));
    end(pool);
}

#define THREADS 6
#define ROUNDS 300

struct stress {
    struct pool *pool;
    unsigned seed;
    _Atomic unsigned *violations;
};

/* Inside a borrow nobody else may have changed the session, given the connection away
 * or run anything: old copies are thrown at the pool all the time. */
static void one_round(struct stress *stress, struct pool_conn *old)
{
    struct pool_conn conn = {0};
    struct pool_result *result = NULL;
    if (!pool_get_connection(stress->pool, &conn, NULL))
        return;
    unsigned long id = pool_conn_thread_id(conn);
    pool_conn_release(*old, NULL);
    pool_conn_destroy(*old, NULL);
    pool_result_free(pool_conn_query(*old, "SET @intruder = 1", POOL_NO_ARGS, NULL));
    result = pool_conn_query(conn, "SELECT CONNECTION_ID(), @intruder IS NULL", POOL_NO_ARGS, NULL);
    bool fine = result && pool_next(result) && pool_get_uint(result, 0) == id &&
                pool_get_int(result, 1) == 1;
    pool_result_free(result);
    bool given_back =
        rand_r(&stress->seed) % 16 ? pool_conn_release(conn, NULL) : pool_conn_destroy(conn, NULL);
    if (!fine || !given_back)
        atomic_fetch_add(stress->violations, 1);
    *old = conn;
}

static void *throw_stale_handles(void *arg)
{
    struct stress *stress = arg;
    struct pool_conn old = {0};
    for (int i = 0; i < ROUNDS; i++)
        one_round(stress, &old);
    return NULL;
}

static void stale_handles_never_touch_anothers_connection(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct stress stresses[THREADS];
    _Atomic unsigned violations = 0;
    struct pool *pool =
        pool_with((struct pool_options){.connection_limit = 2, .acquire_timeout_ms = 60000});
    for (unsigned i = 0; i < THREADS; i++) {
        stresses[i] = (struct stress){pool, i + 1, &violations};
        assert_int_equal(pthread_create(&threads[i], NULL, throw_stale_handles, &stresses[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct pool_stats stats = stats_of(pool);
    end(pool);
    assert_int_equal(atomic_load(&violations), 0);
    assert_int_equal(stats.acquired, THREADS * ROUNDS);
    assert_int_equal(stats.released, THREADS * ROUNDS);
}

/* A borrower has swapped the word of the slot and has not counted the use yet: the
 * moment that a snapshot may meet. */
static void a_snapshot_counts_a_borrow_and_its_return_alike(void **state)
{
    (void)state;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    struct pool__slot *slot = &pool->core.slots[0];
    uint64_t uses = atomic_fetch_sub(&slot->uses, 1);
    struct pool_stats stats = stats_of(pool);
    atomic_store(&slot->uses, uses);
    assert_true(pool_conn_release(conn, NULL));
    assert_int_equal(stats.acquired, 1);
    assert_int_equal(stats.in_use, 1);
    assert_int_equal(stats.released, 0);
    assert_int_equal(stats_of(pool).released, 1);
    end(pool);
}

/* ---- what a handle tells ---- */

static void the_thread_id_is_the_servers(void **state)
{
    (void)state;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    assert_int_equal(pool_conn_thread_id(conn), number(conn, "SELECT CONNECTION_ID()"));
    assert_true(pool_conn_release(conn, NULL));
    end(pool);
}

static void the_native_handle_is_of_the_same_connection(void **state)
{
    (void)state;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    MYSQL *native = pool_conn_native(conn);
    assert_non_null(native);
    assert_int_equal(mysql_thread_id(native), pool_conn_thread_id(conn));
    assert_int_equal(mysql_query(native, "SELECT 1"), 0);
    mysql_free_result(mysql_store_result(native));
    assert_int_equal(number(conn, "SELECT 2"), 2);
    assert_true(pool_conn_release(conn, NULL));
    end(pool);
}

static void native_use_is_followed_by_a_reset(void **state)
{
    (void)state;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    assert_non_null(pool_conn_native(conn));
    assert_true(pool_conn_release(conn, NULL));
    assert_true(pool_conn_release(borrow(pool, NULL), NULL));
    assert_int_equal(stats_of(pool).resets, 1);
    assert_int_equal(stats_of(pool).opened, 1);
    end(pool);
}

static void an_unread_native_result_closes_the_connection(void **state)
{
    (void)state;
    struct pool *pool = small_pool();
    struct pool_conn conn = borrow(pool, NULL);
    assert_int_equal(mysql_query(pool_conn_native(conn), "SELECT 1"), 0);
    assert_true(pool_conn_release(conn, NULL));
    conn = borrow(pool, NULL);
    assert_int_equal(number(conn, "SELECT 2"), 2);
    assert_true(pool_conn_release(conn, NULL));
    assert_int_equal(stats_of(pool).closed_by_reason[POOL_CLOSE_RESET], 1);
    end(pool);
}

/* ---- leaks ---- */

struct leak {
    _Atomic int reports;
    char label[80];
    uint64_t held_ms;
};

static void note_leak(const char *label, uint32_t held_ms, void *arg)
{
    struct leak *leak = arg;
    snprintf(leak->label, sizeof leak->label, "%s", label);
    leak->held_ms = held_ms;
    atomic_fetch_add(&leak->reports, 1);
}

static struct pool *leaky_pool(struct leak *leak)
{
    return pool_with((struct pool_options){
        .leak_after_ms = 40, .connection_limit = 2, .hooks = {.on_leak = note_leak, .arg = leak}});
}

static void wait_for_reports(struct leak *leak, int reports)
{
    time_t deadline = time(NULL) + PATIENCE_S;
    while (atomic_load(&leak->reports) < reports)
        if (!before(deadline))
            fail_msg("%d of %d leaks were reported", atomic_load(&leak->reports), reports);
}

static void a_leak_is_reported_by_label_and_age(void **state)
{
    (void)state;
    struct leak leak = {0};
    struct pool *pool = leaky_pool(&leak);
    struct pool_conn conn = borrow(pool, "orders.c:42");
    wait_for_reports(&leak, 1);
    assert_string_equal(leak.label, "orders.c:42");
    assert_in_range(leak.held_ms, 40, PATIENCE_S * 1000);
    assert_true(pool_conn_release(conn, NULL));
    end(pool);
}

/* The second borrower's report comes after many ticks in which the first is still out. */
static void a_leak_is_reported_once_per_borrow(void **state)
{
    (void)state;
    struct leak leak = {0};
    struct pool *pool = leaky_pool(&leak);
    struct pool_conn first = borrow(pool, "first");
    wait_for_reports(&leak, 1);
    struct pool_conn second = borrow(pool, "second");
    wait_for_reports(&leak, 2);
    assert_string_equal(leak.label, "second");
    assert_int_equal(stats_of(pool).leaks, 2);
    assert_true(pool_conn_release(first, NULL));
    assert_true(pool_conn_release(second, NULL));
    first = borrow(pool, "third");
    wait_for_reports(&leak, 3);
    assert_string_equal(leak.label, "third");
    assert_true(pool_conn_release(first, NULL));
    end(pool);
}

static void a_leak_without_a_label_is_reported_too(void **state)
{
    (void)state;
    struct leak leak = {0};
    struct pool *pool = leaky_pool(&leak);
    struct pool_conn conn = borrow(pool, "the label of another");
    wait_for_reports(&leak, 1);
    assert_true(pool_conn_release(conn, NULL));
    conn = borrow(pool, NULL);
    wait_for_reports(&leak, 2);
    assert_string_equal(leak.label, "");
    assert_true(pool_conn_release(conn, NULL));
    end(pool);
}

static void a_long_label_is_cut_to_63_bytes(void **state)
{
    (void)state;
    struct leak leak = {0};
    struct pool *pool = leaky_pool(&leak);
    const char *label = "0123456789012345678901234567890123456789012345678901234567890123456789";
    struct pool_conn conn = borrow(pool, label);
    wait_for_reports(&leak, 1);
    assert_int_equal(strlen(leak.label), 63);
    assert_memory_equal(leak.label, label, 63);
    assert_true(pool_conn_release(conn, NULL));
    end(pool);
}

static void an_acquire_timeout_names_the_holder_and_the_counts(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_conn none = {0};
    struct pool *pool =
        pool_with((struct pool_options){.connection_limit = 2, .acquire_timeout_ms = 20});
    struct pool_request patient = {.label = "report.c:7", .acquire_timeout_ms = 60000};
    struct pool_conn one = {0}, two = {0};
    assert_true(pool_get_connection_with(pool, &patient, &one, NULL));
    assert_true(pool_get_connection_with(pool, &patient, &two, NULL));
    assert_false(pool_get_connection(pool, &none, &err));
    assert_int_equal(err.code, POOL_ERR_TIMEOUT);
    assert_true(err.not_executed);
    assert_non_null(strstr(err.message, "report.c:7"));
    assert_non_null(strstr(err.message, "2 of 2 in use"));
    assert_true(pool_conn_release(one, NULL));
    assert_true(pool_conn_release(two, NULL));
    end(pool);
}

/* ---- threads that are cancelled ---- */

struct cancelled {
    struct pool *pool;
    bool (*call)(struct pool *pool);
    bool ok;
    _Atomic bool returned;
};

static void *call_although_cancelled(void *arg)
{
    struct cancelled *cancelled = arg;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cancel(pthread_self());
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    /* From here on the thread ends as soon as it comes by a cancellation point. */
    cancelled->ok = cancelled->call(cancelled->pool);
    atomic_store(&cancelled->returned, true);
    pthread_testcancel();
    return NULL;
}

static void assert_outlasts_a_cancellation(struct pool *pool, bool (*call)(struct pool *pool))
{
    struct cancelled cancelled = {.pool = pool, .call = call};
    pthread_t thread;
    void *result;
    before(0); /* so that the connection has been silent for a while, and is looked at */
    assert_int_equal(pthread_create(&thread, NULL, call_although_cancelled, &cancelled), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_true(atomic_load(&cancelled.returned));
    assert_true(cancelled.ok);
    assert_int_equal(stats_of(pool).in_use, 0);
    assert_int_equal(stats_of(pool).waiting, 0);
}

static bool query_once(struct pool *pool)
{
    struct pool_result *result = pool_query(pool, "SELECT 1", POOL_NO_ARGS, NULL);
    pool_result_free(result);
    return result != NULL;
}

static bool count_row(struct pool_result *row, void *arg)
{
    (void)row;
    return ++*(int *)arg == 1;
}

static bool stream_once(struct pool *pool)
{
    int rows = 0;
    return pool_stream(pool, "SELECT 1", POOL_NO_ARGS, count_row, &rows, NULL) && rows == 1;
}

static bool ping_once(struct pool *pool)
{
    return pool_ping(pool, NULL);
}

static bool select_one(struct pool_conn conn, void *arg, struct pool_error *err)
{
    (void)arg;
    struct pool_result *result = pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, err);
    pool_result_free(result);
    return result != NULL;
}

static bool transact_once(struct pool *pool)
{
    return pool_transaction(pool, select_one, NULL, NULL);
}

static bool borrow_once(struct pool *pool)
{
    struct pool_conn conn;
    return pool_get_connection(pool, &conn, NULL) && pool_conn_ping(conn, NULL) &&
           select_one(conn, NULL, NULL) && pool_conn_native(conn) && pool_conn_release(conn, NULL);
}

static bool destroy_once(struct pool *pool)
{
    struct pool_conn conn;
    return pool_get_connection(pool, &conn, NULL) && pool_conn_destroy(conn, NULL);
}

static void a_cancelled_thread_ends_its_call_first(void **state)
{
    (void)state;
    bool (*const calls[])(struct pool *) = {query_once,    stream_once, ping_once,
                                            transact_once, borrow_once, destroy_once};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct pool *pool = small_pool();
        assert_outlasts_a_cancellation(pool, calls[i]); /* it has to wait for a connection */
        assert_outlasts_a_cancellation(pool, calls[i]); /* there is one */
        end(pool);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(releasing_twice_is_refused),
        cmocka_unit_test(a_snapshot_counts_a_borrow_and_its_return_alike),
        cmocka_unit_test(a_released_handle_is_stale_for_every_call),
        cmocka_unit_test(a_destroyed_handle_is_stale_for_every_call),
        cmocka_unit_test(a_destroyed_connection_is_not_lent_again),
        cmocka_unit_test(an_empty_handle_is_stale),
        cmocka_unit_test(a_made_up_handle_is_stale),
        cmocka_unit_test(a_handle_of_an_ended_pool_is_stale),
        cmocka_unit_test(an_ended_pool_is_closed_for_newcomers),
        cmocka_unit_test(a_handle_that_outlives_its_pool_can_be_released),
        cmocka_unit_test(a_handle_that_outlives_its_pool_can_be_destroyed),
        cmocka_unit_test(a_stale_handle_does_not_touch_its_successor),
        cmocka_unit_test(a_failed_borrow_leaves_the_handle_alone),
        cmocka_unit_test(two_threads_on_one_handle_are_refused),
        cmocka_unit_test(stale_handles_never_touch_anothers_connection),
        cmocka_unit_test(the_thread_id_is_the_servers),
        cmocka_unit_test(the_native_handle_is_of_the_same_connection),
        cmocka_unit_test(native_use_is_followed_by_a_reset),
        cmocka_unit_test(an_unread_native_result_closes_the_connection),
        cmocka_unit_test(a_leak_is_reported_by_label_and_age),
        cmocka_unit_test(a_leak_is_reported_once_per_borrow),
        cmocka_unit_test(a_leak_without_a_label_is_reported_too),
        cmocka_unit_test(a_long_label_is_cut_to_63_bytes),
        cmocka_unit_test(an_acquire_timeout_names_the_holder_and_the_counts),
        cmocka_unit_test(a_cancelled_thread_ends_its_call_first),
    };
    return server_suite_main(argc, argv, tests);
}
