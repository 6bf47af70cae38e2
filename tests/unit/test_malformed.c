/*
 * Rows of a server that lies: cut, malformed and mutated ones are refused, and nothing is read
 * beyond them. Packets are made by hand (packets.h). No server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "packets.h"
#include "result/result.h"
#include "result/sets.h"

#include <mysql.h>
#include <string.h>

/* The same in the text protocol. */
static void put_all_as_text(struct packet *p)
{
    /* clang-format off */
    static const char *const texts[ALL] = {
        "1", "2", "3", "4", "1.5", "2.5", "2024", "\x01\x02", "-12.50", "2024-02-29",
        "2024-02-29 23:59:58.999999", "-838:59:59.999999", "text", "abc", NULL, "g", "17", "v",
    };
    /* clang-format on */
    p->len = 0;
    for (size_t i = 0; i < ALL; i++) {
        if (texts[i])
            put_text(p, texts[i], strlen(texts[i]));
        else
            put_int(p, 0xfb, 1);
    }
}

/* Keeps the compiler from leaving out reads. */
static volatile size_t seen;

/* Calls every getter and POOL_SCAN with every target on every column. */
static void read_everything(struct pool_result *r)
{
    for (unsigned i = 0; i <= pool_column_count(r); i++) {
        size_t len;
        struct pool_time time;
        const char *text = pool_get_text(r, i);
        const uint8_t *bytes = pool_get_bytes(r, i, &len);
        size_t sum = text ? strlen(text) : 0;
        for (size_t k = 0; k < len; k++)
            sum += bytes[k];
        sum += (size_t)pool_get_int(r, i) + (size_t)pool_get_uint(r, i);
        sum += pool_get_double(r, i) > 0;
        sum += pool_get_time(r, i, &time);
        seen = seen + sum;
    }
    for (int type = POOL_TO_BOOL; type <= POOL_TO_TIME; type++) {
        struct pool_time to[ALL];
        struct pool_target targets[ALL];
        for (size_t i = 0; i < ALL; i++)
            targets[i] = (struct pool_target){(enum pool_target_type)type, &to[i]};
        for (size_t count = 0; count <= ALL; count++)
            pool_scan(r, targets, count);
    }
}

static void rows_with_every_type_are_read_in_both_protocols(void **state)
{
    (void)state;
    MYSQL_FIELD fields[ALL];
    static struct packet p;
    all_fields(fields);
    for (int binary = 0; binary <= 1; binary++) {
        /* clang-format off */
        static const char *const texts[ALL] = {
            "1", "2", "3", "4", "1.5", "2.5", "2024", "258", "-12.50", "2024-02-29",
            "2024-02-29 23:59:58.999999", "-838:59:59.999999", "text", "abc", NULL, "g", "17", "v",
        };
        /* clang-format on */
        binary ? put_all(&p) : put_all_as_text(&p);
        struct pool_result *r = row_of(fields, ALL, binary, &p);
        for (unsigned i = 0; i < ALL; i++) {
            if (texts[i])
                assert_string_equal(pool_get_text(r, i), texts[i]);
            else
                assert_true(pool_is_null(r, i));
        }
        read_everything(r);
        pool_result_free(r);
    }
}

static void check_malformed(const struct pool_error *err)
{
    assert_int_equal(err->code, POOL_ERR_LOST);
    assert_true(err->fatal);
    assert_memory_equal(err->message, "malformed row 1", 15);
}

static void every_truncation_of_a_row_is_malformed(void **state)
{
    (void)state;
    MYSQL_FIELD fields[ALL];
    static struct packet p;
    all_fields(fields);
    for (int binary = 0; binary <= 1; binary++) {
        binary ? put_all(&p) : put_all_as_text(&p);
        for (size_t len = 0; len < p.len; len++) {
            struct pool_error err = {0};
            struct pool_result *r = begin_result(fields, ALL, binary);
            assert_false(add_exactly(r, p.bytes, len, &err));
            check_malformed(&err);
            assert_false(pool_next(r));
            pool_result_free(r);
        }
    }
}

