/*
 * The columns of a prepared statement as the server described them last. A server that leaves
 * out the description, because nothing has changed, is taken at its word only as far as this
 * goes. threads: one at a time.
 */
#ifndef POOL_RESULT_KNOWN_COLUMNS_H
#define POOL_RESULT_KNOWN_COLUMNS_H

#include "result/decode.h"

#include <stdbool.h>
#include <stddef.h>

struct pool__known_columns {
    unsigned count;
    size_t size;                /* bytes of a copy: the list, and the names behind it */
    struct pool__column list[]; /* their names point behind it */
};

/* A copy, to be freed with free(); NULL if memory is out. */
struct pool__known_columns *pool__known_columns_new(const struct pool__column *columns,
                                                    unsigned count);

/* Whether the columns have the count and names of those that are known; and whether they are the
 * same in every respect. `known` NULL is like no columns. */
bool pool__known_columns_have_same_names(const struct pool__known_columns *known,
                                         const struct pool__column *columns, unsigned count);
bool pool__known_columns_are_same(const struct pool__known_columns *known,
                                  const struct pool__column *columns, unsigned count);

/* Writes a copy of the list, names included, to `to`, which has `size` bytes. */
void pool__known_columns_copy(struct pool__column *to, const struct pool__known_columns *known);

#endif
