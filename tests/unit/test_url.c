/*
 * What a URL may say, and what it must never give away.
 *
 * The last test mutates good URLs a few hundred thousand times, always the same
 * way, and is worth most under the address sanitizer. Where a URL has a
 * password it is mostly a canary, which must not turn up in any message. The test of
 * memory shortage needs -Wl,--wrap=malloc and skips itself without it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/hints.h"
#include "config/option_check.h"
#include "config/option_table.h"
#include "config/options.h"
#include "config/url.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define CANARY "SECRETCANARY"
#define MUTATIONS 200000

static bool fail_malloc;

void *__real_malloc(size_t size) __attribute__((weak));
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return fail_malloc ? NULL : __real_malloc(size);
}

struct parsed {
    struct pool_options o;
    void *memory;
};

static struct parsed accepted(const char *url)
{
    struct parsed p;
    struct pool_error err = {.code = POOL_ERR_LOST};
    if (!pool_options_from_url(url, &p.o, &p.memory, &err))
        fail_msg("refused: %s: %s", url, err.message);
    assert_int_equal(err.code, POOL_OK);
    return p;
}

static void done(struct parsed *p)
{
    pool__url_free(p->memory);
}

/* Asserts that the URL is refused with a message that has `word` and no canary. */
static void refused(const char *url, const char *word)
{
    struct parsed p;
    struct pool_error err = {0};
    if (pool_options_from_url(url, &p.o, &p.memory, &err)) {
        done(&p);
        fail_msg("accepted: %s", url);
    }
    assert_int_equal(err.code, POOL_ERR_INVALID);
    if (strstr(err.message, CANARY))
        fail_msg("the password is in: %s", err.message);
    if (!strstr(err.message, word))
        fail_msg("'%s' is not in: %s (%s)", word, err.message, url);
}

/* ------------------------------------------------------------------------
 * The parts
 */

static void a_full_url_fills_every_part(void **state)
{
    struct parsed p = accepted("mysql://app:" CANARY "@db.example:3307/shop?connectionLimit=20");
    (void)state;
    assert_string_equal(p.o.user, "app");
    assert_string_equal(p.o.password, CANARY);
    assert_string_equal(p.o.host, "db.example");
    assert_int_equal(p.o.port, 3307);
    assert_string_equal(p.o.database, "shop");
    assert_int_equal(p.o.connection_limit, 20);
    done(&p);
}

static void what_is_left_out_stays_zero(void **state)
{
    static const struct pool_options zero;
    struct parsed p = accepted("mysql://db");
    (void)state;
    assert_string_equal(p.o.host, "db");
    p.o.host = NULL;
    assert_memory_equal(&p.o, &zero, sizeof zero);
    done(&p);
}

static void the_scheme_is_mysql_or_mariadb_in_any_case(void **state)
{
    static const char *const good[] = {"mysql://db", "mariadb://db", "MySQL://db", "MARIADB://db"};
    static const char *const bad[] = {"",   "mysql", "mysql:",        "mysql:/db",   "//db",
                                      "db", "://db", "postgres://db", "mysqlx://db", "mysql:db"};
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct parsed p = accepted(good[i]);
        done(&p);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        refused(bad[i], "mysql://");
}

static void an_ipv6_address_is_in_brackets(void **state)
{
    struct parsed p = accepted("mysql://app@[2001:db8::7]:3307/shop");
    (void)state;
    assert_string_equal(p.o.host, "2001:db8::7");
    assert_int_equal(p.o.port, 3307);
    done(&p);
    p = accepted("mysql://[::1]");
    assert_string_equal(p.o.host, "::1");
    assert_int_equal(p.o.port, 0);
    done(&p);
    refused("mysql://app@2001:db8::7/shop", "port");
    refused("mysql://app@[::1/shop", "bracket");
    refused("mysql://app@[::1]x/shop", "bracket");
    refused("mysql://app@[db]/shop", "bracket");
    refused("mysql://app@[]/shop", "bracket");
    refused("mysql://app@[::1::]/shop", "host");
}

static void every_part_is_decoded_exactly_once(void **state)
{
    struct parsed p = accepted("mysql://a%40b:%2F%3f%2523@d%62/s%2Fhop?applicationName=a%26b%3d+c");
    (void)state;
    assert_string_equal(p.o.user, "a@b");
    assert_string_equal(p.o.password, "/?%23");
    assert_string_equal(p.o.host, "db");
    assert_string_equal(p.o.database, "s/hop");
    assert_string_equal(p.o.application_name, "a&b=+c");
    done(&p);
}

