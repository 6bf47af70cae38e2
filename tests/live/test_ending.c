/*
 * The end of a pool: what finishes, what is cut, who is refused, that nothing is left, and
 * from where it must not be called. See life.h; the worst moments are in test_end.
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
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- helpers ---- */

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

/* ---- the end ---- */

#define RUNNING(what)                                                                              \
    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'app' AND INFO LIKE '" what  \
    "%'"

static void the_end_lets_running_calls_finish(void **state)
{
    (void)state;
    struct pool *pool = small_pool(2);
    struct call call = {.pool = pool, .request.sql = "SELECT SLEEP(0.3)"};
    start_calling(&call);
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
    start_calling(&call);
    WAIT_UNTIL(number_of(admin, RUNNING("SELECT SLEEP")) == 1);
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
    WAIT_UNTIL(number_of(admin, OURS) == 0); /* the statement was killed, too */
}

static void the_end_fails_queued_callers_at_once(void **state)
{
    (void)state;
    struct pool *pool = small_pool(1);
    struct pool_conn conn = borrow_from(pool);
    struct call waiter = {.pool = pool, .request.acquire_timeout_ms = PATIENCE_MS};
    struct call ender = {.pool = pool, .request.sql = "SELECT 1"};
    start_calling(&waiter);
    start_calling(&ender);
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
    struct pool_conn conn = borrow_from(pool);
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
    end_cleanly(pool);
    assert_false(pool_end(pool, 0, &err));
    assert_int_equal(err.code, POOL_ERR_CLOSED);
    assert_false(pool_end(NULL, 0, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
}

static void after_the_end_no_thread_descriptor_or_session_is_left(void **state)
{
    struct pool *admin = *state;
    number_of(admin, OURS); /* opens the administrator's own connection */
    unsigned threads_before = threads();
    unsigned descriptors_before = descriptors();
    for (int i = 0; i < 5; i++) {
        struct pool *pool = small_pool(4);
        live_fully(pool);
        end_cleanly(pool);
        WAIT_UNTIL(threads() <= threads_before);
        assert_int_equal(descriptors(), descriptors_before);
    }
    WAIT_UNTIL(number_of(admin, OURS) == 0);
}

static void after_a_cut_end_and_the_release_nothing_is_left(void **state)
{
    struct pool *admin = *state;
    number_of(admin, OURS);
    unsigned threads_before = threads();
    unsigned descriptors_before = descriptors();
    struct pool *pool = small_pool(4);
    live_fully(pool);
    struct pool_conn conns[2] = {borrow_from(pool), borrow_from(pool)};
    assert_true(pool_conn_begin(conns[0], NULL));
    assert_false(pool_end(pool, 0, NULL));
    WAIT_UNTIL(threads() <= threads_before);
    WITHIN(LATE_MS, number_of(admin, OURS) == 0);
    int64_t left = number_of(admin, OURS); /* the handles are still out */
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
        end_cleanly(small_pool(10));
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
    number_of(admin, OURS);
    unsigned threads_before = threads();
    unsigned descriptors_before = descriptors();
    for (int i = 0; i < 60; i++)
        end_among_returners();
    WAIT_UNTIL(threads() <= threads_before);
    assert_int_equal(descriptors(), descriptors_before);
    WAIT_UNTIL(number_of(admin, OURS) == 0);
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

static void end_on_leak(const char *label, uint32_t held_ms, void *arg)
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
    struct pool_conn conn = borrow_from(pool);
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
    run_sql(pool, "DO 1"); /* the pool has not noticed */
    end_cleanly(pool);
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
    run_sql(pool, "DO 1");
    end_cleanly(pool);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
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
    };
    return server_suite_main_with(argc, argv, tests, set_up_life, tear_down_life);
}
