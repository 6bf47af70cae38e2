/*
 * What goes along with a statement that has a connection, and what stays behind. See
 * callers.h for how the queue is made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "callers.h"
#include "suite.h"

#define PLUS "SELECT ? + 1"

/* A queue of so many PLUS, each with its own number. */
static void queue_up_plus(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        queue_up(PLUS, POOL_ARGS(100 + i));
}

static void assert_plus_right(void)
{
    for (unsigned i = 0; i < q.count; i++)
        if (strcmp(q.callers[i].request.sql, PLUS) == 0)
            assert_int_equal(answer_of(&q.callers[i]),
                             q.callers[i].request.args.values[0].as.i + 1);
}

static void warm_and_hold(void)
{
    warm(PLUS, POOL_ARGS(1));
    hold();
}

/* Over TCP, TLS and the Unix socket; the test makes no pool of its own. */
static void each_way(void (*test)(void))
{
    static const char *const ways[] = {"MYPOOL_URL", "MYPOOL_TLS_URL", "MYPOOL_SOCKET_URL"};
    for (unsigned i = 0; i < 3; i++) {
        void *memory;
        make_pool(options_by(ways[i], &memory));
        free(memory);
        test();
        end_pool();
    }
}

/* What goes along */

static void check_own_rows(void)
{
    warm_and_hold();
    queue_up_plus(16);
    let_go();
    join_callers();
    assert_plus_right();
    assert_int_equal(stats_now().pipelined, 15);
}

static void waiting_statements_go_along_and_each_gets_its_own_rows(void **state)
{
    (void)state;
    each_way(check_own_rows);
}

/* The server is frozen, and the connection given back: so many are left behind. */
static void assert_left_behind(unsigned count)
{
    freeze_server();
    let_go();
    assert_within(GENEROUS, stats_now().waiting == count);
    pause_ms(20); /* whoever goes along wrongly has a chance to */
    assert_int_equal(stats_now().waiting, count);
    thaw_server();
    join_callers();
    assert_all_ok();
}

static void at_most_pipeline_depth_statements_go_together(void **state)
{
    struct pool_options options = one_connection();
    (void)state;
    options.pipeline_depth = 4;
    make_pool(options);
    warm_and_hold();
    queue_up_plus(10);
    assert_left_behind(6);
    assert_plus_right();
}

static void a_pipeline_depth_of_1_switches_it_off(void **state)
{
    struct pool_options options = one_connection();
    (void)state;
    options.pipeline_depth = 1;
    make_pool(options);
    warm_and_hold();
    queue_up_plus(8);
    let_go();
    join_callers();
    assert_plus_right();
    assert_int_equal(stats_now().pipelined, 0);
}

/* Two connections; the second one stays with the test. */
static struct pool_conn make_two_and_hold(void)
{
    struct pool_options options = one_connection();
    struct pool_conn other;
    options.connection_limit = 2;
    make_pool(options);
    warm_and_hold();
    assert_true(pool_get_connection(f.pool, &other, NULL));
    assert_within(GENEROUS, stats_now().open == 2);
    return other;
}

static void the_share_of_a_connection_goes_along_and_no_more(void **state)
{
    (void)state;
    struct pool_conn other = make_two_and_hold();
    queue_up_plus(5);
    assert_left_behind(2);
    pool_conn_release(other, NULL);
}

static void more_go_along_while_the_next_connection_is_far_away(void **state)
{
    (void)state;
    struct pool_conn other = make_two_and_hold();
    conn_of(q.held)->trip_ns = 120000; /* of two connections the next one is here in 60 us */
    queue_up_plus(6);
    assert_left_behind(2);
    pool_conn_release(other, NULL);
}

static void with_fewer_waiters_than_connections_nobody_goes_along(void **state)
{
    (void)state;
    struct pool_conn other = make_two_and_hold();
    queue_up_plus(2);
    let_go();
    join_callers();
    pool_conn_release(other, NULL);
    assert_plus_right();
    assert_int_equal(stats_now().pipelined, 0);
}

static void those_who_go_together_stay_within_eight_kilobytes(void **state)
{
    static char text[1901];
    static const char sql[] = "SELECT LENGTH(?)";
    (void)state;
    memset(text, 'x', sizeof text - 1);
    make_pool(one_connection());
    warm(sql, POOL_ARGS(text));
    hold();
    for (unsigned i = 0; i < 8; i++)
        queue_up(sql, POOL_ARGS(text));
    assert_left_behind(4);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(answer_of(&q.callers[i]), 1900);
}

