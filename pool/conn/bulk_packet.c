/*
 * The packet is written here and not by the library's array binding: so the exact size is
 * known before a row goes in, values are copied once, from the caller's memory into the
 * packet, and a column may hold values of different types. What it looks like:
 *
 *     statement id (4), flags (2), type and sign of each column (2 each),
 *     then for each value of each row: 0 and the value, or 1 for NULL
 *
 * The server reads a value as it would in a single execution. What a value means depends on its
 * type: the number 1 and the text '1' are different bits, members of an ENUM and years, a double
 * is rounded otherwise than a decimal, and a date is more of a number than its text. So no value
 * is sent as another type than it would be alone: where one comes that differs from those before
 * in its column, a packet ends and the next one begins. NULL goes with everything, and signed
 * with unsigned integers as long as one type has room for both.
 *
 * Values have been checked. No locks, no I/O.
 */
#include "conn/bulk_packet.h"

#include <mysql.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 6
#define UNSIGNED 0x80 /* in the byte after the type */
/* A type of our own, of two bytes in the packet. */
#define UNSIGNED_LONGLONG (MYSQL_TYPE_LONGLONG | UNSIGNED)

/* What a column has seen. */
enum {
    SEEN_INT = 1,
    SEEN_NEGATIVE = 2,
    SEEN_UINT = 4,
    SEEN_HUGE = 8, /* above INT64_MAX */
    SEEN_DECIMAL = 16,
    SEEN_DOUBLE = 32,
    SEEN_DATE = 64,
    SEEN_TIME = 128,
    SEEN_DATETIME = 256,
    SEEN_TEXT = 512,
    SEEN_BYTES = 1024
};
#define SEEN_INTEGERS (SEEN_INT | SEEN_NEGATIVE | SEEN_UINT | SEEN_HUGE)
#define NO_TYPE 0xFF

bool pool__bulk_packet_init(struct pool__bulk_packet *pack, size_t columns)
{
    *pack = (struct pool__bulk_packet){.columns = columns};
    pack->seen = calloc(columns, sizeof *pack->seen);
    pack->next = calloc(columns, sizeof *pack->next);
    pack->types = calloc(columns, sizeof *pack->types);
    return pack->seen && pack->next && pack->types;
}

void pool__bulk_packet_fini(struct pool__bulk_packet *pack)
{
    free(pack->data);
    free(pack->seen);
    free(pack->next);
    free(pack->types);
}

/* ---- types ---- */

static uint16_t look_at(const struct pool_value *value)
{
    switch (value->type) {
    case POOL_TYPE_INT: return value->as.i < 0 ? SEEN_INT | SEEN_NEGATIVE : SEEN_INT;
    case POOL_TYPE_UINT: return value->as.u > INT64_MAX ? SEEN_UINT | SEEN_HUGE : SEEN_UINT;
    case POOL_TYPE_DECIMAL: return SEEN_DECIMAL;
    case POOL_TYPE_DOUBLE: return SEEN_DOUBLE;
    case POOL_TYPE_DATE: return SEEN_DATE;
    case POOL_TYPE_TIME: return SEEN_TIME;
    case POOL_TYPE_DATETIME: return SEEN_DATETIME;
    case POOL_TYPE_TEXT: return SEEN_TEXT;
    case POOL_TYPE_BYTES: return SEEN_BYTES;
    default: return 0; /* NULL goes with everything */
    }
}

static uint8_t type_of_integers(unsigned seen)
{
    if (!(seen & SEEN_INT))
        return UNSIGNED_LONGLONG;
    if (!(seen & SEEN_HUGE))
        return MYSQL_TYPE_LONGLONG;
    return seen & SEEN_NEGATIVE ? NO_TYPE : UNSIGNED_LONGLONG;
}

/* The common type of what a column has seen. */
static uint8_t type_of(unsigned seen)
{
    switch (seen) {
    case 0: /* NULLs */
    case SEEN_TEXT: return MYSQL_TYPE_STRING;
    case SEEN_BYTES: return MYSQL_TYPE_BLOB;
    case SEEN_DECIMAL: return MYSQL_TYPE_NEWDECIMAL;
    case SEEN_DOUBLE: return MYSQL_TYPE_DOUBLE;
    case SEEN_DATE: return MYSQL_TYPE_DATE;
    case SEEN_TIME: return MYSQL_TYPE_TIME;
    case SEEN_DATETIME: return MYSQL_TYPE_DATETIME;
    default: return seen & ~(unsigned)SEEN_INTEGERS ? NO_TYPE : type_of_integers(seen);
    }
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

size_t pool__bulk_packet_size(const struct pool_value *row, size_t columns)
{
    size_t size = HEAD + 2 * columns;
    for (size_t i = 0; i < columns; i++)
        size += size_of(&row[i]);
    return size;
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
    default: return put_data(to, value->as.bytes.data, value->as.bytes.len);
    }
}

/* ---- packets ---- */

/* True if the row goes with those before, which are then joined by it. */
static bool join(struct pool__bulk_packet *pack, const struct pool_value *row, size_t *size)
{
    size_t more = 0;
    for (size_t i = 0; i < pack->columns; i++) {
        unsigned seen = pack->seen[i];
        unsigned next = seen | look_at(&row[i]);
        if (next != seen && type_of(next) == NO_TYPE)
            return false;
        pack->next[i] = (uint16_t)next;
        more += size_of(&row[i]);
    }
    *size += more;
    return true;
}

/* Returns the bytes that they take. */
static size_t count_rows(struct pool__bulk_packet *pack, const struct pool__table *table,
                         size_t from, size_t most)
{
    size_t size = HEAD + 2 * pack->columns;
    memset(pack->seen, 0, pack->columns * sizeof *pack->seen);
    pack->types_change = false;
    for (size_t at = from; at < table->rows; at++) {
        size_t with = size;
        pack->types_change = !join(pack, table->values + at * pack->columns, &with);
        if (pack->types_change || (at > from && with > most))
            break;
        size = with;
        memcpy(pack->seen, pack->next, pack->columns * sizeof *pack->seen);
        pack->rows++;
    }
    return size;
}

static bool make_room(struct pool__bulk_packet *pack, size_t size)
{
    if (size <= pack->size)
        return true;
    free(pack->data);
    pack->data = malloc(size);
    pack->size = pack->data ? size : 0;
    return pack->data != NULL;
}

static uint8_t *put_types(struct pool__bulk_packet *pack, uint8_t *to)
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

bool pool__bulk_packet_rows(struct pool__bulk_packet *pack, const struct pool__table *table,
                            size_t from, size_t most)
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

void pool__bulk_packet_address(struct pool__bulk_packet *pack, uint32_t statement_id)
{
    put_number(pack->data, statement_id, 4);
}
