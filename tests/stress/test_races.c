/*
 * Races that come up once in a million rounds, brought about: the linker sends a few calls
 * between the files of the library through the wrappers below, where the test does what
 * another thread would have to do at exactly that moment.
 *
 * Expected: nothing is lost, whoever comes first.
 */
#include <mysql.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conn/conn.h"
#include "conn/stmt.h"
#include "core/slots.h"
#include "clock.h"
#include "pools.h"
#include "suite.h"

#include <fcntl.h>
#include <time.h>

#include "mypool.h"
#include "engine/pool.h"

#define PATIENCE_MS 60000

static struct {
    struct pool_conn handle;
    _Atomic bool released; /* by the wrapper */
    _Atomic bool release_before_eviction;
} race;

/* Attempts to kill that came to nothing, and the control connection as it is replaced. */
static _Atomic int failed_kills;
static struct {
    struct pool *admin;
    struct pool *pool;
    unsigned long old_id; /* 0: nobody looks */
    bool overlaps;
    bool locked; /* while the program was asked for its credentials */
} control;

static bool is_there(unsigned long id);

void __real_pool__watch_closing(struct pool *pool, unsigned slot, int fd, enum pool__kill kill);
void __wrap_pool__watch_closing(struct pool *pool, unsigned slot, int fd, enum pool__kill kill);

void __wrap_pool__watch_closing(struct pool *pool, unsigned slot, int fd, enum pool__kill kill)
{
    atomic_fetch_add(&failed_kills, kill == POOL__KILL_FAILED);
    __real_pool__watch_closing(pool, slot, fd, kill);
}

bool __real_pool__connect(const struct pool__options *options,
                          const struct pool_credentials *credentials,
                          struct pool__stmt_budget *budget, int cut_fd, uint64_t deadline_ns,
                          struct pool__conn **ret_conn, struct pool_error *err);
bool __wrap_pool__connect(const struct pool__options *options,
                          const struct pool_credentials *credentials,
                          struct pool__stmt_budget *budget, int cut_fd, uint64_t deadline_ns,
                          struct pool__conn **ret_conn, struct pool_error *err);

/* A thread may be listed for a moment after its socket has been closed. */
bool __wrap_pool__connect(const struct pool__options *options,
                          const struct pool_credentials *credentials,
                          struct pool__stmt_budget *budget, int cut_fd, uint64_t deadline_ns,
                          struct pool__conn **ret_conn, struct pool_error *err)
{
    uint64_t give_up = now_ms() + 200;
    unsigned long old_id = control.pool && cut_fd == control.pool->stop_fd ? control.old_id : 0;
    while (old_id && (control.overlaps = is_there(old_id)) && now_ms() < give_up)
        ;
    return __real_pool__connect(options, credentials, budget, cut_fd, deadline_ns, ret_conn, err);
}

/* A whole pool_end, or a borrow by somebody who does not know of one. */
static struct {
    _Atomic bool end_before_policy;
    _Atomic bool take_before_close;
    bool taken;
    unsigned threads; /* workers while the connection was being closed */
    struct pool *pool;
} meanwhile;

static void *end_at_once(void *pool)
{
    pool_end(pool, 0, NULL);
    return NULL;
}

enum pool__fate __real_pool__policy_returned(enum pool_reset_policy policy, bool broken, bool dirty,
                                             bool in_transaction);
enum pool__fate __wrap_pool__policy_returned(enum pool_reset_policy policy, bool broken, bool dirty,
                                             bool in_transaction);

/* The caller has seen that the pool is not ending, and is about to give back. */
enum pool__fate __wrap_pool__policy_returned(enum pool_reset_policy policy, bool broken, bool dirty,
                                             bool in_transaction)
{
    pthread_t ender;
    if (atomic_exchange(&meanwhile.end_before_policy, false) &&
        pthread_create(&ender, NULL, end_at_once, meanwhile.pool) == 0)
        pthread_join(ender, NULL);
    return __real_pool__policy_returned(policy, broken, dirty, in_transaction);
}

int __real_pool__conn_close(struct pool__conn *conn);
int __wrap_pool__conn_close(struct pool__conn *conn);

