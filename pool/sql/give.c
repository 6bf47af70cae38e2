/*
 * Which value goes where.
 *
 * Every value must be used and every placeholder must have a value: a value too many is as
 * likely a mistake as one too few.
 *
 * `x IN ()` is no SQL, so an empty list takes its comma along, and where nothing is left all
 * of it becomes a subquery without rows. That is false for IN and true for NOT IN, also if x
 * is NULL, as it should be; IN (NULL) would be NULL for both. Anywhere else an empty list
 * leaves a hole that only the program can mean something by, and is refused. So it is where
 * an executable comment begins or ends inside the parentheses: what is left depends on who
 * reads it.
 */
#include "sql/give.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static bool give_in_order(struct pool__placeholders *places, struct pool_args args,
                          struct pool_error *err)
{
    if (args.count != places->count)
        return pool__fail(err, POOL_ERR_INVALID,
                          "statement has %zu placeholder%s but %zu value%s given", places->count,
                          places->count == 1 ? "" : "s", args.count,
                          args.count == 1 ? " was" : "s were");
    for (size_t i = 0; i < args.count; i++) {
        if (args.values[i].name)
            return pool__fail(err, POOL_ERR_INVALID,
                              "value ':%.128s' has a name but the statement has ? placeholders",
                              args.values[i].name);
        places->places[i].value = &args.values[i];
    }
    return true;
}

/* The value with the name of that length, or NULL. */
static const struct pool_value *find_value(struct pool_args args, const char *name, size_t len)
{
    for (size_t i = 0; i < args.count; i++)
        if (strncmp(args.values[i].name, name, len) == 0 && args.values[i].name[len] == '\0')
            return &args.values[i];
    return NULL;
}

/* A second value of the same name is never found, so it turns up here, too. */
static bool check_all_used(struct pool_args args, const bool *used, struct pool_error *err)
{
    for (size_t i = 0; i < args.count; i++) {
        const char *name = args.values[i].name;
        if (used[i])
            continue;
        bool twice = find_value(args, name, strlen(name)) != &args.values[i];
        return pool__fail(err, POOL_ERR_INVALID,
                          twice ? "value ':%.128s' was given twice"
                                : "value ':%.128s' is not used in the statement",
                          name);
    }
    return true;
}

static bool check_all_named(struct pool_args args, struct pool_error *err)
{
    for (size_t i = 0; i < args.count; i++)
        if (!args.values[i].name)
            return pool__fail(err, POOL_ERR_INVALID,
                              "value %zu has no name but the statement has :name placeholders",
                              i + 1);
    return true;
}

static bool give_by_name(struct pool__placeholders *places, const char *sql, struct pool_args args,
                         bool *used, struct pool_error *err)
{
    for (size_t i = 0; i < places->count; i++) {
        struct pool__placeholder *place = &places->places[i];
        const char *name = sql + place->start + 1;
        size_t len = place->len - 1;
        place->value = find_value(args, name, len);
        if (!place->value)
            return pool__fail(err, POOL_ERR_INVALID, "no value was given for placeholder ':%.*s'",
                              len < 128 ? (int)len : 128, name);
        used[place->value - args.values] = true;
    }
    return check_all_used(args, used, err);
}

static bool give_named(struct pool__placeholders *places, const char *sql, struct pool_args args,
                       struct pool_error *err)
{
    if (!check_all_named(args, err))
        return false;
    bool *used = calloc(args.count + 1, sizeof *used);
    if (!used)
        return pool__fail(err, POOL_ERR_NOMEM, "out of memory for an SQL statement");
    bool ok = give_by_name(places, sql, args, used, err);
    free(used);
    return ok;
}

static bool is_empty(const struct pool__placeholder *place)
{
    return place->value->type == POOL_TYPE_LIST && place->value->as.list.count == 0;
}

static bool fail_empty(const struct pool__placeholders *places, size_t at, bool split,
                       struct pool_error *err)
{
    const struct pool__placeholder *place = &places->places[at];
    const char *why =
        split ? "in an IN (...) that an executable comment is a part of" : "outside of IN (...)";
    if (place->value->name)
        return pool__fail(err, POOL_ERR_INVALID,
                          "value ':%.128s' is an empty list, for the placeholder at byte %zu, %s",
                          place->value->name, place->start, why);
    return pool__fail(err, POOL_ERR_INVALID,
                      "value %zu is an empty list, for the placeholder at byte %zu, %s", at + 1,
                      place->start, why);
}

static bool count_empty(struct pool__placeholders *places, bool *any, struct pool_error *err)
{
    for (size_t i = 0; i < places->count; i++) {
        const struct pool__placeholder *place = &places->places[i];
        if (!is_empty(place))
            continue;
        if (place->list == POOL__NOWHERE || places->lists[place->list].is_split)
            return fail_empty(places, i, place->list != POOL__NOWHERE, err);
        places->lists[place->list].empty++;
        *any = true;
    }
    return true;
}

/* The comma before it, if an element stays before that. Otherwise that behind it: those before
 * have taken theirs. */
static void leave_out(struct pool__placeholder *place, bool keeps_one_before)
{
    place->fill = POOL__FILL_NOTHING;
    place->cut = keeps_one_before ? place->comma_before : place->comma_after;
}

static void fill_empty(struct pool__placeholders *places)
{
    for (size_t i = 0; i < places->count; i++) {
        struct pool__placeholder *place = &places->places[i];
        if (!is_empty(place))
            continue;
        struct pool__in_list *list = &places->lists[place->list];
        bool whole = list->empty == list->elements;
        if (whole && place->element == 0)
            place->fill = POOL__FILL_NO_ROWS;
        else
            leave_out(place, whole || place->element > list->left_out);
        list->left_out++;
    }
}

bool pool__give_values(struct pool__placeholders *places, const char *sql, struct pool_args args,
                       struct pool_error *err)
{
    bool any = false;
    bool ok = places->named ? give_named(places, sql, args, err) : give_in_order(places, args, err);
    if (!ok || !count_empty(places, &any, err))
        return false;
    if (any)
        fill_empty(places);
    return true;
}
