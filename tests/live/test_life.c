/*
 * The life of a pool: waiting for a connection, keeping connections fresh, counting
 * (P23), ending (P10), and living in a process that forks, execs and has signals of its
 * own (P22).
 *
 * Deadlines are asserted exactly on one side only: nothing may come early. How late it
 * came is printed, and bounded so generously that only a hang fails. The server's own
 * process list, read through an administrator's pool, says what is left over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pools.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mypool.h"
#include "server.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define PATIENCE_MS 60000
#define LATE_MS 10000 /* later than this is a hang, on any machine */
#define OURS "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'app'"

/* ---- helpers ---- */

static struct pool *small_pool(unsigned limit)
{
    return pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = limit});
}

static void end(struct pool *pool)
{
    assert_true(pool_end(pool, PATIENCE_MS, NULL));
}

static int64_t number(struct pool *pool, const char *sql)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, sql, POOL_NO_ARGS, &err);
    if (!result || !pool_next(result))
        fail_msg("%s: %s", sql, err.message);
    int64_t value = pool_get_int(result, 0);
    pool_result_free(result);
    return value;
}

static void run(struct pool *pool, const char *sql)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, sql, POOL_NO_ARGS, &err);
    if (!result)
        fail_msg("%s: %s", sql, err.message);
    pool_result_free(result);
}

static struct pool_conn borrow(struct pool *pool)
{
    struct pool_conn conn = {0};
    struct pool_error err;
    if (!pool_get_connection(pool, &conn, &err))
        fail_msg("%s", err.message);
    return conn;
}

/* Borrows `count` connections at once, and gives them all back. */
static void use_many(struct pool *pool, unsigned count)
{
    struct pool_conn conns[16];
    for (unsigned i = 0; i < count; i++)
        conns[i] = borrow(pool);
    for (unsigned i = 0; i < count; i++)
        assert_true(pool_conn_release(conns[i], NULL));
}

static unsigned entries_of(const char *folder)
{
    unsigned count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static unsigned descriptors(void)
{
    return entries_of("/proc/self/fd");
}

/* A thread that was joined may be seen here for a moment still. */
static unsigned threads(void)
{
    return entries_of("/proc/self/task");
}

/* A call on a thread of its own. */
struct call {
    struct pool *pool;
    struct pool_request request; /* sql NULL: a borrow and a release */
    pthread_t thread;
    struct pool_error err;
    bool ok;
    uint64_t took_ms;
};

static void *do_call(void *arg)
{
    struct call *call = arg;
    struct pool_conn conn;
    uint64_t started = now_ms();
    if (call->request.sql) {
        struct pool_result *result = pool_query_with(call->pool, &call->request, &call->err);
        call->ok = result != NULL;
        pool_result_free(result);
    } else {
        call->ok = pool_get_connection_with(call->pool, &call->request, &conn, &call->err);
    }
    call->took_ms = now_ms() - started;
    if (call->ok && !call->request.sql)
        pool_conn_release(conn, NULL);
    return NULL;
}

static void start_call(struct call *call)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 512 * 1024);
    assert_int_equal(pthread_create(&call->thread, &attributes, do_call, call), 0);
    pthread_attr_destroy(&attributes);
}

static void join_call(struct call *call)
{
    assert_int_equal(pthread_join(call->thread, NULL), 0);
}

/* ---- waiting for a connection ---- */

#define WAITERS 1000

static struct call waiters[WAITERS];

static void run_waiters(struct pool *pool)
{
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct call){.pool = pool, .request.acquire_timeout_ms = 300};
        start_call(&waiters[i]);
    }
    for (int i = 0; i < WAITERS; i++)
        join_call(&waiters[i]);
}

static void assert_waiters_timed_out(struct pool *pool)
{
    uint64_t latest = 0;
    for (int i = 0; i < WAITERS; i++) {
        assert_false(waiters[i].ok);
        assert_int_equal(waiters[i].err.code, POOL_ERR_TIMEOUT);
        assert_in_range(waiters[i].took_ms, 300, 300 + LATE_MS);
        latest = waiters[i].took_ms > latest ? waiters[i].took_ms : latest;
    }
    print_message("the latest of %d waiters: %d ms after its deadline\n", WAITERS,
                  (int)latest - 300);
    assert_int_equal(stats_of(pool).acquire_timeouts, WAITERS);
    assert_int_equal(stats_of(pool).waiting, 0);
}

static void a_thousand_waiters_time_out_at_their_deadline(void **state)
{
    (void)state;
    struct pool *pool = small_pool(1);
    struct pool_conn conn = borrow(pool);
    run_waiters(pool);
    assert_waiters_timed_out(pool);
    assert_true(pool_conn_release(conn, NULL));
    end(pool);
}

static void a_thousand_waiters_are_served_one_after_another(void **state)
{
    (void)state;
    static struct call calls[WAITERS];
    struct pool *pool = small_pool(1);
    struct pool_conn conn = borrow(pool);
    for (int i = 0; i < WAITERS; i++) {
        calls[i] = (struct call){.pool = pool, .request.acquire_timeout_ms = PATIENCE_MS};
        start_call(&calls[i]);
    }
    WAIT_UNTIL(stats_of(pool).waiting == WAITERS);
    assert_true(pool_conn_release(conn, NULL));
    for (int i = 0; i < WAITERS; i++) {
        join_call(&calls[i]);
        assert_true(calls[i].ok);
    }
    assert_int_equal(stats_of(pool).opened, 1);
    end(pool);
}

static void callers_over_the_queue_limit_are_refused_at_once(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_conn none;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1, .queue_limit = 2});
    struct pool_conn conn = borrow(pool);
    struct call calls[2] = {{.pool = pool}, {.pool = pool}};
    start_call(&calls[0]);
    start_call(&calls[1]);
    WAIT_UNTIL(stats_of(pool).waiting == 2);
    assert_false(pool_get_connection(pool, &none, &err));
    assert_int_equal(err.code, POOL_ERR_QUEUE_LIMIT);
    assert_true(err.not_executed);
    assert_true(pool_conn_release(conn, NULL));
    join_call(&calls[0]);
    join_call(&calls[1]);
    assert_true(calls[0].ok && calls[1].ok);
    end(pool);
}

