/*
 * What the pool does when the server's own limits and its administrator come between:
 * transactions ended for idleness, readers dropped for slowness, users out of their hourly
 * allowance, statements stopped after max_statement_time, full tables, databases and grants
 * that go, sessions that cannot be set up, servers that take no writes, many sessions killed
 * at once, and what must not be noticed at all: reloaded privileges, passwords and
 * certificates. Locks are in test_server_locks.c.
 *
 * The fixture has a pool and an administrator's connection beside it; tear-down puts the
 * server right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"
#include "suite.h"

static int tear_down(void **state)
{
    (void)state;
    ask(f.admin,
        "SET GLOBAL net_write_timeout = 60, GLOBAL init_connect = '', GLOBAL read_only = 0, "
        "GLOBAL max_password_errors = 4294967295",
        NULL, 0);
    ask(f.admin, "DROP TABLE IF EXISTS mypool.tiny", NULL, 0);
    ask(f.admin, "DROP DATABASE IF EXISTS mypool_gone", NULL, 0);
    end_fixture();
    return 0;
}

/* The server ends a transaction that says nothing */

/* From the end of the last statement on the server waits a second. */
static bool insert_and_fall_silent(struct pool_conn conn, struct pool_error *err)
{
    return did(conn, "INSERT INTO held VALUES (1)", err) &&
           did(conn, "SET SESSION idle_transaction_timeout = 1", err) &&
           WITHIN(GENEROUS, is_gone(f.admin, pool_conn_thread_id(conn)));
}

/* A handle whose transaction the server has ended, with its session. */
static struct pool_conn let_a_transaction_be_ended(void)
{
    struct pool_error err;
    make_table();
    make_pool(app_options());
    struct pool_conn conn = borrow();
    if (!pool_conn_begin(conn, &err) || !insert_and_fall_silent(conn, &err))
        fail_with("transaction", &err);
    return conn;
}

static void assert_discarded(struct pool_conn conn)
{
    unsigned long id = pool_conn_thread_id(conn);
    assert_true(pool_conn_release(conn, NULL));
    must("SELECT 1");
    assert_true(id_of_next() != id);
    assert_within(GENEROUS, stats_now().closed == 1);
    assert_int_equal(stats_now().in_use, 0);
    assert_rows(0);
    must("INSERT INTO held VALUES (2)");
    assert_rows(1);
}

static void a_statement_after_the_server_ended_the_transaction_is_lost(void **state)
{
    struct pool_error err;
    (void)state;
    struct pool_conn conn = let_a_transaction_be_ended();
    assert_false(did(conn, "INSERT INTO held VALUES (1)", &err));
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_true(err.fatal);
    assert_true(err.message[0] != '\0');
    assert_discarded(conn);
}

static void a_commit_after_the_server_ended_the_transaction_is_lost(void **state)
{
    struct pool_error err;
    (void)state;
    struct pool_conn conn = let_a_transaction_be_ended();
    assert_false(pool_conn_commit(conn, &err));
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_true(err.fatal);
    assert_false(err.retry_transaction);
    assert_discarded(conn);
}

static void a_handle_whose_transaction_the_server_ended_is_discarded_unasked(void **state)
{
    (void)state;
    assert_discarded(let_a_transaction_be_ended());
}

static bool be_away_too_long(struct pool_conn conn, void *arg, struct pool_error *err)
{
    unsigned *runs = arg;
    ++*runs;
    return insert_and_fall_silent(conn, err);
}

static void a_transaction_that_the_server_ended_is_not_run_again(void **state)
{
    struct pool_error err;
    unsigned runs = 0;
    (void)state;
    make_table();
    make_pool(app_options());
    assert_false(pool_transaction(f.pool, be_away_too_long, &runs, &err));
    assert_int_equal(runs, 1);
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_true(err.fatal);
    assert_rows(0);
    must("SELECT 1");
}

/* The server drops a reader that is too slow */

/* More than the sockets' buffers of both ends take. */
#define MUCH "SELECT REPEAT('x', 100000), CONNECTION_ID() FROM seq_1_to_2000"

struct reader {
    unsigned rows;
    bool dropped;
};

/* At its first row it waits until the server has no such session any more. */
static bool read_slowly(struct pool_result *row, void *arg)
{
    struct reader *reader = arg;
    if (++reader->rows == 1)
        reader->dropped =
            WITHIN(4 * GENEROUS, is_gone(f.admin, (unsigned long)pool_get_uint(row, 1)));
    return true;
}

