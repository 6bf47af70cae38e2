/*
 * Reading what the server sends: rows of the binary protocol (prepared statements) and
 * of the text protocol.
 *
 * There are three layers. pool__row_split takes a packet apart and is the only code that
 * sees unchecked lengths. Above it, a value that it accepted is read by its form: fixed
 * integers, floats, packed dates. What arrives as characters is parsed, either as far as
 * it goes (the getters) or as a whole (POOL_SCAN).
 *
 * Numbers in SQL have a decimal point in every language. printf and strtod follow the
 * program's locale, so they are called here with the C locale set for this thread; in
 * glibc and musl that locale is a constant, which makes it cheap and never fail.
 */
#include "decode.h"

#include <endian.h>
#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHARSET_BINARY 63
#define WIDTH_MAX 255
#define TWO_TO_63 9223372036854775808.0
#define TWO_TO_64 18446744073709551616.0

/* ---- columns ---- */

static enum pool_type type_of(const MYSQL_FIELD *field)
{
    switch (field->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
        return field->flags & UNSIGNED_FLAG ? POOL_TYPE_UINT : POOL_TYPE_INT;
    case MYSQL_TYPE_YEAR:
    case MYSQL_TYPE_BIT: return POOL_TYPE_UINT;
    case MYSQL_TYPE_FLOAT: return POOL_TYPE_FLOAT;
    case MYSQL_TYPE_DOUBLE: return POOL_TYPE_DOUBLE;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL: return POOL_TYPE_DECIMAL;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE: return POOL_TYPE_DATE;
    case MYSQL_TYPE_TIME: return POOL_TYPE_TIME;
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP: return POOL_TYPE_DATETIME;
    case MYSQL_TYPE_NULL: return POOL_TYPE_NULL;
    case MYSQL_TYPE_JSON: return POOL_TYPE_TEXT; /* MySQL calls its character set binary */
    case MYSQL_TYPE_GEOMETRY: return POOL_TYPE_BYTES;
    default: return field->charsetnr == CHARSET_BINARY ? POOL_TYPE_BYTES : POOL_TYPE_TEXT;
    }
}

static uint8_t fixed_size(enum enum_field_types wire)
{
    switch (wire) {
    case MYSQL_TYPE_TINY: return 1;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR: return 2;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_FLOAT: return 4;
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE: return 8;
    default: return 0;
    }
}

/* Unknown types count as characters: every type since 4.1 travels like that, and a
 * wrong guess is found when the row is split. */
static enum pool__wire_form form_of(enum pool_type type, enum enum_field_types wire, bool binary)
{
    if (wire == MYSQL_TYPE_BIT)
        return POOL__FORM_BIT;
    if (!binary)
        return POOL__FORM_CHARS;
    switch (type) {
    case POOL_TYPE_INT: return POOL__FORM_SIGNED;
    case POOL_TYPE_UINT: return POOL__FORM_UNSIGNED;
    case POOL_TYPE_FLOAT: return POOL__FORM_FLOAT;
    case POOL_TYPE_DOUBLE: return POOL__FORM_DOUBLE;
    case POOL_TYPE_DATE:
    case POOL_TYPE_DATETIME: return POOL__FORM_MOMENT;
    case POOL_TYPE_TIME: return POOL__FORM_SPAN;
    case POOL_TYPE_NULL: return POOL__FORM_NOTHING;
    default: return POOL__FORM_CHARS;
    }
}

void pool__column_describe(struct pool__column *ret_column, const MYSQL_FIELD *field, bool binary)
{
    enum pool_type type = type_of(field);
    enum pool__wire_form form = form_of(type, field->type, binary);
    unsigned long width = field->length < WIDTH_MAX ? field->length : WIDTH_MAX;
    bool filled = form == POOL__FORM_UNSIGNED && field->flags & ZEROFILL_FLAG;
    ret_column->width = filled ? (uint32_t)width : 0;
    ret_column->type = (uint8_t)type;
    ret_column->form = (uint8_t)form;
    ret_column->size = binary ? fixed_size(field->type) : 0;
    ret_column->decimals = field->decimals <= 6 ? (uint8_t)field->decimals : 7;
}