static void without_waiting_a_busy_pool_refuses_at_once(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_conn none;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1,
                                                    .no_waiting = true,
                                                    .acquire_timeout_ms = PATIENCE_MS});
    struct pool_conn conn = borrow(pool); /* a connection is opened all the same */
    assert_int_equal(stats_of(pool).enqueued, 0);
    assert_false(pool_get_connection(pool, &none, &err));
    assert_int_equal(err.code, POOL_ERR_NO_CONNECTION);
    assert_string_equal(err.message, "all 1 connections are in use");
    assert_true(err.not_executed);
    assert_int_equal(stats_of(pool).enqueued, 0);
    assert_true(pool_conn_release(conn, NULL));
    end(pool);
}

static void the_deadline_of_a_request_covers_the_wait(void **state)
{
    (void)state;
    struct pool *pool = small_pool(1);
    struct pool_conn conn = borrow(pool);
    struct call call = {.pool = pool, .request = {.sql = "SELECT 1", .timeout_ms = 30}};
    do_call(&call);
    assert_false(call.ok);
    assert_int_equal(call.err.code, POOL_ERR_TIMEOUT);
    assert_true(call.err.not_executed);
    assert_in_range(call.took_ms, 30, 30 + LATE_MS);
    assert_true(pool_conn_release(conn, NULL));
    end(pool);
}

/* ---- keeping connections ---- */

static void min_idle_connections_are_opened_without_being_asked_for(void **state)
{
    struct pool *admin = *state;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 8, .min_idle = 3});
    WAIT_UNTIL(stats_of(pool).idle == 3);
    assert_int_equal(number(admin, OURS), 3);
    assert_int_equal(stats_of(pool).acquired, 0);
    end(pool);
}

static void a_killed_idle_connection_is_replaced_up_to_min_idle(void **state)
{
    struct pool *admin = *state;
    char kill[64];
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 4, .min_idle = 2});
    WAIT_UNTIL(stats_of(pool).idle == 2);
    struct pool_conn conn = borrow(pool);
    unsigned long id = pool_conn_thread_id(conn);
    assert_true(pool_conn_release(conn, NULL));
    snprintf(kill, sizeof kill, "KILL CONNECTION %lu", id);
    run(admin, kill);
    WAIT_UNTIL(stats_of(pool).closed_by_reason[POOL_CLOSE_SERVER] == 1);
    WAIT_UNTIL(stats_of(pool).idle >= 2);
    WAIT_UNTIL(number(admin, OURS) == (int64_t)stats_of(pool).open);
    end(pool);
}

static void idle_connections_are_closed_down_to_min_idle(void **state)
{
    struct pool *admin = *state;
    struct pool *pool = pool_of(
        "MYPOOL_URL",
        (struct pool_options){.connection_limit = 6, .min_idle = 2, .idle_timeout_ms = 100});
    use_many(pool, 6);
    WAIT_UNTIL(stats_of(pool).closed_by_reason[POOL_CLOSE_IDLE] >= 4);
    WAIT_UNTIL(number(admin, OURS) == 2);
    WAIT_UNTIL(stats_of(pool).open == 2);
    assert_int_equal(stats_of(pool).closed_by_reason[POOL_CLOSE_IDLE], stats_of(pool).closed);
    end(pool);
}

static void all_idle_connections_are_closed_without_min_idle(void **state)
{
    struct pool *admin = *state;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 3, .idle_timeout_ms = 50});
    use_many(pool, 3);
    WAIT_UNTIL(number(admin, OURS) == 0);
    WAIT_UNTIL(stats_of(pool).open == 0);
    use_many(pool, 3); /* and come back when they are needed */
    assert_int_equal(stats_of(pool).opened, 6);
    end(pool);
}

/* A connection that was out for long has not been idle. */
static void assert_idle_time_begins_now(struct pool *pool, struct pool_conn conn)
{
    uint64_t borrowed = now_ms();
    WAIT_UNTIL(now_ms() - borrowed > 600);
    uint64_t given_back = now_ms();
    assert_true(pool_conn_release(conn, NULL));
    WAIT_UNTIL(stats_of(pool).closed == 1);
    assert_in_range(now_ms() - given_back, 400, 400 + LATE_MS);
    end(pool);
}

static void idle_time_begins_when_a_connection_is_given_back(void **state)
{
    (void)state;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1, .idle_timeout_ms = 400});
    assert_idle_time_begins_now(pool, borrow(pool));
}

/* The keeper looks several times while the reset lasts. */
static void idle_time_begins_after_a_long_reset(void **state)
{
    (void)state;
    static const char *const slow[] = {"DO SLEEP(0.2)", NULL};
    struct pool *pool = pool_of(
        "MYPOOL_URL",
        (struct pool_options){.connection_limit = 1, .idle_timeout_ms = 400, .init_sql = slow});
    struct pool_conn conn = borrow(pool);
    pool_result_free(pool_conn_query(conn, "SET @x = 1", POOL_NO_ARGS, NULL));
    assert_idle_time_begins_now(pool, conn);
}

static void a_connection_that_is_used_is_not_idle(void **state)
{
    (void)state;
    struct pool *pool = pool_of(
        "MYPOOL_URL", (struct pool_options){.connection_limit = 1, .idle_timeout_ms = 2000});
    uint64_t pauses = 0; /* ours, on a machine that stands still */
    uint64_t started = now_ms();
    for (uint64_t last = started, now; last - started < 3000; last = now) {
        run(pool, "DO 1");
        now = now_ms();
        pauses += now - last >= 1000;
    }
    assert_in_range(stats_of(pool).closed_by_reason[POOL_CLOSE_IDLE], 0, pauses);
    end(pool);
}

