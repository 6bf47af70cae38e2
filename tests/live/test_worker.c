/*
 * The workers: however long some chores take, there is room for the others.
 *
 * A reset hangs in the init callback, which knows a connection that it has seen before.
 * No deadline of the pool's own comes to the test's help.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "clock.h"
#include "pools.h"
#include "suite.h"
#include "mypool.h"

#define PATIENCE_MS 120000 /* what waits takes milliseconds, on a machine with time to spare */
#define MOST 64

/* Whoever hangs sleeps: dozens that looked again and again would keep the server from its
 * work. */
static struct {
    _Atomic int64_t seen[MOST]; /* ids of connections */
    _Atomic unsigned hanging;
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open; /* lock */
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};

static void set_gate(bool open)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = open;
    pthread_cond_broadcast(&gate.opened);
    pthread_mutex_unlock(&gate.lock);
}

static void hang(void)
{
    atomic_fetch_add(&gate.hanging, 1);
    pthread_mutex_lock(&gate.lock);
    while (!gate.open)
        pthread_cond_wait(&gate.opened, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

/* True if the connection is known; it is from now on. */
static bool is_known(int64_t id)
{
    for (unsigned i = 0; i < MOST; i++) {
        int64_t none = 0;
        if (atomic_compare_exchange_strong(&gate.seen[i], &none, id))
            return false;
        if (none == id)
            return true;
    }
    return true;
}

static bool hang_in_a_reset(struct pool_setup *setup, void *arg, struct pool_error *err)
{
    (void)arg;
    struct pool_result *row = pool_setup_query(setup, "SELECT CONNECTION_ID()", POOL_NO_ARGS, err);
    bool reset = row && pool_next(row) && is_known(pool_get_int(row, 0));
    bool ok = row != NULL;
    pool_result_free(row);
    if (reset)
        hang();
    return ok;
}

static struct pool *pool_whose_resets_hang(unsigned limit)
{
    for (unsigned i = 0; i < MOST; i++)
        atomic_store(&gate.seen[i], 0);
    atomic_store(&gate.hanging, 0);
    set_gate(false);
    return pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = limit,
                                                       .connect_timeout_ms = 600000,
                                                       .acquire_timeout_ms = PATIENCE_MS,
                                                       .init = hang_in_a_reset});
}

static void change_sessions(struct pool *pool, unsigned count)
{
    struct pool_conn conns[MOST];
    struct pool_error err;
    for (unsigned i = 0; i < count; i++)
        if (!pool_get_connection(pool, &conns[i], &err))
            fail_msg("%s", err.message);
    for (unsigned i = 0; i < count; i++) {
        pool_result_free(pool_conn_query(conns[i], "SET @mine = 1", POOL_NO_ARGS, NULL));
        assert_true(pool_conn_release(conns[i], NULL));
    }
}

/* `resets` connections come back to be reset, of which `most` can hang at a time; then
 * somebody wants another one. */
static void assert_room_beside_resets(unsigned limit, unsigned resets, unsigned most)
{
    struct pool_conn conn;
    struct pool_error err;
    struct pool *pool = pool_whose_resets_hang(limit);
    change_sessions(pool, resets);
    WAIT_UNTIL(atomic_load(&gate.hanging) == most);
    bool served = pool_get_connection(pool, &conn, &err);
    unsigned hanging = atomic_load(&gate.hanging);
    set_gate(true);
    if (!served)
        fail_msg("%s", err.message);
    assert_true(pool_conn_destroy(conn, NULL));
    WAIT_UNTIL(stats_of(pool).idle == resets && stats_of(pool).closing == 0);
    assert_int_equal(stats_of(pool).resets, resets);
    assert_true(pool_end(pool, PATIENCE_MS, NULL));
    assert_int_equal(hanging, most);
}

static void eight_resets_that_hang_leave_room_for_a_connect(void **state)
{
    (void)state;
    assert_room_beside_resets(10, 8, 8);
}

static void a_reset_of_the_only_other_connection_leaves_room_for_a_connect(void **state)
{
    (void)state;
    assert_room_beside_resets(2, 1, 1);
}

static void resets_that_hang_never_have_all_the_workers(void **state)
{
    (void)state;
    assert_room_beside_resets(40, 36, 30);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_resets_that_hang_leave_room_for_a_connect),
        cmocka_unit_test(a_reset_of_the_only_other_connection_leaves_room_for_a_connect),
        cmocka_unit_test(resets_that_hang_never_have_all_the_workers),
    };
    return server_suite_main(argc, argv, tests);
}
