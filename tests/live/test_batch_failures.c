/*
 * pool_batch when something fails in the middle: what is undone, what stays and what is said of it,
 * with and without a transaction of the program around it. See batches.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "batches.h"
#include "suite.h"

#include <stdio.h>

/* ---- failures in the middle ---- */

static void a_duplicate_key_undoes_its_chunk_alone(void **state)
{
    (void)state;
    unsigned long kept = 0;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_error err = fail_in_the_middle(insert, 1500, false);
    assert_says(&err, POOL_ERR_SERVER, "Duplicate entry '0'");
    const char *told = strstr(err.message, "rows 1 to ");
    assert_non_null(told);
    assert_int_equal(sscanf(told, "rows 1 to %lu were executed", &kept), 1);
    assert_in_range(kept, 1, 1499);
    assert_rows((long)kept);
}

static void a_duplicate_key_undoes_an_atomic_batch(void **state)
{
    (void)state;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_error err = fail_in_the_middle(insert, 1500, true);
    assert_says(&err, POOL_ERR_SERVER, "none was executed");
    assert_rows(0);
    assert_true(works(&err));
}

static void an_atomic_batch_of_one_chunk_is_one_statement(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_error err = fail_in_the_middle(insert, 3, true);
    assert_says(&err, POOL_ERR_SERVER, "undone, if the tables have transactions");
    assert_rows(0);
}

static void an_update_that_fails_undoes_its_chunk(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 5);
    batch(insert, values, 5, 2);
    values[2 * 3 + 1] = pool_int(0); /* row 4 gives the row of the key 0 the number 3 */
    struct pool_batch_request request = pairs_request(values, 5);
    request.sql = "UPDATE held SET n = ?, v = 100 WHERE n = ?";
    struct pool_error err = failure_of_batch(&request);
    free(values);
    assert_int_equal(err.server_errno, 1062);
    assert_says(&err, POOL_ERR_SERVER, "rows 1 to 5 of 5: ");
    assert_sum("SELECT COUNT(*) FROM mypool.held WHERE n = v", 5);
}

static void a_statement_with_an_error_is_not_executed(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    struct pool_value values[] = {pool_int(1), pool_int(2)};
    struct pool_batch_request request = pairs_request(values, 1);
    request.sql = "INSERT INTO held VALUES (?, ?,)";
    struct pool_error err = failure_of_batch(&request);
    assert_int_equal(err.server_errno, 1064);
    assert_true(err.not_executed);
}

static void nor_is_it_one_by_one(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value values[] = {pool_int(1), pool_int(2), pool_int(3), pool_int(4)};
    struct pool_batch_request request = pairs_request(values, 2);
    request.sql = "INSERT INTO held VALUES (? + 1, ?,)";
    struct pool_error err = failure_of_batch(&request);
    assert_int_equal(err.server_errno, 1064);
    assert_says(&err, POOL_ERR_SERVER, "; none was executed");
    assert_true(err.not_executed);
    request.sql = "INSERT INTO held VALUES (? - ?, 1)";
    assert_int_equal(failure_of_batch(&request).server_errno, 1062);
    request.sql = "INSERT INTO held VALUES (1 + ?, POW(?, 1e9))";
    assert_false(failure_of_batch(&request).not_executed);
}

/* ---- time, death and the program's own will ---- */

static void a_batch_ends_at_its_deadline(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 10);
    struct pool_batch_request request = pairs_request(values, 10);
    request.timeout_ms = 200;
    unsigned long id = id_of_next();
    admin_does(f.admin, "LOCK TABLES mypool.held WRITE");
    uint64_t begin = now_ms();
    struct pool_error err = failure_of_batch(&request);
    assert_in_range(now_ms() - begin, 150, 5000);
    free(values);
    assert_says(&err, POOL_ERR_QUERY_TIMEOUT, "they may have been executed");
    assert_true(err.fatal && !err.not_executed);
    assert_within(GENEROUS, is_gone(f.admin, id));
    admin_does(f.admin, "UNLOCK TABLES");
    assert_within(GENEROUS, works(&err));
    assert_rows(0);
}

static void each_chunk_has_the_time_of_a_statement(void **state)
{
    (void)state;
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.query_timeout_ms = 200;
    make_pool(options);
    make_pairs_table();
    admin_does(f.admin, "LOCK TABLES mypool.held WRITE");
    struct pool_value *values = new_pairs(0, 10);
    struct pool_batch_request request = pairs_request(values, 10);
    struct pool_error err = failure_of_batch(&request);
    free(values);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
}

