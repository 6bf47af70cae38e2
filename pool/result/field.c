/*
 * One value of a row, which pool__decode_row has accepted, read by its form: fixed integers,
 * floats, packed dates. What came as characters is parsed, either as far as it goes (the getters)
 * or as a whole (POOL_SCAN).
 *
 * A value is the same whichever protocol brought it: see number.c for FLOAT and DOUBLE. Numbers
 * that come as digits are read with the decimal point of SQL, whatever the program's language.
 */
#include "result/field.h"

#include "result/moment.h"
#include "result/wire.h"
#include "sql/calendar.h"
#include "sql/chars.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define TWO_TO_63 9223372036854775808.0
#define TWO_TO_64 18446744073709551616.0

/* ---- numbers ---- */

static uint64_t big_endian(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static struct pool__number number_from_double(double value)
{
    return (struct pool__number){.is_double = true, .real = value};
}

/* The mask changes nothing for the sizes that there are, 1 to 8. */
static struct pool__number number_from_signed(uint64_t bits, size_t size)
{
    uint64_t sign = UINT64_C(1) << ((8 * size - 1) & 63);
    bits = (bits ^ sign) - sign;
    bool negative = bits >> 63;
    return (struct pool__number){.negative = negative, .magnitude = negative ? 0 - bits : bits};
}

static float float_of(const struct pool__field *field)
{
    uint32_t bits = (uint32_t)pool__little_endian(field->data, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double double_of(const struct pool__field *field)
{
    uint64_t bits = pool__little_endian(field->data, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static struct pool__number number_from_float(const struct pool__field *field)
{
    unsigned decimals = field->column->decimals;
    float value = float_of(field);
    return number_from_double(decimals < POOL__ANY_DECIMALS
                                  ? pool__number_from_double((double)value, decimals)
                                  : pool__number_from_float(value));
}

static struct pool__number number_from_bytes(const struct pool__field *field)
{
    unsigned decimals = field->column->decimals;
    double value = double_of(field);
    return number_from_double(
        decimals < POOL__ANY_DECIMALS ? pool__number_from_double(value, decimals) : value);
}

/* Only the first 1023 characters count, because strtod needs a NUL and a text of a
 * streamed row has none. */
static double double_of_chars(const struct pool__field *field)
{
    char text[1024];
    size_t len = field->len < sizeof text ? field->len : sizeof text - 1;
    memcpy(text, field->data, len);
    text[len] = '\0';
    return pool__number_of_text(text);
}

/* Reads digits into *value, which becomes UINT64_MAX if they are too many; false then. */
static bool read_digits(struct pool__parser *parser, uint64_t *value)
{
    bool fits = true;
    for (; pool__is_digit_next(parser); parser->at++) {
        uint64_t digit = (uint64_t)(*parser->at - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            fits = false;
        else
            *value = *value * 10 + digit;
    }
    if (!fits)
        *value = UINT64_MAX;
    return fits;
}

static bool read_sign(struct pool__parser *parser)
{
    if (pool__wire_accept(parser, '-'))
        return true;
    pool__wire_accept(parser, '+');
    return false;
}

/* The integer at the start of a text, as strtoll reads it. */
static struct pool__number leading_integer(const struct pool__field *field)
{
    struct pool__parser parser = {field->data, field->data + field->len};
    struct pool__number number = {.is_double = false};
    while (parser.at < parser.end && pool__is_blank(*parser.at))
        parser.at++;
    number.negative = read_sign(&parser);
    read_digits(&parser, &number.magnitude);
    return number;
}

/* The part of a number after the integer digits; false if it is malformed. */
static bool read_fraction_and_exponent(struct pool__parser *parser, bool *ret_fraction,
                                       bool *ret_exponent, bool *digits)
{
    uint64_t ignored = 0;
    if (pool__wire_accept(parser, '.')) {
        *digits |= pool__is_digit_next(parser);
        read_digits(parser, &ignored);
        *ret_fraction = ignored > 0;
    }
    *ret_exponent = pool__wire_accept(parser, 'e') || pool__wire_accept(parser, 'E');
    if (*ret_exponent) {
        read_sign(parser);
        if (!pool__is_digit_next(parser))
            return false;
        read_digits(parser, &ignored);
    }
    return *digits && parser->at == parser->end;
}

/* Integers stay exact, "12.00" included; everything else becomes a double. */
static bool whole_number(const struct pool__field *field, struct pool__number *ret_number)
{
    struct pool__parser parser = {field->data, field->data + field->len};
    struct pool__number number = {.is_double = false};
    bool fraction = false, exponent = false;
    number.negative = read_sign(&parser);
    bool digits = pool__is_digit_next(&parser);
    bool fits = read_digits(&parser, &number.magnitude);
    if (!read_fraction_and_exponent(&parser, &fraction, &exponent, &digits))
        return false;
    if (!fits || fraction || exponent || pool__is_real_type(field->column->type)) {
        if (field->len > 1023)
            return false;
        number = number_from_double(double_of_chars(field));
        number.fractional = fraction && !exponent;
    }
    *ret_number = number;
    return !number.is_double || isfinite(number.real);
}

bool pool__field_number(const struct pool__field *field, struct pool__number *ret_number)
{
    switch ((enum pool__wire_form)field->column->form) {
    case POOL__WIRE_SIGNED:
        *ret_number = number_from_signed(pool__little_endian(field->data, field->len), field->len);
        return true;
    case POOL__WIRE_UNSIGNED:
        *ret_number =
            (struct pool__number){.magnitude = pool__little_endian(field->data, field->len)};
        return true;
    case POOL__WIRE_BIT:
        *ret_number = (struct pool__number){.magnitude = big_endian(field->data, field->len)};
        return true;
    case POOL__WIRE_FLOAT: *ret_number = number_from_float(field); return true;
    case POOL__WIRE_DOUBLE: *ret_number = number_from_bytes(field); return true;
    case POOL__WIRE_CHARS:
        return !pool__calendar_is_type(field->column->type) && whole_number(field, ret_number);
    default: return false;
    }
}

bool pool__field_number_integer(const struct pool__number *number, bool *ret_negative,
                                uint64_t *ret_magnitude)
{
    double size = fabs(number->real);
    if (!number->is_double) {
        *ret_negative = number->negative && number->magnitude > 0;
        *ret_magnitude = number->magnitude;
        return true;
    }
    if (number->fractional || !(size < TWO_TO_64) || trunc(size) != size)
        return false;
    *ret_negative = number->real < 0;
    *ret_magnitude = (uint64_t)size;
    return true;
}

double pool__field_number_double(const struct pool__number *number)
{
    if (number->is_double)
        return number->real;
    return number->negative ? -(double)number->magnitude : (double)number->magnitude;
}

/* What a getter makes of a value: 0 where there is no number. */
static struct pool__number lenient_number(const struct pool__field *field)
{
    struct pool__number number = {.is_double = false};
    if (pool__calendar_is_type(field->column->type))
        return number;
    if (field->column->form == POOL__WIRE_CHARS)
        return pool__is_real_type(field->column->type) ? number_from_double(double_of_chars(field))
                                                       : leading_integer(field);
    pool__field_number(field, &number);
    return number;
}

static int64_t clamp_double_to_int(double value)
{
    if (isnan(value))
        return 0;
    if (value >= TWO_TO_63)
        return INT64_MAX;
    return value < -TWO_TO_63 ? INT64_MIN : (int64_t)value;
}

static uint64_t clamp_double_to_uint(double value)
{
    if (!(value > 0)) /* NaN included */
        return 0;
    return value >= TWO_TO_64 ? UINT64_MAX : (uint64_t)value;
}

int64_t pool__field_int(const struct pool__field *field)
{
    struct pool__number number = lenient_number(field);
    if (number.is_double)
        return clamp_double_to_int(number.real);
    if (number.magnitude > INT64_MAX)
        return number.negative ? INT64_MIN : INT64_MAX;
    return number.negative ? -(int64_t)number.magnitude : (int64_t)number.magnitude;
}

uint64_t pool__field_uint(const struct pool__field *field)
{
    struct pool__number number = lenient_number(field);
    if (number.is_double)
        return clamp_double_to_uint(number.real);
    return number.negative ? 0 : number.magnitude;
}

double pool__field_double(const struct pool__field *field)
{
    if (field->column->form == POOL__WIRE_CHARS && !pool__calendar_is_type(field->column->type))
        return double_of_chars(field);
    struct pool__number number = lenient_number(field);
    return pool__field_number_double(&number);
}

/* ---- dates and times ---- */

bool pool__field_time(const struct pool__field *field, struct pool_time *ret_time)
{
    if (field->column->form == POOL__WIRE_MOMENT)
        return pool__moment_unpack(field->data, field->len, (enum pool_type)field->column->type,
                                   ret_time);
    if (field->column->form == POOL__WIRE_SPAN)
        return pool__moment_unpack_span(field->data, field->len, ret_time);
    return field->column->form == POOL__WIRE_CHARS &&
           pool__moment_parse(field->data, field->len, field->column->type == POOL_TYPE_DATETIME,
                              ret_time);
}

/* ---- text ---- */

/* With zeros before it up to the width of the column, if that is ZEROFILL. */
static size_t fill(const struct pool__field *field, char *text, size_t len)
{
    size_t width = field->column->width;
    if (len >= width)
        return len;
    memmove(text + width - len, text, len + 1);
    memset(text, '0', width - len);
    return width;
}

static size_t format_real(const struct pool__field *field, char *text)
{
    unsigned decimals = field->column->decimals;
    if (field->column->form == POOL__WIRE_DOUBLE)
        return pool__number_double_text(double_of(field), decimals, text);
    return decimals < POOL__ANY_DECIMALS
               ? pool__number_double_text((double)float_of(field), decimals, text)
               : pool__number_float_text(float_of(field), text);
}

static size_t format_time(const struct pool__field *field, char *text)
{
    struct pool_time time = {.type = POOL_TYPE_DATE};
    pool__field_time(field, &time);
    return pool__calendar_text(&time, field->column->decimals, text);
}

size_t pool__field_format(const struct pool__field *field, char text[POOL__TEXT_SIZE])
{
    struct pool__number number;
    enum pool__wire_form form = (enum pool__wire_form)field->column->form;
    text[0] = '\0';
    if (form == POOL__WIRE_MOMENT || form == POOL__WIRE_SPAN)
        return format_time(field, text);
    if (form == POOL__WIRE_FLOAT || form == POOL__WIRE_DOUBLE)
        return fill(field, text, format_real(field, text));
    if (!pool__field_number(field, &number))
        return 0;
    int len =
        snprintf(text, POOL__TEXT_SIZE, "%s%" PRIu64, number.negative ? "-" : "", number.magnitude);
    return fill(field, text, (size_t)len);
}
