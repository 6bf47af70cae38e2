/*
 * What a column is. See column.c.
 */
#ifndef POOL_RESULT_COLUMN_H
#define POOL_RESULT_COLUMN_H

#include "result/decode.h"

#include <stdbool.h>
#include <stddef.h>

struct st_mysql_field; /* libmariadb's MYSQL_FIELD */

/* Describes column number `index`. The name is not copied: *ret_name points to it, and has no
 * NUL. */
void pool__column_describe(struct pool__column *ret_column, const struct st_mysql_field *fields,
                           unsigned index, bool binary, const char **ret_name, size_t *ret_len);

#endif
