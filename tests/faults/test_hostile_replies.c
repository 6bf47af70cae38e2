/*
 * What the pool does with a server whose replies are cut, too long, without end or noise. See
 * fake_server.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fake_server.h"

#include <string.h>
#include <unistd.h>

/* The client */

/* The reply is refused, and so is the connection. */
static void assert_reply_refused(bool as_text)
{
    struct pool_error err = fail_to_ask(as_text);
    struct pool_stats stats;
    uint64_t end = now_ms() + LATE_MS;
    assert_true(err.fatal);
    assert_false(err.not_executed);
    do {
        pause_ms(1);
        pool_stats(the_pool, &stats);
    } while (stats.closed != stats.opened && now_ms() < end);
    assert_int_equal(stats.closed, stats.opened);
}

/* Replies */

static void truncated_ok_packets_do_no_harm(void **state)
{
    static const char ok[] = "\0\xfc\1\0\xfd\1\0\0\2\x40\0\0\3abc\x05\1\3xyz";
    struct pool_error err;
    (void)state;
    for (size_t len = 1; len < sizeof ok; len++) {
        be_honest();
        forget(&server.reply);
        add_packet(&server.reply, 1, ok, len);
        pool_result_free(ask_with(victim(), "DELETE FROM t", true, &err));
        end_it();
    }
}

static void truncated_error_packets_are_errors(void **state)
{
    static const char error[] = "\xff\x50\x04#42000";
    (void)state;
    for (size_t len = 1; len < sizeof error; len++) {
        be_honest();
        forget(&server.reply);
        add_packet(&server.reply, 1, error, len);
        struct pool_error err = fail_to_ask(true);
        assert_int_not_equal(err.code, POOL_OK);
        end_it();
    }
}

static void an_empty_reply_is_refused(void **state)
{
    (void)state;
    forget(&server.reply);
    ADD_PACKET(&server.reply, 1, "");
    assert_reply_refused(true);
}

static void a_huge_column_count_is_refused(void **state)
{
    (void)state;
    server.has_no_end = true;
    forget(&server.reply);
    ADD_PACKET(&server.reply, 1, "\xfe\xff\xff\xff\xff\xff\xff\xff\x7f");
    assert_reply_refused(true);
}

static void a_column_count_without_columns_ends_at_the_deadline(void **state)
{
    (void)state;
    server.has_no_end = true;
    forget(&server.reply);
    ADD_PACKET(&server.reply, 1, "\xfd\xff\xff\x0f");
    assert_reply_refused(true);
}

static void a_column_whose_parts_are_too_long_is_refused(void **state)
{
    (void)state;
    forget(&server.reply);
    ADD_PACKET(&server.reply, 1, "\1");
    ADD_PACKET(&server.reply, 2, "\3def\0\0\0\xfd\xff\xff\xff");
    ADD_PACKET(&server.reply, 3, EOF_PACKET);
    assert_reply_refused(true);
}

static void assert_row_refused(const char *row, size_t len, unsigned type, bool as_text)
{
    forget(&server.reply);
    add_columns(&server.reply, type);
    add_packet(&server.reply, 4, row, len);
    ADD_PACKET(&server.reply, 5, EOF_PACKET);
    forget(&server.prepare);
    add_prepared(&server.prepare, type);
    assert_reply_refused(as_text);
}

static void a_text_value_longer_than_its_packet_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\x7f"
                       "short",
                       6, TYPE_VARCHAR, true);
}

static void a_text_value_with_an_immense_length_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\xfe\xff\xff\xff\xff\xff\xff\xff\xff"
                       "x",
                       10, TYPE_VARCHAR, true);
}

static void a_text_row_that_goes_on_after_its_last_value_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\1x"
                       "more",
                       6, TYPE_VARCHAR, true);
}

static void a_binary_value_longer_than_its_packet_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\0\0\x7f"
                       "short",
                       8, TYPE_VARCHAR, 0);
}

static void a_binary_row_that_is_too_short_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\0\0\1\2\3", 5, TYPE_LONGLONG, 0);
}