static void bad_escapes_are_refused(void **state)
{
    static const char *const escapes[] = {"%", "%4", "%4g", "%g4", "%00", "%%41", "%-1", "%+1"};
    static const char *const urls[] = {"mysql://a%s:" CANARY "@db/s", "mysql://a:" CANARY "%s@db/s",
                                       "mysql://a:" CANARY "@db%s/s", "mysql://a:" CANARY "@db/s%s",
                                       "mysql://a:" CANARY "@db/s?tlsCa=%s"};
    char url[128];
    (void)state;
    for (size_t i = 0; i < COUNT(escapes); i++)
        for (size_t j = 0; j < COUNT(urls); j++) {
            size_t at = strcspn(urls[j], "%");
            snprintf(url, sizeof url, "%.*s%s%s", (int)at, urls[j], escapes[i], urls[j] + at + 2);
            refused(url, "escape");
        }
}

static void a_password_may_be_empty_or_have_colons(void **state)
{
    struct parsed p = accepted("mysql://app:@db");
    (void)state;
    assert_string_equal(p.o.password, "");
    done(&p);
    p = accepted("mysql://app:a:b@db");
    assert_string_equal(p.o.user, "app");
    assert_string_equal(p.o.password, "a:b");
    done(&p);
    p = accepted("mysql://app@db");
    assert_null(p.o.password);
    done(&p);
}

static void a_missing_user_or_host_is_refused(void **state)
{
    (void)state;
    refused("mysql://@db", "user");
    refused("mysql://:" CANARY "@db", "user");
    refused("mysql://", "host");
    refused("mysql:///shop", "host");
    refused("mysql://app:" CANARY "@/shop", "host");
    refused("mysql://app:" CANARY "@:3306/shop", "host");
}

static void a_socket_takes_the_place_of_the_host(void **state)
{
    struct parsed p = accepted("mysql://app@/shop?socketPath=/run/mysqld.sock");
    (void)state;
    assert_null(p.o.host);
    assert_string_equal(p.o.socket, "/run/mysqld.sock");
    assert_string_equal(p.o.database, "shop");
    done(&p);
}

static void ports_are_numbers_from_1_to_65535(void **state)
{
    static const char *const bad[] = {"",    "0",     "65536", "-1",  "+1",
                                      "0x1", "3306x", "03306", "3 3", "99999999999999999999999"};
    char url[128];
    struct parsed p = accepted("mysql://db:65535");
    (void)state;
    assert_int_equal(p.o.port, 65535);
    done(&p);
    for (size_t i = 0; i < COUNT(bad); i++) {
        snprintf(url, sizeof url, "mysql://app:" CANARY "@db:%s/shop", bad[i]);
        refused(url, strchr(bad[i], ' ') ? "space" : "port");
    }
}

static void hosts_that_libmariadb_would_interpret_are_refused(void **state)
{
    static const char *const bad[] = {"a;b",   "a=b",   "a,b",   "a%3Bb",
                                      "a%2Cb", "a%2Fb", "a%20b", "a%3A1"};
    char url[128];
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        snprintf(url, sizeof url, "mysql://app:" CANARY "@%s/shop", bad[i]);
        refused(url, "host");
    }
}

static void the_path_is_one_database_or_nothing(void **state)
{
    struct parsed p = accepted("mysql://app@db/?minIdle=1");
    (void)state;
    assert_null(p.o.database);
    assert_int_equal(p.o.min_idle, 1);
    done(&p);
    refused("mysql://app@db/a/b", "database");
    refused("mysql://app@db/a/", "database");
    refused("mysql://app@db//", "database");
}

static void spaces_controls_and_fragments_are_refused(void **state)
{
    static const char *const bad[] = {" ", "\t", "\n", "\r", "\x01", "\x7f"};
    char url[128];
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        snprintf(url, sizeof url, "mysql://app:" CANARY "%s@db/shop", bad[i]);
        refused(url, "control character");
    }
    refused("mysql://app:" CANARY "@db/shop#a", "#");
    refused("mysql://app:#" CANARY "@db/shop", "#");
}

static void a_url_may_have_8192_bytes_but_not_more(void **state)
{
    char *url = calloc(1, 8194);
    struct parsed p;
    (void)state;
    strcpy(url, "mysql://app@db/");
    memset(url + strlen(url), 'a', 8192 - strlen(url));
    p = accepted(url);
    done(&p);
    url[8192] = 'a';
    refused(url, "8192");
    free(url);
}

