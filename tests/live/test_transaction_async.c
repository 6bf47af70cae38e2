/*
 * pool_transaction_async: what is kept, undone, run again and never repeated, as for
 * pool_transaction; that transactions let each other run; and what its function may do.
 *
 * Needs a server: MYPOOL_URL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

#include "calls.h"
#include "handled.h"
#include "suite.h"

#define HUNDRED 100u
#define STACK_USE (200 * 1024) /* of 256 KiB, as documented */

/* A transaction, and what its function does. */
struct deed {
    struct seen seen; /* first: the end */
    const char *sql[3];
    bool refuse;
    bool want_retry;
    struct deed *other; /* to be met between the first statement and the second, in the first run */
    void (*also)(struct deed *deed, struct pool_conn conn);
    _Atomic unsigned runs;
    _Atomic bool met;
    _Atomic bool inserted;
    _Atomic unsigned long thread_id;
    enum pool_code inner;
};

static void on_end(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct deed *deed = arg;
    on_result(err, result, &deed->seen);
}

/* Waits as a statement does, so that the other side can run. */
static void meet(struct deed *deed, struct pool_conn conn)
{
    struct pool_error err;
    uint64_t end = now_ms() + GENEROUS;
    atomic_store(&deed->met, true);
    while (!atomic_load(&deed->other->met) && now_ms() < end)
        did(conn, "DO SLEEP(0.002)", &err);
}

static bool do_deed(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct deed *deed = arg;
    unsigned run = atomic_fetch_add(&deed->runs, 1) + 1;
    atomic_store(&deed->thread_id, pool_conn_thread_id(conn));
    for (unsigned i = 0; i < 3 && deed->sql[i]; i++) {
        if (!did(conn, deed->sql[i], err))
            return false;
        if (deed->other && i == 0 && run == 1)
            meet(deed, conn);
    }
    if (deed->also)
        deed->also(deed, conn);
    if (deed->want_retry)
        err->retry_transaction = true;
    return !deed->refuse;
}

/* This must be accepted. */
static void begin_deed(struct deed *deed)
{
    struct pool_error err;
    if (!pool_transaction_async(f.pool, do_deed, on_end, deed, &err))
        fail_with("transaction", &err);
}

static void make_accounts(unsigned limit)
{
    make_table();
    admin_does(f.admin, "ALTER TABLE held ADD v INT NOT NULL DEFAULT 0, ADD PRIMARY KEY (n)");
    admin_does(f.admin, "INSERT INTO held VALUES (1, 0), (2, 0)");
    make_pool_of(limit, false);
}

static void assert_value(int n, long value)
{
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT v FROM held WHERE n = %d", n);
    assert_int_equal(admin_asks(f.admin, sql), value);
}

#define ADD_1 "UPDATE held SET v = v + 1 WHERE n = 1"
#define ADD_2 "UPDATE held SET v = v + 1 WHERE n = 2"

/* ---- the end ---- */

static void true_commits(void **state)
{
    (void)state;
    struct deed deed = {.sql = {ADD_1, ADD_2}};
    make_accounts(2);
    begin_deed(&deed);
    assert_seen_ok(&deed.seen);
    assert_null(deed.seen.result);
    assert_value(1, 1);
    assert_value(2, 1);
    assert_int_equal(atomic_load(&deed.runs), 1);
    assert_within(GENEROUS, stats_now().in_use == 0);
}

static void false_rolls_back(void **state)
{
    (void)state;
    struct deed deed = {.sql = {ADD_1}, .refuse = true};
    make_accounts(2);
    begin_deed(&deed);
    assert_seen_failed(&deed.seen, POOL_ERR_ROLLED_BACK);
    assert_value(1, 0);
    assert_int_equal(atomic_load(&deed.runs), 1);
    assert_int_equal(stats_now().resets, 0);
}

static void an_error_of_a_statement_is_told(void **state)
{
    (void)state;
    struct deed deed = {.sql = {ADD_1, "INSERT INTO held VALUES (2, 5)"}};
    make_accounts(2);
    begin_deed(&deed);
    assert_seen_failed(&deed.seen, POOL_ERR_SERVER);
    assert_int_equal(deed.seen.err.server_errno, 1062);
    assert_value(1, 0);
}

/* ---- run again ---- */

static void of_two_in_a_deadlock_one_is_run_again(void **state)
{
    (void)state;
    struct deed a = {.sql = {ADD_1, ADD_2}};
    struct deed b = {.sql = {ADD_2, ADD_1}, .other = &a};
    a.other = &b;
    make_accounts(2);
    begin_deed(&a);
    begin_deed(&b);
    assert_seen_ok(&a.seen);
    assert_seen_ok(&b.seen);
    assert_int_equal(atomic_load(&a.runs) + atomic_load(&b.runs), 3);
    assert_value(1, 2);
    assert_value(2, 2);
}