static void a_binary_row_without_its_null_bits_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\0", 1, TYPE_LONG, 0);
}

static void a_binary_date_of_odd_length_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\0\0\5\1\2\3\4\5", 8, TYPE_DATETIME, 0);
}

static void a_column_of_unknown_type_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\0\0\1\2\3\4", 6, 0x50, 0);
}

static void a_prepare_that_counts_other_values_is_refused(void **state)
{
    (void)state;
    server.has_no_end = true;
    forget(&server.prepare);
    ADD_PACKET(&server.prepare, 1, "\0\1\0\0\0\0\0\xff\xff\0\0\0");
    struct pool_error err = fail_to_ask(0);
    assert_int_not_equal(err.code, POOL_OK);
}

/* A server that leaves out columns that the client knows: a first statement has one column, a
 * second one says `count` and describes none. */
static struct pool_result *ask_again_without_columns(const char *count, size_t len,
                                                     struct pool_error *err)
{
    server.caches_columns = true;
    forget(&server.greeting);
    add_greeting(&server.greeting, "mysql_native_password");
    forget(&server.reply);
    add_columns(&server.reply, TYPE_VARCHAR);
    ADD_PACKET(&server.reply, 4,
               "\0\0\2"
               "42");
    ADD_PACKET(&server.reply, 5, EOF_PACKET);
    add_packet(&server.later, 1, count, len);
    ADD_PACKET(&server.later, 2, EOF_PACKET);
    ADD_PACKET(&server.later, 3,
               "\0\0\2"
               "43");
    ADD_PACKET(&server.later, 4, EOF_PACKET);
    pool_result_free(ask_with(victim(), "SELECT n FROM t", 0, err));
    assert_int_equal(err->code, POOL_OK);
    return pool_query(the_pool, "SELECT n FROM t", POOL_NO_ARGS, err);
}

static void columns_that_are_known_may_be_left_out(void **state)
{
    struct pool_error err;
    (void)state;
    struct pool_result *rows = ask_again_without_columns("\1\0", 2, &err);
    if (!rows)
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
    assert_true(pool_next(rows));
    assert_int_equal(pool_get_int(rows, 0), 43);
    assert_string_equal(pool_column_name(rows, 0), "n");
    pool_result_free(rows);
}

static void more_columns_than_are_known_cannot_be_left_out(void **state)
{
    struct pool_error err;
    (void)state;
    assert_null(ask_again_without_columns("\xfc\x2c\1\0", 4, &err));
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_true(err.fatal);
    assert_false(err.not_executed);
}

static void a_prepare_with_columns_that_never_come_ends_at_the_deadline(void **state)
{
    (void)state;
    server.has_no_end = true;
    forget(&server.prepare);
    ADD_PACKET(&server.prepare, 1, "\0\1\0\0\0\xff\xff\0\0\0\0\0");
    assert_reply_refused(0);
}

/* Without end */

static void add_endless_rows(void)
{
    static char row[1000];
    memset(row, 'x', sizeof row);
    row[0] = (char)0xfc;
    row[1] = (char)((sizeof row - 3) & 0xff);
    row[2] = (char)((sizeof row - 3) >> 8);
    forget(&server.reply);
    add_columns(&server.reply, TYPE_VARCHAR);
    server.repeat_from = server.reply.len;
    for (int i = 0; i < 14; i++)
        add_packet(&server.reply, 4, row, sizeof row);
}

static void endless_rows_end_at_the_limit_of_memory(void **state)
{
    struct pool_options options = victim();
    struct pool_error err;
    (void)state;
    add_endless_rows();
    options.max_result_bytes = 1 << 20;
    assert_null(ask_with(options, "SELECT n FROM t", true, &err));
    assert_int_equal(err.code, POOL_ERR_TOO_BIG);
    assert_true(err.fatal);
}

static bool count_row(struct pool_result *row, void *arg)
{
    (void)row;
    ++*(uint64_t *)arg;
    return true;
}