/* ------------------------------------------------------------------------
 * Parameters
 */

static void limits_and_times_land_in_their_fields(void **state)
{
    struct parsed p =
        accepted("mysql://app@db?connectionLimit=1&minIdle=2&queueLimit=3&acquireTimeout=4"
                 "&connectTimeout=5&queryTimeout=6&idleTimeout=7&maxLifetime=8&keepalive=9"
                 "&fairAfter=10&failFast=11&leakAfter=12&statementCache=13&maxRows=14"
                 "&maxResultBytes=15&maxPacketBytes=4096");
    (void)state;
    assert_int_equal(p.o.connection_limit, 1);
    assert_int_equal(p.o.min_idle, 2);
    assert_int_equal(p.o.queue_limit, 3);
    assert_int_equal(p.o.acquire_timeout_ms, 4);
    assert_int_equal(p.o.connect_timeout_ms, 5);
    assert_int_equal(p.o.query_timeout_ms, 6);
    assert_int_equal(p.o.idle_timeout_ms, 7);
    assert_int_equal(p.o.max_lifetime_ms, 8);
    assert_int_equal(p.o.keepalive_ms, 9);
    assert_int_equal(p.o.fair_after_ms, 10);
    assert_int_equal(p.o.fail_fast_ms, 11);
    assert_int_equal(p.o.leak_after_ms, 12);
    assert_int_equal(p.o.statement_cache, 13);
    assert_int_equal(p.o.max_rows, 14);
    assert_int_equal(p.o.max_result_bytes, 15);
    assert_int_equal(p.o.max_packet_bytes, 4096);
    done(&p);
}

static void texts_land_in_their_fields(void **state)
{
    struct parsed p = accepted("mysql://app@?socketPath=/s&tlsCa=/ca&tlsCert=/cert&tlsKey=/key"
                               "&authPlugins=dialog,client_ed25519&applicationName=shop");
    (void)state;
    assert_string_equal(p.o.socket, "/s");
    assert_string_equal(p.o.tls_ca, "/ca");
    assert_string_equal(p.o.tls_cert, "/cert");
    assert_string_equal(p.o.tls_key, "/key");
    assert_string_equal(p.o.auth_plugins, "dialog,client_ed25519");
    assert_string_equal(p.o.application_name, "shop");
    done(&p);
}

static void flags_are_true_false_1_or_0_and_two_are_inverted(void **state)
{
    struct parsed p =
        accepted("mysql://db?waitForConnections=false&prepare=0&multipleStatements=1");
    (void)state;
    assert_true(p.o.no_waiting);
    assert_true(p.o.no_prepare);
    assert_true(p.o.multi_statements);
    done(&p);
    refused("mysql://app@db?prepare=yes", "prepare");
    refused("mysql://app@db?prepare=True", "prepare");
    refused("mysql://app@db?waitForConnections=2", "waitForConnections");
    refused("mysql://app@db?prepare=on", "must be true or false (or 1 or 0)");
}

static void never_and_unlimited_are_accepted_where_they_mean_something(void **state)
{
    struct parsed p = accepted("mysql://db?idleTimeout=never&queueLimit=unlimited"
                               "&maxRows=unlimited");
    (void)state;
    assert_int_equal(p.o.idle_timeout_ms, POOL_NEVER);
    assert_int_equal(p.o.queue_limit, POOL_UNLIMITED);
    assert_int_equal(p.o.max_rows, POOL_UNLIMITED);
    done(&p);
    refused("mysql://app@db?connectTimeout=never", "connectTimeout");
    refused("mysql://app@db?connectionLimit=unlimited", "connectionLimit");
    refused("mysql://app@db?idleTimeout=unlimited", "idleTimeout");
}

static void numbers_are_plain_decimals_within_their_range(void **state)
{
    static const char *const bad[] = {"-1",   "+1",   "1.5",        "1e3", "0x10",
                                      "010",  "10s",  "4097",       "ten", "1,0",
                                      "%31x", "1%20", "4294967297", "0",   "18446744073709551617"};
    char url[128];
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        snprintf(url, sizeof url, "mysql://app:" CANARY "@db?connectionLimit=%s", bad[i]);
        refused(url, "'connectionLimit' must be a whole number from 1 to 4096");
    }
}