static void it_is_run_again_three_times_at_most(void **state)
{
    (void)state;
    struct deed deed = {.sql = {ADD_1}, .refuse = true, .want_retry = true};
    make_accounts(1);
    begin_deed(&deed);
    assert_seen(&deed.seen);
    assert_false(deed.seen.ok);
    assert_int_equal(atomic_load(&deed.runs), 4);
    assert_value(1, 0);
}

/* The administrator takes the global read lock meanwhile. */
static void add_and_wait(struct deed *deed, struct pool_conn conn)
{
    struct pool_error err;
    uint64_t end = now_ms() + GENEROUS;
    did(conn, ADD_1, &err);
    atomic_store(&deed->inserted, true);
    while (!atomic_load(&deed->met) && now_ms() < end)
        did(conn, "DO SLEEP(0.002)", &err);
}

static void a_commit_that_is_lost_is_never_repeated(void **state)
{
    (void)state;
    struct deed deed = {.sql = {"SELECT 1"}, .also = add_and_wait};
    make_accounts(2);
    begin_deed(&deed);
    assert_within(GENEROUS, atomic_load(&deed.inserted));
    admin_does(f.admin, "FLUSH TABLES WITH READ LOCK");
    atomic_store(&deed.met, true);
    assert_within(GENEROUS, server_runs("COMMIT", 1));
    admin_does(f.admin, "KILL %lu", atomic_load(&deed.thread_id));
    assert_seen_failed(&deed.seen, POOL_ERR_LOST);
    assert_false(deed.seen.err.not_executed);
    assert_int_equal(atomic_load(&deed.runs), 1);
    admin_does(f.admin, "UNLOCK TABLES");
}

static void a_dead_connection_at_the_begin_is_exchanged(void **state)
{
    (void)state;
    struct deed deed = {.sql = {ADD_1}};
    make_accounts(2);
    warm_up(2);
    admin_does(f.admin, "KILL USER app");
    begin_deed(&deed);
    assert_seen_ok(&deed.seen);
    assert_int_equal(atomic_load(&deed.runs), 1);
    assert_value(1, 1);
}

static void a_connection_that_dies_inside_is_not_exchanged(void **state)
{
    (void)state;
    struct deed deed = {.sql = {ADD_1, "SELECT SLEEP(600)"}};
    make_accounts(2);
    begin_deed(&deed);
    assert_within(GENEROUS, server_runs(FOR_LONG, 1));
    admin_does(f.admin, "KILL %lu", atomic_load(&deed.thread_id));
    assert_seen_failed(&deed.seen, POOL_ERR_LOST);
    assert_int_equal(atomic_load(&deed.runs), 1);
    assert_value(1, 0);
}

/* ---- together ---- */

static void a_hundred_at_once_let_each_other_run(void **state)
{
    (void)state;
    static struct deed deeds[HUNDRED];
    make_accounts(8);
    memset(deeds, 0, sizeof deeds);
    for (unsigned i = 0; i < 2; i++) { /* these can only end if both run at once */
        deeds[i].sql[0] = "SELECT 1";
        deeds[i].other = &deeds[1 - i];
    }
    for (unsigned i = 2; i < HUNDRED; i++) {
        deeds[i].sql[0] = ADD_1;
        deeds[i].sql[1] = "SELECT 1";
    }
    for (unsigned i = 0; i < HUNDRED; i++)
        begin_deed(&deeds[i]);
    for (unsigned i = 0; i < HUNDRED; i++)
        assert_seen_ok(&deeds[i].seen);
    assert_true(atomic_load(&deeds[0].met) && atomic_load(&deeds[1].met));
    assert_value(1, HUNDRED - 2);
}

static void it_runs_in_the_programs_own_loop(void **state)
{
    (void)state;
    struct deed deed = {.sql = {"SELECT 1", "DO SLEEP(0.01)"}};
    make_pool_of(1, true);
    begin_deed(&deed);
    assert_seen_ok(&deed.seen);
    assert_true(pthread_equal(deed.seen.thread, pthread_self()));
}

/* ---- what the function may do ---- */

