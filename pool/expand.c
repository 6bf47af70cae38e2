/*
 * Which value goes where: places, named values and lists.
 *
 * Both ways to send values start here. The text protocol writes literals into the places
 * (format.c); a prepared statement, which knows only ? and single values, first has its
 * names and lists taken out. Either way every value must be used and every placeholder
 * must have a value: a value too many is as likely a mistake as one too few.
 *
 * A list is padded with its last value up to a power of two. It selects the same rows,
 * and a program that uses lists of all lengths up to 1000 prepares ten statements instead
 * of a thousand.
 */
#include "sql.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "token.h"
#include "value.h"

static bool fail_memory(struct pool_error *err)
{
    return pool__fail(err, POOL_ERR_NOMEM, "out of memory for an SQL statement");
}

void pool__sql_places_free(struct pool__sql_places *places)
{
    free(places->places);
    *places = (struct pool__sql_places){0};
}

static bool add_place(struct pool__sql_places *places, struct pool__sql_place place,
                      struct pool_error *err)
{
    if (places->count == places->capacity) {
        size_t capacity = places->capacity ? places->capacity * 2 : 16;
        void *grown = realloc(places->places, capacity * sizeof *places->places);
        if (!grown)
            return fail_memory(err);
        places->places = grown;
        places->capacity = capacity;
    }
    places->places[places->count++] = place;
    return true;
}

static bool find_placeholders(struct pool__sql_places *places, struct pool__lexer *lexer,
                              struct pool_error *err)
{
    for (;;) {
        struct pool__token token;
        if (!pool__lexer_next(lexer, &token, err))
            return false;
        if (token.kind == POOL__TOKEN_END)
            return true;
        if (token.kind != POOL__TOKEN_PLACEHOLDER)
            continue;
        struct pool__sql_place place = {.start = (size_t)(token.text - lexer->sql),
                                        .len = token.len,
                                        .in_comment = lexer->in_comment};
        if (!add_place(places, place, err))
            return false;
    }
}

static bool give_in_order(struct pool__sql_places *places, struct pool_args args,
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

static bool give_by_name(struct pool__sql_places *places, const char *sql, struct pool_args args,
                         bool *used, struct pool_error *err)
{
    for (size_t i = 0; i < places->count; i++) {
        struct pool__sql_place *place = &places->places[i];
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

static bool give_named(struct pool__sql_places *places, const char *sql, struct pool_args args,
                       struct pool_error *err)
{
    if (!check_all_named(args, err))
        return false;
    bool *used = calloc(args.count + 1, sizeof *used);
    if (!used)
        return fail_memory(err);
    bool ok = give_by_name(places, sql, args, used, err);
    free(used);
    return ok;
}

bool pool__sql_places_find(struct pool__sql_places *places, const char *sql, size_t len,
                           struct pool_args args, struct pool_error *err)
{
    *places = (struct pool__sql_places){0};
    struct pool__lexer lexer;
    if (!pool__args_check(args, err) || !pool__lexer_init(&lexer, sql, len, err) ||
        !find_placeholders(places, &lexer, err))
        return false;
    return lexer.named ? give_named(places, sql, args, err) : give_in_order(places, args, err);
}

bool pool__sql_needs_expansion(struct pool_args args)
{
    for (size_t i = 0; i < args.count; i++)
        if (args.values[i].name || args.values[i].type == POOL_TYPE_LIST)
            return true;
    return false;
}

/* The number of ? that a value takes; 0 for an empty list. Counts over the limit are not
 * padded, so that the doubling cannot overflow. */
static size_t width(const struct pool_value *value, bool padded)
{
    if (value->type != POOL_TYPE_LIST)
        return 1;
    size_t count = value->as.list.count;
    if (!padded || count == 0 || count > POOL__MAX_PLACEHOLDERS)
        return count;
    size_t power = 1;
    while (power < count)
        power *= 2;
    return power;
}

/* The sum of the widths. It stops growing soon after the limit, so it cannot overflow. */
static size_t total_width(const struct pool__sql_places *places, bool padded)
{
    size_t total = 0;
    for (size_t i = 0; i < places->count && total <= POOL__MAX_PLACEHOLDERS; i++) {
        size_t more = width(places->places[i].value, padded);
        total += more <= POOL__MAX_PLACEHOLDERS ? more : POOL__MAX_PLACEHOLDERS + 1;
    }
    return total;
}

static char *append(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}

/* Writes the ? of one value and remembers which single values they stand for. */
static char *write_place(char *to, const struct pool_value *value, bool padded,
                         struct pool__sql_expanded *expanded)
{
    size_t count = width(value, padded);
    if (count == 0)
        return append(to, "NULL", 4);
    for (size_t i = 0; i < count; i++) {
        const struct pool_value *single = value;
        if (value->type == POOL_TYPE_LIST) {
            size_t last = value->as.list.count - 1;
            single = &value->as.list.values[i < last ? i : last];
        }
        expanded->values[expanded->count++] = single;
        to = append(to, i == 0 ? "?" : ",?", i == 0 ? 1 : 2);
    }
    return to;
}

static void write_expanded(struct pool__sql_expanded *expanded, const char *sql, size_t len,
                           const struct pool__sql_places *places, bool padded)
{
    char *to = expanded->sql;
    size_t done = 0;
    for (size_t i = 0; i < places->count; i++) {
        const struct pool__sql_place *place = &places->places[i];
        to = append(to, sql + done, place->start - done);
        to = write_place(to, place->value, padded, expanded);
        done = place->start + place->len;
    }
    to = append(to, sql + done, len - done);
    *to = '\0';
    expanded->len = (size_t)(to - expanded->sql);
}

static bool expand(const char *sql, size_t len, const struct pool__sql_places *places,
                   struct pool__sql_expanded *ret_expanded, struct pool_error *err)
{
    bool padded = total_width(places, true) <= POOL__MAX_PLACEHOLDERS;
    size_t total = total_width(places, padded);
    if (total > POOL__MAX_PLACEHOLDERS)
        return pool__fail(err, POOL_ERR_INVALID,
                          "statement has more than %d placeholders, its lists included",
                          POOL__MAX_PLACEHOLDERS);
    /* A place takes at most 4 bytes of its own (NULL), a value two (",?"). */
    size_t size = len + 4 * places->count + 2 * total + 1;
    struct pool__sql_expanded expanded = {0};
    expanded.sql = malloc(size);
    expanded.values = malloc((total + 1) * sizeof *expanded.values);
    if (!expanded.sql || !expanded.values) {
        pool__sql_expanded_free(&expanded);
        return fail_memory(err);
    }
    write_expanded(&expanded, sql, len, places, padded);
    *ret_expanded = expanded;
    return true;
}

bool pool__sql_expand(const char *sql, size_t len, struct pool_args args,
                      struct pool__sql_expanded *ret_expanded, struct pool_error *err)
{
    struct pool__sql_places places;
    bool ok = pool__sql_places_find(&places, sql, len, args, err) &&
              expand(sql, len, &places, ret_expanded, err);
    pool__sql_places_free(&places);
    return ok;
}

void pool__sql_expanded_free(struct pool__sql_expanded *expanded)
{
    free(expanded->sql);
    free(expanded->values);
    *expanded = (struct pool__sql_expanded){0};
}