static void a_connection_past_its_lifetime_is_replaced(void **state)
{
    (void)state;
    struct pool *pool = pool_of(
        "MYPOOL_URL",
        (struct pool_options){.connection_limit = 1, .min_idle = 1, .max_lifetime_ms = 200});
    int64_t first = number(pool, "SELECT CONNECTION_ID()");
    WAIT_UNTIL(stats_of(pool).closed_by_reason[POOL_CLOSE_LIFETIME] >= 1);
    assert_int_not_equal(number(pool, "SELECT CONNECTION_ID()"), first);
    end(pool);
}

static void a_borrowed_connection_past_its_lifetime_is_closed_on_return(void **state)
{
    (void)state;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1, .max_lifetime_ms = 100});
    struct pool_conn conn = borrow(pool);
    uint64_t borrowed = now_ms();
    WAIT_UNTIL(now_ms() - borrowed > 300);
    assert_int_not_equal(pool_conn_thread_id(conn), 0);
    assert_true(pool_conn_ping(conn, NULL)); /* not while it is in use */
    assert_int_equal(stats_of(pool).closed, 0);
    assert_true(pool_conn_release(conn, NULL));
    WAIT_UNTIL(stats_of(pool).closed_by_reason[POOL_CLOSE_LIFETIME] == 1);
    end(pool);
}

static void a_silent_connection_is_pinged(void **state)
{
    (void)state;
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1, .keepalive_ms = 50});
    int64_t id = number(pool, "SELECT CONNECTION_ID()");
    WAIT_UNTIL(stats_of(pool).pings >= 3);
    assert_int_equal(number(pool, "SELECT CONNECTION_ID()"), id);
    assert_int_equal(stats_of(pool).opened, 1);
    end(pool);
}

/* No option says so: the server's own limit does, which a session gets when it begins and
 * again when it is reset. */
static void a_servers_short_wait_timeout_is_kept_away_by_pings(void **state)
{
    struct pool *admin = *state;
    struct pool *older = small_pool(1);
    number(older, "SELECT 1");
    run(admin, "SET GLOBAL wait_timeout = 3");
    run(older, "SET @x = 1"); /* is followed by a reset */
    struct pool *pool = small_pool(2);
    use_many(pool, 2);
    uint64_t started = now_ms();
    WAIT_UNTIL(now_ms() - started > 7000);
    struct pool_stats of_older = stats_of(older);
    struct pool_stats stats = stats_of(pool);
    run(admin, "SET GLOBAL wait_timeout = DEFAULT");
    end(older);
    end(pool);
    assert_int_equal(of_older.resets, 1);
    assert_in_range(of_older.pings, 2, 1000);
    assert_int_equal(of_older.closed, 0);
    assert_in_range(stats.pings, 4, 1000);
    assert_int_equal(stats.closed, 0);
    assert_int_equal(stats.opened, 2);
}

/* ---- counting ---- */

struct counts {
    _Atomic uint64_t connections, closes, enqueues, acquires, releases, queries, failed_queries;
    _Atomic uint64_t open_ids; /* thread ids: added when opened, subtracted when closed */
    _Atomic uint64_t by_reason[9];
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
    end(pool);
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
    for (size_t i = 0; i < COUNT(stats.closed_by_reason); i++)
        assert_int_equal(counts.by_reason[i], stats.closed_by_reason[i]);
    assert_in_range(counts.queries, USERS * ROUNDS, stats.queries);
    end(pool);
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
    struct pool_conn conn = borrow(pool);
    for (int i = 0; i < 4; i++)
        assert_false(pool_get_connection_with(pool, &quick, &none, NULL));
    assert_true(pool_conn_release(conn, NULL));
    assert_int_equal(counts.enqueues, 4); /* the first waited for nobody but the pool */
    assert_int_equal(counts.acquires, 1);
    assert_int_equal(stats_of(pool).acquire_timeouts, 4);
    assert_int_equal(stats_of(pool).acquired, 1);
    end(pool);
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
    end(pool);
    assert_int_equal(atomic_load(&counts.states), 1);
    assert_int_equal(counts.last_state, POOL_STATE_DOWN);
    assert_string_not_equal(counts.cause, "");
}

/* ---- the end ---- */

#define RUNNING(what)                                                                              \
    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'app' AND INFO LIKE '" what  \
    "%'"

static void the_end_lets_running_calls_finish(void **state)
{
    (void)state;
    struct pool *pool = small_pool(2);
    struct call call = {.pool = pool, .request.sql = "SELECT SLEEP(0.3)"};
    start_call(&call);
    WAIT_UNTIL(stats_of(pool).acquired == 1);
    struct pool_error err;
    assert_true(pool_end(pool, PATIENCE_MS, &err));
    assert_int_equal(err.code, POOL_OK);
    join_call(&call);
    assert_true(call.ok);
}

static void the_end_cuts_what_does_not_finish(void **state)
{
    struct pool *admin = *state;
    struct pool_error err;
    struct pool *pool = small_pool(2);
    struct call call = {.pool = pool, .request.sql = "SELECT SLEEP(600)"};
    start_call(&call);
    WAIT_UNTIL(number(admin, RUNNING("SELECT SLEEP")) == 1);
    uint64_t started = now_ms();
    assert_false(pool_end(pool, 200, &err));
    uint64_t took = now_ms() - started;
    print_message("pool_end(200) with a running statement took %d ms\n", (int)took);
    assert_in_range(took, 200, 200 + LATE_MS);
    assert_int_equal(err.code, POOL_ERR_TIMEOUT);
    join_call(&call);
    assert_false(call.ok);
    assert_int_equal(call.err.code, POOL_ERR_CLOSED);
    assert_true(call.err.fatal);
    assert_false(call.err.not_executed);
    WAIT_UNTIL(number(admin, OURS) == 0); /* the statement was killed, too */
}

