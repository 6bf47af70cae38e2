/*
 * Statements that go together on one connection, when deadlines pass, the server is
 * frozen, the connection is killed, a thread is cancelled or the pool ends: each caller is
 * told the truth about its own, in time. See callers.h for how the queue is made.
 */
#include <mysql.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "callers.h"
#include "suite.h"

#define INCREMENT "UPDATE t SET v = v + 1 WHERE k = ?"
#define PLUS "SELECT ? + 1"

static void make_counters_and_pool(struct pool_options options)
{
    admin_does(f.admin, "CREATE TABLE mypool.t (k INT PRIMARY KEY, v INT)");
    admin_does(f.admin, "INSERT INTO mypool.t SELECT seq, 0 FROM mysql.seq_0_to_20");
    make_pool(options);
    warm(INCREMENT, POOL_ARGS(-1));
}

static struct caller *queue_up_increment(int k, uint32_t timeout_ms)
{
    return queue_up_with(
        (struct pool_request){.sql = INCREMENT, .args = POOL_ARGS(k), .timeout_ms = timeout_ms},
        call_query);
}

static long counter(int k)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT v FROM mypool.t WHERE k = %d", k);
    return admin_asks(f.admin, sql);
}

static bool is_done(struct caller *caller)
{
    return atomic_load(&caller->done);
}

/* What the caller was told of its increment is what the table says. */
static void assert_truth(struct caller *caller)
{
    long n = counter((int)caller->request.args.values[0].as.i);
    bool right = caller->ok ? n == 1 : caller->err.not_executed ? n == 0 : n == 0 || n == 1;
    if (!right)
        fail_msg("counter is %ld, told %s: %s", n, pool_code_name(caller->err.code),
                 caller->err.message);
}

static void assert_unknown(const struct caller *caller, enum pool_code code)
{
    assert_false(caller->ok);
    if (caller->err.code != code)
        fail_msg("%s: %s", pool_code_name(caller->err.code), caller->err.message);
    assert_false(caller->err.not_executed);
}

/* A pool that works and has a connection again. */
static void assert_works(void)
{
    run("SELECT 1", POOL_NO_ARGS);
    assert_int_equal(stats_now().in_use, 0);
    assert_int_equal(stats_now().acquired, stats_now().released);
}

/* The server is frozen, and the queue is on its way, all of it. */
static void go_into_the_cold(void)
{
    freeze_server();
    let_go();
    assert_within(GENEROUS, stats_now().waiting == 0);
}

/* Deadlines */

static void a_rider_leaves_at_its_own_deadline_and_the_others_arrive(void **state)
{
    (void)state;
    make_counters_and_pool(one_connection());
    hold();
    struct caller *leader = queue_up_increment(1, 0);
    struct caller *rider = queue_up_increment(2, 3000);
    struct caller *last = queue_up_increment(3, 0);
    go_into_the_cold();
    assert_within(GENEROUS, is_done(rider));
    assert_false(is_done(leader) || is_done(last));
    assert_unknown(rider, POOL_ERR_QUERY_TIMEOUT);
    assert_in_range(rider->took_ms, 2999, 3000 + LATE);
    thaw_server();
    join_callers();
    assert_true(leader->ok && last->ok);
    assert_int_equal(counter(1) + counter(2) + counter(3), 3);
    assert_int_equal(stats_now().pipelined, 2);
    assert_works();
}

static void the_query_timeout_of_the_pool_holds_for_riders(void **state)
{
    struct pool_options options = one_connection();
    (void)state;
    options.query_timeout_ms = 2000;
    make_counters_and_pool(options);
    hold();
    for (int k = 1; k <= 4; k++)
        queue_up_increment(k, 0);
    freeze_server();
    uint64_t begin = now_ms();
    let_go();
    join_callers();
    assert_in_range(now_ms() - begin, 1999, 2000 + LATE);
    thaw_server();
    for (int i = 0; i < 4; i++)
        assert_false(q.callers[i].ok || q.callers[i].err.not_executed);
    assert_works();
}

/* An attempt as a rider costs two seconds; the next one has what is left of three. */
static void the_time_of_a_ride_counts_when_its_statement_is_sent_again(void **state)
{
    struct pool_options options = one_connection();
    (void)state;
    options.query_timeout_ms = 3000;
    make_counters_and_pool(options);
    hold();
    struct caller *leader = queue_up_increment(1, 0);
    struct caller *rider = queue_up_with(
        (struct pool_request){.sql = INCREMENT, .args = POOL_ARGS(2), .idempotent = true},
        call_query);
    admin_does(f.admin, "BEGIN");
    admin_does(f.admin, "SELECT * FROM mypool.t WHERE k = 2 FOR UPDATE");
    uint64_t begin = now_ms();
    let_go();
    assert_within(GENEROUS, now_ms() - begin >= 2000);
    admin_does(f.admin, "KILL %ld",
               admin_asks(f.admin, "SELECT id FROM information_schema.processlist "
                                   "WHERE user = 'app' AND info LIKE 'UPDATE%'"));
    join_callers();
    admin_does(f.admin, "ROLLBACK");
    assert_true(leader->ok);
    assert_unknown(rider, POOL_ERR_QUERY_TIMEOUT);
    assert_in_range(now_ms() - begin, 2999, 4500);
    assert_true(stats_now().opened >= 2);
    assert_works();
}

