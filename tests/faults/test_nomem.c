/*
 * Every allocation of the library fails in turn. The linker sends malloc and its kin
 * through the wrappers below (not those of libmariadb, which is a library of its own);
 * the Nth one fails, once, or all from the Nth on. Whatever call that hits must say NOMEM
 * or do without, leak nothing (the sanitizer build watches), and leave a pool that works
 * once there is memory.
 *
 * Needs a server: MYPOOL_URL and MYPOOL_ADMIN_URL.
 */
#include "mypool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "suite.h"

#define MOST 4000
#define PATIENCE_S 60

enum how { ONCE, FOR_GOOD };

static _Atomic long countdown = -1; /* < 0: nothing fails */
static _Atomic enum how how_it_fails;
static _Atomic bool failed;

static bool fails(void)
{
    long left = atomic_load(&countdown);
    while (left > 0)
        if (atomic_compare_exchange_weak(&countdown, &left, left - 1))
            return false;
    if (left < 0)
        return false;
    /* The one that takes it from 0 to -1 is the only one that fails, or none is. */
    if (atomic_load(&how_it_fails) == ONCE &&
        !atomic_compare_exchange_strong(&countdown, &left, -1))
        return false;
    atomic_store(&failed, true);
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

static void fail_the(long nth, enum how how)
{
    atomic_store(&failed, false);
    atomic_store(&how_it_fails, how);
    atomic_store(&countdown, nth);
}

/* True if an allocation failed since. */
static bool stop_failing(void)
{
    atomic_store(&countdown, -1);
    return atomic_load(&failed);
}

static void nap(void)
{
    nanosleep(&(struct timespec){0, 1000000}, NULL);
}

/* What the pool asks the program for, besides. */
static bool set_up(struct pool_setup *setup, void *arg, struct pool_error *err)
{
    (void)arg;
    struct pool_result *result = pool_setup_query(setup, "SET @b = ?", POOL_ARGS("text"), err);
    pool_result_free(result);
    return result != NULL;
}

static bool give_credentials(struct pool_credentials *credentials, bool refresh, void *arg)
{
    (void)refresh;
    (void)arg;
    return credentials->user != NULL;
}

static const char *const first_statements[] = {"SET @a = 1", "SET @c = 'text'", NULL};

/* No pause before the failure of a connect is told if it is going to be repeated. */
static struct pool *new_pool(bool with_set_up, enum how how, struct pool_error *err)
{
    struct pool_options options;
    void *memory;
    if (!pool_options_from_url(getenv("MYPOOL_URL"), &options, &memory, err))
        return NULL;
    options.connection_limit = 1;
    options.fail_fast_ms = how == ONCE ? 0 : 1;
    if (with_set_up) {
        options.init_sql = first_statements;
        options.init = set_up;
        options.credentials = give_credentials;
    }
    struct pool *pool = pool_create(&options, err);
    free(memory);
    return pool;
}

/* With a new connection if need be, once the pause after failed connects is over. */
static struct pool_result *query_at_last(struct pool *pool, struct pool_error *err)
{
    time_t give_up = time(NULL) + PATIENCE_S;
    struct pool_result *rows;
    while (!(rows = pool_query(pool, "SELECT ?", POOL_ARGS(7), err)) &&
           err->code == POOL_ERR_NOMEM && time(NULL) < give_up)
        nap();
    return rows;
}

/* The pool works. */
static void assert_works(struct pool *pool)
{
    struct pool_error err;
    struct pool_result *rows = query_at_last(pool, &err);
    if (!rows)
        print_error("afterwards: %s %s\n", pool_code_name(err.code), err.message);
    assert_non_null(rows);
    assert_true(pool_next(rows));
    assert_int_equal(pool_get_int(rows, 0), 7);
    pool_result_free(rows);
}

static void assert_nomem(long nth, const struct pool_error *err)
{
    if (err->code != POOL_ERR_NOMEM)
        print_error("allocation %ld: %s %s\n", nth, pool_code_name(err->code), err->message);
    assert_int_equal(err->code, POOL_ERR_NOMEM);
}

typedef bool act_fn(struct pool *pool, struct pool_error *err);

static bool act_query(struct pool *pool, struct pool_error *err)
{
    struct pool_result *rows = pool_query(pool, "SELECT ? AS a, ? AS b", POOL_ARGS(1, "text"), err);
    pool_result_free(rows);
    return rows != NULL;
}

static bool act_list(struct pool *pool, struct pool_error *err)
{
    struct pool_value values[3] = {pool_int(1), pool_int(2), pool_int(3)};
    struct pool_result *rows =
        pool_query(pool, "SELECT 1 WHERE 1 IN (?)", POOL_ARGS(pool_list(values, 3)), err);
    pool_result_free(rows);
    return rows != NULL;
}

static bool act_empty_list(struct pool *pool, struct pool_error *err)
{
    struct pool_request request = {.sql = "SELECT 'a\\'b\\'' IN (?), 1 NOT IN ('it', ?)",
                                   .args = POOL_ARGS(pool_list(NULL, 0), pool_list(NULL, 0))};
    struct pool_result *rows = pool_query_with(pool, &request, err);
    request.text = true;
    pool_result_free(rows);
    rows = rows ? pool_query_with(pool, &request, err) : NULL;
    pool_result_free(rows);
    return rows != NULL;
}

/* The session has to be asked how it reads quotes, as it may have been changed. */
static bool act_question(struct pool *pool, struct pool_error *err)
{
    struct pool_conn conn;
    struct pool_request request = {
        .sql = "SELECT 'it\\'s', ?", .args = POOL_ARGS("x\\y"), .text = true};
    if (!pool_get_connection(pool, &conn, err))
        return false;
    struct pool_result *rows = pool_conn_query(conn, "DO 1", POOL_NO_ARGS, err);
    pool_result_free(rows);
    rows = rows ? pool_conn_query_with(conn, &request, err) : NULL;
    pool_result_free(rows);
    pool_conn_release(conn, NULL);
    return rows != NULL;
}

static bool act_named_text(struct pool *pool, struct pool_error *err)
{
    struct pool_request request = {.sql = "SELECT :a, :b",
                                   .args = POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("b", "x\\y")),
                                   .text = true};
    struct pool_result *rows = pool_query_with(pool, &request, err);
    pool_result_free(rows);
    return rows != NULL;
}

