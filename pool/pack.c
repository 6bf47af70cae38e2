/*
 * The packet is written here and not by the library's array binding: so the exact size is
 * known before a row goes in, values are copied once, from the caller's memory into the
 * packet, and a column may hold values of different types. What it looks like:
 *
 *     statement id (4), flags (2), type and sign of each column (2 each),
 *     then for each value of each row: 0 and the value, or 1 for NULL
 *
 * The server reads a value as it would in a single execution. Where the values of a column
 * differ in type they go as the narrowest type that holds each of them exactly: integers as
 * integers, or as decimals if no integer type has room for all; doubles among other numbers
 * as decimals, with the shortest digits that give the same double; everything else as text.
 * Bytes have nothing in common with other types, nor have very big or very small doubles
 * with other numbers: there a packet ends and the next one begins.
 *
 * Values have been checked. No locks, no I/O.
 */
#include "pack.h"

#include "number.h"

#include <math.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 6
#define UNSIGNED 0x80 /* in the byte after the type */
/* A type of our own, of two bytes in the packet. */
#define UNSIGNED_LONGLONG (MYSQL_TYPE_LONGLONG | UNSIGNED)
#define LONGEST_NUMBER 40 /* written as digits, with a length */
#define LONGEST_TIME 32

/* What a column has seen. */
enum {
    SEEN_INT = 1,
    SEEN_NEGATIVE = 2,
    SEEN_UINT = 4,
    SEEN_HUGE = 8, /* above INT64_MAX */
    SEEN_DECIMAL = 16,
    SEEN_DOUBLE = 32,
    SEEN_WIDE = 64, /* a double that no decimal holds */
    SEEN_DATE = 128,
    SEEN_TIME = 256,
    SEEN_DATETIME = 512,
    SEEN_TEXT = 1024,
    SEEN_BYTES = 2048
};
#define SEEN_INTEGERS (SEEN_INT | SEEN_NEGATIVE | SEEN_UINT | SEEN_HUGE)
#define SEEN_DOUBLES (SEEN_DOUBLE | SEEN_WIDE)
#define NO_TYPE 0xFF

bool pool__pack_init(struct pool__pack *pack, size_t columns)
{
    *pack = (struct pool__pack){.columns = columns};
    pack->seen = calloc(columns, sizeof *pack->seen);
    pack->next = calloc(columns, sizeof *pack->next);
    pack->types = calloc(columns, sizeof *pack->types);
    return pack->seen && pack->next && pack->types;
}

void pool__pack_fini(struct pool__pack *pack)
{
    free(pack->data);
    free(pack->seen);
    free(pack->next);
    free(pack->types);
}

/* ---- types ---- */

/* A decimal has up to 65 digits, 30 of them behind the point on every server. */
static bool fits_decimal(double value)
{
    double size = fabs(value);
    return size == 0 || (size >= 1e-12 && size < 1e34);
}

static uint16_t look_at(const struct pool_value *value)
{
    switch (value->type) {
    case POOL_TYPE_INT: return value->as.i < 0 ? SEEN_INT | SEEN_NEGATIVE : SEEN_INT;
    case POOL_TYPE_UINT: return value->as.u > INT64_MAX ? SEEN_UINT | SEEN_HUGE : SEEN_UINT;
    case POOL_TYPE_DECIMAL: return SEEN_DECIMAL;
    case POOL_TYPE_DOUBLE: return fits_decimal(value->as.d) ? SEEN_DOUBLE : SEEN_DOUBLES;
    case POOL_TYPE_DATE: return SEEN_DATE;
    case POOL_TYPE_TIME: return SEEN_TIME;
    case POOL_TYPE_DATETIME: return SEEN_DATETIME;
    case POOL_TYPE_TEXT: return SEEN_TEXT;
    case POOL_TYPE_BYTES: return SEEN_BYTES;
    default: return 0; /* NULL goes with everything */
    }
}

static uint8_t type_of_numbers(unsigned seen)
{
    if (!(seen & ~(unsigned)SEEN_DOUBLES))
        return MYSQL_TYPE_DOUBLE;
    if (seen & SEEN_WIDE)
        return NO_TYPE;
    if (seen & (SEEN_DECIMAL | SEEN_DOUBLE))
        return MYSQL_TYPE_NEWDECIMAL;
    if (!(seen & SEEN_INT))
        return UNSIGNED_LONGLONG;
    if (!(seen & SEEN_HUGE))
        return MYSQL_TYPE_LONGLONG;
    return seen & SEEN_NEGATIVE ? (uint8_t)MYSQL_TYPE_NEWDECIMAL : (uint8_t)UNSIGNED_LONGLONG;
}

