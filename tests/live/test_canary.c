/*
 * What the pool says never contains a password or the value of a placeholder.
 *
 * The password and the values are canaries. Each test does something, successful or
 * not, on a pool with all hooks installed, and everything that the library hands out is
 * kept: the texts of hooks, and the messages of errors. The server's own words, which
 * the pool passes on as docs/security.md says, are kept apart: those may quote a value.
 * While the deed is done standard output and standard error are a file that must stay
 * empty; deeds therefore assert nothing themselves.
 *
 * Needs a server: MYPOOL_URL, MYPOOL_ADMIN_URL.
 */
#include <mypool.h>
#include <mysql.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture.h"
#include "suite.h"
#include "waiting.h"

#define PASSWORD "canary-of-the-password"
#define VALUE "canary-of-a-value"
#define LITERAL "canary-of-a-literal" /* in a statement of the program's */
#define BIG 20000                     /* bytes of a value, over max_packet_bytes */

/* Texts that somebody was given, one after the other. */
struct heard {
    char text[65536];
    size_t len;
};

static struct fixture {
    struct pool *pool;
    MYSQL *admin;
    struct pool_options options;
    void *memory;          /* of the options */
    struct pool_error err; /* of the deed */
    pthread_mutex_t lock;  /* of the next two */
    struct heard library;
    struct heard server; /* its words in messages */
    _Atomic unsigned leaks;
    _Atomic unsigned calls[7]; /* of each kind of hook */
    struct capture output;
    const char *to_kill; /* QUERY or CONNECTION */
    _Atomic bool slept;
} f;

static void hear(struct heard *heard, const char *text)
{
    pthread_mutex_lock(&f.lock);
    size_t room = sizeof heard->text - heard->len;
    int len = text ? snprintf(heard->text + heard->len, room, "%s\n", text) : 0;
    heard->len += (size_t)len < room ? (size_t)len : room - 1;
    pthread_mutex_unlock(&f.lock);
}

static void hear_error(const struct pool_error *err)
{
    f.err = *err;
    hear(err->code == POOL_ERR_SERVER ? &f.server : &f.library, err->message);
}

/* Hooks */

static void note_connection(unsigned long id, void *arg)
{
    (void)arg, (void)id;
    atomic_fetch_add(&f.calls[0], 1);
}

static void note_enqueue(void *arg)
{
    (void)arg;
    atomic_fetch_add(&f.calls[1], 1);
}

static void note_time(uint64_t ns, void *arg)
{
    (void)arg, (void)ns;
    atomic_fetch_add(&f.calls[2], 1);
}

static void note_close(enum pool_close_reason reason, unsigned long id, void *arg)
{
    (void)arg, (void)reason, (void)id;
    atomic_fetch_add(&f.calls[3], 1);
}

static void note_query(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                       enum pool_code code, void *arg)
{
    (void)arg, (void)digest, (void)elapsed_ns, (void)rows, (void)code;
    hear(&f.library, label);
    atomic_fetch_add(&f.calls[4], 1);
}

static void note_state(enum pool_state state, const char *cause, void *arg)
{
    (void)arg, (void)state;
    hear(&f.library, cause);
    atomic_fetch_add(&f.calls[5], 1);
}

static void note_leak(const char *label, uint32_t held_ms, void *arg)
{
    (void)arg, (void)held_ms;
    hear(&f.library, label);
    atomic_fetch_add(&f.leaks, 1);
    atomic_fetch_add(&f.calls[6], 1);
}

static const struct pool_hooks all_hooks = {.on_connection = note_connection,
                                            .on_enqueue = note_enqueue,
                                            .on_acquire = note_time,
                                            .on_release = note_time,
                                            .on_close = note_close,
                                            .on_query = note_query,
                                            .on_state = note_state,
                                            .on_leak = note_leak};

/* Watching a deed */

static void assert_silent(void)
{
    static const char *const canaries[] = {PASSWORD, VALUE, LITERAL};
    for (unsigned i = 0; i < 3; i++)
        if (strstr(f.library.text, canaries[i]))
            fail_msg("'%s' is in: %s", canaries[i], f.library.text);
    if (strstr(f.server.text, PASSWORD))
        fail_msg("the password is in: %s", f.server.text);
    assert_string_equal(f.output.text, "");
}

