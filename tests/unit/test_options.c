/*
 * What the options accept, what they refuse, and what they become.
 *
 * Most tests change one thing in a good set of options and look at the outcome;
 * where the rule is a list, the test is a table. The test of memory shortage
 * needs the linker flag -Wl,--wrap=mmap and skips itself without it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "config/option_check.h"
#include "config/option_table.h"
#include "config/options.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool fail_mmap;

void *__real_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset)
    __attribute__((weak));
void *__wrap_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset)
{
    return fail_mmap ? MAP_FAILED : __real_mmap(at, size, access, flags, fd, offset);
}

static bool credentials(struct pool_credentials *c, bool refresh, void *arg)
{
    (void)c, (void)refresh, (void)arg;
    return true;
}

static struct pool__options accepted(struct pool_options options)
{
    struct pool__options o;
    struct pool_error err = {0};
    if (!pool__options_init(&o, &options, &err))
        fail_msg("refused: %s", err.message);
    return o;
}

/* Asserts that the options are refused with a message that has all of `words`,
 * which are separated by '|'. */
static void refused(struct pool_options options, const char *words)
{
    struct pool__options o;
    struct pool_error err = {0};
    char copy[256];
    char *save = NULL;
    if (pool__options_init(&o, &options, &err)) {
        pool__options_fini(&o);
        fail_msg("accepted, but expected a complaint about %s", words);
    }
    assert_int_equal(err.code, POOL_ERR_INVALID);
    strcpy(copy, words);
    for (char *word = strtok_r(copy, "|", &save); word; word = strtok_r(NULL, "|", &save))
        if (!strstr(err.message, word))
            fail_msg("'%s' is not in: %s", word, err.message);
}

#define ACCEPTED(...) accepted((struct pool_options){__VA_ARGS__})
#define REFUSED(words, ...) refused((struct pool_options){__VA_ARGS__}, words)

/* ------------------------------------------------------------------------
 * Defaults and copies
 */

static void numbers_left_at_zero_get_their_defaults(void **state)
{
    struct pool__options o = ACCEPTED(.user = "app");
    (void)state;
    assert_int_equal(o.v.port, 3306);
    assert_int_equal(o.v.connection_limit, 10);
    assert_int_equal(o.v.min_idle, 0);
    assert_int_equal(o.v.queue_limit, POOL_UNLIMITED);
    assert_int_equal(o.v.acquire_timeout_ms, 10000);
    assert_int_equal(o.v.connect_timeout_ms, 5000);
    assert_int_equal(o.v.query_timeout_ms, POOL_NEVER);
    assert_int_equal(o.v.idle_timeout_ms, 60000);
    assert_int_equal(o.v.max_lifetime_ms, 1800000);
    assert_int_equal(o.v.keepalive_ms, 120000);
    assert_int_equal(o.v.fair_after_ms, 1);
    assert_int_equal(o.v.fail_fast_ms, 1000);
    assert_int_equal(o.v.leak_after_ms, POOL_NEVER);
    assert_int_equal(o.v.statement_cache, 256);
    assert_int_equal(o.v.max_rows, POOL_UNLIMITED);
    assert_int_equal(o.v.max_result_bytes, 268435456);
    assert_int_equal(o.v.max_packet_bytes, 67108864);
    assert_int_equal(o.v.tcp_keepalive_ms, 30000);
    assert_int_equal(o.v.tcp_user_timeout_ms, 60000);
    pool__options_fini(&o);
}

static void texts_left_out_are_never_null_where_libmariadb_would_ask_the_environment(void **state)
{
    struct pool__options o = ACCEPTED(.credentials = credentials);
    (void)state;
    assert_string_equal(o.v.host, "localhost");
    assert_string_equal(o.v.user, "");
    assert_string_equal(o.v.password, "");
    assert_null(o.v.database);
    assert_null(o.v.socket);
    assert_null(o.v.socket);
    pool__options_fini(&o);
}

static void texts_are_copied(void **state)
{
    char user[] = "app", password[] = "secret", database[] = "shop";
    struct pool__options o = ACCEPTED(.user = user, .password = password, .database = database);
    (void)state;
    user[0] = password[0] = database[0] = 'X';
    assert_string_equal(o.v.user, "app");
    assert_string_equal(o.v.password, "secret");
    assert_string_equal(o.v.database, "shop");
    pool__options_fini(&o);
}