/* clang-format off */
static const struct {
    enum enum_field_types type;
    bool binary;
    const char *bytes;
    size_t len;
} malformed[] = {
    {MYSQL_TYPE_LONG, true, "\0\0\0\0\0\0\0", 7},            /* a byte too many */
    {MYSQL_TYPE_LONG, true, "\x01\0\0\0\0\0", 6},            /* no row header */
    {MYSQL_TYPE_STRING, true, "\0\0\xfb", 3},                /* NULL as a length */
    {MYSQL_TYPE_STRING, true, "\0\0\xff", 3},
    {MYSQL_TYPE_STRING, true, "\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 11},
    {MYSQL_TYPE_STRING, false, "\xff", 1},
    {MYSQL_TYPE_STRING, false, "\xfd\xff\xff\xff", 4},
    {MYSQL_TYPE_STRING, false, "\xfb\xfb", 2},
    {MYSQL_TYPE_BIT, false, "\x09" "123456789", 10},
    {MYSQL_TYPE_DATE, true, "\0\0\x05\0\0\0\0\0", 8},        /* no such length */
    {MYSQL_TYPE_DATETIME, true, "\0\0\x04\xe8\x07\x0d\x01", 7}, /* month 13 */
    {MYSQL_TYPE_DATETIME, true, "\0\0\x04\x10\x27\x01\x01", 7}, /* year 10000 */
    {MYSQL_TYPE_TIME, true, "\0\0\x08\0\xff\xff\xff\xff\0\0\0", 11},
    {MYSQL_TYPE_TIME, true, "\0\0\x08\0\x22\0\0\0\x17\0\0", 11}, /* 839 hours */
    {MYSQL_TYPE_TIME, true, "\0\0\x0c\0\0\0\0\0\0\0\0\x40\x42\x0f\0", 15},
};
/* clang-format on */

static void malformed_rows_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(malformed); i++) {
        MYSQL_FIELD field = column("c", malformed[i].type);
        struct pool_error err = {0};
        struct pool_result *r = begin_result(&field, 1, malformed[i].binary);
        assert_false(add_exactly(r, (const uint8_t *)malformed[i].bytes, malformed[i].len, &err));
        check_malformed(&err);
        assert_false(add_exactly(r, (const uint8_t *)malformed[i].bytes, malformed[i].len, NULL));
        pool_result_free(r);
    }
}

static void a_row_without_columns_is_refused(void **state)
{
    (void)state;
    struct pool_error err = {0};
    struct pool_result *r = pool__result_new(NO_LIMIT);
    assert_false(add_exactly(r, (const uint8_t *)"\0", 1, &err));
    check_malformed(&err);
    assert_true(pool__sets_begin(r, NULL, 0, false, NULL));
    assert_false(add_exactly(r, (const uint8_t *)"", 0, &err));
    check_malformed(&err);
    assert_false(pool__result_stream_row(r, (const uint8_t *)"", 0, &err));
    pool_result_free(r);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Changes some bytes, and sometimes the length. */
static size_t mutate(uint8_t *bytes, size_t len, uint32_t *seed)
{
    unsigned changes = 1 + next_random(seed) % 4;
    for (unsigned i = 0; i < changes; i++)
        bytes[next_random(seed) % len] = (uint8_t)next_random(seed);
    return next_random(seed) % 4 ? len : next_random(seed) % (len + 1);
}

static void feed_mutation(const struct packet *p, const MYSQL_FIELD *fields, bool binary,
                          uint32_t *seed)
{
    struct pool_result *r = begin_result(fields, ALL, binary);
    struct packet changed = *p;
    size_t len = mutate(changed.bytes, p->len, seed);
    uint8_t *bytes = malloc(len ? len : 1);
    assert_non_null(bytes);
    memcpy(bytes, changed.bytes, len);
    struct pool_error err = {0};
    if (add_exactly(r, bytes, len, &err)) {
        pool__result_end_set(r, 0, 0, 0);
        assert_true(pool_next(r));
        read_everything(r);
    } else {
        check_malformed(&err);
    }
    if (pool__result_stream_row(r, bytes, len, NULL))
        read_everything(r);
    free(bytes);
    pool_result_free(r);
}

static void mutated_rows_do_no_harm(void **state)
{
    (void)state;
    uint32_t seed = 20240229;
    MYSQL_FIELD fields[ALL];
    static struct packet p;
    all_fields(fields);
    for (unsigned i = 0; i < 4000; i++) {
        bool binary = i % 2;
        binary ? put_all(&p) : put_all_as_text(&p);
        for (size_t k = 0; i % 8 > 5 && k < ALL; k++) /* wrong types for the row, too */
            fields[k].type = (enum enum_field_types)(next_random(&seed) % 256);
        feed_mutation(&p, fields, binary, &seed);
        all_fields(fields);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_with_every_type_are_read_in_both_protocols),
        cmocka_unit_test(every_truncation_of_a_row_is_malformed),
        cmocka_unit_test(malformed_rows_are_refused),
        cmocka_unit_test(a_row_without_columns_is_refused),
        cmocka_unit_test(mutated_rows_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
