/*
 * pool_batch: many rows, one call: how many go at once, what comes back, what is refused, and how
 * it goes together with the rest of the pool. See batches.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "batches.h"
#include "suite.h"

/* ---- many ---- */

static void a_hundred_thousand_rows_of_four_columns_arrive(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    admin_does(f.admin,
               "CREATE TABLE mypool.held (a INT, b VARCHAR(20), c DOUBLE, d DECIMAL(9,2))");
    struct pool_value *values = new_values(MANY * 4);
    for (int i = 0; i < MANY; i++) {
        values[4 * i] = pool_int(i);
        values[4 * i + 1] = i % 3 ? pool_text("some text") : pool_null();
        values[4 * i + 2] = pool_double(i / 2.0);
        values[4 * i + 3] = pool_decimal("1.25");
    }
    assert_int_equal(batch("INSERT INTO held VALUES (?, ?, ?, ?)", values, MANY, 4), MANY);
    free(values);
    assert_rows(MANY);
    assert_sum("SELECT COUNT(DISTINCT a) FROM mypool.held WHERE c = a / 2", MANY);
    assert_sum("SELECT SUM(d) FROM mypool.held WHERE b IS NULL", 33334 * 5 / 4);
}

static void a_batch_bigger_than_a_packet_goes_in_several(void **state)
{
    (void)state;
    struct progress progress = {0};
    make_small_packet_pool();
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 2 * SOME);
    struct pool_batch_request request = pairs_request(values, 2 * SOME);
    struct pool_error err;
    request.progress = on_progress;
    request.progress_arg = &progress;
    struct pool_result *result = pool_batch_with(f.pool, &request, &err);
    need(result, &err);
    assert_int_equal(pool_affected_rows(result), 2 * SOME);
    pool_result_free(result);
    free(values);
    assert_true(progress.calls > 3 && progress.in_order);
    assert_rows(2 * SOME);
}

static void the_servers_limit_of_a_packet_is_kept(void **state)
{
    (void)state;
    long before = admin_asks(f.admin, "SELECT @@GLOBAL.max_allowed_packet");
    admin_does(f.admin, "SET GLOBAL max_allowed_packet = 8192");
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_error err;
    struct pool_result *result = pool_batch(f.pool, insert, values, SOME, 2, &err);
    admin_does(f.admin, "SET GLOBAL max_allowed_packet = %ld", before);
    need(result, &err);
    pool_result_free(result);
    free(values);
    assert_rows(SOME);
}

static void a_row_bigger_than_a_packet_is_refused_by_its_number(void **state)
{
    (void)state;
    make_small_packet_pool();
    make_pairs_table();
    char big[17000];
    memset(big, 'x', sizeof big);
    struct pool_value *values = new_pairs(0, SOME);
    values[2 * 2000 + 1] = pool_text_n(big, sizeof big);
    struct pool_batch_request request = pairs_request(values, SOME);
    struct pool_error err = failure_of_batch(&request);
    free(values);
    assert_says(&err, POOL_ERR_TOO_BIG, "row 2001 takes 170");
    assert_true(err.not_executed);
    assert_rows(0);
    assert_true(works(&err));
}

/* Rows of (n, text), all of the size that fills a packet but for `slack` bytes. */
static bool row_goes_with_slack(size_t slack, struct pool_error *err)
{
    char big[16384];
    size_t len = 16384 - 1 - 1 - (6 + 2 * 2) - (1 + 8) - (1 + 3) - slack;
    memset(big, 'x', len);
    struct pool_value values[] = {pool_int((int)slack), pool_text_n(big, len)};
    struct pool_result *result =
        pool_batch(f.pool, "INSERT INTO held VALUES (?, ?)", values, 1, 2, err);
    pool_result_free(result);
    return result != NULL;
}

static void a_row_may_fill_a_packet_to_its_last_byte(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT, v TEXT)");
    if (!row_goes_with_slack(0, &err))
        fail_with("slack 0", &err);
    assert_true(row_goes_with_slack(1, &err));
    assert_false(row_goes_with_slack((size_t)-1, &err));
    assert_int_equal(err.code, POOL_ERR_TOO_BIG);
    assert_rows(2);
}

/* ---- what comes back ---- */

static void the_first_insert_id_is_told(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_int(7), pool_int(8), pool_int(9)};
    struct pool_error err;
    make_pool_of_one(NULL);
    admin_does(f.admin, "CREATE TABLE mypool.held (id INT AUTO_INCREMENT PRIMARY KEY, v INT) "
                        "AUTO_INCREMENT = 40");
    for (int bulk = 1; bulk >= 0; bulk--) {
        no_bulk = !bulk;
        struct pool_result *result =
            pool_batch(f.pool, "INSERT INTO held (v) VALUES (?)", values, 3, 1, &err);
        need(result, &err);
        assert_in_range(pool_insert_id(result), bulk ? 40 : 43, bulk ? 40 : 50);
        assert_int_equal(pool_affected_rows(result), 3);
        pool_result_free(result);
    }
}

