/*
 * The end of a pool in the worst moment: many statements run, handles are out and come back
 * late, hooks use the pool, the server stands still, the process has forked, threads are
 * cancelled.
 *
 * pool_end has 100 ms beyond its drain. That is asserted of the best of a few tries, since
 * a busy machine can make any of them late, and in the release build alone. What must not
 * be left over is asserted of all builds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pools.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mypool.h"
#include "server.h"
#include "suite.h"

#define PATIENCE_MS 60000
#define TRIES 5
#define PROMISE_MS 100
#define MANY 100

/* Waits for a lock that the administrator has. Other than one that sleeps the server does
 * not end it when it finds its client gone. */
#define BLOCKED "SELECT * FROM locked_until_the_end"
#define RUNNING                                                                                    \
    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'app' AND INFO LIKE "        \
    "'SELECT * FROM locked%'"

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define PROMISED true
#else
#define PROMISED false
#endif

#define SLEEPING                                                                                   \
    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'app' AND INFO LIKE "        \
    "'SELECT SLEEP%'"

static struct pool *admin;
static struct pool_conn locker;

static struct pool_conn borrow(struct pool *pool)
{
    struct pool_conn conn = {0};
    struct pool_error err;
    if (!pool_get_connection(pool, &conn, &err))
        fail_msg("%s", err.message);
    return conn;
}

static int64_t admin_asks(const char *sql)
{
    struct pool_error err;
    struct pool_result *result = pool_query(admin, sql, POOL_NO_ARGS, &err);
    if (!result || !pool_next(result))
        fail_msg("%s: %s", sql, err.message);
    int64_t value = pool_get_int(result, 0);
    pool_result_free(result);
    return value;
}

static unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static uint64_t time_to_end(struct pool *pool)
{
    uint64_t started = now_ms();
    pool_end(pool, 0, NULL);
    return now_ms() - started;
}

/* Says so, and asserts what was promised. */
static void assert_prompt(const char *what, uint64_t best_ms)
{
    print_message("           pool_end(0) with %s: %d ms in the best of %d tries\n", what,
                  (int)best_ms, TRIES);
    if (PROMISED)
        assert_in_range(best_ms, 0, PROMISE_MS);
}

/* A statement on a thread of its own, on a handle or on the pool. */
struct blocked {
    struct pool *pool;
    struct pool_conn conn; /* {0}: none */
    const char *sql;       /* NULL: BLOCKED */
    pthread_t thread;
    struct pool_error err;
    _Atomic bool returned;
};

static void *run_into_lock(void *arg)
{
    struct blocked *blocked = arg;
    struct pool_request request = {.sql = blocked->sql ? blocked->sql : BLOCKED, .text = true};
    struct pool_result *result = blocked->conn.pool
                                     ? pool_conn_query_with(blocked->conn, &request, &blocked->err)
                                     : pool_query_with(blocked->pool, &request, &blocked->err);
    pool_result_free(result);
    atomic_store(&blocked->returned, true);
    pthread_testcancel();
    return NULL;
}

static void start(struct blocked *blocked)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 512 * 1024);
    assert_int_equal(pthread_create(&blocked->thread, &attributes, run_into_lock, blocked), 0);
    pthread_attr_destroy(&attributes);
}

/* What is left of a try that was too slow to kill them all. */
static void clear_server(void)
{
    pool_result_free(pool_query(admin, "KILL USER app", POOL_NO_ARGS, NULL));
    WAIT_UNTIL(admin_asks(RUNNING) == 0);
}

/* ---- statements that run ---- */

/* How many the server was told to kill. The memory of a pool is there for a while. */
static uint64_t end_among_many(const char *sql, const char *running, uint64_t *ret_took_ms)
{
    static struct blocked all[MANY];
    struct pool_stats stats;
    struct pool *pool = pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = MANY});
    memset(all, 0, sizeof all);
    for (unsigned i = 0; i < MANY; i++) {
        all[i].pool = pool;
        all[i].sql = sql;
        start(&all[i]);
    }
    WAIT_UNTIL(admin_asks(running) == MANY);
    *ret_took_ms = time_to_end(pool);
    pool_stats(pool, &stats);
    for (unsigned i = 0; i < MANY; i++) {
        pthread_join(all[i].thread, NULL);
        assert_int_equal(all[i].err.code, POOL_ERR_CLOSED);
    }
    return stats.kills;
}

static void all_of_many_statements_are_killed_in_time(void **state)
{
    (void)state;
    bool killed = false;
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < TRIES && (!killed || (PROMISED && best > PROMISE_MS)); i++) {
        uint64_t took;
        uint64_t kills = end_among_many(BLOCKED, RUNNING, &took);
        bool all = WITHIN(10000, admin_asks(RUNNING) == 0) && kills == MANY;
        best = all && took < best ? took : best;
        killed |= all;
        clear_server();
    }
    assert_true(killed);
    assert_prompt("a hundred statements", best);
}

