/*
 * Races that come up once in a million rounds, brought about: the linker sends a few calls
 * between the files of the library through the wrappers below, where the test does what
 * another thread would have to do at exactly that moment.
 *
 * Expected: nothing is lost, whoever comes first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <time.h>

#include "mypool.h"
#include "pool.h"

#define PATIENCE_MS 60000

static struct {
    struct pool_conn handle;
    _Atomic bool released; /* by the wrapper */
    _Atomic bool release_before_eviction;
} race;

bool __real_pool__core_evict(struct pool__core *core, unsigned slot);
bool __wrap_pool__core_evict(struct pool__core *core, unsigned slot);

bool __wrap_pool__core_evict(struct pool__core *core, unsigned slot)
{
    if (atomic_exchange(&race.release_before_eviction, false))
        atomic_store(&race.released, pool_conn_release(race.handle, NULL));
    return __real_pool__core_evict(core, slot);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until a condition holds; fails with its text if it never does. */
#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        int64_t give_up = now_ms() + PATIENCE_MS;                                                  \
        while (!(condition)) {                                                                     \
            if (now_ms() > give_up)                                                                \
                fail_msg("never true: %s", #condition);                                            \
            nanosleep(&(struct timespec){0, 1000000}, NULL);                                       \
        }                                                                                          \
    } while (0)

static struct pool *pool_with(struct pool_options wish)
{
    struct pool_options from;
    struct pool_error err;
    void *memory;
    assert_non_null(getenv("MYPOOL_URL")); /* from with-mariadb */
    assert_true(pool_options_from_url(getenv("MYPOOL_URL"), &from, &memory, &err));
    wish.host = from.host;
    wish.port = from.port;
    wish.user = from.user;
    wish.password = from.password;
    wish.database = from.database;
    struct pool *pool = pool_create(&wish, &err);
    free(memory);
    if (!pool)
        fail_msg("%s", err.message);
    return pool;
}

static struct pool_stats stats_of(struct pool *pool)
{
    struct pool_stats stats;
    pool_stats(pool, &stats);
    return stats;
}

static struct pool_conn borrow(struct pool *pool)
{
    struct pool_conn conn = {0};
    struct pool_error err;
    if (!pool_get_connection(pool, &conn, &err))
        fail_msg("%s", err.message);
    return conn;
}

static void end(struct pool *pool)
{
    assert_true(pool_end(pool, PATIENCE_MS, NULL));
}

/* The keeper has seen that it is borrowed and too old. */
static void a_connection_that_comes_back_while_it_is_retired_is_closed(void **state)
{
    (void)state;
    struct pool *pool =
        pool_with((struct pool_options){.connection_limit = 1, .max_lifetime_ms = 100});
    race.handle = borrow(pool);
    atomic_store(&race.release_before_eviction, true);
    WAIT_UNTIL(!atomic_load(&race.release_before_eviction));
    WAIT_UNTIL(stats_of(pool).closed_by_reason[POOL_CLOSE_LIFETIME] >= 1);
    assert_true(atomic_load(&race.released));
    assert_true(pool_conn_release(borrow(pool), NULL)); /* its place is free again */
    end(pool);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_that_comes_back_while_it_is_retired_is_closed),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("races", tests, NULL, NULL);
}