static void a_reader_too_slow_for_the_server_loses_its_connection_alone(void **state)
{
    struct reader reader = {0};
    struct pool_error err;
    (void)state;
    admin_does(f.admin, "SET GLOBAL net_write_timeout = 1");
    make_pool(app_options());
    warm_up(LIMIT);
    start_neighbours(2);
    assert_false(pool_stream(f.pool, MUCH, POOL_NO_ARGS, read_slowly, &reader, &err));
    assert_true(reader.dropped);
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_true(err.fatal && !err.not_executed);
    assert_in_range(reader.rows, 1, 1999);
    assert_neighbours_go_on();
    assert_neighbours_were_fine();
    assert_within(GENEROUS, stats_now().closed == 1);
    assert_int_equal(stats_now().in_use, 0);
    warm_up(LIMIT);
}

/* The server stops a statement */

static void a_statement_over_the_servers_time_leaves_its_connection_in_the_pool(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    unsigned long id = id_of_next();
    for (int i = 0; i < 2; i++) {
        struct outcome outcome =
            run_within("SET STATEMENT max_statement_time = 0.2 FOR SELECT SLEEP(30)", 0);
        assert_false(outcome.ok);
        assert_refused(&outcome.err, POOL_ERR_QUERY_TIMEOUT, 1969);
        assert_false(outcome.err.fatal);
        assert_false(outcome.err.not_executed);
        must("SELECT 1");
        assert_true(id_of_next() == id);
    }
    assert_int_equal(stats_now().closed, 0);
    assert_int_equal(stats_now().kills, 0);
}

/* A handle of a user who may not do anything more. MariaDB counts what is sent as text,
 * and forgets the limit in a session that is reset: hence a handle. */
static struct pool_conn use_up_an_allowance(struct pool_error *ret_err)
{
    struct pool_options options = changing_options("WITH MAX_QUERIES_PER_HOUR 40");
    unsigned served = 0;
    options.no_prepare = true;
    make_pool(options);
    struct pool_conn conn = borrow();
    while (served < 100 && did(conn, "SELECT 1", ret_err))
        served++;
    assert_in_range(served, 1, 40);
    return conn;
}

static void a_users_hourly_limit_is_passed_on_and_costs_no_connection(void **state)
{
    struct pool_error err;
    (void)state;
    struct pool_conn conn = use_up_an_allowance(&err);
    for (int i = 0; i < 3; i++) {
        assert_refused(&err, POOL_ERR_SERVER, 1226);
        assert_false(err.fatal || err.retry_transaction);
        assert_false(did(conn, "SELECT 1", &err));
    }
    admin_does(f.admin, "FLUSH USER_RESOURCES");
    assert_true(did(conn, "SELECT 1", &err));
    assert_true(pool_conn_release(conn, NULL));
    must("SELECT 1");
    assert_int_equal(stats_now().closed, 0);
}

static void a_users_hourly_limit_refuses_new_connections_and_heals(void **state)
{
    struct pool_error err;
    (void)state;
    assert_true(pool_conn_destroy(use_up_an_allowance(&err), NULL));
    for (int i = 0; i < 3; i++) {
        assert_false(works(&err));
        assert_int_equal(err.server_errno, 1226);
        assert_non_null(strstr(err.message, "no connection can be opened"));
        assert_true(err.not_executed);
    }
    assert_in_range(stats_now().connect_failures, 1, 30); /* nobody is hammered */
    admin_does(f.admin, "FLUSH USER_RESOURCES");
    assert_within(30000, works(&err));
}

/* Tables without room */

/* A session's limit becomes a table's at its creation; rows of a kilobyte. */
static void make_tiny_table(void)
{
    admin_does(f.admin, "SET SESSION max_heap_table_size = 16384");
    admin_does(f.admin, "CREATE TABLE mypool.tiny (filler CHAR(250)) ENGINE = MEMORY");
}

#define FILL "INSERT INTO tiny VALUES ('x')"

/* Inserts until there is no room, or much too long; the last error. */
static struct pool_error fill_up(struct pool_conn conn)
{
    struct pool_error err;
    unsigned rows = 0;
    while (rows < 1000 && did(conn, FILL, &err))
        rows++;
    assert_in_range(rows, 1, 999);
    return err;
}