/* The server takes up to two seconds for each that sleeps. */
static void slow_kills_are_left_to_the_server(void **state)
{
    (void)state;
    uint64_t kills = 0;
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < TRIES && (kills != MANY || (PROMISED && best > PROMISE_MS)); i++) {
        uint64_t took;
        kills = end_among_many("SELECT SLEEP(600)", SLEEPING, &took);
        best = kills == MANY && took < best ? took : best;
        clear_server();
        WAIT_UNTIL(admin_asks(SLEEPING) == 0);
    }
    assert_int_equal(kills, MANY);
    assert_prompt("a hundred that sleep", best);
}

/* ---- handles that come back late ---- */

static void a_statement_of_a_handle_that_is_kept_is_killed(void **state)
{
    (void)state;
    bool killed = false;
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < TRIES && (!killed || (PROMISED && best > PROMISE_MS)); i++) {
        struct pool *pool = pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 2});
        struct blocked blocked = {.conn = borrow(pool)};
        start(&blocked);
        WAIT_UNTIL(admin_asks(RUNNING) == 1);
        uint64_t took = time_to_end(pool);
        bool gone = WITHIN(10000, admin_asks(RUNNING) == 0);
        best = gone && took < best ? took : best;
        killed |= gone;
        pthread_join(blocked.thread, NULL);
        assert_true(pool_conn_release(blocked.conn, NULL));
        clear_server();
    }
    assert_true(killed);
    assert_prompt("a statement on a handle that is kept", best);
}

/* A hook that keeps the caller until it may go. */
struct gate {
    _Atomic bool entered;
    _Atomic bool open;
};

static void wait_at_gate(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                         enum pool_code code, void *arg)
{
    (void)label;
    (void)digest;
    (void)elapsed_ns;
    (void)rows;
    (void)code;
    struct gate *gate = arg;
    atomic_store(&gate->entered, true);
    WITHIN(PATIENCE_MS, atomic_load(&gate->open));
}

static struct pool *gated_pool(struct gate *gate)
{
    return pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 2,
                                                       .hooks.on_query = wait_at_gate,
                                                       .hooks.arg = gate});
}

static void a_statement_whose_caller_is_in_a_hook_is_killed(void **state)
{
    (void)state;
    bool killed = false;
    for (int i = 0; i < TRIES && !killed; i++) {
        struct gate gate = {.entered = false};
        unsigned before = descriptors();
        struct pool *pool = gated_pool(&gate);
        struct blocked blocked = {.pool = pool};
        start(&blocked);
        WAIT_UNTIL(admin_asks(RUNNING) == 1);
        pool_end(pool, 0, NULL);
        killed = WITHIN(10000, admin_asks(RUNNING) == 0);
        bool away = atomic_load(&gate.entered) && !atomic_load(&blocked.returned);
        atomic_store(&gate.open, true);
        pthread_join(blocked.thread, NULL);
        assert_true(away);
        assert_int_equal(descriptors(), before); /* its socket, too */
        clear_server();
    }
    assert_true(killed);
}

/* ---- hooks that use the pool ---- */

struct giver {
    struct pool_conn held;
    _Atomic bool armed;
    _Atomic int given_back;
};

static void give_back_on_close(enum pool_close_reason reason, unsigned long id, void *arg)
{
    (void)reason;
    (void)id;
    struct giver *giver = arg;
    if (atomic_exchange(&giver->armed, false))
        atomic_fetch_add(&giver->given_back, pool_conn_release(giver->held, NULL));
}

static void a_hook_may_give_back_the_handle_that_is_taken_away(void **state)
{
    (void)state;
    struct giver giver = {.armed = true};
    unsigned before = descriptors();
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1,
                                                    .hooks.on_close = give_back_on_close,
                                                    .hooks.arg = &giver});
    giver.held = borrow(pool);
    pool_end(pool, 0, NULL);
    assert_int_equal(atomic_load(&giver.given_back), 1);
    assert_int_equal(descriptors(), before);
}

struct late_giver {
    struct gate gate; /* first, for wait_at_gate */
    struct giver giver;
};

static void late_give_back(enum pool_close_reason reason, unsigned long id, void *arg)
{
    give_back_on_close(reason, id, &((struct late_giver *)arg)->giver);
}

/* The call returns when the pool has ended, closes its connection itself, and the hook gives
 * the last handle back. */
