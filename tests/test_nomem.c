/*
 * Every allocation of the library fails in turn. The linker sends malloc and its kin
 * through the wrappers below (not those of libmariadb, which is a library of its own);
 * the Nth one fails, once. Whatever call it hits must say NOMEM or do without, leak
 * nothing (the sanitizer build watches), and leave a pool that works.
 *
 * Needs a server: MYPOOL_URL.
 */
#include "mypool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST 4000

static _Atomic long countdown = -1; /* < 0: nothing fails */
static _Atomic bool failed;

static bool fails(void)
{
    if (atomic_load(&countdown) < 0)
        return false;
    if (atomic_fetch_sub(&countdown, 1) != 0)
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

static void fail_the(long nth)
{
    atomic_store(&failed, false);
    atomic_store(&countdown, nth);
}

/* True if an allocation failed since. */
static bool stop_failing(void)
{
    atomic_store(&countdown, -1);
    return atomic_load(&failed);
}

static struct pool *new_pool(struct pool_error *err)
{
    char url[512];
    snprintf(url, sizeof url, "%s?connectionLimit=1", getenv("MYPOOL_URL"));
    return pool_create_url(url, err);
}

/* The pool works: a query that takes a new connection if need be. */
static void assert_works(struct pool *pool)
{
    struct pool_error err;
    struct pool_result *rows = pool_query(pool, "SELECT ?", POOL_ARGS(7), &err);
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

/* Runs the act with every allocation failing in turn, on a fresh or a warm pool. */
static void torture(act_fn *act, bool warm)
{
    for (long nth = 0; nth < MOST; nth++) {
        struct pool_error err;
        struct pool *pool = new_pool(&err);
        assert_non_null(pool);
        if (warm)
            assert_works(pool);
        fail_the(nth);
        bool ok = act(pool, &err);
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

static bool act_query(struct pool *pool, struct pool_error *err)
{
    struct pool_result *rows =
        pool_query(pool, "SELECT ? AS a, ? AS b", POOL_ARGS(1, "text"), err);
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

static bool act_named_text(struct pool *pool, struct pool_error *err)
{
    struct pool_request request = {
        .sql = "SELECT :a, :b", .args = POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("b", "x\\y")),
        .flags = POOL_TEXT};
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

static void a_query_on_a_warm_pool_survives(void **state)
{
    (void)state;
    torture(act_query, true);
}

static void a_first_query_survives(void **state)
{
    (void)state;
    torture(act_query, false);
}

static void a_list_survives(void **state)
{
    (void)state;
    torture(act_list, true);
}

static void named_values_as_text_survive(void **state)
{
    (void)state;
    torture(act_named_text, true);
}

static void a_large_result_survives(void **state)
{
    (void)state;
    torture(act_many_rows, true);
}

static void a_stream_survives(void **state)
{
    (void)state;
    torture(act_stream, true);
}

static void a_transaction_survives(void **state)
{
    (void)state;
    torture(act_transaction, true);
}

static void a_reset_survives(void **state)
{
    (void)state;
    torture(act_dirty_session, true);
}

static void a_change_of_database_survives(void **state)
{
    (void)state;
    torture(act_change_database, true);
}

static void a_wide_row_and_its_texts_survive(void **state)
{
    (void)state;
    torture(act_wide_row, true);
}

static void a_hundred_values_survive(void **state)
{
    (void)state;
    torture(act_many_values, true);
}

static void creating_a_pool_survives(void **state)
{
    (void)state;
    for (long nth = 0; nth < MOST; nth++) {
        struct pool_error err;
        fail_the(nth);
        struct pool *pool = new_pool(&err);
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

static void formatting_survives(void **state)
{
    (void)state;
    for (long nth = 0; nth < MOST; nth++) {
        struct pool_error err;
        fail_the(nth);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creating_a_pool_survives),
        cmocka_unit_test(a_first_query_survives),
        cmocka_unit_test(a_query_on_a_warm_pool_survives),
        cmocka_unit_test(a_list_survives),
        cmocka_unit_test(named_values_as_text_survive),
        cmocka_unit_test(a_large_result_survives),
        cmocka_unit_test(a_stream_survives),
        cmocka_unit_test(a_transaction_survives),
        cmocka_unit_test(a_reset_survives),
        cmocka_unit_test(a_change_of_database_survives),
        cmocka_unit_test(a_wide_row_and_its_texts_survive),
        cmocka_unit_test(a_hundred_values_survive),
        cmocka_unit_test(formatting_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