static void zero_is_refused_where_it_would_quietly_become_the_default(void **state)
{
    struct parsed p = accepted("mysql://db?minIdle=0&queueLimit=0");
    (void)state;
    done(&p);
    refused("mysql://app@db?idleTimeout=0", "'idleTimeout'");
    refused("mysql://app@db?maxRows=0", "'maxRows'");
    refused("mysql://app@db?maxPacketBytes=0", "'maxPacketBytes'");
}

static void choices_are_words(void **state)
{
    struct parsed p = accepted("mysql://db?tls=verify&resetPolicy=always");
    (void)state;
    assert_int_equal(p.o.tls, POOL_TLS_VERIFY);
    assert_int_equal(p.o.reset_policy, POOL_RESET_ALWAYS);
    done(&p);
    refused("mysql://app@db?tls=required", "default, off, verify, unverified-unsafe");
    refused("mysql://app@db?resetPolicy=2", "auto, always, never");
}

static void an_unknown_parameter_is_named_and_a_near_name_suggested(void **state)
{
    (void)state;
    refused("mysql://app@db?frobnicate=1", "unknown parameter 'frobnicate'");
    refused("mysql://app@db?connectionlimit=1", "did you mean 'connectionLimit'?");
    refused("mysql://app@db?connection_limit=1", "did you mean 'connectionLimit'?");
    refused("mysql://app@db?tlsca=1", "did you mean 'tlsCa'?");
}

static void a_name_that_is_only_spelt_otherwise_is_recognised(void **state)
{
    (void)state;
    refused("mysql://app@db?CONNECTTIMEOUT=1", "did you mean 'connectTimeout'?");
    refused("mysql://app@db?connect-timeout=1", "did you mean 'connectTimeout'?");
    refused("mysql://app@db?acquire_timeout_ms=1", "did you mean 'acquireTimeout'?");
    refused("mysql://app@db?no_prepare=1", "did you mean 'prepare'?");
    refused("mysql://app@db?sql_mode=ANSI", "did you mean 'sqlMode'?");
    refused("mysql://app@db?conectTimeout=1", "did you mean 'connectTimeout'?");
}

static void other_drivers_names_lead_to_ours(void **state)
{
    /* clang-format off */
    static const char *const names[][2] = {
        {"charset=utf8", "'collation'"},        {"ssl=true", "here it is 'tls'"},
        {"sslmode=require", "here it is 'tls'"}, {"ssl-mode=REQUIRED", "here it is 'tls'"},
        {"useSSL=true", "here it is 'tls'"},    {"timezone=Z", "did you mean 'timeZone'?"},
        {"serverTimezone=UTC", "here it is 'timeZone'"},
        {"minimumIdle=2", "here it is 'minIdle'"},
        {"maximumPoolSize=5", "here it is 'connectionLimit'"},
        {"pool_size=5", "here it is 'connectionLimit'"},
        {"max=5", "here it is 'connectionLimit'"}, {"min=5", "here it is 'minIdle'"},
        {"connection_timeout=5", "'acquireTimeout'"},
        {"multiStatements=1", "did you mean 'multipleStatements'?"},
        {"allowMultiQueries=1", "here it is 'multipleStatements'"},
        {"socket=/s", "did you mean 'socketPath'?"}, {"unix_socket=/s", "here it is 'socketPath'"},
        {"parseTime=true", "no conversion"},    {"pool_recycle=5", "here it is 'maxLifetime'"},
        {"pool_pre_ping=1", "'keepalive'"},     {"init_command=x", "init_sql"},
        {"sessionVariables=a=1", "var.NAME=value"}, {"allowLocalInfile=1", "always off"},
        {"username=x", "'username' cannot be a parameter"},
        {"passwd=" CANARY, "'passwd' cannot be a parameter"},
    };
    /* clang-format on */
    char url[128];
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(url, sizeof url, "mysql://app:" CANARY "@db?%s", names[i][0]);
        refused(url, names[i][1]);
    }
}

static bool is_ours(const char *name, size_t len)
{
    size_t count;
    const struct pool__option *table = pool__option_table(&count);
    for (size_t i = 0; i < count; i++)
        if (table[i].name && strlen(table[i].name) == len && !strncmp(table[i].name, name, len))
            return true;
    return false;
}

static bool is_spelt_like_ours(const char *name)
{
    size_t count;
    const struct pool__option *table = pool__option_table(&count);
    for (size_t i = 0; i < count; i++)
        if (pool__hints_same_name(name, table[i].field) ||
            (table[i].name && pool__hints_same_name(name, table[i].name)))
            return true;
    return false;
}

