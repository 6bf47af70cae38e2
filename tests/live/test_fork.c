/*
 * A pool in a process that forks and execs: a child is refused and sends nothing, and inherits
 * no descriptor. See life.h.
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
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

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
    struct pool_request request = {.sql = BYTES, .text = true};
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
    struct pool_conn conn = borrow_from(pool);
    assert_true(pool_conn_begin(conn, NULL));
    int64_t first = bytes_received(conn);
    int64_t second = bytes_received(conn);
    int failed = in_child(fn, pool, conn);
    assert_int_equal(bytes_received(conn) - second, second - first);
    assert_true(pool_conn_rollback(conn, NULL));
    assert_true(pool_conn_release(conn, NULL));
    use_many(pool, 2);
    assert_int_equal(stats_of(pool).opened, 2);
    end_cleanly(pool);
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
    end_cleanly(pool);
}

static void all_descriptors_are_close_on_exec(void **state)
{
    (void)state;
    assert_descriptors_are_close_on_exec("MYPOOL_URL");
    assert_descriptors_are_close_on_exec("MYPOOL_SOCKET_URL");
    assert_descriptors_are_close_on_exec("MYPOOL_TLS_URL");
}

/* The socket that is kept until a stopped server closes its end. */
static void a_lingering_descriptor_is_close_on_exec(void **state)
{
    (void)state;
    bool leaks = false;
    struct pool *pool = small_pool(1);
    struct pool_conn conn = borrow_from(pool);
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
    end_cleanly(pool);
    assert_int_equal(closing, 1);
    assert_false(leaks);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forked_child_is_refused_and_sends_nothing),
        cmocka_unit_test(an_end_in_a_forked_child_closes_its_copies_only),
        cmocka_unit_test(a_forked_child_may_have_a_pool_of_its_own),
        cmocka_unit_test(all_descriptors_are_close_on_exec),
        cmocka_unit_test(a_lingering_descriptor_is_close_on_exec),
    };
    return server_suite_main_with(argc, argv, tests, set_up_life, tear_down_life);
}