/* The common type of what a column has seen. */
static uint8_t type_of(unsigned seen)
{
    if (seen == SEEN_BYTES)
        return MYSQL_TYPE_BLOB;
    if (seen & SEEN_BYTES)
        return NO_TYPE;
    if (seen == SEEN_DATE)
        return MYSQL_TYPE_DATE;
    if (seen == SEEN_TIME)
        return MYSQL_TYPE_TIME;
    if (seen == SEEN_DATETIME)
        return MYSQL_TYPE_DATETIME;
    if (seen && !(seen & ~(unsigned)(SEEN_INTEGERS | SEEN_DOUBLES | SEEN_DECIMAL)))
        return type_of_numbers(seen);
    return MYSQL_TYPE_STRING;
}

/* ---- sizes ---- */

static size_t size_of_length(size_t len)
{
    return len < 251 ? 1 : len < 1 << 16 ? 3 : len < 1 << 24 ? 4 : 9;
}

static size_t size_of_data(const struct pool_value *value)
{
    return size_of_length(value->as.bytes.len) + value->as.bytes.len;
}

/* With its own type. */
static size_t size_of(const struct pool_value *value)
{
    switch (value->type) {
    case POOL_TYPE_NULL: return 1;
    case POOL_TYPE_INT:
    case POOL_TYPE_UINT:
    case POOL_TYPE_DOUBLE: return 1 + 8;
    case POOL_TYPE_DATE: return 1 + 5;
    case POOL_TYPE_TIME: return 1 + 13;
    case POOL_TYPE_DATETIME: return 1 + 12;
    default: return 1 + size_of_data(value);
    }
}

size_t pool__pack_size(const struct pool_value *row, size_t columns)
{
    size_t size = HEAD + 2 * columns;
    for (size_t i = 0; i < columns; i++)
        size += size_of(&row[i]);
    return size;
}

/* With whatever type it will get. */
static size_t most_of(const struct pool_value *value)
{
    switch (value->type) {
    case POOL_TYPE_NULL: return 1;
    case POOL_TYPE_TEXT:
    case POOL_TYPE_BYTES:
    case POOL_TYPE_DECIMAL: return 1 + size_of_data(value);
    default: return 1 + LONGEST_NUMBER;
    }
}

/* ---- writing ---- */

static uint8_t *put_number(uint8_t *to, uint64_t number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++, number >>= 8)
        *to++ = (uint8_t)number;
    return to;
}

static uint8_t *put_8(uint8_t *to, uint64_t number)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(to, &number, 8);
    return to + 8;
#else
    return put_number(to, number, 8);
#endif
}

static uint8_t *put_length(uint8_t *to, size_t len)
{
    switch (size_of_length(len)) {
    case 1: *to = (uint8_t)len; return to + 1;
    case 3: *to = 0xFC; return put_number(to + 1, len, 2);
    case 4: *to = 0xFD; return put_number(to + 1, len, 3);
    default: *to = 0xFE; return put_number(to + 1, len, 8);
    }
}

static uint8_t *put_data(uint8_t *to, const void *data, size_t len)
{
    to = put_length(to, len);
    if (len > 0)
        memcpy(to, data, len);
    return to + len;
}

static int time_as_text(char *text, size_t size, const struct pool_time *time)
{
    int len = 0;
    if (time->type != POOL_TYPE_TIME)
        len = snprintf(text, size, "%04u-%02u-%02u", time->year, time->month, time->day);
    if (time->type == POOL_TYPE_DATE)
        return len;
    const char *before = time->type == POOL_TYPE_DATETIME ? " " : time->negative ? "-" : "";
    len += snprintf(text + len, size - (size_t)len, "%s%02u:%02u:%02u", before, time->hour,
                    time->minute, time->second);
    if (time->microsecond)
        len += snprintf(text + len, size - (size_t)len, ".%06u", time->microsecond);
    return len;
}

static uint8_t *put_as_text(uint8_t *to, const struct pool_value *value)
{
    char text[POOL__NUMBER_SIZE];
    int len;
    switch (value->type) {
    case POOL_TYPE_INT: len = snprintf(text, sizeof text, "%lld", (long long)value->as.i); break;
    case POOL_TYPE_UINT:
        len = snprintf(text, sizeof text, "%llu", (unsigned long long)value->as.u);
        break;
    case POOL_TYPE_DOUBLE:
        len = (int)pool__double_text(value->as.d, POOL__ANY_DECIMALS, text);
        break;
    case POOL_TYPE_DATE:
    case POOL_TYPE_TIME:
    case POOL_TYPE_DATETIME: len = time_as_text(text, sizeof text, &value->as.time); break;
    default: return put_data(to, value->as.bytes.data, value->as.bytes.len);
    }
    return put_data(to, text, (size_t)len);
}