static void the_init_sql_is_copied_with_its_array(void **state)
{
    char first[] = "SET a = 1";
    const char *statements[] = {first, "SET b = 2", NULL};
    struct pool__options o = ACCEPTED(.user = "app", .init_sql = statements);
    (void)state;
    first[0] = 'X';
    statements[1] = NULL;
    assert_string_equal(o.v.init_sql[0], "SET a = 1");
    assert_string_equal(o.v.init_sql[1], "SET b = 2");
    assert_null(o.v.init_sql[2]);
    pool__options_fini(&o);
}

static void an_empty_init_sql_is_none(void **state)
{
    const char *statements[] = {NULL};
    struct pool__options o = ACCEPTED(.user = "app", .init_sql = statements);
    (void)state;
    assert_null(o.v.init_sql);
    pool__options_fini(&o);
}

static void an_empty_database_is_none(void **state)
{
    struct pool__options o = ACCEPTED(.user = "app", .database = "");
    (void)state;
    assert_null(o.v.database);
    pool__options_fini(&o);
}

static void callbacks_and_flags_are_kept(void **state)
{
    int arg;
    struct pool__options o =
        ACCEPTED(.credentials = credentials, .credentials_arg = &arg, .multi_statements = true,
                 .no_prepare = true, .no_waiting = true, .hooks = {.arg = &arg});
    (void)state;
    assert_ptr_equal(o.v.credentials, credentials);
    assert_ptr_equal(o.v.credentials_arg, &arg);
    assert_ptr_equal(o.v.hooks.arg, &arg);
    assert_true(o.v.multi_statements && o.v.no_prepare && o.v.no_waiting);
    pool__options_fini(&o);
}

static void finishing_twice_is_harmless(void **state)
{
    struct pool__options o = ACCEPTED(.user = "app");
    (void)state;
    pool__options_fini(&o);
    pool__options_fini(&o);
    assert_null(o.memory);
}

/* ------------------------------------------------------------------------
 * Reserved words: what a program asks for that was compiled with a newer header
 */

static void what_a_newer_header_asks_for_is_refused(void **state)
{
    struct pool_options options[2] = {{.user = "app", .reserved = {[31] = 1}},
                                      {.user = "app", .hooks.reserved = {&options}}};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct pool__options o;
        struct pool_error err = {0};
        assert_false(pool__options_init(&o, &options[i], &err));
        assert_int_equal(err.code, POOL_ERR_INVALID);
        assert_non_null(strstr(err.message, i ? "of the hooks is not" : "of the options is not"));
        assert_non_null(strstr(err.message, "newer than this library"));
    }
}

