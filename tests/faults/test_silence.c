/*
 * A network that says nothing any more, and a server that only takes its time.
 *
 * The silence is made by filters on sockets, which drop all that comes before the kernel
 * sees it: on the pool's own, or on the proxy's end, so that what the pool sends is lost and
 * what comes back is not. Statements here have no deadline: that they end at all is what is
 * tested, and that others do not.
 *
 * Needs a server: MYPOOL_SERVER_PORT, MYPOOL_SOCKET_URL.
 */
#include <mypool.h>
#include <mysql.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "proxy.h"
#include "suite.h"

#define GENEROUS 30000
#define NOT_AT_ONCE 900 /* of the 1000 ms that are the least for an option */

static struct fixture {
    struct pool *pool;
} f;

static void make_pool(uint32_t keepalive_ms, uint32_t user_timeout_ms)
{
    struct pool_options options = {
        .host = "127.0.0.1",
        .port = proxy.port,
        .user = "app",
        .password = "secret",
        .auth_plugins = "mysql_native_password,caching_sha2_password",
        .connection_limit = 1,
        .tcp_keepalive_ms = keepalive_ms,
        .tcp_user_timeout_ms = user_timeout_ms,
    };
    struct pool_error err;
    f.pool = pool_create(&options, &err);
    if (!f.pool)
        fail_msg("%s", err.message);
}

static void assert_works(const char *sql)
{
    struct pool_error err;
    struct pool_result *result = pool_query(f.pool, sql, POOL_NO_ARGS, &err);
    if (!result)
        fail_msg("%s: %s: %s", sql, pool_code_name(err.code), err.message);
    pool_result_free(result);
}

/* Nothing gets to the server any more. */
static void lose_what_is_sent(void)
{
    set_proxy(&proxy.go_silent, true);
    assert_within(GENEROUS, atomic_load(&proxy.is_silent));
}

/* Nothing gets to the pool any more, on any of its connections through the proxy. */
static void lose_what_comes(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_in peer = {0};
        socklen_t size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == proxy.port)
            drop_what_comes(fd);
    }
}

/* Returns how long it took. */
static uint64_t assert_lost(const char *sql, struct pool_error *ret_err)
{
    uint64_t begin = now_ms();
    assert_null(pool_query(f.pool, sql, POOL_NO_ARGS, ret_err));
    assert_int_equal(ret_err->code, POOL_ERR_LOST);
    assert_true(ret_err->fatal);
    return now_ms() - begin;
}

static void assert_notices(void (*fall_silent)(void))
{
    struct pool_error err;
    make_pool(POOL_NEVER, 1000);
    assert_works("SELECT 1");
    fall_silent();
    assert_in_range(assert_lost("SELECT 1", &err), NOT_AT_ONCE, GENEROUS);
    assert_non_null(strstr(err.message, "the network is silent"));
    assert_false(err.not_executed);
}

static void a_statement_into_silence_is_lost_without_a_deadline(void **state)
{
    (void)state;
    assert_notices(lose_what_comes);
}

static void so_it_is_where_only_one_direction_is_lost(void **state)
{
    (void)state;
    assert_notices(lose_what_is_sent);
}

struct answer {
    _Atomic bool came;
    struct pool_error err;
};

static void take_answer(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct answer *answer = arg;
    answer->err = *err;
    pool_result_free(result);
    atomic_store(&answer->came, true);
}

static void a_call_with_a_callback_notices_it_too(void **state)
{
    static struct answer answer; /* a callback that comes after the test has failed */
    (void)state;
    make_pool(POOL_NEVER, 1000);
    assert_works("SELECT 1");
    lose_what_comes();
    assert_true(pool_query_async(f.pool, "SELECT 1", POOL_NO_ARGS, take_answer, &answer, NULL));
    assert_within(GENEROUS, atomic_load(&answer.came));
    assert_int_equal(answer.err.code, POOL_ERR_LOST);
    assert_non_null(strstr(answer.err.message, "the network is silent"));
}

static void *fall_silent_later(void *arg)
{
    pause_ms(300); /* the statement is on its way, and acknowledged */
    lose_what_comes();
    return arg;
}