static void riders_of_a_leader_whose_deadline_passes_are_told_that_nobody_knows(void **state)
{
    (void)state;
    make_counters_and_pool(one_connection());
    hold();
    struct caller *leader = queue_up_increment(1, 3000);
    queue_up_increment(2, 0);
    queue_up_increment(3, 0);
    go_into_the_cold();
    join_callers();
    assert_unknown(leader, POOL_ERR_QUERY_TIMEOUT);
    assert_unknown(&q.callers[1], POOL_ERR_LOST);
    assert_unknown(&q.callers[2], POOL_ERR_LOST);
    thaw_server();
    assert_within(GENEROUS, stats_now().closed_by_reason[POOL_CLOSE_TIMEOUT] == 1);
    assert_works();
    assert_int_equal(stats_now().opened, 2);
}

/* It may not even be in time itself; that is not the point. */
static void who_has_hardly_any_time_left_takes_nobody_along(void **state)
{
    struct pool_options options = one_connection();
    (void)state;
    options.query_timeout_ms = 20;
    make_pool(options);
    for (unsigned i = 0; i < 2; i++)
        pool_result_free(pool_query(f.pool, PLUS, POOL_ARGS(1), NULL));
    hold();
    for (int i = 0; i < 4; i++)
        queue_up(PLUS, POOL_ARGS(i));
    let_go();
    join_callers();
    assert_int_equal(stats_now().pipelined, 0);
}

/* The server does not know the statement any more, so it is run again, one after another. */
static void make_server_forget(void)
{
    struct pool__conn *conn = conn_of(q.held);
    unsigned long id = stmt_of(q.held, INCREMENT)->native->stmt_id;
    char packet[4] = {(char)id, (char)(id >> 8), (char)(id >> 16), (char)(id >> 24)};
    assert_int_equal(
        conn->mysql->methods->db_command(conn->mysql, COM_STMT_CLOSE, packet, 4, 1, NULL), 0);
}

static void a_rider_that_has_left_is_not_run_again(void **state)
{
    (void)state;
    make_counters_and_pool(one_connection());
    hold();
    struct caller *leader = queue_up_increment(1, 0);
    struct caller *rider = queue_up_increment(2, 3000);
    struct caller *last = queue_up_increment(3, 0);
    make_server_forget();
    go_into_the_cold();
    assert_within(GENEROUS, is_done(rider));
    assert_unknown(rider, POOL_ERR_QUERY_TIMEOUT);
    thaw_server();
    join_callers();
    assert_true(leader->ok && last->ok);
    assert_int_equal(counter(1) + counter(3), 2);
    assert_int_equal(counter(2), 0);
    assert_works();
}

static void a_rider_that_is_run_again_keeps_its_own_deadline(void **state)
{
    (void)state;
    make_counters_and_pool(one_connection());
    hold();
    struct caller *leader = queue_up_increment(1, 0);
    struct caller *rider = queue_up_increment(2, 3000);
    struct caller *last = queue_up_increment(3, 0);
    make_server_forget();
    admin_does(f.admin, "BEGIN");
    admin_does(f.admin, "SELECT * FROM mypool.t WHERE k = 2 FOR UPDATE");
    let_go();
    assert_within(GENEROUS, is_done(rider));
    admin_does(f.admin, "ROLLBACK");
    join_callers();
    assert_unknown(rider, POOL_ERR_QUERY_TIMEOUT);
    assert_in_range(rider->took_ms, 2999, 3000 + LATE);
    assert_true(leader->ok && last->ok);
    assert_truth(leader);
    assert_truth(last);
    assert_works();
}

/* A dead connection */

static unsigned long held_id(void)
{
    return pool_conn_thread_id(q.held);
}

/* The server brings the table up to date only if nobody has looked for 100 ms. */
static bool waits_for_lock(unsigned long id)
{
    char sql[200];
    pause_ms(120);
    snprintf(sql, sizeof sql,
             "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' AND "
             "trx_mysql_thread_id = %lu",
             id);
    return admin_asks(f.admin, sql) == 1;
}

static void a_kill_in_the_middle_leaves_each_with_the_truth(void **state)
{
    (void)state;
    make_counters_and_pool(one_connection());
    hold();
    unsigned long id = held_id();
    for (int k = 1; k <= 4; k++)
        queue_up_increment(k, 0);
    admin_does(f.admin, "BEGIN");
    admin_does(f.admin, "SELECT * FROM mypool.t WHERE k = 2 FOR UPDATE");
    let_go();
    assert_within(GENEROUS, waits_for_lock(id));
    admin_does(f.admin, "KILL CONNECTION %lu", id);
    join_callers();
    admin_does(f.admin, "ROLLBACK");
    assert_true(q.callers[0].ok);
    for (int i = 0; i < 4; i++)
        assert_truth(&q.callers[i]);
    assert_unknown(&q.callers[1], POOL_ERR_LOST);
    assert_unknown(&q.callers[2], POOL_ERR_LOST);
    assert_unknown(&q.callers[3], POOL_ERR_LOST);
    assert_works();
}