static void try_to_block(struct deed *deed, struct pool_conn conn)
{
    struct pool_error err;
    struct pool_conn other;
    (void)conn;
    deed->inner = POOL_OK;
    if (pool_query(f.pool, "SELECT 1", POOL_NO_ARGS, &err) || err.code != POOL_ERR_INVALID ||
        pool_get_connection(f.pool, &other, &err) || err.code != POOL_ERR_INVALID ||
        pool_transaction(f.pool, do_deed, deed, &err) || err.code != POOL_ERR_INVALID ||
        pool_end(f.pool, 0, &err))
        return;
    deed->inner = err.code;
}

static void what_waits_for_other_connections_is_refused_inside(void **state)
{
    (void)state;
    struct deed deed = {.sql = {"SELECT 1"}, .also = try_to_block};
    make_pool_of(2, false);
    begin_deed(&deed);
    assert_seen_ok(&deed.seen);
    assert_int_equal(deed.inner, POOL_ERR_INVALID);
    assert_int_equal(atomic_load(&deed.runs), 1);
}

static void use_the_stack(struct deed *deed, struct pool_conn conn)
{
    volatile char room[STACK_USE];
    struct pool_error err;
    for (size_t i = 0; i < sizeof room; i += 1024)
        room[i] = (char)i;
    bool ok = did(conn, "SELECT 1", &err);
    deed->inner = ok && room[1024] == 0 ? POOL_OK : POOL_ERR_INVALID;
}

static void its_stack_is_as_big_as_documented(void **state)
{
    (void)state;
    struct deed deed = {.sql = {"SELECT 1"}, .also = use_the_stack, .inner = POOL_ERR_INVALID};
    make_pool_of(2, false);
    begin_deed(&deed);
    assert_seen_ok(&deed.seen);
    assert_int_equal(deed.inner, POOL_OK);
}

static void release_it(struct deed *deed, struct pool_conn conn)
{
    (void)deed;
    pool_conn_release(conn, NULL);
}

static void a_function_that_releases_its_connection_is_told(void **state)
{
    (void)state;
    struct deed deed = {.sql = {ADD_1}, .also = release_it};
    make_accounts(1);
    begin_deed(&deed);
    assert_seen_failed(&deed.seen, POOL_ERR_STALE);
    must("SELECT 1");
    assert_value(1, 0);
}

/* ---- the pool ends ---- */

static void end_inside(bool manual)
{
    struct deed deed = {.sql = {"SELECT 1", "SELECT SLEEP(600)"}};
    struct deed queued = {.sql = {"SELECT 1"}};
    make_pool_of(1, manual);
    begin_deed(&deed);
    begin_deed(&queued);
    assert_within(GENEROUS, server_runs(FOR_LONG, 1));
    assert_true(end_at_once() < SOON);
    assert_int_equal(atomic_load(&deed.seen.calls), 1);
    assert_int_equal(deed.seen.err.code, POOL_ERR_CLOSED);
    assert_int_equal(atomic_load(&queued.seen.calls), 1);
    assert_int_equal(queued.seen.err.code, POOL_ERR_CLOSED);
    assert_int_equal(atomic_load(&queued.runs), 0);
}

static void the_end_of_the_pool_ends_it(void **state)
{
    (void)state;
    end_inside(false);
    end_inside(true);
}

static void wrong_transactions_are_refused(void **state)
{
    (void)state;
    struct deed deed = {.sql = {NULL}};
    struct pool_error err;
    make_pool_of(1, false);
    assert_false(pool_transaction_async(f.pool, NULL, on_end, &deed, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_false(pool_transaction_async(f.pool, do_deed, NULL, &deed, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_false(pool_transaction_async(NULL, do_deed, on_end, &deed, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_int_equal(atomic_load(&deed.seen.calls), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        HANDLED_TEST(true_commits),
        HANDLED_TEST(false_rolls_back),
        HANDLED_TEST(an_error_of_a_statement_is_told),
        HANDLED_TEST(of_two_in_a_deadlock_one_is_run_again),
        HANDLED_TEST(it_is_run_again_three_times_at_most),
        HANDLED_TEST(a_commit_that_is_lost_is_never_repeated),
        HANDLED_TEST(a_dead_connection_at_the_begin_is_exchanged),
        HANDLED_TEST(a_connection_that_dies_inside_is_not_exchanged),
        HANDLED_TEST(a_hundred_at_once_let_each_other_run),
        HANDLED_TEST(it_runs_in_the_programs_own_loop),
        HANDLED_TEST(what_waits_for_other_connections_is_refused_inside),
        HANDLED_TEST(its_stack_is_as_big_as_documented),
        HANDLED_TEST(a_function_that_releases_its_connection_is_told),
        HANDLED_TEST(the_end_of_the_pool_ends_it),
        HANDLED_TEST(wrong_transactions_are_refused),
    };
    return server_suite_main(argc, argv, tests);
}