static void the_end_fails_queued_callers_at_once(void **state)
{
    (void)state;
    struct pool *pool = small_pool(1);
    struct pool_conn conn = borrow(pool);
    struct call waiter = {.pool = pool, .request.acquire_timeout_ms = PATIENCE_MS};
    struct call ender = {.pool = pool, .request.sql = "SELECT 1"};
    start_call(&waiter);
    start_call(&ender);
    WAIT_UNTIL(stats_of(pool).waiting == 2);
    assert_false(pool_end(pool, 50, NULL));
    join_call(&waiter);
    join_call(&ender);
    assert_int_equal(waiter.err.code, POOL_ERR_CLOSED);
    assert_int_equal(ender.err.code, POOL_ERR_CLOSED);
    assert_true(ender.err.not_executed);
    assert_true(pool_conn_release(conn, NULL));
}

struct ending {
    struct pool *pool;
    pthread_t thread;
    bool clean;
    struct pool_error err;
};

static void *end_slowly(void *arg)
{
    struct ending *ending = arg;
    ending->clean = pool_end(ending->pool, PATIENCE_MS, &ending->err);
    return NULL;
}

static bool is_shut(struct pool *pool)
{
    struct pool_error err;
    struct pool_request quick = {.sql = "SELECT 1", .acquire_timeout_ms = 1};
    pool_result_free(pool_query_with(pool, &quick, &err));
    return err.code == POOL_ERR_CLOSED;
}

static void while_a_pool_ends_newcomers_are_refused_and_borrowers_go_on(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool *pool = small_pool(2);
    struct pool_conn conn = borrow(pool);
    struct ending ending = {.pool = pool};
    assert_int_equal(pthread_create(&ending.thread, NULL, end_slowly, &ending), 0);
    WAIT_UNTIL(is_shut(pool));
    assert_false(pool_end(pool, 0, &err)); /* the second end does not wait */
    assert_int_equal(err.code, POOL_ERR_CLOSED);
    struct pool_result *result = pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, &err);
    assert_non_null(result);
    pool_result_free(result);
    assert_true(pool_conn_release(conn, NULL));
    pthread_join(ending.thread, NULL);
    assert_true(ending.clean);
}