struct killer {
    unsigned long id;
    size_t done;
};

static bool kill_and_go_on(size_t done, size_t rows, void *arg)
{
    struct killer *killer = arg;
    (void)rows;
    killer->done = done;
    char sql[64];
    snprintf(sql, sizeof sql, "KILL %lu", killer->id);
    return ask(f.admin, sql, NULL, 0) && WITHIN(GENEROUS, is_gone(f.admin, killer->id));
}

static struct pool_error kill_in_the_middle(bool atomic, size_t *ret_done)
{
    struct killer killer = {.id = id_of_next()};
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_batch_request request = pairs_request(values, SOME);
    request.atomic = atomic;
    request.progress = kill_and_go_on;
    request.progress_arg = &killer;
    struct pool_error err = failure_of_batch(&request);
    free(values);
    *ret_done = killer.done;
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_false(err.not_executed);
    return err;
}

static void a_connection_killed_between_chunks_leaves_those_before(void **state)
{
    (void)state;
    size_t done;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_error err = kill_in_the_middle(false, &done);
    assert_true(strstr(err.message, "were executed") != NULL);
    assert_within(GENEROUS, works(&err));
    assert_rows((long)done);
}

static void a_connection_killed_in_an_atomic_batch_leaves_nothing(void **state)
{
    (void)state;
    size_t done;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_error err = kill_in_the_middle(true, &done);
    assert_says(&err, POOL_ERR_LOST, "undone, if the tables have transactions");
    assert_within(GENEROUS, works(&err));
    assert_rows(0);
}

static void a_connection_that_died_before_is_exchanged(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    unsigned long id = id_of_next();
    admin_does(f.admin, "KILL %lu", id);
    struct pool_value *values = new_pairs(0, 10);
    assert_int_equal(batch(insert, values, 10, 2), 10);
    free(values);
    assert_rows(10);
}

static size_t stop_in_the_middle(bool atomic, struct pool_error *err)
{
    struct progress progress = {.stop_at = 2};
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_batch_request request = pairs_request(values, SOME);
    request.atomic = atomic;
    request.progress = on_progress;
    request.progress_arg = &progress;
    *err = failure_of_batch(&request);
    free(values);
    assert_int_equal(err->code, POOL_ERR_CANCELLED);
    assert_int_equal(progress.calls, 2);
    return progress.last;
}

static void the_progress_function_can_stop_a_batch(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    make_pairs_table();
    size_t done = stop_in_the_middle(false, &err);
    assert_true(strstr(err.message, "were executed") != NULL);
    assert_rows((long)done);
    assert_int_equal(stats_now().closed, 0);
}

static void a_stopped_atomic_batch_leaves_nothing(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    make_pairs_table();
    stop_in_the_middle(true, &err);
    assert_says(&err, POOL_ERR_CANCELLED, "none was executed");
    assert_rows(0);
    assert_int_equal(stats_now().closed, 0);
}

/* ---- tables without transactions ---- */

static struct pool_error fail_at_third_of_four(void)
{
    struct pool_value values[] = {pool_int(1), pool_int(0), pool_int(2), pool_int(0),
                                  pool_int(1), pool_int(0), pool_int(4), pool_int(0)};
    struct pool_batch_request request = pairs_request(values, 4);
    make_pool_of_one(NULL);
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT PRIMARY KEY, v INT) ENGINE = MyISAM");
    struct pool_error err = failure_of_batch(&request);
    assert_int_equal(err.server_errno, 1062);
    assert_false(err.not_executed);
    /* One by one the last row is on its way when the third fails. */
    assert_in_range(admin_asks(f.admin, "SELECT COUNT(*) FROM mypool.held"), 2, no_bulk ? 3 : 2);
    return err;
}

static void a_failed_packet_is_not_said_to_be_undone_without_transactions(void **state)
{
    (void)state;
    struct pool_error err = fail_at_third_of_four();
    assert_says(&err, POOL_ERR_SERVER, "; undone, if the tables have transactions");
}

static void what_could_not_be_undone_is_told(void **state)
{
    (void)state;
    no_bulk = true;
    struct pool_error err = fail_at_third_of_four();
    assert_says(&err, POOL_ERR_SERVER, "row 3 of 4: ");
    assert_says(&err, POOL_ERR_SERVER, "; undone, but not in tables without transactions");
}