static bool act_many_rows(struct pool *pool, struct pool_error *err)
{
    struct pool_result *rows =
        pool_query(pool, "SELECT seq, REPEAT('x', 500) FROM seq_1_to_500", POOL_NO_ARGS, err);
    pool_result_free(rows);
    return rows != NULL;
}

static bool ignore_row(struct pool_result *row, void *arg)
{
    (void)arg;
    pool_get_text(row, 0);
    return true;
}

static bool act_stream(struct pool *pool, struct pool_error *err)
{
    return pool_stream(pool, "SELECT seq, 1.5e0 FROM seq_1_to_50", POOL_NO_ARGS, ignore_row, NULL,
                       err);
}

static bool select_one(struct pool_conn conn, void *arg, struct pool_error *err)
{
    (void)arg;
    struct pool_result *rows = pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, err);
    pool_result_free(rows);
    return rows != NULL;
}

static bool act_transaction(struct pool *pool, struct pool_error *err)
{
    return pool_transaction(pool, select_one, NULL, err);
}

static bool act_handle(struct pool *pool, struct pool_error *err)
{
    struct pool_conn conn;
    struct pool_request request = {
        .sql = "SELECT :a", .args = POOL_ARGS(POOL_NAMED("a", 1)), .label = "a handle"};
    if (!pool_get_connection_with(pool, &request, &conn, err))
        return false;
    struct pool_result *rows = pool_conn_query_with(conn, &request, err);
    bool ok = rows != NULL;
    pool_result_free(rows);
    pool_conn_release(conn, NULL);
    return ok;
}

static bool act_begin_and_end(struct pool *pool, struct pool_error *err)
{
    struct pool_conn conn;
    if (!pool_get_connection(pool, &conn, err))
        return false;
    bool ok = pool_conn_begin(conn, err) && select_one(conn, NULL, err) &&
              pool_conn_rollback(conn, err) && pool_conn_begin(conn, err) &&
              pool_conn_commit(conn, err);
    pool_conn_release(conn, NULL);
    return ok;
}