/* A hint that leads to nothing is worse than none; so is one that is never looked at. */
static void every_hint_names_what_there_is_and_can_be_reached(void **state)
{
    size_t count;
    const struct pool__hint *all = pool__hints_all(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        const char *at = all[i].text;
        for (at = strchr(at, '\''); at; at = strchr(at, '\'')) {
            size_t len = strcspn(++at, "'");
            if (!is_ours(at, len))
                fail_msg("%s: %s", all[i].alias, all[i].text);
            at += len + 1;
        }
        if (pool__hints_for(all[i].alias) != all[i].text || is_spelt_like_ours(all[i].alias))
            fail_msg("%s cannot be reached", all[i].alias);
    }
}

static void variables_of_sessions_are_collected(void **state)
{
    struct parsed p = accepted("mysql://db?var.a=1&minIdle=2&var.B_2=x,y%3Dz&var.c=");
    (void)state;
    assert_string_equal(p.o.session_variables[0], "a=1");
    assert_string_equal(p.o.session_variables[1], "B_2=x,y=z");
    assert_string_equal(p.o.session_variables[2], "c=");
    assert_null(p.o.session_variables[3]);
    assert_int_equal(p.o.min_idle, 2);
    done(&p);
    refused("mysql://app@db?var.a=1&var.A=2", "'var.A' is given twice");
    refused("mysql://app@db?var.a", "'var.a' has no value");
    refused("mysql://app@db?var.a=%", "escape");
    refused("mysql://app@db?var.=1", "without the name");
    refused("mysql://app@db?var.a.b=1", "without the name");
    refused("mysql://app@db?var.@x=1", "@");
    refused("mysql://app:" CANARY "@db?var." CANARY "-=1", "without the name");
}

static void the_options_of_sessions_land_in_their_fields(void **state)
{
    struct parsed p = accepted("mysql://db?sqlMode=&timeZone=+02:00&isolation=read-committed"
                               "&collation=utf8mb4_bin&tcpKeepalive=1000&tcpUserTimeout=never");
    (void)state;
    assert_string_equal(p.o.sql_mode, "");
    assert_string_equal(p.o.time_zone, "+02:00");
    assert_int_equal(p.o.isolation, POOL_ISOLATION_READ_COMMITTED);
    assert_string_equal(p.o.collation, "utf8mb4_bin");
    assert_int_equal(p.o.tcp_keepalive_ms, 1000);
    assert_int_equal(p.o.tcp_user_timeout_ms, POOL_NEVER);
    done(&p);
    refused("mysql://app@db?isolation=snapshot", "read-committed, repeatable-read, serializable");
    refused("mysql://app@db?timeZone=", "'timeZone' has no value");
}

/* ------------------------------------------------------------------------
 * Over options that are there already
 */

static struct parsed applied(const char *url, struct pool_options base)
{
    struct parsed p = {.o = base};
    struct pool_error err;
    if (!pool_options_apply_url(url, &p.o, &p.memory, &err))
        fail_msg("refused: %s: %s", url, err.message);
    return p;
}

static void what_a_url_does_not_say_is_kept(void **state)
{
    const char *statements[] = {"SET @a = 1", NULL};
    int arg;
    struct parsed p =
        applied("mysql://db?minIdle=3", (struct pool_options){.user = "app",
                                                              .password = CANARY,
                                                              .port = 3307,
                                                              .database = "shop",
                                                              .min_idle = 1,
                                                              .connection_limit = 7,
                                                              .no_prepare = true,
                                                              .init_sql = statements,
                                                              .hooks = {.arg = &arg}});
    (void)state;
    assert_string_equal(p.o.host, "db");
    assert_int_equal(p.o.port, 3307);
    assert_string_equal(p.o.user, "app");
    assert_string_equal(p.o.password, CANARY);
    assert_string_equal(p.o.database, "shop");
    assert_int_equal(p.o.min_idle, 3);
    assert_int_equal(p.o.connection_limit, 7);
    assert_true(p.o.no_prepare);
    assert_ptr_equal(p.o.init_sql, statements);
    assert_ptr_equal(p.o.hooks.arg, &arg);
    done(&p);
}

