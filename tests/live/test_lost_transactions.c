/*
 * Transactions that end otherwise than their holder thinks: undone by the server after a
 * deadlock or a timeout, ended inside by DDL, a COMMIT, a routine. Nothing that was meant to be
 * part of one runs outside of it, and what the pool says of it is true.
 *
 * The rival is the administrator's connection, on a thread of its own once it has its locks: as
 * soon as the holder waits for one of them it wants one of the holder's, and wins, because its
 * transaction is the bigger one.
 *
 * Needs a server: MYPOOL_SERVER_PORT, MYPOOL_SERVER_RESTART.
 */
#include <mysql.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

#include "calls.h"
#include "suite.h"

#define BEFORE "INSERT INTO journal VALUES ('before')"
#define AFTER "INSERT INTO journal VALUES ('after')"
#define MINE "UPDATE account SET v = v + 1 WHERE id = 1"
#define THEIRS "UPDATE account SET v = v + 1 WHERE id = 2"

static pthread_t rival;
static _Atomic bool rival_runs;

/* ---- the rival ---- */

static bool somebody_waits_for_a_lock(void)
{
    char count[16] = "0";
    return ask(f.admin,
               "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
               "WHERE VARIABLE_NAME = 'INNODB_ROW_LOCK_CURRENT_WAITS'",
               count, sizeof count) &&
           strcmp(count, "1") == 0;
}

static void *be_rival(void *arg)
{
    (void)arg;
    if (WITHIN(GENEROUS, somebody_waits_for_a_lock()))
        ask(f.admin, "UPDATE account SET v = v + 100 WHERE id = 1", NULL, 0);
    ask(f.admin, "ROLLBACK", NULL, 0);
    return NULL;
}

static void start_rival(void)
{
    admin_does(f.admin, "START TRANSACTION");
    admin_does(f.admin, "INSERT INTO ballast SELECT seq FROM seq_1_to_50");
    admin_does(f.admin, "UPDATE account SET v = v + 100 WHERE id = 2");
    assert_int_equal(pthread_create(&rival, NULL, be_rival, NULL), 0);
    atomic_store(&rival_runs, true);
}

static void join_rival(void)
{
    if (atomic_exchange(&rival_runs, false))
        pthread_join(rival, NULL);
}

static long rows_of(const char *word)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM journal WHERE t LIKE '%s'", word);
    return admin_asks(f.admin, sql);
}

static void assert_journal(long before, long after)
{
    join_rival();
    assert_int_equal(rows_of("before"), before);
    assert_int_equal(rows_of("after"), after);
}

static void make_small_pool(struct pool_options wish)
{
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.no_autocommit = wish.no_autocommit;
    options.no_prepare = wish.no_prepare;
    options.init_sql = wish.init_sql;
    options.multi_statements = true;
    make_pool(options);
}

static void make_plain_pool(void)
{
    make_small_pool((struct pool_options){0});
}

/* A handle whose transaction has been lost. */
static struct pool_conn lose(const char *begin)
{
    struct pool_error err;
    struct pool_conn conn = borrow();
    start_rival();
    assert_true(!begin || did(conn, begin, &err));
    assert_true(did(conn, BEFORE, &err));
    assert_true(did(conn, MINE, &err));
    assert_false(did(conn, THEIRS, &err));
    assert_int_equal(err.server_errno, 1213);
    assert_true(err.retry_transaction);
    join_rival();
    return conn;
}

static void assert_lost(const struct pool_error *err, unsigned number)
{
    assert_refused(err, POOL_ERR_SERVER, number);
    assert_true(err->retry_transaction);
    assert_true(err->not_executed);
    assert_false(err->fatal);
}

/* ---- undone by the server: a handle ---- */

static void statements_after_a_deadlock_are_refused(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = lose("START TRANSACTION");
    for (int i = 0; i < 2; i++) {
        assert_false(did(conn, AFTER, &err));
        assert_lost(&err, 1213);
    }
    assert_true(pool_conn_rollback(conn, &err));
    assert_journal(0, 0);
    assert_true(did(conn, AFTER, &err)); /* on its own now, as its holder knows */
    assert_journal(0, 1);
    assert_true(pool_conn_release(conn, NULL));
}

