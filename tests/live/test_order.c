/*
 * The order of callbacks on one connection: that of the calls, whatever goes along, fails, is
 * behind a statement that takes its time, or is tried again. All calls are made by one thread
 * while the test holds the connection; see callers.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "callers.h"
#include "proxy.h"
#include "suite.h"

#define PLUS "SELECT ? + 1"
#define SET "UPDATE t SET v = v + 1 WHERE k = ?"
#define CALLS 40

static struct {
    _Atomic unsigned count; /* told so far */
    unsigned order[CALLS];  /* the number of the call that was told then */
    bool ok[CALLS];         /* by call */
} told;

static void on_told(const struct pool_error *err, struct pool_result *result, void *arg)
{
    unsigned call = (unsigned)(uintptr_t)arg;
    unsigned turn = atomic_load(&told.count);
    pool_result_free(result);
    told.order[turn] = call;
    told.ok[call] = !err;
    atomic_store(&told.count, turn + 1);
}

/* The call of that number: all are in the queue, in this order. */
static void call(unsigned number, struct pool_request request)
{
    struct pool_error err;
    if (number == 0)
        memset(&told, 0, sizeof told);
    if (!pool_query_async_with(f.pool, &request, on_told, (void *)(uintptr_t)number, NULL, &err))
        fail_msg("%s: %s", request.sql, err.message);
}

static void call_plus(unsigned number)
{
    call(number, (struct pool_request){.sql = PLUS, .args = POOL_ARGS(number)});
}

static void let_go_when_queued(unsigned calls)
{
    assert_within(GENEROUS, stats_now().waiting == calls);
    let_go();
}

static void assert_told_in_order(unsigned calls)
{
    assert_within(GENEROUS, atomic_load(&told.count) >= calls);
    for (unsigned i = 0; i < calls; i++)
        assert_int_equal(told.order[i], i);
}

static void assert_all_told_in_order(unsigned calls)
{
    assert_told_in_order(calls);
    for (unsigned i = 0; i < calls; i++)
        assert_true(told.ok[i]);
}

static void make_pairs(void)
{
    admin_does(f.admin, "CREATE TABLE mypool.t (k INT PRIMARY KEY, v INT) ENGINE = InnoDB");
    admin_does(f.admin, "INSERT INTO mypool.t VALUES (0, 0), (1, 0), (2, 0)");
}

static void warm_and_hold(void)
{
    warm(PLUS, POOL_ARGS(1));
    warm(SET, POOL_ARGS(2));
    hold();
}

static void callbacks_come_in_the_order_of_the_calls(void **state)
{
    static const char *const ways[] = {"MYPOOL_URL", "MYPOOL_TLS_URL", "MYPOOL_SOCKET_URL"};
    (void)state;
    make_pairs();
    for (unsigned way = 0; way < 3; way++) {
        void *memory;
        make_pool(options_by(ways[way], &memory));
        free(memory);
        warm_and_hold();
        for (unsigned i = 0; i < CALLS; i++)
            call(i, (struct pool_request){.sql = i % 7 == 5   ? "SELECT 5, ?"
                                                 : i % 3 == 2 ? SET
                                                              : PLUS,
                                          .args = POOL_ARGS(2),
                                          .text = i % 11 == 10});
        let_go_when_queued(CALLS);
        assert_all_told_in_order(CALLS);
        assert_true(stats_now().pipelined > 0);
        end_pool();
    }
}

/* The leader's own result is there, and so is that of the next; the third waits for a lock. */
static void callbacks_do_not_wait_for_those_behind_them_nor_overtake(void **state)
{
    (void)state;
    make_pairs();
    make_pool(one_connection());
    warm_and_hold();
    admin_does(f.admin, "BEGIN");
    admin_does(f.admin, "UPDATE mypool.t SET v = 9 WHERE k = 1");
    call_plus(0);
    call_plus(1);
    call(2, (struct pool_request){.sql = SET, .args = POOL_ARGS(1)});
    call_plus(3);
    let_go_when_queued(4);
    assert_told_in_order(2);
    assert_int_equal(stats_now().pipelined, 1); /* has arrived */
    assert_int_equal(atomic_load(&told.count), 2);
    admin_does(f.admin, "ROLLBACK");
    assert_all_told_in_order(4);
    assert_int_equal(stats_now().pipelined, 3);
}