static void a_second_end_says_closed(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool *pool = small_pool(1);
    end(pool);
    assert_false(pool_end(pool, 0, &err));
    assert_int_equal(err.code, POOL_ERR_CLOSED);
    assert_false(pool_end(NULL, 0, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
}

/* Everything that a pool may have: idle, borrowed, running and killed connections, the
 * control connection, a second worker. */
static void live_fully(struct pool *pool)
{
    struct pool_request slow = {.sql = "SELECT SLEEP(600)", .timeout_ms = 30};
    use_many(pool, 4);
    assert_null(pool_query_with(pool, &slow, NULL));
    run(pool, "SET @x = 1");
}

static void after_the_end_no_thread_descriptor_or_session_is_left(void **state)
{
    struct pool *admin = *state;
    number(admin, OURS); /* opens the administrator's own connection */
    unsigned threads_before = threads();
    unsigned descriptors_before = descriptors();
    for (int i = 0; i < 5; i++) {
        struct pool *pool = small_pool(4);
        live_fully(pool);
        end(pool);
        WAIT_UNTIL(threads() <= threads_before);
        assert_int_equal(descriptors(), descriptors_before);
    }
    WAIT_UNTIL(number(admin, OURS) == 0);
}

static void after_a_cut_end_and_the_release_nothing_is_left(void **state)
{
    struct pool *admin = *state;
    number(admin, OURS);
    unsigned threads_before = threads();
    unsigned descriptors_before = descriptors();
    struct pool *pool = small_pool(4);
    live_fully(pool);
    struct pool_conn conns[2] = {borrow(pool), borrow(pool)};
    assert_true(pool_conn_begin(conns[0], NULL));
    assert_false(pool_end(pool, 0, NULL));
    WAIT_UNTIL(threads() <= threads_before);
    WITHIN(LATE_MS, number(admin, OURS) == 0);
    int64_t left = number(admin, OURS); /* the handles are still out */
    assert_true(pool_conn_release(conns[0], NULL));
    assert_true(pool_conn_destroy(conns[1], NULL));
    assert_int_equal(left, 0);
    assert_int_equal(descriptors(), descriptors_before);
}

static void a_pool_that_was_never_used_leaves_nothing(void **state)
{
    (void)state;
    unsigned threads_before = threads();
    unsigned descriptors_before = descriptors();
    for (int i = 0; i < 100; i++)
        end(small_pool(10));
    WAIT_UNTIL(threads() <= threads_before);
    assert_int_equal(descriptors(), descriptors_before);
}

struct returner {
    struct pool *pool;
    pthread_t thread;
    _Atomic bool *go;
    bool refused; /* a release of a valid handle */
};

static void *return_late(void *arg)
{
    struct returner *returner = arg;
    struct pool_conn conn;
    if (!pool_get_connection(returner->pool, &conn, NULL))
        return NULL;
    while (!atomic_load(returner->go))
        ;
    pool_result_free(pool_conn_query(conn, "DO 1", POOL_NO_ARGS, NULL));
    returner->refused = !pool_conn_release(conn, NULL);
    return NULL;
}

/* The race of the last releases with the cut. */
static void end_among_returners(void)
{
    _Atomic bool go = false;
    struct returner returners[4];
    struct pool *pool = small_pool(4);
    for (int i = 0; i < 4; i++) {
        returners[i] = (struct returner){.pool = pool, .go = &go};
        assert_int_equal(pthread_create(&returners[i].thread, NULL, return_late, &returners[i]), 0);
    }
    WAIT_UNTIL(stats_of(pool).in_use == 4);
    atomic_store(&go, true);
    pool_end(pool, 0, NULL);
    for (int i = 0; i < 4; i++) {
        pthread_join(returners[i].thread, NULL);
        assert_false(returners[i].refused);
    }
}

static void releases_that_race_with_the_end_leave_nothing(void **state)
{
    struct pool *admin = *state;
    number(admin, OURS);
    unsigned threads_before = threads();
    unsigned descriptors_before = descriptors();
    for (int i = 0; i < 60; i++)
        end_among_returners();
    WAIT_UNTIL(threads() <= threads_before);
    assert_int_equal(descriptors(), descriptors_before);
    WAIT_UNTIL(number(admin, OURS) == 0);
}

/* Accepts in the kernel, and says nothing. */
static void the_end_does_not_wait_for_a_connect(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    struct pool *pool = pool_of("MYPOOL_URL", (struct pool_options){.port = ntohs(address.sin_port),
                                                                    .connect_timeout_ms = 600000,
                                                                    .min_idle = 2});
    WAIT_UNTIL(stats_of(pool).connecting == 2);
    uint64_t started = now_ms();
    pool_end(pool, 0, NULL);
    uint64_t took = now_ms() - started;
    close(fd);
    print_message("pool_end(0) with connects under way took %d ms\n", (int)took);
    assert_in_range(took, 0, LATE_MS);
}

/* ---- the end, from where it must not be called ---- */

struct misuse {
    struct pool *_Atomic pool;
    _Atomic enum pool_code code; /* of the first attempt; POOL_OK: none yet */
    _Atomic int attempts;
};

static void misuse(struct misuse *misuse)
{
    struct pool_error err;
    struct pool *pool = atomic_load(&misuse->pool);
    if (!pool || atomic_fetch_add(&misuse->attempts, 1) > 0)
        return;
    bool ended = pool_end(pool, 0, &err);
    atomic_store(&misuse->code, ended ? POOL_ERR_UNSUPPORTED : err.code);
}

static void end_on_connection(unsigned long id, void *arg)
{
    (void)id;
    misuse(arg);
}

static void end_on_enqueue(void *arg)
{
    misuse(arg);
}

static void end_on_time(uint64_t ns, void *arg)
{
    (void)ns;
    misuse(arg);
}

static void end_on_close(enum pool_close_reason reason, unsigned long id, void *arg)
{
    (void)reason;
    (void)id;
    misuse(arg);
}

static void end_on_query(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                         enum pool_code code, void *arg)
{
    (void)label;
    (void)digest;
    (void)elapsed_ns;
    (void)rows;
    (void)code;
    misuse(arg);
}

static void end_on_leak(const char *label, uint64_t held_ms, void *arg)
{
    (void)label;
    (void)held_ms;
    misuse(arg);
}

static void assert_end_is_refused_in(struct pool_hooks hooks)
{
    struct misuse misuse = {.attempts = 0};
    hooks.arg = &misuse;
    struct pool *pool =
        pool_of("MYPOOL_URL",
                (struct pool_options){.connection_limit = 1, .leak_after_ms = 20, .hooks = hooks});
    atomic_store(&misuse.pool, pool);
    struct pool_conn conn = borrow(pool);
    pool_result_free(pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, NULL));
    if (hooks.on_enqueue) { /* behind another caller */
        struct pool_request quick = {.acquire_timeout_ms = 1};
        struct pool_conn none;
        assert_false(pool_get_connection_with(pool, &quick, &none, NULL));
    }
    if (hooks.on_leak)
        WAIT_UNTIL(atomic_load(&misuse.code) != POOL_OK);
    assert_true(pool_conn_destroy(conn, NULL));
    WAIT_UNTIL(atomic_load(&misuse.code) != POOL_OK);
    assert_int_equal(atomic_load(&misuse.code), POOL_ERR_INVALID);
    run(pool, "DO 1"); /* the pool has not noticed */
    end(pool);
}

static void an_end_inside_a_hook_of_a_worker_is_invalid(void **state)
{
    (void)state;
    assert_end_is_refused_in((struct pool_hooks){.on_connection = end_on_connection});
    assert_end_is_refused_in((struct pool_hooks){.on_close = end_on_close});
}

static void an_end_inside_a_hook_of_the_keeper_is_invalid(void **state)
{
    (void)state;
    assert_end_is_refused_in((struct pool_hooks){.on_leak = end_on_leak});
}

static void an_end_inside_a_hook_of_a_caller_is_invalid(void **state)
{
    (void)state;
    assert_end_is_refused_in((struct pool_hooks){.on_enqueue = end_on_enqueue});
    assert_end_is_refused_in((struct pool_hooks){.on_acquire = end_on_time});
    assert_end_is_refused_in((struct pool_hooks){.on_release = end_on_time});
    assert_end_is_refused_in((struct pool_hooks){.on_query = end_on_query});
}

static bool end_on_row(struct pool_result *row, void *arg)
{
    (void)row;
    misuse(arg);
    return true;
}

static void an_end_inside_a_row_callback_is_invalid(void **state)
{
    (void)state;
    struct pool *pool = small_pool(1);
    struct misuse misuse = {.pool = pool};
    assert_true(pool_stream(pool, "SELECT 1", POOL_NO_ARGS, end_on_row, &misuse, NULL));
    assert_int_equal(atomic_load(&misuse.code), POOL_ERR_INVALID);
    run(pool, "DO 1");
    end(pool);
}

/* ---- fork and exec ---- */

/* Runs fn in a child, which says with its exit status which check failed; 0: none. */
static int in_child(int (*fn)(struct pool *pool, struct pool_conn conn), struct pool *pool,
                    struct pool_conn conn)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE_MS / 1000);
        _exit(fn(pool, conn));
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static int use_everything(struct pool *pool, struct pool_conn conn)
{
    struct pool_error err;
    struct pool_conn other;
    struct pool_stats stats = {.open = 1};
    if (pool_get_connection(pool, &other, &err) || err.code != POOL_ERR_STALE)
        return 1;
    if (pool_query(pool, "DO 1", POOL_NO_ARGS, &err) || err.code != POOL_ERR_STALE)
        return 2;
    if (pool_conn_query(conn, "DO 1", POOL_NO_ARGS, &err) || err.code != POOL_ERR_STALE)
        return 3;
    if (pool_conn_release(conn, &err) || err.code != POOL_ERR_STALE)
        return 4;
    if (pool_conn_destroy(conn, &err) || err.code != POOL_ERR_STALE)
        return 5;
    if (pool_ping(pool, &err) || err.code != POOL_ERR_STALE)
        return 6;
    if (pool_conn_thread_id(conn) || pool_conn_native(conn))
        return 7;
    pool_stats(pool, &stats);
    return stats.open ? 8 : 0;
}

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int end_in_child(struct pool *pool, struct pool_conn conn)
{
    struct pool_error err;
    unsigned before = count_descriptors();
    int failed = use_everything(pool, conn);
    if (failed || pool_end(pool, 1000, &err) || err.code != POOL_ERR_STALE)
        return failed ? failed : 20;
    if (count_descriptors() + 6 > before) /* four of the pool, two connections */
        return 21;
    return pool_end(pool, 1000, &err) ? 22 : use_everything(pool, conn);
}

