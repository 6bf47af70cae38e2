/*
 * The sets of a result: how one begins, with its columns, before its rows are added.
 */
#include "result/sets.h"

#include "base/error.h"
#include "result/column.h"
#include "result/layout.h"
#include "result/result.h"

#include <string.h>

#define NAME_MAX_BYTES 1024 /* 256 characters, the longest alias */
#define COLUMNS_MAX (1u << 20)

/* A name that is too long is cut between two characters. */
static bool copy_name(struct pool_result *r, struct pool__column *column, const char *text,
                      size_t len, struct pool_error *err)
{
    if (len > NAME_MAX_BYTES) {
        len = NAME_MAX_BYTES;
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
            len--;
    }
    char *name = pool__result_take_counted(r, len + 1, err);
    if (!name)
        return false;
    memcpy(name, text, len);
    name[len] = '\0';
    column->name = name;
    return true;
}

static bool copy_columns(struct pool_result *r, struct pool__set *set,
                         const struct st_mysql_field *fields, struct pool_error *err)
{
    if (set->count > COLUMNS_MAX || (set->count > 0 && !fields))
        return pool__fail_fatal(err, POOL_ERR_LOST, "malformed result: %u columns", set->count);
    set->columns = pool__result_take_counted(r, set->count * sizeof *set->columns, err);
    if (!set->columns)
        return false;
    for (unsigned i = 0; i < set->count; i++) {
        const char *name;
        size_t len;
        pool__column_describe(&set->columns[i], fields, i, set->binary, &name, &len);
        if (!copy_name(r, &set->columns[i], name, len, err))
            return false;
    }
    return true;
}

static struct pool__set *new_set(struct pool_result *r, unsigned count, bool binary,
                                 struct pool_error *err)
{
    if (r->streaming)
        pool__result_drop_rows(r);
    struct pool__set *set =
        r->first ? pool__result_take_counted(r, sizeof *set, err) : &r->first_set;
    if (set)
        *set = (struct pool__set){.count = count, .binary = binary};
    return set;
}

static void add_set(struct pool_result *r, struct pool__set *set)
{
    if (r->building)
        r->building->next = set;
    else
        r->first = r->set = set;
    r->building = set;
    r->mark = r->arena;
}

bool pool__sets_begin(struct pool_result *result, const struct st_mysql_field *fields,
                      unsigned count, bool binary, struct pool_error *err)
{
    struct pool__set *set = new_set(result, count, binary, err);
    if (!set || !copy_columns(result, set, fields, err))
        return false;
    add_set(result, set);
    return true;
}

bool pool__sets_begin_known(struct pool_result *result, const struct pool__known_columns *columns,
                            struct pool_error *err)
{
    struct pool__set *set = new_set(result, columns->count, true, err);
    if (!set || !(set->columns = pool__result_take_counted(result, columns->size, err)))
        return false;
    pool__known_columns_copy(set->columns, columns);
    add_set(result, set);
    return true;
}

const struct pool__column *pool__sets_columns(const struct pool_result *result, unsigned *ret_count)
{
    *ret_count = result->building->count;
    return result->building->columns;
}