/* ---- bytes ---- */

static inline uint64_t little_endian(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    if (size == 8) { /* one load instead of eight, for the most frequent size */
        memcpy(&value, bytes, sizeof value);
        return le64toh(value);
    }
    for (size_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static uint64_t big_endian(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static bool is_time_type(unsigned type)
{
    return type == POOL_TYPE_DATE || type == POOL_TYPE_TIME || type == POOL_TYPE_DATETIME;
}

static bool is_date_valid(const struct pool_time *time)
{
    return time->year <= 9999 && time->month <= 12 && time->day <= 31;
}

static bool is_clock_valid(const struct pool_time *time)
{
    return time->hour <= (time->type == POOL_TYPE_TIME ? 838u : 23u) && time->minute <= 59 &&
           time->second <= 59 && time->microsecond <= 999999;
}

/* Parts that are not sent are zero. */
static bool unpack_moment(const uint8_t *data, size_t len, enum pool_type type,
                          struct pool_time *ret_time)
{
    struct pool_time time = {.type = type};
    if (len != 0 && len != 4 && len != 7 && len != 11)
        return false;
    if (len >= 4) {
        time.year = (unsigned)little_endian(data, 2);
        time.month = data[2];
        time.day = data[3];
    }
    if (len >= 7) {
        time.hour = data[4];
        time.minute = data[5];
        time.second = data[6];
    }
    if (len == 11)
        time.microsecond = (unsigned)little_endian(data + 7, 4);
    if (!is_date_valid(&time) || !is_clock_valid(&time))
        return false;
    *ret_time = time;
    return true;
}

static bool unpack_span(const uint8_t *data, size_t len, struct pool_time *ret_time)
{
    struct pool_time time = {.type = POOL_TYPE_TIME};
    if (len != 0 && len != 8 && len != 12)
        return false;
    if (len >= 8) {
        uint64_t hours = little_endian(data + 1, 4) * 24 + data[5];
        time.negative = data[0] != 0;
        time.hour = hours <= 838 ? (unsigned)hours : UINT32_MAX;
        time.minute = data[6];
        time.second = data[7];
    }
    if (len == 12)
        time.microsecond = (unsigned)little_endian(data + 8, 4);
    if (!is_clock_valid(&time))
        return false;
    *ret_time = time;
    return true;
}

/* ---- rows ---- */

/* Reads a length-encoded integer; 0xfb (NULL) and 0xff are none. */
static bool read_length(const uint8_t **at, const uint8_t *end, uint64_t *ret_length)
{
    if (*at == end)
        return false;
    uint8_t first = *(*at)++;
    if (first < 0xfb) {
        *ret_length = first;
        return true;
    }
    size_t size = first == 0xfc ? 2 : first == 0xfd ? 3 : first == 0xfe ? 8 : 0;
    if (size == 0 || (size_t)(end - *at) < size)
        return false;
    *ret_length = little_endian(*at, size);
    *at += size;
    return true;
}

static const char *check_content(enum pool__wire_form form, const uint8_t *data, size_t len)
{
    struct pool_time time;
    if (form == POOL__FORM_BIT && len > 8)
        return "a BIT value is longer than 8 bytes";
    if (form == POOL__FORM_MOMENT && !unpack_moment(data, len, POOL_TYPE_DATETIME, &time))
        return "a date or time is impossible";
    if (form == POOL__FORM_SPAN && !unpack_span(data, len, &time))
        return "a TIME is impossible";
    return NULL;
}

/* Reads the value at *at, which is not NULL, and steps over it. */
static inline const char *split_value(const struct pool__column *column, const uint8_t *packet,
                                      const uint8_t **at, const uint8_t *end,
                                      struct pool__cell *ret_cell)
{
    uint64_t size = column->size;
    if (size == 0 && !read_length(at, end, &size))
        return "a length is missing or wrong";
    if (size > (uint64_t)(end - *at))
        return "a value goes beyond the end of the packet";
    if (column->size == 0 && column->form != POOL__FORM_CHARS) {
        const char *wrong = check_content(column->form, *at, (size_t)size);
        if (wrong)
            return wrong;
    }
    *ret_cell = (struct pool__cell){(uint32_t)(*at - packet), (uint32_t)size};
    *at += size;
    return NULL;
}

static inline bool is_null_bit_set(const uint8_t *bitmap, unsigned column)
{
    size_t bit = (size_t)column + 2; /* the protocol reserves two */
    return bitmap[bit / 8] >> (bit % 8) & 1;
}

const char *pool__row_split(const struct pool__column *columns, unsigned count, bool binary,
                            const uint8_t *packet, size_t len, struct pool__cell *ret_cells,
                            unsigned *ret_column)
{
    const uint8_t *at = packet, *end = packet + len, *bitmap = packet + 1;
    *ret_column = 0;
    if (binary) {
        size_t header = 1 + ((size_t)count + 9) / 8;
        if (len < header || packet[0] != 0)
            return "the header is missing or wrong";
        at += header;
    }
    for (unsigned i = 0; i < count; i++) {
        bool null = binary ? is_null_bit_set(bitmap, i) || columns[i].form == POOL__FORM_NOTHING
                           : at < end && *at == 0xfb;
        if (null) {
            at += !binary;
            ret_cells[i] = (struct pool__cell){0, POOL__CELL_NULL};
            continue;
        }
        const char *wrong = split_value(&columns[i], packet, &at, end, &ret_cells[i]);
        if (wrong) {
            *ret_column = i + 1;
            return wrong;
        }
    }
    return at == end ? NULL : "bytes are left over after the last column";
}

/* ---- numbers ---- */

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

static struct pool__number number_from_float(const struct pool__field *field)
{
    uint32_t bits = (uint32_t)little_endian(field->data, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return number_from_double((double)value);
}

static struct pool__number number_from_bytes(const struct pool__field *field)
{
    uint64_t bits = little_endian(field->data, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return number_from_double(value);
}

static double double_of_text(const char *text)
{
    locale_t before = uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
    double value = strtod(text, NULL);
    uselocale(before);
    return value;
}

/* Only the first 1023 characters count, because strtod needs a NUL and a text of a
 * streamed row has none. */
static double double_of_chars(const struct pool__field *field)
{
    char text[1024];
    size_t len = field->len < sizeof text ? field->len : sizeof text - 1;
    memcpy(text, field->data, len);
    text[len] = '\0';
    return double_of_text(text);
}

/* Text that is being parsed: a position in characters of known length. */
struct parser {
    const uint8_t *at;
    const uint8_t *end;
};

static bool accept(struct parser *parser, char c)
{
    if (parser->at == parser->end || *parser->at != (uint8_t)c)
        return false;
    parser->at++;
    return true;
}

static bool is_digit_next(const struct parser *parser)
{
    return parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9';
}

/* Reads digits into *value, which becomes UINT64_MAX if they are too many; false then. */
static bool read_digits(struct parser *parser, uint64_t *value)
{
    bool fits = true;
    for (; is_digit_next(parser); parser->at++) {
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

static bool read_sign(struct parser *parser)
{
    if (accept(parser, '-'))
        return true;
    accept(parser, '+');
    return false;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The integer at the start of a text, as strtoll reads it. */
static struct pool__number leading_integer(const struct pool__field *field)
{
    struct parser parser = {field->data, field->data + field->len};
    struct pool__number number = {.is_double = false};
    while (parser.at < parser.end && is_space(*parser.at))
        parser.at++;
    number.negative = read_sign(&parser);
    read_digits(&parser, &number.magnitude);
    return number;
}

/* The part of a number after the integer digits; false if it is malformed. */
static bool read_fraction_and_exponent(struct parser *parser, bool *ret_fraction,
                                       bool *ret_exponent, bool *digits)
{
    uint64_t ignored = 0;
    if (accept(parser, '.')) {
        *digits |= is_digit_next(parser);
        read_digits(parser, &ignored);
        *ret_fraction = ignored > 0;
    }
    *ret_exponent = accept(parser, 'e') || accept(parser, 'E');
    if (*ret_exponent) {
        read_sign(parser);
        if (!is_digit_next(parser))
            return false;
        read_digits(parser, &ignored);
    }
    return *digits && parser->at == parser->end;
}

/* Integers stay exact, "12.00" included; everything else becomes a double. */
static bool whole_number(const struct pool__field *field, struct pool__number *ret_number)
{
    struct parser parser = {field->data, field->data + field->len};
    struct pool__number number = {.is_double = false};
    bool fraction = false, exponent = false;
    number.negative = read_sign(&parser);
    bool digits = is_digit_next(&parser);
    bool fits = read_digits(&parser, &number.magnitude);
    if (!read_fraction_and_exponent(&parser, &fraction, &exponent, &digits))
        return false;
    if (!fits || fraction || exponent) {
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
    case POOL__FORM_SIGNED:
        *ret_number = number_from_signed(little_endian(field->data, field->len), field->len);
        return true;
    case POOL__FORM_UNSIGNED:
        *ret_number = (struct pool__number){.magnitude = little_endian(field->data, field->len)};
        return true;
    case POOL__FORM_BIT:
        *ret_number = (struct pool__number){.magnitude = big_endian(field->data, field->len)};
        return true;
    case POOL__FORM_FLOAT: *ret_number = number_from_float(field); return true;
    case POOL__FORM_DOUBLE: *ret_number = number_from_bytes(field); return true;
    case POOL__FORM_CHARS:
        return !is_time_type(field->column->type) && whole_number(field, ret_number);
    default: return false;
    }
}

bool pool__number_integer(const struct pool__number *number, bool *ret_negative,
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

double pool__number_double(const struct pool__number *number)
{
    if (number->is_double)
        return number->real;
    return number->negative ? -(double)number->magnitude : (double)number->magnitude;
}

/* What a getter makes of a value: 0 where there is no number. */
static struct pool__number lenient_number(const struct pool__field *field)
{
    struct pool__number number = {.is_double = false};
    if (is_time_type(field->column->type))
        return number;
    if (field->column->form == POOL__FORM_CHARS)
        return leading_integer(field);
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
    if (field->column->form == POOL__FORM_CHARS && !is_time_type(field->column->type))
        return double_of_chars(field);
    struct pool__number number = lenient_number(field);
    return pool__number_double(&number);
}

/* ---- dates and times ---- */

/* Exactly `count` digits, or from 1 to `count` if `fewer`. */
static bool read_unit(struct parser *parser, unsigned count, bool fewer, unsigned *ret_value)
{
    unsigned digits = 0, value = 0;
    for (; digits < count && is_digit_next(parser); digits++)
        value = value * 10 + (unsigned)(*parser->at++ - '0');
    *ret_value = value;
    return digits == count || (fewer && digits > 0);
}

static bool read_fraction(struct parser *parser, unsigned *ret_microsecond)
{
    unsigned value = 0, digits = 0;
    if (!accept(parser, '.'))
        return true;
    for (; digits < 6 && is_digit_next(parser); digits++)
        value = value * 10 + (unsigned)(*parser->at++ - '0');
    if (digits == 0)
        return false;
    for (; digits < 6; digits++)
        value *= 10;
    *ret_microsecond = value;
    return true;
}

static bool read_clock(struct parser *parser, struct pool_time *time)
{
    bool span = time->type == POOL_TYPE_TIME;
    return read_unit(parser, span ? 3 : 2, span, &time->hour) && accept(parser, ':') &&
           read_unit(parser, 2, false, &time->minute) && accept(parser, ':') &&
           read_unit(parser, 2, false, &time->second) &&
           read_fraction(parser, &time->microsecond) && parser->at == parser->end &&
           is_clock_valid(time);
}

static bool read_date(struct parser *parser, struct pool_time *time)
{
    return read_unit(parser, 4, false, &time->year) && accept(parser, '-') &&
           read_unit(parser, 2, false, &time->month) && accept(parser, '-') &&
           read_unit(parser, 2, false, &time->day) && is_date_valid(time);
}

/* "YYYY-MM-DD", the same with " hh:mm:ss[.ffffff]", or "[-]h:mm:ss[.ffffff]". A bare date
 * in a DATETIME column is midnight. */
static bool parse_time(const struct pool__field *field, struct pool_time *ret_time)
{
    struct parser parser = {field->data, field->data + field->len};
    struct pool_time time = {.type = POOL_TYPE_DATETIME};
    if (field->len >= 10 && field->data[4] == '-') {
        if (!read_date(&parser, &time))
            return false;
        if (parser.at == parser.end)
            time.type = field->column->type == POOL_TYPE_DATETIME ? POOL_TYPE_DATETIME
                                                                  : POOL_TYPE_DATE;
        else if ((!accept(&parser, ' ') && !accept(&parser, 'T')) || !read_clock(&parser, &time))
            return false;
    } else {
        time.type = POOL_TYPE_TIME;
        time.negative = accept(&parser, '-');
        if (!read_clock(&parser, &time))
            return false;
    }
    *ret_time = time;
    return true;
}

bool pool__field_time(const struct pool__field *field, struct pool_time *ret_time)
{
    if (field->column->form == POOL__FORM_MOMENT)
        return unpack_moment(field->data, field->len, (enum pool_type)field->column->type,
                             ret_time);
    if (field->column->form == POOL__FORM_SPAN)
        return unpack_span(field->data, field->len, ret_time);
    return field->column->form == POOL__FORM_CHARS && parse_time(field, ret_time);
}

/* ---- text ---- */

static size_t format_time(const struct pool__field *field, char *text)
{
    struct pool_time time = {.type = POOL_TYPE_DATE};
    int len = 0;
    pool__field_time(field, &time);
    if (time.type != POOL_TYPE_TIME)
        len = snprintf(text, POOL__TEXT_SIZE, "%04u-%02u-%02u%s", time.year, time.month, time.day,
                       time.type == POOL_TYPE_DATE ? "" : " ");
    if (time.type == POOL_TYPE_DATE)
        return (size_t)len;
    len += snprintf(text + len, POOL__TEXT_SIZE - (size_t)len, "%s%02u:%02u:%02u.%06u",
                    time.negative ? "-" : "", time.hour, time.minute, time.second,
                    time.microsecond);
    int digits = field->column->decimals;
    if (digits > 6)
        digits = time.microsecond > 0 ? 6 : 0;
    len -= digits > 0 ? 6 - digits : 7; /* without digits the point goes too */
    text[len] = '\0';
    return (size_t)len;
}

/* The fewest digits that read back as the same number. Every decimal of FLT_DIG or
 * DBL_DIG digits survives the way there and back, except below the normal range. */
static size_t format_double(double value, bool is_float, char *text)
{
    int digits = is_float ? FLT_DIG : DBL_DIG, most = is_float ? 9 : 17, len;
    if (fabs(value) < (is_float ? (double)FLT_MIN : DBL_MIN))
        digits = 1;
    locale_t before = uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
    for (;; digits++) {
        len = snprintf(text, POOL__TEXT_SIZE, "%.*g", digits, value);
        if (digits == most || !isfinite(value))
            break;
        if (is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    uselocale(before);
    return (size_t)len;
}

size_t pool__field_format(const struct pool__field *field, char text[POOL__TEXT_SIZE])
{
    struct pool__number number = {.is_double = false};
    text[0] = '\0';
    if (field->column->form == POOL__FORM_MOMENT || field->column->form == POOL__FORM_SPAN)
        return format_time(field, text);
    if (!pool__field_number(field, &number))
        return 0;
    if (number.is_double)
        return format_double(number.real, field->column->form == POOL__FORM_FLOAT, text);
    return (size_t)snprintf(text, POOL__TEXT_SIZE, "%s%0*" PRIu64, number.negative ? "-" : "",
                            (int)field->column->width, number.magnitude);
}
