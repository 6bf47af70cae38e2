/*
 * Fills in MYSQL_BINDs.
 *
 * Every bind points to its own length and NULL flag: releases of libmariadb differ in
 * when they write to them (CONC-812, CONC-821). A NULL is sent as the type NULL, not as
 * a flag on another type, so that both ways of asking agree. Ranges have been checked by
 * pool__value_check; libmariadb cuts the hour of a TIME to one byte, so hours above 23
 * are passed as days.
 */
#include "conn/bind.h"

#include "base/error.h"

#include <mysql.h>
#include <string.h>

static void bind_bytes(MYSQL_BIND *bind, struct pool__bind_store *store,
                       const struct pool_bytes *bytes, enum enum_field_types type)
{
    bind->buffer_type = type;
    bind->buffer = bytes->data ? (void *)(uintptr_t)bytes->data : "";
    bind->buffer_length = store->length = (unsigned long)bytes->len;
}

static void bind_number(MYSQL_BIND *bind, struct pool__bind_store *store,
                        const struct pool_value *value)
{
    bind->buffer = &store->as;
    bind->buffer_length = store->length = 8;
    bind->buffer_type = MYSQL_TYPE_LONGLONG;
    if (value->type == POOL_TYPE_INT) {
        store->as.i = value->as.i;
    } else if (value->type == POOL_TYPE_UINT) {
        store->as.u = value->as.u;
        bind->is_unsigned = 1;
    } else {
        store->as.d = value->as.d;
        bind->buffer_type = MYSQL_TYPE_DOUBLE;
    }
}

static void bind_date(MYSQL_TIME *to, const struct pool_time *from)
{
    to->year = from->year;
    to->month = from->month;
    to->day = from->day;
}

static void bind_clock(MYSQL_TIME *to, const struct pool_time *from)
{
    to->hour = from->hour;
    to->minute = from->minute;
    to->second = from->second;
    to->second_part = from->microsecond;
}

static void bind_time(MYSQL_BIND *bind, struct pool__bind_store *store,
                      const struct pool_value *value)
{
    MYSQL_TIME *time = &store->as.time;
    bind->buffer = time;
    bind->buffer_length = store->length = sizeof *time;
    if (value->type != POOL_TYPE_TIME)
        bind_date(time, &value->as.time);
    if (value->type != POOL_TYPE_DATE)
        bind_clock(time, &value->as.time);
    if (value->type == POOL_TYPE_DATE) {
        bind->buffer_type = MYSQL_TYPE_DATE;
        time->time_type = MYSQL_TIMESTAMP_DATE;
    } else if (value->type == POOL_TYPE_DATETIME) {
        bind->buffer_type = MYSQL_TYPE_DATETIME;
        time->time_type = MYSQL_TIMESTAMP_DATETIME;
    } else {
        bind->buffer_type = MYSQL_TYPE_TIME;
        time->time_type = MYSQL_TIMESTAMP_TIME;
        time->neg = value->as.time.negative;
        time->day = time->hour / 24;
        time->hour %= 24;
    }
}

static bool bind_value(MYSQL_BIND *bind, struct pool__bind_store *store,
                       const struct pool_value *value)
{
    switch (value->type) {
    case POOL_TYPE_NULL:
        bind->buffer_type = MYSQL_TYPE_NULL;
        store->is_null = 1;
        return true;
    case POOL_TYPE_INT:
    case POOL_TYPE_UINT:
    case POOL_TYPE_DOUBLE: bind_number(bind, store, value); return true;
    case POOL_TYPE_TEXT: bind_bytes(bind, store, &value->as.bytes, MYSQL_TYPE_STRING); return true;
    case POOL_TYPE_BYTES: bind_bytes(bind, store, &value->as.bytes, MYSQL_TYPE_BLOB); return true;
    case POOL_TYPE_DECIMAL:
        bind_bytes(bind, store, &value->as.bytes, MYSQL_TYPE_NEWDECIMAL);
        return true;
    case POOL_TYPE_DATE:
    case POOL_TYPE_TIME:
    case POOL_TYPE_DATETIME: bind_time(bind, store, value); return true;
    default: return false;
    }
}

bool pool__bind_values(MYSQL_BIND *binds, struct pool__bind_store *stores,
                       const struct pool_value *const *values, size_t count, struct pool_error *err)
{
    for (size_t i = 0; i < count; i++) {
        memset(&binds[i], 0, sizeof binds[i]);
        memset(&stores[i], 0, sizeof stores[i]);
        binds[i].length = &stores[i].length;
        binds[i].is_null = &stores[i].is_null;
        if (!values[i] || !bind_value(&binds[i], &stores[i], values[i]))
            return pool__fail(err, POOL_ERR_INVALID,
                              "value %zu is a list or a type that cannot be sent", i + 1);
    }
    return true;
}