static void a_hook_may_give_a_handle_back_after_the_end(void **state)
{
    (void)state;
    struct late_giver late = {.gate.entered = false};
    unsigned before = descriptors();
    struct pool *pool =
        pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 2,
                                                    .hooks.on_query = wait_at_gate,
                                                    .hooks.on_close = late_give_back,
                                                    .hooks.arg = &late});
    late.giver.held = borrow(pool);
    struct blocked blocked = {.pool = pool};
    start(&blocked);
    WAIT_UNTIL(admin_asks(RUNNING) == 1);
    pool_end(pool, 0, NULL);
    atomic_store(&late.giver.armed, true);
    atomic_store(&late.gate.open, true);
    pthread_join(blocked.thread, NULL);
    assert_int_equal(atomic_load(&late.giver.given_back), 1);
    assert_int_equal(descriptors(), before);
    clear_server();
}

/* ---- a server that stands still ---- */

/* A Unix socket that nobody accepts from, with no room left. */
struct full_socket {
    char path[108];
    int fds[16];
    unsigned count;
};

static void fill_socket(struct full_socket *full)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(full->path, sizeof full->path, "%s/full.sock", getenv("MYPOOL_SERVER_DIR"));
    memcpy(address.sun_path, full->path, sizeof full->path);
    unlink(full->path);
    full->fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(full->fds[0], (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(full->fds[0], 1), 0);
    int failed = 0;
    for (full->count = 1; full->count < 16 && !failed; full->count++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        failed = connect(fd, (struct sockaddr *)&address, sizeof address);
        full->fds[full->count] = fd;
    }
    assert_int_equal(failed, -1);
}

static void close_socket(struct full_socket *full)
{
    while (full->count > 0)
        close(full->fds[--full->count]);
    unlink(full->path);
}

static struct pool *pool_on_socket(const char *path, uint32_t connect_timeout_ms)
{
    struct pool_error err;
    struct pool_options options = {.socket = path,
                                   .user = "app",
                                   .min_idle = 1,
                                   .connect_timeout_ms = connect_timeout_ms,
                                   .fail_fast_ms = 1};
    struct pool *pool = pool_create(&options, &err);
    assert_non_null(pool);
    return pool;
}

static void a_connect_to_a_full_socket_ends_at_its_deadline(void **state)
{
    (void)state;
    struct full_socket full;
    uint64_t best = UINT64_MAX;
    fill_socket(&full);
    for (int i = 0; i < TRIES; i++) {
        struct pool_error err;
        struct pool_conn conn;
        uint64_t started = now_ms();
        struct pool *pool = pool_on_socket(full.path, 300);
        assert_false(pool_get_connection(pool, &conn, &err));
        uint64_t took = now_ms() - started;
        pool_end(pool, 0, NULL);
        assert_int_equal(err.code, POOL_ERR_CONNECT);
        assert_in_range(took, 299, PATIENCE_MS);
        best = took < best ? took : best;
    }
    close_socket(&full);
    assert_in_range(best, 299, 1500);
}

static void the_end_does_not_wait_for_a_full_socket(void **state)
{
    (void)state;
    struct full_socket full;
    uint64_t best = UINT64_MAX;
    fill_socket(&full);
    for (int i = 0; i < TRIES; i++) {
        struct pool *pool = pool_on_socket(full.path, 5000);
        WAIT_UNTIL(stats_of(pool).connecting == 1);
        uint64_t took = time_to_end(pool);
        best = took < best ? took : best;
    }
    close_socket(&full);
    assert_in_range(best, 0, 1500);
    assert_prompt("a connect to a full socket", best);
}

/* Everything that a pool may be doing on a Unix socket whose server has stopped. */
static uint64_t end_on_frozen_socket(void)
{
    struct pool *pool = pool_of("MYPOOL_SOCKET_URL", (struct pool_options){.connection_limit = 8});
    struct blocked blocked[2] = {{.pool = pool}, {.conn = borrow(pool)}};
    struct pool_conn conns[2] = {borrow(pool), borrow(pool)};
    start(&blocked[0]);
    start(&blocked[1]);
    WAIT_UNTIL(admin_asks(RUNNING) == 2);
    freeze_server();
    pool_conn_destroy(conns[0], NULL);
    uint64_t took = time_to_end(pool);
    thaw_server();
    pthread_join(blocked[0].thread, NULL);
    pthread_join(blocked[1].thread, NULL);
    pool_conn_release(blocked[1].conn, NULL);
    pool_conn_release(conns[1], NULL);
    clear_server();
    return took;
}

static void the_end_does_not_wait_for_a_frozen_server(void **state)
{
    (void)state;
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        uint64_t took = end_on_frozen_socket();
        best = took < best ? took : best;
    }
    assert_in_range(best, 0, 1500);
    assert_prompt("a frozen server", best);
}

/* ---- cancelled threads ---- */

