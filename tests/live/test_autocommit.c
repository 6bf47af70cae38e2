/*
 * What the pool reports as done stays done: whatever the server says of autocommit, the pool
 * switches it on, and where the program has switched it off, calls that borrow for one
 * statement commit what they did. On a handle transactions are the program's affair.
 *
 * Needs a server: MYPOOL_SERVER_PORT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

#include "calls.h"
#include "suite.h"

#define INSERT "INSERT INTO held VALUES (1)"

static void make_pool_with(struct pool_options wish)
{
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.no_autocommit = wish.no_autocommit;
    options.init_sql = wish.init_sql;
    options.init = wish.init;
    options.max_packet_bytes = wish.max_packet_bytes;
    options.no_prepare = wish.no_prepare;
    make_pool(options);
}

static void make_pool_without(void)
{
    make_table();
    make_pool_with((struct pool_options){.no_autocommit = true});
}

static bool inserts(size_t rows, bool atomic, struct pool_error *err)
{
    struct pool_value values[8];
    for (size_t i = 0; i < rows; i++)
        values[i] = pool_int((int64_t)i);
    struct pool_batch_request request = {.sql = "INSERT INTO held VALUES (?)",
                                         .values = values,
                                         .rows = rows,
                                         .columns = 1,
                                         .atomic = atomic};
    struct pool_result *result = pool_batch_with(f.pool, &request, err);
    pool_result_free(result);
    return result != NULL;
}

/* ---- the server's autocommit ---- */

static void assert_everything_stays(void)
{
    struct pool_error err;
    must(INSERT);
    assert_rows(1);
    assert_true(inserts(3, false, &err));
    assert_rows(4);
    assert_true(inserts(2, true, &err));
    assert_rows(6);
    must("SELECT COUNT(*) FROM held");
    assert_int_equal(stats_now().resets, 0);
}

static void a_server_without_autocommit_loses_nothing(void **state)
{
    (void)state;
    make_table();
    admin_does(f.admin, "SET GLOBAL autocommit = 0");
    make_pool_with((struct pool_options){0});
    assert_everything_stays();
}

static void an_init_connect_that_switches_it_off_loses_nothing(void **state)
{
    (void)state;
    make_table();
    admin_does(f.admin, "SET GLOBAL init_connect = 'SET autocommit = 0'");
    make_pool_with((struct pool_options){0});
    assert_everything_stays();
}

static void a_reset_switches_it_on_again(void **state)
{
    (void)state;
    make_table();
    admin_does(f.admin, "SET GLOBAL autocommit = 0");
    make_pool_with((struct pool_options){0});
    must("SET @x = 1");
    must(INSERT);
    assert_int_equal(stats_now().resets, 1);
    assert_rows(1);
}

/* ---- the program's choice ---- */

static void the_option_switches_it_off(void **state)
{
    (void)state;
    make_pool_without();
    struct pool_conn conn = borrow();
    assert_int_equal(number(conn, "SELECT @@autocommit"), 0);
    pool_conn_release(conn, NULL);
}

static void without_it_calls_of_one_statement_commit(void **state)
{
    (void)state;
    make_pool_without();
    assert_everything_stays();
}

static void an_init_sql_that_switches_it_off_loses_nothing(void **state)
{
    (void)state;
    static const char *const init[] = {"SET autocommit = 0", NULL};
    make_table();
    make_pool_with((struct pool_options){.init_sql = init});
    assert_everything_stays();
}

static bool switch_it_off(struct pool_setup *setup, void *arg, struct pool_error *err)
{
    (void)arg;
    struct pool_result *result = pool_setup_query(setup, "SET autocommit = 0", POOL_NO_ARGS, err);
    pool_result_free(result);
    return result != NULL;
}

static void an_init_callback_that_switches_it_off_loses_nothing(void **state)
{
    (void)state;
    make_table();
    make_pool_with((struct pool_options){.init = switch_it_off});
    assert_everything_stays();
}

static void what_the_init_did_without_it_stays(void **state)
{
    (void)state;
    static const char *const init[] = {INSERT, NULL};
    make_table();
    make_pool_with((struct pool_options){.no_autocommit = true, .init_sql = init});
    struct pool_conn conn = borrow();
    assert_rows(1);
    assert_true(pool_conn_release(conn, NULL));
}

