/*
 * What the pool does behind the locks of others: a locked table, the global read lock,
 * a metadata lock. A call's deadline holds, the server's own lock_wait_timeout is passed on,
 * and nobody beside it is taken for dead meanwhile.
 *
 * A call that ends too early is wrong on any machine; upwards the bounds are generous.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"
#include "suite.h"

static int tear_down(void **state)
{
    (void)state;
    end_fixture();
    return 0;
}

/* The lock is still there, so without its deadline the call would not have ended at all:
 * any upper bound will do. */
static void assert_stopped_at(const struct outcome *outcome, uint64_t asked_ms)
{
    print_message("           ended after %lu ms of %lu: %s\n", outcome->took_ms, asked_ms,
                  outcome->err.message);
    assert_false(outcome->ok);
    assert_int_equal(outcome->err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_in_range(outcome->took_ms, asked_ms - 1, asked_ms + GENEROUS);
}

static bool nobody_waits(void)
{
    return admin_asks(f.admin, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = "
                               "'app' AND (state LIKE 'Waiting%' OR command = 'Killed')") == 0;
}

/* The idle connections are pinged, the neighbours' are used, and none is taken for dead. */
static void assert_others_are_fine(void)
{
    uint64_t pings = stats_now().pings;
    assert_within(GENEROUS, stats_now().pings >= pings + 4);
    assert_neighbours_go_on();
    assert_within(GENEROUS, closed_by(POOL_CLOSE_TIMEOUT) == 1);
}

/* Runs the statement behind the administrator's lock, and again without. */
static void assert_stopped_behind(const char *lock, const char *sql, const char *unlock)
{
    struct pool_options options = app_options();
    options.keepalive_ms = 50;
    make_pool(options);
    warm_up(LIMIT);
    start_neighbours(1);
    admin_does(f.admin, "%s", lock);
    struct outcome outcome = run_within(sql, 1000);
    assert_stopped_at(&outcome, 1000);
    assert_true(outcome.err.fatal);
    assert_within(GENEROUS, nobody_waits());
    assert_others_are_fine();
    admin_does(f.admin, "%s", unlock);
    must(sql);
    assert_neighbours_were_fine();
    assert_int_equal(stats_now().closed, 1);
    assert_int_equal(stats_now().connect_failures, 0);
}

static void a_statement_behind_a_locked_table_ends_at_its_deadline(void **state)
{
    (void)state;
    make_table();
    assert_stopped_behind("LOCK TABLES mypool.held WRITE", "INSERT INTO held VALUES (1)",
                          "UNLOCK TABLES");
    assert_rows(1);
}

static void a_statement_behind_the_global_read_lock_ends_at_its_deadline(void **state)
{
    (void)state;
    make_table();
    assert_stopped_behind("FLUSH TABLES WITH READ LOCK", "INSERT INTO held VALUES (1)",
                          "UNLOCK TABLES");
    assert_rows(1);
}

static void a_statement_behind_a_metadata_lock_ends_at_its_deadline(void **state)
{
    (void)state;
    make_table();
    admin_does(f.admin, "START TRANSACTION");
    assert_stopped_behind("SELECT * FROM mypool.held", "ALTER TABLE held ADD COLUMN more INT",
                          "COMMIT");
    must("INSERT INTO held (n, more) VALUES (1, 2)");
}

static const char *const impatient[] = {"SET lock_wait_timeout = 1", NULL};

static void a_lock_that_the_server_waited_for_too_long_is_passed_on(void **state)
{
    (void)state;
    make_table();
    make_pool_of_one(impatient);
    unsigned long id = id_of_next();
    admin_does(f.admin, "LOCK TABLES mypool.held WRITE");
    struct outcome outcome = run_within("INSERT INTO held VALUES (1)", 0);
    assert_false(outcome.ok);
    assert_refused(&outcome.err, POOL_ERR_SERVER, 1205);
    assert_true(outcome.err.retry_transaction);
    assert_false(outcome.err.fatal);
    must("SELECT 1");
    admin_does(f.admin, "UNLOCK TABLES");
    must("INSERT INTO held VALUES (1)");
    assert_rows(1);
    assert_true(id_of_next() == id);
    assert_int_equal(stats_now().closed, 0);
}

static bool unlock_at_the_second_run(unsigned *runs)
{
    return ++*runs != 2 || ask(f.admin, "UNLOCK TABLES", NULL, 0);
}

static bool insert(struct pool_conn conn, void *arg, struct pool_error *err)
{
    return unlock_at_the_second_run(arg) && did(conn, "INSERT INTO held VALUES (1)", err);
}

/* The lock comes between the insert and the commit. */
static bool insert_and_be_locked(struct pool_conn conn, void *arg, struct pool_error *err)
{
    unsigned *runs = arg;
    return insert(conn, runs, err) &&
           (*runs > 1 || ask(f.admin, "FLUSH TABLES WITH READ LOCK", NULL, 0));
}

static void assert_second_run_is_committed(pool_transaction_fn *fn)
{
    struct pool_error err;
    unsigned runs = 0;
    if (!pool_transaction(f.pool, fn, &runs, &err))
        fail_with("transaction", &err);
    assert_int_equal(runs, 2);
    assert_rows(1);
    assert_int_equal(stats_now().closed, 0);
}

static void a_transaction_behind_a_locked_table_is_run_again(void **state)
{
    (void)state;
    make_table();
    make_pool_of_one(impatient);
    admin_does(f.admin, "LOCK TABLES mypool.held WRITE");
    assert_second_run_is_committed(insert);
}

static void a_commit_behind_the_global_read_lock_is_run_again(void **state)
{
    (void)state;
    make_table();
    make_pool_of_one(impatient);
    assert_second_run_is_committed(insert_and_be_locked);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_fixture, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_statement_behind_a_locked_table_ends_at_its_deadline),
        TEST(a_statement_behind_the_global_read_lock_ends_at_its_deadline),
        TEST(a_statement_behind_a_metadata_lock_ends_at_its_deadline),
        TEST(a_lock_that_the_server_waited_for_too_long_is_passed_on),
        TEST(a_transaction_behind_a_locked_table_is_run_again),
        TEST(a_commit_behind_the_global_read_lock_is_run_again),
    };
    return server_suite_main(argc, argv, tests);
}