int __wrap_pool__conn_close(struct pool__conn *conn)
{
    unsigned slot;
    uint32_t generation;
    if (atomic_load(&meanwhile.take_before_close)) {
        struct pool *pool = meanwhile.pool;
        meanwhile.taken = pool__slots_try_borrow(&pool->core, 0, &slot, &generation);
        pthread_mutex_lock(&pool->workers.lock);
        meanwhile.threads = pool->workers.threads;
        pthread_mutex_unlock(&pool->workers.lock);
    }
    return __real_pool__conn_close(conn);
}

bool __real_pool__slots_evict(struct pool__core *core, unsigned slot);
bool __wrap_pool__slots_evict(struct pool__core *core, unsigned slot);

bool __wrap_pool__slots_evict(struct pool__core *core, unsigned slot)
{
    if (atomic_exchange(&race.release_before_eviction, false))
        atomic_store(&race.released, pool_conn_release(race.handle, NULL));
    return __real_pool__slots_evict(core, slot);
}

static struct pool *pool_with(struct pool_options wish)
{
    return pool_of("MYPOOL_URL", wish);
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

/* The end */

static unsigned descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void assert_return_closes(const char *sql)
{
    unsigned before = descriptors();
    meanwhile.pool = pool_with((struct pool_options){.connection_limit = 1});
    assert_true(pool_ping(meanwhile.pool, NULL));
    atomic_store(&meanwhile.end_before_policy, true);
    pool_result_free(pool_query(meanwhile.pool, sql, POOL_NO_ARGS, NULL));
    assert_false(atomic_load(&meanwhile.end_before_policy));
    assert_int_equal(descriptors(), before);
}

static void a_return_that_does_not_know_of_the_end_leaves_nothing(void **state)
{
    (void)state;
    assert_return_closes("DO 1");
    assert_return_closes("SET @x = 1"); /* is followed by a reset */
    assert_return_closes("KILL CONNECTION_ID()");
}

struct stopper {
    struct pool *_Atomic pool; /* NULL: not yet */
    bool evict;                /* what has just been opened is to be closed at once */
};

static bool workers_are_stopped(struct pool *pool)
{
    pthread_mutex_lock(&pool->workers.lock);
    bool stop = pool->workers.stop;
    pthread_mutex_unlock(&pool->workers.lock);
    return stop;
}

static void wait_for_stop(unsigned long id, void *arg)
{
    (void)id;
    struct stopper *stopper = arg;
    struct pool *pool = NULL;
    uint64_t give_up = now_ms() + PATIENCE_MS;
    while (now_ms() < give_up && !(pool && workers_are_stopped(pool)))
        pool = atomic_load(&stopper->pool);
    if (pool && stopper->evict)
        __real_pool__slots_evict(&pool->core, 0);
}

/* A connection that is ready when nobody waits for it any more. */
static void end_before_it_is_open(bool evict)
{
    struct stopper stopper = {.evict = evict};
    unsigned before = descriptors();
    meanwhile.pool = pool_with((struct pool_options){.connection_limit = 1,
                                                     .min_idle = 1,
                                                     .hooks.on_connection = wait_for_stop,
                                                     .hooks.arg = &stopper});
    WAIT_UNTIL(stats_of(meanwhile.pool).opened == 1);
    atomic_store(&meanwhile.take_before_close, true);
    atomic_store(&stopper.pool, meanwhile.pool);
    pool_end(meanwhile.pool, 0, NULL);
    atomic_store(&meanwhile.take_before_close, false);
    assert_int_equal(descriptors(), before);
}

static void what_comes_idle_at_the_end_is_lent_to_nobody(void **state)
{
    (void)state;
    end_before_it_is_open(false);
    assert_false(meanwhile.taken);
}

/* Nobody would wait for its end. */
static void no_worker_is_started_once_they_are_stopped(void **state)
{
    (void)state;
    end_before_it_is_open(true);
    assert_int_equal(meanwhile.threads, 1);
}

/* The control connection */

static int64_t number(struct pool *pool, const char *sql, struct pool_args args)
{
    struct pool_result *result = pool_query(pool, sql, args, NULL);
    int64_t value = pool_next(result) ? pool_get_int(result, 0) : -1;
    pool_result_free(result);
    return value;
}

static bool is_there(unsigned long id)
{
    return number(control.admin, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ?",
                  POOL_ARGS(id)) != 0;
}

/* Returns when it has been killed and its place is free. */
static void let_a_statement_time_out(struct pool *pool)
{
    struct pool_request request = {.sql = "SELECT SLEEP(30)", .timeout_ms = 100};
    uint64_t before = stats_of(pool).closed;
    assert_null(pool_query_with(pool, &request, NULL));
    WAIT_UNTIL(stats_of(pool).closed > before && stats_of(pool).closing == 0 &&
               stats_of(pool).open == 0);
}

static unsigned long control_id(struct pool *pool)
{
    pthread_mutex_lock(&pool->control.lock);
    unsigned long id = pool->control.conn->thread_id;
    pthread_mutex_unlock(&pool->control.lock);
    return id;
}

static int start_control(void **state)
{
    (void)state;
    memset(&control, 0, sizeof control);
    control.admin = pool_of("MYPOOL_ADMIN_URL", (struct pool_options){.connection_limit = 1});
    return 0;
}

static int end_control(void **state)
{
    (void)state;
    return pool_end(control.admin, PATIENCE_MS, NULL) ? 0 : -1;
}

static bool look_at_lock(struct pool_credentials *credentials, bool refresh, void *arg)
{
    (void)credentials;
    (void)refresh;
    (void)arg;
    struct pool *pool = control.pool;
    if (pool && pthread_mutex_trylock(&pool->control.lock) == 0)
        pthread_mutex_unlock(&pool->control.lock);
    else if (pool)
        control.locked = true;
    return true;
}

static void credentials_are_asked_for_without_a_lock(void **state)
{
    (void)state;
    struct pool *pool =
        pool_with((struct pool_options){.connection_limit = 1, .credentials = look_at_lock});
    assert_true(pool_ping(pool, NULL));
    control.pool = pool;
    let_a_statement_time_out(pool); /* to kill it, a control connection is opened */
    assert_int_not_equal(control_id(pool), 0);
    end(pool);
    assert_false(control.locked);
}

/* Without that the statement would run on until the next attempt, a second later. */
static void a_control_connection_that_has_died_is_replaced_at_once(void **state)
{
    (void)state;
    struct pool *pool = pool_with((struct pool_options){.connection_limit = 1});
    let_a_statement_time_out(pool);
    unsigned long id = control_id(pool);
    char kill[64];
    snprintf(kill, sizeof kill, "KILL CONNECTION %lu", id);
    pool_result_free(pool_query(control.admin, kill, POOL_NO_ARGS, NULL));
    WAIT_UNTIL(!is_there(id));
    let_a_statement_time_out(pool);
    assert_int_equal(atomic_load(&failed_kills), 0);
    assert_int_not_equal(control_id(pool), id);
    assert_int_equal(stats_of(pool).kills, 2);
    end(pool);
}

static void a_control_connection_is_replaced_when_the_old_one_has_ended(void **state)
{
    (void)state;
    static const char sql[] = "SELECT SLEEP(0.7)";
    struct pool *pool = pool_with((struct pool_options){.connection_limit = 1});
    let_a_statement_time_out(pool);
    assert_true(pool_ping(pool, NULL));
    control.pool = pool;
    control.old_id = control_id(pool);
    pthread_mutex_lock(&pool->control.lock);
    int sent = mysql_send_query(pool->control.conn->mysql, sql, sizeof sql - 1);
    pool->control.conn->broken = true;
    pthread_mutex_unlock(&pool->control.lock);
    assert_int_equal(sent, 0);
    let_a_statement_time_out(pool);
    assert_int_not_equal(control_id(pool), control.old_id);
    control.old_id = 0;
    end(pool);
    assert_false(control.overlaps);
}

#define CONTROL_TEST(name) cmocka_unit_test_setup_teardown(name, start_control, end_control)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_that_comes_back_while_it_is_retired_is_closed),
        cmocka_unit_test(a_return_that_does_not_know_of_the_end_leaves_nothing),
        cmocka_unit_test(what_comes_idle_at_the_end_is_lent_to_nobody),
        cmocka_unit_test(no_worker_is_started_once_they_are_stopped),
        CONTROL_TEST(credentials_are_asked_for_without_a_lock),
        CONTROL_TEST(a_control_connection_that_has_died_is_replaced_at_once),
        CONTROL_TEST(a_control_connection_is_replaced_when_the_old_one_has_ended),
    };
    return server_suite_main(argc, argv, tests);
}