static void what_stays_of_a_later_chunk_is_told_too(void **state)
{
    (void)state;
    no_bulk = true;
    make_pool_of_one(NULL);
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT PRIMARY KEY, v INT) ENGINE = MyISAM");
    struct pool_error err = fail_in_the_middle(insert, 1500, false);
    assert_says(&err, POOL_ERR_SERVER,
                "; rows 1 to 1000 were executed, and some of these in tables without transactions");
    assert_in_range(admin_asks(f.admin, "SELECT COUNT(*) FROM mypool.held"), 1499, SOME);
}

/* ---- on a borrowed connection ---- */

static struct pool_result *conn_batch(struct pool_conn conn, struct pool_value *values, size_t rows,
                                      bool atomic, struct pool_error *err)
{
    struct pool_batch_request request = pairs_request(values, rows);
    request.atomic = atomic;
    struct pool_result *result = pool_conn_batch_with(conn, &request, err);
    free(values);
    return result;
}

static void a_batch_is_part_of_an_open_transaction(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    for (int atomic = 0; atomic < 2; atomic++) {
        struct pool_result *result =
            conn_batch(conn, new_pairs(atomic * SOME, SOME), SOME, atomic, &err);
        need(result, &err);
        pool_result_free(result);
    }
    assert_int_equal(number(conn, "SELECT COUNT(*) FROM held"), 2 * SOME);
    assert_rows(0);
    assert_true(pool_conn_rollback(conn, &err));
    assert_true(pool_conn_release(conn, &err));
    assert_rows(0);
}

static void a_failed_atomic_batch_leaves_the_rest_of_the_transaction(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, "INSERT INTO held VALUES (2400, 0)", &err));
    assert_null(conn_batch(conn, new_pairs(0, SOME), SOME, true, &err));
    assert_int_equal(err.server_errno, 1062);
    assert_says(&err, POOL_ERR_SERVER, "none was executed");
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, &err));
    assert_rows(1);
}

static void a_batch_on_a_handle_commits_for_itself(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_conn conn = borrow();
    struct pool_result *result = conn_batch(conn, new_pairs(0, SOME), SOME, true, &err);
    need(result, &err);
    pool_result_free(result);
    assert_rows(SOME);
    assert_true(pool_conn_begin(conn, &err)); /* none is open */
    assert_true(pool_conn_release(conn, &err));
}

static void a_batch_on_a_stale_handle_is_refused(void **state)
{
    (void)state;
    struct pool_error err;
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    assert_true(pool_conn_release(conn, &err));
    assert_null(conn_batch(conn, new_pairs(0, 1), 1, false, &err));
    assert_int_equal(err.code, POOL_ERR_STALE);
    assert_null(conn_batch(conn, new_pairs(0, 1), 0, false, &err));
    assert_int_equal(err.code, POOL_ERR_STALE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_batch, tear_down_batch)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_duplicate_key_undoes_its_chunk_alone),
        TEST(a_duplicate_key_undoes_an_atomic_batch),
        TEST(an_atomic_batch_of_one_chunk_is_one_statement),
        TEST(an_update_that_fails_undoes_its_chunk),
        TEST(a_statement_with_an_error_is_not_executed),
        TEST(nor_is_it_one_by_one),
        TEST(a_batch_ends_at_its_deadline),
        TEST(each_chunk_has_the_time_of_a_statement),
        TEST(a_connection_killed_between_chunks_leaves_those_before),
        TEST(a_connection_killed_in_an_atomic_batch_leaves_nothing),
        TEST(a_connection_that_died_before_is_exchanged),
        TEST(the_progress_function_can_stop_a_batch),
        TEST(a_stopped_atomic_batch_leaves_nothing),
        TEST(a_failed_packet_is_not_said_to_be_undone_without_transactions),
        TEST(what_could_not_be_undone_is_told),
        TEST(what_stays_of_a_later_chunk_is_told_too),
        TEST(a_batch_is_part_of_an_open_transaction),
        TEST(a_failed_atomic_batch_leaves_the_rest_of_the_transaction),
        TEST(a_batch_on_a_handle_commits_for_itself),
        TEST(a_batch_on_a_stale_handle_is_refused),
    };
    return server_suite_main(argc, argv, tests);
}
