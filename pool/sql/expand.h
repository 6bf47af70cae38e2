/*
 * Lists and names, for servers that know neither. See expand.c.
 */
#ifndef POOL_SQL_EXPAND_H
#define POOL_SQL_EXPAND_H

#include "mypool.h"

/* Whether the values need pool__expand before the statement can be prepared. */
bool pool__expand_is_needed(struct pool_args args);

/* A statement with ? only, and one single value for each. */
struct pool__expanded {
    char *sql; /* NUL-terminated */
    size_t len;
    const struct pool_value **values; /* point into the arguments of the call */
    size_t count;
};

/* Replaces :name by ?, and the ? of a list by as many as it has values, in IN (...) padded
 * with the last one up to a power of two (unless that would be too many). Where IN (...) has
 * nothing but empty lists it gets a subquery without rows. The caller frees the result with
 * pool__expand_free. */
bool pool__expand(const char *sql, size_t len, struct pool_args args,
                  struct pool__expanded *ret_expanded, struct pool_error *err);
void pool__expand_free(struct pool__expanded *expanded); /* {0} is allowed */

#endif
