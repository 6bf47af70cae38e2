/*
 * What the pool does when the network between it and the server misbehaves.
 *
 * The pools here connect through a small proxy of our own (proxy.h). A test that arms a cut
 * has the only connection, so it is clear which session is meant.
 *
 * That no statement runs twice (see docs/promises.md) is proven exhaustively: a counter is
 * incremented with the session cut after each byte of the request and of the reply, and what the
 * caller was told is compared with what the server has.
 */
#include <errmsg.h>
#include <mypool.h>
#include <mysql.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "proxy.h"
#include "suite.h"

#define MOST_OFFSETS 400 /* bytes of a request or reply that are tried */

/* A thread that was put aside between sending and receiving finds the end of the
 * connection at once, without waiting for it. `late_receiver` makes that the rule.
 * libmariadb's calls of recv come here. */
static _Thread_local bool late_receiver;
ssize_t intercepted_recv(int fd, void *buffer, size_t size, int flags) __asm__("recv");
ssize_t intercepted_recv(int fd, void *buffer, size_t size, int flags)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    if (late_receiver && !(flags & MSG_PEEK)) /* a look before the send is not late */
        poll(&one, 1, 2000);
    return syscall(SYS_recvfrom, fd, buffer, size, flags, NULL, NULL);
}

/* Pools */

static struct pool_options proxied(unsigned limit)
{
    struct pool_options options = {
        .host = "127.0.0.1",
        .port = proxy.port,
        .user = "app",
        .password = "secret",
        .database = "mypool",
        .connection_limit = limit,
    };
    return options;
}

static bool runs(const char *sql, uint32_t timeout_ms, uint64_t *ret_took_ms,
                 struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .timeout_ms = timeout_ms};
    uint64_t begin = now_ms();
    struct pool_result *result = pool_query_with(f.pool, &request, err);
    if (ret_took_ms)
        *ret_took_ms = now_ms() - begin;
    pool_result_free(result);
    return result != NULL;
}

static void assert_works(void)
{
    struct pool_error err;
    if (!runs("SELECT 1", 0, NULL, &err))
        fail_msg("%s (%u): %s", pool_code_name(err.code), err.server_errno, err.message);
}

static void assert_timely(const char *what, uint64_t took_ms, uint64_t asked_ms)
{
    print_message("           %s ended after %lu ms of %lu\n", what, took_ms, asked_ms);
    assert_in_range(took_ms, asked_ms - 1, asked_ms + LATE);
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    start_proxy();
    f.admin = connect_admin();
    return f.admin ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    late_receiver = false;
    if (f.pool)
        pool_end(f.pool, 0, NULL);
    stop_proxy();
    if (f.admin)
        mysql_query(f.admin, "DROP TABLE IF EXISTS mypool.counters");
    mysql_close(f.admin);
    return 0;
}

/* Cut everywhere: no statement runs twice */

enum verdict { SUCCESS, NOT_EXECUTED, UNKNOWN, WRONG };

/* One way to send the increment. */
struct manner {
    bool by_handle;   /* pool_conn_query, which never sends again */
    bool prepared;    /* the statement has been prepared on the connection before */
    bool text;        /* true */
    bool late;        /* the thread receives late */
    bool by_reset;    /* RST instead of FIN */
    bool transaction; /* the cut hits COMMIT */
};

static struct pool_error last_error;

static enum verdict judge(bool ok)
{
    if (ok)
        return SUCCESS;
    if (last_error.not_executed)
        return NOT_EXECUTED;
    return last_error.code == POOL_ERR_LOST ? UNKNOWN : WRONG;
}

static bool increment(const struct manner *manner, struct pool_conn conn, int64_t id)
{
    struct pool_value value = pool_int(id);
    struct pool_request request = {.sql = "UPDATE counters SET n = n + 1 WHERE id = ?",
                                   .args = {&value, 1},
                                   .timeout_ms = 10000,
                                   .text = manner->text};
    struct pool_result *result = manner->by_handle
                                     ? pool_conn_query_with(conn, &request, &last_error)
                                     : pool_query_with(f.pool, &request, &last_error);
    pool_result_free(result);
    return result != NULL;
}

