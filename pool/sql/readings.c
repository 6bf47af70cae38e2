/*
 * A statement for a session whose way of reading quotes is not known.
 *
 * Only a backslash before a quote makes a difference. Where there is one the text is read in
 * all three ways (enum pool__quotes), which may find different placeholders.
 *
 * Before a connection is borrowed nobody knows the session. What is to be prepared has no
 * values in it, so a wrong guess is no injection; the server says how many placeholders it has
 * found, and if that is not the expected number nothing is bound. So it is enough that all
 * readings that are possible find the same. One in which a string or a comment has no end is
 * none: a server in such a session refuses the text.
 *
 * Literals in the text are another matter. A session in which the text as it is would be
 * broken may find it whole with a literal in it, and may find it to say what the literal's
 * author wants. So a place is safe only if every reading comes by and takes it for a
 * placeholder, or if it stands before the first such backslash.
 */
#include "sql/readings.h"

#include "base/error.h"

static const enum pool__quotes others[] = {POOL__QUOTES_ANSI, POOL__QUOTES_BARE};

static bool fail_ambiguous(size_t escaped_quote_at, struct pool_error *err)
{
    return pool__fail(err, POOL_ERR_INVALID,
                      "the SQL mode of the session decides which of the placeholders are in a "
                      "string, for there is a backslash before the quote at byte %zu: pass such "
                      "text as a value",
                      escaped_quote_at);
}

/* What has been found so far: by the first reading that is possible. */
struct search {
    struct pool__placeholders *places;
    bool found;
    enum pool__depth depth;
    size_t escaped_quote_at;
};

static bool take_reading(struct search *search, const char *sql, size_t len,
                         enum pool__quotes quotes, struct pool_error *err)
{
    struct pool__placeholders other;
    struct pool_error why = {0};
    bool ok = true;
    if (!pool__placeholders_find(&other, sql, len, quotes, search->depth, &why)) {
        if (why.code == POOL_ERR_NOMEM)
            ok = pool__fail_copy(err, &why);
    } else if (!search->found) {
        pool__placeholders_free(search->places);
        *search->places = other;
        search->found = true;
        return true;
    } else if (!pool__placeholders_agree(search->places, &other, search->depth)) {
        ok = fail_ambiguous(search->escaped_quote_at, err);
    }
    pool__placeholders_free(&other);
    return ok;
}

bool pool__readings_find_possible(struct pool__placeholders *places, const char *sql, size_t len,
                                  enum pool__depth depth, struct pool_error *err)
{
    struct pool_error why = {0};
    struct search search = {.places = places, .depth = depth};
    search.found = pool__placeholders_find(places, sql, len, POOL__QUOTES_ESCAPED, depth, &why);
    search.escaped_quote_at = places->escaped_quote_at;
    if (places->escaped_quote && why.code != POOL_ERR_NOMEM)
        for (size_t i = 0; i < 2; i++)
            if (!take_reading(&search, sql, len, others[i], err))
                return false;
    return search.found || pool__fail_copy(err, &why);
}

static bool has_place_at(const struct pool__placeholders *places,
                         const struct pool__placeholder *place)
{
    size_t low = 0;
    size_t high = places->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places->places[middle].start < place->start)
            low = middle + 1;
        else
            high = middle;
    }
    return low < places->count && places->places[low].start == place->start &&
           places->places[low].len == place->len &&
           places->places[low].in_comment == place->in_comment;
}

/* Whether the other reading, which may break off, sees all places behind the backslash. */
static bool sees_places(const struct pool__placeholders *other,
                        const struct pool__placeholders *places, size_t *ret_not)
{
    for (size_t i = 0; i < places->count; i++) {
        const struct pool__placeholder *place = &places->places[i];
        if (place->start < places->escaped_quote_at || has_place_at(other, place))
            continue;
        *ret_not = place->start;
        return false;
    }
    return true;
}

static bool check_safe(const struct pool__placeholders *places, const char *sql, size_t len,
                       enum pool__quotes quotes, struct pool_error *err)
{
    struct pool__placeholders other;
    struct pool_error why = {0};
    size_t unsafe = 0;
    bool ok = true;
    pool__placeholders_find(&other, sql, len, quotes, POOL__DEPTH_PLACEHOLDERS, &why);
    if (why.code == POOL_ERR_NOMEM)
        ok = pool__fail_copy(err, &why);
    else if (!sees_places(&other, places, &unsafe))
        ok = pool__fail(err, POOL_ERR_INVALID,
                        "placeholder at byte %zu follows a backslash before a quote at byte %zu, "
                        "which servers read in different ways: pass such text as a value",
                        unsafe, places->escaped_quote_at);
    pool__placeholders_free(&other);
    return ok;
}

bool pool__readings_find_safe(struct pool__placeholders *places, const char *sql, size_t len,
                              enum pool__depth depth, struct pool_error *err)
{
    if (!pool__placeholders_find(places, sql, len, POOL__QUOTES_ESCAPED, depth, err))
        return false;
    for (size_t i = 0; places->escaped_quote && i < 2; i++)
        if (!check_safe(places, sql, len, others[i], err))
            return false;
    return true;
}