static void no_options_at_all_are_refused(void **state)
{
    struct pool__options o;
    struct pool_error err = {0};
    (void)state;
    assert_false(pool__options_init(&o, NULL, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
}

static void a_failure_needs_no_error_struct_and_leaves_the_target_alone(void **state)
{
    struct pool_options options = {0};
    struct pool__options o, before;
    (void)state;
    memset(&o, 0x5a, sizeof o);
    memcpy(&before, &o, sizeof o);
    assert_false(pool__options_init(&o, &options, NULL));
    assert_memory_equal(&o, &before, sizeof o);
}

static void shortage_of_memory_is_reported(void **state)
{
    struct pool_options options = {.user = "app"};
    struct pool__options o;
    struct pool_error err = {0};
    bool done;
    (void)state;
    if (!__real_mmap)
        skip();
    fail_mmap = true;
    done = pool__options_init(&o, &options, &err);
    fail_mmap = false;
    assert_false(done);
    assert_int_equal(err.code, POOL_ERR_NOMEM);
}

/* ------------------------------------------------------------------------
 * The server's address
 */

static void hosts_are_names_or_addresses(void **state)
{
    static const char *const good[] = {
        "localhost", "db.example", "db-1.example.", "my_db",         "10.0.0.1",       "::1",
        "[::1]",     "fe80::1:2",  "2001:db8::7",   "[2001:db8::7]", "::ffff:10.0.0.1"};
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (!pool__option_check_host(good[i]))
            fail_msg("refused %s", good[i]);
}

static void hosts_that_libmariadb_would_interpret_are_refused(void **state)
{
    static const char *const bad[] = {
        "x=y",     "host=a;port=1", "a,b",  "zzz://a", "a b",   "a/b",        "a%b",
        "db:3306", "[::1",          "::1]", "[]",      "[a.b]", "[[::1]]",    "::1::",
        "a\nb",    "a\tb",          "ä",    "a'b",     "a\\b",  "[::1]:3306", "a@b",
        "a?b",     "a#b",           "",     "[]::1",   "*",     "fe80::1%e"};
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (pool__option_check_host(bad[i]))
            fail_msg("accepted %s", bad[i]);
        REFUSED("'host'", .user = "app", .host = bad[i]);
    }
}

static void a_host_may_have_255_characters_but_not_256(void **state)
{
    char host[257] = "";
    struct pool__options o;
    (void)state;
    memset(host, 'a', 255);
    o = ACCEPTED(.user = "app", .host = host);
    pool__options_fini(&o);
    host[255] = 'a';
    REFUSED("'host'", .user = "app", .host = host);
}

static void brackets_are_taken_off(void **state)
{
    struct pool__options o = ACCEPTED(.user = "app", .host = "[2001:db8::7]");
    (void)state;
    assert_string_equal(o.v.host, "2001:db8::7");
    pool__options_fini(&o);
}

static void a_url_in_the_place_of_a_host_is_not_shown(void **state)
{
    struct pool_options options = {.user = "app", .host = "mysql://app:SECRETCANARY@db"};
    struct pool__options o;
    struct pool_error err = {0};
    (void)state;
    assert_false(pool__options_init(&o, &options, &err));
    assert_non_null(strstr(err.message, "URL"));
    assert_null(strstr(err.message, "CANARY"));
    options.socket = "/s";
    assert_false(pool__options_init(&o, &options, &err));
    assert_null(strstr(err.message, "CANARY"));
}

static void a_socket_is_an_absolute_path(void **state)
{
    struct pool__options o = ACCEPTED(.user = "app", .socket = "/run/mysqld/mysqld.sock");
    (void)state;
    assert_non_null(o.v.socket);
    assert_string_equal(o.v.socket, "/run/mysqld/mysqld.sock");
    assert_string_equal(o.v.host, "localhost");
    pool__options_fini(&o);
    REFUSED("'socket'|run/s", .user = "app", .socket = "run/s");
    REFUSED("'socket'|/a;b", .user = "app", .socket = "/a;b");
    REFUSED("'socket'|/a,b", .user = "app", .socket = "/a,b");
    REFUSED("'socket'|/a=b", .user = "app", .socket = "/a=b");
    REFUSED("'socket'|byte 3", .user = "app", .socket = "/a\nb");
    REFUSED("'socket'", .user = "app", .socket = "");
}

static void a_socket_path_fits_its_address(void **state)
{
    char path[109] = "/";
    struct pool__options o;
    (void)state;
    memset(path + 1, 'a', 106);
    o = ACCEPTED(.user = "app", .socket = path);
    pool__options_fini(&o);
    path[107] = 'a';
    REFUSED("'socket'|108", .user = "app", .socket = path);
}

static void a_socket_contradicts_a_host_and_a_port(void **state)
{
    (void)state;
    REFUSED("'host'|'socket'|/s", .user = "app", .socket = "/s", .host = "db");
    REFUSED("'port'|'socket'|3306", .user = "app", .socket = "/s", .port = 3306);
}

/* ------------------------------------------------------------------------
 * Single options
 */

static void a_user_is_needed_unless_a_callback_knows_one(void **state)
{
    struct pool__options o = ACCEPTED(.credentials = credentials);
    (void)state;
    pool__options_fini(&o);
    REFUSED("'user'", .host = "db");
    REFUSED("'user'", .user = "");
}

static void control_characters_are_refused_by_place(void **state)
{
    (void)state;
    REFUSED("'user'|byte 2", .user = "a\nb");
    REFUSED("'database'|byte 1", .user = "app", .database = "\x7f");
    REFUSED("'application_name'|byte 3", .user = "app", .application_name = "ab\x01");
    REFUSED("'tls_ca'|byte 3", .user = "app", .host = "db", .tls_ca = "/a\n");
}

static void a_password_may_be_anything_and_is_never_shown(void **state)
{
    struct pool__options o = ACCEPTED(.user = "app", .password = "a\n\t\x7f;=@");
    (void)state;
    assert_string_equal(o.v.password, "a\n\t\x7f;=@");
    pool__options_fini(&o);
}

static void numbers_out_of_range_are_refused_with_their_value(void **state)
{
    (void)state;
    REFUSED("'port'|65536", .user = "app", .port = 65536);
    REFUSED("'connection_limit'|4097|4096", .user = "app", .connection_limit = 4097);
    REFUSED("'connect_timeout_ms'|4294967295", .user = "app", .connect_timeout_ms = POOL_NEVER);
    REFUSED("'fair_after_ms'|4294967295", .user = "app", .fair_after_ms = POOL_NEVER);
    REFUSED("'keepalive_ms'|2592000001|never", .user = "app", .keepalive_ms = 2592000001u);
    REFUSED("'query_timeout_ms'|4294967294", .user = "app", .query_timeout_ms = POOL_NEVER - 1);
    REFUSED("'statement_cache'|65536", .user = "app", .statement_cache = 65536);
    REFUSED("'max_packet_bytes'|4095", .user = "app", .max_packet_bytes = 4095);
    REFUSED("'max_packet_bytes'|1073741825", .user = "app", .max_packet_bytes = 1073741825);
}

static void numbers_at_the_ends_of_their_range_are_accepted(void **state)
{
    struct pool__options o =
        ACCEPTED(.user = "app", .port = 65535, .connection_limit = 4096, .min_idle = 4096,
                 .acquire_timeout_ms = POOL_NEVER, .keepalive_ms = 2592000000u,
                 .statement_cache = 65535, .max_packet_bytes = 1073741824);
    (void)state;
    pool__options_fini(&o);
    o = ACCEPTED(.user = "app", .port = 1, .connection_limit = 1, .max_packet_bytes = 4096);
    pool__options_fini(&o);
}

static void enums_out_of_range_are_refused_with_their_value(void **state)
{
    (void)state;
    REFUSED("'tls'|4", .user = "app", .tls = (enum pool_tls_mode)4);
    REFUSED("'reset_policy'|3", .user = "app", .reset_policy = (enum pool_reset_policy)3);
}

static void more_idle_than_all_is_refused(void **state)
{
    (void)state;
    REFUSED("'min_idle'|11|10", .user = "app", .min_idle = 11);
    REFUSED("'min_idle'|3|2", .user = "app", .connection_limit = 2, .min_idle = 3);
}

static void a_queue_without_waiting_is_refused(void **state)
{
    (void)state;
    REFUSED("'no_waiting'|'queue_limit'|5", .user = "app", .no_waiting = true, .queue_limit = 5);
}

static void an_empty_statement_in_the_init_sql_is_refused(void **state)
{
    const char *statements[] = {"SET a = 1", "", NULL};
    (void)state;
    REFUSED("'init_sql'|2", .user = "app", .init_sql = statements);
}

/* ------------------------------------------------------------------------
 * TLS and authentication
 */

static void tls_is_off_near_and_verified_far(void **state)
{
    static const struct {
        const char *host;
        enum pool_tls_mode tls;
    } table[] = {{NULL, POOL_TLS_OFF},
                 {"localhost", POOL_TLS_OFF},
                 {"LocalHost", POOL_TLS_OFF},
                 {"127.0.0.1", POOL_TLS_OFF},
                 {"127.200.3.4", POOL_TLS_OFF},
                 {"::1", POOL_TLS_OFF},
                 {"[::1]", POOL_TLS_OFF},
                 {"db.example", POOL_TLS_VERIFY},
                 {"10.0.0.1", POOL_TLS_VERIFY},
                 {"128.0.0.1", POOL_TLS_VERIFY},
                 {"127.0.0.1.evil.example", POOL_TLS_VERIFY},
                 {"localhost.evil.example", POOL_TLS_VERIFY},
                 {"::2", POOL_TLS_VERIFY}};
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        struct pool__options o = ACCEPTED(.user = "app", .host = table[i].host);
        assert_int_equal(o.v.tls, table[i].tls);
        pool__options_fini(&o);
    }
}