/* Increments counter `id` with a cut after `offset` bytes (-1: none). */
static enum verdict increment_with_cut(const struct manner *manner, enum direction direction,
                                       long offset, int64_t id)
{
    struct pool_conn conn = {0};
    struct pool_error err;
    if (!pool_get_connection(f.pool, &conn, &err))
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
    if (manner->prepared)
        increment(&(struct manner){.by_handle = true}, conn, 0);
    if (manner->transaction &&
        (!pool_conn_begin(conn, NULL) || !increment(&(struct manner){.by_handle = true}, conn, id)))
        fail_msg("cannot begin: %s", last_error.message);
    if (!manner->by_handle)
        pool_conn_release(conn, NULL);
    atomic_store(&proxy.bytes[UP], 0);
    atomic_store(&proxy.bytes[DOWN], 0);
    atomic_store(&proxy.cut_by_reset, manner->by_reset);
    atomic_store(&proxy.cut[direction], offset);
    late_receiver = manner->late;
    bool ok =
        manner->transaction ? pool_conn_commit(conn, &last_error) : increment(manner, conn, id);
    late_receiver = false;
    enum verdict outcome = judge(ok);
    atomic_store(&proxy.cut[direction], -1);
    if (manner->by_handle)
        pool_conn_release(conn, NULL);
    return outcome;
}

static void assert_counter(enum direction direction, long offset, enum verdict outcome, long n)
{
    static const char *const names[] = {"success", "not executed", "unknown", "an odd error"};
    bool right = outcome == SUCCESS ? n == 1 : outcome == NOT_EXECUTED ? n == 0 : n == 0 || n == 1;
    if (!right || outcome == WRONG)
        fail_msg("cut after %ld bytes %s: the caller was told %s (%s), the counter is %ld", offset,
                 direction == UP ? "up" : "down", names[outcome], last_error.message, n);
}

static long measure(const struct manner *manner, enum direction direction)
{
    assert_int_equal(increment_with_cut(manner, direction, -1, 0), SUCCESS);
    long bytes = (long)atomic_load(&proxy.bytes[direction]);
    assert_in_range(bytes, 5, 10000);
    return bytes < MOST_OFFSETS ? bytes : MOST_OFFSETS;
}

/* Every cut has a counter of its own: a statement that was sent may run at any time. */
static int64_t counter_of(enum direction direction, long offset)
{
    return offset + 1 + (direction == DOWN ? MOST_OFFSETS + 1 : 0);
}

static void cut_everywhere(const struct manner *manner, enum direction direction)
{
    enum verdict outcomes[MOST_OFFSETS + 1];
    unsigned told[4] = {0};
    long most = measure(manner, direction);
    for (long offset = 0; offset <= most; offset++) {
        outcomes[offset] =
            increment_with_cut(manner, direction, offset, counter_of(direction, offset));
        told[outcomes[offset]]++;
    }
    print_message("           %s %3ld: %u succeeded, %u not executed, %u unknown\n",
                  direction == UP ? "up  " : "down", most, told[SUCCESS], told[NOT_EXECUTED],
                  told[UNKNOWN]);
    for (long offset = 0; offset <= most; offset++) {
        char sql[80];
        snprintf(sql, sizeof sql, "SELECT n FROM mypool.counters WHERE id = %lld",
                 (long long)counter_of(direction, offset));
        assert_counter(direction, offset, outcomes[offset], admin_asks(f.admin, sql));
    }
}

static void assert_counted_once(struct manner manner)
{
    char sql[200];
    admin_does(f.admin, "CREATE TABLE mypool.counters (id INT PRIMARY KEY, n INT NOT NULL)");
    snprintf(sql, sizeof sql, "INSERT INTO mypool.counters SELECT seq, 0 FROM mysql.seq_0_to_%d",
             2 * (MOST_OFFSETS + 1));
    admin_does(f.admin, "%s", sql);
    struct pool_options options = proxied(1);
    options.fail_fast_ms = POOL_NEVER;
    make_pool(options);
    cut_everywhere(&manner, UP);
    cut_everywhere(&manner, DOWN);
}