static void watch(void (*deed)(void), enum pool_code code)
{
    struct pool_error err = {0};
    begin_capture(&f.output);
    f.pool = pool_create(&f.options, &err);
    if (f.pool)
        deed();
    else
        hear_error(&err);
    if (f.pool)
        pool_end(f.pool, GENEROUS, &err);
    end_capture(&f.output);
    assert_non_null(f.pool);
    if (f.err.code != code)
        fail_msg("%s: %s", pool_code_name(f.err.code), f.err.message);
    assert_silent();
}

/* Deeds: they assert nothing */

static bool runs(const char *sql, struct pool_args args, bool as_text, uint32_t timeout_ms)
{
    struct pool_request request = {
        .sql = sql, .args = args, .label = "deed", .text = as_text, .timeout_ms = timeout_ms};
    struct pool_error err;
    struct pool_result *result = pool_query_with(f.pool, &request, &err);
    hear_error(&err);
    pool_result_free(result);
    return result != NULL;
}

static bool borrow(struct pool_conn *ret_conn, const char *label, uint32_t timeout_ms)
{
    struct pool_request request = {.label = label, .timeout_ms = timeout_ms};
    struct pool_error err;
    bool ok = pool_get_connection_with(f.pool, &request, ret_conn, &err);
    hear_error(&err);
    return ok;
}

static bool take_row(struct pool_result *row, void *arg)
{
    (void)arg;
    return pool_get_text(row, 0) != NULL;
}

static bool select_in_transaction(struct pool_conn conn, void *arg, struct pool_error *err)
{
    (void)arg;
    struct pool_result *result =
        pool_conn_query(conn, "SELECT :v", POOL_ARGS(POOL_NAMED("v", VALUE)), err);
    pool_result_free(result);
    return result != NULL;
}

static void succeed_in_every_way(void)
{
    const struct pool_value list[] = {pool_text(VALUE), pool_text(VALUE "-2")};
    struct pool_error err;
    struct pool_stats stats;
    runs("SELECT ?, '" LITERAL "'", POOL_ARGS(VALUE), 0, 0);
    runs("SELECT ?, '" LITERAL "'", POOL_ARGS(VALUE), true, 0);
    runs("SELECT 1 WHERE 'a' IN (?)", POOL_ARGS(pool_list(list, 2)), 0, 0);
    pool_stream(f.pool, "SELECT ?", POOL_ARGS(VALUE), take_row, NULL, &err);
    hear_error(&err);
    pool_transaction(f.pool, select_in_transaction, NULL, &err);
    hear_error(&err);
    pool_stats(f.pool, &stats);
    free(pool_format("SELECT ?", POOL_ARGS(VALUE), &err));
    hear_error(&err);
}

static void misspell(void)
{
    runs("SELEKT ?, '" LITERAL "'", POOL_ARGS(VALUE), 0, 0);
}

/* Inserts the value into a table of its own. */
static void insert(const char *column, unsigned times)
{
    char sql[100];
    struct pool_conn conn;
    struct pool_error err;
    if (!borrow(&conn, "deed", 0))
        return;
    snprintf(sql, sizeof sql, "CREATE TEMPORARY TABLE t (v %s)", column);
    pool_result_free(pool_conn_query(conn, sql, POOL_NO_ARGS, &err));
    while (times-- > 0)
        pool_result_free(pool_conn_query(conn, "INSERT INTO t VALUES (?)", POOL_ARGS(VALUE), &err));
    hear_error(&err);
    pool_conn_release(conn, NULL);
}

static void insert_twice(void)
{
    insert("VARCHAR(40) PRIMARY KEY", 2);
}

static void insert_text_as_number(void)
{
    insert("INT", 1);
}

static void give_wrong_counts(void)
{
    runs("SELECT ?, '" LITERAL "'", POOL_ARGS(VALUE, VALUE), 0, 0);
    runs("SELECT ?, '" LITERAL "'", POOL_ARGS(VALUE, VALUE), true, 0);
    runs("SELECT :v, :w, '" LITERAL "'", POOL_ARGS(POOL_NAMED("v", VALUE)), 0, 0);
    runs("SELECT :v", POOL_ARGS(VALUE), 0, 0);
}

static void give_wrong_values(void)
{
    const struct pool_value mixed[] = {pool_text(VALUE), pool_int(1)};
    const struct pool_value nested[] = {pool_list(mixed, 1)};
    struct pool_value odd = pool_text(VALUE);
    odd.type = (enum pool_type)77;
    runs("SELECT ?", POOL_ARGS(pool_decimal(VALUE)), 0, 0);
    runs("SELECT ?", POOL_ARGS(pool_decimal(VALUE)), true, 0);
    runs("SELECT 1 WHERE 1 IN (?)", POOL_ARGS(pool_list(mixed, 2)), 0, 0);
    runs("SELECT 1 WHERE 1 IN (?)", POOL_ARGS(pool_list(nested, 1)), 0, 0);
    runs("SELECT ?", POOL_ARGS(pool_text_n(VALUE "\xff", sizeof VALUE)), 0, 0);
    runs("SELECT ?", POOL_ARGS(odd), 0, 0);
}

