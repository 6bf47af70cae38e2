/*
 * Counting: the counters of a pool obey the laws of conservation, and agree with its hooks.
 * See life.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "life.h"
#include "suite.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct counts {
    _Atomic uint64_t connections, closes, enqueues, acquires, releases, queries, failed_queries;
    _Atomic uint64_t open_ids; /* thread ids: added when opened, subtracted when closed */
    _Atomic uint64_t by_reason[POOL_CLOSE_LAST + 1];
    _Atomic int states;
    enum pool_state last_state;
    char cause[256];
};

static void count_connection(unsigned long id, void *arg)
{
    struct counts *counts = arg;
    atomic_fetch_add(&counts->connections, 1);
    atomic_fetch_add(&counts->open_ids, id);
}

static void count_close(enum pool_close_reason reason, unsigned long id, void *arg)
{
    struct counts *counts = arg;
    atomic_fetch_add(&counts->closes, 1);
    atomic_fetch_sub(&counts->open_ids, id);
    atomic_fetch_add(&counts->by_reason[reason], 1);
}

static void count_enqueue(void *arg)
{
    atomic_fetch_add(&((struct counts *)arg)->enqueues, 1);
}

static void count_acquire(uint64_t waited_ns, void *arg)
{
    (void)waited_ns;
    atomic_fetch_add(&((struct counts *)arg)->acquires, 1);
}

static void count_release(uint64_t held_ns, void *arg)
{
    (void)held_ns;
    atomic_fetch_add(&((struct counts *)arg)->releases, 1);
}

static void count_query(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                        enum pool_code code, void *arg)
{
    (void)label;
    (void)digest;
    (void)elapsed_ns;
    (void)rows;
    atomic_fetch_add(&((struct counts *)arg)->queries, 1);
    atomic_fetch_add(&((struct counts *)arg)->failed_queries, code != POOL_OK);
}

static void note_state(enum pool_state state, const char *cause, void *arg)
{
    struct counts *counts = arg;
    counts->last_state = state;
    snprintf(counts->cause, sizeof counts->cause, "%s", cause ? cause : "");
    atomic_fetch_add(&counts->states, 1);
}

static struct pool_hooks hooks_of(struct counts *counts)
{
    return (struct pool_hooks){.on_connection = count_connection,
                               .on_enqueue = count_enqueue,
                               .on_acquire = count_acquire,
                               .on_release = count_release,
                               .on_close = count_close,
                               .on_query = count_query,
                               .on_state = note_state,
                               .arg = counts};
}

#define USERS 6
#define ROUNDS 60

/* A bit of everything that can happen to a connection. */
static void *live(void *arg)
{
    struct pool *pool = arg;
    unsigned seed = (unsigned)(uintptr_t)pthread_self();
    static const char *const sql[] = {
        "SELECT 1", "SET @x = 1",           "SELECT nonsense",
        "DO 1",     "KILL CONNECTION_ID()", "SELECT 1 UNION SELECT 2"};
    for (int i = 0; i < ROUNDS; i++) {
        struct pool_conn conn;
        struct pool_request request = {.sql = sql[(size_t)rand_r(&seed) % COUNT(sql)],
                                       .acquire_timeout_ms = rand_r(&seed) % 8 ? 30000 : 1,
                                       .timeout_ms = rand_r(&seed) % 16 ? 0 : 1};
        pool_result_free(pool_query_with(pool, &request, NULL));
        if (!pool_get_connection_with(pool, &request, &conn, NULL))
            continue;
        pool_result_free(pool_conn_query(conn, request.sql, POOL_NO_ARGS, NULL));
        rand_r(&seed) % 8 ? pool_conn_release(conn, NULL) : pool_conn_destroy(conn, NULL);
    }
    return NULL;
}

static bool at_rest(struct pool *pool, struct pool_stats *ret_stats)
{
    *ret_stats = stats_of(pool);
    return ret_stats->idle == ret_stats->open && ret_stats->closing == 0 &&
           ret_stats->connecting == 0;
}

/* The counts when all have come to rest. */
static struct pool_stats live_with_threads(struct pool *pool)
{
    struct pool_stats stats;
    pthread_t users[USERS];
    for (int i = 0; i < USERS; i++)
        assert_int_equal(pthread_create(&users[i], NULL, live, pool), 0);
    for (int i = 0; i < USERS; i++)
        pthread_join(users[i], NULL);
    WAIT_UNTIL(at_rest(pool, &stats));
    return stats;
}

