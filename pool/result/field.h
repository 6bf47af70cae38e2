/*
 * One value of a row: as a number, a time, or text. See field.c.
 */
#ifndef POOL_RESULT_FIELD_H
#define POOL_RESULT_FIELD_H

#include "result/decode.h"
#include "sql/number.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value that is not NULL. */
struct pool__field {
    const struct pool__column *column;
    const uint8_t *data;
    size_t len;
};

/* An integer from -2^64 to 2^64, or a double. */
struct pool__number {
    bool is_double;
    bool fractional; /* a double that was written with a fraction, whatever it was rounded to */
    bool negative;   /* of `magnitude` */
    uint64_t magnitude;
    double real;
};

/* The leading number of a text, as strtoll and strtod read it; too big is clamped, no
 * number is 0. Dates and times are 0: in no form are they a number. */
int64_t pool__field_int(const struct pool__field *field);
uint64_t pool__field_uint(const struct pool__field *field);
double pool__field_double(const struct pool__field *field);

/* False unless the value is a number from its first to its last byte. */
bool pool__field_number(const struct pool__field *field, struct pool__number *ret_number);

/* The integer that a number is exactly; false if it has a fraction or is too big. */
bool pool__field_number_integer(const struct pool__number *number, bool *ret_negative,
                                uint64_t *ret_magnitude);
double pool__field_number_double(const struct pool__number *number);

/* Dates, times, and text that is one. */
bool pool__field_time(const struct pool__field *field, struct pool_time *ret_time);

#define POOL__TEXT_SIZE POOL__NUMBER_SIZE

/* The text of a value of any form but POOL__WIRE_CHARS, with a NUL. Returns its length. */
size_t pool__field_format(const struct pool__field *field, char text[POOL__TEXT_SIZE]);

#endif