static void write_odd_sql(void)
{
    runs("SELECT '" LITERAL "\\', ?", POOL_ARGS(VALUE), true, 0);
    runs("SELECT ?, '" LITERAL, POOL_ARGS(VALUE), 0, 0);
    runs("SELECT ?, '" LITERAL "\xff'", POOL_ARGS(VALUE), 0, 0);
    runs("SELECT ?; SELECT '" LITERAL "'", POOL_ARGS(VALUE), 0, 0);
}

static void pass_a_deadline(void)
{
    runs("SELECT 1", POOL_NO_ARGS, 0, 0); /* so that the deadline is the statement's */
    runs("SELECT SLEEP(30), ?", POOL_ARGS(VALUE), 0, 300);
}

static void kill_sleeper(void)
{
    static const char ask[] = "SELECT ID FROM information_schema.PROCESSLIST "
                              "WHERE USER = 'canary' AND STATE = 'User sleep'";
    char sql[100];
    MYSQL_RES *rows = mysql_query(f.admin, ask) == 0 ? mysql_store_result(f.admin) : NULL;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;
    snprintf(sql, sizeof sql, "KILL %s %s", f.to_kill, row ? row[0] : "");
    if (row)
        mysql_query(f.admin, sql);
    mysql_free_result(rows);
}

/* The first one may be the rest of an earlier deed. */
static void *run_killer(void *arg)
{
    WITHIN(GENEROUS, (kill_sleeper(), atomic_load(&f.slept)));
    return arg;
}

static void be_killed(void)
{
    pthread_t killer;
    atomic_store(&f.slept, false);
    pthread_create(&killer, NULL, run_killer, NULL);
    runs("SELECT SLEEP(30), ?", POOL_ARGS(VALUE), 0, 0);
    atomic_store(&f.slept, true);
    pthread_join(killer, NULL);
}

static void move_too_much(void)
{
    static char big[BIG];
    memset(big, 'x', sizeof big);
    memcpy(big, VALUE, strlen(VALUE));
    runs("SELECT ?", POOL_ARGS(pool_bytes(big, sizeof big)), 0, 0);
    runs("SELECT ?", POOL_ARGS(pool_bytes(big, sizeof big)), true, 0);
    runs("SELECT REPEAT(?, 10000)", POOL_ARGS(VALUE), 0, 0);
}

static void connect_in_vain(void)
{
    runs("SELECT ?", POOL_ARGS(VALUE), 0, 0);
}

static void keep_a_connection(void)
{
    struct pool_conn conn;
    if (!borrow(&conn, "the leak", 0))
        return;
    pool_result_free(pool_conn_query(conn, "SELECT ?", POOL_ARGS(VALUE), NULL));
    WITHIN(GENEROUS, atomic_load(&f.leaks) > 0);
    borrow(&(struct pool_conn){0}, "the waiter", 50);
    pool_conn_release(conn, NULL);
}

/* Tests */

static void no_success_tells_a_secret(void **state)
{
    (void)state;
    watch(succeed_in_every_way, POOL_OK);
    for (unsigned i = 0; i < 5; i++)
        assert_true(f.calls[i] > 0 || i == 1); /* the hooks were there; nobody had to queue */
}

/* As docs/security.md says: the server may quote a piece of the statement. */
static void a_syntax_error_is_told_in_the_servers_words_alone(void **state)
{
    (void)state;
    watch(misspell, POOL_ERR_SERVER);
    assert_int_equal(f.err.server_errno, 1064);
    assert_null(strstr(f.server.text, VALUE)); /* it was bound, so it is no piece of it */
    f.options.no_prepare = true;
    watch(misspell, POOL_ERR_SERVER);
    assert_int_equal(f.err.server_errno, 1064);
    assert_non_null(strstr(f.server.text, VALUE)); /* it was written into the statement */
}

static void a_duplicate_key_is_told_in_the_servers_words_alone(void **state)
{
    (void)state;
    watch(insert_twice, POOL_ERR_SERVER);
    assert_int_equal(f.err.server_errno, 1062);
    assert_ptr_equal(strstr(f.err.message, "Duplicate entry '" VALUE "'"), f.err.message);
}