static bool act_look_and_destroy(struct pool *pool, struct pool_error *err)
{
    struct pool_conn conn;
    if (!pool_get_connection(pool, &conn, err))
        return false;
    bool ok = pool_conn_ping(conn, err);
    assert_true(pool_conn_thread_id(conn) != 0);
    assert_non_null(pool_conn_native(conn));
    assert_true(pool_conn_destroy(conn, NULL));
    return ok;
}

static bool act_ping(struct pool *pool, struct pool_error *err)
{
    return pool_ping(pool, err);
}

static bool act_stream_on_a_handle(struct pool *pool, struct pool_error *err)
{
    struct pool_conn conn;
    if (!pool_get_connection(pool, &conn, err))
        return false;
    bool ok = pool_conn_stream(conn, "SELECT seq, 'x' FROM seq_1_to_20", POOL_NO_ARGS, ignore_row,
                               NULL, err);
    pool_conn_release(conn, NULL);
    return ok;
}

static bool act_several_sets(struct pool *pool, struct pool_error *err)
{
    struct pool_result *sets = pool_query(pool, "CALL two_sets(?)", POOL_ARGS(3), err);
    bool ok = sets != NULL;
    unsigned count = 0;
    while (ok && (count++, pool_next_set(sets)))
        ;
    pool_result_free(sets);
    assert_true(!ok || count >= 2);
    return ok;
}

static bool is_killed(struct pool *pool)
{
    struct pool_stats stats;
    pool_stats(pool, &stats);
    return stats.kills > 0;
}

/* A worker opens the control connection and kills what has passed its deadline. */
static bool act_kill(struct pool *pool, struct pool_error *err)
{
    struct pool_request request = {.sql = "SELECT SLEEP(60)", .timeout_ms = 20};
    assert_null(pool_query_with(pool, &request, err));
    bool ok = err->code == POOL_ERR_QUERY_TIMEOUT;
    while (ok && !is_killed(pool) && !atomic_load(&failed))
        nap();
    return ok;
}

static bool act_dirty_session(struct pool *pool, struct pool_error *err)
{
    struct pool_result *rows = pool_query(pool, "SET @x = 1", POOL_NO_ARGS, err);
    pool_result_free(rows);
    return rows != NULL;
}

/* The reset that follows takes the connection back to the database of the pool. */
static bool act_change_database(struct pool *pool, struct pool_error *err)
{
    struct pool_conn conn;
    if (!pool_get_connection(pool, &conn, err))
        return false;
    struct pool_result *rows = pool_conn_query(conn, "USE information_schema", POOL_NO_ARGS, err);
    bool ok = rows != NULL;
    pool_result_free(rows);
    pool_conn_release(conn, NULL);
    return ok && act_query(pool, err);
}

#define WIDE 300

/* More column names and texts of numbers than fit into the first block of a result. */
static bool act_wide_row(struct pool *pool, struct pool_error *err)
{
    static char sql[WIDE * 64 + 16];
    char *end = stpcpy(sql, "SELECT ");
    for (int i = 0; i < WIDE; i++)
        end += snprintf(end, 64, "%s%d AS the_long_name_of_the_column_%d", i ? ", " : "", i, i);
    struct pool_result *row = pool_query(pool, sql, POOL_NO_ARGS, err);
    bool ok = row && pool_next(row);
    for (unsigned i = 0; ok && i < WIDE; i++)
        ok = pool_get_text(row, i) != NULL;
    if (row && !ok)
        err->code = POOL_ERR_NOMEM; /* a getter has no error of its own */
    pool_result_free(row);
    return ok;
}

static bool act_many_values(struct pool *pool, struct pool_error *err)
{
    struct pool_value values[100];
    char sql[500], *end = stpcpy(sql, "SELECT ?");
    for (unsigned i = 0; i < 100; i++) {
        values[i] = pool_int(i);
        end = stpcpy(end, i ? " + ?" : "");
    }
    struct pool_request request = {.sql = sql, .args = {values, 100}};
    struct pool_result *rows = pool_query_with(pool, &request, err);
    pool_result_free(rows);
    return rows != NULL;
}

