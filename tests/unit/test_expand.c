/*
 * Tests of pool/sql/expand.c: which values go where, and how lists are padded. test_placeholders
 * tells more. No server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sql/expand.h"

#include <math.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- expand ---- */

static void assert_expands_to(const char *sql, struct pool_args args, const char *text,
                              const struct pool_value *const *values, size_t count)
{
    struct pool__expanded expanded;
    struct pool_error err = {0};
    if (!pool__expand(sql, strlen(sql), args, &expanded, &err))
        fail_msg("%s: %s", sql, err.message);
    assert_string_equal(expanded.sql, text);
    assert_int_equal(expanded.len, strlen(text));
    assert_int_equal(expanded.count, count);
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(expanded.values[i], values[i]);
    pool__expand_free(&expanded);
}

static void assert_args_refused(const char *sql, struct pool_args args, const char *part)
{
    struct pool__expanded expanded;
    struct pool_error err = {0};
    assert_false(pool__expand(sql, strlen(sql), args, &expanded, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    if (!strstr(err.message, part))
        fail_msg("%s: %s", sql, err.message);
    err.message[0] = '\0';
    assert_null(pool_format(sql, args, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
}

static void a_list_is_padded_with_its_last_value_to_a_power_of_two(void **state)
{
    (void)state;
    struct pool_value l[] = {pool_int(1), pool_int(2), pool_int(3), pool_int(4), pool_int(5)};
    struct pool_value v[] = {pool_text("x"), pool_list(l, 5), pool_list(l, 1), pool_list(l, 2)};
    const struct pool_value *const expected[] = {&v[0], &l[0], &l[1], &l[2], &l[3], &l[4],
                                                 &l[4], &l[4], &l[4], &l[0], &l[0], &l[1]};
    assert_expands_to("SELECT ? IN (?) AND (?), (?)", (struct pool_args){v, 4},
                      "SELECT ? IN (?,?,?,?,?,?,?,?) AND (?), (?,?)", expected, COUNT(expected));
}

static void names_take_their_values_as_often_as_they_occur(void **state)
{
    (void)state;
    struct pool_value l[] = {pool_int(1), pool_int(2)};
    struct pool_value v[] = {pool_named("id", pool_int(7)), pool_named("ids", pool_list(l, 2))};
    const struct pool_value *const expected[] = {&l[0], &l[1], &v[0], &v[0]};
    assert_expands_to("x IN (:ids) OR y=:id OR ':id' = z OR w=:id", (struct pool_args){v, 2},
                      "x IN (?,?) OR y=? OR ':id' = z OR w=?", expected, COUNT(expected));
}

static void a_statement_without_values_stays_as_it_is(void **state)
{
    (void)state;
    assert_expands_to("SELECT 1", POOL_NO_ARGS, "SELECT 1", NULL, 0);
    assert_expands_to("", POOL_NO_ARGS, "", NULL, 0);
}

static void only_lists_and_names_need_expansion(void **state)
{
    (void)state;
    assert_false(pool__expand_is_needed(POOL_NO_ARGS));
    assert_false(pool__expand_is_needed(POOL_ARGS(1, "a", NULL)));
    assert_true(pool__expand_is_needed(POOL_ARGS(1, pool_list(NULL, 0))));
    assert_true(pool__expand_is_needed(POOL_ARGS(POOL_NAMED("a", 1))));
}

static void values_that_do_not_match_the_placeholders_are_refused(void **state)
{
    (void)state;
    assert_args_refused("SELECT ?, ?", POOL_ARGS(1, 2, 3),
                        "statement has 2 placeholders but 3 values were given");
    assert_args_refused("SELECT ?", POOL_NO_ARGS, "1 placeholder but 0 values were given");
    assert_args_refused("SELECT 1", POOL_ARGS(1), "0 placeholders but 1 value was given");
    assert_args_refused("SELECT ?", POOL_ARGS(POOL_NAMED("a", 1)), "value ':a' has a name");
    assert_args_refused("SELECT :a", POOL_ARGS(1), "value 1 has no name");
    assert_args_refused("SELECT :a, :b", POOL_ARGS(POOL_NAMED("a", 1)), "placeholder ':b'");
    assert_args_refused("SELECT :a", POOL_ARGS(POOL_NAMED("aa", 1)), "placeholder ':a'");
    assert_args_refused("SELECT :aa", POOL_ARGS(POOL_NAMED("a", 1)), "placeholder ':aa'");
    assert_args_refused("SELECT :a", POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("b", 1)),
                        "value ':b' is not used");
    assert_args_refused("SELECT :a", POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("a", 2)),
                        "value ':a' was given twice");
    struct pool_value inner = pool_list(NULL, 0);
    assert_args_refused("SELECT ?", POOL_ARGS(pool_list(&inner, 1)), "list inside a list");
    assert_args_refused("SELECT ?", POOL_ARGS((double)INFINITY), "infinite");
    assert_args_refused("SELECT /*! '*/' */ ?", POOL_ARGS(1), "pass such text as a value");
}

static void expand_count(struct pool_args args, const char *sql, size_t count)
{
    struct pool__expanded expanded;
    assert_true(pool__expand(sql, strlen(sql), args, &expanded, NULL));
    assert_int_equal(expanded.count, count);
    pool__expand_free(&expanded);
}

static void lists_are_not_padded_beyond_the_limit_nor_taken(void **state)
{
    (void)state;
    size_t size = 70000;
    struct pool_value *l = calloc(size, sizeof *l);
    expand_count(POOL_ARGS(pool_list(l, 32768)), "(?)", 32768);
    expand_count(POOL_ARGS(pool_list(l, 32769)), "(?)", 32769);
    expand_count(POOL_ARGS(pool_list(l, 65535)), "(?)", 65535);
    expand_count(POOL_ARGS(pool_list(l, 20000), pool_list(l, 33000)), "?,?", 53000);
    struct pool__expanded expanded;
    struct pool_error err;
    assert_false(pool__expand("(?)", 3, POOL_ARGS(pool_list(l, 65536)), &expanded, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_false(pool__expand("?,?", 3, POOL_ARGS(1, pool_list(l, 65535)), &expanded, &err));
    free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_padded_with_its_last_value_to_a_power_of_two),
        cmocka_unit_test(names_take_their_values_as_often_as_they_occur),
        cmocka_unit_test(a_statement_without_values_stays_as_it_is),
        cmocka_unit_test(only_lists_and_names_need_expansion),
        cmocka_unit_test(values_that_do_not_match_the_placeholders_are_refused),
        cmocka_unit_test(lists_are_not_padded_beyond_the_limit_nor_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