/* Where the keeper waits in a hook, so that it sees nothing. */
static struct gate {
    _Atomic bool armed, entered, open;
} gate;

static void wait_at_gate(const char *label, uint32_t held_ms, void *arg)
{
    (void)label;
    (void)held_ms;
    (void)arg;
    if (!atomic_load(&gate.armed))
        return;
    atomic_store(&gate.entered, true);
    while (!atomic_load(&gate.open))
        pause_ms(1);
}

static int tear_down_gate(void **state)
{
    atomic_store(&gate.open, true);
    return tear_down_queue(state);
}

/* The connection is dead before anything is sent on it, and the keeper does not know. */
static void hold_and_kill(void)
{
    atomic_store(&gate.armed, true); /* a leak is reported once */
    hold();
    unsigned long id = held_id();
    assert_within(GENEROUS, atomic_load(&gate.entered));
    admin_does(f.admin, "KILL CONNECTION %lu", id);
    assert_within(GENEROUS, is_gone(f.admin, id));
}

static void on_a_dead_connection_all_are_sent_again_on_another(void **state)
{
    struct pool_options options = one_connection();
    (void)state;
    memset(&gate, 0, sizeof gate);
    options.leak_after_ms = 20;
    options.hooks = (struct pool_hooks){.on_leak = wait_at_gate};
    make_counters_and_pool(options);
    hold_and_kill();
    for (int k = 1; k <= 6; k++)
        queue_up_increment(k, 0);
    let_go();
    assert_within(GENEROUS, stats_now().pipelined == 5);
    uint64_t before = stats_now().queries;
    atomic_store(&gate.open, true);
    join_callers();
    assert_all_ok();
    assert_int_equal(stats_now().queries - before, 6);
    assert_int_equal(stats_now().query_errors, 0);
    assert_int_equal(admin_asks(f.admin, "SELECT SUM(v = 1) FROM mypool.t"), 6);
    assert_works();
}

/* The end */

static void a_patient_end_lets_everybody_arrive(void **state)
{
    (void)state;
    make_counters_and_pool(one_connection());
    hold();
    for (int k = 1; k <= 6; k++)
        queue_up_increment(k, 0);
    go_into_the_cold();
    thaw_server();
    assert_true(pool_end(f.pool, 60000, NULL));
    f.pool = NULL;
    join_callers();
    assert_all_ok();
    assert_int_equal(admin_asks(f.admin, "SELECT SUM(v = 1) FROM mypool.t"), 6);
}

static void an_end_that_cuts_tells_riders_that_the_pool_is_closed(void **state)
{
    (void)state;
    make_counters_and_pool(one_connection());
    hold();
    for (int k = 1; k <= 6; k++)
        queue_up_increment(k, 0);
    go_into_the_cold();
    uint64_t begin = now_ms();
    assert_false(pool_end(f.pool, 0, NULL));
    f.pool = NULL;
    assert_true(now_ms() - begin < LATE);
    assert_within(LATE, all_done());
    thaw_server();
    for (int i = 0; i < 6; i++)
        assert_unknown(&q.callers[i], POOL_ERR_CLOSED);
}

/* Threads */

static void a_cancelled_rider_ends_its_call_first(void **state)
{
    (void)state;
    make_counters_and_pool(one_connection());
    hold();
    for (int k = 1; k <= 4; k++)
        queue_up_increment(k, 0);
    go_into_the_cold();
    pthread_cancel(q.callers[0].id); /* the leader */
    pthread_cancel(q.callers[2].id);
    pause_ms(20);
    thaw_server();
    for (unsigned i = 0; i < 4; i++)
        join(&q.callers[i]);
    for (unsigned i = 0; i < 4; i++)
        atomic_store(&q.callers[i].done, true);
    assert_all_ok();
    assert_int_equal(admin_asks(f.admin, "SELECT SUM(v = 1) FROM mypool.t"), 4);
    assert_works();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_queue, tear_down_gate)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rider_leaves_at_its_own_deadline_and_the_others_arrive),
        TEST(the_query_timeout_of_the_pool_holds_for_riders),
        TEST(the_time_of_a_ride_counts_when_its_statement_is_sent_again),
        TEST(riders_of_a_leader_whose_deadline_passes_are_told_that_nobody_knows),
        TEST(who_has_hardly_any_time_left_takes_nobody_along),
        TEST(a_rider_that_has_left_is_not_run_again),
        TEST(a_rider_that_is_run_again_keeps_its_own_deadline),
        TEST(a_kill_in_the_middle_leaves_each_with_the_truth),
        TEST(on_a_dead_connection_all_are_sent_again_on_another),
        TEST(a_patient_end_lets_everybody_arrive),
        TEST(an_end_that_cuts_tells_riders_that_the_pool_is_closed),
        TEST(a_cancelled_rider_ends_its_call_first),
    };
    return server_suite_main(argc, argv, tests);
}
