/*
 * pool_batch where rows go one by one, or as text: what comes out is the same. See batches.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "batches.h"
#include "suite.h"

static void make_text_pool(void)
{
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.no_prepare = true;
    make_pool(options);
}

static void without_bulk_rows_go_one_by_one(void **state)
{
    (void)state;
    no_bulk = true;
    make_pool_of_one(NULL);
    fill_and_check();
    assert_int_equal(stats_now().prepares, 1);
}

static void without_pipelining_too(void **state)
{
    (void)state;
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.pipeline_depth = 1;
    no_bulk = true;
    make_pool(options);
    fill_and_check();
}

static void without_preparing_rows_go_as_text(void **state)
{
    (void)state;
    make_text_pool();
    fill_and_check();
    assert_int_equal(stats_now().prepares, 0);
}

static void a_server_without_room_for_statements_gets_text(void **state)
{
    (void)state;
    long before = admin_asks(f.admin, "SELECT @@GLOBAL.max_prepared_stmt_count");
    make_pool_of_one(NULL);
    must("DO 1"); /* the pool has read the limit */
    make_pairs_table();
    admin_does(f.admin, "SET GLOBAL max_prepared_stmt_count = 0");
    struct pool_value *values = new_pairs(0, 10);
    struct pool_error err;
    struct pool_result *result = pool_batch(f.pool, insert, values, 10, 2, &err);
    admin_does(f.admin, "SET GLOBAL max_prepared_stmt_count = %ld", before);
    free(values);
    need(result, &err);
    assert_int_equal(pool_affected_rows(result), 10);
    pool_result_free(result);
    assert_rows(10);
}

static const char insert_select[] = "INSERT INTO held SELECT ?, ?";

static void a_statement_that_is_refused_in_bulk_is_remembered(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    for (int i = 0; i < 3; i++) {
        struct pool_value *values = new_pairs(10 * i, 10);
        assert_int_equal(batch(insert_select, values, 10, 2), 10);
        free(values);
    }
    assert_rows(30);
    assert_int_equal(stats_now().prepares, 1);
}

static void one_by_one_the_row_that_failed_is_named(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_error err = fail_in_the_middle(insert_select, 1500, false);
    assert_says(&err, POOL_ERR_SERVER, "row 1500 of 2500: Duplicate");
    assert_says(&err, POOL_ERR_SERVER, "rows 1 to 1000 were executed");
    assert_rows(1000);
}

static void one_by_one_an_atomic_batch_is_atomic(void **state)
{
    (void)state;
    make_text_pool();
    make_pairs_table();
    struct pool_error err = fail_in_the_middle(insert, 1500, true);
    assert_says(&err, POOL_ERR_SERVER, "none was executed");
    assert_rows(0);
}

static void one_by_one_returned_rows_come_in_one_set(void **state)
{
    (void)state;
    struct pool_error err;
    no_bulk = true;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 100);
    struct pool_result *rows =
        pool_batch(f.pool, "INSERT INTO held VALUES (?, ?) RETURNING v", values, 100, 2, &err);
    free(values);
    need(rows, &err);
    for (int i = 0; i < 100; i++) {
        assert_true(pool_next(rows));
        assert_int_equal(pool_get_int(rows, 0), i);
    }
    assert_false(pool_next(rows) || pool_next_set(rows));
    pool_result_free(rows);
}

/* The last row is a chunk of its own, and one too many for the result. */
static void a_row_that_was_executed_and_cannot_be_kept_is_not_called_undone(void **state)
{
    enum { KEPT = 1000 };
    (void)state;
    struct pool_error err;
    struct pool_options options = app_options();
    options.no_prepare = true;
    options.max_rows = KEPT;
    make_pool(options);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, KEPT + 1);
    assert_null(pool_batch(f.pool, "INSERT INTO held VALUES (?, ?) RETURNING v", values, KEPT + 1,
                           2, &err));
    free(values);
    assert_refused(&err, POOL_ERR_TOO_BIG, 0);
    assert_false(err.not_executed);
    assert_non_null(strstr(err.message, "rows 1 to 1000 were executed, and perhaps these"));
    assert_rows(KEPT + 1);
}

static void one_by_one_a_batch_ends_at_its_deadline(void **state)
{
    (void)state;
    no_bulk = true;
    make_pool_of_one(NULL);
    make_pairs_table();
    admin_does(f.admin, "LOCK TABLES mypool.held WRITE");
    struct pool_value *values = new_pairs(0, 10);
    struct pool_batch_request request = pairs_request(values, 10);
    request.timeout_ms = 200;
    struct pool_error err = failure_of_batch(&request);
    free(values);
    assert_says(&err, POOL_ERR_QUERY_TIMEOUT, "undone, if the tables have transactions");
    admin_does(f.admin, "UNLOCK TABLES");
    assert_within(GENEROUS, works(&err));
    assert_rows(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_batch, tear_down_batch)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(without_bulk_rows_go_one_by_one),
        TEST(without_pipelining_too),
        TEST(without_preparing_rows_go_as_text),
        TEST(a_server_without_room_for_statements_gets_text),
        TEST(a_statement_that_is_refused_in_bulk_is_remembered),
        TEST(one_by_one_the_row_that_failed_is_named),
        TEST(one_by_one_an_atomic_batch_is_atomic),
        TEST(one_by_one_returned_rows_come_in_one_set),
        TEST(a_row_that_was_executed_and_cannot_be_kept_is_not_called_undone),
        TEST(one_by_one_a_batch_ends_at_its_deadline),
    };
    return server_suite_main(argc, argv, tests);
}
