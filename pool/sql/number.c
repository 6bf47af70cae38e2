/*
 * A prepared statement returns the 4 or 8 bytes of a number, a text statement digits that the
 * server has made of them. A program must not see which of the two it was, so the digits are
 * made here as the server makes them (my_gcvt and my_fcvt in its strings/dtoa.c):
 *
 *     decimals of the column are fixed       1.500 in a DOUBLE(10,3)
 *     otherwise the fewest that read back    0.1
 *     with an exponent if there would be     1e15, 1e-16, but 100000000000000
 *     15 zeros or more
 *
 * and the number is what these digits say, although the bytes may say more: a DOUBLE for which
 * the server announces six decimals has six. A FLOAT without fixed decimals is the one
 * exception, because the server writes six digits of it into a text statement, and up to nine
 * are needed: here it has all of them.
 *
 * Digits come from printf, which rounds correctly. The point that it writes follows the language
 * of the program, so it is skipped; strtod is asked about a text of printf's own.
 */
#include "sql/number.h"

#include "sql/chars.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 17
#define PLAIN_MAX 15 /* zeros before or behind the digits, at most, and no exponent */
#define TWO_TO_53 9007199254740992.0
#define TWO_TO_24 16777216.0

/* 0.DIGITS * 10^point, without zeros at the end. */
struct digits {
    char digits[DIGITS_MAX + 1];
    int count;
    int point;
    bool negative;
};

static bool reads_back(const char *text, double size, bool is_float)
{
    double back = strtod(text, NULL);
    if (!is_float)
        return back == size;
    return (float)back == (float)size && strtof(text, NULL) == (float)size;
}

static void take_digits(struct digits *digits, const char *text)
{
    digits->count = 0;
    for (; *text && *text != 'e'; text++)
        if (pool__is_digit(*text))
            digits->digits[digits->count++] = *text;
    digits->point = (int)strtol(text + 1, NULL, 10) + 1;
    while (digits->count > 1 && digits->digits[digits->count - 1] == '0')
        digits->count--;
}

/* The next number of as many digits, further from 0. False if that would need another digit. */
static bool increment(char *text)
{
    for (char *at = strchr(text, 'e'); at-- > text;) {
        if (*at >= '0' && *at < '9') {
            ++*at;
            return true;
        }
        if (*at == '9')
            *at = '0';
    }
    return false;
}

/* Numbers below a power of two are closer to it than those above: so the closest number of
 * some digits may be another one, and the next higher still read back. */
static bool is_power_of_two(double size)
{
    int exponent;
    return frexp(size, &exponent) == 0.5;
}

/* Every number of FLT_DIG or DBL_DIG digits survives the way there and back, except below the
 * normal range. */
static void find_digits(double value, bool is_float, struct digits *ret_digits)
{
    char text[64];
    double size = fabs(value);
    int count = is_float ? FLT_DIG : DBL_DIG, most = is_float ? FLT_DECIMAL_DIG : DIGITS_MAX;
    if (size < (is_float ? (double)FLT_MIN : DBL_MIN))
        count = 1;
    for (;; count++) {
        snprintf(text, sizeof text, "%.*e", count - 1, size);
        if (count == most || reads_back(text, size, is_float))
            break;
        if (is_power_of_two(size) && increment(text) && reads_back(text, size, is_float))
            break;
    }
    take_digits(ret_digits, text);
    ret_digits->negative = signbit(value);
}

static char *put_zeros(char *to, int count)
{
    for (; count > 0; count--)
        *to++ = '0';
    return to;
}

static char *put_digits(char *to, const struct digits *digits, int from, int end)
{
    for (int i = from; i < end; i++)
        *to++ = i < digits->count ? digits->digits[i] : '0';
    return to;
}

/* With at least so many decimals. */
static char *put_plain(char *to, const struct digits *digits, int decimals)
{
    int point = digits->point;
    int needed = digits->count > point ? digits->count - point : 0;
    decimals = decimals > needed ? decimals : needed;
    if (point > 0)
        to = put_digits(to, digits, 0, point);
    else
        *to++ = '0';
    if (decimals == 0)
        return to;
    *to++ = '.';
    int zeros = point < 0 ? -point : 0;
    zeros = zeros < decimals ? zeros : decimals;
    to = put_zeros(to, zeros);
    int from = point > 0 ? point : 0;
    return put_digits(to, digits, from, from + decimals - zeros);
}

static char *put_scientific(char *to, const struct digits *digits)
{
    *to++ = digits->digits[0];
    if (digits->count > 1)
        *to++ = '.';
    to = put_digits(to, digits, 1, digits->count);
    return to + snprintf(to, 8, "e%d", digits->point - 1);
}

