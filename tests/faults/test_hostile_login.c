/*
 * What the pool does with a server that lies before it has let anybody in, or asks for files:
 * greetings, methods of authentication, and what must never leave this program. See fake_server.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fake_server.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Packets */

static void add_switch(struct bytes *bytes, unsigned sequence, const char *plugin)
{
    struct bytes packet = {.len = 0};
    add_byte(&packet, 0xfe);
    add_raw(&packet, plugin, strlen(plugin) + 1);
    add_raw(&packet, "abcdefghijklmnopqrst", 21);
    add_packet(bytes, sequence, packet.data, packet.len);
}

/* The client */

static void assert_connect_fails(enum pool_code code)
{
    struct pool_error err = fail_to_ask(true);
    struct pool_stats stats;
    pool_stats(the_pool, &stats);
    if (err.code != code)
        fail_msg("%s (%u): %s", pool_code_name(err.code), err.server_errno, err.message);
    assert_int_equal(stats.opened, 0);
    assert_true(err.not_executed);
}

/* What exactly is wrong with nonsense is a matter of taste. */
static void assert_login_fails(void)
{
    struct pool_error err = fail_to_ask(true);
    struct pool_stats stats;
    pool_stats(the_pool, &stats);
    assert_true(err.code == POOL_ERR_CONNECT || err.code == POOL_ERR_AUTH);
    assert_int_equal(stats.opened, 0);
}

/* The scripted server is a server */

static void an_honest_server_is_understood(void **state)
{
    struct pool_error err;
    (void)state;
    struct pool_result *rows = ask_with(victim(), "SELECT n FROM t", true, &err);
    if (!rows)
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
    assert_true(pool_next(rows));
    assert_int_equal(pool_get_int(rows, 0), 42);
    assert_false(pool_next(rows));
    pool_result_free(rows);
    assert_true(was_heard("victim"));
}

static void an_honest_server_is_understood_with_a_prepared_statement(void **state)
{
    struct pool_error err;
    (void)state;
    forget(&server.reply);
    add_columns(&server.reply, TYPE_VARCHAR);
    ADD_PACKET(&server.reply, 4,
               "\0\0\2"
               "42");
    ADD_PACKET(&server.reply, 5, EOF_PACKET);
    struct pool_result *rows = ask_with(victim(), "SELECT n FROM t", 0, &err);
    if (!rows)
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
    assert_true(pool_next(rows));
    assert_int_equal(pool_get_int(rows, 0), 42);
    pool_result_free(rows);
}

/* Greetings */

