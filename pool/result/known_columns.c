/*
 * One block: the list and then the names, so that a copy is a memcpy and one addition for
 * each name. No locks, no I/O.
 */
#include "result/known_columns.h"

#include <stdlib.h>
#include <string.h>

struct pool__known_columns *pool__known_columns_new(const struct pool__column *columns,
                                                    unsigned count)
{
    size_t size = count * sizeof *columns;
    for (unsigned i = 0; i < count; i++)
        size += strlen(columns[i].name) + 1;
    struct pool__known_columns *copy = malloc(sizeof *copy + size);
    if (!copy)
        return NULL;
    copy->count = count;
    copy->size = size;
    char *name = (char *)(copy->list + count);
    for (unsigned i = 0; i < count; i++) {
        size_t len = strlen(columns[i].name) + 1;
        copy->list[i] = columns[i];
        copy->list[i].name = memcpy(name, columns[i].name, len);
        name += len;
    }
    return copy;
}

bool pool__known_columns_have_same_names(const struct pool__known_columns *known,
                                         const struct pool__column *columns, unsigned count)
{
    if ((known ? known->count : 0) != count)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (strcmp(known->list[i].name, columns[i].name) != 0)
            return false;
    return true;
}

static bool is_same_kind(const struct pool__column *a, const struct pool__column *b)
{
    return a->width == b->width && a->type == b->type && a->form == b->form && a->size == b->size &&
           a->decimals == b->decimals;
}

bool pool__known_columns_are_same(const struct pool__known_columns *known,
                                  const struct pool__column *columns, unsigned count)
{
    if (!pool__known_columns_have_same_names(known, columns, count))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (!is_same_kind(&known->list[i], &columns[i]))
            return false;
    return true;
}

void pool__known_columns_copy(struct pool__column *to, const struct pool__known_columns *known)
{
    const char *from = (const char *)known->list;
    memcpy(to, known->list, known->size);
    for (unsigned i = 0; i < known->count; i++)
        to[i].name = (const char *)to + (known->list[i].name - from);
}