static void a_full_table_is_passed_on_and_costs_no_connection(void **state)
{
    (void)state;
    make_tiny_table();
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    unsigned long id = pool_conn_thread_id(conn);
    struct pool_error err = fill_up(conn);
    assert_refused(&err, POOL_ERR_SERVER, 1114);
    assert_false(err.fatal || err.retry_transaction);
    assert_int_equal(number(conn, "SELECT 1"), 1);
    assert_true(pool_conn_release(conn, NULL));
    struct outcome outcome = run_within(FILL, 0);
    assert_refused(&outcome.err, POOL_ERR_SERVER, 1114);
    assert_true(id_of_next() == id);
    assert_int_equal(stats_now().closed, 0);
}

static void what_a_full_table_cut_short_does_not_reach_the_next_borrower(void **state)
{
    struct pool_error err;
    (void)state;
    make_table();
    make_tiny_table();
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    unsigned long id = pool_conn_thread_id(conn);
    assert_true(did(conn, "SET @mark = 1", &err));
    assert_true(pool_conn_begin(conn, &err) && did(conn, "INSERT INTO held VALUES (1)", &err));
    err = fill_up(conn);
    assert_int_equal(err.server_errno, 1114);
    assert_true(pool_conn_release(conn, NULL));
    conn = borrow();
    assert_true(pool_conn_thread_id(conn) == id);
    assert_int_equal(number(conn, "SELECT @mark"), -1);
    assert_int_equal(number(conn, "SELECT @@in_transaction"), 0);
    assert_int_equal(number(conn, "SELECT COUNT(*) FROM held"), 0);
    pool_conn_release(conn, NULL);
    assert_rows(0);
}

static void a_statement_refused_for_want_of_room_succeeds_when_there_is_some(void **state)
{
    struct pool_error err;
    (void)state;
    make_tiny_table();
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    for (int round = 0; round < 3; round++) {
        err = fill_up(conn);
        assert_refused(&err, POOL_ERR_SERVER, 1114);
        if (!did(conn, "DELETE FROM tiny", &err) || !did(conn, FILL, &err))
            fail_with("with room", &err);
        assert_int_equal(number(conn, "SELECT COUNT(*) FROM tiny"), 1);
    }
    pool_conn_release(conn, NULL);
    must(FILL);
    assert_int_equal(stats_now().closed, 0);
}

/* Databases and grants that go */

static void make_pool_of_a_database_that_goes(void)
{
    struct pool_options options = app_options();
    admin_does(f.admin, "CREATE DATABASE mypool_gone");
    options.database = "mypool_gone";
    make_pool(options);
    must("SELECT 1");
}

static void close_connections_of(const char *user)
{
    uint64_t before = closed_by(POOL_CLOSE_SERVER);
    admin_does(f.admin, "KILL USER %s", user);
    assert_within(GENEROUS, closed_by(POOL_CLOSE_SERVER) > before);
}

static void assert_refused_fast(unsigned code)
{
    struct pool_error err;
    uint64_t begin = now_ms();
    for (int i = 0; i < 20; i++) {
        assert_false(works(&err));
        assert_refused(&err, POOL_ERR_AUTH, code);
        assert_true(err.not_executed);
    }
    assert_true(now_ms() - begin < GENEROUS);
    assert_in_range(stats_now().connect_failures, 1, 10); /* 20 calls hammer nobody */
}

static void a_dropped_database_fails_new_connections_fast_and_heals(void **state)
{
    struct pool_error err;
    (void)state;
    make_pool_of_a_database_that_goes();
    admin_does(f.admin, "DROP DATABASE mypool_gone");
    must("SELECT 1"); /* what is open goes on */
    close_connections_of("app");
    assert_refused_fast(1049);
    admin_does(f.admin, "CREATE DATABASE mypool_gone");
    assert_within(30000, works(&err));
}

static void revoked_grants_fail_new_connections_fast_and_heal(void **state)
{
    struct pool_error err;
    (void)state;
    make_pool(changing_options(""));
    must("SELECT 1");
    admin_does(f.admin, "REVOKE ALL ON mypool.* FROM changing@'%%'");
    must("SELECT 1"); /* what is open goes on */
    close_connections_of("changing");
    assert_refused_fast(1044);
    admin_does(f.admin, "GRANT ALL ON mypool.* TO changing@'%%'");
    assert_within(30000, works(&err));
}