static void a_reply_that_is_awaited_is_given_up_by_the_keepalive(void **state)
{
    struct pool_error err;
    pthread_t thread;
    (void)state;
    make_pool(1000, POOL_NEVER);
    assert_works("SELECT 1");
    assert_int_equal(pthread_create(&thread, NULL, fall_silent_later, NULL), 0);
    assert_in_range(assert_lost("SELECT SLEEP(60)", &err), NOT_AT_ONCE, GENEROUS);
    pthread_join(thread, NULL);
}

static void a_statement_that_takes_long_is_left_alone(void **state)
{
    (void)state;
    make_pool(1000, 1000);
    assert_works("SELECT SLEEP(4)");
    struct pool_stats stats;
    pool_stats(f.pool, &stats);
    assert_int_equal(stats.opened, 1);
}

/* The proxy stands for a server that does not read: its kernel still acknowledges. */
static void *read_again_later(void *arg)
{
    pause_ms(4000);
    set_proxy(&proxy.black_hole, false);
    return arg;
}

static void a_server_that_does_not_read_is_left_alone(void **state)
{
    size_t size = 12 << 20;
    char *sql = malloc(size);
    pthread_t thread;
    (void)state;
    assert_non_null(sql);
    memset(sql, ' ', size);
    memcpy(sql, "SELECT 1", 8);
    sql[size - 1] = '\0';
    make_pool(1000, 1000);
    assert_works("SELECT 1");
    set_proxy(&proxy.black_hole, true);
    assert_int_equal(pthread_create(&thread, NULL, read_again_later, NULL), 0);
    assert_works(sql);
    pthread_join(thread, NULL);
    free(sql);
}

/* ---- what the kernel was told ---- */

static int socket_option(struct pool *pool, int level, int option)
{
    struct pool_conn conn;
    struct pool_error err;
    int value = -1;
    socklen_t size = sizeof value;
    if (!pool_get_connection(pool, &conn, &err))
        fail_msg("%s", err.message);
    MYSQL *mysql = pool_conn_native(conn);
    assert_non_null(mysql);
    assert_int_equal(getsockopt(mysql_get_socket(mysql), level, option, &value, &size), 0);
    pool_conn_release(conn, NULL);
    return value;
}

static void silence_is_noticed_within_a_minute_by_default(void **state)
{
    (void)state;
    make_pool(0, 0);
    assert_int_equal(socket_option(f.pool, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(socket_option(f.pool, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    assert_int_equal(socket_option(f.pool, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    assert_int_equal(socket_option(f.pool, IPPROTO_TCP, TCP_KEEPCNT), 3);
}

static void probes_begin_when_the_option_says_in_whole_seconds(void **state)
{
    (void)state;
    make_pool(1500, 0);
    assert_int_equal(socket_option(f.pool, IPPROTO_TCP, TCP_KEEPIDLE), 2);
    assert_int_equal(socket_option(f.pool, IPPROTO_TCP, TCP_KEEPINTVL), 1);
}

static void never_is_no_probe_at_all(void **state)
{
    (void)state;
    make_pool(POOL_NEVER, POOL_NEVER);
    assert_int_equal(socket_option(f.pool, SOL_SOCKET, SO_KEEPALIVE), 0);
}

static void unix_sockets_ignore_both(void **state)
{
    struct pool_options options = {.tcp_keepalive_ms = 1000, .tcp_user_timeout_ms = 1000};
    struct pool_error err;
    (void)state;
    f.pool = pool_create_url_with(getenv("MYPOOL_SOCKET_URL"), &options, &err);
    assert_non_null(f.pool);
    assert_works("SELECT SLEEP(1.5)");
}

static int set_up(void **state)
{
    (void)state;
    f.pool = NULL;
    start_proxy();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (f.pool)
        pool_end(f.pool, 0, NULL);
    stop_proxy();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_statement_into_silence_is_lost_without_a_deadline),
        TEST(so_it_is_where_only_one_direction_is_lost),
        TEST(a_call_with_a_callback_notices_it_too),
        TEST(a_reply_that_is_awaited_is_given_up_by_the_keepalive),
        TEST(a_statement_that_takes_long_is_left_alone),
        TEST(a_server_that_does_not_read_is_left_alone),
        TEST(silence_is_noticed_within_a_minute_by_default),
        TEST(probes_begin_when_the_option_says_in_whole_seconds),
        TEST(never_is_no_probe_at_all),
        TEST(unix_sockets_ignore_both),
    };
    return server_suite_main(argc, argv, tests);
}