static void a_leader_that_fails_is_told_first_as_well(void **state)
{
    static const char insert[] = "INSERT INTO t VALUES (?, 0)";
    (void)state;
    make_pairs();
    make_pool(one_connection());
    run(insert, POOL_ARGS(10));
    run(insert, POOL_ARGS(11));
    warm_and_hold();
    admin_does(f.admin, "BEGIN");
    admin_does(f.admin, "UPDATE mypool.t SET v = 9 WHERE k = 1");
    call(0, (struct pool_request){.sql = insert, .args = POOL_ARGS(2)});
    call_plus(1);
    call(2, (struct pool_request){.sql = SET, .args = POOL_ARGS(1)});
    let_go_when_queued(3);
    assert_told_in_order(2);
    admin_does(f.admin, "ROLLBACK");
    assert_told_in_order(3);
    assert_true(!told.ok[0] && told.ok[1] && told.ok[2]);
}

/* The pool ends while a callback has been told and its fiber reads on for others. */
static void the_end_cuts_a_leader_that_has_been_told(void **state)
{
    (void)state;
    make_pairs();
    make_pool(one_connection());
    warm_and_hold();
    admin_does(f.admin, "BEGIN");
    admin_does(f.admin, "UPDATE mypool.t SET v = 9 WHERE k = 1");
    call_plus(0);
    call(1, (struct pool_request){.sql = SET, .args = POOL_ARGS(1)});
    call_plus(2);
    let_go_when_queued(3);
    assert_told_in_order(1);
    assert_false(pool_end(f.pool, 0, NULL));
    f.pool = NULL;
    admin_does(f.admin, "ROLLBACK");
    assert_told_in_order(3);
    assert_true(told.ok[0] && !told.ok[1] && !told.ok[2]);
}

/* Sixteen go together and are lost; those that wait behind them came later. */
static void calls_that_are_tried_again_keep_their_place(void **state)
{
    (void)state;
    struct pool_options options = one_connection();
    start_proxy();
    options.port = proxy.port;
    make_pool(options);
    warm(PLUS, POOL_ARGS(1));
    hold();
    for (unsigned i = 0; i < 20; i++)
        call(i, (struct pool_request){.sql = PLUS, .args = POOL_ARGS(i), .idempotent = true});
    assert_within(GENEROUS, stats_now().waiting == 20);
    atomic_store(&proxy.swallow[DOWN], true);
    let_go();
    assert_within(GENEROUS, stats_now().waiting == 4);
    atomic_store(&proxy.swallow[DOWN], false);
    atomic_store(&proxy.hang_up, 1);
    assert_all_told_in_order(20);
    end_pool();
    stop_proxy();
}

static void blocking_callers_do_not_overtake_each_other_when_tried_again(void **state)
{
    static const char insert[] = "INSERT INTO t (k) VALUES (?)";
    (void)state;
    struct pool_options options = one_connection();
    admin_does(f.admin, "CREATE TABLE mypool.t (id INT AUTO_INCREMENT PRIMARY KEY, k INT UNIQUE)");
    start_proxy();
    options.port = proxy.port;
    make_pool(options);
    warm("SELECT 1", POOL_NO_ARGS);
    hold();
    admin_does(f.admin, "ALTER TABLE mypool.t AUTO_INCREMENT = 1");
    /* The first is lost before it has arrived, and may be tried again. */
    for (int i = 1; i <= 4; i++)
        queue_up_with(
            (struct pool_request){
                .sql = insert, .args = POOL_ARGS(i), .idempotent = true, .alone = true},
            call_query);
    atomic_store(&proxy.swallow[UP], true);
    let_go();
    assert_within(GENEROUS, stats_now().waiting == 3 && atomic_load(&proxy.swallowed[UP]) > 0);
    atomic_store(&proxy.swallow[UP], false);
    atomic_store(&proxy.hang_up, 1);
    join_callers();
    assert_all_ok();
    assert_int_equal(admin_asks(f.admin, "SELECT COUNT(*) FROM mypool.t WHERE id = k"), 4);
    end_pool();
    stop_proxy();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_queue, tear_down_queue)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(callbacks_come_in_the_order_of_the_calls),
        TEST(callbacks_do_not_wait_for_those_behind_them_nor_overtake),
        TEST(a_leader_that_fails_is_told_first_as_well),
        TEST(the_end_cuts_a_leader_that_has_been_told),
        TEST(calls_that_are_tried_again_keep_their_place),
        TEST(blocking_callers_do_not_overtake_each_other_when_tried_again),
    };
    return server_suite_main(argc, argv, tests);
}