static void a_chosen_tls_mode_is_kept(void **state)
{
    struct pool__options o = ACCEPTED(.user = "app", .host = "localhost", .tls = POOL_TLS_VERIFY,
                                      .tls_ca = "/ca", .tls_cert = "/cert", .tls_key = "/key");
    (void)state;
    assert_int_equal(o.v.tls, POOL_TLS_VERIFY);
    assert_string_equal(o.v.tls_ca, "/ca");
    pool__options_fini(&o);
    o = ACCEPTED(.user = "app", .host = "db", .tls = POOL_TLS_OFF);
    assert_int_equal(o.v.tls, POOL_TLS_OFF);
    pool__options_fini(&o);
}

static void files_for_tls_need_tls(void **state)
{
    (void)state;
    REFUSED("'tls_ca'|/ca", .user = "app", .host = "db", .tls = POOL_TLS_OFF, .tls_ca = "/ca");
    REFUSED("'tls_key'|/k", .user = "app", .host = "db", .tls = POOL_TLS_OFF, .tls_key = "/k");
    REFUSED("'tls_ca'|default", .user = "app", .host = "localhost", .tls_ca = "/ca");
    REFUSED("'tls_ca'", .user = "app", .socket = "/s", .tls_ca = "/ca");
}

static void a_certificate_and_its_key_come_together(void **state)
{
    (void)state;
    REFUSED("'tls_cert'|/c|'tls_key'", .user = "app", .host = "db", .tls_cert = "/c");
    REFUSED("'tls_key'|/k|'tls_cert'", .user = "app", .host = "db", .tls_key = "/k");
}