/* Order */

static void nobody_is_taken_past_one_who_stays_behind(void **state)
{
    (void)state;
    make_pool(one_connection());
    warm_and_hold();
    queue_up_plus(2);
    queue_up_with((struct pool_request){.sql = PLUS, .args = POOL_ARGS(5), .alone = true},
                  call_query);
    for (unsigned i = 0; i < 5; i++)
        queue_up(PLUS, POOL_ARGS(i));
    assert_left_behind(6);
    assert_plus_right();
}

static void a_big_statement_is_not_passed_by_small_ones(void **state)
{
    static char text[1901];
    static const char sql[] = "SELECT LENGTH(?)";
    (void)state;
    memset(text, 'x', sizeof text - 1);
    make_pool(one_connection());
    warm(PLUS, POOL_ARGS(1));
    warm(sql, POOL_ARGS(text));
    hold();
    for (unsigned i = 0; i < 5; i++)
        queue_up(sql, POOL_ARGS(text));
    queue_up_plus(3);
    assert_left_behind(4); /* the fifth is too much for what goes together */
}

/* Some go along, some as text, some are new to the connection. */
static void with_one_connection_statements_run_in_the_order_of_the_calls(void **state)
{
    static const char insert[] = "INSERT INTO t (k) VALUES (?)";
    static const char other[] = "INSERT INTO t (k) VALUES (0 + ?)";
    (void)state;
    make_pool(one_connection());
    admin_does(f.admin, "CREATE TABLE mypool.t (id INT AUTO_INCREMENT PRIMARY KEY, k INT)");
    warm(insert, POOL_ARGS(-1));
    hold();
    admin_does(f.admin, "TRUNCATE mypool.t");
    for (unsigned i = 0; i < CALLERS; i++)
        queue_up_with((struct pool_request){.sql = i % 7 == 6 ? other : insert,
                                            .args = POOL_ARGS(1 + i),
                                            .text = i % 5 == 4},
                      call_query);
    let_go();
    join_callers();
    assert_all_ok();
    assert_true(stats_now().pipelined > 0);
    assert_int_equal(admin_asks(f.admin, "SELECT COUNT(*) FROM mypool.t WHERE id = k"), CALLERS);
}

/* What stays behind */

/* Of three callers the one in the middle does not go along with the first, and so neither does
 * the last. */
static void assert_stays_behind_by(struct pool_request request, void (*how)(struct caller *caller))
{
    hold();
    queue_up_plus(1);
    queue_up_with(request, how);
    queue_up(PLUS, POOL_ARGS(7));
    let_go();
    join_callers();
    assert_all_ok();
    assert_plus_right();
    assert_int_equal(stats_now().pipelined, 0);
}

static void assert_stays_behind(struct pool_request request)
{
    make_pool(one_connection());
    warm(PLUS, POOL_ARGS(1));
    assert_stays_behind_by(request, call_query);
}

static void who_asks_to_be_alone_does_not_go_along(void **state)
{
    (void)state;
    assert_stays_behind((struct pool_request){.sql = PLUS, .args = POOL_ARGS(5), .alone = true});
}

static void who_asks_to_be_alone_takes_nobody_along(void **state)
{
    (void)state;
    make_pool(one_connection());
    warm_and_hold();
    queue_up_with((struct pool_request){.sql = PLUS, .args = POOL_ARGS(5), .alone = true},
                  call_query);
    queue_up_plus(1);
    let_go();
    join_callers();
    assert_plus_right();
    assert_int_equal(stats_now().pipelined, 0);
}

static void text_does_not_go_along(void **state)
{
    (void)state;
    assert_stays_behind((struct pool_request){.sql = PLUS, .args = POOL_ARGS(5), .text = true});
}

static bool ignore_row(struct pool_result *row, void *arg)
{
    (void)row;
    (void)arg;
    return true;
}

static void call_stream(struct caller *caller)
{
    caller->result = NULL;
    caller->ok = pool_stream(caller->pool, "SELECT 5 + ?", caller->request.args, ignore_row, NULL,
                             &caller->err);
}

