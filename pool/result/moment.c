/*
 * Dates and times come packed, as a few bytes of which those at the end are left out if they are
 * zero, or as characters. Zero dates are kept; what is impossible is refused.
 */
#include "result/moment.h"

#include "result/wire.h"
#include "sql/calendar.h"

/* Parts that are not sent are zero. */
bool pool__moment_unpack(const uint8_t *data, size_t len, enum pool_type type,
                         struct pool_time *ret_time)
{
    struct pool_time time = {.type = type};
    if (len != 0 && len != 4 && len != 7 && len != 11)
        return false;
    if (len >= 4) {
        time.year = (unsigned)pool__little_endian(data, 2);
        time.month = data[2];
        time.day = data[3];
    }
    if (len >= 7) {
        time.hour = data[4];
        time.minute = data[5];
        time.second = data[6];
    }
    if (len == 11)
        time.microsecond = (unsigned)pool__little_endian(data + 7, 4);
    if (!pool__calendar_has_date(&time) || !pool__calendar_has_clock(&time))
        return false;
    *ret_time = time;
    return true;
}

bool pool__moment_unpack_span(const uint8_t *data, size_t len, struct pool_time *ret_time)
{
    struct pool_time time = {.type = POOL_TYPE_TIME};
    if (len != 0 && len != 8 && len != 12)
        return false;
    if (len >= 8) {
        uint64_t hours = pool__little_endian(data + 1, 4) * 24 + data[5];
        time.negative = data[0] != 0;
        time.hour = hours <= 838 ? (unsigned)hours : UINT32_MAX;
        time.minute = data[6];
        time.second = data[7];
    }
    if (len == 12)
        time.microsecond = (unsigned)pool__little_endian(data + 8, 4);
    if (!pool__calendar_has_clock(&time))
        return false;
    *ret_time = time;
    return true;
}

/* Exactly `count` digits, or from 1 to `count` if `fewer`. */
static bool read_unit(struct pool__parser *parser, unsigned count, bool fewer, unsigned *ret_value)
{
    unsigned digits = 0, value = 0;
    for (; digits < count && pool__is_digit_next(parser); digits++)
        value = value * 10 + (unsigned)(*parser->at++ - '0');
    *ret_value = value;
    return digits == count || (fewer && digits > 0);
}

static bool read_fraction(struct pool__parser *parser, unsigned *ret_microsecond)
{
    unsigned value = 0, digits = 0;
    if (!pool__wire_accept(parser, '.'))
        return true;
    for (; digits < 6 && pool__is_digit_next(parser); digits++)
        value = value * 10 + (unsigned)(*parser->at++ - '0');
    if (digits == 0)
        return false;
    for (; digits < 6; digits++)
        value *= 10;
    *ret_microsecond = value;
    return true;
}

static bool read_clock(struct pool__parser *parser, struct pool_time *time)
{
    bool span = time->type == POOL_TYPE_TIME;
    return read_unit(parser, span ? 3 : 2, span, &time->hour) && pool__wire_accept(parser, ':') &&
           read_unit(parser, 2, false, &time->minute) && pool__wire_accept(parser, ':') &&
           read_unit(parser, 2, false, &time->second) &&
           read_fraction(parser, &time->microsecond) && parser->at == parser->end &&
           pool__calendar_has_clock(time);
}

static bool read_date(struct pool__parser *parser, struct pool_time *time)
{
    return read_unit(parser, 4, false, &time->year) && pool__wire_accept(parser, '-') &&
           read_unit(parser, 2, false, &time->month) && pool__wire_accept(parser, '-') &&
           read_unit(parser, 2, false, &time->day) && pool__calendar_has_date(time);
}

/* "YYYY-MM-DD", the same with " hh:mm:ss[.ffffff]", or "[-]h:mm:ss[.ffffff]". A bare date
 * in a DATETIME column is midnight. */
bool pool__moment_parse(const uint8_t *text, size_t len, bool is_datetime,
                        struct pool_time *ret_time)
{
    struct pool__parser parser = {text, text + len};
    struct pool_time time = {.type = POOL_TYPE_DATETIME};
    if (len >= 10 && text[4] == '-') {
        if (!read_date(&parser, &time))
            return false;
        if (parser.at == parser.end)
            time.type = is_datetime ? POOL_TYPE_DATETIME : POOL_TYPE_DATE;
        else if ((!pool__wire_accept(&parser, ' ') && !pool__wire_accept(&parser, 'T')) ||
                 !read_clock(&parser, &time))
            return false;
    } else {
        time.type = POOL_TYPE_TIME;
        time.negative = pool__wire_accept(&parser, '-');
        if (!read_clock(&parser, &time))
            return false;
    }
    *ret_time = time;
    return true;
}