/* The last that its call has to do is to close the connection, and to let the pool go. */
static void a_thread_that_is_cancelled_ends_its_call_after_the_end(void **state)
{
    (void)state;
    struct gate gate = {.entered = false};
    void *result;
    unsigned before = descriptors();
    struct pool *pool = gated_pool(&gate);
    struct pool_conn held = borrow(pool);
    struct blocked blocked = {.pool = pool};
    start(&blocked);
    WAIT_UNTIL(admin_asks(RUNNING) == 1);
    pool_end(pool, 0, NULL);
    assert_int_equal(pthread_cancel(blocked.thread), 0);
    atomic_store(&gate.open, true);
    pthread_join(blocked.thread, &result);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_true(atomic_load(&blocked.returned));
    assert_true(pool_conn_release(held, NULL)); /* no lock was left behind */
    assert_int_equal(descriptors(), before);
    clear_server();
}

/* ---- fork ---- */

/* Every place where a pool may have a descriptor: connections that are idle, awaited, and
 * being killed, and the control connection. */
static struct pool *pool_with_everything(void)
{
    struct pool *pool =
        pool_of("MYPOOL_URL",
                (struct pool_options){.connection_limit = 4, .acquire_timeout_ms = PATIENCE_MS});
    struct pool_request brief = {.sql = BLOCKED, .text = true, .timeout_ms = 100};
    assert_null(pool_query_with(pool, &brief, NULL)); /* killed by the control connection */
    WAIT_UNTIL(stats_of(pool).kills == 1 && stats_of(pool).closing == 0);
    struct pool_conn conns[] = {borrow(pool), borrow(pool), borrow(pool)};
    freeze_server();
    pool_conn_destroy(conns[0], NULL);
    pool_conn_query_with(conns[1], &brief, NULL);
    pool_conn_release(conns[1], NULL);
    pool_conn_release(conns[2], NULL);
    bool are_closing =
        WITHIN(PATIENCE_MS, stats_of(pool).closing == 2 && stats_of(pool).closed == 3);
    if (!are_closing)
        thaw_server();
    assert_true(are_closing);
    return pool;
}

#define CHILD_FILES 32

/* In the child. What the program opens must survive a second end. */
static int end_twice(struct pool *pool, unsigned descriptors_before)
{
    int files[CHILD_FILES];
    pool_end(pool, 0, NULL);
    if (descriptors() != descriptors_before)
        return 1;
    for (int i = 0; i < CHILD_FILES; i++)
        files[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pool_end(pool, 0, NULL);
    for (int i = 0; i < CHILD_FILES; i++)
        if (fcntl(files[i], F_GETFD) < 0)
            return 2;
    return 0;
}

static int end_in_child(struct pool *pool, unsigned descriptors_before)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE_MS / 1000);
        _exit(end_twice(pool, descriptors_before));
    }
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

static void a_forked_child_closes_all_its_copies_and_nothing_else(void **state)
{
    (void)state;
    int status = -1;
    unsigned before = descriptors();
    struct pool *pool = pool_with_everything();
    /* A worker may be closing a connection just then, and have the descriptor to itself. */
    for (int i = 0; i < TRIES && status != 0; i++)
        status = end_in_child(pool, before);
    thaw_server();
    pool_end(pool, 0, NULL);
    assert_int_equal(status, 0);
}

/* ---- */

static void locker_does(const char *sql)
{
    struct pool_error err;
    struct pool_result *result = pool_conn_query(locker, sql, POOL_NO_ARGS, &err);
    if (!result)
        fail_msg("%s: %s", sql, err.message);
    pool_result_free(result);
}

static int set_up(void **state)
{
    (void)state;
    admin = pool_of("MYPOOL_ADMIN_URL", (struct pool_options){.connection_limit = 2});
    locker = borrow(admin);
    locker_does("CREATE TABLE locked_until_the_end (n INT)");
    locker_does("LOCK TABLES locked_until_the_end WRITE");
    return admin_asks("SELECT 1") == 1 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    pool_conn_release(locker, NULL);
    return pool_end(admin, PATIENCE_MS, NULL) ? 0 : -1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_many_statements_are_killed_in_time),
        cmocka_unit_test(slow_kills_are_left_to_the_server),
        cmocka_unit_test(a_statement_of_a_handle_that_is_kept_is_killed),
        cmocka_unit_test(a_statement_whose_caller_is_in_a_hook_is_killed),
        cmocka_unit_test(a_hook_may_give_back_the_handle_that_is_taken_away),
        cmocka_unit_test(a_hook_may_give_a_handle_back_after_the_end),
        cmocka_unit_test(a_connect_to_a_full_socket_ends_at_its_deadline),
        cmocka_unit_test(the_end_does_not_wait_for_a_full_socket),
        cmocka_unit_test(the_end_does_not_wait_for_a_frozen_server),
        cmocka_unit_test(a_thread_that_is_cancelled_ends_its_call_after_the_end),
        cmocka_unit_test(a_forked_child_closes_all_its_copies_and_nothing_else),
    };
    return server_suite_main_with(argc, argv, tests, set_up, tear_down);
}
