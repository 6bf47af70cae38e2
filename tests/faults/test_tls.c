/*
 * TLS: who is refused, and that a connection through TLS keeps the same promises as a
 * plain one.
 *
 * The server is restarted with certificates that must be refused, which
 * tests/tools/with-mariadb makes only if asked: without them this program runs itself again
 * under `with-mariadb --extra-certs`. That no credential was sent is seen on the
 * server, which counts the connections that ended before any.
 */
#include <dirent.h>
#include <errno.h>
#include <mypool.h>
#include <mysql.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server.h"
#include "suite.h"
#include "waiting.h"

#define BIG (20u << 20)

static struct fixture {
    struct pool *pool;
    MYSQL *admin;
    bool restarted; /* with another certificate */
    pthread_t threads[4];
    unsigned thread_count;
    _Atomic bool stop;
    _Atomic uint64_t right;
    _Atomic uint64_t wrong;
    _Atomic uint64_t odd_errors;
} f;

/* The server */

static MYSQL *connect_admin(void)
{
    MYSQL *admin = mysql_init(NULL);
    if (mysql_real_connect(admin, "localhost", "admin", "adminsecret", "mypool", 0,
                           getenv("MYPOOL_SERVER_SOCKET"), 0))
        return admin;
    mysql_close(admin);
    return NULL;
}

static void admin_does(const char *sql)
{
    if (mysql_query(f.admin, sql) != 0)
        fail_msg("admin: %s: %s", sql, mysql_error(f.admin));
    mysql_free_result(mysql_store_result(f.admin));
}

static long admin_asks(const char *sql, unsigned column)
{
    if (mysql_query(f.admin, sql) != 0)
        fail_msg("admin: %s: %s", sql, mysql_error(f.admin));
    MYSQL_RES *rows = mysql_store_result(f.admin);
    MYSQL_ROW row = mysql_fetch_row(rows);
    long value = row && row[column] ? strtol(row[column], NULL, 10) : -1;
    mysql_free_result(rows);
    return value;
}

static bool restart(const char *options)
{
    char arguments[600];
    snprintf(arguments, sizeof arguments, "wait %s", options);
    mysql_close(f.admin);
    f.admin = NULL;
    return run_restart(arguments) && (f.admin = connect_admin());
}

/* Under the certificate MYPOOL_CERTS/name.pem. */
static void serve_certificate(const char *name)
{
    char options[512];
    const char *certs = getenv("MYPOOL_CERTS");
    snprintf(options, sizeof options, "'--ssl-cert=%s/%s.pem' '--ssl-key=%s/%s.key'", certs, name,
             certs, name);
    f.restarted = true;
    assert_true(restart(options));
}

static void serve_without_tls(void)
{
    f.restarted = true;
    assert_true(restart("--skip-ssl"));
}

/* Pools */

static struct pool_options tls_options(void)
{
    struct pool_options options = {
        .host = "127.0.0.1",
        .port = (unsigned)strtoul(getenv("MYPOOL_SERVER_PORT"), NULL, 10),
        .user = "app",
        .password = "secret",
        .database = "mypool",
        .connection_limit = 4,
        .tls = POOL_TLS_VERIFY,
        .tls_ca = getenv("MYPOOL_CA"),
    };
    return options;
}

static void make_pool(struct pool_options options)
{
    struct pool_error err;
    f.pool = pool_create(&options, &err);
    if (!f.pool)
        fail_msg("%s", err.message);
}

static struct pool_stats stats_now(void)
{
    struct pool_stats stats;
    pool_stats(f.pool, &stats);
    return stats;
}

static bool runs(const char *sql, uint32_t timeout_ms, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .timeout_ms = timeout_ms};
    struct pool_result *result = pool_query_with(f.pool, &request, err);
    pool_result_free(result);
    return result != NULL;
}

static void assert_works(void)
{
    struct pool_error err;
    if (!runs("SELECT 1", 0, &err))
        fail_msg("%s (%u): %s", pool_code_name(err.code), err.server_errno, err.message);
}