static void a_stream_does_not_go_along(void **state)
{
    (void)state;
    make_pool(one_connection());
    warm(PLUS, POOL_ARGS(1));
    warm("SELECT 5 + ?", POOL_ARGS(1));
    assert_stays_behind_by((struct pool_request){.sql = "SELECT 5 + ?", .args = POOL_ARGS(5)},
                           call_stream);
}

static void call_borrow(struct caller *caller)
{
    struct pool_conn conn;
    caller->ok = pool_get_connection(caller->pool, &conn, &caller->err);
    if (caller->ok)
        pool_conn_release(conn, NULL);
}

static void who_wants_the_connection_itself_does_not_go_along(void **state)
{
    (void)state;
    make_pool(one_connection());
    warm(PLUS, POOL_ARGS(1));
    assert_stays_behind_by((struct pool_request){.sql = "a borrow"}, call_borrow);
}

static void a_big_value_does_not_go_along(void **state)
{
    static char text[2100];
    static const char sql[] = "SELECT LENGTH(?)";
    (void)state;
    memset(text, 'x', sizeof text - 1);
    make_pool(one_connection());
    warm(PLUS, POOL_ARGS(1));
    warm(sql, POOL_ARGS("short"));
    assert_stays_behind_by((struct pool_request){.sql = sql, .args = POOL_ARGS(text)}, call_query);
}

static void a_slow_statement_does_not_go_along(void **state)
{
    (void)state;
    make_pool(one_connection());
    warm(PLUS, POOL_ARGS(1));
    q.slow = "SELECT SLEEP(0.005)";
    warm(q.slow, POOL_NO_ARGS);
    assert_stays_behind_by((struct pool_request){.sql = q.slow}, call_query);
}

static void one_long_run_does_not_make_a_statement_slow(void **state)
{
    struct pool__stmt stmt = {.mean_ns = QUICK_MEAN_NS, .last_ns = QUICK_MEAN_NS};
    (void)state;
    pool__stmt_note_time(&stmt, 1000 * POOL__NS_PER_MS);
    assert_true(stmt.mean_ns < POOL__NS_PER_MS);
    pool__stmt_note_time(&stmt, 1000 * POOL__NS_PER_MS);
    assert_true(stmt.mean_ns > 100 * POOL__NS_PER_MS);
}

/* Sent, and answered after a while. */
static void ride_that_takes_long(unsigned callers)
{
    queue_up_plus(callers);
    freeze_server();
    let_go();
    assert_within(GENEROUS, stats_now().waiting == 0);
    pause_ms(20);
    thaw_server();
    join_callers();
    assert_plus_right();
    forget_callers();
}

static void one_long_ride_does_not_make_its_statement_slow(void **state)
{
    (void)state;
    make_pool(one_connection());
    warm_and_hold();
    stmt_of(q.held, PLUS)->last_ns = QUICK_MEAN_NS;
    ride_that_takes_long(5);
    assert_true(pool_get_connection(f.pool, &q.held, NULL));
    q.holding = true;
    assert_true(stmt_of(q.held, PLUS)->mean_ns < POOL__NS_PER_MS);
}

/* How long a leader sleeps: until as many bytes are there as usual, over TCP */

/* Whether one of some rides ends so: others may be disturbed. */
static bool ends_with_patience(bool patient, void (*ride)(unsigned callers))
{
    bool done = false;
    for (unsigned round = 0; round < 50 && !done; round++) {
        conn_of(q.held)->hasty_pipelines = 0;
        ride(5);
        hold();
        done = (conn_of(q.held)->hasty_pipelines == 0) == patient;
    }
    return done;
}

static void ride_with_small_replies(unsigned callers)
{
    stmt_of(q.held, PLUS)->reply_bytes = 1000;
    queue_up_plus(callers);
    let_go();
    join_callers();
    assert_plus_right();
    forget_callers();
}

static void replies_smaller_than_usual_make_leaders_impatient(void **state)
{
    (void)state;
    make_pool(one_connection());
    warm_and_hold();
    assert_true(ends_with_patience(false, ride_with_small_replies));
}

static void a_server_that_takes_its_time_does_not_make_leaders_impatient(void **state)
{
    (void)state;
    make_pool(one_connection());
    warm_and_hold();
    assert_true(ends_with_patience(true, ride_that_takes_long));
}

static void a_statement_new_to_the_connection_does_not_go_along(void **state)
{
    (void)state;
    assert_stays_behind((struct pool_request){.sql = "SELECT 'never run before'"});
}

