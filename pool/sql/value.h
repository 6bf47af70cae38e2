/*
 * Checks of the values that go into placeholders. The constructors are public: see
 * mypool.h. threads: any.
 */
#ifndef POOL_SQL_VALUE_H
#define POOL_SQL_VALUE_H

#include "mypool.h"

/* True if the value can be sent: a type that arguments may have, data where a length
 * says so, digits in a decimal, a date and time within their ranges, a finite double, a
 * list of such values without lists in it. The error names the value. */
bool pool__value_check(const struct pool_value *value, struct pool_error *err);

/* The same for all values of a call; those without a name are named by number, from 1. */
bool pool__value_check_args(struct pool_args args, struct pool_error *err);

/* Whether the value is in as.bytes. */
static inline bool pool__value_has_bytes(const struct pool_value *value)
{
    return value->type == POOL_TYPE_TEXT || value->type == POOL_TYPE_BYTES ||
           value->type == POOL_TYPE_DECIMAL;
}

/* The offset of the first byte that is not part of valid UTF-8, or `len`. */
size_t pool__value_utf8_length(const char *text, size_t len);

#endif