static void tls_over_a_unix_socket_is_refused(void **state)
{
    (void)state;
    REFUSED("'tls'|verify|/s", .user = "app", .socket = "/s", .tls = POOL_TLS_VERIFY);
    REFUSED("'tls'|unverified-unsafe", .user = "app", .socket = "/s",
            .tls = POOL_TLS_UNVERIFIED_UNSAFE);
}

static void caching_sha2_is_allowed_by_default_only_where_nobody_listens(void **state)
{
    static const struct pool_options trusted[] = {{.user = "app", .host = "db"},
                                                  {.user = "app", .socket = "/s"}};
    static const struct pool_options untrusted[] = {
        {.user = "app"},
        {.user = "app", .host = "db", .tls = POOL_TLS_OFF},
        {.user = "app", .host = "db", .tls = POOL_TLS_UNVERIFIED_UNSAFE}};
    struct pool__options o;
    (void)state;
    for (size_t i = 0; i < COUNT(trusted); i++) {
        o = accepted(trusted[i]);
        assert_string_equal(o.v.auth_plugins,
                            "mysql_native_password,client_ed25519,caching_sha2_password");
        pool__options_fini(&o);
    }
    for (size_t i = 0; i < COUNT(untrusted); i++) {
        o = accepted(untrusted[i]);
        assert_string_equal(o.v.auth_plugins, "mysql_native_password,client_ed25519");
        pool__options_fini(&o);
    }
}

static void a_chosen_list_of_plugins_is_kept(void **state)
{
    struct pool__options o = ACCEPTED(.user = "app", .auth_plugins = "caching_sha2_password");
    (void)state;
    assert_string_equal(o.v.auth_plugins, "caching_sha2_password");
    assert_ptr_equal(o.v.auth_plugins, o.v.auth_plugins);
    pool__options_fini(&o);
}

static void plugin_lists_are_names_and_commas(void **state)
{
    static const char *const bad[] = {"",  ",",   "a,",  ",a",   "a,,b", "a, b",
                                      "A", "a;b", "a/b", "../a", "a b",  "a.so"};
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        REFUSED("'auth_plugins'", .user = "app", .auth_plugins = bad[i]);
}