static void what_a_url_says_replaces_what_was_there(void **state)
{
    struct parsed p = applied("mysql://me:mine@db:3308/blog?prepare=true&tls=off&sqlMode=",
                              (struct pool_options){.user = "app",
                                                    .password = "other",
                                                    .host = "elsewhere",
                                                    .port = 3307,
                                                    .database = "shop",
                                                    .no_prepare = true,
                                                    .tls = POOL_TLS_VERIFY,
                                                    .sql_mode = "ANSI"});
    (void)state;
    assert_string_equal(p.o.user, "me");
    assert_string_equal(p.o.password, "mine");
    assert_string_equal(p.o.host, "db");
    assert_int_equal(p.o.port, 3308);
    assert_string_equal(p.o.database, "blog");
    assert_false(p.o.no_prepare);
    assert_int_equal(p.o.tls, POOL_TLS_OFF);
    assert_string_equal(p.o.sql_mode, "");
    done(&p);
}

static void the_server_is_that_of_the_url(void **state)
{
    struct parsed p = applied("mysql://app@db", (struct pool_options){.socket = "/s"});
    (void)state;
    assert_string_equal(p.o.host, "db");
    assert_null(p.o.socket);
    done(&p);
    p = applied("mysql://app@?socketPath=/s", (struct pool_options){.host = "db", .port = 3307});
    assert_null(p.o.host);
    assert_int_equal(p.o.port, 0);
    assert_string_equal(p.o.socket, "/s");
    done(&p);
}

static void variables_are_joined_by_name(void **state)
{
    const char *before[] = {"a=1", "b=2", "c=3", NULL};
    struct parsed p =
        applied("mysql://db?var.B=5&var.d=6", (struct pool_options){.session_variables = before});
    (void)state;
    assert_string_equal(p.o.session_variables[0], "B=5");
    assert_string_equal(p.o.session_variables[1], "d=6");
    assert_string_equal(p.o.session_variables[2], "a=1");
    assert_string_equal(p.o.session_variables[3], "c=3");
    assert_null(p.o.session_variables[4]);
    done(&p);
    p = applied("mysql://db", (struct pool_options){.session_variables = before});
    assert_string_equal(p.o.session_variables[0], "a=1");
    done(&p);
}

static void a_url_that_is_refused_changes_nothing(void **state)
{
    struct pool_options options = {.user = "app", .socket = "/s", .min_idle = 1};
    struct pool_options before = options;
    void *memory = &options;
    struct pool_error err;
    (void)state;
    assert_false(pool_options_apply_url("mysql://db?minIdle=2&x=1", &options, &memory, &err));
    assert_memory_equal(&options, &before, sizeof before);
    assert_ptr_equal(memory, &options);
}

static void options_that_ask_for_what_is_newer_are_refused(void **state)
{
    struct pool_options options = {.reserved = {1}};
    void *memory = &options;
    struct pool_error err;
    (void)state;
    assert_false(pool_options_apply_url("mysql://db", &options, &memory, &err));
    assert_non_null(strstr(err.message, "newer than this library"));
    assert_ptr_equal(memory, &options);
    assert_null(pool_create_url_with("mysql://app@db", &options, &err));
    assert_non_null(strstr(err.message, "newer than this library"));
}

static void a_pool_of_a_url_and_options_has_both(void **state)
{
    struct pool_options base = {.password = CANARY, .connection_limit = 3};
    struct pool_error err;
    (void)state;
    struct pool *pool = pool_create_url_with("mysql://app@127.0.0.1:1/?queueLimit=5", &base, &err);
    assert_non_null(pool);
    pool_end(pool, 0, NULL);
    assert_null(pool_create_url_with("mysql://app@db/?minIdle=5", &base, &err));
    assert_non_null(strstr(err.message, "'min_idle' is 5, more than 'connection_limit', 3"));
    assert_null(pool_create_url_with("mysql://app@db/?x=5", &base, &err));
    assert_null(strstr(err.message, CANARY));
    assert_null(pool_create_url_with("mysql://app@db", NULL, &err));
    assert_null(pool_create_url_with(NULL, &base, &err));
}

static void a_parameter_is_given_once_and_has_a_value(void **state)
{
    (void)state;
    refused("mysql://app@db?minIdle=1&minIdle=1", "'minIdle' is given twice");
    refused("mysql://app@db?minIdle", "'minIdle' has no value");
    refused("mysql://app@db?minIdle=", "'minIdle' has no value");
    refused("mysql://app@db?", "empty");
    refused("mysql://app@db?minIdle=1&", "empty");
    refused("mysql://app@db?&minIdle=1", "empty");
    refused("mysql://app@db?=1", "empty");
    refused("mysql://app@db?min%49dle=1", "malformed");
}

