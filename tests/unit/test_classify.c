/*
 * What error numbers mean to a pool (pool/core/classify.c), as tables. The rows are those of
 * the servers' and clients' documentation, not of the code.
 *
 * What must never be wrong, whatever else: "not executed" makes a program send its
 * statement again, so it may be said only where the server or the library has refused
 * before it did anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/classify.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum flavours { BOTH, MARIADB, MYSQL };

struct row {
    unsigned code;
    enum flavours flavours;
    enum pool__error_class class_;
};

static void check_row(const struct row *row, bool mariadb)
{
    struct pool__error_facts facts = pool__classify(row->code, "", mariadb);
    if (facts.class_ != row->class_)
        fail_msg("%u by %s: class %d, not %d", row->code, mariadb ? "MariaDB" : "MySQL",
                 (int)facts.class_, (int)row->class_);
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].flavours != MYSQL)
            check_row(&rows[i], true);
        if (rows[i].flavours != MARIADB)
            check_row(&rows[i], false);
    }
}

static void client_errors_mean_what_they_say(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {2000, BOTH, POOL__ERROR_LOST},      {2002, BOTH, POOL__ERROR_LOST},
        {2006, BOTH, POOL__ERROR_UNSENT},    {2008, BOTH, POOL__ERROR_NOMEM},
        {2013, BOTH, POOL__ERROR_LOST},      {2014, BOTH, POOL__ERROR_LOST},
        {2020, BOTH, POOL__ERROR_TOO_BIG},   {2026, BOTH, POOL__ERROR_LOST},
        {2027, BOTH, POOL__ERROR_LOST},      {2030, BOTH, POOL__ERROR_STATEMENT},
        {2031, BOTH, POOL__ERROR_STATEMENT}, {2034, BOTH, POOL__ERROR_STATEMENT},
        {2036, BOTH, POOL__ERROR_STATEMENT}, {2056, BOTH, POOL__ERROR_STATEMENT},
        {5013, BOTH, POOL__ERROR_LOST},      {5014, BOTH, POOL__ERROR_LOST},
        {5015, BOTH, POOL__ERROR_LOST},      {5026, BOTH, POOL__ERROR_LOST},
    };
    check_rows(rows, COUNT(rows));
}

/* A client error that nobody has heard of is no reason to keep the connection. */
static void unknown_client_errors_cost_the_connection(void **state)
{
    (void)state;
    static const unsigned codes[] = {2099, 2500, 2999, 5000, 5500, 5999};
    for (size_t i = 0; i < COUNT(codes); i++) {
        struct pool__error_facts facts = pool__classify(codes[i], "", true);
        assert_int_equal(facts.class_, POOL__ERROR_LOST);
        assert_false(facts.not_executed);
    }
}

static void errors_that_end_the_connection_are_losses(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {1047, BOTH, POOL__ERROR_LOST},    {1053, BOTH, POOL__ERROR_LOST},
        {1077, BOTH, POOL__ERROR_LOST},    {1079, BOTH, POOL__ERROR_LOST},
        {1080, BOTH, POOL__ERROR_LOST},    {1152, BOTH, POOL__ERROR_LOST},
        {1156, BOTH, POOL__ERROR_LOST},    {1157, BOTH, POOL__ERROR_LOST},
        {1158, BOTH, POOL__ERROR_LOST},    {1159, BOTH, POOL__ERROR_LOST},
        {1160, BOTH, POOL__ERROR_LOST},    {1161, BOTH, POOL__ERROR_LOST},
        {1180, BOTH, POOL__ERROR_LOST},    {1184, BOTH, POOL__ERROR_LOST},
        {1820, BOTH, POOL__ERROR_LOST},    {1835, BOTH, POOL__ERROR_LOST},
        {1862, BOTH, POOL__ERROR_LOST},    {3032, BOTH, POOL__ERROR_LOST},
        {1927, MARIADB, POOL__ERROR_LOST}, {3168, MYSQL, POOL__ERROR_LOST},
        {3169, MYSQL, POOL__ERROR_LOST},   {4031, MYSQL, POOL__ERROR_LOST},
        {4081, MYSQL, POOL__ERROR_LOST},   {4082, MYSQL, POOL__ERROR_LOST},
        {1153, BOTH, POOL__ERROR_TOO_BIG},
    };
    check_rows(rows, COUNT(rows));
}