static void a_greeting_of_noise_is_refused(void **state)
{
    (void)state;
    forget(&server.greeting);
    ADD_PACKET(&server.greeting, 0, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2\r\n");
    assert_login_fails();
}

static void a_missing_greeting_is_refused(void **state)
{
    (void)state;
    server.lets_nobody_in = true;
    forget(&server.greeting);
    assert_connect_fails(POOL_ERR_CONNECT);
}

static void an_empty_greeting_is_refused(void **state)
{
    (void)state;
    forget(&server.greeting);
    ADD_PACKET(&server.greeting, 0, "");
    assert_connect_fails(POOL_ERR_CONNECT);
}

static void an_endless_greeting_is_refused(void **state)
{
    struct rusage before, after;
    (void)state;
    forget(&server.greeting);
    add_header(&server.greeting, 0xffffff, 0);
    while (server.greeting.len < sizeof server.greeting.data)
        add_byte(&server.greeting, 0xff);
    server.greeting_repeats = true;
    getrusage(RUSAGE_SELF, &before);
    struct pool_error err = fail_to_ask(true);
    getrusage(RUSAGE_SELF, &after);
    assert_true(err.code == POOL_ERR_CONNECT || err.code == POOL_ERR_TOO_BIG);
    assert_true(after.ru_maxrss - before.ru_maxrss < 512 * 1024); /* KiB */
}

static void a_greeting_byte_by_byte_ends_at_the_deadline(void **state)
{
    (void)state;
    server.lets_nobody_in = true;
    server.greeting_byte_ms = 50;
    uint64_t begin = now_ms();
    assert_connect_fails(POOL_ERR_CONNECT);
    assert_in_range(now_ms() - begin, SOON_MS - 1, LATE_MS);
}

/* Nothing of the program's can be running there, so nothing has to be killed. */
static void a_login_without_a_set_up_frees_its_place_as_soon_as_the_server_lets_go(void **state)
{
    struct pool_stats stats;
    (void)state;
    server.lets_nobody_in = server.sets_nothing_up = true;
    struct pool_error err = fail_to_ask(true);
    assert_int_equal(err.code, POOL_ERR_CONNECT);
    assert_non_null(strstr(err.message, "set-up"));
    assert_within(GENEROUS_MS,
                  (pool_stats(the_pool, &stats), stats.closing + stats.connecting == 0));
    assert_int_equal(stats.kills, 0);
}

static void a_refusal_instead_of_a_greeting_is_passed_on(void **state)
{
    (void)state;
    forget(&server.greeting);
    ADD_PACKET(&server.greeting, 0, "\xff\x69\x04Host is blocked");
    struct pool_error err = fail_to_ask(true);
    assert_int_equal(err.code, POOL_ERR_CONNECT);
    assert_int_equal(err.server_errno, 1129);
}

static void truncated_greetings_are_refused(void **state)
{
    struct bytes whole = {.len = 0};
    (void)state;
    make_greeting(&whole, "mysql_native_password");
    for (size_t len = 1; len < 60; len++) {
        be_honest();
        forget(&server.greeting);
        add_packet(&server.greeting, 0, whole.data, len);
        struct pool_error err;
        struct pool_options options = victim();
        options.connect_timeout_ms = 100;
        pool_result_free(ask_with(options, "SELECT n FROM t", true, &err));
        end_it();
    }
}

/* Authentication */

static void assert_switch_refused(const char *plugin)
{
    forget(&server.login);
    add_switch(&server.login, 2, plugin);
    ADD_PACKET(&server.login, 4, OK_PACKET);
    assert_connect_fails(POOL_ERR_AUTH);
}

static void a_switch_to_clear_text_is_refused(void **state)
{
    (void)state;
    assert_switch_refused("mysql_clear_password");
}

static void a_switch_to_a_dialog_is_refused(void **state)
{
    (void)state;
    assert_switch_refused("dialog");
}

static void a_switch_to_the_old_method_is_refused(void **state)
{
    (void)state;
    assert_switch_refused("mysql_old_password");
}

static void a_switch_to_sha256_is_refused_without_tls(void **state)
{
    (void)state;
    assert_switch_refused("sha256_password");
}

static void a_switch_to_caching_sha2_is_refused_without_tls(void **state)
{
    (void)state;
    assert_switch_refused("caching_sha2_password");
}

static void a_switch_to_an_unknown_method_is_refused(void **state)
{
    (void)state;
    assert_switch_refused("no_such_method");
}

static void a_switch_to_a_path_is_refused(void **state)
{
    (void)state;
    assert_switch_refused("../../../tmp/evil");
}

static void a_switch_to_part_of_an_allowed_name_is_refused(void **state)
{
    (void)state;
    forget(&server.login);
    add_switch(&server.login, 2, "password");
    ADD_PACKET(&server.login, 4, OK_PACKET);
    assert_login_fails();
}

static void a_switch_to_no_name_is_refused(void **state)
{
    (void)state;
    forget(&server.login);
    ADD_PACKET(&server.login, 2, "\xfe");
    assert_login_fails();
}

static void a_greeting_that_wants_clear_text_gets_none(void **state)
{
    struct pool_error err;
    (void)state;
    forget(&server.greeting);
    add_greeting(&server.greeting, "mysql_clear_password");
    pool_result_free(ask_with(victim(), "SELECT n FROM t", true, &err));
}

static void endless_switches_end_at_the_deadline(void **state)
{
    (void)state;
    server.lets_nobody_in = true;
    forget(&server.login);
    add_switch(&server.login, 2, "mysql_native_password");
    server.login_repeats = true;
    struct pool_error err = fail_to_ask(true);
    assert_true(err.code == POOL_ERR_AUTH || err.code == POOL_ERR_CONNECT ||
                err.code == POOL_ERR_TIMEOUT); /* of the login, or of the call that waits for it */
}

static void a_refused_password_is_not_repeated_in_the_message(void **state)
{
    (void)state;
    forget(&server.login);
    add_error(&server.login, 2, 1045, "Access denied for user 'victim'");
    struct pool_error err = fail_to_ask(true);
    assert_int_equal(err.code, POOL_ERR_AUTH);
    assert_int_equal(err.server_errno, 1045);
}

static void a_server_that_hides_its_tls_gets_nothing(void **state)
{
    struct pool_options options = victim();
    struct pool_error err;
    (void)state;
    options.tls = POOL_TLS_VERIFY;
    assert_null(ask_with(options, "SELECT n FROM t", true, &err));
    assert_int_equal(err.code, POOL_ERR_TLS);
    assert_false(was_heard("victim"));
    assert_int_equal(server.heard_len, 0);
}

/* Requests for files */

static void ask_for_file(char ret_path[64])
{
    strcpy(ret_path, "/tmp/test_hostile.XXXXXX");
    int fd = mkstemp(ret_path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, FILE_CONTENT, strlen(FILE_CONTENT)), strlen(FILE_CONTENT));
    close(fd);
    struct bytes request = {.len = 0};
    add_byte(&request, 0xfb);
    add_raw(&request, ret_path, strlen(ret_path));
    forget(&server.reply);
    add_packet(&server.reply, 1, request.data, request.len);
    ADD_PACKET(&server.reply, 3, OK_PACKET);
}