static void parameters_cannot_reach_what_belongs_before_them(void **state)
{
    static const char *const names[] = {"user", "password", "host", "port", "database"};
    char url[128];
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(url, sizeof url, "mysql://app:" CANARY "@db?%s=1", names[i]);
        refused(url, "cannot be a parameter");
    }
}

static void what_has_no_url_form_is_unknown(void **state)
{
    (void)state;
    refused("mysql://app@db?initSql=x", "unknown parameter 'initSql'");
    refused("mysql://app@db?hooks=x", "unknown parameter 'hooks'");
    refused("mysql://app@db?credentials=x", "unknown parameter 'credentials'");
}

static void every_name_of_the_table_is_short_enough_to_be_compared(void **state)
{
    size_t count;
    const struct pool__option *table = pool__option_table(&count);
    (void)state;
    for (size_t i = 0; i < count; i++)
        if (table[i].name)
            assert_true(strlen(table[i].name) <= 32);
}

/* ------------------------------------------------------------------------
 * Safety
 */

static void a_password_with_an_unencoded_delimiter_is_not_shown(void **state)
{
    /* clang-format off */
    static const char *const urls[] = {
        "mysql://app:a/" CANARY "@db/shop",     "mysql://app:1/" CANARY "@db",
        "mysql://app:a?" CANARY "@db/shop",     "mysql://app:1?" CANARY "=1@db/shop",
        "mysql://app:a@" CANARY "@db/shop",     "mysql://app:" CANARY ":3306/shop",
        "mysql://app:" CANARY "/shop",          "app:" CANARY "@db/shop",
        "mysql:/app:" CANARY "@db/shop",        "mysql://app:[" CANARY "@db:x/shop",
        "mysql://app?" CANARY "=1",             "mysql://app:" CANARY "@db?tls=" CANARY,
        "mysql://app:" CANARY "@db/shop/" CANARY};
    /* clang-format on */
    (void)state;
    for (size_t i = 0; i < COUNT(urls); i++)
        refused(urls[i], "URL");
}