static uint8_t *put_clock(uint8_t *to, const struct pool_time *time, unsigned hour)
{
    *to++ = (uint8_t)hour;
    *to++ = (uint8_t)time->minute;
    *to++ = (uint8_t)time->second;
    return put_number(to, time->microsecond, 4);
}

static uint8_t *put_time(uint8_t *to, const struct pool_time *time)
{
    if (time->type == POOL_TYPE_TIME) {
        *to++ = 12;
        *to++ = time->negative;
        return put_clock(put_number(to, time->hour / 24, 4), time, time->hour % 24);
    }
    *to++ = time->type == POOL_TYPE_DATE ? 4 : 11;
    to = put_number(to, time->year, 2);
    *to++ = (uint8_t)time->month;
    *to++ = (uint8_t)time->day;
    return time->type == POOL_TYPE_DATE ? to : put_clock(to, time, time->hour);
}

static uint8_t *put_value(uint8_t *to, const struct pool_value *value, uint8_t type)
{
    *to++ = value->type == POOL_TYPE_NULL;
    if (value->type == POOL_TYPE_NULL)
        return to;
    switch (type) {
    case MYSQL_TYPE_LONGLONG:
    case UNSIGNED_LONGLONG: return put_8(to, value->as.u); /* the same bits as as.i */
    case MYSQL_TYPE_DOUBLE: {
        uint64_t bits;
        memcpy(&bits, &value->as.d, sizeof bits);
        return put_8(to, bits);
    }
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME: return put_time(to, &value->as.time);
    default: return put_as_text(to, value);
    }
}

/* ---- packets ---- */

/* True if the row goes with those before, which are then joined by it. */
static bool join(struct pool__pack *pack, const struct pool_value *row, size_t *size)
{
    size_t more = 0;
    for (size_t i = 0; i < pack->columns; i++) {
        unsigned seen = pack->seen[i];
        unsigned next = seen | look_at(&row[i]);
        if (next != seen && type_of(next) == NO_TYPE)
            return false;
        pack->next[i] = (uint16_t)next;
        more += most_of(&row[i]);
    }
    *size += more;
    return true;
}

/* Returns the bytes that it takes at most. */
static size_t count_rows(struct pool__pack *pack, const struct pool__table *table, size_t from,
                         size_t most)
{
    size_t size = HEAD + 2 * pack->columns;
    memset(pack->seen, 0, pack->columns * sizeof *pack->seen);
    for (size_t at = from; at < table->rows; at++) {
        size_t with = size;
        if (!join(pack, table->values + at * pack->columns, &with) || (at > from && with > most))
            break;
        size = with;
        memcpy(pack->seen, pack->next, pack->columns * sizeof *pack->seen);
        pack->rows++;
    }
    return size;
}

static bool make_room(struct pool__pack *pack, size_t size)
{
    if (size <= pack->size)
        return true;
    free(pack->data);
    pack->data = malloc(size);
    pack->size = pack->data ? size : 0;
    return pack->data != NULL;
}

static uint8_t *put_types(struct pool__pack *pack, uint8_t *to)
{
    for (size_t i = 0; i < pack->columns; i++) {
        uint8_t type = type_of(pack->seen[i]);
        bool is_unsigned = type == UNSIGNED_LONGLONG;
        pack->types[i] = type;
        *to++ = is_unsigned ? MYSQL_TYPE_LONGLONG : type;
        *to++ = is_unsigned ? UNSIGNED : 0;
    }
    return to;
}

bool pool__pack_rows(struct pool__pack *pack, const struct pool__table *table, size_t from,
                     size_t most)
{
    pack->rows = 0;
    pack->len = 0;
    if (!make_room(pack, count_rows(pack, table, from, most))) {
        pack->rows = 0;
        return false;
    }
    uint8_t *to = put_number(pack->data, 0, 4);
    to = put_types(pack, put_number(to, STMT_BULK_FLAG_CLIENT_SEND_TYPES, 2));
    const struct pool_value *value = table->values + from * pack->columns;
    for (size_t row = 0; row < pack->rows; row++)
        for (size_t i = 0; i < pack->columns; i++)
            to = put_value(to, value++, pack->types[i]);
    pack->len = (size_t)(to - pack->data);
    return true;
}

void pool__pack_address(struct pool__pack *pack, uint32_t statement_id)
{
    put_number(pack->data, statement_id, 4);
}