static void assert_cipher(bool some)
{
    struct pool_error err;
    struct pool_result *row =
        pool_query(f.pool, "SHOW STATUS LIKE 'Ssl_cipher'", POOL_NO_ARGS, &err);
    if (!row)
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
    assert_true(pool_next(row));
    bool encrypted = pool_get_text(row, 1)[0] != '\0';
    pool_result_free(row);
    assert_int_equal(encrypted, some);
}

static void assert_timely(const char *what, uint64_t took_ms, uint64_t asked_ms)
{
    print_message("           %s ended after %lu ms of %lu\n", what, took_ms, asked_ms);
    assert_in_range(took_ms, asked_ms - 1, asked_ms + LATE);
}

/* Refused, fast, with the right class and a text that helps, before any credential. */
static void assert_refused(const char *text)
{
    struct pool_error err;
    long aborted = admin_asks("SHOW STATUS LIKE 'Aborted_connects'", 1);
    long before_auth = admin_asks("SHOW STATUS LIKE 'Aborted_connects_preauth'", 1);
    uint64_t begin = now_ms();
    assert_false(runs("SELECT 1", 0, &err));
    print_message("           %s\n", err.message);
    assert_int_equal(err.code, POOL_ERR_TLS);
    assert_int_equal(err.server_errno, 2026);
    assert_true(err.not_executed);
    assert_true(now_ms() - begin < 5000);
    assert_non_null(strcasestr(err.message, text));
    assert_null(strstr(err.message, "secret"));
    assert_within(GENEROUS,
                  admin_asks("SHOW STATUS LIKE 'Aborted_connects_preauth'", 1) > before_auth);
    /* Those with credentials count as aborted but not as aborted before them. */
    long all = admin_asks("SHOW STATUS LIKE 'Aborted_connects'", 1) - aborted;
    assert_int_equal(admin_asks("SHOW STATUS LIKE 'Aborted_connects_preauth'", 1) - before_auth,
                     all);
    assert_int_equal(stats_now().opened, 0);
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.admin = connect_admin();
    return f.admin ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    thaw_server();
    atomic_store(&f.stop, true);
    for (unsigned i = 0; i < f.thread_count; i++)
        pthread_join(f.threads[i], NULL);
    if (f.pool)
        pool_end(f.pool, 0, NULL);
    bool ok = !f.restarted || restart("");
    mysql_close(f.admin);
    return ok ? 0 : -1;
}

/* Who is refused */

static void a_verified_connection_is_encrypted(void **state)
{
    (void)state;
    make_pool(tls_options());
    assert_cipher(true);
}

static void the_address_of_the_environment_works(void **state)
{
    struct pool_error err;
    (void)state;
    f.pool = pool_create_url(getenv("MYPOOL_TLS_URL"), &err);
    assert_non_null(f.pool);
    assert_cipher(true);
}

static void a_loopback_address_is_plain_by_default(void **state)
{
    struct pool_options options = tls_options();
    (void)state;
    options.tls = POOL_TLS_DEFAULT;
    options.tls_ca = NULL;
    make_pool(options);
    assert_cipher(false);
}

static void a_certificate_for_another_name_is_refused(void **state)
{
    (void)state;
    serve_certificate("wrong-name");
    make_pool(tls_options());
    assert_refused("certificate");
}

static void an_expired_certificate_is_refused(void **state)
{
    (void)state;
    serve_certificate("expired");
    make_pool(tls_options());
    assert_refused("expired");
}

static void a_certificate_of_another_authority_is_refused(void **state)
{
    struct pool_options options = tls_options();
    char other[512];
    (void)state;
    snprintf(other, sizeof other, "%s/other-ca.pem", getenv("MYPOOL_CERTS"));
    options.tls_ca = other;
    make_pool(options);
    assert_refused("certificate");
}

static void a_certificate_that_the_system_does_not_know_is_refused(void **state)
{
    struct pool_options options = tls_options();
    (void)state;
    options.tls_ca = NULL;
    make_pool(options);
    assert_refused("certificate");
}

static void a_server_without_tls_is_refused(void **state)
{
    (void)state;
    serve_without_tls();
    make_pool(tls_options());
    assert_refused("SSL");
}

