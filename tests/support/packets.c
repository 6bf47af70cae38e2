/*
 * A packet is written into memory of exactly its length, so that AddressSanitizer sees every byte
 * that is read beyond it.
 */
#include "packets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "result/result.h"
#include "result/sets.h"

#include <mysql.h>
#include <string.h>

unsigned mallocs, fail_at;

void *__real_malloc(size_t size) __attribute__((weak));
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    mallocs++;
    return mallocs == fail_at ? NULL : __real_malloc(size);
}

bool mallocs_are_counted(void)
{
    return &__real_malloc != NULL;
}

/* ---- packets ---- */

void put_bytes(struct packet *p, const void *data, size_t len)
{
    assert_true(p->len + len <= sizeof p->bytes);
    memcpy(p->bytes + p->len, data, len);
    p->len += len;
}

void put_int(struct packet *p, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        put_bytes(p, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

void put_text(struct packet *p, const char *text, size_t len)
{
    if (len < 0xfb) {
        put_int(p, len, 1);
    } else {
        put_int(p, 0xfc, 1);
        put_int(p, len, 2);
    }
    put_bytes(p, text, len);
}

void put_header(struct packet *p, unsigned count, uint64_t nulls)
{
    p->len = 0;
    put_int(p, 0, 1);
    put_int(p, nulls << 2, (count + 9) / 8);
}

MYSQL_FIELD column(const char *name, enum enum_field_types type)
{
    MYSQL_FIELD field = {.name = (char *)(uintptr_t)name,
                         .name_length = (unsigned)strlen(name),
                         .type = type,
                         .charsetnr = 45};
    return field;
}

MYSQL_FIELD column_with(enum enum_field_types type, unsigned flags, unsigned decimals,
                        unsigned long length)
{
    MYSQL_FIELD field = column("c", type);
    field.flags = flags;
    field.decimals = decimals;
    field.length = length;
    return field;
}

bool add_exactly(struct pool_result *r, const uint8_t *bytes, size_t len, struct pool_error *err)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    bool ok = pool__result_add_row(r, copy, len, err);
    free(copy);
    return ok;
}

struct pool_result *begin_result(const MYSQL_FIELD *fields, unsigned count, bool binary)
{
    struct pool_result *r = pool__result_new(NO_LIMIT);
    assert_non_null(r);
    assert_true(pool__sets_begin(r, fields, count, binary, NULL));
    return r;
}

struct pool_result *row_of(const MYSQL_FIELD *fields, unsigned count, bool binary,
                           const struct packet *p)
{
    struct pool_result *r = begin_result(fields, count, binary);
    struct pool_error err = {0};
    if (!add_exactly(r, p->bytes, p->len, &err))
        fail_msg("%s", err.message);
    pool__result_end_set(r, 0, 0, 0);
    assert_true(pool_next(r));
    return r;
}

struct pool_result *binary_value(MYSQL_FIELD field, const void *data, size_t len)
{
    static struct packet p;
    put_header(&p, 1, 0);
    put_bytes(&p, data, len);
    return row_of(&field, 1, true, &p);
}

struct pool_result *text_value(enum enum_field_types type, const char *text)
{
    static struct packet p;
    MYSQL_FIELD field = column("c", type);
    p.len = 0;
    put_text(&p, text, strlen(text));
    return row_of(&field, 1, false, &p);
}

/* ---- floating point ---- */

struct pool_result *binary_double(double value)
{
    return binary_value(column_with(MYSQL_TYPE_DOUBLE, 0, 31, 22), &value, sizeof value);
}

/* ---- hostile rows ---- */

static const enum enum_field_types all_types[ALL] = {
    MYSQL_TYPE_TINY,     MYSQL_TYPE_SHORT,    MYSQL_TYPE_INT24,
    MYSQL_TYPE_LONGLONG, MYSQL_TYPE_FLOAT,    MYSQL_TYPE_DOUBLE,
    MYSQL_TYPE_YEAR,     MYSQL_TYPE_BIT,      MYSQL_TYPE_NEWDECIMAL,
    MYSQL_TYPE_DATE,     MYSQL_TYPE_DATETIME, MYSQL_TYPE_TIME,
    MYSQL_TYPE_STRING,   MYSQL_TYPE_BLOB,     MYSQL_TYPE_NULL,
    MYSQL_TYPE_GEOMETRY, MYSQL_TYPE_LONG,     (enum enum_field_types)242,
};

void all_fields(MYSQL_FIELD fields[ALL])
{
    for (size_t i = 0; i < ALL; i++) {
        fields[i] = column("a column", all_types[i]);
        bool real = all_types[i] == MYSQL_TYPE_FLOAT || all_types[i] == MYSQL_TYPE_DOUBLE;
        fields[i].decimals = real ? 31 : 6;
    }
}

void put_all(struct packet *p)
{
    double d = 2.5;
    float f = 1.5f;
    put_header(p, ALL, 0);
    put_int(p, 1, 1);
    put_int(p, 2, 2);
    put_int(p, 3, 4);
    put_int(p, 4, 8);
    put_bytes(p, &f, sizeof f);
    put_bytes(p, &d, sizeof d);
    put_int(p, 2024, 2);
    put_text(p, "\x01\x02", 2);
    put_text(p, "-12.50", 6);
    put_text(p, "\xe8\x07\x02\x1d", 4);
    put_text(p, "\xe8\x07\x02\x1d\x17\x3b\x3a\x3f\x42\x0f\0", 11);
    put_text(p, "\x01\x22\0\0\0\x16\x3b\x3b\x3f\x42\x0f\0", 12);
    put_text(p, "text", 4);
    put_bytes(p, "\xfc\x03\0abc", 6); /* a long form of a short length is allowed */
    put_bytes(p, "\xfd\x01\0\0g", 5);
    put_int(p, 17, 4);
    put_bytes(p, "\xfe\x01\0\0\0\0\0\0\0v", 10);
}
