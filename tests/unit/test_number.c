/*
 * FLOAT and DOUBLE as text, without a server: what number.c promises, as tables and as random
 * numbers. That the texts are those of a server is shown by test_numbers.c.
 */
#include "sql/number.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ROUNDS 100000

/* xorshift: the same numbers on every machine. */
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static double random_double(uint64_t *seed)
{
    double value;
    do {
        uint64_t bits = next_random(seed);
        memcpy(&value, &bits, sizeof value);
    } while (!isfinite(value));
    return value;
}

static float random_float(uint64_t *seed)
{
    float value;
    do {
        uint32_t bits = (uint32_t)(next_random(seed) >> 20);
        memcpy(&value, &bits, sizeof value);
    } while (!isfinite(value));
    return value;
}

static void check(double value, unsigned decimals, const char *expected)
{
    char text[POOL__NUMBER_SIZE];
    size_t len = pool__number_double_text(value, decimals, text);
    assert_string_equal(text, expected);
    assert_int_equal(len, strlen(expected));
    assert_true(pool__number_from_double(value, decimals) == strtod(expected, NULL) ||
                decimals == 0);
}

static void numbers_have_the_fewest_digits_that_read_back(void **state)
{
    (void)state;
    check(0.1, 31, "0.1");
    check(0.1 + 0.2, 31, "0.30000000000000004");
    check(-2.5, 31, "-2.5");
    check(-0.0, 31, "-0");
    check(3, 31, "3");
    check(9007199254740993.0, 31, "9.007199254740992e15");
    check(DBL_MAX, 31, "1.7976931348623157e308");
    check(DBL_MIN, 31, "2.2250738585072014e-308");
    check(5e-324, 31, "5e-324");
}

/* There the closest number of 16 digits is another one, but the next one is not. */
static void powers_of_two_have_the_fewest_digits_as_well(void **state)
{
    (void)state;
    check(ldexp(1, -1017), 31, "7.120236347223045e-307");
    check(ldexp(1, -44), 31, "0.00000000000005684341886080802");
}

static void an_exponent_replaces_fifteen_zeros(void **state)
{
    (void)state;
    check(1e14, 31, "100000000000000");
    check(1e15, 31, "1e15");
    check(123456789012345.6, 31, "123456789012345.6");
    check(1234567890123456.5, 31, "1234567890123456.5");
    check(1e-15, 31, "0.000000000000001");
    check(1e-16, 31, "1e-16");
    check(-1.5e-20, 31, "-1.5e-20");
}

static void decimals_of_the_column_are_fixed(void **state)
{
    (void)state;
    check(1.5, 3, "1.500");
    check(0, 3, "0.000");
    check(-0.0, 2, "-0.00");
    check(3.141592653589793, 6, "3.141593");
    check(0.0004, 3, "0.000");
    check(-0.0004, 3, "-0.000");
    check(0.05, 3, "0.050");
    check(1e20, 2, "100000000000000000000.00");
    check(1e23, 3, "100000000000000000000000.000");
    check(5, 0, "5");
    check(1e20, 0, "100000000000000000000");
    check(1e-30, 30, "0.000000000000000000000000000001");
}

static void no_decimals_do_not_cut_a_fraction(void **state)
{
    (void)state;
    check(2.5, 0, "2.5");
    assert_true(pool__number_from_double(2.5, 0) == 2.5);
}

static void the_longest_number_fits_its_buffer(void **state)
{
    (void)state;
    char text[POOL__NUMBER_SIZE];
    assert_int_equal(pool__number_double_text(-DBL_MAX, 30, text), 1 + 309 + 1 + 30);
    assert_true(strtod(text, NULL) == -DBL_MAX);
}

static void what_is_no_number_is_not_finite_as_text_either(void **state)
{
    (void)state;
    char text[POOL__NUMBER_SIZE];
    pool__number_double_text((double)INFINITY, 3, text);
    assert_string_equal(text, "inf");
    pool__number_double_text((double)NAN, 31, text);
    assert_non_null(strstr(text, "nan"));
    assert_true(isinf(pool__number_from_double((double)INFINITY, 3)));
    assert_true(isinf(pool__number_from_float(INFINITY)));
}