static void a_server_without_tls_is_refused_even_if_anybody_would_do(void **state)
{
    struct pool_options options = tls_options();
    struct pool_error err;
    (void)state;
    serve_without_tls();
    options.tls = POOL_TLS_UNVERIFIED_UNSAFE;
    options.tls_ca = NULL;
    make_pool(options);
    assert_false(runs("SELECT 1", 0, &err));
    assert_int_equal(err.code, POOL_ERR_TLS);
    assert_int_equal(stats_now().opened, 0);
}

static void anybody_will_do_if_that_is_asked_for(void **state)
{
    struct pool_options options = tls_options();
    (void)state;
    serve_certificate("wrong-name");
    options.tls = POOL_TLS_UNVERIFIED_UNSAFE;
    options.tls_ca = NULL;
    make_pool(options);
    assert_cipher(true);
}

static void a_missing_file_of_authorities_is_no_way_around(void **state)
{
    struct pool_options options = tls_options();
    struct pool_error err;
    (void)state;
    options.tls_ca = "/nonexistent/ca.pem";
    f.pool = pool_create(&options, &err);
    if (!f.pool) {
        assert_int_equal(err.code, POOL_ERR_INVALID);
        return;
    }
    assert_false(runs("SELECT 1", 0, &err));
    assert_int_equal(err.code, POOL_ERR_TLS);
    assert_int_equal(stats_now().opened, 0);
}

static void a_repaired_certificate_heals_the_pool(void **state)
{
    struct pool_error err;
    (void)state;
    serve_certificate("expired");
    make_pool(tls_options());
    assert_false(runs("SELECT 1", 0, &err));
    assert_int_equal(err.code, POOL_ERR_TLS);
    assert_true(restart(""));
    assert_within(30000, runs("SELECT 1", 0, NULL));
}

/* The same promises as without TLS */

static void a_statement_through_tls_ends_at_its_deadline(void **state)
{
    struct pool_error err;
    (void)state;
    make_pool(tls_options());
    assert_works();
    uint64_t begin = now_ms();
    assert_false(runs("SELECT SLEEP(30)", 200, &err));
    assert_timely("the statement", now_ms() - begin, 200);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_within(GENEROUS, admin_asks("SELECT COUNT(*) FROM information_schema.processlist WHERE "
                                       "user = 'app' AND info LIKE '%SLEEP(30)%'",
                                       0) == 0);
    assert_works();
}

static void a_frozen_server_does_not_outlast_deadlines_through_tls(void **state)
{
    struct pool_options options = tls_options();
    struct pool_error err;
    (void)state;
    options.connect_timeout_ms = 1000;
    options.connection_limit = 1;
    make_pool(options);
    assert_works();
    freeze_server();
    uint64_t begin = now_ms();
    assert_false(runs("SELECT 2", 300, &err));
    assert_timely("the statement", now_ms() - begin, 300);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    thaw_server();
    assert_within(GENEROUS, runs("SELECT 1", 0, NULL));
}

static void a_handshake_with_a_frozen_server_ends_at_its_deadline(void **state)
{
    struct pool_options options = tls_options();
    struct pool_error err;
    (void)state;
    options.connect_timeout_ms = 300;
    options.fail_fast_ms = 1;
    make_pool(options);
    freeze_server();
    uint64_t begin = now_ms();
    assert_false(runs("SELECT 1", 0, &err));
    assert_timely("the connect", now_ms() - begin, 300);
    assert_int_equal(err.code, POOL_ERR_CONNECT);
}

static void big_values_pass_through_tls(void **state)
{
    struct pool_error err;
    size_t len = 0;
    (void)state;
    admin_does("SET GLOBAL max_allowed_packet = 67108864");
    make_pool(tls_options());
    char *text = malloc(BIG);
    assert_non_null(text);
    for (size_t i = 0; i < BIG; i++)
        text[i] = (char)('a' + (i * i + i / 26) % 26);
    struct pool_value value = pool_bytes(text, BIG);
    struct pool_result *row = pool_query(f.pool, "SELECT ?", (struct pool_args){&value, 1}, &err);
    if (!row)
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
    assert_true(pool_next(row));
    const void *back = pool_get_bytes(row, 0, &len);
    assert_int_equal(len, BIG);
    assert_memory_equal(back, text, BIG);
    pool_result_free(row);
    free(text);
}

