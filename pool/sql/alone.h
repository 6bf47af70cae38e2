/*
 * Whether the values of a statement stand alone: each ? is all of a value in a row, or all
 * that a column is set to or compared with. What it does then depends on the value and on its
 * column, and on nothing that a server may have worked out for an earlier value. threads: any.
 */
#ifndef POOL_SQL_ALONE_H
#define POOL_SQL_ALONE_H

#include <stdbool.h>
#include <stddef.h>

/* Of a single INSERT, REPLACE, UPDATE, DELETE or SELECT that pool__inspect has accepted;
 * false if in doubt. */
bool pool__alone_is(const char *sql, size_t len);

#endif
