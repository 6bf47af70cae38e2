/*
 * The sets of a result. See sets.c.
 */
#ifndef POOL_RESULT_SETS_H
#define POOL_RESULT_SETS_H

#include "mypool.h"
#include "result/decode.h"
#include "result/known_columns.h"

struct st_mysql_field; /* libmariadb's MYSQL_FIELD */

/* Copies what is needed of the columns. `count` 0 is a reply without rows. `binary`:
 * the rows come from a prepared statement. */
bool pool__sets_begin(struct pool_result *result, const struct st_mysql_field *fields,
                      unsigned count, bool binary, struct pool_error *err);

/* The same with the rows of a prepared statement whose columns are known already. */
bool pool__sets_begin_known(struct pool_result *result, const struct pool__known_columns *columns,
                            struct pool_error *err);

/* The columns of the set being built. */
const struct pool__column *pool__sets_columns(const struct pool_result *result,
                                              unsigned *ret_count);

#endif