static void a_killed_idle_connection_with_tls_leaves_the_pool(void **state)
{
    struct pool_conn conn;
    char sql[64];
    (void)state;
    make_pool(tls_options());
    assert_true(pool_get_connection(f.pool, &conn, NULL));
    snprintf(sql, sizeof sql, "KILL %lu", pool_conn_thread_id(conn));
    assert_true(pool_conn_release(conn, NULL));
    admin_does(sql);
    assert_within(GENEROUS, stats_now().closed_by_reason[POOL_CLOSE_SERVER] == 1);
    for (int i = 0; i < 4; i++)
        assert_works();
    assert_int_equal(stats_now().query_errors, 0);
}

/* The first of them is told. */
static void note_odd(const struct pool_error *err)
{
    if (atomic_fetch_add(&f.odd_errors, 1) == 0)
        fprintf(stderr, "           %s (%u): %s\n", pool_code_name(err->code), err->server_errno,
                err->message);
}

static void *ask_questions(void *arg)
{
    struct pool_error err;
    for (int64_t i = (int64_t)(intptr_t)arg << 32; !atomic_load(&f.stop); i++) {
        struct pool_value value = pool_int(i);
        struct pool_request request = {
            .sql = "SELECT ? + 1", .args = {&value, 1}, .timeout_ms = 200};
        struct pool_result *row = pool_query_with(f.pool, &request, &err);
        if (row && pool_next(row) && pool_get_int(row, 0) == i + 1)
            atomic_fetch_add(&f.right, 1);
        else if (row)
            atomic_fetch_add(&f.wrong, 1);
        else if (err.code != POOL_ERR_LOST && err.code != POOL_ERR_TIMEOUT &&
                 err.code != POOL_ERR_QUERY_TIMEOUT)
            note_odd(&err);
        pool_result_free(row);
    }
    return NULL;
}

static void kills_under_load_mix_up_no_answers_through_tls(void **state)
{
    struct pool_options options = tls_options();
    (void)state;
    options.fail_fast_ms = POOL_NEVER; /* handshakes are killed, too */
    make_pool(options);
    for (; f.thread_count < 4; f.thread_count++)
        pthread_create(&f.threads[f.thread_count], NULL, ask_questions,
                       (void *)(intptr_t)(f.thread_count + 1));
    for (int i = 0; i < 60; i++) {
        uint64_t before = atomic_load(&f.right);
        assert_within(GENEROUS, atomic_load(&f.right) > before + 4);
        admin_does("KILL USER app");
    }
    uint64_t before = atomic_load(&f.right);
    assert_within(GENEROUS, atomic_load(&f.right) > before + 100);
    assert_int_equal(atomic_load(&f.wrong), 0);
    assert_int_equal(atomic_load(&f.odd_errors), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_verified_connection_is_encrypted),
        TEST(the_address_of_the_environment_works),
        TEST(a_loopback_address_is_plain_by_default),
        TEST(a_certificate_for_another_name_is_refused),
        TEST(an_expired_certificate_is_refused),
        TEST(a_certificate_of_another_authority_is_refused),
        TEST(a_certificate_that_the_system_does_not_know_is_refused),
        TEST(a_server_without_tls_is_refused),
        TEST(a_server_without_tls_is_refused_even_if_anybody_would_do),
        TEST(anybody_will_do_if_that_is_asked_for),
        TEST(a_missing_file_of_authorities_is_no_way_around),
        TEST(a_repaired_certificate_heals_the_pool),
        TEST(a_statement_through_tls_ends_at_its_deadline),
        TEST(a_frozen_server_does_not_outlast_deadlines_through_tls),
        TEST(a_handshake_with_a_frozen_server_ends_at_its_deadline),
        TEST(big_values_pass_through_tls),
        TEST(a_killed_idle_connection_with_tls_leaves_the_pool),
        TEST(kills_under_load_mix_up_no_answers_through_tls),
    };
    if (!getenv("MYPOOL_CERTS")) {
        execl("tests/tools/with-mariadb", "with-mariadb", "--extra-certs", argv[0],
              argc > 1 ? argv[1] : NULL, (char *)NULL);
        perror("tests/tools/with-mariadb");
        return 2;
    }
    return server_suite_main(argc, argv, tests);
}