static void endless_rows_end_at_the_deadline_of_a_stream(void **state)
{
    struct pool_options options = victim();
    struct pool_error err;
    uint64_t rows = 0;
    (void)state;
    add_endless_rows();
    start_fake_server();
    options.port = server.port;
    options.query_timeout_ms = 500;
    options.no_prepare = true;
    the_pool = pool_create(&options, &err);
    uint64_t begin = now_ms();
    alarm(60); /* there is no other way out */
    assert_false(pool_stream(the_pool, "SELECT n FROM t", POOL_NO_ARGS, count_row, &rows, &err));
    alarm(0);
    print_message("           %lu rows in %lu ms of 500\n", rows, now_ms() - begin);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_in_range(now_ms() - begin, 499, LATE_MS);
}

/* The next row is always there already, so nobody ever waits for one. */
static bool read_slowly(struct pool_result *row, void *arg)
{
    (void)row;
    pause_ms(1);
    return ++*(uint64_t *)arg < 5000;
}

static void endless_rows_that_are_read_slowly_end_at_the_deadline(void **state)
{
    struct pool_options options = victim();
    struct pool_error err;
    uint64_t rows = 0;
    (void)state;
    add_endless_rows();
    start_fake_server();
    options.port = server.port;
    options.query_timeout_ms = 300;
    options.no_prepare = true;
    the_pool = pool_create(&options, &err);
    uint64_t begin = now_ms();
    bool ok = pool_stream(the_pool, "SELECT n FROM t", POOL_NO_ARGS, read_slowly, &rows, &err);
    print_message("           %lu rows in %lu ms of 300\n", rows, now_ms() - begin);
    assert_false(ok);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
}

static void endless_result_sets_end_at_a_limit(void **state)
{
    struct pool_options options = victim();
    struct pool_error err;
    (void)state;
    forget(&server.reply);
    add_columns(&server.reply, TYPE_VARCHAR);
    ADD_PACKET(&server.reply, 4, EOF_WITH_MORE);
    server.repeat_from = server.reply.len;
    add_columns(&server.reply, TYPE_VARCHAR);
    ADD_PACKET(&server.reply, 4, EOF_WITH_MORE);
    options.max_result_bytes = 8 << 20;
    alarm(60);
    assert_null(ask_with(options, "SELECT n FROM t", true, &err));
    alarm(0);
    assert_true(err.code == POOL_ERR_TOO_BIG || err.code == POOL_ERR_QUERY_TIMEOUT);
}

static void endless_packets_end_at_the_limit_of_a_packet(void **state)
{
    struct pool_options options = victim();
    struct pool_error err;
    (void)state;
    forget(&server.reply);
    add_columns(&server.reply, TYPE_VARCHAR);
    add_header(&server.reply, 0xffffff, 4);
    server.repeat_from = server.reply.len;
    while (server.reply.len < sizeof server.reply.data)
        add_byte(&server.reply, 0xff); /* is a header of 0xffffff bytes wherever one is read */
    options.max_packet_bytes = 1 << 20;
    assert_null(ask_with(options, "SELECT n FROM t", true, &err));
    assert_true(err.code == POOL_ERR_TOO_BIG || err.code == POOL_ERR_LOST);
    assert_true(err.fatal);
}

static void endless_progress_reports_end_at_the_deadline(void **state)
{
    (void)state;
    server.has_no_end = true;
    forget(&server.reply);
    ADD_PACKET(&server.reply, 1, OK_PACKET);
    forget(&server.reply);
    ADD_PACKET(&server.reply, 1, "\xff\xff\xff\1\1\2\0\0\0\4abcd");
    server.repeat_from = server.reply.len;
    ADD_PACKET(&server.reply, 1, "\xff\xff\xff\1\1\2\0\0\0\4abcd");
    alarm(60);
    struct pool_error err = fail_to_ask(true);
    alarm(0);
    assert_int_not_equal(err.code, POOL_OK);
}