static void doubles_at_random_read_back(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    char text[POOL__NUMBER_SIZE];
    for (int i = 0; i < ROUNDS; i++) {
        double value = random_double(&seed);
        pool__number_double_text(value, 31, text);
        if (pool__number_of_text(text) != value)
            fail_msg("%a is '%s'", value, text);
        pool__number_double_literal(value, text);
        if (pool__number_of_text(text) != value || !strchr(text, 'e'))
            fail_msg("%a is '%s'", value, text);
    }
}

static void floats_at_random_read_back_and_are_the_number_of_their_text(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    char text[POOL__NUMBER_SIZE];
    for (int i = 0; i < ROUNDS; i++) {
        float value = i % 2 ? random_float(&seed) : (float)(next_random(&seed) % 100000000) / 100;
        double number = pool__number_from_float(value);
        pool__number_float_text(value, text);
        if (strtof(text, NULL) != value || (float)number != value ||
            pool__number_of_text(text) != number)
            fail_msg("%a is '%s' and %.17g", (double)value, text, number);
    }
}

static void decimals_at_random_are_the_number_of_their_text(void **state)
{
    (void)state;
    uint64_t seed = 1181783497276652981u;
    char text[POOL__NUMBER_SIZE];
    for (int i = 0; i < ROUNDS; i++) {
        unsigned decimals = 1 + (unsigned)i % 30;
        double value = ldexp((double)(int64_t)next_random(&seed), -(int)(next_random(&seed) % 90));
        pool__number_double_text(value, decimals, text);
        double number = pool__number_from_double(value, decimals);
        if (pool__number_of_text(text) != number || strlen(strchr(text, '.') + 1) != decimals)
            fail_msg("%a with %u decimals is '%s' and %.17g", value, decimals, text, number);
    }
}

static void floats_of_few_digits_are_the_decimal_that_was_meant(void **state)
{
    (void)state;
    static const struct {
        float value;
        double number;
    } cases[] = {{1.1f, 1.1},
                 {0.1f, 0.1},
                 {-123.456f, -123.456},
                 {1e20f, 1e20},
                 {3e-5f, 3e-5},
                 {FLT_MAX, 3.4028235e38},
                 {16777216.0f, 16777216},
                 {1e-45f, 1e-45}};
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_true(pool__number_from_float(cases[i].value) == cases[i].number);
}

static void literals_are_doubles_to_a_server(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{1.1, "1.1e0"},      {5, "5e0"},
                 {0, "0e0"},          {-0.0, "-0e0"},
                 {1e20, "1e20"},      {1e-20, "1e-20"},
                 {5e-324, "5e-324"},  {0.001, "0.001e0"},
                 {1e15, "1e15"},      {1e14, "100000000000000e0"},
                 {1.5e300, "1.5e300"}};
    char text[POOL__NUMBER_SIZE];
    for (size_t i = 0; i < COUNT(cases); i++) {
        pool__number_double_literal(cases[i].value, text);
        if (strcmp(text, cases[i].text) != 0)
            fail_msg("%a is '%s', not '%s'", cases[i].value, text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_the_fewest_digits_that_read_back),
        cmocka_unit_test(powers_of_two_have_the_fewest_digits_as_well),
        cmocka_unit_test(an_exponent_replaces_fifteen_zeros),
        cmocka_unit_test(decimals_of_the_column_are_fixed),
        cmocka_unit_test(no_decimals_do_not_cut_a_fraction),
        cmocka_unit_test(the_longest_number_fits_its_buffer),
        cmocka_unit_test(what_is_no_number_is_not_finite_as_text_either),
        cmocka_unit_test(doubles_at_random_read_back),
        cmocka_unit_test(floats_at_random_read_back_and_are_the_number_of_their_text),
        cmocka_unit_test(decimals_at_random_are_the_number_of_their_text),
        cmocka_unit_test(floats_of_few_digits_are_the_decimal_that_was_meant),
        cmocka_unit_test(literals_are_doubles_to_a_server),
    };
    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