static void text_commits_as_prepared_statements_do(void **state)
{
    (void)state;
    make_table();
    make_pool_with((struct pool_options){.no_autocommit = true, .no_prepare = true});
    assert_everything_stays();
}

static bool see_row(struct pool_result *row, void *arg)
{
    (void)row;
    return *(const bool *)arg;
}

static void a_stream_commits(void **state)
{
    (void)state;
    bool go_on = true;
    make_pool_without();
    assert_true(pool_stream(f.pool, "INSERT INTO held VALUES (1), (2) RETURNING n", POOL_NO_ARGS,
                            see_row, &go_on, NULL));
    assert_rows(2);
}

static void a_stopped_stream_that_wrote_fails(void **state)
{
    (void)state;
    bool go_on = false;
    struct pool_error err;
    make_pool_without();
    assert_false(pool_stream(f.pool, "INSERT INTO held VALUES (1), (2) RETURNING n", POOL_NO_ARGS,
                             see_row, &go_on, &err));
    assert_refused(&err, POOL_ERR_LOST, 0);
    assert_false(err.not_executed);
    assert_rows(0);
}

static void a_stopped_stream_that_read_is_a_success(void **state)
{
    (void)state;
    bool go_on = false;
    make_pool_without();
    assert_true(
        pool_stream(f.pool, "SELECT 1 UNION SELECT 2", POOL_NO_ARGS, see_row, &go_on, NULL));
}

static void calls_with_callbacks_commit(void **state)
{
    (void)state;
    struct seen seen[4];
    make_pool_without();
    for (unsigned i = 0; i < 4; i++)
        start(INSERT, POOL_NO_ARGS, &seen[i]);
    for (unsigned i = 0; i < 4; i++) {
        assert_seen_ok(&seen[i]);
        pool_result_free(seen[i].result);
    }
    assert_rows(4);
    assert_int_equal(stats_now().pipelined, 0);
}

static void on_batch(const struct pool_error *err, struct pool_result *result, void *arg)
{
    on_result(err, result, arg);
}

static void a_batch_with_a_callback_commits(void **state)
{
    (void)state;
    struct seen seen = {.calls = 0};
    struct pool_error err;
    struct pool_value values[] = {pool_int(1), pool_int(2)};
    struct pool_batch_request request = {
        .sql = "INSERT INTO held VALUES (?)", .values = values, .rows = 2, .columns = 1};
    make_pool_without();
    assert_true(pool_batch_async_with(f.pool, &request, on_batch, &seen, NULL, &err));
    assert_seen_ok(&seen);
    pool_result_free(seen.result);
    assert_rows(2);
}

/* The second chunk of a batch has a value that is no number. */
static void chunks_before_the_one_that_fails_stay(void **state)
{
    (void)state;
    static char long_text[3000];
    struct pool_error err;
    struct pool_value values[4];
    memset(long_text, '0', sizeof long_text - 1);
    for (int i = 0; i < 4; i++)
        values[i] = pool_text(i == 3 ? "none" : long_text);
    make_table();
    make_pool_with((struct pool_options){.no_autocommit = true, .max_packet_bytes = 8192});
    assert_null(pool_batch(f.pool, "INSERT INTO held VALUES (?)", values, 4, 1, &err));
    assert_true(err.server_errno == 1366);
    assert_rows(2);
}

static void a_commit_that_fails_is_the_error_of_the_call(void **state)
{
    (void)state;
    make_pool_without();
    struct outcome outcome = run_within("XA START 'mine'", 0);
    assert_false(outcome.ok);
    assert_refused(&outcome.err, POOL_ERR_SERVER, 1399);
    assert_non_null(strstr(outcome.err.message, "its commit failed"));
    assert_false(outcome.err.not_executed);
}

static void on_a_handle_the_program_commits(void **state)
{
    (void)state;
    struct pool_error err;
    make_pool_without();
    struct pool_conn conn = borrow();
    assert_true(did(conn, INSERT, &err));
    assert_rows(0);
    assert_true(pool_conn_commit(conn, &err));
    assert_rows(1);
    assert_true(did(conn, INSERT, &err));
    assert_true(pool_conn_release(conn, NULL));
    must("SELECT 1"); /* has waited for the reset */
    assert_rows(1);
}

