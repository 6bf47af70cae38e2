/*
 * Tests of pool/result/result.c: rows and sets, names of columns, streaming, limits, and what
 * becomes of a result when there is no memory. Packets are made by hand (packets.h). No server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "conn/bind.h"
#include "packets.h"
#include "result/result.h"
#include "result/sets.h"

#include <limits.h>
#include <mysql.h>
#include <string.h>

/* ---- sets and positions ---- */

static void add_int(struct pool_result *r, int value)
{
    static struct packet p;
    put_header(&p, 1, 0);
    put_int(&p, (uint64_t)value, 4);
    assert_true(add_exactly(r, p.bytes, p.len, NULL));
}

static void rows_are_read_in_order_and_again_after_a_rewind(void **state)
{
    (void)state;
    MYSQL_FIELD field = column("n", MYSQL_TYPE_LONG);
    struct pool_result *r = begin_result(&field, 1, true);
    for (int i = 0; i < 10000; i++)
        add_int(r, i);
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool_is_null(r, 0)); /* no current row yet */
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 10000; i++) {
            assert_true(pool_next(r));
            assert_true(pool_get_int(r, 0) == i);
        }
        assert_false(pool_next(r));
        pool_rewind(r);
    }
    assert_true(pool_row_count(r) == 10000 && pool__result_rows(r) == 10000);
    pool_result_free(r);
}

static void several_sets_are_read_one_after_the_other(void **state)
{
    (void)state;
    MYSQL_FIELD a = column("a", MYSQL_TYPE_LONG), b = column("b", MYSQL_TYPE_LONG);
    struct pool_result *r = begin_result(&a, 1, true);
    add_int(r, 1);
    pool__result_end_set(r, 1, 0, 2);
    assert_true(pool__sets_begin(r, &b, 1, true, NULL));
    add_int(r, 2);
    add_int(r, 3);
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool__sets_begin(r, NULL, 0, true, NULL));
    pool__result_end_set(r, 7, 42, 0);
    assert_string_equal(pool_column_name(r, 0), "a");
    assert_true(pool_next(r) && pool_get_int(r, 0) == 1 && pool_warning_count(r) == 2);
    assert_true(pool_next_set(r) && pool_is_null(r, 0) && pool_row_count(r) == 2);
    assert_string_equal(pool_column_name(r, 0), "b");
    assert_true(pool_next(r) && pool_get_int(r, 0) == 2);
    assert_true(pool_next_set(r) && !pool_next(r) && pool_column_count(r) == 0);
    assert_true(pool_affected_rows(r) == 7 && pool_insert_id(r) == 42);
    assert_false(pool_next_set(r));
    pool_rewind(r);
    assert_true(pool_next(r) && pool_get_int(r, 0) == 1 && pool__result_rows(r) == 3);
    pool_result_free(r);
}

static void columns_are_found_by_name_in_any_case(void **state)
{
    (void)state;
    MYSQL_FIELD fields[5] = {column("id", MYSQL_TYPE_LONG), column("name", MYSQL_TYPE_STRING),
                             column("name", MYSQL_TYPE_STRING), column("NAME", MYSQL_TYPE_STRING),
                             column("gr\xc3\xb6\xc3\x9f"
                                    "e",
                                    MYSQL_TYPE_LONG)};
    struct pool_result *r = begin_result(fields, 5, true);
    assert_int_equal(pool_column_index(r, "id"), 0);
    assert_int_equal(pool_column_index(r, "name"), 1);
    assert_int_equal(pool_column_index(r, "ID"), 0);
    assert_int_equal(pool_column_index(r, "NAME"), 3);
    assert_int_equal(pool_column_index(r, "Name"), 1);
    assert_int_equal(pool_column_index(r, "Gr\xc3\xb6\xc3\x9f"
                                          "E"),
                     4);
    assert_int_equal(pool_column_index(r, "i"), -1);
    assert_int_equal(pool_column_index(r, "ids"), -1);
    assert_int_equal(pool_column_index(r, NULL), -1);
    assert_int_equal(pool_column_count(r), 5);
    pool_result_free(r);
}

static void names_are_bounded_and_never_read_beyond_their_end(void **state)
{
    (void)state;
    static char text[2000];
    memset(text, 'x', sizeof text - 1);
    memcpy(text + 1022, "\xF0\x9F\x8C\x8A", 4);
    MYSQL_FIELD fields[3] = {column(text, MYSQL_TYPE_LONG), column("", MYSQL_TYPE_LONG),
                             column("short", MYSQL_TYPE_LONG)};
    fields[1].name = NULL;
    fields[1].name_length = 5;
    fields[2].name_length = UINT_MAX;
    struct pool_result *r = begin_result(fields, 3, true);
    assert_int_equal(strlen(pool_column_name(r, 0)), 1022);
    assert_string_equal(pool_column_name(r, 1), "");
    assert_string_equal(pool_column_name(r, 2), "short");
    pool_result_free(r);
}

