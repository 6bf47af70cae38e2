/*
 * Streams: rows one by one in constant memory, stopped early, of changing columns; and errors in
 * the middle of rows, with and without a stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "statements.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

/* ---- streams ---- */

struct stream {
    uint64_t rows;
    uint64_t sum;
    uint64_t stop_after; /* 0: never */
    uint64_t bytes;
};

static bool take_row(struct pool_result *row, void *arg)
{
    struct stream *stream = arg;
    size_t len;
    pool_get_bytes(row, 1, &len);
    stream->rows++;
    stream->sum += pool_get_uint(row, 0);
    stream->bytes += len;
    return stream->rows != stream->stop_after;
}

static long peak_kib(void)
{
    char line[128];
    long peak = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file))
        sscanf(line, "VmHWM: %ld kB", &peak);
    fclose(file);
    return peak;
}

/* 200 MB pass; a tenth of it in memory would be a leak. */
static void a_stream_takes_constant_memory(void **state)
{
    struct stream stream = {0};
    struct pool_error err;
    assert_pool_works(*state);
    long before = peak_kib();
    assert_true(pool_stream(*state, "SELECT seq, REPEAT('x', ?) FROM seq_1_to_200000",
                            POOL_ARGS(1000), take_row, &stream, &err));
    assert_int_equal(stream.rows, 200000);
    assert_int_equal(stream.sum, UINT64_C(200000) * 200001 / 2);
    assert_int_equal(stream.bytes, 200000 * 1000);
    assert_in_range(peak_kib() - before, 0, 20 * 1024);
    assert_pool_works(*state);
}

static void a_stream_of_text_takes_constant_memory(void **state)
{
    struct stream stream = {0};
    struct pool *pool = open_pool("prepare=false");
    (void)state;
    assert_pool_works(pool);
    long before = peak_kib();
    assert_true(pool_stream(pool, "SELECT seq, REPEAT('x', ?) FROM seq_1_to_200000",
                            POOL_ARGS(1000), take_row, &stream, NULL));
    assert_int_equal(stream.rows, 200000);
    assert_in_range(peak_kib() - before, 0, 20 * 1024);
    assert_pool_works(pool);
}

static bool read_everything(struct pool_result *row, void *arg)
{
    char expected[32];
    int64_t id;
    const char *text, *number;
    struct stream *stream = arg;
    snprintf(expected, sizeof expected, "row %llu", (unsigned long long)++stream->rows);
    bool good = POOL_SCAN(row, &id, &text) && (uint64_t)id == stream->rows &&
                strcmp(text, expected) == 0 && (number = pool_get_text(row, 0)) &&
                strtoull(number, NULL, 10) == stream->rows && pool_is_null(row, 2);
    stream->bytes += good;
    return true;
}

static void a_streamed_row_can_be_read_in_every_way(void **state)
{
    struct stream stream = {0};
    for (int mode = 0; mode < 2; mode++) {
        struct pool *pool = open_pool(mode ? "prepare=false" : "");
        stream = (struct stream){0};
        assert_true(pool_stream(pool, "SELECT seq, CONCAT('row ', seq), NULL FROM seq_1_to_20000",
                                POOL_NO_ARGS, read_everything, &stream, NULL));
        assert_int_equal(stream.rows, 20000);
        assert_int_equal(stream.bytes, 20000);
    }
    (void)state;
}

static void a_stream_that_is_stopped_early_succeeds(void **state)
{
    struct pool_error err;
    for (unsigned stop = 1; stop < 1000; stop *= 3) {
        struct stream stream = {.stop_after = stop};
        assert_true(pool_stream(*state, "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_100000000",
                                POOL_NO_ARGS, take_row, &stream, &err));
        assert_int_equal(err.code, POOL_OK);
        assert_int_equal(stream.rows, stop);
        assert_pool_works(*state);
    }
}

static void a_stream_stopped_at_its_last_row_succeeds(void **state)
{
    struct stream stream = {.stop_after = 3};
    assert_true(pool_stream(*state, "SELECT seq, 'x' FROM seq_1_to_3", POOL_NO_ARGS, take_row,
                            &stream, NULL));
    assert_int_equal(stream.rows, 3);
    assert_pool_works(*state);
}

static void a_stream_of_a_statement_without_rows_succeeds(void **state)
{
    struct stream stream = {0};
    run_as_text(*state, "CREATE OR REPLACE TABLE sink (a INT)");
    assert_true(
        pool_stream(*state, "INSERT INTO sink VALUES (?)", POOL_ARGS(1), take_row, &stream, NULL));
    assert_int_equal(stream.rows, 0);
    assert_pool_works(*state);
}