/* Sessions that cannot be set up: the login succeeds, and the first statement is refused */

static void an_expired_password_fails_fast_and_heals(void **state)
{
    struct pool_error err;
    (void)state;
    struct pool_options options = changing_options("");
    admin_does(f.admin, "ALTER USER changing@'%%' PASSWORD EXPIRE");
    make_pool(options);
    assert_refused_fast(1820);
    admin_does(f.admin, "ALTER USER changing@'%%' IDENTIFIED BY 'first'");
    assert_within(30000, works(&err));
}

static void a_broken_init_connect_fails_fast_and_heals(void **state)
{
    struct pool_error err;
    (void)state;
    admin_does(f.admin, "SET GLOBAL init_connect = 'nonsense'");
    make_pool(app_options());
    assert_refused_fast(1184);
    admin_does(f.admin, "SET GLOBAL init_connect = ''");
    assert_within(30000, works(&err));
}

static void a_wrong_init_sql_fails_fast_with_the_servers_text(void **state)
{
    static const char *const init_sql[] = {"SET @a = 1", "SET no_such_variable = 1", NULL};
    struct pool_error err;
    (void)state;
    make_pool_of_one(init_sql);
    assert_refused_fast(1193);
    assert_false(works(&err));
    assert_non_null(strstr(err.message, "set-up"));
    assert_non_null(strstr(err.message, "no_such_variable"));
}

/* By the server, after too many wrong passwords: each further try would be one more. */
static void a_blocked_account_is_left_alone(void **state)
{
    struct pool_error err;
    (void)state;
    struct pool_options options = changing_options("");
    options.password = "wrong";
    admin_does(f.admin, "SET GLOBAL max_password_errors = 2");
    make_pool(options);
    assert_within(GENEROUS, !works(&err) && err.server_errno == 4150);
    uint64_t before = stats_now().connect_failures;
    for (int i = 0; i < 20; i++) {
        assert_false(works(&err));
        assert_refused(&err, POOL_ERR_AUTH, 4150);
    }
    assert_int_equal(stats_now().connect_failures, before);
}

static bool insert_at_set_up(struct pool_setup *setup, void *arg, struct pool_error *err)
{
    (void)arg;
    pool_result_free(pool_setup_query(setup, "INSERT INTO held VALUES (1)", POOL_NO_ARGS, err));
    return err->code == POOL_OK;
}

/* The table may come: but nobody is to wait for that. */
static void a_refused_init_callback_fails_fast_and_heals(void **state)
{
    struct pool_error err;
    struct pool_options options = app_options();
    (void)state;
    options.init = insert_at_set_up;
    make_pool(options);
    assert_refused_fast(1146);
    make_table();
    assert_within(30000, works(&err));
}

/* A server that takes no writes */

/* Writes on several threads, until told to stop. */
static struct {
    pthread_t ids[LIMIT];
    unsigned count;
    _Atomic bool stop;
    _Atomic uint64_t refused;
    _Atomic uint64_t failed; /* otherwise */
} writers;

static void *write_on(void *arg)
{
    while (!atomic_load(&writers.stop)) {
        struct outcome outcome = run_within("INSERT INTO held VALUES (1)", 0);
        if (!outcome.ok && outcome.err.server_errno == 1290)
            atomic_fetch_add(&writers.refused, 1);
        else if (!outcome.ok)
            atomic_fetch_add(&writers.failed, 1);
        pause_ms(1);
    }
    return arg;
}

static void start_writers(unsigned count)
{
    memset(&writers, 0, sizeof writers);
    for (; writers.count < count; writers.count++)
        if (pthread_create(&writers.ids[writers.count], NULL, write_on, NULL) != 0)
            abort();
}

static void stop_writers(void)
{
    atomic_store(&writers.stop, true);
    while (writers.count > 0)
        pthread_join(writers.ids[--writers.count], NULL);
}