static size_t finish(const char *text, char *end)
{
    *end = '\0';
    return (size_t)(end - text);
}

/* No server stores such a thing, but it might send one. */
static size_t odd_text(double value, char *text)
{
    return (size_t)snprintf(text, POOL__NUMBER_SIZE, "%g", value);
}

static size_t free_text(const struct digits *digits, char *text)
{
    char *to = text;
    bool plain =
        digits->point > -PLAIN_MAX && (digits->point <= PLAIN_MAX || digits->count > digits->point);
    if (digits->negative)
        *to++ = '-';
    return finish(text, plain ? put_plain(to, digits, 0) : put_scientific(to, digits));
}

/* Fewer decimals than the number has. */
static size_t rounded_text(double value, unsigned decimals, char *text)
{
    char *to = text;
    int len = snprintf(text, POOL__NUMBER_SIZE, "%.*f", (int)decimals, value);
    for (int i = 0; i < len; i++) {
        if (pool__is_digit(text[i]) || text[i] == '-')
            *to++ = text[i];
        else if (to[-1] != '.')
            *to++ = '.';
    }
    return finish(text, to);
}

size_t pool__number_double_text(double value, unsigned decimals, char text[POOL__NUMBER_SIZE])
{
    struct digits digits;
    if (!isfinite(value))
        return odd_text(value, text);
    find_digits(value, false, &digits);
    int needed = digits.count - digits.point;
    /* Who announces no decimals for a fraction does not know. */
    if (decimals >= POOL__ANY_DECIMALS || (decimals == 0 && needed > 0))
        return free_text(&digits, text);
    if (needed > (int)decimals)
        return rounded_text(value, decimals, text);
    char *to = text;
    if (digits.negative)
        *to++ = '-';
    return finish(text, put_plain(to, &digits, (int)decimals));
}

size_t pool__number_float_text(float value, char text[POOL__NUMBER_SIZE])
{
    struct digits digits;
    if (!isfinite(value))
        return odd_text((double)value, text);
    find_digits((double)value, true, &digits);
    return free_text(&digits, text);
}

size_t pool__number_double_literal(double value, char text[POOL__NUMBER_SIZE])
{
    struct digits digits;
    char *to = text;
    if (!isfinite(value))
        return odd_text(value, text);
    find_digits(value, false, &digits);
    if (digits.negative)
        *to++ = '-';
    bool plain = digits.point > -PLAIN_MAX && digits.point <= PLAIN_MAX;
    if (!plain)
        return finish(text, put_scientific(to, &digits));
    to = put_plain(to, &digits, 0);
    *to++ = 'e';
    *to++ = '0';
    return finish(text, to);
}

double pool__number_of_text(const char *text)
{
    locale_t before = uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
    double value = strtod(text, NULL);
    uselocale(before);
    return value;
}

/* The double nearest to `value` rounded to so many decimals; the quotient of two exact numbers
 * is that. False if they are too big to be exact. */
static bool round_quickly(double value, double scale, double most, double *ret_rounded)
{
    double whole = nearbyint(value * scale);
    if (!(fabs(whole) < most))
        return false;
    *ret_rounded = whole / scale;
    return true;
}

static double power_of_ten(unsigned exponent)
{
    double power = 1;
    while (exponent-- > 0)
        power *= 10;
    return power;
}

/* A value that was rounded when it was stored, as those of columns are, is itself. */
double pool__number_from_double(double value, unsigned decimals)
{
    char text[POOL__NUMBER_SIZE];
    double rounded;
    if (decimals >= POOL__ANY_DECIMALS || decimals == 0)
        return value;
    if (decimals <= 15 && round_quickly(value, power_of_ten(decimals), TWO_TO_53, &rounded) &&
        rounded == value)
        return value;
    pool__number_double_text(value, decimals, text);
    return pool__number_of_text(text);
}

/* Most floats have few decimals: the first number of them that gives the same float is the one
 * with the fewest digits, as long as neighbours are no more than 1 apart. */
double pool__number_from_float(float value)
{
    char text[POOL__NUMBER_SIZE];
    double scale = 1, rounded;
    for (int decimals = 0; decimals <= 6; decimals++, scale *= 10)
        if (fabs((double)value) < TWO_TO_24 && round_quickly((double)value, scale, 1e9, &rounded) &&
            (float)rounded == value)
            return rounded;
    if (!isfinite(value))
        return (double)value;
    pool__number_float_text(value, text);
    return pool__number_of_text(text);
}