static void no_first_statement_runs_twice(void **state)
{
    (void)state;
    assert_counted_once((struct manner){0});
}

static void no_prepared_statement_runs_twice(void **state)
{
    (void)state;
    assert_counted_once((struct manner){.prepared = true});
}

static void no_prepared_statement_runs_twice_if_its_thread_receives_late(void **state)
{
    (void)state;
    assert_counted_once((struct manner){.prepared = true, .late = true});
}

static void no_first_statement_runs_twice_if_its_thread_receives_late(void **state)
{
    (void)state;
    assert_counted_once((struct manner){.late = true});
}

static void no_statement_runs_twice_after_a_reset_by_the_peer(void **state)
{
    (void)state;
    assert_counted_once((struct manner){.by_reset = true, .prepared = true});
}

static void no_text_statement_runs_twice(void **state)
{
    (void)state;
    assert_counted_once((struct manner){.text = true});
}

static void the_outcome_on_a_borrowed_connection_is_told_truly(void **state)
{
    (void)state;
    assert_counted_once((struct manner){.by_handle = true, .prepared = true});
}

static void the_outcome_of_a_commit_is_told_truly(void **state)
{
    (void)state;
    assert_counted_once((struct manner){.by_handle = true, .transaction = true});
}

/* Hung up while idle */

static void assert_idle_hang_up_goes_unnoticed(int how)
{
    make_pool(proxied(4));
    warm_up(4);
    atomic_store(&proxy.hang_up, how);
    wake_proxy();
    assert_within(GENEROUS, stats_now().closed_by_reason[POOL_CLOSE_SERVER] == 4);
    for (int i = 0; i < 8; i++)
        assert_works();
    assert_int_equal(stats_now().query_errors, 0);
}

static void idle_connections_that_were_closed_are_replaced(void **state)
{
    (void)state;
    assert_idle_hang_up_goes_unnoticed(1);
}

static void idle_connections_that_were_reset_are_replaced(void **state)
{
    (void)state;
    assert_idle_hang_up_goes_unnoticed(2);
}

static void a_reply_that_nobody_asked_for_is_never_taken_for_an_answer(void **state)
{
    struct pool_conn conn;
    struct pool_error err;
    (void)state;
    make_pool(proxied(1));
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    set_proxy(&proxy.keep_reply, true);
    pool_result_free(pool_conn_query(conn, "SELECT 111 AS n", POOL_NO_ARGS, NULL));
    set_proxy(&proxy.keep_reply, false);
    set_proxy(&proxy.repeat, true);
    assert_within(GENEROUS, atomic_load(&proxy.repeated));
    assert_true(pool_conn_release(conn, NULL));
    struct pool_result *rows = pool_query(f.pool, "SELECT 222 AS n", POOL_NO_ARGS, &err);
    int64_t answer = rows && pool_next(rows) ? pool_get_int(rows, 0) : -1;
    pool_result_free(rows);
    if (answer != 222)
        fail_msg("the answer is %ld (%s)", answer, err.message);
}

