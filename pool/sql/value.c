/*
 * Values for placeholders: how they are made, and whether they can be sent.
 *
 * A value only borrows its text, bytes or list, so nothing here allocates or frees. The
 * constructors accept everything and never fail; what is wrong is found by
 * pool__value_check, which runs once per call before anything is sent, so that the
 * message can name the value. For the same reason a constructor keeps a mistake visible
 * instead of turning it into something valid: a struct pool_time whose type was
 * forgotten must not become the SQL NULL (which is type 0).
 *
 * A NULL text is the SQL NULL. NULL bytes of length 0 are empty bytes, because that is
 * what the data of an empty buffer often is.
 */
#include "sql/value.h"

#include "base/error.h"
#include "sql/calendar.h"
#include "sql/chars.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct pool_value pool_null(void)
{
    return (struct pool_value){.type = POOL_TYPE_NULL};
}

struct pool_value pool_int(int64_t value)
{
    return (struct pool_value){.type = POOL_TYPE_INT, .as.i = value};
}

struct pool_value pool_uint(uint64_t value)
{
    return (struct pool_value){.type = POOL_TYPE_UINT, .as.u = value};
}

struct pool_value pool_double(double value)
{
    return (struct pool_value){.type = POOL_TYPE_DOUBLE, .as.d = value};
}

struct pool_value pool_text(const char *text)
{
    return pool_text_n(text, text ? strlen(text) : 0);
}

struct pool_value pool_text_n(const char *text, size_t len)
{
    if (!text)
        return pool_null();
    return (struct pool_value){.type = POOL_TYPE_TEXT, .as.bytes = {text, len}};
}

struct pool_value pool_bytes(const void *data, size_t len)
{
    return (struct pool_value){.type = POOL_TYPE_BYTES, .as.bytes = {data, len}};
}

struct pool_value pool_decimal(const char *digits)
{
    if (!digits)
        return pool_null();
    return (struct pool_value){.type = POOL_TYPE_DECIMAL, .as.bytes = {digits, strlen(digits)}};
}

struct pool_value pool_time(struct pool_time time)
{
    enum pool_type type = pool__calendar_is_type(time.type) ? time.type : POOL_TYPE_DATETIME;
    return (struct pool_value){.type = type, .as.time = time};
}

struct pool_value pool_list(const struct pool_value *values, size_t count)
{
    return (struct pool_value){.type = POOL_TYPE_LIST, .as.list = {values, count}};
}

struct pool_value pool_named(const char *name, struct pool_value value)
{
    value.name = name;
    return value;
}

static size_t count_digits(const char *text, size_t len)
{
    size_t count = 0;
    while (count < len && pool__is_digit(text[count]))
        count++;
    return count;
}

/* A sign, digits, a point, digits; at least one digit in all. */
static bool is_decimal(const char *text, size_t len)
{
    size_t at = len > 0 && (text[0] == '-' || text[0] == '+');
    size_t digits = count_digits(text + at, len - at);
    at += digits;
    if (at < len && text[at] == '.') {
        at++;
        size_t fraction = count_digits(text + at, len - at);
        at += fraction;
        digits += fraction;
    }
    return at == len && digits > 0;
}

/* Each check returns what is wrong, or NULL. */
static const char *wrong_with_time(const struct pool_value *value)
{
    const struct pool_time *time = &value->as.time;
    if (time->type != value->type)
        return "has a struct pool_time whose type is not DATE, TIME or DATETIME";
    if (time->type != POOL_TYPE_TIME) {
        if (!pool__calendar_has_date(time))
            return "has a year, month or day out of range";
        if (time->negative)
            return "is a negative date";
    }
    if (time->type == POOL_TYPE_DATE)
        return NULL;
    if (!pool__calendar_has_hour(time))
        return "has an hour out of range";
    if (!pool__calendar_has_clock(time))
        return "has a minute, second or microsecond out of range";
    return NULL;
}

static const char *wrong_with_data(const struct pool_value *value)
{
    const struct pool_bytes *bytes = &value->as.bytes;
    if (!bytes->data && bytes->len > 0)
        return "has a length but no data";
    if (value->type == POOL_TYPE_DECIMAL && (!bytes->data || !is_decimal(bytes->data, bytes->len)))
        return "is not a decimal number such as -12.50";
    return NULL;
}

static const char *wrong_with_single(const struct pool_value *value)
{
    switch (value->type) {
    case POOL_TYPE_NULL:
    case POOL_TYPE_INT:
    case POOL_TYPE_UINT: return NULL;
    case POOL_TYPE_DOUBLE:
        return isfinite(value->as.d) ? NULL : "is infinite or not a number, unlike any in SQL";
    case POOL_TYPE_DECIMAL:
    case POOL_TYPE_TEXT:
    case POOL_TYPE_BYTES: return wrong_with_data(value);
    case POOL_TYPE_DATE:
    case POOL_TYPE_TIME:
    case POOL_TYPE_DATETIME: return wrong_with_time(value);
    case POOL_TYPE_LIST: return "is a list inside a list";
    case POOL_TYPE_FLOAT: return "is a FLOAT, which only columns are; use pool_double";
    }
    return "has a type that does not exist";
}

static bool check_list(const struct pool_value *list, const char *label, struct pool_error *err)
{
    if (!list->as.list.values && list->as.list.count > 0)
        return pool__fail(err, POOL_ERR_INVALID, "%s is a list with a count but no values", label);
    for (size_t i = 0; i < list->as.list.count; i++) {
        const char *wrong = wrong_with_single(&list->as.list.values[i]);
        if (wrong)
            return pool__fail(err, POOL_ERR_INVALID, "%s: number %zu of the list %s", label, i + 1,
                              wrong);
    }
    return true;
}

/* `number` counts from 1; 0 if it is not known. */
static bool check(const struct pool_value *value, size_t number, struct pool_error *err)
{
    const char *wrong = value->type == POOL_TYPE_LIST ? NULL : wrong_with_single(value);
    if (!wrong && value->type != POOL_TYPE_LIST)
        return true;
    char label[160];
    if (value->name)
        snprintf(label, sizeof label, "value ':%.128s'", value->name);
    else if (number > 0)
        snprintf(label, sizeof label, "value %zu", number);
    else
        snprintf(label, sizeof label, "the value");
    if (!wrong)
        return check_list(value, label, err);
    return pool__fail(err, POOL_ERR_INVALID, "%s %s", label, wrong);
}

bool pool__value_check(const struct pool_value *value, struct pool_error *err)
{
    return check(value, 0, err);
}

bool pool__value_check_args(struct pool_args args, struct pool_error *err)
{
    if (!args.values && args.count > 0)
        return pool__fail(err, POOL_ERR_INVALID,
                          "the number of values is %zu, but the pointer to them is NULL",
                          args.count);
    for (size_t i = 0; i < args.count; i++)
        if (!check(&args.values[i], i + 1, err))
            return false;
    return true;
}

/* The length of the character at the start of `s`, or 0 if it is not valid: overlong
 * forms, surrogates and what lies above U+10FFFF included. */
static size_t character_length(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    size_t len = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xED && s[1] > 0x9F;
    bool too_high = s[0] == 0xF4 && s[1] > 0x8F;
    return overlong || surrogate || too_high ? 0 : len;
}

size_t pool__value_utf8_length(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t step = character_length((const unsigned char *)text + at, len - at);
        if (step == 0)
            break;
        at += step;
    }
    return at;
}