static void plugins_that_expose_the_password_need_a_trusted_channel(void **state)
{
    static const char *const names[] = {"mysql_clear_password", "dialog", "mysql_old_password",
                                        "client_ed25519,dialog"};
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct pool__options o = ACCEPTED(.user = "app", .host = "db", .auth_plugins = names[i]);
        pool__options_fini(&o);
        o = ACCEPTED(.user = "app", .socket = "/s", .auth_plugins = names[i]);
        pool__options_fini(&o);
        REFUSED("'auth_plugins'|without", .user = "app", .auth_plugins = names[i]);
        REFUSED("'auth_plugins'|without", .user = "app", .host = "db", .auth_plugins = names[i],
                .tls = POOL_TLS_UNVERIFIED_UNSAFE);
    }
}

static void a_set_uid_program_refuses_plugins_from_the_environment(void **state)
{
    static const char *const names[] = {"LIBMYSQL_PLUGINS", "MARIADB_PLUGIN_DIR"};
    struct pool_error err = {0};
    (void)state;
    assert_true(pool__option_check_environment(true, &err));
    for (size_t i = 0; i < COUNT(names); i++) {
        setenv(names[i], "/tmp/evil", 1);
        assert_true(pool__option_check_environment(false, &err));
        assert_false(pool__option_check_environment(true, &err));
        assert_int_equal(err.code, POOL_ERR_INVALID);
        assert_non_null(strstr(err.message, names[i]));
        unsetenv(names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_left_at_zero_get_their_defaults),
        cmocka_unit_test(texts_left_out_are_never_null_where_libmariadb_would_ask_the_environment),
        cmocka_unit_test(texts_are_copied),
        cmocka_unit_test(the_init_sql_is_copied_with_its_array),
        cmocka_unit_test(an_empty_init_sql_is_none),
        cmocka_unit_test(an_empty_database_is_none),
        cmocka_unit_test(callbacks_and_flags_are_kept),
        cmocka_unit_test(finishing_twice_is_harmless),
        cmocka_unit_test(what_a_newer_header_asks_for_is_refused),
        cmocka_unit_test(no_options_at_all_are_refused),
        cmocka_unit_test(a_failure_needs_no_error_struct_and_leaves_the_target_alone),
        cmocka_unit_test(shortage_of_memory_is_reported),
        cmocka_unit_test(hosts_are_names_or_addresses),
        cmocka_unit_test(hosts_that_libmariadb_would_interpret_are_refused),
        cmocka_unit_test(a_host_may_have_255_characters_but_not_256),
        cmocka_unit_test(brackets_are_taken_off),
        cmocka_unit_test(a_url_in_the_place_of_a_host_is_not_shown),
        cmocka_unit_test(a_socket_is_an_absolute_path),
        cmocka_unit_test(a_socket_path_fits_its_address),
        cmocka_unit_test(a_socket_contradicts_a_host_and_a_port),
        cmocka_unit_test(a_user_is_needed_unless_a_callback_knows_one),
        cmocka_unit_test(control_characters_are_refused_by_place),
        cmocka_unit_test(a_password_may_be_anything_and_is_never_shown),
        cmocka_unit_test(numbers_out_of_range_are_refused_with_their_value),
        cmocka_unit_test(numbers_at_the_ends_of_their_range_are_accepted),
        cmocka_unit_test(enums_out_of_range_are_refused_with_their_value),
        cmocka_unit_test(more_idle_than_all_is_refused),
        cmocka_unit_test(a_queue_without_waiting_is_refused),
        cmocka_unit_test(an_empty_statement_in_the_init_sql_is_refused),
        cmocka_unit_test(tls_is_off_near_and_verified_far),
        cmocka_unit_test(a_chosen_tls_mode_is_kept),
        cmocka_unit_test(files_for_tls_need_tls),
        cmocka_unit_test(a_certificate_and_its_key_come_together),
        cmocka_unit_test(tls_over_a_unix_socket_is_refused),
        cmocka_unit_test(caching_sha2_is_allowed_by_default_only_where_nobody_listens),
        cmocka_unit_test(a_chosen_list_of_plugins_is_kept),
        cmocka_unit_test(plugin_lists_are_names_and_commas),
        cmocka_unit_test(plugins_that_expose_the_password_need_a_trusted_channel),
        cmocka_unit_test(a_set_uid_program_refuses_plugins_from_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