static void a_commit_after_a_deadlock_fails(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = lose("BEGIN");
    assert_false(pool_conn_commit(conn, &err));
    assert_lost(&err, 1213);
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 1);
}

static void who_begins_anew_need_not_roll_back(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = lose("BEGIN");
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_rollback(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 0);
}

static void without_autocommit_it_is_the_same(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_pool((struct pool_options){.no_autocommit = true});
    struct pool_conn conn = lose(NULL);
    assert_false(did(conn, AFTER, &err));
    assert_lost(&err, 1213);
    assert_true(pool_conn_rollback(conn, &err));
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 1);
}

static void calls_with_callbacks_are_refused_too(void **state)
{
    (void)state;
    struct seen seen = {.calls = 0};
    make_plain_pool();
    struct pool_conn conn = lose("BEGIN");
    assert_true(pool_conn_query_async(conn, AFTER, POOL_NO_ARGS, on_result, &seen, NULL));
    assert_seen_failed(&seen, POOL_ERR_SERVER);
    assert_true(seen.err.retry_transaction);
    memset(&seen, 0, sizeof seen);
    assert_true(pool_conn_commit_async(conn, on_result, &seen, NULL));
    assert_seen_failed(&seen, POOL_ERR_SERVER);
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 0);
}

static void the_next_borrower_is_not_concerned(void **state)
{
    (void)state;
    make_plain_pool();
    pool_conn_release(lose("BEGIN"), NULL);
    must(AFTER);
    assert_journal(0, 1);
}

/* The number alone proves nothing: a routine may raise it. */
static void a_transaction_that_is_still_open_goes_on(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, BEFORE, &err));
    assert_false(did(conn, "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213", &err));
    assert_false(pool_conn_begin(conn, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(1, 1);
}

#define QUESTIONS                                                                                  \
    "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = "          \
    "'QUESTIONS'"

static void an_ordinary_error_costs_no_question(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    int64_t before = number(conn, QUESTIONS);
    assert_false(did(conn, "INSERT INTO account VALUES (1, 1)", &err));
    assert_int_equal(number(conn, QUESTIONS) - before, 2);
    assert_true(pool_conn_rollback(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
}

/* ---- a lock wait timeout ---- */

static struct pool_conn time_out(void)
{
    static const char *const init[] = {"SET innodb_lock_wait_timeout = 1", NULL};
    struct pool_error err;
    admin_does(f.admin, "START TRANSACTION");
    admin_does(f.admin, "UPDATE account SET v = v + 100 WHERE id = 2");
    make_small_pool((struct pool_options){.init_sql = init});
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, BEFORE, &err));
    assert_false(did(conn, THEIRS, &err));
    assert_int_equal(err.server_errno, 1205);
    admin_does(f.admin, "ROLLBACK");
    return conn;
}

static void a_lock_wait_timeout_leaves_the_transaction_open(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_conn conn = time_out();
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(1, 1);
}

static void restart_server(const char *options)
{
    char command[512];
    snprintf(command, sizeof command, "'%s' wait %s", getenv("MYPOOL_SERVER_RESTART"), options);
    mysql_close(f.admin);
    int status = system(command);
    f.admin = connect_admin();
    assert_int_equal(status, 0);
    assert_non_null(f.admin);
}

static void a_lock_wait_timeout_that_rolls_back_is_noticed(void **state)
{
    (void)state;
    struct pool_error err;
    restart_server("--innodb-rollback-on-timeout=ON");
    struct pool_conn conn = time_out();
    assert_false(did(conn, AFTER, &err));
    assert_lost(&err, 1205);
    assert_false(pool_conn_commit(conn, &err));
    assert_lost(&err, 1205);
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 0);
}