static void transactions_are_run_again_where_that_helps(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {1020, BOTH, POOL__ERROR_RETRY},  {1205, BOTH, POOL__ERROR_RETRY},
        {1206, BOTH, POOL__ERROR_RETRY},  {1213, BOTH, POOL__ERROR_RETRY},
        {1637, BOTH, POOL__ERROR_RETRY},  {3101, MYSQL, POOL__ERROR_RETRY},
        {3572, MYSQL, POOL__ERROR_RETRY},
    };
    check_rows(rows, COUNT(rows));
}

static void errors_of_the_statement_leave_the_connection(void **state)
{
    (void)state;
    static const unsigned codes[] = {
        1021, 1022, 1037, 1038, 1044, 1048, 1049, 1054, 1062, 1064, 1094,
        1114, 1142, 1146, 1203, 1226, 1243, 1264, 1295, 1317, 1366, 1406,
        1451, 1452, 1461, 1615, 1644, 1690, 1792, 3819, 4025,
    };
    for (size_t i = 0; i < COUNT(codes); i++) {
        struct row row = {codes[i], BOTH, POOL__ERROR_STATEMENT};
        check_rows(&row, 1);
    }
}

static void doubtful_errors_ask_for_a_reset(void **state)
{
    (void)state;
    static const struct row rows[] = {{1105, BOTH, POOL__ERROR_DIRTY},
                                      {3100, MYSQL, POOL__ERROR_DIRTY}};
    check_rows(rows, COUNT(rows));
}

/* The same number is another error, or none, on the other server. */
static void numbers_are_read_by_flavour(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {4031, MYSQL, POOL__ERROR_LOST},        {4031, MARIADB, POOL__ERROR_STATEMENT},
        {3024, MYSQL, POOL__ERROR_TIMEOUT},     {3024, MARIADB, POOL__ERROR_STATEMENT},
        {1969, MARIADB, POOL__ERROR_TIMEOUT},   {1969, MYSQL, POOL__ERROR_STATEMENT},
        {1927, MARIADB, POOL__ERROR_LOST},      {1927, MYSQL, POOL__ERROR_STATEMENT},
        {3100, MARIADB, POOL__ERROR_STATEMENT}, {3101, MARIADB, POOL__ERROR_STATEMENT},
        {3168, MARIADB, POOL__ERROR_STATEMENT}, {3169, MARIADB, POOL__ERROR_STATEMENT},
        {3572, MARIADB, POOL__ERROR_STATEMENT}, {4081, MARIADB, POOL__ERROR_STATEMENT},
        {4082, MARIADB, POOL__ERROR_STATEMENT},
    };
    check_rows(rows, COUNT(rows));
}

static void only_a_read_only_server_is_read_only(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum pool__error_class class_;
    } rows[] = {
        {"The MariaDB server is running with the --read-only option so it cannot execute this "
         "statement",
         POOL__ERROR_READ_ONLY},
        {"The MySQL server is running with the --super-read-only option", POOL__ERROR_READ_ONLY},
        {"The MySQL server is running with the read_only=ON option", POOL__ERROR_READ_ONLY},
        {"The MySQL server is running with the --secure-file-priv option", POOL__ERROR_STATEMENT},
        {"", POOL__ERROR_STATEMENT},
        {NULL, POOL__ERROR_STATEMENT},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(pool__classify(1290, rows[i].text, true).class_, rows[i].class_);
    assert_int_equal(pool__classify(1836, "", false).class_, POOL__ERROR_READ_ONLY);
}

static void what_was_refused_before_it_began_was_not_executed(void **state)
{
    (void)state;
    static const unsigned codes[] = {1047, 1064, 1153, 1461, 1820, 1836, 2006, 2030, 2031};
    for (size_t i = 0; i < COUNT(codes); i++)
        assert_true(pool__classify(codes[i], "", true).not_executed);
    assert_true(pool__classify(1290, "--read-only", true).not_executed);
    assert_true(pool__classify(4031, "", false).not_executed);
}

static void what_may_have_happened_is_not_called_not_executed(void **state)
{
    (void)state;
    static const unsigned codes[] = {
        1020, 1053, 1062, 1105, 1114, 1152, 1156, 1158, 1159, 1160, 1161, 1180,
        1184, 1205, 1213, 1317, 1406, 1451, 1637, 1644, 1927, 1969, 2000, 2013,
        2014, 2020, 2026, 2027, 3024, 3168, 3169, 5013, 5015, 5026, 4031, 9999,
    };
    for (size_t i = 0; i < COUNT(codes); i++)
        if (pool__classify(codes[i], "", true).not_executed)
            fail_msg("%u", codes[i]);
}