/* ---- streaming ---- */

static void a_streamed_row_is_the_current_row(void **state)
{
    (void)state;
    MYSQL_FIELD fields[2] = {column("n", MYSQL_TYPE_LONG), column("t", MYSQL_TYPE_STRING)};
    struct pool_result *r = begin_result(fields, 2, true);
    static struct packet p;
    for (unsigned i = 0; i < 1000; i++) {
        put_header(&p, 2, 0);
        put_int(&p, i, 4);
        put_text(&p, "abc", 3);
        int number = -1;
        const char *text;
        assert_true(pool__result_stream_row(r, p.bytes, p.len, NULL));
        assert_true(POOL_SCAN(r, &number, &text));
        assert_int_equal(number, i);
        assert_string_equal(text, "abc");
        assert_ptr_not_equal(text, pool_get_text(r, 0));
        assert_ptr_equal(text, pool_get_text(r, 1));
    }
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool_row_count(r) == 1000 && !pool_next(r) && pool_is_null(r, 0));
    pool_result_free(r);
}

static void streaming_needs_constant_memory(void **state)
{
    (void)state;
    if (!mallocs_are_counted())
        skip();
    MYSQL_FIELD field = column("t", MYSQL_TYPE_STRING);
    struct pool_result *r = begin_result(&field, 1, true);
    static struct packet p;
    static char text[60000];
    memset(text, 'x', sizeof text);
    unsigned before = 0;
    for (unsigned i = 0; i < 300; i++) {
        if (i == 2)
            before = mallocs;
        put_header(&p, 1, 0);
        put_text(&p, text, sizeof text - i * 100);
        assert_true(pool__result_stream_row(r, p.bytes, p.len, NULL));
        assert_int_equal(strlen(pool_get_text(r, 0)), sizeof text - i * 100);
    }
    assert_int_equal(mallocs, before);
    pool_result_free(r);
}

static void streamed_rows_may_grow(void **state)
{
    (void)state;
    MYSQL_FIELD field = column("t", MYSQL_TYPE_STRING);
    struct pool_result *r = begin_result(&field, 1, true);
    static struct packet p;
    static char text[60000];
    memset(text, 'x', sizeof text);
    for (size_t len = 1; len < sizeof text; len = len * 3 / 2 + 1) {
        put_header(&p, 1, 0);
        put_text(&p, text, len);
        assert_true(pool__result_stream_row(r, p.bytes, p.len, NULL));
        assert_int_equal(strlen(pool_get_text(r, 0)), len);
    }
    pool_result_free(r);
}

static void several_sets_can_be_streamed(void **state)
{
    (void)state;
    MYSQL_FIELD a = column("a", MYSQL_TYPE_LONG), b = column("b", MYSQL_TYPE_SHORT);
    struct pool_result *r = begin_result(&a, 1, true);
    assert_true(pool__result_stream_row(r, (const uint8_t *)"\0\0\x05\0\0\0", 6, NULL));
    assert_true(pool_get_int(r, 0) == 5);
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool__sets_begin(r, &b, 1, true, NULL));
    assert_true(pool__result_stream_row(r, (const uint8_t *)"\0\0\x06\0", 4, NULL));
    assert_true(pool_get_int(r, 0) == 6);
    assert_string_equal(pool_column_name(r, 0), "b");
    assert_string_equal(pool_get_text(r, 0), "6");
    assert_false(pool_next(r));
    pool__result_end_set(r, 0, 0, 0);
    assert_string_equal(pool_column_name(r, 0), "a");
    assert_true(pool_next_set(r) && pool_row_count(r) == 1);
    pool_result_free(r);
}

static void dropped_rows_are_gone_and_columns_stay(void **state)
{
    (void)state;
    MYSQL_FIELD field = column("n", MYSQL_TYPE_LONG);
    struct pool_result *r = begin_result(&field, 1, true);
    for (int i = 0; i < 5000; i++)
        add_int(r, i);
    pool__result_drop_rows(r);
    add_int(r, 77);
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool_next(r) && pool_get_int(r, 0) == 77 && !pool_next(r));
    assert_string_equal(pool_column_name(r, 0), "n");
    assert_true(pool__result_rows(r) == 5001);
    pool_result_free(r);
}

/* ---- limits and memory ---- */

static void too_many_rows_are_refused(void **state)
{
    (void)state;
    MYSQL_FIELD field = column("n", MYSQL_TYPE_LONG);
    struct pool_error err = {0};
    struct pool_result *r = pool__result_new(2, SIZE_MAX);
    assert_true(pool__sets_begin(r, &field, 1, true, NULL));
    add_int(r, 1);
    add_int(r, 2);
    assert_false(add_exactly(r, (const uint8_t *)"\0\0\x05\0\0\0", 6, &err));
    assert_int_equal(err.code, POOL_ERR_TOO_BIG);
    assert_non_null(strstr(err.message, "max_rows (2)"));
    pool_result_free(r);
}