/* What a callback was told; the acts below wait for it. */
struct told {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    struct pool_error err;
    struct pool_conn conn;
};

static struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void tell(const struct pool_error *err)
{
    pthread_mutex_lock(&told.lock);
    told.done = true;
    told.err = err ? *err : (struct pool_error){.code = POOL_OK};
    pthread_cond_signal(&told.changed);
    pthread_mutex_unlock(&told.lock);
}

static void on_result(const struct pool_error *err, struct pool_result *result, void *arg)
{
    (void)arg;
    pool_result_free(result);
    tell(err);
}

static void on_conn(const struct pool_error *err, struct pool_conn conn, void *arg)
{
    (void)arg;
    told.conn = conn;
    tell(err);
}

static bool wait_until_told(bool accepted, struct pool_error *err)
{
    pthread_mutex_lock(&told.lock);
    while (accepted && !told.done)
        pthread_cond_wait(&told.changed, &told.lock);
    if (accepted)
        *err = told.err;
    bool ok = accepted && told.err.code == POOL_OK;
    told.done = false;
    pthread_mutex_unlock(&told.lock);
    return ok;
}

static bool act_async(struct pool *pool, struct pool_error *err)
{
    struct pool_value values[3] = {pool_int(1), pool_int(2), pool_int(3)};
    struct pool_call call;
    struct pool_request request = {
        .sql = "SELECT :text, 2 IN (:list)",
        .args = POOL_ARGS(POOL_NAMED("text", "abc"), POOL_NAMED("list", pool_list(values, 3)))};
    return wait_until_told(pool_query_async_with(pool, &request, on_result, NULL, &call, err), err);
}

static bool act_async_conn(struct pool *pool, struct pool_error *err)
{
    if (!wait_until_told(pool_get_connection_async(pool, on_conn, NULL, err), err))
        return false;
    bool ok = wait_until_told(
        pool_conn_query_async(told.conn, "SELECT 1", POOL_NO_ARGS, on_result, NULL, err), err);
    pool_conn_release(told.conn, NULL);
    return ok;
}

/* Several packets, with rows that come back; or, as the server does not take the second in
 * bulk, one by one. Neither finds anything. */
static bool batch_of(struct pool *pool, const char *sql, size_t count, struct pool_error *err)
{
    static struct pool_value values[3000];
    static char big[1000];
    memset(big, 'x', sizeof big);
    for (unsigned i = 0; i < 3000; i++)
        values[i] = i % 500 ? pool_int(i) : pool_text_n(big, sizeof big);
    struct pool_result *result = pool_batch(pool, sql, values, count, 2, err);
    pool_result_free(result);
    return result != NULL;
}

static bool act_batch(struct pool *pool, struct pool_error *err)
{
    return batch_of(pool, "DELETE FROM nothing WHERE a = ? AND b = ? RETURNING a", 1500, err);
}

static bool act_batch_one_by_one(struct pool *pool, struct pool_error *err)
{
    return batch_of(pool, "INSERT INTO nothing SELECT a, b FROM nothing WHERE a = ? AND b = ?", 150,
                    err);
}

static bool act_batch_async(struct pool *pool, struct pool_error *err)
{
    struct pool_value values[] = {pool_int(1), pool_text("text"), pool_null(), pool_int(2)};
    struct pool_batch_request request = {.sql = "DELETE FROM nothing WHERE a = ? AND b = ?",
                                         .values = values,
                                         .rows = 2,
                                         .columns = 2};
    return wait_until_told(pool_batch_async_with(pool, &request, on_result, NULL, NULL, err), err);
}