#define BYTES                                                                                      \
    "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS "                                \
    "WHERE VARIABLE_NAME = 'BYTES_RECEIVED'"

static int64_t bytes_received(struct pool_conn conn)
{
    struct pool_request request = {.sql = BYTES, .flags = POOL_TEXT};
    struct pool_result *result = pool_conn_query_with(conn, &request, NULL);
    assert_true(pool_next(result));
    int64_t bytes = pool_get_int(result, 0);
    pool_result_free(result);
    return bytes;
}

static void assert_child_is_harmless(int (*fn)(struct pool *pool, struct pool_conn conn))
{
    struct pool *pool = small_pool(2);
    use_many(pool, 2);
    struct pool_conn conn = borrow(pool);
    assert_true(pool_conn_begin(conn, NULL));
    int64_t first = bytes_received(conn);
    int64_t second = bytes_received(conn);
    int failed = in_child(fn, pool, conn);
    assert_int_equal(bytes_received(conn) - second, second - first);
    assert_true(pool_conn_rollback(conn, NULL));
    assert_true(pool_conn_release(conn, NULL));
    use_many(pool, 2);
    assert_int_equal(stats_of(pool).opened, 2);
    end(pool);
    assert_int_equal(failed, 0);
}

static void a_forked_child_is_refused_and_sends_nothing(void **state)
{
    (void)state;
    assert_child_is_harmless(use_everything);
}

static void an_end_in_a_forked_child_closes_its_copies_only(void **state)
{
    (void)state;
    assert_child_is_harmless(end_in_child);
}

static int make_own_pool(struct pool *pool, struct pool_conn conn)
{
    struct pool_error err;
    (void)pool;
    (void)conn;
    struct pool *own = pool_create_url(getenv("MYPOOL_URL"), &err);
    struct pool_result *result = own ? pool_query(own, "SELECT 1", POOL_NO_ARGS, &err) : NULL;
    bool ok = result && pool_next(result) && pool_get_int(result, 0) == 1;
    pool_result_free(result);
    return ok && pool_end(own, 10000, &err) ? 0 : 1;
}

static void a_forked_child_may_have_a_pool_of_its_own(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* its runtime allows no threads in the child of a program with threads */
#endif
    assert_child_is_harmless(make_own_pool);
}

/* libmariadb makes a socket and the pool marks it in its first wait, so there is a moment,
 * while a connect begins, at which a descriptor may be unmarked: hence the waiting. */
static bool all_close_on_exec(const bool except[1024])
{
    for (int fd = 0; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (!except[fd] && flags >= 0 && !(flags & FD_CLOEXEC))
            return false;
    }
    return true;
}

static void assert_descriptors_are_close_on_exec(const char *variable)
{
    bool before[1024];
    for (int fd = 0; fd < 1024; fd++)
        before[fd] = fcntl(fd, F_GETFD) >= 0;
    struct pool *pool = pool_of(variable, (struct pool_options){.connection_limit = 4});
    live_fully(pool);
    WAIT_UNTIL(all_close_on_exec(before));
    end(pool);
}

static void all_descriptors_are_close_on_exec(void **state)
{
    (void)state;
    assert_descriptors_are_close_on_exec("MYPOOL_URL");
    assert_descriptors_are_close_on_exec("MYPOOL_SOCKET_URL");
    assert_descriptors_are_close_on_exec("MYPOOL_TLS_URL");
}

static void a_thousand_waiters_time_out_although_the_server_is_frozen(void **state)
{
    (void)state;
    struct pool *pool = pool_of(
        "MYPOOL_URL", (struct pool_options){.connection_limit = 4, .fail_fast_ms = POOL_NEVER});
    freeze_server();
    run_waiters(pool);
    thaw_server();
    assert_waiters_timed_out(pool);
    run(pool, "DO 1");
    end(pool);
}

/* The socket that is kept until a stopped server closes its end. */
static void a_lingering_descriptor_is_close_on_exec(void **state)
{
    (void)state;
    bool leaks = false;
    struct pool *pool = small_pool(1);
    struct pool_conn conn = borrow(pool);
    freeze_server();
    pool_conn_destroy(conn, NULL);
    WITHIN(PATIENCE_MS, stats_of(pool).closing > 0); /* a failure must not leave it stopped */
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET)
            leaks |= !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    uint64_t closing = stats_of(pool).closing;
    thaw_server();
    end(pool);
    assert_int_equal(closing, 1);
    assert_false(leaks);
}

/* ---- signals ---- */

static struct sigaction sigpipe_before;
static struct sigaction sigpipe_after;

static bool same_disposition(const struct sigaction *a, const struct sigaction *b)
{
    const int restorer = 0x04000000; /* the C library's own mark */
    return a->sa_handler == b->sa_handler && ((a->sa_flags ^ b->sa_flags) & ~restorer) == 0;
}

/* The group's set-up has looked around the first pool of the process. */
static void the_first_pool_leaves_sigpipe_alone(void **state)
{
    (void)state;
    assert_ptr_equal(sigpipe_before.sa_handler, SIG_DFL);
    assert_true(same_disposition(&sigpipe_before, &sigpipe_after));
}