static void updates_count_what_they_matched_and_deletes_what_they_removed(void **state)
{
    (void)state;
    struct pool_value set[] = {pool_int(50), pool_int(0), pool_int(1),
                               pool_int(1),  pool_int(2), pool_int(99)};
    struct pool_value gone[] = {pool_int(0), pool_int(2), pool_int(77)};
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 3);
    batch(insert, values, 3, 2);
    free(values);
    assert_int_equal(batch("UPDATE held SET v = ? WHERE n = ?", set, 3, 2), 2);
    assert_sum("SELECT v FROM mypool.held WHERE n = 0", 50);
    assert_int_equal(batch("DELETE FROM held WHERE n = ?", gone, 3, 1), 2);
    assert_rows(1);
}

static void replaced_rows_count_twice(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 4);
    assert_int_equal(batch("REPLACE INTO held VALUES (?, ?)", values, 3, 2), 3);
    assert_int_equal(batch("REPLACE INTO held VALUES (?, ? + 1)", values, 4, 2), 7);
    free(values);
}

static void returned_rows_come_in_one_set(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_result *rows =
        pool_batch(f.pool, "INSERT INTO held VALUES (?, ?) RETURNING n, v", values, SOME, 2, &err);
    free(values);
    need(rows, &err);
    assert_int_equal(pool_row_count(rows), SOME);
    assert_int_equal(pool_affected_rows(rows), SOME);
    int64_t next = 0;
    for (; pool_next(rows); next++)
        assert_int_equal(pool_get_int(rows, 0), next);
    assert_int_equal(next, SOME);
    assert_false(pool_next_set(rows));
    pool_result_free(rows);
}

static void warnings_are_counted(void **state)
{
    (void)state;
    struct pool_error err;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value values[] = {pool_int(1), pool_int(0), pool_int(1), pool_int(0)};
    struct pool_result *result =
        pool_batch(f.pool, "INSERT IGNORE INTO held VALUES (?, ?)", values, 2, 2, &err);
    need(result, &err);
    assert_int_equal(pool_affected_rows(result), 1);
    assert_int_equal(pool_warning_count(result), 1);
    pool_result_free(result);
}

static void no_rows_send_nothing(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    assert_int_equal(batch(insert, NULL, 0, 2), 0);
    assert_int_equal(stats_now().opened + stats_now().connecting, 0);
}

/* ---- wrong input ---- */

static void assert_invalid(struct pool_batch_request request, const char *part)
{
    struct pool_error err = failure_of_batch(&request);
    assert_says(&err, POOL_ERR_INVALID, part);
    assert_true(err.not_executed);
}

static void assert_value_refused(struct pool_value value, const char *part)
{
    struct pool_value values[] = {pool_int(1), pool_int(2), pool_int(3), value};
    assert_invalid(pairs_request(values, 2), part);
}

static void wrong_values_are_named_by_row_and_column(void **state)
{
    (void)state;
    struct pool_value one = pool_int(1);
    struct pool_time bad = {.type = POOL_TYPE_TIME, .hour = 900};
    make_pool_of_one(NULL);
    assert_value_refused(pool_list(&one, 1), "row 2, column 2 is a list");
    assert_value_refused(pool_named("x", one), "row 2, column 2 has a name");
    assert_value_refused(pool_text("ab\xff"), "row 2, column 2 is not UTF-8 from byte 2");
    assert_value_refused(pool_double(1.0 / 0.0), "row 2, column 2 is infinite");
    assert_value_refused(pool_decimal("x"), "row 2, column 2 is not a decimal");
    assert_value_refused(pool_time(bad), "row 2, column 2 has an hour");
    assert_value_refused(pool_bytes(NULL, 3), "row 2, column 2 has a length but no data");
    assert_value_refused((struct pool_value){.type = POOL_TYPE_FLOAT},
                         "row 2, column 2 is a FLOAT");
    assert_int_equal(stats_now().opened + stats_now().connecting, 0);
}