static void what_cannot_be_sent_is_known_not_to_have_run(void **state)
{
    struct pool_conn conn;
    struct pool_error err;
    (void)state;
    make_pool(proxied(1));
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    atomic_store(&proxy.hang_up, 2);
    wake_proxy();
    assert_within(GENEROUS, atomic_load(&proxy.hung_up));
    assert_null(pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_true(err.fatal && err.not_executed);
    assert_null(pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_true(err.fatal && err.not_executed);
    assert_true(pool_conn_release(conn, NULL));
    assert_works();
}

/* Slow and silent networks */

static void a_trickling_reply_does_not_outlast_the_deadline(void **state)
{
    struct pool_error err;
    uint64_t took_ms;
    (void)state;
    make_pool(proxied(1));
    assert_works();
    set_proxy(&proxy.trickle, true);
    assert_false(runs("SELECT REPEAT('x', 200)", 400, &took_ms, &err));
    assert_timely("the statement", took_ms, 400);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    set_proxy(&proxy.trickle, false);
    assert_works();
}

static void a_trickling_greeting_does_not_outlast_the_deadline(void **state)
{
    struct pool_options options = proxied(1);
    struct pool_error err;
    uint64_t took_ms;
    (void)state;
    options.connect_timeout_ms = 400;
    options.fail_fast_ms = 1;
    make_pool(options);
    set_proxy(&proxy.trickle, true);
    assert_false(runs("SELECT 1", 0, &took_ms, &err));
    assert_timely("the connect", took_ms, 400);
    assert_int_equal(err.code, POOL_ERR_CONNECT);
    set_proxy(&proxy.trickle, false);
    assert_within(GENEROUS, runs("SELECT 1", 0, NULL, NULL));
}

static void a_statement_into_a_black_hole_ends_at_its_deadline(void **state)
{
    struct pool_error err;
    uint64_t took_ms;
    (void)state;
    make_pool(proxied(1));
    assert_works();
    set_proxy(&proxy.black_hole, true);
    assert_false(runs("SELECT 2", 300, &took_ms, &err));
    assert_timely("the statement", took_ms, 300);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_false(err.not_executed);
    set_proxy(&proxy.black_hole, false);
    assert_works();
}

static void a_big_statement_into_a_black_hole_is_known_not_to_have_run(void **state)
{
    static char text[8 << 20];
    struct pool_error err;
    struct pool_value value = pool_bytes(text, sizeof text);
    struct pool_request request = {
        .sql = "SELECT LENGTH(?)", .args = {&value, 1}, .timeout_ms = 500};
    (void)state;
    make_pool(proxied(1));
    assert_works();
    set_proxy(&proxy.black_hole, true);
    uint64_t begin = now_ms();
    assert_null(pool_query_with(f.pool, &request, &err));
    assert_timely("the statement", now_ms() - begin, 500);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_true(err.not_executed);
}

/* Increments a counter while one direction is lost, and returns what it was then. */
static long increment_while_lost(enum direction direction)
{
    struct pool_error err;
    uint64_t took_ms;
    admin_does(f.admin, "CREATE TABLE mypool.counters (id INT PRIMARY KEY, n INT NOT NULL)");
    admin_does(f.admin, "INSERT INTO mypool.counters VALUES (1, 0)");
    make_pool(proxied(1));
    assert_works();
    set_proxy(&proxy.swallow[direction], true);
    assert_false(runs("UPDATE counters SET n = n + 1", 300, &took_ms, &err));
    assert_timely("the statement", took_ms, 300);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_false(err.not_executed); /* nobody can know here */
    if (direction == DOWN)
        assert_within(GENEROUS, admin_asks(f.admin, "SELECT n FROM mypool.counters") == 1);
    set_proxy(&proxy.swallow[direction], false);
    assert_within(GENEROUS, runs("SELECT 1", 0, NULL, NULL));
    return admin_asks(f.admin, "SELECT n FROM mypool.counters");
}

static void a_statement_whose_reply_is_lost_is_not_called_unexecuted(void **state)
{
    (void)state;
    assert_int_equal(increment_while_lost(DOWN), 1);
}

static void a_statement_that_is_lost_on_the_way_is_not_sent_again(void **state)
{
    (void)state;
    assert_int_equal(increment_while_lost(UP), 0);
}

static int64_t answer_to(int64_t question)
{
    struct pool_error err;
    struct pool_result *rows = pool_query(f.pool, "SELECT ?", POOL_ARGS(question), &err);
    if (!rows || !pool_next(rows))
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
    int64_t answer = pool_get_int(rows, 0);
    pool_result_free(rows);
    return answer;
}

static void late_replies_below_the_limits_are_waited_for(void **state)
{
    struct pool_options options = proxied(2);
    (void)state;
    options.query_timeout_ms = GENEROUS;
    options.connect_timeout_ms = GENEROUS;
    options.keepalive_ms = LATE_BY_MS / 2; /* pings are late, too */
    set_proxy(&proxy.late, true);
    make_pool(options);
    for (int i = 0; i < 10; i++) {
        uint64_t begin = now_ms();
        assert_int_equal(answer_to(i), i);
        assert_true(now_ms() - begin >= LATE_BY_MS - 1);
    }
    warm_up(2);
    assert_within(GENEROUS, stats_now().pings >= 4);
    assert_int_equal(stats_now().closed, 0);
    assert_int_equal(stats_now().connect_failures, 0);
    assert_int_equal(stats_now().query_errors, 0);
}

static void giving_back_and_closing_into_a_black_hole_do_not_block(void **state)
{
    struct pool_conn conns[2];
    (void)state;
    make_pool(proxied(2));
    assert_true(pool_get_connection(f.pool, &conns[0], NULL));
    assert_true(pool_get_connection(f.pool, &conns[1], NULL));
    set_proxy(&proxy.black_hole, true);
    uint64_t begin = now_ms();
    assert_true(pool_conn_destroy(conns[0], NULL));
    assert_true(pool_conn_release(conns[1], NULL));
    assert_true(now_ms() - begin < LATE);
    assert_within(GENEROUS, stats_now().closed_by_reason[POOL_CLOSE_DESTROYED] == 1);
}

static void the_end_into_a_black_hole_is_timely(void **state)
{
    struct pool_conn conn;
    struct pool_error err;
    (void)state;
    make_pool(proxied(4));
    warm_up(4);
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    set_proxy(&proxy.black_hole, true);
    assert_false(runs("SELECT 1", 50, NULL, &err)); /* leaves a kill that cannot succeed */
    uint64_t begin = now_ms();
    assert_false(pool_end(f.pool, 100, NULL));
    f.pool = NULL;
    assert_timely("pool_end", now_ms() - begin, 100);
    assert_true(pool_conn_release(conn, NULL));
}

static void a_connect_to_somebody_who_never_answers_ends_at_its_deadline(void **state)
{
    struct pool_options options = proxied(2);
    struct pool_error err;
    uint64_t took_ms;
    (void)state;
    int silent = listen_on_any_port(8, &options.port);
    options.connect_timeout_ms = 300;
    options.fail_fast_ms = 1;
    make_pool(options);
    assert_false(runs("SELECT 1", 0, &took_ms, &err));
    close(silent);
    assert_timely("the connect", took_ms, 300);
    assert_int_equal(err.code, POOL_ERR_CONNECT);
    assert_true(err.not_executed);
}

/* A full backlog makes the kernel drop what asks for a connection. */
static void fill_backlog(unsigned port, int *fds, int count)
{
    struct sockaddr_in address = local_address(port);
    for (int i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(fds[i], (struct sockaddr *)&address, sizeof address);
    }
}

static void a_connect_whose_first_packet_is_dropped_ends_at_its_deadline(void **state)
{
    struct pool_options options = proxied(2);
    struct pool_error err;
    int fillers[8];
    uint64_t took_ms;
    (void)state;
    int silent = listen_on_any_port(0, &options.port);
    fill_backlog(options.port, fillers, 8);
    options.connect_timeout_ms = 300;
    options.fail_fast_ms = 1;
    make_pool(options);
    assert_false(runs("SELECT 1", 0, &took_ms, &err));
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    close(silent);
    assert_timely("the connect", took_ms, 300);
    assert_int_equal(err.code, POOL_ERR_CONNECT);
}

static void the_end_does_not_wait_for_a_connect_whose_first_packet_is_dropped(void **state)
{
    struct pool_options options = proxied(2);
    struct pool_error err;
    int fillers[8];
    (void)state;
    int silent = listen_on_any_port(0, &options.port);
    fill_backlog(options.port, fillers, 8);
    options.min_idle = 1;
    make_pool(options);
    assert_within(GENEROUS, stats_now().connecting == 1);
    uint64_t begin = now_ms();
    pool_end(f.pool, 0, &err);
    f.pool = NULL;
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    close(silent);
    assert_timely("pool_end", now_ms() - begin, 1);
}

/* A reset that comes with the first bytes can be there before the client has seen that it is
 * connected: then the kernel knows of no connection that was lost. */
static bool is_lost(const struct pool_error *err, bool by_reset)
{
    return err->code == POOL_ERR_CONNECT &&
           (err->server_errno == CR_SERVER_LOST ||
            (by_reset && err->server_errno == CR_CONNECTION_ERROR));
}

/* A session that ends while the two agree on TLS says nothing about certificates: it is tried
 * again soon, like any other. True if it was cut before it could be used. */
static bool is_lost_when_cut_after(long bytes, bool by_reset)
{
    struct pool_options options = proxied(1);
    struct pool_error err;
    options.tls = POOL_TLS_VERIFY;
    options.tls_ca = getenv("MYPOOL_CA");
    options.fail_fast_ms = 1;
    make_pool(options);
    atomic_store(&proxy.cut_by_reset, by_reset);
    atomic_store(&proxy.cut[DOWN], bytes);
    bool ok = runs("SELECT 1", 0, NULL, &err);
    atomic_store(&proxy.cut[DOWN], -1);
    pool_end(f.pool, 0, NULL);
    f.pool = NULL;
    if (!ok && !is_lost(&err, by_reset))
        fail_msg("cut after %ld bytes: %s (%u): %s", bytes, pool_code_name(err.code),
                 err.server_errno, err.message);
    return !ok;
}

static void a_handshake_that_is_cut_is_a_lost_connection(void **state)
{
    long bytes = 0;
    (void)state;
    while (bytes < 4000 && is_lost_when_cut_after(bytes, bytes % 2 == 1))
        bytes += 97;
    assert_in_range(bytes, 1000, 3999); /* the greeting, and the certificate */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(no_first_statement_runs_twice),
        TEST(no_prepared_statement_runs_twice),
        TEST(no_prepared_statement_runs_twice_if_its_thread_receives_late),
        TEST(no_first_statement_runs_twice_if_its_thread_receives_late),
        TEST(no_statement_runs_twice_after_a_reset_by_the_peer),
        TEST(no_text_statement_runs_twice),
        TEST(the_outcome_on_a_borrowed_connection_is_told_truly),
        TEST(the_outcome_of_a_commit_is_told_truly),
        TEST(a_handshake_that_is_cut_is_a_lost_connection),
        TEST(idle_connections_that_were_closed_are_replaced),
        TEST(idle_connections_that_were_reset_are_replaced),
        TEST(a_reply_that_nobody_asked_for_is_never_taken_for_an_answer),
        TEST(what_cannot_be_sent_is_known_not_to_have_run),
        TEST(a_trickling_reply_does_not_outlast_the_deadline),
        TEST(a_trickling_greeting_does_not_outlast_the_deadline),
        TEST(a_statement_into_a_black_hole_ends_at_its_deadline),
        TEST(a_big_statement_into_a_black_hole_is_known_not_to_have_run),
        TEST(a_statement_whose_reply_is_lost_is_not_called_unexecuted),
        TEST(a_statement_that_is_lost_on_the_way_is_not_sent_again),
        TEST(late_replies_below_the_limits_are_waited_for),
        TEST(giving_back_and_closing_into_a_black_hole_do_not_block),
        TEST(the_end_into_a_black_hole_is_timely),
        TEST(a_connect_to_somebody_who_never_answers_ends_at_its_deadline),
        TEST(a_connect_whose_first_packet_is_dropped_ends_at_its_deadline),
        TEST(the_end_does_not_wait_for_a_connect_whose_first_packet_is_dropped),
    };
    return server_suite_main(argc, argv, tests);
}