static void a_tls_connection_that_breaks_raises_no_sigpipe(void **state)
{
    struct pool *admin = *state;
    char kill_it[64];
    sigset_t pending, mask_before, mask_after;
    struct sigaction now;
    pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
    struct pool *pool = pool_of("MYPOOL_TLS_URL", (struct pool_options){.connection_limit = 1});
    struct pool_conn conn = borrow(pool);
    snprintf(kill_it, sizeof kill_it, "KILL CONNECTION %lu", pool_conn_thread_id(conn));
    run(admin, kill_it);
    WAIT_UNTIL(number(admin, OURS) == 0);
    for (int i = 0; i < 3; i++) /* the second write is what would raise it */
        assert_null(pool_conn_query(conn, "DO 1", POOL_NO_ARGS, NULL));
    assert_true(pool_conn_release(conn, NULL));
    end(pool);
    sigaction(SIGPIPE, NULL, &now);
    assert_true(same_disposition(&sigpipe_before, &now));
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGPIPE));
    pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
    for (int signal = 1; signal < 32; signal++)
        assert_int_equal(sigismember(&mask_before, signal), sigismember(&mask_after, signal));
}

/* The blocked signals of a thread of ours, as a bit set; all ones if it is not ours, or
 * has ended: one that was joined may be listed for a moment, with no signals at all. */
static uint64_t blocked_signals(const char *task)
{
    char path[64], line[256];
    unsigned long long blocked = 0;
    bool ours = false;
    snprintf(path, sizeof path, "/proc/self/task/%.20s/status", task);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        ours |= strncmp(line, "Name:\tmypool", 12) == 0;
        ours &= strcmp(line, "Threads:\t0\n") != 0;
        sscanf(line, "SigBlk: %llx", &blocked);
    }
    if (file)
        fclose(file);
    return ours ? blocked : UINT64_MAX;
}

static void all_signals_are_blocked_in_the_pools_threads(void **state)
{
    (void)state;
    static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGALRM, SIGTERM,
                                  SIGUSR1, SIGUSR2, SIGCHLD, SIGCONT, SIGTSTP, SIGPROF};
    unsigned ours = 0;
    struct pool *pool = small_pool(4);
    use_many(pool, 4);
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(dir));) {
        uint64_t blocked = entry->d_name[0] == '.' ? UINT64_MAX : blocked_signals(entry->d_name);
        ours += blocked != UINT64_MAX;
        for (size_t i = 0; i < COUNT(signals); i++)
            assert_true(blocked >> (signals[i] - 1) & 1);
    }
    closedir(dir);
    assert_in_range(ours, 3, 100); /* the administrator's two, and some of this pool's */
    end(pool);
}

/* ---- credentials ---- */

struct vault {
    const char *passwords[2]; /* without and with refresh; NULL: there is none */
    _Atomic int calls;
    _Atomic int refreshes;
};

static bool ask_vault(struct pool_credentials *credentials, bool refresh, void *arg)
{
    struct vault *vault = arg;
    atomic_fetch_add(&vault->calls, 1);
    atomic_fetch_add(&vault->refreshes, refresh);
    if (refresh) /* what is new now will be the usual one */
        vault->passwords[0] = vault->passwords[1];
    credentials->user = "rotating";
    credentials->password = vault->passwords[0];
    return credentials->password != NULL;
}

static struct pool *vault_pool(struct vault *vault)
{
    return pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 2,
                                                       .fail_fast_ms = 20,
                                                       .credentials = ask_vault,
                                                       .credentials_arg = vault});
}

static void make_rotating_user(struct pool *admin)
{
    run(admin, "CREATE OR REPLACE USER rotating@'%' IDENTIFIED BY 'spring'");
    run(admin, "GRANT ALL ON mypool.* TO rotating@'%'");
}

static void credentials_are_asked_for_each_connect(void **state)
{
    make_rotating_user(*state);
    struct vault vault = {.passwords = {"spring", NULL}};
    struct pool *pool = vault_pool(&vault);
    assert_int_equal(number(pool, "SELECT USER() LIKE 'rotating@%'"), 1);
    assert_int_equal(atomic_load(&vault.calls), 1);
    use_many(pool, 2);
    assert_int_equal(atomic_load(&vault.calls), 2);
    assert_int_equal(atomic_load(&vault.refreshes), 0);
    end(pool);
}

static void a_rotated_password_is_asked_for_anew_without_an_error(void **state)
{
    make_rotating_user(*state);
    struct vault vault = {.passwords = {"spring", "summer"}};
    struct pool *pool = vault_pool(&vault);
    number(pool, "SELECT 1");
    run(*state, "ALTER USER rotating@'%' IDENTIFIED BY 'summer'");
    number(pool, "SELECT 1"); /* the connection that is open goes on */
    assert_int_equal(atomic_load(&vault.calls), 1);
    use_many(pool, 2);
    assert_int_equal(atomic_load(&vault.calls), 3);
    assert_int_equal(atomic_load(&vault.refreshes), 1);
    assert_int_equal(stats_of(pool).connect_failures, 0);
    end(pool);
}

static void a_password_that_stays_wrong_is_an_authentication_error(void **state)
{
    make_rotating_user(*state);
    struct pool_error err;
    struct vault vault = {.passwords = {"winter", "autumn"}};
    struct pool *pool = vault_pool(&vault);
    assert_null(pool_query(pool, "DO 1", POOL_NO_ARGS, &err));
    end(pool);
    assert_int_equal(err.code, POOL_ERR_AUTH);
    assert_int_equal(err.server_errno, 1045);
    assert_null(strstr(err.message, "winter"));
    assert_null(strstr(err.message, "autumn"));
    assert_in_range(atomic_load(&vault.refreshes), 1, 1000);
}

