/*
 * Affected rows are those that a statement has matched, changed rows those that it has really
 * changed: in each way in which a statement can go, and with the option that makes both the
 * same. Needs a server: MYPOOL_URL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pools.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct pool *pool_with(struct pool_options wish)
{
    wish.connection_limit = 1;
    return pool_of("MYPOOL_SOCKET_URL", wish);
}

static struct pool_result *run(struct pool *pool, const char *sql, struct pool_args args,
                               bool as_text)
{
    struct pool_error err;
    struct pool_request request = {.sql = sql, .args = args, .text = as_text};
    struct pool_result *result = pool_query_with(pool, &request, &err);
    if (!result)
        fail_msg("%s: %s", sql, err.message);
    return result;
}

static void does(struct pool *pool, const char *sql)
{
    pool_result_free(run(pool, sql, POOL_NO_ARGS, 0));
}

/* Three rows, of which two have the value that the tests give them. */
static struct pool *pool_with_rows(struct pool_options wish)
{
    struct pool *pool = pool_with(wish);
    does(pool, "DROP TABLE IF EXISTS counted");
    does(pool, "CREATE TABLE counted (id INT PRIMARY KEY, v INT)");
    does(pool, "INSERT INTO counted VALUES (1, 7), (2, 0), (3, 7)");
    return pool;
}

static void assert_counts(struct pool_result *result, uint64_t affected, uint64_t changed)
{
    assert_int_equal(pool_affected_rows(result), affected);
    assert_int_equal(pool_changed_rows(result), changed);
    pool_result_free(result);
}

static void end(struct pool *pool)
{
    does(pool, "DROP TABLE counted");
    assert_true(pool_end(pool, 1000, NULL));
}

#define UPDATE "UPDATE counted SET v = ?"

static void an_update_affects_the_rows_that_it_matches(void **state)
{
    (void)state;
    struct pool *pool = pool_with_rows((struct pool_options){0});
    assert_counts(run(pool, UPDATE, POOL_ARGS(7), 0), 3, 1);
    assert_counts(run(pool, UPDATE, POOL_ARGS(7), 0), 3, 0); /* prepared by now */
    assert_counts(run(pool, UPDATE, POOL_ARGS(8), true), 3, 3);
    assert_counts(run(pool, UPDATE " WHERE id = 4", POOL_ARGS(8), 0), 0, 0);
    end(pool);
}

static void with_the_option_it_affects_the_rows_that_it_changes(void **state)
{
    (void)state;
    struct pool *pool = pool_with_rows((struct pool_options){.use_affected_rows = true});
    assert_counts(run(pool, UPDATE, POOL_ARGS(7), 0), 1, 1);
    assert_counts(run(pool, UPDATE, POOL_ARGS(7), true), 0, 0);
    end(pool);
}

static void a_reset_changes_neither(void **state)
{
    (void)state;
    struct pool *pool = pool_with_rows((struct pool_options){.reset_policy = POOL_RESET_ALWAYS});
    assert_counts(run(pool, UPDATE, POOL_ARGS(7), 0), 3, 1);
    assert_counts(run(pool, UPDATE, POOL_ARGS(7), 0), 3, 0);
    end(pool);
}

/* Its words are not those that anybody could look for. */
static void a_server_that_speaks_another_language_tells_the_same(void **state)
{
    (void)state;
    static const char *const init[] = {"SET lc_messages = 'de_DE'", NULL};
    struct pool *pool = pool_with_rows((struct pool_options){.init_sql = init});
    assert_counts(run(pool, UPDATE, POOL_ARGS(7), 0), 3, 1);
    assert_counts(run(pool, "INSERT INTO counted VALUES (4, 1), (5, 1)", POOL_NO_ARGS, 0), 2, 2);
    end(pool);
}

static void other_statements_change_what_they_affect(void **state)
{
    (void)state;
    struct pool *pool = pool_with_rows((struct pool_options){0});
    assert_counts(run(pool, "INSERT INTO counted VALUES (4, 1), (5, 1)", POOL_NO_ARGS, 0), 2, 2);
    assert_counts(run(pool, "INSERT IGNORE INTO counted VALUES (4, 1), (6, 1)", POOL_NO_ARGS, 0), 1,
                  1);
    assert_counts(run(pool, "REPLACE INTO counted VALUES (4, 2)", POOL_NO_ARGS, 0), 2, 2);
    assert_counts(run(pool, "DELETE FROM counted WHERE id > 3", POOL_NO_ARGS, 0), 3, 3);
    assert_counts(run(pool, "SELECT * FROM counted", POOL_NO_ARGS, 0), 3, 3);
    end(pool);
}

