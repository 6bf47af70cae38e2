/*
 * Tests of pool/conn/verdict.c, as tables. No server is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errmsg.h>

#include "conn/verdict.h"

/* What a line of the table is about goes first, so that a failing test says which. */
static void check(const char *line, const struct pool__verdict *is,
                  const struct pool__verdict *expected)
{
    print_message("%s\n", line);
    assert_int_equal(is->code, expected->code);
    assert_int_equal(is->number, expected->number);
    assert_int_equal(is->is_answer, expected->is_answer);
    assert_int_equal(is->breaks, expected->breaks);
    assert_int_equal(is->may_run, expected->may_run);
    assert_int_equal(is->dirties, expected->dirties);
    assert_int_equal(is->not_executed, expected->not_executed);
    if (expected->text)
        assert_non_null(strstr(is->text, expected->text));
}

struct line {
    const char *about;
    struct pool__failure failure;
    struct pool__verdict verdict;
};

static const struct line statements[] = {
    {"its deadline passed before it was sent",
     {.timed_out = true, .number = CR_SERVER_LOST, .text = "x"},
     {POOL_ERR_QUERY_TIMEOUT, "before it was sent", .breaks = true, .not_executed = true}},
    {"its deadline passed while it ran",
     {.timed_out = true, .sent = true, .number = CR_SERVER_LOST, .text = "x"},
     {POOL_ERR_QUERY_TIMEOUT, "is being killed", .breaks = true, .may_run = true}},
    {"the pool was ended, whatever the clock says",
     {.timed_out = true, .cut = true, .sent = true, .text = "x"},
     {POOL_ERR_CLOSED, "the pool was closed", .breaks = true, .may_run = true}},
    {"a duplicate key",
     {.number = 1062, .text = "Duplicate", .mariadb = true},
     {POOL_ERR_SERVER, "Duplicate", true, 1062, .dirties = true}},
    {"an error of parsing leaves nothing",
     {.number = 1064, .text = "syntax", .mariadb = true},
     {POOL_ERR_SERVER, "syntax", true, 1064, .not_executed = true}},
    {"but in a transaction it may",
     {.number = 1064, .text = "syntax", .mariadb = true, .in_transaction = true},
     {POOL_ERR_SERVER, "syntax", true, 1064, .dirties = true, .not_executed = true}},
    {"and it may be that of a statement inside another",
     {.number = 1064, .text = "syntax", .mariadb = true, .class_ = POOL__SQL_OTHER},
     {POOL_ERR_SERVER, "syntax", true, 1064, .not_executed = false}},
    {"the connection is gone",
     {.number = CR_SERVER_LOST, .text = "Lost", .mariadb = true},
     {POOL_ERR_LOST, "Lost", true, CR_SERVER_LOST, .breaks = true, .dirties = true}},
    {"what libmariadb calls a loss may be a packet over its limit",
     {.number = CR_SERVER_LOST, .text = "Lost", .over_limit = true},
     {POOL_ERR_TOO_BIG, "over max_packet_bytes", true, CR_NET_PACKET_TOO_LARGE, .breaks = true,
      .dirties = true}},
    {"but only a loss",
     {.number = 1062, .text = "Duplicate", .over_limit = true},
     {POOL_ERR_SERVER, "Duplicate", true, 1062, .dirties = true}},
    {"a silent network",
     {.number = CR_SERVER_LOST, .text = "Lost", .unheard = true, .sent = true},
     {POOL_ERR_LOST, "silent", true, CR_SERVER_LOST, .breaks = true, .dirties = true}},
    {"the server's own limit of time",
     {.number = 1969, .text = "max_statement_time", .mariadb = true},
     {POOL_ERR_QUERY_TIMEOUT, "max_statement_time", true, 1969, .dirties = true}},
};

static void failed_statements_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        struct pool__verdict verdict = pool__verdict_of_statement(&statements[i].failure);
        check(statements[i].about, &verdict, &statements[i].verdict);
    }
}

#define NOTHING_DONE .breaks = true, .not_executed = true

static const struct line connects[] = {
    {"its deadline",
     {.timed_out = true, .number = 2002, .text = "x"},
     {POOL_ERR_CONNECT, "connect timed out", false, CR_SERVER_LOST, NOTHING_DONE}},
    {"the end of the pool",
     {.cut = true, .number = 2002, .text = "x"},
     {POOL_ERR_CLOSED, "being closed", false, 2002, NOTHING_DONE}},
    {"nobody listens",
     {.number = 2002, .text = "refused"},
     {POOL_ERR_CONNECT, "refused", true, 2002, NOTHING_DONE}},
    {"a wrong password",
     {.number = 1045, .text = "denied"},
     {POOL_ERR_AUTH, "denied", true, 1045, NOTHING_DONE}},
    {"a server that is full",
     {.number = 1040, .text = "many"},
     {POOL_ERR_CONNECT, "many", true, 1040, NOTHING_DONE}},
    {"a host that is blocked",
     {.number = 1129, .text = "blocked"},
     {POOL_ERR_CONNECT, "blocked", true, 1129, NOTHING_DONE}},
    {"an account that is blocked",
     {.number = 4150, .text = "blocked"},
     {POOL_ERR_AUTH, "blocked", true, 4150, NOTHING_DONE}},
    {"no TLS",
     {.number = 2026, .text = "certificate"},
     {POOL_ERR_TLS, "certificate", true, 2026, NOTHING_DONE}},
    {"no memory",
     {.number = CR_OUT_OF_MEMORY, .text = "memory"},
     {POOL_ERR_NOMEM, "memory", true, CR_OUT_OF_MEMORY, NOTHING_DONE}},
};

static void failed_connects_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof connects / sizeof connects[0]; i++) {
        struct pool__verdict verdict = pool__verdict_of_connect(&connects[i].failure);
        check(connects[i].about, &verdict, &connects[i].verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_statements_are_judged),
        cmocka_unit_test(failed_connects_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