static void wrong_statements_are_refused(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_int(1), pool_int(2)};
    struct pool_batch_request request = {.values = values, .rows = 1, .columns = 2};
    make_pool_of_one(NULL);
    assert_invalid(request, "the SQL is NULL");
    request.sql = "SELECT ?, ?";
    assert_invalid(request, "a batch takes an INSERT, REPLACE, UPDATE or DELETE, not 'SELECT'");
    request.sql = "INSERT INTO held VALUES (:a, :b)";
    assert_invalid(request, "placeholders, not :name");
    request.sql = "DELETE FROM held WHERE n = ?; DELETE FROM held WHERE v = ?";
    assert_invalid(request, "single statement");
    request.sql = "INSERT INTO held VALUES (?, '?')";
    assert_invalid(request, "the statement has 1 placeholder but the rows have 2 columns");
    request.columns = 0;
    assert_invalid(request, "at least one column");
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    struct pool_error err;
    make_pool_of_one(NULL);
    assert_null(pool_batch_with(f.pool, NULL, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_null(pool_batch(NULL, insert, NULL, 0, 2, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_null(pool_batch(f.pool, insert, NULL, 1, 2, NULL));
    assert_invalid(pairs_request(NULL, SIZE_MAX / 2), "more than memory has");
}

/* ---- the rest of the pool ---- */

static void make_pool_of(const char *variable)
{
    struct pool_error err;
    f.pool = pool_create_url(getenv(variable), &err);
    if (!f.pool)
        fail_with(variable, &err);
}

static void a_batch_goes_over_tls(void **state)
{
    (void)state;
    make_pool_of("MYPOOL_TLS_URL");
    fill_and_check();
}

static void a_batch_goes_over_a_unix_socket(void **state)
{
    (void)state;
    make_pool_of("MYPOOL_SOCKET_URL");
    fill_and_check();
}

static void a_big_batch_with_a_callback_goes_over_tls(void **state)
{
    (void)state;
    static struct answer answer;
    answer = (struct answer){0};
    make_pool_of("MYPOOL_TLS_URL");
    make_pairs_table();
    struct pool_value *values = new_pairs(0, MANY);
    struct pool_batch_request request = pairs_request(values, MANY);
    run_async(&request, &answer, NULL);
    free(values);
    assert_within(GENEROUS, atomic_load(&answer.calls) == 1);
    assert_int_equal(answer.affected, MANY);
    assert_rows(MANY);
}

static void a_batch_leaves_the_session_clean(void **state)
{
    (void)state;
    make_small_packet_pool();
    fill_and_check();
    struct pool_value *values = new_pairs(0, SOME);
    batch("UPDATE held SET v = ? WHERE n = ?", values, SOME, 2);
    free(values);
    struct pool_stats stats = stats_now();
    assert_int_equal(stats.resets, 0);
    assert_int_equal(stats.opened, 1);
}

static void a_statement_is_prepared_once_for_batches_and_queries(void **state)
{
    (void)state;
    struct pool_error err;
    make_pool_of_one(NULL);
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT, v VARCHAR(40))");
    struct pool_value *values = new_pairs(0, 10);
    for (int i = 0; i < 3; i++) {
        batch(insert, values, 10, 2);
        struct pool_result *one =
            pool_query(f.pool, insert, POOL_ARGS(-1, "text, not a number"), &err);
        need(one, &err);
        pool_result_free(one);
    }
    free(values);
    assert_int_equal(stats_now().prepares, 1);
    assert_sum("SELECT COUNT(*) FROM mypool.held WHERE v = 'text, not a number'", 3);
}

static struct seen {
    unsigned queries, acquires, releases;
    enum pool_code code;
} seen;

static void on_query(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                     enum pool_code code, void *arg)
{
    (void)digest, (void)elapsed_ns, (void)rows, (void)arg;
    seen.queries += label && strcmp(label, "the batch") == 0;
    seen.code = code;
}

static void on_acquire(uint64_t waited_ns, void *arg)
{
    (void)waited_ns, (void)arg;
    seen.acquires++;
}

static void on_release(uint64_t held_ns, void *arg)
{
    (void)held_ns, (void)arg;
    seen.releases++;
}

static void a_batch_is_one_call_to_hooks_and_statistics(void **state)
{
    (void)state;
    struct pool_options options = app_options();
    seen = (struct seen){0};
    options.max_packet_bytes = 16384;
    options.hooks.on_query = on_query;
    options.hooks.on_acquire = on_acquire;
    options.hooks.on_release = on_release;
    make_pool(options);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_batch_request request = pairs_request(values, SOME);
    request.label = "the batch";
    pool_result_free(pool_batch_with(f.pool, &request, NULL));
    struct pool_error err = failure_of_batch(&request);
    free(values);
    assert_int_equal(err.server_errno, 1062);
    assert_true(seen.queries == 2 && seen.acquires == 2 && seen.releases == 2);
    assert_int_equal(seen.code, POOL_ERR_SERVER);
    struct pool_stats stats = stats_now();
    assert_true(stats.queries == 2 && stats.query_errors == 1);
    assert_true(stats.acquired == 2 && stats.released == 2 && stats.in_use == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_batch, tear_down_batch)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_hundred_thousand_rows_of_four_columns_arrive),
        TEST(a_batch_bigger_than_a_packet_goes_in_several),
        TEST(the_servers_limit_of_a_packet_is_kept),
        TEST(a_row_bigger_than_a_packet_is_refused_by_its_number),
        TEST(a_row_may_fill_a_packet_to_its_last_byte),
        TEST(the_first_insert_id_is_told),
        TEST(updates_count_what_they_matched_and_deletes_what_they_removed),
        TEST(replaced_rows_count_twice),
        TEST(returned_rows_come_in_one_set),
        TEST(warnings_are_counted),
        TEST(no_rows_send_nothing),
        TEST(wrong_values_are_named_by_row_and_column),
        TEST(wrong_statements_are_refused),
        TEST(wrong_arguments_are_refused),
        TEST(a_batch_goes_over_tls),
        TEST(a_batch_goes_over_a_unix_socket),
        TEST(a_big_batch_with_a_callback_goes_over_tls),
        TEST(a_batch_leaves_the_session_clean),
        TEST(a_statement_is_prepared_once_for_batches_and_queries),
        TEST(a_batch_is_one_call_to_hooks_and_statistics),
    };
    return server_suite_main(argc, argv, tests);
}