static void assert_no_file_for(const char *sql, bool as_text)
{
    struct pool_error err;
    char path[64];
    ask_for_file(path);
    struct pool_result *result = ask_with(victim(), sql, as_text, &err);
    unlink(path);
    assert_false(was_heard(FILE_CONTENT));
    assert_null(result);
    assert_true(err.fatal);
}

static void no_file_is_sent_in_answer_to_a_statement(void **state)
{
    (void)state;
    assert_no_file_for("SELECT n FROM t", true);
}

static void no_file_is_sent_in_answer_to_a_prepared_statement(void **state)
{
    (void)state;
    assert_no_file_for("SELECT n FROM t", 0);
}

static void no_file_is_sent_even_if_the_program_asks_for_one(void **state)
{
    (void)state;
    assert_no_file_for("LOAD DATA LOCAL INFILE '/tmp/another' INTO TABLE t", true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_fake_server, tear_down_fake_server)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(an_honest_server_is_understood),
        TEST(an_honest_server_is_understood_with_a_prepared_statement),
        TEST(a_greeting_of_noise_is_refused),
        TEST(a_missing_greeting_is_refused),
        TEST(an_empty_greeting_is_refused),
        TEST(an_endless_greeting_is_refused),
        TEST(a_greeting_byte_by_byte_ends_at_the_deadline),
        TEST(a_login_without_a_set_up_frees_its_place_as_soon_as_the_server_lets_go),
        TEST(a_refusal_instead_of_a_greeting_is_passed_on),
        TEST(truncated_greetings_are_refused),
        TEST(a_switch_to_clear_text_is_refused),
        TEST(a_switch_to_a_dialog_is_refused),
        TEST(a_switch_to_the_old_method_is_refused),
        TEST(a_switch_to_sha256_is_refused_without_tls),
        TEST(a_switch_to_caching_sha2_is_refused_without_tls),
        TEST(a_switch_to_an_unknown_method_is_refused),
        TEST(a_switch_to_a_path_is_refused),
        TEST(a_switch_to_part_of_an_allowed_name_is_refused),
        TEST(a_switch_to_no_name_is_refused),
        TEST(a_greeting_that_wants_clear_text_gets_none),
        TEST(endless_switches_end_at_the_deadline),
        TEST(a_refused_password_is_not_repeated_in_the_message),
        TEST(a_server_that_hides_its_tls_gets_nothing),
        TEST(no_file_is_sent_in_answer_to_a_statement),
        TEST(no_file_is_sent_in_answer_to_a_prepared_statement),
        TEST(no_file_is_sent_even_if_the_program_asks_for_one),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
