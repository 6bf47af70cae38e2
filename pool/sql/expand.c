/*
 * A statement for the prepared protocol, which knows only ? and single values: its names and
 * lists are taken out. How the same looks as text is in literal.c; what stands where, and what
 * becomes of an empty list, both have from placeholders.h.
 *
 * In IN (...) a list is padded with its last value up to a power of two. It selects the same
 * rows, and a program that uses lists of all lengths up to 1000 prepares ten statements
 * instead of a thousand. Anywhere else, as in VALUES (?) or JSON_ARRAY(?), a value more would
 * mean something: there a list takes as many placeholders as it has values.
 */
#include "sql/expand.h"

#include "base/error.h"
#include "sql/give.h"
#include "sql/lexer.h"
#include "sql/placeholders.h"
#include "sql/readings.h"
#include "sql/value.h"

#include <stdlib.h>
#include <string.h>

bool pool__expand_is_needed(struct pool_args args)
{
    for (size_t i = 0; i < args.count; i++)
        if (args.values[i].name || args.values[i].type == POOL_TYPE_LIST)
            return true;
    return false;
}

/* The number of ? that a value takes; 0 for an empty list. Counts over the limit are not
 * padded, so that the doubling cannot overflow. */
static size_t width(const struct pool__placeholder *place, bool padded)
{
    if (place->value->type != POOL_TYPE_LIST)
        return 1;
    size_t count = place->value->as.list.count;
    if (!padded || place->list == POOL__NOWHERE || count == 0 || count > POOL__MAX_PLACEHOLDERS)
        return count;
    size_t power = 1;
    while (power < count)
        power *= 2;
    return power;
}

/* The sum of the widths. It stops growing soon after the limit, so it cannot overflow. */
static size_t total_width(const struct pool__placeholders *places, bool padded)
{
    size_t total = 0;
    for (size_t i = 0; i < places->count && total <= POOL__MAX_PLACEHOLDERS; i++) {
        size_t more = width(&places->places[i], padded);
        total += more <= POOL__MAX_PLACEHOLDERS ? more : POOL__MAX_PLACEHOLDERS + 1;
    }
    return total;
}

static void append(struct pool__expanded *to, const char *text, size_t len)
{
    memcpy(to->sql + to->len, text, len);
    to->len += len;
}

/* The text before place number `at`, or behind all of them. */
static void write_between(struct pool__expanded *expanded, const char *sql,
                          const struct pool__placeholders *places, size_t at, size_t from,
                          size_t to)
{
    while (from < to) {
        size_t cut = pool__placeholders_next_cut(places, at, from, to);
        append(expanded, sql + from, cut - from);
        from = cut + 1;
    }
}

/* Writes the ? of one value and remembers which single values they stand for. */
static void write_values(struct pool__expanded *expanded, const struct pool__placeholder *place,
                         bool padded)
{
    const struct pool_value *value = place->value;
    size_t count = width(place, padded);
    for (size_t i = 0; i < count; i++) {
        const struct pool_value *single = value;
        if (value->type == POOL_TYPE_LIST) {
            size_t last = value->as.list.count - 1;
            single = &value->as.list.values[i < last ? i : last];
        }
        expanded->values[expanded->count++] = single;
        append(expanded, i == 0 ? "?" : ",?", i == 0 ? 1 : 2);
    }
}

/* `rest` is the text behind the place. */
static void write_place(struct pool__expanded *expanded, const struct pool__placeholder *place,
                        bool padded, const char *rest, size_t rest_len)
{
    if (place->fill == POOL__FILL_NOTHING)
        return;
    if (expanded->len > 0 && pool__placeholders_touch_before(expanded->sql[expanded->len - 1]))
        append(expanded, " ", 1);
    if (place->fill == POOL__FILL_NO_ROWS)
        append(expanded, POOL__NO_ROWS, strlen(POOL__NO_ROWS));
    else
        write_values(expanded, place, padded);
    if (rest_len > 0 && pool__placeholders_touch_after(rest[0]))
        append(expanded, " ", 1);
}

static void write_expanded(struct pool__expanded *expanded, const char *sql, size_t len,
                           const struct pool__placeholders *places, bool padded)
{
    size_t done = 0;
    for (size_t i = 0; i < places->count; i++) {
        const struct pool__placeholder *place = &places->places[i];
        write_between(expanded, sql, places, i, done, place->start);
        done = place->start + place->len;
        write_place(expanded, place, padded, sql + done, len - done);
    }
    write_between(expanded, sql, places, places->count, done, len);
    expanded->sql[expanded->len] = '\0';
}

static bool expand(const char *sql, size_t len, const struct pool__placeholders *places,
                   struct pool__expanded *ret_expanded, struct pool_error *err)
{
    bool padded = total_width(places, true) <= POOL__MAX_PLACEHOLDERS;
    size_t total = total_width(places, padded);
    if (total > POOL__MAX_PLACEHOLDERS)
        return pool__fail(err, POOL_ERR_INVALID,
                          "statement has more than %d placeholders, its lists included",
                          POOL__MAX_PLACEHOLDERS);
    /* A value takes two bytes (",?"); a place two blanks, and its words instead of values. */
    size_t size = len + (2 + strlen(POOL__NO_ROWS)) * places->count + 2 * total + 1;
    struct pool__expanded expanded = {0};
    expanded.sql = malloc(size);
    expanded.values = malloc((total + 1) * sizeof *expanded.values);
    if (!expanded.sql || !expanded.values) {
        pool__expand_free(&expanded);
        return pool__fail(err, POOL_ERR_NOMEM, "out of memory for an SQL statement");
    }
    write_expanded(&expanded, sql, len, places, padded);
    *ret_expanded = expanded;
    return true;
}

bool pool__expand(const char *sql, size_t len, struct pool_args args,
                  struct pool__expanded *ret_expanded, struct pool_error *err)
{
    struct pool__placeholders places = {0};
    bool ok =
        pool__value_check_args(args, err) &&
        pool__readings_find_possible(&places, sql, len, pool__placeholders_depth(args), err) &&
        pool__give_values(&places, sql, args, err) && expand(sql, len, &places, ret_expanded, err);
    pool__placeholders_free(&places);
    return ok;
}

void pool__expand_free(struct pool__expanded *expanded)
{
    free(expanded->sql);
    free(expanded->values);
    *expanded = (struct pool__expanded){0};
}