static const struct row {
    const char *name;
    bool (*act)(struct pool *pool, struct pool_error *err);
    bool warm; /* there is a connection */
    bool set_up;
} rows[] = {
    {"a first query", act_query, false, false},
    {"a query on a warm pool", act_query, true, false},
    {"a list", act_list, true, false},
    {"empty lists", act_empty_list, true, false},
    {"a text and how it is read", act_question, true, false},
    {"named values as text", act_named_text, true, false},
    {"a large result", act_many_rows, true, false},
    {"a wide row and its texts", act_wide_row, true, false},
    {"a hundred values", act_many_values, true, false},
    {"several result sets", act_several_sets, true, false},
    {"a stream", act_stream, true, false},
    {"a stream on a handle", act_stream_on_a_handle, true, false},
    {"a first handle", act_handle, false, false},
    {"a handle", act_handle, true, false},
    {"begin, commit and rollback", act_begin_and_end, true, false},
    {"a look at a handle, and its end", act_look_and_destroy, true, false},
    {"a first ping", act_ping, false, false},
    {"a ping", act_ping, true, false},
    {"a transaction", act_transaction, true, false},
    {"a reset", act_dirty_session, true, false},
    {"a change of database", act_change_database, true, false},
    {"a first query after a set-up", act_query, false, true},
    {"a reset with a set-up", act_dirty_session, true, true},
    {"a kill", act_kill, true, false},
    {"a first query with a callback", act_async, false, false},
    {"a query with a callback", act_async, true, false},
    {"a connection with a callback", act_async_conn, true, false},
    {"a batch", act_batch, true, false},
    {"a batch one by one", act_batch_one_by_one, true, false},
    {"a batch with a callback", act_batch_async, true, false},
};

#define ROWS (sizeof rows / sizeof *rows)

/* Runs the act with every allocation failing in turn. */
static void torture(const struct row *row, enum how how)
{
    for (long nth = 0; nth < MOST; nth++) {
        struct pool_error err;
        struct pool *pool = new_pool(row->set_up, how, &err);
        assert_non_null(pool);
        if (row->warm)
            assert_works(pool);
        fail_the(nth, how);
        bool ok = row->act(pool, &err);
        bool hit = stop_failing();
        if (!ok)
            assert_nomem(nth, &err);
        assert_works(pool);
        pool_end(pool, 1000, NULL);
        if (!hit)
            return;
    }
    fail_msg("more than %d allocations", MOST);
}

static void survives_one_failure(void **state)
{
    torture(*state, ONCE);
}

static void survives_without_memory(void **state)
{
    torture(*state, FOR_GOOD);
}

static struct pool *pool_by_url(struct pool_error *err)
{
    return pool_create_url(getenv("MYPOOL_URL"), err);
}

static struct pool *pool_by_options(struct pool_error *err)
{
    return new_pool(true, FOR_GOOD, err);
}

static void torture_creation(struct pool *create(struct pool_error *err), enum how how)
{
    for (long nth = 0; nth < MOST; nth++) {
        struct pool_error err;
        fail_the(nth, how);
        struct pool *pool = create(&err);
        bool hit = stop_failing();
        if (pool) {
            assert_works(pool);
            pool_end(pool, 1000, NULL);
        } else {
            assert_nomem(nth, &err);
        }
        if (!hit)
            return;
    }
}

static void creating_a_pool_survives(void **state)
{
    (void)state;
    for (enum how how = ONCE; how <= FOR_GOOD; how++) {
        torture_creation(pool_by_url, how);
        torture_creation(pool_by_options, how);
    }
}

/* With a statement that is being killed: the end needs no memory. */
static void torture_end(enum how how)
{
    for (long nth = 0; nth < MOST; nth++) {
        struct pool_error err;
        struct pool_request request = {.sql = "SELECT SLEEP(60)", .timeout_ms = 5};
        struct pool *pool = new_pool(false, how, &err);
        assert_non_null(pool);
        pool_result_free(pool_query_with(pool, &request, &err));
        fail_the(nth, how);
        bool ok = pool_end(pool, 0, &err);
        bool hit = stop_failing();
        assert_true(ok);
        if (!hit)
            return;
    }
}

static void the_end_survives(void **state)
{
    (void)state;
    torture_end(ONCE);
    torture_end(FOR_GOOD);
}