static void a_vault_without_credentials_is_an_authentication_error(void **state)
{
    (void)state;
    struct pool_error err;
    struct vault vault = {.passwords = {NULL, NULL}};
    struct pool *pool = vault_pool(&vault);
    assert_null(pool_query(pool, "DO 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_AUTH);
    assert_true(err.not_executed);
    end(pool);
}

static void a_vault_that_recovers_serves_the_pool_again(void **state)
{
    make_rotating_user(*state);
    struct pool_error err;
    struct vault vault = {.passwords = {"winter", "spring"}};
    run(*state, "ALTER USER rotating@'%' IDENTIFIED BY 'late'");
    struct pool *pool = vault_pool(&vault);
    assert_null(pool_query(pool, "DO 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_AUTH);
    run(*state, "ALTER USER rotating@'%' IDENTIFIED BY 'spring'");
    WAIT_UNTIL(pool_ping(pool, &err));
    assert_int_equal(stats_of(pool).state, POOL_STATE_UP);
    end(pool);
}

static bool stop_at_once(struct pool_result *row, void *unused)
{
    (void)row;
    (void)unused;
    return false;
}

/* The server's goodbye is stuck behind rows that nobody reads. */
static void a_large_reply_left_unread_does_not_hold_its_place(void **state)
{
    struct pool *pool = pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1});
    struct pool_error err;
    (void)state;
    assert_true(pool_stream(pool, "SELECT REPEAT('x', 1000) FROM seq_1_to_200000", POOL_NO_ARGS,
                            stop_at_once, NULL, &err));
    run(pool, "DO 1"); /* within acquire_timeout_ms, 10 s; a socket is awaited for 30 s */
    end(pool);
}

/* ---- */

static int look_at_first_pool(void **state)
{
    sigaction(SIGPIPE, NULL, &sigpipe_before);
    struct pool *pool = pool_of("MYPOOL_TLS_URL", (struct pool_options){.connection_limit = 1});
    run(pool, "DO 1");
    end(pool);
    sigaction(SIGPIPE, NULL, &sigpipe_after);
    *state = pool_of("MYPOOL_ADMIN_URL", (struct pool_options){.connection_limit = 1});
    return 0;
}

static int end_admin(void **state)
{
    return pool_end(*state, PATIENCE_MS, NULL) ? 0 : -1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_waiters_time_out_at_their_deadline),
        cmocka_unit_test(a_thousand_waiters_time_out_although_the_server_is_frozen),
        cmocka_unit_test(a_thousand_waiters_are_served_one_after_another),
        cmocka_unit_test(callers_over_the_queue_limit_are_refused_at_once),
        cmocka_unit_test(without_waiting_a_busy_pool_refuses_at_once),
        cmocka_unit_test(a_large_reply_left_unread_does_not_hold_its_place),
        cmocka_unit_test(the_deadline_of_a_request_covers_the_wait),
        cmocka_unit_test(min_idle_connections_are_opened_without_being_asked_for),
        cmocka_unit_test(a_killed_idle_connection_is_replaced_up_to_min_idle),
        cmocka_unit_test(idle_connections_are_closed_down_to_min_idle),
        cmocka_unit_test(all_idle_connections_are_closed_without_min_idle),
        cmocka_unit_test(idle_time_begins_when_a_connection_is_given_back),
        cmocka_unit_test(idle_time_begins_after_a_long_reset),
        cmocka_unit_test(a_connection_that_is_used_is_not_idle),
        cmocka_unit_test(a_connection_past_its_lifetime_is_replaced),
        cmocka_unit_test(a_borrowed_connection_past_its_lifetime_is_closed_on_return),
        cmocka_unit_test(a_silent_connection_is_pinged),
        cmocka_unit_test(a_servers_short_wait_timeout_is_kept_away_by_pings),
        cmocka_unit_test(the_counters_obey_the_laws_of_conservation),
        cmocka_unit_test(hooks_come_in_pairs_and_agree_with_the_counters),
        cmocka_unit_test(each_queued_caller_that_fails_is_counted_once),
        cmocka_unit_test(a_server_that_is_down_is_told_with_its_cause),
        cmocka_unit_test(the_end_lets_running_calls_finish),
        cmocka_unit_test(the_end_cuts_what_does_not_finish),
        cmocka_unit_test(the_end_fails_queued_callers_at_once),
        cmocka_unit_test(while_a_pool_ends_newcomers_are_refused_and_borrowers_go_on),
        cmocka_unit_test(a_second_end_says_closed),
        cmocka_unit_test(after_the_end_no_thread_descriptor_or_session_is_left),
        cmocka_unit_test(after_a_cut_end_and_the_release_nothing_is_left),
        cmocka_unit_test(a_pool_that_was_never_used_leaves_nothing),
        cmocka_unit_test(releases_that_race_with_the_end_leave_nothing),
        cmocka_unit_test(the_end_does_not_wait_for_a_connect),
        cmocka_unit_test(an_end_inside_a_hook_of_a_worker_is_invalid),
        cmocka_unit_test(an_end_inside_a_hook_of_the_keeper_is_invalid),
        cmocka_unit_test(an_end_inside_a_hook_of_a_caller_is_invalid),
        cmocka_unit_test(an_end_inside_a_row_callback_is_invalid),
        cmocka_unit_test(a_forked_child_is_refused_and_sends_nothing),
        cmocka_unit_test(an_end_in_a_forked_child_closes_its_copies_only),
        cmocka_unit_test(a_forked_child_may_have_a_pool_of_its_own),
        cmocka_unit_test(all_descriptors_are_close_on_exec),
        cmocka_unit_test(a_lingering_descriptor_is_close_on_exec),
        cmocka_unit_test(the_first_pool_leaves_sigpipe_alone),
        cmocka_unit_test(a_tls_connection_that_breaks_raises_no_sigpipe),
        cmocka_unit_test(all_signals_are_blocked_in_the_pools_threads),
        cmocka_unit_test(credentials_are_asked_for_each_connect),
        cmocka_unit_test(a_rotated_password_is_asked_for_anew_without_an_error),
        cmocka_unit_test(a_password_that_stays_wrong_is_an_authentication_error),
        cmocka_unit_test(a_vault_without_credentials_is_an_authentication_error),
        cmocka_unit_test(a_vault_that_recovers_serves_the_pool_again),
    };
    return server_suite_main_with(argc, argv, tests, look_at_first_pool, end_admin);
}