static void a_wrong_type_is_told_in_the_servers_words_alone(void **state)
{
    (void)state;
    watch(insert_text_as_number, POOL_ERR_SERVER);
    assert_int_equal(f.err.server_errno, 1366);
    assert_ptr_equal(strstr(f.err.message, "Incorrect integer value: '" VALUE "'"), f.err.message);
}

static void a_wrong_number_of_values_tells_none(void **state)
{
    (void)state;
    watch(give_wrong_counts, POOL_ERR_INVALID);
}

static void a_value_that_is_refused_is_not_told(void **state)
{
    (void)state;
    watch(give_wrong_values, POOL_ERR_INVALID);
}

static void a_statement_that_is_refused_is_not_told(void **state)
{
    (void)state;
    watch(write_odd_sql, POOL_ERR_INVALID);
}

static void a_timeout_tells_no_secret(void **state)
{
    (void)state;
    watch(pass_a_deadline, POOL_ERR_QUERY_TIMEOUT);
}

static void a_kill_tells_no_secret(void **state)
{
    (void)state;
    f.to_kill = "QUERY";
    watch(be_killed, POOL_ERR_SERVER);
    assert_null(strstr(f.server.text, VALUE));
    f.to_kill = "CONNECTION";
    watch(be_killed, POOL_ERR_LOST);
}

static void what_is_too_big_is_not_told(void **state)
{
    (void)state;
    f.options.max_packet_bytes = BIG / 2;
    watch(move_too_much, POOL_ERR_TOO_BIG);
}

static void a_refused_login_tells_no_secret(void **state)
{
    (void)state;
    f.options.password = PASSWORD "-wrong";
    watch(connect_in_vain, POOL_ERR_AUTH);
    assert_true(f.calls[5] > 0); /* on_state was told the cause */
}

static void a_failed_tls_handshake_tells_no_secret(void **state)
{
    (void)state;
    f.options.tls = POOL_TLS_VERIFY; /* against the system's authorities */
    watch(connect_in_vain, POOL_ERR_TLS);
    assert_true(f.calls[5] > 0);
}

static void a_leak_and_a_full_pool_tell_no_secret(void **state)
{
    (void)state;
    f.options.connection_limit = 1;
    f.options.leak_after_ms = 20;
    watch(keep_a_connection, POOL_ERR_TIMEOUT);
    assert_true(f.calls[6] > 0);
    assert_true(f.calls[1] > 0); /* somebody had to queue */
    assert_non_null(strstr(f.library.text, "the leak"));
}

static void what_is_printed_would_be_found(void **state)
{
    (void)state;
    begin_capture(&f.output);
    printf("out ");
    fprintf(stderr, "err");
    end_capture(&f.output);
    assert_non_null(strstr(f.output.text, "out"));
    assert_non_null(strstr(f.output.text, "err"));
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    pthread_mutex_init(&f.lock, NULL);
    f.admin = mysql_init(NULL);
    if (!pool_options_from_url(getenv("MYPOOL_ADMIN_URL"), &f.options, &f.memory, NULL) ||
        !mysql_real_connect(f.admin, f.options.host, f.options.user, f.options.password, "mypool",
                            f.options.port, NULL, 0) ||
        mysql_query(f.admin, "CREATE OR REPLACE USER canary IDENTIFIED BY '" PASSWORD "'") ||
        mysql_query(f.admin, "GRANT ALL ON mypool.* TO canary"))
        return -1;
    f.options.user = "canary";
    f.options.password = PASSWORD;
    f.options.hooks = all_hooks;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(f.memory);
    mysql_close(f.admin);
    pthread_mutex_destroy(&f.lock);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_printed_would_be_found),
        TEST(no_success_tells_a_secret),
        TEST(a_syntax_error_is_told_in_the_servers_words_alone),
        TEST(a_duplicate_key_is_told_in_the_servers_words_alone),
        TEST(a_wrong_type_is_told_in_the_servers_words_alone),
        TEST(a_wrong_number_of_values_tells_none),
        TEST(a_value_that_is_refused_is_not_told),
        TEST(a_statement_that_is_refused_is_not_told),
        TEST(a_timeout_tells_no_secret),
        TEST(a_kill_tells_no_secret),
        TEST(what_is_too_big_is_not_told),
        TEST(a_refused_login_tells_no_secret),
        TEST(a_failed_tls_handshake_tells_no_secret),
        TEST(a_leak_and_a_full_pool_tell_no_secret),
    };
    return server_suite_main(argc, argv, tests);
}
