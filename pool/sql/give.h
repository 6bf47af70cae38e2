/*
 * The value of each placeholder. See give.c.
 */
#ifndef POOL_SQL_GIVE_H
#define POOL_SQL_GIVE_H

#include "sql/placeholders.h"

#include <stdbool.h>

/* Gives each place its value. False unless every value has a place and every place a value, and
 * each empty list is an element of IN (...). The values have been checked. */
bool pool__give_values(struct pool__placeholders *places, const char *sql, struct pool_args args,
                       struct pool_error *err);

#endif