static int set_up(void **state);
static int tear_down(void **state);

static int tear_down_and_restart(void **state)
{
    int failed = tear_down(state);
    f.admin = connect_admin();
    restart_server("");
    mysql_close(f.admin);
    return failed;
}

/* ---- undone by the server: pool_transaction ---- */

static bool careless(struct pool_conn conn, void *arg, struct pool_error *err)
{
    unsigned *runs = arg;
    struct pool_error ignored;
    (void)err;
    ++*runs;
    did(conn, BEFORE, &ignored);
    did(conn, MINE, &ignored);
    did(conn, THEIRS, &ignored);
    did(conn, AFTER, &ignored);
    return true;
}

static void a_swallowed_deadlock_runs_the_transaction_again(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct pool_error err;
    make_plain_pool();
    start_rival();
    assert_true(pool_transaction(f.pool, careless, &runs, &err));
    assert_int_equal(err.code, POOL_OK);
    assert_int_equal(runs, 2);
    assert_journal(1, 1);
}

static void on_end(const struct pool_error *err, struct pool_result *result, void *arg)
{
    on_result(err, result, arg);
}

struct counted {
    struct seen seen;
    unsigned runs;
};

static bool careless_one(struct pool_conn conn, void *arg, struct pool_error *err)
{
    return careless(conn, &((struct counted *)arg)->runs, err);
}

static void with_a_callback_too(void **state)
{
    (void)state;
    struct counted counted = {.runs = 0};
    make_plain_pool();
    start_rival();
    assert_true(pool_transaction_async(f.pool, careless_one, on_end, &counted, NULL));
    assert_seen_ok(&counted.seen);
    assert_int_equal(counted.runs, 2);
    assert_journal(1, 1);
}

static bool stubborn(struct pool_conn conn, void *arg, struct pool_error *err)
{
    careless(conn, arg, err);
    return false;
}

static void after_a_swallowed_deadlock_false_leaves_nothing(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct pool_error err;
    make_plain_pool();
    start_rival();
    assert_false(pool_transaction(f.pool, stubborn, &runs, &err));
    assert_int_equal(err.code, POOL_ERR_CANCELLED);
    assert_int_equal(runs, 1);
    assert_journal(0, 0);
}

static bool careful(struct pool_conn conn, void *arg, struct pool_error *err)
{
    careless(conn, arg, err);
    return pool_conn_rollback(conn, err) && pool_conn_begin(conn, err) && did(conn, BEFORE, err) &&
           did(conn, AFTER, err);
}

static void a_function_may_begin_anew_by_itself(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct pool_error err;
    make_plain_pool();
    start_rival();
    assert_true(pool_transaction(f.pool, careful, &runs, &err));
    assert_int_equal(runs, 1);
    assert_journal(1, 1);
}

static bool rolls_back_and_goes_on(struct pool_conn conn, void *arg, struct pool_error *err)
{
    careless(conn, arg, err);
    pool_conn_rollback(conn, err);
    did(conn, AFTER, err);
    return true;
}

static void after_a_rollback_nothing_runs_on_its_own(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct pool_error err;
    make_plain_pool();
    start_rival();
    assert_false(pool_transaction(f.pool, rolls_back_and_goes_on, &runs, &err));
    assert_int_equal(err.code, POOL_ERR_CANCELLED);
    assert_journal(0, 0);
}

/* ---- ended inside ---- */

/* Statements one after the other, whatever becomes of them. */
struct script {
    const char *sql[5]; /* NULL-terminated */
    bool refuse;
    bool want_retry;
    unsigned runs;
    unsigned failed;
    enum pool_code code; /* of the last that did */
};

static bool play(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct script *script = arg;
    script->runs++;
    for (const char *const *sql = script->sql; *sql; sql++) {
        struct pool_error own;
        if (did(conn, *sql, &own))
            continue;
        script->failed++;
        script->code = own.code;
    }
    if (script->want_retry)
        err->retry_transaction = true;
    return !script->refuse;
}