static void a_server_that_takes_no_writes_goes_on_serving_reads(void **state)
{
    (void)state;
    make_table();
    make_pool(app_options());
    warm_up(LIMIT);
    admin_does(f.admin, "SET GLOBAL read_only = 1");
    uint64_t begin = now_ms();
    start_neighbours(2);
    start_writers(2);
    bool refused = WITHIN(GENEROUS, atomic_load(&writers.refused) >= 500);
    bool retrying = WITHIN(GENEROUS, stats_now().state == POOL_STATE_RETRYING);
    stop_writers();
    uint64_t took_ms = now_ms() - begin;
    assert_true(refused && retrying);
    assert_int_equal(atomic_load(&writers.failed), 0);
    assert_neighbours_go_on();
    assert_neighbours_were_fine();
    /* All once, and then one at a time after pauses of 50 to 800 ms at most. */
    assert_in_range(stats_now().opened, LIMIT, 2 * LIMIT + 20 + took_ms / 50);
    assert_int_equal(stats_now().closed, closed_by(POOL_CLOSE_READ_ONLY));
}

static void a_handle_on_which_a_write_was_refused_still_reads(void **state)
{
    struct pool_error err;
    (void)state;
    make_table();
    make_pool(app_options());
    admin_does(f.admin, "SET GLOBAL read_only = 1");
    struct pool_conn conn = borrow();
    assert_false(did(conn, "INSERT INTO held VALUES (1)", &err));
    assert_refused(&err, POOL_ERR_SERVER, 1290);
    assert_true(err.not_executed && !err.fatal);
    assert_int_equal(number(conn, "SELECT 7"), 7);
    assert_true(pool_conn_release(conn, NULL));
    assert_within(GENEROUS, closed_by(POOL_CLOSE_READ_ONLY) == 1);
}

/* Many sessions are killed at once */

#define CROWD 50

static void crowd_kill(void)
{
    struct pool_conn conns[CROWD];
    for (unsigned i = 0; i < CROWD; i++)
        conns[i] = borrow();
    for (unsigned i = 0; i < CROWD; i++)
        pool_conn_release(conns[i], NULL);
    admin_does(f.admin, "KILL USER app");
    assert_within(GENEROUS, stats_now().closed == CROWD && stats_now().closing == 0);
}

static void *ask_once(void *arg)
{
    *(struct outcome *)arg = run_within("SELECT 1", 0);
    return NULL;
}

/* One connection serves many: no more come than ten and one each 5 ms while somebody waits. */
static void killed_sessions_are_replaced_as_they_are_needed(void **state)
{
    struct pool_options options = app_options();
    struct outcome outcomes[CROWD];
    pthread_t ids[CROWD];
    (void)state;
    options.connection_limit = CROWD;
    make_pool(options);
    crowd_kill();
    uint64_t begin = now_ms();
    for (unsigned i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, ask_once, &outcomes[i]), 0);
    for (unsigned i = 0; i < CROWD; i++)
        pthread_join(ids[i], NULL);
    uint64_t took_ms = now_ms() - begin;
    for (unsigned i = 0; i < CROWD; i++)
        if (!outcomes[i].ok)
            fail_with("a caller", &outcomes[i].err);
    assert_in_range(stats_now().opened + stats_now().connecting, CROWD + 1,
                    CROWD + 10 + 1 + took_ms / 5);
}

static void a_dropped_database_leaves_callers_with_what_is_open(void **state)
{
    (void)state;
    make_pool_of_a_database_that_goes();
    admin_does(f.admin, "DROP DATABASE mypool_gone");
    struct pool_conn held = borrow();
    start_neighbours(LIMIT);
    assert_within(GENEROUS, stats_now().connect_failures > 0);
    pool_conn_release(held, NULL);
    assert_neighbours_go_on();
    assert_int_equal(stats_now().open, 1);
    assert_neighbours_were_fine();
    assert_int_equal(stats_now().closed, 0);
}

/* What nobody notices */

/* Two connections are open, in the middle of something, and two come later. */
static void assert_nobody_notices(const char *sql)
{
    struct pool_conn conns[LIMIT];
    struct pool_error err;
    for (int i = 0; i < 2; i++) {
        conns[i] = borrow();
        assert_true(did(conns[i], "SET @mark = 42", &err) && pool_conn_begin(conns[i], &err));
    }
    admin_does(f.admin, "%s", sql);
    for (int i = 2; i < LIMIT; i++)
        conns[i] = borrow();
    for (int i = 0; i < LIMIT; i++) {
        assert_int_equal(number(conns[i], "SELECT @mark"), i < 2 ? 42 : -1);
        assert_int_equal(number(conns[i], "SELECT @@in_transaction"), i < 2);
        pool_conn_release(conns[i], NULL);
    }
    warm_up(LIMIT);
    assert_int_equal(stats_now().opened, LIMIT);
    assert_int_equal(stats_now().closed + stats_now().connect_failures, 0);
}