static void the_counters_obey_the_laws_of_conservation(void **state)
{
    (void)state;
    uint64_t by_reason = 0;
    struct pool *pool = small_pool(3);
    struct pool_stats stats = live_with_threads(pool);
    for (size_t i = 0; i < COUNT(stats.closed_by_reason); i++)
        by_reason += stats.closed_by_reason[i];
    end_cleanly(pool);
    assert_int_equal(stats.in_use, 0);
    assert_int_equal(stats.waiting, 0);
    assert_int_equal(stats.acquired, stats.released);
    assert_int_equal(stats.opened, stats.closed + stats.open);
    assert_int_equal(by_reason, stats.closed);
    assert_in_range(stats.queries, stats.query_errors, UINT64_MAX);
    assert_in_range(stats.queries, USERS * ROUNDS, 2 * USERS * ROUNDS * 3);
    assert_in_range(stats.acquire_timeouts + stats.acquire_failures, 0,
                    (uint64_t)2 * USERS * ROUNDS);
}

static void hooks_come_in_pairs_and_agree_with_the_counters(void **state)
{
    (void)state;
    struct counts counts = {0};
    struct pool *pool = pool_of(
        "MYPOOL_URL", (struct pool_options){.connection_limit = 3, .hooks = hooks_of(&counts)});
    struct pool_stats stats = live_with_threads(pool);
    assert_int_equal(counts.acquires, stats.acquired);
    assert_int_equal(counts.releases, stats.acquired);
    assert_int_equal(counts.connections, stats.opened);
    assert_int_equal(counts.closes, stats.closed);
    assert_int_equal(counts.enqueues, stats.enqueued);
    for (size_t i = 0; i < COUNT(counts.by_reason); i++)
        assert_int_equal(counts.by_reason[i], stats.closed_by_reason[i]);
    assert_in_range(counts.queries, USERS * ROUNDS, stats.queries);
    end_cleanly(pool);
    assert_int_equal(counts.connections, counts.closes);
    assert_int_equal(counts.open_ids, 0);
}

static void each_queued_caller_that_fails_is_counted_once(void **state)
{
    (void)state;
    struct counts counts = {0};
    struct pool_conn none;
    struct pool *pool = pool_of(
        "MYPOOL_URL", (struct pool_options){.connection_limit = 1, .hooks = hooks_of(&counts)});
    struct pool_request quick = {.acquire_timeout_ms = 5};
    struct pool_conn conn = borrow_from(pool);
    for (int i = 0; i < 4; i++)
        assert_false(pool_get_connection_with(pool, &quick, &none, NULL));
    assert_true(pool_conn_release(conn, NULL));
    assert_int_equal(counts.enqueues, 4); /* the first waited for nobody but the pool */
    assert_int_equal(counts.acquires, 1);
    assert_int_equal(stats_of(pool).acquire_timeouts, 4);
    assert_int_equal(stats_of(pool).acquired, 1);
    end_cleanly(pool);
}

/* A port on which nobody listens: ours, given up at once. */
static unsigned dead_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void a_server_that_is_down_is_told_with_its_cause(void **state)
{
    (void)state;
    struct counts counts = {0};
    struct pool_error err;
    struct pool *pool = pool_of(
        "MYPOOL_URL",
        (struct pool_options){.port = dead_port(), .fail_fast_ms = 50, .hooks = hooks_of(&counts)});
    assert_null(pool_query(pool, "SELECT 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_CONNECT);
    assert_true(err.not_executed);
    assert_int_equal(stats_of(pool).state, POOL_STATE_DOWN);
    assert_int_equal(stats_of(pool).opened, 0);
    assert_in_range(stats_of(pool).connect_failures, 1, UINT64_MAX);
    end_cleanly(pool);
    assert_int_equal(atomic_load(&counts.states), 1);
    assert_int_equal(counts.last_state, POOL_STATE_DOWN);
    assert_string_not_equal(counts.cause, "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counters_obey_the_laws_of_conservation),
        cmocka_unit_test(hooks_come_in_pairs_and_agree_with_the_counters),
        cmocka_unit_test(each_queued_caller_that_fails_is_counted_once),
        cmocka_unit_test(a_server_that_is_down_is_told_with_its_cause),
    };
    return server_suite_main_with(argc, argv, tests, set_up_life, tear_down_life);
}
