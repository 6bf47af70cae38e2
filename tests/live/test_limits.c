/*
 * Large statements, values, rows and results: whatever the limits of the server and of the pool let
 * through arrives, and what they do not is an error.
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

/* ---- pools ---- */

#define MIB (1024u * 1024u)

/* ---- answers ---- */

static char *filled(size_t len, char with)
{
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, with, len);
    text[len] = '\0';
    return text;
}

/* ---- size limits ---- */

static void assert_too_big(struct pool *pool, bool as_text, size_t size)
{
    char *text = filled(size, 'x');
    struct pool_request request = {
        .sql = "SELECT LENGTH(?)", .args = POOL_ARGS(text), .text = as_text};
    int64_t thread = thread_of(pool);
    struct pool_error err = failure_of(pool, &request, POOL_ERR_TOO_BIG);
    assert_true(err.not_executed);
    assert_false(err.fatal);
    assert_non_null(strstr(err.message, "max_allowed_packet"));
    assert_int_equal(thread_of(pool), thread);
    assert_pool_works(pool);
    free(text);
}

static void a_packet_over_the_servers_limit_is_not_sent(void **state)
{
    (void)state;
    set_global("max_allowed_packet = 1048576");
    struct pool *pool = open_pool("");
    assert_too_big(pool, 0, 2 * MIB);
    assert_too_big(pool, true, 2 * MIB);
    assert_too_big(pool, 0, MIB);
    assert_too_big(pool, true, MIB);
}

/* Whatever the pool lets through near the limit, the server must take. */
static void every_size_around_the_servers_limit_ends_well(void **state)
{
    (void)state;
    set_global("max_allowed_packet = 1048576");
    struct pool *pool = open_pool("");
    char *text = filled(MIB, 'x');
    int64_t thread = thread_of(pool);
    for (size_t less = 0; less < 80; less++) {
        struct pool_request request = {.sql = "SELECT LENGTH(?)", .text = less % 2};
        struct pool_error err;
        struct pool_value value = pool_text_n(text, MIB - less);
        request.args = (struct pool_args){&value, 1};
        struct pool_result *result = pool_query_with(pool, &request, &err);
        if (!result)
            assert_int_equal(err.code, POOL_ERR_TOO_BIG);
        pool_result_free(result);
        assert_int_equal(thread_of(pool), thread);
    }
    free(text);
}

static void a_row_over_the_clients_packet_limit_is_an_error(void **state)
{
    struct pool *pool = open_pool("maxPacketBytes=65536");
    (void)state;
    for (unsigned mode = 0; mode < 2; mode++) {
        struct pool_request request = {.sql = "SELECT REPEAT('x', 100000)", .text = mode};
        failure_of(pool, &request, POOL_ERR_TOO_BIG);
        assert_pool_works(pool);
    }
}

static void assert_round_trip(struct pool *pool, size_t size, bool as_text)
{
    char *text = filled(size, 'x');
    memcpy(text + size - 4, "\0end", 4);
    struct pool_error err;
    struct pool_request request = {
        .sql = "SELECT ?", .args = POOL_ARGS(pool_bytes(text, size)), .text = as_text};
    struct pool_result *row = pool_query_with(pool, &request, &err);
    if (!row)
        fail_msg("%s", err.message);
    size_t len;
    assert_true(pool_next(row));
    const void *back = pool_get_bytes(row, 0, &len);
    assert_int_equal(len, size);
    assert_true(memcmp(back, text, size) == 0);
    pool_result_free(row);
    free(text);
}

static void values_around_every_length_prefix_come_back(void **state)
{
    static const size_t sizes[] = {249,   250,   251,   252,   255,      256,    65534,
                                   65535, 65536, 65537, 65800, MIB - 30, 4 * MIB};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_round_trip(*state, sizes[i], 0);
        assert_round_trip(*state, sizes[i], true);
    }
}