static bool plays(struct script *script, struct pool_error *err)
{
    make_plain_pool();
    return pool_transaction(f.pool, play, script, err);
}

#define DDL "CREATE OR REPLACE TABLE extra (a INT)"

static void nothing_runs_behind_ddl(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, DDL, AFTER}};
    assert_false(plays(&script, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_non_null(strstr(err.message, "was not undone"));
    assert_false(err.not_executed);
    assert_int_equal(script.failed, 1);
    assert_int_equal(script.code, POOL_ERR_INVALID);
    assert_journal(1, 0);
}

static void what_ends_with_ddl_is_a_success(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, AFTER, DDL}};
    assert_true(plays(&script, &err));
    assert_int_equal(err.code, POOL_OK);
    assert_journal(1, 1);
}

static void what_ddl_has_committed_is_told_and_not_run_again(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, DDL}, .refuse = true, .want_retry = true};
    assert_false(plays(&script, &err));
    assert_int_equal(err.code, POOL_ERR_CANCELLED);
    assert_non_null(strstr(err.message, "was not undone"));
    assert_false(err.retry_transaction);
    assert_int_equal(script.runs, 1);
    assert_journal(1, 0);
}

static void ddl_that_fails_has_ended_the_transaction_too(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "CREATE TABLE account (a INT)", AFTER}};
    assert_false(plays(&script, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_false(err.retry_transaction);
    assert_int_equal(script.failed, 2);
    assert_journal(1, 0);
}

static void a_function_may_commit_as_the_last_it_does(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, AFTER, "COMMIT"}};
    assert_true(plays(&script, &err));
    assert_journal(1, 1);
}

static void nothing_runs_behind_its_commit(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "COMMIT", AFTER}};
    assert_false(plays(&script, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_journal(1, 0);
}

static void a_function_may_make_several_transactions(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "COMMIT", "BEGIN", AFTER}};
    assert_true(plays(&script, &err));
    assert_int_equal(script.failed, 0);
    assert_journal(1, 1);
}

static void the_first_of_several_is_told(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {
        .sql = {BEFORE, "COMMIT AND CHAIN", AFTER}, .refuse = true, .want_retry = true};
    assert_false(plays(&script, &err));
    assert_non_null(strstr(err.message, "was not undone"));
    assert_int_equal(script.runs, 1);
    assert_journal(1, 0);
}

static void a_function_that_rolls_back_and_says_true_has_not_succeeded(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "ROLLBACK", AFTER}};
    assert_false(plays(&script, &err));
    assert_int_equal(err.code, POOL_ERR_CANCELLED);
    assert_int_equal(script.failed, 1);
    assert_journal(0, 0);
}

static void savepoints_end_nothing(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "SAVEPOINT s", AFTER, "ROLLBACK TO s"}};
    assert_true(plays(&script, &err));
    assert_int_equal(script.failed, 0);
    assert_journal(1, 0);
}

static void the_guard_ends_with_the_transaction(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE}};
    assert_true(plays(&script, &err));
    must(AFTER);
    struct pool_conn conn = borrow();
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(1, 2);
}

static void a_commit_behind_a_routine_that_ended_the_transaction_fails(void **state)
{
    (void)state;
    struct pool_error err;
    admin_does(f.admin, "CREATE OR REPLACE PROCEDURE undoes() ROLLBACK");
    make_plain_pool();
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, BEFORE, &err));
    assert_true(did(conn, "CALL undoes()", &err));
    assert_false(pool_conn_commit(conn, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 0);
}

static bool uses_native(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct pool_error ignored;
    (void)arg;
    did(conn, BEFORE, err);
    mysql_query(pool_conn_native(conn), "ROLLBACK");
    did(conn, AFTER, &ignored);
    return true;
}

