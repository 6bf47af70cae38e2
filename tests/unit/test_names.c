/*
 * The names of what is numbered in mypool.h: each value up to the last has one of its own, and what
 * is beyond has none. Needs no server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mypool.h>

/* An enum, by its numbers. */
#define NAMES(function, type, last_)                                                               \
    static const char *name_of_##function(unsigned value)                                          \
    {                                                                                              \
        return function((enum type)value);                                                         \
    }                                                                                              \
    enum { last_of_##function = last_ }
NAMES(pool_code_name, pool_code, POOL_CODE_LAST);
NAMES(pool_type_name, pool_type, POOL_TYPE_LAST);
NAMES(pool_state_name, pool_state, POOL_STATE_LAST);
NAMES(pool_close_reason_name, pool_close_reason, POOL_CLOSE_LAST);
NAMES(pool_reset_policy_name, pool_reset_policy, POOL_RESET_LAST);
NAMES(pool_isolation_name, pool_isolation, POOL_ISOLATION_LAST);
NAMES(pool_tls_mode_name, pool_tls_mode, POOL_TLS_LAST);
NAMES(pool_flow_name, pool_flow, POOL_FLOW_LAST);
NAMES(pool_target_type_name, pool_target_type, POOL_TO_LAST);

static const struct {
    const char *(*name_of)(unsigned value);
    unsigned last;
    const char *first_name;
    const char *last_name;
    const char *unknown;
} enums[] = {
#define ROW(function, ...)                                                                         \
    {                                                                                              \
        name_of_##function, last_of_##function, __VA_ARGS__                                        \
    }
    ROW(pool_code_name, "POOL_OK", "POOL_ROLLED_BACK", "POOL_UNKNOWN"),
    ROW(pool_type_name, "NULL", "LIST", "unknown"),
    ROW(pool_state_name, "up", "down", "unknown"),
    ROW(pool_close_reason_name, "server", "end", "unknown"),
    ROW(pool_reset_policy_name, "auto", "never", "unknown"),
    ROW(pool_isolation_name, "default", "serializable", "unknown"),
    ROW(pool_tls_mode_name, "default", "unverified-unsafe", "unknown"),
    ROW(pool_flow_name, "STOP", "PAUSE", "unknown"),
    ROW(pool_target_type_name, "BOOL", "NEW_TEXT", "unknown"),
#undef ROW
};
#define ENUMS (sizeof enums / sizeof enums[0])

static void each_value_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ENUMS; i++)
        for (unsigned a = 0; a <= enums[i].last; a++) {
            assert_string_not_equal(enums[i].name_of(a), enums[i].unknown);
            for (unsigned b = 0; b < a; b++)
                assert_string_not_equal(enums[i].name_of(a), enums[i].name_of(b));
        }
}

static void the_first_and_the_last_are_as_documented(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ENUMS; i++) {
        assert_string_equal(enums[i].name_of(0), enums[i].first_name);
        assert_string_equal(enums[i].name_of(enums[i].last), enums[i].last_name);
    }
}

static void what_is_beyond_the_last_has_none(void **state)
{
    (void)state;
    static const unsigned beyond[] = {1, 2, 1000, UINT32_MAX / 2};
    for (unsigned i = 0; i < ENUMS; i++)
        for (unsigned k = 0; k < 4; k++)
            assert_string_equal(enums[i].name_of(enums[i].last + beyond[k]), enums[i].unknown);
}

/* ---- pool_error_set ---- */

static void an_error_is_filled_in_like_printf_does(void **state)
{
    struct pool_error err;
    (void)state;
    memset(&err, 0x5a, sizeof err);
    assert_false(pool_error_set(&err, POOL_ERR_INVALID, "order %d has no %s", 7, "customer"));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_string_equal(err.message, "order 7 has no customer");
    assert_int_equal(err.server_errno, 0);
    assert_string_equal(err.sqlstate, "");
    assert_false(err.fatal || err.not_executed || err.retry_transaction);
    assert_false(pool_error_set(NULL, POOL_ERR_INVALID, "nobody asks"));
}

static void other_words_for_the_same_error_keep_what_is_known_of_it(void **state)
{
    struct pool_error err = {.code = POOL_ERR_SERVER,
                             .server_errno = 1213,
                             .sqlstate = "40001",
                             .retry_transaction = true,
                             .message = "Deadlock found"};
    (void)state;
    assert_false(pool_error_set(&err, err.code, "moving 1 to 2: %s", err.message));
    assert_string_equal(err.message, "moving 1 to 2: Deadlock found");
    assert_int_equal(err.server_errno, 1213);
    assert_string_equal(err.sqlstate, "40001");
    assert_true(err.retry_transaction);
    assert_false(pool_error_set(&err, POOL_ERR_INVALID, "no: %s", err.message));
    assert_string_equal(err.message, "no: moving 1 to 2: Deadlock found");
    assert_int_equal(err.server_errno, 0);
    assert_false(err.retry_transaction);
}

static void a_message_that_is_too_long_is_cut_between_characters(void **state)
{
    struct pool_error err;
    char text[600];
    (void)state;
    for (unsigned i = 0; i < sizeof text - 1; i += 2)
        memcpy(text + i, "\xc3\xa4", 2); /* of two bytes each */
    text[sizeof text - 2] = '\0';
    pool_error_set(&err, POOL_ERR_INVALID, "x%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    pool_error_set(&err, POOL_ERR_INVALID, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_value_has_a_name_of_its_own),
        cmocka_unit_test(the_first_and_the_last_are_as_documented),
        cmocka_unit_test(what_is_beyond_the_last_has_none),
        cmocka_unit_test(an_error_is_filled_in_like_printf_does),
        cmocka_unit_test(other_words_for_the_same_error_keep_what_is_known_of_it),
        cmocka_unit_test(a_message_that_is_too_long_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