static void nobody_notices_reloaded_privileges(void **state)
{
    (void)state;
    make_pool(app_options());
    assert_nobody_notices("FLUSH PRIVILEGES");
}

static void nobody_notices_a_password_set_to_what_it_was(void **state)
{
    (void)state;
    make_pool(changing_options(""));
    assert_nobody_notices("SET PASSWORD FOR changing@'%' = PASSWORD('first')");
}

/* Valid for longer than the one before, which is how they are told apart. */
static void replace_certificate(void)
{
    char command[1024];
    snprintf(
        command, sizeof command,
        "cd '%s/certs' && exec openssl req -config openssl.cnf -newkey ec -pkeyopt "
        "ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.pem -x509 -days 20 "
        "-subj /CN=localhost -extensions server -CA ca.pem -CAkey ca.key 2>replaced.log",
        getenv("MYPOOL_SERVER_DIR"));
    assert_int_equal(system(command), 0);
}

/* Days that are left of the certificate that the session began with. */
#define DAYS_LEFT                                                                                  \
    "SELECT DATEDIFF(STR_TO_DATE(VARIABLE_VALUE, '%b %e %H:%i:%s %Y GMT'), NOW()) FROM "           \
    "information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_server_not_after'"

static void nobody_notices_reloaded_certificates(void **state)
{
    struct pool_options options = app_options();
    struct pool_conn conns[2];
    (void)state;
    options.tls = POOL_TLS_VERIFY;
    options.tls_ca = getenv("MYPOOL_CA");
    make_pool(options);
    conns[0] = borrow();
    replace_certificate();
    admin_does(f.admin, "FLUSH SSL");
    conns[1] = borrow();
    assert_in_range(number(conns[0], DAYS_LEFT), 0, 5);
    assert_in_range(number(conns[1], DAYS_LEFT), 15, 25);
    for (int i = 0; i < 2; i++)
        pool_conn_release(conns[i], NULL);
    warm_up(LIMIT);
    assert_int_equal(stats_now().opened, LIMIT);
    assert_int_equal(stats_now().closed + stats_now().connect_failures, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_fixture, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_statement_after_the_server_ended_the_transaction_is_lost),
        TEST(a_commit_after_the_server_ended_the_transaction_is_lost),
        TEST(a_handle_whose_transaction_the_server_ended_is_discarded_unasked),
        TEST(a_transaction_that_the_server_ended_is_not_run_again),
        TEST(a_reader_too_slow_for_the_server_loses_its_connection_alone),
        TEST(a_statement_over_the_servers_time_leaves_its_connection_in_the_pool),
        TEST(a_users_hourly_limit_is_passed_on_and_costs_no_connection),
        TEST(a_users_hourly_limit_refuses_new_connections_and_heals),
        TEST(a_full_table_is_passed_on_and_costs_no_connection),
        TEST(what_a_full_table_cut_short_does_not_reach_the_next_borrower),
        TEST(a_statement_refused_for_want_of_room_succeeds_when_there_is_some),
        TEST(a_dropped_database_fails_new_connections_fast_and_heals),
        TEST(revoked_grants_fail_new_connections_fast_and_heal),
        TEST(a_dropped_database_leaves_callers_with_what_is_open),
        TEST(an_expired_password_fails_fast_and_heals),
        TEST(a_broken_init_connect_fails_fast_and_heals),
        TEST(a_wrong_init_sql_fails_fast_with_the_servers_text),
        TEST(a_blocked_account_is_left_alone),
        TEST(a_refused_init_callback_fails_fast_and_heals),
        TEST(a_server_that_takes_no_writes_goes_on_serving_reads),
        TEST(a_handle_on_which_a_write_was_refused_still_reads),
        TEST(killed_sessions_are_replaced_as_they_are_needed),
        TEST(nobody_notices_reloaded_privileges),
        TEST(nobody_notices_a_password_set_to_what_it_was),
        TEST(nobody_notices_reloaded_certificates),
    };
    return server_suite_main(argc, argv, tests);
}
