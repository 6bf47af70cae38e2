/*
 * The program closes a descriptor of the pool, and its number goes to something else.
 * The pool must notice, and leave that alone.
 *
 * Needs a server: MYPOOL_URL, MYPOOL_TLS_URL.
 */
#include <errno.h>
#include <mypool.h>
#include <mysql.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pools.h"
#include "suite.h"
#include "waiting.h"

#define SILENCE_MS 50 /* after which a connection is looked at more closely */

static struct fixture {
    struct pool *pool;
    struct stranger {
        int number; /* formerly the pool's */
        int peer;   /* sees what is written to the stranger */
        ino_t inode;
    } stranger;
} f;

static void make_pool(const char *variable, unsigned limit)
{
    f.pool = pool_of(variable, (struct pool_options){.connection_limit = limit});
}

static struct pool_stats stats_now(void)
{
    struct pool_stats stats;
    pool_stats(f.pool, &stats);
    return stats;
}

static void assert_works(void)
{
    struct pool_error err;
    struct pool_result *result = pool_query(f.pool, "SELECT ?", POOL_ARGS(1), &err);
    pool_result_free(result);
    if (!result)
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
}

/* Of the one connection; resets it, so that it is quiet afterwards. */
static int socket_number(void)
{
    struct pool_conn conn;
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    int number = mysql_get_socket(pool_conn_native(conn));
    assert_true(pool_conn_release(conn, NULL));
    assert_within(GENEROUS, stats_now().idle == 1);
    return number;
}

static void put_stranger_at(int number)
{
    int pair[2];
    struct stat now;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(dup2(pair[0], number), number); /* closes what was there */
    close(pair[0]);
    assert_int_equal(fstat(number, &now), 0);
    f.stranger = (struct stranger){number, pair[1], now.st_ino};
}

static void assert_unharmed(void)
{
    char byte;
    struct stat now;
    assert_int_equal(fstat(f.stranger.number, &now), 0);
    assert_int_equal(now.st_ino, f.stranger.inode);
    assert_int_equal(recv(f.stranger.peer, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN); /* neither a byte nor an end */
}

static void end_pool(void)
{
    pool_end(f.pool, GENEROUS, NULL);
    f.pool = NULL;
}

/* Takes the number of an idle connection, then has the pool do something. */
static void assert_stranger_is_left_alone(const char *variable, void (*use)(void))
{
    make_pool(variable, 1);
    assert_works();
    put_stranger_at(socket_number());
    pause_ms(SILENCE_MS);
    use();
    assert_unharmed();
    if (f.pool)
        end_pool();
    assert_unharmed();
}

static void a_statement_passes_over_a_connection_whose_number_was_taken(void **state)
{
    (void)state;
    assert_stranger_is_left_alone("MYPOOL_URL", assert_works);
}

static void a_tls_statement_passes_over_a_connection_whose_number_was_taken(void **state)
{
    (void)state;
    assert_stranger_is_left_alone("MYPOOL_TLS_URL", assert_works);
}

static void the_end_leaves_a_number_that_was_taken_alone(void **state)
{
    (void)state;
    assert_stranger_is_left_alone("MYPOOL_URL", end_pool);
}

static void the_end_with_tls_leaves_a_number_that_was_taken_alone(void **state)
{
    (void)state;
    assert_stranger_is_left_alone("MYPOOL_TLS_URL", end_pool);
}

static void use_handle(void)
{
    struct pool_conn conn;
    struct pool_error err;
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    assert_null(pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_true(err.fatal && err.not_executed);
    assert_true(pool_conn_release(conn, NULL));
    assert_works();
}

static void a_handle_whose_number_was_taken_says_not_executed(void **state)
{
    (void)state;
    assert_stranger_is_left_alone("MYPOOL_URL", use_handle);
}

static void make_dirty(void)
{
    struct pool_conn conn;
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    assert_non_null(pool_conn_native(conn)); /* counts as changed */
    assert_true(pool_conn_release(conn, NULL));
    assert_within(GENEROUS, stats_now().closed_by_reason[POOL_CLOSE_RESET] == 1);
}

static void a_reset_leaves_a_number_that_was_taken_alone(void **state)
{
    (void)state;
    assert_stranger_is_left_alone("MYPOOL_URL", make_dirty);
}

/* The number may also be that of the pool's own next connection. */
static void a_closed_number_that_the_pool_gets_again_is_no_mix_up(void **state)
{
    struct pool_conn conns[2];
    struct pool_error err;
    (void)state;
    make_pool("MYPOOL_URL", 2);
    assert_works();
    int number = socket_number();
    assert_true(pool_get_connection(f.pool, &conns[0], NULL));
    close(number);
    assert_true(pool_get_connection(f.pool, &conns[1], NULL));
    assert_int_equal(mysql_get_socket(pool_conn_native(conns[1])), number);
    assert_true(pool_conn_destroy(conns[0], NULL));
    assert_within(GENEROUS, stats_now().closed == 1 && stats_now().closing == 0);
    pool_result_free(pool_conn_query(conns[1], "SELECT 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_OK);
    assert_true(pool_conn_release(conns[1], NULL));
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.stranger.number = f.stranger.peer = -1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (f.pool)
        end_pool();
    if (f.stranger.peer >= 0) {
        close(f.stranger.number);
        close(f.stranger.peer);
    }
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_statement_passes_over_a_connection_whose_number_was_taken),
        TEST(a_tls_statement_passes_over_a_connection_whose_number_was_taken),
        TEST(the_end_leaves_a_number_that_was_taken_alone),
        TEST(the_end_with_tls_leaves_a_number_that_was_taken_alone),
        TEST(a_handle_whose_number_was_taken_says_not_executed),
        TEST(a_reset_leaves_a_number_that_was_taken_alone),
        TEST(a_closed_number_that_the_pool_gets_again_is_no_mix_up),
    };
    return server_suite_main(argc, argv, tests);
}