static void a_batch_on_a_handle_is_part_of_its_transaction(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_value values[] = {pool_int(1), pool_int(2)};
    struct pool_batch_request request = {.sql = "INSERT INTO held VALUES (?)",
                                         .values = values,
                                         .rows = 2,
                                         .columns = 1,
                                         .atomic = true};
    make_pool_without();
    struct pool_conn conn = borrow();
    struct pool_result *result = pool_conn_batch_with(conn, &request, &err);
    assert_non_null(result);
    pool_result_free(result);
    assert_rows(0);
    assert_true(pool_conn_rollback(conn, &err));
    pool_conn_release(conn, NULL);
    assert_rows(0);
}

static void what_a_routine_leaves_open_is_committed(void **state)
{
    (void)state;
    make_table();
    admin_does(f.admin,
               "CREATE OR REPLACE PROCEDURE opens() BEGIN START TRANSACTION; " INSERT "; END");
    make_pool_with((struct pool_options){0});
    must("CALL opens()");
    assert_rows(1);
    struct pool_error err;
    struct pool_conn conn = borrow();
    assert_true(did(conn, "CALL opens()", &err)); /* there it is the program's affair */
    assert_true(pool_conn_release(conn, NULL));
    must("SELECT 1");
    assert_rows(1);
    admin_does(f.admin, "DROP PROCEDURE opens");
}

static void so_is_what_one_of_several_statements_leaves_open(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_options options = app_options();
    struct pool_request request = {.sql = "START TRANSACTION; " INSERT, .text = true};
    make_table();
    options.multi_statements = true;
    make_pool(options);
    struct pool_result *result = pool_query_with(f.pool, &request, &err);
    assert_non_null(result);
    pool_result_free(result);
    assert_rows(1);
}

static void one_statement_that_switches_it_off_is_undone_by_the_reset(void **state)
{
    (void)state;
    make_table();
    make_pool_with((struct pool_options){0});
    must("SET autocommit = 0");
    must(INSERT);
    assert_rows(1);
    assert_int_equal(stats_now().resets, 1);
}

static void a_url_says_it_too(void **state)
{
    (void)state;
    struct pool_options options;
    void *memory;
    assert_true(pool_options_from_url("mysql://u@h/?autocommit=false", &options, &memory, NULL));
    assert_true(options.no_autocommit);
    free(memory);
}

static int tear_down(void **state)
{
    (void)state;
    ask(f.admin, "SET GLOBAL autocommit = 1, GLOBAL init_connect = ''", NULL, 0);
    end_fixture();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_fixture, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_server_without_autocommit_loses_nothing),
        TEST(an_init_connect_that_switches_it_off_loses_nothing),
        TEST(a_reset_switches_it_on_again),
        TEST(the_option_switches_it_off),
        TEST(without_it_calls_of_one_statement_commit),
        TEST(an_init_sql_that_switches_it_off_loses_nothing),
        TEST(an_init_callback_that_switches_it_off_loses_nothing),
        TEST(what_the_init_did_without_it_stays),
        TEST(text_commits_as_prepared_statements_do),
        TEST(a_stream_commits),
        TEST(a_stopped_stream_that_wrote_fails),
        TEST(a_stopped_stream_that_read_is_a_success),
        TEST(calls_with_callbacks_commit),
        TEST(a_batch_with_a_callback_commits),
        TEST(chunks_before_the_one_that_fails_stay),
        TEST(a_commit_that_fails_is_the_error_of_the_call),
        TEST(on_a_handle_the_program_commits),
        TEST(a_batch_on_a_handle_is_part_of_its_transaction),
        TEST(what_a_routine_leaves_open_is_committed),
        TEST(so_is_what_one_of_several_statements_leaves_open),
        TEST(one_statement_that_switches_it_off_is_undone_by_the_reset),
        TEST(a_url_says_it_too),
    };
    return server_suite_main(argc, argv, tests);
}