#define UPSERT "INSERT INTO counted VALUES (?, ?) ON DUPLICATE KEY UPDATE v = VALUES(v)"

static void an_upsert_affects_one_row_or_two(void **state)
{
    (void)state;
    struct pool *pool = pool_with_rows((struct pool_options){0});
    assert_counts(run(pool, UPSERT, POOL_ARGS(9, 1), 0), 1, 1); /* it is new */
    assert_counts(run(pool, UPSERT, POOL_ARGS(9, 2), 0), 2, 2); /* it was changed */
    assert_counts(run(pool, UPSERT, POOL_ARGS(9, 2), 0), 1, 1); /* it was so already */
    end(pool);
    pool = pool_with_rows((struct pool_options){.use_affected_rows = true});
    assert_counts(run(pool, UPSERT, POOL_ARGS(9, 1), 0), 1, 1);
    assert_counts(run(pool, UPSERT, POOL_ARGS(9, 2), 0), 2, 2);
    assert_counts(run(pool, UPSERT, POOL_ARGS(9, 2), 0), 0, 0);
    end(pool);
}

static void each_statement_of_a_request_has_its_own(void **state)
{
    (void)state;
    struct pool *pool = pool_with_rows((struct pool_options){.multi_statements = true});
    struct pool_result *sets = run(pool,
                                   "UPDATE counted SET v = 7; DELETE FROM counted WHERE id = 1; "
                                   "UPDATE counted SET v = 7",
                                   POOL_NO_ARGS, true);
    assert_int_equal(pool_affected_rows(sets), 3);
    assert_int_equal(pool_changed_rows(sets), 1);
    assert_true(pool_next_set(sets));
    assert_int_equal(pool_changed_rows(sets), 1);
    assert_true(pool_next_set(sets));
    assert_counts(sets, 2, 0);
    end(pool);
}

static const struct pool_value rows[] = {
    {.type = POOL_TYPE_INT, .as.i = 7}, {.type = POOL_TYPE_INT, .as.i = 1},
    {.type = POOL_TYPE_INT, .as.i = 7}, {.type = POOL_TYPE_INT, .as.i = 2},
    {.type = POOL_TYPE_INT, .as.i = 7}, {.type = POOL_TYPE_INT, .as.i = 3},
    {.type = POOL_TYPE_INT, .as.i = 7}, {.type = POOL_TYPE_INT, .as.i = 4},
};

static struct pool_result *update_all(struct pool *pool)
{
    struct pool_error err;
    struct pool_result *result =
        pool_batch(pool, "UPDATE counted SET v = ? WHERE id = ?", rows, COUNT(rows) / 2, 2, &err);
    if (!result)
        fail_msg("%s", err.message);
    return result;
}

static void a_batch_affects_the_rows_that_it_matches(void **state)
{
    (void)state;
    struct pool *pool = pool_with_rows((struct pool_options){0});
    struct pool_result *result = update_all(pool);
    assert_int_equal(pool_affected_rows(result), 3);
    pool_result_free(result);
    end(pool);
}

/* Pipelined, and joined to one result. */
static void rows_of_a_batch_one_by_one_tell_what_they_changed(void **state)
{
    (void)state;
    struct pool *pool = pool_with_rows((struct pool_options){.no_prepare = true});
    assert_counts(update_all(pool), 3, 1);
    assert_counts(update_all(pool), 3, 0);
    end(pool);
}

static void with_the_option_a_batch_affects_what_it_changes(void **state)
{
    (void)state;
    struct pool *pool = pool_with_rows((struct pool_options){.use_affected_rows = true});
    assert_counts(update_all(pool), 1, 1);
    end(pool);
}

static void no_result_has_changed_nothing(void **state)
{
    (void)state;
    assert_int_equal(pool_changed_rows(NULL), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_affects_the_rows_that_it_matches),
        cmocka_unit_test(with_the_option_it_affects_the_rows_that_it_changes),
        cmocka_unit_test(a_reset_changes_neither),
        cmocka_unit_test(a_server_that_speaks_another_language_tells_the_same),
        cmocka_unit_test(other_statements_change_what_they_affect),
        cmocka_unit_test(an_upsert_affects_one_row_or_two),
        cmocka_unit_test(each_statement_of_a_request_has_its_own),
        cmocka_unit_test(a_batch_affects_the_rows_that_it_matches),
        cmocka_unit_test(rows_of_a_batch_one_by_one_tell_what_they_changed),
        cmocka_unit_test(with_the_option_a_batch_affects_what_it_changes),
        cmocka_unit_test(no_result_has_changed_nothing),
    };
    return server_suite_main(argc, argv, tests);
}