static void too_many_bytes_are_refused(void **state)
{
    (void)state;
    MYSQL_FIELD field = column("n", MYSQL_TYPE_LONG);
    struct pool_error err = {0};
    struct pool_result *r = pool__result_new(UINT64_MAX, 10000);
    unsigned rows = 0;
    assert_true(pool__sets_begin(r, &field, 1, true, NULL));
    while (add_exactly(r, (const uint8_t *)"\0\0\x05\0\0\0", 6, &err))
        rows++;
    assert_in_range(rows, 100, 10000 / 6);
    assert_int_equal(err.code, POOL_ERR_TOO_BIG);
    assert_non_null(strstr(err.message, "max_result_bytes (10000 bytes)"));
    pool_result_free(r);
}

static void too_many_columns_are_refused(void **state)
{
    (void)state;
    struct pool_error err = {0};
    MYSQL_FIELD *fields = calloc(20000, sizeof *fields);
    struct pool_result *r = pool__result_new(UINT64_MAX, 10000);
    assert_false(pool__sets_begin(r, fields, 20000, true, &err));
    assert_int_equal(err.code, POOL_ERR_TOO_BIG);
    pool_result_free(r);
    r = pool__result_new(NO_LIMIT);
    assert_false(pool__sets_begin(r, fields, UINT_MAX, true, &err));
    assert_true(err.code == POOL_ERR_LOST && err.fatal);
    assert_false(pool_next(r));
    assert_int_equal(pool_column_count(r), 0);
    pool_result_free(r);
    free(fields);
}

static void a_small_result_is_one_allocation(void **state)
{
    (void)state;
    if (!mallocs_are_counted())
        skip();
    MYSQL_FIELD fields[3] = {column("id", MYSQL_TYPE_LONGLONG), column("name", MYSQL_TYPE_STRING),
                             column("created", MYSQL_TYPE_DATETIME)};
    static struct packet p;
    put_header(&p, 3, 0);
    put_int(&p, 12, 8);
    put_text(&p, "a name of ordinary length", 25);
    put_text(&p, "\xe8\x07\x02\x1d", 4);
    mallocs = 0;
    struct pool_result *r = begin_result(fields, 3, true);
    assert_true(pool__result_add_row(r, p.bytes, p.len, NULL));
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool_next(r));
    assert_string_equal(pool_get_text(r, 0), "12");
    assert_string_equal(pool_get_text(r, 2), "2024-02-29 00:00:00");
    assert_int_equal(mallocs, 1);
    pool_result_free(r);
}

/* Builds and reads a big result; any step may fail for want of memory. */
static bool build_and_read(struct pool_error *err)
{
    static char text[3000];
    static struct packet p;
    MYSQL_FIELD fields[2] = {column("n", MYSQL_TYPE_LONG), column("t", MYSQL_TYPE_STRING)};
    struct pool_result *r = pool__result_new(NO_LIMIT);
    memset(text, 'x', sizeof text);
    put_header(&p, 2, 0);
    put_int(&p, 5, 4);
    put_text(&p, text, sizeof text);
    bool ok = r && pool__sets_begin(r, fields, 2, true, err);
    for (unsigned i = 0; ok && i < 20; i++)
        ok = pool__result_add_row(r, p.bytes, p.len, err);
    if (ok)
        pool__result_end_set(r, 0, 0, 0);
    for (unsigned i = 0; ok && i < 20; i++) {
        const char *number = NULL, *before = "untouched", *long_text = before;
        ok = pool_next(r) && POOL_SCAN(r, &number, &long_text);
        assert_true(ok ? number != NULL : long_text == before);
    }
    pool_result_free(r);
    return ok;
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    struct pool_error err;
    if (!mallocs_are_counted())
        skip();
    for (unsigned i = 1; i < 100; i++) {
        err.code = POOL_ERR_NOMEM;
        mallocs = 0;
        fail_at = i;
        bool ok = build_and_read(&err);
        fail_at = 0;
        if (ok) {
            assert_in_range(i, 5, 99);
            return;
        }
        assert_int_equal(err.code, POOL_ERR_NOMEM);
    }
    fail_msg("it never succeeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_in_order_and_again_after_a_rewind),
        cmocka_unit_test(several_sets_are_read_one_after_the_other),
        cmocka_unit_test(columns_are_found_by_name_in_any_case),
        cmocka_unit_test(names_are_bounded_and_never_read_beyond_their_end),
        cmocka_unit_test(a_streamed_row_is_the_current_row),
        cmocka_unit_test(streaming_needs_constant_memory),
        cmocka_unit_test(streamed_rows_may_grow),
        cmocka_unit_test(several_sets_can_be_streamed),
        cmocka_unit_test(dropped_rows_are_gone_and_columns_stay),
        cmocka_unit_test(too_many_rows_are_refused),
        cmocka_unit_test(too_many_bytes_are_refused),
        cmocka_unit_test(too_many_columns_are_refused),
        cmocka_unit_test(a_small_result_is_one_allocation),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
