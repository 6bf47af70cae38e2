/*
 * No statement runs twice, and "not executed" is true (see docs/promises.md), for statements
 * that go together: four increments on one connection, which is cut after each byte of their
 * requests and of their replies. What each caller was told is compared with what the
 * server has. See callers.h for how the queue is made, proxy.h for the cuts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "callers.h"
#include "proxy.h"
#include "suite.h"

#define INCREMENT "UPDATE t SET v = v + 1 WHERE k = ?"
#define TOGETHER 4
#define MOST_OFFSETS 500 /* of a direction */

enum verdict { SUCCESS, NOT_EXECUTED, UNKNOWN, WRONG };

struct cut {
    enum direction direction;
    long offset; /* -1: none */
};

/* Each increment has a counter of its own: one that was sent may run at any time. */
static int counter_of(struct cut cut, int caller)
{
    int place = (int)cut.offset + 1 + (cut.direction == DOWN ? MOST_OFFSETS : 0);
    return place * TOGETHER + caller;
}

static enum verdict outcome_of(const struct caller *caller)
{
    if (caller->ok)
        return SUCCESS;
    if (caller->err.not_executed)
        return NOT_EXECUTED;
    return caller->err.code == POOL_ERR_LOST ? UNKNOWN : WRONG;
}

/* A connection, a new one if the last was cut, on which the statement counts as quick. */
static void hold_ready(void)
{
    hold();
    for (int i = 0; i < 2; i++) {
        struct pool_error err;
        struct pool_result *result = pool_conn_query(q.held, INCREMENT, POOL_ARGS(-1), &err);
        if (!result)
            fail_msg("%s", err.message);
        pool_result_free(result);
    }
    call_quick(q.held);
}

static void ride_with_cut(struct cut cut, enum verdict ret_outcomes[TOGETHER])
{
    hold_ready();
    uint64_t rode = stats_now().pipelined;
    for (int i = 0; i < TOGETHER; i++)
        queue_up(INCREMENT, POOL_ARGS(counter_of(cut, i)));
    atomic_store(&proxy.bytes[UP], 0);
    atomic_store(&proxy.bytes[DOWN], 0);
    atomic_store(&proxy.cut[cut.direction], cut.offset);
    let_go();
    join_callers();
    atomic_store(&proxy.cut[cut.direction], -1);
    assert_true(stats_now().pipelined - rode >= TOGETHER - 1);
    for (int i = 0; i < TOGETHER; i++)
        ret_outcomes[i] = outcome_of(&q.callers[i]);
    forget_callers();
}

static void assert_counter(struct cut cut, int caller, enum verdict outcome)
{
    static const char *const names[] = {"success", "not executed", "unknown", "an odd error"};
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT v FROM mypool.t WHERE k = %d", counter_of(cut, caller));
    long n = admin_asks(f.admin, sql);
    bool right = outcome == SUCCESS ? n == 1 : outcome == NOT_EXECUTED ? n == 0 : n == 0 || n == 1;
    if (!right || outcome == WRONG)
        fail_msg("cut after %ld bytes %s: caller %d was told %s, the counter is %ld", cut.offset,
                 cut.direction == UP ? "up" : "down", caller, names[outcome], n);
}

/* Of a ride without a cut. */
static long measure(enum direction direction)
{
    enum verdict outcomes[TOGETHER];
    struct cut none = {direction, -1};
    ride_with_cut(none, outcomes);
    for (int i = 0; i < TOGETHER; i++)
        assert_int_equal(outcomes[i], SUCCESS);
    long bytes = (long)atomic_load(&proxy.bytes[direction]);
    assert_in_range(bytes, 5 * TOGETHER, MOST_OFFSETS - 2);
    return bytes;
}

static void cut_everywhere(enum direction direction)
{
    static enum verdict outcomes[MOST_OFFSETS][TOGETHER];
    unsigned told[4] = {0};
    long most = measure(direction);
    for (long offset = 0; offset <= most; offset++) {
        ride_with_cut((struct cut){direction, offset}, outcomes[offset]);
        for (int i = 0; i < TOGETHER; i++)
            told[outcomes[offset][i]]++;
    }
    print_message("           %s %3ld: %u succeeded, %u not executed, %u unknown\n",
                  direction == UP ? "up  " : "down", most, told[SUCCESS], told[NOT_EXECUTED],
                  told[UNKNOWN]);
    for (long offset = 0; offset <= most; offset++)
        for (int i = 0; i < TOGETHER; i++)
            assert_counter((struct cut){direction, offset}, i, outcomes[offset][i]);
}

static int set_up_proxy(void **state)
{
    if (set_up_queue(state) != 0)
        return -1;
    start_proxy();
    struct pool_options options = one_connection();
    options.port = proxy.port;
    make_pool(options);
    admin_does(f.admin, "CREATE TABLE mypool.t (k INT PRIMARY KEY, v INT)");
    admin_does(f.admin, "INSERT INTO mypool.t SELECT seq, 0 FROM mysql.seq_0_to_%d",
               2 * TOGETHER * (MOST_OFFSETS + 1));
    return 0;
}

static int tear_down_proxy(void **state)
{
    atomic_store(&proxy.cut[UP], -1);
    atomic_store(&proxy.cut[DOWN], -1);
    tear_down_queue(state);
    stop_proxy();
    return 0;
}

static void no_statement_of_a_ride_runs_twice_if_its_requests_are_cut(void **state)
{
    (void)state;
    cut_everywhere(UP);
}

static void no_statement_of_a_ride_runs_twice_if_its_replies_are_cut(void **state)
{
    (void)state;
    cut_everywhere(DOWN);
}

static void no_statement_of_a_ride_runs_twice_after_a_reset_by_the_peer(void **state)
{
    (void)state;
    atomic_store(&proxy.cut_by_reset, true);
    cut_everywhere(DOWN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_proxy, tear_down_proxy)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(no_statement_of_a_ride_runs_twice_if_its_requests_are_cut),
        TEST(no_statement_of_a_ride_runs_twice_if_its_replies_are_cut),
        TEST(no_statement_of_a_ride_runs_twice_after_a_reset_by_the_peer),
    };
    return server_suite_main(argc, argv, tests);
}