static void missing_arguments_are_refused(void **state)
{
    struct parsed p;
    struct pool_error err;
    (void)state;
    assert_false(pool_options_from_url(NULL, &p.o, &p.memory, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_false(pool_options_from_url("mysql://db", NULL, &p.memory, &err));
    assert_false(pool_options_from_url("mysql://db", &p.o, NULL, &err));
    assert_false(pool_options_from_url("mysql://db:0", &p.o, &p.memory, NULL));
}

static void a_failure_leaves_the_targets_alone(void **state)
{
    struct parsed p, before;
    (void)state;
    memset(&p, 0x5a, sizeof p);
    memcpy(&before, &p, sizeof p);
    assert_false(pool_options_from_url("mysql://db:0", &p.o, &p.memory, NULL));
    assert_memory_equal(&p, &before, sizeof p);
}

static void shortage_of_memory_is_reported(void **state)
{
    struct parsed p;
    struct pool_error err;
    bool success;
    (void)state;
    if (!__real_malloc)
        skip();
    fail_malloc = true;
    success = pool_options_from_url("mysql://app@db", &p.o, &p.memory, &err);
    fail_malloc = false;
    assert_false(success);
    assert_int_equal(err.code, POOL_ERR_NOMEM);
}

static uint64_t seed = 88172645463325252u;

static size_t below(size_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % limit);
}

/* Changes, inserts or deletes one byte, mostly one that means something. */
static void mutate(char *url)
{
    static const char marks[] = ":/?#@%&=[];,0 9aA\n";
    size_t len = strlen(url);
    size_t at = below(len + 1);
    char c = below(3) ? marks[below(sizeof marks - 1)] : (char)(1 + below(255));
    switch (below(4)) {
    case 0:
        memmove(url + at + 1, url + at, len - at + 1);
        url[at] = c;
        break;
    case 1:
        if (at < len)
            memmove(url + at, url + at + 1, len - at);
        break;
    case 2:
        if (!below(16))
            url[at] = '\0';
        break;
    default: url[at] = at < len ? c : '\0';
    }
}

/* Runs one URL through both stages; every message must be free of the canary. */
static bool is_accepted(const char *url)
{
    struct parsed p;
    struct pool__options o;
    struct pool_error err = {0};
    bool success = pool_options_from_url(url, &p.o, &p.memory, &err);
    if (success) {
        success = pool__options_init(&o, &p.o, &err);
        if (success)
            pool__options_fini(&o);
        done(&p);
    }
    if (strstr(err.message, CANARY))
        fail_msg("the password is in: %s (%s)", err.message, url);
    return success;
}

static void mutated_urls_neither_crash_nor_betray_the_password(void **state)
{
    static const char *const seeds[] = {
        "mysql://app:" CANARY "@db.example:3306/shop?connectionLimit=10&acquireTimeout=never",
        "mariadb://a%40b:%2f" CANARY "%25@[2001:db8::1]/s%2Fhop?tls=verify&tlsCa=%2Fca.pem",
        "mysql://app:" CANARY "@/shop?socketPath=/run/s&waitForConnections=false&prepare=0",
        "mysql://app:" CANARY "@db?var.sql_mode=ANSI,X&var.a=1&timeZone=+01:00&isolation=default"};
    size_t good = 0;
    (void)state;
    for (size_t i = 0; i < MUTATIONS; i++) {
        char url[256] = "";
        strcpy(url, seeds[i % COUNT(seeds)]);
        for (size_t steps = 1 + below(4); steps > 0; steps--)
            mutate(url);
        good += is_accepted(url);
    }
    assert_in_range(good, 1, MUTATIONS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_url_fills_every_part),
        cmocka_unit_test(what_is_left_out_stays_zero),
        cmocka_unit_test(the_scheme_is_mysql_or_mariadb_in_any_case),
        cmocka_unit_test(an_ipv6_address_is_in_brackets),
        cmocka_unit_test(every_part_is_decoded_exactly_once),
        cmocka_unit_test(bad_escapes_are_refused),
        cmocka_unit_test(a_password_may_be_empty_or_have_colons),
        cmocka_unit_test(a_missing_user_or_host_is_refused),
        cmocka_unit_test(a_socket_takes_the_place_of_the_host),
        cmocka_unit_test(ports_are_numbers_from_1_to_65535),
        cmocka_unit_test(hosts_that_libmariadb_would_interpret_are_refused),
        cmocka_unit_test(the_path_is_one_database_or_nothing),
        cmocka_unit_test(spaces_controls_and_fragments_are_refused),
        cmocka_unit_test(a_url_may_have_8192_bytes_but_not_more),
        cmocka_unit_test(limits_and_times_land_in_their_fields),
        cmocka_unit_test(texts_land_in_their_fields),
        cmocka_unit_test(flags_are_true_false_1_or_0_and_two_are_inverted),
        cmocka_unit_test(never_and_unlimited_are_accepted_where_they_mean_something),
        cmocka_unit_test(numbers_are_plain_decimals_within_their_range),
        cmocka_unit_test(zero_is_refused_where_it_would_quietly_become_the_default),
        cmocka_unit_test(choices_are_words),
        cmocka_unit_test(an_unknown_parameter_is_named_and_a_near_name_suggested),
        cmocka_unit_test(a_name_that_is_only_spelt_otherwise_is_recognised),
        cmocka_unit_test(other_drivers_names_lead_to_ours),
        cmocka_unit_test(every_hint_names_what_there_is_and_can_be_reached),
        cmocka_unit_test(variables_of_sessions_are_collected),
        cmocka_unit_test(the_options_of_sessions_land_in_their_fields),
        cmocka_unit_test(what_a_url_does_not_say_is_kept),
        cmocka_unit_test(what_a_url_says_replaces_what_was_there),
        cmocka_unit_test(the_server_is_that_of_the_url),
        cmocka_unit_test(variables_are_joined_by_name),
        cmocka_unit_test(a_url_that_is_refused_changes_nothing),
        cmocka_unit_test(options_that_ask_for_what_is_newer_are_refused),
        cmocka_unit_test(a_pool_of_a_url_and_options_has_both),
        cmocka_unit_test(a_parameter_is_given_once_and_has_a_value),
        cmocka_unit_test(parameters_cannot_reach_what_belongs_before_them),
        cmocka_unit_test(what_has_no_url_form_is_unknown),
        cmocka_unit_test(every_name_of_the_table_is_short_enough_to_be_compared),
        cmocka_unit_test(a_password_with_an_unencoded_delimiter_is_not_shown),
        cmocka_unit_test(missing_arguments_are_refused),
        cmocka_unit_test(a_failure_leaves_the_targets_alone),
        cmocka_unit_test(shortage_of_memory_is_reported),
        cmocka_unit_test(mutated_urls_neither_crash_nor_betray_the_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
