/*
 * Parameters of a URL by name, and what is said of one that there is not: a name that is nearly
 * right is suggested, and that of another driver translated (hints.c).
 */
#include "config/url_names.h"

#include "base/error.h"
#include "config/hints.h"

#include <string.h>
#include <strings.h>

#define MAX_NAME 32
#define ANY_DISTANCE 2 /* edits between a wrong name and the one that is suggested */

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* How many letters to insert, delete or change to make a into b. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[MAX_NAME + 1];
    size_t width = strlen(b);
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 1; j <= width; j++) {
            size_t above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[width];
}

/* The row of this parameter, or `rows`. */
size_t pool__url_names_find(const struct pool__url_reader *r, const char *name)
{
    size_t i = 0;
    while (i < r->rows && !(r->table[i].name && !strcmp(r->table[i].name, name)))
        i++;
    return i;
}

static const char *nearest(const struct pool__url_reader *r, const char *name)
{
    const char *best = NULL;
    size_t best_distance = ANY_DISTANCE + 1;
    for (size_t i = 0; i < r->rows; i++) {
        size_t distance = r->table[i].name ? edit_distance(name, r->table[i].name) : SIZE_MAX;
        if (distance < best_distance) {
            best_distance = distance;
            best = r->table[i].name;
        }
    }
    return best;
}

/* The user, password, host, port and database have a place of their own. */
static bool has_own_place(const struct pool__url_reader *r, const char *name)
{
    for (size_t i = 0; i < r->rows; i++)
        if (!r->table[i].name && !strcmp(r->table[i].field, name))
            return true;
    return false;
}

/* The same under other drivers' names. */
static const char *other_word_for_own_place(const char *name)
{
    static const char *const words[] = {"username", "usr",    "passwd",   "pwd",    "hostname",
                                        "server",   "dbname", "database", "schema", "db"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (pool__hints_same_name(name, words[i]))
            return words[i];
    return NULL;
}

/* Our name, if it was only spelt otherwise: connection_limit, acquire_timeout_ms. */
static const char *spelt_otherwise(const struct pool__url_reader *r, const char *name)
{
    for (size_t i = 0; i < r->rows; i++)
        if (r->table[i].name && (pool__hints_same_name(name, r->table[i].name) ||
                                 pool__hints_same_name(name, r->table[i].field)))
            return r->table[i].name;
    return NULL;
}

static bool refuse_with(struct pool__url_reader *r, const char *name, const char *before,
                        const char *hint, const char *after)
{
    return pool__fail(r->err, POOL_ERR_INVALID, "URL: unknown parameter%s%s%s%s%s%s",
                      r->may_quote_names ? " '" : "", r->may_quote_names ? name : "",
                      r->may_quote_names ? "'" : "", before, hint, after);
}

bool pool__url_names_refuse(struct pool__url_reader *r, const char *name)
{
    const char *own = spelt_otherwise(r, name);
    const char *place = has_own_place(r, name) ? name : other_word_for_own_place(name);
    const char *hint = pool__hints_for(name);
    if (place)
        return pool__fail(r->err, POOL_ERR_INVALID,
                          "URL: '%s' cannot be a parameter, it belongs before the '?'", place);
    if (!own && hint)
        return refuse_with(r, name, *hint == '\'' ? "; here it is " : ": ", hint, "");
    own = own ? own : nearest(r, name);
    return own ? refuse_with(r, name, ", did you mean '", own, "'?")
               : refuse_with(r, name, "", "", "");
}

bool pool__url_names_looks_like_one(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return len > 0 && len <= MAX_NAME && !name[len];
}