static void the_end_does_not_listen_to_who_talks_after_the_goodbye(void **state)
{
    struct pool_error err;
    (void)state;
    server.says_more_after_quit = true;
    pool_result_free(ask_with(victim(), "SELECT n FROM t", true, &err));
    assert_int_equal(err.code, POOL_OK);
    uint64_t begin = now_ms();
    pool_end(the_pool, 100, NULL);
    the_pool = NULL;
    assert_true(now_ms() - begin < 100 + LATE_MS);
}

/* Noise: each reply with a few bytes changed, always the same ones. */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void mutate(struct bytes *bytes, uint32_t seed)
{
    uint32_t random = seed;
    for (unsigned i = 0; i <= seed % 3; i++) {
        uint32_t place = next_random(&random) % (uint32_t)bytes->len;
        bytes->data[place] = (uint8_t)next_random(&random);
    }
}

static void read_everything(struct pool_result *result)
{
    do
        while (pool_next(result))
            for (unsigned column = 0; column < pool_column_count(result); column++) {
                pool_get_text(result, column);
                pool_get_double(result, column);
            }
    while (pool_next_set(result));
}

static void assert_noise_does_no_harm(bool as_text)
{
    struct pool_options options = victim();
    struct pool_error err;
    options.query_timeout_ms = 60; /* a changed length makes the reader wait for more */
    for (uint32_t seed = 1; seed <= MUTATIONS; seed++) {
        be_honest();
        if (!as_text) {
            forget(&server.reply);
            add_columns(&server.reply, TYPE_VARCHAR);
            ADD_PACKET(&server.reply, 4,
                       "\0\0\2"
                       "42");
            ADD_PACKET(&server.reply, 5, EOF_PACKET);
        }
        mutate(!as_text && seed % 4 == 0 ? &server.prepare : &server.reply, seed);
        struct pool_result *result = ask_with(options, "SELECT n FROM t", as_text, &err);
        if (result)
            read_everything(result);
        pool_result_free(result);
        end_it();
    }
}

static void noise_in_a_text_reply_does_no_harm(void **state)
{
    (void)state;
    assert_noise_does_no_harm(true);
}

static void noise_in_a_prepared_reply_does_no_harm(void **state)
{
    (void)state;
    assert_noise_does_no_harm(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_fake_server, tear_down_fake_server)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(truncated_ok_packets_do_no_harm),
        TEST(truncated_error_packets_are_errors),
        TEST(an_empty_reply_is_refused),
        TEST(a_huge_column_count_is_refused),
        TEST(a_column_count_without_columns_ends_at_the_deadline),
        TEST(a_column_whose_parts_are_too_long_is_refused),
        TEST(a_text_value_longer_than_its_packet_is_refused),
        TEST(a_text_value_with_an_immense_length_is_refused),
        TEST(a_text_row_that_goes_on_after_its_last_value_is_refused),
        TEST(a_binary_value_longer_than_its_packet_is_refused),
        TEST(a_binary_row_that_is_too_short_is_refused),
        TEST(a_binary_row_without_its_null_bits_is_refused),
        TEST(a_binary_date_of_odd_length_is_refused),
        TEST(a_column_of_unknown_type_is_refused),
        TEST(a_prepare_that_counts_other_values_is_refused),
        TEST(more_columns_than_are_known_cannot_be_left_out),
        TEST(columns_that_are_known_may_be_left_out),
        TEST(a_prepare_with_columns_that_never_come_ends_at_the_deadline),
        TEST(endless_rows_end_at_the_limit_of_memory),
        TEST(endless_rows_end_at_the_deadline_of_a_stream),
        TEST(endless_rows_that_are_read_slowly_end_at_the_deadline),
        TEST(endless_result_sets_end_at_a_limit),
        TEST(endless_packets_end_at_the_limit_of_a_packet),
        TEST(endless_progress_reports_end_at_the_deadline),
        TEST(the_end_does_not_listen_to_who_talks_after_the_goodbye),
        TEST(noise_in_a_text_reply_does_no_harm),
        TEST(noise_in_a_prepared_reply_does_no_harm),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