/* Connects */

static void failed_connects_are_handled_by_their_cause(void **state)
{
    (void)state;
    static const struct {
        enum pool__connect_class class_;
        unsigned codes[40];
    } rows[] = {
        {POOL__CONNECT_TRANSIENT,
         {2001, 2002, 2003, 2004, 2006, 2013, 1053, 1152, 1158, 1159, 3032}},
        {POOL__CONNECT_CAPACITY, {1040, 1135, 1203, 1226}},
        {POOL__CONNECT_BLOCKED, {1129, 3955, 4150}},
        {POOL__CONNECT_PASSWORD, {1045, 1698}},
        {POOL__CONNECT_TLS, {2026}},
        {POOL__CONNECT_PERMANENT,
         {1193, 1227, 1228, 1229, 1231, 1232, 1238, 1253, 1273, 1298, 1042, 1043, 1044,
          1049, 1130, 1184, 1251, 1275, 1524, 1820, 1862, 2005, 2007, 2012, 2019, 2047,
          2049, 2059, 2061, 3118, 3159, 4151, 5001, 5010, 5011, 5012, 5024}},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        for (const unsigned *code = rows[i].codes; *code; code++)
            if (pool__classify_connect(*code) != rows[i].class_)
                fail_msg("%u: class %d, not %d", *code, (int)pool__classify_connect(*code),
                         (int)rows[i].class_);
}

static void an_unknown_connect_error_is_tried_again_soon(void **state)
{
    (void)state;
    assert_int_equal(pool__classify_connect(0), POOL__CONNECT_TRANSIENT);
    assert_int_equal(pool__classify_connect(9999), POOL__CONNECT_TRANSIENT);
}

/* The session's set-up, after the login */

static void what_fails_after_the_login_is_an_end_a_trouble_or_a_refusal(void **state)
{
    (void)state;
    static const struct {
        enum pool__setup_class class_;
        bool mariadb;
        unsigned codes[16];
    } rows[] = {
        {POOL__SETUP_ENDED, true, {2006, 2013, 2026, 5014, 1053, 1152, 1158, 1927}},
        {POOL__SETUP_ENDED, false, {2013, 1053, 3168, 3169, 4081, 4082}},
        {POOL__SETUP_FAILED,
         true,
         {1040, 1047, 1105, 1114, 1129, 1205, 1213, 1226, 1317, 1969, 3032}},
        {POOL__SETUP_REFUSED,
         true,
         {1044, 1045, 1049, 1054, 1064, 1142, 1146, 1184, 1193, 1231, 1820}},
        {POOL__SETUP_REFUSED, false, {1064, 1227, 1820, 1862}},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        for (const unsigned *code = rows[i].codes; *code; code++)
            if (pool__classify_setup(*code, "", rows[i].mariadb) != rows[i].class_)
                fail_msg("%u: class %d, not %d", *code,
                         (int)pool__classify_setup(*code, "", rows[i].mariadb),
                         (int)rows[i].class_);
}

static void a_set_up_that_writes_to_a_replica_may_succeed_later(void **state)
{
    (void)state;
    assert_int_equal(pool__classify_setup(1290, "with the --read-only option", true),
                     POOL__SETUP_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_errors_mean_what_they_say),
        cmocka_unit_test(unknown_client_errors_cost_the_connection),
        cmocka_unit_test(errors_that_end_the_connection_are_losses),
        cmocka_unit_test(transactions_are_run_again_where_that_helps),
        cmocka_unit_test(errors_of_the_statement_leave_the_connection),
        cmocka_unit_test(doubtful_errors_ask_for_a_reset),
        cmocka_unit_test(numbers_are_read_by_flavour),
        cmocka_unit_test(only_a_read_only_server_is_read_only),
        cmocka_unit_test(what_was_refused_before_it_began_was_not_executed),
        cmocka_unit_test(what_may_have_happened_is_not_called_not_executed),
        cmocka_unit_test(failed_connects_are_handled_by_their_cause),
        cmocka_unit_test(an_unknown_connect_error_is_tried_again_soon),
        cmocka_unit_test(what_fails_after_the_login_is_an_end_a_trouble_or_a_refusal),
        cmocka_unit_test(a_set_up_that_writes_to_a_replica_may_succeed_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