static void what_the_native_handle_ended_is_noticed(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    assert_false(pool_transaction(f.pool, uses_native, NULL, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_journal(0, 0);
}

static bool keeps_native(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct pool_error ignored;
    ++*(unsigned *)arg;
    MYSQL *native = pool_conn_native(conn);
    did(conn, BEFORE, err);
    mysql_query(native, "ROLLBACK");
    did(conn, AFTER, &ignored);
    return true;
}

static void also_what_it_ends_later(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct pool_error err;
    make_plain_pool();
    assert_false(pool_transaction(f.pool, keeps_native, &runs, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_int_equal(runs, 1);
    assert_journal(0, 0);
}

/* ---- and an error ---- */

static bool plays_until_it_fails(struct pool_conn conn, void *arg, struct pool_error *err)
{
    const struct script *script = arg;
    for (const char *const *sql = script->sql; *sql; sql++)
        if (!did(conn, *sql, err))
            return false;
    return true;
}

static void make_procedure(const char *body)
{
    admin_does(f.admin,
               "CREATE OR REPLACE PROCEDURE undoes() BEGIN %s; SIGNAL SQLSTATE '45000'; END", body);
}

/* The function returns with the error, so that nothing else asks the server. */
static void what_a_failed_statement_has_committed_is_told(void **state)
{
    (void)state;
    static const char *const enders[] = {"CALL undoes()", "CREATE TABLE account (a INT)"};
    struct pool_error err;
    make_procedure("COMMIT");
    make_plain_pool();
    for (unsigned i = 0; i < 2; i++) {
        struct script script = {.sql = {BEFORE, enders[i]}};
        assert_false(pool_transaction(f.pool, plays_until_it_fails, &script, &err));
        assert_non_null(strstr(err.message, "was not undone"));
    }
    assert_journal(2, 0);
}

static void what_a_failed_statement_has_left_open_is_undone(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "CALL undoes()"}};
    make_procedure("DO 0");
    make_plain_pool();
    assert_false(pool_transaction(f.pool, plays_until_it_fails, &script, &err));
    assert_null(strstr(err.message, "was not undone"));
    assert_journal(0, 0);
}

static void a_swallowed_rollback_is_no_success_without_autocommit(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "CALL undoes()"}};
    make_procedure("ROLLBACK");
    make_small_pool((struct pool_options){.no_autocommit = true});
    assert_false(pool_transaction(f.pool, play, &script, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_journal(0, 0);
}

/* The results before the error have told that the transaction was over. */
static void nothing_runs_behind_results_and_an_error(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {.sql = {BEFORE, "CALL undoes()", AFTER}};
    make_procedure("SELECT 1; COMMIT; SELECT 2");
    assert_false(plays(&script, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_int_equal(script.runs, 1);
    assert_int_equal(script.failed, 2);
    assert_journal(1, 0);
}

static void nothing_runs_behind_a_begin_that_failed(void **state)
{
    (void)state;
    struct pool_error err;
    struct script script = {
        .sql = {BEFORE, "COMMIT", "START TRANSACTION READ ONLY, READ WRITE", AFTER}};
    assert_false(plays(&script, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_int_equal(script.runs, 1);
    assert_int_equal(script.failed, 2);
    assert_journal(1, 0);
}

static void nor_on_a_handle_that_has_lost_one(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = lose("BEGIN");
    assert_false(did(conn, "START TRANSACTION READ ONLY, READ WRITE", &err));
    assert_false(did(conn, AFTER, &err));
    assert_lost(&err, 1213);
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(0, 0);
}

static bool commits_and_begins(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct pool_request request = {.sql = BEFORE "; COMMIT; BEGIN", .flags = POOL_TEXT};
    ++*(unsigned *)arg;
    pool_result_free(pool_conn_query_with(conn, &request, err));
    err->retry_transaction = true;
    return false;
}

static void what_several_statements_have_committed_is_told(void **state)
{
    (void)state;
    unsigned runs = 0;
    struct pool_error err;
    make_plain_pool();
    assert_false(pool_transaction(f.pool, commits_and_begins, &runs, &err));
    assert_non_null(strstr(err.message, "was not undone"));
    assert_int_equal(runs, 1);
    assert_journal(1, 0);
}

/* ---- on a handle ---- */

static void on_a_handle_ddl_commits_and_the_rest_goes_on(void **state)
{
    (void)state;
    struct pool_error err;
    make_plain_pool();
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, BEFORE, &err));
    assert_true(did(conn, DDL, &err));
    assert_true(did(conn, AFTER, &err));
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(1, 1);
}

/* ---- in the set-up ---- */

static bool init_that_loses_its_transaction(struct pool_setup *setup, void *arg,
                                            struct pool_error *err)
{
    static const char *const sql[] = {"BEGIN", BEFORE, "CALL undoes()"};
    struct pool_error ignored;
    (void)arg;
    (void)err;
    for (unsigned i = 0; i < 3; i++)
        pool_result_free(pool_setup_query(setup, sql[i], POOL_NO_ARGS, &ignored));
    return true;
}

static void what_an_init_has_lost_is_nothing_to_the_borrower(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_options options = app_options();
    make_procedure("COMMIT");
    options.connection_limit = 1;
    options.init = init_that_loses_its_transaction;
    make_pool(options);
    struct pool_conn conn = borrow();
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, NULL));
    assert_journal(1, 0);
}

/* ---- batches ---- */

static const struct pool_value ids[] = {
    {.type = POOL_TYPE_INT, .as.i = 1},
    {.type = POOL_TYPE_INT, .as.i = 2},
    {.type = POOL_TYPE_INT, .as.i = 3},
    {.type = POOL_TYPE_INT, .as.i = 4},
};

static struct pool_batch_request updates(bool atomic)
{
    return (struct pool_batch_request){.sql = "UPDATE account SET v = v + 1 WHERE id = ?",
                                       .values = ids,
                                       .rows = 4,
                                       .columns = 1,
                                       .atomic = atomic};
}

static void assert_nothing_is_updated(void)
{
    join_rival();
    assert_int_equal(admin_asks(f.admin, "SELECT SUM(v) FROM account"), 0);
}

static void lose_a_batch(const bool *atomic, bool no_prepare)
{
    struct pool_error err;
    struct pool_batch_request request = updates(*atomic);
    make_small_pool((struct pool_options){.no_prepare = no_prepare});
    start_rival();
    assert_null(pool_batch_with(f.pool, &request, &err));
    assert_int_equal(err.server_errno, 1213);
    assert_nothing_is_updated();
    must("UPDATE account SET v = 0");
    assert_int_equal(stats_now().closed, 0);
}

/* Rows three and four are on their way when the second one is the victim. */
static void rows_behind_a_deadlock_in_a_batch_are_not_kept(void **state)
{
    lose_a_batch(*state, true);
}

static void nor_are_they_in_bulk(void **state)
{
    lose_a_batch(*state, false);
}

static void nor_are_they_inside_a_transaction(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_batch_request request = updates(*(const bool *)*state);
    make_small_pool((struct pool_options){.no_prepare = true});
    struct pool_conn conn = borrow();
    start_rival();
    assert_true(pool_conn_begin(conn, &err));
    assert_null(pool_conn_batch(conn, &request, &err));
    assert_int_equal(err.server_errno, 1213);
    join_rival();
    assert_null(pool_conn_batch(conn, &request, &err));
    assert_true(err.retry_transaction && err.not_executed);
    assert_false(pool_conn_commit(conn, &err));
    assert_true(err.retry_transaction);
    assert_true(pool_conn_release(conn, NULL));
    assert_nothing_is_updated();
}

/* ---- around each test ---- */

static int set_up(void **state)
{
    if (begin_fixture(state) != 0)
        return -1;
    admin_does(f.admin, "CREATE OR REPLACE TABLE account (id INT PRIMARY KEY, v INT)");
    admin_does(f.admin, "INSERT INTO account VALUES (1, 0), (2, 0), (3, 0), (4, 0)");
    admin_does(f.admin, "CREATE OR REPLACE TABLE journal (t VARCHAR(10))");
    admin_does(f.admin, "CREATE OR REPLACE TABLE ballast (a INT)");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    join_rival();
    ask(f.admin, "ROLLBACK", NULL, 0);
    end_fixture();
    MYSQL *admin = connect_admin();
    ask(admin, "DROP TABLE IF EXISTS account, journal, ballast, extra", NULL, 0);
    ask(admin, "DROP PROCEDURE IF EXISTS undoes", NULL, 0);
    mysql_close(admin);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_OF(name, with)                                                                        \
    {                                                                                              \
#name, name, set_up_with_##with, tear_down, NULL                                           \
    }

static bool atomic_batch = true;
static bool plain_batch = false;

static int set_up_with_atomic(void **state)
{
    *state = &atomic_batch;
    void *none = NULL;
    return set_up(&none);
}

static int set_up_with_chunks(void **state)
{
    *state = &plain_batch;
    void *none = NULL;
    return set_up(&none);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(statements_after_a_deadlock_are_refused),
        TEST(a_commit_after_a_deadlock_fails),
        TEST(who_begins_anew_need_not_roll_back),
        TEST(without_autocommit_it_is_the_same),
        TEST(calls_with_callbacks_are_refused_too),
        TEST(the_next_borrower_is_not_concerned),
        TEST(a_transaction_that_is_still_open_goes_on),
        TEST(an_ordinary_error_costs_no_question),
        TEST(a_lock_wait_timeout_leaves_the_transaction_open),
        cmocka_unit_test_setup_teardown(a_lock_wait_timeout_that_rolls_back_is_noticed, set_up,
                                        tear_down_and_restart),
        TEST(a_swallowed_deadlock_runs_the_transaction_again),
        TEST(with_a_callback_too),
        TEST(after_a_swallowed_deadlock_false_leaves_nothing),
        TEST(a_function_may_begin_anew_by_itself),
        TEST(after_a_rollback_nothing_runs_on_its_own),
        TEST(nothing_runs_behind_ddl),
        TEST(what_ends_with_ddl_is_a_success),
        TEST(what_ddl_has_committed_is_told_and_not_run_again),
        TEST(ddl_that_fails_has_ended_the_transaction_too),
        TEST(a_function_may_commit_as_the_last_it_does),
        TEST(nothing_runs_behind_its_commit),
        TEST(a_function_may_make_several_transactions),
        TEST(the_first_of_several_is_told),
        TEST(a_function_that_rolls_back_and_says_true_has_not_succeeded),
        TEST(savepoints_end_nothing),
        TEST(the_guard_ends_with_the_transaction),
        TEST(a_commit_behind_a_routine_that_ended_the_transaction_fails),
        TEST(what_the_native_handle_ended_is_noticed),
        TEST(also_what_it_ends_later),
        TEST(what_a_failed_statement_has_committed_is_told),
        TEST(what_a_failed_statement_has_left_open_is_undone),
        TEST(a_swallowed_rollback_is_no_success_without_autocommit),
        TEST(nothing_runs_behind_results_and_an_error),
        TEST(nothing_runs_behind_a_begin_that_failed),
        TEST(nor_on_a_handle_that_has_lost_one),
        TEST(what_several_statements_have_committed_is_told),
        TEST(on_a_handle_ddl_commits_and_the_rest_goes_on),
        TEST(what_an_init_has_lost_is_nothing_to_the_borrower),
        TEST_OF(rows_behind_a_deadlock_in_a_batch_are_not_kept, atomic),
        TEST_OF(rows_behind_a_deadlock_in_a_batch_are_not_kept, chunks),
        TEST_OF(nor_are_they_in_bulk, atomic),
        TEST_OF(nor_are_they_in_bulk, chunks),
        TEST_OF(nor_are_they_inside_a_transaction, atomic),
        TEST_OF(nor_are_they_inside_a_transaction, chunks),
    };
    return server_suite_main(argc, argv, tests);
}