static void a_statement_that_was_only_prepared_does_not_go_along(void **state)
{
    (void)state;
    make_pool(one_connection());
    warm(PLUS, POOL_ARGS(1));
    run("SELECT 'run once'", POOL_NO_ARGS);
    assert_stays_behind_by((struct pool_request){.sql = "SELECT 'run once'"}, call_query);
}

static void what_changes_the_session_does_not_go_along(void **state)
{
    (void)state;
    assert_stays_behind((struct pool_request){.sql = "SET @mine = 1"});
    admin_does(f.admin, "CREATE PROCEDURE mypool.p() SELECT 1");
    end_pool();
    assert_stays_behind((struct pool_request){.sql = "CALL p()"});
}

/* None of a queue of statements goes along with another. */
static void assert_nobody_rides(struct pool_options options)
{
    make_pool(options);
    warm_and_hold();
    queue_up_plus(6);
    let_go();
    join_callers();
    assert_plus_right();
    assert_int_equal(stats_now().pipelined, 0);
}

static void without_preparing_statements_go_along_as_text(void **state)
{
    struct pool_options options = one_connection();
    (void)state;
    options.no_prepare = true;
    make_pool(options);
    check_own_rows();
}

static void texts_with_quotes_go_along_unharmed(void **state)
{
    static const char *const words[] = {"it's", "\\", "a\"b", "?", ":x", "--", "", "\xc3\xa9"};
    struct pool_options options = one_connection();
    (void)state;
    options.no_prepare = true;
    make_pool(options);
    warm("SELECT CONCAT(?, '?')", POOL_ARGS("x"));
    hold();
    for (unsigned i = 0; i < 8; i++)
        queue_up("SELECT CONCAT(?, '?')", POOL_ARGS(words[i]));
    let_go();
    join_callers();
    assert_int_equal(stats_now().pipelined, 7);
    for (unsigned i = 0; i < 8; i++) {
        char wanted[16];
        snprintf(wanted, sizeof wanted, "%s?", words[i]);
        assert_true(pool_next(q.callers[i].result));
        assert_string_equal(pool_get_text(q.callers[i].result, 0), wanted);
    }
}

static void without_autocommit_nobody_goes_along(void **state)
{
    static const char *const init[] = {"SET autocommit = 0", NULL};
    struct pool_options options = one_connection();
    (void)state;
    options.init_sql = init;
    assert_nobody_rides(options);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_queue, tear_down_queue)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(waiting_statements_go_along_and_each_gets_its_own_rows),
        TEST(at_most_pipeline_depth_statements_go_together),
        TEST(a_pipeline_depth_of_1_switches_it_off),
        TEST(the_share_of_a_connection_goes_along_and_no_more),
        TEST(more_go_along_while_the_next_connection_is_far_away),
        TEST(with_fewer_waiters_than_connections_nobody_goes_along),
        TEST(those_who_go_together_stay_within_eight_kilobytes),
        TEST(nobody_is_taken_past_one_who_stays_behind),
        TEST(a_big_statement_is_not_passed_by_small_ones),
        TEST(with_one_connection_statements_run_in_the_order_of_the_calls),
        TEST(who_asks_to_be_alone_does_not_go_along),
        TEST(who_asks_to_be_alone_takes_nobody_along),
        TEST(text_does_not_go_along),
        TEST(a_stream_does_not_go_along),
        TEST(who_wants_the_connection_itself_does_not_go_along),
        TEST(a_big_value_does_not_go_along),
        TEST(a_slow_statement_does_not_go_along),
        TEST(one_long_run_does_not_make_a_statement_slow),
        TEST(one_long_ride_does_not_make_its_statement_slow),
        TEST(replies_smaller_than_usual_make_leaders_impatient),
        TEST(a_server_that_takes_its_time_does_not_make_leaders_impatient),
        TEST(a_statement_new_to_the_connection_does_not_go_along),
        TEST(a_statement_that_was_only_prepared_does_not_go_along),
        TEST(what_changes_the_session_does_not_go_along),
        TEST(without_preparing_statements_go_along_as_text),
        TEST(texts_with_quotes_go_along_unharmed),
        TEST(without_autocommit_nobody_goes_along),
    };
    return server_suite_main(argc, argv, tests);
}
