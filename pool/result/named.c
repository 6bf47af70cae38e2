/*
 * The values of the current row by the names of their columns. What is not there exactly once
 * cannot be read: that is told by pool_result_error.
 */
#include "result/layout.h"
#include "result/misread.h"

#include <string.h>

/* Servers compare names of columns without regard to case; of letters beyond ASCII that is not
 * known here. */
static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool is_same(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b))
        a++, b++;
    return lower(*a) == lower(*b);
}

/* The first column of that name, exactly as it is written, or else in any case. */
int pool_column_index(const struct pool_result *result, const char *name)
{
    unsigned count = pool_column_count(result);
    int similar = -1;
    if (!name)
        return -1;
    for (unsigned i = count; i-- > 0;)
        if (is_same(result->set->columns[i].name, name))
            similar = (int)i;
    for (unsigned i = 0; i < count && similar >= 0; i++)
        if (strcmp(result->set->columns[i].name, name) == 0)
            return (int)i;
    return similar;
}

/* False for another column of that name. A name that differs in case only does not count, if
 * this one does not. */
static bool is_only(const struct pool_result *r, unsigned column, const char *name)
{
    bool exact = strcmp(r->set->columns[column].name, name) == 0;
    for (unsigned i = 0; i < r->set->count; i++) {
        const char *other = r->set->columns[i].name;
        if (i != column && (exact ? strcmp(other, name) == 0 : is_same(other, name)))
            return false;
    }
    return true;
}

/* UINT_MAX, which is no column, if there is not exactly one. */
static unsigned find(struct pool_result *r, const char *name)
{
    int column = pool_column_index(r, name);
    if (column >= 0 && is_only(r, (unsigned)column, name))
        return (unsigned)column;
    if (r && r->set)
        pool__misread_name(r, name, column >= 0);
    return UINT32_MAX;
}

bool pool_is_null_by(struct pool_result *result, const char *name)
{
    return pool_is_null(result, find(result, name));
}

int64_t pool_get_int_by(struct pool_result *result, const char *name)
{
    return pool_get_int(result, find(result, name));
}

uint64_t pool_get_uint_by(struct pool_result *result, const char *name)
{
    return pool_get_uint(result, find(result, name));
}

double pool_get_double_by(struct pool_result *result, const char *name)
{
    return pool_get_double(result, find(result, name));
}

const char *pool_get_text_by(struct pool_result *result, const char *name)
{
    return pool_get_text(result, find(result, name));
}

const void *pool_get_bytes_by(struct pool_result *result, const char *name, size_t *ret_len)
{
    return pool_get_bytes(result, find(result, name), ret_len);
}

bool pool_get_time_by(struct pool_result *result, const char *name, struct pool_time *ret_time)
{
    return pool_get_time(result, find(result, name), ret_time);
}