static void a_stream_without_a_callback_is_refused(void **state)
{
    struct pool_error err;
    assert_false(pool_stream(*state, "SELECT 1", POOL_NO_ARGS, NULL, NULL, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
}

static void a_stream_on_a_connection_can_be_stopped(void **state)
{
    struct pool_conn conn;
    struct pool_error err;
    struct stream stream = {.stop_after = 5};
    assert_true(pool_get_connection(*state, &conn, &err));
    assert_true(pool_conn_stream(conn, "SELECT seq, 'x' FROM seq_1_to_100000000", POOL_NO_ARGS,
                                 take_row, &stream, &err));
    assert_int_equal(stream.rows, 5);
    assert_null(pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, &err));
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_string_equal(err.message,
                        "an earlier call left rows unread, which costs the connection");
    assert_true(err.fatal);
    assert_true(err.not_executed);
    assert_true(pool_conn_release(conn, &err));
    assert_pool_works(*state);
}

/* A limit on a result is for results that are kept: a stream has only its rows. */
static void a_stream_may_be_longer_than_max_result_bytes(void **state)
{
    struct pool *pool = open_pool("maxResultBytes=100000");
    struct stream stream = {0};
    (void)state;
    assert_true(pool_stream(pool, "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_5000", POOL_NO_ARGS,
                            take_row, &stream, NULL));
    assert_int_equal(stream.rows, 5000);
}

/* Sets with other columns, none, or more of them than before. */
static void a_procedure_may_be_replaced_under_a_cached_call(void **state)
{
    static const char *const bodies[] = {"SELECT 1, 2", "DO 0", "SELECT 'x'; SELECT 1, 2, 3",
                                         "SELECT 'y'", "SET @a = 1"};
    static const unsigned columns[] = {2, 0, 1, 1, 0};
    struct pool *pool = open_pool("resetPolicy=never"), *other = open_pool("");
    char sql[100];
    (void)state;
    for (unsigned i = 0; i < 25; i++) {
        unsigned body = i * 7 % 5;
        snprintf(sql, sizeof sql, "CREATE OR REPLACE PROCEDURE replaced() BEGIN %s; END",
                 bodies[body]);
        run_as_text(other, sql);
        for (int again = 0; again < 2; again++) {
            struct pool_result *result = query(pool, "CALL replaced()", POOL_NO_ARGS);
            assert_int_equal(pool_column_count(result), columns[body]);
            pool_result_free(result);
        }
    }
}

static void a_stream_sees_changed_columns(void **state)
{
    struct stream stream = {0};
    struct pool *pool = *state, *other = open_pool("");
    for (unsigned i = 0; i < 6; i++) {
        run_as_text(other,
                    i % 2 ? "CREATE OR REPLACE VIEW shape AS SELECT 5 AS a, 'text' AS b, 1 AS c"
                          : "CREATE OR REPLACE VIEW shape AS SELECT 5 AS a, 'b' AS b");
        stream = (struct stream){0};
        assert_true(
            pool_stream(pool, "SELECT * FROM shape", POOL_NO_ARGS, take_row, &stream, NULL));
        assert_int_equal(stream.rows, 1);
        assert_int_equal(stream.sum, 5);
        assert_int_equal(stream.bytes, i % 2 ? 4 : 1);
    }
}

/* ---- errors in the middle ---- */

/* The subquery has one row but for row 1000, where it has two. */
#define FAILS_IN_ROW_1000                                                                          \
    "SELECT s.seq, (SELECT t.seq FROM seq_1_to_2 t WHERE t.seq = 1 OR s.seq = 1000) "              \
    "FROM seq_1_to_2000 s"

static void an_error_in_the_middle_of_rows_fails_the_query(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = FAILS_IN_ROW_1000};
    int64_t thread = thread_of(pool);
    for (unsigned mode = 0; mode < 4; mode++) {
        request.text = mode % 2;
        struct pool_error err = failure_of(pool, &request, POOL_ERR_SERVER);
        assert_int_equal(err.server_errno, 1242);
        assert_string_equal(err.sqlstate, "21000");
        assert_false(err.fatal);
        assert_pool_works(pool);
    }
    assert_int_equal(thread_of(pool), thread);
}

static void an_error_in_the_middle_of_rows_fails_the_stream(void **state)
{
    struct pool_error err;
    for (int round = 0; round < 3; round++) {
        struct stream stream = {0};
        assert_false(pool_stream(*state, FAILS_IN_ROW_1000, POOL_NO_ARGS, take_row, &stream, &err));
        assert_int_equal(err.code, POOL_ERR_SERVER);
        assert_int_equal(err.server_errno, 1242);
        assert_int_equal(stream.rows, 999);
        assert_pool_works(*state);
    }
}

static void an_error_of_the_values_is_the_servers(void **state)
{
    struct pool *pool = *state;
    struct pool_request request = {.sql = "INSERT INTO small VALUES (?)", .args = POOL_ARGS(128)};
    run_as_text(pool, "CREATE OR REPLACE TABLE small (a TINYINT UNIQUE)");
    assert_int_equal(failure_of(pool, &request, POOL_ERR_SERVER).server_errno, 1264);
    request.args = POOL_ARGS(127);
    pool_result_free(query(pool, request.sql, request.args));
    struct pool_error err = failure_of(pool, &request, POOL_ERR_SERVER);
    assert_int_equal(err.server_errno, 1062);
    assert_string_equal(err.sqlstate, "23000");
    assert_pool_works(pool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_statements, tear_down_statements)
#define GLOBAL_TEST(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, set_up_statements, tear_down_server_globals)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stream_takes_constant_memory),
        TEST(a_stream_of_text_takes_constant_memory),
        TEST(a_streamed_row_can_be_read_in_every_way),
        TEST(a_stream_that_is_stopped_early_succeeds),
        TEST(a_stream_stopped_at_its_last_row_succeeds),
        TEST(a_stream_of_a_statement_without_rows_succeeds),
        TEST(a_stream_without_a_callback_is_refused),
        TEST(a_stream_on_a_connection_can_be_stopped),
        TEST(a_stream_may_be_longer_than_max_result_bytes),
        TEST(a_procedure_may_be_replaced_under_a_cached_call),
        TEST(a_stream_sees_changed_columns),
        TEST(an_error_in_the_middle_of_rows_fails_the_query),
        TEST(an_error_in_the_middle_of_rows_fails_the_stream),
        TEST(an_error_of_the_values_is_the_servers),
    };
    return server_suite_main(argc, argv, tests);
}