/* Packets are cut at 16 MiB - 1 on their way. */
static void values_around_the_size_of_a_packet_come_back(void **state)
{
    (void)state;
    set_global("max_allowed_packet = 134217728");
    struct pool *pool = open_pool("maxPacketBytes=134217728");
    for (size_t size = 16 * MIB - 20; size < 16 * MIB + 4; size++)
        assert_round_trip(pool, size, 0);
}

static void a_value_of_64_mib_comes_back(void **state)
{
    (void)state;
    set_global("max_allowed_packet = 134217728");
    struct pool *pool = open_pool("maxPacketBytes=134217728&maxResultBytes=100000000");
    assert_round_trip(pool, 64 * MIB, 0);
    assert_pool_works(pool);
}

static void a_row_may_have_4096_columns(void **state)
{
    char *sql = malloc(4096 * 12), *end = stpcpy(sql, "SELECT 0 c0");
    for (unsigned i = 1; i < 4096; i++)
        end += snprintf(end, 12, ",%u c%u", i, i);
    for (int mode = 0; mode < 3; mode++) {
        struct pool_result *row = (mode == 1 ? query_as_text : query)(*state, sql, POOL_NO_ARGS);
        assert_int_equal(pool_column_count(row), 4096);
        assert_true(pool_next(row));
        for (unsigned i = 0; i < 4096; i++)
            assert_int_equal(pool_get_int(row, i), i);
        assert_int_equal(pool_column_index(row, "c4095"), 4095);
        pool_result_free(row);
    }
    free(sql);
}

static void more_rows_than_max_rows_are_an_error(void **state)
{
    struct pool *pool = open_pool("maxRows=10");
    struct pool_request request = {.sql = "SELECT seq FROM seq_1_to_11"};
    (void)state;
    for (unsigned mode = 0; mode < 4; mode++) {
        request.text = mode % 2;
        struct pool_error err = failure_of(pool, &request, POOL_ERR_TOO_BIG);
        assert_non_null(strstr(err.message, "max_rows"));
        assert_pool_works(pool);
    }
    pool_result_free(query(pool, "SELECT seq FROM seq_1_to_10", POOL_NO_ARGS));
}

static void a_result_over_max_result_bytes_is_an_error(void **state)
{
    struct pool *pool = open_pool("maxResultBytes=100000");
    struct pool_request request = {.sql = "SELECT REPEAT('x', 1000) FROM seq_1_to_1000000"};
    (void)state;
    for (unsigned mode = 0; mode < 4; mode++) {
        request.text = mode % 2;
        struct pool_error err = failure_of(pool, &request, POOL_ERR_TOO_BIG);
        assert_non_null(strstr(err.message, "max_result_bytes"));
        assert_pool_works(pool);
    }
}

/* The pool's own questions, at the login and about backslashes, have longer answers. */
static void the_smallest_results_are_enough_for_the_pool(void **state)
{
    struct pool *pool = open_pool("maxResultBytes=256&maxRows=1");
    struct pool_request request = {.sql = "SELECT ?", .args = POOL_ARGS("\\"), .text = true};
    struct pool_error err;
    (void)state;
    pool_result_free(query(pool, "SET @x = 1", POOL_NO_ARGS));
    struct pool_result *result = pool_query_with(pool, &request, &err);
    if (!result)
        fail_msg("%s", err.message);
    pool_result_free(result);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_statements, tear_down_statements)
#define GLOBAL_TEST(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, set_up_statements, tear_down_server_globals)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        GLOBAL_TEST(a_packet_over_the_servers_limit_is_not_sent),
        GLOBAL_TEST(every_size_around_the_servers_limit_ends_well),
        TEST(a_row_over_the_clients_packet_limit_is_an_error),
        TEST(values_around_every_length_prefix_come_back),
        GLOBAL_TEST(values_around_the_size_of_a_packet_come_back),
        GLOBAL_TEST(a_value_of_64_mib_comes_back),
        TEST(a_row_may_have_4096_columns),
        TEST(more_rows_than_max_rows_are_an_error),
        TEST(a_result_over_max_result_bytes_is_an_error),
        TEST(the_smallest_results_are_enough_for_the_pool),
    };
    return server_suite_main(argc, argv, tests);
}