static void torture_formatting(enum how how)
{
    for (long nth = 0; nth < MOST; nth++) {
        struct pool_error err;
        fail_the(nth, how);
        char *sql = pool_format("SELECT ?, ?", POOL_ARGS(1, "it's \\"), &err);
        char *text = pool_escape("a'b", 3);
        char *name = pool_escape_id("a`b");
        bool hit = stop_failing();
        if (!sql)
            assert_nomem(nth, &err);
        free(sql);
        free(text);
        free(name);
        if (!hit)
            return;
    }
}

static void formatting_survives(void **state)
{
    (void)state;
    torture_formatting(ONCE);
    torture_formatting(FOR_GOOD);
}

/* A caller that waits for the connection which the test holds. */
struct waiting {
    pthread_t thread;
    struct pool *pool;
    bool ok;
    struct pool_error err;
};

static void *run_waiting(void *arg)
{
    struct waiting *waiting = arg;
    waiting->ok = act_query(waiting->pool, &waiting->err);
    return NULL;
}

static void start_waiting(struct waiting *waiting, struct pool *pool, uint64_t place)
{
    struct pool_stats stats;
    *waiting = (struct waiting){.pool = pool};
    assert_int_equal(pthread_create(&waiting->thread, NULL, run_waiting, waiting), 0);
    for (unsigned ms = 0; ms < 20000; ms++) {
        pool_stats(pool, &stats);
        if (stats.waiting == place)
            return;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    fail_msg("nobody waits");
}

/* The first allocation of a caller that waits is that of its place aboard. */
static void a_caller_without_memory_for_a_ride_waits_alone(void **state)
{
    struct waiting callers[2];
    struct pool_conn conn;
    struct pool_error err;
    (void)state;
    struct pool *pool = new_pool(false, ONCE, &err);
    for (int i = 0; i < 3; i++)
        assert_true(act_query(pool, &err));
    assert_true(pool_get_connection(pool, &conn, &err));
    start_waiting(&callers[0], pool, 1);
    fail_the(0, ONCE);
    start_waiting(&callers[1], pool, 2);
    assert_true(stop_failing());
    assert_true(pool_conn_release(conn, &err));
    for (int i = 0; i < 2; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_true(callers[i].ok);
    }
    struct pool_stats stats;
    pool_stats(pool, &stats);
    assert_int_equal(stats.pipelined, 0);
    assert_true(pool_end(pool, 1000, NULL));
}

static int make_procedure_and_table(void **state)
{
    (void)state;
    struct pool *admin = pool_create_url(getenv("MYPOOL_ADMIN_URL"), NULL);
    struct pool_result *made = pool_query(
        admin, "CREATE PROCEDURE two_sets(n INT) BEGIN SELECT n; SELECT n + 1, 'text'; END",
        POOL_NO_ARGS, NULL);
    pool_result_free(made);
    struct pool_result *table =
        pool_query(admin, "CREATE TABLE nothing (a TEXT, b TEXT)", POOL_NO_ARGS, NULL);
    pool_result_free(table);
    pool_end(admin, 1000, NULL);
    return made && table ? 0 : -1;
}

/* The table's acts, each in both ways, with names made of theirs. */
static void fill(struct CMUnitTest tests[2 * ROWS], char names[2 * ROWS][80])
{
    for (size_t i = 0; i < 2 * ROWS; i++) {
        const struct row *row = &rows[i % ROWS];
        bool once = i < ROWS;
        snprintf(names[i], sizeof names[i], "%s survives%s", row->name,
                 once ? "" : " without memory");
        tests[i] = (struct CMUnitTest){
            .name = names[i],
            .test_func = once ? survives_one_failure : survives_without_memory,
            .initial_state = (void *)(uintptr_t)row,
        };
    }
}

int main(int argc, char **argv)
{
    static char names[2 * ROWS][80];
    static struct CMUnitTest acts[2 * ROWS];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creating_a_pool_survives),
        cmocka_unit_test(the_end_survives),
        cmocka_unit_test(formatting_survives),
        cmocka_unit_test(a_caller_without_memory_for_a_ride_waits_alone),
    };
    fill(acts, names);
    int failed_acts = server_suite_main_with(argc, argv, acts, make_procedure_and_table, NULL);
    return failed_acts + server_suite_main(argc, argv, tests);
}
